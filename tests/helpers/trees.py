"""Small data sets of each layout, made by hand from its description, and what is to be read from them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import tifffile

from das3d_aug.geometry import Intrinsics, depth_to_points

RNG = np.random.default_rng(3)
RGB = RNG.integers(0, 256, (10, 14, 3), dtype=np.uint8)
DEPTH = RNG.integers(500, 900, (10, 14)).astype(np.uint16)
DEPTH[0, :3] = 0
CAMERA = Intrinsics(700.0, 710.0, 6.5, 4.5)
XYZ = depth_to_points(DEPTH / 1000, CAMERA)
MASK = np.zeros((10, 14), bool)
MASK[4:6, 5:9] = True
WHITE = np.uint8(255) * MASK
CODES = RNG.integers(1, 65536, (10, 14)).astype(np.uint16)


def save(path, array):
    """Write with the libraries themselves, not with das3d's encoders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".npy":
        np.save(path, array)
    elif path.suffix == ".npz":
        np.savez(path, array)
    elif path.suffix == ".tiff":
        tifffile.imwrite(path, array, photometric="rgb" if array.ndim == 3 else "minisblack")
    else:
        assert cv2.imwrite(str(path), array[:, :, ::-1] if array.ndim == 3 else array)
    return path


def write(root, files):
    for path, data in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(data)


def own_images(root, *, depth=DEPTH, suffix=".png", names=("000",)):
    for name in names:
        save(root / "rgb" / f"{name}.png", RGB)
        save(root / "depth" / f"{name}{suffix}", depth)
    return root


def own_images_with_masks(root):
    own_images(root, names=("000", "001", "002"))
    save(root / "mask" / "001.png", WHITE)
    save(root / "foreground" / "001.png", WHITE)


def mvtec(root):
    for category in ("bagel", "cable_gland"):
        for split, defect, names in (
            ("train", "good", ("000", "001")),
            ("validation", "good", ("000",)),
            ("test", "good", ("000",)),
            ("test", "hole", ("000", "001")),
        ):
            for name in names:
                group = root / category / split / defect
                save(group / "rgb" / f"{name}.png", RGB)
                save(group / "xyz" / f"{name}.tiff", XYZ)
                if split == "test":
                    save(group / "gt" / f"{name}.png", WHITE * (defect != "good"))
    return root


def adam(root):
    for group, masked in (("train/good", False), ("test/good", False), ("test/bulge", True)):
        for name in ("003_C", "010_D"):
            save(root / "gear" / group / "rgb" / f"{name}.png", RGB)
            save(root / "gear" / group / "xyz" / f"{name}.tiff", XYZ)
            if masked:
                save(root / "gear" / group / "ground_truth" / f"{name}.png", WHITE)
    return root


def realiad(root):
    for group in ("train/GOOD", "test/GOOD", "test/scratch"):
        for name in ("0001", "0002"):
            folder = root / "fuse_holder" / group
            save(folder / "rgb" / f"{name}.png", RGB)
            save(folder / "xyz" / f"{name}.tiff", np.where(XYZ == 0, np.nan, XYZ))
            save(folder / "ps" / f"{name}.jpg", RGB)
            if group == "test/scratch":
                save(folder / "gt" / f"{name}.png", WHITE)
    return root


def eyecandies(root, *, low="0.5", high="0.9"):
    for category, split, number, anomalous in (
        ("GummyBear", "train", "000", False),
        ("GummyBear", "train", "001", False),
        ("GummyBear", "val", "00", False),
        ("GummyBear", "test_public", "00", False),
        ("GummyBear", "test_public", "01", True),
        ("GummyBear", "test_private", "000", None),
        ("Lollipop", "train", "000", False),
    ):
        start = root / category / split / "data"
        for light in range(6):
            save(start / f"{number}_image_{light}.png", np.uint8(RGB // 6 * (light + 1)))
        save(start / f"{number}_depth.png", CODES)
        save(start / f"{number}_normals.png", RGB)
        (start / f"{number}_info_depth.yaml").write_text(f"normalization:\n  max: {high}\n  min: {low}\n")
        (start / f"{number}_pose.txt").write_text("1 0 0 0\n0 1 0 0\n0 0 1 0\n0 0 0 1\n")
        if anomalous is not None:
            (start / f"{number}_metadata.yaml").write_text(f"anomalous: {int(anomalous)}\n")
            for kind in ("", "bumps_", "dents_", "colors_", "normals_"):
                save(start / f"{number}_{kind}mask.png", WHITE * anomalous)
    return root


def mvtec_ad(root):
    """Colour alone; of the tree of an issue of anomalib (#2515): masks are named <stem>_mask."""
    for category in ("bottle", "carpet"):
        for group, names in (("train/good", "ab"), ("test/good", "a"), ("test/color", "ab")):
            for name in names:
                save(root / category / group / f"{name}.png", RGB)
                if "good" not in group:
                    save(root / category / "ground_truth" / "color" / f"{name}_mask.png", WHITE)
    return root


def visa(root):
    for category in ("candle", "pcb1"):
        data = root / category / "Data"
        for name in ("0000", "0001"):
            save(data / "Images" / "Normal" / f"{name}.png", RGB)
            save(data / "Images" / "Anomaly" / f"{name[1:]}.png", RGB)
            save(data / "Masks" / "Anomaly" / f"{name[1:]}.png", np.uint8(3) * MASK)
        (root / category / "image_anno.csv").write_text("image,label,mask\n")
    return root


def poison_xyz(path):
    """Make three points of the fourth row invalid: not finite, infinite, behind the camera."""
    xyz = XYZ.copy()
    xyz[3, 3], xyz[3, 4, 0], xyz[3, 5, 2] = np.nan, np.inf, -1
    save(path, xyz)


def poison_depth(path):
    depth = DEPTH.astype(np.float64)
    depth[3, 3:6] = np.nan, np.inf, -1
    path.unlink()
    save(path.with_suffix(".npy"), depth)


def poison_codes(path):
    codes = CODES.copy()
    codes[3, 3:6] = 0
    save(path, codes)
    info = path.with_name(path.name.replace("depth.png", "info_depth.yaml"))
    info.write_text("normalization: {min: 0.0, max: 0.9}")


@dataclass(frozen=True)
class Tree:
    """A data set and one of its samples, which has every file that is opened.

    ``split`` is a split and its folder, which may be emptied; ``poison`` makes the pixels [3, 3:6] of the named
    role invalid.
    """

    build: Callable
    count: int
    how: str
    key: str
    files: dict[str, str]
    depth: np.ndarray | None
    poison: tuple[str, Callable] | None
    split: tuple[str, str] | None = None
    category: str | None = None
    optional: frozenset[str] = frozenset()

    def path(self, root: Path, role: str) -> Path:
        return root / self.files[role]


def _by_role(folder, **files):
    return {role: f"{folder}/{path}" for role, path in files.items()}


TREES = {
    "folder": Tree(
        build=own_images_with_masks,
        count=3,
        how="rgb/ beside depth/",
        key="001",
        files={role: f"{role}/001.png" for role in ("rgb", "depth", "mask", "foreground")},
        depth=DEPTH.astype(np.float32),
        poison=("depth", poison_depth),
        optional=frozenset({"mask", "foreground"}),
    ),
    "mvtec3d": Tree(
        build=mvtec,
        count=12,
        how="rgb/ beside xyz/ in 8 folders such as bagel/train/good/, none named GOOD or with ps/ or ground_truth/",
        key="bagel/test/hole/001",
        files=_by_role("bagel/test/hole", rgb="rgb/001.png", xyz="xyz/001.tiff", gt="gt/001.png"),
        depth=XYZ[:, :, 2],
        poison=("xyz", poison_xyz),
        split=("train", "bagel/train"),
        category="bagel",
    ),
    "eyecandies": Tree(
        build=eyecandies,
        count=7,
        how="<id>_depth.png in 5 folders such as GummyBear/train/data/",
        key="GummyBear/test_public/01",
        files=_by_role(
            "GummyBear/test_public/data",
            rgb="01_image_5.png",
            depth="01_depth.png",
            info_depth="01_info_depth.yaml",
            metadata="01_metadata.yaml",
            mask="01_mask.png",
        ),
        depth=np.float32(CODES / 65535 * (0.9 - 0.5) + 0.5),
        poison=("depth", poison_codes),
        split=("validation", "GummyBear/val"),
        category="GummyBear",
    ),
    "realiad_d3": Tree(
        build=realiad,
        count=6,
        how="rgb/ beside xyz/ in 3 folders such as fuse_holder/train/GOOD/, some named GOOD",
        key="fuse_holder/test/scratch/0002",
        files=_by_role("fuse_holder/test/scratch", rgb="rgb/0002.png", xyz="xyz/0002.tiff", gt="gt/0002.png"),
        depth=XYZ[:, :, 2],
        poison=("xyz", poison_xyz),
        split=("train", "fuse_holder/train"),
        category="fuse_holder",
    ),
    "adam3d": Tree(
        build=adam,
        count=6,
        how="rgb/ beside xyz/ in 3 folders such as gear/train/good/, some with masks in ground_truth/",
        key="gear/test/bulge/003_C",
        files=_by_role(
            "gear/test/bulge", rgb="rgb/003_C.png", xyz="xyz/003_C.tiff", ground_truth="ground_truth/003_C.png"
        ),
        depth=XYZ[:, :, 2],
        poison=("xyz", poison_xyz),
        split=("train", "gear/train"),
        category="gear",
    ),
    "mvtec_ad": Tree(
        build=mvtec_ad,
        count=10,
        how="images in 6 folders such as bottle/train/good/",
        key="bottle/test/color/b",
        files={"rgb": "bottle/test/color/b.png", "mask": "bottle/ground_truth/color/b_mask.png"},
        depth=None,
        poison=None,
        split=("train", "bottle/train"),
        category="bottle",
        optional=frozenset({"rgb", "mask"}),
    ),
    "visa": Tree(
        build=visa,
        count=8,
        how="images in 4 folders such as candle/Data/Images/Anomaly/",
        key="candle/Anomaly/001",
        files={"rgb": "candle/Data/Images/Anomaly/001.png", "mask": "candle/Data/Masks/Anomaly/001.png"},
        depth=None,
        poison=None,
        category="candle",
        optional=frozenset({"rgb", "mask"}),
    ),
}

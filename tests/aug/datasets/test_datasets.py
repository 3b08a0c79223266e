"""Opening a data set, and what is special to own images and MVTec 3D-AD; what all readers share: test_readers.py."""

import json

import cv2
import numpy as np
import pytest
import tifffile
from helpers.trees import CAMERA, DEPTH, MASK, RGB, XYZ, mvtec, own_images, save, write

from das3d_aug import datasets
from das3d_aug.datasets import Dataset, encode_folder, encode_mvtec3d, open_dataset, register_layout
from das3d_aug.errors import FileError, ParameterError
from das3d_aug.geometry import depth_to_points


def test_mvtec_as_a_set(tmp_path):
    data = open_dataset(mvtec(tmp_path))
    assert (data.layout, len(data)) == ("mvtec3d", 12)
    assert "bagel/train/good" in data.how
    assert len({entry.key for entry in data.entries}) == 12
    assert data.entries[0].key == "bagel/test/good/000"
    assert len(data.select(split="train")) == 4
    assert len(data.select(category="bagel", label=1)) == 2
    assert len(data.select(split="test", label=0)) == 2
    sample = next(iter(data.select(category="cable_gland", label=1)))
    assert (sample.entry.defect, sample.unit) == ("hole", "m")
    assert np.array_equal(sample.rgb, RGB)
    assert np.array_equal(sample.xyz, XYZ)
    assert sample.depth.dtype == np.float32
    assert np.array_equal(sample.depth, XYZ[:, :, 2])
    assert np.array_equal(sample.valid, DEPTH > 0)
    assert np.array_equal(sample.mask, MASK)
    assert not any(item.mask.any() for item in data.select(label=0))


@pytest.mark.parametrize(
    ("depth", "suffix", "options", "scale", "unit"),
    [
        (DEPTH, ".png", {}, 1, "raw"),
        (DEPTH, ".pgm", {}, 1, "raw"),
        (DEPTH, ".npz", {"unit": "mm"}, 1, "mm"),
        (DEPTH, ".png", {"depth_scale": 1000, "unit": "m"}, 1000, "m"),
        (DEPTH, ".tiff", {"depth_scale": 5000.0}, 5000, "unknown"),
        (DEPTH.astype(np.float32), ".tiff", {}, 1, "unknown"),
        (DEPTH.astype(np.float64), ".npy", {"unit": "mm"}, 1, "mm"),
    ],
)
def test_own_images(tmp_path, depth, suffix, options, scale, unit):
    data = open_dataset(own_images(tmp_path, depth=depth, suffix=suffix), **options)
    sample = data.open(data.entries[0])
    assert (data.layout, data.how, sample.unit) == ("folder", "rgb/ beside depth/", unit)
    assert (sample.entry.key, sample.entry.label) == ("000", None)
    assert sample.mask is sample.foreground is sample.xyz is sample.intrinsics is None
    assert np.array_equal(sample.rgb, RGB)
    assert sample.depth.dtype == np.float32
    assert np.array_equal(sample.depth, (DEPTH / scale).astype(np.float32))
    assert np.array_equal(sample.valid, DEPTH > 0)


def test_own_images_with_everything_and_natural_order(tmp_path):
    own_images(tmp_path, names=("2", "10", "1"))
    (tmp_path / "rgb").rename(tmp_path / "color")
    save(tmp_path / "mask" / "2.png", np.uint8(1) * MASK)
    save(tmp_path / "foreground" / "2.npy", DEPTH > 0)
    matrix = [700, 0, 0, 0, 710, 0, 6.5, 4.5, 1]
    (tmp_path / "camera.json").write_text(json.dumps({"intrinsic_matrix": matrix}))
    (tmp_path / "depth" / ".3.png.77.partial").write_bytes(b"")
    (tmp_path / "depth" / "Thumbs.db").write_bytes(b"")
    data = open_dataset(tmp_path)
    assert [entry.key for entry in data.entries] == ["1", "2", "10"]
    first, second, _ = data
    assert first.mask is None
    assert np.array_equal(second.mask, MASK)
    assert np.array_equal(second.foreground, DEPTH > 0)
    assert second.intrinsics == CAMERA


def test_float_depth_is_invalid_where_it_is_not_a_distance(tmp_path):
    depth = np.full((10, 14), 2.0)
    depth[0, :5] = np.nan, np.inf, -np.inf, -1, 1e300
    (sample,) = open_dataset(own_images(tmp_path, depth=depth, suffix=".npy"))
    assert not sample.valid[0, :5].any()
    assert sample.valid.sum() == 10 * 14 - 5


def test_sunrgbd_depth(tmp_path):
    stored = (DEPTH << 3) | (DEPTH >> 13)
    (sample,) = open_dataset(own_images(tmp_path, depth=stored), encoding="sunrgbd")
    assert sample.unit == "mm"
    assert np.array_equal(sample.depth, DEPTH)
    (sample,) = open_dataset(tmp_path, encoding="sunrgbd", depth_scale=1000, unit="m")
    assert sample.unit == "m"
    assert np.array_equal(sample.depth, (DEPTH / 1000).astype(np.float32))


def test_nyu_depth_and_its_refusal_as_plain(tmp_path):
    disparity = np.tile(np.arange(950, 1090, dtype=np.uint16).reshape(10, 14), 1)
    disparity[0, :2] = 2047, 1093
    own_images(tmp_path, depth=disparity.byteswap(), suffix=".pgm")
    (sample,) = open_dataset(tmp_path, encoding="nyu")
    assert sample.unit == "mm"
    assert not sample.valid[0, :2].any()
    assert sample.valid.sum() == 138
    assert sample.depth[0, 2] == np.float32(351.3 / (1092.5 - 952) * 1000)
    with pytest.raises(FileError, match=r"000\.pgm.*encoding='nyu'"):
        next(iter(open_dataset(tmp_path)))


def test_an_honest_pgm_is_not_taken_for_swapped_disparity(tmp_path):
    depth = np.random.default_rng(0).integers(2100, 60000, (10, 14)).astype(np.uint16)
    (sample,) = open_dataset(own_images(tmp_path, depth=depth, suffix=".pgm"))
    assert np.array_equal(sample.depth, depth)


def test_an_encoding_needs_16_bits(tmp_path):
    own_images(tmp_path, depth=DEPTH.astype(np.float32), suffix=".tiff")
    with pytest.raises(FileError, match="needs 16-bit"):
        next(iter(open_dataset(tmp_path, encoding="sunrgbd")))


def test_two_files_of_one_stem_are_refused(tmp_path):
    own_images(tmp_path)
    save(tmp_path / "depth" / "000.npy", DEPTH)
    with pytest.raises(FileError, match="same stem"):
        open_dataset(tmp_path)


def test_a_link_within_the_root_is_followed(tmp_path):
    root = own_images(tmp_path / "root")
    inside = save(root / "store" / "x.png", DEPTH)
    (root / "depth" / "000.png").unlink()
    (root / "depth" / "000.png").symlink_to(inside)
    (tmp_path / "alias").symlink_to(root)
    for place in (root, tmp_path / "alias"):
        assert np.array_equal(next(iter(open_dataset(place))).depth, DEPTH)


def test_what_is_not_recognised_says_what_was_looked_for(tmp_path):
    with pytest.raises(FileError, match=r"it holds nothing; expected is rgb/ beside depth/ .*layouts"):
        open_dataset(tmp_path)
    with pytest.raises(FileError, match="is not a folder"):
        open_dataset(tmp_path / "absent")
    own_images(tmp_path)
    with pytest.raises(FileError, match=r"layout='mvtec3d' expects <category>/"):
        open_dataset(tmp_path, layout="mvtec3d")
    with pytest.raises(ParameterError, match=r"layout must be one of folder, mvtec3d, .*, got 'kitti'"):
        open_dataset(tmp_path, layout="kitti")
    with pytest.raises(ParameterError, match="scale= is not for the layout 'folder'"):
        open_dataset(tmp_path, scale=3)
    with pytest.raises(ParameterError, match="encoding must be one of"):
        open_dataset(tmp_path, encoding="tum")
    with pytest.raises(ParameterError, match="depth_scale must be positive, got 0"):
        open_dataset(tmp_path, depth_scale=0)
    mvtec(tmp_path)
    with pytest.raises(FileError, match="could be any of folder, mvtec3d"):
        open_dataset(tmp_path)
    assert open_dataset(tmp_path, layout="mvtec3d").layout == "mvtec3d"


def test_a_layout_can_be_registered(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets, "LAYOUTS", dict(datasets.LAYOUTS))

    class Empty(Dataset):
        layout = "empty"
        expected = "a file named empty"

        @classmethod
        def recognise(cls, root):
            return "a file named empty" if (root / "empty").exists() else None

        @classmethod
        def load(cls, root, how, **options):
            return cls(root, how, entries=())

        def open(self, entry):
            raise NotImplementedError

    register_layout("empty", Empty)
    (tmp_path / "empty").touch()
    assert isinstance(open_dataset(tmp_path), Empty)
    with pytest.raises(ParameterError, match="'folder' is registered"):
        register_layout("folder", Empty)


class Cubes(Dataset):
    """What a plug-in may bring."""

    layout = "cubes"
    expected = "cubes/"

    @classmethod
    def recognise(cls, root):
        return "cubes/" if (root / "cubes").is_dir() else None

    @classmethod
    def load(cls, root, how, **options):
        return cls(root, how, entries=())

    def open(self, entry):
        raise NotImplementedError


@pytest.fixture
def plug_ins(tmp_path, monkeypatch):
    """Announce entry points as an installed package would."""

    def announce(**values):
        info = tmp_path / "site" / "cubes-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: cubes\nVersion: 1.0\n")
        lines = [f"{name} = {value}" for name, value in values.items()]
        (info / "entry_points.txt").write_text("\n".join(["[das3d.layouts]", *lines]))
        monkeypatch.syspath_prepend(str(info.parent))

    return announce


def test_a_plug_in_adds_a_layout(tmp_path, plug_ins):
    (tmp_path / "data" / "cubes").mkdir(parents=True)
    plug_ins(cubes=f"{__name__}:Cubes", folder="not.needed:AtAll")
    for layout in (None, "cubes"):
        data = open_dataset(tmp_path / "data", layout=layout)
        assert (type(data).__qualname__, data.how) == ("Cubes", "cubes/")
    with pytest.raises(FileError, match=r"it holds data/.*; there is one in .*/data: give that folder"):
        open_dataset(tmp_path)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("no_such_module:Cubes", "cannot be loaded: ModuleNotFoundError"),
        ("json:Cubes", "cannot be loaded: AttributeError"),
        ("json:dumps", "is not a subclass of das3d_aug.datasets.Dataset"),
    ],
)
def test_a_broken_plug_in_is_named_when_it_is_needed(tmp_path, plug_ins, value, reason):
    plug_ins(cubes=value)
    for layout in (None, "cubes"):
        with pytest.raises(ParameterError, match=f"the plug-in {value} of layout 'cubes' {reason}"):
            open_dataset(tmp_path, layout=layout)
    with pytest.raises(ParameterError, match=r"layout must be one of folder, .*, cubes, got 'kitti'"):
        open_dataset(tmp_path, layout="kitti")
    assert len(open_dataset(own_images(tmp_path))) == 1
    assert len(open_dataset(tmp_path, layout="folder")) == 1


@pytest.mark.parametrize("depth", [DEPTH, DEPTH.astype(np.float32), DEPTH / 7])
def test_the_folder_writer_reads_back(tmp_path, depth):
    arrays = {"rgb": RGB, "depth": depth, "mask": MASK, "rgb_mask": MASK, "depth_mask": ~MASK}
    before = {name: array.copy() for name, array in arrays.items()}
    files = encode_folder("bagel/000", **arrays)
    assert all(np.array_equal(arrays[name], before[name]) for name in arrays)
    assert files == encode_folder("bagel/000", **before)
    suffix = "png" if depth.dtype == np.uint16 else "tiff"
    masks = {f"{folder}/bagel__000.png" for folder in ("mask", "rgb_mask", "depth_mask")}
    assert set(files) == {"rgb/bagel__000.png", f"depth/bagel__000.{suffix}"} | masks
    write(tmp_path, files)
    (sample,) = open_dataset(tmp_path)
    assert sample.entry.key == "bagel__000"
    assert np.array_equal(sample.rgb, RGB)
    assert np.array_equal(sample.depth, depth.astype(np.float32))
    assert np.array_equal(sample.mask, MASK)
    stored = cv2.imread(str(tmp_path / "depth_mask" / "bagel__000.png"), cv2.IMREAD_UNCHANGED)
    assert np.array_equal(stored, np.where(MASK, 0, 255))


def test_the_mvtec_writer_reads_back(tmp_path):
    depth = XYZ[:, :, 2].copy()
    depth[MASK] += 0.01
    arrays = {"rgb": RGB, "depth": depth, "mask": MASK, "xyz": XYZ}
    before = {name: array.copy() for name, array in arrays.items()}
    clean = {"rgb": RGB, "depth": XYZ[:, :, 2], "xyz": XYZ}
    write(tmp_path, encode_mvtec3d("bagel/test/synthetic/000", **arrays))
    write(tmp_path, encode_mvtec3d("bagel/test/good/000", **clean))
    write(tmp_path, encode_mvtec3d("bagel/train/good/000", **clean))
    assert all(np.array_equal(arrays[name], before[name]) for name in arrays)
    names = {path.relative_to(tmp_path / "bagel").as_posix() for path in tmp_path.rglob("*.*")}
    expected = {f"{group}/rgb/000.png" for group in ("test/synthetic", "test/good", "train/good")}
    expected |= {name.replace("rgb", "xyz").replace("png", "tiff") for name in expected}
    assert names == expected | {"test/synthetic/gt/000.png", "test/good/gt/000.png"}
    xyz = tifffile.imread(tmp_path / "bagel" / "test" / "synthetic" / "xyz" / "000.tiff")
    assert (xyz.dtype, xyz.shape) == (np.float32, (10, 14, 3))
    assert np.array_equal(xyz[:, :, 2], depth)
    assert xyz[~MASK].tobytes() == XYZ[~MASK].tobytes()
    data = open_dataset(tmp_path)
    (sample,) = data.select(label=1)
    assert np.array_equal(sample.rgb, RGB)
    assert np.array_equal(sample.depth, depth)
    assert np.array_equal(sample.mask, MASK)
    for good in data.select(label=0):
        assert np.array_equal(good.xyz, XYZ)
        assert not good.mask.any()


def test_the_mvtec_writer_makes_points_from_a_camera_or_says_that_it_cannot(tmp_path):
    depth = XYZ[:, :, 2]
    write(tmp_path, encode_mvtec3d("a/train/good/0", rgb=RGB, depth=depth, intrinsics=CAMERA))
    (sample,) = open_dataset(tmp_path)
    assert np.array_equal(sample.xyz, depth_to_points(depth, CAMERA))
    with pytest.raises(ParameterError, match="xyz, or depth and intrinsics, are needed"):
        encode_mvtec3d("a/train/good/0", rgb=RGB, depth=depth)
    stored = encode_mvtec3d("a/train/good/0", rgb=RGB, xyz=XYZ)
    assert stored == encode_mvtec3d("a/train/good/0", rgb=RGB, xyz=XYZ, depth=XYZ[:, :, 2])


@pytest.mark.parametrize("key", ["", "..", "a/../b", "/a", "a//b", ".a", "a\\b", "a/b__c", "a_/b", "a\0"])
def test_keys_that_lead_elsewhere_or_collide_are_refused(key):
    with pytest.raises(ParameterError, match="key must"):
        encode_folder(key, rgb=RGB, depth=DEPTH)


@pytest.mark.parametrize("key", ["000", "a/eval/good/0", "a/train/good/x/0", "../train/good/0"])
def test_mvtec_keys_have_four_parts(key):
    with pytest.raises(ParameterError, match="key must"):
        encode_mvtec3d(key, rgb=RGB, xyz=XYZ)


def test_writers_refuse_what_does_not_fit():
    with pytest.raises(ParameterError, match="rgb must be uint8"):
        encode_folder("a", rgb=RGB / 255, depth=DEPTH)
    with pytest.raises(ParameterError, match="depth must have the shape"):
        encode_folder("a", rgb=RGB, depth=DEPTH[1:])
    with pytest.raises(ParameterError, match="mask must have the shape"):
        encode_folder("a", rgb=RGB, depth=DEPTH, mask=MASK[:, 1:])
    with pytest.raises(ParameterError, match="xyz must have the shape"):
        encode_mvtec3d("a/train/good/0", rgb=RGB, xyz=XYZ[:, :, :2])
    with pytest.raises(ParameterError, match="mask is needed"):
        encode_mvtec3d("a/test/hole/0", rgb=RGB, xyz=XYZ)
    with pytest.raises(ParameterError, match="mask must be empty"):
        encode_mvtec3d("a/test/good/0", rgb=RGB, xyz=XYZ, mask=MASK)

"""Read what ``das3d-aug generate`` wrote with anomalib's MVTec3D, Folder3D and Folder, and check every sample.

    python examples/anomalib_datamodules.py GOOD ANOMALIES JOINED

GOOD: the good parts, a set in the MVTec 3D-AD layout or a folder of images.  ANOMALIES: what ``generate`` wrote from
it, or from other good parts of the same layout.  JOINED: a new folder, in which the two stand as anomalib wants them.
What to install and what to look out for is in docs/how-to/anomalib.md.
"""

import argparse
import json
import os
import shutil
import sys
from pathlib import Path

import numpy as np
import tifffile
from anomalib.data import AnomalibDataModule, DepthItem, Folder, Folder3D, ImageItem, MVTec3D
from PIL import Image

from das3d_aug.datasets import encode_folder, open_dataset
from das3d_aug.generation import normal_entries

LOADING = {"train_batch_size": 4, "eval_batch_size": 4, "num_workers": 0, "seed": 0}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("good", "anomalies", "joined"):
        parser.add_argument(name, metavar=name.upper(), type=lambda path: Path(path).resolve())
    args = parser.parse_args()
    if not args.good.is_dir():
        parser.error(f"{args.good} is not a folder")
    if not (args.anomalies / "das3d.json").is_file():
        parser.error(f"{args.anomalies} was not written by das3d-aug generate")
    if args.joined.exists():
        parser.error(f"{args.joined} exists; name a new folder")
    if (args.anomalies / "rgb").is_dir():
        read_folders(args.good, args.anomalies, args.joined)
    else:
        read_mvtec3d(args.good, args.anomalies, args.joined)


def read_mvtec3d(good: Path, anomalies: Path, joined: Path) -> None:
    for category in sorted(path.parent.name for path in anomalies.glob("*/test")):
        for root, splits in ((good, ("train/good", "validation/good", "test/good")), (anomalies, ("test/*",))):
            for folder in (folder for split in splits for folder in root.glob(f"{category}/{split}")):
                # Links to the files, because anomalib does not look into folders that are links.
                place = joined / folder.relative_to(root)
                shutil.copytree(folder, place, copy_function=os.symlink, dirs_exist_ok=True)
        module = MVTec3D(root=joined, category=category, **LOADING)
        show(module, f"MVTec3D {category}", anomalies, mask="gt", depth="xyz")


def read_folders(good: Path, anomalies: Path, joined: Path) -> None:
    # Folder3D reads depth from TIFF only, and it must have the unit of the anomalies.
    settings = json.loads((anomalies / "das3d.json").read_text())["settings"]
    dataset = open_dataset(good, layout=settings["layout"], **settings["options"])
    for entry in normal_entries(dataset):
        sample = dataset.open(entry)
        for path, data in encode_folder(entry.key, rgb=sample.rgb, depth=sample.depth).items():
            (joined / path).parent.mkdir(parents=True, exist_ok=True)
            (joined / path).write_bytes(data)
    colour = {"name": "parts", "root": joined, "normal_dir": "rgb", "abnormal_dir": anomalies / "rgb", **LOADING}
    depth = {"normal_depth_dir": "depth", "abnormal_depth_dir": anomalies / "depth"}
    show(Folder3D(mask_dir=anomalies / "mask", **depth, **colour), "Folder3D", anomalies, mask="mask", depth="depth")
    # Colour alone: what only depth shows is no defect here.
    show(Folder(mask_dir=anomalies / "rgb_mask", **colour), "Folder", anomalies, mask="rgb_mask")


def show(module: AnomalibDataModule, name: str, anomalies: Path, *, mask: str, depth: str | None = None) -> None:
    """Print every batch of a datamodule and check every sample in it."""
    module.prepare_data()
    module.setup()
    for split in ("train", "val", "test"):
        samples = anomalous = unmasked = 0
        for batch in getattr(module, f"{split}_dataloader")():
            labels, cover = batch.gt_label.int().tolist(), batch.gt_mask.float().mean(dim=(1, 2)).tolist()
            points = f", depth {tuple(batch.depth_map.shape)}" if depth else ""
            percent = " ".join(f"{100 * part:.1f}" for part in cover)
            print(f"{name} {split}: image {tuple(batch.image.shape)}{points}, labels {labels}, mask % {percent}")
            for item in batch:
                check(item, anomalies, mask=mask, depth=depth)
            samples += len(labels)
            anomalous += sum(labels)
            unmasked += sum(label == 1 and part == 0 for label, part in zip(labels, cover, strict=True))
        print(f"{name} {split}: {samples} samples as written, {anomalous} anomalous, {unmasked} of them without a mask")


def check(item: ImageItem | DepthItem, anomalies: Path, *, mask: str, depth: str | None) -> None:
    """Compare a sample, as a model would get it, with the files."""
    path = Path(item.image_path).resolve()
    folder, synthetic = path.parent.parent, path.is_relative_to(anomalies)
    anomalous = synthetic and folder.name != "good"  # generate puts samples that stayed normal into test/good
    stored = np.asarray(Image.open(path).convert("RGB"))
    wanted = np.asarray(Image.open(folder / mask / path.name)) > 0 if synthetic else np.zeros(stored.shape[:2], bool)
    same = {
        "label": bool(item.gt_label) == anomalous,
        "image": np.array_equal(np.rint(item.image.numpy() * 255), np.moveaxis(stored, -1, 0)),
        "mask": np.array_equal(item.gt_mask.numpy(), wanted),
    }
    if depth:  # (C, H, W): points for MVTec3D, one channel for Folder3D
        points = np.atleast_3d(tifffile.imread(folder / depth / f"{path.stem}.tiff"))
        same["depth"] = np.array_equal(item.depth_map.numpy(), np.moveaxis(points, -1, 0), equal_nan=True)
    if wrong := [what for what, equal in same.items() if not equal]:
        sys.exit(f"{path}: anomalib gives another {', '.join(wrong)}")


if __name__ == "__main__":
    main()

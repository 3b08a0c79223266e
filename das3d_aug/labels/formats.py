"""The two formats: COCO's instance segmentation, and the segmentation labels that YOLO reads."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import das3d_aug
from das3d_aug.labels.instances import Instance
from das3d_aug.labels.outlines import box, joined, regions, runs, without_between

__all__ = ["FORMATS", "Format", "Image"]


@dataclass(frozen=True, kw_only=True)
class Image:
    """An image of the set.

    Attributes
    ----------
    key : str
        Of its sample.
    stem : str
        Of its files.
    shape : (int, int)
        Height and width.
    marked : list of (kind, any)
        What lies on it, as `Format.drawn` returns it.
    """

    key: str
    stem: str
    shape: tuple[int, int]
    marked: list[tuple[str, Any]]


@dataclass(frozen=True)
class Format:
    """How a defect is drawn: as any number of things; and from all images and categories the files by their paths."""

    drawn: Callable[[Instance], list[Any]]
    files: Callable[[Sequence[Image], Sequence[str]], dict[str, bytes]]


def _annotation(instance: Instance) -> list[dict[str, Any]]:
    """Return a defect as COCO has it: polygons, or runs where one has a hole."""
    found = regions(instance.mask)
    holes = any(len(rings) > 1 for rings in found)
    runs_of = {"counts": runs(instance.mask), "size": list(instance.mask.shape)} if holes else None
    return [
        {
            "segmentation": runs_of or [without_between(rings[0]).ravel().tolist() for rings in found],
            "bbox": list(box(instance.mask)),
            "area": int(np.count_nonzero(instance.mask)),
            "iscrowd": 0,
        }
    ]


def _coco(images: Sequence[Image], categories: Sequence[str]) -> dict[str, bytes]:
    """Return ``annotations.json``; numbers of images, annotations and categories count from 1."""
    numbers = {name: number for number, name in enumerate(categories, start=1)}
    marked = [(number, *item) for number, image in enumerate(images, start=1) for item in image.marked]
    document = {
        "info": {"description": "written by das3d-aug labels", "version": das3d_aug.__version__},
        "licenses": [],
        "images": [
            {
                "id": number,
                "file_name": f"{image.stem}.png",
                "height": image.shape[0],
                "width": image.shape[1],
                "key": image.key,
            }
            for number, image in enumerate(images, start=1)
        ],
        "categories": [{"id": number, "name": name, "supercategory": "defect"} for name, number in numbers.items()],
        "annotations": [
            {"id": number, "image_id": image, "category_id": numbers[kind], **values}
            for number, (image, kind, values) in enumerate(marked, start=1)
        ],
    }
    return {"annotations.json": _bytes(json.dumps(document, ensure_ascii=False) + "\n")}


def _polygons(instance: Instance) -> list[str]:
    """Return the regions of a defect as YOLO has them: corners in shares of width and height."""
    height, width = instance.mask.shape
    rings = (without_between(joined(rings)) / (width, height) for rings in regions(instance.mask))
    return [" ".join(f"{share:.6f}" for share in ring.ravel()) for ring in rings]


def _yolo(images: Sequence[Image], categories: Sequence[str]) -> dict[str, bytes]:
    """Return ``labels/*.txt``, empty for a good part, and ``data.yaml``; classes count from 0."""
    numbers = {name: number for number, name in enumerate(categories)}
    files = {
        f"labels/{image.stem}.txt": _bytes("".join(f"{numbers[kind]} {corners}\n" for kind, corners in image.marked))
        for image in images
    }
    lines = [
        "train: images",
        "val: images  # the same images; name those of another set here, best of real defects",
        "names:" if numbers else "names: {}",
        *(f"  {number}: {json.dumps(name)}" for name, number in numbers.items()),  # JSON's strings are YAML's
    ]
    return files | {"data.yaml": _bytes("\n".join(lines) + "\n")}


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "backslashreplace")  # names of files need not be UTF-8


FORMATS = {"coco": Format(_annotation, _coco), "yolo": Format(_polygons, _yolo)}

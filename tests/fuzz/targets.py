"""What reads bytes from outside: a table of all readers, each with whole files to begin with, and what is asked of it.

`tests/hostile` reads every hostile file with each of them, and `tests/fuzz/run.py` looks for more such files.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import shutil
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import scipy.io
from helpers.cloud_files import WHOLE as CLOUDS
from helpers.image_files import GREY, U16, png, tiff
from helpers.onnx_files import detector_file
from helpers.trees import visa
from helpers.whole_files import WHOLE as IMAGES

from das3d_aug import Plan, Recipe
from das3d_aug.datasets import open_dataset
from das3d_aug.datasets.webdataset import add_to_shard, open_shard
from das3d_aug.errors import Das3dError, FileError
from das3d_aug.files import (
    read_array,
    read_camera,
    read_camera_for,
    read_json,
    read_organized,
    read_plane,
    read_points,
    read_rgb,
    read_toml,
    read_yaml,
)
from das3d_aug.generation import merge, replay
from das3d_aug.generation.breakdown import figures_of
from das3d_aug.runs.output_folder import completed
from das3d_ref import Config, Detector
from das3d_ref.deployment.exported import ExportedDetector
from das3d_ref.deployment.runtimes import RUNTIMES
from das3d_ref.evaluation import Evaluation
from das3d_ref.model.checkpoint import load_state

GOLDEN = Path(__file__).parents[1] / "golden"
SECONDS, BYTES = 1.0, 200 * 2**20
"""The most that reading a hostile file may take: of a CPU, and of memory."""


class Target(NamedTuple):
    """Readers of a file: its name, in a copy of a folder of `GOLDEN` if there is one, what is called with its path."""

    file: str
    reads: tuple[Callable[[Path], Any], ...]
    seeds: tuple[bytes, ...] = ()
    folder: str = ""
    names: bool = True  # its errors name a file; those of text have none


class Cost(NamedTuple):
    """Seconds of a CPU, and bytes by which the memory of this process grew meanwhile."""

    seconds: float
    grown: int


def place(target: Target, root: Path) -> Path:
    """Write the folder in which a target's file lies; return where the file is to be written."""
    if target.folder:
        shutil.copytree(GOLDEN / target.folder, root, dirs_exist_ok=True)
    path = root / target.file
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def seeds(target: Target) -> tuple[bytes, ...]:
    """Return whole files: those that are written here, or the one of the folder."""
    return target.seeds or ((GOLDEN / target.folder / target.file).read_bytes(),)


def warm(target: Target, path: Path) -> None:
    """Read whole files: what is loaded or compiled for the first one is no cost of the others."""
    for data in seeds(target):
        path.write_bytes(data)
        for read in target.reads:
            with contextlib.suppress(Das3dError):
                read(path)


def judge(target: Target, path: Path, root: Path) -> Cost:
    """Read a file that may be anything with all readers of a target; return the most that one of them took.

    Raises
    ------
    AssertionError
        If one neither answers nor raises an error of ours in one short line which names a file in ``root``, or if it
        took more than it may.
    """
    worst = Cost(0.0, 0)
    for read in target.reads:
        cost, refusal = _cost(read, path)
        if cost.seconds > SECONDS:  # beside other work a processor has half of its speed
            cost, refusal = _cost(read, path)
        assert cost.seconds <= SECONDS, f"it took {cost.seconds:.1f} s"
        assert cost.grown <= BYTES, f"it took {cost.grown / 2**20:.0f} MiB"
        if refusal is not None:
            _judge_refusal(refusal, root if target.names else None)
        worst = Cost(max(worst.seconds, cost.seconds), max(worst.grown, cost.grown))
    return worst


def _cost(read: Callable[[Path], object], path: Path) -> tuple[Cost, Das3dError | None]:
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    refusal: Das3dError | None = None
    before, start = _memory("VmRSS"), time.process_time()
    try:
        read(path)
    except Das3dError as error:
        refusal = error
    return Cost(time.process_time() - start, _memory("VmHWM") - before), refusal


def _judge_refusal(error: Das3dError, root: Path | None) -> None:
    said = str(error)
    assert said.isprintable(), said
    assert len(said) < 1200, said
    assert not isinstance(error.__cause__, MemoryError), said
    assert root is None or (isinstance(error, FileError) and error.path.is_relative_to(root)), said


def _memory(name: str) -> int:
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.split(f"{name}:")[1].split()[0])


def _images(suffix: str, *reads: Callable[[Path], Any], more: tuple[bytes, ...] = ()) -> Target:
    found = tuple(data for name, data, _ in IMAGES if name.endswith(suffix))
    return Target(f"a{suffix}", reads, found + more)


def _samples(root: Path) -> None:
    """Open all samples of a data set, and those that can be opened if one is damaged."""
    first = None
    data = open_dataset(root)
    for entry in data.entries:
        try:
            data.open(entry)
        except Das3dError as error:
            first = first or error
    if first is not None:
        raise first


def _text(path: Path) -> str:
    return path.read_bytes().decode("utf-8", "replace")


def _shard(path: Path) -> None:
    """Read a shard in which the file is a sample's JSON."""
    root = path.parent / "set"
    root.mkdir(exist_ok=True)
    shutil.copy(path.parent / "das3d.json", root)
    stream = io.BytesIO()
    with open_shard(stream) as tar:
        grey = png(GREY, colour=0)
        files = {"rgb.png": grey, "depth.tiff": tiff(U16), "mask.png": grey, "json": path.read_bytes()}
        add_to_shard(tar, {f"000000.{name}": data for name, data in files.items()})
    (root / "shard-000000.tar").write_bytes(stream.getvalue())
    _samples(root)


def _visa(path: Path) -> None:
    root = path.parents[1]
    if not (root / "candle").exists():
        visa(root)
    _samples(root)


def _weights(path: Path) -> None:
    """Read a detector of these weights, with a digest that fits, as an attacker would write it."""
    header = json.loads((path.parent / "detector.json").read_text())
    header |= {"weights": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    (path.parent / "detector.json").write_text(json.dumps(header))
    Detector.load(path.parent, device="cpu")


def _detector(path: Path) -> None:
    Detector.load(path.parent, device="cpu")


def _state(path: Path) -> None:
    load_state(path.parent)


def _config(path: Path) -> None:
    Config.from_dict(read_json(path))


def _with_recipe(path: Path) -> None:
    Config().with_recipe(path)


def _evaluation(path: Path) -> None:
    Evaluation.from_json(path.read_bytes(), path=path)


def _merged(path: Path) -> None:
    """Merge the tasks of a folder that was merged before, and leave it as it was."""
    manifest = path.parents[1] / "manifest.json"
    before = manifest.read_bytes()
    try:
        merge(manifest.parent)
    finally:
        path.parent.mkdir(exist_ok=True)
        manifest.write_bytes(before)


def _parts(tasks: int) -> bytes:
    """Return the part of the first of so many tasks that made the frozen folder."""
    head = {"task": 0, "tasks": tasks, "asked": 2, "warnings": {"w": [0]}, "failures": [[1, "a.png", "is cut"]]}
    about = {"how": "given", "left_out": 0, "source_warnings": [["1 image", "w"]]}
    marks = [completed(GOLDEN / "aug-0.1.0/folder", f"recipes/0_00{number}.json") for number in range(2)]
    samples = [{"sha256": mark.files, "figures": figures_of(mark.record)} for mark in marks if mark is not None]
    lines = head | {"about": about, "common": {}}, *samples, {"end": len(samples)}
    return b"".join(json.dumps(one).encode() + b"\n" for one in lines)


def _exported(runtime: str) -> Callable[[Path], Any]:
    return lambda path: ExportedDetector.open(path, runtime=runtime, threads=1)


def _mat() -> bytes:
    stream = io.BytesIO()
    scipy.io.savemat(stream, {"fx": 60.0, "fy": 60.0, "cx": 11.5, "cy": 11.5}, do_compression=True)
    return stream.getvalue()


def _tensors(about: bytes = b"{}") -> bytes:
    header = b'{"__metadata__":{"das3d":%s},"network.a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}'
    text = header % json.dumps(about.decode()).encode()
    return struct.pack("<Q", len(text)) + text + bytes(8)


_CAMERA = (read_camera, lambda path: read_camera_for(path, (24, 24)))
_JSON = json.dumps({"width": 24, "height": 24, "intrinsic_matrix": [60, 0, 0, 0, 60, 0, 11.5, 11.5, 1]}).encode()
_YAML = (
    b"%YAML:1.0\n---\nimage_width: 24\nimage_height: 24\ncamera_matrix: !!opencv-matrix\n   rows: 3\n   cols: 3\n"
    b"   dt: d\n   data: [60., 0., 11.5, 0., 60., 11.5, 0., 0., 1.]\ndistortion_coefficients: [0.1, 0, 0, 0]\n"
)
_XML = (
    b"<?xml version='1.0'?><opencv_storage><camera_matrix type_id='opencv-matrix'><rows>3</rows><cols>3</cols>"
    b"<dt>d</dt><data>60 0 11.5 0 60 11.5 0 0 1</data></camera_matrix><image_width>24</image_width></opencv_storage>"
)
_BMP8 = b"BM" + struct.pack("<IHHIIiiHHIIiiII", 74, 0, 0, 62, 40, 3, 3, 1, 8, 0, 0, 0, 0, 2, 0) + bytes(20)
_EVALUATION = json.dumps(
    {
        "figures": {"I-AUROC": 0.5, "AP": None},
        "images": [{"key": "a", "label": 0, "defect": "good", "score": 0.5, "verdict": None}],
        "protocol": {"size": [48, 48]},
        "intervals": {"I-AUROC": [0.4, 0.6]},
        "curves": {"roc": [[0, 1], [0, 1]]},
        "date": "2026-11-29",
    }
).encode()
_PLANS = tuple(row["plan"].encode() for row in json.loads((GOLDEN / "aug-0.1.0/plans.json").read_text()))
_RECIPES = tuple(
    json.dumps(one).encode() for one in json.loads((GOLDEN / "aug-0.1.0/recipes.json").read_text()).values()
)
_CONFIGS = tuple(
    json.dumps(one).encode() for one in json.loads((GOLDEN / "aug-0.1.0/configs.json").read_text()).values()
)
_WEIGHTS = next((GOLDEN / "ref-0.1.0").glob("*.safetensors")).read_bytes()
_SPLIT = b"object,split,label,image,mask\ncandle,train,normal,candle/Data/Images/Normal/0000.png,\n"
_NPZ_TWO = io.BytesIO()
np.savez(_NPZ_TWO, depth=np.ones((4, 5)), xyz=np.ones((4, 5, 3)))

TARGETS = {
    "png": _images(".png", read_rgb, read_plane),
    "jpeg": _images(".jpg", read_rgb),
    "ppm": _images(".ppm", read_rgb),
    "pgm": _images(".pgm", read_plane),
    "pfm": _images(".pfm", read_array),
    "bmp": _images(".bmp", read_rgb, read_plane, more=(_BMP8,)),
    "tiff": _images(".tiff", read_rgb, read_plane, read_organized),
    "exr": _images(".exr", read_array),
    "npy": _images(".npy", read_plane, read_points),
    "npz": _images(".npz", read_plane, read_points, more=(_NPZ_TWO.getvalue(),)),
    "ply": Target("a.ply", (read_points, read_organized), tuple(v for k, v in CLOUDS.items() if "ply" in k)),
    "pcd": Target("a.pcd", (read_points, read_organized), tuple(v for k, v in CLOUDS.items() if "pcd" in k)),
    "json": Target("a.json", (read_json, lambda path: read_json(path, finite=False)), (_JSON,)),
    "toml": Target("a.toml", (read_toml,), (Recipe.realistic().to_toml().encode(),)),
    "yaml": Target("a.yaml", (read_yaml,), (_YAML, b"normalization: {min: .5, max: 1e-3}\n")),
    "camera-json": Target("camera.json", _CAMERA, (_JSON, b'{"fx":60,"fy":60,"cx":11.5,"cy":11.5,"k1":0.1}')),
    "camera-yaml": Target("camera.yaml", _CAMERA, (_YAML,)),
    "camera-xml": Target("camera.xml", _CAMERA, (_XML,)),
    "camera-mat": Target("camera.mat", _CAMERA, (_mat(),)),
    "recipe-toml": Target("recipe.toml", (Recipe.from_toml, _with_recipe), (Recipe.realistic().to_toml().encode(),)),
    "recipe": Target("recipe.json", (lambda path: Recipe.from_dict(read_json(path)),), _RECIPES, names=False),
    "plan": Target("plan.json", (lambda path: Plan.from_json(_text(path)),), _PLANS, names=False),
    "config": Target("config.json", (_config,), _CONFIGS, names=False),
    "sample-recipe": Target("folder/recipes/0_000.json", (replay,), folder="aug-0.1.0"),
    "set-header": Target("folder/das3d.json", (lambda p: replay(p.parent / "recipes/0_000.json"),), folder="aug-0.1.0"),
    "depth-json": Target("folder/depth.json", (lambda path: _samples(path.parent),), folder="aug-0.1.0"),
    "shard": Target(
        "webdataset/shard-000000.tar",
        (lambda path: _samples(path.parent), lambda path: replay(path, sample="000000")),
        folder="aug-0.1.0",
    ),
    "shard-json": Target(
        "webdataset/000000.json",
        (_shard,),
        (
            b'{"label":1,"kind":"dent","category":"c","unit":"mm",'
            b'"intrinsics":{"fx":9,"fy":9,"cx":6,"cy":4},"stored":{"depth_scale":2.0,"invalid":[0]}}',
        ),
        "aug-0.1.0",
    ),
    "prepared": Target("prepared/prepared.json", (lambda path: _samples(path.parent),), folder="aug-0.1.0"),
    "eyecandies-info": Target(
        "eyecandies/object/test_public/data/000_info_depth.yaml",
        (lambda p: _samples(p.parents[3]),),
        folder="aug-0.1.0",
    ),
    "eyecandies-label": Target(
        "eyecandies/object/test_public/data/000_metadata.yaml", (lambda p: _samples(p.parents[3]),), folder="aug-0.1.0"
    ),
    "visa-split": Target("visa/split_csv/1cls.csv", (_visa,), (_SPLIT,)),
    "detector": Target("detector.json", (_detector,), folder="ref-0.1.0"),
    "weights": Target("model.safetensors", (_weights,), (_tensors(), _WEIGHTS), "ref-0.1.0"),
    "training-state": Target("training.safetensors", (_state,), (_tensors(b'{"format": 1, "step": 3, "best": NaN}'),)),
    "task": Target("folder/manifest/000000-of-000001.jsonl", (_merged,), (_parts(1), _parts(2)), "aug-0.1.0"),
    "onnx": Target("detector.onnx", tuple(map(_exported, RUNTIMES)), (detector_file(),)),
    "evaluation": Target("evaluation.json", (_evaluation,), (_EVALUATION,)),
}
"""By the name that ``make fuzz TARGET=…`` takes."""

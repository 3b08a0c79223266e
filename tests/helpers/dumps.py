"""What the tests of generated folders share: small sources, and ways to look at a folder."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from das3d_aug.datasets.demo import make_part
from das3d_aug.files import encode_png, encode_tiff
from das3d_aug.generation import generate
from das3d_aug.synthesis import Recipe

# Every sample gets a defect in both modalities, large enough for these small images.
RECIPE = Recipe(dropout=0.0, area=(0.1, 0.3))
CAMERA = {"fx": 240.0, "fy": 240.0, "cx": 23.5, "cy": 23.5}

RUN = """
import json
import sys
from das3d_aug.generation import generate

if __name__ == "__main__":
    source, out, settings = sys.argv[1:]
    generate(source, out, **json.loads(settings))
"""


def write_mvtec(root: Path, *, count: int = 3) -> Path:
    for index in range(count):
        part = make_part("biscuit", seed=1, index=index, size=48)
        put(root / f"biscuit/train/good/rgb/{index:03d}.png", encode_png(part.rgb))
        put(root / f"biscuit/train/good/xyz/{index:03d}.tiff", encode_tiff(part.xyz))
    part = make_part("biscuit", seed=2, index=0, size=48, defect="dent")
    put(root / "biscuit/test/dent/rgb/000.png", encode_png(part.rgb))
    put(root / "biscuit/test/dent/xyz/000.tiff", encode_tiff(part.xyz))
    put(root / "biscuit/test/dent/gt/000.png", encode_png(part.mask.astype("uint8") * 255))
    return root


def write_folder(root: Path, *, count: int = 3, camera: bool = False) -> Path:
    for index in range(count):
        part = make_part("potato", seed=1, index=index, size=48)
        put(root / f"rgb/p{index}.png", encode_png(part.rgb))
        put(root / f"depth/p{index}.tiff", encode_tiff(part.depth))
    if camera:
        put(root / "intrinsics.json", json.dumps(CAMERA).encode())
    return root


def put(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def recipes(out: Path) -> list[Path]:
    return sorted(out.glob("recipes/**/*.json"))


def tree(root: Path) -> dict[str, str]:
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in root.rglob("*")
        if path.is_file()
    }


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


def kill_and_complete(
    folder: Path, *, source: Path, written_as: str, workers: int, kills: list[Callable[[Path], bool]]
) -> None:
    """Run to the end; run again, killed as soon as each of ``kills`` says so, and to the end; compare."""
    script = folder / "run.py"
    script.write_text(RUN)
    settings = {"per_image": 5, "seed": 3, "format": written_as, "shard_size": 6}
    undisturbed, killed = folder / "undisturbed", folder / "killed"
    generate(source, undisturbed, **settings)
    whole = tree(undisturbed)
    for now in kills:
        command = [sys.executable, str(script), str(source), str(killed), json.dumps({**settings, "workers": workers})]
        process = subprocess.Popen(command, env=environment())
        while not now(killed) and process.poll() is None:
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        # Whole files only: whatever has its final name has its final bytes.
        final = {name: value for name, value in tree(killed).items() if not name.endswith(".partial")}
        assert {name: whole[name] for name in final} == final
        assert "manifest.json" not in final
    generate(source, killed, **settings)
    assert tree(killed) == whole

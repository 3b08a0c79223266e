"""The plane: the fit to the border within reach, one for a seed, on either side."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers.tables import AT_SIZE, CAMERA, NORMAL, same_plane, table_with_box

from das3d_aug.errors import Das3dError
from das3d_aug.geometry import depth_to_points
from das3d_aug.preparation import prepare_sample
from das3d_aug.preparation.plane import find_plane, within


def test_the_plane_is_the_fit_to_the_border_points_within_reach() -> None:
    sample, _ = table_with_box(noise=1e-3)
    xyz = depth_to_points(sample.depth, CAMERA)
    inner = np.zeros(sample.valid.shape, bool)
    inner[6:-6, 6:-6] = True
    ring = xyz[sample.valid & ~inner].astype(float)
    for points, trials in ((3, 40), (3, 400), (12, 25)):
        found, share = find_plane(
            xyz, sample.valid, border=6, distance=0.002, points=points, trials=trials, refit="border", seed=9
        )
        assert found is not None
        assert same_plane(found, [*NORMAL, 0.5], 2e-3)
        near = np.abs(ring @ found[:3] + found[3]) < 0.002
        assert share == pytest.approx(near.mean())
        middle = ring[near].mean(axis=0)
        normal = np.linalg.svd(ring[near] - middle, full_matrices=False)[2][2]
        assert same_plane(found, [*normal, -normal @ middle], 1e-9)


PLANES = """
import sys
from concurrent.futures import ThreadPoolExecutor
import numpy as np
from das3d_aug.preparation.plane import find_plane
xyz, valid = np.load(sys.argv[1]), np.load(sys.argv[2])
def search(seed):
    return find_plane(xyz, valid, border=6, distance=0.002, points=3, trials=60, refit="border", seed=seed)
with ThreadPoolExecutor(4) as pool:
    print(list(pool.map(search, [1, 2, 3] * 4)))
"""


def test_a_seed_gives_one_plane_on_any_number_of_threads(tmp_path: Path) -> None:
    sample, _ = table_with_box(noise=2e-3)
    np.save(tmp_path / "xyz.npy", depth_to_points(sample.depth, CAMERA))
    np.save(tmp_path / "valid.npy", sample.valid)
    seen = {
        subprocess.run(
            [sys.executable, "-c", PLANES, tmp_path / "xyz.npy", tmp_path / "valid.npy"],
            env={**os.environ, "OMP_NUM_THREADS": threads},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for threads in ("1", "2", "3")
    }
    (planes,) = seen
    found = ast.literal_eval(planes)
    assert found == found[:3] * 4
    assert len(set(found)) > 1  # or nothing would have been shown


def test_without_open3d_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "open3d", None)
    sample, _ = table_with_box()
    with pytest.raises(Das3dError, match=r"needs Open3D.*: pip install open3d"):
        prepare_sample(sample, AT_SIZE)


def test_a_fit_to_the_whole_image_mends_a_border_that_is_a_weak_lever() -> None:
    """Only the three lowest rows of the border were measured."""
    sample, box = table_with_box(noise=1e-3)
    valid = sample.valid.copy()
    valid[:3], valid[:, :3], valid[:, -3:] = False, False, False
    valid[-3:] = True
    sample = replace(sample, depth=np.where(valid, sample.depth, 0), valid=valid)
    wrong, missed = {}, {}
    for refit in ("border", "image"):
        made = prepare_sample(sample, replace(AT_SIZE, border=3, refit=refit))
        assert made.plane is not None
        wrong[refit] = float(np.degrees(np.arccos(np.dot(made.plane[:3], NORMAL))))
        missed[refit] = int((made.foreground != (box & valid)).sum())
    assert wrong["image"] < 0.05 < 0.5 < wrong["border"]
    assert missed["image"] == 0 < missed["border"]


def test_within_is_a_distance_on_either_side() -> None:
    xyz = np.array([[[0, 0, 1.0], [5, 5, 1.04], [0, 0, 0.96], [0, 0, 1.06], [np.nan, 0, 1]]], np.float32)
    np.testing.assert_array_equal(within(xyz, (0.0, 0.0, -1.0, 1.0), 0.05), [[True, True, True, False, False]])

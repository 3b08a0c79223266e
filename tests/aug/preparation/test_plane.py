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

from das3d_aug.geometry import depth_to_points
from das3d_aug.preparation import prepare_sample
from das3d_aug.preparation.plane import _ransac as search
from das3d_aug.preparation.plane import find_plane, within
from das3d_aug.randomness import Stream


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


def test_a_trial_wins_by_the_points_within_reach_and_of_several_the_first() -> None:
    """The search spelled out: no blocks of trials, no early end."""
    rng = np.random.default_rng(3)
    cloud = np.concatenate([rng.uniform(-1, 1, (90, 3)) * (1, 1, 1e-3), rng.uniform(-1, 1, (60, 3))])
    for found, points, seed in ((cloud, 3, 0), (cloud, 5, 1), (cloud[:90], 3, 2), (cloud[:4], 4, 3)):
        stream, best, most = Stream(seed), np.zeros(4), 0
        for _ in range(250):
            drawn: list[int] = []
            while len(drawn) < points:
                if (place := stream.integer(0, len(found) - 1)) not in drawn:
                    drawn.append(place)
            middle = found[drawn].mean(axis=0)
            normal = np.linalg.svd(found[drawn] - middle)[2][2]
            votes = int((np.abs((found - middle) @ normal) < 0.002).sum())
            if votes > most:
                best, most = np.array([*normal, -normal @ middle]), votes
        plane = search(found, distance=0.002, points=points, trials=250, seed=seed)
        assert same_plane(plane, best, 1e-9)


def test_points_on_a_line_vote_for_no_plane() -> None:
    line = np.linspace(-1, 1, 30)[:, None] * (1.0, 2.0, 3.0)
    assert not search(line, distance=0.01, points=3, trials=120, seed=0).any()


@pytest.mark.parametrize("clutter", [0.0, 0.3, 0.6])
def test_the_search_finds_as_many_points_as_open3ds(clutter: float) -> None:
    import open3d as o3d

    rng = np.random.default_rng(5)
    plane = np.array([0.2, -0.3, -0.933])
    plane /= np.linalg.norm(plane)
    across = np.linalg.svd(plane[None])[2][1:]
    points = rng.uniform(-0.3, 0.3, (3000, 2)) @ across + rng.normal(0, 1e-3, (3000, 1)) * plane
    away = rng.random(3000) < clutter
    points[away] += rng.uniform(-0.2, 0.2, (int(away.sum()), 3))
    cloud = o3d.geometry.PointCloud(o3d.utility.Vector3dVector(points))
    for seed in range(3):
        o3d.utility.random.seed(seed)
        theirs = len(cloud.segment_plane(0.004, 3, 1000, 1.0)[1])
        ours = search(points, distance=0.004, points=3, trials=1000, seed=seed)
        assert (np.abs(points @ ours[:3] + ours[3]) < 0.004).sum() > 0.97 * theirs
        assert np.degrees(np.arccos(min(1, abs(ours[:3] @ plane)))) < 1.5

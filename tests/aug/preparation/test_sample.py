"""One sample prepared: the plane, the cluster and the fill against slow twins and Open3D; what is refused."""

from __future__ import annotations

import ast
import hashlib
import json
import multiprocessing
import os
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse.csgraph import connected_components

from das3d_aug.datasets import Entry, Sample
from das3d_aug.datasets.demo import FAMILIES, make_part
from das3d_aug.datasets.prepared import Normalisation
from das3d_aug.errors import ForegroundError, ParameterError
from das3d_aug.geometry import Intrinsics, Orthographic, depth_to_points
from das3d_aug.preparation import Preparation, prepare_sample
from das3d_aug.preparation.cluster import largest_cluster
from das3d_aug.preparation.plane import _ransac as search
from das3d_aug.preparation.plane import find_plane, within
from das3d_aug.randomness import Stream

AT_SIZE = Preparation(size=None, normalise="none")
CAMERA = Intrinsics(120.0, 125.0, 40.0, 29.0)
NORMAL = np.array([0.1, 0.35, -1.0]) / np.linalg.norm([0.1, 0.35, -1.0])


def table_with_box(*, noise: float = 0.0, seed: int = 0) -> tuple[Sample, np.ndarray]:
    """A box of 30 mm on a tilted table 0.5 m away, 60 x 80 pixels, and where the box is."""
    rng = np.random.default_rng(seed)
    v, u = np.mgrid[:60, :80]
    rays = np.stack([(u - CAMERA.cx) / CAMERA.fx, (v - CAMERA.cy) / CAMERA.fy, np.ones_like(u, float)], axis=-1)
    box = np.zeros((60, 80), bool)
    box[20:40, 25:60] = True
    depth = (np.where(box, 0.03, 0.0) - 0.5) / (rays @ NORMAL) + noise * rng.normal(size=u.shape)
    depth[5:8, 10:20] = 0
    depth[25:28, 30:40] = np.nan
    valid = np.isfinite(depth) & (depth > 0)
    sample = Sample(
        entry=Entry("box/train/good/000", "train", "good", 0, {}, "box"),
        rgb=rng.integers(1, 256, (60, 80, 3), dtype=np.uint8),
        depth=depth.astype(np.float32),
        valid=valid,
        unit="m",
        intrinsics=CAMERA,
        mask=box,
    )
    return sample, box


def demo_sample(family: str = "flange", size: int = 96) -> Sample:
    part = make_part(family, seed=4, index=0, size=size)
    entry = Entry(f"{family}/train/good/000", "train", "good", 0, {}, family)
    return Sample(entry=entry, rgb=part.rgb, depth=part.depth, valid=part.valid, unit="m", xyz=part.xyz, mask=part.mask)


def same_plane(one: Any, other: Any, tolerance: float) -> bool:
    one, other = np.array(one), np.array(other)
    return bool(min(np.abs(one - other).max(), np.abs(one + other).max()) <= tolerance)


def test_a_tilted_table_is_removed_and_the_box_is_kept() -> None:
    sample, box = table_with_box(noise=3e-4)
    made = prepare_sample(sample, AT_SIZE)
    assert made.plane is not None
    np.testing.assert_allclose(made.plane, [*NORMAL, 0.5], atol=1e-3)
    np.testing.assert_array_equal(made.foreground, box & sample.valid)


def test_removed_pixels_get_the_largest_depth_that_remains_and_black() -> None:
    sample, box = table_with_box()
    made = prepare_sample(sample, AT_SIZE)
    kept, removed = box & sample.valid, ~box & sample.valid
    np.testing.assert_array_equal(made.depth[kept], sample.depth[kept])
    assert set(made.depth[removed].tolist()) == {float(sample.depth[kept].max())}
    np.testing.assert_array_equal(made.rgb[removed], 0)
    np.testing.assert_array_equal(made.rgb[~removed], sample.rgb[~removed])
    np.testing.assert_array_equal(made.depth[~sample.valid], 0)
    np.testing.assert_array_equal(made.valid, sample.valid)


def test_nothing_is_changed_or_shared_and_read_only_inputs_do() -> None:
    for settings_ in (AT_SIZE, replace(AT_SIZE, xyz=True, distance=0.0), replace(AT_SIZE, fallback="keep")):
        sample = demo_sample()
        arrays = [sample.rgb, sample.depth, sample.valid, sample.xyz, sample.mask]
        for array in arrays:
            array.flags.writeable = False  # type: ignore[union-attr]
        made = prepare_sample(sample, settings_)
        for result in (made.rgb, made.depth, made.valid, made.foreground, made.mask, made.xyz):
            assert result is None or not any(np.shares_memory(result, array) for array in arrays)  # type: ignore[arg-type]


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


@pytest.mark.parametrize("family", FAMILIES)
def test_3d_ads_equals_open3d_within_a_thousandth_and_half_a_percent(family: str) -> None:
    import open3d as o3d

    sample = demo_sample(family)
    chosen = replace(Preparation.three_d_ads(), size=None, pad=False, xyz=True)
    made = prepare_sample(sample, chosen)
    assert sample.xyz is not None
    ring = sample.valid.copy()
    ring[10:-10, 10:-10] = False
    cloud = o3d.geometry.PointCloud(o3d.utility.Vector3dVector(sample.xyz[ring].astype(float)))
    plane, _ = cloud.segment_plane(0.004, 50, 1000, 1.0)
    assert same_plane(made.plane, plane, 1e-3)
    kept = sample.valid & (np.abs(sample.xyz @ plane[:3] + plane[3]) >= 0.005)
    cloud = o3d.geometry.PointCloud(o3d.utility.Vector3dVector(sample.xyz[kept].astype(float)))
    labels = np.array(cloud.cluster_dbscan(0.006, 30))
    kept[kept] = labels == np.bincount(labels[labels >= 0]).argmax()
    assert (kept != made.foreground).mean() < 0.005
    np.testing.assert_array_equal(made.xyz, np.where(made.foreground[:, :, None], sample.xyz, 0))


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


def digest_of(seed: int) -> str:
    made = prepare_sample(demo_sample(), replace(Preparation.three_d_ads(), seed=seed, size=64, xyz=True))
    parts = (made.rgb, made.depth, made.foreground, made.xyz, np.array(made.plane))
    return hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest()  # type: ignore[union-attr]


def test_the_same_bytes_from_threads_and_processes() -> None:
    here = digest_of(3)
    with ThreadPoolExecutor(4) as threads:
        assert set(threads.map(digest_of, [3] * 8)) == {here}
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
        assert process.submit(digest_of, 3).result() == here


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 10**6),
    count=st.integers(1, 120),
    distance=st.sampled_from([0.02, 0.1, 0.3, 5.0]),
    points=st.integers(1, 12),
)
def test_the_largest_cluster_is_dbscan(seed: int, count: int, distance: float, points: int) -> None:
    rng = np.random.default_rng(seed)
    cloud = (rng.integers(0, 4, (count, 3)) * 0.3 + rng.normal(0, 0.05, (count, 3))).astype(np.float32)
    inside = rng.random(count) < 0.9
    kept = largest_cluster(cloud[None], inside[None], distance=distance, points=points)[0]
    assert not kept[~inside].any()
    near = np.linalg.norm(cloud[:, None].astype(float) - cloud[None], axis=2) <= distance
    near &= inside[:, None] & inside[None]
    core = near.sum(axis=1) >= points
    number, label = connected_components(near & core[:, None] & core[None])
    mine = [core & (label == k) for k in range(number)]
    if not core.any():
        assert not kept.any()
        return
    (cluster,) = {int(k) for k in label[kept & core]}
    np.testing.assert_array_equal(kept & core, mine[cluster])
    reached = np.array([(near & part[None]).any(axis=1) for part in mine])
    # a point near several clusters may be in any of them
    assert not (kept & ~reached[cluster]).any()
    assert kept[reached[cluster] & (reached.sum(axis=0) == 1)].all()
    assert kept.sum() >= max((own & (reached.sum(axis=0) == 1)).sum() for own in reached)


def test_a_far_away_point_costs_no_cluster() -> None:
    cloud = np.random.default_rng(0).normal(0, 0.01, (50, 3)).astype(np.float32)
    cloud[7] = 1e30
    kept = largest_cluster(cloud[None], np.ones((1, 50), bool), distance=0.1, points=3)
    assert kept.sum() == 49


def test_within_is_a_distance_on_either_side() -> None:
    xyz = np.array([[[0, 0, 1.0], [5, 5, 1.04], [0, 0, 0.96], [0, 0, 1.06], [np.nan, 0, 1]]], np.float32)
    np.testing.assert_array_equal(within(xyz, (0.0, 0.0, -1.0, 1.0), 0.05), [[True, True, True, False, False]])


def test_no_plane_is_refused_or_kept_with_a_warning() -> None:
    box_only, box = table_with_box()
    scattered = np.where(box, box_only.depth, np.random.default_rng(0).uniform(0.3, 3.0, box.shape))
    empty_border = np.where(box, box_only.depth, np.nan)
    flat = depth_of_plane()
    for depth, said in (
        (scattered, r"the best one holds \d+% of the border's points, not 30%"),
        (empty_border, "fewer than 3 points in the border"),
        (flat, "everything lies within 0.005 m"),
    ):
        sample = replace(box_only, depth=depth.astype(np.float32), valid=np.isfinite(depth) & (depth > 0))
        with pytest.raises(ForegroundError, match=f"box/train/good/000: no plane: .*{said}"):
            prepare_sample(sample, AT_SIZE)
        with pytest.warns(UserWarning, match=f"box/train/good/000: no plane: .*{said}.*; everything is kept"):
            made = prepare_sample(sample, replace(AT_SIZE, fallback="keep"))
        assert made.plane is None
        assert made.warning is not None
        np.testing.assert_array_equal(made.foreground, sample.valid)
        np.testing.assert_array_equal(made.rgb, sample.rgb)


def depth_of_plane() -> np.ndarray:
    v, u = np.mgrid[:60, :80]
    rays = np.stack([(u - CAMERA.cx) / CAMERA.fx, (v - CAMERA.cy) / CAMERA.fy, np.ones_like(u, float)], axis=-1)
    return -0.5 / (rays @ NORMAL)


def test_no_cluster_is_refused_or_kept_with_a_warning() -> None:
    sample, box = table_with_box()
    sparse = replace(AT_SIZE, cluster_distance=1e-6)
    with pytest.raises(ForegroundError, match="no cluster: nowhere are 30 points within 1e-06 m of one"):
        prepare_sample(sample, sparse)
    with pytest.warns(UserWarning, match="no cluster"):
        made = prepare_sample(sample, replace(sparse, fallback="keep"))
    np.testing.assert_array_equal(made.foreground, box & sample.valid)


def test_nothing_measured_is_refused() -> None:
    sample, _ = table_with_box()
    nothing = replace(sample, depth=np.zeros_like(sample.depth), valid=np.zeros_like(sample.valid))
    with pytest.raises(ForegroundError, match="nothing is left"):
        prepare_sample(nothing, replace(AT_SIZE, distance=0.0))
    with pytest.raises(ForegroundError, match="nothing is left"):
        prepare_sample(nothing, replace(AT_SIZE, fallback="keep"))


def test_a_known_foreground_takes_the_place_of_the_plane() -> None:
    sample, box = table_with_box()
    without_camera = replace(sample, intrinsics=None, foreground=box, unit="raw")
    made = prepare_sample(without_camera, AT_SIZE)
    assert made.plane is None
    np.testing.assert_array_equal(made.foreground, box & sample.valid)
    with pytest.raises(ForegroundError, match="nothing is left"):
        prepare_sample(replace(without_camera, foreground=np.zeros_like(box)), AT_SIZE)


def test_distance_zero_removes_nothing_and_needs_no_points() -> None:
    sample, _ = table_with_box()
    made = prepare_sample(replace(sample, intrinsics=None, unit="unknown"), replace(AT_SIZE, distance=0.0))
    np.testing.assert_array_equal(made.foreground, sample.valid)
    np.testing.assert_array_equal(made.rgb, sample.rgb)


def test_what_is_missing_is_named() -> None:
    sample, _ = table_with_box()
    with pytest.raises(ParameterError, match=r"box/train/good/000: .*the camera as intrinsics\.json"):
        prepare_sample(replace(sample, intrinsics=None))
    with pytest.raises(ParameterError, match="distances are in 'm' and the depth in 'unknown': name its unit"):
        prepare_sample(replace(sample, unit="unknown"))
    with pytest.raises(ParameterError, match="normalisation is the range of the data set"):
        prepare_sample(sample, Preparation(normalise="dataset"))


def test_distances_follow_the_unit() -> None:
    sample, _ = table_with_box(noise=3e-4)
    metres = prepare_sample(sample, AT_SIZE)
    millimetres = prepare_sample(replace(sample, depth=sample.depth * np.float32(1000), unit="mm"), AT_SIZE)
    np.testing.assert_array_equal(metres.foreground, millimetres.foreground)
    own = replace(AT_SIZE, unit="raw", distance=5.0, ransac_distance=5.0)
    raw = prepare_sample(replace(sample, depth=sample.depth * np.float32(1000), unit="raw"), own)
    np.testing.assert_array_equal(metres.foreground, raw.foreground)


def test_a_line_scanner_has_an_orthographic_camera() -> None:
    sample, box = table_with_box()
    u = np.arange(80)
    depth = (0.4 + 2e-4 * u - np.where(box, 0.02, 0)).astype(np.float32)
    scanner = replace(sample, depth=depth, valid=depth > 0, intrinsics=Orthographic(1e-3, 2e-3))
    made = prepare_sample(scanner, AT_SIZE)
    np.testing.assert_array_equal(made.foreground, box)
    assert made.camera == Orthographic(1e-3, 2e-3)


def test_padding_is_invalid_black_and_moves_the_camera() -> None:
    sample, _ = table_with_box()
    made = prepare_sample(sample, replace(AT_SIZE, pad=True))
    assert made.depth.shape == (100, 100)
    top, left = 20, 10
    plain = prepare_sample(sample, AT_SIZE)
    for name in ("rgb", "depth", "valid", "foreground", "mask"):
        padded, image = getattr(made, name), getattr(plain, name)
        np.testing.assert_array_equal(padded[top : top + 60, left : left + 80], image)
        assert np.count_nonzero(padded) == np.count_nonzero(image)
    assert made.camera == Intrinsics(CAMERA.fx, CAMERA.fy, CAMERA.cx + left, CAMERA.cy + top)
    kept = made.foreground
    there = depth_to_points(made.depth, made.camera)[kept]
    np.testing.assert_allclose(there, depth_to_points(plain.depth, CAMERA)[plain.foreground], rtol=1e-5, atol=1e-7)


def test_resizing_invents_no_depth() -> None:
    sample, _ = table_with_box(noise=1e-3)
    made = prepare_sample(sample, replace(AT_SIZE, size="41x33"))
    plain = prepare_sample(sample, AT_SIZE)
    assert made.depth.shape == made.foreground.shape == (41, 33)
    assert np.isin(made.depth, plain.depth).all()
    assert made.camera == CAMERA.scaled(41 / 60, 33 / 80)


def test_the_defaults_are_the_papers_and_depth_is_between_0_and_1() -> None:
    assert Preparation() == Preparation.paper()
    sample, _ = table_with_box()
    made = prepare_sample(sample)
    assert made.depth.shape == (256, 256)
    assert made.normalisation is not None
    measured = made.depth[made.valid]
    assert (measured.min(), measured.max()) == (2.0**-20, 1.0)
    np.testing.assert_array_equal(made.depth > 0, made.valid)
    plain = prepare_sample(sample, Preparation(normalise="none"))
    np.testing.assert_allclose(made.normalisation.invert(made.depth), plain.depth, rtol=1e-6)
    same = prepare_sample(sample, Preparation(normalise="dataset"), normalisation=made.normalisation)
    np.testing.assert_array_equal(same.depth, made.depth)


@given(
    low=st.floats(0, 10),
    span=st.floats(0, 10),
    shares=st.lists(st.floats(-0.5, 2.0), min_size=1, max_size=20),
)
def test_normalisation_is_invertible_and_never_makes_an_invalid_pixel(
    low: float, span: float, shares: list[float]
) -> None:
    depth = np.array([low + share * span for share in shares] + [0.0, np.nan, -1.0, np.inf], np.float32)
    normalisation = Normalisation(low, low + span)
    normalised = normalisation.apply(depth)
    valid = np.isfinite(depth) & (depth > 0)
    np.testing.assert_array_equal(normalised > 0, valid)
    assert normalised.dtype == np.float32
    inside = valid & (depth >= low) & (span > 0)
    back = normalisation.invert(normalised)
    np.testing.assert_allclose(back[inside], depth[inside], rtol=2e-6, atol=2e-6 * (low + span))
    np.testing.assert_array_equal(back[~valid], 0)


@pytest.mark.parametrize("numbers", [(1.0, 0.5), (-1.0, 1.0), (0.0, np.inf), (np.nan, 1.0), ("0", 1.0), (True, 1.0)])
def test_a_range_that_is_none_is_refused(numbers: tuple[Any, Any]) -> None:
    with pytest.raises(ParameterError, match=r"low|high"):
        Normalisation(*numbers)


@pytest.mark.parametrize(
    "wrong",
    [
        {"distance": -1.0},
        {"distance": np.nan},
        {"distance": "near"},
        {"ransac_distance": 0},
        {"ransac_points": 2},
        {"ransac_trials": 0},
        {"border": 0},
        {"border": 1.5},
        {"min_share": 1.1},
        {"cluster_distance": -1},
        {"cluster_points": 0},
        {"refit": "all"},
        {"normalise": True},
        {"fallback": "guess"},
        {"size": "big"},
        {"seed": -1},
    ],
    ids=str,
)
def test_wrong_settings_are_named(wrong: dict[str, Any]) -> None:
    with pytest.raises(ParameterError, match=f"^{next(iter(wrong))} must"):
        Preparation(**wrong)


def test_settings_are_json_and_equal_sizes_are_equal() -> None:
    assert Preparation(size="256") == Preparation(size=256) == Preparation()
    assert json.loads(json.dumps(Preparation(size="40x50").to_dict()))["size"] == [40, 50]


@settings(deadline=None, max_examples=40)
@given(shape=st.tuples(st.integers(1, 30), st.integers(1, 30)), seed=st.integers(0, 9999))
def test_any_size_and_content_is_prepared_or_refused_with_a_reason(shape: tuple[int, int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    depth = rng.choice([0.5, 0.6, 0.0, np.nan, np.inf, -1.0, 1e30], size=shape).astype(np.float32)
    valid = np.isfinite(depth) & (depth > 0)
    sample = Sample(
        entry=Entry("k", "", "", None, {}),
        rgb=np.ones((*shape, 3), np.uint8),
        depth=depth,
        valid=valid,
        unit="m",
        intrinsics=CAMERA,
    )
    chosen = replace(AT_SIZE, cluster_distance=0.1, cluster_points=2, xyz=True)
    try:
        made = prepare_sample(sample, chosen)
    except ForegroundError:
        return
    assert made.foreground.any()
    assert not (made.foreground & ~valid).any()
    np.testing.assert_array_equal(made.valid, valid)

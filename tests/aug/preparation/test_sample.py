"""One sample prepared: what is removed and how it is filled, against Open3D; what is refused."""

from __future__ import annotations

import hashlib
import multiprocessing
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from helpers.tables import AT_SIZE, CAMERA, NORMAL, demo_sample, same_plane, table_with_box
from hypothesis import given, settings
from hypothesis import strategies as st

from das3d_aug.datasets import Entry, Sample
from das3d_aug.datasets.demo import FAMILIES
from das3d_aug.errors import ForegroundError, ParameterError
from das3d_aug.geometry import Intrinsics, Orthographic, depth_to_points
from das3d_aug.preparation import Preparation, prepare_sample


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

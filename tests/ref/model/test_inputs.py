"""What the networks are fed of a sample: holes, normals, modes, the range of depth."""

from __future__ import annotations

import numpy as np
from helpers.holes import NORMALS, sample_with_holes
from helpers.runs import CONFIG

from das3d_aug.datasets.prepared import Normalisation
from das3d_aug.geometry import move_along_rays, normals
from das3d_ref.model.inputs import network_input, to_item


def test_an_unmeasured_pixel_has_the_depth_of_the_nearest_measured_one():
    sample = sample_with_holes()
    item = to_item(sample, Normalisation(1, 2))
    depth = network_input(item, sample.rgb, sample.depth, CONFIG)["depth"][0]
    rows, columns = np.nonzero(sample.valid)
    for y, x in np.argwhere(~sample.valid):
        distance = (rows - y) ** 2 + (columns - x) ** 2
        near = np.flatnonzero(distance == distance.min())
        assert depth[y, x] in depth[rows[near], columns[near]]
    np.testing.assert_allclose(depth[sample.valid], sample.depth[sample.valid] - 1, atol=1e-6)


def test_normals_are_those_of_the_changed_surface():
    sample = sample_with_holes()
    item = to_item(sample, Normalisation(1, 2))
    moved = np.where(sample.valid, sample.depth + np.float32(0.1) * (np.arange(30) > 14), 0).astype(np.float32)
    image = network_input(item, sample.rgb, moved, NORMALS)["depth"]
    assert image.shape == (4, 24, 30)
    assert image.dtype == np.float32
    wanted = normals(move_along_rays(sample.xyz, moved))
    known = wanted.any(axis=2)
    np.testing.assert_allclose(image[1:].transpose(1, 2, 0)[known] * 2 - 1, wanted[known], atol=1e-6)
    np.testing.assert_allclose(image[1:, ~known].T, [[0.5, 0.5, 0.0]] * int((~known).sum()))


def test_a_mode_has_what_it_looks_at_and_no_more():
    sample = sample_with_holes()
    item = to_item(sample, Normalisation(1, 2))
    for mode, names in (("rgb", {"rgb"}), ("depth", {"depth"}), ("rgbd", {"rgb", "depth"})):
        images = network_input(item, sample.rgb, sample.depth, NORMALS.override([f"mode={mode}"]))
        assert images.keys() == names
        assert all(image.min() >= 0 and image.max() <= 1 for image in images.values())


def test_depth_beyond_the_range_stays_in_it():
    sample = sample_with_holes()
    image = network_input(to_item(sample, Normalisation(1.3, 1.5)), sample.rgb, sample.depth, CONFIG)["depth"]
    assert (image.min(), image.max()) == (np.float32(2**-20), 1)

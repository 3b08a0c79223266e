"""Images that show nothing and masks that mark nothing, or all, are said wherever a sample is opened."""

import numpy as np
import pytest
from helpers.own_files import DEPTH, MASK, RGB, put

from das3d_aug.datasets import open_dataset
from das3d_aug.files import encode_mask, encode_png
from das3d_aug.gallery import write_gallery


@pytest.mark.parametrize(
    ("rgb", "depth", "mask", "sentence"),
    [
        (RGB * 0, DEPTH, MASK, "colour is black in all pixels"),
        (RGB * 0 + 255, DEPTH, MASK, "colour is white in all pixels"),
        (RGB * 0 + 7, DEPTH, MASK, "colour is one value in all pixels"),
        (RGB, np.where(DEPTH > 0, np.float32(1), DEPTH), MASK, "depth is one value in all pixels"),
        (RGB, DEPTH, MASK * 0, "its mask marks nothing though it is labelled anomalous"),
        (RGB, DEPTH, MASK * 0 + 1, "its mask marks more than 90% of the image"),
        (RGB, DEPTH, MASK, None),
    ],
)
def test_what_shows_or_marks_nothing_is_said(tmp_path, rgb, depth, mask, sentence):
    put(tmp_path / "test" / "dent" / "rgb" / "a.png", encode_png(rgb.astype(np.uint8)))
    put(tmp_path / "test" / "dent" / "depth" / "a.tiff", depth)
    put(tmp_path / "test" / "dent" / "mask" / "a.png", encode_mask(mask))
    (sample,) = open_dataset(tmp_path)
    assert len(sample.warnings) == (sentence is not None)
    assert all(found.startswith(sentence) for found in sample.warnings)


def test_the_gallery_says_what_is_odd_about_its_samples(tmp_path):
    for role, data in (("rgb", encode_png(RGB)), ("mask", encode_mask(MASK * 0))):
        put(tmp_path / "parts" / "test" / "dent" / role / "a.png", data)
    ((about, reason),) = write_gallery(tmp_path / "parts", tmp_path / "page.html").warnings
    assert about.endswith("test/dent/a")
    assert reason.startswith("its mask marks nothing")

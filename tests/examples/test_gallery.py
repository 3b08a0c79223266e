"""The examples run, and their page shows each as it is, with the picture that it writes."""

import re

import cv2
import numpy as np
import pytest
from helpers.pages import ROOT

from examples.make_gallery import SCRIPTS, run, with_scripts

PAGE = ROOT / "docs/examples.md"
PICTURES = ROOT / "docs/images/examples"
RENEW = "python examples/make_gallery.py docs/examples.md docs/images/examples"


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_an_example_writes_the_picture_that_the_page_shows(script, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run(script)
    shown, made = (cv2.imread(str(place / f"{script.stem}.jpg")).astype(int) for place in (PICTURES, tmp_path))
    assert shown.shape == made.shape
    assert np.abs(shown - made).mean() < 2, RENEW
    # A defect elsewhere changes few pixels, by much; another decoder changes many, by little.
    assert (np.abs(shown - made).max(axis=2) > 60).mean() < 0.002, RENEW


def test_the_page_shows_every_script_as_it_is():
    page = PAGE.read_text()
    assert with_scripts(page) == page, RENEW
    for what in (r'title="examples/gallery/(\w+)\.py"', r"\]\(images/examples/(\w+)\.jpg\)"):
        assert re.findall(what, page) == [script.stem for script in SCRIPTS]


def test_the_pictures_are_small_and_none_is_left_over():
    sizes = {path.name: path.stat().st_size for path in PICTURES.iterdir()}
    assert sorted(sizes) == [f"{script.stem}.jpg" for script in SCRIPTS]
    assert max(sizes.values()) < 60_000
    assert sum(sizes.values()) < 1_000_000

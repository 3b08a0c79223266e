"""Where images come from: splits, categories, prepared folders, ranges of depth."""

from __future__ import annotations

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from helpers.dumps import put
from helpers.runs import CONFIG, parts, picture, settings, source, workplace

from das3d_aug.errors import FileError, ParameterError
from das3d_aug.files import encode_mask, encode_png, encode_tiff
from das3d_aug.preparation import prepare
from das3d_aug.runs.output_folder import sole_writer
from das3d_ref import open_source
from das3d_ref.model.inputs import preparation_of


def write_own(root, count, *, folder=""):
    rgb, depth, _ = picture()
    for index in range(count):
        put(root / folder / f"rgb/{index:02}.png", encode_png(np.roll(rgb, index, axis=1)))
        put(root / folder / f"depth/{index:02}.tiff", encode_tiff(depth + np.float32(index / 1000)))
    return root


def test_own_images_without_splits_every_tenth_validates(tmp_path):
    config = settings(preparation__distance=0)
    found = open_source(write_own(tmp_path / "own", 21), config=config, cache=tmp_path / "cache")
    assert [entry.key for entry in found.validation] == ["00", "10", "20"]
    assert len(found.train) == 18
    assert not {entry.key for entry in found.train} & {entry.key for entry in found.validation}
    assert found.test == ()
    two = open_source(write_own(tmp_path / "two", 2), config=config, cache=tmp_path / "cache")
    assert (len(two.train), len(two.validation)) == (1, 1)


def test_runs_that_share_a_cache_wait_for_each_other(tmp_path):
    own, config, cache = write_own(tmp_path / "own", 3), settings(preparation__distance=0), tmp_path / "cache"
    open_source(own, config=config, cache=cache)
    with ThreadPoolExecutor(1) as pool:
        with sole_writer(next(cache.iterdir())):
            other = pool.submit(open_source, own, config=config, cache=cache)
            with pytest.raises(TimeoutError):
                other.result(timeout=0.5)
        assert len(other.result().train) == 2


def test_masks_say_what_is_good_in_a_folder_without_splits(tmp_path):
    """Such as generate writes: its anomalies are not learnt from, nor those whose mask shrinks away."""
    own = write_own(tmp_path / "own", 6)
    for index in range(4):
        mask = np.full(picture()[1].shape, index < 2)
        mask[-1, -1] |= index == 2
        put(own / f"mask/{index:02}.png", encode_mask(mask))
    config = settings(preparation__distance=0, preparation__size="[16, 16]")
    found = open_source(own, config=config, cache=tmp_path / "cache")
    assert not next(sample for sample in found.dataset if sample.entry.key == "02").mask.any()
    assert sorted(entry.key for entry in (*found.train, *found.validation)) == ["03", "04", "05"]
    again = open_source(found.dataset.root, config=config, cache=tmp_path / "cache")
    assert [entry.key for entry in again.train if entry.key in ("00", "01")] == []


def test_anomalous_and_test_images_are_never_learnt_from(tmp_path):
    own = tmp_path / "own"
    for folder in ("train/good", "train/scratch", "validation/good", "validation/scratch", "test/good", "test/hole"):
        write_own(own, 2, folder=folder)
    found = open_source(own, config=settings(preparation__distance=0), cache=tmp_path / "cache")
    assert {entry.key[:-2] for entry in found.train} == {"own/train/good/"}
    assert {entry.key[:-2] for entry in found.validation} == {"own/validation/good/"}
    assert {entry.key[:-2] for entry in found.test} == {"own/test/good/", "own/test/hole/"}
    shutil.rmtree(own / "train")
    assert open_source(own, config=settings(preparation__distance=0), cache=tmp_path / "cache").train == ()


def test_categories_are_named_and_found(tmp_path):
    both = tmp_path / "both"
    for name in ("spud", "yam"):
        shutil.copytree(parts() / "potato", both / name)
    with pytest.raises(ParameterError, match=r"category must be named, .* has spud, yam"):
        source(data=both)
    with pytest.raises(ParameterError, match=r"category 'leek' is not in .*; there are spud, yam"):
        source(data=both, category="leek")
    found = source(data=both, category="yam")
    assert {entry.category for entry in found.train} == {"yam"}
    assert len(found.train) == 7


def test_an_image_that_cannot_be_prepared_is_named(tmp_path):
    broken = Path(shutil.copytree(parts(), tmp_path / "broken"))
    bad = [broken / f"potato/train/good/rgb/00{k}.png" for k in (3, 5)]
    for path in bad:
        path.write_bytes(b"no picture")
    with pytest.raises(ParameterError) as caught:
        source(data=broken)
    assert str(caught.value).startswith(f"2 images, such as {bad[0]}: ")
    assert "mend or remove" in str(caught.value)


def test_prepared_data_must_be_prepared_alike(tmp_path):
    prepare(parts(), tmp_path / "same", settings=preparation_of(CONFIG))
    found = source(data=tmp_path / "same")
    assert [entry.key for entry in found.train] == [entry.key for entry in source().train]
    with pytest.raises(FileError, match=r"prepared with size \[48, 48\], not \[32, 32\]: change preparation"):
        source(settings(preparation__size=32), tmp_path / "same")
    prepare(parts(), tmp_path / "other", settings=CONFIG.preparation)
    with pytest.raises(FileError, match="prepared with normalise 'image', not 'none'"):
        source(data=tmp_path / "other")


def test_runs_of_other_modes_share_the_prepared_images():
    folders = {source(settings(mode=mode)).dataset.root for mode in ("rgb", "rgbd")}
    assert len(folders) == 1


def test_a_range_of_the_whole_set_is_that_of_the_training_images():
    config = settings(preparation__normalise="dataset")
    data = source(config)
    span = data.depth_range(config)
    depths = [data.dataset.open(entry) for entry in data.train]
    assert span.low == min(float(sample.depth[sample.valid].min()) for sample in depths)
    assert span.high == max(float(sample.depth[sample.valid].max()) for sample in depths)
    assert span.unit == "m"
    assert span.normalisation("mm").low == pytest.approx(span.low * 1000)
    assert source().depth_range(CONFIG) is None
    assert os.path.commonpath([data.dataset.root, workplace()]) == str(workplace())

"""A fit finds the sizes, depths, counts and kinds that defects were drawn with, and does not go far on few."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers.defects import statistics

from das3d_aug.datasets import Sample, encode_folder
from das3d_aug.datasets.demo import make_part
from das3d_aug.errors import FileError, ParameterError
from das3d_aug.fitting import DefectStatistics, fit, fit_folder, gap, gap_folders, measure, synthetic_samples
from das3d_aug.preview import defects_sheet
from das3d_aug.synthesis import Recipe

module = sys.modules["das3d_aug.fitting.fit"]  # the name in its room is the function's
CLEAR = {"dropout": 0.0, "contrast": (1, 1), "softness": (0, 0)}  # of faint dents the colour is that of stains
START = Recipe(kinds={"dent": 1, "crack": 1, "stain": 1, "fray": 0}, probability=0.5, **CLEAR)
TRUTH = Recipe(kinds={"dent": 1}, size=(0.15, 0.3), height=(0.2, 0.4), count=(1, 1), **CLEAR)


def part(index: int, *, rgb: bool = True, depth: bool = True) -> Sample:
    made = make_part("biscuit", seed=3, index=index, size=96)
    z = np.where(made.valid, made.depth, 0)
    return Sample.from_arrays(
        made.rgb if rgb else None, z if depth else None, foreground=made.valid & made.foreground, unit="m"
    )


PARTS = [part(index) for index in range(4)]


@pytest.fixture(scope="module")
def real() -> list[Sample]:
    return list(synthetic_samples(PARTS, recipe=TRUTH, count=60, seed=11))


@pytest.fixture(scope="module")
def fitted(real: list[Sample]) -> Recipe:
    return fit(measure(real[::2]), PARTS, recipe=START, draws=16)


def test_sizes_depths_counts_and_kinds_are_found(fitted: Recipe) -> None:
    assert fitted.kinds is not None
    weights = dict(fitted.kinds)
    assert weights["dent"] > 1.5
    assert min(weights["crack"], weights["stain"]) >= 0.24  # a quarter stays
    assert weights["fray"] == 0  # what was left out stays out
    assert fitted.count == (1, 1)
    assert fitted.size == pytest.approx((0.15, 0.3), rel=0.4)
    assert fitted.height is not None
    assert 0.04 < fitted.height[0] < 0.4 < fitted.height[1] < 1.2
    moved = ("kinds", "count", "size", "height", "dents", "placement")
    assert replace(START, **{name: getattr(fitted, name) for name in moved}) == fitted  # and nothing else


def test_the_gap_to_defects_that_the_fit_has_not_seen_falls(real: list[Sample], fitted: Recipe) -> None:
    unseen = measure(real[1::2])
    before, after = (
        gap(measure(synthetic_samples(PARTS, recipe=one, count=80, seed=5)), unseen) for one in (START, fitted)
    )
    assert after.wasserstein < 0.75 * before.wasserstein
    assert after.auroc < before.auroc - 0.05


def test_the_same_fit_every_time(real: list[Sample]) -> None:
    seen = measure(real[:10])
    first, again = (fit(seen, PARTS, recipe=START, draws=4, seed=2) for _ in range(2))
    assert first == again
    assert first != fit(seen, PARTS, recipe=START, draws=4, seed=3)


def test_weights_go_to_what_looks_like_the_defects_and_a_quarter_stays_elsewhere() -> None:
    library = {"dent": statistics(1), "crack": statistics(2, length=0.8), "cut": statistics(3, length=0.4)}
    own = {"dent": 1.0, "crack": 2.0, "cut": 1.0}
    few, many = (module._shares(statistics(4, count=count, length=0.8), library, own) for count in (6, 600))
    assert sum(few.values()) == pytest.approx(1)
    assert many["crack"] > few["crack"] > 0.5
    assert many["crack"] - few["crack"] > 0.03  # few defects say less
    assert all(share > 0.25 / 4 * 0.99 for share in (*few.values(), *many.values()))
    mixed = replace(
        statistics(5), length=np.concatenate([statistics(6).length[:30], statistics(7, length=0.4).length[:30]])
    )
    half = module._shares(mixed, library, own)
    assert half["cut"] > many["cut"]
    assert half["dent"] > many["dent"]


def test_a_kind_of_many_pieces_is_drawn_less_often() -> None:
    library = {"dent": statistics(1, each=1), "pits": statistics(2, each=6)}
    real, start = statistics(3, each=3), Recipe(kinds={"dent": 1, "pits": 3, "paste": 2})
    found = module._weighed(start, real, library, {"dent": 1.0, "pits": 3.0, "paste": 2.0}, {"dent": 0.5, "pits": 0.5})
    assert found.kinds["dent"] == pytest.approx(6 * found.kinds["pits"], rel=0.01)
    assert found.kinds["dent"] + found.kinds["pits"] == pytest.approx(4, rel=0.01)
    assert found.kinds["paste"] == 2  # never seen, so nothing was learnt of it
    each = (6 * 1 + 1 * 6) / 7  # pieces of a draw
    assert found.count == (round(3 / each), round(2 * 3 / each) - round(3 / each))


@pytest.mark.parametrize(("dents", "near"), [(1.0, 1.0), (0.0, 0.0), (0.7, 0.5)])
def test_places_and_signs_are_found(dents: float, near: float) -> None:
    where = {"edge": near, "anywhere": 1 - near}
    truth = replace(TRUTH, size=(0.08, 0.12), dents=dents, placement=where)
    real = measure(synthetic_samples(PARTS, recipe=truth, count=60, seed=12))
    found = fit(real, PARTS, recipe=replace(START, kinds={"dent": 1}, placement={"anywhere": 2}), draws=16)
    shares = dict(found.placement or {})
    assert shares.get("edge", 0) / sum(shares.values()) == pytest.approx(near, abs=0.2)
    assert found.dents == pytest.approx(dents, abs=0.15)


def test_places_and_signs_that_the_recipe_has_stay() -> None:
    truth = replace(TRUTH, size=(0.08, 0.12), placement={"edge": 1, "structure": 1})
    real = measure(synthetic_samples(PARTS, recipe=truth, count=60, seed=12))
    start = replace(START, kinds={"dent": 1}, placement={"edge": 2, "structure": 2})
    assert fit(real, PARTS, recipe=start, draws=16).placement == start.placement
    few = replace(real, height=np.where(np.arange(len(real)) < 4, 0.3, 0.0))  # signs of four say nothing
    assert fit(few, PARTS, recipe=replace(start, dents=0.3), draws=4).dents == 0.3


def test_the_papers_kind_has_its_own_ranges(real: list[Sample]) -> None:
    found = fit(measure(real), PARTS, recipe=Recipe(), draws=16)
    assert found.kinds is None
    assert found == Recipe.from_dict(found.to_dict())  # nothing of other kinds
    assert found.size is None
    assert found.area != Recipe().area
    assert found.magnitude != Recipe().magnitude

    def in_all(statistics: DefectStatistics) -> np.ndarray:
        return np.quantile(np.log(np.bincount(statistics.sample, statistics.area)), (0.1, 0.5, 0.9))

    before, after = (in_all(measure(synthetic_samples(PARTS, recipe=one, count=60))) for one in (Recipe(), found))
    wanted = in_all(measure(real))
    assert np.abs(after - wanted).sum() < 0.75 * np.abs(before - wanted).sum()


@pytest.mark.parametrize("modality", ["rgb", "depth"])
def test_one_modality(modality: str) -> None:
    parts = [part(index, rgb=modality == "rgb", depth=modality == "depth") for index in range(2)]
    real = measure(synthetic_samples(parts, recipe=TRUTH, count=12, seed=1))
    found = fit(real, parts, recipe=START, draws=6)
    assert found.size is not None
    assert (found.height is None) == (modality == "rgb")  # of colour alone no height is known


def test_synthetic_samples_are_anomalous_and_the_same_every_time() -> None:
    one, again = (list(synthetic_samples(PARTS, recipe=START, count=6, seed=4)) for _ in range(2))
    assert len(one) == 6
    for first, second in zip(one, again, strict=True):
        assert first.mask is not None
        assert first.mask.any()
        np.testing.assert_array_equal(first.need("rgb"), second.need("rgb"))
        np.testing.assert_array_equal(first.need("depth"), second.need("depth"))
    assert not list(synthetic_samples(PARTS, recipe=replace(START, probability=0.0), count=2))
    with pytest.raises(ParameterError, match="parts must hold at least one"):
        next(synthetic_samples([], count=1))


def test_what_cannot_be_fitted_is_said(real: list[Sample]) -> None:
    statistics = measure(real[:3])
    with pytest.raises(ParameterError, match="at least 5 labelled defects, got 3"):
        fit(statistics, PARTS)
    in_mm = Recipe(kinds={"dent": 1}, size=(1, 2), height=(1, 2), length_unit="mm")
    with pytest.raises(ParameterError, match="length_unit 'relative'"):
        fit(measure(real[:6]), PARTS, recipe=in_mm)
    with pytest.raises(ParameterError, match="parts must hold"):
        fit(measure(real[:6]), [])


def write(folder: Path, samples: list[Sample]) -> None:
    for index, sample in enumerate(samples):
        for name, data in encode_folder(f"{index:03d}", rgb=sample.rgb, depth=sample.depth, mask=sample.mask).items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)


def folder(root: Path, good: list[Sample], defects: list[Sample]) -> Path:
    write(root / "train/good", good)
    write(root / "test/dent", defects)
    return root


def test_a_folder_is_fitted_and_its_recipe_can_be_read(tmp_path: Path, real: list[Sample]) -> None:
    source = folder(tmp_path / "set", PARTS, real[:8])
    done = fit_folder(source, recipe=START)
    assert isinstance(done.statistics, DefectStatistics)
    assert len(done.statistics.count) == 8
    assert any("below 20" in sentence for sentence in done.warnings)
    assert done.after.wasserstein < done.before.wasserstein
    assert done.changes()["count"] == ((1, 3), (1, 1))
    assert "kinds.dent" in done.changes()
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(done.to_toml())
    assert Recipe.from_toml(recipe) == done.recipe
    assert "# size: each kind's own" in done.to_toml()
    placed = replace(done, recipe=replace(done.recipe, placement={"edge": 0.25, "anywhere": 0.75}, dents=0.875))
    spread = {"normal": [0.2, 0.1], "within": [0.1, 0.5]}
    placed = replace(placed, start=replace(done.start, size=spread), recipe=replace(placed.recipe, height=spread))
    assert "# size: normal 0.2 … 0.1, within 0.1 … 0.5" in placed.to_toml()
    assert placed.changes()["placement"] == ({"anywhere": 1.0}, {"edge": 0.25, "anywhere": 0.75})
    assert placed.changes()["dents"] == (0.5, 0.875)
    recipe.write_text(placed.to_toml())
    assert Recipe.from_toml(recipe) == placed.recipe
    assert "# placement: anywhere 1\n# dents: 0.5" in placed.to_toml()
    assert [len(samples) for _, samples in done.pictures] == [6, 6, 6]
    sheet = defects_sheet(done.pictures)
    assert sheet.shape[1] == defects_sheet(done.pictures[:1]).shape[1]
    assert sheet.shape[0] == 3 * defects_sheet(done.pictures[:1]).shape[0]


def test_folders_that_cannot_be_used_are_refused(tmp_path: Path, real: list[Sample]) -> None:
    with pytest.raises(FileError, match="has no labelled defect"):
        fit_folder(folder(tmp_path / "none", PARTS, []))
    with pytest.raises(FileError, match="has 3 labelled defects, and a fit needs"):
        fit_folder(folder(tmp_path / "three", PARTS, real[:3]))
    with pytest.raises(FileError, match="has no normal sample"):
        fit_folder(folder(tmp_path / "bad", [], real[:6]))
    with pytest.raises(FileError, match="no mask of an anomalous sample"):
        gap_folders(tmp_path / "three", tmp_path / "none")
    same = gap_folders(tmp_path / "three", tmp_path / "three")
    assert same.wasserstein == 0


def test_a_part_that_was_not_found_is_said(tmp_path: Path) -> None:
    """A pit in a plane that fills the frame: what stands out of that plane is a grain of sand."""
    good, defects = [], []
    for index in range(6):
        random = np.random.default_rng(index)
        depth = (500 + 0.02 * random.random((96, 96))).astype(np.float32)
        depth[10:13, 10 : 14 + index] -= 5
        mask = np.zeros((96, 96), bool)
        if index % 2:
            mask[40:60, 40 : 60 + index] = True
        rgb = random.integers(90, 110, (96, 96, 3)).astype(np.uint8)
        defects.append(Sample.from_arrays(rgb, depth + 3 * mask, mask=mask | (np.arange(96) > 90)))
        good.append(Sample.from_arrays(rgb, depth))
    done = fit_folder(folder(tmp_path, good, defects), recipe=replace(START, kinds={"dent": 1.0}))
    assert any("foreground='all'" in sentence for sentence in done.warnings)
    done = fit_folder(tmp_path, recipe=replace(START, kinds={"dent": 1.0}), foreground="all")
    assert not any("foreground='all'" in sentence for sentence in done.warnings)


@pytest.mark.parametrize("defect", ["inverted", "whole"])
def test_masks_that_mark_the_whole_image_are_what_is_wrong(tmp_path: Path, real: list[Sample], defect: str) -> None:
    def spoilt(sample: Sample) -> Sample:
        mask = sample.need("mask")
        return replace(sample, mask=~mask if defect == "inverted" else np.ones_like(mask))

    said = (
        r"6 of 8 masks of labelled samples mark more than 90 % of the image: .* it may be inverted, or .* of the part"
    )
    source = folder(tmp_path / "most", PARTS, [*map(spoilt, real[:6]), *real[6:8]])
    for refused in (lambda: fit_folder(source, recipe=START), lambda: gap_folders(source, source)):
        with pytest.raises(FileError, match=said.replace("90 %", "90%")) as caught:
            refused()
        assert "foreground" not in str(caught.value)
        assert "\n" not in str(caught.value)
    done = fit_folder(folder(tmp_path / "one", PARTS, [spoilt(real[0]), *real[1:8]]), recipe=START)
    assert (
        [sentence for sentence in done.warnings if "mask" in sentence]
        == [
            sentence for sentence in done.warnings if sentence.startswith("1 of 8 masks of labelled samples marks more")
        ]
        != []
    )


def test_kinds_that_cannot_be_seen_are_refused_in_a_sentence(real: list[Sample]) -> None:
    bare = [replace(sample, rgb=None) for sample in real]
    good = [replace(sample, mask=None) for sample in bare]
    with pytest.raises(ParameterError, match="recipe has no kind that leaves anything to measure on these parts"):
        fit(measure(bare), good, recipe=Recipe(kinds={"stain": 1}, dropout=0.0), draws=2)

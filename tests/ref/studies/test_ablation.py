"""The ablation: its arms, its interval against literal twins, and what it says."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from click.testing import CliRunner
from das3d_cli.program import Program
from das3d_cli.ref.ablate import ablate as command
from helpers import trees
from helpers.cells import SCORES, Fake, study
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from das3d_aug import Recipe
from das3d_aug.errors import FileError, ParameterError
from das3d_ref.metrics import image_auroc
from das3d_ref.studies.ablation import ARMS, Comparison, ablate, compare
from das3d_ref.studies.results import paper_results


@pytest.fixture
def data(tmp_path):
    return trees.mvtec(tmp_path / "data")


def arm_of(cell):
    return cell.folder.parents[2].name


def scored(cell):
    """Every arm but "both" mistakes one bad image for a good one."""
    return SCORES | ({"hole/000": 0.5} if arm_of(cell) == "both" else {"hole/000": 0.1})


def pairs_of(seed, *, categories=2, seeds=3, good=4, bad=5):
    source = np.random.default_rng(seed)
    labels = np.arange(good + bad) >= good
    levels = [source.integers(0, 6, (2, seeds, good + bad)) / 6 + 0.2 * labels for _ in range(categories)]  # with ties
    return [(first, second, labels) for first, second in levels]


@given(seed=st.integers(0, 10**6), seeds=st.integers(2, 4), categories=st.integers(1, 3))
def test_the_difference_is_that_of_the_areas(seed, seeds, categories):
    pairs = pairs_of(seed, seeds=seeds, categories=categories)
    found = compare(pairs, draws=2)
    wanted = [
        np.mean([image_auroc(a[k], labels) - image_auroc(b[k], labels) for a, b, labels in pairs]) for k in range(seeds)
    ]
    np.testing.assert_allclose(found.per_seed, wanted, atol=1e-12)
    assert found.difference == pytest.approx(np.mean(wanted), abs=1e-12)
    assert -1 <= found.interval[0] <= found.difference <= found.interval[1] <= 1


def test_the_interval_is_that_of_drawn_images_and_seeds():
    """The twin draws images and seeds one by one and computes each area anew."""
    pairs = pairs_of(1)
    source = np.random.default_rng(0)
    differences = []
    for _ in range(1500):
        total = 0.0
        for first, second, labels in pairs:
            seeds = source.integers(0, 3, 2)
            images = np.concatenate([source.integers(0, 4, 3), 4 + source.integers(0, 5, 4)])
            kept = labels[images]
            areas = [[image_auroc(arm[seed, images], kept) for arm in (first, second)] for seed in seeds]
            total += np.mean([a - b for a, b in areas]) / len(pairs)
        differences.append(total)
    reach = stats.t.ppf(0.975, 4) * np.std(differences, ddof=1)
    found = compare(pairs, draws=20000)
    assert found.interval[1] - found.difference == pytest.approx(found.difference - found.interval[0])
    assert found.interval[1] - found.difference == pytest.approx(reach, rel=0.08)
    assert compare(pairs, seed=7) == compare(pairs, seed=7) != compare(pairs, seed=8)


@pytest.mark.parametrize(("categories", "seeds"), [(1, 2), (1, 3), (3, 3)])
def test_no_difference_is_rarely_established(categories, seeds):
    """Trainings differ by chance alone; the quantiles of the draws would claim a difference in 18, 11 and 7 of 100."""
    source = np.random.default_rng(5)
    labels = np.arange(30) >= 12
    claimed = 0
    for trial in range(300):
        arms = [
            [
                source.normal(0, 0.1, (seeds, 30)) + image + labels * (1.5 + source.normal(0, 0.4, (seeds, 1)))
                for _ in range(2)
            ]
            for image in source.normal(0, 1, (categories, 30))
        ]
        low, high = compare([(a, b, labels) for a, b in arms], draws=200, seed=trial).interval
        claimed += not low <= 0 <= high
    assert claimed <= 0.08 * 300


def test_a_real_difference_is_established():
    source = np.random.default_rng(2)
    labels = np.arange(60) >= 20
    image = source.normal(0, 1, 60)
    good, poor = (image + labels * (gap + source.normal(0, 0.1, (3, 1))) for gap in (3.0, 0.8))
    assert compare([(good, poor, labels)] * 3).verdict("both", "neither").startswith("established: both is better")
    assert compare([(poor, good, labels)] * 3).verdict("both", "neither").startswith("established: both is worse")


def test_the_verdict_is_a_sentence():
    assert Comparison(0.021, (0.0104, 0.0416), ()).verdict("both", "dropout alone") == (
        "established: both is better than dropout alone by 0.021, [+0.010, +0.042]"
    )
    assert Comparison(-0.02, (-0.03, -0.01), ()).verdict("both", "neither") == (
        "established: both is worse than neither by 0.020, [-0.030, -0.010]"
    )
    assert Comparison(0.01, (-0.01, 0.03), ()).verdict("both", "neither") == (
        "not established: both against neither is +0.010, and the 95 % interval [-0.010, +0.030] contains 0"
    )
    assert Comparison(0.0, (0.0, 0.0), ()).verdict("both", "neither").startswith("not established")


def test_arms_differ_in_two_settings_alone(data, tmp_path):
    configs = {}

    def scores(cell):
        configs[arm_of(cell)] = cell.study.config(cell.mode, cell.seed).to_dict()
        assert cell.cache == tmp_path / "out" / "prepared"
        return SCORES

    run = Fake(scores=scores)
    ablate(study(data, "synthesis.dropout=0.3"), tmp_path / "out", seeds=2, run=run)
    assert run.ran == [f"{name} rgbd seed {seed}" for _ in ARMS for seed in (0, 1) for name in ("bagel", "cable_gland")]
    for arm, (skew, dropout) in ARMS.items():
        different = {"skew": skew, "dropout": 0.3 if dropout else 0}
        both = configs["both"]
        assert configs[arm] == both | {"synthesis": both["synthesis"] | different}


def test_without_dropout_every_sample_has_its_defect_in_both():
    plans = [Recipe(dropout=0).draw((64, 64), seed=0, index=index) for index in range(50)]
    assert all(plan.anomalous and not plan.drop_rgb and not plan.drop_depth for plan in plans)


def test_it_is_written_with_the_paper_s_figures_named_as_theirs(data, tmp_path):
    found = ablate(study(data), tmp_path / "out", seeds=2, run=Fake(scores=scored))
    saved = json.loads((tmp_path / "out/ablation.json").read_text())
    text = (tmp_path / "out/ablation.md").read_text()
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line[:1] == "|"]
    assert rows[0][2:] == [
        "I-AUROC, measured here",
        "P-AUROC, measured here",
        "AUPRO@0.3, measured here",
        "I-AUROC, paper on MVTec 3D-AD",
        "P-AUROC, paper on MVTec 3D-AD",
    ]
    printed = [[*(("no", "yes")[on] for on in row[:2]), *row[2:]] for row in paper_results()["table6"]["rows"]]
    for row, (skew, dropout, *figures) in zip(rows[2:], printed, strict=True):
        assert row[:2] == [skew, dropout]
        assert row[2:5] == ["0.750 ± 0.000", "0.800 ± 0.000", "0.500 ± 0.000"]
        assert list(map(float, row[5:])) == figures
    for arm, verdict in found.verdicts().items():
        assert f"- {verdict} (seed by seed: +0.500, +0.500)\n" in text
        assert saved["both against"][arm]["verdict"] == verdict
        assert saved["both against"][arm]["difference"] == 0.5
        assert saved["both against"][arm]["per_seed"] == [0.5, 0.5]
    assert saved["arms"]["skew"]["figures by seed"]["I-AUROC"] == {"0": 0.75, "1": 0.75}
    assert saved["protocol"]["AUPRO"] == "every threshold"
    again = Fake()
    ablate(study(data), tmp_path / "out", seeds=2, run=again)
    assert again.ran == []
    assert (tmp_path / "out/ablation.md").read_text() == text


def test_only_what_was_asked_for_counts(data, tmp_path):
    """Cells of an earlier, larger ablation in the folder are left out."""
    ablate(study(data), tmp_path / "out", seeds=3, run=Fake())
    found = ablate(study(data), tmp_path / "out", seeds=2, categories=("bagel",), run=Fake())
    assert {(r.category, r.seed) for arm in found.arms.values() for r in arm.results} == {("bagel", 0), ("bagel", 1)}
    assert len(found.comparisons["neither"].per_seed) == 2


def test_a_missing_cell_leaves_the_verdict_open(data, tmp_path):
    found = ablate(study(data), tmp_path / "out", seeds=2, run=Fake(broken=["bagel rgbd seed 1"]))
    assert [cell for cell, _ in found.failures] == [f"{arm}: bagel rgbd seed 1" for arm in ARMS]
    assert set(found.verdicts().values()) == {
        f"not measured: both against {name}, since a cell failed"
        for name in ("neither", "the skew filter alone", "dropout alone")
    }
    assert "0.750 (1 of 2 seeds)" in (tmp_path / "out/ablation.md").read_text()


def test_arms_with_other_images_are_not_compared(data, tmp_path):
    def other_image(cell):
        return SCORES | {f"hole/00{2 + (arm_of(cell) == 'skew')}": 0.5}

    with pytest.raises(FileError, match=r"skew: was tested on other images than .*both; use another folder"):
        ablate(study(data), tmp_path / "out", seeds=2, run=Fake(scores=other_image))


def test_mistakes(data, tmp_path):
    for overrides, options, said in (
        ((), {"seeds": 1}, "seeds must be at least 2, got 1"),
        (("synthesis.skew=false",), {}, "synthesis.skew and synthesis.dropout must be on"),
        (("synthesis.dropout=0",), {}, "synthesis.skew and synthesis.dropout must be on"),
        ((), {"categories": ("leek",)}, "category 'leek' is not in"),
    ):
        with pytest.raises(ParameterError, match=said):
            ablate(study(data, *overrides), tmp_path / "out", run=Fake(), **options)
    shutil.rmtree(data / "cable_gland/test/good")
    with pytest.raises(ParameterError, match=r"category 'cable_gland' of .* needs good and bad test images"):
        ablate(study(data), tmp_path / "out", run=Fake())


def test_the_command_says_the_verdicts(data, tmp_path, monkeypatch):
    monkeypatch.setattr("das3d_ref.studies.ablation.run_cell", None)
    main = Program("das3d-ref")
    main.add_command(command)
    ablate(study(data), tmp_path / "out", seeds=2, run=Fake(scores=scored))  # the command finds all cells finished
    arguments = ["ablate", "--data", str(data), "--out", str(tmp_path / "out"), "--preset", "smoke", "--seeds", "2"]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert [line.partition(":")[0] for line in lines[:3]] == ["not established"] * 3  # of four images
    assert lines[3] == f"{tmp_path / 'out'}: see ablation.md and ablation.json"

"""The paper's tables as data, and records as tables beside them."""

from __future__ import annotations

import csv
import json
import re
import shutil
import statistics

import pytest
from helpers import trees

from das3d_aug.datasets import open_dataset
from das3d_aug.errors import FileError
from das3d_ref.metrics import FIGURES
from das3d_ref.studies.results import (
    MODALITIES,
    DataSet,
    Result,
    discrepancies,
    figure_table,
    over_seeds,
    paper_results,
    read_result,
    spread,
    write_results,
)
from das3d_ref.studies.table_formats import Table

PAPER = paper_results()
TABLES = {table["number"]: table for table in PAPER["tables"]}
MVTEC = DataSet("MVTec 3D-AD", tuple(PAPER["data"]["MVTec 3D-AD"]["categories"]), 1197, "MVTec 3D-AD")
PARTS = DataSet("parts", ("a_1", "b"), 20)


def result(category, mode="rgbd", seed=0, *, data="parts", protocol=None, **figures):
    named = {"auroc": "I-AUROC", "aupro": "AUPRO@0.3"}
    return Result(
        data=data,
        category=category,
        mode=mode,
        seed=seed,
        figures={named[name]: value for name, value in figures.items()},
        protocol={"AUPRO": "exact", "threshold": 0.1 * seed} if protocol is None else protocol,
        versions={"das3d": "0.1"},
    )


def row(table, method, modality):
    (found,) = [row for row in table.rows if row[:2] == (modality, method)]
    return found[2:]


@pytest.mark.parametrize(("number", "rows"), [(1, 21), (2, 15), (3, 19), (4, 9)])
def test_the_paper_s_tables_are_whole(number, rows):
    table = TABLES[number]
    assert len(table["columns"]) == 11
    assert len(PAPER["data"][table["data"]]["categories"]) == 10
    assert table["figure"] in FIGURES
    assert len({tuple(row[:2]) for row in table["rows"]}) == len(table["rows"]) == rows
    for modality in MODALITIES.values():
        group = [row for row in table["rows"] if row[0] == modality]
        assert group[-1][1] == "DAS3D"
    order = list(MODALITIES.values())
    assert [row[0] for row in table["rows"]] == sorted((row[0] for row in table["rows"]), key=order.index)
    for _, _, *values in table["rows"]:
        assert len(values) == 11
        assert all(0 < value <= 1 and round(value, 3) == value for value in values)


def test_the_paper_s_means_are_those_of_its_classes_but_for_three():
    wrong = {
        (table["number"], name, modality): round(statistics.fmean(classes), 4)
        for table in TABLES.values()
        for modality, name, *classes, mean in table["rows"]
        if abs(statistics.fmean(classes) - mean) > 0.001
    }
    # As printed in the paper: 0.916, 0.721 and 0.882.
    assert wrong == {
        (1, "ShapeGuided", "3D only"): 0.9147,
        (4, "DAS3D", "3D only"): 0.6913,
        (4, "M3DM", "RGB+3D"): 0.8865,
    }
    assert [len(discrepancies(TABLES[number])) for number in (1, 2, 3, 4)] == [1, 0, 0, 2]
    assert "mean of DAS3D (3D only) is 0.721; that of its ten printed values is 0.691" in discrepancies(TABLES[4])[0]


def test_the_paper_s_tables_agree_with_each_other():
    means = {
        (number, name): row[-1]
        for number in (1, 2)
        for _, name, *row in TABLES[number]["rows"]  # RGB+3D comes last
    }
    for name, _, _, auroc, aupro in PAPER["table5"]["rows"]:
        assert (means[1, name], means[2, name]) == (auroc, aupro)
    skew, dropout, auroc, _ = PAPER["table6"]["rows"][-1]
    assert (skew, dropout, auroc) == (True, True, means[1, "DAS3D"])
    assert {tuple(row[:2]) for row in PAPER["table6"]["rows"]} == {(a, b) for a in (False, True) for b in (False, True)}


def test_a_data_set_is_known_by_its_ten_names(tmp_path):
    found = DataSet.of(open_dataset(trees.mvtec(tmp_path / "two")))
    assert found == DataSet("two", ("bagel", "cable_gland"), 6)
    assert str(found) == "two, 6 test images"


def test_a_set_with_the_names_alone_is_not_called_by_them(tmp_path):
    trees.mvtec(tmp_path / "two")
    for name in MVTEC.categories:
        shutil.copytree(tmp_path / "two/bagel", tmp_path / "ten" / name)
    found = DataSet.of(open_dataset(tmp_path / "ten"))
    assert found == DataSet("ten (named as MVTec 3D-AD)", MVTEC.categories, 30, "MVTec 3D-AD")
    assert "30 test images: NOT MVTec 3D-AD, of which 1197 are published" in str(found)
    table = figure_table(found, [], "I-AUROC", detector="ours")
    assert str(found) in table.notes[0]
    assert {row[2] for row in table.rows} == {"paper, Table 1", "measured here, not on MVTec 3D-AD"}


def test_a_set_with_the_names_and_the_number_of_images_is(tmp_path):
    folder = trees.eyecandies(tmp_path / "two") / "GummyBear/test_public/data"
    for number in range(2, 50):
        shutil.copy(folder / "01_depth.png", folder / f"{number:02d}_depth.png")  # one file is a sample
    for name in PAPER["data"]["Eyecandies"]["categories"]:
        shutil.copytree(tmp_path / "two/GummyBear", tmp_path / "ten" / name)
    found = DataSet.of(open_dataset(tmp_path / "ten"))
    assert (found.name, found.paper, str(found)) == ("Eyecandies", "Eyecandies", "Eyecandies, 500 test images")


def test_seeds_count_where_all_categories_are_measured():
    results = [result("a_1", seed=0, auroc=0.5), result("b", seed=0, auroc=0.7), result("a_1", seed=1, auroc=0.9)]
    assert over_seeds(results, ["a_1"], "I-AUROC") == {0: 0.5, 1: 0.9}
    assert over_seeds(results, ["a_1", "b"], "I-AUROC") == {0: pytest.approx(0.6)}
    assert over_seeds(results, ["a_1"], "AUPRO@0.3") == {}
    undefined = [*results, result("b", seed=1, auroc=None)]
    assert over_seeds(undefined, ["a_1", "b"], "I-AUROC") == {0: pytest.approx(0.6), 1: None}


def test_a_spread_says_how_many_seeds_it_is_of():
    assert spread({}, [0, 1]) == "not measured"
    assert spread({0: None}, [0]) == "undefined"
    assert spread({0: 0.5}, [0]) == "0.500"
    assert spread({0: 0.5}, [0, 1]) == "0.500 (1 of 2 seeds)"
    assert spread({0: 0.5, 1: 0.7}, [0, 1]) == "0.600 ± 0.141"
    assert spread({0: 0.5, 1: 0.7, 2: None}, [0, 1, 2]) == "0.600 ± 0.141 (2 of 3 seeds)"


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_the_paper_s_rows_stand_beside_ours(number):
    paper = TABLES[number]
    known = PAPER["data"][paper["data"]]
    data = DataSet(paper["data"], tuple(known["categories"]), known["test_images"], paper["data"])
    ours = [
        result(name, seed=seed, data=data.name, auroc=0.5 + 0.01 * k, aupro=0.4)
        for k, name in enumerate(data.categories)
        for seed in (0, 1)
    ]
    table = figure_table(data, ours, paper["figure"], detector="ours")
    assert table.head == ("Input", "Method", "Source", *paper["columns"])
    printed = [row for row in table.rows if row[2] == f"paper, Table {number}"]
    assert [(a, b, *map(float, values)) for a, b, _, *values in printed] == [tuple(row) for row in paper["rows"]]
    measured = [row for row in table.rows if row[2] == "measured here"]
    assert [row[:2] for row in measured] == [(modality, "das3d-ref") for modality in MODALITIES.values()]
    assert len(table.rows) == len(printed) + 3
    assert measured[0][3:] == measured[1][3:] == ("not measured",) * 11
    wanted = (
        [f"{0.5 + 0.01 * k:.3f}" for k in range(10)] + ["0.545"] if paper["figure"] == "I-AUROC" else ["0.400"] * 11
    )
    assert measured[2][3:] == tuple(f"{value} ± 0.000" for value in wanted)


def test_other_data_and_other_figures_have_no_row_of_the_paper():
    results = [result("a_1", auroc=0.5)]
    for data, figure in ((PARTS, "I-AUROC"), (MVTEC, "P-AUROC"), (MVTEC, "AUPRO@0.1")):
        table = figure_table(data, results, figure, detector="ours")
        assert {row[2] for row in table.rows} == {"measured here"}
        assert "paper" not in table.to_markdown() + table.to_latex()
    table = figure_table(PARTS, results, "I-AUROC", detector="ours")
    assert table.head[3:] == ("a_1", "b", "Mean")
    assert row(table, "das3d-ref", "RGB+3D") == ("measured here", "0.500", "not measured", "not measured")


def test_written_files_hold_everything_and_depend_on_the_results_alone(tmp_path):
    results = [
        result(category, mode, seed, auroc=0.5 + 0.1 * seed, aupro=None)
        for category in PARTS.categories
        for mode in ("rgbd", "rgb")
        for seed in (0, 1)
    ]
    for name, ordered in (("one", results), ("other", results[::-1])):
        write_results(tmp_path / name, PARTS, ordered, detector="100% ours", config={"training": {"steps": 3}})
    names = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert names == ["results.csv", "results.json", "tables.md", "tables.tex"]
    for name in names:
        text = (tmp_path / "one" / name).read_text()
        assert text == (tmp_path / "other" / name).read_text()
        for said in ("parts, 20 test images", "100% ours", "exact"):  # the protocol
            assert said in text

    saved = json.loads((tmp_path / "one" / "results.json").read_text())
    assert saved["config"] == {"training": {"steps": 3}}
    assert saved["protocol"]["versions"] == {"das3d": "0.1"}
    assert "threshold" not in saved["protocol"]  # each cell has its own
    assert {(r["category"], r["mode"], r["seed"]) for r in saved["results"]} == {
        (r.category, r.mode, r.seed) for r in results
    }
    lines = [line for line in (tmp_path / "one" / "results.csv").read_text().splitlines() if line[0] != "#"]
    rows = list(csv.DictReader(lines))
    assert len(rows) == 2 * len(results)
    for line in rows:
        assert line["value"] == ("" if line["figure"] == "AUPRO@0.3" else repr(0.5 + 0.1 * int(line["seed"])))


def test_the_protocol_is_what_all_agree_on_and_all_versions(tmp_path):
    old = Result(data="parts", category="b", mode="rgb", seed=0, figures={}, versions={"das3d": "0.0"})
    new = result("a_1", auroc=0.5, protocol={"resolution": [[64, 48], [32, 32]]})
    write_results(tmp_path, PARTS, [new], detector="ours", config={})
    assert "- resolution: 64 × 48; 32 × 32\n" in (tmp_path / "tables.md").read_text()
    write_results(tmp_path, PARTS, [new, old], detector="ours", config={})
    assert "versions: das3d 0.0; das3d 0.1" in (tmp_path / "tables.md").read_text()


def test_markdown_is_a_table():
    text = Table("A title", ("x|y", "z"), (("1", "2 ± 3"), ("3", "4")), ("A note.",)).to_markdown()
    assert text == "## A title\n\n| x\\|y | z |\n| --- | --- |\n| 1 | 2 ± 3 |\n| 3 | 4 |\n\nA note.\n"


def test_latex_is_a_table_whatever_the_names():
    nasty = r"a_1 & 5% of $x^2~ #{} \end <|>"
    table = Table(nasty, (nasty, "b"), (("1", "0.500 ± 0.010"), ("1", nasty), ("2", "4")))
    text = table.to_latex()
    body = text[text.index(r"\toprule") : text.index(r"\bottomrule")]
    rules = [line for line in body.splitlines() if line.startswith("\\") and line.endswith("rule")]
    assert rules == [r"\toprule", r"\midrule", r"\midrule"]  # head, and where the first column changes
    for line in body.splitlines():
        if line not in rules:
            assert len(re.findall(r"(?<!\\)&", line)) == 1
            assert line.endswith(r" \\")
            plain = re.sub(r"\\text[a-z]+\{\}|\\[&%$#_{}]|\$\\pm\$", "", line.removesuffix(r" \\"))
            assert not set(plain.replace(" & ", "")) & set("\\&%$#_{}~^<>|")
    assert r"0.500 $\pm$ 0.010" in body
    assert text.count("{") == text.count("}")
    assert r"\begin{tabular}{ll}" in text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{}", "is no evaluation"),
        ('{"figures": {"I-AUROC": "0.5"}, "protocol": {}}', "figure I-AUROC must be a number or null, got '0.5'"),
        ('{"figures": {"I-AUROC": true}, "protocol": {}}', "must be a number or null, got True"),
        ("nothing", "is not JSON"),
        ('{"figures": {"AP": NaN}, "protocol": {}}', "figures.AP must be a finite number, got nan"),
    ],
)
def test_a_damaged_evaluation_is_named(tmp_path, text, said):
    path = tmp_path / "evaluation.json"
    path.write_text(text)
    with pytest.raises(FileError, match=re.escape(said)) as caught:
        read_result(path, data="parts", category="b", mode="rgb", seed=0)
    assert str(path) in str(caught.value)


def test_a_figure_that_cannot_be_said_is_none(tmp_path):
    path = tmp_path / "evaluation.json"
    path.write_text('{"figures": {"I-AUROC": null, "F1": 1}, "protocol": {}}')
    found = read_result(path, data="parts", category="b", mode="rgb", seed=0)
    assert found.figures == {"I-AUROC": None, "F1": 1}

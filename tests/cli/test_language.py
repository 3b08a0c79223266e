"""Errors in the words of the command line, once a cause."""

from __future__ import annotations

import click
import pytest
from das3d_cli.language import in_options

from das3d_aug.errors import counted
from das3d_aug.runs.causes import by_cause


@click.command()
@click.option("--depth-scale", type=float)
@click.option("--unit")
@click.option("--size")
@click.option("--invalid")
@click.option("--xyz", type=click.Path())
@click.option("--resume", is_flag=True)
@click.option("--out", "model")
def plain(**_: object) -> None: ...


@click.command()
@click.option("--set", "values", multiple=True)
@click.option("--fallback")
def settable(**_: object) -> None: ...


@click.command()
@click.option("--set", "values", multiple=True)
def general(**_: object) -> None: ...


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("size must be N or HxW, got 'big'", "--size must be N or HxW, got 'big'"),
        ("a/b.png: depth_scale must be positive", "a/b.png: --depth-scale must be positive"),
        ("size is missing: give one, such as size=256", "--size is missing: give one, such as --size 256"),
        ("name its unit with unit=", "name its unit with --unit"),
        ("give depth= or xyz=", "give depth= or --xyz"),
        ("take unit='mm'; or unit='m'", "take --unit mm; or --unit m"),
        ("go on with resume=True, or use another folder", "go on with --resume, or use another folder"),
        ("scale it by depth_scale=0.001, or not", "scale it by --depth-scale 0.001, or not"),
        ("say invalid=(-32768,)", "say --invalid -32768"),
        ("name invalid=(65535, -1.5e+09); or not", "name --invalid 65535,-1.5e+09; or not"),
        ("the height 9 (unit=, depth_scale=) or (invalid=)", "the height 9 (--unit, --depth-scale) or (--invalid)"),
        ("use another out=", "use another --out"),
        ("recipe.toml: size must be a range", "recipe.toml: size must be a range"),
        ("scans/depth.json: depth_scale must be positive", "scans/depth.json: depth_scale must be positive"),
        # words that are no arguments here, though they look like names
        ("its size must be that of rgb", "its size must be that of rgb"),
        ("the unit of depth is m, the size is 3 x 4", "the unit of depth is m, the size is 3 x 4"),
        ("layout= takes no recipe.size=3", "layout= takes no recipe.size=3"),
        ("fallback='keep' keeps everything", "fallback='keep' keeps everything"),
    ],
)
def test_arguments_become_options(said: str, told: str) -> None:
    assert in_options(said, plain) == told


def test_a_setting_without_an_option_becomes_set() -> None:
    said = "no plane; fallback='keep' keeps everything, distance=0 looks for none, colour='red' nothing"
    assert in_options(said, general) == (
        "no plane; --set preparation.fallback=keep keeps everything, --set preparation.distance=0 looks for none, "
        "colour='red' nothing"
    )
    assert in_options(said, settable).startswith("no plane; --fallback keep keeps")


def test_one_is_singular() -> None:
    assert [counted(count, "anomalous source") for count in (0, 1, 2)] == [
        "0 anomalous sources",
        "1 anomalous source",
        "2 anomalous sources",
    ]


def test_a_cause_is_told_once() -> None:
    found = [(f"parts/{k:03d}", "needs a camera") for k in range(200)]
    assert by_cause(found) == ["200 images, such as parts/000: needs a camera"]
    shares = [(f"parts/{k}", f"the best one holds {k} % of 100") for k in range(5)]
    assert by_cause([*shares, ("parts/x", "is damaged")], what="sources") == [
        "5 sources, such as parts/0: the best one holds 0 % of 100",
        "parts/x: is damaged",
    ]
    assert by_cause([]) == []


def test_no_name_is_doubled() -> None:
    assert by_cause([("000", "000: no plane")]) == ["000: no plane"]
    assert by_cause([("in/test/good/000", "test/good/000: no plane")]) == ["in/test/good/000: no plane"]
    assert by_cause([("in/000", "00: no plane")]) == ["in/000: 00: no plane"]

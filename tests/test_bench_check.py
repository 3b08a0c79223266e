"""What `make bench-check` says of ratios; the benchmarks themselves are made up here."""

from __future__ import annotations

import json

import pytest

from benchmarks import check


@pytest.fixture
def told(tmp_path, monkeypatch, capsys):
    """Return a function that runs the check with turns of measured ratios: its exit code and its lines."""
    monkeypatch.setattr(check, "ACCEPTED", tmp_path / "accepted.json")

    def run(*turns, options=()):
        left = iter(turns)
        monkeypatch.setattr(check, "BENCHMARKS", (lambda: dict(next(left)),))
        monkeypatch.setattr("sys.argv", ["check", *options])
        code = check.main()
        assert not list(left)  # it is run again while a row is worse, and no longer
        return code, capsys.readouterr().out.splitlines()

    return run


def test_what_was_accepted_is_held_against(told, tmp_path):
    assert told({"a": 40.0, "b": 2.0}, options=["--accept"])[0] == 0
    assert json.loads((tmp_path / "accepted.json").read_text())["ratios"] == {"a": 40.0, "b": 2.0}
    assert told({"a": 30.1, "b": 9.0})[0] == 0
    code, lines = told(*[{"a": 29.0, "b": 2.0}] * 3)
    assert (code, lines[-1]) == (1, "worse: a: 29.00, which is 0.72 of 40.00")
    assert sum(line.startswith("worse") for line in lines) == 1
    assert json.loads((tmp_path / "accepted.json").read_text())["ratios"]["b"] == 2.0


def test_a_row_that_is_worse_is_measured_again(told):
    told({"a": 40.0, "b": 2.0}, options=["--accept"])
    assert told({"a": 20.0, "b": 2.0}, {"a": 39.0, "b": 1.0})[0] == 0


def test_rows_come_and_go(told):
    told({"a": 40.0}, options=["--accept"])
    assert told({"a": 40.0, "new": 0.1})[0] == 0
    code, lines = told({"new": 0.1})
    assert (code, lines[-1]) == (1, "not measured any more: a; accept the ratios anew")

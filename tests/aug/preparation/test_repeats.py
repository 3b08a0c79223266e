"""Equal images in a set are said, by what they spoil."""

from das3d_aug.datasets import Entry
from das3d_aug.preparation.repeats import repeats


def _record(number: int) -> dict:
    return {"files": {f"data/{number}/rgb/0.png": f"c{number}", f"data/{number}/gt/0.png": "m"}}


def _entry(key: str, split: str, label: int, category: str = "") -> Entry:
    return Entry(key=key, split=split, defect="", category=category, label=label, files={})


def test_the_same_image_is_said_by_what_it_spoils() -> None:
    entries = (
        (_entry("a", "train", 0), 1),
        (_entry("b", "train", 0), 1),
        (_entry("c", "validation", 0), 1),
        (_entry("d", "test", 1), 1),
        (_entry("e", "train", 0), 2),
        (_entry("f", "train", 0, "other"), 1),
    )
    told = dict(repeats({entry: _record(number) for entry, number in entries}))
    assert list(told) == ["b", "c", "d"]
    assert "another of its split" in told["b"]
    assert "one of another split" in told["c"]
    assert "labelled otherwise" in told["d"]

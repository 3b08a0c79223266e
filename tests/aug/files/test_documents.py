"""JSON, TOML and YAML from outside: what is read, and what is refused in one short line, quickly."""

import time

import pytest

from das3d_aug.errors import FileError, quoted
from das3d_aug.files import read_json, read_toml, read_yaml

READERS = {"json": read_json, "toml": read_toml, "yaml": read_yaml}
SAME = {"json": '{"a": 1, "b": [2.5, "é"]}', "toml": 'a = 1\nb = [2.5, "é"]\n', "yaml": "a: 1\nb: [2.5, é]\n"}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("kind", READERS)
def test_text_is_read_as_its_mark_says(tmp_path, kind, encoding):
    path = tmp_path / f"a.{kind}"
    path.write_bytes(SAME[kind].replace("\n", "\r\n").encode(encoding))
    assert READERS[kind](path) == {"a": 1, "b": [2.5, "é"]}


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("kind", READERS)
def test_text_in_another_encoding_is_refused(kind, encoding):
    with pytest.raises(FileError, match=r"is not (UTF-8 text|JSON|TOML|YAML)"):
        READERS[kind](f"a.{kind}", data=SAME[kind].encode(encoding))


HOSTILE = {
    "json": {
        "[": "is not JSON",
        "[]": "is not a JSON object",
        '{"a": [1, {"b": NaN}]}': r"a\[1\]\.b must be a finite number, got nan",
        '{"a": -Infinity}': "a must be a finite number, got -inf",
        '{"a": 1e999}': "a must be a finite number, got inf",
        '{"a": {"b": 1, "b": 2}}': "has the key b twice",
        '{"a": 1' + "0" * 400 + "}": "holds a whole number of 401 digits; at most 100 are read",
        '{"a": 1' + "0" * 5000 + "}": "holds a whole number of 5001 digits; at most 100 are read",
        '{"a": ' * 33 + "1" + "}" * 33: "is nested too deeply; at most 32 levels are read",
        "[" * 10**6: "is nested too deeply|holds too much",
        '{"a": [' + "[]," * 2**20 + "[]]}": "holds too much; at most 1048576 values are read",
        " " * (2**25 + 1): "holds 33554433 bytes; at most 33554432 are read",
    },
    "toml": {
        "a = ": "is not TOML",
        "a = nan": "a must be a finite number, got nan",
        "a.b = [1.0, inf]": r"a\.b\[1\] must be a finite number, got inf",
        "a = 1\na = 2": "is not TOML",
        "a = 1" + "0" * 400: "a is a whole number of more than 100 digits",
        "a = 1" + "0" * 5000: "is not TOML: Exceeds the limit",
        "a = 0x" + "f" * 5000: "a is a whole number of more than 100 digits",
        "a = " + "[" * 3000: "is nested too deeply",
        "a = " + "[" * 33 + "]" * 33: "is nested too deeply",
        "a" + ".x" * 30000 + " = 1": "is nested too deeply",
        "[a" + '. "x"' * 10000 + "]": "is nested too deeply",
        "#" * (2**16 + 1): "holds 65537 bytes; at most 65536 are read",
    },
    "yaml": {
        "- 1": "a YAML mapping is expected, got list",
        "a: .nan": "a must be a finite number, got nan",
        "a: 1\na: 2": "has the key a twice",
        "a: {b: 1, b: 2}": "has the key b twice",
        "a: &x [1, 2]\nb: *x": r"uses an alias \(\*name\)",
        "a: &x {b: 1}\nc: {<<: *x}": r"uses an alias \(\*name\)",
        "a: 1" + "0" * 400: "holds a number of 401 characters; at most 100 are read",
        "a: 0x" + "f" * 5000: "holds a number of 5002 characters",
        "a: 1" + ":01" * 9000: "holds a number of 27001 characters",
        "a: !!python/object/apply:os.getcwd []": "is not YAML: ConstructorError",
        "a: !!python/name:os.system": "is not YAML: ConstructorError",
        "a: !<" + "x" * 5000 + "> 1": "is not YAML: ConstructorError",
        "[" * 60000: "is nested too deeply",
        "- " * 30000: "is nested too deeply",
        "? " * 30000: "is nested too deeply",
        "a: " + "[" * 33 + "]" * 33: "is nested too deeply",
        "? [1]\n: 2": "is not YAML",
        "a: \0": "is not YAML",
        "a: 2001-99-99": "is not YAML",
        "#" * (2**16 + 1): "holds 65537 bytes; at most 65536 are read",
    },
}


@pytest.mark.parametrize(
    ("kind", "text", "reason"),
    [(kind, text, reason) for kind, cases in HOSTILE.items() for text, reason in cases.items()],
    ids=lambda part: part[:24].replace("\0", "0"),
)
def test_a_hostile_document_costs_little_and_is_named(tmp_path, kind, text, reason):
    path = tmp_path / f"bad.{kind}"
    path.write_text(text)
    start = time.process_time()
    with pytest.raises(FileError, match=reason) as caught:
        READERS[kind](path)
    assert time.process_time() - start < 10  # hours, gigabytes or a crash without the limits
    assert caught.value.path == path
    assert "\n" not in str(caught.value)
    assert len(caught.value.reason) < 200


@pytest.mark.parametrize("kind", READERS)
def test_32_levels_and_100_digits_are_read(kind):
    deep, digits = "[" * 31 + "]" * 31, "9" * 99
    text = {
        "json": f'{{"a": {deep}, "b": -{digits}}}',
        "toml": f"a = {deep}\nb = -{digits}",
        "yaml": f"a: {deep}\nb: -{digits}",
    }
    found = READERS[kind](kind, data=text[kind].encode())
    assert found["b"] == -int(digits)


@pytest.mark.parametrize("kind", READERS)
def test_what_is_no_file_is_named(tmp_path, kind):
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(FileError) as caught:
            READERS[kind](path)
        assert caught.value.path == path


def test_numbers_of_yaml_1_2_are_numbers_and_words_stay_words():
    assert read_yaml("a", data=b"{a: 1e-05, b: -2E+3, c: 1e, d: e5, e: 0., f: 5.25e+02}") == {
        "a": 1e-05, "b": -2000.0, "c": "1e", "d": "e5", "e": 0.0, "f": 525.0,
    }  # fmt: skip


def test_a_quoted_value_is_short_and_cheap():
    nested: list[object] = ["x"]
    for _ in range(12):
        nested = [nested] * 9  # a reference, repeated: 9**12 words when written out
    for value in (nested, 10**10**6, "x" * 10**7, {"a": nested}, "two\nlines" * 50, "\ud800" * 500, [10**5000]):
        start = time.process_time()
        text = quoted(value)
        assert time.process_time() - start < 5
        assert len(text) <= 80
        assert "\n" not in text
        text.encode()
    for value in (1, 0.1, "it's", [1, 2.5], (1,), {"b": 1}, None, True, -(10**60)):
        assert quoted(value) == repr(value)


def test_json_that_may_say_nan_says_it():
    found = read_json("a", data=b'{"a": NaN, "b": [-Infinity]}', finite=False)
    assert str(found) == "{'a': nan, 'b': [-inf]}"
    with pytest.raises(FileError, match="100 digits"):
        read_toml("a", data=b"a = 1" + b"0" * 101)

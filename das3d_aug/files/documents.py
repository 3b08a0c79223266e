"""One reader of documents from outside: JSON, TOML and YAML.

Sizes, depths and numbers are bounded, and a document means the same to every program: no key twice, no NaN, no
reference that stands for more than is written.

=============== =============================================================================
size            at most 32 MiB of JSON and 64 KiB of YAML and TOML, unless a reader says other
values          at most 2**20 in JSON (a listing of 50,000 images), which take 100 MB, and 24,576 in YAML
depth           at most 32 levels
numbers         finite, and at most 100 digits
keys            each once
YAML            the safe types alone; no aliases
text            UTF-8, with or without a byte order mark; UTF-16 and UTF-32 with one
=============== =============================================================================
"""

from __future__ import annotations

import codecs
import json
import math
import re
import tomllib
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any

import yaml

from das3d_aug.errors import FileError, brief
from das3d_aug.files.limits import limits, read_bytes
from das3d_aug.files.remote import Place

__all__ = ["decoded", "read_json", "read_toml", "read_yaml"]

_OTHER_BYTES = 2**16  # these two parsers are written in Python: a megabyte takes seconds
_VALUES = 2**20
_NODES = 3 * 2**13  # of YAML, for which PyYAML takes most of a second; a calibration lists 20,000
_DEPTH = 32
_DIGITS = 100
_LARGE = 10**_DIGITS
_LONG_KEY = re.compile(r"(?<![\w-])(?:(?:[\w-]++|\"[^\"\n]*+\"|'[^'\n]*+')[ \t]*+\.[ \t]*+){32}")  # of `_DEPTH` parts
_MARKS = (  # the longer first: UTF-32's begins with UTF-16's
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


class _Refused(Exception):
    """What is wrong with a document that its grammar allows."""


def read_json(
    path: str | Place, *, data: bytes | None = None, limit: int | None = None, finite: bool = True
) -> dict[str, Any]:
    """Read a JSON object.

    Parameters
    ----------
    path : str or pathlib.Path
        The file, which every error names.
    data : bytes, optional
        What the file holds, if it is not to be read; of what is in a store it is needed.
    limit : int, optional
        The largest size, in bytes; by default that of `das3d_aug.files.limits`.
    finite : bool
        False: NaN and Infinity are numbers too, as in figures that cannot be said.

    Raises
    ------
    FileError
        If the file is missing, beyond the limits above, or holds something else.
    """
    value = _read(path, data, limit or limits().json_bytes, "JSON", _parse_json, finite)
    if not isinstance(value, dict):
        raise FileError(path, "is not a JSON object")
    return value


def read_toml(path: str | Path, *, data: bytes | None = None, limit: int = _OTHER_BYTES) -> dict[str, Any]:
    """Read TOML; parameters and errors as `read_json`."""
    found: dict[str, Any] = _read(path, data, limit, "TOML", _parse_toml)
    return found


def read_yaml(path: str | Path, *, data: bytes | None = None, limit: int = _OTHER_BYTES) -> dict[Any, Any]:
    """Read a mapping in YAML, OpenCV's ``%YAML:1.0`` with its matrices too; parameters and errors as `read_json`."""
    value = _read(path, data, limit, "YAML", _parse_yaml)
    if not isinstance(value, dict):
        raise FileError(path, f"a YAML mapping is expected, got {type(value).__name__}")
    return value


def _read(
    path: str | Place, data: bytes | None, limit: int, kind: str, parse: Callable[[str], Any], finite: bool = True
) -> Any:
    content = read_bytes(Path(str(path)), most=limit) if data is None else data
    if len(content) > limit:
        raise FileError(path, f"holds {len(content)} bytes; at most {limit} are read")
    try:
        value = parse(decoded(path, content))
        _judge(value, finite)
    except FileError:
        raise
    except _Refused as error:
        raise FileError(path, str(error)) from None
    except RecursionError:
        raise FileError(path, f"is nested too deeply; at most {_DEPTH} levels are read") from None
    except Exception as error:  # the parsers promise no family of errors for damaged input
        name = f"{type(error).__name__} " if kind == "YAML" else ""
        reason = brief((str(error).splitlines() or [""])[0])
        raise FileError(path, f"is not {kind}: {name}{reason}") from error
    return value


def decoded(path: str | Place, data: bytes) -> str:
    """Return the text of a file, UTF-8 unless its mark says other, or raise `FileError`."""
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), "utf-8")
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        name = encoding.removesuffix("-sig").upper()
        raise FileError(path, f"is not {name} text (byte {error.start}); save it as UTF-8") from None


def _judge(document: Any, finite: bool) -> None:
    """Refuse what is nested too deeply and numbers that are not finite or too long, naming where they are."""
    left: list[tuple[Any, tuple[Any, ...]]] = [(document, ())]
    while left:
        parent, place = left.pop()
        if len(place) >= _DEPTH:
            raise _Refused(f"is nested too deeply; at most {_DEPTH} levels are read")
        if isinstance(parent, (dict, list)):
            for key, value in parent.items() if isinstance(parent, dict) else enumerate(parent):
                if isinstance(value, (dict, list)):
                    left.append((value, (*place, key)))
                elif finite and isinstance(value, float) and not math.isfinite(value):
                    raise _Refused(f"{_name(*place, key)} must be a finite number, got {value!r}")
                elif isinstance(value, int) and not -_LARGE < value < _LARGE:
                    raise _Refused(f"{_name(*place, key)} is a whole number of more than {_DIGITS} digits")


def _name(*place: Any) -> str:
    """Return where a value is, as ``a.b[2]``."""
    return brief("".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).removeprefix("."))


def _digits(text: str) -> int:
    if len(text) > _DIGITS + 1:
        raise _Refused(f"holds a whole number of {len(text)} digits; at most {_DIGITS} are read")
    return int(text)


def _unique(pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise _Refused(f"has the key {brief(str(twice))} twice")
    return found


def _parse_json(text: str) -> Any:
    if sum(map(text.count, ",[{")) > _VALUES:
        raise _Refused(f"holds too much; at most {_VALUES} values are read")
    return json.loads(text, parse_int=_digits, object_pairs_hook=_unique)


def _parse_toml(text: str) -> dict[str, Any]:
    if _LONG_KEY.search(text):  # the parser's time and memory grow with the square of a key's parts
        raise RecursionError
    return tomllib.loads(text)


def _parse_yaml(text: str) -> Any:
    # OpenCV writes a directive that is none; PyYAML loads with the loader that it is given.
    return yaml.load(re.sub(r"\A%YAML:1\.0[^\n]*\n", "", text), Loader=_Loader)


class _Loader(yaml.SafeLoader):  # type: ignore[misc]
    """The safe types, without what makes a small file large or ambiguous."""

    depth = nodes = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise _Refused("uses an alias (*name); write out what it stands for")
        self.depth += 1
        self.nodes += 1
        if self.nodes > _NODES:
            raise _Refused(f"holds too much; at most {_NODES} values are read")
        if self.depth > 2 * _DEPTH:
            raise RecursionError
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:
        return _unique(
            [(self.construct_object(key, True), self.construct_object(value, True)) for key, value in node.value]
        )

    def construct_number(self, node: Any) -> Any:
        text = self.construct_scalar(node)
        if len(text) > _DIGITS:
            raise _Refused(f"holds a number of {len(text)} characters; at most {_DIGITS} are read")
        return self.construct_yaml_int(node) if node.tag.endswith(":int") else self.construct_yaml_float(node)


_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_number)
_Loader.add_constructor("tag:yaml.org,2002:float", _Loader.construct_number)
_Loader.add_constructor("tag:yaml.org,2002:opencv-matrix", _Loader.construct_yaml_map)
# YAML 1.1 takes 1e-05 for a word; 1.2, and whoever writes it, means the number.
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?[0-9]+[eE][-+]?[0-9]+"), list("-+0123456789")
)

"""Reading JSON that may be damaged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from das3d_aug.errors import FileError
from das3d_aug.files.limits import limits, read_bytes

__all__ = ["read_json"]


def read_json(path: str | Path, *, data: bytes | None = None) -> dict[str, Any]:
    """Read a JSON object; ``data`` as for `read_rgb`.

    Raises
    ------
    FileError
        If the file is missing, too large or holds something else.
    """
    path = Path(path)
    try:
        value = json.loads(read_bytes(path, most=limits().json_bytes) if data is None else data)
    except (ValueError, RecursionError) as error:
        raise FileError(path, f"is not JSON: {(str(error).splitlines() or [''])[0]}") from error
    if not isinstance(value, dict):
        raise FileError(path, "is not a JSON object")
    return value

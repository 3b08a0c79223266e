"""The last line of every example: `save` puts pictures side by side into a JPEG."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from das3d_aug.files import write_atomic
from das3d_aug.preview import shade
from numpy.typing import NDArray

SIDE, GAP, LINE = 176, 6, 22  # pixels of a tile, between tiles, of a title


def save(script: str, *rows: Mapping[str, NDArray[Any]]) -> None:
    """Write ``NAME.jpg`` into the working folder, NAME being that of the script.

    Colour is shown as it is, a mask black and white, depth as a surface under a
    lamp from the upper left.
    """
    columns = max(map(len, rows))
    height = LINE + SIDE + GAP
    out = np.full(
        (height * len(rows), columns * (SIDE + GAP) - GAP, 3), 255, np.uint8
    )
    for k, row in enumerate(rows):
        for j, (title, picture) in enumerate(row.items()):
            top, left = k * height, j * (SIDE + GAP)
            place = (left + 2, top + 15)
            cv2.putText(
                out,
                title,
                place,
                cv2.FONT_HERSHEY_SIMPLEX,
                0.4,
                (40, 40, 40),
                1,
                cv2.LINE_AA,
            )
            out[top + LINE : top + LINE + SIDE, left : left + SIDE] = _tile(picture)
    _, data = cv2.imencode(".jpg", out[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 70])
    write_atomic(Path(f"{Path(script).stem}.jpg"), data.tobytes())


def _tile(picture: NDArray[Any]) -> NDArray[Any]:
    if picture.dtype == bool:
        picture = np.repeat(np.uint8(255) * picture[:, :, None], 3, axis=2)
    elif picture.ndim == 2:
        valid = (picture > 0) & (picture < np.inf)
        picture = shade(picture, picture, valid, valid)[0]
    smaller = picture.shape[0] > SIDE
    return np.asarray(
        cv2.resize(
            picture,
            (SIDE, SIDE),
            interpolation=cv2.INTER_AREA if smaller else cv2.INTER_NEAREST,
        )
    )

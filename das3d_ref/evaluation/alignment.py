"""Parts centred and turned onto a template, so that a place in the image is a place on the part."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["Alignment"]

Array = NDArray[np.float32]

_FULL = 0.95  # a part that fills so much of the image has no outline to align
_ANGLES = range(0, 360, 6)
_ROUNDS = 2


class Alignment:
    """The place and turn of parts on a template: the mean of the normal ones, at half the resolution.

    Parameters
    ----------
    images : sequence of ndarray of float32, H x W x C
        Normal images, 0 in the background.
    foregrounds : sequence of ndarray of bool, H x W

    Attributes
    ----------
    template : ndarray of float32, H / 2 x W / 2 x C
    """

    def __init__(self, images: Sequence[Array], foregrounds: Sequence[NDArray[np.bool_]]) -> None:
        self.turns = bool(np.mean([foreground.mean() for foreground in foregrounds]) < _FULL)
        centred = [self._centred(image, inside) for image, inside in zip(images, foregrounds, strict=True)]
        self.template = centred[0]
        for _ in range(_ROUNDS):
            turned = [_warped(image, self._turn(image)) for image in centred]
            self.template = np.mean(turned, axis=0, dtype=np.float32)

    def apply(self, image: Array, foreground: NDArray[np.bool_]) -> tuple[Array, Array]:
        """Return the aligned image, of the template's size, and the 2 x 3 matrix of `undo`."""
        centred, shift = self._centred(image, foreground), self._shift(foreground)
        turn = self._turn(centred)
        whole = np.vstack([turn, [0, 0, 1]]) @ np.vstack([shift, [0, 0, 1]])
        return _warped(centred, turn), whole[:2].astype(np.float32)

    def undo(self, found: Array, matrix: Array, size: tuple[int, int]) -> Array:
        """Return a map of the template's size as a map of the image, H x W = ``size``; 0 beyond the template."""
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        return np.asarray(cv2.warpAffine(found, matrix, size[::-1], flags=flags), np.float32)

    def _centred(self, image: Array, foreground: NDArray[np.bool_]) -> Array:
        height, width = foreground.shape
        shift = self._shift(foreground)
        smooth = np.asarray(cv2.blur(image, (2, 2), anchor=(0, 0)), np.float32).reshape(image.shape)  # of a new pixel
        return _warped(smooth, shift, (-(-height // 2), -(-width // 2)))

    def _shift(self, foreground: NDArray[np.bool_]) -> Array:
        """Return the matrix that halves the size and brings the part's centroid to the middle."""
        half = np.asarray([[0.5, 0, 0], [0, 0.5, 0]], np.float32)
        if self.turns:
            height, width = foreground.shape
            row, column = np.argwhere(foreground).mean(axis=0)
            half[:, 2] = width / 4 - column / 2, height / 4 - row / 2
        return half

    def _turn(self, image: Array) -> Array:
        """Return the matrix of the turn, in steps of 6 degrees, that brings an image nearest to the template."""
        middle = ((image.shape[1] - 1) / 2, (image.shape[0] - 1) / 2)
        angles = _ANGLES if self.turns else (0,)
        turns = [np.asarray(cv2.getRotationMatrix2D(middle, angle, 1.0), np.float32) for angle in angles]
        return min(turns, key=lambda turn: float(np.square(_warped(image, turn) - self.template).sum()))


def _warped(image: Array, matrix: Array, size: tuple[int, int] | None = None) -> Array:
    height, width = size or image.shape[:2]
    warped = np.asarray(cv2.warpAffine(image, matrix, (width, height)), np.float32)
    return warped.reshape(height, width, *image.shape[2:])  # OpenCV drops a single channel

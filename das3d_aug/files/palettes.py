"""Images whose numbers are places in a table of colours."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Indexed"]


class Indexed(NamedTuple):
    """An image with a palette.

    Attributes
    ----------
    places : numpy.ndarray
        uint8, H x W.
    palette : numpy.ndarray
        uint8, 256 x 3; black where the file has no colour.
    """

    places: NDArray[np.uint8]
    palette: NDArray[np.uint8]

    @property
    def rgb(self) -> NDArray[np.uint8]:
        """The colours, H x W x 3."""
        return np.take(self.palette, self.places, axis=0)

    @property
    def plane(self) -> NDArray[np.uint8] | None:
        """The numbers that the image shows, H x W; None if that is not clear.

        Grey levels if no colour is in the palette.  Otherwise the indices, if index 0 is black: so label images and
        colour-mapped values are stored, the background first.
        """
        if (self.palette == self.palette[:, :1]).all():
            return np.take(self.palette[:, 0], self.places)
        return self.places if not self.palette[0].any() else None

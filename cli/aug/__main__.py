"""``python -m das3d_cli.aug`` is ``das3d-aug``."""

from ..start import aug

aug()

"""``python -m das3d_cli.ref`` is ``das3d-ref``."""

from ..start import ref

ref()

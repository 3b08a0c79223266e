"""``python -m das3d_cli.ref`` is ``das3d-ref``."""

from . import main

main()

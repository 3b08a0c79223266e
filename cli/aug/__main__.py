"""``python -m das3d_cli.aug`` is ``das3d-aug``."""

from . import main

main()

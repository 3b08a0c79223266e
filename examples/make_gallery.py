"""Run the examples and renew their page: ``python examples/make_gallery.py docs/examples.md docs/images/examples``."""

import contextlib
import re
import runpy
import sys
import tempfile
from pathlib import Path

from das3d_aug.files import write_atomic

GALLERY = Path(__file__).parent / "gallery"
SCRIPTS = sorted(GALLERY.glob("[0-9]*.py"))
BLOCK = re.compile(r'^```python title="examples/gallery/(\w+\.py)"\n(.*?)^```', re.DOTALL | re.MULTILINE)


def with_scripts(page: str) -> str:
    """Put the text of each script where the page names it."""
    return BLOCK.sub(lambda found: found[0].replace(found[2], (GALLERY / found[1]).read_text()), page)


def run(script: Path) -> None:
    """Run an example in the working folder, where it writes its picture."""
    if str(GALLERY) not in sys.path:
        sys.path.insert(0, str(GALLERY))
    runpy.run_path(str(script), run_name="__main__")


if __name__ == "__main__":
    page, out = (Path(path).resolve() for path in sys.argv[1:])
    page.write_text(with_scripts(page.read_text()))
    for script in SCRIPTS:
        with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
            run(script)
            picture = Path(f"{script.stem}.jpg")
            write_atomic(out / picture, picture.read_bytes())

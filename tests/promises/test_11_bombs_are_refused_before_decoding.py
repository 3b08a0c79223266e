"""Decompression bombs are refused before decoding."""

from helpers.bombs import bombs
from helpers.image_files import put
from helpers.processes import python

CODE = """
import resource, sys
from pathlib import Path
from das3d_aug.errors import FileError
from das3d_aug.files import read_plane, read_rgb
status = lambda: dict(line.split(":") for line in open("/proc/self/status"))
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
before = int(status()["VmHWM"].split()[0])
resource.setrlimit(resource.RLIMIT_AS, (used + 150_000_000,) * 2)
for path in sorted(Path(sys.argv[1]).iterdir()):
    try:
        (read_rgb if path.suffix in (".bmp", ".jpg") else read_plane)(path)
    except FileError as error:
        assert error.path == path and not isinstance(error.__cause__, MemoryError), repr(error.__cause__)
        print(path.name, error.reason)
print("grown", int(status()["VmHWM"].split()[0]) - before)
"""


def test_with_150_mb_to_spare_while_each_would_take_256_mb_to_14_gb(tmp_path, record_property):
    files = bombs()
    for name, data in files.items():
        put(tmp_path, name, data)
    *lines, grown = python(CODE, tmp_path).splitlines()
    assert [line.split()[0] for line in lines] == sorted(files)
    assert all("declared" in line for line in lines), lines
    size = sum(map(len, files.values())) / 2**20
    record_property(
        "figure", f"{len(files)} bombs of {size:.1f} MiB refused; memory grew by {int(grown.split()[1]) / 1024:.0f} MiB"
    )

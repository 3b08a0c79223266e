"""Read every hostile file with every reader, in a process that has little memory to spare: prints what went wrong.

``python -m tests.hostile.read_all [reader …]``; the last line is a JSON object of the figures.
"""

import contextlib
import json
import resource
import sys
import tempfile
import traceback
from pathlib import Path

from tests.fuzz.targets import BYTES, TARGETS, judge, place, warm
from tests.hostile import documents, graphs, images

_SPARE = 2 * BYTES  # of addresses, of which not all become memory


@contextlib.contextmanager
def little_to_spare():
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + _SPARE, resource.RLIM_INFINITY))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def described(error):
    step = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} {' '.join(str(error).split())[:300]} ({Path(step.filename).name}:{step.lineno})"


def main(names):
    files = {**images.files(), **documents.files(), **graphs.files()}
    changed = list(documents.changed())
    count, slowest, largest = 0, (0.0, ""), (0, "")
    with tempfile.TemporaryDirectory() as folder:
        for name in names or TARGETS:
            target, root = TARGETS[name], (Path(folder) / name).resolve()
            path = place(target, root)
            warm(target, path)
            own = {which: data for reader, which, data in changed if reader == name}
            with little_to_spare():
                for which, data in {**files, **own}.items():
                    path.write_bytes(data)
                    try:
                        cost = judge(target, path, root)
                    except Exception as error:
                        print(f"{name} of {which}: {described(error)}", flush=True)
                        continue
                    count += 1
                    slowest = max(slowest, (cost.seconds, f"{name} of {which}"))
                    largest = max(largest, (cost.grown, f"{name} of {which}"))
    total = len(files) + len(changed)
    print(json.dumps({"files": total, "readings": count, "seconds": slowest, "grown": largest}))


if __name__ == "__main__":
    main(sys.argv[1:])

"""No thread oversubscription; importing changes no global setting."""

from helpers.dumps import write_folder
from helpers.processes import python

SETTINGS = """
import gc, locale, logging, os, random, signal, sys, threading, warnings
import accelerate, albumentations, click, cv2, kornia, multiprocessing, numba, numpy, scipy.ndimage, torch._dynamo
def settings():
    return {
        "numpy": (numpy.geterr(), numpy.geterrcall(), numpy.get_printoptions()),
        "random numbers": (random.getstate(), numpy.random.get_state()[1].tolist(), torch.get_rng_state().tolist()),
        "threads": (cv2.getNumThreads(), torch.get_num_threads(), torch.get_num_interop_threads()),
        "torch": (torch.get_default_dtype(), torch.are_deterministic_algorithms_enabled(), torch.is_grad_enabled()),
        "opencv": (cv2.useOptimized(), cv2.ocl.useOpenCL()),
        "warnings": list(warnings.filters),
        "logging": (logging.root.level, list(logging.root.handlers), logging.raiseExceptions),
        "signals": [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM, signal.SIGXFSZ)],
        "environment": dict(os.environ),
        "locale": locale.setlocale(locale.LC_ALL),
        "python": (sys.path, sys.getrecursionlimit(), sys.excepthook, gc.isenabled(), os.getcwd()),
        "processes": multiprocessing.get_start_method(allow_none=True),
        "umask": [os.umask(mask) for mask in [os.umask(0)]],
        "python threads": threading.active_count(),
    }
before = settings()
"""


def test_importing_changes_no_global_setting(record_property):
    code = f"""{SETTINGS}
import das3d_aug, das3d_aug.adapters, das3d_aug.files, das3d_aug.generation, das3d_aug.preparation, das3d_aug.transforms
import das3d_aug.fitting, das3d_aug.gallery, das3d_aug.labels, das3d_aug.preview
import das3d_ref, das3d_ref.evaluation, das3d_ref.model, das3d_ref.studies, das3d_ref.training
after = settings()
print([name for name in before if before[name] != after[name]])
print(len(before))
"""
    changed, count = python(code, NO_ALBUMENTATIONS_UPDATE="1").splitlines()
    assert changed == "[]"
    record_property(
        "figure", f"{count} groups of settings as before; no task more after a sample; 1 a worker but the watch"
    )


def test_nor_does_a_sample():
    code = f"""{SETTINGS}
from helpers.pairs import sample
sample(0)
after = settings()
print([name for name in before if before[name] != after[name]])
"""
    assert python(code) == "[]\n"


def test_no_thread_is_started():
    tasks = "len(os.listdir('/proc/self/task'))"
    code = f"import os, numpy; before = {tasks}; from helpers.pairs import sample; sample(0); print({tasks} - before)"
    # SciPy's OpenBLAS, which numba loads, keeps an idle pool of as many threads as it is told.
    assert python(code, OPENBLAS_NUM_THREADS="1") == "0\n"


def test_a_worker_works_in_one_thread(tmp_path):
    """Beside it is the thread that waits for the parent's end, and the pool's own that waits for results."""
    source = write_folder(tmp_path / "parts")
    code = """
import os, sys
from pathlib import Path
from das3d_aug.generation import generate
def tasks(pid):
    return len(os.listdir(f"/proc/{pid}/task"))
most = []
def look(done, total):
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    found = [tasks(pid) for pid in children if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    most.append(max(found, default=0))
if __name__ == "__main__":
    generate(sys.argv[1], sys.argv[2], per_image=60, workers=2, progress=look)
    print(max(most))
"""
    script = tmp_path / "run.py"
    script.write_text(code)
    run = "import runpy, sys; sys.argv.pop(0); runpy.run_path(sys.argv[0], run_name='__main__')"
    assert int(python(run, script, source, tmp_path / "out", OPENBLAS_NUM_THREADS="1")) == 2

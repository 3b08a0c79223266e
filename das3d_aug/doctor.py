"""Is this installation able to work, and what is it?  Each check looks at one thing that is known to go wrong.

A check never raises and changes nothing that lasts: it returns a `Finding` with what was seen and, where
it failed, what to do about it.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import platform
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import das3d_aug
from das3d_aug.errors import ParameterError, brief

__all__ = ["Finding", "examine"]

_NEEDED = ("numpy", "scipy", "numba", "tifffile", "click", "rich")
_OPENCV = ("opencv-python", "opencv-python-headless")

# What the wheels of OpenCV leave to the system, and the Debian/Ubuntu package that has it.
_APT = {
    "libGL.so.1": "libgl1",
    "libgomp.so.1": "libgomp1",
    "libgthread-2.0.so.0": "libglib2.0-0",
}


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What one check saw.

    Attributes
    ----------
    name : str
        What was looked at.
    ok : bool
        False if das3d cannot work as intended.
    detail : str
        A version or a folder; for a failure also what to do.
    """

    name: str
    ok: bool
    detail: str


def examine() -> tuple[Finding, ...]:
    """Run all checks.

    Returns
    -------
    tuple of Finding
        In the order in which they are worth reading; the installation is sound if all are ``ok``.
    """
    return (
        Finding(name="das3d", ok=True, detail=f"{das3d_aug.__version__}, {Path(das3d_aug.__file__).parent}"),
        Finding(name="python", ok=True, detail=f"{platform.python_version()}, {platform.platform()}"),
        _cpu(),
        _gpu(),
        *(_installed(name) for name in _NEEDED),
        _opencv(),
        _albumentations(),
        _torch(),
        _numba_cache(),
        _temporary(),
        *_plug_ins(),
    )


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def _installed(distribution: str) -> Finding:
    version = _version(distribution)
    detail = version or f"not installed: pip install {distribution}"
    return Finding(name=distribution, ok=version is not None, detail=detail)


def _opencv() -> Finding:
    """Both wheels write the folder cv2: with unequal versions one is half overwritten by the other."""
    found = {name: version for name in _OPENCV if (version := _version(name)) is not None}
    seen = ", ".join(f"{name} {version}" for name, version in found.items())
    if len(set(found.values())) > 1:
        newest = max(found.values(), key=lambda text: [int(part) for part in re.findall(r"\d+", text)])
        pins = " ".join(f"{name}=={newest}" for name in _OPENCV)
        remedy = f"the two share files and must be equal: pip install --force-reinstall --no-deps {pins}"
        return Finding(name="opencv", ok=False, detail=f"{seen}; {remedy}")
    failure = _import_failure("cv2")
    return Finding(name="opencv", ok=failure is None, detail=failure or seen)


def _torch() -> Finding:
    """Torch is not imported, which takes seconds; its version names the CUDA that it was built for."""
    version = _version("torch")
    return Finding(name="torch", ok=True, detail=version or "not installed: das3d-ref needs it, pip install '.[ref]'")


def _gpu() -> Finding:
    """Ask the driver by the files that it shows."""
    models = [
        line.partition(":")[2].strip()
        for path in sorted(Path("/proc/driver/nvidia/gpus").glob("*/information"))
        for line in path.read_text(errors="replace").splitlines()
        if line.startswith("Model:")
    ]
    return Finding(name="gpu", ok=True, detail=", ".join(models) or "none of NVIDIA's is seen")


def _cpu() -> Finding:
    try:
        lines = Path("/proc/cpuinfo").read_text(errors="replace").splitlines()
    except OSError:
        lines = []
    named = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return Finding(
        name="cpu", ok=True, detail=f"{named or platform.processor() or platform.machine()}, {usable} usable"
    )


def _temporary() -> Finding:
    try:
        return Finding(name="temporary files", ok=True, detail=tempfile.gettempdir())
    except OSError as error:
        return Finding(
            name="temporary files", ok=False, detail=f"{error.strerror}: set TMPDIR to a folder that can be written"
        )


def _import_failure(module: str) -> str | None:
    """Import a module and return why that failed, with the system package that would help."""
    try:
        importlib.import_module(module)
    except Exception as error:  # a broken binary wheel may raise anything, OSError and ImportError most often
        lines = str(error).splitlines() or [type(error).__name__]
        missing = re.search(r"(lib[\w.+-]+\.so[.\d]*)", lines[0])
        package = _APT.get(missing[1]) if missing else None
        return f"cannot be imported: {lines[0]}" + (f"; apt-get install {package}" if package else "")
    return None


def _plug_ins() -> Iterator[Finding]:
    """Load what other packages add; of two of one name, or of a name that das3d has, one is never used."""
    try:
        from das3d_aug.datasets import layout_named
        from das3d_aug.synthesis.kinds import kind_named
    except Exception as error:  # what is broken or missing, other checks say
        yield Finding(name="plug-ins", ok=False, detail=f"not looked at: {brief(str(error))}")
        return
    loaders = {"das3d.layouts": layout_named, "das3d.kinds": kind_named}
    points = [point for group in loaders for point in importlib.metadata.entry_points(group=group)]
    for point in points:
        package = "" if point.dist is None else f" of {point.dist.name} {point.dist.version}"
        detail = f"{point.group} {point.name}: {point.value}{package}"
        try:
            used = loaders[point.group](point.name) is point.load()
        except ParameterError as error:
            yield Finding(name="plug-in", ok=False, detail=f"{detail}: {error}")
        except (Exception, SystemExit) as error:  # whatever a foreign module raises when it is imported
            reason = f"{type(error).__name__} {brief(str(error))}"
            yield Finding(name="plug-in", ok=False, detail=f"{detail}: cannot be loaded: {reason}")
        else:
            taken = "" if used else "; not used, since its name is taken: remove one of the two, or rename it"
            yield Finding(name="plug-in", ok=used, detail=f"{detail}{taken}")
    if not points:
        yield Finding(name="plug-ins", ok=True, detail="none")


def _numba_cache() -> Finding:
    """Numba puts compiled kernels beside the module, or else into a folder of the user's; told not to, none runs."""
    if _version("numba") is None:
        return Finding(name="kernel cache", ok=False, detail="numba is not installed")
    from numba import config
    from numba.misc.appdirs import AppDirs

    if config.DISABLE_JIT:  # type: ignore[attr-defined]
        return Finding(name="kernel cache", ok=False, detail="no kernel runs while NUMBA_DISABLE_JIT is set: unset it")
    module = Path(__file__)
    if chosen := os.environ.get("NUMBA_CACHE_DIR"):
        candidates = [Path(chosen)]
    else:
        user_wide = AppDirs(appname="numba", appauthor=False).user_cache_dir  # type: ignore[no-untyped-call]
        candidates = [module.parent / "__pycache__", Path(user_wide)]
    for folder in candidates:
        if _writable(folder):
            return Finding(name="kernel cache", ok=True, detail=str(folder))
    detail = f"{candidates[-1]} cannot be written: set NUMBA_CACHE_DIR to a folder that can"
    return Finding(name="kernel cache", ok=False, detail=detail)


def _writable(folder: Path) -> bool:
    """Try to write a file into the folder, or into the nearest parent that exists."""
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    try:
        with tempfile.TemporaryFile(dir=existing):
            return True
    except OSError:
        return False


def _albumentations() -> Finding:
    for name in ("albumentations", "albumentationsx"):
        version = _version(name)
        if version is not None:
            return Finding(name="albumentations", ok=True, detail=f"{name} {version}")
    detail = "not installed: pip install albumentations==2.0.8 for das3d_aug.transforms"
    return Finding(name="albumentations", ok=True, detail=detail)

"""How das3d compiles its kernels: one thread, no GIL, strict floating point, and a cache that cannot hurt."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba
from numba.core.caching import FunctionCache

__all__ = ["kernel"]

F = TypeVar("F", bound=Callable[..., Any])


class _HarmlessCache(FunctionCache):  # type: ignore[misc]
    """Numba's on-disk cache, with a damaged or unwritable file treated as a miss: the kernel is compiled anew."""

    def load_overload(self, *args: Any) -> Any:
        try:
            return super().load_overload(*args)
        except Exception:
            return None

    def save_overload(self, *args: Any) -> None:
        try:
            super().save_overload(*args)
        except Exception:
            self._replace_index(*args)

    def _replace_index(self, *args: Any) -> None:
        try:
            self.flush()
            super().save_overload(*args)
        except Exception:
            return


def kernel(function: F) -> F:
    """Compile a function on its first call.

    No ``fastmath``: the same bytes on every CPU, and NaN means NaN.  No ``parallel``: a parallel kernel in the
    parent kills forked children, and its sums differ between thread counts.
    """
    compiled = numba.njit(nogil=True, error_model="numpy")(function)
    try:
        compiled._cache = _HarmlessCache(compiled.py_func)
    except RuntimeError:  # there is no writable place for a cache
        pass
    return compiled  # type: ignore[no-any-return]

"""Numba's disk cache of compiled kernels."""

from __future__ import annotations

import atexit
import importlib
import pkgutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from numba.core.caching import FunctionCache

from minicnn.backend import tell
from minicnn.errors import InputError


class MendingCache(FunctionCache):
    """Numba's disk cache of a function, which replaces damaged files. Numba's own would fail in every process."""

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        try:
            return super().load_overload(sig, target_context)
        except Exception:  # unpickling a damaged file can raise anything
            tell(f"minicnn: a compiled kernel in {self.cache_path} is damaged; it is compiled again")
            self.flush()
        return None


def mend_caches() -> None:
    """Give every compiled function loaded so far a MendingCache."""
    for name in [name for name in sys.modules if name.startswith("minicnn.fast.cpu")]:
        for value in vars(sys.modules[name]).values():
            if type(getattr(value, "_cache", None)) is FunctionCache:
                value._cache.__class__ = MendingCache


def cache_until_the_end() -> None:
    """Set Numba's disk cache to a folder that is deleted at exit.

    Numba unpickles the files of its cache, so a permanent folder among the temporary ones, where others can write,
    would be unsafe.
    """
    import shutil
    import tempfile

    from numba import config

    try:
        folder = tempfile.mkdtemp(prefix="minicnn-")
    except OSError as problem:
        raise InputError(
            f"numba: no folder to keep compiled kernels in ({problem}); "
            'name one in NUMBA_CACHE_DIR, or choose use_backend("numpy")'
        ) from None
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    config.CACHE_DIR = folder  # type: ignore[attr-defined]


def compiled_before() -> bool:
    """Return True if the disk cache holds the convolution kernels, so that a first use need not compile them."""
    from minicnn.fast.cpu import conv

    folder = Path(conv._forward_range.stats.cache_path)  # type: ignore[arg-type]
    return any(folder.glob("conv._forward_range*.nbi"))


def compiled_kernels() -> Iterator[Any]:
    """Yield every compiled function of minicnn.fast.cpu."""
    from minicnn.fast import cpu

    for found in pkgutil.walk_packages(cpu.__path__, "minicnn.fast.cpu."):
        for value in vars(importlib.import_module(found.name)).values():
            if hasattr(value, "stats") and value.py_func.__module__ == found.name:
                yield value

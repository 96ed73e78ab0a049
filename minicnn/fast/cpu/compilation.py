"""Numba's disk cache: where compiled kernels are kept, and which there are."""

from __future__ import annotations

import atexit
import importlib
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from minicnn.errors import InputError


def cache_until_the_end() -> None:
    """Give Numba's disk cache a folder that lives as long as the process. Numba unpickles what it finds in its cache,
    so a lasting folder among the temporary ones, where anybody may have been before us, is out of the question.
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

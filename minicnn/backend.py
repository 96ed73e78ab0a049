"""Which implementation of a kernel runs, on how many threads, and the hold on BLAS while those threads work."""

from __future__ import annotations

import contextvars
import functools
import importlib
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType
from typing import Any

import numpy as np

from minicnn.errors import InputError

BACKENDS = ("numpy", "numba")

_chosen: contextvars.ContextVar[str] = contextvars.ContextVar("backend", default="numba")


class use_backend:
    """Choose the kernels for host arrays: "numpy" (readable, the definition) or "numba" (fast, the default).

    A plain call switches from here on; `with use_backend("numpy"):` switches back at the end of the block.
    The choice belongs to the current thread (a ContextVar).
    """

    def __init__(self, name: str) -> None:
        if name not in BACKENDS:
            raise InputError(f"use_backend: name is {name!r}; expected one of {', '.join(BACKENDS)}")
        self._token = _chosen.set(name)

    def __enter__(self) -> use_backend:
        return self

    def __exit__(self, *_: object) -> None:
        _chosen.reset(self._token)


def current_backend() -> str:
    """The name of the backend that host arrays use now."""
    return _chosen.get()


def implementation(package: str, array: np.ndarray) -> ModuleType:
    """The module of `package` (minicnn.kernels.conv, …) that computes on `array`: the one choice, made here.

    Compiled kernels exist for float32 and float64; every other dtype takes the definition.
    """
    name = _chosen.get() if array.dtype in (np.float32, np.float64) else "numpy"
    return _load(package, name)


@functools.cache
def _load(package: str, name: str) -> ModuleType:
    return importlib.import_module(f"{package}.on_{name}")


# --- threads ---------------------------------------------------------------------------------------------------


def _available_cores() -> int:
    if hasattr(os, "sched_getaffinity"):  # a container may grant fewer cores than the machine has
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class _Threads:
    """The process's pool of threads, built at the first use and again after a fork."""

    def __init__(self) -> None:
        self.count = _available_cores()
        self.reset()

    def reset(self) -> None:
        self.lock = threading.Lock()
        self.pool: ThreadPoolExecutor | None = None

    def resize(self, count: int) -> None:
        with self.lock:
            old, self.pool, self.count = self.pool, None, count
        if old is not None:
            old.shutdown(wait=False)

    def map(self, call: Callable[[tuple], Any], pieces: Sequence[tuple]) -> None:
        with self.lock:  # submitting under the lock, so that a resize never closes a pool in mid-submission
            if self.pool is None:
                self.pool = ThreadPoolExecutor(self.count, thread_name_prefix="minicnn")
            futures = [self.pool.submit(call, piece) for piece in pieces]
        for future in futures:
            future.result()


_threads = _Threads()


def set_threads(count: int) -> None:
    """Use `count` threads for the compiled kernels (default: every core this process may use).

    Results do not depend on it: work is split by its shape alone, and sums are added in a fixed order.
    """
    if not isinstance(count, int) or isinstance(count, bool) or count < 1:
        raise InputError(f"set_threads: count is {count!r}; expected an integer of at least 1")
    _threads.resize(count)


def threads() -> int:
    """The number of threads that the compiled kernels use."""
    return _threads.count


def split(count: int, *, least: int = 1, most: int = 16) -> list[tuple[int, int]]:
    """Cut range(count) into at most `most` even pieces of about `least` or more: by shape, never by threads."""
    pieces = max(1, min(most, count // max(least, 1)))
    edges = [count * i // pieces for i in range(pieces + 1)]
    return list(zip(edges, edges[1:], strict=False))


def parallel(kernel: Callable, pieces: Sequence[tuple], *arguments: Any) -> None:
    """Call kernel(*piece, *arguments) for every piece, over the threads; the kernels release the GIL."""
    with blas_on_one_thread:
        if len(pieces) == 1 or _threads.count == 1:
            for piece in pieces:
                kernel(*piece, *arguments)
        else:
            _threads.map(lambda piece: kernel(*piece, *arguments), pieces)


class _BlasHold:
    """Holds BLAS to one thread while any of our kernels runs.

    One counted hold for the process: two overlapping threadpoolctl limits would restore each other's limit and
    leave BLAS at one thread for good. The first in sets the limit, the last out restores it.
    """

    def __init__(self) -> None:
        self._controller: Any = None
        self.reset()

    def reset(self) -> None:
        self._lock = threading.Lock()
        self._holders = 0
        self._limit: Any = None

    def __enter__(self) -> None:
        with self._lock:
            if self._holders == 0:
                self._limit = self._blas().limit(limits=1, user_api="blas")
            self._holders += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._holders -= 1
            if self._holders == 0:
                self._limit.restore_original_limits()

    def _blas(self) -> Any:
        if self._controller is None:  # it scans the process's libraries: once, with both BLAS libraries loaded
            import scipy.linalg.cython_blas  # noqa: F401  (the BLAS that compiled kernels call)
            from threadpoolctl import ThreadpoolController

            self._controller = ThreadpoolController()
        return self._controller


blas_on_one_thread = _BlasHold()


def _after_fork() -> None:
    """A child has neither its parent's threads nor the owners of its locks."""
    _threads.reset()
    held, limit = blas_on_one_thread._holders, blas_on_one_thread._limit
    blas_on_one_thread.reset()
    if held:
        limit.restore_original_limits()


if hasattr(os, "register_at_fork"):  # there is no fork on Windows
    os.register_at_fork(after_in_child=_after_fork)

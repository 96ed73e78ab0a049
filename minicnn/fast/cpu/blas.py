"""The limit of BLAS to one thread while our own threads work."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from typing import Any

from minicnn.fast.cpu import threads


def parallel_with_blas(kernel: Callable, pieces: Sequence[tuple], *arguments: Any) -> None:
    """Call kernel(*piece, *arguments) for every piece, over the threads, with BLAS limited to one thread per call."""
    with on_one_thread:
        threads.parallel(kernel, pieces, *arguments)


def hold_blas() -> _BlasHold:
    """Return a context manager that limits BLAS to one thread."""
    return on_one_thread


class _BlasHold:
    """A limit of BLAS to one thread while any of our kernels runs.

    The process has a single, counted limit: two overlapping threadpoolctl limits would restore each other's value and
    leave BLAS at one thread for good. The first user sets the limit, the last one restores the old value.
    """

    def __init__(self) -> None:
        self._libraries: list[Any] | None = None
        self.reset()

    def reset(self) -> None:
        self._lock = threading.Lock()
        self._holders = 0
        self._before: list[tuple[Any, int]] = []  # each library and its number of threads

    def __enter__(self) -> None:
        with self._lock:
            if self._holders == 0:
                self._before = [(library, library.num_threads) for library in self._blas()]
                for library, _ in self._before:
                    _set_blas_threads(library, 1)
            self._holders += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._holders -= 1
            if self._holders == 0:
                self.restore()

    def restore(self) -> None:
        for library, count in self._before:
            _set_blas_threads(library, count)

    def _blas(self) -> list[Any]:
        if self._libraries is None:  # scan the process's libraries once, when all BLAS libraries are loaded
            import scipy.linalg.cython_blas  # noqa: F401  (the BLAS that compiled kernels call)
            from threadpoolctl import ThreadpoolController

            found = ThreadpoolController().select(user_api="blas").lib_controllers
            self._libraries = [library for library in found if library.num_threads is not None]
        return self._libraries


def _set_blas_threads(library: Any, count: int) -> None:
    """Set the number of threads from any thread; threadpoolctl 3.8 accepts only the thread that asked first."""
    forget_who_asked = getattr(library, "clear_controlling_thread", lambda force: None)
    forget_who_asked(force=True)
    library.set_num_threads(count)
    forget_who_asked(force=True)


on_one_thread = _BlasHold()


def _after_fork() -> None:
    if on_one_thread._holders:
        on_one_thread.restore()
    on_one_thread.reset()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)

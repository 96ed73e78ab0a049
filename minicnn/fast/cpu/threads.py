"""The pool of threads that compiled kernels run on. Work is split by its shape alone, never by the threads."""

from __future__ import annotations

import itertools
import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np


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
        """Call it with every piece: the caller and the pool's threads take one after the other until none is left.

        Handing a thread one thing to do takes as long as a hundred thousand multiplications, so that is done once.
        """
        left = deque((call, piece) for piece in pieces)

        def work() -> None:
            while left:
                try:
                    call, piece = left.popleft()
                except IndexError:  # another thread was faster
                    return
                call(piece)

        with self.lock:  # submitting under the lock, so that a resize never closes a pool in mid-submission
            if self.pool is None:
                self.pool = ThreadPoolExecutor(max(1, self.count - 1), thread_name_prefix="minicnn")
            helpers = [self.pool.submit(work) for _ in range(min(self.count, len(pieces)) - 1)]
        try:
            work()
        finally:  # nobody is at work any more when the caller goes on, whatever happens
            begun = [helper for helper in helpers if left or not helper.cancel()]
            errors = [error for helper in begun if (error := helper.exception())]
        if errors:
            raise errors[0]


_threads = _Threads()


def set_threads(count: int) -> None:
    """Use `count` threads for the compiled kernels (default: every core this process may use).

    Results do not depend on it: work is split by its shape alone, and sums are added in a fixed order.
    """
    _threads.resize(count)


def threads() -> int:
    """The number of threads that the compiled kernels use."""
    return _threads.count


def split(count: int, *, least: int = 1, most: int = 16) -> list[tuple[int, int]]:
    """Cut range(count) into at most `most` even pieces of about `least` or more: by shape, never by threads."""
    pieces = max(1, min(most, count // max(least, 1)))
    edges = [count * i // pieces for i in range(pieces + 1)]
    return list(itertools.pairwise(edges))


def parallel(kernel: Callable, pieces: Sequence[tuple], *arguments: Any) -> None:
    """Call kernel(*piece, *arguments) for every piece, over the threads; the kernels release the GIL."""
    if len(pieces) == 1 or _threads.count == 1:
        for piece in pieces:
            kernel(*piece, *arguments)
    else:
        _threads.map(lambda piece: kernel(*piece, *arguments), pieces)


def constant(array: np.ndarray) -> np.ndarray:
    """A contiguous, read-only view (a copy if need be) of a kernel's input. Numba compiles anew for arrays that may be
    written and for those that may not: so that frozen ones cost no compilation of their own, no kernel sees the former.
    """
    view = np.ascontiguousarray(array).view()
    view.flags.writeable = False
    return view


if hasattr(os, "register_at_fork"):  # there is no fork on Windows
    os.register_at_fork(after_in_child=_threads.reset)  # a child has neither its parent's threads nor the lock's owner

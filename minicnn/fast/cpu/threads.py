"""The thread pool of the compiled kernels. Work is split by shape, never by the number of threads."""

from __future__ import annotations

import itertools
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import numpy as np


def _available_cores() -> int:
    if hasattr(os, "sched_getaffinity"):  # a container may limit the cores
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class _Threads:
    """The thread pool of the process, created at first use and again after a fork."""

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
        """Call `call` with every piece. The caller and the pool's threads take pieces until none is left.

        Submitting a task takes as long as 100,000 multiplications, so each thread gets a single task.
        """
        left = deque((call, piece) for piece in pieces)

        def work() -> None:
            while left:
                try:
                    call, piece = left.popleft()
                except IndexError:  # another thread took the last piece
                    return
                call(piece)

        helpers = self.submit([(work,)] * (min(self.count, len(pieces)) - 1))
        try:
            work()
        finally:  # wait for all threads before the caller continues, even after an error
            begun = [helper for helper in helpers if left or not helper.cancel()]
            errors = [error for helper in begun if (error := helper.exception())]
        if errors:
            raise errors[0]

    def submit(self, calls: Sequence[tuple]) -> list[Future]:
        """Submit calls (function, *arguments) to the pool."""
        with self.lock:  # a resize never closes a pool during it
            if self.pool is None:
                self.pool = ThreadPoolExecutor(max(1, self.count - 1), thread_name_prefix="minicnn")
            return [self.pool.submit(*call) for call in calls]


_threads = _Threads()


def set_threads(count: int) -> None:
    """Set the number of threads of the compiled kernels (default: all cores available to this process).

    Results do not depend on it: work is split by shape, and sums are added in a fixed order.
    """
    _threads.resize(count)


def threads() -> int:
    """Return the number of threads of the compiled kernels."""
    return _threads.count


def split(count: int, *, least: int = 1, most: int = 16) -> list[tuple[int, int]]:
    """Return range(count) split into at most `most` equal pieces of at least about `least`, independent of threads."""
    pieces = max(1, min(most, count // max(least, 1)))
    edges = [count * i // pieces for i in range(pieces + 1)]
    return list(itertools.pairwise(edges))


def parallel(kernel: Callable, pieces: Sequence[tuple], *arguments: Any) -> None:
    """Call kernel(*piece, *arguments) for every piece, over the threads. Kernels must release the GIL."""
    if len(pieces) == 1 or _threads.count == 1:
        for piece in pieces:
            kernel(*piece, *arguments)
    else:
        _threads.map(lambda piece: kernel(*piece, *arguments), pieces)


@contextmanager
def assistance(call: Callable, others: Sequence[tuple]) -> Iterator[Callable[[], None]]:
    """Let idle threads call call(*arguments) for each of `others` during the block, which does not wait for them.

    So the block must be complete without them, and a call that begins late must find nothing to do. Yield a function
    that raises what one of the calls raised.
    """
    helpers = _threads.submit([(call, *arguments) for arguments in others]) if others else []

    def check() -> None:
        for helper in helpers:
            if helper.done() and (error := helper.exception()):
                raise error

    try:
        yield check
    finally:
        for helper in helpers:
            helper.cancel()


def constant(array: np.ndarray) -> np.ndarray:
    """Return a contiguous, read-only view of a kernel's input, or a copy if necessary.

    Numba compiles separately for writeable and read-only arrays. Kernels only get read-only inputs, so frozen arrays
    need no second compilation.
    """
    view = np.ascontiguousarray(array).view()
    view.flags.writeable = False
    return view


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(after_in_child=_threads.reset)  # a child process has neither the threads nor the lock's owner

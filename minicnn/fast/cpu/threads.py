"""The thread pool of the compiled kernels. Work is split by shape, never by the number of threads."""

from __future__ import annotations

import itertools
import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
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

    def submit(self, calls: Sequence[tuple], crew: Crew | None = None) -> list[Future]:
        """Submit calls (function, *arguments) to the pool, to the threads that no other crew keeps."""
        for other in _crews:
            if other is not crew:
                other.dismiss()
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


NOTHING, DISMISSED = 0, -1  # in place of the number of a job


class Crew:
    """Helpers of jobs in close succession. They spin for a while after each, since waking a thread takes as long as a
    convolution of a small picture.

    work(number, *job): take part in a job, and return when nothing is left to do. Helpers are numbered from 1. A job
    must be complete without them, and one that comes late must find nothing to do.
    wait(bell, before): return True as soon as bell[0] is no longer `before`, and False after a while. The thread that
    posts a job rings, bell[0] += 1, once it has released the GIL, which the helpers need.
    """

    def __init__(self, work: Callable[..., Any], wait: Callable[[np.ndarray, int], bool]) -> None:
        self.work, self.wait = work, wait
        self.bell = np.zeros(1, np.int64)
        self.last = NOTHING
        self.reset()
        _crews.append(self)

    def reset(self) -> None:
        self.lock = threading.Lock()
        self.present = 0  # helpers that work or wait
        self.posted: tuple[int, Sequence[Any], list[BaseException]] = NOTHING, (), []

    def post(self, job: Sequence[Any], count: int) -> list[BaseException]:
        """Offer a job to `count` helpers. Return a list, to which they append what they raise."""
        errors: list[BaseException] = []
        if count:
            with self.lock:
                self.last += 1
                self.posted = self.last, job, errors
                missing = range(self.present + 1, count + 1)
                self.present += len(missing)
            if missing:
                _threads.submit([(self._help, number) for number in missing], self)
        return errors

    def withdraw(self, errors: list[BaseException]) -> None:
        """Withdraw the job for which `post` returned this list."""
        with self.lock:
            if self.posted[2] is errors:
                self.posted = NOTHING, (), []

    def dismiss(self) -> None:
        """Let the helpers that wait return their threads to the pool."""
        with self.lock:
            if self.present:
                self.posted = DISMISSED, (), []
                self.bell += 1

    def _help(self, number: int) -> None:
        done = NOTHING
        while True:
            before = int(self.bell[0])
            turn, job, errors = self.posted
            new = turn not in (NOTHING, DISMISSED, done)
            if new:
                done = turn
                try:
                    self.work(number, *job)
                except BaseException as error:  # raised by the thread that posted the job
                    errors.append(error)
            del job, errors  # so that waiting keeps no array alive
            if new or (turn != DISMISSED and self.wait(self.bell, before)):
                continue
            with self.lock:
                if self.posted[0] in (NOTHING, DISMISSED, done):
                    self.present -= 1
                    return


_crews: list[Crew] = []


def constant(array: np.ndarray) -> np.ndarray:
    """Return a contiguous, read-only view of a kernel's input, or a copy if necessary.

    Numba compiles separately for writeable and read-only arrays. Kernels only get read-only inputs, so frozen arrays
    need no second compilation.
    """
    view = np.ascontiguousarray(array).view()
    view.flags.writeable = False
    return view


def _begin_again() -> None:
    """Forget the threads and the owners of the locks, which a child process does not have."""
    _threads.reset()
    for crew in _crews:
        crew.reset()


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(after_in_child=_begin_again)

"""Memory for large arrays, used again. A fresh array costs a page fault every four kilobytes when it is first touched,
which for the features of a large picture takes longer than computing them. What comes back is joined with what lies
idle beside it and cut to the next size, so that a step needs little more than its arrays alive at a time.

A buffer returns when the last array that looks into it dies, views included, and never by counting steps: features
that a caller keeps stay what they were.
"""

from __future__ import annotations

import bisect
import math
import os
import threading
import weakref
from collections import deque
from typing import Any

import numpy as np

SMALLEST = 1 << 18  # bytes; the allocator keeps smaller blocks at hand by itself
ARENA = 1 << 30  # bytes of an arena, or four times what is first asked of it; the system backs only what is written
LINE = 64  # bytes of a cache line: to store across the border of two takes twice as long
PAGE = 4096  # bytes to which sizes are rounded up


class _Arena:
    """Memory from the system, which arrays share. idle: (start, stop) of what is free, in order and apart."""

    __slots__ = ("address", "idle", "memory", "size")

    def __init__(self, size: int) -> None:
        self.memory = aligned((size,), np.uint8)
        self.address, self.size = self.memory.ctypes.data, size
        self.idle = [(0, size)]

    def take(self, start: int, size: int) -> None:
        """Use `size` bytes of the idle ones that begin at `start`."""
        i = bisect.bisect_left(self.idle, (start,))
        stop = self.idle[i][1]
        self.idle[i : i + 1] = [(start + size, stop)] if start + size < stop else []

    def give(self, start: int, stop: int) -> None:
        """Take back what was used, and join it with its idle neighbours."""
        i = bisect.bisect_left(self.idle, (start,))
        before, after = self.idle[max(i - 1, 0) : i], self.idle[i : i + 1]
        if before and before[0][1] == start:
            start, i = before[0][0], i - 1
        else:
            before = []
        if after and after[0][0] == stop:
            stop = after[0][1]
        else:
            after = []
        self.idle[i : i + len(before) + len(after)] = [(start, stop)]


def aligned(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """An array of undefined content and its own memory, that begins at a cache line."""
    dtype = np.dtype(dtype)
    size = math.prod(shape) * dtype.itemsize
    memory = np.empty(size + LINE, np.uint8)
    first = -memory.__array_interface__["data"][0] % LINE  # in half the time of .ctypes.data
    return memory[first : first + size].view(dtype).reshape(shape)


class _Lease:
    """Stand as the base of an array from the pool. NumPy lets a view of a view refer to the first array's base, so
    the lease ends with the last of them.
    """

    __slots__ = ("__array_interface__", "__weakref__", "arena")

    def __init__(self, arena: _Arena, start: int, shape: tuple[int, ...], dtype: np.dtype) -> None:
        self.arena = arena
        place = arena.address + start, False  # not read-only
        self.__array_interface__ = {"version": 3, "data": place, "shape": shape, "typestr": dtype.str}


class BufferPool:
    """Idle memory, cut to size and joined again. Safe from any thread, and in a garbage collection that starts while
    it is at work.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget every arena, and whatever thread held the lock."""
        self._lock = threading.Lock()
        # Buffers come back without the lock: the collection that brings one may have started while this thread has it.
        self._returned: deque[tuple[_Arena, int, int]] = deque()
        self._arenas: list[_Arena] = []  # the latest, which is the largest needed, first

    @property
    def used_bytes(self) -> int:
        """Return the bytes in use, in whole pages."""
        idle = [extent for arena in self._arenas for extent in arena.idle]
        free = sum(stop - start for start, stop in [*idle, *(extent for _, *extent in self._returned)])
        return sum(arena.size for arena in self._arenas) - free

    def empty(self, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
        """Return an array of undefined content, as np.empty makes them, that begins at a cache line."""
        dtype = np.dtype(dtype)
        size = math.prod(shape) * dtype.itemsize
        if size < SMALLEST:
            return aligned(shape, dtype)
        size = -(-size // PAGE) * PAGE
        arena, start = self._take(size)
        lease = _Lease(arena, start, shape, dtype)
        weakref.finalize(lease, self._give, arena, start, start + size).atexit = False
        return np.asarray(lease)

    def _take(self, size: int) -> tuple[_Arena, int]:
        """The first idle extent that holds `size` bytes: what is in use stays together at the low addresses, so that
        little more is ever written to than what is in use at a time.
        """
        with self._lock:
            while self._returned:
                arena, start, stop = self._returned.popleft()
                arena.give(start, stop)
            for arena in self._arenas:
                for start, stop in arena.idle:
                    if stop - start >= size:
                        arena.take(start, size)
                        return arena, start
            self._arenas = [arena for arena in self._arenas if arena.idle != [(0, arena.size)]]
            try:
                arena = _Arena(max(ARENA, 4 * size))
            except MemoryError:  # some systems do not promise what they may not have
                arena = _Arena(size)
            self._arenas.insert(0, arena)
            arena.take(0, size)
            return arena, 0

    def _give(self, arena: _Arena, start: int, stop: int) -> None:
        self._returned.append((arena, start, stop))


_pool = BufferPool()
empty = _pool.empty


def empty_like(array: np.ndarray) -> np.ndarray:
    """Return a contiguous array of undefined content with the shape and dtype of another."""
    return empty(array.shape, array.dtype)


if hasattr(os, "register_at_fork"):  # there is no fork on Windows
    os.register_at_fork(after_in_child=_pool.reset)

"""A pool of memory for large arrays.

A new array costs a page fault every four kilobytes at its first use. For the features of a large picture, this takes
longer than computing them. Freed buffers are merged with idle neighbours, and split for the next request. The pool
therefore needs little more than the arrays alive at a time.

A buffer returns to the pool when the last array that refers to it dies, views included. So an array that a caller
keeps never changes.
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

SMALLEST = 1 << 18  # bytes; smaller blocks are left to the allocator
ARENA = 1 << 30  # bytes per arena, at least four times its first request; the system backs only pages written to
LINE = 64  # bytes per cache line; a store across two lines takes twice as long
PAGE = 4096  # bytes; sizes are rounded up to whole pages


class _Arena:
    """Memory from the system, shared by arrays. idle: free ranges (start, stop), sorted and disjoint."""

    __slots__ = ("address", "idle", "memory", "size")

    def __init__(self, size: int) -> None:
        self.memory = aligned((size,), np.uint8)
        self.address, self.size = self.memory.ctypes.data, size
        self.idle = [(0, size)]

    def take(self, start: int, size: int) -> None:
        """Take `size` bytes from the idle range that begins at `start`."""
        i = bisect.bisect_left(self.idle, (start,))
        stop = self.idle[i][1]
        self.idle[i : i + 1] = [(start + size, stop)] if start + size < stop else []

    def give(self, start: int, stop: int) -> None:
        """Return a range to the idle ones, and merge it with its neighbours."""
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
    """Return an uninitialized array with memory of its own, aligned to a cache line."""
    dtype = np.dtype(dtype)
    size = math.prod(shape) * dtype.itemsize
    memory = np.empty(size + LINE, np.uint8)
    first = -memory.__array_interface__["data"][0] % LINE  # twice as fast as .ctypes.data
    return memory[first : first + size].view(dtype).reshape(shape)


class _Lease:
    """The base of an array from the pool. A view of a view refers to the base of the first array, so the lease ends
    with the last of them.
    """

    __slots__ = ("__array_interface__", "__weakref__", "arena")

    def __init__(self, arena: _Arena, start: int, shape: tuple[int, ...], dtype: np.dtype) -> None:
        self.arena = arena
        place = arena.address + start, False  # not read-only
        self.__array_interface__ = {"version": 3, "data": place, "shape": shape, "typestr": dtype.str}


class BufferPool:
    """Idle memory, split and merged as needed. Thread-safe, also during a garbage collection that starts within it."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Drop every arena, and replace the lock, as after a fork."""
        self._lock = threading.Lock()
        # Buffers return without the lock: a garbage collection may free one while this thread holds it.
        self._returned: deque[tuple[_Arena, int, int]] = deque()
        self._arenas: list[_Arena] = []  # newest first, which is the largest

    @property
    def used_bytes(self) -> int:
        """The bytes in use, rounded up to pages."""
        idle = [extent for arena in self._arenas for extent in arena.idle]
        free = sum(stop - start for start, stop in [*idle, *(extent for _, *extent in self._returned)])
        return sum(arena.size for arena in self._arenas) - free

    def empty(self, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
        """Return an uninitialized array, as np.empty does, aligned to a cache line."""
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
        """Return the first idle range of at least `size` bytes.

        First fit keeps used memory at low addresses, so that few pages are ever written to.
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
            except MemoryError:  # some systems do not overcommit memory
                arena = _Arena(size)
            self._arenas.insert(0, arena)
            arena.take(0, size)
            return arena, 0

    def _give(self, arena: _Arena, start: int, stop: int) -> None:
        self._returned.append((arena, start, stop))


_pool = BufferPool()
empty = _pool.empty


def empty_like(array: np.ndarray) -> np.ndarray:
    """Return an uninitialized contiguous array with the shape and dtype of another."""
    return empty(array.shape, array.dtype)


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(after_in_child=_pool.reset)

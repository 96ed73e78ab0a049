"""Memory for large arrays, used again. A fresh array costs a page fault every four kilobytes when it is first touched,
which for the features of a large picture takes longer than computing them.

A buffer returns when the last array that looks into it dies, views included, and never by counting steps: features
that a caller keeps stay what they were.
"""

from __future__ import annotations

import math
import os
import threading
import weakref
from collections import deque
from typing import Any

import numpy as np

SMALLEST = 1 << 18  # bytes; the allocator keeps smaller blocks at hand by itself
KEPT = 1 << 28  # bytes that may lie idle when new memory is asked for; beyond it the longest unused are let go first


class _Lease:
    """What an array from the pool has as its base. NumPy lets a view of a view refer to the first array's base, so
    the lease ends with the last of them.
    """

    __slots__ = ("__array_interface__", "__weakref__", "memory")

    def __init__(self, memory: np.ndarray, shape: tuple[int, ...], dtype: np.dtype) -> None:
        self.memory = memory
        place = memory.ctypes.data, False  # not read-only
        self.__array_interface__ = {"version": 3, "data": place, "shape": shape, "typestr": dtype.str}


class BufferPool:
    """Idle buffers by size. Safe from any thread, and inside a garbage collection that starts while it is at work."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget every idle buffer, and whatever thread held the lock."""
        self._lock = threading.Lock()
        # Buffers come back without the lock: the collection that brings one may have started while this thread has it.
        self._returned: deque[np.ndarray] = deque()
        self._idle: list[np.ndarray] = []  # the longest unused first

    @property
    def idle_bytes(self) -> int:
        """What lies idle."""
        return sum(memory.nbytes for memory in [*self._idle, *self._returned])

    def empty(self, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
        """An array of undefined content, as np.empty makes them."""
        dtype = np.dtype(dtype)
        size = math.prod(shape) * dtype.itemsize
        if size < SMALLEST:
            return np.empty(shape, dtype)
        memory = self._take(size)
        lease = _Lease(memory, shape, dtype)
        weakref.finalize(lease, self._give, memory).atexit = False
        return np.asarray(lease)

    def _take(self, size: int) -> np.ndarray:
        """The smallest idle buffer that holds `size` bytes and is not four times as large, or new memory. The latest of
        equals is the likeliest to be in a cache.
        """
        with self._lock:
            while self._returned:
                self._idle.append(self._returned.popleft())
            fitting = [i for i, memory in enumerate(self._idle) if size <= memory.nbytes < 4 * size]
            if fitting:
                return self._idle.pop(min(reversed(fitting), key=lambda i: self._idle[i].nbytes))
            while self._idle and self.idle_bytes > KEPT:
                del self._idle[0]
        return np.empty(size, np.uint8)

    def _give(self, memory: np.ndarray) -> None:
        self._returned.append(memory)


_pool = BufferPool()
empty = _pool.empty


def empty_like(array: np.ndarray) -> np.ndarray:
    """A contiguous array of undefined content with the shape and dtype of another."""
    return empty(array.shape, array.dtype)


if hasattr(os, "register_at_fork"):  # there is no fork on Windows
    os.register_at_fork(after_in_child=_pool.reset)

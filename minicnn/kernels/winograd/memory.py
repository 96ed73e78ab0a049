"""What is remembered of frozen filters: their transforms, by identity, within a budget of bytes."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable

import numpy as np

BUDGET = 64 << 20  # bytes


class Memory:
    """Results of read-only arrays. An array that may be written is computed anew every time, and so is what the budget
    has no room for. A result goes when its array dies, or by `forget` (nn.frozen calls it before it lets go).
    """

    def __init__(self, budget: int) -> None:
        self.budget = budget
        self.bytes = 0
        self._lock = threading.RLock()  # reentrant: an array may die while another is looked up
        self._results: dict[int, tuple[weakref.ref, np.ndarray]] = {}  # by id of the array

    def look_up(self, array: np.ndarray, compute: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        """compute(array), or what it gave before."""
        if array.flags.writeable:
            return compute(array)
        with self._lock:
            known = self._results.get(id(array))
        if known is not None and known[0]() is array:
            return known[1]
        result = compute(array)
        key = id(array)
        with self._lock:
            if key not in self._results and self.bytes + result.nbytes <= self.budget:
                self._results[key] = weakref.ref(array, lambda _: self._drop(key)), result
                self.bytes += result.nbytes
        return result

    def forget(self, array: np.ndarray) -> None:
        """Drop what is known of an array, before somebody writes into it."""
        self._drop(id(array))

    def _drop(self, key: int) -> None:
        with self._lock:
            known = self._results.pop(key, None)
            if known is not None:
                self.bytes -= known[1].nbytes


_memory = Memory(BUDGET)
remembered = _memory.look_up
forget = _memory.forget

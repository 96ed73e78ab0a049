"""What is remembered of frozen arrays: what was computed from them, by identity, within a budget of bytes."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

_memories: weakref.WeakSet[Memory] = weakref.WeakSet()


class Memory:
    """Results of read-only arrays. What comes of an array that may be written is computed anew every time, and so is
    what the budget has no room for. A result goes when one of its arrays dies, or by `forget` (nn.frozen calls it
    before it lets go). A result says its size: .nbytes.
    """

    def __init__(self, budget: int) -> None:
        self.budget = budget
        self.bytes = 0
        self._lock = threading.RLock()  # reentrant: an array may die while another is looked up
        self._results: dict[tuple[int, ...], tuple[tuple[weakref.ref, ...], Any]] = {}  # by the ids of the arrays
        _memories.add(self)

    def look_up(self, sources: np.ndarray | Sequence[np.ndarray], compute: Callable[..., Any]) -> Any:
        """compute(*sources), or what it gave before. sources: an array, or several."""
        arrays = (sources,) if isinstance(sources, np.ndarray) else tuple(sources)
        for array in arrays:
            if array.flags.writeable:
                return compute(*arrays)
        key = tuple(map(id, arrays))
        known = self._results.get(key)
        if known is not None:  # it goes before the first of its arrays does, so no id can mean another by now
            return known[1]
        result = compute(*arrays)
        with self._lock:
            if key not in self._results and self.bytes + result.nbytes <= self.budget:
                self._results[key] = tuple(weakref.ref(array, lambda _: self._drop(key)) for array in arrays), result
                self.bytes += result.nbytes
        return result

    def keeps(self, array: np.ndarray, nbytes: int) -> bool:
        """Whether it would remember so large a result of an array, or does already."""
        known = self._results.get((id(array),))
        return not array.flags.writeable and (
            self.bytes + nbytes <= self.budget if known is None else known[0][0]() is array
        )

    def holds(self, sources: Sequence[np.ndarray]) -> bool:
        """Whether it remembers something of just these arrays."""
        return tuple(map(id, sources)) in self._results

    def forget(self, array: np.ndarray) -> None:
        """Drop what is known of an array, before somebody writes into it."""
        with self._lock:
            keys = [key for key in self._results if id(array) in key]
        for key in keys:
            self._drop(key)

    def _drop(self, key: tuple[int, ...]) -> None:
        with self._lock:
            known = self._results.pop(key, None)
            if known is not None:
                self.bytes -= known[1].nbytes


def forget(array: np.ndarray) -> None:
    """Drop what any Memory knows of an array."""
    for memory in list(_memories):
        memory.forget(array)

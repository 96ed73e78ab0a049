"""The cache of results computed from read-only arrays: transformed filters, panels, folded layers, programs.

All kinds share one budget of bytes. When a new result does not fit, the least recently used ones are evicted.
"""

from __future__ import annotations

import itertools
import operator
import threading
import weakref
from collections.abc import Callable, Hashable, Sequence
from typing import Any, NamedTuple

import numpy as np

# Bytes; the two largest uses fit together, with 757 MB. Inception-ResNet-v1 takes 436 MB, used in every way: panels,
# turned panels, folded layers, numbers, and 113 MB of arenas for 1, 2, 4 and 8 pictures. The transformed filters of
# VGG-19 take 320 MB at 256², and 207 MB up to the last layer that style transfer uses.
BUDGET = 768 << 20
PATIENCE = 4  # an entry is idle after this many uses of the cache per entry without a use of its own


_writeable = operator.attrgetter("flags.writeable")


class CacheInfo(NamedTuple):
    """The state of the cache. budget: limit in bytes. nbytes: bytes in use. kinds: bytes in use per kind of result."""

    budget: int
    nbytes: int
    entries: int
    hits: int
    misses: int
    kinds: dict[str, int]


class _Source(weakref.ref):
    """A weak reference to an array, with the key of the result computed from it."""

    __slots__ = ("key",)
    key: tuple[Hashable, ...]


class _Entry:
    """A result, its size in bytes, and the time of its last use."""

    __slots__ = ("key", "nbytes", "result", "sources", "used")

    def __init__(self, key: tuple[Hashable, ...], result: Any, nbytes: int, sources: list[_Source], used: int) -> None:
        self.key, self.result, self.nbytes, self.sources, self.used = key, result, nbytes, sources, used


class Cache:
    """A cache of results computed from read-only arrays, by array identity and kind of result. Thread-safe.

    A result is dropped when it is evicted as the least recently used, when one of its arrays dies, or by `forget`.
    nn.frozen calls `forget` before arrays become writeable. A result in use stays valid after its eviction.
    budget: limit in bytes; a change takes effect at the next result.
    """

    def __init__(self, budget: int) -> None:
        self.budget = budget
        self._lock = threading.RLock()  # reentrant: an array may die, and drop its results, while it is held
        self._entries: dict[tuple[Hashable, ...], _Entry] = {}
        self._nbytes = 0
        self._start_counting()

    def remember(
        self, sources: np.ndarray | Sequence[np.ndarray], compute: Callable[..., Any], kind: Hashable = ""
    ) -> Any:
        """Return compute(*sources), or its cached result for the same read-only arrays and the same kind.

        sources: one or several arrays. Nothing is cached if any of them is writeable, or if the result exceeds the
        budget. kind: a label, or a tuple that begins with one, to distinguish results of the same arrays. A result
        has its size as `.nbytes`; call `grew` after the size has changed.
        """
        arrays = (sources,) if isinstance(sources, np.ndarray) else sources
        if any(map(_writeable, arrays)):
            return compute(*arrays)
        key = (kind, *map(id, arrays))
        entry = self._entries.get(key)
        if entry is not None:  # it is dropped before its arrays, so no id can have been reused
            entry.used = self._uses = next(self._clock)
            return entry.result
        result = compute(*arrays)
        return self._insert(key, arrays, result, result.nbytes)

    def grew(self, sources: np.ndarray | Sequence[np.ndarray], kind: Hashable = "") -> None:
        """Update the size of a cached result, and evict others if necessary."""
        arrays = (sources,) if isinstance(sources, np.ndarray) else sources
        with self._lock:
            entry = self._entries.get((kind, *map(id, arrays)))
            if entry is None:  # evicted in the meantime
                return
            nbytes = entry.result.nbytes
            self._nbytes += nbytes - entry.nbytes
            entry.nbytes = nbytes
            if nbytes > self.budget:
                self._drop(entry.key)
            self._make_room(0)

    def keeps(self, array: np.ndarray, nbytes: int, kind: Hashable = "") -> bool:
        """Return True if a result of an array is cached, or would fit into the free and idle part of the budget.

        An entry is idle if the cache was used PATIENCE times per entry since its last use. If filters used in turn
        exceed the budget, plain LRU would evict each before its next use. Here those entries are not idle, so the
        filters that do not fit are not cached, and the others stay.
        """
        if array.flags.writeable:
            return False
        if (kind, id(array)) in self._entries or self._nbytes + nbytes <= self.budget:
            return True
        with self._lock:
            entries = list(self._entries.values())
        since = self._uses - PATIENCE * len(entries)
        in_use = sum(entry.nbytes for entry in entries if entry.used >= since)
        return in_use + nbytes <= self.budget

    def forget(self, array: np.ndarray) -> None:
        """Drop all results computed from an array, before it is modified."""
        for source in weakref.getweakrefs(array):
            if isinstance(source, _Source):
                self._drop(source.key)

    def clear(self) -> None:
        """Drop all results, and reset the counts of hits and misses."""
        with self._lock:
            for key in list(self._entries):
                self._drop(key)
            self._start_counting()

    def info(self) -> CacheInfo:
        """Return the budget, the bytes in use, the number of entries, hits and misses, and the bytes of each kind."""
        with self._lock:
            entries = list(self._entries.values())
            kinds: dict[str, int] = {}
            for entry in entries:
                kind = entry.key[0]
                label = kind[0] if isinstance(kind, tuple) else str(kind)
                kinds[label] = kinds.get(label, 0) + entry.nbytes
            hits = self._uses - self._inserted
            return CacheInfo(self.budget, self._nbytes, len(entries), hits, self._misses, kinds)

    def _start_counting(self) -> None:
        self._clock = itertools.count(1)  # counts uses; next() is atomic
        self._uses = self._inserted = self._misses = 0

    def _insert(self, key: tuple[Hashable, ...], arrays: Sequence[np.ndarray], result: Any, nbytes: int) -> Any:
        with self._lock:
            self._misses += 1
            if key in self._entries:  # another thread was faster
                return self._entries[key].result
            if nbytes > self.budget:
                return result
            self._make_room(nbytes)
            sources = [_Source(array, self._source_died) for array in arrays]
            for source in sources:
                source.key = key
            self._uses = next(self._clock)
            self._entries[key] = _Entry(key, result, nbytes, sources, self._uses)
            self._nbytes += nbytes
            self._inserted += 1
        return result

    def _make_room(self, nbytes: int) -> None:
        """Evict the least recently used entries until `nbytes` fit. The caller holds the lock."""
        while self._entries and self._nbytes + nbytes > self.budget:
            # Iterate over a copy: an allocation may start a garbage collection that drops entries.
            self._drop(min(list(self._entries.values()), key=operator.attrgetter("used")).key)

    def _source_died(self, source: weakref.ref) -> None:
        self._drop(source.key)  # type: ignore[attr-defined]

    def _drop(self, key: tuple[Hashable, ...]) -> None:
        with self._lock:
            entry = self._entries.pop(key, None)
            if entry is not None:
                self._nbytes -= entry.nbytes


cache = Cache(BUDGET)  # the package's cache
remember, grew, keeps, forget = cache.remember, cache.grew, cache.keeps, cache.forget
cache_info, clear_cache = cache.info, cache.clear

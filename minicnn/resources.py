"""Resources of the compiled kernels: threads, and the cache of results from frozen arrays.

minicnn.fast provides both through the registry. Without it, these functions return neutral values or do nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from minicnn.backend import ask
from minicnn.errors import check_count


class CacheInfo(NamedTuple):
    """The state of the cache of results computed from frozen arrays.

    budget: bytes that it may use. nbytes: bytes in use. kinds: bytes in use per kind of result.
    """

    budget: int
    nbytes: int
    entries: int
    hits: int
    misses: int
    kinds: dict[str, int]


def set_threads(count: int) -> None:
    """Set the number of threads of the compiled kernels (default: all cores available to this process).

    Results do not depend on the count: work is split by its shape alone, and sums are formed in a fixed order. The
    NumPy definitions ignore it. Raise InputError unless count is an integer of at least 1.
    """
    check_count("set_threads: count", count)
    ask("set_threads", count)


def threads() -> int:
    """Return the number of threads of the compiled kernels; 1 without minicnn.fast."""
    return ask("threads", otherwise=1)


def parallel(call: Callable, pieces: Sequence[tuple], *, blas: bool = False) -> None:
    """Run call(*piece) for every piece, on the threads of the compiled kernels; in sequence without minicnn.fast.

    blas: limit BLAS to one thread per call, for calls that multiply matrices.
    """
    if ask("parallel_with_blas" if blas else "parallel", call, pieces, otherwise=_NOBODY) is _NOBODY:
        for piece in pieces:
            call(*piece)


_NOBODY = object()


def cache_info() -> CacheInfo:
    """Return the size, in bytes, and the hit counts of the cache of results from frozen arrays."""
    return CacheInfo(*ask("cache_info", otherwise=(0, 0, 0, 0, 0, {})))


def clear_cache() -> None:
    """Empty the cache of results from frozen arrays. They are recomputed on demand."""
    ask("clear_cache")


def compiled_before() -> bool:
    """Return False if the kernels have yet to be compiled, which takes about a minute at first use."""
    return ask("compiled_before", otherwise=True)


def compiled_kernels() -> Iterator[Any]:
    """Yield every compiled function; none without minicnn.fast."""
    yield from ask("compiled_kernels", otherwise=())

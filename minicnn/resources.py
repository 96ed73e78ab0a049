"""What the machine lends to the kernels: threads, and memory for what is remembered. All of it belongs to fast/, which
offers it to the registry; without fast/ these functions answer plainly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from minicnn.backend import ask
from minicnn.errors import check_count


class CacheInfo(NamedTuple):
    """The state of the cache of what was computed from frozen arrays. nbytes: in use, of the budget; kinds: the bytes
    of each kind of result.
    """

    budget: int
    nbytes: int
    entries: int
    hits: int
    misses: int
    kinds: dict[str, int]


def set_threads(count: int) -> None:
    """Use `count` threads for the compiled kernels (default: every core this process may use).

    Results do not depend on it: work is split by its shape alone, and sums are added in a fixed order. NumPy's own
    kernels take no notice.
    """
    check_count("set_threads: count", count)
    ask("set_threads", count)


def threads() -> int:
    """Return the number of threads that the compiled kernels use."""
    return ask("threads", otherwise=1)


def parallel(call: Callable, pieces: Sequence[tuple], *, blas: bool = False) -> None:
    """Call it with every piece, over the threads of the compiled kernels; one after the other where there are none.

    blas: the call multiplies matrices, for which BLAS shall not start threads of its own in each of ours.
    """
    if ask("parallel_with_blas" if blas else "parallel", call, pieces, otherwise=_NOBODY) is _NOBODY:
        for piece in pieces:
            call(*piece)


_NOBODY = object()


def cache_info() -> CacheInfo:
    """Return how much is remembered of what was computed from frozen arrays, in bytes, and how often it served."""
    return CacheInfo(*ask("cache_info", otherwise=(0, 0, 0, 0, 0, {})))


def clear_cache() -> None:
    """Forget what was computed from frozen arrays. It is computed again when it is needed."""
    ask("clear_cache")


def compiled_before() -> bool:
    """Return True unless the kernels are to be compiled at their first use, which takes a minute."""
    return ask("compiled_before", otherwise=True)


def compiled_kernels() -> Iterator[Any]:
    """Yield every compiled function."""
    yield from ask("compiled_kernels", otherwise=())

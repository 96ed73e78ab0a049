"""Batches of arrays, for training loops."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from minicnn.errors import InputError, check_count


def batches(
    *arrays: Any, batch_size: int = 32, shuffle: bool = True, seed: Any = 0, drop_last: bool = False
) -> Iterator[tuple[np.ndarray, ...]]:
    """Yield batches (x[rows], y[rows], …) that together hold every row of the arrays x, y, … once: one epoch.

    shuffle: draw the rows in random order. seed: an int, several ints such as (seed, epoch), or a NumPy Generator,
    which gives each epoch its own order. drop_last: leave out a last batch that is not full.
    Raise InputError unless there are arrays, all of the same length.
    """
    check_count("batches: batch_size", batch_size)
    lengths = {len(array) for array in arrays}
    if len(lengths) != 1:
        raise InputError(f"batches: the arrays have lengths {sorted(lengths)}; expected one or more, of one length")
    return _batches([np.asarray(array) for array in arrays], batch_size, shuffle, seed, drop_last)


def _batches(
    arrays: list[np.ndarray], batch_size: int, shuffle: bool, seed: Any, drop_last: bool
) -> Iterator[tuple[np.ndarray, ...]]:
    count = len(arrays[0])
    order = np.random.default_rng(seed).permutation(count) if shuffle else np.arange(count)
    for start in range(0, count - batch_size + 1 if drop_last else count, batch_size):
        rows = order[start : start + batch_size]
        yield tuple(array[rows] for array in arrays)

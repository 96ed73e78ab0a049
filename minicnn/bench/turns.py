"""Two ways to compute the same thing, timed in turns in one process.

A machine's speed drifts, so only the two turns of one round are compared, and the result is the median over the
rounds. The side that begins alternates.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from minicnn.bench import pytorch
from minicnn.bench.plan import Plan
from minicnn.bench.report import Row

PAUSE = 0.1  # seconds, until the other side's threads have stopped busy waiting
SCALES = {"s": 1.0, "ms": 1e3}


@dataclass(frozen=True)
class Side:
    """A competitor. run(*prepare()) is compared, and only run is timed.

    It returns an array, or a tensor of PyTorch, to be compared with the other's; or None.
    """

    run: Callable[..., Any]
    prepare: Callable[[], tuple] = tuple


def compare(
    plan: Plan,
    name: str,
    ours: Side,
    theirs: Side | None,
    *,
    unit: str,
    amount: float = 0.0,
    limit: float | None = None,
    **details: Any,
) -> Row:
    """Return the Row of one comparison. theirs: None without PyTorch.

    unit: "s" or "ms", or a rate such as GFLOP/s; `amount` is the work per run (in FLOP). limit: the machine's best.
    """
    sides = [ours] if theirs is None else [ours, theirs]
    first = [side.run(*side.prepare()) for side in sides]  # compiles, and gives the results to compare
    if theirs is not None and first[0] is not None:
        details["difference"] = _difference(first[0], first[1])
    del first
    repeats = [_repeats(side, plan.turn) for side in sides]
    raw: list[list[float]] = [[] for _ in sides]
    for number in range(plan.rounds):
        order = range(len(sides)) if number % 2 == 0 else reversed(range(len(sides)))
        for i in order:
            time.sleep(PAUSE)
            raw[i].append(_turn(sides[i], repeats[i]))
    return row_of(name, unit, *raw, amount=amount, limit=limit, repeats=repeats, **details)


def row_of(
    name: str,
    unit: str,
    ours: list[float],
    theirs: list[float] | None = None,
    *,
    amount: float = 0.0,
    limit: float | None = None,
    **details: Any,
) -> Row:
    """Return the Row from the seconds of each round."""

    def value(seconds: float) -> float:
        return seconds * SCALES[unit] if unit in SCALES else amount / seconds / 1e9

    mine = value(statistics.median(ours))
    details = {"minicnn_raw": ours, **details}
    if limit is not None:
        details["of_limit"] = mine / limit
    if not theirs:
        return Row(name, unit, mine, details=details)
    details["pytorch_raw"] = theirs
    ratio = statistics.median(b / a for a, b in zip(ours, theirs, strict=True))
    return Row(name, unit, mine, value(statistics.median(theirs)), ratio, details)


def _repeats(side: Side, least: float) -> int:
    """Return the number of runs per turn for a minimum duration."""
    return max(1, min(1000, int(least / _turn(side, 1))))


def _turn(side: Side, repeats: int) -> float:
    """Return the mean seconds per run, after an untimed run that wakes the threads and warms the caches."""
    side.run(*side.prepare())
    total = 0.0
    for _ in range(repeats):
        arguments = side.prepare()
        start = time.perf_counter()
        result = side.run(*arguments)
        total += time.perf_counter() - start
        del result
    return total / repeats


def _difference(ours: np.ndarray, theirs: Any) -> float:
    """Return max|Δ| / max|reference|."""
    if not isinstance(theirs, np.ndarray):
        theirs = pytorch.array(theirs)
    return float(np.abs(ours - theirs).max() / np.abs(theirs).max())

"""How far to go in a direction: a step after which the cost is lower and the slope flatter.

Source: Nocedal & Wright 2006, "Numerical optimization", algorithms 3.5 and 3.6, and equation 3.59.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

LONGER = 10.0  # times the last trial that the next may be at most, and
A_LITTLE_LONGER = 1.1  # at least
ROUNDING = 1e-16  # of a cost
MARGIN = 0.1  # share of an interval, at either end, where a trial would tell little


@dataclass(frozen=True, eq=False)
class Trial:
    """A point on the line: its distance in lengths of the direction, its cost, the slope there along the direction,
    and the gradient of all parameters.
    """

    length: float
    cost: float
    slope: float
    gradient: np.ndarray

    @property
    def usable(self) -> bool:
        """Whether cost and slope are numbers."""
        return math.isfinite(self.cost) and math.isfinite(self.slope)


def strong_wolfe(
    evaluate: Callable[[float], Trial],
    start: Trial,
    length: float,
    *,
    decrease: float = 1e-4,
    curvature: float = 0.9,
    trials: int = 20,
) -> Trial | None:
    """A trial that meets the strong Wolfe conditions,
    cost ≤ cost₀ + decrease · length · slope₀ and |slope| ≤ curvature · |slope₀|.

    start: the trial of length 0, of negative slope. length: of the first trial. Cost or slope that is no number counts
    as too far. After so many trials, or once nothing is to be gained, the lowest that meets the first
    condition; None where there is none.
    """
    low, high = start, None  # low meets the first condition and is the lowest such; a good point lies between the two

    def low_enough(trial: Trial) -> bool:
        return trial.usable and trial.cost <= start.cost + decrease * trial.length * start.slope

    for _ in range(trials):
        trial = evaluate(length)
        if not low_enough(trial) or (low is not start and trial.cost >= low.cost):
            high = trial
        elif abs(trial.slope) <= -curvature * start.slope:
            return trial
        elif high is None:  # the bracketing of algorithm 3.5: on, until the cost or the slope rises
            if trial.slope >= 0:
                low, high = trial, low
            else:
                length = _further(low, trial)
                low = trial
                continue
        else:  # the zoom of algorithm 3.6
            if trial.slope * (high.length - low.length) >= 0:
                high = low
            low = trial
        if abs(low.slope * (high.length - low.length)) <= ROUNDING * abs(low.cost):  # lost in rounding
            break
        length = _between(low, high)
    return low if low.cost < start.cost else None


def _further(last: Trial, trial: Trial) -> float:
    """Beyond a trial from which it still goes down: where the cubic through it and the last one is lowest."""
    step = trial.length - last.length
    nearest, furthest = last.length + A_LITTLE_LONGER * step, last.length + LONGER * step
    lowest = _lowest_of_cubic(last, trial)
    return furthest if lowest is None else min(max(lowest, nearest), furthest)


def _between(low: Trial, high: Trial) -> float:
    """Inside the interval: where the cubic through its ends is lowest, but for the margins; else the middle."""
    width = high.length - low.length
    lowest = _lowest_of_cubic(low, high) if high.usable else None
    if lowest is None:
        return low.length + width / 2
    share = min(max((lowest - low.length) / width, MARGIN), 1 - MARGIN)
    return low.length + share * width


def _lowest_of_cubic(a: Trial, b: Trial) -> float | None:
    """Where the cubic with the costs and slopes of two trials has its minimum, if it has one. Equation 3.59."""
    mean = a.slope + b.slope - 3 * (a.cost - b.cost) / (a.length - b.length)
    inside = mean * mean - a.slope * b.slope
    if not 0 <= inside < math.inf:
        return None
    root = math.copysign(math.sqrt(inside), b.length - a.length)
    below = b.slope - a.slope + 2 * root
    if not below:
        return None
    return b.length - (b.length - a.length) * (b.slope + root - mean) / below

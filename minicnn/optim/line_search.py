"""Line search: a step length along a direction at which the cost is lower and the slope flatter.

Source: Nocedal & Wright 2006, "Numerical optimization", algorithms 3.5 and 3.6, and equation 3.59.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

LONGER = 10.0  # largest extrapolation, in multiples of the distance between the last two trials
A_LITTLE_LONGER = 1.1  # smallest extrapolation
ROUNDING = 1e-16  # relative rounding error of a cost
MARGIN = 0.1  # share of an interval at either end where no trial is placed


@dataclass(frozen=True, eq=False)
class Trial:
    """An evaluated point on the line.

    length: the step length, in multiples of the direction. cost: the cost at this point.
    slope: the derivative of the cost along the direction. gradient: the gradient of all parameters, as one vector.
    """

    length: float
    cost: float
    slope: float
    gradient: np.ndarray

    @property
    def usable(self) -> bool:
        """True if cost and slope are finite."""
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
    """Return a trial that meets the strong Wolfe conditions, or the best one found, or None.

    The conditions are cost ≤ cost₀ + decrease · length · slope₀ and |slope| ≤ curvature · |slope₀|.
    evaluate: maps a step length to its Trial. start: the trial of length 0, with negative slope.
    length: the step length of the first trial. trials: the maximum number of evaluations.

    A trial whose cost or slope is not finite counts as too long. The search stops after `trials` evaluations, or when
    rounding hides any further gain. It then returns the lowest trial that meets the first condition, or None.
    """
    low, high = start, None  # low is the lowest trial that meets the first condition; the two bracket a good point

    def low_enough(trial: Trial) -> bool:
        return trial.usable and trial.cost <= start.cost + decrease * trial.length * start.slope

    for _ in range(trials):
        trial = evaluate(length)
        if not low_enough(trial) or (low is not start and trial.cost >= low.cost):
            high = trial
        elif abs(trial.slope) <= -curvature * start.slope:
            return trial
        elif high is None:  # the bracketing of algorithm 3.5: extrapolate until cost or slope rises
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
        if abs(low.slope * (high.length - low.length)) <= ROUNDING * abs(low.cost):  # the gain is below rounding
            break
        length = _between(low, high)
    return low if low.cost < start.cost else None


def _further(last: Trial, trial: Trial) -> float:
    """Return a length beyond a trial of negative slope: the minimum of the cubic through it and the last trial.

    The length is limited by LONGER and A_LITTLE_LONGER.
    """
    step = trial.length - last.length
    nearest, furthest = last.length + A_LITTLE_LONGER * step, last.length + LONGER * step
    lowest = _lowest_of_cubic(last, trial)
    return furthest if lowest is None else min(max(lowest, nearest), furthest)


def _between(low: Trial, high: Trial) -> float:
    """Return a length inside the interval: the minimum of the cubic, kept off the ends by MARGIN, or the middle."""
    width = high.length - low.length
    lowest = _lowest_of_cubic(low, high) if high.usable else None
    if lowest is None:
        return low.length + width / 2
    share = min(max((lowest - low.length) / width, MARGIN), 1 - MARGIN)
    return low.length + share * width


def _lowest_of_cubic(a: Trial, b: Trial) -> float | None:
    """Return the minimum of the cubic with the costs and slopes of two trials, or None. Equation 3.59."""
    mean = a.slope + b.slope - 3 * (a.cost - b.cost) / (a.length - b.length)
    inside = mean * mean - a.slope * b.slope
    if not 0 <= inside < math.inf:
        return None
    root = math.copysign(math.sqrt(inside), b.length - a.length)
    below = b.slope - a.slope + 2 * root
    if not below:
        return None
    return b.length - (b.length - a.length) * (b.slope + root - mean) / below

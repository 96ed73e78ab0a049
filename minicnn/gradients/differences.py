"""Finite differences of a function of arrays, one element at a time, and whether they can be trusted.

A difference says little if the function has a kink within the step, or if rounding is as large as the change. Both show
in the slopes to the left and to the right. On a smooth function these differ by h · f″, which is almost nothing and
halves with the step.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

Index = tuple[int, ...]


class Slopes(NamedTuple):
    """The slopes of Σ u · f along one element: to the left, to the right, and across both.

    rounding: the possible share of rounding in the slope.
    """

    left: float
    right: float
    central: float
    rounding: float


class Differences:
    """The differences of f, evaluated without a tape when one element moves. `arrays` are never written to."""

    def __init__(self, f: Callable[..., Any], arrays: Sequence[np.ndarray], cotangent: np.ndarray, eps: float) -> None:
        self.f, self.arrays, self.cotangent, self.eps = f, list(arrays), cotangent, eps
        self.value = self._at(0, self.arrays[0])

    def _at(self, number: int, moved: np.ndarray) -> np.ndarray:
        from minicnn.tensor import Tensor

        arrays = [moved if i == number else array for i, array in enumerate(self.arrays)]
        return self.f(*map(Tensor, arrays)).numpy()

    def _ends(self, number: int, index: Index, step: float) -> tuple[np.ndarray, np.ndarray, float]:
        """Return f one step ahead, f one step behind, and the distance of the two as rounded in the element's dtype."""
        ahead, behind = self.arrays[number].copy(), self.arrays[number].copy()
        ahead[index] += step
        behind[index] -= step
        apart = float(ahead[index] - behind[index])
        return self._at(number, ahead), self._at(number, behind), apart or 2 * step

    def slopes(self, number: int, index: Index, step: float | None = None) -> Slopes:
        """Return the slopes of input `number` at `index`. Subtracting first cancels the large common part exactly."""
        ahead, behind, apart = self._ends(number, index, self.eps if step is None else step)
        right = self._weighed(ahead - self.value)
        left = self._weighed(self.value - behind)
        central = self._weighed(ahead - behind)
        moved = np.abs(self.cotangent * self.value)[ahead != behind].sum()
        rounding = 4 * float(np.finfo(self.value.dtype).eps * moved)
        return Slopes(2 * left / apart, 2 * right / apart, central / apart, rounding / abs(apart))

    def row(self, number: int, index: Index) -> np.ndarray:
        """Return the slopes of the result by one element: a row of the transposed Jacobian, in f's shape."""
        ahead, behind, apart = self._ends(number, index, self.eps)
        return (ahead - behind) / apart

    def along(self, number: int, direction: np.ndarray) -> float:
        """Return the central slope along a direction of one input."""
        here = self.arrays[number]
        ahead, behind = self._at(number, here + self.eps * direction), self._at(number, here - self.eps * direction)
        return self._weighed(ahead - behind) / (2 * self.eps)

    def together(self, moves: Sequence[np.ndarray], sign: int) -> float:
        """Return the slope to one side when all inputs move by these steps of eps, or of zero."""
        from minicnn.tensor import Tensor

        there = self.f(*(Tensor(array + sign * move) for array, move in zip(self.arrays, moves, strict=True))).numpy()
        return sign * self._weighed(there - self.value) / self.eps

    def _weighed(self, difference: np.ndarray) -> float:
        return float(np.sum(self.cotangent * difference))


@dataclass(frozen=True)
class Unsettled:
    """An element with inconclusive differences: its index, its value, and the slopes to both sides."""

    index: Index
    value: float
    left: float
    right: float
    why: str  # "a kink", "rounding" or "rounding, as in float32"

    def text(self, name: str) -> str:
        at = f"{name}[{', '.join(map(str, self.index))}]" if self.index else name
        sides = f"slope {self.left:.4g} on its left and {self.right:.4g} on its right"
        return f"inconclusive at {at} = {self.value:.3g}: {self.why}, {sides}"


def unsettled(
    differences: Differences, number: int, index: Index, analytic: float, found: Slopes, allowed: float
) -> Unsettled | None:
    """Return the element as Unsettled if the slopes around it allow the analytic gradient, otherwise None."""
    if _within_rounding(differences, number, index, analytic, found, allowed):
        why = "rounding"
    elif _coarse(differences, number, index, analytic, found, allowed):
        why = "rounding, as in float32"
    elif _kinked(differences, number, index, analytic, found, allowed):
        why = "a kink"
    else:
        return None
    return Unsettled(index, float(differences.arrays[number][index]), found.left, found.right, why)


def _within_rounding(
    differences: Differences, number: int, index: Index, analytic: float, found: Slopes, allowed: float
) -> bool:
    """Return True if rounding explains the error, for this step and for larger ones, on which it has less effect."""
    if not abs(analytic - found.central) <= allowed + found.rounding:
        return False
    larger = (differences.slopes(number, index, factor * differences.eps) for factor in (10, 100))
    return all(abs(analytic - slopes.central) <= allowed + slopes.rounding for slopes in larger)


def _coarse(
    differences: Differences, number: int, index: Index, analytic: float, found: Slopes, allowed: float
) -> bool:
    """Return True if slopes by small steps scatter, and those of a thousand times the step give the gradient.

    This happens if f rounds more coarsely than the dtype of its result, but not at a kink.
    """
    small = [found, *(differences.slopes(number, index, differences.eps * part) for part in (2, 0.5, 0.3))]
    slopes = [slope for pair in small for slope in (pair.left, pair.right)]
    if not max(slopes) - min(slopes) > allowed / 2:
        return False
    large = differences.slopes(number, index, 1000 * differences.eps)
    limit = allowed + abs(analytic) / 100
    return abs(large.central - analytic) <= limit and abs(large.right - large.left) <= 2 * limit


def _kinked(
    differences: Differences, number: int, index: Index, analytic: float, found: Slopes, allowed: float
) -> bool:
    """Return True if the gradient lies between the slopes to either side, and these do not converge with the step.

    On a smooth function they converge. A gradient outside all slopes is wrong even at a kink.
    """
    if not abs(found.right - found.left) > allowed / 2:
        return False  # smooth
    h = differences.eps
    pairs = [found, *(differences.slopes(number, index, step) for step in (h / 2, h / 4, 2 * h))]
    everything = [slope for pair in pairs for slope in (pair.left, pair.right)]
    if not min(everything) - allowed / 2 <= analytic <= max(everything) + allowed / 2:
        return False
    gaps = [pair.right - pair.left for pair in pairs]
    straightens = all(
        abs(gaps[0] * part - gap) <= 0.1 * abs(gaps[0]) for part, gap in zip((0.5, 0.25), gaps[1:3], strict=True)
    )
    return not straightens

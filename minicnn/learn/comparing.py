"""Comparison of values with the expected ones, and short descriptions of the differences."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np


def difference(expected: Any, value: Any, tolerance: float, scale: float = 0) -> str | None:
    """Return None if the values agree, or a description of the difference.

    Arrays must agree within tolerance · max|expected|, other values exactly. scale: used instead of max|expected| if
    that is 0 up to rounding.
    """
    if not isinstance(expected, np.ndarray) or not isinstance(value, np.ndarray):
        if type(expected) is type(value) and expected == value:
            return None
        return f"expected {_short(expected)}, got {_short(value)}"
    if expected.shape != value.shape:
        return f"expected {_shape(expected)}, got {_shape(value)}"
    if not expected.size:
        return None
    value = value.astype(float)
    size = largest(expected)
    allowed = tolerance * max(size if size > 1e-6 * scale else scale, 1e-12)
    with np.errstate(invalid="ignore"):  # the difference of two infinities
        close = np.abs(expected - value) <= allowed
    wrong = ~(close | (expected == value) | (np.isnan(expected) & np.isnan(value)))
    if not wrong.any():
        return None
    if not expected.ndim:
        return f"expected {_short(expected)}, got {_short(value)}"
    first = tuple(int(i) for i in np.argwhere(wrong)[0])
    place = f"[{', '.join(map(str, first))}]"
    text, count = f"at {place} expected {_short(expected[first])}, got {_short(value[first])}", np.count_nonzero(wrong)
    if wrong.size == 1:
        return text
    return f"{text}; {count} of {wrong.size} numbers {'is' if count == 1 else 'are'} wrong"


def largest(value: Any) -> float:
    """Return max|value| over the finite numbers of an array, or 0 for anything else."""
    if not isinstance(value, np.ndarray):
        return 0.0
    return float(np.abs(value[np.isfinite(value)]).max(initial=0))


def common_factor(pairs: Iterable[tuple[Any, Any]]) -> float | None:
    """Return the common factor between values and expected ones, or None if there is none or it is 1.

    pairs: (expected, value).
    """
    ratios = []
    for expected, value in pairs:
        if not isinstance(expected, np.ndarray) or not isinstance(value, np.ndarray) or expected.shape != value.shape:
            return None
        scale = np.abs(expected).max(initial=0)
        counts = np.abs(expected) > 1e-3 * scale
        ratios.append(value[counts].astype(float) / expected[counts])
        if (np.abs(value[~counts]) > 1e-2 * max(scale, 1e-12)).any():
            return None
    flat = np.concatenate([np.ravel(ratio) for ratio in ratios]) if ratios else np.empty(0)
    if not flat.size or not np.isfinite(flat).all() or np.ptp(flat) > 1e-4 * abs(flat[0]) or abs(flat[0] - 1) < 1e-4:
        return None
    return float(flat[0]) if abs(flat[0]) > 1e-9 else None


def _short(value: Any) -> str:
    if isinstance(value, np.ndarray | np.generic):
        if np.ndim(value):
            return f"an array of shape {np.shape(value)}"
        return f"{value.item() + 0:.7g}" if np.asarray(value).dtype.kind == "f" else str(value.item())  # + 0: no -0
    return repr(value)


def _shape(array: np.ndarray) -> str:
    return f"shape {array.shape}" if array.ndim else "a single number"

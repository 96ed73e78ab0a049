"""Numbers, positions and arrays as text."""

from __future__ import annotations

import numpy as np

MINUS = "\N{MINUS SIGN}"


def number(value: float, digits: int = 4) -> str:
    """Return a number with this many significant digits and a true minus sign."""
    return f"{float(value):.{digits}g}".replace("-", MINUS)


def signed(value: float, digits: int = 9) -> str:
    """Return a term of a sum, always with its sign, to this many digits."""
    return f"{float(value):+.{digits}f}".replace("-", MINUS) if 1e-4 <= abs(value) < 1e6 else _scientific(value, digits)


def _scientific(value: float, digits: int) -> str:
    return f"{float(value):+.{digits - 2}e}".replace("-", MINUS) if value else f"{0:+.{digits}f}"


def place(name: str, index: tuple[int, ...]) -> str:
    """Return an element's name, such as w[1, 0, 2, 0]; the name alone for a scalar."""
    return f"{name}[{', '.join(map(str, index))}]" if len(index) else name


def shape(array: np.ndarray) -> str:
    """Return the shape as text, such as (2, 3, 4); "scalar" for no axes."""
    return f"({', '.join(map(str, array.shape))}{',' if array.ndim == 1 else ''})" if array.ndim else "scalar"


def spread(array: np.ndarray | None) -> str:
    """Return a scalar's value, or the smallest and the largest element, or the reason why there are none."""
    if array is None:
        return ""
    if array.size == 0:
        return "empty"
    if array.ndim == 0 or array.size == 1:
        return number(array.item())
    bad = array.size - np.count_nonzero(np.isfinite(array))
    if bad:
        return f"{bad} not finite"
    return f"{number(array.min(), 3)} … {number(array.max(), 3)}"


def milliseconds(value: float) -> str:
    """Return a duration such as 1.23 ms."""
    return f"{value:.3g} ms" if value < 1000 else f"{value / 1000:.3g} s"

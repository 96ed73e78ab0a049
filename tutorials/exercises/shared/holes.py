"""The check of a hole in a lesson: what came out, what was expected, and the slip that gives such an answer."""

import numpy as np

from minicnn import Tensor
from minicnn.errors import InputError


class WrongAnswer(InputError, AssertionError):
    """An answer that is not right. The message says what came out, what was expected, and the likely reason."""


def check(name, found, expected, slips=None, *, tolerance=1e-5):
    """Print that an answer is right, or raise WrongAnswer.

    name: of what was written, such as "gram_matrix(A)". found, expected: numbers, arrays or Tensors. slips: {what went
    wrong: the answer that it gives}. tolerance: relative to the largest expected number.
    """
    answer, expected = _array(name, found), np.asarray(getattr(expected, "data", expected))
    if _near(answer, expected, tolerance):
        print(f"{name} is right")
        return
    for slip, value in (slips or {}).items():
        if _near(answer, np.asarray(getattr(value, "data", value)), tolerance):
            raise WrongAnswer(f"{name} {_told(answer, expected)}. {slip}")
    raise WrongAnswer(f"{name} {_told(answer, expected)}")


def _array(name, found):
    if found is None:
        raise WrongAnswer(f"{name} gives None. Does it return what it computes?")
    try:
        return np.asarray(found.data if isinstance(found, Tensor) else found, dtype=float)
    except (TypeError, ValueError):
        raise WrongAnswer(f"{name} gives {type(found).__name__}; expected a number or an array") from None


def _near(answer, expected, tolerance):
    limit = tolerance * max(1e-12, np.abs(expected).max(initial=0))
    return answer.shape == expected.shape and bool(np.all(np.abs(answer - expected) <= limit))  # NaN is not near


def _told(answer, expected):
    if answer.shape != expected.shape:
        return f"has the shape {answer.shape}; expected {expected.shape}"
    if not answer.ndim:
        return f"gives {float(answer):.6g}; expected {float(expected):.6g}"
    apart = np.abs(answer - expected)
    at = tuple(map(int, np.unravel_index(np.nan_to_num(apart, nan=np.inf).argmax(), apart.shape)))
    wrong = np.count_nonzero(~(apart <= 1e-5 * np.abs(expected).max(initial=0)))
    place = ", ".join(map(str, at))
    return (
        f"differs in {wrong} of {apart.size} numbers; at [{place}] it is {answer[at]:.6g}, expected {expected[at]:.6g}"
    )

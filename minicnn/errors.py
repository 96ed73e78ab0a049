"""Errors that users can cause. Each message is one line: the argument, its value, and what was expected."""

from __future__ import annotations

from numbers import Integral
from typing import Any


class InputError(ValueError):
    """An invalid argument, option or file. The command line prints the message and exits with status 2."""


class MissingFileError(InputError, FileNotFoundError):
    """A named file that does not exist."""

    def __str__(self) -> str:  # OSError would print its own format
        return str(self.args[0]) if self.args else ""


class LoadError(InputError):
    """A weights file that cannot be loaded. The model is left unchanged."""


class GradcheckError(AssertionError):
    """A disagreement between an analytic gradient and finite differences.

    report: the GradcheckReport, or None.
    """

    def __init__(self, message: str, report: object = None) -> None:
        super().__init__(message)
        self.report = report


def is_count(value: Any, least: int = 1, most: int | None = None) -> bool:
    """Return True if value is a Python or NumPy integer from `least` to `most`. A bool is not a count."""
    whole = isinstance(value, Integral) and not isinstance(value, bool)
    return whole and value >= least and (most is None or value <= most)


def check_count(what: str, value: Any, least: int = 1, most: int | None = None) -> int:
    """Return the value as an int. Raise InputError if it is not a count from `least` to `most`.

    what: the argument's name in the message, such as "record: most".
    """
    if not is_count(value, least, most):
        span = f"of at least {least}" if most is None else f"from {least} to {most}"
        raise InputError(f"{what} is {value!r}; expected an integer {span}")
    return int(value)

"""The errors a user can cause. Each message is one line: the argument, what it was, what was expected."""

from __future__ import annotations

from numbers import Integral
from typing import Any


class InputError(ValueError):
    """Something handed to minicnn is not what it takes. The command line prints the line and exits 2."""


class MissingFileError(InputError, FileNotFoundError):
    """A file that was named is not there."""

    def __str__(self) -> str:  # OSError would print its own format
        return str(self.args[0]) if self.args else ""


class LoadError(InputError):
    """A weights file was refused; the model is as it was."""


class GradcheckError(AssertionError):
    """An analytic gradient and finite differences disagree. report: the GradcheckReport, where there is one."""

    def __init__(self, message: str, report: object = None) -> None:
        super().__init__(message)
        self.report = report


def is_count(value: Any, least: int = 1, most: int | None = None) -> bool:
    """Return True for an integer, of Python or NumPy, from `least` to `most`. A bool is no count."""
    whole = isinstance(value, Integral) and not isinstance(value, bool)
    return whole and value >= least and (most is None or value <= most)


def check_count(what: str, value: Any, least: int = 1, most: int | None = None) -> int:
    """Return the value as an int. Raise InputError unless `is_count`. what: names the argument, "record: most"."""
    if not is_count(value, least, most):
        span = f"of at least {least}" if most is None else f"from {least} to {most}"
        raise InputError(f"{what} is {value!r}; expected an integer {span}")
    return int(value)

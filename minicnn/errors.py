"""Errors that users can cause. Each message is one line: the argument, its value, and what was expected."""

from __future__ import annotations

import difflib
import functools
import inspect
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np


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


Activation = Literal["relu"] | None  # applied by a convolution, norm or layer to its result


def check_activation(name: str, activation: Any) -> None:
    """Raise InputError unless the activation is None or "relu". name: the op or layer, for the message."""
    if activation not in (None, "relu"):
        raise InputError(f'{name}: activation is {activation!r}; expected None or "relu"')


# --- names -----------------------------------------------------------------------------------------------------------


@functools.cache
def aliases() -> dict[str, tuple[str, str]]:
    """Return {name in other libraries, in lower case: (the library, what it is here)}, from aliases.toml."""
    import tomllib

    tables = tomllib.loads(Path(__file__).with_name("aliases.toml").read_text(encoding="utf-8"))
    return {name: (library, ours) for library, rows in tables.items() for name, ours in rows.items()}


def nearest(name: Any, known: Collection[str]) -> str:
    """Return "; did you mean 'conv'?" with the most similar of the known names, or "" if none is similar.

    A name of another library is followed by what it is here: "; did you mean 'sum'? tf.reduce_sum is ops.sum here".
    """
    typed, lowered = str(name).lower(), {other.lower(): other for other in known}
    library, ours = ("", typed) if typed in lowered else aliases().get(typed, ("", typed))
    said = ours if " is " in ours else f"{library}.{name} is {ours} here" if library not in ("", "names") else ""
    near = [ours] if ours.startswith("minicnn.") else difflib.get_close_matches(ours.rpartition(".")[2], lowered, 1)
    words = [f"did you mean {lowered.get(other, other)!r}?" for other in near] + [said] * bool(said)
    return f"; {' '.join(words)}" if words else ""


def suggest_names(module: str, names: Collection[str]) -> None:
    """Let a module list its public names to `dir` and name the nearest if another is asked for."""

    def missing(name: str) -> Any:
        raise AttributeError(f"module {module!r} has no attribute {name!r}{nearest(name, names)}")

    vars(sys.modules[module]).update(__getattr__=missing, __dir__=lambda: sorted(names), __all__=[*names])


def check_keywords(name: str, function: Callable, given: Collection[str]) -> None:
    """Raise TypeError, with the nearest name, if the function has no parameter of a given name. name: for messages."""
    parameters = inspect.signature(function).parameters
    for key in given:
        if key not in parameters and not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
            known = [other for other in parameters if other not in ("self", "needs")]
            near = nearest(key, known) or f"; expected one of {', '.join(known)}"
            raise TypeError(f"{name}: there is no argument {key!r}{near}")


class SuggestsNames:
    """A base of classes that name the nearest attribute if one is missing."""

    __slots__ = ()

    if not TYPE_CHECKING:  # to type checkers it would be every attribute

        def __getattr__(self, name: str) -> Any:
            known = [] if name.startswith("_") else [n for n in dir(self) if n != name and not n.startswith("_")]
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}{nearest(name, known)}")


class ChecksKeywords(SuggestsNames):
    """A base of classes whose constructor names the nearest argument if one is misspelt."""

    def __new__(cls, *arguments: Any, **options: Any) -> Self:
        check_keywords(cls.__name__, cls.__init__, options)
        return super().__new__(cls)


def explain(problem: Exception, op: Callable, arrays: Sequence[Any], options: Mapping[str, Any]) -> None:
    """Raise one line in place of Python's or NumPy's error if a call of an op has an unknown keyword or misfit shapes.

    problem: the exception of the call. Return if it is another one.
    """
    if type(problem) is TypeError:
        check_keywords(op.__name__, op, options)
    if type(problem) is ValueError and len(arrays) > 1 and "broadcast" in str(problem):
        given = " and ".join(map("{} {}".format, inspect.signature(op).parameters, map(np.shape, arrays)))
        said = f"{given} do not broadcast; expected equal sizes, or 1, from the last axis on"
        raise InputError(f"{op.__name__}: {said}") from problem

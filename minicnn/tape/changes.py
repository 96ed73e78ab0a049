"""Detection of arrays that were changed in place between forward and backward.

An operation's closure keeps arrays of the forward. A program that writes into one of them gets the gradient of other
values, without an error. The tape keeps copies. Before each backward it compares the arrays with their copies, and
where an array has changed it runs the closure with both contents. If the gradients differ, it names the array.
Arrays on a GPU are not compared.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from minicnn.errors import InputError
from minicnn.tape import frames

if TYPE_CHECKING:
    from minicnn.tape.recorder import Step, Value


class InPlaceError(InputError):
    """An array that was changed in place between forward and backward, so that a gradient would be wrong."""


class Used(NamedTuple):
    """An array that an operation took or made. Keeps neither the array nor its Tensor alive.

    value: its copy on the tape, from when the operation ran.
    """

    source: weakref.ref[Any]
    array: weakref.ref[np.ndarray]
    value: Value

    @classmethod
    def of(cls, source: Any, array: Any, value: Value) -> Used | None:
        """Return the record of an operand or result; None if it is not an array on the host."""
        if type(array) is not np.ndarray:
            return None
        return cls(weakref.ref(source if hasattr(source, "requires_grad") else array), weakref.ref(array), value)


def check_unchanged(step: Step, cotangent: np.ndarray) -> None:
    """Raise InPlaceError if the gradients of this step depend on an array that was changed in place."""
    overwritten = step.output.overwritten
    uses = overwritten.uses if overwritten is not None else []
    user = next((used_by for used_by, _ in uses if used_by.output.wants_gradient), None)
    if overwritten is not None and user is not None:
        what = f"the result of {_called(step)}, was changed in place before {_called(user)} used it"
        change = _difference(step.output.array, overwritten.array)
        name = overwritten.name if overwritten.named else step.output.name
        raise InPlaceError(f"backward: {name}, {what} ({change}); use an operation, whose gradient is known")
    for used in step.used:
        array = used.array()
        if array is not None and not same(used.value.array, array) and _matters(step, cotangent, used, array):
            change = _difference(used.value.array, array)
            what = f"which {_called(step)} needs for its gradient, was changed in place after the forward ({change})"
            raise InPlaceError(f"backward: {_name(used)}, {what}; call backward first, or change a copy")


def _matters(step: Step, cotangent: np.ndarray, used: Used, array: np.ndarray) -> bool:
    """Return True if the closure returns other gradients with the new content of an array than with the old.

    The closure holds the array itself, the tape's copy, or neither. Both are as before afterwards.
    """
    assert step.backward is not None
    own = used.value.array
    before, now = own.copy(), array.copy()
    gradients = []
    try:
        for content in (before, now):
            own[...] = array[...] = content
            found = step.backward(cotangent)
            gradients.append(found if isinstance(found, tuple) else (found,))
    except ValueError:  # the array has another shape, or became read-only
        return True
    finally:
        own[...] = before
        if array.flags.writeable:
            array[...] = now
    return any(
        one is not other and not same(np.asarray(one), np.asarray(other)) for one, other in zip(*gradients, strict=True)
    )


def same(known: np.ndarray, now: np.ndarray) -> bool:
    """Return True if two arrays have the same dtype and elements; NaN equals NaN."""
    return known.dtype == now.dtype and np.array_equal(known, now, equal_nan=now.dtype.kind == "f")


def _called(step: Step) -> str:
    return f"{step.name} ({step.lines[-1]})" if step.lines else step.name


def _name(used: Used) -> str:
    if used.value.named:
        return used.value.name
    return frames.name_of(used.source(), frames.callers()) or used.value.name


def _difference(before: np.ndarray, now: np.ndarray) -> str:
    """Return the first element that differs, such as "[0, 1] was 2, is 7"."""
    if before.shape != now.shape or before.dtype != now.dtype:
        return f"{before.shape} {before.dtype} became {now.shape} {now.dtype}"
    differs = np.not_equal(before, now)
    if before.dtype.kind == "f":
        differs &= ~(np.isnan(before) & np.isnan(now))
    index = tuple(int(i) for i in np.argwhere(differs)[0])
    return f"{list(index) if index else 'it'} was {before[index]:.6g}, is {now[index]:.6g}"

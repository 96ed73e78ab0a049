"""The record that a tape keeps of each operation, forward and backward.

It keeps copies, which stay valid after an optimizer has changed the weights.
"""

from __future__ import annotations

import contextvars
import difflib
import inspect
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, Self

import numpy as np

from minicnn import devices
from minicnn.backend import current_backend, use_backend
from minicnn.errors import InputError, check_count
from minicnn.graph import sum_to
from minicnn.operation import watching
from minicnn.tape import changes, frames
from minicnn.tensor import Tensor

MOST = 10_000  # operations on one tape: recording a training loop by mistake would fill the memory
NAMED = 12  # names listed in a message


@dataclass(eq=False)
class Value:
    """An array that operations took or gave.

    name: the variable or parameter that held it, or one derived from the operation, such as conv_1.
    made_by: the Step that gave it; None if no operation on this tape did.
    lent: the name is that of the Tensor itself, and may be a variable's of the program as well.
    uses: (step, input number) for every operation that took it.
    overwritten: the content of the same array when a later operation took it after a change in place, or None.
    """

    array: np.ndarray
    name: str
    made_by: Step | None = None
    wants_gradient: bool = False
    named: bool = False
    lent: bool = False
    uses: list[tuple[Step, int]] = field(default_factory=list)
    overwritten: Value | None = None

    @property
    def gradient(self) -> np.ndarray | None:
        """The gradient that backward found, over all uses; None where backward has not run."""
        return self.gradient_until(None)

    def gradient_until(self, moment: int | None) -> np.ndarray | None:
        """Return the gradient after a number of moments of the tape; None means all of them."""
        if self.made_by is not None:
            return self.made_by.cotangent if _happened(self.made_by, moment) else None
        total = None
        for step, which in sorted(self.uses, key=lambda use: use[0].backward_moment or 0):
            part = step.gradients[which] if _happened(step, moment) else None
            if part is not None:
                total = part if total is None else total + part
        return total


def _happened(step: Step, moment: int | None) -> bool:
    return step.backward_moment is not None and (moment is None or step.backward_moment < moment)


@dataclass(eq=False)
class Step:
    """One operation: its inputs, its output and, once backward has run, the gradients.

    cotangent: the gradient of the output. gradients: one per input, in its shape; None if it requires none.
    backward: the op's own closure. context: in which the closure ran; it holds the backward rule of ReLU.
    outer: the same operation on the enclosing tape. used: the arrays that must not change until backward.
    """

    number: int
    op: Callable
    inputs: list[Value]
    parameters: list[str]
    arguments: dict[str, Any]
    lines: list[frames.Line]
    began: float = 0.0
    milliseconds: float = 0.0
    output: Value = None  # type: ignore[assignment]  # set as soon as the op has finished
    backward: Callable | None = None
    context: contextvars.Context | None = None
    device: str = "cpu"
    cotangent: np.ndarray | None = None
    gradients: list[np.ndarray | None] = field(default_factory=list)
    unsummed: list[np.ndarray | None] = field(default_factory=list)  # before summing over broadcast axes
    backward_milliseconds: float = 0.0
    backward_moment: int | None = None
    outer: Step | None = field(default=None, repr=False)
    used: list[changes.Used] = field(default_factory=list, repr=False)
    _tape: Recorder = field(default=None, repr=False)  # type: ignore[assignment]

    @property
    def name(self) -> str:
        """The operation's name."""
        return self.op.__name__.strip("_")

    def finish(self, result: Tensor) -> None:
        """Keep the result; called by @op."""
        milliseconds, node = 1000 * (time.perf_counter() - self.began), result._node
        for step in self._all():
            step.milliseconds, step.device = milliseconds, result.device
            step.backward = node.backward if node is not None else None
            step._tape._add(step, result)

    def saw(self, cotangent: np.ndarray, gradients: tuple, seconds: float) -> None:
        """Keep copies of what the closure was given and returned, because the engine may add to a gradient in place.

        Called by the backward pass. Raise InPlaceError if an array that the gradient depends on was changed after the
        forward.
        """
        changes.check_unchanged(self, cotangent)
        own = _on_host(cotangent)
        kept = [None if g is None else _on_host(g) for g in gradients]
        for step in self._all():
            step._came_back(own, kept, 1000 * seconds)

    def _all(self) -> list[Step]:
        """Return the step and the same operation on the enclosing tapes."""
        steps = [self]
        while (outer := steps[-1].outer) is not None:
            steps.append(outer)
        return steps

    def made(self, array: np.ndarray) -> bool:
        """Return True if this is the array of the result, whatever it holds now."""
        return bool(self.used) and self.used[-1].value is self.output and self.used[-1].array() is array

    def run_backward(self, cotangent: np.ndarray) -> list[np.ndarray | None]:
        """Return the op's gradients for another cotangent, from its closure in its original context, before summing."""
        assert self.backward is not None and self.context is not None
        gradients = _as_list(self.context.run(self.backward, devices.move(cotangent, self.device)))
        return [None if g is None else devices.to_host(g) for g in gradients]

    def _came_back(self, cotangent: np.ndarray, gradients: list, milliseconds: float) -> None:
        self.cotangent, self.backward_milliseconds = cotangent, milliseconds
        self.context = contextvars.copy_context()
        self.unsummed = gradients
        self.gradients = [
            None if g is None or not v.wants_gradient else sum_to(g, v.array.shape).astype(v.array.dtype, copy=False)
            for g, v in zip(gradients, self.inputs, strict=True)
        ]
        self._tape._came_back(self)


def _on_host(array: Any) -> np.ndarray:
    """Return a copy in host memory."""
    host = devices.to_host(array)
    return host.copy() if host is array else np.asarray(host)


def _as_list(gradients: Any) -> list[np.ndarray | None]:
    return list(gradients) if isinstance(gradients, tuple) else [gradients]


class _Held:
    """The successive Values of each Tensor, by identity, since == compares elementwise. Keeps no Tensor alive."""

    def __init__(self) -> None:
        self._entries: dict[int, tuple[weakref.ref[Tensor], list[Value]]] = {}

    def get(self, tensor: Tensor) -> list[Value]:
        """Return the Values of a Tensor, in order; an empty list if there are none."""
        entry = self._entries.get(id(tensor))
        return entry[1] if entry is not None else []

    def add(self, tensor: Tensor, value: Value) -> None:
        """Append a Value."""
        key, entries = id(tensor), self._entries
        if key not in entries:
            entries[key] = weakref.ref(tensor, lambda _: entries.pop(key, None)), []
        entries[key][1].append(value)


class Recorder:
    """The recorder of what runs inside its `with` block. Tape (microscope.py) adds the ways to look at it.

    steps: the operations, in order, also those of a recorder nested in it. moments: all events as (step, True for its
    backward).
    """

    def __init__(self, backend: str | None = "numpy", most: int = MOST) -> None:
        self.backend, self.most = backend, check_count("record: most", most)
        self.steps: list[Step] = []
        self.values: list[Value] = []
        self.moments: list[tuple[Step, bool]] = []
        self._of = _Held()
        self._taken: dict[str, int] = {}
        self._open = ExitStack()
        self._around: Recorder | None = None  # the enclosing tape, if any

    # -- recording ------------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        around: Recorder | None = watching.get()  # type: ignore[assignment]  # only recorders watch
        outer = around
        while outer is not None:
            if outer is self:
                raise InputError("record: this tape is already recording; for a part, call minicnn.record() again")
            outer = outer._around
        self._around = around
        if self.backend is not None:
            self._open.enter_context(use_backend(self.backend))
        self.backend = current_backend()
        self._open.callback(watching.reset, watching.set(self))
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()
        self._around = None
        caller = inspect.currentframe()
        if caller is not None and caller.f_back is not None:
            self.name_by(frames.own_variables(caller.f_back))

    def begin(
        self, op: Callable, sources: Sequence[Any], arrays: list, rest: Sequence[Any], options: dict[str, Any]
    ) -> Step:
        """Return a new Step before its op runs, and replace the op's arrays by the tape's copies; called by @op."""
        if len(self.steps) >= self.most:
            raise InputError(f"record: the tape holds {self.most} operations and takes no more; see record(most=…)")
        outer = self._around.begin(op, sources, list(arrays), rest, options) if self._around is not None else None
        stack = frames.callers()
        inputs = []
        used = []
        for i, source in enumerate(sources):
            value = self._value(source, arrays[i], stack)
            inputs.append(value)
            used.append(changes.Used.of(source, arrays[i], value))
            if isinstance(source, Tensor):
                arrays[i] = value.array if source.device == "cpu" else source.data.copy()
        names = [p.name for p in inspect.signature(op).parameters.values()]
        parameters = names[: len(inputs)] if len(inputs) <= len(names) else []
        if len(parameters) != len(inputs) or "parts" in parameters:  # the op takes a variable number of inputs
            parameters = [f"{names[0]}[{i}]" for i in range(len(inputs))]
        arguments = dict(zip(names[len(inputs) :], rest, strict=False))
        arguments |= {key: value for key, value in options.items() if key != "needs"}
        step = Step(
            len(self.steps) + 1, op, inputs, parameters, arguments, frames.lines(stack), outer=outer, _tape=self
        )
        step.used = [one for one in used if one is not None]
        step.began = time.perf_counter()
        return step

    def _value(self, source: Any, array: Any, stack: list[FrameType]) -> Value:
        """Return the Value of an operand: the known one if the array has not changed since."""
        if not isinstance(source, Tensor):
            shown = _number(array) if np.ndim(array) == 0 else self._free(frames.name_of(source, stack) or "constant")
            value = Value(np.array(devices.to_host(array)), shown, named=True)
            self.values.append(value)
            return value
        known = next(reversed(self._of.get(source)), None)
        data = devices.to_host(source.data)
        if known is not None and changes.same(known.array, data):
            if not known.named and (name := frames.name_of(source, stack)):
                self._rename(known, name)
            return known
        name = source.name or frames.name_of(source, stack)
        value = Value(np.array(data), self._free(name or "tensor"), None, source.requires_grad, bool(name))
        value.lent = bool(source.name)
        if known is not None and known.made_by is not None and known.made_by.made(source.data):
            known.overwritten = value
        self._of.add(source, value)
        self.values.append(value)
        return value

    def _add(self, step: Step, result: Tensor) -> None:
        step.output = Value(
            np.array(devices.to_host(result.data)), self._free(step.name, 1), step, result.requires_grad
        )
        step.gradients = step.unsummed = [None] * len(step.inputs)
        if (made := changes.Used.of(result, result.data, step.output)) is not None:
            step.used.append(made)
        self._of.add(result, step.output)
        self.values.append(step.output)
        self.steps.append(step)
        self.moments.append((step, False))
        for which, value in enumerate(step.inputs):
            value.uses.append((step, which))

    def _came_back(self, step: Step) -> None:
        step.backward_moment = len(self.moments)
        self.moments.append((step, True))

    def name_by(self, variables: dict[str, Any]) -> None:
        """Name results after the variables that hold them. A variable's name goes before that of another Tensor."""
        for name, tensor in variables.items():
            if isinstance(tensor, Tensor) and not name.startswith("_"):
                values = self._of.get(tensor)
                for value in values:
                    if not value.named:
                        self._rename(value, name)
                taker = next((value for value in self.values if value.name == name), None)
                if values and taker is not None and taker.lent and taker not in values:
                    taker.name, values[0].name = values[0].name, name

    def _rename(self, value: Value, name: str) -> None:
        value.name, value.named = self._free(name), True

    def _free(self, name: str, first: int = 0) -> str:
        """Return the name, numbered if it is taken: x, x_2, x_3 for successive values of one variable."""
        while True:
            count = self._taken[name] = self._taken.get(name, 0) + 1
            free = name if count == 1 and not first else f"{name}_{count}"
            if free == name or free not in self._taken:
                self._taken.setdefault(free, 1)
                return free

    # -- reading --------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self.steps)

    def __iter__(self) -> Iterator[Step]:
        return iter(self.steps)

    def find(self, what: Tensor | str, *, asked_by: str = "find") -> Value:
        """Return the Value of a Tensor, or of a name that show() prints.

        For a Tensor that was changed in between, return the last Value with a gradient.
        """
        if isinstance(what, Tensor):
            values = self._of.get(what)
            if not values:
                name = f" {what.name!r}" if what.name else ""
                raise InputError(
                    f"{asked_by}: tensor{name} {what.shape} is not on this tape; no operation took or gave it"
                )
            return next((value for value in reversed(values) if value.gradient is not None), values[-1])
        if not isinstance(what, str):
            raise InputError(
                f"{asked_by}: tensor is a {type(what).__name__}; expected a Tensor, or a name as in show()"
            )
        for value in reversed(self.values):
            if value.name == what:
                return value
        raise InputError(f"{asked_by}: tensor is {what!r}; the tape knows {self._known_like(what)}")

    def _known_like(self, name: str) -> str:
        """Return the names on the tape; if there are many, those most similar to this one."""
        known = list(dict.fromkeys(v.name for v in self.values if not _is_number(v)))
        if len(known) <= NAMED:
            return ", ".join(known) or "nothing yet"
        told = list(dict.fromkeys([*difflib.get_close_matches(name, known, NAMED // 2), *known]))[:NAMED]
        return f"{', '.join(told)} and {len(known) - NAMED} more"


def _number(array: Any) -> str:
    return "none" if array is None else f"{np.asarray(array).item():.6g}"


def _is_number(value: Value) -> bool:
    return value.array.ndim == 0 and value.made_by is None

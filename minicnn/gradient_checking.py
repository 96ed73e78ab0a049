"""Gradients against finite differences: the engine's word of honour.

For a random cotangent u, the analytic gradient of Σ u · f(x) is compared, element by element, with
(Σ u · f(x + h) − Σ u · f(x − h)) / 2h. A cotangent of ones would let wrong gradients pass: that of softmax, whose
outputs always sum to one, would be zero.
"""

from __future__ import annotations

import inspect
import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from minicnn.errors import GradcheckError, InputError
from minicnn.tensor import Tensor

EVERY_ELEMENT = 2000  # tensors up to this size are checked whole, larger ones by a sample and a random direction


@dataclass
class InputReport:
    """What was found for one input: how many entries were checked, which are wrong, and the worst of them."""

    name: str
    shape: tuple[int, ...]
    checked: int = 0
    wrong: list[tuple[int, ...]] = field(default_factory=list)
    worst: tuple[tuple[int, ...], float, float] | None = None  # index, analytic, numeric
    worst_excess: float = -math.inf
    direction: tuple[float, float] | None = None  # analytic, numeric, along a random direction
    direction_ok: bool = True

    @property
    def ok(self) -> bool:
        return not self.wrong and self.direction_ok

    def __str__(self) -> str:
        label = f"{self.name} {self.shape}"
        if self.ok:
            return f"{label}: {self.checked}/{self.checked} ok"
        lines = [f"{label}: {len(self.wrong)}/{self.checked} entries wrong"]
        if self.wrong and self.worst is not None:
            index, analytic, numeric = self.worst
            difference = abs(analytic - numeric)
            relative = difference / max(abs(analytic), abs(numeric), 1e-300)
            at = ", ".join(map(str, index))
            lines.append(
                f"worst {self.name}[{at}]   analytic {analytic:.6g}   numeric {numeric:.6g}   "
                f"abs {difference:.1e}   rel {relative:.1e}"
            )
        if not self.direction_ok and self.direction is not None:
            analytic, numeric = self.direction
            lines.append(f"along a random direction   analytic {analytic:.6g}   numeric {numeric:.6g}")
        return "\n  ".join(lines)


@dataclass
class GradcheckReport:
    """The outcome for every input; truthy when all gradients agree."""

    inputs: list[InputReport]
    eps: float
    dtype: str

    @property
    def ok(self) -> bool:
        return all(i.ok for i in self.inputs)

    def __bool__(self) -> bool:
        return self.ok

    def __str__(self) -> str:
        verdict = "passed" if self.ok else "FAILED"
        return "\n  ".join([f"gradcheck {verdict}   {self.dtype}  eps {self.eps:g}", *map(str, self.inputs)])


def gradcheck(
    f: Callable[..., Tensor],
    inputs: Any,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    seed: int = 0,
) -> GradcheckReport:
    """Compare the gradients of f(*inputs) with central differences; every input is differentiated.

    f: from Tensors to one Tensor, of any shape. inputs: one array or Tensor, or several; floating point, float64 if
    the differences are to mean anything. eps: the step h. An entry is right when |analytic − numeric| ≤
    atol + rtol · |numeric|. Up to 2,000 elements a tensor are all checked; larger ones by a stratified sample and a
    random direction.
    Raises GradcheckError with a report when a gradient is wrong, or when f gives two results for one input.
    """
    arrays = _arrays(inputs)
    # A stream of its own: inputs drawn from default_rng(seed) must not meet themselves as the cotangent.
    random = np.random.default_rng(seed).spawn(1)[0]
    copies = [a.copy() for a in arrays]  # f never sees the caller's arrays, so they cannot be left changed
    tensors = [Tensor(a, requires_grad=True) for a in copies]
    y = f(*tensors)
    if not isinstance(y, Tensor):
        raise InputError(f"gradcheck: f returned {type(y).__name__}; expected a Tensor")
    cotangent = random.standard_normal(y.shape).astype(y.dtype)
    value = y.data.copy()
    if not np.array_equal(value, _value(f, copies), equal_nan=True):
        raise GradcheckError("gradcheck: f gave two results for the same inputs; fix its random numbers with a seed")
    if y.requires_grad:
        y.backward(cotangent)

    def difference(index: int, direction: np.ndarray) -> float:
        """Central difference of Σ u · f along `direction` of one input."""
        ends = []
        for step in (eps, -eps):
            moved = [a + step * direction if i == index else a for i, a in enumerate(copies)]
            ends.append(_value(f, moved))
        # Subtract first, then weigh: the large common part of both ends cancels exactly.
        return float(np.sum(cotangent * (ends[0] - ends[1])) / (2 * eps))

    names = _names(f, inputs, len(arrays))
    reports = []
    for number, (array, tensor) in enumerate(zip(copies, tensors, strict=True)):
        analytic = np.zeros_like(array) if tensor.grad is None else tensor.grad
        report = InputReport(names[number], array.shape)
        for index in _chosen(array, random):
            unit = np.zeros_like(array)
            unit[index] = 1
            _compare(report, index, float(analytic[index]), difference(number, unit), atol, rtol)
        if array.size > EVERY_ELEMENT:
            direction = random.standard_normal(array.shape).astype(array.dtype)
            pair = float(np.sum(analytic * direction)), difference(number, direction)
            report.direction = pair
            scale = float(np.sqrt(np.sum(np.square(analytic * direction))))
            report.direction_ok = abs(pair[0] - pair[1]) <= atol + rtol * max(abs(pair[1]), scale)
        reports.append(report)
    result = GradcheckReport(reports, eps, str(y.dtype))
    if not result.ok:
        raise GradcheckError(str(result))
    return result


def _arrays(inputs: Any) -> list[np.ndarray]:
    several = isinstance(inputs, Sequence) and not isinstance(inputs, np.ndarray)
    arrays = [i.data if isinstance(i, Tensor) else np.asarray(i) for i in (inputs if several else [inputs])]
    if not arrays:
        raise InputError("gradcheck: inputs is empty; expected at least one array")
    for number, array in enumerate(arrays):
        if array.dtype.kind != "f":
            raise InputError(f"gradcheck: input {number} has dtype {array.dtype}; expected floats, best float64")
        if array.dtype != np.float64:
            warnings.warn(
                f"gradcheck: input {number} is {array.dtype}; differences of this precision say little, use float64",
                stacklevel=3,
            )
    return arrays


def _names(f: Callable[..., Tensor], inputs: Any, count: int) -> list[str]:
    """What the report calls each input: the Tensor's own name, or else f's parameter."""
    several = isinstance(inputs, Sequence) and not isinstance(inputs, np.ndarray)
    values = inputs if several else [inputs]
    try:
        parameters = inspect.signature(f).parameters.values()
        called = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    except (TypeError, ValueError):  # some callables of C have no signature
        called = []
    called += [f"input {number}" for number in range(len(called), count)]
    return [(v.name if isinstance(v, Tensor) else None) or n for v, n in zip(values, called, strict=False)]


def _value(f: Callable[..., Tensor], arrays: list[np.ndarray]) -> np.ndarray:
    return f(*(Tensor(a.copy()) for a in arrays)).data


def _chosen(array: np.ndarray, random: np.random.Generator) -> list[tuple[int, ...]]:
    """All indices of a small array; of a large one, one drawn from each of as many equal runs."""
    if array.size <= EVERY_ELEMENT:
        flat = np.arange(array.size)
    else:
        edges = np.linspace(0, array.size, EVERY_ELEMENT // 10 + 1).astype(int)
        flat = random.integers(edges[:-1], edges[1:])
    return [tuple(map(int, np.unravel_index(i, array.shape))) for i in flat]


def _compare(
    report: InputReport, index: tuple[int, ...], analytic: float, numeric: float, atol: float, rtol: float
) -> None:
    report.checked += 1
    excess = abs(analytic - numeric) - (atol + rtol * abs(numeric))
    if not excess <= 0:  # written so that NaN is wrong
        report.wrong.append(index)
    if math.isnan(excess) or excess > report.worst_excess:
        report.worst, report.worst_excess = (index, analytic, numeric), math.inf if math.isnan(excess) else excess

"""Gradient checks against finite differences.

For a random cotangent u, each element of the gradient of Σ u · f(x) is compared with
(Σ u · f(x + h) − Σ u · f(x − h)) / 2h. A cotangent of ones would let wrong gradients pass: that of softmax, whose
outputs always sum to one, would be zero.

slips.py then names the slip in a wrong gradient, from evidence.py: the numbers here and at other points.
"""

from __future__ import annotations

import functools
import inspect
import math
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minicnn.backend import backends, current_backend, use_backend
from minicnn.errors import GradcheckError, InputError
from minicnn.gradients.differences import Differences, Index, Unsettled, unsettled
from minicnn.gradients.evidence import Evidence, elsewhere, gradient_of, nodes_of
from minicnn.gradients.reports import Finding, GradcheckReport, InputReport
from minicnn.gradients.slips import causes
from minicnn.operation import watching
from minicnn.tensor import Tensor

EVERY_ELEMENT = 2000  # larger tensors are checked by a sample and a random direction

__all__ = ["EVERY_ELEMENT", "Finding", "GradcheckReport", "InputReport", "Unsettled", "gradcheck"]


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

    f: from Tensors to one Tensor, of any shape. inputs: one floating-point array or Tensor, or several; use float64,
    since float32 differences are too coarse. eps: the step h. An entry is right when |analytic − numeric| ≤
    atol + rtol · |numeric|. Up to 2,000 elements per tensor are all checked; larger tensors by a stratified sample and
    a random direction.

    A tape of minicnn.record() records one forward and one backward, with the cotangent and the names of the report.

    Where f has a kink within the step, an entry is neither right nor wrong. A report with such entries and no wrong
    ones is returned; its verdict is "inconclusive", and in a condition it is false.
    Raise GradcheckError, with the report as its `report`, if a gradient is wrong. Raise it also if f or its backward is
    not deterministic, or writes into its inputs. If f changes an array in place that a backward needs, the report names
    the array.
    """
    arrays = _arrays(inputs)
    names = _names(f, inputs, len(arrays))
    tape = watching.get()
    token = watching.set(None)
    try:
        result, cotangent = _checked(f, arrays, names, eps, atol, rtol, seed)
    finally:
        watching.reset(token)
    if tape is not None:
        _record(f, arrays, names, cotangent)
    if result.failed:
        raise GradcheckError(str(result), result)
    return result


def _checked(
    f: Callable[..., Tensor],
    arrays: list[np.ndarray],
    names: list[str],
    eps: float,
    atol: float,
    rtol: float,
    seed: int,
) -> tuple[GradcheckReport, np.ndarray]:
    """Return the report, with explanations of its errors, and its cotangent."""
    # A separate stream: inputs drawn from default_rng(seed) must not be equal to the cotangent.
    random = np.random.default_rng(seed).spawn(1)[0]
    y, gradients, cotangent = _analytic(f, arrays, names, random)
    differences = Differences(f, arrays, cotangent, eps)
    _repeats(differences.value, y.numpy())
    shown = _described(f, names, y)

    reports, evidences = [], []
    for number, (array, gradient) in enumerate(zip(arrays, gradients, strict=True)):
        analytic = np.zeros_like(array) if gradient is None else gradient
        report = InputReport(names[number], array.shape)
        evidences.append(_compare_entries(report, differences, number, analytic, atol, rtol, random))
        reports.append(report)
    result = GradcheckReport(reports, eps, str(y.dtype), shown, current_backend())
    _compare_ties(reports, differences, gradients, rtol)
    if result.failed:
        _explain(result, f, differences, gradients, evidences, atol, rtol)
    return result, cotangent


def _record(f: Callable[..., Tensor], arrays: list[np.ndarray], names: list[str], cotangent: np.ndarray) -> None:
    """Run one pass for an enclosing tape, which must show what was checked and not its thousand repetitions."""
    y = f(*(Tensor(a.copy(), requires_grad=True, name=name) for a, name in zip(arrays, names, strict=True)))
    if y.requires_grad:
        y.backward(cotangent.copy())


# --- the arguments -------------------------------------------------------------------------------------------------


def _arrays(inputs: Any) -> list[np.ndarray]:
    """Return copies of the inputs, which f cannot change for the caller. Raise InputError unless all are floats."""
    arrays = [i.data if isinstance(i, Tensor) else np.asarray(i) for i in _several(inputs)]
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
    return [array.copy() for array in arrays]


def _several(inputs: Any) -> Sequence[Any]:
    return inputs if isinstance(inputs, Sequence) and not isinstance(inputs, np.ndarray) else [inputs]


def _names(f: Callable[..., Tensor], inputs: Any, count: int) -> list[str]:
    """Return the name of each input in the report: the Tensor's own, or else f's parameter."""
    try:
        parameters = inspect.signature(f).parameters.values()
        called = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    except (TypeError, ValueError):  # some callables written in C have no signature
        called = []
    called += [f"input {number}" for number in range(len(called), count)]
    values = zip(_several(inputs), called, strict=False)
    return [(value.name if isinstance(value, Tensor) else None) or name for value, name in values]


def _described(f: Callable[..., Tensor], names: list[str], y: Tensor) -> str:
    """Return the call as text, such as conv(x, w; padding 1). The op of the result names an f without a name."""
    options: dict[str, Any] = {}
    while isinstance(f, functools.partial):
        options, f = {**f.keywords, **options}, f.func
    name = getattr(f, "__name__", "<lambda>")
    if name == "<lambda>":
        name = y._node.name if y._node is not None and len(nodes_of(y)) == 1 else "f"
    settings = ", ".join(f"{key} {value}" for key, value in options.items())
    return f"{name}({', '.join(names)}{'; ' * bool(settings)}{settings})"


# --- the analytic gradient -------------------------------------------------------------------------------------------


def _analytic(
    f: Callable[..., Tensor], arrays: list[np.ndarray], names: list[str], random: np.random.Generator
) -> tuple[Tensor, list[np.ndarray | None], np.ndarray]:
    """Return the result, the gradient of each input and their cotangent, after comparing two runs."""
    y, tensors = _forward(f, arrays)
    _unchanged("f writes into its input", tensors, arrays, names)
    cotangent = random.standard_normal(y.shape).astype(y.dtype)
    first, second = (_backward(f, arrays, names, cotangent, y) for _ in range(2))
    for name, one, other in zip(names, first, second, strict=True):
        both = one is not None and other is not None
        if not (np.array_equal(one, other, equal_nan=True) if both else one is other):  # type: ignore[arg-type]
            third = _backward(f, arrays, names, cotangent, y)[names.index(name)] if both else None
            grows = third is not None and np.allclose(third - other, other - one)  # type: ignore[operator]
            more = ": each call adds the same to the last one's (+= into an array that is kept)" if grows else ""
            raise GradcheckError(f"gradcheck: backward gave two gradients to {name} for the same inputs{more}")
    return y, first, cotangent


def _forward(f: Callable[..., Tensor], arrays: list[np.ndarray]) -> tuple[Tensor, list[Tensor]]:
    tensors = [Tensor(array.copy(), requires_grad=True) for array in arrays]
    y = f(*tensors)
    if not isinstance(y, Tensor):
        raise InputError(f"gradcheck: f returned {type(y).__name__}; expected a Tensor")
    return y, tensors


def _backward(
    f: Callable[..., Tensor], arrays: list[np.ndarray], names: list[str], cotangent: np.ndarray, before: Tensor
) -> list[np.ndarray | None]:
    y, tensors = _forward(f, arrays)
    _repeats(y.numpy(), before.numpy())
    given = cotangent.copy()
    if y.requires_grad:
        y.backward(given)
        _unchanged("backward writes into the input", tensors, arrays, names)
        if not np.array_equal(given, cotangent):
            raise GradcheckError(
                "gradcheck: backward writes into dy, which others may still need; write dy = dy * …, not dy *= …"
            )
    return [gradient_of(tensor) for tensor in tensors]


def _repeats(result: np.ndarray, before: np.ndarray) -> None:
    if not np.array_equal(result, before, equal_nan=True):
        raise GradcheckError("gradcheck: f gave two results for the same inputs; fix its random numbers with a seed")


def _unchanged(what: str, tensors: list[Tensor], arrays: list[np.ndarray], names: list[str]) -> None:
    for name, tensor, array in zip(names, tensors, arrays, strict=True):
        if not np.array_equal(tensor.numpy(), array, equal_nan=True):
            raise GradcheckError(f"gradcheck: {what} {name}; let it work on a copy")


# --- the comparison --------------------------------------------------------------------------------------------------


def _compare_entries(
    report: InputReport,
    differences: Differences,
    number: int,
    analytic: np.ndarray,
    atol: float,
    rtol: float,
    random: np.random.Generator,
) -> dict[Index, float]:
    """Fill in the report and return the difference at each checked entry."""
    numeric: dict[Index, float] = {}

    def compare(index: Index) -> None:
        found, value = differences.slopes(number, index), float(analytic[index])
        numeric[index] = found.central
        allowed = atol + rtol * abs(found.central)
        excess = abs(value - found.central) - allowed
        report.checked += 1
        if not excess <= 0:  # so written that NaN counts as wrong
            doubt = unsettled(differences, number, index, value, found, allowed)
            if doubt is not None:
                report.inconclusive.append(doubt)
                return
            report.wrong.append(index)
        if math.isnan(excess) or excess > report.worst_excess:
            report.worst = index, value, found.central
            report.worst_excess = math.inf if math.isnan(excess) else excess

    for index in _chosen(analytic, random):
        compare(index)
    if analytic.size > EVERY_ELEMENT:
        _compare_along(report, differences, number, analytic, atol, rtol, random)
        if not report.direction_ok and not report.wrong:
            index = _found_by_halving(differences, number, analytic, random)
            if index not in numeric:
                compare(index)
    settled = {index: n for index, n in numeric.items() if index not in {doubt.index for doubt in report.inconclusive}}
    if settled:
        errors = [abs(float(analytic[index]) - slope) for index, slope in settled.items()]
        report.worst_relative = max(errors) / max(max(map(abs, settled.values())), 1e-300) if max(errors) else 0.0
    return numeric


def _compare_ties(
    reports: list[InputReport], differences: Differences, gradients: list[np.ndarray | None], rtol: float
) -> None:
    """Move all entries at kinks together. Where that is smooth, as for equal largest ones, their gradients must add up.

    If they do not, the entries are wrong.
    """
    moves = [np.zeros_like(array) for array in differences.arrays]
    total = size = 0.0
    tied = [[doubt.index for doubt in report.inconclusive if doubt.why == "a kink"] for report in reports]
    for move, gradient, indices in zip(moves, gradients, tied, strict=True):
        for index in indices:
            move[index] = differences.eps
            total += 0.0 if gradient is None else float(gradient[index])
            size += 0.0 if gradient is None else abs(float(gradient[index]))
    if sum(map(len, tied)) < 2:
        return
    left, right = (differences.together(moves, sign) for sign in (-1, 1))
    limit = 10 * rtol * max(size, abs(left), abs(right))
    if abs(right - left) > limit / 2 or abs(total - right) <= limit or not math.isfinite(total + left + right):
        return
    text = f"ties: moved together, equal entries give the slope {right:.6g}, and their gradients add up to {total:.6g}"
    text += ": what they share is given to each, or to none"
    for number, (report, gradient, indices) in enumerate(zip(reports, gradients, tied, strict=True)):
        if indices and gradient is not None:
            report.wrong += indices
            report.inconclusive = [doubt for doubt in report.inconclusive if doubt.index not in indices]
            report.worst = indices[0], float(gradient[indices[0]]), differences.slopes(number, indices[0]).central
            report.findings = [Finding("ties", text)]


def _chosen(array: np.ndarray, random: np.random.Generator) -> list[Index]:
    """Return all indices of a small array; for a large one, an index drawn from each of as many equal runs."""
    if array.size <= EVERY_ELEMENT:
        flat = np.arange(array.size)
    else:
        edges = np.linspace(0, array.size, EVERY_ELEMENT // 10 + 1).astype(int)
        flat = random.integers(edges[:-1], edges[1:])
    return [_index(int(i), array) for i in flat]


def _index(flat: int, array: np.ndarray) -> Index:
    return tuple(map(int, np.unravel_index(flat, array.shape)))


def _compare_along(
    report: InputReport,
    differences: Differences,
    number: int,
    analytic: np.ndarray,
    atol: float,
    rtol: float,
    random: np.random.Generator,
) -> None:
    direction = random.standard_normal(analytic.shape).astype(analytic.dtype)
    report.direction = float(np.sum(analytic * direction)), differences.along(number, direction)
    scale = float(np.sqrt(np.sum(np.square(analytic * direction))))
    gap = abs(report.direction[0] - report.direction[1])
    report.direction_ok = gap <= atol + rtol * max(abs(report.direction[1]), scale)


def _found_by_halving(
    differences: Differences, number: int, analytic: np.ndarray, random: np.random.Generator
) -> Index:
    """Return a wrong element that the sample missed, by bisection towards the half with the larger error."""
    direction = random.standard_normal(analytic.size)
    low, high = 0, analytic.size
    while high - low > 1:
        middle = (low + high) // 2
        gaps = []
        for begin, end in ((low, middle), (middle, high)):
            part = np.zeros(analytic.size, analytic.dtype)
            part[begin:end] = direction[begin:end]
            part = part.reshape(analytic.shape)
            gap = abs(differences.along(number, part) - float(np.sum(analytic[part != 0] * part[part != 0])))
            gaps.append(math.inf if math.isnan(gap) else gap)
        low, high = (low, middle) if gaps[0] >= gaps[1] else (middle, high)
    return _index(low, analytic)


# --- the explanation -------------------------------------------------------------------------------------------------


def _explain(
    result: GradcheckReport,
    f: Callable[..., Tensor],
    differences: Differences,
    gradients: list[np.ndarray | None],
    evidences: list[dict[Index, float]],
    atol: float,
    rtol: float,
) -> None:
    accused = [number for number, report in enumerate(result.inputs) if report.wrong]
    changed = _changed_in_place(f, differences)
    for number in accused:
        report, numeric = result.inputs[number], evidences[number]
        if changed is not None:
            report.findings = [Finding("in place", changed)]
        elif report.findings:  # ties
            continue
        elif gradients[number] is None:
            report.findings = [_without_gradient(f, differences, number, report.name)]
        else:
            evidence = _evidence(result, differences, number, gradients, numeric, atol, rtol)
            report.findings = causes([evidence, *elsewhere(evidence, f, atol, rtol)], f)
        report.notes.append(_not_a_kink(differences, number, report, atol, rtol))
    if not accused or changed is not None:
        return
    first = result.inputs[accused[0]]
    assert first.worst is not None
    result.first_bad_backend = _first_bad_backend(f, differences, accused[0], first, atol, rtol)
    bad = result.first_bad_backend
    earlier = _before(bad)
    if earlier:
        result.notes.append(
            f"first bad backend: {bad} ({' and '.join(earlier)} pass{'es' * (len(earlier) == 1)}): compare the kernels"
        )
    else:
        result.notes.append(f"first bad backend: {bad}, the definition: the backward is wrong, not a kernel")
    result.notes.append("next: run it again, inside `with minicnn.record() as tape:`, and then")
    result.notes.append(f'      print(tape.why("{first.name}", {first.worst[0]}))')


def _changed_in_place(f: Callable[..., Tensor], differences: Differences) -> str | None:
    """Return the message on an array that f changes in place between forward and backward; None if there is none."""
    from minicnn.tape.changes import InPlaceError
    from minicnn.tape.recorder import Recorder

    try:
        with Recorder(backend=None):
            y, _ = _forward(f, differences.arrays)
            if y.requires_grad:
                y.backward(differences.cotangent.copy())
    except InPlaceError as found:
        return str(found).removeprefix("backward: ")
    except Exception:  # an error of the tape, such as its limit on size, must not fail the report
        return None
    return None


def _evidence(
    result: GradcheckReport,
    differences: Differences,
    number: int,
    gradients: list[np.ndarray | None],
    numeric: dict[Index, float],
    atol: float,
    rtol: float,
) -> Evidence:
    report, analytic = result.inputs[number], gradients[number]
    assert analytic is not None
    doubtful = {doubt.index for doubt in report.inconclusive}
    settled = sorted(index for index in numeric if index not in doubtful)
    wrong = set(report.wrong)
    slopes = np.array([numeric[index] for index in settled])
    flat = [int(np.ravel_multi_index(index, analytic.shape)) if index else 0 for index in settled]
    names = [found.name for found in result.inputs]
    return Evidence(
        name=report.name,
        x=differences.arrays[number],
        analytic=analytic,
        places=np.array(flat),
        numeric=slopes,
        allowed=atol + rtol * np.abs(slopes),
        wrong=np.array([index in wrong for index in settled]),
        y=differences.value,
        cotangent=differences.cotangent,
        others={
            name: array for i, (name, array) in enumerate(zip(names, differences.arrays, strict=True)) if i != number
        },
        differences=differences,
        number=number,
        gradients=gradients,
    )


def _without_gradient(f: Callable[..., Tensor], differences: Differences, number: int, name: str) -> Finding:
    tensors = [Tensor(array.copy(), requires_grad=True) for array in differences.arrays]
    y = f(*tensors)
    users = [node.name for node in nodes_of(y) if any(source is tensors[number] for source in node.inputs)]
    if users:
        return Finding("zeros", f"{name} gets no gradient: the backward of {', '.join(users)} returns None for it")
    return Finding(
        "zeros", f"{name} gets no gradient: the tape never saw it (.data, .detach() or no_grad() on the way)"
    )


def _not_a_kink(differences: Differences, number: int, report: InputReport, atol: float, rtol: float) -> str:
    """Return the difference at the worst entry for larger and smaller steps."""
    assert report.worst is not None
    index, _, numeric = report.worst
    steps = [differences.eps * factor for factor in (100, 10, 1, 0.1)]
    slopes = [differences.slopes(number, index, step) for step in steps]
    spread = max(abs(slope.central - numeric) for slope in slopes)
    if spread <= atol + rtol * abs(numeric):
        return f"not a kink: the numeric value is the same for h = {steps[0]:.0e} … {steps[-1]:.0e}"
    told = ", ".join(f"{slope.central:.4g}" for slope in slopes)
    return f"the numeric value is {told} for h = {', '.join(f'{step:.0e}' for step in steps)}: it depends on the step"


def _before(backend: str) -> tuple[str, ...]:
    """Return the backends that are simpler than this one."""
    names = backends()
    return names[: names.index(backend)] if backend in names else names


def _first_bad_backend(
    f: Callable[..., Tensor], differences: Differences, number: int, report: InputReport, atol: float, rtol: float
) -> str:
    """Return the simplest backend on which some of the wrong entries are wrong as well."""
    some = report.wrong[:: max(1, len(report.wrong) // 8)]
    for name in _before(current_backend()):
        with use_backend(name):
            y, tensors = _forward(f, differences.arrays)
            if y.requires_grad:
                y.backward(differences.cotangent.copy())
            gradient = gradient_of(tensors[number])
            there = Differences(f, differences.arrays, differences.cotangent, differences.eps)
            for index in some:
                numeric = there.slopes(number, index).central
                analytic = 0.0 if gradient is None else float(gradient[index])
                if not abs(analytic - numeric) <= atol + rtol * abs(numeric):
                    return name
    return current_backend()

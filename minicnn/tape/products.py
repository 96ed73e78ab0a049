"""The products that one use of a tensor adds to an element of its gradient.

For operations that multiply (convolution, matrix products, elementwise products) the rules below locate both factors.
For every other operation, its own backward is run. It is linear in its cotangent, so a cotangent that is zero except
in one element gives one product. Whole blocks are tried first, and only blocks with a nonzero result are halved.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from minicnn.graph import sum_to
from minicnn.kernels.geometry import slide

if TYPE_CHECKING:
    from minicnn.tape.recorder import Step

PROBES = 2000  # maximum number of backwards run to split one gradient

# Each element of the result depends on one element of each operand.
ELEMENTWISE = {
    *("add", "sub", "mul", "div", "neg", "power", "exp", "log", "sqrt", "abs", "square", "maximum", "minimum", "clip"),
    *("relu", "leaky_relu", "prelu", "sigmoid", "tanh", "softplus", "dropout", "residual"),
}


@dataclass(frozen=True)
class Product:
    """upstream · factor: the gradient of the step's output at `at`, times the derivative of y[at] by x[index].

    of, position: where the factor was read, as x[0, 1, 2, 0]; of is None if it is a slope that the op computed.
    at is None for the sum of many products that could not be split further.
    """

    value: float
    step: Step
    at: tuple[int, ...] | None
    upstream: float
    factor: float
    of: str | None = None
    position: tuple[int, ...] = ()


class Terms(NamedTuple):
    """The places of the products of a use: at (T, axes) in the output, and position (T, axes) in the array `of`.

    factors: (T,). of and position are None where the factor is not an element of an array.
    """

    at: np.ndarray
    factors: np.ndarray
    of: str | None = None
    position: np.ndarray | None = None


def of_use(step: Step, which: int, index: tuple[int, ...]) -> tuple[list[Product], int]:
    """Return the products that input number `which` of a step gets from it, and how many more are zero."""
    assert step.cotangent is not None
    terms = _terms(step, which, index)
    if terms is None:
        return _probed(step, which, index)
    upstream = step.cotangent[tuple(terms.at.T)].astype(np.float64)
    values = upstream * terms.factors
    found = []
    for i in np.flatnonzero(upstream):
        position = () if terms.position is None else tuple(terms.position[i].tolist())
        at, factor = tuple(terms.at[i].tolist()), float(terms.factors[i])
        found.append(Product(float(values[i]), step, at, float(upstream[i]), factor, terms.of, position))
    return found, len(values) - len(found)


def _terms(step: Step, which: int, index: tuple[int, ...]) -> Terms | None:
    """Return the terms by the op's rule; None if it has no rule."""
    rule = RULES.get(step.name)
    ours = getattr(step.op, "__module__", "").startswith("minicnn.")  # a user's own op may also be called conv
    if not ours:
        return None
    if rule is not None:
        return rule(step, which, index)
    return _elementwise(step, which, index) if step.name in ELEMENTWISE else None


# -- rules ------------------------------------------------------------------------------------------------------------


def _elementwise(step: Step, which: int, index: tuple[int, ...]) -> Terms:
    """Return the outputs to which the operand was broadcast; the slope is the gradient divided by the cotangent."""
    part, cotangent = step.unsummed[which], step.cotangent
    assert part is not None and cotangent is not None
    at = _copies(index, step.inputs[which].array.shape, cotangent.shape)
    places = tuple(at.T)
    came, gave = cotangent[places].astype(np.float64), np.broadcast_to(part, cotangent.shape)[places]
    return Terms(at, np.divide(gave, came, out=np.zeros(len(at)), where=came != 0))


def _mul(step: Step, which: int, index: tuple[int, ...]) -> Terms:
    """Return the terms of a product, whose factor is the other operand."""
    assert step.cotangent is not None
    at = _copies(index, step.inputs[which].array.shape, step.cotangent.shape)
    return _with_operand(step, 1 - which, at)


def _with_operand(step: Step, other: int, at: np.ndarray) -> Terms:
    """Return terms whose factors are read from the other operand, by the rules of broadcasting."""
    operand = step.inputs[other]
    axes = at[:, at.shape[1] - operand.array.ndim :]
    position = axes * (np.array(operand.array.shape, int) > 1)
    factors = operand.array[tuple(position.T)].astype(np.float64)
    return Terms(at, np.broadcast_to(factors, len(at)), operand.name, position)


def _copies(index: tuple[int, ...], shape: tuple[int, ...], wide: tuple[int, ...]) -> np.ndarray:
    """Return (T, axes): the positions to which broadcasting to the shape `wide` copies an element."""
    extra = len(wide) - len(shape)
    ranges = [np.arange(n) for n in wide[:extra]]
    ranges += [np.arange(w) if n == 1 else np.array([i]) for i, n, w in zip(index, shape, wide[extra:], strict=True)]
    return _grid(ranges)


def _grid(ranges: list[np.ndarray]) -> np.ndarray:
    """Return every choice of one number from each range, as rows."""
    return (
        np.stack([g.ravel() for g in np.meshgrid(*ranges, indexing="ij")], axis=1) if ranges else np.zeros((1, 0), int)
    )


def _matmul(step: Step, which: int, index: tuple[int, ...]) -> Terms | None:
    """Return the terms of y[…, m, n] = Σ_k x[…, m, k] w[…, k, n]; None unless all stacks have one shape."""
    x, w = (value.array for value in step.inputs)
    if w.ndim < 2 or x.shape[:-2] != w.shape[:-2]:
        return None
    *stack, row, column = index
    stacked = [np.array([i]) for i in stack]
    if which == 0:
        at = _grid([*stacked, np.array([row]), np.arange(w.shape[-1])])
        return _read(step, 1, at, np.column_stack([at[:, :-2], np.full(len(at), column), at[:, -1]]))
    at = _grid([*stacked, np.arange(x.shape[-2]), np.array([column])])
    return _read(step, 0, at, np.column_stack([at[:, :-1], np.full(len(at), row)]))


def _linear(step: Step, which: int, index: tuple[int, ...]) -> Terms | None:
    """Return the terms of y[…, j] = b[j] + Σ_k x[…, k] w[k, j], with any number of leading axes."""
    if which == 2:
        return _bias(step, index)
    x, w = (value.array for value in step.inputs[:2])
    if which == 0:
        at = _grid([*(np.array([i]) for i in index[:-1]), np.arange(w.shape[1])])
        return _read(step, 1, at, np.column_stack([np.full(len(at), index[-1]), at[:, -1]]))
    at = _grid([*(np.arange(n) for n in x.shape[:-1]), np.array([index[1]])])
    return _read(step, 0, at, np.column_stack([at[:, :-1], np.full(len(at), index[0])]))


def _conv(step: Step, which: int, index: tuple[int, ...]) -> Terms:
    """Return the terms of y[n, o, j] = b[j] + Σ_k Σ_c x[n, o · stride + k · dilation − before, c] w[k, c, j]."""
    if which == 2:
        return _bias(step, index)
    x, w = (value.array for value in step.inputs[:2])
    window, groups = window_of(step), step.arguments.get("groups", 1)
    channels, outputs = w.shape[-2], w.shape[-1] // groups
    if which == 1:
        *k, c, j = index
        at = _grid([np.arange(len(x)), *(np.arange(n) for n in window.output), np.array([j])])
        offset = np.array(k) * window.dilation - np.array(window.before)
        pixels = at[:, 1:-1] * window.stride + offset
        inside = np.all((pixels >= 0) & (pixels < x.shape[1:-1]), axis=1)
        channel = np.full((len(at), 1), j // outputs * channels + c)
        return _read(step, 0, at[inside], np.column_stack([at[:, :1], pixels, channel])[inside])
    n, *pixel, c = index
    group, c = divmod(c, channels)
    taps = _grid([np.arange(size) for size in window.size])
    ahead = np.array(pixel) + window.before - taps * window.dilation
    o = ahead // window.stride
    seen = np.all((ahead % window.stride == 0) & (o >= 0) & (o < window.output), axis=1)
    pairs = _grid([np.flatnonzero(seen), np.arange(group * outputs, (group + 1) * outputs)])
    tap, outputs_seen = pairs[:, 0], pairs[:, 1]
    alike = np.ones(len(pairs), int)
    at = np.column_stack([alike * n, o[tap], outputs_seen])
    return _read(step, 1, at, np.column_stack([taps[tap], alike * c, outputs_seen]))


def _bias(step: Step, index: tuple[int, ...]) -> Terms:
    """Return the terms of a bias, which is added to every position with the factor 1."""
    assert step.cotangent is not None
    at = _grid([*(np.arange(n) for n in step.cotangent.shape[:-1]), np.array(index)])
    return Terms(at, np.ones(len(at)))


def _read(step: Step, other: int, at: np.ndarray, position: np.ndarray) -> Terms:
    operand = step.inputs[other]
    return Terms(at, operand.array[tuple(position.T)].astype(np.float64), operand.name, position)


RULES: dict[str, Callable[[Step, int, tuple[int, ...]], Terms | None]] = {
    "conv": _conv,
    "linear": _linear,
    "matmul": _matmul,
    "mul": _mul,
}


def window_of(step: Step):
    """Return the Window that a recorded convolution slid over its input."""
    x, w = (value.array for value in step.inputs[:2])
    options = {key: step.arguments[key] for key in ("stride", "dilation", "padding") if key in step.arguments}
    return slide("conv", x.shape[1:-1], w.shape[:-2], **options)


# -- running the op's backward ----------------------------------------------------------------------------------------


def _probed(step: Step, which: int, index: tuple[int, ...]) -> tuple[list[Product], int]:
    """Return the products found by setting halves of the cotangent to zero while the gradient stays nonzero.

    Random weights prevent cancellation. A block that is still undivided after PROBES runs counts as one product.
    """
    cotangent = step.cotangent
    assert cotangent is not None
    weights = np.random.default_rng(0).uniform(0.5, 1.5, cotangent.shape).astype(cotangent.dtype)
    flat = np.flatnonzero(cotangent)
    probes = 0

    def through(places: np.ndarray, scale: np.ndarray | None = None) -> float:
        nonlocal probes
        probes += 1
        some = np.zeros_like(cotangent)
        some.flat[places] = cotangent.flat[places] if scale is None else (cotangent * scale).flat[places]
        part = step.run_backward(some)[which]
        assert part is not None
        return float(sum_to(part, step.inputs[which].array.shape)[index])

    found, waiting = [], [flat] if len(flat) else []
    while waiting:
        places = waiting.pop(0)  # largest first, so that undivided blocks are of similar size
        if len(places) > 1 and probes < PROBES:
            if through(places, weights) != 0:
                waiting += [half for half in np.array_split(places, 2) if len(half)]
            continue
        if (value := through(places)) == 0:
            continue
        if len(places) > 1:
            found.append(Product(value, step, None, 0.0, 0.0))
            continue
        upstream = float(cotangent.flat[places[0]])
        at = tuple(int(i) for i in np.unravel_index(places[0], cotangent.shape))
        found.append(Product(value, step, at, upstream, value / upstream))
    return found, 0

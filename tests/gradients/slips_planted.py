"""Operations as a learner writes them, and slips in their backward: what gradcheck has to name.

OPERATIONS: name: (forward, backward, draw of the inputs). BUGS: an operation, the slip in words, the backward with it,
the kinds that name it rightly, words that the finding must hold, the input that it spoils. AFTER: forty bugs written
after the rules had been frozen, from the names of the operations alone. HARD: inputs that hide much, or lie at kinks.
What the rules do not name has the kind "unknown".
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from minicnn.operation import op


def normal(*shapes):
    return lambda random: [random.standard_normal(shape) for shape in shapes]


def positive(*shapes):
    return lambda random: [random.uniform(0.5, 2, shape) for shape in shapes]


def apart(*shapes):
    """Draw values 0.1 apart, without 0."""
    return lambda random: [
        (random.permutation(np.prod(shape)).reshape(shape) - np.prod(shape) / 2 + 0.3) * 0.4 for shape in shapes
    ]


def sigma(x):
    return 1 / (1 + np.exp(-x))


def softmax(x):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def total(v):
    return v.sum(axis=1, keepdims=True)


def mean(v):
    return v.mean(axis=1, keepdims=True)


def length(x):
    return np.sqrt(total(x * x))


def spread(x):
    return x.std(axis=1, keepdims=True)


def centred(x):
    return x - mean(x)


def layer_norm_backward(dy, y, x, g, b):
    dz, z = dy * g, centred(x) / spread(x)
    return (dz - mean(dz) - z * mean(dz * z)) / spread(x), (dy * z).sum(axis=0), dy.sum(axis=0)


def batch_norm_backward(dy, y, x):
    return (dy - dy.mean(axis=0) - y * (dy * y).mean(axis=0)) / x.std(axis=0)


def slide(x, w):
    """x: (L,), w: (K,) -> (L - K + 1,)."""
    return sliding_window_view(x, len(w)) @ w


def windows(x):
    """(N, 8) -> (N, 4, 2)."""
    return x.reshape(len(x), -1, 2)


def largest(x):
    return windows(x) == windows(x).max(axis=2, keepdims=True)


def added_at(shape, index, dy):
    dx = np.zeros(shape)
    np.add.at(dx, index, dy)
    return dx


PICKED = np.array([2, 0, 2, 1])
LABELS = np.array([0, 3, 1])
TARGET = np.eye(4)[LABELS]


def strided(dy, x, w):
    dx = np.zeros_like(x)
    for o, g in enumerate(dy):
        dx[2 * o : 2 * o + 3] += g * w
    return dx


OPERATIONS: dict[str, tuple[Any, Any, Any]] = {
    "exp": (np.exp, lambda dy, y, x: dy * y, normal((3, 4))),
    "log": (np.log, lambda dy, y, x: dy / x, positive((3, 4))),
    "sqrt": (np.sqrt, lambda dy, y, x: dy / (2 * y), positive((3, 4))),
    "tanh": (np.tanh, lambda dy, y, x: dy * (1 - y**2), normal((3, 4))),
    "sigmoid": (sigma, lambda dy, y, x: dy * y * (1 - y), normal((3, 4))),
    "softplus": (lambda x: np.log1p(np.exp(x)), lambda dy, y, x: dy * sigma(x), normal((3, 4))),
    "softsign": (lambda x: x / (1 + np.abs(x)), lambda dy, y, x: dy / (1 + np.abs(x)) ** 2, apart((3, 4))),
    "silu": (lambda x: x * sigma(x), lambda dy, y, x: dy * (sigma(x) + x * sigma(x) * (1 - sigma(x))), normal((3, 4))),
    "relu6": (
        lambda x: np.clip(x, 0, 6),
        lambda dy, y, x: dy * ((x > 0) & (x < 6)),
        lambda r: [4 * apart((4, 5))(r)[0]],
    ),
    "arctan": (np.arctan, lambda dy, y, x: dy / (1 + x**2), normal((3, 4))),
    "mul": (lambda x, z: x * z, lambda dy, y, x, z: (dy * z, dy * x), normal((3, 4), (3, 4))),
    "div": (lambda x, z: x / z, lambda dy, y, x, z: (dy / z, -dy * x / z**2), positive((3, 4), (3, 4))),
    "power": (lambda x, z: x**z, lambda dy, y, x, z: (dy * z * y / x, dy * y * np.log(x)), positive((3, 4), (3, 4))),
    "maximum": (np.maximum, lambda dy, y, x, z: (dy * (x > z), dy * (x < z)), normal((3, 4), (3, 4))),
    "hypot": (np.hypot, lambda dy, y, x, z: (dy * x / y, dy * z / y), normal((3, 4), (3, 4))),
    "sum": (lambda x: x.sum(axis=1), lambda dy, y, x: np.broadcast_to(dy[:, None], x.shape), normal((3, 4))),
    "mean": (lambda x: x.mean(axis=1), lambda dy, y, x: np.broadcast_to(dy[:, None], x.shape) / 4, normal((3, 4))),
    "max": (lambda x: x.max(axis=1), lambda dy, y, x: dy[:, None] * (x == y[:, None]), apart((3, 4))),
    "var": (lambda x: x.var(axis=1), lambda dy, y, x: dy[:, None] * 2 * centred(x) / 4, normal((3, 4))),
    "norm": (lambda x: length(x)[:, 0], lambda dy, y, x: dy[:, None] * x / y[:, None], normal((3, 4))),
    "logsumexp": (lambda x: np.log(np.exp(x).sum(axis=1)), lambda dy, y, x: dy[:, None] * softmax(x), normal((3, 4))),
    "cumsum": (lambda x: x.cumsum(axis=1), lambda dy, y, x: dy[:, ::-1].cumsum(axis=1)[:, ::-1], normal((3, 5))),
    "prod": (lambda x: x.prod(axis=1), lambda dy, y, x: (dy * y)[:, None] / x, positive((3, 4))),
    "softmax": (softmax, lambda dy, y, x: y * (dy - total(dy * y)), normal((3, 4))),
    "log_softmax": (
        lambda x: np.log(softmax(x)),
        lambda dy, y, x: dy - np.exp(y) * total(dy),
        normal((3, 4)),
    ),
    "l2_normalize": (
        lambda x: x / length(x),
        lambda dy, y, x: (dy - y * total(dy * y)) / length(x),
        normal((3, 4)),
    ),
    "layer_norm": (lambda x, g, b: g * centred(x) / spread(x) + b, layer_norm_backward, normal((5, 6), (6,), (6,))),
    "batch_norm": (lambda x: (x - x.mean(axis=0)) / x.std(axis=0), batch_norm_backward, normal((6, 3))),
    "linear": (
        lambda x, w, b: x @ w + b,
        lambda dy, y, x, w, b: (dy @ w.T, x.T @ dy, dy.sum(axis=0)),
        normal((5, 3), (3, 3), (3,)),
    ),
    "bilinear": (
        lambda x, w, z: np.einsum("ni,ij,nj->n", x, w, z),
        lambda dy, y, x, w, z: (dy[:, None] * (z @ w.T), (dy[:, None] * x).T @ z, dy[:, None] * (x @ w)),
        normal((4, 3), (3, 3), (4, 3)),
    ),
    "conv": (
        slide,
        lambda dy, y, x, w: (slide(np.pad(dy, len(w) - 1), w[::-1]), slide(x, dy)),
        normal((9,), (3,)),
    ),
    "strided conv": (
        lambda x, w: slide(x, w)[::2],
        lambda dy, y, x, w: (
            strided(dy, x, w),
            np.array([x[k : k + 2 * len(dy) : 2][: len(dy)] @ dy for k in range(3)]),
        ),
        normal((9,), (3,)),
    ),
    "avg_pool": (lambda x: windows(x).mean(axis=2), lambda dy, y, x: np.repeat(dy / 2, 2, axis=1), normal((3, 8))),
    "max_pool": (
        lambda x: windows(x).max(axis=2),
        lambda dy, y, x: (dy[:, :, None] * largest(x)).reshape(x.shape),
        apart((3, 8)),
    ),
    "upsample": (lambda x: np.repeat(x, 2, axis=1), lambda dy, y, x: windows(dy).sum(axis=2), normal((3, 4))),
    "embedding": (lambda w: w[PICKED], lambda dy, y, w: added_at(w.shape, PICKED, dy), normal((4, 3))),
    "flip": (lambda x: x[:, ::-1].copy(), lambda dy, y, x: dy[:, ::-1], normal((3, 5))),
    "roll": (lambda x: np.roll(x, 1, axis=1), lambda dy, y, x: np.roll(dy, -1, axis=1), normal((3, 6))),
    "transpose": (lambda x: x.T.copy(), lambda dy, y, x: dy.T, normal((4, 4))),
    "gram": (lambda x: x.T @ x, lambda dy, y, x: x @ (dy + dy.T), normal((5, 3))),
    "mse": (
        lambda x, z: np.mean((x - z) ** 2),
        lambda dy, y, x, z: (dy * 2 * (x - z) / 12, -dy * 2 * (x - z) / 12),
        normal((3, 4), (3, 4)),
    ),
    "cross_entropy": (
        lambda x: -np.mean(np.log(softmax(x))[np.arange(3), LABELS]),
        lambda dy, y, x: dy * (softmax(x) - TARGET) / 3,
        normal((3, 4)),
    ),
}


ZEROS, ONES, PAIRS = np.zeros((3, 4)), np.ones((3, 4)), np.tile([1.0, -1.0], (3, 2))
HARD = [
    *((name, [values]) for name in ("exp", "tanh", "sigmoid", "softsign", "relu6") for values in (ZEROS, ONES, PAIRS)),
    *((name, [values]) for name in ("softmax", "log_softmax", "logsumexp", "cumsum") for values in (ZEROS, PAIRS)),
    ("hypot", [ONES, ONES]),
    ("norm", [PAIRS]),
    ("mul", [ZEROS, ONES]),
    ("var", [PAIRS]),
]


class Bug(NamedTuple):
    """op: of OPERATIONS. slip: in words. backward: with the slip. kinds: that name it rightly. says: words of it."""

    op: str
    slip: str
    backward: Any
    kinds: tuple[str, ...]
    says: tuple[str, ...] = ("",)
    accused: int = 0


def made(name, backward=None):
    """Return the operation, with another backward if given."""
    forward, right, _ = OPERATIONS[name]

    def function(*arrays):
        y = forward(*arrays)
        return y, lambda dy: (backward or right)(dy, y, *arrays)

    takes = {1: lambda x: function(x), 2: lambda x, z: function(x, z), 3: lambda x, w, z: function(x, w, z)}
    count = len(OPERATIONS[name][2](np.random.default_rng(0)))
    return op(takes[count])


BUGS = [
    Bug("exp", "x for y", lambda dy, y, x: dy * x, ("instead",), ("x stands where",)),
    Bug("log", "dy y", lambda dy, y, x: dy / y, ("instead",)),
    Bug(
        "log",
        "multiplied by x",
        lambda dy, y, x: dy * x,
        ("factor",),
        ("lacks the factor 1/x²", "x² too often", "x stands"),
    ),
    Bug("sqrt", "a 2 is missing", lambda dy, y, x: dy / y, ("ratio",), ("2.000",)),
    Bug(
        "sqrt",
        "x for y",
        lambda dy, y, x: dy / (2 * x),
        ("instead", "factor"),
        ("/x stands", "lacks the factor √x", "lacks the factor y", "/√x"),
    ),
    Bug(
        "tanh",
        "1 - y",
        lambda dy, y, x: dy * (1 - y),
        ("instead",),
        ("1 - y) stands where (1 - y²)", "1 - y stands where 1 - y² is due"),
    ),
    Bug("tanh", "x for y", lambda dy, y, x: dy * (1 - x**2), ("instead",), ("1 - x² stands",)),
    Bug("tanh", "1 + y²", lambda dy, y, x: dy * (1 + y**2), ("instead",), ("1 + y² stands",)),
    Bug("sigmoid", "y(1 - x)", lambda dy, y, x: dy * y * (1 - x), ("instead",), ("1 - x",)),
    Bug("sigmoid", "x(1 - x)", lambda dy, y, x: dy * x * (1 - x), ("instead",), ("x · (1 - x)",)),
    Bug("softplus", "y(1 - y) of sigmoid", lambda dy, y, x: dy * sigma(x) * (1 - sigma(x)), ("factor",)),
    Bug("softsign", "no square", lambda dy, y, x: dy / (1 + np.abs(x)), ("factor", "instead"), ("1 + |x|",)),
    Bug("silu", "only the first term", lambda dy, y, x: dy * sigma(x), ("term", "instead"), ("y/x", "sigmoid(x)")),
    Bug("silu", "only the second term", lambda dy, y, x: dy * x * sigma(x) * (1 - sigma(x)), ("term",), ("y/x",)),
    Bug("relu6", "no upper bound", lambda dy, y, x: dy * (x > 0), ("passed",), ("x ≥",)),
    Bug("div", "z for z²", lambda dy, y, x, z: (dy / z, -dy * x / z), ("factor",), ("z",), 1),
    Bug("div", "sign", lambda dy, y, x, z: (dy / z, dy * x / z**2), ("sign",), ("",), 1),
    Bug(
        "power",
        "log of z",
        lambda dy, y, x, z: (dy * z * y / x, dy * y * np.log(z)),
        ("instead",),
        ("log(z) stands where log(x)",),
        1,
    ),
    Bug("mul", "its own factor", lambda dy, y, x, z: (dy * x, dy * x), ("instead",), ("x stands where z",)),
    Bug("maximum", "the other mask", lambda dy, y, x, z: (dy * (x < z), dy * (x > z)), ("passed", "exchanged")),
    Bug(
        "mean", "no division", lambda dy, y, x: np.broadcast_to(dy[:, None], x.shape), ("ratio",), ("multiplied by 4",)
    ),
    Bug("max", "to all", lambda dy, y, x: np.broadcast_to(dy[:, None], x.shape), ("passed",)),
    Bug(
        "var",
        "x for x - mean",
        lambda dy, y, x: dy[:, None] * 2 * x / 4,
        ("instead", "term"),
        ("x stands where x - its mean",),
    ),
    Bug(
        "norm",
        "no division",
        lambda dy, y, x: dy[:, None] * x,
        ("factor",),
        ("lacks the factor 1/y", "y too often", "factor y"),
    ),
    Bug("cumsum", "no flip", lambda dy, y, x: dy.cumsum(axis=1), ("transpose", "kernel"), ("forwards",)),
    Bug("cumsum", "not flipped back", lambda dy, y, x: dy[:, ::-1].cumsum(axis=1), ("flip",)),
    Bug("prod", "times x", lambda dy, y, x: (dy * y)[:, None] * x, ("factor", "instead")),
    Bug(
        "softmax",
        "summed over the batch",
        lambda dy, y, x: y * (dy - (dy * y).sum(axis=0)),
        ("axis",),
        ("another axis",),
    ),
    Bug("softmax", "no sum", lambda dy, y, x: dy * y * (1 - y), ("sum",), ("own result",)),
    Bug("softmax", "no projection", lambda dy, y, x: dy * y, ("sum",), ("sum is missing",)),
    Bug("log_softmax", "y for exp(y)", lambda dy, y, x: dy - y * total(dy), ("term", "instead", "sum")),
    Bug("l2_normalize", "no projection", lambda dy, y, x: dy / length(x), ("sum",), ("projection",)),
    Bug(
        "batch_norm",
        "no mean of dy",
        lambda dy, y, x: (dy - y * (dy * y).mean(axis=0)) / x.std(axis=0),
        ("sum",),
        ("Σ dy",),
    ),
    Bug("batch_norm", "statistics as constants", lambda dy, y, x: dy / x.std(axis=0), ("sum",), ("Σ dy and Σ y · dy",)),
    Bug("linear", "w for w.T", lambda dy, y, x, w, b: (dy @ w, x.T @ dy, dy.sum(axis=0)), ("transpose",), (".T",)),
    Bug("conv", "w not flipped", lambda dy, y, x, w: (slide(np.pad(dy, 2), w), slide(x, dy)), ("kernel",)),
    Bug(
        "strided conv",
        "begins one late",
        lambda dy, y, x, w: (np.roll(strided(dy, x, w), 1), OPERATIONS["strided conv"][1](dy, y, x, w)[1]),
        ("shift",),
    ),
    Bug("embedding", "the last wins", lambda dy, y, w: _put(w.shape, dy), ("fan-out",), ("overwritten",)),
    Bug("flip", "not flipped", lambda dy, y, x: dy, ("flip",), ("reverse",)),
    Bug("gram", "one term", lambda dy, y, x: x @ dy, ("term", "fan-out", "sum")),
]


def _put(shape, dy):
    dx = np.zeros(shape)
    dx[PICKED] = dy
    return dx


def to_first(dy, y, x):
    """The first of each window."""
    dx = np.zeros_like(windows(x))
    dx[:, :, 0] = dy
    return dx.reshape(x.shape)


def without_border(dy, y, x, w):
    dx = slide(np.pad(dy, 2), w[::-1])
    dx[0] = dx[-1] = 0
    return dx, slide(x, dy)


BUGS += [
    Bug("exp", "x times the power before", lambda dy, y, x: dy * x * y, ("factor",), ("x too often",)),
    Bug("exp", "dy left out", lambda dy, y, x: y, ("cotangent",)),
    Bug("log", "sign of the reciprocal", lambda dy, y, x: -dy / x**2, ("factor", "instead"), ("x",)),
    Bug(
        "sqrt",
        "2y for 1/2y",
        lambda dy, y, x: dy * 2 * y,
        ("factor", "instead"),
        ("y² too often", "x too often", "dy · y", "√x"),
    ),
    Bug("tanh", "the square lost", lambda dy, y, x: dy * (1 - np.abs(y)), ("factor",), ("lacks the factor 1 + |y|",)),
    Bug("tanh", "of sigmoid", lambda dy, y, x: dy * y * (1 - y), ("instead", "factor"), ("y · (1 - y)",)),
    Bug("sigmoid", "of tanh", lambda dy, y, x: dy * (1 - y**2), ("instead",), ("(1 + y) · (1 - y)",)),
    Bug(
        "sigmoid",
        "sigmoid of the output",
        lambda dy, y, x: dy * sigma(y) * (1 - sigma(y)),
        ("instead",),
        ("output stands", "sigmoid(y)"),
    ),
    Bug(
        "softplus",
        "a sigmoid of -x",
        lambda dy, y, x: dy * sigma(-x),
        ("instead", "factor"),
        ("1 - sigmoid(x)", "exp(x)", "-x"),
    ),
    Bug(
        "softplus",
        "sigmoid of the output",
        lambda dy, y, x: dy * sigma(y),
        ("instead",),
        ("sigmoid(y) stands where sigmoid(x)", "output stands"),
    ),
    Bug("softsign", "no absolute value", lambda dy, y, x: dy / (1 + x) ** 2, ("instead",), ("1 + x",)),
    Bug(
        "silu",
        "of sigmoid",
        lambda dy, y, x: dy * sigma(x) * (1 - sigma(x)),
        ("instead", "term", "factor"),
        ("sigmoid",),
    ),
    Bug("relu6", "the bound at 1", lambda dy, y, x: dy * ((x > 0) & (x < 1)), ("zeros",), ("is zero",)),
    Bug(
        "arctan", "y for x", lambda dy, y, x: dy / (1 + y**2), ("instead",), ("(1 + y²)", "1/(1 + y²)", "output stands")
    ),
    Bug("arctan", "of arcsin", lambda dy, y, x: dy / np.sqrt(1 + x**2), ("factor",), ("1 + x²",)),
    Bug("mul", "sum for product", lambda dy, y, x, z: (dy, dy), ("factor",), ("lacks the factor z", "dy itself")),
    Bug(
        "mul", "the other's gradient added", lambda dy, y, x, z: (dy * z + dy * x, dy * x), ("term",), ("-1 · dy · x",)
    ),
    Bug("div", "quotient upside down", lambda dy, y, x, z: (dy / z, -dy * z / x**2), ("instead", "factor"), ("z",), 1),
    Bug("div", "only one of the two", lambda dy, y, x, z: (dy / z, 0 * z), ("zeros",), ("is zero",), 1),
    Bug(
        "power",
        "exponent not taken down",
        lambda dy, y, x, z: (dy * y / x, dy * y * np.log(x)),
        ("factor",),
        ("lacks the factor z",),
    ),
    Bug("power", "the same power", lambda dy, y, x, z: (dy * z * y, dy * y * np.log(x)), ("factor",), ("x too often",)),
    Bug("maximum", "half to each", lambda dy, y, x, z: (dy / 2, dy / 2), ("ratio",), ("each has ratio 0.5",)),
    Bug(
        "hypot",
        "the root forgotten",
        lambda dy, y, x, z: (dy * x / y**2, dy * z / y),
        ("factor",),
        ("lacks the factor y", "1/y too often"),
    ),
    Bug(
        "sum",
        "divided as a mean",
        lambda dy, y, x: np.broadcast_to(dy[:, None], x.shape) / 4,
        ("ratio",),
        ("divided by 4",),
    ),
    Bug(
        "mean",
        "divided by the rows",
        lambda dy, y, x: np.broadcast_to(dy[:, None], x.shape) / 3,
        ("ratio",),
        ("divided by 3",),
    ),
    Bug(
        "max",
        "to the smallest",
        lambda dy, y, x: dy[:, None] * (x == x.min(axis=1, keepdims=True)),
        ("instead",),
        ("smallest",),
    ),
    Bug("var", "n - 1", lambda dy, y, x: dy[:, None] * 2 * centred(x) / 3, ("ratio",), ("divided by 3",)),
    Bug(
        "norm",
        "length of the gradient",
        lambda dy, y, x: dy[:, None] * x / y[:, None] ** 2,
        ("factor",),
        ("lacks the factor y", "lacks the factor the length"),
    ),
    Bug("logsumexp", "not normalized", lambda dy, y, x: dy[:, None] * np.exp(x), ("factor",), ("exp(y)",)),
    Bug("logsumexp", "of the sum", lambda dy, y, x: np.broadcast_to(dy[:, None], x.shape), ("factor",), ("softmax",)),
    Bug(
        "cumsum",
        "each begins after itself",
        lambda dy, y, x: OPERATIONS["cumsum"][1](dy, y, x) - dy,
        ("sum", "shift", "fan-out"),
        ("own result", "shifted", "dy itself is missing"),
    ),
    Bug("softmax", "mean of dy", lambda dy, y, x: y * (dy - mean(dy * y)), ("ratio", "sum"), ("mean stands",)),
    Bug("softmax", "dy alone in the sum", lambda dy, y, x: y * (dy - total(dy)), ("instead",), ("1 stands where y",)),
    Bug("log_softmax", "dy minus the softmax", lambda dy, y, x: dy - np.exp(y), ("sum", "cotangent"), ("Σ dy",)),
    Bug(
        "l2_normalize",
        "length forgotten",
        lambda dy, y, x: dy - y * total(dy * y),
        ("factor",),
        ("length", "/y", "y/x", "x/y"),
    ),
    Bug(
        "layer_norm",
        "gain forgotten",
        lambda dy, y, x, g, b: layer_norm_backward(dy / g, y, x, g, b),
        ("factor",),
        ("lacks the factor w",),
    ),
    Bug(
        "layer_norm",
        "gain by the raw input",
        lambda dy, y, x, g, b: (layer_norm_backward(dy, y, x, g, b)[0], (dy * x).sum(axis=0), dy.sum(axis=0)),
        ("instead", "term"),
        ("x",),
        1,
    ),
    Bug(
        "linear",
        "filters' gradient transposed",
        lambda dy, y, x, w, b: (dy @ w.T, dy.T @ x, dy.sum(axis=0)),
        ("transpose",),
        ("transposed",),
        1,
    ),
    Bug("conv", "the border not reached", without_border, ("zeros",), ("its ends", "is zero")),
    Bug("max_pool", "to the first of each window", to_first, ("passed",), ("mask",)),
]

AFTER = [
    Bug("exp", "minus", lambda dy, y, x: -dy * y, ("sign",)),
    Bug("exp", "exp of the output", lambda dy, y, x: dy * np.exp(y), ("instead",), ("exp(y)", "output")),
    Bug("log", "slope left out", lambda dy, y, x: 1.0 * dy, ("factor",), ("x too often; due is dy/x",)),
    Bug("log", "base ten", lambda dy, y, x: dy / (x * np.log(10)), ("ratio",), ("0.434",)),
    Bug("sqrt", "of the input", lambda dy, y, x: dy * 0.5 * x, ("factor", "instead"), ("x",)),
    Bug(
        "sqrt",
        "root of the reciprocal twice",
        lambda dy, y, x: dy / (2 * np.sqrt(y)),
        ("factor", "instead"),
        ("√y", "y"),
    ),
    Bug("tanh", "of the argument, squared", lambda dy, y, x: dy * (1 - y) ** 2, ("instead", "factor"), ("(1 - y)²",)),
    Bug("tanh", "only the square", lambda dy, y, x: dy * y**2, ("instead", "term"), ("y²",)),
    Bug("sigmoid", "only the complement", lambda dy, y, x: dy * (1 - y), ("factor",), ("lacks the factor y",)),
    Bug("sigmoid", "plus", lambda dy, y, x: dy * y * (1 + y), ("instead",), ("1 + y stands where 1 - y",)),
    Bug("softplus", "the tangent", lambda dy, y, x: dy * np.tanh(x), ("unknown",)),
    Bug("softplus", "without its one", lambda dy, y, x: dy * np.exp(x), ("instead", "factor"), ("exp(x)", "exp(y)")),
    Bug("softsign", "sign for slope", lambda dy, y, x: dy * np.sign(x) / (1 + np.abs(x)) ** 2, ("sign",), ("x < 0",)),
    Bug("silu", "the output as slope", lambda dy, y, x: dy * y, ("instead",), ("dy · y",)),
    Bug("relu6", "no lower bound", lambda dy, y, x: dy * (x < 6), ("passed",), ("x < 0",)),
    Bug("arctan", "x not squared", lambda dy, y, x: dy / (1 + np.abs(x)), ("instead",), ("1 + |x|",)),
    Bug("mul", "both factors", lambda dy, y, x, z: (dy * y, dy * x), ("factor",), ("x too often",)),
    Bug("mul", "minus for the second", lambda dy, y, x, z: (dy * z, -dy * x), ("sign",), ("",), 1),
    Bug("div", "z on top", lambda dy, y, x, z: (dy * z, -dy * x / z**2), ("factor",), ("z² too often",)),
    Bug("div", "x left out", lambda dy, y, x, z: (dy / z, -dy / z**2), ("factor",), ("lacks the factor x",), 1),
    Bug("power", "the logarithm left out", lambda dy, y, x, z: (dy * z * y / x, dy * y), ("factor",), ("log(x)",), 1),
    Bug(
        "maximum",
        "masked by the second's sign",
        lambda dy, y, x, z: (dy * (x > z), dy * (z > 0)),
        ("passed",),
        ("mask",),
        1,
    ),
    Bug("hypot", "the other side", lambda dy, y, x, z: (dy * z / y, dy * z / y), ("instead",), ("z stands where x",)),
    Bug("sum", "row of the first", lambda dy, y, x: np.broadcast_to(dy[0], x.shape), ("unknown",)),
    Bug(
        "mean",
        "by all elements",
        lambda dy, y, x: np.broadcast_to(dy[:, None], x.shape) / 12,
        ("ratio",),
        ("divided by",),
    ),
    Bug("max", "shared by all", lambda dy, y, x: np.broadcast_to(dy[:, None], x.shape) / 4, ("unknown",)),
    Bug(
        "var",
        "as if it were the mean square",
        lambda dy, y, x: dy[:, None] * centred(x) / 4,
        ("ratio",),
        ("2 is forgotten",),
    ),
    Bug("norm", "of the squared length", lambda dy, y, x: dy[:, None] * x * 2 / y[:, None], ("ratio",), ("2.000",)),
    Bug("norm", "sign of x", lambda dy, y, x: dy[:, None] * np.sign(x), ("unknown",)),
    Bug("prod", "product of none", lambda dy, y, x: dy[:, None] / x, ("factor",), ("lacks the factor y",)),
    Bug(
        "softmax", "twice the projection", lambda dy, y, x: y * (dy - 2 * total(dy * y)), ("ratio",), ("counted twice",)
    ),
    Bug("softmax", "plus the projection", lambda dy, y, x: y * (dy + total(dy * y)), ("sign",), ("wrong sign",)),
    Bug("log_softmax", "mean for sum", lambda dy, y, x: dy - np.exp(y) * mean(dy), ("ratio",), ("mean stands",)),
    Bug(
        "l2_normalize",
        "divided twice",
        lambda dy, y, x: (dy - y * total(dy * y)) / length(x) ** 2,
        ("factor",),
        ("length",),
    ),
    Bug(
        "layer_norm",
        "offset by its mean",
        lambda dy, y, x, g, b: (*layer_norm_backward(dy, y, x, g, b)[:2], dy[0]),
        ("broadcast", "fan-out"),
        ("[0, :]",),
        2,
    ),
    Bug(
        "batch_norm",
        "variance as constant",
        lambda dy, y, x: (dy - dy.mean(axis=0)) / x.std(axis=0),
        ("sum",),
        ("Σ y · dy",),
    ),
    Bug(
        "linear",
        "offset of the last row",
        lambda dy, y, x, w, b: (dy @ w.T, x.T @ dy, dy[-1]),
        ("broadcast",),
        ("[4, :]",),
        2,
    ),
    Bug(
        "conv",
        "filters read in reverse",
        lambda dy, y, x, w: (slide(np.pad(dy, 2), w[::-1]), slide(x[::-1], dy)),
        ("kernel",),
        ("right for x reversed",),
        1,
    ),
    Bug("avg_pool", "sum of the window", lambda dy, y, x: np.repeat(dy, 2, axis=1), ("ratio",), ("2.000",)),
    Bug("upsample", "only the first copy", lambda dy, y, x: dy[:, ::2], ("fan-out",), ("first",)),
]

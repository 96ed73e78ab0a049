"""One row per corner of an op: points where its gradient is a convention or a limit, with the expected values.

cases.py avoids these points, because finite differences cannot judge them. The conventions are those of PyTorch, or
limits where PyTorch gives NaN; each is stated in the op's docstring. Tests hold every backend and PyTorch to the rows.
Inputs that are NaN are not corners: their results are NaN, and their gradients are unspecified.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from minicnn import ops

INF, NAN = float("inf"), float("nan")


@dataclass(frozen=True)
class Corner:
    """A corner of an op.

    op: the function's name in minicnn.ops. where: the corner in a few words. inputs: the differentiable inputs.
    result: the expected result. gradients: the expected ones of the sum of all results, per input.
    arguments, options: passed after the inputs.
    peer: False if PyTorch refuses the inputs or gives NaN for a limit that exists.
    """

    op: str
    where: str
    inputs: tuple[Any, ...]
    result: Any
    gradients: tuple[Any, ...]
    arguments: tuple = ()
    options: dict[str, Any] = field(default_factory=dict)
    peer: bool = True

    def __str__(self) -> str:
        return f"{self.op}-{self.where}".replace(" ", "-")

    def arrays(self) -> list[np.ndarray]:
        """Return the inputs as float64 arrays."""
        return [np.asarray(value, np.float64) for value in self.inputs]

    def function(self, *inputs: Any) -> Any:
        """Return the op's result for these inputs, with the arguments and options of the row."""
        function: Callable[..., Any] = getattr(ops, self.op)
        return function(*inputs, *self.arguments, **self.options)


def _pair(op: str, where: str, x: Any, y: Any, z: Any, dx: Any, dy: Any) -> Corner:
    return Corner(op, where, (x, y), z, (dx, dy))


def _one(op: str, where: str, x: Any, y: Any, dx: Any, *arguments: Any, **options: Any) -> Corner:
    return Corner(op, where, (x,), y, (dx,), arguments, options)


def _signal(*values: float) -> np.ndarray:
    """Return one signal of one channel, (1, L, 1)."""
    return np.array(values).reshape(1, -1, 1)


EMPTY_ROWS, NO_ROWS = np.zeros((3, 0)), np.zeros((0, 3))
LOG_2 = np.log(2)
ROOT = 1e6  # 1 / √eps, for the eps of l2_normalize

CORNERS: tuple[Corner, ...] = (
    _pair("div", "by zero", [1.0, -1, 0], [0.0, 0, 0], [INF, -INF, NAN], [INF, INF, INF], [-INF, INF, NAN]),
    _pair("div", "of zero", [0.0], [2.0], [0], [0.5], [0]),
    _one("power", "exponent 0", [-2.0, 0, 2, INF], [1.0, 1, 1, 1], [0.0, 0, 0, 0], 0),
    _one("power", "exponent 1", [-2.0, 0, 2], [-2.0, 0, 2], [1.0, 1, 1], 1),
    _one("power", "exponent 2", [-2.0, 0, 2], [4.0, 0, 4], [-4.0, 0, 4], 2.0),
    _one("power", "a root at 0", [0.0, 1], [0.0, 1], [INF, 0.5], 0.5),
    _one("power", "a negative exponent at 0", [0.0, 1], [INF, 1], [-INF, -1], -1),
    _one("power", "a root of a negative number", [-1.0], [NAN], [NAN], 0.5),
    _pair("power", "0 to the 0", [0.0], [0.0], [1], [0], [0]),
    _pair("power", "exponents at 0", [0.0, 0, 0], [0.5, 1, 2], [0.0, 0, 0], [INF, 1, 0], [0.0, 0, 0]),
    _pair("power", "negative exponents at 0", [0.0], [-2.0], [INF], [-INF], [-INF]),
    _pair("power", "exponents of a negative number", [-2.0, -2], [2.0, 3], [4.0, -8], [-4.0, 12], [NAN, NAN]),
    _one("exp", "infinities", [-INF, INF], [0, INF], [0, INF]),
    _one("log", "at 0", [0.0, INF], [-INF, INF], [INF, 0]),
    _one("log", "a negative number", [-2.0], [NAN], [-0.5]),
    _pair("mul", "0 times infinity", [0.0, INF], [INF, 1], [NAN, INF], [INF, 1], [0, INF]),
    _one("sqrt", "at 0", [0.0, INF], [0, INF], [INF, 0]),
    _one("sqrt", "a negative number", [-1.0], [NAN], [NAN]),
    _one("abs", "at 0", [-1.0, -0.0, 0, 1], [1.0, 0, 0, 1], [-1.0, 0, 0, 1]),
    _pair("maximum", "ties", [2.0, 2, 2, INF], [1.0, 2, 3, INF], [2, 2, 3, INF], [1, 0.5, 0, 0.5], [0, 0.5, 1, 0.5]),
    _pair("minimum", "ties", [2.0, 2, 2, -0.0], [1.0, 2, 3, 0], [1, 2, 2, 0], [0, 0.5, 1, 0.5], [1, 0.5, 0, 0.5]),
    _one("clip", "at its bounds", [-2.0, -1, 0, 2, 3], [-1.0, -1, 0, 2, 2], [0.0, 1, 1, 1, 0], -1, 2),
    _one("clip", "equal bounds", [0.0, 1, 2], [1.0, 1, 1], [0.0, 1, 0], 1, 1),
    _one("sum", "an empty axis", EMPTY_ROWS, [0.0, 0, 0], EMPTY_ROWS, axis=1),
    _one("sum", "no elements", NO_ROWS, 0.0, NO_ROWS),
    _one("mean", "an empty axis", EMPTY_ROWS, [NAN, NAN, NAN], EMPTY_ROWS, axis=1),
    _one("mean", "no elements", NO_ROWS, NAN, NO_ROWS),
    _one("max", "ties", [3.0, 1, 3, 3], 3.0, [1 / 3, 0, 1 / 3, 1 / 3]),
    _one("max", "ties along an axis", [[2.0, 2], [-0.0, 0], [1, -INF]], [2.0, 0, 1], [[0.5] * 2, [0.5] * 2, [1, 0]], 1),
    _one("max", "no rows", NO_ROWS, np.zeros(0), NO_ROWS, axis=1),
    _one("min", "ties", [3.0, 1, 1, 3], 1.0, [0, 0.5, 0.5, 0]),
    _one("min", "no rows", NO_ROWS, np.zeros(0), NO_ROWS, axis=1),
    _one("norm", "zeros", [[0.0, 0], [3, 4]], [0, 5], [[0, 0], [0.6, 0.8]], axis=1),
    _one("norm", "no elements", NO_ROWS, 0.0, NO_ROWS),
    _one("std", "equal elements", [[2.0, 2], [0, 2]], [0, 1], [[0, 0], [-0.5, 0.5]], axis=1),
    _one("std", "no elements", NO_ROWS, NAN, NO_ROWS),
    _one("log_softmax", "a logit of minus infinity", [-INF, 0.0, 0], [-INF, -LOG_2, -LOG_2], [1.0, -0.5, -0.5]),
    _one("log_softmax", "all minus infinity", [-INF, -INF], [NAN, NAN], [NAN, NAN]),
    _one("log_softmax", "an empty axis", EMPTY_ROWS, EMPTY_ROWS, EMPTY_ROWS),
    _one("softmax", "a logit of minus infinity", [-INF, 0, 0], [0, 0.5, 0.5], [0.0, 0, 0]),
    _one("softmax", "all minus infinity", [-INF, -INF], [NAN, NAN], [NAN, NAN]),
    _one("softmax", "a logit of infinity", [INF, 0], [NAN, NAN], [NAN, NAN]),
    _one("softmax", "an empty axis", EMPTY_ROWS, EMPTY_ROWS, EMPTY_ROWS),
    _one("relu", "at 0", [-INF, -1, -0.0, 0, 1, INF], [0, 0, 0, 0, 1, INF], [0.0, 0, 0, 0, 1, 1]),
    _one("leaky_relu", "at 0", [-1.0, -0.0, 0, 1], [-0.5, 0, 0, 1], [0.5, 0.5, 0.5, 1], 0.5),
    Corner("prelu", "at 0", ([[-1.0], [-0.0], [0], [1]], [0.5]), [[-0.5], [0], [0], [1]], ([[0.5]] * 3 + [[1]], [-1])),
    Corner(
        "residual",
        "at 0",
        ([-1.0, 0, -1, 2], [1.0, 0, -1, 1]),
        [0, 0, 0, 3],
        ([0, 0, 0, 1], [0, 0, 0, 1]),
        options={"activation": "relu"},
    ),
    _one("sigmoid", "infinities", [-INF, -1000, 1000, INF], [0, 0, 1, 1], [0.0, 0, 0, 0]),
    _one("tanh", "infinities", [-INF, -1000, 1000, INF], [-1, -1, 1, 1], [0.0, 0, 0, 0]),
    _one("softplus", "infinities", [-INF, -1000, 1000, INF], [0, 0, 1000, INF], [0.0, 0, 1, 1]),
    Corner("matmul", "no inner axis", (EMPTY_ROWS, EMPTY_ROWS.T), np.zeros((3, 3)), (EMPTY_ROWS, EMPTY_ROWS.T)),
    Corner(
        "linear",
        "no features",
        (EMPTY_ROWS, np.zeros((0, 2)), [1.0, 2]),
        [[1.0, 2]] * 3,
        (EMPTY_ROWS, np.zeros((0, 2)), [3, 3]),
    ),
    Corner(
        "linear",
        "no rows",
        (NO_ROWS, np.ones((3, 2)), [1.0, 2]),
        np.zeros((0, 2)),
        (NO_ROWS, np.zeros((3, 2)), [0, 0]),
    ),
    Corner(
        "conv",
        "relu at 0",
        (_signal(-1, 0, 1), [[[1.0]]], [0.0]),
        _signal(0, 0, 1),
        (_signal(0, 0, 1), [[[1]]], [1]),
        options={"activation": "relu"},
    ),
    _one("max_pool", "ties", _signal(1, 1, 0, -0.0, 2, 3), _signal(1, 0, 3), _signal(1, 0, 1, 0, 0, 1), 2),
    _one("max_pool", "minus infinity", _signal(-INF, -INF), _signal(-INF), _signal(1, 0), 2),
    _one("max_pool", "padding beside", _signal(-INF, -1), _signal(-INF, -1), _signal(1, 1), 2, padding=1),
    _one("l2_pool", "zeros", _signal(0, 0, 3, 4), _signal(0, 5), _signal(0, 0, 0.6, 0.8), 2),
    Corner(
        "batch_norm",
        "a constant channel",
        ([[2.0], [2]], [3.0], [1.0]),
        [[1], [1]],
        ([[0], [0]], [0], [2]),
        ([0.0], [1.0]),
        {"eps": 0.25, "training": True},
    ),
    Corner(
        "batch_norm",
        "one row",
        ([[2.0]], [3.0], [1.0]),
        [[1]],
        ([[0]], [0], [1]),
        ([0.0], [1.0]),
        {"eps": 0.25, "training": True},
        peer=False,
    ),
    _one("l2_normalize", "a zero vector", [[0.0, 0], [3, 4]], [[0, 0], [0.6, 0.8]], [[ROOT, ROOT], [0.032, -0.024]]),
    _one("cross_entropy", "minus infinity elsewhere", [[0, -INF]], 0.0, [[0.0, 0]], [0]),
    _one("cross_entropy", "minus infinity at the label", [[0, -INF]], INF, [[1.0, -1]], [1]),
    _one("cross_entropy", "all minus infinity", [[-INF, -INF]], NAN, [[NAN, NAN]], [0]),
    _one("binary_cross_entropy", "certain and wrong", [INF], INF, [1], [0]),
    Corner("binary_cross_entropy", "certain and right", ([-INF, INF],), 0.0, ([0, 0],), ([0, 1],), peer=False),
    Corner("binary_cross_entropy", "sure of nothing", ([-INF],), INF, ([-1],), ([1],), peer=False),
    Corner(
        "pairwise_distances",
        "distance 0",
        ([[1.0, 2]], [[1.0, 2], [4, 6]]),
        [[0, 5]],
        ([[-0.6, -0.8]], [[0, 0], [0.6, 0.8]]),
        options={"squared": False},
    ),
)
# Ops that are linear or smooth wherever they are defined, and whose empty inputs are refused or pass through.
SMOOTH = frozenset(
    {
        *("add", "sub", "neg", "square", "reshape", "transpose", "concat", "pad", "getitem", "flatten", "dropout"),
        *("locally_connected", "avg_pool", "local_response_norm", "gram_matrix", "mean_squared_error", "var"),
        *("expand_dims", "squeeze", "stack", "where"),
    }
)

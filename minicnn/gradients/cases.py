"""One row per op: the inputs on which its gradient is checked, away from points without a gradient.

A test fails for any public differentiable function without a row, and for any row on which a zero or a scaled gradient
would pass. To add an op, add its function and its row.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from minicnn import ops

Draw = Callable[[np.random.Generator], tuple[np.ndarray, ...]]


@dataclass(frozen=True)
class OpCase:
    """One row: an op and the inputs on which its gradient is checked.

    op: the function's name in minicnn.ops. draw: returns its differentiable inputs, float64, from a generator.
    arguments: positional, after the inputs; options: keyword arguments. name: distinguishes the rows of one op.
    call: adapts the inputs for an op that does not take them one by one.
    """

    op: str
    draw: Draw
    arguments: tuple = ()
    options: dict[str, Any] = field(default_factory=dict)
    name: str = ""
    call: Callable[..., Any] | None = None

    def __str__(self) -> str:
        return f"{self.op}-{self.name}" if self.name else self.op

    def function(self, *inputs: Any) -> Any:
        """Return the op's result for these inputs, with the row's arguments and options."""
        return (self.call or getattr(ops, self.op))(*inputs, *self.arguments, **self.options)


def normal(*shapes: tuple[int, ...]) -> Draw:
    """Return a draw of standard normal arrays."""
    return lambda random: tuple(random.standard_normal(s) for s in shapes)


def positive(*shapes: tuple[int, ...]) -> Draw:
    """Return a draw between 0.5 and 2: inside the domain of log, sqrt, division and powers."""
    return lambda random: tuple(random.uniform(0.5, 2, s) for s in shapes)


def distinct(*shapes: tuple[int, ...]) -> Draw:
    """Return a draw of shuffled values 0.1 apart that avoid 0: no ties and no kinks within a finite difference."""

    def draw(random: np.random.Generator) -> tuple[np.ndarray, ...]:
        total = sum(int(np.prod(s)) for s in shapes)
        ladder = random.permutation((np.arange(total) - total / 2 + 0.25) * 0.1)
        pieces = np.split(ladder, np.cumsum([int(np.prod(s)) for s in shapes])[:-1])
        return tuple(p.reshape(s) for p, s in zip(pieces, shapes, strict=True))

    return draw


def _concat(*parts: Any) -> Any:
    return ops.concat(parts, axis=1)


def _stack(*parts: Any) -> Any:
    return ops.stack(parts, axis=1)


def _where(x: Any, y: Any) -> Any:
    return ops.where(np.arange(24).reshape(3, 2, 4) % 3 == 0, x, y)


def _normalization(random: np.random.Generator) -> tuple[np.ndarray, ...]:
    x, gamma, beta, mean = (random.standard_normal(s) for s in ((2, 3, 2, 4), (4,), (4,), (4,)))
    return x, gamma, beta, mean, random.uniform(0.5, 2, 4)


CASES: tuple[OpCase, ...] = (
    OpCase("add", normal((3, 1, 4), (2, 4)), name="broadcast"),
    OpCase("sub", normal((3, 1, 4), (2, 4)), name="broadcast"),
    OpCase("mul", normal((3, 1, 4), (2, 4)), name="broadcast"),
    OpCase("div", positive((3, 1, 4), (2, 4)), name="broadcast"),
    OpCase("neg", normal((3, 4))),
    OpCase("power", positive((3, 1, 4), (2, 4)), name="broadcast"),
    OpCase("power", normal((3, 4)), (3,), name="cube"),
    OpCase("exp", normal((3, 4))),
    OpCase("log", positive((3, 4))),
    OpCase("sqrt", positive((3, 4))),
    OpCase("abs", distinct((3, 4))),
    OpCase("square", normal((3, 4))),
    OpCase("maximum", distinct((3, 4), (3, 4))),
    OpCase("minimum", distinct((3, 4), (3, 4))),
    OpCase("clip", distinct((3, 4)), (-0.33, 0.33)),
    OpCase("sum", normal((3, 4, 2)), options={"axis": (0, -1)}, name="axes"),
    OpCase("sum", normal((3, 4)), name="all"),
    OpCase("mean", normal((3, 4, 2)), options={"axis": 1, "keepdims": True}, name="kept"),
    OpCase("mean", normal((3, 4)), name="all"),
    OpCase("max", distinct((3, 4, 2)), options={"axis": 1}, name="axis"),
    OpCase("max", distinct((3, 4)), name="all"),
    OpCase("min", distinct((3, 4, 2)), options={"axis": (0, 2)}, name="axes"),
    OpCase("norm", normal((3, 4, 2)), options={"axis": (0, -1)}, name="axes"),
    OpCase("norm", normal((3, 4)), name="all"),
    OpCase("var", normal((3, 4, 2)), options={"axis": 1}, name="axis"),
    OpCase("std", normal((3, 4, 2)), options={"axis": 1, "keepdims": True}, name="kept"),
    OpCase("where", normal((3, 1, 4), (2, 4)), call=_where),
    OpCase("reshape", normal((3, 4)), ((2, -1),)),
    OpCase("transpose", normal((3, 4, 2)), ((2, 0, 1),)),
    OpCase("concat", normal((2, 3), (2, 1), (2, 2)), call=_concat),
    OpCase("stack", normal((2, 3), (2, 3)), call=_stack),
    OpCase("expand_dims", normal((3, 4)), ((0, -1),)),
    OpCase("squeeze", normal((3, 1, 4, 1))),
    OpCase("pad", normal((3, 4)), (((1, 0), (2, 3)),)),
    OpCase("getitem", normal((3, 4)), ((slice(None), slice(None, None, -2)),), name="slice"),
    OpCase("getitem", normal((3, 4)), ((slice(1, None), np.array([0, 2, 0])),), name="repeated"),
    OpCase("flatten", normal((2, 3, 2))),
    OpCase("matmul", normal((3, 4), (4, 2))),
    OpCase("matmul", normal((2, 1, 3, 4), (3, 4, 2)), name="stacked"),
    OpCase("matmul", normal((4,), (3, 4, 2)), name="vector"),
    OpCase("matmul", normal((2, 3, 4), (4,)), name="by-vector"),
    OpCase("matmul", normal((4,), (4,)), name="vectors"),
    OpCase("linear", normal((2, 3, 4), (4, 5), (5,))),
    OpCase("relu", distinct((3, 4))),
    OpCase("leaky_relu", distinct((3, 4)), (0.1,)),
    OpCase("prelu", lambda random: (*distinct((2, 3, 4))(random), random.uniform(0.1, 0.5, 4))),
    OpCase("residual", normal((2, 3, 4), (2, 3, 4)), options={"scale": 0.17}, name="linear"),
    OpCase("residual", distinct((3, 4), (3, 4)), options={"scale": 0.5, "activation": "relu"}, name="relu"),
    OpCase("sigmoid", normal((3, 4))),
    OpCase("tanh", normal((3, 4))),
    OpCase("softplus", normal((3, 4))),
    OpCase("softmax", normal((3, 4, 2)), options={"axis": 1}),
    OpCase("log_softmax", normal((3, 4, 2)), options={"axis": 1}),
    OpCase("dropout", normal((5, 8)), (0.5,), {"seed": 1}),
    OpCase("conv", normal((2, 9, 2), (3, 2, 4), (4,)), options={"stride": 2, "padding": ((1, 2),)}, name="1d"),
    OpCase("conv", normal((2, 6, 5, 3), (3, 2, 3, 4), (4,)), options={"padding": "same"}, name="2d"),
    OpCase("conv", normal((1, 7, 6, 2), (3, 3, 2, 3)), options={"stride": (2, 3), "padding": (1, 2)}, name="strided"),
    OpCase("conv", normal((1, 8, 7, 2), (3, 2, 2, 3)), options={"dilation": (2, 3), "stride": 2}, name="dilated"),
    OpCase("conv", normal((2, 5, 4, 4), (2, 3, 2, 6), (6,)), options={"groups": 2, "padding": 1}, name="grouped"),
    OpCase("conv", normal((2, 4, 3, 3), (1, 1, 3, 5), (5,)), name="1x1"),
    OpCase("conv", normal((1, 5, 5, 2), (3, 3, 2, 3), (3,)), options={"activation": "relu"}, name="relu"),
    OpCase("conv", normal((1, 5, 7, 2), (3, 3, 2, 3), (3,)), (), {"activation": "relu", "pool": "avg"}, "relu-avg"),
    OpCase("conv", normal((2, 4, 6, 2), (3, 3, 2, 3), (3,)), (), {"padding": 1, "pool": "avg"}, "avg"),
    OpCase("conv", normal((1, 4, 5, 3, 2), (2, 3, 2, 2, 3), (3,)), options={"padding": 1}, name="3d"),
    OpCase("locally_connected", normal((2, 7, 2), (3, 3, 2, 2), (3, 2)), options={"stride": 2}, name="1d"),
    OpCase("locally_connected", normal((2, 3, 3, 2), (2, 2, 2, 2, 2, 2), (2, 2, 2)), name="2d"),
    OpCase("locally_connected", normal((1, 6, 4, 1), (2, 2, 3, 2, 1, 2)), options={"stride": (3, 2)}, name="strided"),
    OpCase("locally_connected", normal((1, 2, 3, 2, 2), (1, 2, 1, 2, 2, 2, 2, 1), (1, 2, 1, 1)), name="3d"),
    OpCase("max_pool", distinct((2, 7, 2)), (3,), {"stride": 2, "padding": 1}, name="1d"),
    OpCase("max_pool", distinct((2, 6, 5, 2)), (2,), name="2d"),
    OpCase("max_pool", distinct((1, 7, 7, 2)), ((3, 2),), {"stride": 1, "padding": (1, 0)}, name="overlapping"),
    OpCase("max_pool", distinct((1, 4, 5, 4, 2)), (2,), {"padding": "same"}, name="3d"),
    OpCase("avg_pool", normal((2, 7, 2)), (3,), {"stride": 2, "padding": 1}, name="1d"),
    OpCase("avg_pool", normal((2, 6, 5, 2)), (2,), name="2d"),
    OpCase("avg_pool", normal((1, 7, 6, 2)), (3,), {"padding": 1, "count_include_pad": True}, name="counted"),
    OpCase("avg_pool", normal((1, 4, 5, 4, 2)), (2,), {"padding": "same"}, name="3d"),
    OpCase("l2_pool", distinct((2, 7, 2)), (3,), {"stride": 2, "padding": 1}, name="1d"),
    OpCase("l2_pool", distinct((2, 6, 5, 2)), (3,), name="2d"),
    OpCase("l2_pool", distinct((1, 7, 6, 2)), ((3, 2),), {"stride": 1, "padding": (1, 0)}, name="overlapping"),
    OpCase("l2_pool", distinct((1, 4, 5, 4, 2)), (2,), {"padding": "same"}, name="3d"),
    OpCase("batch_norm", _normalization, options={"eps": 1e-3}, name="inference"),
    OpCase("batch_norm", _normalization, options={"eps": 1e-3, "activation": "relu"}, name="inference-relu"),
    OpCase("batch_norm", _normalization, options={"eps": 1e-3, "training": True}, name="training"),
    OpCase("batch_norm", _normalization, (), {"eps": 1e-3, "training": True, "activation": "relu"}, "training-relu"),
    OpCase("local_response_norm", normal((2, 3, 2, 7)), (), {"size": 5, "alpha": 0.7, "beta": 0.75, "k": 1.5}),
    OpCase("local_response_norm", normal((3, 7)), (), {"size": 4, "alpha": 0.7, "beta": 1.2, "k": 0.5}, name="even"),
    OpCase("local_response_norm", normal((3, 2)), (), {"size": 9, "alpha": 0.7, "beta": 0.5, "k": 2}, name="wide"),
    OpCase("l2_normalize", normal((3, 4)), options={"axis": 1}),
    OpCase("cross_entropy", normal((4, 5)), (np.array([0, 4, 2, 2]),)),
    OpCase("cross_entropy", normal((4, 5)), (np.array([0, 4, 2, 2]),), {"smoothing": 0.2}, name="smoothed"),
    OpCase("binary_cross_entropy", normal((4, 3)), (np.linspace(0, 1, 12).reshape(4, 3),)),
    OpCase("mean_squared_error", normal((3, 4), (4,)), name="broadcast"),
    OpCase("gram_matrix", normal((2, 3, 4, 5))),
    OpCase("pairwise_distances", normal((3, 4), (5, 4)), options={"squared": True}, name="squared"),
    OpCase("pairwise_distances", normal((3, 4), (5, 4)), options={"squared": False}, name="plain"),
)

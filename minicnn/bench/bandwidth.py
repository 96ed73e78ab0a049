"""Memory-bound operations and their gradients, compared with copying: pools, batch normalization and ReLU."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from minicnn import ops
from minicnn.bench import limits, operations
from minicnn.bench.operations import Operation
from minicnn.bench.plan import Plan, Section
from minicnn.bench.report import Row

EPS = 1e-3

# name: (operation, number of reads and writes of an array of x's size: forward, gradient). A 2×2 pool's output is a
# quarter of x. Batch normalization in training needs one more pass for the statistics, and its gradient for the sums.
Kind = tuple[Callable[..., Any], Callable[..., Any], float, float]
KINDS: dict[str, Kind] = {
    "max_pool 2×2": (lambda x: ops.max_pool(x, 2), lambda f, x: f.max_pool2d(x, 2), 1.25, 1.25),
    "avg_pool 2×2": (lambda x: ops.avg_pool(x, 2), lambda f, x: f.avg_pool2d(x, 2), 1.25, 1.25),
    "relu": (ops.relu, lambda f, x: f.relu(x), 2, 2),
    "batch_norm, training": (
        lambda x, gamma, beta, mean, variance: ops.batch_norm(x, gamma, beta, mean, variance, eps=EPS, training=True),
        lambda f, x, gamma, beta, *_: f.batch_norm(x, None, None, gamma, beta, training=True, eps=EPS),
        3,
        5,
    ),
    "batch_norm, inference": (
        lambda x, gamma, beta, mean, variance: ops.batch_norm(x, gamma, beta, mean, variance, eps=EPS),
        lambda f, x, gamma, beta, mean, variance: f.batch_norm(x, mean, variance, gamma, beta, eps=EPS),
        2,
        2,
    ),
}


def section(plan: Plan) -> Section:
    """Return the rows in GB/s, counting each necessary read and write once."""
    shape = (2, 64, 64, 32) if plan.quick else (8, 128, 128, 64)
    measurements: list[tuple[str, Callable[[], Row]]] = [("copying", partial(limits.copying, plan))]
    for name in KINDS:
        for direction in ("forward", "gradient"):
            measurements.append((f"{name} {direction}", partial(measure, plan, name, shape, direction)))
    return Section(f"Memory-bound ops, {'×'.join(map(str, shape))}", measurements, limit="of copy")


def measure(plan: Plan, name: str, shape: tuple[int, ...], direction: str) -> Row:
    """Measure one operation or its gradient."""
    ours, theirs, *passes = KINDS[name]
    forward = direction == "forward"

    def operation() -> Operation:
        random = np.random.default_rng(0)
        x = random.standard_normal(shape, np.float32)
        vectors = tuple(random.random((4, shape[-1]), np.float32) + np.float32(0.5)) if "norm" in name else ()
        return Operation(ours, theirs, x, vectors)

    return (operations.forward if forward else operations.gradient)(
        plan,
        f"{name}, {direction}",
        operation,
        unit="GB/s",
        amount=4 * np.prod(shape) * passes[0 if forward else 1],
        limit=limits.copying(plan).minicnn,
    )

"""Convolutions of other shapes than VGG's, with gradients to input and filters."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from minicnn import ops
from minicnn.bench import limits, operations
from minicnn.bench.operations import Operation
from minicnn.bench.plan import Plan, Section
from minicnn.bench.report import Row
from minicnn.kernels.geometry import slide


@dataclass(frozen=True)
class Shape:
    """A convolution of `batch` inputs of `spatial` size, padded so that stride 1 keeps the size."""

    name: str
    batch: int
    spatial: tuple[int, ...]
    kernel: tuple[int, ...]
    in_channels: int
    out_channels: int
    stride: int = 1
    dilation: int = 1

    @property
    def options(self) -> dict[str, Any]:
        """The stride, dilation and padding, as both libraries take them."""
        padding = tuple(k // 2 * self.dilation for k in self.kernel)
        return {"stride": self.stride, "dilation": self.dilation, "padding": padding}

    @property
    def flops(self) -> int:
        """The number of operations of one direct convolution."""
        window = slide("bench", self.spatial, self.kernel, **self.options)
        return 2 * self.batch * math.prod(window.output) * window.taps * self.in_channels * self.out_channels

    def operation(self) -> Operation:
        """Return the convolution on random numbers, with trained filters."""
        random = np.random.default_rng(0)
        x = random.standard_normal((self.batch, *self.spatial, self.in_channels), np.float32)
        w = random.standard_normal((*self.kernel, self.in_channels, self.out_channels), np.float32)
        rank = len(self.kernel)

        def theirs(functional: Any, *arrays: Any) -> Any:
            return getattr(functional, f"conv{rank}d")(*arrays, **self.options)

        return Operation(partial(ops.conv, **self.options), theirs, x, (w,), trained=True)


SHAPES = (
    Shape("1×1, 256-256", 4, (56, 56), (1, 1), 256, 256),
    Shape("3×3, stride 2, 64-128", 4, (112, 112), (3, 3), 64, 128, stride=2),
    Shape("3×3, dilation 2, 128-128", 4, (56, 56), (3, 3), 128, 128, dilation=2),
    Shape("7×7, stride 2, 3-64", 4, (224, 224), (7, 7), 3, 64, stride=2),
    Shape("7×7, 64-64", 4, (56, 56), (7, 7), 64, 64),
    Shape("1×7, 128-128", 4, (56, 56), (1, 7), 128, 128),
    Shape("7×1, 128-128", 4, (56, 56), (7, 1), 128, 128),
    Shape("1-D, 9 taps, 64-64", 16, (4096,), (9,), 64, 64),
    Shape("3-D, 3×3×3, 32-32", 2, (32, 32, 32), (3, 3, 3), 32, 32),
)


def section(plan: Plan) -> Section:
    """Return the rows in effective GFLOP/s, as for VGG's layers."""
    measurements: list[tuple[str, Callable[[], Row]]] = [("sgemm", partial(limits.sgemm, plan))]
    for shape in [replace(s, batch=1) for s in SHAPES] if plan.quick else SHAPES:
        for direction in ("forward", "gradients"):
            measurements.append((f"{shape.name} {direction}", partial(measure, plan, shape, direction)))
    return Section("Other convolutions", measurements, limit="of sgemm")


def measure(plan: Plan, shape: Shape, direction: str) -> Row:
    """Measure one shape, forward or both its gradients."""
    forward = direction == "forward"
    return (operations.forward if forward else operations.gradient)(
        plan,
        f"{shape.name}, {direction}",
        shape.operation,
        unit="GFLOP/s",
        amount=shape.flops if forward else 2 * shape.flops,
        limit=limits.sgemm(plan).minicnn,
    )

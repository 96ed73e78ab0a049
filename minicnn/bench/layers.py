"""VGG-19 layer by layer: each convolution up to block5_conv1, the ones that style transfer runs."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from functools import partial

import numpy as np

from minicnn import ops
from minicnn.bench import limits, operations
from minicnn.bench.operations import Operation
from minicnn.bench.plan import Plan, Section
from minicnn.bench.report import Row
from minicnn.bench.turns import row_of
from minicnn.models.imagenet import DEPTHS, WIDTHS

DIRECTIONS = {"forward": operations.forward, "gradient": operations.gradient}


@dataclass(frozen=True)
class Layer:
    """A 3×3 convolution of a picture of `side` pixels squared."""

    name: str
    in_channels: int
    out_channels: int
    side: int

    @property
    def flops(self) -> int:
        """The number of operations of the direct convolution; the gradient to its input takes as many."""
        return 2 * 9 * self.in_channels * self.out_channels * self.side**2

    def operation(self) -> Operation:
        """Return the layer on random numbers, with frozen filters."""
        random = np.random.default_rng(0)
        x = random.standard_normal((1, self.side, self.side, self.in_channels), np.float32)
        w = random.standard_normal((3, 3, self.in_channels, self.out_channels), np.float32)
        b = random.standard_normal(self.out_channels, np.float32)
        return Operation(partial(ops.conv, padding=1), lambda f, *arrays: f.conv2d(*arrays, padding=1), x, (w, b))


def section(plan: Plan) -> Section:
    """Return the rows in effective GFLOP/s: the operations of direct convolution per time, whatever the algorithm."""
    size = 64 if plan.quick else 512
    layers = vgg19_layers(size)
    measurements = [("sgemm", partial(limits.sgemm, plan))]
    for direction in DIRECTIONS:
        measurements += [(f"{layer.name} {direction}", partial(measure, plan, layer, direction)) for layer in layers]
    measurements += [(f"all {direction}", partial(total, plan, layers, direction)) for direction in DIRECTIONS]
    return Section(f"VGG-19's layers at {size}²", measurements, limit="of sgemm")


def vgg19_layers(size: int) -> list[Layer]:
    """Return the convolutions of a picture of size² pixels, up to the first of block 5."""
    layers, channels = [], 3
    for block, (width, depth) in enumerate(zip(WIDTHS, DEPTHS["vgg19"], strict=True), start=1):
        for i in range(1, depth + 1 if block < 5 else 2):
            layers.append(Layer(f"block{block}_conv{i}", channels, width, size >> (block - 1)))
            channels = width
    return layers


def measure(plan: Plan, layer: Layer, direction: str) -> Row:
    """Measure one layer, forward or its gradient to the input."""
    name = f"{layer.name} {layer.in_channels}-{layer.out_channels} {layer.side}² {direction}"
    limit = limits.sgemm(plan).minicnn

    def compare() -> Row:
        return DIRECTIONS[direction](plan, name, layer.operation, unit="GFLOP/s", amount=layer.flops, limit=limit)

    return plan.once((layer, direction), compare)


def total(plan: Plan, layers: list[Layer], direction: str) -> Row:
    """Return the row of all layers, from the sums of their times in each round."""
    rows = [measure(plan, layer, direction) for layer in layers]
    sums = [
        [sum(seconds) for seconds in zip(*(row.details[side] for row in rows), strict=True)]
        for side in ("minicnn_raw", "pytorch_raw")
        if side in rows[0].details
    ]
    return row_of(
        f"all {len(layers)} layers, {direction}",
        "GFLOP/s",
        *sums,
        amount=sum(layer.flops for layer in layers),
        limit=limits.sgemm(plan).minicnn,
        milliseconds=[1e3 * statistics.median(seconds) for seconds in sums],
    )

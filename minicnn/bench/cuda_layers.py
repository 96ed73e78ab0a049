"""VGG-19 layer by layer on a GPU, forward and gradient to the input, compared with PyTorch with and without TF32."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from minicnn import devices
from minicnn.bench import cuda_sides, operations
from minicnn.bench.cuda_sides import PRECISIONS, PlacedTorch, compare_there
from minicnn.bench.layers import Layer, vgg19_layers
from minicnn.bench.plan import Plan, Section
from minicnn.bench.report import Row
from minicnn.bench.turns import Side
from minicnn.operation import no_grad
from minicnn.tensor import Tensor


def section(plan: Plan) -> Section:
    """Return the rows in GFLOP/s of direct convolution, as shares of a matrix product's."""
    small = cuda_sides.simulated()
    size = 4 if small else 64 if plan.quick else 512
    layers = [layer for layer in vgg19_layers(size) if layer.side and (not small or layer.side == size)]
    layers = layers[:1] if small else layers
    measurements = [("matrix product", partial(cuda_sides.product, plan))]
    for way in ("forward", "gradient"):
        for layer in layers:
            for precision in PRECISIONS:
                measurements.append((f"{layer.name} {way}", partial(measure, plan, layer, way, precision)))
    return Section(f"VGG-19's layers at {size}², GPU", measurements, limit="of product")


def measure(plan: Plan, layer: Layer, way: str, precision: str) -> Row:
    """Measure one layer. details: also the GB/s for reading its inputs and writing its result once."""
    operation = layer.operation()
    x, *parameters = (Tensor(array).to("cuda") for array in (operation.x, *operation.parameters))
    cotangent = cuda_sides.there(1, layer.side, layer.side, layer.out_channels, seed=1)

    def prepare() -> tuple[Any, Any]:
        leaf = Tensor(x.data, requires_grad=True)
        return leaf, operation.ours(leaf, *parameters)

    def forward() -> None:
        with no_grad():
            operation.ours(x, *parameters)

    ours = Side(forward) if way == "forward" else Side(lambda leaf, y: y.backward(cotangent), prepare)

    def theirs(torch: PlacedTorch) -> Side:
        if way == "forward":
            return operations._their_forward(torch, operation)
        return operations._their_gradient(torch, operation, devices.to_host(cotangent))

    name = f"{layer.name} {layer.in_channels}-{layer.out_channels} {layer.side}² {way}"
    limit = cuda_sides.product(plan).minicnn
    row = compare_there(plan, name, ours, theirs, precision, unit="GFLOP/s", amount=layer.flops, limit=limit)
    moved = sum(array.nbytes for array in (operation.x, *operation.parameters)) + cotangent.nbytes
    row.details["GB/s"] = moved / float(np.median(row.details["minicnn_raw"])) / 1e9
    return row

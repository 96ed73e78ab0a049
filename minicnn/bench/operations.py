"""One operation, and its gradient, compared with PyTorch's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from minicnn.bench import pytorch
from minicnn.bench.plan import Plan
from minicnn.bench.report import Row
from minicnn.bench.turns import Side, compare
from minicnn.operation import no_grad
from minicnn.tensor import Tensor


@dataclass
class Operation:
    """One operation in both libraries.

    ours(x, *parameters): takes Tensors. theirs(functional, x, *parameters): takes PyTorch's, and torch.nn.functional.
    trained: the parameters require a gradient; otherwise they are frozen, as in style transfer.
    """

    ours: Callable[..., Tensor]
    theirs: Callable[..., Any]
    x: np.ndarray
    parameters: tuple[np.ndarray, ...] = ()
    trained: bool = False


def forward(plan: Plan, name: str, make: Callable[[], Operation], **options: Any) -> Row:
    """Time the operation alone. options: as in compare()."""
    operation = make()
    theirs = _their_forward(plan.torch, operation) if plan.torch else None
    x, parameters = Tensor(operation.x), _our_parameters(operation)

    def run() -> np.ndarray:
        with no_grad():
            return operation.ours(x, *parameters).data

    return compare(plan, name, Side(run), theirs, **options)


def gradient(plan: Plan, name: str, make: Callable[[], Operation], **options: Any) -> Row:
    """Time the backward alone: to the input, and to the parameters if they are trained. options: as in compare()."""
    operation = make()
    parameters = [Tensor(p, requires_grad=operation.trained) for p in operation.parameters]
    with no_grad():
        shape = operation.ours(Tensor(operation.x), *parameters).shape
    cotangent = np.random.default_rng(1).standard_normal(shape, np.float32)
    theirs = _their_gradient(plan.torch, operation, cotangent) if plan.torch else None
    parameters = _our_parameters(operation)

    def prepare() -> tuple[Tensor, Tensor]:
        for parameter in parameters:
            parameter.grad = None
        x = Tensor(operation.x, requires_grad=True)
        return x, operation.ours(x, *parameters)

    def run(x: Tensor, y: Tensor) -> np.ndarray | None:
        y.backward(cotangent)
        return x.grad

    return compare(plan, name, Side(run, prepare), theirs, **options)


def _our_parameters(operation: Operation) -> list[Tensor]:
    """Return the parameters as Tensors. Frozen ones are read-only, so that kernels may cache derived arrays."""
    for parameter in operation.parameters:
        parameter.flags.writeable = operation.trained
    return [Tensor(parameter, requires_grad=operation.trained) for parameter in operation.parameters]


def _their_parameters(torch: Any, operation: Operation) -> list[Any]:
    copies = [parameter.copy() for parameter in operation.parameters]
    tensors = [pytorch.filters(torch, p) if p.ndim > 2 else torch.from_numpy(p) for p in copies]
    return [tensor.requires_grad_(operation.trained) for tensor in tensors]


def _their_forward(torch: Any, operation: Operation) -> Side:
    x, parameters = pytorch.pictures(torch, operation.x), _their_parameters(torch, operation)

    def run() -> Any:
        with torch.inference_mode():
            return operation.theirs(torch.nn.functional, x, *parameters)

    return Side(run)


def _their_gradient(torch: Any, operation: Operation, cotangent: np.ndarray) -> Side:
    data, dy = pytorch.pictures(torch, operation.x), pytorch.pictures(torch, cotangent)
    parameters = _their_parameters(torch, operation)

    def prepare() -> tuple[Any, Any]:
        x = data.detach().requires_grad_()
        return x, operation.theirs(torch.nn.functional, x, *parameters)

    def run(x: Any, y: Any) -> Any:
        return torch.autograd.grad(y, [x, *parameters] if operation.trained else [x], dy)[0]

    return Side(run, prepare)

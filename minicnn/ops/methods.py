"""The methods of Tensor that are operations, attached here because the ops import Tensor."""

from __future__ import annotations

from typing import Any

import numpy as np

from minicnn import ops
from minicnn.tensor import Tensor


def _reshape(tensor: Tensor, *shape: Any) -> Tensor:
    return ops.reshape(tensor, shape[0] if len(shape) == 1 and not isinstance(shape[0], int) else shape)


def _transpose(tensor: Tensor, *axes: Any) -> Tensor:
    return ops.transpose(tensor, (axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes) or None)


_ALIKE = (
    *("abs", "clip", "exp", "log", "matmul", "max", "mean", "min", "norm", "power", "relu", "sigmoid", "softmax"),
    *("sqrt", "square", "squeeze", "std", "sum", "tanh", "var"),
)
METHODS: dict[str, Any] = {
    **{name: getattr(ops, name) for name in _ALIKE},
    **{f"__{name}__": getattr(ops, name) for name in ("neg", "abs", "getitem", "matmul")},
    "__rmatmul__": lambda tensor, other: ops.matmul(other, tensor),
    "reshape": _reshape,
    "flatten": lambda tensor: tensor.reshape(-1),
    "expand_dims": ops.expand_dims,
    "transpose": _transpose,
    "T": property(_transpose),
    "argmax": lambda tensor, axis=None: np.argmax(tensor.data, axis),
    "copy": lambda tensor: ops.add(tensor, False),  # which keeps every dtype
    "cpu": lambda tensor: tensor.to("cpu"),
    "tolist": lambda tensor: tensor.numpy().tolist(),
}
for _name, _method in METHODS.items():
    setattr(Tensor, _name, _method)

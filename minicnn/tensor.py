"""Tensor: an array that records how it was computed. Start reading here.

Each operation is one function, decorated with @op (operation.py). It computes the result, and defines the backward pass
in a closure next to it. Nodes link these closures (graph.py); `backward` runs them from the result back to the leaves.
ops/arithmetic.py and ops/methods.py attach operators (+, *, @, …) and methods. interchange.py answers NumPy.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from minicnn import backend, devices
from minicnn.errors import InputError
from minicnn.graph import Node, deposit, walk_back
from minicnn.interchange import Interchange
from minicnn.methods import Methods


class Tensor(Methods, Interchange):
    """An n-dimensional array that can carry a gradient.

    data: anything that NumPy converts to a numeric array. An array keeps its dtype and device and is not copied; under
    use_backend("cuda") host data is moved to the GPU.
    requires_grad: accumulate d(loss)/d(self) in `.grad` during backward. Requires a floating-point dtype.
    name: shown in messages and files.
    Raise InputError if data is not numeric, is ragged, or cannot carry the requested gradient.

    Comparison is elementwise and returns an array of bool; see Interchange for the other protocols of Python and NumPy.
    """

    __slots__ = ("__weakref__", "_node", "data", "grad", "name", "requires_grad")

    def __init__(self, data: Any, requires_grad: bool = False, name: str | None = None) -> None:
        self.data: np.ndarray = data.data if isinstance(data, Tensor) else as_data(data, "Tensor")
        if backend.new_device() == "cuda":
            self.data = devices.move(self.data, "cuda")
        if self.data.dtype.kind not in "fiub":
            raise InputError(f"Tensor: data has dtype {self.data.dtype}; expected numbers")
        if requires_grad and self.data.dtype.kind != "f":
            raise InputError(f"Tensor: requires_grad needs floating-point data; data has dtype {self.data.dtype}")
        self.requires_grad = requires_grad
        self.grad: np.ndarray | None = None
        self.name = name
        self._node: Node | None = None

    if not TYPE_CHECKING:  # methods.pyi declares their types
        shape = property(lambda self: self.data.shape)
        dtype = property(lambda self: self.data.dtype)
        ndim = property(lambda self: self.data.ndim)
        size = property(lambda self: self.data.size)
        device = property(lambda self: devices.device_of(self.data))

    def __repr__(self) -> str:
        made_by = f", made by {self._node.name}" if self._node else ", requires_grad" if self.requires_grad else ""
        label = f" {self.name!r}" if self.name else ""
        place = "" if self.device == "cpu" else f", on {self.device}"
        values = np.array2string(devices.to_host(self.data), threshold=20, precision=4)
        shape = f"{self.shape} " if not 0 < self.size <= 20 else ""  # where the values do not show it
        return f"Tensor{label}({values}, {shape}{self.dtype}{place}{made_by})"

    def __reduce__(self) -> tuple:
        """Pickle data, requires_grad, name and gradient, without the graph: results become leaves, as in PyTorch."""
        given = devices.unlocked(self.data), self.requires_grad, self.name
        return type(self), given, (None, {"grad": self.grad})

    def __len__(self) -> int:
        return len(self.data)

    def __iter__(self) -> Iterator[Tensor]:
        return (self[i] for i in range(len(self)))

    def __float__(self) -> float:
        return float(self.item())

    def item(self) -> Any:
        """Return the element of a one-element Tensor as a Python number. Raise InputError if it has more or none."""
        if self.size != 1:
            raise InputError(f"Tensor: shape {self.shape} is not one number; reduce it first, as by .sum() or .mean()")
        return self.data.item()

    def numpy(self) -> np.ndarray:
        """Return the values as a NumPy array, copying only from a GPU."""
        return self.data if type(self.data) is np.ndarray else devices.to_host(self.data)

    def detach(self) -> Tensor:
        """Return a Tensor that shares the data but takes no part in backward."""
        return made(self.data, None)

    def to(self, device: str) -> Tensor:
        """Return the Tensor on a device, "cpu" or "cuda": self if it is already there, otherwise a new leaf.

        Raise InputError if the device is unknown or not available.
        """
        if device == self.device:
            return self
        moved = made(devices.move(self.data, device), None)
        moved.requires_grad, moved.name = self.requires_grad, self.name
        return moved

    def retain_grad(self) -> Tensor:
        """Store the gradient of this intermediate result in `.grad` during the next backward. Return self."""
        if self._node is not None:
            self._node.retained = weakref.ref(self)
        return self

    def backward(self, gradient: Any = None) -> None:
        """Add d(self)/d(leaf) · gradient to the `.grad` of every leaf that requires a gradient, and free the graph.

        gradient: the cotangent of self, of the same shape (default: 1, if self has one element).
        Raise InputError if self requires no gradient, the cotangent is missing or misshapen, or the graph was freed.
        """
        if not self.requires_grad:
            raise InputError("backward: nothing that this Tensor was made from requires a gradient")
        if gradient is None:
            if self.size != 1:
                raise InputError(f"backward: self has shape {self.shape}; pass a gradient like it, or reduce first")
            gradient = np.ones_like(self.data)
        else:
            gradient = gradient.data if isinstance(gradient, Tensor) else gradient
            gradient = devices.as_array(devices.beside(gradient, self.data), self.dtype)
            if gradient.shape != self.shape:
                raise InputError(f"backward: gradient has shape {gradient.shape}; expected {self.shape}")
        if self._node is None:
            deposit(self, gradient, owned=False)
        else:
            walk_back(self._node, gradient)


def made(data: Any, node: Node | None) -> Tensor:
    """Return the Tensor of a result, on the device of data. node: its Node, or None if it needs no gradient."""
    tensor = Tensor.__new__(Tensor)
    tensor.data = data
    tensor.requires_grad, tensor.grad, tensor.name, tensor._node = node is not None, None, None, node
    return tensor


def as_data(value: Any, name: str) -> np.ndarray:
    """Return a value as an array. Raise InputError if it is a ragged list. name: the caller, for the message."""
    try:
        return devices.as_array(value)
    except InputError:
        raise  # a list of Tensors that require a gradient
    except ValueError:
        raise InputError(f"{name}: a list is ragged; expected rows of equal length") from None

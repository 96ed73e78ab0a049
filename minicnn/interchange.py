"""The protocols of Python and NumPy for a Tensor: float, format, comparison, np.asarray, and NumPy's functions.

`array + tensor` is an operation and stays differentiable. Other functions of NumPy return values, which carry no
gradient. For a Tensor that requires one, they raise an error that names the operation to use.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from minicnn import devices
from minicnn.errors import InputError

# {ufunc: the method of its left operand that replaces it, and the method of its right operand}
_OPERATORS = (
    {np.add: ("__add__", "__radd__"), np.subtract: ("__sub__", "__rsub__"), np.multiply: ("__mul__", "__rmul__")}
    | {np.divide: ("__truediv__", "__rtruediv__"), np.power: ("__pow__", "__rpow__")}
    | {np.matmul: ("__matmul__", "__rmatmul__"), np.equal: ("__eq__", "__eq__"), np.not_equal: ("__ne__", "__ne__")}
    | {np.less: ("__lt__", "__gt__"), np.less_equal: ("__le__", "__ge__")}
    | {np.greater: ("__gt__", "__lt__"), np.greater_equal: ("__ge__", "__le__")}
)
# Functions through which no gradient flows: they also accept Tensors that require one.
_FLAT = {
    *(np.shape, np.ndim, np.size, np.result_type, np.zeros_like, np.ones_like, np.empty_like, np.argmax, np.argmin),
    *(np.argsort, np.allclose, np.isclose, np.array_equal, np.isfinite, np.isnan, np.isinf, np.sign, np.array2string),
}
_NAMES_OF_OPS = (
    {"absolute": "abs", "subtract": "sub", "multiply": "mul", "divide": "div", "negative": "neg", "dot": "matmul"}
    | {"concatenate": "concat", "ravel": "reshape", "amax": "max", "amin": "min"}
    | {"swapaxes": "transpose", "moveaxis": "transpose", "float_power": "power"}
)


def _comparison(compare: np.ufunc) -> Callable[[Any, Any], Any]:
    """Return the operator that compares a Tensor elementwise, by value. Its result is an array of bool."""

    def operator(tensor: Interchange, other: Any) -> Any:
        value = other.data if isinstance(other, Interchange) else devices.beside(other, tensor.data)
        if value.dtype.kind not in "fiub":
            return NotImplemented  # so that == None is False
        try:
            return compare(tensor.data, value if value.ndim else value.item())
        except ValueError:
            shapes = f"{tensor.data.shape} and {value.shape}"
            raise InputError(f"{compare.__name__}: shapes {shapes} do not broadcast") from None

    return operator


class Interchange:
    """The base class of Tensor: the protocols of Python and NumPy, which read values.

    ==, !=, <, <=, > and >= compare elementwise and return an array of bool, not a Tensor: no gradient flows through
    them. Tensors are hashed by identity. Comparison with anything but numbers is by identity, too.
    """

    __slots__ = ()
    data: np.ndarray
    requires_grad: bool
    item: Callable[[], Any]

    __eq__ = _comparison(np.equal)
    __ne__ = _comparison(np.not_equal)
    __lt__ = _comparison(np.less)
    __le__ = _comparison(np.less_equal)
    __gt__ = _comparison(np.greater)
    __ge__ = _comparison(np.greater_equal)
    __hash__ = object.__hash__

    def __contains__(self, value: Any) -> bool:
        return bool(np.any(self == value))

    def __bool__(self) -> bool:
        return bool(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        if self.data.ndim or self.data.dtype.kind not in "iub":
            found = f"has shape {self.data.shape} and dtype {self.data.dtype}"
            raise TypeError(f"index: the Tensor {found}; expected an integer without axes")
        return int(self.data)

    def __format__(self, form: str) -> str:
        if form and self.data.ndim:
            raise InputError(f"format: {form!r} is for one number; the Tensor has shape {self.data.shape}")
        return repr(self) if self.data.ndim else format(self.item(), form)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if self.requires_grad:
            raise InputError("np.asarray: the Tensor requires a gradient, which arrays lack; use .detach() or .numpy()")
        if devices.device_of(self.data) != "cpu":
            raise InputError("np.asarray: the Tensor is on a GPU; use .numpy() to copy its values")
        return np.array(self.data, dtype, copy=copy)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        if ufunc not in _OPERATORS or method != "__call__" or options:
            return _values(ufunc, getattr(ufunc, method), inputs, options)
        left, right = inputs
        forward, reflected = _OPERATORS[ufunc]
        return getattr(left, forward)(right) if isinstance(left, Interchange) else getattr(right, reflected)(left)

    def __array_function__(self, function: Callable, _: Any, arguments: Any, options: dict[str, Any]) -> Any:
        return _values(function, function, arguments, options)


def _values(function: Callable, call: Callable, arguments: Any, options: dict[str, Any]) -> Any:
    """Call a function of NumPy, or a method of it, on the arrays of Tensors.

    Raise InputError if a Tensor requires a gradient which the function would lose.
    """
    wanted: list[bool] = []

    def plain(value: Any) -> Any:
        if isinstance(value, Interchange):
            wanted.append(value.requires_grad)
            return value.data
        return type(value)(map(plain, value)) if type(value) in (list, tuple) else value

    arguments, options = plain(tuple(arguments)), {key: plain(value) for key, value in options.items()}
    if any(wanted) and function not in _FLAT:
        name = _NAMES_OF_OPS.get(function.__name__, function.__name__)
        known = hasattr(sys.modules.get("minicnn.ops"), name)  # above this module, which therefore cannot import it
        advice = f"use minicnn.ops.{name}" if known else "compose it from minicnn.ops"
        asked = f"{getattr(function, '__module__', 'numpy')}.{function.__name__}".replace("numpy.", "np.", 1)
        raise InputError(f"{asked}: a Tensor requires a gradient; {advice}, or .detach() for values without one")
    return call(*arguments, **options)

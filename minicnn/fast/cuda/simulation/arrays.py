"""Arrays of the simulated GPU. They support the same operations as CuPy's arrays, and no others.

Like CuPy's, they are not NumPy arrays: np.asarray fails, as does arithmetic with an array on the host. Only to_host
returns their values.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

# Functions that both NumPy and CuPy have, and that minicnn may call. Check CuPy before adding one.
DISPATCHED = frozenset(
    """all any argmax argmin argsort ascontiguousarray atleast_1d bincount broadcast_to clip concatenate copyto
    count_nonzero cumsum diff dot eigh einsum empty_like expand_dims eye flatnonzero flip full_like isin max
    may_share_memory mean min moveaxis ndim nonzero ones_like outer pad ravel repeat reshape result_type roll
    shape size sliding_window_view sort split square squeeze stack sum swapaxes take tensordot transpose tril
    triu var vdot where zeros_like""".split()  # noqa: SIM905
)
METHODS = """all any argmax argmin argsort astype clip copy cumsum fill max mean min nonzero prod ravel repeat reshape
    squeeze std sum swapaxes take transpose var view""".split()  # noqa: SIM905
HANDLED = (np.ndarray, np.generic)
NO_COPY = "a hidden copy from the GPU: CuPy refuses it too; devices.to_host is the one way back"


class SimulatedArray(np.lib.mixins.NDArrayOperatorsMixin):
    """An array on the simulated GPU, backed by `memory`. As in CuPy, reductions return 0-d arrays."""

    __slots__ = ("__weakref__", "_memory")
    __array_priority__ = 100

    def __init__(self, memory: np.ndarray) -> None:
        self._memory = memory

    shape = property(lambda self: self._memory.shape)
    dtype = property(lambda self: self._memory.dtype)
    ndim = property(lambda self: self._memory.ndim)
    size = property(lambda self: self._memory.size)
    nbytes = property(lambda self: self._memory.nbytes)
    itemsize = property(lambda self: self._memory.itemsize)
    strides = property(lambda self: self._memory.strides)
    T = property(lambda self: SimulatedArray(self._memory.T))

    @property
    def flags(self) -> SimpleNamespace:
        """The flags of CuPy's arrays, which have no `writeable`."""
        ours = self._memory.flags
        return SimpleNamespace(c_contiguous=ours.c_contiguous, f_contiguous=ours.f_contiguous, owndata=ours.owndata)

    @property
    def __cuda_array_interface__(self) -> dict:
        """The mark of a GPU array for CUDA libraries. It has no valid address."""
        raise TypeError("a simulated array has no address on a GPU")

    def __array__(self, *_: Any, **__: Any) -> np.ndarray:
        raise TypeError(NO_COPY)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        if any(hasattr(x, "__array_ufunc__") and not isinstance(x, (SimulatedArray, *HANDLED)) for x in inputs):
            return NotImplemented  # as CuPy's arrays do for unknown types, such as Tensor
        return _wrapped(getattr(ufunc, method)(*_bare(inputs), **_bare(options)))

    def __array_function__(self, function: Callable, _: Any, arguments: Any, options: Any) -> Any:
        if function.__name__ not in DISPATCHED:
            raise TypeError(f"np.{function.__name__} is not known to work on CuPy's arrays")
        result = _wrapped(function(*_bare(arguments), **_bare(options)))
        if function is np.empty_like:  # make uninitialized elements visible
            result._memory.fill(np.nan if result.dtype.kind == "f" else np.iinfo(result.dtype).max)
        return result

    def __getitem__(self, index: Any) -> SimulatedArray:
        return _wrapped(self._memory[_bare(index)])

    def __setitem__(self, index: Any, value: Any) -> None:
        self._memory[_bare(index)] = _bare(value)

    def __len__(self) -> int:
        return len(self._memory)

    def __iter__(self) -> Any:
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        return f"SimulatedArray({self._memory!r})"

    # Scalars may be read: that is an explicit copy.

    def item(self) -> Any:
        """Return the element of a one-element array as a Python number."""
        return self._memory.item()

    def __float__(self) -> float:
        return float(self._memory)

    def __int__(self) -> int:
        return int(self._memory)

    def __index__(self) -> int:
        return self._memory.__index__()

    def __bool__(self) -> bool:
        return bool(self._memory)

    def __format__(self, form: str) -> str:
        return format(self._memory.item() if self._memory.ndim == 0 else repr(self), form)


def _method(name: str) -> Callable:
    def call(self: SimulatedArray, *arguments: Any, **options: Any) -> Any:
        return _wrapped(getattr(self._memory, name)(*_bare(arguments), **_bare(options)))

    call.__name__ = name
    return call


for _name in METHODS:
    setattr(SimulatedArray, _name, _method(_name))


def _bare(value: Any) -> Any:
    """Return the NumPy arrays of simulated ones, also in tuples, lists and dicts. Raise for an array on the host."""
    if isinstance(value, SimulatedArray):
        return value._memory
    if isinstance(value, np.ndarray):
        raise TypeError(f"an array of the host meets one of the GPU: shape {value.shape}; devices.move takes it there")
    if isinstance(value, tuple | list):
        return type(value)(_bare(item) for item in value)
    if isinstance(value, dict):
        return {key: _bare(item) for key, item in value.items()}
    return value


def _wrapped(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return SimulatedArray(np.asarray(value))
    if isinstance(value, tuple | list):
        return type(value)(_wrapped(item) for item in value)
    return value


def from_host(array: Any) -> SimulatedArray:
    """Return a copy of a NumPy array on the simulated GPU."""
    return SimulatedArray(np.array(array))


def to_host(array: SimulatedArray) -> np.ndarray:
    """Return a NumPy copy of an array on the simulated GPU."""
    return array._memory.copy()


def as_argument(array: SimulatedArray) -> Any:
    """Return the array in the form that Numba's simulator passes to kernels."""
    from numba import cuda

    if not array._memory.flags.c_contiguous:
        raise TypeError(f"a kernel was given an array that is not contiguous: shape {array.shape}")
    return cuda.devicearray.FakeCUDAArray(array._memory)

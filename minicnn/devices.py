"""The devices of arrays: host memory ("cpu", NumPy arrays) and GPU memory ("cuda", CuPy arrays).

`device_of` returns the device of an array. NumPy's functions dispatch on GPU arrays, so most of minicnn is written
once. Only `move`, `beside` and `to_host` copy between devices. minicnn.fast registers the function that opens the GPU.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from minicnn.errors import InputError

DEVICES = ("cpu", "cuda")


class Gpu(NamedTuple):
    """The functions of an opened GPU that the core calls: copy to it, copy from it, and wait for it."""

    from_host: Callable[[np.ndarray], Any]
    to_host: Callable[[Any], np.ndarray]
    synchronize: Callable[[], None]


def _no_gpu() -> Gpu:
    raise InputError("cuda: minicnn.fast, which computes on GPUs, is not installed")


_open_gpu: Callable[[], Gpu] = _no_gpu


def register_gpu(open_gpu: Callable[[], Gpu]) -> None:
    """Register the function that opens the GPU. It is called once, on first use.

    open_gpu: returns a Gpu; raises InputError if no GPU can be used.
    """
    global _open_gpu
    _open_gpu = functools.cache(open_gpu)


@functools.cache
def _on_gpu(kind: type) -> bool:
    """Return True if `kind` is a GPU array type on which NumPy's functions dispatch."""
    return hasattr(kind, "__cuda_array_interface__") and hasattr(kind, "__array_function__")


def device_of(array: Any) -> str:
    """Return the device of an array, "cpu" or "cuda". Anything that is not an array counts as "cpu"."""
    kind = type(array)
    return "cuda" if kind is not np.ndarray and _on_gpu(kind) else "cpu"  # type: ignore[arg-type]


def is_array(value: Any) -> bool:
    """Return True if value is an array, on any device."""
    return isinstance(value, np.ndarray) or device_of(value) == "cuda"


def as_array(value: Any, dtype: Any = None) -> Any:
    """Return value as an array. A GPU array stays on its device; anything else goes through np.asarray."""
    if device_of(value) == "cpu":
        return np.asarray(value, dtype)
    return value if dtype is None else value.astype(dtype, copy=False)


def move(array: Any, device: str) -> Any:
    """Return the array on `device`: the same array if it is already there, otherwise a copy.

    Raise InputError if the device is unknown or not available.
    """
    check_device(device)
    if device_of(array) == device:
        return array
    return to_host(array) if device == "cpu" else _open_gpu().from_host(array)


def beside(value: Any, array: Any) -> Any:
    """Return `value` as an array, copied to the GPU if `array` is there. Never copy a GPU array to the host."""
    value = as_array(value)
    return move(value, "cuda") if device_of(array) == "cuda" else value


def to_host(array: Any) -> np.ndarray:
    """Return the values as a NumPy array, copying only from a GPU."""
    return np.asarray(array) if device_of(array) == "cpu" else _open_gpu().to_host(array)


def check_device(device: Any) -> None:
    """Raise InputError if `device` is unknown or not available. The message says what is missing."""
    if not isinstance(device, str) or device not in DEVICES:
        raise InputError(f"to: device is {device!r}; expected one of {', '.join(DEVICES)}")
    if device == "cuda":
        _open_gpu()


def writeable(array: Any) -> bool:
    """Return True if the array can be written to. GPU arrays always can: CuPy has no read-only arrays."""
    return device_of(array) == "cuda" or array.flags.writeable


def synchronize() -> None:
    """Wait until the GPU has finished all submitted work."""
    _open_gpu().synchronize()


def unlocked(value: Any) -> Any:
    """Return a copy of a read-only host array, and any other value as it is: pickles keep the lock of frozen arrays."""
    return value.copy() if isinstance(value, np.ndarray) and not value.flags.writeable else value

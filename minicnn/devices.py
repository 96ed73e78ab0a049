"""Where arrays live: in this machine's memory ("cpu"), as NumPy's, or in that of its GPU ("cuda"), as CuPy's.

The array decides, and `device_of` tells. NumPy's functions dispatch on a GPU's arrays, so most of minicnn is written
once. Nothing is copied between the two unless `move` or `to_host` is called. What opens the GPU is registered from
outside, by fast/cuda.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from minicnn.errors import InputError

DEVICES = ("cpu", "cuda")


class Gpu(NamedTuple):
    """What the core needs of an opened GPU."""

    from_host: Callable[[np.ndarray], Any]
    to_host: Callable[[Any], np.ndarray]
    synchronize: Callable[[], None]


def _no_gpu() -> Gpu:
    raise InputError("cuda: minicnn.fast, which computes on GPUs, is not installed")


_open_gpu: Callable[[], Gpu] = _no_gpu


def register_gpu(open_gpu: Callable[[], Gpu]) -> None:
    """Let `open_gpu` open the GPU when it is first asked for. It raises InputError where there is none."""
    global _open_gpu
    _open_gpu = functools.cache(open_gpu)


@functools.cache
def _on_gpu(kind: type) -> bool:
    """Return True for a type of arrays in a GPU's memory on which NumPy's functions dispatch."""
    return hasattr(kind, "__cuda_array_interface__") and hasattr(kind, "__array_function__")


def device_of(array: Any) -> str:
    """Return where an array lives, "cpu" or "cuda". What is not an array counts as "cpu"."""
    kind = type(array)
    return "cuda" if kind is not np.ndarray and _on_gpu(kind) else "cpu"  # type: ignore[arg-type]


def is_array(value: Any) -> bool:
    """Return True for an array, on whatever device."""
    return isinstance(value, np.ndarray) or device_of(value) == "cuda"


def as_array(value: Any, dtype: Any = None) -> Any:
    """Return a device's array as it is, anything else as np.asarray makes it."""
    if device_of(value) == "cpu":
        return np.asarray(value, dtype)
    return value if dtype is None else value.astype(dtype, copy=False)


def move(array: Any, device: str) -> Any:
    """Return the array on a device; itself if it lives there. Raise InputError if the device is unknown or missing."""
    check_device(device)
    if device_of(array) == device:
        return array
    return to_host(array) if device == "cpu" else _open_gpu().from_host(array)


def beside(value: Any, array: Any) -> Any:
    """Return `value` as an array where `array` lives. It may come from the host, but is never fetched from a GPU."""
    value = as_array(value)
    return move(value, "cuda") if device_of(array) == "cuda" else value


def to_host(array: Any) -> np.ndarray:
    """Return the values as a NumPy array: the one way back from a GPU, and a copy only from there."""
    return np.asarray(array) if device_of(array) == "cpu" else _open_gpu().to_host(array)


def check_device(device: Any) -> None:
    """Raise InputError, with what is missing and how to get it, unless arrays can live on `device`."""
    if not isinstance(device, str) or device not in DEVICES:
        raise InputError(f"to: device is {device!r}; expected one of {', '.join(DEVICES)}")
    if device == "cuda":
        _open_gpu()


def writeable(array: Any) -> bool:
    """Return True if the array may be written to. Arrays on a GPU always may: CuPy's know no other."""
    return device_of(array) == "cuda" or array.flags.writeable


def synchronize() -> None:
    """Wait until the GPU has done all it was asked for."""
    _open_gpu().synchronize()

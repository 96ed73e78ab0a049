"""Where arrays live: in this machine's memory ("cpu"), as NumPy's, or in that of its GPU ("cuda"), as CuPy's.

The array decides, and `device_of` tells. NumPy's functions dispatch on CuPy's arrays, so most of minicnn is written
once. Nothing is copied between the two unless `move` or `to_host` is called.

With NUMBA_ENABLE_CUDASIM=1 in the environment there is a GPU to learn and to test on, as slow as it is instructive: the
kernels run in Numba's simulator, and arrays are minicnn.simulation's.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import os
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from minicnn.errors import InputError

DEVICES = ("cpu", "cuda")
INSTALL = "pip install '.[cuda]'"
# Whose arrays live on a GPU; asked by name, so that neither library is loaded for it.
_HOMES = ("cupy", "minicnn.fast.cuda.simulation")


def device_of(array: Any) -> str:
    """Where an array lives, "cpu" or "cuda". What is no array, a number say, counts as "cpu"."""
    kind = type(array)
    return "cuda" if kind is not np.ndarray and kind.__module__.startswith(_HOMES) else "cpu"


def is_array(value: Any) -> bool:
    """Whether it is an array, on whatever device."""
    return isinstance(value, np.ndarray) or device_of(value) == "cuda"


def as_array(value: Any, dtype: Any = None) -> Any:
    """A device's array as it is, anything else as np.asarray makes it."""
    if device_of(value) == "cpu":
        return np.asarray(value, dtype)
    return value if dtype is None else value.astype(dtype, copy=False)


def move(array: Any, device: str) -> Any:
    """The array on a device; itself if it lives there. Raises InputError for an unknown device, or one missing here."""
    check_device(device)
    if device_of(array) == device:
        return array
    return to_host(array) if device == "cpu" else _cuda().from_host(array)


def beside(value: Any, array: Any) -> Any:
    """`value` as an array where `array` lives. It may come from the host, but is never fetched from a GPU."""
    value = as_array(value)
    return move(value, "cuda") if device_of(array) == "cuda" else value


def to_host(array: Any) -> np.ndarray:
    """The values as a NumPy array: the one way back from a GPU, and a copy only from there."""
    return np.asarray(array) if device_of(array) == "cpu" else _cuda().to_host(array)


def check_device(device: Any) -> None:
    """Raise InputError, with what is missing and how to get it, unless arrays can live on `device`."""
    if not isinstance(device, str) or device not in DEVICES:
        raise InputError(f"to: device is {device!r}; expected one of {', '.join(DEVICES)}")
    if device == "cuda":
        _cuda()


def contiguous(array: Any) -> Any:
    """The array laid out row by row, as kernels take it: itself, or a copy where it lives."""
    return np.ascontiguousarray(array, like=array)


def writeable(array: Any) -> bool:
    """Whether it may be written to. Arrays on a GPU always may: CuPy's know no other."""
    return device_of(array) == "cuda" or array.flags.writeable


def synchronize() -> None:
    """Wait until the GPU has done all it was asked for."""
    _cuda().synchronize()


# --- launching kernels -------------------------------------------------------------------------------------------


def launch(kernel: Any, blocks: Any, threads: Any, *arguments: Any) -> None:
    """Run a numba.cuda kernel on so many blocks of so many threads. Arrays: on the GPU, contiguous."""
    as_argument = _cuda().as_argument
    kernel[blocks, threads](*(a if device_of(a) == "cpu" else as_argument(a) for a in arguments))


def blocks_for(count: int, threads: int) -> int:
    """Blocks of so many threads that give each of `count` elements a thread; one at least, since none is an error."""
    return max(1, -(-count // threads))


def simulated() -> bool:
    """Whether the GPU is Numba's simulator."""
    return os.environ.get("NUMBA_ENABLE_CUDASIM", "0") not in ("", "0")


# --- the GPU, opened when it is first asked for ------------------------------------------------------------------


class _Cuda(NamedTuple):
    from_host: Callable[[Any], Any]
    to_host: Callable[[Any], np.ndarray]
    as_argument: Callable[[Any], Any]
    synchronize: Callable[[], None]


@functools.cache
def _cuda() -> _Cuda:
    return _simulator() if simulated() else _gpu()


def _simulator() -> _Cuda:
    from numba import config

    if not config.ENABLE_CUDASIM:  # type: ignore[attr-defined]
        raise InputError("cuda: NUMBA_ENABLE_CUDASIM was set after Numba had been loaded; set it before Python starts")
    simulation = importlib.import_module("minicnn.fast.cuda.simulation")
    simulation.take_over()
    return _Cuda(simulation.from_host, simulation.to_host, simulation.as_argument, lambda: None)


def _gpu() -> _Cuda:
    """CuPy and numba-cuda, once each part has answered."""
    for package, module in (("CuPy", "cupy"), ("numba-cuda", "numba_cuda")):
        if importlib.util.find_spec(module) is None:
            raise InputError(f"cuda: {package} is not installed; {INSTALL} brings it")
    try:
        import cupy

        count = cupy.cuda.runtime.getDeviceCount()
    except Exception as problem:  # whatever is wrong with the installation, it is told in one line
        raise InputError(_why(problem)) from None
    if not count:
        raise InputError("cuda: there is no GPU; minicnn computes on NVIDIA's")
    from numba import cuda

    # Both libraries use the default stream, which keeps the order; to wait at every launch would only cost time.
    as_argument = functools.partial(cuda.as_cuda_array, sync=False)
    return _Cuda(cupy.asarray, cupy.asnumpy, as_argument, cuda.synchronize)


def _why(problem: Exception) -> str:
    """One line for what CuPy says when it cannot reach a GPU."""
    said = " ".join(str(problem).split())
    if "NoDevice" in said or "no CUDA-capable device" in said:
        return f"cuda: there is no GPU ({said}); minicnn computes on NVIDIA's"
    if "InsufficientDriver" in said or "libcuda.so" in said or "nvcuda.dll" in said:
        return f"cuda: there is no NVIDIA driver, or it is too old ({said}); install one of version 580 or later"
    return f"cuda: CuPy cannot be used ({said}); {INSTALL} brings what it needs"

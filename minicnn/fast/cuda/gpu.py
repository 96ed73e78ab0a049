"""Access to the GPU, opened at first use, and kernel launches.

With NUMBA_ENABLE_CUDASIM=1 in the environment the kernels run in Numba's simulator, on the arrays of
fast/cuda/simulation. It is slow, and meant for learning and testing.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import os
from collections.abc import Callable
from typing import Any

import numpy as np

from minicnn.devices import Gpu, device_of
from minicnn.errors import InputError

INSTALL = "pip install '.[cuda]'"


def contiguous(array: Any) -> Any:
    """Return the array in C order, as kernels need it: itself, or a copy on the same device."""
    return np.ascontiguousarray(array, like=array)


def launch(kernel: Any, blocks: Any, threads: Any, *arguments: Any) -> None:
    """Launch a numba.cuda kernel. Arrays must be on the GPU and contiguous."""
    as_argument = _as_argument()
    kernel[blocks, threads](*(a if device_of(a) == "cpu" else as_argument(a) for a in arguments))


def blocks_for(count: int, threads: int) -> int:
    """Return the number of blocks for one thread per element, at least one, as CUDA requires."""
    return max(1, -(-count // threads))


def simulated() -> bool:
    """Return True if the GPU is Numba's simulator."""
    return os.environ.get("NUMBA_ENABLE_CUDASIM", "0") not in ("", "0")


def open_gpu() -> Gpu:
    """Return access to the GPU, or to the simulated one. Raise InputError if there is none."""
    return _simulator() if simulated() else _gpu()


@functools.cache
def _as_argument() -> Callable[[Any], Any]:
    if simulated():
        from minicnn.fast.cuda import simulation

        return simulation.as_argument
    from numba import cuda

    # Both libraries use the default stream, which preserves the order, so launches need no synchronization.
    return functools.partial(cuda.as_cuda_array, sync=False)


def _simulator() -> Gpu:
    from numba import config

    if not config.ENABLE_CUDASIM:  # type: ignore[attr-defined]
        raise InputError("cuda: NUMBA_ENABLE_CUDASIM was set after Numba had been loaded; set it before Python starts")
    simulation = importlib.import_module("minicnn.fast.cuda.simulation")
    simulation.take_over()
    return Gpu(simulation.from_host, simulation.to_host, lambda: None)


def _gpu() -> Gpu:
    """Check that CuPy and numba-cuda work, and return access to them."""
    for package, module in (("CuPy", "cupy"), ("numba-cuda", "numba_cuda")):
        if importlib.util.find_spec(module) is None:
            raise InputError(f"cuda: {package} is not installed; {INSTALL} installs it")
    try:
        import cupy

        count = cupy.cuda.runtime.getDeviceCount()
    except Exception as problem:  # report any problem of the installation in one line
        raise InputError(_why(problem)) from None
    if not count:
        raise InputError("cuda: there is no GPU; minicnn computes on NVIDIA's")
    from numba import cuda

    return Gpu(cupy.asarray, cupy.asnumpy, cuda.synchronize)


def _why(problem: Exception) -> str:
    """Return CuPy's reason for not reaching a GPU, in one line."""
    said = " ".join(str(problem).split())
    if "NoDevice" in said or "no CUDA-capable device" in said:
        return f"cuda: there is no GPU ({said}); minicnn computes on NVIDIA's"
    if "InsufficientDriver" in said or "libcuda.so" in said or "nvcuda.dll" in said:
        return f"cuda: there is no NVIDIA driver, or it is too old ({said}); install one of version 580 or later"
    return f"cuda: CuPy cannot be used ({said}); {INSTALL} brings what it needs"

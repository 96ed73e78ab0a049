"""Attach compiled kernels to the registry: for CPUs (cpu/) and for NVIDIA GPUs (cuda/).

Without them the core computes the same, more slowly. Modules load at first use: this file only names them. In each
module, a kernel has the name of its contract.
"""

import functools
import importlib
import importlib.util
import sys
from collections.abc import Callable
from typing import Any

from minicnn import backend, devices

# The contracts with a kernel, by module.
CPU = {
    "conv": ("conv", "conv_gradient_to_input", "conv_gradient_to_filters"),
    "crop": ("crop",),
    "elementwise": (
        *("add", "adam_step", "marked_gradient", "relu", "relu_gradient"),
        *("relu_marks", "residual", "sgd_step", "sloped"),
    ),
    "fused_conv": (
        *("before_relu", "fused_conv"),
        *("fused_conv_gradient_to_filters", "fused_conv_gradient_to_input"),
    ),
    "gram": ("gram", "gram_gradient"),
    "locally_connected": (
        *("locally_connected", "locally_connected_gradient_to_filters"),
        "locally_connected_gradient_to_input",
    ),
    "memory": ("empty",),
    "normalization": (
        *("batch_gradient", "batch_normalize", "batch_statistics", "batch_sums"),
        *("local_response_norm", "local_response_norm_gradient"),
    ),
    "pool": ("avg_pool", "avg_pool_gradient", "max_pool", "max_pool_gradient"),
    "product": ("product", "sum_of_rows"),
    "raster": ("raster_fill", "raster_sample"),
    "triplet": ("distances", "hardest", "pull", "triplets"),
}
CUDA = {
    "conv": ("conv", "conv_gradient_to_input", "conv_gradient_to_filters"),
    "elementwise": ("adam_step", "marked_gradient", "relu_marks"),
    "fused_conv": ("fused_conv",),
    "gram": ("gram", "gram_gradient"),
    "naive_conv": ("naive_conv", "naive_conv_gradient_to_input", "naive_conv_gradient_to_filters"),
    "pool": ("avg_pool", "avg_pool_gradient", "max_pool", "max_pool_gradient"),
    "triplet": ("distances", "hardest", "pull", "triplets"),
}
# Other services: backend.ask(name, …).
SERVICES = {
    "cpu.blas": ("hold_blas", "parallel_with_blas"),
    "cpu.cache": ("cache_info", "clear_cache", "forget"),
    "cpu.compilation": ("compiled_before", "compiled_kernels"),
    "cpu.conv_memory": ("cache_budget", "conv_blocks", "conv_filter_bytes", "conv_is_fused", "conv_scratch"),
    "cpu.folds": ("folded",),
    "cpu.micro_products": ("micro_product", "micro_shape"),
    "cpu.program.frozen": ("run_frozen",),
    "cpu.threads": ("parallel", "set_threads", "threads"),
    "cuda.gpu": ("launch", "simulated"),
    "cuda.simulation": ("watched",),
    "cuda.tilings": ("conv_tilings",),
}


def _finder(package: str, modules: dict[str, tuple[str, ...]]) -> Callable[[str], Any]:
    """Return a function that maps a contract's name to its kernel in minicnn.fast.PACKAGE, or None."""
    homes = {name: module for module, names in modules.items() for name in names}

    def find(name: str) -> Any:
        return getattr(_load(f"{package}.{homes[name]}"), name) if name in homes else None

    return find


def _load(module: str) -> Any:
    before = len(sys.modules)
    try:
        found = importlib.import_module(f"minicnn.fast.{module}")
    except RuntimeError as problem:  # Numba can write neither next to the source nor below the user's home
        if "no locator available" not in str(problem):
            raise
        importlib.import_module("minicnn.fast.cpu.compilation").cache_until_the_end()
        found = importlib.import_module(f"minicnn.fast.{module}")
    if module.startswith("cpu") and "numba" in sys.modules and sys.modules["numba"].config.DISABLE_JIT:
        raise ImportError("Numba's compiler is switched off (NUMBA_DISABLE_JIT)")
    if len(sys.modules) > before:
        importlib.import_module("minicnn.fast.cpu.compilation").mend_caches()
    return found


def _later(module: str, name: str) -> Callable[..., Any]:
    """Return a function that imports its module when it is first called."""
    found = functools.cache(lambda: getattr(_load(module), name))
    return lambda *arguments: found()(*arguments)


for _library in ("numba", "llvmlite"):
    if importlib.util.find_spec(_library) is None:
        raise ImportError(f"{_library} is not installed")
backend.attach("numba", _finder("cpu", CPU), dtypes="fd", default=True)
backend.attach("cuda", _finder("cuda", CUDA), dtypes="fd")
devices.register_gpu(_later("cuda.gpu", "open_gpu"))
backend.offer(**{name: _later(module, name) for module, names in SERVICES.items() for name in names})

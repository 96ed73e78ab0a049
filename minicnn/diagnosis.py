"""Diagnosis of the installation. Each check tries its part, and a failure does not stop the others."""

from __future__ import annotations

import contextlib
import importlib
import inspect
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import minicnn
from minicnn import backend, devices, machine, ops, zoo
from minicnn.errors import InputError
from minicnn.resources import compiled_kernels
from minicnn.tensor import Tensor
from minicnn.text import one_line

DEFAULT = "numba"
KNOWN_BACKENDS = ("numpy", "numba", "cuda")
MODULES = {"pillow": "PIL"}  # import names that differ from the library's name


def diagnose() -> dict[str, Any]:
    """Return the diagnosis as plain data. `works` is True if the default backend works."""
    backends = [_backend(name) for name in KNOWN_BACKENDS]
    return {
        "works": next(b["works"] for b in backends if b["name"] == DEFAULT),
        "minicnn": {"version": minicnn.__version__, "folder": str(Path(minicnn.__file__).parent)},
        "python": platform.python_version(),
        "system": platform.platform(),
        "libraries": [_library(name) for name in machine.LIBRARIES],
        "pytorch": machine.version("torch"),
        "processor": {
            "name": machine.processor(),
            "instruction_sets": machine.instruction_sets(),
            "cores": os.cpu_count(),
            "available": machine.available_cores(),
            "quota": machine.processor_quota(),
        },
        "blas": _try(_blas),
        "backends": backends,
        "gpus": machine.nvidia_gpus(),
        "compiled_kernels": _try(_compiled_kernels),
        "weights": {
            "folders": [str(folder) for folder in zoo.folders()],
            "files": [_weights(w) for w in zoo.catalog()],
        },
    }


def _try(check: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return the result of a check, or {"problem": reason} if it fails."""
    try:
        return check()
    except Exception as problem:  # report it and continue with the other checks
        kind = "" if isinstance(problem, InputError) else f"{type(problem).__name__}: "  # InputErrors need no type
        return {"problem": one_line(f"{kind}{problem}", longest=1500)}


def _library(name: str) -> dict[str, Any]:
    """Return name, version, and problem: the reason why it cannot be imported, or None."""

    def load() -> dict[str, Any]:
        importlib.import_module(MODULES.get(name, name))
        return {"problem": None}

    return {"name": name, "version": machine.version(name), **_try(load)}


def _blas() -> dict[str, Any]:
    """Return the BLAS libraries. held: True if all can be limited to one thread while our threads work."""
    libraries = machine.blas_libraries()
    with backend.ask("hold_blas", otherwise=contextlib.nullcontext()):
        threads = [library["threads"] for library in machine.blas_libraries()]
    numpy_uses = machine.blas_of_numpy()
    seen = bool(libraries) and "accelerate" not in numpy_uses.lower()  # Apple's cannot be limited
    return {"numpy_uses": numpy_uses, "libraries": libraries, "held": seen and set(threads) == {1}}


def _backend(name: str) -> dict[str, Any]:
    """Run a convolution, its gradient and a Gram matrix on a backend, and compare with NumPy."""
    start = time.perf_counter()
    found = _try(lambda: {"error": _error_of_convolution(name), **_missing(name)})
    why = found.get("problem") or ("" if found["error"] < 1e-4 else f"its results are wrong, by {found['error']:.1g}")
    return {"name": name, "works": not why, "why": why, "seconds": time.perf_counter() - start}


def _missing(name: str) -> dict[str, Any]:
    """Return {"problem": reason} if the definitions replaced the kernels of a backend."""
    with backend.use_backend(name):
        why = backend.kernels_for(np.zeros(1, np.float32)).missing
    return {"problem": why} if why else {}


def _error_of_convolution(name: str) -> float:
    """Return the largest relative error of a convolution, its gradient, and the Gram matrix of its result.

    The gradient is checked against the forward pass: a convolution is linear, so Σ dy · y = Σ dx · x.
    """
    random = np.random.default_rng(0)
    x, w = random.standard_normal((1, 12, 12, 8), np.float32), random.standard_normal((3, 3, 8, 8), np.float32)
    dy = random.standard_normal(x.shape, np.float32)
    patches = np.lib.stride_tricks.sliding_window_view(np.pad(x, [(0, 0), (1, 1), (1, 1), (0, 0)]), (3, 3), (1, 2))
    reference = np.einsum("nhwcij,ijco->nhwo", patches, w)
    with backend.use_backend(name):
        picture = Tensor(x, requires_grad=True)
        y = ops.conv(picture, Tensor(w), padding=1)
        gram = ops.gram_matrix(y.detach())
        y.backward(dy)
    assert picture.grad is not None
    result, dx = y.numpy(), devices.to_host(picture.grad)
    forward = np.abs(result - reference).max() / np.abs(reference).max()
    gradient = abs(np.vdot(dy, reference) - np.vdot(dx, x)) / (np.linalg.norm(dy) * np.linalg.norm(reference))
    products = np.einsum("nhwi,nhwj->nij", result, result)
    return float(max(forward, gradient, np.abs(gram.numpy() - products).max() / np.abs(products).max()))


def _compiled_kernels() -> dict[str, Any]:
    """Return the folder of Numba's disk cache, and the number of kernels in it."""
    from numba import config

    kernels = list(compiled_kernels())
    if not kernels:
        raise InputError("there are none; NumPy computes instead")
    folders = sorted({Path(kernel.stats.cache_path) for kernel in kernels})
    there = [any(Path(k.stats.cache_path).glob(_index_file(k))) for k in kernels]
    chosen = os.environ.get("NUMBA_CACHE_DIR")
    return {
        "folder": os.path.commonpath(folders),
        "lasting": config.CACHE_DIR in ("", chosen),  # type: ignore[attr-defined]
        "writable": all(os.access(folder, os.W_OK) for folder in folders),
        "bytes": sum(file.stat().st_size for folder in folders for file in folder.glob("*.nb[ic]")),
        "kernels": len(kernels),
        "compiled": sum(there),
        "chosen": chosen,
    }


def _index_file(kernel: Any) -> str:
    """Return the pattern of a kernel's index in Numba's cache: FILE.KERNEL-LINE.VERSION.nbi."""
    function = kernel.py_func
    return f"{Path(inspect.getfile(function)).stem}.{function.__qualname__}-{function.__code__.co_firstlineno}.*.nbi"


def _weights(row: zoo.Weights) -> dict[str, Any]:
    """Return path, or problem if it is None, and link: the download, or None for shipped weights."""

    def find() -> dict[str, Any]:
        path = zoo.path(row.name)
        return {"path": str(path), "bytes": path.stat().st_size}

    return {"name": row.name, "link": row.link, "path": None, **_try(find)}

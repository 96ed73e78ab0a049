"""minicnn: a from-scratch autograd and convolution engine, and the two classics of applied ConvNets that run on it.

`import minicnn` is quick: what takes time to load (style, models, hdf5, …) loads when it is first used.
"""

import importlib
from typing import Any

from minicnn.backend import set_threads, use_backend
from minicnn.errors import GradcheckError, InputError
from minicnn.tensor import Tensor, no_grad

__version__ = "0.1.0"

# Where the public names live that are not loaded at once.
_LATER = {
    "cache_info": "minicnn.kernels.memory",
    "clear_cache": "minicnn.kernels.memory",
    "frozen": "minicnn.nn",
    "gradcheck": "minicnn.gradients.checking",
    "record": "minicnn.tape",
}
_ROOMS = (
    *("datasets", "faces", "hdf5", "images", "learn", "models", "nn"),
    *("ops", "optim", "style", "tape", "training", "visualize", "zoo"),
)

__all__ = [
    "GradcheckError",
    "InputError",
    "Tensor",
    "__version__",
    "cache_info",
    "clear_cache",
    "frozen",
    "gradcheck",
    "no_grad",
    "record",
    "set_threads",
    "use_backend",
    *_ROOMS,
]


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return getattr(importlib.import_module(_LATER[name]), name)
    if name in _ROOMS:
        return importlib.import_module(f"minicnn.{name}")
    raise AttributeError(f"module 'minicnn' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)

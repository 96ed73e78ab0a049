"""minicnn: a from-scratch autograd and convolution engine, with face recognition and neural style transfer.

`import minicnn` is quick: large modules (style, models, hdf5, …) load at first use. Only this file names minicnn.fast,
which attaches the compiled kernels to the registry (backend.py).
"""

import importlib
from typing import Any

from minicnn import backend
from minicnn.backend import use_backend
from minicnn.errors import GradcheckError, InputError, nearest, suggest_names
from minicnn.operation import no_grad, op
from minicnn.ops import methods as _methods  # noqa: F401  (gives Tensor its +, *, @, …)
from minicnn.tensor import Tensor


def _heat_map(tensor: Tensor) -> str:
    """Return the Tensor as a heat map, for notebooks."""
    return importlib.import_module("minicnn.tape.heat_map").html_of(tensor)


Tensor._repr_html_ = _heat_map  # type: ignore[attr-defined]  # the core knows nothing of pictures

_BACKEND = ("Backend", "backends", "current_backend", "kernels_for", "register", "use_backend")
suggest_names("minicnn.backend", _BACKEND)  # its other names are for the package itself

try:
    importlib.import_module("minicnn.fast")
except ImportError as problem:
    backend.stand_in("numba", problem)

__version__ = "0.1.0"

# The modules of public names that load at first use.
_LATER = {
    "cache_info": "minicnn.resources",
    "clear_cache": "minicnn.resources",
    "frozen": "minicnn.nn",
    "gradcheck": "minicnn.gradients.checking",
    "record": "minicnn.tape",
    "set_threads": "minicnn.resources",
}
_CORE_ROOMS = ("ops", "nn", "optim")
_ROOMS = (
    *("datasets", "faces", "hdf5", "images", "learn", "models", "nn"),
    *("ops", "optim", "scale", "style", "tape", "training", "visualize", "zoo"),
)

__all__ = [
    "GradcheckError",
    "InputError",
    "Tensor",
    "__version__",
    "backend",
    "cache_info",
    "clear_cache",
    "frozen",
    "gradcheck",
    "no_grad",
    "op",
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
    homes = [room for room in _CORE_ROOMS if name in importlib.import_module(f"minicnn.{room}").__all__]
    near = f"; did you mean 'minicnn.{homes[0]}.{name}'?" if homes else nearest(name, __all__)
    if name in ("arange", "array", "empty", "eye", "full", "linspace", "ones", "zeros"):
        near = f"; did you mean 'minicnn.Tensor(np.{name}(…))'?"
    raise AttributeError(f"module 'minicnn' has no attribute {name!r}{'' if name.startswith('_') else near}")


def __dir__() -> list[str]:
    return sorted(__all__)

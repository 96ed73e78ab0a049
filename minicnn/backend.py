"""The registry: which function computes which contract, and what else may be attached from outside.

kernels/ states the contracts and defines each in NumPy. A backend is a set of functions by the names of the contracts,
with the definition for every name that it lacks. `kernels_for(array)` is the one place where a backend is chosen.
"""

from __future__ import annotations

import contextvars
import functools
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from minicnn import devices
from minicnn.errors import InputError
from minicnn.kernels import contracts
from minicnn.kernels.contract import Contract, Form

Find = Callable[[str], "Callable[..., Any] | None"]


class Backend:
    """Functions by the names of the contracts: kernels.conv(…), kernels.gram(…). `name` is the backend's own.

    find: returns the function of a name, or None for the definition; called once per name. An ImportError means that
    the whole backend is missing: the definitions compute, and a line on stderr says so.
    dtypes: characters of the dtypes that it computes; arrays of others go to the definitions. Empty: all.
    checked: check the shape and dtype of every result, and copy it.
    """

    def __init__(self, name: str, find: Find, dtypes: str = "", checked: bool = False) -> None:
        self.name, self._find, self._dtypes, self._checked = name, find, dtypes, checked
        self.missing = ""  # why the definitions compute instead

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name not in contracts:
            raise AttributeError(f"backend {self.name!r}: there is no contract {name!r}")
        contract = contracts[name]
        try:
            function = self._find(name)
        except ImportError as problem:
            _tell(f"minicnn: {problem}; NumPy computes instead, which is slower")
            self._find, self.missing, function = _nothing, str(problem), None
        if function is None:
            function = functools.partial(contract.definition, self) if contract.composed else contract.definition
        elif self._checked:
            function = _checked(f"backend {self.name!r}: {name}", function, contract)
        setattr(self, name, function)  # the next look-up finds it without asking
        return function


def _nothing(_: str) -> None:
    """Find no function: the definitions compute."""


_definitions = Backend("numpy", _nothing)
_backends = {"numpy": _definitions}
_default = "numpy"
_chosen: contextvars.ContextVar[str] = contextvars.ContextVar("backend", default="")
_services: dict[str, Callable[..., Any]] = {}
_told = False


def register(name: str, **functions: Callable[..., Any]) -> None:
    """Add a backend: register("mine", conv=my_conv, gram=my_gram), and then use_backend("mine").

    functions: by the names of the contracts (minicnn/kernels), called with the positional arguments of their
    definitions, without the `kernels` of composed ones. The definitions compute the rest: gradients too. A result of
    another shape or dtype than the contract's is an InputError that names the function.
    A name that was registered before is replaced. Raise InputError for an unknown contract.
    """
    if name in ("numpy", "numba", "cuda") or not isinstance(name, str) or not name.isidentifier():
        raise InputError(f"register: name is {name!r}; expected a name of your own, not numpy, numba or cuda")
    for key, function in functions.items():
        if key not in contracts:
            raise InputError(f"register: there is no contract {key!r}; expected some of {', '.join(sorted(contracts))}")
        if not callable(function):
            raise InputError(f"register: {key} is {function!r}; expected a function")
    attach(name, functions.get, checked=True)


def attach(name: str, find: Find, *, dtypes: str = "", checked: bool = False, default: bool = False) -> None:
    """Add a backend whose functions are found by name, see Backend. default: the one that computes unless another is
    chosen.
    """
    global _default
    _backends[name] = Backend(name, find, dtypes, checked)
    if default:
        _default = name


def stand_in(name: str, problem: ImportError) -> None:
    """Let the definitions compute for a default backend that is missing, and say so when it is first used."""

    def find(_: str) -> None:
        raise problem

    attach(name, find, default=True)


def backends() -> tuple[str, ...]:
    """Return the names of the backends for host arrays."""
    return tuple(name for name in _backends if name != "cuda")


class use_backend:
    """Choose the kernels for host arrays: "numpy" (readable, the definitions), "numba" (compiled, the default where it
    is attached), or a name that was registered.

    "cuda": new Tensors live on the GPU; host arrays are computed by the default. What lives on a GPU is computed there
    whatever is chosen. Raises InputError, with what is missing, where no GPU can be used.
    A plain call switches from here on; `with use_backend("numpy"):` switches back at the end of the block.
    The choice belongs to the current context: a new thread begins with the default.
    """

    def __init__(self, name: str) -> None:
        if name not in _backends and name != "cuda":
            raise InputError(f"use_backend: name is {name!r}; expected one of {', '.join((*backends(), 'cuda'))}")
        if name == "cuda":
            devices.check_device("cuda")
        self._token = _chosen.set(name)

    def __enter__(self) -> use_backend:
        return self

    def __exit__(self, *_: object) -> None:
        _chosen.reset(self._token)


def current_backend() -> str:
    """Return the name that was chosen last: how host arrays are computed, and where new Tensors live."""
    return _chosen.get() or _default


def new_device() -> str:
    """Return where new Tensors live."""
    return "cuda" if _chosen.get() == "cuda" else "cpu"


def kernels_for(array: np.ndarray) -> Backend:
    """Return the backend that computes on an array, by where it lives, its dtype, and what was chosen."""
    name = _chosen.get() or _default
    if type(array) is not np.ndarray and devices.device_of(array) == "cuda":
        name = "cuda"
    elif name == "cuda":
        name = _default
    backend = _backends.get(name, _definitions)  # NumPy's functions dispatch on a GPU's arrays
    return backend if not backend._dtypes or array.dtype.char in backend._dtypes else _definitions


# --- what else is attached from outside ----------------------------------------------------------------------------


def offer(**services: Callable[..., Any]) -> None:
    """Attach functions that others may ask for by name: the number of threads, what a cache holds, a faster way through
    a whole network.
    """
    _services.update(services)


def ask(service: str, *arguments: Any, otherwise: Any = None) -> Any:
    """Call the service of that name, or return `otherwise` where nobody offers it."""
    return _services[service](*arguments) if service in _services else otherwise


def quiet() -> None:
    """Do not say on stderr that a backend is missing, for commands whose output is parsed."""
    global _told
    _told = True


def _tell(line: str) -> None:
    """Print a line on stderr, the first time in this process."""
    if not _told:
        quiet()
        print(line, file=sys.stderr)


def _checked(name: str, function: Callable[..., Any], contract: Contract) -> Callable[..., Any]:
    """Return `function` with its results compared with what the contract promises, and copied: the engine adds to
    gradients in place, and the function may keep what it returned.
    """

    def call(*arguments: Any) -> Any:
        total = arguments[-1] if contract.adds else None
        result = function(*arguments[:-1], None) if contract.adds else function(*arguments)
        if contract.result is None:
            return result
        forms = contract.result(*arguments)
        if not isinstance(forms, list):
            _check_form(name, result, forms)
            return result.copy() if total is None else np.add(total, result, out=total)
        if not isinstance(result, tuple) or len(result) != len(forms):
            count = f"{len(result)} results" if isinstance(result, tuple) else f"one {type(result).__name__}"
            raise InputError(f"{name} returned {count}; expected a tuple of {len(forms)}")
        for part, form in zip(result, forms, strict=True):
            if form is not None:
                _check_form(name, part, form)
        return tuple(part if form is None else part.copy() for part, form in zip(result, forms, strict=True))

    return call


def _check_form(name: str, array: Any, form: Form) -> None:
    """Raise InputError unless the array has this shape and dtype."""
    shape, dtype = form
    wanted = f"expected shape {str(shape).replace('None', 'any')} and dtype {np.dtype(dtype)}"
    if not devices.is_array(array):
        raise InputError(f"{name} returned a value of type {type(array).__name__}; {wanted}")
    lengths = zip(shape, array.shape, strict=False)
    if len(shape) != len(array.shape) or any(n not in (None, m) for n, m in lengths) or array.dtype != dtype:
        raise InputError(f"{name} returned shape {array.shape} and dtype {array.dtype}; {wanted}")

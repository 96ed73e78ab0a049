"""The registry of backends, and of optional services that other packages provide.

kernels/ states the contracts and defines each in NumPy. A backend is a set of functions named after the contracts. The
definition stands in for every function that a backend lacks. `kernels_for(array)` is the only place where a backend is
selected.
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
    """A named set of functions, one attribute per contract: kernels.conv(…), kernels.gram(…).

    find: takes a contract's name and returns its function, or None for the definition; called once per name. If it
    raises ImportError, the definitions replace the whole backend and a line on stderr says so.
    dtypes: characters of the supported dtypes; the definitions compute all others. Empty: every dtype.
    checked: check the shape and dtype of every result, and copy it.
    """

    def __init__(self, name: str, find: Find, dtypes: str = "", checked: bool = False) -> None:
        self.name, self._find, self._dtypes, self._checked = name, find, dtypes, checked
        self.missing = ""  # why the definitions are used instead

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name not in contracts:
            raise AttributeError(f"backend {self.name!r}: there is no contract {name!r}")
        contract = contracts[name]
        try:
            function = self._find(name)
        except ImportError as problem:
            tell(f"minicnn: {problem}; NumPy computes instead, which is slower")
            self._find, self.missing, function = _nothing, str(problem), None
        if function is None:
            function = functools.partial(contract.definition, self) if contract.composed else contract.definition
        elif self._checked:
            function = _checked(f"backend {self.name!r}: {name}", function, contract)
        setattr(self, name, function)  # later look-ups bypass __getattr__
        return function


def _nothing(_: str) -> None:
    """Return None for every name, which selects the definitions."""


_definitions = Backend("numpy", _nothing)
_backends = {"numpy": _definitions}
_default = "numpy"
_chosen: contextvars.ContextVar[str] = contextvars.ContextVar("backend", default="")
_services: dict[str, Callable[..., Any]] = {}
_told = False


def register(name: str, **functions: Callable[..., Any]) -> None:
    """Add a backend: register("mine", conv=my_conv, gram=my_gram), then use_backend("mine").

    functions: keyed by contract (minicnn/kernels) and called with the positional arguments of the definition. A
    composed contract's function does not get `kernels`. The definitions compute all other contracts, gradients too.
    Registering a name again replaces the earlier backend.

    Raise InputError for a reserved or invalid name, an unknown contract, or a value that is not callable. When a
    function later returns a wrong shape or dtype, the InputError names it.
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
    """Add a backend that finds its functions by name (see Backend). default: use it unless another one is selected."""
    global _default
    _backends[name] = Backend(name, find, dtypes, checked)
    if default:
        _default = name


def stand_in(name: str, problem: ImportError) -> None:
    """Replace a missing default backend by the definitions, and report `problem` on stderr at first use."""

    def find(_: str) -> None:
        raise problem

    attach(name, find, default=True)


def backends() -> tuple[str, ...]:
    """Return the names of all backends for host arrays."""
    return tuple(name for name in _backends if name != "cuda")


class use_backend:
    """A selection of the backend for host arrays, as a plain call or as a context manager.

    name: "numpy" (readable definitions), "numba" (compiled, the default if installed), a registered name, or "cuda".
    With "cuda", new Tensors are created on the GPU and host arrays use the default backend. GPU arrays are always
    computed on the GPU.

    A plain call selects until further notice; `with use_backend("numpy"):` restores the earlier selection at the end.
    The selection is local to the current context: a new thread starts with the default.
    Raise InputError for an unknown name, or for "cuda" if no GPU can be used.
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
    """Return the name of the selected backend; "cuda" if new Tensors are created on the GPU."""
    return _chosen.get() or _default


def new_device() -> str:
    """Return the device on which new Tensors are created."""
    return "cuda" if _chosen.get() == "cuda" else "cpu"


def kernels_for(array: np.ndarray) -> Backend:
    """Return the backend for an array, from its device, its dtype, and the selected backend."""
    name = _chosen.get() or _default
    if type(array) is not np.ndarray and devices.device_of(array) == "cuda":
        name = "cuda"
    elif name == "cuda":
        name = _default
    backend = _backends.get(name, _definitions)  # the definitions also run on GPU arrays
    return backend if not backend._dtypes or array.dtype.char in backend._dtypes else _definitions


# --- optional services ---------------------------------------------------------------------------------------------


def offer(**services: Callable[..., Any]) -> None:
    """Register optional functions by name, for `ask`: thread count, cache statistics, faster inference."""
    _services.update(services)


def ask(service: str, *arguments: Any, otherwise: Any = None) -> Any:
    """Return the result of the named service, or `otherwise` if it is not registered or a library of it is missing."""
    try:
        return _services[service](*arguments) if service in _services else otherwise
    except ImportError as problem:
        tell(f"minicnn: {problem}; NumPy computes instead, which is slower")
        _services.pop(service, None)
        return otherwise


def quiet() -> None:
    """Suppress the stderr line about a missing backend, for commands whose output is parsed."""
    global _told
    _told = True


def tell(line: str) -> None:
    """Print a line on stderr, once per process."""
    if not _told:
        quiet()
        print(line, file=sys.stderr)


def _checked(name: str, function: Callable[..., Any], contract: Contract) -> Callable[..., Any]:
    """Return `function` wrapped so that its results are checked against the contract, and copied.

    The copies are needed because the engine adds to gradients in place, and the function may keep what it returned.
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
    """Raise InputError if the array does not have the shape and dtype of `form`."""
    shape, dtype = form
    wanted = f"expected shape {str(shape).replace('None', 'any')} and dtype {np.dtype(dtype)}"
    if not devices.is_array(array):
        raise InputError(f"{name} returned a value of type {type(array).__name__}; {wanted}")
    lengths = zip(shape, array.shape, strict=False)
    if len(shape) != len(array.shape) or any(n not in (None, m) for n, m in lengths) or array.dtype != dtype:
        raise InputError(f"{name} returned shape {array.shape} and dtype {array.dtype}; {wanted}")

"""A learner's solved exercises in the engine: which are right, what of a command they compute, and how much slower."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

import minicnn.faces.training
import minicnn.graph
import minicnn.tensor
from minicnn import backend, ops
from minicnn.learn import adapters, catalogue, examining  # type: ignore[attr-defined]
from minicnn.operation import op
from minicnn.tensor import Tensor
from minicnn.text import wrapped

KERNELS = {
    "conv_forward": adapters.conv_by_conv_forward,
    "im2col": adapters.conv_by_im2col,
    "conv_gradient": adapters.conv_gradients,
    "pool_forward": adapters.pools,
    "max_pool_gradient": adapters.max_pool_gradients,
    "gram_matrix": adapters.grams,
    "adam": adapters.adam_steps,
}
GRAPH = ("walk_back", "sum_to")
OPERATIONS = ("linear", "batch_norm", "softmax_cross_entropy")
FACES = ("triplet_loss", "batch_hard")
SHARE = 0.02  # of the time of all, which each function has for itself
NAMES = (*KERNELS, *GRAPH, *OPERATIONS, *FACES)


class Part:
    """A learner's function in the engine: it is called, measured, and compared with minicnn's own.

    After an error, or when the time of all is used up, minicnn's own takes over.
    """

    def __init__(self, name: str, clock: Clock) -> None:
        self.name, self.clock = name, clock
        self.calls = self.others = 0  # by the learner's function, and by minicnn's in its place
        self.seconds = self.usual_seconds = self.difference = 0.0
        self.compared, self.problem = False, ""

    def call(self, mine: Callable, usual: Callable, arguments: Sequence[Any], compare: bool = True) -> Any:
        """Return mine(*arguments), or usual(*arguments) if mine cannot. compare: whether usual may run as well."""
        used_up = self.clock.spent >= self.clock.limit and self.seconds >= self.clock.limit * SHARE
        if self.problem or used_up:
            self.others += 1
            return usual(*arguments)
        began = time.perf_counter()
        self.clock.inner.append(0.0)
        try:
            found = mine(*arguments)
        except Exception as problem:
            if not compare:
                raise
            found, self.problem = NotImplemented, f"{type(problem).__name__}: {problem}"
        took = time.perf_counter() - began - self.clock.inner.pop()
        if found is NotImplemented:
            self.others += 1
            found = usual(*arguments)
        else:
            self.calls += 1
            self.seconds += took
            self.clock.spent += took
            if compare:
                self._compare(found, usual, arguments)
        if self.clock.inner:
            self.clock.inner[-1] += time.perf_counter() - began
        return found

    def _compare(self, found: Any, usual: Callable, arguments: Sequence[Any]) -> None:
        usual(*arguments)  # once for what it compiles and remembers
        began = time.perf_counter()
        expected = usual(*arguments)
        self.usual_seconds += time.perf_counter() - began
        self.compared = True
        pairs = zip(_arrays(found), _arrays(expected), strict=False)
        self.difference = max([self.difference, *(_apart(*pair) for pair in pairs)])


class Clock:
    """The seconds that a learner's functions have taken, and may take. inner: what the calls inside a call took."""

    def __init__(self, limit: float) -> None:
        self.limit, self.spent = limit, 0.0
        self.inner: list[float] = []

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Do not count the time of a block inside a call."""
        began = time.perf_counter()
        self.inner.append(0.0)
        try:
            yield
        finally:
            self.inner.pop()
            self.inner[-1] += time.perf_counter() - began


class OwnEngine:
    """The right answers in a folder, as parts of the engine. limit: seconds that they may take together."""

    def __init__(self, folder: Path, limit: float) -> None:
        self.files = {name: folder / f"{name}.py" for name in NAMES if (folder / f"{name}.py").is_file()}
        with ThreadPoolExecutor(4) as pool:
            found = pool.map(lambda row: examining.examine(catalogue.find(row[0]), row[1], 10), self.files.items())
        self.right = [name for name, verdict in zip(self.files, found, strict=True) if verdict]
        self.parts = {name: Part(name, clock) for clock in [Clock(limit)] for name in self.right}
        self.limit, self.seconds = limit, 0.0

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Let the functions compute inside the block. NumPy's definitions compute what none of them does."""
        mine = {name: _loaded(name, self.files[name]) for name in self.right}
        usual = backend.current_backend()
        began = time.perf_counter()
        with ExitStack() as stack:
            for holder, name, replacement in self._replaced(mine):
                stack.enter_context(mock.patch.object(holder, name, replacement))
            backend.register("yours", **self._kernels(mine, usual))
            stack.enter_context(backend.use_backend("yours"))
            try:
                yield
            finally:
                self.seconds = time.perf_counter() - began

    def _kernels(self, mine: dict[str, Callable], usual: str) -> dict[str, Callable]:
        """Return a function for each contract that a right answer computes."""
        chosen = [name for name in KERNELS if name in mine and not (name == "im2col" and "conv_forward" in mine)]
        return {
            contract: _kernel(self.parts[name], contract, adapted, usual)
            for name in chosen
            for contract, adapted in KERNELS[name](mine[name]).items()
        }

    def _replaced(self, mine: dict[str, Callable]) -> Iterator[tuple[Any, str, Callable]]:
        """Yield (module, name, replacement) for functions that are no kernels."""
        if "walk_back" in mine:
            walk = adapters.walks(mine["walk_back"], self.parts["walk_back"].clock.aside)
            yield minicnn.tensor, "walk_back", _passing(self.parts["walk_back"], walk, minicnn.graph.walk_back)
        if "sum_to" in mine:
            yield minicnn.graph, "sum_to", _summing(self.parts["sum_to"], mine["sum_to"], minicnn.graph.sum_to)
        for name, place, wrap in (
            ("linear", "linear", _linear),
            ("batch_norm", "batch_norm", _batch_norm),
            ("softmax_cross_entropy", "cross_entropy", _cross_entropy),
        ):
            if name in mine:
                yield ops, place, wrap(self.parts[name], mine[name], getattr(ops, place))
        training = minicnn.faces.training
        for name, place, adapt in (
            ("triplet_loss", "batch_triplet_loss", adapters.triplet_costs),
            ("batch_hard", "mine_triplets", adapters.triplet_mining),
        ):
            if name in mine:
                yield training, place, _passing(self.parts[name], adapt(mine[name]), getattr(training, place))

    def report(self) -> str:
        """Return which functions were the learner's, which were not yet, and how many times slower they are."""
        used = [part for part in self.parts.values() if part.calls]
        table = [HEAD, *map(_row, used)] if used else []
        return "\n".join([*table, *(line for text in self._remarks(used) for line in wrapped(text, hanging="  "))])

    def _remarks(self, used: Sequence[Part]) -> Iterator[str]:
        for part in self.parts.values():
            if part.problem:
                yield f"{part.name} raised {part.problem}; minicnn's took over."
            if part.difference > 1e-2:
                yield f"{part.name} differs from minicnn's by up to {part.difference:.0%} of the largest number."
        left = [f"{part.name} {part.others}" for part in self.parts.values() if part.others and not part.problem]
        if left:
            late = any(part.clock.spent >= self.limit for part in used)
            why = f"after {self.limit:g} s of yours" if late else "as they ask for more than the exercise does"
            yield f"Calls that minicnn computed, {why}: {', '.join(left)}."
        idle = [part.name for part in self.parts.values() if not part.calls + part.others]
        for title, names in (
            ("Yours, not needed by this command", idle),
            ("Not right yet, and so not used", [name for name in self.files if name not in self.right]),
            ("Not yours yet", [name for name in NAMES if name not in self.files]),
        ):
            if names:
                yield f"{title}: {', '.join(names)}."
        compared = [part for part in used if part.compared]
        if compared:
            yours, usual = (sum(getattr(part, name) for part in compared) for name in ("seconds", "usual_seconds"))
            yield f"In all, yours are {_times(yours, usual)} times slower than minicnn's for the same calls."
        elif not used:
            yield "No function in this run was yours. Start one with: minicnn learn start conv_forward"


HEAD = "Yours in this run             calls    seconds  minicnn's  times slower"


def _row(part: Part) -> str:
    usual = f"{part.usual_seconds:10.4f} {_times(part.seconds, part.usual_seconds):>13}" if part.compared else ""
    return f"  {part.name:<24} {part.calls:8} {part.seconds:10.3f} {usual}".rstrip()


def _times(seconds: float, usual: float) -> str:
    return f"{seconds / max(usual, 1e-9):.3g}"


def _loaded(name: str, file: Path) -> Callable:
    """Run a learner's file, which was found to be right, and return the function of this name."""
    specification = importlib.util.spec_from_file_location(f"learner_{name}", file)
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return getattr(module, name)


def _arrays(value: Any) -> list[np.ndarray]:
    """Return the arrays of a result."""
    value = value.data if isinstance(value, Tensor) else value
    if isinstance(value, tuple | list):
        return [array for part in value for array in _arrays(part)]
    return [] if value is None or callable(value) else [np.asarray(value)]


def _apart(found: np.ndarray, expected: np.ndarray) -> float:
    """Return max|Δ| / max|expected|, infinite if the shapes differ."""
    if found.shape != expected.shape:
        return float("inf")
    if not expected.size:
        return 0.0
    return float(np.abs(found.astype(float) - expected).max() / max(np.abs(expected).max(), 1e-12))


def _kernel(part: Part, contract: str, adapted: Callable, usual: str) -> Callable:
    """Return a kernel that calls the learner's function. usual: the backend to compare with."""

    def run(*arguments: Any) -> Any:
        with backend.use_backend(usual):
            own = getattr(backend.kernels_for(arguments[0]), contract)
            if contract != "adam_step":
                return own(*arguments)
            copies = [array.copy() for array in (arguments[0], *arguments[2:4])]
            own(copies[0], arguments[1], *copies[1:], *arguments[4:])
            return tuple(copies)

    def kernel(*arguments: Any) -> Any:
        found = part.call(lambda *given: _typed(adapted(*given), given[0].dtype), run, arguments)
        if contract != "adam_step":
            return found
        for array, new in zip((arguments[0], *arguments[2:4]), found, strict=True):
            array[...] = new
        return None

    return kernel


def _typed(found: Any, dtype: Any) -> Any:
    """Return floats in the dtype of the engine: learners' arrays of zeros are float64."""
    if found is NotImplemented:
        return found
    if isinstance(found, tuple):
        return tuple(_typed(part, dtype) for part in found)
    array = np.asarray(found)
    return array.astype(dtype, copy=False) if array.dtype.kind == "f" else array


def _passing(part: Part, mine: Callable, usual: Callable) -> Callable:
    """Return a function that may not run twice, because it walks a graph or extends one."""

    def function(*arguments: Any, **options: Any) -> Any:
        return part.call(
            lambda *given: mine(*given, **options), lambda *given: usual(*given, **options), arguments, compare=False
        )

    return function


def _summing(part: Part, mine: Callable, usual: Callable) -> Callable:
    def sum_to(gradient: np.ndarray, shape: tuple) -> np.ndarray:
        if gradient.shape == shape:
            return gradient
        return part.call(lambda d, to: _typed(mine(d, to), d.dtype), usual, (gradient, shape))

    return sum_to


def _operation(part: Part, mine: Callable, usual: Callable, inputs: int) -> Callable:
    """Return the learner's (y, backward) as an operation, measured on both ways. usual: minicnn's, on arrays."""

    def both_ways(*arguments: Any) -> Any:
        y, backward = part.call(mine, usual, arguments)
        *_, theirs = usual(*arguments)

        def back(dy: np.ndarray) -> Any:
            found = part.call(lambda d: _typed(backward(d), y.dtype), lambda d: _first(theirs(d), inputs), (dy,))
            return tuple(found) if inputs > 1 else found

        return np.asarray(y, arguments[0].dtype), back

    return both_ways


def _on_arrays(operation: Any) -> Callable:
    """Return the function on arrays that an operation was made of."""
    function: Callable = operation.__wrapped__
    return function


def _first(parts: Any, inputs: int) -> Any:
    return tuple(parts[:inputs]) if isinstance(parts, tuple) else parts


def _linear(part: Part, mine: Callable, usual: Callable) -> Callable:
    def on_arrays(x, w, b):
        return _on_arrays(usual)(x, w, b, needs=(True, True, True))

    inner = _operation(part, mine, on_arrays, 3)
    operation = op(lambda x, w, b: inner(x, w, b))

    def linear(x: Any, w: Any, b: Any = None) -> Tensor:
        if np.ndim(x) != 2 or np.ndim(w) != 2 or x.shape[1] != w.shape[0]:
            return usual(x, w, b)
        return operation(x, w, np.zeros(w.shape[1], w.dtype) if b is None else b)

    return linear


def _batch_norm(part: Part, mine: Callable, usual: Callable) -> Callable:
    def batch_norm(x, gamma, beta, mean, variance, *, eps, training=False, activation=None, **options):
        if not training:
            return usual(x, gamma, beta, mean, variance, eps=eps, activation=activation, **options)

        def on_arrays(rows, scale, shift):
            needs = (True, True, True, False, False)
            return _on_arrays(usual)(rows, scale, shift, mean, variance, eps=eps, training=True, needs=needs)

        inner = _operation(part, lambda *arguments: mine(*arguments, eps), on_arrays, 3)
        channels = x.shape[-1]
        gamma = np.ones(channels, x.dtype) if gamma is None else gamma
        operation = op(lambda rows, scale, shift: inner(rows, scale, shift))
        y = ops.reshape(operation(ops.reshape(x, (-1, channels)), gamma, beta), x.shape)
        return ops.relu(y) if activation else y

    return batch_norm


def _cross_entropy(part: Part, mine: Callable, usual: Callable) -> Callable:
    def cross_entropy(logits, labels, *, smoothing=0.0):
        if smoothing:
            return usual(logits, labels, smoothing=smoothing)
        labels = labels.data if isinstance(labels, Tensor) else np.asarray(labels)
        inner = _operation(part, lambda x: mine(x, labels), lambda x: _on_arrays(usual)(x, labels), 1)
        return op(lambda x: inner(x))(logits)

    return cross_entropy

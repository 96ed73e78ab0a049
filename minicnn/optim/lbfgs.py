"""L-BFGS: a quasi-Newton method that estimates curvature from the last few steps."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Iterator
from typing import Self

import numpy as np

from minicnn import devices
from minicnn.backend import kernels_for
from minicnn.errors import InputError, check_count
from minicnn.optim.line_search import Trial, strong_wolfe
from minicnn.optim.optimizer import EVERYWHERE, Evaluate, Optimizer, Resize, carried, check_bounds
from minicnn.tensor import Tensor

PIECE = 256  # length of pieces that are summed in their own precision; the sums are added in float64
FLAT = 1e-10  # share of |s| |y| that sᵀy must exceed for a pair to be kept
SCALARS = ("steps", "evaluations", "finished", "cost")


class LBFGS(Optimizer):
    """Limited-memory BFGS with a strong Wolfe line search. Source: Nocedal & Wright 2006, algorithms 7.4 and 7.5.

    learning_rate: the largest change of any one number in the first trial, while no curvature is known. Later trials
    start with the full quasi-Newton step.
    history: the number of pairs kept: steps s, and changes y of the gradient.
    trials: the maximum number of cost evaluations per line search; one is usually enough.
    bounds: (low, high) of every parameter, as for the pixels of a picture.
    Raise InputError for an invalid argument.

    evaluations: the number of cost evaluations so far.
    finished: True once steepest descent finds no lower cost; further steps do nothing.

    The cost and gradient at the current point are cached. Nothing else may change the parameters or the cost function
    between steps, unless `reset` is called.

    Bounds are enforced by projection. A number at a bound is fixed if descent would leave the box: its component is
    zero before and after the curvature is applied. A positive definite matrix is so in every subspace, so
    the rest is still a descent direction. If only the curvature pushes a number out, its component opposes descent, and
    removing it makes the descent steeper.
    Trials are clipped, and their slope counts only the numbers that still move. On such a path, which has kinks, there
    may be no step that meets the Wolfe conditions. A pair is therefore kept only if sᵀy is positive.
    Source: Bertsekas 1982, "Projected Newton methods for optimization problems with simple constraints".
    """

    def __init__(
        self,
        parameters: Iterable[Tensor],
        learning_rate: float = 1.0,
        *,
        lr: float | None = None,
        history: int = 10,
        trials: int = 20,
        bounds: tuple[float, float] = EVERYWHERE,
    ) -> None:
        super().__init__(parameters, learning_rate, lr)
        for name, value in {"history": history, "trials": trials}.items():
            check_count(f"LBFGS: {name}", value)
        self.history, self.trials = history, trials
        self.bounds = check_bounds(bounds)
        self.evaluations = 0
        self.reset()

    def reset(self) -> None:
        """Discard the curvature pairs, and the cached cost and gradient."""
        self.moves: list[np.ndarray] = []  # s, oldest first
        self.changes: list[np.ndarray] = []  # y, changes of the gradient over the same steps
        self.curvatures: list[float] = []  # sᵀy
        self.cost, self.gradient = math.nan, np.empty(0)  # at the current point; empty: not known yet
        self.finished = False
        self._spare: tuple[np.ndarray, np.ndarray] | None = None  # memory for the next pair

    def step(self, evaluate: Evaluate | None = None) -> float:  # type: ignore[override]
        """Take one step, and return the cost before it, exactly as evaluate() returned it.

        evaluate: a function that recomputes each parameter's `.grad` and returns the cost. It is called at every trial
        point; the last trial is not necessarily the accepted one. Raise InputError without it.
        """
        if evaluate is None:
            raise InputError("LBFGS.step: evaluate is None; expected a function that sets gradients, returns the cost")
        self.steps += 1
        if not self.gradient.size:
            self._place(self._copied())  # clipped to the bounds
            self.cost, self.gradient = self._evaluate(evaluate)
        before = self.cost
        if self.finished or not math.isfinite(before):
            return before
        origin = self._copied()
        found = self._search(evaluate, origin)
        if found is None and self.moves:  # the curvature misled: try steepest descent
            self.moves, self.changes, self.curvatures = [], [], []
            found = self._search(evaluate, origin)
        if found is None:
            self._place(origin)
            self.finished = True
        else:
            self._remember(origin, found)
            self.cost, self.gradient = found.cost, found.gradient
        return before

    def _search(self, evaluate: Evaluate, origin: np.ndarray) -> Trial | None:
        """Return an accepted trial in the quasi-Newton direction, with the parameters set to it, or None."""
        direction = self._direction(origin)
        slope = dot(self.gradient, direction)
        if not -math.inf < slope < 0:
            return None
        last = 0.0

        def attempt(length: float) -> Trial:
            nonlocal last
            last = length
            self._place(origin, direction, length)
            cost, gradient = self._evaluate(evaluate)
            return Trial(length, cost, dot(gradient, self._inward(self._point(), direction)), gradient)

        length = 1.0 if self.moves else self.learning_rate / float(np.abs(direction).max())
        found = strong_wolfe(attempt, Trial(0.0, self.cost, slope, self.gradient), length, trials=self.trials)
        if found is not None and found.length != last:
            self._place(origin, direction, found.length)
        return found

    def _direction(self, point: np.ndarray) -> np.ndarray:
        """Return −H g, restricted to the bounds. H estimates the inverse Hessian, and g is the gradient."""
        descent = np.negative(self.gradient, out=_empty_like(self.gradient))
        inward = self._inward(point, descent)
        if not self.moves:
            return inward
        direction = _empty_like(descent)
        direction[:] = inward
        self._two_loops(direction)
        if inward is not descent:
            direction[inward != descent] = 0
        return self._inward(point, direction)

    def _two_loops(self, q: np.ndarray) -> None:
        """Compute q = H q in place. Algorithm 7.4."""
        scratch = _empty_like(q)
        pairs = list(zip(self.moves, self.changes, self.curvatures, strict=True))
        shares = []
        for s, y, curvature in reversed(pairs):
            shares.append(dot(s, q) / curvature)
            q -= np.multiply(y, shares[-1], out=scratch)
        q *= pairs[-1][2] / dot(pairs[-1][1], pairs[-1][1])
        for (s, y, curvature), share in zip(pairs, reversed(shares), strict=True):
            q += np.multiply(s, share - dot(y, q) / curvature, out=scratch)

    def _inward(self, point: np.ndarray, direction: np.ndarray) -> np.ndarray:
        """Return the direction with components that leave the box set to zero; the same array without bounds."""
        if self.bounds == EVERYWHERE:
            return direction
        low, high = self.bounds
        outward = (point <= low) & (direction < 0)
        outward |= (point >= high) & (direction > 0)
        inside = _empty_like(direction)
        np.multiply(direction, ~outward, out=inside)
        return inside

    def _remember(self, origin: np.ndarray, found: Trial) -> None:
        """Store the pair (s, y) of this step, reusing the memory of the oldest pair."""
        s, y = self._spare or (np.empty_like(origin), np.empty_like(origin))
        np.subtract(self._point(), origin, out=s)
        np.subtract(found.gradient, self.gradient, out=y)
        if self.bounds != EVERYWHERE:  # y at a fixed number says nothing about the curvature of the others
            y *= s != 0
        self._spare = s, y
        curvature = dot(s, y)
        if not curvature > FLAT * math.sqrt(dot(s, s) * dot(y, y)):
            return
        self._spare = None
        if len(self.moves) == self.history:
            self._spare = self.moves.pop(0), self.changes.pop(0)
            self.curvatures.pop(0)
        self.moves.append(s)
        self.changes.append(y)
        self.curvatures.append(curvature)

    # --- the parameters as one vector ----------------------------------------------------------------------------

    def _evaluate(self, evaluate: Evaluate) -> tuple[float, np.ndarray]:
        self.evaluations += 1
        cost = float(evaluate())
        gradient = self._empty()
        for part, parameter in self._parts(gradient):
            part[...] = 0 if parameter.grad is None else parameter.grad
        return cost if math.isfinite(dot(gradient, gradient)) else math.nan, gradient

    def _place(self, origin: np.ndarray, direction: np.ndarray | None = None, length: float = 0.0) -> None:
        """Set the parameters to origin + length · direction, clipped to the box."""
        for part, parameter in self._parts(origin):
            parameter.data[...] = part
        if direction is not None:
            for part, parameter in self._parts(direction):
                parameter.data += part * length
        if self.bounds != EVERYWHERE:
            for parameter in self.parameters:
                np.clip(parameter.data, *self.bounds, out=parameter.data)

    def _point(self) -> np.ndarray:
        """Return the parameters as one vector: a view of a single parameter, otherwise a copy."""
        return self.parameters[0].data.reshape(-1) if len(self.parameters) == 1 else self._copied()

    def _copied(self) -> np.ndarray:
        vector = self._empty()
        for part, parameter in self._parts(vector):
            part[...] = parameter.data
        return vector

    def _empty(self) -> np.ndarray:
        size = sum(parameter.size for parameter in self.parameters)
        dtype = np.result_type(*(parameter.dtype for parameter in self.parameters))
        like = self.parameters[0].data
        return kernels_for(like).empty((size,), dtype, like)

    def _parts(self, vector: np.ndarray) -> Iterator[tuple[np.ndarray, Tensor]]:
        """Yield (view of the vector in the parameter's shape, parameter) for every parameter."""
        start = 0
        for parameter in self.parameters:
            yield vector[start : start + parameter.size].reshape(parameter.shape), parameter
            start += parameter.size

    # --- saving and resuming -------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, np.ndarray]:
        """Return the state, as Optimizer.state does, with one moves.N and changes.N per stored pair."""
        pairs = {f"moves.{i}": s for i, s in enumerate(self.moves)}
        pairs |= {f"changes.{i}": y for i, y in enumerate(self.changes)}
        scalars = {name: np.asarray(getattr(self, name)) for name in SCALARS}
        return {**scalars, "gradient": self.gradient, "curvatures": np.asarray(self.curvatures), **pairs}

    def load_state_dict(self, state: dict[str, np.ndarray]) -> None:
        """Restore what state_dict() returned. Raise InputError if names or shapes do not fit."""
        count = np.size(state.get("curvatures", ()))
        vectors = [f"{name}.{i}" for name in ("moves", "changes") for i in range(count)]
        size = sum(parameter.size for parameter in self.parameters)
        if (
            state.keys() != {*SCALARS, "gradient", "curvatures", *vectors}
            or count > self.history
            or any(state[name].shape != () for name in SCALARS)
            or any(state[name].shape != (size,) for name in vectors)
            or state["gradient"].shape not in ((size,), (0,))
        ):
            raise self._foreign()
        self.reset()
        self.steps, self.evaluations = int(state["steps"]), int(state["evaluations"])
        self.finished, self.cost, self.gradient = (
            bool(state["finished"]),
            float(state["cost"]),
            self._taken(state["gradient"]),
        )
        self.moves = [self._taken(state[f"moves.{i}"]) for i in range(count)]
        self.changes = [self._taken(state[f"changes.{i}"]) for i in range(count)]
        self.curvatures = [float(curvature) for curvature in state["curvatures"]]

    def _taken(self, vector: np.ndarray) -> np.ndarray:
        return devices.beside(vector.copy(), self.parameters[0].data)

    def resized(self, parameters: Iterable[Tensor], resize: Resize) -> Self:
        """Return a resized copy, as Optimizer.resized does.

        Moves of pixels are not rescaled, and changes of the gradient are divided as gradients are. This preserves the
        curvature sᵀy along a move. The cost is now a different function, so its cached value is discarded.
        """
        twin = copy.copy(self)
        twin._take(parameters, self.parameters)
        twin.reset()
        for s, y in zip(self.moves, self.changes, strict=True):
            pair = twin._empty(), twin._empty()
            for power, (old, new) in enumerate(zip((s, y), pair, strict=True)):
                sources, targets = self._parts(old), twin._parts(new)
                for (source, before), (target, after) in zip(sources, targets, strict=True):
                    target[...] = carried(source, before, after, resize, power)
            if (curvature := dot(*pair)) > 0:
                twin.moves.append(pair[0])
                twin.changes.append(pair[1])
                twin.curvatures.append(curvature)
        return twin


def dot(a: np.ndarray, b: np.ndarray) -> float:
    """Return aᵀb, summed in short pieces in their own precision, and over the pieces in float64.

    Otherwise the rounding error would grow with the number of pixels, and soon exceed the curvature sought.
    """
    if devices.device_of(a) == "cuda":
        return float(np.sum(a * b, dtype=np.float64))
    whole = a.size - a.size % PIECE
    with np.errstate(over="ignore", invalid="ignore"):  # callers check whether the result is finite
        pieces = np.vecdot(a[:whole].reshape(-1, PIECE), b[:whole].reshape(-1, PIECE))
        return float(pieces.sum(dtype=np.float64)) + float(np.vecdot(a[whole:], b[whole:]))


def _empty_like(vector: np.ndarray) -> np.ndarray:
    return kernels_for(vector).empty(vector.shape, vector.dtype, vector)

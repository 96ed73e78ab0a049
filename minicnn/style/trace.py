"""The record of a run: the costs of every iterate, and the picture of lowest cost."""

from __future__ import annotations

import math
from itertools import dropwhile
from typing import Any

import numpy as np

Costs = dict[str, float]
PLAIN = ("history", "steps", "steps_here", "evaluations", "lowest")  # attributes that are saved unchanged


class Diverged(Exception):
    """The cost is not finite, so the run cannot continue."""


class Trace:
    """The record of a run. history: {"step": n, name of a cost: value} for each iterate.

    The step that ends one size also starts the next, so it appears twice.
    best, lowest: the picture of lowest cost at this size, and its cost. Evaluations between two iterates, such as those
    of a line search, count in `evaluations` and for `best`, but not in the history.
    """

    def __init__(self) -> None:
        self.history: list[dict[str, Any]] = []
        self.steps = self.steps_here = self.evaluations = 0
        self.best: np.ndarray | None = None
        self.lowest = math.inf
        self._seen: dict[float, Costs] = {}  # by cost, which the optimizer returns for the picture it stepped from

    def look(self, image: np.ndarray, costs: Costs) -> None:
        """Record the costs of a picture (H, W, 3). "total" is the cost that is minimized."""
        self.evaluations += 1
        self._seen.pop(costs["total"], None)  # evaluated again, it becomes the newest
        self._seen[costs["total"]] = costs
        if costs["total"] < self.lowest:  # False for NaN
            self.lowest, self.best = costs["total"], image.copy()

    def took_a_step(self, cost: float) -> None:
        """Record a step from the iterate with this cost. Raises Diverged if the cost is not finite."""
        if not math.isfinite(cost):
            raise Diverged(f"the cost became {cost} at step {self.steps}")
        self._note(self._seen[cost])
        self.steps += 1
        self.steps_here += 1

    def arrived(self) -> None:
        """Record the picture evaluated last as the final iterate."""
        self._note(list(self._seen.values())[-1])

    def begin_size(self) -> None:
        """Reset everything except the history, since costs at different sizes are not comparable."""
        self.steps_here, self.best, self.lowest, self._seen = 0, None, math.inf, {}

    @property
    def last(self) -> Costs:
        """The costs of the last iterate recorded."""
        return self.history[-1]

    def state(self) -> dict[str, Any]:
        """Return everything except the picture, as plain data."""
        return {name: getattr(self, name) for name in PLAIN} | {"seen": list(self._seen.values())}

    def load_state(self, state: dict[str, Any], best: np.ndarray | None) -> None:
        """Restore the state that state() returned, and the best picture."""
        self._seen = {costs["total"]: costs for costs in state["seen"]}
        for name in PLAIN:  # ignore any other key in a file
            setattr(self, name, state[name])
        self.best = best

    def _note(self, costs: Costs) -> None:
        self.history.append({"step": self.steps, **costs})
        # The next step starts from a later evaluation, or from this one again.
        self._seen = dict(dropwhile(lambda seen: seen[1] is not costs, self._seen.items()))

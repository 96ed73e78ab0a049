"""What is remembered of a run: the costs of every iterate, and the picture of lowest cost."""

from __future__ import annotations

import math
from itertools import dropwhile
from typing import Any

import numpy as np

Costs = dict[str, float]
PLAIN = ("history", "steps", "steps_here", "evaluations", "lowest")  # what is kept as it is


class Diverged(Exception):
    """The cost is no number any more, so no step from here leads anywhere."""


class Trace:
    """history: {"step": n, part of the cost: its value} of iterate after iterate, at each size from its first to its
    last; the step that ends one size begins the next, and is there twice.

    best, lowest: the picture of lowest cost at this size, and that cost. An optimizer may look at pictures between two
    iterates: they count for `best`, and in `evaluations`, but are not iterates.
    """

    def __init__(self) -> None:
        self.history: list[dict[str, Any]] = []
        self.steps = self.steps_here = self.evaluations = 0
        self.best: np.ndarray | None = None
        self.lowest = math.inf
        self._seen: dict[float, Costs] = {}  # by cost, since an optimizer tells by its cost what it stepped from

    def look(self, image: np.ndarray, costs: Costs) -> None:
        """See a picture, (H, W, 3), and its costs; the "total" is what is made small."""
        self.evaluations += 1
        self._seen.pop(costs["total"], None)  # seen again, it is the newest
        self._seen[costs["total"]] = costs
        if costs["total"] < self.lowest:  # not so for NaN
            self.lowest, self.best = costs["total"], image.copy()

    def took_a_step(self, cost: float) -> None:
        """Note the iterate of this cost, which a step went down from. Raises Diverged where it is no number."""
        if not math.isfinite(cost):
            raise Diverged(f"the cost became {cost} at step {self.steps}")
        self._note(self._seen[cost])
        self.steps += 1
        self.steps_here += 1

    def arrived(self) -> None:
        """Note the picture seen last: the last iterate."""
        self._note(list(self._seen.values())[-1])

    def begin_size(self) -> None:
        """Costs of another size are not comparable: keep the history and nothing else."""
        self.steps_here, self.best, self.lowest, self._seen = 0, None, math.inf, {}

    @property
    def last(self) -> Costs:
        """The costs of the iterate noted last."""
        return self.history[-1]

    def state(self) -> dict[str, Any]:
        """Everything but the picture, as plain data."""
        return {name: getattr(self, name) for name in PLAIN} | {"seen": list(self._seen.values())}

    def load_state(self, state: dict[str, Any], best: np.ndarray | None) -> None:
        """Put back what state() gave, and the best picture."""
        self._seen = {costs["total"]: costs for costs in state["seen"]}
        for name in PLAIN:  # and nothing else that a file may name
            setattr(self, name, state[name])
        self.best = best

    def _note(self, costs: Costs) -> None:
        self.history.append({"step": self.steps, **costs})
        # What the next step starts from was seen since, or is this one once more.
        self._seen = dict(dropwhile(lambda seen: seen[1] is not costs, self._seen.items()))

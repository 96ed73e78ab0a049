"""The plan of a benchmark: its sections and their conditions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from minicnn.bench.report import Row


@dataclass(frozen=True)
class Plan:
    """The conditions of a benchmark.

    rounds: number of turns of minicnn and PyTorch each. quick: True for small sizes, for a first look.
    torch: PyTorch, or None if it is not installed. turn: minimum seconds per turn.
    """

    rounds: int = 5
    quick: bool = False
    torch: ModuleType | None = None
    turn: float = 0.05
    remembered: dict[Any, Any] = field(default_factory=dict)

    def once(self, key: Any, measure: Callable[[], Any]) -> Any:
        """Return measure(), cached by its key, for values that several rows need."""
        if key not in self.remembered:
            self.remembered[key] = measure()
        return self.remembered[key]


@dataclass(frozen=True)
class Section:
    """A table to be filled: the name of each row with the function that measures it. Other fields: as in Table."""

    title: str
    measurements: Sequence[tuple[str, Callable[[], Row]]]
    compared: str = "as fast"
    limit: str = ""
    rival: str = "PyTorch"

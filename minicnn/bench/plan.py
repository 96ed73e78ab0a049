"""What is to be measured, and how."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from minicnn.bench.report import Row


@dataclass(frozen=True)
class Plan:
    """rounds: how often minicnn and PyTorch take turns. quick: small sizes, for a first look.

    torch: PyTorch, or None where it is not installed. turn: seconds that a turn lasts at least.
    """

    rounds: int = 5
    quick: bool = False
    torch: ModuleType | None = None
    turn: float = 0.05
    remembered: dict[Any, Any] = field(default_factory=dict)

    def once(self, key: Any, measure: Callable[[], Any]) -> Any:
        """What measure() returns; measured the first time only, for what more than one row needs."""
        if key not in self.remembered:
            self.remembered[key] = measure()
        return self.remembered[key]


@dataclass(frozen=True)
class Section:
    """One table to be filled: for each row its name and the function that measures it. The rest: as in Table."""

    title: str
    measurements: Sequence[tuple[str, Callable[[], Row]]]
    compared: str = "as fast"
    limit: str = ""
    rival: str = "PyTorch"

"""Verdicts on answers, as data and as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from minicnn.text import wrapped


@dataclass(frozen=True)
class Row:
    """The verdict on one case. text: the difference, if the answer is wrong."""

    case: str
    right: bool
    text: str = ""


@dataclass(frozen=True)
class Verdict:
    """The verdict on a function, case by case. It is true if every case is right.

    advice: hints. printed: the output of the learner's program.
    """

    name: str
    right: bool
    rows: Sequence[Row] = ()
    advice: Sequence[str] = ()
    printed: str = field(default="", repr=False)

    def __bool__(self) -> bool:
        return self.right

    def __str__(self) -> str:
        lines = [f"{self.name}: {self._sum()}", *([""] if self.rows else [])]
        for row in self.rows:
            lines += _below("right  " if row.right else "WRONG  ", row.case)
            lines += _below(" " * 9, row.text) if row.text else []
        for text in self.advice:
            lines += ["", *_below("", text)]
        if self.printed:
            lines += ["", "It printed:", *(f"  | {line}" for line in self.printed.splitlines())]
        return "\n".join(lines)

    __repr__ = __str__  # shown in notebooks

    def _sum(self) -> str:
        count = sum(row.right for row in self.rows)
        if self.right:
            return f"right, in all {count} cases"
        return f"not yet; {count} of {len(self.rows)} cases are right" if self.rows else "not yet"

    def as_data(self) -> dict[str, Any]:
        """Return the verdict as plain data, for JSON."""
        return asdict(self)

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Verdict:
        """Return the verdict from the result of as_data."""
        return cls(**{**data, "rows": [Row(**row) for row in data["rows"]]})


def _below(begin: str, text: str) -> list[str]:
    """Return the lines of the text, wrapped, with later ones aligned below the first."""
    lines = []
    for number, line in enumerate(text.splitlines()):  # a second line is source code, whose indent is kept
        indent = " " * (len(line) - len(line.lstrip()))
        first = begin if number == 0 else " " * len(begin)
        lines += wrapped(f"{first}{indent}{line.lstrip()}", indent="  ", hanging=" " * len(begin) + indent)
    return lines

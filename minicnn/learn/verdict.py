"""What is said of an answer, as data and as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from minicnn.text import wrapped


@dataclass(frozen=True)
class Row:
    """One case: whether the answer was right, and if not, why."""

    case: str
    right: bool
    text: str = ""


@dataclass(frozen=True)
class Verdict:
    """Whether a function is right, case by case. It counts as true where all is.

    advice: what to think about. printed: what the learner's program wrote meanwhile.
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

    __repr__ = __str__  # what a notebook shows

    def _sum(self) -> str:
        count = sum(row.right for row in self.rows)
        if self.right:
            return f"right, in all {count} cases"
        return f"not yet; {count} of {len(self.rows)} cases are right" if self.rows else "not yet"

    def as_data(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return asdict(self)

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Verdict:
        """From what as_data gave."""
        return cls(**{**data, "rows": [Row(**row) for row in data["rows"]]})


def _below(begin: str, text: str) -> list[str]:
    """Return the lines of the text, further ones under the first."""
    lines = []
    for number, line in enumerate(text.splitlines()):  # a second one is the learner's own, with its indent
        indent = " " * (len(line) - len(line.lstrip()))
        first = begin if number == 0 else " " * len(begin)
        lines += wrapped(f"{first}{indent}{line.lstrip()}", indent="  ", hanging=" " * len(begin) + indent)
    return lines

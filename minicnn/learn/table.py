"""The table of exercises."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from minicnn.learn.catalogue import COURSE
from minicnn.learn.exercise import Exercise
from minicnn.learn.progress import Progress


class Entry(NamedTuple):
    """One exercise. state: "solved", "seen" if only the solution was shown, "2 tries", or empty."""

    name: str
    title: str
    lecture: str
    read: str
    state: str


class Table(tuple[Entry, ...]):
    """Rows that print as text of 79 columns."""

    @classmethod
    def of(cls, exercises: Sequence[Exercise], known: Mapping[str, Progress]) -> Table:
        """Return a table with one row per exercise."""
        states = (str(known.get(exercise.name, Progress())) for exercise in exercises)
        return cls(Entry(e.name, e.title, e.lecture, e.read, s) for e, s in zip(exercises, states, strict=True))

    def __str__(self) -> str:
        course = [entry for entry in self if entry.name in COURSE]
        own = [entry for entry in self if entry.name not in COURSE]
        lines = ["  exercise                 lecture                                     so far"]
        for title, entries in (("The course's", course), ("Our own", own)):
            lines += ["", title, *(f"  {e.name:<24} {e.lecture:<43} {e.state}".rstrip() for e in entries)]
        solved = sum(entry.state == "solved" for entry in self)
        return "\n".join([*lines, "", f"{solved} of {len(self)} solved"])

    __repr__ = __str__

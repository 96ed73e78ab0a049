"""Enrolled names and encodings. Records are immutable, so that changes can be replayed on others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from minicnn.errors import InputError
from minicnn.text import JOINERS, one_line, printable, spelled

LONGEST_NAME = 200  # characters


def proper_name(name: Any, function: str) -> str:
    """Return a printable name in its canonical spelling. Raises InputError for any other."""
    if not isinstance(name, str):
        raise InputError(f"{function}: name is a {type(name).__name__}; expected text")
    found = spelled(name)
    if not found.translate(JOINERS) or not printable(found) or len(found) > LONGEST_NAME:
        shown = one_line(ascii(name), longest=60)
        raise InputError(f"{function}: name is {shown}; expected 1 to {LONGEST_NAME} printable letters")
    return found


@dataclass(frozen=True)
class Records:
    """Enrolled people. people: names in the order of enrolment. labels: (N,) int64, the person of each encoding.

    encodings: (N, D) float32.
    """

    people: tuple[str, ...]
    labels: np.ndarray
    encodings: np.ndarray

    @classmethod
    def empty(cls, dimensions: int) -> Records:
        """Return records of nobody."""
        return cls((), np.empty(0, np.int64), np.empty((0, dimensions), np.float32))

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def counts(self) -> dict[str, int]:
        """{name: number of encodings}."""
        counts = np.bincount(self.labels, minlength=len(self.people))
        return dict(zip(self.people, counts.tolist(), strict=True))

    def of(self, name: str) -> np.ndarray:
        """Return the encodings of one person, (n, D); n is 0 for an unknown name."""
        number = self.people.index(name) if name in self.people else -1
        return self.encodings[self.labels == number]

    def add(self, name: str, encodings: np.ndarray) -> Records:
        """Return records with more encodings of one person, who may be new. Exact duplicates are left out."""
        known = {row.tobytes() for row in self.of(name)}
        new = [row for row in encodings if row.tobytes() not in known]
        people = self.people if name in self.people else (*self.people, name)
        if not new:
            return self
        labels = np.concatenate([self.labels, np.full(len(new), people.index(name))])
        return Records(people, labels, np.concatenate([self.encodings, new]))

    def remove(self, name: str) -> Records:
        """Return records without a person."""
        if name not in self.people:
            return self
        number = self.people.index(name)
        left = self.labels != number
        labels = self.labels[left]
        people = tuple(other for other in self.people if other != name)
        return Records(people, labels - (labels > number), self.encodings[left])

    def rename(self, name: str, new: str) -> Records:
        """Return records with a new name for a person. If the name is taken, both people are merged."""
        if name not in self.people or name == new:
            return self
        if new in self.people:
            return self.remove(name).add(new, self.of(name))
        return Records(tuple(new if other == name else other for other in self.people), self.labels, self.encodings)

    def grouped(self) -> Records:
        """Return the same records, sorted by person."""
        if np.all(self.labels[1:] >= self.labels[:-1]):
            return self
        order = np.argsort(self.labels, kind="stable")
        return Records(self.people, self.labels[order], self.encodings[order])

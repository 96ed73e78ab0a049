"""The available lessons, each found by its number, its name, or a unique part of its name."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from minicnn.errors import InputError, MissingFileError
from minicnn.files import material

TITLE = re.compile(r"(?:Lesson \d+: *)?(.*)")


class Row(NamedTuple):
    """A row of the map.

    lecture: its title, or a part of the engine. lessons: their file names without number and .py. figure: drawn by the
    first of them, without .png. command: a command of minicnn. exercises: names in minicnn learn list.
    """

    lecture: str
    lessons: tuple[str, ...]
    figure: str
    command: str
    exercises: tuple[str, ...] = ()


class Stage(NamedTuple):
    """A stage of a way: a task, in a lesson or elsewhere, and its estimated minutes.

    lesson: its file name without number and .py; empty where it is not a lesson.
    """

    lesson: str
    what: str
    minutes: int


class Way(NamedTuple):
    """A way through the lessons. about: its readers, and its goal."""

    name: str
    about: str
    stages: tuple[Stage, ...]


@dataclass(frozen=True)
class Lesson:
    """A file in tutorials/. Its first cell holds the title, as a heading, and a paragraph that summarizes it."""

    path: Path

    @property
    def name(self) -> str:
        """The name of the file without .py, such as 06_triplets."""
        return self.path.stem

    @property
    def number(self) -> int | None:
        """The number, such as 6; None for a page outside the sequence."""
        digits = self.name.partition("_")[0]
        return int(digits) if digits.isdigit() else None

    @property
    def topic(self) -> str:
        """The name without its number, such as triplets."""
        return self.name.partition("_")[2] if self.number is not None else self.name

    @property
    def source(self) -> str:
        """The text of the whole file."""
        return self.path.read_text(encoding="utf-8")

    @property
    def title(self) -> str:
        """The text of the heading without "Lesson 6"."""
        found = TITLE.fullmatch(self._opening[0].lstrip("# "))
        assert found
        return found[1][:1].upper() + found[1][1:]

    @property
    def about(self) -> str:
        """The first paragraph, in Markdown."""
        paragraph: list[str] = []
        for line in self._opening[1:]:
            if line:
                paragraph.append(line)
            elif paragraph:
                break
        return " ".join(paragraph)

    @property
    def _opening(self) -> list[str]:
        """The lines of the first cell, without their #."""
        _, opening, *_ = re.split(r"^# %%.*\n", self.source, maxsplit=2, flags=re.MULTILINE)
        return [line.removeprefix("#").strip() for line in opening.strip().splitlines()]


def folder() -> Path:
    """Return the folder of the lessons."""
    return material("tutorials")


def lessons() -> list[Lesson]:
    """Return all lessons: the numbered ones in order, then the others. Raise MissingFileError if there are none."""
    cells = "# %%"  # how lessons begin; the other files are programs that lessons and commands run
    found = [lesson for lesson in map(Lesson, folder().glob("*.py")) if lesson.source.startswith(cells)]
    if not found:
        raise MissingFileError(f"tutorial: no lessons in {folder()}; install minicnn again")
    return sorted(found, key=lambda lesson: (lesson.number is None, lesson.name))


def find(name: str) -> Lesson:
    """Return the lesson with a number ("6"), a name ("06_triplets", "triplets") or a unique part of a name ("trip").

    Raise InputError if there is none, or more than one.
    """
    wanted = name.removesuffix(".py").lower()
    everything = lessons()
    exact = [lesson for lesson in everything if wanted in (lesson.name, lesson.topic)]
    by_number = [lesson for lesson in everything if wanted.isdigit() and lesson.number == int(wanted)]
    found = exact or by_number or [lesson for lesson in everything if wanted and wanted in lesson.name]
    if len(found) == 1:
        return found[0]
    if found:
        raise InputError(f"tutorial: {name!r} may be {' or '.join(lesson.name for lesson in found)}; say which")
    told = {
        lesson: lesson.source.lower().count(wanted) for lesson in everything if wanted and lesson.number is not None
    }
    speaking = [lesson.name for lesson in sorted(told, key=lambda lesson: -told[lesson])[:3] if told[lesson]]
    about = f"; {' and '.join(speaking)} speak{'s' * (len(speaking) == 1)} of it" if speaking else ""
    raise InputError(f"tutorial: there is no lesson {name!r}{about}; minicnn tutorial list names them all")


def chosen(names: Iterable[str]) -> list[Lesson]:
    """Return the lessons of these names, each once; all lessons if no name is given."""
    return list(dict.fromkeys(find(name) for name in names)) or lessons()

"""Copies of lessons in the learner's own folder, to step through and to change."""

from __future__ import annotations

import os
from pathlib import Path

from minicnn.files import hand_out
from minicnn.lessons.cells import hollow
from minicnn.lessons.shelf import find


def copy(name: str, to: str | os.PathLike[str] | None = None, *, solved: bool = False) -> Path:
    """Write a copy of a lesson and return its path. to: the current folder by default; a folder; or a file.

    solved: fill its holes with the solutions. Raise InputError if there is a file already, which may hold somebody's
    work, or if it cannot be written.
    """
    lesson = find(name)
    text = lesson.source if solved else hollow(lesson.source)
    return hand_out(text, lesson.path.name, to, command="tutorial open")

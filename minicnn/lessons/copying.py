"""A lesson to step through and to change: a copy in the learner's own folder."""

from __future__ import annotations

import os
from pathlib import Path

from minicnn.files import hand_out
from minicnn.lessons.shelf import find


def copy(name: str, to: str | os.PathLike[str] | None = None) -> Path:
    """Write a copy of a lesson and return its path. to: the current folder by default; a folder; or a file.

    Never writes over another file, which may hold somebody's work. Raises InputError.
    """
    lesson = find(name)
    return hand_out(lesson.source, lesson.path.name, to, command="tutorial open")

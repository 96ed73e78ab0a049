"""The teacher's material: plans, and a sheet for each lesson, in tutorials/teaching/."""

from __future__ import annotations

import os
from pathlib import Path

from minicnn.errors import MissingFileError
from minicnn.files import material
from minicnn.lessons.manual import Page, title
from minicnn.lessons.shelf import Lesson, lessons


def plans() -> Path:
    """Return the page of plans, which links to all sheets."""
    return material("tutorials") / "teaching" / "README.md"


def sheet(lesson: Lesson) -> Path:
    """Return the sheet of a lesson. Raise MissingFileError if there is none, as for a page outside the sequence."""
    path = plans().with_name(f"{lesson.name}.md")
    if not os.path.isfile(path):
        raise MissingFileError(f"tutorial teach: {lesson.name} has no sheet for the teacher")
    return path


def pages() -> list[Page]:
    """Return the pages of the site: the plans, then the sheets. Return none if there are no plans."""
    if not os.path.isfile(plans()):
        return []
    sheets = [sheet(lesson) for lesson in lessons() if lesson.number is not None]
    return [
        Page(file_name(path), title(path), path.read_text(encoding="utf-8"), f"tutorials/teaching/{path.name}")
        for path in (plans(), *sheets)
    ]


def file_name(path: Path) -> str:
    """Return the name of a page's file in the site."""
    return "teaching.html" if path.stem == "README" else f"teaching_{path.stem}.html"

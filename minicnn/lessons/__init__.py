"""The lessons: where they lie, what they are about, and what can be made of them: a copy, a notebook, a page.

A lesson is one Python file in tutorials/, in cells (`# %%`). Nothing here knows what it teaches but for the map of
the course in `course.py` and the lectures' figures in `diagrams.py`.
"""

from minicnn.lessons.copying import copy
from minicnn.lessons.course import ENGINE, LECTURES, Row
from minicnn.lessons.shelf import Lesson, find, folder, lessons

__all__ = ["ENGINE", "LECTURES", "Lesson", "Row", "copy", "find", "folder", "lessons"]

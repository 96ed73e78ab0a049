"""The lessons, and their conversion to copies, notebooks and pages.

A lesson is one Python file in tutorials/, in cells (`# %%`). Only `course.py`, the map of the course, depends on what
a lesson teaches.
"""

from minicnn.lessons.copying import copy
from minicnn.lessons.course import ENGINE, LECTURES, Row
from minicnn.lessons.shelf import Lesson, find, folder, lessons

__all__ = ["ENGINE", "LECTURES", "Lesson", "Row", "copy", "find", "folder", "lessons"]

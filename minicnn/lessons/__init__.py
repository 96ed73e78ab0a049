"""The lessons, and their conversion to copies, notebooks and pages.

A lesson is one Python file in tutorials/, in cells (`# %%`). Only tutorials/course.py, the map of the
course, depends on what a lesson teaches.
"""

from types import ModuleType

from minicnn.files import material, program
from minicnn.lessons.copying import copy
from minicnn.lessons.shelf import Lesson, Row, Stage, Way, find, folder, lessons

# What plays a lesson in the terminal, and what makes the site, lies with the lessons.
__path__.extend(str(material("tutorials") / part) for part in ("player", "site"))

figures: ModuleType
formulas: ModuleType
manual: ModuleType
pages: ModuleType
reference: ModuleType
tasks: ModuleType
teaching: ModuleType

LECTURES: tuple[Row, ...] = program("course.py").LECTURES
ENGINE: tuple[Row, ...] = program("course.py").ENGINE
PATHS: tuple[Way, ...] = program("course.py").PATHS

__all__ = ["ENGINE", "LECTURES", "PATHS", "Lesson", "Row", "Stage", "Way", "copy", "find", "folder", "lessons"]

"""The callers of an op: the lines of the program, and the names that the program gives its tensors."""

from __future__ import annotations

import linecache
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import minicnn

PACKAGE = Path(minicnn.__file__).parent
ENGINE = tuple(str(PACKAGE / name) for name in ("tensor.py", "operation.py", "ops", "tape", "gradients/checking.py"))
LAYERS = tuple(str(PACKAGE / name) for name in ("nn", "models"))  # they call ops on behalf of the user
DEEP = 40  # frames searched


@dataclass(frozen=True)
class Line:
    """A place in a program. file: its path as reported by Python; text: the source line, if it can be read."""

    file: str
    number: int
    function: str
    text: str

    @property
    def name(self) -> str:
        """The file's name, or "cell" in a notebook, whose kernel names the files of its cells with long numbers."""
        path = Path(self.file)
        return "cell" if path.parent.name.startswith("ipykernel_") else path.name

    def __str__(self) -> str:
        return f"{self.name}:{self.number}"


def callers() -> list[FrameType]:
    """Return the frames above the engine, nearest first."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(ENGINE):
        frame = frame.f_back
    found: list[FrameType] = []
    while frame is not None and len(found) < DEEP:
        found.append(frame)
        frame = frame.f_back
    return found


def is_own(frame: FrameType) -> bool:
    """Return True for the user's code, False for minicnn's. The lessons that minicnn carries count as the user's."""
    file = frame.f_code.co_filename
    return not file.startswith(os.path.join(PACKAGE, "")) or file.startswith(os.path.join(PACKAGE, "shipped", ""))


def lines(stack: list[FrameType]) -> list[Line]:
    """Return the line that called the op; if that is in minicnn, also the user's line that called it."""
    nearest = [frame for frame in stack if not frame.f_code.co_filename.startswith(LAYERS)][:1]
    own = next((frame for frame in stack if is_own(frame)), None)
    return [_line(frame) for frame in dict.fromkeys([*nearest, *([own] if own else [])])]


def _line(frame: FrameType) -> Line:
    file, number = frame.f_code.co_filename, frame.f_lineno
    return Line(file, number, frame.f_code.co_name, linecache.getline(file, number, frame.f_globals).strip())


def name_of(tensor: Any, stack: list[FrameType]) -> str | None:
    """Return the program's name of a tensor or an array; None if it has none.

    A layer's attribute comes first, such as block1_conv1.w. Else it is a variable of the user's nearest function, which
    may also hold the array from which a layer made the tensor.
    """
    for frame in stack:
        owner = frame.f_locals.get("self")
        if owner is not None and (name := _attribute(owner, tensor)):
            return name
        if is_own(frame):
            held = own_variables(frame).items()
            array = getattr(tensor, "data", tensor)
            return next((k for k, v in held if v is tensor), next((k for k, v in held if v is array), None))
    return None


def own_variables(frame: FrameType) -> dict[str, Any]:
    """Return the variables of a frame, except those whose names begin with an underscore."""
    return {name: value for name, value in frame.f_locals.items() if not name.startswith("_")}


def _attribute(owner: Any, tensor: Any) -> str | None:
    try:
        attributes = vars(owner)
    except TypeError:  # it has no attributes
        return None
    label = attributes.get("name") if isinstance(attributes.get("name"), str) else type(owner).__name__
    for key, value in attributes.items():
        if value is tensor:
            return f"{label}.{key}"
        if isinstance(value, Mapping):
            found = next((k for k, v in value.items() if v is tensor), None)
            if found is not None:
                return f"{label}.{key}.{found}"
    return None

"""Who called an op: the lines of the program, and what the program calls its tensors."""

from __future__ import annotations

import linecache
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import minicnn

PACKAGE = Path(minicnn.__file__).parent
ENGINE = tuple(str(PACKAGE / name) for name in ("tensor.py", "operation.py", "ops", "tape", "gradients/checking.py"))
LAYERS = tuple(str(PACKAGE / name) for name in ("nn", "models"))  # they call ops for somebody else
DEEP = 40  # frames that are looked at


@dataclass(frozen=True)
class Line:
    """A place in a program. file: its path as Python knows it; text: what stands there, if that can be read."""

    file: str
    number: int
    function: str
    text: str

    @property
    def name(self) -> str:
        """The file's, or "cell" in a notebook, whose kernel gives its cells files with long numbers for names."""
        path = Path(self.file)
        return "cell" if path.parent.name.startswith("ipykernel_") else path.name

    def __str__(self) -> str:
        return f"{self.name}:{self.number}"


def callers() -> list[FrameType]:
    """The frames above the engine, nearest first."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(ENGINE):
        frame = frame.f_back
    found: list[FrameType] = []
    while frame is not None and len(found) < DEEP:
        found.append(frame)
        frame = frame.f_back
    return found


def is_own(frame: FrameType) -> bool:
    """Whether it is the user's code and not minicnn's; the lessons that minicnn carries are the user's."""
    file = frame.f_code.co_filename
    return not file.startswith(str(PACKAGE)) or file.startswith(str(PACKAGE / "shipped"))


def lines(stack: list[FrameType]) -> list[Line]:
    """Where the op was asked for; and if that was in minicnn, also where the user's program asked for that."""
    nearest = [frame for frame in stack if not frame.f_code.co_filename.startswith(LAYERS)][:1]
    own = next((frame for frame in stack if is_own(frame)), None)
    return [_line(frame) for frame in dict.fromkeys([*nearest, *([own] if own else [])])]


def _line(frame: FrameType) -> Line:
    file, number = frame.f_code.co_filename, frame.f_lineno
    return Line(file, number, frame.f_code.co_name, linecache.getline(file, number, frame.f_globals).strip())


def name_of(tensor: Any, stack: list[FrameType]) -> str | None:
    """What the program calls a tensor or an array: block1_conv1.w for what a layer on the way here holds, else a
    variable of the user's own nearest function, which may hold the array that a layer made the tensor of.
    """
    for frame in stack:
        owner = frame.f_locals.get("self")
        if owner is not None and (name := _attribute(owner, tensor)):
            return name
        if is_own(frame):
            held = own_variables(frame).items()
            array = getattr(tensor, "data", None)
            return next((k for k, v in held if v is tensor), next((k for k, v in held if v is array), None))
    return None


def own_variables(frame: FrameType) -> dict[str, Any]:
    """The variables of a frame whose names were meant to be read."""
    return {name: value for name, value in frame.f_locals.items() if not name.startswith("_")}


def _attribute(owner: Any, tensor: Any) -> str | None:
    try:
        attributes = vars(owner)
    except TypeError:  # it keeps none by name
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

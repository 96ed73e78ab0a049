"""Rules for answers: they may not read a solution, call the function that is the task, or start programs."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from minicnn.files import material
from minicnn.learn.exercise import Slip
from minicnn.learn.observing import Unfit
from minicnn.operation import watching

SOLUTION = "an exercise's solution is not opened here"
OWN = "that is the function you are writing"
SMILE = (
    "Good taste: that is our solution, and it is right. :-) But then it is ours, and we have solved this one already. "
    "Take it out, write yours, and ask for a hint where you are stuck."
)
MEMORY = "More memory than an exercise may use. How large do your arrays grow, and does a list grow without end?"
SLIPS = (Slip("solution", SMILE, raises=SOLUTION), Slip("memory", MEMORY, raises="MemoryError"))
PROGRAMS = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "os.forkpty", "os.startfile")
NETWORK = ("socket.connect", "socket.sendto", "socket.sendmsg", "socket.getaddrinfo", "socket.bind")


def sealed() -> tuple[Path, ...]:
    """Return the files and folders that hold solutions."""
    exercises = material("tutorials") / "exercises"
    files = sorted(path for path in exercises.glob("*.py")) if os.path.isdir(exercises) else []
    return (*files, exercises / "__pycache__", material("tutorials") / "engine")


def guard() -> None:
    """Make this process refuse to open solutions, to start programs, and to use a network.

    This only informs honest code. minicnn.learn.isolation stops hostile code, on systems that support it.
    """
    closed = [(os.path.realpath(path), os.path.realpath(path) + os.sep) for path in sealed()]

    def look(event: str, arguments: tuple[Any, ...]) -> None:
        if event in PROGRAMS:
            raise PermissionError("an exercise starts no other program")
        if event in NETWORK:
            raise PermissionError("an exercise uses no network")
        if event == "open" and isinstance(arguments[0], str | bytes):
            path = os.path.realpath(os.fsdecode(arguments[0]))
            if any(path == file or path.startswith(below) for file, below in closed):
                raise PermissionError(SOLUTION)

    sys.addaudithook(look)


class _Refusal:
    """A Watcher that refuses some ops, and a Step of the others."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names

    def begin(self, op: Callable[..., Any], *_: Any) -> _Refusal:
        name = getattr(op, "__name__", "")
        if name in self.names:
            raise Unfit(f"ops.{name} is called: {OWN}")
        return self

    def finish(self, result: Any) -> None:
        """Keep nothing."""

    def saw(self, cotangent: Any, gradients: tuple[Any, ...], seconds: float) -> None:
        """Keep nothing."""


@contextmanager
def without(names: Sequence[str]) -> Iterator[None]:
    """Raise Unfit where one of these ops is called inside the block."""
    token = watching.set(_Refusal(names)) if names else None
    try:
        yield
    finally:
        if token is not None:
            watching.reset(token)

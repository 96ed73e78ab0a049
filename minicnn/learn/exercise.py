"""What an exercise is: a function to write, cases to try it on, and the slips that are known by what comes out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from minicnn.learn.observing import Observe, answer


@dataclass(frozen=True)
class Case:
    """One trial. title: what is tried, as a learner reads it. arguments(): the inputs, made anew for every call.

    expected: {part: value}, published or worked out elsewhere, of the parts that have one; the others are the
    solution's. tolerance: of max|Δ| / max|expected|.
    """

    title: str
    arguments: Callable[[], Sequence[Any]]
    expected: Mapping[str, Any] = field(default_factory=dict)
    tolerance: float = 1e-5


@dataclass(frozen=True)
class Slip:
    """A wrong answer that is known. hint: what is said of it, and it says where to look and not what to write.

    answer: a function that makes the mistake: who computes what it computes has made it, too; or several, which make
    it in several ways. raises: or else, a part of what is said by the error that the mistake ends in.
    """

    name: str
    hint: str
    answer: Callable[..., Any] | tuple[Callable[..., Any], ...] = ()
    raises: str | None = None

    @property
    def answers(self) -> tuple[Callable[..., Any], ...]:
        """All ways to make it."""
        return self.answer if isinstance(self.answer, tuple) else (self.answer,)


@dataclass(frozen=True)
class Exercise:
    """A function to write. Its docstring is the task, its body the solution, and a file to begin with is all but that.

    title: a line. lecture: of the course. read: the file that teaches it, a lesson for most. imports: the lines that
    stand above the function; decorator: the line right above it. observe: how it is called, and what is looked at.
    hints: three, from a question to nearly the code. simulated: it runs on the simulated GPU. apart: each part of the
    answer is right or wrong by itself; otherwise it rests on the parts before, and goes wrong with them.
    """

    function: Callable[..., Any]
    title: str
    lecture: str
    read: str
    imports: str
    cases: Sequence[Case]
    slips: Sequence[Slip]
    hints: tuple[str, str, str]
    observe: Observe = field(default_factory=answer)
    decorator: str = ""
    simulated: bool = False
    apart: bool = False

    @property
    def name(self) -> str:
        """The function's."""
        return self.function.__name__

    def show(self, answer: Any) -> Sequence[str]:
        """Return what a right answer is good for, in its own numbers: nothing for most."""
        return ()

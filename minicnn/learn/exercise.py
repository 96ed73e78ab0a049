"""The parts of an exercise: a function to write, test cases, and known mistakes with their hints."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from minicnn.learn.observing import Observe, answer


@dataclass(frozen=True)
class Case:
    """One test case. title: its name for the learner. arguments(): returns new inputs for every call.

    expected: {part: value} from an independent source, for some parts; the solution computes the others.
    tolerance: largest max|Δ| / max|expected|.
    """

    title: str
    arguments: Callable[[], Sequence[Any]]
    expected: Mapping[str, Any] = field(default_factory=dict)
    tolerance: float = 1e-5


@dataclass(frozen=True)
class Slip:
    """A known mistake. hint: advice that says where to look, not what to write.

    answer: one or several functions that make the mistake; an answer with the same result has made it, too.
    raises: alternatively, part of the error message that the mistake leads to.
    """

    name: str
    hint: str
    answer: Callable[..., Any] | tuple[Callable[..., Any], ...] = ()
    raises: str | None = None

    @property
    def answers(self) -> tuple[Callable[..., Any], ...]:
        """The functions that make the mistake, as a tuple."""
        return self.answer if isinstance(self.answer, tuple) else (self.answer,)


@dataclass(frozen=True)
class Exercise:
    """A function to write. Its docstring is the task and its body the solution.

    title: one line. lecture: lecture of the course. read: file that teaches it, usually a lesson. imports: lines above
    the function. decorator: line directly above it. observe: calls the function and returns what is compared. hints:
    three, from a question to nearly the code. simulated: True to run on the simulated GPU. apart: True if the parts of
    the answer are independent; otherwise a wrong part makes the later ones wrong. own: ops that compute the answer by
    themselves, which a learner's function may not call.
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
    own: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The name of the function."""
        return self.function.__name__

    def show(self, answer: Any) -> Sequence[str]:
        """Return a demonstration of a right answer, with its own numbers; empty for most exercises."""
        return ()

"""The cells of a lesson: text, code, answers to predict, and holes to fill.

    # %% tags=["hole"] minutes=5   code that the reader writes: the body of each function with a docstring is cut out
    # %% tags=["check"]            a check of the answer; it follows the hole

minutes is an estimate. notebooks.py describes the tags of answers.
"""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from minicnn.learn.engine import with_holes

MARKER = re.compile(r'^# %%( \[markdown\])?(?: tags=\["(\w+)"\])?(?: minutes=(\d+))?.*\n', re.MULTILINE)
FOLDED = ("predict", "answer")
SAVED = re.compile(r"""["'/]([\w-]+)\.png["']""")  # the figures that a cell saves


@dataclass(frozen=True)
class Cell:
    """A cell. tag: "predict", "answer", "hole", "check" or "". minutes: an estimate for a hole, else 0.

    marker: its first line. source: the lines below it. line: the number of the first of them in the file, from 1.
    """

    marker: str
    source: str
    line: int

    @property
    def is_text(self) -> bool:
        """True if the cell holds Markdown."""
        return "[markdown]" in self.marker

    @property
    def tag(self) -> str:
        """The tag, or an empty text."""
        return self._found[2] or ""

    @property
    def minutes(self) -> int:
        """The estimated minutes of a hole."""
        return int(self._found[3] or 0)

    @property
    def text(self) -> str:
        """The Markdown, without the comment signs."""
        return re.sub(r"^# ?", "", self.source.strip(), flags=re.MULTILINE)

    @property
    def stub(self) -> str:
        """The code with its holes."""
        return with_holes(self.source)

    @property
    def names(self) -> list[str]:
        """The functions to write."""
        found = [node for node in ast.walk(ast.parse(self.source)) if isinstance(node, ast.FunctionDef)]
        return [node.name for node in found if ast.get_docstring(node)]

    @property
    def _found(self) -> re.Match[str]:
        found = MARKER.match(self.marker)
        assert found
        return found


def cells(source: str) -> list[Cell]:
    """Return the cells of a lesson."""
    starts = [*MARKER.finditer(source)]
    ends = [*(start.start() for start in starts[1:]), len(source)]
    return [
        Cell(start[0], source[start.end() : end], source.count("\n", 0, start.end()) + 1)
        for start, end in zip(starts, ends, strict=True)
    ]


def hollow(source: str) -> str:
    """Return a lesson with its holes, for the reader to fill."""
    found = cells(source)
    return "".join(cell.marker + (cell.stub if cell.tag == "hole" else cell.source) for cell in found)


def folds(tags: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Yield (first, after the last) of every run of cells that hide an answer. tags: one per cell."""
    first = None
    for at, tag in enumerate([*tags, ""]):
        if first is not None and tag != "answer":
            yield first, at
            first = None
        if first is None and tag in FOLDED:
            first = at


def key(question: str) -> str:
    """Return the name under which the prediction for a question is kept. question: the cell above the answer."""
    return hashlib.sha1("".join(re.findall(r"\w+", question)).encode(), usedforsecurity=False).hexdigest()[:12]

"""Code cells of a learner's notebook as a program, and places in it by cell and line."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from minicnn.errors import InputError
from minicnn.files import read_text, unreadable
from minicnn.learn.verdict import Verdict


class Places(NamedTuple):
    """The cell and line of each line of a program. name: the notebook's. program: the program's file."""

    name: str
    program: str
    lines: Sequence[tuple[int, int]]


@contextmanager
def as_program(path: Path) -> Iterator[tuple[Path, Places | None]]:
    """Yield a learner's file as (a program, None), or a notebook as (a temporary program, the places of its lines).

    Lines that begin with % or ! are left out, and so are cells of another language, which begin with %%.
    Raise InputError if the notebook is not one.
    """
    if path.suffix != ".ipynb" or unreadable(path):
        yield path, None
        return
    try:
        cells = json.loads(read_text("learn check:", path))["cells"]
        sources = [("".join(cell["source"]) if cell["cell_type"] == "code" else "") for cell in cells]
    except (ValueError, KeyError, TypeError, RecursionError) as problem:
        what = f"{type(problem).__name__}: {problem}"
        raise InputError(f"learn check: {str(path)!r} is not a notebook ({what}); expected one of Jupyter") from None
    first = f"import sys; sys.path.append({str(os.path.dirname(os.path.realpath(path)))!r})"
    rows: list[tuple[str, int, int]] = [(first, 0, 0)]
    for number, source in enumerate(sources, 1):
        lines = [] if source.lstrip().startswith("%%") else source.splitlines()
        rows += [(re.sub(r"^(\s*)[%!].*", r"\1pass", line), number, i) for i, line in enumerate(lines, 1)]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        program = Path(folder) / f"{path.stem}.py"
        program.write_text("\n".join(line for line, _, _ in rows) + "\n", encoding="utf-8")
        yield program, Places(path.name, program.name, [(cell, line) for _, cell, line in rows])


def placed(verdict: Verdict, places: Places | None) -> Verdict:
    """Return the verdict with "line 2 of cell 3 of NAME.ipynb" for each line of the program."""
    if places is None:
        return verdict

    def place(found: re.Match[str]) -> str:
        cell, line = places.lines[min(int(found[1]), len(places.lines)) - 1]
        return f"line {line} of cell {cell} of {places.name}"

    def named(text: str) -> str:
        text = re.sub(rf"line (\d+) of {re.escape(places.program)}", place, text)
        return re.sub(rf"\b{re.escape(places.program)}\b", places.name, text)

    rows = [replace(row, text=named(row.text)) for row in verdict.rows]
    return replace(verdict, advice=[named(text) for text in verdict.advice], rows=rows)

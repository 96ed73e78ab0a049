"""Lessons as notebooks, with or without outputs. jupytext reads the cells, nbclient runs them in a kernel.

Two tags hide what a reader should predict first:

    # %% tags=["predict"]             a cell to predict: its code is shown, its output is folded
    # %% [markdown] tags=["answer"]   folded as a whole, text or code

A page has a button for it, and JupyterLab a bar to click. An editor shows everything. A notebook without outputs has
the lesson's holes (cells.py), their solutions folded, and a cell for each prediction.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import os
import signal
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from minicnn.errors import InputError
from minicnn.files import PACKAGE, replace_file
from minicnn.lessons import cells
from minicnn.lessons.shelf import Lesson

PREDICTION = 'my_prediction = ""  # what do you expect? Write it between the quotes before you run the next cell'
COMPARED = 'if my_prediction:\n    print("You predicted:", my_prediction)'
SOLUTION = "<details><summary>A solution. Write yours first.</summary>\n\n```python\n{}\n```\n\n</details>"
SECONDS = 600  # for one cell, and for starting a kernel: a whole lesson takes about ten on an idle machine
# Figures have twice the resolution, for projectors. The log level silences the kernel's warning about its connections.
KERNEL = ["--InlineBackend.figure_formats=retina", "--IPKernelApp.log_level=40"]


class LessonError(InputError):
    """A lesson that failed while running. The message names the lesson and the cell."""


def need(what: str, *libraries: str) -> None:
    """Raise InputError if one of the libraries of the extra `teach` is missing."""
    for library in libraries:
        try:
            importlib.import_module(library)
        except ImportError:
            install = "pip install jupytext nbconvert jupyterlab latex2mathml"
            raise InputError(f"{what} needs {library}: {install}") from None


def notebook_of(lesson: Lesson) -> Any:
    """Return the lesson's cells as a notebook without outputs."""
    import jupytext

    notebook = jupytext.reads(lesson.source, fmt="py:percent")
    notebook.metadata = {
        "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
        "language_info": {"name": "python", "file_extension": ".py", "mimetype": "text/x-python"},
        "title": lesson.title,
    }
    for i, cell in enumerate(notebook.cells):
        cell.id = f"cell-{i + 1}"  # deterministic, so that a lesson always gives the same file
        tags = cell.metadata.get("tags", [])
        if "answer" in tags:
            cell.metadata["jupyter"] = {"source_hidden": True, "outputs_hidden": True}
        elif "predict" in tags:
            cell.metadata["jupyter"] = {"outputs_hidden": True}
    return notebook


def for_reader(notebook: Any, *, holes: bool) -> Any:
    """Return the notebook with a cell before and after each answer, for a prediction. holes: cut them out."""
    from nbformat.v4 import new_code_cell, new_markdown_cell

    tags = [([*cell.metadata.get("tags", []), ""])[0] for cell in notebook.cells]
    begin, end = (dict.fromkeys(ends) for ends in zip(*cells.folds(tags), strict=True)) if any(tags) else ({}, {})
    found: list[Any] = []
    for at, cell in enumerate([*notebook.cells, None]):
        if at in end:
            found.append(new_code_cell(COMPARED, id=f"compared-{at}"))
        if at in begin:
            found.append(new_code_cell(PREDICTION, id=f"prediction-{at + 1}"))
        if cell is None:
            break
        if holes and tags[at] == "hole":
            solution, cell.source = cell.source, cells.with_holes(cell.source)
            found += [cell, new_markdown_cell(SOLUTION.format(solution), id=f"solution-{at + 1}")]
        else:
            found.append(cell)
    notebook.cells = found
    return notebook


def run(lesson: Lesson, notebook: Any, step: Callable[[], None] = lambda: None) -> None:
    """Run all cells in a kernel and keep their outputs. step(): called after each. Raise LessonError if one fails."""
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

    at = [0]

    def begin(cell: Any, cell_index: int) -> None:
        at[0] = cell_index
        with contextlib.suppress(NotImplementedError):  # on Windows
            # nbclient's handler would end the kernel as if the lesson had failed, and the next lesson would begin.
            asyncio.get_running_loop().remove_signal_handler(signal.SIGINT)

    paths = [str(PACKAGE.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {
        **os.environ,
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "PYTHONPATH": os.pathsep.join(paths),  # the running minicnn, installed or in a checkout
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    }
    with tempfile.TemporaryDirectory(prefix="minicnn-lesson-") as place:  # for the pictures that lessons write
        client = NotebookClient(
            notebook,
            timeout=SECONDS,
            startup_timeout=SECONDS,
            kernel_name="python3",
            extra_arguments=KERNEL,
            resources={"metadata": {"path": place}},
            on_cell_start=begin,
            on_cell_complete=lambda cell, cell_index: step(),
        )
        try:
            asyncio.run(client.async_execute(env=environment))  # a separate loop, which is closed on Ctrl-C
        except CellExecutionError as problem:
            said = " ".join(f"{problem.ename}: {problem.evalue}".split())
        except CellTimeoutError:
            said = f"still running after {SECONDS} s"
        except DeadKernelError:
            said = "its process ended"
        except RuntimeError as problem:
            raise LessonError(f"tutorial: {lesson.name} has no kernel to run in: {problem}") from None
        else:
            for cell in notebook.cells:
                if "outputs" in cell:
                    cell.outputs = _joined(cell.outputs)
            return
    source = notebook.cells[at[0]].source.strip().partition("\n")[0]
    raise LessonError(f"tutorial: {lesson.name} failed in cell {at[0] + 1}, which begins {source!r}: {said}")


def _joined(outputs: Sequence[Any]) -> list[Any]:
    """Return the outputs with neighbouring pieces of one stream joined."""
    joined: list[Any] = []
    for output in outputs:
        if joined and "stream" == output.output_type == joined[-1].output_type and output.name == joined[-1].name:
            joined[-1].text += output.text
        else:
            joined.append(output)
    return joined


def write(
    lessons: Sequence[Lesson], to: Path, *, execute: bool = False, step: Callable[[], None] = lambda: None
) -> list[Path]:
    """Write a notebook of each lesson into a folder and return the paths. execute: run the cells and keep the outputs.

    Raise InputError if there is a file already, which may hold somebody's work, or if one cannot be written, and
    LessonError if a lesson fails.
    """
    import jupytext

    paths = [to / f"{lesson.name}.ipynb" for lesson in lessons]
    for path in paths:
        if os.path.lexists(path):
            raise InputError(f"tutorial notebook: {path} is there already, and may hold your work; --to names another")
    make_folder(to)
    for lesson, path in zip(lessons, paths, strict=True):
        notebook = for_reader(notebook_of(lesson), holes=not execute)
        if execute:
            run(lesson, notebook, step)
        put(path, jupytext.writes(notebook, fmt="ipynb") + "\n")
    return paths


def make_folder(path: Path) -> None:
    """Create a folder with its parents. Raise InputError if that is not possible."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise InputError(f"tutorial: to {str(path)!r} cannot be made a folder ({problem.strerror})") from None


def put(path: Path, text: str) -> None:
    """Write a file atomically. Raise InputError if that is not possible."""
    try:
        replace_file(path, text)
    except OSError as problem:
        raise InputError(f"tutorial: {path} cannot be written ({problem.strerror})") from None

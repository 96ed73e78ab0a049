"""The process that runs a learner's file: python -m minicnn.learn.candidate PLAN FILE ANSWERS SECONDS.

It holds the inputs of the cases and no answers: PLAN is made by minicnn.learn.excerpts. ANSWERS are compared by the
process that started this one.
"""

from __future__ import annotations

import ast
import faulthandler
import functools
import json
import linecache
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import minicnn.learn
from minicnn.backend import use_backend
from minicnn.errors import InputError
from minicnn.files import replace_file
from minicnn.learn import engine, fairness
from minicnn.learn.exercise import Case, Exercise
from minicnn.learn.judging import Outcome, attempt, where
from minicnn.learn.messages import decode, encode
from minicnn.learn.notebooks import cells
from minicnn.learn.observing import answer
from minicnn.learn.verdict import Verdict


class Refused(Exception):
    """A file that cannot be judged. The message says why."""


def main(plan: str, file: str, answers: str, seconds: str) -> None:
    """Call the learner's function with the inputs of every case and write the results, as JSON."""
    asked = json.loads(Path(plan).read_text(encoding="utf-8"))
    warnings.formatwarning = _in_a_line
    program: dict[str, Any] = {"__name__": "exercise"}
    exec(compile(asked["program"], "exercise", "exec"), program)
    inputs = _inputs(asked, program)
    observe = engine.observe if asked["kind"] == "engine" else program.get("observe", answer())
    exercise = Exercise(len, asked["name"], "", "", "", (), (), ("", "", ""), observe, own=tuple(asked["own"]))
    stopped = Path(answers).with_name("stopped.txt")
    for name in ("check", "check_file", "start", "solution", "hint"):  # as at the end of a notebook
        setattr(minicnn.learn, name, functools.partial(_later, asked["name"]))
    fairness.guard()
    with use_backend("numpy"):
        try:
            with limit(float(seconds), stopped):
                function = load(asked["name"], file)
            with limit(float(seconds), stopped):
                if "show" in program:
                    found = [program["show"](engine.Engine(function))]
                else:
                    found = [_data(attempt(exercise, arguments, function)) for arguments in inputs]
        except Refused as problem:
            found = [{"problem": str(problem)}] * len(inputs)
    replace_file(Path(answers), json.dumps(found))


def _inputs(asked: dict[str, Any], program: dict[str, Any]) -> list[Sequence[Any]]:
    """Return the arguments of every case."""
    if asked["inputs"] is not None:
        return [decode({"list": arguments}) for arguments in asked["inputs"]]
    cases: Sequence[Case] = program.get("cases", ())
    return [[probe] for _, probe in program.get("TRIALS", ())] or [case.arguments() for case in cases]


def _data(outcome: Outcome) -> dict[str, Any]:
    """Return an outcome as data for JSON."""
    try:
        return {
            "seen": {part: encode(value) for part, value in (outcome.seen or {}).items()},
            "problem": outcome.problem,
        }
    except TypeError as problem:
        return {"problem": f"the answer is {problem}"}


def _later(name: str, *_: Any, **__: Any) -> Verdict:
    """Do nothing, in place of learn.check, which a notebook may call."""
    return Verdict(name, False, (), ["the answer is judged when the whole file has run"])


def _in_a_line(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None
) -> str:
    """Format a warning without its file, which is seldom the learner's."""
    return f"{category.__name__}: {message}\n"


def load(name: str, file: str) -> Callable[..., Any]:
    """Run a file or notebook and return the function of this name. Raise Refused if there is none."""
    sys.dont_write_bytecode = True
    sys.path.append(str(Path(file).parent))
    module, trouble = ModuleType("learner"), ""
    module.__file__ = file
    sys.modules["learner"] = module
    try:
        found = [*cells(Path(file))]
    except InputError as problem:
        raise Refused(str(problem)) from None
    for cell, text in found:
        linecache.cache[cell] = (len(text), None, text.splitlines(keepends=True), cell)
        try:
            exec(compile(ast.parse(text, cell), cell, "exec"), vars(module))
        except (Exception, SystemExit) as problem:
            trouble = trouble or where(problem, cell)
            if cell == file:
                raise Refused(trouble) from None
    function = module if name.startswith("engine_") else getattr(module, name, None)
    if not callable(function) and function is not module:
        if trouble:  # a notebook's cell that failed, and may have been the one
            raise Refused(trouble)
        others = [key for key, value in vars(module).items() if getattr(value, "__module__", None) == module.__name__]
        instead = f"; it defines {', '.join(others)}" if others else ""
        raise Refused(f"{Path(file).name} defines no function {name}{instead}")
    return function


@contextmanager
def limit(seconds: float, stopped: Path) -> Iterator[None]:
    """Exit the process if the block takes longer than `seconds`, and write a traceback of every thread to a file.

    faulthandler's own thread does this, so it works whatever the learner's code is doing.
    """
    with stopped.open("w") as file:
        faulthandler.dump_traceback_later(seconds, exit=True, file=file)
        try:
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()


if __name__ == "__main__":
    main(*sys.argv[1:])

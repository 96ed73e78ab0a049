"""The process that runs a learner's file: python -m minicnn.learn.candidate NAME FILE VERDICT SECONDS."""

from __future__ import annotations

import faulthandler
import importlib.util
import json
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from minicnn.files import replace_file
from minicnn.learn import catalogue
from minicnn.learn.judging import collect, judge, prepare, where
from minicnn.learn.verdict import Verdict


class Refused(Exception):
    """A file that cannot be judged. The message says why."""


def main(name: str, file: str, verdict: str, seconds: str) -> None:
    """Judge a file and write the verdict, as JSON."""
    exercise = catalogue.find(name)
    warnings.formatwarning = _in_a_line
    target, stopped = Path(verdict), Path(verdict).with_name("stopped.txt")
    try:
        with limit(float(seconds), stopped):
            function = load(name, file)
        trials = prepare(exercise)
        with limit(float(seconds), stopped):
            outcomes = collect(exercise, trials, function)
        found = judge(exercise, trials, outcomes)
        if found:
            with limit(float(seconds), stopped):
                found = replace(found, advice=list(exercise.show(function)))
    except Refused as problem:
        found = Verdict(name, False, (), [str(problem)])
    replace_file(target, json.dumps(found.as_data()))  # atomically: a killed process leaves no verdict


def _in_a_line(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None
) -> str:
    """Format a warning without its file, which is seldom the learner's."""
    return f"{category.__name__}: {message}\n"


def load(name: str, file: str) -> Callable[..., Any]:
    """Run a file and return the function of this name. Raise Refused if there is none."""
    sys.dont_write_bytecode = True
    sys.path.append(str(Path(file).parent))
    specification = importlib.util.spec_from_file_location("learner", file)
    if specification is None or specification.loader is None:
        raise Refused(f"{Path(file).name} does not end in .py")
    module = importlib.util.module_from_spec(specification)
    try:
        specification.loader.exec_module(module)
    except (Exception, SystemExit) as problem:
        raise Refused(where(problem, file)) from None
    function = module if name.startswith("engine_") else getattr(module, name, None)
    if not callable(function) and function is not module:
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

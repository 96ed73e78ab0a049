"""Run a learner's file in a separate process, which may loop forever, exit or print."""

from __future__ import annotations

import inspect
import json
import linecache
import math
import os
import re
import subprocess
import sys
import tempfile
import textwrap
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import minicnn
from minicnn.errors import InputError, MissingFileError
from minicnn.files import read_text, unreadable
from minicnn.learn.exercise import Exercise
from minicnn.learn.verdict import Verdict
from minicnn.machine import interpreter

KEPT = 2000  # characters of its output
NEVER_ENDED = 1000  # not a valid exit status
NEVER = "Does a loop never end? --seconds N waits longer."
SETTING_UP = 120  # seconds in addition to the learner's, for preparing inputs on a slow machine


def examine(exercise: Exercise, file: Path, seconds: float) -> Verdict:
    """Return the verdict on a file. seconds: time limit of the learner's code. Raise InputError for a bad argument."""
    if not (isinstance(seconds, float | int) and math.isfinite(seconds) and seconds > 0):
        raise InputError(f"learn check: seconds is {seconds!r}; expected a number above 0")
    if why := unreadable(file):
        raise MissingFileError(f"learn check: {file} {why}; to begin one: minicnn learn start {exercise.name}")
    if (python := interpreter()) is None:
        raise InputError(f"learn check: {sys.executable!r} is an application; expected an interpreter of Python")
    read_text("learn check:", file)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        said = Path(folder) / "verdict.json"
        command = [python, "-P", "-m", "minicnn.learn.candidate", exercise.name, os.path.realpath(file)]
        status, printed = _run([*command, str(said), str(seconds)], _environment(exercise), seconds + SETTING_UP)
        found = json.loads(said.read_text(encoding="utf-8")) if os.path.isfile(said) else None
        stopped = _line_of(Path(folder) / "stopped.txt", file)
    if found is not None:
        return Verdict.from_data({**found, "printed": printed})
    if stopped is not None:
        advice = [f"it is still running after {seconds:g} s{stopped}", NEVER]
        return Verdict(exercise.name, False, (), advice, printed)
    if status == NEVER_ENDED:
        why = "it could not be stopped from inside, and was ended."
    else:
        why = f"the process ended, with status {status}, before it was judged: does something in {file.name} exit?"
    return Verdict(exercise.name, False, (), [why], printed)


def examine_source(exercise: Exercise, function: Callable[..., Any], seconds: float = 10) -> Verdict:
    """Return the verdict on a function. Its source runs in a separate process, after the exercise's imports."""
    check_callable(exercise.name, function)
    try:
        source = textwrap.dedent(inspect.getsource(getattr(function, "py_func", getattr(function, "fn", function))))
    except (OSError, TypeError):
        raise InputError(
            f"learn check: the source of {exercise.name} is not to be found; write it to a file, and use check_file"
        ) from None
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        file = Path(folder) / f"{exercise.name}.py"
        file.write_text(f"{exercise.imports}\n\n\n{source}", encoding="utf-8")
        return examine(exercise, file, seconds)


def check_callable(name: str, function: Any) -> None:
    """Raise InputError unless function is callable."""
    if not callable(function):
        raise InputError(f"learn check: function is a {type(function).__name__}; expected your {name}, a function")


def _line_of(stopped: Path, file: Path) -> str | None:
    """Return the place in the file when the time limit was reached, or None if it was not."""
    text = stopped.read_text(encoding="utf-8", errors="replace") if os.path.isfile(stopped) else ""
    if "Timeout" not in text:
        return None
    lines = re.findall(rf'File ".*{re.escape(file.name)}", line (\d+)', text)
    if not lines:
        return ""
    line = linecache.getline(str(file), int(lines[0])).strip()
    return f", in line {lines[0]} of {file.name}" + (f"\n    {line:.64}" if line else "")


def _environment(exercise: Exercise) -> dict[str, str]:
    """Return the environment of the process: this minicnn on the path, and the simulated GPU if needed."""
    paths = [str(Path(minicnn.__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
    simulated = {"NUMBA_ENABLE_CUDASIM": "1"} if exercise.simulated else {}
    utf8 = {"PYTHONIOENCODING": "utf-8", "PYTHONUNBUFFERED": "1"}
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), **utf8, **simulated}


def _run(command: list[str], environment: dict[str, str], seconds: float) -> tuple[int, str]:
    """Run a command and return (exit status, beginning of its output). Drain the pipe, so that it never blocks."""
    printed: list[bytes] = []

    def read() -> None:
        assert process.stdout is not None
        while block := os.read(process.stdout.fileno(), 1 << 16):
            if sum(map(len, printed)) <= 4 * KEPT:
                printed.append(block)

    pipes: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with subprocess.Popen(command, env=environment, **pipes) as process:
        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        try:
            status = process.wait(seconds)
        except subprocess.TimeoutExpired:
            status = NEVER_ENDED
        finally:
            process.kill()  # also after Ctrl-C
            reader.join(5)  # it ends with the pipe, unless a child process keeps that open
    text = b"".join(printed).decode("utf-8", "replace").replace("\r\n", "\n").rstrip()
    return status, text if len(text) <= KEPT else f"{text[:KEPT]}\n… and more"

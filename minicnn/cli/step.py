"""minicnn step: run a program and step through its recorded operations."""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from pathlib import Path
from typing import Any

from minicnn.cli import outcome, paths
from minicnn.errors import InputError, MissingFileError
from minicnn.files import MISSING, unreadable

DESCRIPTION = """Run SCRIPT.py, record every operation, and step through them, forward and backward. Commands are read
from the terminal or a pipe; `help` lists them."""


def add(commands: Any) -> None:
    parser = commands.add_parser(
        "step", help="record a program and step through its operations", description=DESCRIPTION
    )
    parser.add_argument("script", metavar="SCRIPT.py", help="program to run")
    given = parser.add_argument("arguments", metavar="ARGUMENT", nargs=argparse.REMAINDER, help="its arguments")
    given.required = False  # else argparse reports two missing arguments for a missing SCRIPT.py
    parser.add_argument("--backend", default="numpy", metavar="B", help="backend: numpy (default) or numba")
    parser.add_argument("--most", type=int, default=5000, metavar="N", help="stop after N operations (default: 5000)")
    parser.add_argument(
        "--compare", metavar="PROGRAM", help="find the first operation where PROGRAM and SCRIPT.py part"
    )
    parser.add_argument(
        "--other-backend", metavar="B", help="backend of SCRIPT.py in a comparison (default: --backend)"
    )
    parser.add_argument("--page", metavar="PATH", help="write an HTML page instead of reading commands")
    parser.set_defaults(run=run)
    parser.epilog = f"With --compare, the exit status is 0 if both programs agree, 1 if they part. {outcome.STATUSES}."
    paths.declare(parser, reads="script compare", sides="page")


def run(arguments: argparse.Namespace) -> int:
    from minicnn.tape import record

    if arguments.compare:
        return _compared(arguments)
    script = _program(arguments.script, "SCRIPT.py")
    tape = record(backend=arguments.backend, most=arguments.most)
    variables, status = _run_recorded(script, arguments.arguments, tape)
    tape.name_by(variables)
    if arguments.page:
        tape.save_html(arguments.page)
        print(f"wrote {arguments.page}: {len(tape)} operations")
    else:
        tape.step()
    return status


def _program(given: str, name: str) -> Path:
    """Return the path of a program. Raise MissingFileError if it cannot be read."""
    if why := unreadable(given):
        raise MissingFileError(f"step: {name} is {given}; {'there is no such file' if why == MISSING else why}")
    return Path(given)


def _compared(arguments: argparse.Namespace) -> int:
    """Run two programs, print where they part, and return the status."""
    from minicnn.tape import record
    from minicnn.tape.divergence import compare

    if arguments.page:
        raise InputError("step: --page writes one program; expected --page or --compare")
    backends = arguments.backend, arguments.other_backend or arguments.backend
    scripts = _program(arguments.compare, "--compare"), _program(arguments.script, "SCRIPT.py")
    found: list[Any] = []
    for script, backend in zip(scripts, backends, strict=True):
        tape = record(backend=backend, most=arguments.most)
        variables, status = _run_recorded(script, arguments.arguments, tape)
        if status:
            return status
        tape.name_by(variables)
        engine = [value for value in variables.values() if getattr(value, "parents", None) and hasattr(value, "data")]
        found.append(engine[-1] if engine and not tape.steps else tape)
    names = [script.name for script in scripts]
    if names[0] == names[1]:
        names = [str(script) for script in scripts]
    if names[0] == names[1]:
        names = [f"{name} on {backend}" for name, backend in zip(names, backends, strict=True)]
    comparison = compare(*found, names=(names[0], names[1]))
    print(comparison)
    return outcome.DONE if comparison else 1


def _run_recorded(script: Path, given: list[str], tape: Any) -> tuple[dict[str, Any], int]:
    """Run it as `python SCRIPT.py` would. Return its variables and the status, even if it fails."""
    source = script.read_bytes()
    variables: dict[str, Any] = {"__name__": "__main__", "__file__": str(script), "__builtins__": __builtins__}
    before, status = (sys.argv, sys.path), outcome.DONE
    sys.argv, sys.path = [str(script), *given], [os.path.dirname(os.path.realpath(script)), *sys.path]
    try:
        code = compile(source, str(script), "exec")
        with tape:
            exec(code, variables)
    except SystemExit as stopped:
        if stopped.code:
            print(f"{script.name} ended with status {stopped.code}", file=sys.stderr)
    except KeyboardInterrupt:
        print(f"{script.name} was interrupted", file=sys.stderr)
        status = outcome.INTERRUPTED
    except BaseException as problem:
        if not tape.moments:
            raise InputError(f"step: {_told(problem, script)}; no operation ran before") from problem
        if len(tape) >= tape.most:
            print(f"{script.name} was stopped after {len(tape)} operations; --most takes more", file=sys.stderr)
        else:
            own = problem.__traceback__.tb_next if problem.__traceback__ else None  # drop the frame of this file
            traceback.print_exception(problem.with_traceback(own))
    finally:
        sys.argv, sys.path = before
        sys.stdout.flush()
    return variables, status


def _told(problem: BaseException, script: Path) -> str:
    """Return the error in one line, with its line in the program."""
    file, line = str(script), None
    if isinstance(problem, SyntaxError) and problem.filename == file:
        line, message = problem.lineno, problem.msg
    else:
        for frame, number in traceback.walk_tb(problem.__traceback__):
            line = number if frame.f_code.co_filename == file else line
        message = (str(problem).splitlines() or [""])[0]
    where = f"{script.name}:{line}" if line else script.name
    return f"{where} raised {type(problem).__name__}{': ' * bool(message)}{message}"

"""The command line. One file a command: it parses, calls, and prints; the work is done elsewhere."""

from __future__ import annotations

import argparse
import importlib
import os
import re
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import minicnn
from minicnn import backend
from minicnn.cli import outcome, paths
from minicnn.text import one_line

COMMANDS: tuple[str, ...] = ("demo", "style", "face", "see", "step", "gradcheck", "tutorial", "learn")
COMMANDS += ("train", "weights", "bench", "doctor")


class Parser(argparse.ArgumentParser):
    """A parser that says what is wrong in one line, and takes values that begin with a minus and a number."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._negative_number_matcher = re.compile(r"-\.?\d")  # also of several, as in --box -5,10,30,40
        self.add_argument("--traceback", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS)

    def _print_message(self, message: str, file: Any = None) -> None:
        (file or sys.stderr).write(message)  # and raise, where argparse would not

    def error(self, message: str) -> NoReturn:
        """Exit with 2."""
        command = self.prog.partition(" ")[2] or "command"
        self.exit(outcome.REFUSED, f"minicnn: {command} (see --help): {one_line(message, 400)}\n")


def parser() -> argparse.ArgumentParser:
    """The argument parser of all commands."""
    top = Parser(
        prog="minicnn",
        description="Face recognition and neural style transfer on a convolution engine written to be read.",
        epilog=f"The exit status is 0 when done, {outcome.STATUSES}. With --traceback an error shows where it comes "
        "from. A command that answers yes or no says so in its own --help.",
    )
    top.add_argument("--version", action="version", version=f"minicnn {minicnn.__version__}")
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name in COMMANDS:
        importlib.import_module(f"minicnn.cli.{name}").add(commands)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status (see outcome.py)."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    return outcome.conclude(lambda: _run(given), detailed="--traceback" in given)


def _run(given: Sequence[str]) -> int | None:
    if not given:
        parser().print_help(sys.stdout)
        return outcome.DONE
    chosen = parser().parse_args(given)
    if getattr(chosen, "json", False):  # a program reads what is printed
        backend.quiet()
    if not hasattr(chosen, "script"):  # figures are drawn to files, in whatever notebook the command runs
        os.environ["MPLBACKEND"] = "agg"
    paths.check(chosen)
    status: int | None = chosen.run(chosen)
    return status

"""The command line. Each file defines one command: it parses arguments, calls the library and prints the result."""

from __future__ import annotations

import argparse
import importlib
import os
import re
import sys
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any, NoReturn

import minicnn
from minicnn import backend
from minicnn.cli import outcome, paths
from minicnn.text import one_line

COMMANDS: tuple[str, ...] = ("demo", "style", "face", "see", "step", "gradcheck", "tutorial", "learn")
COMMANDS += ("train", "weights", "bench", "doctor")


class HelpFormatter(argparse.HelpFormatter):
    """argparse's help with capitalised headings and each command on a line of its own."""

    def add_usage(self, usage: Any, actions: Any, groups: Any, prefix: str | None = None) -> None:
        """Add the usage line."""
        super().add_usage(usage, actions, groups, "Usage: " if prefix is None else prefix)

    def _iter_indented_subactions(self, action: Any) -> Generator[Any, None, None]:
        yield from getattr(action, "_get_subactions", list)()

    def _format_action(self, action: Any) -> str:
        text = super()._format_action(action)
        return text.partition("\n")[2] if isinstance(action, argparse._SubParsersAction) else text


class Parser(argparse.ArgumentParser):
    """A parser that reports errors in one line and accepts values such as -5,10."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **{"formatter_class": HelpFormatter, **options})
        self._positionals.title, self._optionals.title = "Arguments", "Options"
        self._negative_number_matcher = re.compile(r"-\.?\d")  # also of several, as in --box -5,10,30,40
        self.add_argument("--traceback", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS)

    @property
    def examples(self) -> list[str]:
        """The command lines that end the help, from examples.toml."""
        import tomllib

        texts = tomllib.loads(Path(__file__).with_name("examples.toml").read_text(encoding="utf-8"))
        lines: list[str] = texts.get(self.prog.partition(" ")[2], [])
        return lines

    def format_help(self) -> str:
        """Return the help, with the examples at its end."""
        lines = "".join(f"  {line}\n" for line in self.examples)
        return super().format_help() + (f"\nExamples:\n{lines}" if lines else "")

    def _print_message(self, message: str, file: Any = None) -> None:
        (file or sys.stderr).write(message)  # raises if it fails; argparse's own method would not

    def error(self, message: str) -> NoReturn:
        """Print the message in one line and exit with status 2."""
        command = self.prog.partition(" ")[2] or "command"
        self.exit(outcome.REFUSED, f"minicnn: {command} (see --help): {one_line(message, 400)}\n")


def parser() -> argparse.ArgumentParser:
    """Return the argument parser of all commands."""
    top = Parser(
        prog="minicnn",
        description="Face recognition and neural style transfer on a readable convolution engine.",
        epilog="minicnn COMMAND --help lists options, exit statuses and examples; --traceback shows where an error "
        "was raised.",
    )
    top.add_argument("--version", action="version", version=f"minicnn {minicnn.__version__}", help="print the version")
    commands = top.add_subparsers(title="Commands", metavar="COMMAND", required=True)
    for name in COMMANDS:
        importlib.import_module(f"minicnn.cli.{name}").add(commands)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status, as defined in outcome.py."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    return outcome.conclude(lambda: _run(given), detailed="--traceback" in given)


def _run(given: Sequence[str]) -> int | None:
    if not given:
        parser().print_help(sys.stdout)
        return outcome.DONE
    return run(parser().parse_args(given))


def run(chosen: argparse.Namespace) -> int | None:
    """Run a parsed command and return its exit status, or None for success. Raise what the command raises."""
    if getattr(chosen, "json", False):  # the output is read by a program
        backend.quiet()
    if not hasattr(chosen, "script"):  # draw to files, even when run from a notebook
        os.environ["MPLBACKEND"] = "agg"
    paths.check(chosen)
    status: int | None = chosen.run(chosen)
    return status

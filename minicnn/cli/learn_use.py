"""minicnn learn use: run a command with the functions of solved exercises in place of minicnn's own."""

from __future__ import annotations

import argparse
import sys
from contextlib import ExitStack
from pathlib import Path
from unittest import mock

from minicnn.cli.outcome import say
from minicnn.errors import InputError, MissingFileError
from minicnn.files import program, unreadable

# Options that let a command end within a minute. Those that are given stay.
SMALL = {
    "style": "--size 64 --steps 5 --levels 1",
    "face train": "--people 12 --pictures 4 --test-people 8 --softmax 1_0.01 --comparing 1_0.001 --batch 4_2",
}
DEMO = {"SIZE": 64, "STEPS": 5}
COMMANDS = ("style", "demo", "face")


def add(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the action."""
    parser.add_argument("--seconds", type=float, default=45, metavar="S", help="time for your functions (default: 45)")
    parser.add_argument("folder", metavar="FOLDER", help="folder of your solved exercises")
    given = parser.add_argument(
        "words", metavar="COMMAND", nargs=argparse.REMAINDER, help="command to run: style, demo or face, with arguments"
    )
    given.required = False  # else argparse reports two missing arguments for a missing FOLDER
    parser.description = (
        "Run style, demo or face with the functions of your solved exercises in place of minicnn's own, at a small "
        "size. Print which functions were yours, which were not yet, and how many times slower yours are. When they "
        "have taken --seconds, minicnn's own take over. Your files run in this process."
    )


def run(arguments: argparse.Namespace) -> int | None:
    from minicnn import cli

    words, folder = list(arguments.words), Path(arguments.folder)
    if not words or words[0] not in COMMANDS:
        raise InputError(f"learn use: COMMAND is {words[0] if words else ''!r}; expected {', '.join(COMMANDS)}")
    if why := unreadable(folder, folder=True):
        raise MissingFileError(f"learn use: FOLDER {str(folder)!r} {why}; expected a folder of solved exercises")
    if not arguments.seconds > 0:
        raise InputError(f"learn use: seconds is {arguments.seconds}; expected a number above 0")
    chosen = cli.parser().parse_args([*words, *_small(words)])
    engine = program("exercises/shared/own_engine.py").OwnEngine(folder, arguments.seconds)
    with ExitStack() as stack:
        stack.enter_context(engine.installed())
        if words[0] == "demo":
            from minicnn.demonstration import styles

            for name, value in DEMO.items():
                stack.enter_context(mock.patch.object(styles, name, value))
        status = cli.run(chosen)
    say(f"\n{engine.report()}", sys.stderr if getattr(chosen, "json", False) else sys.stdout)
    return status


def _small(words: list[str]) -> list[str]:
    """Return the options that make a command short, without those that are given."""
    small = next((options for command, options in SMALL.items() if " ".join(words).startswith(command)), "").split()
    given = {word.partition("=")[0] for word in words}
    pairs = zip(small[::2], small[1::2], strict=True)
    return [word for option, values in pairs if option not in given for word in (option, *values.split("_"))]

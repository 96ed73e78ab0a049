"""The command line. One file a command: it parses, calls, and prints; the work is done elsewhere."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

import minicnn
from minicnn import backend
from minicnn.errors import InputError

COMMANDS = (
    "demo",
    "style",
    "face",
    "see",
    "step",
    "gradcheck",
    "tutorial",
    "learn",
    "train",
    "weights",
    "bench",
    "doctor",
)


def parser() -> argparse.ArgumentParser:
    """The argument parser of all commands."""
    top = argparse.ArgumentParser(
        prog="minicnn",
        description="Face recognition and neural style transfer on a convolution engine written to be read.",
    )
    top.add_argument("--version", action="version", version=f"minicnn {minicnn.__version__}")
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name in COMMANDS:
        importlib.import_module(f"minicnn.cli.{name}").add(commands)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status, 0 where it has none. Bad input prints its one line and returns 2;
    Ctrl-C returns 130.
    """
    chosen = parser().parse_args(arguments)
    if getattr(chosen, "json", False):  # a program reads what is printed
        backend.quiet()
    try:
        status = chosen.run(chosen) or 0
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # as in `minicnn weights inspect FILE | head`, which has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except InputError as problem:
        print(f"minicnn: {problem}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("minicnn: interrupted", file=sys.stderr)
        return 130

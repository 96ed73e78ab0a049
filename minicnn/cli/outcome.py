"""How a command ends: its exit status, one line where it fails, and streams that take whatever is printed."""

from __future__ import annotations

import codecs
import json
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from minicnn.errors import InputError
from minicnn.text import elided_inside, one_line, plain

DONE, NO, REFUSED, NO_VERDICT, INTERNAL, INTERRUPTED = 0, 1, 2, 3, 70, 130
SERIOUS = (INTERRUPTED, INTERNAL, REFUSED, NO_VERDICT, NO, DONE)  # of several pictures, the first that occurs
STATUSES = "2 when the input or the system does not allow it, 70 after an error of minicnn's own, 130 when interrupted"
LONGEST = 400  # letters of a line that says what is wrong
# What a stream that is not Unicode gets for the signs that minicnn prints.
SPELT = {"≤": "<=", "×": "x", "→": "->", "…": "...", "–": "-", "−": "-", "·": "*", "±": "+-", "²": "^2", "�": "?"}
SPELT |= {"α": "alpha", "β": "beta", "γ": "gamma", "Δ": "Delta", "Σ": "sum", "√": "sqrt", "ᵀ": "^T", "₂": "_2"}

_troubles: list[int] = []  # statuses of pictures that a command went on without


class NoVerdict(InputError):
    """A picture about which nothing can be said: it shows no face, say."""


def conclude(run: Callable[[], int | None], *, detailed: bool) -> int:
    """Run a command and return its exit status. Print what stops it in one line, after its traceback if detailed.

    Raises SystemExit as argparse does, after --help and what it cannot parse.
    """
    _troubles.clear()
    status, leaving = DONE, None
    try:
        _open_streams()
        try:
            status = run() or DONE
        except SystemExit as stopped:
            leaving = stopped
        sys.stdout.flush()
    except BrokenPipeError:  # as in `minicnn weights inspect FILE | head`, which has seen enough
        pass
    except BaseException as problem:
        status, leaving = _told(problem, detailed), None
    _let_go(sys.stdout)
    _let_go(sys.stderr)
    if leaving is not None:
        raise leaving
    return min((status, *_troubles), key=SERIOUS.index)


def each(
    pictures: Sequence[Any], look: Callable[[Any], Any], *, bar: str | None = None
) -> Iterator[tuple[Any, Any, dict[str, Any] | None]]:
    """Yield (picture, what look says of it, None) for good ones, (picture, None, a row for programs) for bad ones.

    The command goes on without the bad ones. They are told of, and its exit status will say so. bar: what a progress
    bar on a terminal is called; none for one picture.
    """
    if bar and len(pictures) > 1:
        from tqdm import tqdm

        # disable None: hidden where nobody watches.
        pictures = tqdm(pictures, bar, leave=False, unit=" pictures", disable=None)
    for picture in pictures:
        try:
            found, row = look(picture), None
        except Exception as problem:
            status = go_on(problem)
            found, row = None, {"picture": str(picture), "error": one_line(problem, LONGEST), "status": status}
        yield picture, found, row


def go_on(problem: Exception) -> int:
    """Print the line of a problem that the command goes on without. Return the status that it will end with at best."""
    _troubles.append(_told(problem, False))
    return _troubles[-1]


def say(text: str, stream: Any = None) -> None:
    """Print to standard output or another stream, above any progress bar that is open."""
    if bars := sys.modules.get("tqdm"):
        bars.tqdm.write(text, file=stream or sys.stdout)
    else:
        print(text, file=stream or sys.stdout)


def note(line: str) -> None:
    """Print something to know, beside the output that a program may read."""
    say(f"note: {plain(line)}", sys.stderr)


def note_passed_over(folder: object, counted: str) -> None:
    """Print what of a folder minicnn does not read, if anything."""
    if counted:
        note(f"{folder}: passed over, for minicnn does not read it: {counted}")


def print_json(found: Any) -> None:
    """Print as ASCII: a file's name may hold what no encoding can say."""
    print(json.dumps(found, indent=1))


def _open_streams() -> None:
    """Raise InputError if standard output is closed. The other streams need not be there; all take any letter."""
    closed = sys.stdout is None or sys.stdout.closed
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        stream = getattr(sys, name)
        if stream is None or stream.closed:  # a file that is opened later must not take its number
            null = os.open(os.devnull, os.O_RDWR)
            setattr(sys, name, open(null, mode, encoding="utf-8", closefd=False))  # noqa: SIM115
        elif mode == "w" and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="minicnn.spelt")
    if closed:
        raise InputError("standard output is closed; expected a terminal, a file or a pipe")


def _spelt(problem: Any) -> tuple[str, int]:
    letters = problem.object[problem.start : problem.end]
    return "".join(SPELT.get(c) or c.encode("ascii", "backslashreplace").decode() for c in letters), problem.end


codecs.register_error("minicnn.spelt", _spelt)


def _told(problem: BaseException, detailed: bool) -> int:
    """Print the line of what stopped a command, and return the status that it means."""
    line, status = one_line(problem, 10_000), NO_VERDICT if isinstance(problem, NoVerdict) else REFUSED
    if isinstance(problem, KeyboardInterrupt):
        line, status = "interrupted", INTERRUPTED
    elif isinstance(problem, MemoryError):
        line = f"not enough memory ({line})"
    elif isinstance(problem, OSError) and not isinstance(problem, InputError):
        what = f"{problem.filename!r} cannot be used" if problem.filename else "output cannot be written"
        line = f"{what} ({problem.strerror or line})"
    elif not isinstance(problem, InputError):
        place, status = traceback.extract_tb(problem.__traceback__)[-1], INTERNAL
        line = f"an error of minicnn's own: {type(problem).__name__}: {one_line(problem)} "
        line += f"({Path(place.filename).name}:{place.lineno}); add --traceback to see where it comes from, and report "
        line += "it where you have minicnn from, with what minicnn doctor says"
    try:
        if detailed:
            traceback.print_exception(problem)
        say(f"minicnn: {elided_inside(line, LONGEST)}", sys.stderr)
    except (OSError, ValueError):
        _let_go(sys.stderr)
    return status


def _let_go(stream: Any) -> None:
    """Write out what a stream holds, or, where it cannot be written, to nowhere: else Python would end with 120."""
    try:
        stream.flush()
    except (OSError, ValueError):
        with suppress(OSError, ValueError):  # some streams, such as a notebook's, are no files
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())

"""The end of a command: exit status, error line, and output streams."""

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
SERIOUS = (INTERRUPTED, INTERNAL, REFUSED, NO_VERDICT, NO, DONE)  # the most serious first
STATUSES = "It is 2 for invalid input or a system error, 70 after an error of minicnn's own, 130 if interrupted"
LONGEST = 400  # longest error line in letters
# Replacements on streams that cannot encode a sign.
SPELT = {"≤": "<=", "×": "x", "→": "->", "…": "...", "–": "-", "−": "-", "·": "*", "±": "+-", "²": "^2", "�": "?"}
SPELT |= {"α": "alpha", "β": "beta", "γ": "gamma", "Δ": "Delta", "Σ": "sum", "√": "sqrt", "ᵀ": "^T", "₂": "_2"}

_troubles: list[int] = []  # statuses of pictures that were skipped


class NoVerdict(InputError):
    """A picture without a verdict, for example one without a face."""


def conclude(run: Callable[[], int | None], *, detailed: bool) -> int:
    """Run a command and return its exit status. Print an error in one line, after its traceback if detailed.

    Raise SystemExit as argparse does, after --help and for arguments that it cannot parse.
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
    except BrokenPipeError:  # as in `minicnn weights inspect FILE | head`
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
    """Yield (picture, look(picture), None), or (picture, None, a row for JSON) if look raises.

    Errors are printed and counted in the exit status; the command continues. bar: title of the progress bar, which a
    terminal shows for more than one picture.
    """
    if bar and len(pictures) > 1:
        from tqdm import tqdm

        # disable=None hides the bar outside a terminal.
        pictures = tqdm(pictures, bar, leave=False, unit=" pictures", disable=None)
    for picture in pictures:
        try:
            found, row = look(picture), None
        except Exception as problem:
            status = go_on(problem)
            found, row = None, {"picture": str(picture), "error": one_line(problem, LONGEST), "status": status}
        yield picture, found, row


def go_on(problem: Exception) -> int:
    """Print a problem in one line. Return the status of a command that continues without further problems."""
    _troubles.append(_told(problem, False))
    return _troubles[-1]


def say(text: str, stream: Any = None) -> None:
    """Print to standard output or another stream, above an open progress bar."""
    if bars := sys.modules.get("tqdm"):
        bars.tqdm.write(text, file=stream or sys.stdout)
    else:
        print(text, file=stream or sys.stdout)


def note(line: str) -> None:
    """Print a note on standard error, so that standard output stays machine-readable."""
    say(f"note: {plain(line)}", sys.stderr)


def note_passed_over(folder: object, counted: str) -> None:
    """Print a note about the files that were skipped in a folder, if any."""
    if counted:
        note(f"{folder}: skipped unsupported files: {counted}")


def print_json(found: Any) -> None:
    """Print JSON in ASCII, since a file name may hold what the stream cannot encode."""
    print(json.dumps(found, indent=1))


def _open_streams() -> None:
    """Make all streams accept any letter, and replace closed ones. Raise InputError if standard output is closed."""
    closed = sys.stdout is None or sys.stdout.closed
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        stream = getattr(sys, name)
        if stream is None or stream.closed:  # keep its file number from being reused
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
    """Print the error in one line and return its exit status."""
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
    """Flush a stream. If that fails, redirect it to the null device, so that Python does not exit with 120."""
    try:
        stream.flush()
    except (OSError, ValueError):
        with suppress(OSError, ValueError):  # some streams, such as a notebook's, have no file number
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())

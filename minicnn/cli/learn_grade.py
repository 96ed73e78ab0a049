"""minicnn learn grade: grade a folder of submissions."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from minicnn.cli import outcome, paths
from minicnn.errors import InputError, MissingFileError
from minicnn.files import MISSING, replace_file, unreadable
from minicnn.text import counted, listed


def add(actions: Any) -> None:
    parser = actions.add_parser(
        "grade",
        help="grade a folder of submissions",
        description="Grade a folder of submissions: files (.py) or notebooks (.ipynb), one file or one folder per "
        "student, named as in Moodle, Canvas or Gradescope. Each runs in a separate process. A stopped grading resumes "
        "with the same command.",
    )
    parser.add_argument("folder", metavar="FOLDER", help="folder of submissions, or one file")
    group = parser.add_argument_group("Input and output")
    group.add_argument("-o", "--out", metavar="FILE", help="CSV file with one line per student")
    group.add_argument("--json", metavar="FILE", help="JSON file with all results; Gradescope's with --single")
    group.add_argument("--hidden", metavar="FILE", help="program with hidden cases")
    group.add_argument(
        "--exercise", metavar="NAME", action="append", default=[],
        help="exercise that every submission answers; may be repeated (default: those whose functions a file defines)",
    )  # fmt: skip
    group.add_argument("--single", action="store_true", help="FOLDER is the submission of one student")
    group = parser.add_argument_group("Resources")
    group.add_argument("--seconds", type=float, default=10, metavar="S", help="time limit in seconds (default: 10)")
    group.add_argument("--memory", type=float, default=2, metavar="GIB", help="memory limit in GiB (default: 2)")
    group.add_argument("--jobs", type=int, metavar="N", help="submissions at a time (default: one per core)")
    group.add_argument(
        "--isolated",
        action="store_true",
        help="refuse to run anything unless files and network are isolated",
    )
    parser.epilog = (
        "The exit status is 0 if every submission was graded, 3 if one holds no exercise or cannot be read. "
        f"{outcome.STATUSES}."
    )
    parser.set_defaults(run=grade)
    paths.declare(parser, reads="folder hidden", writes="out", sides="json", beside=_beside)


def _record(arguments: argparse.Namespace) -> Path | None:
    """Return the file that keeps the verdicts of a grading that was stopped."""
    given = arguments.out or arguments.json
    return Path(f"{given}.part") if given else None


def _beside(arguments: argparse.Namespace) -> Iterator[tuple[str, Path]]:
    if record := _record(arguments):
        yield "record of a stopped grading", record


def grade(arguments: argparse.Namespace) -> None:
    from minicnn import machine
    from minicnn.learn import examining, gradebook, grading, submissions

    folder = Path(arguments.folder)
    if unreadable(folder) and (why := unreadable(folder, folder=True)):
        raise (MissingFileError if why == MISSING else InputError)(f"learn grade: {arguments.folder!r} {why}")
    for name in ("seconds", "memory"):
        value = getattr(arguments, name)
        if not (math.isfinite(value) and value > 0):
            raise InputError(f"learn grade: {name} is {value!r}; expected a number above 0")
    jobs = machine.available_cores() if arguments.jobs is None else arguments.jobs
    if jobs < 1:
        raise InputError(f"learn grade: jobs is {jobs}; expected at least 1")
    found = submissions.found_in(folder, single=arguments.single)
    if not found:
        raise InputError(f"learn grade: {arguments.folder!r} holds no .py and no .ipynb file")
    hidden = Path(arguments.hidden) if arguments.hidden else None
    waiting, without = grading.tasks(found, arguments.exercise, hidden, arguments.seconds)
    memory = int(arguments.memory * 2**30)
    held = examining.held(memory)
    print(gradebook.isolation_table(held), flush=True)
    if arguments.isolated and not (held["files"] and held["network"]):
        raise InputError("learn grade: files or network are not isolated on this system; --isolated asks for both")
    hold = tuple(part for part, kept in held.items() if kept)
    room = examining.Room(arguments.seconds, memory, isolated=True, hold=hold)
    grades = _graded(waiting, room, jobs, _record(arguments))
    print(f"\n{gradebook.class_table(grades)}" if grades else "\nno exercise was found")
    for name, text in (
        (arguments.out, gradebook.as_csv(grades, without)),
        (arguments.json, json.dumps(gradebook.as_data(grades, without, held, single=arguments.single), indent=1)),
    ):
        if name:
            replace_file(Path(name), ("\ufeff" if name == arguments.out else "") + text)
            print(f"wrote {name}")
    if without:
        students = listed([submission.key for submission in without])
        said = f"no exercise in {counted(len(without), 'submission')}: {students}"
        raise outcome.NoVerdict(f"learn grade: {said}; --exercise NAME says which")


def _graded(waiting: Any, room: Any, jobs: int, record: Path | None) -> list[Any]:
    from tqdm import tqdm

    from minicnn.learn import grading

    # disable=None hides the bar outside a terminal.
    with tqdm(total=len(waiting), desc="grading", leave=False, unit=" answers", disable=None) as bar:
        return grading.grade(waiting, room, jobs=jobs, record=record, done=bar.update)

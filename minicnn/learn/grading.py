"""Grading of a class: every submission in a process of its own, several at a time, and resumed where it was stopped."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import minicnn
from minicnn.errors import InputError
from minicnn.files import MARK, bears_mark, unreadable
from minicnn.learn import aliases, catalogue, examining, excerpts, fairness, hidden_cases
from minicnn.learn.engine import Step
from minicnn.learn.exercise import Exercise
from minicnn.learn.judging import EVERYWHERE
from minicnn.learn.notebooks import code
from minicnn.learn.submissions import LARGEST, Submission, chosen, exercises_in
from minicnn.learn.verdict import Row, Verdict

KINDS = {  # what keeps an answer from being judged
    "still running|could not be stopped": "time limit",
    "more memory": "memory",
    "is not Python": "not Python",
    "the process ended|ends the program": "ends the process",
    "defines no function": "no such function",
    "still the hole": "not written yet",
    r"raises \w+": "raises an error",
    "leaves behind": "no answer",
}


@dataclass(frozen=True)
class Grade:
    """The verdict on one exercise of a student. rows: one per case, of which the last `hidden` are hidden.

    slip: names of the mistakes, or the reason for no judgement. A case is worth a point.
    """

    student: str
    identifier: str
    exercise: str
    file: str
    rows: tuple[Row, ...]
    hidden: int
    slip: str
    verdict: Verdict

    @property
    def points(self) -> int:
        """The number of right cases."""
        return sum(row.right for row in self.rows)


@dataclass(frozen=True)
class Task:
    """One file of a student to be judged."""

    submission: Submission
    exercise: Exercise
    file: Path
    hidden: int
    key: str


def tasks(
    submissions: Sequence[Submission], forced: Sequence[str], hidden: Path | None, seconds: float
) -> tuple[list[Task], list[Submission]]:
    """Return the tasks to judge, and the submissions without an exercise.

    forced: names of the exercises; otherwise those whose functions a file defines. Raise InputError.
    """
    more = hidden_cases.load(hidden) if hidden else {}
    known: dict[str, tuple[Exercise, int, str]] = {}
    found, without = [], []
    for submission in submissions:
        defined = {name for file in submission.files for name in exercises_in(file)}
        names = list(forced) or [name for name in catalogue.NAMES if name in defined]
        for name in names:
            if name not in known:
                exercise = catalogue.find(name)
                if isinstance(exercise, Step):
                    raise InputError(f"learn grade: {name} is a step of the engine; expected an exercise of a function")
                examining.check_simulator(exercise)
                extended = hidden_cases.extended(exercise, more)
                known[name] = extended, len(extended.cases) - len(exercise.cases), _print_of(extended, seconds)
            exercise, count, printed = known[name]
            file = chosen(submission.files, name) or submission.files[-1]
            found.append(Task(submission, exercise, file, count, f"{printed} {_digest(_neighbours(submission, file))}"))
        without += [] if names else [submission]
    return found, without


def _print_of(exercise: Exercise, seconds: float) -> str:
    """Return a fingerprint of everything that a verdict depends on, except the file."""
    source = Path(exercise.function.__code__.co_filename).read_text(encoding="utf-8")
    titles = [case.title for case in exercise.cases]
    parts = [source, json.dumps([excerpts.plan(exercise), titles, seconds, minicnn.__version__])]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def _digest(files: Mapping[str, Path]) -> str:
    content = hashlib.sha256()
    for name, path in files.items():
        with suppress(OSError):  # an unreadable file is reported when it is graded
            content.update(name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return content.hexdigest()[:32]


def _neighbours(submission: Submission, file: Path) -> dict[str, Path]:
    """Return {name: path} of a file and of those that it may read: all that a student handed in next to it."""
    own = {path.name: path for path in submission.files if path.parent == file.parent}
    return {**own, file.name: file}


def grade(
    waiting: Sequence[Task], room: examining.Room, *, jobs: int, record: Path | None, done: Callable[[], None]
) -> list[Grade]:
    """Return the grades, in the order of the tasks. done: called after each.

    record: file that keeps the verdicts until all are there, so that a stopped grading resumes. Raise InputError.
    """
    known = _remembered(record)
    grades: dict[int, Grade] = {}
    plans = {task.exercise.name: excerpts.plan(task.exercise) for task in waiting}
    with ThreadPoolExecutor(jobs) as pool:
        futures: dict[Future[tuple[Any, str, str]], int] = {}
        for number, task in enumerate(waiting):
            if data := known.get(task.key):
                grades[number] = _grade(task, Verdict.from_data(data))
                done()
            else:
                futures[pool.submit(_answers, plans[task.exercise.name], task, room)] = number
        try:
            for future in as_completed(futures):
                task = waiting[futures[future]]
                verdict = examining.verdict_on(task.exercise, *future.result(), file=task.file, room=room)
                with suppress(InputError):  # what is no text has no names of other libraries
                    verdict = aliases.translated(verdict, code(task.file))
                grades[futures[future]] = _grade(task, verdict)
                _remember(record, task.key, verdict)
                done()
        except BaseException:
            room.stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    if record:
        record.unlink(missing_ok=True)
    return [grades[number] for number in range(len(waiting))]


def _answers(plan: dict[str, Any], task: Task, room: examining.Room) -> tuple[Any, str, str]:
    if why := unreadable(task.file):
        return None, f"{task.file.name} {why}", ""
    if task.file.stat().st_size > LARGEST:
        return None, f"{task.file.name} has more than {LARGEST >> 20} MiB; expected a program", ""
    with tempfile.TemporaryDirectory(prefix="minicnn-grade-", ignore_cleanup_errors=True) as folder:
        for name, path in _neighbours(task.submission, task.file).items():
            if not unreadable(path) and path.stat().st_size <= LARGEST:
                shutil.copyfile(path, Path(folder) / name)
        return examining.answers(plan, task.exercise, Path(folder) / task.file.name, room)


def _remembered(record: Path | None) -> dict[str, Any]:
    """Return {key: verdict} of a grading that was stopped. Its last line may be half of one."""
    found: dict[str, Any] = {}
    if record and os.path.isfile(record) and bears_mark(record):
        for line in record.read_text(encoding="utf-8", errors="replace").splitlines()[1:]:
            with suppress(ValueError):
                found.update([json.loads(line)])
    return found


def _remember(record: Path | None, key: str, verdict: Verdict) -> None:
    if record is None:
        return
    try:
        with record.open("a", encoding="utf-8") as file:
            if not file.tell():
                file.write(f"{json.dumps({MARK: minicnn.__version__})}\n")
            file.write(f"{json.dumps([key, verdict.as_data()])}\n")
    except OSError as problem:
        raise InputError(f"learn grade: {str(record)!r} cannot be written ({problem.strerror})") from None


def _grade(task: Task, verdict: Verdict) -> Grade:
    """Return the grade. Where the verdict has no rows, the same happened in every case."""
    titles = [case.title for case in task.exercise.cases]
    rows = tuple(verdict.rows) or tuple(Row(title, verdict.right, "".join(verdict.advice[:1])) for title in titles)
    submission, name = task.submission, task.exercise.name
    slip = "" if verdict else _slip(task.exercise, verdict)
    return Grade(submission.student, submission.identifier, name, task.file.name, rows, task.hidden, slip, verdict)


def _slip(exercise: Exercise, verdict: Verdict) -> str:
    known = {slip.hint: slip.name for slip in (*EVERYWHERE, *fairness.SLIPS, *exercise.slips)}
    said = [*verdict.advice, ""]
    if names := [known[text] for text in said if text in known]:
        return ", ".join(names)
    if verdict.rows:
        return "not recognized"
    kinds = (name for pattern, name in KINDS.items() if re.search(pattern, said[0]))
    return next(kinds, said[0].partition("\n")[0])


def hint(grade: Grade) -> str:
    """Return the advice that the student would have seen."""
    return "\n".join(grade.verdict.advice)


def by_exercise(grades: Sequence[Grade]) -> Iterator[tuple[str, list[Grade]]]:
    """Yield (exercise, its grades) in the order of the catalogue."""
    for name in catalogue.NAMES:
        if own := [grade for grade in grades if grade.exercise == name]:
            yield name, own

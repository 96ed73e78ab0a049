"""The results of a class: a table of slips, a CSV file, and JSON as Gradescope reads it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import minicnn
from minicnn.files import MARK
from minicnn.learn.grading import Grade, by_exercise, hint
from minicnn.learn.submissions import Submission
from minicnn.text import elided, listed, wrapped

MEANS = {
    "network": ("no network", "a network"),
    "files": ("no other files", "other files"),
    "processes": ("no other processes", "other processes"),
    "memory": ("no more memory", "more memory"),
}


def isolation_table(held: Mapping[str, bool]) -> str:
    """Return a table of the resources that submissions cannot reach, as tried on this machine."""
    lines = ["A submission can reach, as tried on this machine:"]
    lines += [
        f"  {no if held[part] else some:<24}{'' if held[part] else 'not isolated'}".rstrip()
        for part, (no, some) in MEANS.items()
    ]
    return "\n".join(lines)


def class_table(grades: Sequence[Grade]) -> str:
    """Return a table of slips per exercise, the most frequent first, with the students who made them."""
    lines: list[str] = []
    for name, own in by_exercise(grades):
        right = sum(grade.verdict.right for grade in own)
        lines += ["", f"{name}: {right} of {len(own)} right"]
        slips: dict[str, list[str]] = {}
        for grade in own:
            if grade.slip:
                slips.setdefault(grade.slip, []).append(grade.student)
        for slip, students in sorted(slips.items(), key=lambda item: (-len(item[1]), item[0])):
            lines += wrapped(
                f"{len(students):>3}  {elided(slip, 60)}: {listed(students, 40)}", indent="  ", hanging=" " * 5
            )
    return "\n".join(lines[1:])


def _students(grades: Sequence[Grade], without: Sequence[Submission]) -> Iterator[tuple[str, str, list[Grade]]]:
    gathered: dict[tuple[str, str], list[Grade]] = {(each.student, each.identifier): [] for each in without}
    for grade in grades:
        gathered.setdefault((grade.student, grade.identifier), []).append(grade)
    for (student, identifier), own in sorted(gathered.items()):
        yield student, identifier, own


def as_csv(grades: Sequence[Grade], without: Sequence[Submission]) -> str:
    """Return a line per student: the points, and per exercise the points, the cases (1 or 0), slip, hint and file."""
    possible = {name: len(own[0].rows) for name, own in by_exercise(grades)}
    kinds = ("points", "cases", "slip", "hint", "file")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    head = [f"{name} {kind}" for name in possible for kind in kinds]
    writer.writerow(["student", "identifier", "points", "possible", *head])
    for student, identifier, own in _students(grades, without):
        row: list[Any] = [student, identifier, sum(grade.points for grade in own), sum(possible.values())]
        for name in possible:
            found = [grade for grade in own if grade.exercise == name]
            for grade in found:
                cases = " ".join(str(int(row.right)) for row in grade.rows)
                row += [grade.points, cases, grade.slip, hint(grade), grade.file]
            row += [] if found else [0, "", "not handed in", "", ""]
        writer.writerow([_harmless(cell) for cell in row])
    return text.getvalue()


def _harmless(cell: Any) -> Any:
    """Return a cell that spreadsheets do not interpret as a formula."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell


def as_data(
    grades: Sequence[Grade], without: Sequence[Submission], held: Mapping[str, bool], *, single: bool
) -> dict[str, Any]:
    """Return the results as data for JSON. single: results of one submission, as Gradescope reads them."""
    mark = {MARK: minicnn.__version__, "isolated": dict(held)}
    possible = sum(len(own[0].rows) for _, own in by_exercise(grades))
    students = [
        {
            "student": student,
            "identifier": identifier,
            "possible": possible,
            "exercises": _summary(own),
            **_results(own),
        }
        for student, identifier, own in _students(grades, without)
    ]
    if single:
        return {**(_results(grades) if grades else {"score": 0, "output": "no exercise found"}), "extra_data": mark}
    slips = {name: {grade.slip: 0 for grade in own if grade.slip} for name, own in by_exercise(grades)}
    for grade in grades:
        if grade.slip:
            slips[grade.exercise][grade.slip] += 1
    return {**mark, "slips": slips, "students": students}


def _summary(grades: Sequence[Grade]) -> list[dict[str, Any]]:
    return [
        {
            "exercise": grade.exercise,
            "file": grade.file,
            "points": grade.points,
            "slip": grade.slip,
            "hint": hint(grade),
        }
        for grade in grades
    ]


def _results(grades: Sequence[Grade]) -> dict[str, Any]:
    """Return score and tests with the keys of Gradescope's results.json."""
    tests = []
    for grade in grades:
        for number, row in enumerate(grade.rows):
            hidden = number >= len(grade.rows) - grade.hidden
            tests.append(
                {
                    "name": f"{grade.exercise}: {row.case}",
                    "score": int(row.right),
                    "max_score": 1,
                    "status": "passed" if row.right else "failed",
                    "output": row.text,
                    "visibility": "after_published" if hidden else "visible",
                }
            )
    advice = [f"{grade.exercise}: {hint(grade)}" for grade in grades if not grade.verdict]
    return {"score": sum(test["score"] for test in tests), "tests": tests, "output": "\n\n".join(advice)}

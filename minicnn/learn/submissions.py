"""Submissions: files and notebooks of students, in folders as course platforms make them."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from minicnn.errors import InputError
from minicnn.files import read_text
from minicnn.learn import catalogue
from minicnn.learn.notebooks import cells
from minicnn.text import plain

SUFFIXES = (".py", ".ipynb")
LARGEST = 1 << 24  # bytes of a submission
MOODLE = re.compile(r"(?P<name>.+?)_(?P<id>\d+)_assignsubmission_[a-z]+(_(?P<rest>.*))?")
CANVAS = re.compile(r"(?P<name>[^_]+)(_LATE)?_(?P<id>\d+)_\d+_(?P<rest>.+)")
GRADESCOPE = re.compile(r"(?P<name>submission)_(?P<id>\d+)(?P<rest>)")


@dataclass(frozen=True)
class Submission:
    """The files of a student. identifier: the platform's number, or empty."""

    student: str
    identifier: str
    files: tuple[Path, ...]

    @property
    def key(self) -> str:
        """The student and the identifier in one."""
        return f"{self.student} ({self.identifier})" if self.identifier else self.student


def exercises_in(path: Path) -> list[str]:
    """Return the exercises whose functions a file defines, or imports."""
    found: set[str] = set()
    try:
        if path.stat().st_size > LARGEST:
            return []
        for _, text in cells(path):
            found |= {*_defined(text)}
    except (InputError, OSError):
        return []
    named = {name for name in catalogue.NAMES if name in path.stem} if not found & {*catalogue.NAMES} else set()
    return [name for name in catalogue.NAMES if name in found | named]


def _defined(text: str) -> Iterator[str]:
    try:
        body = ast.parse(text).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        yield from re.findall(r"^(?:def\s+)?(\w+)\s*(?:\(.*:|=)", text, re.MULTILINE)
        return
    for statement in body:
        if isinstance(statement, ast.FunctionDef | ast.ClassDef):
            yield statement.name
        elif isinstance(statement, ast.Import | ast.ImportFrom):
            yield from (name.asname or name.name for name in statement.names)
        elif isinstance(statement, ast.Assign | ast.AnnAssign | ast.Try | ast.If | ast.With):
            stored = (node for node in ast.walk(statement) if isinstance(node, ast.Name | ast.FunctionDef | ast.alias))
            yield from (str(getattr(node, "id", getattr(node, "name", ""))) for node in stored)


def found_in(folder: Path, *, single: bool = False) -> list[Submission]:
    """Return the submissions in a folder, in the order of their names. single: all files are one student's.

    One file or one folder a student, with names as Moodle, Canvas and Gradescope make them, or as students do.
    """
    if os.path.isfile(folder) or single:
        files = [folder] if os.path.isfile(folder) else _files(folder)
        return [Submission(plain(folder.stem), "", tuple(files))] if files else []
    names = _metadata(folder / "submission_metadata.yml")
    gathered: dict[tuple[str, str], list[Path]] = {}
    for entry in sorted(folder.iterdir(), key=_natural):
        if os.path.islink(entry) or entry.name.startswith((".", "__")) or not (files := _files(entry)):
            continue
        gathered.setdefault(_student(entry, names), []).extend(files)
    return [Submission(student, number, tuple(files)) for (student, number), files in gathered.items()]


def _student(entry: Path, names: dict[str, str]) -> tuple[str, str]:
    stem = entry.name if os.path.isdir(entry) else entry.stem
    for platform in (MOODLE, CANVAS, GRADESCOPE):
        if match := platform.fullmatch(stem):
            return plain(names.get(entry.name, match["name"])), match["id"]
    for name in sorted(catalogue.NAMES, key=len, reverse=True) if os.path.isfile(entry) else ():
        if stem.endswith(f"_{name}"):
            return plain(stem.removesuffix(f"_{name}")), ""
    return plain(stem), ""


def _files(entry: Path) -> list[Path]:
    """Return the programs and notebooks of an entry, in natural order."""
    if os.path.isfile(entry):
        return [entry] if entry.suffix in SUFFIXES else []
    parts = (path.relative_to(entry).parts for path in entry.rglob("*") if path.suffix in SUFFIXES)
    shown = (entry.joinpath(*path) for path in parts if not any(part.startswith((".", "__")) for part in path))
    return sorted((path for path in shown if os.path.isfile(path) and not os.path.islink(path)), key=_natural)


def _natural(path: Path) -> list[Any]:
    return [(0, int(part), "") if part.isdigit() else (1, 0, part.casefold()) for part in re.split(r"(\d+)", str(path))]


def _metadata(path: Path) -> dict[str, str]:
    """Return {folder: names} of Gradescope's list of submissions, if it is there."""
    found: dict[str, list[str]] = {}
    folder = ""
    for line in read_text("learn grade:", path).splitlines() if os.path.isfile(path) else ():
        if match := re.match(r"(submission_\d+):", line):
            folder = match[1]
        elif folder and (match := re.match(r"\s+(?:- )?:name: (.+)", line)):
            found.setdefault(folder, []).append(match[1].strip().strip("'\""))
    return {folder: ", ".join(names) for folder, names in found.items()}


def chosen(files: Sequence[Path], name: str) -> Path | None:
    """Return the file that answers an exercise: the last one that bears its name, or that defines it."""
    defining = [path for path in files if name in exercises_in(path)]
    bearing = [path for path in defining if name in path.stem]
    return ([None, *defining, *bearing])[-1]

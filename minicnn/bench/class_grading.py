"""Thirty submissions of three exercises, graded by the command, as a teacher would."""

from __future__ import annotations

import tempfile
import time
from functools import partial
from pathlib import Path

from minicnn.bench.children import ChildFailed
from minicnn.bench.plan import Plan, Section
from minicnn.bench.report import Row
from minicnn.learn.class_of_thirty import graded, write


def section(plan: Plan) -> Section:
    """Seconds, once: from the start of the command to its table."""
    name = f"{8 if plan.quick else 30} submissions"
    return Section("Grading a class", [(name, partial(measure, name, plan.quick))], rival="")


def measure(name: str, quick: bool) -> Row:
    """Seconds for the whole class. Raise ChildFailed if a verdict is not the one that belongs to its submission."""
    with tempfile.TemporaryDirectory(prefix="minicnn-bench-", ignore_cleanup_errors=True) as folder:
        expected = write(Path(folder), quick=quick)
        start = time.perf_counter()
        found = graded(Path(folder))
        seconds = time.perf_counter() - start
    wrong = {student: found.get(student) for student, slip in expected.items() if found.get(student) != slip}
    if wrong:
        raise ChildFailed(f"graded otherwise than expected: {wrong}")
    return Row(name, "s", seconds)

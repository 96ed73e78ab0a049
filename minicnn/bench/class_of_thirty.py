"""Thirty submissions of three exercises, graded by the command, as a teacher would."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from minicnn.bench.children import ChildFailed
from minicnn.bench.plan import Plan, Section
from minicnn.bench.report import Row
from minicnn.learn import assessment, catalogue, files

RIGHT = ("gram_matrix", "triplet_loss", "conv_forward")
# (exercise, text of the solution, replacement, slip that is recognized)
SLIPS = (
    ("gram_matrix", "A @ A.T", "A.T @ A", "places with places"),
    ("gram_matrix", "A @ A.T", "A * A", "elementwise"),
    ("gram_matrix", "A @ A.T", "A @ A.T / A.shape[1]", "divided by places"),
    ("gram_matrix", "A @ A.T", "A @ A.data.T", "half of the gradient"),
    ("conv_forward", " + b", "", "no bias"),
    ("conv_forward", "tensordot(window, w,", "tensordot(window, w[::-1, ::-1],", "flipped"),
    ("conv_forward", "axes=3)", "axes=3) / w[..., 0].size", "mean"),
    ("conv_forward", "return y", "return np.moveaxis(y, 3, 1)", "channels first"),
    ("conv_forward", "K = len(w)", "K, stride = len(w), 1", "stride ignored"),
    ("conv_forward", "(size - K) // stride + 1", "(size - K) // stride", "last windows missing"),
)
ODD = (  # (text before the solution of gram_matrix, slip)
    ("def broken(:\n", "not Python"),
    ("import nowhere_at_all\n", "raises an error"),
    ("while True:\n    pass\n", "time limit"),
    ("import numpy as np\nmuch = np.ones((10, 1 << 27))  # ten gigabytes\n", "memory"),
    ("import os\nopen('verdict.json', 'w').write('{\"right\": true}')\nos._exit(0)\n", "ends the process"),
    ("from minicnn.files import program\nprogram('exercises/gram_matrix.py').gram_matrix\n", "solution"),
)
SECONDS = 10  # limit of each


def section(plan: Plan) -> Section:
    """Return the row in seconds, measured once: from the start of the command to its table."""
    name = f"{8 if plan.quick else 30} submissions"
    return Section("Grading a class", [(name, partial(measure, name, plan.quick))], rival="")


def measure(name: str, quick: bool) -> Row:
    """Measure the seconds for the whole class. Raise ChildFailed if a verdict is not that of its submission."""
    with tempfile.TemporaryDirectory(prefix="minicnn-bench-", ignore_cleanup_errors=True) as folder:
        expected = write(Path(folder), quick=quick)
        start = time.perf_counter()
        found = graded(Path(folder))
        seconds = time.perf_counter() - start
    if wrong := {
        student: (slip, found.get(student)) for student, slip in expected.items() if found.get(student) != slip
    }:
        raise ChildFailed(f"graded otherwise than expected: {wrong}")
    return Row(name, "s", seconds)


def graded(folder: Path, *options: str) -> dict[str, str]:
    """Return {student: slip} as the command finds them."""
    out = folder / "results.json"
    command = [sys.executable, "-m", "minicnn", "learn", "grade", str(folder), "--json", str(out), *options]
    environment = assessment.environment(catalogue.find(RIGHT[0]))
    done = subprocess.run(command, env=environment, capture_output=True, encoding="utf-8", errors="replace")
    if done.returncode:
        raise ChildFailed(done.stderr[-400:])
    students = json.loads(out.read_text(encoding="utf-8"))["students"]
    return {each["student"]: "".join(one["slip"] for one in each["exercises"]) for each in students}


def write(folder: Path, *, quick: bool = False) -> dict[str, str]:
    """Write a class of submissions and return {student: slip}, in which "" is right. quick: eight of the thirty."""
    texts: dict[str, tuple[str, str, str]] = {}  # student: (exercise, program, slip)
    for number, name in enumerate(RIGHT * 3):
        texts[f"right{number}"] = name, files.solution(catalogue.find(name)), ""
    for name, old, new, slip in SLIPS:
        head, quotes, body = files.solution(catalogue.find(name)).rpartition('"""')
        texts[slip.replace(" ", "-")] = name, head + quotes + body.replace(old, new), slip
    gram = files.solution(catalogue.find("gram_matrix"))
    for number, (before, slip) in enumerate(ODD + ODD[:2]):
        texts[f"odd{number}"] = "gram_matrix", before + gram, slip
    for number, (name, slip) in enumerate((("gram_matrix", ""), ("triplet_loss", ""), ("gram_matrix", "elementwise"))):
        text = files.solution(catalogue.find(name)).replace("A @ A.T", "A * A" if slip else "A @ A.T")
        texts[f"notebook{number}"] = name, text, slip
    chosen = ("right0", "right1", "flipped", "odd0", "odd2", "odd4", "odd5", "notebook2") if quick else tuple(texts)
    for student in chosen:
        name, text, _ = texts[student]
        if student.startswith("notebook"):
            cells = [{"cell_type": "code", "source": source} for source in ("%matplotlib inline", text, "nothing + 1")]
            text = json.dumps({"cells": cells, "nbformat": 4})
        suffix = ".ipynb" if student.startswith("notebook") else ".py"
        (folder / f"{student}_{name}{suffix}").write_text(text, encoding="utf-8")
    return {student: texts[student][2] for student in chosen}

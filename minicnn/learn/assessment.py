"""Verdicts on the answers of a learner's process: python -m minicnn.learn.assessment NAME ANSWERS VERDICT [HIDDEN].

As a program, for exercises on the simulated GPU, which a process has from its start or not at all.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import minicnn
from minicnn.files import replace_file
from minicnn.learn import catalogue, hidden_cases
from minicnn.learn.exercise import Exercise
from minicnn.learn.judging import Outcome, Trial, judge, prepare
from minicnn.learn.messages import decode_answer
from minicnn.learn.verdict import Verdict
from minicnn.text import plain

LONGEST = 400  # letters of a problem
_prepared: dict[int, tuple[Exercise, list[Trial]]] = {}


def assess(exercise: Exercise, answers: Any, *, hidden: Path | None = None) -> Verdict:
    """Return the verdict on answers from a process that is not trusted. Raise ValueError if they are none."""
    if exercise.simulated and os.environ.get("NUMBA_ENABLE_CUDASIM") != "1":
        return _assess_elsewhere(exercise, answers, hidden)
    if id(exercise) not in _prepared:
        _prepared[id(exercise)] = exercise, prepare(exercise)
    _, trials = _prepared[id(exercise)]
    if not isinstance(answers, list) or len(answers) != len(trials):
        raise ValueError("not an answer to every case")
    return judge(exercise, trials, [_outcome(*pair) for pair in zip(answers, trials, strict=True)])


def _outcome(answer: Any, trial: Trial) -> Outcome:
    if not isinstance(answer, dict) or type(problem := answer.get("problem")) is not str:
        raise ValueError("not an answer")
    if problem:
        if not (told := clean(problem[:LONGEST])).strip():
            raise ValueError("a problem that says nothing")
        return Outcome(None, told)
    if not isinstance(seen := answer.get("seen"), Mapping) or seen.keys() != trial.expected.keys():
        raise ValueError("another answer than was asked for")
    return Outcome({part: decode_answer(value) for part, value in seen.items()})


def clean(text: str) -> str:
    """Return text from a process that is not trusted, without the codes that a terminal obeys."""
    return "\n".join(plain(line.expandtabs()) for line in text.splitlines())


def environment(exercise: Exercise) -> dict[str, str]:
    """Return the environment of a process: this minicnn on the path, and the simulated GPU if needed."""
    paths = [str(Path(minicnn.__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
    simulated = {"NUMBA_ENABLE_CUDASIM": "1"} if exercise.simulated else {}
    utf8 = {"PYTHONIOENCODING": "utf-8", "PYTHONUNBUFFERED": "1"}
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), **utf8, **simulated}


def _assess_elsewhere(exercise: Exercise, answers: Any, hidden: Path | None) -> Verdict:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        given, said = Path(folder) / "answers.json", Path(folder) / "verdict.json"
        given.write_text(json.dumps(answers), encoding="utf-8")
        command = [sys.executable, "-P", "-m", __name__, exercise.name, str(given), str(said)]
        command += [os.path.abspath(hidden)] if hidden else []
        done = subprocess.run(command, env=environment(exercise), capture_output=True, text=True, cwd=folder)
        if done.returncode:
            raise ValueError(done.stderr[-LONGEST:])
        return Verdict.from_data(json.loads(said.read_text(encoding="utf-8")))


def main(name: str, answers: str, verdict: str, hidden: str | None = None) -> None:
    """Write the verdict on a file of answers, as JSON."""
    exercise = hidden_cases.extended(catalogue.find(name), Path(hidden) if hidden else None)
    found = assess(exercise, json.loads(Path(answers).read_text(encoding="utf-8")))
    replace_file(Path(verdict), json.dumps(found.as_data()))


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Every row of every room, checked on every backend: what `minicnn gradcheck` does."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from minicnn import backend, ops
from minicnn.backend import use_backend
from minicnn.errors import GradcheckError, InputError, check_count
from minicnn.faces import gradient_rows as faces_cases
from minicnn.gradients import cases
from minicnn.gradients.cases import OpCase
from minicnn.gradients.checking import gradcheck
from minicnn.gradients.reports import GradcheckReport
from minicnn.style import gradient_rows as style_cases

ROOMS = {"": cases.CASES, "faces.": faces_cases.CASES, "style.": style_cases.CASES}


@dataclass(frozen=True)
class Row:
    """One row of a room's table: its name, as "conv-2d" or "faces.distance-l2", and its op's, as "conv"."""

    name: str
    case: OpCase

    @property
    def op(self) -> str:
        return self.case.op

    def function(self) -> Callable[..., Any]:
        """The op with the row's arguments; its parameters are the op's, so that a report can call them by name."""

        def checked(*inputs: Any) -> Any:
            return self.case.function(*inputs)

        checked.__name__ = self.name
        checked.__signature__ = inspect.signature(self.case.call or getattr(ops, self.op))  # type: ignore[attr-defined]
        return checked


@dataclass(frozen=True)
class Outcome:
    """One row on one backend. verdict: "passed", "FAILED" or "inconclusive"; worst: max |analytic − numeric| /
    max |numeric| of the input where that is largest; report: the lines of gradcheck, where it did not pass.
    """

    row: str
    op: str
    backend: str
    verdict: str
    entries: int
    worst: float
    patterns: tuple[str, ...]
    report: str


def rows(names: Sequence[str] = ()) -> list[Row]:
    """The rows of these ops, or of these names; all of them when there is none. Errors: a name that nothing has."""
    everything = [Row(f"{room}{case}", case) for room, cases in ROOMS.items() for case in cases]
    chosen = []
    for name in names:
        found = [row for row in everything if name in (row.name, row.op, f"{row.name.partition('.')[0]}.{row.op}")]
        if not found:
            known = sorted({name for row in everything for name in (row.op, row.name)})
            near = difflib.get_close_matches(name, known, n=3) or sorted({row.op for row in everything})
            raise InputError(
                f"gradcheck: op is {name!r}; expected an operation or a row of it, such as {', '.join(near)}"
            )
        chosen += [row for row in found if row not in chosen]
    return chosen if names else everything


def backends(names: Sequence[str] = ()) -> tuple[list[str], dict[str, str]]:
    """(those that work here, why others do not). Errors: one that was asked for does not."""
    working, missing = [], {}
    for name in names or (*backend.backends(), "cuda"):
        try:
            with use_backend(name):
                working.append(name)
        except InputError as problem:
            if names:
                raise
            missing[name] = str(problem)
    return working, missing


def survey(chosen: Sequence[Row], on: Sequence[str], *, seeds: int = 1) -> Iterator[list[Outcome]]:
    """For each row its outcome on each backend, as soon as they are known.

    seeds: so many draws of its inputs are checked, and the worst of them is told.
    """
    check_count("gradcheck: seeds", seeds)
    for row in chosen:
        yield [max((_outcome(row, name, seed) for seed in range(seeds)), key=_badness) for name in on]


def _badness(outcome: Outcome) -> tuple[int, float]:
    return ("passed", "inconclusive", "FAILED").index(outcome.verdict), outcome.worst


def _outcome(row: Row, backend: str, seed: int) -> Outcome:
    with use_backend(backend):
        try:
            report = gradcheck(row.function(), list(row.case.draw(np.random.default_rng(seed))), seed=seed)
        except GradcheckError as failure:
            if not isinstance(failure.report, GradcheckReport):  # two results for one input, and the like
                return Outcome(row.name, row.op, backend, "FAILED", 0, np.inf, (), str(failure))
            report = failure.report
    return Outcome(
        row.name,
        row.op,
        backend,
        report.verdict,
        sum(found.checked for found in report.inputs),
        max(found.worst_relative for found in report.inputs),
        tuple(finding.kind for finding in report.findings),
        "" if report.ok else str(report),
    )

"""Gradient checks of all operations on all backends, as in `minicnn gradcheck`."""

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
    """One row of a table of cases, named as "conv-2d" or "faces.distance-l2"."""

    name: str
    case: OpCase

    @property
    def op(self) -> str:
        """The name of the operation, such as "conv"."""
        return self.case.op

    def function(self) -> Callable[..., Any]:
        """Return the op with the row's arguments and the op's signature, so that a report can name its inputs."""

        def checked(*inputs: Any) -> Any:
            return self.case.function(*inputs)

        checked.__name__ = self.name
        checked.__signature__ = inspect.signature(self.case.call or getattr(ops, self.op))  # type: ignore[attr-defined]
        return checked


@dataclass(frozen=True)
class Outcome:
    """The result of one row on one backend.

    verdict: "passed", "FAILED" or "inconclusive". worst: largest max |analytic − numeric| / max |numeric| of all
    inputs. report: the text of gradcheck, if the row did not pass.
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
    """Return the rows with these names or of these ops; all rows by default. Raise InputError for an unknown name."""
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
    """Return the backends that work here, and {name: reason} of the others.

    Raise InputError if a requested one does not work.
    """
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
    """Yield the outcomes of each row, one per backend.

    seeds: number of random inputs per row; the worst outcome is reported.
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
            if not isinstance(failure.report, GradcheckReport):  # for example if the function is not deterministic
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

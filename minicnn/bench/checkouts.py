"""Two checkouts of minicnn, timed in turns, so that a change can be judged on a noisy machine.

Each checkout has its own process for all rounds of a row. As in turns.py, only the two turns of one round are compared.
"""

from __future__ import annotations

import os
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import NamedTuple

import minicnn
from minicnn import resources
from minicnn.bench import children
from minicnn.bench.plan import Plan, Section
from minicnn.bench.report import Row
from minicnn.bench.turns import PAUSE, row_of
from minicnn.errors import InputError

HERE = Path(minicnn.__file__).resolve().parents[1]
PROGRAM = Path(__file__).with_name("contract_steps.py")
ROUNDS = 7
TURN = 20  # times as long as a turn in one process, to resolve differences of a few per cent
LEAST, MOST = 3, 1000  # runs per turn


class Kind(NamedTuple):
    """One section. row: the name of a row, given its step and size; steps: keys of contract_steps.STEPS."""

    title: str
    row: str
    steps: tuple[str, ...]
    sizes: tuple[int, ...]
    quick_sizes: tuple[int, ...]


SECTIONS = {
    "style": Kind("Style step, tiny_vgg", "{size}²", ("style",), (256, 512), (128,)),
    "encoders": Kind("Encoding faces", "{step}, batch of {size}", ("Inception-ResNet-v1", "nn4.small2"), (1, 32), (1,)),
    "triplets": Kind("Triplet training step, nn4.small2", "batch of {size}", ("triplets",), (48,), (8,)),
    "training": Kind("Training step, tiny_vgg, batch norm", "batch of {size}", ("training",), (32, 128), (16,)),
}


def check(folder: Path) -> None:
    """Raise InputError if `folder` is not a checkout of minicnn."""
    if not os.path.isfile(folder / "minicnn" / "__init__.py"):
        raise InputError(f"bench: against is {str(folder)!r}; expected a folder that holds the package minicnn")


def section(plan: Plan, name: str, against: Path) -> Section:
    """Return the rows of one section, in milliseconds."""
    kind = SECTIONS[name]
    measurements = []
    for step in kind.steps:
        for size in kind.quick_sizes if plan.quick else kind.sizes:
            row = kind.row.format(step=step, size=size)
            measurements.append((row, partial(measure, plan, row, step, size, Path(os.path.realpath(against)))))
    return Section(kind.title, measurements, limit="spread", rival="other")


def measure(plan: Plan, name: str, step: str, size: int, against: Path) -> Row:
    """Time one step in both checkouts. The ratio is the other's time divided by this one's; above 1, this is faster."""
    folders = (HERE, against)
    with ExitStack() as stack:
        arguments = (step, str(size), str(resources.threads()))
        sides = [
            stack.enter_context(children.conversation(PROGRAM, *arguments, environment=_importing(folder)))
            for folder in folders
        ]

        def turn(side: int, runs: int) -> float:
            time.sleep(PAUSE)
            try:
                return sides[side](runs)
            except children.ChildFailed as problem:
                raise children.ChildFailed(f"in {folders[side]}: {problem}") from None

        for side in range(2):
            turn(side, 1)  # compiles
        slowest = max(turn(side, 1) for side in range(2))
        runs = max(LEAST, min(MOST, int(TURN * plan.turn / slowest)))
        raw: tuple[list[float], list[float]] = ([], [])
        for number in range(plan.rounds):
            for side in range(2) if number % 2 == 0 else reversed(range(2)):
                raw[side].append(turn(side, runs))
    ratios = [theirs / ours for ours, theirs in zip(*raw, strict=True)]
    return row_of(name, "ms", *raw, runs=runs, spread=[min(ratios), max(ratios)])


def _importing(folder: Path) -> dict[str, str]:
    """Return the environment in which `import minicnn` finds the package in `folder`."""
    return {"PYTHONPATH": os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])}

"""Let a simulated kernel's threads take their turns, and watch them meanwhile.

A GPU promises nothing about the order of its threads but what a barrier says. A kernel that needs more than that is
right today and wrong on the next machine: it has a race. `shuffled` draws another order at every barrier, in which many
races give another result; `watched` finds each one for certain, whatever the order and the numbers.
"""

from __future__ import annotations

import importlib
import random
from collections.abc import Iterator
from contextlib import contextmanager

order: random.Random | None = None  # who draws the order of blocks and threads; None takes them as they are numbered
watching = False


class Race(RuntimeError):
    """Two threads touch one element, at least one of them writes, and no barrier stands between."""


def take_over() -> None:
    """Let Numba's simulator run threads one at a time, in an order of ours."""
    importlib.import_module("minicnn.fast.cuda.simulation.scheduler").take_over()


@contextmanager
def shuffled(seed: int) -> Iterator[None]:
    """Inside the block, blocks run in a drawn order, and so do the threads of each, anew from barrier to barrier."""
    global order
    before, order = order, random.Random(seed)
    try:
        yield
    finally:
        order = before


@contextmanager
def watched() -> Iterator[None]:
    """Inside the block, every element that a kernel touches is watched: a Race is raised, with the element and both
    threads, and so is an index below zero, which NumPy takes for one from the end and a GPU for somebody else's memory.
    """
    global watching
    before, watching = watching, True
    try:
        yield
    finally:
        watching = before

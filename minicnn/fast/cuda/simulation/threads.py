"""Control and checks of a simulated kernel's threads.

A GPU guarantees no order of its threads except at barriers. A kernel that depends on more has a race condition: it may
be right on one machine and wrong on another. `shuffled` draws another order at every barrier, which changes the result
of many races. `watched` finds every race, whatever the order and the numbers.
"""

from __future__ import annotations

import importlib
import random
from collections.abc import Iterator
from contextlib import contextmanager

order: random.Random | None = None  # draws the order of blocks and threads; None for their numerical order
watching = False


class Race(RuntimeError):
    """A race condition: unordered accesses of two threads to an element, at least one of them a write."""


def take_over() -> None:
    """Make Numba's simulator run threads one at a time, in a controlled order."""
    importlib.import_module("minicnn.fast.cuda.simulation.scheduler").take_over()


@contextmanager
def shuffled(seed: int) -> Iterator[None]:
    """Run blocks and threads in random order inside the `with` block, with a new order after every barrier."""
    global order
    before, order = order, random.Random(seed)
    try:
        yield
    finally:
        order = before


@contextmanager
def watched() -> Iterator[None]:
    """Check every access of kernels inside the `with` block. Raise Race, with the element and both threads.

    Negative indices raise, too: NumPy counts them from the end, but a GPU would access other memory.
    """
    global watching
    before, watching = watching, True
    try:
        yield
    finally:
        watching = before

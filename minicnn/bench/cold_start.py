"""The cold start: the waiting time at the first use, and at later ones."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from functools import partial
from typing import Any

from minicnn import resources
from minicnn.bench import children
from minicnn.bench.plan import Plan, Section
from minicnn.bench.report import Row
from minicnn.bench.style_step import SIDES
from minicnn.bench.turns import row_of

NAMES = {"empty": "first step ever, nothing compiled", "warm": "first step of a later process"}
COMPILED_ROUNDS = 2  # a first step with an empty cache takes half a minute, most of it compiling


def section(plan: Plan) -> Section:
    """Return the rows in seconds. A first step counts from the start of its process, with imports and weights."""
    size = 64 if plan.quick else 256
    measurements = [("import", partial(imports, plan))]
    if plan.quick:  # a quick look does not wait for the compiler
        measurements.append(("first step", partial(later_step, plan, size)))
    else:
        measurements += [(f"first step, {cache} cache", partial(first_step, plan, size, cache)) for cache in NAMES]
    return Section(f"Cold start, first style step at {size}²", measurements)


def imports(plan: Plan) -> Row:
    """Measure `import minicnn`, compared with `import torch`."""
    for library in ["minicnn", *(["torch"] if plan.torch else [])]:
        children.import_time(library)  # from here on its files are cached by the system
    ours, theirs = [], []
    for _ in range(plan.rounds):
        ours.append(children.import_time("minicnn"))
        theirs += [children.import_time("torch")] if plan.torch else []
    return row_of("import", "s", ours, theirs)


def first_step(plan: Plan, size: int, cache: str) -> Row:
    """Measure the first style step of a process: with an empty cache, so that it compiles, or with the full one."""
    measured = plan.once(("first steps", size), lambda: _first_steps(plan, size))
    return row_of(NAMES[cache], "s", measured[cache], measured["pytorch"])


def later_step(plan: Plan, size: int) -> Row:
    """Measure the first style step of a process, with the cache that minicnn always uses."""
    _one_step("minicnn", size)  # compiles what has not been compiled yet
    theirs = [_one_step("pytorch", size)] if plan.torch else []
    return row_of(NAMES["warm"], "s", [_one_step("minicnn", size)], theirs)


def _first_steps(plan: Plan, size: int) -> dict[str, list[float]]:
    seconds: dict[str, list[float]] = {"empty": [], "warm": [], "pytorch": []}
    for _ in range(min(plan.rounds, COMPILED_ROUNDS)):
        with tempfile.TemporaryDirectory(prefix="minicnn-bench-", ignore_cleanup_errors=True) as cache:
            for what in NAMES:
                seconds[what].append(_one_step("minicnn", size, {"NUMBA_CACHE_DIR": cache}))
        if plan.torch:
            seconds["pytorch"].append(_one_step("pytorch", size))
    return seconds


def _one_step(side: str, size: int, environment: Mapping[str, str] | None = None) -> float:
    start = time.time()
    options: dict[str, Any] = {"size": size, "steps": 1, "threads": resources.threads(), "warm_up": False}
    said = children.ask(*SIDES[side], environment=environment, **options)
    return said["end"] - start

"""The peak memory of style transfer, beyond that of a process after styling a picture of 64²."""

from __future__ import annotations

import statistics
from functools import partial
from typing import Any

from minicnn.bench.plan import Plan, Section
from minicnn.bench.report import Row
from minicnn.bench.style_step import SIDES, processes, sizes

UNKNOWN = "this system does not report the peak memory of a process"


def section(plan: Plan) -> Section:
    """Return the rows in MiB, from the processes whose steps are timed."""
    measurements = [(f"{size}²", partial(measure, plan, size)) for size in sizes(plan)]
    return Section("Peak memory of the style step", measurements, compared="as much")


def measure(plan: Plan, size: int) -> Row:
    """Return the row of one size: the median over the processes."""
    runs = processes(plan, size)
    raw: dict[str, list[float]] = {}
    for side in SIDES:
        if any(run["peak"] is None for run in runs[side]):
            return Row(f"{size}²", "MiB", None, details={"why": UNKNOWN})
        raw[side] = [run["peak"] - run["before"] for run in runs[side]]
    details: dict[str, Any] = {f"{side}_raw": values for side, values in raw.items() if values}
    details |= {f"{side}_total": [run["peak"] for run in runs[side]] for side in SIDES if runs[side]}
    mine = statistics.median(raw["minicnn"])
    if not raw["pytorch"]:
        return Row(f"{size}²", "MiB", mine, details=details)
    ratio = statistics.median(a / b for a, b in zip(raw["minicnn"], raw["pytorch"], strict=True))
    return Row(f"{size}²", "MiB", mine, statistics.median(raw["pytorch"]), ratio, details)

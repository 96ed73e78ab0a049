"""One step of style transfer with VGG-19, by minicnn and PyTorch in turn, each in separate processes."""

from __future__ import annotations

import statistics
import time
from functools import partial
from typing import Any

import numpy as np

import minicnn
from minicnn.bench import children
from minicnn.bench.plan import Plan, Section
from minicnn.bench.report import Row
from minicnn.bench.turns import row_of

WARM_UP = 64  # side in pixels of a picture styled before the measurement, so that everything is loaded
SIDES = {"minicnn": ("style_step", "minicnn_steps"), "pytorch": ("pytorch_style", "pytorch_steps")}


def section(plan: Plan) -> Section:
    """Return the rows in seconds per step."""
    measurements = [(f"{size}²", partial(measure, plan, size)) for size in sizes(plan)]
    return Section("Style step, VGG-19, course, Adam", measurements)


def sizes(plan: Plan) -> tuple[int, ...]:
    """Return the sides of the pictures, in pixels."""
    return (128,) if plan.quick else (256, 512, 1024)


def measure(plan: Plan, size: int) -> Row:
    """Measure the median step of each process without its first, which cannot reuse memory."""
    runs = processes(plan, size)
    ours, theirs = ([statistics.median(run["steps"][1:]) for run in runs[side]] for side in SIDES)
    details: dict[str, Any] = {f"{side}_steps": [run["steps"] for run in runs[side]] for side in runs}
    return row_of(f"{size}²", "s", ours, theirs, **details)


def processes(plan: Plan, size: int) -> dict[str, list[dict[str, Any]]]:
    """Return {side: the results of its processes}, one process per round."""
    return plan.once(("style", size), lambda: _processes(plan, size))


def _processes(plan: Plan, size: int) -> dict[str, list[dict[str, Any]]]:
    runs: dict[str, list[dict[str, Any]]] = {side: [] for side in SIDES}
    chosen = list(SIDES) if plan.torch else ["minicnn"]
    steps, threads = 3 if plan.quick else 5, minicnn.resources.threads()
    # Compiling takes memory of its own, so no measured process compiles.
    plan.once("compiled", lambda: children.ask(*SIDES["minicnn"], size=min(size, 256), steps=1, threads=threads))
    for number in range(plan.rounds):
        for side in chosen if number % 2 == 0 else reversed(chosen):
            runs[side].append(children.ask(*SIDES[side], size=size, steps=steps, threads=threads))
    return runs


def minicnn_steps(size: int, steps: int, threads: int, warm_up: bool = True) -> dict[str, Any]:
    """Return the seconds per step, the peak memory before and after in MiB, and the end time; runs in a new process."""
    minicnn.set_threads(threads)
    model = minicnn.models.vgg19(pooling="avg")
    random = np.random.default_rng(0)

    def transfer(size: int, steps: int) -> list[float]:
        stamps = [time.perf_counter()]
        content, style = random.random((2, size, size, 3), np.float32)
        options: dict[str, Any] = {"model": model, "preset": "course", "optimizer": "adam", "progress": False}
        minicnn.style.transfer(
            content, style, steps=steps, on_step=lambda *_: stamps.append(time.perf_counter()), **options
        )
        return np.diff(stamps).tolist()

    if warm_up:
        transfer(WARM_UP, 1)
    before = children.peak_memory()
    return {"steps": transfer(size, steps), "before": before, "peak": children.peak_memory(), "end": time.time()}

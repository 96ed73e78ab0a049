"""A step of style transfer of a picture larger than memory, in tiles, per megapixel."""

from __future__ import annotations

import statistics
import time
from functools import partial

import numpy as np

import minicnn
from minicnn import optim
from minicnn.bench import children
from minicnn.bench.plan import Plan, Section
from minicnn.bench.report import Row
from minicnn.bench.style_step import processes, sizes
from minicnn.style.recipes import preset
from minicnn.style.tiles import TiledObjective

TILE = 768  # pixels
STYLE = 512


def section(plan: Plan) -> Section:
    """Return the row of 24 megapixels, compared with the largest picture that is not tiled."""
    side = 192 if plan.quick else 4896
    return Section("Style step in tiles", [(f"{side}²", partial(measure, plan, side))], rival=f"{sizes(plan)[-1]}²")


def measure(plan: Plan, side: int) -> Row:
    """Measure one step: seconds per megapixel, and the peak memory of its process in MiB."""
    whole, tile = sizes(plan)[-1], 64 if plan.quick else TILE
    runs = processes(plan, whole)["minicnn"]
    untiled = statistics.median(statistics.median(run["steps"][1:]) for run in runs) / whole**2 * 1e6
    found = children.ask("style_tiles", "tiled_step", side=side, tile=tile, threads=minicnn.resources.threads())
    tiled = found["seconds"] / side**2 * 1e6
    return Row(f"{side}²", "s/MP", tiled, untiled, untiled / tiled, {"peak": found["peak"], "tile": tile})


def tiled_step(side: int, tile: int, threads: int) -> dict[str, float | None]:
    """Return the seconds of a step with VGG-19, course and Adam, and the peak memory in MiB; runs in a new process."""
    minicnn.set_threads(threads)
    model, recipe, random = minicnn.models.vgg19(pooling="avg"), preset("course"), np.random.default_rng(0)
    content, style = (random.random((each, each, 3), np.float32) for each in (side, STYLE))
    with minicnn.frozen(model):
        objective = TiledObjective(model, recipe, content, [(style, 1.0)], side=tile)
        image = minicnn.Tensor(content[None].copy(), requires_grad=True)
        optimizer = optim.Adam([image], recipe.learning_rate, bounds=(0.0, 1.0))
        begun = time.perf_counter()
        objective(image)[0].backward()
        optimizer.step()
        return {"seconds": time.perf_counter() - begun, "peak": children.peak_memory()}

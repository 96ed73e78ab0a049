"""A check of every GPU kernel on random numbers against float64 on the CPU: the time of a wrong kernel means nothing.

Outputs are poisoned: a kernel's memory was full of NaN just before, so that an element that it does not write shows.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from minicnn import devices
from minicnn.backend import Backend, kernels_for
from minicnn.bench import cuda_sides
from minicnn.bench.plan import Plan, Section
from minicnn.bench.report import Row
from minicnn.errors import InputError
from minicnn.kernels.geometry import slide

MOST = 1e-5  # max|Δ| / max|reference| of float32, forward and backward, and for all sums
POISONS = 3  # arrays of NaN returned to the pool before a kernel runs

Check = Callable[[np.random.Generator], tuple[Callable[..., Any], list[np.ndarray], Callable[..., Any]]]


def section(plan: Plan) -> Section:
    """Return the relative errors in parts per million. Raise InputError at the first kernel that is wrong."""
    measurements = [(name, partial(measure, name, check)) for name, check in checks(plan)]
    return Section("Error against float64", measurements, limit="of allowed", rival="")


def measure(name: str, check: Check) -> Row:
    """Measure the largest error of one kernel on fresh random numbers."""
    seed = int.from_bytes(os.urandom(4), "little")
    kernel, arrays, definition = check(np.random.default_rng(seed))
    wanted = _listed(definition(*(a.astype(np.float64) if a.dtype == np.float32 else a.copy() for a in arrays)))
    moved = [devices.move(array, "cuda") for array in arrays]
    _poison([np.shape(array) for array in wanted], moved[0])
    found = [devices.to_host(array) for array in _listed(kernel(*moved))]
    error = max(_error(f, w) for f, w in zip(found, wanted, strict=True))
    if not error <= MOST:
        raise InputError(f"bench: the kernel {name} is wrong on this GPU, by {error:.2g} (seed {seed})")
    return Row(name, "ppm", error * 1e6, details={"of_limit": error / MOST, "seed": seed})


def checks(plan: Plan) -> Iterator[tuple[str, Check]]:
    """Yield (name, check) of every kernel; a check draws the kernel, its arrays, and its definition."""
    small = cuda_sides.simulated()
    shapes: dict[str, tuple[Any, Any, dict[str, Any], int]] = {
        "1-D": ((7,) if small else (1000,), (3,), {"padding": 1, "dilation": 2, "stride": 2}, 2),
        "2-D": ((4, 5) if small else (61, 45), (3, 3), {"padding": "same"}, 1),
        "2-D in groups": ((5, 4) if small else (61, 45), (3, 2), {"padding": 1, "stride": (2, 1)}, 2),
        "3-D": ((3, 3, 2) if small else (17, 19, 23), (2, 3, 1), {"padding": (0, 1, 0), "stride": (1, 2, 1)}, 1),
    }
    for kind, prefix in (("naive", "naive_"), ("tiled", "")):
        for name, (spatial, size, options, groups) in shapes.items():
            window = slide("bench", spatial, size, **options)
            channels = (2, 2) if small else (24, 36)
            for way in ("conv", "conv_gradient_to_input", "conv_gradient_to_filters"):
                call = partial(_convolution, prefix, way, window, spatial, channels, groups)
                yield f"{kind} {way.replace('_', ' ')} {name}", call
    windows = {"2-D": slide("bench", (5, 4) if small else (63, 50), 3, stride=2, padding=1)}
    windows["3-D"] = slide("bench", (3, 4, 3) if small else (17, 18, 19), 2)
    for name, window in windows.items():
        for kind in ("max", "avg"):
            yield f"{kind} pool {name}", partial(_pooling, kind, window, (5, 4) if name == "2-D" else (3, 4, 3), small)
    yield "gram", partial(_gram, (2, 9, 5) if small else (2, 5000, 100))
    yield "distances, mining and pull", partial(_triplets, (7, 5) if small else (300, 128))
    yield "pixel step", partial(_pixel_step, 50 if small else 100_003)
    yield "marks of the rectifier", partial(_marks, (3, 11) if small else (4099, 67))


def _normal(random: np.random.Generator, *shapes: tuple[int, ...]) -> list[np.ndarray]:
    return [random.standard_normal(shape, np.float32) for shape in shapes]


def _convolution(
    prefix: str,
    way: str,
    window: Any,
    spatial: tuple,
    channels: tuple[int, int],
    groups: int,
    random: np.random.Generator,
) -> tuple:
    inputs, outputs = channels
    x, w, b, dy = _normal(
        random,
        (2, *spatial, inputs),
        (*window.size, inputs // groups, outputs),
        (outputs,),
        (2, *window.output, outputs),
    )
    arrays, rest = {
        "conv": ([x, w, b], (window, groups)),
        "conv_gradient_to_input": ([dy, w], (spatial, window, groups)),
        "conv_gradient_to_filters": ([dy, x], (window, groups)),
    }[way]

    def convolve(*inputs: Any) -> Any:
        there = devices.device_of(inputs[0]) == "cuda"
        return getattr(_kernels(inputs[0]), prefix + way if there else way)(*inputs, *rest)

    return convolve, arrays, convolve


def _pooling(kind: str, window: Any, spatial: tuple, small: bool, random: np.random.Generator) -> tuple:
    spatial = spatial if small else {2: (63, 50), 3: (17, 18, 19)}[len(window.size)]
    x, dy = _normal(random, (2, *spatial, 5), (2, *window.output, 5))

    def both(x: Any, dy: Any) -> tuple:
        kernels = _kernels(x)
        if kind == "max":
            y, switches = kernels.max_pool(x, window)
            return y, switches, kernels.max_pool_gradient(dy, switches, spatial, window)
        return kernels.avg_pool(x, window, False), kernels.avg_pool_gradient(dy, spatial, window, False)

    return both, [x, dy], both


def _kernels(array: Any) -> Backend:
    """Return the GPU's kernels for its arrays, and the definitions for all others."""
    return kernels_for(array if devices.device_of(array) == "cuda" else np.zeros(1, np.int8))


def _gram(shape: tuple[int, int, int], random: np.random.Generator) -> tuple:
    def both(features: Any, dgram: Any) -> tuple:
        kernels = _kernels(features)
        return kernels.gram(features), kernels.gram_gradient(dgram, features, None)

    return both, _normal(random, shape, (shape[0], shape[2], shape[2])), both


def _triplets(shape: tuple[int, int], random: np.random.Generator) -> tuple:
    labels = random.integers(0, shape[0] // 3, shape[0])

    def both(x: Any, weights: Any, labels: Any) -> tuple:
        kernels = _kernels(x)
        d = kernels.distances(x, True)
        found = kernels.hardest(d, labels), kernels.triplets(d, labels, 0.0, 1.0)
        return d, *found[0], found[1], kernels.pull(weights, x)

    return both, [*_normal(random, shape, (shape[0], shape[0])), labels], both


def _pixel_step(count: int, random: np.random.Generator) -> tuple:
    p, g, mean, square = _normal(random, *[(count,)] * 4)

    def both(p: Any, g: Any, mean: Any, square: Any) -> tuple:
        _kernels(p).adam_step(p, g, mean, square, 0.1, 1e-3, 0.9, 0.99, -1.0, 1.0)
        return p, mean, square

    return both, [p, g, mean, square**2], both


def _marks(shape: tuple[int, int], random: np.random.Generator) -> tuple:
    def both(y: Any, dy: Any) -> tuple:
        kernels = _kernels(y)
        marks = kernels.relu_marks(y)
        return marks, kernels.marked_gradient(dy, marks)

    return both, _normal(random, shape, shape), both


def _listed(values: Any) -> list[Any]:
    return list(values) if isinstance(values, tuple) else [values]


def _poison(shapes: list[tuple], like: Any) -> None:
    """Fill the memory that the pool will reuse for the next arrays of these shapes with NaN."""
    for dtype in (np.float32, np.float64):
        held = [np.full_like(like, np.nan, dtype, shape=shape) for shape in shapes for _ in range(POISONS)]
        del held


def _error(found: np.ndarray, wanted: np.ndarray) -> float:
    """Return max|Δ| / max|reference|; for integers 0 if they are the same, otherwise infinity. NaN gives NaN."""
    if found.shape != wanted.shape:
        return np.inf
    if wanted.dtype.kind != "f":
        return 0.0 if np.array_equal(found, wanted) else np.inf
    return float(np.abs(found - wanted).max() / np.abs(wanted).max())

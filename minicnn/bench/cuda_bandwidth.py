"""Memory-bound operations on a GPU, in GB/s, compared with copying: pools and the pixel step."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from minicnn.backend import kernels_for
from minicnn.bench import cuda_sides
from minicnn.bench.plan import Plan, Section
from minicnn.bench.report import Row
from minicnn.bench.turns import Side, compare
from minicnn.kernels.geometry import slide


def section(plan: Plan) -> Section:
    """Return the rows in GB/s, counting one read of every input and one write of every result."""
    side = 4 if cuda_sides.simulated() else 128 if plan.quick else 512
    x = cuda_sides.there(1, side, side, 4 if cuda_sides.simulated() else 64)
    window = slide("bench", x.shape[1:3], 2, stride=2)
    on_gpu = kernels_for(x)
    rows = x.reshape(1, -1, x.shape[-1])
    p, g, mean, square = (cuda_sides.there(x.size, seed=seed) for seed in range(4))
    square *= square
    kernels: dict[str, tuple[Callable[[], Any], float]] = {
        "max pool 2×2": (lambda: on_gpu.max_pool(x, window), x.nbytes * 1.25 + x.size / 4),
        "average pool 2×2": (lambda: on_gpu.avg_pool(x, window, False), x.nbytes * 1.25),
        "marks of the rectifier": (lambda: on_gpu.relu_marks(x), x.nbytes + x.size / 8),
        "pixel step": (lambda: on_gpu.adam_step(p, g, mean, square, 0.1, 1e-8, 0.9, 0.99, 0.0, 1.0), 7 * p.nbytes),
        "Gram matrix": (lambda: on_gpu.gram(rows), x.nbytes),
    }
    measurements = [("copy", partial(cuda_sides.copying, plan))]
    measurements += [(name, partial(measure, plan, name, *what)) for name, what in kernels.items()]
    return Section(f"Bandwidth at {side}², GPU", measurements, limit="of copy", rival="")


def measure(plan: Plan, name: str, call: Callable[[], Any], amount: float) -> Row:
    """Measure one kernel."""
    limit = cuda_sides.copying(plan).minicnn
    return compare(plan, name, Side(cuda_sides.waiting(call)), None, unit="GB/s", amount=amount, limit=limit)

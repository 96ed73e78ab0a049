"""The limits of this machine: matrix products, and copying memory."""

from __future__ import annotations

from typing import Any

import numpy as np

from minicnn import resources
from minicnn.bench.plan import Plan
from minicnn.bench.report import Row
from minicnn.bench.turns import Side, compare

PIECES = 16  # of a copy, for different threads


def sgemm(plan: Plan) -> Row:
    """Measure a product of two square float32 matrices, in GFLOP/s: the limit of convolutions by a product."""
    size = 1024 if plan.quick else 4096
    return plan.once("sgemm", lambda: _sgemm(plan, size, f"sgemm, {size}² times {size}²"))


def _sgemm(plan: Plan, size: int, name: str) -> Row:
    a, b = np.random.default_rng(0).standard_normal((2, size, size), np.float32)
    out = np.empty_like(a)
    theirs = None
    if plan.torch:
        a_tensor, b_tensor, out_tensor = (plan.torch.from_numpy(x.copy()) for x in (a, b, out))
        theirs = Side(lambda: plan.torch.mm(a_tensor, b_tensor, out=out_tensor))  # type: ignore[union-attr]
    return compare(plan, name, Side(lambda: np.matmul(a, b, out=out)), theirs, unit="GFLOP/s", amount=2 * size**3)


def copying(plan: Plan) -> Row:
    """Measure a copy of one large array, in GB/s of reading and writing: the limit of memory-bound operations."""
    return plan.once("copying", lambda: _copying(plan, (4 if plan.quick else 32) << 20))


def _copying(plan: Plan, count: int) -> Row:
    source = np.random.default_rng(0).random(count, np.float32)
    target = np.zeros_like(source)  # written once, so that its pages are allocated

    def piece(start: int, stop: int) -> None:
        target[start:stop] = source[start:stop]

    theirs = None
    if plan.torch:
        a, b = plan.torch.from_numpy(source), plan.torch.from_numpy(target.copy())

        def copy() -> Any:
            b.copy_(a)

        theirs = Side(copy)
    pieces = [(count * i // PIECES, count * (i + 1) // PIECES) for i in range(PIECES)]
    ours = Side(lambda: resources.parallel(piece, pieces))
    return compare(plan, f"copy {count >> 18} MiB", ours, theirs, unit="GB/s", amount=2 * source.nbytes)

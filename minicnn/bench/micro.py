"""The micro-kernel alone, by its number of rows, next to the matrix product of NumPy's BLAS on one thread."""

from __future__ import annotations

import contextlib
from functools import partial

import numpy as np

from minicnn import backend, machine
from minicnn.bench.plan import Plan, Section
from minicnn.bench.report import Row
from minicnn.bench.turns import Side, compare
from minicnn.errors import InputError

DEPTH = 256  # of a panel, which then fits in the first cache
ROWS = (4, 6, 8, 10, 12, 14)
TIMES = 20  # passes of the micro-kernel over a panel per run
SIZE = 1024  # of BLAS's matrices


def section(plan: Plan) -> Section:
    """Return the rows in GFLOP/s of one core, as shares of BLAS's own."""
    shape = backend.ask("micro_shape", np.dtype(np.float32).itemsize)
    if shape is None:
        raise InputError("bench: micro needs minicnn.fast, which is missing here")
    used, width = shape
    measurements = [("BLAS", partial(blas, plan))]
    for rows in ROWS:
        name = f"{rows} rows by {width}" + (", as used" if rows == used else "")
        measurements.append((name, partial(product, plan, name, rows, width)))
    return Section(f"Micro-kernel, depth {DEPTH}, one thread", measurements, limit="of BLAS", rival="")


def blas(plan: Plan) -> Row:
    """Measure a square product by BLAS, and name the kernel that ran."""
    return plan.once("one thread of BLAS", lambda: _blas(plan))


def _blas(plan: Plan) -> Row:
    a, b = np.random.default_rng(0).standard_normal((2, SIZE, SIZE), np.float32)
    out = np.empty_like(a)

    def multiply() -> None:
        with backend.ask("hold_blas", otherwise=contextlib.nullcontext()):
            np.matmul(a, b, out=out)

    kernels = sorted({str(library["architecture"]) for library in machine.blas_libraries()})
    name = f"BLAS ({', '.join(kernels)}), {SIZE}²"
    return compare(plan, name, Side(multiply), None, unit="GFLOP/s", amount=2 * SIZE**3)


def product(plan: Plan, name: str, rows: int, width: int) -> Row:
    """Measure the micro-kernel with this number of rows."""
    multiply = backend.ask("micro_product", rows)
    count = TIMES * rows
    a, b = (np.random.default_rng(0).standard_normal(size, np.float32) for size in (count * DEPTH, DEPTH * width))
    c = np.empty(count * width, np.float32)
    ours = Side(lambda: multiply(a, b, c, DEPTH))
    return compare(plan, name, ours, None, unit="GFLOP/s", amount=2 * count * DEPTH * width, limit=blas(plan).minicnn)

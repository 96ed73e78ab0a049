"""Pooling on the simulated GPU, held to the definition."""

import numpy as np
import pytest
from both_devices import assert_same, there

from minicnn.fast.cuda import pool as on_cuda
from minicnn.kernels import pool
from minicnn.kernels.geometry import slide

# spatial, size, options
CASES = {
    "a signal, windows overlap": ((7,), 3, {"stride": 2, "padding": 1}),
    "a picture, side by side": ((5, 4), 2, {"stride": 2}),
    "a picture, gaps between": ((6, 5), (1, 2), {"stride": (2, 3), "padding": ((0, 0), (0, 1))}),
    "a volume, windows reach beyond every side": ((4, 5, 3), (2, 3, 2), {"stride": (2, 2, 1), "padding": 1}),
    "a volume, every axis another": (
        (3, 5, 6),
        (2, 3, 1),
        {"stride": (1, 2, 3), "padding": ((0, 1), (2, 0), (0, 0))},
    ),
    "a volume, no window reaches its end": ((4, 2, 4), 2, {"stride": 3}),
}
each_case = pytest.mark.parametrize("case", list(CASES))


def of_case(case, dtype=np.float64, seed=0):
    spatial, size, options = CASES[case]
    window = slide("pool", spatial, size, **options)
    random = np.random.default_rng(seed)
    x = random.integers(-2, 3, (2, *spatial, 3)).astype(dtype)  # so few values that many are equal
    return window, x, random.standard_normal((2, *window.output, 3)).astype(dtype)


@each_case
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_largest(case, dtype):
    window, x, dy = of_case(case, dtype)
    (y, switches), (wanted, wanted_switches) = on_cuda.max_pool(there(x), window), pool.max_pool(x, window)
    assert_same(y, wanted)
    assert_same(switches, wanted_switches)  # of equals the first
    found = on_cuda.max_pool_gradient(there(dy), switches, x.shape[1:-1], window)
    assert_same(found, pool.max_pool_gradient(dy, wanted_switches, x.shape[1:-1], window))


@each_case
@pytest.mark.parametrize("count_padding", [False, True])
def test_the_mean(case, count_padding):
    window, x, dy = of_case(case)
    found = on_cuda.avg_pool(there(x), window, count_padding)
    assert_same(found, pool.avg_pool(x, window, count_padding))
    found = on_cuda.avg_pool_gradient(there(dy), x.shape[1:-1], window, count_padding)
    assert_same(found, pool.avg_pool_gradient(dy, x.shape[1:-1], window, count_padding))


def test_a_nan_is_shown_and_minus_infinity_wins_where_there_is_nothing_else():
    window, x, _ = of_case("a picture, side by side")
    x[0, 1, 0, 0] = np.nan
    x[0, :2, 2:4, 1] = -np.inf
    (y, switches), (wanted, wanted_switches) = on_cuda.max_pool(there(x), window), pool.max_pool(x, window)
    np.testing.assert_array_equal(y._memory, wanted)
    np.testing.assert_array_equal(switches._memory, wanted_switches)
    assert np.isnan(wanted[0, 0, 0, 0]) and wanted[0, 0, 1, 1] == -np.inf


@pytest.mark.thorough
@pytest.mark.parametrize("seed", range(6))
@each_case
def test_drawn_numbers(case, seed):
    window, x, dy = of_case(case, (np.float32, np.float64)[seed % 2], seed)
    y, switches = on_cuda.max_pool(there(x), window)
    wanted, wanted_switches = pool.max_pool(x, window)
    assert_same(y, wanted)
    found = on_cuda.max_pool_gradient(there(dy), switches, x.shape[1:-1], window)
    assert_same(found, pool.max_pool_gradient(dy, wanted_switches, x.shape[1:-1], window))

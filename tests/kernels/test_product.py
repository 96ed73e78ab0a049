"""Matrix products and sums of rows on both backends."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from minicnn import ops
from minicnn.backend import kernels_for, use_backend
from minicnn.gradients.checking import gradcheck

each_backend = pytest.mark.parametrize("name", ["numpy", "numba"])
SHAPES = [(1, 1, 1), (1, 1792, 512), (32, 700, 130), (513, 3, 2), (2, 5, 3000), (300, 300, 300), (0, 4, 3), (4, 0, 3)]


def normal(*shape, seed=0, dtype=np.float64):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


@each_backend
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("rows", "depth", "columns"), SHAPES)
def test_a_product_is_that_of_numpy(name, rows, depth, columns, dtype):
    x, y = normal(rows, depth, dtype=dtype), normal(depth, columns, seed=1, dtype=dtype)
    with use_backend(name):
        found = kernels_for(x).product(x, y)
        turned = kernels_for(x).product(y.T, x.T)
    reference = x.astype(np.float64) @ y.astype(np.float64)
    assert found.dtype == dtype and found.shape == reference.shape
    assert_allclose(found, reference, atol=(1e-4 if dtype == np.float32 else 1e-12) * max(1, depth) ** 0.5)
    assert_allclose(turned, reference.T, atol=(1e-4 if dtype == np.float32 else 1e-12) * max(1, depth) ** 0.5)


@each_backend
@pytest.mark.parametrize("shape", [(1, 1), (7, 3), (100_000, 5), (33, 4000)])
def test_rows_are_summed_exactly_enough(name, shape):
    rows = normal(*shape, dtype=np.float32) + np.float32(10)
    with use_backend(name):
        found = kernels_for(rows).sum_of_rows(rows)
    assert found.dtype == np.float32
    assert_allclose(found, rows.astype(np.float64).sum(axis=0), rtol=3e-6)


def test_the_same_bits_for_any_number_of_threads(thread_count, pieces):
    x, y = normal(600, 500, dtype=np.float32), normal(500, 400, seed=1, dtype=np.float32)
    found = []
    for count in (1, 2, 3, 8):
        thread_count(count)
        found.append((kernels_for(x).product(x, y), kernels_for(x).sum_of_rows(x)))
    for product, total in found[1:]:
        assert_array_equal(product, found[0][0])
        assert_array_equal(total, found[0][1])


@each_backend
@pytest.mark.parametrize("shape", [(3,), (2, 3), (2, 2, 3)])
def test_a_linear_layer_takes_any_number_of_axes(name, shape):
    with use_backend(name):
        gradcheck(ops.linear, [normal(*shape), normal(3, 4, seed=1), normal(4, seed=2)])
        assert ops.linear(normal(*shape, dtype=np.float32), normal(3, 4)).dtype == np.float64

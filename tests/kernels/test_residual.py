"""The end of a residual block: both backends, element by element."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from minicnn import ops
from minicnn.errors import InputError
from minicnn.fast.cpu import residual as on_numba
from minicnn.kernels.residual import on_numpy


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("relu", [False, True])
def test_the_compiled_one_equals_the_definition(dtype, relu):
    random = np.random.default_rng(0)
    # More than one thread takes, and more than one block of each.
    x, change = (random.standard_normal((3, 41, 43, 17)).astype(dtype) for _ in range(2))
    expected, y = (kernels.forward(x, change, 0.17, relu) for kernels in (on_numpy, on_numba))
    assert y.dtype == expected.dtype == dtype
    assert_allclose(y, expected, rtol=1e-6 if dtype == np.float32 else 1e-13, atol=1e-7)
    assert relu == (y.min() == 0)


@pytest.mark.parametrize("kernels", [on_numpy, on_numba], ids=["numpy", "numba"])
def test_a_nan_is_shown_and_not_hidden(kernels):
    x, change = np.array([1.0, np.nan, -3.0, 2.0]), np.array([np.nan, 1.0, 1.0, -1.0])
    assert_array_equal(kernels.forward(x, change, 1.0, True), [np.nan, np.nan, 0, 1])


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (np.zeros((2, 1)), {}, r"residual: change is float64 \(2, 1\); expected as x is, float64 \(2, 3\)"),
        (np.zeros((2, 3), np.float32), {}, "change is float32"),
        (np.zeros((2, 3)), {"activation": "tanh"}, "activation is 'tanh'; expected None or \"relu\""),
    ],
)
def test_bad_input(change, options, message):
    with pytest.raises(InputError, match=message):
        ops.residual(np.zeros((2, 3)), change, **options)

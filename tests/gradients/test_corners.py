"""Points where gradients are a convention or a limit: every row of gradients/corners.py, on both backends."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from minicnn import faces, ops, style
from minicnn.backend import use_backend
from minicnn.errors import InputError
from minicnn.faces import heads
from minicnn.faces.distances import METRICS
from minicnn.gradients.corners import CORNERS, SMOOTH
from minicnn.tensor import Tensor

each_corner = pytest.mark.parametrize("corner", CORNERS, ids=str)
each_backend = pytest.mark.parametrize("backend", ("numpy", "numba"))


def inputs_of(corner, dtype):
    """Return all array inputs as Tensors with gradients, and the constants that follow."""
    return [Tensor(array.astype(dtype), requires_grad=True) for array in corner.arrays()]


def test_every_op_has_a_row_or_no_corner():
    assert {corner.op for corner in CORNERS} | SMOOTH == set(ops.__all__)
    assert not {corner.op for corner in CORNERS} & SMOOTH
    assert len({str(corner) for corner in CORNERS}) == len(CORNERS)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # infinities and NaN are what the rows are about
@pytest.mark.parametrize("dtype", (np.float64, np.float32))
@each_backend
@each_corner
def test_result_and_gradients_are_the_ones_of_the_row(corner, backend, dtype):
    inputs = inputs_of(corner, dtype)
    with use_backend(backend):
        y = corner.function(*inputs)
        y.backward(np.ones(y.shape))
    tolerance = 1e-12 if dtype == np.float64 else 2e-5
    for found, expected in [(y.data, corner.result), *zip((t.grad for t in inputs), corner.gradients, strict=True)]:
        assert found.dtype == dtype and found.shape == np.shape(expected)
        assert_allclose(found, expected, rtol=tolerance, atol=tolerance)


def is_finite(corner):
    values = [corner.result, *corner.gradients, *corner.inputs]
    return all(np.isfinite(np.asarray(value, float)).all() for value in values)


@pytest.mark.parametrize("corner", [*filter(is_finite, CORNERS)], ids=str)
def test_finite_corners_warn_of_nothing(corner):
    """A gradient of 0 by convention is not the product of 0 and an infinity that NumPy warns of."""
    y = corner.function(*inputs_of(corner, np.float64))
    with np.errstate(all="raise"):
        y.backward(np.ones(y.shape))
    assert np.isfinite(y.data).all()


def test_a_norm_of_zero_has_no_gradient_but_nan():
    """√ has slope ∞ at 0, and Σ x² slope 0: use l2_normalize or pairwise_distances, which state a convention."""
    x = Tensor(np.zeros(2), requires_grad=True)
    with np.errstate(all="ignore"):
        ops.sqrt(ops.sum(x * x)).backward()
    assert np.isnan(x.grad).all()


POINTS = np.array([[1.0, 2, 3], [0, 0, 0]])
EQUAL = {
    **{f"distance {metric}": lambda f, g, m=metric: faces.distance(f, g, metric=m) for metric in METRICS},
    "chi-square": heads.chi_square,
    "triplets": lambda f, g: faces.triplet_loss(f, g, g),
    "triplets of roots": lambda f, g: faces.triplet_loss(f, g, g, squared=False),
    "triplets, soft": lambda f, g: faces.triplet_loss(f, g, g, squared=False, margin="soft"),
    "contrast": lambda f, g: faces.contrastive_loss(f, g, np.array([1, 0])),
    "content": style.content_cost,
    "variation": lambda f, g: style.total_variation(ops.reshape(f * 0.0, (1, 2, 3, 1))) + 0.0 * g.sum(),
}


@pytest.mark.parametrize("name", EQUAL)
def test_between_equal_points_no_gradient_of_the_applications_flows(name):
    """Distances have a kink at 0: their gradient there is 0, not NaN, with no warning."""
    shape = (1, 1, 2, 3) if name == "content" else POINTS.shape
    f, g = (Tensor(POINTS.reshape(shape).copy(), requires_grad=True) for _ in range(2))
    EQUAL[name](f, g).sum().backward()
    assert_array_equal(f.grad, np.zeros(shape))
    assert_array_equal(g.grad, np.zeros(shape))


@pytest.mark.parametrize("axis", [None, 1, (0, 1)])
def test_a_maximum_of_nothing_is_refused(axis):
    with pytest.raises(InputError) as caught:
        ops.max(np.zeros((3, 0)), axis=axis)
    assert str(caught.value) == f"max: x has shape (3, 0); there is no maximum over axis {axis}"


def test_a_number_as_exponent_keeps_single_precision():
    x = Tensor(np.array([0.0, 2.0], np.float32), requires_grad=True)
    y = x**3
    assert y._node.backward(np.ones(2, np.float32))[0].dtype == np.float32


def test_which_corners_pytorch_does_not_share():
    assert [str(corner) for corner in CORNERS if not corner.peer] == [
        "batch_norm-one-row",
        "binary_cross_entropy-certain-and-right",
        "binary_cross_entropy-sure-of-nothing",
    ]

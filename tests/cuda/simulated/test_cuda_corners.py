"""Points where gradients are a convention, on the simulated GPU: rows of gradients/corners.py with elements."""

import numpy as np
import pytest
from both_devices import there

from minicnn import Tensor, devices
from minicnn.gradients.corners import CORNERS

FULL = [corner for corner in CORNERS if all(array.size for array in corner.arrays())]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # infinities and NaN are what the rows are about
@pytest.mark.parametrize("corner", FULL, ids=str)
def test_the_conventions_hold_there(corner):
    inputs = [Tensor(there(array), requires_grad=True) for array in corner.arrays()]
    y = corner.function(*inputs)
    y.backward(there(np.ones(y.shape)))
    for found, expected in [(y.data, corner.result), *zip((t.grad for t in inputs), corner.gradients, strict=True)]:
        np.testing.assert_allclose(devices.to_host(found), expected, rtol=1e-12, atol=1e-12)

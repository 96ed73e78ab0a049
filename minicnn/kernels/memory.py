"""Memory allocation for results."""

import numpy as np

from minicnn.kernels.contract import contract


@contract(lambda shape, dtype, like: (shape, dtype))
def empty(shape, dtype, like):
    """Return an uninitialized array of this shape and dtype, on the device of the array `like`."""
    return np.empty_like(like, dtype, shape=shape, order="C")

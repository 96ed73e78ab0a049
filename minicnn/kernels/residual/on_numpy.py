"""The end of a residual block in one line: the definition."""

import numpy as np


def forward(x, change, scale, relu):
    y = x + x.dtype.type(scale) * change
    return np.maximum(y, 0) if relu else y

"""The sum of two arrays: the definition."""

import numpy as np


def forward(x, y, out=None):
    return np.add(x, y, out=out)

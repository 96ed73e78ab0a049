"""The Gram matrix in one line each way: the definition."""

import numpy as np


def forward(features):
    return np.swapaxes(features, 1, 2) @ features


def gradient(dgram, features, total=None):
    dfeatures = features @ (dgram + np.swapaxes(dgram, 1, 2))
    return dfeatures if total is None else np.add(total, dfeatures, out=total)

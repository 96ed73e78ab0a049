"""The Gram matrix in one line each way: the definition."""

import numpy as np


def forward(features):
    return np.swapaxes(features, 1, 2) @ features


def gradient(dgram, features):
    return features @ (dgram + np.swapaxes(dgram, 1, 2))

"""The rectifier in one line each way: the definition."""

import numpy as np


def forward(x):
    return np.maximum(x, 0)


def gradient(dy, active):
    return np.where(active > 0, dy, dy.dtype.type(0))


def mark(y):
    return np.packbits(y > 0, axis=-1, bitorder="little")


def marked_gradient(dy, marks):
    return gradient(dy, np.unpackbits(marks, axis=-1, count=dy.shape[-1], bitorder="little"))


def sloped(x, slope):
    return np.where(x > 0, x, x * slope)

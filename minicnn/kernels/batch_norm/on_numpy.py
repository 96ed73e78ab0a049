"""Batch normalization as formulas: the definition."""

import numpy as np


def statistics(x):
    return x.mean(axis=0), x.var(axis=0)


def normalize(x, mean, scale, beta):
    return (x - mean) * scale + beta


def sums(dy, x, mean, inverse_deviation):
    return dy.sum(axis=0), np.sum(dy * ((x - mean) * inverse_deviation), axis=0)


def gradient(dy, x, mean, inverse_deviation, scale, mean_dy, mean_dy_xhat):
    return (dy - mean_dy - (x - mean) * inverse_deviation * mean_dy_xhat) * scale

"""Batch normalization as formulas: the definition."""

import numpy as np


def statistics(x):
    return x.mean(axis=0), x.var(axis=0)


def normalize(x, mean, scale, beta, relu):
    y = (x - mean) * scale + beta
    return np.maximum(y, 0) if relu else y


def sums(dy, x, mean, scale, beta, relu):
    dy = _passed(dy, x, mean, scale, beta, relu)
    return dy.sum(axis=0), np.sum(dy * (x - mean), axis=0)


def gradient(dy, x, mean, scale, beta, relu, mean_dy, slope):
    dy = _passed(dy, x, mean, scale, beta, relu)
    return (dy - mean_dy - (x - mean) * slope) * scale


def _passed(dy, x, mean, scale, beta, relu):
    """What the ReLU lets through."""
    return dy * (normalize(x, mean, scale, beta, relu) > 0) if relu else dy

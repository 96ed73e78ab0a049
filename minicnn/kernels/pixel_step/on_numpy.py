"""A step of Adam as its formulas: the definition."""

import numpy as np


def move(p, g, mean, square, rate, eps, beta1, beta2, low, high):
    mean += (1 - beta1) * (g - mean)
    square += (1 - beta2) * (g * g - square)
    p -= rate * mean / (np.sqrt(square) + eps)
    np.clip(p, low, high, out=p)

"""Max and average pooling.

    max   y[n, o, c] = max_k x[n, o·stride + k − before, c]           the first of equal elements wins
    avg   y[n, o, c] = Σ_k x[…] / (taps inside x, or all taps when padding is counted)

o and k run over one, two or three dimensions (`window`, see geometry.py). Padding never wins a maximum.
Shapes: x (N, *spatial, C); y, dy and switches (N, *output, C). switches: the number of the tap that won (Zeiler &
Fergus 2014).

The definition goes tap by tap: for tap k, one strided view of x holds the elements that it reads at all outputs.
"""

import numpy as np

from minicnn.kernels.contract import contract, form
from minicnn.kernels.geometry import Window


def switch_dtype(window: Window) -> np.dtype:
    """Return the smallest unsigned integer dtype that can number the taps of a window."""
    return np.min_scalar_type(window.taps - 1)


def _pooled(x, window):
    return form(x, (len(x), *window.output, x.shape[-1]))


def _unpooled(dy, spatial):
    return form(dy, (len(dy), *spatial, dy.shape[-1]))


def _view_of_tap(padded, tap, window):
    steps = tuple(
        slice(k, k + (n - 1) * step + 1, step) for k, n, step in zip(tap, window.output, window.stride, strict=True)
    )
    return padded[(slice(None), *steps)]


def _pad(x, window, value):
    pads = [(0, 0), *zip(window.before, window.after, strict=True), (0, 0)]
    return np.pad(x, pads, constant_values=value)


def _crop(padded, spatial, window):
    inside = tuple(slice(b, b + n) for b, n in zip(window.before, spatial, strict=True))
    return padded[(slice(None), *inside)]


def _zeros_padded(dy, spatial, window):
    sizes = [b + n + a for b, n, a in zip(window.before, spatial, window.after, strict=True)]
    return np.zeros_like(dy, shape=(dy.shape[0], *sizes, dy.shape[-1]))


@contract(lambda x, window: [_pooled(x, window), (_pooled(x, window)[0], switch_dtype(window))])
def max_pool(x, window):
    """Return (y, switches), each (N, *output, C)."""
    padded, real = _pad(x, window, 0), _pad(np.ones_like(x, bool), window, False)
    y = np.zeros_like(x, shape=(x.shape[0], *window.output, x.shape[-1]))
    switches = np.zeros_like(y, switch_dtype(window))
    empty = np.ones_like(y, bool)  # no pixel read yet: the first one wins, even if it is −∞
    for number, tap in enumerate(np.ndindex(*window.size)):
        candidate, is_pixel = _view_of_tap(padded, tap, window), _view_of_tap(real, tap, window)
        shows_nan = np.isnan(candidate) & ~np.isnan(y)  # NaN propagates
        better = is_pixel & (empty | (candidate > y) | shows_nan)
        y[better] = candidate[better]
        switches[better] = number
        empty &= ~is_pixel
    return y, switches


@contract(lambda dy, switches, spatial, window: _unpooled(dy, spatial))
def max_pool_gradient(dy, switches, spatial, window):
    """Return dx (N, *spatial, C): each cotangent goes to the pixel that won."""
    padded = _zeros_padded(dy, spatial, window)
    for number, tap in enumerate(np.ndindex(*window.size)):
        _view_of_tap(padded, tap, window)[...] += dy * (switches == number)
    return _crop(padded, spatial, window)


def _divisor(spatial, window, count_padding, like):
    """Return the divisors of the averages (1, *output, 1). like: an array of the wanted dtype and device."""
    if count_padding:
        return np.full_like(like, window.taps, shape=(1, *window.output, 1))
    inside = _pad(np.ones_like(like, shape=(1, *spatial, 1)), window, 0)
    return sum(_view_of_tap(inside, tap, window) for tap in np.ndindex(*window.size))


@contract(lambda x, window, count_padding: _pooled(x, window))
def avg_pool(x, window, count_padding):
    """Return y (N, *output, C). count_padding: divide by all taps, including those on the padding."""
    padded = _pad(x, window, 0)
    total = np.zeros_like(x, shape=(x.shape[0], *window.output, x.shape[-1]))
    for tap in np.ndindex(*window.size):
        total += _view_of_tap(padded, tap, window)
    return total / _divisor(x.shape[1:-1], window, count_padding, x)


@contract(lambda dy, spatial, window, count_padding: _unpooled(dy, spatial))
def avg_pool_gradient(dy, spatial, window, count_padding):
    """Return dx (N, *spatial, C): each cotangent, over its divisor, goes to every pixel under its window."""
    share = dy / _divisor(spatial, window, count_padding, dy)
    padded = _zeros_padded(dy, spatial, window)
    for tap in np.ndindex(*window.size):
        _view_of_tap(padded, tap, window)[...] += share
    return _crop(padded, spatial, window)

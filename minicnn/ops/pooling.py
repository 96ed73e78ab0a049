"""Pooling in one, two and three dimensions. x: (N, *spatial, C); size, stride and padding as in conv."""

from collections.abc import Callable
from typing import Any

import numpy as np

from minicnn import devices
from minicnn.backend import kernels_for
from minicnn.errors import InputError
from minicnn.kernels.geometry import slide
from minicnn.operation import op
from minicnn.ops.arithmetic import quotient


@op(inputs=1, fresh=True)
def max_pool(x, size, *, stride=None, padding=0):
    """Return the maximum under each window (N, *output, C). Of equal elements the first gets the whole gradient.

    x: (N, *spatial, C) floats. size: an int, or one per dimension. stride (default: size), padding: as in conv.
    Padding never wins. Backward keeps the positions of the maxima, not x.
    Raise InputError if x is not such an array, or if the padding is not smaller than the window.
    """
    window = _window("max_pool", x, size, stride, padding)
    kernels, spatial = kernels_for(x), x.shape[1:-1]
    y, switches = kernels.max_pool(x, window)

    def backward(dy):
        return kernels.max_pool_gradient(dy, switches, spatial, window)

    return y, backward


@op(inputs=1, fresh=True)
def avg_pool(x, size, *, stride=None, padding=0, count_include_pad=False):
    """Return the mean under each window (N, *output, C).

    size, stride, padding, errors: as in max_pool.
    count_include_pad: divide by the size of the whole window, instead of by the number of its elements inside x.
    """
    window = _window("avg_pool", x, size, stride, padding)
    kernels, spatial = kernels_for(x), x.shape[1:-1]

    def backward(dy):
        return kernels.avg_pool_gradient(dy, spatial, window, count_include_pad)

    return kernels.avg_pool(x, window, count_include_pad), backward


def halve(x):
    """Return 2×2 means with stride 2: the pooling that conv can fuse."""
    return avg_pool(x, 2)


@op(inputs=1, fresh=True)
def l2_pool(x, size, *, stride=None, padding=0):
    """Return √(Σ x²) under each window (N, *output, C). Padding counts as zero.

    size, stride, padding, errors: as in max_pool.
    A window of zeros passes no gradient, since the root has none there. Source: Sermanet, Chintala & LeCun 2012.
    """
    window = _window("l2_pool", x, size, stride, padding)
    kernels, spatial = kernels_for(x), x.shape[1:-1]
    y = np.sqrt(kernels.avg_pool(x * x, window, True) * x.dtype.type(window.taps))

    def backward(dy):
        return x * (kernels.avg_pool_gradient(quotient(dy, y), spatial, window, True) * x.dtype.type(window.taps))

    return y, backward


def remembered(key: tuple, check: Callable[[], Any]) -> Any:
    """Return check(), or its cached result for the same key: for small arrays, checking costs as much as computing.

    key: everything that determines the result. Use repr() of user arguments, which distinguishes 1 from True.
    """
    if (known := _known.get(key)) is not None:
        return known
    result = check()
    if len(_known) >= MOST_KNOWN:
        _known.clear()
    _known[key] = result
    return result


_known: dict[tuple, Any] = {}
MOST_KNOWN = 1024


def _window(name, x, size, stride, padding):
    """Return the Window of a pooling op after checking the arguments, once per combination of them."""
    stride = size if stride is None else stride
    key = name, getattr(x, "shape", None), getattr(x, "dtype", None), repr((size, stride, padding))
    return remembered(key, lambda: _checked_window(name, x, size, stride, padding))


def _checked_window(name, x, size, stride, padding):
    if not devices.is_array(x) or x.dtype.kind != "f":
        kind = getattr(x, "dtype", type(x).__name__)
        raise InputError(f"{name}: x has dtype {kind}; expected a floating-point array")
    if x.ndim not in (3, 4, 5):
        raise InputError(f"{name}: x has shape {x.shape}; expected 3, 4 or 5 dimensions: (N, *spatial, C)")
    if 0 in x.shape:
        raise InputError(f"{name}: x is empty, with shape {x.shape}; expected every dimension to be at least 1")
    window = slide(name, x.shape[1:-1], size, stride=stride, padding=padding)
    if any(max(b, a) >= k for b, a, k in zip(window.before, window.after, window.size, strict=True)):
        raise InputError(f"{name}: padding is {padding!r}; expected less than the window {window.size}")
    return window

"""Convolution in one, two and three dimensions, with shared or unshared filters."""

import numpy as np

from minicnn import devices
from minicnn.backend import kernels_for
from minicnn.errors import InputError, check_activation
from minicnn.kernels.geometry import likely_cause, slide
from minicnn.operation import op
from minicnn.ops.activations import at_relu, relu
from minicnn.ops.pooling import halve, remembered


@op(fuses={"activation": {"relu": relu}, "pool": {"avg": halve}}, fresh=True)
def conv(x, w, b=None, *, stride=1, padding=0, dilation=1, groups=1, activation=None, pool=None, needs):
    """Return x convolved with the filters w, plus b, (N, *output, C_out). The formula is in kernels/conv.py.

    x: (N, *spatial, C_in) with one, two or three spatial dimensions.
    w: (*kernel, C_in / groups, C_out). b: (C_out,) or None.
    stride, dilation: an int, or one per dimension.
    padding: an int, one int per dimension, one (before, after) pair per dimension, "same" (TensorFlow's) or "valid".
    activation="relu": apply ReLU to the result.
    pool="avg": return avg_pool(…, 2) of the result, without storing the result in full size.
    Raise InputError for shapes, dtypes or options that do not fit together.
    """
    window, dtype = _prepare(x, w, b, stride, padding, dilation, groups, activation, pool)
    x, w = x.astype(dtype, copy=False), w.astype(dtype, copy=False)
    kernels, spatial, mean = kernels_for(x), x.shape[1:-1], pool == "avg"
    y, marks = kernels.fused_conv(x, w, b, window, groups, activation == "relu", mean, any(needs))

    marks = marks if any(needs) else None
    kept_w = w if needs[0] else None
    kept_x = x if needs[1] else None

    def backward(dy):
        dx = dw = db = None
        # The backward passes of ReLU and mean multiply by numbers ≥ 0, so the ReLU rule may be applied before either.
        dy, active = (dy, None) if marks is None else at_relu(kernels, dy, marks)
        halved = mean
        if needs[1] or needs[2]:
            dy, active, halved = kernels.before_relu(dy, active, window, mean), None, False
        if needs[0]:
            dx = kernels.fused_conv_gradient_to_input(dy, active, kept_w, spatial, window, groups, halved)
        if needs[1]:
            dw = kernels.fused_conv_gradient_to_filters(dy, kept_x, window, groups)
        if needs[2]:
            db = kernels.sum_of_rows(dy.reshape(-1, dy.shape[-1]))
        return dx, dw, db

    return y, backward


def _prepare(x, w, b, *options):
    """Return (window, dtype) after checking the arguments, once per combination of shapes, dtypes and options."""
    arrays = [(getattr(array, "shape", None), getattr(array, "dtype", None)) for array in (x, w, b)]
    return remembered(("conv", *arrays, b is None, repr(options)), lambda: _checked(x, w, b, *options))


def _checked(x, w, b, stride, padding, dilation, groups, activation, pool):
    _check(x, w, b, groups, activation, pool)
    window = slide("conv", x.shape[1:-1], w.shape[:-2], stride=stride, dilation=dilation, padding=padding)
    if pool and min(window.output) < 2:
        raise InputError(f"conv: pool needs 2 outputs or more along each dimension; there are {window.output}")
    return window, np.result_type(x, w)


def _check(x, w, b, groups, activation, pool):
    shapes = f"(x {np.shape(x)}, w {np.shape(w)})"
    _check_floats("conv", x, w, shapes)
    if w.ndim != x.ndim:
        cause = likely_cause(x.shape, w.ndim, w.shape[-2] * groups) if w.ndim > 2 and type(groups) is int else ""
        expected = f"(N, *spatial, C_in) and (*kernel, C_in / groups, C_out){cause}"
        raise InputError(f"conv: x has {x.ndim} dimensions, w {w.ndim}; expected {expected} {shapes}")
    if not isinstance(groups, int) or groups < 1 or x.shape[-1] % groups or w.shape[-1] % groups:
        raise InputError(f"conv: groups is {groups!r}; expected a divisor of both channel counts {shapes}")
    if x.shape[-1] != w.shape[-2] * groups:
        times = f" · {groups} groups" if groups > 1 else ""
        cause = likely_cause(x.shape, w.ndim, w.shape[-2] * groups)
        raise InputError(f"conv: x has {x.shape[-1]} channels, w expects {w.shape[-2]}{times}{cause} {shapes}")
    if b is not None and np.shape(b) != w.shape[-1:]:
        raise InputError(f"conv: b has shape {np.shape(b)}; expected {w.shape[-1:]}, one a filter {shapes}")
    check_activation("conv", activation)
    if pool not in (None, "avg"):
        raise InputError(f'conv: pool is {pool!r}; expected None or "avg"')


def _check_floats(name, x, w, shapes):
    for what, array in (("x", x), ("w", w)):
        if not devices.is_array(array) or array.dtype.kind != "f":
            kind = getattr(array, "dtype", type(array).__name__)
            raise InputError(f"{name}: {what} has dtype {kind}; expected a floating-point array")
    if x.ndim not in (3, 4, 5):
        raise InputError(f"{name}: x has {x.ndim} dimensions; expected 3, 4 or 5: (N, *spatial, C) {shapes}")
    if 0 in x.shape or 0 in w.shape:
        raise InputError(f"{name}: an array is empty; expected every dimension to be at least 1 {shapes}")


@op(fresh=True)
def locally_connected(x, w, b=None, *, stride=1, needs):
    """Return x convolved with separate filters at every position: y[n, o] = Σ_k x[n, o · stride + k] w[o, k] + b[o].

    x: (N, *spatial, C_in) with one, two or three spatial dimensions, without padding.
    w: (*output, *kernel, C_in, C_out). b: (*output, C_out) or None. y: (N, *output, C_out).
    stride: an int, or one per dimension.
    Keras stores w as (output positions, kernel positions · C_in, C_out), with the elements in the same order.
    Raise InputError for shapes or dtypes that do not fit together.
    Source: Taigman et al. 2014, "DeepFace", section 3.
    """
    window = _window_without_sharing(x, w, b, stride)
    dtype = np.result_type(x, w)
    x, w = x.astype(dtype, copy=False), w.astype(dtype, copy=False)
    kernels, spatial = kernels_for(x), x.shape[1:-1]
    y = kernels.locally_connected(x, w, window)
    if b is not None:
        y += b
    kept_w = w if needs[0] else None
    kept_x = x if needs[1] else None

    def backward(dy):
        return (
            kernels.locally_connected_gradient_to_input(dy, kept_w, spatial, window) if needs[0] else None,
            kernels.locally_connected_gradient_to_filters(dy, kept_x, window) if needs[1] else None,
            dy.sum(axis=0) if needs[2] else None,
        )

    return y, backward


def _window_without_sharing(x, w, b, stride):
    name, shapes = "locally_connected", f"(x {np.shape(x)}, w {np.shape(w)})"
    _check_floats(name, x, w, shapes)
    rank = x.ndim - 2
    if w.ndim != 2 * rank + 2:
        expected = f"{2 * rank + 2}: (*output, *kernel, C_in, C_out)"
        raise InputError(f"{name}: w has {w.ndim} dimensions; expected {expected} {shapes}")
    if x.shape[-1] != w.shape[-2]:
        raise InputError(f"{name}: x has {x.shape[-1]} channels, w expects {w.shape[-2]} {shapes}")
    window = slide(name, x.shape[1:-1], w.shape[rank:-2], stride=stride)
    if w.shape[:rank] != window.output:
        counted = f"a window {window.size} with stride {window.stride} has {window.output} positions on x"
        raise InputError(f"{name}: w has filters for {w.shape[:rank]} positions; {counted} {shapes}")
    if b is not None and np.shape(b) != (*window.output, w.shape[-1]):
        expected = f"{(*window.output, w.shape[-1])}, one a position and filter"
        raise InputError(f"{name}: b has shape {np.shape(b)}; expected {expected} {shapes}")
    return window

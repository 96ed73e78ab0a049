"""Batch normalization, local response normalization, and scaling to unit length."""

import math
from numbers import Integral, Real

import numpy as np

from minicnn.backend import kernels_for
from minicnn.errors import InputError, check_activation
from minicnn.operation import op
from minicnn.ops.activations import at_relu, relu, relu_rule


@op(fuses={"activation": {"relu": relu}}, fresh=True)
def batch_norm(x, gamma, beta, mean, variance, *, eps, training=False, statistics=None, activation=None, needs):
    """Return gamma · (x − mean) / √(variance + eps) + beta per channel (last axis), of the shape of x.

    x: (N, …, C); gamma: (C,) or None for ones; beta, mean, variance: (C,). The inputs are never modified.
    training: use the statistics of the batch instead of `mean` and `variance`; the gradient flows through them.
    A constant channel then becomes beta.
    statistics: (mean, variance) of the batch, if the caller has already computed them.
    activation="relu": apply ReLU to the result.
    Raise InputError for shapes, dtypes or an activation that do not fit. Source: Ioffe & Szegedy 2015.
    """
    if np.ndim(x) < 2 or x.dtype.kind != "f" or x.size == 0:
        kind = getattr(x, "dtype", type(x).__name__)
        raise InputError(
            f"batch_norm: x has shape {np.shape(x)} and dtype {kind}; expected floats (N, …, C), not empty"
        )
    for name, array in (("gamma", gamma), ("beta", beta), ("mean", mean), ("variance", variance)):
        if array is not None and np.shape(array) != x.shape[-1:]:
            raise InputError(f"batch_norm: {name} has shape {np.shape(array)}; expected {x.shape[-1:]} for x {x.shape}")
    check_activation("batch_norm", activation)
    # Copies, because backward recomputes where the ReLU was active, and an optimizer may have changed beta by then.
    gamma, beta, mean, variance = (a if a is None else a.astype(x.dtype) for a in (gamma, beta, mean, variance))
    rows = x.reshape(-1, x.shape[-1])
    kernels = kernels_for(x)
    if training:
        mean, variance = statistics or kernels.batch_statistics(rows)
    inverse_deviation = (1 / np.sqrt(variance + eps)).astype(x.dtype)
    scale = inverse_deviation if gamma is None else gamma * inverse_deviation
    y = kernels.batch_normalize(rows, mean, scale, beta, activation == "relu").reshape(x.shape)
    # In training the kernels apply the ReLU rule as they read dy. A separate pass would take as long as each of them.
    relu_inside = training and activation == "relu"
    active = y if activation and not relu_inside and any(needs) else None

    def backward(dy):
        inside = False
        if active is not None:
            dy = relu_rule(kernels, dy, active)
        elif relu_inside:
            dy, inside = at_relu(kernels, dy, True)
            inside = bool(inside)
        dy = dy.reshape(rows.shape)
        dbeta, products = kernels.batch_sums(dy, rows, mean, scale, beta, inside)
        dgamma = products * inverse_deviation
        if not training:
            dx = (dy * scale).reshape(x.shape) if needs[0] else None
            dvariance = -dgamma * scale * inverse_deviation / 2
            return dx, None if gamma is None else dgamma, dbeta, -dbeta * scale, dvariance
        dx = None
        if needs[0]:
            count = len(rows)
            slope = dgamma * inverse_deviation / count
            dx = kernels.batch_gradient(dy, rows, mean, scale, beta, inside, dbeta / count, slope).reshape(x.shape)
        return dx, None if gamma is None else dgamma, dbeta, None, None

    return y, backward


@op(inputs=1, fresh=True)
def local_response_norm(x, *, size, alpha, beta, k):
    """Return x / (k + alpha / size · Σ x²)^beta, summed over a window of `size` channels around each channel.

    x: (…, C). An even window extends one channel further up than down, as in ONNX. alpha is divided by size, as in
    ONNX and PyTorch. tf.nn.lrn does not divide: its depth_radius r and alpha a become size = 2r + 1 and
    alpha = (2r + 1) · a here.
    Raise InputError unless size is an int of at least 1, alpha ≥ 0, k > 0 and x holds floats.
    Source: Krizhevsky, Sutskever & Hinton 2012, section 3.3.
    """
    _check_local_response(x, size, alpha, beta, k)
    channels = x.shape[-1]
    rows = x.reshape(-1, channels)
    # Python numbers adopt the dtype of x. The window is cut to the existing channels.
    size, alpha, beta, k = int(size), float(alpha), float(beta), float(k)
    neighbours = min((size - 1) // 2, channels - 1), min(size // 2, channels - 1)
    rule = neighbours, alpha / size, beta, k
    kernels = kernels_for(x)

    def backward(dy):
        return kernels.local_response_norm_gradient(dy.reshape(rows.shape), rows, *rule).reshape(x.shape)

    return kernels.local_response_norm(rows, *rule).reshape(x.shape), backward


def _check_local_response(x, size, alpha, beta, k):
    name = "local_response_norm"
    if np.ndim(x) < 1 or x.dtype.kind != "f" or x.size == 0:
        kind = getattr(x, "dtype", type(x).__name__)
        raise InputError(f"{name}: x has shape {np.shape(x)} and dtype {kind}; expected floats (…, C), not empty")
    if not isinstance(size, Integral) or isinstance(size, bool) or size < 1:
        raise InputError(f"{name}: size is {size!r}; expected an int of at least 1")
    for what, value in (("alpha", alpha), ("beta", beta), ("k", k)):
        if not isinstance(value, Real) or not math.isfinite(value):
            raise InputError(f"{name}: {what} is {value!r}; expected a number")
    if alpha < 0 or k <= 0:
        raise InputError(f"{name}: alpha is {alpha!r}, k {k!r}; expected alpha ≥ 0 and k > 0")


@op(fresh=True)
def l2_normalize(x, *, axis=-1, eps=1e-12):
    """Return x / √max(Σ x², eps), of unit length along `axis`.

    A zero vector stays zero, and its gradient is dy / √eps.
    """
    squares = np.sum(x * x, axis=axis, keepdims=True)
    length = np.sqrt(np.maximum(squares, eps))
    y = x / length

    def backward(dy):
        along = np.where(squares > eps, np.sum(dy * y, axis=axis, keepdims=True), 0)
        return (dy - y * along) / length

    return y, backward

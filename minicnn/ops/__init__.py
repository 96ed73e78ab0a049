"""The operations: functions from Tensors to Tensors, each with its gradient."""

from minicnn.errors import suggest_names
from minicnn.ops.activations import dropout, leaky_relu, prelu, relu, residual, sigmoid, softmax, softplus, tanh
from minicnn.ops.arithmetic import (
    abs,
    add,
    clip,
    div,
    exp,
    getitem,
    log,
    matmul,
    max,
    maximum,
    mean,
    minimum,
    mul,
    neg,
    power,
    reshape,
    sqrt,
    square,
    sub,
    sum,
    transpose,
)
from minicnn.ops.convolution import conv, linear, locally_connected
from minicnn.ops.losses import binary_cross_entropy, cross_entropy, gram_matrix, pairwise_distances
from minicnn.ops.normalization import batch_norm, l2_normalize, local_response_norm
from minicnn.ops.pooling import avg_pool, l2_pool, max_pool
from minicnn.ops.shape import concat, flatten, pad

__all__ = [
    "abs",
    "add",
    "avg_pool",
    "batch_norm",
    "binary_cross_entropy",
    "clip",
    "concat",
    "conv",
    "cross_entropy",
    "div",
    "dropout",
    "exp",
    "flatten",
    "getitem",
    "gram_matrix",
    "l2_normalize",
    "l2_pool",
    "leaky_relu",
    "linear",
    "local_response_norm",
    "locally_connected",
    "log",
    "matmul",
    "max",
    "max_pool",
    "maximum",
    "mean",
    "minimum",
    "mul",
    "neg",
    "pad",
    "pairwise_distances",
    "power",
    "prelu",
    "relu",
    "reshape",
    "residual",
    "sigmoid",
    "softmax",
    "softplus",
    "sqrt",
    "square",
    "sub",
    "sum",
    "tanh",
    "transpose",
]

suggest_names(__name__, __all__)

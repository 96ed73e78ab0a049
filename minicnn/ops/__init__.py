"""The operations: functions from Tensors to Tensors, each with its gradient.

What is imported here is public. __init__.pyi gives type checkers the signatures.
"""

from inspect import ismodule as _is_module

from minicnn.errors import suggest_names as _suggest_names
from minicnn.ops.activations import (
    dropout,
    leaky_relu,
    log_softmax,
    prelu,
    relu,
    residual,
    sigmoid,
    softmax,
    softplus,
    tanh,
)
from minicnn.ops.arithmetic import add, div, mean, mul, neg, power, square, sub, sum
from minicnn.ops.convolution import conv, locally_connected
from minicnn.ops.functions import abs, clip, exp, log, maximum, minimum, sqrt
from minicnn.ops.losses import binary_cross_entropy, cross_entropy, gram_matrix, mean_squared_error, pairwise_distances
from minicnn.ops.matrices import linear, matmul
from minicnn.ops.normalization import batch_norm, l2_normalize, local_response_norm
from minicnn.ops.pooling import avg_pool, l2_pool, max_pool
from minicnn.ops.reductions import max, min, norm, std, var
from minicnn.ops.shape import concat, expand_dims, flatten, getitem, pad, reshape, squeeze, stack, transpose, where

__all__ = sorted(name for name, value in vars().items() if not (name.startswith("_") or _is_module(value)))
_suggest_names(__name__, __all__)

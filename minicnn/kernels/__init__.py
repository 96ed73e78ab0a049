"""Contracts and their NumPy definitions: functions on arrays, independent of Tensor.

One file per computation. minicnn.backend.kernels_for(array) returns the backend whose functions bear the same names.
"""

from minicnn.kernels import (
    conv,
    crop,
    elementwise,
    fused_conv,
    gram,
    locally_connected,
    memory,
    naive_conv,
    normalization,
    pool,
    product,
    triplet,
)
from minicnn.kernels.contract import contracts

__all__ = [
    "contracts",
    "conv",
    "crop",
    "elementwise",
    "fused_conv",
    "gram",
    "locally_connected",
    "memory",
    "naive_conv",
    "normalization",
    "pool",
    "product",
    "triplet",
]

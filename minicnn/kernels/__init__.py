"""Contracts and their definitions in NumPy: arrays in, arrays out. Nothing here knows what a Tensor is.

One file a computation. To use a backend's function of the same name, ask minicnn.backend.kernels_for(array).
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
    "triplet",
]

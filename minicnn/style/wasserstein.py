"""Style as a distribution of features, compared by the Wasserstein distance between normal distributions.

Source: Dowson & Landau 1982, "The Fréchet distance between multivariate normal distributions"; in style transfer,
crowsonkb/style-transfer-pytorch.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minicnn import ops
from minicnn.errors import InputError
from minicnn.operation import op
from minicnn.tensor import Tensor

EPSILON = 1e-4  # added to variances, so that channels that are always zero have a positive root
RIDGE = 3e-3  # of the target's mean variance; more than rounding errors of single precision


def squared_wasserstein(target: Any, generated: Any, ridge: float = 0.0) -> Tensor:
    """Return W₂² of two normal distributions: |μ_s − μ_g|² + tr(Σ_s + Σ_g − 2 (Σ_s^½ Σ_g Σ_s^½)^½), from Moments.

    ridge: this share of the target's mean variance is added to all variances. Without it, the gradient of channels that
    hardly vary consists of rounding errors.
    """
    added = EPSILON
    if ridge:
        second = target.second.data.reshape(target.first.shape[-1], -1)
        added += ridge * float(np.mean(np.diagonal(second) - np.square(target.first.data[0])))
    covariances = covariance(target, added), covariance(generated, added)
    spread = sum(
        ops.sum(matrix * np.eye(matrix.shape[-1], dtype=matrix.dtype, like=matrix.data)) for matrix in covariances
    )
    return ops.sum(ops.square(generated.first - target.first)) + spread - 2 * overlap(*covariances)


def covariance(of: Any, added: float) -> Tensor:
    """Return the covariance (C, C) from Moments: the mean of F Fᵀ minus μ μᵀ, plus `added` on the diagonal."""
    _, channels = of.first.shape
    outer = of.first.reshape((channels, 1)) * of.first
    return (
        of.second.reshape((channels, channels)) - outer + added * np.eye(channels, dtype=outer.dtype, like=outer.data)
    )


@op
def overlap(a, b, *, needs):
    """Return tr (a^½ b a^½)^½ of two covariances (C, C) with EPSILON on the diagonal. Computed in double precision.

    With a = L Lᵀ, Lᵀ b L has the same eigenvalues as a^½ b a^½. The gradient is ½ T for b and ½ T⁻¹ for a. Here
    T = L (Lᵀ b L)^−½ Lᵀ is the linear map that transports b's distribution to a's.
    Raises InputError for other shapes.
    """
    if a.ndim != 2 or a.shape[0] != a.shape[1] or a.shape != b.shape:
        raise InputError(f"overlap: a has shape {a.shape}, b {b.shape}; expected two square matrices of one size")
    factor = _factor(a.astype(np.float64))
    values, vectors = np.linalg.eigh(factor.T @ b.astype(np.float64) @ factor)
    roots = np.sqrt(np.maximum(values, EPSILON**2))

    def backward(dy):
        da = db = None
        if needs[1]:
            half = factor @ (vectors / np.sqrt(roots))
            db = (0.5 * dy * (half @ half.T)).astype(b.dtype)
        if needs[0]:
            half = np.linalg.solve(factor.T, vectors * np.sqrt(roots))
            da = (0.5 * dy * (half @ half.T)).astype(a.dtype)
        return da, db

    return roots.sum().astype(np.result_type(a, b)), backward


def _factor(a):
    """Return L with a = L Lᵀ: Cholesky's, in a tenth of the time of eigenvectors, unless rounding errors prevent it."""
    try:
        return np.linalg.cholesky(a)
    except np.linalg.LinAlgError:
        lengths, axes = np.linalg.eigh(a)
        return axes * np.sqrt(np.maximum(lengths, EPSILON))  # smaller values are rounding errors

"""Batch normalization, local response normalization, and scaling to unit length."""

from __future__ import annotations

import numpy as np

from minicnn import ops
from minicnn.backend import kernels_for
from minicnn.errors import Activation, InputError, check_activation
from minicnn.nn.module import Module
from minicnn.tensor import Tensor


class BatchNorm(Module):
    """Batch normalization over all axes but the last, with running statistics for evaluation.

    channels: the size of the last axis. momentum: the weight of the old running statistics in each update.
    eps: added to the variance. scale: multiply by a learned gamma (channels,). activation: None or "relu".
    Raise InputError for another activation. Source: Ioffe & Szegedy 2015.
    """

    def __init__(
        self,
        channels: int,
        *,
        momentum: float = 0.9,
        eps: float = 1e-3,
        scale: bool = True,
        activation: Activation = None,
        name: str | None = None,
    ) -> None:
        check_activation("BatchNorm", activation)
        self.gamma = Tensor(np.ones(channels, np.float32), requires_grad=True) if scale else None
        self.beta = Tensor(np.zeros(channels, np.float32), requires_grad=True)
        self.mean = np.zeros(channels, np.float32)
        self.variance = np.ones(channels, np.float32)
        self.momentum, self.eps = momentum, eps
        self.activation, self.name = activation, name

    def forward(self, x: Tensor) -> Tensor:
        if x.ndim < 2 or x.shape[-1] != self.beta.size or x.size == 0:
            raise InputError(f"BatchNorm: x has shape {x.shape}; expected (N, …, {self.beta.size}), not empty")
        statistics = None
        if self.training:
            rows = x.data.reshape(-1, x.shape[-1])
            statistics = kernels_for(rows).batch_statistics(rows)
            self.mean = self._moved(self.mean, statistics[0])
            self.variance = self._moved(self.variance, statistics[1])
        return ops.batch_norm(
            x,
            self.gamma,
            self.beta,
            self.mean,
            self.variance,
            eps=self.eps,
            training=self.training,
            statistics=statistics,
            activation=self.activation,
        )

    def folded_into(self, w: np.ndarray, b: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """Return (w, b) of the convolution equivalent to a convolution with `w` and `b` followed by this layer.

        γ · (x ∗ w + b − μ) / √(σ² + ε) + β  =  x ∗ (s · w) + (β + s · (b − μ)),   s = γ / √(σ² + ε) per channel,
        with the running statistics μ and σ², as in evaluation. The activation is not included.
        w: (…, channels); b: (channels,) or None.
        """
        scale = 1 / np.sqrt(self.variance + np.float32(self.eps))
        if self.gamma is not None:
            scale = scale * self.gamma.data
        return w * scale, self.beta.data - (self.mean if b is None else self.mean - b) * scale

    def _moved(self, running: np.ndarray, batch: np.ndarray) -> np.ndarray:
        kept = np.float32(self.momentum)
        return (kept * running + (1 - kept) * batch).astype(running.dtype)


class LocalResponseNorm(Module):
    """Local response normalization: each value is divided by a function of its neighbouring channels.

    size, alpha, beta, k: as in ops.local_response_norm, which also explains the conversion from tf.nn.lrn.
    """

    def __init__(
        self, size: int, *, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0, name: str | None = None
    ) -> None:
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k
        self.name = name

    def forward(self, x: Tensor) -> Tensor:
        return ops.local_response_norm(x, size=self.size, alpha=self.alpha, beta=self.beta, k=self.k)


class L2Normalize(Module):
    """Scaling of every vector along the last axis to unit length. eps: lower limit of the squared length."""

    def __init__(self, *, eps: float = 1e-12, name: str | None = None) -> None:
        self.eps, self.name = eps, name

    def forward(self, x: Tensor) -> Tensor:
        return ops.l2_normalize(x, eps=self.eps)

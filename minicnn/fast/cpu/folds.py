"""Batch normalization folded into the preceding convolution, cached while both are frozen."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from minicnn import devices, nn, ops
from minicnn.fast.cpu.cache import remember
from minicnn.tensor import Tensor


class Folded:
    """The w and b of a convolution with its norm folded in. nbytes: size of both."""

    def __init__(self, w: np.ndarray, b: np.ndarray) -> None:
        for array in (w, b):
            array.flags.writeable = False  # so that kernels may cache results computed from it
        self.w, self.b, self.nbytes = w, b, w.nbytes + b.nbytes


def fold(layer: nn.Conv2d | nn.Linear, norm: nn.BatchNorm) -> Folded:
    """Return the layer with the norm folded in, using the norm's running statistics."""
    return Folded(*norm.folded_into(layer.w.data, None if layer.b is None else layer.b.data))


def folded(convolution: nn.Conv2d, norm: nn.BatchNorm) -> Callable[[Tensor], Tensor] | None:
    """Return one function for both layers, or None if either may change.

    Layers cannot change in evaluation mode inside `with frozen(model):`. The folded arrays are cached by their source
    arrays while these stay frozen. The gradient to the input is unchanged.
    """
    parameters = [p for p in (convolution.w, convolution.b, norm.gamma, norm.beta) if p is not None]
    if norm.training or convolution.activation or any(p.requires_grad for p in parameters):
        return None
    sources = [*(p.data for p in parameters), norm.mean, norm.variance]
    if any(map(devices.writeable, sources)):
        return None
    both = remember(sources, lambda *_: fold(convolution, norm), "folded norms")

    def convolve(x: Tensor) -> Tensor:
        return ops.conv(
            x,
            both.w,
            both.b,
            stride=convolution.stride,
            padding=convolution.padding,
            dilation=convolution.dilation,
            groups=convolution.groups,
            activation=norm.activation,
        )

    return convolve

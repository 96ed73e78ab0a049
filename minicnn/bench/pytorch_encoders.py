"""A network of minicnn as PyTorch runs it: the same layers and weights, channels-last, as in evaluation mode."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from minicnn import nn
from minicnn.bench import pytorch
from minicnn.bench.turns import Side
from minicnn.models.blocks import Branches, Chain, GlobalAverage, Residual
from minicnn.models.network import Network
from minicnn.models.nn4 import ZeroPad2d

Step = Callable[[Any], Any]  # from a tensor to a tensor


def side(torch: Any, model: Network, faces: np.ndarray) -> Side:
    """PyTorch encoding the same faces."""
    pictures, encode = pytorch.pictures(torch, faces), network(torch, model)

    def run() -> Any:
        with torch.inference_mode():
            return encode(pictures)

    return Side(run)


def network(torch: Any, model: Network) -> Step:
    """The function that encodes pictures (N, 3, H, W), RGB in [0, 1]."""
    if model.preprocessing.whitened:
        return _one_after_another([functools.partial(_whitened, torch), *_translated(torch, model.layers)])
    mean, scale, deviation = (model.preprocessing.mean, model.preprocessing.scale, model.preprocessing.deviation)
    shift = [m / d for m, d in zip(mean, deviation, strict=True)]
    factor, shift = (torch.tensor(v).view(1, 3, 1, 1) for v in ([scale / d for d in deviation], shift))
    return _one_after_another([lambda x: x * factor - shift, *_translated(torch, model.layers)])


def _whitened(torch: Any, x: Any) -> Any:
    x = x * 255
    x = x - x.mean(dim=(1, 2, 3), keepdim=True)
    return x / x.square().mean(dim=(1, 2, 3), keepdim=True).sqrt().clamp(min=x[0].numel() ** -0.5)


def _one_after_another(steps: Iterable[Step]) -> Step:
    steps = list(steps)
    return lambda x: functools.reduce(lambda y, step: step(y), steps, x)


def _translated(torch: Any, layers: Iterable[nn.Module]) -> list[Step]:
    return [_step(torch, torch.nn.functional, layer) for layer in layers]


def _step(torch: Any, f: Any, layer: nn.Module) -> Step:
    """What a layer does, in torch.nn.functional."""
    match layer:
        case Chain():
            return _one_after_another(_translated(torch, layer.layers))
        case Branches():
            branches = _translated(torch, layer.branches)
            return lambda x: torch.cat([branch(x) for branch in branches], dim=1)
        case Residual():
            change, scale, active = _step(torch, f, layer.change), layer.scale, layer.activation
            return lambda x: f.relu_(x + scale * change(x)) if active else x + scale * change(x)
        case nn.Conv2d():
            return _convolution(torch, f, layer)
        case nn.BatchNorm():
            gamma = None if layer.gamma is None else torch.from_numpy(layer.gamma.data.copy())
            mean, variance, beta = (torch.from_numpy(a.copy()) for a in (layer.mean, layer.variance, layer.beta.data))
            return _activated(f, layer, lambda x: f.batch_norm(x, mean, variance, gamma, beta, eps=layer.eps))
        case nn.Linear():
            w = torch.from_numpy(layer.w.data.T.copy())
            b = torch.from_numpy(layer.b.data.copy()) if layer.b is not None else None
            return _activated(f, layer, lambda x: f.linear(x, w, b))
        case nn.MaxPool2d():
            return lambda x: f.max_pool2d(x, layer.size, layer.stride, layer.padding)
        case nn.AvgPool2d():
            return lambda x: f.avg_pool2d(x, layer.size, layer.stride)
        case nn.L2Pool2d():
            return lambda x: f.lp_pool2d(x, 2.0, layer.size, layer.stride)
        case nn.LocalResponseNorm():
            return lambda x: f.local_response_norm(x, layer.size, layer.alpha, layer.beta, layer.k)
        case ZeroPad2d():
            return lambda x: f.pad(x, (layer.before, layer.after) * 2)
        case GlobalAverage():
            return lambda x: x.mean(dim=(2, 3))
        case nn.L2Normalize():
            return lambda x: f.normalize(x, dim=-1)
        case nn.Flatten():
            return lambda x: x.flatten(1)
        case nn.Dropout():
            return lambda x: x
    raise TypeError(f"{type(layer).__name__} has no translation")


def _convolution(torch: Any, f: Any, layer: nn.Conv2d) -> Step:
    w = pytorch.filters(torch, layer.w.data.copy())
    b = torch.from_numpy(layer.b.data.copy()) if layer.b is not None else None
    padding = layer.padding
    if padding == "same":  # with stride 1, so half the kernel on either side
        padding = tuple(k // 2 for k in layer.size)
    return _activated(f, layer, lambda x: f.conv2d(x, w, b, stride=layer.stride, padding=padding))


def _activated(f: Any, layer: Any, step: Step) -> Step:
    return (lambda x: f.relu_(step(x))) if layer.activation else step

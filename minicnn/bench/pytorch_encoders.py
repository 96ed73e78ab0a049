"""A network of minicnn in PyTorch, with the same layers and weights, channels-last, for evaluation or training."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from minicnn import nn
from minicnn.bench import pytorch
from minicnn.bench.turns import Side
from minicnn.models.blocks import Branches, Chain, GlobalAverage, Halving, Residual, ZeroPad2d
from minicnn.models.network import Network

Step = Callable[[Any], Any]  # from a tensor to a tensor


def side(torch: Any, model: Network, faces: np.ndarray, *, compiled: bool = False, bfloat16: bool = False) -> Side:
    """Return PyTorch's side, which encodes the same faces. compiled: by torch.compile. bfloat16: dtype of layers."""
    pictures = pytorch.pictures(torch, faces)
    encode = Translation(torch, dtype=torch.bfloat16 if bfloat16 else torch.float32).network(model)
    if compiled:
        encode = torch.compile(encode)

    def run() -> Any:
        with torch.inference_mode():
            return encode(pictures)

    return Side(run)


def export(torch: Any, model: Network, faces: np.ndarray, folder: Path) -> Path:
    """Write the network for batches like `faces`, channels first, to an ONNX file in `folder`, and return its path."""
    path = folder / "network.onnx"
    module = torch.nn.Module()
    module.forward = Translation(torch).network(model)
    torch.onnx.export(module.eval(), (pytorch.pictures(torch, faces).contiguous(),), str(path))
    return path


class Translation:
    """A translation of minicnn's layers to functions of PyTorch.

    training: batch norm takes the batch's statistics, and all weights are leaves that require a gradient, in
    `parameters`. dtype: dtype of filters and activations.
    """

    def __init__(self, torch: Any, *, training: bool = False, dtype: Any = None) -> None:
        self.torch, self.f = torch, torch.nn.functional
        self.training, self.dtype = training, dtype or torch.float32
        self.parameters: list[Any] = []

    def network(self, model: Network) -> Step:
        """Return the function that encodes pictures (N, 3, H, W), RGB in [0, 1]."""
        if model.preprocessing.whitened:
            return self._encoding(self._whitened, model)
        mean, scale, deviation = (model.preprocessing.mean, model.preprocessing.scale, model.preprocessing.deviation)
        shift = [m / d for m, d in zip(mean, deviation, strict=True)]
        factor, shift = (self.torch.tensor(v).view(1, 3, 1, 1) for v in ([scale / d for d in deviation], shift))
        return self._encoding(lambda x: x * factor - shift, model)

    def _encoding(self, prepare: Step, model: Network) -> Step:
        layers = self._all(model.layers)
        return _one_after_another([prepare, lambda x: x.to(self.dtype), *layers, lambda x: x.float()])

    def _whitened(self, x: Any) -> Any:
        x = x * 255
        x = x - x.mean(dim=(1, 2, 3), keepdim=True)
        return x / x.square().mean(dim=(1, 2, 3), keepdim=True).sqrt().clamp(min=x[0].numel() ** -0.5)

    def _all(self, layers: Iterable[nn.Module]) -> list[Step]:
        return [self._step(layer) for layer in layers]

    def _step(self, layer: nn.Module) -> Step:
        """Return a layer's function, in terms of torch.nn.functional."""
        f = self.f
        match layer:
            case Chain():
                return _one_after_another(self._all(layer.layers))
            case Branches():
                branches = self._all(layer.branches)
                return lambda x: self.torch.cat([branch(x) for branch in branches], dim=1)
            case Residual():
                change, scale, active = self._step(layer.change), layer.scale, layer.activation
                return lambda x: f.relu_(x + scale * change(x)) if active else x + scale * change(x)
            case Halving():
                return self._halving(layer)
            case nn.Conv2d():
                return self._convolution(layer)
            case nn.BatchNorm():
                return self._batch_norm(layer)
            case nn.Linear():
                w, b = self._weights(layer.w.data.T), self._weights(layer.b.data if layer.b is not None else None)
                return self._activated(layer, lambda x: f.linear(x, w, b))
            case nn.MaxPool2d():
                return lambda x: f.max_pool2d(x, layer.kernel_size, layer.stride, layer.padding)
            case nn.AvgPool2d():
                return lambda x: f.avg_pool2d(x, layer.kernel_size, layer.stride)
            case nn.L2Pool2d():
                return lambda x: f.lp_pool2d(x, 2.0, layer.kernel_size, layer.stride)
            case nn.LocalResponseNorm():
                how = (layer.size, layer.alpha, layer.beta, layer.k)
                return lambda x: f.local_response_norm(x.float(), *how).to(self.dtype)  # PyTorch has it in float32 only
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

    def _halving(self, layer: Halving) -> Step:
        average, change, f = self._step(layer.average), self._step(layer.change), self.f

        def halve(x: Any) -> Any:
            both = average(x), change(x)
            shape = [max(sides) for sides in zip(*(y.shape[:0:-1] for y in both), strict=True)]  # the last axis first
            widths = ([(0, w - n) for w, n in zip(shape, y.shape[:0:-1], strict=True)] for y in both)
            return f.relu_(sum(f.pad(y, list(itertools.chain(*width))) for y, width in zip(both, widths, strict=True)))

        return halve

    def _convolution(self, layer: nn.Conv2d) -> Step:
        w = self._kept(pytorch.filters(self.torch, layer.w.data.copy()).to(self.dtype))
        b = self._weights(layer.b.data if layer.b is not None else None)
        padding = layer.padding
        if padding == "same":  # with stride 1, so half the kernel on either side
            padding = tuple(k // 2 for k in layer.kernel_size)
        return self._activated(layer, lambda x: self.f.conv2d(x, w, b, stride=layer.stride, padding=padding))

    def _batch_norm(self, layer: nn.BatchNorm) -> Step:
        exact = self.torch.float32  # whatever the dtype of the filters
        gamma = self._weights(None if layer.gamma is None else layer.gamma.data, exact)
        beta = self._weights(layer.beta.data, exact)
        mean, variance = (self.torch.from_numpy(state.copy()) for state in (layer.mean, layer.variance))
        how = {"training": self.training, "momentum": 1 - layer.momentum, "eps": layer.eps}
        return self._activated(layer, lambda x: self.f.batch_norm(x, mean, variance, gamma, beta, **how))

    def _activated(self, layer: Any, step: Step) -> Step:
        return (lambda x: self.f.relu_(step(x))) if layer.activation else step

    def _weights(self, array: np.ndarray | None, dtype: Any = None) -> Any:
        return None if array is None else self._kept(self.torch.from_numpy(array.copy()).to(dtype or self.dtype))

    def _kept(self, tensor: Any) -> Any:
        if self.training:
            self.parameters.append(tensor.requires_grad_())
        return tensor


def _one_after_another(steps: Iterable[Step]) -> Step:
    steps = list(steps)
    return lambda x: functools.reduce(lambda y, step: step(y), steps, x)

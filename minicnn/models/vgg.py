"""VGG: blocks of 3×3 convolutions, each block closed by a 2×2 pool. Source: Simonyan & Zisserman 2015."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from minicnn import nn, ops
from minicnn.errors import InputError
from minicnn.models.card import ModelCard, preprocessing
from minicnn.tensor import Tensor

if TYPE_CHECKING:
    from minicnn.hdf5 import LoadReport

POOLS: dict[str, type[nn.Module]] = {"max": nn.MaxPool2d, "avg": nn.AvgPool2d}


class VGG(nn.Module):
    """A VGG network with the layer names of Keras: block1_conv1 … block5_pool, then the layers of `top`.

    widths: channels of each block; depths: its number of convolutions. pooling: "max", or "avg" for style transfer
    (Gatys et al. 2016 found its pictures slightly more appealing). batch_norm: normalize between a convolution and its
    ReLU, for training; fold it away afterwards. load_report: what came of the file that the weights were loaded from.
    """

    load_report: LoadReport | None = None

    def __init__(
        self,
        card: ModelCard,
        widths: Sequence[int],
        depths: Sequence[int],
        *,
        pooling: str = "max",
        batch_norm: bool = False,
        initial: str = "he",
        seed: nn.Seed = 0,
    ) -> None:
        self.card = card
        self.preprocessing = preprocessing(card.preprocessing)
        self.pooling = pooling
        self.batch_norm = batch_norm
        self.body: list[nn.Module] = []
        self.top: list[nn.Module] = []
        random = np.random.default_rng(seed)
        channels = 3
        for block, (width, depth) in enumerate(zip(widths, depths, strict=True), start=1):
            for i in range(1, depth + 1):
                self.body += self._convolution(f"block{block}_conv{i}", channels, width, initial, random)
                channels = width
            self.body.append(_pool(pooling, f"block{block}_pool"))

    def _convolution(
        self, name: str, channels: int, width: int, initial: str, random: np.random.Generator
    ) -> list[nn.Module]:
        options: dict[str, Any] = {"padding": "same", "initial": initial, "seed": random, "name": name}
        if not self.batch_norm:
            return [nn.Conv2d(channels, width, 3, activation="relu", **options)]
        convolution = nn.Conv2d(channels, width, 3, bias=False, **options)
        return [convolution, nn.BatchNorm(width, activation="relu", name=f"{name}_norm")]

    @property
    def layer_names(self) -> list[str]:
        """The layers that features() can return; for a convolution also NAME.linear, before its ReLU."""
        return [layer.name for layer in self.layers if layer.name]

    @property
    def layers(self) -> list[nn.Module]:
        """Body and top, from the picture to the result."""
        return [*self.body, *self.top]

    def set_pooling(self, pooling: str) -> None:
        """Pool by "max" or "avg" from here on; no weights change."""
        self.pooling = pooling
        for i, layer in enumerate(self.body):
            if isinstance(layer, tuple(POOLS.values())):
                self.body[i] = _pool(pooling, layer.name)

    def forward(self, x: Tensor) -> Tensor:
        """x: (N, H, W, 3), RGB in [0, 1]. The last pool's output, or the top's."""
        x = self._enter(x)
        for layer in self.layers:
            x = layer(x)
        return x

    def features(self, x: Any, layers: Iterable[str]) -> dict[str, Tensor]:
        """{name: output} of the layers asked for; nothing above the highest of them is computed.

        x: (N, H, W, 3), RGB in [0, 1]. A convolution's name means its output after ReLU; NAME.linear, before it.
        """
        wanted = list(dict.fromkeys(layers))
        for name in wanted:
            self._check_layer(name)
        found: dict[str, Tensor] = {}
        averaged = None  # the pool whose means came with the convolution before it
        x = self._enter(x if isinstance(x, Tensor) else Tensor(x))
        for layer, following in zip(self.layers, [*self.layers[1:], None], strict=True):
            if len(found) == len(wanted):
                break
            if isinstance(layer, nn.Conv2d) and f"{layer.name}.linear" in wanted:
                x = found[f"{layer.name}.linear"] = layer.linear(x)
                x = ops.relu(x) if layer.activation else x
            elif isinstance(layer, nn.Conv2d) and layer.name not in wanted and _halves(following):
                x, averaged = layer.averaged(x), following
            elif layer is not averaged:
                x = layer(x)
            if layer.name in wanted:
                found[layer.name] = x
        return {name: found[name] for name in wanted}

    def _check_layer(self, name: str) -> None:
        layer_name, _, part = name.partition(".")
        known = {layer.name: layer for layer in self.layers}
        if layer_name not in known or (part and not (part == "linear" and isinstance(known[layer_name], nn.Conv2d))):
            raise InputError(
                f"features: layer {name!r} is unknown; {self.card.name} has {', '.join(self.layer_names)}, "
                "and NAME.linear for a convolution before its ReLU"
            )

    def _enter(self, x: Tensor) -> Tensor:
        if x.ndim != 4 or x.shape[-1] != 3 or x.dtype.kind != "f":
            raise InputError(
                f"{self.card.name}: x has shape {x.shape} and dtype {x.dtype}; "
                "expected floats (N, H, W, 3), RGB in [0, 1]"
            )
        return self.preprocessing(x)


def _halves(layer: nn.Module | None) -> bool:
    """Whether a layer takes the mean of 2×2, which a convolution can do on the way out."""
    return isinstance(layer, nn.AvgPool2d) and (layer.size, layer.stride, layer.padding) == (2, 2, 0)


def _pool(pooling: str, name: str | None) -> nn.Module:
    if pooling not in POOLS:
        raise InputError(f"pooling is {pooling!r}; expected one of {', '.join(POOLS)}")
    return POOLS[pooling](2, name=name)  # type: ignore[call-arg]

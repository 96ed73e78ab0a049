"""VGG: blocks of 3×3 convolutions, each followed by a 2×2 pool. Source: Simonyan & Zisserman 2015."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minicnn import nn
from minicnn.models.card import ModelCard
from minicnn.models.network import Network, pool


class VGG(Network):
    """A VGG network with the layer names of Keras: block1_conv1 … block5_pool, then the layers of `top`.

    widths: channels of each block. depths: convolutions per block. pooling: "max", or "avg" for style transfer (Gatys
    et al. 2016 found its pictures slightly more appealing). batch_norm: normalize between a convolution and its ReLU,
    for training; fold it away afterwards.
    """

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
        body: list[nn.Module] = []
        random = np.random.default_rng(seed)
        channels = 3
        for block, (width, depth) in enumerate(zip(widths, depths, strict=True), start=1):
            for i in range(1, depth + 1):
                name = f"block{block}_conv{i}"
                options: dict[str, Any] = {"padding": "same", "initial": initial, "seed": random, "name": name}
                if batch_norm:
                    body.append(nn.Conv2d(channels, width, 3, bias=False, **options))
                    body.append(nn.BatchNorm(width, activation="relu", name=f"{name}_norm"))
                else:
                    body.append(nn.Conv2d(channels, width, 3, activation="relu", **options))
                channels = width
            body.append(pool(pooling, 2, name=f"block{block}_pool"))
        super().__init__(card, body)


def fold(trained: VGG, folded: VGG) -> VGG:
    """Fold the batch norm of `trained` into the convolutions of `folded`, the same network without it.

    Returns `folded` in evaluation mode. It computes the same function as `trained` does in evaluation mode.
    """
    layers: dict[str | None, Any] = dict(trained.children())
    for layer in folded.body:
        if isinstance(layer, nn.Conv2d) and layer.b is not None:
            before = layers[layer.name]
            norm = layers[f"{layer.name}_norm"]
            layer.w.data, layer.b.data = norm.folded_into(before.w.data, None if before.b is None else before.b.data)
    folded.top = trained.top
    return folded.eval()  # type: ignore[return-value]

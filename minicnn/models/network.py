"""The base class of all networks: preprocessing, named layers, and access to the output of each layer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np

from minicnn import nn
from minicnn.errors import InputError, nearest
from minicnn.images import scaled
from minicnn.models.blocks import Block, Branches, Chain, Enough, Everything, Taps, every, reading, run, run_whole
from minicnn.models.card import ModelCard, StyleRecipe, preprocessing
from minicnn.tensor import Tensor
from minicnn.text import listed

if TYPE_CHECKING:
    from minicnn.hdf5 import LoadReport

POOLS: dict[str, Callable[..., nn.Module]] = {"max": nn.MaxPool2d, "avg": nn.AvgPool2d}
SLACK = 0.1  # tolerance around [0, 1]; whitened pictures and those in 0 … 255 exceed it


class Network(nn.Module):
    """A network with layers named as in Keras's files, and parameters after their layer: block1_conv1.w.

    body, top: layers in order; `top` is, for example, a classifier, which a file may lack.
    load_report: the report of loading the weights.
    """

    load_report: LoadReport | None = None

    def __init__(self, card: ModelCard, body: Iterable[nn.Module], top: Iterable[nn.Module] = ()) -> None:
        self.card = card
        self.preprocessing = preprocessing(card.preprocessing)
        self.body = list(body)
        self.top = list(top)

    @property
    def layers(self) -> list[nn.Module]:
        """Body and top, from the picture to the result."""
        return [*self.body, *self.top]

    @property
    def layer_names(self) -> list[str]:
        """Names that features() accepts, blocks after the layers in them. A convolution also has NAME.linear."""
        return [layer.name for layer in every(self.layers) if layer.name]

    @property
    def branching(self) -> bool:
        """True if layers are parallel, so that only their names identify them, not their order."""
        return any(isinstance(layer, Branches) for layer in every(self.layers))

    def children(self) -> Iterator[tuple[str, nn.Module]]:
        """Yield (name, layer) for every layer, inside blocks as well."""
        for i, layer in enumerate(layer for layer in every(self.layers) if not isinstance(layer, Block)):
            yield layer.name or f"layers.{i}", layer

    def forward(self, x: Tensor) -> Tensor:
        """Return the last layer's output. x: (N, H, W, 3), RGB in [0, 1]."""
        return run_whole(self.layers, self._enter(x))

    def features(self, x: Any, layers: Iterable[str]) -> dict[str, Tensor]:
        """Return {name: output} of the requested layers and blocks. Layers after the last of them are not computed.

        x: (N, H, W, 3), RGB in [0, 1]. A convolution's name means its output after ReLU; NAME.linear, before it.
        Raises InputError for an unknown layer or for x of another shape or dtype.
        """
        wanted = list(dict.fromkeys(layers))
        for name in wanted:
            self.check_layer(name)
        x = self._enter(self.take(x))
        taps = Taps(wanted)
        if wanted:
            with reading(taps), suppress(Enough):
                run(self.layers, x)
        return {name: taps.found[name] for name in wanted}

    def summary(self, input_shape: tuple[int, ...] | None = None) -> str:
        """Return Module.summary. input_shape: default is one picture of the card's input_size."""
        with reading(Everything()):
            return super().summary(input_shape or (1, *self.card.input_size, 3))

    def set_pooling(self, pooling: str, *, whole: bool = False) -> None:
        """Switch all pools of the body to "max" or "avg", for style transfer. Weights stay unchanged.

        whole: pad overlapping windows by one pixel at the bottom and right, so that they cover the last pixels.
        Raises InputError for a face encoder or an unknown pooling.
        """
        if self.card.embedding is not None:
            raise InputError(f"{self.card.name}: its pools belong to its weights; expected a network for style")
        for layers in [self.body, *(block.layers for block in every(self.body) if isinstance(block, Chain))]:
            for i, layer in enumerate(layers):
                if isinstance(layer, nn.MaxPool2d | nn.AvgPool2d):
                    padding = ((0, 1), (0, 1)) if whole and layer.kernel_size > layer.stride else layer.padding
                    layers[i] = pool(pooling, layer.kernel_size, stride=layer.stride, padding=padding, name=layer.name)

    @property
    def pooling(self) -> str | None:
        """The pooling of the body: "max" or "avg"; None if it has no pool."""
        pools = (layer for layer in every(self.body) if isinstance(layer, nn.MaxPool2d | nn.AvgPool2d))
        return next(("max" if isinstance(pool, nn.MaxPool2d) else "avg" for pool in pools), None)

    @property
    def stride(self) -> int | None:
        """Stride of the first layer; None if it has no stride."""
        return getattr(self.body[0], "stride", None)

    def adapt(self, recipe: StyleRecipe) -> Network:
        """Apply the pooling, stride and preprocessing of a style recipe, and return self. Weights stay unchanged.

        The channel order is kept, since the first filters depend on it.
        """
        if recipe.pooling:
            self.set_pooling(recipe.pooling, whole=True)
        if recipe.stride:
            self.body[0].stride = recipe.stride  # type: ignore[attr-defined]
        if recipe.preprocessing:
            self.preprocessing = preprocessing(recipe.preprocessing).ordered(self.preprocessing.order)
        return self

    def check_layer(self, name: str) -> None:
        """Raise InputError, listing the known names, if features() does not accept `name`."""
        layer_name, _, part = name.partition(".")
        known = {layer.name: layer for layer in every(self.layers)}
        if layer_name not in known or (part and not (part == "linear" and isinstance(known[layer_name], nn.Conv2d))):
            raise InputError(
                f"features: layer {name!r} is unknown; {self.card.name} has {listed(self.layer_names, most=40)}, "
                f"and NAME.linear for a convolution before its ReLU{nearest(layer_name, self.layer_names)}"
            )

    def _enter(self, x: Tensor) -> Tensor:
        """Return x preprocessed, after scaling uint8 to [0, 1]. Raises InputError if x does not fit the card."""
        x = floating(x)
        if x.ndim != 4 or x.shape[-1] != 3 or x.dtype.kind != "f":
            raise InputError(
                f"{self.card.name}: x has shape {x.shape} and dtype {x.dtype}; "
                "expected floats (N, H, W, 3), RGB in [0, 1], or uint8"
            )
        if self.card.embedding is not None:
            height, width = self.card.input_size
            if x.shape[1:3] != (height, width):
                raise InputError(f"{self.card.name}: x has shape {x.shape}; expected (N, {height}, {width}, 3)")
            if x.size and not -SLACK <= x.data.min() <= x.data.max() <= 1 + SLACK:
                raise InputError(
                    f"{self.card.name}: x goes from {x.data.min():.4g} to {x.data.max():.4g}; expected RGB in [0, 1], "
                    "which the network prepares itself"
                )
        return self.preprocessing(x)


def floating(x: Tensor) -> Tensor:
    """Return pictures of uint8 as floats in [0, 1], and any other Tensor as it is."""
    return Tensor(scaled(x.data)) if x.dtype == np.uint8 else x


def pool(pooling: str, size: int, **options: Any) -> nn.Module:
    """Return a pooling layer, "max" or "avg". options: as for nn.MaxPool2d. Raises InputError."""
    if pooling not in POOLS:
        raise InputError(f"pooling is {pooling!r}; expected one of {', '.join(POOLS)}")
    return POOLS[pooling](size, **options)

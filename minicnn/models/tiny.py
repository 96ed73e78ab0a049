"""tiny_vgg: a network for CIFAR-10, small enough to be trained and shipped with minicnn."""

from __future__ import annotations

import numpy as np

from minicnn import nn
from minicnn.datasets.cifar10 import CLASSES
from minicnn.models import vgg
from minicnn.models.blocks import GlobalAverage
from minicnn.models.card import ModelCard, StyleRecipe
from minicnn.models.pretrained import WeightsLike, load_weights
from minicnn.models.vgg import VGG

WIDTHS = (32, 96, 192, 256, 256)
DEPTHS = (2, 2, 2, 2, 1)

# Judged by eye on three paintings and photographs at 256, 512 and 1024 pixels. A network trained on CIFAR-10 captures
# texture better than shape. Wasserstein costs set the palette and keep faces; with Gram matrices, faces get lost in
# texture. Two content layers preserve them, too, and squared variation removes speckles. The cost of halves gives long
# strokes, which grow with the picture; small first sizes give them too, but lose the eyes. A pyramid of pixels and a
# falling rate leave fewer fine lines.
RECIPE = StyleRecipe(
    summary="tiny_vgg's own: Wasserstein costs over the picture and its halves",
    content_layers={"block3_conv2": 0.5, "block4_conv2": 0.5},
    style_layers={
        "block1_conv1": 1.0,
        "block2_conv1": 0.4,
        "block3_conv1": 0.3,
        "block4_conv1": 0.3,
        "block5_conv1": 0.2,
    },
    content_form="mean",
    style_form="wasserstein-ridge",
    alpha=0.05,
    beta=1.0,
    total_variation=0.3,
    variation_form="mean-squared",
    pooling="avg",
    learning_rate=0.03,
    steps=100,
    schedule="cosine",
    scales=(1.0,) * 6,
    smallest_scale=96,
    parametrization="pyramid",
)

CARD = ModelCard(
    name="tiny_vgg",
    input_size=(32, 32),
    preprocessing="cifar10",
    recipe=RECIPE,
    style_layers=tuple(RECIPE.style_layers),
    content_layer="block4_conv2",
    classes=CLASSES,
)


def tiny_vgg(weights: WeightsLike | None = "tiny_vgg", *, pooling: str = "max", seed: nn.Seed = 0) -> VGG:
    """Build tiny_vgg, a VGG of 2.2 million parameters for CIFAR-10.

    model(x) is (N, 10) logits for pictures (N, H, W, 3) of any size, RGB in [0, 1].
    weights: a catalogue name or a file; None draws them from `seed`. pooling: "max", or "avg" for style transfer.
    Raises InputError, MissingFileError, or LoadError for a damaged file or one of another network.
    """
    if weights is None:
        return build(pooling=pooling, seed=seed)
    return load_weights(build(pooling=pooling, initial="zeros"), weights)


def build(*, pooling: str = "max", batch_norm: bool = False, initial: str = "he", seed: nn.Seed = 0) -> VGG:
    """Build tiny_vgg without trained weights: five blocks, nine convolutions, and a linear classifier."""
    random = np.random.default_rng(seed)
    model = VGG(CARD, WIDTHS, DEPTHS, pooling=pooling, batch_norm=batch_norm, initial=initial, seed=random)
    classifier = nn.Linear(WIDTHS[-1], len(CLASSES), seed=random, name="predictions")
    model.top = [GlobalAverage(name="global_average"), classifier]
    return model


def fold(trained: VGG) -> VGG:
    """Return the same function without batch norm, whose scale and shift are folded into the convolutions."""
    return vgg.fold(trained, build(initial="zeros"))

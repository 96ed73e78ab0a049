"""Networks small enough to be trained here and shipped: tiny_vgg, trained on CIFAR-10."""

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

# Judged by eye on three paintings and photographs at 256, 512 and 1024 pixels. A network of CIFAR-10 knows texture
# better than shape: relative costs let its deep layers be heard, two content layers keep a face a face, and squared
# variation removes its speckles. The first layer, heard most, brings the palette; small first sizes, the long strokes.
# The cost of halves, too, and a rate that falls make strokes wider at 384 pixels, but take a face apart at 256.
RECIPE = StyleRecipe(
    summary="tiny_vgg's own: every layer's cost relative to the style's",
    content_layers={"block3_conv2": 0.5, "block4_conv2": 0.5},
    style_layers={
        "block1_conv1": 1.0,
        "block2_conv1": 0.4,
        "block3_conv1": 0.3,
        "block4_conv1": 0.3,
        "block5_conv1": 0.2,
    },
    style_form="relative",
    alpha=0.9,
    beta=1.0,
    total_variation=1.5,
    variation_form="mean-squared",
    pooling="avg",
    learning_rate=0.03,
    steps=150,
    levels=0,
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
    """A VGG of 2.2 million parameters for CIFAR-10; model(x) is (N, 10) logits for pictures of any size.

    weights: a catalogue name or a file; None draws them from `seed`. pooling: "max", or "avg" for style.
    Raises InputError, MissingFileError, or LoadError for a file that is of another network or damaged.
    """
    if weights is None:
        return build(pooling=pooling, seed=seed)
    return load_weights(build(pooling=pooling, initial="zeros"), weights)


def build(*, pooling: str = "max", batch_norm: bool = False, initial: str = "he", seed: nn.Seed = 0) -> VGG:
    """tiny_vgg without weights: five blocks, nine convolutions, and a linear classifier."""
    random = np.random.default_rng(seed)
    model = VGG(CARD, WIDTHS, DEPTHS, pooling=pooling, batch_norm=batch_norm, initial=initial, seed=random)
    classifier = nn.Linear(WIDTHS[-1], len(CLASSES), seed=random, name="predictions")
    model.top = [GlobalAverage(name="global_average"), classifier]
    return model


def fold(trained: VGG) -> VGG:
    """The same function without batch norm: its scale and shift move into the convolution before it."""
    return vgg.fold(trained, build(initial="zeros"))

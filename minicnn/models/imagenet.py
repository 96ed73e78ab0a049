"""VGG-16 and VGG-19, as trained on ImageNet by their authors. Source: Simonyan & Zisserman 2015."""

from __future__ import annotations

import numpy as np

from minicnn import nn
from minicnn.models.card import ModelCard, StyleRecipe
from minicnn.models.pretrained import WeightsLike, load_weights
from minicnn.models.vgg import VGG

WIDTHS = (64, 128, 256, 512, 512)
DEPTHS = {"vgg16": (2, 2, 3, 3, 3), "vgg19": (2, 2, 4, 4, 4)}
SIZE = 224
CLASSES = 1000
# What a file may hold more than a network without top; dense, … where it does not name its layers.
TOP_LAYERS = ("fc1", "fc2", "predictions", "dense", "dense_1", "dense_2")

# The constants of deeplearning.ai's course, from the photograph itself instead of a blend with noise.
RECIPE = StyleRecipe(
    summary="the course's costs, starting from the photograph",
    content_layers={"block4_conv2": 1.0},
    style_layers={f"block{block}_conv1": 0.2 for block in range(1, 6)},
    pooling="avg",
    preprocessing="vgg",
    learning_rate=0.02,
    steps=200,
)


def vgg16(
    weights: WeightsLike | None = None, *, include_top: bool = False, pooling: str = "max", seed: nn.Seed = 0
) -> VGG:
    """VGG-16: 13 convolutions, 14,714,688 parameters; 138,357,544 with the classifier.

    weights: a catalogue name, or a file by Keras or minicnn; None draws them from `seed` (He et al. 2015).
    include_top: add the classifier. Pictures are 224×224 then, and model(x) is (N, 1000) logits, whose softmax
    Keras calls predictions. pooling: "max", or "avg" for style transfer.
    Raises InputError, MissingFileError, or LoadError for a file that is of another network or damaged.
    """
    if weights is None:
        return build("vgg16", include_top=include_top, pooling=pooling, seed=seed)
    return _loaded("vgg16", weights, include_top, pooling)


def vgg19(
    weights: WeightsLike | None = None, *, include_top: bool = False, pooling: str = "max", seed: nn.Seed = 0
) -> VGG:
    """VGG-19: 16 convolutions, 20,024,384 parameters; 143,667,240 with the classifier. Else as vgg16."""
    if weights is None:
        return build("vgg19", include_top=include_top, pooling=pooling, seed=seed)
    return _loaded("vgg19", weights, include_top, pooling)


def _loaded(name: str, weights: WeightsLike, include_top: bool, pooling: str) -> VGG:
    model = build(name, include_top=include_top, pooling=pooling, drawn=False)
    return load_weights(model, weights, ignore=() if include_top else TOP_LAYERS)


def build(name: str, *, include_top: bool = False, pooling: str = "max", drawn: bool = True, seed: nn.Seed = 0) -> VGG:
    """vgg16 or vgg19 without trained weights: drawn from `seed`, or zeros where weights are yet to come."""
    card = ModelCard(
        name=name,
        input_size=(SIZE, SIZE),
        preprocessing="vgg",
        style_layers=tuple(f"block{block}_conv1" for block in range(1, 6)),
        content_layer="block4_conv2",
        recipe=RECIPE,
    )
    random = np.random.default_rng(seed)
    he, glorot = ("he", "glorot") if drawn else ("zeros", "zeros")
    model = VGG(card, WIDTHS, DEPTHS[name], pooling=pooling, initial=he, seed=random)
    if include_top:
        features = (SIZE // 32) ** 2 * WIDTHS[-1]  # five pools halve each side five times
        model.top = [
            nn.Flatten(name="flatten"),
            nn.Linear(features, 4096, activation="relu", initial=he, seed=random, name="fc1"),
            nn.Linear(4096, 4096, activation="relu", initial=he, seed=random, name="fc2"),
            nn.Linear(4096, CLASSES, initial=glorot, seed=random, name="predictions"),
        ]
    return model

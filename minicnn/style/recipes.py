"""Recipes of other systems, as data. The recipe that suits a network's own weights is on its card.

Weights of costs and total variation are each system's own numbers. Learning rates are converted to pictures in [0, 1].
Adam moves a pixel by about its rate, so a rate of 2 for pixels up to 255 becomes 2/255. For plain gradient descent, the
gradient is 255 times larger and the pixel 255 times smaller, so the rate is divided by 255². L-BFGS finds its own step
length, except for the first trial.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from minicnn.errors import InputError
from minicnn.models.card import StyleRecipe

CONV1_LAYERS = tuple(f"block{i}_conv1" for i in range(1, 6))
WIDTHS = (64, 128, 256, 512, 512)  # channels of these layers in VGG
FIFTHS = dict.fromkeys(CONV1_LAYERS, 0.2)
ONES = dict.fromkeys(CONV1_LAYERS, 1.0)
LBFGS: Mapping[str, Any] = {"optimizer": "lbfgs", "learning_rate": 0.1}

PRESETS: Mapping[str, StyleRecipe] = {
    "course": StyleRecipe(
        summary="deeplearning.ai's Art Generation as first given (TensorFlow 1), pictures of 400×300",
        content_layers={"block4_conv2": 1.0},
        style_layers=FIFTHS,
        alpha=10.0,
        beta=40.0,
        pooling="avg",
        preprocessing="vgg-rgb",
        start="blend",
        learning_rate=2 / 255,
        steps=200,
        clamp="end",
    ),
    "course-tf2": StyleRecipe(
        summary="deeplearning.ai's Art Generation since then (TensorFlow 2), pictures of 400×400",
        content_layers={"block5_conv4": 1.0},
        style_layers=FIFTHS,
        alpha=10.0,
        beta=40.0,
        pooling="max",
        preprocessing="none",
        start="jitter",
        learning_rate=0.01,
        steps=2501,
    ),
    "gatys": StyleRecipe(
        summary="Gatys, Ecker & Bethge 2015, the paper, with α/β = 1e-3",
        content_layers={"block4_conv2": 1.0},
        style_layers=FIFTHS,
        content_form="gatys",
        alpha=1.0,
        beta=1000.0,
        pooling="avg",
        preprocessing="vgg",
        start="noise",
        steps=500,
        clamp="end",
        **LBFGS,
    ),
    "johnson": StyleRecipe(
        summary="jcjohnson/neural-style, and ProGamerGov/neural-style-pt but for its Σ|d|",
        content_layers={"block4_conv2": 1.0},
        style_layers=ONES,
        content_form="mean",
        style_form="johnson",
        alpha=5.0,
        beta=100.0,
        total_variation=1e-3,
        variation_form="half-squared",
        pooling="max",
        preprocessing="vgg-256",
        start="mean-colour",
        steps=1000,
        clamp="end",
        **LBFGS,
    ),
    "athalye": StyleRecipe(
        summary="anishathalye/neural-style, whose content blend is 1: conv4_2, nothing of conv5_2",
        content_layers={"block4_conv2": 1.0, "block5_conv2": 0.0},
        style_layers=FIFTHS,
        content_form="mean",
        style_form="johnson",
        alpha=5.0,
        beta=500.0,
        total_variation=100.0,
        variation_form="means",
        pooling="max",
        preprocessing="vgg-rgb",
        start="faint-noise",
        learning_rate=10 / 255,
        steps=1000,
        clamp="end",
    ),
    "gatys-pytorch": StyleRecipe(
        summary="leongatys/PytorchNeuralStyleTransfer",
        content_layers={"block4_conv2": 1.0},
        style_layers={name: 1e3 / width**2 for name, width in zip(CONV1_LAYERS, WIDTHS, strict=True)},
        content_form="mean",
        style_form="mean",
        alpha=1.0,
        beta=1.0,
        pooling="max",
        preprocessing="vgg",
        start="content",
        steps=500,
        clamp="end",
        **LBFGS,
    ),
    "gordic": StyleRecipe(
        summary="gordicaleksa/pytorch-neural-style-transfer, on VGG-19",
        content_layers={"block4_conv2": 1.0},
        style_layers=FIFTHS,
        content_form="mean",
        style_form="mean",
        alpha=1e5,
        beta=3e4,
        total_variation=1.0,
        variation_form="absolute",
        pooling="max",
        preprocessing="imagenet-255",
        start="content",
        steps=1000,
        clamp="end",
        **LBFGS,
    ),
    "pytorch": StyleRecipe(
        summary="the PyTorch tutorial: layers before their ReLU",
        content_layers={"block2_conv2.linear": 1.0},
        style_layers=dict.fromkeys(
            (f"block{layer}.linear" for layer in ("1_conv1", "1_conv2", "2_conv1", "2_conv2", "3_conv1")), 1.0
        ),
        content_form="mean",
        style_form="johnson",
        alpha=1.0,
        beta=1e6,
        pooling="max",
        preprocessing="imagenet",
        start="content",
        steps=300,
        **LBFGS,
    ),
    "keras": StyleRecipe(
        summary="the Keras example, but for its rate, which falls with time there",
        content_layers={"block5_conv2": 1.0},
        style_layers=FIFTHS,
        content_form="sum",
        style_form="keras",
        alpha=2.5e-8,
        beta=1e-6,
        total_variation=1e-6,
        variation_form="rounded",
        pooling="max",
        preprocessing="vgg",
        start="content",
        optimizer="gd",
        learning_rate=100 / 255**2,
        steps=4000,
        clamp="end",
    ),
    "crowson": StyleRecipe(
        summary="crowsonkb/style-transfer-pytorch at one size, of its many",
        content_layers={"block4_conv2": 1.0},
        style_layers={name: weight / 341 for name, weight in zip(CONV1_LAYERS, (256, 64, 16, 4, 1), strict=True)},
        content_form="mean",
        style_form="wasserstein",
        alpha=0.015,
        beta=1.0,
        total_variation=2.0,
        variation_form="nine-point",
        pooling="max",
        preprocessing="imagenet",
        start="content",
        learning_rate=0.02,
        steps=1000,
    ),
}


def presets() -> dict[str, StyleRecipe]:
    """Return {name: StyleRecipe} of every preset."""
    return dict(PRESETS)


def preset(name: str) -> StyleRecipe:
    """Return the preset of this name. Raises InputError for an unknown name."""
    if name not in PRESETS:
        raise InputError(f"preset is {name!r}; expected one of {', '.join(PRESETS)}")
    return PRESETS[name]

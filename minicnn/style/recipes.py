"""Recipes of other systems, as data. A model's card carries the recipe that suits its own weights."""

from __future__ import annotations

from collections.abc import Mapping

from minicnn.errors import InputError
from minicnn.models.card import StyleRecipe

CONV1_LAYERS = tuple(f"block{i}_conv1" for i in range(1, 6))

PRESETS: Mapping[str, StyleRecipe] = {
    "course": StyleRecipe(
        summary="deeplearning.ai's Art Generation notebook: a blend of noise and content, Adam",
        content_layers={"block4_conv2": 1.0},
        style_layers=dict.fromkeys(CONV1_LAYERS, 0.2),
        alpha=10.0,
        beta=40.0,
        pooling="avg",
        preprocessing="vgg",
        start="blend",
        noise=0.6,
        noise_range=20 / 255,
        learning_rate=2 / 255,  # its 2.0 is in units of 0 … 255
        steps=200,
    ),
    "gatys": StyleRecipe(
        summary="Gatys, Ecker & Bethge 2015: from white noise, the paper's own constants",
        content_layers={"block4_conv2": 1.0},
        style_layers=dict.fromkeys(CONV1_LAYERS, 0.2),
        content_scale="gatys",
        alpha=1.0,
        beta=1000.0,
        pooling="avg",
        preprocessing="vgg",
        start="noise",
        learning_rate=0.02,
        steps=500,
    ),
}


def presets() -> dict[str, StyleRecipe]:
    """{name: StyleRecipe} of every preset."""
    return dict(PRESETS)


def preset(name: str) -> StyleRecipe:
    """The preset of this name."""
    if name not in PRESETS:
        raise InputError(f"preset is {name!r}; expected one of {', '.join(PRESETS)}")
    return PRESETS[name]

"""Checking a caller's request and fitting it to the network: recipe, style pictures and first iterate."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from minicnn import optim
from minicnn.errors import InputError, check_count
from minicnn.images import as_image
from minicnn.models.card import PREPROCESSING, StyleRecipe, preprocessing
from minicnn.models.network import POOLS, Network
from minicnn.style.costs import CONTENT_FORMS, STYLE_FORMS, chosen
from minicnn.style.recipes import preset as preset_named
from minicnn.style.starts import STARTS
from minicnn.style.variation import VARIATION_FORMS

OPTIMIZERS: dict[str, Callable[..., optim.Optimizer]] = {
    "adam": optim.Adam,
    "gd": optim.SGD,
    "sgd": optim.SGD,
    "lbfgs": optim.LBFGS,
}
CLAMPS = {"step": "after every step", "end": "at the end"}
SCHEDULES = {"constant": "the same at every step", "cosine": "falling to zero along half a cosine"}
PARAMETRIZATIONS = {"pixels": "each by itself", "pyramid": "and ever larger patches of them"}
# Fields of a recipe that are one of several names.
CHOICES: Mapping[str, Mapping[Any, Any]] = {
    "optimizer": OPTIMIZERS,
    "content_form": CONTENT_FORMS,
    "style_form": STYLE_FORMS,
    "variation_form": VARIATION_FORMS,
    "clamp": CLAMPS,
    "schedule": SCHEDULES,
    "parametrization": PARAMETRIZATIONS,
    "start": STARTS,
    "pooling": {**POOLS, None: None},
    "preprocessing": {**PREPROCESSING, None: None},
}


def choose_recipe(model: Network, preset: str | None) -> StyleRecipe:
    """Return the preset's recipe, or the one on the model's card. Raises InputError."""
    if model.card.embedding is not None:
        raise InputError(
            f"transfer: {model.card.name} knows faces and no style; expected vgg19, squeezenet or their like"
        )
    own = model.card.recipe
    if preset is not None:
        recipe = preset_named(preset)
        # A preset sets no stride for this network, so use the card's.
        return dataclasses.replace(recipe, stride=own.stride) if own and recipe.stride is None else recipe
    if own is None:
        raise InputError(f"transfer: {model.card.name} has no recipe of its own; expected a preset")
    return own


def changed(recipe: StyleRecipe, **changes: Any) -> StyleRecipe:
    """Return the recipe with the caller's changes, checked. Raises InputError."""
    changes = {name: value for name, value in changes.items() if value is not None}
    known = {f.name for f in dataclasses.fields(StyleRecipe)}
    for name in changes:
        if name not in known:
            raise InputError(f"transfer: {name!r} is unknown; a recipe has {', '.join(sorted(known - {'summary'}))}")
    recipe = dataclasses.replace(recipe, **changes)
    recipe = dataclasses.replace(
        recipe,
        steps=check_count("transfer: steps", recipe.steps),
        levels=check_count("transfer: levels", recipe.levels, 0),
        coarsest=check_count("transfer: coarsest", recipe.coarsest),
        smallest_scale=check_count("transfer: smallest_scale", recipe.smallest_scale),
    )
    for name in ("alpha", "beta", "total_variation", "learning_rate"):
        if not _is_weight(getattr(recipe, name)):
            raise InputError(f"transfer: {name} is {getattr(recipe, name)!r}; expected a number of at least 0")
    for name, table in CHOICES.items():
        chosen(f"transfer: {name}", getattr(recipe, name), table)
    for name in ("content_layers", "style_layers"):
        layers = getattr(recipe, name)
        if not isinstance(layers, Mapping) or not layers or not all(map(_is_weight, layers.values())):
            raise InputError(f"transfer: {name} is {layers!r}; expected {{layer: weight of at least 0}}")
    scales = recipe.scales
    if not isinstance(scales, list | tuple) or not scales or not all(_is_weight(each) and each > 0 for each in scales):
        raise InputError(f"transfer: scales is {scales!r}; expected weights above 0, of the picture, its half, …")
    return recipe


def _is_weight(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf


def fit_layers(recipe: StyleRecipe, model: Network) -> tuple[StyleRecipe, list[str]]:
    """Replace layers that the network does not have by the card's. Returns (recipe, notes)."""
    card, content, style = model.card, recipe.content_layers, recipe.style_layers
    lacking, instead = [], []
    if (missing := _unknown(content, model)) and card.content_layer:
        content = {card.content_layer: sum(content.values())}
        lacking += missing
        instead.append(f"content is seen at {card.content_layer}")
    if (missing := _unknown(style, model)) and card.style_layers:
        style = _weighed(card.style_layers, list(style.values()))
        lacking += missing
        instead.append(f"style is seen at {', '.join(style)}")
    notes = [f"{card.name} has no {', '.join(lacking)}: {', '.join(instead)}"] if lacking else []
    return dataclasses.replace(recipe, content_layers=content, style_layers=style), notes


def _weighed(layers: Sequence[str], weights: list[float]) -> dict[str, float]:
    """Return {layer: weight} in order; equal weights if the numbers differ."""
    if len(layers) != len(weights):
        return dict.fromkeys(layers, sum(weights) / len(layers))
    return dict(zip(layers, weights, strict=True))


def _unknown(layers: Mapping[str, float], model: Network) -> list[str]:
    return [name for name in layers if name.removesuffix(".linear") not in model.layer_names]


def fit_parametrization(recipe: StyleRecipe) -> tuple[StyleRecipe, list[str]]:
    """Return the recipe with pixels instead of a pyramid unless the optimizer is Adam, and a note that says so."""
    if recipe.parametrization == "pixels" or recipe.optimizer == "adam":
        return recipe, []
    note = f"{recipe.optimizer} moves pixels; a pyramid of them is for adam"
    return dataclasses.replace(recipe, parametrization="pixels"), [note]


def differences(recipe: StyleRecipe, model: Network) -> list[str]:
    """Return notes on where the model differs from the recipe."""
    notes = []
    if recipe.pooling not in (None, model.pooling):
        notes.append(f"the recipe pools by {recipe.pooling}, {model.card.name} as given by {model.pooling}")
    if recipe.stride not in (None, model.stride):
        notes.append(f"the recipe begins with stride {recipe.stride}, {model.card.name} as given with {model.stride}")
    if recipe.preprocessing is not None:
        theirs = preprocessing(recipe.preprocessing).ordered(model.preprocessing.order)
        if theirs != model.preprocessing:
            notes.append(
                f"the recipe's preprocessing is {theirs}, that of {model.card.name} as given {model.preprocessing}"
            )
        elif theirs != (known := preprocessing(model.card.preprocessing)):
            notes.append(
                f"the recipe's constants are for weights that learned with {theirs}; {model.card.name} has learned "
                f"with {known}, so the picture may be mud or noise: without a preset, its own recipe is taken"
            )
    return notes


def start_from(init: str | np.ndarray, content: np.ndarray, model: Network, random: np.random.Generator) -> np.ndarray:
    """Return the first iterate, float32 like `content`. init: a picture, or a name of STARTS. Raises InputError."""
    if isinstance(init, np.ndarray):
        picture = as_image(init, name="transfer: init")
        if picture.shape != content.shape:
            raise InputError(f"transfer: init has shape {picture.shape}; expected {content.shape}, as the content")
        return picture
    if not isinstance(init, str) or init not in STARTS:
        raise InputError(f"transfer: init is {init!r}; expected one of {', '.join(STARTS)}, or a picture")
    return STARTS[init](content, model.preprocessing.neutral(), random)


def style_pictures(
    style: Any, content: np.ndarray, *, size: int | None = None, style_scale: float | None = None
) -> list[tuple[np.ndarray, float]]:
    """Return (picture, weight) of each style, from one picture, or a list of pictures or of (picture, weight).

    A picture is a path or floats (H, W, 3) in [0, 1]. Weights are relative, by default 1.
    style_scale: the long side of each style divided by the content's; at 2, strokes are twice as large. None: the
    styles have the long side `size`, or stay unchanged if that is None, too. Raises InputError.
    """
    if style_scale is not None:
        if not _is_weight(style_scale) or not style_scale > 0:
            raise InputError(f"transfer: style_scale is {style_scale!r}; expected a number above 0")
        size = max(1, round(style_scale * max(content.shape[:2])))
    pairs = pairs_of(style)
    if not pairs or not sum(weight for _, weight in pairs) > 0:
        raise InputError("transfer: style has no picture with a weight above 0; expected one at least")
    names = ["transfer: style"] if len(pairs) == 1 else [f"transfer: style {i}" for i in range(1, len(pairs) + 1)]
    return [
        (as_image(picture, name=name, size=size), float(weight))
        for name, (picture, weight) in zip(names, pairs, strict=True)
    ]


def pairs_of(style: Any) -> list[tuple[Any, float]]:
    """Return (picture as given, weight) of each style."""
    return [_pair(each) for each in style] if isinstance(style, list | tuple) else [(style, 1.0)]


def _pair(each: Any) -> tuple[Any, float]:
    if not isinstance(each, tuple):
        return each, 1.0
    if len(each) != 2 or not _is_weight(each[1]):
        raise InputError("transfer: style has an entry that is neither a picture nor (picture, weight of at least 0)")
    return each

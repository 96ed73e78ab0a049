"""From what a caller asks for to what is run: the recipe, fitted to the network, and the picture to begin with."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from minicnn import optim
from minicnn.errors import InputError
from minicnn.images import as_image
from minicnn.models.card import StyleRecipe
from minicnn.models.network import Network
from minicnn.style.recipes import preset as preset_named

OPTIMIZERS: dict[str, type[optim.Optimizer]] = {"adam": optim.Adam, "gd": optim.SGD, "sgd": optim.SGD}
STARTS = ("content", "noise", "blend")


def choose_recipe(model: Network, preset: str | None) -> StyleRecipe:
    """The preset's recipe, or the one on the model's card."""
    if model.card.embedding is not None:
        raise InputError(
            f"transfer: {model.card.name} knows faces and no style; expected vgg19, squeezenet or their like"
        )
    own = model.card.recipe
    if preset is not None:
        recipe = preset_named(preset)
        # A preset knows nothing of this network's first step, so its card is asked.
        return dataclasses.replace(recipe, stride=own.stride) if own and recipe.stride is None else recipe
    if own is None:
        raise InputError(f"transfer: {model.card.name} has no recipe of its own; expected a preset")
    return own


def changed(recipe: StyleRecipe, **changes: Any) -> StyleRecipe:
    """The recipe with what the caller set, checked."""
    changes = {name: value for name, value in changes.items() if value is not None}
    known = {f.name for f in dataclasses.fields(StyleRecipe)}
    for name in changes:
        if name not in known:
            raise InputError(f"transfer: {name!r} is unknown; a recipe has {', '.join(sorted(known - {'summary'}))}")
    recipe = dataclasses.replace(recipe, **changes)
    if not isinstance(recipe.steps, int) or isinstance(recipe.steps, bool) or recipe.steps < 1:
        raise InputError(f"transfer: steps is {recipe.steps!r}; expected an integer of at least 1")
    if recipe.optimizer not in OPTIMIZERS:
        raise InputError(f"transfer: optimizer is {recipe.optimizer!r}; expected one of {', '.join(OPTIMIZERS)}")
    for name in ("alpha", "beta", "total_variation", "learning_rate"):
        value = getattr(recipe, name)
        if not isinstance(value, (int, float)) or not 0 <= value < math.inf:
            raise InputError(f"transfer: {name} is {value!r}; expected a number of at least 0")
    for name in ("content_layers", "style_layers"):
        if not isinstance(getattr(recipe, name), Mapping) or not getattr(recipe, name):
            raise InputError(f"transfer: {name} is {getattr(recipe, name)!r}; expected {{layer: weight}}")
    return recipe


def fit_layers(recipe: StyleRecipe, model: Network) -> tuple[StyleRecipe, list[str]]:
    """Put the card's layers in the place of a recipe's that the network does not have, and say so."""
    card, notes = model.card, []
    content, style = recipe.content_layers, recipe.style_layers
    if (missing := _unknown(content, model)) and card.content_layer:
        content = {card.content_layer: sum(content.values())}
        notes.append(f"{card.name} has no {missing}; content is seen at {card.content_layer}")
    if (missing := _unknown(style, model)) and card.style_layers:
        style = dict.fromkeys(card.style_layers, sum(style.values()) / len(card.style_layers))
        notes.append(f"{card.name} has no {missing}; style is seen at {', '.join(card.style_layers)}")
    return dataclasses.replace(recipe, content_layers=content, style_layers=style), notes


def _unknown(layers: Mapping[str, float], model: Network) -> str:
    return ", ".join(name for name in layers if name.removesuffix(".linear") not in model.layer_names)


def differences(recipe: StyleRecipe, model: Network) -> list[str]:
    """Where a model is used as it is though the recipe would have it otherwise."""
    notes = []
    if recipe.pooling not in (None, model.pooling):
        notes.append(f"the recipe pools by {recipe.pooling}, {model.card.name} as given by {model.pooling}")
    if recipe.stride not in (None, model.stride):
        notes.append(f"the recipe begins with stride {recipe.stride}, {model.card.name} as given with {model.stride}")
    if recipe.preprocessing not in (None, model.card.preprocessing):
        theirs, ours = recipe.preprocessing, model.card.preprocessing
        notes.append(f"the recipe's preprocessing is {theirs}, that of {model.card.name} {ours}")
    return notes


def start_from(
    init: Any, content: np.ndarray, model: Network, recipe: StyleRecipe, random: np.random.Generator
) -> np.ndarray:
    if isinstance(init, np.ndarray):
        picture = as_image(init, name="transfer: init")
        if picture.shape != content.shape:
            raise InputError(f"transfer: init has shape {picture.shape}; expected {content.shape}, as the content")
        return picture
    if init == "content":
        return content
    if init == "noise":
        return random.random(content.shape, dtype=np.float32)
    if init == "blend":
        # Around the mean colour, as the course blends pictures from which the mean is subtracted.
        colour = model.preprocessing.neutral()
        noise = random.uniform(-recipe.noise_range, recipe.noise_range, content.shape).astype(np.float32)
        return np.clip(colour + recipe.noise * noise + (1 - recipe.noise) * (content - colour), 0, 1).astype(np.float32)
    raise InputError(f"transfer: init is {init!r}; expected one of {', '.join(STARTS)}, or a picture")

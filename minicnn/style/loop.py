"""Style transfer: gradient descent on the pixels of a picture, with the network held still."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from tqdm import tqdm

import minicnn
from minicnn import models, optim
from minicnn.errors import InputError
from minicnn.images import as_image
from minicnn.models.card import StyleRecipe
from minicnn.models.network import Network
from minicnn.nn import frozen
from minicnn.style.costs import add_up, content_cost, gram_cost, mean_gram, total_variation
from minicnn.style.recipes import preset as preset_named
from minicnn.tensor import Tensor, no_grad

OPTIMIZERS: dict[str, type[optim.Optimizer]] = {"adam": optim.Adam, "gd": optim.SGD, "sgd": optim.SGD}
STARTS = ("content", "noise", "blend")

OnStep = Callable[[int, np.ndarray, dict[str, float]], Any]


@dataclasses.dataclass
class StyleResult:
    """image: float32 (H, W, 3) in [0, 1], the iterate of lowest cost. history: the costs of iterates 0, 1, 2, …

    manifest: what was run, as plain data.
    """

    image: np.ndarray
    history: list[dict[str, float]]
    manifest: dict[str, Any]


def transfer(
    content: Any,
    style: Any,
    *,
    model: Network | None = None,
    preset: str | None = None,
    size: int | None = None,
    steps: int | None = None,
    optimizer: str | None = None,
    init: str | np.ndarray | None = None,
    seed: int = 0,
    on_step: OnStep | None = None,
    learning_rate: float | None = None,
    progress: bool | None = None,
    **changes: Any,
) -> StyleResult:
    """Paint the content of one picture in the style of another. Source: Gatys, Ecker & Bethge 2015.

    content, style: a path, or floats (H, W, 3) in [0, 1]; they may differ in size.
    model: the network that looks at the pictures, as it is (model.adapt(recipe) makes it pool as a recipe wants); None
    is tiny_vgg, adapted.
    preset: a name of style.presets(); None is the recipe of the model's card.
    size: the long side in pixels of both pictures; None leaves them as they are.
    steps, optimizer ("adam", or "gd" for plain gradient descent), learning_rate: instead of the recipe's.
    init: "content", "noise", "blend", or a picture to start from. seed: of the noise.
    on_step(step, image, costs): called after every step with the picture after it, a read-only view that is valid
    during the call, and the costs that the step went down from.
    progress: a bar with the costs; None shows one on a terminal only.
    changes: any other field of StyleRecipe, such as alpha, total_variation or style_layers={name: weight}.
    Ctrl-C ends the run early; the result then is the best picture so far.
    """
    if model is None:
        model = models.tiny_vgg()
        model.adapt(choose_recipe(model, preset))
    recipe, notes = _fit_layers(choose_recipe(model, preset), model)
    recipe = _changed(recipe, steps=steps, optimizer=optimizer, learning_rate=learning_rate, **changes)
    notes += _differences(recipe, model)
    content = as_image(content, name="transfer: content", size=size)
    style = as_image(style, name="transfer: style", size=size)
    start = _start(init if init is not None else recipe.start, content, model, recipe, np.random.default_rng(seed))
    manifest = {
        "version": minicnn.__version__,
        "model": model.card.name,
        "preset": preset,
        "recipe": dataclasses.asdict(recipe),
        "size": list(content.shape[:2]),
        "seed": seed,
        "notes": notes,
        "interrupted": False,
    }
    with frozen(model):
        objective = Objective(model, recipe, content, style)
        image, history, interrupted = _descend(objective, recipe, start, on_step, progress)
    manifest["interrupted"] = interrupted
    return StyleResult(image, history, manifest)


class Objective:
    """J(image): content, style and total variation, with everything about the targets formed once."""

    def __init__(self, model: Network, recipe: StyleRecipe, content: np.ndarray, style: np.ndarray) -> None:
        self.model, self.recipe = model, recipe
        with no_grad():
            self.content = model.features(content[None], recipe.content_layers)
            seen = model.features(style[None], recipe.style_layers)
            self.style = {name: mean_gram(features) for name, features in seen.items()}

    def __call__(self, image: Tensor) -> tuple[Tensor, dict[str, float]]:
        """(J, its parts by name) for an image (1, H, W, 3)."""
        recipe = self.recipe
        seen = self.model.features(image, {**recipe.style_layers, **recipe.content_layers})
        contents = [
            content_cost(self.content[name], seen[name], scale=recipe.content_scale) * weight
            for name, weight in recipe.content_layers.items()
        ]
        styles = {
            name: gram_cost(self.style[name], seen[name], scale=recipe.style_scale) * weight
            for name, weight in recipe.style_layers.items()
        }
        parts = {"content": recipe.alpha * add_up(contents), "style": recipe.beta * add_up(list(styles.values()))}
        if recipe.total_variation:
            roughness = total_variation(image, power=recipe.variation_power) / image.size
            parts["total_variation"] = recipe.total_variation * roughness
        total = add_up(list(parts.values()))
        costs = {"total": total.item(), **{name: part.item() for name, part in parts.items()}}
        return total, {**costs, **{f"style {name}": cost.item() * recipe.beta for name, cost in styles.items()}}


def _descend(
    objective: Objective, recipe: StyleRecipe, start: np.ndarray, on_step: OnStep | None, progress: bool | None
) -> tuple[np.ndarray, list[dict[str, float]], bool]:
    """The loop. Returns the iterate of lowest cost, the costs of every iterate, and whether Ctrl-C ended it."""
    image = Tensor(start[None].copy(), requires_grad=True)
    kind = OPTIMIZERS[recipe.optimizer]
    bounds = {"bounds": (0.0, 1.0)} if kind is optim.Adam else {}  # in one pass over the picture with the step
    optimizer = kind([image], recipe.learning_rate, **bounds)
    best, lowest, history = start, math.inf, []
    bar = tqdm(total=recipe.steps, unit="step", desc="style", disable=None if progress is None else not progress)
    interrupted = False

    def look(cost: Tensor, costs: dict[str, float], step: int) -> None:
        nonlocal best, lowest
        if not math.isfinite(cost.item()):
            raise InputError(
                f"transfer: the cost became {cost.item()} at step {step}; "
                f"try a learning_rate below {recipe.learning_rate:g}"
            )
        history.append({"step": step, **costs})
        if cost.item() < lowest:
            lowest, best = cost.item(), image.data[0].copy()

    try:
        for step in range(recipe.steps):
            with np.errstate(over="ignore", invalid="ignore"):  # look() says it better than NumPy's warning
                cost, costs = objective(image)
            look(cost, costs, step)
            optimizer.zero_grad()
            cost.backward()
            optimizer.step()
            if not bounds:
                np.clip(image.data, 0, 1, out=image.data)
            bar.update()
            bar.set_postfix(J=f"{costs['total']:.4g}", content=f"{costs['content']:.3g}", style=f"{costs['style']:.3g}")
            if on_step is not None:
                view = image.data[0].view()
                view.flags.writeable = False
                on_step(step + 1, view, costs)
        with no_grad():
            look(*objective(image), recipe.steps)
    except KeyboardInterrupt:
        interrupted = True
    finally:
        bar.close()
    return best, history, interrupted


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


def _changed(recipe: StyleRecipe, **changes: Any) -> StyleRecipe:
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


def _fit_layers(recipe: StyleRecipe, model: Network) -> tuple[StyleRecipe, list[str]]:
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


def _differences(recipe: StyleRecipe, model: Network) -> list[str]:
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


def _start(
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

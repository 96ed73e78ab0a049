"""Style transfer: gradient descent on the pixels of a picture, with the network held still."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
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
from minicnn.style.objective import Objective
from minicnn.style.settings import OPTIMIZERS, changed, choose_recipe, differences, fit_layers, start_from
from minicnn.tensor import Tensor, no_grad

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
    recipe, notes = fit_layers(choose_recipe(model, preset), model)
    recipe = changed(recipe, steps=steps, optimizer=optimizer, learning_rate=learning_rate, **changes)
    notes += differences(recipe, model)
    content = as_image(content, name="transfer: content", size=size)
    style = as_image(style, name="transfer: style", size=size)
    start = start_from(init if init is not None else recipe.start, content, model, np.random.default_rng(seed))
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
        objective = Objective(model, recipe, content, [(style, 1.0)])
        image, history, interrupted = _descend(objective, recipe, start, on_step, progress)
    manifest["interrupted"] = interrupted
    return StyleResult(image, history, manifest)


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

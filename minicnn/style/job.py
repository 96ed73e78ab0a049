"""Style transfer: the public entry point, the checked job, and its result."""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from minicnn import models
from minicnn.errors import InputError, check_count
from minicnn.files import interrupts_wait
from minicnn.images import as_image
from minicnn.models.card import StyleRecipe
from minicnn.models.network import Network
from minicnn.nn import frozen
from minicnn.style import manifests, pyramid
from minicnn.style.checkpoints import Checkpoint
from minicnn.style.colour import ColourKeeper, colour_keeper
from minicnn.style.counts import check_size
from minicnn.style.regions import Map, Regions, read
from minicnn.style.request import (
    changed,
    choose_recipe,
    differences,
    fit_layers,
    fit_parametrization,
    pairs_of,
    start_from,
    style_pictures,
)
from minicnn.style.run import Run
from minicnn.style.scales import Styles
from minicnn.style.tiles import SMALLEST
from minicnn.style.trace import Diverged

OnStep = Callable[[int, np.ndarray, dict[str, float]], Any]
GREY = 0.02  # deviation of values below which a picture counts as blank


@dataclasses.dataclass
class StyleResult:
    """The result of a style transfer. image: float32 (H, W, 3) in [0, 1], the iterate of lowest cost.

    history: the costs of iterates 0, 1, 2, … manifest: a record of the run as plain data, from which
    style.from_manifest reproduces the picture.
    """

    image: np.ndarray
    history: list[dict[str, Any]]
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
    masks: Sequence[Any] | Map | None = None,
    style_masks: Sequence[Any] | None = None,
    tile: int | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    resume: bool = False,
    progress: bool | None = None,
    **others: Any,
) -> StyleResult:
    """Paint the content of one picture in the style of another, or of several. Source: Gatys, Ecker & Bethge 2015.

    content, style: a path, or floats (H, W, 3) in [0, 1]; they may differ in size. style may be a list of pictures, or
    of (picture, weight), which are mixed in these shares.
    model: the network to use, unchanged (model.adapt(recipe) applies a recipe's pooling); None: tiny_vgg, adapted.
    preset: a name of style.presets(); None: the recipe of the model's card.
    size: the long side in pixels of all pictures; None: unchanged.
    steps, optimizer ("adam", "lbfgs", or "gd" for plain gradient descent): override the recipe's.
    init: a name of style.starts.STARTS, such as "content", "noise" or "blend", or a picture to start from.
    seed: random seed of the noise.
    on_step(step, image, costs): called after every step with the new picture and the costs before the step. image is a
    read-only view that is valid only during the call. With several levels, its size changes.
    masks: one grey picture per style, of the content's size, as a path or floats (H, W) in [0, 1]; or a style.Map.
    White pixels get the style, grey ones a share of it. Pixels in no mask keep their look. style_masks: the part of
    each style picture to use, or None. Weights of styles then apply per region.
    tile: compute cost and gradient of larger pictures in tiles of this side in pixels. The result is exact; it takes
    less memory and more time.
    checkpoint: a file to save the run to, every ten seconds and when interrupted. resume: continue from it.
    progress: show a progress bar with the costs; None: on a terminal only.
    style_scale: the long side of a style divided by the content's; larger values give larger strokes.
    keep_colours: "luminance", "histogram" or "affine" keeps the content's colours (see style.colour).
    others: any other field of StyleRecipe, such as alpha, learning_rate, levels or style_layers={name: weight}.
    Ctrl-C finishes the step and ends the run with the best picture so far. So does a cost that becomes NaN.
    Raises InputError.
    """
    asked: dict[str, Any] = {"model": model, "preset": preset, "size": size, "steps": steps, "optimizer": optimizer}
    asked |= {"masks": masks, "style_masks": style_masks, "tile": tile}
    job = prepare(content, style, **asked, init=init, seed=seed, **others)
    return job.run(on_step, checkpoint=checkpoint, resume=resume, progress=progress)


def prepare(
    content: Any,
    style: Any,
    *,
    model: Network | None = None,
    preset: str | None = None,
    size: int | None = None,
    init: str | np.ndarray | None = None,
    seed: int = 0,
    style_scale: float | None = None,
    keep_colours: str | None = None,
    masks: Sequence[Any] | Map | None = None,
    style_masks: Sequence[Any] | None = None,
    tile: int | None = None,
    memory: dict[Any, Any] | None = None,
    **changes: Any,
) -> Job:
    """Read and check the arguments of `transfer`, and return the Job. Raises InputError.

    memory: shared by calls with the same model and styles, which are then prepared only once; empty at first.
    """
    seed = check_count("transfer: seed", seed, 0)
    tile = None if tile is None else check_count("transfer: tile", tile, SMALLEST)
    if model is None:
        model = models.tiny_vgg()
        model.adapt(choose_recipe(model, preset))
    recipe, notes = fit_layers(choose_recipe(model, preset), model)
    recipe, more = fit_parametrization(changed(recipe, **changes))
    keeper = None if keep_colours is None else colour_keeper(keep_colours)
    picture = as_image(content, name="transfer: content", size=size)
    long = max(picture.shape[:2])
    recipe = dataclasses.replace(recipe, levels=recipe.levels or pyramid.levels(long, recipe.coarsest))
    known = {} if memory is None else memory
    looked_at = (size, style_scale, max(picture.shape[:2]) if style_scale else None)
    if looked_at not in known:
        known[looked_at] = style_pictures(style, picture, size=size, style_scale=style_scale), {}
    styles, targets = known[looked_at]
    given = [style for style, _ in pairs_of(style)]
    regions = read(masks, style_masks, (content, picture), [(g, p) for g, (p, _) in zip(given, styles, strict=True)])
    for name, each in (("content", picture), *(("style", style) for style, _ in styles)):
        check_size(f"transfer: {name}", each, model, recipe)
    init = recipe.start if init is None else init
    start = start_from(init, picture, model, np.random.default_rng(seed))
    settings = {
        "content": manifests.of_picture(content, picture),
        "styles": manifests.of_styles(style, styles),
        "model": manifests.of_model(model),
        "preset": preset,
        "recipe": dataclasses.asdict(recipe),
        "init": init if isinstance(init, str) else manifests.of_picture(init, start),
        "seed": seed,
        "size": size,
        "style_scale": style_scale,
        "keep_colours": keep_colours,
        "tile": tile,
        **manifests.of_regions(masks, style_masks, regions),
    }
    styles = [
        (keeper.before(each, picture) if keeper else each, weight) for each, weight in styles if weight or regions
    ]
    notes += more + differences(recipe, model)
    # With any of these, the styles differ from picture to picture.
    shared = not (keeper or regions)
    return Job(model, recipe, picture, styles, start, keeper, settings, notes, regions, targets if shared else None)


@dataclasses.dataclass(frozen=True, eq=False)
class Job:
    """A style transfer that is ready to run. settings: plain data that determines the result.

    notes: remarks on how well the recipe fits the network. targets: shared by runs of the same styles (see Objective).
    """

    model: Network
    recipe: StyleRecipe
    content: np.ndarray
    styles: Styles
    start: np.ndarray
    keeper: ColourKeeper | None
    settings: dict[str, Any]
    notes: list[str]
    regions: Regions | None = None
    targets: dict[Any, Any] | None = None

    def run(
        self,
        on_step: OnStep | None = None,
        *,
        checkpoint: str | os.PathLike[str] | None = None,
        resume: bool = False,
        progress: bool | None = None,
    ) -> StyleResult:
        """Run the transfer. Arguments and errors as in `transfer`."""
        kept = None if checkpoint is None else Checkpoint(Path(checkpoint), self.settings)
        began = time.monotonic()
        with frozen(self.model):
            asked = self.model, self.recipe, self.content, self.styles, self.start, self.regions
            run = Run(*asked, self.settings["tile"], self.targets)
            if resume:
                if kept is None:
                    raise InputError("transfer: resume is True without a checkpoint; expected its path")
                _go_on(run, kept)
            interrupted, trouble = _finish(run, kept, on_step, progress)
        if kept is not None and not interrupted:
            kept.remove()
        image = self.keeper.after(run.result, self.content) if self.keeper else run.result
        manifest = {
            "versions": manifests.versions(),
            **self.settings,
            "sizes": [list(size) for size in run.sizes],
            "seconds": round(time.monotonic() - began, 1),
            "evaluations": run.trace.evaluations,
            "notes": [*self.notes, *trouble, *_greyness(image, self.content)],
            "interrupted": interrupted,
            "history": run.trace.history,
        }
        return StyleResult(image, run.trace.history, manifest)


def _go_on(run: Run, kept: Checkpoint) -> None:
    try:
        run.load_state(*kept.read())
    except (KeyError, TypeError, AttributeError) as problem:
        raise InputError(f"resume: {str(kept.path)!r} lacks a part of the run ({problem!r})") from None


def _finish(run: Run, kept: Checkpoint | None, on_step: OnStep | None, progress: bool | None) -> tuple[bool, list[str]]:
    """Finish the run. Returns (True if Ctrl-C ended it, notes on anything else that did)."""
    trace, shown = run.trace, {"unit": "step", "desc": "style", "disable": None if progress is None else not progress}
    with interrupts_wait() as interrupted, tqdm(total=sum(run.steps), initial=trace.steps, **shown) as bar:

        def then() -> None:
            costs = trace.last
            bar.update()
            bar.set_postfix(J=f"{costs['total']:.4g}", content=f"{costs['content']:.3g}", style=f"{costs['style']:.3g}")
            if on_step is not None:
                view = run.image.numpy()[0].view()
                view.flags.writeable = False
                on_step(trace.steps, view, costs)
            if kept is not None and (kept.due() or interrupted):
                kept.write(*run.state())
            if interrupted:
                raise KeyboardInterrupt

        try:
            run.finish(then)
        except KeyboardInterrupt:
            return True, []
        except Diverged as divergence:
            advice = f"try a learning_rate below {run.recipe.learning_rate:g}"
            if trace.best is None:
                raise InputError(f"transfer: {divergence}; {advice}") from None
            return False, [f"{divergence}, and the best picture before it was kept; {advice}"]
    return False, _standstill(run)


def _standstill(run: Run) -> list[str]:
    """Return a note if no step at the last size lowered the cost."""
    trace = run.trace
    began = trace.history[-trace.steps_here - 1]["total"]
    if trace.steps_here < 2 or began > trace.lowest or began == 0:
        return []
    return [
        f"no step led below the cost {trace.lowest:.4g} where it began; "
        f"try a learning_rate below {run.recipe.learning_rate:g}"
    ]


def _greyness(image: np.ndarray, content: np.ndarray) -> list[str]:
    if image.std() >= GREY or content.std() < GREY:
        return []
    return [
        f"the picture is nearly one grey (its values deviate by {image.std():.3f} from their mean); "
        "try init='content', a smaller total_variation or another learning_rate"
    ]

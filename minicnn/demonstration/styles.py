"""One photograph in three styles."""

from __future__ import annotations

import html
from collections.abc import Callable
from pathlib import Path

import numpy as np

from minicnn import images, models
from minicnn.datasets.paintings import PAINTINGS
from minicnn.demonstration.files import picture
from minicnn.drawings import save as save_figure
from minicnn.style import StyleResult, transfer

SIZE = 256
STEPS = 100
ITERATES = (0, 1, 5, 20, 50, 100)
TITLES = {"starry_night": "Starry night", "stained_glass": "Stained glass", "woodcut_wave": "Woodcut wave"}


def demonstrate(folder: Path, say: Callable[[str], None]) -> dict[str, str]:
    """Style the photograph in every painting, write pictures, iterates and cost curves, and return the page's parts.

    The photograph is Grace Hopper's portrait, which matplotlib includes; the paintings are drawn by code.
    """
    photograph = _photograph()
    images.save(folder / "content.png", photograph)
    results = {}
    for name, paint in PAINTINGS.items():
        painting = paint(SIZE)
        images.save(folder / f"style-{name}.png", painting)
        iterates = {0: photograph}

        def keep(step: int, image: np.ndarray, _: dict[str, float], iterates: dict = iterates) -> None:
            if step in ITERATES:
                iterates[step] = image.copy()

        say(f"{TITLES[name].lower()}: {STEPS} steps")
        results[name] = transfer(photograph, painting, steps=STEPS, init="content", on_step=keep)
        images.save(folder / f"result-{name}.png", results[name].image)
        _write_strip(folder / f"iterates-{name}.png", iterates)
        if results[name].manifest["interrupted"]:
            raise KeyboardInterrupt
    _write_curves(folder / "costs.png", results)
    return {"steps": str(STEPS), "network": models.tiny_vgg().card.name, **_parts(results)}


def _photograph() -> np.ndarray:
    from matplotlib.cbook import get_sample_data

    return images.load(get_sample_data("grace_hopper.jpg", asfileobj=False), size=SIZE)


def _write_strip(path: Path, iterates: dict[int, np.ndarray]) -> None:
    """Write the iterates side by side, each below its number."""
    from matplotlib.figure import Figure

    height, width, _ = next(iter(iterates.values())).shape
    figure = Figure(figsize=(len(iterates) * width / 100, (height + 34) / 100), dpi=100)
    for i, (step, image) in enumerate(iterates.items()):
        axes = figure.add_axes((i / len(iterates), 0, 0.985 / len(iterates), height / (height + 34)))
        axes.imshow(image, interpolation="none", aspect="auto")
        axes.set_axis_off()
        smaller = "" if image.shape[0] == height else f", {image.shape[0]} px"  # from coarse to fine
        axes.set_title(f"step {step}{smaller}" if step else "start", fontsize=13, pad=6)
    save_figure(figure, path)


def _write_curves(path: Path, results: dict[str, StyleResult]) -> None:
    """Write the curves of each part of the cost, one panel per style."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 3.6), dpi=100, layout="constrained")
    panels = figure.subplots(1, len(results), sharey=True)
    colours = {"total": "#222222", "style": "#c8553d", "content": "#2f6690", "total_variation": "#8a9a5b"}
    for axes, (name, result) in zip(panels, results.items(), strict=True):
        steps = [h["step"] for h in result.history]
        for part, colour in colours.items():
            costs = np.array([h.get(part, np.nan) for h in result.history])
            axes.plot(steps, np.where(costs > 0, costs, np.nan), color=colour, label=part.replace("_", " "))
        axes.set(yscale="log", title=TITLES[name], xlabel="step")
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.25)
    panels[0].set_ylabel("cost")
    panels[-1].legend(frameon=False, fontsize=9)
    save_figure(figure, path)


def _parts(results: dict[str, StyleResult]) -> dict[str, str]:
    """Return the page's parts as HTML: the paintings, the results in the same order, and the strips of iterates."""
    return {
        "paintings": "".join(picture(f"style-{name}.png", TITLES[name]) for name in results),
        "pictures": "".join(picture(f"result-{name}.png", f"Grace Hopper × {TITLES[name]}") for name in results),
        "strips": "".join(
            f'<h3>{html.escape(TITLES[name])}</h3><div class="wide"><img src="iterates-{name}.png" '
            f'alt="Iterates of {html.escape(TITLES[name])}"></div>'
            for name in results
        ),
    }

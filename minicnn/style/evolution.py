"""Observers that style.transfer calls after every step: frames, previews, animations; and plots of the losses.

An observer is any on_step(step, image, costs), as described in `style.transfer`. `together` combines several.
"""

from __future__ import annotations

import io
import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from minicnn import drawings, images
from minicnn.errors import InputError, check_count
from minicnn.files import MARK, check_folder, replace_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL import Image

Observer = Callable[[int, np.ndarray, Mapping[str, float]], Any]

COLOURS = 256  # in the palette of a GIF
PALETTE_PIXELS = 20_000  # sampled to choose the palette
HOLD = 2000  # milliseconds that the last frame is shown
save_figure = drawings.save
STYLE = "style "  # prefix of a layer's name in the costs


def together(*observers: Observer | None) -> Observer:
    """Return an observer that calls each in turn. None is skipped."""
    present = [observer for observer in observers if observer is not None]

    def on_step(step: int, image: np.ndarray, costs: Mapping[str, float]) -> None:
        for observer in present:
            observer(step, image, costs)

    return on_step


class Frames:
    """An observer that writes every n-th picture to a folder: 00010.png, 00020.png, …, and creates the folder."""

    def __init__(self, folder: images.PathLike, *, every: int = 10, suffix: str = ".png") -> None:
        self.folder, self.every, self.suffix = Path(folder), check_count("frames: every", every), suffix
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as problem:
            raise InputError(f"frames: folder {str(folder)!r} cannot be made ({problem.strerror})") from problem
        images.check_target(self._path(0))

    def __call__(self, step: int, image: np.ndarray, costs: Mapping[str, float]) -> None:
        if step % self.every == 0:
            images.save(self._path(step), image)

    def _path(self, step: int) -> Path:
        return self.folder / f"{step:05d}{self.suffix}"


class Preview:
    """An observer that keeps one file up to date for an image viewer. Each picture replaces the last atomically.

    every: steps between two pictures; None: limited by time only. seconds: minimum time between two pictures, so that
    writing does not slow down a fast run.
    """

    def __init__(self, path: images.PathLike, *, every: int | None = None, seconds: float | None = None) -> None:
        self.path = images.check_target(path)
        self.every = 1 if every is None else check_count("preview: every", every)
        self.seconds = (2.0 if every is None else 0.0) if seconds is None else seconds
        if not (isinstance(self.seconds, int | float) and 0 <= self.seconds < math.inf):
            raise InputError(f"preview: seconds is {seconds!r}; expected a number of at least 0")
        self._last = -math.inf

    def __call__(self, step: int, image: np.ndarray, costs: Mapping[str, float]) -> None:
        if step % self.every == 0 and time.monotonic() - self._last >= self.seconds:
            images.save(self.path, image)
            self._last = time.monotonic()


class Animation:
    """An observer that collects pictures for a GIF of at most `frames` frames; write() saves it.

    steps: number of steps of the run. side: long side in pixels. milliseconds: duration of a frame; the last one is
    held for two seconds. start: picture of the first frame, if any.
    Steps of frames form a geometric series, since most changes happen early. Frames are kept in memory, scaled down.
    """

    def __init__(
        self,
        path: images.PathLike,
        *,
        steps: int,
        frames: int = 40,
        side: int = 320,
        milliseconds: int = 100,
        start: np.ndarray | None = None,
    ) -> None:
        self.path = _gif(path)
        self.side, self.milliseconds = (
            check_count("animation: side", side),
            check_count("animation: milliseconds", milliseconds),
        )
        self.steps = _spread(check_count("animation: steps", steps), check_count("animation: frames", frames))
        self.pictures: list[np.ndarray] = []
        if start is not None:
            self._keep(start)

    def __call__(self, step: int, image: np.ndarray, costs: Mapping[str, float]) -> None:
        if step in self.steps:
            self._keep(image)

    def _keep(self, image: np.ndarray) -> None:
        """Store a picture in 8 bits, scaled down to the size of the animation."""
        height, width = image.shape[:2]
        scale = self.side / max(height, width)
        if scale < 1:
            image = images.resize(image, max(1, round(height * scale)), max(1, round(width * scale)))
        self.pictures.append(images.as_bytes(image, "animation: image"))

    def write(self, last: np.ndarray | None = None) -> Path | None:
        """Write the GIF, ending with `last` if given. Returns its path, or None if there is no picture."""
        if last is not None:
            self._keep(last)
        if not self.pictures:
            return None
        first, *rest = _with_palette(self.pictures)
        shown = [self.milliseconds] * len(rest) + [HOLD]
        content = io.BytesIO()
        first.save(
            content, "GIF", save_all=True, append_images=rest, duration=shown, loop=0, optimize=False, comment=MARK
        )
        replace_file(self.path, content.getvalue())
        return self.path


def _spread(steps: int, frames: int) -> frozenset[int]:
    """Return about `frames` of the steps 1 … steps, in a geometric series that ends with the last."""
    return frozenset(np.unique(np.rint(np.geomspace(1, steps, min(frames, steps))).astype(int)).tolist())


def _with_palette(pictures: Sequence[np.ndarray]) -> list[Image.Image]:
    """Return all pictures in the same 256 colours, with error diffusion."""
    from PIL import Image

    # A shared palette takes a tenth of a second. One palette per picture would take half a minute.
    pixels = np.concatenate([picture.reshape(-1, 3) for picture in pictures])
    pixels = pixels[:: max(1, len(pixels) // PALETTE_PIXELS)]
    colours = Image.fromarray(pixels[None]).quantize(COLOURS, method=Image.Quantize.MEDIANCUT)
    return [
        Image.fromarray(picture).quantize(COLOURS, palette=colours, dither=Image.Dither.FLOYDSTEINBERG)
        for picture in pictures
    ]


def _gif(path: images.PathLike) -> Path:
    target = Path(path)
    if target.suffix.lower() != ".gif":
        raise InputError(f"animation: path {str(target)!r} has suffix {target.suffix!r}; expected .gif")
    check_folder("animation: path", target)
    return target


def plot_losses(history: Sequence[Mapping[str, float]], *, title: str = "") -> Figure:
    """Plot the costs over the steps: the parts of the loss on the left, the style cost per layer on the right.

    history: as in StyleResult. Costs that are absent or not positive are left out of the logarithmic scale.
    Returns a matplotlib Figure, which is not shown. Raises InputError for an empty history.
    """
    if not history:
        raise InputError("plot_losses: history is empty; expected the costs of one iterate at least")
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    names = list(dict.fromkeys(name for costs in history for name in costs if name != "step"))
    layers = [name for name in names if name.startswith(STYLE)]
    parts = [name for name in names if name not in layers]
    figure = Figure(figsize=(11, 4), dpi=110, layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    steps = [costs.get("step", i) for i, costs in enumerate(history)]
    inks = {"total": "#222222", "style": "#c8553d", "content": "#2f6690", "total_variation": "#8a9a5b"}
    for name in parts:
        left.plot(steps, _positive(history, name), color=inks.get(name), label=name.replace("_", " "))
    for i, name in enumerate(layers):
        ink = colormaps["viridis"](i / max(len(layers) - 1, 1) * 0.9)
        right.plot(steps, _positive(history, name), color=ink, label=name.removeprefix(STYLE))
    for axes, heading in ((left, "cost"), (right, "style, layer by layer")):
        axes.set(yscale="log", xlabel="step", title=heading)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.25)
        if axes.lines:
            axes.legend(frameon=False, fontsize=9)
    if title:
        figure.suptitle(drawings.literal(title))
    return figure


def _positive(history: Sequence[Mapping[str, float]], name: str) -> np.ndarray:
    costs = np.array([float(entry.get(name, math.nan)) for entry in history])
    return np.where(costs > 0, costs, np.nan)

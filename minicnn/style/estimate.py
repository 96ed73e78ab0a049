"""Estimating the memory and time of a style transfer, from the shapes of the layers and a few steps at small sizes."""

from __future__ import annotations

import dataclasses
import gc
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from minicnn import images, machine, nn
from minicnn.errors import InputError
from minicnn.models.card import StyleRecipe
from minicnn.models.network import Network
from minicnn.style import pyramid
from minicnn.style.counts import products, run_bytes, touched_bytes
from minicnn.style.run import Run

# Long sides in pixels of the pictures that are styled to measure the speed. The first two are always used. Larger ones
# follow while a step takes less than ENOUGH seconds and the picture is more than twice as large.
SMALL = (128, 256, 512)
ENOUGH = 0.1
SHORT = 48  # pixels; the shortest side of a measured picture
TILES = (1024, 768, 512, 384, 256)  # sides of tiles to try, in pixels; larger tiles have less overlap
SHARE = 0.9  # share of the free memory that a run may use; the rest is left to the system


@dataclass(frozen=True)
class Estimate:
    """An estimate of a run. memory: peak bytes of the process. seconds: for all steps.

    free: bytes available to the process, including those it holds; None if unknown.
    fitting: the longest side in pixels that fits, at most `size`; 0 if none does. tile: side of tiles with which the
    picture fits if it does not fit as a whole; None if no tile is small enough.
    """

    memory: int
    seconds: float
    size: int
    steps: int
    free: int | None
    fitting: int
    tile: int | None = None

    def __str__(self) -> str:
        return f"{self.size} px, {self.steps} steps: about {_duration(self.seconds)}, {_bytes(self.memory)} of memory"

    @property
    def fits(self) -> bool:
        """True if the machine has enough memory, or if that is unknown."""
        return self.free is None or self.memory <= SHARE * self.free


def refuse(estimate: Estimate) -> None:
    """Raise InputError with advice if the memory does not suffice."""
    if not estimate.fits:
        assert estimate.free is not None
        advice = f"--size {estimate.fitting} fits" if estimate.fitting else "no size fits: close other programs"
        raise InputError(
            f"transfer: size {estimate.size} takes about {_bytes(estimate.memory)} of memory and "
            f"{_duration(estimate.seconds)}; expected at most {_bytes(int(SHARE * estimate.free))}, as this machine "
            f"has free: {advice}"
        )


def estimate(
    model: Network,
    recipe: StyleRecipe,
    content: np.ndarray,
    styles: Sequence[tuple[np.ndarray, float]],
    tile: int | None = None,
) -> Estimate:
    """Return the Estimate of a run. content: (H, W, 3). styles: (picture, weight) of each. tile: side of tiles, if any.

    Runs a few steps at small sizes, which also loads everything that the run needs, so that it is counted.
    Memory that an earlier run left idle in this process counts as held, though it will be reused.
    """
    height, width = content.shape[:2]
    long = max(height, width)
    with _garbage_waits():
        seconds, largest = _seconds_of_a_step(model, recipe, content, styles[0])  # at full size
    held = machine.resident_memory() or TYPICAL
    base = held - touched_bytes(model, recipe, largest)

    def needed(scale: float, tile: int | None = tile) -> int:
        """Return the bytes needed with content and styles scaled down, as by another --size."""
        shapes = [_scaled(style.shape, min(1.0, max(scale, SHORT / min(style.shape[:2])))) for style, _ in styles]
        return base + run_bytes(model, recipe, _scaled(content.shape, scale), shapes, tile)

    free = machine.available_memory()
    if free is not None:
        free += held
    fitting = long
    if free is not None and needed(1.0) > SHARE * free:
        low, high = min(SMALL[0], long), long
        if needed(low / long) > SHARE * free:
            low = high = 0
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if needed(middle / long) <= SHARE * free else (low, middle)
        fitting = low
    fits_in = (side for side in TILES if free is not None and needed(1.0, side) <= SHARE * free)
    tiles = next(fits_in, None) if fitting < long else None
    sizes = pyramid.sizes(height, width, min(recipe.levels, recipe.steps))
    steps = pyramid.shares(recipe.steps, len(sizes))
    # At each size, the last iterate is evaluated once more, and each style once.
    parts = [each_height * each_width / (height * width) for each_height, each_width in sizes]
    looks = sum((count + 1 + len(styles) / 2) * part for count, part in zip(steps, parts, strict=True))
    return Estimate(needed(1.0), seconds * looks, long, recipe.steps, free, fitting, tiles)


TYPICAL = 350 << 20  # bytes of a process that has styled a small picture, for systems that do not tell


@contextmanager
def _garbage_waits() -> Iterator[None]:
    """Pause garbage collection inside the block.

    Kernels may be compiled in it. Numba then creates so many objects that collection takes a twentieth of the time.
    """
    collected = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collected:
            gc.enable()


def _seconds_of_a_step(
    model: Network, recipe: StyleRecipe, content: np.ndarray, style: tuple[np.ndarray, float]
) -> tuple[float, tuple[int, int]]:
    """Return (seconds of a step at full size, largest size measured), extrapolated from small sizes.

    A line through (multiply-adds, seconds) of the last two sizes accounts for the constant cost of a step.
    """
    points: list[tuple[float, float]] = []
    for side in SMALL:
        if len(points) >= 2 and (points[-1][1] >= ENOUGH or 2 * side >= max(content.shape)):
            break
        size = _small(content.shape, side)
        points.append((products(model, recipe, size), _seconds_at(model, recipe, images.resize(content, *size), style)))
    (fewer, shorter), (more, longer) = points[-2:]
    full = products(model, recipe, content.shape[:2])
    if more <= fewer or longer <= shorter:  # the picture is small, or the machine was busy
        return longer * full / more, size
    slope = (longer - shorter) / (more - fewer)
    return min(longer + slope * (full - more), longer * full / more), size


def _seconds_at(model: Network, recipe: StyleRecipe, content: np.ndarray, style: tuple[np.ndarray, float]) -> float:
    """Return the time of the faster of two steps, after one that loads or compiles kernels."""
    picture, weight = style
    small = images.resize(picture, *_small(picture.shape, max(content.shape)))
    seconds: list[float] = []
    alone = dataclasses.replace(recipe, levels=1, optimizer="adam", learning_rate=1e-3)
    with nn.frozen(model):
        run = Run(model, alone, content, [(small, weight)], content)
        objective, image, optimizer = run.objective(), run.image, run.optimizer
        for _ in range(3):
            start = time.perf_counter()
            optimizer.zero_grad()
            objective(image)[0].backward()
            optimizer.step()
            seconds.append(time.perf_counter() - start)
    return min(seconds[1:])


def _small(shape: tuple[int, ...], side: int) -> tuple[int, int]:
    """Return the size scaled to this long side, with a short side that is still long enough for a network."""
    return _scaled(shape, min(1.0, max(side / max(shape[:2]), SHORT / min(shape[:2]))))


def _scaled(shape: tuple[int, ...], scale: float) -> tuple[int, int]:
    return max(1, round(shape[0] * scale)), max(1, round(shape[1] * scale))


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _bytes(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"

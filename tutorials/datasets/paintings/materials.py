"""The common parts of the three paintings: a checked start, smooth noise, palettes and mixing.

The amount of random numbers does not depend on the size of the picture, so a seed gives the same composition at every
size.
"""

import numpy as np
from PIL import Image

from minicnn.errors import check_count

Array = np.ndarray

SMALLEST, LARGEST = 16, 1024


def begin(size: int, seed: int) -> np.random.Generator:
    """Check the arguments, and return the generator of everything random in the painting."""
    check_count("size", size, SMALLEST, LARGEST)
    return np.random.default_rng(check_count("seed", seed, 0))


def coordinates(size: int) -> tuple[Array, Array]:
    """Return the x and y of every pixel's centre, from 0 (left, top) to 1 (right, bottom)."""
    ticks = (np.arange(size) + 0.5) / size
    x, y = np.meshgrid(ticks, ticks)
    return x, y


def resize(field: Array, size: int) -> Array:
    """Return a field of numbers, smoothly resized to size × size."""
    picture = Image.fromarray(field.astype(np.float32))
    return np.asarray(picture.resize((size, size), Image.Resampling.BICUBIC))


def noise(rng: np.random.Generator, rows: int, columns: int, size: int) -> Array:
    """Return smooth noise around 0, with one bump per cell of a lattice of rows × columns."""
    return resize(rng.standard_normal((rows, columns)), size)


def clouds(rng: np.random.Generator, cells: int, size: int, octaves: int = 4) -> Array:
    """Return noise at several scales, each octave half as large and half as strong as the last."""
    total = np.zeros((size, size), dtype=np.float32)
    for octave in range(octaves):
        total += noise(rng, cells << octave, cells << octave, size) / 2**octave
    return total


def palette(*codes: str) -> Array:
    """Return colours in [0, 1], one row per code such as "1d3f8f"."""
    return np.array([tuple(bytes.fromhex(code)) for code in codes]) / 255


def ramp(values: Array, colours: Array) -> Array:
    """Return a colour for every value: 0 gives the first, 1 the last, with interpolation between them."""
    stops = np.linspace(0, 1, len(colours))
    return np.stack([np.interp(values, stops, channel) for channel in colours.T], axis=-1)


def mix(under: Array, over: Array, weight: Array | float) -> Array:
    """Return `over` laid on `under`, with `weight` as its opacity."""
    return under + (over - under) * np.asarray(weight)[..., None]


def smoothstep(start: float, end: float, values: Array | float) -> Array:
    """Return 0 on the side of `start`, 1 on the side of `end`, and an S-curve between them."""
    t = np.clip((values - start) / (end - start), 0, 1)
    return t * t * (3 - 2 * t)


def finish(picture: Array) -> Array:
    """Average every 2 × 2 pixels, since paintings are drawn at twice their size, and clip to [0, 1]."""
    half = len(picture) // 2
    pooled = picture.reshape(half, 2, half, 2, 3).mean(axis=(1, 3))
    return np.clip(pooled, 0, 1).astype(np.float32)

"""What the three paintings share: a checked start, smooth noise, palettes and mixing.

Every random number is drawn in an amount that does not depend on the size of the picture, so that
a seed gives the same composition at every size.
"""

import numpy as np
from PIL import Image

from minicnn.errors import check_count

Array = np.ndarray

SMALLEST, LARGEST = 16, 1024


def begin(size: int, seed: int) -> np.random.Generator:
    """Check what was asked for, and return the source of everything random in the painting."""
    check_count("size", size, SMALLEST, LARGEST)
    return np.random.default_rng(check_count("seed", seed, 0))


def coordinates(size: int) -> tuple[Array, Array]:
    """The x and y of every pixel's centre, from 0 (left, top) to 1 (right, bottom)."""
    ticks = (np.arange(size) + 0.5) / size
    x, y = np.meshgrid(ticks, ticks)
    return x, y


def resize(field: Array, size: int) -> Array:
    """A field of numbers, smoothly stretched or shrunk to size × size."""
    picture = Image.fromarray(field.astype(np.float32))
    return np.asarray(picture.resize((size, size), Image.Resampling.BICUBIC))


def noise(rng: np.random.Generator, rows: int, columns: int, size: int) -> Array:
    """Smooth noise about 0, with a bump to every cell of a lattice of rows × columns."""
    return resize(rng.standard_normal((rows, columns)), size)


def clouds(rng: np.random.Generator, cells: int, size: int, octaves: int = 4) -> Array:
    """Noise at several scales at once, each octave half as large and half as strong as the last."""
    total = np.zeros((size, size), dtype=np.float32)
    for octave in range(octaves):
        total += noise(rng, cells << octave, cells << octave, size) / 2**octave
    return total


def palette(*codes: str) -> Array:
    """Colours in [0, 1], a row for each code such as "1d3f8f"."""
    return np.array([tuple(bytes.fromhex(code)) for code in codes]) / 255


def ramp(values: Array, colours: Array) -> Array:
    """A colour for every value: 0 takes the first, 1 the last, the rest lie evenly between."""
    stops = np.linspace(0, 1, len(colours))
    return np.stack([np.interp(values, stops, channel) for channel in colours.T], axis=-1)


def mix(under: Array, over: Array, weight: Array | float) -> Array:
    """Lay `over` on `under`, as opaque as `weight` says."""
    return under + (over - under) * np.asarray(weight)[..., None]


def smoothstep(start: float, end: float, values: Array | float) -> Array:
    """0 on the side of `start`, 1 on the side of `end`, an S between them."""
    t = np.clip((values - start) / (end - start), 0, 1)
    return t * t * (3 - 2 * t)


def finish(picture: Array) -> Array:
    """Average every 2 × 2 pixels, for paintings are made at twice their size, and clip to [0, 1]."""
    half = len(picture) // 2
    pooled = picture.reshape(half, 2, half, 2, 3).mean(axis=(1, 3))
    return np.clip(pooled, 0, 1).astype(np.float32)

"""The background and the clothes: blurred rooms and plain cloth."""

from __future__ import annotations

import numpy as np

from minicnn.datasets.synthetic_faces.shapes import Array, noise, palette, ramp

CLOTHES = palette("101014", "24324a", "f0eeea", "7a2a2a", "4a5a3a", "b0a890", "20282c", "a05a78", "5080b0", "d8c060")


def background(rng: np.random.Generator, size: int) -> Array:
    """Return light (3, size, size): soft patches of related colours, sometimes with an edge or two."""
    shape = (size, size)
    brightness = rng.uniform(0.02, 0.5) * (1 + 0.35 * rng.uniform(-1, 1, (3, 1, 1)))
    cells, edges, sharp = int(rng.integers(2, 9)), int(rng.integers(3, 12)), rng.random() < 0.4
    patches = 0.35 * noise(rng, cells, cells, shape) + 0.18 * np.stack([noise(rng, 3, 3, shape) for _ in range(3)])
    if sharp:
        patches = patches + 0.5 * rng.random() * np.sign(noise(rng, 2, edges, shape))
    return (brightness * np.exp(patches)).astype(np.float32)


def cloth(rng: np.random.Generator) -> Array:
    """Return the colour of the clothes: (3,)."""
    return ramp(rng.random(), CLOTHES)

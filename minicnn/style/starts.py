"""The initial picture of style transfer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Start:
    """A way to start: middle + keep · (content − middle) + noise, clipped to [0, 1].

    middle: a grey value, or None for the colour that the network's preprocessing maps to zero.
    uniform: half-width of uniform noise. normal: deviation of normal noise. Both for pixels in [0, 1].
    """

    summary: str
    keep: float = 0.0
    uniform: float = 0.0
    normal: float = 0.0
    middle: float | None = None

    def __call__(self, content: np.ndarray, neutral: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """Return the first iterate: float32, of the shape of `content`. neutral: the network's RGB colour of zero."""
        middle = neutral if self.middle is None else self.middle
        picture = middle + self.keep * (content - middle) if self.keep != 1 else content
        if self.uniform:
            picture = picture + random.uniform(-self.uniform, self.uniform, content.shape)
        if self.normal:
            picture = picture + random.normal(0, self.normal, content.shape)
        return np.clip(np.broadcast_to(picture, content.shape), 0, 1).astype(np.float32)


STARTS: Mapping[str, Start] = {
    "content": Start("the content", keep=1.0),
    "noise": Start("white noise: uniform from black to white", uniform=0.5, middle=0.5),
    "mean-colour": Start("the mean colour, and normal noise of 4e-6", normal=0.001 / 256),
    "faint-noise": Start("the mean colour, and normal noise of 0.001", normal=0.256 / 255),
    "blend": Start(
        "0.4 of the content and 0.6 of uniform noise up to ±20/255, about the mean colour", keep=0.4, uniform=12 / 255
    ),
    "jitter": Start("the content and uniform noise up to ±0.25", keep=1.0, uniform=0.25),
}

"""From coarse to fine: a picture is begun small, where a step costs little and a brush stroke is large, and goes on
in larger ones. Source: Gatys et al. 2017, "Controlling perceptual factors in neural style transfer", section 6.
"""

from __future__ import annotations

import numpy as np

from minicnn import devices
from minicnn.images import resample

Size = tuple[int, int]


SMALLEST = 16  # pixels of the short side, below which a network sees little
COARSEST = 128  # pixels of the long side, in which a composition still has room


def levels(height: int, width: int) -> int:
    """How many sizes lead to a picture from one whose long side is at least COARSEST, and less than twice that."""
    return max(1, (max(height, width) // COARSEST).bit_length())


def sizes(height: int, width: int, levels: int) -> list[Size]:
    """(height, width) of each level, from the smallest to the picture's own; each is twice the one before. Fewer where
    the smallest would be too small to see anything.
    """
    found = [(height, width)]
    while len(found) < levels and min(height, width) >= 2 * SMALLEST:
        height, width = (height + 1) // 2, (width + 1) // 2
        found.insert(0, (height, width))
    return found


def shares(steps: int, levels: int) -> list[int]:
    """The steps of each size: as many at each, and what does not divide at the first, where they cost least."""
    share, left = divmod(steps, levels)
    return [share + left if level == 0 else share for level in range(levels)]


def resampled(image: np.ndarray, size: Size) -> np.ndarray:
    """A copy of an array (1, H, W, 3) at another size, not clipped: an optimizer's memory may have any sign. What lives
    on a GPU is resampled on the host, once a size, and goes back.
    """
    if image.shape[1:3] == size:
        return image.copy()
    return devices.beside(resample(devices.to_host(image[0]), *size)[None], image)


def scaled(image: np.ndarray, factor: float) -> np.ndarray:
    """A picture (H, W, 3) with sides `factor` times as long, at least one pixel."""
    height, width = (max(1, round(side * factor)) for side in image.shape[:2])
    return np.clip(resampled(image[None], (height, width))[0], 0, 1)

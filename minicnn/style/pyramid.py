"""Sizes from coarse to fine: at small sizes steps are fast and strokes large, and larger ones refine the result.

Source: Gatys et al. 2017, "Controlling perceptual factors in neural style transfer", section 6.
"""

from __future__ import annotations

import numpy as np

from minicnn import devices
from minicnn.images import resample

Size = tuple[int, int]


SMALLEST = 16  # pixels of the short side; networks see little in smaller pictures


def levels(long: int, coarsest: int) -> int:
    """Return the number of sizes, of which the smallest has a long side from `coarsest` to less than twice that.

    long: the long side of the picture, pixels.
    """
    return max(1, (long // coarsest).bit_length())


def sizes(height: int, width: int, levels: int) -> list[Size]:
    """Return (height, width) of each level, from small to full size, each twice the one before.

    There are fewer than `levels` if the smallest would have a short side below SMALLEST.
    """
    found = [(height, width)]
    while len(found) < levels and min(height, width) >= 2 * SMALLEST:
        height, width = (height + 1) // 2, (width + 1) // 2
        found.insert(0, (height, width))
    return found


def shares(steps: int, levels: int) -> list[int]:
    """Return the number of steps at each size, all equal. The remainder goes to the first, where steps are fastest."""
    share, left = divmod(steps, levels)
    return [share + left if level == 0 else share for level in range(levels)]


def resampled(image: np.ndarray, size: Size) -> np.ndarray:
    """Return a copy of an array (1, H, W, 3) at another size, on the same device. It is resampled on the host.

    Values are not clipped, since an optimizer's state may have any sign.
    """
    if image.shape[1:3] == size:
        return image.copy()
    return devices.beside(resample(devices.to_host(image[0]), *size)[None], image)


def scaled(image: np.ndarray, factor: float) -> np.ndarray:
    """Return a picture (H, W, 3) with sides `factor` times as long, at least one pixel."""
    height, width = (max(1, round(side * factor)) for side in image.shape[:2])
    return np.clip(resampled(image[None], (height, width))[0], 0, 1)

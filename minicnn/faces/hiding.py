"""Make faces in a picture unrecognizable, for good.

Of a head nine colours are left, the means of three by three tiles, smoothly joined. Nothing else of its pixels goes
into the result, so there is nothing to undo. Each colour is made lighter or darker at random: else one could hide other
pictures of the same person and compare colours. Rings are drawn over it: an encoder finds a smooth blur near many
people, and rings near nobody.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np

from minicnn.errors import InputError
from minicnn.faces.arguments import as_array
from minicnn.faces.detection import Detection, Windows, detect, suppress
from minicnn.images import as_image, resample
from minicnn.models.cascade import MTCNN

SMALLEST = 20.0  # pixels of a face that is looked for: smaller ones say nothing
DOUBTFUL = (0.5, 0.6, 0.6)  # scores from which on something is hidden: better too much than too little
LYING = (0.6, 0.7, 0.95)  # the same of faces that lie or stand on their heads, which are rare
TILES, NOISE = 3, 0.1  # tiles a side whose means stay, and the deviation of the light that is added to each
WAVE, DEPTH = 0.3, 0.12  # from one ring to the next, in sides of the face, and how light and dark the rings are
HEAD, SOFT = (1.45, 1.6), 1.15  # width and height that are hidden, in those of the face, and where the edge ends


def everybody(image: Any, *, min_size: float = SMALLEST, detector: MTCNN | None = None) -> Detection:
    """Find all that may be a face, however it is turned. Arguments, errors and result as of `detect`."""
    picture = as_array(image)
    boxes, scores, points = [], [], []
    for turn in range(4):
        found = detect(
            np.ascontiguousarray(np.rot90(picture, turn)),
            min_size=min_size,
            thresholds=LYING if turn else DOUBTFUL,
            detector=detector,
        )
        corners, landmarks = found.boxes.reshape(-1, 2, 2), found.landmarks
        for back in reversed(range(turn)):  # the picture as it was turned `back` times has this width
            width = picture.shape[1 - back % 2]
            corners, landmarks = (np.stack([width - p[..., 1], p[..., 0]], axis=-1) for p in (corners, landmarks))
        boxes.append(np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1))
        scores.append(found.scores)
        points.append(landmarks)
    windows = Windows(np.concatenate(boxes), np.concatenate(scores))
    kept = suppress(windows, 0.5, of_smaller=True)
    return Detection(*windows.take(kept), np.concatenate(points)[kept])


def hide(
    image: Any, found: Detection | None = None, *, keep: Collection[int] = (), seed: int | None = None
) -> np.ndarray:
    """Return a copy of the picture, (H, W, 3) floats in [0, 1], whose faces nobody recognizes.

    found: the faces, of `everybody` when left out. keep: numbers of faces, from 0, that stay. seed: None draws from the
    system's entropy. Whom the detector does not find stays as they are: look at the result. Raises InputError.
    """
    picture = as_image(image, name="hide: image")
    found = everybody(picture) if found is None else found
    if not set(keep) <= set(range(len(found.scores))):
        raise InputError(f"hide: keep is {keep!r}; expected numbers below {len(found.scores)}, the number of faces")
    random = np.random.default_rng(seed)
    for number, box in enumerate(found.boxes):
        if number not in keep:
            _cover(picture, box, random)
    return picture


def _cover(picture: np.ndarray, box: np.ndarray, random: np.random.Generator) -> None:
    """Put an ellipse about the box, which is soft at the outside, over it."""
    height, width = picture.shape[:2]
    middle, half = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]) * HEAD / 2
    left, top = np.clip(np.floor(middle - SOFT * half), 0, (width - 1, height - 1)).astype(int)
    right, bottom = np.clip(np.ceil(middle + SOFT * half), (left + 1, top + 1), (width, height)).astype(int)
    part = picture[top:bottom, left:right]
    means = np.zeros((TILES, TILES, 4))
    rows, columns = (np.arange(n) * TILES // n for n in part.shape[:2])
    np.add.at(means, (rows[:, None], columns), np.concatenate([part, np.ones_like(part[..., :1])], axis=2))
    means = means[..., :3] / np.maximum(means[..., 3:], 1) + NOISE * random.standard_normal((TILES, TILES, 1))
    y, x = np.ogrid[top + 0.5 : bottom, left + 0.5 : right]
    across, down = x - middle[0], y - middle[1]
    rings = DEPTH * np.sin(2 * np.pi * np.hypot(across, down) / (WAVE * (box[2:] - box[:2]).max()))
    cover = np.clip(resample(means, *part.shape[:2]) + rings[..., None], 0, 1)
    share = np.clip((SOFT - np.hypot(across / half[0], down / half[1])) / (SOFT - 1), 0, 1)[..., None]
    part[:] = share * cover + (1 - share) * part

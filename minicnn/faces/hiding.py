"""Irreversible anonymization of faces in a picture.

Each head is replaced with nine colours, the means of 3 × 3 tiles, smoothly interpolated. No other information about its
pixels remains. Each colour is randomly brightened or darkened. Otherwise, hiding other pictures of the same person and
comparing the colours could identify them. Rings are drawn on top, because an encoder places a plain blur near many
people, and rings near nobody.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from minicnn import images
from minicnn.faces.detection import Detection, Windows, as_picture, detect, suppress
from minicnn.faces.snapshots import Face, turned_back
from minicnn.models.cascade import MTCNN

SMALLEST = 20.0  # pixels; smaller faces cannot be recognized
DOUBTFUL = (0.5, 0.6, 0.6)  # minimum scores for upright faces; low, since false positives do less harm
LYING = (0.6, 0.7, 0.95)  # minimum scores for rotated faces, which are rare
TILES, NOISE = 3, 0.1  # tiles per side, and deviation of the brightness added to each
WAVE, DEPTH = 0.3, 0.12  # distance between rings in sides of the face, and their amplitude
HEAD, SOFT = (1.45, 1.6), 1.15  # size of the hidden ellipse relative to the face, and of its soft edge


def everybody(picture: Any, *, min_size: float = SMALLEST, detector: MTCNN | None = None) -> list[Face]:
    """Find everything that may be a face, in any orientation. Arguments and errors as in `find`."""
    image = as_picture(images.load(picture) if isinstance(picture, str | os.PathLike) else picture)
    found = []
    for turn in (0, 90, 180, 270):
        turned, thresholds = np.rot90(image, -turn // 90), LYING if turn else DOUBTFUL
        there = detect(turned, min_size=min_size, thresholds=thresholds, detector=detector)
        found.append(turned_back(there, turn, image.shape))
    everything = Detection(*map(np.concatenate, zip(*found, strict=True)))
    kept = suppress(Windows(everything.boxes, everything.scores), 0.5, of_smaller=True)
    one_each = Detection(*(part[kept] for part in everything))
    return [Face(image, one_each, number) for number in range(1, len(kept) + 1)]


def hide(image: Any, found: Sequence[Face] | None = None, *, seed: int | None = None) -> np.ndarray:
    """Return a copy of the picture, (H, W, 3) floats in [0, 1], in which these faces cannot be recognized.

    found: the faces to hide; default: those from `everybody`. seed: None draws from the system's entropy. Faces that
    the detector misses remain visible, so check the result. Raises InputError.
    """
    picture = images.as_image(image, name="hide: image")
    random = np.random.default_rng(seed)
    for face in everybody(picture) if found is None else found:
        _cover(picture, face.box, random)
    return picture


def _cover(picture: np.ndarray, box: np.ndarray, random: np.random.Generator) -> None:
    """Paint an ellipse with a soft edge over the box, in place."""
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
    cover = np.clip(images.resample(means, *part.shape[:2]) + rings[..., None], 0, 1)
    share = np.clip((SOFT - np.hypot(across / half[0], down / half[1])) / (SOFT - 1), 0, 1)[..., None]
    part[:] = share * cover + (1 - share) * part

"""Cropping of a face to the position that an encoder's card specifies."""

from __future__ import annotations

from typing import Any

import numpy as np

from minicnn.datasets.alignment import crop_by_box, crop_by_landmarks, crop_centre
from minicnn.errors import InputError
from minicnn.models.card import ModelCard

# In the order of detectors' landmarks.
POINTS = ("left eye", "right eye", "tip of the nose", "left corner of the mouth", "right corner of the mouth")


def crop(
    image: np.ndarray, card: ModelCard, *, box: Any = None, landmarks: Any = None, size: int | None = None
) -> np.ndarray:
    """Return the face in a picture (H, W, 3) as the encoder's card specifies. size: default is that of the card.

    box: (left, top, width, height) of the face in pixels; the crop is the square around it, with the card's margin.
    landmarks: (n, 2) pixels (x, y), the first n of POINTS, with left and right as seen by the viewer. The face is
    rotated and scaled to match the card's landmarks. With neither, the crop is the largest centred square.
    Raises InputError.
    """
    size = size or card.input_size[0]
    if box is not None and landmarks is not None:
        raise InputError("crop: box and landmarks are both given; expected one of them")
    if landmarks is not None:
        template = [card.landmarks[point] for point in POINTS if point in card.landmarks]
        return crop_by_landmarks(image, landmarks, size, template=template[: len(landmarks)] or "arcface")
    if box is not None:
        left, top, width, height = box
        # Detectors' boxes end at brow and chin. The margin is in pixels at the card's size.
        margin = card.margin / (card.input_size[0] - card.margin) if card.margin else 0.0
        return crop_by_box(image, (left, top, left + width, top + height), size, margin=margin)
    return crop_centre(image, size)

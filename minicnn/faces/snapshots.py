"""Faces in photographs: their position, quality, crop and encoding."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from minicnn import images
from minicnn.errors import InputError, is_count
from minicnn.faces import encoders, quality
from minicnn.faces.cropping import crop
from minicnn.faces.detection import SMALLEST, Detection, as_picture, detect
from minicnn.faces.encoding import card_of, encode
from minicnn.models.card import ModelCard
from minicnn.models.cascade import MTCNN

CHOICES = ("largest", "centre")


class Face:
    """One face of a picture. Crop, encoding and quality are computed lazily.

    box: (left, top, right, bottom). landmarks: (5, 2), as in `Detection`. Both are in pixels of the given picture.
    score: from 0 to 1. number, among: rank by score, from 1, and number of faces. turn: degrees clockwise by which the
    picture was rotated to find the face.
    """

    def __init__(
        self, image: np.ndarray, found: Detection, number: int = 1, turn: int = 0, encoder: Any = None
    ) -> None:
        self.image, self.number, self.among, self.turn = image, number, len(found.scores), turn
        self.box, self.landmarks = found.boxes[number - 1], found.landmarks[number - 1]
        self.score = float(found.scores[number - 1])
        self._encoder = encoder

    def __repr__(self) -> str:
        left, top, right, bottom = self.box
        size = f"{right - left:.0f} × {bottom - top:.0f} at {left:.0f},{top:.0f}"
        return f"<Face {self.number} of {self.among}: {size}, score {self.score:.3f}>"

    @property
    def encoder(self) -> Any:
        """The network that encodes the face: the one given to `find`, or else the default for photographs."""
        self._encoder = self._encoder or encoders.of_photographs()
        return self._encoder

    @cached_property
    def crop(self) -> np.ndarray:
        """The upright face, cropped for its encoder."""
        return self.crop_for(card_of(self.encoder))

    @cached_property
    def encoding(self) -> np.ndarray:
        """The encoding, (D,) float32."""
        return encode(self.encoder, self.crop)[0]

    @cached_property
    def quality(self) -> quality.Quality:
        """The quality of the face, and whether it suffices for a verdict."""
        return quality.measure(self.image, self.landmarks)

    def crop_for(self, card: ModelCard, *, size: int | None = None) -> np.ndarray:
        """Return the face cropped for an encoder's card. size: default is that of the card.

        The face is rotated and scaled to match the card's landmarks. Encoders with a margin but without landmarks were
        trained on upright squares around a detector's box, and get those.
        """
        if card.margin is not None and not card.landmarks:
            left, top, right, bottom = self.box
            square = crop(self.image, card, box=(left, top, right - left, bottom - top), size=size)
            return np.rot90(square, -self.turn // 90)
        return crop(self.image, card, landmarks=self.landmarks, size=size)


def find(
    picture: Any,
    *,
    encoder: Any = None,
    min_size: float = SMALLEST,
    detector: MTCNN | None = None,
) -> list[Face]:
    """Find all faces in a picture, by descending score. If none is upright, other orientations are tried.

    picture: a path, or an array as for `detect`. encoder: for crops and encodings; default: the one for photographs on
    this machine. Other arguments and errors as in `detect`.
    """
    image = as_picture(images.load(picture) if isinstance(picture, str | os.PathLike) else picture)
    for turn in (0, 90, 270, 180):
        found = detect(np.rot90(image, -turn // 90), min_size=min_size, detector=detector)
        if len(found.scores):
            found = turned_back(found, turn, image.shape)
            return [Face(image, found, number, turn, encoder) for number in range(1, len(found.scores) + 1)]
    return []


def check_choice(face: Any, *more: str) -> None:
    """Raise InputError for an invalid choice of a face."""
    if face not in (*CHOICES, *more) and not is_count(face, 1):
        raise InputError(f"face is {face!r}; expected {', '.join((*CHOICES, *more))}, or a number from 1")


def choose(found: Sequence[Face], face: int | str = "largest") -> Face:
    """Return the chosen face of one picture.

    face: "largest"; "centre", the nearest to the middle; or its number, from 1 for the highest score. Raises
    InputError, also if there are fewer faces.
    """
    check_choice(face)
    if not isinstance(face, str):
        count = len(found)
        if face > count:
            raise InputError(f"face is {face}; there {'is one face' if count == 1 else f'are {count} faces'}")
        return found[face - 1]
    boxes = np.array([one.box for one in found])
    if face == "largest":
        merits = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    else:
        height, width = found[0].image.shape[:2]
        merits = -np.hypot(*((boxes[:, :2] + boxes[:, 2:]) / 2 - (width / 2, height / 2)).T)
    return found[int(np.argmax(merits))]


def turned_back(found: Detection, turn: int, shape: tuple[int, ...]) -> Detection:
    """Map a Detection in a picture that was rotated clockwise back to the original picture. shape: the original's."""
    height, width = shape[:2]

    def back(places: np.ndarray) -> np.ndarray:
        x, y = places[..., 0], places[..., 1]
        ways = {0: (x, y), 90: (y, height - x), 180: (width - x, height - y), 270: (width - y, x)}
        return np.stack(ways[turn], axis=-1)

    corners = back(found.boxes.reshape(-1, 2, 2))
    boxes = np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)
    return Detection(boxes, found.scores, back(found.landmarks))

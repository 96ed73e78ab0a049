"""From a photograph to faces: where they are, how well they are seen, and each as an encoder wants it."""

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
    """One face of a picture. Crop, encoding and quality are made when they are first asked for.

    box: (left, top, right, bottom); landmarks: (5, 2), as of `Detection`; both in the picture as it was given. score:
    from 0 to 1. number, among: from 1 for the surest of so many. turn: by how many degrees to the right the picture
    had to be turned for the face to be found.
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
        """The network that encodes it: the one that `find` was given, or else that of photographs on this machine."""
        self._encoder = self._encoder or encoders.of_photographs()
        return self._encoder

    @cached_property
    def crop(self) -> np.ndarray:
        """The face as its encoder takes it, upright."""
        return self.crop_for(card_of(self.encoder))

    @cached_property
    def encoding(self) -> np.ndarray:
        """(D,) float32."""
        return encode(self.encoder, self.crop)[0]

    @cached_property
    def quality(self) -> quality.Quality:
        """How well it is seen, and whether that is enough for a verdict."""
        return quality.measure(self.image, self.landmarks)

    def crop_for(self, card: ModelCard, *, size: int | None = None) -> np.ndarray:
        """The face as an encoder's card wants it, of its size or of another to look at.

        Turned and scaled so that the landmarks lie as the card has them. An encoder whose card has none, but a margin,
        was trained on upright squares about a detector's box, and gets such a one.
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
    """Find all faces in a picture, the surest first. Where none is upright, a picture on its side or head is tried.

    picture: a path, or an array as for `detect`. encoder: for crops and encodings; that of photographs on this
    machine when left out. Other arguments and errors as of `detect`.
    """
    image = as_picture(images.load(picture) if isinstance(picture, str | os.PathLike) else picture)
    for turn in (0, 90, 270, 180):
        found = detect(np.rot90(image, -turn // 90), min_size=min_size, detector=detector)
        if len(found.scores):
            found = turned_back(found, turn, image.shape)
            return [Face(image, found, number, turn, encoder) for number in range(1, len(found.scores) + 1)]
    return []


def check_choice(face: Any, *more: str) -> None:
    """Raise InputError for what means no face of a picture."""
    if face not in (*CHOICES, *more) and not is_count(face, 1):
        raise InputError(f"face is {face!r}; expected {', '.join((*CHOICES, *more))}, or a number from 1")


def choose(found: Sequence[Face], face: int | str = "largest") -> Face:
    """Return the face that is meant among those of one picture.

    face: "largest"; "centre", the one nearest to the middle; or its number, from 1 for the one that is surest. Raises
    InputError, also where there are fewer faces.
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
    """Places in a picture that was turned to the right, as places in the picture of this shape."""
    height, width = shape[:2]

    def back(places: np.ndarray) -> np.ndarray:
        x, y = places[..., 0], places[..., 1]
        ways = {0: (x, y), 90: (y, height - x), 180: (width - x, height - y), 270: (width - y, x)}
        return np.stack(ways[turn], axis=-1)

    corners = back(found.boxes.reshape(-1, 2, 2))
    boxes = np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)
    return Detection(boxes, found.scores, back(found.landmarks))

"""From a snapshot to a face as an encoder wants it: find the faces, take one, and bring it where its card says."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from minicnn.errors import InputError, is_count
from minicnn.faces.cropping import crop
from minicnn.faces.detection import Detection, detect
from minicnn.models.card import ModelCard
from minicnn.models.cascade import MTCNN

CHOICES = ("largest", "centre")


class Taken(NamedTuple):
    """One face of a picture. number: from 1, as they are in `found`, the surest first."""

    number: int
    found: Detection

    @property
    def among(self) -> int:
        """How many faces there were."""
        return len(self.found.scores)

    @property
    def box(self) -> np.ndarray:
        """(left, top, right, bottom)."""
        return self.found.boxes[self.number - 1]

    @property
    def landmarks(self) -> np.ndarray:
        """(5, 2)."""
        return self.found.landmarks[self.number - 1]

    def crop(self, image: np.ndarray, card: ModelCard, *, size: int | None = None) -> np.ndarray:
        """The face as the encoder's card wants it, of its size or of another to look at.

        Turned and scaled so that the landmarks lie as the card has them. An encoder whose card has none, but a margin,
        was trained on upright squares about a detector's box, and gets such a one.
        """
        if card.margin is not None and not card.landmarks:
            left, top, right, bottom = self.box
            return crop(image, card, box=(left, top, right - left, bottom - top), size=size)
        return crop(image, card, landmarks=self.landmarks, size=size)


def take(image: np.ndarray, face: int | str = "largest", *, detector: MTCNN | None = None) -> Taken | None:
    """The face that is meant in a picture; None where no face is found.

    face: "largest"; "centre", the one nearest to the middle; or its number, from 1 for the one that is surest. Other
    arguments and errors as of `detect`; InputError, too, where there are fewer faces.
    """
    if face not in CHOICES and not is_count(face, 1):
        raise InputError(f"face is {face!r}; expected {', '.join(CHOICES)}, or a number from 1")
    found = detect(image, detector=detector)
    count = len(found.scores)
    if count == 0:
        return None
    if isinstance(face, str):
        return Taken(1 + int(np.argmax(_merits(found.boxes, face, image.shape))), found)
    if face > count:
        raise InputError(f"face is {face}; there {'is one face' if count == 1 else f'are {count} faces'}")
    return Taken(int(face), found)


def _merits(boxes: np.ndarray, face: str, shape: tuple[Any, ...]) -> np.ndarray:
    """What is the greater, the more it is this face."""
    if face == "largest":
        return (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    return -np.hypot(*(middle - (shape[1] / 2, shape[0] / 2)).T)

"""Everybody in a picture: where each face is, what the encoder is shown of it, and its encoding."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np

from minicnn import images
from minicnn.faces import encoders
from minicnn.faces.detection import SMALLEST, as_picture, detect
from minicnn.faces.encoding import card_of, encode
from minicnn.faces.snapshots import Taken
from minicnn.models.cascade import MTCNN


@dataclass(frozen=True, eq=False)
class Face:
    """One face of a picture.

    box: (4,) left, top, right, bottom, and landmarks: (5, 2) of (x, y), in pixels and in the order of `detect`. score:
    from 0 to 1, how sure the detector is. crop: (H, W, 3) float32, turned and scaled as the encoder takes it, so that a
    gallery does, too. encoding: (D,) float32.
    """

    box: np.ndarray
    landmarks: np.ndarray
    score: float
    crop: np.ndarray
    encoding: np.ndarray

    def __repr__(self) -> str:
        left, top, right, bottom = self.box.round().astype(int)
        return f"<Face at {left},{top} to {right},{bottom}, score {self.score:.3f}>"


def find(picture: Any, *, encoder: Any = None, detector: MTCNN | None = None, min_size: float = SMALLEST) -> list[Face]:
    """All upright faces in a picture, the surest first, encoded together.

    picture: a path, or an array as of `detect`; detector, min_size: also as there. encoder: a network for faces; that
    of photographs which is on this machine when left out. Raises InputError, MissingFileError or LoadError.
    """
    image = as_picture(images.load(picture) if isinstance(picture, str | os.PathLike) else picture)
    encoder = encoders.of_photographs() if encoder is None else encoder
    found = detect(image, min_size=min_size, detector=detector)
    crops = [Taken(number, found).crop(image, card_of(encoder)) for number, _ in enumerate(found.scores, start=1)]
    encodings = encode(encoder, crops)
    parts = zip(found.boxes, found.landmarks, found.scores.tolist(), crops, encodings, strict=True)
    return [Face(*part) for part in parts]

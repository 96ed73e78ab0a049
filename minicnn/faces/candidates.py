"""Inputs of a gallery: paths, photographs, crops or faces, and the faces in them that are encoded."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from minicnn import images as files
from minicnn.errors import InputError
from minicnn.faces import quality
from minicnn.faces.cropping import POINTS
from minicnn.faces.detection import SMALLEST
from minicnn.faces.snapshots import Face, choose, find
from minicnn.models.card import ModelCard
from minicnn.tensor import Tensor


class Candidate(NamedTuple):
    """A face to encode. quality: None if unknown. face: None for a crop.

    among: number of faces in the picture. picture: number of the picture, from 0.
    """

    crop: Any
    quality: quality.Quality | None
    face: Any
    among: int
    picture: int

    @property
    def problem(self) -> str:
        """The reason why the face cannot be judged; empty if it can."""
        return self.quality.problem if self.quality else ""


def is_one(images: Any) -> bool:
    """Return True for one picture, False for several."""
    if hasattr(images, "shape"):
        return len(images.shape) != 4
    return isinstance(images, str | os.PathLike | Face | bytes | Mapping) or not isinstance(images, Iterable)


def candidates(images: Any, card: ModelCard, which: int | str, function: str) -> Iterator[Candidate]:
    """Yield the chosen face of each picture, or with "all" every face.

    which: as for `snapshots.choose`, or "all". Raises InputError if no face is found, except with "all".
    """
    images = images.numpy() if isinstance(images, Tensor) else images
    for number, picture in enumerate([images] if is_one(images) else images):
        if isinstance(picture, Candidate):
            yield picture._replace(picture=number)
            continue
        if isinstance(picture, Face):
            yield Candidate(picture.crop_for(card), picture.quality, picture, 1, number)
            continue
        image = files.load(picture) if isinstance(picture, str | os.PathLike) else picture
        image = image.numpy() if isinstance(image, Tensor) else image
        if not _is_photograph(image, card):
            yield Candidate(image, _quality_of_crop(image, card), None, 1, number)
            continue
        label = str(picture) if isinstance(picture, str | os.PathLike) else f"picture {number + 1}"
        try:
            found = find(image)
            if not found and which != "all":
                size = " × ".join(map(str, card.input_size))
                raise InputError(f"no face was found; expected one, or a crop of {size}")
            chosen = found if which == "all" else [choose(found, which)]
        except InputError as problem:
            raise type(problem)(f"{function}: {label}: {problem}") from problem
        for face in chosen:
            yield Candidate(face.crop_for(card), face.quality, face, len(found), number)


def _is_photograph(image: Any, card: ModelCard) -> bool:
    """Return True for an array to search for faces: not of the encoder's size, and not tiny."""
    if not isinstance(image, np.ndarray) or image.ndim not in (2, 3):
        return False
    return image.shape[:2] != card.input_size and min(image.shape[:2]) >= SMALLEST


def _quality_of_crop(image: Any, card: ModelCard) -> quality.Quality | None:
    """Return the quality of an aligned crop of a photograph, or None. The original size of the face is unknown."""
    aligned = not card.drawn and set(POINTS) <= set(card.landmarks)
    if not aligned or not isinstance(image, np.ndarray) or image.shape != (*card.input_size, 3):
        return None
    height, width = card.input_size
    points = np.array([card.landmarks[point] for point in POINTS]) * (width, height)
    return quality.measure(files.as_floats(image, "picture"), points)

"""Pictures for training and testing an encoder of faces, as uint8 arrays of its size."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from minicnn import images
from minicnn.datasets import image_folders
from minicnn.datasets.alignment import crop_centre
from minicnn.datasets.synthetic_faces import Population
from minicnn.errors import InputError
from minicnn.files import replacing


def drawn(
    seed: int, people: int, each: int, test_people: int, *, size: int, folder: Path, progress: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return (images, people, images of held-out people, these people). Images are (N, size, size, 3) uint8.

    They are cached in `folder`, so that a resumed run need not draw them again. Raises InputError.
    """
    population = Population(seed, size=size)
    held_out = population.held_out(test_people, training=people)
    arrays = []
    for name, numbers in (("training", list(range(people))), ("test", held_out)):
        # The last number identifies the people.
        path = folder / f"faces-{name}-{seed}-{size}-{len(numbers)}x{each}-{numbers[-1]}.npy"
        labels = np.repeat(np.array(numbers), each)
        arrays += [_kept(path, population, numbers, each, size, progress), labels]
    return arrays[0], arrays[1], arrays[2], arrays[3]


def folder(
    root: str | Path, size: int, take: Callable[[np.ndarray, Path], np.ndarray | None] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return (images (N, size, size, 3) uint8, people (N,)) of root/PERSON/*.jpg. Raises InputError.

    take: return the face in a picture as floats of that size, or None for the centre; default: always the centre.
    """
    found = image_folders.read(root)
    crops = []
    for path in found.paths:
        image = images.load(path)
        face = take(image, path) if take else None
        crops.append(crop_centre(image, size) if face is None else face)
    return np.stack([images.as_bytes(crop, "face train: picture") for crop in crops]), found.labels


def _kept(path: Path, population: Population, people: list[int], each: int, size: int, progress: bool) -> np.ndarray:
    shape = (len(people) * each, size, size, 3)
    if os.path.lexists(path):
        try:
            kept = np.load(path, allow_pickle=False)
        except (ValueError, OSError, EOFError) as problem:
            raise InputError(f"face train: {str(path)!r} holds no pictures ({problem}); delete it") from None
        if kept.shape != shape or kept.dtype != np.uint8:
            raise InputError(
                f"face train: {str(path)!r} holds {kept.shape} {kept.dtype}; expected {shape} uint8; delete it"
            )
        return kept
    album = population.pictures(people, each, threads=os.cpu_count() or 1, progress=progress)
    with replacing(path) as beside, open(beside, "wb") as file:
        np.save(file, album.images)
    return album.images

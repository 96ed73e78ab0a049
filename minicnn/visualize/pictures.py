"""Sources of pictures, read lazily: arrays, files, folders, or drawn faces without end."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from minicnn import images as files
from minicnn.datasets.image_folders import SUFFIXES
from minicnn.errors import InputError, MissingFileError
from minicnn.files import unreadable
from minicnn.tensor import Tensor


class Pictures(Sequence[np.ndarray]):
    """A sequence of pictures, float32 (H, W, 3) in [0, 1]. items: arrays (H, W, 3), floats or uint8, or paths.

    size: (height, width) to which files are cropped and resized; arrays keep their size.
    """

    def __init__(self, items: Any, size: tuple[int, int] | None = None) -> None:
        self.items, self.size = items, size

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, number: Any) -> Any:
        item = self.items[number]
        picture = files.as_image(item, name=f"images: picture {number}")
        from_file = isinstance(item, str | os.PathLike)
        return middle(picture, self.size) if from_file and self.size is not None else picture

    def name(self, number: int) -> str:
        """Return the name of a picture: its file, or its number."""
        item = self.items[number] if not isinstance(self.items, np.ndarray) else None
        return Path(item).name if isinstance(item, str | os.PathLike) else f"picture {number}"

    def batches(self, size: int, start: int = 0) -> Iterator[tuple[int, np.ndarray]]:
        """Yield (number of the first, pictures (N, H, W, 3)) from `start` on, at most `size` at once."""
        shape: tuple[int, ...] = ()
        for first in range(start, len(self), size):
            batch = self.stacked(range(first, min(first + size, len(self))))
            shape = shape or batch.shape[1:]
            if batch.shape[1:] != shape:
                sizes = f"{self.name(first)} has shape {batch.shape[1:]}, {self.name(start)} {shape}"
                raise InputError(f"images: {sizes}; expected one size")
            yield first, batch

    def stacked(self, numbers: Sequence[int]) -> np.ndarray:
        """Return the pictures of these numbers, (N, H, W, 3). Raise InputError if they differ in size."""
        pictures = [self[int(number)] for number in numbers]
        for number, picture in zip(numbers, pictures, strict=True):
            if picture.shape != pictures[0].shape:
                raise InputError(
                    f"images: {self.name(int(number))} has shape {picture.shape}, {self.name(int(numbers[0]))} "
                    f"{pictures[0].shape}; expected one size"
                )
        return np.stack(pictures)

    def fingerprint(self) -> str:
        """Return a digest of the paths of these pictures, or of samples from all over an array."""
        total = hashlib.sha256(f"{len(self)} {self.size}".encode())
        if isinstance(self.items, np.ndarray):
            total.update(np.ascontiguousarray(self.items[:: max(1, len(self) // 64)]).tobytes())
        else:
            for item in self.items if isinstance(self.items, list | tuple) else [repr(self.items)]:
                total.update(item.tobytes() if isinstance(item, np.ndarray) else f"{item}\n".encode())
        return total.hexdigest()


class DrawnFaces(Sequence[np.ndarray]):
    """The faces that `datasets.synthetic_faces` draws, uint8 (size, size, 3): each per person, count in all."""

    def __init__(self, count: int, size: int, *, each: int = 2, seed: int = 0) -> None:
        from minicnn.datasets.synthetic_faces import Population

        self.length, self.size, self.each, self.seed = count, size, each, seed
        self._population = Population(seed, size=size)

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, number: Any) -> Any:
        return self._population.picture(*divmod(int(number), self.each)).image

    def __repr__(self) -> str:
        return f"DrawnFaces({self.length}, {self.size}, each={self.each}, seed={self.seed})"


def as_pictures(images: Any, size: tuple[int, int] | None = None) -> Pictures:
    """Return Pictures from an array (N, H, W, 3) or (H, W, 3), a folder and its subfolders, a file, or a sequence.

    A sequence holds files or arrays. size: (height, width) for pictures from files.
    """
    if isinstance(images, Pictures):
        return images
    if isinstance(images, Tensor):
        images = images.data
    if isinstance(images, str | os.PathLike):
        return Pictures(_files(Path(images)), size)
    if isinstance(images, np.ndarray):
        if images.ndim not in (3, 4) or images.shape[-1] != 3 or images.size == 0:
            raise InputError(f"images has shape {images.shape}; expected (N, H, W, 3) or (H, W, 3), not empty")
        return Pictures(images[None] if images.ndim == 3 else images)
    if not isinstance(images, Sequence) or not len(images):
        raise InputError(f"images is a {type(images).__name__}; expected an array, a folder, or pictures in a list")
    return Pictures(images, size)


def middle(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return the largest central part of a picture with the aspect ratio of `size`, resized to `size`."""
    (height, width), (tall, wide) = picture.shape[:2], size
    scale = min(height / tall, width / wide)
    rows, columns = max(1, round(tall * scale)), max(1, round(wide * scale))
    top, left = (height - rows) // 2, (width - columns) // 2
    return files.resize(picture[top : top + rows, left : left + columns], tall, wide)


def _files(path: Path) -> list[Path]:
    if os.path.isfile(path):
        return [path]
    if why := unreadable(path, folder=True):
        raise MissingFileError(f"images {str(path)!r} {why}; expected a folder of pictures, or one picture")
    found = sorted(file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES and os.path.isfile(file))
    found = [file for file in found if not any(part.startswith(".") for part in file.relative_to(path).parts)]
    if not found:
        raise InputError(f"images {str(path)!r} holds no pictures; expected a folder of JPEG, PNG or other pictures")
    return found

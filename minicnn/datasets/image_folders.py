"""Photographs in one folder per person: root/person/picture.jpg. Names are read at once, pictures lazily."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from minicnn import images
from minicnn.errors import InputError, MissingFileError

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm")


@dataclass(frozen=True)
class ImageFolder:
    """A folder's people and pictures.

    people: names, sorted. paths: of every picture, person by person. labels: (pictures,) int64, numbers into people.
    """

    root: Path
    people: tuple[str, ...]
    paths: tuple[Path, ...]
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.paths)

    def load(self, number: int, *, size: images.Size | None = None) -> images.Picture:
        """Return picture `number`, read by `images.load`: float32 (H, W, 3) in [0, 1]. Raise InputError if it fails."""
        return images.load(self.paths[number], size=size)

    def of(self, person: str) -> tuple[Path, ...]:
        """Return the paths of one person's pictures. Raise InputError if there is no such person."""
        if person not in self.people:
            raise InputError(f"person: got {person!r}; expected one of the {len(self.people)} in {str(self.root)!r}")
        return tuple(self.paths[k] for k in np.flatnonzero(self.labels == self.people.index(person)))


def read(root: str | Path) -> ImageFolder:
    """Return the people and pictures below `root`, sorted by name, so that the order is stable.

    Hidden files and folders, and files that are not pictures, are skipped. Raise MissingFileError if there is no such
    folder, and InputError if it holds no person, or a person without pictures.
    """
    root = Path(root)
    expected = "expected a folder with a folder of pictures for every person"
    if not root.exists():
        raise MissingFileError(f"data: no folder {str(root)!r}; {expected}")
    if not root.is_dir():
        raise InputError(f"data: {str(root)!r} is a file; {expected}")
    found: dict[str, list[Path]] = {}
    folder = root
    try:
        for folder in sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith(".")):
            files = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
            found[folder.name] = [path for path in files if path.suffix.lower() in SUFFIXES and path.is_file()]
    except OSError as problem:
        raise InputError(f"data: {str(folder)!r} cannot be read ({problem.strerror or problem}); {expected}") from None
    if not found:
        raise InputError(f"data: {str(root)!r} holds no folders; {expected}")
    without = [name for name, files in found.items() if not files]
    if without:
        others = f" and {len(without) - 1} more" if len(without) > 1 else ""
        raise InputError(f"data: {without[0]!r}{others} in {str(root)!r} holds no pictures; {expected}")
    paths = tuple(path for files in found.values() for path in files)
    labels = np.repeat(np.arange(len(found)), [len(files) for files in found.values()])
    return ImageFolder(root, tuple(found), paths, labels)

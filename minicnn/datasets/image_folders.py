"""Photographs in one folder per person: root/person/picture.jpg. Names are read at once, pictures lazily."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from minicnn import images
from minicnn.errors import InputError, MissingFileError
from minicnn.files import unreadable
from minicnn.text import spelled

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm")


@dataclass(frozen=True)
class ImageFolder:
    """A folder's people and pictures.

    people: normalized names, sorted. paths: every picture, person by person. labels: (pictures,) int64,
    indices into people. passed_over: numbers of skipped files, as text.
    """

    root: Path
    people: tuple[str, ...]
    paths: tuple[Path, ...]
    labels: np.ndarray
    passed_over: str = ""

    def __len__(self) -> int:
        return len(self.paths)

    def load(self, number: int, *, size: images.Size | None = None) -> images.Picture:
        """Return picture `number`, read by `images.load`: float32 (H, W, 3) in [0, 1]. Raise InputError if it fails."""
        return images.load(self.paths[number], size=size)

    def of(self, person: str) -> tuple[Path, ...]:
        """Return the paths of one person's pictures. Raise InputError if there is no such person."""
        person = spelled(person)
        if person not in self.people:
            raise InputError(f"person: got {person!r}; expected one of the {len(self.people)} in {str(self.root)!r}")
        return tuple(self.paths[k] for k in np.flatnonzero(self.labels == self.people.index(person)))


def read(root: str | Path) -> ImageFolder:
    """Return the people and pictures below `root`, sorted by name, so that the order is stable.

    Hidden files and folders, and folders whose names begin with _, are skipped, and so are files that are not pictures,
    which are counted. Raise MissingFileError if there is no such folder, and InputError if it holds no person, a person
    without pictures, or two folders of one name.
    """
    root = Path(root)
    expected = "expected a folder with a folder of pictures for every person"
    if why := unreadable(root, folder=True):
        if why == "is a file":
            raise InputError(f"data: {str(root)!r} is a file; {expected}")
        raise MissingFileError(f"data: no folder {str(root)!r} (it {why}); {expected}")
    found: dict[str, list[Path]] = {}
    others: list[Path] = []
    folder = root
    try:
        for folder in sorted(path for path in root.iterdir() if os.path.isdir(path) and path.name[0] not in "._"):
            files = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
            if (name := spelled(folder.name)) in found:
                raise InputError(
                    f"data: two folders in {str(root)!r} have the name {name!r}; put all pictures into one"
                )
            found[name] = [path for path in files if path.suffix.lower() in SUFFIXES and os.path.isfile(path)]
            others += [path for path in files if path not in found[name]]
    except OSError as problem:
        raise InputError(f"data: {str(folder)!r} cannot be read ({problem.strerror or problem}); {expected}") from None
    if not found:
        raise InputError(f"data: {str(root)!r} holds no folders; {expected}")
    without = [name for name, files in found.items() if not files]
    if without:
        more = f" and {len(without) - 1} more" if len(without) > 1 else ""
        passed = f"; passed over: {counted(others)}" if others else ""
        raise InputError(f"data: {without[0]!r}{more} in {str(root)!r} holds no pictures; {expected}{passed}")
    paths = tuple(path for files in found.values() for path in files)
    labels = np.repeat(np.arange(len(found)), [len(files) for files in found.values()])
    return ImageFolder(root, tuple(found), paths, labels, counted(others))


def counted(passed: Iterable[Path]) -> str:
    """Return the numbers of files and folders of each kind as text: "3 .heic, 1 folder"; "" for none."""
    kinds = Counter("folder" if os.path.isdir(path) else path.suffix.lower() or "without a suffix" for path in passed)
    return ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())

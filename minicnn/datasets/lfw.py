"""Labeled Faces in the Wild (Huang et al. 2007): the pairs of pairs.txt, and their pictures."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from minicnn.datasets.pairs import Pairs
from minicnn.errors import InputError, MissingFileError
from minicnn.files import read_text, unreadable

SUFFIXES = (".jpg", ".png")


class Picture(NamedTuple):
    """A person's name, and the number of the picture, from 1."""

    name: str
    number: int


class NamedPair(NamedTuple):
    """A line of pairs.txt. fold counts from 0."""

    first: Picture
    second: Picture
    fold: int

    @property
    def same(self) -> bool:
        """True if both pictures show one person."""
        return self.first.name == self.second.name


class Evaluation(NamedTuple):
    """The pictures and pairs of an evaluation.

    paths: every picture of the pairs once. pairs: indices into paths. missing: pictures that do not exist.
    """

    paths: tuple[Path, ...]
    pairs: Pairs
    missing: tuple[Picture, ...]


def read_pairs(path: str | Path) -> list[NamedPair]:
    """Return the pairs of a file such as pairs.txt.

    It begins with the number of folds and the number of pairs per kind and fold (or with the latter alone, for one
    fold). Every fold has that many lines `name i j`, pictures of one person, and as many `name i other j`. Raise
    InputError if the file does not.
    """
    path = Path(path)
    if why := unreadable(path):
        raise MissingFileError(f"pairs: no file {str(path)!r} (it {why}); expected LFW's pairs.txt")
    rows = [line.split() for line in read_text("pairs:", path).splitlines() if line.strip()]
    header, lines = (rows[0], rows[1:]) if rows else ([], [])
    if len(header) not in (1, 2) or not all(word.isdecimal() and int(word) > 0 for word in header):
        raise InputError(
            f"pairs: {str(path)!r} begins with {' '.join(header)!r}; expected folds and pairs, as in '10 300'"
        )
    folds, each = (1, *map(int, header))[-2:]
    if len(lines) != 2 * folds * each:
        raise InputError(
            f"pairs: {str(path)!r} has {len(lines)} pairs; expected {folds} folds of 2 × {each} as it says"
        )
    return list(_parsed(path, lines, each))


def _parsed(path: Path, lines: list[list[str]], each: int) -> Iterator[NamedPair]:
    for number, words in enumerate(lines):
        fold, place = divmod(number, 2 * each)
        one_person = place < each
        numbers = words[1:] if one_person else words[1::2]
        if len(words) != (3 if one_person else 4) or not all(word.isdecimal() for word in numbers):
            expected = "name i j" if one_person else "name i other j"
            raise InputError(f"pairs: {str(path)!r}, pair {number + 1} is {' '.join(words)!r}; expected {expected!r}")
        first, second = map(int, numbers)
        name, other = words[0], words[0] if one_person else words[2]
        if not one_person and name == other:
            raise InputError(f"pairs: {str(path)!r}, pair {number + 1} is of one person ({name}); expected two")
        yield NamedPair(Picture(name, first), Picture(other, second), fold)


def evaluation(root: str | Path, pairs: str | Path, *, skip_missing: bool = False) -> Evaluation:
    """Return the pairs of the file `pairs` among the pictures root/NAME/NAME_0001.jpg (or .png).

    Each pair keeps the fold that the file puts it in: if pictures are missing and `skip_missing` is True, only their
    folds are shorter. Raise InputError if pictures are missing and `skip_missing` is False.
    """
    root, named = Path(root), read_pairs(pairs)
    if why := unreadable(root, folder=True):
        raise MissingFileError(f"data: no folder {str(root)!r} (it {why}); expected LFW's, as NAME/NAME_0001.jpg")
    places = {picture: _find(root, picture) for pair in named for picture in (pair.first, pair.second)}
    missing = tuple(picture for picture, place in places.items() if place is None)
    if missing and not skip_missing:
        example = f"{missing[0].name}_{missing[0].number:04d}.jpg"
        raise InputError(f"data: {len(missing)} of {len(places)} pictures are not in {str(root)!r} (first {example!r})")
    kept = [pair for pair in named if places[pair.first] and places[pair.second]]
    if not kept:
        raise InputError(f"data: {str(root)!r} holds both pictures of no pair; expected NAME/NAME_0001.jpg")
    used = dict.fromkeys(picture for pair in kept for picture in (pair.first, pair.second))
    number = {picture: place for place, picture in enumerate(used)}
    columns = [(number[pair.first], number[pair.second], pair.same, pair.fold) for pair in kept]
    first, second, same, fold = (np.array(column) for column in zip(*columns, strict=True))
    paths = tuple(path for picture in used if (path := places[picture]))
    return Evaluation(paths, Pairs(first, second, same, fold), missing)


def _find(root: Path, picture: Picture) -> Path | None:
    stem = root / picture.name / f"{picture.name}_{picture.number:04d}"
    return next((path for suffix in SUFFIXES if os.path.isfile(path := stem.with_name(stem.name + suffix))), None)

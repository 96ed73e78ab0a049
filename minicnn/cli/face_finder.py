"""Face selection for the actions of `minicnn face`, with the notes that they print."""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from minicnn.cli import outcome
from minicnn.errors import InputError
from minicnn.text import counted

if TYPE_CHECKING:
    from minicnn.faces.candidates import Candidate
    from minicnn.models.card import ModelCard

NO_FACE = "no face was found; say where it is with --box X,Y,W,H, or --face none to take the middle of the picture"
CENTRED = (
    "no face detector is installed: the centre of each picture is cropped; minicnn weights fetch mtcnn or "
    "pip install '.[faces]' adds one"
)
TURNED = "found a face after rotating the picture by {}°"
FEW = 3  # number of pictures up to which each gets a note; more get a summary


class Place(NamedTuple):
    """A face located by the user, or the centre of the picture."""

    image: np.ndarray
    where: dict[str, Any]

    def crop_for(self, card: ModelCard, *, size: int | None = None) -> np.ndarray:
        """Return the crop, as Face.crop_for does."""
        from minicnn.faces.cropping import crop

        return crop(self.image, card, **self.where, size=size)


class Looker:
    """The selection of a face, or all faces, in each of `count` pictures, called once per picture in order.

    Boxes and landmarks are checked in the constructor. Without them, faces are detected, except drawn ones: the
    detector is trained on photographs. --face overrides this. usual: the choice without --face. one: refuse --face
    all. strict: raise NoVerdict for a picture without a face; otherwise return no face and count it.
    """

    def __init__(
        self,
        arguments: Any,
        card: ModelCard,
        count: int,
        *,
        usual: str = "largest",
        strict: bool = True,
        one: bool = False,
    ) -> None:
        from minicnn import zoo
        from minicnn.faces.snapshots import check_choice

        self.card, self.count, self.strict = card, count, strict
        drawn = getattr(arguments, "drawn", False)
        given: dict[str, list[Any]] = {
            "box": [_numbers(box, 4, "box", "x,y,w,h in pixels") for box in getattr(arguments, "box", None) or []],
            "landmarks": [
                [_numbers(point, 2, "landmarks", "points x,y") for point in face]
                for face in getattr(arguments, "landmarks", None) or []
            ],
        }
        self.given = {name: places for name, places in given.items() if places}
        if len(self.given) > 1:
            raise InputError("face: --box and --landmarks are both given; expected one of them")
        for name, places in self.given.items():
            if len(places) > 1 and len(places) != count:
                raise InputError(f"face: {len(places)} times --{name} for {count} pictures; expected one, or one each")
            if arguments.face is not None:
                raise InputError(f"face: --{name} and --face are both given; expected one of them")
        self.any_quality = drawn or getattr(arguments, "any_quality", False)
        face = usual if arguments.face in (None, "none") else arguments.face
        self.which: int | str = int(face) if face.isascii() and face.isdecimal() else face
        check_choice(self.which, *(["none"] if one else ["all", "none"]))
        usually = not drawn and zoo.here(zoo.find("mtcnn")) is not None
        self.looks = not self.given and arguments.face != "none" and (usually or arguments.face is not None)
        if self.looks:
            zoo.path("mtcnn")  # raises with instructions if they are missing
        self.numbers = itertools.count()
        self.centred = not (self.given or self.looks or arguments.face or drawn)
        self.missed = self.several = 0

    def __call__(self, path: str | Path) -> list[Candidate]:
        """Return the selected faces of a picture: one, or all with --face all."""
        from minicnn import images

        number, image = next(self.numbers), images.load(path)
        try:
            shown = self.look(image, path, number)
            return [one._replace(quality=None) for one in shown] if self.any_quality else list(shown)
        except InputError as problem:
            raise type(problem)(f"{path}: {problem}") from problem

    def look(self, image: np.ndarray, path: str | Path, number: int = 0) -> Iterable[Candidate]:
        """Return the selected faces of an image. path: its name in notes."""
        from minicnn.faces.candidates import Candidate, candidates
        from minicnn.faces.snapshots import choose, find

        whole = image.shape[:2] == self.card.input_size  # a picture of the input size is a face already
        if whole or not self.looks:
            if self.centred and not whole:
                self.centred = False
                outcome.note(CENTRED)
            place = Place(image, {name: row[number % len(row)] for name, row in self.given.items()})
            crop = place.crop_for(self.card)
            return [next(candidates(crop, self.card, 1, "face"))._replace(face=place)]
        found = find(image)
        if not found:
            self.missed += 1
            if self.strict:
                raise outcome.NoVerdict(NO_FACE)
            return []
        if found[0].turn:
            outcome.note(f"{path}: {TURNED.format(found[0].turn)}")
        if self.which == "all":
            return candidates(found, self.card, "all", "face")
        face = choose(found, self.which)
        self.several += face.among > 1
        if self.count <= FEW:
            say_which(path, face, f"was taken for --face {self.which}; --face chooses another, or all")
        return [Candidate(face.crop_for(self.card), face.quality, face, len(found), number)]

    def conclude(self) -> None:
        """Print summary notes, if there were too many pictures for a note each."""
        if self.several and self.count > FEW:
            which = {"largest": "the largest", "centre": "the most central"}.get(str(self.which), "that of --face")
            pictures = counted(self.several, "picture holds", "pictures hold")
            outcome.note(f"{pictures} several faces; {which} was taken; --face chooses another")
        if self.missed and not self.strict:
            pictures = counted(self.missed, "picture without a face was", "pictures without a face were")
            outcome.note(f"{pictures} skipped; --face none crops the centre")


def say_which(path: str | Path, face: Any, why: str) -> None:
    """Print which of several faces was taken."""
    if getattr(face, "among", 1) > 1:
        x, y = (face.box[:2] + face.box[2:]) / 2
        outcome.note(f"{path}: {face.among} faces; number {face.number} at {x:.0f},{y:.0f} {why}")


def described(face: Any) -> dict[str, Any]:
    """Return the location and quality of a face, for JSON; nothing for one that was not detected."""
    from minicnn.faces.cropping import POINTS

    if isinstance(face, Place):
        return {}
    left, top, right, bottom = (round(float(side), 2) for side in face.box)
    return {
        "face": face.number,
        "box": [left, top, right, bottom],
        "xywh": [left, top, round(right - left, 2), round(bottom - top, 2)],
        "score": round(face.score, 4),
        "turn": face.turn,
        "landmarks": dict(zip(POINTS, np.asarray(face.landmarks, float).round(2).tolist(), strict=True)),
        "quality": {name: round(float(value), 4) for name, value in face.quality._asdict().items()},
    }


def pictures_in(words: Iterable[str], function: str) -> list[str]:
    """Return the given pictures, with each folder replaced by all pictures below it."""
    from minicnn.datasets.image_folders import SUFFIXES

    found: list[str] = []
    for word in words:
        inside = [word]
        if os.path.isdir(word):
            names = sorted(path.relative_to(word) for path in Path(word).rglob("*") if path.suffix.lower() in SUFFIXES)
            inside = [str(Path(word, name)) for name in names if not any(part[0] == "." for part in name.parts)]
        if not inside:
            raise InputError(
                f"{function}: the folder {word!r} holds no pictures; expected pictures, or folders of them"
            )
        found += inside
    return found


def _numbers(text: str, count: int, name: str, expected: str) -> list[float]:
    words = text.split(",")
    try:
        values = [float(word) for word in words]
    except ValueError:
        values = []
    if len(values) != count or not all(map(math.isfinite, values)):
        raise InputError(f"face: {name} is {text!r}; expected {expected}")
    return values

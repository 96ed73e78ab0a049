"""How the actions of `minicnn face` find the faces that are meant in pictures, and what they say about it."""

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
    "no --box or --landmarks: faces are taken from the middle of the pictures; minicnn weights fetch mtcnn brings what "
    "finds them, and so does pip install '.[faces]'"
)
TURNED = "a face is found when it is turned by {}°"
FEW = 3  # pictures of which each has a line of its own; of more there is one line in all
POINTS = ("left eye", "right eye", "tip of the nose", "left corner of the mouth", "right corner of the mouth")


class Place(NamedTuple):
    """A face where the user says that it is, or in the middle of the picture."""

    image: np.ndarray
    where: dict[str, Any]

    def crop_for(self, card: ModelCard, *, size: int | None = None) -> np.ndarray:
        """As of `Face`."""
        from minicnn.faces.cropping import crop

        return crop(self.image, card, **self.where, size=size)


class Looker:
    """Finds the face that is meant in each of `count` pictures, in turn, or all. It says where it looks.

    Boxes and landmarks are looked at now, before the first picture is; without them, faces are looked for. Drawn faces
    are not, unless --face asks for it: the detector has learned photographs. usual: which face is meant where --face
    does not say. strict: a picture without a face raises NoVerdict; else it gives no face and is counted.
    """

    def __init__(
        self, arguments: Any, card: ModelCard, count: int, *, usual: str = "largest", strict: bool = True
    ) -> None:
        from minicnn import zoo

        self.card, self.count, self.strict = card, count, strict
        drawn = getattr(arguments, "drawn", False)
        given = {
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
        self.which = _which(arguments.face, usual)
        usually = not drawn and zoo.here(zoo.find("mtcnn")) is not None
        self.looks = not self.given and arguments.face != "none" and (usually or arguments.face is not None)
        if self.looks:
            zoo.path("mtcnn")  # says how to get the weights
        self.numbers = itertools.count()
        self.centred = not (self.given or self.looks or arguments.face or drawn)
        self.missed = self.several = 0

    def __call__(self, path: str | Path) -> list[Candidate]:
        """The faces that are meant in a picture: one, or with --face all as many as there are."""
        from minicnn import images

        number, image = next(self.numbers), images.load(path)
        try:
            shown = self.look(image, path, number)
            return [one._replace(quality=None) for one in shown] if self.any_quality else list(shown)
        except InputError as problem:
            raise type(problem)(f"{path}: {problem}") from problem

    def look(self, image: np.ndarray, path: str | Path, number: int = 0) -> Iterable[Candidate]:
        """As for a path, which then is for what there is to say."""
        from minicnn.faces.candidates import Candidate, candidates
        from minicnn.faces.snapshots import choose, find

        whole = image.shape[:2] == self.card.input_size  # a picture of the encoder's own size is a face already
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
        self._say_which(path, face)
        one = Candidate(face.crop_for(self.card), face.quality, face, len(found), number)
        return [one]

    def _say_which(self, path: str | Path, face: Any) -> None:
        self.several += face.among > 1
        if face.among > 1 and self.count <= FEW:
            x, y = (face.box[:2] + face.box[2:]) / 2
            which = f"the {self.which}, " if isinstance(self.which, str) else ""
            outcome.note(
                f"{path}: {face.among} faces; {which}number {face.number} at {x:.0f},{y:.0f} was taken; --face chooses "
                "another, or all"
            )

    def conclude(self) -> None:
        """Say in a line each what happened to many pictures."""
        if self.several and self.count > FEW:
            which = {"largest": "the largest", "centre": "the one in the middle"}.get(str(self.which), "that of --face")
            outcome.note(
                f"{counted(self.several, 'picture holds', 'pictures hold')} several faces; {which} was taken; --face "
                "chooses another"
            )
        if self.missed and not self.strict:
            were = "was" if self.missed == 1 else "were"
            outcome.note(
                f"{counted(self.missed, 'picture')} without a face {were} left out; --face none takes the middle"
            )


def say_nearest(path: str, face: Any) -> None:
    """Say which of several faces is the nearest."""
    if getattr(face, "among", 1) > 1:
        x, y = (face.box[:2] + face.box[2:]) / 2
        outcome.note(f"{path}: {face.among} faces; number {face.number} at {x:.0f},{y:.0f} is the nearest")


def place_of(face: Any) -> dict[str, Any]:
    """Where a face is, for JSON; nothing for one that was not looked for."""
    if not hasattr(face, "box"):
        return {}
    left, top, right, bottom = (round(float(side), 2) for side in face.box)
    points = zip(POINTS, np.asarray(face.landmarks, float).round(2).tolist(), strict=True)
    return {
        "face": face.number,
        "box": [left, top, right, bottom],
        "xywh": [left, top, round(right - left, 2), round(bottom - top, 2)],
        "score": round(face.score, 4),
        "turn": face.turn,
        "landmarks": dict(points),
    }


def quality_of(face: Any) -> dict[str, Any]:
    """How well a face is seen, for JSON; nothing for one that was not looked for."""
    if not hasattr(face, "quality"):
        return {}
    return {"quality": {name: round(float(value), 4) for name, value in face.quality._asdict().items()}}


def pictures_in(words: Iterable[str], function: str) -> list[str]:
    """The pictures that are named, and instead of a folder all pictures in it, and in the folders in it."""
    from minicnn.datasets.image_folders import SUFFIXES

    found: list[str] = []
    for word in words:
        if not os.path.isdir(word):
            found.append(word)
            continue
        files = [os.path.join(folder, name) for folder, _, names in os.walk(word) for name in names]
        inside = sorted(path for path in files if Path(path).suffix.lower() in SUFFIXES and not hidden(path, word))
        if not inside:
            raise InputError(
                f"{function}: the folder {word!r} holds no pictures; expected pictures, or folders of them"
            )
        found += inside
    return found


def hidden(path: str, folder: str) -> bool:
    """Return True for what lies in a folder with a dot before its name, or before the name of a folder in it."""
    return any(part.startswith(".") for part in Path(path).relative_to(folder).parts)


def _which(face: str | None, usual: str) -> int | str:
    from minicnn.faces.snapshots import CHOICES

    if face is None or face == "none":
        return usual
    if face in (*CHOICES, "all"):
        return face
    if face.isascii() and face.isdecimal() and int(face) > 0:
        return int(face)
    raise InputError(f"face: --face is {face!r}; expected {', '.join(CHOICES)}, all, none, or a number from 1")


def _numbers(text: str, count: int, name: str, expected: str) -> list[float]:
    words = text.split(",")
    try:
        values = [float(word) for word in words]
    except ValueError:
        values = []
    if len(values) != count or not all(map(math.isfinite, values)):
        raise InputError(f"face: {name} is {text!r}; expected {expected}")
    return values

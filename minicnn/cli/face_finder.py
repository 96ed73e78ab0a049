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
    does not say. one: all may not be meant. strict: a picture without a face raises NoVerdict; else it gives no face
    and is counted.
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
        self.several += face.among > 1
        if self.count <= FEW:
            say_which(path, face, f"was taken for --face {self.which}; --face chooses another, or all")
        return [Candidate(face.crop_for(self.card), face.quality, face, len(found), number)]

    def conclude(self) -> None:
        """Say in a line each what happened to many pictures."""
        if self.several and self.count > FEW:
            which = {"largest": "the largest", "centre": "the one in the middle"}.get(str(self.which), "that of --face")
            pictures = counted(self.several, "picture holds", "pictures hold")
            outcome.note(f"{pictures} several faces; {which} was taken; --face chooses another")
        if self.missed and not self.strict:
            pictures = counted(self.missed, "picture without a face was", "pictures without a face were")
            outcome.note(f"{pictures} left out; --face none takes the middle")


def say_which(path: str | Path, face: Any, why: str) -> None:
    """Say which of several faces counts."""
    if getattr(face, "among", 1) > 1:
        x, y = (face.box[:2] + face.box[2:]) / 2
        outcome.note(f"{path}: {face.among} faces; number {face.number} at {x:.0f},{y:.0f} {why}")


def described(face: Any) -> dict[str, Any]:
    """Where a face is and how well it is seen, for JSON; nothing for one that was not looked for."""
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
    """The pictures that are named, and instead of a folder all pictures in it, and in the folders in it."""
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

"""How the actions of `minicnn face` find the face that is meant in a picture."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from minicnn.cli.outcome import NoVerdict, note
from minicnn.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    from minicnn.faces.snapshots import Face

NO_FACE = "no face was found; say where it is with --box X,Y,W,H, or --face none to take the middle of the picture"


class Finder:
    """Finds the face that is meant, and says once a picture what there is to know."""

    def __init__(self, face: int | str, *, strict: bool, quiet: bool) -> None:
        self.face, self.strict, self.quiet = face, strict, quiet
        self.missed = 0

    def __call__(self, image: np.ndarray, path: str | Path) -> Face | None:
        """The face in a picture. None where there is none; strict: then NoVerdict."""
        from minicnn.faces.snapshots import take

        taken = take(image, self.face)
        if taken is None:
            self.missed += 1
            if self.strict:
                raise NoVerdict(NO_FACE)
            if not self.quiet:
                note(f"{path}: no face was found; it is taken from the middle")
        elif taken.among > 1 and not self.quiet:
            x, y = (taken.box[:2] + taken.box[2:]) / 2
            which = f"the {self.face}, " if isinstance(self.face, str) else ""
            note(
                f"{path}: {taken.among} faces; {which}number {taken.number} at {x:.0f},{y:.0f} was taken; "
                "--face chooses another"
            )
        return taken


def finder_of(
    arguments: argparse.Namespace, *, usual: str = "largest", strict: bool = True, quiet: bool = False
) -> Finder | None:
    """What looks for faces in pictures; None where they are taken from the middle or from where the user says.

    Drawn faces are not looked for unless --face asks for it: the detector has learned photographs. usual: which face is
    meant where --face does not say.
    """
    from minicnn import zoo

    wanted = arguments.face
    if wanted is None and (getattr(arguments, "drawn", False) or zoo.here(zoo.find("mtcnn")) is None):
        return None
    if wanted == "none":
        return None
    zoo.path("mtcnn")  # says how to get the weights
    return Finder(_which(wanted or usual), strict=strict, quiet=quiet)


def _which(face: str) -> int | str:
    from minicnn.faces.snapshots import CHOICES

    if face in CHOICES:
        return face
    if face.isascii() and face.isdecimal() and int(face) > 0:
        return int(face)
    raise InputError(f"face: --face is {face!r}; expected {', '.join(CHOICES)}, none, or a number from 1")

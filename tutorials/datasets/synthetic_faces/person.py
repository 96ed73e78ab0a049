"""A person built from an identity: head, hair, beard, ears, neck and glasses, with their paint."""

from __future__ import annotations

import numpy as np

from minicnn.datasets.synthetic_faces.anatomy import Head
from minicnn.datasets.synthetic_faces.beard import Beard
from minicnn.datasets.synthetic_faces.body import ear, neck, shoulders
from minicnn.datasets.synthetic_faces.glasses import Glasses
from minicnn.datasets.synthetic_faces.hair import Hair
from minicnn.datasets.synthetic_faces.identity import Identity
from minicnn.datasets.synthetic_faces.skin import painted_head, tone

FACE = 1.35  # extent of the face around the head, in radians from its middle


class Person:
    """The parts of a person that stay the same from picture to picture.

    paint: from skin.painted_head. landmarks (2, 5): the rows and columns of the head at the eyes, the tip of the
    nose and the corners of the mouth. face (rows, columns): mask of the points between hairline, ears and chin;
    hairline: the row of the first of them.
    """

    def __init__(self, identity: Identity, rng: np.random.Generator, detail: int) -> None:
        self.identity = i = identity
        self.head = Head(i)
        self.hair = Hair(self.head, rng)
        self.paint = painted_head(self.head, self.hair, rng, detail)
        self.skin = tone(i)
        self.beard = Beard(self.head, rng) if i.beard not in ("none", "stubble") else None
        self.ears = [ear(i, sign) for sign in (-1, 1)]
        self.neck, self.shoulders = neck(i), shoulders(i)
        self.glasses = Glasses(self.head) if i.glasses != "none" else None
        eye, corner, height = i.eye_distance / 2, i.mouth_breadth / 2 - 1, self.head.mouth + i.mouth_corners
        marks = [(-eye, 0), (eye, 0), (0, i.tip_height), (-corner, height), (corner, height)]
        self.landmarks = np.concatenate([self.head.place(*mark) for mark in marks], axis=1)
        y = self.head.chart[1]
        self.face = (np.abs(self.head.angle) < FACE) & (y < i.hairline) & (y > -i.face_length - 0.5)
        self.hairline = float(self.head.place(0, i.hairline)[0, 0])

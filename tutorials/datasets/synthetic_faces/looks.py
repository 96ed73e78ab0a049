"""The appearance of a person's parts: the colours of pixels, and how their normals are bent."""

from __future__ import annotations

import numpy as np

from minicnn.backend import kernels_for
from minicnn.datasets.synthetic_faces import eyes
from minicnn.datasets.synthetic_faces.circumstances import Circumstances
from minicnn.datasets.synthetic_faces.lighting import Surface
from minicnn.datasets.synthetic_faces.meshes import unit
from minicnn.datasets.synthetic_faces.person import Person
from minicnn.datasets.synthetic_faces.shapes import Array
from minicnn.datasets.synthetic_faces.view import Look


def head_look(person: Person, how: Circumstances, turn: Array) -> Look:
    """Return the look of skin with its paint, eyes and mouth; `turn` (3, 3) is the rotation of the head."""
    head, paint = person.head, person.paint
    finer = np.divide(np.array(paint.shape[1:]) - 1, np.array(head.points.shape[1:]) - 1).astype(np.float32)

    def look(place: Array, towards: Array) -> Surface:
        painted = kernels_for(paint).raster_sample(paint, place * finer[:, None])
        colours, gloss, chart = painted[:3], 0.22 * painted[3], painted[4:]
        own = turn.T @ towards
        wet = eyes.paint_eyes(head, chart, colours, own, how.openness, how.gaze)
        eyes.paint_mouth(head, chart, colours, how.opened)
        gloss, shine = np.where(wet, np.float32(0.7), gloss), np.where(wet, np.float32(200), np.float32(20))
        return Surface(colours, turn @ own, gloss, shine, 1)

    return look


def hair_look(person: Person, marks: Array, darker: float = 1) -> Look:
    """Return the look of strands; marks are the points' places on the picture of strands."""
    hair = person.hair

    def look(place: Array, towards: Array) -> Surface:
        draw = kernels_for(marks)
        across, along = draw.raster_sample(marks, place)
        strand = draw.raster_sample(hair.strands, np.stack([110 * across % 511, 5 * along % 31]))[0]
        colours = 0.9 * darker * hair.colour[:, None] * np.exp(0.28 * strand)
        towards[0] += 0.12 * strand
        gloss = 0.2 * darker**4 * np.clip(1 + 0.6 * strand, 0.1, 3)
        return Surface(colours, _facing_us(towards), gloss, 14)

    return look


def ear_look(skin: Array, openness: Array) -> Look:
    """Return the look of skin that lets light through."""
    redder = skin[:, None] * np.array([[1], [0.86], [0.84]], np.float32)

    def look(place: Array, towards: Array) -> Surface:
        colours = redder * kernels_for(openness).raster_sample(openness, place)
        return Surface(colours, _facing_us(towards), gloss=0.08, flesh=1)

    return look


def plain_look(colour: Array, **properties: float) -> Look:
    """Return the look of a uniform colour."""

    def look(place: Array, towards: Array) -> Surface:
        return Surface(np.repeat(colour[:, None], towards.shape[1], axis=1), towards, **properties)

    return look


def _facing_us(towards: Array) -> Array:
    """Return the normals of a surface that is seen from both sides."""
    return unit(towards * np.where(towards[2] < 0, np.float32(-1), np.float32(1)))

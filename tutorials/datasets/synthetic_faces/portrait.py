"""One picture: the parts of a person in front of a camera, their light, and the photograph."""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np

from minicnn.backend import kernels_for
from minicnn.datasets.synthetic_faces import obstacles
from minicnn.datasets.synthetic_faces.camera import Camera, develop, rotation
from minicnn.datasets.synthetic_faces.circumstances import Circumstances
from minicnn.datasets.synthetic_faces.glasses import COLOURS
from minicnn.datasets.synthetic_faces.lighting import lamp
from minicnn.datasets.synthetic_faces.looks import ear_look, hair_look, head_look, plain_look
from minicnn.datasets.synthetic_faces.meshes import Patch, normals
from minicnn.datasets.synthetic_faces.person import Person
from minicnn.datasets.synthetic_faces.shapes import Array, ramp, smoothstep
from minicnn.datasets.synthetic_faces.surroundings import background, cloth
from minicnn.datasets.synthetic_faces.view import HEAD, Look, Part, View

FINER = 2  # every pixel is the mean of FINER × FINER samples
PIVOT = np.array([0, -55, -20], np.float32)  # the point on the neck around which the head turns


class Picture(NamedTuple):
    """A picture with its annotations. image: (size, size, 3) uint8.

    landmarks: (5, 2), x and y in pixels of the eye on the left of the picture, the other eye, the tip of the nose, and
    the corners of the mouth on the left and on the right. The first pixel reaches from 0 to 1: its centre is at 0.5.
    box: (4,), left, top, right and bottom of the face, from the hairline to the chin, in the same pixels.
    """

    image: Array
    landmarks: Array
    box: Array


class Pose:
    """The rotation and position of the head."""

    def __init__(self, yaw: float, pitch: float, roll: float) -> None:
        self.turn = rotation(yaw, pitch, roll)
        self._shift = PIVOT - self.turn @ PIVOT

    def __call__(self, points: Array) -> Array:
        return (self.turn @ points.reshape(3, -1) + self._shift[:, None]).reshape(points.shape)

    def directions(self, vectors: Array) -> Array:
        return (self.turn @ vectors.reshape(3, -1)).reshape(vectors.shape)

    def part(self, patch: Patch, look: Look, **how: bool) -> Part:
        return Part(self(patch.points), self.directions(patch.normals), look, **how)


def portray(person: Person, how: Circumstances, size: int) -> Picture:
    """Return the picture of a person in these circumstances, size × size pixels."""
    rng = np.random.default_rng(how.scene)
    i, pose = person.identity, Pose(how.yaw, how.pitch, how.roll)
    points = _expression(person, how)
    parts = _parts(person, points, pose, how, rng)
    middle = pose(np.array([[0], [0.45 * i.crown_height - 0.40 * i.face_length], [60]], np.float32))[:, 0]
    camera = Camera(FINER * size, how.scale, middle - np.array([*how.shift, 0], np.float32))
    view = View(FINER * size, parts, camera)
    canvas = view.lit(parts, camera, how)
    if person.glasses and how.glasses:
        for lens in person.glasses.lenses:
            view.glaze(canvas, camera.project(pose(lens.points)), lens.marks, how, camera.scale)
    light = _shrunk(canvas)
    light += _shrunk((view.owner == 0).astype(np.float32)) * background(rng, size)
    if how.obstacle:
        face = (view.owner == HEAD) & (view.place[0] > person.hairline)
        obstacles.hide(light, _shrunk(face.astype(np.float32)), how, person.skin, lamp(how), camera.scale / FINER, rng)
    landmarks = camera.project(pose(kernels_for(points).raster_sample(points, person.landmarks)))
    outline = camera.project(pose(points[:, person.face]))
    box = np.concatenate([outline[:2].min(axis=1), outline[:2].max(axis=1)])
    return Picture(develop(light, how, rng), landmarks[:2].T / FINER, box / FINER)


def _shrunk(planes: Array) -> Array:
    """Return the means of FINER × FINER pixels."""
    total = np.zeros_like(planes[..., ::FINER, ::FINER])
    for row, column in itertools.product(range(FINER), repeat=2):
        total += planes[..., row::FINER, column::FINER]
    return total * np.float32(1 / FINER**2)


def _expression(person: Person, how: Circumstances) -> Array:
    """Return the points of the head with its expression, not yet turned."""
    points = person.head.points.copy()
    for name, move in person.head.moves.items():
        if amount := getattr(how, name):
            points += np.float32(amount) * move
    return points


def _parts(person: Person, points: Array, pose: Pose, how: Circumstances, rng: np.random.Generator) -> list[Part]:
    """Return all parts of a person that the camera may see, the head first."""
    i, outwards = person.identity, normals(points)
    parts = [Part(pose(points), pose.directions(outwards), head_look(person, how, pose.turn), throws_shadow=True)]
    hair = person.hair
    for patch, two_sided in ((hair.cap, False), (hair.bun, False), (hair.curtain, True)):
        if patch:
            look = hair_look(person, patch.marks)
            parts.append(pose.part(patch, look, two_sided=two_sided, throws_shadow=True))
    if person.beard:
        patch = person.beard.on(points, outwards)
        parts.append(pose.part(patch, hair_look(person, patch.marks, darker=0.8)))
    parts += [pose.part(patch, ear_look(person.skin, patch.marks), two_sided=True) for patch in person.ears]
    body = Pose(0.35 * how.yaw, 0, 0.3 * how.roll)
    neck = body.part(person.neck, plain_look(0.95 * person.skin, gloss=0.05, flesh=1))
    # Its upper end follows the head.
    following = smoothstep(-150, -45, person.neck.points[1])
    parts.append(neck._replace(points=neck.points + (pose(person.neck.points) - neck.points) * following))
    collar = np.array([0, rng.uniform(-22, 8), 0], np.float32)[:, None, None]
    parts.append(body.part(person.shoulders._replace(points=person.shoulders.points + collar), plain_look(cloth(rng))))
    if person.glasses and how.glasses:
        frame = plain_look(ramp(i.glasses_colour, COLOURS), gloss=0.5, shine=60)
        parts.append(pose.part(person.glasses.frame, frame, two_sided=True))
    return parts

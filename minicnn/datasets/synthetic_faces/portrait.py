"""One picture: the parts of a person before a camera, what each pixel shows, its light, and the photograph."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from minicnn.datasets.synthetic_faces import eyes, obstacles
from minicnn.datasets.synthetic_faces.camera import Camera, develop, rotation
from minicnn.datasets.synthetic_faces.circumstances import Circumstances
from minicnn.datasets.synthetic_faces.glasses import COLOURS
from minicnn.datasets.synthetic_faces.lighting import Surface, illuminate, lamp, lamplight, recesses, sheen
from minicnn.datasets.synthetic_faces.meshes import Patch, normals, unit
from minicnn.datasets.synthetic_faces.person import Person
from minicnn.datasets.synthetic_faces.raster import implementation
from minicnn.datasets.synthetic_faces.shapes import Array, ramp, smoothstep
from minicnn.datasets.synthetic_faces.surroundings import background, cloth

FINER = 2  # every pixel is the mean of FINER × FINER
PIVOT = np.array([0, -55, -20], np.float32)  # where the head turns on the neck
HEAD = 1  # the first part


class Picture(NamedTuple):
    """image: (size, size, 3) uint8.

    landmarks: (5, 2), x and y in pixels of the eye on the left of the picture, the other eye, the tip of the nose, and
    the corners of the mouth on the left and on the right. The first pixel reaches from 0 to 1: its middle is at 0.5.
    box: (4,), left, top, right and bottom of the face, from the hairline to the chin, in the same pixels.
    """

    image: Array
    landmarks: Array
    box: Array


class Part(NamedTuple):
    """Points and normals (3, rows, columns) before the camera, and a function of the place (2, n) and normals (3, n) of
    pixels that says what they show. Some throw shadows.
    """

    points: Array
    normals: Array
    look: Callable[[Array, Array], Surface]
    two_sided: bool = False
    throws_shadow: bool = False


class Pose:
    """How the head is turned and carried."""

    def __init__(self, yaw: float, pitch: float, roll: float) -> None:
        self.turn = rotation(yaw, pitch, roll)
        self._shift = PIVOT - self.turn @ PIVOT

    def __call__(self, points: Array) -> Array:
        return (self.turn @ points.reshape(3, -1) + self._shift[:, None]).reshape(points.shape)

    def directions(self, vectors: Array) -> Array:
        return (self.turn @ vectors.reshape(3, -1)).reshape(vectors.shape)

    def part(self, patch: Patch, look: Callable[[Array, Array], Surface], **how: bool) -> Part:
        return Part(self(patch.points), self.directions(patch.normals), look, **how)


def portray(person: Person, how: Circumstances, size: int) -> Picture:
    """Draw a person, in such circumstances, as size × size pixels."""
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
    landmarks = camera.project(pose(implementation(points).sample(points, person.landmarks)))
    outline = camera.project(pose(points[:, person.face]))
    box = np.concatenate([outline[:2].min(axis=1), outline[:2].max(axis=1)])
    return Picture(develop(light, how, rng), landmarks[:2].T / FINER, box / FINER)


def _shrunk(planes: Array) -> Array:
    """The means of FINER × FINER pixels."""
    total = np.zeros_like(planes[..., ::FINER, ::FINER])
    for row, column in itertools.product(range(FINER), repeat=2):
        total += planes[..., row::FINER, column::FINER]
    return total * np.float32(1 / FINER**2)


def _expression(person: Person, how: Circumstances) -> Array:
    """The points of the head, not yet turned."""
    points = person.head.points.copy()
    for name, move in person.head.moves.items():
        if amount := getattr(how, name):
            points += np.float32(amount) * move
    return points


def _parts(person: Person, points: Array, pose: Pose, how: Circumstances, rng: np.random.Generator) -> list[Part]:
    """Everything of a person that the camera may see, the head first."""
    i, outwards = person.identity, normals(points)
    parts = [Part(pose(points), pose.directions(outwards), _head(person, how, pose), throws_shadow=True)]
    hair = person.hair
    for patch, two_sided in ((hair.cap, False), (hair.bun, False), (hair.curtain, True)):
        if patch:
            look = _hair(person, patch.marks)
            parts.append(pose.part(patch, look, two_sided=two_sided, throws_shadow=True))
    if person.beard:
        patch = person.beard.on(points, outwards)
        parts.append(pose.part(patch, _hair(person, patch.marks, darker=0.8)))
    parts += [pose.part(patch, _ear(person.skin, patch.marks), two_sided=True) for patch in person.ears]
    body = Pose(0.35 * how.yaw, 0, 0.3 * how.roll)
    neck = body.part(person.neck, _plain(0.95 * person.skin, gloss=0.05, flesh=1))
    # At its upper end it follows the head.
    following = smoothstep(-150, -45, person.neck.points[1])
    parts.append(neck._replace(points=neck.points + (pose(person.neck.points) - neck.points) * following))
    collar = np.array([0, rng.uniform(-22, 8), 0], np.float32)[:, None, None]
    parts.append(body.part(person.shoulders._replace(points=person.shoulders.points + collar), _plain(cloth(rng))))
    if person.glasses and how.glasses:
        frame = _plain(ramp(i.glasses_colour, COLOURS), gloss=0.5, shine=60)
        parts.append(pose.part(person.glasses.frame, frame, two_sided=True))
    return parts


def _head(person: Person, how: Circumstances, pose: Pose) -> Callable[[Array, Array], Surface]:
    head, paint = person.head, person.paint
    finer = np.divide(np.array(paint.shape[1:]) - 1, np.array(head.points.shape[1:]) - 1).astype(np.float32)

    def look(place: Array, towards: Array) -> Surface:
        painted = implementation(paint).sample(paint, place * finer[:, None])
        colours, gloss, chart = painted[:3], 0.22 * painted[3], painted[4:]
        own = pose.turn.T @ towards
        wet = eyes.paint_eyes(head, chart, colours, own, how.openness, how.gaze)
        eyes.paint_mouth(head, chart, colours, how.opened)
        gloss, shine = np.where(wet, np.float32(0.7), gloss), np.where(wet, np.float32(200), np.float32(20))
        return Surface(colours, pose.turn @ own, gloss, shine, 1)

    return look


def _hair(person: Person, marks: Array, darker: float = 1) -> Callable[[Array, Array], Surface]:
    hair = person.hair

    def look(place: Array, towards: Array) -> Surface:
        draw = implementation(marks)
        across, along = draw.sample(marks, place)
        strand = draw.sample(hair.strands, np.stack([110 * across % 511, 5 * along % 31]))[0]
        colours = 0.9 * darker * hair.colour[:, None] * np.exp(0.28 * strand)
        towards[0] += 0.12 * strand
        gloss = 0.2 * darker**4 * np.clip(1 + 0.6 * strand, 0.1, 3)
        return Surface(colours, _facing_us(towards), gloss, 14)

    return look


def _ear(skin: Array, openness: Array) -> Callable[[Array, Array], Surface]:
    redder = skin[:, None] * np.array([[1], [0.86], [0.84]], np.float32)

    def look(place: Array, towards: Array) -> Surface:
        colours = redder * implementation(openness).sample(openness, place)
        return Surface(colours, _facing_us(towards), gloss=0.08, flesh=1)

    return look


def _plain(colour: Array, **properties: float) -> Callable[[Array, Array], Surface]:
    def look(place: Array, towards: Array) -> Surface:
        return Surface(np.repeat(colour[:, None], towards.shape[1], axis=1), towards, **properties)

    return look


def _facing_us(towards: Array) -> Array:
    """The normals of a surface that is seen from both sides."""
    return unit(towards * np.where(towards[2] < 0, np.float32(-1), np.float32(1)))


class View:
    """What each pixel of the camera shows: which part (`owner`, 0 for none), where on it, and how near."""

    def __init__(self, size: int, parts: list[Part], camera: Camera) -> None:
        self.depth = np.zeros((size, size), np.float32)
        self.owner, self.place = np.zeros((size, size), np.uint8), np.zeros((2, size, size), np.float32)
        self._draw = implementation(self.depth)
        for number, part in enumerate(parts, start=HEAD):
            seen = camera.project(part.points)
            self._draw.fill(seen, number, part.two_sided, self.depth, self.owner, self.place)

    def lit(self, parts: list[Part], camera: Camera, how: Circumstances) -> Array:
        """The light (3, size, size) that comes from the parts."""
        pixels, surface = self._surface(parts)
        y, x = np.divmod(pixels, np.int32(len(self.depth)))
        across, down = x.astype(np.float32) + np.float32(0.5), y.astype(np.float32) + np.float32(0.5)
        points = camera.unproject(across, down, self.depth.ravel()[pixels])
        # Every other row and column is enough to throw a shadow.
        throwing = [part for part in parts if part.throws_shadow]
        surfaces = [(np.ascontiguousarray(part.points[:, ::2, ::2]), part.two_sided) for part in throwing]
        arriving = lamplight(surfaces, points, how)
        hidden = recesses(self.depth, camera)[y // 2, x // 2]
        canvas = np.zeros((3, *self.depth.shape), np.float32)
        canvas.reshape(3, -1)[:, pixels] = illuminate(surface, arriving, hidden, how)
        return canvas

    def _surface(self, parts: list[Part]) -> tuple[Array, Surface]:
        """The pixels (n,) that show anything, part by part, and what they show."""
        order = np.argsort(self.owner, axis=None, kind="stable").astype(np.int32)
        edges = np.cumsum(np.bincount(self.owner.ravel(), minlength=len(parts) + HEAD))
        pixels, edges = order[edges[0] :], edges - edges[0]
        places = self.place.reshape(2, -1)[:, pixels]
        planes = np.empty((9, len(pixels)), np.float32)
        surface = Surface(planes[:3], planes[3:6], *planes[6:])
        for number, part in enumerate(parts, start=HEAD):
            mine = slice(edges[number - 1], edges[number])
            if mine.start < mine.stop:
                place = np.ascontiguousarray(places[:, mine])
                shown = part.look(place, unit(self._draw.sample(part.normals, place)))
                planes[:3, mine], planes[3:6, mine] = shown.colours, shown.normals
                planes[6, mine], planes[7, mine], planes[8, mine] = shown.gloss, shown.shine, shown.flesh
        return pixels, surface

    def glaze(self, canvas: Array, lens: Array, marks: Array, how: Circumstances, scale: float) -> None:
        """Lay a lens, projected points and their marks, over the light on the canvas."""
        depth, owner, place = self.depth.copy(), np.zeros_like(self.owner), np.zeros_like(self.place)
        self._draw.fill(lens, 1, True, depth, owner, place)
        y, x = np.nonzero(owner)
        if len(y):
            here = self._draw.sample(marks, np.ascontiguousarray(place[:, y, x]))
            canvas[:, y, x] = 0.93 * canvas[:, y, x] + sheen(here, how, (x + y) / np.float32(scale))

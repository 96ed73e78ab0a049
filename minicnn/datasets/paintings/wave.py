"""A great wave, cut in wood and printed in a few inks."""

import numpy as np
from PIL import Image, ImageDraw

from minicnn.datasets.paintings.canvas import Array, begin, clouds, finish, mix, noise, palette, smoothstep

PAPER, FOAM, HAZE, OCHRE, PALE, BLUE, PRUSSIAN, INDIGO = palette(
    "ecdfc0", "fbf6e6", "b9b79f", "d0913f", "a3c0c4", "4c83ab", "1f4a7c", "121f3d"
)

# The great wave lies between two curves, both from its foot to its claw: the hollow face and the back.
FACE = [(1.15, 0.80), (0.96, 0.845), (0.79, 0.850), (0.65, 0.815), (0.53, 0.755), (0.435, 0.67), (0.38, 0.56)]
FACE += [(0.37, 0.45), (0.405, 0.36), (0.47, 0.305), (0.545, 0.295), (0.615, 0.32)]
BACK = [(-0.30, 1.30), (-0.25, 1.02), (-0.18, 0.76), (-0.09, 0.52), (0.01, 0.34), (0.13, 0.20), (0.27, 0.11)]
BACK += [(0.41, 0.095), (0.54, 0.15), (0.63, 0.275)]


FAR = [(0.30, 0.83), (0.55, 0.80), (0.76, 0.74), (0.90, 0.66), (1.05, 0.55)]
NEAR = [
    (-0.05, 1.00),
    (0.10, 0.91),
    (0.235, 0.815),
    (0.32, 0.83),
    (0.45, 0.92),
    (0.65, 0.94),
    (0.85, 0.89),
    (1.05, 0.80),
]


class Print:
    """The sheet: shapes are cut at four times the size of the picture, in coordinates from 0 to 1."""

    def __init__(self, size: int) -> None:
        self.scale = 4 * size
        self.sheet = Image.new("RGB", (self.scale, self.scale), self.ink(PAPER))
        self.pen = ImageDraw.Draw(self.sheet)

    @staticmethod
    def ink(colour: Array) -> tuple[int, ...]:
        return tuple(int(255 * channel) for channel in colour)

    def shape(self, outline: Array, colour: Array) -> None:
        self.pen.polygon((outline * self.scale).ravel().tolist(), fill=self.ink(colour))

    def line(self, path: Array, width: Array, colour: Array) -> None:
        """A cut of changing width: the gouge goes in, leans, and comes out."""
        aside = normals(path) * np.reshape(width, (-1, 1)) / 2
        self.shape(np.concatenate([path + aside, (path - aside)[::-1]]), colour)

    def dot(self, centre: Array, radius: float, colour: Array) -> None:
        box = np.concatenate([centre - radius, centre + radius]) * self.scale
        self.pen.ellipse(box.tolist(), fill=self.ink(colour))


def woodcut_wave(size: int = 256, seed: int = 0) -> Array:
    """A breaking wave as a woodcut, (size, size, 3) float32 in [0, 1]."""
    rng = begin(size, seed)
    sheet = Print(size)
    cut_sky(sheet, rng)
    cut_mountain(sheet, rng)
    cut_swell(sheet, rng, FAR, rows=16)
    cut_great_wave(sheet, rng)
    near = cut_swell(sheet, rng, NEAR, rows=12)
    cut_foam(sheet, rng, near[28:62], 0.45 * np.sin(np.linspace(0.3, 2.6, 34)))
    return finish(printed(sheet, rng))


def curve(points, count: int = 60) -> Array:
    """A smooth curve through the points (Catmull-Rom), as `count` points."""
    p = np.asarray(points, dtype=float)
    p = np.concatenate([2 * p[:1] - p[1:2], p, 2 * p[-1:] - p[-2:-1]])
    where = np.linspace(0, len(points) - 1 - 1e-9, count)
    i, t = where.astype(int), (where % 1)[:, None]
    a, b, c, d = (p[i + k] for k in range(4))
    return b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))


def normals(path: Array) -> Array:
    along = np.gradient(path, axis=0)
    return np.stack([-along[:, 1], along[:, 0]], axis=-1) / (
        np.linalg.norm(along, axis=1, keepdims=True) + 1e-9
    )


def wander(rng, count: int, knots: int = 9) -> Array:
    """A smooth random line of numbers about 0: the unsteadiness of the hand."""
    return np.interp(np.linspace(0, 1, count), np.linspace(0, 1, knots), rng.standard_normal(knots))


def cut_sky(sheet, rng) -> None:
    x = np.linspace(-0.02, 1.02, 80)
    for y in np.arange(0.004, 0.80, 0.0155):
        shade = 0.62 * smoothstep(0.55, 0.0, y) + 0.35 * smoothstep(0.5, 0.8, y)
        width = 0.0155 * np.clip(shade + 0.14 * wander(rng, 80, 12), 0.15, 0.9)
        path = np.stack([x, y + 0.012 * np.sin(5 * x + 1.5 + 2 * y) + 0.0015 * wander(rng, 80)], axis=-1)
        sheet.line(path, width, mix(HAZE, OCHRE, smoothstep(0.45, 0.75, np.array(y))))
    sun, radius = np.array([0.845, 0.215]) + rng.uniform(-0.01, 0.01, 2), 0.092
    sheet.dot(sun, radius + 0.010, PAPER)
    sheet.dot(sun, radius, OCHRE)
    for rise in np.linspace(-0.8, 0.85, 13):
        reach = radius * np.sqrt(1 - rise**2) * np.linspace(-0.97, 0.97, 30)
        path = sun + np.stack([reach, rise * radius + 0.002 * wander(rng, 30)], axis=-1)
        sheet.line(path, 0.005 * (0.4 + 0.5 * rise + 0.3 * wander(rng, 30)).clip(0, 2), PAPER)


def cut_mountain(sheet, rng) -> None:
    """The mountain in the hollow of the wave, far away and quite still."""
    peak = np.array([0.665, 0.565])
    left = curve([(-0.30, 0.235), (-0.17, 0.165), (-0.075, 0.085), (-0.014, 0.0)], 40)
    right = curve([(0.014, 0.0), (0.075, 0.085), (0.17, 0.165), (0.30, 0.235)], 40)
    slope = peak + np.concatenate([left, right])
    sheet.line(slope, 0.012, INDIGO)
    sheet.shape(slope, PRUSSIAN)
    snow = [
        (0.088, 0.098),
        (0.06, 0.085),
        (0.045, 0.12),
        (0.02, 0.08),
        (0.0, 0.125),
        (-0.022, 0.085),
        (-0.05, 0.125),
        (-0.06, 0.09),
        (-0.088, 0.098),
    ]
    cap = peak + np.concatenate([left[26:], right[:14], snow])
    for k in np.linspace(-1, 1, 15):
        fall = np.linspace(0.1, 1, 20)
        path = peak + np.stack([k * (0.03 + 0.19 * fall**1.3), 0.02 + 0.20 * fall], axis=-1)
        sheet.line(path, 0.006 * np.sin(np.pi * fall) * rng.uniform(0.5, 1), PALE)
    sheet.shape(cap, FOAM)
    for k in (-0.7, -0.35, 0.1, 0.45, 0.75):
        fall = np.linspace(0.15, 0.8, 12)
        path = peak + np.stack([k * (0.012 + 0.085 * fall), 0.012 + 0.095 * fall], axis=-1)
        sheet.line(path, 0.004 * np.sin(np.pi * fall), BLUE)


def cut_swell(sheet, rng, crest, rows) -> None:
    """A lower wave: lines under its crest, crowded where it peaks."""
    top = curve(crest, 120)
    sheet.shape(np.concatenate([top - [0, 0.008], [(1.1, 1.2), (-0.1, 1.2)]]), INDIGO)
    for row in range(rows):
        depth = (row + 0.7) / rows
        path = np.stack([top[:, 0], top[:, 1] + (1.16 - top[:, 1]) * depth**1.15], axis=-1)
        gap = (1.16 - top[:, 1]) / rows * 0.75
        width = gap * np.clip(0.85 + 0.25 * wander(rng, 120, 12), 0.1, 1.05)
        sheet.line(path, width, (PALE, PRUSSIAN, BLUE, PRUSSIAN)[row % 4])
        for side in (-0.2, 0.2):
            fine = path + normals(path) * (side * gap)[:, None]
            sheet.line(
                fine,
                0.12 * gap * np.clip(0.6 + wander(rng, 120, 40), 0, 2),
                (PRUSSIAN, FOAM, FOAM, PALE)[row % 4],
            )
    return top


def cut_great_wave(sheet, rng) -> None:
    """The body of water: bands that rise from the foot, lean over and run together at the claw."""
    face, back = curve(FACE, 160), curve(BACK, 160)
    sheet.shape(np.concatenate([back, face[::-1], [(1.15, 1.2), (-0.3, 1.3)]]), INDIGO)
    steps = np.linspace(0, 1, 160)
    bands = 19
    gap = np.linalg.norm(back - face, axis=1) / bands
    for k in range(bands):
        path = face + (back - face) * (k + 0.5) / bands
        width = gap * np.clip(0.70 + 0.16 * wander(rng, 160), 0.2, 0.95) * smoothstep(1.0, 0.9, steps)
        sheet.line(
            path,
            width,
            ((PALE, PRUSSIAN, BLUE, PRUSSIAN) if k < 9 else (BLUE, PRUSSIAN, PRUSSIAN, INDIGO))[k % 4],
        )
        for side in (-0.2, 0.2):
            fine = path + normals(path) * (side * gap)[:, None]
            sheet.line(
                fine,
                0.14 * gap * np.clip(0.6 + wander(rng, 160, 40), 0, 2),
                (PRUSSIAN, FOAM, FOAM, PALE)[k % 4],
            )
    sheet.line(face, np.full(160, 0.006), INDIGO)
    lip = curve(np.concatenate([back[70:], face[:108:-1]])[::6], 120)
    at = np.linspace(0, 1, 120)
    reach = (0.42 + 0.75 * np.exp(-(((at - 0.60) / 0.24) ** 2))) * smoothstep(-0.12, 0.18, at)
    cut_foam(sheet, rng, lip, reach)


def cut_foam(sheet, rng, lip, reach) -> None:
    """A bank of foam along the lip, then rows of claws on it, the outermost first; `reach` scales both."""
    outward = -normals(lip)
    for inset, pace in ((0.015, 3), (0.052, 4), (0.032, 3)):
        for at in range(pace // 2, len(lip), pace):
            radius = (0.006 + 0.013 * reach[at]) * rng.uniform(0.85, 1.15)
            centre = lip[at] - outward[at] * inset * (0.35 + 0.65 * reach[at])
            sheet.dot(centre, radius + 0.0045, INDIGO)
            sheet.dot(centre, radius, FOAM)
            sheet.dot(centre + 0.25 * radius, 0.55 * radius, PALE)
    for row, inset in enumerate((0.0, 0.020, 0.040)):
        for at in range(2 + 2 * row, len(lip) - 1, 6):
            size = reach[at] * rng.uniform(0.7, 1.25) * (1 - 0.12 * row)
            root = lip[at] - outward[at] * inset * (0.4 + 0.6 * reach[at])
            heading = np.arctan2(outward[at, 1], outward[at, 0])
            claws = claw(rng, root, heading + rng.normal(0.0, 0.2), 0.098 * size, 0.023 * size, depth=2)
            for path, width in claws:
                sheet.line(path, width + 0.006, INDIGO)
            for path, width in claws:
                sheet.line(path, width, FOAM)
            path, width = claws[0]
            sheet.line(path[1:], width[1:] * 0.25, BLUE if row == 0 else PALE)
    cut_spray(sheet, rng, lip, outward, reach)


def cut_spray(sheet, rng, lip, outward, reach) -> None:
    """Drops thrown off the lip, fewer the farther out."""
    for at in rng.choice(len(lip), int(1.6 * reach.sum()), p=reach / reach.sum()):
        centre = lip[at] + outward[at] * reach[at] * (0.07 + rng.exponential(0.08)) + rng.normal(0, 0.03, 2)
        radius = rng.uniform(0.0015, 0.0055)
        sheet.dot(centre, radius + 0.0022, INDIGO)
        sheet.dot(centre, radius, FOAM)


def claw(rng, root, heading, length, width, depth) -> list:
    """A hooked finger of foam and the smaller ones upon it, as lines (path, width)."""
    steps = np.linspace(0, 1, 14)
    angles = heading + 1.6 * steps**1.5
    strides = np.stack([np.cos(angles), np.sin(angles)], axis=-1) * length / 14
    path = root + np.cumsum(strides, axis=0)
    lines = [(path, width * np.sqrt(1 - steps) * (0.8 + 0.4 * np.sin(np.pi * steps)))]
    if depth:
        for at, side in ((4, 1), (6, -1), (9, 1), (11, -1)):
            turn = angles[at] + side * rng.uniform(0.45, 0.85) - 0.2
            lines += claw(rng, path[at], turn, length * rng.uniform(0.40, 0.55), 0.6 * width, depth - 1)
    return lines


def printed(sheet: Print, rng: np.random.Generator) -> Array:
    """Ink on paper: the grain of the block shows in the ink, and the fibres of the paper everywhere."""
    picture = np.asarray(sheet.sheet.reduce(2), dtype=np.float32) / 255
    size = len(picture)
    rings = np.sin(
        9 * clouds(rng, 3, size, octaves=2) + 60 * np.linspace(0, 1, size)[:, None] + noise(rng, 160, 5, size)
    )
    wear = 0.07 + 0.05 * rings + 0.05 * noise(rng, 256, 20, size) + 0.06 * clouds(rng, 6, size, octaves=3)
    wear += 0.5 * smoothstep(1.9, 2.6, noise(rng, 256, 256, size))
    fibres = 1 + 0.022 * noise(rng, 256, 256, size) + 0.025 * noise(rng, 64, 128, size)
    return mix(picture, PAPER, np.clip(wear, 0, 0.6)) * fibres[..., None]

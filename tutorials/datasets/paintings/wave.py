"""A great wave as a woodcut, printed in a few inks."""

import numpy as np
from PIL import Image, ImageDraw

from minicnn.datasets.paintings.materials import (
    Array,
    begin,
    clouds,
    finish,
    mix,
    noise,
    palette,
    smoothstep,
)

PAPER, FOAM, HAZE, OCHRE = palette("ecdfc0", "fbf6e6", "b3b29c", "d0913f")
PALE, BLUE, PRUSSIAN, INDIGO = palette("a3c0c4", "4c83ab", "1f4a7c", "121f3d")

# The bands of the water in turn, and the fine cuts on each. The dark side of the wave is on the left.
BANDS, DARK_BANDS = (PALE, PRUSSIAN, BLUE, PRUSSIAN), (BLUE, PRUSSIAN, PRUSSIAN, INDIGO)
CUTS = (PRUSSIAN, FOAM, FOAM, PALE)

# The great wave lies between two curves, both from its foot to its claw: the hollow face and the back.
FACE = [(1.15, 0.80), (0.96, 0.845), (0.79, 0.850), (0.65, 0.815), (0.53, 0.755), (0.435, 0.67)]
FACE += [(0.38, 0.56), (0.37, 0.45), (0.405, 0.36), (0.47, 0.305), (0.545, 0.295), (0.615, 0.32)]
BACK = [(-0.30, 1.30), (-0.25, 1.02), (-0.18, 0.76), (-0.09, 0.52), (0.01, 0.34), (0.13, 0.20)]
BACK += [(0.27, 0.11), (0.41, 0.095), (0.54, 0.15), (0.63, 0.275)]
FAR_CREST = [(0.30, 0.83), (0.55, 0.80), (0.76, 0.74), (0.90, 0.66), (1.05, 0.55)]
NEAR_CREST = [(-0.05, 1.00), (0.10, 0.91), (0.235, 0.815), (0.32, 0.83), (0.45, 0.92)]
NEAR_CREST += [(0.65, 0.94), (0.85, 0.89), (1.05, 0.80)]

# The mountain, from its peak: the right slope, and the lower hem of the snow.
PEAK = np.array([0.665, 0.565])
SLOPE = [(0.014, 0.0), (0.075, 0.085), (0.17, 0.165), (0.30, 0.235)]
SNOW = [(0.088, 0.098), (0.060, 0.085), (0.045, 0.120), (0.020, 0.080), (0.0, 0.125)]
SNOW += [(-0.022, 0.085), (-0.050, 0.125), (-0.060, 0.090), (-0.088, 0.098)]


def woodcut_wave(size: int = 256, seed: int = 0) -> Array:
    """Return a breaking wave as a woodcut, float32 (size, size, 3) in [0, 1]."""
    rng = begin(size, seed)
    block = Block(size)
    cut_sky(block, rng)
    cut_sun(block, rng)
    cut_mountain(block, rng)
    cut_swell(block, rng, curve(FAR_CREST, 120), rows=16)
    cut_great_wave(block, rng)
    near = curve(NEAR_CREST, 120)
    cut_swell(block, rng, near, rows=12)
    cut_foam(block, rng, near[28:62], 0.45 * np.sin(np.linspace(0.3, 2.6, 34)))
    return finish(printed(block, rng))


class Block:
    """The wood block: shapes in coordinates from 0 to 1, cut at four times the size of the picture."""

    def __init__(self, size: int) -> None:
        self.scale = 4 * size
        self.image = Image.new("RGB", (self.scale, self.scale), ink(PAPER))
        self.pen = ImageDraw.Draw(self.image)

    def shape(self, outline: Array, colour: Array) -> None:
        self.pen.polygon((outline * self.scale).ravel().tolist(), fill=ink(colour))

    def line(self, path: Array, width: Array | float, colour: Array) -> None:
        """Cut a line of changing width, thin at both ends."""
        aside = normals(path) * np.broadcast_to(width, len(path))[:, None] / 2
        self.shape(np.concatenate([path + aside, (path - aside)[::-1]]), colour)

    def dot(self, centre: Array, radius: float, colour: Array) -> None:
        corners = np.concatenate([centre - radius, centre + radius])
        self.pen.ellipse((corners * self.scale).tolist(), fill=ink(colour))


def ink(colour: Array) -> tuple[int, ...]:
    return tuple(int(255 * channel) for channel in colour)


def curve(points: list[tuple[float, float]] | Array, count: int) -> Array:
    """Return a smooth curve through the points (Catmull and Rom's), as `count` points."""
    knots = np.asarray(points)
    knots = np.concatenate([2 * knots[:1] - knots[1:2], knots, 2 * knots[-1:] - knots[-2:-1]])
    where = np.linspace(0, len(points) - 1 - 1e-9, count)
    first, t = where.astype(int), (where % 1)[:, None]
    a, b, c, d = (knots[first + k] for k in range(4))
    return b + t / 2 * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))


def normals(path: Array) -> Array:
    """Return the unit vectors to the right of a path, seen along its direction with y pointing down."""
    along = np.gradient(path, axis=0)
    return along[:, ::-1] * np.array([-1, 1]) / (np.linalg.norm(along, axis=1, keepdims=True) + 1e-9)


def wander(rng: np.random.Generator, count: int, knots: int = 9) -> Array:
    """Return a smooth line of random numbers around 0, like the unsteadiness of a hand."""
    return np.interp(np.linspace(0, 1, count), np.linspace(0, 1, knots), rng.standard_normal(knots))


def cut_sky(block: Block, rng: np.random.Generator) -> None:
    """Cut long lines of wind, heavy at the top, and ochre above the horizon."""
    x, pitch = np.linspace(-0.02, 1.02, 80), 0.0155
    for y in np.arange(0.004, 0.80, pitch):
        shade = 0.62 * smoothstep(0.55, 0.0, y) + 0.35 * smoothstep(0.5, 0.8, y)
        width = pitch * (shade + 0.14 * wander(rng, 80, 12)).clip(0.20, 0.9)
        path = np.stack([x, y + 0.012 * np.sin(5 * x + 1.5 + 2 * y) + 0.0015 * wander(rng, 80)], axis=-1)
        block.line(path, width, mix(HAZE, OCHRE, smoothstep(0.45, 0.75, y)))


def cut_sun(block: Block, rng: np.random.Generator) -> None:
    sun, radius = np.array([0.845, 0.215]) + rng.uniform(-0.01, 0.01, 2), 0.092
    block.dot(sun, radius + 0.010, PAPER)
    block.dot(sun, radius, OCHRE)
    for height in np.linspace(-0.8, 0.85, 13):
        across = np.sqrt(1 - height**2) * np.linspace(-0.97, 0.97, 30)
        path = sun + np.stack([radius * across, radius * height + 0.002 * wander(rng, 30)], axis=-1)
        block.line(path, 0.005 * (0.4 + 0.5 * height + 0.3 * wander(rng, 30)).clip(0), PAPER)


def cut_mountain(block: Block, rng: np.random.Generator) -> None:
    """Cut the distant mountain in the hollow of the wave."""
    right = curve(SLOPE, 40)
    left = right[::-1] * np.array([-1, 1])
    block.line(PEAK + np.concatenate([left, right]), 0.012, INDIGO)
    block.shape(PEAK + np.concatenate([left, right]), PRUSSIAN)
    fall = np.linspace(0.1, 1, 20)
    for side in np.linspace(-1, 1, 15):
        path = PEAK + np.stack([side * (0.03 + 0.19 * fall**1.3), 0.02 + 0.20 * fall], axis=-1)
        block.line(path, 0.006 * np.sin(np.pi * fall) * rng.uniform(0.5, 1), PALE)
    block.shape(PEAK + np.concatenate([left[26:], right[:14], SNOW]), FOAM)
    for side in (-0.7, -0.35, 0.1, 0.45, 0.75):
        path = PEAK + np.stack([side * (0.02 + 0.06 * fall), 0.02 + 0.07 * fall], axis=-1)
        block.line(path, 0.004 * np.sin(np.pi * fall), BLUE)


def cut_band(block: Block, rng: np.random.Generator, path: Array, gap: Array, colour: Array, cut: Array) -> None:
    """Cut a band of water and a fine, broken line along either side of it."""
    width = (0.70 + 0.17 * wander(rng, len(path), 10)).clip(0.2, 0.92)
    block.line(path, gap * width, colour)
    for side in (-0.2, 0.2):
        fine = path + normals(path) * side * gap[:, None]
        block.line(fine, 0.13 * gap * (0.6 + wander(rng, len(path), 40)).clip(0, 2), cut)


def cut_swell(block: Block, rng: np.random.Generator, crest: Array, rows: int) -> None:
    """Cut a lower wave: bands under its crest, denser at its peak."""
    block.shape(np.concatenate([crest - np.array([0, 0.008]), [(1.1, 1.2), (-0.1, 1.2)]]), INDIGO)
    fall = 1.16 - crest[:, 1]
    for row in range(rows):
        path = crest + np.stack([0 * fall, fall * ((row + 0.7) / rows) ** 1.15], axis=-1)
        cut_band(block, rng, path, fall / rows, BANDS[row % 4], CUTS[row % 4])


def cut_great_wave(block: Block, rng: np.random.Generator) -> None:
    """Cut the body of the wave: bands that rise from the foot, lean over and converge at the claw."""
    face, back, count = curve(FACE, 160), curve(BACK, 160), 21
    block.shape(np.concatenate([back, face[::-1], [(1.15, 1.2), (-0.3, 1.3)]]), INDIGO)
    steps = np.linspace(0, 1, 160)
    gap = np.linalg.norm(back - face, axis=1) / count * smoothstep(0.0, 0.15, steps)
    for k in range(count):
        colour = (BANDS if 2 * k < count else DARK_BANDS)[k % 4]
        cut_band(block, rng, face + (back - face) * (k + 0.5) / count, gap, colour, CUTS[k % 4])
    block.line(face, 0.006, INDIGO)
    lip = curve(np.concatenate([back[70:], face[:108:-1]])[::6], 120)
    share = np.linspace(0, 1, 120)
    reach = (0.42 + 0.75 * np.exp(-(((share - 0.60) / 0.24) ** 2))) * smoothstep(-0.12, 0.18, share)
    cut_foam(block, rng, lip, reach)


def cut_foam(block: Block, rng: np.random.Generator, lip: Array, reach: Array) -> None:
    """Cut the foam along a lip: billows behind, rows of claws on them, drops ahead; `reach` scales all."""
    outward = -normals(lip)
    for inset, pace in ((0.015, 3), (0.052, 4), (0.032, 3)):
        for at in range(pace // 2, len(lip), pace):
            radius = (0.006 + 0.013 * reach[at]) * rng.uniform(0.85, 1.15)
            billow = lip[at] - outward[at] * inset * (0.35 + 0.65 * reach[at])
            block.dot(billow, radius + 0.0045, INDIGO)
            block.dot(billow, radius, FOAM)
            block.dot(billow + 0.25 * radius, 0.55 * radius, PALE)
    # The outermost row first, since each row overlaps the roots of the one before.
    for row, inset in enumerate((0.0, 0.020, 0.040)):
        for at in range(2 + 2 * row, len(lip) - 1, 6):
            root = lip[at] - outward[at] * inset * (0.4 + 0.6 * reach[at])
            heading = np.arctan2(outward[at, 1], outward[at, 0]) + rng.normal(0.0, 0.2)
            cut_claw(block, rng, root, heading, reach[at] * rng.uniform(0.7, 1.25) * (1 - 0.12 * row))
    for at in rng.choice(len(lip), int(1.6 * reach.sum()), p=reach / reach.sum()):
        flight = outward[at] * reach[at] * (0.07 + rng.exponential(0.08)) + rng.normal(0, 0.03, 2)
        radius = rng.uniform(0.0015, 0.0055)
        block.dot(lip[at] + flight, radius + 0.0022, INDIGO)
        block.dot(lip[at] + flight, radius, FOAM)


def cut_claw(block: Block, rng: np.random.Generator, root: Array, heading: float, size: float) -> None:
    """Cut the outline of a claw: all its fingers in indigo, then all a little narrower in white."""
    fingers = branches(rng, root, heading, 0.098 * size, 0.023 * size, depth=2)
    for path, width in fingers:
        block.line(path, width + 0.006, INDIGO)
    for path, width in fingers:
        block.line(path, width, FOAM)
    path, width = fingers[0]
    block.line(path[1:], width[1:] / 4, PALE)


def branches(
    rng: np.random.Generator, root: Array, heading: float, length: float, width: float, depth: int
) -> list[tuple[Array, Array]]:
    """Return a hooked finger of foam and its smaller branches, as (path, width) each."""
    steps = np.linspace(0, 1, 14)
    angles = heading + 1.6 * steps**1.5
    path = root + np.cumsum(np.stack([np.cos(angles), np.sin(angles)], axis=-1), axis=0) * length / 14
    lines = [(path, width * np.sqrt(1 - steps) * (0.8 + 0.4 * np.sin(np.pi * steps)))]
    for at, side in ((4, 1), (6, -1), (9, 1), (11, -1)) if depth else ():
        turned = angles[at] + side * rng.uniform(0.45, 0.85) - 0.2
        shorter = length * rng.uniform(0.40, 0.55)
        lines += branches(rng, path[at], turned, shorter, 0.6 * width, depth - 1)
    return lines


def printed(block: Block, rng: np.random.Generator) -> Array:
    """Return ink on paper: the grain of the wood shows in the ink, and the fibres of the paper everywhere."""
    picture = np.asarray(block.image.reduce(2), dtype=np.float32) / 255
    size = len(picture)
    rings = 9 * clouds(rng, 3, size, octaves=2) + noise(rng, 160, 5, size)
    rings = np.sin(rings + 60 * np.linspace(0, 1, size)[:, None])
    wear = 0.05 + 0.05 * rings + 0.05 * noise(rng, 256, 20, size) + 0.06 * clouds(rng, 6, size, octaves=3)
    wear += 0.5 * smoothstep(1.9, 2.6, noise(rng, 256, 256, size))
    fibres = 1 + 0.022 * noise(rng, 256, 256, size) + 0.025 * noise(rng, 64, 128, size)
    return mix(picture, PAPER, wear.clip(0, 0.6)) * fibres[..., None]

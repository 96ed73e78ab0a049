"""A rose window: pieces of coloured glass in lead between ribs of stone, lit from behind."""

from typing import NamedTuple

import numpy as np

from minicnn.datasets.paintings.materials import (
    Array,
    begin,
    clouds,
    coordinates,
    finish,
    mix,
    noise,
    palette,
    resize,
    smoothstep,
)

FOLD = 12
SECTOR = 2 * np.pi / FOLD

# Every kind of glass, from its thick, dark end to its brightest tone.
JEWELS = {
    "sapphire": palette("06124f", "0f35b0", "2b6fe8", "8cc4ff"),
    "cobalt": palette("040a3a", "0a1f86", "1b49c8", "5c92f0"),
    "ruby": palette("3d0210", "9c0a1e", "dd2230", "ff8a6a"),
    "gold": palette("5a2a04", "cf7d10", "f8bf38", "fff2b8"),
    "emerald": palette("022a1e", "08694a", "1ba868", "9ae8a8"),
    "amethyst": palette("1c0840", "4f1c90", "8a44c8", "d8a4f4"),
    "aqua": palette("043246", "0d7c9c", "3fbcd0", "c8f4ee"),
    "pearl": palette("5c6a70", "b4c0b4", "eee6c4", "fffdf0"),
}
TONES = np.stack(list(JEWELS.values()))

# The spine of a lancet, in gold and ruby, and the panes on either side: (along, across) from the centre of the rose.
SPINE = [(0.435, 0, "gold"), (0.505, 0, "ruby"), (0.575, 0, "gold"), (0.645, 0, "ruby"), (0.70, 0, "pearl")]
PANES = [(0.47, 0.06), (0.54, 0.055), (0.545, 0.105), (0.61, 0.05), (0.61, 0.1), (0.675, 0.06)]


def stained_glass(size: int = 256, seed: int = 0) -> Array:
    """Return a rose window of stained glass, float32 (size, size, 3) in [0, 1]."""
    rng = begin(size, seed)
    # The picture runs from -1 to 1, with small distortions as of handwork.
    x, y = (2 * ticks - 1 + 0.0035 * noise(rng, 36, 36, 2 * size) for ticks in coordinates(2 * size))
    compartment, stone = tracery(x, y)
    piece, lead, pieces = glaze(rng, x, y, compartment)
    light = sunlight(rng, x, y, piece, pieces, np.minimum(lead, stone - 0.008))
    return finish(framed(rng, tinted(light, pieces.jewels[piece]), lead, stone))


def tracery(x: Array, y: Array) -> tuple[Array, Array]:
    """Return every pixel's compartment, as `compartments` numbers them, and its distance to the nearest rib."""
    radius = np.hypot(x, y)
    along, across = folded(x, y)
    slanted = np.abs(across) * np.cos(SECTOR / 2) - along * np.sin(SECTOR / 2) + 0.020
    sides = np.maximum.reduce([slanted, np.abs(across) - 0.122, 0.402 - radius])
    lancet = np.where(along < 0.60, sides, np.hypot(along - 0.60, across) - 0.122)
    along, across = folded(x, y, turn=0.5)
    shapes = [  # signed distances: negative within
        radius - 0.968,
        np.abs(radius - 0.888) - 0.080,
        lancet,
        np.hypot(along - 0.725, across) - 0.066,
        np.hypot((along - 0.278) * 0.68, across) - 0.064,
        radius - 0.165,
        np.hypot(np.abs(x) - 0.815, np.abs(y) - 0.815) - 0.160,
    ]
    compartment, stone = np.zeros(x.shape, dtype=int), np.full(x.shape, np.inf)
    for number, distance in enumerate(shapes, start=1):
        compartment[distance < 0] = number
        stone = np.minimum(stone, np.abs(distance))
    return compartment, stone


def folded(x: Array, y: Array, turn: float = 0.0) -> tuple[Array, Array]:
    """Return (along, across) after folding the plane into one sector that stands for all."""
    radius, angle = np.hypot(x, y), np.arctan2(y, x)
    angle = (angle - turn * SECTOR + SECTOR / 2) % SECTOR - SECTOR / 2
    return radius * np.cos(angle), radius * np.sin(angle)


class Pieces(NamedTuple):
    """The pieces of glass: the middle (n, 2) of each, and the number (n,) of its jewel."""

    middles: Array
    jewels: Array


def cut(middles: Array, jewels: list[str]) -> Pieces:
    """Return pieces with these middles, whose jewels take turns."""
    return Pieces(middles, np.resize([list(JEWELS).index(jewel) for jewel in jewels], len(middles)))


def gather(*several: Pieces) -> Pieces:
    return Pieces(*(np.concatenate(parts) for parts in zip(*several, strict=True)))


def ring(radius: float, count: int, turn: float, *jewels: str) -> Pieces:
    """Return pieces evenly around a circle."""
    angles = 2 * np.pi * (np.arange(count) + turn) / count
    return cut(radius * np.stack([np.cos(angles), np.sin(angles)], axis=-1), list(jewels))


def wreath(kinds: list[Pieces], radius: float, turn: float, count: int = FOLD) -> Pieces:
    """Return copies of the kinds in turn, moved out by `radius` and placed evenly around the middle."""
    copies = []
    for k in range(count):
        middles, jewels = kinds[k % len(kinds)]
        angle = 2 * np.pi * (k + turn) / count
        cos, sin = np.cos(angle), np.sin(angle)
        copies.append(Pieces((middles + np.array([radius, 0])) @ np.array([[cos, sin], [-sin, cos]]), jewels))
    return gather(*copies)


def lancet(inner: str, outer: str) -> Pieces:
    """Return the pieces of a tall window: a spine of lozenges between panes of two colours."""
    panes = [(along, side * across) for along, across in PANES for side in (-1, 1)]
    spine = [(along, across) for along, across, _ in SPINE]
    return cut(np.array(spine + panes), [jewel for *_, jewel in SPINE] + [inner, inner, outer, outer] * 3)


def mosaic(rng: np.random.Generator, count: int, *jewels: str) -> Pieces:
    """Return evenly scattered pieces by Lloyd's algorithm: each point moves repeatedly to the middle of its cell."""
    from scipy.spatial import cKDTree

    crowd = rng.uniform(-1, 1, (40 * count, 2))
    middles = crowd[:count]
    for _ in range(5):
        owner = cKDTree(middles).query(crowd)[1]
        totals = np.stack([np.bincount(owner, crowd[:, axis], count) for axis in (0, 1)], axis=-1)
        middles = totals / np.bincount(owner, minlength=count).clip(1)[:, None]
    return cut(middles, list(rng.choice(jewels, count)))


def compartments(rng: np.random.Generator) -> list[Pieces]:
    """Return the pieces of every compartment, from the spandrels in to the eye, and the four corners."""
    spandrels = mosaic(rng, 950, "cobalt", "cobalt", "sapphire", "sapphire", "amethyst", "aqua", "ruby")
    field = mosaic(rng, 800, "cobalt", "cobalt", "sapphire", "amethyst")
    band = gather(
        ring(0.835, 72, 0, "ruby", "gold", "ruby"),
        ring(0.890, 48, 0.5, "sapphire", "sapphire", "aqua", "pearl"),
        ring(0.945, 72, 0, "ruby", "ruby", "emerald"),
    )
    lancets = wreath([lancet("sapphire", "aqua"), lancet("emerald", "amethyst")], 0, turn=0)
    roundel = gather(ring(0, 1, 0, "pearl"), ring(0.046, 6, 0.5, "gold", "ruby"))
    petals = [gather(ring(0, 1, 0, "gold"), ring(0.055, 6, 0, hue, "ruby")) for hue in ("ruby", "amethyst")]
    eye = gather(
        ring(0, 1, 0, "pearl"),
        ring(0.058, 6, 0.5, "gold"),
        ring(0.105, 12, 0, "ruby", "sapphire"),
        ring(0.150, 24, 0.5, "gold", "ruby"),
    )
    corner = gather(
        ring(0, 1, 0, "pearl"),
        ring(0.045, 8, 0.5, "gold"),
        ring(0.090, 8, 0, "ruby"),
        ring(0.135, 16, 0.5, "emerald", "aqua"),
    )
    roundels, corners = wreath([roundel], 0.725, 0.5), wreath([corner], 0.815 * 2**0.5, 0.5, count=4)
    return [spandrels, field, band, lancets, roundels, wreath(petals, 0.278, 0.5), eye, corners]


def glaze(rng: np.random.Generator, x: Array, y: Array, compartment: Array) -> tuple[Array, Array, Pieces]:
    """Return the nearest piece of the same compartment per pixel, the distance to its border, and all the pieces."""
    from scipy.spatial import cKDTree

    piece, lead, first = np.zeros(x.shape, dtype=int), np.zeros(x.shape), 0
    groups = [Pieces(rng.normal(middles, 0.003), jewels) for middles, jewels in compartments(rng)]
    for number, (middles, _) in enumerate(groups):
        here = compartment == number
        distances, nearest = cKDTree(middles).query(np.stack([x[here], y[here]], axis=-1), k=2)
        apart = np.linalg.norm(middles[nearest[:, 0]] - middles[nearest[:, 1]], axis=-1)
        # Two pieces meet on the line midway between their middles.
        lead[here] = (distances[:, 1] ** 2 - distances[:, 0] ** 2) / (2 * apart)
        piece[here] = first + nearest[:, 0]
        first += len(middles)
    return piece, lead, gather(*groups)


def sunlight(rng: np.random.Generator, x: Array, y: Array, piece: Array, pieces: Pieces, edge: Array) -> Array:
    """Return the transmitted light: uneven between and within pieces, with grime along the lead."""
    size, count = len(x), len(pieces.jewels)
    angle, slope = rng.uniform(0, 2 * np.pi, count), rng.uniform(2, 6, count)
    tilt = np.stack([np.cos(angle), np.sin(angle)], axis=-1) * slope[:, None]
    level = 0.20 + 0.13 * rng.standard_normal(count) - np.sum(pieces.middles * tilt, axis=-1)
    light = level[piece] + tilt[piece, 0] * x + tilt[piece, 1] * y
    light += 0.09 * clouds(rng, 30, size) + 0.04 * noise(rng, 256, 256, size)
    light += 0.22 * smoothstep(0.0, 0.045, edge)
    # A painted line runs around the inside of each of the larger pieces.
    light -= 0.14 * np.exp(-(((edge - 0.024) / 0.004) ** 2))
    return light + 0.46 * np.exp(-((x + 0.1) ** 2 + (y + 0.15) ** 2) / 0.8)


def tinted(light: Array, jewel: Array) -> Array:
    """Return the colour that each jewel gives the light, interpolated between the two nearest of its tones."""
    tone = np.clip(light * (TONES.shape[1] - 1), 0, TONES.shape[1] - 1.001)
    low = tone.astype(int)
    return mix(TONES[jewel, low], TONES[jewel, low + 1], tone - low)


def framed(rng: np.random.Generator, glass: Array, lead: Array, stone: Array) -> Array:
    """Lay half-round leads and ribs over the glass, with a highlight along each; the glass glows over them."""
    size = len(glass)
    cover = np.maximum(smoothstep(0.0090, 0.0060, lead), smoothstep(0.0175, 0.0145, stone))
    height = np.sqrt(np.maximum.reduce([0.0075**2 - lead**2, 0.016**2 - stone**2, np.zeros_like(lead)]))
    down, right = np.gradient(height, 2 / size)
    shine = np.exp(-(((down + 0.7 * right - 0.8) / 0.45) ** 2))
    metal = (0.05 + 0.012 * noise(rng, 200, 200, size) + 0.55 * shine).clip(0.01)
    picture = mix(glass, metal[..., None] * palette("ebf2ff")[0], cover)
    bright = glass * (1 - cover)[..., None]
    halo = np.stack([resize(resize(channel, 48), size) for channel in np.moveaxis(bright, -1, 0)], axis=-1)
    return 1 - (1 - picture.clip(0, 1)) * (1 - 0.45 * halo.clip(0, 1))

"""A rose window: jewels of glass in lead, held by ribs of stone, with the sun behind them."""

from dataclasses import dataclass

import numpy as np

from minicnn.datasets.paintings.canvas import (
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
WREATH = np.arange(FOLD) * 2 * np.pi / FOLD

# Each kind of glass from its thick, dark end to the light that floods through it.
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
NAMES = list(JEWELS)
RAMPS = np.stack(list(JEWELS.values()))


@dataclass
class Pieces:
    """Pieces of glass: the middle (n, 2) of each and the jewel (n,) it is cut from."""

    middles: Array
    jewels: Array


def stained_glass(size: int = 256, seed: int = 0) -> Array:
    """A rose window of stained glass, (size, size, 3) float32 in [0, 1]."""
    rng = begin(size, seed)
    x, y = (2 * ticks - 1 for ticks in coordinates(2 * size))
    # No hand cuts quite straight.
    x, y = (ticks + 0.0035 * noise(rng, 36, 36, 2 * size) for ticks in (x, y))
    place, stone = tracery(x, y)
    piece, lead, pieces = glaze(rng, x, y, place)
    glass = shine(rng, x, y, piece, pieces, np.minimum(lead, stone - 0.008))
    return finish(framed(rng, glass, lead, stone))


def folded(x: Array, y: Array, turn: float = 0.0) -> tuple[Array, Array]:
    """Fold the plane like a paper star: one sector's (along, across) stands for all twelve."""
    radius, angle = np.hypot(x, y), np.arctan2(y, x)
    sector = 2 * np.pi / FOLD
    angle = (angle - turn * sector + sector / 2) % sector - sector / 2
    return radius * np.cos(angle), radius * np.sin(angle)


def tracery(x: Array, y: Array) -> tuple[Array, Array]:
    """The compartment every pixel lies in (its place in COMPARTMENTS) and the distance to the nearest rib."""
    radius = np.hypot(x, y)
    along, across = folded(x, y)
    half = np.pi / FOLD
    wedge = np.maximum(np.abs(across) * np.cos(half) - along * np.sin(half) + 0.020, 0.402 - radius)
    lancet = np.where(
        along < 0.60, np.maximum(wedge, np.abs(across) - 0.122), np.hypot(along - 0.60, across) - 0.122
    )
    along, across = folded(x, y, turn=0.5)
    shapes = [
        radius - 0.968,
        np.abs(radius - 0.888) - 0.080,
        lancet,
        np.hypot(along - 0.725, across) - 0.066,
        np.hypot((along - 0.278) * 0.68, across) - 0.064,
        radius - 0.165,
        np.hypot(np.abs(x) - 0.815, np.abs(y) - 0.815) - 0.160,
    ]
    place, stone = np.zeros(x.shape, dtype=int), np.full(x.shape, np.inf)
    for order, distance in enumerate(shapes, start=1):
        place[distance < 0] = order
        stone = np.minimum(stone, np.abs(distance))
    return place, stone


def ring(radius: float, count: int, turn: float, *jewels: str) -> Pieces:
    """Pieces evenly round a circle, their jewels in turn."""
    angles = 2 * np.pi * (np.arange(count) + turn) / count
    middles = radius * np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    return Pieces(middles, np.resize([NAMES.index(jewel) for jewel in jewels], count))


def gather(*several: Pieces) -> Pieces:
    return Pieces(np.concatenate([p.middles for p in several]), np.concatenate([p.jewels for p in several]))


def place_at(pieces: Pieces, radius: float, angle: float) -> Pieces:
    """The pieces moved out from the middle by `radius`, then turned by `angle` about it."""
    along, across = (pieces.middles + [radius, 0]).T
    cos, sin = np.cos(angle), np.sin(angle)
    return Pieces(np.stack([cos * along - sin * across, sin * along + cos * across], axis=-1), pieces.jewels)


def scattered(rng: np.random.Generator, count: int, *jewels: str) -> Pieces:
    """An even scatter by Lloyd's rule: every point moves to the middle of the cell it owns."""
    from scipy.spatial import cKDTree

    crowd = rng.uniform(-1, 1, (40 * count, 2))
    middles = crowd[:count]
    for _ in range(6):
        owner = cKDTree(middles).query(crowd)[1]
        totals = np.stack([np.bincount(owner, crowd[:, axis], count) for axis in (0, 1)], axis=-1)
        middles = totals / np.maximum(np.bincount(owner, minlength=count), 1)[:, None]
    return Pieces(middles, rng.choice([NAMES.index(jewel) for jewel in jewels], count))


def lancet(first: str, second: str) -> Pieces:
    """A tall light: a spine of gold lozenges between two panes of colour."""
    spine = [
        (0.435, 0, "gold"),
        (0.505, 0, "ruby"),
        (0.575, 0, "gold"),
        (0.645, 0, "ruby"),
        (0.70, 0, "pearl"),
    ]
    panes = [(0.47, 0.06), (0.54, 0.055), (0.545, 0.105), (0.61, 0.05), (0.61, 0.1), (0.675, 0.06)]
    rows = [(a, s * b, (first, second)[i % 2]) for i, (a, b) in enumerate(panes) for s in (-1, 1)]
    along, across, jewels = zip(*spine, *rows, strict=True)
    return Pieces(np.stack([along, across], axis=-1), np.array([NAMES.index(jewel) for jewel in jewels]))


def compartments(rng: np.random.Generator) -> list[Pieces]:
    """The pieces of each compartment, in the order in which `tracery` numbers them."""
    spandrel = scattered(rng, 950, "cobalt", "cobalt", "sapphire", "sapphire", "amethyst", "aqua", "ruby")
    field = scattered(rng, 800, "cobalt", "cobalt", "sapphire", "amethyst")
    band = gather(
        ring(0.835, 72, 0, "ruby", "gold", "ruby"),
        ring(0.89, 48, 0.5, "sapphire", "sapphire", "aqua", "pearl"),
        ring(0.945, 72, 0, "ruby", "ruby", "emerald"),
    )
    lights = [lancet("sapphire", "aqua"), lancet("emerald", "amethyst")]
    lancets = gather(*(place_at(lights[i % 2], 0, angle) for i, angle in enumerate(WREATH)))
    flower = gather(ring(0, 1, 0, "pearl"), ring(0.046, 6, 0.5, "gold", "ruby"))
    roundels = gather(*(place_at(flower, 0.725, angle + WREATH[1] / 2) for angle in WREATH))
    buds = [
        gather(ring(0, 1, 0, "gold"), ring(0.055, 6, 0, *pair))
        for pair in (("ruby", "ruby"), ("amethyst", "ruby"))
    ]
    petals = gather(*(place_at(buds[i % 2], 0.278, angle + WREATH[1] / 2) for i, angle in enumerate(WREATH)))
    eye = gather(
        ring(0, 1, 0, "pearl"),
        ring(0.058, 6, 0.5, "gold"),
        ring(0.105, 12, 0, "ruby", "sapphire"),
        ring(0.15, 24, 0.5, "gold", "ruby"),
    )
    rosette = gather(
        ring(0, 1, 0, "pearl"),
        ring(0.045, 8, 0.5, "gold"),
        ring(0.09, 8, 0, "ruby"),
        ring(0.135, 16, 0.5, "emerald", "aqua"),
    )
    corners = gather(*(place_at(rosette, 0.815 * 2**0.5, np.pi * (k + 0.5) / 2) for k in range(4)))
    return [spandrel, field, band, lancets, roundels, petals, eye, corners]


def glaze(rng: np.random.Generator, x: Array, y: Array, place: Array) -> tuple[Array, Array, Pieces]:
    """The piece of glass at every pixel, the distance to its border with the next, and all the pieces."""
    from scipy.spatial import cKDTree

    groups = compartments(rng)
    piece, lead, first = np.zeros(x.shape, dtype=int), np.zeros(x.shape), 0
    for order, group in enumerate(groups):
        group.middles = group.middles + rng.normal(0, 0.003, group.middles.shape)
        here = place == order
        distances, nearest = cKDTree(group.middles).query(np.stack([x[here], y[here]], axis=-1), k=2)
        apart = np.linalg.norm(group.middles[nearest[:, 0]] - group.middles[nearest[:, 1]], axis=-1)
        lead[here] = (distances[:, 1] ** 2 - distances[:, 0] ** 2) / (2 * apart)
        piece[here] = first + nearest[:, 0]
        first += len(group.middles)
    return piece, lead, gather(*groups)


def shine(rng: np.random.Generator, x: Array, y: Array, piece: Array, pieces: Pieces, edge: Array) -> Array:
    """Light through glass: uneven from piece to piece and within each, with grime along the lead."""
    size, count = len(x), len(pieces.jewels)
    angle, slope = rng.uniform(0, 2 * np.pi, count), rng.uniform(2, 6, count)
    tilt = np.stack([np.cos(angle), np.sin(angle)], axis=-1) * slope[:, None]
    offset = np.sum(pieces.middles * tilt, axis=-1)
    light = 0.52 + 0.13 * rng.standard_normal(count)[piece]
    light += tilt[piece, 0] * x + tilt[piece, 1] * y - offset[piece]
    streaks = clouds(rng, 30, size, octaves=4)
    light += 0.09 * streaks + 0.04 * noise(rng, 256, 256, size)
    light += 0.22 * smoothstep(0.0, 0.045, edge) - 0.10
    # A painted line runs round inside each larger piece.
    light -= 0.14 * np.exp(-(((edge - 0.024) / 0.004) ** 2))
    sun = np.exp(-((x + 0.1) ** 2 + (y + 0.15) ** 2) / 0.8)
    light = np.clip(light + 0.46 * sun - 0.22, 0, 1)
    # Interpolate each piece along its own ramp of four tones.
    tone = np.clip(light * 3, 0, 2.999)
    low = tone.astype(int)
    jewel = pieces.jewels[piece]
    return mix(RAMPS[jewel, low], RAMPS[jewel, low + 1], tone - low)


def framed(rng: np.random.Generator, glass: Array, lead: Array, stone: Array) -> Array:
    """Lay rounded leads and ribs over the glass, let the glass glow past them, and catch a light on each."""
    size = len(glass)
    height = np.maximum(rounded(lead, 0.0075), rounded(stone, 0.016))
    cover = np.maximum(smoothstep(0.0090, 0.0060, lead), smoothstep(0.0175, 0.0145, stone))
    down, right = np.gradient(height, 2 / size)
    facing = down + 0.7 * right
    metal = 0.05 + 0.012 * noise(rng, 200, 200, size) + 0.55 * np.exp(-(((facing - 0.8) / 0.45) ** 2))
    metal = np.clip(metal, 0.01, 1)[..., None] * np.array([0.92, 0.95, 1.0])
    seen = mix(glass, metal, cover)
    bright = glass * (1 - cover)[..., None]
    halo = np.stack([resize(resize(bright[..., c], 48), size) for c in range(3)], axis=-1)
    return 1 - (1 - np.clip(seen, 0, 1)) * (1 - 0.45 * np.clip(halo, 0, 1))


def rounded(distance: Array, width: float) -> Array:
    """The height of a half-round bar of this half-width."""
    return np.sqrt(np.maximum(width**2 - distance**2, 0))

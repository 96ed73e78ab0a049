"""A swirling night sky: thick strokes of paint along a flow with vortices."""

from typing import NamedTuple

import numpy as np

from minicnn.datasets.paintings.brush import Easel, contours, follow, pick, scatter
from minicnn.datasets.paintings.materials import (
    Array,
    begin,
    clouds,
    coordinates,
    finish,
    mix,
    noise,
    palette,
    ramp,
    smoothstep,
)

# Flow and colours are computed on a separate grid, the same for every size of picture.
GRID = 320

SKY = palette("0a1038", "14266b", "1f479c", "3b78bd", "7fb2cf", "c3dbd2", "f1ecc8")
HALO = palette("1f4f9f", "4f93b8", "a9cfa6", "ecdc7a", "f8cf45", "fdeea0", "fffdf0")
MOON = palette("ffd23f", "f7a823", "e0781c")
HILLS = palette("070d24", "0e2145", "17406b", "2c6f86", "78a99a", "cfd9b0")
FIELDS = palette("0a1426", "12303c", "23553f", "5d7f3f", "b3a24a")
CYPRESS = palette("05090c", "0b1a17", "1a3322", "3b4a1f", "7a5a24")
WALLS = palette("4b7fa0", "5f8a9c", "35608f", "83a09b")
ROOFS = palette("7a4630", "33456f", "9a5f38", "4f6378")
LAMPS = palette("ffd75e", "ffe9a0", "f7a93c", "16233f")
SHADOW, STEEPLE, TOWER = palette("070d22", "4a78a0", "5d8ba3")

# The moon, then the stars: (x, y, radius of the halo).
STARS = [(0.855, 0.150, 0.130), (0.650, 0.085, 0.058), (0.470, 0.075, 0.042), (0.310, 0.085, 0.062)]
STARS += [(0.060, 0.095, 0.060), (0.330, 0.545, 0.070), (0.055, 0.330, 0.055), (0.925, 0.400, 0.058)]
# The vortices of the wind: (x, y, radius, turns).
VORTICES = [(0.48, 0.32, 0.19, 0.85), (0.70, 0.43, 0.115, -0.70), (0.19, 0.43, 0.12, 0.50)]
# The left and the foot of every house; the lower ones are nearer, and painted later.
HOUSES = [(0.60, 0.875), (0.72, 0.865), (0.85, 0.86), (0.47, 0.885), (0.66, 0.925)]
HOUSES += [(0.93, 0.92), (0.34, 0.925), (0.78, 0.935), (0.54, 0.945)]


def starry_night(size: int = 256, seed: int = 0) -> Array:
    """Return a village under a swirling sky, float32 (size, size, 3) in [0, 1]."""
    rng = begin(size, seed)
    easel = Easel(2 * size, SKY[0])
    paint_sky(easel, rng)
    paint_land(easel, rng)
    paint_village(easel, rng)
    paint_cypresses(easel, rng)
    return finish(easel.lit(relief=9.0))


def paint_region(
    easel: Easel,
    rng: np.random.Generator,
    region: Array,
    flow: Array,
    colours: Array,
    *,
    count: int = 5200,
    width: float = 0.013,
    length: float,
    spread: float = 0.07,
) -> None:
    """Cover a region with strokes along the flow, each of a slightly different colour."""
    starts = scatter(rng, count)
    starts = starts[pick(region, starts)]
    scale = rng.uniform(0.7, 1.2, len(starts))
    tone = rng.normal(1, 1.6 * spread, (len(starts), 1))
    hue = rng.normal(0, 0.5 * spread, (len(starts), 3))
    paths = follow(starts, flow, length * scale)
    easel.paint(rng, paths, width * scale, pick(colours, starts) * tone + hue)


def paint_sky(easel: Easel, rng: np.random.Generator) -> None:
    """Paint the wind, its light and the stars: wide strokes first, then narrow ones."""
    x, y = coordinates(GRID)
    vortices, stars = np.array(VORTICES), np.array(STARS)
    vortices[:, :2] += rng.uniform(-0.02, 0.02, (len(vortices), 2))
    stars[:, :2] += rng.uniform(-0.02, 0.02, (len(stars), 2))
    height, colours = windy(rng, x, y, vortices)
    height, colours = starlit(rng, x, y, stars, height, colours)
    above, flow = y < 0.8, contours(height)
    paint_region(easel, rng, above, flow, colours, count=1500, width=0.030, length=0.13, spread=0.05)
    paint_region(easel, rng, above, flow, colours, count=4600, width=0.015, length=0.075, spread=0.08)
    moon_x, moon_y, _ = stars[0]
    outer, inner = np.hypot(x - moon_x, y - moon_y), np.hypot(x - moon_x + 0.024, y - moon_y + 0.012)
    crescent = (outer < 0.070) & (inner > 0.053)
    gold = ramp(outer / 0.070, MOON)
    paint_region(easel, rng, crescent, contours(outer), gold, count=14000, width=0.011, length=0.035)


def windy(rng: np.random.Generator, x: Array, y: Array, vortices: Array) -> tuple[Array, Array]:
    """Return the sky as stripes twisted around each vortex: a height whose contours strokes follow, and colours."""
    u, v = x, y + 0.035 * np.sin(7 * x + 1) + 0.02 * np.sin(13 * x)
    light = 0.25 + 0.04 * clouds(rng, 5, GRID) + 0.22 * smoothstep(0.35, 0.66, y)
    for centre_x, centre_y, radius, turns in vortices:
        dx, dy = u - centre_x, v - centre_y
        # Rotation that is strongest at the centre winds straight stripes into spiral arms.
        angle = 2 * np.pi * turns * np.exp(-(dx**2 + dy**2) / radius**2)
        u = centre_x + np.cos(angle) * dx - np.sin(angle) * dy
        v = centre_y + np.sin(angle) * dx + np.cos(angle) * dy
        light += 0.20 * np.exp(-((x - centre_x) ** 2 + (y - centre_y) ** 2) / radius**2)
    light += 0.19 * pick(noise(rng, 34, 7, GRID), np.stack([u, v], axis=-1))
    return v, ramp(light, SKY)


def starlit(
    rng: np.random.Generator, x: Array, y: Array, stars: Array, height: Array, colours: Array
) -> tuple[Array, Array]:
    """Add the stars to the wind, each in rings of light."""
    flicker = noise(rng, 70, 70, GRID)
    for star_x, star_y, radius in stars:
        distance = np.hypot(x - star_x, y - star_y) / radius
        # Around a star the height is flattened, then raised to a peak: its contours are rings.
        calm = np.exp(-((distance / 1.5) ** 4))
        height = height + calm * (star_y - height) + 1.2 * radius * np.exp(-((distance / 1.2) ** 2))
        warmth = np.exp(-0.95 * distance**1.3) + 0.13 * np.cos(10 * distance) + 0.05 * flicker
        colours = mix(colours, ramp(warmth, HALO), smoothstep(1.75, 0.55, distance + 0.2 * flicker))
    return height, colours


def paint_land(easel: Easel, rng: np.random.Generator) -> None:
    """Paint hills in front of each other, with strokes along their ridges, and bushes on the plain."""
    x, y = coordinates(GRID)
    shift = rng.uniform(0, 1, 3)
    far = 0.69 - 0.10 * smoothstep(0.45, 1.05, x) + 0.022 * np.sin(11 * x + shift[0]) + 0.01 * np.sin(23 * x)
    near = 0.76 - 0.06 * smoothstep(0.60, 1.1, x) + 0.020 * np.sin(8 * x + 2 + shift[1])
    for ridge, light in ((far, 0.34), (near, 0.16)):
        folds = y - ridge + 0.014 * clouds(rng, 5, GRID, octaves=2)
        tones = light + 0.55 * smoothstep(0.022, 0.0, y - ridge) + 0.16 * np.sin(130 * folds)
        paint_region(easel, rng, y > ridge, contours(folds), ramp(tones, HILLS), length=0.06)
    plain = 0.835 + 0.012 * np.sin(9 * x + shift[2])
    curls = clouds(rng, 9, GRID, octaves=2)
    tones = 0.42 + 0.20 * curls - 0.5 * (y - 0.85)
    paint_region(easel, rng, y > plain, contours(curls + 14 * y), ramp(tones, FIELDS), length=0.045)


def paint_cypresses(easel: Easel, rng: np.random.Generator) -> None:
    """Paint two cypresses in the shape of flames: strokes that converge at the tips."""
    x, y = coordinates(GRID)
    for tip_x, tip_y, spread in ((0.265, 0.50, 0.060), (0.155, 0.10, 0.090)):
        phase = rng.uniform(0, 1)
        rise = np.clip((y - tip_y) / (1 - tip_y), 1e-3, None)
        sway = 0.022 * np.sin(13 * y + phase) * np.sqrt(rise)
        width = spread * rise**0.7 * (1.15 + 0.2 * np.sin(17 * y + 2 + phase))
        across = (x - tip_x - sway) / width
        ragged = across + 0.25 * np.sin(34 * y + 3 * np.sign(across))
        tongues = across + 0.35 * clouds(rng, 6, GRID, octaves=2)
        tones = 0.36 + 0.30 * np.sin(6 * tongues) + 0.10 * across
        flow = contours(across + 0.30 * np.sin(3 * across + 26 * y))
        inside = (np.abs(ragged) < 1) & (y > tip_y)
        paint_region(easel, rng, inside, flow, ramp(tones, CYPRESS), length=0.075)


class Panel(NamedTuple):
    """A quadrilateral face of a building; the strokes run from the edge ab to the edge dc."""

    corners: list[tuple[float, float]]
    colour: Array
    strokes: int


def paint_village(easel: Easel, rng: np.random.Generator) -> None:
    """Paint a church among houses with lit windows."""
    panels = church(0.575, 0.885)
    for left, foot in HOUSES:
        panels += house(rng, left + rng.uniform(-0.012, 0.012), foot + rng.uniform(-0.006, 0.006))
    for panel in panels:
        paint_panel(easel, rng, panel)


def paint_panel(easel: Easel, rng: np.random.Generator, panel: Panel) -> None:
    corners, colour, count = np.array(panel.corners), panel.colour, panel.strokes
    easel.fill(corners, 0.75 * colour)
    a, b, c, d = corners
    share = (np.arange(count)[:, None] + 0.5) / count
    heads, tails = a + (b - a) * share, d + (c - d) * share
    paths = heads[:, None] + (tails - heads)[:, None] * np.linspace(0, 1, 9)[:, None]
    width = np.linalg.norm(b - a + c - d) / 2 / count
    inks = colour * rng.normal(1, 0.12, (count, 1)) + rng.normal(0, 0.02, (count, 3))
    easel.paint(rng, paths, np.full(count, width), inks, bristles=5)


def box(left: float, top: float, right: float, bottom: float) -> list[tuple[float, float]]:
    return [(left, top), (left, bottom), (right, bottom), (right, top)]


def house(rng: np.random.Generator, left: float, foot: float) -> list[Panel]:
    """Return a gable and a long side under a pitched roof, outlined in shadow."""
    wall, roof = rng.choice(WALLS), rng.choice(ROOFS)
    width, height, rim = rng.uniform(0.070, 0.088), rng.uniform(0.030, 0.038), 0.006
    right, corner, middle = left + width, left + 0.42 * width, left + 0.21 * width
    eaves, ridge, ridge_end = foot - height, foot - 2 * height, left + 0.79 * width
    outline = [(middle - rim, ridge - rim), (left - rim, foot + rim)]
    outline += [(right + rim, foot + rim), (ridge_end + rim, ridge - rim)]
    panels = [
        Panel(outline, SHADOW, 4),
        Panel(box(corner, eaves, right, foot), wall, 3),
        Panel(box(left, eaves, corner, foot), wall, 3),
        Panel([(middle, ridge), (left, eaves), (corner, eaves), (middle, ridge)], wall, 2),
        Panel([(middle, ridge), (corner, eaves), (right + rim, eaves), (ridge_end, ridge)], roof, 3),
    ]
    for share in (0.15, 0.56, 0.79):
        window, sill = left + share * width, eaves + 0.25 * height + 0.016
        panels.append(Panel(box(window, sill - 0.016, window + 0.011, sill), rng.choice(LAMPS), 2))
    return panels


def church(x: float, foot: float) -> list[Panel]:
    """Return a tower and its spire."""
    top, tip = foot - 0.085, foot - 0.245
    return [
        Panel(box(x - 0.028, top - 0.006, x + 0.028, foot), SHADOW, 4),
        Panel(box(x - 0.021, top, x + 0.021, foot), TOWER, 4),
        Panel([(x - 0.030, top), (x + 0.030, top), (x, tip), (x, tip)], SHADOW, 4),
        Panel([(x - 0.020, top), (x - 0.002, top), (x, tip + 0.02), (x, tip + 0.02)], STEEPLE, 2),
        Panel(box(x - 0.007, top + 0.02, x + 0.007, top + 0.045), LAMPS[0], 2),
    ]

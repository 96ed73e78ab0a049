"""Light: one lamp with its shadows, ambient light, recesses that it hardly reaches, and gloss."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from minicnn.backend import kernels_for
from minicnn.datasets.synthetic_faces.camera import DISTANCE, Camera
from minicnn.datasets.synthetic_faces.circumstances import Circumstances
from minicnn.datasets.synthetic_faces.meshes import unit
from minicnn.datasets.synthetic_faces.shapes import Array, smoothstep

MAP_SIZE, MAP_REACH = 96, 300.0  # pixels and millimetres of the picture that the lamp sees
HARDNESS, BIAS = 0.22, 7.0  # of shadows, per millimetre and in millimetres
# Light scatters within the skin, red the furthest.
BLEEDING = 0.35, 0.18, 0.12


def lamp(how: Circumstances) -> Array:
    """Return the direction towards the lamp: (3,), of length 1."""
    side, above = (math.radians(angle) for angle in how.light_from)
    direction = math.cos(above) * math.sin(side), math.sin(above), math.cos(above) * math.cos(side)
    return np.array(direction, np.float32)


class Surface(NamedTuple):
    """The surface seen by n pixels.

    Colours and unit normals (3, n); strength and sharpness of the highlight (n,); flesh (n,), 0 or 1.
    """

    colours: Array
    normals: Array
    gloss: Array | float = 0.0
    shine: Array | float = 20.0
    flesh: Array | float = 0.0


def illuminate(surface: Surface, arriving: Array, hidden: Array, how: Circumstances) -> Array:
    """Return the light (3, n) that a surface reflects.

    arriving (n,): share of the lamplight that arrives, from 0 to 1. hidden (n,): depth of each point in a recess, away
    from ambient light.
    """
    colours, normals, gloss, shine, flesh = surface
    towards = lamp(how)
    lamp_colour = 1 + 0.24 * how.warmth, 1, 1 - 0.24 * how.warmth
    sky_colour = 1 - 0.10 * how.warmth, 1, 1 + 0.12 * how.warmth
    around, facing = 1 / how.ratio, towards @ normals
    in_the_open = 1 / (1 + 1.6 * hidden)
    # An upright surface that faces the lamp gets 1, one that faces away `around`.
    sky = around * (1 + 0.25 * normals[1]) * in_the_open
    beam = (1 - around) * arriving * (0.6 + 0.4 * in_the_open)
    # Blinn 1977: the highlight depends on the normal and the bisector of lamp and eye; the sharper, the brighter.
    halfway = unit(towards + np.array([0, 0, 1], np.float32))
    highlight = np.clip(halfway @ normals, 0, 1) ** shine * gloss * (shine + 8) / 60
    highlight *= (0.15 + 0.85 * arriving) * (1 - 0.6 * around)
    grazing = np.square(np.square(1 - np.abs(normals[2]))) * (0.04 + 0.06 * np.clip(normals[1] + 0.3, 0, 1))
    light = np.empty_like(colours)
    for plane, bleeding in enumerate(BLEEDING):
        spread = bleeding * flesh
        diffuse = np.clip((facing + spread) / (1 + spread), 0, 1)
        light[plane] = colours[plane] * (sky * sky_colour[plane] + beam * lamp_colour[plane] * diffuse + 1.5 * grazing)
        light[plane] += highlight * lamp_colour[plane] + 0.03 * grazing
    return light


def lamplight(surfaces: list[tuple[Array, bool]], points: Array, how: Circumstances) -> Array:
    """Return the share of lamplight, 0 to 1, that reaches points (3, n) past surfaces (3, rows, columns).

    The bool of each surface says whether it has two sides. Surfaces are drawn as the lamp sees them; the shadow grows
    with the distance to the surface above: exponential shadow maps, Annen et al. 2008.
    """
    from scipy.ndimage import gaussian_filter

    draw = kernels_for(points)
    towards = lamp(how)
    right = unit(np.cross(np.array([0, 1, 0], np.float32), towards))
    frame = np.stack([right, np.cross(towards, right), towards]).astype(np.float32)
    scale = np.float32(MAP_SIZE / MAP_REACH)
    highest = np.full((MAP_SIZE, MAP_SIZE), -110, np.float32)
    owner, place = np.zeros((MAP_SIZE, MAP_SIZE), np.uint8), np.zeros((2, MAP_SIZE, MAP_SIZE), np.float32)
    origin = np.array([MAP_SIZE / 2, MAP_SIZE / 2, 0], np.float32)[:, None]
    flip = np.array([scale, -scale, 1], np.float32)[:, None]
    for surface, two_sided in surfaces:
        seen = (frame @ surface.reshape(3, -1)) * flip + origin
        draw.raster_fill(seen.reshape(surface.shape), 1, two_sided, highest, owner, place)
    seen = (frame @ points) * flip + origin
    veil = gaussian_filter(np.exp(-HARDNESS * highest), 0.8, truncate=2.0)[None]
    veil = draw.raster_sample(veil, seen[1::-1] - np.float32(0.5))[0]
    return np.minimum(veil * np.exp(HARDNESS * (seen[2] + BIAS)), 1)


def recesses(depth: Array, camera: Camera) -> Array:
    """Return the depth of each pixel behind its surroundings, relative to their breadth, at half the resolution.

    It is an unsharp mask of the depth, as the camera projects it (0 where there is nothing). Source: Luft et al. 2006.
    """
    from scipy.ndimage import uniform_filter

    depth = depth[::2, ::2]
    covered = (depth > 0).astype(np.float32)
    z = np.where(depth > 0, DISTANCE - DISTANCE / np.maximum(depth, np.float32(0.1)), np.float32(0))
    total = np.zeros_like(z)
    for breadth in (10.0, 26.0):
        width = int(1.4 * breadth * camera.scale / 2) | 1
        around, weight = uniform_filter(z, width), uniform_filter(covered, width)
        total += np.clip(around / np.maximum(weight, np.float32(1e-3)) - z - 0.5, 0, breadth / 2) / breadth
    return total


def sheen(marks: Array, how: Circumstances, slant: Array) -> Array:
    """Return the reflections of a pair of lenses: light (n,) for marks (2, n) that run from -1 to 1 across and up."""
    bands = smoothstep(0.6, 1.0, np.sin(slant / 14.0 + 3 * math.radians(how.light_from[0])))
    return 0.02 + 0.10 * bands * smoothstep(-0.6, 0.8, marks[1]) * (how.light_from[1] > 17)

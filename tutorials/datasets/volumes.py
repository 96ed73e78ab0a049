"""Synthetic volumes: pieces of lung as in a CT scan, and films of a moving ball.

For lessons only: never use a model trained on them for a diagnosis.

    >>> scans, labels = volumes.lungs(100, seed=0)         # (100, 14, 14, 14, 1); 1 for a nodule, 0 for a vessel
    >>> films, directions = volumes.films(100, seed=0)     # (100, 14, 14, 14, 1): depth is time

A nodule is a ball, a vessel a tube. In the middle slice both are the same disc, on purpose: only the slices above and
below distinguish them.
"""

from __future__ import annotations

import numpy as np

from minicnn.errors import check_count

Seed = int | np.random.Generator | None

SIZE = 14  # voxels per side, as in the course
MILLIMETRES = 1.5  # side of a voxel
AIR, TISSUE, WALL = -1.0, 0.4, 0.6  # in thousands of Hounsfield units, roughly: lung, vessel or nodule, chest wall
NOISE = 0.12  # in the same unit, per voxel
FINDINGS = ("vessel", "nodule")
DIRECTIONS = ("left", "right", "up", "down")


def lungs(count: int, *, seed: Seed = None) -> tuple[np.ndarray, np.ndarray]:
    """Return pieces of lung (count, 14, 14, 14, 1) and labels (count,), indices into FINDINGS, which take turns.

    The axes are depth, height, width. Values are float32, in thousands of Hounsfield units. The label is of the finding
    in the middle. Other vessels surround it, and sometimes a piece of the ellipsoid chest wall. Raise InputError for a
    bad count or seed.
    """
    random, labels = _begin("lungs", count, seed, len(FINDINGS))
    return np.stack([_lung(bool(label), random) for label in labels]), labels


def films(count: int, *, seed: Seed = None) -> tuple[np.ndarray, np.ndarray]:
    """Return films (count, 14 frames, 14, 14, 1) of a moving ball, and indices into DIRECTIONS, which take turns.

    Values are float32, from 0 to 1 plus noise. The ball's position in the middle frame is independent of its direction.
    Raise InputError for a bad count or seed.
    """
    random, labels = _begin("films", count, seed, len(DIRECTIONS))
    steps = np.array([(0, -1), (0, 1), (-1, 0), (1, 0)])[labels] * random.uniform(0.25, 0.5, (count, 1))
    middles = random.uniform(4.5, 8.5, (count, 2))
    times = np.arange(SIZE) - (SIZE - 1) / 2
    places = middles[:, None] + steps[:, None] * times[:, None]  # (count, frames, 2)
    rows, columns = np.meshgrid(np.arange(SIZE), np.arange(SIZE), indexing="ij")
    down, right = places[..., 0, None, None], places[..., 1, None, None]
    ball = _inside(np.hypot(rows - down, columns - right) - random.uniform(1.4, 2.2, (count, 1, 1, 1)))
    return (ball + random.normal(0, NOISE, ball.shape)).astype(np.float32)[..., None], labels


def _begin(name: str, count: int, seed: Seed, kinds: int) -> tuple[np.random.Generator, np.ndarray]:
    check_count(f"{name}: count", count)
    return np.random.default_rng(seed), np.arange(count) % kinds


def _lung(nodule: bool, random: np.random.Generator) -> np.ndarray:
    """Return one piece (14, 14, 14, 1). Distances are in voxels, negative inside."""
    voxels = np.stack(np.meshgrid(*[np.arange(SIZE) - (SIZE - 1) / 2] * 3, indexing="ij"), axis=-1)
    middle = random.uniform(-1.5, 1.5, 3) * (0.2, 1, 1)  # nearly in the middle slice
    radius = random.uniform(1.4, 2.6)
    if nodule:
        shape = np.linalg.norm(voxels - middle, axis=-1) - radius
    else:
        lean = random.uniform(0, 0.6) * _turned(random)
        shape = _tube(voxels, middle, np.array([1.0, *lean]), radius)
    for _ in range(random.integers(1, 4)):  # other, thinner vessels, away from the middle
        along = random.standard_normal(3)
        away = np.cross(along, random.standard_normal(3))
        point = middle + away / np.linalg.norm(away) * random.uniform(radius + 2.0, 7.0)
        shape = np.minimum(shape, _tube(voxels, point, along, random.uniform(0.6, 1.1)))
    scan = AIR + (TISSUE - AIR) * _inside(shape)
    if random.uniform() < 0.4:
        centre = np.append(random.uniform(-3, 3), -7.5 * _turned(random))
        lung = np.linalg.norm((voxels - centre) / (22.0, 13.5, 13.5), axis=-1) - 1  # the ellipsoid, seen from inside
        scan += (WALL - scan) * _inside(-13.5 * lung)
    return (scan + random.normal(0, NOISE, scan.shape)).astype(np.float32)[..., None]


def _turned(random: np.random.Generator) -> np.ndarray:
    """Return a random direction in the plane of a slice."""
    angle = random.uniform(0, 2 * np.pi)
    return np.array([np.sin(angle), np.cos(angle)])


def _tube(voxels: np.ndarray, point: np.ndarray, along: np.ndarray, radius: float) -> np.ndarray:
    """Return the distance from the surface of an endless tube through a point."""
    return np.linalg.norm(np.cross(voxels - point, along / np.linalg.norm(along)), axis=-1) - radius


def _inside(distance: np.ndarray) -> np.ndarray:
    """Return 1 inside, 0 outside, with a soft edge one voxel wide."""
    return 0.5 - 0.5 * np.tanh(2 * distance)

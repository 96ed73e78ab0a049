"""Faces of a few strokes, 24×24 grey pixels, drawn at a thousand per second, for lessons and small experiments.

A person is a row of TRAITS. A picture adds what changes from day to day: position, lean, light, background and mood.

    >>> pictures, who = doodles.album(people=100, each=6, seed=0)

More detailed faces, which take a hundred times as long, are in `synthetic_faces`.
"""

from __future__ import annotations

import numpy as np

from minicnn.errors import InputError, check_count

Seed = int | np.random.Generator | None

SIZE = 24
TRAITS = {  # from, to; a picture reaches from −1 to 1
    "face width": (0.44, 0.62),
    "face height": (0.66, 0.86),
    "skin": (0.62, 0.95),
    "hair": (0.05, 0.5),
    "hairline": (0.25, 0.62),
    "eyes apart": (0.16, 0.3),
    "eye size": (0.05, 0.11),
    "eye height": (-0.02, 0.16),
    "brow slant": (-0.35, 0.35),
    "brow height": (0.12, 0.2),
    "nose length": (0.12, 0.34),
    "nose width": (0.03, 0.09),
    "mouth width": (0.12, 0.34),
    "mouth height": (-0.52, -0.36),
    "lips": (0.03, 0.07),
}


def album(people: int, each: int, *, seed: Seed = None) -> tuple[np.ndarray, np.ndarray]:
    """Return pictures (people · each, 24, 24, 1) of new people, and the person on each, numbered from 0.

    float32: black is −0.5, white 0.5. seed: pass a generator to get other people each time. Raise InputError for a bad
    count or seed.
    """
    for name, value in (("people", people), ("each", each)):
        check_count(f"album: {name}", value)
    random = np.random.default_rng(seed)
    who = np.repeat(np.arange(people), each)
    return photograph(invent(people, seed=random)[who], seed=random), who


def invent(count: int, *, seed: Seed = None) -> np.ndarray:
    """Return new people: (count, traits), each trait uniform in its range."""
    low, high = np.array(list(TRAITS.values())).T
    return np.random.default_rng(seed).uniform(low, high, (count, len(TRAITS)))


def photograph(people: np.ndarray, *, seed: Seed = None) -> np.ndarray:
    """Return one picture (24, 24, 1) per row of traits (N, traits), as in `album`. Raise InputError for a bad shape."""
    if np.ndim(people) != 2 or np.shape(people)[1] != len(TRAITS):
        raise InputError(f"photograph: people have shape {np.shape(people)}; expected (N, {len(TRAITS)}), a row each")
    person = dict(zip(TRAITS, np.asarray(people).T[:, :, None, None], strict=True))
    random = np.random.default_rng(seed)

    def any_of(low: float, high: float) -> np.ndarray:
        return random.uniform(low, high, (len(people), 1, 1))

    up, right = np.meshgrid(np.linspace(1, -1, SIZE), np.linspace(-1, 1, SIZE), indexing="ij")
    lean, nearness = any_of(-0.12, 0.12), any_of(0.94, 1.06)
    x = (right * np.cos(lean) + up * np.sin(lean)) / nearness + any_of(-0.06, 0.06)
    y = (up * np.cos(lean) - right * np.sin(lean)) / nearness + any_of(-0.06, 0.06)
    picture = any_of(0.1, 0.95) + any_of(-0.3, 0.3) * right  # the background

    def paint(shape: np.ndarray, tone: np.ndarray | float) -> None:
        nonlocal picture
        picture = picture + shape * (tone - picture)

    width, height = person["face width"], person["face height"]
    paint(_inside(_oval(x, y - 0.06, width + 0.1, height + 0.02), 0.15), person["hair"])
    forehead = _inside(y - person["hairline"] - 0.3 * x**2)
    paint(_inside(_oval(x, y, width, height), 0.15) * forehead, person["skin"])
    turn = any_of(-0.12, 0.12)
    for side in (-1, 1):
        eye_x, eye_y = x - turn - side * person["eyes apart"], y - person["eye height"]
        paint(_inside(np.hypot(eye_x / 1.3, eye_y) - person["eye size"]), 0.1)
        slanted = eye_y - person["brow height"] + side * person["brow slant"] * eye_x
        paint(_inside(_line(eye_x, slanted, 0.1, 0.012)), 0.8 * person["hair"])
    nose_y = y - person["eye height"] + 0.06 + person["nose length"] / 2
    paint(0.45 * _inside(_line(nose_y, x - 1.4 * turn, person["nose length"] / 2, person["nose width"])), 0.5)
    mouth_y = y - person["mouth height"] - any_of(-1.5, 2.5) * (x - turn) ** 2
    paint(_inside(_line(x - turn, mouth_y, person["mouth width"], person["lips"])), 0.35 * person["skin"])

    light = (1 + any_of(-0.5, 0.5) * x + any_of(-0.3, 0.3) * y) * any_of(0.75, 1.2)
    grain = random.normal(0, 0.03, picture.shape)
    return np.clip(picture * light + grain, 0, 1)[..., None].astype(np.float32) - np.float32(0.5)


def _inside(distance, softness=0.06):
    """Return 1 where a distance is below zero, 0 where it is above, with a soft edge."""
    return 0.5 - 0.5 * np.tanh(2 * distance / softness)


def _oval(x, y, width, height):
    """Return the distance from an oval's edge, in units of its size."""
    return np.hypot(x / width, y / height) - 1


def _line(along, across, length, width):
    """Return the distance from the edge of a line with round ends."""
    return np.hypot(np.maximum(np.abs(along) - length, 0), across) - width

"""Pictures photographed again from a screen or from paper, as in an attempt to deceive a face recognition.

    >>> from minicnn.datasets import replays
    >>> again = replays.rephotograph(picture, seed=7)  # a medium, its grid, glare and tilt from a seed
    >>> by_hand = replays.rephotograph(picture, replays.Replay("print", pitch=2.0, strength=0.8))

A screen shows stripes of red, green and blue. A camera whose pixels are nearly as wide sees slow waves in them,
moiré. Paper shows dots of three inks, larger where it is darker. Both are flat, so they appear in perspective and
reflect light.

This is a model of a few causes, to learn and to test with, and not a sample of real screens, printers and cameras. A
detector that works on these replays is not thereby known to work on real ones.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from minicnn import images
from minicnn.datasets.alignment import bilinear
from minicnn.errors import InputError

MEDIA = ("screen", "print")
FINER = 3  # a camera's pixel is the mean of FINER × FINER points on the medium
SCREENS = (15.0, 75.0, 0.0)  # screen angles in degrees of cyan, magenta and yellow, which keep the dots apart


@dataclass(frozen=True)
class Replay:
    """The conditions of a replay: the medium, its pose, and the light on it. Raise InputError for a bad value."""

    medium: str = "screen"
    pitch: float = 1.3  # camera pixels per pixel or dot of the medium
    strength: float = 0.5  # of its stripes or dots: 0 if a lens out of focus blurs them away, 1 in full
    angle: float = 3.0  # rotation of the medium against the camera, in degrees
    tilt: tuple[float, float] = (0.0, 0.0)  # relative extra distance of its right and its lower edge
    glare: float = 0.0  # strength of a lamp's reflection; 1 is white
    tint: float = 0.0  # −1 yellow as paper, 1 blue as a screen
    scene: int = field(default=0, repr=False)  # seed of the glare's position and the phase of the stripes

    def __post_init__(self) -> None:
        for name, holds, expected in (  # so written, NaN is refused too
            ("medium", self.medium in MEDIA, f"one of {', '.join(MEDIA)}"),
            ("pitch", 0.2 <= self.pitch <= 50, "0.2 to 50 pixels"),
            ("strength", 0 <= self.strength <= 1, "0 to 1"),
            ("angle", abs(self.angle) <= 180, "degrees from -180 to 180"),
            ("tilt", max(abs(part) for part in self.tilt) <= 0.5, "two parts from -0.5 to 0.5"),
            ("glare", 0 <= self.glare <= 1, "0 to 1"),
            ("tint", abs(self.tint) <= 1, "-1 to 1"),
        ):
            if not holds:
                raise InputError(f"Replay: {name} is {getattr(self, name)!r}; expected {expected}")


def draw(seed: int | np.random.Generator | None = None) -> Replay:
    """Return a random medium and plausible conditions, as with a telephone or a sheet of paper held in the hand."""
    random = np.random.default_rng(seed)
    medium = str(random.choice(MEDIA))
    return Replay(
        medium,
        pitch=float(random.uniform(0.9, 2.2) if medium == "screen" else random.uniform(1.6, 2.6)),
        strength=float(random.uniform(0.15, 0.7)),
        angle=float(random.uniform(-12, 12)),
        tilt=(float(random.uniform(-0.12, 0.12)), float(random.uniform(-0.12, 0.12))),
        glare=float(max(0, random.uniform(-0.3, 0.5))),
        tint=float(random.uniform(0, 0.6) if medium == "screen" else random.uniform(-0.7, 0)),
        scene=int(random.integers(2**63)),
    )


def rephotograph(
    picture: np.ndarray, how: Replay | None = None, *, seed: int | np.random.Generator | None = None
) -> np.ndarray:
    """Return the picture (H, W, 3) photographed again, in the same shape and dtype: floats in [0, 1] or uint8.

    how: None draws it from `seed`. Raise InputError for a bad picture.
    """
    if not isinstance(picture, np.ndarray) or picture.ndim != 3 or picture.shape[2] != 3 or picture.size == 0:
        got = getattr(picture, "shape", type(picture).__name__)
        raise InputError(f"rephotograph: picture is {got}; expected an array (H, W, 3)")
    shown = images.as_floats(picture, "rephotograph: picture")
    how = draw(seed) if how is None else how
    random = np.random.default_rng(how.scene)
    taken = _screen(shown, how, random) if how.medium == "screen" else _print(shown, how)
    taken = taken * (1 + 0.12 * how.tint * np.array([-1, 0, 1], np.float32))
    taken = np.clip(_with_glare(taken, how.glare, random), 0, 1).astype(np.float32)
    return np.rint(255 * taken).astype(np.uint8) if picture.dtype == np.uint8 else taken.astype(picture.dtype)


def _screen(shown: np.ndarray, how: Replay, random: np.random.Generator) -> np.ndarray:
    """Return the picture as columns of red, green and blue, with dark rows between the pixels.

    It is sampled at points, so that stripes finer than two pixels of the camera alias into waves.
    """
    across, down = _places(shown.shape[:2], how, 1)
    light = bilinear(shown, across, down)
    x, y = _turned(across, down, how.angle)
    phase = random.uniform(0, 2 * math.pi, 2)
    columns = np.stack([x / how.pitch + colour / 3 for colour in range(3)], axis=-1)
    stripes = 1 + 0.4 * how.strength * np.cos(2 * math.pi * columns + phase[0])
    rows = 1 + 0.2 * how.strength * np.cos(2 * math.pi * y / how.pitch + phase[1])
    return light * stripes * rows[..., None]


def _print(shown: np.ndarray, how: Replay) -> np.ndarray:
    """Return the picture as ink dots; their area is the absorbed share of light (amplitude-modulated halftone)."""
    across, down = _places(shown.shape[:2], how, FINER)
    wanted = bilinear(shown, across, down)
    paper = np.empty_like(wanted)
    for ink, degrees in enumerate(SCREENS):
        x, y = _turned(across, down, how.angle + degrees)
        hill = (2 + np.cos(2 * math.pi * x / how.pitch) + np.cos(2 * math.pi * y / how.pitch)) / 4
        bare = 0.5 + 0.5 * np.tanh(4 * (wanted[..., ink] - hill))  # a soft edge, since paper absorbs ink
        paper[..., ink] = wanted[..., ink] + how.strength * (bare - wanted[..., ink])
    height, width = shown.shape[:2]
    seen = paper.reshape(height, FINER, width, FINER, 3).mean(axis=(1, 3))
    return 0.08 + 0.84 * seen  # ink is not quite black, and paper not quite white


def _places(size: tuple[int, int], how: Replay, finer: int) -> tuple[np.ndarray, np.ndarray]:
    """Return x and y of the camera's points on the medium, in pixels of the picture: (H·finer, W·finer) each."""
    height, width = size
    down, across = np.meshgrid(
        np.arange(0.5, height * finer, dtype=np.float32) / finer,
        np.arange(0.5, width * finer, dtype=np.float32) / finer,
        indexing="ij",
    )
    x, y = across / width - 0.5, down / height - 0.5
    depth = 1 - how.tilt[0] * x - how.tilt[1] * y  # what is farther away looks smaller: more of it fits into a pixel
    return (x / depth + 0.5) * width, (y / depth + 0.5) * height


def _turned(x: np.ndarray, y: np.ndarray, degrees: float) -> tuple[np.ndarray, np.ndarray]:
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return cosine * x + sine * y, cosine * y - sine * x


def _with_glare(picture: np.ndarray, amount: float, random: np.random.Generator) -> np.ndarray:
    """Return the picture with a lamp's soft oval reflection at a random position."""
    height, width = picture.shape[:2]
    (x, y), (wide, tall) = random.uniform(0.1, 0.9, 2), random.uniform(0.12, 0.35, 2)
    down, across = np.meshgrid(np.linspace(0, 1, height), np.linspace(0, 1, width), indexing="ij")
    spot = amount * np.exp(-((((across - x) / wide) ** 2 + ((down - y) / tall) ** 2) / 2))
    return 1 - (1 - picture) * (1 - spot[..., None])

"""Quality of a face, and limits for a verdict: blur and noise bring faces near to the wrong people.

The limits are set on five people of LFW, with ten photographs each. They are far from the values of these photographs,
and just below what causes errors. The figures are of five other people, and of all ten in brackets. Each photograph is
compared with the 99 others, and d ≤ 0.36 by dlib's encoder gives a name.

    the photograph                        another's name     with the limits    no verdict
    unchanged                               0 %  (0 %)         0 %  (0 %)         0 %
    aligned chip blurred by 4 of 150 px     0 %  (2 %)         0 %  (0 %)       100 %
    blurred by 7.2 px                      30 % (38 %)         0 %  (0 %)       100 %
    20 px between the eyes                  0 %  (0 %)         0 %  (0 %)         0 %
    8 px                                    3 %  (6 %)         0 %  (0 %)        97 %
    noise of 40 grey levels                 4 %  (4 %)         0 %  (0 %)       100 %
    JPEG of quality 5                      10 % (10 %)         0 %  (0 %)       100 %
    enlarged by 1.2 to 4 afterwards         8 %  (9 %)         0 %  (2 %)       100 %
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from minicnn.datasets.alignment import crop_by_landmarks
from minicnn.models.dlib_net import CARD

SIDE, INNER = 150, slice(21, 129)  # side of the aligned chip in pixels, and the part of it that shows the face
TEMPLATE = np.array(list(CARD.landmarks.values()))
EYES = SIDE * float(TEMPLATE[1, 0] - TEMPLATE[0, 0])  # pixels between the eyes of the chip
LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)
ROUNDING = 0.75  # variance of the Laplacian of a smooth chip rounded to 8 bits: 20 / 12 · Σ luminance²
BRIGHTNESS, WHITE, JPEG = 128.0, 247.0, 8
PERIODS = np.geomspace(6, 32, 64)[:, None]  # pixels of blocks that may have been made larger or smaller

# (measure, least, most, problem beyond). Dark, pale or turned faces caused no errors. Their limits only exclude what is
# hardly a face.
LIMITS = (
    ("eyes", 9.0, math.inf, "too small"),
    ("yaw", -0.6, 0.6, "turned too far aside"),
    ("length", 0.6, 1.8, "turned or cut off"),
    ("pitch", 0.15, 0.9, "turned too far up or down"),
    ("glare", 0.0, 0.6, "too bright"),
    ("contrast", 2.5, math.inf, "too dark or too pale"),
    ("sharpness", 4.0, math.inf, "too blurred"),
    ("noise", 0.0, 12.0, "too noisy"),
    ("blocks", 0.0, 7.0, "too strongly compressed"),
    ("grid", 0.0, 1.1, "too strongly compressed"),
)


class Quality(NamedTuple):
    """The quality of a face. sharpness: variance of the Laplacian of the aligned chip, scaled up if dark.

    yaw, length: in units of the distance between the eyes. yaw is the horizontal offset of the tip of the nose, ±0.5
    below an eye. length is from the eyes to the mouth, and large in profile views. pitch: vertical position of the tip
    of the nose between eyes and mouth. eyes: pixels between the eyes. contrast: deviation of grey levels. glare: share
    of white. noise, blocks: noise, and steps at JPEG's block borders, in grey levels. grid: periodic steps, such as
    those of blocks of any size, in grey levels scaled up for large faces.
    """

    sharpness: float
    eyes: float
    yaw: float
    length: float
    pitch: float
    contrast: float
    glare: float
    noise: float
    blocks: float
    grid: float = 0.0

    @property
    def problem(self) -> str:
        """The reason why the face cannot be judged; empty if it can."""
        for name, least, most, what in LIMITS:
            value = getattr(self, name)
            if not least <= value <= most:
                limit = f"{least:g} or more" if value < least else f"{most:g} or less"
                return f"{what} to tell ({name} {value:.3g}; expected {limit})"
        return ""

    @property
    def worth(self) -> float:
        """The merit of the worst measure, to rank frames: 0 at its limit, at most 1, below 0 where there is no verdict.

        Of ten degraded copies per photograph, the best one is not recognized in 2 % of cases, and the worst one with a
        verdict in 11 %.
        """
        return min(_inside(getattr(self, name), least, most) for name, least, most, _ in LIMITS)


def _inside(value: float, least: float, most: float) -> float:
    """Return the position of a value within its limits: 0 at a limit, 1 in the middle or far from the only limit."""
    if math.isinf(most):
        return 1 - least / max(value, 1e-9)
    middle = (least + most) / 2 if least else 0.0
    return 1 - abs(value - middle) / (most - middle)


def measure(image: np.ndarray, landmarks: np.ndarray) -> Quality:
    """Return the quality of a face in a picture, (H, W, 3) floats in [0, 1]. landmarks: (5, 2), in pixels."""
    across = landmarks[1] - landmarks[0]
    eyes = float(np.hypot(*across))
    if eyes < 1:
        return Quality(*np.zeros(len(Quality._fields)).tolist())
    # Coordinates with the origin between the eyes: along them, and down.
    turn = np.array([[across[0], across[1]], [-across[1], across[0]]]) / eyes**2
    nose, *mouth = (turn @ (landmarks[2:] - landmarks[:2].mean(axis=0)).T).T
    length = max(float(np.mean([corner[1] for corner in mouth])), 1e-6)
    chip = crop_by_landmarks(image, landmarks, SIDE, template=TEMPLATE)[INNER, INNER] @ LUMINANCE * 255
    laplacian = chip[1:-1, :-2] + chip[1:-1, 2:] + chip[:-2, 1:-1] + chip[2:, 1:-1] - 4 * chip[1:-1, 1:-1]
    gain = BRIGHTNESS / min(max(float(chip.mean()), 1.0), BRIGHTNESS)
    noise, blocks, grid = _disturbances(image, landmarks, eyes)
    shrunk = min(1.0, EYES / eyes)  # scale of the face in the chip
    sharpness = max(float(laplacian.var()) - ROUNDING, 0.0) * gain**2
    pose = float(nose[0]), length, float(nose[1]) / length
    light = float(chip.std()), float(np.mean(chip >= WHITE))
    return Quality(sharpness, eyes, *pose, *light, noise * shrunk, blocks * shrunk, grid * eyes / EYES)


def _disturbances(image: np.ndarray, landmarks: np.ndarray, eyes: float) -> tuple[float, float, float]:
    """Return (noise, steps at block borders, repeating steps) of the face, in grey levels, at its own resolution.

    Noise: by the filter of Immerkær 1996, "Fast noise variance estimation", which ignores edges and slopes; from its
    90th percentile. Blocks: how much larger the steps at every eighth column and row are than those next to them. The
    median over the blocks ignores single edges; the best of eight offsets counts. Repeating: the strongest wave, with
    its overtone, of the median step per column and row.
    """
    (left, top), (right, bottom) = (np.rint(landmarks.mean(axis=0) + side * 1.1 * eyes) for side in (-1, 1))
    face = image[max(int(top), 0) : max(int(bottom), 0), max(int(left), 0) : max(int(right), 0)] @ LUMINANCE * 255
    if min(face.shape) < 3 * JPEG:
        return 0.0, 0.0, 0.0
    second = np.diff(np.diff(face, 2, axis=0), 2, axis=1)
    noise = float(np.percentile(np.abs(second), 90)) / (1.645 * 6)
    found = []
    for axis in (0, 1):
        each = np.abs(np.diff(face, axis=axis))
        steps, rest = each.mean(axis=1 - axis), np.median(each, axis=1 - axis)
        excess = steps[1:-1] - (steps[:-2] + steps[2:]) / 2
        rest -= np.convolve(np.pad(rest, 8, mode="edge"), np.ones(17) / 17, "valid")
        waves = np.exp(-2j * np.pi * np.arange(len(rest)) / PERIODS[: np.searchsorted(PERIODS[:, 0], len(rest) / 4)])
        grid = (np.abs(waves @ rest) + np.abs(waves**2 @ rest)).max(initial=0) / len(rest)
        found.append((max(0.0, *(np.median(excess[place::JPEG]) for place in range(JPEG))), grid))
    blocks, grid = np.min(found, axis=0).tolist()
    return noise, blocks, grid

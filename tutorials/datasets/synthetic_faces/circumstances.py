"""The variation between pictures of one person: pose, expression, light, camera, and obstacles."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from minicnn.errors import InputError

# The documented bounds of random circumstances.
YAW, PITCH, ROLL = 30.0, 12.0, 9.0  # degrees in either direction
RATIO = 4.0  # maximum ratio of light on the lit side to light on the shaded side
BLUR = 2.0  # standard deviation in pixels, for a picture of 96 pixels
OCCLUSION = 0.25  # share of the face
REFERENCE_SIZE = 96
OBSTACLES = ("hand", "telephone", "cup", "microphone", "leaves", "passer-by")


@dataclass(frozen=True)
class Circumstances:
    """Everything except the person. The defaults are a passport photograph. Raise InputError for a bad value."""

    yaw: float = 0.0  # degrees; above 0 the face turns to the right of the picture
    pitch: float = 0.0  # degrees; above 0 the face looks down
    roll: float = 0.0  # degrees; above 0 it leans to the left of the picture
    scale: float = 1.0  # of the head in the picture
    shift: tuple[float, float] = (0.0, 0.0)  # of the head from the middle, in millimetres right and up
    smile: float = 0.0  # 1 is broad; below 0 the corners sink
    opened: float = 0.0  # 1: the teeth are a centimetre apart
    pursed: float = 0.0
    raised: float = 0.0  # the brows
    frown: float = 0.0
    openness: float = 1.0  # of the eyes
    gaze: tuple[float, float] = (0.0, 0.0)  # millimetres the irises move, right and up
    glasses: bool = True  # worn if the person has some
    light_from: tuple[float, float] = (-25.0, 30.0)  # degrees to the right and above
    ratio: float = 2.0  # of the light on the lit side to that on the shaded one
    warmth: float = 0.0  # of the light, -1 blue to 1 yellow
    exposure: float = 1.0
    contrast: float = 1.0
    blur: float = 0.0  # standard deviation in pixels, for a picture of 96 pixels
    noise: float = 0.0  # standard deviation, as a share of white
    obstacle: str = ""  # in front of the face, a name from OBSTACLES
    occlusion: float = 0.0  # maximum share of the face that it hides
    scene: int = field(default=0, repr=False)  # seed of background, clothes, obstacle and noise

    def __post_init__(self) -> None:
        for name, holds, expected in (  # so written, NaN is refused too
            ("yaw", abs(self.yaw) <= 45, "degrees from -45 to 45"),
            ("pitch", abs(self.pitch) <= 45, "degrees from -45 to 45"),
            ("roll", abs(self.roll) <= 180, "degrees from -180 to 180"),
            ("scale", 0.2 <= self.scale <= 5, "0.2 to 5"),
            ("light_from", max(abs(angle) for angle in self.light_from) <= 85, "two angles from -85 to 85 degrees"),
            ("ratio", 1 <= self.ratio < math.inf, "1 or more"),
            ("blur", 0 <= self.blur <= 100, "0 to 100 pixels"),
            ("noise", 0 <= self.noise <= 1, "0 to 1"),
            ("occlusion", 0 <= self.occlusion <= 1, "0 to 1"),
            ("obstacle", self.obstacle in ("", *OBSTACLES), f"one of {', '.join(OBSTACLES)}, or none"),
        ):
            if not holds:
                raise InputError(f"{name}: got {getattr(self, name)!r}, expected {expected}")


def draw(rng: np.random.Generator, nuisance: float = 1.0) -> Circumstances:
    """Return random circumstances. nuisance: 0 removes variation of pose, light and camera, 1 gives the full bounds."""

    def between(low: float, high: float) -> float:
        return float(rng.uniform(low, high)) * nuisance

    mood = rng.random()
    smile = rng.uniform(0.4, 1.1) if mood < 0.4 else rng.uniform(-0.35, 0.3)
    opened = max(0.0, rng.uniform(-0.5, 0.55) if mood < 0.4 else rng.uniform(-1.6, 0.9))
    raised, frown = rng.uniform(-0.4, 1), max(0.0, rng.uniform(-1, 1))
    awake = 1 + rng.uniform(-0.2, 0.12) - 0.15 * max(smile, 0) - 0.2 * frown + 0.1 * max(raised, 0)
    return Circumstances(
        yaw=between(-YAW, YAW),
        pitch=between(-PITCH, PITCH),
        roll=between(-ROLL, ROLL),
        scale=1 + between(-0.07, 0.09),
        shift=(between(-9, 9), between(-9, 9)),
        smile=float(smile),
        opened=float(opened),
        pursed=float(rng.uniform(0.3, 1)) if mood > 0.9 else 0.0,
        raised=float(raised),
        frown=float(frown),
        openness=0.1 if rng.random() < 0.05 * nuisance else float(awake),
        gaze=(float(rng.uniform(-2.6, 2.6)), float(rng.uniform(-1.2, 1.2))),
        glasses=bool(rng.random() < 0.75),
        light_from=(float(rng.uniform(-75, 75)), float(rng.uniform(0, 65))),
        ratio=2 + nuisance * (float(rng.uniform(1, RATIO)) - 2),
        warmth=between(-1, 1),
        exposure=math.exp2(between(-0.5, 0.4)),
        contrast=1 + between(-0.15, 0.2),
        blur=max(0.0, between(-0.6, BLUR)),
        noise=between(0, 0.035),
        **_obstacle(rng, nuisance),
        scene=int(rng.integers(2**63)),
    )


def _obstacle(rng: np.random.Generator, nuisance: float) -> dict:
    obstacle, occlusion = str(rng.choice(OBSTACLES)), float(rng.uniform(0.08, OCCLUSION))
    in_the_way = rng.random() < 0.4 * nuisance
    return {"obstacle": obstacle, "occlusion": occlusion} if in_the_way else {}

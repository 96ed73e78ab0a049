"""A person's identity: about sixty measures, each within bounds, and three styles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from minicnn.datasets.synthetic_faces.shapes import Array


class Trait(NamedTuple):
    """The bounds of a measure, and the weight of masculinity in it (below 0: in the opposite direction)."""

    least: float
    most: float
    lean: float = 0.0


# In millimetres if no other unit is given; heights are relative to the line of the eyes. Real measurements are in
# Farkas, Anthropometry of the Head and Face (1994); the ranges here are wider, so that faces are distinctive.
TRAITS = {
    "masculinity": Trait(0, 1),
    "age": Trait(0, 1),
    # the skull and the jaw
    "crown_height": Trait(104, 126),
    "head_breadth": Trait(138, 164, 0.2),
    "forehead_slope": Trait(-9, 7, -0.3),
    "face_length": Trait(104, 130, 0.3),
    "cheekbone_breadth": Trait(126, 148),
    "jaw_breadth": Trait(96, 128, 0.5),
    "chin_breadth": Trait(36, 68, 0.4),
    "chin_projection": Trait(-8, 8, 0.3),
    "chin_cleft": Trait(-1.5, 1, 0.4),  # as a share of the deepest; below 0 there is none
    "cheek_fullness": Trait(-4, 11),
    "muzzle": Trait(-2, 6),
    # the eyes
    "eye_distance": Trait(56, 74),
    "eye_width": Trait(26.5, 36, -0.2),
    "eye_opening": Trait(8, 15, -0.3),
    "eye_tilt": Trait(-9, 12, -0.2),  # degrees
    "eye_depth": Trait(0, 8, 0.3),
    "lid_fold": Trait(0, 1),
    "eye_colour": Trait(0, 1),
    "eye_bags": Trait(0, 1),
    # the brows
    "brow_height": Trait(15, 25, -0.4),
    "brow_thickness": Trait(3.5, 12, 0.5),
    "brow_length": Trait(34, 50),
    "brow_arch": Trait(-1, 8, -0.4),
    "brow_tilt": Trait(-9, 9, -0.2),  # degrees
    "brow_gap": Trait(8, 28),
    "brow_darkness": Trait(0.4, 1, 0.3),
    "brow_ridge": Trait(-1, 6, 0.6),
    # the nose
    "nose_length": Trait(36, 57, 0.3),
    "nose_breadth": Trait(27, 48, 0.2),
    "bridge_breadth": Trait(10, 20),
    "bridge_height": Trait(1, 11, 0.3),
    "nose_hump": Trait(-4, 6, 0.2),
    "nose_projection": Trait(13, 28, 0.2),
    "nose_tip": Trait(7, 13),
    "tip_tilt": Trait(-7, 7, -0.3),
    # the mouth
    "mouth_breadth": Trait(38, 64, 0.2),
    "mouth_height": Trait(0.27, 0.43),  # as a share of the distance from the nose to the chin
    "upper_lip": Trait(2.5, 12, -0.4),
    "lower_lip": Trait(4, 15, -0.4),
    "cupids_bow": Trait(0, 1, -0.2),
    "mouth_corners": Trait(-4, 4),
    "lip_colour": Trait(0, 1, -0.4),
    # the ears
    "ear_length": Trait(48, 68, 0.3),
    "ear_angle": Trait(12, 55),  # degrees
    # the skin
    "skin_tone": Trait(0, 1),
    "skin_warmth": Trait(-1, 1),
    "redness": Trait(0, 1),
    "freckles": Trait(-2, 1),  # below 0 there are none
    "moles": Trait(0, 4),
    # the hair
    "hair_tone": Trait(0, 1),
    "hair_redness": Trait(-1, 1),
    "hairline": Trait(46, 80),
    "recession": Trait(-0.6, 1, 0.5),
    "widows_peak": Trait(-1, 1),
    "hair_volume": Trait(0, 1),
    "hair_length": Trait(0, 1),
    "hair_curl": Trait(0, 1),
    "parting": Trait(-1, 1),
    "sideburns": Trait(-34, 14, -0.4),
    "beard_density": Trait(0, 1),
    "glasses_size": Trait(0, 1),
    "glasses_colour": Trait(0, 1),
}
NUMBER = {name: number for number, name in enumerate(TRAITS)}

Weights = dict[str, tuple[float, float]]

# The frequency of each among the most feminine and among the most masculine people.
HAIRSTYLES: Weights = {
    "bald": (0, 6),
    "shaven": (1, 7),
    "short": (2, 11),
    "swept": (2, 9),
    "parted": (6, 9),
    "quiff": (1, 9),
    "curls": (8, 7),
    "afro": (6, 4),
    "fringe": (8, 4),
    "bob": (10, 0),
    "long": (12, 2),
    "waves": (12, 1),
    "tied": (8, 2),
    "bun": (8, 0.5),
}
BEARDS: Weights = {
    "none": (1, 7),
    "stubble": (0, 2),
    "moustache": (0, 2),
    "goatee": (0, 2),
    "chin strap": (0, 1),
    "full": (0, 3),
}
GLASSES: Weights = {
    "none": (12, 12),
    "round": (2, 2),
    "square": (1, 2),
    "wide": (1.5, 1.5),
    "cat eye": (2, 0),
    "aviator": (0.5, 1.5),
}


@dataclass(frozen=True, eq=False)
class Identity:
    """An invented person. Every trait is an attribute, in its own unit: `identity.nose_length` → 47.1.

    shares: (traits,) float64, every trait from 0 (its minimum) to 1 (its maximum), in the order of TRAITS.
    hairstyle, beard, glasses: names from HAIRSTYLES, BEARDS and GLASSES.
    """

    shares: Array
    hairstyle: str
    beard: str
    glasses: str

    @property
    def vector(self) -> Array:
        """The person as a vector: every share, and √½ in the place of each style that is worn.

        Two different styles are then as far apart as the two ends of a trait.
        """
        worn = ((HAIRSTYLES, self.hairstyle), (BEARDS, self.beard), (GLASSES, self.glasses))
        styles = [style == own for styles, own in worn for style in styles]
        return np.concatenate([self.shares, np.sqrt(0.5) * np.array(styles)])

    def __getattr__(self, name: str) -> float:
        if name not in NUMBER:
            raise AttributeError(f"Identity has no trait {name!r}")
        trait = TRAITS[name]
        return trait.least + float(self.shares[NUMBER[name]]) * (trait.most - trait.least)

    @property
    def tip_height(self) -> float:
        """The height of the tip of the nose."""
        return 9.5 + 0.6 * self.tip_tilt - self.nose_length


def invent(rng: np.random.Generator) -> Identity:
    """Return a random person: every trait uniform in its range, then correlated as in real people."""
    shares = rng.random(len(TRAITS))
    masculinity = shares[NUMBER["masculinity"]] = rng.beta(0.6, 0.6)  # mostly near one end or the other
    lean = np.array([trait.lean for trait in TRAITS.values()])
    shares = (1 - abs(lean)) * shares + abs(lean) * np.where(lean > 0, masculinity, 1 - masculinity)
    # Dark skin rarely occurs with fair hair, light eyes or freckles.
    darkness = float(np.clip((shares[NUMBER["skin_tone"]] - 0.35) / 0.4, 0, 1))
    for name, held in {"hair_tone": 0.8, "eye_colour": 0.75, "hair_redness": 0.8, "freckles": 0.5}.items():
        shares[NUMBER[name]] *= 1 - held * darkness
    return Identity(shares, *(_choose(rng, styles, masculinity) for styles in (HAIRSTYLES, BEARDS, GLASSES)))


def _choose(rng: np.random.Generator, styles: Weights, masculinity: float) -> str:
    # Squared, so that styles of one end rarely occur in the middle.
    weights = [
        (1 - masculinity) ** 2 * feminine + masculinity**2 * masculine for feminine, masculine in styles.values()
    ]
    return str(rng.choice(list(styles), p=np.array(weights) / sum(weights)))


def difference(one: Identity, other: Identity) -> float:
    """Return the root mean square difference of two people's traits, each relative to its range, and of their styles.

    Hair, beard and glasses count as a whole range where they differ. Two strangers differ by about 0.40.
    """
    return float(np.linalg.norm(one.vector - other.vector) / np.sqrt(len(TRAITS) + 3))

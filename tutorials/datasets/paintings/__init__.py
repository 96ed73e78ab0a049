"""Three paintings drawn by code, as style pictures for the style-transfer demo."""

from minicnn.datasets.paintings.glass import stained_glass
from minicnn.datasets.paintings.night import starry_night
from minicnn.datasets.paintings.wave import woodcut_wave

PAINTINGS = {"starry_night": starry_night, "stained_glass": stained_glass, "woodcut_wave": woodcut_wave}

__all__ = ["PAINTINGS", "stained_glass", "starry_night", "woodcut_wave"]

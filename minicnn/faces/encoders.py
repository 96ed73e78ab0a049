"""Which encoder: the weights that are named, those that a gallery was made with, or else the best on this machine."""

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

DRAWN = "tiny_facenet"  # what is shipped
BRINGS = f"{INSTALL} or minicnn weights fetch faces brings one, and --drawn is for drawn faces"

# Who says so of the threshold on a card. Measured on their pictures, not on yours: a place to start.
PUBLISHED = {
    "dlib_face": "dlib",
    "openface": "OpenFace's documentation",
    "facenet_128": "deepface",
    "facenet_512": "deepface",
}


@dataclass(frozen=True)
class FaceEncoder:
    """A network that encodes faces, and what is known of its weights.

    name: of the catalogue, or the file. drawn: it has learned drawn faces alone, so that it gives distances between
    photographs, but no verdict on them. threshold: one to start with, None where none is known; origin: whose it is.
    """

    network: Network
    name: str
    drawn: bool
    threshold: float | None
    origin: str

    @property
    def card(self) -> ModelCard:
        """What pictures it takes, and what it gives."""
        return self.network.card


def choose(weights: str | None = None, *, gallery: Mapping[str, Any] | None = None) -> FaceEncoder:
    """The encoder of these weights, a catalogue name or a file. None chooses: of a gallery, by what its file says of
    itself, the encoder that it was made with, and else the one for photographs to take first. Nothing is downloaded.
    Raises InputError, MissingFileError or LoadError.
    """
    name = weights or (gallery and _maker_of(gallery))
    path = zoo.locate(name) if name else _photographs()
    network = models.from_weights(path)
    card = card_of(network)
    summary = hdf5.summary(path)
    row = zoo.identify(path, summary.sha256)
    by = PUBLISHED.get(row.name) if row else None
    threshold, origin = (card.threshold, f"{by} has it") if by else (None, "")
    learned = summary.attributes.get("threshold_at_far_0.001")  # of what `minicnn face train` has written
    if isinstance(learned, int | float) and is_number(learned):
        threshold, origin = float(learned), "FAR 0.001 when it was trained"
    drawn = summary.attributes.get("faces", "drawn" if card.drawn else "photographs") == "drawn"
    return FaceEncoder(network, row.name if row else Path(path).name, drawn, threshold, origin)


def of_photographs() -> Network:
    """The encoder of photographs to take first, loaded once. Raises MissingFileError where none is on this machine."""
    return loaded_once(models.from_weights, _photographs())


def _photographs() -> Path:
    path = zoo.here(zoo.find("faces"))
    if path is None:
        raise MissingFileError(f"weights: no encoder of photographs is on this machine; {BRINGS}")
    return path


def _maker_of(gallery: Mapping[str, Any]) -> str | None:
    """The name of weights on this machine that a gallery can have been made with; None where none are."""
    for row in zoo.catalog():
        length = row.options.get("embedding", gallery.get("embedding"))
        if (
            row.model == str(gallery.get("model")).partition(",")[0]
            and length == gallery.get("embedding")
            and zoo.here(row)
        ):
            return row.name
    return None

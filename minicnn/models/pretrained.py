"""Trained weights into a network that was built without them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TypeVar

from minicnn import hdf5, zoo
from minicnn.models.network import Network

AnyNetwork = TypeVar("AnyNetwork", bound=Network)

WeightsLike = str | os.PathLike[str]


def load_weights(model: AnyNetwork, weights: WeightsLike, *, ignore: Iterable[str] = ()) -> AnyNetwork:
    """The model with the weights of a catalogue name or a file, ready for use. `ignore`: as in hdf5.load."""
    model.load_report = hdf5.load(model, zoo.locate(weights), ignore=ignore)
    model.eval()
    return model

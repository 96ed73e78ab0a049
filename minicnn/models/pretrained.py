"""Loading trained weights into a network that was built without them."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

from minicnn import hdf5, zoo
from minicnn.models.network import Network

AnyNetwork = TypeVar("AnyNetwork", bound=Network)

WeightsLike = str | os.PathLike[str]


def load_weights(model: AnyNetwork, weights: WeightsLike, *, ignore: Iterable[str] = ()) -> AnyNetwork:
    """Load the weights of a catalogue name or file. Returns the model in evaluation mode. ignore: as in hdf5.load."""
    model.load_report = hdf5.load(model, zoo.locate(weights), ignore=ignore)
    model.eval()
    return model


def loaded_once(load: Callable[[Path], AnyNetwork], path: Path) -> AnyNetwork:
    """Return load(path), cached until the file changes."""
    return _loaded(load, path, path.stat().st_mtime_ns)


@functools.lru_cache(maxsize=2)
def _loaded(load: Callable[[Path], AnyNetwork], path: Path, changed: int) -> AnyNetwork:
    return load(path)

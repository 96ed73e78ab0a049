"""The network that a file of weights was made for, told by the names and shapes in it."""

from __future__ import annotations

import os
from collections.abc import Callable

from minicnn import hdf5, zoo
from minicnn.errors import LoadError
from minicnn.hdf5.matching import listed
from minicnn.models import imagenet, tiny
from minicnn.models.pretrained import WeightsLike
from minicnn.models.vgg import VGG

# Each network with an empty one of its kind; zeros take no memory until they are written to.
KNOWN: dict[Callable[..., VGG], Callable[[], VGG]] = {
    tiny.tiny_vgg: lambda: tiny.build(initial="zeros"),
    imagenet.vgg16: lambda: imagenet.build("vgg16", drawn=False),
    imagenet.vgg19: lambda: imagenet.build("vgg19", drawn=False),
}


def recognise(path: str | os.PathLike[str]) -> Callable[..., VGG]:
    """The function that builds the network whose weights are in a file: vgg19, say.

    The arrays are not read. Raises LoadError when no network fits, and as hdf5.load for other files.
    """
    for builder, empty in KNOWN.items():
        if hdf5.compare(empty(), path, ignore=imagenet.TOP_LAYERS).complete:
            return builder
    known = ", ".join(builder.__name__ for builder in KNOWN)
    held = listed([f"{row.name} {row.shape}" for row in hdf5.inspect(path)], most=3)
    raise LoadError(f"weights {os.fspath(path)!r} fit none of {known}; the file holds {held}")


def from_weights(weights: WeightsLike, *, pooling: str = "max") -> VGG:
    """The network that a catalogue name or a file is for, loaded; of ImageNet's networks without the top."""
    path = zoo.locate(weights)
    return recognise(path)(path, pooling=pooling)

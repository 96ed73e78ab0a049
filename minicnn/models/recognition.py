"""Finding the network that a file of weights belongs to, by the names and shapes of its arrays."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from minicnn import zoo
from minicnn.errors import LoadError
from minicnn.hdf5.access import listing_of, named
from minicnn.hdf5.formats import contents
from minicnn.hdf5.matches import match
from minicnn.models import cascade, deep_face, dlib_net, imagenet, inception_resnet, nn4, tiny, tiny_face
from minicnn.models.network import Network
from minicnn.models.pretrained import WeightsLike
from minicnn.text import listed


class Known(NamedTuple):
    """A network that files can be recognised as. load: the public function that builds it.

    empty: build it with zeros, which take no memory until written to. ignore: extra layers that a file may hold.
    note: settings that a file of this network does not record.
    """

    load: Callable[..., Network]
    empty: Callable[[], Network]
    ignore: tuple[str, ...] = ()
    note: str = ""


def _with(function: Callable[..., Network], **options: object) -> Callable[..., Network]:
    """Return the function with some options set, under its own name."""
    return functools.update_wrapper(functools.partial(function, **options), function)


KNOWN = (
    Known(tiny.tiny_vgg, functools.partial(tiny.build, initial="zeros")),
    Known(imagenet.vgg16, functools.partial(imagenet.build, "vgg16", drawn=False), imagenet.TOP_LAYERS),
    Known(imagenet.vgg19, functools.partial(imagenet.build, "vgg19", drawn=False), imagenet.TOP_LAYERS),
    Known(imagenet.squeezenet, functools.partial(imagenet.build_squeezenet, initial="zeros")),
    Known(tiny_face.tiny_facenet, functools.partial(tiny_face.build, initial="zeros")),
    Known(
        nn4.nn4_small2,
        functools.partial(nn4.build, initial="zeros"),
        note=f"the file does not tell which variant it is for ({', '.join(nn4.VARIANTS)}): openface is taken, "
        "and variant= says otherwise",
    ),
    Known(
        inception_resnet.inception_resnet_v1,
        functools.partial(inception_resnet.build, initial="zeros"),
        note="the file does not tell how faces are prepared: whitened is taken, and preprocessing= says otherwise",
    ),
    Known(
        _with(inception_resnet.inception_resnet_v1, embedding=512),
        functools.partial(inception_resnet.build, embedding=512, initial="zeros"),
        note="the file does not tell how faces are prepared: centred is taken, and preprocessing= says otherwise",
    ),
    Known(dlib_net.dlib_face, functools.partial(dlib_net.build, initial="zeros")),
    Known(deep_face.deepface, functools.partial(deep_face.build, initial="zeros"), deep_face.TOP_LAYERS),
    Known(cascade.mtcnn, cascade.build),
)


def recognise(path: str | os.PathLike[str]) -> Callable[..., Network]:
    """Return the function of minicnn.models that builds the network of a file, such as vgg19.

    Reads no arrays. Raises LoadError if no network fits; otherwise as hdf5.load.
    """
    return _known(path).load


def from_weights(weights: WeightsLike, *, pooling: str | None = None) -> Network:
    """Load the network that a catalogue name or a file belongs to; networks for ImageNet without their top.

    pooling: "max" or "avg", for style transfer. If several ways to use the weights exist, a note in load_report names
    the one chosen. Raises InputError, MissingFileError or LoadError.
    """
    path = zoo.locate(weights)
    known = _known(path)
    model = known.load(path)
    if known.note and model.load_report:
        model.load_report = replace(model.load_report, notes=(*model.load_report.notes, known.note))
    if pooling:
        model.set_pooling(pooling)
    return model


def _known(path: str | os.PathLike[str]) -> Known:
    with named(path):
        found = contents(listing_of(path))
        for known in KNOWN:
            if match(known.empty(), found, os.fspath(path), known.ignore)[1].complete:
                return known
    names = ", ".join(dict.fromkeys(known.load.__name__ for known in KNOWN))
    held = listed([f"{stored.name} {stored.shape}" for stored in found.arrays], most=3)
    raise LoadError(f"weights {os.fspath(path)!r} fit none of {names}; the file holds {held}")

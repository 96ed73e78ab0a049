"""Pictures of faces to encodings, by any network whose card says that it makes them."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from minicnn import nn
from minicnn.errors import InputError
from minicnn.hdf5.loading import Checksum
from minicnn.hdf5.matching import arrays_of
from minicnn.models.card import ModelCard
from minicnn.tensor import Tensor, no_grad

BATCH = 32  # pictures at once: enough for large products, and Inception-ResNet-v1 takes 400 MB for them


def card_of(encoder: Any) -> ModelCard:
    """The card of an encoder. Raises InputError for a network that is none."""
    card = getattr(encoder, "card", None)
    if not isinstance(encoder, nn.Module) or not isinstance(card, ModelCard):
        raise InputError(f"encoder is a {type(encoder).__name__}; expected a network with a card, such as nn4_small2()")
    if not card.embedding or not card.metric:
        raise InputError(
            f"encoder is {card.name}, whose card has no embedding and metric; expected a network for faces"
        )
    return card


def encode(encoder: Any, images: Any, *, batch_size: int = BATCH) -> np.ndarray:
    """Encodings (N, D) float32 of pictures of the size on the encoder's card.

    images: (N, H, W, 3), one (H, W, 3), or any iterable of such, which is taken from as it is needed; RGB, floats in
    [0, 1] or uint8. The encoder runs as in evaluation and frozen, so that batch norm folds into the convolutions, and
    is then as it was. Raises InputError, also where an encoding is not finite.
    """
    card = card_of(encoder)
    with _evaluating(encoder), nn.frozen(encoder), no_grad():
        batches = [encoder(batch).data for batch in _batches(images, batch_size, card)]
    encodings = np.concatenate(batches) if batches else np.empty((0, card.embedding or 0))
    if encodings.shape[1:] != (card.embedding,):
        raise InputError(f"encode: {card.name} gives {encodings.shape}; its card says (N, {card.embedding})")
    wrong = np.flatnonzero(~np.isfinite(encodings).all(axis=1))
    if wrong.size:
        raise InputError(
            f"encode: the encoding of picture {wrong[0] + 1} holds NaN or infinity; are the weights sound?"
        )
    return np.asarray(encodings, np.float32)


def _batches(images: Any, batch_size: int, card: ModelCard) -> Iterator[np.ndarray]:
    pictures = enumerate(_pictures(images), start=1)
    while batch := list(itertools.islice(pictures, batch_size)):
        for number, picture in batch:
            if picture.shape != (*card.input_size, 3):
                height, width = card.input_size
                raise InputError(
                    f"encode: picture {number} has shape {picture.shape}; {card.name} expects ({height}, {width}, 3)"
                )
        yield np.stack([picture for _, picture in batch])


def _pictures(images: Any) -> Iterator[np.ndarray]:
    """One picture after the other, as floats."""
    if isinstance(images, Tensor):
        images = images.numpy()
    if isinstance(images, np.ndarray):
        images = images[None] if images.ndim == 3 else images
    if isinstance(images, str) or not isinstance(images, Iterable):
        raise InputError(f"encode: images is a {type(images).__name__}; expected arrays (H, W, 3)")
    for picture in images:
        picture = picture.numpy() if isinstance(picture, Tensor) else picture
        if not isinstance(picture, np.ndarray):
            raise InputError(f"encode: a picture is a {type(picture).__name__}; expected an array (H, W, 3)")
        if picture.dtype == np.uint8:
            picture = picture.astype(np.float32) / np.float32(255)
        if not (picture.dtype.kind == "f" and np.isfinite(picture).all()):
            raise InputError(f"encode: a picture of dtype {picture.dtype} is not finite floats in [0, 1], nor uint8")
        yield picture


@contextmanager
def _evaluating(encoder: nn.Module) -> Iterator[None]:
    before = [(module, module.training) for module in encoder.modules()]
    encoder.eval()
    try:
        yield
    finally:
        for module, training in before:
            module.training = training


def identity(encoder: Any) -> dict[str, str | int]:
    """What two encoders must share for their encodings to compare: what the card says, and SHA-256 of all weights."""
    card = card_of(encoder)
    total = Checksum()
    for name, array in sorted(arrays_of(encoder).items()):
        total.begin(name, array.dtype, array.shape)
        total.add(array)
    height, width = card.input_size
    return {
        "model": card.name,
        "weights_sha256": total.hexadecimal(),
        "preprocessing": card.preprocessing,
        "metric": str(card.metric),
        "embedding": int(card.embedding or 0),
        "input_height": height,
        "input_width": width,
    }

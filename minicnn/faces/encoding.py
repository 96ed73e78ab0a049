"""Encoding of pictures of faces, by any network whose card describes an encoder."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from minicnn import images as files
from minicnn import nn
from minicnn.errors import InputError, LoadError
from minicnn.hdf5.loader import Checksum
from minicnn.hdf5.matches import arrays_of
from minicnn.models.card import ModelCard
from minicnn.operation import no_grad
from minicnn.tensor import Tensor
from minicnn.text import one_line

ALIKE = 1e-4  # tolerance, relative to an encoding's largest number, for one picture in different batches
BATCH = 32  # pictures; enough for efficient matrix products, and Inception-ResNet-v1 takes 400 MB for them


def card_of(encoder: Any) -> ModelCard:
    """Return the card of an encoder. Raises InputError for any other network."""
    card = getattr(encoder, "card", None)
    if not isinstance(encoder, nn.Module) or not isinstance(card, ModelCard):
        raise InputError(f"encoder is a {type(encoder).__name__}; expected a network with a card, such as nn4_small2()")
    if not card.embedding or not card.metric:
        raise InputError(
            f"encoder is {card.name}, whose card has no embedding and metric; expected a network for faces"
        )
    return card


def encode(encoder: Any, images: Any, *, batch_size: int = BATCH) -> np.ndarray:
    """Return encodings (N, D), float32, of pictures of the size on the encoder's card.

    images: (N, H, W, 3), a single (H, W, 3), or any iterable of pictures, consumed lazily; RGB, floats in [0, 1] or
    uint8. The encoder runs in evaluation mode and frozen, so that batch norm folds into the convolutions; its state is
    then restored. To encode pictures one at a time, do so inside `with minicnn.frozen(encoder):`, which keeps folded
    weights between calls; it takes a fraction of the time.
    Raises InputError, also if an encoding is not finite.
    """
    card = card_of(encoder)
    with evaluating(encoder), nn.frozen(encoder), no_grad():
        batches = [encoder(batch).numpy() for batch in _batches(images, batch_size, card)]
    encodings = np.concatenate(batches) if batches else np.empty((0, card.embedding or 0))
    if encodings.shape[1:] != (card.embedding,):
        raise InputError(f"encode: {card.name} gives {encodings.shape}; its card says (N, {card.embedding})")
    wrong = np.flatnonzero(~np.isfinite(encodings).all(axis=1))
    if wrong.size:
        raise InputError(
            f"encode: the encoding of picture {wrong[0] + 1} holds NaN or infinity; are the weights sound?"
        )
    return np.asarray(encodings, np.float32)


def are_alike(encodings: np.ndarray, encoding: np.ndarray) -> Any:
    """Return True for each of encodings (…, D) that is of the same picture as another encoding (D,)."""
    return np.abs(encodings - encoding).max(axis=-1, initial=0) <= ALIKE * np.abs(encoding).max()


def _batches(images: Any, batch_size: int, card: ModelCard) -> Iterator[np.ndarray]:
    pictures = (_checked(picture, number, card) for number, picture in enumerate(_pictures(images), start=1))
    while batch := list(itertools.islice(pictures, batch_size)):
        yield np.stack(batch)


def _pictures(images: Any) -> Iterable[Any]:
    """Return an iterable of pictures. Raises InputError for anything else."""
    images = images.numpy() if isinstance(images, Tensor) else images
    if isinstance(images, np.ndarray):
        if images.ndim not in (3, 4):
            raise InputError(f"encode: images has shape {images.shape}; expected (H, W, 3) or (N, H, W, 3)")
        return images[None] if images.ndim == 3 else images
    if isinstance(images, str | bytes | Mapping) or not isinstance(images, Iterable):
        raise _no_picture("images", images)
    return images


def _checked(picture: Any, number: int, card: ModelCard) -> np.ndarray:
    """Return a picture as floats of the encoder's size. Raises InputError."""
    picture = picture.numpy() if isinstance(picture, Tensor) else picture
    if not hasattr(picture, "__array__"):
        raise _no_picture(f"picture {number}", picture)
    (height, width), shape = card.input_size, np.shape(picture)
    if shape != (height, width, 3):
        raise InputError(f"encode: picture {number} has shape {shape}; {card.name} expects ({height}, {width}, 3)")
    return files.as_floats(picture, f"encode: picture {number}")


def _no_picture(name: str, found: Any) -> InputError:
    shown = one_line(repr(found), longest=60) if isinstance(found, str | os.PathLike) else f"a {type(found).__name__}"
    return InputError(f"encode: {name} is {shown}; expected an array (H, W, 3), as minicnn.images.load makes of a file")


@contextmanager
def evaluating(encoder: nn.Module) -> Iterator[None]:
    before = [(module, module.training) for module in encoder.modules()]
    encoder.eval()
    try:
        yield
    finally:
        for module, training in before:
            module.training = training


def identity(encoder: Any) -> dict[str, str | int]:
    """Return facts on the card and the SHA-256 of all weights, which must agree for comparable encodings."""
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


def check_same_encoder(found: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    """Raise LoadError if encodings come from another encoder. found, expected: as from `identity`."""
    different = [key for key, value in expected.items() if found.get(key) != value]
    if not different:
        return
    if different == ["weights_sha256"]:
        theirs, ours = (one_line(facts.get("weights_sha256"), longest=13) for facts in (found, expected))
        how = f"{expected['model']} with weights of SHA-256 {theirs}, not {ours}"
    else:
        shown = [key for key in different if key != "weights_sha256"]
        how = ", ".join(f"{key} {one_line(found.get(key), longest=40)}, not {expected[key]}" for key in shown)
    raise LoadError(
        f"it was made by another encoder ({how}); expected the same one, or a new gallery: to this one its encodings "
        "mean nothing"
    )

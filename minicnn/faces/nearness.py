"""Explanations of a distance: which parts of two faces bring the encodings together, and which keep them apart."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from minicnn import nn
from minicnn.faces.distances import distance
from minicnn.faces.encoding import card_of, encode, evaluating
from minicnn.images import as_floats
from minicnn.tensor import Tensor

PIECE, STEP = 5, 3  # covering squares have a fifth of the side, and move by a third of their own


class Nearness(NamedTuple):
    """The result of `why_near` for three faces: the first, the second, and the stranger.

    distances: (3,), of the first and the second from each other, and of the stranger from the first.
    gradients, occlusions: (3, H, W), positive where a pixel brings a face closer to its partner, negative where it
    moves it away. Occlusions are in units of distance: the increase when the pixel is covered.
    """

    distances: np.ndarray
    gradients: np.ndarray
    occlusions: np.ndarray


def why_near(encoder: Any, first: np.ndarray, second: np.ndarray, stranger: np.ndarray) -> Nearness:
    """Explain the distance of two faces, compared with that of a stranger, and return a Nearness.

    Faces are (H, W, 3) of the encoder's size. gradients: with the mean m of the three encodings, similarity is the sum
    of (x − m)ₖ (y − m)ₖ. Positive and negative terms are backpropagated to the pixels of x separately. The map is the
    difference of the two absolute gradients, averaged over the colours. Source: Huber et al. 2024, "Efficient
    explainable face verification based on similarity score argument backpropagation".
    occlusions: as in Zeiler & Fergus 2014. Raises InputError.
    """
    card = card_of(encoder)
    encodings = encode(encoder, [first, second, stranger])
    faces = np.stack([as_floats(face, "why_near: face") for face in (first, second, stranger)])
    partners = encodings[[1, 0, 0]]
    d = distance(encodings, partners, metric=str(card.metric))
    with evaluating(encoder), nn.frozen(encoder):
        gradients = _signed(encoder, faces, encodings, partners)
    return Nearness(np.asarray(d, np.float64), gradients, _covered(encoder, faces, partners, d))


def _signed(encoder: Any, faces: np.ndarray, encodings: np.ndarray, partners: np.ndarray) -> np.ndarray:
    """Return |gradient of positive terms| − |gradient of negative terms|, averaged over the colours: (3, H, W)."""
    middle = encodings.mean(axis=0)
    toward = partners - middle
    together = (encodings - middle) * toward > 0
    sizes = []
    for part in (together, ~together):
        x = Tensor(faces, requires_grad=True)
        encoder(x).backward(np.where(part, toward, 0).astype(np.float32))
        assert x.grad is not None
        sizes.append(np.abs(x.grad).mean(axis=3))
    return sizes[0] - sizes[1]


def _covered(encoder: Any, faces: np.ndarray, partners: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Return the increase in distance if a square is covered, averaged per pixel over the squares that cover it."""
    height, width = faces.shape[1:3]
    size = max(1, min(height, width) // PIECE)
    tops, lefts = (sorted({*range(0, n - size + 1, max(1, size // STEP)), n - size}) for n in (height, width))
    places = [(top, left) for top in tops for left in lefts]
    paint = encoder.preprocessing.neutral()
    total, count = np.zeros(faces.shape[:3]), np.zeros((height, width))
    for number, (face, partner, d) in enumerate(zip(faces, partners, before, strict=True)):

        def without(face: np.ndarray = face) -> Any:
            for top, left in places:
                picture = face.copy()
                picture[top : top + size, left : left + size] = paint
                yield picture

        farther = distance(encode(encoder, without()), partner, metric=str(card_of(encoder).metric)) - d
        for (top, left), more in zip(places, farther, strict=True):
            total[number, top : top + size, left : left + size] += more
            count[top : top + size, left : left + size] += number == 0
    return total / count

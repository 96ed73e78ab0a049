"""tiny_facenet: encodes a drawn face of 64×64 pixels as 128 numbers. `minicnn face train` trains it from scratch."""

from __future__ import annotations

import numpy as np

from minicnn import nn
from minicnn.models import vgg
from minicnn.models.card import ModelCard
from minicnn.models.pretrained import WeightsLike, load_weights
from minicnn.models.vgg import VGG

SIZE = 64
WIDTHS = (32, 64, 128, 256)
DEPTHS = (1, 2, 2, 2)
EMBEDDING = 128

# The crop includes hair, ears and chin, which help to tell these people apart.
LANDMARKS = {
    "left eye": (0.385, 0.47),
    "right eye": (0.615, 0.47),
    "tip of the nose": (0.5, 0.61),
    "left corner of the mouth": (0.41, 0.735),
    "right corner of the mouth": (0.59, 0.735),
}

CARD = ModelCard(
    name="tiny_facenet",
    input_size=(SIZE, SIZE),
    preprocessing="half",
    embedding=EMBEDDING,
    metric="squared_l2",
    landmarks=LANDMARKS,
    drawn=True,
)


def tiny_facenet(weights: WeightsLike | None = "tiny_facenet", *, seed: nn.Seed = 0) -> VGG:
    """Build tiny_facenet: drawn faces (N, 64, 64, 3) to encodings (N, 128) of unit length; 1.7 million parameters.

    It was trained only on faces drawn by `datasets.synthetic_faces`, and is not fit for photographs.
    weights: a catalogue name or a file; None draws them from `seed`.
    Raises InputError, MissingFileError, or LoadError for a damaged file or one of another network.
    """
    if weights is None:
        return build(seed=seed)
    return load_weights(build(initial="zeros"), weights)


def build(*, batch_norm: bool = False, initial: str = "he", seed: nn.Seed = 0) -> VGG:
    """Build tiny_facenet without trained weights: four blocks, seven convolutions, and a linear layer to 128 numbers.

    There is no global average, because the position of a feature helps to identify a face.
    """
    random = np.random.default_rng(seed)
    model = VGG(CARD, WIDTHS, DEPTHS, batch_norm=batch_norm, initial=initial, seed=random)
    left = (SIZE >> len(WIDTHS)) ** 2 * WIDTHS[-1]
    linear = "zeros" if initial == "zeros" else "glorot"
    model.top = [
        nn.Flatten(name="flatten"),
        nn.Linear(left, EMBEDDING, initial=linear, seed=random, name="embedding"),
        nn.L2Normalize(name="normalize"),
    ]
    return model


def fold(trained: VGG) -> VGG:
    """Return the same function without batch norm, whose scale and shift are folded into the convolutions."""
    return vgg.fold(trained, build(initial="zeros"))

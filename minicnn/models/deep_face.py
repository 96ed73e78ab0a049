"""DeepFace: encodes an aligned face of 152×152 pixels as 4096 numbers, using locally connected layers.

Source: Taigman, Yang, Ranzato & Wolf 2014, "DeepFace: closing the gap to human-level performance in face verification".
It was trained as a classifier: F8 and a softmax over the people of the training set. F7 is kept as the encoding
(section 3). Pairs are then compared by χ² or a Siamese head (section 4; here `faces.PairHead`). The paper frontalizes
faces with a 3-D model (section 2); here they are aligned in the plane.
Layer names are those of its Keras port, whose weights TensorFlow has not been able to load since 2.12.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minicnn import nn
from minicnn.models.card import ModelCard
from minicnn.models.network import Network
from minicnn.models.pretrained import WeightsLike, load_weights

IDENTITIES = 8631  # number of people in VGGFace2's training set
TOP_LAYERS = ("F8",)

CARD = ModelCard(
    name="deepface",
    input_size=(152, 152),
    preprocessing="none",
    embedding=4096,
    metric="chi2",
    accuracy="90.34 % of VGGFace2's held-out pictures named (S. Ghosh's weights)",
)


def deepface(weights: WeightsLike | None = None, *, include_top: bool = False, seed: nn.Seed = 0) -> Network:
    """Build DeepFace: aligned faces (N, 152, 152, 3) to encodings (N, 4096), all ≥ 0; 102,412,864 parameters.

    weights: as for vgg16. include_top: add F8, the classifier of the 8631 people of the training set. model(x) is then
    (N, 8631) logits, whose softmax Keras calls F8.
    Raises InputError, MissingFileError, or LoadError for a damaged file or one of another network.
    """
    if weights is None:
        return build(include_top=include_top, seed=seed)
    model = build(include_top=include_top, initial="zeros")
    return load_weights(model, weights, ignore=() if include_top else TOP_LAYERS)


def build(*, include_top: bool = False, initial: str = "he", seed: nn.Seed = 0) -> Network:
    """Build DeepFace without trained weights. initial: "he", drawn from `seed`, or "zeros" if weights follow."""
    random = np.random.default_rng(seed)
    drawn: dict[str, Any] = {"initial": initial, "seed": random}
    active = {"activation": "relu", **drawn}
    body = [
        nn.Conv2d(3, 32, 11, name="C1", **active),
        nn.MaxPool2d(3, stride=2, padding="same", name="M2"),
        nn.Conv2d(32, 16, 9, name="C3", **active),
        nn.LocallyConnected2d(16, 16, 9, input_size=63, name="L4", **active),
        nn.LocallyConnected2d(16, 16, 7, input_size=55, stride=2, name="L5", **active),
        nn.LocallyConnected2d(16, 16, 5, input_size=25, name="L6", **active),
        nn.Flatten(name="F0"),
        nn.Linear(21 * 21 * 16, 4096, name="F7", **active),
    ]
    top = [nn.Dropout(0.5, seed=random, name="D0"), nn.Linear(4096, IDENTITIES, name="F8", **drawn)]
    return Network(CARD, body, top if include_top else [])

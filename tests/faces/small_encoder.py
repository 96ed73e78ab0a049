"""An encoder that is made in no time, and pictures for it: for tests, and for the processes that they start."""

import numpy as np

from minicnn import nn
from minicnn.models.card import ModelCard
from minicnn.models.network import Network


def encoder(seed=0, **card):
    """A linear map of 4 × 4 pixels to 8 numbers."""
    facts = {"name": "small", "preprocessing": "none", "metric": "squared_l2", **card}
    layers = [nn.Flatten(name="flatten"), nn.Linear(48, 8, seed=seed, name="embedding")]
    return Network(ModelCard(input_size=(4, 4), embedding=8, **facts), layers)


def picture(seed):
    return np.random.default_rng(seed).random((4, 4, 3), np.float32)

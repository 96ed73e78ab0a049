"""Networks small enough to be followed by hand."""

import numpy as np

from minicnn import nn
from minicnn.models.blocks import Branches, Chain, GlobalAverage, Residual, ZeroPad2d
from minicnn.models.card import ModelCard
from minicnn.models.network import Network

CLASSES = ("sphere", "cube", "torus")


def card(size=(12, 12)):
    return ModelCard(name="toy", input_size=size, preprocessing="half", classes=CLASSES)


def conv(channels, filters, kernel, seed, **options):
    options.setdefault("activation", "relu")
    return nn.Conv2d(channels, filters, kernel, seed=seed, **options)


def plain():
    """Convolutions, pools, a classifier: as VGG."""
    body = [
        conv(3, 4, 3, 1, padding="same", name="conv1"),
        nn.MaxPool2d(2, name="pool1"),
        conv(4, 5, 3, 2, padding="same", name="conv2"),
    ]
    top = [GlobalAverage(name="average"), nn.Linear(5, 3, seed=3, name="predictions")]
    return Network(card(), body, top).eval()


def tangled():
    """Everything that moves a receptive field: strides, dilation, uneven padding, branches, residuals, zeros."""
    body = [
        conv(3, 4, 3, 1, stride=2, padding=((0, 1), (1, 1)), name="conv1"),
        nn.BatchNorm(4, activation="relu", name="norm1"),
        Branches(
            conv(4, 2, 1, 2, name="left"),
            Chain(conv(4, 2, 3, 3, padding=2, dilation=2, name="right"), name="chain"),
            Chain(nn.MaxPool2d(2, name="small"), ZeroPad2d(1, 2, name="zeros")),
            name="branches",
        ),
        Residual(Chain(conv(8, 8, (3, 1), 4, padding=((1, 1), (0, 0)), activation=None, name="change")), name="sum"),
        nn.AvgPool2d(3, stride=2, padding=1, name="pool"),
    ]
    return Network(card((13, 12)), body, [nn.Flatten(name="flatten"), nn.Linear(72, 3, seed=5, name="out")]).eval()


def pictures(count, size=(12, 12), seed=0):
    return np.random.default_rng(seed).random((count, *size, 3), dtype=np.float32)

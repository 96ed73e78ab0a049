"""Layers: plain classes that own their parameters. Tensor attributes are parameters, array attributes are state."""

from minicnn.errors import suggest_names
from minicnn.nn.activations import Dropout, PReLU, ReLU, Sigmoid
from minicnn.nn.convolution import Conv1d, Conv2d, Conv3d, LocallyConnected1d, LocallyConnected2d
from minicnn.nn.dense import Flatten, Linear
from minicnn.nn.initial import Seed, glorot, he
from minicnn.nn.module import Module, Sequential, frozen
from minicnn.nn.normalization import BatchNorm, L2Normalize, LocalResponseNorm
from minicnn.nn.pooling import (
    AvgPool1d,
    AvgPool2d,
    AvgPool3d,
    L2Pool1d,
    L2Pool2d,
    L2Pool3d,
    MaxPool1d,
    MaxPool2d,
    MaxPool3d,
)

__all__ = [
    "AvgPool1d",
    "AvgPool2d",
    "AvgPool3d",
    "BatchNorm",
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "Dropout",
    "Flatten",
    "L2Normalize",
    "L2Pool1d",
    "L2Pool2d",
    "L2Pool3d",
    "Linear",
    "LocalResponseNorm",
    "LocallyConnected1d",
    "LocallyConnected2d",
    "MaxPool1d",
    "MaxPool2d",
    "MaxPool3d",
    "Module",
    "PReLU",
    "ReLU",
    "Seed",
    "Sequential",
    "Sigmoid",
    "frozen",
    "glorot",
    "he",
]

suggest_names(__name__, __all__)

"""Layers: plain classes that own their parameters. Tensor attributes are parameters, array attributes are state.

What is imported here is public. __init__.pyi says so to type checkers.
"""

from inspect import ismodule as _is_module

from minicnn.errors import suggest_names as _suggest_names
from minicnn.nn.activations import Dropout, Flatten, LeakyReLU, PReLU, ReLU, Sigmoid, Softmax, Softplus, Tanh
from minicnn.nn.convolution import Conv1d, Conv2d, Conv3d, LocallyConnected1d, LocallyConnected2d
from minicnn.nn.dense import Linear
from minicnn.nn.initial import Seed, glorot, he
from minicnn.nn.module import Module, Sequential, frozen
from minicnn.nn.normalization import BatchNorm, L2Normalize, LocalResponseNorm
from minicnn.nn.pooling import (
    AvgPool1d,
    AvgPool2d,
    AvgPool3d,
    GlobalAvgPool,
    L2Pool1d,
    L2Pool2d,
    L2Pool3d,
    MaxPool1d,
    MaxPool2d,
    MaxPool3d,
)

__all__ = sorted(name for name, value in vars().items() if not (name.startswith("_") or _is_module(value)))
_suggest_names(__name__, __all__)

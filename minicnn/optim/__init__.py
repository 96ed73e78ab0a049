"""Optimizers, which read `.grad` of the parameters and update `.data` in place."""

from minicnn.errors import suggest_names
from minicnn.optim.adam import Adam
from minicnn.optim.lbfgs import LBFGS
from minicnn.optim.optimizer import Optimizer
from minicnn.optim.sgd import SGD

__all__ = ["LBFGS", "SGD", "Adam", "Optimizer"]

suggest_names(__name__, __all__)

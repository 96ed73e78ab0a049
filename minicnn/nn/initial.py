"""Initial values of parameters."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from minicnn.errors import InputError

Seed = int | np.random.Generator | None


def he(shape: tuple[int, ...], fan_in: int, fan_out: int, random: np.random.Generator) -> np.ndarray:
    """Return normal float32 values with variance 2 / fan_in, which preserves activation variance through ReLU layers.

    Source: He et al. 2015.
    """
    return random.normal(0, math.sqrt(2 / fan_in), shape).astype(np.float32)


def glorot(shape: tuple[int, ...], fan_in: int, fan_out: int, random: np.random.Generator) -> np.ndarray:
    """Return uniform float32 values with variance 2 / (fan_in + fan_out), for layers without ReLU.

    Source: Glorot & Bengio 2010.
    """
    limit = math.sqrt(6 / (fan_in + fan_out))
    return random.uniform(-limit, limit, shape).astype(np.float32)


Draw = Callable[..., np.ndarray]
INITIAL: dict[str, Draw] = {"he": he, "glorot": glorot, "zeros": lambda shape, *_: np.zeros(shape, np.float32)}


def initial_values(name: str) -> Draw:
    """Return the function (shape, fan_in, fan_out, generator) -> array. Raise InputError for an unknown name."""
    if name not in INITIAL:
        raise InputError(f"initial is {name!r}; expected one of {', '.join(INITIAL)}")
    return INITIAL[name]

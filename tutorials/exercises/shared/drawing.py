"""Inputs that several exercises draw."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from minicnn.learn.tensorflow_random import course_draws
from minicnn.tensor import Tensor


def features(*numbers: int) -> list[Tensor]:
    """The course's features, (1, 4, 4, 3): number 0 is its first draw, 1 its second. The last one wants a gradient."""
    draws = course_draws((1, 4, 4, 3), 2)
    return [Tensor(draws[number], requires_grad=i == len(numbers) - 1) for i, number in enumerate(numbers)]


def others(*shapes: tuple[int, ...], seed: int = 0) -> list[Tensor]:
    """Features of other sizes, in float64, of which the last wants a gradient."""
    arrays = normal(*shapes, seed=seed)
    return [Tensor(array, requires_grad=i == len(arrays) - 1) for i, array in enumerate(arrays)]


def normal(*shapes: tuple[int, ...], seed: int = 0) -> list[np.ndarray]:
    """Normal numbers of these shapes, in float64."""
    random = np.random.default_rng(seed)
    return [random.standard_normal(shape) for shape in shapes]


def then(arrays: Callable[[], list], *more: object) -> Callable[[], list]:
    """What gives some arguments, and these after them."""
    return lambda: [*arrays(), *more]

"""Random inputs shared by several exercises."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from minicnn.learn.tensorflow_random import course_draws
from minicnn.tensor import Tensor


def features(*numbers: int) -> list[Tensor]:
    """Return the course's features, (1, 4, 4, 3), by the number of the draw. The last one requires a gradient."""
    draws = course_draws((1, 4, 4, 3), 2)
    return [Tensor(draws[number], requires_grad=i == len(numbers) - 1) for i, number in enumerate(numbers)]


def others(*shapes: tuple[int, ...], seed: int = 0) -> list[Tensor]:
    """Return random features of these shapes in float64. The last one requires a gradient."""
    arrays = normal(*shapes, seed=seed)
    return [Tensor(array, requires_grad=i == len(arrays) - 1) for i, array in enumerate(arrays)]


def normal(*shapes: tuple[int, ...], seed: int = 0) -> list[np.ndarray]:
    """Return normal random arrays of these shapes in float64."""
    random = np.random.default_rng(seed)
    return [random.standard_normal(shape) for shape in shapes]


def then(arrays: Callable[[], list], *more: object) -> Callable[[], list]:
    """Return a function that returns the arguments of `arrays`, followed by `more`."""
    return lambda: [*arrays(), *more]

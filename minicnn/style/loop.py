"""The loop of style transfer: gradient descent on the pixels, with the weights of the network frozen.

See objective.py for the cost, minicnn.optim for the optimizers, pyramid.py for sizes from coarse to fine, trace.py for
the history, and run.py, which combines them.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from minicnn.operation import no_grad
from minicnn.optim import Optimizer
from minicnn.style.trace import Trace
from minicnn.tensor import Tensor

Cost = Callable[[Tensor], tuple[Tensor, dict[str, float]]]  # J of an image (1, H, W, 3), and its parts by name


def descend(
    objective: Cost, image: Tensor, optimizer: Optimizer, trace: Trace, steps: int, then: Callable[[], None]
) -> None:
    """Minimize the cost over the pixels of `image`, (1, H, W, 3), until `trace` counts `steps` steps at this size.

    The trace keeps the costs and the picture of lowest cost. then() is called after every step.
    """

    def evaluate() -> float:
        """Return the cost of the current picture, and leave its gradient in image.grad."""
        image.grad = None
        with np.errstate(over="ignore", invalid="ignore"):  # the trace reports it better than NumPy's warning
            cost, costs = objective(image)
            trace.look(image.data[0], costs)
            cost.backward()
        return costs["total"]

    while trace.steps_here < steps:
        trace.took_a_step(optimizer.step(evaluate))
        then()
    with no_grad():
        trace.look(image.data[0], objective(image)[1])  # the result of the last step
    trace.arrived()


def cooled(optimizer: Optimizer, trace: Trace, steps: int, then: Callable[[], None]) -> Callable[[], None]:
    """Return a function that lowers the rate and calls then(). After `steps` steps, half a cosine, the rate is zero."""

    def height(step: int) -> float:
        return 1 + math.cos(math.pi * step / steps)

    def cool() -> None:
        optimizer.learning_rate *= height(trace.steps) / height(trace.steps - 1)
        then()

    return cool

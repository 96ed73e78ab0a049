"""The loop of style transfer: gradient descent on the pixels, with the network held still.

What surrounds it is elsewhere: the cost in objective.py, the steps in minicnn.optim, sizes from coarse to fine in
pyramid.py, what is remembered of a run in trace.py, and all of them joined in run.py.
"""

from __future__ import annotations

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
    """Move the pixels of `image`, (1, H, W, 3), down the cost, until `trace` has seen `steps` steps at this size.

    The trace keeps the costs and the picture of lowest cost. then() is called after every step.
    """

    def evaluate() -> float:
        """The cost of the picture as it is, and in image.grad its gradient."""
        image.grad = None
        with np.errstate(over="ignore", invalid="ignore"):  # the trace says it better than NumPy's warning
            cost, costs = objective(image)
            trace.look(image.data[0], costs)
            cost.backward()
        return costs["total"]

    while trace.steps_here < steps:
        trace.took_a_step(optimizer.step(evaluate))
        then()
    with no_grad():
        trace.look(image.data[0], objective(image)[1])  # nobody has looked at where the last step led
    trace.arrived()

"""Compile every kernel ahead of time, by running all operations on tiny inputs.

A kernel is compiled per argument type: float32 or float64, writeable or read-only arrays. So calling each kernel once
is not enough; the operations run, and then the applications that combine them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np

from minicnn import models, nn, ops, optim
from minicnn.backend import use_backend
from minicnn.faces import batch_triplet_loss, mine_triplets
from minicnn.faces import gradient_rows as faces_cases
from minicnn.faces.mining import STRATEGIES
from minicnn.gradients import cases
from minicnn.gradients.cases import OpCase
from minicnn.models import tiny, tiny_face
from minicnn.models.network import Network
from minicnn.operation import no_grad
from minicnn.resources import compiled_kernels
from minicnn.style import gradient_rows as style_cases
from minicnn.style import transfer
from minicnn.tensor import Tensor


class Scene(NamedTuple):
    """A part of the warm-up. title: its name. play(): runs it."""

    title: str
    play: Callable[[], object]


def scenes() -> list[Scene]:
    """Return all scenes. They need the default backend and the shipped weights only."""
    return [
        Scene("operations in float64", partial(_operations, np.float64)),
        Scene("operations in float32", partial(_operations, np.float32)),
        Scene("large sums", _sums),
        *(Scene(f"style transfer, {name}", partial(_style, **options)) for name, options in STYLES.items()),
        *(Scene(f"{name} sees", partial(_see, build)) for name, build in NETWORKS.items()),
        Scene("tiny_vgg learns", partial(_learn, partial(tiny.build, batch_norm=True), _classify)),
        Scene("tiny_facenet learns", partial(_learn, partial(tiny_face.build, batch_norm=True), _compare)),
        Scene("nn4_small2 learns", partial(_learn, models.nn4_small2, _compare)),
        Scene("pictures of units", _pictures),
        Scene("finding faces", _find),
        Scene("drawing faces", _draw),
    ]


STYLES: dict[str, dict] = {
    "Adam": {"optimizer": "adam", "total_variation": 0.5},
    "L-BFGS": {"optimizer": "lbfgs"},
    "gradient descent": {"optimizer": "gd"},
    "preset course": {"preset": "course"},
}
# The larger models use no other kernels than these.
NETWORKS: dict[str, Callable[[], Network]] = {
    "tiny_vgg": models.tiny_vgg,
    "tiny_facenet": models.tiny_facenet,
    "squeezenet": models.squeezenet,
    "nn4_small2": models.nn4_small2,
}


def _operations(dtype: type[np.floating]) -> None:
    """Run every row of the gradient checks, forward and backward, with writeable and with read-only inputs."""
    for case in (*cases.CASES, *faces_cases.CASES, *style_cases.CASES):
        for frozen in (False, True):
            _operation(case, dtype, frozen)


def _operation(case: OpCase, dtype: type[np.floating], frozen: bool) -> None:
    inputs = [array.astype(dtype) for array in case.draw(np.random.default_rng(0))]
    for array in inputs[1:]:  # filters, which `minicnn.frozen` makes read-only
        array.flags.writeable = not frozen
    leaves = [Tensor(array, requires_grad=i == 0 or not frozen) for i, array in enumerate(inputs)]
    with use_backend("numba"):
        result = case.function(*leaves)
        for part in result if isinstance(result, tuple | list) else [result]:
            if isinstance(part, Tensor):
                part.sum().backward()


def _sums() -> None:
    """Run the kernel that adds the gradients of a large result that is used twice."""
    for dtype in (np.float32, np.float64):
        x = Tensor(np.zeros((512, 512), dtype), requires_grad=True)
        y = ops.relu(x)
        (y * y + y).sum().backward()


def _style(**options: object) -> None:
    random = np.random.default_rng(0)
    content, style = random.random((2, 48, 48, 3), np.float32)
    transfer(content, style, steps=2, **options)  # type: ignore[arg-type]


def _batch(model: Network, count: int) -> np.ndarray:
    return np.random.default_rng(0).random((count, *model.card.input_size, 3), np.float32)


def _see(build: Callable[[], Network]) -> None:
    """Run a network on one and two pictures, frozen, and with a gradient to the picture."""
    model = build()
    model.eval()
    for count in (1, 2):
        with nn.frozen(model), no_grad():
            model(_batch(model, count))
        with no_grad():
            model(_batch(model, count))


def _learn(build: Callable[[], Network], loss_of: Callable[[Tensor], Tensor]) -> None:
    model = build()
    model.train()
    for optimizer in (
        optim.SGD(model.parameters(), 1e-3, momentum=0.9, weight_decay=5e-4, nesterov=True),
        optim.Adam(model.parameters(), 1e-3),
    ):
        optimizer.zero_grad()
        loss_of(model(Tensor(_batch(model, 4)))).backward()
        optimizer.step()


def _classify(logits: Tensor) -> Tensor:
    return ops.cross_entropy(logits, np.arange(4))


def _compare(encodings: Tensor) -> Tensor:
    people = np.array([0, 0, 1, 1])
    for strategy in STRATEGIES:
        triplets = mine_triplets(encodings, people, strategy=strategy, margin=0.2)
    return batch_triplet_loss(encodings, triplets)


def _pictures() -> None:
    from minicnn import visualize

    model = models.tiny_vgg()
    pieces = _batch(model, 2)
    visualize.saliency(model, "block2_conv1", pieces, unit=0)
    visualize.guided_backprop(model, "block2_conv1", pieces, unit=0)
    visualize.top_patches(model, "block2_conv1", pieces, units=[0])


def _find() -> None:
    """Run face detection: its three networks, and the resized crops."""
    from minicnn.faces.detection import crops

    model = models.mtcnn(None)
    model.eval()
    picture = np.random.default_rng(0).random((48, 64, 3), np.float32)
    with nn.frozen(model):
        model.judge(picture[None])
        for stage, size in ((model.refinement, 24), (model.output, 48)):
            stage.judge(crops(picture, np.array([[4.0, 4, 30, 30], [-2, -2, 20, 20]]), size))


def _draw() -> None:
    from minicnn.datasets.synthetic_faces import Population

    Population(size=32).pictures(6, 1)  # with and without glasses, which have kernels of their own


def compiled() -> tuple[int, int]:
    """Return the number of kernels loaded in this process, and the number of compilations."""
    kernels = list(compiled_kernels())
    return sum(bool(kernel.signatures) for kernel in kernels), sum(sum(k.stats.cache_misses.values()) for k in kernels)

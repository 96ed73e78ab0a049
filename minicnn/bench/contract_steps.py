"""The steps by which two checkouts are compared. `minicnn bench --against` runs this file once per checkout.

The other checkout may be older or newer than this file, so the file uses public names of minicnn only, as
`minicnn.NAME`.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import minicnn

Turn = Callable[[int], list[float]]  # runs -> the seconds of each, after one that is not timed

RULE: dict[str, Any] = {"momentum": 0.9, "weight_decay": 5e-4, "nesterov": True}
MARGIN = 0.2
PICTURES = 4  # per person
WIDTHS, DEPTHS = (32, 96, 192, 256, 256), (2, 2, 2, 2, 1)  # of tiny_vgg


def style(size: int) -> Turn:
    """Return a turn of style steps with the default network and the costs of the course."""
    content, style = np.random.default_rng(0).random((2, size, size, 3), np.float32)

    def turn(count: int) -> list[float]:
        stamps: list[float] = []
        options: dict[str, Any] = {"steps": count + 1, "preset": "course"}
        minicnn.style.transfer(content, style, on_step=lambda *_: stamps.append(time.perf_counter()), **options)
        return np.diff(stamps).tolist()

    return turn


def encoding(network: str, side: int, batch: int) -> Turn:
    """Return a turn of encoding a batch with a frozen network."""
    model = getattr(minicnn.models, network)().eval()
    faces = _pictures(batch, side)

    def encode() -> None:
        with minicnn.frozen(model), minicnn.no_grad():
            model(faces)

    return _timed(encode)


def triplets(batch: int) -> Turn:
    """Return a turn of training nn4.small2 with batch-hard triplets."""
    model = minicnn.models.nn4_small2()
    faces, people = _pictures(batch, 96), np.arange(batch) // PICTURES

    def loss() -> Any:
        encodings = model(minicnn.Tensor(faces))
        mined = minicnn.faces.mine_triplets(encodings, people, strategy="batch-hard", margin=MARGIN)
        return minicnn.faces.batch_triplet_loss(encodings, mined, margin=MARGIN, reduction="mean")

    return _training(model, 1e-4, loss)


def training(batch: int) -> Turn:
    """Return a turn of training tiny_vgg with batch norm on CIFAR-10's shapes."""
    nn, channels = minicnn.nn, 3
    layers: list[minicnn.nn.Module] = []
    for width, depth in zip(WIDTHS, DEPTHS, strict=True):
        for _ in range(depth):
            layers.append(nn.Conv2d(channels, width, 3, padding="same", bias=False))
            layers.append(nn.BatchNorm(width, activation="relu"))
            channels = width
        layers.append(nn.MaxPool2d(2))
    model = nn.Sequential(*layers, nn.Flatten(), nn.Linear(channels, 10))
    pictures, labels = _pictures(batch, 32), np.arange(batch) % 10
    return _training(model, 0.01, lambda: minicnn.ops.cross_entropy(model(minicnn.Tensor(pictures)), labels))


STEPS: dict[str, Callable[[int], Turn]] = {
    "style": style,
    "Inception-ResNet-v1": partial(encoding, "inception_resnet_v1", 160),
    "nn4.small2": partial(encoding, "nn4_small2", 96),
    "triplets": triplets,
    "training": training,
}


def _pictures(batch: int, side: int) -> np.ndarray:
    return np.random.default_rng(0).random((batch, side, side, 3), np.float32)


def _training(model: Any, rate: float, loss: Callable[[], Any]) -> Turn:
    model.train()
    optimizer = minicnn.optim.SGD(model.parameters(), rate, **RULE)

    def step() -> None:
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()

    return _timed(step)


def _timed(run: Callable[[], None]) -> Turn:
    def turn(count: int) -> list[float]:
        run()  # wakes the threads and warms the caches
        stamps = [time.perf_counter()]
        for _ in range(count):
            run()
            stamps.append(time.perf_counter())
        return np.diff(stamps).tolist()

    return turn


def main(step: str, size: str, threads: str) -> None:
    """Answer each line of the input, a number of runs, with the median of their seconds."""
    answers, sys.stdout = sys.stdout, sys.stderr  # minicnn's own output is not an answer
    minicnn.set_threads(int(threads))
    turn = STEPS[step](int(size))
    for line in sys.stdin:
        print(statistics.median(turn(int(line))), file=answers, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])

"""One step of training tiny_vgg on CIFAR-10's shapes: forward, backward, and SGD with Nesterov momentum."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from minicnn import nn, ops, optim
from minicnn.bench import pytorch
from minicnn.bench.plan import Plan, Section
from minicnn.bench.report import Row
from minicnn.bench.turns import Side, compare
from minicnn.models import tiny
from minicnn.models.vgg import VGG
from minicnn.tensor import Tensor

RECIPE = {"momentum": 0.9, "weight_decay": 5e-4, "nesterov": True}
RATE = 0.01


def section(plan: Plan) -> Section:
    """Return the rows in milliseconds per step."""
    sizes = (16,) if plan.quick else (32, 128)
    measurements = [(f"batch {size}", partial(measure, plan, size)) for size in sizes]
    return Section("Training step, tiny_vgg, batch norm", measurements)


def measure(plan: Plan, batch_size: int) -> Row:
    """Measure both on one batch, from the same weights."""
    random = np.random.default_rng(0)
    x = random.random((batch_size, 32, 32, 3), np.float32)
    labels = random.integers(0, 10, batch_size)
    model = tiny.build(batch_norm=True)
    model.train()
    theirs = _their_step(plan.torch, model, x, labels) if plan.torch else None
    optimizer = optim.SGD(model.parameters(), RATE, **RECIPE)  # type: ignore[arg-type]

    def step() -> np.ndarray:
        optimizer.zero_grad()
        loss = ops.cross_entropy(model(Tensor(x)), labels)
        loss.backward()
        optimizer.step()
        return loss.data

    return compare(plan, f"batch of {batch_size}", Side(step), theirs, unit="ms")


def _their_step(torch: Any, model: VGG, x: np.ndarray, labels: np.ndarray) -> Side:
    network = _their_network(torch, model)
    optimizer = torch.optim.SGD(network.parameters(), RATE, **RECIPE)
    pictures = pytorch.pictures(torch, model.preprocessing(Tensor(x)).data)
    targets = torch.from_numpy(labels)

    def step() -> Any:
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(network(pictures), targets)
        loss.backward()
        optimizer.step()
        return loss

    return Side(step)


def _their_network(torch: Any, model: VGG) -> Any:
    """Return the same layers with the same weights, in PyTorch."""
    layers: list[Any] = []
    for layer in model.body:
        if isinstance(layer, nn.Conv2d):
            channels = layer.w.shape[-2:]
            layers.append(torch.nn.Conv2d(*channels, 3, padding=1, bias=False))
            layers[-1].weight = torch.nn.Parameter(pytorch.filters(torch, layer.w.data.copy()))
        elif isinstance(layer, nn.BatchNorm):
            layers.append(torch.nn.BatchNorm2d(layer.beta.size, eps=layer.eps, momentum=1 - layer.momentum))
        else:
            layers.append(torch.nn.MaxPool2d(2))
        if getattr(layer, "activation", None):
            layers.append(torch.nn.ReLU(inplace=True))
    classifier = model.top[-1]
    assert isinstance(classifier, nn.Linear) and classifier.b is not None
    layers += [torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(*classifier.w.shape)]
    with torch.no_grad():
        layers[-1].weight.copy_(torch.from_numpy(classifier.w.data.T.copy()))
        layers[-1].bias.copy_(torch.from_numpy(classifier.b.data.copy()))
    return torch.nn.Sequential(*layers).train()

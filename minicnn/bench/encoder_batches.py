"""Face encoding: a batch through Inception-ResNet-v1 and nn4.small2, compared with PyTorch using the same weights."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from minicnn import nn
from minicnn.bench import pytorch_encoders
from minicnn.bench.plan import Plan, Section
from minicnn.bench.report import Row
from minicnn.bench.turns import Side, compare
from minicnn.models import inception_resnet, nn4
from minicnn.models.network import Network
from minicnn.operation import no_grad

NETWORKS: dict[str, Callable[[], Network]] = {
    "Inception-ResNet-v1": inception_resnet.build,
    "nn4.small2": nn4.build,
}


def section(plan: Plan) -> Section:
    """Return the rows in milliseconds per batch, including the network's preprocessing."""
    measurements = [
        (f"{name}, batch {batch}", partial(measure, plan, name, batch))
        for name in NETWORKS
        for batch in ((1,) if plan.quick else (1, 32))
    ]
    return Section("Encoding faces", measurements)


def measure(plan: Plan, name: str, batch: int) -> Row:
    """Measure one network: frozen, as minicnn encodes many faces, and in PyTorch's evaluation mode."""
    model = plan.once(name, partial(settled, NETWORKS[name]))
    height, width = model.card.input_size
    faces = np.random.default_rng(0).random((batch, height, width, 3), np.float32)
    theirs = pytorch_encoders.side(plan.torch, model, faces) if plan.torch else None
    with nn.frozen(model), no_grad():
        ours = Side(lambda: model(faces).data)
        return compare(plan, f"{name}, {height}², batch of {batch}", ours, theirs, unit="ms")


def settled(build: Callable[[], Network]) -> Network:
    """Return a network as if trained: its statistics differ from the initial ones."""
    model = build().eval()
    random = np.random.default_rng(0)
    for name, state in list(model.named_state()):
        draw = random.normal(0, 0.2, state.shape) if name.endswith("mean") else random.uniform(0.5, 1.5, state.shape)
        model.set_state(name, draw.astype(np.float32))
    return model  # type: ignore[return-value]

"""One training step of nn4.small2 with triplets, compared with PyTorch: encode a batch, mine, and descend."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from minicnn import optim
from minicnn.bench import pytorch
from minicnn.bench.plan import Plan, Section
from minicnn.bench.pytorch_encoders import Translation
from minicnn.bench.report import Row
from minicnn.bench.turns import Side, compare
from minicnn.faces import batch_triplet_loss, mine_triplets
from minicnn.models import nn4
from minicnn.models.network import Network
from minicnn.tensor import Tensor

MARGIN = 0.2
PICTURES = 4  # per person
RULE: dict[str, Any] = {"momentum": 0.9, "weight_decay": 5e-4, "nesterov": True}
RATE = 1e-4


def section(plan: Plan) -> Section:
    """Return the rows in milliseconds per step, including batch-hard mining."""
    sizes = (8,) if plan.quick else (48,)
    measurements = [(f"batch of {size}", partial(measure, plan, size)) for size in sizes]
    return Section("Triplet training step, nn4.small2, 96²", measurements)


def measure(plan: Plan, batch: int) -> Row:
    """Measure both on one batch of people, from the same weights."""
    model = nn4.build(variant="openface")
    model.train()
    height, width = model.card.input_size
    faces = np.random.default_rng(0).random((batch, height, width, 3), np.float32)
    people = np.arange(batch) // PICTURES
    theirs = _their_step(plan.torch, model, faces, people) if plan.torch else None
    optimizer = optim.SGD(model.parameters(), RATE, **RULE)

    def step() -> np.ndarray:
        optimizer.zero_grad()
        encodings = model(Tensor(faces))
        triplets = mine_triplets(encodings, people, strategy="batch-hard", margin=MARGIN)
        loss = batch_triplet_loss(encodings, triplets, margin=MARGIN, reduction="mean")
        loss.backward()
        optimizer.step()
        return loss.data

    return compare(plan, f"batch of {batch}", Side(step), theirs, unit="ms")


def _their_step(torch: Any, model: Network, faces: np.ndarray, people: np.ndarray) -> Side:
    translation = Translation(torch, training=True)
    encode = translation.network(model)
    optimizer = torch.optim.SGD(translation.parameters, RATE, **RULE)
    pictures = pytorch.pictures(torch, faces)
    same = torch.from_numpy(people[:, None] == people[None])

    def step() -> Any:
        optimizer.zero_grad()
        encodings = encode(pictures)
        apart = (encodings[:, None] - encodings[None]).square().sum(dim=-1)
        # Batch-hard (Hermans et al. 2017): the farthest of the same person, the nearest of another person.
        farthest = apart.masked_fill(~same, -1).max(dim=1).values
        nearest = apart.masked_fill(same, torch.inf).min(dim=1).values
        loss = (farthest - nearest + MARGIN).clamp(min=0).mean()
        loss.backward()
        optimizer.step()
        return loss

    return Side(step)

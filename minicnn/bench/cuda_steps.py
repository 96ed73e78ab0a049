"""Whole steps on a GPU, compared with PyTorch with and without TF32: style transfer, triplet training, and mining."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from minicnn import devices, models, nn, optim
from minicnn.bench import pytorch_style, triplet_step
from minicnn.bench.cuda_sides import PRECISIONS, PlacedTorch, compare_there
from minicnn.bench.plan import Plan, Section
from minicnn.bench.report import Row
from minicnn.bench.turns import Side
from minicnn.faces import batch_triplet_loss, mine_triplets
from minicnn.models import nn4
from minicnn.style import presets
from minicnn.style.objective import Objective
from minicnn.tensor import Tensor


def section(plan: Plan) -> Section:
    """Return the rows in milliseconds."""
    measurements = []
    for precision in PRECISIONS:
        for size in (128,) if plan.quick else (512, 1024):
            measurements.append((f"style {size}²", partial(style_step, plan, size, precision)))
        measurements.append(("triplets", partial(training_step, plan, 8 if plan.quick else 48, precision)))
        count = 256 if plan.quick else 4096
        measurements.append(("mining", partial(mining, plan, count, 128, precision)))
    return Section("Whole steps, GPU", measurements)


def style_step(plan: Plan, size: int, precision: str, model: Any = None) -> Row:
    """Measure the cost of a picture, its gradient, and a step of Adam, with VGG-19 and the preset course."""
    model = (model or models.vgg19(pooling="avg")).to("cuda")
    recipe = presets()["course"]
    content, style = np.random.default_rng(0).random((2, size, size, 3), np.float32)
    with nn.frozen(model):
        objective = Objective(model, recipe, content, [(style, 1.0)])
        image = Tensor(devices.move(content[None], "cuda"), requires_grad=True)
        optimizer = optim.Adam([image], recipe.learning_rate, bounds=(0.0, 1.0))

        def step() -> None:
            image.grad = None
            cost, _ = objective(image)
            cost.backward()
            optimizer.step()

        def theirs(torch: PlacedTorch) -> Side:
            pictures = [torch.from_numpy(array[None]).movedim(-1, 1) for array in (content, style)]
            their_objective = pytorch_style.Objective(torch, pytorch_style.random_filters(torch), *pictures)
            leaf = pictures[0].clone().requires_grad_()
            their_optimizer = torch.optim.Adam([leaf], lr=recipe.learning_rate)

            def their_step() -> None:
                their_optimizer.zero_grad()
                their_objective(leaf).backward()
                their_optimizer.step()
                with torch.no_grad():
                    leaf.clamp_(0, 1)

            return Side(their_step)

        return compare_there(plan, f"style step, VGG-19, {size}²", Side(step), theirs, precision, unit="ms")


def training_step(plan: Plan, batch: int, precision: str) -> Row:
    """Measure encoding, mining the hardest triplet per anchor, backward, and the optimizer's step, with nn4.small2."""
    model = nn4.build(variant="openface")
    model.train()
    faces = np.random.default_rng(0).random((batch, *model.card.input_size, 3), np.float32)
    people = np.arange(batch) // triplet_step.PICTURES

    def theirs(torch: PlacedTorch) -> Side:
        return triplet_step._their_step(torch, nn4.build(variant="openface"), faces, people)

    model.to("cuda")
    optimizer = optim.SGD(model.parameters(), triplet_step.RATE, **triplet_step.RULE)
    pictures = Tensor(faces).to("cuda")

    def step() -> None:
        optimizer.zero_grad()
        encodings = model(pictures)
        triplets = mine_triplets(encodings, people, strategy="batch-hard", margin=triplet_step.MARGIN)
        batch_triplet_loss(encodings, triplets, margin=triplet_step.MARGIN, reduction="mean").backward()
        optimizer.step()

    return compare_there(plan, f"triplet step, nn4.small2, batch of {batch}", Side(step), theirs, precision, unit="ms")


def mining(plan: Plan, count: int, dimensions: int, precision: str) -> Row:
    """Measure the mining of batch-hard triplets among `count` encodings."""
    random = np.random.default_rng(0)
    encodings = random.standard_normal((count, dimensions), np.float32)
    people = random.integers(0, count // 4, count)
    moved = devices.move(encodings, "cuda")

    def theirs(torch: PlacedTorch) -> Side:
        x = torch.from_numpy(encodings)
        same = torch.from_numpy(people[:, None] == people[None])

        def mine() -> None:
            squares = x.square().sum(dim=1)
            apart = squares[:, None] + squares[None] - 2 * (x @ x.T)
            apart.masked_fill(~same, -1).max(dim=1)
            apart.masked_fill(same, torch.inf).min(dim=1)

        return Side(mine)

    ours = Side(lambda: mine_triplets(moved, people, strategy="batch-hard"))
    return compare_there(plan, f"batch-hard mining, {count:,} × {dimensions}", ours, theirs, precision, unit="ms")

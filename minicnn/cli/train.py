"""minicnn train: train a shipped network from scratch."""

from __future__ import annotations

import argparse
import math
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from minicnn.cli import paths
from minicnn.errors import InputError, MissingFileError, check_count
from minicnn.files import unreadable


def add(commands: Any) -> None:
    parser = commands.add_parser(
        "train",
        help="train an image classifier from scratch",
        description="Train tiny_vgg on CIFAR-10. An interrupted run resumes with --resume and yields the same weights, "
        "bit for bit.",
    )
    parser.add_argument("network", choices=["tiny_vgg"], help="network to train")
    files = parser.add_argument_group("Input and output")
    files.add_argument("--data", required=True, metavar="TAR", help="training set: a tar of CLASS/NNNN.jpg")
    files.add_argument("--test", metavar="TAR", help="test set, to measure the accuracy at the end")
    files.add_argument("-o", "--out", default="tiny_vgg.h5", metavar="FILE", help="weights file (default: tiny_vgg.h5)")
    descent = parser.add_argument_group("Optimization")
    descent.add_argument(
        "--cycle",
        nargs=2,
        action="append",
        metavar=("EPOCHS", "RATE"),
        help="epochs and peak learning rate of one warm-up and decay; repeatable (default: 18 0.1)",
    )
    descent.add_argument("--batch-size", type=int, default=128, metavar="N", help="batch size (default: 128)")
    descent.add_argument("--seed", type=int, default=0, metavar="S", help="random seed (default: 0)")
    recovery = parser.add_argument_group("Recovery")
    recovery.add_argument(
        "--checkpoint-every", type=int, default=100, metavar="N", help="steps between checkpoints (default: 100)"
    )
    recovery.add_argument("--resume", action="store_true", help="resume from the checkpoint next to FILE")
    parser.set_defaults(run=run)
    paths.declare(parser, reads="data test", writes="out")


def run(arguments: argparse.Namespace) -> None:
    from minicnn import hdf5
    from minicnn.datasets import cifar10
    from minicnn.models import tiny
    from minicnn.training import TrainingPlan, accuracy, train_classifier

    out = Path(arguments.out)
    checkpoint = out.with_suffix(".checkpoint.npz")
    _check(arguments, out, checkpoint)
    plan = TrainingPlan(batch_size=arguments.batch_size, seed=arguments.seed)
    if arguments.cycle:
        plan = replace(plan, cycles=_cycles(arguments.cycle))
    images, labels = cifar10.read(arguments.data, progress=True)
    model = tiny.build(batch_norm=True, seed=plan.seed)
    start = time.monotonic()
    train_classifier(
        model,
        images,
        labels,
        plan,
        checkpoint=checkpoint,
        resume=arguments.resume,
        checkpoint_every=arguments.checkpoint_every,
    )
    print(f"trained for {(time.monotonic() - start) / 60:.1f} minutes")
    folded = tiny.fold(model)
    attributes: dict[str, Any] = {"epochs": plan.epochs, "seed": plan.seed, "licence": "MIT"}
    hdf5.save(folded, out, dtype="float16", attributes=attributes)
    print(f"{out}: {sum(p.size for p in folded.parameters()):,} parameters, batch norm folded")
    if arguments.test:
        shipped = tiny.build(initial="zeros")
        hdf5.load(shipped, out)  # measure the weights of the file, which are rounded to float16
        reached = accuracy(shipped, *cifar10.read(arguments.test, progress=True))
        hdf5.save(folded, out, dtype="float16", attributes={**attributes, "test_accuracy": reached})
        print(f"test accuracy {reached:.2%}")


def _cycles(pairs: list[list[str]]) -> tuple[tuple[int, float], ...]:
    try:
        cycles = tuple((int(epochs), float(rate)) for epochs, rate in pairs)
    except ValueError:
        cycles = ((0, 0.0),)
    if not all(epochs >= 1 and 0 < rate < math.inf for epochs, rate in cycles):
        given = ", ".join(" ".join(pair) for pair in pairs)
        raise InputError(f"train: cycle is {given}; expected EPOCHS of at least 1 and a positive RATE")
    return cycles


def _check(arguments: argparse.Namespace, out: Path, checkpoint: Path) -> None:
    """Raise InputError, before the work, for options that would fail after it."""
    for name in ("batch_size", "checkpoint_every"):
        check_count(f"train: {name}", getattr(arguments, name))
    _cycles(arguments.cycle or [])
    check_count("train: seed", arguments.seed, 0)
    for name in ("data", "test"):
        path = getattr(arguments, name)
        if path is not None and (why := unreadable(path)):
            raise MissingFileError(f"train: {name} {path!r} {why}; expected a tar of CLASS/NNNN.jpg")
    paths.check_checkpoint("train", checkpoint, arguments.resume)

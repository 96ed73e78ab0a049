"""minicnn face train: train a face encoder from scratch on drawn faces, or fine-tune one on a folder."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from minicnn.cli import face_inputs as inputs
from minicnn.cli import outcome, paths
from minicnn.errors import InputError
from minicnn.text import plain

if TYPE_CHECKING:
    import numpy as np

    from minicnn.faces.heads import PairHead
    from minicnn.faces.measurement import Measured
    from minicnn.faces.training import FacePlan
    from minicnn.models.network import Network
    from minicnn.models.vgg import VGG


def add(commands: Any) -> None:
    """Register `train` among the commands of `minicnn face`."""
    parser = commands.add_parser(
        "train",
        help="train a face encoder",
        description="Train tiny_facenet on drawn faces, or fine-tune an encoder on a folder of people with --data. "
        "Training starts as classification and continues with triplets or pairs; at the end the encoder is evaluated "
        "on held-out people. An interrupted run resumes with --resume and yields the same weights, bit for bit.",
    )
    files = parser.add_argument_group("Input and output")
    files.add_argument(
        "-o", "--out", default="tiny_facenet.h5", metavar="FILE", help="weights to write (default: tiny_facenet.h5)"
    )
    files.add_argument("--data", metavar="DIR", help="train on DIR/PERSON/*.jpg instead of drawn faces")
    files.add_argument("--test", metavar="DIR", help="with --data: folder of other people, for evaluation")
    inputs.add_face(files)
    files.add_argument("--people", type=int, default=1000, metavar="N", help="drawn people (default: 1000)")
    files.add_argument("--pictures", type=int, default=10, metavar="N", help="pictures per person (default: 10)")
    files.add_argument("--test-people", type=int, default=200, metavar="N", help="held-out people (default: 200)")
    files.add_argument("--json", action="store_true", help="print JSON")
    loss = parser.add_argument_group("Loss")
    loss.add_argument("--loss", default="triplet", metavar="LOSS", help="triplet (default) or pair")
    loss.add_argument("--head", default="l1", metavar="KIND", help="pair head: l1 (default), l2 or chi2")
    loss.add_argument("--margin", type=float, metavar="M", help="triplet margin (default: 0.2)")
    descent = parser.add_argument_group("Optimization")
    descent.add_argument("--init", metavar="NAME|FILE", help="initial weights (default: random)")
    descent.add_argument("--freeze", default="", metavar="BLOCKS", help="blocks to freeze, such as block1,block2")
    for phase in ("softmax", "comparing"):
        about = "classification" if phase == "softmax" else "triplets or pairs"
        descent.add_argument(
            f"--{phase}", nargs=2, metavar=("EPOCHS", "RATE"), help=f"epochs and peak learning rate of {about}"
        )
    descent.add_argument("--batch", nargs=2, type=int, metavar=("P", "K"), help="people per batch, pictures per person")
    descent.add_argument("--seed", type=int, default=0, metavar="S", help="random seed (default: 0)")
    descent.add_argument("--device", default="cpu", metavar="D", help="device: cpu or cuda (default: cpu)")
    recovery = parser.add_argument_group("Recovery")
    recovery.add_argument(
        "--checkpoint-every", type=int, default=50, metavar="N", help="steps between checkpoints (default: 50)"
    )
    recovery.add_argument("--resume", action="store_true", help="resume from the checkpoint next to FILE")
    parser.set_defaults(run=run)
    paths.declare(parser, reads="data test init", writes="out", beside=_beside)


def _beside(arguments: argparse.Namespace) -> Iterator[tuple[str, Path]]:
    if arguments.loss == "pair":
        yield "the head next to --out,", Path(arguments.out).with_suffix(".head.h5")


def run(arguments: argparse.Namespace) -> None:
    from minicnn import devices
    from minicnn.faces.training import train_encoder
    from minicnn.models import tiny_face

    devices.check_device(arguments.device)
    plan = _plan(arguments)
    out = Path(arguments.out)
    checkpoint = out.with_suffix(".checkpoint.npz")
    _check(arguments, out, checkpoint)
    encoder = _encoder(arguments, plan).to(arguments.device)
    progress = not arguments.json
    start = time.monotonic()
    images, labels, test_images, test_labels = _faces(arguments, encoder, out, progress)
    figures: dict[str, Any] = {"people": len(set(labels.tolist())), "pictures": len(images)}
    if arguments.init and test_images is not None:
        figures["before"] = _figures(_measured(encoder, test_images, test_labels, None))
    head = train_encoder(
        encoder,
        images,
        labels,
        plan,
        checkpoint=checkpoint,
        resume=arguments.resume,
        checkpoint_every=arguments.checkpoint_every,
        progress=progress,
    )
    figures["minutes"] = round((time.monotonic() - start) / 60, 1)
    encoder.to("cpu")
    if head is not None:
        head.to("cpu")
    if not arguments.init:
        encoder = tiny_face.fold(cast("VGG", encoder))
    shipped = _write(encoder, head, out, _attributes(arguments, plan, {}))  # save before the evaluation, which may fail
    if test_images is not None:
        # Evaluate the weights of the file, which are rounded to float16.
        figures["after"] = _figures(_measured(shipped, test_images, test_labels, None))
        if head is not None:
            figures["pair head"] = _figures(_measured(shipped, test_images, test_labels, head))
        figures |= {"baselines": _baselines(images, test_images, test_labels)} if not arguments.data else {}
        _write(encoder, head, out, _attributes(arguments, plan, figures["after"]))
    _report(arguments, out, head, figures)


def _plan(arguments: argparse.Namespace) -> FacePlan:
    from minicnn.faces.training import FacePlan

    given: dict[str, Any] = {"loss": arguments.loss, "head": arguments.head, "seed": arguments.seed}
    if arguments.init:  # fine-tuning: no classification, small rates
        given |= {"softmax": (0, 0.01), "comparing": (20, 0.005)}
    for phase in ("softmax", "comparing"):
        if pair := getattr(arguments, phase):
            try:
                given[phase] = int(pair[0]), float(pair[1])
            except ValueError:
                raise InputError(f"face train: {phase} is {' '.join(pair)}; expected EPOCHS and RATE") from None
    if arguments.batch:
        given["people"], given["pictures"] = arguments.batch
    if arguments.margin is not None:
        given["margin"] = arguments.margin
    return FacePlan(**given, frozen=tuple(name for name in arguments.freeze.split(",") if name))


def _check(arguments: argparse.Namespace, out: Path, checkpoint: Path) -> None:
    """Raise InputError, before the work, for options that would fail after it."""
    least = {"people": 2, "pictures": 2, "test_people": 4, "checkpoint_every": 1, "seed": 0}
    for name, value in least.items():
        if getattr(arguments, name) < value:
            raise InputError(f"face train: {name} is {getattr(arguments, name)}; expected at least {value}")
    if arguments.freeze and not arguments.init:
        raise InputError(f"face train: freeze is {arguments.freeze!r} without --init; random weights must learn")
    if arguments.test and not arguments.data:
        raise InputError(
            "face train: test is for a folder of your own, with --data; drawn people are held out by number"
        )
    paths.check_checkpoint("face train", checkpoint, arguments.resume)


def _encoder(arguments: argparse.Namespace, plan: FacePlan) -> Network:
    from minicnn import models
    from minicnn.faces.training import Trainee
    from minicnn.models import tiny_face

    encoder = (
        models.from_weights(arguments.init) if arguments.init else tiny_face.build(batch_norm=True, seed=plan.seed)
    )
    Trainee(encoder, plan, 2)  # raises if the plan does not fit the encoder
    return encoder


def _faces(
    arguments: argparse.Namespace, encoder: Network, out: Path, progress: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None, np.ndarray]:
    """Return pictures and labels for training, then those for testing."""
    from minicnn.cli.face_finder import FEW, Looker
    from minicnn.faces import training_pictures as pictures

    size = encoder.card.input_size[0]
    if arguments.data:
        looker = Looker(arguments, encoder.card, FEW + 1, usual="centre", strict=False)
        looker.centred = False  # reported below

        def take(image: np.ndarray, path: Path) -> np.ndarray | None:
            """Return the crop of the face, or None to crop the centre."""
            return next((found.crop for found in looker.look(image, path)), None) if looker.looks else None

        for root in filter(None, (arguments.data, arguments.test)):
            inputs.read_folder(root)  # prints a note about skipped files
        images, labels = pictures.folder(arguments.data, size, take)
        test_images, test_labels = pictures.folder(arguments.test, size, take) if arguments.test else (None, labels)
        if progress:
            crops = f"detected and aligned; {looker.missed} pictures without a face are cropped at the centre"
            print(f"faces are {crops if looker.looks else 'cropped at the centre of each picture'}")
        return images, labels, test_images, test_labels
    drawn = (arguments.seed, arguments.people, arguments.pictures, arguments.test_people)
    return pictures.drawn(*drawn, size=size, folder=out.parent, progress=progress)


def _measured(encoder: Network, images: np.ndarray, labels: np.ndarray, head: PairHead | None) -> Measured:
    from minicnn.faces.encoding import encode
    from minicnn.faces.measurement import measure

    return measure(encode(encoder, images), labels, head=head)


def _baselines(training: np.ndarray, images: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    from minicnn.datasets.synthetic_faces import baselines
    from minicnn.faces.measurement import evaluation_pairs

    count = min(128, len(training) - 1)
    scores = baselines.compare(training, images, evaluation_pairs(labels), components=count)
    return {score.name: score.accuracy for score in scores}


def _figures(measured: Measured) -> dict[str, float]:
    result = measured.evaluation
    return {
        "accuracy": result.accuracy,
        "standard_error": float(result.standard_error),
        "auc": result.auc,
        "val_at_far_0.001": measured.val,
        "threshold_at_far_0.001": measured.threshold,
    }


def _attributes(arguments: argparse.Namespace, plan: FacePlan, figures: dict[str, float]) -> dict[str, Any]:
    data = (
        plain(Path(arguments.data).name)
        if arguments.data
        else f"{arguments.people} drawn people, {arguments.pictures} each"
    )
    faces = "photographs" if arguments.data else "drawn"  # an encoder of drawn faces refuses photographs
    return {"trained_on": data, "faces": faces, "seed": plan.seed, "loss": plan.loss, "licence": "MIT", **figures}


def _write(encoder: Network, head: PairHead | None, out: Path, attributes: dict[str, Any]) -> Network:
    """Save the encoder, and the head next to it. Return the encoder as loaded from its file."""
    from minicnn import hdf5, models

    hdf5.save(encoder, out, dtype="float16", attributes=attributes)
    if head is not None:
        hdf5.save(head, out.with_suffix(".head.h5"), attributes={"kind": head.kind})
    return models.from_weights(out)


def _report(arguments: argparse.Namespace, out: Path, head: PairHead | None, figures: dict[str, Any]) -> None:
    if arguments.json:
        outcome.print_json({"file": str(out), **figures})
        return
    print(
        f"{out}: trained for {figures['minutes']} minutes on {figures['people']} people, {figures['pictures']} pictures"
    )
    if head is not None:
        print(f"{out.with_suffix('.head.h5')}: its pair head")
    for name in ("before", "after", "pair head"):
        if name in figures:
            found = figures[name]
            low, high = (found["accuracy"] + side * 1.96 * found["standard_error"] for side in (-1, 1))
            print(
                f"{name:32} {found['accuracy']:7.2%} ({low:.2%} to {min(high, 1):.2%}), "
                f"VAL {found['val_at_far_0.001']:.2%} at FAR 0.001"
            )
    for name, accuracy in figures.get("baselines", {}).items():
        print(f"{name:32} {accuracy:7.2%}")

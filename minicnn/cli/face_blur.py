"""minicnn face blur: hide the faces in pictures."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minicnn.cli import face_inputs as inputs
from minicnn.cli.face_gallery import opened
from minicnn.cli.face_inputs import counted
from minicnn.errors import InputError
from minicnn.text import plain

if TYPE_CHECKING:
    import numpy as np

    from minicnn.faces.detection import Detection


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
    parser.add_argument("--keep", metavar="GALLERY", help="leave the faces of people in this gallery")
    parser.add_argument(
        "--min-size", type=float, default=20.0, metavar="N", help="pixels of the smallest face (default: 20)"
    )
    inputs.add_weights(parser)
    inputs.add_drawn(parser)


def blur(arguments: argparse.Namespace) -> int:
    from minicnn import faces, images

    targets = _targets(arguments)
    kept_by = opened(arguments.keep, arguments) if arguments.keep else None
    told = []
    for path, target in zip(arguments.images, targets, strict=True):
        picture = images.load(path)
        found = faces.everybody(picture, min_size=arguments.min_size)
        names = _known(picture, found, *kept_by) if kept_by else {}
        images.save(target, faces.hide(picture, found, keep=names))
        row = {"picture": path, "out": str(target), "hidden": len(found.scores) - len(names), "kept": [*names.values()]}
        told.append(row)
        if not arguments.json:
            kept = f", {', '.join(map(plain, names.values()))} kept" if names else ""
            print(f"{plain(path)}: {counted(row['hidden'], 'face')} hidden{kept}: {plain(str(target))}")
    if arguments.json:
        inputs.print_json(told)
    return 0 if all(row["hidden"] or row["kept"] for row in told) else 1


def _known(picture: np.ndarray, found: Detection, encoder: Any, gallery: Any) -> dict[int, str]:
    """{number of a face: name} of those who are in the gallery."""
    from minicnn.faces.snapshots import Taken

    crops = [Taken(i + 1, found).crop(picture, encoder.card) for i in range(len(found.scores))]
    results = gallery.identify(crops) if crops else []
    return {i: result.name for i, result in enumerate(results) if result}


def _targets(arguments: argparse.Namespace) -> list[Path]:
    """Where each picture goes, refused before the work."""
    from minicnn import images

    out = Path(arguments.out)
    if out.is_dir():
        names = [Path(path).name for path in arguments.images]
        targets = [out / (name if Path(name).suffix.lower() in images.WRITERS else f"{name}.png") for name in names]
        if len(set(targets)) < len(targets):
            raise InputError(f"blur: out {str(out)!r} would hold two pictures of one name; expected one at a time")
    elif len(arguments.images) > 1:
        raise InputError(f"blur: out is {str(out)!r} for {len(arguments.images)} pictures; expected a folder")
    else:
        targets = [images.check_target(out)]
    for target in targets:
        if target.exists() and any(target.samefile(path) for path in arguments.images if Path(path).exists()):
            raise InputError(f"blur: out {str(target)!r} is one of the pictures to read; expected another place")
    return targets

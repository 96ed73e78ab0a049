"""minicnn face why: maps of the regions that bring two faces together."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from minicnn.cli import face_inputs as inputs
from minicnn.cli import outcome, paths
from minicnn.cli.face_finder import Looker
from minicnn.errors import InputError
from minicnn.text import plain

STRANGER = 7  # number of a drawn person


def add(actions: Any) -> None:
    """Register the action."""
    parser = inputs.action(
        actions,
        "why",
        "plot which regions of two faces bring them together",
        why,
        more="Plot two maps per face: gradients, and the growth of the distance when a patch is covered. Compare them "
        "with the stranger's maps: a region that is as red there says nothing about the pair.",
    )
    parser.add_argument("images", nargs=2, metavar="IMAGE", help="picture of a face")
    parser.add_argument("-o", "--out", required=True, metavar="PICTURE", help=".png, .jpg or .webp file to write")
    parser.add_argument("--stranger", metavar="IMAGE", help="face of somebody else (default: a drawn face)")
    inputs.add_weights(parser)
    inputs.add_places(parser)
    inputs.add_drawn(parser)
    paths.declare(parser, reads="images stranger weights", writes="out", pictures="out")


def why(arguments: argparse.Namespace) -> None:
    import numpy as np

    from minicnn import faces
    from minicnn.datasets.synthetic_faces import Population
    from minicnn.faces import Detection, figures
    from minicnn.faces.snapshots import Face

    encoder = inputs.encoder_for(arguments)
    files = [*arguments.images, *([arguments.stranger] if arguments.stranger else [])]
    look = Looker(arguments, encoder.card, len(files))
    if look.which == "all":
        raise InputError("why: --face is 'all'; expected one face of each picture: largest, centre, or a number")
    shown = [look(path)[0].face for path in files]
    if not arguments.stranger:
        drawn = Population(seed=0, size=256).picture(STRANGER, 0)
        place = Detection(drawn.box[None], np.ones(1), drawn.landmarks[None])
        shown.append(Face(drawn.image / np.float32(255), place))
    found = faces.why_near(encoder.network, *(face.crop_for(encoder.card) for face in shown))
    names = [*(Path(path).name for path in arguments.images), Path(arguments.stranger or "a drawn face").name]
    near, far = float(found.distances[0]), float(found.distances[2])
    large = [face.crop_for(encoder.card, size=inputs.LOOKED_AT) for face in shown]
    figures.save(figures.why(large, names, found, f"distance {near:.3f}, of a stranger {far:.3f}"), arguments.out)
    if arguments.json:
        told = {"encoder": encoder.name, "distance": near, "stranger": arguments.stranger, "stranger_distance": far}
        outcome.print_json({"pictures": arguments.images, **told, "picture": arguments.out})
    else:
        print(f"distance {near:.4f}, of a stranger {far:.4f}; drawn: {plain(arguments.out)}")

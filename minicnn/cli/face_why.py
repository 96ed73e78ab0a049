"""minicnn face why: which parts of two faces make their distance."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minicnn.cli import face_inputs as inputs
from minicnn.cli import outcome, paths

if TYPE_CHECKING:
    import numpy as np

STRANGER = 7  # of the people that are drawn


def add(actions: Any) -> None:
    """Register the action."""
    parser = inputs.action(
        actions,
        "why",
        "draw which parts of two faces bring them together, next to a stranger",
        why,
        more="Two maps of each face: by gradients, and by how much the distance grows when a piece is covered. Look at "
        "the stranger's first: what is as red there says nothing of the two.",
    )
    parser.add_argument("images", nargs=2, metavar="IMAGE", help="two pictures of a face")
    parser.add_argument("-o", "--out", required=True, metavar="PICTURE", help="a .png, .jpg or .webp file to write")
    parser.add_argument("--stranger", metavar="IMAGE", help="a face of somebody else (default: a drawn one)")
    inputs.add_weights(parser)
    inputs.add_places(parser)
    inputs.add_drawn(parser)
    paths.declare(parser, reads="images stranger weights", writes="out", pictures="out")


def why(arguments: argparse.Namespace) -> None:
    from minicnn import faces
    from minicnn.faces import figures

    encoder = inputs.encoder_for(arguments)
    shown = _faces(arguments, encoder, inputs.LOOKED_AT)
    found = faces.why_near(encoder.network, *_faces(arguments, encoder, None))
    names = [*(Path(path).name for path in arguments.images), Path(arguments.stranger or "a drawn face").name]
    near, far = float(found.distances[0]), float(found.distances[2])
    figures.save(figures.why(shown, names, found, f"distance {near:.3f}, of a stranger {far:.3f}"), arguments.out)
    if arguments.json:
        told = {"encoder": encoder.name, "distance": near, "stranger": arguments.stranger, "stranger_distance": far}
        outcome.print_json({"pictures": arguments.images, **told, "picture": arguments.out})
    else:
        print(f"distance {near:.4f}, of a stranger {far:.4f}; drawn: {arguments.out}")


def _faces(arguments: argparse.Namespace, encoder: Any, size: int | None) -> list[np.ndarray]:
    """The three faces, as the encoder takes them, or of another size."""
    import numpy as np

    from minicnn.datasets.synthetic_faces import Population
    from minicnn.faces.cropping import crop

    files = [*arguments.images, *([arguments.stranger] if arguments.stranger else [])]
    found = [*map(inputs.looker(arguments, encoder, len(files), size=size), files)]
    if not arguments.stranger:
        drawn = Population(seed=0, size=256).picture(STRANGER, 0)
        found.append(crop(drawn.image, encoder.card, landmarks=drawn.landmarks, size=size) / np.float32(255))
    return found

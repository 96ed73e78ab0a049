"""minicnn face cluster: sort pictures of unknown people into a folder per person."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from minicnn.cli import face_inputs as inputs
from minicnn.cli import outcome
from minicnn.cli.face_finder import Looker, pictures_in
from minicnn.errors import InputError
from minicnn.text import counted, plain

if TYPE_CHECKING:
    import numpy as np

    from minicnn.faces.encoders import FaceEncoder

SINGLE, UNCLEAR, FACELESS = "_single", "_unclear", "_no_face"  # folders that face enroll passes over
SIDE, MOST = 128, 64  # pixels of a face on a contact sheet, and faces on one


class Seen(NamedTuple):
    """A picture, where its face is and how it is turned, and how far it is from the middle of its group."""

    path: str
    box: Any = None
    landmarks: Any = None
    turn: int = 0
    distance: float = 0.0

    def crop(self, encoder: FaceEncoder) -> np.ndarray:
        """Read the picture again, and return the face to look at."""
        import numpy as np

        from minicnn import images
        from minicnn.faces import Detection
        from minicnn.faces.cropping import crop
        from minicnn.faces.snapshots import Face

        image = images.load(self.path)
        if self.box is None:
            return crop(image, encoder.card, size=SIDE)
        found = Detection(self.box[None], np.ones(1), self.landmarks[None])
        return Face(image, found, turn=self.turn).crop_for(encoder.card, size=SIDE)


def add(actions: Any) -> None:
    """Register the action."""
    parser = inputs.action(
        actions,
        "cluster",
        "sort pictures of unknown people: a folder and a contact sheet per person",
        cluster,
        more="Pictures below FOLDER are copied into OUT/person_N, those of people seen once into OUT/_single, those "
        "seen badly or without a face into OUT/_unclear and OUT/_no_face. minicnn face enroll GALLERY OUT enrols the "
        "people; look at the contact sheets first. The last faces of a sheet are the farthest from the others.",
        status="0 when done, 3 when no face was found",
    )
    parser.add_argument("folder", metavar="FOLDER", help="pictures, and folders of pictures")
    parser.add_argument("-o", "--out", metavar="OUT", help="a folder to make (default: only say who belongs together)")
    parser.add_argument(
        "--threshold", type=float, metavar="T", help="mean distance up to which two groups are one person"
    )
    parser.add_argument("--least", type=int, default=2, metavar="N", help="pictures of a person (default: 2)")
    inputs.add_weights(parser)
    inputs.add_face(parser)
    inputs.add_any_quality(parser)
    inputs.add_drawn(parser)


def cluster(arguments: argparse.Namespace) -> int:
    from minicnn import faces

    out = _target(arguments)
    encoder, threshold = inputs.encoder_for(arguments), inputs.checked_threshold(arguments.threshold)
    threshold = encoder.threshold if threshold is None else threshold
    if threshold is None:
        raise InputError(f"cluster: no threshold is known for {encoder.name}; expected --threshold T")
    seen, aside, encodings = _encoded(arguments, encoder)
    labels = faces.cluster(encodings, threshold=threshold, metric=str(encoder.card.metric), least=arguments.least)
    groups = _groups(seen, encodings, labels)
    rows = {
        name: [{"picture": one.path, "box": _box(one), "distance": round(one.distance, 4)} for one in members]
        for name, members in groups.items()
    }
    told = {"folder": arguments.folder, "encoder": encoder.name, "threshold": threshold, "groups": rows, **aside}
    if out:
        _write(out, groups, aside, encoder, told)
    if arguments.json:
        outcome.print_json(told)
    else:
        for name, members in groups.items():
            print(f"{name}: {counted(len(members), 'picture')}")
        people = counted(int(labels.max(initial=-1)) + 1, "person", "people")
        print(f"{plain(arguments.folder)}: {counted(len(seen), 'face')}, {people}")
        print(f"copied to {plain(str(out))}; look at its contact sheets" if out else "nothing is copied without --out")
    return outcome.DONE if seen else outcome.NO_VERDICT


def _target(arguments: argparse.Namespace) -> Path | None:
    """The folder to make, refused before the work."""
    if not arguments.out:
        return None
    out, folder = Path(arguments.out), os.path.realpath(arguments.folder)
    if os.path.lexists(out) and (not os.path.isdir(out) or os.listdir(out)):
        raise InputError(f"cluster: --out {str(out)!r} is there already; expected a folder that is not there, or empty")
    if folder in map(str, (Path(os.path.realpath(out)), *Path(os.path.realpath(out)).parents)):
        raise InputError(f"cluster: --out {str(out)!r} is in the folder to read; expected another place")
    return out


def _encoded(
    arguments: argparse.Namespace, encoder: FaceEncoder
) -> tuple[list[Seen], dict[str, list[str]], np.ndarray]:
    """(pictures with a face, those that are put aside, encodings of the former)."""
    from minicnn.faces import encode

    if not os.path.isdir(arguments.folder):
        raise InputError(f"cluster: {arguments.folder!r} is no folder; expected a folder of pictures")
    paths = pictures_in([arguments.folder], "cluster")
    look = Looker(arguments, encoder.card, len(paths), strict=False)
    if look.which == "all":
        raise InputError("cluster: --face is 'all'; expected one face of each picture: largest, centre, or a number")
    seen: list[Seen] = []
    aside: dict[str, list[str]] = {UNCLEAR: [], FACELESS: []}

    def crops() -> Iterator[np.ndarray]:
        for path, shown, bad in outcome.each(paths, look, bar=inputs.bar(arguments, "looking")):
            if bad:
                continue
            if not shown or shown[0].problem:
                aside[UNCLEAR if shown else FACELESS].append(path)
                continue
            face = shown[0].face
            where = (face.box, face.landmarks, face.turn) if hasattr(face, "box") else ()
            seen.append(Seen(path, *where))
            yield shown[0].crop

    encodings = encode(encoder.network, crops())
    look.conclude()
    return seen, aside, encodings


def _box(one: Seen) -> list[float] | None:
    return None if one.box is None else [round(float(side), 1) for side in one.box]


def _groups(seen: list[Seen], encodings: np.ndarray, labels: np.ndarray) -> dict[str, list[Seen]]:
    """{name: pictures, the most typical first}, the largest group first and those who belong to none last."""
    import numpy as np

    groups: dict[str, list[Seen]] = {}
    width = max(2, len(str(labels.max(initial=0) + 1)))
    for label in sorted(set(labels.tolist()), key=lambda label: (label < 0, label)):
        members = np.flatnonzero(labels == label)
        away = np.square(encodings[members] - encodings[members].mean(axis=0)).sum(axis=1)
        order = np.argsort(away, kind="stable")
        name = SINGLE if label < 0 else f"person_{label + 1:0{width}}"
        groups[name] = [seen[members[i]]._replace(distance=float(away[i])) for i in order]
    return groups


def _write(
    out: Path, groups: dict[str, list[Seen]], aside: dict[str, list[str]], encoder: FaceEncoder, told: dict[str, Any]
) -> None:
    """Make the folder, whole or not at all."""
    from minicnn import images
    from minicnn.faces.contact_sheets import contact_sheet

    def draw(name: str, members: Sequence[Seen], captions: Sequence[str], title: str) -> None:
        shown = [one.crop(encoder) for one in members[:MOST]]
        images.save(made / f"{name}.png", contact_sheet(shown, captions[:MOST], title))

    try:
        with tempfile.TemporaryDirectory(prefix=".minicnn-", dir=out.absolute().parent) as place:
            made = Path(place, out.name)
            made.mkdir()
            for name, members in groups.items():
                draw(name, members, [Path(one.path).stem for one in members], f"{name}: {len(members)}")
            for name, paths in {**{name: [one.path for one in groups[name]] for name in groups}, **aside}.items():
                _copy(paths, made / name)
            people = {f"{name}: {len(members)}": members[0] for name, members in groups.items() if name != SINGLE}
            if people:
                draw("people", [*people.values()], [*people], counted(len(people), "person", "people"))
            (made / "groups.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
            if os.path.isdir(out):
                out.rmdir()  # it is empty
            os.replace(made, out)
    except OSError as problem:
        raise InputError(f"cluster: --out {str(out)!r} cannot be made ({problem.strerror or problem})") from None


def _copy(paths: Sequence[str], folder: Path) -> None:
    """Copy files into a new folder, each under a name of its own."""
    taken: set[str] = set()
    if paths:
        folder.mkdir()
    for path in map(Path, paths):
        name, number = path.name, 1
        while name.casefold() in taken:
            number += 1
            name = f"{path.stem}_{number}{path.suffix}"
        taken.add(name.casefold())
        shutil.copyfile(path, folder / name)

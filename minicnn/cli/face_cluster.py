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
from minicnn.cli.face_finder import finder_of
from minicnn.cli.face_inputs import counted
from minicnn.errors import InputError
from minicnn.text import plain

if TYPE_CHECKING:
    import numpy as np

    from minicnn.faces import Detection
    from minicnn.faces.encoders import FaceEncoder

SINGLE, FACELESS = "_single", "_no_face"  # folders that face enroll passes over
SIDE, MOST = 128, 64  # pixels of a face on a contact sheet, and faces on one


class Seen(NamedTuple):
    """A picture with one face, where it is and how it is turned, and its distance from the middle of its group."""

    path: Path
    found: Detection | None
    turn: int = 0
    distance: float = 0.0


def add(actions: Any) -> None:
    """Register the action."""
    parser = inputs.action(
        actions,
        "cluster",
        "sort pictures of unknown people: a folder and a contact sheet per person",
        cluster,
        more="Pictures below FOLDER are copied into OUT/person_N, those of people seen once into OUT/_single, those "
        "without a face into OUT/_no_face. minicnn face enroll GALLERY OUT enrols the people; look at the contact "
        "sheets first. The last faces of a sheet are the farthest from the others.",
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
    inputs.add_drawn(parser)


def cluster(arguments: argparse.Namespace) -> int:
    from minicnn import faces

    folder, out = Path(arguments.folder), _target(arguments)
    encoder = inputs.encoder_for(arguments)
    threshold = inputs.checked_threshold(arguments.threshold)
    threshold = encoder.threshold if threshold is None else threshold
    if threshold is None:
        raise InputError(f"cluster: no threshold is known for {encoder.name}; expected --threshold T")
    seen, faceless, encodings = _encoded(arguments, encoder, list(_pictures(folder)))
    labels = faces.cluster(encodings, threshold=threshold, metric=str(encoder.card.metric), least=arguments.least)
    groups = _groups(seen, encodings, labels)
    told = {
        "folder": str(folder),
        "encoder": encoder.name,
        "threshold": threshold,
        "groups": {
            name: [{"picture": str(one.path), "box": _box(one), "distance": round(one.distance, 4)} for one in members]
            for name, members in groups.items()
        },
        "without_face": [str(path) for path in faceless],
    }
    if out:
        _write(out, groups, faceless, encoder, told)
    if arguments.json:
        outcome.print_json(told)
    else:
        for name, members in groups.items():
            print(f"{name}: {counted(len(members), 'picture')}")
        people = counted(int(labels.max(initial=-1)) + 1, "person", "people")
        print(f"{plain(str(folder))}: {counted(len(seen), 'face')}, {people}")
        print(f"copied to {plain(str(out))}; look at its contact sheets" if out else "nothing is copied without --out")
    return 0 if seen else outcome.NO_VERDICT


def _target(arguments: argparse.Namespace) -> Path | None:
    """The folder to make, refused before the work."""
    if not arguments.out:
        return None
    out, folder = Path(arguments.out), Path(arguments.folder).resolve()
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"cluster: --out {str(out)!r} is there already; expected a folder that is not there, or empty")
    if folder == out.resolve() or folder in out.resolve().parents:
        raise InputError(f"cluster: --out {str(out)!r} is in the folder to read; expected another place")
    return out


def _pictures(folder: Path) -> Iterator[Path]:
    from minicnn.datasets.image_folders import SUFFIXES

    if not folder.is_dir():
        raise InputError(f"cluster: {str(folder)!r} is no folder; expected a folder of pictures")
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.suffix.lower() in SUFFIXES and not hidden and path.is_file():
            yield path


def _encoded(
    arguments: argparse.Namespace, encoder: FaceEncoder, paths: Sequence[Path]
) -> tuple[list[Seen], list[Path], np.ndarray]:
    """(pictures with a face, those without, encodings of the former)."""
    import numpy as np
    from tqdm import tqdm

    from minicnn import images
    from minicnn.faces import Detection, encode

    finder = finder_of(arguments, strict=False, quiet=True)
    seen: list[Seen] = []
    faceless: list[Path] = []

    def crops() -> Iterator[np.ndarray]:
        bar = tqdm(paths, unit="picture", leave=False, disable=None)
        for path, picture, bad in outcome.each(bar, images.load):
            if bad:
                continue
            looked = finder is not None and picture.shape[:2] != encoder.card.input_size
            place = finder(picture, path) if finder and looked else None
            if looked and place is None:
                faceless.append(path)
                continue
            found = Detection(place.box[None], np.ones(1), place.landmarks[None]) if place else None
            seen.append(Seen(path, found, place.turn if place else 0))
            yield _face(picture, seen[-1], encoder)

    encodings = encode(encoder.network, crops())
    if faceless:
        outcome.note(f"no face was found in {counted(len(faceless), 'picture')}")
    return seen, faceless, encodings


def _box(one: Seen) -> list[float] | None:
    return None if one.found is None else [round(float(side), 1) for side in one.found.boxes[0]]


def _face(picture: np.ndarray, one: Seen, encoder: FaceEncoder, size: int | None = None) -> np.ndarray:
    from minicnn.faces.cropping import crop
    from minicnn.faces.snapshots import Face

    if one.found is None:
        return crop(picture, encoder.card, size=size)
    return Face(picture, one.found, turn=one.turn).crop_for(encoder.card, size=size)


def _groups(seen: list[Seen], encodings: np.ndarray, labels: np.ndarray) -> dict[str, list[Seen]]:
    """{name: pictures, the most typical first}, the largest group first and those who belong to none last."""
    import numpy as np

    groups: dict[str, list[Seen]] = {}
    width = max(2, len(str(labels.max(initial=0) + 1)))
    for label in sorted(set(labels.tolist()), key=lambda label: (label < 0, label)):
        members = np.flatnonzero(labels == label)
        away = np.square(encodings[members] - encodings[members].mean(axis=0)).sum(axis=1)
        order = np.argsort(away, kind="stable") if label >= 0 else np.arange(len(members))
        name = SINGLE if label < 0 else f"person_{label + 1:0{width}}"
        groups[name] = [seen[members[i]]._replace(distance=float(away[i])) for i in order]
    return groups


def _write(
    out: Path, groups: dict[str, list[Seen]], faceless: list[Path], encoder: FaceEncoder, told: dict[str, Any]
) -> None:
    """Make the folder, whole or not at all."""
    from minicnn import images
    from minicnn.faces.contact_sheets import contact_sheet

    def draw(name: str, members: Sequence[Seen], captions: Sequence[str], title: str) -> None:
        shown = [_face(images.load(one.path), one, encoder, SIDE) for one in members[:MOST]]
        images.save(made / f"{name}.png", contact_sheet(shown, captions[:MOST], title))

    try:
        with tempfile.TemporaryDirectory(prefix=".minicnn-", dir=out.absolute().parent) as place:
            made = Path(place, out.name)
            made.mkdir()
            for name, members in groups.items():
                paths = [one.path for one in members]
                _copy(paths, made / name)
                draw(name, members, [path.stem for path in paths], f"{name}: {counted(len(paths), 'picture')}")
            _copy(faceless, made / FACELESS)
            people = {f"{name}: {len(members)}": members[0] for name, members in groups.items() if name != SINGLE}
            if people:
                draw("people", [*people.values()], [*people], counted(len(people), "person", "people"))
            (made / "groups.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
            if out.exists():
                out.rmdir()  # it is empty
            os.replace(made, out)
    except OSError as problem:
        raise InputError(f"cluster: --out {str(out)!r} cannot be made ({problem.strerror or problem})") from None


def _copy(paths: Sequence[Path], folder: Path) -> None:
    """Copy files into a new folder, each under a name of its own."""
    taken: set[str] = set()
    if paths:
        folder.mkdir()
    for path in paths:
        name, number = path.name, 1
        while name.casefold() in taken:
            number += 1
            name = f"{path.stem}_{number}{path.suffix}"
        taken.add(name.casefold())
        shutil.copyfile(path, folder / name)

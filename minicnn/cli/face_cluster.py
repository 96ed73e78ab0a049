"""minicnn face cluster: sort pictures of unknown people into one folder per person."""

from __future__ import annotations

import argparse
import itertools
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minicnn.cli import face_inputs as inputs
from minicnn.cli import outcome, paths
from minicnn.cli.face_finder import Looker, described, pictures_in
from minicnn.errors import InputError
from minicnn.text import counted, plain

if TYPE_CHECKING:
    import numpy as np


SINGLE, UNCLEAR, FACELESS = "_single", "_unclear", "_no_face"  # folders that face enroll skips
SIDE, MOST = 128, 64  # pixels per face on a contact sheet, and faces per sheet
AROUND = 2.0  # side of a crop relative to that of the face, wide enough to detect the face again


def add(actions: Any) -> None:
    """Register the action."""
    parser = inputs.action(
        actions,
        "cluster",
        "sort pictures of unknown people into one folder per person",
        cluster,
        more="Copy the pictures in FOLDER to OUT/person_N, with a contact sheet per person. People seen once go to "
        "OUT/_single, poor faces to OUT/_unclear, and pictures without a face to OUT/_no_face. With --face all every "
        "face counts, and a crop is written per face of a picture with several. Check the contact sheets before you "
        "run minicnn face enroll GALLERY OUT; the last faces of a sheet are the least typical.",
        status="0 when done, 3 if no face was found",
    )
    parser.add_argument("folder", metavar="FOLDER", help="folder of pictures, with its subfolders")
    parser.add_argument("-o", "--out", metavar="OUT", help="folder to create (default: print the groups only)")
    parser.add_argument("--threshold", type=float, metavar="T", help="largest mean distance of merged groups")
    parser.add_argument("--least", type=int, default=2, metavar="N", help="fewest pictures of a group (default: 2)")
    inputs.add_weights(parser)
    inputs.add_face(parser)
    inputs.add_any_quality(parser)
    inputs.add_drawn(parser)
    paths.declare(parser, reads="folder weights", writes="out", folders="out")


def cluster(arguments: argparse.Namespace) -> int:
    from minicnn import faces

    out = _target(arguments)
    encoder, threshold = inputs.encoder_for(arguments), inputs.checked_threshold(arguments.threshold)
    threshold = encoder.threshold if threshold is None else threshold
    if threshold is None:
        raise InputError(f"cluster: no threshold is known for {encoder.name}; expected --threshold T")
    if not os.path.isdir(arguments.folder):
        raise InputError(f"cluster: {arguments.folder!r} is not a folder; expected a folder of pictures")
    pictures = pictures_in([arguments.folder], "cluster")
    look = Looker(arguments, encoder.card, len(pictures), strict=False)
    everybody = look.which == "all"
    aside: dict[str, list[str]] = {UNCLEAR: [], FACELESS: []}
    seen: list[dict[str, Any]] = []

    def crops() -> Iterator[np.ndarray]:
        for path, shown, bad in outcome.each(pictures, look, bar=inputs.bar(arguments, "looking")):
            clear = [one for one in shown or () if not one.problem]
            for one in clear:
                seen.append({"picture": path, "among": getattr(one.face, "among", 1), **described(one.face)})
                yield one.crop
            if not clear and not bad:
                aside[UNCLEAR if shown else FACELESS].append(path)

    encodings = faces.encode(encoder.network, crops())
    look.conclude()
    labels = faces.cluster(encodings, threshold=threshold, metric=str(encoder.card.metric), least=arguments.least)
    groups = _groups(seen, encodings, labels)
    told = {"folder": arguments.folder, "encoder": encoder.name, "threshold": threshold, "groups": groups, **aside}
    if out:
        _write(out, told, look, everybody)
    if arguments.json:
        outcome.print_json(told)
    else:
        for name, members in groups.items():
            print(f"{name}: {counted(len(members), 'face' if everybody else 'picture')}")
        people = counted(int(labels.max(initial=-1)) + 1, "person", "people")
        print(f"{plain(arguments.folder)}: {counted(len(seen), 'face')}, {people}")
        print(f"copied to {plain(str(out))}; check its contact sheets" if out else "nothing is copied without --out")
    return outcome.DONE if seen else outcome.NO_VERDICT


def _target(arguments: argparse.Namespace) -> Path | None:
    """Return the folder to create. Raise InputError, before the work, if it cannot be used."""
    if not arguments.out:
        return None
    out, real = Path(arguments.out), Path(os.path.realpath(arguments.out))
    if os.path.lexists(out) and (not os.path.isdir(out) or os.listdir(out)):
        raise InputError(f"cluster: --out {str(out)!r} is there already; expected a folder that is not there, or empty")
    if any(paths.same(place, arguments.folder) for place in (real, *real.parents)):
        raise InputError(f"cluster: --out {str(out)!r} is in the folder to read; expected another place")
    return out


def _groups(seen: list[dict[str, Any]], encodings: np.ndarray, labels: np.ndarray) -> dict[str, list[dict[str, Any]]]:
    """Return {name: pictures, the most typical first}, the largest group first and single pictures last."""
    import numpy as np

    groups: dict[str, list[dict[str, Any]]] = {}
    width = max(2, len(str(labels.max(initial=0) + 1)))
    for label in sorted(set(labels.tolist()), key=lambda label: (label < 0, label)):
        members = np.flatnonzero(labels == label)
        away = np.square(encodings[members] - encodings[members].mean(axis=0)).sum(axis=1)
        name = SINGLE if label < 0 else f"person_{label + 1:0{width}}"
        groups[name] = [
            {**seen[members[i]], "distance": round(float(away[i]), 4)} for i in np.argsort(away, kind="stable")
        ]
    return groups


def _write(out: Path, told: dict[str, Any], look: Looker, everybody: bool) -> None:
    """Create the folder, completely or not at all. Faces are detected again for the sheets, to save memory."""
    from minicnn import images
    from minicnn.faces.contact_sheets import contact_sheet

    def draw(name: str, rows: Sequence[dict[str, Any]], captions: Sequence[str], title: str) -> None:
        shown = [_again(row, look).crop_for(look.card, size=SIDE) for row in rows[:MOST]]
        images.save(made / f"{name}.png", contact_sheet(shown, captions[:MOST], title))

    groups = told["groups"]
    try:
        with tempfile.TemporaryDirectory(prefix=".minicnn-", dir=out.absolute().parent) as place:
            made = Path(place, out.name)
            made.mkdir()
            for name, rows in groups.items():
                title = f"{name}: {counted(len(rows), 'face' if everybody else 'picture')}"
                draw(name, rows, [Path(row["picture"]).stem for row in rows], title)
                for row in rows:
                    _put(row, made / name, cut=everybody and row["among"] > 1)
            for name in (UNCLEAR, FACELESS):
                for path in told[name]:
                    _put({"picture": path}, made / name)
            people = {f"{name}: {len(rows)}": rows[0] for name, rows in groups.items() if name != SINGLE}
            if people:
                draw("people", [*people.values()], [*people], counted(len(people), "person", "people"))
            (made / "groups.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
            if os.path.isdir(out):
                out.rmdir()  # it is empty
            os.replace(made, out)
    except OSError as problem:
        raise InputError(f"cluster: --out {str(out)!r} cannot be made ({problem.strerror or problem})") from None


def _again(row: dict[str, Any], look: Looker) -> Any:
    """Detect the face of a row again."""
    return next(one.face for one in look(row["picture"]) if getattr(one.face, "number", None) == row.get("face"))


def _put(row: dict[str, Any], folder: Path, *, cut: bool = False) -> None:
    """Copy the picture of a row into a folder, under a unique name. cut: write a crop of its face instead."""
    from minicnn import images

    folder.mkdir(exist_ok=True)
    path = Path(row["picture"])
    stem, suffix = (f"{path.stem}_{row['face']}", ".png") if cut else (path.stem, path.suffix)
    others = (f"{stem}_{number}{suffix}" for number in itertools.count(2))
    free = next(name for name in itertools.chain([stem + suffix], others) if not os.path.lexists(folder / name))
    if not cut:
        shutil.copyfile(path, folder / free)
        return
    image = images.load(path)
    left, top, right, bottom = row["box"]
    half = AROUND * max(right - left, bottom - top) / 2
    x, y = (left + right) / 2, (top + bottom) / 2
    rows, columns = (slice(max(round(place - half), 0), round(place + half)) for place in (y, x))
    images.save(folder / free, image[rows, columns])

"""minicnn face enroll, list, remove and rename: the contents of a gallery."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minicnn.cli import face_inputs as inputs
from minicnn.cli import outcome, paths
from minicnn.cli.face_finder import Looker, pictures_in
from minicnn.cli.outcome import print_json
from minicnn.errors import InputError
from minicnn.text import WIDTH, counted, elided_inside, entries, listed, plain, wrapped

if TYPE_CHECKING:
    from minicnn.faces.encoders import FaceEncoder
    from minicnn.faces.gallery import Gallery
    from minicnn.faces.gallery_file import Content
    from minicnn.faces.records import Records
    from minicnn.faces.results import Enrolment


def add(actions: Any) -> None:
    """Register the actions."""
    parser = inputs.action(
        actions,
        "enroll",
        "add pictures of a person to a gallery",
        enroll,
        words="minicnn face enroll [options] GALLERY NAME IMAGE...\n"
        "       minicnn face enroll [options] GALLERY FOLDER",
        more="Create the gallery if it does not exist; only its owner may read it. With a folder, enrol every "
        "FOLDER/PERSON/*.jpg.",
    )
    parser.add_argument("gallery", metavar="GALLERY", help="gallery file")
    parser.add_argument("who", nargs="+", metavar="INPUT", help="name and pictures, or folder of people")
    inputs.add_weights(parser)
    inputs.add_places(parser)
    inputs.add_drawn(parser)
    inputs.add_any_quality(parser)
    parser.add_argument(
        "--threshold",
        type=float,
        metavar="T",
        help="largest distance that counts as the same person (default: the encoder's)",
    )
    parser.add_argument(
        "--score",
        metavar="S",
        help="how to combine the distances to several pictures of one person: min (default), mean, or nearest for the "
        "mean of the three smallest",
    )
    parser.add_argument("--head", metavar="FILE", help="score with a head from minicnn face train --loss pair")
    paths.declare(parser, reads="who weights head", writes="gallery")

    parser = inputs.action(actions, "list", "list the people in a gallery", list_people)
    parser.add_argument("gallery", metavar="GALLERY", help="gallery file")
    inputs.add_picture(parser, "the distance matrix and a 2-D map of the encodings", reads="gallery")

    parser = inputs.action(actions, "remove", "remove a person and all their encodings", remove)
    parser.add_argument("gallery", metavar="GALLERY", help="gallery file")
    parser.add_argument("name", metavar="NAME", help="name, as in minicnn face list")
    paths.declare(parser, writes="gallery")

    parser = inputs.action(actions, "rename", "rename a person in a gallery", rename)
    parser.add_argument("gallery", metavar="GALLERY", help="gallery file")
    parser.add_argument("name", metavar="NAME", help="name, as in minicnn face list")
    parser.add_argument("new", metavar="NEW", help="new name, not yet in the gallery")
    paths.declare(parser, writes="gallery")


# enroll


def enroll(arguments: argparse.Namespace) -> int:
    from minicnn import frozen
    from minicnn.faces.safety import SAFETY

    people = _people(arguments.who)
    path = Path(arguments.gallery)
    first = not os.path.lexists(path)
    encoder, gallery = _made(arguments, path) if first else _opened(arguments, path)
    everything = [(name, picture) for name, pictures in people.items() for picture in pictures]
    looker = Looker(arguments, encoder.card, len(everything), one=True)
    shown: dict[str, list[Any]] = {name: [] for name in people}
    failed: list[dict[str, Any]] = []

    def look(row: tuple[str, Path]) -> None:
        [found] = looker(row[1])
        shown[row[0]].append((row[1], found._replace(face=None, among=1)))  # keep the crop, not the whole picture

    for (name, picture), _, bad in outcome.each(everything, look, bar=inputs.bar(arguments, "enrolling")):
        if bad:
            failed.append({"name": name, **bad, "picture": str(picture)})
    looker.conclude()
    with frozen(encoder.network):
        reports = [gallery.enroll(name, [face for _, face in rows]) for name, rows in shown.items() if rows]
    people = {name: [picture for picture, _ in rows] for name, rows in shown.items()}
    refused = any(report.refused for report in reports)
    if len(gallery):
        gallery.save(path)
    if arguments.json:
        found = [{**asdict(report), "pictures": [str(path) for path in people[report.name]]} for report in reports]
        print_json({**_facts(arguments, encoder, gallery), "enrolled": found, "failed": failed})
    elif reports:
        for report in reports:
            print("\n".join(_receipt(report, people[report.name])))
        if len(gallery):
            print(f"{plain(str(path))}: {_size(gallery)}, encoded by {encoder.name}")
    if first and len(gallery):
        print("\n".join(["", *_paragraphs(SAFETY)]), file=sys.stderr if arguments.json else sys.stdout)
        if arguments.threshold is None:
            outcome.note(
                f"the threshold is {gallery.threshold:.4g}: {encoder.origin}. It was not calibrated on your pictures; "
                "minicnn face calibrate does that"
            )
    return outcome.NO_VERDICT if refused else outcome.DONE


def _paragraphs(text: str) -> Iterator[str]:
    for number, paragraph in enumerate(text.split("\n\n")):
        yield from ([""] if number else [])
        yield from wrapped(paragraph)


def _people(who: list[str]) -> dict[str, list[Path]]:
    """Return {name: pictures} from a name and pictures, or from a folder of people."""
    from minicnn.faces.records import proper_name

    if len(who) > 1:
        return {proper_name(who[0], "enroll"): [Path(name) for name in pictures_in(who[1:], "enroll")]}
    if not os.path.isdir(who[0]):
        raise InputError(f"enroll: {who[0]!r} comes without pictures; expected NAME IMAGE…, or a folder of people")
    folder = inputs.read_folder(who[0])
    return {proper_name(person, "enroll"): list(folder.of(person)) for person in folder.people}


def _made(arguments: argparse.Namespace, path: Path) -> tuple[FaceEncoder, Gallery]:
    from minicnn.faces import gallery_file
    from minicnn.faces.gallery import Gallery

    gallery_file.target_of(path, "enroll")
    encoder = inputs.encoder_for(arguments)
    head = inputs.head_of(arguments.head, encoder.card.embedding or 0)
    threshold = inputs.checked_threshold(arguments.threshold)
    if threshold is None:
        threshold = 0.5 if head else encoder.threshold  # a head gives probabilities
    if threshold is None:
        raise InputError(
            f"enroll: no threshold is known for {encoder.name}; expected --threshold T, or one that "
            "minicnn face calibrate finds"
        )
    return encoder, Gallery(encoder.network, threshold=threshold, head=head, score=arguments.score or "min")


def _opened(arguments: argparse.Namespace, path: Path) -> tuple[FaceEncoder, Gallery]:
    for name in ("score", "head"):
        if getattr(arguments, name) is not None:
            raise InputError(f"enroll: {name} is set when a gallery is made, and {str(path)!r} is there already")
    encoder, gallery = opened(path, arguments)
    if arguments.threshold is not None:
        gallery.threshold = arguments.threshold
    return encoder, gallery


def opened(path: str | Path, arguments: argparse.Namespace) -> tuple[FaceEncoder, Gallery]:
    """Return the encoder and the gallery. Without --weights, find the encoder that made the gallery."""
    from minicnn.faces import gallery_file
    from minicnn.faces.gallery import Gallery

    target = gallery_file.target_of(path, "gallery")
    encoder = inputs.encoder_for(arguments, None if arguments.weights else gallery_file.facts_of(target))
    return encoder, Gallery.load(target, encoder.network)


def _receipt(report: Enrolment, pictures: list[Path]) -> Iterator[str]:
    """Yield the lines about a person's enrolment: counts, then pictures to check."""
    yield f"{plain(report.name)}: {len(report.added)} added, {counted(report.total, 'picture')} in all"
    for line in report.notes(tuple(plain(picture.name) for picture in pictures)):
        yield from wrapped(line, indent="  ", hanging="  ")


def _size(gallery: Gallery) -> str:
    return f"{counted(len(gallery), 'person', 'people')}, {counted(sum(gallery.people.values()), 'picture')}"


def _facts(arguments: argparse.Namespace, encoder: FaceEncoder, gallery: Gallery) -> dict[str, Any]:
    return {
        "gallery": arguments.gallery,
        "encoder": encoder.name,
        "drawn": encoder.drawn,
        "threshold": gallery.threshold,
        "people": len(gallery),
    }


# list, remove, rename: they need the file, not the encoder


def list_people(arguments: argparse.Namespace) -> None:
    from minicnn.faces import gallery_file
    from minicnn.faces.settings import Settings

    content = gallery_file.read(gallery_file.target_of(arguments.gallery, "list"))
    settings = Settings.of(content)
    if arguments.picture:
        _draw(arguments.picture, content, settings)
    counts = content.records.counts
    compared = settings.comparisons(content.records)
    for_all = settings.calibration and f", calibrated; {settings.calibration.for_gallery(compared):.4g} to identify"
    facts = {
        "encoder": str(content.facts.get("model")),
        "threshold": f"{settings.threshold:.4g}{for_all or ''}",
        "metric": f"pair head {settings.head.kind}" if settings.head else str(content.facts.get("metric")),
        "per person": {"min": "distance to the nearest picture", "mean": "mean distance to all pictures"}.get(
            settings.score, f"mean distance to the {settings.neighbours} nearest pictures"
        ),
    }
    if arguments.json:
        details = {key: content.facts[key] for key in ("model", "weights_sha256", "metric")}
        rules = {
            "threshold": settings.threshold,
            "calibrated": settings.calibration is not None,
            "score": settings.score,
        }
        print_json({"gallery": arguments.gallery, **details, **rules, "people": counts})
        return
    total = f"{counted(len(counts), 'person', 'people')}, {counted(len(content.records), 'picture')}"
    print("\n".join([f"{plain(arguments.gallery)}: {total}", *entries(facts), *([""] if counts else [])]))
    width = min(max(map(len, counts), default=0), WIDTH - 14)
    for name, count in counts.items():
        print(f"  {elided_inside(plain(name), width):<{width}}  {count:>6,}")


def _draw(target: str, content: Content, settings: Any) -> None:
    from minicnn.faces import figures, scoring

    records = content.records.grouped()
    if not len(records):
        raise InputError("list: nobody is in the gallery; expected people, to draw them")
    if len(records) > 3000:
        raise InputError(f"list: {len(records):,} pictures are too many to draw; expected 3,000 or fewer")
    metric = str(content.facts.get("metric"))
    apart = scoring.by_head(settings.head) if settings.head else scoring.by_metric(metric)
    distances = scoring.all_distances(apart, records.encodings, records.encodings)
    figures.save(figures.people(records.encodings, records.labels, records.people, distances), target)


def remove(arguments: argparse.Namespace) -> None:
    before, after = _change(arguments, lambda records, name: records.remove(name))
    count = len(before) - len(after)
    if arguments.json:
        print_json({"gallery": arguments.gallery, "removed": arguments.name, "pictures": count})
        return
    print(f"{plain(arguments.name)} is removed, with {counted(count, 'encoding')}; copies of the file still hold them")


def rename(arguments: argparse.Namespace) -> None:
    from minicnn.faces.records import proper_name

    new = proper_name(arguments.new, "rename")

    def renamed(records: Records, name: str) -> Records:
        if new in records.people and new != name:
            raise InputError(f"rename: {new!r} is in the gallery already; expected a name that is not")
        return records.rename(name, new)

    _change(arguments, renamed)
    if arguments.json:
        print_json({"gallery": arguments.gallery, "renamed": arguments.name, "to": new})
        return
    print(f"{plain(arguments.name)} is now {new}")


def _change(arguments: argparse.Namespace, change: Callable[[Records, str], Records]) -> tuple[Records, Records]:
    """Change the records of one person in a gallery file. Return all records before and after.

    This needs no encoder, so that a person can be removed even if the weights are lost.
    """
    from minicnn.faces import gallery_file
    from minicnn.faces.gallery_file import Content
    from minicnn.faces.records import proper_name

    path = gallery_file.target_of(arguments.gallery, "gallery")
    gallery_file.facts_of(path)  # raises before a lock file is made
    with gallery_file.alone(path):
        content = gallery_file.read(path)
        records = content.records
        name = proper_name(arguments.name, "gallery")
        if name not in records.people:
            names = listed(records.people) or "nobody"
            raise InputError(f"gallery: {name!r} is not in {str(path)!r}; it has {names}")
        changed = change(records, name)
        gallery_file.write(path, Content(content.facts, changed, content.arrays))
    return records, changed

"""minicnn face verify and identify: one-to-one and one-to-many comparison."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minicnn.cli import face_inputs as inputs
from minicnn.cli import outcome
from minicnn.cli.face_finder import Looker, Place, described, pictures_in, say_which
from minicnn.cli.face_gallery import opened
from minicnn.cli.outcome import print_json
from minicnn.errors import InputError
from minicnn.text import WIDTH, counted, elided_inside, percent, plain, spelled, wrapped

if TYPE_CHECKING:
    import numpy as np

    from minicnn.datasets.image_folders import ImageFolder
    from minicnn.faces.encoders import FaceEncoder
    from minicnn.faces.gallery import Gallery
    from minicnn.faces.results import Identification, Verification

COLUMN = 24  # width of names
MOST_DRAWN = 20  # pictures in one figure


def add(actions: Any) -> None:
    """Register the actions."""
    parser = inputs.action(
        actions,
        "verify",
        "compare two pictures, or a picture with an enrolled person",
        verify,
        words="minicnn face verify [options] IMAGE IMAGE\n       minicnn face verify [options] GALLERY NAME IMAGE",
        status="0 for the same person, 1 for different people, 3 for no verdict",
    )
    parser.add_argument("what", nargs="+", metavar="INPUT", help="two pictures, or a gallery, a name and a picture")
    _add_common(parser)
    parser.add_argument("--head", metavar="FILE", help="for two pictures: head from minicnn face train --loss pair")
    inputs.add_picture(parser, "the faces and the verdict", reads="what weights head")

    parser = inputs.action(
        actions,
        "identify",
        "identify faces with a gallery",
        identify,
        more="Name the person in each picture, or report that nobody matches. With --face all, name every face.",
        status="0 if everybody was recognized, 1 if somebody was not, 3 for no verdict",
    )
    parser.add_argument("gallery", metavar="GALLERY", help="gallery file")
    parser.add_argument("images", nargs="+", metavar="IMAGE", help="picture, or folder of pictures")
    _add_common(parser)
    parser.add_argument("--matches", type=int, default=3, metavar="N", help="number of people to list (default: 3)")
    inputs.add_picture(parser, "the matches or the named faces", reads="gallery images weights faces")
    parser.add_argument(
        "--faces", metavar="DIR", help="folder of DIR/PERSON/*.jpg; with --picture, show the faces of the matches"
    )


def _add_common(parser: argparse.ArgumentParser) -> None:
    inputs.add_weights(parser)
    inputs.add_places(parser)
    parser.add_argument(
        "--threshold", type=float, metavar="T", help="largest distance that counts as the same person, for this call"
    )
    inputs.add_drawn(parser)
    inputs.add_any_quality(parser)


# verify


def verify(arguments: argparse.Namespace) -> int:
    inputs.checked_threshold(arguments.threshold)
    if len(arguments.what) not in (2, 3):
        raise InputError(f"verify: got {len(arguments.what)} words; expected IMAGE IMAGE, or GALLERY NAME IMAGE")
    try:
        found = _two_pictures(arguments) if len(arguments.what) == 2 else _against_gallery(arguments)
    except outcome.NoVerdict as problem:
        if arguments.json:
            print_json({"what": arguments.what, "same": None, "why": str(problem)})
        raise
    if arguments.json:
        print_json(found)
    else:
        print("\n".join(_verdict(found)))
    if found["same"] is None:
        raise outcome.NoVerdict(found["why"])
    return outcome.DONE if found["same"] else outcome.NO


def _two_pictures(arguments: argparse.Namespace) -> dict[str, Any]:
    from minicnn.faces.distances import is_same
    from minicnn.faces.encoding import encode
    from minicnn.faces.scoring import all_distances

    encoder = inputs.encoder_for(arguments)
    head = inputs.head_of(arguments.head, encoder.card.embedding or 0)
    look = Looker(arguments, encoder.card, 2, usual="all")
    left, right = (look(path) for path in arguments.what)
    encodings = encode(encoder.network, [one.crop for one in (*left, *right)])
    apart = all_distances(inputs.score_by(encoder, head), encodings[: len(left)], encodings[len(left) :])
    pairs = [(one, other, d) for one, row in zip(left, apart, strict=True) for other, d in zip(right, row, strict=True)]
    # Prefer pairs of good quality, then the smallest distance.
    one, other, distance = min(pairs, key=lambda pair: (bool(pair[0].problem or pair[1].problem), pair[2]))
    shown = list(zip(arguments.what, (one, other), strict=True))
    for path, face in shown:
        say_which(path, face.face, "is the nearest")
    problems = [f"{path}: {face.problem}" for path, face in shown if face.problem]
    threshold, origin = arguments.threshold, ""
    if threshold is None:
        threshold, origin = (0.5, "of 1 − probability") if head else (encoder.threshold, encoder.origin)
    why = f"no verdict: {'; '.join(problems)}" if problems else ""
    if threshold is None:
        why = f"no verdict: no threshold is known for {encoder.name}; say one with --threshold"
    same = None if why or threshold is None else bool(is_same(distance, threshold))
    found = {
        "pictures": list(arguments.what),
        "encoder": encoder.name,
        "distance": float(distance),
        "threshold": threshold,
        "origin": origin,
        "same": same,
        "why": why or f"{distance:.4g} is {'within' if same else 'farther than'} {threshold:.4g}",
        "faces": [described(face.face) for _, face in shown],
    }
    if arguments.picture:
        from minicnn.faces import figures

        looked_at = (face.face.crop_for(encoder.card, size=inputs.LOOKED_AT) for _, face in shown)
        names = Path(arguments.what[0]).name, Path(arguments.what[1]).name
        figures.save(figures.two_faces(*looked_at, names, _headline(found), same), arguments.picture)  # type: ignore[call-arg]
    return found


def _headline(found: dict[str, Any]) -> str:
    if found["same"] is None:
        return f"distance {found['distance']:.3f}"
    verdict, sign = ("the same person", "≤") if found["same"] else ("not the same person", ">")
    return f"{verdict}: {found['distance']:.3f} {sign} {found['threshold']:.3f}"


def _against_gallery(arguments: argparse.Namespace) -> dict[str, Any]:
    path, name, picture = arguments.what
    encoder, gallery = opened(path, arguments)
    if arguments.head:
        raise InputError("verify: head is set when a gallery is made; leave --head out")
    _set_up(gallery, arguments)
    # With several faces, take the nearest unless --face chooses one.
    look = Looker(arguments, encoder.card, 1, usual="all")
    result = gallery.verify(name, look(picture))
    say_which(picture, result.face, "is the nearest")
    found = {"gallery": path, "picture": picture, "encoder": encoder.name, **_plain(result)}
    if result.same is None:
        found["why"] = f"no verdict: {result.why}"
    if arguments.picture:
        verdict = Path(picture).name if result.same is None else name if result else f"not {name}"
        threshold = None if result.same is None else result.threshold
        _draw_one(arguments, encoder, result.face, verdict, [(result.name, result.distance)], threshold)
    return found


def _plain(result: Verification | Identification) -> dict[str, Any]:
    """Return a result as plain data, for JSON."""
    told = asdict(replace(result, face=None))
    del told["face"]
    if "matches" in told:
        told["matches"] = [{"name": name, "distance": distance} for name, distance in told["matches"]]
    return {**told, **described(result.face)}


def _draw_one(arguments: Any, encoder: Any, face: Any, title: str, near: Any, limit: Any, faces: Any = ()) -> None:
    from minicnn.faces import figures

    crop = face.crop_for(encoder.card, size=inputs.LOOKED_AT)
    figures.save(figures.matches(crop, title, near, limit, faces=faces), arguments.picture)


def _set_up(gallery: Gallery, arguments: argparse.Namespace) -> None:
    """Apply the options that hold for this call only."""
    if arguments.threshold is not None:
        gallery.threshold = arguments.threshold
    gallery.any_quality = arguments.any_quality


def _verdict(found: dict[str, Any]) -> Iterator[str]:
    if found["same"] is None:
        yield f"distance {found['distance']:.4g}"
        return
    verdict = "the same person" if "pictures" in found else f"{found['name']}"
    verdict, sign = (verdict, "≤") if found["same"] else (f"not {verdict}", ">")
    sure = found.get("probability")
    origin = f" ({found['origin']})" if found.get("origin") else ""
    likely = "" if sure is None else f", probability {percent(sure)} at even prior odds"
    verdict += f": distance {found['distance']:.4g} {sign} {found['threshold']:.4g}{origin}{likely}"
    yield from wrapped(plain(verdict), hanging="  ")


# identify


def identify(arguments: argparse.Namespace) -> int:
    from minicnn import frozen

    inputs.checked_threshold(arguments.threshold)
    encoder, gallery = opened(arguments.gallery, arguments)
    _set_up(gallery, arguments)
    pictures = pictures_in(arguments.images, "identify")
    look = Looker(arguments, encoder.card, len(pictures))
    people = inputs.read_folder(arguments.faces) if arguments.faces else None
    rows: list[dict[str, Any]] = []
    drawn: list[tuple[str, Sequence[Identification]]] = []
    status = outcome.DONE

    def answer(picture: str) -> Sequence[Identification]:
        return gallery.identify(look(picture), matches=arguments.matches)

    with frozen(encoder.network):
        for picture, results, bad in outcome.each(pictures, answer, bar=inputs.bar(arguments, "identifying")):
            if bad:
                rows.append(bad)
                continue
            rows += [{"picture": picture, **_plain(result)} for result in results]
            status = min((status, *map(_status, results)), key=outcome.SERIOUS.index)
            if not arguments.json:
                outcome.say("\n".join(_lines(picture, results, gallery)))
            if arguments.picture and len(drawn) < MOST_DRAWN:
                drawn.append((picture, results))
    look.conclude()
    if arguments.json:
        facts = {"gallery": arguments.gallery, "encoder": encoder.name, "threshold": gallery.identification_threshold}
        print_json({**facts, "identified": rows})
    if drawn:
        _draw(arguments, encoder, drawn, people)
        if len(drawn) < len(pictures) and len(drawn) == MOST_DRAWN:
            outcome.note(f"{arguments.picture} shows the first {MOST_DRAWN} pictures")
    return status


def _status(result: Identification) -> int:
    return outcome.DONE if result else outcome.NO if result.judged else outcome.NO_VERDICT


def _lines(picture: str, results: Sequence[Identification], gallery: Gallery) -> Iterator[str]:
    """Yield the verdict and matches of a single face, or one line per face of several."""
    if len(results) == 1:
        yield from _matches(picture, results[0], gallery)
        return
    known = sum(map(bool, results))
    count = f": {counted(len(results), 'face')}, {known} recognized"
    yield f"{elided_inside(plain(picture), WIDTH - len(count))}{count}"
    for result in results:
        place = described(result.face)
        left, top, right, bottom = place["box"]
        where = f"{(left + right) / 2:.0f},{(top + bottom) / 2:.0f}"
        far = f"{result.distance:.4f}" + (f" ≤ {result.threshold:.4g}" if result else "") if result.judged else ""
        who = elided_inside(plain(_verdict_of(result)), COLUMN)
        yield f"  {place['face']:>3}  at {where:<9}  {who:<{COLUMN}}  {far}".rstrip()


def _verdict_of(result: Identification) -> str:
    if not result.judged:
        return result.why.partition(" to tell")[0]
    return result.name or "not recognized"


def _matches(picture: str, result: Identification, gallery: Gallery) -> Iterator[str]:
    """Yield the verdict on a face, the nearest people, and the reason."""
    verdict = f": {plain(_verdict_of(result))}"
    yield f"{elided_inside(plain(picture), WIDTH - len(verdict))}{verdict}"
    if not result.judged:
        yield from wrapped(plain(result.why), indent="  ")
        return
    size = f" for {counted(gallery.comparisons, 'picture')}" if gallery.calibration else ""
    for number, (name, distance) in enumerate(result.matches, start=1):
        within = f"  ≤ {result.threshold:.4g}{size if number == 1 else ''}" if distance <= result.threshold else ""
        yield f"  {number:>2}  {elided_inside(plain(name), COLUMN):<{COLUMN}}  {distance:>8.4f}{within}"
    if not result:
        yield from wrapped(plain(result.why), indent="  ")


def _draw(
    arguments: argparse.Namespace,
    encoder: FaceEncoder,
    drawn: Sequence[tuple[str, Sequence[Identification]]],
    people: ImageFolder | None,
) -> None:
    from minicnn import images
    from minicnn.faces import drawing, figures

    if len(drawn) == 1 and len(drawn[0][1]) == 1:
        result = drawn[0][1][0]
        near = [_face_of(people, encoder, name) for name, _ in result.matches] if people else []
        threshold = result.threshold if result.judged else None
        _draw_one(arguments, encoder, result.face, _verdict_of(result), result.matches, threshold, near)
        return
    scenes = []
    for _, results in drawn:
        found = [(result.face, result.name) for result in results if not isinstance(result.face, Place)]
        scenes.append(drawing.named(results[0].face.image, found))  # type: ignore[union-attr,arg-type]
    if len(scenes) == 1:
        images.save(arguments.picture, scenes[0])
    else:
        figures.save(figures.scenes(scenes, [Path(picture).name for picture, _ in drawn]), arguments.picture)


def _face_of(people: ImageFolder, encoder: FaceEncoder, name: str) -> np.ndarray | None:
    """Return the face in a person's first picture in the folder of --faces; None, with a note, if there is none."""
    from minicnn import images, zoo
    from minicnn.faces.cropping import crop
    from minicnn.faces.snapshots import choose, find

    if spelled(name) not in people.people:
        outcome.note(f"--faces: no folder {name!r} in {str(people.root)!r}")
        return None
    image = images.load(people.of(name)[0])
    found = find(image) if zoo.here(zoo.find("mtcnn")) and not encoder.drawn else []
    return (choose(found, "centre").crop_for if found else partial(crop, image))(encoder.card, size=inputs.LOOKED_AT)

"""minicnn face verify|identify: is it this person, and who is it?"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minicnn.cli import face_inputs as inputs
from minicnn.cli import outcome
from minicnn.cli.face_gallery import opened
from minicnn.cli.outcome import print_json
from minicnn.errors import InputError
from minicnn.text import WIDTH, elided_inside, plain, spelled, wrapped

if TYPE_CHECKING:
    import numpy as np

    from minicnn.faces.encoders import FaceEncoder
    from minicnn.faces.results import Identification

COLUMN = 24  # of names


def add(actions: Any) -> None:
    """Register the actions."""
    parser = inputs.action(
        actions,
        "verify",
        "say whether two pictures, or a picture and an enrolled person, are the same",
        verify,
        words="minicnn face verify [options] IMAGE IMAGE\n       minicnn face verify [options] GALLERY NAME IMAGE",
        status="0 for the same person, 1 for another, 3 where there is no verdict",
    )
    parser.add_argument("what", nargs="+", metavar="WORDS", help="two pictures; or a gallery, a name and a picture")
    _add_common(parser)
    parser.add_argument("--head", metavar="FILE", help="of two pictures: score by the head of face train --loss pair")
    inputs.add_picture(parser, "the faces and what was found", reads="what weights head")

    parser = inputs.action(
        actions,
        "identify",
        "say who in a gallery a picture is of, or that it is of nobody there",
        identify,
        status="0 when everybody was recognized, 1 when somebody was not, 3 where there is no verdict",
    )
    parser.add_argument("gallery", metavar="GALLERY", help="the file of the gallery")
    parser.add_argument("images", nargs="+", metavar="IMAGE", help="a picture of a face")
    _add_common(parser)
    parser.add_argument("--matches", type=int, default=3, metavar="N", help="how many people to list (default: 3)")
    inputs.add_picture(parser, "the first face beside its matches", reads="gallery images weights faces")
    parser.add_argument(
        "--faces", metavar="DIR", help="of --picture: DIR/PERSON/*.jpg, for a gallery keeps no pictures"
    )


def _add_common(parser: argparse.ArgumentParser) -> None:
    inputs.add_weights(parser)
    inputs.add_places(parser)
    parser.add_argument("--threshold", type=float, metavar="T", help="d ≤ T is the same person, this time")
    inputs.add_drawn(parser)


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
    from minicnn.faces.protocols import pair_distances

    encoder = inputs.encoder_for(arguments)
    head = inputs.head_of(arguments.head, encoder.card.embedding or 0)
    encodings = encode(encoder.network, map(inputs.looker(arguments, encoder, 2), arguments.what))
    distance = float(pair_distances(inputs.score_by(encoder, head), encodings, *_one_pair())[0])
    threshold, origin = arguments.threshold, ""
    if threshold is None:
        threshold, origin = (0.5, "of 1 − probability") if head else (encoder.threshold, encoder.origin)
    judged = inputs.may_judge(arguments, encoder) and threshold is not None
    found = {
        "pictures": list(arguments.what),
        "encoder": encoder.name,
        "distance": distance,
        "threshold": threshold,
        "origin": origin,
        "same": bool(is_same(distance, threshold)) if judged and threshold is not None else None,
        "why": "" if judged else _why(arguments, encoder),
    }
    _draw_two(arguments, encoder, found)
    return found


def _one_pair() -> tuple[np.ndarray, np.ndarray]:
    import numpy as np

    return np.array([0]), np.array([1])


def _why(arguments: argparse.Namespace, encoder: FaceEncoder) -> str:
    if not inputs.may_judge(arguments, encoder):
        return inputs.why_no_verdict(encoder)
    return f"no verdict: no threshold is known for {encoder.name}; say one with --threshold"


def _draw_two(arguments: argparse.Namespace, encoder: FaceEncoder, found: dict[str, Any]) -> None:
    if not arguments.picture:
        return
    from minicnn.faces import figures

    left, right = map(inputs.looker(arguments, encoder, 2, size=inputs.LOOKED_AT), arguments.what)
    names = Path(arguments.what[0]).name, Path(arguments.what[1]).name
    figure = figures.two_faces(left, right, names, _headline(found), found["same"])
    figures.save(figure, arguments.picture)


def _headline(found: dict[str, Any]) -> str:
    if found["same"] is None:
        return f"distance {found['distance']:.3f}"
    verdict, sign = ("the same person", "≤") if found["same"] else ("not the same person", ">")
    return f"{verdict}: {found['distance']:.3f} {sign} {found['threshold']:.3f}"


def _against_gallery(arguments: argparse.Namespace) -> dict[str, Any]:
    path, name, picture = arguments.what
    encoder, gallery = opened(path, arguments)
    if arguments.head:
        raise InputError("verify: head is said when a gallery is made; leave --head out")
    if arguments.threshold is not None:
        gallery.threshold = arguments.threshold
    result = gallery.verify(name, inputs.looker(arguments, encoder, 1)(picture))
    judged = inputs.may_judge(arguments, encoder)
    found = {
        "gallery": path,
        "name": result.name,
        "picture": picture,
        "encoder": encoder.name,
        "distance": result.distance,
        "threshold": result.threshold,
        "probability": result.probability if judged else None,
        "same": result.same if judged else None,
        "why": "" if judged else inputs.why_no_verdict(encoder),
    }
    if arguments.picture:
        from minicnn.faces import figures

        near = [(result.name, result.distance)]
        face = inputs.looker(arguments, encoder, 1, size=inputs.LOOKED_AT)(picture)
        verdict = (name if result else f"not {name}") if judged else Path(picture).name
        figure = figures.matches(face, verdict, near, result.threshold if judged else None)
        figures.save(figure, arguments.picture)
    return found


def _verdict(found: dict[str, Any]) -> Iterator[str]:
    if found["same"] is None:
        yield f"distance {found['distance']:.4g}"
        return
    verdict = "the same person" if "pictures" in found else f"{found['name']}"
    verdict, sign = (verdict, "≤") if found["same"] else (f"not {verdict}", ">")
    sure = found.get("probability")
    origin = f" ({found['origin']})" if found.get("origin") else ""
    likely = "" if sure is None else f", probability {sure:.1%} where half of those who come are who they say"
    verdict += f": distance {found['distance']:.4g} {sign} {found['threshold']:.4g}{origin}{likely}"
    yield from wrapped(plain(verdict), hanging="  ")


# identify


def identify(arguments: argparse.Namespace) -> int:
    inputs.checked_threshold(arguments.threshold)
    encoder, gallery = opened(arguments.gallery, arguments)
    if arguments.threshold is not None:
        gallery.threshold = arguments.threshold
    judged = inputs.may_judge(arguments, encoder)
    look = inputs.looker(arguments, encoder, len(arguments.images))
    shown = list(outcome.each(arguments.images, look))
    good = [number for number, (_, _, bad) in enumerate(shown) if not bad]
    results = gallery.identify([shown[k][1] for k in good], matches=arguments.matches) if good else []
    if arguments.picture and results:
        _draw_matches(arguments, encoder, good[0], results[0], judged)
    told = dict(zip(good, results, strict=True))
    if arguments.json:
        rows = [bad or _plain_result(image, told[k], judged) for k, (image, _, bad) in enumerate(shown)]
        facts = {"gallery": arguments.gallery, "encoder": encoder.name, "verdict": judged}
        print_json({**facts, "identified": rows})
    else:
        for number, result in told.items():
            print("\n".join(_matches(arguments.images[number], result, judged)))
    if not judged and results:
        raise outcome.NoVerdict(inputs.why_no_verdict(encoder))
    return outcome.DONE if all(results) else outcome.NO


def _plain_result(image: str, result: Identification, judged: bool) -> dict[str, Any]:
    told = asdict(result)
    if not judged:
        told |= {"name": None, "why": ""}
    told["matches"] = [{"name": name, "distance": distance} for name, distance in result.matches]
    return {"picture": image, **told}


def _matches(image: str, result: Identification, judged: bool) -> Iterator[str]:
    """The verdict on a picture, the nearest people, and why."""
    verdict = f": {plain(result.name or 'not recognized')}" if judged else ""
    yield f"{elided_inside(plain(image), WIDTH - 2 - len(verdict))}{verdict}"
    for number, (name, distance) in enumerate(result.matches, start=1):
        within = f"  ≤ {result.threshold:.4g}" if judged and distance <= result.threshold else ""
        yield f"  {number:>2}  {elided_inside(plain(name), COLUMN):<{COLUMN}}  {distance:>8.4f}{within}"
    if judged and not result:
        yield from wrapped(plain(result.why), indent="  ")


def _draw_matches(
    arguments: argparse.Namespace, encoder: FaceEncoder, number: int, result: Identification, judged: bool
) -> None:
    from minicnn.faces import figures

    image = arguments.images[number]
    face = inputs.looker(arguments, encoder, len(arguments.images), size=inputs.LOOKED_AT, first=number)(image)
    verdict = (result.name or "not recognized") if judged else Path(image).name
    faces = [_face_of(arguments, encoder, name) for name, _ in result.matches] if arguments.faces else []
    threshold = result.threshold if judged else None
    figures.save(figures.matches(face, verdict, result.matches, threshold, faces=faces), arguments.picture)


def _face_of(arguments: argparse.Namespace, encoder: FaceEncoder, name: str) -> np.ndarray | None:
    """The first picture of a person in the folder that --faces names, from its middle; None where there is none."""
    from minicnn import images
    from minicnn.datasets import image_folders
    from minicnn.faces.cropping import crop

    folder = image_folders.read(arguments.faces)
    if spelled(name) not in folder.people:
        return None
    return crop(images.load(folder.of(name)[0]), encoder.card, size=inputs.LOOKED_AT)

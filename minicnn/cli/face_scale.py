"""minicnn face encode and face search: collections of faces in shards."""

from __future__ import annotations

import argparse
import os
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from minicnn.cli import face_inputs as inputs
from minicnn.cli import outcome, paths
from minicnn.cli.face_finder import Looker, pictures_in
from minicnn.errors import InputError, MissingFileError, check_count
from minicnn.files import read_text, unreadable
from minicnn.text import counted, plain


def add(actions: Any) -> None:
    """Register both actions."""
    parser = inputs.action(
        actions,
        "encode",
        "encode every face of many pictures into shards",
        encode,
        more="Detect, align and encode all faces, poor ones too, into HDF5 files in OUT, each with a manifest: model, "
        "weights, source picture, box and quality. A stopped run resumes with the same command. A picture that cannot "
        "be read is a row of the manifest. --workers and --cluster need Dask, which pip install '.[cluster]' adds.",
        status="0 when done, 3 if no face was found",
    )
    parser.add_argument("source", metavar="FOLDER|LIST", help="folder of pictures, or a text file with a path per line")
    parser.add_argument("-o", "--out", required=True, metavar="OUT", help="folder of the shards")
    parser.add_argument("--per-shard", type=int, default=1000, metavar="N", help="pictures per shard (default: 1000)")
    group = parser.add_argument_group("Resources").add_mutually_exclusive_group()
    group.add_argument("--workers", type=int, metavar="N", help="number of processes on this machine")
    _add_cluster(group)
    inputs.add_weights(parser)
    inputs.add_drawn(parser)
    paths.declare(parser, reads="source weights", writes="out", folders="out")

    parser = inputs.action(
        actions,
        "search",
        "find the nearest faces in a collection",
        search,
        more="Compare a face of each PICTURE with all faces that minicnn face encode has written below ENCODINGS. The "
        "search is exact. With --cluster each worker searches shards that it keeps open.",
        status="0 when done, 1 if a picture has no face within --threshold, 3 if no face was found",
    )
    parser.add_argument("encodings", metavar="ENCODINGS", help="folder of shards, with its subfolders")
    parser.add_argument("images", nargs="+", metavar="PICTURE", help="picture of a face")
    parser.add_argument("--matches", type=int, default=5, metavar="K", help="nearest faces to list (default: 5)")
    parser.add_argument("--threshold", type=float, metavar="T", help="list only faces within this distance")
    _add_cluster(parser.add_argument_group("Resources"))
    inputs.add_weights(parser)
    inputs.add_face(parser)
    inputs.add_drawn(parser)
    paths.declare(parser, reads="encodings images weights")
    parser.set_defaults(any_quality=True)


def _add_cluster(group: Any) -> None:
    group.add_argument("--cluster", metavar="ADDRESS", help="address of a Dask scheduler, such as tcp://host:8786")


def _client(address: str | None, workers: int | None = None) -> AbstractContextManager[Any]:
    """Return a context with the client that the options ask for; None for this process."""
    from minicnn import scale

    return nullcontext() if address is None and workers is None else scale.connected(address, workers=workers)


def encode(arguments: argparse.Namespace) -> int:
    from tqdm import tqdm

    from minicnn import scale
    from minicnn.faces.detection import the_detector

    names, encoder = _listed(arguments.source), inputs.encoder_for(arguments)
    # disable=None hides the bar outside a terminal.
    bar = tqdm(total=len(names), unit=" pictures", leave=False, disable=arguments.json or None)

    def show(state: Any) -> None:
        if not state.shards or not bar.n:
            bar.initial = state.pictures  # the estimate is for the pictures of this run
        bar.n = state.pictures
        bar.refresh()

    with bar, _client(arguments.cluster, arguments.workers) as client:
        options = {"detector": None if arguments.drawn else the_detector(), "client": client, "on_shard": show}
        done = scale.encode_all(names, arguments.out, encoder.network, per_shard=arguments.per_shard, **options)
    if done.broken:
        outcome.note(f"{counted(done.broken, 'picture')} could not be read; the manifests of the shards say why")
    if arguments.json:
        outcome.print_json({"out": arguments.out, "encoder": encoder.name, **done._asdict()})
    else:
        told = counted(done.faces, "face"), counted(done.pictures, "picture"), counted(done.shards, "shard")
        print("{}: {} in {}, {}".format(plain(arguments.out), *told))
    return outcome.DONE if done.faces else outcome.NO_VERDICT


def _listed(source: str) -> list[str]:
    """Return the paths of the pictures in a folder or a list. Raises InputError or MissingFileError."""
    from minicnn.datasets.image_folders import SUFFIXES

    if os.path.isdir(source):
        return pictures_in([source], "encode")
    expected = "expected a folder of pictures, or a list of their paths, one per line"
    if why := unreadable(source):
        raise MissingFileError(f"encode: {source!r} {why}; {expected}")
    picture = Path(source).suffix.lower() in SUFFIXES
    found = [] if picture else read_text("encode: list", Path(source)).splitlines()
    if not any(map(str.strip, found)):
        raise InputError(f"encode: {source!r} is {'a picture' if picture else 'empty'}; {expected}")
    return [line for line in found if line.strip()]


def search(arguments: argparse.Namespace) -> int:
    from minicnn import faces, scale
    from minicnn.faces.encoding import identity

    check_count("search: --matches", arguments.matches)
    threshold = inputs.checked_threshold(arguments.threshold)
    told, status = [], outcome.DONE
    with _client(arguments.cluster) as client:
        collection = scale.Collection(arguments.encodings, client=client)
        if collection.missing:
            shards = counted(collection.missing, "shard is", "shards are")
            outcome.note(f"{shards} missing; minicnn face encode resumes a stopped run")
        encoder = inputs.encoder_for(arguments, collection.facts)
        collection.check_encoder(identity(encoder.network))
        look = Looker(arguments, encoder.card, len(arguments.images))
        for path, shown, bad in outcome.each(arguments.images, look, bar=inputs.bar(arguments, "searching")):
            encodings = faces.encode(encoder.network, [one.crop for one in shown or ()])
            told += [bad] if bad else []
            for number, nearest in enumerate(zip(*collection.nearest(encodings, arguments.matches), strict=True), 1):
                hits = [_described(collection.hit(place), distance) for distance, place in zip(*nearest, strict=True)]
                hits = [hit for hit in hits if threshold is None or faces.is_same(hit["distance"], threshold)]
                status = status if hits else outcome.NO
                told.append({"picture": str(path), "face": number, "hits": hits})
                if not arguments.json:
                    _print(told[-1])
    look.conclude()
    if arguments.json:
        outcome.print_json(told)
    return status


def _described(hit: Any, distance: Any) -> dict[str, Any]:
    """Return a hit for JSON."""
    box = hit.box and [round(side, 2) for side in hit.box]
    quality = hit.quality and {name: round(value, 4) for name, value in hit.quality._asdict().items()}
    problem = hit.quality.problem if hit.quality else ""
    found = {"picture": hit.picture, "face": hit.face, "box": box, "quality": quality, "problem": problem}
    return {"distance": float(distance), **found}


def _print(found: dict[str, Any]) -> None:
    outcome.say(f"{plain(found['picture'])}, face {found['face']}")
    for hit in found["hits"]:
        where = f", face {hit['face']} at {hit['box'][0]:.0f},{hit['box'][1]:.0f}" if hit["box"] else ""
        problem = f" ({hit['problem']})" if hit["problem"] else ""
        outcome.say(f"  {hit['distance']:.4f}  {plain(hit['picture'])}{where}{problem}")
    if not found["hits"]:
        outcome.say("  nobody within the threshold")

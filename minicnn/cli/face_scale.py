"""minicnn face encode and face search: collections of faces in shards."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minicnn.cli import face_inputs as inputs
from minicnn.cli import outcome, paths
from minicnn.cli.face_finder import Looker, pictures_in
from minicnn.errors import InputError, MissingFileError, check_count
from minicnn.files import read_text, unreadable
from minicnn.text import counted, plain

if TYPE_CHECKING:
    from minicnn.scale import Summary

FEW = 3  # broken pictures that get a note each


def add(actions: Any) -> None:
    """Register both actions."""
    parser = inputs.action(
        actions,
        "encode",
        "encode every face of many pictures into shards",
        encode,
        more="Detect, align and encode all faces, poor ones too, into HDF5 files in OUT, each with a manifest: model, "
        "weights, source picture, box and quality. A stopped run resumes with the same command. A picture that cannot "
        "be read is a row of the manifest. --workers and --cluster use Dask, which pip install '.[cluster]' adds; the "
        "shards are the same.",
        status="0 when done, 3 if no face was found",
    )
    parser.add_argument("source", metavar="FOLDER|LIST", help="folder of pictures, or a text file with a path per line")
    parser.add_argument("-o", "--out", required=True, metavar="OUT", help="folder of the shards")
    parser.add_argument("--per-shard", type=int, default=1000, metavar="N", help="pictures per shard (default: 1000)")
    group = parser.add_argument_group("Resources")
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


def _add_cluster(group: Any) -> None:
    group.add_argument("--cluster", metavar="ADDRESS", help="address of a Dask scheduler, such as tcp://host:8786")


@contextmanager
def _client(arguments: argparse.Namespace) -> Iterator[Any]:
    """Yield the client of the workers that the options ask for; None for this process."""
    from minicnn import scale

    workers = getattr(arguments, "workers", None)
    if workers is not None and arguments.cluster:
        raise InputError("encode: --workers and --cluster are both given; expected one of them")
    if workers is None and not arguments.cluster:
        yield None
        return
    if workers is not None:
        check_count("encode: --workers", workers)
    with scale.connected(arguments.cluster, workers=workers) as client:
        yield client


def encode(arguments: argparse.Namespace) -> int:
    from tqdm import tqdm

    from minicnn import scale
    from minicnn.faces.detection import the_detector

    pictures = _listed(arguments.source)
    encoder = inputs.encoder_for(arguments)
    detector = None if arguments.drawn else the_detector()
    bars: list[Any] = []

    def show(state: Summary) -> None:
        if (
            not bars
        ):  # disable=None hides the bar outside a terminal; its estimate counts the pictures of this run alone
            options = {"unit": " pictures", "leave": False, "disable": arguments.json or None}
            bars.append(tqdm(total=len(pictures), initial=state.pictures, **options))
        bars[0].update(state.pictures - bars[0].n)

    with _client(arguments) as client:
        try:
            done = scale.encode_all(
                pictures,
                arguments.out,
                encoder.network,
                detector=detector,
                per_shard=arguments.per_shard,
                client=client,
                on_shard=show,
            )
        finally:
            for bar in bars:
                bar.close()
    if done.broken:
        outcome.note(f"{counted(done.broken, 'picture')} could not be read; the manifests of the shards say why")
    if arguments.json:
        outcome.print_json({"out": arguments.out, "encoder": encoder.name, **done._asdict()})
    else:
        found = f"{counted(done.faces, 'face')} in {counted(done.pictures, 'picture')}"
        print(f"{plain(arguments.out)}: {found}, {counted(done.shards, 'shard')}")
    return outcome.DONE if done.faces else outcome.NO_VERDICT


def _listed(source: str) -> list[str]:
    """Return the paths of the pictures in a folder or a list. Raises InputError or MissingFileError."""
    from minicnn.datasets.image_folders import SUFFIXES

    if os.path.isdir(source):
        return pictures_in([source], "encode")
    if why := unreadable(source):
        raise MissingFileError(f"encode: {source!r} {why}; expected a folder of pictures, or a list of their paths")
    if Path(source).suffix.lower() in SUFFIXES:
        raise InputError(f"encode: {source!r} is a picture; expected a folder of pictures, or a list of their paths")
    found = [line for line in read_text("encode: list", Path(source)).splitlines() if line.strip()]
    if not found:
        raise InputError(f"encode: the list {source!r} is empty; expected a path per line")
    return found


def search(arguments: argparse.Namespace) -> int:
    from minicnn import faces, scale

    check_count("search: --matches", arguments.matches)
    threshold = inputs.checked_threshold(arguments.threshold)
    told, status = [], outcome.DONE
    with _client(arguments) as client:
        collection = scale.Collection(arguments.encodings, client=client)
        if collection.missing:
            outcome.note(
                f"{counted(collection.missing, 'shard is', 'shards are')} missing: minicnn face encode resumes"
            )
        encoder = inputs.encoder_for(arguments, collection.facts)
        collection.check_encoder(faces.encoding.identity(encoder.network))
        look = Looker(arguments, encoder.card, len(arguments.images))
        look.any_quality = True
        for path, shown, bad in outcome.each(arguments.images, look, bar=inputs.bar(arguments, "searching")):
            if bad:
                told.append(bad)
                continue
            encodings = faces.encode(encoder.network, [one.crop for one in shown])
            found = collection.nearest(encodings, arguments.matches)
            for number, (distances, places) in enumerate(zip(*found, strict=True), start=1):
                hits = [
                    {"distance": distance, **_row(collection.hit(place))}
                    for distance, place in zip(distances.tolist(), places.tolist(), strict=True)
                    if threshold is None or faces.is_same(distance, threshold)
                ]
                status = status if hits else outcome.NO
                told.append({"picture": str(path), "face": number, "hits": hits})
                if not arguments.json:
                    _print(told[-1], len(shown))
    if arguments.json:
        outcome.print_json(told)
    look.conclude()
    return status


def _row(hit: Any) -> dict[str, Any]:
    """Return a hit for JSON."""
    quality = hit.quality and {name: round(value, 4) for name, value in hit.quality._asdict().items()}
    problem = hit.quality.problem if hit.quality else ""
    box = hit.box and [round(side, 2) for side in hit.box]
    return {"picture": hit.picture, "face": hit.face, "box": box, "quality": quality, "problem": problem}


def _print(found: dict[str, Any], among: int) -> None:
    print(plain(found["picture"]) + (f", face {found['face']}" if among > 1 else ""))
    for hit in found["hits"]:
        where = f", face {hit['face']} at {hit['box'][0]:.0f},{hit['box'][1]:.0f}" if hit["box"] else ""
        problem = f" ({hit['problem']})" if hit["problem"] else ""
        print(f"  {hit['distance']:.4f}  {plain(hit['picture'])}{where}{problem}")
    if not found["hits"]:
        print("  nobody within the threshold")

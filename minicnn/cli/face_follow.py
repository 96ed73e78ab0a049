"""minicnn face follow: report who appears when in a film or a folder of frames."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minicnn.cli import face_inputs as inputs
from minicnn.cli import outcome, paths
from minicnn.cli.face_gallery import opened
from minicnn.errors import InputError, check_count
from minicnn.text import counted, elided_inside, plain, wrapped

if TYPE_CHECKING:
    from minicnn.faces import Track

COLUMN, NAME = 24, 12  # widths of people and frames
LINE = 18  # letters under a face
MOST = 64  # faces on a contact sheet


def add(actions: Any) -> None:
    """Register the action."""
    parser = inputs.action(
        actions,
        "follow",
        "report who appears when in a film or a folder of frames",
        follow,
        more="Track upright faces from frame to frame, and give one verdict per track, from its best frames. Films "
        "need PyAV, which pip install '.[film]' adds.",
        status="0 if a person was recognized, 1 if nobody was, 3 if no face could be judged",
    )
    parser.add_argument("gallery", metavar="GALLERY", help="gallery file")
    parser.add_argument("frames", metavar="FRAMES|FILM", help="folder of pictures, or film")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="use every Nth frame (default: 1)")
    parser.add_argument("--min-size", type=float, default=40.0, metavar="N", help="smallest face, pixels (default: 40)")
    parser.add_argument("--threshold", type=float, metavar="T", help="threshold on the distance d, for this run only")
    parser.add_argument("-o", "--out", metavar="PICTURE", help="contact sheet to write, with one face per track")
    inputs.add_weights(parser)
    inputs.add_any_quality(parser)
    inputs.add_drawn(parser)
    paths.declare(parser, reads="gallery frames weights", writes="out", pictures="out")


def follow(arguments: argparse.Namespace) -> int:
    from minicnn import faces

    threshold = inputs.checked_threshold(arguments.threshold)
    check_count("follow: --every", arguments.every)
    if arguments.out and paths.same(Path(os.path.realpath(arguments.out)).parent, arguments.frames):
        raise InputError(f"follow: --out {arguments.out!r} is in the folder to read; expected another place")
    encoder, gallery = opened(arguments.gallery, arguments)
    if threshold is not None:
        gallery.threshold = threshold
    gallery.any_quality = arguments.any_quality
    seen: list[str] = []
    tracks = faces.follow(_frames(arguments, seen), gallery, min_size=arguments.min_size)
    if arguments.json:
        facts = {"gallery": arguments.gallery, "encoder": encoder.name, "threshold": gallery.identification_threshold}
        outcome.print_json({**facts, "frames": len(seen), "tracks": [*map(_plain, tracks)]})
    else:
        print("\n".join(_table(tracks)))
        total = f"{counted(len(seen), 'frame')}, {counted(len(tracks), 'track')}"
        known = counted(len({track.verdict.name for track in tracks if track.verdict}), "person", "people")
        print(f"{plain(arguments.frames)}: {total}, {known} recognized (d ≤ {gallery.identification_threshold:.4g})")
    if arguments.out and tracks:
        _draw(arguments.out, tracks)
    if any(track.verdict for track in tracks):
        return outcome.DONE
    return outcome.NO if any(track.judged for track in tracks) else outcome.NO_VERDICT


def _frames(arguments: argparse.Namespace, seen: list[str]) -> Iterator[tuple[str, Any]]:
    """Yield the names and pictures of frames. Report bad pictures and the damaged rest of a film, and skip them.

    seen: list to which the names are added.
    """
    from tqdm import tqdm

    from minicnn import images
    from minicnn.faces.following import frames_in
    from minicnn.films import Film

    name = inputs.bar(arguments, "following")
    if os.path.isdir(arguments.frames):
        for path, picture, bad in outcome.each(frames_in(arguments.frames)[:: arguments.every], images.load, bar=name):
            if not bad:
                seen.append(path.stem)
                yield path.stem, picture
        return
    film = Film(arguments.frames, every=arguments.every)
    hidden = None if name else True  # None: hidden unless in a terminal
    with closing(tqdm(film, name, len(film) or None, leave=False, unit=" frames", disable=hidden)) as bar:
        try:
            for time, picture in bar:
                seen.append(time)
                yield time, picture
        except InputError as problem:
            if not seen:
                raise
            outcome.go_on(problem)


def _who(track: Track) -> str:
    """Return the name, or the reason that there is none."""
    return track.verdict.name or ("not recognized" if track.judged else track.verdict.why.partition(" to tell")[0])


def _plain(track: Track) -> dict[str, Any]:
    """Return the facts for JSON."""
    verdict = asdict(replace(track.verdict, face=None))
    del verdict["face"], verdict["nearest_picture"]
    verdict["matches"] = [{"name": name, "distance": distance} for name, distance in track.verdict.matches]
    seen = {"from": track.first, "to": track.last, "frames": track.frames, "best": track.best, "box": [*track.box]}
    return {**seen, "frames_judged": track.judged, **verdict}


def _table(tracks: Sequence[Track]) -> Iterator[str]:
    rows = [("from", "to", "who", "distance", "frames", "best")]
    for track in tracks:
        first, last, best = (elided_inside(plain(name), NAME) for name in (track.first, track.last, track.best))
        far = f"{track.verdict.distance:.4f}" if track.judged else ""
        rows.append((first, last, elided_inside(plain(_who(track)), COLUMN), far, f"{track.frames:,}", best))
    wide = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for first, last, who, far, frames, best in rows if tracks else ():
        yield (
            f"  {first:<{wide[0]}}  {last:<{wide[1]}}  {who:<{wide[2]}}  {far:>{wide[3]}}  {frames:>{wide[4]}}  {best}"
        )
    if not tracks:
        yield "no face was found"


def _draw(out: str, tracks: Sequence[Track]) -> None:
    from minicnn import images
    from minicnn.faces.contact_sheets import contact_sheet

    shown = tracks[:MOST]
    captions = ["\n".join([_who(track), *wrapped(f"{track.first} – {track.last}", LINE)]) for track in shown]
    images.save(out, contact_sheet([track.picture for track in shown], captions, counted(len(tracks), "track")))
    if len(shown) < len(tracks):
        outcome.note(f"{out} shows the first {MOST} tracks")

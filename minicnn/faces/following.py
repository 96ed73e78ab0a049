"""Tracking of faces: those of neighbouring frames are linked to tracks, each with one verdict from its best frames.

The verdict uses the mean distance of these frames. The rates are for a hundred photographs of ten people, each degraded
in ten ways. They are compared with five pictures per person, at dlib's threshold of 0.36.

    judged by                              not recognized    for another person
    the best copy                               2 %                2.1 %
    a copy that passes, the worst              11 %                3.9 %
    the mean encoding of the five best          0 %                9.3 %
    their mean distance                         1 %                0.9 %
"""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from minicnn import images, nn
from minicnn.datasets.image_folders import SUFFIXES
from minicnn.errors import InputError, check_count
from minicnn.faces import scoring
from minicnn.faces.candidates import Candidate
from minicnn.faces.detection import SMALLEST, as_picture, detect, the_detector
from minicnn.faces.encoding import card_of, encode
from minicnn.faces.gallery import Gallery
from minicnn.faces.quality import Quality
from minicnn.faces.results import Identification
from minicnn.faces.snapshots import Face
from minicnn.films import Film
from minicnn.models.cascade import MTCNN

BEST = 5  # frames of a track that are judged
GAP = 5  # frames in which a face may be hidden before its track ends
OVERLAP = 0.3  # minimum overlap of two boxes for a face of poor quality to continue a track
SIDE = 128  # side in pixels of the picture kept per track


@dataclass(frozen=True)
class Track:
    """A face that was tracked through consecutive frames.

    first, last: names of frames, file names without suffix, or times of a film. frames: number of frames with the face.
    best: the frame with the best view; box: (left, top, right, bottom) there; picture: the face there, uint8.
    judged: number of frames behind the verdict, at most BEST. verdict: without a name if no frame is good enough.
    """

    first: str
    last: str
    frames: int
    best: str
    box: tuple[float, ...]
    picture: np.ndarray = field(repr=False, compare=False)
    judged: int
    verdict: Identification


class _Sight(NamedTuple):
    """A face in a frame. poor: True if its quality is too low for a verdict."""

    frame: str
    box: np.ndarray
    encoding: np.ndarray
    quality: Quality
    poor: bool

    @property
    def rank(self) -> tuple[bool, float]:
        return not self.poor, self.quality.worth


class _Trail:
    """A track that may continue: its last sight, its best ones, and a picture of the best."""

    def __init__(self, first: str) -> None:
        self.first, self.frames = first, 0
        self.best: list[_Sight] = []

    def add(self, sight: _Sight, number: int, picture: Callable[[], np.ndarray]) -> None:
        self.frames, self.seen, self.last = self.frames + 1, number, sight
        self.best = sorted([*self.best, sight], key=lambda one: one.rank, reverse=True)[:BEST]
        if self.best[0] is sight:
            self.picture = images.as_bytes(picture(), "face")

    def distance(self, sight: _Sight, apart: Callable[..., Any], limit: float) -> float | None:
        """Return the distance of a sight, reduced by the overlap of the boxes; None for somebody else.

        A face of good quality is matched by its encoding, so that people may cross. Others are matched by position.
        """
        overlap = _overlap(self.last.box, sight.box)
        known = [one.encoding for one in (*self.best, self.last) if not one.poor]
        far = scoring.all_distances(apart, sight.encoding[None], np.stack(known)).min() if known else limit
        goes_on = far <= limit if known and not sight.poor else overlap >= OVERLAP
        return float(far - limit * overlap) if goes_on else None


def follow(
    frames: Any,
    gallery: Gallery,
    *,
    every: int = 1,
    gap: int = GAP,
    min_size: float = SMALLEST,
    detector: MTCNN | None = None,
) -> list[Track]:
    """Track upright faces from frame to frame, and return the tracks in the order in which they begin.

    frames: a film, a folder of pictures, or an iterable of pictures or of (name, picture). One frame is in memory at a
    time. every: n, to use every n-th frame. gap: maximum number of these frames in which a face may be hidden.
    min_size, detector: as for `detect`. Raises InputError.
    """
    check_count("follow: every", every)
    check_count("follow: gap", gap, 0)
    if not isinstance(gallery, Gallery) or not len(gallery):
        raise InputError(f"follow: gallery is {gallery!r}; expected a Gallery with people in it")
    card = card_of(gallery.encoder)
    apart = scoring.by_head(gallery.head) if gallery.head else scoring.by_metric(str(card.metric))
    detector = detector or the_detector()
    trails: list[_Trail] = []
    near: list[_Trail] = []  # those that may continue
    with nn.frozen(gallery.encoder), nn.frozen(detector):
        for number, (name, picture) in enumerate(_named(frames, every)):
            image = as_picture(picture)
            found = detect(image, min_size=min_size, detector=detector)
            faces = [Face(image, found, i + 1) for i in range(len(found.scores))]
            encodings = encode(gallery.encoder, [face.crop_for(card) for face in faces])
            sights = [
                _Sight(name, face.box, code, face.quality, bool(face.quality.problem) and not gallery.any_quality)
                for face, code in zip(faces, encodings, strict=True)
            ]
            near = [trail for trail in near if number - trail.seen <= gap + 1]
            goes_on = _links(near, sights, apart, gallery.threshold)
            for i, (face, sight) in enumerate(zip(faces, sights, strict=True)):
                if i not in goes_on:
                    trails.append(goes_on.setdefault(i, _Trail(name)))
                    near.append(goes_on[i])
                goes_on[i].add(sight, number, partial(face.crop_for, card, size=SIDE))
    return [_judged(trail, gallery) for trail in trails]


def frames_in(folder: str | os.PathLike[str]) -> list[Path]:
    """Return the pictures in a folder, frame_9 before frame_10. Raises InputError if there are none."""
    found = [Path(folder, name) for name in os.listdir(folder) if name[0] != "."]
    found = [path for path in found if path.suffix.lower() in SUFFIXES and os.path.isfile(path)]
    if not found:
        raise InputError(f"follow: the folder {os.fspath(folder)!r} holds no pictures; expected frames, or a film")
    return sorted(found, key=lambda path: [(s, int(d or 0)) for s, d in re.findall(r"(\D*)(\d*)", path.name)])


def _named(frames: Any, every: int) -> Iterable[tuple[str, Any]]:
    if isinstance(frames, str | os.PathLike):
        if not os.path.isdir(frames):
            return Film(frames, every=every)
        frames = frames_in(frames)
    if (isinstance(frames, np.ndarray) and frames.ndim != 4) or not isinstance(frames, Iterable):
        raise InputError(f"follow: frames is a {type(frames).__name__}; expected a film, a folder, or several pictures")
    return (_pair(*row) for row in itertools.islice(enumerate(frames, start=1), 0, None, every))


def _pair(number: int, frame: Any) -> tuple[str, Any]:
    if isinstance(frame, str | os.PathLike):
        return Path(frame).stem, images.load(frame)
    return frame if isinstance(frame, tuple) else (str(number), frame)


def _links(
    trails: Sequence[_Trail], sights: Sequence[_Sight], apart: Callable[..., Any], limit: float
) -> dict[int, _Trail]:
    """Return {number of a sight: the trail that it continues}, the nearest pairs first."""
    pairs = [
        (far, i, j)
        for i, sight in enumerate(sights)
        for j, trail in enumerate(trails)
        if (far := trail.distance(sight, apart, limit)) is not None
    ]
    taken: dict[int, int] = {}
    for _, i, j in sorted(pairs):
        if i not in taken and j not in taken.values():
            taken[i] = j
    return {i: trails[j] for i, j in taken.items()}


def _overlap(box: np.ndarray, other: np.ndarray) -> float:
    """Return the intersection over union of two boxes."""
    sides = np.minimum(box[2:], other[2:]) - np.maximum(box[:2], other[:2])
    shared = float(np.prod(np.maximum(sides, 0)))
    return shared / float(np.prod(box[2:] - box[:2]) + np.prod(other[2:] - other[:2]) - shared)


def _judged(trail: _Trail, gallery: Gallery) -> Track:
    best = trail.best[0]
    judged = [sight for sight in trail.best if not sight.poor] or [best]
    shown = Candidate(None, best.quality if best.poor else None, None, 1, 0)
    verdict = gallery.judge(shown, np.stack([sight.encoding for sight in judged]))
    box, count = tuple(best.box.round(2).tolist()), 0 if best.poor else len(judged)
    return Track(trail.first, trail.last.frame, trail.frames, best.frame, box, trail.picture, count, verdict)

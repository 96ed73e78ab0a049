"""Galleries: enrolled people, and the identification of faces."""

from __future__ import annotations

import os
from collections.abc import Iterator, MutableSequence, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from minicnn.errors import InputError, is_count
from minicnn.faces import gallery_file
from minicnn.faces.calibration import Calibration
from minicnn.faces.candidates import Candidate, candidates, is_one
from minicnn.faces.distances import is_same
from minicnn.faces.encoding import are_alike, card_of, check_same_encoder, encode, identity
from minicnn.faces.gallery_file import Content
from minicnn.faces.heads import PairHead
from minicnn.faces.journal import Change, Journal
from minicnn.faces.lookup import Lookup
from minicnn.faces.records import Records, proper_name
from minicnn.faces.results import Enrolment, Identification, Match, Verification
from minicnn.faces.settings import Settings, check_passable
from minicnn.faces.snapshots import Face, check_choice
from minicnn.hdf5.access import named
from minicnn.text import listed, spelled


class Gallery:
    """The people known to an encoder.

    encoder: any network whose card gives the length and the metric of its encodings.
    threshold: for one comparison, d ≤ threshold means the same person. A Calibration also gives the stricter threshold
    for many comparisons. head: score encodings by 1 − the probability of one person, in place of the card's metric.
    score: how to combine the distances to several pictures of one person: "min", the smallest; "mean"; or "nearest",
    the mean of the `neighbours` smallest. any_quality: also judge faces of poor quality.

    Pictures are paths, photographs, faces from `find`, or crops: arrays (H, W, 3) of the size on the encoder's card.
    Arrays are RGB, floats in [0, 1] or uint8. Faces are detected in photographs.

    Nothing is written before `save`. Raises InputError.
    """

    def __init__(
        self,
        encoder: Any,
        *,
        threshold: float | Calibration,
        head: PairHead | None = None,
        score: str = "min",
        neighbours: int = 3,
        any_quality: bool = False,
    ) -> None:
        self.encoder = encoder
        self._identity = identity(encoder)
        dimensions = int(self._identity["embedding"])
        check_passable(threshold if isinstance(threshold, Calibration) else None)
        self._settings = Settings.checked(threshold, head, score, neighbours, dimensions)
        self.any_quality = any_quality
        self._set_in_file = False  # True if the settings come from a file and must not replace others
        self._records = Records.empty(dimensions)
        self._journal = Journal()
        self._ready: Lookup | None = None
        self._index: Any = None  # what searches the records, if no Index is to be made of them

    # Enrolment

    @property
    def people(self) -> dict[str, int]:
        """{name: number of encodings}, in the order of enrolment."""
        return self._records.counts

    def list(self) -> Sequence[str]:
        """Return the names, in the order of enrolment."""
        return [*self._records.people]

    def __len__(self) -> int:
        return len(self._records.people)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and spelled(name) in self._records.people

    def __repr__(self) -> str:
        return f"<Gallery of {self._identity['model']}: {len(self)} people, {len(self._records)} pictures>"

    def encodings(self, name: str) -> np.ndarray:
        """Return the encodings of one person, (pictures, D) float32. Raises InputError."""
        return self._records.of(self._known(name, "encodings"))

    def enroll(self, name: str, images: Any) -> Enrolment:
        """Add pictures of a person, who may be new, and return an Enrolment.

        images: one picture or several, as an array (N, H, W, 3) or any iterable. The largest face of each photograph is
        used. Pictures that are already enrolled, and faces of poor quality, are skipped. Some pictures are enrolled but
        reported: those farther than the threshold from all others of this person, and those within it of somebody else.
        Raises InputError and leaves the gallery unchanged then.
        """
        self._check_order("enroll", name, images)
        name = proper_name(name, "enroll")
        shown, encodings = self._encoded("enroll", images, "largest")
        if not len(encodings):
            raise InputError(f"enroll: images of {name!r} are an empty list; expected one or more")
        before = self._records.of(name)
        sound = [i for i, one in enumerate(shown) if not one.problem]
        new = [sound[i] for i in _new_among(encodings[sound], before)]
        report = Enrolment(
            name=name,
            added=tuple(new),
            duplicates=tuple(i for i in sound if i not in new),
            outliers=self._outliers(before, encodings, new),
            lookalikes=self._lookalikes(name, encodings, new),
            total=len(before) + len(new),
            refused=tuple((i, one.problem) for i, one in enumerate(shown) if one.problem),
            several=tuple((i, one.among) for i, one in enumerate(shown) if one.among > 1),
        )
        if new:
            self._change(partial(Records.add, name=name, encodings=encodings[new]))
        return report

    def _encoded(self, function: str, images: Any, which: int | str) -> tuple[Sequence[Candidate], np.ndarray]:
        """Return the chosen faces in pictures, and their encodings (faces, D)."""
        shown: MutableSequence[Candidate] = []

        def crops() -> Iterator[Any]:
            for one in candidates(images, card_of(self.encoder), which, function):
                shown.append(one._replace(crop=None, quality=None if self.any_quality else one.quality))
                yield one.crop

        return shown, encode(self.encoder, crops())

    def _outliers(self, before: np.ndarray, encodings: np.ndarray, new: Sequence[int]) -> tuple[tuple[int, float], ...]:
        """Return (picture, distance to the nearest other of this person) of new pictures beyond the threshold."""
        everything = np.concatenate([before, encodings[new]])
        if len(everything) == 1 or not len(new):  # there is no other
            return ()
        found = self._lookup.between(encodings[new], everything)
        found[np.arange(len(new)), len(before) + np.arange(len(new))] = np.inf  # exclude itself
        nearest = found.min(axis=1).tolist()
        return tuple((i, d) for i, d in zip(new, nearest, strict=True) if not is_same(d, self.threshold))

    def _lookalikes(self, name: str, encodings: np.ndarray, new: Sequence[int]) -> tuple[tuple[int, str, float], ...]:
        """Return (picture, somebody else, distance) of new pictures within the threshold."""
        if len(self) <= (name in self._records.people) or not len(new):
            return ()
        nearest = self._lookup.nearest(encodings[new], 2)
        others = [next(match for match in matches if match.name != name) for matches in nearest]
        return tuple(
            (i, *other) for i, other in zip(new, others, strict=True) if is_same(other.distance, self.threshold)
        )

    def remove(self, name: str) -> int:
        """Remove a person, and return the number of encodings removed. Raises InputError for an unknown name."""
        name = self._known(name, "remove")
        count = self.people[name]
        self._change(partial(Records.remove, name=name))
        return count

    def rename(self, name: str, new: str) -> None:
        """Rename a person. Raises InputError for an unknown name, or if the new name is taken."""
        name, new = self._known(name, "rename"), proper_name(new, "rename")
        if new in self._records.people and new != name:
            raise InputError(f"rename: {new!r} is in the gallery already; expected a name that is not")
        self._change(partial(Records.rename, name=name, new=new))

    def _change(self, change: Change) -> None:
        self._records = change(self._records)
        self._journal.note(change)
        self._ready = None

    def _check_order(self, function: str, name: Any, image: Any) -> None:
        """Raise InputError if the name and the image were swapped, by type or because the image is an enrolled name."""
        if isinstance(image, str) and (not isinstance(name, str) or (image in self and name not in self)):
            given = name if isinstance(name, str) else type(name).__name__
            raise InputError(
                f"{function}: the arguments are ({given}, {image!r}); expected the name first, then the image"
            )

    def _known(self, name: Any, function: str) -> str:
        """Return the name as it is enrolled. Raises InputError if it is not."""
        name = proper_name(name, function)
        if name not in self._records.people:
            names = listed(self._records.people) or "nobody"
            raise InputError(f"{function}: {name!r} is not in the gallery; it has {names}")
        return name

    # Verification and identification

    @property
    def threshold(self) -> float:
        """The threshold for one comparison, used by `verify`."""
        return self._settings.threshold

    @threshold.setter
    def threshold(self, value: float | Calibration) -> None:
        self._settings = self._settings.with_threshold(value)
        self._set_in_file = False
        self._ready = None

    @property
    def calibration(self) -> Calibration | None:
        """The Calibration that the threshold comes from, or None."""
        return self._settings.calibration

    @property
    def head(self) -> PairHead | None:
        """The head that scores encodings; None for the metric on the encoder's card."""
        return self._settings.head

    @property
    def comparisons(self) -> int:
        """Number of comparisons with a stranger: one per picture, or per person if pictures are averaged."""
        return self._settings.comparisons(self._records)

    @property
    def identification_threshold(self) -> float:
        """The threshold for all comparisons of an identification, used by `identify`.

        With a Calibration it becomes stricter with more people, so that strangers pass no more often than in one
        comparison. A plain number is used for galleries of every size, although it cannot fit all of them.
        """
        return self.calibration.for_gallery(self.comparisons) if self.calibration else self.threshold

    def verify(self, name: str, image: Any) -> Verification:
        """Compare a picture with the pictures of a person, and return a Verification.

        Of several faces in the picture, the nearest counts. Raises InputError for an unknown name or without a face.
        """
        self._check_order("verify", name, image)
        name = self._known(name, "verify")
        shown, encodings = self._encoded("verify", image, "all")
        pictures = {one.picture for one in shown}
        if len(pictures) > 1 and not all(isinstance(one, Face | Candidate) for one in image):
            raise InputError(f"verify: image holds {len(pictures)} pictures; expected one")
        if not shown:
            raise InputError("verify: no face was found in image; expected one")
        distances = [self._lookup.from_person(encoding[None], name) for encoding in encodings]
        # Faces that can be judged come first, whatever their distance.
        best = min(range(len(shown)), key=lambda i: (bool(shown[i].problem), distances[i]))
        problem, distance = shown[best].problem, distances[best]
        same = None if problem else bool(is_same(distance, self.threshold))
        probability = self.calibration.probability(distance) if self.calibration and not problem else None
        picture = self._lookup.picture_of(encodings[best][None], name)
        why = problem or f"picture {picture} of {name} is nearest, at {distance:.4g}"
        return Verification(name, same, distance, self.threshold, probability, picture, why, shown[best].face)

    def identify(self, image: Any, *, matches: int = 5, faces: int | str = "largest") -> Any:
        """Identify a face, and return an Identification, or a list of them for several pictures.

        image: as in `enroll`. matches: number of nearest people to list, at least 2. faces: the face to use,
        as in `snapshots.choose`; "all" gives a list for every picture. Raises InputError, also if the gallery is empty.
        """
        if not is_count(matches, least=2):
            raise InputError(f"identify: matches is {matches!r}; expected 2 or more, the nearest and the runner-up")
        check_choice(faces, "all")
        if not len(self._records):
            raise InputError("identify: nobody is in the gallery; expected people to be enrolled first")
        if faces == "all" and not is_one(image):
            return [self.identify(one, matches=matches, faces="all") for one in image]
        shown, encodings = self._encoded("identify", image, faces)
        found = self._lookup.nearest(encodings, matches)
        results = [self._verdict(*row) for row in zip(shown, encodings, found, strict=True)]
        return results[0] if is_one(image) and faces != "all" else results

    def identify_all(self, image: Any, *, matches: int = 5) -> Sequence[Identification]:
        """Identify all faces in one picture, by descending detection score. Otherwise as `identify`."""
        return list(self.identify(image, matches=matches, faces="all"))

    def judge(self, shown: Candidate, encodings: np.ndarray, *, matches: int = 5) -> Identification:
        """Identify one face that was encoded several times, (N, D), by the mean distance to everybody.

        The threshold therefore stays that of one comparison. The mean encoding would be nearer to everybody, strangers
        included. shown: the best view of the face, which has the first encoding.
        """
        nearest = self._lookup.nearest(encodings, matches)
        names = dict.fromkeys(match.name for row in nearest for match in row)
        far = {name: np.mean([self._lookup.from_person(one[None], name) for one in encodings]) for name in names}
        found = tuple(Match(name, float(far[name])) for name in sorted(names, key=far.__getitem__)[:matches])
        return self._verdict(shown, encodings[0], found)

    def _verdict(self, shown: Candidate, encoding: np.ndarray, matches: tuple[Match, ...]) -> Identification:
        nearest, runner_up = matches[0], matches[1] if len(matches) > 1 else None
        threshold = self.identification_threshold
        recognized = not shown.problem and bool(is_same(nearest.distance, threshold))
        if recognized:
            why = f"within {threshold:.4g}"
        elif is_same(nearest.distance, self.threshold):
            why = f"near enough for one comparison ({self.threshold:.4g}), not for {self.comparisons} ({threshold:.4g})"
        else:
            why = f"farther than {threshold:.4g}"
        return Identification(
            name=nearest.name if recognized else None,
            distance=nearest.distance,
            threshold=threshold,
            nearest=nearest.name,
            runner_up=runner_up.name if runner_up else None,
            margin=runner_up.distance - nearest.distance if runner_up else None,
            why=shown.problem or f"{nearest.name} is nearest, at {nearest.distance:.4g}: {why}",
            matches=matches,
            judged=not shown.problem,
            nearest_picture=self._lookup.picture_of(encoding[None], nearest.name),
            face=shown.face,
        )

    @property
    def _lookup(self) -> Lookup:
        if self._ready is None:
            self._ready = Lookup(self._records, self._settings, str(self._identity["metric"]), self._index)
        return self._ready

    def distances(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the distances (N, N) between all enrolled pictures, and labels (N,), indices into `list()`.

        Pictures are sorted by person. Takes 8 N² bytes.
        """
        records = self._records.grouped()
        return self._lookup.between(records.encodings, records.encodings), records.labels

    # Files

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the gallery atomically, to a file that only its owner can read.

        If the file is a gallery of the same encoder, the changes made here are applied to its content. Two processes
        that save therefore lose nothing. To replace a gallery, delete the file first. Raises InputError,
        MissingFileError, or LoadError for a file that is damaged or of another encoder.
        """
        target = gallery_file.target_of(path, "save")
        if identity(self.encoder) != self._identity:
            raise InputError("save: the encoder has changed since the gallery was made; expected the same weights")
        with gallery_file.alone(target):
            records, settings = self._joined_with(target) if os.path.exists(target) else (self._records, self._settings)
            facts = {**self._identity, **settings.facts()}
            sha256 = gallery_file.write(target, Content(facts, records, settings.arrays()))
        self._take(target, records, settings, sha256)

    def _joined_with(self, target: Path) -> tuple[Records, Settings]:
        """Return our records and settings, merged with those in a file."""
        facts = gallery_file.facts_of(target)
        with named(target, "gallery"):
            check_same_encoder(facts, self._identity)
        if self._journal.is_as_marked(target, facts.get("sha256")):
            return self._records, self._settings
        content = gallery_file.read(target)
        with named(target, "gallery"):
            theirs = Settings.of(content)
        records = self._journal.upon(target, content.records, self._records)
        return records, theirs if self._set_in_file else self._settings

    @classmethod
    def load(cls, path: str | os.PathLike[str], encoder: Any) -> Gallery:
        """Load a gallery from a file. Encodings of more than 64 MB are memory-mapped.

        Raises InputError, MissingFileError, or LoadError for a file that is damaged or of another encoder.
        """
        target = gallery_file.target_of(path, "load")
        content = gallery_file.read(target)
        gallery = cls(encoder, threshold=0.0)
        with named(target, "gallery"):
            check_same_encoder(content.facts, gallery._identity)
            settings = Settings.of(content)
        gallery._take(target, content.records, settings, str(content.facts["sha256"]))
        return gallery

    def _take(self, target: Path, records: Records, settings: Settings, sha256: str) -> None:
        """Adopt the content of a file that was just read or written."""
        self._records, self._settings, self._set_in_file = records, settings, True
        self._journal.mark(target, sha256)
        self._ready = None


def _new_among(encodings: np.ndarray, before: np.ndarray) -> list[int]:
    """Return the indices of encodings that are neither in `before` nor earlier in `encodings`."""
    new: list[int] = []
    for i, encoding in enumerate(encodings):
        known = np.concatenate([before, encodings[new]])
        if not are_alike(known, encoding).any():
            new.append(i)
    return new

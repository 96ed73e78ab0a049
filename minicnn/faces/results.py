"""Results of a gallery, with the distances and reasons for every decision."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from minicnn.text import percent

if TYPE_CHECKING:
    from minicnn.faces.snapshots import Face


class Match(NamedTuple):
    """A person of the gallery, and the distance of a face from them."""

    name: str
    distance: float


@dataclass(frozen=True)
class Verification:
    """The result of `verify`, True if `same` is. same: distance ≤ threshold; None if the face cannot be judged.

    probability: that it is the person, with a prior of ½; None if the gallery is not calibrated. nearest_picture: the
    person's nearest picture, in order of enrolment, from 1. face: the nearest face of a photograph; None for a crop.
    why: the reason, in words.
    """

    name: str
    same: bool | None
    distance: float
    threshold: float
    probability: float | None = None
    nearest_picture: int | None = None
    why: str = ""
    face: Face | None = field(default=None, repr=False, compare=False)

    def __bool__(self) -> bool:
        return bool(self.same)

    def __str__(self) -> str:
        if self.same is None:
            return f"no verdict on {self.name}: {self.why}"
        sign, verdict = ("≤", "") if self.same else (">", "not ")
        sure = "" if self.probability is None else f", probability {percent(self.probability)}"
        return f"{verdict}{self.name} ({self.distance:.4g} {sign} {self.threshold:.4g}{sure})"


@dataclass(frozen=True)
class Identification:
    """The result of `identify`, True if somebody is recognized. name: None if nobody is.

    distance: to the nearest person, who is `nearest` even if not recognized. runner_up: the next person, `margin`
    farther; None if the gallery has only one. why: the reason, in words. matches: the nearest people, ascending.
    judged: False if the quality is too poor for a verdict. nearest_picture: the nearest person's nearest picture, in
    order of enrolment, from 1. face: the detected face; None for a crop.
    """

    name: str | None
    distance: float
    threshold: float
    nearest: str
    runner_up: str | None
    margin: float | None
    why: str
    matches: tuple[Match, ...] = ()
    judged: bool = True
    nearest_picture: int | None = None
    face: Face | None = field(default=None, repr=False, compare=False)

    @property
    def recognized(self) -> bool:
        """True if the face is of somebody in the gallery."""
        return self.name is not None

    def __bool__(self) -> bool:
        return self.recognized

    def __str__(self) -> str:
        if not self.judged:
            return f"no verdict: {self.why}"
        next_one = "" if self.runner_up is None else f"; next is {self.runner_up}, {self.margin:.4g} farther"
        return f"{self.name or 'not recognized'}: {self.why}{next_one}"


@dataclass(frozen=True)
class Enrolment:
    """The result of `enroll`. Pictures are numbered from 0. added: enrolled. duplicates: already enrolled.

    outliers: (picture, distance to the nearest other of this person), beyond the threshold. lookalikes: (picture,
    somebody else, distance), within it. total: number of pictures of this person now. refused: (picture, why) for faces
    of poor quality. several: (picture, number of faces in it), of which the largest was used.
    """

    name: str
    added: tuple[int, ...]
    duplicates: tuple[int, ...]
    outliers: tuple[tuple[int, float], ...]
    lookalikes: tuple[tuple[int, str, float], ...]
    total: int
    refused: tuple[tuple[int, str], ...] = ()
    several: tuple[tuple[int, int], ...] = ()

    def notes(self, labels: tuple[str, ...] | None = None) -> Iterator[str]:
        """Yield one line for everything that deserves attention. labels: names for the pictures."""

        def call(i: int) -> str:
            return labels[i] if labels else f"picture {i + 1}"

        for i, why in self.refused:
            yield f"{call(i)} was passed over: {why}"
        if len(self.several) == 1:
            yield f"{call(self.several[0][0])} holds {self.several[0][1]} faces; the largest was taken"
        elif self.several:
            yield f"{len(self.several)} pictures hold several faces; the largest of each was taken"
        for i in self.duplicates:
            yield f"{call(i)} is enrolled already and was passed over"
        for i, distance in self.outliers:
            yield f"{call(i)} is {distance:.4g} or more from all others of {self.name}: is it the same person?"
        for i, other, distance in self.lookalikes:
            yield f"{call(i)} is only {distance:.4g} from {other}: is that the same person?"

    def __str__(self) -> str:
        several = "" if self.total == 1 else "s"
        lines = [f"{self.name}: {len(self.added)} added, {self.total} picture{several} in all", *self.notes()]
        return "\n".join(lines)

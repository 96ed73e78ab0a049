"""What a gallery answers, in full: never a bare name, never a bare yes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from minicnn.text import percent

if TYPE_CHECKING:
    from minicnn.faces.snapshots import Face


class Match(NamedTuple):
    """A person of the gallery, and how far a face is from them."""

    name: str
    distance: float


@dataclass(frozen=True)
class Verification:
    """Whether a face is this person's: same means distance ≤ threshold; None, that the face is seen too badly to tell.
    probability: that it is, where half of those who come are who they say; None where the gallery is not calibrated.
    nearest_picture: of this person's, as enrolled, from 1. face: the nearest of a photograph; None for a crop. why: in
    words. True where same is.
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
    """Whose face it is. name: None where it is nobody's. distance: to the nearest person, who is named by `nearest`
    in any case. runner_up: the next person, `margin` farther; None where the gallery has but one. why: in words.
    matches: the nearest people, ascending. judged: False where the face is seen too badly to tell. nearest_picture: of
    the nearest person's, as enrolled, from 1. face: the one that was found; None for a crop. True where somebody was
    recognized.
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
        """Whether the face is of somebody in the gallery."""
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
    """What became of pictures, which are counted from 0. added: those enrolled. duplicates: those that were here.
    outliers: (picture, distance to the nearest other of this person), beyond the threshold. lookalikes: (picture,
    somebody else, distance), within it. total: how many pictures of this person there are now. refused: (picture, why)
    of faces that are seen too badly. several: (picture, faces in it), of which the largest was taken.
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
        """What deserves a look, a line each. labels: what to call the pictures."""

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

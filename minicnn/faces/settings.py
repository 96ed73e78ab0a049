"""Settings of a gallery for scoring and judging distances, and their form in files."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from minicnn.errors import InputError, LoadError
from minicnn.faces import scoring
from minicnn.faces.arguments import is_number
from minicnn.faces.calibration import Calibration
from minicnn.faces.gallery_file import Content
from minicnn.faces.heads import PairHead
from minicnn.faces.records import Records
from minicnn.text import one_line


@dataclass(frozen=True)
class Settings:
    """The settings. threshold: for one comparison. calibration: the source of the threshold, if calibrated.

    head: scores encodings; None for the metric on the encoder's card. score, neighbours: as in
    `scoring.people_distances`.
    """

    threshold: float
    calibration: Calibration | None = None
    head: PairHead | None = None
    score: str = "min"
    neighbours: int = 3

    @classmethod
    def checked(cls, threshold: Any, head: Any, score: Any, neighbours: Any, dimensions: int) -> Settings:
        """Return the settings that a user gave, checked. dimensions: length of the encodings. Raises InputError."""
        value, calibration = _threshold(threshold)
        if head is not None and not isinstance(head, PairHead):
            raise InputError(f"Gallery: head is a {type(head).__name__}; expected a PairHead")
        if head is not None and head.w.shape != (dimensions,):
            raise InputError(f"Gallery: head is for encodings of {head.w.size} numbers; expected {dimensions}")
        scoring.check_score(score, neighbours)
        return cls(value, calibration, head, score, neighbours)

    def with_threshold(self, threshold: Any) -> Settings:
        """Return the same settings with another threshold. Raises InputError."""
        value, calibration = _threshold(threshold)
        check_passable(calibration)
        return replace(self, threshold=value, calibration=calibration)

    def comparisons(self, records: Records) -> int:
        """Return the number of comparisons with a stranger: one per picture, or per person if pictures are averaged."""
        return max(1, len(records) if self.score == "min" else len(records.people))

    def facts(self) -> dict[str, str | int | float]:
        """Return the attributes for a file."""
        facts: dict[str, str | int | float] = {
            "threshold": self.threshold,
            "score": self.score,
            "neighbours": self.neighbours,
        }
        if self.calibration is not None:
            facts["calibration"] = json.dumps(self.calibration.as_dict())
        if self.head is not None:
            facts["head"] = self.head.kind
        return facts

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the arrays for a file, {name: array}."""
        return {f"head/{name}": parameter.data for name, parameter in self.head.named_parameters()} if self.head else {}

    @classmethod
    def of(cls, content: Content) -> Settings:
        """Return the settings in a file. Raises LoadError."""
        facts, dimensions = content.facts, content.records.encodings.shape[1]
        try:
            text = facts.get("calibration")
            calibration = None if text is None else Calibration.from_dict(json.loads(str(text)))
            head = _head(content, dimensions) if "head" in facts else None
            threshold = calibration or facts.get("threshold")
            return cls.checked(threshold, head, facts.get("score"), facts.get("neighbours"), dimensions)
        except (ValueError, RecursionError) as problem:
            raise LoadError(f"its facts about nearness are not valid ({one_line(problem)})") from problem


def check_passable(calibration: Calibration | None) -> None:
    """Raise InputError for a calibrated threshold at which no pair of one person passes."""
    if calibration is not None and not calibration.val:
        nearer = "pairs of two people are nearer than all of one; expected pictures under their right names"
        raise InputError(f"Gallery: at the threshold {calibration.threshold:.4g} nobody passes: {nearer}")


def _threshold(given: Any) -> tuple[float, Calibration | None]:
    calibration = given if isinstance(given, Calibration) else None
    value = calibration.threshold if calibration else given
    if isinstance(value, bool) or not is_number(value):
        raise InputError(f"Gallery: threshold is {value!r}; expected a finite number or a Calibration")
    return float(value), calibration


def _head(content: Content, dimensions: int) -> PairHead:
    head = PairHead(str(content.facts["head"]), dimensions)
    for name, parameter in head.named_parameters():
        array = content.arrays.get(f"head/{name}")
        if array is None or array.shape != parameter.shape or not np.isfinite(array).all():
            raise LoadError(f"its head has no valid {name!r} of shape {parameter.shape}")
        parameter.data = array.astype(np.float32)
    return head

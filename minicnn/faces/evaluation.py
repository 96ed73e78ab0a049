"""Evaluation of distances, on pairs of pictures and on galleries with strangers.

d ≤ τ means the same person, here and everywhere. FAR, the false accept rate: the share of pairs of different people
with d ≤ τ. VAL, the validation rate: the share of pairs of one person with d ≤ τ.
Source: Schroff et al. 2015, section 4.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from minicnn.errors import InputError

Interval = tuple[float, float]


class OperatingPoint(NamedTuple):
    """A threshold, and the rates at it."""

    threshold: float
    far: float
    val: float


class Roc(NamedTuple):
    """FAR and VAL at every threshold where either changes, from −∞ (nobody is accepted) up to the largest distance."""

    thresholds: np.ndarray
    far: np.ndarray
    val: np.ndarray

    @classmethod
    def of(cls, distances: np.ndarray, same: np.ndarray, different: np.ndarray) -> Roc:
        """Return the ROC of unique ascending distances. same, different: number of pairs of each kind at each."""
        far, val = (np.concatenate([[0.0], np.cumsum(count) / count.sum()]) for count in (different, same))
        return cls(np.concatenate([[-np.inf], distances]), far, val)

    def area(self) -> float:
        """Return the area under VAL over FAR."""
        return float(np.trapezoid(self.val, self.far))

    def equal_error(self) -> tuple[float, float]:
        """Return (rate, threshold) as `equal_error_rate` does."""
        refused = 1 - self.val
        above = int(np.argmax(self.far >= refused))  # never −∞, at which nobody is accepted
        below = above - 1
        gap = refused[below] - self.far[below]
        along = gap / (gap + self.far[above] - refused[above])
        rate = self.far[below] + along * (self.far[above] - self.far[below])
        worse = [max(self.far[i], refused[i]) for i in (below, above)]
        fairer = above if below == 0 or worse[1] <= worse[0] else below
        return float(rate), float(self.thresholds[fairer])

    def at_far(self, target: float) -> OperatingPoint:
        """Return the operating point of `val_at_far`."""
        last = int(np.searchsorted(self.far, target, side="right")) - 1
        threshold = self.thresholds[last] if last else np.nextafter(self.thresholds[1], -np.inf)
        return OperatingPoint(float(threshold), float(self.far[last]), float(self.val[last]))

    def best(self, share: float) -> tuple[float, float]:
        """Return (threshold, accuracy) as `best_threshold` does, if this share of the pairs is of one person."""
        right = self.val * share + (1 - self.far) * (1 - share)
        equals = np.flatnonzero(right >= right.max() - 1e-12)
        chosen = int(equals[len(equals) // 2])
        low, high = self.thresholds[chosen], self.thresholds[min(chosen + 1, len(self.thresholds) - 1)]
        middle = low + (high - low) / 2 if chosen else np.nextafter(high, -np.inf)
        return float(low if middle >= high else middle), float(right[chosen])


# Pairs


def labelled_pairs(distances: npt.ArrayLike, same: npt.ArrayLike, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return distances as float64 and `same` as bool. Raises InputError unless they are pairs of both kinds."""
    d, s = np.asarray(distances), np.asarray(same)
    if d.ndim != 1 or d.dtype.kind not in "fiu":
        raise InputError(f"{name}: distances have shape {d.shape} and dtype {d.dtype}; expected numbers (pairs,)")
    if s.shape != d.shape or (s.dtype != bool and not np.isin(s, (0, 1)).all()):
        raise InputError(f"{name}: same has shape {s.shape} and dtype {s.dtype}; expected {d.size} times true or false")
    if not np.isfinite(d).all():
        raise InputError(f"{name}: distances hold NaN or infinity; expected finite numbers")
    s = s.astype(bool)
    if s.all() or not s.any():
        kind = "different people" if s.any() else "the same person"
        raise InputError(f"{name}: of {s.size} pairs none is of {kind}; expected both kinds")
    return d.astype(np.float64), s


def roc(distances: npt.ArrayLike, same: npt.ArrayLike) -> Roc:
    """Return the receiver operating characteristic of pairs. distances, same: (pairs,). Raises InputError."""
    return _roc(*labelled_pairs(distances, same, "roc"))


def _roc(d: np.ndarray, s: np.ndarray) -> Roc:
    thresholds, place = np.unique(d, return_inverse=True)
    return Roc.of(thresholds, *(np.bincount(place[kind], minlength=len(thresholds)) for kind in (s, ~s)))


def area_under_roc(distances: npt.ArrayLike, same: npt.ArrayLike) -> float:
    """Return the probability that a pair of one person is nearer than one of two, ties counting half. Chance is ½."""
    return _roc(*labelled_pairs(distances, same, "area_under_roc")).area()


def equal_error_rate(distances: npt.ArrayLike, same: npt.ArrayLike) -> tuple[float, float]:
    """Return (rate, threshold) where the false accept rate equals the false reject rate.

    The rate is interpolated linearly between two thresholds. The threshold is the better of the two. Raises InputError.
    """
    return _roc(*labelled_pairs(distances, same, "equal_error_rate")).equal_error()


def val_at_far(distances: npt.ArrayLike, same: npt.ArrayLike, target_far: float = 1e-3) -> OperatingPoint:
    """Return the largest threshold whose FAR is at most the target, and the rates at it.

    If even the nearest pair is of two people, the threshold is just below it and accepts nobody. Raises InputError.
    """
    check_rate(target_far, "val_at_far: target_far")
    return _roc(*labelled_pairs(distances, same, "val_at_far")).at_far(target_far)


def best_threshold(distances: npt.ArrayLike, same: npt.ArrayLike) -> tuple[float, float]:
    """Return the (threshold, accuracy) with the most correct pairs. The threshold is midway between two distances.

    Of several equally good thresholds, the middle one is returned. Raises InputError.
    """
    d, s = labelled_pairs(distances, same, "best_threshold")
    return _roc(d, s).best(float(np.mean(s)))


@dataclass(frozen=True)
class PairEvaluation:
    """The result of `evaluate_pairs`. Rates are fractions.

    accuracy: mean over the folds. deviation: over the folds (of the population, as facenet prints it). standard_error:
    the mean's, as in LFW's tables. fold_accuracies, fold_thresholds: per fold. auc, eer, eer_threshold: over all
    pairs. val, far: over all test folds, at thresholds from the other folds for FAR ≤ target_far. val_interval: the
    95 % confidence interval of val. same, different: numbers of pairs.
    """

    accuracy: float
    deviation: float
    standard_error: float
    fold_accuracies: tuple[float, ...]
    fold_thresholds: tuple[float, ...]
    auc: float
    eer: float
    eer_threshold: float
    target_far: float
    val: float
    far: float
    val_interval: Interval
    same: int
    different: int

    @property
    def threshold(self) -> float:
        """The mean of the folds' thresholds."""
        return float(np.mean(self.fold_thresholds))

    def __str__(self) -> str:
        low, high = self.val_interval
        spread = f"± {self.standard_error:.2%} over {len(self.fold_accuracies)} folds of deviation {self.deviation:.2%}"
        return (
            f"accuracy {self.accuracy:.2%} {spread}, d ≤ {self.threshold:.4g}; AUC {self.auc:.4f}; EER {self.eer:.2%}; "
            f"VAL {self.val:.2%} ({low:.2%} to {high:.2%}) at FAR {self.far:.2g}"
        )


def evaluate_pairs(
    distances: npt.ArrayLike, same: npt.ArrayLike, *, folds: int | npt.ArrayLike = 10, target_far: float = 1e-3
) -> PairEvaluation:
    """Evaluate pairs as LFW does: each fold is judged by the threshold that was best on the other folds.

    distances, same: (pairs,). folds: a number, or the fold of each pair, as in pairs.txt. A number splits the pairs of
    each kind, in order, into that many consecutive parts. For LFW's pairs these are its own folds, and no fold has only
    one kind. Thresholds are exact, not from a grid. Raises InputError.
    Source: Huang et al. 2007, "Labeled faces in the wild"; VAL at a FAR: Schroff et al. 2015.
    """
    check_rate(target_far, "evaluate_pairs: target_far")
    d, s = labelled_pairs(distances, same, "evaluate_pairs")
    fold = _folds(folds, s)
    accuracies, thresholds, accepted = [], [], np.zeros(len(d), bool)
    for number in np.unique(fold):
        test = fold == number
        curve = _roc(d[~test], s[~test])
        threshold, _ = curve.best(float(np.mean(s[~test])))
        accuracies.append(float(np.mean((d[test] <= threshold) == s[test])))
        thresholds.append(threshold)
        accepted[test] = d[test] <= curve.at_far(target_far).threshold
    curve = _roc(d, s)
    eer, eer_threshold = curve.equal_error()
    deviation = float(np.std(accuracies))
    return PairEvaluation(
        accuracy=float(np.mean(accuracies)),
        deviation=deviation,
        standard_error=deviation / (len(accuracies) - 1) ** 0.5,
        fold_accuracies=tuple(accuracies),
        fold_thresholds=tuple(thresholds),
        auc=curve.area(),
        eer=eer,
        eer_threshold=eer_threshold,
        target_far=target_far,
        val=float(np.mean(accepted[s])),
        far=float(np.mean(accepted[~s])),
        val_interval=share_interval(int(accepted[s].sum()), int(s.sum())),
        same=int(s.sum()),
        different=int((~s).sum()),
    )


def _folds(folds: int | npt.ArrayLike, same: np.ndarray) -> np.ndarray:
    """Return the fold of each pair. Raises InputError."""
    if isinstance(folds, int | np.integer):
        most = min(same.sum(), (~same).sum())
        if not 2 <= folds <= most:
            raise InputError(
                f"evaluate_pairs: folds is {folds}; expected 2 to {most}, for every fold wants pairs of both kinds"
            )
        fold = np.empty(len(same), np.int64)
        for kind in (same, ~same):
            fold[kind] = np.arange(kind.sum()) * folds // kind.sum()
        return fold
    fold = np.asarray(folds)
    if fold.shape != same.shape or fold.dtype.kind not in "iu":
        raise InputError(
            f"evaluate_pairs: folds has shape {fold.shape} and dtype {fold.dtype}; "
            f"expected a number, or the number of its fold for each of the {len(same)} pairs"
        )
    for number in np.unique(fold):
        others = same[fold != number]
        if others.all() or not others.any():
            raise InputError(f"evaluate_pairs: outside fold {number} pairs are of one kind; expected both kinds there")
    return fold


def share_interval(count: int, total: int, confidence: float = 0.95) -> Interval:
    """Return the confidence interval of a share, `count` of `total`. Source: Clopper & Pearson 1934, conservative."""
    from scipy.special import betaincinv

    outside = (1 - confidence) / 2
    low = betaincinv(count, total - count + 1, outside) if count else 0.0
    high = betaincinv(count + 1, total - count, 1 - outside) if count < total else 1.0
    return float(low), float(high)


def check_rate(rate: float, name: str) -> None:
    """Raise InputError unless 0 ≤ rate < 1."""
    if not isinstance(rate, int | float | np.number) or not 0 <= rate < 1:
        raise InputError(f"{name} is {rate!r}; expected a rate from 0 up to, not including, 1")


# Galleries


class OpenSet(NamedTuple):
    """FPIR (strangers accepted) and DIR (people found) at every threshold where either changes, starting from −∞."""

    thresholds: np.ndarray
    fpir: np.ndarray
    dir: np.ndarray


def cumulative_match(distances: npt.ArrayLike, gallery: npt.ArrayLike, probes: npt.ArrayLike) -> np.ndarray:
    """Return the CMC, (people,): element r − 1 is the share of probes whose person is among the r nearest.

    distances: (probes, entries of the gallery). gallery, probes: the person of each. The distance to a person is that
    to their nearest entry; ties count against the person. Probes of people outside the gallery are ignored.
    Raises InputError. Source: Phillips, Grother & Micheals 2011, "Evaluation methods in face recognition".
    """
    near, mine = _people(distances, gallery, probes, "cumulative_match")
    known = mine >= 0
    if not known.any():
        raise InputError("cumulative_match: no probe is of a person in the gallery; expected one or more")
    own = near[known, mine[known]]
    ranks = np.sum(near[known] <= own[:, None], axis=1)
    return np.cumsum(np.bincount(ranks - 1, minlength=near.shape[1])) / len(ranks)


def open_set_roc(distances: npt.ArrayLike, gallery: npt.ArrayLike, probes: npt.ArrayLike) -> OpenSet:
    """Return DIR and FPIR for probes that include strangers. Arguments as in `cumulative_match`.

    FPIR: the share of strangers whose nearest entry has d ≤ τ. DIR: the share of the others whose own entry is strictly
    the nearest and has d ≤ τ. Raises InputError. Source: as in `cumulative_match`.
    """
    near, mine = _people(distances, gallery, probes, "open_set_roc")
    known = mine >= 0
    if known.all() or not known.any():
        kind = "stranger" if known.any() else "person in the gallery"
        raise InputError(f"open_set_roc: no probe is of a {kind}; expected both, strangers and people in the gallery")
    nearest = near.min(axis=1)
    own = near[known, mine[known]]
    first = np.sum(near[known] <= own[:, None], axis=1) == 1
    found, accepted = np.sort(own[first]), np.sort(nearest[~known])
    thresholds = np.concatenate([[-np.inf], np.union1d(found, accepted)])
    fpir = np.searchsorted(accepted, thresholds, side="right") / len(accepted)
    return OpenSet(thresholds, fpir, np.searchsorted(found, thresholds, side="right") / len(own))


def dir_at_fpir(
    distances: npt.ArrayLike, gallery: npt.ArrayLike, probes: npt.ArrayLike, target_fpir: float = 0.01
) -> tuple[float, float, float]:
    """Return (threshold, FPIR, DIR) at the largest threshold with an FPIR up to the target. Else as `open_set_roc`."""
    check_rate(target_fpir, "dir_at_fpir: target_fpir")
    curve = open_set_roc(distances, gallery, probes)
    point = Roc(*curve).at_far(target_fpir)
    return point.threshold, point.far, point.val


def _people(
    distances: npt.ArrayLike, gallery: npt.ArrayLike, probes: npt.ArrayLike, name: str
) -> tuple[np.ndarray, np.ndarray]:
    """Return (distances to people (probes, people), the person of each probe, −1 for strangers). Raises InputError."""
    d, entries, seen = np.asarray(distances, np.float64), np.asarray(gallery), np.asarray(probes)
    if d.ndim != 2 or d.shape != (seen.size, entries.size) or d.size == 0:
        raise InputError(
            f"{name}: distances have shape {d.shape}; expected (probes, entries), ({seen.size}, {entries.size}) here"
        )
    if not np.isfinite(d).all():
        raise InputError(f"{name}: distances hold NaN or infinity; expected finite numbers")
    people, person = np.unique(entries, return_inverse=True)
    order = np.argsort(person, kind="stable")
    starts = np.searchsorted(person[order], np.arange(len(people)))
    near = np.minimum.reduceat(d[:, order], starts, axis=1)
    place = np.minimum(np.searchsorted(people, seen), len(people) - 1)
    return near, np.where(people[place] == seen, place, -1)

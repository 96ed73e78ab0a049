"""Calibration of the threshold on pairs whose truth is known, with the error rates to expect.

A threshold for one comparison is too lenient for a gallery. A stranger is compared with K people there, and passes at a
rate of 1 − (1 − FAR)^K if comparisons are independent. A Calibration therefore gives a threshold for any K.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from minicnn.errors import InputError, check_count
from minicnn.faces.evaluation import Interval, Roc, check_rate, labelled_pairs, share_interval

RESAMPLES, FEWEST_RESAMPLES = 500, 100
WORK = 2_000_000  # distances that the bootstrap processes, unless the fewest resamples need more
NUMBERS = ("threshold", "target_far", "far", "val", "accuracy", "confidence", "intercept", "slope")
KEPT = 100  # distances to keep: the smallest impostor distances, and then as many per power of 10


def rate_in_gallery(far: float, comparisons: int) -> float:
    """Return 1 − (1 − FAR)^K, the rate at which a stranger passes in K independent comparisons. Raises InputError."""
    check_count("rate_in_gallery: comparisons", comparisons)
    return -math.expm1(comparisons * math.log1p(-far)) if far < 1 else 1.0


def rate_per_comparison(rate: float, comparisons: int) -> float:
    """Return 1 − (1 − rate)^(1/K), the FAR at which a stranger passes K comparisons at this rate. Raises InputError."""
    check_count("rate_per_comparison: comparisons", comparisons)
    return -math.expm1(math.log1p(-rate) / comparisons) if rate < 1 else 1.0


@dataclass(frozen=True)
class Calibration:
    """A threshold, and its error rates on the pairs that it was fitted to. Rates are fractions.

    rule: "far", at most target_far of the pairs of different people pass; "eer"; or "accuracy". far, val, accuracy: at
    the threshold, on these pairs. threshold_interval: by bootstrap. far_interval, val_interval: by Clopper & Pearson.
    All intervals assume independent pairs; they are too narrow if one person is in many pairs. same, different: numbers
    of pairs. closest: (number of nearer pairs, distance) of pairs of different people.
    intercept, slope: the log-odds of the same person are intercept + slope · d, for equal shares of both kinds as here.
    """

    threshold: float
    rule: str
    target_far: float
    far: float
    val: float
    accuracy: float
    confidence: float
    threshold_interval: Interval
    far_interval: Interval
    val_interval: Interval
    same: int
    different: int
    closest: tuple[tuple[int, float], ...]
    intercept: float
    slope: float

    def __float__(self) -> float:
        return self.threshold

    @property
    def acceptable(self) -> float:
        """The accepted rate of strangers who pass: the target for rule "far", or else the FAR at the threshold."""
        return self.target_far if self.rule == "far" else self.far

    def for_gallery(self, comparisons: int) -> float:
        """Return the threshold at which a stranger passes this many comparisons no more often than one at `threshold`.

        With too few pairs to estimate such a small rate (see `resolves`), it is just below the smallest distance
        between different people.
        """
        if comparisons == 1:
            return self.threshold
        wrong = self._wrong_pairs(comparisons)
        refused = max(distance for nearer, distance in self.closest if nearer <= wrong)
        return min(self.threshold, math.nextafter(refused, -math.inf))

    def resolves(self, comparisons: int) -> bool:
        """Return True if there are enough pairs to estimate the FAR that `for_gallery` needs: one or more may pass."""
        return self._wrong_pairs(comparisons) >= 1

    def _wrong_pairs(self, comparisons: int) -> int:
        """Return the number of pairs of different people that may pass for a gallery."""
        return int(rate_per_comparison(self.acceptable, comparisons) * self.different + 1e-9)

    def probability(self, distance: npt.ArrayLike, *, prior: float = 0.5) -> Any:
        """Return the probability that pairs at these distances are of one person, in the shape of `distance`.

        prior: the share of pairs of one person among those to come. Raises InputError.
        Source: Platt 1999, "Probabilistic outputs for support vector machines".
        """
        if not isinstance(prior, int | float | np.number) or not 0 < prior < 1:
            raise InputError(f"probability: prior is {prior!r}; expected a number between 0 and 1")
        shift = math.log(prior / (1 - prior)) - math.log(self.same / self.different)
        found = _sigmoid(self.intercept + shift + self.slope * np.asarray(distance, np.float64))
        return found if found.ndim else float(found)

    def as_dict(self) -> dict[str, Any]:
        """Return plain data, to be written to a file."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Any) -> Calibration:
        """Return a Calibration from the data of as_dict(), possibly via JSON. Raises InputError for anything else."""
        try:
            intervals = {f"{key}_interval": _pair(data[f"{key}_interval"]) for key in ("threshold", "far", "val")}
            found = cls(
                rule=str(data["rule"]),
                same=int(data["same"]),
                different=int(data["different"]),
                closest=tuple((int(nearer), _finite(distance)) for nearer, distance in data["closest"]),
                **{key: _finite(data[key]) for key in NUMBERS},  # type: ignore[arg-type]
                **intervals,  # type: ignore[arg-type]
            )
            ranks = [nearer for nearer, _ in found.closest]
            if found.rule not in RULES or ranks[:1] != [0] or not 0 <= found.acceptable < 1:
                raise ValueError
            if min(found.same, found.different) < 1 or found.as_dict().keys() != data.keys():
                raise ValueError
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
            raise InputError("calibration: the data are not those of a calibration") from None
        return found

    def __str__(self) -> str:
        (low, high), (val_low, val_high) = self.threshold_interval, self.val_interval
        return (
            f"d ≤ {self.threshold:.4g} ({low:.4g} to {high:.4g}): "
            f"FAR {self.far:.2g}, at most {self.far_interval[1]:.2g}; "
            f"VAL {self.val:.2%} ({val_low:.2%} to {val_high:.2%}); accuracy {self.accuracy:.2%}; "
            f"{self.same:,} pairs of one person, {self.different:,} of two"
        )


Rule = Callable[[Roc, float, float], float]

# Functions of the ROC, the share of pairs of one person, and the target FAR.
RULES: dict[str, Rule] = {
    "far": lambda curve, share, target: curve.at_far(target).threshold,
    "eer": lambda curve, share, target: curve.equal_error()[1],
    "accuracy": lambda curve, share, target: curve.best(share)[0],
}


def calibrate(
    distances: npt.ArrayLike,
    same: npt.ArrayLike,
    *,
    target_far: float = 1e-3,
    rule: str = "far",
    confidence: float = 0.95,
    seed: int = 0,
) -> Calibration:
    """Fit a threshold to pairs. distances, same: (pairs,), with pairs of both kinds.

    rule: "far", the largest threshold with FAR ≤ target_far; "eer", equal error rates; or "accuracy", the most correct
    pairs. confidence: level of the intervals. seed: random seed of the bootstrap, which draws Poisson counts.
    Raises InputError.
    """
    check_rate(target_far, "calibrate: target_far")
    if rule not in RULES:
        raise InputError(f"calibrate: rule is {rule!r}; expected one of {', '.join(RULES)}")
    if not isinstance(confidence, int | float) or not 0 < confidence < 1:
        raise InputError(f"calibrate: confidence is {confidence!r}; expected a number between 0 and 1")
    d, s = labelled_pairs(distances, same, "calibrate")
    order = np.argsort(d, kind="stable")
    d, s = d[order], s[order]
    levels, starts = np.unique(d, return_index=True)
    share = float(np.mean(s))

    def threshold_of(times: np.ndarray) -> float:
        """Return the threshold if each pair counts as often as `times` says."""
        counts = [np.add.reduceat(times * kind, starts) for kind in (s, ~s)]
        there = counts[0] + counts[1] > 0
        return RULES[rule](Roc.of(levels[there], *(count[there] for count in counts)), share, target_far)

    threshold = threshold_of(np.ones(len(d), np.int64))
    random = np.random.default_rng(seed)
    resampled = [
        threshold_of(_resample(s, random)) for _ in range(max(FEWEST_RESAMPLES, min(RESAMPLES, WORK // len(d))))
    ]
    low, high = np.quantile(resampled, [(1 - confidence) / 2, (1 + confidence) / 2])
    passed, same_pairs = d <= threshold, int(s.sum())
    impostors = d[~s]
    right, wrong = int(passed[s].sum()), int(passed[~s].sum())
    intercept, slope = fit_log_odds(d, s)
    return Calibration(
        threshold=threshold,
        rule=rule,
        target_far=target_far,
        far=wrong / len(impostors),
        val=right / same_pairs,
        accuracy=float(np.mean(passed == s)),
        confidence=confidence,
        threshold_interval=(float(low), float(high)),
        far_interval=share_interval(wrong, len(impostors), confidence),
        val_interval=share_interval(right, same_pairs, confidence),
        same=same_pairs,
        different=len(impostors),
        closest=tuple((int(i), float(impostors[i])) for i in _kept(len(impostors))),
        intercept=intercept,
        slope=slope,
    )


def _resample(same: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Return the counts of each pair in a draw, Poisson with mean 1, repeated until both kinds are drawn."""
    times = random.poisson(1.0, len(same))
    while not (times[same].any() and times[~same].any()):  # can happen with very few pairs
        times = random.poisson(1.0, len(same))
    return times


def _kept(count: int) -> np.ndarray:
    """Return positions in a sorted array: the first KEPT, and then ever fewer."""
    beyond = np.geomspace(KEPT, max(count, KEPT), max(1, int(KEPT * math.log10(max(count / KEPT, 1)))))
    places = np.concatenate([np.arange(KEPT), beyond.astype(np.int64)])
    return np.unique(places[places < count])


def fit_log_odds(distances: np.ndarray, same: np.ndarray) -> tuple[float, float]:
    """Return (intercept, slope) of a logistic regression of `same` on the distance, by Newton's method.

    Targets are slightly inside 0 and 1, so that both stay finite if the kinds do not overlap. Source: Platt 1999.
    """
    yes, no = int(same.sum()), int((~same).sum())
    aim = np.where(same, (yes + 1) / (yes + 2), 1 / (no + 2))
    middle, spread = float(np.mean(distances)), float(np.std(distances)) or 1.0
    x = np.stack([np.ones(len(distances)), (distances - middle) / spread], axis=1)

    def loss(weights: np.ndarray) -> float:
        return float(np.sum(np.logaddexp(0, x @ weights) - aim * (x @ weights)))

    weights = np.array([math.log((yes + 1) / (no + 1)), 0.0])
    for _ in range(100):
        p = _sigmoid(x @ weights)
        curvature = (x * (p * (1 - p))[:, None]).T @ x + 1e-9 * np.eye(2)  # in case all distances are the same
        step = np.linalg.solve(curvature, x.T @ (aim - p))
        while np.abs(step).max() > 1e-9 and loss(weights + step) > loss(weights):
            step /= 2  # Newton's step overshoots where the loss is flat
        weights = weights + step
        if np.abs(step).max() <= 1e-9:
            break
    return float(weights[0] - weights[1] * middle / spread), float(weights[1] / spread)


def _sigmoid(z: np.ndarray) -> np.ndarray:
    return 0.5 * (1 + np.tanh(z / 2))


def _finite(value: Any) -> float:
    if isinstance(value, bool) or not math.isfinite(value):
        raise ValueError(value)
    return float(value)


def _pair(values: Any) -> Interval:
    low, high = values
    return _finite(low), _finite(high)

"""Detection of collapse: an encoder that maps every face to one point, where triplet losses have no useful gradient."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from minicnn.errors import InputError, check_count
from minicnn.faces.arguments import as_array, is_number

NEAR = 0.01  # relative to the encodings' length; smaller distances between faces count as zero
CLOSE = 0.02  # relative tolerance within which a loss counts as collapsed
NEARLY_ALL = 0.95  # share of active triplets from which an encoder may have collapsed

ADVICE_FOR_NO_MARGIN = "a margin of 0 is satisfied by one point for all faces: take 0.2"
ADVICE = (
    "take a lower learning rate, begin with all or semi-hard triplets before the hardest ones, "
    "or start from an encoder that was trained as a classifier"
)


class CollapseWarning(UserWarning):
    """Training has collapsed: all faces have the same encoding, or soon will."""


class CollapseMonitor:
    """A monitor of training with triplets, which warns once, with advice, when the encoder has collapsed.

    margin: the loss's, a number or "soft". patience: number of consecutive suspicious steps before a warning.

    A step is suspicious in either of two cases. The typical distance between two encodings of a batch is less than a
    hundredth of their length. Or nearly all triplets are active, with the mean loss of u = v: the margin, or ln 2 if
    soft. Losses may stay there for a while before they fall, hence the patience.
    Source: Schroff, Kalenichenko & Philbin 2015, section 3.2; Hermans, Beyer & Leibe 2017.
    """

    def __init__(self, margin: float | str = 0.2, *, patience: int = 50) -> None:
        if margin != "soft" and not is_number(margin, least=0):
            raise InputError(f'CollapseMonitor: margin is {margin!r}; expected a number of 0 or more, or "soft"')
        check_count("CollapseMonitor: patience", patience)
        # The loss of a triplet of three equal encodings, and a name for it.
        self.collapsed_loss, self._called = (math.log(2), "ln 2") if margin == "soft" else (float(margin), "the margin")
        self.patience = patience
        self.suspicious_steps = 0
        self.warned = False

    def update(self, loss: Any, embeddings: Any, active_fraction: float) -> bool:
        """Record a step, and return True if the encoder counts as collapsed. Warns the first time.

        loss: the mean over triplets. embeddings: the batch's, (N, D). active_fraction: share of triplets with a
        positive loss.
        Raises InputError for numbers that are not finite.
        """
        embeddings = as_array(embeddings)
        if embeddings.ndim != 2 or len(embeddings) < 2:
            raise InputError(f"CollapseMonitor: embeddings have shape {embeddings.shape}; expected (N, D), N ≥ 2")
        loss, active = float(loss), float(active_fraction)
        distance, length = _typical(embeddings)
        if not all(map(math.isfinite, (loss, active, distance))):
            raise InputError(
                f"CollapseMonitor: loss is {loss:.3g}, active_fraction {active:.3g}, the mean distance of embeddings "
                f"{distance:.3g}; expected finite numbers: the learning rate may be too high"
            )
        near = distance <= NEAR * length
        stuck = abs(loss - self.collapsed_loss) <= CLOSE * self.collapsed_loss and active >= NEARLY_ALL
        self.suspicious_steps = self.suspicious_steps + 1 if near or stuck else 0
        collapsed = self.suspicious_steps >= self.patience
        if collapsed and not self.warned:
            self.warned = True
            seen = f"mean distance {distance:.2g} between encodings of length {length:.2g}, {active:.0%} active, "
            seen += f"loss {loss:.3g}" + (f", which is {self._called}" if stuck else "")
            advice = ADVICE if self.collapsed_loss else ADVICE_FOR_NO_MARGIN
            warnings.warn(f"collapse: {self.patience} steps with {seen}; {advice}", CollapseWarning, stacklevel=2)
        return collapsed


def _typical(embeddings: np.ndarray) -> tuple[float, float]:
    """Return the distance between two encodings and the length of one, both as roots of mean squares."""
    x = embeddings.astype(np.float64)
    spread = np.square(x - x.mean(axis=0)).sum()
    # The mean over all pairs of ‖xᵢ − xⱼ‖² is twice the variance of a sample.
    return math.sqrt(2 * spread / (len(x) - 1)), math.sqrt(np.square(x).sum() / len(x))

"""Notices when an encoder has given up: it maps every face to one point, where no loss of triplets can tell it off."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from minicnn.errors import InputError, check_count
from minicnn.faces.arguments import as_array, is_number

NEAR = 0.01  # of the encodings' length: a distance between faces that is none
CLOSE = 0.02  # how far from what a collapsed encoder pays a loss counts as it
NEARLY_ALL = 0.95  # of the triplets are active when nobody can be told from anybody

ADVICE_FOR_NO_MARGIN = "a margin of 0 is satisfied by one point for all faces: take 0.2"
ADVICE = (
    "take a lower learning rate, begin with all or semi-hard triplets before the hardest ones, "
    "or start from an encoder that was trained as a classifier"
)


class CollapseWarning(UserWarning):
    """Training goes nowhere: all faces have one encoding, or are about to."""


class CollapseMonitor:
    """Fed with every step of training by triplets; warns once, with advice, when the encoder has collapsed.

    margin: the loss's, a number or "soft". patience: how many steps in a row have to look like it.

    Either of two signs: two encodings of a batch are typically nearer to each other than a hundredth of their length;
    or nearly all triplets are active and cost, on average, what they cost when u = v: the margin, or ln 2 if it is
    soft. Losses may stay there for a while before they fall, hence the patience.
    Source: Schroff, Kalenichenko & Philbin 2015, section 3.2; Hermans, Beyer & Leibe 2017.
    """

    def __init__(self, margin: float | str = 0.2, *, patience: int = 50) -> None:
        if margin != "soft" and not is_number(margin, least=0):
            raise InputError(f'CollapseMonitor: margin is {margin!r}; expected a number of 0 or more, or "soft"')
        check_count("CollapseMonitor: patience", patience)
        # What a triplet costs when its three encodings are one, and what that number is called.
        self.collapsed_loss, self._called = (math.log(2), "ln 2") if margin == "soft" else (float(margin), "the margin")
        self.patience = patience
        self.suspicious_steps = 0
        self.warned = False

    def update(self, loss: Any, embeddings: Any, active_fraction: float) -> bool:
        """Take note of a step, and warn if it is the one; returns whether the encoder counts as collapsed now.

        loss: the mean over triplets. embeddings: the batch's, (N, D). active_fraction: how many of them cost something.
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
    """The distance between two of them and the length of one, both as roots of mean squares."""
    x = embeddings.astype(np.float64)
    spread = np.square(x - x.mean(axis=0)).sum()
    # The mean over all pairs of ‖xᵢ − xⱼ‖² is twice the variance of a sample.
    return math.sqrt(2 * spread / (len(x) - 1)), math.sqrt(np.square(x).sum() / len(x))

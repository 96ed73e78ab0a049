"""Centre loss: combined with a classifier, which separates people, it pulls the pictures of each person together."""

from __future__ import annotations

from typing import Any

import numpy as np

from minicnn import nn
from minicnn.errors import InputError
from minicnn.faces.arguments import as_array, as_floats, is_number
from minicnn.operation import op
from minicnn.tensor import Tensor

RATES = {"facenet": 0.05, "wen": 0.5}  # default learning rates of the centres, by rule


@op(inputs=1)
def centre_loss(features, labels, centres, *, rule="facenet"):
    """Return the distance of pictures from their person's centre: ½ Σ ‖xᵢ − cᵢ‖², or the mean of (x − c)².

    features x: (N, D). labels: (N,) integers. centres: (people, D); cᵢ is the centre of label i. Returns a scalar.
    rule: "wen", the sum as in the paper; or "facenet", the mean over all N · D numbers as in facenet.py. No gradient
    flows to the centres: CentreLoss.update moves them. Raises InputError.

    ∂L/∂x = x − c,  or 2(x − c) / (N · D).      Source: Wen, Zhang, Li & Qiao 2016, equations 2 and 3.
    """
    features, labels, centres = as_floats(features), as_array(labels), as_array(centres)
    _check(features, labels, centres, rule)
    difference = features - centres[labels].astype(features.dtype)
    scale = features.dtype.type(0.5 if rule == "wen" else 1 / features.size)

    def backward(dy):
        return 2 * scale * dy * difference

    return scale * np.square(difference).sum(), backward


class CentreLoss(nn.Module):
    """centre_loss with its centres, which are module state and saved with it.

    loss = centre_loss(features, labels); loss.backward(); centre_loss.update(features, labels)

    people, dimensions: shape of the centres, which start at zero.
    rule: "facenet", c ← c − rate · (c − x) for every picture x of the person, rate 0.05 (facenet.py's 1 − alfa).
    Or "wen", c ← c − rate · Σ (c − x) / (1 + n) over the person's n pictures in the batch, rate 0.5. With "wen", c
    never overshoots; with "facenet" it does with more than 1 / rate pictures of a person.
    rate: overrides the rule's. Raises InputError. Source: Wen et al. 2016, equation 4; facenet.py, center_loss.
    """

    def __init__(self, people: int, dimensions: int, *, rule: str = "facenet", rate: float | None = None) -> None:
        if rule not in RATES:
            raise InputError(f"CentreLoss: rule is {rule!r}; expected one of {', '.join(RATES)}")
        rate = RATES[rule] if rate is None else rate
        if not (is_number(rate) and 0 < rate <= 1):
            raise InputError(f"CentreLoss: rate is {rate!r}; expected a number above 0 and up to 1")
        self.centres = np.zeros((people, dimensions), np.float32)
        self.rule, self.rate = rule, float(rate)

    def __call__(self, features: Any, labels: Any) -> Tensor:  # type: ignore[override]  # a loss needs labels
        return centre_loss(features, labels, self.centres, rule=self.rule)

    def update(self, features: Any, labels: Any) -> None:
        """Move the centres of the people in the batch towards their pictures. Arguments as in centre_loss."""
        x, labels = as_floats(as_array(features)), as_array(labels)
        _check(x, labels, self.centres, self.rule)
        step = self.rate * (self.centres[labels] - x)
        if self.rule == "wen":
            step /= 1 + np.bincount(labels)[labels][:, None]
        moved = self.centres.copy()  # the array may be read-only or shared
        np.subtract.at(moved, labels, step)
        self.centres = moved


def _check(features, labels, centres, rule):
    if features.ndim != 2 or centres.ndim != 2 or features.shape[1] != centres.shape[1] or not features.size:
        raise InputError(
            f"centre_loss: features have shape {features.shape}, centres {centres.shape}; "
            "expected (N, D) and (people, D)"
        )
    if labels.shape != features.shape[:1] or labels.dtype.kind not in "iu":
        raise InputError(
            f"centre_loss: labels have shape {labels.shape} and dtype {labels.dtype}; "
            f"expected {features.shape[:1]} integers"
        )
    if labels.min() < 0 or labels.max() >= len(centres):
        raise InputError(f"centre_loss: labels lie in {labels.min()} … {labels.max()}; expected 0 … {len(centres) - 1}")
    if rule not in RATES:
        raise InputError(f"centre_loss: rule is {rule!r}; expected one of {', '.join(RATES)}")

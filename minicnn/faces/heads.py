"""Heads on top of an encoder: comparison of pairs, and classification of known people.

A Siamese network calls one encoder twice, head(encoder(x), encoder(y)), and both calls add to the gradients of the same
parameters. Source: Bromley et al. 1993; heads on an encoder that was trained as a classifier: Taigman, Yang, Ranzato &
Wolf 2014 (DeepFace).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minicnn import nn, ops
from minicnn.errors import InputError, check_count
from minicnn.faces.arguments import as_floats
from minicnn.operation import op
from minicnn.ops.arithmetic import quotient
from minicnn.tensor import Tensor


@op
def chi_square(f, g):
    """Return (f − g)² / (f + g), elementwise with broadcasting.

    f, g: ≥ 0, such as the output of a ReLU. Raises InputError for others. Where both are 0, χ² and its gradient are 0.

    ∂χ²/∂f = (f − g)(f + 3g) / (f + g)²,  ∂χ²/∂g = −(f − g)(3f + g) / (f + g)².     Source: Taigman et al., section 4.1.
    """
    f, g = as_floats(f), as_floats(g)
    for name, array in (("f", f), ("g", g)):
        if (array < 0).any():
            raise InputError(
                f"chi2: {name} holds {array.min():.4g}; expected numbers of 0 or more, as behind a ReLU: among signed "
                "ones f + g vanishes or turns negative, and (f − g)² / (f + g) is not a distance; use l1 or l2 for them"
            )
    difference, total = f - g, f + g

    def part(x):
        return quotient(x, total)

    def backward(dz):
        slope = dz * part(difference)
        return slope * part(f + 3 * g), -slope * part(3 * f + g)

    return difference * part(difference), backward


# φ of each kind, and its initial weight. For unit vectors at a distance of 1, the sum is then near 1 and the
# probability near ½.
KINDS: dict[str, tuple[Callable[[Any, Any], Tensor], Callable[[int], float]]] = {
    "l1": (lambda f, g: ops.abs(ops.sub(f, g)), lambda dimensions: dimensions**-0.5),
    "l2": (lambda f, g: ops.square(ops.sub(f, g)), lambda dimensions: 1.0),
    "chi2": (chi_square, lambda dimensions: 2 * dimensions**-0.5),
}


class PairHead(nn.Module):
    """The probability that two encodings are of one person: the sigmoid of the logit z = Σ wₖ φₖ + b.

    head(f, g): f and g (…, D), with broadcasting -> z (…). Train it, and the encoder below, by
    ops.binary_cross_entropy(head(f, g), same): ∂L/∂z = (ŷ − y) / N and ∂L/∂f = (ŷ − y) / N · w · ∂φ/∂f.

    kind: "l1", φ = |f − g|; "l2", φ = (f − g)²; or "chi2", φ = (f − g)² / (f + g), only for features ≥ 0.
    dimensions: D. Initially all w are the same negative number, so the head is a threshold on the plain distance.
    Raises InputError. Source: Taigman et al. 2014, sections 4.1 and 4.2.
    """

    def __init__(self, kind: str = "l1", dimensions: int = 128) -> None:
        if kind not in KINDS:
            raise InputError(f"PairHead: kind is {kind!r}; expected one of {', '.join(KINDS)}")
        check_count("PairHead: dimensions", dimensions)
        self.kind = kind
        weight = KINDS[kind][1]
        self.w = Tensor(np.full(dimensions, -weight(dimensions), np.float32), requires_grad=True)
        self.b = Tensor(np.ones((), np.float32), requires_grad=True)

    def __call__(self, f: Any, g: Any) -> Tensor:  # type: ignore[override]  # a layer has one input, a head two
        for name, shape in (("f", np.shape(f)), ("g", np.shape(g))):
            if shape[-1:] != self.w.shape:
                size = self.w.size
                raise InputError(f"PairHead: {name} has shape {shape}; expected (…, {size}), the head's dimensions")
        return ops.matmul(KINDS[self.kind][0](f, g), self.w) + self.b

    def probability(self, f: Any, g: Any) -> Tensor:
        """Return the probability that f and g, (…, D), are of one person: (…)."""
        return ops.sigmoid(self(f, g))


class IdentityClassifier(nn.Module):
    """A linear classifier of the people in the training set, with logits x w + b. It is dropped after training.

    loss() is the cross entropy: ∂L/∂x = (softmax − target) wᵀ / N. A new person needs another column of w, and training
    again. Source: Taigman et al. 2014, section 3.
    """

    def __init__(self, dimensions: int, people: int, *, seed: nn.Seed = None) -> None:
        self.logits = nn.Linear(dimensions, people, seed=seed)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (N, people) of encodings (N, D)."""
        return self.logits(x)

    def loss(self, x: Any, labels: Any, *, smoothing: float = 0.0) -> Tensor:
        """Return the mean cross entropy of encodings (N, D). labels: (N,) integers, the person of each."""
        return ops.cross_entropy(self(x), labels, smoothing=smoothing)

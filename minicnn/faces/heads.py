"""What sits on an encoder: is this pair one person, and which of the known people is it?

A Siamese network is one encoder that is called twice, head(encoder(x), encoder(y)), and both calls add to the gradients
of the same parameters. Source: Bromley et al. 1993; the heads: Taigman, Yang, Ranzato & Wolf 2014 (DeepFace), which
trained its encoder as a classifier and put them on top.
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
    """(f − g)² / (f + g), elementwise with broadcasting: a difference counts more where there is little of either.

    f, g: of 0 or more, such as what a ReLU gives. Where both are 0, χ² and its gradient are 0.

    ∂χ²/∂f = (f − g)(f + 3g) / (f + g)²,  ∂χ²/∂g = −(f − g)(3f + g) / (f + g)².     Source: Taigman et al., section 4.1.
    """
    f, g = as_floats(f), as_floats(g)
    for name, array in (("f", f), ("g", g)):
        if (array < 0).any():
            raise InputError(
                f"chi2: {name} holds {array.min():.4g}; expected numbers of 0 or more, as behind a ReLU: among signed "
                "ones f + g vanishes or turns negative, and (f − g)² / (f + g) is no distance; use l1 or l2 for them"
            )
    difference, total = f - g, f + g

    def part(x):
        return quotient(x, total)

    def backward(dz):
        slope = dz * part(difference)
        return slope * part(f + 3 * g), -slope * part(3 * f + g)

    return difference * part(difference), backward


# φ of each kind, and what a head that has learned nothing yet weighs it by: so that for unit vectors at a distance of 1
# the sum is near 1, and the probability near one half.
KINDS: dict[str, tuple[Callable[[Any, Any], Tensor], Callable[[int], float]]] = {
    "l1": (lambda f, g: ops.abs(ops.sub(f, g)), lambda dimensions: dimensions**-0.5),
    "l2": (lambda f, g: ops.square(ops.sub(f, g)), lambda dimensions: 1.0),
    "chi2": (chi_square, lambda dimensions: 2 * dimensions**-0.5),
}


class PairHead(nn.Module):
    """Whether two encodings are of one person: the logit z = Σ wₖ φₖ + b, of which the sigmoid is the probability.

    head(f, g): f and g (…, D), with broadcasting -> z (…). Train it, and the encoder below, by
    ops.binary_cross_entropy(head(f, g), same): ∂L/∂z = (ŷ − y) / N and ∂L/∂f = (ŷ − y) / N · w · ∂φ/∂f.

    kind: "l1", φ = |f − g|; "l2", φ = (f − g)²; "chi2", φ = (f − g)² / (f + g), for features of 0 or more only.
    dimensions: D. The first w is one negative number, with which the head is a threshold for the plain distance.
    Source: Taigman et al. 2014, sections 4.1 and 4.2.
    """

    def __init__(self, kind: str = "l1", dimensions: int = 128) -> None:
        if kind not in KINDS:
            raise InputError(f"PairHead: kind is {kind!r}; expected one of {', '.join(KINDS)}")
        check_count("PairHead: dimensions", dimensions)
        self.kind = kind
        weight = KINDS[kind][1]
        self.w = Tensor(np.full(dimensions, -weight(dimensions), np.float32), requires_grad=True)
        self.b = Tensor(np.ones((), np.float32), requires_grad=True)

    def __call__(self, f: Any, g: Any) -> Tensor:  # type: ignore[override]  # of two, where a layer has one input
        for name, shape in (("f", np.shape(f)), ("g", np.shape(g))):
            if shape[-1:] != self.w.shape:
                size = self.w.size
                raise InputError(f"PairHead: {name} has shape {shape}; expected (…, {size}), the head's dimensions")
        return ops.matmul(KINDS[self.kind][0](f, g), self.w) + self.b

    def probability(self, f: Any, g: Any) -> Tensor:
        """That f and g are of one person: between 0 and 1, (…)."""
        return ops.sigmoid(self(f, g))


class IdentityClassifier(nn.Module):
    """Which of the people it was trained on: logits x w + b, one a person. An encoder learns by it, then it is dropped.

    loss() is the cross entropy: ∂L/∂x = (softmax − target) wᵀ / N. What it cannot do is meet somebody new: a person
    more is a column more, and training again. Source: Taigman et al. 2014, section 3.
    """

    def __init__(self, dimensions: int, people: int, *, seed: nn.Seed = None) -> None:
        self.logits = nn.Linear(dimensions, people, seed=seed)

    def forward(self, x: Tensor) -> Tensor:
        """Encodings (N, D) -> logits (N, people)."""
        return self.logits(x)

    def loss(self, x: Any, labels: Any, *, smoothing: float = 0.0) -> Tensor:
        """The mean cross entropy of encodings (N, D) whose people are `labels`, (N,) integers."""
        return ops.cross_entropy(self(x), labels, smoothing=smoothing)

"""Gradient check cases for each differentiable function of this package; see minicnn/gradients/cases.py."""

from collections.abc import Callable
from typing import Any

import numpy as np

from minicnn.faces import centres, distances, heads, losses
from minicnn.gradients.cases import Draw, OpCase, distinct, normal, positive
from minicnn.tensor import Tensor

TRIPLETS = np.array([[0, 1, 2], [1, 0, 3], [2, 3, 0], [3, 2, 4], [2, 3, 4]])
SAME = np.array([1, 0, 1, 0, 0])
LABELS = np.array([0, 2, 0, 1, 2])
CENTRES = np.linspace(-1, 1, 9).reshape(3, 3)

THREE = normal((5, 3), (5, 3), (5, 3))
PAIR = normal((5, 3), (5, 3))


def _pair_head(kind: str) -> Callable[..., Tensor]:
    def logits(f: Any, g: Any, w: Any, b: Any) -> Tensor:
        head = heads.PairHead(kind, 3)
        head.w, head.b = w, b
        return head(f, g)

    return logits


def _classifier_loss(x: Any, w: Any, b: Any) -> Tensor:
    classifier = heads.IdentityClassifier(3, 3)
    classifier.logits.w, classifier.logits.b = w, b
    return classifier.loss(x, LABELS)


def _rows(op: str, function: Callable[..., Tensor], draw: Draw, arguments: tuple, **named: dict) -> list[OpCase]:
    return [OpCase(op, draw, arguments, options, name.replace("_", "-"), function) for name, options in named.items()]


CASES: tuple[OpCase, ...] = (
    OpCase("distance", normal((3, 1, 4), (2, 4)), name="broadcast", call=distances.distance),
    *_rows("distance", distances.distance, PAIR, (), l2={"metric": "l2"}, cosine={"metric": "cosine"}),
    *_rows(
        "triplet_loss",
        losses.triplet_loss,
        THREE,
        (),
        sum={},
        mean={"reduction": "mean"},
        active={"reduction": "active"},
        each={"reduction": "none"},
        soft={"margin": "soft"},
        plain={"squared": False, "margin": 0.3},
        plain_soft={"squared": False, "margin": "soft"},
    ),
    *_rows(
        "batch_triplet_loss",
        losses.batch_triplet_loss,
        normal((5, 3)),
        (TRIPLETS,),
        active={"reduction": "active"},
        each={"reduction": "none"},
        plain={"squared": False},
        soft={"margin": "soft"},
    ),
    OpCase("contrastive_loss", PAIR, (SAME,), {"margin": 3.0}, call=losses.contrastive_loss),
    OpCase("contrastive_loss", PAIR, (SAME,), {"margin": 3.0, "reduction": "mean"}, "mean", losses.contrastive_loss),
    OpCase("centre_loss", normal((5, 3)), (LABELS, CENTRES), call=centres.centre_loss),
    OpCase("centre_loss", normal((5, 3)), (LABELS, CENTRES), {"rule": "wen"}, "wen", centres.centre_loss),
    OpCase("chi_square", positive((3, 1, 4), (2, 4)), name="broadcast", call=heads.chi_square),
    OpCase("PairHead", distinct((5, 3), (5, 3), (3,), ()), name="l1", call=_pair_head("l1")),
    OpCase("PairHead", normal((5, 3), (1, 3), (3,), ()), name="l2", call=_pair_head("l2")),
    OpCase("PairHead", positive((5, 3), (5, 3), (3,), ()), name="chi2", call=_pair_head("chi2")),
    OpCase("IdentityClassifier", normal((5, 3), (3, 3), (3,)), call=_classifier_loss),
)

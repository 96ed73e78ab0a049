"""Gradient check cases for each differentiable function of this package; see minicnn/gradients/cases.py."""

from typing import Any

import numpy as np

from minicnn.gradients.cases import OpCase, distinct, normal
from minicnn.style import costs
from minicnn.style.costs import covariance, overlap
from minicnn.style.parametrization import enlarge
from minicnn.style.variation import VARIATION_FORMS, variation

FEATURES = normal((1, 3, 4, 5))
PAIR = normal((1, 3, 4, 5), (1, 3, 4, 5))
OTHER_SIZE = normal((1, 3, 4, 5), (1, 2, 4, 5))
IMAGE_SIZE: dict[str, Any] = {"image_size": (6, 8)}


def _style_cost(style, generated):
    return costs.style_cost({"a": style, "b": style}, {"a": generated, "b": generated}, {"a": 0.2, "b": 0.3})


def _from_fixed(cost, form):
    """Return the cost with a constant target: forms that scale by its energy or variance have no gradient to it."""
    target = np.random.default_rng(5).standard_normal((1, 3, 4, 5))
    return lambda generated: cost(target, generated, form=form)


def _total_cost(content, style):
    return costs.total_cost(content, style, alpha=3, beta=8)


def _covariances(random: np.random.Generator) -> tuple[np.ndarray, ...]:
    clouds = random.standard_normal((2, 4, 9))
    return tuple(cloud @ cloud.T / 9 for cloud in clouds)


def _overlap(a, b):
    """Compute overlap of symmetrized matrices: its gradient requires symmetry, which finite differences break."""
    return overlap((a + a.transpose((1, 0))) / 2, (b + b.transpose((1, 0))) / 2)


CASES: tuple[OpCase, ...] = (
    *(
        OpCase("content_cost", PAIR, (), {"form": form}, form, costs.content_cost)
        for form in ("course", "gatys", "sum")
    ),
    OpCase("layer_style_cost", PAIR, call=costs.layer_style_cost),
    *(
        OpCase("layer_style_cost", OTHER_SIZE, (), {"form": form, **IMAGE_SIZE}, form, costs.layer_style_cost)
        for form in ("mean", "johnson", "keras", "wasserstein")
    ),
    OpCase("content_cost", FEATURES, name="relative", call=_from_fixed(costs.content_cost, "relative")),
    *(
        OpCase("layer_style_cost", FEATURES, name=form, call=_from_fixed(costs.layer_style_cost, form))
        for form in ("relative", "wasserstein-ridge")
    ),
    OpCase("style_cost", PAIR, call=_style_cost),
    OpCase("total_cost", normal((), ()), call=_total_cost),
    OpCase("total_variation", distinct((1, 3, 4, 2)), call=costs.total_variation),
    OpCase("total_variation", normal((1, 3, 4, 2)), options={"power": 2}, name="squared", call=costs.total_variation),
    *(OpCase("variation", distinct((1, 4, 3, 2)), (form,), {}, form, variation) for form in VARIATION_FORMS),
    OpCase("covariance", normal((1, 3, 3), (1, 3)), (), {"added": 0.5}, call=covariance),
    OpCase("overlap", _covariances, call=_overlap),
    OpCase("gram_matrix", FEATURES),
    OpCase("enlarge", normal((1, 3, 2, 2)), ((6, 3),), call=enlarge),
)

"""One row for each differentiable function of this room; see minicnn/op_cases.py."""

from minicnn.op_cases import OpCase, distinct, normal
from minicnn.style import costs

PAIR = normal((1, 3, 4, 5), (1, 3, 4, 5))


def _style_cost(style, generated):
    return costs.style_cost({"a": style, "b": style}, {"a": generated, "b": generated}, {"a": 0.2, "b": 0.3})


def _total_cost(content, style):
    return costs.total_cost(content, style, alpha=3, beta=8)


CASES: tuple[OpCase, ...] = (
    OpCase("content_cost", PAIR, call=costs.content_cost),
    OpCase("content_cost", PAIR, options={"form": "gatys"}, name="gatys", call=costs.content_cost),
    OpCase("layer_style_cost", PAIR, call=costs.layer_style_cost),
    OpCase("layer_style_cost", normal((1, 3, 4, 5), (1, 2, 4, 5)), name="other-size", call=costs.layer_style_cost),
    OpCase("style_cost", PAIR, call=_style_cost),
    OpCase("total_cost", normal((), ()), call=_total_cost),
    OpCase("total_variation", distinct((1, 3, 4, 2)), call=costs.total_variation),
    OpCase("total_variation", normal((1, 3, 4, 2)), options={"power": 2}, name="squared", call=costs.total_variation),
    OpCase("gram_matrix", normal((1, 3, 4, 5)), call=costs.gram_matrix),
)

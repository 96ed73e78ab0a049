"""Exercise: the total cost."""

from minicnn.learn.exercise import Case, Exercise, Slip
from minicnn.tensor import Tensor


def total_cost(J_content, J_style, alpha=10, beta=40):
    """The total cost: what the picture shows and how it is painted, weighed against each other.

        J = α · J_content + β · J_style

    J_content, J_style: numbers, or Tensors with a single number. alpha, beta: α and β, numbers.

    Return J.
    """
    return alpha * J_content + beta * J_style


EXERCISE = Exercise(
    function=total_cost,
    title="content and style, weighed against each other",
    lecture="Cost function",
    read="tutorials/03_style_transfer_by_hand.py",
    imports="from minicnn import ops",
    cases=(
        Case("the course's: 0.2 and 0.8, α = 10 and β = 40 by default", lambda: [0.2, 0.8], {"": 34.0}),
        Case("the course's: 0.3 and 0.5, α = 3 and β = 8", lambda: [0.3, 0.5, 3, 8], {"": 4.9}),
        Case("two Tensors", lambda: [Tensor(7.056877), Tensor(14.017808)], {"": 631.28109}),
        Case("no content at all: a texture", lambda: [0.7, 0.4, 0, 2], {"": 0.8}),
    ),
    slips=(
        Slip("swapped weights", "Each weight is with the other cost.", lambda c, s, a=10, b=40: b * c + a * s),
        Slip(
            "defaults only",
            "With the usual weights you are right, with others not: you do not use those that you are given.",
            lambda c, s, a=10, b=40: 10 * c + 40 * s,
        ),
        Slip(
            "no weights",
            "You add up both costs as they are. Who says how much each of them counts?",
            lambda c, s, a=10, b=40: c + s,
        ),
        Slip(
            "content alone", "Half of the cost is missing: how is the picture painted?", lambda c, s, a=10, b=40: a * c
        ),
        Slip("style alone", "Half of the cost is missing: what does the picture show?", lambda c, s, a=10, b=40: b * s),
        Slip(
            "product",
            "You multiply the two. If one of them were 0, the other would not matter.",
            lambda c, s, a=10, b=40: a * c * b * s,
        ),
        Slip(
            "mean",
            "You divide by the sum of the weights, or by their number. The formula divides by nothing.",
            lambda c, s, a=10, b=40: (a * c + b * s) / (a + b),
        ),
        Slip("style unweighted", "The style counts as it is. Who says how much?", lambda c, s, a=10, b=40: a * c + s),
        Slip(
            "content unweighted",
            "The content counts as it is. Who says how much?",
            lambda c, s, a=10, b=40: c + b * s,
        ),
        Slip(
            "one weight for both",
            "Both costs are weighed alike. There are two weights.",
            (
                lambda c, s, a=10, b=40: a * (c + s),
                lambda c, s, a=10, b=40: b * (c + s),
                lambda c, s, a=10, b=40: (a + b) * (c + s),
            ),
        ),
        Slip(
            "difference",
            "One cost is taken off the other. A picture that is painted quite differently shall not cost less.",
            (lambda c, s, a=10, b=40: a * c - b * s, lambda c, s, a=10, b=40: b * s - a * c),
        ),
        Slip(
            "one cost twice",
            "One of the two costs is there twice, and the other not at all.",
            (lambda c, s, a=10, b=40: (a + b) * s, lambda c, s, a=10, b=40: (a + b) * c),
        ),
    ),
    hints=(
        "If α is large, which of the two shall the picture respect?",
        "Each cost times its weight, and then the sum of both.",
        "alpha goes with J_content, beta with J_style.",
    ),
)

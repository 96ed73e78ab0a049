"""Exercise: the content cost."""

import numpy as np

from minicnn import ops
from minicnn.learn.drawing import features, others
from minicnn.learn.exercise import Case, Exercise, Slip
from minicnn.learn.observing import answer_and_gradients


def compute_content_cost(content_output, generated_output):
    """The content cost: how far the generated picture's features are from the photograph's, place by place.

        J_content = Σ (a_C − a_G)² / (4 · H · W · C)

    content_output: a_C, a Tensor (1, H, W, C): what a layer says of the photograph.
    generated_output: a_G, of the same shape: what it says of the generated picture.

    Return J_content, a Tensor with a single number.
    """
    _, H, W, C = generated_output.shape
    return ops.sum(ops.square(content_output - generated_output)) / (4 * H * W * C)


def _sum(content, generated):
    return ops.sum(ops.square(content - generated))


EXERCISE = Exercise(
    function=compute_content_cost,
    title="does the picture show what the photograph shows?",
    lecture="Content cost function",
    read="tutorials/03_style_transfer_by_hand.py",
    imports="from minicnn import ops",
    observe=answer_and_gradients("a_G"),
    cases=(
        Case("a picture compared with itself", lambda: features(0, 0), {"": 0.0}),
        Case("the course's features, 4×4 with 3 channels", lambda: features(0, 1), {"": 7.056877}, tolerance=3e-6),
        Case("features of another size, 3×5 with 2 channels", lambda: others((1, 3, 5, 2), (1, 3, 5, 2))),
    ),
    slips=(
        Slip(
            "no quarter",
            "Exactly four times too much. Read what the formula divides by, to its end.",
            lambda c, g: _sum(c, g) / g.size,
        ),
        Slip(
            "Gatys",
            "That is ½ Σ (ΔF)², from the paper. Not wrong, another convention: the course divides so that the cost "
            "does not grow with the layer. By what?",
            lambda c, g: _sum(c, g) * 0.5,
        ),
        Slip(
            "not divided",
            "That is the sum. A layer twice as large would have twice the cost, whatever it shows; what is it divided "
            "by?",
            _sum,
        ),
        Slip(
            "no channels",
            "You divide by the places only. What of the third size of a layer?",
            lambda c, g: _sum(c, g) / (4 * g.shape[1] * g.shape[2]),
        ),
        Slip(
            "absolute",
            "You add up differences without their sign. The formula punishes one large difference more than many small "
            "ones. How?",
            lambda c, g: ops.sum(ops.abs(c - g)) / (4 * g.size),
        ),
        Slip(
            "square of the sum",
            "Differences of opposite sign cancel before you square them. Which comes first?",
            lambda c, g: ops.square(ops.sum(c - g)) / (4 * g.size),
        ),
        Slip(
            "root",
            "You took the root in the end: that is a distance. The cost is a sum of squares.",
            lambda c, g: ops.sqrt(_sum(c, g) + np.finfo(np.float32).tiny) / (4 * g.size),
        ),
        Slip(
            "multiplied by the sizes",
            "Far too large: Python goes from left to right, so that a / b * c is (a / b) · c. By what do you divide?",
            (
                lambda c, g: _sum(c, g) / 4 * g.size,
                lambda c, g: _sum(c, g) * g.size,
            ),
        ),
        Slip(
            "other sizes",
            "With the course's features you are right, with others not. Which numbers of yours are those of one layer "
            "only?",
            lambda c, g: _sum(c, g) / (4 * 4 * 4 * 3),
        ),
        Slip(
            "not squared",
            "Your cost can be negative: differences of opposite sign cancel.",
            (
                lambda c, g: ops.sum(c - g) / (4 * g.size),
                lambda c, g: ops.sum(g - c) / (4 * g.size),
            ),
        ),
        Slip(
            "difference of the squares",
            "You square each picture's features, and then subtract. The difference comes first.",
            (
                lambda c, g: (ops.sum(ops.square(c)) - ops.sum(ops.square(g))) / (4 * g.size),
                lambda c, g: (ops.sum(ops.square(g)) - ops.sum(ops.square(c))) / (4 * g.size),
            ),
        ),
    ),
    hints=(
        "If both pictures showed the same, what would a_C − a_G be? What one number tells how far it is from that?",
        "Subtract, square, add up all H·W·C squares, then divide by 4 · H · W · C. The sizes are in `.shape`.",
        "`_, H, W, C = generated_output.shape`; ops.square and ops.sum do the rest: `ops.sum(…) / (4 * H * W * C)`.",
    ),
)

"""Exercise: the triplet loss."""

import numpy as np

from minicnn import ops
from minicnn.learn.exercise import Case, Exercise, Slip
from minicnn.learn.observing import answer_and_gradients
from minicnn.learn.tensorflow_random import tensorflow_normal
from minicnn.tensor import Tensor


def triplet_loss(y_true, y_pred, alpha=0.2):
    """The triplet loss: an anchor shall be nearer to its own person than to anybody else, by a margin.

        L = Σᵢ max(‖Aᵢ − Pᵢ‖² − ‖Aᵢ − Nᵢ‖² + α, 0)

    y_true: not used; it is there because Keras calls every loss with it.
    y_pred: three Tensors [A, P, N], each (T, D): the encodings of T anchors, of as many pictures of the same people
        (positives), and of as many of somebody else (negatives). Row i of all three is one triplet.
    alpha: the margin α, a number.

    Return L, a Tensor with a single number. Use minicnn.ops (sum, square, maximum, …) and the operators of Tensors, so
    that gradients flow back to A, P and N.
    """
    A, P, N = y_pred
    near = ops.sum(ops.square(A - P), axis=1)
    far = ops.sum(ops.square(A - N), axis=1)
    return ops.sum(ops.maximum(near - far + alpha, 0.0))


def _course():
    """Three triplets of 128 numbers; A has mean 6 and deviation 0.1, P 1 and 1, N 3 and 4."""
    count = 3 * 128
    drawn = [tensorflow_normal((3, 128), 1, 1, skip=call * count * 256) for call in range(3)]
    spread = ((0.1, 6), (1, 1), (4, 3))
    return None, [
        Tensor(z * deviation + mean, requires_grad=True) for z, (deviation, mean) in zip(drawn, spread, strict=True)
    ]


def _toy(title, alpha, expected, *points):
    def arguments():
        return None, [Tensor(np.array(rows, float), requires_grad=True) for rows in points], alpha

    return Case(title, arguments, {"": expected})


def _near(y_pred):
    A, P, _ = y_pred
    return ops.sum(ops.square(A - P), axis=1)


def _far(y_pred):
    A, _, N = y_pred
    return ops.sum(ops.square(A - N), axis=1)


def _unsquared(y_true, y_pred, alpha=0.2):
    near, far = ops.sqrt(_near(y_pred) + 1e-30), ops.sqrt(_far(y_pred) + 1e-30)
    return ops.sum(ops.maximum(near - far + alpha, 0.0))


EXERCISE = Exercise(
    function=triplet_loss,
    title="an anchor, a positive, a negative, and a margin",
    lecture="Triplet loss",
    read="tutorials/06_triplets.py",
    imports="from minicnn import ops",
    observe=answer_and_gradients("A", "P", "N"),
    cases=(
        _toy("three points in one place: only the margin is left", 5, 5.0, [[1, 1]], [[1, 1]], [[1, 1]]),
        _toy("the negative is away already, but not far enough", 3, 1.0, [[1, 1]], [[1, 1]], [[0, 0]]),
        _toy("the wrong way round, without a margin", 0, 2.0, [[1, 1]], [[0, 0]], [[1, 1]]),
        _toy("a triplet that asks for nothing", -2, 0.0, [[0, 0]], [[0, 0]], [[0, 0]]),
        _toy("two triplets", 3, 2.0, [[1, 0], [1, 0]], [[1, 0], [1, 0]], [[0, 1], [0, 1]]),
        _toy(
            "one that is satisfied beside one that is not", 1, 2.0, [[0, 0], [0, 0]], [[0, 0], [1, 0]], [[3, 4], [0, 0]]
        ),
        Case("the course's three triplets of 128 numbers, α = 0.2 by default", _course, {"": 527.2598}, tolerance=3e-6),
    ),
    slips=(
        Slip(
            "mean",
            "With one triplet you are right, with several you are too small. How does the formula put the triplets "
            "together?",
            lambda _, y, alpha=0.2: ops.mean(ops.maximum(_near(y) - _far(y) + alpha, 0.0)),
        ),
        Slip(
            "no margin",
            "Where all three points are in one place, nothing is lost by your formula. An encoder that maps everybody "
            "to one point would like that. What is missing?",
            lambda _, y, alpha=0.2: ops.sum(ops.maximum(_near(y) - _far(y), 0.0)),
        ),
        Slip(
            "unsquared",
            "Your distances are right, but they are not the ones that the formula subtracts. Look at the little number "
            "above the bars.",
            _unsquared,
        ),
        Slip(
            "swapped",
            "You push away the wrong picture: your loss falls when the anchor leaves its own person. Who is P, who N?",
            lambda _, y, alpha=0.2: ops.sum(ops.maximum(_far(y) - _near(y) + alpha, 0.0)),
        ),
        Slip(
            "hinge after the sum",
            "One triplet that is far better than it must be pays for another's misery. What comes first, the maximum "
            "or the sum over triplets?",
            (
                lambda _, y, alpha=0.2: ops.maximum(ops.sum(_near(y) - _far(y) + alpha), 0.0),
                lambda _, y, alpha=0.2: ops.maximum(ops.sum(_near(y) - _far(y)) + alpha, 0.0),
            ),
        ),
        Slip(
            "no hinge",
            "Your loss can be negative. A triplet that is satisfied shall cost nothing, and earn nothing either.",
            (
                lambda _, y, alpha=0.2: ops.sum(_near(y) - _far(y) + alpha),
                lambda _, y, alpha=0.2: ops.sum(_near(y) - _far(y)) + alpha,
            ),
        ),
        Slip(
            "positive against negative",
            "Both distances begin at the anchor. One of yours is between the positive and the negative.",
            lambda _, y, alpha=0.2: ops.sum(
                ops.maximum(_near(y) - ops.sum(ops.square(y[1] - y[2]), axis=1) + alpha, 0.0)
            ),
        ),
        Slip(
            "margin always 0.2",
            "You are right where the margin is 0.2, and only there. Who says how large it is?",
            lambda _, y, alpha=0.2: ops.sum(ops.maximum(_near(y) - _far(y) + 0.2, 0.0)),
        ),
        Slip(
            "margin taken off",
            "Your margin has the wrong sign: a triplet gets away although the negative is as near as the positive.",
            lambda _, y, alpha=0.2: ops.sum(ops.maximum(_near(y) - _far(y) - alpha, 0.0)),
        ),
        Slip(
            "margin after the hinge",
            "You add the margin when the maximum is taken already, so that a triplet that is satisfied pays for it, "
            "too.",
            (
                lambda _, y, alpha=0.2: ops.sum(ops.maximum(_near(y) - _far(y), 0.0)) + alpha,
                lambda _, y, alpha=0.2: ops.sum(ops.maximum(_near(y) - _far(y), 0.0) + alpha),
            ),
        ),
        Slip(
            "not added up",
            "That is one loss for each triplet, and each is right. The formula makes one number of them.",
            lambda _, y, alpha=0.2: ops.maximum(_near(y) - _far(y) + alpha, 0.0),
        ),
        Slip(
            "added up over triplets",
            "Your distances have a number for each of the D numbers of an encoding: you added along the axis of the "
            "triplets. Which of the two axes is one encoding?",
            lambda _, y, alpha=0.2: ops.sum(
                ops.maximum(
                    ops.sum(ops.square(y[0] - y[1]), axis=0) - ops.sum(ops.square(y[0] - y[2]), axis=0) + alpha, 0.0
                )
            ),
        ),
        Slip(
            "hinge for every number",
            "You take the maximum before the D squares of a distance are added up, and add a margin to every one.",
            lambda _, y, alpha=0.2: ops.sum(
                ops.maximum(ops.square(y[0] - y[1]) - ops.square(y[0] - y[2]) + alpha, 0.0)
            ),
        ),
        Slip(
            "smaller of both",
            "You take the smaller of 0 and what is too large, so that only satisfied triplets count, and below 0. "
            "Which of the two does the formula keep?",
            lambda _, y, alpha=0.2: ops.sum(ops.minimum(_near(y) - _far(y) + alpha, 0.0)),
        ),
        Slip(
            "size for the hinge",
            "You take the absolute value. A triplet that is far better than it must be then costs the most; it should "
            "cost nothing.",
            lambda _, y, alpha=0.2: ops.sum(ops.abs(_near(y) - _far(y) + alpha)),
        ),
        Slip(
            "everybody with everybody",
            "One of your distances is (T, 1) and the other (T,). NumPy stretches their difference to (T, T), so that "
            "each positive meets every negative. Sum both with keepdims, or none.",
            (
                lambda _, y, alpha=0.2: ops.sum(ops.maximum(_near(y).reshape(-1, 1) - _far(y) + alpha, 0.0)),
                lambda _, y, alpha=0.2: ops.sum(ops.maximum(_near(y) - _far(y).reshape(-1, 1) + alpha, 0.0)),
            ),
        ),
        Slip(
            "means of the squares",
            "You take the mean over the D numbers of an encoding. ‖x‖² is a sum.",
            lambda _, y, alpha=0.2: ops.sum(
                ops.maximum(
                    ops.mean(ops.square(y[0] - y[1]), axis=1) - ops.mean(ops.square(y[0] - y[2]), axis=1) + alpha, 0.0
                )
            ),
        ),
        Slip(
            "square of a sum",
            "Differences of opposite sign cancel before you square them. Which comes first?",
            lambda _, y, alpha=0.2: ops.sum(
                ops.maximum(
                    ops.square(ops.sum(y[0] - y[1], axis=1)) - ops.square(ops.sum(y[0] - y[2], axis=1)) + alpha, 0.0
                )
            ),
        ),
    ),
    hints=(
        "Say it in words first. How far is each anchor from its positive? How far from its negative? By how much is "
        "the first too large, if it shall be smaller by α? There are T answers to each of these, one for every "
        "triplet.",
        "‖x‖² is a sum of squares, along the axis of the D numbers: axis=1 of (T, D). So `near` and `far` have the "
        "shape (T,). Then comes what is too large, (T,), then the maximum with 0 of each, and the sum over all T "
        "comes last.",
        "near = ops.sum(ops.square(A - P), axis=1), and `far` alike from A and N. "
        "ops.maximum(…, 0.0) takes a Tensor and a number. The last line is `return ops.sum(ops.maximum(…, 0.0))`.",
    ),
)

"""Exercise: the Gram matrix of a layer's channels."""

from minicnn import ops
from minicnn.learn.drawing import others
from minicnn.learn.exercise import Case, Exercise, Slip
from minicnn.learn.observing import answer_and_gradients
from minicnn.learn.tensorflow_random import course_draws
from minicnn.tensor import Tensor


def gram_matrix(A):
    """The Gram matrix: which channels respond together, wherever in the picture it may be.

        G = A Aᵀ        G[i, j] = Σₚ A[i, p] A[j, p]

    A: a Tensor (C, places), a row for each channel: what it says at each place, H·W of them.

    Return G, a Tensor (C, C).
    """
    return A @ A.T


EXERCISE = Exercise(
    function=gram_matrix,
    title="which channels respond together",
    lecture="Style cost function",
    read="tutorials/03_style_transfer_by_hand.py",
    imports="from minicnn import ops",
    observe=answer_and_gradients("A"),
    cases=(
        Case("one channel, two places", lambda: [Tensor([[3.0, 4.0]], requires_grad=True)], {"": [[25.0]]}),
        Case(
            "two channels that never respond together",
            lambda: [Tensor([[2.0, 0.0, 1.0], [0.0, 3.0, 0.0]], requires_grad=True)],
            {"": [[5.0, 0.0], [0.0, 9.0]]},
        ),
        Case(
            "the course's: 3 channels, 2 places",
            lambda: [Tensor(course_draws((3, 2), 1)[0], requires_grad=True)],
            tolerance=3e-6,
        ),
        Case("5 channels, 12 places", lambda: others((5, 12))),
    ),
    slips=(
        Slip(
            "places with places",
            "You compare places with places: your matrix has a row for each place. Style asks about channels, and "
            "where they respond is thrown away.",
            lambda A: A.T @ A,
        ),
        Slip(
            "elementwise",
            "You multiply numbers that stand in the same spot. A channel is to meet every other channel, not only "
            "itself.",
            lambda A: A * A,
        ),
        Slip(
            "elementwise with itself turned over",
            "`*` multiplies number by number, as far as the shapes allow it. That is no product of matrices.",
            lambda A: A * A.T,
        ),
        Slip(
            "divided by places",
            "That is a mean over the places. A good idea for pictures of different sizes, but this formula has no "
            "division in it; the style cost divides later.",
            lambda A: A @ A.T / A.shape[1],
        ),
        Slip(
            "divided by channels",
            "You divide by the number of channels. This formula has no division in it; the style cost divides later.",
            (lambda A: A @ A.T / A.shape[0], lambda A: A @ A.T / (A.shape[0] * A.shape[1])),
        ),
        Slip(
            "centred",
            "You subtract each channel's mean first: that is the covariance. The Gram matrix takes channels as they "
            "are.",
            lambda A: (A - A.mean(axis=1, keepdims=True)) @ (A - A.mean(axis=1, keepdims=True)).T,
        ),
        Slip(
            "normalized",
            "Your diagonal is all ones: you divide by the channels' lengths, which is a correlation. How strongly a "
            "channel responds belongs to the style, too.",
            lambda A: ops.l2_normalize(A, axis=1) @ ops.l2_normalize(A, axis=1).T,
        ),
        Slip(
            "diagonal only",
            "You kept what each channel does with itself. Most of style is in the other entries: who responds with "
            "whom.",
            lambda A: ops.sum(A * A, axis=1),
        ),
        Slip(
            "summed",
            "That is a single number, or one for each place. Every *pair* of channels has a number of its own.",
            lambda A: ops.sum(A * A),
        ),
        Slip(
            "reshaped, not turned over",
            "A reshape cuts the same row of numbers anew; it does not make rows of columns. Print both for 2×3.",
            (
                lambda A: A @ A.reshape(A.shape[1], A.shape[0]),
                lambda A: A.reshape(A.shape[1], A.shape[0]) @ A.reshape(A.shape[1], A.shape[0]).T,
            ),
        ),
        Slip(
            "half of the gradient",
            "The numbers are right, but one factor is no Tensor any more: half of the gradient does not find its way.",
            (lambda A: A @ A.data.T, lambda A: Tensor(A.data) @ A.T),
        ),
    ),
    hints=(
        "How do you say by one number how much two rows of A have in common? And how many pairs of rows are there?",
        "Each entry of G is the dot product of two rows of A. A matrix product makes all of them at once: rows of the "
        "left matrix with columns of the right one. So the rows of A have to become columns.",
        "`@` is the matrix product of Tensors, and `.T` turns one over. Which of `A @ A.T` and `A.T @ A` is (C, C)?",
    ),
)

"""Exercise: the Gram matrix of a part of a picture."""

import numpy as np

from minicnn import ops
from minicnn.learn.drawing import others
from minicnn.learn.exercise import Case, Exercise, Slip
from minicnn.learn.observing import answer_and_gradients
from minicnn.tensor import Tensor


def guided_gram(A, guide):
    """The Gram matrix of a region: which channels respond together *there*.

        G = A diag(g) Aᵀ / Σₚ gₚ        G[i, j] = Σₚ gₚ A[i, p] A[j, p] / Σₚ gₚ

    A: a Tensor (C, places), a row for each channel. guide: an array (places,) from 0 to 1, g: how much each place
    belongs to the region.

    Return G, a Tensor (C, C). It is a mean over the region, so that a small region compares with a large one.
    """
    return (A * guide) @ A.T / guide.sum()


def _drawn(channels, places, seed, soft):
    def arguments():
        (A,) = others((channels, places), seed=seed)
        guide = np.random.default_rng(seed).random(places)
        return [A, guide if soft else (guide < 0.4).astype(float)]

    return arguments


EXERCISE = Exercise(
    function=guided_gram,
    title="which channels respond together in a region",
    lecture="Style cost function",
    read="tutorials/24_whose_gram.py",
    imports="import numpy as np\n\nfrom minicnn import ops",
    observe=answer_and_gradients("A"),
    cases=(
        Case(
            "two places, of which one counts",
            lambda: [Tensor([[3.0, 4.0], [1.0, 2.0]], requires_grad=True), np.array([0.0, 1.0])],
            {"": [[16.0, 8.0], [8.0, 4.0]]},
        ),
        Case(
            "half of a place",
            lambda: [Tensor([[3.0, 4.0]], requires_grad=True), np.array([1.0, 0.5])],
            {"": [[(9.0 + 8.0) / 1.5]]},
        ),
        Case("all places", lambda: [*others((3, 8)), np.ones(8)]),
        Case("4 channels, a region with sharp edges", _drawn(4, 20, 1, soft=False)),
        Case("5 channels, a region with soft edges", _drawn(5, 12, 2, soft=True)),
        Case("as many channels as places", _drawn(6, 6, 3, soft=True)),
    ),
    slips=(
        Slip(
            "guide twice",
            "Where the guide is ½, your places count a quarter: both factors have it. Let one have it, or each its "
            "square root.",
            lambda A, guide: (A * guide) @ (A * guide).T / guide.sum(),
        ),
        Slip(
            "Gatys's normalization",
            "You divide by Σ g², as Gatys et al. do, whose guides are multiplied with both factors. Here g counts "
            "once, and so does the sum.",
            (
                lambda A, guide: (A * guide) @ (A * guide).T / (guide**2).sum(),
                lambda A, guide: (A * guide) @ A.T / (guide**2).sum(),
            ),
        ),
        Slip(
            "undivided",
            "That is a sum. A region of a tenth of the picture would have a tenth of the style, and its cost would "
            "hardly count.",
            lambda A, guide: (A * guide) @ A.T,
        ),
        Slip(
            "divided by all places",
            "You divide by the places of the picture. The mean is over those of the region, of which there are Σ g.",
            lambda A, guide: (A * guide) @ A.T / A.shape[1],
        ),
        Slip(
            "without the guide",
            "Your matrix is that of the whole picture: the guide is not used where places are summed.",
            (lambda A, guide: A @ A.T / guide.sum(), lambda A, guide: A @ A.T / A.shape[1], lambda A, guide: A @ A.T),
        ),
        Slip(
            "sharp edges",
            "You make a soft edge sharp: a place counts all or nothing. Let it count as much as the guide says.",
            lambda A, guide: (A * (guide > 0.5)) @ A.T / (guide > 0.5).sum(),
        ),
        Slip(
            "the rest",
            "That is the region of everybody else: 1 − g.",
            lambda A, guide: (A * (1 - guide)) @ A.T / max((1 - guide).sum(), 1e-9),
        ),
        Slip(
            "centred",
            "You subtract each channel's mean over the region first: that is the covariance. The Gram matrix takes "
            "channels as they are.",
            lambda A, guide: _centred(A, guide),
        ),
        Slip(
            "guide for channels",
            "The guide has one number for each place. Along which axis of A do the places lie?",
            (
                lambda A, guide: (A * guide[: A.shape[0], None]) @ A.T / guide.sum(),
                lambda A, guide: A @ (A.T * guide) / guide.sum(),
            ),
        ),
        Slip(
            "half of the gradient",
            "The numbers are right, but one factor is no Tensor any more: half of the gradient does not find its way.",
            (
                lambda A, guide: (A * guide) @ A.data.T / guide.sum(),
                lambda A, guide: (A.data * guide) @ A.T / guide.sum(),
            ),
        ),
    ),
    hints=(
        "A Gram matrix is a sum over places. What does it take for a place to count not at all, and for one to count "
        "half?",
        "Multiply each column of A by its number of the guide, in one of the two factors only. Then, of how many "
        "places is it the sum?",
        "`A * guide` multiplies along the last axis, that of places. `(A * guide) @ A.T` is the sum; `guide.sum()` is "
        "how many places there are in the region.",
    ),
)


def _centred(A, guide):
    centred = A - ops.sum(A * guide, axis=1, keepdims=True) / guide.sum()
    return (centred * guide) @ centred.T / guide.sum()

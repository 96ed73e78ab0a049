"""Exercise: are these two pictures of one person?"""

import numpy as np

from minicnn.learn.drawing import normal
from minicnn.learn.exercise import Case, Exercise, Slip


def pair_head(f, g, w, b):
    """Verification as binary classification: how probable is it that two pictures show one person?

        ŷ = σ(Σ_k w_k · |f_k − g_k| + b),        σ(z) = 1 / (1 + e^(−z))

    f, g: the encodings of both pictures, arrays (N, D): N pairs. w: (D,), what each difference counts. b: a number.

    Return ŷ, (N,): a probability for each pair.
    """
    z = np.abs(f - g) @ w + b
    return 1 / (1 + np.exp(-z))


def _sigmoid(z):
    return 1 / (1 + np.exp(-z))


def _head(difference, activation=_sigmoid):
    return lambda f, g, w, b: activation(difference(f, g) @ w + b)


def _drawn(N, D, seed, b):
    return lambda: [*normal((N, D), (N, D), (D,), seed=seed), b]


EXERCISE = Exercise(
    function=pair_head,
    title="one person or two, as a probability",
    lecture="Face verification and binary classification",
    read="tutorials/07_pairs.py",
    imports="import numpy as np",
    cases=(
        Case(
            "two encodings that are alike: only b speaks",
            lambda: [np.ones((1, 4)), np.ones((1, 4)), np.full(4, -1.0), 2.0],
            {"": [0.8807970779778823]},
        ),
        Case("one pair", _drawn(1, 6, 0, 0.5)),
        Case("five pairs of 128 numbers", lambda: [*(a / 8 for a in normal((5, 128), (5, 128), (128,), seed=1)), -0.3]),
        Case(
            "f and g exchanged: it makes no difference",
            lambda: [*normal((3, 6), (3, 6), (6,), seed=2)[::-1][1:], normal((3, 6), (3, 6), (6,), seed=2)[2], 0.1],
        ),
    ),
    slips=(
        Slip(
            "sign kept",
            "Your answer depends on who comes first. A difference shall count the same in either direction.",
            _head(lambda f, g: f - g),
        ),
        Slip(
            "squared",
            "You square the differences: a head of another kind, and a good one. This one takes them by their size.",
            _head(lambda f, g: (f - g) ** 2),
        ),
        Slip(
            "no sigmoid",
            "Your numbers are no probabilities yet: some lie outside of 0 to 1.",
            _head(lambda f, g: np.abs(f - g), lambda z: z),
        ),
        Slip(
            "no bias",
            "Two encodings that are alike give one half by your formula, whatever b is.",
            lambda f, g, w, b: _sigmoid(np.abs(f - g) @ w),
        ),
        Slip(
            "the other person",
            "You give the probability that they are *two* people: is there a sign too many, or too few?",
            _head(lambda f, g: np.abs(f - g), lambda z: _sigmoid(-z)),
        ),
        Slip(
            "hard",
            "Yes or no is decided later, by a threshold. How sure is the head?",
            _head(lambda f, g: np.abs(f - g), lambda z: z > 0),
        ),
        Slip(
            "product",
            "You multiply the encodings instead of comparing them.",
            _head(lambda f, g: f * g),
        ),
        Slip(
            "bias in every term",
            "You add b once for every number of the encoding. It stands behind the sum.",
            lambda f, g, w, b: _sigmoid((np.abs(f - g) * w + b).sum(axis=1)),
        ),
        Slip(
            "no weights",
            "All differences count the same by your formula. Which of them matter is what the head has learned.",
            lambda f, g, w, b: _sigmoid(np.abs(f - g).sum(axis=1) + b),
        ),
        Slip(
            "softmax",
            "You divide the probabilities among the pairs. Each pair is a question of its own.",
            _head(lambda f, g: np.abs(f - g), lambda z: np.exp(z) / np.exp(z).sum()),
        ),
        Slip(
            "added up over pairs",
            "You add up over the pairs, and a number for each of the D differences is left. Which axis is one pair?",
            lambda f, g, w, b: _sigmoid((np.abs(f - g) * w).sum(axis=0) + b),
        ),
        Slip(
            "one answer for all",
            "You add up over all pairs at once. Each pair is a question of its own.",
            lambda f, g, w, b: _sigmoid((np.abs(f - g) * w).sum() + b),
        ),
        Slip(
            "chi-square",
            "You divide the squares by f + g: the χ² similarity, another head of the course. This one takes |f − g|.",
            _head(lambda f, g: (f - g) ** 2 / (f + g)),
        ),
        Slip(
            "size of the sum",
            "You take |·| when all is added up. It stands inside the sum, around every single difference.",
            lambda f, g, w, b: _sigmoid(np.abs((f - g) @ w) + b),
        ),
        Slip(
            "size of the weights",
            "You take |·| of the weights as well. A weight may be negative: most of them should.",
            lambda f, g, w, b: _sigmoid(np.abs((f - g) * w).sum(axis=1) + b),
        ),
        Slip(
            "mean",
            "You divide by D. Σ is a sum.",
            lambda f, g, w, b: _sigmoid((np.abs(f - g) * w).mean(axis=1) + b),
        ),
        Slip(
            "no parentheses",
            "Some of your probabilities are above 1: Python divides before it adds. What stands below the line of the "
            "fraction?",
            _head(lambda f, g: np.abs(f - g), lambda z: 1 / 1 + np.exp(-z)),
        ),
        Slip(
            "tanh",
            "Your numbers lie between −1 and 1. Another curve of the same form, and not the one that is asked for.",
            _head(lambda f, g: np.abs(f - g), np.tanh),
        ),
        Slip(
            "standing",
            "Your answer is a column, (N, 1). One number for each pair has the shape (N,).",
            lambda f, g, w, b: _sigmoid(np.abs(f - g) @ w + b)[:, None],
        ),
    ),
    hints=(
        "It is logistic regression. What are its features, D for each pair?",
        "|f − g| has the shape (N, D). Times w, summed over the D numbers: (N,). Then b, then σ.",
        "z = np.abs(f - g) @ w + b, and 1 / (1 + np.exp(-z)).",
    ),
)

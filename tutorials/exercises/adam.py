"""Exercise: a step of Adam."""

import numpy as np

from minicnn.learn.drawing import normal
from minicnn.learn.exercise import Case, Exercise, Slip
from minicnn.learn.observing import answer


def adam(p, g, mean, square, t, learning_rate=0.001, beta1=0.9, beta2=0.999, eps=1e-8):
    """A step of Adam: along the mean of the gradients so far, divided by the root of the mean of their squares.

        mean ← β₁ · mean + (1 − β₁) · g              square ← β₂ · square + (1 − β₂) · g²
        p ← p − learning_rate · m / (√s + eps),      m = mean / (1 − β₁ᵗ),  s = square / (1 − β₂ᵗ)

    p: the parameters, an array of any shape. g: their gradient. mean, square: what the last step returned, zeros
        before the first. t: the number of this step, from 1 on. As both means begin at 0, m and s correct them for it.

    Return (p, mean, square), new arrays; the inputs stay as they are. mean and square are returned uncorrected.
    """
    mean = beta1 * mean + (1 - beta1) * g
    square = beta2 * square + (1 - beta2) * g**2
    m, s = mean / (1 - beta1**t), square / (1 - beta2**t)
    return p - learning_rate * m / (np.sqrt(s) + eps), mean, square


def _step(direction, corrected=(True, True), means=None):
    """A step with another direction(m, s, eps), with or without corrections, or with other means."""

    def step(p, g, mean, square, t, learning_rate=0.001, beta1=0.9, beta2=0.999, eps=1e-8):
        _, mean, square = (means or adam)(p, g, mean, square, t, learning_rate, beta1, beta2, eps)
        m = mean / (1 - beta1**t) if corrected[0] else mean
        s = square / (1 - beta2**t) if corrected[1] else square
        return p - learning_rate * direction(m, s, eps), mean, square

    return step


def _usual(m, s, eps):
    return m / (np.sqrt(s) + eps)


def _means(of_mean, of_square):
    """Other rules for the two means, of (old, g, beta)."""

    def means(p, g, mean, square, t, learning_rate, beta1, beta2, eps):
        return p, of_mean(mean, g, beta1), of_square(square, g, beta2)

    return means


def _mean(old, g, beta):
    return beta * old + (1 - beta) * g


def _square(old, g, beta):
    return beta * old + (1 - beta) * g * g


def _kept_corrected(p, g, mean, square, t, learning_rate=0.001, beta1=0.9, beta2=0.999, eps=1e-8):
    p, mean, square = adam(p, g, mean, square, t, learning_rate, beta1, beta2, eps)
    return p, mean / (1 - beta1**t), square / (1 - beta2**t)


def _drawn(shape, t, *more, seed=0):
    def arguments():
        p, g, mean, square = normal(*[shape] * 4, seed=seed)
        zero = t == 1
        return [p, g, mean * 0 if zero else mean, square * 0 if zero else np.abs(square), t, *more]

    return arguments


EXERCISE = Exercise(
    function=adam,
    title="a step along means of the gradient",
    lecture="Adam optimization algorithm (course 2)",
    read="tutorials/01_tensors_and_the_tape.py",
    imports="import numpy as np",
    observe=answer("p", "mean", "square"),
    cases=(
        Case(
            "the first step of one number: by the learning rate, whatever g",
            lambda: [np.array([1.0]), np.array([250.0]), np.zeros(1), np.zeros(1), 1, 0.1],
            {"p": [0.9], "mean": [25.0], "square": [62.5]},
        ),
        Case("the first step", _drawn((3, 4), 1)),
        Case("the tenth step", _drawn((3, 4), 10, seed=1)),
        Case("other rates: β₁ = 0.5, β₂ = 0.9, eps = 0.1", _drawn((5,), 3, 0.02, 0.5, 0.9, 0.1, seed=2)),
        Case("a late step, when nothing is corrected any more", _drawn((2, 2), 100_000, seed=3)),
    ),
    slips=(
        Slip(
            "no correction",
            "Late steps are right, and the first are off: both means begin at 0, and are too small at first. What does "
            "t do?",
            _step(_usual, (False, False)),
        ),
        Slip(
            "only the mean corrected",
            "m is corrected, s is not. β₂ᵗ goes with the squares.",
            _step(_usual, (True, False)),
        ),
        Slip(
            "only the square corrected",
            "s is corrected, m is not. β₁ᵗ goes with the mean.",
            _step(_usual, (False, True)),
        ),
        Slip(
            "no root",
            "You divide by s. The formula has a root, so that the step has no unit of g.",
            _step(lambda m, s, eps: m / (s + eps)),
        ),
        Slip(
            "eps under the root",
            "You add eps under the root. It stands behind it.",
            _step(lambda m, s, eps: m / np.sqrt(s + eps)),
        ),
        Slip(
            "no eps",
            "With a large eps you are off. It stands beside the root, and keeps a 0 from dividing.",
            _step(lambda m, s, eps: m / np.sqrt(s)),
        ),
        Slip(
            "uphill",
            "You add the step. The gradient points uphill, and the loss should fall.",
            _step(lambda m, s, eps: -_usual(m, s, eps)),
        ),
        Slip(
            "g for its mean",
            "You step along g itself. The mean of the gradients is the direction, which is Adam's momentum.",
            lambda p, g, mean, square, t, learning_rate=0.001, beta1=0.9, beta2=0.999, eps=1e-8: (
                p
                - learning_rate * g / (np.sqrt(adam(p, g, mean, square, t, 1, beta1, beta2)[2] / (1 - beta2**t)) + eps),
                *adam(p, g, mean, square, t, 1, beta1, beta2)[1:],
            ),
        ),
        Slip(
            "the square not squared",
            "`square` is the mean of g², and yours is one of g.",
            _step(_usual, means=_means(_mean, lambda old, g, beta: beta * old + (1 - beta) * g)),
        ),
        Slip(
            "shares exchanged",
            "A new gradient counts β in your means, and the past 1 − β. It is the other way round: the past counts "
            "most.",
            _step(
                _usual,
                means=_means(
                    lambda old, g, beta: (1 - beta) * old + beta * g,
                    lambda old, g, beta: (1 - beta) * old + beta * g * g,
                ),
            ),
        ),
        Slip(
            "sums for means",
            "You add the whole gradient to what is left of the past. A mean takes only its share, 1 − β.",
            _step(
                _usual,
                means=_means(lambda old, g, beta: beta * old + g, lambda old, g, beta: beta * old + g * g),
            ),
        ),
        Slip(
            "corrected means returned",
            "p is right. But you return m and s, and the next step would correct them again.",
            _kept_corrected,
        ),
    ),
    hints=(
        "Do the first step by hand, for a g of 250: what are mean and square, and what do the corrections make of "
        "them?",
        "Four lines: the new mean, the new square, both divided by 1 − βᵗ, and the step. Give the corrected ones other "
        "names, since mean and square themselves are returned.",
        "mean = beta1 * mean + (1 - beta1) * g, and square alike with beta2 and g**2; m = mean / (1 - beta1**t) and "
        "s = square / (1 - beta2**t); p = p - learning_rate * m / (np.sqrt(s) + eps).",
    ),
)

"""Exercise: batch normalization in training, there and back."""

import numpy as np

from minicnn.learn.drawing import normal
from minicnn.learn.exercise import Case, Exercise, Slip
from minicnn.learn.operations import forward_and_backward, with_gradients


def batch_norm(x, gamma, beta, eps=1e-5):
    """Batch normalization in training as an operation of the engine: each channel at mean 0 and variance 1, and back.

        x̂ = (x − mean) / √(variance + eps)        y = gamma · x̂ + beta

    x: (P, C), C channels at P places of all pictures of the batch; mean and variance, (C,), are taken over the P
        places, the variance with 1/P. gamma, beta: (C,).

    Return (y, backward). backward is a function of dy, (P, C), that returns (dx, dgamma, dbeta). Mind that x moves the
    mean and the variance, too:

        dx = gamma / √(variance + eps) · (dy − mean(dy) − x̂ · mean(dy · x̂))        means over the P places
    """
    deviation = np.sqrt(x.var(axis=0) + eps)
    normal_x = (x - x.mean(axis=0)) / deviation

    def backward(dy):
        inside = dy - dy.mean(axis=0) - normal_x * (dy * normal_x).mean(axis=0)
        return gamma / deviation * inside, (dy * normal_x).sum(axis=0), dy.sum(axis=0)

    return gamma * normal_x + beta, backward


def _parts(x, eps):
    deviation = np.sqrt(x.var(axis=0) + eps)
    return (x - x.mean(axis=0)) / deviation, deviation


def _back(change):
    """Other gradients: change(gradients, dy, x̂, deviation, gamma)."""

    def with_eps(x, gamma, beta, eps=1e-5):
        slipped = with_gradients(batch_norm, lambda g, dy, *_: change(g, dy, *_parts(x, eps), gamma))
        return slipped(x, gamma, beta, eps)

    return with_eps


def _normalized(change):
    """Both ways with another x̂ and deviation: change(x, eps)."""

    def operation(x, gamma, beta, eps=1e-5):
        normal_x, deviation = change(x, eps)

        def backward(dy):
            inside = dy - dy.mean(axis=0) - normal_x * (dy * normal_x).mean(axis=0)
            return gamma / deviation * inside, (dy * normal_x).sum(axis=0), dy.sum(axis=0)

        return gamma * normal_x + beta, backward

    return operation


def _drawn(P, C, seed, scale=2.0, *more):
    def arguments():
        x, gamma, beta = normal((P, C), (C,), (C,), seed=seed)
        return [x * scale + 3, gamma + 1, beta, *more]

    return arguments


def _with_deviation(deviation):
    return lambda x, eps: ((x - x.mean(axis=0)) / deviation(x, eps), deviation(x, eps))


EXERCISE = Exercise(
    function=batch_norm,
    title="a channel at mean 0 and variance 1, there and back",
    lecture="Fitting Batch Norm (course 2)",
    read="tutorials/14_transfer_learning.py",
    imports="import numpy as np",
    observe=forward_and_backward("dx", "dgamma", "dbeta"),
    apart=True,
    cases=(
        Case(
            "one channel of two numbers",
            lambda: [np.array([[1.0], [3.0]]), np.array([2.0]), np.array([10.0]), 0.0],
            {"y": [[8.0], [12.0]], "dx": [[0.0], [0.0]]},
        ),
        Case("five places, three channels", _drawn(5, 3, 0)),
        Case("as many places as channels", _drawn(4, 4, 1)),
        Case("a large eps", _drawn(6, 2, 2, 1.0, 0.5)),
        Case("hardly any variance", _drawn(8, 2, 3, 1e-3)),
    ),
    slips=(
        Slip(
            "over the channels",
            "Your rows have mean 0, and the columns not: you take the statistics of each place over its channels. That "
            "is layer normalization.",
            _normalized(
                lambda x, eps: (
                    (x - x.mean(axis=1, keepdims=True)) / np.sqrt(x.var(axis=1, keepdims=True) + eps),
                    np.sqrt(x.var(axis=1, keepdims=True) + eps),
                )
            ),
        ),
        Slip(
            "divided by the variance",
            "A channel that is twice as wide should come out the same. You divide by the variance; the formula has a "
            "root.",
            _normalized(_with_deviation(lambda x, eps: x.var(axis=0) + eps)),
        ),
        Slip(
            "no eps",
            "Where the variance is large you are right. eps stands under the root, so that a constant channel divides "
            "by no zero.",
            _normalized(_with_deviation(lambda x, eps: x.std(axis=0))),
        ),
        Slip(
            "eps outside the root",
            "You add eps to the deviation. It stands under the root, added to the variance.",
            _normalized(_with_deviation(lambda x, eps: x.std(axis=0) + eps)),
        ),
        Slip(
            "P − 1",
            "You divide the squares by P − 1, as for a sample. Batch normalization divides by P.",
            _normalized(_with_deviation(lambda x, eps: np.sqrt(x.var(axis=0, ddof=1) + eps))),
        ),
        Slip(
            "statistics as constants",
            "Your dx treats mean and variance as constants. They are made of x: nudge one number, and all others move.",
            _back(lambda g, dy, n, s, gamma: [gamma / s * dy, *g[1:]]),
        ),
        Slip(
            "no mean of dy",
            "The sum of your dx is not 0. If all of x moves by the same, y does not move at all: which term says that?",
            _back(lambda g, dy, n, s, gamma: [gamma / s * (dy - n * (dy * n).mean(axis=0)), *g[1:]]),
        ),
        Slip(
            "no way through the variance",
            "If x grows by a factor, y stays, so the gradient along x̂ must be 0. The term with mean(dy · x̂) is "
            "missing.",
            _back(lambda g, dy, n, s, gamma: [gamma / s * (dy - dy.mean(axis=0)), *g[1:]]),
        ),
        Slip(
            "gamma left out",
            "dx lacks gamma: it lies between x̂ and y.",
            _back(lambda g, dy, n, s, gamma: [g[0] / gamma, *g[1:]]),
        ),
        Slip(
            "sums for means",
            "You sum over the places where the formula of dx has means.",
            _back(
                lambda g, dy, n, s, gamma: [gamma / s * (dy - dy.sum(axis=0) - n * (dy * n).sum(axis=0)), *g[1:]],
            ),
        ),
        Slip(
            "dgamma of x",
            "gamma multiplies x̂, not x. dgamma is a sum of dy · x̂.",
            lambda x, gamma, beta, eps=1e-5: with_gradients(
                batch_norm, lambda g, dy, *_: [g[0], (dy * x).sum(axis=0), g[2]]
            )(x, gamma, beta, eps),
        ),
        Slip(
            "means of dgamma and dbeta",
            "You take means for dgamma and dbeta. Every place has its part, and the parts add up.",
            (
                _back(lambda g, dy, n, s, gamma: [g[0], g[1] / len(dy), g[2] / len(dy)]),
                _back(lambda g, dy, n, s, gamma: [g[0], g[1], g[2] / len(dy)]),
                _back(lambda g, dy, n, s, gamma: [g[0], g[1] / len(dy), g[2]]),
            ),
        ),
        Slip(
            "beta left out",
            "Your channels have mean 0 in the end. beta gives them another one.",
            lambda x, gamma, beta, eps=1e-5: (
                batch_norm(x, gamma, 0 * beta, eps)[0],
                batch_norm(x, gamma, beta, eps)[1],
            ),
        ),
    ),
    hints=(
        "What must become of y if all of x grows by 1? And if it doubles? What does that say about the sum of dx, and "
        "about the sum of dx · x̂?",
        "x.mean(axis=0) and x.var(axis=0) are (C,), and broadcast against (P, C). Keep x̂ and the root for backward. "
        "dgamma = Σ dy · x̂ and dbeta = Σ dy over the places.",
        "inside = dy - dy.mean(axis=0) - x_hat * (dy * x_hat).mean(axis=0); "
        "return gamma / root * inside, (dy * x_hat).sum(axis=0), dy.sum(axis=0).",
    ),
)

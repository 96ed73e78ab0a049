"""Exercise: softmax and cross-entropy, there and back."""

import numpy as np

from minicnn.learn.drawing import normal
from minicnn.learn.exercise import Case, Exercise, Slip
from minicnn.learn.operations import forward_and_backward, with_gradients


def softmax_cross_entropy(logits, labels):
    """The loss of a classifier as an operation of the engine: the mean cost of the right class, and the way back.

        p[n, k] = e^logits[n, k] / Σ_j e^logits[n, j]        L = −1/N Σ_n log p[n, labels[n]]

    logits: (N, K), any numbers: a thousand, too, so subtract each row's largest before you exponentiate; p stays the
        same. labels: (N,), whole numbers from 0 to K − 1.

    Return (L, backward). L: a number. backward is a function of dL, a number (∂ of what follows / ∂L), that returns
    the gradient to the logits, (N, K).
    """
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    rows = np.arange(len(labels))

    def backward(dL):
        gradient = np.exp(log_p)
        gradient[rows, labels] -= 1
        return gradient * (dL / len(labels))

    return -log_p[rows, labels].mean(), backward


def _softmax(logits, axis=1):
    e = np.exp(logits - logits.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def _target(logits, labels):
    return np.eye(logits.shape[1])[labels]


def _back(change):
    return with_gradients(softmax_cross_entropy, change)


def _loss(loss):
    """The operation with another loss."""
    return lambda logits, labels: (loss(logits, labels), softmax_cross_entropy(logits, labels)[1])


def _own(p, divisor=len):
    """The operation with other shares p, there and back."""

    def operation(logits, labels):
        shares, rows = p(logits), np.arange(len(labels))

        def backward(dL):
            return (shares - _target(logits, labels)) * (dL / divisor(labels))

        return -np.log(shares[rows, labels]).sum() / divisor(labels), backward

    return operation


def _own_logarithms(log_p):
    """The operation with other logarithms of the shares."""

    def operation(logits, labels):
        logarithms, N = log_p(logits), len(labels)
        loss = -logarithms[np.arange(N), labels].mean()
        return loss, lambda dL: (np.exp(logarithms) - _target(logits, labels)) * (dL / N)

    return operation


def _drawn(N, K, seed):
    return lambda: [*normal((N, K), seed=seed), np.random.default_rng(seed).integers(0, K, N)]


EXERCISE = Exercise(
    function=softmax_cross_entropy,
    title="the loss of a classifier, there and back",
    lecture="Training a softmax classifier (course 2)",
    read="tutorials/14_transfer_learning.py",
    imports="import numpy as np",
    observe=forward_and_backward("d_logits"),
    cases=(
        Case(
            "two classes, undecided",
            lambda: [np.zeros((1, 2)), np.array([0])],
            {"y": np.log(2), "d_logits": [[-0.25, 0.25]]},
        ),
        Case("one picture, four classes", _drawn(1, 4, 0)),
        Case("five pictures, three classes", _drawn(5, 3, 1)),
        Case("as many classes as pictures", _drawn(4, 4, 2)),
        Case("a thousand for one class", lambda: [np.array([[1000.0, 0, -5], [1003, 2, 1]]), np.array([0, 0])]),
    ),
    slips=(
        Slip(
            "overflow",
            "e to the 1000 is more than a number can hold. Subtract each row's largest number first: numerator and "
            "denominator shrink by the same factor.",
            (
                _own(lambda logits: np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)),
                _own_logarithms(lambda logits: logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))),
            ),
        ),
        Slip(
            "gradient not divided",
            "Your loss is right. Its gradient is N times too large: the 1/N of the mean is missing on the way back.",
            _back(lambda g, dL, logits, labels: [g[0] * len(labels)]),
        ),
        Slip(
            "a sum over the batch",
            "With one picture you are right, with several too large. The formula has 1/N before its sum.",
            (
                _own(_softmax, divisor=lambda labels: 1),
                _loss(lambda logits, labels: softmax_cross_entropy(logits, labels)[0] * len(labels)),
            ),
        ),
        Slip(
            "softmax over the batch",
            "Your shares add up to 1 down each column: the pictures compete with each other. Which axis are the "
            "classes?",
            _own(lambda logits: _softmax(logits, axis=0)),
        ),
        Slip(
            "softmax over everything",
            "You divide by the sum of all numbers. Each row, one picture, has its own sum of 1.",
            (
                _own(lambda logits: np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()),
                _own(
                    lambda logits: (
                        np.exp(logits - logits.max(axis=1, keepdims=True))
                        / np.exp(logits - logits.max(axis=1, keepdims=True)).sum()
                    )
                ),
            ),
        ),
        Slip(
            "no one-hot taken off",
            "Your gradient is p itself: all positive, so that every logit would fall. What about the right class?",
            _back(lambda g, dL, logits, labels: [_softmax(logits) * dL / len(labels)]),
        ),
        Slip(
            "sign",
            "The sign of the gradient is turned: it would push the right class down. L falls as p[label] grows.",
            _back(lambda g, dL, logits, labels: [-g[0]]),
        ),
        Slip(
            "no minus",
            "A cost of log p is negative, and gets larger as the network improves. Which sign stands before the sum?",
            _loss(lambda logits, labels: -softmax_cross_entropy(logits, labels)[0]),
        ),
        Slip(
            "mean over all numbers",
            "You divide by N·K. Only one class a picture counts, so there are N terms.",
            _loss(lambda logits, labels: softmax_cross_entropy(logits, labels)[0] / logits.shape[1]),
        ),
        Slip(
            "gradient to p",
            "You stop at −1/p, the gradient to the shares. It goes on through softmax to the logits, and what comes "
            "out is much simpler.",
            _back(
                lambda g, dL, logits, labels: [
                    np.where(_target(logits, labels), -1 / _softmax(logits), 0) * dL / len(labels)
                ]
            ),
        ),
        Slip(
            "dL left out",
            "You forget what comes from above: dL multiplies the gradient.",
            _back(lambda g, dL, logits, labels: [g[0] / dL]),
        ),
    ),
    hints=(
        "Take one picture and two classes. If you raise the logit of the right class a little, how does L move? And if "
        "you raise both by the same?",
        "Per row: subtract the largest, exponentiate, divide by the sum. L takes p[n, labels[n]], which "
        "p[np.arange(N), labels] gives at once. The gradient works out to (p − one-hot of the label) / N, times dL.",
        "rows = np.arange(len(labels)). In backward: gradient = p.copy(); gradient[rows, labels] -= 1; "
        "return gradient * dL / len(labels).",
    ),
)

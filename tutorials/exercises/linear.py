"""Exercise: a linear layer, there and back."""

import numpy as np

from minicnn.learn.drawing import normal
from minicnn.learn.exercise import Case, Exercise, Slip
from minicnn.learn.operations import forward_and_backward, with_gradients


def linear(x, w, b):
    """A linear layer as an operation of the engine: the result, and the function that leads back.

        y = x w + b

    x: (N, D), a row for each example. w: (D, F). b: (F,). These are NumPy's arrays.

    Return (y, backward). y: (N, F). backward is a function of dy = ∂L/∂y, (N, F), that returns (dx, dw, db), shaped
    like x, w and b. Define it inside, so that it remembers x and w. `minicnn.op` makes an operation of such a function,
    and `minicnn learn use` lets yours run in a network.
    """

    def backward(dy):
        return dy @ w.T, x.T @ dy, dy.sum(axis=0)

    return x @ w + b, backward


def _back(change):
    return with_gradients(linear, change)


def _drawn(N, D, F, seed):
    return lambda: normal((N, D), (D, F), (F,), seed=seed)


EXERCISE = Exercise(
    function=linear,
    title="a layer of an engine, there and back",
    lecture="Neural network gradients (course 1)",
    read="tutorials/01_tensors_and_the_tape.py",
    imports="import numpy as np",
    observe=forward_and_backward("dx", "dw", "db"),
    apart=True,
    cases=(
        Case(
            "two numbers to one",
            lambda: [np.array([[1.0, 2.0]]), np.array([[3.0], [4.0]]), np.array([5.0])],
            {"y": [[16.0]], "dx": [[3.0, 4.0]], "dw": [[1.0], [2.0]], "db": [1.0]},
        ),
        Case("four examples, three numbers to two", _drawn(4, 3, 2, 0)),
        Case("as many numbers as examples: 3, 3 and 3", _drawn(3, 3, 3, 1)),
        Case("one example", _drawn(1, 5, 4, 2)),
    ),
    slips=(
        Slip(
            "no bias",
            "Every output is off by a constant. What has a layer besides its weights?",
            lambda x, w, b: (x @ w, linear(x, w, b)[1]),
        ),
        Slip(
            "dx without the transpose",
            "dx goes through w the same way as x. On the way back each weight leads from its output to its input: "
            "which axis of w has to be summed over?",
            _back(lambda g, dy, x, w, b: [dy @ w if w.shape[0] == w.shape[1] else np.full_like(x, np.nan), *g[1:]]),
        ),
        Slip(
            "a product that does not fit",
            "(N, F) comes back, and (N, D) is due, with w (D, F) in between. Write the three shapes side by side: "
            "which one has to be turned over?",
            raises="mismatch in its core dimension",
        ),
        Slip(
            "dw turned over",
            "Your dw is right, but its axes are exchanged: it is shaped like w, (D, F).",
            _back(lambda g, dy, x, w, b: [g[0], dy.T @ x, g[2]]),
        ),
        Slip(
            "db not summed",
            "b was added to every row, so every row has a part in its gradient. Yours has a row for each example.",
            _back(lambda g, dy, x, w, b: [g[0], g[1], dy]),
        ),
        Slip(
            "means over the batch",
            "You divide by the number of examples. The formula of y has no mean in it; where a loss has one, dy comes "
            "divided already.",
            (
                _back(lambda g, dy, x, w, b: [g[0], g[1] / len(x), g[2] / len(x)]),
                _back(lambda g, dy, x, w, b: [g[0], g[1], g[2] / len(x)]),
                _back(lambda g, dy, x, w, b: [g[0], g[1] / len(x), g[2]]),
            ),
        ),
        Slip(
            "db summed over outputs",
            "You sum dy along each row. Which of its axes has b not got?",
            _back(lambda g, dy, x, w, b: [g[0], g[1], dy.sum(axis=1)]),
        ),
        Slip(
            "without dy",
            "You return what y changes by, as if every number of dy were 1. The chain rule multiplies: dy stands in "
            "each of the three gradients.",
            _back(lambda g, dy, x, w, b: list(linear(x, w, b)[1](np.ones_like(dy)))),
        ),
    ),
    hints=(
        "Nudge w[d, f]: which numbers of y move, and by how much? All of these, each times its dy, are dw[d, f].",
        "Let the shapes lead you. dx is (N, D), and you have dy (N, F) and w (D, F). dw is (D, F), and you have x (N, "
        "D) and dy (N, F). A sum over n or f is a matrix product with one of the two turned over.",
        "def backward(dy): return dy @ w.T, x.T @ dy, dy.sum(axis=0). The last line of linear is "
        "return x @ w + b, backward.",
    ),
)

"""Exercise: the gradient of max pooling."""

import numpy as np

from minicnn.learn.drawing import normal
from minicnn.learn.exercise import Case, Exercise, Slip


def max_pool_gradient(dy, x, size, stride):
    """The way back through max pooling: whoever won a window gets all of its gradient, the others nothing.

    The way there was, for each picture and each channel by itself:

        y[n, i, j, c] = max of x[n, i·s : i·s + K, j·s : j·s + K, c]

    dy: ∂L/∂y, (N, H', W', C). x: (N, H, W, C). size: K. stride: s; windows overlap where it is less than K. If several
    pixels of a window are equally large, the first of them has won, by rows from the top left.

    Return dx, (N, H, W, C).
    """
    dx = np.zeros_like(x)
    for n, i, j, c in np.ndindex(dy.shape):
        window = x[n, i * stride : i * stride + size, j * stride : j * stride + size, c]
        row, column = np.unravel_index(window.argmax(), window.shape)
        dx[n, i * stride + row, j * stride + column, c] += dy[n, i, j, c]
    return dx


def _spread(share, add=True):
    """dx where share(window, gradient) of every window is added to it, or put in its place."""

    def gradient(dy, x, size, stride):
        dx = np.zeros_like(x)
        for n, i, j, c in np.ndindex(dy.shape):
            window = n, slice(i * stride, i * stride + size), slice(j * stride, j * stride + size), c
            part = share(x[window], dy[n, i, j, c])
            dx[window] = dx[window] * add + part if add else np.where(part, part, dx[window])
        return dx

    return gradient


def _at(index, window, value):
    part = np.zeros(window.size)
    part[index] = value
    return part.reshape(window.shape)


def _over_channels(dy, x, size, stride):
    """The winner among all channels of a window takes the gradients of all."""
    dx = np.zeros_like(x)
    for n, i, j, c in np.ndindex(dy.shape):
        window = x[n, i * stride : i * stride + size, j * stride : j * stride + size]
        row, column, channel = np.unravel_index(window.argmax(), window.shape)
        dx[n, i * stride + row, j * stride + column, channel] += dy[n, i, j, c]
    return dx


_TIES = np.array([[3.0, 3, 1, 0], [2, 3, 0, 0], [5, 1, 2, 2], [5, 5, 2, 2]]).reshape(1, 4, 4, 1)

EXERCISE = Exercise(
    function=max_pool_gradient,
    title="the winner takes it all",
    lecture="Pooling layers (week 1)",
    read="tutorials/16_pooling.py",
    imports="import numpy as np",
    cases=(
        Case("2×2 windows side by side", lambda: [*normal((1, 2, 2, 1), (1, 4, 4, 1)), 2, 2]),
        Case("two pictures, three channels", lambda: [*normal((2, 2, 3, 3), (2, 4, 6, 3), seed=1), 2, 2]),
        Case("windows that overlap: 3×3, stride 2", lambda: [*normal((1, 3, 3, 2), (1, 7, 7, 2), seed=2), 3, 2]),
        Case("windows with gaps: 2×2, stride 3", lambda: [*normal((1, 2, 2, 1), (1, 5, 6, 1), seed=3), 2, 3]),
        Case("several are equally large", lambda: [normal((1, 2, 2, 1), seed=4)[0], _TIES.copy(), 2, 2]),
    ),
    slips=(
        Slip(
            "everybody who is as large",
            "Where several are equally large, all of them get the gradient, so more comes out than went in. One has "
            "won.",
            _spread(lambda window, g: (window == window.max()) * g),
        ),
        Slip(
            "shared among equals",
            "Where several are equally large, you divide the gradient among them. Fair, but the first has won.",
            _spread(lambda window, g: (window == window.max()) * g / (window == window.max()).sum()),
        ),
        Slip(
            "last of equals",
            "Where several are equally large, the last of them gets the gradient instead of the first.",
            _spread(lambda window, g: _at(window.size - 1 - window[::-1, ::-1].argmax(), window, g)),
        ),
        Slip(
            "overlaps lost",
            "A pixel that wins two windows gets what one of them says. It had a part in both.",
            _spread(lambda window, g: _at(window.argmax(), window, g), add=False),
        ),
        Slip(
            "average",
            "You share every gradient among the whole window: that is the way back through average pooling.",
            _spread(lambda window, g: np.full(window.shape, g / window.size)),
        ),
        Slip(
            "channels compete",
            "Your channels compete with each other. Each is pooled by itself.",
            _over_channels,
        ),
        Slip(
            "times the value",
            "You multiply by the winner's value. y is the winner itself: what is its slope?",
            _spread(lambda window, g: _at(window.argmax(), window, g * window.max())),
        ),
        Slip(
            "smallest",
            "The smallest of each window gets your gradient.",
            _spread(lambda window, g: _at(window.argmin(), window, g)),
        ),
        Slip(
            "windows side by side",
            "You take windows that lie side by side, whatever the stride: where does window i begin?",
            lambda dy, x, size, stride: max_pool_gradient(
                dy, np.pad(x, ((0, 0), (0, 9), (0, 9), (0, 0)), constant_values=-9), size, size
            )[:, : x.shape[1], : x.shape[2]],
        ),
    ),
    hints=(
        "Nudge a pixel that has not won its window: does y change? And one that has: by how much?",
        "Loop over n, i, j and c. Cut out the window, find where its largest number is, and add dy[n, i, j, c] to dx "
        "at that place. `argmax` gives the first of equals.",
        "row, column = np.unravel_index(window.argmax(), window.shape), and then "
        "dx[n, i*stride + row, j*stride + column, c] += dy[n, i, j, c].",
    ),
)

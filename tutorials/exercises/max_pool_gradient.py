"""Exercise: the gradient of max pooling."""

import numpy as np

from minicnn.learn.drawing import normal
from minicnn.learn.exercise import Case, Exercise, Slip
from minicnn.learn.observing import answer


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


def _over_channels(dy, x, size, stride, to_all=False):
    """The winner among all channels of a window takes the gradients of all; or all channels do, where it is."""
    dx = np.zeros_like(x)
    for n, i, j, c in np.ndindex(dy.shape):
        window = x[n, i * stride : i * stride + size, j * stride : j * stride + size]
        row, column, channel = np.unravel_index(window.argmax(), window.shape)
        dx[n, i * stride + row, j * stride + column, c if to_all else channel] += dy[n, i, j, c]
    return dx


def _placed(dy, x, size, stride, place):
    """Every gradient added at a place made of the window's (i, j) and the winner's (p, q) in it."""
    dx = np.zeros_like(x)
    for n, i, j, c in np.ndindex(dy.shape):
        window = x[n, i * stride : i * stride + size, j * stride : j * stride + size, c]
        row, column = place(i, j, *np.unravel_index(window.argmax(), window.shape))
        dx[n, row, column, c] += dy[n, i, j, c]
    return dx


def _negative_to_the_corner(dy, x, size, stride):
    """Where all of a window is negative, the place that the search began with gets the gradient: the first of dx."""
    dx = np.zeros_like(x)
    for n, i, j, c in np.ndindex(dy.shape):
        top, left = i * stride, j * stride
        window = x[n, top : top + size, left : left + size, c]
        row, column = np.unravel_index(window.argmax(), window.shape)
        place = (top + row, left + column) if window.max() > 0 else (0, 0)
        dx[n, *place, c] += dy[n, i, j, c]
    return dx


def _windows_put(dy, x, size, stride):
    """Every window, zeros and all, in the place of what was there."""
    dx = np.zeros_like(x)
    for n, i, j, c in np.ndindex(dy.shape):
        window = n, slice(i * stride, i * stride + size), slice(j * stride, j * stride + size), c
        dx[window] = (x[window] == x[window].max()) * dy[n, i, j, c]
    return dx


_TIES = np.array([[3.0, 3, 1, 0], [2, 3, 0, 0], [5, 1, 2, 2], [5, 5, 2, 2]]).reshape(1, 4, 4, 1)

EXERCISE = Exercise(
    function=max_pool_gradient,
    title="the winner takes it all",
    lecture="Pooling layers (week 1)",
    read="tutorials/12_pooling.py",
    imports="import numpy as np",
    observe=answer(arrays=True),
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
            (_over_channels, lambda dy, x, size, stride: _over_channels(dy, x, size, stride, to_all=True)),
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
        Slip(
            "places in the window",
            "All gradients gather at the top left: `argmax` says where the winner is in its window. Where is the "
            "window?",
            lambda dy, x, size, stride: _placed(dy, x, size, stride, lambda i, j, p, q: (p, q)),
        ),
        Slip(
            "places without stride",
            "The right pixel wins, but its gradient lands elsewhere: window i begins at row i·stride, not i.",
            lambda dy, x, size, stride: _placed(dy, x, size, stride, lambda i, j, p, q: (i + p, j + q)),
        ),
        Slip(
            "windows without stride",
            "Your windows are neighbours, whatever the stride: where does window i begin?",
            lambda dy, x, size, stride: max_pool_gradient(dy, x, size, 1),
        ),
        Slip(
            "row and column exchanged",
            "The winner's row and column are exchanged: a number k of a window that is laid flat stands in row k // K.",
            lambda dy, x, size, stride: _placed(
                dy, x, size, stride, lambda i, j, p, q: (i * stride + q, j * stride + p)
            ),
        ),
        Slip(
            "overlaps lost, and everybody",
            "You put a whole window into dx at once, and so wipe out what an overlapping one had put there; and where "
            "several are equally large, all of them get the gradient.",
            _windows_put,
        ),
        Slip(
            "the maximum itself",
            "You put the winner's value into dx. What arrives from above, and where does it go?",
            _spread(lambda window, g: _at(window.argmax(), window, window.max())),
        ),
        Slip(
            "largest by size",
            "Where numbers are negative another one wins with you: the largest, not the one of largest size.",
            _spread(lambda window, g: _at(np.abs(window).argmax(), window, g)),
        ),
        Slip(
            "winner sought from 0 on",
            "In a window whose numbers are all negative nobody wins with you. What is the search to begin with?",
            (
                _spread(lambda window, g: _at(window.argmax(), window, g * (window.max() > 0))),
                lambda dy, x, size, stride: _placed(
                    dy, np.maximum(x, 0), size, stride, lambda i, j, p, q: (i * stride + p, j * stride + q)
                ),
                _negative_to_the_corner,
            ),
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

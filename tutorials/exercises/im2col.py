"""Exercise: every window of a picture as a row of a matrix."""

import numpy as np

from minicnn.learn.drawing import normal
from minicnn.learn.exercise import Case, Exercise, Slip
from minicnn.learn.observing import answer


def im2col(x, size, stride=1):
    """Every window of a picture as a row of a matrix, so that a convolution is one matrix product.

    x: (N, H, W, C). size: K, windows are K×K. stride: s.

    Return a matrix (N · H' · W', K · K · C), H' = ⌊(H − K) / s⌋ + 1 and W' alike. Its rows are the windows of the first
    picture, from left to right and then from top to bottom, then those of the second. In a row stand the window's
    numbers as they lie in memory: by rows of the window, in these by columns, and at each pixel all channels.

    Then im2col(x, K) @ w.reshape(K * K * C, F) is the convolution by filters w (K, K, C, F).
    """
    rows, columns = ((length - size) // stride + 1 for length in x.shape[1:3])
    windows = [
        x[:, i * stride : i * stride + size, j * stride : j * stride + size]
        for i in range(rows)
        for j in range(columns)
    ]
    return np.stack(windows, axis=1).reshape(len(x) * rows * columns, -1)


def _windows(x, size, stride):
    """(N, H', W', K, K, C)."""
    views = np.lib.stride_tricks.sliding_window_view(x, (size, size), (1, 2))[:, ::stride, ::stride]
    return views.transpose(0, 1, 2, 4, 5, 3)


def _other(*order):
    """The six axes in another order, the first half of which are rows."""

    def matrix(x, size, stride=1):
        windows = _windows(x, size, stride).transpose(order)
        return windows.reshape(int(np.prod(windows.shape[:3])), -1)

    return matrix


def _neighbours(x, size, stride=1):
    rows, columns = ((length - size) // stride + 1 for length in x.shape[1:3])
    windows = _windows(x, size, 1)[:, :rows, :columns]
    return windows.reshape(len(x) * rows * columns, -1)


def _numbered(*shape):
    return np.arange(float(np.prod(shape))).reshape(shape)


EXERCISE = Exercise(
    function=im2col,
    title="a convolution as one matrix product",
    lecture="Convolutions over volume (week 1)",
    read="tutorials/02_convolution_four_ways.py",
    imports="import numpy as np",
    observe=answer(arrays=True),
    cases=(
        Case(
            "2×2 windows of the numbers 0 to 8",
            lambda: [_numbered(1, 3, 3, 1), 2],
            {"": [[0, 1, 3, 4], [1, 2, 4, 5], [3, 4, 6, 7], [4, 5, 7, 8]]},
        ),
        Case("a picture that is wider than high", lambda: [_numbered(1, 3, 5, 1), 2]),
        Case("three channels", lambda: [_numbered(1, 4, 3, 3), 2]),
        Case("two pictures", lambda: [*normal((2, 4, 5, 2)), 3]),
        Case("stride 2", lambda: [*normal((2, 6, 7, 2)), 3, 2]),
    ),
    slips=(
        Slip(
            "channels first",
            "Your rows hold the right numbers in another order: one channel after the other. In memory, all channels "
            "of a pixel stand together.",
            _other(0, 1, 2, 5, 3, 4),
        ),
        Slip(
            "windows by columns",
            "Your windows come from top to bottom first. Reading goes from left to right.",
            _other(0, 2, 1, 3, 4, 5),
        ),
        Slip(
            "pixels by columns",
            "The windows are in order, but inside each one you go down before you go right.",
            _other(0, 1, 2, 4, 3, 5),
        ),
        Slip(
            "pictures last",
            "With two pictures the rows are shuffled: the windows of one picture stand together.",
            _other(1, 2, 0, 3, 4, 5),
        ),
        Slip(
            "lying down",
            "Your windows are the columns of the matrix, as the name says. Here they are its rows; channels-last "
            "libraries put it this way.",
            lambda x, size, stride=1: im2col(x, size, stride).T,
        ),
        Slip(
            "stride ignored",
            "With a stride of 2 you have too many rows.",
            lambda x, size, stride=1: im2col(x, size),
        ),
        Slip(
            "last windows missing",
            "The last windows of each row and column are missing. Does a window fit there that ends where the picture "
            "ends?",
            lambda x, size, stride=1: im2col(x[:, :-1, :-1], size, stride),
        ),
        Slip(
            "flipped",
            "Inside each window you begin at the bottom right.",
            lambda x, size, stride=1: _windows(x, size, stride)[:, :, :, ::-1, ::-1].reshape(
                len(im2col(x, size, stride)), -1
            ),
        ),
        Slip(
            "blocks",
            "Your windows do not overlap, whatever the stride: where does the second one begin?",
            lambda x, size, stride=1: im2col(x, size, size),
        ),
        Slip(
            "windows not laid flat",
            "Your windows are still windows. A row of a matrix is a row of numbers.",
            (
                lambda x, size, stride=1: im2col(x, size, stride).reshape(-1, size, size, x.shape[3]),
                lambda x, size, stride=1: im2col(x, size, stride).reshape(-1, size * size, x.shape[3]),
            ),
        ),
        Slip(
            "pictures kept apart",
            "Each picture has a matrix of its own. One matrix is wanted, in which they stand below each other.",
            lambda x, size, stride=1: im2col(x, size, stride).reshape(len(x), -1, size * size * x.shape[3]),
        ),
        Slip(
            "one picture",
            "Only the windows of the first picture are there.",
            lambda x, size, stride=1: im2col(x[:1], size, stride),
        ),
        Slip(
            "places without stride",
            "As many rows as there should be, but with a stride of 2 your windows are still neighbours. Where does "
            "window i begin?",
            _neighbours,
        ),
        Slip(
            "as Fortran lays it flat",
            "The windows are in order, but inside each one the first axis goes fastest. In memory the last one does.",
            _other(0, 1, 2, 5, 4, 3),
        ),
        Slip(
            "beyond the edge",
            "Some of your windows are smaller than others: they reach beyond the picture, where nothing is cut out. "
            "Where does the last window that fits begin?",
            raises="inhomogeneous",
        ),
    ),
    hints=(
        "Write down by hand what comes out for the numbers 0 to 8 in a square, with 2×2 windows. Four rows of four.",
        "Loop over n, then i, then j. Cut out the window, lay it flat, and put it into a list; in the end make an "
        "array of the list. Which way of laying flat keeps the order in memory?",
        "x[n, i*stride : i*stride+size, j*stride : j*stride+size].ravel() is a row, and np.stack(rows) the matrix.",
    ),
)

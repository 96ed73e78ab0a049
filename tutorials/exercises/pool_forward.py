"""Exercise: pooling, by loops."""

import numpy as np

from minicnn.learn.drawing import normal, then
from minicnn.learn.exercise import Case, Exercise, Slip


def pool_forward(x, size, stride, mode="max"):
    """Pooling: of every window, and of every channel by itself, the largest number or the mean.

        y[n, i, j, c] = max or mean of x[n, i·s : i·s + K, j·s : j·s + K, c]

    x: (N, H, W, C), N pictures. size: K, windows are K×K. stride: s, how far the window moves. mode: "max" or
        "average".

    Return y: (N, H', W', C) with H' = ⌊(H − K) / s⌋ + 1, and W' alike. A window that does not fit is left out.
    """
    rows, columns = ((length - size) // stride + 1 for length in x.shape[1:3])
    y = np.zeros((len(x), rows, columns, x.shape[3]))
    for i in range(rows):
        for j in range(columns):
            window = x[:, i * stride : i * stride + size, j * stride : j * stride + size]
            y[:, i, j] = window.max(axis=(1, 2)) if mode == "max" else window.mean(axis=(1, 2))
    return y


def _pooled(reduce, at=None, count=None):
    """Pooling with another reduce(window, mode), other places, or another number of them."""

    def pool(x, size, stride, mode="max"):
        rows, columns = ((count or _count)(length, size, stride) for length in x.shape[1:3])
        y = np.zeros((len(x), rows, columns, x.shape[3]))
        for i in range(rows):
            for j in range(columns):
                top, left = (at or _place)(i, j, size, stride)
                y[:, i, j] = reduce(x[:, top : top + size, left : left + size], mode)
        return y

    return pool


def _count(length, size, stride):
    return (length - size) // stride + 1


def _place(i, j, size, stride):
    return i * stride, j * stride


def _usual(window, mode):
    return window.max(axis=(1, 2)) if mode == "max" else window.mean(axis=(1, 2))


def _other(largest=None, average=None):
    """Another reduction for one of the modes."""

    def reduce(window, mode):
        chosen = largest if mode == "max" else average
        return chosen(window) if chosen else _usual(window, mode)

    return reduce


EXERCISE = Exercise(
    function=pool_forward,
    title="the largest number or the mean of every window",
    lecture="Pooling layers (week 1)",
    read="tutorials/12_pooling.py",
    imports="import numpy as np",
    cases=(
        Case(
            "one picture, its largest numbers",
            lambda: [np.arange(16.0).reshape(1, 4, 4, 1), 2, 2],
            {"": [[[[5.0], [7.0]], [[13.0], [15.0]]]]},
        ),
        Case(
            "one picture, its means",
            lambda: [np.arange(16.0).reshape(1, 4, 4, 1), 2, 2, "average"],
            {"": [[[[2.5], [4.5]], [[10.5], [12.5]]]]},
        ),
        Case("two pictures, three channels", then(lambda: normal((2, 4, 6, 3)), 2, 2)),
        Case("two pictures, three channels, means", then(lambda: normal((2, 4, 6, 3)), 2, 2, "average")),
        Case("windows that overlap: 3×3, stride 2", then(lambda: normal((1, 7, 8, 2), seed=1), 3, 2)),
        Case("their means", then(lambda: normal((1, 7, 8, 2), seed=1), 3, 2, "average")),
        Case("all numbers negative", then(lambda: [-1 - np.abs(normal((1, 4, 4, 2), seed=2)[0])], 2, 2)),
        Case("windows with gaps: 2×2, stride 3", then(lambda: normal((1, 5, 9, 1), seed=3), 2, 3)),
    ),
    slips=(
        Slip(
            "one of the modes only",
            "One of the modes is right. Where do you look at `mode`?",
            (
                _pooled(lambda window, mode: _usual(window, "max")),
                _pooled(lambda window, mode: _usual(window, "average")),
            ),
        ),
        Slip(
            "modes exchanged",
            "Max and average are exchanged.",
            _pooled(lambda w, mode: _usual(w, "avg" if mode == "max" else "max")),
        ),
        Slip(
            "channels together",
            "All channels of a window end in one number. Each channel is pooled by itself: over which two axes?",
            (
                _pooled(_other(lambda w: w.max(axis=(1, 2, 3))[:, None])),
                _pooled(_other(lambda w: w.max(axis=(1, 2, 3))[:, None], lambda w: w.mean(axis=(1, 2, 3))[:, None])),
                _pooled(_other(None, lambda w: w.mean(axis=(1, 2, 3))[:, None])),
                _pooled(_other(lambda w: w.max(), lambda w: w.mean())),
            ),
        ),
        Slip(
            "pictures together",
            "The pictures of a batch compete with each other. Each is pooled by itself.",
            _pooled(_other(lambda w: w.max(axis=(0, 1, 2)), lambda w: w.mean(axis=(0, 1, 2)))),
        ),
        Slip(
            "search from 0 on",
            "Where all numbers of a window are negative, you return 0. What is the search for the largest to begin "
            "with?",
            _pooled(_other(lambda w: np.maximum(w.max(axis=(1, 2)), 0))),
        ),
        Slip(
            "sum",
            "You add up the window, and do not divide by its K·K numbers.",
            _pooled(_other(None, lambda w: w.sum(axis=(1, 2)))),
        ),
        Slip(
            "divided by K",
            "You divide by K. A window has K·K numbers.",
            _pooled(_other(None, lambda w: w.sum(axis=(1, 2)) / w.shape[1])),
        ),
        Slip(
            "windows side by side",
            "Your windows lie side by side, whatever the stride: where does window i begin?",
            (
                lambda x, size, stride, mode="max": np.nan_to_num(
                    _pooled(_usual, at=lambda i, j, size, stride: (i * size, j * size))(
                        np.pad(x, ((0, 0), (0, 9), (0, 9), (0, 0)), constant_values=np.nan), size, stride, mode
                    )[:, : _count(x.shape[1], size, stride), : _count(x.shape[2], size, stride)],
                ),
                lambda x, size, stride, mode="max": pool_forward(x, size, size, mode),
            ),
        ),
        Slip(
            "windows without stride",
            "Your windows are neighbours, whatever the stride: where does window i begin?",
            _pooled(_usual, at=lambda i, j, size, stride: (i, j)),
        ),
        Slip(
            "stride ignored",
            "You have a window at every pixel. With a stride of s there is one at every s-th.",
            lambda x, size, stride, mode="max": pool_forward(x, size, 1, mode),
        ),
        Slip(
            "last windows missing",
            "The last row and column are missing. Does a window fit there that ends where the picture ends?",
            lambda x, size, stride, mode="max": pool_forward(x, size, stride, mode)[:, :-1, :-1],
        ),
        Slip(
            "across the picture",
            "i goes down and j goes right, and your windows do it the other way round.",
            lambda x, size, stride, mode="max": pool_forward(
                np.pad(x, ((0, 0), (0, 9), (0, 9), (0, 0))).transpose(0, 2, 1, 3), size, stride, mode
            )[:, : _count(x.shape[1], size, stride), : _count(x.shape[2], size, stride)],
        ),
        Slip(
            "as wide as high",
            "Your result is as wide as it is high, whatever the picture. What is W' worked out from?",
            lambda x, size, stride, mode="max": pool_forward(
                np.pad(x, ((0, 0), (0, 0), (0, 9), (0, 0))), size, stride, mode
            )[:, :, : _count(x.shape[1], size, stride)],
        ),
    ),
    hints=(
        "Take one number of the result, say y[0, 1, 2, 0] with a stride of 2. Which numbers of x does it see?",
        "Work out H' and W', make an array of zeros, and fill it in loops over i and j (and n and c, if you like). The "
        "window begins at row i·s and column j·s.",
        "window = x[n, i*stride : i*stride+size, j*stride : j*stride+size, c]; y[n, i, j, c] = np.max(window) if "
        'mode == "max" else np.mean(window).',
    ),
)

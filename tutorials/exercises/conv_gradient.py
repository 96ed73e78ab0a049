"""Exercise: the gradients of a convolution."""

import numpy as np

from minicnn.learn.drawing import normal
from minicnn.learn.exercise import Case, Exercise, Slip
from minicnn.learn.observing import answer


def conv_gradient(dy, x, w):
    """The way back through a convolution: from the gradient to its output to those to its picture, filters and biases.

    The way there was, for every place (i, j), with no padding and a stride of 1:

        y[n, i, j, f] = b[f] + Σ_{p, q, c} x[n, i + p, j + q, c] · w[p, q, c, f]

    dy: ∂L/∂y, (N, H − K + 1, W − K + 1, F). x: (N, H, W, C). w: (K, K, C, F). These are NumPy's arrays.

    Return (dx, dw, db), shaped like x, w and b (F,). Every number of y depends on some of x, w and b, and the gradient
    to each of these is the sum over all numbers of y that it had a part in:

        ∂L/∂x[…] = Σ ∂L/∂y[n, i, j, f] · ∂y[n, i, j, f]/∂x[…]        and so for w and b
    """
    dx, dw = np.zeros_like(x), np.zeros_like(w)
    K = len(w)
    for i in range(dy.shape[1]):
        for j in range(dy.shape[2]):
            here = dy[:, i, j]
            dx[:, i : i + K, j : j + K] += np.einsum("nf,pqcf->npqc", here, w)
            dw += np.einsum("nf,npqc->pqcf", here, x[:, i : i + K, j : j + K])
    return dx, dw, dy.sum(axis=(0, 1, 2))


def _but(change):
    """The right gradients with something changed."""
    return lambda dy, x, w: change(*conv_gradient(dy, x, w), dy, x, w)


def _only_last(dy, x, w):
    """Each window's gradient in the place of what overlapping windows left there."""
    dx, dw, db = conv_gradient(dy, x, w)
    dx, K = np.zeros_like(dx), len(w)
    for i in range(dy.shape[1]):
        for j in range(dy.shape[2]):
            dx[:, i : i + K, j : j + K] = np.einsum("nf,pqcf->npqc", dy[:, i, j], w)
    return dx, dw, db


def _without_the_last(dy):
    dy = dy.copy()
    dy[:, -1] = dy[:, :, -1] = 0
    return dy


def _drawn(N, H, W, K, C, F, seed):
    return lambda: normal((N, H - K + 1, W - K + 1, F), (N, H, W, C), (K, K, C, F), seed=seed)


EXERCISE = Exercise(
    function=conv_gradient,
    title="the way back through a convolution",
    lecture="Backpropagation (week 1, optional)",
    read="tutorials/02_convolution_four_ways.py",
    imports="import numpy as np",
    observe=answer("dx", "dw", "db", arrays=True),
    apart=True,
    cases=(
        Case("one window: a dot product", _drawn(1, 2, 2, 2, 1, 1, 0)),
        Case("windows that overlap", _drawn(1, 4, 5, 3, 1, 1, 1)),
        Case("two channels, three filters", _drawn(1, 4, 4, 2, 2, 3, 2)),
        Case("three pictures", _drawn(3, 5, 4, 2, 2, 2, 3)),
    ),
    slips=(
        Slip(
            "filter flipped the wrong way",
            "Your dx is made with a filter turned by 180° against the right one. Ask of a single pixel which windows "
            "saw it, and through which corner of the filter: the pixel at the top left of a window is seen through …?",
            _but(lambda dx, dw, db, dy, x, w: (conv_gradient(dy, x, w[::-1, ::-1])[0], dw, db)),
        ),
        Slip(
            "overlaps lost",
            "Where windows overlap, your dx keeps only what the last of them says. All of them saw that pixel.",
            _only_last,
        ),
        Slip(
            "dw flipped",
            "Your dw is turned by 180°: which number of the window does w[0, 0] meet on the way there?",
            _but(lambda dx, dw, db, dy, x, w: (dx, dw[::-1, ::-1], db)),
        ),
        Slip(
            "db a mean",
            "A bias serves every place of every picture, and each has its influence. You divide by how many there are.",
            _but(lambda dx, dw, db, dy, x, w: (dx, dw, dy.mean(axis=(0, 1, 2)))),
        ),
        Slip(
            "dw a mean over pictures",
            "With one picture your dw is right, with several you divide by their number. The loss knows how it "
            "averages; a convolution only adds.",
            _but(lambda dx, dw, db, dy, x, w: (dx, dw / len(x), db)),
        ),
        Slip(
            "db of one picture",
            "Your db knows the first picture only, or keeps them apart.",
            _but(lambda dx, dw, db, dy, x, w: (dx, dw, dy[0].sum(axis=(0, 1)))),
        ),
        Slip(
            "dw of the last picture",
            "Your dw knows one picture only, the last: what the others said is written over.",
            _but(lambda dx, dw, db, dy, x, w: (dx, conv_gradient(dy[-1:], x[-1:], w)[1], db)),
        ),
        Slip(
            "dx without dy",
            "Your dx adds up filters, whatever arrives from above. How much does each number of y matter to the loss?",
            _but(lambda dx, dw, db, dy, x, w: (conv_gradient(np.ones_like(dy), x, w)[0], dw, db)),
        ),
        Slip(
            "dw without dy",
            "Your dw adds up windows, whatever arrives from above. How much does each number of y matter to the loss?",
            _but(lambda dx, dw, db, dy, x, w: (dx, conv_gradient(np.ones_like(dy), x, w)[1], db)),
        ),
        Slip(
            "db once for each filter",
            "With one filter your db is right, with three it is three times too large: in which loop does it stand?",
            _but(lambda dx, dw, db, dy, x, w: (dx, dw, db * len(db))),
        ),
        Slip(
            "signs",
            "Your dx has the wrong sign everywhere.",
            _but(lambda dx, dw, db, dy, x, w: (-dx, dw, db)),
        ),
        Slip(
            "order",
            "Your gradients stand in another order than (dx, dw, db).",
            (
                _but(lambda dx, dw, db, dy, x, w: (dw, dx, db)),
                _but(lambda dx, dw, db, dy, x, w: (dw, db, dx)),
                _but(lambda dx, dw, db, dy, x, w: (db, dw, dx)),
            ),
        ),
        Slip(
            "last windows missing",
            "The windows of the last row and the last column have no say. How far do your loops count?",
            lambda dy, x, w: conv_gradient(_without_the_last(dy), x, w),
        ),
        Slip(
            "last filter only",
            "Your dx knows one filter only, the last, and where windows overlap only one of these.",
            lambda dy, x, w: _only_last(dy[..., -1:], x, w[..., -1:]),
        ),
        Slip(
            "dw of the last window",
            "Your dw knows one window only, the last: what the others said is written over.",
            _but(
                lambda dx, dw, db, dy, x, w: (
                    dx,
                    np.einsum("nf,npqc->pqcf", dy[:, -1, -1], x[:, -len(w) :, -len(w) :]),
                    db,
                )
            ),
        ),
        Slip(
            "only places added up",
            "Your db still has a row for each column of dy, or for each picture. One bias serves them all.",
            (
                _but(lambda dx, dw, db, dy, x, w: (dx, dw, dy.sum(axis=(0, 1)))),
                _but(lambda dx, dw, db, dy, x, w: (dx, dw, dy.sum(axis=(1, 2)))),
                _but(lambda dx, dw, db, dy, x, w: (dx, dw, dy.sum(axis=0))),
            ),
        ),
    ),
    hints=(
        "Take one window at a time. On the way there it made one number: a dot product of the window with the filter. "
        "What is the gradient of a dot product a·b to a, and to b?",
        "The gradient to a is b. So every number of dy, times the filter, is *added* to its window in dx; and times "
        "the window, is added to dw. dy itself is added to db. Begin with zeros, and loop over n, i, j and f.",
        "dx[n, i:i+K, j:j+K] += dy[n, i, j, f] * w[..., f]; dw[..., f] += dy[n, i, j, f] * x[n, i:i+K, j:j+K]; "
        "db[f] += dy[n, i, j, f].",
    ),
)

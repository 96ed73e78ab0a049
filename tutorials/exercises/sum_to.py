"""Exercise: what was broadcast is summed on the way back."""

import numpy as np

from minicnn.learn.exercise import Case, Exercise, Slip


def sum_to(gradient, shape):
    """The gradient of what NumPy broadcast: sums over all copies.

    NumPy adds a (3,) to a (4, 3) by using the three numbers four times. Each of them then has a part in four results,
    and its gradient is the sum of theirs. The rule of broadcasting, from the right: axes that are missing are put in
    front, and axes of size 1 are stretched.

    gradient: an array of the large shape. shape: the shape of what was broadcast, a tuple such as (3,), (4, 1) or ().

    Return the gradient in that shape: summed over axes that were put in front, and over axes that were stretched.
    """
    gradient = gradient.sum(axis=tuple(range(gradient.ndim - len(shape))))
    stretched = tuple(axis for axis, size in enumerate(shape) if size == 1)
    return gradient.sum(axis=stretched, keepdims=True)


def _drawn(large, small):
    return lambda: [np.arange(np.prod(large), dtype=float).reshape(large) ** 1.5 + 1, small]


def _front(gradient, shape):
    return gradient.sum(axis=tuple(range(gradient.ndim - len(shape))))


def _ones(shape):
    return tuple(axis for axis, size in enumerate(shape) if size == 1)


EXERCISE = Exercise(
    function=sum_to,
    title="what was copied is summed",
    lecture="Broadcasting in Python (course 1)",
    read="tutorials/01_tensors_and_the_tape.py",
    imports="import numpy as np",
    cases=(
        Case("a bias: (2, 3) to (3,)", lambda: [np.array([[1.0, 2, 3], [4, 5, 6]]), (3,)], {"": [5.0, 7.0, 9.0]}),
        Case("nothing was copied: (2, 3) to (2, 3)", _drawn((2, 3), (2, 3))),
        Case("a single number: (2, 3) to ()", _drawn((2, 3), ())),
        Case("a column: (3, 4) to (3, 1)", _drawn((3, 4), (3, 1))),
        Case("a row: (3, 4) to (1, 4)", _drawn((3, 4), (1, 4))),
        Case("a square: (3, 3) to (3,)", _drawn((3, 3), (3,))),
        Case("a bias of a convolution: (2, 5, 4, 3) to (3,)", _drawn((2, 5, 4, 3), (3,))),
        Case("both at once: (5, 2, 4, 3) to (2, 1, 3)", _drawn((5, 2, 4, 3), (2, 1, 3))),
    ),
    slips=(
        Slip(
            "everything",
            "You sum all of it. Only copies are summed; the three numbers of a bias have three gradients.",
            (lambda gradient, shape: gradient.sum(), lambda gradient, shape: gradient.sum() + np.zeros(shape)),
        ),
        Slip(
            "the front only",
            "Missing axes are right. But an axis of size 1 was stretched, too: (3, 1) was copied to (3, 4).",
            _front,
        ),
        Slip(
            "the stretched axis is gone",
            "You sum along the stretched axis, and it disappears: (3, 1) becomes (3,). What does keepdims do?",
            lambda gradient, shape: _front(gradient, shape).sum(axis=_ones(shape)),
        ),
        Slip(
            "a mean",
            "You take the mean of the copies. Each copy moves the result, and what they move adds up.",
            (
                lambda gradient, shape: sum_to(gradient, shape) / (gradient.size / np.prod(shape)),
                lambda gradient, shape: sum_to(gradient, shape) / np.prod(gradient.shape[: gradient.ndim - len(shape)]),
                lambda gradient, shape: sum_to(_front(gradient, shape).mean(axis=_ones(shape), keepdims=True), shape),
            ),
        ),
        Slip(
            "one copy",
            "You keep the gradient of one copy and drop the others.",
            (
                lambda gradient, shape: gradient[
                    (0,) * (gradient.ndim - len(shape)) + tuple(slice(0, n) for n in shape)
                ],
                lambda gradient, shape: sum_to(gradient[(0,) * (gradient.ndim - len(shape))], shape),
            ),
        ),
        Slip(
            "the last axes",
            "Shapes are matched from the right: what is missing is missing in front. You sum the last axes.",
            lambda gradient, shape: gradient.sum(axis=tuple(range(len(shape), gradient.ndim))).sum(
                axis=tuple(axis for axis in _ones(shape) if axis < min(len(shape), gradient.ndim)), keepdims=True
            ),
        ),
        Slip(
            "the first axis only",
            "One axis at the front is right. (2, 5, 4, 3) has three axes more than (3,): sum over every one of them.",
            (
                lambda gradient, shape: gradient.sum(axis=0) if gradient.ndim > len(shape) else sum_to(gradient, shape),
                lambda gradient, shape: (gradient.sum(axis=0) if gradient.ndim > len(shape) else gradient).sum(
                    axis=_ones(shape), keepdims=True
                ),
            ),
        ),
    ),
    hints=(
        "(4, 3) to (3,): which axis of the gradient has shape (3,) not got? (3, 4) to (3, 1): which axis of the "
        "gradient is longer than it was?",
        "First sum over the axes in front, gradient.ndim − len(shape) of them; then over those where shape has a 1, "
        "with keepdims=True, so that the axis stays. sum(axis=(0, 2)) sums over two axes at once; axis=() over none.",
        "gradient = gradient.sum(axis=tuple(range(gradient.ndim - len(shape)))), and then the same with the places of "
        "the ones in shape: tuple(axis for axis, size in enumerate(shape) if size == 1), and keepdims=True.",
    ),
)

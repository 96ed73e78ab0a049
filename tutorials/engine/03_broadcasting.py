"""NumPy is generous: it adds a row of three numbers to a picture of a thousand rows, by using the row a thousand times.
Each of the three numbers then has a hand in a thousand results, and what it is worth is what all of these are worth,
together. So: what was copied on the way there is summed on the way back.

NumPy's rule, counted from the right: missing axes are added in front, and an axis of size 1 is stretched. Undo both.
d is a gradient, in the large shape; give it in `shape`, that of what was copied.

Predict: a bias of shape (3,) was added to a batch of shape (4, 3). For a d of all ones, what are its three
gradients?
"""

import numpy as np

MINUTES = 15


def summed(large, small):
    d = np.arange(np.prod(large), dtype=float).reshape(large) ** 1.5
    return lambda engine: engine.sum_to(d, small)


TRIALS = (
    ("nothing was copied: (2, 3) to (2, 3)", summed((2, 3), (2, 3))),
    ("a bias: (4, 3) to (3,)", summed((4, 3), (3,))),
    ("a single number: (2, 3) to ()", summed((2, 3), ())),
    ("a column: (3, 4) to (3, 1)", summed((3, 4), (3, 1))),
    ("a row: (3, 4) to (1, 4)", summed((3, 4), (1, 4))),
    ("colours of a picture: (5, 6, 3) to (3,)", summed((5, 6, 3), (3,))),
    ("both at once: (5, 2, 4, 3) to (2, 1, 3)", summed((5, 2, 4, 3), (2, 1, 3))),
    ("a 1 that was a 1 before: (4, 1, 3) to (1, 3)", summed((4, 1, 3), (1, 3))),
)

FRONT = "d = d.sum(axis=tuple(range(d.ndim - len(shape))))"
STRETCHED = "d.sum(axis=tuple(axis for axis, size in enumerate(shape) if size == 1), keepdims=True)"

SLIPS = (
    (
        "everything",
        "You sum all of it. Only what was copied is summed; the three numbers of a bias have three gradients.",
        (STRETCHED, "d.sum() + np.zeros(shape)"),
        (FRONT, "return d.sum()"),
    ),
    (
        "the front only",
        "Missing axes are right. But an axis of size 1 was stretched, too: (3, 1) was copied to (3, 4).",
        (STRETCHED, "d"),
    ),
    (
        "the stretched axis is gone",
        "You sum along the stretched axis, and it disappears: (3, 1) becomes (3,). What does keepdims do?",
        (", keepdims=True", ""),
    ),
    (
        "a mean",
        "You take the mean of the copies. Each copy moves the result, and their effects add up.",
        (FRONT, "d = d.mean(axis=tuple(range(d.ndim - len(shape))))"),
        ("d.sum(", "d.mean("),
    ),
    (
        "one copy",
        "You keep one of the copies' gradients, and drop the others.",
        (FRONT, "d = d[(0,) * (d.ndim - len(shape))]"),
    ),
    (
        "the last axes",
        "Shapes are matched from the right: what is missing is missing in front. You sum the last axes.",
        (FRONT, "d = d.sum(axis=tuple(range(len(shape), d.ndim)))"),
    ),
)

HINTS = (
    "(4, 3) to (3,): which axis of d has shape (3,) not got? (3, 4) to (3, 1): which axis of d is longer than it was?",
    "First sum the axes in front, of which d has d.ndim − len(shape) too many; then those where shape has a 1, with "
    "keepdims=True so that the axis stays. d.sum(axis=(0, 2)) sums two axes at once; of axis=(), none.",
    "d = d.sum(axis=tuple(range(d.ndim - len(shape)))), and then the same with the places of the ones in shape: "
    "tuple(axis for axis, size in enumerate(shape) if size == 1).",
)


def show(engine):
    d = np.ones((1000, 3))
    return (
        "One bias for three colours, added to a thousand pixels. If every result is worth 1,\n"
        f"  each number of the bias is worth {engine.sum_to(d, (3,))}\n"
        "A single nudge of it moves a thousand pixels. That is why biases learn fast."
    )

"""A filter of 3×3 sees three pixels. To see more, let the picture shrink: of every 2×2 square, keep the mean. The next
3×3 filter then sees six pixels, after another pool twelve, and so on. It costs a quarter each time, too.

x is (H, W, C), with H and W even; the result is (H/2, W/2, C). Each channel for itself.

The rule: four pixels went into a mean, a quarter each. So each of the four gets a quarter of d.

Predict: which pixel of d belongs to x[5, 2]?
"""

import numpy as np

MINUTES = 10

RANDOM = np.random.default_rng(10)
X, D = RANDOM.standard_normal((6, 4, 3)), RANDOM.standard_normal((3, 2, 3))


TRIALS = (
    ("four pixels", lambda engine: engine.pool(np.array([[[1.0], [2.0]], [[3.0], [6.0]]]))),
    ("a picture of 6 × 4 in three channels", lambda engine: engine.pool(engine.Value(X))),
    ("its rule", lambda engine: engine.rule(engine.pool(engine.Value(X)), D)[0]),
    ("of 2 × 4 pixels", lambda engine: engine.rule(engine.pool(engine.Value(X[:2])), D[:1])[0]),
    ("twice", lambda engine: engine.pool(engine.pool(engine.Value(np.arange(32.0).reshape(4, 4, 2))))),
    ("your own judge acquits it", lambda engine: float(engine.judge(engine.pool, X)) < 1e-7),
)

MEANS = "means = (a[::2, ::2] + a[1::2, ::2] + a[::2, 1::2] + a[1::2, 1::2]) / 4"
BACK = "d.repeat(2, axis=0).repeat(2, axis=1) / 4"

SLIPS = (
    (
        "a sum",
        "You add up the four pixels. A mean divides, on the way there and on the way back.",
        (MEANS, MEANS.replace(" / 4", ""), BACK, BACK.replace(" / 4", "")),
        (MEANS, MEANS.replace(" / 4", "")),
    ),
    (
        "all of d for each",
        "Each of the four pixels gets all of d. It is a quarter of the mean: nudge it by 4, and the mean moves by 1.",
        (BACK, BACK.replace(" / 4", "")),
    ),
    (
        "the largest",
        "You keep the largest of the four. That is a max pool, which networks have, too; this one keeps the mean.",
        (MEANS, "means = np.maximum.reduce([a[::2, ::2], a[1::2, ::2], a[::2, 1::2], a[1::2, 1::2]])"),
    ),
    (
        "tiled",
        "On the way back your d is laid out as tiles: its picture stands there four times. Each of its pixels is to "
        "become a square of 2×2.",
        (BACK, "np.tile(d, (2, 2, 1)) / 4"),
    ),
    (
        "one of four",
        "You keep one pixel of the four, and throw away the others.",
        (MEANS, "means = a[::2, ::2]"),
        (BACK, "np.kron(d, np.array([[[1.0], [0]], [[0], [0]]]))"),
        (
            MEANS,
            "means = a[::2, ::2]",
            BACK,
            "np.kron(d, np.array([[[1.0], [0]], [[0], [0]]]))",
        ),
    ),
    (
        "one direction",
        "You shrink in one direction only, or take the mean of two pixels.",
        (MEANS, "means = (a[::2] + a[1::2]) / 2"),
        (MEANS, "means = (a[::2, ::2] + a[1::2, ::2]) / 2"),
        (MEANS, "means = (a[::2, ::2] + a[::2, 1::2]) / 2"),
    ),
)

HINTS = (
    "Which four pixels of x meet in the first pixel of the result? And in the one to the right of it?",
    "a[::2, ::2] is every other pixel, those at the upper left of the squares. There are three more slices like it. On "
    "the way back, d.repeat(2, axis=0) says every row twice.",
    "(a[::2, ::2] + a[1::2, ::2] + a[::2, 1::2] + a[1::2, 1::2]) / 4, and back "
    "d.repeat(2, axis=0).repeat(2, axis=1) / 4, in a tuple of one.",
)


def portrait(size=128):
    from matplotlib.cbook import get_sample_data

    from minicnn import images

    return images.load(get_sample_data("grace_hopper.jpg", asfileobj=False), size=(size * 19 // 16, size))[:size]


def show(engine):
    x, ramp = portrait().mean(axis=2, keepdims=True), "@%#*+=-:. "
    lines, pools = [], 0
    while len(x) > 16:
        x, pools = engine.pool(x).data, pools + 1
        if pools > 1:
            lines += [f"  {len(x)} × {len(x)}"]
            lines += [
                "  " + "".join(2 * ramp[int(9.99 * min(level, 1))] for level in row).rstrip() for row in x[..., 0]
            ]
    return "\n".join(
        [
            "A photograph of 128 × 128 pixels, after two of your pools and after three. Who is it?",
            *lines,
            "From afar you can still tell. A 3×3 filter on the last one sees a whole eye at once.",
        ]
    )

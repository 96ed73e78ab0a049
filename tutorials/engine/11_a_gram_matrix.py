"""What is the style of a painting, in numbers? Not what is where: a dash may stand anywhere. It is which channels of a
layer respond *together*, wherever that may be: blue with swirls, yellow with dots.

Lay out what a layer sees, (H, W, C), as rows: one for each of the H·W places, C numbers in each. Call it F. Then

    G = Fᵀ F        G[i, j] = Σ over all places of F[place, i] · F[place, j]

is (C, C), and the places are gone. You know the product of matrices and its rule; but here F comes in twice, and
both parts add up. That makes the rule F @ (d + dᵀ), laid out as (H, W, C) again.

Predict: shuffle all places of the picture. How does G change?
"""

import numpy as np

MINUTES = 15

RANDOM = np.random.default_rng(11)
X, D = RANDOM.standard_normal((4, 5, 3)), RANDOM.standard_normal((3, 3))


def gradient(engine):
    x = engine.Value(X.copy())
    engine.backward(engine.total(engine.gram(x) * D))
    return x.grad


TRIALS = (
    ("one channel, two places: 3 · 3 + 4 · 4", lambda engine: engine.gram(np.array([[[3.0], [4.0]]]))),
    ("4 × 5 places, three channels", lambda engine: engine.gram(engine.Value(X))),
    ("two channels that never respond together", lambda engine: engine.gram(np.array([[[2.0, 0]], [[0, 3.0]]]))),
    ("its gradient", gradient),
    ("your own judge acquits it", lambda engine: float(engine.judge(engine.gram, X)) < 1e-7),
)

MADE = "return Value(rows.T @ rows, (x,), lambda d: ((rows @ (d + d.T)).reshape(a.shape),))"

SLIPS = (
    (
        "places with places",
        "You compare places with places: your matrix has a row for each place. Style asks about channels.",
        (
            MADE,
            "return Value(rows @ rows.T, (x,), lambda d: (((d + d.T) @ rows).reshape(a.shape),))",
        ),
    ),
    (
        "mixed up",
        "You cut the numbers anew into C rows, and the channels are mixed up. The last axis stays the last: "
        "reshape(-1, C).",
        (
            "rows = a.reshape(-1, a.shape[-1])",
            "rows = a.reshape(a.shape[-1], -1).T",
            "(rows @ (d + d.T)).reshape(a.shape)",
            "(rows @ (d + d.T)).T.reshape(a.shape)",
        ),
        ("rows = a.reshape(-1, a.shape[-1])", "rows = a.reshape(a.shape[-1], -1).T"),
    ),
    (
        "half of the gradient",
        "F comes into the product twice, and your rule speaks of one of them.",
        ("(d + d.T)", "d"),
        ("(d + d.T)", "d.T"),
    ),
    (
        "as if d were its own mirror",
        "You take 2d for d + dᵀ. That is the same only where d is symmetric.",
        ("(d + d.T)", "(2 * d)"),
    ),
    (
        "divided",
        "You divide by the number of places, or of channels. A good idea, but the cost divides later.",
        ("rows.T @ rows,", "rows.T @ rows / len(rows),", "(rows @ (d + d.T))", "(rows @ (d + d.T) / len(rows))"),
        ("rows.T @ rows,", "rows.T @ rows / len(rows),"),
        ("rows.T @ rows,", "rows.T @ rows / a.size,", "(rows @ (d + d.T))", "(rows @ (d + d.T) / a.size)"),
    ),
    (
        "centred",
        "You take off each channel's mean. That is the covariance; here channels come as they are.",
        ("rows = a.reshape(-1, a.shape[-1])", "rows = a.reshape(-1, a.shape[-1])\n    rows = rows - rows.mean(axis=0)"),
    ),
    (
        "laid out as rows",
        "The gradient has a row for each place. It belongs to x, and has x's shape.",
        ("(rows @ (d + d.T)).reshape(a.shape)", "rows @ (d + d.T)"),
    ),
)

HINTS = (
    "How do you say by one number how often two channels respond in the same places?",
    "rows = a.reshape(-1, a.shape[-1]) is (places, C). G is a product of rows.T and rows. In the rule, each of the two "
    "gets a part: rows @ d and rows @ d.T.",
    "Value(rows.T @ rows, (x,), …), whose rule gives ((rows @ (d + d.T)).reshape(a.shape),).",
)


def show(engine):
    random = np.random.default_rng(0)
    seen = np.maximum(random.standard_normal((8, 8, 3)) + np.array([0, 0.5, 1]), 0)
    shuffled = random.permutation(seen.reshape(64, 3)).reshape(seen.shape)
    moved = np.abs(engine.gram(seen).data - engine.gram(shuffled).data).max()
    return (
        "All 64 places of a picture, shuffled:\n"
        f"  what is where moves by up to     {np.abs(seen - shuffled).max():.2f}\n"
        f"  the Gram matrix by up to         {moved:.0e}\n"
        "It does not know what is where. That makes it a style."
    )

"""Most of what a network does is one operation: the product of two matrices. Row i of x meets column j of y; what comes
out is z[i, j] = Σₖ x[i, k] · y[k, j].

Its rule looks hard and is not. Take one entry, x[i, k]: it is used for all of row i of z, each time next to another
y[k, j]. So it is worth Σⱼ d[i, j] · y[k, j]. That is a product of matrices again, of d and of y turned over. The one
for y goes the same way.

A trick that never fails: write down the shapes. The gradient of x has the shape of x, and there are not many ways to
get it out of d and y.

Predict: x is (2, 3), y is (3, 4). What shape has d, and which of d @ y, y @ d, d @ y.T is (2, 3)?
"""

import numpy as np

MINUTES = 15

RANDOM = np.random.default_rng(4)
X, Y, D = RANDOM.standard_normal((2, 3)), RANDOM.standard_normal((3, 4)), RANDOM.standard_normal((2, 4))
A, B, C = RANDOM.standard_normal((3, 3, 3))


def rule(place, x, y, d):
    return lambda engine: engine.rule(engine.matmul(engine.Value(x), engine.Value(y)), d)[place]


TRIALS = (
    ("(2, 3) @ (3, 4)", lambda engine: engine.matmul(engine.Value(X), engine.Value(Y))),
    ("the gradient of x, (2, 3)", rule(0, X, Y, D)),
    ("the gradient of y, (3, 4)", rule(1, X, Y, D)),
    ("square matrices: the gradient of x", rule(0, A, B, C)),
    ("square matrices: the gradient of y", rule(1, A, B, C)),
    ("it remembers x and y", lambda engine: len(engine.matmul(engine.Value(X), Y).parents)),
    ("by the sign, x @ y", lambda engine: engine.Value(X) @ engine.Value(Y)),
)

RULE = "(d @ b.T, a.T @ d)"

SLIPS = (
    (
        "not turned over",
        "The other matrix comes into it, but turned over. Square matrices let you do as you did, and give something "
        "wrong; with (2, 3) and (3, 4) the shapes refuse.",
        (RULE, "(d @ b, a @ d)"),
        (RULE, "(d @ b, a.T @ d)"),
        (RULE, "(d @ b.T, a @ d)"),
    ),
    (
        "the wrong side",
        "d stands on the other side: what came from the left factor goes back with d on the left. Compare the shapes.",
        (RULE, "(b.T @ d, d @ a.T)"),
        (RULE, "(d @ b.T, d @ a.T)"),
        (RULE, "(b.T @ d, a.T @ d)"),
    ),
    (
        "swapped",
        "Your two gradients are right, in the wrong order: the first belongs to x.",
        (RULE, "(a.T @ d, d @ b.T)"),
    ),
    (
        "as multiply",
        "That is the rule of a product number by number. Here each entry of x is used for a whole row of the result.",
        (RULE, "(d * b, d * a)"),
        ("a @ b, (x, y), lambda d: (d @ b.T, a.T @ d)", "a * b, (x, y), lambda d: (d * b, d * a)"),
    ),
    (
        "turned over at the end",
        "A gradient comes out turned over: its shape is not that of what it belongs to.",
        (RULE, "(b @ d.T, d.T @ a)"),
        (RULE, "(d @ b.T, d.T @ a)"),
    ),
    (
        "no d",
        "d does not come into your rule. Without it nobody knows what the result is worth.",
        (RULE, "(np.ones(d.shape) @ b.T, a.T @ np.ones(d.shape))"),
    ),
)

HINTS = (
    "Which results does one entry x[i, k] have a hand in, and next to which entries of y?",
    "The gradient of x is Σⱼ d[i, j] · y[k, j]: row i of d with row k of y. A matrix product wants columns there, so "
    "y has to be turned over. For y it is Σᵢ x[i, k] · d[i, j].",
    "With a = array(x) and b = array(y): Value(a @ b, (x, y), …), and the rule gives (d @ b.T, a.T @ d).",
)


def show(engine):
    nudged = X.copy()
    nudged[1, 2] += 1e-6
    moved = ((nudged @ Y - X @ Y) * D).sum() / 1e-6
    return (
        "Nudge one entry of x, x[1, 2], and look at what all the results are worth together:\n"
        f"  by nudging     {moved:.6f}\n"
        f"  by your rule   {engine.rule(engine.matmul(engine.Value(X), engine.Value(Y)), D)[0][1, 2]:.6f}\n"
        "Nudging took one more product for one entry. Your rule took one for all of them."
    )

"""A picture of 128 × 128 pixels in three colours is 49,152 numbers. A Value for each would remember 49,152 times; one
Value that holds them all remembers once. It already can: np.asarray takes an array as it takes a number, and a rule
works on arrays as on numbers. The gradient of an array is an array of the same shape: for each number, what the
result gains by it.

Write two operations on arrays. `multiply` goes number by number. If x grows by a bit, x · y grows by y bits. `total`
adds up all numbers of one array: what is one of them worth, if the sum is worth d?

Predict: x = 3 and y = 2. What does the rule of x · y give for a d of 10?
"""

import numpy as np

MINUTES = 10

X, Y, D = np.array([[1.0, -2.0, 3.0], [0.5, 4.0, -1.0]]), np.array([[2.0, 5.0, -3.0], [7.0, 0.0, 1.5]]), 10.0
DS = np.array([[1.0, 2.0, 3.0], [-4.0, 5.0, 6.0]])

TRIALS = (
    ("3 · 2", lambda engine: engine.multiply(engine.Value(3), engine.Value(2))),
    ("its rule, for a d of 10", lambda engine: engine.rule(engine.multiply(engine.Value(3), engine.Value(2)), D)),
    ("two arrays of 2 × 3", lambda engine: engine.multiply(engine.Value(X), engine.Value(Y))),
    ("their rule, for a d of 2 × 3", lambda engine: engine.rule(engine.multiply(engine.Value(X), engine.Value(Y)), DS)),
    ("an array and a plain number", lambda engine: engine.multiply(engine.Value(X), 4)),
    ("total of an array of 2 × 3", lambda engine: engine.total(engine.Value(X))),
    ("the rule of total, for a d of 10", lambda engine: engine.rule(engine.total(engine.Value(X)), D)[0]),
    ("by signs, x · y − x", lambda engine: engine.Value(X) * engine.Value(Y) - engine.Value(X)),
)

PRODUCT, RULE = "return Value(a * b, (x, y), lambda d: (d * b, d * a))", "(d * b, d * a)"

SLIPS = (
    (
        "swapped",
        "Your rule gives each factor a gradient by itself. How much x · y grows with x does not depend on x.",
        (RULE, "(d * a, d * b)"),
    ),
    (
        "no d",
        "Your rule gives the other factor, and forgets d: what the final result gains is the slope times d.",
        (RULE, "(b, a)"),
    ),
    (
        "as a sum",
        "That is the rule of a sum. A bit more of x makes x · y larger by y bits, not by one.",
        (RULE, "(d, d)"),
    ),
    (
        "a matrix product",
        "You multiply matrices, with `@`, or add up afterwards. Here every number meets the one in the same place, "
        "and x · y has the shape of x.",
        (PRODUCT, "return Value((a * b).sum(), (x, y), lambda d: (d * b, d * a))"),
    ),
    (
        "total of a column",
        "You add up along one axis. total gives a single number, of all.",
        ("a.sum()", "a.sum(axis=0)"),
        ("a.sum()", "a.sum(axis=-1)"),
    ),
    (
        "a gradient without shape",
        "The rule of total gives a single d. The gradient of an array has the array's shape: every number of it is "
        "worth d.",
        ("(np.full(a.shape, d),)", "(d,)"),
    ),
    (
        "d times the numbers",
        "In total, your rule multiplies by the numbers that were added. A bit more of any of them makes the sum "
        "larger by that bit, however large the number is.",
        ("(np.full(a.shape, d),)", "(d * a,)"),
    ),
    (
        "shared out",
        "You share d out among the numbers: that is the rule of a mean. In a sum each one is worth all of d.",
        ("(np.full(a.shape, d),)", "(np.full(a.shape, d / a.size),)"),
    ),
)

HINTS = (
    "Move x by a bit and leave y: by how much does x · y move? And what does the final result gain by that, if it "
    "gains d for every bit of x · y?",
    "Take a = array(x) and b = array(y) first; the rule sees both. For total: one parent, so a tuple of one, and its "
    "entry has a's shape, all of it filled with d.",
    "multiply: Value(a * b, (x, y), …) with a rule that returns (d * b, d * a). total: Value(a.sum(), (x,), …), whose "
    "rule returns (np.full(a.shape, d),).",
)


def show(engine):
    def remembers(value):
        return 1 + sum(remembers(parent) for parent in getattr(value, "parents", ()))

    x = np.arange(100.0)
    singles = [engine.multiply(engine.Value(number), engine.Value(number)) for number in x]
    result = singles[0]
    for single in singles[1:]:
        result = result + single
    whole = engine.total(engine.multiply(engine.Value(x), engine.Value(x)))
    return (
        "The squares of 0 to 99, added up:\n"
        f"  a Value for each number   {float(result.data):g}   remembered in {remembers(result)} pieces\n"
        f"  one Value for all         {float(whole.data):g}   remembered in {remembers(whole)} pieces"
    )

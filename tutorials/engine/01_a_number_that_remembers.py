"""An engine is a calculator that can say afterwards how its result depends on what went in. To say it, it has to
remember. So here is a number that does: a Value keeps its number, the Values that it was made of (its parents), and
a rule.

The rule answers one question. Suppose the final result gains d for every bit by which this Value grows: how much
does the result gain by each of the parents? A rule is a function of d, and gives a tuple: one number for every
parent.

For z = x + y: if x grows by a bit, z grows by a bit. So whatever z is worth, x is worth too, and y as well.

Write two things: what a Value keeps, and the first operation. x and y may be Values or plain numbers; `array` gives
the number of either one.

Predict: after z = add(Value(2), add(Value(3), 4)), what are the parents of z?
"""

MINUTES = 10


def remembered(engine):
    x = engine.Value(3)
    z = engine.Value(5, (x, 2), lambda d: (d, d))
    return [z.data, z.parents == (x, 2), callable(z.rule), x.parents == (), x.rule is None, x.grad == 0]


def parents(engine):
    x, y = engine.Value(2), engine.Value(3)
    return [parent is value for parent, value in zip(engine.add(x, y).parents, (x, y), strict=True)]


TRIALS = (
    ("a Value keeps what it is given", remembered),
    ("its data are floats, in an array", lambda engine: str(engine.Value(3).data.dtype)),
    ("2 + 3", lambda engine: engine.add(engine.Value(2), engine.Value(3))),
    ("2 + 3 remembers both Values", parents),
    ("its rule, for a d of 7", lambda engine: engine.rule(engine.add(engine.Value(2), engine.Value(3)), 7)),
    ("a Value and a plain number, 2 + 3", lambda engine: engine.add(engine.Value(2), 3)),
    ("by the sign, 3 + a Value", lambda engine: 3 + engine.Value(2)),
    ("a sum of sums", lambda engine: engine.add(engine.Value(2), engine.add(engine.Value(3), 4))),
)

KEPT = "self.data = np.asarray(data, dtype=float)"
SUM = "return Value(array(x) + array(y), (x, y), lambda d: (d, d))"

SLIPS = (
    (
        "forgets",
        "The sum is right, but it has forgotten what it was made of. What are the second and third things that a "
        "Value is given?",
        (SUM, "return Value(array(x) + array(y))"),
    ),
    (
        "remembers numbers",
        "It remembers plain numbers. On the way back there will be gradients to leave somewhere: the parents are x and "
        "y themselves.",
        ("(x, y), lambda", "(array(x), array(y)), lambda"),
        ("(x, y), lambda", "(Value(array(x)), Value(array(y))), lambda"),
    ),
    (
        "one for both",
        "Your rule shares d out between the two, or keeps it to one. A bit more of x makes the sum a bit larger, and "
        "so does a bit more of y: each of them is worth all of d.",
        ("(d, d))", "(d / 2, d / 2))"),
        ("(d, d))", "(d, 0 * d))"),
    ),
    (
        "slopes",
        "Your rule gives the slopes, 1 and 1, whatever d is. It is asked what the *final result* gains: the slope "
        "times d.",
        ("(d, d))", "(1, 1))"),
    ),
    (
        "values for gradients",
        "Your rule gives the numbers that were added. How much is the sum moved by a bit of x? Not by x.",
        ("(d, d))", "(d * array(x), d * array(y)))"),
        ("(d, d))", "(d * array(y), d * array(x)))"),
    ),
    (
        "whole numbers",
        "Your data may be whole numbers: np.asarray(3) is one. Gradients are not; ask for floats by dtype.",
        (KEPT, "self.data = np.asarray(data)"),
        (KEPT, "self.data = np.array(data)"),
    ),
)

HINTS = (
    "What does a Value have to know to answer later on: 'what were you made of, and what is each of them worth'?",
    "__init__ stores its three arguments under their own names, data as np.asarray(data, dtype=float), and a grad of "
    "0. add makes a Value of three things: the sum of array(x) and array(y), the pair (x, y), and a rule.",
    "return Value(array(x) + array(y), (x, y), rule), where rule gets d and returns (d, d): a lambda, or a function "
    "inside the function.",
)


def show(engine):
    def told(value, depth=0):
        parents = getattr(value, "parents", ())
        number = f"{float(engine.array(value)):g}"
        lines = ["    " * depth + number + (" is the sum of" if parents else "")]
        return lines + [line for parent in parents for line in told(parent, depth + 1)]

    z = engine.add(engine.Value(2), engine.add(engine.Value(3), 4))
    return "\n".join(
        [
            "Ask the sum where it comes from, and it tells you the whole story:",
            *("  " + line for line in told(z)),
            "A plain 9 could not have told you that.",
        ]
    )

"""A wrong rule raises no error. So build a judge before you build more: it asks your rules, and then it nudges.

Move one number by h up and by h down, and look at the result both times. The difference over 2h is the slope, and no
rule was asked. Do so for every number of every input, and compare with `grad` after one walk. The largest difference
is the judge's answer: 1e-9 says that the rules are right, 0.5 that one is not.

A result may be an array, and then each of its numbers must be worth something *different*: if all are worth 1, a
gradient that comes back in the wrong order looks right. Weigh them, say by np.cos(np.arange(size)), and add up.

f takes Values and gives a Value. The arrays are to be what they were when the judge is done.

Predict: which mistakes would a judge miss that nudges only upwards, and divides by h?
"""

import numpy as np

MINUTES = 25

X, Y = np.array([[1.0, -2.0, 0.5], [3.0, 0.7, -1.1]]), np.array([[0.3, 2.0, -1.0], [1.5, -0.4, 0.9]])


def planted(engine, gradient, of=lambda a: a * 1.0):
    """An operation whose rule is not the right one."""
    return lambda x: engine.Value(of(engine.array(x)), (x,), lambda d: (gradient(d),))


def wrong(gradient, *arrays):
    def trial(engine):
        operation = planted(engine, gradient)
        return float(engine.judge(lambda *values: operation(values[-1]) + values[0] * 2, *arrays)) > 1e-3

    return trial


def doubled(place):
    def gradient(d):
        d = np.array(d)
        d[place] *= 2
        return d

    return gradient


def leaves_alone(engine):
    x, y = X.copy(), Y.copy()
    engine.judge(lambda x, y: x * y, x, y)
    return bool((x == X).all() and (y == Y).all())


def acquits(f, *arrays):
    return lambda engine: float(engine.judge(lambda *values: f(engine, *values), *arrays)) < 3e-7


TRIALS = (
    ("x · y is acquitted", acquits(lambda engine, x, y: x * y, X, Y)),
    ("and x · x · x, which bends", acquits(lambda engine, x: x * x * x, 2 * X)),
    ("and x @ y, of two shapes", acquits(lambda engine, x, y: x @ y, X, Y.T)),
    ("and the square of a total", acquits(lambda engine, x: engine.total(x) * engine.total(x), X)),
    ("and a bias that is broadcast", acquits(lambda engine, x, b: (x + b) * x, X, Y[0])),
    ("a rule that is twice too large is caught", wrong(lambda d: d * 2, X, Y)),
    ("one that is of the wrong sign", wrong(lambda d: -d, X, Y)),
    ("one that gives nothing", wrong(lambda d: 0 * d, X, Y)),
    ("a wrong rule of a single number, too large", wrong(lambda d: d * 3, 1.0, 2.0)),
    ("and one that is too small", wrong(lambda d: d * 0, 1.0, 2.0)),
    ("one that is wrong in the first number only", wrong(doubled((0, 0)), X, Y)),
    ("and in the last one only", wrong(doubled((-1, -1)), X, Y)),
    ("one that gives the right numbers in the wrong order", wrong(lambda d: d[::-1, ::-1], X, Y)),
    ("the arrays are what they were", leaves_alone),
)

WEIGHTS = "weights = np.cos(np.arange(f(*values).data.size)).reshape(f(*values).data.shape)"
WORST = "worst = max(worst, abs(slope - (value.grad + np.zeros(value.data.shape))[place]))"

SLIPS = (
    (
        "all worth one",
        "You add up the results as they are. So each is worth 1, and gradients that come back in the wrong order pass.",
        (WEIGHTS, "weights = 1.0"),
    ),
    (
        "upwards only",
        "You nudge to one side. The slope is then off by about h, as soon as f bends: right rules are condemned. Nudge "
        "to both sides.",
        ("(here + h, here - h)", "(here + h, here)", "(2 * h)", "h"),
    ),
    (
        "h and not two of them",
        "From −h to +h it is 2h. All your slopes are twice too large.",
        ("(2 * h)", "h"),
    ),
    (
        "not put back",
        "You do not put a number back after nudging it, so the next one is measured somewhere else.",
        ("            value.data[place] = here\n            slope", "            slope"),
    ),
    (
        "one input",
        "Only one of the inputs is judged. Every one of them has a gradient.",
        ("for value in values:\n        for place", "for value in values[:1]:\n        for place"),
    ),
    (
        "no size",
        "You look for the largest difference, with its sign: −2 is a large one, too.",
        (WORST, WORST.replace("abs(slope - ", "(slope - ").replace("max(worst, (", "max(worst, (")),
        (WORST, "worst = max(worst, (value.grad + np.zeros(value.data.shape))[place] - slope)"),
    ),
    (
        "one number",
        "You nudge one number of each input. A rule may be right there and wrong elsewhere.",
        ("in np.ndindex(value.data.shape)", "in list(np.ndindex(value.data.shape))[:1]"),
    ),
    (
        "the last word counts",
        "Your answer is the difference of the number that came last. The largest counts.",
        (WORST, WORST.replace("max(worst, ", "max(0.0, ")),
    ),
    (
        "the caller's arrays",
        "The arrays that you were given are changed: np.asarray shares them, np.array copies them.",
        ("np.array(each, dtype=float)", "np.asarray(each, dtype=float)", "value.data[place] = here", "pass"),
        (
            "np.array(each, dtype=float)",
            "np.asarray(each, dtype=float)",
            "    return worst",
            "    for value in values:\n        value.data += 1e-3\n    return worst",
        ),
    ),
)

HINTS = (
    "Without asking any rule, how do you find out how much the result moves with one number of one input?",
    "Make Values of copies, and a function score() that runs f on them, weighs and adds up. Walk back from score(). "
    "Then for every place in np.ndindex(value.data.shape): put here + h there, ask score(), put here − h there, ask "
    "again, put `here` back; compare (above − below) / (2h) with value.grad[place].",
    "score: total(multiply(f(*values), weights)), weights = np.cos(np.arange(n)).reshape(shape) with the size and the "
    "shape of f's result. The answer is the largest abs(slope − grad[place]). A Value that was not used has a grad of "
    "plain 0.0: add np.zeros(value.data.shape).",
)


def show(engine):
    right = engine.judge(lambda x: engine.multiply(x, x), X)
    wrong = engine.judge(planted(engine, lambda d: d * X, of=np.square), X)
    return (
        "The square of x, judged:\n"
        f"  by your multiply                                 {right:.1e}\n"
        f"  by a rule that gives d · x (and forgets the 2)   {wrong:.1e}\n"
        "From here on, judge whatever you write: judge(layer, x, w, b)."
    )

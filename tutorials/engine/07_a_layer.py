"""A layer is a product of matrices, a bias, and a bend. x is (N, features), a row for each example; w is (features,
outputs); b is (outputs,).

The bend is max(x, 0), by the name of ReLU. Without it, two layers after each other are one: (x @ w) @ v is x @ (w @
v), and a hundred layers can do no more than a single one.

The rule of the ReLU is a gate. Where x was above 0, d passes; elsewhere, nothing does. It is x that opens the gate,
and not d.

Predict: x is −3, 0 and 2, and d is −1, −1 and −1. What passes?
"""

import numpy as np

MINUTES = 10

RANDOM = np.random.default_rng(7)
X, W, B = RANDOM.standard_normal((4, 3)), RANDOM.standard_normal((3, 5)), RANDOM.standard_normal(5)
D = RANDOM.standard_normal((4, 5))


def gradients(place):
    def trial(engine):
        values = [engine.Value(each.copy()) for each in (X, W, B)]
        engine.backward(engine.total(engine.layer(*values) * D))
        return values[place].grad + np.zeros(values[place].data.shape)

    return trial


TRIALS = (
    ("the ReLU of −3, 0 and 2", lambda engine: engine.relu(engine.Value([-3.0, 0.0, 2.0]))),
    (
        "what passes of −1, 5 and −1",
        lambda engine: engine.rule(engine.relu(engine.Value([-3.0, 0.0, 2.0])), [-1.0, 5.0, -1.0])[0],
    ),
    ("a layer of 3 features and 5 outputs", lambda engine: engine.layer(engine.Value(X), W, B)),
    ("the gradient of x", gradients(0)),
    ("the gradient of w", gradients(1)),
    ("the gradient of b", gradients(2)),
    ("your own judge acquits it", lambda engine: float(engine.judge(engine.layer, X, W, B)) < 1e-7),
)

RELU = "return Value(np.maximum(a, 0), (x,), lambda d: (d * (a > 0),))"
LAYER = "return relu(matmul(x, w) + b)"

SLIPS = (
    (
        "open at zero",
        "At x = 0 exactly, your gate is open. It opens above 0.",
        ("(a > 0)", "(a >= 0)"),
    ),
    (
        "d opens the gate",
        "Your gate looks at d, and lets pass what is above 0. A negative d is to pass where x was above 0.",
        ("d * (a > 0)", "np.maximum(d, 0)"),
        ("d * (a > 0)", "d * (d > 0)"),
        ("d * (a > 0)", "np.maximum(d, 0) * (a > 0)"),
    ),
    (
        "times x",
        "You let d · x pass. The slope of the ReLU is 1 or 0, whatever x is.",
        ("d * (a > 0)", "d * np.maximum(a, 0)"),
    ),
    (
        "no gate",
        "Everything passes, also where x was below 0 and had no hand in the result.",
        ("d * (a > 0)", "d"),
    ),
    (
        "no d",
        "Your rule gives the gate itself, ones and zeros, without d.",
        ("d * (a > 0)", "1.0 * (a > 0)"),
    ),
    (
        "the bias comes too late",
        "Your bias is added after the ReLU. It is there to move the bend.",
        (LAYER, "return relu(matmul(x, w)) + b"),
    ),
    (
        "no bend",
        "Your layer has no ReLU: two of these are one.",
        (LAYER, "return matmul(x, w) + b"),
    ),
    (
        "no bias",
        "Your layer leaves out b.",
        (LAYER, "return relu(matmul(x, w))"),
    ),
    (
        "the gradient is cut off",
        "The numbers are right, but no gradient comes back: somewhere a Value was made of plain arrays, and remembers "
        "nothing.",
        (LAYER, "return relu(Value(array(x) @ array(w) + array(b)))"),
        (LAYER, "return Value(np.maximum(array(x) @ array(w) + array(b), 0))"),
        (RELU, "return Value(np.maximum(a, 0), (x,), lambda d: (0 * d,))"),
    ),
)

HINTS = (
    "The ReLU's slope is 1 on one side and 0 on the other. On which side of what?",
    "a > 0 is an array of truths, and counts as 1 and 0 in a product: d * (a > 0). A layer needs no rule of its own: "
    "made of matmul, + and relu, it has theirs.",
    "relu: Value(np.maximum(a, 0), (x,), a rule that gives (d * (a > 0),)). layer: return relu(matmul(x, w) + b).",
)


def show(engine):
    x = np.linspace(-3, 3, 61)[:, None]
    v, w = np.array([[1.0, -1.0]]), np.array([[1.0], [0.5]])
    straight = engine.matmul(engine.matmul(x, v), w).data[:, 0]
    bent = engine.matmul(engine.relu(engine.matmul(x, v)), w).data[:, 0]
    rows = []
    for level in np.arange(3, -2, -0.5):
        marks = zip(np.abs(bent - level) <= 0.25, np.abs(straight - level) <= 0.25, strict=True)
        rows.append("  " + "".join("o" if on_bent else "." if on_straight else " " for on_bent, on_straight in marks))
    return "\n".join(
        [
            "Two layers with nothing in between (.), and the same two with a ReLU in between (o):",
            *(row.rstrip() for row in rows),
            "The dots are one straight line: what these two layers do, a single one could.",
        ]
    )

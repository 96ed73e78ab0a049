"""The gradient points uphill: it says what the cost gains by every number. So go the other way, a little: subtract rate
times gradient. Again, and again. That is gradient descent, all of it.

cost is a function: every call runs the network anew, with the values as they are now, and gives a Value. For each
step: make the cost, walk back, move every value. Return the list of what the cost was *before* each step, as plain
numbers.

Predict: the cost is x², x is 1. Which rates make it smaller? What happens at a rate of 1, and at 1.1?
"""

import numpy as np

MINUTES = 15


def parabola(engine, rate, steps, start=1.0):
    x = engine.Value(start)
    return x, engine.descend(lambda: x * x, [x], rate, steps)


def reached(engine):
    x, _ = parabola(engine, 0.1, 3)
    return x.data


def two(engine):
    x, y = engine.Value([1.0, -2.0]), engine.Value(3.0)
    engine.descend(lambda: engine.total(x * x * y) + y * y, [x, y], 0.05, 4)
    return [*x.data, y.data]


def line(engine):
    random = np.random.default_rng(8)
    x = random.standard_normal((20, 2))
    y = x @ [[2.0], [-1.0]] + 0.5
    w, b = engine.Value(np.zeros((2, 1))), engine.Value(np.zeros(1))

    def cost():
        difference = engine.matmul(x, w) + b - y
        return engine.total(difference * difference) * (1 / 20)

    engine.descend(cost, [w, b], 0.2, 100)
    return [*w.data.ravel(), *b.data]


TRIALS = (
    ("x² from 1, three steps: what x becomes", reached),
    ("the costs before each of them", lambda engine: parabola(engine, 0.1, 3)[1]),
    ("a rate of 1 jumps to and fro", lambda engine: parabola(engine, 1.0, 4)[1]),
    ("no step at all", lambda engine: np.array(parabola(engine, 0.1, 0)[1], dtype=float)),
    ("two values at once, of which one is an array", two),
    ("a line through twenty points", line),
)

MOVE = "value.data = value.data - rate * value.grad"

SLIPS = (
    (
        "uphill",
        "The cost grows: you go along the gradient, and it points uphill.",
        (MOVE, "value.data = value.data + rate * value.grad"),
    ),
    (
        "made once",
        "You make the cost once, and walk back from the same result in every step. It does not know that the values "
        "have moved: call cost() in each step.",
        (
            "    for _ in range(steps):\n        result = cost()\n",
            "    result = cost()\n    for _ in range(steps):\n",
        ),
    ),
    (
        "costs after the step",
        "Your costs are those after each step. The list begins with the cost at the start.",
        ("costs.append(float(result.data))", "costs.append(float(cost().data))"),
    ),
    (
        "the first value only",
        "Only one of the values moves.",
        ("in values:", "in values[:1]:"),
    ),
    (
        "no rate",
        "The rate does not come into your step.",
        (MOVE, "value.data = value.data - value.grad"),
    ),
    (
        "nothing moves",
        "Your values stay where they are. `v = v - …` makes something new and calls it v; what is in the list is the "
        "old one. Move its data.",
        (MOVE, "value = value - rate * value.grad"),
    ),
    (
        "by its sign",
        "You move every number equally far, up or down. The step is rate times gradient: steep is far.",
        (MOVE, "value.data = value.data - rate * np.sign(value.grad)"),
    ),
    (
        "replaced",
        "You put rate times gradient where the value was. It is what the value moves *by*.",
        (MOVE, "value.data = -rate * value.grad"),
        (MOVE, "value.data = rate * value.grad"),
    ),
    (
        "one step too many",
        "One step too many, or one too few. The list has as many costs as there are steps.",
        ("range(steps)", "range(steps + 1)"),
        ("range(steps)", "range(steps - 1)"),
    ),
    (
        "the last cost",
        "You return one number. How it went is a list: a cost for every step.",
        ("return costs", "return costs[-1] if costs else 0.0"),
    ),
)

HINTS = (
    "What has to be done anew in every step, because the values are no longer what they were?",
    "In each step: result = cost(); backward(result); each value's data loses rate * value.grad; the list gets "
    "float(result.data).",
    "value.data = value.data - rate * value.grad, for every value, inside a loop over range(steps) that begins with "
    "result = cost() and backward(result).",
)


def show(engine):
    random = np.random.default_rng(0)
    points = random.uniform(-1, 1, (200, 2))
    inside = (np.square(points).sum(axis=1, keepdims=True) < 0.45) * 2.0 - 1
    w, b = engine.Value(random.standard_normal((2, 16))), engine.Value(np.zeros(16))
    v, c = engine.Value(random.standard_normal((16, 1)) / 4), engine.Value(np.zeros(1))

    def network(x):
        return engine.matmul(engine.layer(x, w, b), v) + c

    def cost():
        difference = network(points) - inside
        return engine.total(difference * difference) * (1 / len(points))

    costs = engine.descend(cost, [w, b, v, c], 0.1, 600)
    right = np.mean((network(points).data > 0) == (inside > 0))
    rows = []
    for y in np.linspace(1, -1, 17):
        answers = network(np.stack([np.linspace(-1, 1, 51), np.full(51, y)], axis=1)).data[:, 0]
        rows.append("  " + "".join("#" if answer > 0 else "." for answer in answers))
    return "\n".join(
        [
            "Two hundred points, inside a disc or outside. Your layer, your walk, your descent have learned it:",
            *rows,
            f"J from {costs[0]:.2f} to {costs[-1]:.2f} in 600 steps; {right:.0%} of the points are right.",
        ]
    )

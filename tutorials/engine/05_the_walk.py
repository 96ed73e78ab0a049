"""Every Value knows its parents and what they are worth, if you say what it is worth itself. The result is worth 1 of
itself. From there, walk back.

One thing to take care of. A Value may be used more than once. Each use reports a part, the parts add up, and only
when *all* have reported may the Value pass its own gradient on to its parents. So order matters: every Value comes
after all those that were made of it. Here is a way to get such an order: visit the parents first, then put yourself
on the list; read the list backwards.

`backward` leaves the gradients in `grad`. Each walk begins anew: grad of all that it meets starts at 0. A part has
the shape that the rule gives; `sum_to` from step 3 brings it to the parent's. Parents may be plain numbers: skip
these.

Predict: f = x · x · y + y at x = 3, y = 2. You can work out both gradients by hand. What are they?
"""

import numpy as np

MINUTES = 30


def gradients(engine, *data, f):
    values = [engine.Value(np.array(each, dtype=float)) for each in data]
    engine.backward(f(*values))
    return [np.array(value.grad) for value in values]


def by_hand(engine):
    return gradients(engine, 3, 2, f=lambda x, y: x * x * y + y)


def diamond(engine):
    def f(x):
        a = x * x
        b = a * 3
        return b * a + a

    return gradients(engine, 2, f=f)


def late(engine):
    def f(x):
        a = x * 2
        return a + (a * 5) * x

    return gradients(engine, 3, f=f)


def twice(engine):
    x = engine.Value(3)
    y = x * x
    engine.backward(y)
    engine.backward(y * 2)
    return x.grad


def doubled(engine):
    def f(x):
        for _ in range(12):
            x = x + x
        return x

    return gradients(engine, 1, f=f)


def bias(engine):
    x, b = np.arange(12.0).reshape(4, 3), np.ones(3)
    found = gradients(engine, x, b, f=lambda x, b: engine.total((x + b) * (x + b)))
    return found[1]


TRIALS = (
    ("x · x · y + y at (3, 2)", by_hand),
    ("three uses of one x: 2 · x + 5 · x + x", lambda engine: gradients(engine, 1, f=lambda x: x * 2 + x * 5 + x)),
    ("a Value that is used near the end, and deep below", diamond),
    ("the same, the other way round", late),
    ("x doubled twelve times", doubled),
    ("a second walk begins anew", twice),
    ("a bias that was broadcast", bias),
    ("a result of two numbers is worth 1 each", lambda engine: gradients(engine, [1, 2], f=lambda x: x * x)),
    ("plain numbers among the parents", lambda engine: gradients(engine, 3, f=lambda x: 2 + x * 5 - 1)),
    ("through matrices", lambda engine: gradients(engine, [[1, 2]], [[3], [4]], f=engine.matmul)[0]),
)

ADDED = "parent.grad = parent.grad + sum_to(part, parent.data.shape)"
VISIT = """            for parent in value.parents:
                visit(parent)
            value.grad = 0.0
            order.append(value)
"""
EARLY = """            value.grad = 0.0
            order.append(value)
            for parent in value.parents:
                visit(parent)
"""

SLIPS = (
    (
        "overwrites",
        "A Value that is used twice keeps the part that came last. Parts add up.",
        (ADDED, "parent.grad = sum_to(part, parent.data.shape)"),
    ),
    (
        "passes on too early",
        "Simple chains are right. But a Value passes its gradient on before all of its uses have reported: it stands "
        "on the list before something that was made of it. When do you put it there?",
        (VISIT, EARLY, "in reversed(order)", "in order"),
    ),
    (
        "two walks add up",
        "The second walk begins with what the first one left. Where does grad go back to 0?",
        ("            value.grad = 0.0\n", ""),
    ),
    (
        "no sum_to",
        "A bias of three numbers has a gradient of a whole batch. What was copied is summed on the way back: you wrote "
        "that in step 3.",
        (ADDED, "parent.grad = parent.grad + part"),
    ),
    (
        "worth nothing",
        "All gradients are 0. What is the result worth, in itself, when the walk begins?",
        ("result.grad = np.ones(result.data.shape)", "result.grad = np.zeros(result.data.shape)"),
    ),
    (
        "the first step only",
        "The result's own parents have their gradients, those further back have none: the walk goes on from every "
        "parent.",
        ("if value.rule is not None:", "if value is result:"),
    ),
    (
        "from the front",
        "You go through the list from the front: those that everything is made of come first, when nobody has reported "
        "yet.",
        ("in reversed(order)", "in order"),
    ),
)

HINTS = (
    "When a Value's turn comes, everything that was made of it must have had its turn. What order is that, seen from "
    "the Values' parents?",
    "A function inside the function: visit(value) does nothing for plain numbers and for Values that are on the list; "
    "else it visits the parents, sets grad to 0 and appends the value. Then the result's grad becomes ones, and for "
    "each value of the reversed list, each parent gets its part of value.rule(value.grad).",
    "for value in reversed(order): if value.rule is not None: for parent, part in zip(value.parents, "
    "value.rule(value.grad)): if isinstance(parent, Value): "
    "parent.grad = parent.grad + sum_to(part, parent.data.shape).",
)


def show(engine):
    calls = []
    x = engine.Value(1)
    y = x
    for _ in range(16):
        y = y + y
        y.rule = lambda d: calls.append(1) or (d, d)
    engine.backward(y)
    return (
        "x, doubled sixteen times, reaches the result by 65,536 paths.\n"
        f"  its gradient by your walk: {float(x.grad):,.0f}, after {len(calls):,} rules\n"
        + (
            "Every rule ran once. That is all that backpropagation is."
            if len(calls) == 16
            else "Right, but sixteen are enough, if each Value waits until all its uses have reported."
        )
    )

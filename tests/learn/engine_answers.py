"""What learners write into the holes of the engine: {step: {hole: (a right answer, then wrong ones, each with the slip
that it is, or with what is said where it raises)}}."""

# ruff: noqa: E501  (an answer as it is written)

ANSWERS = {
    1: {
        "__init__": (
            """
def __init__(self, data, parents=(), rule=None):
    self.data, self.parents, self.rule = np.array(data).astype(float), parents, rule
    self.grad = np.zeros_like(self.data)
""",
            (
                "def __init__(self, data, parents=(), rule=None):\n    self.data = np.asarray(data)\n"
                "    self.parents = parents\n    self.rule = rule\n    self.grad = 0.0",
                "whole numbers",
            ),
            (
                "def __init__(self, data, parents=(), rule=None):\n    self.data = np.asarray(data, dtype=float)\n"
                "    self.rule = rule\n    self.grad = 0",
                "'Value' object has no attribute 'parents'",
            ),
            (
                "def __init__(self, data, parents=(), rule=None):\n    self.data = data\n    self.parents = parents\n"
                "    self.rule = rule\n    self.grad = 0.0",
                "no attribute 'dtype'",
            ),
        ),
        "add": (
            """
def add(x, y):
    def rule(gradient):
        return gradient, gradient

    return Value(array(x) + array(y), parents=(x, y), rule=rule)
""",
            ("def add(x, y):\n    return Value(array(x) + array(y))", "forgets"),
            ("def add(x, y):\n    return Value(array(x) + array(y), (x, y), lambda d: (1.0, 1.0))", "slopes"),
            (
                "def add(x, y):\n    return Value(array(x) + array(y), (x, y), lambda d: (0.5 * d, 0.5 * d))",
                "one for both",
            ),
            (
                "def add(x, y):\n    a, b = array(x), array(y)\n    return Value(a + b, (a, b), lambda d: (d, d))",
                "remembers numbers",
            ),
            (
                "def add(x, y):\n    a, b = array(x), array(y)\n    return Value(a + b, (x, y), lambda d: (d * a, d * b))",
                "values for gradients",
            ),
            ("def add(x, y):\n    return array(x) + array(y)", "expected a Value, got 5"),
            (
                "def add(x, y):\n    return Value(array(x) + array(y), (x, y), lambda d: d)",
                "expected a tuple of 2, one for every parent",
            ),
        ),
    },
    2: {
        "multiply": (
            """
def multiply(x, y):
    def rule(d):
        return np.multiply(array(y), d), np.multiply(array(x), d)

    return Value(np.multiply(array(x), array(y)), (x, y), rule)
""",
            (
                "def multiply(x, y):\n    a, b = array(x), array(y)\n    return Value(a * b, (x, y), lambda d: (a * d, b * d))",
                "swapped",
            ),
            (
                "def multiply(x, y):\n    return Value(array(x) * array(y), (x, y), lambda d: (array(y), array(x)))",
                "no d",
            ),
            ("def multiply(x, y):\n    return Value(array(x) * array(y), (x, y), lambda d: (d, d))", "as a sum"),
            (
                "def multiply(x, y):\n    a, b = array(x), array(y)\n"
                "    return Value(np.sum(a * b), (x, y), lambda d: (d * b, d * a))",
                "a matrix product",
            ),
            ("def multiply(x, y):\n    return Value(array(x) * array(y), (x, y))", "the Value's rule is None"),
        ),
        "total": (
            """
def total(x):
    return Value(np.sum(array(x)), (x,), lambda d: [d * np.ones_like(array(x))])
""",
            ("def total(x):\n    return Value(array(x).sum(), (x,), lambda d: (d,))", "a gradient without shape"),
            (
                "def total(x):\n    a = array(x)\n    return Value(a.sum(), (x,), lambda d: (np.ones(a.shape) * d / a.size,))",
                "shared out",
            ),
            (
                "def total(x):\n    a = array(x)\n    return Value(a.sum(), (x,), lambda d: (a * d,))",
                "d times the numbers",
            ),
            (
                "def total(x):\n    a = array(x)\n    return Value(np.sum(a, axis=0), (x,), lambda d: (np.full(a.shape, d),))",
                "total of a column",
            ),
            (
                "def total(x):\n    a = array(x)\n    return Value(a.sum(), (x), lambda d: (np.full(a.shape, d),))",
                "object of type 'Value' has no len()",
            ),
        ),
    },
    3: {
        "sum_to": (
            """
def sum_to(d, shape):
    while d.ndim > len(shape):
        d = d.sum(axis=0)
    for axis, size in enumerate(shape):
        if size == 1:
            d = d.sum(axis=axis, keepdims=True)
    return d
""",
            (
                "def sum_to(d, shape):\n    while d.ndim > len(shape):\n        d = d.sum(axis=0)\n    return d",
                "the front only",
            ),
            ("def sum_to(d, shape):\n    return np.broadcast_to(d.sum(), shape)", "everything"),
            (
                "def sum_to(d, shape):\n    while d.ndim > len(shape):\n        d = d.sum(axis=-1)\n"
                "    return d.sum(axis=tuple(i for i in range(d.ndim) if shape[i] == 1), keepdims=True)",
                "the last axes",
            ),
            (
                "def sum_to(d, shape):\n    while d.ndim > len(shape):\n        d = d.mean(axis=0)\n"
                "    return d.sum(axis=tuple(i for i in range(d.ndim) if shape[i] == 1), keepdims=True)",
                "a mean",
            ),
            (
                "def sum_to(d, shape):\n    while d.ndim > len(shape):\n        d = d[0]\n"
                "    return d.sum(axis=tuple(i for i in range(d.ndim) if shape[i] == 1), keepdims=True)",
                "one copy",
            ),
            (
                "def sum_to(d, shape):\n    while d.ndim > len(shape):\n        d = d.sum(axis=0)\n"
                "    return d.sum(axis=tuple(i for i in range(d.ndim) if shape[i] == 1))",
                "the stretched axis is gone",
            ),
        ),
    },
    4: {
        "matmul": (
            """
def matmul(x, y):
    def rule(d):
        return np.einsum("ij,kj->ik", d, array(y)), np.einsum("ki,kj->ij", array(x), d)

    return Value(np.dot(array(x), array(y)), (x, y), rule)
""",
            (
                "def matmul(x, y):\n    return Value(array(x) @ array(y), (x, y), lambda d: (d @ array(y), d @ array(x)))",
                "mismatch in its core dimension",
            ),
            (
                "def matmul(x, y):\n    a, b = array(x), array(y)\n    return Value(a @ b, (x, y), lambda d: (d @ b.T, d @ a.T))",
                "the wrong side",
            ),
            (
                "def matmul(x, y):\n    a, b = array(x), array(y)\n    return Value(a @ b, (x, y), lambda d: (d @ b, a @ d))",
                "not turned over",
            ),
            (
                "def matmul(x, y):\n    a, b = array(x), array(y)\n    return Value(a @ b, (x, y), lambda d: (a.T @ d, d @ b.T))",
                "swapped",
            ),
            (
                "def matmul(x, y):\n    a, b = array(x), array(y)\n    return Value(a @ b, (x, y), lambda d: (d * b, d * a))",
                "as multiply",
            ),
            (
                "def matmul(x, y):\n    a, b = array(x), array(y)\n"
                "    return Value(a @ b, (x, y), lambda d: (d @ b.T, d.T @ a))",
                "turned over at the end",
            ),
            (
                "def matmul(x, y):\n    a, b = array(x), array(y)\n    one = np.ones((len(a), b.shape[1]))\n"
                "    return Value(a @ b, (x, y), lambda d: (one @ b.T, a.T @ one))",
                "no d",
            ),
        ),
    },
    5: {
        "backward": (
            """
def backward(result):
    uses, found = {}, [result]
    for value in found:
        value.grad = 0.0
        for parent in value.parents:
            if isinstance(parent, Value):
                if parent not in uses:
                    found.append(parent)
                uses[parent] = uses.get(parent, 0) + 1
    result.grad = np.ones_like(result.data)
    ready = [result]
    while ready:
        value = ready.pop()
        if value.rule is None:
            continue
        for parent, part in zip(value.parents, value.rule(value.grad)):
            if isinstance(parent, Value):
                parent.grad = parent.grad + sum_to(part, parent.data.shape)
                uses[parent] -= 1
                if uses[parent] == 0:
                    ready.append(parent)
""",
            (
                "def backward(result):\n    order = []\n\n    def visit(value):\n"
                "        if isinstance(value, Value) and value not in order:\n"
                "            [visit(parent) for parent in value.parents]\n"
                "            value.grad = 0.0\n            order.append(value)\n\n"
                "    visit(result)\n    result.grad = np.ones_like(result.data)\n"
                "    for value in order[::-1]:\n        if value.rule is not None:\n"
                "            for parent, part in zip(value.parents, value.rule(value.grad)):\n"
                "                if isinstance(parent, Value):\n"
                "                    parent.grad = sum_to(part, parent.data.shape)",
                "overwrites",
            ),
            (
                "def backward(result):\n    order = []\n\n    def visit(value):\n"
                "        if isinstance(value, Value) and value not in order:\n"
                "            value.grad = 0.0\n            order.append(value)\n"
                "            [visit(parent) for parent in value.parents]\n\n"
                "    visit(result)\n    result.grad = np.ones_like(result.data)\n"
                "    for value in order:\n        if value.rule is not None:\n"
                "            for parent, part in zip(value.parents, value.rule(value.grad)):\n"
                "                if isinstance(parent, Value):\n"
                "                    parent.grad = parent.grad + sum_to(part, parent.data.shape)",
                "passes on too early",
            ),
            (
                "def backward(result):\n    order = []\n\n    def visit(value):\n"
                "        if isinstance(value, Value) and value not in order:\n"
                "            [visit(parent) for parent in value.parents]\n"
                "            order.append(value)\n\n"
                "    visit(result)\n    result.grad = np.ones_like(result.data)\n"
                "    for value in order[::-1]:\n        if value.rule is not None:\n"
                "            for parent, part in zip(value.parents, value.rule(value.grad)):\n"
                "                if isinstance(parent, Value):\n"
                "                    parent.grad = parent.grad + sum_to(part, parent.data.shape)",
                "two walks add up",
            ),
            (
                "def backward(result):\n    order = []\n\n    def visit(value):\n"
                "        if isinstance(value, Value) and value not in order:\n"
                "            [visit(parent) for parent in value.parents]\n"
                "            value.grad = 0.0\n            order.append(value)\n\n"
                "    visit(result)\n    result.grad = np.ones_like(result.data)\n"
                "    for value in order[::-1]:\n        if value.rule is not None:\n"
                "            for parent, part in zip(value.parents, value.rule(value.grad)):\n"
                "                if isinstance(parent, Value):\n"
                "                    parent.grad = parent.grad + part",
                "no sum_to",
            ),
            (
                "def backward(result):\n    result.grad = np.ones_like(result.data)\n"
                "    for parent, part in zip(result.parents, result.rule(result.grad)):\n"
                "        parent.grad = parent.grad + sum_to(part, parent.data.shape)\n        backward(parent)",
                "'NoneType' object is not callable",
            ),
        ),
    },
    6: {
        "judge": (
            """
def judge(f, *arrays, h=1e-6):
    arrays = [np.array(each, dtype=float) for each in arrays]
    values = [Value(each) for each in arrays]
    result = f(*values)
    weights = np.random.default_rng(0).uniform(0.5, 1.5, result.data.shape)
    backward(result * weights)
    differences = []
    for i, value in enumerate(values):
        gradient = np.zeros(arrays[i].shape) + value.grad
        for place in np.ndindex(arrays[i].shape):
            up, down = [each.copy() for each in arrays], [each.copy() for each in arrays]
            up[i][place] += h
            down[i][place] -= h
            up, down = f(*map(Value, up)), f(*map(Value, down))
            differences.append(abs(((up.data - down.data) * weights).sum() / (2 * h) - gradient[place]))
    return max(differences)
""",
            (
                "def judge(f, *arrays, h=1e-6):\n    values = [Value(np.array(each, dtype=float)) for each in arrays]\n"
                "    backward(total(f(*values)))\n    worst = 0.0\n    for value in values:\n"
                "        for place in np.ndindex(value.data.shape):\n            here = value.data[place]\n"
                "            value.data[place] = here + h\n            up = total(f(*values)).data\n"
                "            value.data[place] = here - h\n            down = total(f(*values)).data\n"
                "            value.data[place] = here\n            grad = np.broadcast_to(value.grad, value.data.shape)\n"
                "            worst = max(worst, abs((up - down) / (2 * h) - grad[place]))\n    return worst",
                "all worth one",
            ),
            (
                "def judge(f, *arrays, h=1e-6):\n    values = [Value(np.array(each, dtype=float)) for each in arrays]\n"
                "    weigh = lambda y: total(y * np.cos(np.arange(y.data.size)).reshape(y.data.shape))\n"
                "    backward(weigh(f(*values)))\n    worst = 0.0\n    for value in values:\n"
                "        for place in np.ndindex(value.data.shape):\n            here = value.data[place]\n"
                "            below = weigh(f(*values)).data\n            value.data[place] = here + h\n"
                "            up = weigh(f(*values)).data\n            value.data[place] = here\n"
                "            grad = np.broadcast_to(value.grad, value.data.shape)\n"
                "            worst = max(worst, abs((up - below) / h - grad[place]))\n    return worst",
                "upwards only",
            ),
            (
                "def judge(f, *arrays, h=1e-6):\n    values = [Value(np.array(each, dtype=float)) for each in arrays]\n"
                "    weigh = lambda y: total(y * np.cos(np.arange(y.data.size)).reshape(y.data.shape))\n"
                "    backward(weigh(f(*values)))\n    worst = 0.0\n    for value in values:\n"
                "        for place in np.ndindex(value.data.shape):\n            here = value.data[place]\n"
                "            value.data[place] = here + h\n            up = weigh(f(*values)).data\n"
                "            value.data[place] = here - h\n            down = weigh(f(*values)).data\n"
                "            value.data[place] = here\n            grad = np.broadcast_to(value.grad, value.data.shape)\n"
                "            worst = max(worst, (up - down) / (2 * h) - grad[place])\n    return worst",
                "no size",
            ),
            (
                "def judge(f, *arrays, h=1e-6):\n    values = [Value(np.array(each, dtype=float)) for each in arrays]\n"
                "    weigh = lambda y: total(y * np.cos(np.arange(y.data.size)).reshape(y.data.shape))\n"
                "    backward(weigh(f(*values)))\n    worst = 0.0\n    for value in values:\n"
                "        for place in np.ndindex(value.data.shape):\n            here = value.data[place]\n"
                "            value.data[place] = here + h\n            up = weigh(f(*values)).data\n"
                "            value.data[place] = here - h\n            down = weigh(f(*values)).data\n"
                "            grad = np.broadcast_to(value.grad, value.data.shape)\n"
                "            worst = max(worst, abs((up - down) / (2 * h) - grad[place]))\n    return worst",
                "not put back",
            ),
        ),
    },
    7: {
        "relu": (
            """
def relu(x):
    open_ = array(x) > 0
    return Value(np.where(open_, array(x), 0.0), (x,), lambda d: (np.where(open_, d, 0.0),))
""",
            (
                "def relu(x):\n    a = array(x)\n    return Value(a * (a > 0), (x,), lambda d: (d * (d > 0),))",
                "d opens the gate",
            ),
            (
                "def relu(x):\n    a = array(x)\n    return Value(np.maximum(0, a), (x,), lambda d: (np.where(a >= 0, d, 0),))",
                "open at zero",
            ),
            ("def relu(x):\n    return Value(np.maximum(array(x), 0), (x,), lambda d: (d,))", "no gate"),
            (
                "def relu(x):\n    a = array(x)\n    return Value(np.maximum(a, 0), (x,), lambda d: ((a > 0).astype(float),))",
                "no d",
            ),
            ("def relu(x):\n    y = np.maximum(array(x), 0)\n    return Value(y, (x,), lambda d: (d * y,))", "times x"),
            (
                "def relu(x):\n    return Value(max(array(x), 0), (x,), lambda d: (d * (array(x) > 0),))",
                "The truth value of an array",
            ),
        ),
        "layer": (
            """
def layer(x, w, b):
    return relu(add(matmul(x, w), b))
""",
            ("def layer(x, w, b):\n    return matmul(x, w) + b", "no bend"),
            ("def layer(x, w, b):\n    return relu(matmul(x, w)) + b", "the bias comes too late"),
            ("def layer(x, w, b):\n    return relu(matmul(x, w))", "no bias"),
            ("def layer(x, w, b):\n    return relu(array(x) @ array(w) + array(b))", "the gradient is cut off"),
            ("def layer(x, w, b):\n    relu(matmul(x, w) + b)", "expected a number or an array, got None"),
        ),
    },
    8: {
        "descend": (
            """
def descend(cost, values, rate, steps):
    costs = []
    while len(costs) < steps:
        J = cost()
        costs.append(J.data.item())
        backward(J)
        for value in values:
            value.data = value.data + (-rate) * value.grad
    return costs
""",
            (
                "def descend(cost, values, rate, steps):\n    costs = []\n    for _ in range(steps):\n        J = cost()\n"
                "        backward(J)\n        for v in values:\n            v.data = v.data + rate * v.grad\n"
                "        costs.append(float(J.data))\n    return costs",
                "uphill",
            ),
            (
                "def descend(cost, values, rate, steps):\n    costs = []\n    J = cost()\n    for _ in range(steps):\n"
                "        backward(J)\n        for v in values:\n            v.data = v.data - rate * v.grad\n"
                "        costs.append(float(J.data))\n    return costs",
                "made once",
            ),
            (
                "def descend(cost, values, rate, steps):\n    costs = []\n    for _ in range(steps):\n        J = cost()\n"
                "        backward(J)\n        for v in values:\n            v.data = v.data - rate * v.grad\n"
                "        costs.append(float(cost().data))\n    return costs",
                "costs after the step",
            ),
            (
                "def descend(cost, values, rate, steps):\n    costs = []\n    for _ in range(steps):\n        J = cost()\n"
                "        backward(J)\n        for v in values:\n            v = v - rate * v.grad\n"
                "        costs.append(float(J.data))\n    return costs",
                "nothing moves",
            ),
            (
                "def descend(cost, values, rate, steps):\n    for _ in range(steps):\n        J = cost()\n"
                "        backward(J)\n        for v in values:\n            v.data = v.data - rate * v.grad",
                "is there a `return`?",
            ),
        ),
    },
    9: {
        "convolve": (
            """
def convolve(x, w, b):
    a, f, m = array(x), array(w), len(array(w)) // 2
    H, W, C = a.shape
    around = np.zeros((H + 2 * m, W + 2 * m, C))
    around[m : m + H, m : m + W] = a
    y = np.zeros((H, W, f.shape[3]))
    for i in range(H):
        for j in range(W):
            y[i, j] = np.tensordot(around[i : i + len(f), j : j + len(f)], f, axes=3) + array(b)

    def rule(d):
        da, dw = np.zeros_like(around), np.zeros_like(f)
        for i in range(H):
            for j in range(W):
                da[i : i + len(f), j : j + len(f)] += f @ d[i, j]
                dw += around[i : i + len(f), j : j + len(f), :, None] * d[i, j]
        return da[m : m + H, m : m + W], dw, d.sum(axis=(0, 1))

    return Value(y, (x, w, b), rule)
""",
            (
                "convolve: y += padded[p : p + H, q : q + W] @ filters[p, q] -> "
                "y += padded[p : p + H, q : q + W] @ filters[-1 - p, -1 - q]",
                "flipped",
            ),
            ("convolve: dx[p : p + H, q : q + W] += -> dx[p : p + H, q : q + W] =", "overwrites"),
            ("convolve: return dx[m : m + H, m : m + W], dw, d -> return dx[:H, :W], dw, d", "the wrong cut"),
            (
                "convolve: dx[p : p + H, q : q + W] += d @ filters[p, q].T -> "
                "dx[p : p + H, q : q + W] += d @ filters[::-1, ::-1][p, q].T",
                "back to another place",
            ),
            ("convolve:  + array(b) -> ", "no bias"),
            (
                "convolve: dx[m : m + H, m : m + W], dw, d -> dx[m : m + H, m : m + W], dw",
                "expected a tuple of 3, one for every parent",
            ),
            (
                "convolve: padded[p : p + H, q : q + W] @ filters -> padded[q : q + H, p : p + W] @ filters",
                "rows and columns",
            ),
            ("convolve: np.pad(a, ((m, m), (m, m), (0, 0))) -> np.pad(a, m)", "mismatch in its core dimension"),
        ),
    },
    10: {
        "pool": (
            """
def pool(x):
    H, W, C = array(x).shape
    means = array(x).reshape(H // 2, 2, W // 2, 2, C).mean(axis=(1, 3))
    return Value(means, (x,), lambda d: (np.kron(d, np.full((2, 2, 1), 0.25)),))
""",
            (
                "def pool(x):\n    H, W, C = array(x).shape\n"
                "    return Value(array(x).reshape(H // 2, 2, W // 2, 2, C).sum(axis=(1, 3)), (x,), "
                "lambda d: (np.kron(d, np.ones((2, 2, 1))),))",
                "a sum",
            ),
            (
                "def pool(x):\n    H, W, C = array(x).shape\n"
                "    return Value(array(x).reshape(H // 2, 2, W // 2, 2, C).mean(axis=(1, 3)), (x,), "
                "lambda d: (np.kron(d, np.ones((2, 2, 1))),))",
                "all of d for each",
            ),
            (
                "def pool(x):\n    H, W, C = array(x).shape\n"
                "    return Value(array(x).reshape(H // 2, 2, W // 2, 2, C).mean(axis=(1, 3)), (x,), "
                "lambda d: (np.tile(d, (2, 2, 1)) * 0.25,))",
                "tiled",
            ),
            (
                "def pool(x):\n    H, W, C = array(x).shape\n"
                "    return Value(array(x).reshape(H // 2, 2, W // 2, 2, C).max(axis=(1, 3)), (x,), "
                "lambda d: (np.kron(d, np.full((2, 2, 1), 0.25)),))",
                "the largest",
            ),
        ),
    },
    11: {
        "gram": (
            """
def gram(x):
    a = array(x)

    def rule(d):
        return [np.einsum("hwi,ij->hwj", a, d) + np.einsum("hwj,ij->hwi", a, d)]

    return Value(np.einsum("hwi,hwj->ij", a, a), (x,), rule)
""",
            (
                "def gram(x):\n    a = array(x)\n    A = a.reshape(a.shape[-1], -1)\n"
                "    return Value(A @ A.T, (x,), lambda d: (((d + d.T) @ A).reshape(a.shape),))",
                "mixed up",
            ),
            (
                "def gram(x):\n    a = array(x)\n    A = a.reshape(-1, a.shape[-1])\n"
                "    return Value(A.T @ A, (x,), lambda d: ((A @ d).reshape(a.shape),))",
                "half of the gradient",
            ),
            (
                "def gram(x):\n    a = array(x)\n    A = a.reshape(-1, a.shape[-1])\n"
                "    return Value(A.T @ A, (x,), lambda d: ((2 * A @ d).reshape(a.shape),))",
                "as if d were its own mirror",
            ),
            (
                "def gram(x):\n    a = array(x)\n    A = a.reshape(-1, a.shape[-1])\n"
                "    return Value(A @ A.T, (x,), lambda d: (((d + d.T) @ A).reshape(a.shape),))",
                "places with places",
            ),
            (
                "def gram(x):\n    a = array(x)\n    A = a.reshape(-1, a.shape[-1]) / np.sqrt(a[..., 0].size)\n"
                "    return Value(A.T @ A, (x,), lambda d: ((A @ (d + d.T)).reshape(a.shape) / np.sqrt(a[..., 0].size),))",
                "divided",
            ),
        ),
    },
    12: {
        "features": (
            """
def features(picture, network):
    x, seen, block = picture - np.array(MEAN), {}, "block1"
    for name in network:
        if not name.startswith(block):
            x, block = pool(x), name[:6]
        x = relu(convolve(x, *network[name]))
        seen[name] = x
    return seen
""",
            ("features: picture - MEAN -> picture", "no mean taken off"),
            ('features: name.endswith("conv1") and seen -> "conv1" in name', "a pool too early"),
            ("features: relu(convolve(x, w, b)) -> convolve(x, w, b)", "no ReLU"),
            ('features: name.endswith("conv1") and seen -> seen', "a pool for every layer"),
        ),
        "cost": (
            """
def cost(seen, content, style):
    H, W, C = content.shape
    J_content = total((seen[CONTENT] - content) * (seen[CONTENT] - content)) * (1 / (4 * H * W * C))
    J_style = 0
    for name in STYLE:
        H, W, C = seen[name].data.shape
        difference = gram(seen[name]) - style[name]
        J_style = J_style + total(difference * difference) * (1 / (4 * C**2 * (H * W) ** 2))
    return 10 * J_content + 40 * (J_style * (1 / len(STYLE)))
""",
            ("cost: J = 10 / -> J = 40 / | J + 40 / -> J + 10 /", "the weights swapped"),
            ("cost: 40 / len(STYLE) / -> 40 /", "a sum over the layers"),
            ("cost: 10 / (4 * content.size) -> 10", "content not divided"),
            ("cost: (2 * seen[name].data.size) ** 2 -> (4 * seen[name].data.size)", "style divided by too little"),
        ),
        "paint": (
            """
def paint(pixels, photograph, painting, network, rate, steps):
    moving = Value(pixels)
    wanted, style = features(photograph, network)[CONTENT], {}
    for name in STYLE:
        style[name] = gram(features(painting, network)[name])

    def J():
        return cost(features(lens(moving), network), array(wanted), {name: array(G) for name, G in style.items()})

    costs = descend(J, [moving], rate, steps)
    return moving.data, costs
""",
            ("paint: features(lens(pixels), network) -> features(pixels, network)", "without the lens"),
            ("paint: return pixels.data, costs -> return lens(pixels).data, costs", "what the lens shows"),
            (
                "paint: features(photograph, network)[CONTENT] -> features(painting, network)[CONTENT] | "
                "features(painting, network).items() -> features(photograph, network).items()",
                "photograph and painting swapped",
            ),
            ("paint: pixels = Value(pixels) -> ", "object has no attribute"),
        ),
    },
}

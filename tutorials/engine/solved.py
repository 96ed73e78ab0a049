"""An engine from nothing, solved: all twelve steps, in fewer than two hundred lines, with NumPy alone.

`minicnn learn start engine` gives you the first step of it, with a hole. Every function with a docstring is one.
"""

import numpy as np

# Step 1: a number that remembers


class Value:
    """A number, or an array of numbers, that remembers how it was made."""

    __array_ufunc__ = None  # NumPy leaves array + Value to us

    def __init__(self, data, parents=(), rule=None):
        """Keep all three, data as an array of floats; the gradient begins at 0."""
        self.data = np.asarray(data, dtype=float)
        self.parents = parents
        self.rule = rule
        self.grad = 0.0


def array(x):
    return x.data if isinstance(x, Value) else np.asarray(x, dtype=float)


def add(x, y):
    """Return the Value x + y, with its rule. Each of the two may be a Value, or a plain number or array."""
    return Value(array(x) + array(y), (x, y), lambda d: (d, d))


Value.__add__ = Value.__radd__ = add


# Step 2: arrays


def multiply(x, y):
    """Return the Value x · y, number by number, with its rule."""
    a, b = array(x), array(y)
    return Value(a * b, (x, y), lambda d: (d * b, d * a))


def total(x):
    """Return the Value that is the sum of all numbers of x, with its rule."""
    a = array(x)
    return Value(a.sum(), (x,), lambda d: (np.full(a.shape, d),))


Value.__mul__ = Value.__rmul__ = multiply
Value.__sub__ = lambda x, y: x + multiply(y, -1)


# Step 3: broadcasting


def sum_to(d, shape):
    """Sum a gradient down to the shape of what was broadcast."""
    d = d.sum(axis=tuple(range(d.ndim - len(shape))))
    return d.sum(axis=tuple(axis for axis, size in enumerate(shape) if size == 1), keepdims=True)


# Step 4: an operation


def matmul(x, y):
    """Return the Value x @ y of two matrices, with its rule."""
    a, b = array(x), array(y)
    return Value(a @ b, (x, y), lambda d: (d @ b.T, a.T @ d))


Value.__matmul__ = matmul


# Step 5: the walk


def backward(result):
    """Walk from result back to all that it was made of, and leave in every Value's grad what result gains by it."""
    order = []

    def visit(value):
        if isinstance(value, Value) and value not in order:
            for parent in value.parents:
                visit(parent)
            value.grad = 0.0
            order.append(value)

    visit(result)
    result.grad = np.ones(result.data.shape)
    for value in reversed(order):
        if value.rule is not None:
            for parent, part in zip(value.parents, value.rule(value.grad), strict=True):
                if isinstance(parent, Value):
                    parent.grad = parent.grad + sum_to(part, parent.data.shape)


# Step 6: a judge


def judge(f, *arrays, h=1e-6):
    """Return the largest difference between a gradient of f's and the slope that a nudge of ±h measures."""
    values = [Value(np.array(each, dtype=float)) for each in arrays]
    weights = np.cos(np.arange(f(*values).data.size)).reshape(f(*values).data.shape)

    def score():
        return total(multiply(f(*values), weights))

    backward(score())
    worst = 0.0
    for value in values:
        for place in np.ndindex(value.data.shape):
            here, ends = value.data[place], []
            for there in (here + h, here - h):
                value.data[place] = there
                ends.append(float(score().data))
            value.data[place] = here
            slope = (ends[0] - ends[1]) / (2 * h)
            worst = max(worst, abs(slope - (value.grad + np.zeros(value.data.shape))[place]))
    return worst


# Step 7: a layer


def relu(x):
    """Return the Value max(x, 0), number by number, with its rule."""
    a = array(x)
    return Value(np.maximum(a, 0), (x,), lambda d: (d * (a > 0),))


def layer(x, w, b):
    """Return the ReLU of x @ w + b."""
    return relu(matmul(x, w) + b)


# Step 8: descent


def descend(cost, values, rate, steps):
    """Make cost() smaller: step after step, move each Value against its gradient. Return the cost before each step."""
    costs = []
    for _ in range(steps):
        result = cost()
        backward(result)
        for value in values:
            value.data = value.data - rate * value.grad
        costs.append(float(result.data))
    return costs


# Step 9: convolution by loops


def convolve(x, w, b):
    """Return the Value of a convolution of x (H, W, C) with w (K, K, C, F), plus b (F,), as large as x: (H, W, F)."""
    a, filters = array(x), array(w)
    (H, W, _), K = a.shape, len(filters)
    m = K // 2
    padded = np.pad(a, ((m, m), (m, m), (0, 0)))
    y = np.zeros((H, W, filters.shape[-1])) + array(b)
    for p, q in np.ndindex(K, K):
        y += padded[p : p + H, q : q + W] @ filters[p, q]

    def rule(d):
        dx, dw = np.zeros(padded.shape), np.zeros(filters.shape)
        for p, q in np.ndindex(K, K):
            dx[p : p + H, q : q + W] += d @ filters[p, q].T
            if isinstance(w, Value):
                dw[p, q] = np.tensordot(padded[p : p + H, q : q + W], d, axes=((0, 1), (0, 1)))
        return dx[m : m + H, m : m + W], dw, d

    return Value(y, (x, w, b), rule)


# Step 10: pooling


def pool(x):
    """Return the Value of the means of all 2×2 squares of x (H, W, C), with H and W even: (H/2, W/2, C)."""
    a = array(x)
    means = (a[::2, ::2] + a[1::2, ::2] + a[::2, 1::2] + a[1::2, 1::2]) / 4
    return Value(means, (x,), lambda d: (d.repeat(2, axis=0).repeat(2, axis=1) / 4,))


# Step 11: a Gram matrix


def gram(x):
    """Return the Value of the Gram matrix of x (H, W, C): (C, C), which channels respond together."""
    a = array(x)
    rows = a.reshape(-1, a.shape[-1])
    return Value(rows.T @ rows, (x,), lambda d: ((rows @ (d + d.T)).reshape(a.shape),))


# Step 12: a photograph in the style of another

MEAN = (0.4914, 0.4822, 0.4465)  # the colour that the network takes for zero
CONTENT, STYLE = "block3_conv2", ("block1_conv1", "block2_conv1", "block3_conv1")
LENS = np.outer((1, 2, 1), (1, 2, 1))[:, :, None, None] / 16 * np.eye(3)


def lens(pixels):  # each pixel runs a little into its neighbours: the network does not mind grain, but we do
    return convolve(pixels, LENS, 0) * (1 / convolve(np.ones(array(pixels).shape), LENS, 0).data)


def features(picture, network):
    """Return {layer: Value}, what each layer sees in a picture (H, W, 3). network: {layer: (w, b)}, in order."""
    x, seen = picture - MEAN, {}
    for name, (w, b) in network.items():
        if name.endswith("conv1") and seen:
            x = pool(x)
        seen[name] = x = relu(convolve(x, w, b))
    return seen


def cost(seen, content, style):
    """Return J = 10 · J_content + 40 · J_style of what is seen. content: an array; style: {layer: Gram matrix}."""
    difference = seen[CONTENT] - content
    J = 10 / (4 * content.size) * total(difference * difference)
    for name in STYLE:
        difference = gram(seen[name]) - style[name]
        J = J + 40 / len(STYLE) / (2 * seen[name].data.size) ** 2 * total(difference * difference)
    return J


def paint(pixels, photograph, painting, network, rate, steps):
    """Descend from pixels, an array. Return the pixels that are reached, an array, and the cost before each step."""
    content = features(photograph, network)[CONTENT].data
    style = {name: gram(seen).data for name, seen in features(painting, network).items() if name in STYLE}
    pixels = Value(pixels)
    costs = descend(lambda: cost(features(lens(pixels), network), content, style), [pixels], rate, steps)
    return pixels.data, costs


def save(picture, path):  # as a BMP file, which every computer can show
    levels = np.uint8(np.clip(picture[::-1, :, ::-1], 0, 1) * 255 + 0.5)  # from below, blue first
    (H, W, _), size = levels.shape, levels.size
    header = np.array([54 + size, 0, 54, 40, W, H, 1 + (24 << 16), 0, size, 0, 0, 0, 0], "<u4")
    with open(path, "wb") as file:
        file.write(b"BM" + header.tobytes() + levels.tobytes())


if __name__ == "__main__":
    given = np.load("engine.npz")
    names = [key[:-2] for key in given if key.endswith("_w")]
    network = {name: (given[f"{name}_w"].astype(float), given[f"{name}_b"].astype(float)) for name in names}
    pixels = np.random.default_rng(0).random((32, 32, 3))
    for size, steps in ((32, 150), (64, 100), (128, 100)):  # small first, and every pixel becomes four
        photograph, painting = given["photograph"], given["painting"]
        while len(photograph) > size:
            photograph, painting = pool(photograph).data, pool(painting).data
        pixels, costs = paint(pixels, photograph, painting, network, size**2 / 80, steps)
        save(lens(pixels).data, f"painted_{size}.bmp")
        print(f"painted_{size}.bmp: J from {costs[0]:.3f} to {costs[-1]:.3f}")
        pixels = pixels.repeat(2, axis=0).repeat(2, axis=1)

"""Answers to the exercises that are parts of an engine, and to those on checks: right ones, and wrong ones by name."""

# ruff: noqa: E501  (a row a mutant)

import numpy as np

from minicnn import Tensor, nn, ops, optim


def walk_back_by_sorting(result, gradient):
    order, seen, waiting = [], set(), [(result, False)]
    while waiting:
        node, done = waiting.pop()
        if done:
            order.append(node)
        elif node not in seen:
            seen.add(node)
            waiting.append((node, True))
            for source in node.inputs:
                waiting.append((source, False))
    parts = {node: [] for node in order}
    parts[result].append(gradient)
    for node in reversed(order):
        if node.inputs:
            for source, part in zip(node.inputs, node.backward(sum(parts[node])), strict=True):
                parts[source].append(part)
    return {node: sum(parts[node]) for node in order if not node.inputs}


def walk_back_by_depth(result, gradient):
    depth, waiting = {result: 0}, [result]
    while waiting:
        node = waiting.pop(0)
        for source in node.inputs:
            if depth.get(source, -1) < depth[node] + 1:
                depth[source] = depth[node] + 1
                if source not in waiting:
                    waiting.append(source)
    found = dict.fromkeys(depth, 0.0)
    found[result] = gradient
    for node in sorted(depth, key=depth.get):
        if node.inputs:
            for source, part in zip(node.inputs, node.backward(found[node]), strict=True):
                found[source] = found[source] + part
    return {node: d for node, d in found.items() if not node.inputs}


def sum_to_by_loops(gradient, shape):
    while gradient.ndim > len(shape):
        gradient = gradient.sum(axis=0)
    for axis, size in enumerate(shape):
        if size == 1:
            gradient = gradient.sum(axis=axis, keepdims=True)
    return gradient


def sum_to_by_the_tape(gradient, shape):
    small = Tensor(np.zeros(shape), requires_grad=True)
    (small + np.zeros(gradient.shape)).backward(gradient)
    return small.grad


def linear_by_einsum(x, w, b):
    def backward(dy):
        return np.einsum("nf,df->nd", dy, w), np.einsum("nd,nf->df", x, dy), np.ones(len(dy)) @ dy

    return np.einsum("nd,df->nf", x, w) + b, backward


def linear_by_the_library(x, w, b):
    leaves = [Tensor(a, requires_grad=True) for a in (x, w, b)]
    y = ops.linear(*leaves)

    def backward(dy):
        y.backward(dy)
        return [leaf.grad for leaf in leaves]

    return y.data, backward


def softmax_cross_entropy_by_rows(logits, labels):
    N = len(labels)
    p = np.zeros_like(logits)
    for n in range(N):
        e = np.exp(logits[n] - max(logits[n]))
        p[n] = e / sum(e)
    L = -sum(np.log(p[n, labels[n]]) for n in range(N)) / N

    def backward(dL):
        one_hot = np.eye(logits.shape[1])[labels]
        return dL * (p - one_hot) / N

    return L, backward


def softmax_cross_entropy_by_the_library(logits, labels):
    leaf = Tensor(logits, requires_grad=True)
    loss = ops.cross_entropy(leaf, labels)

    def backward(dL):
        (loss * dL).backward()
        return leaf.grad

    return loss.data, backward


def batch_norm_step_by_step(x, gamma, beta, eps=1e-5):
    N = len(x)
    mean = x.sum(axis=0) / N
    centred = x - mean
    variance = (centred**2).sum(axis=0) / N
    root = (variance + eps) ** 0.5
    x_hat = centred / root

    def backward(dy):
        d_hat = dy * gamma
        d_variance = (d_hat * centred).sum(axis=0) * -0.5 / root**3
        d_mean = -(d_hat / root).sum(axis=0)
        dx = d_hat / root + d_variance * 2 * centred / N + d_mean / N
        return dx, (dy * x_hat).sum(axis=0), dy.sum(axis=0)

    return gamma * x_hat + beta, backward


def batch_norm_by_the_library(x, gamma, beta, eps=1e-5):
    leaves = [Tensor(a, requires_grad=True) for a in (x, gamma, beta)]
    nothing = np.zeros(x.shape[1])
    y = ops.batch_norm(*leaves, nothing, nothing + 1, eps=eps, training=True)

    def backward(dy):
        y.backward(dy)
        return tuple(leaf.grad for leaf in leaves)

    return y.data, backward


def adam_by_differences(p, g, mean, square, t, learning_rate=0.001, beta1=0.9, beta2=0.999, eps=1e-8):
    mean = mean + (1 - beta1) * (g - mean)
    square = square + (1 - beta2) * (g * g - square)
    root = np.sqrt(1 - beta2**t)
    return p - learning_rate * root / (1 - beta1**t) * mean / (np.sqrt(square) + eps * root), mean, square


def adam_by_the_library(p, g, mean, square, t, learning_rate=0.001, beta1=0.9, beta2=0.999, eps=1e-8):
    parameter = Tensor(p.copy(), requires_grad=True)
    optimizer = optim.Adam([parameter], learning_rate, beta1=beta1, beta2=beta2, eps=eps)
    optimizer.mean, optimizer.square, optimizer.steps = [mean.copy()], [square.copy()], t - 1
    parameter.grad = g
    optimizer.step()
    return parameter.data, optimizer.mean[0], optimizer.square[0]


def pool_forward_by_loops(x, size, stride, mode="max"):
    N, H, W, C = x.shape
    y = np.zeros((N, (H - size) // stride + 1, (W - size) // stride + 1, C))
    for n, i, j, c in np.ndindex(*y.shape):
        window = x[n, i * stride : i * stride + size, j * stride : j * stride + size, c]
        y[n, i, j, c] = np.max(window) if mode == "max" else np.mean(window)
    return y


def pool_forward_by_the_library(x, size, stride, mode="max"):
    layer = nn.MaxPool2d if mode == "max" else nn.AvgPool2d
    return layer(size, stride=stride)(Tensor(x)).data


def numeric_gradient_in_place(f, x):
    x = x.copy()
    gradient = np.empty(x.shape)
    for i in range(x.size):
        kept = x.flat[i]
        x.flat[i] = kept + 1e-5
        above = f(x)
        x.flat[i] = kept - 1e-5
        gradient.flat[i] = (above - f(x)) / 2e-5
        x.flat[i] = kept
    return gradient


def numeric_gradient_of_five_points(f, x):
    gradient, h = np.zeros(x.shape), 1e-4
    for index in np.ndindex(*x.shape):
        step = np.zeros(x.shape)
        step[index] = h
        gradient[index] = (8 * (f(x + step) - f(x - step)) - (f(x + 2 * step) - f(x - 2 * step))) / (12 * h)
    return gradient


def gradient_check_with_random_weights(f, backward, x):
    y = np.asarray(f(x))
    dy = np.random.standard_normal(y.shape)  # noqa: NPY002
    dx = backward(dy, x)
    if dx.shape != x.shape:
        return False
    true = np.zeros(x.shape)
    for index in np.ndindex(*x.shape):
        above, below = x.copy(), x.copy()
        above[index] += 1e-6
        below[index] -= 1e-6
        true[index] = ((f(above) - f(below)) * dy).sum() / 2e-6
    return np.allclose(dx, true, rtol=0, atol=1e-4 * abs(true).max() + 1e-15)


def gradient_check_by_outputs(f, backward, x):
    """The whole Jacobian: one number of dy after the other."""
    y, h = np.asarray(f(x)), 1e-5
    by_differences = np.zeros((y.size, x.size))
    for i in range(x.size):
        step = np.zeros(x.size)
        step[i] = h
        step = step.reshape(x.shape)
        by_differences[:, i] = np.ravel(f(x + step) - f(x - step)) / (2 * h)
    by_backward = np.zeros((y.size, x.size))
    for j in range(y.size):
        dy = np.zeros(y.size)
        dy[j] = 1
        row = backward(dy.reshape(y.shape), x)
        if row.shape != x.shape:
            return False
        by_backward[j] = row.ravel()
    error = np.abs(by_backward - by_differences).max()
    return bool(error <= 1e-5 * np.abs(by_differences).max() + 1e-12)


RIGHT = {
    "walk_back": (walk_back_by_sorting, walk_back_by_depth),
    "sum_to": (sum_to_by_loops, sum_to_by_the_tape),
    "linear": (linear_by_einsum, linear_by_the_library),
    "softmax_cross_entropy": (softmax_cross_entropy_by_rows, softmax_cross_entropy_by_the_library),
    "batch_norm": (batch_norm_step_by_step, batch_norm_by_the_library),
    "adam": (adam_by_differences, adam_by_the_library),
    "pool_forward": (pool_forward_by_loops, pool_forward_by_the_library),
    "numeric_gradient": (numeric_gradient_in_place, numeric_gradient_of_five_points),
    "gradient_check": (gradient_check_with_random_weights, gradient_check_by_outputs),
}

ADDED = "gradients[source] + part if source in gradients else part"
WALK = "    while ready:\n"
CALLING = "    def visit(node, d):\n        if not node.inputs:\n            leaves[node] = leaves.get(node, 0) + d\n        else:\n            for source, part in zip(node.inputs, node.backward(d)):\n                visit(source, part)\n    visit(result, gradient)\n    return leaves\n"
MUTANTS = {
    "walk_back": [
        (ADDED, "part", "overwrites"),
        (ADDED, "gradients.get(source, part)", "keeps the first part"),
        ("    while ready:\n", "    while found:\n        node = found.pop(0)\n        if not node.inputs:\n            leaves[node] = gradients[node]\n            continue\n        for source, part in zip(node.inputs, node.backward(gradients[node])):\n            gradients[source] = gradients.get(source, 0) + part\n    while False:\n", "too early"),
        (WALK, "    waiting = [(result, gradient)]\n    while waiting:\n        node, d = waiting.pop()\n        if node.inputs:\n            waiting.extend(zip(node.inputs, node.backward(d)))\n        else:\n            leaves[node] = leaves.get(node, 0) + d\n    while False:\n", "by all paths"),
        ("{result: gradient}, [result]", "{result: 1.0 + 0 * gradient}, [result]", "begins with 1"),
        (WALK, CALLING + WALK, "calls itself"),
        (WALK, "    ready = [result, *(s for s in result.inputs if not s.inputs)][:1]\n    for source, part in zip(result.inputs, result.backward(gradient) if result.inputs else ()):\n        gradients[source] = gradients.get(source, 0) + part\n    return {node: d for node, d in gradients.items() if not node.inputs}\n" + WALK, "one level"),
    ],
    "sum_to": [
        ("    gradient = gradient.sum(", "    return gradient.sum()\n    gradient = gradient.sum(", "everything"),
        ("return gradient.sum(axis=stretched, keepdims=True)", "return gradient", "the front only"),
        (", keepdims=True", "", "the stretched axis is gone"),
        ("    gradient = gradient.sum(axis=tuple(range(gradient.ndim - len(shape))))", "    gradient = gradient.mean(axis=tuple(range(gradient.ndim - len(shape)))) if gradient.ndim > len(shape) else gradient", "a mean"),
        ("    gradient = gradient.sum(axis=tuple(range(gradient.ndim - len(shape))))", "    while gradient.ndim > len(shape):\n        gradient = gradient[0]", "one copy"),
        ("tuple(range(gradient.ndim - len(shape)))", "tuple(range(len(shape), gradient.ndim))", "the last axes"),
        ("axis=tuple(range(gradient.ndim - len(shape)))", "axis=0 if gradient.ndim > len(shape) else ()", "the first axis only"),
    ],
    "linear": [
        ("x @ w + b", "x @ w", "no bias"),
        ("dy @ w.T", "dy @ w", "a product that does not fit"),
        ("dy @ w.T", "np.resize(dy @ w if w.shape[0] == w.shape[1] else np.nan, x.shape)", "dx without the transpose"),
        ("x.T @ dy", "dy.T @ x", "dw turned over"),
        ("dy.sum(axis=0)", "dy", "db not summed"),
        ("dy.sum(axis=0)", "dy.mean(axis=0)", "means over the batch"),
        ("x.T @ dy, dy.sum(axis=0)", "x.T @ dy / len(x), dy.mean(axis=0)", "means over the batch"),
        ("dy.sum(axis=0)", "dy.sum(axis=1)", "db summed over outputs"),
        ("return dy @", "dy = np.ones_like(dy)\n        return dy @", "without dy"),
    ],
    "softmax_cross_entropy": [
        ("shifted = logits - logits.max(axis=1, keepdims=True)", "shifted = logits", "overflow"),
        (".mean()", ".sum()", "a sum over the batch"),
        ("(dL / len(labels))", "dL", "gradient not divided"),
        ("logits.max(axis=1, keepdims=True)\n    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))", "logits.max(axis=0)\n    log_p = shifted - np.log(np.exp(shifted).sum(axis=0))", "softmax over the batch"),
        ("sum(axis=1, keepdims=True)", "sum()", "softmax over everything"),
        ("        gradient[rows, labels] -= 1\n", "", "no one-hot taken off"),
        ("return gradient * (", "return -gradient * (", "sign"),
        ("return -log_p", "return log_p", "no minus"),
        ("-log_p[rows, labels].mean()", "-log_p[rows, labels].sum() / logits.size", "mean over all numbers"),
        ("gradient = np.exp(log_p)\n        gradient[rows, labels] -= 1", "gradient = np.zeros_like(logits)\n        gradient[rows, labels] = -1 / np.exp(log_p)[rows, labels]", "gradient to p"),
        ("(dL / len(labels))", "(1 / len(labels))", "dL left out"),
    ],
    "batch_norm": [
        ("x.var(axis=0) + eps)\n    normal_x = (x - x.mean(axis=0))", "x.var(axis=1, keepdims=True) + eps)\n    normal_x = (x - x.mean(axis=1, keepdims=True))", "over the channels"),
        ("np.sqrt(x.var(axis=0) + eps)", "x.var(axis=0) + eps", "divided by the variance"),
        (" + eps)", ")", "no eps"),
        ("np.sqrt(x.var(axis=0) + eps)", "x.std(axis=0) + eps", "eps outside the root"),
        ("x.var(axis=0)", "x.var(axis=0, ddof=1)", "P − 1"),
        ("inside = dy - dy.mean(axis=0) - normal_x * (dy * normal_x).mean(axis=0)", "inside = dy", "statistics as constants"),
        (" - dy.mean(axis=0)", "", "no mean of dy"),
        (" - normal_x * (dy * normal_x).mean(axis=0)", "", "no way through the variance"),
        ("gamma / deviation * inside", "inside / deviation", "gamma left out"),
        ("dy.mean(axis=0) - normal_x * (dy * normal_x).mean(axis=0)", "dy.sum(axis=0) - normal_x * (dy * normal_x).sum(axis=0)", "sums for means"),
        ("(dy * normal_x).sum(axis=0), dy", "(dy * x).sum(axis=0), dy", "dgamma of x"),
        ("(dy * normal_x).sum(axis=0), dy.sum(axis=0)", "(dy * normal_x).mean(axis=0), dy.mean(axis=0)", "means of dgamma and dbeta"),
        (" + beta", "", "beta left out"),
    ],
    "adam": [
        ("mean / (1 - beta1**t), square / (1 - beta2**t)", "mean, square", "no correction"),
        ("square / (1 - beta2**t)", "square", "only the mean corrected"),
        ("mean / (1 - beta1**t)", "mean", "only the square corrected"),
        ("np.sqrt(s)", "s", "no root"),
        ("(np.sqrt(s) + eps)", "np.sqrt(s + eps)", "eps under the root"),
        (" + eps)", ")", "no eps"),
        ("return p - ", "return p + ", "uphill"),
        ("learning_rate * m", "learning_rate * g", "g for its mean"),
        ("g**2", "g", "the square not squared"),
        ("beta1 * mean + (1 - beta1) * g\n    square = beta2 * square + (1 - beta2) * g**2", "(1 - beta1) * mean + beta1 * g\n    square = (1 - beta2) * square + beta2 * g**2", "shares exchanged"),
        ("(1 - beta1) * g\n    square = beta2 * square + (1 - beta2) * g**2", "g\n    square = beta2 * square + g**2", "sums for means"),
        ("eps), mean, square", "eps), m, s", "corrected means returned"),
    ],
    "pool_forward": [
        (' if mode == "max" else window.mean(axis=(1, 2))', "", "one of the modes only"),
        ('if mode == "max"', 'if mode != "max"', "modes exchanged"),
        ("window.max(axis=(1, 2))", "window.max(axis=(1, 2, 3))[:, None]", "channels together"),
        ("window.max(axis=(1, 2)) if mode == \"max\" else window.mean(axis=(1, 2))", "window.max() if mode == \"max\" else window.mean()", "channels together"),
        ("window.max(axis=(1, 2)) if mode == \"max\" else window.mean(axis=(1, 2))", "window.max(axis=(0, 1, 2)) if mode == \"max\" else window.mean(axis=(0, 1, 2))", "pictures together"),
        ("window.max(axis=(1, 2))", "window.max(axis=(1, 2), initial=0)", "search from 0 on"),
        ("window.mean(", "window.sum(", "sum"),
        ("window.mean(axis=(1, 2))", "window.sum(axis=(1, 2)) / size", "divided by K"),
        ("    rows, columns", "    stride = size\n    rows, columns", "windows side by side"),
        ("i * stride : i * stride + size, j * stride : j * stride + size", "i : i + size, j : j + size", "windows without stride"),
        ("    rows, columns", "    stride = 1\n    rows, columns", "stride ignored"),
        ("(length - size) // stride + 1", "(length - size) // stride", "last windows missing"),
        ("            window = x[:, i * stride : i * stride + size, j * stride : j * stride + size]", "            window = np.pad(x, ((0, 0), (0, 9), (0, 9), (0, 0)))[:, j * stride : j * stride + size, i * stride : i * stride + size]", "across the picture"),
        ("    y = np.zeros((len(x), rows, columns, x.shape[3]))", "    columns, x = rows, np.pad(x, ((0, 0), (0, 0), (0, 9), (0, 0)))\n    y = np.zeros((len(x), rows, columns, x.shape[3]))", "as wide as high"),
    ],
    "numeric_gradient": [
        ("        step = np.zeros_like(x)\n        step[index] = h\n        gradient[index] = (f(x + step) - f(x - step)) / (2 * h)", "        x[index] += h\n        above = f(x)\n        x[index] -= 2 * h\n        gradient[index] = (above - f(x)) / (2 * h)", "x is moved"),
        ("    for index in np.ndindex(x.shape):\n        step = np.zeros_like(x)", "    step = np.zeros_like(x)\n    for index in np.ndindex(x.shape):", "not moved back"),
        ("f(x - step)) / (2 * h)", "f(x)) / h", "to one side"),
        ("(2 * h)", "h", "divided by h"),
        (" / (2 * h)", "", "not divided"),
        ("h = 1e-5", "h = 1e-10", "h too small"),
        ("h = 1e-5", "h = 1e-2", "h too large"),
        ("    return gradient", "        break\n    return gradient", "the first number only"),
        ("step[index] = h", "step += h", "all at once"),
        ("f(x + step) - f(x - step)", "f(x - step) - f(x + step)", "sign"),
    ],
    "gradient_check": [
        ("np.cos(np.arange(np.size(f(x)))).reshape(np.shape(f(x)))", "np.ones_like(f(x))", "all ones"),
        ("allowed = 1e-5 * np.abs(numeric).max() + 1e-12", "allowed = 1e-5", "a tolerance that has a unit"),
        ("allowed = 1e-5 * np.abs(numeric).max() + 1e-12\n    return bool((np.abs(analytic - numeric) <= allowed).all())", "return np.allclose(analytic, numeric, atol=1e-5)", "a tolerance that has a unit"),
        ("(np.abs(analytic - numeric) <= allowed)", "(np.abs(analytic - numeric) / (np.abs(analytic) + np.abs(numeric)) < 1e-6)", "divided by zero"),
        ("(np.abs(analytic - numeric) <= allowed).all()", "np.linalg.norm(analytic - numeric) / (np.linalg.norm(analytic) + np.linalg.norm(numeric)) < 1e-7", "divided by zero"),
        ("allowed = 1e-5", "allowed = 5e-2", "too generous"),
        ("np.abs(analytic - numeric)", "np.abs(np.abs(analytic) - np.abs(numeric))", "the sign does not count"),
        ("(np.abs(analytic - numeric) <= allowed).all()", "(np.abs(analytic - numeric) <= allowed).flat[0]", "the first number only"),
        ("(np.abs(analytic - numeric) <= allowed).all()", "abs(analytic.sum() - numeric.sum()) <= 1e-5 * abs(numeric.sum()) + 1e-12", "sums"),
        ("bool((np.abs(analytic - numeric) <= allowed).all())", "not (np.abs(analytic - numeric) > allowed).any()", "a NaN is not larger"),
        ("    if np.shape(analytic) != x.shape:\n        return False\n", "", "the shape"),
        ("h = backward(dy, x), np.zeros_like(x), 1e-5", "h = backward(dy, x), np.zeros_like(x), 1e-10", "h too small"),
        ("h = backward(dy, x), np.zeros_like(x), 1e-5", "h = backward(dy, x), np.zeros_like(x), 1e-2", "h too large"),
        ("f(x - step))) / (2 * h)", "f(x))) / h", "to one side"),
        ("    return bool((np.abs", "    return not bool((np.abs", "the other way round"),
        ("    return bool(", "    return True\n    return bool(", "believes everything"),
        ("    return bool(", "    return False\n    return bool(", "trusts nothing"),
    ],
}  # fmt: skip

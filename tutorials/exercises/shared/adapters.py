"""Adapters from the exercises' signatures to the engine: the kernels' contracts, and a few functions by name.

Each takes a learner's function and returns functions with the arguments of minicnn's own. Where a call asks for more
than the exercise does, such as a convolution of volumes, an adapter returns NotImplemented, and minicnn's own computes.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from minicnn import graph
from minicnn.backend import use_backend
from minicnn.errors import InputError
from minicnn.kernels.conv import by_group, col2im
from minicnn.kernels.pool import switch_dtype
from minicnn.operation import remembering
from minicnn.tensor import Tensor

FOREVER = 10**9  # the number of a step after which nothing is corrected any more


def _is_plain(window: Any) -> bool:
    """Return True for a square window over pictures, with one stride and without holes."""
    return len(window.size) == 2 and window.dilation == (1, 1) and len(set(window.size)) == len(set(window.stride)) == 1


def _padded(x: np.ndarray, window: Any, value: float = 0.0) -> np.ndarray:
    pads = [(0, 0), *zip(window.before, window.after, strict=True), (0, 0)]
    return np.pad(x, pads, constant_values=value) if any(map(any, pads)) else x


# Convolution


def conv_by_conv_forward(mine: Callable) -> dict[str, Callable]:
    """Return conv from conv_forward(x, w, b, stride, padding)."""

    def conv(x, w, b, window, groups):
        if not _is_plain(window):
            return NotImplemented
        padding = window.before[0]
        if set(window.before + window.after) != {padding}:
            x, padding = _padded(x, window), 0
        b = np.zeros_like(x, shape=w.shape[-1]) if b is None else b
        parts = zip(by_group(x, groups), by_group(w, groups), by_group(b, groups), strict=True)
        return np.concatenate([mine(*part, window.stride[0], padding) for part in parts], axis=-1)

    return {"conv": conv}


def conv_by_im2col(mine: Callable) -> dict[str, Callable]:
    """Return conv from im2col(x, size, stride)."""

    def conv(x, w, b, window, groups):
        if not _is_plain(window):
            return NotImplemented
        parts = zip(by_group(_padded(x, window), groups), by_group(w, groups), strict=True)
        size, stride = window.size[0], window.stride[0]
        products = [mine(part, size, stride) @ filters.reshape(-1, filters.shape[-1]) for part, filters in parts]
        y = np.concatenate(products, axis=-1).reshape(len(x), *window.output, w.shape[-1])
        return y if b is None else y + b

    return {"conv": conv}


def conv_gradients(mine: Callable) -> dict[str, Callable]:
    """Return both gradients of conv from conv_gradient(dy, x, w), which knows neither stride nor padding.

    A gradient between whose rows stand stride − 1 rows of zeros is that of a convolution with a stride of 1.
    """

    def spread(dy, window):
        lengths = [(n - 1) * s + 1 for n, s in zip(window.output, window.stride, strict=True)]
        wide = np.zeros_like(dy, shape=(len(dy), *lengths, dy.shape[-1]))
        wide[:, :: window.stride[0], :: window.stride[1]] = dy
        return wide

    def conv_gradient_to_input(dy, w, spatial, window, groups):
        if not _is_plain(window):
            return NotImplemented
        sizes = [b + n + a for b, n, a in zip(window.before, spatial, window.after, strict=True)]
        found = []
        for cotangent, filters in zip(by_group(dy, groups), by_group(w, groups), strict=True):
            wide = spread(cotangent, window)
            reached = [n + k - 1 for n, k in zip(wide.shape[1:3], window.size, strict=True)]
            part = mine(wide, np.zeros_like(dy, shape=(len(dy), *reached, w.shape[-2])), filters)[0]
            whole = np.zeros_like(dy, shape=(len(dy), *sizes, w.shape[-2]))
            whole[:, : reached[0], : reached[1]] = part
            found.append(whole)
        top, left = window.before
        return np.concatenate(found, axis=-1)[:, top : top + spatial[0], left : left + spatial[1]]

    def conv_gradient_to_filters(dy, x, window, groups):
        if not _is_plain(window):
            return NotImplemented
        size, found = window.size[0], []
        for cotangent, part in zip(by_group(dy, groups), by_group(_padded(x, window), groups), strict=True):
            wide = spread(cotangent, window)
            reached = part[:, : wide.shape[1] + size - 1, : wide.shape[2] + size - 1]
            nothing = np.zeros_like(dy, shape=(size, size, part.shape[-1], cotangent.shape[-1]))
            found.append(mine(wide, reached, nothing)[1])
        return np.concatenate(found, axis=-1)

    return {
        "conv_gradient_to_input": conv_gradient_to_input,
        "conv_gradient_to_filters": conv_gradient_to_filters,
    }


# Pooling


def pools(mine: Callable) -> dict[str, Callable]:
    """Return max_pool and avg_pool from pool_forward(x, size, stride, mode)."""

    def max_pool(x, window):
        if not _is_plain(window):
            return NotImplemented
        size, stride = window.size[0], window.stride[0]
        x = _padded(x, window, -np.inf)
        y = np.asarray(mine(x, size, stride, "max"), x.dtype)
        taps = sliding_window_view(x, (size, size), (1, 2))[:, ::stride, ::stride]
        winners = (taps == y[..., None, None]).reshape(*y.shape, window.taps).argmax(axis=-1)
        return y, winners.astype(switch_dtype(window))

    def avg_pool(x, window, count_padding):
        if not _is_plain(window) or any(window.before + window.after):
            return NotImplemented
        return mine(x, window.size[0], window.stride[0], "average")

    return {"max_pool": max_pool, "avg_pool": avg_pool}


def max_pool_gradients(mine: Callable) -> dict[str, Callable]:
    """Return max_pool_gradient from max_pool_gradient(dy, x, size, stride).

    The engine keeps the winners, not x. So the windows are laid side by side, with a 1 at each winner, and what comes
    back is added where windows overlap.
    """

    def max_pool_gradient(dy, switches, spatial, window):
        if not _is_plain(window):
            return NotImplemented
        (N, H, W, C), K = dy.shape, window.size[0]
        ones = (switches[..., None] == np.arange(K * K)).astype(dy.dtype).reshape(N, H, W, C, K, K)
        side_by_side = ones.transpose(0, 1, 4, 2, 5, 3).reshape(N, H * K, W * K, C)
        found = np.asarray(mine(dy, side_by_side, K, K), dy.dtype)
        return col2im(found.reshape(N, H, K, W, K, C).transpose(0, 1, 3, 2, 4, 5), spatial, window)

    return {"max_pool_gradient": max_pool_gradient}


# Style, faces and Adam


def grams(mine: Callable) -> dict[str, Callable]:
    """Return gram and its gradient from gram_matrix(A), of which the gradient is what flows back through A."""

    def leaves(features):
        return [Tensor(np.ascontiguousarray(picture.T), requires_grad=True) for picture in features]

    def gram(features):
        with use_backend("numpy"):
            return np.stack([mine(leaf).data for leaf in leaves(features)])

    def gram_gradient(dgram, features, total):
        found = leaves(features)
        with use_backend("numpy"), remembering():
            for leaf, gradient in zip(found, dgram, strict=True):
                mine(leaf).backward(gradient)
        return np.stack([leaf.grad.T for leaf in found])

    return {"gram": gram, "gram_gradient": gram_gradient}


def adam_steps(mine: Callable) -> dict[str, Callable]:
    """Return adam_step from adam(p, g, mean, square, t, …), as a function that returns (p, mean, square).

    The engine's rate and eps hold the corrections, so this step is one after which nothing is corrected.
    """

    def adam_step(p, g, mean, square, rate, eps, beta1, beta2, low, high):
        p, mean, square = mine(p, g, mean, square, FOREVER, rate, beta1, beta2, eps)
        return np.clip(p, low, high), mean, square

    return {"adam_step": adam_step}


def triplet_costs(mine: Callable) -> Callable:
    """Return batch_triplet_loss from triplet_loss(y_true, [A, P, N], alpha)."""

    def batch_triplet_loss(embeddings, triplets, *, margin=0.2, reduction="sum", squared=True):
        a, p, n = np.asarray(triplets).T
        if not squared or not len(a) or isinstance(margin, str) or reduction not in ("sum", "mean"):
            return NotImplemented
        loss = mine(None, [embeddings[a], embeddings[p], embeddings[n]], margin)
        return loss / len(a) if reduction == "mean" else loss

    return batch_triplet_loss


def triplet_mining(mine: Callable) -> Callable:
    """Return mine_triplets from batch_hard(embeddings, labels)."""

    def mine_triplets(embeddings, labels, *, strategy, **options):
        if strategy != "batch-hard":
            return NotImplemented
        embeddings = embeddings.data if isinstance(embeddings, Tensor) else np.asarray(embeddings)
        return np.asarray(mine(embeddings, np.unique(labels, return_inverse=True)[1]), np.int64)

    return mine_triplets


# The graph


class _Leaf:
    """A Tensor that waits for its gradient."""

    inputs = ()

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor


class _View:
    """A node of the engine's graph as the exercise describes it."""

    def __init__(self, node: graph.Node, aside: Callable) -> None:
        self.node, self.aside = node, aside
        self.inputs: tuple[Any, ...] = ()

    def backward(self, gradient: np.ndarray) -> tuple[np.ndarray, ...]:
        with self.aside():
            return self._backward(self.node, gradient)

    def _backward(self, node: graph.Node, gradient: np.ndarray) -> tuple[np.ndarray, ...]:
        if node.retained is not None and (tensor := node.retained()) is not None:
            graph.deposit(tensor, gradient, owned=False)
        closure, sources, node.backward, node.inputs = node.backward, node.inputs, None, ()
        assert closure is not None
        found = []
        for number, part in enumerate(graph._run(closure, gradient, node, len(sources))):
            if sources[number] is not None:
                shape, dtype = node.shapes[number]
                part = np.zeros(shape, dtype) if part is None else graph._fitted(part, (shape, dtype), closure, number)
                found.append(np.array(part))  # a copy, to which the walk may add
        return tuple(found)


def walks(mine: Callable, aside: Callable = nullcontext) -> Callable:
    """Return the engine's walk_back from walk_back(result, gradient). aside: a context for what operations compute."""

    def walk_back(root, gradient):
        if root.backward is None:
            raise InputError(f"backward: the graph of {root.name} was freed by an earlier backward; run forward again")
        views: dict[int, Any] = {id(root): _View(root, aside)}
        for view in (waiting := [views[id(root)]]):
            sources = [source for source in view.node.inputs if source is not None]
            for source in sources:
                if id(source) not in views:
                    views[id(source)] = _View(source, aside) if isinstance(source, graph.Node) else _Leaf(source)
                    waiting += [views[id(source)]] if isinstance(source, graph.Node) else []
            view.inputs = tuple(views[id(source)] for source in sources)
        for leaf, part in mine(views[id(root)], gradient).items():
            graph.deposit(leaf.tensor, np.asarray(part, leaf.tensor.dtype), owned=False)

    return walk_back

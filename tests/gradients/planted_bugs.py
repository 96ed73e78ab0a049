"""Operations as minicnn.ops has them, each with a bug that can be left out: what gradcheck has to find and to name.

Every row is a function of `wrong`: with False it makes the op as it should be, with True the one with the bug.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from minicnn.backend import current_backend
from minicnn.operation import op
from minicnn.tensor import Tensor


class Planted(NamedTuple):
    """make(wrong): the op. shapes: of its inputs. accused: the input with the wrong gradient. kind: the pattern's
    name. says: words of the sentence.
    """

    make: Callable
    shapes: tuple
    accused: str
    kind: str
    says: str


def planted(function):
    """An op whose code reads `wrong` as a global would be read, from the outside."""
    return lambda wrong: op(function(wrong))


# sign


@planted
def sub(wrong):
    def sub(x, y):
        return x - y, lambda dz: (dz, dz if wrong else -dz)

    return sub


@planted
def cross_entropy_upside_down(wrong):
    def cross_entropy(logits):
        labels = np.arange(len(logits)) % logits.shape[1]
        probability = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        target = np.eye(logits.shape[1])[labels]

        def backward(dy):
            return dy / len(labels) * (target - probability if wrong else probability - target)

        return -np.log((probability * target).sum(axis=1)).mean(), backward

    return cross_entropy


# ratio


@planted
def square(wrong):
    def square(x):
        return x * x, lambda dy: dy * x if wrong else 2 * dy * x

    return square


@planted
def mean(wrong):
    def mean(x):
        return x.mean(axis=1), lambda dy: np.broadcast_to(dy[:, None] / (1 if wrong else x.shape[1]), x.shape)

    return mean


@planted
def cross_entropy_undivided(wrong):
    def cross_entropy(logits):
        probability = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        target = np.eye(logits.shape[1])[np.arange(len(logits)) % logits.shape[1]]

        def backward(dy):
            return dy * (probability - target) / (1 if wrong else len(logits))

        return -np.log((probability * target).sum(axis=1)).mean(), backward

    return cross_entropy


@planted
def bias_by_mean(wrong):
    def add_bias(x, b):
        return x + b, lambda dy: (dy, dy.mean(axis=0) if wrong else dy.sum(axis=0))

    return add_bias


@planted
def added_twice(wrong):
    def exp(x):
        y = np.exp(x)
        return y, lambda dy: dy * y + (dy * y if wrong else 0)

    return exp


# zeros


@planted
def relu_without_return(wrong):
    def relu(x):
        def backward(dy):
            dx = dy * (x > 0)
            if not wrong:
                return dx
            return None

        return np.maximum(x, 0), backward

    return relu


@planted
def scale_of_constant(wrong):
    def scale(x, gamma):
        return x * gamma, lambda dy: (dy * gamma, 0 * gamma if wrong else (dy * x).sum(axis=0))

    return scale


def detached(wrong):
    def product(x, y):
        return x * (y.detach() if wrong else y)

    return product


@planted
def leaky_relu(wrong):
    def leaky_relu(x):
        return np.where(x > 0, x, 0.1 * x), lambda dy: dy * np.where(x > 0, 1, 0 if wrong else 0.1)

    return leaky_relu


# transpose


@planted
def filters_transposed(wrong):
    def linear(x, w):
        def backward(dy):
            return dy @ w.T, (dy.T @ x).reshape(w.shape) if wrong else x.T @ dy

        return x @ w, backward

    return linear


@planted
def times_w_instead_of_its_transpose(wrong):
    def linear(x, w):
        back = np.swapaxes(w, -1, -2)
        return x @ w, lambda dy: (dy @ (w if wrong else back), np.swapaxes(x, -1, -2) @ dy)

    return linear


@planted
def transpose_back_to_front(wrong):
    def transpose(x):
        return x.transpose(1, 2, 0), lambda dy: dy.transpose(1, 2, 0) if wrong else dy.transpose(2, 0, 1)

    return transpose


@planted
def reshaped_where_transposed(wrong):
    def transpose(x):
        return x.T.copy(), lambda dy: dy.reshape(x.shape) if wrong else dy.T

    return transpose


def hidden_matrix(wrong):
    w = np.random.default_rng(5).standard_normal((3, 3))

    @op
    def project(x):
        return x @ w, lambda dy: dy @ (w if wrong else w.T)

    return project


# fan-out


@planted
def getitem(wrong):
    index = np.array([0, 2, 0])

    def getitem(x):
        def backward(dy):
            dx = np.zeros_like(x)
            if wrong:
                dx[index] = dy
            else:
                np.add.at(dx, index, dy)
            return dx

        return x[index], backward

    return getitem


@planted
def overlapping_windows(wrong):
    def window_sums(x):
        def backward(dy):
            dx = np.zeros_like(x)
            for o, g in enumerate(dy):
                dx[o : o + 3] = g if wrong else dx[o : o + 3] + g
            return dx

        return sliding_window_view(x, 3).sum(axis=-1), backward

    return window_sums


@planted
def softmax_without_its_neighbours(wrong):
    def softmax(x):
        y = np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)

        def backward(dy):
            return dy * y * (1 - y) if wrong else y * (dy - (dy * y).sum(axis=1, keepdims=True))

        return y, backward

    return softmax


@planted
def residual_without_shortcut(wrong):
    def residual(x):
        return x + np.tanh(x), lambda dy: dy * (1 - np.tanh(x) ** 2) + (0 if wrong else dy)

    return residual


@planted
def last_row_left_out(wrong):
    def linear(x, w):
        return x @ w, lambda dy: (dy @ w.T, x[:-1].T @ dy[:-1] if wrong else x.T @ dy)

    return linear


# broadcast


@planted
def bias_of_first_row(wrong):
    def add_bias(x, b):
        return x + b, lambda dy: (dy, dy[0] if wrong else dy.sum(axis=0))

    return add_bias


@planted
def bias_of_one_picture(wrong):
    def add_bias(x, b):
        return x + b, lambda dy: (dy, dy[-1].sum(axis=(0, 1)) if wrong else dy.sum(axis=(0, 1, 2)))

    return add_bias


@planted
def scale_of_first_row(wrong):
    def scale(x, gamma):
        return x * gamma, lambda dy: (dy * gamma, (dy * x)[:1] if wrong else dy * x)

    return scale


# kernel


def correlate(x, w, padding):
    """x: (L,), w: (K,)."""
    return sliding_window_view(np.pad(x, padding), len(w)) @ w


@planted
def conv1d(wrong):
    def conv(x, w):
        def backward(dy):
            dx = correlate(dy, w if wrong else w[::-1], len(w) - 1)
            return dx, sliding_window_view(x, len(dy)) @ dy

        return correlate(x, w, 0), backward

    return conv


def conv2d_by_taps(x, w):
    """x: (N, H, W, C_in), w: (kh, kw, C_in, C_out), "same"."""
    kh, kw = w.shape[:2]
    padded = np.pad(x, ((0, 0), (kh // 2, kh // 2), (kw // 2, kw // 2), (0, 0)))
    y = np.zeros((*x.shape[:3], w.shape[3]))
    for i, j in np.ndindex(kh, kw):
        y += padded[:, i : i + x.shape[1], j : j + x.shape[2]] @ w[i, j]
    return y


def conv_with_hidden_kernel(wrong):
    w = np.random.default_rng(3).standard_normal((3, 3, 2, 3))

    @op
    def conv(x):
        def backward(dy):
            turned = w if wrong else w[::-1, ::-1]
            return conv2d_by_taps(dy, turned.transpose(0, 1, 3, 2))

        return conv2d_by_taps(x, w), backward

    return conv


def gradient_to_filters(x, dy, w, halved=False):
    kh, kw = w.shape[:2]
    padded = np.pad(x, ((0, 0), (kh // 2, kh // 2), (kw // 2, kw // 2), (0, 0)))
    dw = np.zeros_like(w)
    for i, j in np.ndindex(kh, kw):
        seen = padded[:, i : i + x.shape[1], j : j + x.shape[2]]
        dw[i, j] = np.einsum("nhwc,nhwd->cd", seen, dy) * (0.5 if halved and j == 0 else 1)
    return dw


@planted
def conv2d(wrong):
    def conv(x, w):
        def backward(dy):
            turned = w if wrong else w[::-1, ::-1]
            return conv2d_by_taps(dy, turned.transpose(0, 1, 3, 2)), gradient_to_filters(x, dy, w)

        return conv2d_by_taps(x, w), backward

    return conv


@planted
def filters_reversed(wrong):
    def conv(x, w):
        def backward(dy):
            dw = gradient_to_filters(x, dy, w)
            return conv2d_by_taps(dy, w[::-1, ::-1].transpose(0, 1, 3, 2)), dw[::-1, ::-1] if wrong else dw

        return conv2d_by_taps(x, w), backward

    return conv


# one position only


@planted
def first_column_halved(wrong):
    def conv(x, w):
        def backward(dy):
            dx = conv2d_by_taps(dy, w[::-1, ::-1].transpose(0, 1, 3, 2))
            return dx, gradient_to_filters(x, dy, w, halved=wrong)

        return conv2d_by_taps(x, w), backward

    return conv


@planted
def last_class_negated(wrong):
    def exp(x):
        y = np.exp(x)
        sign = np.where(np.arange(x.shape[1]) == x.shape[1] - 1, -1 if wrong else 1, 1)
        return y, lambda dy: sign * dy * y

    return exp


# factors


@planted
def exp_without_dy(wrong):
    def exp(x):
        y = np.exp(x)
        return y, lambda dy: y if wrong else dy * y

    return exp


@planted
def sum_without_dy(wrong):
    def sum_of_cubes(x):
        return (x**3).sum(), lambda dy: 3 * x**2 * (1 if wrong else dy)

    return sum_of_cubes


@planted
def cube(wrong):
    def cube(x):
        return x**3, lambda dy: 3 * dy * (x if wrong else x**2)

    return cube


@planted
def normalized_without_gamma(wrong):
    def batch_norm(x, gamma):
        return gamma * x, lambda dy: (dy if wrong else dy * gamma, (dy * x).sum(axis=0))

    return batch_norm


@planted
def sigmoid(wrong):
    def sigmoid(x):
        y = 1 / (1 + np.exp(-x))
        return y, lambda dy: dy * y * (1 if wrong else 1 - y)

    return sigmoid


# shifted, exchanged, not finite


@planted
def pad_cut_off_by_one(wrong):
    def pad(x):
        begin = 1 if wrong else 2
        return np.pad(x, ((0, 0), (2, 2))), lambda dy: dy[:, begin : begin + x.shape[1]]

    return pad


@planted
def product_exchanged(wrong):
    def mul(x, y):
        return x * y, lambda dz: (dz * x, dz * y) if wrong else (dz * y, dz * x)

    return mul


@planted
def divided_by_zero(wrong):
    def square(x):
        return x * x, lambda dy: np.full_like(x, np.nan) if wrong else 2 * dy * x

    return square


def wrong_on_numba(wrong):
    @op
    def square(x):
        factor = 3 if wrong and current_backend() == "numba" else 2
        return x * x, lambda dy: factor * dy * x

    return square


BUGS = {
    "subtraction": Planted(sub, ((3, 4), (3, 4)), "y", "sign", "opposite sign"),
    "cross entropy, target - p": Planted(cross_entropy_upside_down, ((4, 5),), "logits", "sign", "opposite sign"),
    "square without its 2": Planted(square, ((3, 4),), "x", "ratio", "a 2 is forgotten"),
    "mean without its division": Planted(mean, ((3, 4),), "x", "ratio", "multiplied by 4 = the length of axis 1 of x"),
    "cross entropy undivided": Planted(cross_entropy_undivided, ((5, 3),), "logits", "ratio", "multiplied by 5"),
    "bias by mean": Planted(bias_by_mean, ((5, 3), (3,)), "b", "ratio", "a mean where the sum is meant"),
    "added twice": Planted(added_twice, ((3, 4),), "x", "ratio", "a term is counted twice"),
    "backward without return": Planted(relu_without_return, ((3, 4),), "x", "zeros", "relu returns None for it"),
    "zero instead of a sum": Planted(scale_of_constant, ((5, 3), (3,)), "gamma", "zeros", "every wrong entry is zero"),
    "detached": Planted(detached, ((3,), (3,)), "y", "zeros", "the tape never saw it"),
    "leaky relu that does not leak": Planted(leaky_relu, ((3, 4),), "x", "zeros", "has x < 0 and is zero"),
    "filters reshaped": Planted(filters_transposed, ((5, 3), (3, 4)), "w", "transpose", "axes 0 and 1"),
    "filters transposed": Planted(filters_transposed, ((5, 3), (3, 3)), "w", "transpose", "axes 0 and 1"),
    "w instead of w.T": Planted(times_w_instead_of_its_transpose, ((5, 3), (3, 3)), "x", "transpose", "w transposed"),
    "matrices instead of their transposes": Planted(
        times_w_instead_of_its_transpose, ((2, 4, 3), (2, 3, 3)), "x", "transpose", "w transposed"
    ),
    "transposed once more": Planted(transpose_back_to_front, ((3, 3, 3),), "x", "transpose", "axes 0, 1 and 2"),
    "reshape for transpose": Planted(reshaped_where_transposed, ((3, 4),), "x", "transpose", "axes 0 and 1"),
    "a hidden matrix": Planted(hidden_matrix, ((3, 3),), "x", "transpose", ".T"),
    "picked twice, kept once": Planted(getitem, ((3, 4),), "x", "fan-out", "the last of them"),
    "windows that overwrite": Planted(overlapping_windows, ((7,),), "x", "fan-out", "the last of them"),
    "softmax alone": Planted(softmax_without_its_neighbours, ((3, 4),), "x", "sum", "only the term of the entry's own"),
    "residual without shortcut": Planted(residual_without_shortcut, ((3, 4),), "x", "fan-out", "dy itself is missing"),
    "the last row left out": Planted(last_row_left_out, ((5, 3), (3, 4)), "w", "fan-out", "[4, :] are not in the sum"),
    "bias of the first row": Planted(bias_of_first_row, ((5, 3), (3,)), "b", "broadcast", "sum over axis 0"),
    "bias of one picture": Planted(bias_of_one_picture, ((2, 3, 2, 3), (3,)), "b", "broadcast", "[1, :, :, :]"),
    "scale of the first row": Planted(scale_of_first_row, ((5, 3), (1, 3)), "gamma", "broadcast", "[0, :]"),
    "conv1d, kernel not flipped": Planted(conv1d, ((8,), (3,)), "x", "kernel", "w reversed along axis 0"),
    "conv2d, kernel not flipped": Planted(
        conv2d, ((2, 4, 5, 2), (3, 3, 2, 3)), "x", "kernel", "w reversed along axes 0 and 1"
    ),
    "a hidden kernel": Planted(conv_with_hidden_kernel, ((2, 4, 5, 2),), "x", "kernel", "unflipped kernel"),
    "filters reversed": Planted(filters_reversed, ((2, 4, 5, 2), (3, 3, 2, 3)), "w", "flip", "along kh and kw"),
    "the first column halved": Planted(
        first_column_halved, ((2, 4, 5, 2), (3, 3, 2, 3)), "w", "ratio", "has kw = 0 and has ratio 0.500"
    ),
    "the last class negated": Planted(last_class_negated, ((3, 4),), "x", "sign", "axis 1 = 3"),
    "exp without dy": Planted(exp_without_dy, ((3, 4),), "x", "cotangent", "not multiplied by dy"),
    "sum without dy": Planted(sum_without_dy, ((3, 4),), "x", "cotangent", "not multiplied by dy"),
    "cube, forgetful": Planted(cube, ((3, 4),), "x", "factor", "lacks the factor x"),
    "gamma forgotten": Planted(normalized_without_gamma, ((5, 3), (3,)), "x", "factor", "lacks the factor gamma"),
    "sigmoid, half of it": Planted(sigmoid, ((3, 4),), "x", "factor", "lacks the factor 1 - y"),
    "padding cut off by one": Planted(pad_cut_off_by_one, ((3, 6),), "x", "shift", "shifted by 1 along axis 1"),
    "a product's gradients exchanged": Planted(product_exchanged, ((3, 4), (3, 4)), "x", "exchanged", "that of y"),
    "not a number": Planted(divided_by_zero, ((3, 4),), "x", "not finite", "is not a finite number"),
    "wrong on numba": Planted(wrong_on_numba, ((3, 4),), "x", "ratio", "ratio 1.500"),
}


def inputs_of(bug: Planted, seed: int) -> list[Tensor]:
    random = np.random.default_rng(seed)
    return [random.standard_normal(shape) for shape in bug.shapes]

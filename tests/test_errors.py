"""Errors: counts, the layer in which one occurred, the likely cause, and the nearest name."""

from fractions import Fraction

import numpy as np
import pytest

import minicnn
from minicnn import Tensor, faces, models, nn, op, ops, optim, style
from minicnn.errors import InputError, MissingFileError, check_count, is_count, nearest


@pytest.mark.parametrize("value", [1, 7, np.int64(7), np.uint8(1)])
def test_integers_of_python_and_numpy_are_counts(value):
    found = check_count("record: most", value)
    assert type(found) is int and found == value


@pytest.mark.parametrize("value", [0, -1, True, np.True_, 1.0, np.float64(2), Fraction(2), "1", None, np.ones(1, int)])
def test_what_is_no_count_is_named_in_one_line(value):
    with pytest.raises(InputError) as caught:
        check_count("record: most", value)
    assert str(caught.value) == f"record: most is {value!r}; expected an integer of at least 1"


def test_bounds_are_within():
    assert [value for value in range(-1, 9) if is_count(value, 0, 4)] == [0, 1, 2, 3, 4]
    assert check_count("seed", 0, 0) == 0
    with pytest.raises(InputError, match=r"^size is 5; expected an integer from 0 to 4$"):
        check_count("size", 5, 0, 4)


# Likely causes


def said(call, kind=InputError):
    """Return the message of the error that a call raises, which is of exactly this kind and of one line."""
    with pytest.raises(kind) as caught:
        call()
    assert type(caught.value) is kind and "\n" not in str(caught.value)
    return str(caught.value)


RGB = np.zeros((2, 8, 6, 3), np.float32)
BATCH, CHANNEL = "; is the batch axis missing? x[None] adds it", "; is the channel axis missing? x[..., None] adds it"
FIRST = "; is it channels-first? x.transpose(0, 2, 3, 1) moves the channels last"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: nn.Conv2d(3, 4, 3)(RGB[0]), f"Conv2d: x has shape (8, 6, 3); expected (N, H, W, C){BATCH}"),
        (lambda: nn.MaxPool2d(2)(RGB[0]), f"MaxPool2d: x has shape (8, 6, 3); expected (N, H, W, C){BATCH}"),
        (lambda: nn.Conv2d(1, 4, 3)(RGB[..., 0]), f"Conv2d: x has shape (2, 8, 6); expected (N, H, W, C){CHANNEL}"),
        (lambda: nn.Conv2d(3, 4, 3)(RGB[..., 0]), "Conv2d: x has shape (2, 8, 6); expected (N, H, W, C)"),
        (lambda: nn.Conv2d(1, 4, 3)(RGB[0, ..., :1]), f"Conv2d: x has shape (8, 6, 1); expected (N, H, W, C){BATCH}"),
        (lambda: nn.Conv2d(1, 4, 3)(RGB[0, 0]), "Conv2d: x has shape (6, 3); expected (N, H, W, C)"),
        (
            lambda: ops.conv(RGB, np.zeros(3)),
            "conv: x has 4 dimensions, w 1; expected (N, *spatial, C_in) and (*kernel, C_in / groups, C_out) "
            "(x (2, 8, 6, 3), w (3,))",
        ),
        (
            lambda: ops.conv(RGB[..., :2], np.zeros((3, 3, 2, 4)), groups=2),
            "conv: x has 2 channels, w expects 2 · 2 groups (x (2, 8, 6, 2), w (3, 3, 2, 4))",
        ),
        (lambda: nn.Conv3d(1, 4, 3)(RGB), f"Conv3d: x has shape (2, 8, 6, 3); expected (N, D, H, W, C){CHANNEL}"),
        (
            lambda: nn.Conv2d(3, 4, 3)(RGB.transpose(0, 3, 1, 2)),
            f"conv: x has 6 channels, w expects 3{FIRST} (x (2, 3, 8, 6), w (3, 3, 3, 4))",
        ),
        (
            lambda: ops.conv(RGB[0], np.zeros((3, 3, 3, 4))),
            "conv: x has 3 dimensions, w 4; expected (N, *spatial, C_in) and (*kernel, C_in / groups, C_out)"
            f"{BATCH} (x (8, 6, 3), w (3, 3, 3, 4))",
        ),
        (
            lambda: ops.conv(RGB, np.zeros((1, 1, 2, 3, 4))),
            "conv: x has 4 dimensions, w 5; expected (N, *spatial, C_in) and (*kernel, C_in / groups, C_out)"
            f"{BATCH} (x (2, 8, 6, 3), w (1, 1, 2, 3, 4))",
        ),
        (
            lambda: ops.conv(np.zeros((2, 3, 8)), np.zeros((5, 3, 4))),
            "conv: x has 8 channels, w expects 3; is it channels-first? x.transpose(0, 2, 1) moves the channels last "
            "(x (2, 3, 8), w (5, 3, 4))",
        ),
        (
            lambda: nn.Linear(144, 5)(RGB),
            "linear: x has shape (2, 8, 6, 3), w (144, 5); expected (…, C_in) and (C_in, C_out); "
            "was x to be flattened first?",
        ),
        (
            lambda: ops.linear(np.zeros((2, 4)), np.zeros((3, 4))),
            "linear: x has shape (2, 4), w (3, 4); expected (…, C_in) and (C_in, C_out)",
        ),
        (
            lambda: ops.linear(np.zeros((2, 3)), np.zeros((3, 4)), np.zeros(3)),
            "linear: b has shape (3,); expected (4,), one per output, for w (3, 4)",
        ),
        (
            lambda: nn.Sequential(nn.ReLU),
            "Sequential: layer 0 is <class 'minicnn.nn.activations.ReLU'>; expected a layer; did you mean ReLU()?",
        ),
        (lambda: nn.Sequential([1]), "Sequential: layer 0 is [1]; expected a layer"),
    ],
)
def test_the_likely_cause_is_named(call, message):
    assert said(call) == message


@op
def shifted(a, b):
    """Return a + b, as somebody's own operation."""
    return a + b, lambda dy: (dy, dy)


@op
def faulty(a, b):
    """Raise an error of its own."""
    raise ValueError("a is no prime")


X, Y = Tensor(np.zeros((2, 3)), requires_grad=True), np.zeros(4)


@pytest.mark.parametrize(
    ("call", "start"),
    [
        (lambda: X + Y, "add: x (2, 3) and y (4,)"),
        (lambda: Y - X, "sub: x (4,) and y (2, 3)"),
        (lambda: X * Tensor(Y), "mul: x (2, 3) and y (4,)"),
        (lambda: X / Y, "div: x (2, 3) and y (4,)"),
        (lambda: X**Y, "power: x (2, 3) and exponent (4,)"),
        (lambda: ops.maximum(X, Y), "maximum: x (2, 3) and y (4,)"),
        (lambda: ops.minimum(X, Y), "minimum: x (2, 3) and y (4,)"),
        (lambda: shifted(X, Y), "shifted: a (2, 3) and b (4,)"),
    ],
)
def test_shapes_that_do_not_broadcast(call, start):
    assert said(call) == f"{start} do not broadcast; expected equal sizes, or 1, from the last axis on"


def test_errors_of_an_operation_itself_pass_unchanged():
    assert said(lambda: faulty(X, Y), ValueError) == "a is no prime"


# The layer


def test_a_sequential_model_names_the_layer():
    inner = nn.Sequential(nn.Flatten(), nn.Linear(7, 2, name="head"))
    misfit = "linear: x has shape (2, 144), w (7, 2); expected (…, C_in) and (C_in, C_out)"
    assert said(lambda: inner(RGB)) == f"layer 'head' (Linear): {misfit}"
    assert (
        said(lambda: nn.Sequential(nn.ReLU(), inner)(RGB)) == f"layer 1 (Sequential): layer 'head' (Linear): {misfit}"
    )


def test_other_errors_of_a_layer_keep_their_kind_and_their_words():
    class Broken(nn.Module):
        def forward(self, x):
            raise KeyError("who")

    assert said(lambda: nn.Sequential(Broken())(RGB), KeyError) == "'who'"


def test_a_network_names_the_layer():
    message = said(lambda: models.tiny_vgg(None)(np.zeros((1, 4, 4, 3), np.float32)))
    assert message.startswith("layer 'block3_pool' (MaxPool2d): max_pool: the window spans 2 along dimension 0")
    with_gradient = Tensor(np.zeros((1, 4, 4, 3), np.float32), requires_grad=True)
    assert said(lambda: models.tiny_vgg(None)(with_gradient)) == message


# The nearest name


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: minicnn.gradchek, "module 'minicnn' has no attribute 'gradchek'; did you mean 'gradcheck'?"),
        (lambda: minicnn.stlye, "module 'minicnn' has no attribute 'stlye'; did you mean 'style'?"),
        (lambda: minicnn.Conv2d, "module 'minicnn' has no attribute 'Conv2d'; did you mean 'minicnn.nn.Conv2d'?"),
        (lambda: minicnn.softmax, "module 'minicnn' has no attribute 'softmax'; did you mean 'minicnn.ops.softmax'?"),
        (lambda: minicnn.qqq, "module 'minicnn' has no attribute 'qqq'"),
        (
            lambda: ops.conv2d,
            "module 'minicnn.ops' has no attribute 'conv2d'; did you mean 'conv'? F.conv2d is ops.conv here",
        ),
        (
            lambda: ops.reduce_mean,
            "module 'minicnn.ops' has no attribute 'reduce_mean'; did you mean 'mean'? tf.reduce_mean is ops.mean here",
        ),
        (
            lambda: ops.dot,
            "module 'minicnn.ops' has no attribute 'dot'; did you mean 'matmul'? np.dot is ops.matmul here",
        ),
        (
            lambda: nn.Dense,
            "module 'minicnn.nn' has no attribute 'Dense'; did you mean 'Linear'? keras.Dense is nn.Linear here",
        ),
        (lambda: nn.MaxPooling2D, "module 'minicnn.nn' has no attribute 'MaxPooling2D'; did you mean 'MaxPool2d'?"),
        (lambda: optim.adam_, "module 'minicnn.optim' has no attribute 'adam_'; did you mean 'Adam'?"),
        (lambda: style.trasnfer, "module 'minicnn.style' has no attribute 'trasnfer'; did you mean 'transfer'?"),
        (lambda: models.vgg_16, "module 'minicnn.models' has no attribute 'vgg_16'; did you mean 'vgg16'?"),
        (lambda: faces.galery, "module 'minicnn.faces' has no attribute 'galery'; did you mean 'Gallery'?"),
    ],
)
def test_attributes_of_modules(call, message):
    assert said(call, AttributeError) == message


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ops.conv(RGB, RGB, strides=2), "conv: there is no argument 'strides'; did you mean 'stride'?"),
        (lambda: ops.sum(RGB, dim=1), "sum: there is no argument 'dim'; did you mean 'axis'?"),
        (lambda: ops.mean(RGB, keepdim=True), "mean: there is no argument 'keepdim'; did you mean 'keepdims'?"),
        (lambda: ops.mul(RGB, RGB, colour=1), "mul: there is no argument 'colour'; expected one of x, y"),
        (lambda: nn.Conv2d(3, 4, 3, strides=2), "Conv2d: there is no argument 'strides'; did you mean 'stride'?"),
        (lambda: nn.Dropout(0.5, sed=1), "Dropout: there is no argument 'sed'; did you mean 'seed'?"),
        (lambda: optim.SGD([X], moment=0.9), "SGD: there is no argument 'moment'; did you mean 'momentum'?"),
    ],
)
def test_arguments(call, message):
    assert said(call, TypeError) == message


def test_layers_of_ones_own_may_take_any_argument():
    class Mine(nn.Module):
        def __init__(self, **settings):
            self.settings = settings

    assert Mine(strides=2).settings == {"strides": 2}


def test_private_names_and_a_name_itself_are_not_proposed():
    class Mine(nn.Module):
        def __init__(self):
            self._zzyzx = 1

        @property
        def broken(self):
            raise AttributeError("odd")

    assert said(lambda: Mine().zzyzx, AttributeError) == "'Mine' object has no attribute 'zzyzx'"
    assert said(lambda: Mine()._zzyz, AttributeError) == "'Mine' object has no attribute '_zzyz'"
    assert said(lambda: Mine().broken, AttributeError) == "'Mine' object has no attribute 'broken'"
    assert said(lambda: Mine().brokn, AttributeError).endswith("; did you mean 'broken'?")


def test_names_of_layers_and_weights():
    network = models.tiny_vgg(None)
    assert said(lambda: network.features(RGB, ["block1_conv11"])).endswith("; did you mean 'block1_conv1'?")
    assert said(lambda: network.find("block1_con1")).endswith("; did you mean 'block1_conv1'?")
    assert said(lambda: models.tiny_vgg("tiny_vg"), MissingFileError).endswith("; did you mean 'tiny_vgg'?")
    assert said(lambda: minicnn.zoo.fetch("tiny_vg")).endswith("; did you mean 'tiny_vgg'?")


def test_nothing_near_is_nothing_said():
    assert nearest("xyz", ["conv", "sum"]) == "" and nearest("CONV", ["conv"]) == "; did you mean 'conv'?"

"""Where windows go: output sizes by counting, "same" by TensorFlow's rule, receptive fields by looking."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minicnn import ops
from minicnn.errors import InputError
from minicnn.kernels.geometry import Field, receptive_field, slide
from minicnn.tensor import Tensor


@given(
    length=st.integers(1, 12),
    size=st.integers(1, 5),
    stride=st.integers(1, 4),
    dilation=st.integers(1, 3),
    before=st.integers(0, 4),
    after=st.integers(0, 4),
)
def test_the_output_counts_the_places_where_the_window_fits(length, size, stride, dilation, before, after):
    places = [
        start
        for start in range(-before, length + after, stride)
        if all(-before <= start + k * dilation < length + after for k in range(size))
    ]
    options = {"stride": stride, "dilation": dilation, "padding": [(before, after)]}
    if not places:
        with pytest.raises(InputError, match="more than the padded input"):
            slide("conv", (length,), size, **options)
        return
    window = slide("conv", (length,), size, **options)
    assert window.output == (len(places),)
    assert (window.before, window.after) == ((before,), (after,))


def test_same_is_the_rule_of_tensorflow_for_every_size():
    for n in range(1, 25):
        for size in range(1, 8):
            for stride in range(1, 5):
                for dilation in (1, 2, 3):
                    window = slide("conv", (n,), size, stride=stride, dilation=dilation, padding="same")
                    # As TensorFlow's guide words it: by the remainder of the division by the stride.
                    span = size + (size - 1) * (dilation - 1)
                    total = max(span - (stride if n % stride == 0 else n % stride), 0)
                    assert window.before == (total // 2,)
                    assert window.after == (total - total // 2,)
                    assert window.output == (math.ceil(n / stride),)


def test_every_dimension_has_its_own_numbers():
    window = slide("conv", (9, 8, 7), (3, 2, 1), stride=(1, 2, 3), dilation=(2, 1, 1), padding=(1, (0, 2), 0))
    assert window.size == (3, 2, 1) and window.stride == (1, 2, 3) and window.dilation == (2, 1, 1)
    assert (window.before, window.after) == ((1, 0, 0), (1, 2, 0))
    assert window.output == (7, 5, 3)
    assert window.taps == 6


@pytest.mark.parametrize(
    ("padding", "pairs"),
    [
        ("valid", ((0, 0), (0, 0))),
        (0, ((0, 0), (0, 0))),
        (2, ((2, 2), (2, 2))),
        ((1, 2), ((1, 1), (2, 2))),
        (((1, 2), (0, 3)), ((1, 2), (0, 3))),
        ([[1, 2], [0, 3]], ((1, 2), (0, 3))),
        (np.int64(2), ((2, 2), (2, 2))),
    ],
)
def test_padding_is_said_in_many_ways(padding, pairs):
    window = slide("conv", (8, 8), 3, padding=padding)
    assert tuple(zip(window.before, window.after, strict=True)) == pairs


def test_in_one_dimension_a_pair_stands_in_a_pair_of_brackets():
    window = slide("conv", (8,), 3, padding=((1, 2),))
    assert (window.before, window.after) == ((1,), (2,))
    with pytest.raises(InputError, match=r"padding is \(1, 2\); expected an int, 1 ints"):
        slide("conv", (8,), 3, padding=(1, 2))


@pytest.mark.parametrize(
    "padding",
    [
        *(-1, 1.0, (1,), (1, 2, 3), (1, -1), ((1, 2, 3), 1), ((1, -1), 1), ((0.5, 1), 1), ((0, True), 1)),
        *("SAME", "full", None, True, np.array([1, 1]), {1, 2}),
    ],
)
def test_bad_padding_is_named(padding):
    with pytest.raises(InputError, match=r"conv: padding is .*expected an int, 2 ints, 2 pairs") as caught:
        slide("conv", (8, 8), 3, padding=padding)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("argument", ["stride", "dilation", "size"])
@pytest.mark.parametrize("value", [0, -1, 1.5, "2", None, True, (1,), (1, 2, 3), (1, 0), np.array([1, 2])])
def test_bad_sizes_strides_and_dilations_are_named(argument, value):
    options = {"size": 3, argument: value}
    with pytest.raises(InputError, match=f"max_pool: {argument} is ") as caught:
        slide("max_pool", (8, 8), options.pop("size"), **options)
    assert "\n" not in str(caught.value)


def test_a_window_larger_than_the_padded_input_is_named_with_its_dimension():
    with pytest.raises(InputError, match="conv: the window spans 5 along dimension 1, more than the padded input 4"):
        slide("conv", (8, 2), 3, dilation=2, padding=(0, 1))


# Receptive fields


def seen_from_the_middle(layers, length):
    """How far apart the first and the last input lie that move the middle output, found by its gradient."""
    x = Tensor(np.ones((1, length, 1)), requires_grad=True)
    y = x
    for size, stride, dilation in layers:
        y = ops.conv(y, np.ones((size, 1, 1)), stride=stride, dilation=dilation)
    y[0, y.shape[1] // 2, 0].backward()
    touched = np.flatnonzero(x.grad)
    return touched[-1] - touched[0] + 1


@pytest.mark.parametrize(
    "layers",
    [
        [],
        [(3, 1, 1)],
        [(3, 1, 1), (3, 1, 1)],
        [(3, 1, 1), (2, 2, 1), (3, 1, 1), (2, 2, 1), (3, 1, 1)],
        [(5, 3, 2), (3, 2, 1), (4, 1, 3)],
    ],
)
def test_the_receptive_field_is_what_the_gradient_reaches(layers):
    windows = [slide("conv", (1000,), k, stride=s, dilation=d) for k, s, d in layers]
    assert receptive_field(windows, 1) == (seen_from_the_middle(layers, 200),)


def test_the_receptive_field_of_vgg_at_its_fourth_pooling():
    three, halved = slide("conv", (99, 99), 3, padding=1), slide("max_pool", (99, 99), 2, stride=2)
    vgg = [three] * 2 + [halved] + [three] * 2 + [halved] + ([three] * 3 + [halved]) * 2
    assert receptive_field(vgg, 2) == (100, 100)  # as the literature gives it for VGG-16


@pytest.mark.parametrize("fixed", [slide("conv", (9,), 3), Field((3,), (1,))])
def test_windows_and_fields_are_values(fixed):
    with pytest.raises(dataclasses.FrozenInstanceError):
        fixed.size = (5,)
    assert {fixed: "known"}[dataclasses.replace(fixed)] == "known"


def test_the_receptive_field_has_a_number_for_each_dimension():
    assert receptive_field([slide("conv", (9, 9), (3, 5), stride=(2, 1))] * 2, 2) == (7, 9)


def test_where_fields_are_joined_the_wider_counts_in_the_shorter_steps():
    assert Field((3, 9), (1, 2)).joined(Field((5, 7), (4, 1))) == Field((5, 9), (1, 1))

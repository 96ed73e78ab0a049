"""The costs against the course's numbers, against NumPy, and against finite differences."""

import random

import numpy as np
import pytest
from tensorflow_random import tensorflow_normal

from minicnn import Tensor, gradcheck, style
from minicnn.errors import InputError
from minicnn.style.op_cases import CASES


def course_draws(shape, count):
    """What `tf.random.set_seed(1)` and `count` draws of mean 1 and deviation 4 give."""
    seeds = random.Random(1)
    return [tensorflow_normal(shape, 1, seeds.randint(0, 2**31 - 1)) * 4 + 1 for _ in range(count)]


def test_content_cost_gives_the_courses_number():
    content, generated = course_draws((1, 4, 4, 3), 2)
    assert style.content_cost(content, generated).item() == pytest.approx(7.056877, rel=1e-6)


def test_layer_style_cost_gives_the_courses_number():
    painting, generated = course_draws((1, 4, 4, 3), 2)
    assert style.layer_style_cost(painting, generated).item() == pytest.approx(14.017808, rel=1e-6)
    assert style.layer_style_cost(painting, painting).item() == 0


def test_gram_matrix_gives_the_courses_row():
    (unrolled,) = course_draws((3, 2), 1)  # the course's (channels, positions)
    gram = style.gram_matrix(Tensor(unrolled.T.reshape(1, 1, 2, 3)))
    np.testing.assert_allclose(gram.data[0, 0], [63.1888, -26.72128, -7.73202], rtol=1e-6)


@pytest.mark.parametrize(("arguments", "expected"), [((0.2, 0.8), 34), ((0.3, 0.5, 3, 8), 4.9)])
def test_total_cost_gives_the_courses_numbers(arguments, expected):
    assert style.total_cost(*arguments) == pytest.approx(expected, rel=1e-12)


def test_costs_equal_their_formulas_in_numpy():
    generator = np.random.default_rng(0)
    s, g = generator.standard_normal((2, 1, 5, 6, 4))
    difference = np.einsum("nhwc,nhwd->ncd", g, g) - np.einsum("nhwc,nhwd->ncd", s, s)
    by_hand = np.sum(difference**2) / (4 * 4**2 * 30**2)
    assert style.layer_style_cost(s, g).item() == pytest.approx(by_hand, rel=1e-12)
    relative = np.sum(difference**2) / np.sum(np.einsum("nhwc,nhwd->ncd", s, s) ** 2)
    assert style.layer_style_cost(s, g, form="relative").item() == pytest.approx(relative, rel=1e-12)
    assert style.content_cost(s, g).item() == pytest.approx(np.sum((s - g) ** 2) / (4 * 30 * 4), rel=1e-12)
    relative = np.sum((s - g) ** 2) / np.sum(s**2)
    assert style.content_cost(s, g, form="relative").item() == pytest.approx(relative, rel=1e-12)
    assert style.content_cost(s, g, form="gatys").item() == pytest.approx(np.sum((s - g) ** 2) / 2, rel=1e-12)
    weighted = style.style_cost({"a": s, "b": s}, {"a": g, "b": s}, layers={"a": 0.2, "b": 5})
    assert weighted.item() == pytest.approx(0.2 * by_hand, rel=1e-12)
    rough = np.abs(np.diff(g, axis=1)).sum() + np.abs(np.diff(g, axis=2)).sum()
    assert style.total_variation(g).item() == pytest.approx(rough, rel=1e-12)


def test_a_style_of_another_size_is_compared_by_its_mean_gram():
    generator = np.random.default_rng(0)
    small = generator.standard_normal((1, 4, 4, 3))
    repeated = np.concatenate([small, small], axis=1)  # the same texture on twice the area
    assert style.layer_style_cost(repeated, small).item() == pytest.approx(0, abs=1e-20)


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_gradients_agree_with_finite_differences(case, backend):
    from minicnn import use_backend

    with use_backend(backend):
        assert gradcheck(case.function, case.draw(np.random.default_rng(3)))


def test_every_cost_has_a_row():
    differentiable = {name for name in style.__all__ if name not in {"StyleResult", "presets", "transfer"}}
    assert differentiable == {case.op for case in CASES}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: style.content_cost(np.zeros((1, 2, 2, 3)), np.zeros((1, 2, 3, 3))), "content has shape"),
        (lambda: style.content_cost(np.zeros((2, 2, 3)), np.zeros((2, 2, 3))), "features have shape"),
        (lambda: style.content_cost(np.zeros((1, 2, 2, 3), int), np.zeros((1, 2, 2, 3))), "dtype int64"),
        (lambda: style.layer_style_cost(np.zeros((1, 2, 2, 3)), np.zeros((1, 2, 2, 4))), "style has 3 channels"),
        (lambda: style.style_cost({}, {}, {}), "layers is empty"),
        (lambda: style.style_cost({"a": 1}, {"a": 1}, {"b": 1.0}), "layer 'b'"),
        (lambda: style.total_variation(np.zeros((1, 1, 4, 3))), "image has shape"),
        (lambda: style.gram_matrix(np.zeros((3, 2))), "features have shape"),
    ],
)
def test_bad_input_gets_one_line(call, message):
    with pytest.raises(InputError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)

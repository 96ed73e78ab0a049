"""What check says is true, is said once, and is said of the error that came first."""

import warnings

import numpy as np
import pytest
from judged_here import judged

from minicnn import Tensor, learn, ops
from minicnn.learn import candidate, catalogue, observing
from minicnn.learn.comparing import difference
from minicnn.learn.exercise import Slip
from minicnn.learn.judging import EVERYWHERE


def hint_of(name, slip):
    (hint,) = [known.hint for known in catalogue.find(name).slips if known.name == slip]
    return hint


def test_a_slip_that_agrees_only_in_what_follows_is_not_named():
    """The gradients are those of a loss without a maximum, but the loss is something else."""

    def triplet_loss(y_true, y_pred, alpha=0.2):
        A, P, N = y_pred
        return ops.sum(ops.square(A - P)) - ops.sum(ops.square(A - N)) + 100

    assert learn.check("triplet_loss", triplet_loss).advice == []


def test_parts_that_are_apart_have_a_hint_each_though_another_is_wrong_for_no_known_reason():
    def conv_gradient(dy, x, w):
        _, dw, _ = catalogue.find("conv_gradient").function(dy, x, w)
        return np.full(x.shape, 7.0), dw, dy.mean(axis=(0, 1, 2))

    assert learn.check("conv_gradient", conv_gradient).advice == [hint_of("conv_gradient", "db a mean")]


def test_a_right_answer_that_is_rounded_is_right_where_zero_is_expected():
    """The places of the painting in one order, those of the picture in another: no Gram matrix notices."""

    def compute_layer_style_cost(a_S, a_G):
        _, H, W, C = a_S.shape
        S = ops.transpose(a_S, (0, 3, 2, 1)).reshape(C, H * W)
        G = ops.transpose(a_G, (0, 3, 1, 2)).reshape(C, H * W)
        return ops.sum(ops.square(S @ S.T - G @ G.T)) / (4 * C**2 * (H * W) ** 2)

    found = learn.check("compute_layer_style_cost", compute_layer_style_cost)
    assert found, found


def test_zero_is_compared_by_the_size_of_the_other_cases():
    zero, small = np.zeros(2), np.full(2, 1e-7)
    assert difference(zero, small, 1e-5) is not None and difference(zero, small, 1e-5, scale=1) is None
    assert difference(zero, np.full(2, 1e-3), 1e-5, scale=1) is not None
    assert difference(np.full(2, 0.01), np.full(2, 0.01001), 1e-5, scale=1000) is not None  # it is no zero


@pytest.mark.parametrize(
    ("expected", "value", "said"),
    [
        ([-0.0], [1.0], "at [0] expected 0, got 1"),
        ([1.0, 2, 3], [1.0, 2, 4], "at [2] expected 3, got 4; 1 of 3 numbers is wrong"),
        ([1.0, 2, 3], [2.0, 2, 4], "at [0] expected 1, got 2; 2 of 3 numbers are wrong"),
    ],
)
def test_a_difference_in_words(expected, value, said):
    assert difference(np.array(expected), np.array(value), 1e-5) == said


def test_two_hints_are_enough():
    slips = tuple(Slip(f"slip {i}", f"hint {i}", raises="division by zero") for i in range(3))
    assert judged(lambda A: 1 / 0, "gram_matrix", slips=slips).advice[1:] == ["hint 0", "hint 1"]


def test_an_error_that_only_has_other_numbers_in_every_case_is_said_once():
    found = learn.check("gram_matrix", lambda A: A @ A)
    assert found.rows == () and "matmul: x (1, 2) and y (1, 2)" in found.advice[0] and len(found.advice) == 2
    (only,) = learn.check("gram_matrix", lambda A: A.data @ A.data.T).advice
    assert only == "got an array of shape (1, 1), expected a Tensor: from plain numbers no gradient can flow back"


@pytest.mark.parametrize("cost", [None, Tensor(np.ones(2)), "low"])
def test_a_step_that_returns_no_cost_is_told_so(cost):
    (only,) = learn.check("train_step", lambda *arguments: cost).advice
    assert "expected J, a Tensor with a single number, got " in only


def test_who_takes_people_out_of_a_database_is_told_so():
    def database():
        return {"Ada": np.zeros(2), "Lee": np.ones(2)}

    with pytest.raises(observing.Unfit, match="it changes database, which it was given to read"):
        observing.call(lambda image, database: database.pop("Ada"), [np.zeros(1), database()])
    with pytest.raises(observing.Unfit, match="it changes database"):
        observing.call(lambda image, database: database.update(Ada=3.0), [np.zeros(1), database()])


def test_a_name_out_of_an_array_is_a_name():
    assert type(observing.comparable(np.array(["Ada", "Lee"])[0], "identity")) is str


def one_deep(x, w, b, stride=1, padding=0):
    return np.zeros((len(x), (x.shape[1] - len(w)) / stride + 1))


def cut(x, size, stride=1):
    return x[:, : x.shape[1] / size]


def chosen(x, size, stride=1):
    return x[0, x.shape[1] / size]


ERRORS = {
    "NumPy": ("gram_matrix", np.exp),
    "no such op": ("gram_matrix", lambda A: ops.reduce_sum(A)),
    "a size with a point": ("conv_forward", one_deep),
    "a slice with a point": ("im2col", cut),
    "an index with a point": ("im2col", chosen),
    "a truth value for many": ("deconvnet_relu", lambda g, x, rule: g if x > 0 and g > 0 else 0),
    "and before comparing": ("deconvnet_relu", lambda g, x, rule: g * (x > 0 & g > 0)),
    "shapes that do not go together": ("pair_head", lambda f, g, w, b: f[:, 1:] * g),
    "a product that does not chain": ("gram_matrix", lambda A: A @ A),
    "NumPy's product that does not chain": ("pair_head", lambda f, g, w, b: w @ np.abs(f - g) + b),
}


@pytest.mark.parametrize(("slip", "name", "function"), [(slip, *row) for slip, row in ERRORS.items()], ids=ERRORS)
def test_an_error_of_many_beginners_has_a_hint_in_every_exercise(slip, name, function):
    (hint,) = [known.hint for known in EVERYWHERE if known.name == slip]
    found = learn.check(name, function)
    assert not found and hint in found.advice, found


@pytest.mark.parametrize("function", [np.mean, np.sum, np.linalg.norm, np.square])
def test_every_function_of_numpy_on_a_tensor_gets_the_hint(function):
    (hint,) = [known.hint for known in EVERYWHERE if known.name == "NumPy"]
    assert hint in learn.check("gram_matrix", lambda A: function(A)).advice


def test_the_larger_of_a_tensor_and_a_number_gets_the_hint_on_conditions():
    (hint,) = [known.hint for known in EVERYWHERE if known.name == "a truth value for many"]
    assert hint in learn.check("gram_matrix", lambda A: max(A, 0)).advice


def test_every_error_of_many_beginners_is_tried():
    assert set(ERRORS) == {slip.name for slip in EVERYWHERE}


def test_what_an_exercise_knows_of_an_error_comes_alone():
    """Without what is said of broadcasting everywhere."""
    assert learn.check("gram_matrix", lambda A: A * A.T).advice == [
        hint_of("gram_matrix", "elementwise with itself turned over")
    ]


def test_a_slip_may_warn_and_nobody_hears():
    def compute_content_cost(content_output, generated_output):
        return ops.sum(ops.square(content_output - generated_output)) + Tensor(1.0)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not learn.check("compute_content_cost", compute_content_cost)


def test_a_warning_in_a_file_is_a_line_without_the_place_in_the_library():
    assert candidate._in_a_line("divide by zero", RuntimeWarning, "/usr/lib/math.py", 35) == (
        "RuntimeWarning: divide by zero\n"
    )


def test_a_check_within_a_file_waits_for_its_end():
    said = ["the answer is judged when the whole file has run"]
    assert candidate._later("im2col", len, seconds=1) == learn.Verdict("im2col", False, (), said)


def test_what_is_wrong_in_some_cases_is_told_although_others_fail():
    def fails(c, s, a=10, b=40):
        if a == 10:
            raise ValueError("two apples")
        return 2 * (a * c + b * s)

    found = judged(fails, slips=(Slip("apples", "no apples", raises="two apples"),))
    assert list(found.advice) == ["no apples", "Every number is 2 times what is expected."]
    texts = [row.text for row in judged(lambda c, s, a=10, b=40: a * c + b * s + 1, slips=()).rows]
    assert len({*texts}) == len(texts) and "the same" not in texts  # another number in every case

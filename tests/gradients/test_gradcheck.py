"""The gradient checker: what it takes, what it refuses, and that it finds what is wrong."""

import functools
import inspect

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import minicnn
from minicnn import ops
from minicnn.errors import GradcheckError, InputError
from minicnn.gradients.checking import GradcheckReport, _chosen, gradcheck
from minicnn.operation import op
from minicnn.tensor import Tensor


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def square_with(alter):
    """x², with `alter` applied to its gradient."""

    @op
    def altered_square(x):
        def backward(dy):
            return alter(2 * dy * x)

        return x * x, backward

    return altered_square


def setting(index, value):
    def alter(gradient):
        gradient[index] = value
        return gradient

    return alter


# What it takes and what it returns


def test_it_is_public_at_every_use():
    assert minicnn.gradcheck is gradcheck
    assert minicnn.gradcheck is gradcheck  # also when it has been loaded


def test_the_signature_is_the_one_promised():
    parameters = inspect.signature(gradcheck).parameters
    assert list(parameters) == ["f", "inputs", "eps", "atol", "rtol", "seed"]
    assert {name: p.default for name, p in parameters.items() if p.kind is p.KEYWORD_ONLY} == {
        "eps": 1e-6,
        "atol": 1e-5,
        "rtol": 1e-3,
        "seed": 0,
    }


def test_a_right_gradient_gives_a_report_that_is_true():
    report = gradcheck(ops.matmul, [normal(3, 4), normal(4, 2)])
    assert isinstance(report, GradcheckReport) and report and report.ok
    assert [(found.shape, found.checked, found.wrong) for found in report.inputs] == [((3, 4), 12, []), ((4, 2), 8, [])]
    assert "passed" in str(report) and "12/12 ok" in str(report)


@pytest.mark.parametrize("inputs", [normal(3), [normal(3)], (normal(3),), Tensor(normal(3)), [Tensor(normal(3))]])
def test_one_input_may_come_alone_or_in_a_sequence_as_array_or_tensor(inputs):
    assert gradcheck(ops.exp, inputs).inputs[0].checked == 3


def test_the_text_of_one_input_is_its_summary_above_its_details():
    with pytest.raises(GradcheckError) as raised:
        gradcheck(square_with(setting((0,), 5.0)), np.array([1.0, 2.0]))
    (wrong,) = raised.value.report.inputs
    summary, *details = str(wrong).splitlines()
    assert summary == "x (2,): 1/2 entries wrong" and all(line.startswith("  ") for line in details)
    assert " ".join(map(str.strip, details)) == " ".join(wrong.details())  # but for where long lines are broken
    (right,) = gradcheck(ops.square, np.array([1.0, 2.0])).inputs
    assert str(right) == "x (2,): 2/2 ok"


def test_the_result_may_have_any_shape():
    assert gradcheck(ops.sum, normal(2, 3)).ok
    assert gradcheck(lambda x: x.reshape(3, 1, 2), normal(2, 3)).ok


def test_the_report_names_the_tensor_the_place_and_both_values():
    x = Tensor(np.full((2, 3), 2.0), name="picture")
    with pytest.raises(GradcheckError) as caught:
        gradcheck(square_with(setting((1, 2), 100.0)), x)
    message = str(caught.value)
    assert "FAILED" in message and "picture (2, 3): 1/6 entries wrong" in message
    assert "worst picture[1, 2]   analytic 100 " in message and "numeric" in message


def test_inputs_are_called_by_their_own_names_then_by_the_parameters_then_by_number():
    def product(x, y, *others):
        return x * y * others[0]

    report = gradcheck(product, [Tensor(normal(3), name="picture"), normal(3), normal(3)])
    assert [found.name for found in report.inputs] == ["picture", "y", "input 2"]


def test_a_function_without_a_name_has_that_of_its_only_operation():
    assert gradcheck(lambda x: ops.exp(x), normal(3)).function == "exp(x)"
    assert gradcheck(lambda x: ops.exp(x) * 2.0, normal(3)).function == "f(x)"
    assert gradcheck(lambda x: Tensor(3.0), normal(3)).function == "f(x)"


class Unsigned:
    """A callable of which nobody can say what it takes."""

    __signature__ = "unknown"

    def __call__(self, x, y):
        return x * y


@pytest.mark.parametrize(("f", "name"), [(Unsigned(), "mul"), (max, "max")])
def test_the_inputs_of_a_function_without_a_signature_are_numbered(f, name):
    report = gradcheck(f, [np.array(1.0), Tensor(np.array(2.0), name="height")])
    assert report.ok and report.function == f"{name}(input 0, height)"


def test_what_a_partial_function_is_given_stands_behind_its_inputs():
    once = functools.partial(ops.conv, padding=1, stride=1)
    once.note = "so that the next one does not become one with it"
    twice = functools.partial(once, padding=0)
    x, w = normal(1, 4, 4, 1), normal(2, 2, 1, 1)
    assert gradcheck(once, [x, w]).function == "conv(x, w; padding 1, stride 1)"
    assert gradcheck(twice, [x, w]).function == "conv(x, w; padding 0, stride 1)"


def test_a_tape_records_a_check_of_what_has_no_gradient():
    with minicnn.record() as tape:
        assert gradcheck(lambda x: Tensor(np.zeros(3)) + 1.0, normal(3)).ok
    assert [(step.name, back) for step, back in tape.moments] == [("add", False)]


def test_the_error_is_an_assertion_error():
    assert issubclass(GradcheckError, AssertionError)


def test_tolerances_decide():
    slightly_off = square_with(lambda gradient: 1.01 * gradient)
    with pytest.raises(GradcheckError):
        gradcheck(slightly_off, normal(5))
    assert gradcheck(slightly_off, normal(5), rtol=0.05).ok
    assert gradcheck(slightly_off, normal(5), atol=1.0).ok


def test_the_seed_decides_the_cotangent_and_the_same_seed_repeats_it():
    def worst(seed):
        with pytest.raises(GradcheckError) as caught:
            gradcheck(square_with(lambda gradient: -gradient), normal(5), seed=seed)
        return str(caught.value)

    assert worst(0) == worst(0) != worst(1)


def test_eps_is_the_step_of_the_difference():
    asked = []

    def f(x):
        asked.append(x.data.copy())
        return ops.exp(x)

    gradcheck(f, np.zeros(1), eps=0.001)
    assert {float(value[0]) for value in asked} == {0.0, 0.001, -0.001}


# Wrong gradients


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_gradient_that_is_not_finite_is_refused(value):
    with pytest.raises(GradcheckError, match="1/4 entries wrong"):
        gradcheck(square_with(setting(2, value)), normal(4))


def test_what_is_not_a_number_is_the_same_in_every_run():
    with np.errstate(invalid="ignore"), pytest.raises(GradcheckError, match="2/2 entries wrong"):
        gradcheck(ops.sqrt, np.array([-1.0, 2.0]))
    with pytest.raises(GradcheckError, match="2/2 entries wrong"):
        gradcheck(ops.square, np.array([np.nan, 2.0]))


def test_a_function_whose_result_is_detached_is_refused():
    with pytest.raises(GradcheckError, match="4/4 entries wrong"):
        gradcheck(lambda x: Tensor(x.data**2), normal(4))


def test_an_input_that_is_detached_on_the_way_is_refused():
    with pytest.raises(GradcheckError) as caught:
        gradcheck(lambda x, y: x * y.detach(), [normal(3), normal(3, seed=1)])
    assert "x (3,): 3/3 ok" in str(caught.value)
    assert "y (3,): 3/3 entries wrong" in str(caught.value)


def test_an_input_without_influence_passes_with_no_gradient():
    assert gradcheck(lambda x, y: x * 2, [normal(3), normal(2)]).ok


def test_a_gradient_that_ones_would_let_pass_is_refused():
    @op
    def softmax_without_gradient(x):
        y = np.exp(x) / np.exp(x).sum()
        return y, lambda dy: np.zeros_like(x)  # right for a cotangent of ones: the outputs sum to one

    with pytest.raises(GradcheckError):
        gradcheck(softmax_without_gradient, normal(4))


@pytest.mark.parametrize("seed", [0, 7])
def test_the_cotangent_is_not_what_the_caller_draws_from_the_same_seed(seed):
    @op
    def unit_length_without_gradient(x):
        y = x / np.sqrt(np.sum(x * x))
        return y, lambda dy: np.zeros_like(x)  # right for a cotangent parallel to x

    with pytest.raises(GradcheckError):
        gradcheck(unit_length_without_gradient, normal(4, seed=seed), seed=seed)


def test_a_gradient_that_is_added_twice_is_refused():
    with pytest.raises(GradcheckError):
        gradcheck(square_with(lambda gradient: 2 * gradient), normal(4))


# Large inputs: a sample and a random direction


def test_a_large_input_is_checked_by_a_sample_and_a_direction():
    report = gradcheck(ops.square, normal(50, 100))
    assert report.inputs[0].checked == 200
    analytic, numeric = report.inputs[0].direction
    assert abs(analytic - numeric) < 1e-4 * abs(numeric)
    assert gradcheck(ops.square, normal(40, 50)).inputs[0].checked == 2000  # the last size that is checked whole


def test_the_sample_has_one_entry_of_each_of_two_hundred_equal_runs():
    chosen = _chosen(np.empty((60, 50)), np.random.default_rng(0))
    assert [row * 50 + column for row, column in chosen] != list(range(0, 3000, 15))
    assert [(row * 50 + column) // 15 for row, column in chosen] == list(range(200))


@pytest.mark.parametrize("start", [0, 1234, 4997])
def test_a_wrong_region_of_a_large_input_is_caught_by_the_direction(start):
    with pytest.raises(GradcheckError, match="along a random direction"):
        gradcheck(square_with(setting(slice(start, start + 3), 0.0)), 2 + normal(5000) / 10)


def test_not_a_number_in_a_large_gradient_is_caught():
    with pytest.raises(GradcheckError, match="along a random direction   analytic nan"):
        gradcheck(square_with(setting(1234, np.nan)), normal(5000))


# What it refuses


@pytest.mark.parametrize("dtype", [np.int64, np.uint8, bool])
def test_integers_are_refused(dtype):
    with pytest.raises(InputError, match=r"gradcheck: input 1 has dtype \w+; expected floats") as caught:
        gradcheck(ops.mul, [normal(3), np.ones(3, dtype)])
    assert "\n" not in str(caught.value)


def test_float32_warns_that_it_says_little():
    with pytest.warns(UserWarning, match="input 0 is float32") as warned:
        assert gradcheck(ops.square, normal(3).astype(np.float32), eps=1e-2, atol=1e-2).ok
    assert [warning.filename for warning in warned] == [__file__]


def test_no_inputs_are_refused():
    with pytest.raises(InputError, match="inputs is empty"):
        gradcheck(lambda: Tensor(1.0), [])


def test_a_function_that_returns_no_tensor_is_refused():
    with pytest.raises(InputError, match="f returned ndarray; expected a Tensor"):
        gradcheck(lambda x: x.data, normal(3))


def test_a_function_with_two_results_for_one_input_is_refused():
    with pytest.raises(GradcheckError, match="two results for the same inputs"):
        gradcheck(lambda x: ops.dropout(x, 0.5), normal(100))
    assert gradcheck(lambda x: ops.dropout(x, 0.5, seed=3), normal(100)).ok
    with pytest.raises(GradcheckError, match="two results for the same inputs"):
        gradcheck(lambda x: x * (2.0 if x.requires_grad else 3.0), normal(2))


def test_a_result_that_is_nan_is_the_same_twice():
    with pytest.raises(GradcheckError, match="2/2 entries wrong"), np.errstate(invalid="ignore"):
        gradcheck(lambda x: x * np.array([np.nan, 1.0]), normal(2))


# It leaves no trace


def test_inputs_are_as_before_also_after_a_failure():
    x = Tensor(normal(4), requires_grad=True)
    x.data.flags.writeable = False
    before = x.data.copy()
    gradcheck(ops.square, x)
    with pytest.raises(GradcheckError):
        gradcheck(square_with(lambda gradient: -gradient), x)
    assert_array_equal(x.data, before)
    assert x.grad is None and x.requires_grad


def test_a_function_that_writes_into_its_input_does_not_reach_the_callers_array():
    def careless(x):
        x.data *= 2
        return ops.square(x)

    array = normal(4)
    before = array.copy()
    with pytest.raises(GradcheckError, match="f writes into its input x"):
        gradcheck(careless, array)
    assert_array_equal(array, before)


@pytest.mark.parametrize("length", range(45, 54))
def test_right_inputs_stand_side_by_side_as_far_as_lines_reach(length):
    """Two of them, whose names are so long that one line holds both with up to 80 columns."""
    long = "n" * length
    function = eval(f"lambda {long}, m: {long} + m")
    first, second = f"  {long} (2,): 2/2 ok", "m (2,): 2/2 ok"
    together = [f"{first}    {second}"]
    told = str(gradcheck(function, [np.ones(2), np.ones(2)])).splitlines()
    lines = told[[line.startswith("  n") for line in told].index(True) :]
    assert lines == (together if len(together[0]) <= 80 else [first, f"  {second}"])

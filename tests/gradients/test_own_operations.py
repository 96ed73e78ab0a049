"""An operation of one's own: what is wrong with it is said in its own words, and the README shows what it says."""

from pathlib import Path

import numpy as np
import pytest

from minicnn import Tensor, gradcheck, ops
from minicnn.errors import GradcheckError, InputError
from minicnn.operation import op

X, B = np.ones((3, 4)), np.ones(4)


def pair(backward):
    """x + b, with this backward."""

    @op
    def plus(x, b):
        return x + b, lambda dy: backward(dy)

    return plus


@pytest.mark.parametrize(
    "made",
    [
        lambda x: x * x,
        lambda x: (x * x, 2 * x),
        lambda x: (x, x, x),
        lambda x: [x, lambda dy: dy],
        lambda x: (x, lambda dy: dy, x),
        lambda x: None,
    ],
)
def test_an_op_that_returns_no_pair_is_told_what_to_return(made):
    @op
    def square(x):
        return made(x)

    with pytest.raises(InputError, match=r"square: returned \w+; expected a pair: the result, and a function"):
        square(X)


def test_an_op_may_return_one_array_for_two_gradients():
    plus = pair(lambda dy: (dy, dy))
    x, b = (Tensor(np.ones(3), requires_grad=True) for _ in range(2))
    left, right = x * 1.0, b * 1.0
    before = left * 2.0
    both = plus(left, right)
    (before + both + right * 4.0).sum().backward()
    assert x.grad.tolist() == [3, 3, 3] and b.grad.tolist() == [5, 5, 5]


@pytest.mark.parametrize(
    ("backward", "message"),
    [
        (lambda dy: dy, "plus.backward: returned 1 gradient; expected a tuple of 2, one for each input"),
        (lambda dy: [dy, dy], "plus.backward: returned 1 gradient; expected a tuple of 2"),
        (lambda dy: (dy, dy, dy), "plus.backward: returned 3 gradients; expected a tuple of 2"),
        (
            lambda dy: (dy, dy.sum(axis=0)[:, None]),
            "gradient to input 1 has shape (4, 1); expected an array of its shape",
        ),
        (lambda dy: (dy[0], dy), "gradient to input 0 has shape (4,); expected an array of its shape (3, 4)"),
        (lambda dy: (dy.sum(), dy), "gradient to input 0 has shape (); expected an array of its shape (3, 4)"),
        (lambda dy: (2.0, dy), "gradient to input 0 is a float; expected an array"),
        (lambda dy: (Tensor(dy), dy), "gradient to input 0 is a Tensor; expected an array"),
    ],
)
def test_a_backward_that_returns_nonsense_is_told_what_was_expected(backward, message):
    with pytest.raises(InputError) as caught:
        gradcheck(pair(backward), [X, B])
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_a_gradient_may_be_left_out_and_may_be_as_large_as_the_result():
    x, b = Tensor(X, requires_grad=True), Tensor(B, requires_grad=True)
    pair(lambda dy: (None, dy))(x, b).sum().backward()
    assert x.grad is None and b.grad.tolist() == [3, 3, 3, 3]
    assert gradcheck(lambda x, b: ops.exp(pair(lambda dy: (dy, dy))(x, b)), [X, B])


def test_the_manual_shows_what_a_saved_file_prints(fresh_python, tmp_path):
    """bias.py, as a student saves it; tests/tutorials runs the blocks as they are pasted."""
    page = (Path(__file__).resolve().parents[2] / "tutorials/manual/gradients.md").read_text(encoding="utf-8")
    check, report = (page.split(f"```{language}\n")[1].split("```")[0] for language in ("python", "text"))
    script = tmp_path / "bias.py"
    script.write_text(check, encoding="utf-8")
    printed = fresh_python("runpy.run_path(sys.argv[0])", script)
    assert printed == report.replace("backend …", "backend numba")
    assert "FAILED" in report and GradcheckError.__name__ in check

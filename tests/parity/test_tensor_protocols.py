"""Parity with PyTorch in what Python and NumPy ask of a Tensor: the same answer, or a refusal by both."""

import operator

import numpy as np
import pytest

from minicnn import Tensor

torch = pytest.importorskip("torch")
# PyTorch's own: of copy=True in NumPy 2, and of float() where a gradient is required.
pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Converting a tensor with requires_grad:UserWarning"),
]

VALUES = {
    "number": 2.5,
    "zero": 0.0,
    "integer": 3,
    "truth": True,
    "one element": [2.5],
    "matrix of one": [[4]],
    "several": [1.0, 2.0, 3.0],
    "matrix": [[1.0, 2.0], [3.0, 4.0]],
    "nothing": [],
}
QUESTIONS = {
    "bool": bool,
    "float": float,
    "int": int,
    "complex": complex,
    "item": lambda t: t.item(),
    "len": len,
    "rows": lambda t: [tuple(row.shape) for row in t],
    "text with a form": lambda t: f"{t:.3f}",
    "text of a number": lambda t: f"{t}" if t.ndim == 0 else None,
    "position in a list": lambda t: "abcdef"[t] if t.ndim == 0 else None,
    "range": lambda t: list(range(t)) if t.ndim == 0 else None,
    "in": lambda t: 2.0 in t,
    "array": lambda t: np.asarray(t).tolist(),
    "array of another dtype": lambda t: np.asarray(t, dtype=np.float32).dtype,
    "copy": lambda t: np.shares_memory(np.array(t), t.numpy()),
    "view": lambda t: np.shares_memory(np.asarray(t), t.numpy()),
    "is none": lambda t: (t == None, t != None),  # noqa: E711
    "key": lambda t: {t: 1}[t],
    "absolute": lambda t: (abs(t) if t.dtype not in (bool, torch.bool) else t).numpy().tolist(),
}
COMPARISONS = ("eq", "ne", "lt", "le", "gt", "ge")


def answer(question, tensor):
    """Return the answer, or "refused"."""
    try:
        return question(tensor)
    except (RuntimeError, TypeError, ValueError):
        return "refused"


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
@pytest.mark.parametrize("question", QUESTIONS.values(), ids=QUESTIONS)
def test_the_answer_is_pytorchs(question, value):
    array = np.array(value)
    ours, theirs = answer(question, Tensor(array)), answer(question, torch.tensor(array))
    assert ours == theirs


@pytest.mark.parametrize("question", ["bool", "float", "int", "item", "len", "array"])
def test_the_answer_is_pytorchs_of_what_requires_a_gradient(question):
    for value in ([1.5], [1.0, 2.0]):
        ours, theirs = Tensor(value, requires_grad=True), torch.tensor(value, requires_grad=True)
        assert answer(QUESTIONS[question], ours) == answer(QUESTIONS[question], theirs)
        assert answer(QUESTIONS[question], ours * 2) == answer(QUESTIONS[question], theirs * 2)


@pytest.mark.parametrize("symbol", COMPARISONS)
@pytest.mark.parametrize("other", [2, 2.0, [[2.0], [3.0]], [1.0, 5.0, 2.0], [1.0, 2.0]])
def test_comparison_is_pytorchs(symbol, other):
    compare, array = getattr(operator, symbol), np.array([1.0, 2.0, 3.0])

    def compared(make):
        operand = other if isinstance(other, (int, float)) else make(np.array(other))
        return np.asarray(compare(make(array), operand)).tolist()

    assert answer(lambda _: compared(Tensor), None) == answer(lambda _: compared(torch.tensor), None)

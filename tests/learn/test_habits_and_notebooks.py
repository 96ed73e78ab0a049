"""What learners bring along: names of other libraries, habits of the course's notebooks, and notebooks themselves."""

import json
import math

import numpy as np
import pytest

from minicnn import InputError, Tensor, learn, ops
from minicnn.cli import main
from minicnn.errors import aliases
from minicnn.learn import examining
from minicnn.learn.aliases import translated
from minicnn.learn.verdict import Row, Verdict

# Names of other libraries


def last_of_a_list(content_output, generated_output):
    _, H, W, C = generated_output[-1].shape
    return H * W * C


def shape_as_list(content_output, generated_output):
    _, H, W, C = generated_output.get_shape().as_list()
    return H * W * C


def by_tensorflow(A):
    import tensorflow_that_is_not_there as tf

    return tf.matmul(A, tf.transpose(tf.cast(A, tf.float32), perm=[1, 0]))


HABITS = {
    "a list of layers": ("compute_content_cost", last_of_a_list, "[-1] takes its only picture"),
    "get_shape": ("compute_content_cost", shape_as_list, "x.get_shape().as_list() is x.shape here"),
    "reduce_sum": ("gram_matrix", lambda A: ops.reduce_sum(A), "tf.reduce_sum is ops.sum here"),
    "perm": ("gram_matrix", lambda A: ops.transpose(A, perm=[1, 0]), "no argument 'perm'; did you mean 'axes'?"),
    "transpose_b": ("gram_matrix", lambda A: ops.matmul(A, A, transpose_b=True), "transpose_b=True) is a @ b.T here"),
    "keep_dims": ("gram_matrix", lambda A: A.sum(axis=0, keep_dims=True), "did you mean 'keepdims'?"),
    "np.linalg.norm": ("gram_matrix", lambda A: np.linalg.norm(A), "np.linalg.norm is ops.norm here"),
    "math.exp": ("gram_matrix", lambda A: math.exp(A), "math.exp is ops.exp here"),
    "TensorFlow": ("gram_matrix", by_tensorflow, "tf.matmul is ops.matmul here; tf.transpose is ops.transpose here."),
    "no import": ("gram_matrix", lambda A: K.batch_dot(A, A), "K.batch_dot is ops.matmul here"),  # noqa: F821
    "channels first": ("conv_forward", lambda x, w, b, s=1, p=0: np.zeros(x.shape[3] - 3), "N, H, W, C = x.shape"),
}


@pytest.mark.parametrize(("name", "function", "said"), HABITS.values(), ids=HABITS)
def test_a_habit_is_told_what_it_is_here(name, function, said):
    found = learn.check(name, function)
    assert not found and said in " ".join([*found.advice, *(row.text for row in found.rows)])


def test_right_answers_and_wrong_numbers_are_not_translated():
    source = "import numpy as np\ndef total_cost():\n    return np.exp(1)\n"
    wrong = Verdict("total_cost", False, [Row("one", False, "expected 34, got 3")], [])
    assert translated(wrong, source) == wrong
    right = Verdict("total_cost", True, [Row("one", True)], [])
    assert translated(right, "import tensorflow as tf\ntf.exp(1)") == right
    assert translated(wrong, "no Python at all (") == wrong
    for said in ("a Tensor requires a gradient", "is not one number"):  # NumPy was given a Tensor
        given = Verdict("total_cost", False, [Row("one", False, f"it raises TypeError: {said}")], [])
        assert translated(given, source).advice == ["np.exp is ops.exp here."]


def test_six_names_are_enough_and_each_is_said_once():
    source = "; ".join(f"tf.{name}(x)" for name in ("exp", "log", "exp", "sqrt", "abs", "square", "tanh", "concat"))
    (advice,) = translated(Verdict("x", False, (), []), source).advice
    assert advice.count(" here") == 6 and advice.count("tf.exp ") == 1 and advice.endswith("here.")
    assert translated(Verdict("x", False, (), []), "tf.image.decode_jpeg(x); mine.exp(x); f().exp").advice == []


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("tf.nn.ReLU(x)", ["tf.nn.ReLU is ops.relu here"]),
        ("F.Conv2d(x)", ["F.Conv2d is ops.conv here"]),
        ("mytf.exp(x); own.tf.exp(x); K2.exp(x)", []),
        ("keras.predict_on_batch(x); tf.get_shape(x)", []),  # which would be said as a sentence of its own
        ("torch.exp + torch.nothing_at_all", ["torch.exp is ops.exp here"]),
        ("np.exp(x); numpy.log(x); math.sqrt(x)", []),
    ],
)
def test_only_names_that_another_library_begins_are_translated(source, said):
    verdict = Verdict("x", False, (), ["advice"])
    assert translated(verdict, source).advice == ["advice", *([f"{'; '.join(said)}."] if said else [])]


def test_every_alias_names_what_there_is():
    """A row for a name that minicnn lost would send a learner astray."""
    rows = aliases()
    assert len(rows) > 60 and all(name == name.lower() for name in rows)
    for library, ours in rows.values():
        if ours.startswith("ops.") and " " not in ours:
            assert ours.removeprefix("ops.") in ops.__all__, ours
        assert library in ("names", "np", "torch", "F", "K", "keras", "tf")
    for name in ("reduce_mean", "clip_by_value", "permute_dimensions", "concatenate", "unsqueeze"):
        with pytest.raises(AttributeError, match=rf"\.{name} is ops\.\w+ here$"):
            getattr(ops, name)
    with pytest.raises(AttributeError, match=r"no attribute 'Variable'; tf\.Variable is Tensor"):
        ops.Variable  # noqa: B018
    with pytest.raises(AttributeError, match=r"no attribute 'relux'; did you mean 'relu'\?$"):
        ops.relux  # noqa: B018
    with pytest.raises(AttributeError, match=r"no attribute '_reduce_sum'$"):
        Tensor(1.0)._reduce_sum  # noqa: B018


# Notebooks


def notebook(*cells):
    rows = [{"cell_type": kind, "source": source.splitlines(keepends=True), "metadata": {}} for kind, source in cells]
    return json.dumps({"cells": rows, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


TOTAL = "def total_cost(J_content, J_style, alpha=10, beta=40):\n"


def test_a_notebook_is_judged_by_its_code(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rates.py").write_text("BETA = 40\n", encoding="utf-8")
    cells = [
        ("markdown", "# My answers"),
        ("code", "%matplotlib inline\n!pip list\nimport rates"),
        ("code", "%%bash\nrm -r everything"),
        ("code", TOTAL + "    return alpha * J_content + beta * J_style * (rates.BETA / 40)"),
    ]
    (tmp_path / "mine.ipynb").write_text(notebook(*cells), encoding="utf-8")
    assert main(["learn", "check", "total_cost", "mine.ipynb"]) == 0
    assert "right, in all 4 cases" in capsys.readouterr().out
    cells[3] = ("code", TOTAL + "\n    return alpha / 0")
    (tmp_path / "total_cost.ipynb").write_text(notebook(*cells), encoding="utf-8")
    assert main(["learn", "check", "total_cost.ipynb"]) == 1  # the exercise of its name
    assert "line 3 of cell 4 of total_cost.ipynb raises ZeroDivisionError" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["not JSON", "[]", '{"cells": 3}', '{"cells": [{"source": 3}]}', '{"cells": [1]}'])
def test_what_is_no_notebook_is_told_so_before_it_is_run(text, tmp_path, monkeypatch):
    monkeypatch.setattr(examining, "answers", None)
    path = tmp_path / "mine.ipynb"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"mine\.ipynb' is not a notebook \(.*\); expected one of Jupyter"):
        learn.check_file("total_cost", path)


# Hints


def test_after_the_last_hint_there_is_a_way_on_and_back():
    assert "\n" not in learn.hint("total_cost", 2)
    text = learn.hint("total_cost", 3)
    assert text.splitlines()[2:] == [
        "This is the last hint.",
        "Back to the first: minicnn learn hint total_cost --tier 1",
        "On to a solution: minicnn learn solution total_cost",
        "The text to it: tutorials/03_style_transfer_by_hand.py",
    ]
    assert "minicnn learn hint engine --tier 1" in learn.hint("engine", 3)

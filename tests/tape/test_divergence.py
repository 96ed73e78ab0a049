"""tape.compare and minicnn step --compare: the first operation at which programs, engines or backends part."""

import inspect
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import minicnn
from minicnn import InputError, Tensor, op, ops
from minicnn.cli import main
from minicnn.files import program
from minicnn.tape import divergence

PROGRAM = """
import numpy as np
from minicnn import Tensor, ops

random = np.random.default_rng(0)
x = Tensor(random.standard_normal((4, 6, 6, 2)))
w = Tensor(random.standard_normal((3, 3, 2, 4)), requires_grad=True)
y = ops.conv(x, w, stride=1)
h = ops.relu(y)
p = ops.max_pool(h, 2)
loss = ops.mean(ops.square(p))
loss.backward()
"""


@op
def half_relu(x):
    """A ReLU that lets half of the gradient through."""
    return np.maximum(x, 0), lambda dy: dy * (x > 0) / 2


def recorded(layer=ops.relu, last=lambda h: ops.sum(h * h), scale=1.0, back=True):
    """A tape of a small program."""
    random = np.random.default_rng(0)
    x, w = Tensor(random.standard_normal((5, 3))), Tensor(scale * random.standard_normal((3, 4)), requires_grad=True)
    with minicnn.record() as tape:
        h = layer(ops.matmul(x, w))
        loss = last(h)
        if back:
            loss.backward()
    return tape


def test_a_program_agrees_with_itself():
    found = recorded().compare(recorded())
    assert found and str(found) == "mine and theirs agree: 4 operations in common, none that differs"


def test_a_notebook_shows_what_is_printed():
    found, shown = recorded().compare(recorded(half_relu)), []
    found._repr_pretty_(SimpleNamespace(text=shown.append), False)
    assert shown == [str(found)]


def test_another_operation():
    found = recorded().compare(recorded(lambda h: ops.leaky_relu(h, 0.1)), names=("a.py", "b.py"))
    assert not found and not found.backward and found.agreed == 1
    assert (found.mine.name, found.theirs.name) == ("relu", "leaky_relu")
    lines = str(found).splitlines()
    assert lines[0] == "a.py and b.py agree in 1 operation, and part at"
    assert lines[1].startswith("  a.py  2 h = relu(matmul_1)   test_divergence.py:")
    assert lines[3] == "what goes in is the same" and " of 20 elements differ; the furthest:" in lines[4]
    apart = np.abs(found.found - found.expected)
    at = tuple(map(int, np.unravel_index(apart.argmax(), apart.shape)))
    assert f"[{at[0]}, {at[1]}]" in lines[5] and f"apart {apart.max():.7g}" in lines[5]
    assert len(lines) == 5 + 3  # the furthest three of more
    leaky = recorded(lambda h: ops.leaky_relu(h, 0.1))
    assert "is 0.1 and" not in str(leaky.compare(recorded()))  # other names, other arguments


def test_an_input_that_differs_already():
    found = recorded().compare(recorded(scale=1.001))
    said = str(found)
    assert found.mine.name == "matmul" and "its input w differs already: 12 of 12 elements differ" in said
    assert "what goes in is the same" not in said
    assert recorded().compare(recorded(scale=1.001), tolerance=0.01)


def test_an_argument_that_differs():
    x, w = np.ones((1, 5, 5, 1)), np.ones((3, 3, 1, 1))
    tapes = []
    for padding in (0, 1):
        with minicnn.record() as tape:
            ops.conv(x, w, padding=padding)
        tapes.append(tape)
    said = str(tapes[0].compare(tapes[1]))
    assert "padding is 0 and 1" in said and "the shapes are (1, 3, 3, 1) and (1, 5, 5, 1)" in said


def test_an_input_that_only_one_has():
    x = np.ones(3)
    tapes = []
    for operation in (lambda: ops.add(x, 1.0), lambda: ops.exp(x)):
        with minicnn.record() as tape:
            operation()
        tapes.append(tape)
    said = str(tapes[0].compare(tapes[1]))
    assert "3 of 3 elements differ" in said and "what goes in" not in said and "its input" not in said


def test_a_result_in_more_operations_is_the_same_result():
    in_one = recorded(last=lambda h: ops.mean(ops.square(h)))
    in_three = recorded(last=lambda h: ops.sum(h * h * 1.0) / 20.0)
    assert in_one.compare(in_three) and in_three.compare(in_one)
    halved = recorded(half_relu, last=lambda h: ops.sum(h * h * 1.0) / 20.0)
    assert in_one.compare(halved).what == halved.compare(in_one).what == "the gradient to matmul_1"


def test_a_result_has_one_counterpart_at_most():
    tapes = []
    for count in (1, 2):
        with minicnn.record() as tape:
            for _ in range(count):
                ops.exp(np.ones(3))
        tapes.append(tape)
    once, twice = tapes
    found, other = twice.compare(once), once.compare(twice)
    assert (found.agreed, found.mine.number, found.theirs) == (1, 2, None)
    assert (other.agreed, other.mine, other.theirs.number) == (1, None, 2)
    head, mine, theirs = str(other).splitlines()
    assert head == "mine and theirs agree in 1 operation, and part at"
    assert mine == "  mine    nothing: it has no such operation" and theirs.startswith("  theirs  2 exp_2 = exp(")


@pytest.mark.parametrize(("before", "agreed"), [(49, 1), (50, 0)])
def test_a_counterpart_is_sought_among_so_many_results(before, agreed):
    tapes = []
    for operations in ([ops.exp], [*[ops.neg] * before, ops.exp]):
        with minicnn.record() as tape:
            for operation in operations:
                operation(np.ones(3))
        tapes.append(tape)
    assert tapes[0].compare(tapes[1]).agreed == agreed


def test_an_operation_that_only_one_has():
    found = recorded().compare(recorded(last=lambda h: ops.exp(ops.sum(h * h) / 100)))
    assert found.mine is None and found.theirs.name == "div"
    assert "mine    nothing: it has no such operation" in str(found)


def test_a_gradient_that_differs():
    found = recorded().compare(recorded(half_relu))
    assert found.backward and found.mine.name == "relu" and found.what == "the gradient to matmul_1"
    assert np.array_equal(found.found, 2 * found.expected)
    assert "  theirs  2 backward of h = half_relu(matmul_1)   test_divergence.py" in str(found)
    found = recorded().compare(recorded(last=lambda h: ops.sum(h * h.detach())))
    assert found.mine.name == "mul" and found.what == "the gradient to h"
    tapes = [recorded(layer, lambda h: [ops.sum(h * h), ops.exp(h)][0]) for layer in (ops.relu, half_relu)]
    assert tapes[0].compare(tapes[1]).what == "the gradient to matmul_1"  # no gradient comes back to the last one
    x, w = np.ones((2, 3)), Tensor(np.ones((3, 1)), requires_grad=True)
    tapes = []
    for wanted in (True, False):  # a gradient for which only one has asked is not compared
        with minicnn.record() as tape:
            ops.sum(ops.matmul(Tensor(x, requires_grad=wanted), w)).backward()
        tapes.append(tape)
    assert tapes[0].compare(tapes[1]) and tapes[1].compare(tapes[0])
    found = recorded(back=False).compare(recorded())
    assert found.what.startswith("the gradient to") and "none came back in the first" in str(found)


def test_not_a_number_is_not_a_number_and_infinity_is_infinity():
    with minicnn.record() as mine:
        ops.add(np.array([np.nan, np.inf, 1.0]), np.zeros(3))
    with minicnn.record() as theirs:
        ops.add(np.array([np.nan, np.inf, 1.0]), np.zeros(3))
    with minicnn.record() as others:
        ops.add(np.array([np.nan, -np.inf, np.nan]), np.zeros(3))
    said = str(mine.compare(others))
    assert (
        mine.compare(theirs) and "2 of 3 elements differ" in said and said.count(", apart ") == 2 * 2
    )  # of the input, and of the result


def test_arrays_are_near_in_shape_and_content():
    assert divergence._near(np.ones(2), np.ones(2) + 1e-6, 1e-5) and not divergence._near(np.ones(2), None, 1e-5)
    assert not divergence._near(np.ones(2), np.ones(1), 1e-5)
    assert not divergence._near(np.array(None), np.array(1.0), 1e-5)
    assert not divergence._near(np.array([None, 1]), np.array([None, 2]), 1e-5)


@pytest.mark.parametrize(
    ("found", "expected", "tolerance", "apart"),
    [
        ([1024.0, 1, -1, 1.5, -1.5], [1024.0, 0, 0, 0, 0], 2**-10, [0, 0, 0, 1, 1]),
        ([0.5, 0.5, 0.75], [0.5, 0, 0], 1, [0, 0, 1]),
        ([-0.5, 0.5, 0.75], [-0.5, 0, 0], 1, [0, 0, 1]),
        ([1e-30, 0.0], [0.0, 0.0], 1, [1, 0]),
        ([np.nan, np.nan, 1.0], [np.nan, 1.0, np.nan], 1, [0, 1, 1]),
        ([np.inf, np.inf, np.inf, 1.0], [np.inf, -np.inf, 1.0, 1.5], 1, [0, 1, 1, 0]),
        ([2], [2], 0, [0]),
    ],
)
def test_elements_are_apart_by_more_than_their_share_of_the_largest_finite_one(found, expected, tolerance, apart):
    assert divergence._apart(np.array(found), np.array(expected), tolerance).tolist() == [bool(each) for each in apart]


def test_what_a_comparison_is_unless_told():
    for compare in (divergence.compare, minicnn.record().compare):
        parameters = inspect.signature(compare).parameters
        assert (parameters["names"].default, parameters["tolerance"].default) == (("mine", "theirs"), 1e-5)
    agreed = divergence.Comparison(("a", "b"), 3)
    assert agreed and agreed.tolerance == 1e-5 and not agreed.backward and agreed.what == ""
    assert recorded().compare(recorded(), tolerance=0.5).tolerance == 0.5
    assert recorded().compare(recorded(scale=1.1), tolerance=1e-9).tolerance == 1e-9
    assert recorded().compare(recorded(half_relu), tolerance=1e-9).tolerance == 1e-9


def test_the_operations_of_an_engine_are_numbered_as_they_ran():
    def made(data, *parents, grad=None, rule=None):
        return SimpleNamespace(data=data, parents=parents, grad=grad, rule=rule)

    def doubled():
        return lambda d: d

    one, two = made(1.0), made(2.0, grad=5.0)
    first, second = made(3.0, one, two, rule=doubled()), made(4.0, two, 7)
    last = made(12.0, first, second, first)
    name = "test_the_operations_of_an_engine_are_numbered_as_they_ran"
    steps = divergence._of_engine(last)
    assert [(step.number, step.name, step.output.name, [value.name for value in step.inputs]) for step in steps] == [
        (1, name, f"{name}_1", ["input 1", "input 2"]),
        (2, "operation", "operation_2", ["input 2", "constant"]),
        (3, "operation", "operation_3", [f"{name}_1", "operation_2", f"{name}_1"]),
    ]
    assert steps[2].inputs[0] is steps[2].inputs[2] is steps[0].output and steps[0].inputs[1] is steps[1].inputs[0]
    assert [step.output.array.item() for step in steps] == [3, 4, 12] and steps[1].inputs[1].array == 7
    assert steps[0].inputs[1].gradient == 5 and steps[0].inputs[0].gradient is None


def test_of_several_counterparts_the_one_of_the_same_name_is_taken():
    tapes = []
    for operations in ([ops.neg], [ops.abs, ops.neg, ops.neg]):
        with minicnn.record() as tape:
            for operation in operations:
                operation(np.zeros(2))
        tapes.append(tape)
    one, three = (list(tape) for tape in tapes)
    assert divergence._matched(one, three, 1e-5) == [(one[0], three[1])]
    assert divergence._matched(three, one, 1e-5) == [(three[0], one[0])]
    assert divergence._matched(one, three[:1], 1e-5) == [(one[0], three[0])]


@pytest.mark.parametrize(
    ("found", "expected", "lines"),
    [
        (None, np.ones(2), ["none came back in the first"]),
        (np.ones(2), None, ["none came back in the second"]),
        (np.ones(2), np.ones((2, 1)), ["the shapes are (2,) and (2, 1)"]),
        (
            np.array(1.5),
            np.array(1.0),
            ["1 of 1 element differs; the furthest:", "  scalar       1.5 and 1, apart 0.5"],
        ),
        (
            np.array([[1.0, 2], [-7, 1.5], [np.nan, 1]]),
            np.ones((3, 2)),
            [
                "4 of 6 elements differ; the furthest:",
                "  [2, 0]       nan and 1, apart inf",
                "  [1, 0]       \N{MINUS SIGN}7 and 1, apart 8",
                "  [0, 1]       2 and 1, apart 1",
            ],
        ),
        (
            np.array([1.0, 2, 2]),
            np.array([1.0, 1, 1]),
            [
                "2 of 3 elements differ; the furthest:",
                "  [1]          2 and 1, apart 1",
                "  [2]          2 and 1, apart 1",
            ],
        ),
    ],
)
def test_the_furthest_elements_in_full(found, expected, lines):
    assert list(divergence._elements(found, expected, 1e-5)) == lines


def test_a_gradient_of_another_shape_is_none():
    leaf = SimpleNamespace(data=1.0, grad=None, parents=())
    (step,) = divergence._of_engine(SimpleNamespace(data=np.ones(2), grad=np.ones(3), parents=(leaf,)))
    assert step.output.gradient is None and step.inputs[0].gradient is None


def test_an_engine_of_ones_own():
    """Lesson 0's engine against a tape: no names are shared, only results."""
    engine = program("engine/solved.py")
    random = np.random.default_rng(0)
    x, w = random.standard_normal((5, 3)), engine.Value(random.standard_normal((3, 4)))
    h = engine.relu(engine.matmul(x, w))
    loss = engine.total(h * h)
    engine.backward(loss)
    assert recorded().compare(loss)
    found = recorded(half_relu).compare(loss, names=("mine", "the engine"))
    assert (
        not found
        and found.mine.name == "half_relu"
        and "the engine  2 backward of relu_2 = relu(matmul_1)" in str(found)
    )
    w.grad = 2 * w.grad
    found = recorded().compare(loss)
    assert found.mine.name == "matmul" and found.what == "the gradient to w"


def test_what_cannot_be_compared():
    with pytest.raises(InputError, match=r"compare: theirs is a int; expected a tape, or a result with parents"):
        recorded().compare(3)
    with pytest.raises(InputError, match=r"compare: theirs is a SimpleNamespace; expected a tape, or a result"):
        recorded().compare(SimpleNamespace(parents=()))
    with pytest.raises(InputError, match=r"compare: theirs has no operations"):
        recorded().compare(minicnn.record())


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(PROGRAM, encoding="utf-8")
    (tmp_path / "theirs.py").write_text(PROGRAM.replace("ops.relu(y)", "ops.relu(-y)"), encoding="utf-8")
    return tmp_path


def test_the_command(here, capsys):
    assert main(["step", "--compare", "mine.py", "theirs.py"]) == 1
    said = capsys.readouterr().out
    assert said.startswith(
        "mine.py and theirs.py agree in 1 operation, and part at\n  mine.py    2 h = relu(y)   mine.py:9"
    )
    assert main(["step", "--compare", "mine.py", "--other-backend", "numba", "mine.py"]) == 0
    assert capsys.readouterr().out == (
        "mine.py on numpy and mine.py on numba agree: 5 operations in common, none that differs\n"
    )


ENGINE = """
class Number:
    def __init__(self, data, parents=()):
        self.data, self.parents, self.grad = np.float64(data), parents, None

first = Number(2.0)
second = Number(4.0, (first,))
third = Number(6.0, (second,))
fourth = Number({last}, (third,))
"""


def test_the_command_compares_the_last_results_of_ones_own_engines(here, capsys):
    others = "import pathlib\nplace = pathlib.Path('a/b')\narray = np.ones(3)\n"
    for name, last in (("one.py", 7.0), ("two.py", 8.0), ("three.py", 7.0)):
        program = "import numpy as np\n" + ENGINE.format(last=last) + others  # which are no results
        (here / name).write_text(program, encoding="utf-8")
    assert main(["step", "--compare", "one.py", "three.py"]) == 0
    assert capsys.readouterr().out == "one.py and three.py agree: 3 operations in common, none that differs\n"
    assert main(["step", "--compare", "one.py", "two.py"]) == 1
    assert "agree in 2 operations, and part at" in capsys.readouterr().out


def test_a_program_that_records_operations_is_compared_by_its_tape(here, capsys):
    own = ENGINE.format(last=7.0)  # which tells less
    (here / "both.py").write_text(PROGRAM + own, encoding="utf-8")
    assert main(["step", "--compare", "both.py", "mine.py"]) == 0
    assert capsys.readouterr().out.startswith("both.py and mine.py agree: 5 operations in common")


def test_programs_of_one_name_are_told_apart_by_their_folders(here, capsys):
    for folder in ("a", "b"):
        (here / folder).mkdir()
        (here / folder / "mine.py").write_text(PROGRAM, encoding="utf-8")
    paths = [str(Path("a", "mine.py")), str(Path("b", "mine.py"))]
    assert main(["step", "--compare", *paths]) == 0
    assert capsys.readouterr().out.startswith(f"{paths[0]} and {paths[1]} agree: ")


def test_the_command_and_what_it_cannot_use(here, capsys):
    assert main(["step", "--compare", "nowhere.py", "mine.py"]) == 2
    assert "--compare is nowhere.py; there is no such file" in capsys.readouterr().err
    assert main(["step", "--compare", "mine.py", "--page", "page.html", "theirs.py"]) == 2
    assert "expected --page or --compare" in capsys.readouterr().err
    (here / "empty.py").write_text("x = 1\n", encoding="utf-8")
    assert main(["step", "--compare", "mine.py", "empty.py"]) == 2
    assert "compare: empty.py has no operations" in capsys.readouterr().err


@pytest.mark.parametrize("words", [("stopped.py", "mine.py"), ("mine.py", "stopped.py")])
def test_an_interrupted_program_is_not_compared(here, capsys, words):
    (here / "stopped.py").write_text(PROGRAM + "raise KeyboardInterrupt\n", encoding="utf-8")
    assert main(["step", "--compare", *words]) == 130
    said = capsys.readouterr()
    assert said.err == "stopped.py was interrupted\n" and "agree" not in said.out


def test_two_programs_are_compared_by_the_names_of_their_variables(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name, factor in (("a.py", 3), ("b.py", 4)):
        text = f"import minicnn\nfirst = minicnn.Tensor([1.0])\nthird = first * {factor}\n"
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert main(["step", "--compare", "a.py", "b.py"]) == 1
    assert capsys.readouterr().out == (
        "a.py and b.py agree in 0 operations, and part at\n"
        "  a.py  1 third = mul(first, 3)   a.py:3  third = first * 3\n"
        "  b.py  1 third = mul(first, 4)   b.py:3  third = first * 4\n"
        "its input 3 differs already: 1 of 1 element differs; the furthest:\n"
        "  scalar       3 and 4, apart 1\n"
        "the result: 1 of 1 element differs; the furthest:\n"
        "  [0]          3 and 4, apart 1\n"
    )

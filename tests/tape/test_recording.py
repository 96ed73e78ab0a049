"""What a tape keeps, that it costs nothing when off, and that it changes nothing when on."""

import html
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import minicnn
from minicnn import InputError, Tensor, backend, nn, no_grad, ops, optim
from minicnn.gradients.cases import CASES
from minicnn.operation import op
from minicnn.tape import Tape, formulas, frames, notation, overview, recorder


@pytest.fixture
def random():
    return np.random.default_rng(0)


def small_net(random):
    """x, w, b and a scalar made of them by a fused convolution."""
    x = Tensor(random.standard_normal((2, 6, 6, 3)), requires_grad=True)
    w = Tensor(random.standard_normal((3, 3, 3, 4)), requires_grad=True)
    b = Tensor(random.standard_normal(4), requires_grad=True)

    def loss():
        return ops.sum(ops.square(ops.conv(x, w, b, padding=1, activation="relu", pool="avg")))

    return (x, w, b), loss


def test_a_fused_convolution_is_taken_apart_and_its_gradients_stay(random):
    leaves, loss = small_net(random)
    with minicnn.use_backend("numpy"):
        expected = loss()
        expected.backward()
    plain = [leaf.grad for leaf in leaves]
    for leaf in leaves:
        leaf.grad = None
    with minicnn.record() as tape:
        seen = loss()
        seen.backward()
    assert [step.name for step in tape] == ["conv", "relu", "avg_pool", "square", "sum"]
    assert np.isclose(seen.item(), expected.item(), rtol=1e-12)
    for leaf, gradient in zip(leaves, plain, strict=True):
        assert np.allclose(leaf.grad, gradient, rtol=1e-10, atol=1e-12)
        assert np.array_equal(tape.find(leaf).gradient, leaf.grad)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_op_gives_the_same_on_a_tape(case):
    inputs = case.draw(np.random.default_rng(1))
    results = []
    for record in (True, False):
        tensors = [Tensor(array.copy(), requires_grad=True) for array in inputs]
        with minicnn.use_backend("numpy"):
            if record:
                with minicnn.record() as tape:
                    y = case.function(*tensors)
                    y.backward(np.cos(np.arange(y.size)).reshape(y.shape))
                assert len(tape) >= 1 and tape.find(y).gradient is not None
            else:
                y = case.function(*tensors)
                y.backward(np.cos(np.arange(y.size)).reshape(y.shape))
        results.append((y.data, [t.grad for t in tensors]))
    (recorded, gradients), (plain, expected) = results
    assert np.allclose(recorded, plain, rtol=1e-12, atol=1e-12)
    for gradient, other in zip(gradients, expected, strict=True):
        assert (gradient is None) == (other is None)
        assert gradient is None or np.allclose(gradient, other, rtol=1e-9, atol=1e-12)


def test_batch_norm_and_residual_are_taken_apart(random):
    x = Tensor(random.standard_normal((4, 3)))
    with minicnn.record() as tape:
        norm = nn.BatchNorm(3, activation="relu")
        ops.residual(norm(x), x, activation="relu")
    assert [step.name for step in tape] == ["batch_norm", "relu", "residual", "relu"]
    with minicnn.record(), pytest.raises(InputError, match="activation is 'tanh'; expected None or \"relu\""):
        ops.residual(x, x, activation="tanh")


def test_the_readable_kernels_run_unless_told_otherwise(random):
    _, loss = small_net(random)
    with minicnn.record():
        assert backend.current_backend() == "numpy"
        loss()
    assert backend.current_backend() == "numba"
    with minicnn.use_backend("numpy"), minicnn.record(backend=None):
        assert backend.current_backend() == "numpy"
    with minicnn.record(backend="numba"):
        assert backend.current_backend() == "numba"


def test_a_tape_owns_what_it_records(random):
    (x, w, b), loss = small_net(random)
    optimizer = optim.SGD([x, w, b], 0.1)
    before = w.data.copy()
    with minicnn.record() as tape:
        y = loss()
    y.backward()  # after the block, and still on the tape
    gradient = w.grad.copy()
    with minicnn.use_backend("numpy"):
        optimizer.step()
    optimizer.zero_grad()
    x.data[:] = np.nan
    assert np.array_equal(tape.find("w").array, before)
    assert np.array_equal(tape.find(w).gradient, gradient)
    assert abs(tape.why(w, (0, 0, 0, 0)).remainder) <= 1e-12


def test_a_parameter_that_moved_is_another_value():
    w = Tensor(np.ones(2), requires_grad=True)
    with minicnn.record() as tape:
        for _ in range(3):
            ops.sum(w * 3.0).backward()
            w.data -= w.grad
    assert [tape.find(name).array.tolist() for name in ("w", "w_2", "w_3")] == [[1, 1], [-2, -2], [-8, -8]]
    assert tape.find("w").gradient.tolist() == [3, 3]


def test_names_are_those_of_the_program(random):
    model = nn.Sequential(nn.Conv2d(3, 2, 3, name="first", seed=0), nn.ReLU())
    pictures = random.standard_normal((1, 5, 5, 3)).astype(np.float32)
    with minicnn.record() as tape:
        hidden = model(pictures)
        loss = (hidden * 2.0).sum()
    assert [value.name for value in tape.steps[0].inputs] == ["pictures", "first.w", "first.b"]
    assert [step.output.name for step in tape] == ["conv_1", "hidden", "mul_1", "loss"]
    assert tape.find(loss) is tape.find("loss") is tape.steps[-1].output
    assert all(step.lines[-1].file == __file__ for step in tape)
    assert "hidden = model(pictures)" in tape.steps[0].lines[-1].text


class Owner:
    """An object whose method runs operations on what it holds, as a network of one's own."""

    def __init__(self, **attributes):
        vars(self).update(attributes)

    def called(self, given):
        with minicnn.record() as tape:
            given + 1.0
        return tape.steps[0].inputs[0].name


class Bare:
    """An object without attributes."""

    __slots__ = ()
    called = Owner.called


@pytest.mark.parametrize(
    ("attributes", "name"),
    [
        (lambda w: {"w": w}, "Owner.w"),
        (lambda w: {"name": "head", "w": w}, "head.w"),
        (lambda w: {"name": 3, "w": w}, "Owner.w"),
        (lambda w: {"other": {"a": 1}, "parts": {"a": 1, "b": w}}, "Owner.parts.b"),
        (lambda w: {"name": "head", "parts": {"b": w}, "w": w}, "head.parts.b"),
        (lambda w: {"parts": {"a": 1}, "listed": [w]}, "given"),
    ],
)
def test_a_tensor_is_called_as_the_object_that_holds_it_calls_it(attributes, name):
    w = Tensor(np.ones(2))
    assert Owner(**attributes(w)).called(w) == name


def test_where_no_object_holds_a_tensor_its_variable_names_it():
    w, _hidden = Tensor(np.ones(2)), Tensor(np.ones(3))
    assert Bare().called(w) == Owner().called(w) == "given"
    with minicnn.record() as tape:
        w + 1.0
        _hidden + 1.0
    assert [step.inputs[0].name for step in tape] == ["w", "tensor"]
    assert frames.name_of(w, []) is None


def test_an_array_of_the_program_has_a_name_and_no_gradient():
    x, mask = Tensor(np.ones(2), requires_grad=True), np.array([1.0, 0.0])
    with minicnn.record() as tape:
        (x + mask).sum().backward()
    gradient, none = tape.steps[0].gradients
    assert gradient.tolist() == [1, 1] and none is None
    with pytest.raises(InputError, match=r"^why: mask has no gradient on this tape; it requires none \("):
        tape.why("mask", 0)


def test_the_line_of_the_program_is_found_above_many_layers():
    layer = nn.ReLU()
    for _ in range(8):
        layer = nn.Sequential(layer)
    with minicnn.record() as tape:
        layer(np.ones((1, 2)))
    assert [line.file for line in tape.steps[0].lines] == [__file__]


@pytest.mark.parametrize(
    ("place", "own"),
    [
        ("style/costs.py", False),
        ("shipped_too.py", False),
        ("shipped/tutorials/lesson.py", True),
        ("../mine/net.py", True),
        ("../net.py", True),
        ("../minicnn_of_mine/net.py", True),
    ],
)
def test_the_lessons_that_come_with_the_package_are_programs_of_the_user(monkeypatch, place, own):
    monkeypatch.setattr(frames, "PACKAGE", Path("/site/minicnn"))
    file = os.path.normpath(frames.PACKAGE / place)
    assert frames.is_own(SimpleNamespace(f_code=SimpleNamespace(co_filename=file))) == own


def test_of_the_frames_above_an_operation_some_are_searched(monkeypatch):
    monkeypatch.setattr(frames, "DEEP", 3)
    assert len(frames.callers()) == 3


def test_a_list_without_a_name_is_not_called_as_a_variable_that_holds_none():
    nothing = None
    with minicnn.record() as tape:
        ops.mul(Tensor([1.0, 2.0]), [3.0, 4.0])
    assert nothing is None and "nothing" not in str(tape)


def test_a_result_has_the_name_under_which_a_function_uses_it():
    def inner(x):
        hidden = x + 1.0
        return hidden * 2.0

    with minicnn.record() as tape:
        y = inner(Tensor(np.ones(2)))
    assert [step.output.name for step in tape] == ["hidden", "y"] and tape.find(y).name == "y"
    with minicnn.record() as tape:  # and the one that was named first keeps its name
        hidden = inner(Tensor(np.ones(2)))
    assert [step.output.name for step in tape] == ["hidden", "hidden_2"] and tape.find(hidden).name == "hidden_2"


def test_every_value_has_a_name_of_its_own():
    borrowed, x = Tensor(np.ones(2), name="x_2"), Tensor(np.ones(2))
    with minicnn.record() as tape:
        borrowed + 1.0
        for _ in range(2):
            x + 1.0
            x.data += 1
    assert [value.name for value in tape.values if value.made_by is None and value.array.ndim] == ["x_2", "x", "x_3"]
    with minicnn.record() as tape:
        for _ in range(2):
            x + 1.0
            x.data += 1
        borrowed + 1.0
    assert [value.name for value in tape.values if value.made_by is None and value.array.ndim] == ["x", "x_2", "x_2_2"]


def test_variables_of_two_functions_with_one_name_are_numbered():
    def inner():
        x = Tensor(np.zeros(2))
        return x + 1.0, x

    x = Tensor(np.ones(2))
    with minicnn.record() as tape:
        _, other = inner()
        x + 1.0
        _secret = ops.exp(x)
    assert tape.find("x").array.tolist() == [0, 0] and tape.find("x_2") is tape.find(x)
    assert tape.find(_secret).name == "exp_1" and other is not x


def test_a_line_of_a_notebook_is_of_a_cell():
    program = "with minicnn.record() as tape:\n    ops.square(Tensor([3.0]))\n"
    for file, place in (("tmp/ipykernel_4711/283727896.py", "cell:2"), ("work/lesson.py", "lesson.py:2")):
        names = {"minicnn": minicnn, "ops": ops, "Tensor": Tensor}
        exec(compile(program, file, "exec"), names)
        tape = names["tape"]
        assert str(tape.steps[0].lines[-1]) == place
        title = "A recorded tape" if "cell" in place else "lesson.py, recorded"
        assert f"<title>{title}<" in html.unescape(tape._repr_html_())


def test_without_gradients_there_is_only_forward(random):
    _, loss = small_net(random)
    with minicnn.record() as tape, no_grad():
        loss()
    assert len(tape.moments) == len(tape) == 5
    assert "backward has not run" in str(tape)
    with pytest.raises(InputError, match="b has no gradient on this tape"):
        tape.why("b", 0)


def test_an_op_of_ones_own_is_recorded():
    @op
    def softsign(x):
        """x / (1 + |x|), elementwise."""
        scale = 1 + np.abs(x)
        return x / scale, lambda dy: dy / scale**2

    x = Tensor([-2.0, 0.5], requires_grad=True)
    with minicnn.record() as tape:
        softsign(x).sum().backward()
    assert tape.steps[0].name == "softsign"
    assert np.isclose(tape.why(x, 1).total, 1 / 1.5**2)


def test_of_a_gradcheck_the_tape_keeps_the_pass_that_the_report_is_about():
    @op
    def bias(x, b):
        return x + b, lambda dy: (dy, dy.mean(axis=0))

    with minicnn.record() as tape, pytest.raises(minicnn.GradcheckError) as caught:
        minicnn.gradcheck(bias, [np.ones((3, 2)), Tensor(np.ones(2), name="offset")])
    assert [(step.name, back) for step, back in tape.moments] == [("bias", False), ("bias", True)]
    index, analytic, _ = caught.value.report.inputs[1].worst
    assert tape.why("offset", index).gradient == analytic and tape.steps[0].inputs[0].name == "x"
    assert "test_recording.py" in str(tape)


def test_the_table_says_it_all(random, capsys):
    _, loss = small_net(random)
    with minicnn.record() as tape:
        loss().backward()
    tape.show()
    shown = capsys.readouterr().out
    assert "tape: 5 operations, 5 of them walked back · numpy" in shown
    assert "conv_1 = conv(x, w, b)" in shown and "(2, 6, 6, 4)" in shown and "test_recording.py:" in shown
    assert max(map(len, shown.splitlines())) <= 160
    assert "nothing recorded" in str(Tape())


def test_a_tape_that_is_full_says_so(random):
    _, loss = small_net(random)
    with minicnn.record(most=3) as tape, pytest.raises(InputError, match=r"holds 3 operations .* record\(most"):
        loss()
    assert len(tape) == 3
    with pytest.raises(InputError, match="most is 0; expected an integer of at least 1"):
        minicnn.record(most=0)
    with pytest.raises(InputError, match="name is 'abacus'"), minicnn.record(backend="abacus"):
        pass
    with minicnn.record() as tape, pytest.raises(InputError, match="already recording"), tape:
        pass


def test_what_is_not_on_the_tape_is_named(random):
    with minicnn.record() as tape:
        x = Tensor(np.ones(3), name="x")
        x + 1.0
    with pytest.raises(InputError, match=r"tensor 'elsewhere' \(2,\) is not on this tape"):
        tape.find(Tensor(np.ones(2), name="elsewhere"))
    with pytest.raises(InputError, match="tensor is 'y'; the tape knows x, add_1"):
        tape.find("y")
    with pytest.raises(InputError, match="why: tensor is a ndarray; expected a Tensor, or a name"):
        tape.why(np.ones(3), 0)


def test_of_many_names_the_likely_ones_are_told():
    with minicnn.record() as tape:
        for number in range(40):
            Tensor(np.ones(1), name=f"layer{number}.w") + 1.0
    with pytest.raises(InputError, match=r"knows layer39\.w, .* and 68 more$") as told:
        tape.find("layer39.v")
    assert len(str(told.value)) < 250


def test_of_many_names_the_six_that_are_most_alike_come_first():
    with minicnn.record() as tape:
        for number in range(40):
            Tensor(np.ones(1), name=f"layer{number}.w") + 1.0
    with pytest.raises(InputError) as told:
        tape.find("layer39.v")
    alike, others = [39, 9, 3, 38, 37, 36], "layer0.w, add_1, layer1.w, add_2, layer2.w, add_3"
    known = f"{', '.join(f'layer{number}.w' for number in alike)}, {others} and 68 more"
    assert str(told.value) == f"find: tensor is 'layer39.v'; the tape knows {known}"


def test_a_tensor_that_was_changed_is_found_as_it_was_when_it_last_had_a_gradient():
    w = Tensor(np.array([1.0, 2.0]), requires_grad=True)
    with minicnn.record() as tape:
        for _ in range(2):
            ops.square(w).sum().backward()
            w.data = w.data * 3
        ops.exp(w)
        x = Tensor(np.ones(1))
        for _ in range(2):
            ops.exp(x)
            x.data = x.data * 2
    assert [tape.find(name).array.tolist() for name in ("w", "w_2", "w_3")] == [[1, 2], [3, 6], [9, 18]]
    assert tape.find(w) is tape.find("w_2") and tape.find(w).gradient.tolist() == [6, 12]
    assert tape.find(x) is tape.find("x_2") and tape.find(x).array.tolist() == [2]  # the last, without a gradient


def test_a_variable_that_was_changed_takes_the_name_of_another_tensor_as_it_was_at_first():
    def elsewhere():
        ops.relu(Tensor([2.0, 3.0], name="b"))

    with minicnn.record() as tape:
        elsewhere()
        b = Tensor([0.5, -1.0])
        b + 1.0
        b.data = b.data * 2
        b + 1.0
    names = {name: tape.find(name).array.tolist() for name in ("b", "b_2", "b_3")}
    assert names == {"b": [0.5, -1], "b_2": [2, 3], "b_3": [1, -2]} and tape.find(b).name == "b_3"


@pytest.mark.parametrize(("count", "more"), [(11, ""), (12, " and 1 more")])
def test_twelve_names_are_told(count, more):
    with minicnn.record() as tape:
        x = Tensor(np.ones(1))
        for _ in range(count):
            x + 1.0
    known = ", ".join(["x", *(f"add_{number}" for number in range(1, 12))])
    with pytest.raises(InputError) as told:
        tape.find("y")
    assert str(told.value) == f"find: tensor is 'y'; the tape knows {known}{more}"


def test_recordings_may_be_nested(random):
    _, loss = small_net(random)
    with minicnn.record() as outer:
        loss()
        with minicnn.record() as inner:
            loss()
        loss()
    assert (len(outer), len(inner)) == (15, 5)


def test_each_of_two_nested_tapes_explains_the_gradient(random):
    (_, w, _), loss = small_net(random)
    with minicnn.record() as outer:
        ops.neg(w)
        with minicnn.record() as inner:
            loss().backward()
            with pytest.raises(InputError, match="this tape is already recording"), outer:
                pass
    assert [len(tape.moments) for tape in (outer, inner)] == [11, 10]
    for tape in (outer, inner):
        why = tape.why(w, (1, 0, 2, 3))
        assert why.gradient == w.grad[1, 0, 2, 3] and abs(why.remainder) <= 1e-12
        for step in tape:
            if step.backward_moment is not None:
                step.run_backward(step.cotangent)  # what `why` asks; it is no moment of any tape
    assert [len(tape.moments) for tape in (outer, inner)] == [11, 10]


def calls_of(run):
    """The files of minicnn in which functions are called, one for each call."""
    root, called = str(Path(minicnn.__file__).parent), []

    def look(frame, event, _):
        if event == "call" and frame.f_code.co_filename.startswith(root):
            called.append(Path(frame.f_code.co_filename).relative_to(root).as_posix())

    sys.setprofile(look)
    try:
        run()
    finally:
        sys.setprofile(None)
    return called


def test_recording_costs_nothing_when_off():
    """An op calls nothing of this room and nothing for it; while a tape records, it does."""
    x = Tensor(np.ones(1))
    ops.neg(x)
    before = calls_of(lambda: ops.neg(x))
    with minicnn.record():
        during = calls_of(lambda: ops.neg(x))
    assert any(file.startswith("tape/") for file in during)
    assert calls_of(lambda: ops.neg(x)) == before and not any(file.startswith("tape/") for file in before)
    assert len(before) <= 10


def test_the_room_loads_when_it_is_used(fresh_python):
    program = "import sys, minicnn; minicnn.Tensor(1.0) + 1; print('minicnn.tape' in sys.modules)"
    assert fresh_python(program + "\nminicnn.record(); print('numba' in sys.modules)").split() == ["False", "False"]


def test_a_row_of_the_table_in_full():
    w = Tensor(np.array([1.0, 2.0]), requires_grad=True)
    with minicnn.record() as tape:
        y = w * 3.0
        y.sum().backward()
        ops.exp(w)
    for step, near in zip(tape, ("near.py", "net.py", None), strict=True):
        lines = [frames.Line(f"/a/{name}", 7, "f", "text") for name in (near, "far.py")]
        step.lines = lines if near else []
    assert [overview._row(step) for step in tape] == [
        ("1", "y = mul(w, 3)", "(2,)", "3 … 6", "1 … 1", "near.py:7  text"),
        ("2", "sum_1 = sum(y)", "scalar", "9", "1", "net.py:7  text"),
        ("3", "exp_1 = exp(w)", "(2,)", "2.72 … 7.39", "·", ""),
    ]


def test_a_table_is_as_wide_as_what_stands_in_it():
    with minicnn.record() as tape:
        Tensor(np.ones(3), name="a") + 1.0
    _, head, row = overview.table_of(tape).splitlines()
    assert head.index("shape") == row.index("(3,)") == len(f"1  {overview.equation(tape.steps[0])}  ")


def test_an_operation_of_ones_own_has_its_docstring_for_a_formula():
    @op
    def relu(x):
        """Not that of minicnn.

        It does nothing.
        """
        return x, lambda dy: dy

    with minicnn.record() as tape:
        ops.relu(relu(np.ones(2)))
    own, known = (formulas.formula_of(step) for step in tape)
    assert own == ("Not that of minicnn.", "see its source") and known == formulas.FORMULAS["relu"]
    nameless = SimpleNamespace(name="f", op=lambda x: x)
    assert formulas.formula_of(nameless) == ("f, which has no docstring", "see its source")


def test_an_operation_takes_the_time_from_its_beginning_to_its_end(monkeypatch):
    now = iter([10.0, 10.25])
    monkeypatch.setattr(recorder, "time", SimpleNamespace(perf_counter=lambda: next(now)))
    with minicnn.record() as tape:
        ops.neg(np.ones(2))
    assert tape.steps[0].milliseconds == 250


def test_the_text_of_a_step_is_not_that_of_its_tapes():
    with minicnn.record(), minicnn.record() as tape:
        ops.neg(np.ones(2))
    text = repr(tape.steps[0])
    assert "number=1" in text and not any(f"{name}=" in text for name in ("outer", "used", "_tape"))


def test_one_element_is_told_as_a_number():
    assert [notation.spread(np.array(x)) for x in (2.0, [2.0], [[]], [1, 2.0])] == ["2", "2", "empty", "1 … 2"]


def test_the_lines_of_a_layer_are_those_that_called_it():
    layer = nn.Linear(2, 1, seed=0)
    with minicnn.record() as tape:
        layer(np.ones((1, 2), np.float32))
    (line,) = tape.steps[0].lines
    assert line.text == "layer(np.ones((1, 2), np.float32))"


@pytest.mark.parametrize(("columns", "shortened", "line"), [(80, True, False), (100, False, False), (160, False, True)])
def test_the_table_of_a_tape_is_as_wide_as_the_screen(monkeypatch, columns, shortened, line):
    """The place of a call is always whole. Where there is little room for it the operation gives way."""
    monkeypatch.setattr(overview.shutil, "get_terminal_size", lambda: os.terminal_size((columns, 24)))
    a, b = Tensor(np.ones(3), name="a" * 14), Tensor(np.ones(3), name="b" * 14)
    with minicnn.record() as tape:
        y = ops.add(a, b)  # a comment that makes it long
    _, _, row = overview.table_of(tape).splitlines()
    assert len(row) <= columns and f"  test_recording.py:{tape.steps[0].lines[0].number}" in row and y.shape == (3,)
    assert (f"y = add({a.name}, {b.name})" in row) == (not shortened)
    assert row.endswith("y = ops.add(a, b)  # a comment that makes it long") == line


@pytest.mark.parametrize(
    ("length", "shown"), [(17, f"y = add({'a' * 16}, {'b' * 17})"), (18, f"y = add({'a' * 16}, {'b' * 17}…")]
)
def test_an_operation_has_forty_four_columns_of_a_wide_screen(monkeypatch, length, shown):
    monkeypatch.setattr(overview.shutil, "get_terminal_size", lambda: os.terminal_size((160, 24)))
    a, b = Tensor(np.ones(3), name="a" * 16), Tensor(np.ones(3), name="b" * length)
    with minicnn.record() as tape:
        y = ops.add(a, b)
    _, head, row = overview.table_of(tape).splitlines()
    assert row.startswith(f"1  {shown}  ({y.size},)") and len(shown) == 44 and head.index("shape") == 49


@pytest.mark.parametrize(("more", "shown"), [(0, ""), (1, "  y = op…")])
def test_a_line_is_shown_where_there_is_room_for_seven_columns_of_it(monkeypatch, more, shown):
    a, b = Tensor(np.ones(3), name="a" * 18), Tensor(np.ones(3), name="b" * 18)
    with minicnn.record() as tape:
        y = ops.add(a, b)
    place = f"test_recording.py:{tape.steps[0].lines[0].number}"
    columns = 44 + len("1shapevaluesgradient") + 5 * len("  ") + len(place) + 8 + more
    monkeypatch.setattr(overview.shutil, "get_terminal_size", lambda: os.terminal_size((columns, 24)))
    assert overview.table_of(tape).endswith(f"  {place}{shown}") and y.shape == (3,)


def test_a_step_knows_the_parameters_that_its_inputs_are_given_to(random):
    x, w, b = (random.standard_normal(shape) for shape in ((1, 4, 4, 2), (3, 3, 2, 5), (5,)))
    with minicnn.record() as tape:
        ops.conv(Tensor(x), w, b)
        ops.conv(Tensor(x), w)
        for count in (1, 2, 3):
            ops.concat([Tensor(b)] * count)
    parts = ["parts[0]", "parts[1]", "parts[2]"]
    given = [step.parameters for step in tape.steps]
    assert given == [["x", "w", "b"], ["x", "w", "b"], parts[:1], parts[:2], parts]


def test_a_constant_keeps_the_name_that_it_had_when_it_was_used():
    mask = np.array([1.0, 2])
    with minicnn.record() as tape:
        y = ops.mul(Tensor([3.0, 4], requires_grad=True), mask)
    assert [(value.name, value.named) for value in tape.steps[0].inputs][1] == ("mask", True)
    assert y.data.tolist() == [3, 8]

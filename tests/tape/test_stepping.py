"""`minicnn step` over a pipe, and the stepper that it opens."""

import io
import os
import subprocess
import sys

import numpy as np
import pytest

import minicnn
from minicnn import Tensor, cli, ops
from minicnn.tape.stepper import Stepper, _index

PROGRAM = """
import sys
import numpy as np
from minicnn import Tensor, ops

x = Tensor(np.arange(4.0))
w = Tensor(np.array([1.0, -2.0, 3.0, -4.0]), requires_grad=True)
hidden = ops.relu(x * w)
loss = (hidden + w).sum()
loss.backward()
w.data -= w.grad
print("given", sys.argv[1:])
"""


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "net.py"
    path.write_text(PROGRAM, encoding="utf-8")
    return path


def answers(tape, *commands):
    """What a stepper says to each of these commands."""
    out = io.StringIO()
    Stepper(tape, stdin=io.StringIO("\n".join(commands) + "\n"), stdout=out).cmdloop()
    return out.getvalue().split("(tape) ")


@pytest.fixture
def tape():
    x = Tensor(np.arange(4.0))
    w = Tensor(np.array([1.0, -2.0, 3.0, -4.0]), requires_grad=True)
    with minicnn.record() as tape:
        hidden = ops.relu(x * w)
        loss = (hidden + w).sum()
        loss.backward()
    return tape


def test_over_a_pipe(script):
    commands = "next\nbreak relu\nwatch w.grad\ncontinue\nbackward\nprint w.grad[1:]\nlast\nprint w.grad[1:]\nquit\n"
    done = subprocess.run(
        [sys.executable, "-m", "minicnn", "step", str(script), "--flag"],
        input=commands, capture_output=True, encoding="utf-8", timeout=100,
        env={**__import__("os").environ, "PYTHONIOENCODING": "utf-8"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    first, *said = done.stdout.split("(tape) ")
    assert "given ['--flag']" in first and "tape: 4 operations, 4 of them walked back" in first
    assert "1 forward  mul_1 = mul(x, w)" in first and "net.py:8  hidden = ops.relu(x * w)" in first
    assert "2 forward  hidden = relu(mul_1)" in said[0]
    assert "will stop at relu" in said[1] and "watch w.grad: not there yet" in said[2]
    assert "3 backward of  add_1 = add(hidden, w)" in said[3] and "watch w.grad (4,): 1 … 1" in said[3]
    assert "[1. 1. 1.]" in said[5]
    assert "1 backward of  mul_1" in said[6] and "[1. 3. 1.]" in said[7]


def test_forward_and_back_again(tape):
    said = answers(tape, "n 2", "p", "", "p", "last", "n", "goto 2", "b", "f", "first")
    heads = [answer.splitlines()[-5 if "\n" not in answer else 0].strip() for answer in said[1:-1]]
    assert heads[0].startswith("3 forward  add_1") and heads[1].startswith("2 forward  hidden")
    assert heads[2].startswith("1 forward") and heads[3] == "that is before the beginning"
    assert heads[4].startswith("1 backward") and heads[5] == "that is the end"
    assert heads[6].startswith("2 forward") and heads[7].startswith("2 backward of  hidden = relu(mul_1)")
    assert heads[8].startswith("2 forward") and heads[9].startswith("1 forward")


def test_breaks_and_watches(tape):
    said = answers(
        tape, "break add", "c", "c", "c", "clear", "first", "watch w.grad[1]", "c", "c", "c", "watch", "break"
    )
    assert "3 forward" in said[2] and "3 backward" in said[3] and "nothing stopped it" in said[4]
    assert "3 backward" in said[8] and "watch w.grad[1] scalar: 1" in said[8]
    assert "nothing stopped it" in said[9]  # w[1] is negative: nothing more comes back
    assert "watched: w.grad[1]" in said[11] and "breaks: none" in said[12]


def test_looking(tape):
    said = answers(
        tape, "print w[::2]", "print hidden", "why w[2]", "list", "show", "source", "help", "goto 4", "print hidden[-1]"
    )
    assert "[1. 3.]" in said[1] and "hidden is not there yet" in said[2]
    assert "w.grad[2] = 3" in said[3] and "→   1  mul_1 = mul(x, w)" in said[4]
    assert "tape: 4 operations" in said[5] and "def mul(x, y" in said[6] and "watch NAME.grad" in said[7]
    assert "hidden[-1] scalar" in said[9]


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("fly", "'fly' is not a command"),
        ("goto 99", "operation is '99'; expected 1 … 4"),
        ("next far", "next: tensor is 'far'; the tape knows x"),
        ("next -1", "N is '-1'"),
        ("break conv", "'conv' is not on this tape; it has add, mul, relu, sum"),
        ("watch v.grad", "tensor is 'v'; the tape knows x, w"),
        ("print w[9]", "reaches outside of w (4,)"),
        ("print w[__import__('os')]", "is not an index"),
        ("print w[0", "the tape knows"),
        ("print", "a name is missing"),
        ("why w", "expected 1 integer for w (4,), counted from 0"),
        ("why x[0]", "x has no gradient on this tape; it requires none"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_not_the_end(tape, command, answer):
    said = answers(tape, command, "n")
    assert answer in said[1] and len(said[1].strip().splitlines()) == 1
    assert "2 forward" in said[2]


def test_an_index_is_read_and_not_run():
    assert _index("0, :, -1") == (0, slice(None), -1)
    assert _index("1:3, ::2, ...") == (slice(1, 3), slice(None, None, 2), ...)
    assert _index("") == () and _index("4") == 4


def test_a_program_that_fails_can_be_stepped_through_as_far_as_it_came(tmp_path, monkeypatch, capsys):
    path = tmp_path / "broken.py"
    path.write_text(
        "from minicnn import Tensor\nx = Tensor([1.0])\ny = x + 1\nraise ValueError('too far')\n", encoding="utf-8"
    )
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    assert cli.main(["step", str(path)]) == 0
    seen = capsys.readouterr()
    assert "ValueError: too far" in seen.err and "step.py" not in seen.err
    assert "1 forward  y = add(x, 1)" in seen.out


def test_what_cannot_be_stepped_through(tmp_path, capsys):
    assert cli.main(["step", str(tmp_path / "none.py")]) == 2
    assert "there is no such file" in capsys.readouterr().err
    empty = tmp_path / "empty.py"
    empty.write_text("print('nothing')\n", encoding="utf-8")
    assert cli.main(["step", str(empty)]) == 2
    assert "step: the tape is empty" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("program", "told"),
    [
        ("import math\n\nmath.sqrt(-1)\n", "step: bad.py:3 raised ValueError: "),
        ("def f():\n    raise RuntimeError\nf()\n", "step: bad.py:2 raised RuntimeError; no operation ran before"),
        ("x = (\n", "step: bad.py:1 raised SyntaxError: "),
        ("raise ValueError('one\\ntwo')\n", "step: bad.py:1 raised ValueError: one; no operation ran before"),
        ("\n\ncompile('x = (', 'other.py', 'exec')\n", "step: bad.py:3 raised SyntaxError: "),
        ("import nowhere_at_all\n", "step: bad.py:1 raised ModuleNotFoundError: No module named 'nowhere_at_all'; no"),
    ],
)
def test_a_program_that_fails_at_once_is_told_in_one_line(program, told, tmp_path, capsys):
    path = tmp_path / "bad.py"
    path.write_text(program, encoding="utf-8")
    before = sys.argv, sys.path
    assert cli.main(["step", str(path)]) == 2
    assert sys.argv is before[0] and sys.path is before[1]
    error = capsys.readouterr().err
    assert told in error and error.count("\n") == 1


def test_the_page_does_not_overwrite_the_program(script, capsys):
    assert cli.main(["step", "--page", str(script), str(script)]) == 2
    assert "the program itself" in capsys.readouterr().err and script.read_text(encoding="utf-8") == PROGRAM


def test_a_missing_script_is_all_that_is_missing(capsys):
    with pytest.raises(SystemExit):
        cli.main(["step"])
    assert "the following arguments are required: SCRIPT.py\n" in capsys.readouterr().err


def test_a_program_is_stepped_through_on_numpy_up_to_five_thousand_operations():
    asked = cli.parser().parse_args(["step", "net.py"])
    assert (asked.backend, asked.most, asked.page, asked.compare, asked.arguments) == ("numpy", 5000, None, None, [])


@pytest.mark.parametrize("status", ["", "0", "3", "'enough'"])
def test_a_program_that_exits_says_its_status_unless_all_is_well(tmp_path, monkeypatch, capsys, status):
    path = tmp_path / "net.py"
    path.write_text(f"import sys\nimport minicnn\nminicnn.Tensor([1.0]) + 1\nsys.exit({status})\n", encoding="utf-8")
    monkeypatch.setattr("sys.stdin", io.StringIO("q\n"))
    assert cli.main(["step", str(path)]) == 0
    said = capsys.readouterr()
    told = {"3": "net.py ended with status 3\n", "'enough'": "net.py ended with status enough\n"}
    assert said.err == told.get(status, "") and "1 forward  add_1 = add(" in said.out


@pytest.mark.skipif(sys.platform == "win32", reason="Windows lets few users make links")
def test_a_program_imports_what_lies_beside_it_though_a_link_leads_to_it(tmp_path, monkeypatch, capsys):
    folder = tmp_path / "real"
    folder.mkdir()
    (folder / "beside_it.py").write_text("from minicnn import Tensor\n", encoding="utf-8")
    text = "import sys\nimport beside_it\nbeside_it.Tensor([1.0]) + 1\nprint(sys.path[0], len(sys.path))\n"
    (folder / "net.py").write_text(text, encoding="utf-8")
    (tmp_path / "link.py").symlink_to(folder / "net.py")
    monkeypatch.setattr("sys.stdin", io.StringIO("q\n"))
    try:
        assert cli.main(["step", str(tmp_path / "link.py")]) == 0
    finally:
        sys.modules.pop("beside_it", None)
    assert capsys.readouterr().out.startswith(f"{os.path.realpath(folder)} {len(sys.path) + 1}\n")


def test_a_program_that_records_for_itself_is_seen_whole(tmp_path, monkeypatch, capsys):
    path = tmp_path / "own.py"
    path.write_text(
        "import minicnn\nfrom minicnn import Tensor\nw = Tensor([2.0, 3.0], requires_grad=True)\n"
        "with minicnn.record() as tape:\n    y = w * w\n    y.sum().backward()\n",
        encoding="utf-8",
    )
    monkeypatch.setattr("sys.stdin", io.StringIO("why w[1]\nq\n"))
    assert cli.main(["step", str(path)]) == 0
    said = capsys.readouterr().out
    assert "1 forward  y = mul(w, w)" in said and "w.grad[1] = 6" in said
    assert "next: why y[1]" in said and "tape.why" not in said


def test_a_long_program_is_stopped(tmp_path, monkeypatch, capsys):
    path = tmp_path / "endless.py"
    path.write_text("from minicnn import Tensor\nx = Tensor([1.0])\nwhile True:\n    x = x + 1\n", encoding="utf-8")
    monkeypatch.setattr("sys.stdin", io.StringIO("last\n"))
    assert cli.main(["step", "--most", "20", str(path)]) == 0
    seen = capsys.readouterr()
    assert "endless.py was stopped after 20 operations; --most takes more" in seen.err
    assert "20 forward" in seen.out


# Long recordings, and the reader's own names


def test_a_long_tape_is_listed_by_the_page():
    x = Tensor(1.0)
    with minicnn.record() as tape:
        for _ in range(100):
            x = x * 1.01
    _, first, second, last, wrong = answers(tape, "show", "show 41", "show 81", "show 101")[:5]
    assert first.rstrip().endswith("… 60 more: show 41") and len(first.splitlines()) == 43
    assert second.rstrip().endswith("… 20 more: show 81") and second.splitlines()[2].startswith("41 ")
    assert "more" not in last and len(last.splitlines()) == 22
    assert "operation is '101'; expected 1 … 100" in wrong
    assert len(str(tape).splitlines()) == 102  # tape.show() prints them all
    _, some, rest = answers(tape, "show 60", "show 61")[:3]
    assert some.endswith("\n  … 1 more: show 100\n") and "more" not in rest


def test_steps_go_by_the_names_of_variables(tape):
    said = answers(tape, "next loss", "previous hidden", "next w", "next w", "goto hidden", "goto w", "next nothing")
    assert said[1].startswith("4 forward  loss = sum(")
    assert said[2].startswith("3 forward  add_1 = add(hidden, w)")
    assert said[3].startswith("3 backward of") and said[4].startswith("1 backward of  mul_1 = mul(x, w)")
    assert said[5].startswith("2 forward  hidden = relu(") and said[6].startswith("1 forward  mul_1 = mul(x, w)")
    assert "next: tensor is 'nothing'; the tape knows" in said[7]
    assert "that is the end" in answers(tape, "next loss", "next loss", "next loss")[3]


def test_a_variable_of_the_program_keeps_its_name_where_a_tensor_bears_the_same():
    def elsewhere():
        ops.relu(Tensor([2.0, 3.0], name="b"))

    with minicnn.record() as tape:
        elsewhere()
        b = Tensor([0.5, -1.0], requires_grad=True)
        ops.sum(b * b).backward()
    assert np.array_equal(tape.find("b").array, b.data) and np.array_equal(tape.find("b").gradient, [1.0, -2.0])
    assert np.array_equal(tape.find("b_2").array, [2.0, 3.0])


def test_a_program_that_fails_later_shows_its_own_lines_alone(tmp_path, monkeypatch, capsys):
    path = tmp_path / "later.py"
    path.write_text("from minicnn import Tensor\nx = Tensor([1.0]) + 1\nx.nothing\n", encoding="utf-8")
    monkeypatch.setattr("sys.stdin", io.StringIO("q\n"))
    assert cli.main(["step", str(path)]) == 0
    frames = [line for line in capsys.readouterr().err.splitlines() if line.startswith("  File ")]
    assert f'File "{path}", line 3' in frames[0] and not any("step.py" in frame for frame in frames)


@pytest.mark.parametrize("terminal", [True, False])
def test_lines_are_edited_at_a_terminal_alone(tape, monkeypatch, terminal):
    monkeypatch.setattr("sys.stdin", Terminal() if terminal else io.StringIO())
    assert Stepper(tape).use_rawinput == terminal
    assert not Stepper(tape, stdin=Terminal()).use_rawinput


class Terminal(io.StringIO):
    """Text that is typed."""

    def isatty(self):
        return True

"""What exactly the stepper, the page and the explanations print, and where each begins to shorten."""

import base64
import dataclasses
import html
import io
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import minicnn
from minicnn import InputError, Tensor, ops
from minicnn.tape import Tape, notation, page, pixels, thumbnails
from minicnn.tape.explanation import Explanation
from minicnn.tape.frames import Line
from minicnn.tape.products import Product
from minicnn.tape.stepper import Stepper

HERE = Path(__file__).name


@pytest.fixture
def tape(monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    x = Tensor(np.arange(4.0))
    w = Tensor(np.array([1.0, -2.0, 3.0, -4.0]), requires_grad=True)
    with minicnn.record() as tape:
        hidden = ops.relu(x * w)
        loss = (hidden + w).sum()
        loss.backward()
    for step in tape:  # no two runs take the same time
        step.milliseconds, step.backward_milliseconds = 1.0, 0.25
    return tape


def answers(tape, *commands):
    """What a stepper says to each of these commands; the first is what it says at the beginning."""
    out = io.StringIO()
    Stepper(tape, stdin=io.StringIO("\n".join(commands) + "\n"), stdout=out).cmdloop()
    return re.sub(rf"{re.escape(HERE)}:\d+", "LINE", out.getvalue()).split("(tape) ")


FIRST = """\
1 forward  mul_1 = mul(x, w)   1 ms
    LINE  hidden = ops.relu(x * w)
    x (4,): 0 … 3
    w (4,): −4 … 3
  → mul_1 (4,): −12 … 6
    z = x ⊙ y
"""
LAST = """\
1 backward of  mul_1 = mul(x, w)   0.25 ms
    LINE  hidden = ops.relu(x * w)
    mul_1.grad (4,): 0 … 1   comes in
  → w.grad (4,): 0 … 2; 1 … 3 with what came before
    x̄ = z̄ ⊙ y,  ȳ = z̄ ⊙ x   (summed where broadcast)
"""


def test_a_stop_in_full(tape):
    beginning = "tape: 4 operations, 4 of them walked back · numpy · 5 ms · 0.3 kB kept\n`help` lists the commands\n"
    said = answers(tape, "p", "last", "n", "goto 4", "n", "b", "goto 2", "b")
    assert said[0] == beginning + FIRST and said[1] == "  that is before the beginning\n" + FIRST
    assert said[2] == LAST and said[3] == "  that is the end\n" + LAST
    assert said[4].splitlines()[2:] == ["    add_1 (4,): −4 … 9", "  → loss scalar: 4", "    y = Σ x"]
    assert said[5] == said[6]  # after the last forward comes its backward
    assert said[5].splitlines()[2:4] == ["    loss.grad scalar: 1   comes in", "  → add_1.grad (4,): 1 … 1"]
    assert said[8].splitlines()[::3] == [
        "2 backward of  hidden = relu(mul_1)   0.25 ms",
        "  → mul_1.grad (4,): 0 … 1",
    ]


def test_breaks_and_watches_in_full(tape):
    said = answers(
        tape, "break relu", "break 3", "clear 3", "watch hidden", "watch w.grad[0]", "c", "c", "c", "c", "clear", "c"
    )
    assert said[1:4] == [
        "  will stop at relu: 1 of 4 operations\n",
        "  will stop at 3: 1 of 4 operations\n",
        "  breaks: relu; watched: nothing\n",
    ]
    assert said[4:6] == ["  watch hidden: not there yet\n", "  watch w.grad[0]: not there yet\n"]
    assert said[6].startswith("2 forward") and said[6].endswith(
        "  watch hidden (4,): 0 … 6\n  watch w.grad[0]: not there yet\n"
    )
    assert said[7].startswith("3 backward") and said[7].endswith("  watch w.grad[0] scalar: 1\n")
    assert said[8].startswith("2 backward") and said[9].startswith("  the end: nothing stopped it\n1 backward")
    assert said[10] == "  breaks: none; watched: nothing\n"
    assert said[11] == "  the end: nothing stopped it\n" + LAST
    assert answers(tape, "break", "watch", "break hidden", "c")[1:3] == ["  breaks: none\n", "  watched: nothing\n"]
    assert answers(tape, "break hidden", "c", "n")[2].startswith("2 forward")


SHORT = {"n": "next", "s": "next", "p": "previous", "b": "backward", "f": "forward", "c": "continue", "l": "list"}
SHORT |= {"h": "help", "?": "help", "q": "quit"}


@pytest.mark.parametrize(("letter", "word"), SHORT.items())
def test_a_letter_stands_for_a_command(tape, letter, word):
    assert answers(tape, "goto 2", letter) == answers(tape, "goto 2", word)
    assert answers(tape, "goto 2", letter) != answers(tape, "goto 2", "fly")


def test_nothing_is_read_behind_the_end(tape):
    assert answers(tape, "quit", "next") == [answers(tape)[0], ""]


def test_a_letter_and_a_number_are_a_name():
    x1 = Tensor(np.ones(2))
    with minicnn.record() as tape:
        y2 = x1 * 2.0
        z3 = y2 * 3.0
    said = answers(tape, "next y2", "previous x1", "goto z3")
    heads = ["2 forward  z3 = mul(y2, 3)", "1 forward  y2 = mul(x1, 2)", "2 forward  z3 = mul(y2, 3)"]
    assert [told.partition("   ")[0] for told in said[1:4]] == heads and z3.shape == (2,)


def test_numbers_in_full(tape):
    said = answers(
        tape, "print w.grad", "n", "print hidden", "print hidden[1:2]", "print w[]", "last", "print w.grad[0]"
    )
    assert said[1] == "  w.grad is not there yet\n"
    assert said[3] == "  hidden (4,) float64\n[0. 0. 6. 0.]\n"
    assert said[4] == "  hidden[1:2] (1,) float64\n[0.]\n" and said[5] == "  w[] (4,) float64\n[ 1. -2.  3. -4.]\n"
    assert said[7] == "  w.grad[0] scalar float64\n1.0\n"


def test_long_arrays_are_shortened_and_small_numbers_written_out(monkeypatch):
    monkeypatch.setenv("COLUMNS", "30")
    short, long = Tensor(np.zeros(400)), Tensor(np.zeros(401))
    small = Tensor(np.array([1 / 3, 1e-5, 123456.0]))
    with minicnn.record() as tape:
        ops.concat([short, long, small], axis=0)
    said = answers(tape, "print short", "print long", "print small")
    assert "..." not in said[1] and "..." in said[2]
    assert all(len(line) <= 30 for line in said[1].splitlines())
    assert said[3].splitlines()[1:] == ["[     0.333333      0.00001", " 123456.      ]"]


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("goto 0", "goto: operation is '0'; expected 1 … 4"),
        ("goto 5", "goto: operation is '5'; expected 1 … 4"),
        ("goto", "goto: operation is ''; expected 1 … 4"),
        ("previous 1.5", "previous: N is '1.5'; expected a number of moments"),
        ("next -1", "next: N is '-1'; expected a number of moments"),
        ("fly away", "'fly' is not a command; `help` lists them"),
        ("print", "a name is missing; expected NAME, NAME.grad or NAME.grad[0, :, 1]"),
        ("print w[1.5]", "[1.5] is not an index; expected integers, slices and …, as in [0, :, 1]"),
        ("print w[True]", "[True] is not an index; expected integers, slices and …, as in [0, :, 1]"),
        ("print w[+1]", "[+1] is not an index; expected integers, slices and …, as in [0, :, 1]"),
        ("print w[)]", "[)] is not an index; expected integers, slices and …, as in [0, :, 1]"),
        ("print w[4]", "print: 'w[4]' reaches outside of w (4,)"),
        ("why w", "why: index is (); expected 1 integer for w (4,), counted from 0"),
        ("break conv", "break: 'conv' is not on this tape; it has add, mul, relu, sum"),
    ],
)
def test_a_command_that_cannot_be_done_is_told_in_full(tape, command, answer):
    assert answers(tape, command)[1] == f"  {answer}\n"


@pytest.mark.parametrize(
    ("called", "reason"), [(False, "backward was never called"), (True, "no gradient came back to it")]
)
def test_where_there_is_no_backward_the_reason_is_told(called, reason):
    w = Tensor(np.ones(2), requires_grad=True)
    with minicnn.record() as tape:
        w.detach() * 2.0
        loss = ops.sum(w)
        if called:
            loss.backward()
    assert answers(tape, "b")[1] == f"  backward: mul has no backward on this tape: {reason}\n"


def test_the_list_shows_five_operations_around_this_one():
    x = Tensor(np.ones(2))
    with minicnn.record() as tape:
        for _ in range(15):
            x = x + 1.0
    for at, shown in ((1, range(1, 7)), (6, range(1, 12)), (8, range(3, 14)), (15, range(10, 16))):
        lines = answers(tape, f"goto {at}", "l")[2].splitlines()
        assert [int(re.search(r"\d+", line)[0]) for line in lines] == list(shown)
        assert [line[1] for line in lines] == ["→" if number == at else " " for number in shown]


def test_the_line_of_a_program_is_cut_at_eighty_columns_at_least(monkeypatch):
    x = Tensor(np.ones(2))
    with minicnn.record() as tape:
        x + 1.0  # a comment that is so long that it is cut on a narrow terminal, but not on one of 200 columns
    for columns, width in ((40, 80), (90, 90)):
        monkeypatch.setenv("COLUMNS", str(columns))
        line = answers(tape)[0].splitlines()[3]
        assert line.endswith("…")
        line = io.StringIO()
        Stepper(tape, stdin=io.StringIO("q\n"), stdout=line).cmdloop()
        assert len(line.getvalue().splitlines()[3]) == width
    monkeypatch.setenv("COLUMNS", "200")
    assert answers(tape)[0].splitlines()[3].endswith("of 200 columns")


def test_source_page_show_and_the_end(tape, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = answers(tape, "source", "page", f"page {tmp_path / 'other.html'}", "show")
    assert said[1].startswith("@op(fresh=True)\ndef mul(x, y, ") and not said[1].endswith("\n\n")
    assert said[2] == "  wrote tape.html\n" and said[3] == f"  wrote {tmp_path / 'other.html'}\n"
    assert (tmp_path / "tape.html").stat().st_size > 1000 < (tmp_path / "other.html").stat().st_size
    assert said[4].splitlines()[1].split() == ["#", "operation", "shape", "values", "gradient", "called", "at"]
    assert said[5] == "\n"  # the end of what is read


def test_an_explanation_in_full(tape):
    said = answers(tape, "why w[2]")[1]
    assert said.splitlines() == [
        "w.grad[2] = 3",
        "  the sum of 2 products, in mul_1 = mul(…) at LINE; add_1 = add(…) at LINE",
        "  +2.000000000 = 1 mul_1.grad[2] × 2 x[2]",
        "  +1.000000000 = 1 add_1.grad[2] × 1",
        "  +3.000000000   their sum; remainder 0",
        "  next: why mul_1[2]",
    ]
    assert str(tape.why("w", 2)).endswith('\n  next: tape.why("mul_1", (2,))')
    assert str(tape.why("loss", ())) == "loss.grad = 1   backward began here"
    (only,) = tape.why("hidden", 0).products
    assert str(tape.why("hidden", 0)).splitlines()[1].startswith("  the sum of 1 product, in add_1 = add(…) at ")
    assert (only.value, only.upstream, only.factor, only.at) == (1, 1, 1, (0,))


def test_what_is_left_over_and_what_is_held_now():
    close = Explanation("w", (), 1.0, [], began=0.0)
    assert str(close).splitlines() == [
        "w.grad = 1",
        "  the sum of 0 products",
        "  +0.000000000   their sum; remainder 1",
        "  large remainder: the tensor was also used outside the recording",
    ]
    assert (close.total, close.remainder, close.next) == (0, 1, None)
    zero = Explanation("w", (0, 1), 0.0, [], now=-2.5, zeros=3)
    assert str(zero).splitlines() == [
        "w.grad[0, 1] = 0",
        "  the sum of 0 products",
        "  +0.000000000   3 more are zero, because no gradient came back there",
        "  +0.000000000   their sum; remainder 0",
        "  w.grad now holds −2.5: other backwards added to it, or it was set",
    ]


@pytest.mark.parametrize(("left", "told"), [(0.0009, False), (0.0009995, False), (0.0011, True)])
def test_much_is_more_than_a_thousandth(left, told):
    w = Tensor(np.array([2.0]), requires_grad=True)
    with minicnn.record() as tape:
        y = w * 1.0
        z = y * (1 - left)
    (z + y * left).sum().backward()
    why = tape.why(y, 0)
    assert why.remainder == pytest.approx(left) and ("large remainder" in str(why)) == told


def test_three_operations_are_named_where_a_tensor_has_many_uses():
    w = Tensor(np.array([2.0]), requires_grad=True)
    with minicnn.record() as tape:
        (w * 2.0 + w * 3.0 + w * 4.0 + w * 5.0).sum().backward()
    assert str(tape.why(w, 0)).splitlines()[1].count(" = mul(…) at ") == 3


def test_a_tensor_without_gradient_says_why():
    a, b, c = (Tensor(np.ones(2), requires_grad=wants) for wants in (False, True, True))
    with minicnn.record() as tape:
        total = a + b
        with pytest.raises(InputError, match="matmul"):
            ops.matmul(c, np.ones((3, 3)))  # it took c, and made nothing
    for tensor, reason in (
        (a, "it requires none (requires_grad is False)"),
        (b, "backward has not run"),
        (c, "no operation used it"),
        (total, "backward has not run"),
    ):
        name = tape.find(tensor).name
        with pytest.raises(InputError) as said:
            tape.why(tensor, 0)
        assert str(said.value) == f"why: {name} has no gradient on this tape; {reason}"
    assert c.grad is None


def test_a_notebook_shows_the_answers_of_a_tape_as_they_are_printed(tape):
    x, w = Tensor(np.ones((1, 2, 2, 1))), Tensor(np.ones((2, 2, 1, 1)))
    with minicnn.record() as convolved:
        y = ops.conv(x, w)
    for answer in (tape.why("w", 2), convolved.pixel(y, (0, 0, 0, 0))):
        shown = []
        answer._repr_pretty_(SimpleNamespace(text=shown.append), False)
        assert shown == [str(answer)]


def test_an_operation_that_was_typed_at_a_prompt_has_no_source_to_show():
    names = {"op": minicnn.op}
    exec(compile("@op\ndef typed(x):\n    return x + 1.0, lambda dy: dy\n", "<prompt>", "exec"), names)
    with minicnn.record() as tape:
        names["typed"](Tensor(np.ones(2)))
    assert answers(tape, "source")[1] == "  the source of typed is not in a file\n"


@pytest.mark.parametrize(("index", "found"), [(0, (0,)), (-1, (3,)), ((3,), (3,)), ([-4], (0,)), (np.int64(1), (1,))])
def test_an_index_counts_from_either_end(tape, index, found):
    assert tape.why("w", index).index == found


@pytest.mark.parametrize("index", [4, -5])
def test_an_index_beyond_either_end_is_refused(tape, index):
    with pytest.raises(InputError, match=rf"^why: index is {index}; expected 1 integer for w \(4,\), counted from 0$"):
        tape.why("w", index)
    with pytest.raises(InputError, match=r"^why: index is 0; expected \(\) for loss scalar, counted from 0$"):
        tape.why("loss", 0)


@pytest.mark.parametrize(
    ("said", "text"),
    [
        (notation.number(-1.23456), "−1.235"),
        (notation.number(-1.23456, 2), "−1.2"),
        (notation.signed(1e-4), "+0.000100000"),
        (notation.signed(9.9e-5), "+9.9000000e−05"),
        (notation.signed(-999_999.5, 2), "−999999.50"),
        (notation.signed(-1e6), "−1.0000000e+06"),
        (notation.signed(0), "+0.000000000"),
        (notation.place("w", (1, 0)), "w[1, 0]"),
        (notation.place("w", ()), "w"),
        (notation.shape(np.zeros(())), "scalar"),
        (notation.shape(np.zeros(3)), "(3,)"),
        (notation.shape(np.zeros((3, 4))), "(3, 4)"),
        (notation.spread(None), ""),
        (notation.spread(np.zeros((0, 2))), "empty"),
        (notation.spread(np.array([[-0.123456]])), "−0.1235"),
        (notation.spread(np.array([1.2345, -2.0, np.nan, np.inf])), "2 not finite"),
        (notation.spread(np.array([1.2345, -2.0])), "−2 … 1.23"),
        (notation.milliseconds(0.012345), "0.0123 ms"),
        (notation.milliseconds(999.9), "1e+03 ms"),
        (notation.milliseconds(1000), "1 s"),
        (notation.milliseconds(12_345), "12.3 s"),
    ],
)
def test_numbers_as_text(said, text):
    assert said == text


@pytest.mark.parametrize(
    ("axes", "filters", "plane"),
    [
        (0, False, (0, 0)),
        (1, False, (0, 0)),
        (2, False, (0, 1)),
        (3, False, (1, 2)),
        (4, False, (1, 2)),
        (5, False, (2, 3)),
        (3, True, (1, 2)),
        (4, True, (0, 1)),
        (5, True, (1, 2)),
    ],
)
def test_the_plane_of_a_tile(axes, filters, plane):
    assert thumbnails.plane_of(axes, filters) == plane


@pytest.mark.parametrize(
    ("dtype", "size", "room", "whole"),
    [("f8", 3, 32, 8), ("f8", 3, 31, None), ("f4", 3, 16, 4), ("f4", 3, 15, None), ("i2", 3, 32, 8), ("f8", 1, 0, 8)],
)
def test_an_array_is_whole_where_its_text_has_room(dtype, size, room, whole):
    picture = thumbnails.picture_of(np.arange(size).astype(dtype), room)
    assert picture.get("bytes") == whole and ("whole" in picture) == (whole is not None)


def test_the_facts_of_an_array():
    picture = thumbnails.picture_of(np.array([[0.0, -3.0], [1.0, np.nan]]), 1000)
    del picture["whole"]
    assert picture == {
        "shape": [2, 2],
        "size": 4,
        "type": "float64",
        "low": -3.0,
        "high": 1.0,
        "mean": pytest.approx(-2 / 3),
        "deviation": pytest.approx(np.std([0, -3, 1])),
        "zeros": pytest.approx(1 / 3),
        "bad": 1,
        "scale": 3.0,
        "plane": (0, 1),
        "bytes": 8,
    }
    nothing = thumbnails.picture_of(np.array([np.nan, np.inf]), 1000)
    assert [nothing[key] for key in ("low", "high", "zeros", "bad", "scale")] == [0, 0, 0, 2, 0]
    assert thumbnails.picture_of(np.array([1e200, -1e200]), 1000)["deviation"] == 0


def test_the_cells_of_a_long_row_and_of_many_tiles():
    row = thumbnails.picture_of(np.arange(-50.0, 50.0), 40)  # room for 30 cells, 5 a side
    assert (row["grid"], row["rows"], row["columns"], row["starts"]) == ([1, 5], [0], [0, 20, 40, 60, 80], [[0]])
    assert row["note"] == "each cell is the mean of 1 × 20"
    means = np.arange(-50.0, 50.0).reshape(5, 20).mean(axis=1)
    expected = np.rint(means / 50 * 127) + 127
    assert list(base64.b64decode(row["cells"])) == expected.tolist()
    tiles = thumbnails.picture_of(np.ones((20, 2, 2)), 200)
    assert tiles["note"] == "the first 12 of 20 tiles" and tiles["starts"] == [[i, 0, 0] for i in range(12)]
    ends = thumbnails.picture_of(np.repeat([-1.0, 1.0], 50), 40)
    assert list(base64.b64decode(ends["cells"])) == [0, 0, 127, 254, 254]
    wide = thumbnails.picture_of(np.ones((100, 100)), 100_000 // 2)
    assert wide["grid"] == [28, 28] and wide["note"] == "each cell is the mean of 4 × 4"
    assert thumbnails.picture_of(np.zeros((5, 5)), 8)["grid"] == [2, 2]
    assert set(base64.b64decode(thumbnails.picture_of(np.zeros((5, 5)), 8)["cells"])) == {127}


def test_parts_of_a_length_and_their_means():
    assert thumbnails.edges_of(7, 3).tolist() == [0, 2, 4]
    tile = np.arange(12.0).reshape(3, 4)
    assert thumbnails.means_of(tile, np.array([0, 1]), np.array([0, 3])).tolist() == [[1, 3], [7, 9]]


@pytest.mark.parametrize(
    ("wanted", "share"),
    [
        ([], 24_000),
        ([10, 20], 24_000),
        ([2_000_000], 24_000),
        ([13_000] * 200, 6500),
        ([500_000] * 100_000, 150),
        ([100_000] * 100 + [300_000], 12_871),
        ([12_999] * 100, 24_000),
        ([13_000] * 100, 13_000),
    ],
)
def test_arrays_share_the_room_of_a_page(wanted, share):
    assert page._share(wanted) == share


def test_the_data_of_a_page(tape):
    data = page._data(tape)
    assert data["summary"] == "tape: 4 operations, 4 of them walked back · numpy · 5 ms · 0.3 kB kept"
    relu = data["steps"][1]
    assert (relu["number"], relu["op"], relu["inputs"], relu["output"]) == (2, "relu", [2], 3)
    assert (relu["parameters"], relu["arguments"], relu["conv"]) == (["x"], "", None)
    assert (relu["milliseconds"], relu["backMilliseconds"], relu["forward"], relu["back"]) == (1.0, 0.25, 1, 6)
    assert relu["lines"][0]["text"] == "hidden = ops.relu(x * w)" and relu["lines"][0]["file"] == __file__
    assert [value["name"] for value in data["values"]] == ["x", "w", "mul_1", "hidden", "add_1", "loss"]
    assert [value["made"] for value in data["values"]] == [None, None, 0, 1, 2, 3]
    assert [value["shape"] for value in data["values"]] == [[4]] * 5 + [[]]
    assert [bool(value["why"]) for value in data["values"]] == [False, True, False, False, False, False]
    assert data["values"][1]["why"].startswith("w.grad[2] = 3\n")  # the largest
    assert data["moments"] == [[0, 0], [1, 0], [2, 0], [3, 0], [3, 1], [2, 1], [1, 1], [0, 1]]
    assert len(data["sources"]) == 4 and data["steps"][0]["source"] == 0
    # Six values, the gradients of four results, and both parts of that of w: no gradient is stored twice.
    assert len(data["pictures"]) == 12
    assert data["steps"][0]["gradients"][0] is None
    shown = data["pictures"][relu["cotangent"]]
    assert (shown["low"], shown["high"], shown["shape"]) == (1, 1, [4])


def test_what_an_operation_was_told_besides_what_it_does_anyway():
    x = Tensor(np.ones((1, 4, 4, 1)))
    with minicnn.record() as tape:
        ops.max_pool(x, 2)
        ops.max_pool(x, 2, stride=1)
    pooled, moved = (step["arguments"] for step in page._data(tape)["steps"])
    assert "stride" not in pooled and moved == f"{pooled}, stride=1"


def test_only_so_many_gradients_are_explained(monkeypatch):
    def explained():
        x, y, z = (Tensor(np.ones(3), requires_grad=True) for _ in range(3))
        with minicnn.record() as tape:
            ((x + y) * z).sum().backward()
        return sum(value["why"] is not None for value in page._data(tape)["values"])

    assert explained() == 3
    monkeypatch.setattr(page, "REASONS", 2)
    assert explained() == 2
    monkeypatch.setattr(page, "PROBES", 3)
    assert explained() == 2
    monkeypatch.setattr(page, "PROBES", 2)
    assert explained() == 0


def test_gradients_of_nothing_and_without_an_end_are_not_explained():
    nothing, endless = Tensor(np.ones((0, 2)), requires_grad=True), Tensor(np.array([0.0, 1.0]), requires_grad=True)
    with minicnn.record() as tape, np.errstate(divide="ignore"):
        (nothing.sum() + ops.log(endless).sum()).backward()
    assert [value["why"] for value in page._data(tape)["values"]] == [None] * len(tape.values)


@pytest.mark.parametrize(
    ("file", "title"),
    [("/a/net.py", "net.py, recorded"), ("<stdin>", "A recorded tape"), ("/a/ipykernel_7/123.py", "A recorded tape")],
)
def test_a_page_is_named_after_its_program(tape, file, title):
    for step in tape:
        step.lines = [Line(file, 1, "f", "")]
    assert page._title(tape) == title
    assert f"<title>{html.escape(title)}</title>" in page.page_of(tape)
    for step in tape:
        step.lines = []
    assert page._title(tape) == "A recorded tape"


def test_a_part_of_a_gradient_is_the_whole_where_it_is_the_only_one(tape):
    mul, relu, add, _ = tape.steps
    whole = [page._whole(part, value, add) for part, value in zip(add.gradients, add.inputs, strict=True)]
    assert whole[0] is relu.cotangent and whole[1] is add.gradients[1]  # w came from outside
    assert page._whole(None, add.inputs[0], add) is None and page._whole(None, add.inputs[1], add) is None
    assert page._whole(relu.gradients[0], relu.inputs[0], relu) is mul.cotangent
    x = Tensor(np.ones(2), requires_grad=True)
    with minicnn.record() as both:
        y = x * 2.0
        (y * 3.0 + y * 4.0).sum().backward()
    times = both.steps[1]
    assert page._whole(times.gradients[0], times.inputs[0], times) is times.gradients[0]  # one of two


def test_an_output_of_a_convolution_is_asked_for_by_its_place():
    x, w = Tensor(np.ones((1, 2, 2, 1))), Tensor(np.ones((2, 2, 1, 1)))
    with minicnn.record() as tape:
        y = ops.conv(x, w)
    said = answers(tape, "pixel y[0, 0, 0, 0]", "pixel y", "pixel x[0, 0, 0, 0]")
    assert "none" not in said[0]  # there is no bias
    assert said[1] == f"{tape.pixel(y, (0, 0, 0, 0))}\n"
    assert said[2] == "  pixel: index is (); expected 4 integers for y (1, 1, 1, 1), counted from 0\n"
    assert said[3] == "  pixel: x is not made on this tape; expected the output of a convolution\n"


def test_a_page_shows_nothing_of_a_bias_that_is_not_there():
    with minicnn.record() as tape:
        ops.conv(Tensor(np.ones((1, 2, 2, 1))), Tensor(np.ones((2, 2, 1, 1))))
    data = page._data(tape)
    shown = {value["name"]: data["pictures"][value["picture"]] for value in data["values"]}
    assert (shown["none"]["shape"], shown["none"]["type"], shown["none"]["whole"]) == ([0], "float64", "")


def test_a_page_holds_what_numbers_cannot_say():
    shown = page._shown(np.zeros((2, 3))), page._shown("x" * 70), page._shown(0.5)
    assert shown == ("array (2, 3)", "'" + "x" * 58 + "…", "0.5")
    assert isinstance(minicnn.record(), Tape) and minicnn.record(most=7).most == 7 and minicnn.record().most == 10_000


def test_a_heat_map_in_full():
    text = Tensor(np.array([[2.0, 1.0], [-4.0, np.inf]]))._repr_html_()
    assert text.startswith(
        '<div style="font-family:monospace">Tensor (2, 2) float64, -4 … 2, mean -0.3333, 1 not finite</div><img alt='
    )
    assert 'style="width:28px;height:28px;image-rendering:pixelated;border:1px solid #ccc"' in text
    (source,) = re.findall(r'src="data:image/png;base64,([^"]+)"', text)
    from PIL import Image

    cells = np.asarray(Image.open(io.BytesIO(base64.b64decode(source)))).tolist()
    assert cells == [[[216, 140, 149], [236, 197, 202]], [[33, 102, 172], [90, 90, 90]]]
    for shape, size in (((7, 4, 4), "width:408px;height:48px"), ((9, 28, 28), "width:462px;height:56px")):
        assert size in Tensor(np.ones(shape))._repr_html_()
    assert "; the first 8 of 9 tiles</div>" in Tensor(np.ones((9, 2, 2)))._repr_html_()
    assert "tiles" not in Tensor(np.ones((8, 2, 2)))._repr_html_()
    assert Tensor(np.float32(1.23456789))._repr_html_() == (
        '<div style="font-family:monospace">Tensor () float32: 1.23457</div>'
    )


@pytest.mark.parametrize("kind", [Explanation, Line, Product, pixels.Tiling, pixels.Place, pixels.Tap, pixels.Pixel])
def test_what_a_tape_answers_does_not_change(kind):
    with pytest.raises(dataclasses.FrozenInstanceError):
        object.__new__(kind).name = "another"

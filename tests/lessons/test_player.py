"""The player: text, prediction, code, comparison; back, holes, leaving and returning, all through pipes."""

import io
import json
import signal
import threading

import pytest

from minicnn import files
from minicnn.cli import main
from minicnn.errors import InputError
from minicnn.lessons import cells, find, prose
from minicnn.lessons.journal import journal
from minicnn.lessons.player import Player

LESSON = '''# %% [markdown]
# # Lesson 1: dots
#
# How *many* dots are there?

# %%
from minicnn.learn.holes import check
dots = [1, 2]
print("two dots")

# %% [markdown]
# ## Count
# **Predict** the number.

# %% tags=["predict"]
print(len(dots), "dots")

# %% [markdown] tags=["answer"]
# Two.

# %% tags=["answer"]
assert len(dots) == 2

# %% [markdown]
# ## Double
#
# **You write** it:
#
#     double x = 2 · x


# %% tags=["hole"] minutes=2
def double(x):
    """Return twice x."""
    return 2 * x


# %% tags=["check"]
check("double", double(3), 6, {"That is the square.": 9})

# %% [markdown]
# Once more, without a cell.

# %%
double(4)

# %% [markdown]
# - one item that is quite long, so long indeed that it does not fit into one line of eighty columns
# - another
#
# | a | b |
# |---|---|
'''


@pytest.fixture
def school(tmp_path, monkeypatch):
    """A package with one lesson of its own, and a place for progress."""
    folder = tmp_path / "minicnn" / "shipped" / "tutorials"
    folder.mkdir(parents=True)
    (folder / "01_dots.py").write_text(LESSON, encoding="utf-8")
    monkeypatch.setattr(files, "PACKAGE", tmp_path / "minicnn")
    monkeypatch.setenv("MINICNN_LEARN", str(tmp_path / "learn"))
    return tmp_path


def played(*lines):
    """What the player prints for these lines of input."""
    out = io.StringIO()
    Player(find("1"), stdin=io.StringIO("".join(f"{line}\n" for line in lines)), stdout=out).play()
    return out.getvalue()


def test_a_prediction_is_kept_and_shown_beside_the_answer(school):
    said = played("", "three of them")
    assert said.index("two dots") < said.index("Predict the number") < said.index("[2/6] Your prediction: ")
    assert said.index("2 dots\n") < said.index("  You predicted: three of them") < said.index("Two.")
    assert "You left at stop 3 of 6" in said and "minicnn tutorial play 1" in said
    kept = json.loads((school / "learn" / "lessons" / "01_dots" / "journal.json").read_text())
    assert kept == {"at": 2, "predictions": {cells.key("## Count\n**Predict** the number."): "three of them"}}
    again = played("back", "", "quit")
    assert "You left at stop 3; `goto 1` begins anew" in again and "(running what comes before)" in again
    assert "(Enter keeps: three of them)" in again and again.count("You predicted: three of them") == 1


def test_going_back_prints_again_what_came_out_and_runs_nothing_twice(school):
    said = played("", "! dots.append(3)", "back", "", "2", "! print(dots)")
    assert said.count("two dots") == 4  # the code, and what it printed, twice
    assert "3 dots" in said and "AssertionError" in said and "[1, 2, 3]" in said


HOLE = ["goto double", ""]


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ([], "double is yet to be written"),
        (["def double(x):", "    return x * x"], "double gives 9; expected 6. That is the square."),
        (["def double(x):", "    return x + 1"], "double gives 4; expected 6"),
        (["def double(x):", "    print(x)"], "double gives None. Does it return what it computes?"),
        (["def double(x):", "    return y"], "double.py:2: NameError: name 'y' is not defined"),
        (["def double(x)", "    return x"], "line 1: expected ':'"),
        (["x = 1"], "NameError: name 'double' is not defined"),
    ],
)
def test_a_hole_says_what_is_wrong_and_stays(school, code, words):
    said = played("goto double", *(["type", *code, "."] if code else []), "", "quit")
    assert words in said and said.count("Enter checks it") == (3 if code else 2) and "Once more" not in said


def test_a_hole_is_written_checked_and_written_differently(school):
    said = played(
        "goto 3", "type", "def double(x):", "    return x + x", ".", "", "", "back", "back", "solution", "quit"
    )
    assert "(an estimate: 2 minutes)" in said and "double is right" in said and "\n8\n" in said
    assert "  │     return 2 * x" in said
    file = school / "learn" / "lessons" / "01_dots" / "double.py"
    assert file.read_text() == "def double(x):\n    return x + x\n"
    file.write_text("def double(x):\n    return 3 * x\n")
    later = played("", "skip", "")  # it comes back to the hole, which is wrong now
    assert "double gives 9; expected 6" in later and "double is right" in later and "\n8\n" in later


def test_who_returns_has_the_hole_filled_or_the_solution(school):
    assert "\n8\n" in played("goto 3", "skip", "", "quit")
    file = school / "learn" / "lessons" / "01_dots" / "double.py"
    for code in ("def double(x):\n    return x + x\n", "def double(x):\n    return None\n"):  # right, and broken since
        file.write_text(code)
        assert "double(9)" not in played("! print('nine', double(9))", "quit")
        assert "nine 18" in played("! print('nine', double(9))", "quit")


def test_the_end_begins_anew(school):
    said = played("", "", "", "skip", "", "")
    assert said.rstrip().endswith("This is the end of the lesson.")
    assert max(map(len, said.splitlines())) <= 80 + len(str(school))  # but for the path of a file
    assert journal("01_dots").at == 0


def test_the_other_commands(school, monkeypatch):
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.delenv("EDITOR", raising=False)
    said = played("help", "contents", "code", "edit", "figure", "nonsense", "goto nowhere", "goto 3", "edit", "quit")
    assert "go on: run the code" in said and "    2  Count" in said and "   1  Lesson 1: dots   ← you read this" in said
    assert "there is no hole to write here" in said and "figure: none is drawn yet" in said
    assert "'nonsense' is not a command" in said and "goto: section is 'nowhere'; expected 1 … 3" in said
    assert "edit: neither VISUAL nor EDITOR names an editor; open" in said
    monkeypatch.setenv("EDITOR", "no-such-editor-here")
    assert "'no-such-editor-here' does not start" in played("edit", "quit")


def test_a_figure_is_named_and_opened(school, monkeypatch):
    opened = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    path = school / "minicnn" / "shipped" / "tutorials" / "01_dots.py"
    draw = "import matplotlib.pyplot as plt\nplt.plot([1])\nplt.savefig('line.png')\nplt.show()\n"
    path.write_text(f"# %% [markdown]\n# # Lesson 1: lines\n#\n# One.\n\n# %%\n{draw}", encoding="utf-8")
    said = played("", "figure", "quit")
    drawn = school / "learn" / "lessons" / "01_dots" / "line.png"
    assert drawn.is_file() and f"[figure: {drawn}]" in said and opened == []  # the lesson is over
    path.write_text(path.read_text("utf-8") + "\n# %% [markdown]\n# The end.\n", encoding="utf-8")
    played("", "figure", "quit")
    assert opened == [drawn.as_uri()]


def test_a_record_that_is_none_and_a_place_that_is_no_folder(school, capsys, monkeypatch):
    record = school / "learn" / "lessons" / "01_dots" / "journal.json"
    record.parent.mkdir(parents=True)
    for text in ("[]", "{", '{"at": "x", "predictions": {}}', '{"at": 1, "predictions": []}'):
        record.write_text(text)
        assert main(["tutorial", "play", "1"]) == 2
        assert "is not a record of a lesson; move it away" in capsys.readouterr().err
    record.write_text('{"at": 99, "predictions": {}}')  # a lesson that has become shorter
    assert "[1/6]" in played("quit")
    (school / "file").write_text("")
    monkeypatch.setenv("MINICNN_LEARN", str(school / "file"))
    with pytest.raises(InputError, match=r"cannot be (written|read)|not a record"):
        played("quit")


def test_the_command_reads_a_pipe_and_ends_with_zero(school, capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("\n"))
    assert main(["tutorial", "play", "1"]) == 0
    assert "You left at stop 2 of 6" in capsys.readouterr().out
    assert main(["tutorial", "play", "nonsense"]) == 2


@pytest.mark.parametrize(("columns", "width"), [(40, 40), (200, 80)])
def test_the_command_plays_as_wide_as_the_terminal_and_no_wider_than_is_read_well(school, monkeypatch, columns, width):
    widths = []
    monkeypatch.setattr(Player, "play", lambda self: widths.append(self.width))
    monkeypatch.setenv("COLUMNS", str(columns))
    assert main(["tutorial", "play", "1"]) == 0
    assert widths == [width]


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="a signal to oneself is something else there")
def test_ctrl_c_stops_a_cell_and_not_the_player(school):
    def press():
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    player = Player(find("1"), stdin=io.StringIO("\n! spin()\n! print('alive')\n"), stdout=io.StringIO())
    player._begin = lambda begin=player._begin: (begin(), player.names.update(spin=spin))[0]

    def spin():
        threading.Timer(0.1, press).start()
        while True:
            pass

    player.play()
    said = player.stdout.getvalue()
    assert "stopped before its end" in said and "alive" in said and "You left at stop 2" in said


def test_prose_is_wrapped_and_code_is_not_joined():
    text = "# Title\n\nOne **bold** word and *another*, 2 * 3 * 4.\n\n"
    text += "1. first\n   goes on\n2. second\n\n    kept = as it is\n"
    assert [*prose.text_lines(text, 30)] == [
        *("Title", "═════", "", "One bold word and another, 2 *", "3 * 4.", "", "1. first goes on", "2. second", ""),
        *("    kept = as it is", ""),
    ]
    assert [*prose.text_lines("```\na   b\n\nc\n```\n| x | y |\n", 30)] == ["a   b", "", "c", "| x | y |", ""]
    long = "\n".join(f"line_{i} = {i}" for i in range(40))
    assert [*prose.code_lines(long, 80, whole=False)][-1] == "  │ … 24 more lines: code prints them"
    assert len([*prose.code_lines(long, 80)]) == 40
    assert [*prose.code_lines("value = function(first_argument, second)", 30)] == [
        *("  │ value =", "  │         function(first_argument,", "  │         second)"),
    ]

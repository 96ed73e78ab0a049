"""minicnn tutorial: the map tells the truth, copies spoil nothing, and what is missing is named."""

import json
import re
import sys
from pathlib import Path

import pytest

from minicnn import files, lessons
from minicnn.cli import main, parser
from minicnn.errors import InputError
from minicnn.learn.engine import names, step
from minicnn.lessons import shelf
from minicnn.lessons.cells import hollow

ROWS = [*lessons.LECTURES, *lessons.ENGINE]


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


# The map


def test_the_map_has_the_eleven_lectures_in_their_order():
    titles = [row.lecture for row in lessons.LECTURES]
    assert len(titles) == len(set(titles)) == 11
    assert titles[0].startswith("What is face") and titles[5].startswith("What is neural") and "1D" in titles[-1]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.lecture)
def test_what_the_map_names_is_there(row, capsys):
    source, *_ = [lessons.find(name).source for name in row.lessons]
    assert re.search(rf'["/\']{row.figure}\.png["\']', source), f"{row.lessons[0]} draws no {row.figure}.png"
    options = re.findall(r"--\S+", row.command)
    words = [word for word in row.command.split() if word not in options]
    with pytest.raises(SystemExit) as stopped:  # with 0, after its help
        parser().parse_args([*words, "--help"])
    assert stopped.value.code == 0
    said = capsys.readouterr().out
    assert all(option in said for option in options)


def test_the_exercises_of_the_map_are_those_there_are():
    from minicnn import learn

    ours = {row.name for row in learn.exercises()}
    assert ours == {name for row in ROWS for name in row.exercises}


def test_every_lesson_with_a_number_has_a_row():
    placed = {topic for row in ROWS for topic in row.lessons}
    assert {lesson.topic for lesson in lessons.lessons() if lesson.number is not None} == placed


def test_a_lesson_and_its_exercises_know_each_other():
    """A lesson ends with the exercises that send their learners to it, and names none that is not there."""
    from minicnn.learn import catalogue

    asked = {
        lesson.name: {name for name in catalogue.NAMES if re.search(rf"\b{name}`", lesson.source)}
        for lesson in lessons.lessons()
    }
    for lesson in lessons.lessons():
        assert set(re.findall(r"minicnn learn start\s(?:# +)?(\w+)`", lesson.source)) <= {*catalogue.NAMES, "engine"}
    for name in catalogue.NAMES:
        read = Path(catalogue.find(name).read)
        assert name in asked[read.stem], f"{read} does not lead to the exercise {name}"


def test_an_exercise_is_in_the_row_of_its_lecture():
    from minicnn.learn import catalogue

    rows = {row.lecture: row.exercises for row in lessons.LECTURES}
    for name in catalogue.NAMES:
        lecture = catalogue.find(name).lecture
        elsewhere = lecture.startswith(("One layer", "Backprop", "Conv", "Pool"))
        elsewhere = elsewhere or lecture.endswith(("(course 1)", "(course 2)"))
        assert name in rows[lecture] if lecture in rows else elsewhere


@pytest.mark.parametrize("row", lessons.LECTURES, ids=lambda row: row.lecture)
def test_the_readme_of_the_lessons_has_the_map(row):
    readme = (Path(__file__).parents[2] / "tutorials" / "README.md").read_text(encoding="utf-8")
    (line,) = [line for line in readme.splitlines() if line.startswith(f"| {row.lecture} |")]
    links = [f"({lessons.find(name).name}.py)" for name in row.lessons]
    for text in (*links, f"`{row.command}`", *row.exercises):
        assert text in line, f"the map of tutorials/README.md and tutorials/course.py differ: {line}"


def test_the_map_is_shown_in_a_hundred_columns(capsys):
    assert main(["tutorial", "list"]) == 0
    said = capsys.readouterr().out
    assert max(map(len, said.splitlines())) <= 100
    for text in ("Triplet loss", "6 triplets", "face train", "triplet_loss", "notes_that_differ", "tutorial open"):
        assert text in said


def test_the_map_for_programs(capsys):
    assert main(["tutorial", "list", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert len(found["lectures"]) == 11 and found["lectures"][3]["exercises"][0] == "triplet_loss"
    assert found["lessons"][0]["name"] == "00_an_engine_from_nothing"
    first = found["lessons"][1]
    assert first["name"] == "01_tensors_and_the_tape" and first["title"] == "Tensors and the tape"
    assert first["about"].startswith("A neural network learns by asking one question") and Path(first["path"]).is_file()


# Names


@pytest.mark.parametrize("name", ["6", "06", "triplets", "06_triplets", "06_triplets.py", "TRIP"])
def test_a_lesson_has_several_names(name):
    assert lessons.find(name).name == "06_triplets"


def test_a_name_that_is_none_or_several():
    with pytest.raises(InputError, match="no lesson 'quintuplets'; minicnn tutorial list"):
        lessons.find("quintuplets")
    with pytest.raises(InputError, match=r"'co' may be .* or .*; say which"):
        lessons.find("co")
    with pytest.raises(InputError, match="no lesson 'siamese'; 07_pairs speaks of it; minicnn tutorial list"):
        lessons.find("siamese")
    with pytest.raises(InputError, match="no lesson ''"):
        lessons.find("")


def test_what_a_lesson_is_called_and_is_about_is_read_from_its_first_cell(tmp_path, monkeypatch):
    says = {"01_b": 4, "02_a": 1, "03_d": 2, "04_c": 3, "05_e": 0, "page": 9}
    for number, (name, times) in enumerate(says.items()):
        text = f"# %% [markdown]\n# # Lesson {number}: of gulls\n# It has\n# two lines.\n#\n# And more.\n"
        (tmp_path / f"{name}.py").write_text(f"{text}# %%\n{'Terns. ' * times}\n# %%\n", encoding="utf-8")
    (tmp_path / "program.py").write_text("terns = 5\n", encoding="utf-8")
    monkeypatch.setattr(shelf, "folder", lambda: tmp_path)
    assert [lesson.name for lesson in lessons.lessons()] == [*says]
    assert [lesson.number for lesson in lessons.lessons()] == [1, 2, 3, 4, 5, None]
    assert {(lesson.title, lesson.about) for lesson in lessons.lessons()} == {("Of gulls", "It has two lines.")}
    with pytest.raises(InputError) as raised:
        lessons.find("TERNS")
    about = "01_b and 04_c and 03_d speak of it"
    assert str(raised.value) == f"tutorial: there is no lesson 'TERNS'; {about}; minicnn tutorial list names them all"


def test_lessons_are_found_inside_an_installed_package(tmp_path, monkeypatch):
    inside = tmp_path / "minicnn" / "shipped" / "tutorials"
    inside.mkdir(parents=True)
    monkeypatch.setattr(files, "PACKAGE", tmp_path / "minicnn")
    with pytest.raises(InputError, match="no lessons in"):
        lessons.lessons()
    (inside / "01_dots.py").write_text(
        "# %% [markdown]\n# # Lesson 1: dots\n#\n#\n# One dot,\n# or two.\n#\n# Three dots.\n", "utf-8"
    )
    (lesson,) = lessons.lessons()
    assert (lesson.number, lesson.topic, lesson.title, lesson.about) == (1, "dots", "Dots", "One dot, or two.")


# open


def test_a_copy_has_holes_unless_it_is_to_be_solved(here):
    for solved, options in ((False, {}), (True, {"solved": True})):
        text = lessons.copy("triplets", here / f"{solved}.py", **options).read_text(encoding="utf-8")
        assert (text == lessons.find("triplets").source) == solved


def test_open_copies_a_lesson_and_says_how_to_run_it(here, capsys):
    assert main(["tutorial", "open", "tensors"]) == 0
    copy = here / "01_tensors_and_the_tape.py"
    text = copy.read_text(encoding="utf-8")
    assert text == hollow(lessons.find("1").source) and "softsign is yet to be written" in text
    assert capsys.readouterr().out == (
        f"wrote {copy.name}. Open it in an editor that shows cells, run it, or step through it:\n"
        f"  python {copy.name}\n  python -m pdb {copy.name}\n"
    )
    assert main(["tutorial", "open", "tensors", "--solved", "--to", "solved.py"]) == 0
    assert (here / "solved.py").read_text(encoding="utf-8") == lessons.find("1").source


# paths


def test_paths_name_lessons_that_are_there_and_call_their_minutes_estimates(capsys):
    assert [way.name for way in lessons.PATHS] == [
        *("The student of week 4", "The engine builder", "Ninety minutes in class")
    ]
    for way in lessons.PATHS:
        assert all(stage.minutes > 0 and (not stage.lesson or lessons.find(stage.lesson)) for stage in way.stages)
    plans = (lessons.folder() / "teaching" / "README.md").read_text("utf-8")
    sheets = {name: int(minutes) for name, minutes in re.findall(r"\(\d\d_(\w+)\.md\) \| (\d+) \|", plans)}
    for stage in (*lessons.PATHS[0].stages, *lessons.PATHS[1].stages):  # whole lessons, as the sheets for teachers say
        assert stage.minutes == sheets.get(stage.lesson, stage.minutes) or stage.lesson == "an_engine_from_nothing"
    plan = plans.partition("## Ninety minutes: a painting")[2].partition("##")[0]
    minutes = [int(found) for found in re.findall(r"^\| \d:\d\d \| (\d+) \|", plan, re.MULTILINE)]
    assert [stage.minutes for stage in lessons.PATHS[2].stages] == minutes and sum(minutes) == 90
    (engine,) = [s for s in lessons.PATHS[1].stages if s.lesson == "an_engine_from_nothing"]
    assert engine.minutes == sum(step(name).script.MINUTES for name in names())
    for way in lessons.PATHS:
        for command in re.findall(r"minicnn (learn start|tutorial play|style)", " ".join(s.what for s in way.stages)):
            with pytest.raises(SystemExit):
                parser().parse_args([*command.split(), "--help"])
    capsys.readouterr()
    assert main(["tutorial", "paths"]) == 0
    said = capsys.readouterr().out
    assert max(map(len, said.splitlines())) <= 80 and "Minutes are estimates" in said
    assert "THE STUDENT OF WEEK 4: about 11 hours" in said and "NINETY MINUTES IN CLASS: about 90 minutes" in said
    assert main(["tutorial", "paths", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found[0]["stages"][0] == {"lesson": "verification_and_recognition", **found[0]["stages"][0]}


def test_open_never_writes_over_a_file(here, capsys):
    mine = here / "01_tensors_and_the_tape.py"
    mine.write_text("my work", encoding="utf-8")
    assert main(["tutorial", "open", "1"]) == 2
    assert "01_tensors_and_the_tape.py is there already" in capsys.readouterr().err
    assert mine.read_text(encoding="utf-8") == "my work"
    (here / "other").mkdir()
    assert main(["tutorial", "open", "1", "--to", "other"]) == 0
    assert (here / "other" / mine.name).is_file()
    assert main(["tutorial", "open", "1", "--to", "nowhere/x.py"]) == 2
    assert "cannot be written" in capsys.readouterr().err


# notebook and html


@pytest.mark.parametrize("action", ["notebook", "html"])
def test_what_is_not_installed_is_said_in_one_line(action, here, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "jupytext", None)
    assert main(["tutorial", action, "1"]) == 2
    said = capsys.readouterr().err
    install = "pip install jupytext nbconvert jupyterlab latex2mathml"
    assert said == f"minicnn: tutorial {action} needs jupytext: {install}\n"
    assert not list(here.iterdir())


@pytest.mark.parametrize("lesson", lessons.lessons(), ids=lambda lesson: lesson.name)
def test_folds_hide_answers_and_no_more(lesson):
    """A fold has a question before it and holds no heading, or who reads on would miss a part."""
    _, *cells = re.split(r"^# %%", lesson.source, flags=re.MULTILINE)
    markers = [cell.partition("\n")[0] for cell in cells]
    for i, (marker, cell) in enumerate(zip(markers, cells, strict=True)):
        if "predict" in marker:
            assert "[markdown]" not in marker, "text has nothing that comes out: tag it as an answer"
            assert "?" in cells[i - 1] or "**Predict**" in cells[i - 1], f"no question before: {cell[:200]}"
        if "answer" in marker:
            assert i and "\n# #" not in cell, f"a heading is hidden: {cell[:200]}"

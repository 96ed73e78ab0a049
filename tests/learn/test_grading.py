"""Grading a class: names of platforms, hidden cases, isolation, resuming, and what is written."""

import codecs
import csv
import dataclasses
import io
import json
import os
import runpy
import struct
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import FunctionType, SimpleNamespace

import numpy as np
import pytest

from minicnn import cli, learn
from minicnn.bench import class_grading
from minicnn.cli import learn_grade, main
from minicnn.errors import InputError, MissingFileError
from minicnn.files import MARK
from minicnn.learn import (
    assessment,
    catalogue,
    class_of_thirty,
    examining,
    excerpts,
    fairness,
    gradebook,
    grading,
    hidden_cases,
    isolation,
    messages,
    notebooks,
    progress,
    submissions,
)
from minicnn.learn.judging import prepare
from minicnn.learn.verdict import Row

RIGHT = "def gram_matrix(A):\n    return A @ A.T\n"
WRONG = "def gram_matrix(A):\n    return A.T @ A\n"
TOTAL = "def total_cost(c, s, alpha=10, beta=40):\n    return alpha * c + beta * s\n"
LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux has user namespaces")


def notebook(*sources):
    cells = [{"cell_type": "code", "source": source} for source in sources]
    return json.dumps({"cells": [{"cell_type": "markdown", "source": "words"}, *cells], "nbformat": 4})


def write(folder, files):
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def rows_of(path):
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig"))))


def test_a_small_class_is_graded_as_it_deserves(tmp_path):
    expected = class_of_thirty.write(tmp_path, quick=True)
    if not sys.platform.startswith("linux"):
        expected.pop("odd3", None)
    found = class_of_thirty.graded(tmp_path, "--seconds", "3")
    assert {student: found[student] for student in expected} == expected and len(expected) == 8


def test_the_bench_refuses_a_grade_that_is_not_deserved(monkeypatch):
    expected = {"ada": "", "bo": "flipped"}
    monkeypatch.setattr(class_grading, "write", lambda folder, quick: expected)
    monkeypatch.setattr(class_grading, "graded", lambda folder: expected)
    assert class_grading.measure("2 submissions", True).unit == "s"
    monkeypatch.setattr(class_grading, "graded", lambda folder: {"ada": ""})
    with pytest.raises(class_grading.ChildFailed, match=r"graded otherwise than expected: \{'bo': None\}"):
        class_grading.measure("2 submissions", True)


@pytest.mark.thorough
@LINUX
def test_a_class_of_thirty_is_graded_as_it_deserves(tmp_path):
    expected = class_of_thirty.write(tmp_path)
    assert len(expected) == 30
    assert class_of_thirty.graded(tmp_path) == expected


# Names


def students(folder, **options):
    return [
        (each.student, each.identifier, [path.relative_to(folder).as_posix() for path in each.files])
        for each in submissions.found_in(folder, **options)
    ]


def test_submissions_are_found_by_the_names_that_platforms_give_them(tmp_path):
    write(
        tmp_path,
        {
            "Ada Lovelace_123_assignsubmission_file_/gram_matrix.py": RIGHT,
            "Ada Lovelace_123_assignsubmission_file_/more/part 10.py": RIGHT,
            "Ada Lovelace_123_assignsubmission_file_/more/part 9.py": RIGHT,
            "Bo_7_assignsubmission_file_gram_matrix.py": RIGHT,
            "Bo_7_assignsubmission_file_total_cost.py": TOTAL,
            "curiemarie_LATE_55_901_gram_matrix-1.py": RIGHT,
            "Doejane_56_902_notebook.ipynb": notebook(RIGHT),
            "submission_42/answer.py": RIGHT,
            "submission_43/answer.py": RIGHT,
            "submission_metadata.yml": (
                "submission_42:\n  :submitters:\n  - :name: Emmy Noether\n    :sid: 1\n  - :name: 'Sophie Germain'\n"
                "  :created_at: 2026-01-01\n"
            ),
            "eve/gram_matrix.py": RIGHT,
            "eve/.hidden.py": RIGHT,
            "eve/__pycache__/a.py": RIGHT,
            "eve/notes.txt": "",
            "fay_gram_matrix.py": RIGHT,
            "gus.py": RIGHT,
            "empty/notes.txt": "",
            ".git/x.py": RIGHT,
            "__MACOSX/x.py": RIGHT,
        },
    )
    folder = "Ada Lovelace_123_assignsubmission_file_"
    assert students(tmp_path) == [
        ("Ada Lovelace", "123", [f"{folder}/gram_matrix.py", f"{folder}/more/part 9.py", f"{folder}/more/part 10.py"]),
        ("Bo", "7", ["Bo_7_assignsubmission_file_gram_matrix.py", "Bo_7_assignsubmission_file_total_cost.py"]),
        ("curiemarie", "55", ["curiemarie_LATE_55_901_gram_matrix-1.py"]),
        ("Doejane", "56", ["Doejane_56_902_notebook.ipynb"]),
        ("eve", "", ["eve/gram_matrix.py"]),
        ("fay", "", ["fay_gram_matrix.py"]),
        ("gus", "", ["gus.py"]),
        ("Emmy Noether, Sophie Germain", "42", ["submission_42/answer.py"]),
        ("submission", "43", ["submission_43/answer.py"]),
    ]
    assert students(tmp_path / "eve", single=True) == [("eve", "", ["gram_matrix.py"])]
    assert students(tmp_path / "empty", single=True) == []
    (only,) = submissions.found_in(tmp_path / "gus.py")
    assert only.key == "gus" and submissions.found_in(tmp_path)[0].key == "Ada Lovelace (123)"


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("a.py", RIGHT + TOTAL, ["gram_matrix", "total_cost"]),
        ("a.py", "def gram_matrix(A:\n" + TOTAL, ["gram_matrix", "total_cost"]),
        ("a.py", "from x import total_cost as gram_matrix\nimport verify\n", ["gram_matrix", "verify"][::-1]),
        ("a.py", "gram_matrix = __import__('x').y\n", ["gram_matrix"]),
        (
            "a.py",
            "try:\n    from x import gram_matrix\nexcept ImportError:\n    im2col = 3\n",
            ["gram_matrix", "im2col"],
        ),
        ("a.py", "gram_matrix: object = len\nwith open('x'):\n    im2col = 3\n", ["gram_matrix", "im2col"]),
        ("my_im2col_2.py", "", ["im2col"]),
        ("my_im2col_2.py", RIGHT, ["gram_matrix"]),
        ("a.py", "def other(): gram_matrix(1)\n", []),
        ("a.py", "(" * 10_000, []),
        ("a.ipynb", notebook("%matplotlib inline", RIGHT), ["gram_matrix"]),
        ("a.ipynb", "no notebook", []),
        ("a.ipynb", '{"cells": 3}', []),
    ],
)
def test_exercises_are_found_by_the_functions_that_a_file_defines(name, text, found, tmp_path):
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert sorted(submissions.exercises_in(tmp_path / name)) == sorted(found)


def test_of_several_files_the_one_that_bears_the_name_counts(tmp_path):
    write(tmp_path, {"1.py": RIGHT, "2.py": RIGHT, "gram_matrix.py": RIGHT, "total_cost.py": "", "z.py": RIGHT})
    files = sorted(tmp_path.iterdir())
    assert submissions.chosen(files, "gram_matrix").name == "gram_matrix.py"
    assert submissions.chosen(files[:2], "gram_matrix").name == "2.py"
    assert submissions.chosen(files[:2], "im2col") is None


def test_a_notebook_is_its_cells_without_what_is_no_python(tmp_path):
    path = (
        write(tmp_path, {"a.ipynb": notebook(["%pip install x\n", "x = 1\n"], "%%bash\nls", "  !ls\nif x:\n    ?x")})
        / "a.ipynb"
    )
    assert [*notebooks.cells(path)] == [
        ("cell 2 of a.ipynb", "pass\nx = 1\n"),
        ("cell 4 of a.ipynb", "  pass\nif x:\n    pass"),
    ]
    path.write_text("{}", encoding="utf-8")
    with pytest.raises(InputError, match=r"is not a notebook .*; expected one of Jupyter"):
        [*notebooks.cells(path)]


def test_a_notebook_is_checked_although_other_cells_fail(tmp_path):
    path = tmp_path / "gram_matrix.ipynb"
    path.write_text(notebook("1 / 0", RIGHT, "undefined"), encoding="utf-8")
    assert learn.check_file("gram_matrix", path) and main(["learn", "check", str(path)]) == 0
    path.write_text(notebook("1 / 0", "x = 1"), encoding="utf-8")
    (said,) = learn.check_file("gram_matrix", path).advice
    assert said == "line 1 of cell 2 of gram_matrix.ipynb raises ZeroDivisionError: division by zero\n    1 / 0"
    path.write_text(notebook("x = 2", RIGHT.replace("return", "while True: pass\n    return")), encoding="utf-8")
    said = learn.check_file("gram_matrix", path, seconds=0.5).advice[0]
    assert said == "it is still running after 0.5 s, in line 2 of cell 3 of gram_matrix.ipynb"


# The command


def test_what_is_written_of_a_class(tmp_path, capsys):
    folder = write(tmp_path / "class", {"=ada.py": RIGHT + TOTAL, "bo.py": WRONG, "cy.py": "x = 1\n"})
    out, data = tmp_path / "grades.csv", tmp_path / "results.json"
    command = ["learn", "grade", str(folder), "-o", str(out), "--json", str(data)]
    assert main(command) == 3
    said, noted = capsys.readouterr()
    assert "gram_matrix: 1 of 2 right\n    1  places with places: bo\n\ntotal_cost: 1 of 1 right\n" in said
    assert said.endswith(f"\nwrote {out}\nwrote {data}\n")
    assert noted == "minicnn: learn grade: no exercise in 1 submission: cy; --exercise NAME says which\n"
    assert [path.read_bytes().startswith(codecs.BOM_UTF8) for path in (out, data)] == [True, False]  # for spreadsheets
    ada, bo, cy = rows_of(out)
    assert (ada["student"], ada["points"], ada["possible"]) == ("'=ada", "8", "8")
    assert (bo["gram_matrix cases"], bo["gram_matrix slip"], bo["total_cost slip"]) == (
        "0 0 0 0",
        "places with places",
        "not handed in",
    )
    assert "You compare places with places" in bo["gram_matrix hint"] and cy["points"] == "0"
    found = json.loads(data.read_text(encoding="utf-8"))
    assert found[MARK] and set(found["isolated"]) == {*isolation.HELD}
    assert found["slips"] == {"gram_matrix": {"places with places": 1}, "total_cost": {}}
    assert [each["score"] for each in found["students"]] == [8, 0, 0]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["class", "grades.csv", "results.json"]
    assert main(command) == 3  # its own files are replaced
    data.write_text("{}", encoding="utf-8")
    assert main(command) == 2 and "minicnn has not made it" in capsys.readouterr().err


def test_one_submission_gives_what_gradescope_reads(tmp_path):
    folder = write(tmp_path / "one", {"gram_matrix.py": WRONG, "helper.py": "x = 1\n"})
    hidden = write(tmp_path, {"cases.py": HIDDEN}) / "cases.py"
    data = tmp_path / "results.json"
    words = ["learn", "grade", str(folder), "--single", "--json", str(data), "--hidden", str(hidden)]
    assert main(words) == 0
    found = json.loads(data.read_text(encoding="utf-8"))
    assert set(found) == {"score", "tests", "output", "extra_data"} and found["score"] == 0
    assert all(set(test) == {"name", "score", "max_score", "status", "output", "visibility"} for test in found["tests"])
    assert [test["visibility"] for test in found["tests"]] == ["visible"] * 4 + ["after_published"]
    assert found["tests"][-1]["name"] == "gram_matrix: three rows" and MARK in found["extra_data"]
    assert "You compare places with places" in found["output"]


def test_a_file_next_to_a_submission_can_be_imported(tmp_path):
    text = "from helper import gram_matrix\nprint(open('notes.py').read() if 0 else 'printed')\n"
    write(tmp_path / "class", {"ada/gram_matrix.py": text, "ada/helper.py": RIGHT, "bo.py": text, "helper.py": RIGHT})
    out = tmp_path / "grades.csv"
    assert main(["learn", "grade", str(tmp_path / "class"), "-o", str(out)]) == 0
    points = {row["student"]: row["points"] for row in rows_of(out)}
    assert points == {"ada": "4", "bo": "0", "helper": "4"}  # what others hand in is not there


def test_a_teachers_own_progress_is_untouched(tmp_path):
    write(tmp_path / "class", {"ada.py": RIGHT})
    assert main(["learn", "grade", str(tmp_path / "class")]) == 0
    assert progress.read() == {} and not os.path.lexists(progress.place())


def test_an_exercise_can_be_forced(tmp_path):
    write(tmp_path / "class", {"ada.py": RIGHT + TOTAL, "bo.py": "x = 1\n"})
    out = tmp_path / "grades.csv"
    assert main(["learn", "grade", str(tmp_path / "class"), "-o", str(out), "--exercise", "total_cost"]) == 0
    ada, bo = rows_of(out)
    assert ada["points"] == "4" and "gram_matrix points" not in ada
    assert (bo["total_cost slip"], bo["total_cost hint"]) == (
        "no such function",
        "bo.py defines no function total_cost",
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nowhere"], "learn grade: 'nowhere' does not exist"),
        (["empty"], "learn grade: 'empty' holds no .py and no .ipynb file"),
        (["class", "--seconds", "0"], "learn grade: seconds is 0.0; expected a number above 0"),
        (["class", "--seconds", "inf"], "learn grade: seconds is inf; expected a number above 0"),
        (["class", "--memory", "nan"], "learn grade: memory is nan; expected a number above 0"),
        (["class", "--jobs", "0"], "learn grade: jobs is 0; expected at least 1"),
        (["class", "--exercise", "gram"], "learn: no exercise 'gram'; did you mean gram_matrix?"),
        (["class", "--exercise", "engine_01"], "learn grade: engine_01 is a step of the engine; expected an exercise"),
        (["class", "--hidden", "none.py"], "learn grade: --hidden 'none.py' does not exist"),
        (["class", "--hidden", "cases.py", "-o", "cases.py"], "learn grade: --out 'cases.py' is the hidden to read;"),
        (["class", "-o", "nowhere/grades.csv"], "learn grade: --out 'nowhere/grades.csv' is in a folder that does not"),
    ],
)
def test_bad_input_is_one_line(words, said, tmp_path, monkeypatch, capsys):
    write(tmp_path, {"class/ada.py": RIGHT, "empty/notes.txt": "", "cases.py": ""})
    monkeypatch.chdir(tmp_path)
    assert main(["learn", "grade", *words]) == 2
    assert capsys.readouterr().err.startswith(f"minicnn: {said}")


def test_a_verdict_as_json(tmp_path, capsys):
    path = write(tmp_path, {"gram_matrix.py": WRONG}) / "gram_matrix.py"
    assert main(["learn", "check", str(path), "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["name"], found["right"], len(found["rows"])) == ("gram_matrix", False, 4)
    assert found["advice"][0].startswith("You compare places with places")


def test_solutions_can_be_locked(monkeypatch, capsys):
    monkeypatch.setenv("MINICNN_SOLUTIONS", "locked")
    assert main(["learn", "solution", "gram_matrix"]) == 2
    seen = capsys.readouterr()
    assert not seen.out and seen.err.startswith("minicnn: learn solution: solutions are locked here; hints are not: ")
    monkeypatch.setenv("MINICNN_SOLUTIONS", "")
    assert main(["learn", "solution", "gram_matrix"]) == 0


# Resuming


def test_a_stopped_grading_resumes(tmp_path, monkeypatch, capsys):
    folder = write(tmp_path / "class", {f"{name}.py": RIGHT for name in "abcd"} | {"e.py": WRONG})
    for path in folder.iterdir():
        path.write_text(path.read_text(encoding="utf-8") + f"# {path.name}\n", encoding="utf-8")
    out, asked, real = tmp_path / "grades.csv", [], examining.answers

    def until(last):
        def answers(plan, exercise, file, room):
            asked.append(file.name)
            if file.name == last:
                raise KeyboardInterrupt
            return real(plan, exercise, file, room)

        return answers

    command = ["learn", "grade", str(folder), "-o", str(out), "--jobs", "1"]
    monkeypatch.setattr(examining, "answers", until("d.py"))
    assert main(command) == 130 and not out.exists()
    record = tmp_path / "grades.csv.part"
    assert MARK in record.read_text(encoding="utf-8") and "interrupted" in capsys.readouterr().err
    with record.open("a", encoding="utf-8") as file:
        file.write('["half of a li')
    done = [json.loads(line)[0] for line in record.read_text(encoding="utf-8").splitlines()[1:-1]]
    assert len(done) == len(set(done)) <= 3
    (folder / "a.py").write_text(WRONG, encoding="utf-8")  # handed in anew
    asked.clear()
    monkeypatch.setattr(examining, "answers", until("nobody"))
    assert main(command) == 0 and not record.exists()
    assert len(asked) == 5 - len(done) + 1 and {"a.py", "d.py", "e.py"} <= {*asked}
    assert [row["points"] for row in rows_of(out)] == ["0", "4", "4", "4", "0"]


def test_what_still_runs_is_ended_where_a_grading_is_stopped(tmp_path, monkeypatch):
    write(tmp_path, {f"{name}.py": TOTAL for name in "abc"})
    found, _ = grading.tasks(submissions.found_in(tmp_path), [], None, 10)
    done, rooms, record = [], [examining.Room() for _ in range(2)], tmp_path / "grades.csv.part"

    def graded(room):
        return grading.grade(found, room, jobs=1, record=record, done=lambda: done.append(1))

    def answers(plan, task, room):
        if task is found[2] and room is rooms[0]:
            raise KeyboardInterrupt
        return None, f"{task.file.name} has none", ""

    monkeypatch.setattr(grading, "_answers", answers)
    with pytest.raises(KeyboardInterrupt):
        graded(rooms[0])
    assert rooms[0].stop.is_set() and len(done) == len(grading._remembered(record))
    done.clear()
    assert [(each.student, each.slip) for each in graded(rooms[1])] == [(name, f"{name}.py has none") for name in "abc"]
    assert len(done) == 3 and not record.exists() and not rooms[1].stop.is_set()


def test_what_has_not_begun_is_not_run_where_a_grading_is_stopped(tmp_path, monkeypatch):
    stopped, ran = threading.Event(), []

    class Pool(ThreadPoolExecutor):
        def shutdown(self, wait=True, *, cancel_futures=False):
            super().shutdown(wait=False, cancel_futures=cancel_futures)
            stopped.set()
            super().shutdown(wait=wait)

    def answers(plan, task, room):
        ran.append(task.file.name)
        if len(ran) == 1:
            raise KeyboardInterrupt
        stopped.wait()
        return None, "it has none", ""

    write(tmp_path, {f"{name}.py": TOTAL for name in "abc"})
    found, _ = grading.tasks(submissions.found_in(tmp_path), [], None, 10)
    monkeypatch.setattr(grading, "ThreadPoolExecutor", Pool)
    monkeypatch.setattr(grading, "_answers", answers)
    with pytest.raises(KeyboardInterrupt):
        grading.grade(found, examining.Room(), jobs=1, record=None, done=lambda: None)
    assert ran in (["a.py"], ["a.py", "b.py"])  # the second may begin while the first is told of


@pytest.mark.parametrize("names", [("gram", "guided_gram"), ("guided_gram", "gram")])
def test_the_longest_name_of_an_exercise_is_none_of_the_students(tmp_path, monkeypatch, names):
    monkeypatch.setattr(catalogue, "NAMES", names)
    (tmp_path / "ada_guided_gram.py").touch()
    assert submissions._student(tmp_path / "ada_guided_gram.py", {}) == ("ada", "")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows lets few users make links")
def test_links_and_folders_are_no_files_of_a_student(tmp_path):
    write(tmp_path, {"answers/right.py": RIGHT, "class/ada/mine.py": WRONG, "class/ada/folder.py/notes.txt": ""})
    folder = tmp_path / "class" / "ada"
    (folder / "link.py").symlink_to(tmp_path / "answers" / "right.py")
    (tmp_path / "class" / "bo").symlink_to(tmp_path / "answers", target_is_directory=True)
    (ada,) = submissions.found_in(tmp_path / "class")
    assert (ada.student, ada.files) == ("ada", (folder / "mine.py",))


def test_without_the_simulator_no_kernel_is_judged(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "numba.cuda", None)
    write(tmp_path, {"ada.py": "def content_kernel(a, b, partial):\n    pass\n"})
    with pytest.raises(InputError, match=r"^learn: content_kernel runs on the GPU that Numba simulates"):
        grading.tasks(submissions.found_in(tmp_path), [], None, 10)
    with pytest.raises(InputError, match=r"^learn: content_kernel runs on the GPU that Numba simulates"):
        examining.examine(catalogue.find("content_kernel"), tmp_path / "ada.py", 10)


def test_a_record_that_is_not_ours_is_kept(tmp_path, capsys):
    write(tmp_path, {"class/ada.py": RIGHT, "grades.csv.part": "mine"})
    assert main(["learn", "grade", str(tmp_path / "class"), "-o", str(tmp_path / "grades.csv")]) == 2
    assert "grades.csv.part" in capsys.readouterr().err and (tmp_path / "grades.csv.part").read_text() == "mine"


def test_a_record_lies_beside_the_first_file_that_is_written():
    for out, data, record in (("a.csv", "b.json", "a.csv.part"), (None, "b.json", "b.json.part")):
        asked = SimpleNamespace(out=out, json=data)
        assert learn_grade._record(asked) == Path(record)
        assert [*learn_grade._beside(asked)] == [("record of a stopped grading", Path(record))]
    assert [*learn_grade._beside(SimpleNamespace(out=None, json=None))] == []


# Hidden cases

HIDDEN = """
import numpy as np

from minicnn import Tensor
from minicnn.learn.exercise import Case

CASES = {"gram_matrix": [
    Case("three rows", lambda: [Tensor(np.ones((3, 2)), requires_grad=True)], {"": np.full((3, 3), 2.0)}),
]}
"""


def test_hidden_cases_count_as_the_others(tmp_path):
    hidden = write(tmp_path, {"cases.py": HIDDEN}) / "cases.py"
    only_known = RIGHT.replace("return", "if A.shape == (3, 2) and A.data[0, 0] == 1: return A\n    return")
    write(tmp_path / "class", {"ada.py": RIGHT, "bo.py": only_known})
    out = tmp_path / "grades.csv"
    assert main(["learn", "grade", str(tmp_path / "class"), "-o", str(out), "--hidden", str(hidden)]) == 0
    ada, bo = rows_of(out)
    assert (ada["points"], ada["possible"], bo["gram_matrix cases"]) == ("5", "5", "1 1 1 1 0")
    exercise = hidden_cases.extended(catalogue.find("gram_matrix"), hidden)
    assert "2.0" not in json.dumps(excerpts.plan(exercise)["program"]) and len(exercise.cases) == 5


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("CASES", "OTHERS", "CASES is NoneType; expected a dict {exercise: [Case, …]}"),
        ('"gram_matrix"', '"gram"', "did you mean gram_matrix?"),
        ('"gram_matrix"', '"engine_01"', "engine_01 is a step of the engine"),
        ("[\n", "3, 'x': [\n", "CASES['gram_matrix'] is no list of Case"),
        ("\n]}", "\n3]}", "CASES['gram_matrix'] is no list of Case"),
        ("2.0", "3.0", "the solution differs from your expected value: at [0, 0] expected 3, got 2"),
        ('{"":', '{"G":', "expected has ['G']; known are ['', 'the gradient to A']"),
        ("[Tensor(np.ones((3, 2)), requires_grad=True)]", "[]", "the solution raises TypeError: "),
        ("import numpy", "import nowhere_at_all", "raises ModuleNotFoundError: "),
    ],
)
def test_what_is_wrong_with_a_file_of_hidden_cases_is_told(old, new, said, tmp_path):
    hidden = write(tmp_path, {"cases.py": HIDDEN.replace(old, new, 1)}) / "cases.py"
    with pytest.raises(InputError) as told:
        hidden_cases.load(hidden)
    assert said in str(told.value) and "\n" not in str(told.value)


def test_an_input_that_cannot_be_sent_is_told(tmp_path):
    text = HIDDEN.replace("gram_matrix", "train_step")
    text = text.replace(
        "[Tensor(np.ones((3, 2)), requires_grad=True)], {", "catalogue.find('train_step').cases[0].arguments(), {"
    )
    text = text.replace("import Tensor", "import Tensor\nfrom minicnn.learn import catalogue").replace(
        '{"": np.full((3, 3), 2.0)}', "{}"
    )
    with pytest.raises(InputError, match="an input is a Sequential; expected arrays, Tensors, numbers, text or lists"):
        hidden_cases.load(write(tmp_path, {"cases.py": text}) / "cases.py")


@pytest.mark.parametrize("hidden", [None, Path("cases.py")])
def test_hidden_cases_travel_to_the_process_with_the_simulated_gpu(monkeypatch, tmp_path, hidden):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NUMBA_ENABLE_CUDASIM", raising=False)
    asked = []

    def run(command, *, env, **options):
        assert options == {"capture_output": True, "text": True, "cwd": str(Path(command[5]).parent)}
        asked.append((command[4:], env.get("NUMBA_ENABLE_CUDASIM"), json.loads(Path(command[5]).read_text())))
        Path(command[6]).write_text(json.dumps(learn.Verdict("the name", True).as_data()))
        return SimpleNamespace(returncode=0)

    monkeypatch.setattr(assessment.subprocess, "run", run)
    exercise = catalogue.find("content_kernel")
    assert assessment.assess(exercise, ["an answer"], hidden=hidden).name == "the name"
    (((name, _, _, *rest), simulated, answers),) = asked
    assert (name, simulated, answers) == (exercise.name, "1", ["an answer"])
    assert rest == ([] if hidden is None else [str(tmp_path / "cases.py")])


def test_a_process_that_fails_says_its_last_lines(monkeypatch):
    told = "".join(map(str, range(1000)))
    monkeypatch.setattr(assessment.subprocess, "run", lambda *_, **__: SimpleNamespace(returncode=1, stderr=told))
    with pytest.raises(ValueError) as raised:
        assessment.assess(catalogue.find("content_kernel"), ["an answer"])
    assert str(raised.value) == told[-400:]


def test_a_verdict_on_a_file_of_answers_is_written_to_a_file(tmp_path):
    hidden = write(tmp_path, {"cases.py": HIDDEN}) / "cases.py"
    exercise = hidden_cases.extended(catalogue.find("gram_matrix"), hidden)
    answers = [
        {"problem": "", "seen": {part: messages.encode(np.asarray(value)) for part, value in trial.expected.items()}}
        for trial in prepare(exercise)
    ]
    answers[1] = {"problem": "line 2 raises", "seen": {}}
    given, said = tmp_path / "answers.json", tmp_path / "verdict.json"
    for more, count in (((), 4), ((str(hidden),), 5)):
        given.write_text(json.dumps(answers[:count]), encoding="utf-8")
        assessment.main("gram_matrix", str(given), str(said), *more)
        found = learn.Verdict.from_data(json.loads(said.read_text(encoding="utf-8")))
        assert [row.right for row in found.rows] == [True, False, True, True, True][:count]
        assert found.name == "gram_matrix" and not found and found.rows[1].text == "line 2 raises"


@pytest.mark.parametrize("hidden", [False, True])
def test_as_a_program_the_judge_writes_its_verdict(hidden, tmp_path, monkeypatch):
    words = [str(tmp_path / "answers.json"), str(tmp_path / "verdict.json")]
    count = len(catalogue.find("gram_matrix").cases) + hidden
    write(tmp_path, {"answers.json": json.dumps([{"problem": "it has none"}] * count), "cases.py": HIDDEN})
    words += [str(tmp_path / "cases.py")] if hidden else []
    monkeypatch.setattr(sys, "argv", [assessment.__file__, "gram_matrix", *words])
    runpy.run_path(assessment.__file__, run_name="__main__")
    found = learn.Verdict.from_data(json.loads((tmp_path / "verdict.json").read_text(encoding="utf-8")))
    assert (found.name, found.right, [*found.advice]) == ("gram_matrix", False, ["it has none"])


def test_there_is_a_file_of_hidden_cases(tmp_path):
    with pytest.raises(MissingFileError, match="does not exist"):
        hidden_cases.load(tmp_path / "none.py")


# Isolation

HOSTILE = """
import ctypes, json, os, socket, sys

library = ctypes.CDLL(None)
said = {{"file": library.open({secret!r}.encode(), 0) >= 0, "solution": library.open({solution!r}.encode(), 0) >= 0}}
said["write"] = library.open({secret!r}.encode() + b"2", os.O_CREAT | os.O_WRONLY, 0o600) >= 0
said["signal"] = library.kill({process}, 0) == 0
said["keys"] = "SECRET" in os.environ
said["program"] = library.system({command!r}.encode()) == 0
sock = library.socket(socket.AF_INET, socket.SOCK_DGRAM, 0)
address = bytes([2, 0, 0, 9, 127, 0, 0, 1]) + bytes(8)
said["network"] = library.connect(sock, address, 16) == 0
print(json.dumps(said))
"""


@LINUX
def test_what_is_said_to_be_isolated_is_out_of_reach_of_hostile_code(tmp_path, monkeypatch):
    held = examining.held()
    if not all(held.values()):
        pytest.skip(f"not isolated on this system: {held}")
    secret = tmp_path / "secret.txt"
    secret.write_text("mine", encoding="utf-8")
    monkeypatch.setenv("SECRET", "a key")
    solution = next(path for path in fairness.sealed() if path.stem == "gram_matrix")
    program = HOSTILE.format(
        secret=str(secret),
        solution=str(solution),
        process=os.getpid(),
        command=f"cat {secret} {solution} >/dev/null 2>&1",
    )
    file = write(tmp_path / "work", {"gram_matrix.py": program + RIGHT}) / "gram_matrix.py"
    exercise = catalogue.find("gram_matrix")
    room = examining.Room(10, isolated=True, hold=isolation.HELD)
    found, why, printed = examining.answers(excerpts.plan(exercise), exercise, file, room)
    verdict = examining.verdict_on(exercise, found, why, printed, file=file, room=room)
    assert verdict, verdict
    assert set(json.loads(verdict.printed.splitlines()[-1]).values()) == {False}, verdict.printed
    assert sorted(path.name for path in tmp_path.iterdir()) == ["progress", "secret.txt", "work"] or not any(
        path.name == "secret.txt2" for path in tmp_path.iterdir()
    )


@LINUX
def test_nothing_runs_where_what_was_promised_is_not_held(tmp_path, monkeypatch):
    settings = tmp_path / "settings.json"
    asked = {"memory": 1 << 30, "tries": True, "hold": ["network"], "read": [], "listed": [], "write": []}
    settings.write_text(json.dumps(asked), encoding="utf-8")

    def refused(asked):
        raise isolation.NotHeld(1, "no user namespaces")

    ran = []
    monkeypatch.setattr(isolation, "_leave", refused)
    monkeypatch.setattr(isolation, "_limit", lambda memory: None)
    monkeypatch.setattr(isolation, "_close", lambda asked: None)
    monkeypatch.setattr(os, "execv", lambda *command: ran.append(command))
    with pytest.raises(SystemExit) as stopped:
        isolation.main(str(settings), "python", "x")
    assert stopped.value.code == 3 and not ran
    settings.write_text(json.dumps({**asked, "hold": []}), encoding="utf-8")
    isolation.main(str(settings), "python", "x")
    assert ran == [("python", ("python", "x"))]


@pytest.mark.parametrize(
    ("version", "handled"),
    [
        (1, (0x1FFF,)),
        (2, (0x3FFF,)),  # files move between folders
        (3, (0x7FFF,)),  # files are cut
        (4, (0x7FFF, 3)),  # the network
        (5, (0xFFFF, 3)),  # devices are set
        (6, (0xFFFF, 3, 3)),  # signals and sockets
    ],
)
def test_landlock_is_asked_for_what_its_version_knows(monkeypatch, version, handled):
    calls = []
    monkeypatch.setattr(isolation, "_call", lambda *asked: calls.append(asked) or version)
    isolation._close({"read": [], "listed": [], "write": []})
    name, number, attributes, length, flags = calls[1]
    assert (name, number, length.value, flags) == ("syscall", isolation.CREATE_RULESET, 8 * len(handled), 0)
    assert struct.unpack(f"{len(handled)}Q", attributes) == handled


def test_a_table_says_what_is_not_isolated(tmp_path, monkeypatch, capsys):
    text = gradebook.isolation_table({"network": True, "files": False, "processes": True, "memory": False})
    assert text.splitlines()[1:] == [
        "  no network",
        "  other files             not isolated",
        "  no other processes",
        "  more memory             not isolated",
    ]
    write(tmp_path / "class", {"ada.py": RIGHT})
    monkeypatch.setattr(examining, "held", lambda memory: dict.fromkeys(isolation.HELD, False))
    monkeypatch.setattr(examining, "answers", lambda *_: pytest.fail("it was run"))
    assert main(["learn", "grade", str(tmp_path / "class"), "--isolated"]) == 2
    assert "files or network are not isolated" in capsys.readouterr().err


def test_the_most_frequent_slips_are_first():
    def grade(student, slip):
        return grading.Grade(student, "", "gram_matrix", "", (), 0, slip, learn.Verdict("gram_matrix", not slip))

    made = {"Ada": "turned", "Bela": "halved", "Chen": "shifted", "Dana": "shifted", "Emil": ""}
    table = gradebook.class_table([grade(*each) for each in made.items()])
    assert table.splitlines() == [
        "gram_matrix: 1 of 5 right",
        "    2  shifted: Chen, Dana",
        "    1  halved: Bela",
        "    1  turned: Ada",
    ]


def test_many_students_and_a_long_slip_have_an_end():
    students = [f"student{number}" for number in range(41)]
    wrong = learn.Verdict("gram_matrix", False)
    made = [grading.Grade(name, "", "gram_matrix", "", (), 0, "s" * 61, wrong) for name in students]
    made.append(grading.Grade("Ada", "", "total_cost", "", (), 0, "", learn.Verdict("total_cost", True)))
    first, *wrapped, blank, last = gradebook.class_table(made).splitlines()
    assert first == "gram_matrix: 0 of 41 right" and all(len(line) <= 80 for line in wrapped)
    assert [line[:7] for line in wrapped] == ["   41  ", *[" " * 7] * (len(wrapped) - 1)]
    said = " ".join(line[7:] for line in wrapped)
    assert said == f"{'s' * 59}…: {', '.join(students[:40])} and 1 more"
    assert (blank, last) == ("", "total_cost: 1 of 1 right")


def grade_of(student, identifier, exercise, file, rows, slip="", advice=()):
    """A grade whose last case is a hidden one."""
    rows = tuple(Row(*row) for row in rows)
    verdict = learn.Verdict(exercise, all(row.right for row in rows), rows, advice)
    return grading.Grade(student, identifier, exercise, file, rows, 1, slip, verdict)


GRADES = [
    grade_of("bo", "7", "gram_matrix", "b.py", [("a", True), ("b", False, "no")], "-turned", ["Turn it.", "Again."]),
    grade_of("ada", "", "gram_matrix", "a.py", [("a", True), ("b", True)]),
    grade_of("ada", "", "total_cost", "b.py", [("c", True)]),
    grade_of("dee", "", "total_cost", "d.py", [("c", False, "1, not 2")], "-turned"),
]
WITHOUT = [submissions.Submission("cy", "", ())]


def test_the_lines_of_a_class_in_full():
    kinds = ("points", "cases", "slip", "hint", "file")
    head = [f"{name} {kind}" for name in ("gram_matrix", "total_cost") for kind in kinds]
    missing = ["0", "", "not handed in", "", ""]
    assert list(csv.reader(io.StringIO(gradebook.as_csv(GRADES, WITHOUT)))) == [
        ["student", "identifier", "points", "possible", *head],
        ["ada", "", "3", "3", "2", "1 1", "", "", "a.py", "1", "1", "", "", "b.py"],
        ["bo", "7", "1", "3", "1", "1 0", "'-turned", "Turn it.\nAgain.", "b.py", *missing],
        ["cy", "", "0", "3", *missing, *missing],
        ["dee", "", "0", "3", *missing, "0", "0", "'-turned", "", "d.py"],
    ]
    assert "\r" not in gradebook.as_csv(GRADES, WITHOUT)


@pytest.mark.parametrize("begins", ["=", "+", "-", "@", "\t", "\r"])
def test_no_cell_is_a_formula(begins):
    assert gradebook._harmless(f"{begins}1") == f"'{begins}1"
    assert gradebook._harmless(f"1{begins}") == f"1{begins}" and gradebook._harmless(-1) == -1


def test_the_data_of_a_class_in_full():
    def test_of(name, right, text="", visible=False):
        return {
            "name": name,
            "score": int(right),
            "max_score": 1,
            "status": "passed" if right else "failed",
            "output": text,
            "visibility": "visible" if visible else "after_published",
        }

    def summary(*facts):
        return dict(zip(("exercise", "file", "points", "slip", "hint"), facts, strict=True))

    gram = [test_of("gram_matrix: a", True, visible=True), test_of("gram_matrix: b", True)]
    wrong = [gram[0], test_of("gram_matrix: b", False, "no")]
    cost, other = test_of("total_cost: c", True), test_of("total_cost: c", False, "1, not 2")
    turned = summary("gram_matrix", "b.py", 1, "-turned", "Turn it.\nAgain.")
    right = [summary("gram_matrix", "a.py", 2, "", ""), summary("total_cost", "b.py", 1, "", "")]
    output = "gram_matrix: Turn it.\nAgain."
    last = [summary("total_cost", "d.py", 0, "-turned", "")]
    held = {"files": True}
    found = gradebook.as_data(GRADES, WITHOUT, held, single=False)
    assert found.pop(MARK) and found == {
        "isolated": held,
        "slips": {"gram_matrix": {"-turned": 1}, "total_cost": {"-turned": 1}},
        "students": [
            {"student": name, "identifier": number, "possible": 3, "exercises": rows} | results
            for name, number, rows, results in (
                ("ada", "", right, {"score": 3, "tests": [*gram, cost], "output": ""}),
                ("bo", "7", [turned], {"score": 1, "tests": wrong, "output": output}),
                ("cy", "", [], {"score": 0, "tests": [], "output": ""}),
                ("dee", "", last, {"score": 0, "tests": [other], "output": "total_cost: "}),
            )
        ],
    }
    found = gradebook.as_data([GRADES[0], GRADES[3]], [], held, single=True)
    assert found.pop("extra_data").keys() == {MARK, "isolated"}
    assert found == {"score": 1, "tests": [*wrong, other], "output": f"{output}\n\ntotal_cost: "}
    nothing = gradebook.as_data([], WITHOUT, held, single=True)
    assert (nothing["score"], nothing["output"]) == (0, "no exercise found")


def test_what_is_remembered_of_a_stopped_grading(tmp_path):
    record = tmp_path / "grades.csv.part"
    assert grading._remembered(None) == grading._remembered(record) == {}
    verdicts = {"one": GRADES[0].verdict, "two": GRADES[1].verdict}
    for key, verdict in verdicts.items():
        grading._remember(record, key, verdict)
        grading._remember(None, key, verdict)
    assert len(record.read_text(encoding="utf-8").splitlines()) == 3
    found = grading._remembered(record)
    assert {key: str(learn.Verdict.from_data(data)) for key, data in found.items()} == {
        key: str(verdict) for key, verdict in verdicts.items()
    }
    head, *lines = record.read_text(encoding="utf-8").splitlines(keepends=True)
    record.write_text("".join([head.replace(MARK, "another"), *lines]), encoding="utf-8")
    assert grading._remembered(record) == {}  # it is not minicnn's


def test_what_happened_in_every_case_is_told_of_each_in_its_first_words(tmp_path):
    write(tmp_path, {"ada.py": TOTAL})
    (task,), _ = grading.tasks(submissions.found_in(tmp_path), [], None, 10)
    titles = [case.title for case in task.exercise.cases]
    advice = ["line 2 of ada.py raises ValueError: no\n    raise", "Think again."]
    found = grading._grade(task, learn.Verdict("total_cost", False, (), advice))
    assert found.rows == tuple(Row(title, False, advice[0]) for title in titles)
    assert (found.slip, found.file, found.points) == ("raises an error", "ada.py", 0)
    odd = grading._grade(task, learn.Verdict("total_cost", False, (), ["something else\nand more"]))
    assert odd.slip == "something else"
    told = learn.Verdict("total_cost", False, [Row("a", False, "no")], ["something else"])
    assert grading._slip(task.exercise, told) == "not recognized"
    assert grading._slip(task.exercise, learn.Verdict("total_cost", False, (), [])) == ""


def test_a_long_problem_is_cut_and_has_no_codes():
    exercise = catalogue.find("total_cost")
    answers = [{"problem": f"\tline\x1b[2J\n{'x' * 400}"}] * len(exercise.cases)
    (said,) = assessment.assess(exercise, answers).advice
    assert said == f"        line�[2J\n{'x' * 390}"


def test_paths_are_readable_without_what_is_sealed(tmp_path):
    write(tmp_path, {"lib/a/x.py": "", "lib/a/y.py": "", "lib/b/z.py": "", "own/w.py": "", "owner/v.py": ""})
    root = Path(os.path.realpath(tmp_path))
    sealed = [root / "lib" / "a" / "x.py", root / "owner" / "v.py"]
    read, listed = isolation.readable(sealed, root / "lib", root / "own", root / "none", sealed[0])
    assert sorted(read) == [str(root / path) for path in ("lib/a/y.py", "lib/b", "own")]
    assert sorted(listed) == [str(root / "lib"), str(root / "lib" / "a")]


def test_a_submission_that_cannot_be_read_is_told(tmp_path, monkeypatch):
    path = write(tmp_path, {"ada.py": RIGHT}) / "ada.py"
    (submission,) = submissions.found_in(path)
    (task,), _ = grading.tasks([submission], ["gram_matrix"], None, 10)
    monkeypatch.setattr(grading, "LARGEST", 3)
    said = grading._answers({}, task, examining.Room())
    assert said == (None, "ada.py has more than 0 MiB; expected a program", "")
    path.unlink()
    assert grading._answers({}, task, examining.Room()) == (None, "ada.py does not exist", "")


def test_a_submission_is_run_beside_the_files_that_can_be_read(tmp_path, monkeypatch):
    files = {"ada/gram_matrix.py": RIGHT, "ada/helper.py": TOTAL, "ada/large.py": "#" * 300, "ada/gone.py": ""}
    write(tmp_path, {**files, "ada/more/deep.py": ""})
    (submission,) = submissions.found_in(tmp_path)
    (task,), _ = grading.tasks([submission], ["gram_matrix"], None, 10)
    (tmp_path / "ada" / "gone.py").unlink()
    monkeypatch.setattr(grading, "LARGEST", len(TOTAL))
    monkeypatch.setattr(
        examining,
        "answers",
        lambda plan, exercise, file, room: {path.name: path.read_text() for path in file.parent.iterdir()},
    )
    assert grading._answers({}, task, examining.Room()) == {"gram_matrix.py": RIGHT, "helper.py": TOTAL}


def test_a_record_that_cannot_be_written_says_why(tmp_path):
    record = tmp_path / "none" / "grades.csv.part"
    with pytest.raises(InputError) as told:
        grading._remember(record, "key", learn.Verdict("verify", True))
    assert str(told.value) == f"learn grade: {str(record)!r} cannot be written (No such file or directory)"


def test_no_exercise_is_looked_for_in_a_file_that_is_too_large(tmp_path, monkeypatch):
    path = write(tmp_path, {"gram_matrix.py": RIGHT}) / "gram_matrix.py"
    for largest, found in ((len(RIGHT), ["gram_matrix"]), (len(RIGHT) - 1, [])):
        monkeypatch.setattr(submissions, "LARGEST", largest)
        assert submissions.exercises_in(path) == found
    path.unlink()
    assert submissions.exercises_in(path) == []


def test_a_grading_does_not_resume_where_anything_that_counts_has_changed(tmp_path, monkeypatch):
    def key():
        ((task,), _) = grading.tasks(submissions.found_in(tmp_path / "class"), [], tmp_path / "cases.py", 10)
        return task.key

    write(tmp_path, {"class/ada/gram_matrix.py": RIGHT, "class/ada/helper.py": "x = 1\n", "cases.py": HIDDEN})
    keys = [key()]
    write(tmp_path, {"class/ada/helper.py": "x = 2\n"})
    keys.append(key())
    write(tmp_path, {"cases.py": HIDDEN.replace("np.ones", "np.zeros").replace("2.0", "0.0")})
    keys.append(key())
    with monkeypatch.context() as changed:
        changed.setattr(grading.minicnn, "__version__", "another")
        keys.append(key())
    assert len({*keys}) == 4 and key() == keys[2]


def test_a_grading_does_not_resume_where_the_solution_has_changed(tmp_path):
    exercise = catalogue.find("total_cost")
    prints = [grading._print_of(exercise, 10)]
    for name, more in (("same.py", ""), ("other.py", "# which no plan holds\n")):
        source = Path(exercise.function.__code__.co_filename).read_text(encoding="utf-8") + more
        (tmp_path / name).write_text(source, encoding="utf-8")
        moved = exercise.function.__code__.replace(co_filename=str(tmp_path / name))
        function = FunctionType(moved, exercise.function.__globals__)
        prints.append(grading._print_of(dataclasses.replace(exercise, function=function), 10))
    assert prints[0] == prints[1] != prints[2]


def test_of_files_that_answer_nothing_the_last_one_is_judged(tmp_path):
    write(tmp_path, {"ada/1.py": "", "ada/2.py": ""})
    ((task,), _) = grading.tasks(submissions.found_in(tmp_path), ["total_cost"], None, 10)
    assert task.file == tmp_path / "ada" / "2.py"


def test_equal_answers_to_equal_questions_have_one_key(tmp_path):
    write(tmp_path, {"a/x.py": RIGHT, "b/x.py": RIGHT, "c/x.py": WRONG})
    found, _ = grading.tasks(submissions.found_in(tmp_path), [], None, 10)
    keys = [task.key for task in found]
    assert keys[0] == keys[1] != keys[2]
    (slower, *_), _ = grading.tasks(submissions.found_in(tmp_path), [], None, 11)
    assert slower.key != keys[0] and np.all([task.hidden == 0 for task in found])


@LINUX
def test_no_link_leads_to_what_is_sealed(tmp_path):
    (tmp_path / "lib" / "tasks").mkdir(parents=True)
    secret, other = tmp_path / "lib" / "tasks" / "gram_matrix.py", tmp_path / "lib" / "numbers.py"
    for path in (secret, other):
        path.touch()
    (tmp_path / "lib64").symlink_to("lib")
    (tmp_path / "lib" / "again").symlink_to("../lib64/tasks")
    read, listed = isolation.readable([secret], tmp_path)
    assert read == [str(other)] and sorted(listed) == [str(tmp_path), str(secret.parents[1]), str(secret.parent)]


def test_a_folder_that_is_missing_is_another_error_than_one_that_is_empty(tmp_path):
    (tmp_path / "empty").mkdir()
    for name, kind in (("none", MissingFileError), ("empty", InputError)):
        asked = cli.parser().parse_args(["learn", "grade", str(tmp_path / name)])
        with pytest.raises(InputError) as told:
            asked.run(asked)
        assert type(told.value) is kind

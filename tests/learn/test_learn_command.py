"""minicnn learn, as a learner uses it: list, start, check, hint, solution, and what was solved."""

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from minicnn import InputError, learn
from minicnn.cli import main
from minicnn.learn import catalogue, engine, examining, gradebook, grading


def said(capsys, *arguments, status=0):
    assert main(["learn", *arguments]) == status
    text = capsys.readouterr().out
    assert all(len(line) < 80 for line in text.splitlines())
    return text


def test_from_the_list_to_a_solved_exercise(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert "0 of 29 solved" in said(capsys, "list")
    assert "minicnn learn check total_cost" in said(capsys, "start", "total_cost")
    file = tmp_path / "total_cost.py"
    task = file.read_text(encoding="utf-8")
    assert "raise NotImplementedError" in task and "return alpha *" not in task and "α · J_content" in task
    file.write_text(task.replace("raise NotImplementedError", "return 0"), encoding="utf-8")
    first = said(capsys, "check", "total_cost.py", status=1)
    assert "not yet; 0 of 4" in first and "Get a hint with: minicnn learn hint total_cost" in first
    assert "1 try" in said(capsys, "list")
    hints = [said(capsys, "hint", "total_cost") for _ in range(4)]
    assert [hint[:11] for hint in hints] == ["Hint 1 of 3", "Hint 2 of 3", "Hint 3 of 3", "Hint 3 of 3"]
    assert all("On to a solution: minicnn learn solution total_cost" in hint for hint in hints[2:])
    assert all("Back to the first: minicnn learn hint total_cost --tier 1\n" in hint for hint in hints[2:])
    assert not any("solution" in hint for hint in hints[:2])
    solution = "return alpha * J_content + beta * J_style"
    file.write_text(task.replace("raise NotImplementedError", solution), encoding="utf-8")
    last = said(capsys, "check", "total_cost")
    assert "right, in all 4 cases" in last and "Start the next one with: minicnn learn start train_step" in last
    text = said(capsys, "list")
    assert "1 of 29 solved" in text and "solved" in next(line for line in text.splitlines() if "total_cost" in line)


@pytest.mark.parametrize(
    ("name", "right", "unsolved", "line"),
    [
        ("a", True, "bc", "Start the next one with: minicnn learn start b"),
        ("c", True, "ab", "Start the next one with: minicnn learn start a"),
        ("b", True, "a", "Start the next one with: minicnn learn start a"),
        ("b", True, "", "All exercises are solved."),
        ("b", False, "b", "Get a hint with: minicnn learn hint b"),
        ("engine_03", True, "", "Start the next one with: minicnn learn start engine"),
        ("engine_05", True, "ab", "All exercises are solved."),
        ("engine_03", False, "", "Get a hint with: minicnn learn hint engine"),
    ],
)
def test_what_to_do_after_a_check(monkeypatch, capsys, name, right, unsolved, line):
    verdict = learn.Verdict(name, right, (), ["seen"])
    rows = [SimpleNamespace(name=row, state="seen" if row in unsolved else "solved") for row in "abc"]
    monkeypatch.setattr(learn, "check_file", lambda *given, **options: verdict)
    monkeypatch.setattr(learn, "exercises", lambda: rows)
    monkeypatch.setattr(learn, "steps", lambda: (5 if name == "engine_05" else 3, 5))
    assert said(capsys, "check", name, status=not right) == f"{verdict}\n\n{line}\n"
    assert json.loads(said(capsys, "check", name, "--json", status=not right)) == json.loads(
        json.dumps(verdict.as_data())
    )


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["a"], ("a", None, 10)),
        (["a", "mine.py", "--seconds", "2.5"], ("a", "mine.py", 2.5)),
        (["x/a.py"], ("a", "x/a.py", 10)),
        (["a.ipynb"], ("a", "a.ipynb", 10)),
        (["a.py", "b.py"], ("a.py", "b.py", 10)),
    ],
)
def test_a_file_alone_is_named_after_its_exercise(monkeypatch, capsys, words, expected):
    asked = []

    def check(name, file, *, seconds):
        asked.append((name, file, seconds))
        return learn.Verdict("im2col", True, (), [])

    monkeypatch.setattr(learn, "check_file", check)
    said(capsys, "check", *words)
    assert asked == [expected]


def test_a_list_ends_with_what_to_start(monkeypatch, capsys):
    class Rows(list):
        def __str__(self):
            return "a table"

    rows = Rows(SimpleNamespace(name=row, state=state) for row, state in (("a", "solved"), ("b", "seen"), ("c", "new")))
    monkeypatch.setattr(learn, "exercises", lambda: rows)
    monkeypatch.setattr(learn, "steps", lambda: (2, 5))
    engine = "\nAn engine from nothing, 2 of 5 steps: minicnn learn start engine\n"
    assert said(capsys, "list") == f"a table\n\nStart one with: minicnn learn start b\n{engine}"
    del rows[1:]
    assert said(capsys, "list") == f"a table\n{engine}"


def test_start_says_how_to_check(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    task = "the task, with a hole to fill\nCheck it with: minicnn learn check im2col"
    assert said(capsys, "start", "im2col") == f"wrote im2col.py: {task}\n"
    assert said(capsys, "start", "im2col", "--to", "b.py") == f"wrote b.py: {task} b.py\n"


def test_start_writes_over_nothing(tmp_path, capsys):
    file = tmp_path / "im2col.py"
    assert main(["learn", "start", "im2col", "--to", str(tmp_path)]) == 0
    file.write_text("mine", encoding="utf-8")
    assert main(["learn", "start", "im2col", "--to", str(file)]) == 2
    assert "is there already, and may hold your work" in capsys.readouterr().err
    assert file.read_text(encoding="utf-8") == "mine"
    assert main(["learn", "start", "im2col", "--to", str(tmp_path / "no" / "im2col.py")]) == 2
    assert "cannot be written" in capsys.readouterr().err


def test_a_step_that_cannot_be_written_leaves_the_file_as_it_was(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    path = learn.start("engine_02", tmp_path)
    before = path.read_bytes()
    monkeypatch.setattr(engine, "replace_file", full)
    with pytest.raises(InputError, match=r"^learn start: .*engine\.py cannot be written: No space left on device$"):
        learn.start("engine_03", tmp_path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("name", catalogue.NAMES)
def test_a_file_to_begin_with_is_python_with_a_hole(name, tmp_path):
    text = learn.start(name, tmp_path).read_text(encoding="utf-8")
    compile(text, name, "exec")
    assert text.count("raise NotImplementedError") == 1 and f"def {name}(" in text and '"""' in text
    solution = learn.solution(name)
    compile(solution, name, "exec")
    assert "raise NotImplementedError" not in solution
    assert learn.exercises()[catalogue.NAMES.index(name)].state == "seen"


def test_bad_input_is_one_line(capsys):
    assert main(["learn", "hint", "total_cost", "--tier", "4"]) == 2
    assert capsys.readouterr().err == "minicnn: learn hint: tier is 4; expected 1, 2 or 3\n"
    assert main(["learn", "start", "triplet_los"]) == 2
    assert "did you mean triplet_loss?" in capsys.readouterr().err


def test_all_exercises_show_as_a_table():
    table = learn.exercises()
    assert len(table) == 29 and (len(catalogue.COURSE), len(catalogue.OWN)) == (9, 20)
    assert str(table) == repr(table) and max(map(len, str(table).splitlines())) < 80


@pytest.mark.thorough
def test_a_kernel_of_a_notebook_is_tried_in_a_process_of_its_own(tmp_path):
    """In which the GPU is simulated, though here it is not."""
    file = tmp_path / "kernel.py"
    file.write_text(learn.solution("content_kernel"), encoding="utf-8")
    program = "import sys; sys.path.insert(0, sys.argv[1]); import kernel; from minicnn import learn\n"
    program += "print(learn.check('content_kernel', kernel.content_kernel))"
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, encoding="utf-8", timeout=200
    )
    assert "right, in all 3 cases" in done.stdout, done.stderr


@pytest.mark.parametrize(("held", "status"), [("files network", 0), ("files memory", 2), ("network", 2)])
def test_submissions_run_only_in_isolation_if_that_is_asked_for(tmp_path, monkeypatch, capsys, held, status):
    rooms = []
    kept = {part: part in held.split() for part in ("files", "network", "memory")}
    monkeypatch.setattr(examining, "held", lambda memory: kept)
    monkeypatch.setattr(gradebook, "isolation_table", lambda held: "a table")
    monkeypatch.setattr(grading, "grade", lambda waiting, room, **_: rooms.append(room.hold) or [])
    (tmp_path / "ada_gram_matrix.py").write_text("def gram_matrix(A):\n    return A @ A.T\n", encoding="utf-8")
    assert main(["learn", "grade", str(tmp_path), "--isolated"]) == status
    told = capsys.readouterr()
    refused = "minicnn: learn grade: files or network are not isolated on this system; --isolated asks for both\n"
    assert told.err == (refused if status else "")
    assert told.out == ("a table\n" if status else "a table\n\nno exercise was found\n")
    assert main(["learn", "grade", str(tmp_path)]) == 0
    assert rooms == [tuple(part for part, is_kept in kept.items() if is_kept)] * (1 if status else 2)


def test_a_class_is_graded_in_a_room_of_its_own(tmp_path, monkeypatch, capsys):
    def graded(waiting, room, *, jobs, record, done):
        asked.append((room.isolated, room.seconds, room.memory, room.hold, jobs, record))
        return []

    asked = []
    monkeypatch.setattr(grading, "grade", graded)
    monkeypatch.setattr("minicnn.machine.available_cores", lambda: 3)
    monkeypatch.setattr(examining, "held", lambda memory: {"files": True, "network": False, "memory": True})
    monkeypatch.setattr(gradebook, "isolation_table", lambda held: "a table")
    (tmp_path / "ada_gram_matrix.py").write_text("def gram_matrix(A):\n    return A @ A.T\n", encoding="utf-8")
    out, data = tmp_path / "grades.csv", tmp_path / "grades.json"
    words = ["--seconds", "7", "--memory", "0.5", "--jobs", "1", "-o", str(out), "--json", str(data)]
    assert main(["learn", "grade", str(tmp_path), *words]) == 0
    assert capsys.readouterr().out == f"a table\n\nno exercise was found\nwrote {out}\nwrote {data}\n"
    assert out.read_bytes().startswith(b"\xef\xbb\xbf") and not data.read_bytes().startswith(b"\xef\xbb\xbf")
    assert main(["learn", "grade", str(tmp_path), "--json", str(data), "--force"]) == 0
    assert main(["learn", "grade", str(tmp_path)]) == 0
    part, hold = Path(f"{out}.part"), ("files", "memory")
    usual = True, 10, 2 << 30, hold, 3
    assert asked == [(True, 7, 1 << 29, hold, 1, part), (*usual, Path(f"{data}.part")), (*usual, None)]

"""What exactly is kept, begun and run: progress, exercises and their files, processes, and the command."""

import functools
import itertools
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import platformdirs
import pytest

import minicnn
from minicnn import files, learn, machine
from minicnn.cli import main
from minicnn.errors import InputError, MissingFileError
from minicnn.learn import catalogue, drawing, engine, examining, fairness, isolation, progress
from minicnn.learn.exercise import Slip
from minicnn.learn.progress import Progress
from minicnn.learn.table import Entry, Table
from minicnn.learn.verdict import Verdict

NAN, INF = float("nan"), float("inf")


# Progress and the exercises


def test_the_table_of_exercises_as_text():
    rows = [("triplet_loss", "1", "Triplet loss", "a.py", "solved"), ("im2col", "2", "Convolutions", "b.py", "")]
    assert str(Table(Entry(*row) for row in rows)).splitlines() == [
        "  exercise                 lecture                                     so far",
        "",
        "The course's",
        "  triplet_loss             Triplet loss                                solved",
        "",
        "Our own",
        "  im2col                   Convolutions",
        "",
        "1 of 2 solved",
    ]


@pytest.mark.parametrize(
    ("state", "text"),
    [
        (Progress(), ""),
        (Progress(tries=1), "1 try"),
        (Progress(tries=2, hints=3), "2 tries"),
        (Progress(tries=2, seen=True), "seen"),
        (Progress(tries=2, seen=True, solved=True), "solved"),
    ],
)
def test_how_far_an_exercise_is(state, text):
    assert str(state) == text


def test_progress_is_kept_of_each_exercise(tmp_path):
    assert progress.read() == {} and progress.place() == tmp_path / "progress" / "exercises.json"
    progress.note_try("verify", False)
    progress.note_try("verify", True)
    progress.note_try("verify", False)  # what was solved stays so
    progress.note_try("im2col", False)
    assert progress.read() == {"verify": Progress(solved=True, tries=3), "im2col": Progress(tries=1)}
    progress.place().write_text('{"verify": {"tries": 4}}', encoding="utf-8")
    assert progress.read() == {"verify": Progress(tries=4)}
    assert learn.hint("verify", 2).startswith("Hint 2 of 3. ")
    assert learn.hint("verify", 1).startswith("Hint 1 of 3. ") and progress.read()["verify"].hints == 2
    assert learn.hint("verify").startswith("Hint 3 of 3. ")
    for tier in (0, 4):
        with pytest.raises(InputError, match=rf"^learn hint: tier is {tier}; expected 1, 2 or 3$"):
            learn.hint("verify", tier)


def test_progress_lies_in_the_users_own_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("MINICNN_LEARN", os.path.join("~", "all", "mine"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert progress.place() == tmp_path / "all" / "mine" / "exercises.json"
    progress.note("verify", seen=True)  # makes the folders
    assert progress.read() == {"verify": Progress(seen=True)}
    asked = []
    monkeypatch.setattr(
        platformdirs, "user_data_dir", lambda *names, **more: asked.append((names, more)) or str(tmp_path)
    )
    monkeypatch.delenv("MINICNN_LEARN")
    assert progress.place() == tmp_path / "exercises.json" and asked == [(("minicnn",), {"appauthor": False})]


def test_progress_that_cannot_be_written_says_why(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("MINICNN_LEARN", str(tmp_path / "file" / "below"))
    monkeypatch.setattr(progress, "read", dict)
    with pytest.raises(InputError) as said:
        progress.note("verify", seen=True)
    assert "exercises.json cannot be written: " in str(said.value)
    assert str(said.value).endswith("; MINICNN_LEARN names another folder")
    with pytest.warns(UserWarning, match="^progress is not kept: learn: ") as warned:
        learn.check("total_cost", lambda c, s, a=10, b=40: 0)
    assert warned[0].filename == __file__


def test_an_exercise_is_found_by_a_part_of_its_name():
    with pytest.raises(InputError, match=r"^learn: no exercise 'deconv'; did you mean deconvnet_relu\?$"):
        catalogue.find("deconv")
    with pytest.raises(InputError, match=r"^learn: no exercise 'gram_matrx'; did you mean gram_matrix\?$"):
        catalogue.find("gram_matrx")
    with pytest.raises(InputError, match=r"^learn: no exercise 'nothing'; expected engine, or one of triplet_loss, "):
        catalogue.find("nothing")
    with pytest.raises(InputError, match=r"^learn: no exercise ''; expected engine, or one of "):
        catalogue.find("")


@pytest.mark.parametrize(("unsolved", "expected"), [([3, 4], 3), ([], -1)])
def test_the_engine_is_its_first_step_that_is_not_solved_or_its_last(monkeypatch, unsolved, expected):
    steps = engine.names()
    monkeypatch.setattr(progress, "unsolved_steps", lambda: [steps[i] for i in unsolved])
    assert catalogue.find("engine").name == steps[expected]


def test_every_function_of_a_step_gets_its_hole():
    code = '''def first(x):
    """Return x, doubled."""
    y = x
    y += x
    return y


def helper(x):
    return x


class Value:
    def second(self):
        """Return one."""
        return 1
'''
    hole = '# Your code, in place of the next line.\n{0}raise NotImplementedError("{1} is yet to be written")\n'
    whole = code.replace("y = x\n    y += x\n    return y\n", hole.format("    ", "first"))
    assert engine.with_holes(code) == whole.replace("return 1\n", hole.format("        ", "second"))


def test_an_exercise_whose_file_is_gone_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "material", lambda name: tmp_path / name)
    monkeypatch.delitem(sys.modules, "minicnn_tutorials.exercises.verify", raising=False)
    path = tmp_path / "tutorials" / "exercises" / "verify.py"
    with pytest.raises(MissingFileError) as said:
        catalogue._load.__wrapped__("verify")
    assert str(said.value) == f"tutorials: {str(path)!r} does not exist; install minicnn again"


def test_the_last_input_wants_a_gradient():
    assert [t.requires_grad for t in drawing.features(1, 0)] == [False, True]
    first, second = drawing.others((2, 3), (4,), seed=5)
    assert (first.requires_grad, second.requires_grad) == (False, True) and first.dtype == np.float64
    random = np.random.default_rng(5)
    for tensor in (first, second):
        np.testing.assert_array_equal(tensor.data, random.standard_normal(tensor.shape))
    assert drawing.then(lambda: [1, 2], 3, 4)() == [1, 2, 3, 4]
    assert drawing.normal((1,))[0] == np.random.default_rng(0).standard_normal()


def test_ways_to_make_a_slip():
    assert Slip("a", "b", len).answers == (len,) and Slip("a", "b", (len, abs)).answers == (len, abs)
    assert Slip("a", "b").answers == ()


def test_the_file_to_begin_with_names_the_lecture_and_the_lesson(tmp_path):
    exercise = catalogue.find("gram_matrix")
    text = learn.start("gram_matrix", tmp_path).read_text(encoding="utf-8")
    lesson = str(int(Path(exercise.read).name.split("_")[0]))
    assert text.splitlines()[:8] == [
        f'"""Exercise gram_matrix: {exercise.title}',
        "",
        f"The lecture: {exercise.lecture}",
        f"To read:     {exercise.read}    (minicnn tutorial open {lesson})",
        "",
        "Write the function below, then try it:    minicnn learn check gram_matrix",
        "Stuck? There are three hints:             minicnn learn hint gram_matrix",
        '"""',
    ]
    assert text.endswith("    # Your code, in place of the next line.\n    raise NotImplementedError\n")
    assert f"{exercise.imports}\n\n\ndef gram_matrix(" in text
    assert learn.solution("gram_matrix").startswith(f"{exercise.imports}\n\n\ndef gram_matrix(")
    kernel = catalogue.find("content_kernel")
    assert f"\n\n\n{kernel.decorator}\ndef content_kernel(" in learn.solution("content_kernel")


# The process of a file


@pytest.mark.parametrize("seconds", [0, -1, INF, NAN, "1", None])
def test_a_file_gets_a_number_of_seconds(seconds, tmp_path):
    with pytest.raises(InputError) as said:
        learn.check_file("verify", tmp_path / "none.py", seconds=seconds)
    assert str(said.value) == f"learn check: seconds is {seconds!r}; expected a number above 0"


def test_a_file_runs_for_ten_seconds_with_what_the_learner_imports(tmp_path, monkeypatch):
    """Nothing is run here: what would be is looked at."""
    calls = []
    monkeypatch.setattr(examining, "_run", lambda *call: calls.append(call) or (3, "it printed"))
    monkeypatch.setenv("PYTHONPATH", "mine")
    monkeypatch.chdir(tmp_path)
    for name in ("total_cost", "content_kernel"):
        Path(f"{name}.py").write_text(learn.solution(name), encoding="utf-8")
        verdict = learn.check_file(name)
        assert (verdict.right, verdict.rows, verdict.printed) == (False, (), "it printed")
        assert verdict.advice == [
            f"the process ended, with status 3, before it was judged: does something in {name}.py exit?"
        ]
    (command, environment, room, begun, folder), (_, simulated, *_) = calls
    *launched, plan, file, answers, seconds = command
    assert launched[-4:] == [machine.interpreter(), "-P", "-m", "minicnn.learn.candidate"]
    assert launched[1:3] == (["-P", isolation.__file__] if sys.platform != "win32" else ["-P", "-m"])
    assert file == os.path.realpath("total_cost.py") and (seconds, room.seconds, room.isolated) == ("10", 10, False)
    assert Path(plan).name == "plan.json" and Path(answers).with_name("stopped.txt") == begun and folder is None
    assert environment["PYTHONPATH"] == os.pathsep.join([str(Path(minicnn.__file__).parents[1]), "mine"])
    assert environment["PYTHONIOENCODING"] == "utf-8" and environment["PYTHONUNBUFFERED"] == "1"
    assert simulated["NUMBA_ENABLE_CUDASIM"] == "1"
    assert environment.get("NUMBA_ENABLE_CUDASIM") == os.environ.get("NUMBA_ENABLE_CUDASIM")


def test_a_process_that_was_stopped_says_where_it_was(tmp_path, monkeypatch):
    file = tmp_path / "total_cost.py"
    file.write_text("def total_cost():\n    while True: pass\n", encoding="utf-8")
    stack = f'File "{file}", line 2 in total_cost\n  File "{file}", line 9 in below\n'
    written = iter([f"Timeout (0:00:02)!\n{stack}", "Timeout (0:00:02)!\n", stack])

    def run(command, environment, room, begun, folder):
        begun.write_text(next(written), encoding="utf-8")
        return examining.NEVER_ENDED, ""

    monkeypatch.setattr(examining, "_run", run)
    found = [learn.check_file("total_cost", file, seconds=1.5).advice for _ in range(3)]
    never = "Does a loop never end? --seconds N waits longer."
    assert found == [
        ["it is still running after 1.5 s, in line 2 of total_cost.py\n    while True: pass", never],
        ["it is still running after 1.5 s", never],
        ["it could not be stopped from inside, and was ended."],
    ]


def test_a_process_that_grows_too_large_says_how_large_it_may_be(tmp_path, monkeypatch):
    monkeypatch.setattr(examining, "_run", lambda *_: (examining.TOO_LARGE, "it printed"))
    exercise, file = catalogue.find("total_cost"), tmp_path / "total_cost.py"
    found, why, printed = examining.answers({}, exercise, file, examining.Room(memory=3 << 29))
    assert (found, why, printed) == (
        None,
        f"it uses more memory than 1.5 GiB\0{fairness.MEMORY}",
        "it printed",
    )


LONG = " " * 99_967  # what follows is read as far as line 2


@pytest.mark.parametrize(
    ("traceback", "place"),
    [
        ("", None),
        ('File "/a/mine.py", line 2 in f', None),  # no time limit was reached
        ("Timeout", ""),
        ('Timeout\nFile "/a/other.py", line 2 in f', ""),
        ('Timeout\nFile "/a/minespy", line 2 in f', ""),
        (
            'Timeout\nFile "/a/numpy.py", line 7 in g\nFile "/a/mine.py", line 2 in f',
            ", in line 2 of mine.py\n    {}",
        ),
        (
            'Timeout\nFile "/a/mine.py", line 1 in f\nFile "/a/mine.py", line 2 in f',
            ", in line 1 of mine.py\n    def f():",
        ),
        ('Timeout\nFile "/a/mine.py", line 99 in f', ", in line 99 of mine.py"),
        ('Timeout\nFile "cell 12 of mine.py", line 2 in f', ", in line 2 of cell 12 of mine.py"),
        ('Timeout\nFile "/a/\udcff/mine.py", line 2 in f', ", in line 2 of mine.py\n    {}"),
        (LONG + 'Timeout\nFile "/a/mine.py", line 2 in f', ", in line 2 of mine.py\n    {}"),
        (LONG + ' Timeout\nFile "/a/mine.py", line 2 in f', ""),
    ],
    ids=itertools.count(),
)
def test_the_place_where_a_file_was_stopped_is_its_innermost_line(traceback, place, tmp_path):
    line = f"return '{'x' * 80}'"
    (tmp_path / "mine.py").write_text(f"def f():\n    {line}\n", encoding="utf-8")
    (tmp_path / "stopped.txt").write_text(traceback, encoding="utf-8", errors="surrogateescape")
    found = examining._line_of(tmp_path / "stopped.txt", tmp_path / "mine.py")
    assert found == (place and place.format(line[:64]))


@pytest.mark.parametrize(
    ("written", "data"),
    [
        (b"[1, 2]", [1, 2]),
        (b'"' + b"x" * 18 + b'"', "x" * 18),  # as large as an answer may be here
        (b'"' + b"x" * 19 + b'"', None),
        (b"[1, 2", None),
        (b'"\xff"', None),
        (b"[" * 20, None),
        (None, None),
    ],
)
def test_what_a_learner_may_have_written_is_read_with_care(written, data, tmp_path, monkeypatch):
    monkeypatch.setattr(examining, "LARGEST_ANSWER", 20)
    if written is not None:
        (tmp_path / "answers.json").write_bytes(written)
    assert examining._read(tmp_path / "answers.json") == data


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a file that opens and cannot be read is Linux's")
def test_a_place_that_cannot_be_read_is_no_place(tmp_path):
    assert examining._line_of(Path("/proc/self/mem"), tmp_path / "mine.py") is None
    assert examining._line_of(tmp_path, tmp_path / "mine.py") is None


def test_the_simulated_gpu_needs_numba(monkeypatch):
    monkeypatch.setitem(sys.modules, "numba.cuda", None)
    with pytest.raises(InputError) as said:
        examining.check_simulator(catalogue.find("content_kernel"))
    assert str(said.value) == "learn: content_kernel runs on the GPU that Numba simulates; pip install numba"
    assert examining.check_simulator(catalogue.find("verify")) is None


@pytest.mark.parametrize("wrapped", [lambda f: f, lambda f: SimpleCallable(py_func=f), lambda f: SimpleCallable(fn=f)])
def test_the_source_of_a_function_is_written_to_a_file_behind_the_imports(monkeypatch, wrapped):
    def verify(a):
        return a  # whatever it is

    asked = []
    monkeypatch.setattr(
        examining, "examine", lambda exercise, file, seconds: asked.append((file.name, file.read_text(), seconds))
    )
    exercise = catalogue.find("verify")
    examining.examine_source(exercise, wrapped(verify))
    examining.examine_source(exercise, wrapped(verify), 2)
    text = f"{exercise.imports}\n\n\ndef verify(a):\n    return a  # whatever it is\n"
    assert asked == [("verify.py", text, 10), ("verify.py", text, 2)]


class SimpleCallable:
    """A compiled function, which holds the one that was written."""

    def __init__(self, **written):
        vars(self).update(written)

    def __call__(self, *arguments):
        """Do nothing."""


@pytest.mark.parametrize(
    ("program", "status", "printed"),
    [
        ("print('a', 7); raise SystemExit(7)", 7, "a 7"),
        ("import sys; sys.stderr.write('wrong\\n\\n')", 0, "wrong"),
        ("print('x' * 2000)", 0, "x" * 2000),
        ("print('x' * 2001)", 0, "x" * 2000 + "\n… and more"),
        ("import sys; print(sys.stdin.read() == '')", 0, "True"),
        ("import os; print(not hasattr(os, 'getsid') or os.getsid(0) == os.getpid())", 0, "True"),  # to be ended alone
    ],
)
def test_what_a_process_prints_is_kept(program, status, printed):
    room = examining.Room(100)
    found = examining._run([sys.executable, "-c", program], dict(os.environ), room, Path("never begun"))
    assert found == (status, printed)


@pytest.mark.parametrize("interrupted", [False, True])
def test_a_process_has_ended_when_its_last_lines_are_read(interrupted, monkeypatch, tmp_path):
    """Nothing is run here: what would be is looked at."""
    did, room, begun = [], examining.Room(), tmp_path / "begun"
    (tmp_path / "printed").write_bytes(b"one\r\ntwo\xff\x1b\n\n")

    @contextmanager
    def started(command, **options):
        did.append((command, options))
        with (tmp_path / "printed").open("rb") as printed:
            yield SimpleNamespace(stdout=printed)

    def waited(process, *given):
        did.append(given)
        if interrupted:
            raise KeyboardInterrupt
        return 7

    class Reader:
        def __init__(self, *, target, daemon):
            self.target, self.start = target, lambda: did.append(("starts", daemon))

        def join(self, seconds):
            did.append(seconds)
            self.target()

    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    monkeypatch.setattr(subprocess, "Popen", started)
    monkeypatch.setattr(examining, "threading", SimpleNamespace(Thread=Reader))
    monkeypatch.setattr(examining, "_waited", waited)
    monkeypatch.setattr(examining, "_end", lambda process: did.append("ended"))
    run = functools.partial(examining._run, ["python"], {"A": "b"}, room, begun, tmp_path)
    if interrupted:
        with pytest.raises(KeyboardInterrupt):
            run()
    else:
        assert run() == (7, "one\ntwo\ufffd\ufffd")
    options = {"env": {"A": "b"}, "cwd": tmp_path, "start_new_session": True, **pipes}
    assert did == [(["python"], options), ("starts", True), (room, begun), "ended", 5]


@pytest.mark.parametrize("problem", [ProcessLookupError, PermissionError])
@pytest.mark.parametrize("groups", [True, False])
def test_a_process_that_does_not_end_when_it_is_asked_to_is_ended(groups, problem, monkeypatch):
    did = []

    def wait(seconds):
        did.append(seconds)
        raise subprocess.TimeoutExpired("python", seconds)

    def end_group(*call):
        did.append(call)
        raise problem

    if groups:
        monkeypatch.setattr(os, "killpg", end_group, raising=False)
        monkeypatch.setattr(signal, "SIGKILL", 9, raising=False)
    else:
        monkeypatch.delattr(os, "killpg", raising=False)
    ends = {name: lambda name=name: did.append(name) for name in ("terminate", "kill")}
    examining._end(SimpleNamespace(pid=4711, wait=wait, **ends))
    assert did == ["terminate", 1, "kill", (4711, 9)][: 3 + groups]


def test_a_learner_may_read_the_system_python_and_minicnn_without_what_is_sealed(monkeypatch):
    monkeypatch.setattr(fairness, "sealed", lambda: ["a solution"])
    monkeypatch.setattr(isolation, "readable", lambda sealed, *roots: (sealed, [*roots]))
    sealed, roots = examining._readable.__wrapped__()
    system = "/usr /lib /lib64 /bin /etc/ld.so.cache /etc/localtime /dev/urandom /dev/random /dev/zero /proc/cpuinfo"
    system += " /proc/meminfo /sys/devices/system/cpu /System /Library"
    tutorials = files.material("tutorials")
    own = [files.PACKAGE, files.PACKAGE.parent, files.material("weights")]
    own += [tutorials / "datasets", tutorials / "exercises"]
    python = [sys.base_prefix, sys.prefix, Path(os.__file__).parent]
    assert sealed == ["a solution"] and {*map(Path, roots)} == {*map(Path, [*system.split(), *own, *python])}


class Running:
    """A process that never ends. begins: how often it is waited for before its learner's code runs, or None."""

    pid = 0

    def __init__(self, begun, begins=None):
        self.begun, self.begins, self.waited = begun, begins, 0

    def wait(self, seconds):
        self.waited += 1
        if self.waited == self.begins:
            self.begun.touch()
        raise subprocess.TimeoutExpired("python", seconds)


@pytest.mark.parametrize(
    ("begins", "stops", "waited"),
    [
        (None, False, 121),  # while it is set up, it may take SETTING_UP seconds
        (1, False, 16),  # from there on 2 × 5 and 5
        (100, False, 115),
        (None, True, 1),
    ],
)
def test_the_time_of_a_learner_begins_with_the_learners_code(begins, stops, waited, monkeypatch, tmp_path):
    """Every look at the time is a second after the one before."""
    seconds = itertools.count()
    monkeypatch.setattr(examining, "time", SimpleNamespace(monotonic=lambda: next(seconds)))
    room, process = examining.Room(5), Running(tmp_path / "begun", begins)
    if stops:
        room.stop.set()
    assert examining._waited(process, room, process.begun) == examining.NEVER_ENDED
    assert process.waited == waited


@pytest.mark.parametrize(("resident", "system", "large"), [(None, 0, 0), (100, 0, 0), (101, 0, 1), (101, 1, 0)])
def test_where_no_limit_of_memory_is_kept_it_is_looked_at(resident, system, large, monkeypatch, tmp_path):
    seconds = itertools.count()
    monkeypatch.setattr(examining, "time", SimpleNamespace(monotonic=lambda: next(seconds)))
    monkeypatch.setattr(sys, "platform", ("darwin", "linux")[system])
    monkeypatch.setattr(examining, "resident_memory", lambda process: resident)
    found = examining._waited(Running(tmp_path / "begun"), examining.Room(5, memory=100), tmp_path / "begun")
    assert found == (examining.TOO_LARGE if large else examining.NEVER_ENDED)


@pytest.mark.parametrize(
    ("name", "right", "shows"), [("verify", True, 0), ("engine_02", False, 0), ("engine_02", True, 1)]
)
def test_only_a_right_step_of_the_engine_is_shown(name, right, shows, monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr(examining.excerpts, "plan", lambda exercise, show=False: show)
    monkeypatch.setattr(
        examining, "answers", lambda plan, *_: asked.append(plan) or (["one", 3, "t\x1bwo"], "why", "printed")
    )
    monkeypatch.setattr(examining, "verdict_on", lambda *_, **__: Verdict(name, right, (), ["advice"]))
    (tmp_path / "mine.py").touch()
    found = examining.examine(catalogue.find(name), tmp_path / "mine.py", 10)
    assert asked == [False, True][: 1 + shows]
    assert found == Verdict(name, right, (), ["one", "t\ufffdwo"] if shows else ["advice"])


def test_only_an_interpreter_runs_a_file(tmp_path, monkeypatch):
    (tmp_path / "total_cost.py").touch()
    monkeypatch.setattr(examining, "interpreter", lambda: None)
    with pytest.raises(InputError) as said:
        learn.check_file("total_cost", tmp_path / "total_cost.py")
    assert str(said.value) == (f"learn check: {sys.executable!r} is an application; expected an interpreter of Python")


# The command


def test_what_the_command_says_in_full(tmp_path, monkeypatch, capsys):
    def said(*words, status=0):
        assert main(["learn", *words]) == status
        return capsys.readouterr().out

    monkeypatch.chdir(tmp_path)
    _, steps = learn.steps()
    assert said("list").endswith(
        "0 of 29 solved\n\nStart one with: minicnn learn start triplet_loss\n\n"
        f"An engine from nothing, 0 of {steps} steps: minicnn learn start engine\n"
    )
    assert said("start", "verify") == (
        "wrote verify.py: the task, with a hole to fill\nCheck it with: minicnn learn check verify\n"
    )
    other = tmp_path / "other.py"
    assert said("start", "verify", "--to", str(other)) == (
        f"wrote {other}: the task, with a hole to fill\nCheck it with: minicnn learn check verify {other}\n"
    )
    assert said("solution", "verify") == learn.solution("verify")
    assert said("hint", "verify").splitlines()[0].startswith("Hint 1 of 3. ")
    asked, verdicts = [], [Verdict("verify", False), *[Verdict("verify", True)] * 4]
    monkeypatch.setattr(
        learn, "check_file", lambda name, file, seconds: asked.append((name, file, seconds)) or verdicts.pop(0)
    )
    wrong = said("check", "verify", "--seconds", "2.5", status=1)
    assert wrong.splitlines()[-2:] == ["", "Get a hint with: minicnn learn hint verify"]
    right = said("check", "verify", "--seconds", "2.5")
    assert right.splitlines()[-2:] == ["", "Start the next one with: minicnn learn start who_is_it"]
    said("check", "verify.py")
    said("check", "verify", "mine.py")
    assert asked == [
        *[("verify", None, 2.5)] * 2,
        ("verify", "verify.py", 10),
        ("verify", "mine.py", 10),
    ]
    for name in catalogue.NAMES:
        progress.note(name, solved=True)
    assert said("check", "verify").endswith("\n\nAll exercises are solved.\n")
    assert said("list").endswith(
        f"\n29 of 29 solved\n\nAn engine from nothing, 0 of {steps} steps: minicnn learn start engine\n"
    )

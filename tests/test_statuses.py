"""Exit statuses: what each means, and that no stream, folder or failure turns one into another."""

import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import minicnn
from minicnn import images, survey
from minicnn.cli import COMMANDS, main, parser

PIPES = pytest.mark.skipif(sys.platform == "win32", reason="no /dev/full, no closed streams")


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MINICNN_LEARN", str(tmp_path / "learn"))
    random = np.random.default_rng(0)
    for name in ("a.png", "b.png"):
        images.save(name, images.resize(random.random((6, 6, 3)), 64, 64))
    Path("two.py").write_text(
        "import minicnn\nx = minicnn.Tensor([1.0], requires_grad=True)\n(x * x).sum().backward()\n"
    )
    return tmp_path


def shell(line, **environment):
    """(status, stdout, stderr) of `minicnn` and what follows in a shell."""
    environment = {**os.environ, "PYTHONPATH": str(Path(minicnn.__file__).parents[1]), **environment}
    command = f'exec "{sys.executable}" -m minicnn {line}'
    done = subprocess.run(["bash", "-c", command], capture_output=True, env=environment, timeout=120)
    return done.returncode, done.stdout, done.stderr.decode(errors="replace")


def told(capsys):
    """The lines on standard error, without notes."""
    return [line for line in capsys.readouterr().err.splitlines() if not line.startswith("note: ")]


@PIPES
@pytest.mark.parametrize(
    ("line", "environment", "status"),
    [
        ("weights list >&-", {}, 2),
        ("weights list > /dev/full", {}, 2),
        ("--help > /dev/full", {"PYTHONUNBUFFERED": "1"}, 2),
        ("style 2> /dev/full", {}, 2),
        ("face list nowhere.h5 2>&- <&-", {}, 2),
        ("weights list 2>&- <&-", {}, 0),
        ("see diagram gram -o d.png", {"MPLBACKEND": "nonsense"}, 0),
    ],
)
def test_streams_and_the_environment_change_no_status(here, line, environment, status):
    found, _, error = shell(line, **environment)
    assert found == status, error
    assert len(error.splitlines()) == (status == 2 and "2>" not in line), error


class Full(io.StringIO):
    """A stream without room."""

    def write(self, _):
        raise OSError(28, "No space left on device")


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "cp437", "utf-16"])
def test_no_encoding_of_a_stream_changes_a_verdict(here, monkeypatch, encoding):
    for words, status in (("a.png b.png --threshold 0", 1), ("a.png a.png", 0)):
        stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
        monkeypatch.setattr(sys, "stdout", stream)
        assert main(["face", "verify", "--drawn", *words.split()]) == status
        stream.seek(0)
        sign = ">" if status else "≤" if encoding.startswith("utf") else "<=" if encoding != "cp437" else "≤"
        assert f" {sign} " in stream.read()


def test_a_full_disk_and_a_closed_stream_are_no_verdict(here, monkeypatch, capsys):
    words = ["face", "verify", "--drawn", "a.png", "b.png", "--threshold", "0"]
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", Full())
        assert main(words) == 2
    assert "output cannot be written (No space left on device)" in told(capsys)[0]
    for closed in (None, io.StringIO()):
        if closed:
            closed.close()
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", closed)
            assert main(words) == 2
        assert "standard output is closed" in told(capsys)[0]


@PIPES
def test_a_reader_that_goes_away_is_no_failure(here):
    line = 'weights list --json | true; exit "${PIPESTATUS[0]}"'
    environment = {**os.environ, "PYTHONPATH": str(Path(minicnn.__file__).parents[1])}
    command = f'"{sys.executable}" -m minicnn {line}'
    done = subprocess.run(["bash", "-c", command], capture_output=True, env=environment, timeout=120)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize(
    ("raised", "status", "line"),
    [
        (
            ZeroDivisionError("by nothing"),
            70,
            "an error of minicnn's own: ZeroDivisionError: by nothing (test_statuses",
        ),
        (UserWarning("odd\nlines"), 70, "UserWarning: odd lines"),
        (OSError(28, "No space left on device"), 2, "output cannot be written (No space left on device)"),
        (PermissionError(13, "Permission denied", "x.png"), 2, "'x.png' cannot be used (Permission denied)"),
        (MemoryError(), 2, "not enough memory"),
        (minicnn.errors.InputError("x is 1; expected 2"), 2, "minicnn: x is 1; expected 2"),
        (KeyboardInterrupt(), 130, "minicnn: interrupted"),
    ],
)
def test_whatever_stops_a_command_is_one_line_and_a_status(here, monkeypatch, capsys, raised, status, line):
    def fail(*_):
        raise raised

    monkeypatch.setattr(survey, "rows", fail)
    assert main(["gradcheck"]) == status
    lines = told(capsys)
    assert len(lines) == 1 and line in lines[0]
    if status == 70:
        assert "--traceback" in lines[0] and "report" in lines[0]
    assert main(["gradcheck", "--traceback"]) == status
    assert "Traceback (most recent call last)" in capsys.readouterr().err
    assert main(["--traceback", "gradcheck"]) == status


def test_an_interrupted_program_ends_with_130_after_it_was_stepped_through(here, capsys):
    Path("stopped.py").write_text("import minicnn\nminicnn.Tensor([1.0]) * 2\nraise KeyboardInterrupt\n")
    assert main(["step", "--page", "page.html", "stopped.py"]) == 130
    assert Path("page.html").exists()
    assert main(["step", "--page", "page.html", "two.py"]) == 0


def test_every_command_that_answers_says_what_its_statuses_mean(capsys):
    for words in (
        ("face", "verify"),
        ("face", "identify"),
        ("face", "detect"),
        ("gradcheck",),
        ("doctor",),
        ("learn", "check"),
        ("tutorial", "html"),
    ):
        with pytest.raises(SystemExit) as stopped:
            main([*words, "--help"])
        assert stopped.value.code == 0
        said = " ".join(capsys.readouterr().out.split())
        assert "exit status is 0" in said and ", 1 " in said and "70 after an error" in said and "130" in said, words


def test_what_cannot_be_parsed_is_one_line(capsys):
    for words in (["bogus"], ["style", "--size", "x"], ["face"], ["face", "verify"], ["see", "gradcam", "-o"]):
        with pytest.raises(SystemExit) as stopped:
            main(words)
        assert stopped.value.code == 2
        lines = told(capsys)
        assert len(lines) == 1 and lines[0].startswith("minicnn: ") and "--help" in lines[0]


def test_a_value_may_begin_with_a_minus(here, capsys):
    assert main(["face", "verify", "a.png", "a.png", "--drawn", "--box", "-5,10,30,40"]) == 0
    assert main(["face", "verify", "a.png", "a.png", "--drawn", "--landmarks", "-1,10", "30,40"]) == 0
    with pytest.raises(SystemExit):
        main(["face", "verify", "a.png", "a.png", "-x"])


def actions(found, words=()):
    """(words, parser) of every command that runs."""
    below = [action for action in found._actions if hasattr(action, "choices") and isinstance(action.choices, dict)]
    if not below:
        yield words, found
    for action in below:
        for name, child in action.choices.items():
            yield from actions(child, (*words, name))


FILES = {"FILE", "OUT", "IMAGE", "PICTURE", "DIR", "TAR", "JSON", "GALLERY", "FOLDER", "SOURCE", "NAME|FILE"}
FILES |= {"CONTENT", "STYLE", "PATH", "SCRIPT.py", "DIR|TAR", "INPUT", "FILE|NAME", "CHECKOUT"}
# Files of the learner and lessons, which hand_out never writes over, and folders for what is downloaded or built.
ELSEWHERE = {"learn start", "learn check", "learn use", "tutorial open", "tutorial notebook", "tutorial html"}
ELSEWHERE |= {"weights fetch"}
# Folders that get files of known names, a gallery that is read and written, and what writes nothing.
BY_DESIGN = {("demo", "out"), ("style", "frames"), ("face", "calibrate", "into"), ("weights", "inspect", "weights")}


def test_every_path_of_every_command_is_declared():
    """What is not declared, no place checks."""
    missing = []
    for words, found in actions(parser()):
        declared = found.get_default("paths") or {}
        names = {name for kind in ("reads", "writes", "sides") for name in declared.get(kind, ())}
        for action in found._actions:
            known = action.dest in names or (*words, action.dest) in BY_DESIGN or " ".join(words) in ELSEWHERE
            if action.metavar in FILES and not known:
                missing.append((words, action.dest))
    assert not missing
    assert {words[0] for words, _ in actions(parser())} == set(COMMANDS)

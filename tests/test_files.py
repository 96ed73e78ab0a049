"""Files are whole or not there, and never written over somebody's work."""

import os
import re
import signal
import stat
import sys
import threading

import pytest

from minicnn import files
from minicnn.errors import InputError, MissingFileError
from minicnn.files import (
    bears_mark,
    check_folder,
    hand_out,
    interrupts_wait,
    material,
    read_text,
    replace_file,
    replacing,
    unreadable,
)


def test_a_file_is_replaced_by_text_or_bytes(tmp_path):
    path = tmp_path / "file"
    replace_file(path, "grün\n")
    assert path.read_bytes() == b"gr\xc3\xbcn\n"
    replace_file(path, b"\x00\r\n")
    assert path.read_bytes() == b"\x00\r\n"
    replace_file(path, "a\udcffb")  # what Python makes of a byte in the name of a file
    assert path.read_bytes() == b"a\\udcffb"
    assert os.listdir(tmp_path) == ["file"]


def test_nothing_is_seen_of_a_file_until_it_is_complete(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")
    with replacing(path) as beside:
        beside.write_text("new")
        assert path.read_text() == "old" and beside.parent == tmp_path
        assert re.fullmatch(r"\.minicnn-[0-9a-f]{16}\.part", beside.name)
    assert path.read_text() == "new" and os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt(), MemoryError()])
@pytest.mark.parametrize("there", [True, False])
def test_a_stream_that_fails_leaves_the_old_file_and_nothing_else(tmp_path, error, there):
    path = tmp_path / "file"
    if there:
        path.write_text("old")
    with pytest.raises(type(error)), replacing(path) as beside, open(beside, "w") as file:
        file.write("ne")
        raise error
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("file", "old")] * there


@pytest.mark.parametrize("place", ["fsync", "replace"])
def test_whatever_fails_at_the_end_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, place):
    def interrupt(*_):
        raise KeyboardInterrupt

    (tmp_path / "file").write_text("old")
    monkeypatch.setattr(os, place, interrupt)
    with pytest.raises(KeyboardInterrupt):
        replace_file(tmp_path / "file", "new")
    assert os.listdir(tmp_path) == ["file"] and (tmp_path / "file").read_text() == "old"


def test_the_content_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    calls = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda number: calls.append(os.fstat(number).st_size) or fsync(number))
    monkeypatch.setattr(os, "replace", lambda *paths: calls.append("renamed") or replace(*paths))
    replace_file(tmp_path / "file", b"12345")
    assert calls == [5, "renamed"]


@pytest.mark.parametrize("name", [None, ".file.part"])
def test_a_killed_run_leaves_the_old_file_and_the_next_one_is_not_held_up(tmp_path, fresh_python, name):
    path = tmp_path / "file"
    path.write_text("old")
    program = f"""
import os, sys
from pathlib import Path
from minicnn.files import replacing
with replacing(Path(sys.argv[0]), name={name!r}) as beside:
    beside.write_text("ne")
    os._exit(0)
"""
    fresh_python(program, path)
    assert path.read_text() == "old" and len(os.listdir(tmp_path)) == 2
    with replacing(path, name=name) as beside:
        beside.write_text("new")
    assert path.read_text() == "new"
    assert len(os.listdir(tmp_path)) == (2 if name is None else 1)  # under its own name a remnant is written over


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o400])
def test_a_private_file_is_private_before_it_is_complete(tmp_path, mode):
    def permissions(path):
        return stat.S_IMODE(path.stat().st_mode)

    with replacing(tmp_path / "file", mode=mode) as beside:
        assert permissions(beside) == 0o600
    assert permissions(tmp_path / "file") == mode
    replace_file(tmp_path / "other", "")
    (tmp_path / "ordinary").touch()
    assert permissions(tmp_path / "other") == permissions(tmp_path / "ordinary")


def test_the_folder_of_a_file_is_looked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for path in (tmp_path / "file", (tmp_path / "file").relative_to(tmp_path)):
        check_folder("save: path", path)
    with pytest.raises(MissingFileError, match=r"^save: path '.*file' is in a folder that does not exist$"):
        check_folder("save: path", tmp_path / "none" / "file")


def test_a_file_handed_out_is_never_written_over(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert hand_out("text\n", "task.py", None, command="start").read_bytes() == b"text\n"
    with pytest.raises(InputError, match=r"^start: task\.py is there already, and may hold your work"):
        hand_out("other", "task.py", None, command="start")
    (tmp_path / "folder").mkdir()
    assert hand_out("", "task.py", "folder", command="start").resolve() == (tmp_path / "folder/task.py").resolve()
    with pytest.raises(InputError, match=r"^start: .* cannot be written: No such file"):
        hand_out("", "task.py", tmp_path / "none" / "task.py", command="start")
    assert (tmp_path / "task.py").read_text() == "text\n"


def test_ctrl_c_waits_for_the_end_of_a_step_once():
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), interrupts_wait() as interrupted:
        assert not interrupted
        signal.raise_signal(signal.SIGINT)
        assert interrupted == [signal.SIGINT]
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_another_thread_leaves_signals_alone():
    found = []

    def work():
        with interrupts_wait() as interrupted:
            found.append((interrupted, signal.getsignal(signal.SIGINT)))

    before = signal.getsignal(signal.SIGINT)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [([], before)]


def test_material_lies_inside_the_package_or_next_to_it(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "PACKAGE", tmp_path / "minicnn")
    assert material("weights") == tmp_path / "weights"
    (tmp_path / "minicnn" / "shipped" / "weights").mkdir(parents=True)
    assert material("weights") == tmp_path / "minicnn" / "shipped" / "weights"
    assert material("tutorials") == tmp_path / "tutorials"


@pytest.mark.parametrize("problem", ["ValueError", "KeyboardInterrupt"])
def test_a_program_that_fails_is_not_kept_and_one_that_runs_is_loaded_once(tmp_path, monkeypatch, problem):
    monkeypatch.setattr(files, "PACKAGE", tmp_path / "minicnn")
    (tmp_path / "tutorials" / "of_a_test").mkdir(parents=True)
    path, name = tmp_path / "tutorials" / "of_a_test" / "program.py", "minicnn_tutorials.of_a_test.program"
    path.write_text(f"import sys\nassert __name__ in sys.modules\nraise {problem}\n", encoding="utf-8")
    with pytest.raises((ValueError, KeyboardInterrupt)):
        files.program("of_a_test/program.py")
    assert name not in sys.modules
    path.write_text("answer = 42\n", encoding="utf-8")
    found = files.program("of_a_test/program.py")
    again = files.program("of_a_test/program.py")
    assert sys.modules.pop(name) is found is again and (found.answer, found.__name__) == (42, name)


def test_why_nothing_can_be_read_there(tmp_path, monkeypatch):
    file = tmp_path / "file"
    file.touch()
    assert unreadable(file) is None and unreadable(tmp_path, folder=True) is None
    assert unreadable(tmp_path) == "is a folder" and unreadable(file, folder=True) == "is a file"
    assert unreadable(tmp_path / "none") == unreadable(file / "below") == "does not exist"
    assert unreadable("a\0b") == "cannot be opened: embedded null byte"
    asked = []
    monkeypatch.setattr(os, "access", lambda path, mode: asked.append(mode))
    assert unreadable(file) == unreadable(tmp_path, folder=True) == "cannot be opened: Permission denied"
    assert asked == [os.R_OK, os.R_OK]

    def too_long(path):
        raise OSError(36, "File name too long")

    with monkeypatch.context() as patched:
        patched.setattr(os, "stat", too_long)
        why = unreadable(file)
    assert why == "cannot be opened: File name too long"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
def test_a_pipe_is_no_file_to_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert unreadable(tmp_path / "pipe") == "is not a regular file"


def test_text_is_read_in_utf_8_with_a_mark_or_without(tmp_path):
    file = tmp_path / "file"
    for mark in (b"", b"\xef\xbb\xbf"):
        file.write_bytes(mark + "grün".encode())
        assert read_text("notes:", file) == "grün"
    file.write_bytes("grün".encode("utf-16"))
    with pytest.raises(InputError) as said:
        read_text("notes:", file)
    assert str(said.value) == f"notes: {str(file)!r} is not in UTF-8 (invalid start byte); save it as UTF-8"
    with pytest.raises(InputError) as said:
        read_text("notes:", tmp_path / "none")
    assert str(said.value) == f"notes: {str(tmp_path / 'none')!r} cannot be read (No such file or directory)"


def test_why_no_file_can_be_written_there(tmp_path, monkeypatch):
    file = tmp_path / "file"
    file.touch()
    check_folder("save: path", file)
    for path, why in ((file / "below", "its folder is a file"), (tmp_path, "it is a folder")):
        with pytest.raises(InputError) as said:
            check_folder("save: path", path)
        assert str(said.value) == f"save: path {str(path)!r} cannot be written: {why}"
    asked = []
    monkeypatch.setattr(os, "access", lambda path, mode: mode == os.R_OK or asked.append(mode))
    with pytest.raises(InputError, match=r"'.*file' cannot be written: no file can be made in its folder$"):
        check_folder("save: path", file)
    assert asked == [os.W_OK | os.X_OK]
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.R_OK)
    check_folder("save: path", file)  # to be replaced, a file need not be read


@pytest.mark.parametrize(
    ("before", "mark", "after", "found"),
    [
        (b"", b"made by minicnn", b"", True),
        (b"x" * (2**16 - 15), b"made by minicnn", b"x" * 2**17, True),
        (b"x" * (2**16 - 14), b"made by minicnn", b"x" * 2**17, False),
        (b"x" * 2**17, b"made by minicnn", b"x" * (2**16 - 15), True),
        (b"x" * 2**17, b"made by minicnn", b"x" * (2**16 - 14), False),
        (b"", b'{\n "versions": {\n  "minicnn": "0.1"', b"", True),
        (b"", b"made by hand", b"", False),
    ],
)
def test_the_mark_is_looked_for_at_either_end(tmp_path, before, mark, after, found):
    (tmp_path / "file").write_bytes(before + mark + after)
    assert bears_mark(tmp_path / "file") is found


def test_what_cannot_be_read_bears_no_mark(tmp_path):
    assert bears_mark(tmp_path / "none") is False and bears_mark(tmp_path) is False

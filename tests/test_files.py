"""Files are whole or not there, and never written over somebody's work."""

import os
import signal
import stat
import threading

import pytest

from minicnn.errors import InputError, MissingFileError
from minicnn.files import check_folder, hand_out, interrupts_wait, replace_file, replacing


def test_a_file_is_replaced_by_text_or_bytes(tmp_path):
    path = tmp_path / "file"
    replace_file(path, "grün\n")
    assert path.read_bytes() == b"gr\xc3\xbcn\n"
    replace_file(path, b"\x00\r\n")
    assert path.read_bytes() == b"\x00\r\n"
    assert os.listdir(tmp_path) == ["file"]


def test_nothing_is_seen_of_a_file_until_it_is_complete(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")
    with replacing(path) as beside:
        beside.write_text("new")
        assert path.read_text() == "old" and beside.parent == tmp_path
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
        assert interrupted
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

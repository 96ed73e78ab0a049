"""The process in which a submission runs: its limits, what it may open, and how it ends."""

import errno
import json
import os
import signal
import struct
import subprocess
import sys
import tempfile

import pytest

from minicnn.learn import examining, isolation

LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux has user namespaces")


@LINUX
def test_a_path_has_the_rights_of_its_kind_and_one_that_is_missing_has_none(monkeypatch, tmp_path):
    file, folder = tmp_path / "x.py", tmp_path / "folder"
    file.touch()
    folder.mkdir()
    rules, others, opened = [], [], []

    def call(name, number, *asked):
        if number == isolation.ADD_RULE:
            allows, place = struct.unpack("=Qi", asked[2])
            rules.append((allows, os.readlink(f"/proc/self/fd/{place}")))
            opened.append(place)
        else:
            others.append((name, number))
        return 1

    monkeypatch.setattr(isolation, "_call", call)
    paths = {"read": [folder, tmp_path / "none", file], "listed": [folder], "write": [file, folder]}
    isolation._close({kind: [str(path) for path in some] for kind, some in paths.items()})
    read, everything = isolation.EXECUTE | isolation.READ, 0x1FFF
    assert rules == [
        (read | isolation.LIST, str(folder)),
        (read, str(file)),
        (isolation.LIST, str(folder)),
        (read | isolation.WRITE, str(file)),
        (everything, str(folder)),
    ]
    assert others[-2:] == [("prctl", isolation.NO_NEW_PRIVILEGES), ("syscall", isolation.RESTRICT)]
    for place in opened:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(place)


@LINUX
def test_a_call_of_the_system_that_fails_says_why():
    assert isolation._call("getpid") == os.getpid()
    with pytest.raises(isolation.NotHeld, match="open: No such file or directory") as told:
        isolation._call("open", b"/nowhere/at/all", 0)
    assert told.value.errno == errno.ENOENT


def limited(tmp_path, program, **changes):
    """Return the command that runs a program of one line as isolation.py does."""
    asked = {"memory": 1 << 30, "tries": False, "hold": [], "read": ["/"], "listed": [], "write": [], **changes}
    (tmp_path / "settings.json").write_text(json.dumps(asked), encoding="utf-8")
    own = [sys.executable, "-P", isolation.__file__, str(tmp_path / "settings.json")]
    return [*own, sys.executable, "-c", program]


@LINUX
def test_a_process_has_limits_even_where_it_is_not_isolated(tmp_path):
    program = "import resource as r; print(*(r.getrlimit(n) for n in (r.RLIMIT_DATA, r.RLIMIT_AS, r.RLIMIT_FSIZE, 4)))"
    done = subprocess.run(limited(tmp_path, program), capture_output=True, text=True)
    assert done.stdout.replace(",", "").replace("(", "").replace(")", "").split() == [
        *[str(1 << 30)] * 2, *[str(2 << 30)] * 2, *[str(1 << 26)] * 2, "0", "0",
    ]  # fmt: skip


@pytest.fixture
def isolated(tmp_path):
    """Call it with a program: the command that runs it in a network, and among processes, of its own."""
    tries = {"tries": True, "hold": ["network", "processes"]}
    if subprocess.run(limited(tmp_path, "", **tries), stdout=subprocess.DEVNULL).returncode == 3:
        pytest.skip("no user namespaces on this system")
    return lambda program: limited(tmp_path, program, **tries)


@LINUX
@pytest.mark.parametrize(
    ("program", "status"),
    [("raise SystemExit(7)", 7), ("import ctypes; ctypes.string_at(0)", 128 + signal.SIGSEGV), ("", 0)],
)
def test_an_isolated_process_ends_as_its_program_does(isolated, program, status):
    assert subprocess.run(isolated(program), stderr=subprocess.DEVNULL).returncode == status


@LINUX
def test_the_memory_that_others_share_is_not_there_in_isolation(isolated):
    with tempfile.NamedTemporaryFile(dir="/dev/shm") as shared:
        program = f"import os; print(os.path.exists({shared.name!r}), os.listdir('/dev/shm'), os.listdir('/run'))"
        assert subprocess.run(isolated(program), capture_output=True, text=True).stdout == "False [] []\n"


@LINUX
@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 128 + signal.SIGKILL), (signal.SIGKILL, -9)])
def test_an_isolated_program_ends_with_the_process_that_waits_for_it(isolated, number, status):
    program = "import time; print('begun', flush=True); time.sleep(3); print('and on')"
    with subprocess.Popen(isolated(program), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "begun\n"
        process.send_signal(number)
        assert process.stdout.read() == "" and process.wait() == status


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="Windows has no groups of processes")
def test_what_a_process_has_started_ends_with_it():
    program = "exec 3<&0; (read line <&3; echo and on) & echo begun; wait"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(["sh", "-c", program], start_new_session=True, **pipes) as process:
        assert process.stdout.readline() == "begun\n"
        examining._end(process)
        assert process.communicate("the line\n")[0] == ""


@LINUX
@pytest.mark.parametrize(
    ("outside", "other", "memory", "held"),
    [
        ("outside.txt", None, 1 << 12, []),
        ("none.txt", None, 1 << 12, []),  # there is nothing to read, but a file can be made
        ("none/below.txt", None, 1 << 12, ["files"]),
        ("outside.txt", 2**22 + 1, 1 << 12, ["processes"]),  # the largest number of a process is 2²²
        ("outside.txt", None, 1 << 62, ["memory"]),
    ],
)
def test_what_is_within_reach_is_found_by_trying(tmp_path, outside, other, memory, held):
    (tmp_path / "outside.txt").touch()
    words = ["probe", str(tmp_path / outside), str(other or os.getpid()), str(memory)]
    done = subprocess.run([sys.executable, "-P", isolation.__file__, *words], capture_output=True, check=True)
    assert json.loads(done.stdout) == {part: part in held for part in isolation.HELD}


@pytest.mark.parametrize("problem", [OSError, PermissionError, MemoryError])
def test_an_attempt_fails_for_want_of_a_right_or_of_memory(problem):
    def attempt():
        raise problem

    assert isolation._fails(attempt) and not isolation._fails(lambda: None)

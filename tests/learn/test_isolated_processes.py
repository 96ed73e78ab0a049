"""The process in which a submission runs: its limits, what it may open, and how it ends."""

import errno
import json
import os
import signal
import struct
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from minicnn.learn import candidate, examining, isolation
from minicnn.machine import interpreter

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


@pytest.fixture
def recorded(monkeypatch):
    """What isolation.py asks of the system, which does none of it."""
    did = []

    def at(*parts):
        return SimpleNamespace(write_text=lambda text, encoding: did.append(("write", *parts, text)))

    monkeypatch.setattr(isolation, "_call", lambda *call: did.append(call) or 0)
    monkeypatch.setattr(isolation, "Path", at)
    monkeypatch.setattr(signal, "signal", lambda number, handle: did.append(("signal", number, handle)))
    monkeypatch.setattr(os, "kill", lambda *call: did.append(("kill", *call)))
    return did


def leaves():
    """The first steps of a process to a network, and to processes, of its own."""
    user, group = os.getuid(), os.getgid()
    return [
        ("unshare", 0x78020000),
        ("write", "/proc/self", "setgroups", "deny"),
        ("write", "/proc/self", "uid_map", f"{user} {user} 1"),
        ("write", "/proc/self", "gid_map", f"{group} {group} 1"),
        ("mount", None, b"/", None, 0x44000, None),
        ("mount", b"tmpfs", b"/run", b"tmpfs", 0, b"size=16m"),
        ("mount", b"tmpfs", b"/dev/shm", b"tmpfs", 0, b"size=16m"),
    ]


@LINUX
def test_a_process_leaves_for_a_network_and_processes_of_its_own(monkeypatch, recorded):
    monkeypatch.setattr(os, "fork", lambda: 0)
    isolation._leave({})
    assert recorded == [*leaves(), ("prctl", 1, signal.SIGKILL, 0, 0, 0)]


@LINUX
@pytest.mark.parametrize(("status", "ended"), [(0, 0), (7 << 8, 7), (signal.SIGKILL, 128 + signal.SIGKILL)])
def test_the_process_that_left_waits_for_its_child_and_ends_as_it_does(monkeypatch, recorded, status, ended):
    monkeypatch.setattr(os, "fork", lambda: 4711)
    monkeypatch.setattr(os, "waitpid", lambda *call: recorded.append(("wait", *call)) or (4711, status))
    monkeypatch.setattr(os, "_exit", sys.exit)
    with pytest.raises(SystemExit) as end:
        isolation._leave({})
    *left, (_, number, handle), waited = recorded
    assert (left, number, waited, end.value.code) == (leaves(), signal.SIGTERM, ("wait", 4711, 0), ended)
    handle(signal.SIGTERM, None)
    assert recorded[-1] == ("kill", 4711, signal.SIGKILL)


@LINUX
@pytest.mark.parametrize(
    ("status", "printed", "kept"),
    [(0, '{"network": true, "files": false}', ["network"]), (3, "not isolated: files", [])],
)
def test_what_is_held_is_tried_in_a_process_that_is_as_isolated_as_a_learners(monkeypatch, status, printed, kept):
    asked = []

    def run(command, *, env, capture_output, text):
        settings, outside = Path(command[3]), Path(command[8])
        assert capture_output and text and outside.read_bytes() == b"" and (settings.parent / "answers").is_dir()
        asked.append((command, json.loads(settings.read_text(encoding="utf-8")), env))
        return SimpleNamespace(returncode=status, stdout=printed)

    monkeypatch.setattr(examining.subprocess, "run", run)
    monkeypatch.setattr(examining, "_readable", lambda: (["/usr"], ["/home"]))
    monkeypatch.setenv("SECRET", "a key")
    assert examining.held(1 << 30) == {part: part in kept for part in isolation.HELD}
    ((command, settings, environment),) = asked
    folder, program = Path(command[3]).parent, [interpreter(), "-P", isolation.__file__]
    outside = os.path.join(os.path.dirname(folder), "outside.txt")
    assert command[4:] == [*program, "probe", command[8], str(os.getpid()), str(3 << 30)]
    assert command[:4] == [*program, str(folder / "settings.json")] and os.path.realpath(command[8]) == outside
    assert settings == {
        "memory": 1 << 30,
        "tries": True,
        "hold": [],
        "read": ["/usr", str(folder / "plan.json"), str(folder / "answers")],
        "listed": ["/home"],
        "write": [str(folder / "answers"), "/dev/null"],
    }
    assert environment == examining._bare({**os.environ}, folder / "answers") and "SECRET" not in environment


def test_a_learner_has_no_variables_of_the_teacher_and_one_thread():
    known = {"Path": "/bin", "LANG": "de", "PYTHONIOENCODING": "utf-8", "NUMBA_ENABLE_CUDASIM": "1"}
    others = {"SECRET": "a key", "HOME": "/mine", "PYTHONPATH": "/mine", "MPLBACKEND": "qt", "OMP_NUM_THREADS": "8"}
    folders = ["HOME", "USERPROFILE", "TMPDIR", "TEMP", "TMP", "MPLCONFIGDIR", "NUMBA_CACHE_DIR", "MINICNN_LEARN"]
    threads = ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"]
    assert examining._bare({**known, **others}, Path("answers")) == {
        **known,
        **dict.fromkeys(threads, "1"),
        **dict.fromkeys(folders, "answers"),
        "PYTHONPATH": str(Path(isolation.__file__).parents[2]),
        "MPLBACKEND": "agg",
    }


def test_the_limit_of_time_ends_the_process_and_is_called_off_behind_the_block(monkeypatch, tmp_path):
    did = []
    monkeypatch.setattr(
        candidate,
        "faulthandler",
        SimpleNamespace(
            dump_traceback_later=lambda seconds, *, exit, file: did.append((seconds, exit, Path(file.name).name)),
            cancel_dump_traceback_later=lambda: did.append("called off"),
        ),
    )
    with pytest.raises(KeyError), candidate.limit(2.5, tmp_path / "stopped.txt"):
        did.append("runs")
        raise KeyError
    assert did == [(2.5, True, "stopped.txt"), "runs", "called off"]


@pytest.mark.parametrize("problem", [OSError, PermissionError, MemoryError])
def test_an_attempt_fails_for_want_of_a_right_or_of_memory(problem):
    def attempt():
        raise problem

    assert isolation._fails(attempt) and not isolation._fails(lambda: None)

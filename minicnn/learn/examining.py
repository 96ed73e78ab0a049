"""Run a learner's file in a separate process, which may loop forever, exit or print, and judge its answers here."""

from __future__ import annotations

import functools
import importlib
import inspect
import json
import linecache
import math
import os
import re
import signal
import stat
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import minicnn
from minicnn.errors import InputError, MissingFileError
from minicnn.files import PACKAGE, material, unreadable
from minicnn.learn import excerpts, fairness, isolation
from minicnn.learn.assessment import assess, clean, environment
from minicnn.learn.engine import Step
from minicnn.learn.exercise import Exercise
from minicnn.learn.notebooks import code
from minicnn.learn.verdict import Verdict
from minicnn.machine import interpreter, resident_memory

KEPT = 2000  # characters of its output
NEVER_ENDED, TOO_LARGE = 1000, 1001  # not valid exit statuses
NEVER = "Does a loop never end? --seconds N waits longer."
LATER = 5  # seconds until a process that did not stop itself is ended
SETTING_UP = 120  # seconds in addition to the learner's, for preparing inputs on a slow machine
MEMORY = 2 << 30  # bytes
LARGEST_ANSWER = 1 << 27  # bytes


@dataclass(frozen=True)
class Room:
    """The limits of a learner's process. hold: parts of isolation.HELD without which nothing is run.

    isolated: True to keep it from files and a network where the system can. memory: bytes. stop: set to end it.
    """

    seconds: float = 10
    memory: int = MEMORY
    isolated: bool = False
    hold: tuple[str, ...] = ()
    stop: threading.Event = field(default_factory=threading.Event)


def examine(exercise: Exercise, file: Path, seconds: float) -> Verdict:
    """Return the verdict on a file. seconds: time limit of the learner's code. Raise InputError for a bad argument."""
    if not (isinstance(seconds, float | int) and math.isfinite(seconds) and seconds > 0):
        raise InputError(f"learn check: seconds is {seconds!r}; expected a number above 0")
    if why := unreadable(file):
        raise MissingFileError(f"learn check: {file} {why}; to begin one: minicnn learn start {exercise.name}")
    if interpreter() is None:
        raise InputError(f"learn check: {sys.executable!r} is an application; expected an interpreter of Python")
    code(file)  # raises for what is not a program
    check_simulator(exercise)
    room = Room(seconds)
    verdict = verdict_on(exercise, *answers(excerpts.plan(exercise), exercise, file, room), file=file, room=room)
    if verdict and isinstance(exercise, Step):
        found, _, _ = answers(excerpts.plan(exercise, show=True), exercise, file, room)
        shown = [text for text in found if isinstance(text, str)] if isinstance(found, list) else []
        verdict = replace(verdict, advice=[clean(text) for text in shown])
    return verdict


def answers(plan: dict[str, Any], exercise: Exercise, file: Path, room: Room) -> tuple[Any, str, str]:
    """Run a file as minicnn.learn.candidate does. Return (its answers or None, the reason for None, its output)."""
    with tempfile.TemporaryDirectory(prefix="minicnn-learn-", ignore_cleanup_errors=True) as name:
        folder = Path(os.path.realpath(name))
        (folder / "plan.json").write_text(json.dumps(plan), encoding="utf-8")
        (folder / "answers").mkdir()
        said = folder / "answers" / "answers.json"
        command = [str(interpreter()), "-P", "-m", "minicnn.learn.candidate", str(folder / "plan.json")]
        command += [os.path.realpath(file), str(said), str(room.seconds)]
        surroundings, begun = environment(exercise), said.with_name("stopped.txt")
        if room.isolated:
            surroundings = _bare(surroundings, said.parent)
        launched = _launched(command, folder, file, room)
        status, printed = _run(launched, surroundings, room, begun, said.parent if room.isolated else None)
        found = _read(said)
        stopped = _line_of(begun, file)
    if found is not None:
        return found, "", printed
    if stopped is not None:
        return None, f"it is still running after {room.seconds:g} s{stopped}\0{NEVER}", printed
    if status == NEVER_ENDED:
        return None, "it could not be stopped from inside, and was ended.", printed
    if status == TOO_LARGE:
        return None, f"it uses more memory than {room.memory / 2**30:.2g} GiB\0{fairness.MEMORY}", printed
    why = f"the process ended, with status {status}, before it was judged: does something in {file.name} exit?"
    return None, why, printed


def verdict_on(exercise: Exercise, found: Any, why: str, printed: str, *, file: Path, room: Room) -> Verdict:
    """Return the verdict on the result of `answers`."""
    if found is not None:
        try:
            return replace(assess(exercise, found), printed=printed)
        except ValueError:
            why = f"what {file.name} leaves behind is no answer: does it write to files that are not its own?"
    return Verdict(exercise.name, False, (), why.split("\0"), printed)


def check_simulator(exercise: Exercise) -> None:
    """Raise InputError if the exercise runs on the simulated GPU, and Numba, which simulates it, is missing."""
    if exercise.simulated:
        try:
            importlib.import_module("numba.cuda")
        except ImportError:
            raise InputError(
                f"learn: {exercise.name} runs on the GPU that Numba simulates; pip install numba"
            ) from None


def examine_source(exercise: Exercise, function: Callable[..., Any], seconds: float = 10) -> Verdict:
    """Return the verdict on a function. Its source runs in a separate process, after the exercise's imports."""
    check_callable(exercise.name, function)
    try:
        source = textwrap.dedent(inspect.getsource(getattr(function, "py_func", getattr(function, "fn", function))))
    except (OSError, TypeError):
        raise InputError(
            f"learn check: the source of {exercise.name} is not to be found; write it to a file, and use check_file"
        ) from None
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        file = Path(folder) / f"{exercise.name}.py"
        file.write_text(f"{exercise.imports}\n\n\n{source}", encoding="utf-8")
        return examine(exercise, file, seconds)


def check_callable(name: str, function: Any) -> None:
    """Raise InputError unless function is callable."""
    if not callable(function):
        raise InputError(f"learn check: function is a {type(function).__name__}; expected your {name}, a function")


def _read(said: Path) -> Any:
    """Return the data of a file that the learner's code may have written itself, or None."""
    try:
        about = os.lstat(said)
        if stat.S_ISREG(about.st_mode) and about.st_size <= LARGEST_ANSWER:
            return json.loads(said.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return None


def _line_of(stopped: Path, file: Path) -> str | None:
    """Return the place in the file when the time limit was reached, or None if it was not."""
    try:
        text = stopped.read_text(encoding="utf-8", errors="replace")[:100_000] if os.path.isfile(stopped) else ""
    except OSError:
        return None
    if "Timeout" not in text:
        return None
    lines = re.findall(rf'File ".*?((?:cell \d+ of )?{re.escape(file.name)})", line (\d+)', text)
    if not lines:
        return ""
    name, number = lines[0]
    line = linecache.getline(str(file), int(number)).strip() if name == file.name else ""
    return f", in line {number} of {name}" + (f"\n    {line:.64}" if line else "")


def _bare(surroundings: dict[str, str], folder: Path) -> dict[str, str]:
    """Return an environment without the teacher's own variables, such as keys and folders."""
    known = ("PATH", "LANG", "LC_ALL", "SYSTEMROOT", "PYTHONIOENCODING", "PYTHONUNBUFFERED", "NUMBA_ENABLE_CUDASIM")
    kept = {name: value for name, value in surroundings.items() if name.upper() in known}
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
    places = ("HOME", "USERPROFILE", "TMPDIR", "TEMP", "TMP", "MPLCONFIGDIR", "NUMBA_CACHE_DIR", "MINICNN_LEARN")
    root = str(Path(minicnn.__file__).parents[1])
    return {**kept, **threads, **dict.fromkeys(places, str(folder)), "PYTHONPATH": root, "MPLBACKEND": "agg"}


def _launched(command: list[str], folder: Path, file: Path, room: Room) -> list[str]:
    """Return the command, run by minicnn.learn.isolation where the system has limits to set."""
    if sys.platform == "win32":
        return command
    read, listed = _readable() if room.isolated else ((), ())
    paths = [*read, str(folder / "plan.json"), os.path.realpath(file.parent)]
    settings = {"memory": room.memory, "tries": room.isolated, "hold": room.hold, "read": paths, "listed": listed}
    settings["write"] = [str(folder / "answers"), "/dev/null"]
    (folder / "settings.json").write_text(json.dumps(settings), encoding="utf-8")
    return [command[0], "-P", isolation.__file__, str(folder / "settings.json"), *command]


def held(memory: int = MEMORY) -> dict[str, bool]:
    """Return {part of isolation.HELD: True if a learner's process cannot reach it}, as tried on this machine."""
    with tempfile.TemporaryDirectory(prefix="minicnn-learn-", ignore_cleanup_errors=True) as name:
        folder, outside = Path(os.path.realpath(name)) / "inside", Path(name) / "outside.txt"
        (folder / "answers").mkdir(parents=True)
        outside.write_text("", encoding="utf-8")
        tries = ["probe", str(outside), str(os.getpid()), str(3 * memory)]
        command = [str(interpreter()), "-P", isolation.__file__, *tries]
        launched = _launched(command, folder, folder / "answers" / "none.py", Room(memory=memory, isolated=True))
        done = subprocess.run(launched, env=_bare({**os.environ}, folder / "answers"), capture_output=True, text=True)
        tried = json.loads(done.stdout) if done.returncode == 0 else {}
    return {part: bool(tried.get(part)) for part in isolation.HELD}


@functools.cache
def _readable() -> tuple[list[str], list[str]]:
    """Return (paths to read, folders to list) of Python, its libraries and minicnn, but for the solutions."""
    system: tuple[str, ...] = (
        "/usr",
        "/lib",
        "/lib64",
        "/bin",
        "/etc/ld.so.cache",
        "/etc/localtime",
        "/dev/urandom",
        "/dev/random",
    )
    system += ("/dev/zero", "/proc/cpuinfo", "/proc/meminfo", "/sys/devices/system/cpu", "/System", "/Library")
    own = (PACKAGE, material("weights"), material("tutorials") / "datasets", material("tutorials") / "exercises")
    roots = [*map(Path, system), *own, Path(sys.base_prefix), Path(sys.prefix), Path(os.path.dirname(os.__file__))]
    read, listed = isolation.readable(fairness.sealed(), *roots)
    return read, [*listed, str(PACKAGE.parent)]


def _run(
    command: list[str], environment: dict[str, str], room: Room, begun: Path, folder: Path | None = None
) -> tuple[int, str]:
    """Run a command and return (exit status, beginning of its output). Drain the pipe, so that it never blocks.

    begun: a file that is there once the learner's code runs.
    """
    printed: list[bytes] = []

    def read() -> None:
        assert process.stdout is not None
        while block := os.read(process.stdout.fileno(), 1 << 16):
            if sum(map(len, printed)) <= 4 * KEPT:
                printed.append(block)

    pipes: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with subprocess.Popen(command, env=environment, cwd=folder, start_new_session=True, **pipes) as process:
        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        try:
            status = _waited(process, room, begun)
        finally:
            _end(process)  # also after Ctrl-C
            reader.join(5)  # it ends with the pipe, unless a child process keeps that open
    text = b"".join(printed).decode("utf-8", "replace").replace("\r\n", "\n").rstrip()
    return status, clean(text if len(text) <= KEPT else f"{text[:KEPT]}\n… and more")


def _waited(process: subprocess.Popen[bytes], room: Room, begun: Path) -> int:
    """Return the exit status, or NEVER_ENDED or TOO_LARGE. The learner's time begins when its code does."""
    end = time.monotonic() + SETTING_UP
    running = False
    while True:
        with suppress(subprocess.TimeoutExpired):
            return process.wait(0.1)
        if not running and os.path.exists(begun):
            running, end = True, min(end, time.monotonic()) + 2 * room.seconds + LATER
        if time.monotonic() > end or room.stop.is_set():
            return NEVER_ENDED
        if sys.platform == "darwin" and (resident_memory(process.pid) or 0) > room.memory:
            return TOO_LARGE


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process, and the processes that it has started."""
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(1)
    process.kill()
    if hasattr(os, "killpg"):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)

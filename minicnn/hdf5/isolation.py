"""Files from strangers are read in a process of its own, with limits on time and memory.

libhdf5 crashes and loops on damaged metadata. There it may: the process that reads tells us in plain text what a file
holds, and then sends the numbers that we ask for. The file is opened once, and not here, so nothing can change
between a check and a use. A process that came to no harm serves again.
"""

from __future__ import annotations

import atexit
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, cast

import numpy as np

from minicnn.errors import LoadError
from minicnn.hdf5.entries import Damaged, Listing, parsed
from minicnn.machine import interpreter

PROGRAM = Path(__file__).with_name("reader.py")
LONGEST_ANSWER = 2**25  # bytes; a thousand layers take a hundredth of it
PATIENCE = 60  # seconds without a word
START = 60  # seconds within which a process says that it is ready
# How a process ends that has computed for too long, or waited: by a signal, or on Windows by faulthandler.
TIMED_OUT = (-signal.SIGPROF, -signal.SIGKILL) if sys.platform != "win32" else (1,)


class Reader:
    """A process that reads one file after the other. Its methods raise LoadError or Damaged."""

    listing: Listing

    def __init__(self) -> None:
        if (python := interpreter()) is None:
            why = f"{sys.executable!r} is an application; hdf5.trust(…) names files that need none"
            raise LoadError(f"no process can be started to read it in: {why}")
        # -P, -W: whatever lies beside the program, or is deprecated, is no concern of its.
        command = [python, "-P", "-W", "ignore", str(PROGRAM)]
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(map(os.path.abspath, filter(None, sys.path))),  # the same h5py
            "OPENBLAS_NUM_THREADS": "1",  # each thread would reserve memory
            "HDF5_PLUGIN_PRELOAD": "::",  # load no code because a file asks for it
        }
        self.owner = os.getpid()
        self.owed = 0  # bytes that it has announced and not yet sent
        self.awaited = 0  # how often we have begun to wait for it, and ended
        try:
            self.process = subprocess.Popen(
                command,
                env=environment,
                cwd=PROGRAM.parent,  # on Windows, nobody could remove the folder that it is in
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )
        except OSError as problem:
            raise LoadError(f"no process can be started to read it in ({problem})") from problem
        self._requests = cast(IO[bytes], self.process.stdin)
        self._answers = cast(Any, self.process.stdout)
        impatience = threading.Timer(START, self.process.kill)  # of what is no interpreter, and waits
        impatience.start()
        ready = self._answers.readline(10)
        impatience.cancel()
        if ready != b"ready\n":
            self.end()
            raise LoadError(f"no process can be started to read it in; expected {command[0]} -c 'import h5py' to work")

    def open(self, path: Path) -> None:
        """Find out what a file holds."""
        self.listing = parsed(self._ask({"open": os.path.abspath(path)}))

    def stream(self, path: str) -> Reader:
        """The numbers of an array, to be had by `fill`."""
        entry = self.listing.arrays[path]
        if self._ask({"read": path}).get("bytes") != entry.nbytes:
            raise Damaged(f"{path!r} has another size than it says")
        self.owed = entry.nbytes
        return self

    def fill(self, buffer: np.ndarray) -> None:
        """The next numbers into a contiguous array."""
        with self._patience():
            got = self._answers.readinto(buffer.data.cast("B"))
        self.owed -= got
        if got < buffer.nbytes:
            raise self._end()

    def close(self) -> None:
        """Let go of the file."""
        self._ask({"close": True})

    def end(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.wait()
        for pipe in (self._requests, self._answers):
            with suppress(OSError):  # what is left unsent
                pipe.close()

    @property
    def ready(self) -> bool:
        """Whether it can be asked something, by this process."""
        return self.owner == os.getpid() and self.process.poll() is None and self.owed == 0

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        line = b""
        with suppress(OSError), self._patience():  # a broken pipe: it has ended
            self._requests.write(json.dumps(request).encode() + b"\n")
            self._requests.flush()
            line = self._answers.readline(LONGEST_ANSWER)
        if not line.endswith(b"\n"):
            raise self._end()
        try:
            answer = dict(json.loads(line))
        except (ValueError, TypeError) as problem:
            raise Damaged("what it holds cannot be told") from problem
        if "refused" in answer:
            raise LoadError(answer["refused"])
        if "damaged" in answer:
            raise Damaged(answer["damaged"])
        return answer

    @contextmanager
    def _patience(self) -> Iterator[None]:
        """Inside the block we wait for it: `awaited` is odd."""
        self.awaited += 1
        try:
            yield
        finally:
            self.awaited += 1

    def _end(self) -> Damaged:
        """Why it has ended; and if it has not, it is beside itself and does so now."""
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(0.2)
        self.process.kill()
        if self.process.wait() in TIMED_OUT:
            return Damaged("it takes too long to read")
        return Damaged("HDF5's library crashed on it")


_idle: list[Reader] = []


@contextmanager
def reading(path: Path) -> Iterator[Reader]:
    """A process that has a file open. Raises Damaged at the end if the file has changed meanwhile."""
    before = path.stat()
    reader = _taken() or Reader()
    done = threading.Event()
    threading.Thread(target=_watch, args=(reader, done), daemon=True).start()
    unharmed = False
    try:
        reader.open(path)
        yield reader
        unharmed = True
    except LoadError:  # an unwelcome file, but a sound one
        unharmed = True
        raise
    finally:
        done.set()
        _put_back(reader, unharmed)
    after = path.stat()
    if (after.st_ino, after.st_size, after.st_mtime_ns) != (before.st_ino, before.st_size, before.st_mtime_ns):
        raise Damaged("it changed while it was read")


def _watch(reader: Reader, done: threading.Event) -> None:
    """Kill a process that is waited for and says nothing. Seconds are counted one by one: those asleep make one."""
    awaited = silent = 0
    while not done.wait(1):
        silent = silent + 1 if reader.awaited == awaited and awaited % 2 else 0
        awaited = reader.awaited
        if silent == PATIENCE:
            reader.process.kill()
            return


def _taken() -> Reader | None:
    """An idle process; after a fork, none of those of the parent."""
    for reader in list(_idle):
        if reader.ready:
            with suppress(ValueError):  # another thread was faster
                _idle.remove(reader)
                return reader
    return None


def _put_back(reader: Reader, unharmed: bool) -> None:
    if unharmed and reader.ready and not any(other.ready for other in _idle):
        with suppress(Damaged, LoadError):
            reader.close()
            _idle.append(reader)
            return
    reader.end()


@atexit.register
def _end_all() -> None:
    for reader in _idle:
        if reader.owner == os.getpid():
            reader.end()

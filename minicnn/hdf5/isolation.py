"""Reading untrusted files in a separate process, with limits on time and memory.

libhdf5 can crash or loop on damaged metadata. Here only the reader process is affected. It reports the contents of a
file as plain text, then sends the arrays that we ask for. Only that process opens the file, and only once, so nothing
can change between check and use. A process that read a sound file is reused.
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
PATIENCE = 60  # seconds to wait for an answer
START = 60  # seconds to wait for a process to start
# Exit statuses of a process that exceeded its time limit: a signal, or on Windows faulthandler's status.
TIMED_OUT = (-signal.SIGPROF, -signal.SIGKILL) if sys.platform != "win32" else (1,)


class Reader:
    """A process that reads files, one after another. Its methods raise LoadError or Damaged."""

    listing: Listing

    def __init__(self) -> None:
        if (python := interpreter()) is None:
            why = f"{sys.executable!r} is an application; hdf5.trust(…) names files that need none"
            raise LoadError(f"no process can be started to read it in: {why}")
        # -P, -W: do not import from the program's folder, and ignore deprecation warnings.
        command = [python, "-P", "-W", "ignore", str(PROGRAM)]
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(map(os.path.abspath, filter(None, sys.path))),  # the same h5py
            "OPENBLAS_NUM_THREADS": "1",  # each thread would reserve memory
            "HDF5_PLUGIN_PRELOAD": "::",  # load no plugin that a file asks for
        }
        self.owner = os.getpid()
        self.owed = 0  # bytes announced but not yet received
        self.awaited = 0  # number of times that we have started or stopped waiting for an answer
        try:
            self.process = subprocess.Popen(
                command,
                env=environment,
                cwd=PROGRAM.parent,  # on Windows, the current folder of a process cannot be deleted
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )
        except OSError as problem:
            raise LoadError(f"no process can be started to read it in ({problem})") from problem
        self._requests = cast(IO[bytes], self.process.stdin)
        self._answers = cast(Any, self.process.stdout)
        impatience = threading.Timer(START, self.process.kill)  # in case it is not a Python interpreter
        impatience.start()
        ready = self._answers.readline(10)
        impatience.cancel()
        if ready != b"ready\n":
            self.end()
            raise LoadError(f"no process can be started to read it in; expected {command[0]} -c 'import h5py' to work")

    def open(self, path: Path) -> None:
        """Open a file and read its listing."""
        self.listing = parsed(self._ask({"open": os.path.abspath(path)}))

    def stream(self, path: str) -> Reader:
        """Request the elements of an array; read them by `fill`."""
        entry = self.listing.arrays[path]
        if self._ask({"read": path}).get("bytes") != entry.nbytes:
            raise Damaged(f"{path!r} has another size than it says")
        self.owed = entry.nbytes
        return self

    def fill(self, buffer: np.ndarray) -> None:
        """Read the next elements into a contiguous array."""
        with self._patience():
            got = self._answers.readinto(buffer.data.cast("B"))
        self.owed -= got
        if got < buffer.nbytes:
            raise self._end()

    def close(self) -> None:
        """Close the file."""
        self._ask({"close": True})

    def end(self) -> None:
        """Kill the process and close its pipes."""
        self.process.kill()
        self.process.wait()
        for pipe in (self._requests, self._answers):
            with suppress(OSError):  # unsent bytes
                pipe.close()

    @property
    def ready(self) -> bool:
        """True if the process is idle and belongs to this process."""
        return self.owner == os.getpid() and self.process.poll() is None and self.owed == 0

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        line = b""
        with suppress(OSError), self._patience():  # a broken pipe: the process has exited
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
        """Mark the block as waiting for an answer: `awaited` is odd inside it."""
        self.awaited += 1
        try:
            yield
        finally:
            self.awaited += 1

    def _end(self) -> Damaged:
        """Return the reader's exit reason, killing it first if it still runs."""
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(0.2)
        self.process.kill()
        if self.process.wait() in TIMED_OUT:
            return Damaged("it takes too long to read")
        return Damaged("HDF5's library crashed on it")


_idle: list[Reader] = []


@contextmanager
def reading(path: Path) -> Iterator[Reader]:
    """Yield a process that has the file open. Raises Damaged at the end if the file changed meanwhile."""
    before = path.stat()
    reader = _taken() or Reader()
    done = threading.Event()
    threading.Thread(target=_watch, args=(reader, done), daemon=True).start()
    unharmed = False
    try:
        reader.open(path)
        yield reader
        unharmed = True
    except LoadError:  # the file is refused, but not damaged
        unharmed = True
        raise
    finally:
        done.set()
        _put_back(reader, unharmed)
    after = path.stat()
    if (after.st_ino, after.st_size, after.st_mtime_ns) != (before.st_ino, before.st_size, before.st_mtime_ns):
        raise Damaged("it changed while it was read")


def _watch(reader: Reader, done: threading.Event) -> None:
    """Kill a process that does not answer. Counts seconds one by one, so that a suspend counts as one."""
    awaited = silent = 0
    while not done.wait(1):
        silent = silent + 1 if reader.awaited == awaited and awaited % 2 else 0
        awaited = reader.awaited
        if silent == PATIENCE:
            reader.process.kill()
            return


def _taken() -> Reader | None:
    """Return an idle process or None; after a fork, never one of the parent's."""
    for reader in list(_idle):
        if reader.ready:
            with suppress(ValueError):  # another thread took it
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

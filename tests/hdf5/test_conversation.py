"""What is said to the process that reads files, and what its answers lead to: here by one that is made up."""

import io
import os
import signal
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from minicnn.errors import InputError, LoadError
from minicnn.hdf5 import access, isolation
from minicnn.hdf5.entries import Damaged, parsed


class Process:
    """A process that is none. status: its exit status; None while it runs."""

    def __init__(self, status=None):
        self.status = status

    def kill(self):
        self.status = -9 if self.status is None else self.status

    def poll(self):
        return self.status

    def wait(self, seconds=None):
        if self.status is None:
            raise subprocess.TimeoutExpired("reader", seconds)
        return self.status


def talking(answers, status=None):
    """A Reader that has these answers to come, of a file with an array of 8 bytes."""
    reader = object.__new__(isolation.Reader)
    reader.process, reader.owner, reader.owed, reader.awaited = Process(status), os.getpid(), 0, 0
    reader._requests, reader._answers = io.BytesIO(), io.BytesIO(answers)
    entry = {"shape": [2], "dtype": "float32", "format": "<f4"}
    reader.listing = parsed({"groups": {"": {}}, "arrays": {"a": entry}})
    return reader


TOO_LONG = -signal.SIGPROF if sys.platform != "win32" else 1


@pytest.mark.parametrize(
    ("answer", "status", "error", "message"),
    [
        (b"", 3, Damaged, "HDF5's library crashed on it"),
        (b'{"bytes": 8}', 3, Damaged, "HDF5's library crashed on it"),  # no line
        (b"", TOO_LONG, Damaged, "it takes too long to read"),
        (b"no JSON\n", None, Damaged, "what it holds cannot be told"),
        (b"3\n", None, Damaged, "what it holds cannot be told"),
        (b'{"refused": "a link"}\n', None, LoadError, "a link"),
        (b'{"damaged": "odd"}\n', None, Damaged, "odd"),
        (b'{"bytes": 7}\n', None, Damaged, "'a' has another size than it says"),
        (b"{}\n", None, Damaged, "'a' has another size than it says"),
    ],
)
def test_answers_that_give_no_array(answer, status, error, message):
    reader = talking(answer, status)
    with pytest.raises(error) as caught:
        reader.stream("a")
    assert str(caught.value) == message and type(caught.value) is error
    assert reader.owed == 0 and reader.awaited == 2


def test_an_array_is_owed_until_all_of_it_has_come():
    reader = talking(b'{"bytes": 8}\n' + np.float32([1, 2]).tobytes() + b"{}\n")
    assert reader.ready and reader.stream("a") is reader
    assert reader._requests.getvalue() == b'{"read": "a"}\n'
    assert reader.owed == 8 and not reader.ready
    first, second = np.zeros(1, np.float32), np.zeros(1, np.float32)
    reader.fill(first)
    assert reader.owed == 4 and not reader.ready
    reader.fill(second)
    assert (first, second) == (1, 2) and reader.owed == 0 and reader.ready
    reader.close()
    assert reader._requests.getvalue().endswith(b'\n{"close": true}\n') and reader.awaited == 8
    with pytest.raises(Damaged):
        reader.fill(first)
    assert reader.process.status == -9  # it ran, and said nothing


def test_a_reader_is_ready_for_its_own_process_only(monkeypatch):
    reader = talking(b"")
    reader.owner = -1
    assert not reader.ready
    monkeypatch.setattr(isolation, "_idle", [reader, ended := talking(b"", status=0), mine := talking(b"")])
    assert isolation._taken() is mine and isolation._idle == [reader, ended]
    assert isolation._taken() is None
    isolation._idle.append(mine)
    isolation._end_all()
    assert (reader.process.status, mine.process.status) == (None, -9)
    assert mine._requests.closed and mine._answers.closed and not reader._requests.closed


@pytest.mark.parametrize(
    ("unharmed", "idle", "answer", "kept"),
    [
        (True, [], b"{}\n", True),
        (False, [], b"{}\n", False),
        (True, [None], b"{}\n", False),  # one is enough
        (True, [0], b"{}\n", True),
        (True, [None, 0], b"{}\n", False),
        (True, [], b'{"damaged": "odd"}\n', False),
        (True, [], b'{"refused": "odd"}\n', False),
    ],
)
def test_which_readers_are_kept(monkeypatch, unharmed, idle, answer, kept):
    monkeypatch.setattr(isolation, "_idle", [talking(b"", status) for status in idle])
    isolation._put_back(reader := talking(answer), unharmed)
    assert (reader in isolation._idle) == kept == (not reader._requests.closed)
    assert reader.process.status == (None if kept else -9)


@pytest.mark.parametrize(("awaited", "seconds"), [([1] * 9, 4), ([2] * 9, None), ([1, 1, 3, 3, 3, 3, 3, 3], 6)])
def test_a_reader_that_is_silent_for_too_long_is_killed(monkeypatch, awaited, seconds):
    """The first second tells which answer is awaited, and three more pass."""
    monkeypatch.setattr(isolation, "PATIENCE", 3)
    reader, waited = talking(b""), []

    def wait(duration):
        waited.append(duration)
        if len(waited) > len(awaited) or reader.process.status is not None:
            return True
        reader.awaited = awaited[len(waited) - 1]
        return False

    isolation._watch(reader, SimpleNamespace(wait=wait))
    assert set(waited) == {1} and reader.process.status == (None if seconds is None else -9)
    assert len(waited) == (seconds or len(awaited) + 1)


def test_errors_of_our_own_pass_through_as_they_are(saved):
    for error, said in (
        (InputError("as it is"), "as it is"),
        (LoadError("two\nlines"), f"weights {str(saved)!r}: two lines"),
    ):
        with pytest.raises(InputError) as caught, access.named(saved):
            raise error
        assert str(caught.value) == said and type(caught.value) is type(error)
    with pytest.raises(LoadError) as caught, access.named("g.h5", "gallery"):
        raise Damaged("odd")
    assert str(caught.value) == "gallery 'g.h5' is damaged or truncated (odd); expected a gallery that minicnn saved"

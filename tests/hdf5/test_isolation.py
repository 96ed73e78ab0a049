"""The process that reads files: what it may do, what becomes of it, and that nothing it does reaches us."""

import json
import os
import signal
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path

import h5py
import numpy as np
import pytest
from samples import network

from minicnn import hdf5, models, nn
from minicnn.errors import LoadError
from minicnn.hdf5 import access, isolation
from minicnn.hdf5.entries import Damaged, parsed
from minicnn.hdf5.matches import arrays_of

# reader.py, but for one function: that in which it sees what a file holds.
ODD = """
import importlib.util, os, signal, sys, time
spec = importlib.util.spec_from_file_location("reader", {program!r})
reader = importlib.util.module_from_spec(spec)
spec.loader.exec_module(reader)

def listing(file):
    {does}

reader.listing = listing
reader._confine()
reader.serve(sys.stdin.buffer, sys.stdout.buffer)
"""


@pytest.fixture
def fresh(monkeypatch):
    """No process is left from the tests before, and none to those after."""
    monkeypatch.setattr(isolation, "_idle", [])
    monkeypatch.setattr(access, "_listings", {})
    monkeypatch.setattr(access, "_known", set())
    yield
    isolation._end_all()


@pytest.fixture
def started(monkeypatch, fresh):
    """The processes that were started."""
    found = []

    class Counted(isolation.Reader):
        def __init__(self):
            super().__init__()
            found.append(self)

    monkeypatch.setattr(isolation, "Reader", Counted)
    return found


@pytest.fixture
def odd(monkeypatch, tmp_path, fresh):
    """Call it with what a process does instead of looking into a file."""

    def replace(does):
        program = tmp_path / "odd.py"
        program.write_text(ODD.format(program=str(isolation.PROGRAM), does=does), encoding="utf-8")
        monkeypatch.setattr(isolation, "PROGRAM", program)

    return replace


needs_signals = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals")
needs_limits = pytest.mark.skipif(sys.platform != "linux", reason="this system holds no process to a limit of memory")


# What it does to itself


@needs_signals
def test_a_crash_is_a_refusal(odd, saved, refused):
    odd("os.kill(os.getpid(), signal.SIGSEGV)")
    refused(saved, "is damaged or truncated (HDF5's library crashed on it)")


@needs_signals
def test_a_loop_ends_soon(odd, saved, refused, started):
    """Also one in which Python never gets to run: by a limit that the process has set to itself."""
    odd("any(iter(int, 1))")
    refused(saved, "it takes too long to read")
    assert [reader.process.returncode for reader in started] == [-signal.SIGPROF]


@needs_signals
def test_waiting_ends_some_day(odd, saved, refused, monkeypatch):
    """As on a network drive that has gone, where no time of the processor passes."""
    odd("time.sleep(600)")
    monkeypatch.setattr(isolation, "PATIENCE", 1)
    refused(saved, "it takes too long to read")


@needs_limits
def test_memory_is_limited(odd, saved, refused):
    odd("bytearray(300 * 2**20)")
    refused(saved, "MemoryError")


@needs_limits
def test_it_takes_little_memory(tmp_path, started):
    """However large the file."""
    hdf5.save(nn.Linear(6000, 3000, initial="zeros"), tmp_path / "large.h5")
    hdf5.load(nn.Linear(6000, 3000, initial="zeros"), tmp_path / "large.h5")
    status = Path(f"/proc/{started[0].process.pid}/status").read_text(encoding="ascii")
    (peak,) = (int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM"))
    assert peak < 100  # megabytes, for 72


@pytest.mark.parametrize(
    "answer",
    [
        [],
        3,
        {},
        {"groups": {}, "arrays": []},
        {"groups": {"": 3}, "arrays": {}},
        {"groups": {}, "arrays": {}},
        *(
            {"groups": {"": {}}, "arrays": {"a": {"dtype": "any", **entry}}}
            for entry in (
                {"shape": [-1], "format": "<f4"},
                {"shape": [1e30], "format": "<f4"},
                {"shape": [True], "format": "<f4"},
                {"shape": "no", "format": "<f4"},
                {"shape": [2**62], "format": "<f4"},
                {"shape": [1], "format": "<f4", "offset": -1},
                {"shape": [1], "format": "<f4", "offset": True},
                {"shape": [1], "format": "<f4", "offset": 2**62},
                {"shape": [1], "format": "|O"},
                {"shape": [1], "format": 4},
                {"shape": [1]},
            )
        ),
    ],
)
def test_what_it_says_is_not_believed_blindly(answer):
    with pytest.raises(Damaged, match="what it holds cannot be told"):
        parsed(answer)


def test_what_it_says_of_an_array_may_be_at_the_borders():
    def entry(**facts):
        return parsed({"groups": {"": {}}, "arrays": {"a": {"dtype": "any", **facts}}}).arrays["a"]

    empty = entry(shape=[0, 3], format="<f8", offset=0)
    assert (empty.shape, empty.size, empty.nbytes, empty.offset, empty.floats) == ((0, 3), 0, 0, 0, True)
    half = entry(shape=[2, 3], format="bfloat16")
    assert (half.size, half.nbytes, half.offset, half.floats, half.brain_float) == (6, 12, None, True, True)
    whole = entry(shape=[2**62 - 1], format="|u1", offset=2**62 - 1)
    assert (whole.nbytes, whole.floats, whole.brain_float) == (2**62 - 1, False, False)
    other = entry(shape=None, format=None)
    assert (other.shape, other.size, other.nbytes, other.floats) == (None, 0, 0, False)
    assert entry(shape=[5], format=None).nbytes == 0


def test_what_it_says_must_be_said_in_json(odd, saved, refused):
    odd("print('not JSON', flush=True); time.sleep(60)")
    refused(saved, "what it holds cannot be told")


def test_what_it_sends_must_have_the_size_that_it_said(odd, saved, refused):
    """A file that was found sound, and changed its size."""
    odd("found = whole(file); found['arrays']['conv2.b']['format'] = '<f8'; return found")
    program = isolation.PROGRAM.read_text(encoding="utf-8")
    isolation.PROGRAM.write_text(
        program.replace("def listing", "whole = reader.listing\n\ndef listing"), encoding="utf-8"
    )
    refused(saved, "conv2.b' has another size than it says")


# What becomes of it


def test_it_serves_again_after_a_sound_file_and_an_unwelcome_one(saved, started, refused, monkeypatch):
    hdf5.load(network(seed=1), saved)
    monkeypatch.chdir(saved.parent)
    hdf5.load(network(seed=1), saved.name)
    refused(saved, "of another shape", model=network(width=6))
    hdf5.load(network(seed=1), saved)
    assert len(started) == 1


def test_it_does_not_serve_again_after_a_damaged_file(saved, started, refused):
    content = saved.read_bytes()
    saved.write_bytes(content[:-100])
    refused(saved, "damaged")
    assert started[0].process.poll() is not None
    saved.write_bytes(content)
    hdf5.load(network(seed=1), saved)
    assert len(started) == 2


def test_it_does_not_serve_again_when_it_was_left_in_the_middle(path, started, refused):
    model = nn.Linear(2000, 1000, name="fc")
    model.w.data[0, 0] = np.nan
    with h5py.File(path, "w") as file:
        file.attrs["format"] = "minicnn"
        file["w"], file["b"] = model.w.data, model.b.data
    refused(path, "NaN", model=nn.Linear(2000, 1000, name="fc"))
    assert started[0].process.poll() is not None


def test_it_holds_no_file_when_it_waits_and_loads_no_code_for_one(saved, started):
    hdf5.load(network(seed=1), saved)
    process = Path(f"/proc/{started[0].process.pid}")
    if process.exists():
        assert str(saved) not in {os.readlink(link) for link in (process / "fd").iterdir()}
        assert b"HDF5_PLUGIN_PRELOAD=::" in (process / "environ").read_bytes().split(b"\0")
    saved.unlink()  # which Windows would refuse
    assert started[0].ready


def test_it_dies_when_nobody_asks_any_more(started, saved):
    hdf5.load(network(seed=1), saved)
    started[0]._requests.close()
    assert started[0].process.wait(20) == 0


def test_that_of_a_parent_is_left_alone(saved, started):
    """A process that was forked would talk into what its parent says."""
    hdf5.load(network(seed=1), saved)
    started[0].owner = -1
    hdf5.load(network(seed=1), saved)
    assert len(started) == 2 and started[0].process.poll() is None
    started[0].owner = os.getpid()


def test_no_process_can_be_started(saved, refused, monkeypatch, tmp_path, fresh):
    with monkeypatch.context() as inside:
        inside.setattr(sys, "executable", str(tmp_path / "nowhere"))
        refused(saved, "no process can be started to read it in")
    program = tmp_path / "broken.py"
    program.write_text("import no_such_library", encoding="utf-8")
    monkeypatch.setattr(isolation, "PROGRAM", program)
    refused(saved, "expected", "-c 'import h5py' to work")


def test_an_application_is_no_interpreter(saved, refused, monkeypatch, fresh):
    monkeypatch.setattr(isolation, "interpreter", lambda: None)
    refused(
        saved, f"no process can be started to read it in: {sys.executable!r} is an application; hdf5.trust(…) names"
    )


def test_a_process_that_ends_while_it_sends_is_a_refusal(saved, refused, started):
    """The first half of an array comes, and no more."""
    reader = isolation.Reader()
    reader.open(saved)
    reader.stream("conv1.w")
    reader.process.kill()
    reader.process.wait()
    with pytest.raises(Damaged, match=r"HDF5's library crashed on it|it takes too long"):
        reader.fill(np.empty(2**22, np.uint8))
    assert not reader.ready
    reader.end()


@needs_signals
@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("SIGKILL", "it takes too long to read"),
        ("SIGPROF", "it takes too long to read"),
        ("SIGSEGV", "HDF5's library crashed on it"),
    ],
)
def test_why_a_process_has_ended_is_known_by_its_signal(name, why):
    reader = isolation.Reader()
    os.kill(reader.process.pid, getattr(signal, name))
    reader.process.wait()
    assert str(reader._end()) == why
    reader.end()


def test_a_disk_in_trouble_is_a_refusal(saved, refused, monkeypatch):
    def fails(*_):
        raise OSError(5, "Input/output error")

    told = pytest.raises(LoadError, match=r"^weights '.*' cannot be read \(.*Input/output error\); expected")
    with told, access.named(saved):
        fails()
    monkeypatch.setattr(access, "_signed", fails)
    refused(saved, "cannot be opened (", "Input/output error")


@pytest.mark.parametrize("name", ["Gewichte für ö.h5", "two\nlines.h5", "\x1b[31m.h5"])
def test_paths_of_all_kinds(saved, name):
    if os.name == "nt" and not name.isprintable():
        pytest.skip("Windows has no such names")
    saved.rename(saved.with_name(name))
    assert hdf5.load(network(seed=1), saved.with_name(name)).complete
    with pytest.raises(LoadError) as caught:
        hdf5.load(network(width=6), saved.with_name(name))
    assert str(caught.value).isprintable()


def test_a_file_that_changes_while_it_is_read(path):
    """HDF5's library reads zeros behind the end of a file that was longer when it was opened."""
    hdf5.save(nn.Linear(2000, 1000), path)
    with pytest.raises(Damaged, match="changed while"), isolation.reading(path) as reader:
        with open(path, "r+b") as file:
            file.truncate(5000)
        reader.stream("w").fill(np.empty(reader.listing.arrays["w"].shape, np.float32))


# When none is needed


def no_process():
    raise AssertionError("a process was started")


def test_a_known_file_is_read_here(path, monkeypatch, fresh):
    hdf5.save(network(), path, dtype="float16")
    hdf5.trust([hdf5.summary(path).sha256])
    isolation._end_all()
    isolation._idle.clear()
    monkeypatch.setattr(isolation, "Reader", no_process)
    model = network(seed=1)
    assert hdf5.load(model, path).complete
    for name, array in arrays_of(model).items():
        np.testing.assert_array_equal(array, arrays_of(network())[name].astype(np.float16))
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(AssertionError, match="was started"):
        hdf5.load(model, path)


def test_the_weights_of_the_catalogue_are_known(monkeypatch):
    for name, empty in (("_idle", []), ("Reader", no_process)):
        monkeypatch.setattr(isolation, name, empty)
    monkeypatch.setattr(access, "_listings", {})
    assert models.tiny_vgg() and models.tiny_facenet()


def test_what_a_file_holds_is_found_out_once(saved, monkeypatch, fresh):
    os.utime(saved, (1e9, 1e9))
    monkeypatch.setattr(access, "RECENT", 0)  # the file was touched just now
    assert hdf5.compare(network(), saved).complete
    with monkeypatch.context() as inside:
        inside.setattr(isolation, "reading", no_process)
        assert hdf5.compare(network(), saved).complete and len(hdf5.inspect(saved)) == 9
    hdf5.save(network(width=6), saved)
    assert not hdf5.compare(network(), saved).complete


def test_a_file_that_was_written_just_now_may_change_unnoticed(saved, fresh):
    os.utime(saved, (time.time() + 60,) * 2)  # longer than this machine may sleep
    assert hdf5.compare(network(), saved).complete
    assert access._listings == {}


# What it costs


class Counting:
    """The most memory that NumPy has taken inside the block, in bytes."""

    def __enter__(self):
        tracemalloc.start()
        return self

    def __exit__(self, *_):
        self.peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()


@pytest.mark.parametrize("options", [{}, {"dtype": "float16"}, {"layout": "keras"}])
def test_the_new_arrays_are_all_the_memory_that_loading_takes(tmp_path, options):
    """So a model that holds none yet needs its own size, and one that holds some twice that."""
    hdf5.save(nn.Linear(4000, 2000, initial="zeros", name="fc"), tmp_path / "a.h5", **options)
    model = nn.Linear(4000, 2000, initial="zeros", name="fc")
    with Counting() as memory:
        hdf5.load(model, tmp_path / "a.h5")
    size = sum(array.nbytes for array in arrays_of(model).values())
    assert size <= memory.peak < 1.2 * size


def test_theanos_order_takes_no_more(tmp_path):
    """Numbers go where they belong as they come."""
    conv = nn.Conv2d(512, 1024, 3, initial="zeros", name="conv")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.attrs["layer_names"] = ["conv"]
        file["conv/conv/kernel:0"], file["conv/conv/bias:0"] = conv.w.data.transpose(3, 2, 0, 1), conv.b.data
    with Counting() as memory:
        assert hdf5.load(conv, tmp_path / "a.h5").notes
    assert memory.peak < 1.5 * conv.w.data.nbytes


def test_an_exception_ends_no_later_than_the_program(fresh_python, saved):
    """The process that reads does not outlive us, and nothing is said about it."""
    said = fresh_python(
        """
import sys
from minicnn import hdf5
from minicnn.hdf5 import isolation
hdf5.inspect(sys.argv[0])
print(isolation._idle[0].process.pid)
""",
        saved,
    )
    if os.name == "posix":
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            try:
                os.kill(int(said), 0)
            except ProcessLookupError:
                return
            time.sleep(0.05)
        pytest.fail("it is still there")


def test_it_answers_line_by_line(saved):
    """As a program, for whoever looks at it."""
    requests = [{"open": str(saved)}, {"read": "conv2.b"}, {"close": True}]
    said = subprocess.run(
        [sys.executable, str(isolation.PROGRAM)],
        input="".join(json.dumps(request) + "\n" for request in requests).encode(),
        stdout=subprocess.PIPE,
        check=True,
    ).stdout
    ready, listing, size, rest = said.split(b"\n", 3)
    assert ready == b"ready" and json.loads(listing)["arrays"]["conv2.b"]["shape"] == [5]
    assert json.loads(size) == {"bytes": 20}
    np.testing.assert_array_equal(np.frombuffer(rest[:20], "<f4"), arrays_of(network())["conv2.b"])
    assert rest[20:] == b"{}\n"

"""The threads of the compiled kernels, the hold on BLAS, and both after a fork."""

import os
import signal
import sys
import threading
import time
import warnings
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import scipy.linalg.cython_blas  # noqa: F401  (the BLAS of the compiled kernels, so that the tests below see it)
import threadpoolctl
from numpy.testing import assert_array_equal

from minicnn import ops, resources
from minicnn.backend import use_backend
from minicnn.errors import InputError
from minicnn.fast.cpu import blas, threads
from minicnn.tensor import Tensor

# Threads


@pytest.mark.parametrize("count", [0, -1, 1.5, 2.0, "2", None, True, [2]])
def test_nonsense_is_no_number_of_threads(count):
    before = resources.threads()
    with pytest.raises(InputError) as caught:
        resources.set_threads(count)
    assert str(caught.value) == f"set_threads: count is {count!r}; expected an integer of at least 1"
    assert resources.threads() == before


@pytest.mark.parametrize(("known", "cores"), [(None, 1), (6, 6)])
def test_there_are_as_many_threads_as_cores(monkeypatch, known, cores):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {1, 4}, raising=False)
    assert threads._Threads().count == 2
    monkeypatch.delattr(os, "sched_getaffinity")  # macOS and Windows lack it
    monkeypatch.setattr(os, "cpu_count", lambda: known)
    assert threads._Threads().count == cores


def test_the_number_of_threads_is_kept(thread_count):
    for count in (1, 3):
        thread_count(count)
        assert resources.threads() == count


@pytest.mark.parametrize("count", [0, 1, 2, 15, 16, 17, 100, 12345])
@pytest.mark.parametrize("least", [1, 10, 1000])
def test_split_covers_the_range_in_order_and_evenly(count, least):
    pieces = threads.split(count, least=least, most=16)
    assert 1 <= len(pieces) <= 16
    assert [i for start, stop in pieces for i in range(start, stop)] == list(range(count))
    sizes = [stop - start for start, stop in pieces]
    assert max(sizes) - min(sizes) <= 1
    assert len(pieces) == 1 or min(sizes) >= least


def test_split_does_not_ask_for_the_number_of_threads(thread_count):
    thread_count(1)
    one = threads.split(1000)
    thread_count(7)
    assert threads.split(1000) == one


@pytest.mark.parametrize("count", [1, 2, 4])
def test_every_piece_is_called_once_with_the_arguments(count, thread_count):
    thread_count(count)
    called = []
    threads.parallel(lambda *arguments: called.append(arguments), [(0, 5), (5, 9), (9, 12)], "x", "y")
    assert sorted(called) == [(0, 5, "x", "y"), (5, 9, "x", "y"), (9, 12, "x", "y")]


@pytest.mark.parametrize("count", [2, 3])
def test_pieces_run_at_the_same_time(count, thread_count):
    thread_count(count)
    together = threading.Barrier(count)
    threads.parallel(lambda piece: together.wait(60), [(i,) for i in range(count)])  # alone, one would wait in vain
    assert not together.broken


@pytest.mark.parametrize(("count", "pieces", "helpers"), [(2, 7, 1), (5, 3, 2)])
def test_no_more_helpers_are_asked_than_there_are_pieces_and_threads(count, pieces, helpers, thread_count, monkeypatch):
    thread_count(count)
    asked, submit = [], threads._threads.submit
    monkeypatch.setattr(threads._threads, "submit", lambda calls: asked.append(len(calls)) or submit(calls))
    threads.parallel(lambda piece: None, [(i,) for i in range(pieces)])
    assert asked == [helpers]


def test_the_caller_does_not_wait_for_threads_that_are_busy(thread_count):
    thread_count(2)
    free, done = threading.Event(), []

    def kernel(piece):
        if threading.current_thread() is not threading.main_thread():
            assert free.wait(60)
        done.append(piece)

    def occupy(piece):
        if piece == "blocks":
            assert free.wait(60)

    busy = threading.Thread(target=threads.parallel, args=(occupy, [("blocks",), ("blocks",)]))
    busy.start()  # it and the pool's one thread
    try:
        threads.parallel(kernel, [(i,) for i in range(5)])
        assert done == [0, 1, 2, 3, 4]
    finally:
        free.set()
        busy.join()


@pytest.mark.parametrize("count", [1, 2, 3])
def test_no_argument_is_kept(count, thread_count):
    """Otherwise buffers would come back late."""
    thread_count(count)
    for _ in range(100):
        array = np.zeros(1000)
        gone = weakref.ref(array)
        threads.parallel(lambda start, stop, array: array[start:stop].fill(1), threads.split(1000), array)
        assert array.all()
        del array
        assert gone() is None


@pytest.mark.parametrize("parallel", [threads.parallel, blas.parallel_with_blas])
@pytest.mark.parametrize("count", [1, 2])
def test_an_error_in_a_kernel_reaches_the_caller_and_leaves_everything_usable(count, parallel, thread_count):
    thread_count(count)
    finished = []

    def kernel(piece):
        if piece == 0:
            raise ZeroDivisionError("planted")
        time.sleep(0.05)
        finished.append(piece)

    with pytest.raises(ZeroDivisionError, match="planted"):
        parallel(kernel, [(0,), (1,), (2,)])
    assert sorted(finished) == ([] if count == 1 else [1, 2])  # nobody is still at work when the caller goes on
    parallel(finished.append, [(3,), (4,)])
    assert {3, 4} <= set(finished)


def convolved(seed=0):
    random = np.random.default_rng(seed)
    x = Tensor(random.standard_normal((1, 24, 24, 8), np.float32), requires_grad=True)
    w = Tensor(random.standard_normal((3, 3, 8, 16), np.float32), requires_grad=True)
    with use_backend("numba"):
        y = ops.conv(x, w, padding=1)
        y.backward(y.data)
    return y.data, x.grad, w.grad


def assert_same(found, expected):
    for one, other in zip(found, expected, strict=True):
        assert_array_equal(one, other)


def test_four_python_threads_at_once_give_the_same_bits(thread_count):
    thread_count(2)
    expected = [convolved(seed) for seed in range(4)]
    with ThreadPoolExecutor(4) as pool:
        for found, right in zip(pool.map(convolved, [0, 1, 2, 3] * 3), expected * 3, strict=True):
            assert_same(found, right)


def test_the_number_of_threads_may_change_while_kernels_run(thread_count):
    expected, stop = convolved(), threading.Event()

    def restless():
        while not stop.is_set():
            for count in (1, 2, 3):
                thread_count(count)

    with ThreadPoolExecutor(3) as pool:
        restless_thread = pool.submit(restless)
        try:
            for found in pool.map(convolved, [0] * 10):
                assert_same(found, expected)
        finally:
            stop.set()
        restless_thread.result()


# The hold on BLAS


def test_whoever_asks_blas_for_threads_is_listened_to():
    asked = []

    class Library:
        def clear_controlling_thread(self, force):
            asked.append(("forget", force))

        def set_num_threads(self, count):
            asked.append(("set", count))

    blas._set_blas_threads(Library(), 3)
    assert asked == [("forget", True), ("set", 3), ("forget", True)]


def blas_threads():
    """The number of threads of every BLAS that was found in the process."""
    return {i["filepath"]: i["num_threads"] for i in threadpoolctl.threadpool_info() if i["user_api"] == "blas"}


def holds_and_lets_go():
    """Return True if BLAS has two threads, one inside the hold, and two after it."""
    before = set(blas_threads().values())
    with blas.hold_blas():
        inside = set(blas_threads().values())
    return (before, inside, set(blas_threads().values())) == ({2}, {1}, {2})


@pytest.fixture
def two_blas_threads():
    """A BLAS that works with two threads, so that one thread is something else; asserts that two remain."""
    with threadpoolctl.threadpool_limits(2, user_api="blas"):
        if set(blas_threads().values()) != {2}:
            pytest.skip("there is no BLAS here whose threads can be set")
        yield
        assert set(blas_threads().values()) == {2}


@pytest.mark.usefixtures("two_blas_threads")
def test_blas_has_one_thread_inside_the_hold_and_its_own_number_after_it():
    with blas.hold_blas():
        assert set(blas_threads().values()) == {1}
    assert set(blas_threads().values()) == {2}


@pytest.mark.usefixtures("two_blas_threads")
def test_kernels_that_call_blas_run_under_the_hold(thread_count):
    seen = []
    for count in (1, 2):
        thread_count(count)
        blas.parallel_with_blas(lambda piece: seen.append(set(blas_threads().values())), [(0,), (1,)])
        resources.parallel(lambda piece: seen.append(set(blas_threads().values())), [(0,), (1,)], blas=True)
    assert seen == [{1}] * 8


@pytest.mark.usefixtures("two_blas_threads")
def test_the_hold_nests():
    with blas.hold_blas():
        with blas.hold_blas():
            pass
        assert set(blas_threads().values()) == {1}


@pytest.mark.usefixtures("two_blas_threads")
def test_the_hold_ends_with_an_error_too():
    with pytest.raises(ZeroDivisionError), blas.hold_blas():
        _ = 1 / 0


@pytest.mark.usefixtures("two_blas_threads")
def test_holds_of_two_threads_may_overlap():
    first_may_leave, second_is_in = threading.Event(), threading.Event()
    after_the_first = []

    def first():
        with blas.hold_blas():
            assert first_may_leave.wait(60)

    def second(first_future):
        with blas.hold_blas():
            second_is_in.set()
            first_future.result(60)
            after_the_first.append(set(blas_threads().values()))

    with ThreadPoolExecutor(2) as pool:
        one = pool.submit(first)
        two = pool.submit(second, one)
        assert second_is_in.wait(60)
        first_may_leave.set()
        two.result()
    assert after_the_first == [{1}]


@pytest.mark.usefixtures("two_blas_threads")
def test_many_overlapping_holds_leave_no_trace():
    def work(_):
        for _ in range(50):
            with blas.hold_blas():
                pass

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert holds_and_lets_go()


# After a fork


def exit_code_of_a_child(check):
    """Fork; the child runs check() and leaves with 0 if it returns True. A child that hangs is ended by an alarm."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python warns of what is tested here: threads and fork
        child = os.fork()
    if child == 0:
        code = 1
        try:
            signal.alarm(60)
            code = 0 if check() else 2
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


needs_fork = pytest.mark.skipif(
    not hasattr(os, "fork") or sys.platform == "darwin", reason="no fork here, or one that the system's BLAS forbids"
)


@needs_fork
def test_kernels_work_in_a_child_after_a_fork(thread_count):
    thread_count(2)
    expected = convolved()  # the pool has started

    def check():
        assert_same(convolved(), expected)
        return True

    assert exit_code_of_a_child(check) == 0
    assert_same(convolved(), expected)


@needs_fork
@pytest.mark.usefixtures("two_blas_threads")
def test_a_fork_while_another_thread_holds_blas_leaves_the_child_free():
    expected = convolved()
    held, done = threading.Event(), threading.Event()

    def hold():
        with threads._threads.lock, blas.hold_blas():
            held.set()
            assert done.wait(120)

    def check():
        free = holds_and_lets_go()
        assert_same(convolved(), expected)
        return free and holds_and_lets_go()

    with ThreadPoolExecutor(1) as pool:
        holding = pool.submit(hold)
        assert held.wait(60)
        try:
            code = exit_code_of_a_child(check)
        finally:
            done.set()
        holding.result()
    assert code == 0


# Helpers that stay


class Job:
    """A job of a Crew whose helpers wait at the bell for a minute, and that stops when it is told to."""

    def __init__(self, error=None):
        self.begun, self.go_on, self.numbers, self.error = threading.Event(), threading.Event(), [], error

    def work(self, number):
        self.numbers.append(number)
        self.begun.set()
        self.go_on.wait(60)
        if self.error:
            raise self.error


def wait_at(bell, before, patience=60):
    until = time.monotonic() + patience
    while bell[0] == before and time.monotonic() < until:
        time.sleep(1e-4)
    return bell[0] != before


def eventually(true):
    until = time.monotonic() + 60
    while not true() and time.monotonic() < until:
        time.sleep(1e-3)
    return true()


@pytest.fixture
def crew(thread_count):
    thread_count(2)
    found = threads.Crew(lambda number, job: job.work(number), wait_at)
    yield found
    found.dismiss()
    assert eventually(lambda: found.present == 0)
    threads._crews.remove(found)


@pytest.fixture
def submitted(monkeypatch):
    """How many tasks the pool was given at a time."""
    counts, submit = [], threads._threads.submit
    monkeypatch.setattr(
        threads._threads, "submit", lambda calls, *who: counts.append(len(calls)) or submit(calls, *who)
    )
    return counts


def do(crew, job, count=1):
    """Post a job until a helper has begun, end it and return what the helper raised."""
    errors = crew.post((job,), count)
    crew.bell += 1
    assert job.begun.wait(60)
    crew.withdraw(errors)
    job.go_on.set()
    return errors


def test_helpers_are_not_waited_for(crew):
    job = Job()
    errors = crew.post((job,), 1)
    assert job.begun.wait(60)
    crew.withdraw(errors)  # it returns while the helper is at work
    assert crew.present == 1
    job.go_on.set()


def test_a_helper_stays_for_the_next_job(crew, submitted):
    for _ in range(3):
        assert do(crew, Job()) == []
    assert submitted == [1]


def test_a_helper_that_has_waited_for_long_leaves_its_thread(crew, submitted):
    crew.wait = lambda bell, before: wait_at(bell, before, 0.01)
    for _ in range(2):
        do(crew, Job())
        assert eventually(lambda: crew.present == 0)
    assert submitted == [1, 1]


def test_more_helpers_are_called_only_if_they_are_missing(crew, thread_count, submitted):
    thread_count(4)
    do(crew, Job())
    job = Job()
    errors = crew.post((job,), 3)
    crew.bell += 1
    assert eventually(lambda: len(job.numbers) == 3) and sorted(job.numbers) == [1, 2, 3]
    crew.withdraw(errors)
    job.go_on.set()
    assert submitted == [1, 2]


def test_helpers_that_wait_leave_the_threads_to_other_work(crew):
    do(crew, Job())
    both = threading.Barrier(2)
    threads.parallel(lambda piece: both.wait(60), [(1,), (2,)])  # by the caller and the only thread of the pool
    assert eventually(lambda: crew.present == 0)


def test_a_helper_that_comes_late_begins_nothing(crew):
    free, job = threading.Event(), Job()
    threads._threads.submit([(free.wait, 60)])  # so that the helper must wait for its thread
    crew.withdraw(crew.post((job,), 1))
    free.set()
    crew.dismiss()
    assert eventually(lambda: crew.present == 0) and not job.begun.is_set()


def test_another_number_of_threads_waits_for_nobody(crew, thread_count):
    job = Job()
    errors = crew.post((job,), 1)
    assert job.begun.wait(60)
    thread_count(3)
    assert not job.go_on.is_set()
    crew.withdraw(errors)
    job.go_on.set()


def test_an_error_of_a_helper_is_in_the_list_of_its_job_alone(crew):
    errors = do(crew, Job(RuntimeError("no more memory")))
    assert eventually(lambda: len(errors) == 1) and str(errors[0]) == "no more memory"
    assert do(crew, Job()) == []  # by the same helper


def test_a_helper_that_waits_keeps_nothing_alive(crew):
    job = Job()
    gone = weakref.ref(job)
    do(crew, job)
    del job
    assert eventually(lambda: gone() is None) and crew.present == 1


@needs_fork
def test_a_child_has_no_helpers_yet(crew):
    do(crew, Job())
    assert exit_code_of_a_child(lambda: crew.present == 0 and do(crew, Job()) == []) == 0
    assert crew.present == 1


# Counting what the process's other threads do takes Linux; where OpenBLAS has one thread there is nothing to see.
LEARNS = """
from minicnn import nn, ops
layer, head = nn.Linear(1792, 1024, seed=0), nn.Linear(1024, 10, seed=0)
conv = nn.Conv2d(16, 32, 3, padding=1, activation="relu", seed=0)
pictures, rows = np.random.default_rng(0).random((32, 24, 24, 16), np.float32), np.ones((64, 1792), np.float32)

def step():
    ops.cross_entropy(head(ops.relu(layer(rows))), np.zeros(64, int)).backward()
    ops.square(conv(pictures)).mean().backward()
    with minicnn.no_grad():
        layer(rows)
"""
COMPARES_DISTRIBUTIONS = """
from minicnn.style.costs import overlap
draws = np.random.default_rng(0).standard_normal((2, 160, 400))
a, b = (minicnn.Tensor(x @ x.T / 400, requires_grad=True) for x in draws)

def step():
    for _ in range(8):
        overlap(a, b).backward()
"""
IDLE = """
import numpy as np
from pathlib import Path
import minicnn
minicnn.set_threads(1)
{step}
def ticks():
    found = {{}}
    for task in Path("/proc/self/task").iterdir():
        fields = (task / "stat").read_text().rpartition(")")[2].split()
        found[int(task.name)] = int(fields[11]) + int(fields[12])
    return found

step()  # compiles, and starts whatever threads there are
before = ticks()
for _ in range(60):
    step()
after = ticks()
main = int(Path("/proc/thread-self").resolve().name)
print(len(after), after[main] - before[main], sum(after[t] - before.get(t, 0) for t in after if t != main))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux, which tells what each thread computes")
@pytest.mark.parametrize("step", [LEARNS, COMPARES_DISTRIBUTIONS], ids=["a network learns", "style is compared"])
def test_no_thread_of_blas_wakes(step, fresh_python, monkeypatch):
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    count, ours, others = map(int, fresh_python(IDLE.format(step=step)).split())
    if count < 2:
        pytest.skip("BLAS has a single thread on this machine")
    assert ours > 10, "too little was computed to tell"
    assert others <= ours / 20

"""The pool of buffers: memory is used again, and never while anybody can still see it."""

import contextlib
import gc
import itertools
import os
import signal
import sys
import threading
import tracemalloc
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from minicnn import nn, ops, optim
from minicnn.backend import use_backend
from minicnn.fast.cpu import buffers
from minicnn.fast.cpu.buffers import ARENA, LINE, SMALLEST, BufferPool
from minicnn.models import tiny
from minicnn.tensor import Tensor

SIZE = SMALLEST  # bytes, so also elements of one byte


@pytest.fixture
def pool():
    return BufferPool()


@pytest.fixture
def without_collector():
    """Nothing may depend on the garbage collector: memory has to come back by counting references."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def address(array):
    return array.__array_interface__["data"][0]


# What a buffer is


@pytest.mark.parametrize("shape", [(3,), (512, 1024), (1, 2, 3, 1 << 17), (), (0, 5)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8, np.uint16])
def test_a_buffer_is_an_array_like_any_other(pool, shape, dtype):
    array = pool.empty(shape, dtype)
    assert type(array) is np.ndarray and array.shape == shape and array.dtype == dtype
    assert array.flags.c_contiguous and array.flags.writeable and array.flags.aligned
    array[...] = 1
    assert (array == 1).all()


def test_like_another_array_but_contiguous():
    other = np.asfortranarray(np.ones((600, 500), np.float32))
    array = buffers.empty_like(other)
    assert array.shape == other.shape and array.dtype == other.dtype and array.flags.c_contiguous


# Memory comes back


@pytest.mark.usefixtures("without_collector")
def test_memory_is_used_again_when_its_array_is_gone(pool):
    first = pool.empty((SIZE,), np.uint8)
    place = address(first)
    del first
    assert pool.used_bytes == 0
    second = pool.empty((SIZE // 8, 2), np.float32)  # by size, whatever the shape and the dtype
    assert address(second) == place and pool.used_bytes == SIZE
    assert address(pool.empty((SIZE,), np.uint8)) != place


@pytest.mark.usefixtures("without_collector")
def test_small_arrays_do_not_come_from_the_pool(pool):
    small = pool.empty((SIZE - 1,), np.uint8)
    assert pool.used_bytes == 0 and small.size == SIZE - 1


@pytest.mark.parametrize("size", [1, 100, SIZE - 1, SIZE, SIZE + 1, 3 * SIZE + 5])
def test_arrays_begin_at_a_cache_line(pool, size):
    arrays = [pool.empty((size,), np.uint8) for _ in range(3)]
    assert all(address(array) % LINE == 0 for array in arrays)
    assert address(buffers.aligned((3, 5), np.float64)) % LINE == 0


@pytest.mark.usefixtures("without_collector")
@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_what_comes_back_is_joined_with_its_neighbours(pool, order):
    arrays = [pool.empty((SIZE,), np.uint8) for _ in range(4)]
    beyond = pool.empty((SIZE,), np.uint8)
    places = [address(array) for array in arrays]
    assert places == list(range(places[0], places[0] + 4 * SIZE, SIZE))
    for i in order:
        arrays[i] = None
    assert address(pool.empty((4 * SIZE,), np.uint8)) == places[0]
    assert address(beyond) == places[3] + SIZE and pool.used_bytes == SIZE


@pytest.mark.usefixtures("without_collector")
def test_the_lowest_that_is_large_enough_is_cut_to_size(pool):
    arrays = [pool.empty((n * SIZE,), np.uint8) for n in (1, 1, 3, 1, 2, 1)]
    places = [address(array) for array in arrays]
    for i in (0, 2, 4):
        arrays[i] = None
    taken = [pool.empty((n * SIZE,), np.uint8) for n in (2, 1, 1, 2)]
    assert [address(a) for a in taken] == [places[2], places[0], places[2] + 2 * SIZE, places[4]]


@pytest.mark.usefixtures("without_collector")
def test_memory_in_use_is_never_handed_out_again(pool):
    """Against a plain model: whatever is taken and given in any order, no two arrays share a byte."""
    random, alive = np.random.default_rng(0), []
    first = address(pool.empty((SIZE,), np.uint8))
    for _ in range(400):
        if alive and random.random() < 0.5:
            del alive[random.integers(len(alive))]
        else:
            alive.append(pool.empty((int(random.integers(SIZE, 9 * SIZE)),), np.uint8))
        ranges = sorted((address(array), address(array) + array.size) for array in alive)
        assert all(stop <= start for (_, stop), (start, _) in itertools.pairwise(ranges))
    alive.clear()
    assert pool.used_bytes == 0
    everything = pool.empty((ARENA,), np.uint8)  # untouched, so no memory is used
    assert address(everything) == first


VIEWS = {
    "slice": lambda a: a[10:20],
    "one element": lambda a: a[5:6],
    "reshape": lambda a: a.reshape(-1, 4),
    "transpose": lambda a: a.reshape(-1, 4).T[1:],
    "dtype": lambda a: a.view(np.uint16),
    "view of a view": lambda a: a[5:][::2].reshape(-1),
    "read-only": lambda a: np.broadcast_to(a[:1], (3, 1)),
    "memoryview": memoryview,
    "from a memoryview": lambda a: np.frombuffer(memoryview(a), np.uint8)[3:],
    "tensor": lambda a: Tensor(a).detach(),
}


@pytest.mark.usefixtures("without_collector")
@pytest.mark.parametrize("look", VIEWS.values(), ids=VIEWS)
def test_whatever_looks_into_a_buffer_keeps_it(pool, look):
    array = pool.empty((SIZE,), np.uint8)
    place, view = address(array), look(array)
    del array
    assert pool.used_bytes == SIZE and address(pool.empty((SIZE,), np.uint8)) != place
    del view
    assert pool.used_bytes == 0


@pytest.mark.usefixtures("without_collector")
def test_views_of_one_buffer_end_in_any_order(pool):
    array = pool.empty((SIZE,), np.uint8)
    views = [array[i:] for i in range(5)]
    del array
    for i in (2, 0, 4, 3, 1):
        assert pool.used_bytes == SIZE
        views[i] = None
    assert pool.used_bytes == 0


@pytest.mark.usefixtures("without_collector")
def test_an_arena_that_nobody_uses_is_let_go_when_a_larger_one_is_needed(pool):
    tracemalloc.start()
    try:
        pool.empty((SIZE,), np.uint8)
        assert tracemalloc.get_traced_memory()[0] >= ARENA  # the next step will need it
        large = pool.empty((ARENA + 1,), np.uint8)  # untouched, so no memory is used
        size = 4 * (ARENA + buffers.PAGE)
        assert size <= tracemalloc.get_traced_memory()[0] < size + SIZE
        del large
    finally:
        tracemalloc.stop()


@pytest.mark.usefixtures("without_collector")
def test_where_memory_is_not_promised_in_advance_it_is_taken_as_needed(pool, monkeypatch):
    def refuse(shape, dtype):
        if shape[0] > 2 * SIZE:
            raise MemoryError
        granted.append(shape[0])
        return right(shape, dtype)

    granted, right = [], buffers.aligned
    monkeypatch.setattr(buffers, "aligned", refuse)
    first, second = pool.empty((SIZE,), np.uint8), pool.empty((2 * SIZE,), np.uint8)
    assert granted == [SIZE, 2 * SIZE] and first.size + second.size == 3 * SIZE
    with pytest.raises(MemoryError):
        pool.empty((3 * SIZE,), np.uint8)
    assert pool.used_bytes == 3 * SIZE


@pytest.mark.usefixtures("without_collector")
def test_a_collection_may_return_buffers_in_the_midst_of_taking_one(pool, monkeypatch):
    """What the collector finds ends wherever it happens to run, on the thread that takes a buffer, too."""
    garbage = [pool.empty((SIZE,), np.uint8) for _ in range(6)]
    right = buffers.aligned
    monkeypatch.setattr(buffers, "aligned", lambda *what: garbage.clear() or right(*what))  # of the second arena
    taking = threading.Thread(target=lambda: taken.append(pool.empty((ARENA + SIZE,), np.uint8)), daemon=True)
    taken = []
    taking.start()
    taking.join(60)  # it must not wait, or it would for ever
    assert not taking.is_alive() and not garbage
    assert pool.used_bytes == ARENA + SIZE
    taken.clear()
    assert pool.used_bytes == 0


# What a caller keeps stays what it was


def small_network():
    return nn.Sequential(
        nn.Conv2d(3, 32, 3, padding="same", bias=False, seed=0),
        nn.BatchNorm(32, activation="relu"),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 32, 3, padding="same", seed=1),
        nn.ReLU(),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(8 * 8 * 32, 10, seed=2),
    )


@pytest.mark.usefixtures("without_collector")
def test_features_and_gradients_that_are_kept_are_never_overwritten():
    model, random = small_network(), np.random.default_rng(0)
    optimizer = optim.SGD(model.parameters(), 0.01, momentum=0.9)
    kept = []
    with use_backend("numba"):
        for step in range(6):
            x = Tensor(random.random((8, 32, 32, 3), np.float32), requires_grad=True)
            features, y = [], x
            for layer in model.layers:
                y = layer(y)
                features.append(y)
            optimizer.zero_grad()
            ops.cross_entropy(y, np.arange(8)).backward()
            optimizer.step()
            if step % 2 == 0:  # so that the other steps' buffers are free to be taken
                arrays = [x.grad, *(f.data for f in features), *(p.grad for p in model.parameters())]
                kept += [(a, a.copy()) for a in arrays]
    for array, copy in kept:
        assert_array_equal(array, copy)


class HighWater(BufferPool):
    """Notes between which addresses its buffers lay."""

    low, high = sys.maxsize, 0

    def empty(self, *what, **options):
        array = super().empty(*what, **options)
        if array.nbytes >= SMALLEST:
            self.low, self.high = min(self.low, address(array)), max(self.high, address(array) + array.nbytes)
        return array


@pytest.mark.usefixtures("without_collector")
def test_training_takes_no_fresh_memory_once_it_is_under_way(monkeypatch):
    pool, reached = HighWater(), []
    monkeypatch.setattr(buffers, "empty", pool.empty)
    model = tiny.build(batch_norm=True, seed=0)
    x = np.random.default_rng(0).random((16, 32, 32, 3), np.float32)
    with use_backend("numba"):
        for _ in range(4):
            ops.cross_entropy(model(x), np.arange(16) % 10).backward()
            reached.append(pool.high - pool.low)
    assert reached[0] > 0 and reached[1] == reached[2] == reached[3] <= ARENA


@pytest.mark.usefixtures("without_collector")
def test_threads_never_share_a_buffer():
    def work(number):
        random, kept = np.random.default_rng(number), []
        for i in range(60):
            array = buffers.empty((SIZE // 4,), np.float32)
            array.fill(1000 * number + i)
            if random.random() < 0.3:
                kept.append((array, 1000 * number + i))
            assert array[0] == array[-1] == 1000 * number + i
            if len(kept) > 5:
                del kept[random.integers(len(kept))]
        return all((array == value).all() for array, value in kept)

    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(work, range(8)))


@pytest.mark.usefixtures("without_collector")
def test_a_buffer_may_end_on_another_thread(pool):
    arrays = [pool.empty((SIZE,), np.uint8) for _ in range(8)]
    worker = threading.Thread(target=arrays.clear)
    worker.start()
    worker.join()
    assert pool.used_bytes == 0


# After a fork


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_the_pool_works_in_a_child_after_a_fork_that_met_it_locked(monkeypatch):
    kept = buffers.empty((SIZE,), np.uint8)
    kept.fill(7)
    busy, done, right = threading.Event(), threading.Event(), buffers.aligned

    def refuse_late(*what):
        if threading.current_thread() is not taking:
            return right(*what)
        busy.set()
        done.wait(60)
        raise MemoryError

    def ask_for_more_than_is_idle():
        with contextlib.suppress(MemoryError):
            buffers.empty((64 * ARENA,), np.uint8)

    monkeypatch.setattr(buffers, "aligned", refuse_late)
    taking = threading.Thread(target=ask_for_more_than_is_idle)
    taking.start()
    assert busy.wait(60)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python warns of what is tested here: threads and fork
        child = os.fork()
        if child == 0:
            code = 1
            try:
                if sys.platform != "win32":
                    signal.alarm(60)
                fresh = buffers.empty((SIZE,), np.uint8)
                fresh.fill(9)
                place = address(fresh)
                del fresh
                again = address(buffers.empty((SIZE,), np.uint8)) == place
                code = 0 if again and (kept == 7).all() else 2
            finally:
                os._exit(code)
    done.set()
    taking.join(60)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert (kept == 7).all()

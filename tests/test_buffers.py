"""The pool of buffers: memory is used again, and never while anybody can still see it."""

import gc
import os
import signal
import sys
import threading
import warnings
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from minicnn import buffers, nn, ops, optim
from minicnn.backend import use_backend
from minicnn.buffers import KEPT, SMALLEST, BufferPool
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
    assert pool.idle_bytes == SIZE
    second = pool.empty((SIZE // 8, 2), np.float32)  # by size, whatever the shape and the dtype
    assert address(second) == place and pool.idle_bytes == 0
    assert address(pool.empty((SIZE,), np.uint8)) != place


@pytest.mark.usefixtures("without_collector")
def test_small_arrays_do_not_come_from_the_pool_nor_any_from_a_buffer_that_would_be_wasted_on_it(pool):
    small = pool.empty((SIZE - 1,), np.uint8)
    del small
    assert pool.idle_bytes == 0
    large = pool.empty((16 * SIZE,), np.uint8)
    place = address(large)
    del large
    assert address(pool.empty((SIZE,), np.uint8)) != place
    assert address(pool.empty((17 * SIZE,), np.uint8)) != place


@pytest.mark.usefixtures("without_collector")
def test_the_best_fit_is_taken_and_of_equals_the_latest(pool):
    sizes = (SIZE + 64, SIZE, SIZE, SIZE + 128)
    arrays = [pool.empty((size,), np.uint8) for size in sizes]
    places = [address(array) for array in arrays]
    for i in range(len(arrays)):
        arrays[i] = None
    taken = [pool.empty((SIZE,), np.uint8) for _ in range(2)]
    assert [address(array) for array in taken] == [places[2], places[1]]


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
    assert pool.idle_bytes == 0 and address(pool.empty((SIZE,), np.uint8)) != place
    del view
    assert pool.idle_bytes == 2 * SIZE


@pytest.mark.usefixtures("without_collector")
def test_views_of_one_buffer_end_in_any_order(pool):
    array = pool.empty((SIZE,), np.uint8)
    views = [array[i:] for i in range(5)]
    del array
    for i in (2, 0, 4, 3, 1):
        assert pool.idle_bytes == 0
        views[i] = None
    assert pool.idle_bytes == SIZE


@pytest.mark.usefixtures("without_collector")
def test_idle_bytes_are_bounded_and_the_longest_unused_go_first(pool, monkeypatch):
    monkeypatch.setattr(buffers, "KEPT", 4 * SIZE)
    arrays = [pool.empty((SIZE,), np.uint8) for _ in range(10)]
    places = [address(a) for a in arrays]
    watched = [weakref.ref(a) for a in arrays]
    for i in range(10):
        arrays[i] = None
    assert not any(reference() is not None for reference in watched)
    new = pool.empty((100 * SIZE,), np.uint8)  # none of them is large enough
    assert pool.idle_bytes == 4 * SIZE
    kept = [pool.empty((SIZE,), np.uint8) for _ in range(4)]
    assert [address(a) for a in kept] == places[:5:-1]  # and the latest is taken first
    del new
    assert pool.idle_bytes == 100 * SIZE
    pool.empty((SIZE,), np.uint8)
    assert pool.idle_bytes <= SIZE  # not even one is kept that is too large by itself


@pytest.mark.usefixtures("without_collector")
def test_a_collection_may_return_buffers_in_the_midst_of_taking_one(pool, monkeypatch):
    """What the collector finds ends wherever it happens to run, on the thread that holds the lock, too."""
    monkeypatch.setattr(buffers, "KEPT", 3 * SIZE)
    garbage = [pool.empty((SIZE,), np.uint8) for _ in range(6)]
    with pool._lock:
        garbage.clear()  # must not wait, or it would for ever
    assert pool.idle_bytes == 6 * SIZE
    array = pool.empty((100 * SIZE,), np.uint8)
    assert pool.idle_bytes == 3 * SIZE and array.size == 100 * SIZE


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


class CountingPool(BufferPool):
    """Holds on to all memory that it ever handed out."""

    def __init__(self):
        super().__init__()
        self.known = {}

    def _take(self, size):
        memory = super()._take(size)
        self.known[id(memory)] = memory
        return memory


@pytest.mark.usefixtures("without_collector")
def test_training_takes_no_fresh_memory_once_it_is_under_way(monkeypatch):
    pool, known = CountingPool(), []
    monkeypatch.setattr(buffers, "empty", pool.empty)
    model = tiny.build(batch_norm=True, seed=0)
    x = np.random.default_rng(0).random((16, 32, 32, 3), np.float32)
    with use_backend("numba"):
        for _ in range(4):
            ops.cross_entropy(model(x), np.arange(16) % 10).backward()
            known.append(len(pool.known))
    assert known[0] > 0 and known[1] == known[2] == known[3]


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
    assert pool.idle_bytes == 8 * SIZE


def test_what_is_idle_by_default_is_bounded(pool):
    arrays = [pool.empty((KEPT // 4,), np.uint8) for _ in range(6)]  # untouched, so no memory is used
    arrays.clear()
    array = pool.empty((KEPT // 2,), np.uint8)
    assert pool.idle_bytes <= KEPT and array.size == KEPT // 2


# After a fork


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_the_pool_works_in_a_child_after_a_fork_that_met_it_locked():
    kept = buffers.empty((SIZE,), np.uint8)
    kept.fill(7)
    with buffers._pool._lock, warnings.catch_warnings():
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
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert (kept == 7).all()

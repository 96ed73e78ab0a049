"""The watch finds races for certain, and the shuffled order shows what they do."""

import numpy as np
import pytest
from both_devices import there
from numba import cuda

from minicnn.fast.cuda import gpu, simulation
from minicnn.fast.cuda.simulation import Race

SIDE = 4
UNLESS_TOLD = simulation.threads.order, simulation.threads.watching  # before any test of this folder


@cuda.jit
def product(a, b, c):
    """A tiled product of matrices, as it should be."""
    a_tile = cuda.shared.array((SIDE, SIDE), a.dtype)
    b_tile = cuda.shared.array((SIDE, SIDE), a.dtype)
    x, y = cuda.threadIdx.x, cuda.threadIdx.y
    total = a.dtype.type(0)
    for start in range(0, a.shape[1], SIDE):
        a_tile[y, x] = a[y, start + x]
        b_tile[y, x] = b[start + y, x]
        cuda.syncthreads()
        for k in range(SIDE):
            total += a_tile[y, k] * b_tile[k, x]
        cuda.syncthreads()
    c[y, x] = total


@cuda.jit
def product_without_the_first_barrier(a, b, c):
    a_tile = cuda.shared.array((SIDE, SIDE), a.dtype)
    b_tile = cuda.shared.array((SIDE, SIDE), a.dtype)
    x, y = cuda.threadIdx.x, cuda.threadIdx.y
    total = a.dtype.type(0)
    for start in range(0, a.shape[1], SIDE):
        a_tile[y, x] = a[y, start + x]
        b_tile[y, x] = b[start + y, x]
        for k in range(SIDE):
            total += a_tile[y, k] * b_tile[k, x]
        cuda.syncthreads()
    c[y, x] = total


@cuda.jit
def product_without_the_second_barrier(a, b, c):
    a_tile = cuda.shared.array((SIDE, SIDE), a.dtype)
    b_tile = cuda.shared.array((SIDE, SIDE), a.dtype)
    x, y = cuda.threadIdx.x, cuda.threadIdx.y
    total = a.dtype.type(0)
    for start in range(0, a.shape[1], SIDE):
        a_tile[y, x] = a[y, start + x]
        b_tile[y, x] = b[start + y, x]
        cuda.syncthreads()
        for k in range(SIDE):
            total += a_tile[y, k] * b_tile[k, x]
    c[y, x] = total


@cuda.jit
def each_takes_from_the_one_before(x, y):
    """Right in the order of the threads' numbers, and in no other: nothing makes the one before write first."""
    i = cuda.grid(1)
    y[i] = x[i] if i == 0 else x[i] + y[i - 1]


@cuda.jit
def all_add_to_one(x, y):
    cuda.atomic.add(y, 0, x[cuda.grid(1)])


@cuda.jit
def all_add_and_some_look(x, y):
    total = cuda.shared.array(1, x.dtype)
    if cuda.threadIdx.x == 0:
        total[0] = 0
    cuda.syncthreads()
    cuda.atomic.add(total, 0, x[cuda.grid(1)])
    if cuda.threadIdx.x == 0:
        y[0] = total[0]


@cuda.jit
def all_add_then_one_looks(x, y):
    total = cuda.shared.array(1, x.dtype)
    if cuda.threadIdx.x == 0:
        total[0] = 0
    cuda.syncthreads()
    cuda.atomic.add(total, 0, x[cuda.grid(1)])
    cuda.syncthreads()
    if cuda.threadIdx.x == 0:
        y[0] = total[0]


@cuda.jit
def half_of_them_wait(x):
    if cuda.threadIdx.x < 2:
        cuda.syncthreads()
    x[cuda.threadIdx.x] = 1


def outcomes(kernel, seeds=range(8)):
    """The errors of a product in several orders of the threads."""
    random = np.random.default_rng(0)
    a, b = random.standard_normal((SIDE, 3 * SIDE)), random.standard_normal((3 * SIDE, SIDE))
    errors = []
    for seed in seeds:
        c = there(np.full((SIDE, SIDE), np.nan))
        with simulation.shuffled(seed):
            gpu.launch(kernel, 1, (SIDE, SIDE), *there(a, b), c)
        errors.append(np.abs(c._memory - a @ b).max())
    return errors


def test_a_product_with_both_barriers_is_right_in_every_order():
    assert max(outcomes(product)) < 1e-12


@pytest.mark.parametrize("kernel", [product_without_the_first_barrier, product_without_the_second_barrier])
def test_a_missing_barrier_is_found(kernel, monkeypatch):
    with pytest.raises(Race, match=r"shared memory\[.*with no barrier between"):
        outcomes(kernel)
    monkeypatch.setattr(simulation.threads, "watching", False)
    assert not min(outcomes(kernel)) < 1e-12  # NaN where an element was not there yet


def test_a_race_that_the_usual_order_hides_shows_in_another(monkeypatch):
    x = np.arange(8.0)
    monkeypatch.setattr(simulation.threads, "watching", False)

    def run():
        y = there(np.zeros(8))
        gpu.launch(each_takes_from_the_one_before, 2, 4, there(x), y)
        return y._memory

    monkeypatch.setattr(simulation.threads, "order", None)
    np.testing.assert_array_equal(run(), np.cumsum(x))
    with simulation.shuffled(0):
        assert (run() != np.cumsum(x)).any()
    monkeypatch.setattr(simulation.threads, "watching", True)
    monkeypatch.setattr(simulation.threads, "order", None)
    with pytest.raises(Race, match="argument 1"):
        run()


def test_threads_run_in_order_and_unwatched_unless_told(monkeypatch):
    assert UNLESS_TOLD == (None, False)
    monkeypatch.setattr(simulation.threads, "watching", False)
    with pytest.raises(ZeroDivisionError), simulation.watched(), simulation.shuffled(0):
        assert simulation.threads.watching and simulation.threads.order
        _ = 1 / 0
    assert not simulation.threads.watching


def test_a_kernel_within_a_function_is_refused():
    here = 1.0

    @cuda.jit
    def inner(x):
        x[0] = here

    with pytest.raises(TypeError, match="inner: a simulated kernel stands at the top of its file, not in a function"):
        gpu.launch(inner, 1, 1, there(np.zeros(1)))


def test_a_barrier_that_some_never_reach_is_found():
    with pytest.raises(Race, match="half_of_them_wait: some threads of a block wait at a barrier"):
        gpu.launch(half_of_them_wait, 1, 4, there(np.zeros(4)))


@cuda.jit
def shifted(x, y):
    i = cuda.grid(1)
    y[i] = x[i - 1]


def test_an_index_below_zero_is_found():
    with pytest.raises(IndexError, match=r"argument 0 of shape \(4,\) was asked for \[-1\]"):
        gpu.launch(shifted, 1, 4, *there(np.zeros(4), np.zeros(4)))


@pytest.mark.parametrize(("kernel", "blocks"), [(all_add_to_one, 2), (all_add_then_one_looks, 1)])
def test_atomic_additions_are_no_race(kernel, blocks):
    x, y = there(np.arange(8.0), np.zeros(1))
    gpu.launch(kernel, blocks, 8 // blocks, x, y)
    assert y._memory[0] == 28


@pytest.mark.parametrize("seed", range(4))
def test_who_looks_while_others_still_add_has_a_race(seed):
    """Whoever the last one was."""
    x, y = there(np.arange(8.0), np.zeros(1))
    with simulation.shuffled(seed), pytest.raises(Race, match=r"shared memory\[0\]: .* with no barrier between"):
        gpu.launch(all_add_and_some_look, 1, 8, x, y)

"""The cache: what it remembers, what goes first, and that bytes in use stay within the budget."""

import gc
import threading

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import minicnn
from minicnn import nn
from minicnn.fast.cpu.cache import PATIENCE, Cache
from minicnn.operation import no_grad
from minicnn.tensor import Tensor

SIZE = 80  # bytes of an array and of a result of it


def read_only(value=0.0):
    array = np.full(SIZE // 8, value)
    array.flags.writeable = False
    return array


class Computing:
    """array + 1, and how often it was computed."""

    def __init__(self):
        self.calls = 0

    def __call__(self, *arrays):
        self.calls += 1
        return sum(arrays) + 1


class Growing:
    def __init__(self, nbytes):
        self.nbytes = nbytes


@pytest.fixture
def compute():
    return Computing()


@pytest.fixture
def cache():
    """Of three results."""
    return Cache(3 * SIZE)


@pytest.fixture
def without_collector():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


# What is remembered


def test_a_result_is_computed_once_per_array_and_kind(cache, compute):
    a, b = read_only(1), read_only(1)
    first = cache.remember(a, compute, "x")
    assert cache.remember(a, compute, "x") is first and compute.calls == 1
    assert cache.remember([a], compute, "x") is first and compute.calls == 1
    cache.remember(b, compute, "x")  # an equal array, but another
    cache.remember(a, compute, ("x", 3))
    assert compute.calls == 3
    assert_array_equal(cache.remember([a, b], compute, "x"), np.full(10, 3.0))
    assert compute.calls == 4


def test_what_may_be_written_is_computed_anew(cache, compute):
    a, b = np.zeros(10), read_only()
    for sources in (a, [b, a]):
        for _ in range(2):
            cache.remember(sources, compute)
            a += 1
    assert compute.calls == 4 and cache.info().nbytes == 0
    assert_array_equal(cache.remember(a, compute), a + 1)


@pytest.mark.usefixtures("without_collector")
@pytest.mark.parametrize("dies", [0, 1])
def test_a_result_goes_with_any_of_its_arrays(cache, compute, dies):
    arrays = [read_only(), read_only()]
    cache.remember(arrays, compute)
    assert cache.info().nbytes == SIZE
    del arrays[dies]
    assert cache.info().nbytes == cache.info().entries == 0


@pytest.mark.usefixtures("without_collector")
def test_what_was_computed_from_a_result_goes_with_it(cache, compute):
    def frozen_copy(array):
        result = array + 1
        result.flags.writeable = False
        return result

    a = read_only()
    cache.remember(cache.remember(a, frozen_copy), compute, "of the result")
    assert cache.info().entries == 2
    cache.forget(a)
    assert cache.info().entries == 0


def test_one_array_is_not_taken_for_another(cache):
    for i in range(200):  # ids are used again when an array dies
        assert_array_equal(cache.remember(read_only(i), lambda a: a * 2), np.full(10, 2.0 * i))


def test_forgotten_before_somebody_writes(cache, compute):
    a, b = read_only(), read_only()
    cache.remember(a, compute), cache.remember([b, a], compute, "both"), cache.remember(b, compute)
    cache.forget(a)
    assert cache.info().entries == 1
    cache.remember(b, compute)
    assert compute.calls == 3


# Which goes first


def test_the_least_recently_used_goes_first(cache, compute):
    a, b, c, d = (read_only() for _ in range(4))
    for array in (a, b, c, a):
        cache.remember(array, compute)
    cache.remember(d, compute)  # instead of b
    assert cache.info().nbytes == 3 * SIZE and compute.calls == 4
    for array in (a, c, d):
        cache.remember(array, compute)
    assert compute.calls == 4
    cache.remember(b, compute)
    assert compute.calls == 5


def test_all_kinds_share_the_budget(cache, compute):
    arrays = [read_only() for _ in range(2)]
    for array in arrays:
        for kind in ("x", ("y", 1), ("y", 2)):
            cache.remember(array, compute, kind)
    assert cache.info() == (3 * SIZE, 3 * SIZE, 3, 0, 6, {"x": SIZE, "y": 2 * SIZE})


def test_a_result_larger_than_the_budget_is_not_kept_and_evicts_nothing(cache, compute):
    a, b = read_only(), read_only()
    cache.remember(a, compute)
    assert len(cache.remember(b, lambda array: np.zeros(31))) == 31
    assert cache.info().kinds == {"": SIZE}
    cache.remember(a, compute)
    assert compute.calls == 1


def test_a_result_may_fill_the_budget_and_grow_to_fill_it(cache, compute):
    for nbytes in (3 * SIZE, SIZE):
        a = read_only()
        growing = cache.remember(a, lambda _, nbytes=nbytes: Growing(nbytes))
        growing.nbytes = 3 * SIZE
        cache.grew(a)
        assert cache.info().nbytes == 3 * SIZE and cache.remember(a, compute) is growing


def test_a_smaller_budget_holds_from_the_next_result_on(cache, compute):
    arrays = [read_only() for _ in range(4)]
    for array in arrays[:3]:
        cache.remember(array, compute)
    cache.budget = 2 * SIZE
    cache.remember(arrays[3], compute)
    assert cache.info().nbytes == 2 * SIZE


def test_growth_is_counted_and_others_make_room(cache, compute):
    a, b, c = (read_only() for _ in range(3))
    cache.remember(b, compute)
    growing = cache.remember(a, lambda _: Growing(SIZE), "growing")
    cache.remember(c, compute)
    growing.nbytes = 2 * SIZE
    cache.grew(a, "growing")
    assert cache.info().kinds == {"growing": 2 * SIZE, "": SIZE}
    cache.remember(c, compute)
    assert compute.calls == 2  # b went, which was used longest ago
    growing.nbytes = SIZE // 2
    cache.grew(a, "growing")
    assert cache.info().nbytes == SIZE + SIZE // 2


def test_what_has_grown_beyond_the_budget_goes_alone(cache, compute):
    a, b = read_only(), read_only()
    cache.remember(b, compute)
    growing = cache.remember(a, lambda _: Growing(SIZE), "growing")
    growing.nbytes = 4 * SIZE
    for _ in range(2):  # the second time it is no longer there
        cache.grew(a, "growing")
        assert cache.info().kinds == {"": SIZE}


# Whether it pays to compute something as a whole


def test_keeps_what_is_remembered_or_fits(cache, compute):
    a, b = read_only(), read_only()
    assert cache.keeps(a, 3 * SIZE, "x") and not cache.keeps(a, 3 * SIZE + 1, "x")
    assert not cache.keeps(np.zeros(10), SIZE, "x")
    cache.remember(a, compute, "x")
    cache.remember(b, lambda _: Growing(2 * SIZE), "x")
    assert cache.keeps(a, SIZE, "x") and not cache.keeps(a, SIZE, "y")


def test_filters_used_in_turn_that_need_more_than_the_budget_do_not_evict_each_other(cache, compute):
    arrays = [read_only() for _ in range(20)]
    for _ in range(50):
        for array in arrays:
            if cache.keeps(array, SIZE):
                cache.remember(array, compute)
    assert compute.calls == 3 and cache.info().hits == 3 * 49


def test_what_nobody_uses_any_more_makes_room(cache, compute):
    old, new, other = (read_only() for _ in range(3))
    cache.remember(old, lambda _: Growing(2 * SIZE))
    cache.remember(new, compute)
    assert not cache.keeps(other, SIZE)
    for _ in range(2 * PATIENCE - 1):
        cache.remember(new, compute)
    assert not cache.keeps(other, SIZE)
    cache.remember(new, compute)
    assert cache.keeps(other, SIZE) and cache.keeps(other, 2 * SIZE) and not cache.keeps(other, 3 * SIZE)
    cache.remember(other, compute)
    cache.remember(new, compute)
    assert compute.calls == 2 and cache.info().nbytes == 2 * SIZE


# Threads and the garbage collector


def test_threads_that_evict_each_others_results(cache):
    arrays, errors = [read_only(i) for i in range(12)], []

    def work(seed):
        random = np.random.default_rng(seed)
        for step in range(1000):
            i = int(random.integers(len(arrays)))
            if (cache.remember(arrays[i], lambda a: a + 1) != i + 1).any() or cache.info().nbytes > cache.budget:
                errors.append(i)
            if step % 10 == 0:
                cache.forget(arrays[i])

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not errors and not any(thread.is_alive() for thread in threads)
    cache.clear()
    assert cache.info().nbytes == 0  # nothing was counted twice, or not at all


def test_arrays_may_die_in_a_collection_at_any_moment(compute):
    cache, before = Cache(20 * SIZE), gc.get_threshold()
    gc.set_threshold(7)
    try:
        for i in range(2000):
            circle = [read_only(i)]
            circle.append(circle)
            assert cache.remember(circle[0], compute)[0] == i + 1
            assert cache.info().nbytes <= 20 * SIZE
        del circle
    finally:
        gc.set_threshold(*before)
    gc.collect()
    assert cache.info().nbytes == cache.info().entries == 0


# The one cache of the package


def test_it_tells_what_it_holds_and_can_be_cleared():
    layer = nn.Conv2d(16, 16, 1, seed=0)
    x = Tensor(np.random.default_rng(0).random((1, 8, 8, 16), np.float32))
    minicnn.clear_cache()
    assert minicnn.cache_info()[1:] == (0, 0, 0, 0, {})
    with nn.frozen(layer), no_grad():
        first = [layer(x).data for _ in range(3)]
        info = minicnn.cache_info()
        assert info.entries == info.misses == 1 and info.hits == 2
        assert layer.w.data.nbytes <= info.nbytes == info.kinds["panels"] < info.budget
        minicnn.clear_cache()
        assert minicnn.cache_info().nbytes == 0
        assert_array_equal(layer(x).data, first[0])
        assert minicnn.cache_info().misses == 1
    assert minicnn.cache_info().nbytes == 0

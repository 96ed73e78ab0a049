"""Triplets within a batch: the definition and the compiled kernels, both against loops."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from minicnn.backend import kernels_for, use_backend
from minicnn.fast.cpu import triplet as on_numba
from minicnn.kernels import triplet as on_numpy

IMPLEMENTATIONS = {"numpy": on_numpy, "numba": on_numba}
each_implementation = pytest.mark.parametrize("implementation", IMPLEMENTATIONS.values(), ids=IMPLEMENTATIONS)
each_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])


@st.composite
def batches(draw):
    """Encodings of few small integers: distances are exact, many are equal, some are zero."""
    count, dimensions, people = draw(st.integers(1, 7)), draw(st.integers(1, 3)), draw(st.integers(1, 4))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return random.integers(-1, 2, (count, dimensions)).astype(float), random.integers(0, people, count)


def distances_by_hand(x, squared):
    d = np.zeros((len(x), len(x)))
    for i in range(len(x)):
        for j in range(len(x)):
            for k in range(x.shape[1]):
                d[i, j] += (x[i, k] - x[j, k]) ** 2
    return d if squared else np.sqrt(d)


@each_implementation
@each_dtype
@settings(max_examples=10)
@given(batch=batches(), squared=st.booleans())
def test_distances_equal_their_sums(implementation, dtype, batch, squared):
    x, _ = batch
    d = implementation.distances(x.astype(dtype), squared)
    assert d.dtype == np.float64
    assert_array_equal(d, distances_by_hand(x, squared))


@each_implementation
@each_dtype
def test_distances_are_symmetric_and_exact_in_double_precision(implementation, dtype):
    x = np.random.default_rng(0).standard_normal((9, 33)).astype(dtype) + 100  # which would cancel in ‖x‖² + ‖y‖² − 2xy
    x[7] = x[2]
    d = implementation.distances(x, True)
    assert_array_equal(d, d.T)
    assert_allclose(d, distances_by_hand(x.astype(np.float64), True), rtol=1e-14)
    assert_array_equal(np.diag(d), 0)
    assert d[7, 2] == 0
    strange = np.asfortranarray(x)[::-1]
    assert_allclose(implementation.distances(strange, True), d[::-1, ::-1], rtol=1e-14)


@each_implementation
@given(batch=batches())
def test_the_hardest_are_those_that_loops_find_first(implementation, batch):
    x, labels = batch
    d = distances_by_hand(x, True)
    positives, negatives = implementation.hardest(d, labels)
    for a in range(len(x)):
        own = [i for i in range(len(x)) if labels[i] == labels[a] and i != a]
        others = [i for i in range(len(x)) if labels[i] != labels[a]]
        assert positives[a] == (max(own, key=lambda i, a=a: d[a, i]) if own else -1)  # max and min take the first
        assert negatives[a] == (min(others, key=lambda i, a=a: d[a, i]) if others else -1)


@each_implementation
@settings(max_examples=40)
@given(batch=batches(), low=st.sampled_from([-np.inf, -1.0, 0.0, 1.0]), high=st.sampled_from([-1.0, 0.0, 2.0, np.inf]))
def test_triplets_are_those_that_loops_find_in_the_same_order(implementation, batch, low, high):
    x, labels = batch
    d = distances_by_hand(x, True)
    everybody = range(len(x))
    expected = [
        (a, p, n)
        for a in everybody
        for p in everybody
        for n in everybody
        if labels[p] == labels[a] and p != a and labels[n] != labels[a] and low <= d[a, n] - d[a, p] < high
    ]
    found = implementation.triplets(d, labels, low, high)
    assert found.dtype == np.int64 and found.shape == (len(expected), 3)
    assert list(map(tuple, found)) == expected


@pytest.mark.parametrize("name", IMPLEMENTATIONS)
@given(batch=batches(), seed=st.integers(0, 2**32 - 1))
def test_every_other_picture_pulls_by_its_weight(name, batch, seed):
    x, _ = batch
    weights = np.random.default_rng(seed).standard_normal((len(x), len(x)))
    expected = [
        sum((weights[i, j] * (x[i] - x[j]) for j in range(len(x))), np.zeros(x.shape[1])) for i in range(len(x))
    ]
    with use_backend(name):
        dx = kernels_for(x).pull(weights, x)
    assert_allclose(dx, expected, rtol=0, atol=1e-12)


def all_results(x, labels):
    d = on_numba.distances(x, True)
    return d, *on_numba.hardest(d, labels), on_numba.triplets(d, labels, 0.0, 0.5)


def test_the_same_bits_for_any_number_of_threads(thread_count, pieces, monkeypatch):
    monkeypatch.setattr(on_numba, "LEAST", 1 << 9)
    random = np.random.default_rng(0)
    x, labels, results = random.standard_normal((60, 7)).astype(np.float32), random.integers(0, 9, 60), []
    for count in (1, 2, 4):
        thread_count(count)
        results.append(all_results(x, labels))
    assert min(pieces) > 4  # otherwise the threads had nothing to share
    assert len(results[0][-1]) > 100
    for other in results[1:]:
        for one, another in zip(results[0], other, strict=True):
            assert_array_equal(one, another)
    reference = on_numpy.distances(x, True)
    assert_allclose(results[0][0], reference, rtol=1e-13)
    assert_array_equal(results[0][1:3], on_numpy.hardest(reference, labels))
    assert_array_equal(results[0][3], on_numpy.triplets(reference, labels, 0.0, 0.5))

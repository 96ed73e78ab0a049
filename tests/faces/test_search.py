"""The search against sorting every float64 distance."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minicnn
from minicnn.errors import InputError
from minicnn.faces import search
from minicnn.faces.search import Index, nearest


def sorted_distances(queries, encodings, k):
    """What the search must find: all distances in float64, sorted, of equals the smaller place first."""
    difference = encodings[None].astype(np.float64) - queries[:, None].astype(np.float64)
    distances = np.square(difference).sum(axis=2)
    places = np.argsort(distances, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(distances, places, 1), places


def unit_vectors(count, dimensions, seed=0):
    vectors = np.random.default_rng(seed).standard_normal((count, dimensions), np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def assert_as_sorted(queries, encodings, k):
    found = nearest(queries, encodings, k)
    distances, places = sorted_distances(queries, encodings, k)
    np.testing.assert_array_equal(found.distances, distances)
    np.testing.assert_array_equal(found.places, places)


@settings(max_examples=15)
@given(st.integers(1, 300), st.integers(1, 9), st.integers(1, 70), st.integers(0, 2**32 - 1))
def test_finds_what_sorting_finds(count, dimensions, queries, seed):
    random = np.random.default_rng(seed)
    # Few different numbers: many ties, and many encodings that are the same.
    encodings = random.integers(-2, 3, (count, dimensions)).astype(np.float32) / 4
    block, search.BLOCK = search.BLOCK, 16
    try:
        assert_as_sorted(random.standard_normal((queries, dimensions)), encodings, int(random.integers(1, count + 1)))
        assert_as_sorted(encodings[:queries], encodings, int(random.integers(1, count + 1)))
    finally:
        search.BLOCK = block


def test_encodings_that_float32_cannot_tell_apart_are_sorted_by_float64():
    """A thousand within 1e-7 of each other: the products in float32 put them in an order of their own."""
    random = np.random.default_rng(0)
    centre = unit_vectors(1, 128)
    encodings = (centre + 1e-8 * random.standard_normal((1000, 128))).astype(np.float32)
    query = centre.astype(np.float64) + 0.05 * random.standard_normal((1, 128))
    seeming = (encodings @ (-2 * query[0]).astype(np.float32)) + np.square(encodings).sum(axis=1)
    _, places = sorted_distances(query, encodings, 10)
    assert set(np.argsort(seeming)[:40]) < set(range(1000)) and not set(places[0]) <= set(np.argsort(seeming)[:40])
    assert_as_sorted(query, encodings, 10)


def test_the_error_that_is_allowed_for_by_hand():
    queries = np.array([[3.0, 4.0], [0.0, 1.0]])
    best = search._Best(Index(np.float32([[0, 2], [6, 8]])), queries, 1, np.full(2, np.inf))
    unit = np.finfo(np.float32).eps / 2
    np.testing.assert_allclose(best.offsets + np.array([25, 1]), [10 * unit * 15**2, 10 * unit * 11**2], rtol=1e-7)


def test_far_from_the_origin_float32_is_not_trusted():
    """Lengths of 1000 and distances of 1: ‖q‖² + ‖x‖² − 2 q·x loses all but the first digit."""
    random = np.random.default_rng(1)
    encodings = (1000 + random.standard_normal((500, 16))).astype(np.float32)
    assert_as_sorted(encodings[:3] + random.standard_normal((3, 16)), encodings, 5)


def test_encodings_that_come_ever_nearer_are_found_as_well(monkeypatch):
    monkeypatch.setattr(search, "BLOCK", 32)
    encodings = np.linspace(2, 0, 1000, dtype=np.float32)[:, None]
    assert_as_sorted(np.zeros((1, 1)), encodings, 7)


def test_once_the_nearest_are_known_those_farther_away_are_not_computed_again(monkeypatch):
    looked_at, take = [], search._Best._take

    def taken(best, query, places):
        looked_at.append((query, sorted(places.tolist())))
        take(best, query, places)

    monkeypatch.setattr(search._Best, "_take", taken)
    monkeypatch.setattr(search, "BLOCK", 50)
    index = Index(np.arange(100, dtype=np.float32)[::-1, None].copy())
    limits = np.full(2, np.inf)
    search._Best(index, np.array([[0.0], [99.0]]), 2, limits).search(0, 100)
    near = list(range(8))  # four times as many as are wanted
    assert looked_at == [(0, [42 + i for i in near]), (1, near), (0, [92 + i for i in near])]
    assert limits.tolist() == [1, 1]
    other = search._Best(index, np.array([[0.0], [99.0]]), 2, limits)
    other.search(25, 75)  # where nobody is as near as those of the first
    assert len(looked_at) == 3 and not np.isfinite(other.distances).any()


def test_results_do_not_depend_on_threads(monkeypatch):
    monkeypatch.setattr(search, "BLOCK", 64)
    encodings, queries = unit_vectors(3000, 32), unit_vectors(5, 32, seed=1)
    before = minicnn.resources.threads()
    found = []
    try:
        for threads in (1, 4):
            minicnn.set_threads(threads)
            found.append(nearest(queries, encodings, 9))
    finally:
        minicnn.set_threads(before)
    np.testing.assert_array_equal(found[0].places, found[1].places)
    np.testing.assert_array_equal(found[0].distances, found[1].distances)


def test_memory_does_not_grow_with_the_gallery(monkeypatch):
    monkeypatch.setattr(search, "BLOCK", 256)
    queries = unit_vectors(8, 32, seed=1)
    peaks = []
    for count in (20_000, 100_000):
        index = Index(unit_vectors(count, 32))
        tracemalloc.start()
        index.nearest(queries, 5)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0] < 4 * 256 * 32 * 4 * 16  # some blocks for each of the sixteen pieces


def test_searches_what_lies_in_a_file(tmp_path):
    encodings = unit_vectors(400, 8)
    encodings.tofile(tmp_path / "encodings")
    mapped = np.memmap(tmp_path / "encodings", np.float32, "r", shape=(400, 8))
    assert_as_sorted(encodings[::100], mapped, 3)


def test_no_queries_have_no_neighbours():
    found = nearest(np.empty((0, 4)), unit_vectors(3, 4), 2)
    assert found.distances.shape == found.places.shape == (0, 2)


@pytest.mark.parametrize(
    ("encodings", "message"),
    [
        (np.zeros(3, np.float32), r"shape \(3,\)"),
        (np.zeros((3, 2)), "float64; expected float32"),
        (np.zeros((3, 0), np.float32), r"expected float32 \(N, D\)"),
        (np.array([[1, np.nan]], np.float32), "NaN"),
        (np.array([[1, np.inf]], np.float32), "NaN, infinity"),
        (np.array([[1e16, 0]], np.float32), "more than 1e"),
    ],
)
def test_other_encodings_are_refused(encodings, message):
    with pytest.raises(InputError, match=message):
        Index(encodings)


@pytest.mark.parametrize(
    ("queries", "k", "message"),
    [
        (np.zeros((1, 3)), 1, r"expected floats \(queries, 2\)"),
        (np.zeros(2), 1, r"shape \(2,\)"),
        (np.zeros((1, 2), int), 1, "dtype int64"),
        (np.full((1, 2), np.nan), 1, "queries hold NaN"),
        (np.full((1, 2), 8e14), 1, r"more than 1e\+15; expected finite numbers"),
        (np.zeros((1, 2)), 0, "k is 0; expected 1 to 3"),
        (np.zeros((1, 2)), 4, "k is 4; expected 1 to 3"),
    ],
)
def test_other_queries_are_refused(queries, k, message):
    with pytest.raises(InputError, match=message):
        nearest(queries, np.zeros((3, 2), np.float32), k)

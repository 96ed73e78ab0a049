"""Groups of unknown people, against SciPy's average linkage, which holds all distances."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import pdist

from minicnn.bench import children, people_clusters, runner
from minicnn.errors import InputError
from minicnn.faces import cluster, clusters
from minicnn.faces.clusters import agreement

TIED = 0.4142  # no mean of few whole numbers


def crowd(count, people, dimensions=16, seed=0):
    random = np.random.default_rng(seed)
    labels = random.integers(people, size=count)
    return random.standard_normal((count, dimensions)) + 2 * random.standard_normal((people, dimensions))[labels]


def same_partition(first, second):
    return len(set(first.tolist())) == len(set(second.tolist())) == len(set(zip(first, second, strict=True)))


@pytest.mark.parametrize("threshold", [5.0, 20.0, 40.0, 80.0])
@pytest.mark.parametrize("blocks", [(512, 4096), (16, 32)])
def test_groups_are_those_of_average_linkage(threshold, blocks, monkeypatch):
    monkeypatch.setattr(clusters, "ROWS", blocks[0])
    monkeypatch.setattr(clusters, "COLUMNS", blocks[1])
    points = crowd(400, 30)
    expected = fcluster(linkage(pdist(points, "sqeuclidean"), "average"), threshold, "distance")
    assert same_partition(cluster(points, threshold=threshold, least=1), expected)


@pytest.mark.parametrize(("metric", "threshold"), [("l2", 5.0), ("cosine", 0.4)])
def test_other_metrics_are_the_mean_of_squares_and_of_unit_vectors(metric, threshold):
    points = crowd(300, 20, seed=1)
    if metric == "cosine":
        halves, limit = pdist(points / np.linalg.norm(points, axis=1, keepdims=True), "sqeuclidean") / 2, threshold
    else:
        halves, limit = pdist(points, "sqeuclidean"), threshold**2
    expected = fcluster(linkage(halves, "average"), limit, "distance")
    assert 1 < expected.max() < 300
    assert same_partition(cluster(points, threshold=threshold, metric=metric, least=1), expected)


@settings(max_examples=40)
@given(st.integers(1, 50), st.integers(1, 3), st.integers(0, 8), st.integers(0, 2**32 - 1))
def test_with_many_ties_no_two_groups_are_left_that_should_be_one(count, dimensions, least, seed):
    points = np.random.default_rng(seed).integers(0, 4, (count, dimensions)).astype(np.float32)
    found = cluster(points, threshold=least + TIED, least=1)
    between = np.square(points[:, None] - points).sum(axis=2)
    for a in range(found.max() + 1):
        for b in range(a):
            assert between[np.ix_(found == a, found == b)].mean() > least + TIED
        assert between[np.ix_(found == a, found == a)].mean() <= least + TIED


def test_groups_are_numbered_by_size_and_lonely_ones_belong_to_none():
    points = np.array([[9.0], [0.0], [0.1], [5.0], [5.1], [5.2], [20.0]])
    np.testing.assert_array_equal(cluster(points, threshold=0.1), [-1, 1, 1, 0, 0, 0, -1])
    np.testing.assert_array_equal(cluster(points, threshold=0.1, least=3), [-1, -1, -1, 0, 0, 0, -1])
    np.testing.assert_array_equal(cluster(points, threshold=0.1, least=1), [2, 1, 1, 0, 0, 0, 3])
    found = cluster(np.ones((5, 2)), threshold=0.0)
    assert found.dtype == np.int64 and found.tolist() == [0] * 5
    assert cluster(np.eye(3), threshold=-1.0).tolist() == [-1, -1, -1]
    assert cluster(np.empty((0, 4)), threshold=1.0).shape == (0,)


def test_of_groups_of_which_each_is_nearest_to_the_next_the_two_nearest_are_joined():
    """Such a circle has no two groups that are each other's nearest."""
    groups = clusters._Groups(np.array([[0.0], [1.0], [5.0], [9.0]]), np.array([1, 3, 2, 1]))
    groups.near, groups.far = np.array([1, 2, 0, 1]), np.array([1.0, 2.0, 3.0, 4.0])
    groups.stale[:] = False
    groups._join_pairs()
    assert groups.owner.tolist() == [0, 0, 2, 3] and groups.sizes.tolist() == [4, 2, 1]
    np.testing.assert_allclose(groups.centres, [[0.75], [5], [9]])
    np.testing.assert_allclose(groups.spreads, [0.1875, 0, 0])
    assert groups.stale.tolist() == [True, True, True]  # the nearest of each was joined


def test_a_group_is_joined_with_the_one_that_has_it_as_its_nearest():
    """Of three in a row at equal distances, the last two are each other's nearest."""
    groups = clusters._Groups(np.array([[0.0], [1.0], [2.0]]), np.ones(3))
    groups.near, groups.far = np.array([1, 2, 1]), np.ones(3)
    groups._join_pairs()
    assert groups.owner.tolist() == [0, 1, 1] and groups.centres.tolist() == [[0.0], [1.5]]


def test_a_group_that_rounding_took_to_be_nearest_to_another_is_nearest_to_the_nearest_that_has_it():
    """Products of these centres are exact in float32, in which their deviations vanish; of equals, the first counts."""
    groups = clusters._Groups(np.array([[3001.0, 0], [3000, 0], [2999, 0], [3000, 1]]), np.ones(4))
    groups.spreads = np.array([0.4, 0, 0.1, 0.2])
    groups._look()
    assert groups.near.tolist() == [1, 2, 1, 1]
    np.testing.assert_allclose(groups.far, [1.4, 1.1, 1.1, 1.2])
    assert not groups.stale.any()


def test_precision_and_recall_are_of_pairs():
    groups, people = np.array([0, 0, 0, 1, 1, -1]), np.array([3, 3, 5, 5, 5, 5])
    assert agreement(groups, people) == (2 / 4, 2 / 7)
    assert agreement(np.array([-1, -1]), np.array([0, 1])) == (1.0, 1.0)


def test_groups_at_the_borders_of_what_can_be_measured():
    assert cluster(np.array([[1e15], [0.0], [1e15]]), threshold=1.0).tolist() == [0, -1, 0]
    with pytest.raises(InputError, match=r"NaN or more than 1e\+15; expected finite"):
        cluster(np.array([[1.001e15]]), threshold=1.0)
    assert cluster(np.array([[0.0, 0], [1, 0], [3, 0]]), threshold=0.1, metric="cosine").tolist() == [-1, 0, 0]
    for metric in ("squared_l2", "l2"):  # at the threshold is within
        assert cluster(np.array([[0.0], [1.0]]), threshold=1.0, metric=metric).tolist() == [0, 0]
    near = np.array([[0.0], [0.1]])
    for metric in ("squared_l2", "l2"):
        assert cluster(near, threshold=-1.0, metric=metric, least=1).tolist() == [0, 1]
        assert cluster(near, threshold=1.0, metric=metric, least=1).tolist() == [0, 0]


def test_people_as_far_apart_as_real_ones_are_told_apart():
    encodings, labels = people_clusters.drawn(40)
    groups = cluster(encodings, threshold=people_clusters.THRESHOLD)
    assert agreement(groups, labels) == (1.0, 1.0) and groups.max() == 39


def test_memory_grows_with_the_number_and_not_with_its_square():
    points = crowd(6000, 300, dimensions=8).astype(np.float32)
    tracemalloc.start()
    cluster(points, threshold=10.0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6000 * 5999 * 8 / 2 / 2  # half of what the condensed matrix would take


@pytest.mark.parametrize(
    ("encodings", "options", "told"),
    [
        (np.ones(3), {}, r"shape \(3,\); expected \(N, D\)"),
        (np.ones((3, 0)), {}, r"shape \(3, 0\); expected \(N, D\)"),
        (np.ones((2, 2)), {"threshold": "1"}, "threshold is '1'; expected a finite number"),
        (np.array([[np.nan]]), {}, "NaN or more than 1e"),
        (np.array([[1e20]]), {}, "expected finite numbers"),
        (np.ones((2, 2)), {"threshold": np.inf}, "threshold is inf"),
        (np.ones((2, 2)), {"metric": "chi2"}, "metric is 'chi2'; expected one of squared_l2, l2, cosine"),
        (np.ones((2, 2)), {"least": 0}, "least"),
    ],
)
def test_what_makes_no_sense_gets_one_line(encodings, options, told):
    with pytest.raises(InputError, match=told):
        cluster(encodings, **{"threshold": 1.0, **options})


def test_the_benchmark_says_how_right_the_groups_are(monkeypatch):
    monkeypatch.setattr(
        children, "ask", lambda module, function, people, **options: people_clusters.in_process(people=20, **options)
    )
    said = []
    report = runner.run(["clusters"], quick=True, say=said.append)
    (row,) = report.tables["clusters"].rows
    assert row.unit == "s" and row.minicnn > 0 and row.details["groups"] == 20
    assert row.details["precision"] == row.details["recall"] == 1.0
    assert "250 people: precision 100.0%, recall 100.0%" in said[-1]

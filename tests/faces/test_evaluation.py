"""ROC, AUC, EER, folds, CMC and DIR against closed forms, SciPy, and loops that follow the definitions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from minicnn.errors import InputError
from minicnn.faces import evaluation
from minicnn.faces.evaluation import (
    area_under_roc,
    best_threshold,
    cumulative_match,
    dir_at_fpir,
    equal_error_rate,
    evaluate_pairs,
    open_set_roc,
    roc,
    share_interval,
    val_at_far,
)


@st.composite
def labelled(draw):
    """Pairs with ties, of both kinds."""
    count = draw(st.integers(2, 40))
    distances = draw(st.lists(st.integers(0, 12), min_size=count, max_size=count))
    same = draw(st.lists(st.booleans(), min_size=count, max_size=count))
    same[0], same[1] = True, False
    return np.array(distances) / 4, np.array(same)


def normal_pairs(count, seed=0):
    """Distances of one person around 0, of two around 2, both with deviation 1."""
    random = np.random.default_rng(seed)
    distances = np.concatenate([random.normal(0, 1, count), random.normal(2, 1, count)])
    return distances, np.arange(2 * count) < count


@given(labelled())
def test_roc_counts_what_each_threshold_accepts(pairs):
    d, s = pairs
    curve = roc(d, s)
    assert curve.thresholds[0] == -np.inf and set(curve.thresholds[1:]) == set(d)
    for threshold, far, val in zip(*curve, strict=True):
        assert far == pytest.approx(np.mean(d[~s] <= threshold))
        assert val == pytest.approx(np.mean(d[s] <= threshold))


@given(labelled())
def test_area_is_mann_and_whitneys_statistic(pairs):
    d, s = pairs
    statistic = stats.mannwhitneyu(d[~s], d[s], method="asymptotic", use_continuity=False).statistic
    assert area_under_roc(d, s) == pytest.approx(statistic / (s.sum() * (~s).sum()))


def test_normal_distances_give_the_closed_forms():
    d, s = normal_pairs(200_000)
    assert area_under_roc(d, s) == pytest.approx(stats.norm.cdf(np.sqrt(2)), abs=2e-3)
    rate, threshold = equal_error_rate(d, s)
    assert rate == pytest.approx(stats.norm.cdf(-1), abs=2e-3) and threshold == pytest.approx(1, abs=0.02)
    threshold, accuracy = best_threshold(d, s)
    assert accuracy == pytest.approx(stats.norm.cdf(1), abs=2e-3) and threshold == pytest.approx(1, abs=0.1)
    point = val_at_far(d, s, 0.01)
    assert point.threshold == pytest.approx(2 + stats.norm.ppf(0.01), abs=0.03)
    assert point.val == pytest.approx(stats.norm.cdf(2 + stats.norm.ppf(0.01)), abs=0.01)


@given(labelled())
def test_equal_error_is_where_the_straightened_roc_crosses_the_diagonal(pairs):
    from scipy.optimize import brentq

    d, s = pairs
    curve = roc(d, s)
    # On a vertical stretch VAL is no function of FAR, so both are taken as functions of the way along the curve.
    along = np.arange(len(curve.far))
    crossing = brentq(lambda t: np.interp(t, along, curve.far) - 1 + np.interp(t, along, curve.val), 0, along[-1])
    assert equal_error_rate(d, s)[0] == pytest.approx(np.interp(crossing, along, curve.far), abs=1e-9)


@given(labelled())
def test_the_threshold_of_equal_errors_is_the_fairest(pairs):
    d, s = pairs
    worse = {t: max(np.mean(d[~s] <= t), np.mean(d[s] > t)) for t in np.unique(d)}
    assert worse[equal_error_rate(d, s)[1]] == pytest.approx(min(worse.values()))


def test_of_two_fair_thresholds_the_larger_and_of_several_best_ones_the_middle_is_taken():
    assert equal_error_rate([1, 2, 3, 4], [1, 0, 1, 0]) == (0.5, 2.0)
    # 1, 2, 3 and 4 are as good: each accepts one pair of either kind more.
    assert best_threshold([1, 2, 2, 3, 3, 4, 4, 9], [1, 1, 0, 1, 0, 1, 0, 0]) == (3.5, 5 / 8)
    assert best_threshold([1, 1, 2, 2], [0, 0, 1, 0]) == (np.nextafter(1.0, 0), 0.75)  # nobody passes
    assert best_threshold([1, 2], [0, 1]) == (2.0, 0.5)
    # 3 and 5 are as good, however the shares of either kind are rounded.
    assert best_threshold([1, 2, 3, 4, 5, 6], [1, 1, 1, 0, 1, 0]) == (5.5, pytest.approx(5 / 6))


@given(labelled(), st.sampled_from([0.0, 0.1, 0.3, 0.9]))
def test_val_at_far_takes_the_largest_threshold_that_keeps_to_the_target(pairs, target):
    d, s = pairs
    point = val_at_far(d, s, target)
    allowed = [t for t in np.unique(d) if np.mean(d[~s] <= t) <= target]
    assert point.far == np.mean(d[~s] <= point.threshold) <= target
    assert point.val == np.mean(d[s] <= point.threshold)
    assert point.threshold == max(allowed) if allowed else point.threshold < d.min()


@given(labelled())
def test_no_threshold_is_better_than_the_best(pairs):
    d, s = pairs
    threshold, accuracy = best_threshold(d, s)
    assert accuracy == pytest.approx(np.mean((d <= threshold) == s))
    every = [-1, *np.unique(d)]
    assert accuracy == pytest.approx(max(np.mean((d <= t) == s) for t in every))


def test_the_best_threshold_between_adjacent_numbers_parts_them():
    low = 1.0
    high = np.nextafter(low, 2)
    assert low <= best_threshold([low, high], [True, False])[0] < high


# Folds


def test_folds_of_lfws_order_are_lfws_folds():
    random = np.random.default_rng(3)
    same = np.tile(np.repeat([True, False], 30), 10)
    d = np.where(same, random.normal(0.8, 0.3, 600), random.normal(1.5, 0.3, 600))
    by_number = evaluate_pairs(d, same, folds=10)
    assert by_number == evaluate_pairs(d, same, folds=np.arange(600) // 60)
    expected = []
    for fold in range(10):
        test = np.arange(600) // 60 == fold
        candidates = np.unique(d[~test])
        right = [np.mean((d[~test] <= t) == same[~test]) for t in candidates]
        best = np.flatnonzero(np.array(right) == max(right))
        # Any threshold between two neighbours is as good on the other folds; ours must be among them.
        reach = [(candidates[b], candidates[min(b + 1, len(candidates) - 1)]) for b in best]
        assert any(low <= by_number.fold_thresholds[fold] <= high for low, high in reach)
        expected.append(np.mean((d[test] <= by_number.fold_thresholds[fold]) == same[test]))
    assert by_number.fold_accuracies == pytest.approx(expected)
    assert by_number.accuracy == pytest.approx(np.mean(expected))
    assert by_number.deviation == pytest.approx(np.std(expected))
    assert by_number.standard_error == pytest.approx(stats.sem(expected))


def test_pairs_sorted_by_kind_are_judged_like_shuffled_ones():
    d, s = normal_pairs(500)
    order = np.random.default_rng(0).permutation(1000)
    both = [evaluate_pairs(d, s), evaluate_pairs(d[order], s[order])]
    for found in both:
        assert found.accuracy == pytest.approx(stats.norm.cdf(1), abs=0.03)
        assert found.same == found.different == 500


def test_val_is_measured_on_the_fold_that_the_threshold_has_not_seen():
    d, s = normal_pairs(1000)
    d = np.round(d, 1)  # so that many are at the threshold
    found = evaluate_pairs(d, s, folds=5, target_far=0.01)
    fold = np.concatenate([np.arange(1000) * 5 // 1000] * 2)
    accepted = np.zeros(2000, bool)
    for number in range(5):
        test = fold == number
        threshold = val_at_far(d[~test], s[~test], 0.01).threshold
        accepted[test] = d[test] <= threshold
    assert found.val == np.mean(accepted[s]) and found.far == np.mean(accepted[~s])
    assert found.val_interval == share_interval(int(accepted[s].sum()), 1000)
    assert "VAL" in str(found) and f"{found.accuracy:.2%}" in str(found)


@pytest.mark.parametrize(("count", "total"), [(0, 10), (3, 10), (10, 10), (1, 1000)])
def test_intervals_are_clopper_and_pearsons(count, total):
    expected = stats.binomtest(count, total).proportion_ci(0.95, method="exact")
    assert share_interval(count, total) == pytest.approx((expected.low, expected.high))


# Galleries


@settings(max_examples=15)
@given(st.integers(0, 2**32 - 1))
def test_cmc_and_open_set_follow_their_definitions(seed):
    random = np.random.default_rng(seed)
    gallery = np.array(["Ann", "Ben", "Ann", "Cid", "Ben", "Dora"])
    probes = np.array(["Ben", "Eve", "Ann", "Dora", "Ann", "Fay", "Cid"])
    d = random.integers(0, 9, (7, 6)) / 2
    ranks, nearest = [], []
    for row, person in zip(d, probes, strict=True):
        by_person = {name: min(row[gallery == name]) for name in set(gallery)}
        nearest.append(min(by_person.values()))
        own = by_person.get(person)
        ranks.append(None if own is None else sum(value <= own for value in by_person.values()))
    known = [rank for rank in ranks if rank is not None]
    cmc = [np.mean([rank <= r for rank in known]) for r in range(1, 5)]
    assert cumulative_match(d, gallery, probes) == pytest.approx(cmc)

    curve = open_set_roc(d, gallery, probes)
    strangers = [n for n, rank in zip(nearest, ranks, strict=True) if rank is None]
    for threshold, fpir, found in zip(*curve, strict=True):
        assert fpir == pytest.approx(np.mean([n <= threshold for n in strangers]))
        hits = [rank == 1 and n <= threshold for n, rank in zip(nearest, ranks, strict=True) if rank is not None]
        assert found == pytest.approx(np.mean(hits))
    threshold, fpir, found = dir_at_fpir(d, gallery, probes, 0.5)
    assert fpir <= 0.5 and found == max(curve.dir[curve.fpir <= 0.5])


# Bad input


@pytest.mark.parametrize(
    ("distances", "same", "message"),
    [
        ([[1.0]], [True], r"shape \(1, 1\)"),
        (["a", "b"], [True, False], "expected numbers"),
        ([True, False], [True, False], "dtype bool; expected numbers"),
        ([1.0, 2.0], [True], "expected 2 times"),
        ([1.0, 2.0], [0, 2], "true or false"),
        ([1.0, np.nan], [True, False], "NaN"),
        ([1.0, 2.0], [True, True], "none is of different people"),
        ([1.0, 2.0], [False, False], "none is of the same person"),
        ([], [], "of 0 pairs none is of the same person"),
    ],
)
def test_pairs_that_are_none_are_refused(distances, same, message):
    with pytest.raises(InputError, match=message) as caught:
        roc(distances, same)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"folds": 1}, "folds is 1"),
        ({"folds": 6}, "expected 2 to 5"),
        ({"folds": np.zeros(3, int)}, r"shape \(3,\)"),
        ({"folds": np.array([0] * 5 + [1] * 5)}, "of one kind"),
        ({"folds": np.arange(10) / 5}, "dtype float64"),
        ({"target_far": 1.5}, "target_far is 1.5"),
        ({"target_far": 1}, "target_far is 1; expected a rate from 0 up to, not including, 1"),
        ({"target_far": -0.1}, "target_far is -0.1"),
        ({"target_far": "0.1"}, "target_far is '0.1'"),
    ],
)
def test_folds_that_cannot_be_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        evaluate_pairs(np.arange(10.0), np.arange(10) < 5, **options)


@pytest.mark.parametrize("same", [3, 7])
def test_there_are_as_many_folds_as_pairs_of_the_rarer_kind_at_most(same):
    with pytest.raises(InputError, match="folds is 4; expected 2 to 3"):
        evaluate_pairs(np.arange(10.0), np.arange(10) < same, folds=4)
    assert len(evaluate_pairs(np.arange(10.0), np.arange(10) < same, folds=3).fold_accuracies) == 3


@pytest.mark.parametrize(
    ("d", "probes", "message"),
    [
        (np.zeros((2, 3)), ["Ann", "Eve"], r"expected \(probes, entries\)"),
        (np.zeros((0, 2)), [], r"shape \(0, 2\); expected \(probes, entries\), \(0, 2\) here"),
        (np.full((2, 2), np.nan), ["Ann", "Eve"], "NaN"),
        (np.array([[0.0, 1.0], [np.nan, 1.0]]), ["Ann", "Eve"], "NaN"),
        (np.zeros((1, 2)), ["Ann"], "no probe is of a stranger"),
        (np.zeros((1, 2)), ["Eve"], "no probe is of a person in the gallery"),
    ],
)
def test_probes_that_cannot_be_judged_are_refused(d, probes, message):
    with pytest.raises(InputError, match=message):
        open_set_roc(d, ["Ann", "Ben"], probes)


def test_folds_have_pairs_of_both_kinds_each():
    d, s = np.tile(np.array([0.0, 1.0]), 5), np.tile([True, False], 5)
    for folds in (2, 5):
        found = evaluate_pairs(d, s, folds=folds, target_far=0)
        assert len(found.fold_accuracies) == folds and found.accuracy == 1.0 and found.far == 0
        told = f"over {folds} folds of deviation 0.00%, d ≤ {found.threshold:.4g}; AUC 1.0000; EER 0.00%; VAL"
        assert told in str(found)


def test_a_pair_at_the_threshold_of_the_other_folds_is_of_one_person():
    found = evaluate_pairs([0, 2, 1, 2], [True, False, True, False], folds=[0, 0, 1, 1])
    assert (found.fold_thresholds, found.fold_accuracies) == ((1.5, 1.0), (1.0, 1.0))


@pytest.mark.parametrize("rate", [-0.1, 1])
def test_targets_that_are_no_rates_are_refused(rate):
    with pytest.raises(InputError, match=f"^val_at_far: target_far is {rate}; expected a rate"):
        val_at_far([1.0, 2.0], [True, False], rate)
    with pytest.raises(InputError, match=f"^dir_at_fpir: target_fpir is {rate}; expected a rate"):
        dir_at_fpir(np.eye(2), ["Ann", "Ben"], ["Ann", "Eve"], rate)


def test_cmc_of_strangers_only_is_refused():
    with pytest.raises(InputError, match="no probe is of a person"):
        cumulative_match(np.zeros((1, 2)), ["Ann", "Ben"], ["Eve"])
    assert evaluation.check_rate(0.5, "rate") is None

"""Thresholds against their definitions, intervals by how often they hold, probabilities against SciPy's optimizer."""

import json

import numpy as np
import pytest
from scipy import optimize, stats

from minicnn.errors import InputError
from minicnn.faces import calibration
from minicnn.faces.calibration import (
    Calibration,
    calibrate,
    fit_log_odds,
    rate_in_gallery,
    rate_per_comparison,
)
from minicnn.faces.evaluation import best_threshold, equal_error_rate, val_at_far


def pairs(same=300, different=300, seed=0):
    """Distances of one person around 0, of two around 2, both with deviation 1."""
    random = np.random.default_rng(seed)
    distances = np.concatenate([random.normal(0, 1, same), random.normal(2, 1, different)])
    order = random.permutation(same + different)
    return distances[order], (np.arange(same + different) < same)[order]


def test_each_rule_finds_the_threshold_that_it_is_named_after():
    d, s = pairs()
    assert calibrate(d, s, target_far=0.05).threshold == val_at_far(d, s, 0.05).threshold
    assert calibrate(d, s, rule="eer").threshold == equal_error_rate(d, s)[1]
    assert calibrate(d, s, rule="accuracy").threshold == best_threshold(d, s)[0]


def test_a_calibration_says_what_its_threshold_does():
    d, s = pairs()
    found = calibrate(d, s, target_far=0.05)
    assert float(found) == found.threshold
    assert found.far == np.mean(d[~s] <= found.threshold) <= 0.05
    assert found.val == np.mean(d[s] <= found.threshold)
    assert found.accuracy == np.mean((d <= found.threshold) == s)
    exact = stats.binomtest(round(found.far * 300), 300).proportion_ci(0.95, method="exact")
    assert found.far_interval == pytest.approx((exact.low, exact.high))
    assert found == calibrate(d, s, target_far=0.05)
    low, high = found.threshold_interval
    assert low < found.threshold < high
    assert (low, high) != calibrate(d, s, target_far=0.05, confidence=0.9, seed=1).threshold_interval
    assert "FAR" in str(found) and "300 pairs" in str(found)


@pytest.mark.parametrize(("rule", "truth"), [("far", 2 + stats.norm.ppf(0.1)), ("eer", 1.0)])
def test_the_bootstraps_interval_holds_about_as_often_as_it_says(rule, truth, monkeypatch):
    monkeypatch.setattr(calibration, "RESAMPLES", 100)
    intervals = [
        calibrate(*pairs(100, 100, seed), rule=rule, target_far=0.1, confidence=0.8).threshold_interval
        for seed in range(40)
    ]
    held = sum(low <= truth <= high for low, high in intervals)
    assert 24 <= held <= 39  # 80 % of 40 are 32; beyond these bounds lies a chance of 1 in 300


@pytest.mark.parametrize(("count", "expected"), [(1, 7), (5, 5), (50, 3)])
def test_large_sets_are_resampled_less_often(count, expected, monkeypatch):
    for name, value in (("RESAMPLES", 7), ("FEWEST_RESAMPLES", 3), ("WORK", 50)):
        monkeypatch.setattr(calibration, name, value)
    drawn, resample = [], calibration._resample
    monkeypatch.setattr(calibration, "_resample", lambda *arguments: drawn.append(1) or resample(*arguments))
    calibrate(*pairs(count, count))
    assert len(drawn) == expected


@pytest.mark.parametrize("rule", ["far", "eer"])
def test_the_interval_is_of_thresholds_of_pairs_that_were_drawn_again(rule, monkeypatch):
    """Of those alone: a distance that is not drawn is no threshold."""
    monkeypatch.setattr(calibration, "RESAMPLES", 20)
    monkeypatch.setattr(calibration, "FEWEST_RESAMPLES", 20)
    d, s = pairs(20, 20)
    found = calibrate(d, s, rule=rule, target_far=0.1, confidence=0.8, seed=3)
    order, random = np.argsort(d), np.random.default_rng(3)
    drawn = [np.repeat(order, calibration._resample(s[order], random)) for _ in range(20)]
    measure = {"far": lambda d, s: val_at_far(d, s, 0.1)[0], "eer": lambda d, s: equal_error_rate(d, s)[1]}
    expected = np.quantile([measure[rule](d[places], s[places]) for places in drawn], [0.1, 0.9])
    assert found.threshold_interval == pytest.approx(tuple(expected), abs=1e-12)


# Galleries


def test_a_strangers_chances_multiply():
    assert rate_in_gallery(0.001, 100) == pytest.approx(1 - 0.999**100)
    assert rate_per_comparison(rate_in_gallery(1e-9, 1000), 1000) == pytest.approx(1e-9)
    assert rate_in_gallery(1.0, 3) == rate_per_comparison(1.0, 3) == 1.0
    for rate in (rate_in_gallery, rate_per_comparison):
        with pytest.raises(InputError, match=f"^{rate.__name__}: comparisons is 0; expected"):
            rate(0.1, 0)


def test_the_threshold_for_one_lets_strangers_into_a_gallery_and_the_one_for_k_does_not():
    """Encodings whose distances to each other are independent: the distance to each of K people is drawn anew."""
    d, s = pairs(300, 30_000)
    found = calibrate(d, s, target_far=0.02)
    strangers = np.random.default_rng(1).normal(2, 1, (4000, 50)).min(axis=1)
    assert np.mean(strangers <= found.threshold) == pytest.approx(1 - 0.98**50, abs=0.03)  # 64 %
    assert np.mean(strangers <= found.for_gallery(50)) == pytest.approx(0.02, abs=0.01)
    assert found.resolves(50) and found.for_gallery(1) == found.threshold


def test_for_gallery_lets_through_as_many_pairs_as_it_may():
    d, s = pairs(500, 5000)
    found = calibrate(d, s, target_far=0.1)
    thresholds = []
    for people in (1, 2, 5, 20, 100, 10_000):
        thresholds.append(found.for_gallery(people))
        wrong = np.sum(d[~s] <= thresholds[-1])
        allowed = rate_per_comparison(0.1, people) * 5000
        # The nearest hundred pairs are all remembered; beyond them, one in 2 %.
        assert 0.97 * np.floor(allowed) - 1 <= wrong <= allowed
        assert found.resolves(people) == (allowed >= 1)
    assert thresholds == sorted(thresholds, reverse=True)
    assert thresholds[-1] < d[~s].min()


def test_one_pair_that_may_pass_is_enough_to_estimate_a_rate():
    found = calibrate(*pairs(10, 10), target_far=0.1)
    assert found.resolves(1) and not found.resolves(2)
    found = calibrate(*pairs(10, 10), target_far=0.271)  # 1 − 0.9³
    assert found.resolves(3) and not found.resolves(4)  # however the root is rounded


def test_other_rules_keep_the_far_that_they_have_at_one_comparison():
    found = calibrate(*pairs(), rule="eer")
    assert found.acceptable == found.far > 0.1
    assert found.for_gallery(20) < found.threshold


# Probability


def test_probability_is_the_fit_that_scipy_finds():
    d, s = pairs(200, 400)
    aim = np.where(s, 201 / 202, 1 / 402)
    best = optimize.minimize(
        lambda w: np.sum(np.logaddexp(0, w[0] + w[1] * d) - aim * (w[0] + w[1] * d)), [0, 0], method="BFGS"
    )
    assert fit_log_odds(d, s) == pytest.approx(best.x, rel=1e-3)
    found = calibrate(d, s)
    share = 200 / 600
    log_odds = found.intercept + found.slope * 0.7
    assert isinstance(found.probability(0.7), float) and found.probability([0.7]).shape == (1,)
    assert found.probability(0.7, prior=share) == pytest.approx(1 / (1 + np.exp(-log_odds)))


def test_the_fit_to_pairs_that_mirror_each_other_goes_on_until_no_slope_is_better():
    """The intercept is right at once there."""
    d, s = np.array([0.0, 1.0, 2.0, 1.0, 2.0, 3.0]), np.arange(6) < 3
    intercept, slope = fit_log_odds(d, s)
    aim, found = np.where(s, 4 / 5, 1 / 5), 1 / (1 + np.exp(-(intercept + slope * d)))
    assert intercept == pytest.approx(-1.5 * slope)
    assert np.sum((aim - found) * d) == pytest.approx(0, abs=1e-9)


def test_probability_is_that_of_the_two_normal_distributions():
    d, s = pairs(5000, 15_000)
    truth = 1 / (1 + np.exp(-(2 - 2 * np.array([0.0, 1.0, 2.0]))))  # log-odds of N(0, 1) against N(2, 1)
    found = calibrate(d, s)
    assert found.probability([0.0, 1.0, 2.0]) == pytest.approx(truth, abs=0.02)
    assert found.probability(1.0, prior=0.001) == pytest.approx(0.001, rel=0.1)


def test_kinds_that_do_not_overlap_leave_the_fit_finite():
    intercept, slope = fit_log_odds(np.array([0.1, 0.2, 1.0, 1.1]), np.array([True, True, False, False]))
    assert np.isfinite([intercept, slope]).all() and slope < 0
    intercept, slope = fit_log_odds(np.full(4, 0.5), np.array([True, True, False, False]))
    assert intercept + slope * 0.5 == pytest.approx(0, abs=1e-6)


# As data


def test_a_calibration_survives_json():
    for found in (calibrate(*pairs()), calibrate([0.1, 0.9], [True, False])):
        assert Calibration.from_dict(json.loads(json.dumps(found.as_dict()))) == found


@pytest.mark.parametrize(
    "change",
    [
        {"threshold": None},
        {"threshold": float("nan")},
        {"rule": "luck"},
        {"closest": []},
        {"closest": [[1, 2.0, 3.0]]},
        {"closest": "text"},
        {"far_interval": [0.1]},
        {"same": 0},
        {"different": 0},
        {"rule": "eer", "far": 1.0},
        {"target_far": 1.0},
        {"target_far": -0.1},
        {"far": True},
        {"more": 1},
        {"target_far": 1.5},
    ],
    ids=str,
)
def test_other_data_are_refused(change):
    data = calibrate(*pairs()).as_dict()
    for wrong in ({**data, **change}, {}, None, [1]):
        with pytest.raises(InputError, match="not those of a calibration"):
            Calibration.from_dict(wrong)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target_far": -0.1}, "target_far is -0.1"),
        ({"rule": "best"}, "rule is 'best'"),
        ({"confidence": 1}, "confidence is 1"),
        ({"confidence": 0}, "confidence is 0"),
        ({"confidence": "0.9"}, "confidence is '0.9'"),
    ],
)
def test_bad_options_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        calibrate(*pairs(), **options)


def test_bad_arguments_of_a_calibration_are_refused():
    found = calibrate(*pairs())
    for prior in (0, 1, "0.5"):
        with pytest.raises(InputError, match=f"prior is {prior!r}; expected a number between 0 and 1"):
            found.probability(0.5, prior=prior)
    with pytest.raises(InputError, match="comparisons is 0"):
        found.for_gallery(0)

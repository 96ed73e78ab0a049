"""Which triplets each strategy takes, batches of P people with K pictures, and the monitor of collapse."""

import itertools
import math
import warnings

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from minicnn import Tensor, faces, use_backend
from minicnn.errors import InputError
from minicnn.faces import collapse
from minicnn.faces.mining import STRATEGIES

each_backend = pytest.mark.parametrize("backend", ["numpy", "numba"])


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


@st.composite
def batches(draw):
    """Few small integers, so that distances are exact and ties frequent; two people or more, one with two pictures."""
    count, people = draw(st.integers(3, 8)), draw(st.integers(2, 4))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    labels = random.integers(0, people, count)
    assume(1 < len(set(labels)) < count)
    return random.integers(-1, 2, (count, 2)).astype(draw(st.sampled_from([np.float32, np.float64]))), labels


def valid_triplets(labels):
    everybody = range(len(labels))
    return [
        (a, p, n)
        for a, p, n in itertools.product(everybody, repeat=3)
        if a != p and labels[a] == labels[p] and labels[a] != labels[n]
    ]


def rows(triplets):
    assert triplets.dtype == np.int64 and triplets.shape == (len(triplets), 3)
    return list(map(tuple, triplets))


# Strategies


@each_backend
@given(batch=batches(), margin=st.sampled_from([0, 1, 2.5]), squared=st.booleans())
def test_every_strategy_takes_what_loops_take(backend, batch, margin, squared):
    x, labels = batch
    every = valid_triplets(labels)

    def d(i, j):
        square = ((x[i] - x[j]).astype(float) ** 2).sum()
        return square if squared else math.sqrt(square)

    def gap(triplet):
        anchor, positive, negative = triplet
        return d(anchor, negative) - d(anchor, positive)

    hardest = []
    for anchor in range(len(x)):
        own = [i for i in range(len(x)) if labels[i] == labels[anchor] and i != anchor]
        others = [i for i in range(len(x)) if labels[i] != labels[anchor]]
        if own:
            furthest, nearest = max(own, key=lambda i: d(anchor, i)), min(others, key=lambda i: d(anchor, i))
            hardest.append((anchor, furthest, nearest))
    expected = {
        "all": every,
        "hard": [t for t in every if gap(t) <= 0],
        "semi-hard": [t for t in every if 0 < gap(t) < margin],
        "batch-all": [t for t in every if gap(t) < margin],
        "batch-hard": hardest,
    }
    with use_backend(backend):
        for strategy, triplets in expected.items():
            assert rows(faces.mine_triplets(x, labels, strategy=strategy, margin=margin, squared=squared)) == triplets
        for strategy, among in (("random", every), ("random-active", expected["batch-all"])):
            found = rows(faces.mine_triplets(x, labels, strategy=strategy, margin=margin, squared=squared))
            assert set(found) <= set(among)
            assert [t[:2] for t in found] == sorted({t[:2] for t in among})  # every pair that has one, once


def test_names_are_as_good_as_numbers_and_tensors_as_arrays():
    x, numbers = normal(6, 3), np.array([0, 0, 1, 1, 2, 2])  # seed 0 has triplets of every kind with this margin
    names = np.array(["ada", "ada", "bo", "bo", "cy", "cy"])
    for strategy in STRATEGIES:
        expected = faces.mine_triplets(x, numbers, strategy=strategy, margin=5)
        assert len(expected)
        assert_array_equal(faces.mine_triplets(Tensor(x), list(names), strategy=strategy, margin=5), expected)
    assert len(faces.mine_triplets(x, numbers, strategy="all")) == 6 * 1 * 2 * 2  # PK (K − 1) (P − 1) K


@pytest.mark.parametrize("strategy", ["random", "random-active"])
def test_random_triplets_repeat_with_the_seed_and_reach_every_negative(strategy):
    x, labels = normal(9, 2), np.arange(9) % 3

    def mined(seed):
        return rows(faces.mine_triplets(x, labels, strategy=strategy, margin=1.0, seed=seed))

    assert mined(3) == mined(3) == mined(np.random.default_rng(3))
    assert mined(3) != mined(4)
    generator = np.random.default_rng(0)
    drawn = [triplet for _ in range(60) for triplet in mined(generator)]
    possible = faces.mine_triplets(x, labels, strategy="all" if strategy == "random" else "batch-all", margin=1.0)
    assert set(drawn) == set(rows(possible))
    if strategy == "random":  # 6 negatives of a pair are 3 for each of the two other people, and equally likely
        counts = np.bincount([n for a, p, n in drawn if (a, p) == (0, 3)], minlength=9)
        assert_array_equal(counts > 0, labels != 0)
        assert counts.max() < 30


def test_strategies_fit_together():
    x, labels = normal(12, 3), np.arange(12) % 4
    mined = {strategy: rows(faces.mine_triplets(x, labels, strategy=strategy)) for strategy in STRATEGIES}
    assert sorted(mined["hard"] + mined["semi-hard"]) == mined["batch-all"]
    losses = {s: faces.batch_triplet_loss(x, mined[s], reduction="active").item() for s in ("all", "batch-all")}
    assert losses["all"] == pytest.approx(losses["batch-all"], rel=1e-12)
    fractions = {s: faces.active_fraction(x, mined[s]) for s in STRATEGIES}
    assert fractions["batch-all"] == fractions["hard"] == fractions["semi-hard"] == fractions["random-active"] == 1
    assert fractions["batch-hard"] > fractions["all"] > 0


def test_when_all_encodings_are_one_no_triplet_is_semi_hard_and_a_margin_of_zero_leaves_nothing():
    x, labels = np.ones((6, 2)), np.arange(6) % 2
    counts = {s: len(faces.mine_triplets(x, labels, strategy=s, margin=0.2)) for s in STRATEGIES}
    every = 6 * 2 * 3
    expected = {"all": every, "hard": every, "semi-hard": 0, "batch-all": every, "batch-hard": 6, "random": 12}
    assert counts == {**expected, "random-active": 12}
    assert len(faces.mine_triplets(x, labels, strategy="batch-all", margin=0)) == 0
    assert faces.mine_triplets(x, labels, strategy="random-active", margin=0).shape == (0, 3)


@pytest.mark.parametrize(
    ("embeddings", "labels", "options", "message"),
    [
        (np.ones((2, 3)), [0, 1], {}, "labels name 2 people with one picture each; expected two pictures of somebody"),
        (np.ones((2, 3)), ["ada", "ada"], {}, "labels name one person alone, ada; expected two or more"),
        (np.ones((3, 3)), [0, 0], {}, "labels have shape (2,); expected (3,)"),
        (np.ones(3), [0, 0, 1], {}, "embeddings have shape (3,) and dtype float64; expected floats (N, D)"),
        (np.ones((3, 3), int), [0, 0, 1], {}, "embeddings have shape (3, 3) and dtype int64; expected floats (N, D)"),
        (np.ones((0, 3)), [], {}, "embeddings have shape (0, 3) and dtype float64; expected floats (N, D)"),
        (
            np.array([[1.0, 1.0], [np.nan, 1.0], [1.0, np.inf]]),
            [0, 0, 1],
            {},
            "embeddings are not finite in 2 of 3 rows, first in row 1; expected finite numbers",
        ),
        (np.ones((3, 3)), [0, 0, 1], {"margin": -0.1}, "margin is -0.1; expected a number of 0 or more"),
        (np.ones((3, 3)), [0, 0, 1], {"margin": math.nan}, "margin is nan; expected a number of 0 or more"),
        (np.ones((3, 3)), [0, 0, 1], {"strategy": "soft"}, "strategy is 'soft'; expected one of all, hard, semi-hard"),
    ],
)
def test_bad_batches_are_named_in_one_line(embeddings, labels, options, message):
    with pytest.raises(InputError) as caught:
        faces.mine_triplets(embeddings, labels, **{"strategy": "all", **options})
    assert str(caught.value).startswith(f"mine_triplets: {message}")
    assert "\n" not in str(caught.value)


# Batches of P people with K pictures


PICTURES = np.repeat([f"person {i}" for i in range(11)], [4, 4, 2, 1, 7, 3, 4, 5, 1, 4, 4])  # two come but once


@pytest.mark.parametrize("people", [2, 3, 4, 9])
def test_an_epoch_shows_everybody_in_batches_of_p_people_with_k_pictures(people):
    labels = np.random.default_rng(1).permutation(PICTURES)
    sampler = faces.PeopleSampler(labels, people=people, pictures=3, seed=5)
    assert set(sampler.left_out) == {"person 3", "person 8"}
    for number in range(5):
        batches = sampler.epoch(number)
        assert len(batches) == len(sampler) == math.ceil(9 / people)
        for batch in batches:
            assert len(set(batch)) == len(batch)
            names, counts = np.unique(labels[batch], return_counts=True)
            assert len(names) == people
            assert dict(zip(names, counts, strict=True)) == {n: min(3, np.count_nonzero(labels == n)) for n in names}
            assert np.count_nonzero(labels[batch][1:] != labels[batch][:-1]) == people - 1  # each one's stand together
            faces.mine_triplets(normal(len(batch), 2), labels[batch], strategy="batch-hard")
        shown = [name for batch in batches for name in set(labels[batch])]
        assert set(shown) == set(labels) - set(sampler.left_out)
        assert len(shown) - len(set(shown)) == people * len(sampler) - 9  # who fills the last batch up


def test_batches_are_a_matter_of_the_seed_and_their_number():
    sampler, again = (faces.PeopleSampler(PICTURES, people=4, pictures=2, seed=7) for _ in range(2))
    in_order = [sampler.batch(number) for number in range(7)]
    for number in (5, 0, 6, 2):  # as after a kill, and in any order
        assert_array_equal(again.batch(number), in_order[number])
    for one, other in zip(sampler.epoch(1), in_order[3:6], strict=True):
        assert_array_equal(one, other)
    assert [tuple(batch) for batch in sampler.epoch(0)] != [tuple(batch) for batch in sampler.epoch(1)]
    another = faces.PeopleSampler(PICTURES, people=4, pictures=2, seed=8)
    assert [tuple(batch) for batch in another.epoch(0)] != [tuple(batch) for batch in sampler.epoch(0)]
    seen = {picture for epoch in range(12) for batch in sampler.epoch(epoch) for picture in batch}
    assert seen == {i for i, name in enumerate(PICTURES) if name not in sampler.left_out}  # all of everybody's pictures


@pytest.mark.parametrize(
    ("labels", "options", "message"),
    [
        ([0, 0, 1, 1], {"pictures": 1}, "pictures is 1; expected an int of 2 or more, for a positive"),
        ([0, 0, 1, 1], {"people": 1}, "people is 1; expected an int of 2 or more, for a negative"),
        (
            [0, 0, 1, 1],
            {"people": 3},
            "labels name 2 people with two pictures or more; expected at least 3, the people",
        ),
        ([0, 0, 0], {}, "labels name 1 people with two pictures or more; expected at least 2"),
        ([0, 0, 1, 2], {}, "labels name 1 people with two pictures or more and 2 with one; expected at least 2"),
        ([], {}, "labels name 0 people with two pictures or more; expected at least 2"),
        ([[0, 0, 1, 1]], {}, "labels have shape (1, 4); expected (N,), one per picture"),
        ([0, 0, 1, 1], {"seed": -1}, "seed is -1; expected an integer of at least 0"),
    ],
)
def test_batches_that_cannot_be_made_are_refused_in_one_line(labels, options, message):
    with pytest.raises(InputError) as caught:
        faces.PeopleSampler(labels, **{"people": 2, "pictures": 2, **options})
    assert str(caught.value).startswith(f"PeopleSampler: {message}")
    assert "\n" not in str(caught.value)


# Collapse


def collapsing(margin):
    """Steps of an encoder that maps everybody to about one point."""
    random = np.random.default_rng(0)
    labels = np.arange(12) % 4
    for _ in range(8):
        x = np.ones((12, 4)) / 2 + 1e-4 * random.standard_normal((12, 4))
        triplets = faces.mine_triplets(x, labels, strategy="batch-hard")
        loss = faces.batch_triplet_loss(x, triplets, margin=margin, reduction="mean")
        yield loss, x, faces.active_fraction(x, triplets, margin=0.2 if margin == "soft" else margin)


@pytest.mark.parametrize(
    ("margin", "signs"),
    [
        (0.2, ["loss 0.2, which is the margin", "lower learning rate"]),
        ("soft", ["0.693, which is ln 2"]),
        (0, ["margin of 0"]),
    ],
)
def test_a_collapse_is_warned_of_once_with_advice(margin, signs):
    monitor = faces.CollapseMonitor(margin, patience=5)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = [monitor.update(*step) for step in collapsing(margin)]
    assert found == [False] * 4 + [True] * 4
    assert [w.category for w in caught] == [faces.CollapseWarning]
    message = str(caught[0].message)
    assert message.startswith("collapse: 5 steps with mean distance 0.0003") and "\n" not in message
    for sign in ("of length 1", "% active", *signs):
        assert sign in message


def test_a_loss_that_stays_at_the_margin_is_a_sign_and_one_that_passes_is_none():
    x = normal(10, 4)
    monitor = faces.CollapseMonitor(0.5, patience=3)
    for loss, active in [(0.5, 1.0), (0.505, 1.0), (0.6, 1.0), (0.5, 1.0), (0.5, 0.5), (0.5, 1.0), (0.495, 0.97)]:
        assert not monitor.update(loss, x, active)  # a warning would be an error
    with pytest.warns(
        faces.CollapseWarning, match="3 steps with mean distance .* 100% active, loss 0.501, which is the"
    ):
        assert monitor.update(0.501, x, 1.0)
    assert monitor.warned
    assert not monitor.update(0.1, x, 0.2)  # it got over it


@pytest.mark.parametrize(
    ("margin", "loss", "active", "spread", "suspicious"),
    [
        (0.5, 0.5, collapse.NEARLY_ALL, 1, True),
        (0.5, 0.5, np.nextafter(collapse.NEARLY_ALL, 0), 1, False),
        (0.5, 0.1, 0.2, 0, True),  # all encodings are zeros
        (0, 0.0, 1.0, 1, True),
        (0, 0.1, 1.0, 1, False),
    ],
)
def test_a_step_at_a_limit_is_suspicious(margin, loss, active, spread, suspicious):
    monitor = faces.CollapseMonitor(margin)
    assert not monitor.update(loss, spread * np.eye(3), active)
    assert monitor.suspicious_steps == suspicious


def test_the_mean_distance_is_that_of_all_pairs():
    x = normal(7, 3)
    monitor = faces.CollapseMonitor(0.5, patience=1)
    pairs = [((x[i] - x[j]) ** 2).sum() for i, j in itertools.combinations(range(7), 2)]
    with pytest.warns(faces.CollapseWarning, match=f"mean distance {np.sqrt(np.mean(pairs)):.2g} between encodings"):
        monitor.update(0.5, x, 1.0)


def test_a_collapsed_encoder_is_stuck_at_the_margin_and_content_without_one():
    triplets = faces.mine_triplets(np.ones((6, 2)), np.arange(6) % 2, strategy="all")
    for margin, cost in ((0.2, 0.2), (0, 0), ("soft", math.log(2))):
        x = Tensor(np.ones((6, 2)), requires_grad=True)
        loss = faces.batch_triplet_loss(x, triplets, margin=margin, reduction="mean")
        loss.backward()
        assert loss.item() == pytest.approx(cost, rel=1e-12)
        assert loss.item() == pytest.approx(faces.CollapseMonitor(margin).collapsed_loss, rel=1e-12)
        assert_array_equal(x.grad, 0)  # nothing shows the way out


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: faces.CollapseMonitor(-1), 'margin is -1; expected a number of 0 or more, or "soft"'),
        (lambda: faces.CollapseMonitor("hard"), "margin is 'hard'; expected a number"),
        (lambda: faces.CollapseMonitor(patience=0), "patience is 0; expected an integer of at least 1"),
        (
            lambda: faces.CollapseMonitor().update(0.1, np.ones(3), 1),
            "embeddings have shape (3,); expected (N, D), N ≥ 2",
        ),
        (
            lambda: faces.CollapseMonitor().update(0.1, np.ones((1, 3)), 1),
            "embeddings have shape (1, 3); expected (N, D)",
        ),
        (
            lambda: faces.CollapseMonitor().update(0.1, np.ones((2, 3)), math.inf),
            "loss is 0.1, active_fraction inf, the",
        ),
        (
            lambda: faces.CollapseMonitor().update(math.nan, np.ones((2, 3)), 1),
            "loss is nan, active_fraction 1, the mean",
        ),
        (
            lambda: faces.CollapseMonitor().update(0, np.full((2, 3), np.nan), 1),
            "loss is 0, active_fraction 1, the mean",
        ),
    ],
)
def test_a_monitor_refuses_nonsense_in_one_line(call, message):
    with pytest.raises(InputError) as caught:
        call()
    assert str(caught.value).startswith(f"CollapseMonitor: {message}")
    assert "\n" not in str(caught.value)

"""Losses, heads and distances: the course's numbers, the formulas, finite differences, and what is at the kinks."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from minicnn import Tensor, faces, gradcheck, nn, ops, use_backend
from minicnn.errors import GradcheckError, InputError
from minicnn.faces import centres, distances, heads, losses
from minicnn.faces.gradient_rows import CASES, TRIPLETS
from minicnn.hdf5 import load, save
from minicnn.learn.tensorflow_random import tensorflow_normal

each_case = pytest.mark.parametrize("case", CASES, ids=str)
each_backend = pytest.mark.parametrize("backend", ["numpy", "numba"])


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def tensors(*arrays):
    return [Tensor(array.copy(), requires_grad=True) for array in arrays]


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


# Every row


def test_every_differentiable_function_has_a_row():
    modules = (distances, losses, centres, heads)
    decorated = {
        name
        for module in modules
        for name, value in vars(module).items()
        if hasattr(value, "__wrapped__") and value.__module__ == module.__name__
    }
    assert {"triplet_loss", "chi_square"} <= decorated
    of_distance = {"squared_l2", "l2", "cosine"}
    assert decorated - of_distance | {"distance", "PairHead", "IdentityClassifier"} == {case.op for case in CASES}
    assert of_distance == set(distances.METRICS)
    assert len({str(case) for case in CASES}) == len(CASES)


@each_case
def test_gradients_agree_with_finite_differences_and_wrong_ones_are_refused(case):
    arrays = case.draw(np.random.default_rng(0))
    assert gradcheck(case.function, arrays)

    def wrong(*inputs):
        y = case.function(*inputs)
        return y + 0.5 * Tensor(y.data)  # of which backward sees two thirds

    for index in range(len(arrays)):
        constants = arrays[:index], arrays[index + 1 :]
        with pytest.raises(GradcheckError):
            gradcheck(lambda x, c=constants: wrong(*c[0], x, *c[1]), [arrays[index]])


@each_case
def test_float32_keeps_its_dtype_and_agrees_with_float64(case):
    results = {}
    for dtype in (np.float32, np.float64):
        inputs = tensors(*(array.astype(np.float32).astype(dtype) for array in case.draw(np.random.default_rng(0))))
        y = case.function(*inputs)
        y.backward(normal(*y.shape, seed=1))
        results[dtype] = [y.data, *(x.grad for x in inputs)]
        assert {array.dtype for array in results[dtype]} == {np.dtype(dtype)}
    for single, double in zip(*results.values(), strict=True):
        assert np.abs(single - double).max() <= 2e-6 * np.abs(double).max()


def test_the_hinges_of_the_rows_are_on_either_side():
    for case in CASES:
        if case.options.get("reduction") == "none":
            terms = case.function(*case.draw(np.random.default_rng(0))).data
            assert 0 < np.count_nonzero(terms) < terms.size


# Triplets


def test_triplet_loss_gives_the_courses_number():
    draws = ((6, 0.1), (1, 1), (3, 4))  # mean and deviation of A, P and N
    count = 3 * 128
    anchor, positive, negative = (
        tensorflow_normal((3, 128), 1, 1, skip=call * count * 256) * deviation + mean
        for call, (mean, deviation) in enumerate(draws)
    )
    assert faces.triplet_loss(anchor, positive, negative).item() == pytest.approx(527.2598, abs=5e-5)
    mean = faces.triplet_loss(anchor, positive, negative, reduction="mean").item()
    assert mean == pytest.approx(175.753, abs=5e-4)
    assert faces.triplet_loss(anchor, positive, negative, margin=0).item() == pytest.approx(527.060, abs=5e-4)
    assert faces.triplet_loss(anchor, negative, positive).item() == pytest.approx(852.278, abs=5e-4)
    plain = faces.triplet_loss(anchor, positive, negative, squared=False).item()
    assert plain == pytest.approx(4.9266, abs=5e-5)
    embeddings, triplets = np.concatenate([anchor, positive, negative]), np.arange(9).reshape(3, 3).T
    assert faces.batch_triplet_loss(embeddings, triplets).item() == pytest.approx(527.2598, abs=5e-5)


@pytest.mark.parametrize(
    ("anchor", "positive", "negative", "margin", "expected"),
    [
        ([1, 1], [1, 1], [1, 1], 5, 5),
        ([1, 1], [1, 1], [0, 0], 3, 1),
        ([1, 1], [0, 0], [1, 1], 0, 2),
        ([0, 0], [0, 0], [0, 0], -2, 0),
        ([[1, 0], [1, 0]], [[1, 0], [1, 0]], [[0, 1], [0, 1]], 3, 2),
    ],
)
def test_triplet_loss_gives_the_courses_small_numbers(anchor, positive, negative, margin, expected):
    assert faces.triplet_loss(anchor, positive, negative, margin=margin).item() == expected


def terms_by_hand(a, p, n, margin, squared):
    terms = []
    for i in range(len(a)):
        u, v = ((a[i] - p[i]) ** 2).sum(), ((a[i] - n[i]) ** 2).sum()
        x = u - v if squared else u**0.5 - v**0.5
        terms.append(np.log1p(np.exp(x)) if margin == "soft" else max(x + margin, 0))
    return np.array(terms)


@pytest.mark.parametrize("squared", [True, False])
@pytest.mark.parametrize("margin", [0.2, 0, "soft"])
def test_triplet_loss_in_every_form_is_its_formula(margin, squared):
    a, p, n = normal(3, 12, 4)
    terms = terms_by_hand(a, p, n, margin, squared)
    active = terms[terms > 0]
    assert margin == "soft" or 0 < len(active) < 12
    expected = {"none": terms, "sum": terms.sum(), "mean": terms.mean(), "active": active.mean()}
    assert set(expected) == set(losses.REDUCTIONS)
    for reduction, value in expected.items():
        loss = faces.triplet_loss(a, p, n, margin=margin, reduction=reduction, squared=squared)
        assert_allclose(loss.data, value, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("reduction", losses.REDUCTIONS)
def test_triplet_gradients_are_the_formulas(reduction):
    a, p, n = normal(3, 12, 4)
    active = (terms_by_hand(a, p, n, 0.2, True) > 0)[:, None]
    share = {"sum": 1, "mean": 1 / 12, "active": 1 / active.sum(), "none": 1}[reduction]

    def gradients(**options):
        inputs = tensors(a, p, n)
        faces.triplet_loss(*inputs, reduction=reduction, **options).sum().backward()
        return [x.grad for x in inputs]

    expected = [active * share * g for g in (2 * (n - p), 2 * (p - a), 2 * (a - n))]
    found = gradients()
    assert_allclose(found, expected, rtol=1e-12, atol=1e-15)
    assert_allclose(sum(found), 0, atol=1e-15)
    soft_share = {"mean": 1 / 12, "active": 1 / 12}.get(reduction, 1)
    x = ((a - p) ** 2).sum(axis=1) - ((a - n) ** 2).sum(axis=1)
    slope = soft_share / (1 + np.exp(-x))[:, None]
    expected = [slope * g for g in (2 * (n - p), 2 * (p - a), 2 * (a - n))]
    assert_allclose(gradients(margin="soft"), expected, rtol=1e-12)
    active = (terms_by_hand(a, p, n, 0.2, False) > 0)[:, None]
    share = {"active": 1 / active.sum()}.get(reduction, share)
    to_p, to_n = unit(a - p), unit(a - n)
    expected = [active * share * g for g in (to_p - to_n, -to_p, to_n)]
    assert_allclose(gradients(squared=False), expected, rtol=1e-12, atol=1e-15)


@each_backend
@pytest.mark.parametrize("options", [{}, {"reduction": "mean", "squared": False}, {"margin": "soft"}], ids=str)
def test_the_loss_of_a_batch_is_that_of_its_triplets(backend, options):
    batch = normal(5, 3)
    whole, rows = tensors(batch, batch)
    with use_backend(backend):
        loss = faces.batch_triplet_loss(whole, TRIPLETS, **options)
        loss.backward()
    reference = faces.triplet_loss(*(rows[TRIPLETS[:, k]] for k in range(3)), **options)
    reference.backward()
    assert loss.item() == pytest.approx(reference.item(), rel=1e-12)
    assert_allclose(whole.grad, rows.grad, rtol=1e-11, atol=1e-14)


def test_no_triplets_and_no_active_ones_cost_nothing():
    for reduction in ("sum", "mean", "active"):
        (x,) = tensors(normal(4, 3))
        loss = faces.batch_triplet_loss(x, np.empty((0, 3), int), reduction=reduction)
        loss.backward()
        assert loss.item() == 0 and not x.grad.any()
        a, p, n = tensors(np.zeros((2, 3)), np.zeros((2, 3)), np.ones((2, 3)))
        loss = faces.triplet_loss(a, p, n, reduction=reduction)
        loss.backward()
        assert loss.item() == 0 and not (a.grad.any() or p.grad.any() or n.grad.any())
    assert faces.active_fraction(normal(4, 3), np.empty((0, 3), int)) == 0


def test_the_active_fraction_counts_losses_above_zero():
    batch = normal(5, 3)
    a, p, n = (batch[TRIPLETS[:, k]] for k in range(3))
    for squared in (True, False):
        expected = np.mean(terms_by_hand(a, p, n, 0.2, squared) > 0)
        assert 0 < expected < 1
        assert faces.active_fraction(Tensor(batch), TRIPLETS, squared=squared) == expected


def test_where_distances_are_zero_gradients_are_finite():
    same = np.ones((2, 3))
    for loss in (
        lambda a, p, n: faces.triplet_loss(a, p, n, squared=False),
        lambda a, p, n: faces.contrastive_loss(a, p, [1, 0]) + n.sum() * 0,
        lambda a, p, n: faces.distance(a, p, metric="l2").sum() + n.sum() * 0,
        lambda a, p, n: faces.distance(a * 0, p, metric="cosine").sum() + n.sum() * 0,
    ):
        inputs = tensors(same, same, same)
        loss(*inputs).backward()
        for x in inputs:
            assert_array_equal(x.grad, 0)
    (x,) = tensors(same)
    faces.batch_triplet_loss(x, [[0, 1, 0]], squared=False).backward()
    assert_array_equal(x.grad, 0)


def test_a_loss_of_what_is_no_number_shows_it():
    assert np.isnan(faces.triplet_loss(np.full((1, 2), np.nan), np.ones((1, 2)), np.ones((1, 2))).item())


# Pairs


def test_contrastive_loss_and_its_gradients_are_the_formulas():
    f, g = normal(2, 6, 3)
    same = np.array([1, 1, 1, 0, 0, 0])
    difference, d = f - g, np.linalg.norm(f - g, axis=1)
    margin = np.median(d[3:])  # of the different, one is inside, one outside, one on it
    expected = np.where(same, d**2, np.maximum(margin - d, 0) ** 2) / 2
    for labels in (same, same.astype(bool), Tensor(same)):
        x, y = tensors(f, g)
        loss = faces.contrastive_loss(x, y, labels, margin=margin)
        loss.backward()
        assert loss.item() == pytest.approx(expected.sum(), rel=1e-12)
        slope = np.where(same, 1, -np.maximum(margin - d, 0) / d)[:, None] * difference
        assert_allclose(x.grad, slope, rtol=1e-12)
        assert_array_equal(y.grad, -x.grad)
    assert np.count_nonzero(expected[3:]) == 1
    assert faces.contrastive_loss([3.0, 4.0], [0.0, 0.0], 1).item() == 12.5  # a single pair
    assert faces.contrastive_loss([3.0, 4.0], [0.0, 0.0], 0, margin=7).item() == 2


def test_distances_are_their_formulas():
    f, g = normal(4, 5), normal(4, 5, seed=1)
    squares = ((f - g) ** 2).sum(axis=1)
    cosine = 1 - (unit(f) * unit(g)).sum(axis=1)
    assert_allclose(faces.distance(f, g), squares, rtol=1e-14)
    assert_allclose(faces.distance(f, g, metric="l2"), np.sqrt(squares), rtol=1e-14)
    assert_allclose(faces.distance(f, g, metric="cosine"), cosine, rtol=1e-14)
    assert_allclose(faces.distance(unit(f), unit(g)), 2 * cosine, rtol=1e-12)
    assert faces.distance(f[:, None], g[None]).shape == (4, 4)
    assert faces.distance(np.zeros(5), g[0], metric="cosine") == 1
    assert isinstance(faces.distance(f[0], g[0]), float)  # NumPy's are
    assert isinstance(faces.distance(Tensor(f), g), Tensor)
    assert faces.distance(np.uint8([1, 0]), np.uint8([3, 0])) == 4


def test_the_same_person_is_at_most_at_the_threshold():
    found = faces.is_same(np.array([0.3, 0.5, 0.7, np.nan]), 0.5)
    assert_array_equal(found, [True, True, False, False])
    assert faces.is_same(Tensor([0.5]), 0.5).all()


def made_head(kind, dimensions, seed=0):
    head = faces.PairHead(kind, dimensions)
    head.w.data, head.b.data = normal(dimensions, seed=seed), normal(1, seed=seed + 1)[0].reshape(())
    return head


@pytest.mark.parametrize("kind", ["l1", "l2", "chi2"])
def test_a_head_and_its_gradients_are_the_formulas(kind):
    f, g = np.abs(normal(2, 6, 4))
    same = np.array([1, 0, 1, 1, 0, 0])
    head = made_head(kind, 4)
    difference, total = f - g, f + g
    phi, df, dg = {
        "l1": (np.abs(difference), np.sign(difference), -np.sign(difference)),
        "l2": (difference**2, 2 * difference, -2 * difference),
        "chi2": (
            difference**2 / total,
            difference * (f + 3 * g) / total**2,
            -difference * (3 * f + g) / total**2,
        ),
    }[kind]
    z = phi @ head.w.data + head.b.data
    probability = 1 / (1 + np.exp(-z))
    x, y = tensors(f, g)
    logits = head(x, y)
    ops.binary_cross_entropy(logits, same).backward()
    assert_allclose(logits.data, z, rtol=1e-12)
    assert_allclose(head.probability(f, g).data, probability, rtol=1e-12)
    dz = (probability - same)[:, None] / 6
    assert_allclose(x.grad, dz * head.w.data * df, rtol=1e-11)
    assert_allclose(y.grad, dz * head.w.data * dg, rtol=1e-11)
    assert_allclose(head.w.grad, (dz * phi).sum(axis=0), rtol=1e-11)
    assert_allclose(head.b.grad, dz.sum(), rtol=1e-11)


@pytest.mark.parametrize("kind", ["l1", "l2", "chi2"])
def test_a_head_that_has_learned_nothing_is_a_threshold_of_the_distance(kind):
    g = unit(np.abs(normal(200, 128)))
    near, far = unit(g + 0.01 * np.abs(normal(200, 128, seed=1))), unit(np.abs(normal(200, 128, seed=2)) * (g < 0.05))
    head = faces.PairHead(kind)
    logits = [head(x.astype(np.float32), g.astype(np.float32)).data for x in (near, far)]
    assert logits[0].dtype == np.float32
    assert logits[0].min() > 0 > logits[1].max()
    assert head(g[0], g).shape == (200,)  # one at the door, and a gallery


def test_chi_square_of_nothing_is_zero_and_of_signed_features_refused():
    f, g = tensors(np.array([0.0, 2.0, 0.0]), np.array([0.0, 2.0, 3.0]))
    z = heads.chi_square(f, g)
    z.sum().backward()
    assert_array_equal(z.data, [0, 0, 3])
    assert_array_equal(f.grad, [0, 0, -3])
    assert_array_equal(g.grad, [0, 0, 1])
    with pytest.raises(InputError, match=r"chi2: g holds -0\.5; .* of 0 or more, .* signed .* use l1 or l2") as caught:
        faces.PairHead("chi2", 2)(np.float32([1, 2]), np.float32([1, -0.5]))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["l1", "l2", "chi2"])
def test_both_branches_of_a_siamese_pair_add_to_one_set_of_parameters(kind):
    encoder = nn.Linear(5, 3, activation="relu", seed=0)
    head = made_head(kind, 3)
    x, y, same = normal(8, 5), normal(8, 5, seed=1), np.arange(8) % 2
    both = [*encoder.parameters(), *head.parameters()]
    assert len(both) == 4

    def gradients(*branches):
        for parameter in both:
            parameter.grad = None
        f, g = (encoder(z) if branch else encoder(z).detach() for z, branch in zip((x, y), branches, strict=True))
        ops.binary_cross_entropy(head(f, g), same).backward()
        return [parameter.grad for parameter in encoder.parameters()]

    first, second, together = gradients(True, False), gradients(False, True), gradients(True, True)
    for one, other, total in zip(first, second, together, strict=True):
        assert np.abs(one).max() > 1e-3 and np.abs(other).max() > 1e-3
        assert_allclose(total, one + other, rtol=1e-12, atol=1e-15)


class Heads(nn.Module):
    def __init__(self, seed):
        self.pair = made_head("l2", 4, seed)
        self.classifier = faces.IdentityClassifier(4, 3, seed=seed)
        self.centre_loss = faces.CentreLoss(3, 4)


def test_heads_and_centres_are_saved_and_loaded(tmp_path):
    learned, fresh = Heads(0), Heads(1)
    learned.centre_loss.update(normal(6, 4), np.array([0, 1, 1, 2, 0, 1]))
    save(learned, tmp_path / "heads.h5")
    load(fresh, tmp_path / "heads.h5")
    x = normal(2, 4)
    assert_allclose(fresh.pair(x, x[::-1]).data, learned.pair(x, x[::-1]).data, rtol=1e-6)  # kept as float32
    assert_array_equal(fresh.classifier(x).data, learned.classifier(x).data)
    assert_array_equal(fresh.centre_loss.centres, learned.centre_loss.centres)
    assert learned.centre_loss.centres.any(axis=1).all()


# Classes and centres


def test_a_classifiers_gradients_are_softmax_minus_target():
    classifier = faces.IdentityClassifier(4, 3, seed=0)
    (x,) = tensors(normal(5, 4).astype(np.float32))
    labels = np.array([0, 2, 1, 1, 0])
    loss = classifier.loss(x, labels)
    loss.backward()
    w = classifier.logits.w.data
    scores = np.exp(x.data @ w)
    error = (scores / scores.sum(axis=1, keepdims=True) - np.eye(3)[labels]) / 5
    assert_allclose(x.grad, error @ w.T, rtol=1e-4, atol=1e-6)
    assert_allclose(classifier.logits.w.grad, x.data.T @ error, rtol=1e-4, atol=1e-6)
    assert loss.item() == pytest.approx(-np.log(scores / scores.sum(1, keepdims=True))[range(5), labels].mean())


def test_the_rate_of_centres_is_their_rules_or_up_to_1():
    rates = [faces.CentreLoss(2, 3, rule=rule, rate=rate).rate for rule in ("facenet", "wen") for rate in (None, 1)]
    assert rates == [0.05, 1, 0.5, 1]


@pytest.mark.parametrize("rule", ["facenet", "wen"])
def test_centre_loss_and_its_centres_follow_the_rule(rule):
    centre_loss = faces.CentreLoss(3, 4, rule=rule)
    centre_loss.centres = before = normal(3, 4, seed=5).astype(np.float32)
    labels = np.array([0, 2, 0, 0])
    (x,) = tensors(normal(4, 4))
    difference = x.data - before[labels]
    loss = centre_loss(x, labels)
    loss.backward()
    by_hand = {"facenet": (difference**2).mean(), "wen": (difference**2).sum() / 2}[rule]
    assert loss.item() == pytest.approx(by_hand, rel=1e-12)
    assert_allclose(x.grad, {"facenet": 2 * difference / 16, "wen": difference}[rule], rtol=1e-12)
    centre_loss.update(x, labels)
    expected = before.astype(np.float64)
    if rule == "facenet":  # alfa = 0.95
        expected[0] -= 0.05 * (before[0] - x.data[[0, 2, 3]]).sum(axis=0)
        expected[2] -= 0.05 * (before[2] - x.data[1])
    else:
        expected[0] -= 0.5 * (before[0] - x.data[[0, 2, 3]]).sum(axis=0) / (1 + 3)
        expected[2] -= 0.5 * (before[2] - x.data[1]) / (1 + 1)
    assert_allclose(centre_loss.centres, expected, rtol=1e-6)
    assert_array_equal(centre_loss.centres[1], before[1])
    assert centre_loss.centres.dtype == np.float32 and centre_loss.centres is not before


# Bad input


TWO = np.ones((2, 3))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: faces.triplet_loss(TWO, TWO, TWO[:1]), "triplet_loss: anchor has shape (2, 3), positive (2, 3), neg"),
        (lambda: faces.triplet_loss(1.0, 1.0, 1.0), "triplet_loss: anchor has shape (), positive ()"),
        (lambda: faces.triplet_loss(TWO, TWO, TWO, margin=np.nan), "triplet_loss: margin is nan; expected a finite"),
        (lambda: faces.triplet_loss(TWO, TWO, TWO, margin="hard"), "triplet_loss: margin is 'hard'; expected a finite"),
        (lambda: faces.triplet_loss(TWO, TWO, TWO, reduction="max"), "triplet_loss: reduction is 'max'; expected one"),
        (lambda: faces.batch_triplet_loss(TWO[0], [[0, 0, 0]]), "batch_triplet_loss: embeddings have shape (3,)"),
        (lambda: faces.batch_triplet_loss(TWO, [[0, 1, 2]]), "batch_triplet_loss: triplets name rows 0 … 2; expected"),
        (lambda: faces.batch_triplet_loss(TWO, [[0, 1]]), "batch_triplet_loss: triplets have shape (1, 2) and dtype"),
        (lambda: faces.triplet_loss(*[TWO[:, :0]] * 3), "triplet_loss: anchor has shape (2, 0), positive (2, 0)"),
        (lambda: faces.batch_triplet_loss(TWO[:0], [[0, 1, 1]]), "batch_triplet_loss: embeddings have shape (0, 3)"),
        (lambda: faces.active_fraction(TWO.astype(int), [[0, 1, 1]]), "batch_triplet_loss: embeddings have shape (2, "),
        (
            lambda: faces.batch_triplet_loss(TWO, [0, 1, 1]),
            "batch_triplet_loss: triplets have shape (3,) and dtype int",
        ),
        (lambda: faces.batch_triplet_loss(TWO, [[0.0, 1, 1]]), "batch_triplet_loss: triplets have shape (1, 3) and d"),
        (
            lambda: faces.batch_triplet_loss(TWO, [[-1, 0, 1]]),
            "batch_triplet_loss: triplets name rows -1 … 1; expected",
        ),
        (lambda: faces.contrastive_loss(TWO, TWO[:1], [1, 1]), "contrastive_loss: f has shape (2, 3), g (1, 3), same"),
        (lambda: faces.contrastive_loss(1.0, 1.0, 1), "contrastive_loss: f has shape (), g (), same (); expected"),
        (lambda: faces.contrastive_loss(TWO, TWO, [1]), "contrastive_loss: f has shape (2, 3), g (2, 3), same (1,)"),
        (lambda: faces.contrastive_loss(TWO, TWO, [1, 2]), "contrastive_loss: same holds other values than 0 and 1"),
        (lambda: faces.contrastive_loss(TWO, TWO, [1, 0], margin=-1), "contrastive_loss: margin is -1; expected a num"),
        (lambda: faces.distance(TWO, TWO[:, :2]), "distance: f has shape (2, 3), g (2, 2); expected encodings (…, D)"),
        (lambda: faces.distance(TWO[:, :0], TWO[:, :0]), "distance: f has shape (2, 0), g (2, 0); expected encodings"),
        (lambda: faces.distance(TWO, 1.0), "distance: f has shape (2, 3), g (); expected encodings (…, D)"),
        (lambda: faces.distance(TWO, np.ones((3, 3))), "distance: f has shape (2, 3), g (3, 3); expected encodings"),
        (
            lambda: faces.distance(TWO, TWO, metric="l3"),
            "distance: metric is 'l3'; expected one of squared_l2, l2, cos",
        ),
        (lambda: faces.PairHead("l3"), "PairHead: kind is 'l3'; expected one of l1, l2, chi2"),
        (lambda: faces.PairHead("l1", 0), "PairHead: dimensions is 0; expected an integer of at least 1"),
        (lambda: faces.PairHead("l1", 4)(TWO, TWO), "PairHead: f has shape (2, 3); expected (…, 4)"),
        (lambda: faces.PairHead("l1", 3)(TWO, TWO[:, :2]), "PairHead: g has shape (2, 2); expected (…, 3)"),
        (lambda: faces.CentreLoss(2, 3, rate=np.nan), "CentreLoss: rate is nan; expected a number above 0 and up to 1"),
        (lambda: faces.CentreLoss(2, 3, rate="1"), "CentreLoss: rate is '1'; expected a number above 0 and up to 1"),
        (lambda: faces.CentreLoss(2, 3)(TWO[0], [0]), "centre_loss: features have shape (3,), centres (2, 3)"),
        (lambda: faces.centre_loss(TWO, [0, 1], TWO[0]), "centre_loss: features have shape (2, 3), centres (3,)"),
        (lambda: faces.CentreLoss(2, 3)(TWO[:0], []), "centre_loss: features have shape (0, 3), centres (2, 3)"),
        (
            lambda: faces.CentreLoss(2, 3)(TWO, [0]),
            "centre_loss: labels have shape (1,) and dtype int64; expected (2,)",
        ),
        (lambda: faces.CentreLoss(2, 3).update(TWO, [0, 2]), "centre_loss: labels lie in 0 … 2; expected 0 … 1"),
        (lambda: faces.CentreLoss(2, 3, rule="mean"), "CentreLoss: rule is 'mean'; expected one of facenet, wen"),
        (lambda: faces.CentreLoss(2, 3, rate=0), "CentreLoss: rate is 0; expected a number above 0 and up to 1"),
        (lambda: faces.CentreLoss(2, 3)(TWO, [0, 2]), "centre_loss: labels lie in 0 … 2; expected 0 … 1"),
        (lambda: faces.CentreLoss(2, 3)(TWO, [0.0, 1.0]), "centre_loss: labels have shape (2,) and dtype float64"),
        (lambda: faces.CentreLoss(2, 4)(TWO, [0, 1]), "centre_loss: features have shape (2, 3), centres (2, 4)"),
        (
            lambda: centres.centre_loss(TWO, [0, 1], TWO, rule="mean"),
            "centre_loss: rule is 'mean'; expected one of fac",
        ),
        (lambda: faces.CentreLoss(2, 3)(TWO, [-1, 0]), "centre_loss: labels lie in -1 … 0; expected 0 … 1"),
        (lambda: faces.CentreLoss(2, 3, rate=1.5), "CentreLoss: rate is 1.5; expected a number above 0 and up to 1"),
        (lambda: faces.IdentityClassifier(3, 2).loss(TWO, [0, 2]), "cross_entropy: labels must be one or more"),
    ],
)
def test_bad_input_gets_one_line(call, message):
    with pytest.raises(InputError) as caught:
        call()
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)

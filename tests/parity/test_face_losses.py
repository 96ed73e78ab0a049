"""Parity with PyTorch's formulas in double precision: losses of faces, their heads and distances, and all gradients."""

import numpy as np
import pytest

from minicnn import faces
from minicnn.faces import heads
from minicnn.tensor import Tensor

torch = pytest.importorskip("torch")
functional = torch.nn.functional


def assert_same(ours, theirs, *arrays):
    mine = [Tensor(array.copy(), requires_grad=True) for array in arrays]
    other = [torch.tensor(array, requires_grad=True) for array in arrays]
    y, y_other = ours(*mine), theirs(*other)
    cotangent = np.random.default_rng(7).standard_normal(y.shape)
    y.backward(cotangent)
    y_other.backward(torch.tensor(cotangent))
    pairs = [(y.data, y_other.detach().numpy())]
    pairs += [(a.grad, b.grad.numpy()) for a, b in zip(mine, other, strict=True)]
    for found, reference in pairs:
        assert found.shape == reference.shape
        assert np.abs(found - reference).max() <= 1e-12 * max(1, np.abs(reference).max())


def encodings(*shapes):
    random = np.random.default_rng(0)
    return [random.standard_normal(shape) for shape in shapes]


def squared_distance(f, g):
    return (f - g).square().sum(dim=-1)


@pytest.mark.parametrize("reduction", ["sum", "mean", "none"])
@pytest.mark.parametrize("margin", [0.2, 1.0])
def test_triplet_loss(reduction, margin):
    triplets = encodings((9, 5), (9, 5), (9, 5))
    plain = torch.nn.TripletMarginLoss(margin=margin, reduction=reduction, eps=0)
    assert_same(lambda *t: faces.triplet_loss(*t, margin=margin, reduction=reduction, squared=False), plain, *triplets)
    squared = torch.nn.TripletMarginWithDistanceLoss(
        distance_function=squared_distance, margin=margin, reduction=reduction
    )
    assert_same(lambda *t: faces.triplet_loss(*t, margin=margin, reduction=reduction), squared, *triplets)


def test_soft_margin():
    def theirs(a, p, n):
        return functional.softplus(squared_distance(a, p) - squared_distance(a, n)).sum()

    assert_same(lambda *t: faces.triplet_loss(*t, margin="soft"), theirs, *encodings((9, 5), (9, 5), (9, 5)))


def test_the_loss_of_a_mined_batch():
    (x,) = encodings((12, 5))
    triplets = faces.mine_triplets(x, np.arange(12) % 4, strategy="batch-hard")
    plain = torch.nn.TripletMarginLoss(margin=0.2, eps=0, reduction="mean")

    def ours(e):
        return faces.batch_triplet_loss(e, triplets, reduction="mean", squared=False)

    assert_same(ours, lambda e: plain(*(e[torch.tensor(triplets[:, k])] for k in range(3))), x)


def test_contrastive_and_centre_loss():
    f, g = encodings((8, 5), (8, 5))
    same = torch.arange(8) % 2

    def theirs(f, g):
        d = functional.pairwise_distance(f, g, eps=0)
        return (same * d**2 / 2 + (1 - same) * (3 - d).clamp(min=0) ** 2 / 2).sum()

    assert_same(lambda f, g: faces.contrastive_loss(f, g, same.numpy(), margin=3), theirs, f, g)
    centres, labels = encodings((3, 5))[0], np.array([0, 2, 1, 1, 0, 2, 0, 0])
    for rule, formula in (
        ("facenet", functional.mse_loss),
        ("wen", lambda a, b: functional.mse_loss(a, b, reduction="sum") / 2),
    ):
        of_each = torch.tensor(centres[labels])
        assert_same(
            lambda x, r=rule: faces.centre_loss(x, labels, centres, rule=r),
            lambda x, loss=formula, c=of_each: loss(x, c),
            f,
        )


def test_distances():
    f, g = encodings((8, 5), (8, 5))
    for metric, theirs in (
        ("squared_l2", squared_distance),
        ("l2", lambda f, g: functional.pairwise_distance(f, g, eps=0)),
        ("cosine", lambda f, g: 1 - functional.cosine_similarity(f, g)),
    ):
        assert_same(lambda f, g, m=metric: faces.distance(f, g, metric=m), theirs, f, g)


def test_chi_square():
    f, g = (np.abs(array) for array in encodings((8, 5), (8, 5)))
    assert_same(heads.chi_square, lambda f, g: (f - g) ** 2 / (f + g), f, g)

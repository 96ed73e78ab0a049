"""Why two faces are near, on an encoder whose answer is known."""

import numpy as np
import pytest
from small_encoder import encoder

from minicnn import nn
from minicnn.errors import InputError
from minicnn.faces import distance, encode, nearness, why_near
from minicnn.faces.encoding import evaluating
from minicnn.models.card import ModelCard
from minicnn.models.network import Network

SIDE = 10


def corners():
    """An encoder of the means of four corners."""
    weights = np.zeros((SIDE, SIDE, 3, 4), np.float32)
    for k, (rows, columns) in enumerate(
        (r, c) for r in (slice(0, 5), slice(5, 10)) for c in (slice(0, 5), slice(5, 10))
    ):
        weights[rows, columns, :, k] = 1 / 75
    embedding = nn.Linear(SIDE * SIDE * 3, 4, name="embedding")
    embedding.w.data, embedding.b.data = weights.reshape(-1, 4), np.zeros(4, np.float32)
    card = ModelCard("corners", (SIDE, SIDE), "none", embedding=4, metric="squared_l2")
    return Network(card, [nn.Flatten(name="flatten"), embedding])


def face(*means):
    return np.kron(np.array(means, np.float32).reshape(2, 2), np.ones((5, 5), np.float32))[..., None].repeat(3, 2)


def test_what_is_shared_is_red_and_what_is_not_is_blue():
    """First and second share their first corner, and it is the stranger's that differs; the second corner is odd."""
    first, second, stranger = face(0.9, 0.8, 0.5, 0.5), face(0.9, 0.2, 0.5, 0.5), face(0.1, 0.5, 0.5, 0.5)
    found = why_near(corners(), first, second, stranger)
    np.testing.assert_allclose(found.distances, [0.36, 0.36, 0.73], rtol=1e-5)
    assert found.gradients.shape == found.occlusions.shape == (3, SIDE, SIDE)
    assert (found.gradients[:2, :5, :5] > 0).all() and (found.gradients[:2, :5, 5:] < 0).all()
    assert (found.gradients[2, :5, :5] < 0).all() and np.abs(found.gradients[:, 5:]).max() < 1e-6


def test_gradients_are_those_of_what_is_shared_less_those_of_what_is_not():
    """The encoder is linear: a pixel's gradient is what its corner's mean is multiplied with, over 75 numbers."""
    means = np.array([[0.9, 0.8, 0.5, 0.4], [0.7, 0.2, 0.6, 0.4], [0.1, 0.5, 0.1, 0.7]])
    found = why_near(corners(), *(face(*row) for row in means))
    away = means - means.mean(axis=0)
    toward = away[[1, 0, 0]]  # the stranger's is the first
    for number in range(3):
        expected = np.where(away[number] * toward[number] > 0, 1, -1) * np.abs(toward[number]) / 75
        np.testing.assert_allclose(found.gradients[number], face(*expected)[..., 0], atol=1e-7)


def test_occlusions_are_how_much_farther_a_face_is_when_covered():
    network = corners()
    faces = [face(0.9, 0.8, 0.5, 0.5), face(0.9, 0.2, 0.5, 0.5), face(0.1, 0.5, 0.5, 0.5)]
    found = why_near(network, *faces)
    size = SIDE // nearness.PIECE
    covered = faces[0].copy()
    covered[:size, :size] = network.preprocessing.neutral()
    first, second = encode(network, [covered, faces[1]])
    # Only one piece covers the corner pixel.
    assert found.occlusions[0, 0, 0] == pytest.approx(float(distance(first, second)) - 0.36, abs=1e-5)
    assert found.occlusions[0, 0, 0] > 0.01


def test_a_pixel_shows_the_mean_of_the_squares_that_cover_it(monkeypatch):
    monkeypatch.setattr(nearness, "PIECE", 2)
    monkeypatch.setattr(nearness, "STEP", 2)
    network = corners()
    faces = [face(0.9, 0.8, 0.5, 0.5), face(0.9, 0.2, 0.5, 0.5), face(0.1, 0.5, 0.5, 0.5)]
    found = why_near(network, *faces)
    seen = [[] for _ in range(SIDE * SIDE)]
    for top in (0, 2, 4, 5):
        for left in (0, 2, 4, 5):
            covered = faces[0].copy()
            covered[top : top + 5, left : left + 5] = network.preprocessing.neutral()
            first, second = encode(network, [covered, faces[1]])
            for y in range(top, top + 5):
                for x in range(left, left + 5):
                    seen[y * SIDE + x].append(float(distance(first, second)) - 0.36)
    expected = np.reshape([np.mean(values) for values in seen], (SIDE, SIDE))
    np.testing.assert_allclose(found.occlusions[0], expected, atol=1e-5)


@pytest.mark.parametrize("size", [(12, 20), (20, 12)])
def test_pieces_are_squares_of_the_shorter_side(size, monkeypatch):
    """An encoder of the sum sees how much was covered."""
    monkeypatch.setattr(nearness, "PIECE", 4)
    embedding = nn.Linear(12 * 20 * 3, 1, name="embedding")
    embedding.w.data, embedding.b.data = np.ones((720, 1), np.float32), np.zeros(1, np.float32)
    card = ModelCard("sum", size, "imagenet", embedding=1, metric="squared_l2")
    network = Network(card, [nn.Flatten(name="flatten"), embedding])
    neutral = network.preprocessing.neutral()
    face = np.broadcast_to(neutral + np.float32(0.25), (*size, 3))
    found = why_near(network, face, face, face)
    covered = 3 * 3 * np.sum(0.25 / np.array(network.preprocessing.deviation))
    np.testing.assert_allclose(found.occlusions, np.full((3, *size), covered**2), rtol=1e-3)


def test_an_encoder_is_evaluated_and_every_layer_has_its_mode_again():
    network = corners()
    network.train()
    network.layers[-1].training = False
    before = [module.training for module in network.modules()]
    with evaluating(network):
        assert not any(module.training for module in network.modules())
    assert [module.training for module in network.modules()] == before and len({*before}) == 2


def test_the_encoder_is_left_as_it_was_and_wrong_pictures_are_one_line():
    network = encoder()
    network.train()
    pictures = np.random.default_rng(0).random((3, 4, 4, 3), np.float32)
    why_near(network, *pictures)
    assert network.training and all(p.requires_grad for p in network.parameters())
    assert all(p.grad is None for p in network.parameters())
    with pytest.raises(InputError, match=r"shape \(5, 4, 3\)"):
        why_near(network, pictures[0], np.zeros((5, 4, 3), np.float32), pictures[2])

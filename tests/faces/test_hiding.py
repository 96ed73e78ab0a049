"""What is left of a face that was hidden, and what stays as it was."""

from types import SimpleNamespace

import numpy as np
import pytest

from minicnn.faces import Detection, everybody, hiding
from minicnn.faces.snapshots import Face

POINTS = np.array([[30, 40], [50, 40], [40, 50], [32, 60], [48, 60]], float)
LEFT, RIGHT = (20, 25, 60, 75), (100, 30, 140, 80)


def faces(*boxes):
    found = Detection(np.array(boxes, float), np.ones(len(boxes)), np.stack([POINTS] * len(boxes)))
    return [Face(np.zeros((1, 1, 3), np.float32), found, number + 1) for number in range(len(boxes))]


def picture(seed=0, shape=(120, 200)):
    return np.random.default_rng(seed).random((*shape, 3), np.float32)


def test_nothing_of_a_head_is_left_but_the_means_of_its_tiles():
    """Another picture with the same nine means gives the same result inside."""
    first = picture()
    second = first.copy()
    part = second[6:34, 8:28]  # in the first tile
    part[:] = part[::-1, ::-1]
    assert np.abs(first - second).max() > 0.5
    one, other = (hiding.hide(each, faces(LEFT), seed=3) for each in (first, second))
    inside = slice(25, 76), slice(20, 61)
    np.testing.assert_allclose(one[inside], other[inside], atol=1e-6)
    assert np.abs(one[inside] - first[inside]).max() > 0.2
    assert not np.shares_memory(one, first) and one.dtype == np.float32 and 0 <= one.min() <= one.max() <= 1


def test_rings_and_a_soft_edge_cover_an_ellipse_of_the_head():
    """On even grey and without noise, each pixel follows from its distance to the middle of the face."""
    box = np.array([20.6, 25.3, 60.6, 75.3])
    image = np.full((120, 200, 3), 0.5)
    hiding._cover(image, box, SimpleNamespace(standard_normal=np.zeros))
    down, across = np.ogrid[0.5:120, 0.5:200]
    down, across = down - 50.3, across - 40.6
    away = np.hypot(across / (40 * 1.45 / 2), down / (50 * 1.6 / 2))
    share = np.clip((1.15 - away) / 0.15, 0, 1)
    rings = 0.12 * np.sin(2 * np.pi * np.hypot(across, down) / (0.3 * 50))
    np.testing.assert_allclose(image, np.repeat((0.5 + share * rings)[..., None], 3, axis=2), atol=1e-6)


def test_a_picture_is_hidden_otherwise_every_time():
    assert np.abs(hiding.hide(picture(), faces(LEFT)) - hiding.hide(picture(), faces(LEFT))).max() > 1e-3


def test_the_rest_and_who_is_kept_stay_as_they_were():
    image = picture()
    hidden = hiding.hide(image, faces(LEFT))
    changed = (hidden != image).any(axis=2)
    assert changed[25:75, 20:60].all() and not changed[:, 85:].any()
    both = hiding.hide(image, faces(LEFT, RIGHT))
    assert (both[30:80, 100:140] != image[30:80, 100:140]).any(axis=2).all()


@pytest.mark.parametrize("box", [(-30.0, -20, 10, 20), (180, 100, 240, 160), (-50, -50, 300, 300), (3, 3, 4, 4)])
def test_faces_at_the_edge_and_tiny_ones_are_hidden(box):
    image = picture()
    hidden = hiding.hide(image, faces(box))
    left, top, right, bottom = (round(side) for side in box)
    rows, columns = slice(max(top, 0), max(bottom, 0)), slice(max(left, 0), max(right, 0))
    assert (hidden[rows, columns] != image[rows, columns]).any(axis=2).all()


def test_faces_are_found_however_they_lie(monkeypatch):
    """A stand-in finds a bright square, where a face stands upright only if green is above it."""

    asked = []

    def detect(image, thresholds, **options):
        asked.append((thresholds, options))
        rows, columns = np.nonzero(image[..., 0] > 0.9)
        box = np.array([[columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]], float)
        upright = image[: int(box[0, 1]), :, 1].mean() > 0.9
        marks = np.array([[[box[0, 0], box[0, 1]]] * 5])  # the corner at the top left
        return Detection(box, np.ones(1), marks) if upright else Detection(box[:0], np.ones(0), marks[:0])

    monkeypatch.setattr(hiding, "detect", detect)
    corners = {0: (10, 20), 1: (10, 50), 2: (30, 50), 3: (30, 20)}  # of the square, as the face has it
    for turn, corner in corners.items():
        image = np.zeros((70, 45, 3), np.float32)
        image[20:50, 10:30, 0] = 1
        green = {0: (slice(0, 20), slice(None)), 2: (slice(50, 70), slice(None))}
        image[green.get(turn, (slice(None), slice(30, 45) if turn == 3 else slice(0, 10)))] = (0, 1, 0)
        asked.clear()
        (face,) = everybody(image, min_size=25, detector="a detector")
        options = {"min_size": 25, "detector": "a detector"}
        assert asked == [(thresholds, options) for thresholds in (hiding.DOUBTFUL, *[hiding.LYING] * 3)]
        np.testing.assert_array_equal(face.box, [10, 20, 30, 50])
        np.testing.assert_array_equal(face.landmarks[0], corner)


def test_a_face_that_a_likelier_one_covers_by_more_than_half_is_hidden_with_it(monkeypatch):
    boxes = np.array([[left, 0, left + 100, 100] for left in (0, 49, 151, 250)], float)
    found = Detection(boxes, np.array([0.9, 0.8, 0.7, 0.6]), np.zeros((4, 5, 2)))
    turns = iter([found, *[Detection(*(part[:0] for part in found))] * 3])
    monkeypatch.setattr(hiding, "detect", lambda *_, **__: next(turns))
    shown = everybody(np.zeros((100, 400, 3), np.float32))
    assert [(face.number, face.box[0], face.score) for face in shown] == [(1, 0, 0.9), (2, 151, 0.7), (3, 250, 0.6)]

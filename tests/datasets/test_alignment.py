"""Crops against closed forms: exact similarities, block means, slices, and dots that land on the template."""

import numpy as np
import pytest

from minicnn.datasets import alignment
from minicnn.datasets.alignment import TEMPLATES, crop_by_box, crop_by_landmarks, crop_centre, similarity, transform
from minicnn.errors import InputError


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def apply(matrix, points):
    return points @ matrix[:, :2].T + matrix[:, 2]


def umeyama(source, target):
    """Equations 40 to 42 of Umeyama 1991, by the singular value decomposition, in any number of dimensions."""
    middle, aim = source.mean(axis=0), target.mean(axis=0)
    covariance = (target - aim).T @ (source - middle) / len(source)
    u, strengths, v = np.linalg.svd(covariance)
    sign = np.diag([1, np.sign(np.linalg.det(u) * np.linalg.det(v))])
    turn = u @ sign @ v
    scale = np.trace(np.diag(strengths) @ sign) / ((source - middle) ** 2).sum(axis=1).mean()
    return np.column_stack([scale * turn, aim - scale * turn @ middle])


# The similarity


@pytest.mark.parametrize("count", [2, 3, 5])
def test_a_similarity_is_found_again(rng, count):
    source, angle, scale = rng.uniform(0, 90, (count, 2)), 0.4, 1.7
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    target = source @ turn.T + [11, -4]
    np.testing.assert_allclose(similarity(source, target), np.column_stack([turn, [11, -4]]), atol=1e-10)


def test_it_is_umeyamas_also_where_a_mirror_would_fit_better(rng):
    for _ in range(20):
        source, target = rng.standard_normal((2, 5, 2))
        np.testing.assert_allclose(similarity(source, target), umeyama(source, target), atol=1e-10)
    mirrored = source * [-1, 1]
    assert np.linalg.det(similarity(source, mirrored)[:, :2]) > 0


def test_nothing_near_it_is_better(rng):
    source, target = rng.standard_normal((2, 5, 2))
    found = similarity(source, target)
    least = ((apply(found, source) - target) ** 2).sum()
    for _ in range(50):
        turn, shift = 1e-2 * rng.standard_normal((2, 2))
        nudged = found + np.array([[turn[0], -turn[1], shift[0]], [turn[1], turn[0], shift[1]]])
        assert ((apply(nudged, source) - target) ** 2).sum() > least


# Resampling


def test_the_identity_changes_nothing(rng):
    image = rng.random((20, 20, 3), dtype=np.float32)
    np.testing.assert_allclose(transform(image, np.eye(2, 3), 20), image, atol=1e-6)


def test_whole_pixels_are_a_slice_and_the_edge_goes_on(rng):
    image = rng.random((20, 30, 3), dtype=np.float32)
    moved = transform(image, np.array([[1.0, 0, -5], [0, 1, 2]]), 16)
    np.testing.assert_allclose(moved[2:], image[:14, 5:21], atol=1e-6)
    np.testing.assert_allclose(moved[:2], np.broadcast_to(image[:1, 5:21], (2, 16, 3)), atol=1e-6)


def test_halfway_between_pixels_is_their_mean(rng):
    image = rng.random((8, 8, 3), dtype=np.float32)
    np.testing.assert_array_equal(transform(image, np.eye(2, 3), 1), image[:1, :1])
    moved = transform(image, np.array([[1, 0, -0.5], [0, 1, 0]]), 7)
    np.testing.assert_allclose(moved, (image[:7, :7] + image[:7, 1:]) / 2, atol=1e-6)


@pytest.mark.parametrize("factor", [2, 3, 5])
def test_shrinking_takes_the_mean_of_every_pixel(rng, factor):
    image = rng.random((30, 30, 3), dtype=np.float32)
    small = transform(image, np.eye(2, 3) / factor, 30 // factor)
    means = image.reshape(30 // factor, factor, 30 // factor, factor, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(small, means, atol=1e-6)


def test_a_fine_pattern_becomes_grey_and_no_coarse_pattern():
    board = np.repeat((np.indices((120, 120)).sum(axis=0) % 2).astype(np.float32)[..., None], 3, axis=2)
    small = crop_centre(board, 37)  # 3.24 pixels to one: sampling alone would beat against them
    assert np.abs(small - 0.5).max() < 0.12
    assert small.std() < 0.05


def test_the_kind_of_the_picture_stays(rng):
    image = rng.integers(0, 256, (12, 12, 3), dtype=np.uint8)
    crop = crop_centre(image, 12)
    assert crop.dtype == np.uint8
    np.testing.assert_array_equal(crop, image)
    assert crop_centre(image.astype(np.float64), 6).dtype == np.float64


# Crops


def test_a_box_is_cut_with_its_margin(rng):
    image = rng.random((40, 50, 3), dtype=np.float32)
    np.testing.assert_allclose(crop_by_box(image, (10, 4, 26, 20), 16), image[4:20, 10:26], atol=1e-6)
    np.testing.assert_allclose(crop_by_box(image, (12, 6, 24, 18), 24, margin=1), image[:24, 6:30], atol=1e-6)
    # The longer side decides, and the middle stays the middle.
    np.testing.assert_allclose(crop_by_box(image, (16, 4, 20, 20), 16), image[4:20, 10:26], atol=1e-6)


def test_the_middle_is_the_largest_square(rng):
    image = rng.random((20, 32, 3), dtype=np.float32)
    np.testing.assert_allclose(crop_centre(image, 20), image[:, 6:26], atol=1e-6)


@pytest.mark.parametrize("template", TEMPLATES)
def test_landmarks_come_to_lie_on_the_template(template):
    """Dots of light about turned and scaled landmarks, found again by their centres of mass."""
    angle, scale = 0.3, 150.0
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    landmarks = TEMPLATES[template] @ turn.T + [90, 30]
    y, x = np.indices((300, 300)) + 0.5
    size = 64
    for mark, place in zip(landmarks, TEMPLATES[template], strict=True):
        dot = np.exp(-((x - mark[0]) ** 2 + (y - mark[1]) ** 2) / 18).astype(np.float32)
        crop = crop_by_landmarks(np.repeat(dot[..., None], 3, axis=2), landmarks, size, template=template)[..., 0]
        ticks = np.arange(size) + 0.5
        centre = (crop.sum(axis=0) @ ticks, crop.sum(axis=1) @ ticks) / crop.sum()
        np.testing.assert_allclose(centre, size * place, atol=0.05)


def test_eyes_and_nose_or_the_eyes_alone_will_do(rng):
    image = rng.random((80, 80, 3), dtype=np.float32)
    landmarks = 60 * TEMPLATES["arcface"] + 7
    five = crop_by_landmarks(image, landmarks, 60)
    np.testing.assert_allclose(five, image[7:67, 7:67], atol=2e-5)
    for count in (2, 3):
        np.testing.assert_allclose(crop_by_landmarks(image, landmarks[:count], 60), five, atol=2e-5)
    own = crop_by_landmarks(image, landmarks[:3], 60, template=TEMPLATES["arcface"][:3])
    np.testing.assert_allclose(own, five, atol=2e-5)


def test_templates_look_like_faces():
    for points in TEMPLATES.values():
        assert points.shape == (5, 2) and (points > 0).all() and (points < 1).all()
        eye, other, nose, corner, far_corner = points
        assert eye[0] < nose[0] < other[0] and corner[0] < nose[0] < far_corner[0]
        assert max(eye[1], other[1]) < nose[1] < min(corner[1], far_corner[1])


def test_templates_are_of_one_face_which_insightface_has_published():
    published = [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
    np.testing.assert_allclose(TEMPLATES["arcface"], np.array(published) / 112, atol=1e-4)
    for points in TEMPLATES.values():
        matrix = similarity(points, TEMPLATES["arcface"])
        np.testing.assert_allclose(points @ matrix[:, :2].T + matrix[:, 2], TEMPLATES["arcface"], atol=0.02)


# Bad input

PICTURE = np.zeros((9, 9, 3), np.float32)


@pytest.mark.parametrize(
    ("call", "line"),
    [
        (lambda: similarity([[1, 2]], [[1, 2]]), r"^similarity: source has shape \(1, 2\); expected \(n, 2\)"),
        (lambda: similarity([[1, 2], [1, 2]], [[1, 2], [3, 4]]), r"^similarity: source holds 2 points in one place"),
        (lambda: similarity([[1, 2], [3, 4]], [[1, 2], [3, np.nan]]), r"^similarity: target has shape .* finite"),
        (lambda: similarity(np.eye(2), np.zeros((3, 2))), r"^similarity: source has 2 points, target 3"),
        (lambda: similarity([1, 2], [1, 2]), r"^similarity: source has shape \(2,\); expected \(n, 2\)"),
        (lambda: similarity(np.eye(3), np.eye(3)), r"^similarity: source has shape \(3, 3\); expected \(n, 2\)"),
        (lambda: transform(PICTURE, np.eye(3), 4), r"^transform: matrix is .* expected \(2, 3\)"),
        (lambda: transform(PICTURE, np.full((2, 3), np.inf), 4), r"^transform: matrix is .* finite"),
        (lambda: transform(PICTURE, [[1, 0, np.nan], [0, 1, 0]], 4), r"^transform: matrix is .* finite"),
        (lambda: transform(PICTURE[..., :2], np.eye(2, 3), 4), r"^image: got \(9, 9, 2\); expected an array"),
        (lambda: transform(PICTURE[:0], np.eye(2, 3), 4), r"^image: got \(0, 9, 3\); expected an array"),
        (lambda: transform("face.png", np.eye(2, 3), 4), r"^image: got str; expected an array"),
        (lambda: crop_by_box(PICTURE, (1, 8, 8, 8), 4), r"^crop_by_box: box is .* expected left < right and top < bot"),
        (lambda: crop_by_box(PICTURE, (1, 1, 8, np.inf), 4), r"^crop_by_box: box is .* expected four finite numbers"),
        *[
            (lambda box=box: crop_by_box(PICTURE, box, 4), r"^crop_by_box: box is .*, outside the picture of 9 × 9")
            for box in ((-3, 1, 0, 8), (1, -3, 8, 0), (9, 1, 12, 8), (1, 9, 8, 12))
        ],
        (lambda: crop_by_box(PICTURE, (1, 1, 8, 8), 4, margin=np.inf), r"^crop_by_box: margin is inf; expected a numb"),
        (lambda: transform(PICTURE, np.zeros((2, 3)), 4), r"^transform: matrix is .* can be undone$"),
        (lambda: transform(PICTURE[..., 0], np.eye(2, 3), 4), r"^image: got \(9, 9\); expected an array \(H, W, 3\)$"),
        (lambda: transform(PICTURE.astype(int), np.eye(2, 3), 4), r"^image: dtype is int64; expected floats or uint8$"),
        (lambda: crop_centre(PICTURE, 0), r"^size is 0; expected an integer from 1 to 4096$"),
        (
            lambda: crop_by_box(PICTURE, (5, 1, 2, 8), 4),
            r"^crop_by_box: box is \(5.0, 1.0, 2.0, 8.0\); expected left < right",
        ),
        (
            lambda: crop_by_box(PICTURE, (20, 1, 30, 8), 4),
            r"^crop_by_box: box is .*, outside the picture of 9 × 9; expected",
        ),
        (lambda: crop_by_box(PICTURE, "face", 4), r"^crop_by_box: box is 'face'; expected numbers$"),
        (lambda: crop_by_box(PICTURE, (1, 2, 3), 4), r"^crop_by_box: box is \(1, 2, 3\); expected four finite numbers"),
        (
            lambda: crop_by_box(PICTURE, (1, 1, 8, 8), 4, margin=-1),
            r"^crop_by_box: margin is -1; expected a number above -1",
        ),
        (
            lambda: crop_by_landmarks(PICTURE, np.eye(2), 4, template="dlib"),
            r"^crop_by_landmarks: template is 'dlib'; exp",
        ),
        (lambda: crop_by_landmarks(PICTURE, np.eye(2), "4"), r"^size is '4'; expected an integer from 1 to 4096$"),
        (lambda: crop_by_box("face.png", (1, 1, 8, 8), 4), r"^image: got str; expected an array"),
        (lambda: crop_by_landmarks(PICTURE, np.zeros((7, 2)), 4), r"^similarity: source has 7 points, target 5"),
    ],
)
def test_bad_input_is_refused_in_one_line(call, line):
    with pytest.raises(InputError, match=line) as refusal:
        call()
    assert "\n" not in str(refusal.value)


def test_public_functions_say_what_they_take():
    for name in ("similarity", "transform", "crop_by_landmarks", "crop_by_box", "crop_centre"):
        assert getattr(alignment, name).__doc__

"""Drawn faces: the same from the same numbers, different in what they promise, and harder than their pixels."""

import dataclasses
import hashlib
import itertools

import numpy as np
import pytest

from minicnn.datasets import synthetic_faces
from minicnn.datasets.pairs import draw_pairs
from minicnn.datasets.synthetic_faces import (
    BEARDS,
    GLASSES,
    HAIRSTYLES,
    HELD_OUT_DIFFERENCE,
    TRAITS,
    Circumstances,
    Population,
    baselines,
    camera,
    circumstances,
    difference,
    lighting,
    obstacles,
    portrait,
    raster,
    view,
)
from minicnn.datasets.synthetic_faces.hair import STYLES
from minicnn.datasets.synthetic_faces.person import Person
from minicnn.errors import InputError
from minicnn.fast.cpu import raster as compiled_raster

STRAIGHT = Circumstances()


@pytest.fixture(scope="module")
def people():
    return Population(0, size=48)


@pytest.fixture(scope="module")
def person():
    return Person(Population(0).identity(1), np.random.default_rng(0), detail=2)


# The same numbers, the same picture


def digest(picture):
    return hashlib.sha256(picture.image.tobytes() + picture.landmarks.tobytes()).hexdigest()


def test_a_picture_is_the_same_in_every_process_and_in_any_order(people, fresh_python):
    program = """
import hashlib
import itertools
from minicnn.datasets.synthetic_faces import Population
people = Population(0, size=48)
people.picture(9, 4)
picture = people.picture(3, 1)
print(hashlib.sha256(picture.image.tobytes() + picture.landmarks.tobytes()).hexdigest())
"""
    assert fresh_python(program).strip() == digest(people.picture(3, 1))


def test_all_at_once_equals_one_by_one(people):
    album = people.pictures([5, 2], 2, threads=2)
    assert album.people.tolist() == [5, 5, 2, 2]
    for k, (who, number) in enumerate([(5, 0), (5, 1), (2, 0), (2, 1)]):
        alone = Population(0, size=48).picture(who, number)
        np.testing.assert_array_equal(album.images[k], alone.image)
        np.testing.assert_array_equal(album.landmarks[k], alone.landmarks)
        np.testing.assert_array_equal(album.boxes[k], alone.box)


def test_seeds_people_and_numbers_make_different_pictures(people):
    pictures = [people.picture(0, 0), people.picture(0, 1), people.picture(1, 0), Population(1, size=48).picture(0, 0)]
    assert len({digest(picture) for picture in pictures}) == 4
    assert len({tuple(Population(seed).identity(who).shares) for seed in (0, 1) for who in range(20)}) == 40


def test_a_picture_is_uint8_and_the_same_scene_at_every_size(person):
    small, large = (portrait.portray(person, STRAIGHT, size) for size in (48, 97))
    assert small.image.shape == (48, 48, 3) and large.image.shape == (97, 97, 3)
    assert small.image.dtype == np.uint8
    np.testing.assert_allclose(small.landmarks / 48, large.landmarks / 97, atol=1e-5)
    halved = portrait.portray(person, STRAIGHT, 96).image.reshape(48, 2, 48, 2, 3).mean(axis=(1, 3))
    assert np.corrcoef(halved.ravel(), small.image.ravel())[0, 1] > 0.98


def test_glasses_come_and_go_and_nothing_else_does(people):
    wearer = next(who for who in range(50) if people.identity(who).glasses != "none")
    on, off = (people.portrait(wearer, Circumstances(glasses=worn)).image.astype(int) for worn in (True, False))
    changed = np.abs(on - off).max(axis=2) > 8
    assert 0.005 < changed.mean() < 0.3
    assert not changed[-8:].any()


# Who somebody is


def test_every_trait_is_within_its_range_and_reaches_for_both_ends():
    shares = np.array([Population(3).identity(who).shares for who in range(200)])
    assert shares.min() >= 0 and shares.max() <= 1
    span = shares.max(axis=0) - shares.min(axis=0)
    assert span.min() > 0.5, list(TRAITS)[int(span.argmin())]
    identity = Population(3).identity(7)
    for name, share in zip(TRAITS, identity.shares, strict=True):
        low, high, _ = TRAITS[name]
        assert getattr(identity, name) == pytest.approx(low + share * (high - low))
    with pytest.raises(AttributeError, match="nose_lenght"):
        _ = identity.nose_lenght


def test_the_difference_is_a_root_mean_square_over_traits_and_styles():
    identity = Population(0).identity(4)
    assert difference(identity, identity) == 0
    moved = identity.shares.copy()
    moved[5] += 0.5
    moved[9] -= 0.25
    other = dataclasses.replace(identity, shares=moved)
    assert difference(identity, other) == pytest.approx(np.sqrt((0.25 + 0.0625) / (len(TRAITS) + 3)))
    style = next(style for style in HAIRSTYLES if style != identity.hairstyle)
    restyled = dataclasses.replace(other, hairstyle=style)
    assert difference(identity, restyled) == pytest.approx(np.sqrt((0.25 + 0.0625 + 1) / (len(TRAITS) + 3)))


def test_strangers_are_as_different_as_is_said():
    crowd = [Population(2).identity(who) for who in range(80)]
    apart = [difference(one, other) for one, other in itertools.pairwise(crowd)]
    assert np.mean(apart) == pytest.approx(0.40, abs=0.02)


def test_people_held_out_keep_their_distance_from_everybody():
    people = Population(0)
    least = HELD_OUT_DIFFERENCE + 0.03
    chosen = people.held_out(6, training=150, least=least)
    assert chosen == sorted(set(chosen)) and min(chosen) >= 150
    known = [people.identity(who) for who in range(150)]
    for who in chosen:
        nearest = min(difference(people.identity(who), other) for other in known)
        assert nearest >= least
        known.append(people.identity(who))
    passed_over = sorted(set(range(150, max(chosen))) - set(chosen))
    assert passed_over, "a threshold that refuses nobody holds nothing out"
    for who in passed_over:
        earlier = [*range(150), *(other for other in chosen if other < who)]
        assert min(difference(people.identity(who), people.identity(other)) for other in earlier) < least


@pytest.mark.parametrize(
    ("styles", "field"),
    [(HAIRSTYLES, "hairstyle"), (BEARDS, "beard"), (GLASSES, "glasses")],
    ids=lambda value: str(value)[:9],
)
def test_every_style_can_be_drawn_and_seen(styles, field):
    identity = dataclasses.replace(Population(0).identity(1), hairstyle="short", beard="none", glasses="none")
    seen = set()
    for style in styles:
        built = Person(dataclasses.replace(identity, **{field: style}), np.random.default_rng(0), detail=2)
        seen.add(portrait.portray(built, STRAIGHT, 32).image.tobytes())
    assert len(seen) == len(styles)
    assert set(STYLES) == set(HAIRSTYLES)


# Landmarks and box


@pytest.mark.parametrize("yaw", [-30, 0, 30])
@pytest.mark.parametrize(
    "how", [{}, {"pitch": 10, "roll": -9, "smile": 1, "opened": 0.6, "scale": 1.08, "shift": (8, -6)}]
)
def test_landmarks_lie_on_their_features(person, yaw, how):
    """What the z-buffer shows at a landmark is the place of the head that the landmark marks."""
    how = Circumstances(yaw=yaw, glasses=False, **how)
    views = []

    class Kept(view.View):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            views.append(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(portrait, "View", Kept)
        landmarks = portrait.portray(person, how, 96).landmarks
    seen, shown = views[0], 0
    for (x, y), place in zip(landmarks, person.landmarks.T, strict=True):
        row, column = int(2 * y), int(2 * x)
        if seen.owner[row, column] == view.HEAD and np.abs(seen.place[:, row, column] - place).max() < 2.5:
            shown += 1
    # The far corner of the mouth may hide behind the lips.
    assert shown >= (5 if yaw == 0 else 4)


def test_the_landmarks_are_where_anatomy_has_them(person):
    eye, other, nose, corner, far_corner = person.landmarks.T
    points = person.head.points
    tip = np.unravel_index(points[2].argmax(), points[2].shape)
    assert np.abs(nose - tip).max() < 2.5  # nothing stands out further than the tip of the nose
    at = [raster.raster_sample(points, place[:, None])[:, 0] for place in person.landmarks.T]
    i = person.identity
    np.testing.assert_allclose([at[0][0], at[1][0]], [-i.eye_distance / 2, i.eye_distance / 2], atol=0.3)
    np.testing.assert_allclose([at[0][1], at[1][1]], 0, atol=0.3)
    assert at[4][0] - at[3][0] == pytest.approx(i.mouth_breadth - 2, abs=0.5)
    assert at[2][1] == pytest.approx(i.tip_height, abs=0.3)
    assert eye[0] < nose[0] < corner[0] and eye[1] < nose[1] < other[1] and corner[1] < far_corner[1]


def test_the_pupil_is_dark_where_the_eye_is_said_to_be(person):
    picture = portrait.portray(person, Circumstances(glasses=False), 192)
    for x, y in picture.landmarks[:2]:
        around = picture.image[int(y) - 8 : int(y) + 9, int(x) - 14 : int(x) + 15].mean(axis=2)
        middle = picture.image[int(y) - 1 : int(y) + 2, int(x) - 1 : int(x) + 2].mean()
        assert middle < np.percentile(around, 20)


def test_a_turn_is_a_turn_the_way_that_is_said(person):
    def landmarks(**how):
        return portrait.portray(person, Circumstances(**how), 48).landmarks

    straight = landmarks()
    assert np.all(straight[:2, 1] < straight[2, 1]) and np.all(straight[2, 1] < straight[3:, 1])
    assert straight[0, 0] < straight[2, 0] < straight[1, 0]

    def nose_to_eyes(points):
        return points[2] - points[:2].mean(axis=0)

    assert nose_to_eyes(landmarks(yaw=20))[0] > nose_to_eyes(straight)[0] + 2
    assert nose_to_eyes(landmarks(pitch=10))[1] > nose_to_eyes(straight)[1] + 0.5
    leaning = landmarks(roll=9)
    slope = (leaning[1] - leaning[0])[1] / (leaning[1] - leaning[0])[0]
    assert slope == pytest.approx(-np.tan(np.radians(9)), abs=0.01)  # y runs down: the eye on the right is higher
    moved = landmarks(shift=(10, 10)) - straight
    assert (moved[:, 0] > 1).all() and (moved[:, 1] < -1).all()


def test_the_box_holds_the_face(person):
    picture = portrait.portray(person, Circumstances(yaw=15, roll=5), 96)
    left, top, right, bottom = picture.box
    x, y = picture.landmarks.T
    assert (x > left).all() and (x < right).all() and (y > top).all() and (y < bottom).all()
    assert 0.3 < (right - left) / 96 < 0.7 and 0.4 < (bottom - top) / 96 < 0.85


# What differs from picture to picture


def test_circumstances_keep_to_their_bounds_and_reach_them():
    drawn = [circumstances.draw(np.random.default_rng(k)) for k in range(1500)]
    for name, low, high in [
        ("yaw", -30, 30),
        ("ratio", 1, 4),
        ("blur", 0, 2),
        ("occlusion", 0, 0.25),
        ("pitch", -12, 12),
        ("roll", -9, 9),
    ]:
        values = np.array([getattr(how, name) for how in drawn])
        assert values.min() >= low and values.max() <= high
        assert values.min() < low + 0.02 * (high - low) and values.max() > high - 0.02 * (high - low)
    obstructed = {how.obstacle for how in drawn} - {""}
    assert obstructed == set(circumstances.OBSTACLES) == set(obstacles.SHAPES)
    assert np.mean([how.occlusion > 0 for how in drawn]) == pytest.approx(0.4, abs=0.05)


def test_without_nuisance_everybody_looks_straight_at_us():
    how = circumstances.draw(np.random.default_rng(5), nuisance=0)
    assert (how.yaw, how.pitch, how.roll, how.shift, how.scale) == (0, 0, 0, (0, 0), 1)
    assert (how.ratio, how.blur, how.noise, how.obstacle) == (2, 0, 0, "")


@pytest.mark.parametrize("kind", circumstances.OBSTACLES)
def test_an_obstacle_hides_what_was_asked_for_and_no_more(kind):
    row, column = np.indices((96, 96))
    face = (np.hypot((row - 48) / 1.3, column - 48) < 25).astype(np.float32)
    for asked in (0.1, 0.25):
        hidden = []
        for seed in range(4):
            over_black, over_white = np.zeros((3, 96, 96), np.float32), np.ones((3, 96, 96), np.float32)
            for light in (over_black, over_white):
                how = Circumstances(obstacle=kind, occlusion=asked)
                skin, lamp = np.full(3, 0.3, np.float32), np.array([0, 0, 1], np.float32)
                obstacles.hide(light, face, how, skin, lamp, 0.36, np.random.default_rng(seed))
            opacity = 1 - (over_white - over_black)[0]
            hidden.append((opacity * face).sum() / face.sum())
        assert max(hidden) <= asked + 1e-3
        assert np.mean(hidden) > 0.6 * asked


def test_light_falls_off_by_the_ratio():
    everything, nothing = np.ones(2, np.float32), np.zeros(2, np.float32)
    for ratio in (1, 2.5, 4):
        how = Circumstances(light_from=(80.0, 0.0), ratio=ratio)
        towards = lighting.lamp(how)
        surface = lighting.Surface(np.full((3, 2), 0.5, np.float32), np.stack([towards, -towards], axis=1))
        lit, shaded = lighting.illuminate(surface, everything, nothing, how)[0]
        grazing = (1 - towards[2]) ** 4 * (0.04 + 0.06 * 0.3) * (1.5 * 0.5 + 0.03)  # the same on both sides
        assert (lit - grazing) / (shaded - grazing) == pytest.approx(ratio, rel=1e-4)


def test_blur_has_the_width_that_is_said():
    light = np.zeros((3, 97, 97), np.float32)
    light[:, 48, 48] = 12
    for blur in (1.0, 2.0):
        picture = camera.develop(light, Circumstances(blur=blur), np.random.default_rng(0))[..., 0] / 255
        undone = -np.log(1 - picture.astype(float) ** 2.2)  # proportional to the light
        spread = np.sqrt((undone.sum(axis=1) * (np.arange(97) - 48) ** 2).sum() / undone.sum())
        assert spread == pytest.approx(blur * 97 / 96, rel=0.06)


# The renderer


def sheet(rng, rows=5, columns=6):
    """A crumpled sheet of points over 16 × 16 pixels."""
    y, x = np.meshgrid(np.linspace(1, 15, rows), np.linspace(1, 15, columns), indexing="ij")
    return np.stack([x, y, 0 * x + 2]).astype(np.float32) + rng.uniform(-0.9, 0.9, (3, rows, columns)).astype(
        np.float32
    )


def drawn(module, sheets, two_sided):
    depth, owner = np.zeros((16, 16), np.float32), np.zeros((16, 16), np.uint8)
    place = np.zeros((2, 16, 16), np.float32)
    for number, points in enumerate(sheets, start=1):
        module.raster_fill(points, number, two_sided, depth, owner, place)
    return depth, owner, place


@pytest.mark.parametrize("two_sided", [False, True])
def test_the_z_buffer_shows_the_nearest_triangle_of_all(two_sided):
    """Against every triangle at every pixel, by barycentric coordinates solved for."""
    rng = np.random.default_rng(0)
    sheets = [sheet(rng), sheet(rng)[:, ::-1], sheet(rng)]
    column, row = np.meshgrid(np.arange(16) + 0.5, np.arange(16) + 0.5)
    pixels = np.stack([column.ravel(), row.ravel(), np.ones(256)])
    expected = np.zeros(256)
    for points in sheets:
        for r, c in itertools.product(range(points.shape[1] - 1), range(points.shape[2] - 1)):
            a, b, d, e = (points[:, r + i, c + j].astype(float) for i, j in ((0, 0), (0, 1), (1, 0), (1, 1)))
            for corners in (np.stack([a, b, d], axis=1), np.stack([e, d, b], axis=1)):
                matrix = np.stack([corners[0], corners[1], np.ones(3)])
                if two_sided or np.linalg.det(matrix) > 0:
                    shares = np.linalg.solve(matrix, pixels)
                    covered = (shares >= 0).all(axis=0)
                    expected[covered] = np.maximum(expected[covered], (corners[2] @ shares)[covered])
    expected = expected.reshape(16, 16)
    depth, owner, place = drawn(raster, sheets, two_sided)
    np.testing.assert_allclose(depth, expected, atol=1e-4)
    for mine, theirs in zip(drawn(compiled_raster, sheets, two_sided), (depth, owner, place), strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-4)
    # The place is where on the sheet the depth comes from.
    for number, points in enumerate(sheets, start=1):
        seen = owner == number
        if seen.any():
            found = raster.raster_sample(points, place[:, seen])
            assert np.abs(found[2] - depth[seen]).max() < 0.6  # a cell is two triangles, and no bilinear surface
            assert np.abs(found[:2] - np.stack([column[seen], row[seen]])).max() < 0.6


def test_sampling_is_bilinear():
    from scipy.ndimage import map_coordinates

    rng = np.random.default_rng(1)
    grid = rng.standard_normal((2, 5, 7)).astype(np.float32)
    place = rng.uniform(-1, 8, (2, 60)).astype(np.float32)
    expected = [map_coordinates(plane, place, order=1, mode="nearest") for plane in grid]
    for module in (raster, compiled_raster):
        np.testing.assert_allclose(module.raster_sample(grid, place), expected, atol=1e-5)


def test_projection_can_be_undone():
    view = camera.Camera(96, 1.05, np.array([4.0, -9, 50], np.float32))
    points = np.random.default_rng(0).uniform(-100, 100, (3, 50))
    np.testing.assert_allclose(view.unproject(*view.project(points)), points, atol=1e-6)
    middle = view.project(np.array([[4.0], [-9], [50]]))
    np.testing.assert_allclose(middle[:2, 0], 48, atol=1e-5)


# Hard


def test_pixels_and_principal_components_fail_on_people_held_out():
    """A small sample of the statement that stands in the benchmark: at most 65 % and 80 % of 6,000 pairs."""
    people = Population(0, size=32)
    training = people.pictures(24, 3)
    test = people.pictures(people.held_out(16, training=24), 5)
    scores = baselines.compare(training.images, test.images, draw_pairs(test.people, folds=4, pairs=80), components=32)
    raw, components = (score.accuracy for score in scores)
    assert 0.45 < raw < 0.74
    assert 0.45 < components < 0.80


def test_principal_components_are_those_of_the_singular_value_decomposition():
    rng = np.random.default_rng(0)
    strengths = 0.8 ** np.arange(60)
    images = (rng.standard_normal((90, 60)) * strengths) @ rng.standard_normal((60, 8 * 8 * 3))
    images = np.clip(128 + 20 * images, 0, 255).astype(np.uint8).reshape(90, 8, 8, 3)
    found = baselines.PrincipalComponents(images, 10)
    centred = images.reshape(90, -1) / 255 - images.reshape(90, -1).mean(axis=0) / 255
    expected = np.linalg.svd(centred, full_matrices=False)[2][:10]
    np.testing.assert_allclose(np.abs(np.sum(expected * found.components, axis=1)), 1, atol=1e-3)
    np.testing.assert_allclose(np.abs(found.encode(images)), np.abs(centred @ expected.T), atol=0.03)


def test_fold_accuracy_takes_the_threshold_of_the_other_folds():
    pairs = draw_pairs(np.repeat(np.arange(8), 4), folds=2, pairs=4)._replace(
        same=np.array([1, 1, 0, 0, 1, 1, 0, 0], bool), fold=np.repeat([0, 1], 4)
    )
    # Fold 0 parts at 2, fold 1 at 5: each threshold gets one of the other fold's pairs wrong.
    distances = np.array([1.0, 2, 3, 6, 1, 5, 7, 9])
    assert baselines.fold_accuracy(distances, pairs) == (0.75, 0.0)


def test_scores_are_shown_a_line_each(capsys):
    baselines.show([baselines.Score("raw pixels (L2)", 0.6123, 0.02)])
    assert capsys.readouterr().out.split() == ["raw", "pixels", "(L2)", "61.23%", "±", "2.00%"]


# Bad input


@pytest.mark.parametrize(
    ("call", "line"),
    [
        (lambda: Population(-1), r"^seed is -1; expected an integer of at least 0$"),
        (lambda: Population(size=16), r"^size is 16; expected an integer from 32 to 1024$"),
        (lambda: Population(nuisance=float("nan")), r"^nuisance: got nan, expected a number from 0 to 1$"),
        (lambda: Population().picture(0, -1), r"^number is -1; expected an integer of at least 0$"),
        (lambda: Population().identity(True), r"^person is True; expected an integer of at least 0$"),
        (lambda: Population().pictures([], 3), r"^people: got nobody, expected at least one person$"),
        (lambda: Population().pictures(3, 0), r"^each is 0; expected an integer of at least 1$"),
        (lambda: Circumstances(yaw=60), r"^yaw: got 60, expected degrees from -45 to 45$"),
        (lambda: Circumstances(ratio=float("nan")), r"^ratio: got nan, expected 1 or more$"),
        (lambda: Circumstances(obstacle="tree"), r"^obstacle: got 'tree', expected one of hand, .*, or none$"),
        (lambda: Population().held_out(2, training=2, least=2), r"^least: got 2, expected a difference that is met"),
        (
            lambda: draw_pairs([1, 1, 2, 2], folds=2),
            r"^draw_pairs: labels: a fold of 1 people and 2 pictures has 1 pairs",
        ),
        (lambda: draw_pairs([1, 2], pairs=3), r"^draw_pairs: pairs is 3; expected an even number of at least 2$"),
    ],
)
def test_bad_input_is_refused_in_one_line(call, line):
    with pytest.raises(InputError, match=line) as refusal:
        call()
    assert "\n" not in str(refusal.value)


def test_the_docstring_says_what_the_faces_are_not():
    assert "Nobody is real" in synthetic_faces.__doc__ and "not: photographs" in synthetic_faces.__doc__

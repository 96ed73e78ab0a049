"""Faces are found where they are and nowhere else, in pictures of every kind."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from minicnn import Tensor, hdf5, images, models, nn, ops, zoo
from minicnn.backend import use_backend
from minicnn.datasets import paintings
from minicnn.errors import InputError, LoadError, MissingFileError
from minicnn.faces import detect, detection
from minicnn.faces.detection import Windows, crops, pyramid, shifted, squares, suppress, windows_of_map
from minicnn.models import cascade
from minicnn.models.cascade import CELL, STRIDE, Judgement
from minicnn.operation import no_grad

EVERY = 10  # of the hundred photographs; tests/parity looks at all


@pytest.fixture(scope="module")
def detector(shared_data):
    return models.mtcnn(shared_data / "mtcnn" / "mtcnn.h5")


@pytest.fixture(scope="module")
def photographs(shared_data):
    return [images.load(path) for path in sorted((shared_data / "lfw100").glob("*/*.jpg"))[::EVERY]]


@pytest.fixture(scope="module")
def drawn_weights():
    """A detector that knows nothing: for what does not depend on what it knows."""
    return models.mtcnn(None, seed=1)


def random_windows(count, seed=0):
    random = np.random.default_rng(seed)
    corner, side = random.uniform(0, 50, (count, 2)), random.uniform(10, 30, (count, 2))
    return Windows(np.concatenate([corner, corner + side], axis=1), np.round(random.random(count), 1))  # some tie


# The networks


def test_the_sizes_of_the_networks(drawn_weights):
    sizes = [sum(p.data.size for p in stage.parameters()) for stage in (drawn_weights.refinement, drawn_weights.output)]
    total = sum(parameter.data.size for parameter in drawn_weights.parameters())
    assert (total, total - sum(sizes)) == (495_850, 6_632)
    assert len({name for name, _ in drawn_weights.named_parameters()}) == 50


def test_a_window_that_slides_is_a_convolution(drawn_weights):
    """P-Net on the whole picture says what P-Net says of each window."""
    picture = np.random.default_rng(0).random((22, 28, 3), np.float32)
    whole = drawn_weights.judge(picture[None])
    assert whole.scores.shape == (1, 6, 9)
    corners = [(STRIDE * i, STRIDE * j) for i, j in np.ndindex(6, 9)]
    windows = np.stack([picture[y : y + CELL, x : x + CELL] for y, x in corners])
    one_by_one = drawn_weights.judge(windows)
    assert_allclose(whole.scores.reshape(-1), one_by_one.scores.reshape(-1), atol=1e-5)
    assert_allclose(whole.shifts.reshape(-1, 4), one_by_one.shifts.reshape(-1, 4), atol=1e-5)


def test_rows_and_columns_are_not_confused(drawn_weights):
    """Landmarks are x first, then y; and a picture on its side is another picture."""
    crop = np.random.default_rng(0).random((1, 48, 48, 3), np.float32)
    judged = drawn_weights.output.judge(crop)
    with no_grad():
        raw = drawn_weights.output(crop).data[0]
    assert judged.landmarks.shape == (1, 5, 2)
    assert_array_equal(judged.landmarks[0, :, 0], raw[6:11])
    assert_array_equal(judged.landmarks[0, :, 1], raw[11:])
    other = drawn_weights.output.judge(crop.transpose(0, 2, 1, 3))
    assert np.abs(other.landmarks - judged.landmarks).max() > 1e-4


def test_only_an_output_of_sixteen_numbers_holds_landmarks():
    assert Judgement.of(np.zeros((1, 16, 16, 6))).landmarks is None
    assert Judgement.of(np.zeros((2, 3, 16))).landmarks.shape == (2, 3, 5, 2)
    judged = Judgement.of(np.array([1.0, 3, *range(2, 16)])[None])
    assert_allclose(judged.scores, [1 / (1 + math.exp(-2))])
    assert judged.shifts.tolist() == [[2, 3, 4, 5]]
    assert judged.landmarks.tolist() == [[[x, x + 5] for x in range(6, 11)]]


def test_a_stage_reads_columns_first():
    stage = cascade.Stage(cascade._card(9), [nn.Conv2d(3, 6, (1, 2), seed=0)])
    x = np.random.default_rng(0).random((1, 4, 5, 3), np.float32)
    with use_backend("numpy"), no_grad():
        expected = ops.conv(stage.preprocessing(Tensor(x)), stage.body[0].w.data.transpose(1, 0, 2, 3))
        found = stage(x)
    assert found.shape == (1, 3, 5, 6)
    assert_allclose(found.data, expected.data, atol=1e-6)


def test_many_windows_are_judged_as_one_is(drawn_weights, monkeypatch):
    windows = np.random.default_rng(0).random((5, 24, 24, 3), np.float32)
    together = drawn_weights.refinement.judge(windows)
    monkeypatch.setattr(cascade, "BATCH", 2)
    for count in (5, 4):  # the last batch is a part of one, or whole
        apart = drawn_weights.refinement.judge(windows[:count])
        for one, other in zip(together[:2], apart[:2], strict=True):
            assert_allclose(one[:count], other, atol=1e-6)


def test_weights_go_to_a_file_and_come_back(drawn_weights, tmp_path):
    hdf5.save(drawn_weights, tmp_path / "own.h5")
    back = models.mtcnn(tmp_path / "own.h5")
    for (name, one), (_, other) in zip(drawn_weights.named_parameters(), back.named_parameters(), strict=True):
        assert_array_equal(one.data, other.data, err_msg=name)
    assert models.recognise(tmp_path / "own.h5") is models.mtcnn
    with pytest.raises(LoadError, match="does not fit"):
        models.tiny_facenet(tmp_path / "own.h5")


def test_the_file_of_bare_arrays(detector, shared_data):
    assert detector.load_report.complete and detector.load_report.layout == "bare arrays"
    assert models.recognise(shared_data / "mtcnn" / "mtcnn.h5") is models.mtcnn


# Their tools


def test_suppression_is_what_it_says():
    """Every window that goes is overlapped by a likelier one that stays, and no two that stay overlap."""

    def by_definition(windows, most, of_smaller):
        kept = []
        for i in sorted(range(len(windows.scores)), key=lambda i: -windows.scores[i]):
            if all(overlap(windows.boxes[i], windows.boxes[j], of_smaller) <= most for j in kept):
                kept.append(i)
        return kept

    def overlap(a, b, of_smaller):
        shared = np.prod(np.maximum(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0))
        areas = np.prod(a[2:] - a[:2]), np.prod(b[2:] - b[:2])
        return shared / (min(areas) if of_smaller else sum(areas) - shared)

    for seed in range(5):
        windows = random_windows(60, seed)
        for most, of_smaller in ((0.5, False), (0.7, False), (0.3, True)):
            kept = suppress(windows, most, of_smaller=of_smaller)
            assert kept.tolist() == by_definition(windows, most, of_smaller)
            assert 1 < len(kept) < 60
    assert suppress(Windows(np.empty((0, 4)), np.empty(0)), 0.5).shape == (0,)
    half = Windows(np.array([[0.0, 0, 4, 1], [0, 0, 2, 1]]), np.array([0.9, 0.8]))
    assert suppress(half, 0.5).tolist() == [0, 1] and suppress(half, 0.49).tolist() == [0]


def test_boxes_move_by_parts_of_their_sides():
    moved = shifted(np.array([[10.0, 20.0, 30.0, 60.0]]), np.array([[0.1, -0.1, 0.5, 0.25]]))
    assert_allclose(moved, [[12, 16, 40, 70]])
    assert_allclose(squares(moved), [[-1, 16, 53, 70]])


def test_windows_of_a_map_lie_where_the_network_looked():
    scores = np.zeros((1, 4, 5))
    scores[0, 1, 3], scores[0, 2, 0] = 0.9, 0.6
    shifts = np.arange(80.0).reshape(1, 4, 5, 4)
    windows, found = windows_of_map(Judgement(scores, shifts, None), np.array([0.5, 0.25]), 0.6)
    assert_allclose(windows.boxes, [[12, 8, 36, 56], [0, 16, 24, 64]])
    assert_array_equal(found, [shifts[0, 1, 3], shifts[0, 2, 0]])


@settings(max_examples=10)
@given(height=st.integers(1, 70), width=st.integers(1, 70), min_size=st.floats(12, 60))
def test_the_pyramid_begins_at_min_size_and_ends_at_the_cell(height, width, min_size):
    picture = np.full((height, width, 3), 0.25, np.float32)
    levels = list(pyramid(picture, min_size))
    assert bool(levels) == (min(height, width) * CELL / min_size >= CELL)
    for small, scale in levels:
        assert min(small.shape[:2]) >= CELL
        assert_allclose(small.shape[:2][::-1] / scale, (width, height))
        assert_allclose(small, 0.25, atol=1e-6)  # its edges are not darker


def test_a_picture_just_as_large_as_the_smallest_face_is_looked_at():
    for height, width in ((24, 31), (31, 24)):
        [(small, _)] = pyramid(np.zeros((height, width, 3), np.float32), 24.0)
        assert small.shape == (math.ceil(height / 2), math.ceil(width / 2), 3)
    assert not [*pyramid(np.zeros((24, 31, 3), np.float32), 24.1)]


@pytest.mark.parametrize(("height", "width"), [(96, 512), (512, 96)])
def test_each_level_shows_the_picture_itself(height, width):
    """Long ones, too, from halves of halves only where they are large enough."""
    picture = np.random.default_rng(0).random((height, width, 3)).astype(np.float32)
    for small, _ in pyramid(picture, 12.0):
        np.testing.assert_allclose(small, detection._shrunk(picture, *small.shape[:2]), atol=0.1)


def test_faces_at_a_threshold_are_none():
    boxes = np.array([[0.0, 0, 20, 20], [30, 0, 50, 20], [60, 0, 80, 20]])
    marks = np.arange(30.0).reshape(3, 5, 2) / 30
    stage = SimpleNamespace(judge=lambda _: Judgement(np.array([0.7, 0.71, 0.6]), np.zeros((3, 4)), marks))
    detector, picture = SimpleNamespace(refinement=stage, output=stage), np.zeros((40, 90, 3), np.float32)
    refined = detection._refined(picture, detector, Windows(boxes, np.ones(3)), 0.7)
    assert_allclose(refined.boxes, boxes[1:2])
    found = detection._found(picture, detector, Windows(boxes, np.ones(3)), 0.7)
    assert found.scores.tolist() == [0.71]
    assert_allclose(found.boxes, boxes[1:2])
    assert_allclose(found.landmarks, marks[1:2] * 20 + (30, 0))


def a_hundred_wide(*lefts):
    return np.array([[left, 0, left + 100, 100] for left in lefts], float)


def test_windows_overlap_by_a_half_at_one_size_and_by_seven_tenths_at_all(monkeypatch):
    """Squares of 100 pixels that are 33 apart overlap by 67/133, those 17 apart by 83/117."""
    sizes = [((0, 33, 34, 200), (0.9, 0.8, 0.75, 0.6)), ((17, 218, 400), (0.7, 0.5, 0.4))]
    found = iter([(Windows(a_hundred_wide(*lefts), np.array(s)), np.zeros((len(s), 4))) for lefts, s in sizes])
    monkeypatch.setattr(detection, "pyramid", lambda *_: [(np.zeros((1, 1, 3)), 1)] * 2)
    monkeypatch.setattr(detection, "windows_of_map", lambda *_: next(found))
    monkeypatch.setattr(detection, "MOST", 4)
    kept = detection._proposed(np.zeros((100, 500, 3)), SimpleNamespace(judge=lambda _: None), 20.0, 0.6)
    assert kept.boxes.tolist() == a_hundred_wide(0, 34, 200, 218).tolist()
    assert kept.scores.tolist() == [0.9, 0.75, 0.6, 0.5]


def test_windows_overlap_by_seven_tenths_at_most_in_the_later_stages():
    """In the last stage over the smaller area: squares 29 apart overlap by 71/100."""
    for lefts, refined, found in (((0, 17, 300), (0, 300), (0, 300)), ((0, 18, 29, 30), (0, 18), (0, 30))):
        scores = np.linspace(0.9, 0.8, len(lefts))
        shifts, landmarks = np.zeros((len(lefts), 4)), np.zeros((len(lefts), 5, 2))
        judged = Judgement(scores, shifts, landmarks)
        stage = SimpleNamespace(judge=lambda _, judged=judged: judged)
        detector, picture = SimpleNamespace(refinement=stage, output=stage), np.zeros((100, 400, 3), np.float32)
        candidates = Windows(a_hundred_wide(*lefts), scores)
        kept = (
            detection._refined(picture, detector, candidates, 0.5),
            detection._found(picture, detector, candidates, 0.5),
        )
        assert [each.boxes.tolist() for each in kept] == [a_hundred_wide(*each).tolist() for each in (refined, found)]


def test_floats_may_exceed_their_range_by_a_thousandth():
    for value in (-0.0009, 1.0009):
        assert detection.as_picture(np.full((2, 2), value)).shape == (2, 2, 3)
    for value in (-0.0011, 1.0011):
        with pytest.raises(InputError, match=r"^detect: image"):
            detection.as_picture(np.full((2, 2), value))


def test_in_each_stage_windows_that_overlap_a_better_one_too_much_are_dropped():
    """Overlap counts over the union, and in the last stage over the smaller area: a box inside another is a nose."""
    whole, above, near, inside = [0, 0, 40, 40], [0, 0, 40, 40], [3, 0, 43, 40], [10, 10, 30, 30]
    candidates = Windows(np.array([near, whole, inside, above], float), np.zeros(4))
    shifts, landmarks = np.zeros((4, 4)), np.full((4, 5, 2), [0.25, 0.75])
    shifts[1] = [0.05, 0, 0, 0]  # left, by a twentieth of 40 pixels
    judged = Judgement(np.array([0.8, 0.95, 0.9, 0.5]), shifts, landmarks)
    stage = SimpleNamespace(judge=lambda pictures: judged)
    detector, picture = SimpleNamespace(refinement=stage, output=stage), np.zeros((50, 50, 3), np.float32)
    refined = detection._refined(picture, detector, candidates, 0.5)
    assert refined.boxes.tolist() == [[2, 0, 40, 40], inside] and refined.scores.tolist() == [0.95, 0.9]
    found = detection._found(picture, detector, candidates, 0.5)
    assert found.boxes.tolist() == [[2, 0, 40, 40]] and found.scores.tolist() == [0.95]
    assert found.landmarks.tolist() == [[[10, 30]] * 5]


def test_crops_are_black_beyond_the_edge():
    crop = crops(np.ones((10, 10, 3), np.float32), np.array([[-5.0, 0.0, 5.0, 10.0]]), 24)
    assert not crop[0, :, :10].any() and np.allclose(crop[0, 2:-2, 14:-2], 1)


# Pictures


def test_the_face_in_the_middle_is_found(detector, photographs):
    for picture in photographs:
        boxes, scores, landmarks = detect(picture, detector=detector)
        height, width = picture.shape[:2]
        middle = (boxes[:, :2] < (width / 2, height / 2)).all(1) & (boxes[:, 2:] > (width / 2, height / 2)).all(1)
        assert middle.any()
        assert (np.diff(scores) <= 0).all() and scores.min() > 0.7
        eyes, mouth = landmarks[:, :2], landmarks[:, 3:]
        assert (eyes[:, 0, 0] < eyes[:, 1, 0]).all() and (mouth[:, 0, 0] < mouth[:, 1, 0]).all()
        assert (eyes[..., 1].max(axis=1) < mouth[..., 1].min(axis=1)).all()


def test_boxes_are_in_the_pixels_of_the_picture(detector, photographs):
    """In a larger picture, moved by so many pixels; at twice the size, twice as far; in a mirror, the other way."""
    face = detect(photographs[0], detector=detector)
    canvas = np.full((400, 420, 3), 0.5, np.float32)
    canvas[100:350, 120:370] = photographs[0]
    moved = detect(canvas, detector=detector)
    assert_allclose(moved.landmarks[0] - (120, 100), face.landmarks[0], atol=3)
    twice = detect(photographs[0].repeat(2, axis=0).repeat(2, axis=1), min_size=80, detector=detector)
    assert_allclose(twice.landmarks[0] / 2, face.landmarks[0], atol=3)
    mirrored = detect(photographs[0][:, ::-1], detector=detector)
    swapped = mirrored.landmarks[0][[1, 0, 2, 4, 3]]
    assert_allclose((250 - swapped[:, 0]), face.landmarks[0][:, 0], atol=4)


def test_grey_and_whole_numbers(detector, photographs):
    face = detect(photographs[1], detector=detector)
    eight_bits = detect(np.rint(photographs[1] * 255).astype(np.uint8), detector=detector)
    assert_allclose(eight_bits.landmarks[0], face.landmarks[0], atol=1e-2)
    grey = detect(photographs[1].mean(axis=2), detector=detector)
    assert_allclose(grey.landmarks[0], face.landmarks[0], atol=5)
    assert_array_equal(detect(photographs[1].mean(axis=2)[..., None], detector=detector).boxes, grey.boxes)


def test_rotated_pictures_are_answered(detector, photographs):
    for turns in (1, 2, 3):
        boxes, scores, landmarks = detect(np.rot90(photographs[0], turns), detector=detector)
        assert len(boxes) == len(scores) == len(landmarks) and np.isfinite(boxes).all()


def ramp(height, width):
    x, y = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    return np.stack([x, y, (x + y) / 2], axis=2).astype(np.float32)


def radial(height, width):
    x, y = np.meshgrid(np.linspace(-1, 1, width), np.linspace(-1, 1, height))
    return np.repeat(np.clip(1 - np.hypot(x, y), 0, 1)[..., None], 3, axis=2).astype(np.float32)


NOTHING = {
    "noise": lambda: np.random.default_rng(0).random((150, 200, 3), np.float32),
    "dark noise": lambda: np.random.default_rng(1).normal(0.3, 0.1, (140, 140, 3)).clip(0, 1).astype(np.float32),
    "a gradient": lambda: ramp(120, 160),
    "a glow": lambda: radial(150, 150),
    "black": lambda: np.zeros((200, 200, 3), np.float32),
    "white": lambda: np.ones((200, 200, 3), np.float32),
    **{name: lambda paint=paint: paint(128) for name, paint in paintings.PAINTINGS.items()},
}


@pytest.mark.parametrize("what", NOTHING)
def test_where_there_is_no_face_none_is_found(detector, what):
    assert len(detect(NOTHING[what](), min_size=20, detector=detector).boxes) == 0


@pytest.mark.parametrize("shape", [(0, 0, 3), (0, 20, 3), (1, 1, 3), (1, 500, 3), (11, 11), (39, 39, 3), (12, 3000, 1)])
def test_tiny_thin_and_empty_pictures_hold_no_face(drawn_weights, shape):
    boxes, scores, landmarks = detect(np.zeros(shape, np.float32), detector=drawn_weights)
    assert boxes.shape == (0, 4) and scores.shape == (0,) and landmarks.shape == (0, 5, 2)


def test_more_windows_than_there_is_time_for(drawn_weights, monkeypatch):
    """Where the first stage is sure of everything, the others see the likeliest."""
    monkeypatch.setattr(detection, "MOST", 7)
    windows = []
    monkeypatch.setattr(
        detection, "_refined", lambda picture, detector, candidates, t: windows.append(candidates) or candidates
    )
    detect(np.random.default_rng(0).random((90, 90, 3), np.float32), thresholds=(0, 0, 1), detector=drawn_weights)
    assert len(windows[0].scores) == 7 and (np.diff(windows[0].scores) <= 0).all()


@pytest.mark.parametrize(
    ("image", "options", "told"),
    [
        (np.zeros((9, 9, 4), np.float32), {}, r"image has shape \(9, 9, 4\)"),
        (np.zeros((2, 9, 9, 3), np.float32), {}, r"image has shape \(2, 9, 9, 3\)"),
        (np.zeros((9, 9, 3), np.int64), {}, "dtype int64"),
        (np.full((9, 9, 3), 200.0), {}, "goes from 200 to 200"),
        (np.full((9, 9, 3), np.nan), {}, "goes from nan"),
        (np.zeros((9, 9, 3)), {"min_size": 11}, "min_size is 11; expected 12 pixels or more"),
        (np.zeros((9, 9, 3)), {"min_size": np.nan}, "min_size is nan"),
        (np.zeros((9, 9, 3)), {"thresholds": (0.5, 2, 0.5)}, "thresholds is"),
        (np.zeros((9, 9, 3)), {"thresholds": (0.5, 0.5)}, "thresholds is"),
        (np.zeros((9, 9, 3)), {"thresholds": (0.5, -0.1, 0.5)}, "thresholds is .* three numbers from 0 to 1"),
    ],
)
def test_bad_input_gets_one_line(drawn_weights, image, options, told):
    with pytest.raises(InputError, match=told) as caught:
        detect(image, detector=drawn_weights, **options)
    assert "\n" not in str(caught.value)


def test_without_weights_it_says_how_to_get_them(tmp_path, monkeypatch, no_packages):
    monkeypatch.setenv("MINICNN_WEIGHTS", str(tmp_path))
    monkeypatch.setattr(zoo.locations, "cache", lambda: tmp_path)
    with pytest.raises(MissingFileError, match="minicnn weights fetch mtcnn"):
        detect(np.zeros((50, 50, 3), np.float32))


def test_the_catalogues_weights_are_loaded_once(shared_data, monkeypatch):
    monkeypatch.setenv("MINICNN_WEIGHTS", str(shared_data / "mtcnn"))
    assert detection.the_detector() is detection.the_detector()

"""From a photograph to names in Python: faces.find, and a gallery that is shown paths, photographs, crops and faces."""

from types import SimpleNamespace

import numpy as np
import pytest

from minicnn import faces, images, models, nn, text, zoo
from minicnn.errors import InputError, MissingFileError
from minicnn.faces import Detection, Gallery, candidates, cropping, drawing, quality, snapshots
from minicnn.faces.cropping import POINTS
from minicnn.models import tiny_face
from minicnn.models.card import ModelCard
from minicnn.models.network import Network

CARD = ModelCard("as it is", (16, 16), "none", embedding=3, metric="squared_l2", landmarks=tiny_face.CARD.landmarks)


class Middle(nn.Module):
    """The mean colour of the middle of the crop."""

    name = "middle"

    def __init__(self):
        self.w = models.tiny_facenet(None).parameters()[0]  # a network has parameters

    def forward(self, x):
        return x[:, 6:10, 6:10].mean(axis=(1, 2))


def encoder():
    return Network(CARD, [Middle()])


LANDMARKS = np.array([CARD.landmarks[point] for point in POINTS])


def face_at(left, top, side):
    """A box, and landmarks where the card has them in it."""
    return np.array([left, top, left + side, top + side], float), LANDMARKS * side + (left, top)


@pytest.fixture
def scene(monkeypatch):
    """A picture with three faces in red, green and blue, found where they are, and in no other picture."""
    places = [face_at(10, 20, 60), face_at(90, 10, 100), face_at(205, 30, 80)]
    picture = np.full((120, 300, 3), 0.5, np.float32)
    for (box, _), colour in zip(places, np.eye(3), strict=True):
        left, top, right, bottom = box.astype(int)
        picture[top:bottom, left:right] = colour
    found = Detection(*map(np.array, ([box for box, _ in places], [0.99, 0.98, 0.9], [points for _, points in places])))
    nobody = Detection(np.empty((0, 4)), np.empty(0), np.empty((0, 5, 2)))

    def detect(image, **options):
        return found if image.shape == picture.shape and np.allclose(image, picture, atol=0.01) else nobody

    monkeypatch.setattr(snapshots, "detect", detect)
    return picture


@pytest.fixture
def gallery(scene):
    """Red, Green and Blue are enrolled; faces of one colour are good enough."""
    gallery = Gallery(encoder(), threshold=0.1, any_quality=True)
    for face, name in zip(faces.find(scene), ("Red", "Green", "Blue"), strict=True):
        gallery.enroll(name, face)
    return gallery


def test_faces_have_all_that_there_is_to_know(scene, tmp_path):
    network = encoder()
    images.save(tmp_path / "scene.png", scene)
    for picture in (scene, np.rint(scene * 255).astype(np.uint8), tmp_path / "scene.png", str(tmp_path / "scene.png")):
        found = faces.find(picture, encoder=network)
        assert [(face.number, face.among, face.turn) for face in found] == [(1, 3, 0), (2, 3, 0), (3, 3, 0)]
        assert [face.score for face in found] == [0.99, 0.98, 0.9]
        np.testing.assert_array_equal(found[1].box, [90, 10, 190, 110])
        np.testing.assert_array_equal(found[1].landmarks, LANDMARKS * 100 + (90, 10))
        assert found[0].crop.shape == (16, 16, 3)
        np.testing.assert_allclose([face.encoding for face in found], np.eye(3), atol=1e-6)
        assert found[0].quality.eyes == pytest.approx(60 * (LANDMARKS[1, 0] - LANDMARKS[0, 0]))
    assert repr(found[1]) == "<Face 2 of 3: 100 × 100 at 90,10, score 0.980>"


def test_the_best_encoder_here_is_loaded_once_and_only_where_it_is_needed(scene, monkeypatch):
    loaded = []
    monkeypatch.setattr(faces.encoders, "of_photographs", lambda: loaded.append(1) or encoder())
    [face, *_] = faces.find(scene)
    assert face.quality.eyes > 0 and not loaded
    assert face.crop.shape == (16, 16, 3) and face.encoding.shape == (3,) and len(loaded) == 1


def test_no_face_is_an_empty_list(scene, monkeypatch):
    assert faces.find(np.zeros((90, 90, 3), np.float32)) == []
    image, looked_at, detect = np.zeros((50, 60, 3), np.float32), [], snapshots.detect
    image[0, 0] = 1
    monkeypatch.setattr(snapshots, "detect", lambda turned, **options: looked_at.append(turned) or detect(turned))
    assert faces.find(image) == [] and len(looked_at) == 4
    for turned, quarters in zip(looked_at, (0, 1, 3, 2), strict=True):  # on its head last
        np.testing.assert_array_equal(turned, np.rot90(image, -quarters))
    with pytest.raises(InputError, match="does not exist"):
        faces.find("nowhere.jpg")


@pytest.mark.parametrize(
    ("shape", "looked_at"),
    [
        ((50, 60, 3), False),  # the size of the card
        ((50, 60), False),
        ((60, 50, 3), True),
        ((50, 40), True),
        ((39, 500, 3), False),
        ((500, 39, 3), False),
        ((60, 50, 3, 1), False),
        ((50,), False),
    ],
)
def test_faces_are_looked_for_in_pictures_of_another_size_that_have_room_for_one(shape, looked_at):
    card = ModelCard("none", (50, 60), "none", embedding=3)
    assert candidates._is_photograph(np.zeros(shape, np.float32), card) is looked_at
    assert not candidates._is_photograph([[0.0] * 90] * 90, card)


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_a_picture_on_its_side_is_found_and_said(scene, turn):
    """Places are those in the picture as it was given, and the crop is upright."""
    given = np.rot90(scene, turn // 90)  # to the left, so that it must be turned to the right
    upright = faces.find(scene, encoder=encoder())
    for face, expected in zip(faces.find(given, encoder=encoder()), upright, strict=True):
        assert face.turn == turn and expected.turn == 0
        left, top, right, bottom = face.box.astype(int)
        inside = given[top:bottom, left:right]
        assert np.allclose(inside, inside[0, 0]) and inside[0, 0].max() == 1
        np.testing.assert_allclose(face.crop, expected.crop, atol=1e-5)
    points = ModelCard("both", (16, 16), "none", embedding=3, metric="squared_l2", margin=4, landmarks=CARD.landmarks)
    np.testing.assert_allclose(faces.find(given)[0].crop_for(points), upright[0].crop_for(CARD), atol=1e-5)
    margin = ModelCard("box", (16, 16), "none", embedding=3, metric="squared_l2", margin=4)
    np.testing.assert_allclose(faces.find(given)[0].crop_for(margin), upright[0].crop_for(margin), atol=1e-5)
    left, top, right, bottom = upright[0].box
    shaded = np.abs(scene - 0.008 * np.linspace(0, 1, 120, dtype=np.float32)[:, None, None])
    aside = faces.find(np.rot90(shaded, turn // 90))[0].crop_for(margin)
    np.testing.assert_allclose(aside, faces.find(shaded)[0].crop_for(margin), atol=1e-5)
    by_box = cropping.crop(scene, margin, box=(left, top, right - left, bottom - top))
    np.testing.assert_allclose(upright[0].crop_for(margin), by_box, atol=1e-5)
    assert [upright[0].crop_for(card, size=24).shape for card in (margin, points)] == [(24, 24, 3)] * 2


def test_the_largest_face_is_that_of_the_largest_area():
    square, flat = (SimpleNamespace(box=box) for box in ((0, 0, 10, 10), (0, 0, 30, 3)))
    assert snapshots.choose([flat, square]) is square


# A gallery


def test_enrol_takes_the_largest_face_and_says_so(gallery, scene, tmp_path):
    images.save(tmp_path / "scene.png", scene)
    report = gallery.enroll("Ann", [scene, tmp_path / "scene.png"])
    np.testing.assert_allclose(gallery.encodings("Ann"), [[0, 1, 0]], atol=1e-6)  # Green's face is the largest
    assert report.several == ((0, 3), (1, 3)) and report.duplicates == (1,)
    assert "2 pictures hold several faces; the largest of each was taken" in str(report)
    assert "picture 1 holds 3 faces; the largest was taken" in str(gallery.enroll("Bob", scene))
    assert gallery.enroll("Cy", faces.find(scene)[0]).several == ()  # which was chosen by hand


def test_verify_takes_the_nearest_of_several_faces(gallery, scene):
    for name, number in (("Red", 1), ("Blue", 3)):
        for shown in (scene, faces.find(scene), faces.find(scene)[number - 1]):
            found = gallery.verify(name, shown)
            assert found and found.distance < 1e-6 and found.face.number == number and found.nearest_picture == 1
    assert not gallery.verify("Red", faces.find(scene)[1:])
    assert gallery.verify("Red", faces.find(scene)[0].crop_for(CARD)).face is None
    for several in ([scene, scene], [faces.find(scene)[0], scene]):
        with pytest.raises(InputError, match="verify: image holds 2 pictures; expected one"):
            gallery.verify("Red", several)


def test_identify_takes_the_largest_face_or_all(gallery, scene):
    found = gallery.identify(scene)
    assert found.name == "Green" and found.face.number == 2
    assert gallery.identify(scene, faces="centre").name == "Green" and gallery.identify(scene, faces=3).name == "Blue"
    names = ["Red", "Green", "Blue"]
    for everybody in (
        gallery.identify_all(scene),
        gallery.identify(scene, faces="all"),
        gallery.identify(faces.find(scene)),
        gallery.identify([scene, scene], faces="all")[1],
    ):
        assert [one.name for one in everybody] == names and [one.face.number for one in everybody] == [1, 2, 3]
    assert [one.name for one in gallery.identify([scene, scene])] == ["Green", "Green"]
    with pytest.raises(InputError, match="face is 'smallest'; expected largest, centre, all, or a number from 1"):
        gallery.identify(scene, faces="smallest")
    with pytest.raises(InputError, match="picture 1: face is 4; there are 3 faces"):
        gallery.identify(scene, faces=4)


def test_faces_of_pictures_of_all_kinds_are_numbered_by_their_pictures(scene):
    found = faces.find(scene)
    crop = found[0].crop_for(CARD)
    [known] = candidates.candidates(found[2], CARD, "all", "encode")
    every = list(candidates.candidates([known, found[1], crop, scene, crop, known], CARD, "all", "encode"))
    assert [(one.picture, one.among) for one in every] == [(i, 3 if i == 3 else 1) for i in (0, 1, 2, 3, 3, 3, 4, 5)]
    numbers = [one.face and one.face.number for one in every]
    assert numbers == [3, 2, None, 1, 2, 3, None, 3]
    assert [one.quality is not None for one in every] == [True] * 8
    crops = [faces.find(scene)[(number or 1) - 1].crop_for(CARD) for number in numbers]
    np.testing.assert_array_equal([one.crop for one in every], crops)


def test_the_nearest_enrolled_picture_is_said(gallery, scene):
    crops = [np.full((16, 16, 3), level, np.float32) for level in (0.2, 0.5, 0.8)]
    gallery.enroll("Grey", crops)
    found = gallery.identify(np.full((16, 16, 3), 0.52, np.float32))
    assert (found.nearest, found.nearest_picture) == ("Grey", 2)
    assert "picture 3 of Grey is nearest, at 0.03" in gallery.verify("Grey", crops[2] - 0.1).why


def test_a_picture_without_a_face_is_named(gallery, monkeypatch):
    nobody = np.zeros((90, 90, 3), np.float32)
    before = gallery.people
    for action in (lambda: gallery.enroll("Ann", [nobody]), lambda: gallery.identify(nobody)):
        with pytest.raises(InputError, match=r": picture 1: no face was found; expected one, or a crop of 16 × 16"):
            action()
    with pytest.raises(InputError, match="verify: no face was found in image"):
        gallery.verify("Red", nobody)
    assert gallery.identify_all(nobody) == [] and gallery.people == before

    def without_weights(image):
        raise MissingFileError("no weights are here")

    monkeypatch.setattr(candidates, "find", without_weights)
    with pytest.raises(MissingFileError, match=r"^enroll: picture 2: no weights are here$"):
        gallery.enroll("Ann", [np.zeros((16, 16, 3), np.float32), nobody])


# How well a face is seen


def drawn(side=150, *, blur=False):
    """A picture with much detail, in blobs and not in blocks, and landmarks in it where dlib has them."""
    random = np.random.default_rng(5)
    picture = np.repeat(images.resize(random.random((side // 3, side // 3, 1)), side, side), 3, axis=2) * 0.3 + 0.35
    if blur:
        picture = np.full_like(picture, 0.5) + 0.1 * np.linspace(-1, 1, side)[:, None, None]
    return picture.astype(np.float32), quality.TEMPLATE * side


def test_what_is_wrong_with_a_face_is_said_in_words():
    picture, points = drawn()
    good = quality.measure(picture, points)
    # Light counts only below the middle of grey: a darker copy is as sharp, and a paler one is not sharper.
    assert quality.measure(picture * 0.5, points).sharpness == pytest.approx(good.sharpness, rel=0.05)
    assert quality.measure(picture + 0.3, points).sharpness == pytest.approx(good.sharpness, rel=0.05)
    assert quality.measure(picture, points[:1].repeat(5, 0)) == quality.Quality(*[0.0] * 10)
    assert good.problem == "" and good.sharpness > 100 and good.eyes == pytest.approx(quality.EYES)
    assert abs(good.yaw) < 0.02 and 0.4 < good.pitch < 0.6
    assert quality.measure(*drawn(blur=True)).problem.startswith("too blurred to tell (sharpness 0")
    aside = points.copy()
    aside[2, 0] += 0.7 * quality.EYES
    assert quality.measure(picture, aside).problem.startswith("turned too far aside to tell (yaw 0.")
    assert quality.measure(np.minimum(picture * 4, 1), points).problem.startswith("too bright to tell (glare")
    assert quality.measure(picture * 0.01, points).problem.startswith("too dark or too pale to tell (contrast")
    small, corners = drawn(25)
    assert quality.measure(small, corners).problem == "too small to tell (eyes 8.82; expected 9 or more)"


def test_a_face_needs_a_pixel_between_its_eyes_and_24_in_all_for_noise():
    picture, _ = drawn()
    points = quality.TEMPLATE - quality.TEMPLATE.mean(axis=0)
    for eyes, measured in ((0.999, 0), (1.0, 1)):
        small = 75 + points * eyes / (points[1, 0] - points[0, 0])
        small[0, 1] = small[1, 1]  # level, so that the distance is exact
        small[1, 0] = small[0, 0] + eyes
        assert quality.measure(picture, small).eyes == measured
    for side, noisy in ((23, False), (24, True)):
        across = side / 2.2 / (points[1, 0] - points[0, 0])
        noise = quality.measure(picture, (75 if noisy else 74.5) + points * across).noise
        assert (noise > 0) is noisy


def test_noise_and_blocks_are_measured_in_grey_levels():
    points = quality.TEMPLATE * 150
    random = np.random.default_rng(1)
    grey = np.repeat(0.5 + random.normal(0, 20 / 255, (150, 150, 1)), 3, axis=2).astype(np.float32)
    assert quality.measure(grey, points).noise == pytest.approx(20, rel=0.05)
    # Faces at the border, and out of the picture.
    assert quality.measure(grey[20:, 20:], points - 20).noise == pytest.approx(20, rel=0.05)
    assert quality.measure(grey[:-20, :-20], points).noise == pytest.approx(20, rel=0.05)
    for beyond in ((-400, 0), (0, -400), (400, 0), (0, 400)):
        assert quality.measure(grey, points + beyond)[-3:] == (0, 0, 0)
    # Steps of 16 grey levels at every eighth pixel, wherever the first is.
    steps = np.cumsum(np.arange(150) % 8 == 3) % 2 * 16 / 255
    blocks = np.repeat((0.4 + steps[:, None] + steps)[..., None], 3, axis=2).astype(np.float32)
    assert quality.measure(blocks, points).blocks == pytest.approx(16, rel=0.05)
    assert quality.measure(blocks, points).noise < 5
    # Blocks of any size are steps that repeat. Steps that do not are none.
    enlarged = images.resize(blocks, 210, 210)
    assert quality.measure(enlarged, 1.4 * points).blocks < 3 < quality.measure(enlarged, 1.4 * points).grid
    edges = np.zeros(150)
    edges[[52, 71, 77, 103]] = 12 / 255
    single = np.repeat((0.4 + edges.cumsum()[:, None] + edges.cumsum())[..., None], 3, axis=2).astype(np.float32)
    assert quality.measure(single, points).grid < 1
    shrunk = quality.measure(np.kron(grey, np.ones((3, 3, 1), np.float32)), 3 * points)
    assert shrunk.eyes == pytest.approx(3 * quality.EYES)


@pytest.mark.parametrize(
    ("side", "expected"),
    [
        (90, (94.6149, 28.7275, 0.171511, 1.05547, 0.430415, 27.7524, 0.00240055, 5.06244, 5.24469, 0.740308)),
        (300, (2112.05, 95.7582, 0.171511, 1.05547, 0.430415, 25.8216, 0.00248628, 2.81801, 3.42686, 2.68627)),
    ],
)
def test_all_measures_of_a_tilted_face_in_colour(side, expected):
    """Against numbers that were measured once; some columns and rows have steps as of blocks."""
    random = np.random.default_rng(side)
    picture = images.resize(random.random((side // 3, side // 3, 3)), side, side) * 0.6 + 0.35
    steps = np.arange(side) // 8 % 2
    picture += random.normal(0, 0.03, picture.shape) + steps[:, None, None] * 0.1 + steps[:, None] * 0.07
    points = quality.TEMPLATE * side * 0.9 + 0.05 * side
    points[:, 1] += 0.1 * points[:, 0]
    points[2] += (0.04 * side, -0.03 * side)
    found = quality.measure(np.minimum(picture, 1).astype(np.float32), points)
    assert found == pytest.approx(expected, rel=1e-3, abs=5e-4)


def test_below_the_limits_there_is_no_verdict(scene, monkeypatch):
    """The scene's faces are of one colour each: nothing in them is sharp."""
    gallery = Gallery(encoder(), threshold=0.1, any_quality=True)
    gallery.enroll("Red", faces.find(scene)[0])
    gallery.any_quality = False
    found = gallery.identify(faces.find(scene)[0])
    assert (found.name, found.judged, found.recognized) == (None, False, False) and found.nearest == "Red"
    assert str(found).startswith("no verdict: too dark or too pale to tell") and found.distance < 1e-6
    verified = gallery.verify("Red", scene)
    assert verified.same is None and not verified and str(verified).startswith("no verdict on Red: too dark")
    crops = [np.broadcast_to(np.float32(colour), (16, 16, 3)) for colour in ((1, 0, 0), (0, 1, 0))]
    near, far = (candidates.Candidate(crop, None, None, 1, 0) for crop in crops)
    poor = near._replace(quality=faces.find(scene)[0].quality)
    for shown in ([poor, far], [far, poor]):  # what can be judged comes first, however far it is
        verified = gallery.verify("Red", shown)
        assert verified.same is False and verified.distance > 0.1
    assert gallery.verify("Red", [far, near])
    gallery.threshold = faces.calibrate(np.array([0.01, 0.02, 1, 2]), np.array([True, True, False, False]))
    assert gallery.verify("Red", [near]).probability > 0.5 and gallery.verify("Red", scene).probability is None
    report = gallery.enroll("Ann", scene)
    assert report.added == () and report.refused[0][0] == 0 and "Ann" not in gallery
    assert "picture 1 was passed over: too dark or too pale to tell" in str(report)


def test_a_drawn_face_is_judged_as_it_is():
    network = models.tiny_facenet()
    gallery = Gallery(network, threshold=0.1)
    flat = np.full((*network.card.input_size, 3), 0.5, np.float32)
    gallery.enroll("Ann", flat)
    assert gallery.verify("Ann", flat)
    assert zoo.find("tiny_facenet")


def test_names_are_written_under_faces(scene):
    found = faces.find(scene)
    picture = drawing.named(scene, [*zip(found, ["Red", None, "B" * 60], strict=True)])
    changed = np.abs(picture - scene).max(axis=2) > 0.1
    assert changed[20, 12:68].all() and changed[82:90, 20:60].any()  # a box, and a name under it
    yellow, pale = np.array(drawing.COLOUR) / 255, np.array(drawing.UNKNOWN) / 255
    assert np.allclose(picture[50, 10], yellow, atol=0.01) and np.allclose(picture[50, 90], pale, atol=0.01)
    assert changed.mean() < 0.4 and picture.shape == scene.shape
    assert not changed[24:78, 16:64].any()  # no landmarks are drawn
    for known, unknown in ((0, 1), (1, 0)):
        rows = [(found[0], ["Red", None][i]) for i in (known, unknown)]
        assert np.allclose(drawing.named(scene, rows)[50, 10], yellow, atol=0.01)  # a name lies over a question mark
    low = drawing.named(scene[:84], [(found[0], "Red")])  # without room below a face, its name covers its lower edge
    assert np.isclose(low[72], yellow, atol=0.01).all(axis=1).sum() > 10
    for name in ("Zoë", "\u9c8d\u5a01\u5c14 $1", "\U0001f469 Ada"):  # whatever fonts are here
        assert np.abs(drawing.named(scene, [(found[0], name)]) - scene)[82:100, 20:60].max() > 0.4
    np.testing.assert_array_equal(drawing.named(scene, []), np.float32(np.rint(scene * 255) / 255))


def test_letters_are_as_large_as_a_sixth_of_the_median_face():
    boxes = np.array([[20, 10, 260, 100], [300, 10, 301, 11], [20, 10, 260, 100]], float)
    found = Detection(boxes, np.ones(3), np.zeros((3, 5, 2)))
    shown = [faces.Face(np.full((200, 400, 3), 0.5, np.float32), found, number) for number in (1, 2, 3)]
    row = drawing.named(shown[0].image, [(face, "Ann") for face in shown])[:, 140]
    changed = np.abs(row - 0.5).max(axis=1) > 0.01
    assert np.flatnonzero(changed).max() == 101 + 54  # letters of 40 pixels, on a strip 1.35 times as high


def test_lines_and_dots_are_as_wide_as_a_picture_and_its_faces_ask(monkeypatch):
    boxes = np.array([[100, 10, 500, 410], [620, 80, 680, 140]], float)
    points = np.array([[[300, 200]], [[640, 100]]], float)
    found = Detection(boxes, np.array([0.99, 0.9]), points)
    wide, small = (faces.Face(np.full((420, 1000, 3), 0.5, np.float32), found, number) for number in (1, 2))
    marked = drawing.marked(wide.image, [wide, small])

    def inks(pixels):
        return "".join("y" if np.allclose(p, yellow, atol=0.01) else "." if p.any() else "k" for p in pixels)

    yellow, line = np.array(drawing.COLOUR) / 255, "....kkyykk..."  # two pixels, and a black line at each side
    assert inks(marked[60, 94:107]) == inks(marked[60, 494:507])[::-1] == inks(marked[4:17, 200]) == line
    assert inks(marked[200, 290:311]) == "..k" + 15 * "y" + "k.."  # a fiftieth of the face to each side
    assert inks(marked[100, 634:647]) == "...k" + 5 * "y" + "k..."  # or one and a half lines
    narrow = np.full((80, 60, 3), 0.5, np.float32)
    face = faces.Face(narrow, Detection(np.array([[10.0, 10, 50, 40]]), np.ones(1), np.zeros((1, 5, 2))))
    assert not drawing.named(narrow, [(face, "B" * 24)])[42:55, 0].any()  # the border of its long name
    told = []
    monkeypatch.setattr(drawing, "_label", lambda draw, box, *label: told.append(label))
    drawing.marked(wide.image, [wide])
    drawing.named(wide.image, [(wide, "B" * 24), (wide, "B" * 25), (wide, None)])
    pale = ("?", drawing.UNKNOWN)
    names = [("1  0.99", drawing.COLOUR), pale, *((name, drawing.COLOUR) for name in ("B" * 24, "B" * 23 + "…"))]
    assert told == [(*name, 2, 67) for name in names]


def test_a_threshold_that_nobody_passes_is_refused():
    distances, same = np.array([0.5, 0.6, 0.1, 0.2]), np.array([True, True, False, False])
    useless = faces.calibrate(distances, same)
    assert useless.val == 0
    gallery = Gallery(encoder(), threshold=0.1)
    with pytest.raises(InputError, match="nobody passes"):
        gallery.threshold = useless
    with pytest.raises(InputError, match="nobody passes"):
        Gallery(encoder(), threshold=useless)
    assert gallery.threshold == 0.1


@pytest.mark.parametrize(("probability", "told"), [(1.0, ">99.9%"), (0.9995, ">99.9%"), (0.999, "99.9%"), (0, "<0.1%")])
def test_a_probability_is_never_quite_certain(probability, told):
    assert text.percent(probability) == told


def test_a_crop_has_a_quality_where_all_points_are_known():
    places = dict(zip(POINTS, [(0.3, 0.4), (0.7, 0.4), (0.5, 0.6), (0.35, 0.8), (0.65, 0.8)], strict=True))
    picture = np.random.default_rng(0).random((20, 20, 3), np.float32)

    def found(image=picture, **changes):
        card = ModelCard("points", preprocessing="none", **{"input_size": (20, 20), "landmarks": places, **changes})
        return candidates._quality_of_crop(image, card)

    assert found().pitch == found(landmarks={**places, "chin": (0.5, 1.0)}).pitch == pytest.approx(0.5)
    assert found(np.tile(picture, (1, 2, 1)), input_size=(20, 40)).eyes == pytest.approx(0.4 * 40)
    assert found(drawn=True) is None and found(picture[:19]) is None and found(picture[..., 0]) is None
    assert found(landmarks={name: places[name] for name in POINTS[:4]}) is None

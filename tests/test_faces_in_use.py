"""What a user with real photographs stumbled over, one test a row: everybody in a picture, folders, bars, names."""

import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from tqdm import tqdm

from minicnn import faces, hdf5, images, models
from minicnn.cli import main, outcome
from minicnn.errors import InputError
from minicnn.faces import Detection, snapshots
from minicnn.models import tiny_face
from minicnn.text import WIDTH

LANDMARKS = np.array(list(tiny_face.CARD.landmarks.values()))
NOBODY = Detection(np.empty((0, 4)), np.empty(0), np.empty((0, 5, 2)))
SIDE = 96


def person(seed):
    """A picture of a face: sharp, of one person, and that person alone."""
    fine, coarse = (np.random.default_rng(first + seed).random((n, n, 3)) for first, n in ((100, 40), (0, 4)))
    smooth = images.resize(np.kron(coarse, np.ones((24, 24, 1))), SIDE, SIDE)
    return np.clip(images.resize(fine, SIDE, SIDE) * 0.7 + smooth * 0.2 + 0.05, 0, 1)


def beside(*seeds):
    return np.concatenate([person(seed) for seed in seeds], axis=1)


def detect(image, **options):
    """Every square of a picture as high as a face is one, unless it is grey."""
    squares = range(image.shape[1] // SIDE) if image.shape[0] == SIDE else ()
    found = [k for k in squares if image[:, k * SIDE : (k + 1) * SIDE].std() > 0.05]
    if not found:
        return NOBODY
    lefts = SIDE * np.array(found, float)
    boxes = np.stack([lefts + 8, np.full(len(lefts), 8.0), lefts + 88, np.full(len(lefts), 88.0)], axis=1)
    points = LANDMARKS * SIDE + np.stack([lefts, np.zeros(len(lefts))], axis=1)[:, None]
    return Detection(boxes, np.linspace(0.99, 0.9, len(lefts)), points)


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """Ada, Bo and Cy in folders with two pictures each, an encoder of photographs, and a detector."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MINICNN_WEIGHTS", str(tmp_path))
    Path("mtcnn.h5").touch()
    hdf5.save(
        tiny_face.build(seed=4), "encoder.h5", attributes={"faces": "photographs", "threshold_at_far_0.001": 0.02}
    )
    for name, seed in (("Ada", 1), ("Bo", 2), ("Cy", 3)):
        Path("people", name).mkdir(parents=True)
        for number in range(2):
            images.save(Path("people", name, f"{number}.png"), np.clip(person(seed) + 0.02 * number, 0, 1))
    monkeypatch.setattr(snapshots, "detect", detect)
    monkeypatch.setattr(models, "mtcnn", lambda weights: None)
    return tmp_path


def face(action, *words):
    weights = () if action in ("detect", "list", "rename") else ("--weights", "encoder.h5")
    return main(["face", action, *map(str, words), *weights])


@pytest.fixture
def gallery(capsys):
    assert face("enroll", "g.h5", "people") == 0
    capsys.readouterr()
    return "g.h5"


def said(capsys):
    out, err = capsys.readouterr()
    return out, err


# Everybody in a picture


def test_everybody_has_a_row_and_a_name_on_the_picture(gallery, capsys):
    images.save("party.png", beside(2, 9, 1))
    assert face("identify", gallery, "party.png", "--face", "all", "--picture", "named.png") == 1  # one is a stranger
    out, _ = said(capsys)
    lines = out.splitlines()
    assert lines[0] == "party.png: 3 faces, 2 recognized" and max(map(len, lines)) <= WIDTH
    assert [line.split()[3] for line in lines[1:]] == ["Bo", "not", "Ada"] and lines[1].split()[2] == "48,48"
    drawn = images.load("named.png")
    assert drawn.shape == (SIDE, 3 * SIDE, 3) and np.abs(drawn - images.load("party.png")).max() > 0.5
    images.save("both.png", beside(2, 1))
    assert face("identify", gallery, "both.png", "--face", "all", "--json") == 0
    rows = json.loads(said(capsys)[0])["identified"]
    assert [row["name"] for row in rows] == ["Bo", "Ada"] and [row["face"] for row in rows] == [1, 2]
    row = rows[1]
    assert row["box"] == [SIDE + 8, 8, SIDE + 88, 88] and row["score"] == 0.9 and row["turn"] == 0
    assert row["landmarks"]["left eye"] == pytest.approx(
        [SIDE + SIDE * LANDMARKS[0, 0], SIDE * LANDMARKS[0, 1]], abs=0.01
    )
    assert row["nearest_picture"] == 1 and row["runner_up"] in ("Bo", "Cy") and "within" in row["why"]
    assert row["quality"]["eyes"] > 11 and row["judged"] is True and row["quality"]["sharpness"] > 4


def test_verify_takes_the_nearest_of_several_faces(gallery, capsys):
    images.save("party.png", beside(9, 2, 1))
    assert face("verify", gallery, "Ada", "party.png", "--json") == 0
    out, err = said(capsys)
    found = json.loads(out)
    assert found["face"] == 3 and found["why"].startswith("picture 1 of Ada is nearest") and found["box"][0] == 200
    assert "party.png: 3 faces; number 3 at 240,48 is the nearest" in err
    assert face("verify", gallery, "Ada", "party.png", "--face", "1") == 1
    assert face("verify", "party.png", "people/Bo/0.png") == 0
    capsys.readouterr()
    assert face("verify", "party.png", "people/Cy/0.png", "--json") == 1
    assert "farther than" in json.loads(said(capsys)[0])["why"]


def test_folders_are_pictures_too(gallery, capsys):
    Path("people/Ada/.hidden.png").write_bytes(b"")
    assert face("identify", gallery, "people/Ada", "people/Bo/0.png") == 0
    out, _ = said(capsys)
    assert [line.split()[-1] for line in out.splitlines() if line.startswith("people")] == ["Ada", "Ada", "Bo"]
    assert face("identify", gallery, "people", "--json") == 0
    assert len(json.loads(said(capsys)[0])["identified"]) == 6
    Path("empty").mkdir()
    assert face("identify", gallery, "empty") == 2
    assert "the folder 'empty' holds no pictures" in said(capsys)[1]
    assert face("enroll", "h.h5", "Ada", "people/Ada") == 0
    assert "Ada: 2 added" in said(capsys)[0]


def test_a_picture_on_its_side_is_found_and_said(gallery, capsys):
    images.save("side.png", np.rot90(np.concatenate([person(1), np.full((SIDE, SIDE, 3), 0.5)], axis=1)))
    assert face("identify", gallery, "side.png") == 0
    out, err = said(capsys)
    assert "side.png: Ada" in out and "note: side.png: found a face after rotating the picture by 90°" in err
    assert face("detect", "side.png") == 0
    assert "found a face after rotating the picture by 90°" in said(capsys)[1]


def test_several_pictures_are_all_drawn(gallery, capsys):
    images.save("party.png", beside(2, 9, 1))
    assert face("identify", gallery, "people/Ada/0.png", "party.png", "--picture", "two.png") == 0
    assert images.load("two.png").shape[1] > images.load("two.png").shape[0]
    face("identify", gallery, "people/Ada/0.png", "--picture", "one.png", "--faces", "people")
    face("rename", gallery, "Bo", "Robert")
    capsys.readouterr()
    face("identify", gallery, "people/Ada/0.png", "--picture", "one.png", "--faces", "people")
    assert "--faces: no folder 'Robert' in 'people'" in said(capsys)[1]


# Poor pictures


def test_a_blurred_face_gets_no_verdict_and_is_not_enrolled(gallery, capsys):
    images.save("blur.png", gaussian_filter(person(1), (4, 4, 0)))
    for words in (("identify", gallery), ("verify", gallery, "Ada"), ("verify", "people/Ada/0.png")):
        assert face(*words, "blur.png") == 3, words
        out, err = said(capsys)
        assert "too blurred" in out + err
    assert face("identify", gallery, "people/Ada/0.png", "blur.png", "--json") == 3
    good, poor = json.loads(said(capsys)[0])["identified"]
    assert good["name"] == "Ada" and (poor["name"], poor["judged"]) == (None, False) and "too blurred" in poor["why"]
    assert face("enroll", gallery, "Blurred", "blur.png") == 3
    assert "blur.png was passed over: too blurred to tell" in said(capsys)[0]
    assert face("enroll", "new.h5", "Blurred", "blur.png") == 3 and not Path("new.h5").exists()
    out, _ = said(capsys)
    assert "blur.png was passed over" in out and "encoded by" not in out and "biometric" not in out
    assert face("enroll", gallery, "Blurred", "blur.png", "--any-quality") == 0
    assert face("verify", gallery, "Blurred", "blur.png", "--any-quality") == 0
    assert face("identify", gallery, "blur.png", "--any-quality") == 0
    assert "blur.png: Blurred" in said(capsys)[0]


# Thresholds


def test_one_picture_of_two_people_is_named_and_refused(gallery, capsys):
    before = Path(gallery).read_bytes()
    shutil.copy("people/Ada/0.png", "people/Bo/x.png")
    for words in (("calibrate", "people"), ("calibrate", "people", "--into", gallery)):
        assert face(*words) == 2
        told = str(Path("Ada/0.png")), str(Path("Bo/x.png"))
        assert f"{told[0]} and {told[1]} are one picture of two people" in said(capsys)[1]
    face("enroll", gallery, "X", "people/Ada/0.png")
    capsys.readouterr()
    assert face("calibrate", gallery, "--into", gallery) == 2
    assert "picture 1 of Ada and picture 1 of X are one picture of two people" in said(capsys)[1]
    assert before != Path(gallery).read_bytes()  # X was enrolled
    assert face("list", gallery) == 0 and "calibrated" not in said(capsys)[0]


def test_a_threshold_that_nobody_passes_is_not_stored_and_its_pair_is_named(gallery, capsys):
    for name in ("Ada", "Bo"):
        images.save(Path("people", name, "1.png"), person({"Ada": 2, "Bo": 1}[name]) * 0.98)  # under the wrong names
    images.save("people/Cy/1.png", person(7))
    before = Path(gallery).read_bytes()
    assert face("calibrate", "people", "--into", gallery) == 2
    err = said(capsys)[1]
    assert "nobody passes" in err and Path(gallery).read_bytes() == before
    assert "Ada" in err and "Bo" in err and ".png" in err


def test_calibrate_names_the_pairs_at_the_threshold(gallery, capsys):
    assert face("calibrate", "people", "--json") == 0
    found = json.loads(said(capsys)[0])
    one, other, how_far = found["nearest_two"]
    assert Path(one).parent != Path(other).parent and how_far > found["threshold"]
    one, other, how_far = found["farthest_one"]
    assert Path(one).parent == Path(other).parent and how_far <= found["threshold"]
    assert face("calibrate", "people") == 0
    assert "nearest two" in said(capsys)[0]


def test_list_and_identify_say_both_thresholds(gallery, capsys):
    assert face("calibrate", "people", "--into", gallery, "--eer") == 0
    capsys.readouterr()
    face("list", gallery)
    out = said(capsys)[0]
    assert "calibrated" in out and "to identify" in out
    face("identify", gallery, "people/Ada/0.png")
    assert "for 6 pictures" in said(capsys)[0]
    face("verify", gallery, "Ada", "people/Ada/0.png")
    assert "100.0%" not in said(capsys)[0]


@pytest.mark.parametrize("action", ["evaluate", "calibrate"])
def test_too_few_people_are_counted_in_english(action, capsys):
    for name in ("Bo", "Cy"):
        shutil.rmtree(f"people/{name}")
    assert face(action, "people") == 2
    err = said(capsys)[1]
    assert "2 pictures of 1 person" in err and "face train" not in err
    shutil.copytree("people/Ada", "people/Bo")
    images.save("people/Bo/0.png", person(8))
    images.save("people/Bo/1.png", person(8) * 0.9)
    if action == "evaluate":
        assert face(action, "people") == 2
        assert "2 people with 2 pictures at most are too few" in said(capsys)[1]


# Folders, names, bars


def test_detect_makes_the_folder_that_it_draws_into(capsys):
    images.save("party.png", beside(1, 2))
    assert face("detect", "people/Ada", "party.png", "-o", "found/") == 0
    assert sorted(path.name for path in Path("found").iterdir()) == ["0.faces.png", "1.faces.png", "party.faces.png"]
    assert face("detect", "party.png", "people/Bo/0.png", "-o", "other") == 0
    assert sorted(path.name for path in Path("other").iterdir()) == ["0.faces.png", "party.faces.png"]
    assert face("detect", "people/Ada/0.png", "people/Bo/0.png", "-o", "third/") == 2  # of one name
    assert face("detect", "party.png", "-o", "no/where/") == 2


def test_a_name_like_a_path_is_no_path(gallery, capsys):
    images.save("secret.png", person(5))
    Path("people/Ada/deep").mkdir()
    assert face("enroll", gallery, "Zoë/../../secret", "secret.png") == 0
    assert face("identify", gallery, "secret.png", "--picture", "i.png", "--faces", "people") == 0
    out, err = said(capsys)
    assert "secret.png: Zoë/../../secret" in out and "no folder 'Zoë/../../secret'" in err


def test_of_many_pictures_one_line_says_that_they_hold_several_faces(gallery, capsys):
    Path("parties").mkdir()
    for number in range(4):
        images.save(f"parties/{number}.png", beside(1, 2))
    face("identify", gallery, "parties")
    notes = [line for line in said(capsys)[1].splitlines() if line.startswith("note: ")]
    assert notes == ["note: 4 pictures hold several faces; the largest was taken; --face chooses another"]


def test_notes_are_not_glued_onto_a_bar(monkeypatch):
    """What a terminal shows of the line: what follows the last return to its start."""
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    with tqdm(range(3), "encoding", file=stream, mininterval=0) as bar:
        bar.update()
        outcome.note("something to know")
    shown = [line.rpartition("\r")[2] for line in stream.getvalue().split("\n")]
    assert "note: something to know" in shown


@pytest.mark.parametrize("action", ["enroll", "identify", "detect"])
def test_many_pictures_have_a_bar_on_a_terminal(gallery, action, monkeypatch, capsys):
    names = []
    monkeypatch.setattr(
        "tqdm.tqdm", lambda pictures, name, **options: names.append((name, options["disable"])) or pictures
    )
    words = {"enroll": (gallery, "people"), "identify": (gallery, "people"), "detect": ("people",)}[action]
    monkeypatch.setattr(outcome, "say", lambda text, stream=None: None)
    assert face(action, *words) == 0
    assert len(names) == 1 and names[0][1] is None  # None: on a terminal alone
    if action != "detect":
        face(action, *words, "--json")
        assert len(names) == 1


def test_in_python_the_same(gallery):
    found = faces.Gallery.load(gallery, models.tiny_facenet("encoder.h5"))
    images.save("party.png", beside(2, 9, 1))
    assert [one.name for one in found.identify_all("party.png")] == ["Bo", None, "Ada"]
    with pytest.raises(InputError, match="does not exist"):
        found.identify("nowhere.png")

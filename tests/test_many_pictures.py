"""Of many pictures a bad one is named and the others go on; what a folder holds besides is counted."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from minicnn import files, images, models
from minicnn.cli import main
from minicnn.faces import snapshots
from minicnn.faces.detection import Detection

NOBODY = Detection(np.empty((0, 4)), np.empty(0), np.empty((0, 5, 2)))
SOMEBODY = Detection(np.array([[8.0, 8, 40, 48]]), np.array([0.99]), np.full((1, 5, 2), 20.0))


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    for person in ("Ada", "Bo"):
        Path("people", person).mkdir(parents=True)
        for number in range(3):
            picture = images.resize(random.random((6, 6, 3)), 64, 64)
            images.save(Path("people", person, f"{number}.png"), picture)
    Path("bad.png").write_bytes(Path("people/Ada/0.png").read_bytes()[:300])
    return tmp_path


def face(action, *words):
    return main(["face", action, *words, *(() if action == "detect" else ["--drawn"])])


def told(capsys):
    """(standard output, lines of errors, notes)"""
    out, err = capsys.readouterr()
    lines = err.splitlines()
    return out, [s for s in lines if not s.startswith("note: ")], [s for s in lines if s.startswith("note: ")]


def test_enroll_goes_on_without_a_bad_picture(capsys):
    assert face("enroll", "g.h5", "Ada", "people/Ada/0.png", "bad.png", "nowhere.png", "people/Ada/1.png") == 2
    out, errors, _ = told(capsys)
    assert "Ada: 2 added" in out
    assert len(errors) == 2 and "bad.png" in errors[0] and "nowhere.png" in errors[1]
    shutil.copy("bad.png", "people/Bo/3.png")
    assert face("enroll", "g.h5", "people", "--json") == 2
    out, errors, _ = told(capsys)
    found = json.loads(out)
    assert [row["total"] for row in found["enrolled"]] == [3, 3]
    assert [(row["name"], Path(row["picture"]).name, row["status"]) for row in found["failed"]] == [("Bo", "3.png", 2)]
    assert "cannot be decoded" in found["failed"][0]["error"] and len(errors) == 1
    assert face("enroll", "new.h5", "Ada", "bad.png") == 2
    assert not Path("new.h5").exists()


def test_identify_has_a_row_for_each(capsys):
    face("enroll", "g.h5", "people")
    capsys.readouterr()
    pictures = ("bad.png", "people/Ada/0.png", "nowhere.png", "people/Bo/1.png")
    assert face("identify", "g.h5", *pictures, "--json", "--picture", "i.png") == 2
    out, errors, _ = told(capsys)
    rows = json.loads(out)["identified"]
    assert [row["picture"] for row in rows] == list(pictures)
    assert [row.get("name") for row in rows] == [None, "Ada", None, "Bo"]
    assert ["error" in row for row in rows] == [True, False, True, False] and len(errors) == 2
    assert Path("i.png").exists()
    assert face("identify", "g.h5", "bad.png") == 2
    # A box for each picture stays with its picture.
    boxes = [word for box in ("1,1,60,60", "0,0,64,64") for word in ("--box", box)]
    assert face("identify", "g.h5", "bad.png", "people/Ada/0.png", *boxes, "--picture", "j.png") == 2
    assert "0.png: Ada" in capsys.readouterr().out


def test_detect_tells_of_each_and_the_most_serious_status_remains(capsys, monkeypatch):
    def detect(image, **_):
        if image[0, 0, 0] == 1:
            raise ZeroDivisionError("inside")
        return SOMEBODY if image.mean() > 0.5 else NOBODY

    monkeypatch.setattr(models, "mtcnn", lambda weights: None)
    monkeypatch.setattr(snapshots, "detect", detect)
    for name, grey in (("face.png", 0.8), ("empty.png", 0.2), ("wrong.png", 1.0)):
        images.save(name, np.full((64, 64, 3), grey))
    assert face("detect", "face.png") == 0
    assert face("detect", "face.png", "empty.png") == 1
    capsys.readouterr()
    assert face("detect", "bad.png", "empty.png", "face.png", "--json") == 2
    out, errors, _ = told(capsys)
    assert [len(row.get("faces", "?")) for row in json.loads(out)] == [1, 0, 1] and len(errors) == 1
    assert "error" in json.loads(out)[0]
    Path("out").mkdir()
    assert face("detect", "empty.png", "bad.png", "wrong.png", "face.png", "-o", "out") == 70
    out, errors, _ = told(capsys)
    assert "face.png: 1 face" in out and "an error of minicnn's own: ZeroDivisionError: inside" in errors[1]
    assert sorted(path.name for path in Path("out").iterdir()) == ["empty.faces.png", "face.faces.png"]


def test_no_face_is_no_verdict(capsys, monkeypatch):
    from minicnn import zoo

    monkeypatch.setattr(zoo, "here", lambda row: Path("there.h5"))
    monkeypatch.setattr(zoo, "path", lambda name: Path("there.h5"))
    monkeypatch.setattr(snapshots, "detect", lambda image, **_: NOBODY)
    for name in ("big.png", "other.png"):
        images.save(name, np.full((200, 200, 3), 0.5))
    weights = ("--weights", str(files.material("weights") / "tiny_facenet.h5"), "--drawn")
    assert face("verify", "big.png", "other.png", "--face", "largest", *weights, "--json") == 3
    out, errors, _ = told(capsys)
    assert json.loads(out)["same"] is None and len(errors) == 1 and "big.png: no face was found" in errors[0]
    assert face("enroll", "g.h5", "Ada", "big.png", "people/Ada/0.png", "--face", "largest", *weights) == 3
    assert face("enroll", "h.h5", "Ada", "bad.png", "big.png", "--face", "largest", *weights) == 2  # 2 before 3


def test_measures_leave_a_bad_picture_out_and_say_so(capsys):
    for name in ("Cy", "Di"):
        shutil.copytree("people/Ada", f"people/{name}")
        for number in range(3):
            picture = images.load(f"people/{name}/{number}.png")
            images.save(f"people/{name}/{number}.png", np.roll(picture, ord(name[0]) + number, axis=0))
    shutil.copy("bad.png", "people/Ada/x.png")
    for words in (("calibrate", "people", "--eer"), ("evaluate", "people")):
        assert face(*words) == 2
        out, errors, _ = told(capsys)
        assert "4 people, 12 pictures" in out and len(errors) == 1 and "x.png" in errors[0]


def test_see_leaves_a_bad_picture_out(capsys):
    words = ("see", "gradcam", "tiny_facenet")
    assert main([*words, "bad.png", "people/Ada/0.png", "-o", "c.png"]) == 2
    assert "bad.png" in told(capsys)[1][0] and Path("c.png").exists()
    assert main([*words, "bad.png", "nowhere.png", "-o", "d.png"]) == 2
    assert not Path("d.png").exists()
    shutil.copy("bad.png", "people/Ada/x.png")
    assert main(["see", "map", "tiny_facenet", "--images", "people", "-o", "e.png"]) == 2
    assert "x.png" in told(capsys)[1][-1] and Path("e.png").exists()


def test_what_a_folder_holds_besides_is_counted_in_one_line(capsys):
    for name in ("Ada/1.heic", "Ada/2.HEIC", "Bo/3.avif"):
        Path("people", name).write_bytes(b"?")
    Path("people/Bo/older").mkdir()
    for words in (["face", "enroll", "g.h5", "people", "--drawn"], ["face", "calibrate", "people", "--eer", "--drawn"]):
        main(words)
        notes = [line for line in told(capsys)[2] if "skipped unsupported files" in line]
        assert len(notes) == 1 and notes[0].endswith(": 2 .heic, 1 .avif, 1 folder")
    assert main(["see", "map", "tiny_facenet", "--images", "people", "-o", "c.png"]) == 0
    assert [line for line in told(capsys)[2] if line.endswith(": 2 .heic, 1 .avif")]
    shutil.rmtree("people/Ada")
    Path("people/Ada").mkdir()
    Path("people/Ada/1.heic").write_bytes(b"?")
    assert face("enroll", "h.h5", "people", "--drawn") == 2
    assert "holds no pictures" in (error := told(capsys)[1][0]) and error.endswith(
        "passed over: 1 .heic, 1 .avif, 1 folder"
    )

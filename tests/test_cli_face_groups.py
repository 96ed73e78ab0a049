"""minicnn face cluster, blur and why: what is copied, hidden and drawn, and what stays as it was."""

import errno
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image, ImageCms

from minicnn import hdf5, images, nn, zoo
from minicnn.cli import face_cluster, face_finder, face_inputs, face_verify, main
from minicnn.cli.face_blur import surely
from minicnn.datasets import image_folders, synthetic_faces
from minicnn.errors import InputError
from minicnn.faces import Detection, Identification, PairHead, contact_sheets, encoders, figures, hiding
from minicnn.faces.encoders import FaceEncoder
from minicnn.models.card import ModelCard
from minicnn.models.network import Network

SIDE = 8
COLOURS = {"red": (0.9, 0.1, 0.1), "green": (0.1, 0.9, 0.1), "blue": (0.1, 0.1, 0.9)}
POINTS = np.array([[30, 40], [50, 40], [40, 50], [32, 60], [48, 60]], float)
TWO = Detection(
    np.array([[20.0, 25, 60, 75], [100, 25, 140, 75]]), np.ones(2), np.stack([POINTS, POINTS + np.array([80, 0])])
)
NOBODY = Detection(np.empty((0, 4)), np.empty(0), np.empty((0, 5, 2)))


def network():
    """An encoder of a picture's mean colour."""
    colours = nn.Linear(SIDE * SIDE * 3, 3, name="embedding")
    colours.w.data = np.tile(np.eye(3, dtype=np.float32), (SIDE * SIDE, 1)) / SIDE**2
    colours.b.data = np.zeros(3, np.float32)
    card = ModelCard("colours", (SIDE, SIDE), "none", embedding=3, metric="squared_l2")
    return Network(card, [nn.Flatten(name="flatten"), colours])


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty folder, an encoder of colours, no detector, and an album: three people and a stranger, in two folders
    of which each has a picture called 1.png.
    """
    monkeypatch.chdir(tmp_path)
    encoder = FaceEncoder(network(), "colours", drawn=False, threshold=0.1, origin="a test has it")
    monkeypatch.setattr(encoders, "choose", lambda weights=None, gallery=None: encoder)
    monkeypatch.setattr(zoo, "here", lambda row: None)
    random = np.random.default_rng(0)
    for folder in ("album/one", "album/two", "album/.hidden"):
        (tmp_path / folder).mkdir(parents=True)
    for number, (name, colour) in enumerate([*COLOURS.items()] * 2):
        folder = "one" if number < 3 else "two"
        images.save(f"album/{folder}/{number % 3}.png", solid(colour, random))
        images.save(f"album/{folder}/{name}.png", solid(colour, random))
    images.save("album/one/more.png", solid(COLOURS["red"], random))
    images.save("album/one/grey.png", solid((0.5, 0.5, 0.5), random))
    images.save("album/.hidden/red.png", solid(COLOURS["red"], random))
    (tmp_path / "album/notes.txt").write_text("words")
    return tmp_path


def solid(colour, random):
    return np.clip(np.array(colour) + random.normal(0, 0.02, (SIDE + 2, SIDE, 3)), 0, 1)


def face(*words):
    return main(["face", *words])


def everything(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# cluster


def test_a_folder_is_sorted_and_left_as_it_was(here, capsys):
    before = everything(here / "album")
    assert face("cluster", "album", "-o", "groups", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert everything(here / "album") == before
    assert [*told["groups"]] == ["person_01", "person_02", "person_03", "_single"]
    assert told == json.loads((here / "groups/groups.json").read_text(encoding="utf-8"))
    assert [len(members) for members in told["groups"].values()] == [5, 4, 4, 1]
    made = everything(here / "groups")
    for name, members in told["groups"].items():
        copies = [content for path, content in made.items() if path.startswith(f"{name}/")]
        assert sorted(copies) == sorted((here / row["picture"]).read_bytes() for row in members)
        assert images.load(here / "groups" / f"{name}.png").shape[2] == 3
        assert [row["distance"] for row in members] == sorted(row["distance"] for row in members)
    assert "groups/people.png" not in made and images.load(here / "groups/people.png").shape[1] >= 3 * 128
    assert {path.rpartition("/")[2] for path in made if path.startswith("person_01/")} >= {"0.png", "0_2.png"}
    assert not list(here.glob(".minicnn-*"))


def test_a_sheet_shows_the_most_typical_faces_of_a_group(here, capsys, monkeypatch):
    drawn = []
    draw = contact_sheets.contact_sheet
    monkeypatch.setattr(contact_sheets, "contact_sheet", lambda *given: drawn.append(given) or draw(*given))
    monkeypatch.setattr(face_cluster, "MOST", 4)
    assert face("cluster", "album", "-o", "groups", "--json") == 0
    groups = json.loads(capsys.readouterr().out)["groups"]
    captions = [[Path(row["picture"]).stem for row in rows[:4]] for rows in groups.values()]
    assert [(list(words), title) for _, words, title in drawn] == [
        (captions[0], "person_01: 5 pictures"),
        (captions[1], "person_02: 4 pictures"),
        (captions[2], "person_03: 4 pictures"),
        (captions[3], "_single: 1 picture"),
        (["person_01: 5", "person_02: 4", "person_03: 4"], "3 people"),
    ]
    assert [len(shown) for shown, *_ in drawn] == [4, 4, 4, 1, 3]
    assert {one.shape for shown, *_ in drawn for one in shown} == {(128, 128, 3)}
    first = [shown[0] for shown, *_ in drawn[:3]]
    assert all(map(np.array_equal, drawn[-1][0], first))  # a group is shown by its most typical face


def test_an_empty_folder_is_filled_and_without_people_there_is_no_sheet_of_them(here, capsys):
    (here / "groups").mkdir()
    assert face("cluster", "album/one", "-o", "groups", "--least", "9") == 0
    assert "_single: 8 pictures" in capsys.readouterr().out
    assert sorted(path.name for path in (here / "groups").iterdir()) == ["_single", "_single.png", "groups.json"]


def test_a_folder_with_a_suffix_is_made_when_it_is_complete(here, capsys):
    assert face("cluster", "album", "-o", "groups.of.people") == 0
    assert face("cluster", "album", "-o", "groups") == 0
    assert everything(here / "groups.of.people") == everything(here / "groups")


def test_a_gallery_is_made_of_it(here, capsys):
    assert face("cluster", "album", "-o", "groups") == 0
    assert capsys.readouterr().out.splitlines() == [
        "person_01: 5 pictures",
        "person_02: 4 pictures",
        "person_03: 4 pictures",
        "_single: 1 picture",
        "album: 14 faces, 3 people",
        "copied to groups; check its contact sheets",
    ]
    assert image_folders.read("groups").people == ("person_01", "person_02", "person_03")
    assert face("enroll", "g.h5", "groups") == 0
    assert "3 people, 13 pictures" in capsys.readouterr().out


def test_what_happened_to_all_pictures_is_told_at_the_end(here, monkeypatch):
    told = []
    monkeypatch.setattr(face_finder.Looker, "conclude", lambda looker: told.append(looker.count))
    for words in (("cluster", "album/one"), ("enroll", "g.h5", "album"), ("identify", "g.h5", "album/one/0.png")):
        assert face(*words) in (0, 1)
    assert told == [8, 14, 1]


def test_without_a_folder_nothing_is_written_and_least_says_who_is_a_person(here, capsys):
    before = everything(here)
    assert face("cluster", "album", "--least", "5") == 0
    assert capsys.readouterr().out.splitlines() == [
        "person_01: 5 pictures",
        "_single: 9 pictures",
        "album: 14 faces, 1 person",
        "nothing is copied without --out",
    ]
    assert everything(here) == before


def test_broken_pictures_are_told_and_left_out(here, capsys):
    (here / "album/one/broken.jpg").write_bytes(b"no picture")
    assert face("cluster", "album", "-o", "groups") == 2
    out, err = capsys.readouterr()
    assert "broken.jpg" in err and "14 faces, 3 people" in out
    assert not any("broken" in name for name in everything(here / "groups"))  # nor said to show no face


def test_everybody_in_a_picture_is_sorted(here, capsys, monkeypatch):
    """Of a picture with two faces crops are written, and one with a single face is copied."""
    from minicnn.faces import snapshots
    from minicnn.faces.quality import Quality

    def detect(image, **_):
        count = {200: 2, 100: 1}.get(image.shape[1], 0) if image.shape[0] == 120 else 0
        return Detection(*(part[:count] for part in TWO))

    monkeypatch.setattr(snapshots, "detect", detect)
    monkeypatch.setattr(zoo, "here", lambda row: here)
    monkeypatch.setattr(zoo, "path", lambda name: here)
    monkeypatch.setattr(Quality, "problem", property(lambda self: "too small to tell" if self.eyes < 5 else ""))
    (here / "party").mkdir()
    for number, (left, right) in enumerate([("red", "green"), ("green", "blue")]):
        picture = np.full((120, 200, 3), 0.5)
        picture[20:90, 10:70], picture[20:90, 90:150] = COLOURS[left], COLOURS[right]
        images.save(f"party/{number}.png", picture)
    images.save("party/red.png", picture_of_red := np.tile(COLOURS["red"], (120, 100, 1)))
    images.save("party/nobody.png", picture_of_red[:100])
    assert face("cluster", "party", "--face", "all", "-o", "groups") == 0
    assert "party: 5 faces, 2 people" in capsys.readouterr().out
    made = everything(here / "groups")
    assert {path for path in made if path.startswith(("person", "_")) and "/" in path} == {
        "person_01/0_1.png", "person_01/red.png", "person_02/0_2.png", "person_02/1_1.png", "_single/1_2.png",
        "_no_face/nobody.png",
    }  # fmt: skip
    assert made["person_01/red.png"] == (here / "party/red.png").read_bytes()
    crop = images.load("groups/person_02/1_1.png")
    assert crop.shape == (100, 90, 3)  # twice the face, cut off at the picture's edge
    np.testing.assert_allclose(crop[20:70, 20:60].mean(axis=(0, 1)), COLOURS["green"], atol=0.1)
    assert {row["among"] for row in json.loads(made["groups.json"])["groups"]["person_02"]} == {2}
    shown = images.load("groups/person_02.png")
    assert (np.abs(shown - COLOURS["green"]).max(axis=2) < 0.1).sum() > 2 * 100**2
    for name in ("0", "1", "red"):
        (here / f"party/{name}.png").unlink()
    assert face("cluster", "party", "--face", "all") == 3
    assert "party: 0 faces, 0 people" in capsys.readouterr().out


@pytest.mark.parametrize(("people", "first"), [(9, "person_01"), (99, "person_01"), (100, "person_001")])
def test_numbers_of_people_are_as_long_as_the_last(people, first):
    seen = [{"picture": str(number)} for number in range(people + 1)]
    labels = np.array([-1, *range(people)])
    found = face_cluster._groups(seen, np.zeros((people + 1, 3)), labels)
    assert next(iter(found)) == first and [*found][-2:] == [f"person_{people:02}", "_single"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["album", "-o", "full"], "'full' is there already"),
        (["album", "-o", "album/groups"], "in the folder to read"),
        (["album", "-o", "album"], "is there already"),
        (["nowhere"], "'nowhere' is not a folder"),
        (["album", "-o", "no/where"], "in a folder that does not exist"),
        (["album", "--threshold", "nan"], "expected a finite number"),
    ],
)
def test_what_cannot_be_sorted_gets_one_line(here, capsys, words, told):
    (here / "full").mkdir()
    (here / "full" / "work.txt").write_text("mine")
    before = everything(here)
    assert face("cluster", *words) == 2
    assert told in capsys.readouterr().err and everything(here) == before


def test_without_a_threshold_nobody_is_sorted(here, capsys, monkeypatch):
    encoder = FaceEncoder(network(), "mine.h5", drawn=False, threshold=None, origin="")
    monkeypatch.setattr(encoders, "choose", lambda weights=None, gallery=None: encoder)
    assert face("cluster", "album") == 2
    assert "cluster: no threshold is known for mine.h5; expected --threshold T" in capsys.readouterr().err
    assert face("cluster", "album", "--threshold", "0.1") == 0


def test_a_disk_that_is_full_leaves_no_half_of_the_groups(here, capsys, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    before = everything(here)
    monkeypatch.setattr(images, "save", full)
    assert face("cluster", "album", "-o", "groups") == 2
    assert "cluster: --out 'groups' cannot be made (No space left on device)" in capsys.readouterr().err
    assert everything(here) == before


# blur


@pytest.fixture
def two_faces(here, monkeypatch):
    """A photograph of a red and a green person, with a place, a thumbnail and a profile in its metadata."""
    monkeypatch.setattr(
        hiding,
        "detect",
        lambda image, thresholds, **_: TWO if (image.shape[1], thresholds[0]) == (200, 0.5) else NOBODY,
    )
    picture = np.full((120, 200, 3), 0.5)
    picture[20:90, 10:70], picture[20:90, 90:150] = COLOURS["red"], COLOURS["green"]
    exif = Image.Exif()
    exif[0x010E] = "Ada, at home"
    exif.get_ifd(0x8825)[1] = "N"
    whole = Image.fromarray((picture * 255).astype(np.uint8))
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    whole.save("two.jpg", exif=exif, quality=95, comment=b"Ada", xmp=b"<x>Ada</x>", icc_profile=profile)
    Image.new("RGB", (50, 50)).save("nobody.png")
    return here


def test_faces_are_hidden_and_the_metadata_is_gone(two_faces, capsys):
    before = (two_faces / "two.jpg").read_bytes()
    assert b"Ada" in before
    assert face("blur", "two.jpg", "-o", "out.jpg") == 0
    assert "two.jpg: 2 faces hidden: out.jpg" in capsys.readouterr().out
    after = (two_faces / "out.jpg").read_bytes()
    assert (two_faces / "two.jpg").read_bytes() == before and b"Ada" not in after
    with Image.open("out.jpg") as written:
        assert not written.getexif() and not {"exif", "icc_profile", "xmp", "comment"} & {*written.info}
    shown, hidden = images.load("two.jpg"), images.load("out.jpg")
    changed = np.abs(shown - hidden).max(axis=2) > 0.05
    assert changed[30:70, 25:55].mean() > 0.8 and not changed[:, 160:].any()


def test_who_is_enrolled_is_kept(two_faces, capsys, monkeypatch):
    from minicnn.faces.quality import Quality

    assert face("enroll", "g.h5", "Ada", "album/one/red.png", "album/two/red.png") == 0
    monkeypatch.setattr(Quality, "problem", "")
    capsys.readouterr()
    (two_faces / "out").mkdir()
    assert face("blur", "two.jpg", "nobody.png", "--keep", "g.h5", "-o", "out", "--json") == 1
    two, nobody = json.loads(capsys.readouterr().out)
    assert (two["hidden"], two["kept"], nobody["hidden"], nobody["kept"]) == (1, ["Ada"], 0, [])
    changed = np.abs(images.load("two.jpg") - images.load("out/two.jpg")).max(axis=2) > 0.1
    assert not changed[25:75, 20:60].any() and changed[30:70, 105:135].mean() > 0.5


def test_inputs_are_never_written_over(two_faces, capsys):
    before = everything(two_faces)
    assert face("blur", "two.jpg", "-o", "two.jpg") == 2
    assert "expected another file" in capsys.readouterr().err
    assert face("blur", "two.jpg", "nobody.png", "-o", ".") == 2
    assert face("blur", "two.jpg", "nobody.png", "-o", "one.jpg") == 2
    assert "for 2 pictures; expected a folder" in capsys.readouterr().err
    assert everything(two_faces) == before


# why


def test_why_draws_two_faces_and_a_stranger(here, monkeypatch, capsys):
    words = ["album/one/red.png", "album/two/red.png"]
    plotted, plot = [], figures.why
    monkeypatch.setattr(
        figures, "why", lambda faces, *given: plotted.append((len(faces), *given)) or plot(faces, *given)
    )
    assert face("why", *words, "-o", "why.png", "--stranger", "album/one/blue.png", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    near, far = told.pop("distance"), told.pop("stranger_distance")
    assert near < 0.01 < 1 < far
    assert told == {
        "pictures": words,
        "encoder": "colours",
        "stranger": "album/one/blue.png",
        "picture": "why.png",
    }
    ((count, names, _, title),) = plotted
    assert (count, names) == (3, ["red.png", "red.png", "blue.png"])
    assert title == f"distance {near:.3f}, of a stranger {far:.3f}"
    picture = images.load("why.png")
    assert picture.shape[0] > 800 and (picture.reshape(-1, 3).std(axis=0) > 0.05).all()
    drawn = []
    picture_of = synthetic_faces.Population.picture
    monkeypatch.setattr(
        synthetic_faces.Population, "picture", lambda own, *of: drawn.append((own.size, *of)) or picture_of(own, *of)
    )
    assert face("why", *words, "-o", "why.webp") == 0
    assert drawn == [(256, 7, 0)]
    assert plotted[1][1] == ["red.png", "red.png", "a drawn face"]
    out = capsys.readouterr().out
    assert out.startswith(f"distance {near:.4f}, of a stranger ") and out.endswith("; drawn: why.webp\n")
    assert (here / "why.webp").is_file()
    assert face("why", *words, "-o", words[0]) == 2


def test_why_compares_one_face_of_each_picture(here, capsys, monkeypatch):
    monkeypatch.setattr(zoo, "path", lambda name: here)
    assert face("why", "album/one/red.png", "album/two/red.png", "-o", "why.png", "--face", "all") == 2
    assert "why: --face is 'all'; expected one face of each picture" in capsys.readouterr().err
    assert not (here / "why.png").exists()


@pytest.mark.parametrize(("name", "distance", "stays"), [("Ada", 0.2, True), ("Ada", 0.31, False), (None, 0.5, False)])
def test_a_face_stays_where_it_is_surely_of_somebody_enrolled(name, distance, stays):
    found = Identification(name, distance, 0.4, "Ada", None, None, "")
    assert surely(found) == ("Ada" if stays else None)


# Encoders, heads, and figures of many pictures


@pytest.mark.parametrize(
    ("weights", "drawn", "gallery", "asked"),
    [
        (None, False, None, None),
        (None, True, None, encoders.DRAWN),
        (None, True, {}, None),  # the gallery says which
        (None, False, {}, None),
        ("mine.h5", True, None, "mine.h5"),
        ("mine.h5", False, {}, "mine.h5"),
    ],
)
def test_which_encoder_is_asked_for(monkeypatch, weights, drawn, gallery, asked):
    found = SimpleNamespace(drawn=False)
    monkeypatch.setattr(encoders, "choose", lambda *given, **more: seen.append((given, more)) or found)
    seen = []
    assert face_inputs.encoder_for(SimpleNamespace(weights=weights, drawn=drawn), gallery) is found
    assert seen == [((asked,), {"gallery": gallery})]


@pytest.mark.parametrize(
    "words", ["verify a.png b.png", "enroll new.h5 Ada album/one/red.png", "calibrate album", "evaluate album"]
)
def test_a_head_is_of_the_dimensions_of_the_encoder(here, monkeypatch, words):
    def head_of(path, dimensions):
        asked.append((path, dimensions))
        raise InputError("it has been asked for")

    asked = []
    monkeypatch.setattr(face_inputs, "head_of", head_of)
    for head in ([], ["--head", "a.head.h5"]):
        assert face(*words.split(), *head) == 2
    assert asked == [(None, 3), ("a.head.h5", 3)]


def test_two_pictures_are_compared_by_a_head(here, capsys):
    hdf5.save(PairHead("l2", 3), "a.head.h5", attributes={"kind": "l2"})
    face("verify", "album/one/red.png", "album/two/red.png", "--head", "a.head.h5", "--json")
    found = json.loads(capsys.readouterr().out)
    assert (found["threshold"], found["origin"]) == (0.5, "of 1 − probability") and 0 < found["distance"] < 1


def test_a_figure_shows_so_many_pictures_and_says_so(here, capsys, monkeypatch):
    assert face("enroll", "g.h5", "red", "album/one/red.png") == 0
    pictures = [f"album/{folder}/{name}.png" for folder in ("one", "two") for name in ("red", "blue")]
    drawn = []
    monkeypatch.setattr(face_verify, "_draw", lambda arguments, encoder, shown, people: drawn.append(len(shown)))
    monkeypatch.setattr(face_verify, "MOST_DRAWN", 3)
    for count in (2, 3, 4):
        capsys.readouterr()
        assert face("identify", "g.h5", *pictures[:count], "--picture", "i.png") == 1
        said = "note: i.png shows the first 3 pictures" in capsys.readouterr().err
        assert drawn.pop() == min(count, 3) and said == (count == 4)
    face("identify", "g.h5", *pictures)
    assert drawn == []


def test_in_an_empty_gallery_there_is_nobody(here, capsys):
    assert face("enroll", "g.h5", "red", "album/one/red.png") == 0 == face("remove", "g.h5", "red")
    capsys.readouterr()
    assert face("remove", "g.h5", "red") == 2 == face("list", "g.h5", "--picture", "list.png")
    assert capsys.readouterr().err.splitlines() == [
        f"minicnn: gallery: 'red' is not in {str(here / 'g.h5')!r}; it has nobody",
        "minicnn: list: nobody is in the gallery; expected people, to draw them",
    ]
    assert face("list", "g.h5") == 0
    assert capsys.readouterr().out.startswith("g.h5: 0 people, 0 pictures\n")

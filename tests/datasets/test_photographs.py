"""Folders of photographs, and LFW's pairs.txt."""

import numpy as np
import pytest
from PIL import Image

from minicnn.datasets import image_folders, lfw
from minicnn.datasets.pairs import draw_pairs
from minicnn.errors import InputError, MissingFileError


def write_picture(path, shade=100):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (12, 9), (shade, 0, 0)).save(path)


@pytest.fixture
def folder(tmp_path):
    for name, count in (("Zoë", 2), ("adam", 1), ("Bo Li", 3)):
        for number in range(count):
            write_picture(tmp_path / name / f"{count - number}.png", shade=40 * number)
    write_picture(tmp_path / "Zoë" / "third.JPG")
    (tmp_path / "Zoë" / "notes.txt").write_text("not a picture", encoding="utf-8")
    (tmp_path / "Zoë" / ".hidden.png").write_text("", encoding="utf-8")
    (tmp_path / ".cache").mkdir()
    (tmp_path / "readme.md").write_text("", encoding="utf-8")
    return tmp_path


# Folders


def test_people_and_pictures_are_sorted_and_counted(folder):
    for other in ("_raw", "adam/album.png"):  # no person, and no picture
        (folder / other).mkdir()
    data = image_folders.read(folder)
    assert data.people == ("Bo Li", "Zoë", "adam")
    assert [path.name for path in data.paths] == ["1.png", "2.png", "3.png", "1.png", "2.png", "third.JPG", "1.png"]
    assert data.labels.tolist() == [0, 0, 0, 1, 1, 1, 2]
    assert len(data) == 7
    assert data.passed_over == "1 .txt, 1 folder"
    assert image_folders.counted([folder / "adam", folder / "a.TXT", folder / "b.txt", folder / "readme"]) == (
        "2 .txt, 1 folder, 1 without a suffix"
    )
    assert [path.name for path in data.of("Zoë")] == ["1.png", "2.png", "third.JPG"]
    with pytest.raises(InputError, match=r"^person: got 'Eve'; expected one of the 3 in "):
        data.of("Eve")


def test_pictures_are_read_when_they_are_asked_for(folder):
    (folder / "adam" / "1.png").write_bytes(b"broken")
    data = image_folders.read(folder)  # nothing is opened yet
    picture = data.load(0)
    assert picture.shape == (9, 12, 3) and picture.dtype == np.float32
    assert data.load(0, size=(4, 4)).shape == (4, 4, 3)
    with pytest.raises(InputError, match=r"1\.png' is not recognised as a picture") as refusal:
        data.load(6)
    assert "\n" not in str(refusal.value)


def test_bad_folders_are_refused_in_one_line(folder, tmp_path):
    with pytest.raises(MissingFileError, match=r"^data: no folder .*; expected a folder with a folder of pictures"):
        image_folders.read(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"^data: .*readme\.md' is a file; expected a folder with"):
        image_folders.read(folder / "readme.md")
    with pytest.raises(InputError, match=r"^data: .* holds no folders; expected"):
        image_folders.read(folder / "adam")
    (folder / "nobody").mkdir()
    with pytest.raises(
        InputError, match=r"^data: 'nobody' in .* holds no pictures; expected .*; passed over: 1 \.txt$"
    ):
        image_folders.read(folder)
    (folder / "Zoë" / "notes.txt").unlink()
    with pytest.raises(InputError, match=r"^data: 'nobody' in .* a folder of pictures for every person$"):
        image_folders.read(folder)
    (folder / "none").mkdir()
    with pytest.raises(InputError, match=r"^data: 'nobody' and 1 more in .* holds no pictures"):
        image_folders.read(folder)


def test_a_name_that_is_spelled_in_two_ways_is_one_person(tmp_path):
    for name in ("Zo\u00eb", "Zoe\u0308"):
        write_picture(tmp_path / name / "1.png")
    if len([*tmp_path.iterdir()]) < 2:
        pytest.skip("this file system has one spelling of a name")
    with pytest.raises(InputError, match=r"^data: two folders in '.*' have the name 'Zo\u00eb'; put all pictures into"):
        image_folders.read(tmp_path)


def test_a_folder_that_cannot_be_listed_is_named(folder, monkeypatch):
    listed = type(folder).iterdir

    def closed(path):
        if path.name == "adam":
            raise PermissionError(13, "Permission denied")
        return listed(path)

    monkeypatch.setattr(type(folder), "iterdir", closed)
    with pytest.raises(
        InputError, match=r"^data: '.*adam' cannot be read \(Permission denied\); expected a folder with"
    ):
        image_folders.read(folder)


# pairs.txt

LINES = """\
2\t2
Ann\t1\t2
Bea\t1\t3
Ann\t1\tBea\t2
Cid\t1\tBea\t1
Cid\t2\t4
Dan\t1\t2
Cid\t2\tDan\t1
Dan\t2\tAnn\t1
"""


@pytest.fixture
def pairs(tmp_path):
    path = tmp_path / "pairs.txt"
    path.write_text(LINES, encoding="utf-8")
    return path


@pytest.fixture
def faces(tmp_path):
    for name, numbers in (("Ann", (1, 2)), ("Bea", (1, 2, 3)), ("Cid", (1, 2, 4)), ("Dan", (1, 2))):
        for number in numbers:
            write_picture(tmp_path / "lfw" / name / f"{name}_{number:04d}.jpg", shade=number)
    return tmp_path / "lfw"


def test_pairs_are_read_with_their_folds(pairs):
    found = lfw.read_pairs(pairs)
    assert [pair.fold for pair in found] == [0, 0, 0, 0, 1, 1, 1, 1]
    assert [pair.same for pair in found] == [True, True, False, False] * 2
    assert found[1] == (("Bea", 1), ("Bea", 3), 0)
    assert found[7] == (("Dan", 2), ("Ann", 1), 1)


def test_one_number_at_the_head_is_one_fold(tmp_path):
    path = tmp_path / "pairsDevTest.txt"
    path.write_text("1\n\nAnn 1 2\n \nAnn 1 Bea 2\n\n", encoding="utf-8")  # whatever lines are blank
    assert [(pair.same, pair.fold) for pair in lfw.read_pairs(path)] == [(True, 0), (False, 0)]


def test_every_picture_is_named_once(faces, pairs):
    write_picture(faces / "Ann" / "Ann_0001.png")  # there is a .jpg, too
    (faces / "Dan" / "Dan_0002.jpg").rename(faces / "Dan" / "Dan_0002.png")
    data = lfw.evaluation(faces, pairs)
    assert len(data.paths) == len(set(data.paths)) == 10
    assert data.missing == ()
    for named, first, second in zip(lfw.read_pairs(pairs), data.pairs.first, data.pairs.second, strict=True):
        for picture, number in ((named.first, first), (named.second, second)):
            suffix = ".png" if picture == ("Dan", 2) else ".jpg"
            assert data.paths[number].name == f"{picture.name}_{picture.number:04d}{suffix}"
    assert data.pairs.same.dtype == bool and data.pairs.first.dtype == np.int64


def test_pairs_that_are_skipped_move_no_fold(faces, pairs):
    (faces / "Bea" / "Bea_0003.jpg").unlink()
    (faces / "Ann" / "Ann_0002.jpg").unlink()
    with pytest.raises(InputError, match=r"^data: 2 of 10 pictures are not in .* \(first 'Ann_0002\.jpg'\)$"):
        lfw.evaluation(faces, pairs)
    data = lfw.evaluation(faces, pairs, skip_missing=True)
    assert data.missing == (("Ann", 2), ("Bea", 3))
    assert data.pairs.fold.tolist() == [0, 0, 1, 1, 1, 1]
    assert data.pairs.same.tolist() == [False, False, True, True, False, False]
    assert max(data.pairs.first.max(), data.pairs.second.max()) == len(data.paths) - 1


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda text: "", r"begins with ''; expected folds and pairs, as in '10 300'$"),
        (lambda text: text.replace("2\t2\n", "two\t2\n", 1), r"begins with 'two 2'; expected folds"),
        (lambda text: text.replace("2\t2\n", "2\t0\n", 1), r"begins with '2 0'; expected folds"),
        (lambda text: text.replace("2\t2\n", "3\t2\n", 1), r"has 8 pairs; expected 3 folds of 2 × 2 as it says$"),
        (lambda text: text.replace("Bea\t1\t3", "Bea\t1"), r"pair 2 is 'Bea 1'; expected 'name i j'$"),
        (lambda text: text.replace("Bea\t1\t3", "Bea\t1\tx"), r"pair 2 is 'Bea 1 x'; expected 'name i j'$"),
        (lambda text: text.replace("Ann\t1\tBea\t2", "Ann\t1\t2"), r"pair 3 is 'Ann 1 2'; expected 'name i other j'$"),
        (
            lambda text: text.replace("Ann\t1\tBea\t2", "Ann\t1\tAnn\t2"),
            r"pair 3 is of one person \(Ann\); expected two$",
        ),
    ],
)
def test_a_bad_file_of_pairs_is_refused_in_one_line(pairs, change, line):
    pairs.write_text(change(LINES), encoding="utf-8")
    with pytest.raises(InputError, match=line) as refusal:
        lfw.read_pairs(pairs)
    assert "\n" not in str(refusal.value)


def test_missing_files_and_folders_are_named(pairs, tmp_path):
    with pytest.raises(MissingFileError, match=r"^pairs: no file .*; expected LFW's pairs\.txt$"):
        lfw.read_pairs(tmp_path / "nothing.txt")
    with pytest.raises(MissingFileError, match=r"^data: no folder .*; expected LFW's"):
        lfw.evaluation(tmp_path / "nowhere", pairs)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"holds both pictures of no pair"):
        lfw.evaluation(tmp_path / "empty", pairs, skip_missing=True)


def test_the_public_photographs_can_be_read(shared_data):
    data = image_folders.read(shared_data / "lfw100")
    assert len(data.people) == 10 and len(data) == 100
    assert np.bincount(data.labels).tolist() == [10] * 10
    assert data.load(37).shape == (250, 250, 3)


def test_pairs_of_the_public_photographs(shared_data, tmp_path):
    path = tmp_path / "pairs.txt"
    path.write_text("1\t1\nTony_Blair\t1\t10\nTony_Blair\t2\tHugo_Chavez\t3\n", encoding="utf-8")
    data = lfw.evaluation(shared_data / "lfw100", path)
    assert [picture.name for picture in data.paths] == [
        "Tony_Blair_0001.jpg",
        "Tony_Blair_0010.jpg",
        "Tony_Blair_0002.jpg",
        "Hugo_Chavez_0003.jpg",
    ]


# Pairs that are drawn


def test_drawn_pairs_are_balanced_and_share_nobody_between_folds():
    labels = np.repeat(np.arange(30), 6)[np.random.default_rng(0).permutation(180)]
    pairs = draw_pairs(labels, folds=5, pairs=40, seed=3)
    assert len(pairs.first) == 200
    np.testing.assert_array_equal(labels[pairs.first] == labels[pairs.second], pairs.same)
    everybody = []
    for fold in range(5):
        here = pairs.fold == fold
        assert here.sum() == 40 and pairs.same[here].sum() == 20
        people = set(labels[pairs.first[here]]) | set(labels[pairs.second[here]])
        assert not people & set(everybody)
        everybody += people
        assert len(people) > 3
    couples = {tuple(sorted(pair)) for pair in zip(pairs.first.tolist(), pairs.second.tolist(), strict=True)}
    assert len(couples) == 200 and (pairs.first != pairs.second).all()


def test_drawn_pairs_depend_on_the_seed_alone():
    labels = np.repeat(np.arange(10), 5)
    one, same, other = (draw_pairs(labels, folds=2, pairs=20, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.first, same.first)
    assert (one.first != other.first).any()

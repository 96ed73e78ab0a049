"""What a seed draws stays what it is, for lessons tell numbers that come of it; and what batches and pairs hold."""

import dataclasses

import numpy as np
import pytest

from minicnn import InputError
from minicnn.datasets import alignment, doodles, heartbeats, image_folders, lfw, replays, volumes
from minicnn.datasets.minibatches import batches
from minicnn.datasets.pairs import draw_pairs
from minicnn.datasets.replays import Replay

PICTURE = np.random.default_rng(0).uniform(0.2, 0.7, (20, 24, 3)).astype(np.float32)


def told(array):
    """Three numbers that hardly any change of an array leaves as they are."""
    flat = np.asarray(array, np.float64).ravel()
    return float(flat @ np.cos(np.arange(flat.size))) / flat.size**0.5, float(flat.mean()), float(flat.std())


@pytest.mark.parametrize(
    ("draw", "numbers"),
    [
        (lambda: doodles.album(3, 2, seed=0)[0], (0.11266, 0.02531, 0.28009)),
        (lambda: doodles.invent(3, seed=0), (0.02146, 0.23899, 0.29387)),
        (lambda: heartbeats.recording("normal", seed=1), (0.13055, 0.11265, 0.2514)),
        (lambda: heartbeats.recording("premature beat", seed=1), (0.0902, 0.15555, 0.24693)),
        (lambda: heartbeats.recording("no P wave", seed=1), (0.13123, 0.07502, 0.25189)),
        (lambda: heartbeats.recording("wide QRS", seed=1), (-0.025, 0.17233, 0.27834)),
        (lambda: heartbeats.recording("irregular rhythm", seed=1), (-0.1177, 0.15757, 0.22811)),
        (lambda: heartbeats.recordings(5, seconds=2, seed=3)[0], (-0.0995, 0.12494, 0.25212)),
        (lambda: volumes.lungs(4, seed=1)[0], (-0.04995, -0.84904, 0.39554)),
        (lambda: volumes.films(4, seed=1)[0], (0.06561, 0.05263, 0.22561)),
        (lambda: replays.rephotograph(PICTURE, seed=0), (0.0172, 0.49669, 0.07975)),
        (lambda: replays.rephotograph(PICTURE, seed=1), (0.00623, 0.50003, 0.13318)),
        (lambda: replays.rephotograph(PICTURE, seed=2), (-0.00641, 0.46014, 0.12958)),
        (lambda: replays.rephotograph(PICTURE, seed=4), (-0.01552, 0.51187, 0.14722)),
    ],
)
def test_what_a_seed_draws(draw, numbers):
    assert told(draw()) == pytest.approx(numbers, abs=2e-5)


def test_defaults_of_what_is_drawn():
    assert heartbeats.recording("normal", seed=0).shape == (400, 1)
    assert heartbeats.recordings(1, seed=0)[0].shape == (1, 400, 1)
    assert heartbeats.recording("normal", seconds=2, seed=0).shape == (200, 1)
    usual = Replay()
    assert (usual.medium, usual.pitch, usual.strength, usual.angle) == ("screen", 1.3, 0.5, 3.0)
    assert (usual.tilt, usual.glare, usual.tint, usual.scene) == ((0.0, 0.0), 0.0, 0.0, 0)
    for seconds in (1.9, 3601, "4"):
        with pytest.raises(InputError, match=rf"^recording: seconds is {seconds!r}; expected 2 to 3600$"):
            heartbeats.recording("normal", seconds=seconds)


@pytest.mark.parametrize(
    ("name", "allowed", "refused"),
    [
        ("pitch", (0.2, 50), (0.19, 50.1)),
        ("strength", (0, 1), (-0.01, 1.01)),
        ("angle", (-180, 180), (-180.5, 181)),
        ("tilt", ((0.5, -0.5),), ((0.51, 0), (0, -0.51))),
        ("glare", (0, 1), (-0.01, 1.01)),
        ("tint", (-1, 1), (-1.01, 1.01)),
    ],
)
def test_circumstances_have_their_limits(name, allowed, refused):
    for value in allowed:
        assert getattr(Replay(**{name: value}), name) == value
    for value in refused:
        with pytest.raises(InputError, match=f"^Replay: {name} is "):
            Replay(**{name: value})


def test_a_replay_of_counts_is_that_of_floats_rounded():
    counts = np.rint(255 * PICTURE).astype(np.uint8)
    how = replays.draw(2)
    floats = replays.rephotograph(counts.astype(np.float32) / np.float32(255), how)
    assert np.array_equal(replays.rephotograph(counts, how), np.rint(255 * floats).astype(np.uint8))
    assert replays.rephotograph(PICTURE.astype(np.float64), how).dtype == np.float64


def test_batches_hold_every_row_once():
    x, y = np.arange(10), np.arange(10) * 2
    assert [len(rows) for rows, _ in batches(x, y, batch_size=4)] == [4, 4, 2]
    assert [len(rows) for rows, _ in batches(x, y, batch_size=4, drop_last=True)] == [4, 4]
    assert [len(rows) for (rows,) in batches(x, batch_size=5, drop_last=True)] == [5, 5]
    assert list(batches(x[:3], batch_size=4, drop_last=True)) == []
    assert [rows.tolist() for (rows,) in batches(x[:5], batch_size=2, shuffle=False)] == [[0, 1], [2, 3], [4]]
    assert [len(rows) for (rows,) in batches(np.arange(33))] == [32, 1]
    ((rows,),) = batches(x)
    assert rows.tolist() == np.random.default_rng(0).permutation(10).tolist()
    for rows, others in batches(x, y, batch_size=3, seed=(1, 2)):
        assert (others == 2 * rows).all()
    with pytest.raises(InputError, match=r"^batches: the arrays have lengths \[3, 10\]; expected one or more, of one"):
        batches(x, y[:3])
    with pytest.raises(InputError, match=r"^batches: the arrays have lengths \[\]; expected one or more"):
        batches()
    with pytest.raises(InputError, match=r"^batches: batch_size is 0"):
        batches(x, batch_size=0)


def test_a_seed_decides_who_is_in_which_fold():
    labels = np.repeat(np.arange(8), 3)
    for seed in (0, 1):
        pairs = draw_pairs(labels, folds=2, pairs=24, seed=seed)
        halves = np.split(np.random.default_rng(seed).permutation(8), 2)
        for fold, people in enumerate(halves):
            assert {*labels[pairs.first[pairs.fold == fold]]} == {*people}


def test_drawn_pairs_begin_with_one_person_and_use_all_that_there_are():
    labels = np.repeat([7, 8], 2)  # one pair of each, and four of both
    pairs = draw_pairs(labels, folds=1, pairs=2)
    assert pairs.same.tolist() == [True, False] and pairs.fold.tolist() == [0, 0]
    pairs = draw_pairs(labels, folds=1, pairs=4)
    assert pairs.same.tolist() == [True, True, False, False]
    assert sorted(zip(pairs.first[:2].tolist(), pairs.second[:2].tolist(), strict=True)) == [(0, 1), (2, 3)]
    with pytest.raises(InputError) as said:
        draw_pairs(labels, folds=1, pairs=6)
    assert str(said.value) == (
        "draw_pairs: labels: a fold of 2 people and 4 pictures has 2 pairs of one person; "
        "expected at least 3 for 1 folds"
    )
    with pytest.raises(InputError, match=r"a fold of 1 people and 4 pictures has 0 pairs of two people; expected at"):
        draw_pairs([1, 1, 1, 1], folds=1, pairs=2)
    many = draw_pairs(np.repeat(np.arange(40), 20))
    assert len(many.first) == 6000 and np.bincount(many.fold).tolist() == [600] * 10
    again = draw_pairs(np.repeat(np.arange(40), 20), seed=0)
    assert np.array_equal(many.first, again.first)


@pytest.mark.parametrize(
    ("call", "line"),
    [
        (lambda: draw_pairs([[1, 2]]), r"^draw_pairs: labels have shape \(1, 2\); expected \(N,\), one per picture$"),
        (lambda: draw_pairs([1, 2], pairs=3), r"^draw_pairs: pairs is 3; expected an even number of at least 2$"),
        (lambda: draw_pairs([1, 2], pairs=0), r"^draw_pairs: pairs is 0; expected an even number of at least 2$"),
        (lambda: draw_pairs([1, 2], folds=0), r"^draw_pairs: folds is 0"),
    ],
)
def test_pairs_that_cannot_be_drawn(call, line):
    with pytest.raises(InputError, match=line):
        call()


def test_what_a_folder_holds_besides_pictures_is_counted(tmp_path):
    for name in ("ann/a.JPG", "ann/b.heic", "ann/c.heic", "ann/notes", "bob/x.tiff"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "ann" / "deeper").mkdir()
    data = image_folders.read(tmp_path)
    assert sorted(data.passed_over.split(", ")) == ["1 folder", "1 without a suffix", "2 .heic"]
    assert data.passed_over.startswith("2 .heic") and len(data) == 2 and data.labels.tolist() == [0, 1]
    (tmp_path / "bob" / "x.tiff").rename(tmp_path / "bob" / "x.mov")
    with pytest.raises(InputError, match=r"^data: 'bob' in .* holds no pictures; .*; passed over: 2 \.heic, ") as said:
        image_folders.read(tmp_path)
    assert "and 0 more" not in str(said.value) and "1 .mov" in str(said.value)


def test_two_folders_of_one_name_are_refused(tmp_path):
    for name in ("Zo\u00eb", "Zoe\u0308"):
        (tmp_path / name).mkdir(exist_ok=True)
    if len(list(tmp_path.iterdir())) == 1:
        pytest.skip("the system takes the two spellings for one")
    with pytest.raises(InputError, match=r"^data: two folders in .* have the name 'Zoë'; put all pictures into one$"):
        image_folders.read(tmp_path)


def test_a_picture_of_lfw_may_be_a_png(tmp_path):
    (tmp_path / "Ann").mkdir()
    for name in ("Ann_0001.png", "Ann_0002.jpg"):
        (tmp_path / "Ann" / name).touch()
    (tmp_path / "Bea").mkdir()
    (tmp_path / "Bea" / "Bea_0012.png").touch()
    (tmp_path / "pairs.txt").write_text("1\t1\n\nAnn 1 2\nAnn 1 Bea 12\n", encoding="utf-8")
    found = lfw.evaluation(tmp_path, tmp_path / "pairs.txt")
    assert [path.name for path in found.paths] == ["Ann_0001.png", "Ann_0002.jpg", "Bea_0012.png"]
    assert (found.pairs.first.tolist(), found.pairs.second.tolist()) == ([0, 0], [1, 2])
    (tmp_path / "pairs.txt").write_text("1 1 1\nAnn 1 2\nAnn 1 Bea 12\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"begins with '1 1 1'; expected folds and pairs"):
        lfw.read_pairs(tmp_path / "pairs.txt")


def test_places_between_pixels_and_beyond_the_edge():
    image = np.arange(12.0).reshape(2, 2, 3)
    corners = alignment.bilinear(image, np.array([-5.0, 0.5, 1.0, 1.5, 9.0]), np.array([0.5, 0.5, 0.5, 1.5, 9.0]))
    assert corners[:, 0].tolist() == [0, 0, 1.5, 9, 9]
    assert alignment.bilinear(image, np.array([1.0]), np.array([1.25]))[0, 0] == 1.5 + 0.75 * 6


def test_boxes_and_margins_at_their_borders():
    image = np.arange(48.0).reshape(4, 4, 3)
    assert np.array_equal(alignment.crop_by_box(image, (1, 1, 3, 3), 2), image[1:3, 1:3])
    assert np.array_equal(alignment.crop_by_box(image, (1, 1, 3, 2), 2, margin=1.0).shape, (2, 2, 3))
    assert np.array_equal(alignment.crop_by_box(image, (1, 1, 3, 3), 4, margin=1.0), image)
    for box in ((-2, 0, 0, 2), (0, -2, 2, 0), (4, 0, 6, 2), (0, 4, 2, 6)):
        with pytest.raises(InputError, match=r"outside the picture of 4 × 4; expected left, top, right, bottom"):
            alignment.crop_by_box(image, box, 2)
    for box in ((1, 1, 1, 2), (1, 2, 2, 2)):
        with pytest.raises(InputError, match=r"; expected left < right and top < bottom$"):
            alignment.crop_by_box(image, box, 2)
    for margin in (-1, float("inf"), float("nan")):
        with pytest.raises(InputError, match=rf"margin is {margin}; expected a number above -1, such as 0\.25$"):
            alignment.crop_by_box(image, (1, 1, 3, 3), 2, margin=margin)
    for size in (0, 4097):
        with pytest.raises(InputError, match=f"^size is {size}"):
            alignment.crop_centre(image, size)
    tall = np.arange(72.0).reshape(6, 4, 3)
    assert np.array_equal(alignment.crop_centre(tall, 4), tall[1:5])


@pytest.mark.parametrize("kind", [Replay, image_folders.ImageFolder])
def test_what_a_data_set_says_of_itself_does_not_change(kind):
    with pytest.raises(dataclasses.FrozenInstanceError):
        object.__new__(kind).name = "another"

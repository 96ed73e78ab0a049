"""Who is seen when: tracks through frames, one verdict for each, and minicnn face follow."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from minicnn import films, images, nn
from minicnn.cli import main
from minicnn.errors import InputError
from minicnn.faces import Detection, Face, Gallery, contact_sheets, encoders, follow, following, quality, scoring
from minicnn.faces.candidates import Candidate
from minicnn.faces.encoders import FaceEncoder
from minicnn.faces.quality import Quality
from minicnn.models.card import ModelCard
from minicnn.models.network import Network

CARD = ModelCard("middle", (16, 16), "none", embedding=3, metric="squared_l2", margin=0)
COLOURS = {"Red": (1, 0, 0), "Green": (0, 1, 0), "Blue": (0, 0, 1)}
SIDE = 40
GOOD = Quality(60, 60, 0, 1.1, 0.5, 40, 0, 2, 1)


class Middle(nn.Module):
    """The mean colour of the middle of the crop."""

    name = "middle"

    def __init__(self):
        self.w = nn.Linear(1, 1).w  # a network has parameters

    def forward(self, x):
        return x[:, 6:10, 6:10].mean(axis=(1, 2))


def scene(*people, poor=0.0):
    """A grey frame with squares of colours at (name, left, top), the last in front. poor: how badly it is seen."""
    picture = np.full((60, 200, 3), 0.5, np.float32)
    for name, left, top in people:
        picture[top : top + SIDE, left : left + SIDE] = COLOURS[name]
    picture[0, 0] = poor
    return picture


def detect(image, **options):
    """A square of one pure colour is a face, where enough of it is seen."""
    boxes = []
    for colour in COLOURS.values():
        rows, columns = np.nonzero((np.abs(image - colour) < 0.2).all(axis=2))
        if len(rows) > SIDE * SIDE / 3:
            boxes.append([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
    count = len(boxes)
    return Detection(np.array(boxes, float).reshape(-1, 4), np.ones(count), np.zeros((count, 5, 2)))


@pytest.fixture
def gallery(monkeypatch):
    """Red and Green are enrolled. A face is seen as badly as its frame's first pixel says, beyond 0.5 too badly."""
    monkeypatch.setattr(following, "detect", detect)
    monkeypatch.setattr(following, "the_detector", nn.Module)
    seen = property(lambda face: GOOD._replace(sharpness=8 * (1 - float(face.image[0, 0, 0]))))
    monkeypatch.setattr(Face, "quality", seen)
    made = Gallery(Network(CARD, [Middle()]), threshold=0.3)
    for name in ("Red", "Green"):
        made.enroll(name, np.tile(np.array(COLOURS[name], np.float32), (16, 16, 1)))
    return made


def crossing(count=9):
    """Red goes right, Green goes left, in front."""
    for t in range(count):
        yield scene(("Red", 5 + t * 18, 15), ("Green", 150 - t * 18, 10))


def rows(tracks):
    return [(track.verdict.name, track.first, track.last, track.frames) for track in tracks]


# Tracks


def test_people_who_cross_are_two_tracks(gallery):
    tracks = follow(crossing(), gallery)
    assert [(name, first, last) for name, first, last, _ in rows(tracks)] == [("Red", "1", "9"), ("Green", "1", "9")]
    assert tracks[1].frames == 9 and 7 <= tracks[0].frames < 9  # behind Green
    for track in tracks:
        assert track.verdict.judged and track.judged == 5 and track.verdict.distance < 0.05
        assert track.picture.shape == (128, 128, 3) and track.picture.dtype == np.uint8
        np.testing.assert_allclose(track.picture.mean(axis=(0, 1)) / 255, COLOURS[track.verdict.name], atol=0.25)


def test_who_comes_in_the_same_place_is_somebody_else(gallery):
    """As where a film is cut."""
    frames = [scene(("Red", 80, 10))] * 3 + [scene(("Blue", 80, 10))] * 2
    assert rows(follow(frames, gallery)) == [("Red", "1", "3", 3), (None, "4", "5", 2)]


def test_who_is_hidden_for_long_is_another_track(gallery):
    def hidden(count):
        return [scene(("Red", 20, 10))] * 2 + [scene()] * count + [scene(("Red", 120, 10))]

    assert rows(follow(hidden(5), gallery)) == [("Red", "1", "8", 3)]
    assert rows(follow(hidden(6), gallery)) == [("Red", "1", "2", 2), ("Red", "9", "9", 1)]
    assert rows(follow(hidden(1), gallery, gap=0)) == [("Red", "1", "2", 2), ("Red", "4", "4", 1)]


def test_a_face_that_is_seen_badly_goes_on_where_it_was_and_is_not_judged(gallery):
    frames = [scene(("Red", 80, 10)), *[scene(("Green", 84, 10), poor=0.9)] * 3, scene(("Red", 88, 10))]
    (track,) = follow(frames, gallery)
    assert (track.frames, track.judged, track.verdict.name) == (5, 2, "Red") and track.verdict.distance < 0.01
    elsewhere = [scene(("Red", 20, 10)), scene(("Red", 120, 10), poor=0.9)]
    assert [track.judged for track in follow(elsewhere, gallery)] == [1, 0]


def test_a_track_without_a_good_frame_gets_no_verdict(gallery):
    frames = [scene(("Red", 80, 10), poor=0.9), scene(("Red", 80, 10), poor=0.7)]
    (track,) = follow(frames, gallery)
    assert (track.judged, track.verdict.judged, track.verdict.name, track.best) == (0, False, None, "2")
    assert track.verdict.why.startswith("too blurred to tell (sharpness 2.4")
    gallery.any_quality = True
    (track,) = follow(frames, gallery)
    assert track.verdict.name == "Red" and track.judged == 2


def test_the_best_frames_count(gallery):
    levels = [0.4, 0.1, 0.3, 0.0, 0.2, 0.45, 0.35]
    (track,) = follow([scene(("Red", 60 + i, 10), poor=level) for i, level in enumerate(levels)], gallery)
    shown = SimpleNamespace(frames=1, best=[sight([1.234, 2, 3.996, 4], [1, 0, 0])], first="1", picture=None)
    shown.last = shown.best[0]
    assert following._judged(shown, gallery).box == (1.23, 2, 4, 4)
    assert track.best == "4" and track.box == (63, 10, 103, 50) and (track.frames, track.judged) == (7, 5)


def test_frames_may_be_named_left_out_or_files(gallery, tmp_path):
    named = [(f"at {i}", scene(("Red", 80, 10))) for i in range(7)]
    assert rows(follow(named, gallery, every=3)) == [("Red", "at 0", "at 6", 3)]
    assert follow([], gallery) == [] and follow([scene()], gallery) == []
    for number in (2, 10, 9):
        images.save(tmp_path / f"f{number}.png", scene(("Red", 80, 10)))
    (tmp_path / "notes.txt").touch()
    (tmp_path / "folder.png").mkdir()
    (tmp_path / ".hidden.png").touch()
    assert [path.name for path in following.frames_in(tmp_path)] == ["f2.png", "f9.png", "f10.png"]
    assert rows(follow(tmp_path, gallery)) == rows(follow(following.frames_in(tmp_path), gallery))
    assert rows(follow(str(tmp_path), gallery)) == [("Red", "f2", "f10", 3)]


def test_the_path_of_a_film_is_followed_as_the_film_is(gallery, monkeypatch, tmp_path):
    opened = []

    def film(path, *, every):
        opened.append((path, every))
        return ((films.clock(number), scene(("Red", 80, 10))) for number in range(2))

    monkeypatch.setattr(following, "Film", film)
    path = tmp_path / "film.mp4"
    assert rows(follow(path, gallery, every=3)) == [("Red", "0:00.00", "0:01.00", 2)]
    assert opened == [(path, 3)]


def sight(box, encoding, poor=False):
    return following._Sight("1", np.array(box, float), np.array(encoding, np.float32), GOOD, poor)


def test_what_continues_a_track_is_near_enough_or_where_it_was():
    apart, trail = scoring.by_metric("squared_l2"), following._Trail("1")
    trail.add(sight([0, 0, 10, 10], [0, 0, 0]), 0, lambda: np.zeros((2, 2, 3)))
    assert trail.distance(sight([20, 0, 30, 10], [1, 0, 0]), apart, 1.0) == 1.0  # at the threshold
    assert trail.distance(sight([20, 0, 30, 10], [1, 0.1, 0]), apart, 1.0) is None
    assert trail.distance(sight([0, 0, 3, 10], [0.5, 0, 0]), apart, 2.0) == pytest.approx(0.25 - 2 * 0.3)
    assert trail.distance(sight([0, 0, 3, 10], [9, 0, 0], poor=True), apart, 1.0) == pytest.approx(81 - 0.3)
    assert trail.distance(sight([0, 0, 2.9, 10], [0, 0, 0], poor=True), apart, 1.0) is None
    trail.add(sight([50, 0, 60, 10], [9, 0, 0]), 1, lambda: np.zeros((2, 2, 3)))
    assert trail.distance(sight([20, 0, 30, 10], [1, 0, 0]), apart, 1.0) == 1.0  # from the nearest of its encodings
    for _ in range(5):
        trail.add(sight([50, 0, 60, 10], [9, 0, 0]), 2, lambda: np.zeros((2, 2, 3)))
    trail.add(sight([50, 0, 60, 10], [5, 0, 0]), 3, lambda: np.zeros((2, 2, 3)))
    assert trail.distance(sight([20, 0, 30, 10], [4, 0, 0]), apart, 1.0) == 1.0  # from the last, not one of the best
    blurred = following._Trail("1")
    blurred.add(sight([0, 0, 10, 10], [0, 0, 0], poor=True), 0, lambda: np.zeros((2, 2, 3)))
    assert blurred.distance(sight([0, 0, 3, 10], [9, 0, 0]), apart, 1.0) == pytest.approx(1 - 0.3)
    assert blurred.distance(sight([20, 0, 30, 10], [0, 0, 0]), apart, 1.0) is None


def test_the_detector_is_told_the_smallest_face(gallery, monkeypatch):
    asked, found = [], nn.Module()
    monkeypatch.setattr(following, "detect", lambda image, **options: asked.append(options) or detect(image))
    follow([scene()], gallery, min_size=17, detector=found)
    follow([scene()], gallery)
    assert asked[0] == {"min_size": 17, "detector": found} and asked[1]["min_size"] == following.SMALLEST


def test_a_track_of_poor_frames_shows_the_best_of_them(gallery):
    frames = [scene(("Red", 80, 10), poor=0.9), scene(("Green", 80, 10), poor=0.7), scene(("Red", 80, 10), poor=0.8)]
    (track,) = follow(frames, gallery)
    assert (track.best, track.frames, track.judged, track.verdict.nearest) == ("2", 3, 0, "Green")
    assert track.verdict.distance == pytest.approx(0, abs=1e-6)


def test_each_face_continues_one_track_and_each_track_one_face():
    far = {("a", "red"): 0.1, ("a", "green"): 0.2, ("b", "red"): 0.15, ("b", "green"): 0.3, ("c", "green"): 0.25}
    trails = [
        SimpleNamespace(distance=lambda sight, *_, name=name: far.get((sight, name))) for name in ("red", "green")
    ]
    assert following._links(trails, ["a", "b"], None, 1.0) == {0: trails[0], 1: trails[1]}
    assert following._links(trails, ["a", "b", "c"], None, 1.0) == {0: trails[0], 2: trails[1]}
    assert following._links(trails[:1], ["b", "a"], None, 1.0) == {1: trails[0]}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"every": 0}, "follow: every is 0; expected"),
        ({"gap": -1}, "follow: gap is -1; expected"),
        ({"frames": scene()}, "follow: frames is a ndarray; expected a film, a folder, or several pictures"),
        ({"frames": 3}, "follow: frames is a int; expected"),
        ({"gallery": None}, "follow: gallery is None; expected a Gallery with people in it"),
    ],
)
def test_what_cannot_be_followed_is_refused(gallery, given, message):
    with pytest.raises(InputError, match=message):
        follow(**{"frames": [], "gallery": gallery, **given})


def test_a_folder_without_pictures_is_refused(gallery, tmp_path):
    with pytest.raises(InputError, match="holds no pictures; expected frames, or a film"):
        follow(tmp_path, gallery)


def test_several_encodings_are_judged_by_their_mean_distance(gallery):
    """The mean of the encodings would be nearer to everybody."""
    shown = Candidate(None, None, None, 1, 0)
    spread = np.array([[1, 0.4, 0], [1, -0.4, 0], [1, 0, 0.4]], np.float32)
    result = gallery.judge(shown, spread)
    assert (result.name, result.nearest, result.runner_up) == ("Red", "Red", "Green")
    assert result.distance == pytest.approx(0.16) and np.square(spread.mean(axis=0) - COLOURS["Red"]).sum() < 0.02
    assert [match.name for match in result.matches] == ["Red", "Green"]
    gallery.enroll("Blue", np.tile(np.array(COLOURS["Blue"], np.float32), (16, 16, 1)))
    assert [match.name for match in gallery.judge(shown, spread, matches=2).matches] == ["Red", "Blue"]
    assert result.margin == pytest.approx(np.square(spread - COLOURS["Green"]).sum(axis=1).mean() - 0.16)


def test_the_worth_of_a_face_is_that_of_its_worst_measure():
    assert GOOD.worth == pytest.approx(1 - abs(0.5 - 0.525) / 0.375, abs=0.1)
    for name, least, most, _ in quality.LIMITS:
        for limit in filter(np.isfinite, (least, most)):
            if limit:  # of what is counted from 0, only the most is a limit
                assert GOOD._replace(**{name: limit}).worth == pytest.approx(0)
    assert GOOD._replace(sharpness=2).worth < 0 < GOOD._replace(sharpness=5).worth < GOOD._replace(sharpness=20).worth


# minicnn face follow


@pytest.fixture
def here(gallery, tmp_path, monkeypatch):
    """A gallery of Red and Green, and frames in which they cross."""
    monkeypatch.chdir(tmp_path)
    encoder = FaceEncoder(gallery.encoder, "colours", drawn=False, threshold=0.3, origin="a test has it")
    monkeypatch.setattr(encoders, "choose", lambda weights=None, gallery=None: encoder)
    gallery.save("g.h5")
    (tmp_path / "frames").mkdir()
    for number, frame in enumerate(crossing(), start=1):
        images.save(f"frames/{number}.png", frame)
    return tmp_path


def command(*words):
    return main(["face", "follow", *words])


def test_a_table_says_who_is_seen_when(here, capsys):
    assert command("g.h5", "frames") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["from", "to", "who", "distance", "frames", "best"]
    assert [line.split()[:3] for line in lines[1:3]] == [["1", "9", "Red"], ["1", "9", "Green"]]
    assert lines[3] == "frames: 9 frames, 2 tracks, 2 people recognized (d ≤ 0.3)"


def test_programs_are_told_the_same(here, capsys):
    assert command("g.h5", "frames", "--every", "2", "--json", "-o", "sheet.png") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["frames"], told["encoder"], told["threshold"]) == (5, "colours", 0.3)
    _, green = told["tracks"]
    assert {key: green[key] for key in ("from", "to", "frames", "name", "judged", "frames_judged")} == {
        "from": "1", "to": "9", "frames": 5, "name": "Green", "judged": True, "frames_judged": 5,
    }  # fmt: skip
    assert (
        green["best"] in ("1", "3", "5", "7", "9")
        and len(green["box"]) == 4
        and [match["name"] for match in green["matches"]] == ["Green", "Red"]
    )
    sheet = images.load("sheet.png")
    assert all((np.abs(sheet - colour) < 0.1).all(axis=2).sum() > 5000 for colour in ((1, 0, 0), (0, 1, 0)))


def test_a_strict_threshold_and_bad_frames(here, capsys):
    assert command("g.h5", "frames", "--threshold", "-1") == 1
    said = capsys.readouterr().out
    assert said.count("not recognized") >= 2 and "tracks, 0 people recognized (d ≤ -1)" in said
    (here / "frames/5.png").write_bytes(b"no picture")
    assert command("g.h5", "frames") == 2
    out, err = capsys.readouterr()
    assert "5.png" in err and "frames: 8 frames, 2 tracks" in out


def test_where_nobody_can_be_judged_there_is_no_verdict(here, capsys):
    for number in range(1, 10):
        images.save(f"frames/{number}.png", scene(("Red", 80, 10), poor=0.9))
    assert command("g.h5", "frames") == 3
    assert "too blurred" in capsys.readouterr().out
    assert command("g.h5", "frames", "--any-quality") == 0
    for number in range(1, 10):
        images.save(f"frames/{number}.png", scene())
    assert command("g.h5", "frames", "-o", "sheet.png") == 3
    assert "no face was found\nframes: 9 frames, 0 tracks" in capsys.readouterr().out
    assert not (here / "sheet.png").exists()


def test_a_film_that_breaks_off_is_told_of(here, capsys, monkeypatch):
    """What comes before counts."""

    class Film:
        def __init__(self, path, every):
            self.path, self.every = path, every

        def __len__(self):
            return 0

        def __iter__(self):
            for number, frame in enumerate(crossing(4)):
                if self.path == "broken.mp4" or number == 3:
                    raise InputError("film is damaged")
                yield films.clock(number / 4), frame

    monkeypatch.setattr(films, "Film", Film)
    assert command("g.h5", "film.mp4") == 2
    out, err = capsys.readouterr()
    assert err == "minicnn: film is damaged\n" and "film.mp4: 3 frames, 2 tracks" in out and "0:00.50" in out
    assert command("g.h5", "broken.mp4") == 2
    assert capsys.readouterr() == ("", "minicnn: film is damaged\n")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["frames", "--every", "0"], "follow: --every is 0; expected"),
        (["frames", "--threshold", "nan"], "expected a finite number"),
        (["frames", "-o", "frames/1.png"], "is in the folder to read; expected another place"),
        (["frames", "-o", "sheet.txt"], "suffix"),
        (["nowhere.mp4"], "film 'nowhere.mp4' does not exist"),
    ],
)
def test_bad_arguments_get_one_line(here, capsys, words, told):
    (here / "frames/1.png").write_bytes(before := (here / "frames/2.png").read_bytes())
    assert command("g.h5", *words) == 2
    out, err = capsys.readouterr()
    assert told in err and err.count("\n") == 1 and not out and (here / "frames/1.png").read_bytes() == before


def test_the_smallest_face_is_asked_for(here, capsys, monkeypatch):
    asked = []
    monkeypatch.setattr("minicnn.faces.follow", lambda frames, gallery, **options: asked.append(options) or [])
    assert command("g.h5", "frames") == command("g.h5", "frames", "--min-size", "12.5") == 3
    assert asked == [{"min_size": 40}, {"min_size": 12.5}]


def test_many_tracks_fill_a_sheet_and_no_more(here, capsys, monkeypatch):
    titles, draw = [], contact_sheets.contact_sheet
    monkeypatch.setattr(contact_sheets, "contact_sheet", lambda *given: titles.append(given[1:]) or draw(*given))
    monkeypatch.setattr("minicnn.cli.face_follow.MOST", 1)
    assert command("g.h5", "frames", "-o", "sheet.png") == 0
    assert capsys.readouterr().err == "note: sheet.png shows the first 1 tracks\n"
    assert titles == [(["Red\n1 – 9"], "2 tracks")]
    monkeypatch.setattr("minicnn.cli.face_follow.MOST", 2)  # which is all of them
    assert command("g.h5", "frames", "-o", "sheet.png") == 0
    assert capsys.readouterr().err == ""

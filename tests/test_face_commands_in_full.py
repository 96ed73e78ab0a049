"""The lines that the face commands print, in full, from results that are made up."""

import contextlib
import itertools
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from minicnn import faces, images, zoo
from minicnn.cli import (
    face_blur,
    face_cluster,
    face_detect,
    face_finder,
    face_follow,
    face_gallery,
    face_measure,
    face_scale,
    face_train,
    face_verify,
    main,
    outcome,
)
from minicnn.errors import InputError, MissingFileError
from minicnn.faces import cropping, gallery_file, scoring, settings, snapshots
from minicnn.faces.calibration import Calibration
from minicnn.faces.candidates import Candidate
from minicnn.faces.evaluation import share_interval
from minicnn.faces.results import Enrolment, Identification, Verification
from minicnn.scale.jobs import Summary

NAMED = SimpleNamespace(name="toy")


# Thresholds and accuracy


def calibration(**changes):
    facts = {"threshold": 1.0, "rule": "far", "target_far": 0.01, "far": 0.005, "val": 0.9, "accuracy": 0.95}
    facts |= {"threshold_interval": (0.9, 1.1), "far_interval": (0.001, 0.02), "val_interval": (0.85, 0.94)}
    facts |= {"confidence": 0.95, "same": 20, "different": 2000, "closest": ((0, 0.5), (2, 0.6), (20, 0.75))}
    return Calibration(**facts | {"intercept": 6.0, "slope": -4.0} | changes)


def distances(extremes):
    return face_measure.Distances(np.ones(3), np.array([True, False, False]), None, 5, 2, NAMED, extremes)


def calibrated(result, into=None):
    extremes = {"nearest_two": ("a", "b", 0.5), "farthest_one": ("c", "d", 0.875)}
    told = face_measure._calibrated(SimpleNamespace(source="fol\x07der", into=into), distances(extremes), result)
    return list(told)


def test_a_calibration_in_full():
    shares = [f"{1 - 0.995**size:.2%}" for size in (1, 10, 100, 1000)]  # a stranger's, in comparisons alike
    assert calibrated(calibration()) == [
        "fol�der: 2 people, 5 pictures, 1 + 2 pairs, encoded by toy",
        "  rule          FAR of at most 0.01",
        "  threshold     1.0000 (95 %: 0.9000 to 1.1000)",
        "  VAL           90.00% of genuine pairs accepted (85.00% to 94.00%)",
        "  FAR           0.500% of impostor pairs accepted (0.100% to 2.000%)",
        "  accuracy      95.00%",
        "  nearest two   a and b, at 0.5000",
        "  farthest one  c and d, at 0.8750",
        "  probability   one half at distance 1.5000",
        "",
        "In a gallery a stranger is compared with every picture, so false accepts grow",
        "with its size.",
        "  pictures       false accepts at this threshold   threshold for the same FAR",
        f"         1   {shares[0]:>35}                     1.0000",  # 20 pairs of two may pass
        f"        10   {shares[1]:>35}                     0.6000",  # 2 pairs
        f"       100   {shares[2]:>35}                     0.5000 *",
        f"     1,000   {shares[3]:>35}                     0.5000 *",
        "  * below the nearest impostor pair; more pairs would make it more precise",
        "use it with --threshold 1, or store it with --into GALLERY",
    ]


def test_a_calibration_without_false_accepts_says_how_many_there_may_be():
    result = calibration(far=0.0, rule="eer", slope=0.0, different=10**7, target_far=0.5)
    told = calibrated(result, into="g\x07.h5")
    rates = [line[14:49].strip() for line in told if line.startswith("  ") and line.endswith(" *")]
    assert rates == [f"up to {1 - 0.98**size:.2%}" for size in (1, 10, 100, 1000)]
    assert told[1] == "  rule          equal error rate" and not any("probability" in line for line in told)
    assert told[-1] == "stored in g�.h5, which adapts the threshold to its size"
    enough = calibrated(calibration(different=10**7, slope=1.0, rule="accuracy"))
    assert enough[1] == "  rule          highest accuracy" and not any("*" in line for line in enough)
    assert not any("probability" in line for line in enough)
    assert not any("probability" in line for line in calibrated(calibration(intercept=0.0)))  # one half at 0 itself


@pytest.mark.parametrize(
    ("flags", "rule"), [({}, "far"), ({"eer": True}, "eer"), ({"accuracy": True, "into": "h.h5"}, "accuracy")]
)
def test_what_calibrate_asks_stores_draws_and_says(monkeypatch, capsys, flags, rule):
    def run(**changes):
        given = {"source": "people", "far": 0.25, "eer": False, "accuracy": False, "into": None, "picture": None}
        face_measure.calibrate(SimpleNamespace(**given | {"json": False} | flags | changes))
        return capsys.readouterr().out

    def calibrate(d, same, **options):
        assert d is found.d and same is found.same
        asked.append(options)
        return result

    result = calibration()
    found = distances({"nearest_two": ("a", "b", 0.5)})
    gallery = SimpleNamespace(threshold=None, save=lambda path: stored.append((path, gallery.threshold)))
    asked, stored, drawn = [], [], []
    monkeypatch.setattr(face_measure, "_for_calibration", lambda arguments: (found, gallery))
    monkeypatch.setattr("minicnn.faces.calibration.calibrate", calibrate)
    monkeypatch.setattr(
        "minicnn.faces.figures.pairs", lambda d, same, **options: (d is found.d, same is found.same, options)
    )
    monkeypatch.setattr("minicnn.faces.figures.save", lambda *given: drawn.append(given))
    assert run().splitlines() == [
        *face_measure._calibrated(SimpleNamespace(source="people", into=flags.get("into")), found, result)
    ]
    assert asked == [{"target_far": 0.25, "rule": rule}]
    assert stored == ([("h.h5", result)] if "into" in flags else []) and not drawn
    sizes = [(1, 1.0, True), (10, pytest.approx(0.6), True), (100, pytest.approx(0.5), False)]
    sizes.append((1000, pytest.approx(0.5), False))
    assert json.loads(run(json=True, picture="c.png")) == {
        "encoder": "toy",
        "into": flags.get("into"),
        **json.loads(json.dumps(result.as_dict())),
        "nearest_two": ["a", "b", 0.5],
        "galleries": [{"comparisons": k, "threshold": t, "resolved": enough} for k, t, enough in sizes],
    }
    assert drawn == [((True, True, {"threshold": 1.0}), "c.png")]


@pytest.mark.parametrize(
    ("extremes", "which"),
    [({"nearest_two": ("a", "b", 0.123456)}, "a and b, at 0.1235, are"), ({}, "two of them are")],
)
def test_a_threshold_that_nobody_passes_is_never_stored(monkeypatch, extremes, which):
    monkeypatch.setattr(face_measure, "_for_calibration", lambda arguments: (distances(extremes), "a gallery"))
    monkeypatch.setattr("minicnn.faces.calibration.calibrate", lambda *_, **__: calibration(val=0.0))
    with pytest.raises(InputError) as said:
        face_measure.calibrate(SimpleNamespace(eer=False, accuracy=False, far=0.1, into="g.h5"))
    assert str(said.value) == (
        f"calibrate: at the threshold 1 nobody passes: {which} of two people and nearer than those of one; expected "
        "pictures under their right names, or --eer"
    )


@pytest.mark.parametrize(
    ("given", "measured"),
    [
        ({"source": "fol\x07der"}, ("folder",)),
        ({"source": "fol\x07der", "pairs": "p.txt"}, ("lfw", "fol\x07der", "p.txt")),
        ({"lfw": "fol\x07der"}, ("lfw", "fol\x07der", "pairs of fol\x07der")),
        ({"lfw": "fol\x07der", "pairs": "p.txt"}, ("lfw", "fol\x07der", "p.txt")),
    ],
)
def test_what_evaluate_measures_draws_and_says(monkeypatch, capsys, given, measured):
    def of_folder(arguments, *others):
        done.append(("folder", *others))
        return found, {"auc": 0.5}, "identified"

    def run(**changes):
        usual = {"source": None, "lfw": None, "pairs": None, "head": "h.h5", "picture": None, "json": False}
        face_measure.evaluate(SimpleNamespace(**usual | given | changes))
        return capsys.readouterr().out

    found, done, drawn = distances({"farthest_one": ("c", "d", 0.875)}), [], []
    encoder = SimpleNamespace(name="toy", card=SimpleNamespace(embedding=4))
    monkeypatch.setattr(face_measure.inputs, "encoder_for", lambda arguments: encoder)
    monkeypatch.setattr(face_measure.inputs, "head_of", lambda path, dimensions: (path, dimensions))
    monkeypatch.setattr(face_measure.inputs, "score_by", lambda encoder, head: f"by {head}")
    monkeypatch.setattr(face_measure, "_pairs_of", lambda root: f"pairs of {root}")
    monkeypatch.setattr(face_measure, "_of_lfw", lambda arguments, *others: done.append(("lfw", *others)) or found)
    monkeypatch.setattr(face_measure, "_of_folder", of_folder)
    monkeypatch.setattr(face_measure, "_measured", lambda found: {"auc": 0.5})
    monkeypatch.setattr(face_measure, "_figures", lambda found, told, identified: {"AUC": f"{told} {identified}"})
    monkeypatch.setattr(
        "minicnn.faces.figures.pairs", lambda d, same, **options: (d is found.d, same is found.same, options)
    )
    monkeypatch.setattr("minicnn.faces.figures.save", lambda *given: drawn.append(given))
    identified = None if measured[0] == "lfw" else "identified"
    assert run() == (
        f"fol�der: 2 people, 5 pictures, 1 + 2 pairs, encoded by toy\n  AUC           {{'auc': 0.5}} {identified}\n"
    )
    assert done == [(*measured, encoder, "by ('h.h5', 4)")] and not drawn
    told = {"encoder": "toy", "pictures": 5, "auc": 0.5, "farthest_one": ["c", "d", 0.875]}
    assert json.loads(run(json=True, picture="e.png")) == told
    assert drawn == [((True, True, {"identified": identified}), "e.png")]


def test_an_evaluation_in_full():
    told = {"fold_accuracies": [1.0, 0.5], "fold_thresholds": [1.0, 2.0], "accuracy": 0.75, "standard_error": 0.25}
    told |= {"auc": 0.875, "eer": 0.125, "eer_threshold": 1.25, "val": 0.5, "far": 0.001, "val_interval": (0.25, 0.625)}
    told |= {"same": 10, "different": 30}
    low, high = share_interval(30, 40)
    facts = {
        "accuracy": "75.00% ± 25.00% (standard error)",
        "folds": f"2, 40 pairs; accuracy {low:.2%} to {high:.2%} (95 %); mean threshold d ≤ 1.5000",
        "AUC": "0.8750",
        "EER": "12.50% at d ≤ 1.2500",
        "VAL": "50.00% (25.00% to 62.50%) at FAR 0.001",
    }
    assert face_measure._figures(distances({}), told, None) == facts
    ranked = SimpleNamespace(cmc=np.array([0.5, 0.5, 0.75, 1.0, 1.0]), draws=1, people=5)
    found = face_measure._figures(distances({}), told | {"dir": 0.25, "fpir": 0.01, "pairs_in_folds": 20}, ranked)
    low, high = share_interval(15, 20)
    facts["folds"] = f"2, 20 pairs; accuracy {low:.2%} to {high:.2%} (95 %); mean threshold d ≤ 1.5000"
    assert found == facts | {
        "CMC": "rank 1 50.00%, rank 5 100.00%",
        "DIR": "25.00% at FPIR 0.01",
        "galleries": "one picture per person, mean of 1 draw; CMC: all 5 people enrolled; "
        "DIR: half enrolled, half strangers",
    }
    of_lfw = distances({})._replace(people=None, same=np.ones(1200, bool))
    assert face_measure._size(of_lfw) == "5 pictures, 1,200 + 0 pairs"


def test_the_extreme_pairs_of_an_evaluation():
    encodings = np.array([[0.0], [1.0], [3.0], [4.0], [8.0], [8.5]], np.float32)
    names = [Path(name) for name in "abcdef"]
    found = face_measure._of_pictures(
        NAMED, scoring.by_metric("squared_l2"), encodings, np.array([0, 0, 0, 1, 1, 2]), names, False
    )
    assert found.extremes == {"nearest_two": ("e", "f", 0.25), "farthest_one": ("d", "e", 16.0)}
    assert (found.pictures, found.people, found.fold) == (6, 3, None)
    assert (int(found.same.sum()), len(found.d)) == (4, 15)


def test_the_pictures_of_a_gallery_are_named_by_person_and_number(monkeypatch):
    class Held(dict):
        head, list, encodings = None, dict.keys, dict.get
        people = property(lambda self: {name: len(rows) for name, rows in self.items()})

    gallery = Held(Ada=np.array([[0.0]]), Bo=np.array([[2.0], [5.0]]))
    toy = SimpleNamespace(name="toy", card=SimpleNamespace(metric="squared_l2"))
    monkeypatch.setattr(face_measure, "opened", lambda path, arguments: (toy, {"g.h5": gallery}[path]))
    options = dict.fromkeys(("pairs", "head", "box", "landmarks", "into"))
    arguments = SimpleNamespace(source="g.h5", accuracy=False, **options)
    found, same = face_measure._of_gallery(arguments)
    assert same is gallery and found.extremes == {
        "nearest_two": ("picture 1 of Ada", "picture 1 of Bo", 4.0),
        "farthest_one": ("picture 1 of Bo", "picture 2 of Bo", 9.0),
    }
    for name in ("pairs", "head", "box", "landmarks"):
        with pytest.raises(InputError, match=f"^calibrate: {name} is for pictures, and 'g.h5' is a gallery$"):
            face_measure._of_gallery(SimpleNamespace(**vars(arguments) | {name: "given"}))


@pytest.mark.parametrize(("people", "ranks"), [(4, 4), (22, 20)])
def test_all_figures_of_a_folder_of_people(monkeypatch, people, ranks):
    """Of a picture that is alone, one that shows no face, and two pictures of each of some people."""
    labels = np.array([0, 1, *np.repeat(np.arange(people) + 2, 2)])
    files = [Path("root", str(label), f"{number}.png") for number, label in enumerate(labels)]
    folder = SimpleNamespace(root=Path("root"), labels=labels, paths=files)
    kept = [number for number in range(len(labels)) if number != 1]
    encodings = 10 * np.eye(people + 2, dtype=np.float32)[labels[kept]]
    encodings[:, 1] = np.arange(len(kept)) % 2  # one person's pictures differ by little
    monkeypatch.setattr(face_measure.inputs, "read_folder", lambda source: folder)
    monkeypatch.setattr(face_measure, "_encoded", lambda *given: (encodings, kept, 1))
    apart = scoring.by_metric("squared_l2")
    found, told, identified = face_measure._of_folder(SimpleNamespace(source="root"), NAMED, apart)
    pictures, same = 2 * people + 1, people
    different = pictures * (pictures - 1) // 2 - same
    assert (found.pictures, found.people, len(found.d)) == (pictures, people + 1, same + different)
    assert found.extremes["farthest_one"][2] == 1 and found.extremes["nearest_two"][2] == 200
    assert {Path(name).parts[0] for name in found.extremes["farthest_one"][:2]} == {"2"}
    assert (told["same"], told["different"], told["accuracy"]) == (same, different, 1.0)
    assert (told["auc"], told["eer"], told["val"], told["far"]) == (1.0, 0.0, 1.0, 0.0)
    assert told["val_interval"] == share_interval(same, same)
    assert told["pairs_in_folds"] == 4 * len(told["fold_accuracies"])
    assert told["cmc"] == pytest.approx([1.0] * ranks) and told["dir"] == pytest.approx(1.0)
    assert (told["fpir"], told["draws"]) == (0.01, identified.draws)


@pytest.mark.parametrize("missing", [0, 1, 1200])
def test_pairs_of_lfw_are_those_of_pictures_with_a_face(monkeypatch, capsys, missing):
    """The second of five pictures shows none."""
    first, second = np.array([2, 1, 0, 4, 3, 0]), np.array([0, 0, 1, 2, 4, 3])
    pairs = SimpleNamespace(first=first, second=second, same=first > 1, fold=np.arange(6))
    found = SimpleNamespace(paths=[*"abcde"], pairs=pairs, missing=["x"] * missing)
    kept, shown = [0, 2, 3, 4], ["e0", "e2", "e3", "e4"]
    monkeypatch.setattr(
        "minicnn.datasets.lfw.evaluation", lambda *given, **options: asked.append((given, options)) or found
    )
    monkeypatch.setattr("minicnn.faces.protocols.pair_distances", lambda *given: given)
    monkeypatch.setattr(face_measure, "_encoded", lambda arguments, encoder, paths: (shown, kept, 5 - len(kept)))
    asked, arguments = [], SimpleNamespace(skip_missing=True)
    told = face_measure._of_lfw(arguments, "root", "pairs.txt", NAMED, "apart")
    assert asked == [(("root", "pairs.txt"), {"skip_missing": True})]
    assert told.d[:2] == ("apart", shown)
    assert [told.d[2].tolist(), told.d[3].tolist()] == [[1, 3, 2, 0], [0, 1, 3, 2]]
    assert (told.same.tolist(), told.fold.tolist()) == ([True, True, True, False], [0, 3, 4, 5])
    assert (told.pictures, told.people, told.encoder, told.extremes) == (4, None, NAMED, {})
    count = {1: "1 picture", 1200: "1,200 pictures"}.get(missing)
    assert capsys.readouterr().err == (f"note: {count} missing; their pairs are skipped\n" if missing else "")
    found.paths.append("bad")
    with pytest.raises(InputError, match=r"^evaluate: LFW's protocol needs all pictures; expected good ones, or pairs"):
        face_measure._of_lfw(arguments, "root", "pairs.txt", NAMED, "apart")


# Verdicts


@pytest.mark.parametrize(
    ("found", "lines"),
    [
        ({"same": None}, ["distance 0.25"]),
        ({"same": True, "pictures": []}, ["the same person: distance 0.25 ≤ 1"]),
        (
            {"same": False, "pictures": [], "origin": "its own", "probability": 0.125},
            ["not the same person: distance 0.25 > 1 (its own), probability 12.5% at even", "  prior odds"],
        ),
        ({"same": True, "name": "A\x07"}, ["A�: distance 0.25 ≤ 1"]),
        ({"same": False, "name": "Ada", "origin": ""}, ["not Ada: distance 0.25 > 1"]),
    ],
)
def test_a_verdict_in_full(found, lines):
    found = {"distance": 0.25, "threshold": 1.0, **found}
    assert list(face_verify._verdict(found)) == lines
    sign = {None: "distance 0.250", True: "the same person: 0.250 ≤ 1.000", False: "not the same person: 0.250 > 1.000"}
    assert face_verify._headline(found) == sign[found["same"]]


def face_at(*box, number=1, turn=0):
    quality = SimpleNamespace(_asdict=dict)
    return SimpleNamespace(box=box, number=number, score=1.0, turn=turn, landmarks=np.zeros((5, 2)), quality=quality)


@pytest.fixture
def pair(monkeypatch):
    """Call it with the faces of two pictures, (name, problem), and their distances: the pair that is told of."""

    def verify(left, right, distances, head=None, threshold=None, encoder_threshold=1.0):
        def seen(name, problem):
            face = face_at(0, 10, 20, 40, number=name)
            face.crop_for = lambda card, *, size: (name, card, size)
            return SimpleNamespace(problem=problem, crop=name, face=face)

        def look(path):
            return [seen(*face) for face in {"x/l.png": left, "r.png": right}[path]]

        def looker(*given, **options):
            assert (*given[1:], options) == (card, 2, {"usual": "all"})
            return look

        def apart(score, first, second):
            assert (score, first, second) == ("scored", [name for name, _ in left], [name for name, _ in right])
            return distances

        card = SimpleNamespace(embedding=4)
        encoder = SimpleNamespace(
            name="toy", card=card, network="network", threshold=encoder_threshold, origin="the encoder's"
        )
        monkeypatch.setattr(face_verify.inputs, "encoder_for", lambda arguments: encoder)
        monkeypatch.setattr(face_verify.inputs, "head_of", lambda path, dimensions: head if dimensions == 4 else None)
        monkeypatch.setattr(face_verify.inputs, "score_by", lambda *given: "scored" * (given == (encoder, head)))
        monkeypatch.setattr(face_verify, "Looker", looker)
        monkeypatch.setattr("minicnn.faces.encoding.encode", lambda network, crops: crops)
        monkeypatch.setattr(scoring, "all_distances", apart)
        monkeypatch.setattr("minicnn.faces.figures.two_faces", lambda *given: given)
        monkeypatch.setattr("minicnn.faces.figures.save", lambda figure, out: drawn.append((figure, out)))
        drawn = []
        arguments = SimpleNamespace(what=["x/l.png", "r.png"], threshold=threshold, head=head, picture="v.png")
        found = face_verify._two_pictures(arguments)
        assert (found["pictures"], found["encoder"]) == (["x/l.png", "r.png"], "toy")
        told = [found[key] for key in ("distance", "threshold", "origin", "same", "why")]
        names = [face["face"] for face in found["faces"]]
        shown = ((name, card, face_verify.inputs.LOOKED_AT) for name in names)
        assert drawn == [((*shown, ("l.png", "r.png"), face_verify._headline(found), found["same"]), "v.png")]
        return names, told

    return verify


def test_two_pictures_are_compared_by_their_nearest_good_faces(pair):
    left, right = [("a", "blurred"), ("b", ""), ("c", "")], [("x", ""), ("y", "dark")]
    apart = [[0.1, 0.1], [0.75, 0.2], [0.5, 0.3]]
    within = [0.5, 1.0, "the encoder's", True, "0.5 is within 1"]
    assert pair(left, right, apart) == (["c", "x"], within)
    apart[1][0] = 0.25
    within[0], within[-1] = 0.25, "0.25 is within 1"
    assert pair(left, right, apart) == (["b", "x"], within)
    blurred = [0.1, 1.0, "the encoder's", None, "no verdict: x/l.png: blurred; r.png: dark"]
    assert pair(left[:1], right[1:], [[0.1]]) == (["a", "y"], blurred)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, [1.0, "the encoder's", True, "1 is within 1"]),
        ({"threshold": 0.5}, [0.5, "", False, "1 is farther than 0.5"]),
        ({"threshold": 0.0}, [0.0, "", False, "1 is farther than 0"]),
        ({"head": "a head"}, [0.5, "of 1 − probability", False, "1 is farther than 0.5"]),
        (
            {"encoder_threshold": None},
            [None, "the encoder's", None, "no verdict: no threshold is known for toy; say one with --threshold"],
        ),
    ],
)
def test_the_threshold_of_two_pictures(pair, given, told):
    assert pair([("a", "")], [("x", "")], [[1.0]], **given) == (["a", "x"], [1.0, *told])


@pytest.mark.parametrize(
    ("same", "threshold", "title", "limit"),
    [(True, None, "Ada", 1.5), (False, None, "not Ada", 1.5), (None, None, "a.png", None), (True, 0.0, "Ada", 0.0)],
)
def test_a_face_against_somebody_of_a_gallery(monkeypatch, capsys, same, threshold, title, limit):
    class Held:
        threshold, any_quality = 1.5, False

        def verify(self, name, shown):
            asked.append((name, shown, self.threshold, self.any_quality))
            face = face_at(number=2)
            face.box, face.among = np.array([0, 10, 20, 40]), 3
            return Verification("Ada", same, 0.25, self.threshold, why="too blurred", face=face)

    asked, drawn = [], []
    encoder = SimpleNamespace(name="toy", card="a card")
    monkeypatch.setattr(face_verify, "opened", lambda path, arguments: (encoder, Held()))
    monkeypatch.setattr(face_verify, "Looker", lambda arguments, *given, **options: lambda path: (path, given, options))
    monkeypatch.setattr(face_verify, "_draw_one", lambda arguments, *given: drawn.append(given))
    given = {"what": ["g.h5", "Ada", "x/a.png"], "head": None, "threshold": threshold, "any_quality": True}
    found = face_verify._against_gallery(SimpleNamespace(**given, picture="v.png"))
    looked = ("x/a.png", ("a card", 1), {"usual": "all"})
    assert asked == [("Ada", looked, 1.5 if threshold is None else threshold, True)]
    assert (found["gallery"], found["picture"], found["encoder"]) == ("g.h5", "x/a.png", "toy")
    assert (found["name"], found["same"], found["distance"], found["face"]) == ("Ada", same, 0.25, 2)
    assert found["why"] == ("no verdict: too blurred" if same is None else "too blurred")
    ((_, face, *told),) = drawn
    assert face.number == 2 and told == [title, [("Ada", 0.25)], limit]
    assert capsys.readouterr().err == "note: x/a.png: 3 faces; number 2 at 10,25 is the nearest\n"
    face_verify._against_gallery(SimpleNamespace(**given, picture=None))
    assert len(drawn) == 1
    with pytest.raises(InputError, match=r"^verify: head is set when a gallery is made; leave --head out$"):
        face_verify._against_gallery(SimpleNamespace(**given | {"head": "h.h5"}))


@pytest.mark.parametrize("as_json", [True, False])
@pytest.mark.parametrize("words", [("l.png", "r.png"), ("g.h5", "Ada", "a.png")])
def test_a_verdict_is_told_once_and_is_the_status(monkeypatch, capsys, words, as_json):
    def found(arguments):
        if same == "no face":
            raise outcome.NoVerdict("l.png: no face")
        return {"same": same, "pictures": [], "distance": 0.5, "threshold": 1.0, "why": "it is dark"}

    def verify():
        """The status, or what is raised, and what is printed."""
        try:
            status = face_verify.verify(SimpleNamespace(what=words, threshold=None, json=as_json))
        except outcome.NoVerdict as problem:
            status = str(problem)
        out = capsys.readouterr().out
        return status, json.loads(out) if as_json and out else out

    of_two, of_three = (found, None) if len(words) == 2 else (None, found)
    monkeypatch.setattr(face_verify, "_two_pictures", of_two)
    monkeypatch.setattr(face_verify, "_against_gallery", of_three)
    told = {"pictures": [], "distance": 0.5, "threshold": 1.0, "why": "it is dark"}
    for same, status, line in (
        (True, 0, "the same person: distance 0.5 ≤ 1\n"),
        (False, 1, "not the same person: distance 0.5 > 1\n"),
        (None, "it is dark", "distance 0.5\n"),
    ):
        assert verify() == (status, {"same": same, **told} if as_json else line)
    same = "no face"
    reason = {"what": [*words], "same": None, "why": "l.png: no face"}
    assert verify() == ("l.png: no face", reason if as_json else "")


ADA = Identification(
    "Ada", 0.25, 1.0, "Ada", "Bela", 0.5, "near", (("Ada", 0.25), ("B\x07", 1.0), ("Chen", 1.5)),
    face=face_at(0, 10, 20, 40),
)  # fmt: skip
NOBODY = Identification(
    None, 1.5, 1.0, "Chen", None, None, "Chen is too far", (("Chen", 1.5),), face=face_at(90, 90, 110, 120, number=2)
)
UNCLEAR = Identification(
    None, 1.5, 1.0, "Chen", None, None, "too small to tell: 9 pixels between the eyes; expected 20 or more, or "
    "--any-quality", judged=False, face=face_at(100, 100, 101, 102, number=13),
)  # fmt: skip


@pytest.mark.parametrize(
    ("result", "calibrated", "lines"),
    [
        (
            ADA,
            None,
            [
                "p�.png: Ada",
                f"   1  {'Ada':<24}    0.2500  ≤ 1",
                f"   2  {'B�':<24}    1.0000  ≤ 1",
                f"   3  {'Chen':<24}    1.5000",
            ],
        ),
        (
            NOBODY,
            True,
            ["p�.png: not recognized", f"   1  {'Chen':<24}    1.5000", "  Chen is too far"],
        ),
        (
            UNCLEAR,
            True,
            [
                "p�.png: too small",
                "  too small to tell: 9 pixels between the eyes; expected 20 or more, or",
                "  --any-quality",
            ],
        ),
    ],
)
def test_a_face_that_is_identified_in_full(result, calibrated, lines):
    gallery = SimpleNamespace(calibration=calibrated, comparisons=12)
    assert list(face_verify._lines("p\x07.png", [result], gallery)) == lines


def test_the_size_of_a_calibrated_gallery_is_said_once():
    lines = list(face_verify._matches("p.png", ADA, SimpleNamespace(calibration=True, comparisons=12)))
    assert [line.endswith("≤ 1 for 12 pictures") for line in lines] == [False, True, False, False]
    long = list(face_verify._matches("p" * 90, NOBODY, SimpleNamespace(calibration=None)))
    assert len(long[0]) == 80 and long[0].endswith("ppp: not recognized") and "…" in long[0]


def test_several_faces_of_a_picture_in_full():
    assert list(face_verify._lines("party.png", [ADA, NOBODY, UNCLEAR], None)) == [
        "party.png: 3 faces, 1 recognized",
        f"    1  at 10,25      {'Ada':<24}  0.2500 ≤ 1",
        f"    2  at 100,105    {'not recognized':<24}  1.5000",
        "   13  at 100,101    too small",
    ]
    (first, *_) = face_verify._lines("p" * 90, [ADA, NOBODY], None)
    assert len(first) == 80 and first.endswith("pp: 2 faces, 1 recognized")
    assert [face_verify._status(result) for result in (ADA, NOBODY, UNCLEAR)] == [0, 1, 3]


def watch(monkeypatch, command, done, seen):
    """Tell `done` when a command looks at pictures and freezes a network. seen(path): what is found in a picture."""

    class Looks:
        def __init__(self, _, *given, **options):
            done.append((*given, options))

        def __call__(self, path):
            if Path(path).name == "bad.png":
                raise InputError("it is bad")
            return seen(path)

        def conclude(self):
            done.append("concluded")

    @contextlib.contextmanager
    def frozen(network):
        done.append(network)
        yield
        done.append("thawed")

    monkeypatch.setattr(command, "Looker", Looks)
    monkeypatch.setattr("minicnn.frozen", frozen)


@pytest.mark.parametrize("as_json", [True, False])
def test_pictures_are_identified_by_a_gallery_for_this_call(monkeypatch, capsys, as_json):
    class Held:
        threshold, identification_threshold, any_quality = 1.5, 1.25, False
        calibration = None

        def identify(self, shown, *, matches):
            done.append((shown, matches, self.threshold, self.any_quality))
            return {"a.png": [ADA], "b.png": [NOBODY, UNCLEAR]}[shown]

    done, drawn = [], []
    encoder = SimpleNamespace(name="toy", card="a card", network="a network")
    watch(monkeypatch, face_verify, done, lambda path: path)
    monkeypatch.setattr(face_verify, "opened", lambda path, arguments: (encoder, Held()))
    monkeypatch.setattr(face_verify, "_draw", lambda arguments, *given: drawn.append(given))
    monkeypatch.setattr(face_verify.inputs, "read_folder", lambda path: f"people of {path}")
    pictures = ["a.png", "bad.png", "b.png"]
    given = {"gallery": "g.h5", "images": pictures, "threshold": 0.0, "any_quality": True, "matches": 2}
    given |= {"json": as_json, "picture": "i.png", "faces": "album"}
    assert face_verify.identify(SimpleNamespace(**given)) == 3  # the most serious of all faces
    out, err = capsys.readouterr()
    assert err == "minicnn: it is bad\n"
    asked = [(path, 2, 0.0, True) for path in ("a.png", "b.png")]
    assert done == [("a card", 3, {}), "a network", *asked, "thawed", "concluded"]
    assert drawn == [(encoder, [("a.png", [ADA]), ("b.png", [NOBODY, UNCLEAR])], "people of album")]
    if not as_json:
        assert out.splitlines() == [
            *face_verify._lines("a.png", [ADA], Held()),
            *face_verify._lines("b.png", [NOBODY, UNCLEAR], None),
        ]
        return
    ada, *others = [
        {key: value for key, value in vars(one).items() if key != "face"} | face_finder.described(one.face)
        for one in (ADA, NOBODY, UNCLEAR)
    ]
    for row in (ada, *others):
        row["matches"] = [{"name": name, "distance": distance} for name, distance in row["matches"]]
    assert json.loads(out) == {
        "gallery": "g.h5",
        "encoder": "toy",
        "threshold": 1.25,
        "identified": [
            {"picture": "a.png", **ada},
            {"picture": "bad.png", "error": "it is bad", "status": 2},
            *({"picture": "b.png", **row} for row in others),
        ],
    }


def test_what_the_picture_of_an_identification_shows(monkeypatch):
    def photographed(result, path):
        face = SimpleNamespace(crop_for=lambda card, *, size: (path, card, size), image=f"picture of {path}")
        return replace(result, face=face)

    drawn = []
    monkeypatch.setattr("minicnn.faces.figures.matches", lambda *given, faces: (given, faces))
    monkeypatch.setattr("minicnn.faces.figures.scenes", lambda *given: given)
    monkeypatch.setattr("minicnn.faces.figures.save", lambda figure, out: drawn.append((figure, out)))
    monkeypatch.setattr("minicnn.faces.drawing.named", lambda image, found: (image, [name for _, name in found]))
    monkeypatch.setattr(images, "save", lambda out, image: drawn.append((image, out)))
    monkeypatch.setattr(face_verify, "_face_of", lambda people, encoder, name: f"{name} of {people}")
    encoder = SimpleNamespace(card="a card")

    def draw(*shown, people=None):
        face_verify._draw(SimpleNamespace(picture="i.png"), encoder, shown, people)
        ((what, out),) = drawn
        drawn.clear()
        assert out == "i.png"
        return what

    crop = ("a.png", "a card", face_verify.inputs.LOOKED_AT)
    ada, nobody, unclear = (photographed(result, "a.png") for result in (ADA, NOBODY, UNCLEAR))
    faces = ["Ada of album", "B\x07 of album", "Chen of album"]
    assert draw(("x/a.png", [ada]), people="album") == ((crop, "Ada", ADA.matches, 1.0), faces)
    assert draw(("x/a.png", [nobody])) == ((crop, "not recognized", NOBODY.matches, 1.0), [])
    assert draw(("x/a.png", [unclear])) == ((crop, "too small", UNCLEAR.matches, None), [])
    both = ("picture of a.png", ["Ada", None])
    assert draw(("x/a.png", [ada, nobody])) == both
    placed = replace(ADA, face=face_finder.Place("picture of b.png", {}))
    assert draw(("x/a.png", [ada, nobody]), ("y/b.png", [placed])) == (
        [both, ("picture of b.png", [])],
        ["a.png", "b.png"],
    )


@pytest.mark.parametrize(
    ("detector", "drawn", "found", "face"),
    [
        ("mtcnn.h5", False, ["a face"], "centre of ['a face']"),
        ("mtcnn.h5", False, [], "middle of people/a.png"),
        ("mtcnn.h5", True, ["a face"], "middle of people/a.png"),
        (None, False, ["a face"], "middle of people/a.png"),
    ],
)
def test_the_face_of_somebody_in_a_folder(monkeypatch, capsys, detector, drawn, found, face):
    def choose(faces, which):
        return SimpleNamespace(crop_for=lambda card, *, size: (f"{which} of {faces}", card, size))

    people = SimpleNamespace(people=("Ada",), root=Path("people"), of=lambda name: ["people/a.png", "people/b.png"])
    monkeypatch.setattr(zoo, "here", {zoo.find("mtcnn"): detector}.get)
    monkeypatch.setattr(images, "load", lambda path: path)
    monkeypatch.setattr(snapshots, "find", lambda image: found)
    monkeypatch.setattr(snapshots, "choose", choose)
    monkeypatch.setattr(cropping, "crop", lambda image, card, *, size: (f"middle of {image}", card, size))
    encoder = SimpleNamespace(card="a card", drawn=drawn)
    assert face_verify._face_of(people, encoder, "Ada") == (face, "a card", face_verify.inputs.LOOKED_AT)
    assert face_verify._face_of(people, encoder, "Bo") is None
    assert capsys.readouterr().err == "note: --faces: no folder 'Bo' in 'people'\n"


# Films


def track(verdict, first="1", last="2", **facts):
    usual = {"best": "1", "frames": 3, "box": (1.0, 2.0, 3.0, 4.0), "judged": int(verdict.judged)}
    return SimpleNamespace(verdict=verdict, first=first, last=last, **usual | facts)


def test_detected_faces_in_full():
    def found(number, problem):
        marks = np.array([[31.4, 40], [60, 41.6], [45, 55], [35, 70], [55, 70]])
        box = (number + 0.6, 20.4, 90, 100)
        return SimpleNamespace(number=number, score=0.98765, box=box, landmarks=marks, quality=quality(problem))

    def quality(problem):
        return SimpleNamespace(problem=problem)

    faces = [found(1, ""), found(12, "too blurred to tell: 3 of 20")]
    assert list(face_detect._lines("p\x07.png", faces, Path("out\x07.png"))) == [
        "p�.png: 2 faces",
        "   1  score 0.988  88 × 80 at 2,20       eyes 31,40 60,42",
        "  12  score 0.988  77 × 80 at 13,20      eyes 31,40 60,42      too blurred",
        "  drawn: out�.png",
    ]
    assert list(face_detect._lines("p.png", [], None)) == ["p.png: no face was found"]


def test_what_detect_looks_for_and_draws(tmp_path, monkeypatch, capsys):
    def find(image, **options):
        asked.append(options)
        return [face_at(0, 10, 20, 40, turn=turn) for turn in turns[image[0, 0, 0]]]

    turns, asked, saved = {0: (90, 180), 1: (0,), 2: ()}, [], []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(images, "load", lambda path: np.full((3, 5, 3), int(path[0])))
    monkeypatch.setattr(images, "save", lambda path, marked: saved.append((path.as_posix(), marked)))
    monkeypatch.setattr(faces, "find", find)
    monkeypatch.setattr("minicnn.faces.drawing.marked", lambda image, found: (image[0, 0, 0], len(found)))
    monkeypatch.setattr("minicnn.models.mtcnn", lambda weights: f"detector of {weights}")
    for name in ("0.png", "1.png", "2.png"):
        Path(name).touch()
    assert main(["face", "detect", "0.png", "1.png", "2.png", "-o", "out/", "--json"]) == 1
    out, err = capsys.readouterr()
    assert err == "note: 0.png: found a face after rotating the picture by 90°\n"
    told = json.loads(out)
    assert [(row["picture"], row["size"], len(row["faces"])) for row in told] == [
        ("0.png", [5, 3], 2), ("1.png", [5, 3], 1), ("2.png", [5, 3], 0),
    ]  # fmt: skip
    assert saved == [("out/0.faces.png", (0, 2)), ("out/1.faces.png", (1, 1)), ("out/2.faces.png", (2, 0))]
    assert (
        main(["face", "detect", "1.png", "-o", "one.png", "--min-size", "12.5", "--weights", "own.h5", "--json"]) == 0
    )
    assert saved[3:] == [("one.png", (1, 1))]
    usual = {"min_size": 40, "detector": "detector of mtcnn"}
    assert asked == [usual] * 3 + [{"min_size": 12.5, "detector": "detector of own.h5"}]


def test_tracks_in_full():
    tracks = [track(ADA, "0:01.00", frames=1200), track(NOBODY, last="b\x07"), track(UNCLEAR, best="frame_10")]
    assert list(face_follow._table(tracks)) == [
        "  from     to  who             distance  frames  best",
        "  0:01.00  2   Ada               0.2500   1,200  1",
        "  1        b�  not recognized    1.5000       3  1",
        "  1        2   too small                      3  frame_10",
    ]
    assert list(face_follow._table([])) == ["no face was found"]
    told = face_follow._plain(tracks[1])
    assert {key: told[key] for key in ("from", "to", "frames", "best", "box", "frames_judged", "name", "matches")} == {
        "from": "1",
        "to": "b\x07",
        "frames": 3,
        "best": "1",
        "box": [1, 2, 3, 4],
        "frames_judged": 1,
        "name": None,
        "matches": [{"name": "Chen", "distance": 1.5}],
    }
    assert not told.keys() & {"face", "nearest_picture"}


@pytest.mark.parametrize(("length", "total"), [(0, None), (7, 7)])
@pytest.mark.parametrize(("as_json", "title", "hidden"), [(False, "following", None), (True, None, True)])
def test_the_bar_of_a_film_goes_to_its_last_frame(monkeypatch, length, total, as_json, title, hidden):
    class Film:
        def __init__(self, path, *, every):
            assert (path, every) == ("film.mp4", 2)

        def __len__(self):
            return length

    class Bar:
        def __init__(self, film, *shown, **options):
            shown_as.append((type(film), *shown, options))

        def __iter__(self):
            return iter([("0:01", "a picture"), ("0:02", "another")])

        def close(self):
            shown_as.append("closed")

    monkeypatch.setattr("minicnn.films.Film", Film)
    monkeypatch.setattr("tqdm.tqdm", Bar)
    seen, shown_as = [], []
    frames = face_follow._frames(SimpleNamespace(frames="film.mp4", every=2, json=as_json), seen)
    assert [*frames] == [("0:01", "a picture"), ("0:02", "another")] and seen == ["0:01", "0:02"]
    assert shown_as == [(Film, title, total, {"leave": False, "unit": " frames", "disable": hidden}), "closed"]


# Shards


def test_hits_in_full(capsys):
    quality = SimpleNamespace(_asdict=lambda: {"sharpness": 0.123456}, problem="blurred")
    hit = SimpleNamespace(picture="a\x07.png", face=3, box=(1.234, 2.0, 3.0, 4.567), quality=quality)
    bare = SimpleNamespace(picture="b.png", face=1, box=None, quality=None)
    hits = [face_scale._described(hit, np.float32(0.5)), face_scale._described(bare, 1)]
    assert hits == [
        {
            "distance": 0.5,
            "picture": "a\x07.png",
            "face": 3,
            "box": [1.23, 2.0, 3.0, 4.57],
            "quality": {"sharpness": 0.1235},
            "problem": "blurred",
        },
        {"distance": 1.0, "picture": "b.png", "face": 1, "box": None, "quality": None, "problem": ""},
    ]
    face_scale._print({"picture": "p\x07.png", "face": 2, "hits": hits})
    face_scale._print({"picture": "p.png", "face": 1, "hits": []})
    assert capsys.readouterr().out.splitlines() == [
        "p�.png, face 2",
        "  0.5000  a�.png, face 3 at 1,2 (blurred)",
        "  1.0000  b.png",
        "p.png, face 1",
        "  nobody within the threshold",
    ]


@pytest.mark.parametrize("drawn", [False, True])
def test_pictures_that_are_encoded_in_full(monkeypatch, capsys, drawn):
    class Bar:
        n = initial = 0

        def __init__(self, **options):
            bars.append(options)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            bars.append("closed")

        def refresh(self):
            bars.append((self.initial, self.n))

        @staticmethod
        def write(text, file):
            print(text, file=file)

    def encode_all(names, out, network, *, per_shard, detector, client, on_shard):
        assert (names, out, network, per_shard) == (["a.png", "b.png"], "o\x07", "network", 3)
        assert (detector, client) == (None if drawn else "detector", "client of cluster with 2")
        for shards, pictures in ((0, 0), (2, 20), (3, 25)) if faces else ((0, 10), (1, 15), (0, 20)):
            on_shard(SimpleNamespace(shards=shards, pictures=pictures))
        return Summary(shards=3, pictures=25, faces=faces, broken=1 - bool(faces))

    bars = []
    encoder = SimpleNamespace(name="toy", network="network")
    monkeypatch.setattr("tqdm.tqdm", Bar)
    monkeypatch.setattr(face_scale, "_listed", {"folder": ["a.png", "b.png"]}.get)
    monkeypatch.setattr(face_scale.inputs, "encoder_for", lambda arguments: encoder)
    monkeypatch.setattr(
        face_scale, "_client", lambda address, workers: contextlib.nullcontext(f"client of {address} with {workers}")
    )
    monkeypatch.setattr("minicnn.scale.encode_all", encode_all)
    monkeypatch.setattr("minicnn.faces.detection.the_detector", lambda: "detector")
    given = {"source": "folder", "out": "o\x07", "per_shard": 3, "cluster": "cluster", "workers": 2, "drawn": drawn}
    faces = 1200
    assert face_scale.encode(SimpleNamespace(**given, json=False)) == 0
    assert capsys.readouterr() == ("o�: 1,200 faces in 25 pictures, 3 shards\n", "")
    options = {"total": 2, "unit": " pictures", "leave": False}
    assert bars == [options | {"disable": None}, (0, 0), (20, 20), (20, 25), "closed"]
    bars.clear()
    faces = 0
    assert face_scale.encode(SimpleNamespace(**given, json=True)) == 3
    said = capsys.readouterr()
    told = {"out": "o\x07", "encoder": "toy", "shards": 3, "pictures": 25, "faces": 0, "broken": 1}
    assert json.loads(said.out) == told
    assert said.err == "note: 1 picture could not be read; the manifests of the shards say why\n"
    assert bars == [options | {"disable": True}, (10, 10), (10, 15), (20, 20), "closed"]


def test_a_search_is_by_the_encoder_of_the_collection_and_concludes(monkeypatch, capsys):
    class Collection:
        missing, facts = 2, "facts"

        def __init__(self, folder, *, client):
            done.append(("opened", folder, client))

        def check_encoder(self, found):
            done.append(("checked", found))

        def nearest(self, encodings, count):
            done.append(("searched", encodings, count))
            return [], []

    class Looks:
        def __init__(self, _, card, count):
            done.append(("looks", card, count))

        def __call__(self, path):
            return [SimpleNamespace(crop=f"face of {path}")]

        def conclude(self):
            done.append("concluded")

    done = []
    encoder = SimpleNamespace(network="network", card="card")
    monkeypatch.setattr("minicnn.scale.Collection", Collection)
    monkeypatch.setattr("minicnn.faces.encode", lambda network, crops: (network, crops))
    monkeypatch.setattr("minicnn.faces.encoding.identity", lambda network: f"identity of {network}")
    monkeypatch.setattr(face_scale, "Looker", Looks)
    monkeypatch.setattr(face_scale.inputs, "encoder_for", lambda _, facts: done.append(facts) or encoder)
    monkeypatch.setattr(face_scale, "_client", lambda address: contextlib.nullcontext(f"client of {address}"))
    given = {"encodings": "shards", "images": ["a.png"], "matches": 3, "threshold": None, "cluster": "here"}
    assert face_scale.search(SimpleNamespace(**given, json=False)) == 0
    assert done == [
        ("opened", "shards", "client of here"),
        "facts",
        ("checked", "identity of network"),
        ("looks", "card", 1),
        ("searched", ("network", ["face of a.png"]), 3),
        "concluded",
    ]
    missing = "note: 2 shards are missing; minicnn face encode resumes a stopped run\n"
    assert tuple(capsys.readouterr()) == ("", missing)


def test_what_is_no_list_of_pictures(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    expected = "expected a folder of pictures, or a list of their paths, one per line"
    Path("empty.txt").write_text(" \n\n", encoding="utf-8")
    Path("a.PNG").touch()
    Path("list.txt").write_text("a.png\n\n b.png\n", encoding="utf-8")
    assert face_scale._listed("list.txt") == ["a.png", " b.png"]
    for name, problem in (("empty.txt", "is empty"), ("a.PNG", "is a picture"), ("no.txt", "does not exist")):
        with pytest.raises(MissingFileError if name == "no.txt" else InputError) as said:
            face_scale._listed(name)
        assert str(said.value) == f"encode: {name!r} {problem}; {expected}"


# Training


def report(capsys, figures, head=None, **given):
    figures = {"minutes": 3, "people": 40, "pictures": 400, **figures}
    face_train._report(SimpleNamespace(json=False, **given), Path("out.h5"), head, figures)
    return capsys.readouterr().out.splitlines()


def test_what_is_said_after_training(capsys):
    good = {"accuracy": 0.99, "standard_error": 0.25, "val_at_far_0.001": 0.5}
    poor = {"accuracy": 0.5, "standard_error": 0.05, "val_at_far_0.001": 0.0}
    assert report(capsys, {"after": good}) == [
        "out.h5: trained for 3 minutes on 40 people, 400 pictures",
        f"{'after':<32}  99.00% (50.00% to 100.00%), VAL 50.00% at FAR 0.001",
    ]
    assert report(capsys, {"before": poor, "after": good, "baselines": {"chance": 0.5}}, head=object()) == [
        "out.h5: trained for 3 minutes on 40 people, 400 pictures",
        "out.head.h5: its pair head",
        f"{'before':<32}  50.00% (40.20% to 59.80%), VAL 0.00% at FAR 0.001",  # ± 1.96 standard errors
        f"{'after':<32}  99.00% (50.00% to 100.00%), VAL 50.00% at FAR 0.001",
        f"{'chance':<32}  50.00%",
    ]
    face_train._report(SimpleNamespace(json=True), Path("out.h5"), None, {"after": good})
    assert json.loads(capsys.readouterr().out) == {"file": "out.h5", "after": good}


def training(**changes):
    usual = {"loss": "triplet", "head": "l1", "seed": 0, "init": None, "softmax": None, "comparing": None}
    usual |= {"batch": None, "margin": None, "freeze": "", "data": None, "test": None, "resume": False}
    usual |= {"people": 2, "pictures": 2, "test_people": 4, "checkpoint_every": 1}
    return SimpleNamespace(**usual | changes)


def test_plans_of_training():
    usual = face_train._plan(training(seed=3))
    assert (usual.seed, usual.loss, usual.head, usual.frozen) == (3, "triplet", "l1", ())
    tuned = face_train._plan(training(init="a.h5", freeze="block1,,block2", batch=[5, 6], margin=0.0))
    assert (tuned.softmax, tuned.comparing, tuned.frozen) == ((0, 0.01), (20, 0.005), ("block1", "block2"))
    assert (tuned.people, tuned.pictures, tuned.margin) == (5, 6, 0.0)
    told = face_train._plan(training(init="a.h5", comparing=["3", "0.25"]))
    assert (told.softmax, told.comparing) == ((0, 0.01), (3, 0.25))
    for phase, pair in itertools.product(("softmax", "comparing"), (["x", "1"], ["1", "x"], ["1.5", "1"])):
        with pytest.raises(InputError) as said:
            face_train._plan(training(**{phase: pair}))
        assert str(said.value) == f"face train: {phase} is {' '.join(pair)}; expected EPOCHS and RATE"


def test_options_of_training_at_their_borders(tmp_path):
    def check(**changes):
        face_train._check(training(**changes), tmp_path / "out.h5", tmp_path / "c.npz")

    check()
    check(init="a.h5", freeze="block1", data="d", test="t")
    for name, least in {"people": 2, "pictures": 2, "test_people": 4, "checkpoint_every": 1, "seed": 0}.items():
        with pytest.raises(InputError) as said:
            check(**{name: least - 1})
        assert str(said.value) == f"face train: {name} is {least - 1}; expected at least {least}"
    with pytest.raises(InputError, match=r"^face train: freeze is 'block1' without --init; random weights must learn$"):
        check(freeze="block1")
    with pytest.raises(InputError, match=r"^face train: test is for a folder of your own, with --data; drawn people"):
        check(test="t")


@pytest.mark.parametrize(
    ("looks", "test", "line"),
    [
        (True, None, "detected and aligned; 2 pictures without a face are cropped at the centre"),
        (True, "test", "detected and aligned; 2 pictures without a face are cropped at the centre"),
        (False, None, "cropped at the centre of each picture"),
    ],
)
def test_pictures_to_train_on_are_those_of_a_folder(monkeypatch, capsys, looks, test, line):
    made, read = [], []

    class Looks:
        centred, missed = True, 2

        def __init__(self, *given, **options):
            self.looks = looks
            made.append((*given, options))

        def look(self, image, path):
            return iter([SimpleNamespace(crop=f"face of {path}")] if path == "a" else [])

    def folder(root, size, take):
        return [take("image", path) for path in "ab"], f"labels of {root} at {size}"

    monkeypatch.setattr(face_finder, "Looker", Looks)
    monkeypatch.setattr("minicnn.faces.training_pictures.folder", folder)
    monkeypatch.setattr(face_train.inputs, "read_folder", read.append)
    encoder = SimpleNamespace(card=SimpleNamespace(input_size=(16, 16)))
    arguments = training(data="data", test=test)
    seen = ["face of a", None] if looks else [None, None]
    expected = (seen, "labels of test at 16") if test else (None, "labels of data at 16")
    for progress, said in ((True, f"faces are {line}\n"), (False, "")):
        found = face_train._faces(arguments, encoder, Path("out/net.h5"), progress)
        assert found == (seen, "labels of data at 16", *expected)
        assert capsys.readouterr().out == said
    assert read == ["data", *([test] if test else [])] * 2
    assert made == [(arguments, encoder.card, face_finder.FEW + 1, {"usual": "centre", "strict": False})] * 2


def test_drawn_pictures_to_train_on(monkeypatch):
    monkeypatch.setattr("minicnn.faces.training_pictures.drawn", lambda *given, **options: (given, options))
    encoder = SimpleNamespace(card=SimpleNamespace(input_size=(16, 16)))
    arguments = training(seed=1, people=2, pictures=3, test_people=4)
    assert face_train._faces(arguments, encoder, Path("out/net.h5"), True) == (
        (1, 2, 3, 4),
        {"size": 16, "folder": Path("out"), "progress": True},
    )


@pytest.mark.parametrize(
    ("given", "tested", "head", "expected"),
    [
        ({}, True, None, ["after shipped None", "baselines"]),
        ({"loss": "pair"}, True, "head", ["after shipped None", "pair head shipped head", "baselines"]),
        ({"data": "people", "test": "others"}, True, None, ["after shipped None"]),
        ({"data": "people", "init": "a.h5"}, False, None, []),
        ({"init": "a.h5"}, True, None, ["before encoder None", "after shipped None", "baselines"]),
    ],
)
def test_what_is_measured_before_and_after_training(monkeypatch, tmp_path, capsys, given, tested, head, expected):
    class Named(str):
        def to(self, device):
            return Named(self)

    def write(encoder, its_head, out, attributes):
        written.append((encoder, its_head, out.name, attributes.get("accuracy")))
        return "shipped"

    def measured(encoder, images, labels, its_head):
        assert (images, labels) == ("test pictures", "test labels")
        return f"{encoder} {its_head}"

    written, asked = [], []
    held_out = ("test pictures", "test labels") if tested else (None, "labels")
    head = head and Named(head)
    monkeypatch.setattr(face_train, "_encoder", lambda arguments, plan: Named("encoder"))
    monkeypatch.setattr(face_train, "_faces", lambda *_: ("abc", np.array([0, 4, 4]), *held_out))
    monkeypatch.setattr(face_train, "_write", write)
    monkeypatch.setattr(face_train, "_measured", measured)
    monkeypatch.setattr(face_train, "_figures", lambda found: {"accuracy": found})
    monkeypatch.setattr(face_train, "_baselines", lambda *pictures: [*pictures])
    monkeypatch.setattr("minicnn.models.tiny_face.fold", lambda encoder: f"folded {encoder}")
    monkeypatch.setattr(
        "minicnn.faces.training.train_encoder", lambda *parts, **options: asked.append((parts, options)) or head
    )
    out = tmp_path / "net.h5"
    arguments = training(json=True, device="cpu", out=str(out), **given)
    face_train.run(arguments)
    figures = json.loads(capsys.readouterr().out)
    assert (figures.pop("file"), figures.pop("people"), figures.pop("pictures")) == (str(out), 2, 3)
    del figures["minutes"]
    told = [f"{name} {found['accuracy']}" for name, found in figures.items() if name != "baselines"]
    assert [*told, *(["baselines"] if "baselines" in figures else [])] == expected
    assert figures.get("baselines") in (None, ["abc", "test pictures", "test labels"])
    whole = "encoder" if "init" in given else "folded encoder"
    after = [(whole, head, "net.h5", "shipped None")] if tested else []
    assert written == [(whole, head, "net.h5", None), *after]
    (((encoder, pictures, labels, plan), options),) = asked
    assert (encoder, pictures, labels.tolist(), plan.loss) == ("encoder", "abc", [0, 4, 4], arguments.loss)
    checkpoint = tmp_path / "net.checkpoint.npz"
    assert options == {"checkpoint": checkpoint, "resume": False, "checkpoint_every": 1, "progress": False}


@pytest.mark.parametrize(("pictures", "components"), [(3, 2), (128, 127), (129, 128), (500, 128)])
def test_baselines_have_fewer_components_than_there_are_pictures(monkeypatch, pictures, components):
    def compare(*given, **options):
        assert given == (training_images, "images", "pairs of labels") and options == {"components": components}
        return [SimpleNamespace(name="chance", accuracy=0.5), SimpleNamespace(name="pixels", accuracy=0.75)]

    training_images = [0] * pictures
    monkeypatch.setattr("minicnn.datasets.synthetic_faces.baselines.compare", compare)
    monkeypatch.setattr("minicnn.faces.measurement.evaluation_pairs", lambda labels: f"pairs of {labels}")
    assert face_train._baselines(training_images, "images", "labels") == {"chance": 0.5, "pixels": 0.75}


def test_figures_of_an_encoder():
    evaluation = SimpleNamespace(accuracy=0.9, standard_error=np.float64(0.01), auc=0.95)
    assert face_train._figures(SimpleNamespace(evaluation=evaluation, val=0.5, threshold=1.25)) == {
        "accuracy": 0.9,
        "standard_error": 0.01,
        "auc": 0.95,
        "val_at_far_0.001": 0.5,
        "threshold_at_far_0.001": 1.25,
    }


def test_what_training_writes_beside_its_file(tmp_path, monkeypatch, capsys):
    beside = face_train._beside(training(loss="pair", out="a/net.v2.h5"))
    assert list(beside) == [("the head next to --out,", Path("a/net.v2.head.h5"))]
    assert list(face_train._beside(training(out="a/net.h5"))) == []
    monkeypatch.chdir(tmp_path)
    Path("net.head.h5").write_bytes(b"weights")
    assert main(["face", "train", "--loss", "pair", "--init", "net.head.h5", "-o", "net.h5"]) == 2
    assert "the head next to --out" in capsys.readouterr().err and Path("net.head.h5").read_bytes() == b"weights"


def test_what_a_file_says_of_its_training():
    plan = SimpleNamespace(seed=3, loss="pair")
    drawn = face_train._attributes(training(people=7, pictures=9), plan, {"auc": 0.5})
    assert drawn["trained_on"] == "7 drawn people, 9 each" and drawn["faces"] == "drawn" and drawn["auc"] == 0.5
    own = face_train._attributes(training(data="some/fol\x07der"), plan, {})
    assert own == {
        "trained_on": "fol�der", "faces": "photographs", "seed": 3, "loss": "pair", "licence": "MIT",
    }  # fmt: skip


# Groups


def test_the_most_typical_picture_of_a_group_is_first():
    seen = [{"picture": name} for name in "abcd"]
    encodings = np.array([[0.0, 0.0], [3.0, 0.0], [9.0, 0.0], [9.0, 1.0]])
    assert face_cluster._groups(seen, encodings, np.array([0, 0, 0, -1])) == {
        "person_01": [  # their mean is at 4, 0
            {"picture": "b", "distance": 1.0},
            {"picture": "a", "distance": 16.0},
            {"picture": "c", "distance": 25.0},
        ],
        "_single": [{"picture": "d", "distance": 0.0}],
    }


# Blur


def test_what_is_hidden_and_kept_in_full(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("out").mkdir()
    shown = {"a.png": ["Ada", "Ada", "", "B\x07"], "b.jpg": ["Ada"], "c.gif": [], "d.png": [""]}
    saved, sizes = [], []

    def load(path):
        if path == "bad.png":
            raise InputError("it is bad")
        return path

    def identify(face):
        return SimpleNamespace(name=face or None, distance=0.75, threshold=1.0)

    monkeypatch.setattr(images, "load", load)
    monkeypatch.setattr(images, "save", lambda path, hidden, marked: saved.append((path.as_posix(), hidden, marked)))
    monkeypatch.setattr(faces, "everybody", lambda picture, *, min_size: sizes.append(min_size) or shown[picture])
    monkeypatch.setattr(faces, "hide", lambda picture, hidden: (picture, hidden))
    monkeypatch.setattr(face_blur, "opened", lambda path, arguments: (None, SimpleNamespace(identify=identify)))

    def blur(*words):
        return main(["face", "blur", *words, "-o", "out"]), capsys.readouterr().out.replace("\\", "/")

    assert blur("a.png", "b.jpg", "d.png", "--keep", "g.h5") == (
        0,
        "a.png: 1 face hidden, 3 kept (Ada, B�): out/a.png\n"
        "b.jpg: 0 faces hidden, 1 kept (Ada): out/b.jpg\n"
        "d.png: 1 face hidden: out/d.png\n",
    )
    assert saved == [
        ("out/a.png", ("a.png", [""]), False),
        ("out/b.jpg", ("b.jpg", []), False),
        ("out/d.png", ("d.png", [""]), False),
    ]
    assert blur("a.png", "c.gif") == (1, "a.png: 4 faces hidden: out/a.png\nc.gif: 0 faces hidden: out/c.gif.png\n")
    assert sizes == [20] * 5
    status, told = blur("bad.png", "b.jpg", "--json", "--min-size", "12.5")
    assert sizes[5:] == [12.5]
    assert (status, json.loads(told)) == (
        2,
        [
            {"picture": "bad.png", "error": "it is bad", "status": 2},
            {"picture": "b.jpg", "out": str(Path("out/b.jpg")).replace("\\", "/"), "hidden": 1, "kept": []},
        ],
    )


# Galleries


@pytest.mark.parametrize(
    ("changes", "metric", "per_person"),
    [
        ({}, "squared_l2", "distance to the nearest picture"),
        ({"score": "mean"}, "squared_l2", "mean distance to all pictures"),
        (
            {"score": "nearest", "head": SimpleNamespace(kind="l1"), "calibration": calibration(threshold=0.123456)},
            "pair head l1",
            "mean distance to the 7 nearest pictures",
        ),
    ],
)
def test_a_list_of_people_in_full(monkeypatch, capsys, changes, metric, per_person):
    class Records:
        def __init__(self, counts):
            self.counts = counts

        def __len__(self):
            return sum(self.counts.values())

    records = Records({"Ada": 3, "B\x07": 1200})
    facts = {"model": "toy", "metric": "squared_l2", "weights_sha256": "abc", "more": "unsaid"}
    content = SimpleNamespace(records=records, facts=facts)
    usual = {"threshold": 0.123456, "calibration": None, "head": None, "score": "min", "neighbours": 7}
    held = SimpleNamespace(**usual | changes, comparisons=lambda records: max(1, len(records) // 401))
    monkeypatch.setattr(gallery_file, "target_of", lambda path, function: (path, function))
    monkeypatch.setattr(gallery_file, "read", {("g\x07.h5", "list"): content}.get)
    monkeypatch.setattr(settings.Settings, "of", lambda found: held)
    assert main(["face", "list", "g\x07.h5"]) == 0
    threshold = "0.1235"
    if held.calibration:
        threshold += f", calibrated; {held.calibration.for_gallery(3):.4g} to identify"
    assert capsys.readouterr().out.splitlines() == [
        "g�.h5: 2 people, 1,203 pictures",
        "  encoder       toy",
        f"  threshold     {threshold}",
        f"  metric        {metric}",
        f"  per person    {per_person}",
        "",
        "  Ada       3",
        "  B�    1,200",
    ]
    assert main(["face", "list", "g\x07.h5", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "gallery": "g\x07.h5",
        "model": "toy",
        "weights_sha256": "abc",
        "metric": "squared_l2",
        "threshold": 0.123456,
        "calibrated": held.calibration is not None,
        "score": held.score,
        "people": records.counts,
    }
    records.counts = {}
    assert main(["face", "list", "g\x07.h5"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"  per person    {per_person}"


@pytest.mark.parametrize("as_json", [True, False])
@pytest.mark.parametrize("first", [True, False])
def test_what_enrolment_takes_saves_and_says(tmp_path, monkeypatch, capsys, first, as_json):
    class Held(dict):
        threshold = 0.123456

        @property
        def people(self):
            return self

        def enroll(self, name, shown):
            done.append((name, *shown))
            self[name] = len(shown)
            refused = ((0, "it is dark"),) if name == "Bo" else ()
            return Enrolment(name, tuple(range(len(shown) - len(refused))), (), (), (), len(shown), refused)

        def save(self, path):
            done.append(path)

    def seen(path):
        return [Candidate(f"crop of {path.name}", "quality", "a whole picture", 3, 0)]

    monkeypatch.chdir(tmp_path)
    if not first:
        Path("g.h5").touch()
    done, held = [], Held()
    encoder = SimpleNamespace(name="toy", drawn=True, card="a card", network="a network", origin="its own")
    people = {
        "Ada": [Path("x/a.png"), Path("x/bad.png"), Path("x/b.png")],
        "Bo": [Path("c.png")],
        "Cy": [Path("bad.png")],
    }
    watch(monkeypatch, face_gallery, done, seen)
    monkeypatch.setattr(face_gallery, "_people", lambda who: people)
    monkeypatch.setattr(face_gallery, "_made", lambda arguments, path: (encoder, held) if first else None)
    monkeypatch.setattr(face_gallery, "_opened", lambda arguments, path: (encoder, held))
    monkeypatch.setattr("minicnn.faces.safety.SAFETY", "Take care.\nReally.\n\nDo.")
    arguments = SimpleNamespace(gallery="g.h5", who=["people"], threshold=None, json=as_json)
    assert face_gallery.enroll(arguments) == 3
    a, b, c = (Candidate(f"crop of {name}.png", "quality", None, 1, 0) for name in "abc")
    enrolled = [("Ada", a, b), ("Bo", c)]
    assert done == [("a card", 5, {"one": True}), "concluded", "a network", *enrolled, "thawed", Path("g.h5")]
    out, err = capsys.readouterr()
    safety = "\nTake care. Really.\n\nDo.\n"
    note = "note: the threshold is 0.1235: its own. It was not calibrated on your pictures; "
    note += "minicnn face calibrate does that\n"
    bad = "minicnn: it is bad\n" * 2
    if not as_json:
        assert out == (
            "Ada: 2 added, 2 pictures in all\nBo: 0 added, 1 picture in all\n  c.png was passed over: it is dark\n"
            "g.h5: 2 people, 3 pictures, encoded by toy\n" + safety * first
        )
        assert err == bad + note * first
        return
    assert err == bad + (safety + note) * first
    usual = {"duplicates": [], "outliers": [], "lookalikes": [], "several": []}
    names = {name: [str(path) for path in paths] for name, paths in people.items()}
    failed = {"error": "it is bad", "status": 2}
    assert json.loads(out) == {
        "gallery": "g.h5",
        "encoder": "toy",
        "drawn": True,
        "threshold": 0.123456,
        "people": 2,
        "enrolled": [
            {
                "name": "Ada",
                "added": [0, 1],
                "total": 2,
                "refused": [],
                **usual,
                "pictures": [names["Ada"][0], names["Ada"][2]],
            },
            {"name": "Bo", "added": [], "total": 1, "refused": [[0, "it is dark"]], **usual, "pictures": names["Bo"]},
        ],
        "failed": [
            {"name": "Ada", "picture": names["Ada"][1], **failed},
            {"name": "Cy", "picture": names["Cy"][0], **failed},
        ],
    }


def test_an_enrolment_of_nobody_says_and_saves_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(face_gallery, "_people", lambda who: {})
    monkeypatch.setattr(face_gallery, "Looker", lambda *_, **__: SimpleNamespace(conclude=lambda: None))
    encoder = SimpleNamespace(card="a card", network=NAMED)
    monkeypatch.setattr(face_gallery, "_made", lambda arguments, path: (encoder, {}))
    monkeypatch.setattr("minicnn.frozen", contextlib.nullcontext)
    assert face_gallery.enroll(SimpleNamespace(gallery="g.h5", who=["people"], threshold=None, json=False)) == 0
    assert capsys.readouterr() == ("", "")


def test_people_are_named_with_their_pictures(monkeypatch):
    folder = SimpleNamespace(people=["Ada", "Bo"], of=lambda name: (Path(f"{name}.png"),))
    monkeypatch.setattr(face_gallery.inputs, "read_folder", {".": folder}.get)
    monkeypatch.setattr(
        face_gallery, "pictures_in", lambda words, function: [f"{word} to {function}" for word in words]
    )
    assert face_gallery._people(["."]) == {"Ada": [Path("Ada.png")], "Bo": [Path("Bo.png")]}
    assert face_gallery._people(["Ada", "a", "b"]) == {"Ada": [Path("a to enroll"), Path("b to enroll")]}


def test_a_receipt_in_full():
    report = SimpleNamespace(name="A\x07", added=[0, 1], total=1, notes=lambda names: [f"{names[1]} " + "word " * 20])
    assert list(face_gallery._receipt(report, [Path("x/a.png"), Path("x/b\x07.png")])) == [
        "A�: 2 added, 1 picture in all",
        "  b�.png " + " ".join(["word"] * 14),
        "    " + " ".join(["word"] * 6),
    ]

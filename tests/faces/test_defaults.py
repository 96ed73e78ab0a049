"""What holds where nobody says otherwise: defaults, published numbers, limits, and records that nobody can change."""

import dataclasses
import importlib
import inspect
import math
import pkgutil

import numpy as np
import pytest

from minicnn import datasets, faces, scale, style
from minicnn.datasets.minibatches import batches
from minicnn.datasets.pairs import draw_pairs
from minicnn.faces import (
    calibration,
    collapse,
    detection,
    evaluation,
    following,
    gallery_file,
    hiding,
    nearness,
    protocols,
    quality,
    records,
    search,
)
from minicnn.faces.results import Enrolment, Identification, Match, Verification
from minicnn.faces.scoring import people_distances
from minicnn.faces.snapshots import Face
from minicnn.faces.training import FacePlan, train_encoder
from minicnn.style import colour, costs, evolution, variation
from minicnn.style.starts import STARTS

MARGIN = {"margin": 0.2, "squared": True}  # FaceNet's
DEFAULTS = [
    (faces.triplet_loss, {**MARGIN, "reduction": "sum"}),
    (faces.batch_triplet_loss, {**MARGIN, "reduction": "sum"}),
    (faces.active_fraction, MARGIN),
    (faces.mine_triplets, {**MARGIN, "seed": 0}),
    (faces.contrastive_loss, {"margin": 1.0, "reduction": "sum"}),
    (faces.CollapseMonitor, {"margin": 0.2, "patience": 50}),
    (faces.IdentityClassifier.loss, {"smoothing": 0.0}),
    (faces.PairHead, {"kind": "l1", "dimensions": 128}),
    (faces.PeopleSampler, {"seed": 0}),
    (faces.calibrate, {"target_far": 1e-3, "rule": "far", "confidence": 0.95, "seed": 0}),
    (faces.Calibration.probability, {"prior": 0.5}),
    (faces.cluster, {"metric": "squared_l2", "least": 2}),
    (faces.detect, {"min_size": 40.0, "thresholds": (0.6, 0.7, 0.7)}),  # facenet's
    (faces.encode, {"batch_size": 32}),
    (faces.evaluate_pairs, {"folds": 10, "target_far": 1e-3}),  # LFW's
    (evaluation.val_at_far, {"target_far": 1e-3}),
    (evaluation.dir_at_fpir, {"target_fpir": 0.01}),
    (evaluation.share_interval, {"confidence": 0.95}),
    (faces.everybody, {"min_size": 20.0}),
    (faces.follow, {"every": 1, "gap": 5, "min_size": 40.0}),
    (faces.Gallery, {"score": "min", "neighbours": 3, "any_quality": False}),
    (faces.Gallery.identify, {"matches": 5, "faces": "largest"}),
    (faces.Gallery.identify_all, {"matches": 5}),
    (faces.Gallery.judge, {"matches": 5}),
    (people_distances, {"score": "min", "neighbours": 3}),
    (Face, {"number": 1, "turn": 0}),
    (search.nearest, {"k": 1}),
    (search.Index.nearest, {"k": 1}),
    (detection.suppress, {"of_smaller": False}),
    (train_encoder, {"resume": False, "checkpoint_every": 50, "progress": True}),
    (scale.encode_all, {"per_shard": 1000}),
    (scale.Collection.nearest, {"k": 1}),
    (style.transfer, {"seed": 0, "resume": False}),
    (colour.histogram_match, {"rotations": 8}),
    (costs.total_cost, {"alpha": 10, "beta": 40}),  # the course's
    (variation.total_variation, {"power": 1}),
    (evolution.Frames, {"every": 10, "suffix": ".png"}),
    (evolution.Animation, {"frames": 40, "side": 320, "milliseconds": 100}),
    (batches, {"batch_size": 32, "shuffle": True, "drop_last": False}),
    (draw_pairs, {"folds": 10, "pairs": 600, "seed": 0}),  # LFW's
    (datasets.cifar10.read, {"progress": False}),
    (datasets.lfw.evaluation, {"skip_missing": False}),
]


@pytest.mark.parametrize(("function", "expected"), DEFAULTS, ids=lambda value: getattr(value, "__qualname__", ""))
def test_defaults_are_those_that_are_published(function, expected):
    parameters = inspect.signature(function).parameters
    assert {name: parameters[name].default for name in expected} == expected


def test_a_plan_of_training_is_complete_without_options():
    phases = {"people": 24, "pictures": 4, "softmax": (18, 0.1), "comparing": (8, 0.02), "warm_up": 0.2}
    losses = {"loss": "triplet", "margin": 0.2, "head": "l1", "scale": 16.0, "angle": 0.2}
    descent = {"momentum": 0.9, "weight_decay": 5e-4, "frozen": (), "seed": 0}
    pictures = {"shift": 3, "brightness": 0.2, "hidden": 0.5}
    assert dataclasses.asdict(FacePlan()) == phases | losses | descent | pictures


def test_numbers_that_others_have_published():
    assert detection.SHRINK == 0.709 and faces.centres.RATES == {"facenet": 0.05, "wen": 0.5}
    for weights in (quality.LUMINANCE, colour.BRIGHTNESS):
        np.testing.assert_allclose(weights, [0.299, 0.587, 0.114], rtol=1e-6)  # NTSC's
    assert (collapse.NEAR, collapse.CLOSE, collapse.NEARLY_ALL) == (0.01, 0.02, 0.95)
    assert (hiding.DOUBTFUL, hiding.LYING) == ((0.5, 0.6, 0.6), (0.6, 0.7, 0.95))
    assert (following.BEST, following.GAP, following.OVERLAP, following.SIDE) == (5, 5, 0.3, 128)
    assert records.LONGEST_NAME == 200
    assert (nearness.PIECE, nearness.STEP) == (5, 3)
    assert (protocols.MOST_PAIRS, protocols.DRAWS) == (2_000_000, 20)
    assert (calibration.RESAMPLES, calibration.FEWEST_RESAMPLES, calibration.KEPT) == (500, 100, 100)
    assert (gallery_file.COPIED, gallery_file.PATIENCE) == (64 << 20, 60)  # bytes, seconds


LIMITS = {
    "eyes": (9, math.inf),
    "yaw": (-0.6, 0.6),
    "length": (0.6, 1.8),
    "pitch": (0.15, 0.9),
    "glare": (0, 0.6),
    "contrast": (2.5, math.inf),
    "sharpness": (4, math.inf),
    "noise": (0, 12),
    "blocks": (0, 7),
    "grid": (0, 1.1),
}


@pytest.mark.parametrize("name", LIMITS)
def test_a_face_is_judged_up_to_its_limits(name):
    good = faces.Quality(100.0, 60.0, 0.0, 1.2, 0.5, 40.0, 0.0, 2.0, 1.0)
    assert good.problem == "" and good.grid == 0 < good.worth < 1
    least, most = LIMITS[name]
    for limit, sign in ((least, -1), (most, 1)):
        if math.isfinite(limit):
            at, beyond = (good._replace(**{name: limit + sign * more}) for more in (0, 0.01))
            assert at.problem == "" and (at.worth == pytest.approx(0) or limit == 0)
            side = f"{limit:g} or {'more' if sign < 0 else 'less'}"
            assert f"({name} " in beyond.problem and beyond.problem.endswith(f"; expected {side})")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("content", (1, 0, 0, None)),
        ("noise", (0, 0.5, 0, 0.5)),
        ("mean-colour", (0, 0, 0.001 / 256, None)),
        ("faint-noise", (0, 0, 0.256 / 255, None)),
        ("blend", (0.4, 12 / 255, 0, None)),
        ("jitter", (1, 0.25, 0, None)),
    ],
)
def test_starts_keep_so_much_of_the_content_and_add_so_much_noise(name, expected):
    start = STARTS[name]
    assert (start.keep, start.uniform, start.normal, start.middle) == expected


def records_of(package):
    """Every dataclass that the modules of a package define."""
    for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        if module.name not in ("minicnn.scale.workers", "minicnn.datasets.lessons"):
            for _, found in inspect.getmembers(importlib.import_module(module.name), dataclasses.is_dataclass):
                if isinstance(found, type) and found.__module__ == module.name:
                    yield found


@pytest.mark.parametrize("package", [faces, style, scale, datasets], ids=lambda package: package.__name__)
def test_records_cannot_be_changed(package):
    changeable = {found.__name__ for found in records_of(package) if not found.__dataclass_params__.frozen}
    assert changeable <= {"StyleResult"}, changeable


def test_results_are_equal_whatever_face_they_show_and_print_without_it():
    for result in (
        Verification("Ann", True, 0.1, 0.2, face="a face"),
        Identification("Ann", 0.1, 0.2, "Ann", None, None, "why", (Match("Ann", 0.1),), face="a face"),
    ):
        other = dataclasses.replace(result, face="another")
        assert result == other and "a face" not in repr(result) and getattr(result, "judged", True) is True
    track = faces.Track("1", "2", 2, "1", (0.0, 0.0, 1.0, 1.0), np.zeros(3), 1, "verdict")
    assert track == dataclasses.replace(track, picture=np.ones(3)) and "array" not in repr(track)
    assert Enrolment("Ann", (0,), (), (), (), 1).refused == ()

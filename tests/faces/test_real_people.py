"""Clusters, hiding and explanations on a hundred photographs, with what `pip install '.[faces]'` brings."""

import json

import numpy as np
import pytest

from minicnn import models, zoo
from minicnn.cli import main
from minicnn.datasets import image_folders
from minicnn.faces import cluster, encode, everybody, hide, why_near
from minicnn.faces.clusters import agreement
from minicnn.faces.protocols import every_pair
from minicnn.faces.scoring import all_distances, by_metric
from minicnn.faces.snapshots import choose, find
from minicnn.zoo import catalogue, packages

ROWS = [catalogue.find(name) for name in ("dlib_face", "mtcnn")]
pytestmark = pytest.mark.skipif(
    not all(packages.find(row) for row in ROWS), reason=f"needs the weights of faces: {packages.INSTALL}"
)
THRESHOLD = 0.36  # dlib's


@pytest.fixture(autouse=True)
def nothing_else(tmp_path, monkeypatch):
    """No weights but those that are shipped and those in packages."""
    monkeypatch.setattr(zoo.locations, "cache", lambda: tmp_path / "cache")
    monkeypatch.delenv("MINICNN_WEIGHTS", raising=False)


@pytest.fixture(scope="module")
def encoder():
    return models.dlib_face("dlib_face")


@pytest.fixture(scope="module")
def album(shared_data, encoder):
    """(pictures, faces taken, crops, encodings, labels)."""
    folder = image_folders.read(shared_data / "lfw100")
    pictures = [folder.load(i) for i in range(len(folder))]
    taken = [choose(find(picture), "centre") for picture in pictures]
    crops = [face.crop_for(encoder.card) for face in taken]
    return pictures, taken, crops, encode(encoder, crops), folder.labels


def test_a_hundred_photographs_are_ten_people(album):
    *_, encodings, labels = album
    groups = cluster(encodings, threshold=THRESHOLD)
    precision, recall = agreement(groups, labels)
    assert groups.max() == 9 and precision == 1.0 and recall >= 0.98


def test_a_folder_of_strangers_becomes_a_gallery(shared_data, tmp_path, capsys):
    out = tmp_path / "groups"
    assert main(["face", "cluster", str(shared_data / "lfw100"), "-o", str(out), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    people = image_folders.read(out)
    assert len(people.people) == 10 == len(told["groups"]) and len(people) == 100
    assert all(len({path.name.rpartition("_")[0] for path in people.of(name)}) == 1 for name in people.people)
    assert main(["face", "enroll", str(tmp_path / "g.h5"), str(out), "--json"]) == 0


def test_whom_we_have_hidden_our_own_encoder_does_not_know(album, encoder):
    """At dlib's threshold nobody is known as who they are, and the nearest person is theirs about one time in ten. That
    holds against clear pictures, and against pictures that were hidden as well.
    """
    pictures, taken, _, encodings, labels = album
    hidden = [hide(picture, everybody(picture), seed=number) for number, picture in enumerate(pictures)]
    for face, picture in zip(taken, hidden, strict=True):
        face.image = picture
    crops = [face.crop_for(encoder.card) for face in taken]
    found = encode(encoder, crops)
    own = labels[:, None] == labels
    from_clear = all_distances(by_metric("squared_l2"), found, encodings)
    assert from_clear[own].min() > THRESHOLD
    for distances in (from_clear, all_distances(by_metric("squared_l2"), found, found)):
        np.fill_diagonal(distances, np.inf)
        assert np.mean(labels[distances.argmin(axis=1)] == labels) <= 0.2  # chance is 0.1


def test_strangers_are_told_apart_by_what_keeps_them_apart(album, encoder):
    """Of most strangers the map is blue, of most pairs of one person it is red, in the mean."""
    _, _, crops, _, labels = album
    pairs = every_pair(labels, balanced=True)
    chosen = np.random.default_rng(0).choice(np.flatnonzero(pairs.same), 8, replace=False)
    red = []
    for first, second in zip(pairs.first[chosen], pairs.second[chosen], strict=True):
        stranger = int(np.flatnonzero(labels != labels[first])[7 * first % 90])
        found = why_near(encoder, crops[first], crops[second], crops[stranger])
        red.append(found.gradients.mean(axis=(1, 2)))
        assert np.abs(found.occlusions).max() < 1 and found.distances[2] > found.distances[0]
    near, _, far = np.array(red).T
    assert np.mean(near > 0) >= 0.75 and np.mean(far < 0) == 1

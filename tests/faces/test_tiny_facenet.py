"""The encoder of drawn faces that is shipped: it tells people apart whom it has never seen. The full figures stand in
weights/README.md; a few people bound them here.
"""

import numpy as np
import pytest

from minicnn import hdf5, models, zoo
from minicnn.datasets.synthetic_faces import Population, baselines
from minicnn.faces import Gallery, distance, encode, evaluate_pairs
from minicnn.faces.encoders import choose
from minicnn.faces.measurement import evaluation_pairs


@pytest.fixture(scope="module")
def encoder():
    return models.tiny_facenet()


@pytest.fixture(scope="module")
def album():
    population = Population(size=64)
    return population.pictures(population.held_out(24), 4, threads=2)


def test_it_tells_people_apart_where_pixels_do_not(encoder, album):
    encodings = encode(encoder, album.images)
    np.testing.assert_allclose(np.linalg.norm(encodings, axis=1), 1, atol=1e-5)
    pairs = evaluation_pairs(album.people)
    found = evaluate_pairs(distance(encodings[pairs.first], encodings[pairs.second]), pairs.same, folds=pairs.fold)
    pixels, _ = baselines.fold_accuracy(baselines.pixel_distances(album.images, pairs), pairs)
    assert found.accuracy > 0.95
    assert pixels < 0.75


def test_one_picture_enrolls_and_a_stranger_is_nobody(encoder, album):
    threshold = choose("tiny_facenet").threshold
    gallery = Gallery(encoder, threshold=threshold)
    images = album.images.reshape(24, 4, *album.images.shape[1:])
    for number, pictures in enumerate(images[:12]):
        gallery.enroll(f"person {number}", pictures[0])
    known = [gallery.identify(picture) for pictures in images[:12] for picture in pictures[1:]]
    right = [found.name == f"person {i // 3}" for i, found in enumerate(known)]
    strangers = [gallery.identify(picture) for pictures in images[12:] for picture in pictures]
    assert np.mean(right) > 0.7
    assert all(found.name is None for found, well in zip(known, right, strict=True) if not well)  # but for nobody else
    assert np.mean([found.recognized for found in strangers]) < 0.1


def test_the_file_says_what_it_is_for():
    attributes = hdf5.summary(zoo.path("tiny_facenet")).attributes
    assert attributes["faces"] == "drawn" and attributes["trained_on"] == "1000 drawn people, 10 each"
    chosen = choose("tiny_facenet")
    assert chosen.drawn and chosen.threshold == attributes["threshold_at_far_0.001"]

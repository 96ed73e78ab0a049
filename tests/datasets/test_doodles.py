"""Doodled people: their pictures repeat from a seed, differ by person, and change from picture to picture."""

import numpy as np
import pytest

from minicnn import InputError
from minicnn.datasets import doodles


def test_an_album_has_pictures_of_the_size_promised_and_says_who_is_on_them():
    pictures, who = doodles.album(3, 2, seed=0)
    assert pictures.shape == (6, doodles.SIZE, doodles.SIZE, 1) and pictures.dtype == np.float32
    assert -0.5 <= pictures.min() < -0.2 < 0.2 < pictures.max() <= 0.5
    assert who.tolist() == [0, 0, 1, 1, 2, 2]


def test_a_seed_repeats_an_album_and_a_generator_goes_on():
    first, again = (doodles.album(2, 2, seed=7)[0] for _ in range(2))
    assert np.array_equal(first, again)
    random = np.random.default_rng(7)
    assert np.array_equal(doodles.album(2, 2, seed=random)[0], first)
    assert not np.array_equal(doodles.album(2, 2, seed=random)[0], first)


@pytest.mark.parametrize("trait", doodles.TRAITS)
def test_every_trait_can_be_seen(trait):
    low, high = (np.array([[edges[which] for edges in doodles.TRAITS.values()]]) for which in (0, 1))
    changed = low.copy()
    changed[0, list(doodles.TRAITS).index(trait)] = high[0, list(doodles.TRAITS).index(trait)]
    before, after = (doodles.photograph(person, seed=1) for person in (low, changed))
    assert np.abs(before - after).max() > 0.01


@pytest.mark.parametrize("arguments", [(0, 1), (1, 0), (2.5, 1), (True, 1)])
def test_bad_numbers_are_refused(arguments):
    with pytest.raises(InputError, match="expected an integer of at least 1"):
        doodles.album(*arguments)


def test_people_of_another_shape_are_refused():
    with pytest.raises(InputError, match=r"photograph: people have shape \(3,\); expected \(N, 15\)"):
        doodles.photograph(np.zeros(3))

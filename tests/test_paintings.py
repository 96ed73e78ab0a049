"""The painted pictures: what they promise, and that there is brushwork everywhere in them."""

import inspect

import numpy as np
import pytest

from minicnn.datasets.paintings import PAINTINGS
from minicnn.errors import InputError

SIZE = 128


@pytest.fixture(scope="module", params=PAINTINGS)
def painter(request):
    return PAINTINGS[request.param]


@pytest.fixture(scope="module")
def picture(painter):
    return painter(SIZE, seed=0)


def halved(picture):
    return picture.reshape(len(picture) // 2, 2, -1, 2, 3).mean(axis=(1, 3))


def test_the_names_are_those_of_the_functions():
    assert {name: function.__name__ for name, function in PAINTINGS.items()} == {
        name: name for name in ("starry_night", "stained_glass", "woodcut_wave")
    }


def test_a_picture_is_float32_colour_between_0_and_1(picture):
    assert picture.shape == (SIZE, SIZE, 3)
    assert picture.dtype == np.float32
    assert np.isfinite(picture).all()
    assert picture.min() >= 0
    assert picture.max() <= 1


def test_the_default_is_256_pixels_and_seed_0(painter):
    assert inspect.getfullargspec(painter).defaults == (256, 0)


def test_the_same_seed_paints_the_same_picture(painter, picture):
    np.testing.assert_array_equal(painter(SIZE, seed=0), picture)


def test_another_seed_paints_another_picture_of_the_same_scene(painter, picture):
    other = painter(SIZE, seed=1)
    assert np.abs(other - picture).mean() > 0.03
    assert np.abs(other.mean(axis=(0, 1)) - picture.mean(axis=(0, 1))).max() < 0.05


def test_the_composition_is_the_same_at_every_size(painter, picture):
    larger = halved(painter(2 * SIZE, seed=0))
    assert np.corrcoef(larger.ravel(), picture.ravel())[0, 1] > 0.95


def test_no_part_is_flat(picture):
    """Every 16 × 16 patch varies, most of them strongly: the Gram matrices of a style live on it."""
    patches = picture.mean(axis=-1).reshape(8, SIZE // 8, 8, SIZE // 8)
    deviations = patches.std(axis=(1, 3))
    assert deviations.min() > 0.03
    assert np.median(deviations) > 0.1
    edges = [np.abs(np.diff(picture, axis=axis)).mean() for axis in (0, 1)]
    assert min(edges) > 0.07


def test_the_colours_are_many(picture):
    assert picture.std(axis=(0, 1)).min() > 0.1
    assert len(np.unique((picture * 15).astype(int).reshape(-1, 3), axis=0)) > 150


@pytest.mark.parametrize("size", [16, 33])
def test_small_and_odd_sizes(painter, size):
    assert painter(size, seed=3).shape == (size, size, 3)


@pytest.mark.parametrize("size", [0, 15, -256, 1025, 256.0, "256", True, None])
def test_a_bad_size_is_refused_in_one_line(painter, size):
    with pytest.raises(InputError, match=r"^size is .*; expected an integer from 16 to 1024$"):
        painter(size)


@pytest.mark.parametrize("seed", [-1, 0.5, "0", None])
def test_a_bad_seed_is_refused_in_one_line(painter, seed):
    with pytest.raises(InputError, match=r"^seed is .*; expected an integer of at least 0$"):
        painter(SIZE, seed)

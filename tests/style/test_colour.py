"""Colours kept, against closed forms."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from minicnn.errors import InputError
from minicnn.style import colour


def picture(seed, shape=(12, 15), low=0.3, high=0.7):
    """Colours that mix the channels and lie well inside [0, 1]."""
    random = np.random.default_rng(seed)
    mixed = random.standard_normal((*shape, 3)) @ random.standard_normal((3, 3))
    mixed -= mixed.min()
    return (low + (high - low) * mixed / mixed.max()).astype(np.float32)


def yiq(image):
    """Y, I and Q written out."""
    r, g, b = np.moveaxis(np.asarray(image, np.float64), -1, 0)
    return 0.299 * r + 0.587 * g + 0.114 * b, 0.596 * r - 0.274 * g - 0.322 * b, 0.211 * r - 0.523 * g + 0.312 * b


def statistics(image):
    pixels = np.asarray(image, np.float64).reshape(-1, 3)
    return pixels.mean(0), np.cov(pixels.T, bias=True)


def test_luminance_takes_y_of_the_one_and_i_and_q_of_the_other():
    image, reference = picture(0, low=0.45, high=0.55), picture(1, low=0.4, high=0.6)
    kept = colour.luminance(image, reference)
    assert kept.dtype == np.float32 and kept.shape == image.shape
    (y, _, _), (_, i, q) = yiq(image), yiq(reference)
    for mine, expected in zip(yiq(kept), (y, i, q), strict=True):
        assert_allclose(mine, expected, atol=1e-6)


def test_a_brightness_that_cannot_have_the_colour_makes_it_paler_and_stays():
    blue, grey = np.broadcast_to(np.float32([0, 0, 1]), (4, 4, 3)), np.full((4, 4, 3), 0.9, np.float32)
    kept = colour.luminance(grey, blue)
    assert_allclose(yiq(kept)[0], 0.9, atol=1e-6)
    assert kept.max() == 1 and (kept[..., 2] > kept[..., 0]).all()  # still the bluest that is so bright
    dark = colour.luminance(np.full_like(grey, 0.1), blue)
    assert_allclose(yiq(dark)[0], 0.1, atol=1e-6)
    assert dark.min() == 0 and (dark[..., 2] > dark[..., 0]).all()
    for end in (0.0, 1.0):
        assert_array_equal(colour.luminance(np.full_like(grey, end), blue), np.full_like(grey, end))


def test_a_picture_in_its_own_colours_is_itself():
    image = picture(2)
    for match in (colour.luminance, colour.histogram_match, colour.affine_match):
        assert_allclose(match(image, image), image, atol=2e-6)


def test_the_matched_luminance_has_the_mean_and_deviation_of_the_reference():
    image, reference = picture(0), picture(1, shape=(7, 9))
    grey = colour.luminance_match(image, reference)
    assert_array_equal(grey[..., :1].repeat(3, axis=-1), grey)
    theirs = yiq(reference)[0]
    assert_allclose([grey.mean(), grey[..., 0].std()], [theirs.mean(), theirs.std()], rtol=1e-5)
    assert np.corrcoef(grey[..., 0].ravel(), yiq(image)[0].ravel())[0, 1] > 1 - 1e-9


def test_the_matched_histograms_are_those_of_the_reference():
    random = np.random.default_rng(0)
    image, reference = random.random((2, 12, 15, 3), np.float32)  # no value twice
    matched = colour.histogram_match(image, reference)
    for channel in range(3):
        mine, theirs = (np.sort(picture[..., channel], axis=None) for picture in (matched, reference))
        assert_allclose(mine, theirs, atol=1e-6)


def test_without_rotations_the_order_of_values_stays():
    image, reference = np.random.default_rng(0).random((2, 12, 15, 3), np.float32)
    matched = colour.histogram_match(image, reference, rotations=0)
    for channel in range(3):
        order = np.argsort(image[..., channel], axis=None)
        assert_array_equal(order, np.argsort(matched[..., channel], axis=None))


def test_pairs_of_colours_become_those_of_the_reference_too():
    """Red where green is missing, matched to red where green is: each channel's histogram is right from the start."""
    ramp = np.linspace(0, 1, 144, dtype=np.float32).reshape(12, 12)
    apart = np.stack([ramp, 1 - ramp, np.full_like(ramp, 0.5)], axis=-1)
    together = np.stack([ramp, ramp, np.full_like(ramp, 0.5)], axis=-1)
    kept = {rotations: colour.histogram_match(apart, together, rotations=rotations) for rotations in (0, 8)}
    assert_allclose(kept[0], apart, atol=1e-6)
    assert_allclose(statistics(kept[8])[1], statistics(together)[1], atol=2e-3)


def test_a_histogram_of_another_size_is_read_between_its_values():
    ramp = np.linspace(0, 1, 400, dtype=np.float32).reshape(20, 20, 1).repeat(3, axis=-1)
    reference = np.square(np.linspace(0, 1, 900, dtype=np.float32)).reshape(30, 30, 1).repeat(3, axis=-1)
    assert_allclose(colour.histogram_match(ramp, reference), ramp**2, atol=3e-3)


def test_an_even_surface_stays_even():
    image, reference = picture(3), picture(4)
    image[:, :8] = 0.5
    assert len(np.unique(colour.histogram_match(image, reference)[:, :8].reshape(-1, 3), axis=0)) == 1


@pytest.mark.parametrize("shape", [(12, 15), (6, 8)])
def test_affine_gives_mean_and_covariance_of_the_reference(shape):
    image, reference = picture(5, low=0.4, high=0.6), picture(6, shape, low=0.4, high=0.6)
    for mine, expected in zip(statistics(colour.affine_match(image, reference)), statistics(reference), strict=True):
        assert_allclose(mine, expected, rtol=2e-5, atol=1e-8)


def test_affine_undoes_a_symmetric_change_of_colours():
    """Where one covariance is a multiple of the other, A is the root of the multiple times one, and turns nothing."""
    image = picture(7, low=0.0, high=1.0)
    paler = 0.5 + 0.25 * (image - 0.5)
    assert_allclose(colour.affine_match(paler, image), image, atol=2e-6)


def test_affine_makes_no_colour_of_grey():
    grey = picture(8)[..., :1].repeat(3, axis=-1)
    matched = colour.affine_match(grey, picture(9))
    assert np.isfinite(matched).all()
    assert np.linalg.matrix_rank(np.cov(matched.reshape(-1, 3).T.astype(np.float64)), tol=1e-6) == 1
    even = np.full((5, 5, 3), 0.2, np.float32)
    assert_allclose(colour.affine_match(even, grey), np.broadcast_to(grey.mean((0, 1)), even.shape), atol=1e-6)
    assert_allclose(colour.luminance_match(even, grey), np.full(even.shape, grey.mean()), atol=1e-6)


def test_what_is_done_before_and_after():
    content, style, result = picture(10), picture(11), picture(12)
    done = {
        mode: (colour.colour_keeper(mode).before(style, content), colour.colour_keeper(mode).after(result, content))
        for mode in ("luminance", "histogram", "affine")
    }
    assert_array_equal(done["luminance"][0], colour.luminance_match(style, content))
    assert_array_equal(done["luminance"][1], colour.luminance(result, content))
    assert_array_equal(done["histogram"][0], colour.histogram_match(style, content))
    assert_array_equal(done["affine"][0], colour.affine_match(style, content))
    for mode in ("histogram", "affine"):  # the run that saw the content's colours only has made none else
        assert_array_equal(done[mode][1], result)


def test_errors_name_what_was_given():
    with pytest.raises(InputError, match=r"keep_colours is 'sepia'; expected one of luminance, histogram, affine"):
        colour.colour_keeper("sepia")
    with pytest.raises(InputError, match=r"luminance: image has shape \(12, 15, 3\), reference \(6, 8, 3\); not equal"):
        colour.luminance(picture(0), picture(0, (6, 8)))
    with pytest.raises(InputError, match="affine_match: reference"):
        colour.affine_match(picture(0), np.zeros((3, 3)))

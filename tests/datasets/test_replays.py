"""Pictures taken again: they repeat from a seed, each cause shows, and without causes nothing changes."""

import numpy as np
import pytest

from minicnn import InputError
from minicnn.datasets import replays
from minicnn.datasets.replays import Replay

RANDOM = np.random.default_rng(0)
PICTURE = RANDOM.uniform(0.2, 0.7, (20, 24, 3)).astype(np.float32)
GREY = np.full((48, 48, 3), 0.5, np.float32)


def test_a_seed_repeats_a_replay_and_the_kind_of_picture_stays():
    first, again, other = (replays.rephotograph(PICTURE, seed=seed) for seed in (3, 3, 4))
    assert first.shape == PICTURE.shape and first.dtype == np.float32
    assert np.array_equal(first, again) and not np.array_equal(first, other)
    assert first.min() >= 0 and first.max() <= 1
    counts = (255 * PICTURE).astype(np.uint8)
    assert replays.rephotograph(counts, seed=3).dtype == np.uint8
    assert {replays.draw(seed).medium for seed in range(12)} == set(replays.MEDIA)


def test_a_screen_out_of_focus_seen_straight_is_the_picture():
    assert np.allclose(replays.rephotograph(PICTURE, Replay(strength=0, angle=0)), PICTURE, atol=1e-5)


def test_stripes_of_a_screen_have_its_pitch_and_finer_ones_become_waves():
    def period(pitch):
        red = replays.rephotograph(GREY, Replay(pitch=pitch, strength=1, angle=0))[..., 0].mean(axis=0)
        return 48 / (np.abs(np.fft.rfft(red - red.mean()))[1:].argmax() + 1)

    assert period(4.0) == 4
    assert period(48 / 46) == 24  # two periods too few in 48 pixels: moiré


def test_print_is_dark_where_the_picture_is_and_made_of_dots():
    steps = np.repeat(np.linspace(0.1, 0.9, 5, dtype=np.float32), 24)[None, :, None] * np.ones((24, 1, 3), np.float32)
    printed = replays.rephotograph(steps, Replay("print", pitch=4, strength=1)).reshape(24, 5, 24, 3)
    assert (np.diff(printed.mean(axis=(0, 2, 3))) > 0.05).all()
    assert printed[:, 2].std() > 0.15 and replays.rephotograph(GREY, Replay("print", strength=0)).std() < 1e-6


@pytest.mark.parametrize("change", [{"glare": 0.8}, {"tint": 1.0}, {"tilt": (0.3, 0.0)}, {"angle": 20.0}])
def test_every_cause_shows(change):
    before, after = (replays.rephotograph(PICTURE, Replay(**how)) for how in ({}, change))
    assert np.abs(after - before).max() > 0.02
    if "glare" in change:
        assert (after >= before - 1e-6).all()


@pytest.mark.parametrize("axis", [0, 1])
def test_of_what_is_farther_away_more_fits_into_a_pixel(axis):
    tilt = [0.0, 0.0]
    tilt[axis] = 0.3
    place = replays._places((40, 40), Replay(tilt=tuple(tilt)), 1)[axis]
    line = place[20] if axis == 0 else place[:, 20]
    assert (np.diff(line, 2) > 0).all()
    at = (np.arange(1, 40) / 40) - 0.5
    assert np.allclose(np.diff(line), 1 / (1 - 0.3 * at) ** 2, rtol=1e-3)  # the derivative of x / (1 − 0.3 x)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"medium": "film"}, "medium is 'film'; expected one of screen, print"),
        ({"pitch": 0}, "pitch is 0; expected 0.2 to 50 pixels"),
        ({"strength": float("nan")}, "strength is nan; expected 0 to 1"),
        ({"tilt": (0.9, 0)}, "expected two parts"),
    ],
)
def test_what_cannot_be_is_refused(wrong, message):
    with pytest.raises(InputError, match=message):
        Replay(**wrong)


def test_what_is_no_picture_is_refused():
    for wrong in (PICTURE[..., 0], [1, 2], PICTURE[:0]):
        with pytest.raises(InputError, match=r"rephotograph: picture is .*; expected an array"):
            replays.rephotograph(wrong)

"""Drawn electrocardiograms: waves where the paper has them, kinds that differ in what they are named after."""

import numpy as np
import pytest

from minicnn import InputError
from minicnn.datasets import heartbeats


def peaks(signal):
    """R waves: samples 0.6 mV above the middle of their surroundings and higher than all within 0.15 s."""
    signal = signal[:, 0]
    level = [np.median(signal[max(i - 40, 0) : i + 41]) for i in range(len(signal))]
    near = [signal[max(i - 15, 0) : i + 16].max() for i in range(len(signal))]
    return np.flatnonzero((signal == near) & (signal - level > 0.6))


def test_a_beat_has_its_waves_at_their_places_with_their_heights():
    times = np.array([centre for centre, _, _ in heartbeats.WAVES.values()])
    heights = np.array([height for _, _, height in heartbeats.WAVES.values()])
    assert np.allclose(heartbeats.beat(times), heights, atol=0.04)  # neighbours reach a little into each other
    assert heartbeats.beat(np.array([-1 / 6]), without="P")[0] == pytest.approx(0, abs=1e-9)
    assert heartbeats.beat(times[:1] / 2, interval=0.25)[0] == pytest.approx(0.25, abs=0.01)  # P comes nearer
    at_half = np.array([0.03])
    assert heartbeats.beat(at_half, wide=2.2) > heartbeats.beat(at_half) + 0.2


def test_heights_and_places_are_those_of_the_paper():
    """Table I: θ, a, b of each wave; the height is proportional to a·b²."""
    table = {"P": (-1 / 3, 1.2, 0.25), "Q": (-1 / 12, -5, 0.1), "R": (0, 30, 0.1), "S": (1 / 12, -7.5, 0.1)}
    table["T"] = (1 / 2, 0.75, 0.4)
    for wave, (angle, a, b) in table.items():
        centre, width, height = heartbeats.WAVES[wave]
        assert centre == pytest.approx(angle / 2)  # of π, and a beat of one second has 2π
        assert width == pytest.approx(b / (2 * np.pi), rel=0.02)
        assert height == pytest.approx(a * b**2 / 0.3, abs=0.01)


def test_recordings_have_the_shape_promised_and_repeat_from_a_seed():
    signals, labels = heartbeats.recordings(6, seconds=2, seed=3)
    assert signals.shape == (6, 200, 1) and signals.dtype == np.float32
    assert labels.tolist() == [0, 1, 2, 3, 4, 0]
    assert np.array_equal(signals, heartbeats.recordings(6, seconds=2, seed=3)[0])
    assert not np.array_equal(signals[0], signals[5])


def test_an_irregular_rhythm_is_irregular_and_a_normal_one_is_not():
    spreads = {}
    for kind in ("normal", "irregular rhythm"):
        found = [np.diff(peaks(heartbeats.recording(kind, seconds=10, seed=seed))) for seed in range(5)]
        spreads[kind] = [intervals.std() / intervals.mean() for intervals in found]
    assert max(spreads["normal"]) < 0.05 < 0.1 < min(spreads["irregular rhythm"])


def test_a_premature_beat_is_early_and_followed_by_a_pause():
    for seed in range(5):
        intervals = np.diff(peaks(heartbeats.recording("premature beat", seconds=6, seed=seed)))
        usual = np.median(intervals)
        early = intervals.argmin()
        assert intervals[early] < 0.8 * usual
        assert intervals.max() > 1.2 * usual and abs(intervals.argmax() - early) == 1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: heartbeats.recording("broken"), "kind is 'broken'; expected one of normal"),
        (lambda: heartbeats.recording("normal", seconds=0), "seconds is 0; expected 2 to 3600"),
        (lambda: heartbeats.recordings(0), "count is 0; expected an integer of at least 1"),
        (lambda: heartbeats.recordings(True), "count is True"),
        (lambda: heartbeats.beat(np.zeros(3), without="PX"), "without names 'X'; expected waves of P, Q, R, S, T"),
        (lambda: heartbeats.beat(np.zeros(3), interval=0), "interval is 0"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(InputError, match=message):
        call()

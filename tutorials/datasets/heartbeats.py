"""Synthetic electrocardiograms: each beat is a sum of Gaussians, one each for the waves P, Q, R, S and T.

They are not recordings of patients. For lessons only: never use a model trained on them for a diagnosis.

    >>> signals, labels = heartbeats.recordings(200, seed=0)
    >>> heartbeats.KINDS[labels[0]]
    'normal'

Waves: McSharry, Clifford, Tarassenko and Smith 2003, A dynamical model for generating synthetic electrocardiogram
signals, table I. Their equation of motion gives each wave a Gaussian of height a·b² and width b, at an angle θ of the
beat. Here these Gaussians are used directly, in seconds at 60 beats per minute and scaled to an R wave of 1 mV.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from minicnn.errors import InputError, check_count

Seed = int | np.random.Generator | None

RATE = 100  # samples per second
WAVES = {  # per wave: seconds after the R wave, width (standard deviation) in seconds, height in mV
    "P": (-1 / 6, 0.040, 0.25),
    "Q": (-1 / 24, 0.016, -0.17),
    "R": (0.0, 0.016, 1.0),
    "S": (1 / 24, 0.016, -0.25),
    "T": (1 / 4, 0.064, 0.40),
}
KINDS = ("normal", "premature beat", "no P wave", "wide QRS", "irregular rhythm")
NOISE, WANDER = 0.03, 0.2  # mV: noise of each sample, and the maximum baseline shift from breathing


def beat(
    times: np.ndarray,
    *,
    interval: float = 1.0,
    without: Collection[str] = (),
    wide: float = 1.0,
    person: dict | None = None,
) -> np.ndarray:
    """Return one beat in mV at `times`, seconds from its R wave; any shape.

    interval: seconds between beats; P and T move with its square root (Bazett 1920). without: waves to leave out. wide:
    factor by which Q, R and S are stretched. person: factors (width, height) of each wave, by its name. Raise
    InputError for a bad argument.
    """
    if unknown := set(without) - set(WAVES):
        raise InputError(f"beat: without names {min(unknown)!r}; expected waves of {', '.join(WAVES)}")
    if not interval > 0 or not wide > 0:
        raise InputError(f"beat: interval is {interval!r} and wide {wide!r}; expected more than 0")
    times = np.asarray(times, float)
    signal = np.zeros_like(times)
    for wave, (centre, width, height) in WAVES.items():
        if wave in without:
            continue
        wider, higher = (person or {}).get(wave, (1.0, 1.0))
        stretch = wide if wave in "QRS" else float(np.sqrt(interval))
        signal += higher * height * np.exp(-0.5 * ((times - centre * stretch) / (width * wider * stretch)) ** 2)
    return signal


def recording(kind: str, *, seconds: float = 4.0, seed: Seed = None) -> np.ndarray:
    """Return one lead of one synthetic person: (samples, 1) float32 in mV, `RATE` samples per second.

    Person, rate (60 to 95 beats per minute), noise and baseline are drawn anew each time. A premature beat comes after
    55–70% of the interval, wide and without P; the next beat keeps its time. Raise InputError for a bad argument.
    """
    if kind not in KINDS:
        raise InputError(f"recording: kind is {kind!r}; expected one of {', '.join(KINDS)}")
    if not isinstance(seconds, int | float) or not 2 <= seconds <= 3600:
        raise InputError(f"recording: seconds is {seconds!r}; expected 2 to 3600")
    random = np.random.default_rng(seed)
    person = {wave: (random.uniform(0.85, 1.15), random.uniform(0.75, 1.25)) for wave in WAVES}
    interval = 60 / random.uniform(60, 95)
    spread = 0.25 if kind == "irregular rhythm" else 0.02
    intervals = interval * (1 + random.uniform(-spread, spread, int(seconds / interval / (1 - spread)) + 4))
    beats = np.cumsum(intervals) - random.uniform(1, 2) * interval
    shown = np.flatnonzero((beats > 0.3) & (beats < seconds - 0.4))
    premature = int(random.choice(shown[1:-1] if len(shown) > 2 else shown)) if kind == "premature beat" else -1
    times = np.arange(round(seconds * RATE)) / RATE
    signal = np.zeros(len(times))
    for number, at in enumerate(beats):
        if number == premature:
            early = at - random.uniform(0.3, 0.45) * interval
            signal += beat(times - early, interval=interval, without="P", wide=2.2, person=person)
        else:
            wide = random.uniform(1.9, 2.4) if kind == "wide QRS" else 1.0
            without = "P" if kind == "no P wave" else ""
            signal += beat(times - at, interval=interval, without=without, wide=wide, person=person)
    breath, phase = random.uniform(0.15, 0.4), random.uniform(0, 2 * np.pi)
    signal += random.uniform(0.3, 1) * WANDER * np.sin(2 * np.pi * breath * times + phase)
    return (signal + random.normal(0, NOISE, len(times))).astype(np.float32)[:, None]


def recordings(count: int, *, seconds: float = 4.0, seed: Seed = None) -> tuple[np.ndarray, np.ndarray]:
    """Return signals (count, samples, 1) and labels (count,), indices into KINDS; the kinds take turns.

    seed: pass a generator to get other people each time. Raise InputError for a bad argument.
    """
    check_count("recordings: count", count)
    random = np.random.default_rng(seed)
    labels = np.arange(count) % len(KINDS)
    return np.stack([recording(KINDS[label], seconds=seconds, seed=random) for label in labels]), labels

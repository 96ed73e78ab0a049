"""Clustering of many encodings of unknown people: its time, its memory and its accuracy.

It runs in a separate process, so that the peak memory is that of the clustering. The encodings are random, with the
mean distances that dlib's network gives within and between ten people of LFW.
"""

from __future__ import annotations

import time
from functools import partial
from typing import Any

import numpy as np

from minicnn import resources
from minicnn.bench import children
from minicnn.bench.plan import Plan, Section
from minicnn.bench.report import Row
from minicnn.faces import cluster
from minicnn.faces.clusters import agreement

DIMENSIONS, EACH = 128, 20
WITHIN, BETWEEN = 0.095, 0.212  # mean squared deviation of pictures from their person, and of people from their mean
THRESHOLD = 0.36  # dlib's 0.6, squared


def section(plan: Plan) -> Section:
    """Return the row in seconds, measured once, because a run takes too long for turns."""
    people = 250 if plan.quick else 5000
    name = f"{people:,} people"
    return Section(f"Clusters, {EACH * people:,} × {DIMENSIONS}", [(name, partial(measure, name, people))], rival="")


def measure(name: str, people: int) -> Row:
    """Measure the seconds. The row's details also hold precision, recall and MiB."""
    found = children.ask("people_clusters", "in_process", people=people, threads=resources.threads())
    told = f"{name}: precision {found['precision']:.1%}, recall {found['recall']:.1%}"
    return Row(told, "s", found.pop("seconds"), details=found)


def in_process(people: int, threads: int) -> dict[str, Any]:
    """Return seconds, peak memory in MiB, groups, and precision and recall of pairs."""
    resources.set_threads(threads)
    encodings, labels = drawn(people)
    start = time.perf_counter()
    groups = cluster(encodings, threshold=THRESHOLD)
    seconds = time.perf_counter() - start
    precision, recall = agreement(groups, labels)
    found = {"seconds": seconds, "precision": precision, "recall": recall, "groups": int(groups.max()) + 1}
    return {**found, "peak": children.peak_memory()}


def drawn(people: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return encodings (EACH · people, DIMENSIONS) float32, and the person of each."""
    random = np.random.default_rng(seed)
    labels = np.repeat(np.arange(people), EACH)
    centres = (BETWEEN / DIMENSIONS) ** 0.5 * random.standard_normal((people, DIMENSIONS), np.float32)
    noise = (WITHIN / DIMENSIONS) ** 0.5 * random.standard_normal((len(labels), DIMENSIONS), np.float32)
    return centres[labels] + noise, labels

"""Any number of people: identities and pictures by number, and people who resemble nobody in training."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from minicnn.datasets.synthetic_faces.circumstances import Circumstances, draw
from minicnn.datasets.synthetic_faces.identity import TRAITS, Identity, invent
from minicnn.datasets.synthetic_faces.person import Person
from minicnn.datasets.synthetic_faces.portrait import Picture, portray
from minicnn.datasets.synthetic_faces.shapes import Array
from minicnn.errors import InputError, check_count

SMALLEST, LARGEST = 32, 1024
PIXELS_A_DETAIL = 72  # the paint of a person is as fine as a picture of this size needs, times an integer
# The minimum `difference` of held-out people from everybody in training and from each other.
HELD_OUT_DIFFERENCE = 0.30


class Album(NamedTuple):
    """Pictures of several people.

    images (N, size, size, 3) uint8; people (N,) int64, the person on each; landmarks (N, 5, 2) and boxes (N, 4)
    float32, as in Picture.
    """

    images: Array
    people: Array
    landmarks: Array
    boxes: Array


class Population:
    """A source of drawn people: identity(person) and picture(person, number) depend on the seed and these numbers only.

    Any picture can be drawn on its own, in any order, by any process.
    size: of the pictures, 32 to 1024 pixels per side. nuisance: 1 for the full variation of pictures (see
    Circumstances), 0 for frontal faces in good light.
    """

    def __init__(self, seed: int = 0, *, size: int = 96, nuisance: float = 1.0) -> None:
        self.seed = check_count("seed", seed, 0)
        self.size = check_count("size", size, SMALLEST, LARGEST)
        if not 0 <= nuisance <= 1:  # so written, NaN is refused too
            raise InputError(f"nuisance: got {nuisance!r}, expected a number from 0 to 1")
        self.nuisance = nuisance
        self._detail = max(2, round(self.size / PIXELS_A_DETAIL))
        self._person = functools.lru_cache(maxsize=16)(self._build)

    def identity(self, person: int) -> Identity:
        """Return the identity of person number 0, 1, 2, …"""
        return invent(self._random(check_count("person", person, 0)))

    def circumstances(self, person: int, number: int) -> Circumstances:
        """Return the circumstances of a picture of a person."""
        return draw(self._random(check_count("person", person, 0), check_count("number", number, 0)), self.nuisance)

    def picture(self, person: int, number: int) -> Picture:
        """Return picture number 0, 1, 2, … of a person."""
        return self.portrait(person, self.circumstances(person, number))

    def portrait(self, person: int, how: Circumstances) -> Picture:
        """Return a picture of a person in given circumstances: `portrait(7, Circumstances(yaw=20, smile=1))`."""
        return portray(self._person(check_count("person", person, 0)), how, self.size)

    def pictures(self, people: int | Iterable[int], each: int, *, threads: int = 1, progress: bool = False) -> Album:
        """Return the first `each` pictures of all `people` (a number means the first so many), in their order."""
        if not isinstance(people, Iterable):
            people = range(check_count("people", people, 1))
        everybody = [check_count("person", person, 0) for person in people]
        numbers = range(check_count("each", each, 1))
        if not everybody:
            raise InputError("people: got nobody, expected at least one person")

        def all_of(person: int) -> list[Picture]:
            return [self.picture(person, number) for number in numbers]

        with ThreadPoolExecutor(check_count("threads", threads, 1)) as pool:
            drawn = pool.map(all_of, everybody)
            drawn = tqdm(drawn, desc="drawing faces", total=len(everybody), unit=" people", disable=not progress)
            images, landmarks, boxes = zip(*(picture for pictures in drawn for picture in pictures), strict=True)
        people_of = np.repeat(np.array(everybody, np.int64), len(numbers))
        return Album(np.stack(images), people_of, np.stack(landmarks), np.stack(boxes))

    def held_out(self, count: int, *, training: int = 1000, least: float = HELD_OUT_DIFFERENCE) -> list[int]:
        """Return the numbers of `count` people to test with.

        They are the first after people 0 … training - 1 whose `difference` from each of those and from each other is at
        least `least`.
        """
        count, training = check_count("count", count, 1), check_count("training", training, 0)
        # The same as `difference`, but of one person from all others at once.
        near = least * np.sqrt(len(TRAITS) + 3)
        known = np.array([self.identity(person).vector for person in range(training)])
        chosen: list[int] = []
        for person in itertools.count(training):
            candidate = self.identity(person).vector
            if not len(known) or np.linalg.norm(known - candidate, axis=1).min() >= near:
                known = np.concatenate([known.reshape(-1, len(candidate)), candidate[None]])
                chosen.append(person)
            if len(chosen) == count:
                break
            if person - training > 200 * (len(chosen) + 5):
                found = f"after {person - training} people {len(chosen)} are so different"
                raise InputError(f"least: got {least!r}, expected a difference that is met with; {found}")
        return chosen

    def _random(self, *numbers: int) -> np.random.Generator:
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=numbers))

    def _build(self, person: int) -> Person:
        # A separate stream for what no trait measures: strands, positions of freckles, blotches.
        rng = np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(person, 0, 0)))
        return Person(self.identity(person), rng, self._detail)

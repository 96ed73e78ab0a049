"""Sampling of batches with comparable pictures: P people with K pictures each."""

from __future__ import annotations

from typing import Any

import numpy as np

from minicnn.errors import InputError, check_count, is_count
from minicnn.faces.arguments import as_array


class PeopleSampler:
    """Batches of P people × K pictures. Source: Schroff et al. 2015, section 3.2; Hermans et al. 2017, section 2.

    labels: (N,), the person on each picture: integers or names. people: P. pictures: K.

    An epoch includes every person once, in random order, each with K random pictures. The last batch is filled up with
    people from earlier ones, so that all batches have P. People with fewer than K pictures bring all of them; no
    picture is in a batch twice, because its distance from itself teaches nothing. People with only one picture give no
    pair and are left out: `left_out` names them.

    A batch depends only on the seed and its number, so training can resume anywhere.
    Raises InputError for fewer than P people with two pictures, P < 2 and K < 2.
    """

    def __init__(self, labels: Any, *, people: int, pictures: int, seed: int = 0) -> None:
        labels = as_array(labels)
        if labels.ndim != 1:
            raise InputError(f"PeopleSampler: labels have shape {labels.shape}; expected (N,), one per picture")
        for name, value, why in (("people", people, "a negative"), ("pictures", pictures, "a positive")):
            if not is_count(value, least=2):
                raise InputError(f"PeopleSampler: {name} is {value!r}; expected an int of 2 or more, for {why}")
        check_count("PeopleSampler: seed", seed, 0)
        names, numbers, counts = np.unique(labels, return_inverse=True, return_counts=True)
        everybody = np.split(np.argsort(numbers, kind="stable"), np.cumsum(counts)[:-1])
        self._people = [rows for rows in everybody if len(rows) > 1]
        self.left_out = names[counts == 1]
        if len(self._people) < people:
            alone = f" and {len(self.left_out)} with one" if len(self.left_out) else ""
            raise InputError(
                f"PeopleSampler: labels name {len(self._people)} people with two pictures or more{alone}; "
                f"expected at least {people}, the people of a batch"
            )
        self.people, self.pictures, self.seed = people, pictures, seed
        self._last: tuple[int, list[np.ndarray]] = -1, []

    def __len__(self) -> int:
        """Return the number of batches in an epoch."""
        return -(-len(self._people) // self.people)

    def epoch(self, number: int) -> list[np.ndarray]:
        """Return the batches of an epoch, counted from 0: indices of pictures, up to P·K each, grouped by person."""
        random = np.random.default_rng((self.seed, number))
        order = random.permutation(len(self._people))
        missing = len(self) * self.people - len(order)
        earlier = order[: len(order) + missing - self.people]  # everybody except those of the last batch
        order = np.concatenate([order, random.choice(earlier, missing, replace=False)]) if missing else order
        return [
            np.concatenate([random.permutation(self._people[person])[: self.pictures] for person in group])
            for group in order.reshape(len(self), self.people)
        ]

    def batch(self, number: int) -> np.ndarray:
        """Return the batch of this number, counted from 0 over all epochs. Raises InputError."""
        check_count("PeopleSampler: number", number, 0)
        epoch, index = divmod(number, len(self))
        if self._last[0] != epoch:
            self._last = epoch, self.epoch(epoch)
        return self._last[1][index]

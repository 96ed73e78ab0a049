"""All exercises, in the recommended order."""

from __future__ import annotations

import difflib
import functools

from minicnn.errors import InputError
from minicnn.files import program
from minicnn.learn.exercise import Exercise

COURSE = (
    "triplet_loss",
    "verify",
    "who_is_it",
    "compute_content_cost",
    "gram_matrix",
    "compute_layer_style_cost",
    "compute_style_cost",
    "total_cost",
    "train_step",
)
OWN = (
    "conv_forward",
    "conv_gradient",
    "im2col",
    "max_pool_gradient",
    "receptive_field",
    "deconvnet_relu",
    "pair_head",
    "batch_hard",
    "chinese_whispers",
    "content_kernel",
)
NAMES = (*COURSE, *OWN)


@functools.cache
def find(name: str) -> Exercise:
    """Return the exercise of this name. Raise InputError, with the nearest name, if there is none."""
    if name not in NAMES:
        near = [known for known in NAMES if name and str(name) in known] or difflib.get_close_matches(str(name), NAMES)
        known = f"did you mean {near[0]}?" if near else f"expected one of {', '.join(NAMES)}"
        raise InputError(f"learn: no exercise {name!r}; {known}")
    exercise: Exercise = program(f"exercises/{name}.py").EXERCISE
    return exercise


def all_exercises() -> list[Exercise]:
    """Return every exercise."""
    return [find(name) for name in NAMES]

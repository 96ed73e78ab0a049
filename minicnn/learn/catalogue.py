"""All exercises, in the recommended order."""

from __future__ import annotations

import difflib
import functools

from minicnn.errors import InputError
from minicnn.files import program
from minicnn.learn import engine, progress
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
    "guided_gram",
    "content_kernel",
    "walk_back",
    "sum_to",
    "linear",
    "softmax_cross_entropy",
    "batch_norm",
    "adam",
    "pool_forward",
    "numeric_gradient",
    "gradient_check",
)
NAMES = (*COURSE, *OWN)


def find(name: str) -> Exercise:
    """Return the exercise of this name, or a step of the engine; "engine" is the first that is not solved.

    Raise InputError, with the nearest name, if there is none.
    """
    if name == "engine":
        name = [*progress.unsolved_steps(), engine.names()[-1]][0]
    return _load(name)


@functools.cache
def _load(name: str) -> Exercise:
    if name not in (*NAMES, *engine.names()):
        near = [known for known in NAMES if name and str(name) in known] or difflib.get_close_matches(str(name), NAMES)
        known = f"did you mean {near[0]}?" if near else f"expected engine, or one of {', '.join(NAMES)}"
        raise InputError(f"learn: no exercise {name!r}; {known}")
    if name not in NAMES:
        return engine.step(name)
    exercise: Exercise = program(f"exercises/{name}.py").EXERCISE
    return exercise


def all_exercises() -> list[Exercise]:
    """Return every exercise."""
    return [find(name) for name in NAMES]

"""Translation of other libraries' names in a learner's file, such as "tf.reduce_sum is ops.sum here"."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from minicnn import ops
from minicnn.errors import aliases
from minicnn.learn.verdict import Verdict

FOREIGN = ("tf", "tensorflow", "torch", "keras", "K", "F")
OURS_TOO = ("np", "numpy", "math")  # wrong only where they are given a Tensor
OF_TENSORS = ("a Tensor requires a gradient", "is not one number")
MOST = 6  # names in one verdict
# What the course's notebooks do and an exercise does not, by a part of the error.
DIFFERENT = {
    "expected 4, got 3": "In the course's notebook this is a list of layers, hence content_output[-1]. Here it is the "
    "layer itself, (1, H, W, C), and [-1] takes its only picture.",
    "No module named 'tensorflow'": "TensorFlow is not needed. Tensors are minicnn's; minicnn.ops has the functions.",
    "No module named 'torch'": "PyTorch is not needed. Tensors are minicnn's; minicnn.ops has the functions.",
    "No module named 'keras'": "Keras is not needed. Tensors are minicnn's; minicnn.ops has the functions.",
    "negative dimensions are not allowed": "A size came out negative. Here channels come last: N, H, W, C = x.shape.",
}


def translated(verdict: Verdict, source: str) -> Verdict:
    """Return the verdict with advice on names of other libraries and on habits of the course's notebooks, if any."""
    if verdict.right:
        return verdict
    said = " ".join([*verdict.advice, *(row.text for row in verdict.rows)])
    advice = [text for part, text in DIFFERENT.items() if part in said]
    names = list(dict.fromkeys(_translations(source, any(part in said for part in OF_TENSORS))))[:MOST]
    if names:
        advice.append(f"{'; '.join(names)}.")
    return replace(verdict, advice=[*verdict.advice, *advice]) if advice else verdict


def source_of(function: Callable[..., Any]) -> str:
    """Return the source of a function, or "" if its source is not complete on its own."""
    try:
        return textwrap.dedent(inspect.getsource(function))
    except (OSError, TypeError):
        return ""


def _translations(source: str, numpy_as_well: bool) -> Iterator[str]:
    """Yield "tf.reduce_sum is ops.sum here" for every name of another library in a file."""
    roots = "|".join((*FOREIGN, *(OURS_TOO if numpy_as_well else ())))
    for chain in re.findall(rf"(?<![\w.])(?:{roots})(?:\.\w+)+", source):
        name = chain.rpartition(".")[2].lower()
        _, ours = aliases().get(name, ("", f"ops.{name}" if name in dir(ops) else ""))
        if ours and " is " not in ours:
            yield f"{chain} is {ours} here"

"""Inputs and answers as JSON, between the process that judges and the one that runs a learner's code.

Nothing is unpickled: the output of a learner's process can only become arrays of numbers, text, True, False and None.
"""

from __future__ import annotations

import base64
import functools
import re
from typing import Any

import numpy as np

import minicnn
from minicnn.tensor import Tensor

PLAIN = (type(None), bool, str)


def encode(value: Any) -> Any:
    """Return JSON data for a value. Raise TypeError for any other value.

    value: None, bool, int, float, str, array, Tensor, a model of minicnn.models with its own weights, or a list, tuple
    or dict of these.
    """
    if type(value) in (*PLAIN, int, float):
        return value
    if isinstance(value, np.ndarray | np.generic) and value.dtype.kind in "fiub" and value.itemsize <= 8:
        kind = "array" if isinstance(value, np.ndarray) else "number"
        return {kind: [value.dtype.str, np.shape(value), base64.b64encode(value.tobytes()).decode()]}
    if isinstance(value, Tensor):
        return {"Tensor": [encode(value.data), value.requires_grad]}
    if type(value) in (list, tuple):
        return {type(value).__name__: [encode(part) for part in value]}
    if type(value) is dict:
        return {"dict": [[encode(key), encode(part)] for key, part in value.items()]}
    name = getattr(getattr(value, "card", None), "name", None)
    if callable(getattr(minicnn.models, str(name), None)) and name in {row.name for row in minicnn.zoo.catalog()}:
        return {"model": name}
    raise TypeError(f"a {type(value).__name__}")


def decode(data: Any) -> Any:
    """Return the value of the data that `encode` gave: new arrays and Tensors, and a model in eval mode."""
    if not isinstance(data, dict):
        return data
    ((kind, content),) = data.items()
    match kind:
        case "array" | "number":
            return _array(content) if kind == "array" else _array(content)[()]
        case "Tensor":
            return Tensor(decode(content[0]), requires_grad=content[1])
        case "list" | "tuple":
            return [*map(decode, content)] if kind == "list" else tuple(map(decode, content))
        case "dict":
            return {decode(key): decode(part) for key, part in content}
        case "model":
            return _model(content)
    raise ValueError(f"kind is {kind!r}")


def decode_answer(data: Any) -> Any:
    """Return an array, text, bool or None from a process that is not trusted. Raise ValueError for anything else."""
    if type(data) in PLAIN:
        return data
    if not isinstance(data, dict) or list(data) != ["array"]:
        raise ValueError("no answer")
    return _array(data["array"])


@functools.cache
def _model(name: str) -> Any:
    return getattr(minicnn.models, name)()


def _array(content: Any) -> np.ndarray:
    try:
        kind, shape, text = content
        if not re.fullmatch(r"[<>|=][fiub]\d", kind) or not all(type(size) is int and size >= 0 for size in shape):
            raise ValueError("no array of numbers")
        return np.frombuffer(base64.b64decode(text, validate=True), np.dtype(kind)).reshape(shape).copy()
    except (TypeError, OverflowError) as problem:
        raise ValueError(str(problem)) from None

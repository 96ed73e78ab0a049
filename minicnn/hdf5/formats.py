"""Layouts of weights files, and the places of the names of layers and arrays in each. No array is read here."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from minicnn.errors import LoadError
from minicnn.hdf5.entries import Entry, Listing

OWN, LEGACY, KERAS_3 = "minicnn", "Keras .h5", "Keras 3 .weights.h5"
BARE = "bare arrays"
VARIABLES = {"weights": "kernel", "biases": "bias", "alpha": "alpha"}  # facenet's name of an array -> Keras's


@dataclass(frozen=True)
class Stored:
    """One array of a file, not yet read.

    layers: possible names of its layer, the most likely first. variable: the last component of its own name.
    ordered: True if the arrays of its layer are in Keras's order.
    """

    path: str
    layers: tuple[str, ...]
    variable: str
    shape: tuple[int, ...]
    entry: Entry
    ordered: bool = True

    @property
    def name(self) -> str:
        return f"{self.layers[0]}/{self.variable}" if self.layers else self.variable


@dataclass(frozen=True)
class Contents:
    """The contents of a file. named: False if it names no layers; they are then called conv2d, conv2d_1, dense, …

    backend: the Keras backend that wrote it, if known. checksum: checksum of its arrays, if the file has one.
    """

    layout: str
    arrays: tuple[Stored, ...]
    named: bool = True
    backend: str | None = None
    checksum: Any = None


def contents(listing: Listing) -> Contents:
    """Return the contents of a file in any known layout. Raises LoadError if the layout is unknown."""
    for layout in (_own, _legacy, _keras_3, _bare):
        found = layout(listing)
        if found is not None:
            return found
    raise LoadError("the layout is unknown; expected weights saved by Keras (.h5, .weights.h5) or by minicnn")


def _stored(listing: Listing, path: str, layers: Iterable[str], variable: str, ordered: bool = True) -> Stored:
    entry = listing.arrays[path]
    if entry.shape is None:
        raise LoadError(f"{path!r} holds no data; expected floats")
    return Stored(path, tuple(dict.fromkeys(filter(None, layers))), variable, entry.shape, entry, ordered)


def _own(listing: Listing) -> Contents | None:
    """Parse our own layout: PARAMETER -> dataset, such as block1_conv1.w."""
    if listing.groups[""].get("format") != OWN:
        return None
    arrays = []
    for path in listing.arrays:
        layer, _, variable = path.rpartition(".")
        arrays.append(_stored(listing, path, [layer], variable))
    return Contents(OWN, tuple(arrays), checksum=listing.groups[""].get("sha256"))


def _legacy(listing: Listing) -> Contents | None:
    """Parse Keras's .h5: LAYER/WEIGHT_NAME, with both names in attributes. A whole model is below `model_weights`.

    A weight's name is LAYER/kernel:0 (Keras 2), LAYER/kernel (Keras 3) or arbitrary (Keras 1). The arrays of a nested
    model are all in the group of that model, under the names of their own layers.
    """
    root = "model_weights" if "model_weights" in listing.groups else ""
    layers = _names(listing, root, "layer_names")
    if layers is None:
        return None
    below = f"{root}/" if root else ""
    unlisted = _by_layer(listing, below, {*layers, "top_level_model_weights"})
    arrays = []
    for layer in [*layers, "top_level_model_weights"]:
        group = below + layer
        if group not in listing.groups:
            if layer in layers:
                raise LoadError(f"layer {layer!r} is listed, but not there")
            continue
        weights = _names(listing, group, "weight_names")
        for weight in unlisted.get(layer, []) if weights is None else weights:
            path = f"{group}/{weight}"
            if path not in listing.arrays:
                raise LoadError(f"array {path.removeprefix(below)!r} is listed, but not there")
            inner, _, variable = weight.rpartition("/")
            names = layer, inner, inner.rpartition("/")[2]
            arrays.append(_stored(listing, path, names, variable.partition(":")[0], weights is not None))
    return Contents(LEGACY, tuple(arrays), backend=listing.groups[root].get("backend"))


def _names(listing: Listing, group: str, key: str) -> list[str] | None:
    """Return an attribute that lists names, or None. Keras splits long lists into key0, key1, …"""
    attributes = listing.groups[group]
    if key in attributes:
        found = [attributes[key]]
    else:
        found = []
        while f"{key}{len(found)}" in attributes:
            found.append(attributes[f"{key}{len(found)}"])
        if not found:
            return None
    return [str(name) for part in found for name in (part if isinstance(part, list) else [part])]


def _by_layer(listing: Listing, below: str, layers: set[str]) -> dict[str, list[str]]:
    """Return {layer: the arrays in its group}, for groups without a list. One layer's group may be inside another's."""
    found: dict[str, list[str]] = {}
    for path in listing.arrays:
        if path.startswith(below):
            layer = path.removeprefix(below).rpartition("/")[0]
            while layer and layer not in layers:
                layer = layer.rpartition("/")[0]
            found.setdefault(layer, []).append(path.removeprefix(f"{below}{layer}/"))
    return found


def _keras_3(listing: Listing) -> Contents | None:
    """Parse Keras 3's layers/CLASS_NUMBER/vars/0, 1, … The layer's name, if given, is an attribute of `vars`."""
    for root in ("layers", "_layer_checkpoint_dependencies"):  # the latter in Keras 2.13
        if root in listing.groups:
            break
    else:
        return None
    found = []
    for path in sorted((path for path in listing.arrays if path.startswith(f"{root}/")), key=_counting):
        place, _, variable = path.rpartition("/")
        group, _, holder = place.rpartition("/")
        if holder != "vars":
            raise LoadError(f"{path!r} is not where Keras 3 puts arrays; expected …/vars/0, 1, …")
        if "seed_generator" in place:  # the state of dropout's random generator
            continue
        found.append((path, listing.groups[place].get("name"), group.removeprefix(f"{root}/"), variable))
    named = all(name for _, name, _, _ in found)
    arrays = [
        _stored(listing, path, [str(name) if named else class_and_number], variable)
        for path, name, class_and_number, variable in found
    ]
    return Contents(KERAS_3, tuple(arrays), named=named)


def _bare(listing: Listing) -> Contents | None:
    """Parse LAYER/weights, LAYER/biases, LAYER/alpha, as in MTCNN's files. A layer's name may contain slashes."""
    named = [path.rpartition("/") for path in listing.arrays]
    if not named or not all(layer and variable in VARIABLES for layer, _, variable in named):
        return None
    return Contents(BARE, tuple(_stored(listing, f"{layer}/{v}", [layer], VARIABLES[v]) for layer, _, v in named))


def _counting(path: str) -> list[tuple[str, int]]:
    """Return a sort key that orders conv2d before conv2d_9 before conv2d_10."""
    parts = [re.fullmatch(r"(.*?)_?(\d{0,9})", part, re.DOTALL) for part in path.split("/")]
    return [(part[1], int(part[2] or 0)) for part in parts if part]

"""The layouts of weights files: where each keeps the names of layers and arrays. No array is read here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from minicnn.errors import LoadError
from minicnn.hdf5.files import attribute, names, subgroup, walk

if TYPE_CHECKING:
    import h5py

OWN, LEGACY, KERAS_3 = "minicnn", "Keras .h5", "Keras 3 .weights.h5"


@dataclass(frozen=True)
class Stored:
    """One array of a file, not yet read.

    layers: what its layer may be called, the likeliest first. variable: the last component of its own name.
    """

    path: str
    layers: tuple[str, ...]
    variable: str
    shape: tuple[int, ...]
    dtype: np.dtype

    @property
    def name(self) -> str:
        return f"{self.layers[0]}/{self.variable}"


@dataclass(frozen=True)
class Contents:
    """What a file holds. named: its layers have names; otherwise they are called conv2d, conv2d_1, dense, …"""

    layout: str
    arrays: tuple[Stored, ...]
    named: bool = True
    checksum: Any = None


def contents(file: h5py.File) -> Contents:
    """What an open file holds, in whichever layout. Raises LoadError when it is in none of them."""
    for layout in (_own, _legacy, _keras_3):
        found = layout(file)
        if found is not None:
            return found
    raise LoadError("the layout is unknown; expected weights saved by Keras (.h5, .weights.h5) or by minicnn")


def _stored(path: str, dataset: h5py.Dataset, layers: tuple[str, ...], variable: str) -> Stored:
    if dataset.shape is None:
        raise LoadError(f"{path!r} holds no data; expected floats")
    return Stored(path, tuple(dict.fromkeys(filter(None, layers))), variable, dataset.shape, dataset.dtype)


def _own(file: h5py.File) -> Contents | None:
    """PARAMETER -> dataset, as in block1_conv1.w."""
    if attribute(file, "format") != OWN:
        return None
    arrays = []
    for path, dataset in walk(file):
        layer, _, variable = path.rpartition(".")
        arrays.append(_stored(path, dataset, (layer,), variable))
    return Contents(OWN, tuple(arrays), checksum=attribute(file, "sha256"))


def _legacy(file: h5py.File) -> Contents | None:
    """LAYER/WEIGHT_NAME, with both names in attributes. In a file of a whole model, below `model_weights`.

    A weight's name is LAYER/kernel:0 (Keras 2), LAYER/kernel (Keras 3) or anything at all (Keras 1). The arrays
    of a model inside the model lie together, in the inner model's group, under the names of their own layers.
    """
    group = subgroup(file, "model_weights") or file
    root = "" if group is file else "model_weights/"
    layers = names(group, "layer_names")
    if layers is None:
        return None
    datasets = dict(walk(group))
    arrays = []
    for layer in [*layers, "top_level_model_weights"]:
        if layer not in group:
            if layer in layers:
                raise LoadError(f"layer {layer!r} is listed, but not there")
            continue
        listed = names(group[layer], "weight_names")
        if listed is None:
            listed = [path.removeprefix(f"{layer}/") for path in datasets if path.startswith(f"{layer}/")]
        for weight in listed:
            path = f"{layer}/{weight}"
            if path not in datasets:
                raise LoadError(f"array {path!r} is listed, but not there")
            inner, _, variable = weight.rpartition("/")
            aliases = layer, inner, inner.rpartition("/")[2]
            arrays.append(_stored(root + path, datasets[path], aliases, variable.partition(":")[0]))
    return Contents(LEGACY, tuple(arrays))


def _keras_3(file: h5py.File) -> Contents | None:
    """layers/CLASS_NUMBER/vars/0, 1, … with the layer's name, if anywhere, in an attribute of `vars`."""
    for root in ("layers", "_layer_checkpoint_dependencies"):  # the latter in Keras 2.13
        if (group := subgroup(file, root)) is not None:
            break
    else:
        return None
    found = []
    for path, dataset in sorted(walk(group), key=lambda pair: _counting(pair[0])):
        place, _, variable = path.rpartition("/")
        if place.rpartition("/")[2] != "vars":
            raise LoadError(f"{path!r} is not where Keras 3 puts arrays; expected …/vars/0, 1, …")
        if "seed_generator" in place:  # the state of dropout's random numbers
            continue
        found.append((path, dataset, attribute(group[place], "name"), place.removesuffix("/vars"), variable))
    named = all(name for _, _, name, _, _ in found)
    arrays = [
        _stored(f"{root}/{path}", dataset, (str(name) if named else class_and_number,), variable)
        for path, dataset, name, class_and_number, variable in found
    ]
    return Contents(KERAS_3, tuple(arrays), named=named)


def _counting(path: str) -> list[tuple[str, int]]:
    """A key that sorts conv2d_10 behind conv2d_9, and conv2d before both."""
    parts = [re.fullmatch(r"(.*?)_?(\d*)", part, re.DOTALL) for part in path.split("/")]
    return [(part[1], int(part[2] or 0)) for part in parts if part]

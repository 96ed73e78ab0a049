"""Saving models to files, in minicnn's own layout or in Keras's."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from minicnn import devices, nn
from minicnn.errors import InputError
from minicnn.files import check_folder, replacing
from minicnn.hdf5.formats import OWN
from minicnn.hdf5.loader import Checksum
from minicnn.hdf5.matches import GROUPS, ROLES, arrays_of, layers_of, order_of, title
from minicnn.text import one_line

# float16 is for distribution, so it is compressed. Compressing float32 saves too little for the time it takes.
COMPRESSION: dict[str, dict[str, Any]] = {
    "float16": {"compression": "gzip", "compression_opts": 9, "shuffle": True},
    "float32": {},
}
RESERVED = ("format", "model", "dtype", "sha256", "layer_names", "weight_names", "backend", "keras_version")
LONGEST_ATTRIBUTE = 64_512  # bytes; Keras splits longer lists of names, which do not fit a group's header in HDF5
VARIABLES = {ours: theirs for theirs, ours in ROLES.items()}


@dataclass
class Content:
    """The content of a new file: {path: array} and {path of a group: attributes}, "" for the file itself."""

    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    groups: dict[str, dict[str, Any]] = field(default_factory=dict)


def save(
    model: nn.Module,
    path: str | os.PathLike[str],
    *,
    layout: str = "minicnn",
    dtype: str = "float32",
    attributes: Mapping[str, str | int | float] | None = None,
) -> None:
    """Write parameters and running statistics under their names. An interrupted run leaves `path` unchanged.

    layout: "minicnn", one dataset per parameter; "keras", a file NAME.h5 for every version of Keras; or "keras3",
    a file NAME.weights.h5. Keras matches layers by order, which is certain to be ours only in a chain of layers.
    For a branching network, use "keras" and load_weights("NAME.h5", by_name=True); "keras3" is refused.
    dtype: "float32", or "float16" for half the size. attributes: additional ones, such as licence or accuracy.
    Raises InputError or MissingFileError.
    """
    if layout not in LAYOUTS:
        raise InputError(f"save: layout is {layout!r}; expected one of {', '.join(LAYOUTS)}")
    if dtype not in COMPRESSION:
        raise InputError(f"save: dtype is {dtype!r}; expected one of {', '.join(COMPRESSION)}")
    target = Path(path)
    check_folder("save: path", target)
    arrays = {name: _stored(name, devices.to_host(array), dtype) for name, array in arrays_of(model).items()}
    content = LAYOUTS[layout](model, arrays, target)
    content.groups[""] = {"model": title(model), "dtype": dtype} | content.groups[""] | _checked(attributes or {})
    try:
        with replacing(target) as beside:
            _write(beside, content, COMPRESSION[dtype])
    except (OSError, RuntimeError, ValueError, TypeError) as problem:
        raise InputError(f"save: path {str(target)!r} cannot be written ({one_line(problem)})") from problem


def _own(model: nn.Module, arrays: dict[str, np.ndarray], target: Path) -> Content:
    """Return the content in our own layout: PARAMETER -> dataset."""
    total = Checksum()
    for name in sorted(arrays):
        total.begin(name, arrays[name].dtype, arrays[name].shape)
        total.add(arrays[name])
    return Content(arrays, {"": {"format": OWN, "sha256": total.hexadecimal()}})


def _keras(model: nn.Module, arrays: dict[str, np.ndarray], target: Path) -> Content:
    """Return the content as LAYER/LAYER/kernel:0, with the order of layers and weights in attributes."""
    if target.name.endswith(".weights.h5"):
        raise InputError(f'save: path {str(target)!r} with layout "keras"; expected NAME.h5, not NAME.weights.h5')
    content = Content()
    for name, variables in _by_layer(model, arrays):
        weights = {f"{name}/{variable}:0": array for variable, array in variables.items()}
        content.groups[name] = _cut("weight_names", list(weights))
        content.arrays |= {f"{name}/{weight}": array for weight, array in weights.items()}
    # Kernels as in TensorFlow, in the order of this version and all later ones.
    header = {"backend": np.bytes_("tensorflow"), "keras_version": np.bytes_("2.0.0")}
    content.groups[""] = _cut("layer_names", list(content.groups)) | header
    return content


def _keras_3(model: nn.Module, arrays: dict[str, np.ndarray], target: Path) -> Content:
    """Return the content as layers/CLASS_NUMBER/vars/0, 1, …, with the layer's name in an attribute."""
    if not target.name.endswith(".weights.h5"):
        raise InputError(f'save: path {str(target)!r} with layout "keras3"; expected NAME.weights.h5')
    if getattr(model, "branching", False):
        raise InputError(
            f'save: {title(model)} branches, and Keras would read layout "keras3" in an order of its own; '
            'expected layout "keras", which it reads by_name'
        )
    content = Content(groups={"": {}})
    layers = layers_of(model)
    counts: dict[str, int] = {}
    for name, variables in _by_layer(model, arrays):
        group = GROUPS[type(layers[name].module).__name__]
        number = counts[group] = counts.get(group, -1) + 1
        place = f"layers/{group}_{number}/vars" if number else f"layers/{group}/vars"
        content.groups[place] = {"name": name}
        content.arrays |= {f"{place}/{i}": array for i, array in enumerate(variables.values())}
    return content


LAYOUTS: dict[str, Callable[[nn.Module, dict[str, np.ndarray], Path], Content]] = {
    "minicnn": _own,
    "keras": _keras,
    "keras3": _keras_3,
}


def _by_layer(model: nn.Module, arrays: Mapping[str, np.ndarray]) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """Yield (layer, {Keras's name of a variable: array in Keras's order}), in the model's order."""
    rank = 2  # spatial axes of the last layer with weights; PReLU after it shares its slopes along them
    for name, layer in layers_of(model).items():
        if type(layer.module).__name__ not in GROUPS or not layer.roles.keys() <= VARIABLES.keys():
            raise InputError(f"save: {name} is a {type(layer.module).__name__}; expected a layer that Keras has, too")
        if "w" in layer.roles:
            rank = getattr(layer.module, "rank", 0)
        variables = {}
        for variable, role in ROLES.items():
            if role in layer.roles:
                array = arrays[layer.roles[role]]
                order = order_of(layer.module, role, array.shape, rank + 1)
                variables[variable] = order.view(array).reshape(order.shape)
        yield name, variables


def _cut(key: str, names: list[str]) -> dict[str, np.ndarray]:
    """Return the names as one attribute, or as key0, key1, … short enough for HDF5."""
    listed = np.array([name.encode() for name in names], "S")
    pieces = -(-listed.nbytes // LONGEST_ATTRIBUTE)
    if pieces <= 1:
        return {key: listed}
    return {f"{key}{i}": piece for i, piece in enumerate(np.array_split(listed, pieces + 1))}


def _write(path: Path, content: Content, options: Mapping[str, Any]) -> None:
    import h5py

    with h5py.File(path, "w", locking=False) as file:  # private until renamed; and not every file system has locks
        for group, attributes in content.groups.items():
            here = file.require_group(group or "/")
            for key, value in attributes.items():
                here.attrs[key] = value
        for name, array in content.arrays.items():
            file.create_dataset(name, data=array, **(options if array.ndim else {}))


def _stored(name: str, array: np.ndarray, dtype: str) -> np.ndarray:
    with np.errstate(over="ignore"):
        stored = array.astype(dtype, copy=False)
    if not np.isfinite(array).all():
        raise InputError(f"save: {name} holds NaN or infinity; expected finite numbers")
    if not np.isfinite(stored).all():
        raise InputError(f"save: {name} reaches {np.abs(array).max():.6g}, which {dtype} cannot hold")
    return stored


def _checked(attributes: Mapping[str, Any]) -> dict[str, Any]:
    for key, value in attributes.items():
        if key in RESERVED:
            raise InputError(f"save: attribute {key!r} is written by save itself; expected another name")
        if not isinstance(value, (str, int, float, np.number)):
            raise InputError(f"save: attribute {key!r} is a {type(value).__name__}; expected text or number")
    return dict(attributes)

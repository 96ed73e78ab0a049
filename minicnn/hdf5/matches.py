"""Matching the arrays of a file with the parameters of a model, by name and shape. Nothing is read here."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import NamedTuple

import numpy as np

from minicnn import nn
from minicnn.hdf5 import axes
from minicnn.hdf5.axes import Order
from minicnn.hdf5.formats import OWN, Contents, Stored
from minicnn.text import listed, wrapped

# Keras's name of a variable -> ours.
ROLES = {
    "kernel": "w",
    "bias": "b",
    "gamma": "gamma",
    "beta": "beta",
    "moving_mean": "mean",
    "moving_variance": "variance",
    "alpha": "slope",
}
# Our class -> Keras 3's name for groups of layers of that class.
GROUPS = {
    "Conv1d": "conv1d",
    "Conv2d": "conv2d",
    "Conv3d": "conv3d",
    "LocallyConnected1d": "locally_connected1d",
    "LocallyConnected2d": "locally_connected2d",
    "Linear": "dense",
    "BatchNorm": "batch_normalization",
    "PReLU": "p_re_lu",
}


@dataclass(frozen=True)
class LoadReport:
    """The result of loading, by array. `unexpected` and `ignored` are names in the file, the others in the model."""

    path: str
    model: str
    layout: str
    loaded: tuple[str, ...]
    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    mismatched: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """True if file and model hold the same arrays, apart from ignored ones."""
        return not (self.missing or self.unexpected or self.mismatched)

    def misfit(self) -> str:
        """Return one line that says how file and model differ."""
        parts = {
            "of another shape": self.mismatched,
            "missing in the file": self.missing,
            "not in the model": self.unexpected,
        }
        told = "; ".join(f"{what}: {listed(those)}" for what, those in parts.items() if those)
        notes = "".join(f" ({note})" for note in self.notes)
        return f"the file does not fit {self.model}; {told}{notes}"

    def __str__(self) -> str:
        total = len(self.loaded) + len(self.missing) + len(self.mismatched)
        count = f"all {total}" if total == len(self.loaded) else f"{len(self.loaded)} of {total}"
        said = {what: getattr(self, what) for what in ("mismatched", "missing", "unexpected", "ignored")}
        lines = [f"{what}: {listed(those)}" for what, those in said.items() if those]
        lines += [f"note: {note}" for note in self.notes]
        first = f"{self.path}: {count} arrays of {self.model} loaded from {self.layout}"
        told = wrapped(first, hanging="    ")
        for line in lines:
            told += wrapped(line, indent="  ", hanging="    ")
        return "\n".join(told)


class Layer(NamedTuple):
    """A layer that has arrays. roles: {role of an array in the layer: dotted name}, such as {"w": "conv1.w"}."""

    module: nn.Module
    roles: Mapping[str, str]


class Match(NamedTuple):
    """An array of a file, and the order of its axes."""

    stored: Stored
    order: Order


def arrays_of(model: nn.Module) -> dict[str, np.ndarray]:
    """Return {dotted name: array} of the parameters and the running statistics."""
    return {**{name: p.data for name, p in model.named_parameters()}, **dict(model.named_state())}


def layers_of(model: nn.Module) -> dict[str, Layer]:
    """Return {name: Layer} in the model's order. The dotted path replaces a name that is missing or already taken."""
    modules = dict(_modules(model))
    by_path: dict[str, dict[str, str]] = {}
    for name in arrays_of(model):
        path, _, role = name.rpartition(".")
        by_path.setdefault(path, {})[role] = name
    layers: dict[str, Layer] = {}
    for path, roles in by_path.items():
        label = modules[path].name or path
        layers[path if label in layers else label] = Layer(modules[path], roles)
    return layers


def _modules(model: nn.Module, path: str = "") -> Iterator[tuple[str, nn.Module]]:
    """Yield (dotted path, module) of the model and every module in it."""
    yield path, model
    for name, child in model.children():
        yield from _modules(child, f"{path}.{name}" if path else name)


def title(model: nn.Module) -> str:
    """Return the model's name in messages and files."""
    card = getattr(model, "card", None)
    return card.name if card is not None else model.name or type(model).__name__


def match(
    model: nn.Module, found: Contents, path: str, ignore: Iterable[str] = ()
) -> tuple[dict[str, Match], LoadReport]:
    """Return ({parameter name: the array in the file that fits it}, report as if these had been loaded).

    ignore: layers that the file may hold though the model does not.
    """
    arrays = arrays_of(model)
    notes: list[str] = []
    if found.layout == OWN:
        candidates = {stored.path: stored for stored in found.arrays if stored.path in arrays}
        orders = {name: axes.ours(arrays[name].shape) for name in candidates}
    else:
        layers = layers_of(model)
        candidates = _match_layers(layers, found, getattr(model, "branching", False), notes)
        orders = _orders(model, layers, candidates, found.backend, PurePath(path).name, notes)
    fitting = {
        name: Match(stored, orders[name])
        for name, stored in candidates.items()
        if name in orders and orders[name].shape == stored.shape
    }
    used = {stored.path for stored in candidates.values()}
    unused = [stored for stored in found.arrays if stored.path not in used]
    ignorable = set(ignore)
    report = LoadReport(
        path,
        title(model),
        found.layout,
        loaded=tuple(name for name in arrays if name in fitting),
        missing=tuple(name for name in arrays if name not in candidates),
        unexpected=tuple(s.name for s in unused if not ignorable.intersection(s.layers)),
        mismatched=tuple(
            f"{name} ({s.shape} in the file, {arrays[name].shape} in the model)"
            if name in orders
            else f"{name} (rows in an order that is not known)"
            for name, s in candidates.items()
            if name not in fitting
        ),
        ignored=tuple(s.name for s in unused if ignorable.intersection(s.layers)),
        notes=tuple(notes),
    )
    return fitting, report


def _match_layers(layers: Mapping[str, Layer], found: Contents, branching: bool, notes: list[str]) -> dict[str, Stored]:
    """Return {dotted name: array}, matched by the name of the layer, then by the name of the variable."""
    renamed: dict[str, str] = {}
    if not found.named and branching:
        notes.append("the file names no layers, and where a network branches their order in the file is not known")
        return {}
    if not found.named:
        renamed = _by_class(layers, found)
        example = "".join(f", as {theirs} = {ours}" for theirs, ours in list(renamed.items())[:1])
        notes.append(f"the file names no layers, so they are matched by class, order and shape{example}")
    # Keras 2 wrote fire2/squeeze1x1. Keras 3 allows no slashes and writes fire2_squeeze1x1.
    known = {_plain(name): name for name in layers} | {name: name for name in layers}
    stored_in: dict[str, list[Stored]] = {}
    for stored in found.arrays:
        names = [renamed.get(name, name) for name in stored.layers]
        layer = next((known[name] for name in [*names, *map(_plain, names)] if name in known), None)
        if layer is not None:
            stored_in.setdefault(layer, []).append(stored)
    candidates: dict[str, Stored] = {}
    for name, arrays in stored_in.items():
        roles = layers[name].roles
        by_role = {ROLES.get(stored.variable, ""): stored for stored in arrays}
        if "" in by_role and len(arrays) == len(roles) and all(stored.ordered for stored in arrays):
            # Keras 3 numbers its variables and Keras 1 names them arbitrarily. Their order is the same as ours.
            by_role = dict(zip(roles, arrays, strict=True))
        candidates.update({roles[role]: stored for role, stored in by_role.items() if role in roles})
    return candidates


def _plain(name: str) -> str:
    return name.replace("/", "_")


def _by_class(layers: Mapping[str, Layer], found: Contents) -> dict[str, str]:
    """Return {layer in the file: layer of the model}, pairing the n-th layers of each class."""
    in_file: dict[str, list[str]] = {}
    for theirs in dict.fromkeys(stored.layers[0] for stored in found.arrays if stored.layers):
        in_file.setdefault(re.sub(r"_\d+$", "", theirs.rpartition("/")[2]), []).append(theirs)
    in_model: dict[str, list[str]] = {}
    for ours, layer in layers.items():
        in_model.setdefault(GROUPS.get(type(layer.module).__name__, ""), []).append(ours)
    return {
        theirs: ours
        for group, those in in_file.items()
        for theirs, ours in zip(those, in_model.get(group, []), strict=False)
    }


def _orders(
    model: nn.Module,
    layers: Mapping[str, Layer],
    candidates: Mapping[str, Stored],
    backend: str | None,
    file_name: str,
    notes: list[str],
) -> dict[str, Order]:
    """Return {dotted name: axis order in a Keras file}, without names whose order is unknown."""
    arrays = arrays_of(model)
    orders = {}
    for layer in layers.values():
        for role, name in layer.roles.items():
            if name in candidates:
                orders[name] = order_of(layer.module, role, arrays[name].shape, len(candidates[name].shape))
    kernels = {
        layer.roles["w"]: arrays[layer.roles["w"]].shape
        for layer in layers.values()
        if isinstance(layer.module, nn.Conv2d | nn.Conv3d) and layer.roles["w"] in candidates
    }
    as_ours = sum(candidates[name].shape == shape for name, shape in kernels.items())
    as_theanos = sum(candidates[n].shape == axes.channels_first(shape, True).shape for n, shape in kernels.items())
    transposed = as_theanos > as_ours
    # A kernel does not show that it is rotated. Keras 2 records its backend; Keras 1 does so in file names.
    by_name = "th_kernels" in file_name or (transposed and "tf_kernels" not in file_name)
    turned = backend == "theano" if backend else by_name
    if transposed:
        orders |= {name: axes.channels_first(shape, turned) for name, shape in kernels.items()}
        turns = " and turned by 180°" if turned else ""
        notes.append(f"kernels brought from Theano's order, (out, in, height, width){turns}, into ours")
        for name, channels in _behind_flatten(model).items():
            order = axes.flattened_channels_first(arrays[name].shape, channels)
            if name in candidates and order is None:
                del orders[name]
                notes.append(f"{name} has the rows of Theano's order, of pictures whose height and width are unknown")
            elif name in candidates and order is not None:
                orders[name] = order
                notes.append(f"rows of {name} brought from Theano's order, (channels, height, width), into ours")
    elif turned:
        orders |= {name: axes.turned(shape) for name, shape in kernels.items()}
        notes.append("kernels turned by 180°, as Theano has them, and turned back")
    return orders


def order_of(module: nn.Module, role: str, shape: tuple[int, ...], slopes: int) -> Order:
    """Return the axis order in which Keras stores an array of a layer. slopes: number of axes of PReLU's slopes."""
    if isinstance(module, nn.LocallyConnected1d | nn.LocallyConnected2d) and role == "w":
        return axes.locally_connected(shape)
    if isinstance(module, nn.PReLU):
        return axes.slopes(shape, slopes)
    return axes.ours(shape)


def _behind_flatten(model: nn.Module) -> dict[str, int]:
    """Return {dotted name of a matrix: channels of the picture flattened before it}, if that has several pixels."""
    found = {}
    channels, flattened = 0, False
    for path, module in _modules(model):
        if isinstance(module, nn.Conv2d):
            channels, flattened = module.w.shape[-1], False
        elif isinstance(module, nn.Flatten):
            flattened = channels > 0
        elif isinstance(module, nn.Linear):
            if flattened and module.w.shape[0] != channels:
                found[f"{path}.w" if path else "w"] = channels
            flattened = False
    return found

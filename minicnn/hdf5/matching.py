"""Which array of a file belongs to which parameter of a model, by names and shapes. Nothing is read here."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

import numpy as np

from minicnn.hdf5.files import one_line
from minicnn.hdf5.layouts import OWN, Contents, Stored
from minicnn.nn import Module

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
# Our class -> what Keras 3 calls the groups of a layer of that class.
GROUPS = {
    "Conv1d": "conv1d",
    "Conv2d": "conv2d",
    "Conv3d": "conv3d",
    "Linear": "dense",
    "BatchNorm": "batch_normalization",
    "PReLU": "p_re_lu",
}


@dataclass(frozen=True)
class LoadReport:
    """What became of every array. `unexpected` and `ignored` are names in the file, the others in the model."""

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
        """Whether file and model hold the same, but for what was to be ignored."""
        return not (self.missing or self.unexpected or self.mismatched)

    def misfit(self) -> str:
        """One line: how file and model differ."""
        parts = {
            "of another shape": self.mismatched,
            "missing in the file": self.missing,
            "not in the model": self.unexpected,
        }
        told = "; ".join(f"{what}: {listed(those)}" for what, those in parts.items() if those)
        notes = "".join(f" ({note})" for note in self.notes)
        return f"the file does not fit {self.model}; {told}{notes}"

    def __str__(self) -> str:
        lines = [f"{self.path}: {len(self.loaded)} arrays of {self.model} loaded from {self.layout}"]
        for what in ("mismatched", "missing", "unexpected", "ignored"):
            if those := getattr(self, what):
                lines.append(f"  {what}: {listed(those)}")
        return "\n".join([*lines, *(f"  note: {note}" for note in self.notes)])


def listed(those: Collection[str], most: int = 10) -> str:
    """The names, or the first ten and how many more."""
    more = f" and {len(those) - most} more" if len(those) > most else ""
    return ", ".join(one_line(name) for name in list(those)[:most]) + more


def arrays_of(model: Module) -> dict[str, np.ndarray]:
    """{dotted name: array} of the parameters and the running statistics."""
    return {**{name: p.data for name, p in model.named_parameters()}, **dict(model.named_state())}


def title(model: Module) -> str:
    """What messages and files call the model."""
    card = getattr(model, "card", None)
    return card.name if card is not None else model.name or type(model).__name__


def match(
    model: Module, found: Contents, path: str, ignore: Iterable[str] = ()
) -> tuple[dict[str, Stored], LoadReport]:
    """({name of a parameter: the array in the file that fits it}, and a report as if these had been loaded).

    ignore: layers that the file may hold though the model does not.
    """
    arrays = arrays_of(model)
    notes: list[str] = []
    if found.layout == OWN:
        candidates = {stored.path: stored for stored in found.arrays if stored.path in arrays}
    else:
        candidates, notes = _match_layers(model, found)
    used = {stored.path for stored in candidates.values()}
    unused = [stored for stored in found.arrays if stored.path not in used]
    ignorable = set(ignore)
    fitting = {name: s for name, s in candidates.items() if s.shape == arrays[name].shape}
    report = LoadReport(
        path,
        title(model),
        found.layout,
        loaded=tuple(name for name in arrays if name in fitting),
        missing=tuple(name for name in arrays if name not in candidates),
        unexpected=tuple(s.name for s in unused if not ignorable.intersection(s.layers)),
        mismatched=tuple(
            f"{name} ({s.shape} in the file, {arrays[name].shape} in the model)"
            for name, s in candidates.items()
            if name not in fitting
        ),
        ignored=tuple(s.name for s in unused if ignorable.intersection(s.layers)),
        notes=tuple(notes),
    )
    return fitting, report


def _match_layers(model: Module, found: Contents) -> tuple[dict[str, Stored], list[str]]:
    """Match by the name of the layer, then by the name of the variable."""
    layers = _layers(model)
    stored_in: dict[str, list[Stored]] = {}
    renamed: dict[str, str] = {}
    notes: list[str] = []
    if not found.named:
        renamed = _by_class(model, layers, found)
        example = "".join(f", as {theirs} = {ours}" for theirs, ours in list(renamed.items())[:1])
        notes.append(f"the file names no layers, so they are matched by class, order and shape{example}")
    for stored in found.arrays:
        layer = next((name for name in (renamed.get(n, n) for n in stored.layers) if name in layers), None)
        if layer is not None:
            stored_in.setdefault(layer, []).append(stored)
    candidates: dict[str, Stored] = {}
    for layer, arrays in stored_in.items():
        roles = layers[layer]
        by_role = {ROLES.get(stored.variable, ""): stored for stored in arrays}
        if "" in by_role and len(arrays) == len(roles):
            # Keras 3 numbers its variables, Keras 1 calls them anything: only the order is left, and it is ours.
            by_role = dict(zip(roles, arrays, strict=True))
        candidates.update({roles[role]: stored for role, stored in by_role.items() if role in roles})
    return candidates, notes


def _layers(model: Module) -> dict[str, dict[str, str]]:
    """{layer: {role: dotted name}} in the model's order, such as {"conv1": {"w": "conv1.w", "b": "conv1.b"}}."""
    by_path: dict[str, dict[str, str]] = {}
    for name in arrays_of(model):
        path, _, role = name.rpartition(".")
        by_path.setdefault(path, {})[role] = name
    layers: dict[str, dict[str, str]] = {}
    for path, roles in by_path.items():
        label = model.find(path).name or path
        layers[path if label in layers else label] = roles
    return layers


def _by_class(model: Module, layers: dict[str, dict[str, str]], found: Contents) -> dict[str, str]:
    """{layer in the file: layer of the model}: the n-th of its class there is the n-th of its class here."""
    in_file: dict[str, list[str]] = {}
    for layer in dict.fromkeys(stored.layers[0] for stored in found.arrays):
        in_file.setdefault(re.sub(r"_\d+$", "", layer.rpartition("/")[2]), []).append(layer)
    in_model: dict[str, list[str]] = {}
    for layer, roles in layers.items():
        path = next(iter(roles.values())).rpartition(".")[0]
        in_model.setdefault(GROUPS.get(type(model.find(path)).__name__, ""), []).append(layer)
    return {
        theirs: ours
        for group, those in in_file.items()
        for theirs, ours in zip(those, in_model.get(group, []), strict=False)
    }

"""The patches that most activate a unit. Source: Zeiler & Fergus 2014, section 4, who show nine per unit.

The pictures are streamed, and only the k best per unit are kept. The patches are cut out at the end, by the exact
receptive field.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from minicnn.errors import InputError, LoadError, check_count
from minicnn.files import check_folder, replacing
from minicnn.hdf5.loader import Checksum
from minicnn.hdf5.matches import arrays_of
from minicnn.models.fields import Fields, fields_of
from minicnn.models.network import Network
from minicnn.operation import no_grad
from minicnn.visualize.pictures import Pictures, as_pictures
from minicnn.visualize.units import at_rest, unit_numbers

PATCHES = 9
BATCH = 64  # pictures per batch
EVERY = 20.0  # seconds between two checkpoints of the state
NOBODY = -1


@dataclass(frozen=True)
class Patches:
    """The patches that most activate the units of a layer. The first axes are units and patches, the best first.

    units (U,). values (U, k): activations, −∞ where there are fewer than k pictures. numbers (U, k): picture numbers,
    −1 where there is none. positions (U, k, 2): row and column of the activation in the output.
    boxes (U, k, 4): top, bottom, left, right of each patch in its picture. places (U, k, 4): the same box in its crop.
    size: height and width of all crops.
    """

    layer: str
    fields: Fields
    pictures: Pictures
    units: np.ndarray
    values: np.ndarray
    numbers: np.ndarray
    positions: np.ndarray
    boxes: np.ndarray
    places: np.ndarray
    size: tuple[int, int]

    @cached_property
    def crops(self) -> np.ndarray:
        """The patches, (U, k, h, w, 3) in [0, 1]; NaN where a field reaches beyond the picture, or there is none."""
        crops = np.full((*self.numbers.shape, *self.size, 3), np.nan, np.float32)
        for unit, patch, crop in self.each():
            crops[unit, patch] = crop
        return crops

    def each(self) -> Iterator[tuple[int, int, np.ndarray]]:
        """Yield (index of the unit, index of the patch, its crop). Each picture is read once, in order."""
        current, picture = NOBODY, np.zeros(0)
        for index in np.argsort(self.numbers, axis=None, kind="stable"):
            unit, patch = divmod(int(index), self.numbers.shape[1])
            number = int(self.numbers[unit, patch])
            if number == NOBODY:
                continue
            if number != current:
                current, picture = number, self.pictures[number]
            yield unit, patch, self.cut(unit, patch, picture)

    def of(self, chosen: Any, k: int | None = None) -> Patches:
        """Return the patches of some units only, by their indices in `units`. k: patches per unit; None for all."""
        names = ("values", "numbers", "positions", "boxes", "places")
        kept = {name: getattr(self, name)[chosen][:, :k] for name in names}
        return replace(self, units=self.units[chosen], **kept)

    def cut(self, unit: int, patch: int, picture: np.ndarray) -> np.ndarray:
        """Return the crop of a patch from an array of the picture's size (H, W, …); NaN as in crops."""
        (top, bottom, left, right), (above, below, before, after) = self.boxes[unit, patch], self.places[unit, patch]
        crop = np.full((*self.size, *picture.shape[2:]), np.nan, np.float32)
        crop[above:below, before:after] = picture[top:bottom, left:right]
        return crop


def top_patches(
    model: Network,
    layer: Any,
    images: Any,
    units: Any = None,
    k: int = PATCHES,
    *,
    batch_size: int = BATCH,
    size: tuple[int, int] | None = None,
    resume: str | os.PathLike[str] | None = None,
    progress: bool | None = None,
) -> Any:
    """Return the k patches that most activate each unit, at most one per picture. Source: Zeiler & Fergus 2014.

    layer: a name, or several; several return {name: Patches} from one pass over the pictures.
    images: an array (N, H, W, 3), a folder of pictures, or any sequence of arrays or files, which is read lazily.
    units: numbers, or names of classes; None for all.
    size: (height, width) to which files are resized; None for the size on the model's card.
    resume: a file for the state, written every twenty seconds and on interruption; if it exists, the search continues
    from it. progress: True for a progress bar; None shows one on a terminal only.
    Raise InputError for a bad argument, also if a layer or unit does not exist, and LoadError if the file belongs to
    another search.
    """
    k = check_count("top_patches: k", k)
    names = [layer] if isinstance(layer, str) else list(dict.fromkeys(layer))
    if not names:
        raise InputError("top_patches: layer is empty; expected the name of a layer, or several")
    for name in names:
        model.check_layer(name)
    pictures = as_pictures(images, size or model.card.input_size)
    search = _Search(model, names, pictures, units, k, Path(resume) if resume is not None else None)
    search.run(batch_size, progress)
    found = {name: _placed(model, name, pictures, search.best[name]) for name in names}
    return found[layer] if isinstance(layer, str) else found


class _Best:
    """The k largest activations of each unit so far: values, picture numbers and positions, (U, k)."""

    def __init__(self, units: np.ndarray, k: int) -> None:
        self.units = units
        self.values = np.full((len(units), k), -np.inf, np.float32)
        self.numbers = np.full((len(units), k), NOBODY, np.int64)
        self.places = np.zeros((len(units), k, 2), np.int64)

    def add(self, outputs: np.ndarray, first: int) -> None:
        """Update with outputs (N, H', W', C) or (N, C) of the pictures from number `first` on."""
        count, channels = len(outputs), outputs.shape[-1]
        width = outputs.shape[2] if outputs.ndim == 4 else 1
        said = outputs.reshape(count, -1, channels)
        if not np.array_equal(self.units, np.arange(channels)):
            said = said[:, :, self.units]
        where = said.argmax(axis=1)  # (N, U)
        values = np.take_along_axis(said, where[:, None], axis=1)[:, 0].T
        if not (values > self.values[:, -1:]).any():
            return
        places = np.stack(np.divmod(where.T, width), axis=2)
        numbers = np.broadcast_to(np.arange(first, first + count), values.shape)
        values = np.concatenate([self.values, values], axis=1)
        kept = np.argsort(-values, axis=1, kind="stable")[:, : self.values.shape[1]]  # of equals, the earlier picture
        self.values = np.take_along_axis(values, kept, axis=1)
        self.numbers = np.take_along_axis(np.concatenate([self.numbers, numbers], axis=1), kept, axis=1)
        self.places = np.take_along_axis(np.concatenate([self.places, places], axis=1), kept[:, :, None], axis=1)


class _Search:
    """One pass over the pictures, and its state on disk."""

    def __init__(
        self, model: Network, names: list[str], pictures: Pictures, units: Any, k: int, path: Path | None
    ) -> None:
        self.model, self.names, self.pictures, self.path, self.done = model, names, pictures, path, 0
        with at_rest(model), no_grad():
            outputs = model.features(pictures.stacked([0]), names)
        if path is not None:
            check_folder("top_patches: resume", path)
        self.best = {}
        for name in names:
            width = outputs[name].shape[-1]
            chosen = np.arange(width) if units is None else unit_numbers(model, name, units, width)
            self.best[name] = _Best(chosen, k)
        if path is not None:
            self.problem = self._problem(k)
            self._load()

    def run(self, batch_size: int, progress: bool | None) -> None:
        """Process all remaining pictures. The state is saved however the pass ends."""
        disable = None if progress is None else not progress
        saved = time.monotonic()
        bar = tqdm(total=len(self.pictures), initial=self.done, unit=" pictures", desc="patches", disable=disable)
        try:
            with at_rest(self.model), no_grad(), bar:
                for first, batch in self.pictures.batches(batch_size, self.done):
                    for name, outputs in self.model.features(batch, self.names).items():
                        self.best[name].add(outputs.data, first)
                    self.done = first + len(batch)
                    bar.update(len(batch))
                    if time.monotonic() - saved > EVERY:
                        self._save()
                        saved = time.monotonic()
        finally:
            self._save()

    def _problem(self, k: int) -> dict[str, Any]:
        """Return the facts that a saved state must match."""
        total = Checksum()
        for name, array in sorted(arrays_of(self.model).items()):
            total.begin(name, array.dtype, array.shape)
            total.add(array)
        units = {name: best.units.tolist() for name, best in self.best.items()}
        return {
            "model": self.model.card.name,
            "weights": total.hexadecimal(),
            "pictures": self.pictures.fingerprint(),
            "units": units,
            "k": k,
        }

    def _save(self) -> None:
        if self.path is None:
            return
        arrays: dict[str, Any] = {"problem": np.array(json.dumps(self.problem)), "done": np.array(self.done)}
        for i, best in enumerate(self.best.values()):
            arrays |= {f"{i}.values": best.values, f"{i}.numbers": best.numbers, f"{i}.places": best.places}
        try:
            with replacing(self.path) as beside, open(beside, "wb") as file:
                np.savez(file, **arrays)
        except OSError as problem:
            raise InputError(f"top_patches: resume {str(self.path)!r} cannot be written ({problem})") from None

    def _load(self) -> None:
        assert self.path is not None
        if not os.path.lexists(self.path):
            return
        label = f"top_patches: resume {str(self.path)!r}"
        try:
            with self.path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
                problem, done = json.loads(str(file["problem"])), int(file["done"])
                arrays = {key: file[key] for key in file.files if "." in key}
        except Exception as error:  # the file may be damaged or crafted in any way
            kind = type(error).__name__
            raise LoadError(f"{label} holds no search ({kind}); expected what resume has written") from None
        for key, ours in self.problem.items():
            if not isinstance(problem, dict) or problem.get(key) != ours:
                raise LoadError(f"{label} is of a search with other {key}; name another file, or delete it")
        for i, best in enumerate(self.best.values()):
            for key, current in (("values", best.values), ("numbers", best.numbers), ("places", best.places)):
                stored = arrays.get(f"{i}.{key}")
                if stored is None or stored.shape != current.shape or stored.dtype != current.dtype:
                    raise LoadError(f"{label} is damaged; delete it")
                setattr(best, key, stored)
        self.done = done


def _placed(model: Network, layer: str, pictures: Pictures, best: _Best) -> Patches:
    """Return the patches found, with their receptive fields."""
    whole = pictures[0].shape[:2]
    fields = fields_of(model, layer, whole)
    boxes, places = (np.zeros((*best.numbers.shape, 4), np.int64) for _ in range(2))
    for unit, patch in zip(*np.nonzero(best.numbers != NOBODY), strict=True):
        box = fields.box(*best.places[unit, patch].tolist())
        boxes[unit, patch], places[unit, patch] = box, _place(box, whole, fields.size)
    found = best.units, best.values, best.numbers, best.places
    return Patches(layer, fields, pictures, *found, boxes, places, fields.size)


def _place(box: Sequence[int], picture: Sequence[int], size: Sequence[int]) -> tuple[int, int, int, int]:
    """Return the position in a crop of `size` of a field clipped by the picture's edge: top, bottom, left, right."""
    place: list[int] = []
    for first, stop, length, whole in zip(box[::2], box[1::2], picture, size, strict=True):
        missing = whole - (stop - first)
        before = missing if first == 0 and stop < length else missing // 2 if first == 0 else 0
        place += [before, before + stop - first]
    return place[0], place[1], place[2], place[3]

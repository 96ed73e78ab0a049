"""Encoding of many pictures into shards, by this process or by workers.

The list of pictures is cut in order into shards of equal size. The key of a shard is a hash of its pictures' names, the
weights and the version. A stopped run therefore continues with the missing shards. The bytes of a shard do not depend
on the worker that makes it.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import minicnn
from minicnn import images
from minicnn.errors import InputError, LoadError, check_count
from minicnn.faces.candidates import Candidate, candidates
from minicnn.faces.cropping import crop
from minicnn.faces.encoding import card_of, encode, identity
from minicnn.faces.gallery_file import alone
from minicnn.faces.quality import Quality
from minicnn.faces.snapshots import Face, find
from minicnn.files import check_folder
from minicnn.scale import shards
from minicnn.text import one_line


class Summary(NamedTuple):
    """The state of a collection: its shards, pictures and faces, and the number of unreadable pictures."""

    shards: int
    pictures: int
    faces: int
    broken: int

    def plus(self, shard: Any) -> Summary:
        """Return the state with one more Shard."""
        more = 1, int(shard.header["pictures"]), len(shard), int(shard.header["broken"])
        return Summary(*(a + b for a, b in zip(self, more, strict=True)))


@dataclass(frozen=True)
class Task:
    """A shard to make. pictures: names, relative to the folder `base`. witness: a picture that all workers can read.

    facts: the model's, with the number of this shard and the count of all.
    """

    pictures: tuple[str, ...]
    base: str
    witness: str
    facts: Mapping[str, str | int]

    @property
    def key(self) -> str:
        """A hash of everything that the content of the shard depends on."""
        return hashlib.sha256(json.dumps([self.pictures, dict(self.facts)], sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class Model:
    """An encoder in the form that is sent to workers. detector: None crops the centre, as suits drawn faces."""

    network: Any
    detector: Any

    @property
    def facts(self) -> dict[str, str | int]:
        """Facts that all shards of a collection share: encoder, weights, detector and version."""
        detector = "none" if self.detector is None else type(self.detector).__name__.lower()
        return {**identity(self.network), "detector": detector, "minicnn": minicnn.__version__}

    def shard(self, task: Task) -> bytes:
        """Return the bytes of a task's shard. A picture that cannot be read becomes a row of the manifest."""
        rows: list[dict[str, Any]] = []
        table: list[list[float]] = []

        def crops() -> Iterator[np.ndarray]:
            for name in task.pictures:
                path = os.path.join(task.base, name)
                try:
                    found = self._faces(path)
                except Exception as problem:  # whatever it is, the other pictures are worth their encodings
                    error = one_line(str(problem).replace(path, name) or type(problem).__name__, 300)
                    rows.append({"picture": name, "error": error})
                    continue
                rows.append({"picture": name, "faces": len(found)})
                for one in found:
                    place = [*one.face.box, one.face.score, one.face.turn] if one.face else [np.nan] * 6
                    table.append([len(rows) - 1, *place, *(one.quality or [np.nan] * len(Quality._fields))])
                    yield one.crop

        encodings = encode(self.network, crops())
        faces = np.array(table, np.float32).reshape(len(table), len(shards.COLUMNS))
        counts = {"pictures": len(rows), "broken": sum("error" in row for row in rows)}
        return shards.packed({**task.facts, **counts, "key": task.key}, encodings, faces, rows)

    def _faces(self, path: str) -> list[Candidate]:
        """Return all faces of a picture. One of the encoder's size is a face already."""
        image, card = images.load(path), card_of(self.network)
        found: Sequence[Face] | np.ndarray = image
        if image.shape[:2] != card.input_size:
            found = crop(image, card) if self.detector is None else find(image, detector=self.detector)
        return list(candidates(found, card, "all", "encode"))


def encode_all(
    pictures: Sequence[str],
    out: str | os.PathLike[str],
    encoder: Any,
    *,
    detector: Any = None,
    per_shard: int = 1000,
    client: Any = None,
    on_shard: Callable[[Summary], object] = lambda state: None,
) -> Summary:
    """Encode every face in the pictures into shards in the folder `out`, and return a Summary of them.

    pictures: paths; their order decides which shard holds them. encoder: a network with a card. detector: one such as
    `models.mtcnn()`; None crops the centre, as suits drawn faces. per_shard: pictures per shard; a thousand are a
    minute's work with a detector, and half a megabyte. client: from `connected`, whose workers do the work; None for
    this process. on_shard: called with the state so far, at the beginning and after every shard. Shards that are there
    are kept. Raises InputError, or LoadError if one is damaged or of other pictures or weights.
    """
    check_count("encode: per_shard", per_shard)
    folder, model, names = Path(out), Model(encoder, detector), list(dict.fromkeys(map(os.fspath, pictures)))
    if not names:
        raise InputError("encode: pictures are none; expected one or more")
    check_folder("encode: out", folder / "000000.h5")
    witness = os.path.abspath(next((name for name in names if os.path.isfile(name)), names[0]))
    cut = [tuple(names[start : start + per_shard]) for start in range(0, len(names), per_shard)]
    facts = {**model.facts, "shards": len(cut)}
    tasks = {
        folder / f"{number:06d}.h5": Task(part, os.getcwd(), witness, {**facts, "number": number})
        for number, part in enumerate(cut)
    }
    with alone(folder / "shards"):
        if others := sorted(set(folder.glob("*.h5")) - tasks.keys()):
            raise InputError(f"encode: {str(others[0])!r} is no shard of these pictures; expected another folder")
        state = Summary(0, 0, 0, 0)
        for path in [path for path in tasks if os.path.lexists(path)]:
            state = state.plus(_checked(path, tasks.pop(path)))
        on_shard(state)
        run: Any = _run_here
        if client is not None and tasks:
            from minicnn.scale.workers import run_on as run  # needs Dask
        for path, content in run(client, model, tasks):
            shards.write(path, content)
            state = state.plus(shards.opened(path))
            on_shard(state)
    return state


def _run_here(client: None, model: Model, tasks: Mapping[Path, Task]) -> Iterator[tuple[Path, bytes]]:
    return ((path, model.shard(task)) for path, task in tasks.items())


def _checked(path: Path, task: Task) -> shards.Shard:
    """Return the shard of a task that is there already. Raises LoadError."""
    shard = shards.opened(path)
    shard.check()
    expected = {**task.facts, "pictures": len(task.pictures), "key": task.key}
    if different := [name for name, value in expected.items() if shard.header.get(name) != value]:
        said = f"shard {str(path)!r} is of another run, with another {different[0]}"
        raise LoadError(f"{said}; expected the same pictures, weights and version, or another folder")
    return shard

"""Encoding of many pictures into shards, by this process or by workers.

The list of pictures is cut in order, a shard for so many pictures. The key of a shard is a hash of its pictures' names,
the weights and the version, so a run that was stopped continues with the shards that are missing. Who makes a shard does
not change its bytes.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import minicnn
from minicnn import images
from minicnn.errors import InputError, LoadError, check_count
from minicnn.faces.candidates import Candidate, candidates
from minicnn.faces.cropping import crop
from minicnn.faces.encoding import card_of, encode, identity
from minicnn.faces.snapshots import Face, find
from minicnn.files import MARK, check_folder, read_text
from minicnn.scale import shards
from minicnn.text import one_line

MANIFEST = "manifest.json"  # of the whole folder
PER_SHARD = 1000  # pictures: a minute's work with a detector, and half a megabyte
LONGEST = 300  # letters of the reason why a picture is broken


@dataclass(frozen=True)
class Task:
    """A shard to make. pictures: names, relative to the folder `base`. witness: a picture that all workers see."""

    number: int
    pictures: tuple[str, ...]
    base: str
    witness: str
    facts: Mapping[str, str | int]

    @property
    def key(self) -> str:
        """A hash of everything that the content of the shard depends on."""
        return _hash([self.pictures, dict(self.facts)])


@dataclass(frozen=True)
class Model:
    """An encoder as it travels to workers. detector: None crops the centre of pictures, as suits drawn faces."""

    network: Any
    detector: Any = field(repr=False)

    @property
    def facts(self) -> dict[str, str | int]:
        """Facts that the shards of one collection share: encoder, weights, detector and version."""
        detector = "none" if self.detector is None else type(self.detector).__name__.lower()
        return {**identity(self.network), "detector": detector, "minicnn": minicnn.__version__}

    def shard(self, task: Task) -> bytes:
        """Return the bytes of a task's shard. A picture that cannot be read becomes a row of the manifest."""
        rows: list[dict[str, Any]] = []
        table: list[list[float]] = []

        def crops() -> Iterator[np.ndarray]:
            for name in task.pictures:
                try:
                    found = self.look(os.path.join(task.base, name))
                except Exception as problem:  # whatever it is, the other pictures come first
                    said = str(problem).replace(os.path.join(task.base, name), name)
                    rows.append({"picture": name, "error": one_line(said, LONGEST)})
                    continue
                rows.append({"picture": name, "faces": len(found)})
                for one in found:
                    table.append([len(rows) - 1, *_described(one)])
                    yield one.crop

        encodings = encode(self.network, crops())
        faces = np.array(table, np.float32).reshape(len(table), len(shards.COLUMNS))
        broken = sum("error" in row for row in rows)
        facts = {**task.facts, "key": task.key, "number": task.number, "pictures": len(rows), "broken": broken}
        return shards.packed(facts, encodings, faces, rows)

    def look(self, path: str) -> list[Candidate]:
        """Return all faces of a picture. One of the encoder's size is a face already."""
        image, card = images.load(path), card_of(self.network)
        if image.shape[:2] == card.input_size:
            return list(candidates(image, card, 1, "encode"))
        if self.detector is None:
            return list(candidates(crop(image, card), card, 1, "encode"))
        return list(candidates(find(image, detector=self.detector), card, "all", "encode"))


def _described(one: Candidate) -> list[float]:
    """Return the columns of a face after the first; NaN for what is not known of a crop."""
    place = [*one.face.box, one.face.score, one.face.turn] if isinstance(one.face, Face) else [np.nan] * 6
    return [*map(float, place), *(one.quality or [np.nan] * len(shards.Quality._fields))]


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


class Summary(NamedTuple):
    """The state of a collection. faceless and broken count pictures."""

    shards: int
    pictures: int
    faces: int
    broken: int


def _run_here(model: Model, tasks: Sequence[Task]) -> Iterator[tuple[Task, bytes]]:
    """Yield each task with its shard, made in this process."""
    for task in tasks:
        yield task, model.shard(task)


def _results(model: Model, tasks: Sequence[Task], client: Any) -> Iterator[tuple[Task, bytes]]:
    if client is None or not tasks:
        return _run_here(model, tasks)
    from minicnn.scale import workers

    return workers.run_on(client, model, tasks)


def encode_all(
    pictures: Sequence[str],
    out: str | os.PathLike[str],
    encoder: Any,
    *,
    detector: Any = None,
    per_shard: int = PER_SHARD,
    client: Any = None,
    on_shard: Callable[[Summary], None] | None = None,
) -> Summary:
    """Encode every face in the pictures into shards in the folder `out`, and return a Summary of them.

    pictures: paths; their order decides which shard holds them. encoder: a network with a card. detector: one such as
    `models.mtcnn()`; None crops the centre, as suits drawn faces. per_shard: pictures per shard. client: from
    `connected`, whose workers do the work; None for this process. on_shard: called with the state so far, at the
    beginning and after every shard. Shards that are there are kept. Raises InputError, or LoadError if one is
    damaged or of other pictures or weights.
    """
    check_count("encode: per_shard", per_shard)
    folder, model = Path(out), Model(encoder, detector)
    names = list(dict.fromkeys(map(os.fspath, pictures)))
    if not names:
        raise InputError("encode: pictures are none; expected one or more")
    check_folder("encode: out", folder / MANIFEST)
    facts = model.facts
    witness = next((name for name in names if os.path.isfile(name)), names[0])
    cut = [tuple(names[start : start + per_shard]) for start in range(0, len(names), per_shard)]
    tasks = [Task(number, part, os.getcwd(), os.path.abspath(witness), facts) for number, part in enumerate(cut)]
    with _alone(folder):
        _begin(folder, {**facts, "pictures": len(names), "list": _hash(names), "per_shard": per_shard})
        state = Summary(0, 0, 0, 0)
        missing = []
        for task in tasks:
            if not os.path.lexists(path := _path(folder, task)):
                missing.append(task)
                continue
            state = _counted(state, _checked(path, task))
        if on_shard:
            on_shard(state)
        for task, content in _results(model, missing, client):
            shards.write(path := _path(folder, task), content)
            state = _counted(state, shards.opened(path))
            if on_shard:
                on_shard(state)
    return state


def _path(folder: Path, task: Task) -> Path:
    return folder / f"{task.number:06d}.h5"


def _counted(state: Summary, shard: shards.Shard) -> Summary:
    more = 1, int(shard.header["pictures"]), len(shard), int(shard.header["broken"])
    return Summary(*(a + b for a, b in zip(state, more, strict=True)))


def _checked(path: Path, task: Task) -> shards.Shard:
    """Return the shard of a task, if it is whole. Raises LoadError."""
    shard = shards.opened(path)
    shard.check()
    if shard.header.get("key") != task.key:
        raise LoadError(f"shard {str(path)!r} holds other pictures or weights; expected those of its {MANIFEST}")
    return shard


def _begin(folder: Path, job: Mapping[str, Any]) -> None:
    """Write the manifest of a folder, or raise InputError if there is that of another job."""
    path = folder / MANIFEST
    content = {"format": shards.FORMAT, "mark": MARK, **job, "shards": -(-job["pictures"] // job["per_shard"])}
    if os.path.lexists(path):
        found = manifest_of(folder)
        different = [name for name, value in content.items() if found.get(name) != value]
        if different:
            theirs, ours = ((one_line(said.get(different[0]), 20)) for said in (found, content))
            raise InputError(
                f"encode: {str(folder)!r} holds other encodings ({different[0]} {theirs}, not {ours}); expected the "
                "same pictures, weights and version, or another folder"
            )
    elif any(folder.glob("*.h5")):
        raise InputError(f"encode: {str(folder)!r} holds .h5 files and no {MANIFEST}; expected an empty folder")
    else:
        shards.write(path, (json.dumps(content, indent=1) + "\n").encode())


def manifest_of(folder: Path) -> dict[str, Any]:
    """Return the manifest of a folder of shards. Raises LoadError."""
    try:
        found = json.loads(read_text("manifest", folder / MANIFEST))
    except (ValueError, RecursionError) as problem:
        raise LoadError(f"manifest {str(folder / MANIFEST)!r} is damaged ({one_line(problem, 80)})") from problem
    if not isinstance(found, dict) or found.get("format") != shards.FORMAT:
        raise LoadError(f"manifest {str(folder / MANIFEST)!r} is none; expected the format {shards.FORMAT}")
    return found


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Lock the folder against another run. The system releases the lock if a process dies. Raises InputError."""
    import filelock

    try:
        with filelock.FileLock(str(folder / f".{MANIFEST}.lock"), timeout=0):
            yield
    except filelock.Timeout:
        raise InputError(f"encode: another process writes to {str(folder)!r}; expected to be the only one") from None

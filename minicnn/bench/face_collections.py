"""Collections of faces on one, two and four workers of Dask, a thread each: exact search, and encoding.

In a process of its own, which writes the shards to search into a temporary folder: 5 GB, unless quick.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from minicnn import images, models, scale
from minicnn.bench import children
from minicnn.bench.gallery_search import DIMENSIONS, _unit_vectors
from minicnn.bench.plan import Plan, Section
from minicnn.bench.report import Row
from minicnn.scale import shards

WORKERS, QUERIES, NEAREST = (1, 2, 4), 16, 5
PER_SHARD = 100_000  # encodings
FACTS: dict[str, str | int] = {"weights_sha256": "0", "metric": "squared_l2", "embedding": DIMENSIONS}


def section(plan: Plan) -> Section:
    """Return the rows in seconds; the rival is one worker."""
    sizes = {"count": 200_000, "pictures": 64} if plan.quick else {"count": 10_000_000, "pictures": 3000}
    names = {"search": f"{QUERIES} queries in {sizes['count']:,}", "encode": f"encode {sizes['pictures']:,} crops"}
    rows = [(f"{name}, {n} workers", kind, n) for kind, name in names.items() for n in WORKERS[1:]]
    measurements = [(name, partial(measure, plan, name, kind, n, sizes)) for name, kind, n in rows]
    return Section("Collections of faces, a thread per worker", measurements, rival="one worker")


def measure(plan: Plan, name: str, kind: str, workers: int, sizes: dict[str, int]) -> Row:
    """Return one row. Memory in MiB and the one-time seconds of opening are in its details."""
    options: dict[str, Any] = {**sizes, "rounds": plan.rounds}
    found = plan.once(kind, lambda: children.ask("face_collections", kind, **options))
    ours, one = found[str(workers)], found["1"]
    return Row(name, "s", ours["seconds"], one["seconds"], one["seconds"] / ours["seconds"], {"of_all": found})


def search(count: int, pictures: int, rounds: int) -> dict[str, Any]:
    """Return {workers: seconds of a search, of opening, and the largest anonymous memory of a worker in MiB}."""
    random, found = np.random.default_rng(0), {}
    with tempfile.TemporaryDirectory() as place:
        for number in range(-(-count // PER_SHARD)):
            part = _unit_vectors(random, min(PER_SHARD, count - number * PER_SHARD))
            table = np.zeros((len(part), len(shards.COLUMNS)), np.float32)
            content = shards.packed({**FACTS, "shards": 1}, part, table, [{"picture": "drawn"}])
            shards.write(Path(place, f"{number:06d}.h5"), content)
        queries = _unit_vectors(random, QUERIES)
        for workers in WORKERS:
            with scale.connected(workers=workers, threads=1) as client:
                collection = scale.Collection(place, client=client)
                opening, *seconds = (_timed(lambda: collection.nearest(queries, NEAREST)) for _ in range(rounds + 1))  # noqa: B023
                memory = max(client.run(_anonymous_memory).values())
            found[str(workers)] = {"seconds": statistics.median(seconds), "opening": opening, "memory": memory}
    return found


def encode(count: int, pictures: int, rounds: int) -> dict[str, Any]:
    """Return {workers: seconds to encode that many crops}, after a first run that loads everything."""
    encoder, found = models.tiny_facenet(), {}
    with tempfile.TemporaryDirectory() as place:
        names = [os.path.join(place, f"{number}.png") for number in range(pictures)]
        for seed, name in enumerate(names):
            images.save(name, np.random.default_rng(seed).random((64, 64, 3), np.float32))
        for workers in WORKERS:
            with scale.connected(workers=workers, threads=1) as client:
                outs = [tempfile.mkdtemp(dir=place) for _ in range(rounds + 1)]
                run = partial(scale.encode_all, names, encoder=encoder, per_shard=pictures // 32, client=client)
                _, *seconds = (_timed(partial(run, out)) for out in outs)
            found[str(workers)] = {"seconds": statistics.median(seconds)}
    return found


def _timed(call: Any) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def _anonymous_memory() -> float:
    """Return the anonymous memory of this process in MiB; 0 if the system does not report it."""
    status = "/proc/self/status"
    lines = Path(status).read_text(encoding="utf-8").splitlines() if os.path.isfile(status) else []
    return sum(int(line.split()[1]) for line in lines if line.startswith("RssAnon:")) / 1024

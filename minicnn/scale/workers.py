"""Work on Dask's workers, through a client from `connected`.

The model travels to a worker once, as a plugin, and later workers get it too. A worker does one thing at a time, and
its kernels run on as many threads as the worker has. Dask gives the work of a lost worker to another.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import CancelledError
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import distributed
import threadpoolctl

import minicnn
from minicnn.errors import InputError
from minicnn.scale.shards import Portion, search
from minicnn.text import counted, one_line

if TYPE_CHECKING:
    from minicnn.scale.jobs import Model, Task

PATIENCE = 30  # seconds without a result until the workers are counted
AHEAD = 2  # shards per worker that are handed out
RESUMES = "finished shards are kept, and the same command resumes"
ABSENT = "has no model"

_alone = threading.Lock()  # a worker's threads belong to one computation


class Carrier(distributed.WorkerPlugin):
    """A model that is sent to workers. found: the facts about the model that arrived."""

    def __init__(self, model: Model) -> None:
        self.model, self.name = model, f"minicnn-{model.facts['weights_sha256']}-{model.facts['detector']}"

    def setup(self, worker: Any) -> None:
        """Record the facts of the model that arrived."""
        self.found = self.model.facts


def run_on(client: Any, model: Model, tasks: Mapping[Path, Task]) -> Iterator[tuple[Path, bytes]]:
    """Yield each path with its shard, made by the workers of a client, in any order. Raises InputError."""
    carrier, facts, remaining = Carrier(model), model.facts, iter(tasks.items())
    waiting: dict[Any, Path] = {}
    with _explained():
        _send(client, carrier, facts, next(iter(tasks.values())).witness)
        while True:
            workers = max(1, len(client.nthreads()))
            for path, task in islice(remaining, max(0, AHEAD * workers - len(waiting))):
                waiting[client.submit(_shard, carrier.name, facts, task, key=f"shard-{task.key}")] = path
            if not waiting:
                return
            try:
                done = distributed.wait([*waiting], timeout=PATIENCE, return_when="FIRST_COMPLETED").done
            except TimeoutError:
                _need_workers(client)
                continue
            for future in done:
                try:
                    shard = future.result(PATIENCE)
                except TimeoutError:  # its worker is lost, so it is computed again
                    continue
                yield waiting.pop(future), shard


def search_on(client: Any, everything: Portion, queries: Any, k: int, metric: str) -> list[Any]:
    """Return the Nearest of every worker in its portion. Another worker takes over the portion of a lost one."""
    addresses = sorted(client.nthreads())
    options: dict[str, Any] = {"allow_other_workers": True, "pure": False}
    with _explained():
        futures = [
            client.submit(_search, minicnn.__version__, portion, queries, k, metric, workers=[address], **options)
            for number, address in enumerate(addresses)
            if (portion := everything[number :: len(addresses)])
        ]
        return [_result(client, future) for future in futures]


def _result(client: Any, future: Any) -> Any:
    """Return the result of a future. Raises InputError if no worker is left to compute it."""
    while True:
        try:
            return future.result(PATIENCE)
        except TimeoutError:
            _need_workers(client)


def _need_workers(client: Any) -> None:
    """Raise InputError if no worker is left."""
    if not client.nthreads():
        raise InputError(f"cluster: no worker is left; start one, as {RESUMES}")


@contextmanager
def _explained() -> Iterator[None]:
    """Raise InputError in place of Dask's own errors."""
    try:
        yield
    except distributed.KilledWorker as problem:
        said = f"cluster: {one_line(problem.task, 40)} ended {counted(problem.allowed_failures + 1, 'worker')}"
        raise InputError(f"{said}, perhaps for want of memory; make smaller shards in another folder") from problem
    except InputError:
        raise
    except (CancelledError, OSError, RuntimeError) as problem:  # the last if it cannot load what it is sent
        why = f"has gone, or lacks minicnn {minicnn.__version__} ({one_line(problem, 80)})"
        raise InputError(f"cluster: the scheduler {why}; {RESUMES}") from problem


def _send(client: Any, carrier: Carrier, facts: Mapping[str, Any], witness: str) -> None:
    """Send the model to the workers if one lacks it. Raises InputError if one cannot do the work."""
    for sent in (False, True):
        said = client.run(_problem, carrier.name, facts, witness, on_error="return")
        for address, problem in sorted(said.items()):
            if isinstance(problem, BaseException):
                problem = f"cannot run minicnn {minicnn.__version__} ({one_line(problem, 120)}); expected that version"
            if problem and (sent or problem != ABSENT):
                raise InputError(f"worker {address} {problem}")
        if not sent and ABSENT in said.values():
            client.register_plugin(carrier, name=carrier.name)


# On the workers


def _problem(name: str, facts: Mapping[str, Any], witness: str, dask_worker: Any) -> str:
    """Return the reason why this worker cannot make such shards; empty if it can. witness: a picture it must read."""
    if facts["minicnn"] != minicnn.__version__:
        return f"has minicnn {minicnn.__version__}; expected {facts['minicnn']}, the same on all machines"
    if name and name not in dask_worker.plugins:
        return ABSENT
    if name and facts != (found := dask_worker.plugins[name].found):
        theirs, ours = (one_line(said["weights_sha256"], 13) for said in (found, facts))
        return f"has weights of SHA-256 {theirs}; expected {ours}: start the worker again"
    if witness and not os.path.exists(witness):
        return f"does not see {witness!r}; expected the same paths on all machines"
    return ""


@contextmanager
def _prepared(name: str, facts: Mapping[str, Any], witness: str) -> Iterator[Any]:
    """Yield this worker, with all of its threads and no more for kernels and BLAS. Raises InputError if it is unfit."""
    worker = distributed.get_worker()
    if problem := _problem(name, facts, witness, worker):
        raise InputError(f"worker {worker.address} {problem}")
    with _alone, threadpoolctl.threadpool_limits(worker.state.nthreads, "blas"):
        minicnn.set_threads(worker.state.nthreads)
        yield worker


def _shard(name: str, facts: Mapping[str, Any], task: Task) -> bytes:
    with _prepared(name, facts, task.witness) as worker:
        return worker.plugins[name].model.shard(task)


def _search(version: str, portion: Portion, queries: Any, k: int, metric: str) -> Any:
    with _prepared("", {"minicnn": version}, ""):
        return search(portion, queries, k, metric)

"""Workers of Dask: the processes of this machine, or of a cluster. Needs the extra `cluster`.

The model travels to a worker once, as a plugin, and later workers get it too. A worker computes one shard at a time, and
its kernels run on as many threads as the worker has. Dask gives the shards of a lost worker to another.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager
from itertools import islice
from typing import Any

import distributed
import threadpoolctl

import minicnn
from minicnn.errors import InputError
from minicnn.scale.jobs import Model, Task
from minicnn.text import counted, one_line

PATIENCE = 10  # seconds between looks for workers
ABSENCE = 60  # seconds to wait for a worker after the last one is gone
AHEAD = 2  # shards per worker that are handed out

_alone = threading.Lock()  # a worker's threads belong to one computation


class Carrier(distributed.WorkerPlugin):
    """A model on a worker. facts: those of the model that was sent."""

    def __init__(self, model: Model) -> None:
        self.model, self.facts = model, model.facts
        self.name = f"minicnn-{self.facts['weights_sha256']}-{self.facts['detector']}"

    def setup(self, worker: Any) -> None:
        """Note what arrived, which `problem_of` compares."""
        self.found = self.model.facts

    def problem_of(self, address: str) -> str:
        """Return why this worker cannot make the shards of the model, in a line; empty if it can."""
        return _problem(address, self.facts, self.found)


def _problem(address: str, expected: Any, found: Any) -> str:
    if expected["minicnn"] != found["minicnn"]:
        return (
            f"worker {address} has minicnn {found['minicnn']}; expected {expected['minicnn']}: install the same version "
            "on all workers"
        )
    if expected.get("weights_sha256") != found.get("weights_sha256"):
        theirs, ours = (one_line(facts["weights_sha256"], 13) for facts in (found, expected))
        return f"worker {address} has weights of SHA-256 {theirs}; expected {ours}: start it again"
    return ""


def run_on(client: Any, model: Model, tasks: Sequence[Task]) -> Iterator[tuple[Task, bytes]]:
    """Yield each task with its shard, made by the workers of a client, in any order. Raises InputError."""
    carrier, remaining = Carrier(model), iter(tasks)
    _send(client, carrier, tasks[0].witness)
    waiting: dict[Any, Task] = {}
    while True:
        workers = max(1, len(client.nthreads()))
        for task in islice(remaining, max(0, AHEAD * workers - len(waiting))):
            waiting[client.submit(_shard_there, carrier.name, carrier.facts, task, key=f"shard-{task.key}")] = task
        if not waiting:
            return
        for future in _done(client, waiting):
            yield waiting.pop(future), result_of(future)


def _done(client: Any, waiting: dict[Any, Task]) -> list[Any]:
    """Return the futures that are done, at least one. Raises InputError if no worker is left."""
    for _ in range(ABSENCE // PATIENCE):
        try:
            return list(distributed.wait([*waiting], timeout=PATIENCE, return_when="FIRST_COMPLETED").done)
        except TimeoutError:
            if client.nthreads():
                return []
        except CancelledError as problem:
            raise _gone() from problem
    raise InputError(f"cluster: no worker has been there for {ABSENCE} s; start one, and the same command resumes")


def _gone() -> InputError:
    return InputError("cluster: the scheduler has gone; finished shards are kept, and the same command resumes")


def result_of(future: Any) -> Any:
    """Return the result of a future. Raises what the worker raised, or InputError if workers died of it."""
    try:
        return future.result()
    except distributed.KilledWorker as problem:
        raise InputError(
            f"cluster: {one_line(problem.task, 40)} ended {counted(problem.allowed_failures + 1, 'worker')}, perhaps "
            "for want of memory; start workers with more, or make shards of fewer pictures"
        ) from problem
    except CancelledError as problem:
        raise _gone() from problem


def _send(client: Any, carrier: Carrier, witness: str) -> None:
    """Send the model to the workers that lack it. Raises InputError if one cannot do the work."""
    for sent in (False, True):
        states = client.run(_state, carrier.name, witness, on_error="return")
        for address, state in sorted(states.items()):
            if isinstance(state, BaseException):
                said = (
                    f"worker {address} cannot run minicnn {minicnn.__version__} ({one_line(state, 120)}); expected the "
                )
                raise InputError(said + "same version on all workers")
            found, sees = state
            if problem := found and _problem(address, carrier.facts, {**carrier.facts, **found}):
                raise InputError(problem)
            if not sees:
                raise InputError(f"worker {address} does not see {witness!r}; expected the same paths on all workers")
        if not sent and not all("weights_sha256" in found for found, _ in states.values()):
            client.register_plugin(carrier, name=carrier.name)


# On the workers


def _state(name: str, witness: str, dask_worker: Any) -> tuple[dict[str, Any], bool]:
    """Return the facts about this worker's model, or its version alone, and whether it sees a picture."""
    import os

    carrier = dask_worker.plugins.get(name)
    found = carrier.found if carrier else {"minicnn": minicnn.__version__}
    return dict(found), os.path.exists(witness)


def _shard_there(name: str, facts: Any, task: Task) -> bytes:
    worker = distributed.get_worker()
    carrier = worker.plugins.get(name)
    found = carrier.model.facts if carrier else {"minicnn": minicnn.__version__, "weights_sha256": "none"}
    if problem := _problem(worker.address, facts, found):
        raise InputError(problem)
    with held_threads(worker):
        return carrier.model.shard(task)


@contextmanager
def held_threads(worker: Any) -> Iterator[None]:
    """Give all threads of this worker, and no more, to the kernels and BLAS inside the block."""
    with _alone:
        minicnn.set_threads(worker.state.nthreads)
        with threadpoolctl.threadpool_limits(worker.state.nthreads, "blas"):
            yield


def search_on(client: Any, portions: dict[str, Any], queries: Any, k: int, metric: str) -> dict[str, Any]:
    """Return {address: Nearest} of the portions, each searched on its worker, or on another if that is lost."""
    futures = {
        address: client.submit(
            _search_there,
            minicnn.__version__,
            portion,
            queries,
            k,
            metric,
            workers=[address],
            allow_other_workers=True,
            pure=False,
        )
        for address, portion in portions.items()
    }
    return {address: result_of(future) for address, future in futures.items()}


def _search_there(version: str, portion: Any, queries: Any, k: int, metric: str) -> Any:
    from minicnn.scale.collection import search

    worker = distributed.get_worker()
    if problem := _problem(worker.address, {"minicnn": version}, {"minicnn": minicnn.__version__}):
        raise InputError(problem)
    with held_threads(worker):
        return search(portion, queries, k, metric)

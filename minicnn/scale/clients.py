"""Connections to Dask: new processes of this machine, or a cluster. The extra `cluster` adds Dask."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from minicnn.errors import InputError, check_count
from minicnn.machine import available_cores
from minicnn.text import one_line

PATIENCE = 10  # seconds to wait for a scheduler


@contextmanager
def connected(address: str | None = None, *, workers: int | None = None, threads: int | None = None) -> Iterator[Any]:
    """Yield a client of the cluster at an address, or of a number of new processes of this machine.

    threads: number per new process; None shares the cores of this machine. These processes end with the block. A
    cluster's peers can run any code on each other, so it belongs in a network of trusted machines. Raises InputError if
    Dask is missing or does not answer.
    """
    try:
        import distributed
    except ImportError as problem:
        raise InputError(f"Dask is missing ({one_line(problem)}); pip install '.[cluster]' installs it") from None
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # minicnn reports problems in a line of its own
    options: dict[str, Any] = {"memory_limit": None, "dashboard_address": "127.0.0.1:0"}
    if address is None:
        options["n_workers"] = check_count("connected: workers", workers)
        options["threads_per_worker"] = threads or max(1, available_cores() // options["n_workers"])
    with ExitStack() as stack:
        cluster = address or stack.enter_context(distributed.LocalCluster(**options))
        try:
            client = stack.enter_context(_client(distributed.Client, cluster))
        except (OSError, ValueError, TypeError) as problem:
            said = f"cluster {address!r} does not answer ({one_line(problem, 120)})"
            raise InputError(f"{said}; expected the address of a scheduler, such as tcp://host:8786") from problem
        if not client.nthreads():
            raise InputError(f"cluster {address!r} has no workers; expected one or more: dask worker {address}")
        yield client


def _client(kind: Any, cluster: Any) -> Any:
    """Return a client of a cluster or an address. Close it if it does not connect.

    Left open, it closes when the garbage collector finds it, and may wait for a lock that its own thread then holds.
    """
    client = kind.__new__(kind)
    try:
        kind.__init__(client, cluster, timeout=PATIENCE)
    except BaseException:
        client.close()
        raise
    return client

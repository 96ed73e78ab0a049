"""The work of workers, with a stand-in for Dask in this process; test_workers.py has the real one."""

import importlib
import os
import sys
from concurrent.futures import CancelledError
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import minicnn
from minicnn import images, scale
from minicnn.errors import InputError, LoadError
from minicnn.models.card import ModelCard
from minicnn.models.network import Network
from minicnn.nn import Flatten, Linear
from minicnn.resources import set_threads, threads
from minicnn.scale.jobs import Model

HERE = "tcp://here:1"


class Killed(Exception):
    """Dask's own, of a task that ended its workers."""

    task, allowed_failures = "shard-1", 2


class Future:
    """What a client has submitted."""


class Worker:
    """A worker: its address, its plugins, and its threads."""

    def __init__(self, address=HERE, threads=1):
        self.address, self.plugins, self.state = address, {}, SimpleNamespace(nthreads=threads)


class Client:
    """A client whose workers do what is submitted at once. waits: what happens at each wait, in turn.

    lost: what happens as long as results are lost with their workers.
    """

    def __init__(self, cluster=None, *, timeout=None):
        self.workers = {HERE: Worker()}
        self.cluster, self.timeout, self.sent, self.submitted, self.waits = cluster, timeout, [], [], []
        self.lost = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.closed = True

    def nthreads(self):
        return {address: worker.state.nthreads for address, worker in self.workers.items()}

    def run(self, function, *arguments, on_error):
        assert on_error == "return"
        return {address: function(*arguments, dask_worker=worker) for address, worker in self.workers.items()}

    def register_plugin(self, plugin, name):
        self.sent.append(name)
        for worker in self.workers.values():
            plugin.setup(worker)
            worker.plugins[name] = plugin

    def submit(self, function, *arguments, key=None, workers=None, **options):
        self.submitted.append((key, workers, options))
        worker = self.workers[workers[0] if workers else HERE]

        def result(timeout=1):
            assert timeout > 0
            if self.lost:
                self.lost.pop()()
                raise TimeoutError
            sys.modules["distributed"].get_worker = lambda: worker
            return function(*arguments)

        future = Future()
        future.result = result
        return future


def wait(futures, timeout, return_when):
    """Return the first future as done, or what the client has in store."""
    assert timeout > 0 and return_when == "FIRST_COMPLETED"
    happens = CLIENTS[-1].waits.pop(0) if CLIENTS[-1].waits else None
    if happens is not None:
        happens()
    return SimpleNamespace(done={futures[0]})


CLIENTS = []


@pytest.fixture
def client(monkeypatch):
    """A client of the stand-in, and minicnn.scale.workers as it is with it."""
    dask = ModuleType("distributed")
    dask.WorkerPlugin, dask.KilledWorker, dask.Client, dask.wait = object, Killed, Client, wait
    dask.LocalCluster = LocalCluster
    monkeypatch.setitem(sys.modules, "distributed", dask)
    monkeypatch.delitem(sys.modules, "minicnn.scale.workers", raising=False)
    monkeypatch.setattr(scale, "workers", importlib.import_module("minicnn.scale.workers"), raising=False)
    before, found = threads(), Client()
    CLIENTS.append(found)
    yield found
    CLIENTS.pop()
    sys.modules.pop("minicnn.scale.workers")  # of the stand-in; what was there before comes back
    set_threads(before)


class LocalCluster:
    """New processes of this machine, none of which is started."""

    def __init__(self, **options):
        self.options = options

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.closed = True


def small_encoder(seed=0):
    card = ModelCard(name="small", preprocessing="none", metric="squared_l2", input_size=(4, 4), embedding=8)
    return Network(card, [Flatten(name="flatten"), Linear(48, 8, seed=seed, name="embedding")])


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """A folder with four crops."""
    folder = tmp_path_factory.mktemp("drawn")
    for seed in range(4):
        images.save(folder / f"{seed}.png", np.random.default_rng(seed).random((4, 4, 3), np.float32))
    return [str(folder / f"{seed}.png") for seed in range(4)]


@pytest.fixture
def album(drawn, tmp_path, monkeypatch):
    """The crops; the current folder is empty."""
    monkeypatch.chdir(tmp_path)
    return drawn


def encoded(pictures, folder, **options):
    """Encode a shard per picture, and return {name: bytes} of every shard."""
    os.makedirs(folder, exist_ok=True)
    scale.encode_all(pictures, folder, small_encoder(), per_shard=1, **options)
    return {path.name: path.read_bytes() for path in sorted(Path(folder).glob("*.h5"))}


def test_workers_make_the_shards_of_one_process(client, album):
    client.workers[HERE].state.nthreads = 2
    set_threads(1)
    assert encoded(album, "theirs", client=client) == encoded(album, "ours")
    assert len(client.sent) == 1 and client.sent[0].startswith("minicnn-") and threads() == 2
    assert len({key for key, _, _ in client.submitted}) == 4 and client.submitted[0][0].startswith("shard-")
    encoded(album, "again", client=client)
    assert len(client.sent) == 1  # the model is there


def test_two_shards_per_worker_are_handed_out_ahead(client, album):
    handed = []
    client.waits = [lambda: handed.append(len(client.submitted))] * 4
    encoded(album, "theirs", client=client)
    assert handed == [2, 3, 4, 4]
    client.workers["tcp://there:2"] = Worker("tcp://there:2")
    client.submitted.clear()
    client.waits = [lambda: handed.append(len(client.submitted))]
    encoded(album, "two", client=client)
    assert handed[-1] == 4


def test_a_wait_without_a_result_goes_on_while_there_are_workers(client, album):
    handed = []

    def slow():
        handed.append(len(client.submitted))
        raise TimeoutError

    client.waits = [slow, slow]
    assert encoded(album, "theirs", client=client) == encoded(album, "ours")
    assert handed == [2, 2]  # nobody is given more before there is a result

    def lost():
        client.workers.clear()
        raise TimeoutError

    client.waits = [lambda: None, lost]
    with pytest.raises(InputError, match="cluster: no worker is left; start one, as finished shards are kept"):
        encoded(album, "out", client=client)
    assert len(os.listdir("out")) >= 1


def test_a_result_that_is_lost_with_its_worker_is_computed_again(client, album):
    queries = np.random.default_rng(0).standard_normal((5, 8))
    client.lost = [lambda: None, lambda: None]
    assert encoded(album, "theirs", client=client) == encoded(album, "ours")
    found = scale.Collection("ours", client=client)
    client.lost = [lambda: None]
    assert_array_equal(found.nearest(queries, 3).places, scale.Collection("ours").nearest(queries, 3).places)
    client.lost, client.waits = [client.workers.clear], []
    with pytest.raises(InputError, match="cluster: no worker is left; start one, as finished shards are kept"):
        found.nearest(queries, 3)


def failing(problem):
    def happens():
        raise problem

    return happens


@pytest.mark.parametrize(
    ("problem", "said"),
    [
        (Killed(), "cluster: shard-1 ended 3 workers, perhaps for want of memory; make smaller shards in another"),
        (
            CancelledError(),
            "cluster: the scheduler has gone, or lacks minicnn .* \\(CancelledError\\); finished shards",
        ),
        (OSError("lost"), r"the scheduler has gone, or lacks minicnn .* \(lost\); finished shards are kept"),
        (RuntimeError("lost"), r"the scheduler has gone, or lacks minicnn .* \(lost\)"),
        (InputError("its own line"), "^its own line$"),
    ],
)
def test_problems_of_a_cluster_are_one_line(client, album, problem, said):
    client.waits = [lambda: None, failing(problem)]
    with pytest.raises(InputError, match=said):
        encoded(album, "out", client=client)
    assert "000000.h5" in os.listdir("out")


def test_workers_that_cannot_do_the_work_are_named(client, album, monkeypatch):
    client.workers["tcp://there:2"] = Worker("tcp://there:2")
    run = client.run
    client.run = lambda *arguments, **options: run(*arguments, **options) | {"tcp://there:2": ImportError("minicnn")}
    with pytest.raises(
        InputError, match=r"^worker tcp://there:2 cannot run minicnn \S+ \(minicnn\); expected that ver"
    ):
        encoded(album, "out", client=client)
    client.run = run
    client.register_plugin = lambda plugin, name: client.sent.append(name)  # but it never arrives
    with pytest.raises(InputError, match=r"^worker tcp://here:1 has no model$"):
        encoded(album, "out", client=client)
    assert len(client.sent) == 1 and not list(Path("out").glob("*.h5"))


def test_what_a_worker_lacks_is_said(client, album, monkeypatch):
    workers, worker = scale.workers, Worker()
    facts, wrong = Model(small_encoder(), None).facts, workers.Carrier(Model(small_encoder(1), None))
    for name, said in (("", ""), ("model", "has no model")):
        assert workers._problem(name, facts, album[0], worker) == said
    wrong.setup(worker)
    worker.plugins["model"] = wrong
    assert workers._problem("model", wrong.model.facts, album[0], worker) == ""
    theirs, ours = wrong.model.facts["weights_sha256"][:12], facts["weights_sha256"][:12]
    said = workers._problem("model", facts, "", worker)
    assert said == f"has weights of SHA-256 {theirs}…; expected {ours}…: start the worker again"
    told = "does not see 'nowhere'; expected the same paths on all machines"
    assert workers._problem("", facts, "nowhere", worker) == told
    monkeypatch.setattr(minicnn, "__version__", "0.0.7")
    assert workers._problem("", facts, "", worker).startswith("has minicnn 0.0.7; expected ")


def test_each_worker_searches_its_portion(client, album):
    queries = np.random.default_rng(0).standard_normal((5, 8))
    encoded(album, "ours")
    for address in ("tcp://there:2", "tcp://there:3"):
        client.workers[address] = Worker(address)
    for k in (1, 3, 50):
        client.submitted.clear()
        ours, theirs = scale.Collection("ours").nearest(queries, k), scale.Collection("ours", client=client)
        assert_array_equal(theirs.nearest(queries, k).places, ours.places)
        assert_array_equal(theirs.nearest(queries, k).distances, ours.distances)
        options = {"allow_other_workers": True, "pure": False}
        assert client.submitted[:3] == [(None, [address], options) for address in sorted(client.workers)]
    found = scale.Collection("ours", client=client)
    client.workers |= {f"tcp://more:{number}": Worker(f"tcp://more:{number}") for number in range(9)}
    client.submitted.clear()
    found.nearest(queries, 2)
    assert len(client.submitted) == 4  # nobody gets nothing
    whole = bytearray(Path("ours/000003.h5").read_bytes())
    whole[-1] ^= 1
    Path("ours/000003.h5").write_bytes(whole)
    scale.shards._searchable.cache_clear()
    with pytest.raises(LoadError, match=r"000003\.h5' is damaged"):
        found.nearest(queries, 3)


def test_a_search_by_another_version_is_refused(client, album, monkeypatch):
    encoded(album, "ours")
    portion = tuple((str(shard.path), shard.header["sha256"], 0) for shard in scale.Collection("ours").shards)
    future = client.submit(scale.workers._search, "0.0.7", portion, np.zeros((1, 8)), 1, "squared_l2", workers=[HERE])
    with pytest.raises(InputError, match=r"^worker tcp://here:1 has minicnn \S+; expected 0\.0\.7, the same on all"):
        future.result()


# Connections


def test_a_client_is_of_the_address_or_of_new_processes(client, monkeypatch):
    monkeypatch.setattr("minicnn.scale.clients.available_cores", lambda: 7)
    with scale.connected(HERE) as found:
        assert found.cluster == HERE and found.timeout == 10
    for options, (count, each) in (
        ({"workers": 2}, (2, 3)),
        ({"workers": 9}, (9, 1)),
        ({"workers": 2, "threads": 5}, (2, 5)),
    ):
        with scale.connected(**options) as found:
            told = found.cluster.options
            assert (told["n_workers"], told["threads_per_worker"], told["memory_limit"]) == (count, each, None)
            assert told["dashboard_address"] == "127.0.0.1:0"
        assert found.closed and found.cluster.closed


def test_a_cluster_that_does_not_answer_or_has_no_workers_is_told(client, monkeypatch):
    with pytest.raises(InputError, match="workers is 0"), scale.connected(workers=0):
        pass
    monkeypatch.setattr(Client, "nthreads", lambda self: {})
    told = "cluster 'tcp://here:1' has no workers; expected one or more: dask worker tcp://here:1"
    with pytest.raises(InputError, match=told), scale.connected(HERE):
        pass


@pytest.mark.parametrize("problem", [OSError("gone"), ValueError("gone"), TypeError("gone")], ids=repr)
def test_a_client_that_does_not_connect_is_told_and_closed(client, monkeypatch, problem):
    closed = []

    class Lost(Client):
        def __init__(self, cluster, *, timeout):
            raise problem

        def close(self):
            closed.append(self)

    monkeypatch.setattr(sys.modules["distributed"], "Client", Lost)
    told = r"cluster 'tcp://here:1' does not answer \(gone\); expected the address of a scheduler, such as tcp://"
    with pytest.raises(InputError, match=told), scale.connected(HERE):
        pass
    assert len(closed) == 1

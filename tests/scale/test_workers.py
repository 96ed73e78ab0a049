"""Workers of Dask, in separate processes: they make the shards of one process, whatever happens to a worker."""

import gc
import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import minicnn
from minicnn import images, models, scale
from minicnn.cli import main
from minicnn.errors import InputError, LoadError
from minicnn.models.card import ModelCard
from minicnn.models.network import Network
from minicnn.nn import Flatten, Linear

distributed = pytest.importorskip("distributed", reason="needs Dask, of the extra cluster")
cloudpickle = pytest.importorskip("cloudpickle")
pytestmark = pytest.mark.timeout(280)
cloudpickle.register_pickle_by_value(sys.modules[__name__])  # the workers do not have this file

BLIND = """
import os.path

os.path.exists = lambda path, exists=os.path.exists: "album" not in str(path) and exists(path)
"""


def small_encoder(seed=0):
    """A linear map of 4 × 4 pixels to 8 numbers."""
    card = ModelCard(name="small", preprocessing="none", metric="squared_l2", input_size=(4, 4), embedding=8)
    return Network(card, [Flatten(name="flatten"), Linear(48, 8, seed=seed, name="embedding")])


class Cluster:
    """A scheduler and workers, each a process of its own."""

    def __init__(self, folder):
        self.folder, self.stack, self.workers = folder, ExitStack(), []
        paths = [str(Path(minicnn.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
        self.environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
        self.file = folder / "scheduler.json"
        self.scheduler = self.start("dask_scheduler", "--port", "0", "--no-dashboard")
        for _ in range(600):
            if self.file.exists():
                break
            time.sleep(0.1)
        assert self.file.exists(), (folder / "dask_scheduler0.log").read_text()  # a client would wait for ever
        with distributed.Client(scheduler_file=str(self.file), timeout=60) as client:
            self.address = client.scheduler.address

    def start(self, program, *words):
        command = [sys.executable, "-m", f"distributed.cli.{program}", "--scheduler-file", str(self.file), *words]
        log = self.stack.enter_context((self.folder / f"{program}{len(self.workers)}.log").open("wb"))
        process = subprocess.Popen(command, env=self.environment, cwd=self.folder, stdout=log, stderr=log)
        self.stack.callback(end, process)
        return process

    def work(self, *words, threads=1):
        """Start a worker, and wait until the scheduler knows it."""
        self.workers.append(
            self.start("dask_worker", "--no-nanny", "--no-dashboard", "--nthreads", str(threads), *words)
        )
        with distributed.Client(self.address, timeout=60) as client:
            client.wait_for_workers(sum(worker.poll() is None for worker in self.workers), timeout=120)
        return self.workers[-1]


def end(process):
    process.kill()
    process.wait()


@contextmanager
def cluster_in(folder):
    cluster = Cluster(folder)
    with cluster.stack:
        yield cluster


@pytest.fixture
def cluster(tmp_path):
    with cluster_in(tmp_path) as found:
        yield found


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """A cluster of two workers, for tests that leave both alive."""
    with cluster_in(tmp_path_factory.mktemp("pair")) as found:
        found.work()
        found.work()
        yield found


@pytest.fixture
def album(tmp_path, monkeypatch):
    """Sixty crops in the current folder, one of them broken."""
    monkeypatch.chdir(tmp_path)
    os.mkdir("album")
    names = [f"album/{number:02}.png" for number in range(60)]
    for seed, name in enumerate(names):
        images.save(name, np.random.default_rng(seed).random((4, 4, 3), np.float32))
    Path(names[4]).write_bytes(b"no picture")
    return names


def encoded(pictures, folder, encoder, **options):
    """Encode, and return {name: bytes} of every shard."""
    os.makedirs(folder, exist_ok=True)
    scale.encode_all(pictures, folder, encoder, **options)
    return {path.name: path.read_bytes() for path in sorted(Path(folder).glob("*.h5"))}


def test_two_workers_make_the_shards_of_one_process(album, pair):
    with scale.connected(pair.address) as client:
        theirs = encoded(album, "theirs", small_encoder(), per_shard=7, client=client)
    assert theirs == encoded(album, "ours", small_encoder(), per_shard=7) and len(theirs) == 9


def lose_a_worker(cluster, pictures, encoder, per_shard):
    """Encode with two workers of which one is killed in the middle. Return the shards, and those of one process."""
    victim, survivor = cluster.work(), cluster.work()
    total = -(-len(pictures) // per_shard)

    def kill(state):
        if state.shards == total // 3:
            victim.send_signal(signal.SIGKILL)
            victim.wait()

    with scale.connected(cluster.address) as client:
        theirs = encoded(pictures, "theirs", encoder, per_shard=per_shard, client=client, on_shard=kill)
    assert victim.poll() is not None and survivor.poll() is None
    return theirs, encoded(pictures, "ours", encoder, per_shard=per_shard)


@pytest.mark.skipif(sys.platform == "win32", reason="kills as Unix does")
def test_the_work_of_a_killed_worker_is_done_again(album, cluster):
    theirs, ours = lose_a_worker(cluster, album, small_encoder(), 4)
    assert theirs == ours and len(ours) == 15


@pytest.mark.thorough
@pytest.mark.timeout(1200)
@pytest.mark.skipif(sys.platform == "win32", reason="kills as Unix does")
def test_ten_thousand_drawn_faces_survive_a_killed_worker(cluster, tmp_path, monkeypatch):
    from minicnn.datasets.synthetic_faces import Population

    monkeypatch.chdir(tmp_path)
    people, pictures = Population(size=64), []
    os.mkdir("album")
    for number in range(10_000):
        pictures.append(f"album/{number:05}.png")
        images.save(pictures[-1], people.picture(number // 10, number % 10).image)
    theirs, ours = lose_a_worker(cluster, pictures, models.tiny_facenet(), 250)
    assert theirs == ours and len(ours) == 40
    found = scale.Collection("theirs")
    assert len(found) == 10_000 and not found.missing
    assert [row["picture"] for shard in found.shards for row in shard.pictures] == pictures


@pytest.mark.skipif(sys.platform == "win32", reason="stops as Unix does")
def test_a_stopped_run_resumes_on_a_cluster(album, pair):
    with scale.connected(pair.address) as client:

        def stop(state):
            if state.shards == 3:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            encoded(album, "theirs", small_encoder(), per_shard=5, client=client, on_shard=stop)
        assert len(list(Path("theirs").glob("*.h5"))) == 3
        theirs = encoded(album, "theirs", small_encoder(), per_shard=5, client=client)
    assert theirs == encoded(album, "ours", small_encoder(), per_shard=5)


def plugins(dask_worker):
    """(name, identity, threads) of what minicnn has put on a worker."""
    from minicnn import resources

    found = [(name, id(plugin)) for name, plugin in dask_worker.plugins.items() if name.startswith("minicnn-")]
    return found, resources.threads()


def test_the_model_travels_once_a_worker_and_later_ones_get_it(album, cluster):
    cluster.work(threads=2)
    with scale.connected(cluster.address) as client:
        encoded(album, "first", small_encoder(), per_shard=10, client=client)
        [(before, threads)] = client.run(plugins).values()
        assert len(before) == 1 and threads == 2
        encoded(album, "second", small_encoder(), per_shard=20, client=client)
        assert [found for found, _ in client.run(plugins).values()] == [before]
        cluster.work()
        theirs = encoded(album, "third", small_encoder(), per_shard=3, client=client)
        states = [*client.run(plugins).values()]
        assert all([name for name, _ in found] == [before[0][0]] for found, _ in states)
        assert sorted(threads for _, threads in states) == [1, 2]
    assert theirs == encoded(album, "ours", small_encoder(), per_shard=3)


# Search


def test_workers_search_as_one_process_does(album, pair):
    shards = encoded(album, "ours", small_encoder(), per_shard=7)
    random = np.random.default_rng(0)
    queries, alone = random.standard_normal((5, 8)), scale.Collection("ours")
    with scale.connected(pair.address) as client:
        found = scale.Collection("ours", client=client)
        for k in (1, 10, 100):
            ours, theirs = alone.nearest(queries, k), found.nearest(queries, k)
            assert_array_equal(ours.places, theirs.places)
            assert_array_equal(ours.distances, theirs.distances)
        gallery = scale.ShardGallery(found, small_encoder(), threshold=0.1)
        assert gallery.identify(images.load(album[9])).nearest == "album"
        damaged = bytearray(shards["000003.h5"])
        damaged[-1] ^= 1
        Path("ours/000003.h5").write_bytes(damaged)
        client.run(forget)  # what they keep is what they have checked
        with pytest.raises(LoadError, match=r"000003\.h5' is damaged"):
            found.nearest(queries, 3)


def forget():
    from minicnn.scale import shards

    shards._searchable.cache_clear()


@pytest.mark.skipif(sys.platform == "win32", reason="kills as Unix does")
def test_the_portion_of_a_lost_worker_is_searched_by_another(album, cluster):
    encoded(album, "ours", small_encoder(), per_shard=7)
    queries = np.random.default_rng(0).standard_normal((5, 8))
    victim, _ = cluster.work(), cluster.work()
    with scale.connected(cluster.address) as client:
        found = scale.Collection("ours", client=client)
        assert_array_equal(found.nearest(queries, 9).places, scale.Collection("ours").nearest(queries, 9).places)
        victim.kill()
        victim.wait()
        assert_array_equal(found.nearest(queries, 9).places, scale.Collection("ours").nearest(queries, 9).places)


# One clear line


def test_a_cluster_that_is_not_there_is_told_in_one_line(album, capsys, monkeypatch):
    monkeypatch.setattr("minicnn.scale.clients.PATIENCE", 1)
    images.save("album/00.png", np.zeros((64, 64, 3), np.float32))
    assert main(["face", "encode", "album", "-o", "out", "--drawn", "--cluster", "tcp://127.0.0.1:9"]) == 2
    line = capsys.readouterr().err
    assert "cluster 'tcp://127.0.0.1:9' does not answer (" in line and line.count("\n") == 1
    for address in ("nonsense://x", "?"):
        with pytest.raises(InputError, match="does not answer"), scale.connected(address):
            pass
    left = [found for found in gc.get_objects() if type(found) is distributed.Client]
    assert all(found.status == "closed" for found in left)  # the garbage collector must not close any
    with pytest.raises(InputError, match="workers is 0"), scale.connected(workers=0):
        pass


def test_a_cluster_without_workers_is_told(cluster):
    said = "has no workers; expected one or more: dask worker"
    with pytest.raises(InputError, match=said), scale.connected(cluster.address):
        pass


def test_a_worker_of_another_version_is_refused(album, cluster, monkeypatch):
    other = cluster.folder / "other_version.py"
    other.write_text("import minicnn\nminicnn.__version__ = '0.0.7'\n", encoding="utf-8")
    cluster.work()
    cluster.work("--preload", str(other))
    with scale.connected(cluster.address) as client:
        with pytest.raises(InputError, match=r"worker tcp://\S+ has minicnn 0\.0\.7; expected \d"):
            encoded(album, "out", small_encoder(), per_shard=7, client=client)
        encoded(album, "ours", small_encoder(), per_shard=7)
        with pytest.raises(InputError, match=r"has minicnn 0\.0\.7"):
            scale.Collection("ours", client=client).nearest(np.zeros((1, 8)))
    assert list(Path("out").glob("*.h5")) == []


def test_a_worker_without_minicnn_is_refused(album, cluster):
    other = cluster.folder / "without.py"
    other.write_text("import sys\nsys.modules['minicnn'] = None\n", encoding="utf-8")
    cluster.work("--preload", str(other))
    with scale.connected(cluster.address) as client, pytest.raises(InputError, match="cannot run minicnn"):
        encoded(album, "out", small_encoder(), per_shard=7, client=client)


def test_a_worker_with_other_weights_is_refused(album, cluster):
    from minicnn.scale.jobs import Model
    from minicnn.scale.workers import Carrier

    cluster.work()
    wrong = Carrier(Model(small_encoder(1), None))
    wrong.name = Carrier(Model(small_encoder(), None)).name
    with scale.connected(cluster.address) as client:
        client.register_plugin(wrong, name=wrong.name)
        with pytest.raises(InputError, match=r"worker tcp://\S+ has weights of SHA-256 \w+…; expected \w+…"):
            encoded(album, "out", small_encoder(), per_shard=7, client=client)


def test_a_worker_that_does_not_see_the_pictures_is_refused(album, cluster):
    other = cluster.folder / "blind.py"
    other.write_text(BLIND, encoding="utf-8")
    cluster.work("--preload", str(other))
    with scale.connected(cluster.address) as client, pytest.raises(InputError, match=r"does not see .*album/00"):
        encoded(album, "out", small_encoder(), per_shard=7, client=client)


@pytest.mark.skipif(sys.platform == "win32", reason="kills as Unix does")
def test_workers_that_are_all_gone_are_told_and_nothing_is_lost(album, cluster, monkeypatch):
    monkeypatch.setattr("minicnn.scale.workers.PATIENCE", 2)
    only = cluster.work()

    def kill(state):
        if state.shards == 4:
            only.kill()
            only.wait()

    with scale.connected(cluster.address) as client, pytest.raises(InputError, match="no worker is left; start one"):
        encoded(album, "out", small_encoder(), per_shard=1, client=client, on_shard=kill)
    assert 4 <= len(list(Path("out").glob("*.h5"))) < 60
    cluster.work()
    with scale.connected(cluster.address) as client:
        theirs = encoded(album, "out", small_encoder(), per_shard=1, client=client)
    assert theirs == encoded(album, "ours", small_encoder(), per_shard=1)


@pytest.mark.skipif(sys.platform == "win32", reason="kills as Unix does")
def test_a_scheduler_that_goes_is_told_and_nothing_is_lost(album, cluster, monkeypatch):
    monkeypatch.setattr("minicnn.scale.workers.PATIENCE", 2)
    cluster.work()

    def kill(state):
        if state.shards == 4:
            cluster.scheduler.kill()
            cluster.scheduler.wait()

    with pytest.raises(InputError, match="the scheduler has gone"), scale.connected(cluster.address) as client:
        encoded(album, "out", small_encoder(), per_shard=1, client=client, on_shard=kill)
    assert 4 <= len(list(Path("out").glob("*.h5"))) < 60


def test_processes_of_this_machine_need_no_cluster(album, capsys):
    for name in album:
        images.save(name, np.random.default_rng(0).random((64, 64, 3), np.float32))
    program = [sys.executable, "-m", "minicnn", "face", "encode", "album", "--drawn", "--per-shard", "16", "-o"]
    paths = [str(Path(minicnn.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    for words in (["one"], ["two", "--workers", "2"]):
        done = subprocess.run([*program, *words], env=environment, capture_output=True, encoding="utf-8", timeout=250)
        assert done.returncode == 0 and done.stderr == "", done.stderr
        assert done.stdout == f"{words[0]}: 60 faces in 60 pictures, 4 shards\n"
    assert {p.name: p.read_bytes() for p in Path("one").glob("*.h5")} == {
        p.name: p.read_bytes() for p in Path("two").glob("*.h5")
    }


DEADLY = """
import os
from minicnn import images

load = images.load
images.load = lambda path, *rest, **options: os._exit(9) if "30.png" in str(path) else load(path, *rest, **options)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="ends as Unix does")
def test_a_picture_that_ends_workers_is_told_and_the_other_shards_are_kept(album, tmp_path, monkeypatch):
    monkeypatch.setenv("DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES", "0")
    (tmp_path / "deadly.py").write_text(DEADLY, encoding="utf-8")
    with cluster_in(tmp_path) as cluster:
        cluster.work("--preload", "deadly.py")
        with (
            scale.connected(cluster.address) as client,
            pytest.raises(InputError, match="ended 1 worker, perhaps for"),
        ):
            encoded(album, "out", small_encoder(), per_shard=15, client=client)

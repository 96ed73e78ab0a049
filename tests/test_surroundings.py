"""What a process inherits or finds on the disk does no harm: a compiler that is switched off, a damaged cache."""

import atexit
import importlib
import shutil
import tempfile
from types import SimpleNamespace

import numba
import pytest

from minicnn import fast
from minicnn.errors import InputError
from minicnn.fast.cpu import compilation, conv

# Prints on which backend it computed, and what was said on stderr.
COMPUTE = """
import contextlib, io, sys
with contextlib.redirect_stderr(io.StringIO()) as said:
    import numpy as np
    from minicnn import Tensor, ops
    x = Tensor(np.full(70_000, -1.0, np.float32), requires_grad=True)
    y = ops.relu(x)
    y.backward(np.ones(70_000, np.float32))
assert not y.data.any() and not x.grad.any()
print(said.getvalue(), end="")
"""


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "kernels"))
    return tmp_path / "kernels"


def test_a_damaged_cache_of_kernels_is_rebuilt_and_said_in_one_line(cache, fresh_python):
    assert fresh_python(COMPUTE) == ""
    lists, kernels = sorted(cache.rglob("*.nbi")), sorted(cache.rglob("*.nbc"))
    assert len(lists) >= 2 and len(kernels) >= 2
    lists[0].write_bytes(b"")  # as after a full disk
    kernels[-1].write_bytes(kernels[-1].read_bytes()[:1000])
    said = fresh_python(COMPUTE)
    assert said.count("\n") == 1 and said.startswith("minicnn: ") and "is damaged" in said and str(cache) in said
    assert fresh_python(COMPUTE) == ""


# What a person runs: a network, a gradient, a style, a face, and doctor.
EVERYTHING = """
import contextlib, io, sys
import numpy as np
import minicnn
from minicnn import faces, models, ops, style
from minicnn.cli import main
from minicnn.datasets.synthetic_faces import Population

picture = np.random.default_rng(0).random((16, 16, 3), np.float32)
with contextlib.redirect_stderr(io.StringIO()) as said:
    minicnn.set_threads(2)
    style.transfer(picture, picture, steps=1)
    encoder = models.tiny_facenet()
    assert np.isfinite(faces.encode(encoder, [np.zeros((*encoder.card.input_size, 3))])).all()
    minicnn.gradcheck(lambda x, w: ops.conv(x, w, padding=1), [np.ones((1, 4, 4, 1)), np.ones((3, 3, 1, 1))])
    Population(seed=1, size=32).picture(0, 0)
    minicnn.clear_cache()
print(said.getvalue(), end="")
assert main(["doctor"]) == 1
"""


def test_all_computes_where_the_compiler_is_switched_off(fresh_python, monkeypatch):
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "1")
    said, *doctor = fresh_python(EVERYTHING).splitlines()
    assert said.startswith("minicnn: Numba's compiler is switched off (NUMBA_DISABLE_JIT); NumPy computes")
    assert any("numba no: Numba's compiler is switched off" in line for line in doctor)
    assert any(line.startswith("kernels") and "NumPy computes instead" in line for line in doctor)
    assert not any("Error" in line for line in doctor)


# Where compiled kernels are kept


def test_they_are_known_by_the_files_of_the_convolution(tmp_path, monkeypatch):
    kernel = SimpleNamespace(stats=SimpleNamespace(cache_path=str(tmp_path)))
    monkeypatch.setattr(conv, "_forward_range", kernel)
    for name, known in ((".", False), ("pool._forward_range-1.nbi", False), ("conv._forward_range-1.nbi", True)):
        (tmp_path / name).touch()
        assert compilation.compiled_before() == known


def test_a_folder_for_one_process_goes_with_it(tmp_path, monkeypatch):
    called = []
    monkeypatch.setattr(tempfile, "mkdtemp", lambda prefix: str(tmp_path / f"{prefix}1"))
    monkeypatch.setattr(atexit, "register", lambda *given, **options: called.append((*given, options)))
    monkeypatch.setattr(numba.config, "CACHE_DIR", "")
    compilation.cache_until_the_end()
    folder = str(tmp_path / "minicnn-1")
    assert folder == numba.config.CACHE_DIR and called == [(shutil.rmtree, folder, {"ignore_errors": True})]


def test_where_there_is_no_place_for_it_one_line_says_so(monkeypatch):
    def full(prefix):
        raise OSError("the disk is full")

    monkeypatch.setattr(tempfile, "mkdtemp", full)
    with pytest.raises(InputError) as caught:
        compilation.cache_until_the_end()
    assert str(caught.value) == (
        "numba: no folder to keep compiled kernels in (the disk is full); "
        'name one in NUMBA_CACHE_DIR, or choose use_backend("numpy")'
    )


@pytest.mark.parametrize(("said", "calls"), [("no locator available for file", 2), ("something else", 1)])
def test_only_a_missing_place_is_mended(said, calls, monkeypatch):
    tried, right = [], importlib.import_module

    def load(name):
        if name != "minicnn.fast.cpu.pool":
            return right(name)
        tried.append(name)
        if len(tried) == 1:
            raise RuntimeError(said)
        return "loaded"

    mended = []
    monkeypatch.setattr(compilation, "cache_until_the_end", lambda: mended.append(True))
    monkeypatch.setattr(importlib, "import_module", load)
    if calls == 1:
        with pytest.raises(RuntimeError, match=said):
            fast._load("cpu.pool")
    else:
        assert fast._load("cpu.pool") == "loaded"
    assert len(tried) == calls and len(mended) == calls - 1

"""What a process inherits or finds on the disk does no harm: a compiler that is switched off, a damaged cache."""

import pytest

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

"""Matrix products and sums of rows on both backends, and that no thread of BLAS wakes for them."""

import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from minicnn import ops
from minicnn.backend import kernels_for, use_backend
from minicnn.gradients.checking import gradcheck

each_backend = pytest.mark.parametrize("name", ["numpy", "numba"])
SHAPES = [(1, 1, 1), (1, 1792, 512), (32, 700, 130), (513, 3, 2), (2, 5, 3000), (300, 300, 300), (0, 4, 3), (4, 0, 3)]


def normal(*shape, seed=0, dtype=np.float64):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


@each_backend
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("rows", "depth", "columns"), SHAPES)
def test_a_product_is_that_of_numpy(name, rows, depth, columns, dtype):
    x, y = normal(rows, depth, dtype=dtype), normal(depth, columns, seed=1, dtype=dtype)
    with use_backend(name):
        found = kernels_for(x).product(x, y)
        turned = kernels_for(x).product(y.T, x.T)
    reference = x.astype(np.float64) @ y.astype(np.float64)
    assert found.dtype == dtype and found.shape == reference.shape
    assert_allclose(found, reference, atol=(1e-4 if dtype == np.float32 else 1e-12) * max(1, depth) ** 0.5)
    assert_allclose(turned, reference.T, atol=(1e-4 if dtype == np.float32 else 1e-12) * max(1, depth) ** 0.5)


@each_backend
@pytest.mark.parametrize("shape", [(1, 1), (7, 3), (100_000, 5), (33, 4000)])
def test_rows_are_summed_exactly_enough(name, shape):
    rows = normal(*shape, dtype=np.float32) + np.float32(10)
    with use_backend(name):
        found = kernels_for(rows).sum_of_rows(rows)
    assert found.dtype == np.float32
    assert_allclose(found, rows.astype(np.float64).sum(axis=0), rtol=3e-6)


def test_the_same_bits_for_any_number_of_threads(thread_count, pieces):
    x, y = normal(600, 500, dtype=np.float32), normal(500, 400, seed=1, dtype=np.float32)
    found = []
    for count in (1, 2, 3, 8):
        thread_count(count)
        found.append((kernels_for(x).product(x, y), kernels_for(x).sum_of_rows(x)))
    for product, total in found[1:]:
        assert_array_equal(product, found[0][0])
        assert_array_equal(total, found[0][1])


@each_backend
@pytest.mark.parametrize("shape", [(3,), (2, 3), (2, 2, 3)])
def test_a_linear_layer_takes_any_number_of_axes(name, shape):
    with use_backend(name):
        gradcheck(ops.linear, [normal(*shape), normal(3, 4, seed=1), normal(4, seed=2)])
        assert ops.linear(normal(*shape, dtype=np.float32), normal(3, 4)).dtype == np.float64


# Counting what the process's other threads do takes Linux; where OpenBLAS has one thread there is nothing to see.
IDLE = """
import numpy as np
from pathlib import Path
import minicnn
from minicnn import Tensor, nn, ops

minicnn.set_threads(1)
layer, head = nn.Linear(1792, 1024, seed=0), nn.Linear(1024, 10, seed=0)
conv = nn.Conv2d(16, 32, 3, padding=1, activation="relu", seed=0)
pictures, rows = np.random.default_rng(0).random((32, 24, 24, 16), np.float32), np.ones((64, 1792), np.float32)

def step():
    ops.cross_entropy(head(ops.relu(layer(rows))), np.zeros(64, int)).backward()
    ops.square(conv(pictures)).mean().backward()
    with minicnn.no_grad():
        layer(rows)

def ticks():
    found = {}
    for task in Path("/proc/self/task").iterdir():
        fields = (task / "stat").read_text().rpartition(")")[2].split()
        found[int(task.name)] = int(fields[11]) + int(fields[12])
    return found

step()  # compiles, and starts whatever threads there are
before = ticks()
for _ in range(60):
    step()
after = ticks()
main = int(Path("/proc/thread-self").resolve().name)
print(len(after), after[main] - before[main], sum(after[t] - before.get(t, 0) for t in after if t != main))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux, which tells what each thread computes")
def test_no_thread_of_blas_wakes_while_a_network_learns(fresh_python, monkeypatch):
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    threads, ours, others = map(int, fresh_python(IDLE).split())
    if threads < 2:
        pytest.skip("BLAS has a single thread on this machine")
    assert ours > 10, "too little was computed to tell"
    assert others <= ours / 20

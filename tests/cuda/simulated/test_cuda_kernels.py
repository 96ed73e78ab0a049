"""The smaller kernels on the simulated GPU, held to their definitions: Gram, triplets, Adam's step, marks of a ReLU."""

import numpy as np
import pytest
from both_devices import assert_same, there

from minicnn.backend import kernels_for
from minicnn.fast.cuda import conv as conv_on_cuda
from minicnn.fast.cuda import elementwise as elementwise_on_cuda
from minicnn.fast.cuda import gpu, naive_conv
from minicnn.fast.cuda import gram as gram_on_cuda
from minicnn.fast.cuda import triplet as triplet_on_cuda
from minicnn.fast.cuda.simulation import SimulatedArray
from minicnn.kernels import elementwise, gram, triplet
from minicnn.kernels.geometry import slide

each_dtype = pytest.mark.parametrize("dtype", [np.float64, np.float32], ids=["float64", "float32"])


def drawn(*shapes, dtype=np.float64, seed=0):
    random = np.random.default_rng(seed)
    return [random.standard_normal(shape).astype(dtype) for shape in shapes]


@each_dtype
@pytest.mark.parametrize("shape", [(2, 11, 5), (1, 23, 3), (1, 1, 1)])
def test_gram(shape, dtype):
    features, dgram, total = drawn(shape, (shape[0], shape[2], shape[2]), shape, dtype=dtype)
    found = gram_on_cuda.gram(there(features))
    assert_same(found, gram.gram(features))
    np.testing.assert_array_equal(found._memory, np.swapaxes(found._memory, 1, 2))  # symmetric to the last bit
    wanted = gram.gram_gradient(dgram, features, None)
    assert_same(gram_on_cuda.gram_gradient(*there(dgram, features), None), wanted)
    device_total = there(total)
    assert gram_on_cuda.gram_gradient(*there(dgram, features), device_total) is device_total  # in place
    assert_same(device_total, total + wanted)
    strided = there(np.stack([total, total], axis=-1))[..., 0]
    gram_on_cuda.gram_gradient(*there(dgram, features), strided)
    assert_same(strided, total + wanted)


@each_dtype
@pytest.mark.parametrize("shape", [(7, 5), (9, 1), (2, 6)])
def test_distances(shape, dtype):
    (x,) = drawn(shape, dtype=dtype)
    x[-1] = x[0]
    for squared in (True, False):
        found = triplet_on_cuda.distances(there(x), squared)
        assert_same(found, triplet.distances(x, squared))
        np.testing.assert_array_equal(found._memory, found._memory.T)
        assert found._memory[0, -1] == 0


@pytest.mark.parametrize("count", [5, 19])
def test_the_hardest_of_each_anchor(count):
    """Many distances are equal, so that it shows whether the first of them is taken."""
    random = np.random.default_rng(count)
    d = random.integers(0, 3, (count, count)).astype(np.float64)
    for labels in (random.integers(0, 4, count), np.zeros(count, np.int64), np.arange(count)):
        positives, negatives = triplet_on_cuda.hardest(*there(d, labels))
        wanted = triplet.hardest(d, labels)
        assert_same(positives, wanted[0])
        assert_same(negatives, wanted[1])


def test_triplets_in_a_band():
    random = np.random.default_rng(0)
    d, labels = random.integers(0, 5, (8, 8)).astype(np.float64), random.integers(0, 3, 8)
    for low, high in ((-np.inf, np.inf), (-np.inf, 1), (0, 2), (90, 91)):
        found = triplet_on_cuda.triplets(*there(d, labels), low, high)
        assert_same(found, triplet.triplets(d, labels, low, high))


@each_dtype
def test_how_a_cost_of_distances_moves_encodings(dtype):
    weights, x = drawn((7, 7), (7, 5))
    x = x.astype(dtype)
    wanted = triplet.pull(weights, x)
    assert_same(triplet_on_cuda.pull(*there(weights, x)), wanted.astype(dtype), tolerance=1e-5)
    by_differences = sum(weights[:, [j]] * (x - x[j]) for j in range(7))
    np.testing.assert_allclose(wanted, by_differences, rtol=1e-5)


@each_dtype
def test_a_step_of_adam(dtype):
    p, g, mean, square = drawn(*[(1, 5, 3, 3)] * 4, dtype=dtype)
    square = square**2
    rule = 0.3, 1e-3, 0.9, 0.99, -0.5, 0.5
    on_device = there(p, g, mean, square)
    for _ in range(3):
        elementwise.adam_step(p, g, mean, square, *rule)
        elementwise_on_cuda.adam_step(*on_device, *rule)
    for found, wanted in zip(on_device, (p, g, mean, square), strict=True):
        assert_same(found, wanted)
    assert np.abs(p).max() == dtype(0.5)  # some were clipped
    strided = there(np.stack([p, p], axis=-1))[..., 0]
    elementwise_on_cuda.adam_step(strided, *on_device[1:], *rule)
    elementwise.adam_step(p, g, mean, square, *rule)
    assert_same(strided, p)
    p[0], on_device[0]._memory[0] = np.nan, np.nan
    elementwise_on_cuda.adam_step(*on_device, *rule)
    assert np.isnan(on_device[0]._memory).all()


@each_dtype
@pytest.mark.parametrize("channels", [1, 8, 11])
def test_marks_of_the_rectifier(channels, dtype):
    y, dy = drawn((2, 3, channels), (2, 3, channels), dtype=dtype)
    y[0, 0] = 0
    y[0, 1, 0] = np.nan
    marks = elementwise_on_cuda.relu_marks(there(y))
    assert_same(marks, elementwise.relu_marks(y))
    wanted = elementwise.marked_gradient(dy, elementwise.relu_marks(y))
    assert_same(elementwise_on_cuda.marked_gradient(there(dy), marks), wanted)
    device_dy, device_y = there(dy, y)
    assert_same(kernels_for(device_y).relu_gradient(device_dy, device_y), elementwise.relu_gradient(dy, y))


@pytest.mark.parametrize("kernel", ["gram", "conv"])
def test_positions_are_summed_in_as_many_slots_as_are_worth_it(kernel, monkeypatch):
    """One for less than twice the least number of positions, and never more than the most."""
    slots, launch = [], gpu.launch
    monkeypatch.setattr(gpu, "launch", lambda *given: slots.append(given[-1].shape[0]) or launch(*given))
    module = gram_on_cuda if kernel == "gram" else conv_on_cuda
    least = gram_on_cuda.LEAST_POSITIONS if kernel == "gram" else conv_on_cuda.LEAST_DEPTH
    for positions in (least - 1, 2 * least - 1, 2 * least, (module.MOST_SLOTS + 1) * least):
        x = there(np.ones((1, positions, 1)))
        if kernel == "gram":
            total = gram_on_cuda.gram(x)
        else:
            total = conv_on_cuda.conv_gradient_to_filters(x, x, slide("conv", (positions,), 1), 1)
        assert total.item() == positions
    assert slots == [1, 1, 2, module.MOST_SLOTS]


def test_what_has_its_dtype_already_is_not_copied(monkeypatch):
    kept, astype = [], SimulatedArray.astype

    def watched(array, dtype, **options):
        result = astype(array, dtype, **options)
        kept.append(array.dtype != result.dtype or np.shares_memory(result._memory, array._memory))
        return result

    monkeypatch.setattr(SimulatedArray, "astype", watched)
    x, w, b = there(*drawn((1, 2, 2), (1, 2, 2), (2,)))
    for conv in (conv_on_cuda.conv, naive_conv.naive_conv):
        conv(x, w, b, slide("conv", (2,), 1), 1)
    triplet_on_cuda.distances(x[0], True)
    elementwise_on_cuda.adam_step(x, x, w, w * w, 0.1, 1e-8, 0.9, 0.99, -1.0, 1.0)
    assert len(kept) == 4 and all(kept)

"""Winograd's minimal filtering: its definition against im2col, the compiled kernels against the definition, the rule
that picks them, what they remember, and that nothing about threads shows in a result.
"""

import inspect
import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from minicnn import models, nn, ops
from minicnn.backend import use_backend
from minicnn.fast.cpu import pool, winograd
from minicnn.fast.cpu.winograd import A_T, B_T, G, filters, suits, tiles_along
from minicnn.fast.cpu.winograd import compiled as on_numba
from minicnn.fast.cpu.winograd import definition as on_numpy
from minicnn.gradients.checking import gradcheck
from minicnn.kernels.conv import conv, conv_gradient_to_filters, conv_gradient_to_input
from minicnn.kernels.geometry import slide
from minicnn.operation import no_grad
from minicnn.tensor import Tensor


def normal(*shape, seed=0, dtype=np.float64):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def relative_error(actual, reference):
    return np.abs(actual - reference).max() / np.abs(reference).max()


@pytest.fixture
def always(monkeypatch):
    """Shapes that im2col would be picked for, small enough for finite differences."""
    monkeypatch.setattr(winograd, "suits", lambda *_: True)


@st.composite
def problems(draw, channels):
    """Shapes, and padding that may differ on every side."""
    height, width = draw(st.integers(1, 14)), draw(st.integers(1, 14))
    pads = [(draw(st.integers(0, 2)), draw(st.integers(0, 2))) for _ in range(2)]
    pads = [(max(a, 3 - n - b), b) for n, (a, b) in zip((height, width), pads, strict=True)]
    inner, outer = draw(channels), draw(channels)
    window = slide("conv", (height, width), (3, 3), padding=tuple(pads))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    x = random.standard_normal((draw(st.integers(1, 3)), height, width, inner))
    w, b = random.standard_normal((3, 3, inner, outer)), random.standard_normal(outer)
    return x, w, b, window, random.standard_normal((len(x), *window.output, outer))


# The definition


def test_the_matrices_multiply_polynomials():
    signal, taps = np.arange(1.0, 7), np.array([2.0, -1.0, 3.0])
    assert_allclose(A_T @ ((G @ taps) * (B_T @ signal)), np.correlate(signal, taps), atol=1e-13)


@settings(max_examples=40, deadline=None)
@given(problems(st.integers(1, 5)))
def test_the_definition_equals_im2col(problem):
    x, w, b, window, dy = problem
    before, spatial = window.before, x.shape[1:3]
    assert_allclose(on_numpy.forward(x, w, b, before, window.output), conv(x, w, b, window, 1), atol=1e-11)
    assert_allclose(
        on_numpy.gradient_to_input(dy, w, before, spatial),
        conv_gradient_to_input(dy, w, spatial, window, 1),
        atol=1e-11,
    )
    assert_allclose(on_numpy.gradient_to_filters(dy, x, before), conv_gradient_to_filters(dy, x, window, 1), atol=1e-11)


# The compiled kernels


@settings(max_examples=25, deadline=None)
@given(problems(st.sampled_from([16, 32, 48])))
def test_compiled_equals_the_definition(problem):
    x, w, b, window, dy = problem
    before, output, spatial = window.before, window.output, x.shape[1:3]
    for name, arguments, tolerance in [
        ("forward", (x, w, b, before, output), 1e-10),
        ("gradient_to_input", (dy, w, before, spatial), 1e-10),
        ("gradient_to_filters", (dy, x, before), 1e-9),
    ]:
        definition, compiled = getattr(on_numpy, name), getattr(on_numba, name)
        assert inspect.signature(compiled) == inspect.signature(definition)
        assert_allclose(compiled(*arguments), definition(*arguments), atol=tolerance)


@pytest.mark.parametrize("channels", [(16, 16), (192, 272)], ids=["filters in the cache", "filters by panels"])
@pytest.mark.parametrize("size", [(8, 12), (7, 13), (2, 2)])
def test_fused_equals_one_step_after_the_other(channels, size):
    x, w, b = normal(2, *size, channels[0]), normal(3, 3, *channels, seed=1), normal(channels[1], seed=2)
    y = on_numba.forward(x, w, b, (1, 1), size)
    unfused, no_marks = on_numba.fused_forward(x, w, b, (1, 1), size, False, False)
    assert no_marks is None
    assert_array_equal(unfused, y)
    clamped, marks = on_numba.fused_forward(x, w, b, (1, 1), size, True, False)
    assert_array_equal(clamped, np.maximum(y, 0))
    active = np.unpackbits(marks, axis=-1, count=channels[1], bitorder="little")
    assert_array_equal(active, y > 0)
    means, same_marks = on_numba.fused_forward(x, w, b, (1, 1), size, True, True)
    halves = slide("pool", size, 2, stride=2)
    assert_array_equal(means, pool.avg_pool(clamped, halves, False))
    assert_array_equal(same_marks, marks)
    dmeans = normal(*means.shape, seed=3)
    dy = pool.avg_pool_gradient(dmeans, size, halves, False) * active
    dx = on_numba.fused_gradient_to_input(dmeans, w, (1, 1), size, size, marks, True)
    assert_allclose(dx, on_numpy.gradient_to_input(dy, w, (1, 1), size), atol=1e-9)


def test_a_nan_is_shown_and_marked_inactive():
    x, w = normal(1, 8, 8, 16), normal(3, 3, 16, 16, seed=1)
    x[0, 6, 6, 3] = np.nan
    y, marks = on_numba.fused_forward(x, w, None, (1, 1), (8, 8), True, False)
    assert np.isnan(y[0, 6, 6]).all() and not np.isnan(y[0, :4, :4]).any()
    assert not marks[0, 6, 6].any()


def test_bits_of_old_memory_do_not_reach_a_result():
    """The micro-kernel takes more rows than there are tiles: what lies in them must not matter."""
    x, w = normal(1, 4, 4, 16), normal(3, 3, 16, 16, seed=1)
    wanted = on_numba.forward(x, w, None, (1, 1), (4, 4))
    big = normal(1, 40, 40, 16, seed=2)
    big[...] = np.nan
    on_numba.forward(big, w, None, (1, 1), (40, 40))
    found = on_numba.forward(x, w, None, (1, 1), (4, 4))
    assert_array_equal(found, wanted)


# Through the ops


@pytest.mark.usefixtures("always")
@pytest.mark.parametrize(
    "options", [{}, {"activation": "relu"}, {"activation": "relu", "pool": "avg"}, {"pool": "avg"}]
)
def test_gradients_pass_through_winograd_in_float64(options):
    tensors = [Tensor(normal(*shape, seed=i)) for i, shape in enumerate([(1, 3, 5, 16), (3, 3, 16, 16), (16,)])]
    x, w, b = (Tensor(t.data, requires_grad=True) for t in tensors)
    gradcheck(lambda x, b: ops.conv(x, w.detach(), b, padding=1, **options), [x, b])
    few = [0, 40, 700, 2303]  # of the filters; each taking its own pair of convolutions
    cotangent = normal(*ops.conv(x, w, b, padding=1, **options).shape, seed=9)
    ops.conv(x, w, b, padding=1, **options).backward(cotangent)
    for i in few:
        steps = []
        for sign in (1, -1):
            moved = w.data.copy()
            moved.flat[i] += sign * 1e-6
            steps.append(float(np.sum(ops.conv(x, Tensor(moved), b, padding=1, **options).data * cotangent)))
        assert_allclose(w.grad.flat[i], (steps[0] - steps[1]) / 2e-6, rtol=1e-4, atol=1e-6)


def test_the_rule_takes_the_layers_of_vgg_and_leaves_the_rest():
    def picked(x_shape, w_shape, **options):
        window = slide("conv", x_shape[1:-1], w_shape[:-2], **{"padding": 1, **options})
        return suits(x_shape, w_shape, window, 1)

    assert all(
        picked((1, 512 // step, 512 // step, inner), (3, 3, inner, outer))
        for inner, outer, step in [(64, 64, 1), (64, 128, 2), (128, 256, 4), (256, 512, 8), (512, 512, 16)]
    )
    assert picked((128, 16, 16, 64), (3, 3, 64, 64))  # a batch of small pictures has tiles enough
    assert not picked((1, 512, 512, 3), (3, 3, 3, 64))
    assert not picked((1, 64, 64, 64), (3, 3, 64, 64), stride=2)
    assert not picked((1, 64, 64, 64), (3, 3, 64, 64), dilation=2)
    assert not picked((1, 64, 64, 64), (5, 5, 64, 64))
    assert not picked((1, 8, 8, 512), (3, 3, 512, 512))  # four tiles do not pay for the filters
    assert not picked((128, 2, 2, 256), (3, 3, 256, 256))  # tiles that are mostly empty
    assert not suits((1, 64, 64, 64), (3, 3, 32, 64), slide("conv", (64, 64), 3, padding=1), 2)


def test_the_readable_backend_never_uses_it(monkeypatch):
    for name in ("forward", "fused_forward"):
        monkeypatch.setattr(on_numba, name, lambda *_: pytest.fail("Winograd on the numpy backend"))
    x, w = normal(1, 32, 32, 64, dtype=np.float32), normal(3, 3, 64, 64, seed=1, dtype=np.float32)
    with use_backend("numpy"):
        y = ops.conv(x, w, padding=1).data
    assert_array_equal(y, conv(x, w, None, slide("conv", (32, 32), 3, padding=1), 1))


def test_a_nan_in_the_cotangent_ends_where_relu_was_inactive():
    w, dy = normal(3, 3, 16, 16), normal(1, 8, 8, 16, seed=1)
    marks = np.zeros((1, 8, 8, 2), np.uint8)
    dy[0, 3, 3] = np.nan
    dx = on_numba.fused_gradient_to_input(dy, w, (1, 1), (8, 8), (8, 8), marks, False)
    assert_array_equal(dx, np.zeros((1, 8, 8, 16)))


@pytest.mark.parametrize(
    ("inner", "outer", "side"),
    [(64, 64, 64), (64, 128, 32), (128, 128, 32), (128, 256, 32), (256, 256, 32), (256, 512, 16), (512, 512, 16)],
)
def test_float32_is_within_twenty_millionths_of_float64_im2col(inner, outer, side):
    """The layers of VGG-19, as large as a test can afford; features are positive, as behind a ReLU."""
    x = np.abs(normal(1, side, side, inner, dtype=np.float32))
    w = normal(3, 3, inner, outer, seed=1, dtype=np.float32) * np.float32(np.sqrt(2 / (9 * inner)))
    dy = normal(1, side, side, outer, seed=2, dtype=np.float32)
    window = slide("conv", (side, side), 3, padding=1)
    exact = [a.astype(np.float64) for a in (x, w, dy)]
    y = on_numba.forward(x, w, None, (1, 1), (side, side))
    assert y.dtype == np.float32
    assert relative_error(y, conv(exact[0], exact[1], None, window, 1)) <= 2e-5
    dx = on_numba.gradient_to_input(dy, w, (1, 1), (side, side))
    assert relative_error(dx, conv_gradient_to_input(exact[2], exact[1], (side, side), window, 1)) <= 2e-5
    dw = on_numba.gradient_to_filters(dy, x, (1, 1))
    assert relative_error(dw, conv_gradient_to_filters(exact[2], exact[0], window, 1)) <= 2e-5


# Threads


def all_results(x, w, dy):
    size = x.shape[1:3]
    y, marks = on_numba.fused_forward(x, w, None, (1, 1), size, True, False)
    dx = on_numba.fused_gradient_to_input(dy, w, (1, 1), size, size, marks, False)
    return y, marks, dx, on_numba.gradient_to_filters(dy, x, (1, 1))


PROBLEMS = [(1, 40, 36, 64, 64), (2, 24, 24, 208, 192)]


@pytest.mark.parametrize("shape", PROBLEMS)
def test_the_same_bits_for_any_number_of_threads_and_from_run_to_run(shape, thread_count):
    n, height, width, inner, outer = shape
    arrays = [
        normal(n, height, width, inner, dtype=np.float32),
        normal(3, 3, inner, outer, seed=1, dtype=np.float32),
        normal(n, height, width, outer, seed=2, dtype=np.float32),
    ]
    wanted = all_results(*arrays)
    for count in (1, 2, 4, 2):
        thread_count(count)
        for found, first in zip(all_results(*arrays), wanted, strict=True):
            assert_array_equal(found, first)


def test_eight_threads_at_once_get_the_results_of_one():
    problems = [
        [normal(1, 24, 20 + i, 64, seed=i), normal(3, 3, 64, 64, seed=i + 9), normal(1, 24, 20 + i, 64, seed=i + 99)]
        for i in range(8)
    ]
    wanted = [all_results(*arrays) for arrays in problems]
    start = threading.Barrier(8)

    def work(arrays):
        start.wait()
        return [all_results(*arrays) for _ in range(3)]

    with ThreadPoolExecutor(8) as pool_of_threads:
        for results, first in zip(pool_of_threads.map(work, problems), wanted, strict=True):
            for result in results:
                for found, right in zip(result, first, strict=True):
                    assert_array_equal(found, right)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on Windows")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_it_works_after_a_fork():
    x, w, dy = normal(1, 24, 24, 64), normal(3, 3, 64, 64, seed=1), normal(1, 24, 24, 64, seed=2)
    wanted = all_results(x, w, dy)
    child = os.fork()
    if child == 0:
        signal.alarm(60)
        same = all(np.array_equal(a, b) for a, b in zip(all_results(x, w, dy), wanted, strict=True))
        os._exit(0 if same else 1)
    assert os.waitpid(child, 0)[1] == 0


# What is remembered of frozen filters


@pytest.fixture
def counted(monkeypatch):
    """Counts the transforms of whole filters."""
    calls, right = [], filters.transform
    monkeypatch.setattr(filters, "transform", lambda w: (calls.append(1), right(w))[1])
    return calls


def test_frozen_filters_are_transformed_once(counted):
    layer = nn.Conv2d(64, 64, 3, padding=1, seed=0)
    x = Tensor(normal(1, 32, 32, 64, dtype=np.float32), requires_grad=True)
    with nn.frozen(layer):
        for _ in range(3):
            layer(x).sum().backward()
        assert len(counted) == 1
    with no_grad():
        layer(x), layer(x)
    assert len(counted) == 3  # whoever may be written is transformed every time


@pytest.mark.parametrize(("inner", "outer"), [(272, 256), (256, 336)])
def test_large_filters_are_remembered_where_tiles_are_few(inner, outer, counted):
    """From the same U both ways: turned for the gradient."""
    w, x = normal(3, 3, inner, outer, seed=1, dtype=np.float32), normal(1, 9, 10, inner, dtype=np.float32)
    dy = normal(1, 9, 10, outer, seed=2, dtype=np.float32)
    results = []
    for writeable in (True, False):  # formed a panel at a time, and known as a whole
        w.flags.writeable = writeable
        y = on_numba.forward(x, w, None, (1, 1), (9, 10))
        results.append((y, on_numba.gradient_to_input(dy, w, (1, 1), (9, 10))))
    assert len(counted) == 1
    for formed, known in zip(*results, strict=True):
        assert relative_error(known, formed) < 2e-5
    assert relative_error(results[1][0], on_numpy.forward(x, w, None, (1, 1), (9, 10))) < 2e-5
    assert relative_error(results[1][1], on_numpy.gradient_to_input(dy, w, (1, 1), (9, 10))) < 2e-5


def test_thawed_filters_are_forgotten_before_somebody_writes_into_them():
    layer = nn.Conv2d(64, 64, 3, padding=1, seed=0)
    x = normal(1, 32, 32, 64, dtype=np.float32)
    with no_grad():
        with nn.frozen(layer):
            first = layer(x).data
        layer.w.data[...] *= 2
        with nn.frozen(layer):
            assert relative_error(layer(x).data, 2 * first) < 1e-6


# The network


def test_features_by_fused_layers_equal_features_layer_by_layer():
    model = models.vgg19(pooling="avg")
    image = np.random.default_rng(0).random((1, 48, 56, 3), dtype=np.float32)
    names = ["block1_conv1", "block2_conv1", "block2_pool", "block3_conv4", "block3_pool"]
    with no_grad():
        found = model.features(image, names)
        x = model._enter(Tensor(image))
        for layer in model.layers:
            x = layer(x)
            if layer.name in names:
                assert relative_error(found[layer.name].data, x.data) < 1e-6
            if layer.name == names[-1]:
                break


def test_no_cotangent_of_full_size_exists_between_a_convolution_and_its_mean(monkeypatch):
    """The pooled cotangent and ReLU's bits go into the kernel as they are."""
    seen = []
    right = on_numba.fused_gradient_to_input

    def observed(dy, *rest):
        seen.append(dy.shape)
        return right(dy, *rest)

    monkeypatch.setattr(on_numba, "fused_gradient_to_input", observed)
    model = models.vgg19(pooling="avg")
    image = Tensor(np.random.default_rng(0).random((1, 64, 64, 3), dtype=np.float32), requires_grad=True)
    with nn.frozen(model):
        model.features(image, ["block2_conv1"])["block2_conv1"].sum().backward()
    assert seen[-1] == (1, 32, 32, 64)  # of block1_conv2, whose output has 64 × 64
    assert tiles_along(64) == 16

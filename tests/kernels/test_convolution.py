"""Convolution: both backends against the loops, on every kind of window that Hypothesis can think of."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

import minicnn
from minicnn import nn, ops
from minicnn.backend import use_backend
from minicnn.errors import InputError
from minicnn.fast.cpu import buffers, places
from minicnn.fast.cpu import conv as on_numba
from minicnn.kernels import conv as on_numpy
from minicnn.kernels.geometry import slide
from minicnn.kernels.naive_conv import naive_conv, naive_conv_gradient_to_filters, naive_conv_gradient_to_input
from minicnn.tensor import Tensor

IMPLEMENTATIONS = {"numpy": on_numpy, "numba": on_numba}
each_implementation = pytest.mark.parametrize("implementation", IMPLEMENTATIONS.values(), ids=IMPLEMENTATIONS)
each_backend = pytest.mark.parametrize("name", IMPLEMENTATIONS)


def normal(*shape, seed=0, dtype=np.float64):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def assert_close(actual, reference, tolerance=1e-12):
    assert (actual.shape, actual.dtype) == (reference.shape, reference.dtype)
    largest = np.abs(reference).max()
    assert np.abs(actual - reference).max() <= tolerance * (largest if largest > 0 else 1)


@st.composite
def windows(draw):
    """A window and the spatial shape of an input that it fits: one to three dimensions, of their own numbers each."""
    rank = draw(st.integers(1, 3))
    axes = []
    for _ in range(rank):
        size, stride, dilation = draw(st.integers(1, 3)), draw(st.integers(1, 3)), draw(st.integers(1, 3))
        before, after = draw(st.integers(0, 3)), draw(st.integers(0, 3))
        least = max(1, (size - 1) * dilation + 1 - before - after)
        length = draw(st.integers(least, least + (6, 4, 2)[rank - 1]))
        axes.append((length, size, stride, dilation, (before, after)))
    spatial, sizes, strides, dilations, pads = zip(*axes, strict=True)
    return spatial, slide("conv", spatial, sizes, stride=strides, dilation=dilations, padding=pads)


@st.composite
def problems(draw):
    """x, w, b, window, groups and a cotangent, of standard normal numbers."""
    spatial, window = draw(windows())
    groups, inner, outer = draw(st.integers(1, 3)), draw(st.integers(1, 2)), draw(st.integers(1, 2))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    x = random.standard_normal((draw(st.integers(1, 2)), *spatial, inner * groups))
    w = random.standard_normal((*window.size, inner, outer * groups))
    b = random.standard_normal(outer * groups) if draw(st.booleans()) else None
    dy = random.standard_normal((x.shape[0], *window.output, outer * groups))
    return x, w, b, window, groups, dy


# Against the loops


@each_implementation
@settings(max_examples=100)
@given(problem=problems())
def test_forward_equals_the_loops(implementation, problem):
    x, w, b, window, groups, _ = problem
    assert_close(implementation.conv(x, w, b, window, groups), naive_conv(x, w, b, window, groups))


@given(problem=problems())
def test_the_compiled_one_can_clamp_on_the_way_out(problem):
    x, w, b, window, groups, _ = problem
    reference = np.maximum(naive_conv(x, w, b, window, groups), 0)
    assert_close(on_numba.conv(x, w, b, window, groups, relu=True), reference)


@each_implementation
@settings(max_examples=100)
@given(problem=problems())
def test_gradient_to_the_input_equals_the_loops(implementation, problem):
    x, w, _, window, groups, dy = problem
    reference = naive_conv_gradient_to_input(dy, w, x.shape[1:-1], window, groups)
    assert_close(implementation.conv_gradient_to_input(dy, w, x.shape[1:-1], window, groups), reference)


@each_implementation
@settings(max_examples=100)
@given(problem=problems())
def test_gradient_to_the_filters_equals_the_loops(implementation, problem):
    x, _, _, window, groups, dy = problem
    reference = naive_conv_gradient_to_filters(dy, x, window, groups)
    assert_close(implementation.conv_gradient_to_filters(dy, x, window, groups), reference)


@each_implementation
@given(problem=problems(), layout=st.sampled_from(["Fortran", "reversed", "every other", "read-only"]))
def test_the_layout_in_memory_does_not_matter(implementation, problem, layout):
    x, w, b, window, groups, dy = problem

    def laid_out(array):
        if layout == "Fortran":
            return np.asfortranarray(array)
        if layout == "reversed":
            return np.ascontiguousarray(array[..., ::-1])[..., ::-1]
        if layout == "every other":
            return np.repeat(array, 2, axis=-1)[..., ::2]
        array = array.copy()
        array.flags.writeable = False
        return array

    spatial = x.shape[1:-1]
    strange_b = None if b is None else laid_out(b)
    strange = implementation.conv(laid_out(x), laid_out(w), strange_b, window, groups)
    assert_close(strange, implementation.conv(x, w, b, window, groups))
    strange = implementation.conv_gradient_to_input(laid_out(dy), laid_out(w), spatial, window, groups)
    assert_close(strange, implementation.conv_gradient_to_input(dy, w, spatial, window, groups))
    strange = implementation.conv_gradient_to_filters(laid_out(dy), laid_out(x), window, groups)
    assert_close(strange, implementation.conv_gradient_to_filters(dy, x, window, groups))


@each_implementation
def test_a_problem_of_several_blocks_and_pieces_equals_the_loops(implementation, monkeypatch):
    monkeypatch.setattr(on_numba, "LEAST", on_numba.ROWS)
    monkeypatch.setattr(on_numba, "WORK", 1)
    monkeypatch.setattr(on_numba, "BLOCK_BYTES", 1)
    x, w, b = normal(2, 9, 8, 4), normal(3, 2, 2, 4, seed=1), normal(4, seed=2)
    window = slide("conv", (9, 8), (3, 2), stride=(1, 2), padding=1)
    dy = normal(2, *window.output, 4, seed=3)
    assert_close(implementation.conv(x, w, b, window, 2), naive_conv(x, w, b, window, 2))
    reference = naive_conv_gradient_to_input(dy, w, (9, 8), window, 2)
    assert_close(implementation.conv_gradient_to_input(dy, w, (9, 8), window, 2), reference)
    assert_close(
        implementation.conv_gradient_to_filters(dy, x, window, 2), naive_conv_gradient_to_filters(dy, x, window, 2)
    )


def inside_nan(array):
    """The same numbers, with what is not a number right before and behind them."""
    room = np.full(array.size + 128, np.nan, array.dtype)
    room[64:-64] = array.ravel()
    return room[64:-64].reshape(array.shape)


@pytest.mark.parametrize("length", [*range(1, 14), 23, 24, 25, 40])
@pytest.mark.parametrize(
    ("inner", "outer", "options"),
    [
        (1, 3, {"size": 3}),  # runs of three numbers
        (3, 33, {"size": 7, "stride": 2, "padding": 3}),  # a panel hangs over
        (20, 32, {"size": 3, "dilation": 2, "padding": "same"}),  # each tap a run of its own
        (17, 40, {"size": 1, "stride": 2}),  # pixels that no window sees
        (
            18,
            34,
            {"size": (2, 3), "groups": 2, "stride": (3, 1), "padding": ((0, 4), (5, 0))},
        ),  # windows of padding only
    ],
    ids=str,
)
def test_lines_of_any_length_read_nothing_beyond_the_arrays(length, inner, outer, options):
    options = dict(options)
    size, groups = options.pop("size"), options.pop("groups", 1)
    rank = np.size(size)
    spatial = (3, length) if rank == 2 else (length + 2,)
    window = slide("conv", spatial, size, **options)
    x, w, b = normal(2, *spatial, inner), normal(*window.size, inner // groups, outer, seed=1), normal(outer, seed=2)
    dy = normal(2, *window.output, outer, seed=3)
    guarded = [inside_nan(array) for array in (x, w, b, dy)]
    found = on_numba.conv(*guarded[:3], window, groups, True)
    assert_close(found, np.maximum(on_numpy.conv(x, w, b, window, groups), 0))
    found = on_numba.conv_gradient_to_input(guarded[3], guarded[1], spatial, window, groups)
    assert_close(found, on_numpy.conv_gradient_to_input(dy, w, spatial, window, groups))
    found = on_numba.conv_gradient_to_filters(guarded[3], guarded[0], window, groups)
    assert_close(found, on_numpy.conv_gradient_to_filters(dy, x, window, groups))


def test_the_loops_agree_with_a_result_worked_out_by_hand():
    x = np.array([1.0, 2, 3, 4]).reshape(1, 4, 1)
    w = np.array([1.0, 0, -2]).reshape(3, 1, 1)  # not turned round: this is cross-correlation
    window = slide("conv", (4,), 3, padding=1)
    assert_array_equal(naive_conv(x, w, np.array([10.0]), window, 1).ravel(), [6, 5, 4, 13])
    dy = np.array([1.0, 0, 0, 10]).reshape(1, 4, 1)
    assert_array_equal(naive_conv_gradient_to_input(dy, w, (4,), window, 1).ravel(), [0, -2, 10, 0])
    assert_array_equal(naive_conv_gradient_to_filters(dy, x, window, 1).ravel(), [30, 41, 2])


def test_the_loops_give_each_group_its_own_channels():
    x = np.array([1.0, 10, 100, 1000]).reshape(1, 1, 4)
    w = np.array([[1.0, 2, 3, 4, 5, 6], [1, 1, 1, 1, 1, 1]]).reshape(1, 2, 6)
    y = naive_conv(x, w, None, slide("conv", (1,), 1), 2)
    assert_array_equal(y.ravel(), [11, 12, 13, 1400, 1500, 1600])


# The op


@each_backend
def test_the_op_turns_a_vertical_edge_into_a_bright_line(name):
    x = np.tile(np.float64([10, 10, 10, 0, 0, 0]), (6, 1))[None, :, :, None]
    w = np.tile(np.float64([1, 0, -1]), (3, 1))[:, :, None, None]
    with use_backend(name):
        assert_array_equal(ops.conv(x, w).data[0, :, :, 0], np.tile([0, 30, 30, 0], (4, 1)))


@each_backend
@pytest.mark.parametrize(
    ("x_shape", "kernel", "y_shape"),
    [
        ((1, 14, 1), (5,), (1, 10, 16)),  # an ECG
        ((1, 14, 14, 3), (5, 5), (1, 10, 10, 16)),  # a picture
        ((1, 14, 14, 14, 1), (5, 5, 5), (1, 10, 10, 10, 16)),  # a CT scan
    ],
)
def test_the_shapes_of_the_course(name, x_shape, kernel, y_shape):
    with use_backend(name):
        x, w = normal(*x_shape, dtype=np.float32), normal(*kernel, x_shape[-1], 16, dtype=np.float32)
        assert ops.conv(x, w).shape == y_shape


@each_backend
@given(problem=problems())
def test_the_op_and_its_gradients_are_those_of_the_loops(name, problem):
    x, w, b, window, groups, dy = problem
    tensors = [None if array is None else Tensor(array, requires_grad=True) for array in (x, w, b)]
    padding = tuple(zip(window.before, window.after, strict=True))
    with use_backend(name):
        y = ops.conv(
            *tensors,
            stride=window.stride,
            padding=padding,
            dilation=window.dilation,
            groups=groups,
            activation="relu",
        )
        y.backward(dy)
    reference = np.maximum(naive_conv(x, w, b, window, groups), 0)
    assert_close(y.data, reference)
    dy = dy * (reference > 0)
    assert_close(tensors[0].grad, naive_conv_gradient_to_input(dy, w, x.shape[1:-1], window, groups))
    assert_close(tensors[1].grad, naive_conv_gradient_to_filters(dy, x, window, groups))
    if b is not None:
        assert_allclose(tensors[2].grad, dy.reshape(-1, len(b)).sum(axis=0), rtol=0, atol=1e-12 * dy.size)


@each_backend
def test_the_fused_relu_is_relu_of_the_convolution(name):
    def run(apply):
        x, w, b = (Tensor(a, requires_grad=True) for a in (normal(2, 7, 6, 3), normal(3, 3, 3, 5), normal(5)))
        y = apply(x, w, b)
        y.backward(normal(*y.shape, seed=9))
        return y.data, x.grad, w.grad, b.grad

    with use_backend(name):
        fused = run(lambda x, w, b: ops.conv(x, w, b, padding=1, activation="relu"))
        apart = run(lambda x, w, b: ops.relu(ops.conv(x, w, b, padding=1)))
    assert 0 < np.count_nonzero(fused[0]) < fused[0].size
    for one, other in zip(fused, apart, strict=True):
        assert_array_equal(one, other)


@each_backend
@pytest.mark.parametrize("activation", [None, "relu"])
def test_not_a_number_is_shown(name, activation):
    x = np.ones((1, 5, 1))
    x[0, 1] = np.nan
    with use_backend(name):
        y = ops.conv(x, np.ones((2, 1, 1)), activation=activation)
    assert_array_equal(np.isnan(y.data.ravel()), [True, True, False, False])


@each_backend
def test_inputs_are_left_as_they_were(name):
    arrays = normal(1, 5, 5, 2), normal(3, 3, 2, 4), normal(4)
    copies = [array.copy() for array in arrays]
    with use_backend(name):
        ops.conv(*(Tensor(a, requires_grad=True) for a in arrays), activation="relu").sum().backward()
    for array, copy in zip(arrays, copies, strict=True):
        assert_array_equal(array, copy)


@each_backend
def test_a_layer_of_one_element_has_gradients(name):
    x, w = Tensor(np.full((1, 1, 1), 3.0), requires_grad=True), Tensor(np.full((1, 1, 1), 2.0), requires_grad=True)
    with use_backend(name):
        ops.conv(x, w).sum().backward()  # the cotangent is a read-only view
    assert (x.grad.item(), w.grad.item()) == (2, 3)


@each_backend
def test_half_precision_is_computed_in_half_precision(name):
    x, w = normal(1, 5, 5, 2, dtype=np.float16), normal(3, 3, 2, 4, dtype=np.float16)
    with use_backend(name):
        y = ops.conv(x, w)
        assert y.dtype == np.float16
        assert_allclose(y.data, ops.conv(x.astype(float), w.astype(float)).data, atol=0.05)


@each_backend
def test_mixed_precision_is_computed_in_the_higher(name):
    x, w, b = normal(1, 5, 2, dtype=np.float32), normal(2, 2, 3), normal(3, dtype=np.float32)
    tensors = [Tensor(array, requires_grad=True) for array in (x, w, b)]
    with use_backend(name):
        y = ops.conv(*tensors)
        y.sum().backward()
        assert_close(y.data, ops.conv(x.astype(np.float64), w, b.astype(np.float64)).data)
    assert y.dtype == np.float64
    assert [tensor.grad.dtype for tensor in tensors] == [np.float32, np.float64, np.float32]


# Single precision and threads


def all_results(x, w, b, dtype, **options):
    tensors = [Tensor(array.astype(dtype), requires_grad=True) for array in (x, w, b)]
    y = ops.conv(*tensors, **options)
    y.backward(normal(*y.shape, seed=9).astype(dtype))
    return [y.data, *(tensor.grad for tensor in tensors)]


@each_backend
@pytest.mark.parametrize(
    ("x_shape", "w_shape", "options"),
    [
        ((1, 32, 32, 64), (3, 3, 64, 64), {"padding": 1, "activation": "relu"}),
        ((2, 16, 16, 128), (1, 1, 128, 64), {}),
        ((1, 31, 33, 3), (7, 7, 3, 32), {"padding": "same", "stride": 2}),
        ((1, 16, 16, 64), (3, 3, 16, 64), {"groups": 4, "dilation": 2}),
        ((2, 300, 8), (9, 8, 16), {"stride": 3}),
        ((1, 8, 9, 10, 8), (3, 3, 3, 8, 16), {"padding": 1}),
    ],
)
def test_float32_is_close_to_float64(name, x_shape, w_shape, options):
    arrays = [a.astype(np.float32) for a in (normal(*x_shape), normal(*w_shape, seed=1), normal(w_shape[-1], seed=2))]
    with use_backend(name):
        found = all_results(*arrays, np.float32, **options)
        exact = all_results(*arrays, np.float64, **options)
    for single, double in zip(found, exact, strict=True):
        assert single.dtype == np.float32
        # Winograd's transforms cost a digit (fast/cpu/winograd); only the first of these is large enough for it.
        allowed = 2e-5 if name == "numba" and x_shape == (1, 32, 32, 64) else 2e-6
        assert np.abs(single - double).max() <= allowed * np.abs(double).max()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("options", [{}, {"stride": 2, "groups": 2}], ids=str)
def test_the_same_bits_for_any_number_of_threads(options, dtype, thread_count, pieces, monkeypatch):
    monkeypatch.setattr(on_numba, "WORK", 1)
    groups = options.get("groups", 1)
    arrays = normal(2, 40, 33, 32), normal(3, 3, 32 // groups, 32, seed=1), normal(32, seed=2)
    with use_backend("numba"):
        results = []
        for count in (1, 2, 4):
            thread_count(count)
            results.append(all_results(*arrays, dtype, padding=1, activation="relu", **options))
    assert max(pieces) > 4  # otherwise the threads had nothing to share
    for other in results[1:]:
        for one, another in zip(results[0], other, strict=True):
            assert_array_equal(one, another)


def test_the_same_bits_in_four_threads_at_once():
    arrays = normal(1, 20, 20, 16), normal(3, 3, 16, 16, seed=1), normal(16, seed=2)

    def work(_):
        with use_backend("numba"):
            return all_results(*arrays, np.float32, padding=1)

    expected = work(None)
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(work, range(12)):
            for one, another in zip(found, expected, strict=True):
                assert_array_equal(one, another)


# Bad input


X, W, B = np.ones((1, 8, 8, 4)), np.ones((3, 3, 4, 16)), np.ones(16)


@each_backend
@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((np.ones((8, 8)), W), {}, "x has 2 dimensions; expected 3, 4 or 5: (N, *spatial, C)"),
        ((np.ones((1, 2, 2, 2, 2, 4)), W), {}, "x has 6 dimensions; expected 3, 4 or 5"),
        (
            (X, np.ones((3, 4, 16))),
            {},
            "x has 4 dimensions, w 3; expected (N, *spatial, C_in) and (*kernel, C_in / groups, C_out)",
        ),
        ((X, np.ones(16)), {}, "x has 4 dimensions, w 1; expected (N, *spatial, C_in) and (*kernel"),
        ((X, np.ones((3, 4, 16))), {"groups": "2"}, "x has 4 dimensions, w 3; expected (N, *spatial, C_in) and"),
        ((X, np.ones((3, 3, 3, 16))), {}, "x has 4 channels, w expects 3 (x (1, 8, 8, 4), w (3, 3, 3, 16))"),
        ((X, W), {"groups": 2}, "x has 4 channels, w expects 4 · 2 groups"),
        ((X, W), {"groups": 3}, "groups is 3; expected a divisor of both channel counts"),
        ((X, W), {"groups": 0}, "groups is 0; expected a divisor"),
        ((X, W), {"groups": "2"}, "groups is '2'; expected a divisor"),
        ((np.ones((1, 2, 8, 4)), W), {}, "the window spans 3 along dimension 0, more than the padded input 2"),
        ((X, W), {"dilation": 4}, "the window spans 9 along dimension 0, more than the padded input 8"),
        ((X[:0], W), {}, "an array is empty; expected every dimension to be at least 1 (x (0, 8, 8, 4)"),
        ((X, W[..., :0]), {}, "an array is empty"),
        ((X.astype(int), W), {}, "x has dtype int64; expected a floating-point array"),
        ((X, W.astype(np.uint8)), {}, "w has dtype uint8; expected a floating-point array"),
        ((X > 0, W), {}, "x has dtype bool; expected a floating-point array"),
        ((X * 1j, W), {}, "x has dtype complex128; expected a floating-point array"),
        ((None, W), {}, "x has dtype NoneType; expected a floating-point array"),
        ((2.0, W), {}, "x has dtype float; expected a floating-point array"),
        (([[1, 2], [3, 4]], W), {}, "x has dtype int64; expected a floating-point array"),
        (([[1.0, 2.0], [3.0, 4.0]], W), {}, "x has 2 dimensions; expected 3, 4 or 5"),
        (([[1.0, 2.0], [3.0]], W), {}, "a list is ragged; expected rows of equal length"),
        (("picture.png", W), {}, "x has dtype str; expected a floating-point array"),
        ((X, W, np.ones(4)), {}, "b has shape (4,); expected (16,), one a filter"),
        ((X, W, np.ones((1, 16))), {}, "b has shape (1, 16); expected (16,)"),
        ((X, W, 1.0), {}, "b has shape (); expected (16,)"),
        ((X, W, B), {"stride": 0}, "stride is 0; expected an int of at least 1, or 2 of them"),
        ((X, W, B), {"stride": (1, 2, 3)}, "stride is (1, 2, 3); expected"),
        ((X, W, B), {"stride": 1.5}, "stride is 1.5; expected"),
        ((X, W, B), {"dilation": 0}, "dilation is 0; expected"),
        ((X, W, B), {"padding": -1}, "padding is -1; expected"),
        ((X, W, B), {"padding": "full"}, "padding is 'full'; expected"),
        ((X, W, B), {"padding": (1, 2, 3)}, "padding is (1, 2, 3); expected"),
        ((X, W, B), {"activation": "tanh"}, "activation is 'tanh'; expected None or \"relu\""),
        ((X, W, B), {"activation": True}, "activation is True; expected None"),
        ((X, W, B), {"pool": "max"}, "pool is 'max'; expected None or \"avg\""),
        (
            (X, W, B),
            {"pool": "avg", "stride": (1, 8)},
            "pool needs 2 outputs or more along each dimension; there are (6, 1)",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_bad_input_is_named_in_one_line(name, arguments, options, message):
    with use_backend(name), pytest.raises(InputError) as caught:
        ops.conv(*arguments, **options)
    assert str(caught.value).startswith("conv: ") and message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_two_outputs_along_each_dimension_are_enough_for_a_pool():
    x, w = np.arange(16.0).reshape(1, 4, 4, 1), np.ones((3, 3, 1, 1))
    with use_backend("numpy"):
        found = ops.conv(x, w, pool="avg").data
    assert found.tolist() == [[[[67.5]]]]  # nine times the mean of the four middle ones, 5 and 6 and 9 and 10


def test_lists_of_floats_are_taken_as_arrays():
    assert_array_equal(ops.conv([[[1.0], [2.0], [3.0]]], [[[1.0]], [[1.0]]]).data, [[[3], [5]]])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.ones((2, 3)), np.ones((4, 2))), "linear: x has shape (2, 3), w (4, 2); expected"),
        ((np.ones((2, 3)), np.ones(3)), "linear: x has shape (2, 3), w (3,); expected"),
        ((3.0, np.ones((3, 2))), "linear: x has shape (), w (3, 2); expected"),
        ((np.ones((2, 3)), 2.0), "linear: x has shape (2, 3), w (); expected"),
    ],
)
def test_bad_input_of_the_linear_layer_is_named_in_one_line(arguments, message):
    with pytest.raises(InputError) as caught:
        ops.linear(*arguments)
    assert str(caught.value).startswith(message)


# Large pictures, of which only the border is copied


@given(case=windows(), channels=st.sampled_from([3, 17]), groups=st.integers(1, 2), seed=st.integers(0, 2**32 - 1))
@example(case=((15, 15), slide("conv", (15, 15), (3, 3), stride=2)), channels=17, groups=1, seed=0)
@settings(max_examples=60)
def test_windows_that_read_the_picture_itself_and_those_at_its_border(case, channels, groups, seed):
    spatial, window = case
    x = normal(2, *spatial, channels * groups, seed=seed)
    w = normal(*window.size, channels, 20 * groups, seed=seed + 1)
    large, places.LARGE, empty = places.LARGE, 1, buffers.empty

    def filled(shape, dtype):
        memory = empty(shape, dtype)
        memory[...] = 1e6 if memory.dtype.kind == "f" else 0  # not NaN, which would stay in the memory of others
        return memory

    buffers.empty = filled
    for tables in (places.of_outputs, places.of_inputs):
        tables.cache_clear()
    try:
        y = on_numba.conv(x, w, None, window, groups)
        assert_close(y, on_numpy.conv(x, w, None, window, groups))
        dx = on_numba.conv_gradient_to_input(y, w, spatial, window, groups)
        assert_close(dx, on_numpy.conv_gradient_to_input(y, w, spatial, window, groups))
        dw = on_numba.conv_gradient_to_filters(y, x, window, groups)
        assert_close(dw, on_numpy.conv_gradient_to_filters(y, x, window, groups))
    finally:
        places.LARGE, buffers.empty = large, empty
        for tables in (places.of_outputs, places.of_inputs):
            tables.cache_clear()


# Frozen filters


@pytest.mark.parametrize("positions", [3, 40], ids=["threads share the filters", "threads share the outputs"])
def test_panels_of_frozen_filters_are_kept_and_say_the_same(positions):
    x, w = normal(2, positions, positions, 20), normal(3, 3, 20, 37, seed=1)
    window = slide("conv", x.shape[1:-1], w.shape[:-2], padding=1)
    dy = normal(*x.shape[:-1], 37, seed=2)
    y, dx = on_numba.conv(x, w, None, window, 1), on_numba.conv_gradient_to_input(dy, w, x.shape[1:-1], window, 1)
    minicnn.clear_cache()
    w.flags.writeable = False
    for _ in range(2):
        assert_array_equal(on_numba.conv(x, w, None, window, 1), y)
        assert_array_equal(on_numba.conv_gradient_to_input(dy, w, x.shape[1:-1], window, 1), dx)
    kinds = minicnn.cache_info().kinds
    assert kinds["panels"] > w.nbytes and kinds["turned panels"] > w.nbytes
    del w
    assert minicnn.cache_info().nbytes == 0


def test_panels_are_made_anew_after_frozen_filters_were_written():
    layer, x = nn.Conv2d(4, 6, 1, seed=0), normal(1, 5, 5, 4).astype(np.float32)
    with nn.frozen(layer):
        first = layer(Tensor(x)).data
    layer.w.data[...] *= 2
    with nn.frozen(layer):
        assert_allclose(layer(Tensor(x)).data, 2 * first, rtol=1e-6, atol=1e-6)


def test_a_part_of_the_taps_is_not_taken_for_all():
    """The gradient to a single pixel under a stride of 2 needs every other tap alone, and then the filters are whole
    in another window.
    """
    w = normal(3, 3, 20, 20)
    w.flags.writeable = False
    for spatial, options in (((1, 1), {"stride": 2, "padding": 1}), ((4, 4), {"padding": 1})):
        window = slide("conv", spatial, (3, 3), **options)
        dy = normal(1, *window.output, 20, seed=1)
        expected = on_numpy.conv_gradient_to_input(dy, w, spatial, window, 1)
        assert_close(on_numba.conv_gradient_to_input(dy, w, spatial, window, 1), expected)


@pytest.mark.parametrize("turned", [False, True])
def test_a_panel_holds_the_filters_of_its_group_and_zeros(turned):
    """Two groups of 3 inputs and 5 outputs, in panels of 4 columns: the second one has columns to fill up."""
    w = np.arange(1.0, 1 + 2 * 3 * 10).reshape(2, 3, 10)
    columns, rows = (3, 2 * 5) if turned else (5, 2 * 3)
    panels = np.full((2, 2, rows, 4), np.nan)
    for group, number in np.ndindex(2, 2):
        on_numba._pack(group, number, panels, on_numba.Filters(w, np.array([1, 0]), turned))
        own = w[::-1, :, 5 * group : 5 * group + 5]
        expected = np.zeros((rows, 8))
        expected[:, :columns] = np.swapaxes(own, 1, 2).reshape(rows, 3) if turned else own.reshape(rows, 5)
        np.testing.assert_array_equal(panels[group, number], expected[:, 4 * number : 4 * number + 4])

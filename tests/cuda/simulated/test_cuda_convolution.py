"""Convolution by the naive and by the tiled kernels, held to the definition."""

from typing import NamedTuple

import numpy as np
import pytest
from both_devices import assert_same, there

from minicnn import devices
from minicnn.backend import kernels_for
from minicnn.fast.cuda import conv, gpu, naive_conv
from minicnn.kernels import conv as definition
from minicnn.kernels import elementwise
from minicnn.kernels.geometry import slide
from minicnn.tape.pixels import thread_of, tilings


class Kernels(NamedTuple):
    name: str
    conv: object
    gradient_to_input: object
    gradient_to_filters: object


NAIVE = Kernels(
    "naive",
    naive_conv.naive_conv,
    naive_conv.naive_conv_gradient_to_input,
    naive_conv.naive_conv_gradient_to_filters,
)
TILED = Kernels("tiled", conv.conv, conv.conv_gradient_to_input, conv.conv_gradient_to_filters)
KERNELS = pytest.mark.parametrize("kernels", [NAIVE, TILED], ids=["naive", "tiled"])
# spatial, size, C_in, C_out, groups, options
CASES = {
    "a signal with an uneven border": ((7,), (3,), 2, 3, 1, {"padding": ((1, 2),)}),
    "a picture in steps of two": ((5, 4), (3, 2), 3, 5, 1, {"stride": 2, "padding": 1}),
    "groups and holes": ((6, 5), (2, 3), 4, 6, 2, {"dilation": (2, 1), "padding": (1, 0)}),
    "a volume": ((3, 4, 2), (2, 3, 2), 2, 1, 1, {"stride": (2, 2, 1), "dilation": (2, 1, 2), "padding": (1, 1, 2)}),
    "a volume whose end no window reaches": ((4, 2, 2), (2, 1, 1), 1, 1, 1, {"stride": (3, 1, 1)}),
    "a signal of more channels than a block has": ((4,), (3,), 34, 2, 1, {}),
    "one pixel": ((1, 1), (1, 1), 1, 1, 1, {}),
}


def of_case(spatial, size, in_channels, out_channels, groups, options, dtype=np.float64, seed=0, pictures=2):
    window = slide("conv", spatial, size, **options)
    random = np.random.default_rng(seed)
    x = random.standard_normal((pictures, *spatial, in_channels)).astype(dtype)
    w = random.standard_normal((*size, in_channels // groups, out_channels)).astype(dtype)
    b = random.standard_normal(out_channels).astype(dtype)
    dy = random.standard_normal((pictures, *window.output, out_channels)).astype(dtype)
    return window, x, w, b, dy


def hold(kernels, case, **options):
    window, x, w, b, dy = of_case(*case, **options)
    groups = case[4]
    device_x, device_w, device_b, device_dy = there(x, w, b, dy)
    wanted = definition.conv(x, w, b, window, groups)
    assert_same(kernels.conv(device_x, device_w, device_b, window, groups), wanted)
    assert_same(kernels.conv(device_x, device_w, device_b, window, groups, True), elementwise.relu(wanted))
    found = kernels.gradient_to_input(device_dy, device_w, x.shape[1:-1], window, groups)
    assert_same(found, definition.conv_gradient_to_input(dy, w, x.shape[1:-1], window, groups))
    found = kernels.gradient_to_filters(device_dy, device_x, window, groups)
    assert_same(found, definition.conv_gradient_to_filters(dy, x, window, groups))


@KERNELS
@pytest.mark.parametrize("case", list(CASES))
def test_equals_the_definition(kernels, case):
    hold(kernels, CASES[case])


@KERNELS
@pytest.mark.parametrize("groups", [1, 2])
def test_the_tape_names_the_block_that_computes_an_output(kernels, groups, monkeypatch):
    """Where only the first block of each group runs, exactly the outputs are there that it is said to form."""
    window, x, w, b, _ = of_case((3, 4), (1, 1), 2, 12, groups, {}, pictures=1)
    x, w, b = there(x, w, b)
    launch = gpu.launch
    monkeypatch.setattr(
        gpu,
        "launch",
        lambda kernel, blocks, *rest: launch(kernel, 1 if kernels is NAIVE else (1, 1, blocks[2]), *rest),
    )
    written = np.isfinite(devices.to_host(kernels.conv(x, w, b, window, groups)).reshape(12, 12))  # else poison
    assert 0 < written.sum() < written.size
    (tiling,) = (tiling for tiling in tilings() if tiling.name == kernels.name)
    told = [[thread_of(tiling, row, column, 12, groups) for column in range(12)] for row in range(12)]
    first = ("block 0,",) if tiling.flat else tuple(f"block (x 0, y 0, z {layer})" for layer in range(groups))
    assert np.array_equal(written, [[where.startswith(first) for where in row] for row in told])
    assert len({told[row][column] for row, column in np.argwhere(written)}) == written.sum()  # a thread each


@KERNELS
def test_float32_stays_float32(kernels):
    hold(kernels, CASES["groups and holes"], dtype=np.float32, pictures=1)


@KERNELS
def test_without_a_bias_and_on_arrays_that_are_not_contiguous(kernels):
    window, x, w, _, dy = of_case(*CASES["a picture in steps of two"])
    x = there(x[..., ::-1].copy())[..., ::-1]
    found = kernels.conv(x, there(w.swapaxes(0, 1).copy()).swapaxes(0, 1), None, window, 1)
    window, x, *_ = of_case(*CASES["a picture in steps of two"])
    assert_same(found, definition.conv(x, w, None, window, 1))
    found = kernels.gradient_to_input(there(dy)[:, ::-1][:, ::-1], there(w), x.shape[1:-1], window, 1)
    assert_same(found, definition.conv_gradient_to_input(dy, w, x.shape[1:-1], window, 1))


@KERNELS
def test_a_nan_is_shown_and_not_hidden_by_relu(kernels):
    window, x, w, b, _ = of_case(*CASES["a picture in steps of two"])
    x[0, 2, 2, 1] = np.nan
    wanted = np.isnan(definition.conv(x, w, b, window, 1))
    found = kernels.conv(*there(x, w, b), window, 1, True)
    assert wanted.any()
    np.testing.assert_array_equal(np.isnan(found._memory), wanted)


def test_the_tiled_kernels_are_chosen_for_the_gpu():
    kernels = kernels_for(there(np.zeros((1, 2, 2, 1), np.float32)))
    assert kernels.conv is TILED.conv and kernels.naive_conv is NAIVE.conv
    assert kernels.add is elementwise.add  # of which the GPU has no kernel of its own
    assert kernels_for(there(np.zeros((1, 2, 2, 1), np.float16))).conv is definition.conv


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("mean", [False, True])
def test_what_travels_with_a_convolution_equals_its_steps(groups, relu, mean):
    window, x, w, b, _ = of_case((5, 4), (3, 3), 4, 6, groups, {"padding": 1}, pictures=1)
    y, marks = kernels_for(there(x)).fused_conv(*there(x, w, b), window, groups, relu, mean, True)
    wanted, wanted_marks = kernels_for(x).fused_conv(x, w, b, window, groups, relu, mean, True)
    assert_same(y, wanted)
    if relu:
        assert_same(marks, wanted_marks)
        assert kernels_for(there(x)).fused_conv(*there(x, w, b), window, groups, True, mean, False)[1] is None
    else:
        assert marks is wanted_marks is None
    dy = np.random.default_rng(1).standard_normal(wanted.shape)
    device_marks = None if marks is None else there(wanted_marks)
    found = kernels_for(y).fused_conv_gradient_to_input(there(dy), device_marks, there(w), (5, 4), window, groups, mean)
    rest = w, (5, 4), window, groups, mean
    assert_same(found, kernels_for(dy).fused_conv_gradient_to_input(dy, wanted_marks, *rest))


def drawn_case(seed):
    random = np.random.default_rng(seed)
    rank = 1 + seed % 3
    size = tuple(random.integers(1, 4, rank).tolist())
    dilation = tuple(random.integers(1, 3, rank).tolist())
    groups = int(random.choice([1, 1, 2, 3]))
    padding = tuple(tuple(pair) for pair in random.integers(0, 3, (rank, 2)).tolist())
    spans = [(k - 1) * d + 1 for k, d in zip(size, dilation, strict=True)]
    spatial = tuple(int(max(1, s - sum(p)) + random.integers(0, 4)) for s, p in zip(spans, padding, strict=True))
    options = {"stride": tuple(random.integers(1, 4, rank).tolist()), "dilation": dilation, "padding": padding}
    channels = groups * int(random.integers(1, 4)), groups * int(random.integers(1, 4))
    return spatial, size, *channels, groups, options


@pytest.mark.thorough
@KERNELS
@pytest.mark.parametrize("seed", range(12))
def test_drawn_shapes_equal_the_definition(kernels, seed):
    hold(kernels, drawn_case(seed), seed=seed, dtype=(np.float64, np.float32)[seed % 2], pictures=1 + seed % 2)

"""Each emitter of the micro-kernel against a few lines of NumPy.

Inputs are small whole numbers, so that every sum is exact in both dtypes, whatever its order and wherever a product is
fused with it. What an emitter writes to is compared as a whole: it must leave alone what lies around its target.
"""

import functools
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba import njit
from numpy.lib.stride_tricks import as_strided
from numpy.testing import assert_array_equal

from minicnn.fast.cpu import micro_kernel
from minicnn.fast.cpu.micro_kernel import (
    FEW,
    LINE,
    ROWS,
    columns,
    gathered_largest,
    gathered_product,
    gathered_product_upon,
    gathered_sum,
    line_transform,
    row_product,
    square_transposition,
    weighted_sum,
)
from minicnn.fast.cpu.micro_products import micro_product, micro_shape
from minicnn.fast.cpu.winograd import A_T, B_T

TAPS = FEW
MATRICES = {"B_T": B_T, "A_T": A_T, "A": A_T.T, "copy": np.array([[1.0]]), "quarter": np.array([[0.25]])}

each_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])
gaps = st.integers(0, 5)  # numbers before an array begins, and beyond what its rows need
depths = st.sampled_from([0, 1, 2, 7, 40])
randoms = st.integers(0, 2**32 - 1).map(np.random.default_rng)


@functools.cache
def compiled(emitter, *of):
    """Compile a function that calls emitter(*of)."""
    emitted = emitter(*of)
    return njit(lambda *arguments: emitted(*arguments))


@functools.cache
def transform_by(name):
    """Compile a function that calls the line transform of a matrix."""
    transform = line_transform(MATRICES[name])
    return njit(lambda *arguments: transform(*arguments))


def whole_numbers(random, count, dtype):
    return random.integers(-9, 10, count).astype(dtype)


def view(flat, first, shape, steps):
    """Return the array of that shape whose element [i, j] is flat[first + i · steps[0] + j · steps[1]]."""
    assert first + sum((length - 1) * step for length, step in zip(shape, steps, strict=True)) < len(flat)
    return as_strided(flat[first:], shape, [step * flat.itemsize for step in steps])


def table(random, count, distance, gap):
    """Return places at least so far apart, in no order, behind `gap` wrong ones."""
    return np.concatenate([np.full(gap, 7), random.permutation(count) * distance])


@each_dtype
@pytest.mark.parametrize("rows", [1, ROWS])
def test_the_product_that_the_bench_times_is_one(rows, dtype):
    _, width = shape = micro_shape(np.dtype(dtype).itemsize)
    assert shape == (ROWS, columns(np.dtype(dtype).itemsize))
    random, depth = np.random.default_rng(rows), 7
    a, b = whole_numbers(random, 3 * rows * depth, dtype), whole_numbers(random, depth * width, dtype)
    c = np.full(3 * rows * width, np.nan, dtype)
    micro_product(rows)(a, b, c, depth)
    assert_array_equal(c.reshape(-1, width), a.reshape(-1, depth) @ b.reshape(depth, width))


@each_dtype
@pytest.mark.parametrize("rows", [ROWS, ROWS // 3])
@given(depth=depths, add=st.booleans(), across=st.booleans(), gap=st.tuples(*[gaps] * 6), random=randoms)
def test_row_product(rows, dtype, depth, add, across, gap, random):
    width = columns(np.dtype(dtype).itemsize)
    a_steps = (1, rows + gap[0]) if across else (2 * depth + gap[0], 2)
    b_step, c_row = width + gap[1], width + gap[2]
    a, b, c = (whole_numbers(random, 5000, dtype) for _ in range(3))
    expected = c.copy()
    target = view(expected, gap[5], (rows, width), (c_row, 1))
    product = view(a, gap[3], (rows, depth), a_steps) @ view(b, gap[4], (depth, width), (b_step, 1))
    target[...] = target + product if add else product
    compiled(row_product, rows)(a, (gap[3], *a_steps), b, (gap[4], b_step), c, (gap[5], c_row), depth, add)
    assert_array_equal(c, expected)


def gathered_problem(dtype, depth, runs, relu, gap, random):
    """Return the arguments of a gathered product and its sums (ROWS, width), before the ReLU, with a NaN in a row."""
    width = columns(np.dtype(dtype).itemsize)
    a, c = (whole_numbers(random, 4000, dtype) for _ in range(2))
    b, bias = whole_numbers(random, gap[0] + runs * depth * width, dtype), whole_numbers(random, gap[1] + width, dtype)
    starts, places = table(random, ROWS, 41, gap[2]), table(random, ROWS, width + 3, gap[3])
    offsets = random.integers(0, 300, runs)
    windows = gap[4] + starts[gap[2] :, None, None] + offsets[:, None] + np.arange(depth)
    if windows.size:
        a[windows[1, 0, 0]] = np.nan  # of any row that reads it
    panel = b[gap[0] :].reshape(-1, width)
    sums = bias[gap[1] :] + a[windows].reshape(ROWS, runs * depth) @ panel
    from_where = (
        a,
        (gap[4], gap[2]),
        starts,
        offsets,
        depth,
        b,
        (gap[0], 1 << 20, 5),
        bias,
        gap[1],
    )  # what is fetched meanwhile is no memory
    return (*from_where, c, (gap[5], gap[3]), places, relu), sums


def placed(c, place, places, values):
    """Return c with rows of values at their places."""
    first, to = place
    expected = c.copy()
    expected[first + places[to:, None] + np.arange(values.shape[1])] = values
    return expected


@each_dtype
@given(depth=depths, runs=st.integers(0, 3), relu=st.booleans(), gap=st.tuples(*[gaps] * 6), random=randoms)
def test_gathered_product(dtype, depth, runs, relu, gap, random):
    arguments, sums = gathered_problem(dtype, depth, runs, relu, gap, random)
    *_, c, place, places, _ = arguments
    expected = placed(c, place, places, np.maximum(sums, 0) if relu else sums)  # np.maximum keeps a NaN
    compiled(gathered_product, ROWS)(*arguments)
    assert_array_equal(c, expected)


@each_dtype
@given(depth=depths, runs=st.integers(0, 3), relu=st.booleans(), gap=st.tuples(*[gaps] * 6), random=randoms)
def test_gathered_product_upon(dtype, depth, runs, relu, gap, random):
    arguments, sums = gathered_problem(dtype, depth, runs, relu, gap, random)
    *_, c, place, places, _ = arguments
    past = table(random, place[1] + ROWS, 37, 0)
    total = sums + c[place[0] + past[place[1] :, None] + np.arange(sums.shape[1])]
    expected = placed(c, place, places, np.maximum(total, 0) if relu else total)
    compiled(gathered_product_upon, ROWS)(*arguments, past)
    assert_array_equal(c, expected)


@each_dtype
@given(depth=depths, add=st.booleans(), gap=st.tuples(*[gaps] * 6), random=randoms)
def test_gathered_sum(dtype, depth, add, gap, random):
    width = columns(np.dtype(dtype).itemsize)
    a, b, c = (whole_numbers(random, 4000, dtype) for _ in range(3))
    starts, b_step, c_row = table(random, depth, 13, gap[0]), width + gap[1], width + gap[2]
    expected = c.copy()
    target = view(expected, gap[5], (TAPS, width), (c_row, 1))
    windows = a[gap[3] + starts[gap[0] :, None] + np.arange(TAPS)]
    product = windows.T @ view(b, gap[4], (depth, width), (b_step, 1))
    target[...] = target + product if add else product
    arguments = a, (gap[3], gap[0]), starts, b, (gap[4], b_step), c, (gap[5], c_row), depth, add
    compiled(gathered_sum, TAPS)(*arguments)
    assert_array_equal(c, expected)


@each_dtype
@pytest.mark.parametrize("name", MATRICES)
@given(lines=st.integers(0, 3), gap=st.tuples(gaps, gaps, gaps), random=randoms)
def test_line_transform(name, dtype, lines, gap, random):
    matrix, count = MATRICES[name].astype(dtype), lines * (LINE // np.dtype(dtype).itemsize)
    source, target = whole_numbers(random, 1000, dtype), whole_numbers(random, 1000, dtype)
    starts = gap[0] + random.permutation(matrix.shape[1]) * (count + gap[1])
    step, expected = count + gap[2], target.copy()
    view(expected, gap[1], (len(matrix), count), (step, 1))[...] = matrix @ source[starts[:, None] + np.arange(count)]
    transform_by(name)(source, tuple(starts), target, gap[1], step, count)
    assert_array_equal(target, expected)


@each_dtype
@pytest.mark.parametrize("terms", [1, 3])
@given(lines=st.integers(0, 3), gap=st.tuples(gaps, gaps, gaps), random=randoms)
def test_weighted_sum(terms, dtype, lines, gap, random):
    count = lines * (LINE // np.dtype(dtype).itemsize)
    source, target = whole_numbers(random, 500, dtype), whole_numbers(random, 500, dtype)
    starts, weights = gap[0] + random.permutation(terms) * (count + gap[1]), whole_numbers(random, terms, dtype)
    expected = target.copy()
    expected[gap[2] : gap[2] + count] = weights @ source[starts[:, None] + np.arange(count)]
    compiled(weighted_sum, terms)(source, tuple(starts), tuple(weights), target, gap[2], count)
    assert_array_equal(target, expected)


@each_dtype
@given(runs=st.integers(1, 9), lines=st.integers(0, 3), gap=gaps, nans=st.booleans(), random=randoms)
def test_gathered_largest(dtype, runs, lines, gap, nans, random):
    count = lines * LINE // np.dtype(dtype).itemsize
    source = whole_numbers(random, gap + 400, dtype)
    if nans:
        source[random.integers(0, len(source), 20)] = np.nan
    places = random.integers(0, 400 - count, runs)
    target = whole_numbers(random, 2 * gap + count + 3, dtype)
    expected = target.copy()
    expected[gap : gap + count] = np.max([source[gap + place :][:count] for place in places], axis=0)
    compiled(gathered_largest)(source, gap, places, target, gap, count)
    assert_array_equal(target, expected)


@each_dtype
@given(gap=st.tuples(gaps, gaps, gaps, gaps), random=randoms)
def test_square_transposition(dtype, gap, random):
    side = LINE // np.dtype(dtype).itemsize
    source, target = random.permutation(1000).astype(dtype), whole_numbers(random, 1000, dtype)
    row, step, expected = side + gap[0], side + gap[1], target.copy()
    view(expected, gap[3], (side, side), (step, 1))[...] = view(source, gap[2], (side, side), (row, 1)).T
    compiled(square_transposition)(source, gap[2], row, target, gap[3], step)
    assert_array_equal(target, expected)


def test_a_sum_takes_no_product_by_one():
    """It begins with a factor of one, and the others are added, subtracted, or multiplied and added at once."""
    calls = []

    def emitting(name, result):
        return lambda *numbers: calls.append(name) or result(*numbers)

    builder = SimpleNamespace(
        fmul=emitting("fmul", float.__mul__), fadd=emitting("fadd", float.__add__), fsub=emitting("fsub", float.__sub__)
    )
    product = emitting("product", lambda a, b, c: a * b + c)
    emitter = SimpleNamespace(builder=builder, constant=float, multiply_add=product)
    lines = [3.0, 5.0, 7.0, 11.0, 13.0]
    for row, names in (
        ([2, -1, 0, 1, 1], ["fadd", "product", "fsub"]),
        ([-1, 0, -4, 0, 0], ["fmul", "product"]),
        ([0, 0, 1, 0, 0], []),
    ):
        calls.clear()
        assert micro_kernel._Emitter.combine(emitter, row, lines) == np.dot(row, lines)
        assert calls == names


@pytest.mark.parametrize(
    ("name", "terms"),
    [("B_T", [3, 2, 2, 2, 2, 3]), ("A_T", [5, 4, 4, 5]), ("A", [1, 2, 2, 2, 2, 1]), ("copy", [1])],
)
def test_rows_for_t_and_minus_t_share_their_sums(name, terms):
    """Such rows need a sum of the even terms and one of the odd. Others need one of all their terms."""
    matrix, calls = MATRICES[name].tolist(), []

    def combine(row, lines):
        calls.append(sum(map(bool, row)))
        return float(np.dot(row, lines))

    builder = SimpleNamespace(fadd=float.__add__, fsub=float.__sub__)
    lines = np.arange(1.0, len(matrix[0]) + 1)
    found = micro_kernel._times(SimpleNamespace(combine=combine, builder=builder), matrix, lines)
    assert_array_equal(found, np.dot(matrix, lines))
    assert calls == terms

"""One output of a convolution: its products, its row and column, its block."""

import dataclasses
import math
import re

import numpy as np
import pytest

import minicnn
from minicnn import InputError, Tensor, ops
from minicnn.kernels.conv import im2col
from minicnn.tape import pixels
from minicnn.tape.products import window_of

CASES = {
    "same": ((2, 5, 6, 3), (3, 3, 3, 4), {"padding": "same"}),
    "strided, dilated": ((1, 9, 8, 2), (3, 2, 2, 3), {"stride": (2, 1), "dilation": (1, 2), "padding": 1}),
    "groups": ((1, 4, 4, 4), (2, 2, 2, 6), {"groups": 2}),
    "signal": ((2, 9, 2), (3, 2, 4), {"stride": 2}),
    "volume": ((1, 3, 4, 3, 2), (2, 2, 2, 2, 3), {"padding": 1}),
}


def recorded(name, bias=True):
    random = np.random.default_rng(0)
    x_shape, w_shape, options = CASES[name]
    x, w = Tensor(random.standard_normal(x_shape)), Tensor(random.standard_normal(w_shape))
    with minicnn.record() as tape:
        ops.conv(x, w, random.standard_normal(w_shape[-1]) if bias else None, **options)
    return tape, tape.steps[0]


@pytest.mark.parametrize("name", CASES)
def test_its_products_sum_to_it(name):
    tape, step = recorded(name)
    y = step.output.array
    for flat in (0, y.size // 2, y.size - 1):
        index = tuple(map(int, np.unravel_index(flat, y.shape)))
        pixel = tape.pixel("conv_1", index)
        assert math.isclose(pixel.total, y[index], rel_tol=1e-12, abs_tol=1e-12)
        x, w = (value.array for value in step.inputs[:2])
        assert all(tap.x == x[tap.at_x] and tap.w == w[tap.at_w] for tap in pixel.taps)
        assert len(pixel.taps) + pixel.padding == w[..., 0].size == pixel.place.depth


@pytest.mark.parametrize("name", CASES)
def test_its_row_of_im2col_holds_what_the_loops_read(name):
    tape, step = recorded(name)
    y, x, window = step.output.array, step.inputs[0].array, window_of(step)
    index = tuple(n // 2 for n in y.shape)
    pixel = tape.pixel("conv_1", index)
    patches = im2col(x, window).reshape(pixel.place.rows, window.taps, x.shape[-1])
    channels = pixel.place.depth // window.taps
    first = index[-1] // (y.shape[-1] // pixel.groups) * channels
    row = patches[pixel.row, :, first : first + channels].ravel()
    read = [tap.x for tap in pixel.taps]
    assert np.allclose(row[row != 0], read)  # padding is the zeros
    assert pixel.column == index[-1] and (pixel.place.rows, pixel.place.columns) == (y.size // y.shape[-1], y.shape[-1])


def test_the_text_tells_every_way(capsys):
    tape, _ = recorded("same")
    shown = str(tape.pixel("conv_1", (1, 0, 2, 3)))
    first, *_ = shown.splitlines()
    assert first.startswith("conv_1[1, 0, 2, 3] = ") and "18 products of x and w; 9 more meet padding" in first
    assert "n = 1, o = (0, 2), j = 3" in shown and "x[1, 0, 1, 0] × w[1, 0, 0, 3]" in shown
    assert "row 32 of 60 patches × column 3 of 4 filters, 27 numbers each" in shown
    # The output's place in a block depends on the rows that the processor's registers hold.
    assert re.search(r"compiled \(fast/cpu/conv\.py\): block \d+ of \d+, sum \d+ of", shown)


def test_winograd_is_named_where_it_computes():
    x, w = Tensor(np.ones((1, 32, 32, 16), np.float32)), Tensor(np.ones((3, 3, 16, 32), np.float32))
    with minicnn.record() as tape:
        y = ops.conv(x, w, padding=1)
    assert "output (1, 2) of the 4×4 of tile (2, 1)" in str(tape.pixel(y, (0, 9, 6, 0)))


def test_a_block_is_the_one_that_the_kernel_forms(monkeypatch):
    """A kernel that is watched: outputs of one block are those between two fetches of a panel."""
    from minicnn.fast.cpu import conv

    monkeypatch.setattr(conv, "BLOCK_BYTES", 1 << 12)
    x, w = Tensor(np.ones((1, 20, 20, 3))), Tensor(np.ones((3, 3, 3, 2)))
    with minicnn.record() as tape:
        y = ops.conv(x, w)
    place = tape.pixel(y, (0, 10, 0, 1)).place
    block = place.block
    assert 4 * conv.ROWS < block == conv.outputs_a_block(x.data.nbytes, 18 * 18) < 18 * 18
    assert f"block {180 // block} of {-(-324 // block)}" in str(tape.pixel(y, (0, 10, 0, 1)))


def test_the_gpu_says_which_thread(monkeypatch):
    rows = [("one each", 0, 0, 1, 1, 128, "27 pairs"), ("tiles", 16, 16, 2, 4)]
    monkeypatch.setattr(pixels, "tilings", lambda: [pixels.Tiling(*row) for row in rows])
    tape, _ = recorded("same")
    shown = str(tape.pixel("conv_1", (1, 4, 5, 3))).splitlines()  # row 59, column 3: number 239
    assert shown[-2].endswith("CUDA, one each: block 1, thread 111; reads 27 pairs")
    assert shown[-1].endswith("CUDA, tiles: block (x 3, y 0, z 0), thread (x 0, y 5)")


def test_the_kernels_for_the_gpu_say_how_they_share_the_work():
    pytest.importorskip("numba.cuda")
    from minicnn.fast.cuda import conv, naive_conv

    one, tile = pixels.tilings()
    assert (one.name, one.flat, tile.name, tile.rows, tile.columns) == (
        "naive", naive_conv.THREADS, "tiled", conv.SIDE, conv.SIDE,
    )  # fmt: skip
    tape, _ = recorded("groups")  # 9 positions, 2 groups of 3 filters
    shown = str(tape.pixel("conv_1", (0, 2, 1, 4))).splitlines()
    assert "  CUDA, naive: block 0, thread 46; reads a number of x and one of w for each product" in shown[-2]
    assert "  CUDA, tiled: block (x 0, y 0, z 1), thread (x 1, y 7); reads" in shown[-1]


def test_what_has_no_such_pixel():
    tape, _ = recorded("same")
    with pytest.raises(InputError, match="pixel: x is not made on this tape; expected the output of a convolution"):
        tape.pixel("x", (0, 0, 0, 0))
    with pytest.raises(
        InputError, match=r"pixel: index is \(0, 9, 0, 0\); expected 4 integers for conv_1 \(2, 5, 6, 4\)"
    ):
        tape.pixel("conv_1", (0, 9, 0, 0))


def told(taps, monkeypatch):
    """The lines of an output of a convolution of 3×3 on 4×4 numbers, and the pixel itself."""
    monkeypatch.setattr(pixels, "tilings", list)
    x, w = Tensor(np.arange(16.0).reshape(1, 4, 4, 1)), Tensor(np.arange(9.0).reshape(3, 3, 1, 1) - 4)
    with minicnn.record() as tape:
        y = ops.conv(x, w, np.array([0.5]), padding=1)
    pixel = tape.pixel(y, taps)
    return str(pixel).splitlines(), pixel


def test_an_output_in_full(monkeypatch):
    lines, pixel = told((0, 0, 1, 0), monkeypatch)
    assert lines[:9] == [
        "y[0, 0, 1, 0] = 49.5   bias 0.5 and 6 products of x and w; 3 more meet padding",
        "  the loops (naive_conv.py): n = 0, o = (0, 1), j = 0; inside them k and c run",
        "       product  k       c",
        "     +0.000000  (1, 0)  0  x[0, 0, 0, 0] × w[1, 0, 0, 0]",
        "     +0.000000  (1, 1)  0  x[0, 0, 1, 0] × w[1, 1, 0, 0]",
        "     +2.000000  (1, 2)  0  x[0, 0, 2, 0] × w[1, 2, 0, 0]",
        "     +8.000000  (2, 0)  0  x[0, 1, 0, 0] × w[2, 0, 0, 0]",
        "    +15.000000  (2, 1)  0  x[0, 1, 1, 0] × w[2, 1, 0, 0]",
        "    +24.000000  (2, 2)  0  x[0, 1, 2, 0] × w[2, 2, 0, 0]",
    ]
    assert lines[9] == "  im2col (conv.py): row 1 of 16 patches × column 0 of 1 filters, 9 numbers each"
    assert (pixel.padding, pixel.bias, pixel.row, pixel.column, pixel.groups) == (3, 0.5, 1, 0, 1)
    lines, pixel = told((0, 1, 1, 0), monkeypatch)
    assert lines[0] == "y[0, 1, 1, 0] = 78.5   bias 0.5 and 9 products of x and w" and pixel.total == 78.5


def test_twelve_products_are_shown_and_the_others_summed(monkeypatch):
    monkeypatch.setattr(pixels, "tilings", list)
    for channels, more in ((12, []), (15, ["    +39.000000  3 more"])):
        x, w = Tensor(np.arange(float(channels)).reshape(1, 1, 1, -1)), Tensor(np.ones((1, 1, channels, 1)))
        with minicnn.record() as tape:
            y = ops.conv(x, w)
        lines = str(tape.pixel(y, (0, 0, 0, 0))).splitlines()
        assert [line for line in lines if line.endswith(" more")] == more  # 12 + 13 + 14
        assert sum(" × w[" in line for line in lines) == 12


@pytest.mark.parametrize(
    ("row", "column", "groups", "place", "said"),
    [
        (30, 5, 1, {}, "block 2 of 4, sum 2 of 4 in its group 1; panel 1 of 2, lane 1 of 4"),
        (0, 0, 1, {}, "block 0 of 4, sum 0 of 4 in its group 0; panel 0 of 2, lane 0 of 4"),
        (47, 7, 2, {}, "block 3 of 4, sum 3 of 4 in its group 2; panel 0 of 1, lane 3 of 4"),
        (
            9,
            6,
            1,
            {"whole": False},
            "panel 1 of 2, lane 2 of 4; the picture is large, and its borders are read from a copy",
        ),
    ],
)
def test_where_the_compiled_kernel_puts_an_output(monkeypatch, row, column, groups, place, said):
    _, pixel = told((0, 1, 1, 0), monkeypatch)
    sizes = pixels.Place(48, 8, 9, "gathered", block=12, group=4, panel=4, **place)
    moved = dataclasses.replace(pixel, row=row, column=column, groups=groups, place=sizes)
    assert str(moved).splitlines()[-1] == f"  compiled (fast/cpu/conv.py): {said}"
    nowhere = dataclasses.replace(moved, place=dataclasses.replace(sizes, kernel=""))
    assert "compiled" not in str(nowhere)
    tiles = dataclasses.replace(moved, index=(0, 9, 6, 0), place=dataclasses.replace(sizes, kernel="winograd"))
    assert str(tiles).splitlines()[-1] == (
        "  compiled (fast/cpu/winograd/compiled.py): output (1, 2) of the 4×4 of tile (2, 1), which see 6×6 pixels "
        "together"
    )
    group = f" of group {column // 4}" if groups == 2 else ""
    assert f"row {row} of 48 patches × column {column} of 8 filters{group}, 9 numbers each" in str(moved)


@pytest.mark.parametrize(
    ("row", "column", "groups", "flat", "said"),
    [
        (59, 3, 1, 128, "block 1, thread 111"),
        (31, 2, 1, 128, "block 0, thread 126"),
        (32, 0, 1, 128, "block 1, thread 0"),
        (59, 3, 1, 0, "block (x 3, y 0, z 0), thread (x 0, y 5)"),
        (16, 3, 2, 0, "block (x 1, y 0, z 1), thread (x 0, y 0)"),
        (15, 1, 1, 0, "block (x 0, y 0, z 0), thread (x 0, y 7)"),
    ],
)
def test_which_thread_forms_an_output(row, column, groups, flat, said):
    tiling = pixels.Tiling("some", 16, 16, 2, 4, flat)
    assert pixels.thread_of(tiling, row, column, 4, groups) == said
    reading = dataclasses.replace(tiling, reads="9 pairs")
    assert pixels.thread_of(reading, row, column, 4, groups) == f"{said}; reads 9 pairs"
    assert pixels.thread_of(tiling, row, column, 4) == pixels.thread_of(tiling, row, column, 4, 1)

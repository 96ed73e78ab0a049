"""How finely the work of compiled kernels is cut: no piece is too small to be worth a thread, and none is left whole
that is large enough for two. Results do not show it, and the least sizes are measured ones. Here no kernel runs, and
what would be computed is not looked at.
"""

import numpy as np
import pytest

from minicnn.fast.cpu import (
    conv,
    crop,
    elementwise,
    gram,
    locally_connected,
    normalization,
    places,
    pool,
    product,
    threads,
    triplet,
)
from minicnn.fast.cpu.micro_kernel import ROWS, columns
from minicnn.fast.cpu.winograd import compiled as winograd
from minicnn.kernels.geometry import slide

L, WIDTH = 1 << 15, columns(4)  # the least number of elements that is worth a thread, and the columns of a panel


@pytest.fixture
def cuts(monkeypatch):
    """The number of pieces of every kernel that would run."""
    counts = []
    monkeypatch.setattr(threads, "parallel", lambda kernel, pieces, *_: counts.append(len(pieces)))
    return counts


def zeros(*shape, dtype=np.float32):
    return np.zeros(shape, dtype)


def on(x, size=1, **options):
    return slide("kernel", x.shape[1:-1], size, **options)


def update(count, step):
    arrays = [zeros(count) for _ in range(4 if step is elementwise.adam_step else 2)]
    rule = (0.1, 0.1, 0.9, 0.9, -1.0, 1.0) if len(arrays) == 4 else (None, 0.1, 0.0, 0.0, False)
    step(*arrays, *rule)


def normalize(positions, channels):
    normalization.batch_normalize(zeros(positions, channels), *[zeros(channels)] * 3, True)


def respond(positions, gradient):
    x, rule = zeros(positions, 2), ((1, 1), 1.0, 0.75, 1.0)
    if gradient:
        normalization.local_response_norm_gradient(x, x, *rule)
    else:
        normalization.local_response_norm(x, *rule)


def pools(pixels, kernel, **options):
    x = zeros(1, pixels, 1)
    window = on(x, 2, **options)
    y = zeros(1, *window.output, 1)
    given = {"max_pool": (x, window), "avg_pool": (x, window, False)}
    given["max_pool_gradient"] = y, y.astype(np.uint8), (pixels,), window
    given["avg_pool_gradient"] = y, (pixels,), window, False
    getattr(pool, kernel)(*given[kernel])


def unshared(rows, gradient):
    x = zeros(1, rows, 1)
    if gradient:
        locally_connected.locally_connected_gradient_to_input(x, zeros(rows, 1, 1, 1), (rows,), on(x))
    else:
        locally_connected.locally_connected(x, zeros(rows, 1, 1, 1), on(x))


def convolve(positions, channels, outputs):
    x = zeros(1, positions, channels)
    conv.conv(x, zeros(1, channels, outputs), None, on(x), 1)


def filters(positions, outputs, channels=conv.TAPS):  # of so many no copy is made
    x = zeros(1, positions, channels)
    conv.conv_gradient_to_filters(zeros(1, positions, outputs), x, on(x), 1)


def spread(images, spatial, size, **options):
    """The gradient to an input of one channel, whose outputs are split in bands that are added in turn."""
    window = slide("kernel", spatial, size, **options)
    dy, w = zeros(images, *window.output, 4), zeros(*window.size, 1, 4)
    conv.conv_gradient_to_input(dy, w, spatial, window, 1)


def crops(windows, width):
    crop.crop(zeros(64, 64, 1), np.array([[0.0, 0.0, 64.0, 64.0]] * windows), 64, width)


def pads(height, width, channels):
    places.padded(zeros(1, height, width, channels), places.Reading((1, 1), (1, 1), ()))


LONG = 2 ** (512 // 3).bit_length() // 2  # positions of three channels to a row
WORTH = (1 << 22) // (64 * WIDTH)  # outputs of 64 channels
DEEP = 512
CASES = [
    *[(lambda n=n: elementwise.relu(zeros(n)), [k]) for n, k in ((2 * L - 1, 1), (2 * L, 2), (40 * L, 16))],
    *[(lambda n=n: elementwise.relu_gradient(zeros(n), zeros(n)), [k]) for n, k in ((2 * L - 1, 1), (2 * L, 2))],
    *[(lambda n=n: elementwise.sloped(zeros(n, 3), zeros(3)), [k]) for n, k in ((L // 3 * 2 - 1, 1), (L // 3 * 2, 2))],
    (lambda: elementwise.sloped(zeros(3, L + 1), zeros(L + 1)), [3]),
    *[(lambda n=n: elementwise.relu_marks(zeros(n, 2)), [k]) for n, k in ((L // 32 - 1, 1), (L // 32, 2))],
    *[
        (lambda n=n, s=s: update(n, s), [k])
        for n, k in ((2 * L - 1, 1), (2 * L, 2))
        for s in (elementwise.sgd_step, elementwise.adam_step)
    ],
    (lambda: elementwise.add(*[zeros((1 << 18) - 1)] * 2, None), []),
    (lambda: elementwise.add(*[zeros(1 << 18)] * 2, None), [2]),
    *[
        (lambda n=n: elementwise.residual(zeros(n), zeros(n), 1.0, True), [k])
        for n, k in ((2 * (1 << 17) - 1, 1), (2 * (1 << 17), 2))
    ],
    *[
        (lambda n=n: normalize(n, 512), [k])
        for n, k in (
            (2 * L // 512 - 1, 1),
            (2 * L // 512, 2),
        )
    ],
    *[(lambda n=n: normalize(LONG * n, 3), [k]) for n, k in ((L // (3 * LONG) * 2 - 1, 1), (L // (3 * LONG) * 2, 2))],
    (lambda: normalize(3, L + 1), [3]),
    *[(lambda n=n, g=g: respond(n, g), [k]) for n, k in ((127, 1), (128, 2)) for g in (False, True)],
    *[
        (lambda n=n, name=name: pools(n, name, stride=2), [k])
        for n, k in ((1023, 1), (1024, 2))
        for name in ("max_pool", "avg_pool", "max_pool_gradient", "avg_pool_gradient")
    ],
    *[
        (lambda n=n, name=name: pools(n, name, stride=1), [k])
        for n, k in ((511, 1), (512, 2))
        for name in ("max_pool_gradient", "avg_pool_gradient")
    ],
    *[(lambda n=n, c=c: gram.gram(zeros(1, n, c)), [k]) for n, k in ((511, 1), (512, 2)) for c in (1, WIDTH)],
    *[
        (lambda n=n, c=c: gram.gram_gradient(zeros(1, c, c), zeros(1, n, c), None), [k])
        for n, k in ((511, 1), (512, 2))
        for c in (1, WIDTH)
    ],
    *[(lambda n=n: product.product(zeros(n, 64), zeros(64, 32)), [k]) for n, k in ((2049, 1), (2050, 2))],
    *[(lambda n=n: product.product(zeros(32, 64), zeros(64, n)), [k]) for n, k in ((2049, 1), (2050, 2))],
    (lambda: product.product(zeros(3, 0), zeros(0, 3)), [1]),
    *[(lambda n=n: product.sum_of_rows(zeros(n, 64)), [k]) for n, k in ((1023, 1), (1024, 2))],
    (lambda: product.sum_of_rows(zeros(3, L + 1)), [3]),
    (lambda: product.sum_of_rows(zeros(5, 0)), [1]),
    *[
        (lambda n=n, d=d: triplet.distances(zeros(n, d), True), [k])
        for n, d, k in ((256, 1, 1), (512, 1, 4), (3, 1 << 15, 3))
    ],
    *[(lambda n=n: triplet.hardest(zeros(n, n, dtype=float), np.zeros(n, int)), [k]) for n, k in ((256, 1), (512, 4))],
    *[
        (lambda n=n: triplet.triplets(zeros(n, n, dtype=float), np.zeros(n, int), 0, 1), [k] * 2)
        for n, k in ((40, 1), (64, 4))
    ],
    *[
        (lambda n=n, g=g: unshared(n, g), [k])
        for n, g, k in ((1, False, 1), (99, False, 16), (5, True, 5), (99, True, 8))
    ],
    *[(lambda n=n, w=w: crops(n, w), [k]) for n, w, k in ((3, 64, 1), (4, 64, 2), (1, 1 << 15, 16))],
    (lambda: pads(254, 254, 8), [4]),
    (lambda: pads(1, 1, 1 << 17), [3]),
    (lambda: convolve(3 * WORTH, 64, WIDTH), [1]),  # fewer than four pieces: by panels, of which there is one
    (lambda: convolve(4 * WORTH, 64, WIDTH), [1, 4]),  # packed first
    (lambda: convolve(16 * ROWS, DEEP, 64 * WIDTH), [64, 4]),  # the least number of outputs
    (lambda: convolve(10, 1 << 15, 3 * WIDTH), [3]),
    *[(lambda n=n: filters(n, 3 * WIDTH), k) for n, k in ((255, [3]), (512, [6, 1]), (1024, [4, 1]), (9999, [8, 1]))],
    (lambda: filters(512, WIDTH, 4 * L // WIDTH), [2, 4]),  # then the two are added
    (lambda: spread(1, (1000,), 1), [1, 8, 8]),  # filters are packed first
    (lambda: spread(7, (1000,), 1), [1, 56, 56]),
    (lambda: spread(8, (1000,), 1), [1, 8]),  # a picture for each
    (lambda: spread(1, (32,), 3), [1, 5, 5]),
    (lambda: spread(1, (21,), 3, stride=2), [1, 3, 2]),
    (lambda: spread(1, (1, 12), (1, 2), dilation=2), [1, 2, 1]),
]


@pytest.mark.parametrize("number", range(len(CASES)))
def test_work_is_cut_as_finely_as_it_is_worth(number, cuts):
    call, expected = CASES[number]
    call()
    assert cuts == expected


def test_rows_of_unshared_filters_are_taken_by_the_megabyte():
    def blocks(channels, stride=1):
        x = np.broadcast_to(np.float32(0), (1, 66, 66, channels))
        found = list(locally_connected._blocks(2, 60, x, on(x, 3, stride=(stride, 1))))
        assert all(part.output == (rows.stop - rows.start, 64) for rows, _, part in found)
        return [(rows.start, rows.stop, here.start, here.stop) for rows, here, _ in found]

    assert blocks(16) == [(2, 30, 2, 32), (30, 58, 30, 60), (58, 60, 58, 62)]  # 28 rows · 64 · 9 · 16 · 4 bytes
    assert blocks(1000, stride=2)[:2] == [(2, 3, 4, 7), (3, 4, 6, 9)]


@pytest.mark.parametrize(
    ("side", "options", "whole", "parts"),
    [
        (1024, {"padding": 1}, False, 9),  # the border is copied, and the inside is not
        (1023, {"padding": 1}, False, 1),
        (1024, {"padding": 0}, False, 1),
        (1024, {"padding": 1}, True, 1),
        (1024, {"padding": ((1, 0), (0, 0))}, False, 2),
    ],
)
def test_of_a_large_picture_only_the_border_is_copied(side, options, whole, parts):
    window = slide("kernel", (1024, side), 3, **options)
    reading = places.of_outputs(window, (1, 1024, side, 1), (1, *window.output, 1), 1, whole)
    assert len(reading.parts) == parts and (reading.reach is not None) == (parts > 1)
    assert sum(part.count for part in reading.parts) == np.prod(window.output)


def test_of_a_large_signal_all_that_borders_read_is_copied_and_no_more():
    """With a stride the pixels of either remainder read differently far."""
    n = 1 << 20
    window = slide("kernel", (2 * n,), 5, stride=2, padding=2)
    reading = places.of_inputs(window, (1, n, 1), (1, 2 * n, 1), 1)
    ((low, high),) = reading.reach
    read = []
    for part in reading.parts:
        if not part.inside:
            begins = np.add.outer(*part.starts).reshape(-1, 1, 1)
            found = begins + part.runs[:, None] + np.arange(part.depth) - reading.before[0]
            read += found[(found >= 0) & (found < n)].tolist()
    assert low == max(place for place in read if place < n // 2) + 1
    assert high == n - min(place for place in read if place >= n // 2)


@pytest.mark.parametrize(
    ("size", "dilation", "groups", "depth", "runs"),
    [
        ((3, 3), 1, 1, 12, 3),
        ((3, 3), (2, 1), 1, 12, 3),
        ((3, 3), (1, 2), 1, 4, 9),
        ((3, 3), 1, 2, 2, 9),
        ((3, 1), 1, 1, 4, 3),
    ],
)
def test_taps_side_by_side_are_read_in_one_run(size, dilation, groups, depth, runs):
    window = slide("kernel", (8, 8), size, dilation=dilation)
    (where,) = places.of_outputs(window, (1, 8, 8, 4), (1, *window.output, 4), groups).parts
    assert (where.depth, len(where.runs)) == (depth, runs)


@pytest.fixture
def tiles(cuts, monkeypatch):
    """Call it with a height and a way through tiles of 16 channels: the cuts on the way, with caches of a size."""

    def go(height, way, *, cache=1 << 20, shared=1 << 24, frozen=False):
        cuts.clear()
        monkeypatch.setattr(winograd, "CACHE", cache)
        monkeypatch.setattr(winograd, "SHARED", shared)
        x, w = zeros(1, height, 64, 16), zeros(3, 3, 16, 16)
        w.flags.writeable = not frozen
        calls = {"forward": (x, w, None, (1, 1), (height, 64)), "gradient_to_input": (x, w, (1, 1), (height, 64))}
        getattr(winograd, way)(*calls.get(way, (x, x, (1, 1))))
        return list(cuts)

    return go


def test_tiles_are_cut_as_finely_as_it_is_worth(tiles):
    assert tiles(64, "forward") == [8]  # 256 tiles: an eighth for each
    assert tiles(64, "gradient_to_input") == [9, 8]  # filters are turned before
    assert tiles(640, "forward", cache=36 * 4 * (16 + WIDTH) * 96)[-1] == 16  # 2560 tiles, 96 of them at a time
    # Where filters do not fit, too, all share a block: it is formed, multiplied by panels of filters, and written.
    assert tiles(64, "forward", cache=0) == [16, 6, 16]
    assert tiles(64, "gradient_to_input", cache=0) == [9, 16, 6, 16]
    assert tiles(64, "forward", cache=0, frozen=True) == [16, 36, 16]  # with filters that are remembered
    assert tiles(68, "forward", cache=0, frozen=True) == [16, 6, 16]  # not for as many tiles
    of_96 = 36 * 4 * (16 + WIDTH) * 96
    assert tiles(64, "forward", cache=0, shared=of_96) == [16, 6, 16] * 3
    assert tiles(64, "gradient_to_filters") == [16, 16, 36]
    assert tiles(64, "gradient_to_filters", shared=36 * 4 * (16 + 16) * 48) == [16, 16, 36] * 3


def test_blocks_of_tiles_are_equal_and_whole_rows_of_the_micro_kernel():
    assert winograd._even(8 * ROWS, 4 * ROWS) == 4 * ROWS
    assert winograd._even(8 * ROWS + 1, 4 * ROWS) == 3 * ROWS  # three blocks
    assert winograd._even(8 * ROWS, 1) == 2 * ROWS  # the least
    assert winograd._even(5, 1000) == ROWS
    assert winograd._pieces(5, 15, 4) == [(5, 9), (9, 13), (13, 15)]
    assert [len(winograd._pieces(0, count, 1)) for count in (15, 17, 99)] == [15, 16, 16]
    assert len(winograd._pieces(0, 36, 1, most=36)) == 36


def test_a_block_of_outputs_leaves_room_in_the_second_cache():
    """Its inputs take half of that, in whole groups of rows, but it has four of these at least."""
    half = conv.BLOCK_BYTES
    assert conv.outputs_a_block(1, 10) == conv.BLOCK
    assert conv.outputs_a_block(half * 100, 100) == 4 * ROWS
    assert conv.outputs_a_block(10 * half, 10 * (10 * ROWS + 1)) == 10 * ROWS

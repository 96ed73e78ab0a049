"""A program against its definition: the same steps in NumPy, and by hand."""

import dataclasses
import itertools
import threading

import numpy as np
import pytest

from minicnn import nn
from minicnn.fast.cpu import program, threads, winograd
from minicnn.fast.cpu.micro_kernel import FEW, ROWS
from minicnn.fast.cpu.program import CONVOLVE, INTO_TILES, LARGEST, LENGTH, MEAN, OUT_OF_TILES, drafts, layout
from minicnn.fast.cpu.program import compiled as on_numba
from minicnn.fast.cpu.program import definition as on_numpy
from minicnn.fast.cpu.program.drafts import Draft, Drafting
from minicnn.kernels.geometry import slide
from minicnn.models import blocks

BELL = np.zeros(1, np.int64)
SIDE, CHANNELS, OUTPUTS = 7, 5, 37  # more outputs than a panel has columns, and not a multiple of them


def arena_and_numbers(module, dtype, seed=0):
    """An arena with a picture of 7 × 7 × 5 at its begin, and a 3 × 3 filter bank with biases in the numbers."""
    random = np.random.default_rng(seed)
    arena = random.standard_normal(20_000).astype(dtype)
    filters = random.standard_normal((3, 3, CHANNELS, OUTPUTS)).astype(dtype)
    panels = program.pack(filters, module.width(dtype))
    bias = np.zeros(len(panels) * panels.shape[2], dtype)
    bias[:OUTPUTS] = random.standard_normal(OUTPUTS)
    return arena, np.concatenate([panels.reshape(-1), bias]), filters, panels.size


def step(kind, *, bias=0, rows=1, parts=1, added=-1, relu=0, outputs=OUTPUTS, target=1000, source=0, after=0):
    """3 × 3 windows that move by two down and by one across; outputs lie with a gap between their lines."""
    line, height, width = SIDE * CHANNELS, 3, 5
    fields = {"kind": kind, "rows": rows, "parts": parts, "images": 1, "height": height, "width": width}
    fields |= {"source": source, "source_image": SIDE * line, "source_line": 2 * line, "source_column": CHANNELS}
    fields |= {"target": target, "target_image": 0, "target_line": width * outputs + 11, "target_column": outputs}
    fields |= {"added": added, "added_image": 0, "added_line": 2, "added_column": outputs}
    fields |= {"down": 3, "down_step": line, "across": 3, "across_step": CHANNELS, "depth": CHANNELS}
    fields |= {"outputs": outputs, "panels": 0, "bias": bias, "relu": relu, "plane": 0, "after": after}
    return np.array([tuple(fields[name] for name in program.FIELDS)], program.STEP)


def chained(bias):
    """Steps that read what those before them wrote, some of which may run at the same time."""
    return np.concatenate(
        [
            step(CONVOLVE, bias=bias, rows=2, parts=2, relu=1),
            step(LARGEST, source=1000, target=3000, outputs=CHANNELS, rows=3, after=1),
            step(CONVOLVE, bias=bias, source=1100, target=5000, added=700, relu=1, rows=3, after=1),
            step(MEAN, source=5000, target=8000, outputs=CHANNELS, rows=15, after=3),
            step(LENGTH, source=5000, target=9000, outputs=CHANNELS, after=3),
            step(CONVOLVE, bias=bias, source=8000, target=11_000, added=3000, parts=3, after=4),
        ]
    )


def tiled(bias, *, gap=0, relu=1, added=-1):
    """A picture of 10 × 7 pixels of 16 channels into 2 × 2 tiles and, with nothing in between, out of them again.

    gap: numbers between the pixels.
    """
    pixel, depth, plane = 16 + gap, 16, 4 * 16
    fields = dict.fromkeys(program.FIELDS, 0) | {"images": 1, "height": 2, "width": 2, "added": -1, "parts": 1}
    pixels = {"": 0, "_image": 0, "_line": 4 * 10 * pixel, "_column": 4 * pixel}
    tiles = {"": 4000, "_image": 0, "_line": 2 * depth, "_column": depth}
    fields |= {"depth": depth, "outputs": depth, "plane": plane, "bias": bias, "relu": relu}
    fields |= {"down": 6, "down_step": 10 * pixel, "across": 7, "across_step": pixel}
    into = fields | {"kind": INTO_TILES, "rows": 3}
    into |= {f"source{part}": n for part, n in pixels.items()} | {f"target{part}": n for part, n in tiles.items()}
    out = fields | {"kind": OUT_OF_TILES, "rows": 2, "after": 1}
    out |= {f"source{part}": n for part, n in tiles.items()}
    out |= {f"target{part}": n + 10_000 * (not part) for part, n in pixels.items()}
    out |= {"added": added, "added_line": 4 * 8 * 16, "added_column": 4 * 16}  # of 8 pixels to a line
    return np.array([tuple(step[name] for name in program.FIELDS) for step in (into, out)], program.STEP)


def run_both(steps_of, dtype):
    found = []
    for module in (on_numpy, on_numba):
        arena, numbers, _, bias = arena_and_numbers(module, dtype)
        module.run(steps_of(bias), numbers, arena)
        found.append(arena)
    return found


@pytest.mark.parametrize(
    "dtype", [np.float32, pytest.param(np.float64, marks=pytest.mark.thorough)], ids=["float32", "float64"]
)
def test_compiled_steps_do_what_the_definition_says(dtype):
    expected, found = run_both(chained, dtype)
    np.testing.assert_allclose(found, expected, rtol=0, atol=abs(expected).max() * 30 * np.finfo(dtype).eps)


def test_what_is_added_may_lie_at_the_beginning():
    expected, found = run_both(lambda bias: step(CONVOLVE, bias=bias, added=0), np.float32)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)
    without, _ = run_both(lambda bias: step(CONVOLVE, bias=bias), np.float32)
    np.testing.assert_allclose((expected - without)[1000 : 1000 + OUTPUTS], without[:OUTPUTS], rtol=0, atol=1e-4)


@pytest.mark.parametrize("module", [on_numpy, on_numba])
@pytest.mark.parametrize(("rows", "parts"), [(1, 1), (2, 1), (1, 3), (2, 2)])
@pytest.mark.parametrize("tiles", [1, ROWS, 50])
def test_images_may_have_panels_of_their_own(module, rows, parts, tiles):
    """Three images of so many pixels, side by side, each times a matrix."""
    random = np.random.default_rng(0)
    x, w = (random.standard_normal(shape).astype(np.float32) for shape in ((3, tiles, 16), (3, 16, OUTPUTS)))
    panels = [program.pack(matrix, module.width(np.float32)).reshape(-1) for matrix in w]
    fields = dict.fromkeys(program.FIELDS, 0) | {"kind": CONVOLVE, "images": 3, "height": 1, "width": tiles}
    fields |= {"rows": rows, "parts": parts, "added": -1, "down": 1, "across": 1, "depth": 16, "outputs": OUTPUTS}
    fields |= {"source_image": tiles * 16, "source_column": 16, "target": 5000, "target_image": tiles * OUTPUTS}
    fields |= {"target_column": OUTPUTS, "bias": 3 * panels[0].size, "plane": panels[0].size}
    steps = np.array([tuple(fields[name] for name in program.FIELDS)], program.STEP)
    arena = np.concatenate([x.reshape(-1), np.zeros(20_000, np.float32)])
    module.run(steps, np.concatenate([*panels, np.zeros(64, np.float32)]), arena)
    found = arena[5000 : 5000 + 3 * tiles * OUTPUTS].reshape(3, tiles, OUTPUTS)
    np.testing.assert_allclose(found, x @ w, atol=1e-4)
    assert not arena[5000 + found.size :].any()


@pytest.mark.parametrize("gap", [0, 8])
@pytest.mark.parametrize(("relu", "added"), [(0, -1), (1, -1), (1, 7000), (0, 7000), (0, 0)])
def test_tiles_are_formed_as_the_definition_says(gap, relu, added):
    expected, found = run_both(lambda bias: tiled(bias, gap=gap, relu=relu, added=added), np.float32)
    np.testing.assert_allclose(found, expected, rtol=0, atol=abs(expected).max() * 30 * np.finfo(np.float32).eps)
    written = (expected != arena_and_numbers(on_numpy, np.float32)[0])[10_000:]
    assert (written.sum() == 6 * 7 * 16) if not relu else (0 < written.sum() <= 6 * 7 * 16)  # no more than is shown


@pytest.mark.parametrize("count", [FEW, 2 * FEW, ROWS, FEW + 1, 2 * ROWS + 1])
@pytest.mark.parametrize("added", [-1, 0, 5000])
def test_tiles_of_fewer_rows_hang_over_by_less(count, added):
    """Whatever the number of outputs is, all of them are formed, and nothing else is written."""

    def line(bias):
        one = step(CONVOLVE, bias=bias, added=added, relu=1)
        one["height"], one["width"] = 1, count
        return one

    expected, found = run_both(line, np.float32)
    np.testing.assert_allclose(found, expected, rtol=0, atol=abs(expected).max() * 30 * np.finfo(np.float32).eps)


def test_a_step_waits_for_those_that_it_needs_and_for_no_others():
    arena, numbers, _, bias = arena_and_numbers(on_numba, np.float32)
    steps = chained(bias)
    steps["after"] = [0, 0, 2, 0, 0, 0]
    begun, done = np.zeros((2, len(steps)), np.int64)
    begun[1], done[1] = 3, 2  # somebody is at work on a piece of the second
    assert on_numba._run_from(0, 0, threads.constant(steps), threads.constant(numbers), arena, begun, done, BELL) == 2
    assert done[0] == 4 and (done[2:] == 0).all()


def test_the_definition_is_a_convolution_by_hand():
    arena, numbers, filters, bias = arena_and_numbers(on_numpy, np.float64)
    picture, b = arena[: SIDE * SIDE * CHANNELS].reshape(SIDE, SIDE, CHANNELS).copy(), numbers[bias:][:OUTPUTS]
    past = arena.copy()
    on_numpy.run(step(CONVOLVE, bias=bias, added=700, relu=1), numbers, arena)
    for i, j in np.ndindex(3, 5):
        y = np.einsum("hwc,hwco->o", picture[2 * i : 2 * i + 3, j : j + 3], filters) + b
        y = np.maximum(y + past[700 + 2 * i + j * OUTPUTS :][:OUTPUTS], 0)
        at = 1000 + i * (5 * OUTPUTS + 11) + j * OUTPUTS
        np.testing.assert_allclose(arena[at : at + OUTPUTS], y, rtol=1e-12, atol=1e-12)


def test_nothing_else_is_written():
    expected, found = run_both(chained, np.float32)
    untouched = expected == arena_and_numbers(on_numpy, np.float32)[0]
    assert untouched.mean() > 0.5
    np.testing.assert_array_equal(found[untouched], expected[untouched])


@pytest.mark.parametrize("kind", [LARGEST, MEAN, LENGTH])
def test_a_nan_is_shown(kind):
    for module in (on_numpy, on_numba):
        arena, numbers, *_ = arena_and_numbers(module, np.float32)
        arena[2 * CHANNELS + 1] = np.nan  # in the first line, in the windows of the first three outputs
        module.run(step(kind, outputs=CHANNELS), numbers, arena)
        shown = np.isnan(arena[1000 : 1000 + 5 * CHANNELS].reshape(5, CHANNELS))
        assert shown[:3, 1].all() and shown.sum() == 3


def test_results_do_not_depend_on_the_number_of_threads(thread_count):
    found = []
    for count in (1, 2, 4):
        thread_count(count)
        found.append(run_both(chained, np.float32)[1])
    assert (found[0] == found[1]).all() and (found[0] == found[2]).all()


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_thread_alone_takes_the_shares_of_all(number):
    arena, numbers, _, bias = arena_and_numbers(on_numba, np.float32)
    expected = arena.copy()
    on_numba.run(chained(bias), numbers, expected)
    steps = threads.constant(chained(bias))
    begun, done = np.zeros(3 * len(steps), np.int64), np.zeros(len(steps), np.int64)
    assert on_numba._run_from(0, number, steps, threads.constant(numbers), arena, begun, done, BELL) == len(steps) + 1
    assert (arena == expected).all() and (done == steps["rows"] * steps["parts"]).all()


def test_whoever_waits_long_leaves_and_comes_back():
    """A piece that somebody has taken and not done: the others are patient, and go on when it is."""
    arena, numbers, _, bias = arena_and_numbers(on_numba, np.float32)
    steps = chained(bias)
    begun, done = np.zeros((2, len(steps)), np.int64)
    begun[0] = 1  # somebody has the first of its four pieces
    fixed = threads.constant(steps), threads.constant(numbers)
    assert on_numba._run_from(0, 0, *fixed, arena, begun, done, BELL) == 1
    assert done[0] == 3
    waiting = threading.Thread(target=on_numba._join, args=(0, *fixed, arena, begun, done))
    waiting.start()
    waiting.join(0.05)
    assert waiting.is_alive()
    done[0] += 1
    waiting.join(10)
    assert not waiting.is_alive()
    assert (done == steps["rows"] * steps["parts"]).all()


def test_nobody_returns_before_the_last_pieces_are_done():
    """Somebody has taken a piece of the last step."""
    arena, numbers, _, bias = arena_and_numbers(on_numba, np.float32)
    steps = chained(bias)
    begun, done = np.zeros((1, len(steps)), np.int64), np.zeros(len(steps), np.int64)
    begun[0, -1] = 1
    fixed = threads.constant(steps), threads.constant(numbers), arena, begun.reshape(-1), done, BELL
    assert on_numba._run_from(0, 0, *fixed) == len(steps)
    done[-1] += 1
    assert on_numba._run_from(len(steps), 0, *fixed) == len(steps) + 1


def test_a_thread_goes_on_where_it_was_until_others_are_done_with_the_last_step(monkeypatch):
    reached, asked = iter([2, 6, 6, 7]), []
    monkeypatch.setattr(on_numba, "_run_from", lambda *given: asked.append(given[:2]) or next(reached))
    on_numba._join(3, chained(0), None, None, None, None)
    assert asked == [(0, 3), (2, 3), (6, 3), (6, 3)]


def test_what_another_thread_raises_ends_the_wait():
    arena, numbers, _, bias = arena_and_numbers(on_numba, np.float32)
    steps = chained(bias)
    begun, done = np.zeros((1, len(steps)), np.int64), np.zeros(len(steps), np.int64)
    begun[0, 0] = 1  # by the one that fails

    job = threads.constant(steps), threads.constant(numbers), arena, begun.reshape(-1), done
    with pytest.raises(MemoryError, match="other thread"):
        on_numba._join(0, *job, [MemoryError("of the other thread")])


def test_filters_are_packed_in_panels_that_hang_over():
    panels = program.pack(np.arange(2 * 3 * 5.0).reshape(2, 3, 5), 4)
    assert panels.shape == (2, 6, 4)
    np.testing.assert_array_equal(panels[0], np.arange(30).reshape(6, 5)[:, :4])
    np.testing.assert_array_equal(panels[1], np.pad(np.arange(30).reshape(6, 5)[:, 4:], [(0, 0), (0, 3)]))


# Where the arrays of a program lie, and how its steps are cut

KINDS = blocks.Kinds(
    blocks.Chain, blocks.Branches, blocks.Residual, blocks.Halving, blocks.ZeroPad2d, blocks.GlobalAverage, None
)


def drafted(shape, *layers):
    drafting = Drafting(shape, KINDS)
    assert drafting.through(layers) == len(layers)
    return drafting


def chain_of(*channels):
    return drafted((1, 8, 8, channels[0]), *(nn.Conv2d(a, b, 1, seed=0) for a, b in itertools.pairwise(channels)))


def test_a_border_holds_one_value_for_all_that_read_it():
    room, inside, around = drafts.Room((1, 4, 4, 2)), slide("pool", (4, 4), 1), slide("conv", (4, 4), 3, padding=1)
    room.read(inside, 5.0)
    assert (room.border, room.beyond) == (0, None)
    room.read(around, 0.0)
    room.read(around, 0.0, 2)
    assert (room.border, room.beyond) == (3, 0.0)
    room.read(around, 0.0)  # which needs less
    room.read(inside, 5.0)  # which reads nothing there
    with pytest.raises(drafts.Unfit):
        room.read(around, 5.0)
    assert (room.border, room.beyond) == (3, 0.0)


@pytest.mark.parametrize(("activation", "side", "done"), [("relu", 13, 2), ("relu", 12, 2), (None, 13, 1)])
def test_a_block_that_halves_its_pictures_becomes_steps_where_nothing_is_negative(activation, side, done):
    """The shortcut is copied, and does not pass through the ReLU. What the convolutions leave out has steps, too."""
    change = blocks.Chain(
        nn.Conv2d(4, 6, 3, stride=2, activation="relu", name="change1"), nn.Conv2d(6, 6, 3, padding=1, name="change2")
    )
    first = nn.Conv2d(3, 4, 3, activation=activation, name="first")
    drafting = Drafting((1, side, side, 3), KINDS)
    halving = blocks.Halving(nn.AvgPool2d(2, stride=2, name="average"), change, name="halving")
    assert drafting.through([first, halving]) == done
    kinds = [draft.kind for draft in drafting.drafts]
    assert (MEAN in kinds) == (activation == "relu") and kinds.count(LARGEST) == (2 if side == 12 else 0)
    assert drafting.end.room.shape == ((1, 5, 5, 6) if done == 2 else (1, 11, 11, 4))


class Own(nn.Conv2d):
    """A layer of a user's own, which may compute anything."""


def plain(outputs=4, kernel=1, **options):
    return nn.Conv2d(4, outputs, kernel, seed=0, **options)


def residual(*layers):
    return blocks.Residual(blocks.Chain(*layers))


@pytest.mark.parametrize(
    "layers",
    [
        pytest.param([Own(4, 4, 1)], id="own"),
        pytest.param([nn.Conv2d(4, 4, 1, groups=2)], id="groups"),
        pytest.param([plain(), nn.BatchNorm(4)], id="norm that learns"),
        pytest.param([plain(activation="relu"), nn.BatchNorm(4).eval()], id="norm behind ReLU"),
        pytest.param([nn.Dropout(0.5)], id="dropout that learns"),
        pytest.param([nn.AvgPool2d(3, padding=1)], id="mean with padding"),
        pytest.param([nn.AvgPool2d(3, padding=(1, 0))], id="mean with padding along one dimension"),
        pytest.param([nn.AvgPool2d(2, padding="same")], id="mean with padding at one end"),
        pytest.param([nn.Linear(4, 2)], id="linear of pictures"),
        pytest.param([nn.Flatten()], id="several places"),
        pytest.param([blocks.Chain(blocks.GlobalAverage(), plain())], id="pictures of vectors"),
        pytest.param([blocks.Chain(blocks.GlobalAverage(), blocks.GlobalAverage())], id="twice"),
        pytest.param([blocks.Branches(plain(), blocks.GlobalAverage())], id="branch of vectors"),
        pytest.param([blocks.Branches(plain(), nn.Dropout(0.5).eval())], id="branch that does nothing"),
        pytest.param([blocks.Branches(plain(), plain(kernel=3))], id="branches of other sizes"),
        pytest.param([residual(plain(), nn.MaxPool2d(3, stride=1, padding=1))], id="residual that ends in a pool"),
        pytest.param([residual(blocks.GlobalAverage(), plain())], id="residual of vectors"),
        pytest.param([residual(plain(kernel=3))], id="residual that is smaller"),
        pytest.param([residual(plain(outputs=5))], id="residual of more channels"),
        pytest.param([residual(plain(activation="relu"))], id="residual behind ReLU"),
    ],
)
def test_what_no_step_computes_ends_a_program(layers):
    first = nn.Conv2d(3, 4, 3, seed=0)
    drafting = Drafting((1, 9, 9, 3), KINDS)
    assert drafting.through([first, *layers]) == 1
    assert [draft.kind for draft in drafting.drafts] == [CONVOLVE] and drafting.end.room.shape == (1, 7, 7, 4)


@pytest.mark.parametrize(("side", "border"), [(8, 1), (9, 4), (10, 3), (11, 2)])
def test_a_border_is_as_wide_as_tiles_hang_over(monkeypatch, side, border):
    monkeypatch.setattr(winograd, "TRANSFORM", 0)
    monkeypatch.setattr(winograd, "FETCH", 0)
    drafting = drafted((1, 8, side, 16), nn.Conv2d(16, 16, 3, padding=1, seed=0))
    assert [draft.kind for draft in drafting.drafts] == [INTO_TILES, CONVOLVE, OUT_OF_TILES]
    assert (drafting.start.room.border, drafting.start.room.beyond) == (border, 0.0)


@pytest.mark.parametrize("norm", [None, nn.BatchNorm(3).eval()])
def test_filters_without_a_bias_have_one_of_zeros(norm):
    layer = nn.Conv2d(2, 3, 1, bias=False, seed=0)
    w, b = drafts._filters(layer, norm, 1.0)
    assert b.tolist() == [0, 0, 0] and b.dtype == w.dtype
    half, none = drafts._filters(layer, norm, 0.5)
    assert np.array_equal(half, w / 2) and half.dtype == w.dtype and none.tolist() == [0, 0, 0]


def test_an_array_takes_the_place_of_the_smallest_that_is_done_and_large_enough():
    drafts = chain_of(16, 64, 128, 16, 4, 128, 256).drafts
    size, rooms = layout.lay_out(drafts, drafts[-1].target.room)
    of_16, of_64, of_128, of_256 = 64 * 16, 64 * 64, 64 * 128, 64 * 256
    places = [0, of_16, of_16 + of_64, 0, of_16, of_16 + of_64, of_16 + of_64 + of_128]
    assert [room.first for room in rooms] == places
    assert size == of_16 + of_64 + of_128 + of_256


def test_the_result_outlives_the_last_step():
    drafting = chain_of(16, 16, 16)
    branch = Draft(program.LARGEST, slide("pool", (8, 8), 1), drafting.start, dataclasses.replace(drafting.start))
    end = drafting.drafts[0].target.room
    layout.lay_out([*drafting.drafts, branch], end)
    assert end.last == 3


def test_an_array_with_a_border_or_with_zeros_gives_its_place_to_none_but_its_like():
    three = [nn.Conv2d(16, 16, 3, padding="same", seed=0) for _ in range(4)]
    for border, layers in ((1, three), (0, [blocks.ZeroPad2d(0, 0), nn.Conv2d(16, 16, 1, seed=0)])):
        drafts = drafted((1, 8, 8, 16), *layers).drafts
        _, rooms = layout.lay_out(drafts, drafts[-1].target.room)
        assert {room.border for room in rooms[:2]} == {border}
        if border:
            assert rooms[2].first == rooms[0].first and rooms[-1].border == 0
            assert rooms[-1].first not in (rooms[0].first, rooms[1].first)
        else:
            assert rooms[1].partial and len({room.first for room in rooms}) == 2


def test_a_step_waits_for_what_it_reads_and_for_whoever_used_its_memory():
    drafts = chain_of(16, 16, 16, 16).drafts
    layout.lay_out(drafts, drafts[-1].target.room)
    assert layout.after(drafts) == [0, 1, 2]
    drafts[-1].source = drafts[0].source  # which reads nothing that is computed
    drafts[-1].target.room.after = 1
    assert layout.after(drafts) == [0, 1, 1]
    drafts[-1].added = drafts[1].target
    assert layout.after(drafts) == [0, 1, 2]


@pytest.mark.parametrize(
    ("shape", "layer", "pieces"),
    [
        ((1, 64, 64, 16), nn.Conv2d(16, 16, 1, seed=0), (4, 1)),  # 2²⁰ multiplications
        ((1, 8, 8, 16), nn.Conv2d(16, 16, 1, seed=0), (1, 1)),
        ((1, 256, 256, 16), nn.Conv2d(16, 16, 1, seed=0), (16, 1)),  # 2²⁴
        ((1, 1, 1, 1024), nn.Conv2d(1024, 1024, 1, seed=0), (1, 4)),  # mostly filters
        ((1, 16, 16, 256), nn.Conv2d(256, 256, 1, seed=0), (16, 1)),  # as many of both
        ((2, 64, 64, 16), nn.MaxPool2d(2), (4, 1)),  # 2 · 32² outputs · 4 taps · 16 channels · 8
    ],
)
def test_a_step_is_cut_where_it_pays(shape, layer, pieces):
    drafts = drafted(shape, layer).drafts
    layout.lay_out(drafts, drafts[-1].target.room)
    fields = dict(zip(program.FIELDS, layout.step(drafts[-1], 0, 0, 0, 0), strict=True))
    assert (fields["rows"], fields["parts"]) == pieces

"""What a run will take, counted, against what networks and processes then do."""

import dataclasses
import gc
import json
import mmap
from types import SimpleNamespace

import numpy as np
import pytest

import minicnn
from minicnn import backend, machine, models, nn
from minicnn.errors import InputError
from minicnn.models.blocks import Branches, Chain
from minicnn.models.card import ModelCard, StyleRecipe
from minicnn.models.network import Network
from minicnn.style import counts
from minicnn.style import estimate as estimates
from minicnn.style.counts import Work, _walk, products, run_bytes, step_bytes, works
from minicnn.style.estimate import Estimate, estimate, refuse
from minicnn.style.tiles import Tile

GB = 10**9


@pytest.fixture(scope="module")
def network():
    model = models.tiny_vgg(None)
    return model.adapt(model.card.recipe)


@pytest.mark.parametrize("size", [(64, 48), (37, 50)])
@pytest.mark.parametrize("name", ["tiny_vgg", "squeezenet"])
def test_the_shapes_counted_are_those_of_the_network(name, size):
    model = getattr(models, name)(None)
    taps = model.adapt(model.card.recipe).card.style_layers
    counted = {n: work for work in works(model, taps, size) for n in work.names}
    seen = model.features(np.zeros((1, *size, 3), np.float32), taps)
    for tap in taps:
        assert (counted[tap].result, counted[tap].channels) == (seen[tap].data.nbytes, seen[tap].shape[-1])
    above = [n for n in model.layer_names if n not in counted]
    assert above and not set(above) & set(taps)  # nothing above the highest is counted


def test_the_shapes_of_pools_are_counted_too():
    model, taps = models.tiny_vgg(None), ["block1_pool", "block3_pool"]
    counted = {n: work for work in works(model, taps, (64, 48)) for n in work.names}
    for tap, seen in model.features(np.zeros((1, 64, 48, 3), np.float32), taps).items():
        assert (counted[tap].result, counted[tap].channels) == (seen.data.nbytes, seen.shape[-1])
        assert counted[tap].kept == seen.size  # which element won, in a byte


def test_a_layer_without_a_window_keeps_what_it_is_given():
    layers = [nn.ReLU(name="relu"), nn.AvgPool2d(2, name="pool"), nn.BatchNorm(3)]
    found = [(work.names, work.source, work.result, work.channels, work.kept, shape)
             for work, shape in _walk(layers, (4, 6, 3), set())]  # fmt: skip
    size = 4 * 4 * 6 * 3
    assert found[0] == (("relu",), size, size, 3, size, (4, 6, 3))
    assert found[1][:4] == (("pool",), size, size // 4, 3) and found[1][-1] == (2, 3, 3)
    assert found[2] == (("",), size // 4, size // 4, 3, size // 4, (2, 3, 3))


def test_the_last_layer_of_a_chain_bears_its_name_too():
    chain = Chain(nn.ReLU(name="relu"), nn.AvgPool2d(2, name="pool"), nn.BatchNorm(3, name="norm"), name="chain")
    found = [(work.names, shape) for work, shape in _walk([chain], (4, 6, 3), set())]
    assert found == [(("relu",), (4, 6, 3)), (("pool",), (2, 3, 3)), (("norm", "chain"), (2, 3, 3))]


def test_products_of_a_convolution_by_hand():
    model = models.tiny_vgg(None)
    recipe = StyleRecipe("", content_layers={"block1_conv2": 1.0}, style_layers={"block1_conv1": 1.0})
    first, second = works(model, ["block1_conv1", "block1_conv2"], (10, 12))
    assert (first.products, second.products) == (120 * 27 * 32, 120 * 9 * 32 * 32)
    assert products(model, recipe, (10, 12)) == 2 * (first.products + second.products) + 2 * 120 * 32 * 32
    assert first.kept == 120 * 32 // 8  # a bit of ReLU an element


CHAIN = Chain(nn.Conv2d(10, 2, 1, activation="relu", name="d"), name="chain")
LAYERS = [
    nn.Conv2d(3, 5, 3, padding="same", activation="relu", name="a"),
    nn.AvgPool2d(2, name="half"),  # which the convolution does
    nn.Conv2d(5, 10, 1, groups=5, name="b"),
    nn.MaxPool2d(2, name="most"),
    Branches(CHAIN, nn.Conv2d(10, 3, 3, padding="same", name="e"), name="split"),
    nn.ReLU(name="relu"),
    nn.Conv2d(5, 2, 1, name="above"),
]
SMALL = Network(ModelCard(name="small", input_size=(12, 10), preprocessing="none"), LAYERS[:-1], LAYERS[-1:])


@pytest.mark.parametrize(
    ("fused", "first", "second", "split"),
    [
        (None, (12960 + 2400, 12960 + 4800), (600, 600 + 1200), (120 + 2160, 360 + 2160 + 72)),  # patches, and passes
        (False, (2400, 4800), (0, 1200), (120, 360 + 72)),
        (True, (0, 0), (0, 0), (120, 360)),
    ],
)
def test_the_work_of_every_kind_of_layer_by_hand(fused, first, second, split, monkeypatch):
    def ask(name, *arguments, otherwise=None):
        if name == "conv_is_fused":
            return fused
        size, is_fused = arguments
        assert (name, is_fused, otherwise) == ("conv_filter_bytes", bool(fused), 0)
        return size + is_fused

    monkeypatch.setattr(counts, "backend", SimpleNamespace(ask=ask))
    scratch = [dict(zip(("forward", "backward"), each, strict=True)) for each in (first, second, split)]
    assert works(SMALL, ["relu"], (12, 10)) == [
        Work(("a", "half"), 1440, 600, 5, kept=120, filters=540 + bool(fused), products=120 * 27 * 5, **scratch[0]),
        Work(("b",), 600, 1200, 10, filters=40 + bool(fused), products=30 * 10, **scratch[1]),
        Work(("most",), 1200, 240, 10, kept=60),
        Work(
            ("split", "d", "chain", "e"), 240, 120, 5,
            kept=6, filters=80 + 1080 + 2 * bool(fused), products=6 * 20 + 6 * 9 * 30, **scratch[2],
        ),
        Work(("relu",), 120, 120, 5, kept=120),
    ]  # fmt: skip
    taken = works(SMALL, ["a"], (12, 10))  # what is looked at is not halved
    assert [(work.names, work.result, work.products) for work in taken] == [(("a",), 2400, 16200)]


def test_the_products_of_a_step_are_those_of_its_passes_and_gram_matrices():
    recipe = StyleRecipe("", content_layers={"b": 1.0}, style_layers={"a.linear": 1.0})
    convolutions, gram = 2 * (120 * 27 * 5 + 30 * 10), 2 * 120 * 5 * 5
    assert products(SMALL, recipe, (12, 10)) == convolutions + gram
    deeper = dataclasses.replace(recipe, style_layers={"split": 1.0})
    more = 2 * (6 * 20 + 6 * 9 * 30) + 2 * 6 * 5 * 5
    assert products(SMALL, deeper, (12, 10)) == convolutions + more
    halved = dataclasses.replace(recipe, scales=(1.0, 1.0), smallest_scale=5)
    smaller = 2 * (30 * 27 * 5 + 6 * 10) + 2 * 30 * 5 * 5
    assert products(SMALL, halved, (12, 10)) == convolutions + gram + smaller
    assert products(SMALL, dataclasses.replace(halved, smallest_scale=6), (12, 10)) == convolutions + gram


TWO_LAYERS = {
    "style": Work(("style",), source=1, result=10, channels=2, kept=100, filters=300),
    "content": Work(("content",), source=10, result=1000, channels=3, kept=10000, filters=300),
}
OF_TWO = StyleRecipe("", content_layers={"content.linear": 1.0}, style_layers={"style": 1.0}, optimizer="gd")


@pytest.mark.parametrize(
    ("layer", "change", "most"),
    [
        ("style", {}, 10100 + 2010 + 1000 + 1000),  # backward: all features, the content's twice, two cotangents
        ("style", {"forward": 10**6}, 1 + 10**6 + 10),
        ("content", {"forward": 10**6}, 100 + 10 + 10 + 10**6 + 1000),
        ("content", {"backward": 10**6}, 10100 + 1010 + 1000 + 10**6 + 10),
        ("style", {"backward": 10**6}, 100 + 10 + 10**6 + 1),
        ("style", {"result": 10**6}, 100 + 3 * 10**6),
        ("content", {"source": 10**6}, 10100 + 1010 + 1000 + 10**6),
    ],
)
def test_the_most_that_a_step_holds_by_hand(layer, change, most, monkeypatch):
    found = {**TWO_LAYERS, layer: dataclasses.replace(TWO_LAYERS[layer], **change)}
    monkeypatch.setattr(counts, "works", lambda model, layers, size: [*found.values()])
    assert step_bytes(None, OF_TWO, (64, 48)) == most


def test_a_step_holds_no_features_that_no_cost_compares(monkeypatch):
    plain = Work(("plain",), source=1, result=500, channels=1)
    monkeypatch.setattr(counts, "works", lambda model, layers, size: [plain, *TWO_LAYERS.values()])
    assert step_bytes(None, OF_TWO, (64, 48)) == 10100 + 2010 + 1000 + 1000


@pytest.mark.parametrize(("optimizer", "pictures"), [("gd", 11), ("adam", 12), ("lbfgs", 38)])
@pytest.mark.parametrize(("budget", "filters"), [(500, 500), (10**6, 600)])
def test_all_that_a_run_holds_by_hand(optimizer, pictures, budget, filters, monkeypatch):
    monkeypatch.setattr(counts, "works", lambda model, layers, size: [*TWO_LAYERS.values()])
    held = {"cache_budget": budget, "conv_scratch": 7}
    monkeypatch.setattr(counts, "backend", SimpleNamespace(ask=lambda name, otherwise: held[name]))
    recipe = dataclasses.replace(OF_TWO, optimizer=optimizer)
    grams, picture = 4 * 4 * 2**2, 4 * 64 * 48 * 3
    expected = step_bytes(None, recipe, (64, 48)) + 1000 + grams + filters + pictures * picture + 7
    assert run_bytes(None, recipe, (64, 48)) == expected
    assert run_bytes(None, recipe, (64, 48), [(5, 6, 3), (1, 2, 3)]) == expected + 4 * (90 + 6)
    assert counts.touched_bytes(None, recipe, (64, 48)) == step_bytes(None, recipe, (64, 48)) + 7


@pytest.mark.parametrize(("tile", "together", "at_once"), [(None, 4, None), (64, 4, None), (48, 2, 32), (15, 0, 32)])
def test_scales_larger_than_a_tile_take_turns_and_the_others_are_held(tile, together, at_once, monkeypatch):
    """A step takes 1000 bytes a row and one a column, and the largest tile has half of the rows and columns."""
    sizes = [(64, 48), (50, 30), (32, 24), (16, 12)]
    monkeypatch.setattr(counts, "works", lambda *_: [])
    monkeypatch.setattr(counts, "halves", lambda *_: sizes)
    monkeypatch.setattr(counts, "step_bytes", lambda model, recipe, size: 1000 * size[0] + size[1])

    def tiles_of(model, layers, size, side):
        assert side == tile < max(size)
        return [Tile((slice(i, size[0] // 2), slice(3 - i, size[1] // 2)), {}) for i in range(4)]

    monkeypatch.setattr(counts, "tiles_of", tiles_of)
    held = sum(1000 * height + width for height, width in sizes[len(sizes) - together :])
    most = held + (0 if at_once is None else 1000 * at_once + 24)
    others = run_bytes(None, OF_TWO, (64, 48)) - sum(1000 * height + width for height, width in sizes)
    assert run_bytes(None, OF_TWO, (64, 48), tile=tile) - others == most


def test_a_step_holds_at_least_what_is_compared(network):
    recipe = network.card.recipe
    for size in ((64, 64), (128, 128)):
        compared = [w for w in works(network, recipe.style_layers, size) if set(w.names) & set(recipe.style_layers)]
        assert step_bytes(network, recipe, size) > sum(work.result for work in compared)
    small, large = (step_bytes(network, recipe, (size, size)) for size in (256, 512))
    assert large == pytest.approx(4 * small, rel=0.02)


def test_what_else_a_run_holds_is_counted(network):
    recipe, size = dataclasses.replace(network.card.recipe, parametrization="pixels"), (128, 96)
    picture = 128 * 96 * 3 * 4
    plain = run_bytes(network, recipe, size)
    assert plain - run_bytes(network, dataclasses.replace(recipe, optimizer="gd"), size) == picture
    assert run_bytes(network, dataclasses.replace(recipe, optimizer="lbfgs"), size) > plain + 20 * picture
    assert run_bytes(network, recipe, size, [(16, 16, 3)]) == plain + 16 * 16 * 3 * 4
    scratch = backend.ask("conv_scratch")
    assert run_bytes(network, recipe, size, [(512, 512, 3)]) > 2 * plain - scratch  # a large style is the most


def test_garbage_waits_for_the_trial_steps_and_no_longer(network, monkeypatch):
    seen = []

    def seconds_at(*_):
        seen.append(gc.isenabled())
        raise KeyboardInterrupt

    monkeypatch.setattr(estimates, "_seconds_at", seconds_at)
    picture = np.zeros((64, 64, 3), np.float32)
    for collected in (True, False):
        (gc.enable if collected else gc.disable)()
        try:
            with pytest.raises(KeyboardInterrupt):
                estimate(network, network.card.recipe, picture, [(picture, 1.0)])
            assert gc.isenabled() == collected
        finally:
            gc.enable()
    assert seen == [False, False]


def test_seconds_follow_the_line_through_two_small_sizes(network, monkeypatch):
    recipe = dataclasses.replace(network.card.recipe, steps=100, levels=1)

    def seconds_at(model, recipe, content, style):
        return 0.1 + 1e-9 * products(model, recipe, content.shape[:2])

    monkeypatch.setattr(estimates, "_seconds_at", seconds_at)
    content, style = np.zeros((600, 300, 3), np.float32), np.zeros((64, 64, 3), np.float32)
    found = estimate(network, recipe, content, [(style, 1.0)])
    a_step = seconds_at(network, recipe, content, style)
    assert (found.size, found.steps) == (600, 100)
    assert found.seconds == pytest.approx(a_step * 101.5)
    halves = dataclasses.replace(recipe, levels=2)  # half of the steps cost a quarter
    quick = estimate(network, halves, content, [(style, 1.0)])
    assert quick.seconds == pytest.approx(5 / 8 * found.seconds, rel=0.02)
    small = estimate(network, recipe, content[:100, :100], [(style, 1.0)])
    assert small.seconds == pytest.approx(101.5 * seconds_at(network, recipe, content[:100, :100], style))


@pytest.mark.parametrize(
    ("long", "seconds", "tried"),
    [
        (2000, 0.02, [128, 256, 512]),
        (2000, 0.2, [128, 256]),
        (2000, 0.1, [128, 256]),
        (1025, 0.02, [128, 256, 512]),
        (1024, 0.02, [128, 256]),
        (500, 0.02, [128, 256]),
        (100, 0.02, [100, 100]),
    ],
)
def test_larger_sizes_are_tried_while_steps_are_short(network, monkeypatch, long, seconds, tried):
    sides = []

    def seconds_at(model, recipe, content, style):
        sides.append(len(content))
        return seconds

    monkeypatch.setattr(estimates, "_seconds_at", seconds_at)
    content, style = np.zeros((long, long // 2, 3), np.float32), np.zeros((64, 64, 3), np.float32)
    estimate(network, network.card.recipe, content, [(style, 1.0)])
    assert sides == tried


def test_a_step_that_takes_no_longer_at_the_larger_size_takes_as_long_a_pixel(network, monkeypatch):
    """As where the machine was busy at first."""
    monkeypatch.setattr(estimates, "_seconds_at", lambda *_: 0.2)
    content, recipe = np.zeros((512, 512, 3), np.float32), network.card.recipe
    seconds, size = estimates._seconds_of_a_step(network, recipe, content, (content, 1.0))
    ratio = products(network, recipe, (512, 512)) / products(network, recipe, (256, 256))
    assert size == (256, 256) and seconds == pytest.approx(0.2 * ratio) and ratio > 3.9


def test_the_quicker_of_two_steps_after_the_first_counts(network, monkeypatch):
    ticks = iter([0.0, 9.0, 10.0, 12.0, 20.0, 25.0])  # when each of three steps begins and ends
    monkeypatch.setattr(estimates, "time", SimpleNamespace(perf_counter=lambda: next(ticks)))
    picture = np.zeros((16, 16, 3), np.float32)
    assert estimates._seconds_at(network, network.card.recipe, picture, (picture, 1.0)) == 2


def test_a_style_is_measured_at_the_size_of_the_content(network, monkeypatch):
    given = []
    monkeypatch.setattr(estimates, "Run", lambda model, recipe, *pictures: given.append(pictures) or 1 / 0)
    content, style = np.zeros((96, 128, 3), np.float32), np.zeros((300, 512, 3), np.float32)
    with pytest.raises(ZeroDivisionError):
        estimates._seconds_at(network, network.card.recipe, content, (style, 2.0))
    [(first, [(small, weight)], start)] = given
    assert first is content is start and small.shape == (75, 128, 3) and weight == 2


@pytest.mark.parametrize("size", [(15, 300), (300, 15), (3, 3)])
def test_the_least_size_that_has_all_layers_is_said(network, size):
    with pytest.raises(InputError, match=f"^it is {size[1]}×{size[0]} pixels, .* tiny_vgg; expected .* at least 16$"):
        counts.check_size("it", np.zeros((*size, 3)), network, network.card.recipe)
    counts.check_size("it", np.zeros((16, 16, 3)), network, network.card.recipe)


def test_a_real_estimate(network):
    content, style = np.random.default_rng(0).random((2, 48, 64, 3), np.float32)
    recipe = dataclasses.replace(network.card.recipe, steps=10)
    found = estimate(network, recipe, content, [(style, 1.0)])
    assert found.seconds > 0 and found.fits and found.fitting == 64
    held = machine.resident_memory()
    if held is not None:
        assert 0.5 * held < found.memory < 3 * held
    assert str(found).startswith("64 px, 10 steps: about ")
    refuse(found)


def test_every_size_fits_where_the_system_does_not_tell_its_memory(network, monkeypatch):
    monkeypatch.setattr(estimates, "_seconds_of_a_step", lambda *_: (1.0, (64, 64)))
    monkeypatch.setattr(machine, "available_memory", lambda: None)
    picture = np.broadcast_to(np.float32(0.5), (6000, 6000, 3))
    found = estimate(network, network.card.recipe, picture, [(picture, 1.0)])
    assert (found.free, found.fitting, found.tile) == (None, 6000, None) and found.fits
    told = []
    for held in (None, 350 << 20):  # that of a process of a usual size, where the system does not tell that either
        monkeypatch.setattr(machine, "resident_memory", lambda held=held: held)
        told.append(estimate(network, network.card.recipe, picture, [(picture, 1.0)]).memory)
    assert told[0] == told[1]


@pytest.mark.parametrize("free", [2 * GB, 20 * GB])
def test_what_does_not_fit_is_refused_with_the_size_that_does(network, monkeypatch, free):
    monkeypatch.setattr(estimates, "_seconds_of_a_step", lambda *_: (1.0, (64, 64)))
    monkeypatch.setattr(estimates.images, "resize", lambda image, height, width: image[:height, :width])  # quick
    monkeypatch.setattr(machine, "available_memory", lambda: free)
    monkeypatch.setattr(machine, "resident_memory", lambda: 200 << 20)
    recipe, style = network.card.recipe, [(np.zeros((32, 32, 3), np.float32), 1.0)]

    def at(size):
        return estimate(network, recipe, np.broadcast_to(np.float32(0.5), (size, size // 2, 3)), style)

    too_large = at(8000)
    assert not too_large.fits and 500 < too_large.fitting < 8000
    with pytest.raises(InputError, match=rf"transfer: size 8000 takes about .* GB .*: --size {too_large.fitting} fits"):
        refuse(too_large)
    assert at(too_large.fitting - 2).fits and not at(too_large.fitting + 10).fits


def test_tiles_fit_where_the_whole_does_not(network, monkeypatch):
    monkeypatch.setattr(estimates, "_seconds_of_a_step", lambda *_: (1.0, (64, 64)))
    monkeypatch.setattr(machine, "available_memory", lambda: 1 * GB)
    monkeypatch.setattr(machine, "resident_memory", lambda: 200 << 20)
    recipe, style = network.card.recipe, [(np.zeros((32, 32, 3), np.float32), 1.0)]
    picture = np.broadcast_to(np.float32(0.5), (1500, 1500, 3))
    whole = estimate(network, recipe, picture, style)
    assert not whole.fits and whole.tile is not None
    tiled = estimate(network, recipe, picture, style, whole.tile)
    assert tiled.fits and tiled.memory < whole.memory and tiled.tile is None


@pytest.mark.parametrize(
    ("spare", "fitting", "tile"),
    [
        (34840, 185, 384),
        (34839, 184, 384),
        (31520, 174, 384),
        (31519, 174, 256),
        (31520, 174, 384),
        (31519, 174, 256),
        (2 * 180900 - 1000, 600, None),
        (2 * 9092 - 1000, 128, None),
        (17183, 0, None),
    ],
)
def test_the_size_and_the_tile_that_just_fit_by_hand(network, monkeypatch, spare, fitting, tile):
    """Where a run takes a byte a pixel, or 40 a pixel of a tile's side, and may use half of the memory."""
    asked = []

    def run_bytes(model, recipe, size, styles, tile):
        asked.append((size, styles))
        return size[0] * size[1] if tile is None else 40 * tile

    for name, value in (("run_bytes", run_bytes), ("touched_bytes", lambda *_: 100), ("SHARE", 0.5)):
        monkeypatch.setattr(estimates, name, value)
    monkeypatch.setattr(estimates, "_seconds_of_a_step", lambda *_: (1.0, (64, 64)))
    monkeypatch.setattr(machine, "available_memory", lambda: spare)
    monkeypatch.setattr(machine, "resident_memory", lambda: 1000)
    content, small, large = (np.zeros((*size, 3), np.float32) for size in ((600, 300), (20, 30), (100, 60)))
    found = estimate(network, network.card.recipe, content, [(small, 1.0), (large, 1.0)])
    assert (found.memory, found.free, found.fitting, found.tile) == (900 + 600 * 300, spare + 1000, fitting, tile)
    assert asked[0] == ((600, 300), [(20, 30), (100, 60)])
    if found.fitting < 600:  # styles shrink to a short side of 48 pixels
        assert asked[1] == ((128, 64), [(20, 30), (80, 48)])


def test_a_size_fits_for_the_styles_too(network, monkeypatch):
    """--size is that of all pictures: a large style does not mean that nothing fits."""
    monkeypatch.setattr(estimates, "_seconds_of_a_step", lambda *_: (1.0, (64, 64)))
    monkeypatch.setattr(machine, "available_memory", lambda: GB // 16)
    monkeypatch.setattr(machine, "resident_memory", lambda: 6 << 20)
    large = np.broadcast_to(np.float32(0.5), (2000, 2000, 3))
    assert 100 < estimate(network, network.card.recipe, large, [(large, 1.0)]).fitting < 1500
    monkeypatch.setattr(machine, "available_memory", lambda: 1 << 20)
    assert estimate(network, network.card.recipe, large, [(large, 1.0)]).fitting == 0


def test_the_first_layer_reads_a_picture_of_three_colours(network):
    first = works(network, [network.body[0].name], (40, 30))
    assert [work.source for work in first] == [4 * 40 * 30 * 3]


@pytest.mark.parametrize(("fused", "forms"), [(True, 4), (False, 2)])
def test_cached_forms_of_filters_are_counted(fused, forms):
    assert backend.ask("conv_filter_bytes", 1000, fused) == forms * 1000
    assert backend.ask("cache_budget") == minicnn.cache_info().budget == 768 << 20  # of which two networks fit


def test_memory_of_tiles_does_not_depend_on_the_picture():
    from minicnn.fast.cpu.winograd import compiled

    assert backend.ask("conv_scratch") == compiled.SHARED + (16 << 20)  # and filters while they are transposed


def test_a_long_narrow_picture_is_measured_at_a_size_that_can_be_seen():
    assert estimates._small((60, 6000, 3), 256) == (48, 4800)
    assert estimates._small((600, 800, 3), 256) == (192, 256)


def test_nothing_fits_where_there_is_no_memory():
    with pytest.raises(InputError, match="no size fits: close other programs"):
        refuse(Estimate(memory=GB, seconds=1.0, size=256, steps=10, free=GB // 10, fitting=0))
    refuse(Estimate(memory=GB, seconds=1.0, size=256, steps=10, free=None, fitting=256))  # a system that does not tell
    refuse(Estimate(memory=9 * GB // 10, seconds=1.0, size=256, steps=10, free=GB, fitting=256))


@pytest.mark.parametrize(
    ("seconds", "memory", "text"),
    [
        (4.24, 3 * 10**8, "4.2 s, 300 MB"),
        (9.9, GB - 1, "9.9 s, 1000 MB"),
        (10, GB, "10 s, 1.0 GB"),
        (89, GB, "89 s, 1.0 GB"),
        (90, GB, "2 min"),
        (5399, GB, "90 min"),
        (5400, GB, "1.5 h"),
        (600, 12 * GB, "10 min, 12.0 GB"),
        (9000, GB, "2.5 h"),
    ],
)
def test_the_line(seconds, memory, text):
    line = str(Estimate(memory=memory, seconds=seconds, size=512, steps=200, free=None, fitting=512))
    assert line.startswith(f"512 px, 200 steps: about {text}")


def test_the_machine_tells_its_memory():
    held = machine.resident_memory()
    with mmap.mmap(-1, 32 << 20) as ballast:  # an array might be laid where another has been
        ballast.write(b"1" * (32 << 20))
        if held is not None:
            assert machine.resident_memory() >= held + (16 << 20)
    free = machine.available_memory()
    assert free is None or free > 10**6


RUN = """
import dataclasses, json, sys
import numpy as np
import minicnn
from minicnn import models
from minicnn.bench import children
from minicnn.style.estimate import estimate

name, size, optimizer = sys.argv
model, size = getattr(models, name)(), int(size)
content, style = np.random.default_rng(0).random((2, size, size, 3), np.float32)
recipe = dataclasses.replace(model.adapt(model.card.recipe).card.recipe, steps=3, optimizer=optimizer)
found = estimate(model, recipe, content, [(style, 1.0)])
minicnn.style.transfer(content, style, model=model, steps=3, optimizer=optimizer, progress=False)
peak = children.peak_memory()
print(json.dumps([found.memory, None if peak is None else peak * 2**20]))
"""


@pytest.mark.thorough
@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
@pytest.mark.parametrize("size", [128, 448])
@pytest.mark.parametrize("name", ["tiny_vgg", "squeezenet"])
def test_a_process_holds_what_was_estimated(name, size, optimizer, fresh_python):
    expected, peak = json.loads(fresh_python(RUN, name, size, optimizer, timeout=280).splitlines()[-1])
    if peak is None:
        pytest.skip("this system does not tell a process its peak memory")
    assert expected == pytest.approx(peak, rel=0.25)

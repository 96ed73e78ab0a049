"""Programs of networks: the same numbers as layer by layer, and only where nobody could tell the difference."""

import gc
import os
import sys
import threading
import tracemalloc

import numpy as np
import pytest

import minicnn
from minicnn import backend, nn
from minicnn.fast.cpu import cache as memory
from minicnn.fast.cpu import winograd
from minicnn.fast.cpu.program import drafts
from minicnn.fast.cpu.program import frozen as programs
from minicnn.models import blocks
from minicnn.models.blocks import Branches, Chain, GlobalAverage, Halving, Residual, ZeroPad2d
from minicnn.models.card import ModelCard
from minicnn.models.network import Network
from minicnn.operation import no_grad
from minicnn.tensor import Tensor

CARD = ModelCard(name="small", input_size=(13, 11), preprocessing="none", embedding=None, metric=None)


def conv(random, channels, filters, kernel, *, norm=True, **options):
    """A convolution, with a batch norm whose statistics are not those of the start."""
    layers = [nn.Conv2d(channels, filters, kernel, seed=random, bias=not norm, **options)]
    if norm:
        layers.append(nn.BatchNorm(filters, activation="relu", scale=random.random() < 0.5))
        layers[1].mean = random.normal(0, 0.3, filters).astype(np.float32)
        layers[1].variance = random.uniform(0.5, 2, filters).astype(np.float32)
    else:
        layers[0].b.data = random.normal(0, 0.3, filters).astype(np.float32)
    return layers


def network(seed=0):
    """One of each kind of block, nested, with strides, dilations, every padding, and pools with and without."""
    random = np.random.default_rng(seed)
    inner = Branches(
        Chain(nn.MaxPool2d(3, stride=1, padding=1), *conv(random, 20, 7, 1)),
        Chain(*conv(random, 20, 9, (1, 3), padding="same"), *conv(random, 9, 5, (3, 1), padding=(1, 0))),
    )
    body = [
        nn.MaxPool2d(2, stride=1, padding=((1, 0), (0, 1)), name="first"),  # of what may be negative
        *conv(random, 3, 20, 3, padding="same", stride=2),
        Residual(Chain(inner, *conv(random, 12, 20, 1, norm=False)), scale=0.3, name="residual"),
        Residual(Chain(*conv(random, 20, 20, 3, padding=2, dilation=2, norm=False)), activation=None),
        Branches(
            Chain(nn.L2Pool2d(3, stride=2), ZeroPad2d(0, 1)),
            Chain(*conv(random, 20, 33, 3, stride=2, padding=1, norm=False, activation="relu")),
            nn.AvgPool2d(1, stride=2),
            Chain(nn.MaxPool2d(3, stride=2), ZeroPad2d(1, 0), *conv(random, 20, 8, 1)),
            name="branches",
        ),
        *conv(random, 81, 6, 2, norm=False),
    ]
    top = [GlobalAverage(), nn.Linear(6, 4, seed=random)]
    return Network(CARD, body, top).eval()


def pictures(count, dtype=np.float32, seed=1):
    return np.random.default_rng(seed).normal(0, 1, (count, 13, 11, 3)).astype(dtype)


@pytest.fixture(autouse=True)
def always_worth_it(monkeypatch):
    monkeypatch.setattr(programs, "FEWEST", 1)
    monkeypatch.setattr(programs, "LITTLE", 1 << 40)


@pytest.fixture
def runs(monkeypatch):
    """How many pictures each program was given."""
    counts, call = [], programs.Program.__call__
    monkeypatch.setattr(programs.Program, "__call__", lambda *given: counts.append(len(given[2])) or call(*given))
    return counts


def layer_by_layer(model, x):
    return blocks.run(model.layers, model._enter(Tensor(x))).data


@pytest.mark.parametrize("count", [1, 2, 13])
def test_a_program_gives_what_the_layers_give(count, runs):
    model, x = network(), pictures(count)
    with nn.frozen(model), no_grad():
        expected = layer_by_layer(model, x)
        for _ in range(2):  # the second time in a used arena
            np.testing.assert_allclose(model(x).data, expected, atol=abs(expected).max() * 1e-5)
            model(-x)
    assert runs == [count] * 4
    assert expected.std() > 0.01


def tiled_network(seed=0):
    """3 × 3 layers whose tiles hang over by 0 to 3 pixels, some beside others, and a top."""
    random = np.random.default_rng(seed)
    body = [
        *conv(random, 3, 16, 3, padding=2),  # 15 × 13
        *conv(random, 16, 16, 3),  # 13 × 11 in a room as large as the next one's, with another border
        *conv(random, 16, 16, 3, padding="same"),
        Branches(
            Chain(*conv(random, 16, 32, 3, padding=1, norm=False, activation="relu")),
            Chain(*conv(random, 16, 16, 1), *conv(random, 16, 16, 3, padding=1, norm=False)),
        ),
        Residual(Chain(*conv(random, 48, 16, 3, padding=1), *conv(random, 16, 48, 1, norm=False)), scale=0.5),
    ]
    top = [GlobalAverage(), nn.Dropout(0.5), nn.Linear(48, 20, seed=random), nn.BatchNorm(20), nn.L2Normalize()]
    return Network(CARD, body, top).eval()


@pytest.fixture
def always_tiles(monkeypatch):
    monkeypatch.setattr(winograd, "TRANSFORM", 0)
    monkeypatch.setattr(winograd, "FETCH", 0)


@pytest.mark.parametrize("together", [1, 1 << 18, 1 << 30])
@pytest.mark.parametrize("count", [1, 5])
def test_tiles_in_a_program(together, count, runs, always_tiles, monkeypatch):
    """However many pictures' tiles are formed at a time, the result is that of the layers."""
    monkeypatch.setattr(drafts, "CACHE", together)
    model, x = tiled_network(), pictures(count)
    with nn.frozen(model), no_grad():
        expected = layer_by_layer(model, x)
        for _ in range(2):
            np.testing.assert_allclose(model(x).data, expected, atol=abs(expected).max() * 1e-4)
            model(-x)
        (found,) = (look for layer, look in programs._looks.items() if layer is model.layers[0])
        assert (found.first, found.last) == (0, len(model.layers) - 1)  # the top is part of it, without the last layer
    assert runs == [count] * 4
    kinds = blocks.Kinds(Chain, Branches, Residual, Halving, ZeroPad2d, GlobalAverage, None)
    drafting = drafts.Drafting((count, 13, 11, 3), kinds)
    assert drafting.through(model.layers) == len(model.layers) - 1
    tiled = {draft.layer for draft in drafting.drafts if draft.products}
    assert len(tiled) == 5


@pytest.mark.parametrize("norms", [(True,), (False,), (True, True), (False, True), (False, False, True), (True, False)])
def test_a_block_whose_convolutions_have_a_norm_or_none_fits(norms, runs):
    random, layers = np.random.default_rng(0), []
    for norm in norms:
        layers += conv(random, 4, 4, 1, norm=norm)
        if norm:
            layers[-1].activation = None  # which stands behind the sum
    model = Network(CARD, [*conv(random, 3, 4, 3), Residual(Chain(*layers))]).eval()
    with nn.frozen(model), no_grad():
        np.testing.assert_allclose(model(pictures(2)).data, layer_by_layer(model, pictures(2)), atol=1e-5)
    kinds = blocks.Kinds(Chain, Branches, Residual, Halving, ZeroPad2d, GlobalAverage, None)
    assert drafts.Drafting((2, 13, 11, 3), kinds).through(model.layers) == len(model.layers) == 3


def halved(random, channels, filters, padding, *, first=None):
    """A block that halves; its convolution reaches less far than the mean if nothing pads it."""
    change = Chain(*conv(random, channels, filters, 3, stride=2, padding=padding))
    change.layers += conv(random, filters, filters, 3, padding=1, norm=False)
    return [*(first or []), Halving(nn.AvgPool2d(2, stride=2), change, name="halving")]


@pytest.mark.parametrize("side", [12, 13, 4])
@pytest.mark.parametrize("filters", [16, 32])
@pytest.mark.parametrize("tiles", [False, True])
def test_blocks_that_halve(side, filters, tiles, runs, request):
    """By tiles or not, and in an arena in which other pictures have left their numbers."""
    if tiles:
        request.getfixturevalue("always_tiles")
    random = np.random.default_rng(0)
    layers = conv(random, 3, 16, 3, padding=1, norm=False, activation="relu")
    model = Network(CARD, [*layers, *halved(random, 16, filters, 0), *conv(random, filters, 5, 1)]).eval()
    x = np.random.default_rng(1).normal(0, 1, (3, side, side, 3)).astype(np.float32)
    with nn.frozen(model), no_grad():
        expected = layer_by_layer(model, x)
        for _ in range(2):
            np.testing.assert_allclose(model(x).data, expected, atol=abs(expected).max() * 1e-4)
            model(-3 * x)
    assert runs == [3] * 4 and expected.shape == (3, side // 2, side // 2, 5)


@pytest.mark.parametrize("block", ["a residual that ends in a norm", "a change of three"])
def test_the_last_layer_of_a_block_adds_what_went_past(block, runs):
    random = np.random.default_rng(0)
    if block == "a change of three":
        (last,) = halved(random, 8, 6, 0)
        last.change.layers[1:] = [*conv(random, 6, 5, 1, norm=False), *conv(random, 5, 9, 3, padding=1, norm=False)]
    else:
        last = Residual(Chain(*conv(random, 8, 7, 1), *conv(random, 7, 8, 3, padding=1)), name="residual")
        last.change.layers[-1].activation = None
    first = conv(random, 3, 8, 3, norm=False, activation="relu")
    model, x = Network(CARD, [*first, last]).eval(), pictures(2)
    with nn.frozen(model), no_grad():
        expected = layer_by_layer(model, x)
        np.testing.assert_allclose(model(x).data, expected, atol=abs(expected).max() * 1e-5)
    kinds = blocks.Kinds(Chain, Branches, Residual, Halving, ZeroPad2d, GlobalAverage, None)
    assert runs == [2] and drafts.Drafting((2, 13, 11, 3), kinds).through(model.layers) == len(model.layers)


def test_a_block_that_halves_may_end_with_a_norm(runs):
    random = np.random.default_rng(0)
    change = Chain(*conv(random, 4, 6, 2, stride=2))
    change.layers[-1].activation = None  # which stands behind the sum
    begin = conv(random, 3, 4, 1, norm=False, activation="relu")
    model = Network(CARD, [*begin, Halving(nn.AvgPool2d(2, stride=2), change)]).eval()
    with nn.frozen(model), no_grad():
        expected = layer_by_layer(model, pictures(2))
        np.testing.assert_allclose(model(pictures(2)).data, expected, atol=1e-5)
    assert runs == [2]


def test_a_block_that_halves_is_what_it_says(runs):
    """Zeros below, on the right and in the last channels; here by hand."""
    random = np.random.default_rng(0)
    (block,) = halved(random, 4, 6, 0)
    x = abs(random.normal(0, 1, (1, 8, 8, 4))).astype(np.float32)
    past, change = block.average(Tensor(x)).data, block.change(Tensor(x)).data
    assert past.shape == (1, 4, 4, 4) and change.shape == (1, 3, 3, 6)
    expected = np.zeros((1, 4, 4, 6), np.float32)
    expected[..., :4] += past
    expected[:, :3, :3] += change
    np.testing.assert_allclose(block(Tensor(x)).data, np.maximum(expected, 0), atol=1e-6)


def test_vectors_side_by_side_stay_vectors(runs):
    random = np.random.default_rng(0)
    pools = Branches(GlobalAverage(), Chain(*conv(random, 8, 5, 1), GlobalAverage()))
    model, x = Network(CARD, [*conv(random, 3, 8, 3)], [pools, nn.Linear(13, 4, seed=random)]).eval(), pictures(2)
    with nn.frozen(model), no_grad():
        expected = layer_by_layer(model, x)
        found = model(x).data
        assert found.shape == expected.shape == (2, 4)
        np.testing.assert_allclose(found, expected, atol=abs(expected).max() * 1e-5)
        model.top = [pools]
        assert model(x).shape == (2, 13)
    assert runs == [2, 2]  # up to the branches


def test_what_turns_pictures_into_vectors_may_change_too(runs, always_tiles):
    model, x = tiled_network(), pictures(2)
    with nn.frozen(model), no_grad():
        before = model(x).data
        model.top[1].training = True
        assert not np.allclose(model(x).data, before)  # elements are dropped, by the layer
        model.top[1].training = False
        np.testing.assert_allclose(model(x).data, before, atol=1e-6)
    model.top[2].w.data = model.top[2].w.data * np.float32(-1)
    with nn.frozen(model), no_grad():
        assert not np.allclose(model(x).data, before)


@pytest.mark.thorough
def test_a_program_in_float64(runs):
    model, x = network(), pictures(3, np.float64)
    for p in model.parameters():
        p.data = p.data.astype(np.float64)
    for name, state in list(model.named_state()):
        model.set_state(name, state.astype(np.float64))
    with nn.frozen(model), no_grad():
        expected = layer_by_layer(model, x)
        np.testing.assert_allclose(model(x).data, expected, atol=1e-12)
    assert runs == [3]


@pytest.mark.thorough
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    "build", ["inception_resnet_v1", "nn4_small2", "squeezenet", "tiny_vgg", "tiny_facenet", "dlib_face"]
)
def test_programs_of_the_networks(build, seed, runs):
    model = getattr(minicnn.models, build)(None, seed=seed).eval()
    side = (40, 52) if model.card.embedding is None else model.card.input_size
    x = np.random.default_rng(seed).random((3, *side, 3), np.float32)
    with nn.frozen(model), no_grad():
        expected, found = layer_by_layer(model, x), model(x).data
    assert runs == [3]
    np.testing.assert_allclose(found, expected, atol=abs(expected).max() * 1e-4)


def test_a_picture_gives_the_same_bits_in_any_company():
    """With a network that ends with what a program does: BLAS, behind it, may add in another order."""
    model, x = network(), pictures(11)
    model.top = []
    with nn.frozen(model), no_grad():
        together = model(x).data
        assert all((model(x[i : i + 1]).data == together[i]).all() for i in range(11))


def test_eight_threads_at_once():
    model, x = network(), pictures(5)
    errors = []

    def encode():
        for _ in range(10):
            with no_grad():
                if not (model(x).data == expected).all():
                    errors.append("different")

    with nn.frozen(model):
        with no_grad():
            expected = model(x).data
        threads = [threading.Thread(target=encode) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert not errors and not any(thread.is_alive() for thread in threads)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.skipif(sys.version_info >= (3, 12), reason="Python warns of a fork beside threads")
def test_it_works_after_a_fork():
    model, x = network(), pictures(2)
    with nn.frozen(model), no_grad():
        expected = model(x).data
        child = os.fork()
        if child == 0:
            os._exit(0 if (model(x).data == expected).all() else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_layer_by_layer_where_somebody_looks(runs):
    model, x = network(), pictures(1)
    model(x)  # not frozen
    with nn.frozen(model):
        model(Tensor(x, requires_grad=True))
        model.features(x, ["residual"])
        with minicnn.record(backend=None) as tape, no_grad():
            model(x)
        assert len(tape) > 5  # although it was empty when the network began
        with backend.use_backend("numpy"):
            model(x)
        model.summary((1, 13, 11, 3))
    assert runs == []
    with nn.frozen(model):
        model(x)
    assert runs == [1]


def test_layer_by_layer_where_it_would_not_pay(runs, monkeypatch):
    model = network()
    monkeypatch.setattr(programs, "FEWEST", 100)
    with nn.frozen(model), no_grad():
        model(pictures(1))
    assert runs == []


def test_large_convolutions_go_layer_by_layer(runs, monkeypatch):
    """There the time to begin a layer does not count, however many pictures there are."""
    random = np.random.default_rng(0)
    model = Network(CARD, [*conv(random, 3, 16, 1), *conv(random, 16, 64, 3), *conv(random, 64, 64, 3)]).eval()
    work = 34**2 * 3 * 16 + 32**2 * 9 * 16 * 64 + 30**2 * 9 * 64 * 64
    for little in (-(-work // 3), work // 3 - 1):
        monkeypatch.setattr(programs, "LITTLE", little)
        minicnn.clear_cache()
        with nn.frozen(model), no_grad():
            for count in (1, 3):
                model(random.random((count, 34, 34, 3), np.float32))
    assert runs == [1, 3]


@pytest.mark.parametrize(
    ("threads", "count", "cut"),
    [
        (1, 13, [(8, 1), (4, 1), (1, 1)]),
        (2, 13, [(4, 1), (4, 1), (2, 1), (2, 1), (1, 2)]),
        (3, 8, [(2, 1), (2, 1), (2, 1), (2, 3)]),
        (4, 3, [(2, 4), (1, 4)]),
        (8, 8, [(1, 1)] * 8),
        (9, 10, [(8, 9), (2, 9)]),
    ],
)
def test_each_thread_runs_some_pictures_by_itself(threads, count, cut, thread_count, monkeypatch):
    """All share what is left, and whole groups if the threads are many."""
    model, x, found, right = network(), pictures(count), [], programs.Form.run

    def run(form, part, y, numbers, workers):
        found.append((len(part), workers))
        right(form, part, y, numbers, workers)

    with nn.frozen(model), no_grad():
        thread_count(1)
        expected = model(x).data
        thread_count(threads)
        monkeypatch.setattr(programs.Form, "run", run)
        np.testing.assert_array_equal(model(x).data, expected)
    assert sorted(found) == sorted(cut)


@pytest.mark.parametrize(
    ("count", "threads", "expected"),
    [
        (13, 3, [([2] * 6, 1), ([1], 3)]),  # two pictures a thread, twice, and what is left by all together
        (20, 1, [([8], 1), ([8], 1), ([4], 1)]),
        (70, 2, [([4] * 16, 1), ([2] * 2, 1), ([1] * 2, 1)]),
    ],
)
def test_threads_wait_for_each_other_as_seldom_as_they_can(monkeypatch, count, threads, expected):
    shared, model = [], network()

    def parallel(run, pieces, numbers, together):
        shared.append(([len(x) for x, _ in pieces], together))

    monkeypatch.setattr(programs.threads, "threads", lambda: threads)
    monkeypatch.setattr(programs.threads, "parallel", parallel)
    kinds = blocks.Kinds(Chain, Branches, Residual, Halving, ZeroPad2d, GlobalAverage, None)
    drafted = programs.Program(model.body, (13, 11, 3), kinds)
    drafted(model.body, pictures(count), drafted.numbers(model.body, np.dtype(np.float32)))
    assert shared == expected


@pytest.mark.parametrize("training", [False, True])
def test_a_norm_in_training_is_not_folded(training, runs):
    model = network()
    model.body[2].training = training  # of the first convolution
    with nn.frozen(model), no_grad():
        expected = layer_by_layer(model, pictures(4))
        np.testing.assert_allclose(model(pictures(4)).data, expected, atol=1e-4)
    assert (runs == []) == training


def test_what_changed_between_two_runs_counts(runs):
    model, x = network(), pictures(1)
    with nn.frozen(model), no_grad():
        before = model(x).data
    model.body[1].w.data *= 1.5
    with nn.frozen(model), no_grad():
        after = model(x).data
        np.testing.assert_allclose(after, layer_by_layer(model, x), atol=1e-5)
        assert abs(before - after).max() > 1e-3
        model.body[1].stride = 1  # no array of it
        np.testing.assert_allclose(model(x).data, layer_by_layer(model, x), atol=1e-5)
        model.body[1].w.data = model.body[1].w.data * 2  # another array, which may be written to
        np.testing.assert_allclose(model(x).data, layer_by_layer(model, x), atol=1e-5)
    assert runs == [1, 1, 1]


def test_one_array_that_may_be_written_to_is_enough(runs):
    model, x = network(), pictures(1)
    last = model.body[-1]
    with nn.frozen(model), no_grad():
        last.w.data = last.w.data.copy()
        for _ in range(2):
            np.testing.assert_allclose(model(x).data, layer_by_layer(model, x), atol=1e-5)
            last.w.data *= 2
    assert runs == []


def test_what_does_not_fit_runs_as_it_did(runs):
    """Groups, another activation behind a norm, an average with padding; and layers beside it that fit."""
    random = np.random.default_rng(0)
    strange = [
        [nn.Conv2d(4, 6, 3, groups=2, seed=random)],
        [nn.AvgPool2d(3, stride=2, padding=1)],
        [nn.AvgPool2d(2, stride=1, padding="same")],  # which is behind the picture only
        [nn.Conv2d(4, 6, 3, seed=random, activation="relu"), nn.BatchNorm(6)],
        [Branches(Chain(*conv(random, 4, 3, 1)), Chain())],
        [Residual(Chain(*conv(random, 4, 4, 1)))],
        [Residual(Chain(Chain(*conv(random, 4, 4, 1))))],  # which does not end with a convolution
        [Residual(Chain())],  # which does nothing
        [Halving(nn.AvgPool2d(2, stride=2), Chain(nn.Conv2d(4, 4, 2, stride=2, seed=random), nn.ReLU()))],
        halved(random, 4, 5, 2),  # the convolution reaches further than the mean
        halved(random, 4, 4, 0, first=[nn.Conv2d(4, 4, 1, seed=random)]),  # a mean that may be negative
        [nn.LocalResponseNorm(3, alpha=1e-3), *conv(random, 4, 5, 1)],
    ]
    x = pictures(2)
    for layers in strange:
        model = Network(CARD, [*conv(random, 3, 4, 3), *layers]).eval()
        with nn.frozen(model), no_grad():
            expected = layer_by_layer(model, x)
            np.testing.assert_allclose(model(x).data, expected, atol=1e-5)
    assert len(runs) == len(strange)


def test_a_convolution_of_vectors_in_a_block_is_the_error_that_it_was(runs):
    random = np.random.default_rng(0)
    layers = Chain(nn.Flatten(), nn.Linear(4, 4, seed=random), nn.Conv2d(4, 4, 1, seed=random))
    model = Network(CARD, [*conv(random, 3, 4, 3), nn.MaxPool2d((11, 9)), Residual(layers)]).eval()
    said = []
    with nn.frozen(model), no_grad():
        for call in (lambda x: layer_by_layer(model, x), model):
            with pytest.raises(minicnn.InputError) as caught:
                call(pictures(2))
            said.append(str(caught.value))
    assert said[0] == said[1] and said[0].startswith("layer 3 (Residual): layer 2 (Conv2d): Conv2d: x has shape (2, 4)")


@pytest.mark.parametrize("size", [(11, 9), (4, 3)])
def test_pictures_are_flattened_whole(runs, size):
    random = np.random.default_rng(0)
    count = 4 if size == (11, 9) else 4 * 2 * 3
    body = [*conv(random, 3, 4, 3), nn.MaxPool2d(size, stride=size), nn.Flatten()]
    for end in ([], [nn.Linear(count, 5, seed=random)], [nn.Flatten(), nn.Linear(count, 5, seed=random)]):
        model = Network(CARD, [*body, *end]).eval()
        with nn.frozen(model), no_grad():
            expected = layer_by_layer(model, pictures(2))
            found = model(pictures(2)).data
        assert found.shape == expected.shape == (2, 5 if end else count)
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_linear_layer_of_pictures_is_the_error_that_it_was(runs):
    random = np.random.default_rng(0)
    model = Network(CARD, [*conv(random, 3, 4, 3), nn.MaxPool2d((11, 9)), nn.Linear(4, 2, seed=random)]).eval()
    with nn.frozen(model), no_grad():
        expected = layer_by_layer(model, pictures(2))
        assert model(pictures(2)).shape == expected.shape
        np.testing.assert_allclose(model(pictures(2)).data, expected, atol=1e-5)


def test_two_pools_that_ask_for_different_borders(runs):
    """Zeros for a convolution and −∞ for a maximum of what may be negative cannot stand in one place."""
    random = np.random.default_rng(0)
    branches = Branches(nn.MaxPool2d(3, stride=1, padding=1), nn.Conv2d(3, 4, 3, padding=1, seed=random))
    model = Network(CARD, [branches]).eval()
    with nn.frozen(model), no_grad():
        for x in (pictures(2), -abs(pictures(2))):
            np.testing.assert_allclose(model(x).data, layer_by_layer(model, x), atol=1e-5)


@pytest.fixture
def built(monkeypatch):
    """Counts how often a network's numbers were put together."""
    calls, right = [], programs.Numbers
    monkeypatch.setattr(programs, "Numbers", lambda *given: calls.append(1) or right(*given))
    return calls


def test_numbers_are_shared_by_all_shapes_and_go_with_the_freezing(built):
    model = network()
    minicnn.clear_cache()  # what other tests left may go at any time
    before = minicnn.cache_info()
    with nn.frozen(model), no_grad():
        for count, height in ((1, 13), (2, 13), (1, 12), (3, 11)):
            model(pictures(count)[:, :height])
        assert len(built) == 1
        assert minicnn.cache_info().entries == before.entries + 5  # network, numbers, and a program of each shape
        minicnn.clear_cache()
        model(pictures(1))
        assert len(built) == 2
    assert minicnn.cache_info().nbytes <= before.nbytes


def bytes_of_arrays():
    """The bytes of all arrays made since tracemalloc was started that are still alive."""
    traces = tracemalloc.take_snapshot().filter_traces([tracemalloc.DomainFilter(True, np.lib.tracemalloc_domain)])
    return sum(trace.size for trace in traces.traces)


@pytest.mark.parametrize("count", [30, pytest.param(500, marks=pytest.mark.thorough)])
def test_programs_for_many_sizes_stay_within_the_budget(count, runs, built, monkeypatch):
    model, budget = network(), 1 << 20
    numbers = np.random.default_rng(0).normal(0, 1, (1, 40, 32, 3)).astype(np.float32)
    sizes = [(height, width) for height in range(16, 41) for width in range(13, 33)][-count:]
    results = {}
    minicnn.clear_cache()
    monkeypatch.setattr(memory.cache, "budget", budget)
    with nn.frozen(model), no_grad():
        model(numbers[:, :13, :11])  # what is made once
        gc.collect()
        tracemalloc.start()
        try:
            of_one = minicnn.cache_info().nbytes
            for i, (height, width) in enumerate(sizes):
                y = model(numbers[:, :height, :width]).data
                if i % 50 == 0 or i >= count - 5:
                    results[height, width] = y.copy()
                    gc.collect()
                    info = minicnn.cache_info()
                    assert sum(info.kinds.values()) == info.nbytes <= budget
                    # What is counted is what is there. The first program was made before anything was traced.
                    assert info.nbytes - of_one - 50_000 < bytes_of_arrays() < info.nbytes + 50_000
                    assert tracemalloc.get_traced_memory()[0] < budget + 200_000  # all of Python
        finally:
            tracemalloc.stop()
        assert len(sizes) == len(runs) - 1 == count and len(built) == 1
        assert info.nbytes > budget / 2 and 4 < info.entries < min(count, 60)
        misses = info.misses
        for (height, width), found in results.items():  # most were evicted
            x = numbers[:, :height, :width]
            np.testing.assert_array_equal(model(x).data, found)
            np.testing.assert_allclose(found, layer_by_layer(model, x), atol=abs(found).max() * 1e-5)
        assert minicnn.cache_info().misses >= misses + 10


def test_every_arena_counts(monkeypatch, thread_count):
    """Those for other counts of pictures, and of threads that run at the same time."""
    thread_count(1)
    model = network()
    minicnn.clear_cache()

    def encode(count):
        with no_grad():
            model(pictures(count))
        return minicnn.cache_info().kinds["programs"]

    with nn.frozen(model):
        one = encode(1)
        assert encode(1) == one
        two = encode(2)
        assert two > 2 * one  # another arena, twice as large, beside the first
        assert encode(3) == two  # two, and one
        together, right = threading.Barrier(2), programs.compiled.run
        monkeypatch.setattr(programs.compiled, "run", lambda *given: (together.wait(60), right(*given))[1])
        threads = [threading.Thread(target=encode, args=(1,)) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert two + one / 2 < minicnn.cache_info().kinds["programs"] < two + one


def test_a_program_may_be_evicted_while_it_runs(monkeypatch, runs):
    model, x = network(), pictures(13)
    with nn.frozen(model), no_grad():
        expected = model(x).data
        right = programs.Form.run
        monkeypatch.setattr(programs.Form, "run", lambda *given: minicnn.clear_cache() or right(*given))
        for _ in range(2):
            np.testing.assert_array_equal(model(x).data, expected)
    assert runs == [13] * 3


def test_pictures_too_small_for_the_last_layer_that_fits(runs):
    """A program may end earlier for them; what it shares with the others is not theirs."""
    model = network()
    model.body[-1:] = [nn.AvgPool2d(3, stride=1), nn.AvgPool2d(2, stride=1, padding=1)]
    model.top[1] = nn.Linear(81, 4, seed=0)
    with nn.frozen(model), no_grad():
        for side in (13, 9, 13):
            x = np.random.default_rng(0).random((1, side, side, 3), np.float32)
            np.testing.assert_allclose(model(x).data, layer_by_layer(model, x), atol=1e-5)
        with pytest.raises(minicnn.errors.InputError, match="avg_pool: the window spans 3"):
            model(x[:, :5, :5])
    assert len(runs) == 4


@pytest.mark.parametrize("spare", [0, -2])
def test_no_program_whose_numbers_exceed_half_of_the_budget(spare, runs, monkeypatch):
    model, x = network(), pictures(1)
    arrays = [*(p.data for p in model.parameters()), *(state for _, state in model.named_state())]
    minicnn.clear_cache()
    monkeypatch.setattr(memory.cache, "budget", 2 * sum(array.nbytes for array in arrays) + spare)
    with nn.frozen(model), no_grad():
        model(x)
    assert runs == [1] * (spare == 0)


@pytest.mark.parametrize("fewest", [2, 3])
def test_no_program_of_fewer_convolutions_than_pay(fewest, runs, monkeypatch):
    random = np.random.default_rng(0)
    model = Network(CARD, [*conv(random, 3, 4, 3), *conv(random, 4, 5, 3)]).eval()
    monkeypatch.setattr(programs, "FEWEST", fewest)
    with nn.frozen(model), no_grad():
        model(pictures(1))
    assert runs == [1] * (fewest == 2)


def test_no_program_beyond_the_budget(runs, monkeypatch):
    model, x = network(), pictures(1)
    monkeypatch.setattr(memory.cache, "budget", 1000)
    with nn.frozen(model), no_grad():
        np.testing.assert_allclose(model(x).data, layer_by_layer(model, x), atol=1e-5)
    assert runs == []


def test_single_pictures_in_a_frozen_loop_share_what_was_prepared(built):
    """As the docstring of encode advises; each call freezes the encoder for itself, too, and must not let go of it."""
    model, picture = minicnn.models.nn4_small2(), np.full((96, 96, 3), 0.5, np.float32)
    with nn.frozen(model):
        first, second = (minicnn.faces.encode(model, picture) for _ in range(2))
    assert len(built) == 1
    assert (first == second).all()


def test_layers_are_looked_at_again_only_when_they_changed(monkeypatch):
    looks, right, model = [], programs.Look, network()
    monkeypatch.setattr(programs, "Look", lambda *given: looks.append(1) or right(*given))
    with nn.frozen(model), no_grad():
        for stride in (2, 1):
            model.body[1].stride = stride
            for _ in range(2):
                model(pictures(1))
    assert looks == [1, 1]


def test_what_is_known_goes_with_the_first_array_that_dies():
    minicnn.clear_cache()
    model = network()
    for p in model.parameters():
        p.data.flags.writeable = False
    for _, state in model.named_state():
        state.flags.writeable = False
    with no_grad():
        model(pictures(1))
    assert "programs" in minicnn.cache_info().kinds
    model.body[1].w.data = model.body[1].w.data.copy()
    gc.collect()
    assert not [kind for kind in minicnn.cache_info().kinds if "programs" in kind]


def test_a_layer_of_another_kind_keeps_its_own_forward(runs):
    class Doubled(nn.Conv2d):
        def forward(self, x):
            return super().forward(x) * 2

    model = network()
    model.body[-1] = Doubled(81, 6, 2, seed=0)
    with nn.frozen(model), no_grad():
        np.testing.assert_allclose(model(pictures(1)).data, layer_by_layer(model, pictures(1)), atol=1e-4)
    assert runs == [1]


def test_wrong_pictures_get_the_line_they_got():
    model = network()
    with nn.frozen(model), no_grad():
        for x in (pictures(1)[:, :1], pictures(1)[..., :2], pictures(0)):
            with pytest.raises(minicnn.errors.InputError) as expected:
                layer_by_layer(model, x)
            with pytest.raises(minicnn.errors.InputError) as found:
                model(x)
            assert str(found.value) == str(expected.value)

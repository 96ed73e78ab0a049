"""Blocks: every layer in them can be asked for by name, and batch norm folds into the convolution before it."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import minicnn
from minicnn import hdf5, nn, ops, optim
from minicnn.backend import use_backend
from minicnn.errors import InputError
from minicnn.fast.cpu import folds as folding
from minicnn.models.blocks import Branches, Chain, GlobalAverage, Halving, Residual, ZeroPad2d
from minicnn.models.card import ModelCard
from minicnn.models.fields import fields_of
from minicnn.models.network import Network
from minicnn.operation import no_grad
from minicnn.style.counts import works
from minicnn.tensor import Tensor

CARD = ModelCard(name="toy", input_size=(9, 8), preprocessing="none")
NAMES = ["a", "a_norm", "b", "b_norm", "c", "split", "up", "block", "pool", "end"]


def relative_error(actual, reference):
    return np.abs(actual - reference).max() / np.abs(reference).max()


def convolution(name, channels, filters, kernel=1, *, bias=False, activation="relu", **options):
    """With statistics that are not those of the start."""
    random = np.random.default_rng(sum(map(ord, name)))
    conv = nn.Conv2d(channels, filters, kernel, padding="same", bias=bias, seed=random, name=name, **options)
    norm = nn.BatchNorm(filters, scale=bias, activation=activation, name=f"{name}_norm")
    norm.beta.data = random.normal(0, 0.5, filters).astype(np.float32)
    norm.mean, norm.variance = random.normal(0, 0.5, filters).astype(np.float32), random.random(filters, np.float32) + 1
    if bias:
        norm.gamma.data = random.random(filters, np.float32) + np.float32(0.5)
        conv.b.data = random.normal(0, 0.5, filters).astype(np.float32)
    return [conv, norm]


def network():
    """A branching network with all that the large ones have, small enough to be quick."""
    branches = Branches(
        Chain(*convolution("b", 4, 3, 3, bias=True)),
        nn.Conv2d(4, 2, 1, activation="relu", seed=7, name="c"),
        name="split",
    )
    residual = Residual(Chain(branches, nn.Conv2d(5, 4, 1, seed=8, name="up")), scale=0.5, name="block")
    end = nn.Conv2d(4, 2, 3, seed=9, activation="relu", name="end")
    return Network(CARD, [*convolution("a", 3, 4), residual, nn.AvgPool2d(2, name="pool")], [end]).eval()


def picture(seed=0):
    return np.random.default_rng(seed).random((2, 9, 8, 3), np.float32)


# --- layers by name ------------------------------------------------------------------------------------------------


def test_layers_and_parameters_have_the_names_of_keras_whatever_block_they_are_in():
    model = network()
    assert model.layer_names == NAMES
    assert [name for name, _ in model.named_parameters()][:6] == ["a.w", "a_norm.beta", "b.w", "b.b", "b_norm.gamma",
                                                                  "b_norm.beta"]  # fmt: skip
    assert model.find("b_norm") is dict(model.children())["b_norm"]
    assert all(not layer.training for layer in model.modules() if isinstance(layer, nn.BatchNorm))


@no_grad()
def test_every_layer_and_block_is_what_its_formula_says():
    model = network()
    x = Tensor(picture())
    found = {name: y.data for name, y in model.features(x, NAMES).items()}
    layers = dict(model.children())
    assert_array_equal(found["a"], layers["a"](x).data)
    assert_array_equal(found["a_norm"], layers["a_norm"](layers["a"](x)).data)
    assert_array_equal(found["b"], layers["b"](found["a_norm"]).data)
    assert_array_equal(found["c"], layers["c"](found["a_norm"]).data)
    assert_array_equal(found["split"], np.concatenate([found["b_norm"], found["c"]], axis=-1))
    assert_array_equal(found["up"], layers["up"](found["split"]).data)
    assert_allclose(found["block"], np.maximum(found["a_norm"] + 0.5 * found["up"], 0), rtol=1e-6)
    assert_allclose(found["pool"], ops.avg_pool(Tensor(found["block"]), 2).data, rtol=1e-6)
    assert_allclose(found["end"], model(x).data, rtol=1e-6)


@no_grad()
def test_nothing_above_the_highest_layer_is_computed(monkeypatch):
    def fail(*_):
        raise AssertionError("computed")

    model = network()
    for name in ("c", "up", "pool", "end"):
        monkeypatch.setattr(model.find(name), "forward", fail)
    assert list(model.features(picture(), ["b", "a"])) == ["b", "a"]
    assert model.features(picture(), []) == {}
    with pytest.raises(AssertionError, match="computed"):
        model.features(picture(), ["split"])


@no_grad()
def test_before_its_relu_inside_a_branch():
    found = network().features(picture(), ["c.linear", "c", "end.linear", "end"])
    for name in ("c", "end"):
        assert found[f"{name}.linear"].data.min() < 0
        assert_array_equal(np.maximum(found[f"{name}.linear"].data, 0), found[name].data)


POOLS = [nn.AvgPool2d(2), nn.AvgPool2d(2, stride=1), nn.AvgPool2d(3, stride=2), nn.AvgPool2d(2, padding=1)]
POOLS += [nn.AvgPool2d(2, stride=2, padding=((0, 1), (0, 1))), nn.MaxPool2d(2)]


@pytest.mark.parametrize("pool", POOLS, ids=repr)
def test_a_pool_behind_a_convolution_is_itself_whether_they_are_fused_or_not(pool):
    conv = nn.Conv2d(3, 4, 3, padding="same", activation="relu", seed=1, name="conv")
    model, x = Network(CARD, [conv, pool]), picture()
    expected = pool(conv(Tensor(x))).data
    assert_allclose(model(x).data, expected, rtol=1e-5, atol=1e-6)
    with no_grad(), nn.frozen(model):
        assert_allclose(model(x).data, expected, rtol=1e-5, atol=1e-6)
    halved = works(Network(CARD, [conv, pool, nn.ReLU(name="end")]), ["end"], (9, 8))
    assert len(halved) == (2 if pool is POOLS[0] else 3)
    assert halved[-1].result == expected[0].nbytes


def test_a_gradient_flows_from_any_layer_to_any_below_it():
    model = network()
    x = Tensor(picture(), requires_grad=True)
    found = model.features(x, ["split", "end"])
    found["split"].retain_grad()
    found["end"].sum().backward()
    assert np.abs(x.grad).max() > 0 and np.abs(found["split"].grad).max() > 0


@pytest.mark.parametrize("name", ["split.linear", "a_norm.linear", "branches.0", "d"])
def test_an_unknown_layer(name):
    with pytest.raises(InputError, match="is unknown; toy has a, a_norm, b") as caught:
        network().features(picture(), ["a", name])
    assert repr(name) in str(caught.value)


def test_a_file_keeps_every_array_under_the_name_of_its_layer(tmp_path):
    model, other = network(), network()
    for _, parameter in other.named_parameters():
        parameter.data = np.zeros_like(parameter.data)
    hdf5.save(model, tmp_path / "toy.h5")
    assert "b_norm.variance" in [row.name for row in hdf5.inspect(tmp_path / "toy.h5")]
    hdf5.load(other, tmp_path / "toy.h5")
    assert_array_equal(other(picture()).data, model(picture()).data)


def test_a_summary_shows_every_layer_for_the_picture_on_the_card():
    model = network()
    with nn.frozen(model):  # where pairs are computed as one
        lines = model.summary().splitlines()
    assert [line.split()[0] for line in lines[2:-2]] == [name for name in NAMES if name not in ("split", "block")]
    assert "(1, 9, 8, 4)" in lines[2]


# --- folding -------------------------------------------------------------------------------------------------------


@pytest.fixture
def folds(monkeypatch):
    """The names of the convolutions that were folded."""
    names, right = [], folding.fold
    monkeypatch.setattr(folding, "fold", lambda conv, norm: (names.append(conv.name), right(conv, norm))[1])
    return names


@no_grad()
def test_a_frozen_network_computes_the_same_with_fewer_layers(folds, monkeypatch):
    model, x = network(), picture()
    expected = {name: y.data for name, y in model.features(x, NAMES).items()}
    assert folds == []
    with nn.frozen(model):
        assert relative_error(model.features(x, NAMES)["end"].data, expected["end"]) < 1e-5
        assert folds == []  # with every name asked for, there is nothing between two names
        above = model.features(x, ["a_norm", "b_norm", "block", "end"])
        assert folds == ["a", "b"]
        for name in above:
            assert relative_error(above[name].data, expected[name]) < 1e-5
        monkeypatch.setattr(nn.BatchNorm, "forward", None)
        assert_array_equal(model(x).data, above["end"].data)
        assert folds == ["a", "b"]  # remembered


@pytest.mark.parametrize(
    "change",
    [
        lambda conv, norm: setattr(norm, "training", True),
        lambda conv, norm: setattr(conv, "activation", "relu"),
        lambda conv, norm: setattr(norm.beta, "requires_grad", True),
        lambda conv, norm: setattr(norm, "variance", norm.variance.copy()),
    ],
    ids=["training", "a rectifier between", "a parameter that learns", "an array that may be written"],
)
def test_only_what_cannot_change_is_folded(change):
    conv, norm = nn.Conv2d(2, 3, 1, seed=0, bias=False), nn.BatchNorm(3).eval()
    with nn.frozen(nn.Sequential(conv, norm)):
        assert folding.folded(conv, norm) is not None
        change(conv, norm)
        assert folding.folded(conv, norm) is None


def test_the_gradient_to_the_picture_is_the_same(folds):
    model, gradients = network(), []
    for frozen in (False, True):
        x = Tensor(picture(), requires_grad=True)
        if frozen:
            with nn.frozen(model):
                ops.square(model(x)).sum().backward()
        else:
            ops.square(model(x)).sum().backward()
        gradients.append(x.grad)
    assert folds == ["a", "b"]
    assert relative_error(gradients[1], gradients[0]) < 1e-5
    assert all(parameter.grad is not None for parameter in model.parameters())


@no_grad()
def test_what_is_folded_is_never_stale(folds):
    """Whatever changes between two looks: in place after thawing, or replaced while frozen."""
    model, x = network(), picture()
    with nn.frozen(model):
        model(x)
    arrays = [*(parameter.data for parameter in model.parameters()), *(state for _, state in model.named_state())]
    for array in arrays:
        array[...] = array * 1.1 + 0.01  # an optimizer writes in place
        expected = model(x).data
        with nn.frozen(model):
            assert relative_error(model(x).data, expected) < 1e-5
    folds.clear()
    model = network()

    def split():
        return model.features(x, ["split"])["split"].data

    with nn.frozen(model):
        first = split()
        model.find("a_norm").mean = frozen_copy(model.find("a_norm").mean + 1)
        moved = split()
        assert folds == ["a", "b", "a"]
        model.find("b").w.data = model.find("b").w.data * 2  # may be written, so it is not folded
        doubled = split()
        assert folds == ["a", "b", "a"]
    assert relative_error(first, moved) > 0.01 and relative_error(moved, doubled) > 0.01
    assert relative_error(doubled, split()) < 1e-5


def frozen_copy(array):
    copy = array.copy()
    copy.flags.writeable = False
    return copy


def test_training_goes_on_after_it_was_frozen():
    model, x = network(), picture()
    with no_grad(), nn.frozen(model):
        model(x)
    optimizer = optim.SGD(model.train().parameters(), 0.05)
    before = model.find("a_norm").mean
    for _ in range(2):
        optimizer.zero_grad()
        model(x).sum().backward()
        optimizer.step()
    assert not np.array_equal(model.find("a_norm").mean, before)
    with no_grad():
        expected = model.eval()(x).data
        with nn.frozen(model):
            assert relative_error(model(x).data, expected) < 1e-5


@no_grad()
def test_a_norm_in_training_is_left_alone(folds):
    model, x = network().train(), picture()
    expected = model(x).data
    with nn.frozen(model):
        assert_allclose(model(x).data, expected, rtol=1e-5)
    assert folds == []
    assert not any(state.flags.writeable is False for _, state in model.named_state())


def test_half_frozen_is_not_frozen(folds):
    model = network()
    with nn.frozen(model.find("a")), no_grad():
        model(picture())
    assert folds == []


def test_folded_arrays_are_forgotten_when_they_thaw():
    before = minicnn.cache_info().nbytes
    model = network()
    with nn.frozen(model), no_grad():
        model(picture())
        assert minicnn.cache_info().kinds["folded norms"] > 0
    assert minicnn.cache_info().nbytes <= before


# --- receptive fields ----------------------------------------------------------------------------------------------


def toy_network(*more):
    """A network of every kind of layer with a field of its own, whose sums have no negative term."""
    change = Chain(nn.Conv2d(4, 4, 3, padding=2, dilation=2, name="dilated"), name="change")
    branches = (
        Chain(nn.Conv2d(2, 2, (1, 3), padding="same", name="wide"), name="chain"),
        Chain(nn.AvgPool2d(2, stride=1, name="means"), ZeroPad2d(0, 1, name="zeros")),
    )
    body = [
        nn.Conv2d(3, 2, (3, 2), stride=(2, 1), padding=((1, 1), (0, 1)), activation="relu", name="first"),
        Branches(*branches, name="branches"),
        nn.BatchNorm(4, name="norm"),
        Residual(change, name="residual"),
        nn.AvgPool2d((2, 3), stride=2, padding=((0, 1), (1, 0)), name="pool"),
        *more,
    ]
    model = Network(ModelCard(name="toy", input_size=(9, 7), preprocessing="none"), body).eval()
    for parameter in model.parameters():
        if parameter.ndim == 4:
            parameter.data = np.ones_like(parameter.data)
    return model


@pytest.mark.parametrize(
    "layer",
    [
        *("first", "first.linear", "wide", "chain", "means", "zeros", "branches", "norm", "dilated", "residual"),
        *("pool", "half", "second", "halving"),
    ],
)
@pytest.mark.parametrize("kernels", [(2, 3), (3, 2)])
def test_the_field_of_an_output_is_what_it_depends_on(layer, kernels):
    """Of the means and the second convolution, either gives a larger picture."""
    half, second = nn.AvgPool2d(kernels[0], stride=1, name="half"), nn.Conv2d(4, 4, kernels[1], name="second")
    size, model = (9, 7), toy_network(Halving(half, Chain(second), name="halving"))
    fields = fields_of(model, layer, size)
    for axis, spans in ((1, fields.rows), (2, fields.columns)):
        count = size[axis - 1]
        x = np.zeros((count, *size, 3), np.float32)
        np.moveaxis(x, axis, 1)[range(count), range(count)] = 1  # a row of each picture, or a column
        with use_backend("numpy"):
            y = model.features(x, [layer])[layer].data
        touched = y.any(axis=(3 - axis, 3))
        assert touched.shape == (count, len(spans)) and not fields.whole
        for (begin, end), reached in zip(spans.tolist(), map(np.flatnonzero, touched.T), strict=True):
            assert (begin, end) == ((reached[0], reached[-1] + 1) if reached.size else (count, 0))
    height, width = (max(end - begin for begin, end in spans.tolist()) for spans in (fields.rows, fields.columns))
    assert fields.size == (height, width)


def test_the_field_of_a_position_is_a_box_that_may_be_empty():
    fields = fields_of(toy_network(), "first", (9, 7))
    assert [fields.box(row, column) for row, column in ((0, 0), (1, 2), (4, 6))] == [
        (0, 2, 0, 2),
        (1, 4, 2, 4),
        (7, 9, 6, 7),
    ]
    assert fields_of(toy_network(), "zeros", (9, 7)).box(4, 0) == (9, 9, 0, 3)
    assert fields_of(toy_network(), "first", (1, 1)).box(0, 0) == (0, 1, 0, 1)  # too small for the layers after it


@pytest.mark.parametrize(
    "layers",
    [
        [nn.Flatten(name="end")],
        [GlobalAverage(name="end")],
        [nn.Flatten(), nn.Linear(48, 2, name="end")],
        [nn.Flatten(), Residual(Chain(nn.Linear(48, 48)), name="end")],
        [GlobalAverage(), nn.ReLU(name="end")],
    ],
)
def test_what_has_no_position_sees_the_whole_picture(layers):
    fields = fields_of(toy_network(*layers), "end", (9, 7))
    assert (fields.whole, fields.rows.tolist(), fields.columns.tolist()) == (True, [[0, 9]], [[0, 7]])
    assert fields.size == (9, 7) and fields.box(3, 5) == (0, 9, 0, 7)


def test_a_field_is_not_told_of_what_is_not_known():
    class Odd(nn.Module):
        """A layer of one's own."""

        name = "odd"

        def forward(self, x):
            return x

    model = toy_network(Odd(), nn.ReLU(name="end"))
    for layer in ("odd", "end"):
        with pytest.raises(InputError) as told:
            fields_of(model, layer, (9, 7))
        assert str(told.value) == "fields_of: layer 'odd' is a Odd, whose receptive field is not known"
    with pytest.raises(InputError, match=r"^features: layer 'none' is unknown; toy has first, wide, "):
        fields_of(model, "none", (9, 7))
    assert fields_of(model, "pool", (9, 7)).box(0, 0)[0] == 0

"""Networks: the sizes that the papers and Keras state, layers by name, weights by name or path."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from minicnn import files, hdf5, models, nn, ops, zoo
from minicnn.errors import InputError, LoadError, MissingFileError
from minicnn.models import imagenet, tiny
from minicnn.models.card import ModelCard, StyleRecipe, preprocessing
from minicnn.models.network import Network
from minicnn.models.vgg import VGG
from minicnn.operation import no_grad
from minicnn.tape import record
from minicnn.tensor import Tensor

TOTALS = {
    ("vgg16", False): 14_714_688,
    ("vgg16", True): 138_357_544,
    ("vgg19", False): 20_024_384,
    ("vgg19", True): 143_667_240,
}


def picture(size=32, seed=0):
    return np.random.default_rng(seed).random((1, size, size, 3), np.float32)


@pytest.fixture(scope="module")
def small():
    """A VGG with few channels, built as the large ones are."""
    card = imagenet.build("vgg16", drawn=False).card
    model = VGG(card, (4, 5, 6, 7, 8), (2, 2, 3, 3, 3), seed=3)
    for name, parameter in model.named_parameters():
        if name.endswith(".b"):
            parameter.data = np.random.default_rng(len(name)).normal(0, 0.1, parameter.shape).astype(np.float32)
    return model.eval()


def write_keras(path, *, name="vgg19", top=False, value=0.5):
    """A legacy file with a full set of arrays, all alike; of the top's, which are ignored, hardly anything is there."""
    model = imagenet.build(name, include_top=top, drawn=False)
    layers = {}
    for parameter, tensor in model.named_parameters():
        layer, _, role = parameter.rpartition(".")
        layers.setdefault(layer, []).append(({"w": "kernel:0", "b": "bias:0"}[role], tensor.shape))
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = np.array(["input_1", *layers], "S")
        file.create_group("input_1").attrs["weight_names"] = []
        for layer, variables in layers.items():
            group = file.create_group(layer)
            group.attrs["weight_names"] = np.array([f"{layer}/{variable}" for variable, _ in variables], "S")
            for variable, shape in variables:
                stored = group.create_dataset(f"{layer}/{variable}", shape, "f4", chunks=True)
                stored[(0,) * len(shape) if layer in imagenet.TOP_LAYERS else ...] = value
    return path


# --- architecture --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "top"), TOTALS)
def test_parameter_totals(name, top):
    model = imagenet.build(name, include_top=top, drawn=False)  # zeros take no memory until they are written to
    assert sum(p.size for p in model.parameters()) == TOTALS[name, top]


def test_layer_names_are_those_of_keras():
    expected = []
    for block, convolutions in enumerate((2, 2, 4, 4, 4), start=1):
        expected += [f"block{block}_conv{i}" for i in range(1, convolutions + 1)] + [f"block{block}_pool"]
    assert imagenet.build("vgg19", drawn=False).layer_names == expected
    top = ["flatten", "fc1", "fc2", "predictions"]
    assert imagenet.build("vgg19", include_top=True, drawn=False).layer_names == expected + top


@pytest.mark.parametrize("name", ["vgg16", "vgg19"])
def test_the_card(name):
    model = imagenet.build(name, drawn=False)
    card = model.card
    assert (card.name, card.input_size, card.preprocessing) == (name, (224, 224), "vgg")
    assert {*card.style_layers, card.content_layer} <= set(model.layer_names)
    layers = tuple(f"block{block}_conv1" for block in (1, 2, 3, 4, 5))
    assert (card.style_layers, card.content_layer) == (layers, "block4_conv2")
    recipe = card.recipe  # the course's
    assert (recipe.style_layers, recipe.content_layers) == (dict.fromkeys(layers, 0.2), {"block4_conv2": 1.0})
    assert (recipe.alpha, recipe.beta, recipe.pooling, recipe.steps) == (10, 40, "avg", 200)


def test_vgg_preprocessing_is_bgr_minus_the_mean():
    x = np.array([[[[1.0, 0.5, 0.0]]]], np.float32)
    expected = [[[[0 - 103.939, 127.5 - 116.779, 255 - 123.68]]]]
    assert_allclose(preprocessing("vgg")(Tensor(x)).data, expected, rtol=1e-5)
    with record() as tape:
        preprocessing("vgg")(Tensor(x))
    assert [step.name for step in tape] == ["getitem", "mul", "sub"]


@no_grad()
def test_features_come_in_the_order_asked_for_and_by_name(small):
    names = ["block3_conv2", "block1_pool", "block1_conv1.linear", "block1_conv1"]
    found = small.features(picture(), names)
    assert list(found) == names
    assert found["block3_conv2"].shape == (1, 8, 8, 6) and found["block1_pool"].shape == (1, 16, 16, 4)
    linear, activated = found["block1_conv1.linear"].data, found["block1_conv1"].data
    assert linear.min() < 0
    assert_array_equal(np.maximum(linear, 0), activated)


@no_grad()
def test_features_are_what_the_layers_compute(small):
    x = small.preprocessing(Tensor(picture()))
    found = small.features(picture(), small.layer_names)
    for layer in small.layers:
        x = layer(x)
        assert_allclose(found[layer.name].data, x.data, rtol=1e-5, atol=1e-5)
    assert_allclose(small(picture()).data, x.data, rtol=1e-5, atol=1e-5)


@no_grad()
def test_nothing_above_the_highest_layer_is_computed(small, monkeypatch):
    def fail(*_):
        raise AssertionError("computed")

    monkeypatch.setattr(small.body[3], "forward", fail)
    assert list(small.features(picture(), ["block1_pool"])) == ["block1_pool"]


@no_grad()
def test_linear_without_an_activation_of_its_own():
    """With batch norm it is the norm that has the ReLU behind it."""
    model = VGG(tiny.CARD, (4,), (1,), batch_norm=True, seed=0).eval()
    assert model.layer_names == ["block1_conv1", "block1_conv1_norm", "block1_pool"]
    found = model.features(picture(), ["block1_conv1", "block1_conv1.linear", "block1_pool"])
    assert_array_equal(found["block1_conv1"].data, found["block1_conv1.linear"].data)
    norm = model.features(picture(), ["block1_conv1_norm"])["block1_conv1_norm"]
    assert found["block1_conv1"].data.min() < 0 == norm.data.min()
    assert_array_equal(found["block1_pool"].data, model(picture()).data)


@pytest.mark.parametrize("name", ["block9_conv1", "block1_pool.linear", "block1_conv1.relu", "", "conv1_1"])
def test_an_unknown_layer(small, name):
    with pytest.raises(InputError, match="is unknown; vgg16 has block1_conv1, ") as caught:
        small.features(picture(), ["block1_conv1", name])
    assert repr(name) in str(caught.value)


@no_grad()
def test_pooling_can_be_swapped(small):
    layers = ["block1_conv2", "block1_pool"]
    for pooling, pool in (("avg", ops.avg_pool), ("max", ops.max_pool)):
        small.set_pooling(pooling)
        found = small.features(picture(), layers)
        assert_allclose(found["block1_pool"].data, pool(found["block1_conv2"], 2).data, rtol=1e-6)
    with pytest.raises(InputError, match="median"):
        models.tiny_vgg(None, pooling="median")


def test_pools_that_overlap_are_padded_where_they_are_to_see_everything():
    pools = [nn.MaxPool2d(3, stride=2, name="a"), nn.MaxPool2d(2, name="b"), nn.MaxPool2d(3, name="c")]
    model = Network(ModelCard("pools", (8, 8), "none"), pools)
    for whole, padded in ((False, 0), (True, ((0, 1), (0, 1)))):
        model.set_pooling("avg", whole=whole)
        assert [layer.padding for layer in model.body] == [padded, 0, 0]


def test_a_recipe_changes_only_what_it_names():
    recipe = StyleRecipe("nothing of its own", {}, {})
    for pooling, stride, name in ((None, None, None), ("avg", None, None), (None, 3, None), (None, None, "imagenet")):
        model = models.tiny_vgg(None, seed=0)
        before = model.pooling, model.stride, model.preprocessing
        asked = pooling, stride, name and preprocessing(name).ordered(model.preprocessing.order)
        assert model.adapt(replace(recipe, pooling=pooling, stride=stride, preprocessing=name)) is model
        found = model.pooling, model.stride, model.preprocessing
        assert found == tuple(new or old for new, old in zip(asked, before, strict=True))


def test_seeds():
    first, again, other = (models.vgg16(seed=seed).parameters() for seed in (0, 0, 1))
    for a, b, c in zip(first, again, other, strict=True):
        assert_array_equal(a.data, b.data)
        assert a.ndim == 1 or not np.array_equal(a.data, c.data)
    w = first[-2].data
    assert_allclose(w.std(), np.sqrt(2 / (9 * 512)), rtol=0.01)  # He et al. 2015


@pytest.mark.parametrize("x", [np.zeros((32, 32, 3), np.float32), np.zeros((1, 8, 8, 4)), np.zeros((1, 8, 8, 3), int)])
def test_what_is_no_picture(small, x):
    with pytest.raises(InputError, match=r"vgg16: x has shape .* expected floats \(N, H, W, 3\)"):
        small(x)


# --- weights -------------------------------------------------------------------------------------------------------


def test_a_full_file_into_a_network_without_top(tmp_path):
    path = write_keras(tmp_path / "full.h5", top=True)
    model = models.vgg19(path, pooling="avg")
    assert not model.training and model.pooling == "avg"
    assert all((p.data == 0.5).all() and p.requires_grad for p in model.parameters())
    assert model.load_report.complete and len(model.load_report.ignored) == 6
    assert "ignored: fc1/kernel" in str(model.load_report)
    assert models.recognise(path) is models.vgg19


def test_a_file_without_top_into_a_network_with_it(tmp_path):
    path = write_keras(tmp_path / "notop.h5", name="vgg16")
    with pytest.raises(LoadError, match=r"does not fit vgg16; missing in the file: fc1.w, fc1.b, fc2.w"):
        models.vgg16(path, include_top=True)
    with pytest.raises(LoadError, match=r"does not fit vgg19; missing in the file: block3_conv4.w"):
        models.vgg19(path)
    assert models.recognise(path) is models.vgg16


def test_layers_without_names_are_recognised(tmp_path):
    """Keras 3 before it wrote names: the number and the shapes of the layers tell the networks apart."""
    path = tmp_path / "model.weights.h5"
    with h5py.File(path, "w") as file:
        groups = {"Conv2d": "conv2d", "Linear": "dense"}
        count = dict.fromkeys(groups, 0)
        for layer in imagenet.build("vgg16", include_top=True, drawn=False).layers:
            if (kind := type(layer).__name__) in groups:
                number, count[kind] = count[kind], count[kind] + 1
                group = f"layers/{groups[kind]}{f'_{number}' * bool(number)}/vars"
                for i, parameter in enumerate(layer.parameters()):
                    stored = file.create_dataset(f"{group}/{i}", parameter.shape, "f4", chunks=True)
                    stored[(0,) * parameter.ndim if kind == "Linear" else ...] = 2
    assert models.recognise(path) is models.vgg16
    model = models.from_weights(path)
    assert model.card.name == "vgg16" and (model.parameters()[-1].data == 2).all()
    assert len(model.load_report.ignored) == 6 and model.load_report.notes


def test_a_file_that_fits_no_network(tmp_path):
    path = tmp_path / "other.h5"
    hdf5.save(nn.Sequential(nn.Linear(3, 2, name="dense1")), path)
    with pytest.raises(LoadError, match=r"fit none of tiny_vgg, vgg16, vgg19, .* dense1.b \(2,\), dense1.w \(3, 2\)"):
        models.from_weights(path)


@no_grad()
def test_tiny_vgg_by_name_and_by_path(tmp_path, monkeypatch):
    trained = models.tiny_vgg(None, seed=5)
    assert sum(p.size for p in trained.parameters()) == 2_244_330
    hdf5.save(trained, tmp_path / "tiny_vgg.h5", dtype="float16")
    monkeypatch.setenv("MINICNN_WEIGHTS", str(tmp_path))
    for model in (
        models.tiny_vgg(),
        models.tiny_vgg("tiny_vgg"),
        models.tiny_vgg(tmp_path / "tiny_vgg.h5"),
        models.from_weights("tiny_vgg"),
        models.from_weights(str(tmp_path / "tiny_vgg.h5"), pooling="avg"),
    ):
        assert not model.training and model.card.name == "tiny_vgg" and not model.load_report.notes
        for mine, theirs in zip(model.parameters(), trained.parameters(), strict=True):
            assert_array_equal(mine.data, theirs.data.astype(np.float16).astype(np.float32))
    assert model(picture()).shape == (1, 10)
    assert model.pooling == "avg" != trained.pooling


@no_grad()
def test_folding_batch_norm_changes_nothing(tmp_path):
    trained = tiny.build(batch_norm=True, seed=2)
    random = np.random.default_rng(0)
    for name, array in list(trained.named_state()):
        trained.set_state(name, random.uniform(0.5, 1.5, array.shape).astype(np.float32))
    trained.eval()
    hdf5.save(tiny.fold(trained), tmp_path / "folded.h5")
    expected = trained(picture()).data
    assert_allclose(models.tiny_vgg(tmp_path / "folded.h5")(picture()).data, expected, rtol=1e-3, atol=1e-4)


# --- the catalogue -------------------------------------------------------------------------------------------------


def test_the_catalogue():
    rows = zoo.catalog()
    assert "tiny_vgg" in [row.name for row in rows]
    for row in rows:
        assert row.name and row.file and row.source and row.licence


def test_weights_are_looked_for_in_the_chosen_folder_first(tmp_path, monkeypatch):
    mine, package = tmp_path / "mine", tmp_path / "site" / "minicnn"
    beside, shipped = tmp_path / "site" / "weights", package / "shipped" / "weights"
    monkeypatch.setattr(files, "PACKAGE", package)
    monkeypatch.delenv("MINICNN_WEIGHTS", raising=False)
    for folder in (beside, mine):
        folder.mkdir(parents=True)
    with pytest.raises(MissingFileError) as caught:
        zoo.path("tiny_vgg")
    assert repr(str(beside)) in str(caught.value) and "\n" not in str(caught.value)
    (beside / "tiny_vgg.h5").touch()
    assert zoo.path("tiny_vgg") == beside / "tiny_vgg.h5"  # a checkout
    monkeypatch.setenv("MINICNN_WEIGHTS", str(mine))
    assert zoo.path("tiny_vgg") == beside / "tiny_vgg.h5"
    (mine / "tiny_vgg.h5").touch()
    assert zoo.path("tiny_vgg") == mine / "tiny_vgg.h5"
    shutil.rmtree(mine)
    shipped.mkdir(parents=True)
    with pytest.raises(MissingFileError) as caught:
        zoo.path("tiny_vgg")  # installed: what lies beside the package is none of its own
    for folder in (mine, shipped):
        assert repr(str(folder)) in str(caught.value)


@pytest.mark.parametrize("weights", ["imagenet", "vgg_19", Path("no") / "such.h5", os.curdir + "/vgg19.h5"])
def test_neither_a_name_nor_a_file(weights):
    with pytest.raises(MissingFileError, match=r"neither a file nor in the catalogue \(.*tiny_vgg"):
        models.vgg19(weights)


def test_an_unknown_name():
    with pytest.raises(InputError, match=r"'vgg11' is not in the catalogue; expected one of .*tiny_vgg"):
        zoo.path("vgg11")
    with pytest.raises(InputError, match="weights is a int"):
        models.vgg16(3)

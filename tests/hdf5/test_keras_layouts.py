"""Files by Keras load, whichever version wrote them."""

import re

import h5py
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from samples import by_layer, network, same, write_keras_3, write_legacy

from minicnn import hdf5, nn


@pytest.mark.parametrize("text", [np.bytes_, str])
@pytest.mark.parametrize("name", ["{layer}/{variable}:0", "{layer}/{variable}", "{layer}_7/{variable}:0"])
@pytest.mark.parametrize("root", ["/", "model_weights"])
def test_keras_legacy(path, name, text, root):
    with h5py.File(path, "w") as file:
        write_legacy(file.require_group(root), network(), name=name, text=text)
        file.require_group(root).create_group("top_level_model_weights").attrs["weight_names"] = []
        if root != "/":
            file.attrs["model_config"] = '{"class_name": "Lambda", "marshalled": "…"}'
            file["optimizer_weights/iteration"] = np.int64(3)  # not a weight, so not our concern
    model = network(seed=1)
    report = hdf5.load(model, path)
    same(model, network())
    assert report.layout == "Keras .h5" and report.complete and "loaded from Keras .h5" in str(report)


def test_keras_1_calls_variables_anything_and_nests_layers(path):
    """Only the order tells kernel and bias apart, and layers such as fire2/squeeze share a group."""

    def fire(seed):
        random = np.random.default_rng(seed)
        squeeze = nn.Conv2d(3, 2, 1, seed=random, name="fire2/squeeze")
        return nn.Sequential(squeeze, nn.Conv2d(2, 2, 1, seed=random, name="fire2/expand"))

    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = np.array(["input_1", "fire2/squeeze", "fire2/relu", "fire2/expand"], "S")
        file.create_group("input_1")  # without weight_names
        file.create_group("fire2/relu").attrs["weight_names"] = []
        for i, layer in enumerate(fire(0).layers, start=1):
            group = file.create_group(layer.name)
            group.attrs["weight_names"] = np.array([f"uniform{i}", f"{layer.name}_b"], "S")
            group[f"uniform{i}"], group[f"{layer.name}_b"] = layer.w.data, layer.b.data
    model = fire(1)
    assert hdf5.load(model, path).complete
    same(model, fire(0))
    hdf5.save(model, path)  # names with slashes survive our own layout, too
    model = fire(1)
    hdf5.load(model, path)
    same(model, fire(0))


def test_attributes_that_keras_cut_in_pieces(path):
    with h5py.File(path, "w") as file:
        write_legacy(file, network())
        names = file.attrs["layer_names"]
        del file.attrs["layer_names"]
        file.attrs["layer_names0"], file.attrs["layer_names1"] = names[:2], names[2:]
    model = network(seed=1)
    assert hdf5.load(model, path).complete
    same(model, network())


def test_a_model_inside_a_model(path):
    """Its arrays lie in one group, under the names of their own layers."""
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = ["rescaling", "backbone"]
        file.create_group("rescaling").attrs["weight_names"] = []
        group = file.create_group("backbone")
        variables = {f"{layer}/{n}:0": a for layer, v in by_layer(network()).items() for n, a in v.items()}
        group.attrs["weight_names"] = list(variables)
        for name, array in variables.items():
            group[name] = array
    model = network(seed=1)
    assert hdf5.load(model, path).complete
    same(model, network())


@pytest.mark.parametrize("root", ["layers", "_layer_checkpoint_dependencies", "layers/functional/layers"])
@pytest.mark.parametrize("named", [True, False])
def test_keras_3(path, named, root):
    with h5py.File(path, "w") as file:
        write_keras_3(file, network(), named=named, root=root)
        for before_and_between in ("alpha_dropout", "dropout"):
            file[f"{root}/{before_and_between}/seed_generator/vars/0"] = np.zeros(2, np.uint32)
        file["optimizer/vars/0"] = np.int64(3)
    model = network(seed=1)
    report = hdf5.load(model, path)
    same(model, network())
    assert report.complete and bool(report.notes) != named
    assert hdf5.summary(path).notes == (() if named else ("the file names no layers, only their classes",))
    if not named:
        (note,) = report.notes
        assert re.search(r"matched by class, order and shape, as \S*batch_normalization = norm$", note)


def test_keras_3_puts_arrays_into_vars(path, refused):
    with h5py.File(path, "w") as file:
        write_keras_3(file, network())
        file["layers/dense_9/w"] = np.zeros(2, np.float32)
    refused(path, "'layers/dense_9/w' is not where Keras 3 puts arrays; expected …/vars/0, 1, …", model=network(seed=1))


def test_keras_3_counts_past_nine(path):
    layers = [nn.Linear(1, 1, bias=False, seed=i, name=f"layer{i}") for i in range(12)]
    with h5py.File(path, "w") as file:
        for i, layer in enumerate(layers):
            file[f"layers/dense{f'_{i}' * bool(i)}/vars/0"] = layer.w.data
    model = nn.Sequential(*(nn.Linear(1, 1, bias=False, name=f"layer{i}") for i in range(12)))
    hdf5.load(model, path)
    same(model, nn.Sequential(*layers))


def test_bfloat16(path):
    exact = np.array([[1.0, -2.5], [0.15625, 3e38]], np.float32)
    exact = (exact.view(np.uint32) & 0xFFFF0000).view(np.float32)
    layer = nn.Linear(2, 2, bias=False, name="dense")
    with h5py.File(path, "w") as file:
        stored = (exact.view(np.uint32) >> 16).astype(np.uint16).view("V2")
        file.create_dataset("layers/dense/vars/0", data=stored).attrs["dtype"] = "bfloat16"
        file["layers/dense/vars"].attrs["name"] = "dense"
    model = nn.Sequential(layer)
    hdf5.load(model, path)
    assert_array_equal(layer.w.data, exact)


@pytest.mark.parametrize("layer", ["{}", "{}_renamed"])
def test_layers_in_attributes_are_known_by_their_names(path, layer):
    class Two(nn.Module):
        def __init__(self, seed):
            self.first = nn.Linear(2, 3, seed=seed, name=layer.format("stem"))
            self.rest = nn.Sequential(nn.Linear(3, 2, seed=seed + 1, name="head"))

    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [layer.format("stem"), "head"]
        for module in (Two(0).first, Two(0).rest[0]):
            file[f"{module.name}/{module.name}/kernel"] = module.w.data
            file[f"{module.name}/{module.name}/bias"] = module.b.data
    model = Two(5)
    assert hdf5.load(model, path).complete
    same(model, Two(0))
    hdf5.save(model, path)
    hdf5.load(Two(7), path)


def fire(separator, seed):
    random = np.random.default_rng(seed)
    names = [f"fire2{separator}squeeze", f"fire2{separator}expand"]
    return nn.Sequential(*(nn.Conv2d(2, 2, 1, seed=random, name=name) for name in names))


@pytest.mark.parametrize(("in_file", "in_model"), ["/_", "_/", "//"])
def test_slashes_may_have_become_underscores(path, in_file, in_model):
    """Keras 3 allows no slashes in names."""
    hdf5.save(fire(in_file, 0), path, layout="keras")
    model = fire(in_model, 1)
    assert hdf5.load(model, path).complete
    for layer, other in zip(model.layers, fire(in_file, 0).layers, strict=True):
        assert_array_equal(layer.w.data, other.w.data)


@pytest.mark.parametrize("layer", ["norm", "beta"])
def test_batch_norm_without_scale(path, layer):
    """Its variables are beta, mean and variance, by their names or by their numbers."""
    make = lambda: nn.Sequential(nn.BatchNorm(3, scale=False, name="norm"))  # noqa: E731
    values = np.arange(9, dtype=np.float32).reshape(3, 3)
    with h5py.File(path, "w") as file:
        if layer == "beta":
            file.attrs["layer_names"] = ["norm"]
            for name, value in zip(("beta", "moving_mean", "moving_variance"), values, strict=True):
                file[f"norm/norm/{name}:0"] = value
        else:
            for i, value in enumerate(values):
                file[f"layers/batch_normalization/vars/{i}"] = value
    model = make()
    assert hdf5.load(model, path).complete
    for array, value in zip((model[0].beta.data, model[0].mean, model[0].variance), values, strict=True):
        assert_array_equal(array, value)


def test_numbers_with_gaps(path):
    """Keras 2.13 counted some layers twice."""
    layers = [nn.Linear(2, 2, seed=i, name=f"fc{i}") for i in range(3)]
    with h5py.File(path, "w") as file:
        for i, layer in zip((0, 2, 4), layers, strict=True):
            place = f"_layer_checkpoint_dependencies/dense{f'_{i}' * bool(i)}/vars"
            file[f"{place}/0"], file[f"{place}/1"] = layer.w.data, layer.b.data
    model = nn.Sequential(*(nn.Linear(2, 2, name=f"fc{i}") for i in range(3)))
    assert hdf5.load(model, path).complete
    same(model, nn.Sequential(*layers))


def test_a_layer_that_does_not_list_its_arrays_has_those_of_no_other(path):
    """fire2 lies around fire2/squeeze, and only one of them lists what it has."""
    make = lambda seed: nn.Sequential(  # noqa: E731
        nn.Linear(2, 2, seed=seed, name="fire2"), nn.Linear(2, 2, seed=seed + 1, name="fire2/squeeze")
    )
    hdf5.save(make(0), path, layout="keras")
    with h5py.File(path, "r+") as file:
        for group in ("fire2", "fire2/squeeze"):
            del file[group].attrs["weight_names"]
    model = make(5)
    assert hdf5.load(model, path).complete
    same(model, make(0))

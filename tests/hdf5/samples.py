"""A small network with every kind of array, and files of it in every layout."""

import numpy as np
from numpy.testing import assert_array_equal

from minicnn import nn
from minicnn.hdf5.matches import arrays_of


def network(seed=0, width=4):
    """A convolution without bias, batch norm with statistics other than 0 and 1, a convolution, and a linear layer."""
    random = np.random.default_rng(seed)
    norm = nn.BatchNorm(width, name="norm")
    norm.gamma.data = random.random(width, np.float32)
    norm.mean, norm.variance = random.random(width, np.float32), random.random(width, np.float32)
    return nn.Sequential(
        nn.Conv2d(3, width, 3, bias=False, seed=random, name="conv1"),
        norm,
        nn.Conv2d(width, 5, 3, seed=random, name="conv2"),
        nn.Linear(5, 2, seed=random, name="predictions"),
        name="small",
    )


# Our names -> Keras's, in the order of Keras's variables.
KERAS = {
    "conv1": {"w": "kernel"},
    "norm": {"gamma": "gamma", "beta": "beta", "mean": "moving_mean", "variance": "moving_variance"},
    "conv2": {"w": "kernel", "b": "bias"},
    "predictions": {"w": "kernel", "b": "bias"},
}
CLASSES = {"conv1": "conv2d", "norm": "batch_normalization", "conv2": "conv2d_1", "predictions": "dense"}


def by_layer(model):
    """{layer: {Keras's name of a variable: array}}"""
    arrays = arrays_of(model)
    return {layer: {theirs: arrays[f"{layer}.{ours}"] for ours, theirs in v.items()} for layer, v in KERAS.items()}


def write_legacy(group, model, *, name="{layer}/{variable}:0", text=np.bytes_, rename=str, extra=()):
    layers = {"input_1": {}, **by_layer(model), **dict(extra)}
    group.attrs["layer_names"] = [text(rename(layer)) for layer in layers]
    for layer, variables in layers.items():
        names = [name.format(layer=rename(layer), variable=variable) for variable in variables]
        here = group.create_group(rename(layer))
        here.attrs["weight_names"] = [text(n) for n in names]
        for n, array in zip(names, variables.values(), strict=True):
            here[n] = array


def write_keras_3(file, model, *, named=True, root="layers", extra=()):
    for layer, variables in {**by_layer(model), **dict(extra)}.items():
        here = file.create_group(f"{root}/{CLASSES.get(layer, layer)}/vars")
        if named:
            here.attrs["name"] = layer
        for i, array in enumerate(variables.values()):
            here[str(i)] = array


def same(model, other):
    mine, theirs = arrays_of(model), arrays_of(other)
    assert mine.keys() == theirs.keys()
    for name, array in mine.items():
        assert_array_equal(array, theirs[name], err_msg=name)
        assert array.dtype == theirs[name].dtype

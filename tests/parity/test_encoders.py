"""Encoders built in Keras from the tables of their papers: files that Keras wrote load, and every layer agrees.

And SqueezeNet from a real file of Keras 1, beside PyTorch with the same numbers.
"""

import os

os.environ.setdefault("KERAS_BACKEND", "torch")

import numpy as np
import pytest

pytest.importorskip("keras")
pytest.importorskip("torch")

import h5py
import keras
import torch
from keras import layers
from keras.src.legacy.saving import legacy_h5_format

from minicnn import models, nn
from minicnn.operation import no_grad
from minicnn.tensor import Tensor

# Keras hands PyTorch's tensors to NumPy 2 in the way of NumPy 1.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")

CLOSE = 1e-4  # max|Δ| / max|reference|


def relative_error(actual, reference):
    return np.abs(actual - reference).max() / np.abs(reference).max()


def lived_in(model):
    """The Keras model with batch norms that have seen data."""
    random = np.random.default_rng(0)
    draws = {
        "gamma": lambda n: random.uniform(0.5, 1.5, n),
        "beta": lambda n: random.normal(0, 0.2, n),
        "moving_mean": lambda n: random.normal(0, 0.2, n),
        "moving_variance": lambda n: random.uniform(0.5, 1.5, n),
        "bias": lambda n: random.normal(0, 0.1, n),
    }
    for variable in model.weights:
        if variable.name in draws:
            variable.assign(draws[variable.name](tuple(variable.shape)).astype(np.float32))
    return model


def legacy(model, folder):
    """As the files that deepface and keras-facenet publish."""
    with h5py.File(folder / "legacy.h5", "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, model)
    return folder / "legacy.h5"


def keras_3(model, folder):
    model.save_weights(folder / "model.weights.h5")
    return folder / "model.weights.h5"


def activations(model, x, names):
    """{name: output} of a Keras model's layers."""
    with torch.no_grad():
        outputs = keras.Model(model.input, [model.get_layer(name).output for name in names])(x, training=False)
    return dict(zip(names, (keras.ops.convert_to_numpy(y) for y in outputs), strict=True))


@no_grad()
def check(model, theirs, x, renamed):
    """Every layer of ours that has a name, and frozen, where convolutions and norms are one, the encoding.

    renamed: {layer of ours: the layer of theirs that computes it} where it is not the one of the same name.
    """
    assert model.load_report.complete and not model.training
    names = model.layer_names
    reference = activations(theirs, model.preprocessing(Tensor(x)).data, [renamed.get(name, name) for name in names])
    found = model.features(x, names)
    errors = {name: relative_error(found[name].data, reference[renamed.get(name, name)]) for name in names}
    assert max(errors.values()) < CLOSE, sorted(errors.items(), key=lambda pair: -pair[1])[:5]
    with nn.frozen(model):
        encoding = model(x).data
    assert relative_error(encoding, reference[names[-1]]) < CLOSE
    np.testing.assert_allclose(np.linalg.norm(encoding, axis=-1), 1, rtol=1e-5)
    assert np.abs(encoding[0] - encoding[1]).max() > 1e-4  # two faces, two encodings


def check_arrays(model, other):
    """The same numbers from another file."""
    assert model.load_report.complete
    arrays = [dict(m.named_state()) | {name: p.data for name, p in m.named_parameters()} for m in (model, other)]
    assert arrays[0].keys() == arrays[1].keys()
    for name in arrays[0]:
        np.testing.assert_array_equal(arrays[0][name], arrays[1][name], err_msg=name)


def faces(size):
    """Smooth and unlike, so that encodings differ."""
    random = np.random.default_rng(1)
    return np.kron(random.random((2, 4, 4, 3)), np.ones((1, size // 4, size // 4, 1))).astype(np.float32)


# --- Inception-ResNet-v1 -------------------------------------------------------------------------------------------


def inception_resnet_v1(embedding):
    def conv(x, name, filters, kernel, strides=1, padding="same"):
        x = layers.Conv2D(filters, kernel, strides=strides, padding=padding, use_bias=False, name=name)(x)
        x = layers.BatchNormalization(scale=False, epsilon=1e-3, name=f"{name}_BatchNorm")(x)
        return layers.Activation("relu", name=f"{name}_Activation")(x)

    def residual(x, name, width, scale, branches, activation="relu"):
        mixed = layers.Concatenate(name=f"{name}_Concatenate")(branches)
        up = layers.Conv2D(width, 1, name=f"{name}_Conv2d_1x1")(mixed)
        x = layers.Add()([x, layers.Rescaling(scale)(up)])
        return layers.Activation(activation, name=f"{name}_Activation")(x)

    entrance = keras.Input((160, 160, 3))
    x = conv(entrance, "Conv2d_1a_3x3", 32, 3, 2, "valid")
    x = conv(x, "Conv2d_2a_3x3", 32, 3, 1, "valid")
    x = conv(x, "Conv2d_2b_3x3", 64, 3)
    x = layers.MaxPooling2D(3, 2, name="MaxPool_3a_3x3")(x)
    x = conv(x, "Conv2d_3b_1x1", 80, 1, 1, "valid")
    x = conv(x, "Conv2d_4a_3x3", 192, 3, 1, "valid")
    x = conv(x, "Conv2d_4b_3x3", 256, 3, 2, "valid")
    for i in range(1, 6):
        b = f"Block35_{i}_Branch"
        first = conv(x, f"{b}_0_Conv2d_1x1", 32, 1)
        second = conv(conv(x, f"{b}_1_Conv2d_0a_1x1", 32, 1), f"{b}_1_Conv2d_0b_3x3", 32, 3)
        third = conv(conv(x, f"{b}_2_Conv2d_0a_1x1", 32, 1), f"{b}_2_Conv2d_0b_3x3", 32, 3)
        third = conv(third, f"{b}_2_Conv2d_0c_3x3", 32, 3)
        x = residual(x, f"Block35_{i}", 256, 0.17, [first, second, third])
    b = "Mixed_6a_Branch"
    first = conv(x, f"{b}_0_Conv2d_1a_3x3", 384, 3, 2, "valid")
    second = conv(conv(x, f"{b}_1_Conv2d_0a_1x1", 192, 1), f"{b}_1_Conv2d_0b_3x3", 192, 3)
    second = conv(second, f"{b}_1_Conv2d_1a_3x3", 256, 3, 2, "valid")
    third = layers.MaxPooling2D(3, 2, name=f"{b}_2_MaxPool_1a_3x3")(x)
    x = layers.Concatenate(name="Mixed_6a")([first, second, third])
    for i in range(1, 11):
        b = f"Block17_{i}_Branch"
        first = conv(x, f"{b}_0_Conv2d_1x1", 128, 1)
        second = conv(conv(x, f"{b}_1_Conv2d_0a_1x1", 128, 1), f"{b}_1_Conv2d_0b_1x7", 128, (1, 7))
        second = conv(second, f"{b}_1_Conv2d_0c_7x1", 128, (7, 1))
        x = residual(x, f"Block17_{i}", 896, 0.1, [first, second])
    b = "Mixed_7a_Branch"
    first = conv(conv(x, f"{b}_0_Conv2d_0a_1x1", 256, 1), f"{b}_0_Conv2d_1a_3x3", 384, 3, 2, "valid")
    second = conv(conv(x, f"{b}_1_Conv2d_0a_1x1", 256, 1), f"{b}_1_Conv2d_1a_3x3", 256, 3, 2, "valid")
    third = conv(conv(x, f"{b}_2_Conv2d_0a_1x1", 256, 1), f"{b}_2_Conv2d_0b_3x3", 256, 3)
    third = conv(third, f"{b}_2_Conv2d_1a_3x3", 256, 3, 2, "valid")
    fourth = layers.MaxPooling2D(3, 2, name=f"{b}_3_MaxPool_1a_3x3")(x)
    x = layers.Concatenate(name="Mixed_7a")([first, second, third, fourth])
    for i in range(1, 7):
        b = f"Block8_{i}_Branch"
        first = conv(x, f"{b}_0_Conv2d_1x1", 192, 1)
        second = conv(conv(x, f"{b}_1_Conv2d_0a_1x1", 192, 1), f"{b}_1_Conv2d_0b_1x3", 192, (1, 3))
        second = conv(second, f"{b}_1_Conv2d_0c_3x1", 192, (3, 1))
        last = i == 6
        x = residual(x, f"Block8_{i}", 1792, 1.0 if last else 0.2, [first, second], "linear" if last else "relu")
    x = layers.GlobalAveragePooling2D(name="AvgPool")(x)
    x = layers.Dropout(0.2, name="Dropout")(x)
    x = layers.Dense(embedding, use_bias=False, name="Bottleneck")(x)
    x = layers.BatchNormalization(scale=False, epsilon=1e-3, name="Bottleneck_BatchNorm")(x)
    return keras.Model(entrance, layers.UnitNormalization(name="norm_layer")(x))


@pytest.mark.parametrize("embedding", [128, 512])
def test_inception_resnet_v1(tmp_path, embedding):
    theirs = lived_in(inception_resnet_v1(embedding))
    assert theirs.count_params() == {128: 22_808_144, 512: 23_497_424}[embedding]
    path = legacy(theirs, tmp_path)
    model = models.recognise(path)(path)
    assert model.card.embedding == embedding
    renamed = {}
    for name in model.layer_names:  # our norms and blocks have their ReLU inside
        if name.endswith("_BatchNorm") and name != "Bottleneck_BatchNorm":
            renamed[name] = name.replace("_BatchNorm", "_Activation")
        elif name.startswith("Block") and name.count("_") == 1:
            renamed[name] = f"{name}_Activation"
    check(model, theirs, faces(160), renamed)
    check_arrays(models.inception_resnet_v1(keras_3(theirs, tmp_path), embedding=embedding), model)


# --- nn4.small2 ----------------------------------------------------------------------------------------------------


class ResponseNorm(layers.Layer):
    """x / (1 + alpha · Σ x²)^0.75 over `window` channels, alpha undivided."""

    def __init__(self, window, alpha, **options):
        super().__init__(**options)
        self.reach, self.alpha = window // 2, alpha

    def call(self, x):
        channels = x.shape[-1]
        squares = keras.ops.pad(keras.ops.square(x), ((0, 0), (0, 0), (0, 0), (self.reach, self.reach)))
        sums = sum(squares[..., i : i + channels] for i in range(2 * self.reach + 1))
        return x / (1 + self.alpha * sums) ** 0.75


class RootOfSquares(layers.Layer):
    """As Keras-OpenFace has it: the root of nine times the mean of the squares."""

    def call(self, x):
        return keras.ops.sqrt(9 * keras.ops.average_pool(keras.ops.square(x), 3, 3))


# variant: (window and undivided alpha of the response norms, whether the pools are L2 pools, epsilon of bn1)
VARIANTS = {
    "openface": ((5, 1e-4 / 5), True, 1e-5),
    "keras": ((11, 1e-4), True, 1e-5),
    "krasserm": ((11, 1e-4), False, 1e-5),
    "course": (None, False, 1e-3),
}


def nn4_small2(variant):
    response, roots, bn1_eps = VARIANTS[variant]

    def conv(x, name, norm, filters, kernel, strides=1, padding=0):
        x = layers.ZeroPadding2D(padding)(x)
        x = layers.Conv2D(filters, kernel, strides=strides, name=name)(x)
        x = layers.BatchNormalization(epsilon=bn1_eps if norm == "bn1" else 1e-5, name=norm)(x)
        return layers.Activation("relu", name=f"{norm}_relu")(x)

    def normalized(x, name):
        return ResponseNorm(*response, name=name)(x) if response else x

    def alike(name):
        return RootOfSquares(name=name) if roots else layers.AveragePooling2D(3, 3, name=name)

    def largest(name):
        return layers.MaxPooling2D(3, 2, name=name)

    def inception(x, block, three, five, pool, one, strides=1):
        name = f"inception_{block}"
        branch = conv(x, f"{name}_3x3_conv1", f"{name}_3x3_bn1", three[0], 1)
        branches = [conv(branch, f"{name}_3x3_conv2", f"{name}_3x3_bn2", three[1], 3, strides, 1)]
        if five:
            branch = conv(x, f"{name}_5x5_conv1", f"{name}_5x5_bn1", five[0], 1)
            branches.append(conv(branch, f"{name}_5x5_conv2", f"{name}_5x5_bn2", five[1], 5, strides, 2))
        kind, filters, zeros = pool
        branch = kind(f"{name}_pool")(x)
        if filters:
            branch = conv(branch, f"{name}_pool_conv", f"{name}_pool_bn", filters, 1)
        branches.append(layers.ZeroPadding2D((zeros, zeros), name=f"{name}_pool_pad")(branch))
        if one:
            branches.append(conv(x, f"{name}_1x1_conv", f"{name}_1x1_bn", one, 1))
        return layers.Concatenate(name=name)(branches)

    entrance = keras.Input((96, 96, 3))
    x = conv(entrance, "conv1", "bn1", 64, 7, 2, 3)
    x = layers.MaxPooling2D(3, 2, name="pool1")(layers.ZeroPadding2D(1)(x))
    x = normalized(x, "lrn_1")
    x = conv(x, "conv2", "bn2", 64, 1)
    x = normalized(conv(x, "conv3", "bn3", 192, 3, 1, 1), "lrn_2")
    x = layers.MaxPooling2D(3, 2, name="pool2")(layers.ZeroPadding2D(1)(x))
    x = inception(x, "3a", (96, 128), (16, 32), (largest, 32, (3, 4)), 64)
    x = inception(x, "3b", (96, 128), (32, 64), (alike, 64, (4, 4)), 64)
    x = inception(x, "3c", (128, 256), (32, 64), (largest, None, (0, 1)), None, 2)
    x = inception(x, "4a", (96, 192), (32, 64), (alike, 128, (2, 2)), 256)
    x = inception(x, "4e", (160, 256), (64, 128), (largest, None, (0, 1)), None, 2)
    x = inception(x, "5a", (96, 384), None, (alike, 96, (1, 1)), 256)
    x = inception(x, "5b", (96, 384), None, (largest, 96, (1, 1)), 256)
    x = layers.AveragePooling2D(3, 1, name="pool3")(x)
    x = layers.Dense(128, name="dense_layer")(layers.Flatten(name="flatten")(x))
    return keras.Model(entrance, layers.UnitNormalization(name="norm_layer")(x))


@pytest.mark.parametrize("variant", VARIANTS)
def test_nn4_small2(tmp_path, variant):
    theirs = lived_in(nn4_small2(variant))
    assert theirs.count_params() == 3_743_280
    path = legacy(theirs, tmp_path)
    assert models.recognise(path) is models.nn4_small2
    model = models.nn4_small2(path, variant=variant)
    renamed = {name: f"{name}_relu" for name in model.layer_names if name.rpartition("_")[2].startswith("bn")}
    check(model, theirs, faces(96), renamed)
    check_arrays(models.nn4_small2(keras_3(theirs, tmp_path), variant=variant), model)


# --- SqueezeNet ----------------------------------------------------------------------------------------------------


@no_grad()
def test_squeezenet_equals_pytorch_with_the_same_numbers(shared_data):
    path = shared_data / "weights" / "squeezenet_weights_tf_dim_ordering_tf_kernels_notop.h5"
    x = np.random.default_rng(0).random((1, 80, 72, 3), np.float32)
    functional = torch.nn.functional
    with h5py.File(path) as file:

        def conv(x, name, **options):
            arrays = [file[name][weight.decode()][()] for weight in file[name].attrs["weight_names"]]
            w, b = (torch.from_numpy(array) for array in arrays)
            return functional.relu(functional.conv2d(x, w.permute(3, 2, 0, 1), b, **options))

        mean = torch.tensor([104.006, 116.669, 122.679]).view(1, 3, 1, 1)
        y = torch.from_numpy(x).permute(0, 3, 1, 2).flip(1) * 255 - mean
        reference = {"conv1": (y := conv(y, "conv1", stride=2))}
        for i in range(2, 10):
            if i in (2, 4, 6):
                y = functional.max_pool2d(y, 3, 2)
            squeezed = conv(y, f"fire{i}/squeeze1x1")
            expanded = conv(squeezed, f"fire{i}/expand1x1"), conv(squeezed, f"fire{i}/expand3x3", padding=1)
            reference[f"fire{i}"] = y = torch.cat(expanded, dim=1)
    found = models.squeezenet(path).features(x, reference)
    for name, y in reference.items():
        assert relative_error(found[name].data, y.permute(0, 2, 3, 1).numpy()) < 1e-5, name

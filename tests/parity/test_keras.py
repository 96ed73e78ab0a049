"""Files written by Keras load, and then every layer computes what Keras computes."""

import os

os.environ.setdefault("KERAS_BACKEND", "torch")

import numpy as np
import pytest

pytest.importorskip("keras")
pytest.importorskip("torch")

import h5py
import keras
import torch
from keras.src.legacy.saving import legacy_h5_format

from minicnn import hdf5, models, nn, ops
from minicnn.models.card import ModelCard
from minicnn.models.vgg import VGG
from minicnn.operation import no_grad
from minicnn.tensor import Tensor

# Keras hands PyTorch's tensors to NumPy 2 in the way of NumPy 1.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")

CLOSE = 1e-4  # max|Δ| / max|reference|
CARD = ModelCard(name="small", input_size=(32, 32), preprocessing="vgg")


def whole_model(model, folder):
    """Layout 2 in the group model_weights, beside model_config."""
    model.save(folder / "model.h5")
    return folder / "model.h5"


def legacy_weights(model, folder):
    """Layout 2 at the root, as the files of keras.applications are."""
    with h5py.File(folder / "legacy.h5", "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, model)
    return folder / "legacy.h5"


def keras_3_weights(model, folder):
    """Layout 3, with the names of the layers."""
    model.save_weights(folder / "model.weights.h5")
    return folder / "model.weights.h5"


def keras_3_without_names(model, folder):
    """Layout 3 as its first writers left it."""
    path = keras_3_weights(model, folder)
    with h5py.File(path, "r+") as file:
        file.visititems(lambda _, item: item.attrs.pop("name", None))
    return path


WRITERS = [whole_model, legacy_weights, keras_3_weights, keras_3_without_names]


def perturbed(model):
    """The model with nothing left at the zeros and ones that Keras starts from."""
    random = np.random.default_rng(0)
    for variable in model.weights:
        if len(variable.shape) == 1:
            change = random.uniform(0.05, 0.2, tuple(variable.shape)).astype(np.float32)
            variable.assign(keras.ops.convert_to_numpy(variable) + change)
    return model


def activations(model, x):
    """{layer: output} of a Keras model, for x preprocessed."""
    layers = [layer for layer in model.layers if not isinstance(layer, keras.layers.InputLayer)]
    with torch.no_grad():
        outputs = keras.Model(model.input, [layer.output for layer in layers])(x, training=False)
    return {layer.name: keras.ops.convert_to_numpy(y) for layer, y in zip(layers, outputs, strict=True)}


def picture(size):
    return np.random.default_rng(1).random((2, size, size, 3), np.float32)


@no_grad()
def assert_close(model, x, reference, names=None):
    """Every layer by its name, against Keras's."""
    names = names or list(reference)
    found = model.features(x, names)
    errors = {n: np.abs(found[n].data - reference[n]).max() / np.abs(reference[n]).max() for n in names}
    assert max(errors.values()) < CLOSE, errors


@pytest.fixture(scope="module", params=["vgg16", "vgg19"])
def vgg(request):
    """(our builder, Keras's network of this name, a picture, what each layer of Keras's makes of it)."""
    build = {"vgg16": keras.applications.VGG16, "vgg19": keras.applications.VGG19}[request.param]
    theirs = perturbed(build(weights=None, include_top=False, input_shape=(64, 64, 3)))
    ours = getattr(models, request.param)
    x = picture(64)
    entered = ours(seed=None).preprocessing(Tensor(x)).data
    return ours, theirs, x, activations(theirs, entered)


@pytest.mark.parametrize("write", WRITERS)
def test_vgg(vgg, tmp_path, write):
    ours, theirs, x, reference = vgg
    path = write(theirs, tmp_path)
    assert models.recognise(path) is ours
    model = ours(path)
    assert list(reference) == model.layer_names
    assert bool(model.load_report.notes) == (write is keras_3_without_names)
    assert_close(model, x, reference)


@pytest.mark.parametrize("write", WRITERS)
def test_a_network_with_its_classifier(tmp_path, write):
    """VGG-16 for pictures of 64×64, where the classifier is smaller; a softmax away from our logits."""
    theirs = perturbed(keras.applications.VGG16(weights=None, input_shape=(64, 64, 3), classes=10))
    path = write(theirs, tmp_path)
    model = models.vgg16(seed=None)
    model.top = [
        nn.Flatten(name="flatten"),
        nn.Linear(2 * 2 * 512, 4096, activation="relu", initial="zeros", name="fc1"),
        nn.Linear(4096, 4096, activation="relu", initial="zeros", name="fc2"),
        nn.Linear(4096, 10, initial="zeros", name="predictions"),
    ]
    hdf5.load(model, path)
    x = picture(64) / 100  # small enough for the softmax not to saturate
    reference = activations(theirs, model.preprocessing(Tensor(x)).data)
    names = [name for name in reference if name != "predictions"]
    assert_close(model, x, reference, names)
    with no_grad():
        probabilities = ops.softmax(model(x)).data
    assert np.abs(probabilities - reference["predictions"]).max() < CLOSE
    without_top = models.vgg16(path)
    assert len(without_top.load_report.ignored) == 6
    assert_close(without_top, x, reference, without_top.layer_names)


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("write", WRITERS)
def test_average_pooling_and_batch_norm(tmp_path, write, batch_norm):
    layers = keras.layers
    x = entrance = keras.Input((None, None, 3))
    for block, (width, depth) in enumerate([(5, 2), (7, 1)], start=1):
        for i in range(1, depth + 1):
            name = f"block{block}_conv{i}"
            activation = None if batch_norm else "relu"
            x = layers.Conv2D(width, 3, padding="same", use_bias=not batch_norm, activation=activation, name=name)(x)
            if batch_norm:
                x = layers.BatchNormalization(name=f"{name}_norm")(x)
                x = layers.ReLU(name=f"{name}_relu")(x)
        x = layers.AveragePooling2D(2, name=f"block{block}_pool")(x)
    theirs = perturbed(keras.Model(entrance, x))
    model = VGG(CARD, (5, 7), (2, 1), pooling="avg", batch_norm=batch_norm, seed=0).eval()
    hdf5.load(model, write(theirs, tmp_path))
    seen = picture(32)
    reference = activations(theirs, model.preprocessing(Tensor(seen)).data)
    for name in [name for name in reference if name.endswith("_relu")]:  # our norm has its ReLU inside
        reference[name.replace("_relu", "_norm")] = reference.pop(name)
    assert set(reference) == set(model.layer_names)
    assert_close(model, seen, reference)


def test_a_compiled_and_trained_model(tmp_path):
    """Optimizer state, random states and metrics lie in the file, too."""
    layers = keras.layers
    inside = keras.Sequential(
        [keras.Input((8, 8, 3)), layers.Conv2D(4, 3, name="conv"), layers.Dropout(0.5), layers.Flatten()]
    )
    theirs = keras.Sequential([keras.Input((8, 8, 3)), inside, layers.Dense(2, name="head")])
    theirs.compile("adam", "mse", metrics=["mae"])
    theirs.fit(np.ones((4, 8, 8, 3), np.float32), np.zeros((4, 2), np.float32), verbose=0)
    for write in WRITERS:
        model = nn.Sequential(nn.Conv2d(3, 4, 3, name="conv"), nn.Flatten(), nn.Linear(144, 2, name="head")).eval()
        assert hdf5.load(model, write(theirs, tmp_path)).complete
        x = np.random.default_rng(0).random((1, 8, 8, 3), np.float32)
        expected = keras.ops.convert_to_numpy(theirs(x)).astype(np.float64)
        assert np.abs(model(x).data - expected).max() / np.abs(expected).max() < CLOSE


@pytest.mark.parametrize("policy", ["float16", "bfloat16"])
def test_half_precision(tmp_path, policy):
    layer = keras.layers.Dense(3, name="dense", dtype=policy)
    theirs = keras.Sequential([keras.Input((4,)), layer])
    theirs.save_weights(tmp_path / "half.weights.h5")
    model = nn.Sequential(nn.Linear(4, 3, name="dense"))
    hdf5.load(model, tmp_path / "half.weights.h5")
    kernel = keras.ops.convert_to_numpy(keras.ops.cast(layer.kernel, "float32"))
    np.testing.assert_array_equal(model[0].w.data, kernel)


# What minicnn writes, Keras loads

SAVED_AS = [("keras", "saved.h5"), ("keras3", "saved.weights.h5")]


def emptied(model):
    """The Keras model with zeros for weights, so that whatever it computes comes from the file."""
    for variable in model.weights:
        variable.assign(np.zeros(variable.shape, np.float32))
    return model


def predicted(model, x):
    with torch.no_grad():
        return keras.ops.convert_to_numpy(model(x, training=False))


def filled(model, seed=0):
    """Our model with random parameters and statistics."""
    random = np.random.default_rng(seed)
    for _, parameter in model.named_parameters():
        scale = np.sqrt(2 / np.prod(parameter.shape[:-1])) if parameter.ndim > 1 else 0.3
        parameter.data = random.normal(0, scale, parameter.shape).astype(np.float32)
    for name, array in list(model.named_state()):
        model.set_state(name, random.uniform(0.5, 1.5, array.shape).astype(np.float32))
    return model.eval()


@pytest.mark.parametrize(("layout", "name"), SAVED_AS)
def test_keras_loads_our_vgg16(tmp_path, layout, name):
    ours = filled(models.vgg16())
    hdf5.save(ours, tmp_path / name, layout=layout)
    theirs = emptied(keras.applications.VGG16(weights=None, include_top=False, input_shape=(64, 64, 3)))
    theirs.load_weights(tmp_path / name)
    x = picture(64)
    with no_grad():
        expected = ours(x).data
    found = predicted(theirs, ours.preprocessing(Tensor(x)).data)
    assert np.abs(found - expected).max() / np.abs(expected).max() < CLOSE
    again = models.vgg16(tmp_path / name)
    assert again.load_report.complete and not again.load_report.notes


def every_kind_of_layer():
    """(theirs, ours), with every kind of variable that both have."""
    layers = keras.layers
    theirs = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.Conv2D(4, 3, use_bias=False, name="conv1"),
            layers.BatchNormalization(name="norm1"),
            layers.PReLU(shared_axes=[1, 2], name="prelu1"),
            layers.Conv2D(6, 3, groups=2, name="conv2"),
            layers.BatchNormalization(scale=False, name="norm2"),
            layers.Flatten(name="flatten"),
            layers.Dense(5, name="dense"),
            layers.PReLU(name="prelu2"),
            layers.Dense(2, use_bias=False, name="last"),
        ]
    )
    ours = nn.Sequential(
        nn.Conv2d(3, 4, 3, bias=False, name="conv1"),
        nn.BatchNorm(4, name="norm1"),
        nn.PReLU(4, name="prelu1"),
        nn.Conv2d(4, 6, 3, groups=2, name="conv2"),
        nn.BatchNorm(6, scale=False, name="norm2"),
        nn.Flatten(name="flatten"),
        nn.Linear(96, 5, name="dense"),
        nn.PReLU(5, name="prelu2"),
        nn.Linear(5, 2, bias=False, name="last"),
    )
    return theirs, ours


@pytest.mark.parametrize("options", [{}, {"dtype": "float16"}, {"by_name": True}])
@pytest.mark.parametrize(("layout", "name"), SAVED_AS)
def test_keras_loads_every_kind_of_layer(tmp_path, layout, name, options):
    theirs, ours = every_kind_of_layer()
    options = dict(options)
    by_name = {"by_name": True} if options.pop("by_name", False) and layout == "keras" else {}
    hdf5.save(filled(ours), tmp_path / name, layout=layout, **options)
    emptied(theirs).load_weights(tmp_path / name, **by_name)
    hdf5.load(ours, tmp_path / name)  # rounded, if the file is
    x = np.random.default_rng(1).random((2, 8, 8, 3), np.float32)
    with no_grad():
        expected = ours(x).data
    assert np.abs(predicted(theirs, x) - expected).max() / np.abs(expected).max() < CLOSE


@pytest.mark.parametrize("write", WRITERS)
def test_every_kind_of_layer_comes_back(tmp_path, write):
    theirs, ours = every_kind_of_layer()
    path = write(perturbed(theirs), tmp_path)
    assert hdf5.load(ours.eval(), path).complete
    x = np.random.default_rng(1).random((2, 8, 8, 3), np.float32)
    with no_grad():
        found = ours(x).data
    expected = predicted(theirs, x)
    assert np.abs(found - expected).max() / np.abs(expected).max() < CLOSE

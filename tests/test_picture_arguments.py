"""Whatever takes a picture takes floats in [0, 1] and uint8, and says the same of both."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from minicnn import Tensor, faces, images, models, style, training, visualize
from minicnn.datasets import alignment, replays
from minicnn.errors import InputError

BYTES = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
FLOATS = BYTES.astype(np.float32) / np.float32(255)
OTHER = FLOATS[::-1].copy()
STEPS = {"steps": 1, "total_variation": 0.1}


@pytest.fixture(scope="module")
def vgg():
    return models.tiny_vgg()


@pytest.fixture(scope="module")
def encoder():
    return models.tiny_facenet()


def saved(path, picture):
    images.save(path, picture)
    return images.load(path)


def enrolled(encoder, picture):
    gallery = faces.Gallery(encoder, threshold=1.0)
    gallery.enroll("Ada", [picture])
    return np.array([gallery.identify(OTHER).distance, gallery.identify(picture).distance])


def detected(picture):
    """Boxes and scores, from a detector that knows nothing and believes in all."""
    found = faces.detect(picture, detector=models.mtcnn(None, seed=1), thresholds=(0, 0, 0))
    assert len(found.boxes)
    return np.column_stack([found.boxes, found.scores])


def logits(vgg, picture):
    return vgg(picture[None, :32, :32]).numpy()


# {what takes a picture: (what it makes of it)(picture, networks and a folder)}
TAKERS = {
    "images.save": lambda x, at: saved(at["folder"] / "x.png", x),
    "images.resize": lambda x, at: images.resize(x, 20, 30),
    "style.transfer: content": lambda x, at: style.transfer(x, OTHER, model=at["vgg"], **STEPS).image,
    "style.transfer: style": lambda x, at: style.transfer(OTHER, x, model=at["vgg"], **STEPS).image,
    "style.transfer: init": lambda x, at: style.transfer(OTHER, OTHER, model=at["vgg"], init=x, **STEPS).image,
    "style.content_cost": lambda x, at: style.content_cost(x[None], OTHER[None]).numpy(),
    "style.layer_style_cost": lambda x, at: style.layer_style_cost(x[None], OTHER[None]).numpy(),
    "style.total_variation": lambda x, at: style.total_variation(x[None]).numpy(),
    "a network": lambda x, at: logits(at["vgg"], x),
    "a network, of a Tensor": lambda x, at: at["vgg"](Tensor(x[None, :32, :32])).numpy(),
    "features": lambda x, at: at["vgg"].features(x[None], ["block1_conv1"])["block1_conv1"].numpy(),
    "an encoder": lambda x, at: at["encoder"](x[None]).numpy(),
    "faces.encode": lambda x, at: faces.encode(at["encoder"], [x]),
    "faces.encode, of a Tensor": lambda x, at: faces.encode(at["encoder"], [Tensor(x)]),
    "faces.Gallery": lambda x, at: enrolled(at["encoder"], x),
    "faces.detect": lambda x, at: detected(x),
    "visualize.saliency": lambda x, at: visualize.saliency(at["vgg"], "block2_conv1", x[:32, :32], 3),
    "visualize.integrated_gradients": lambda x, at: visualize.integrated_gradients(
        at["vgg"], "block2_conv1", OTHER[:32, :32], 3, steps=2, baseline=x[:32, :32]
    ),
    "visualize.occlusion": lambda x, at: visualize.occlusion(
        at["vgg"], "block2_conv1", OTHER[:32, :32], 3, colour=x[0, 0], size=16
    ),
    "visualize.invert": lambda x, at: visualize.invert(at["vgg"], "block1_conv1", x[:32, :32], steps=1).images,
    "training.accuracy": lambda x, at: np.array(training.accuracy(at["vgg"], x[None, :32, :32], label(at))),
    "training.augment": lambda x, at: training.augment(x[None], 2, np.random.default_rng(0)),
}
KEPT = {  # what gives back the kind that it was given
    "alignment.crop_centre": lambda x: alignment.crop_centre(x, 20),
    "replays.rephotograph": lambda x: replays.rephotograph(x, seed=0),
}


def label(at):
    """The label that the network gives the picture as floats."""
    return logits(at["vgg"], FLOATS).argmax(axis=1)


@pytest.fixture
def networks(vgg, encoder, tmp_path):
    return {"vgg": vgg, "encoder": encoder, "folder": tmp_path}


@pytest.mark.parametrize("name", TAKERS)
def test_bytes_are_floats_over_255(networks, name):
    assert_allclose(TAKERS[name](BYTES, networks), TAKERS[name](FLOATS, networks), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", KEPT)
def test_what_keeps_the_kind_says_the_same_of_both(name):
    assert KEPT[name](BYTES).dtype == np.uint8
    assert_allclose(KEPT[name](BYTES) / 255, KEPT[name](FLOATS), atol=0.51 / 255)


@pytest.mark.parametrize(
    "name", ["images.save", "style.transfer: content", "faces.encode", "faces.detect", "visualize.saliency"]
)
@pytest.mark.parametrize(
    ("picture", "said"),
    [
        (BYTES.astype(int), "dtype int64; expected floats in [0, 1], or uint8"),
        (BYTES > 100, "dtype bool; expected floats in [0, 1], or uint8"),
        (np.where(BYTES > 100, np.nan, FLOATS), "holds NaN or infinity"),
    ],
    ids=["integers", "booleans", "NaN"],
)
def test_all_refuse_the_same(networks, name, picture, said):
    with pytest.raises(InputError) as caught:
        TAKERS[name](picture, networks)
    assert said in str(caught.value) and "\n" not in str(caught.value)


def test_a_saved_picture_of_bytes_is_those_bytes(tmp_path):
    assert_array_equal(saved(tmp_path / "x.png", BYTES), FLOATS)

"""Encoders of faces and SqueezeNet: the tables of their papers, their cards, and files that are told apart."""

import inspect

import h5py
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from minicnn import gradcheck, hdf5, images, models, nn, ops, record, style
from minicnn.cli import main
from minicnn.datasets.alignment import TEMPLATES
from minicnn.errors import InputError, LoadError
from minicnn.models import deep_face, dlib_net, imagenet, inception_resnet, nn4, recognition, tiny_face
from minicnn.models.card import PREPROCESSING, ModelCard, Preprocessing, _rows, preprocessing
from minicnn.models.network import Network
from minicnn.operation import no_grad
from minicnn.tensor import Tensor

# name: (a builder, trainable parameters, with the running statistics), as their publishers state them.
EMPTY = {
    "nn4_small2": (lambda: nn4.build(initial="zeros"), 3_733_968, 3_743_280),
    "128-d": (lambda: inception_resnet.build(initial="zeros"), 22_779_312, 22_808_144),
    "512-d": (lambda: inception_resnet.build(embedding=512, initial="zeros"), 23_467_824, 23_497_424),
    "dlib_face": (lambda: dlib_net.build(initial="zeros"), 5_607_488, 5_607_488),
    "deepface": (lambda: deep_face.build(initial="zeros"), 102_412_864, 102_412_864),
    "deepface with top": (lambda: deep_face.build(include_top=True, initial="zeros"), 137_774_071, 137_774_071),
    "squeezenet": (lambda: imagenet.build_squeezenet(initial="zeros"), 722_496, 722_496),
}


def picture(size, seed=0):
    return np.random.default_rng(seed).random((1, size, size, 3), np.float32)


def relative_error(actual, reference):
    return np.abs(actual - reference).max() / np.abs(reference).max()


def lived_in(model):
    """With statistics and shifts that are not those of the start."""
    random = np.random.default_rng(3)
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm):
            shape = layer.beta.shape
            layer.beta.data = random.normal(0, 0.2, shape).astype(np.float32)
            layer.mean = random.normal(0, 0.2, shape).astype(np.float32)
            layer.variance = random.uniform(0.5, 1.5, shape).astype(np.float32)
    return model.eval()


# --- architecture --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", EMPTY)
def test_parameter_totals(name):
    build, trainable, total = EMPTY[name]
    model = build()  # zeros take no memory until they are written to
    assert sum(p.size for p in model.parameters()) == trainable
    assert trainable + sum(state.size for _, state in model.named_state()) == total


@no_grad()
def test_inception_resnet_v1_is_its_table():
    model = lived_in(models.inception_resnet_v1())
    layers = list(model.modules())
    counts = [sum(isinstance(layer, kind) for layer in layers) for kind in (nn.Conv2d, nn.BatchNorm, nn.Linear)]
    assert counts == [132, 112, 1]  # 21 convolutions have no norm behind them, the dense layer has
    assert all(layer.gamma is None and layer.eps == 1e-3 for layer in layers if isinstance(layer, nn.BatchNorm))
    table = {
        "Conv2d_1a_3x3": (79, 79, 32), "Conv2d_2a_3x3": (77, 77, 32), "Conv2d_2b_3x3": (77, 77, 64),
        "MaxPool_3a_3x3": (38, 38, 64), "Conv2d_3b_1x1": (38, 38, 80), "Conv2d_4a_3x3": (36, 36, 192),
        "Conv2d_4b_3x3": (17, 17, 256), "Block35_1": (17, 17, 256), "Block35_5": (17, 17, 256),
        "Mixed_6a": (8, 8, 896), "Block17_1": (8, 8, 896), "Block17_10": (8, 8, 896), "Mixed_7a": (3, 3, 1792),
        "Block8_5": (3, 3, 1792), "Block8_6": (3, 3, 1792), "AvgPool": (1792,), "Bottleneck": (128,),
        "norm_layer": (128,),
    }  # fmt: skip
    found = model.features(picture(160), [*table, "Block35_4", "Block35_5_Conv2d_1x1", "Block8_6_Conv2d_1x1"])
    assert {name: found[name].shape[1:] for name in table} == table
    x = {name: y.data for name, y in found.items()}
    expected = np.maximum(x["Block35_4"] + 0.17 * x["Block35_5_Conv2d_1x1"], 0)
    assert relative_error(x["Block35_5"], expected) < 1e-6
    assert relative_error(x["Block8_6"], x["Block8_5"] + x["Block8_6_Conv2d_1x1"]) < 1e-6  # scale 1, no ReLU
    assert x["Block8_6"].min() < 0
    assert_allclose(np.linalg.norm(x["norm_layer"]), 1, rtol=1e-6)
    with nn.frozen(model):
        assert relative_error(model(picture(160)).data, x["norm_layer"]) < 1e-5


@pytest.fixture(scope="module")
def small2():
    """nn4.small2 in each variant, all with the same weights."""
    first = lived_in(models.nn4_small2())
    found = {"openface": first}
    for variant in ("keras", "krasserm", "course"):
        found[variant] = nn4.build(variant=variant, initial="zeros").eval()
        for mine, theirs in zip(found[variant].parameters(), first.parameters(), strict=True):
            mine.data = theirs.data
        for name, state in first.named_state():
            found[variant].set_state(name, state)
    return found


BRANCHES = ("3x3_bn2", "5x5_bn2", "pool_pad", "1x1_bn")  # in the order in which their channels follow


@no_grad()
def test_nn4_small2_is_its_table(small2):
    model = small2["openface"]
    table = {
        "conv1": (48, 48, 64), "lrn_1": (24, 24, 64), "bn2": (24, 24, 64), "lrn_2": (24, 24, 192),
        "pool2": (12, 12, 192), "inception_3a": (12, 12, 256), "inception_3b": (12, 12, 320),
        "inception_3c": (6, 6, 640), "inception_4a": (6, 6, 640), "inception_4e": (3, 3, 1024),
        "inception_5a": (3, 3, 736), "inception_5b": (3, 3, 736), "pool3": (1, 1, 736), "dense_layer": (128,),
        "norm_layer": (128,),
    }  # fmt: skip
    blocks = [name for name in table if name.startswith("inception")]
    names = [f"{block}_{branch}" for block in blocks for branch in BRANCHES]
    names = [name for name in names if name in model.layer_names]
    x = {name: y.data for name, y in model.features(picture(96), [*table, *names]).items()}
    assert {name: x[name].shape[1:] for name in table} == table
    for block in blocks:
        branches = [x[f"{block}_{branch}"] for branch in BRANCHES if f"{block}_{branch}" in x]
        assert_array_equal(x[block], np.concatenate(branches, axis=-1))
    padded = x["inception_3a_pool_pad"].copy()
    assert padded[:, 3:-4, 3:-4].shape == (1, 5, 5, 32) and padded.any()
    padded[:, 3:-4, 3:-4] = 0
    assert not padded.any()
    assert_allclose(np.linalg.norm(x["norm_layer"]), 1, rtol=1e-6)
    with nn.frozen(model):
        assert relative_error(model(picture(96)).data, x["norm_layer"]) < 1e-5


@no_grad()
def test_the_variants_of_nn4_small2_differ_where_they_are_said_to(small2):
    x = picture(96)
    names = ["pool1", "inception_3a", "inception_3b_pool"]
    found = {v: {name: y.data for name, y in model.features(x, names).items()} for v, model in small2.items()}
    encodings = {variant: model(x).data for variant, model in small2.items()}
    kinds = list(small2)
    for i, one in enumerate(kinds):
        for other in kinds[i + 1 :]:
            assert relative_error(encodings[one], encodings[other]) > 1e-5, (one, other)
    assert_array_equal(found["openface"]["pool1"], found["keras"]["pool1"])
    assert relative_error(found["course"]["pool1"], found["openface"]["pool1"]) > 1e-5  # epsilon of bn1
    assert_array_equal(found["keras"]["inception_3a"], found["krasserm"]["inception_3a"])
    pools = found["keras"]["inception_3b_pool"], found["krasserm"]["inception_3b_pool"]
    rows = found["keras"]["inception_3a"].reshape(1, 4, 3, 4, 3, 256)
    assert_allclose(pools[0], np.sqrt(np.square(rows).sum(axis=(2, 4))), rtol=1e-5)
    assert_allclose(pools[1], rows.mean(axis=(2, 4)), rtol=1e-5)
    x, y = (small2["keras"].features(x, [name])[name].data for name in ("pool1", "lrn_1"))
    squares = np.pad(np.square(x, dtype=np.float64), ((0, 0),) * 3 + ((5, 5),))
    sums = sum(squares[..., i : i + 64] for i in range(11))
    assert_allclose(y, x / (1 + 1e-4 * sums) ** 0.75, rtol=1e-5)  # tf.nn.lrn's formula, radius 5
    assert "lrn_1" not in small2["course"].layer_names
    assert len({model.card.name for model in small2.values()}) == 4
    windows = {"openface": (5, 1e-4), "keras": (11, 11e-4), "krasserm": (11, 11e-4)}
    for variant, model in small2.items():
        layers = list(model.modules())
        found = [(layer.size, layer.alpha) for layer in layers if isinstance(layer, nn.LocalResponseNorm)]
        assert found == [pytest.approx(windows.get(variant))] * (2 * (variant in windows))
        epsilons = {layer.eps for layer in layers if isinstance(layer, nn.BatchNorm) and layer.name != "bn1"}
        first = next(layer for layer in layers if layer.name == "bn1")
        assert epsilons == {1e-5} and first.eps == (1e-3 if variant == "course" else 1e-5)


@no_grad()
def test_deepface_is_its_table():
    model = deep_face.build(include_top=True, initial="zeros").eval()
    shapes = [y.shape[1:] for y in model.features(picture(152), model.layer_names).values()]
    table = [(142, 142, 32), (71, 71, 32), (63, 63, 16), (55, 55, 16), (25, 25, 16), (21, 21, 16), (7056,), (4096,)]
    assert shapes == [*table, (4096,), (8631,)]


@no_grad()
def test_squeezenet_is_its_table():
    model = models.squeezenet(seed=1)
    fires = [f"fire{i}" for i in range(2, 10)]
    expected = ["conv1", "pool1"]
    for fire in fires:
        expected += [f"{fire}/squeeze1x1", f"{fire}/expand1x1", f"{fire}/expand3x3", fire]
        expected += {"fire3": ["pool3"], "fire5": ["pool5"]}.get(fire, [])
    assert model.layer_names == expected
    found = {name: y.data for name, y in model.features(picture(64), expected).items()}
    shapes = [found[fire].shape[1:] for fire in fires]
    assert shapes == [(15, 15, 128)] * 2 + [(7, 7, 256)] * 2 + [(3, 3, 384)] * 2 + [(3, 3, 512)] * 2
    assert_array_equal(found["fire2"][..., :64], found["fire2/expand1x1"])
    assert_array_equal(found["fire2"][..., 64:], found["fire2/expand3x3"])
    model.adapt(model.card.recipe)
    assert (model.pooling, model.stride) == ("avg", 1)
    adapted = model.features(picture(64), ["conv1", "pool1", "fire2"])
    assert adapted["conv1"].shape == (1, 62, 62, 64) and adapted["fire2"].shape == (1, 31, 31, 128)
    assert_array_equal(adapted["conv1"].data[:, ::2, ::2], found["conv1"])
    model.set_pooling("max")
    assert model.pooling == "max" and all(isinstance(model.find(f"pool{i}"), nn.MaxPool2d) for i in (1, 3, 5))


def test_style_transfer_sees_every_pixel():
    """As trained, the pools leave the last seven rows and columns of such a picture to no deep layer."""
    model = models.squeezenet(seed=1)
    unseen = []
    for _ in range(2):
        x = Tensor(picture(64), requires_grad=True)
        ops.square(model.features(x, ["fire8"])["fire8"]).sum().backward()
        unseen.append(int((np.abs(x.grad).sum(axis=(0, 1, 3)) == 0).sum()))
        model.adapt(model.card.recipe)
    assert unseen[0] > 0 == unseen[1]


# --- cards ---------------------------------------------------------------------------------------------------------


def test_every_card_says_how_its_pictures_are_prepared():
    for build, *_ in EMPTY.values():
        card = build().card
        assert card.preprocessing in PREPROCESSING and card.input_size[0] >= 96
        assert (card.embedding is None) != (card.metric is not None)
        assert (card.embedding is None) == (card.recipe is not None)
    assert str(Preprocessing(mean=(0.0, 0.0, 2.0), scale=255.0)) == "RGB×255 − (0, 0, 2)"
    assert str(PREPROCESSING["whitened"]) == "RGB, each picture's own mean and deviation"


PUBLISHED = {  # mean, scale, deviation and order of the channels; pictures are RGB in [0, 1]
    "vgg": ((103.939, 116.779, 123.68), 255, (1, 1, 1), "BGR"),
    "vgg-rgb": ((123.68, 116.779, 103.939), 255, (1, 1, 1), "RGB"),
    "vgg-256": ((103.939, 116.779, 123.68), 256, (1, 1, 1), "BGR"),
    "imagenet": ((0.485, 0.456, 0.406), 1, (0.229, 0.224, 0.225), "RGB"),
    "imagenet-255": ((123.675, 116.28, 103.53), 255, (1, 1, 1), "RGB"),
    "squeezenet": ((104.006, 116.669, 122.679), 255, (1, 1, 1), "BGR"),
    "cifar10": ((0.4914, 0.4822, 0.4465), 1, (0.2470, 0.2435, 0.2616), "RGB"),
    "whitened": ((0, 0, 0), 255, (1, 1, 1), "RGB"),
    "centred": ((127.5, 127.5, 127.5), 255, (128, 128, 128), "RGB"),
    "dlib": ((122.782, 117.001, 104.298), 255, (256, 256, 256), "RGB"),
    "half": ((0.5, 0.5, 0.5), 1, (0.25, 0.25, 0.25), "RGB"),
    "none": ((0, 0, 0), 1, (1, 1, 1), "RGB"),
}


def test_pictures_are_prepared_by_the_numbers_that_are_published():
    for name, prepared in PREPROCESSING.items():
        found = prepared.mean, prepared.scale, prepared.deviation, prepared.order
        assert found == PUBLISHED[name] and prepared.whitened == (name == "whitened")
    assert PREPROCESSING.keys() == PUBLISHED.keys()


def test_landmarks_are_where_faces_were_aligned_in_training():
    eyes = "left eye", "right eye"
    five = (*eyes, "tip of the nose", "left corner of the mouth", "right corner of the mouth")
    dlib = ((0.3203, 0.3140), (0.6732, 0.3140), (0.4968, 0.5137), (0.3394, 0.6902), (0.6541, 0.6902))
    assert dlib_net.CARD.landmarks == dict(zip(five, dlib, strict=True))
    drawn = ((0.385, 0.47), (0.615, 0.47), (0.5, 0.61), (0.41, 0.735), (0.59, 0.735))
    assert tiny_face.CARD.landmarks == dict(zip(five, drawn, strict=True))
    assert_array_equal(TEMPLATES["portrait"], drawn)
    outer = ((0.1942, 0.1693), (0.7889, 0.1582), (0.4950, 0.5144))  # by which OpenFace aligns
    openface = ((0.2774, 0.1673), (0.7061, 0.1590), (0.4921, 0.4221), (0.3071, 0.6418), (0.6954, 0.6341))
    corners = (*(f"outer corner of the {eye}" for eye in eyes), "base of the nose")
    assert list(nn4.LANDMARKS.items()) == list(zip((*corners, *five), (*outer, *openface), strict=True))
    assert_array_equal(TEMPLATES["openface"], openface)


@pytest.mark.parametrize(
    ("module", "function", "given", "built", "ignored"),
    [
        (dlib_net, "dlib_face", {}, {"seed": 5}, {}),
        (deep_face, "deepface", {}, {"include_top": False, "seed": 5}, {"ignore": ("F8",)}),
        (deep_face, "deepface", {"include_top": True}, {"include_top": True, "seed": 5}, {"ignore": ()}),
    ],
)
def test_large_encoders_are_drawn_or_read_and_not_both(monkeypatch, module, function, given, built, ignored):
    """Nothing is drawn here: it would take seconds."""
    asked = []
    monkeypatch.setattr(module, "build", lambda **options: asked.append(options) or "a network")
    monkeypatch.setattr(module, "load_weights", lambda *what, **options: (*what, options))
    build = getattr(module, function)
    assert build(None, seed=5, **given) == "a network"
    assert build("weights.h5", seed=5, **given) == ("a network", "weights.h5", ignored)
    empty = {"initial": "zeros", **{key: built[key] for key in built if key != "seed"}}
    assert asked == [built, empty]


@no_grad()
def test_pictures_are_prepared_as_each_checkpoint_of_facenet_wants_them():
    pixels = picture(4) * 255
    prepared = {name: preprocessing(name)(Tensor(pixels / 255)).data for name in ("whitened", "centred", "none")}
    assert_allclose(prepared["whitened"], (pixels - pixels.mean()) / pixels.std(), rtol=1e-4, atol=1e-5)
    assert_allclose(prepared["centred"], (pixels - 127.5) / 128, atol=1e-6)
    assert_allclose(prepared["none"], pixels / 255, atol=1e-7)
    flat = preprocessing("whitened")(Tensor(np.full((1, 4, 4, 3), 0.5, np.float32))).data
    assert_allclose(flat, 0, atol=1e-3)  # and no division by zero
    for options, name in ({}, "whitened"), ({"embedding": 512}, "centred"), ({"preprocessing": "none"}, "none"):
        model = inception_resnet.build(initial="zeros", **options)
        assert model.card.preprocessing == name and model.preprocessing is PREPROCESSING[name]
        assert (model.card.accuracy is None) == ("preprocessing" in options)


@no_grad()
@pytest.mark.parametrize("deviation", [0.3, 0.1])
def test_faint_pictures_are_divided_by_a_least_deviation(deviation):
    """It is 1 / √48 = 0.144 for a picture of 48 numbers. Source: facenet's prewhiten."""
    pixels = np.full((1, 4, 4, 3), 100.0)
    pixels[:, ::2] += deviation
    pixels[:, 1::2] -= deviation
    whitened = preprocessing("whitened")(Tensor(pixels / 255)).data
    assert_allclose(whitened, (pixels - 100) / max(deviation, 48**-0.5), rtol=1e-9)


def test_each_picture_is_whitened_by_itself_and_passes_its_gradient():
    x = np.random.default_rng(0).random((2, 3, 2, 3))
    both, second = (preprocessing("whitened")(Tensor(pictures)).data for pictures in (x, x[1:]))
    assert_allclose(both[1:], second, rtol=1e-12)
    gradcheck(preprocessing("whitened"), [x])


@pytest.mark.parametrize("name", ["vgg", "vgg-rgb", "imagenet", "centred", "none"])
def test_a_picture_is_prepared_alike_with_and_without_its_gradient(name):
    x = np.random.default_rng(0).random((2, 3, 2, 3))
    gradcheck(preprocessing(name), [x])
    with record() as tape:
        watched = preprocessing(name)(ops.neg(Tensor(-x))).data
    assert_array_equal(watched, preprocessing(name)(Tensor(x, requires_grad=True)).data)
    assert_array_equal(watched, preprocessing(name)(Tensor(x)).data)
    assert len(tape) == {"vgg": 4, "none": 1}.get(name, 3)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((1, 96, 100, 3), np.float32), r"x has shape \(1, 96, 100, 3\); expected \(N, 96, 96, 3\)"),
        (np.zeros((96, 96, 3), np.float32), r"expected floats \(N, H, W, 3\), RGB in \[0, 1\]"),
        (np.full((1, 96, 96, 3), 200.0, np.float32), r"x goes from 200 to 200; expected RGB in \[0, 1\]"),
        (
            np.insert(np.zeros(96 * 96 * 3 - 1, np.float32), 5, -2).reshape(1, 96, 96, 3),
            "x goes from -2 to 0",
        ),
        (np.insert(np.zeros(96 * 96 * 3 - 1, np.float32), 5, 3).reshape(1, 96, 96, 3), "x goes from 0 to 3"),
        ((picture(96) - 0.5) * 4, r"expected RGB in \[0, 1\], which the network prepares itself"),
        (np.full((1, 96, 96, 3), np.nan, np.float32), r"expected RGB in \[0, 1\]"),
    ],
)
def test_an_encoder_refuses_what_is_not_prepared_for_it(x, message):
    with pytest.raises(InputError, match=message) as caught:
        nn4.build(initial="zeros")(x)
    assert "\n" not in str(caught.value)


@no_grad()
@pytest.mark.parametrize(("low", "high", "fits"), [(-0.1, 1.1, True), (-0.101, 1, False), (0, 1.101, False)])
def test_an_encoder_takes_what_exceeds_the_range_a_little(low, high, fits):
    card = ModelCard(name="small", input_size=(2, 1), preprocessing="none", embedding=6, metric="squared_l2")
    model = Network(card, [nn.ReLU()])
    x = np.array([low, high, 0, 1, 0, 1], np.float32).reshape(1, 2, 1, 3)
    if fits:
        assert_array_equal(model(x).data, np.maximum(x, 0))
        assert model(x[:0]).shape == (0, 2, 1, 3)
        assert (model(np.full_like(x, high)).data == np.float32(high)).all()
    else:
        with pytest.raises(InputError) as said:
            model(x)
        assert str(said.value) == (
            f"small: x goes from {low} to {high}; expected RGB in [0, 1], which the network prepares itself"
        )


def test_of_the_layers_of_a_large_network_forty_are_named():
    card = ModelCard(name="toy", input_size=(9, 8), preprocessing="none")
    model = Network(card, [nn.ReLU(name=f"relu{number}") for number in range(42)])
    with pytest.raises(InputError) as said:
        model.check_layer("rely7")
    assert str(said.value).startswith(
        f"features: layer 'rely7' is unknown; toy has {', '.join(model.layer_names[:40])} and 2 more, "
        "and NAME.linear for a convolution before its ReLU"
    )


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("none", "RGB"),
        ("vgg", "BGR×255 − (103.9, 116.8, 123.7)"),
        ("imagenet", "(RGB − (0.485, 0.456, 0.406)) / (0.229, 0.224, 0.225)"),
        ("dlib", "(RGB×255 − (122.8, 117, 104.3)) / (256, 256, 256)"),
        ("whitened", "RGB, each picture's own mean and deviation"),
    ],
)
def test_how_pictures_are_prepared_in_words(name, said):
    assert str(preprocessing(name)) == said


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: models.nn4_small2(variant="torch"), "variant is 'torch'; expected one of openface, keras"),
        (lambda: models.inception_resnet_v1(embedding=256), "embedding is 256; expected one of 128, 512"),
        (lambda: models.inception_resnet_v1(preprocessing="facenet"), "preprocessing is 'facenet'; expected one of"),
        (lambda: ModelCard("mine", (8, 8), "vgg16"), "^preprocessing is 'vgg16'; expected one of vgg, vgg-rgb, "),
        (lambda: nn4.build(initial="zeros").set_pooling("avg"), "nn4_small2: its pools belong to its weights"),
        (lambda: models.squeezenet(pooling="median"), "pooling is 'median'"),
    ],
)
def test_bad_options_get_one_line(call, message):
    with pytest.raises(InputError, match=message):
        call()


# --- weights -------------------------------------------------------------------------------------------------------

VARIABLES = {"w": "kernel", "b": "bias", "gamma": "gamma", "beta": "beta", "mean": "moving_mean",
             "variance": "moving_variance"}  # fmt: skip


def write_keras(path, model):
    """A legacy file with every array's name and shape, and hardly any numbers."""
    with h5py.File(path, "w") as file:
        layers = [name for name, layer in model.children() if layer.parameters()]
        file.attrs["layer_names"] = np.array(layers, "S")
        for name in layers:
            layer = model.find(name)
            arrays = [*layer.named_parameters(), *layer.named_state()]
            group = file.create_group(name)
            group.attrs["weight_names"] = np.array([f"{name}/{VARIABLES[role]}:0" for role, _ in arrays], "S")
            for role, array in arrays:
                shape = array.shape
                if isinstance(layer, nn.LocallyConnected2d) and role == "w":
                    shape = (np.prod(shape[:2]), np.prod(shape[2:5]), shape[-1])
                stored = group.create_dataset(f"{name}/{VARIABLES[role]}:0", shape, "f4", chunks=True)
                stored[(0,) * len(shape)] = 1
    return path


@pytest.mark.parametrize("name", EMPTY)
def test_the_network_of_a_file_is_recognised(name, tmp_path):
    found = models.recognise(write_keras(tmp_path / "weights.h5", EMPTY[name][0]()))
    expected = {"128-d": "inception_resnet_v1", "512-d": "inception_resnet_v1", "deepface with top": "deepface"}
    assert found is getattr(models, expected.get(name, name)) or name == "512-d"
    assert found.__name__ == expected.get(name, name)
    assert getattr(found, "keywords", {}) == ({"embedding": 512} if name == "512-d" else {})


def test_branches_are_told_apart_by_name_only(tmp_path):
    """Keras lists the layers of branches in an order of its own; by class and shape alone, two could be swapped."""
    model = imagenet.build_squeezenet(initial="zeros")
    with h5py.File(tmp_path / "model.weights.h5", "w") as file:
        for i, layer in enumerate(model.modules()):
            for number, parameter in enumerate(layer.parameters() if isinstance(layer, nn.Conv2d) else []):
                file[f"layers/conv2d_{i}/vars/{number}"] = parameter.data
    with pytest.raises(LoadError, match=r"missing in the file: conv1.w, .* where a network branches"):
        models.squeezenet(tmp_path / "model.weights.h5")


@no_grad()
def test_what_a_file_does_not_tell_is_said(small2, tmp_path):
    path = tmp_path / "small2.h5"
    hdf5.save(small2["course"], path)
    model = models.from_weights(path)
    assert model.card.name == "nn4_small2" and not model.training
    assert "which variant it is for (openface, keras, krasserm, course): openface" in model.load_report.notes[0]
    assert_array_equal(model(picture(96)).data, small2["openface"](picture(96)).data)
    again = models.nn4_small2(path, variant="course")
    assert_array_equal(again(picture(96)).data, small2["course"](picture(96)).data)
    assert not again.load_report.notes


def test_a_file_of_another_length_is_refused(tmp_path):
    path = write_keras(tmp_path / "weights.h5", EMPTY["512-d"][0]())
    with pytest.raises(LoadError, match=r"Bottleneck.w \(\(1792, 512\) in the file, \(1792, 128\) in the model\)"):
        models.inception_resnet_v1(path)


@no_grad()
def test_the_three_real_files_of_squeezenet_agree(shared_data):
    names = ["conv1", "fire2", "fire5", "fire9", "fire4/squeeze1x1"]
    files = sorted((shared_data / "weights").glob("squeezenet*.h5"))
    assert len(files) == 3
    found = []
    for path in files:
        assert models.recognise(path) is models.squeezenet
        model = models.squeezenet(path)
        assert model.load_report.complete and not model.training
        found.append({name: y.data for name, y in model.features(picture(64), names).items()})
    for other in found[1:]:
        for name in names:
            assert relative_error(other[name], found[0][name]) < 1e-5


# --- style ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("preset", [None, "course"])
def test_squeezenet_styles_by_its_own_recipe_or_by_a_preset(preset, tmp_path, capsys):
    hdf5.save(models.squeezenet(seed=1), tmp_path / "mine.h5")
    for name in ("photo", "painting"):
        images.save(tmp_path / f"{name}.png", picture(48, seed=len(name))[0])
    files = [str(tmp_path / "photo.png"), str(tmp_path / "painting.png"), "-o", str(tmp_path / "out.png")]
    options = ["--weights", str(tmp_path / "mine.h5"), "--steps", "2", "--size", "48"]
    assert main(["style", *files, *options, *(["--preset", preset] if preset else [])]) == 0
    said = capsys.readouterr().out
    assert "squeezenet, 2 steps" in said and "stride" not in said and "pools by" not in said
    assert ("style is seen at conv1, fire2, fire4, fire6, fire8" in said) == (preset == "course")


def test_what_a_model_is_given_as_is_told():
    photo = picture(48)[0]
    result = style.transfer(photo, photo[::-1], model=models.squeezenet(seed=1), steps=1, progress=False)
    notes = " ".join(result.manifest["notes"])
    assert "pools by avg, squeezenet as given by max" in notes and "stride 1, squeezenet as given with 2" in notes


def test_an_encoder_knows_no_style(tmp_path, capsys):
    hdf5.save(nn4.build(initial="zeros"), tmp_path / "encoder.h5")
    images.save(tmp_path / "photo.png", picture(32)[0])
    photo = str(tmp_path / "photo.png")
    command = ["style", photo, photo, "-o", str(tmp_path / "out.png"), "--weights", str(tmp_path / "encoder.h5")]
    for preset in ([], ["--preset", "course"]):
        assert main([*command, *preset]) == 2
        assert "nn4_small2 knows faces and no style" in (error := capsys.readouterr().err)
        assert error.count("\n") == 1


CARDS = {  # input size, preprocessing, embedding, metric, margin, drawn, threshold, landmarks, classes
    "tiny_vgg": ((32, 32), "cifar10", None, None, None, False, None, 0, 10),
    "vgg16": ((224, 224), "vgg", None, None, None, False, None, 0, 0),
    "vgg19": ((224, 224), "vgg", None, None, None, False, None, 0, 0),
    "squeezenet": ((227, 227), "squeezenet", None, None, None, False, None, 0, 0),
    "tiny_facenet": ((64, 64), "half", 128, "squared_l2", None, True, None, 5, 0),
    "nn4_small2": ((96, 96), "none", 128, "squared_l2", None, False, 0.99, 8, 0),
    "inception_resnet_v1": ((160, 160), "whitened", 128, "squared_l2", 32, False, 0.64, 0, 0),
    "inception_resnet_v1, 512-d": ((160, 160), "centred", 512, "squared_l2", 32, False, 1.0816, 0, 0),
    "dlib_face": ((150, 150), "dlib", 128, "squared_l2", None, False, 0.36, 5, 0),
    "deepface": ((152, 152), "none", 4096, "chi2", None, False, None, 0, 0),
    "mtcnn": ((12, 12), "centred", None, None, None, False, None, 0, 0),
}


ACCURACIES = {
    "nn4_small2": "92.9 ± 1.3 % on LFW (OpenFace, nn4.small2.v1)",
    "inception_resnet_v1": "99.2 ± 0.3 % on LFW (facenet, 20170512-110547, trained on MS-Celeb-1M)",
    "inception_resnet_v1, 512-d": "99.65 ± 0.25 % on LFW (facenet, 20180402-114759, trained on VGGFace2)",
    "dlib_face": "99.38 ± 0.27 % on LFW (dlib)",
    "deepface": "90.34 % of VGGFace2's held-out pictures named (S. Ghosh's weights)",
}


@pytest.mark.parametrize("known", recognition.KNOWN, ids=lambda known: known.load.__name__)
def test_what_a_file_is_compared_with_is_empty_and_has_its_card(known):
    model = known.empty()
    card, facts = model.card, CARDS[model.card.name]
    assert (card.input_size, card.preprocessing, card.embedding, card.metric, card.margin, card.drawn) == facts[:6]
    assert card.threshold is facts[6] or card.threshold == pytest.approx(facts[6])
    assert (len(card.landmarks), len(card.classes)) == facts[7:] and card.accuracy == ACCURACIES.get(card.name)
    filters = [parameter.data for name, parameter in model.named_parameters() if name.endswith(".w")]
    assert not any(array.flat[0] for array in filters if card.name != "tiny_vgg" or array.ndim == 4)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("deepface", {"weights": None, "include_top": False, "seed": 0}),
        ("dlib_face", {"weights": None, "seed": 0}),
        ("inception_resnet_v1", {"weights": None, "embedding": 128, "preprocessing": None, "seed": 0}),
        ("mtcnn", {"weights": "mtcnn", "seed": 0}),
        ("nn4_small2", {"weights": None, "variant": "openface", "seed": 0}),
        ("squeezenet", {"weights": None, "pooling": "max", "seed": 0}),
        ("tiny_facenet", {"weights": "tiny_facenet", "seed": 0}),
        ("tiny_vgg", {"weights": "tiny_vgg", "pooling": "max", "seed": 0}),
        ("vgg16", {"weights": None, "include_top": False, "pooling": "max", "seed": 0}),
        ("vgg19", {"weights": None, "include_top": False, "pooling": "max", "seed": 0}),
    ],
)
def test_the_settings_of_networks_unless_told(name, settings):
    parameters = inspect.signature(getattr(models, name)).parameters
    assert {key: parameter.default for key, parameter in parameters.items()} == settings


def test_a_network_without_weights_is_drawn_without_its_top():
    parameters = inspect.signature(imagenet.build).parameters
    assert (parameters["include_top"].default, parameters["drawn"].default) == (False, True)


def test_pools_are_padded_only_if_they_overlap_and_are_to_see_the_whole():
    card = ModelCard(name="toy", input_size=(9, 8), preprocessing="none")
    for size, stride, whole, padding in (
        (3, 2, False, 0),
        (3, 2, True, ((0, 1), (0, 1))),
        (2, 2, True, 0),
        (2, 3, True, 0),
    ):
        model = Network(card, [nn.MaxPool2d(size, stride=stride, name="pool")])
        model.set_pooling("avg", **({"whole": True} if whole else {}))
        (layer,) = model.body
        assert isinstance(layer, nn.AvgPool2d) and layer.name == "pool"
        assert (layer.kernel_size, layer.stride, layer.padding) == (size, stride, padding)


def test_a_norm_stands_in_for_the_biases_of_convolutions():
    names = [name for name, _ in tiny_face.build(batch_norm=True, initial="zeros").named_parameters()]
    layers = ["block1_conv1", *(f"block{block}_conv{number}" for block in (2, 3, 4) for number in (1, 2))]
    expected = [name for layer in layers for name in (f"{layer}.w", f"{layer}_norm.gamma", f"{layer}_norm.beta")]
    assert names == [*expected, "embedding.w", "embedding.b"]


def test_what_prepares_every_row_of_pixels_is_shared_and_read_only():
    scale, mean = _rows(255.0, (1.0, 2.0, 4.0), (2.0, 4.0, 8.0), 2, np.dtype(np.float32))
    assert scale.tolist() == [[127.5, 63.75, 31.875]] * 2 and mean.tolist() == [[0.5, 0.5, 0.5]] * 2
    assert not scale.flags.writeable and not mean.flags.writeable and mean.dtype == np.float32
    assert _rows(255.0, (1.0, 2.0, 4.0), (2.0, 4.0, 8.0), 2, np.dtype(np.float32))[1] is mean
    scale, mean = _rows(255.0, (1.0, 2.0, 4.0), (2.0, 2.0, 2.0), 1, np.dtype(np.float64))
    assert scale == 127.5 and np.ndim(scale) == 0 and mean.tolist() == [[0.5, 1, 2]]

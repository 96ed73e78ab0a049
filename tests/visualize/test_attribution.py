"""What excites a unit: networks by hand, closed forms, and the model left as it was."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from small_networks import pictures, plain

from minicnn import InputError, nn, visualize
from minicnn.models.card import ModelCard
from minicnn.models.network import Network
from minicnn.visualize import attribution
from minicnn.visualize.regions import enlarged
from minicnn.visualize.units import aim, outputs_of, unit_numbers

LINEAR = np.random.default_rng(5).standard_normal((4 * 4 * 3, 2)).astype(np.float32)


def by_hand():
    """One channel counts: red · (1, −1) across, ReLU, a max pool of (1, 2), and −2 times its two places, ReLU."""
    first, second = nn.Conv2d(3, 1, (1, 2), activation="relu", name="first"), nn.Conv2d(1, 1, 1, name="second")
    first.w.data = np.zeros((1, 2, 3, 1), np.float32)
    first.w.data[0, :, 0, 0] = 1, -1
    second.w.data[...] = -2
    layers = [first, nn.MaxPool2d((1, 2), name="pool"), second]
    return Network(ModelCard(name="by hand", input_size=(1, 5), preprocessing="none"), layers).eval()


def linear():
    """Logits that are a matrix times the pixels."""
    layer = nn.Linear(48, 2, name="logits")
    layer.w.data = LINEAR
    card = ModelCard(name="linear", input_size=(4, 4), preprocessing="none", classes=("a", "b"))
    return Network(card, [nn.Flatten(name="flatten"), layer]).eval()


RED = np.array([0.9, 0.1, 0.5, 0.7, 0.6], np.float32)  # differences 0.8, −0.4, −0.2, 0.1


@pytest.mark.parametrize(
    ("method", "position", "expected"),
    [
        # The pool's winners are 0.8 and 0.1. The cotangent at a winner is −2: only the gradient lets it through.
        (visualize.saliency, (0, 0), [-2, 2, 0, 0, 0]),
        (visualize.saliency, (0, 1), [0, 0, 0, -2, 2]),
        (visualize.saliency, "max", [0, 0, 0, -2, 2]),  # −0.2 is more than −1.6
        (visualize.saliency, "all", [-2, 2, 0, -2, 2]),
        (visualize.deconvnet, "all", [0, 0, 0, 0, 0]),
        (visualize.guided_backprop, "all", [0, 0, 0, 0, 0]),
    ],
)
def test_by_hand(method, position, expected):
    picture = np.zeros((1, 5, 3), np.float32)
    picture[0, :, 0] = RED
    found = method(by_hand(), "second", picture, 0, position=position)
    assert_array_equal(found[0, :, 0], expected)
    assert not found[..., 1:].any()


def test_the_deconvnet_does_not_ask_where_the_relu_was_on():
    """−RED: differences −0.8, 0.4, 0.2, −0.1. With weights +2 both winners get 2; the second one's ReLU was on."""
    model = by_hand()
    model.body[2].w.data[...] = 2
    picture = np.zeros((1, 5, 3), np.float32)
    picture[0, :, 0] = [0.1, 0.9, 0.5, 0.6, 0.8]  # −0.8, 0.4, −0.1, −0.2: the second window has no winner above zero
    found = {
        name: getattr(visualize, name)(model, "second", picture, 0, position="all")[0, :, 0].tolist()
        for name in ("saliency", "deconvnet", "guided_backprop")
    }
    assert found == {
        "saliency": [0, 2, -2, 0, 0],
        "deconvnet": [0, 2, 0, -2, 0],
        "guided_backprop": [0, 2, -2, 0, 0],
    }


def test_integrated_gradients_are_the_picture_times_the_weights_where_all_is_linear():
    album = pictures(3, (4, 4))
    found = visualize.integrated_gradients(linear(), "logits", album, "b", steps=2, baseline=0.25)
    assert_allclose(found, (album - 0.25) * LINEAR[:, 1].reshape(4, 4, 3), rtol=1e-4, atol=1e-6)


def test_integrated_gradients_add_up_to_the_difference():
    model, album = plain(), pictures(2)
    found = visualize.integrated_gradients(model, "predictions", album, [0, 2], steps=60)
    said = outputs_of(model, "predictions", album) - outputs_of(model, "predictions", np.zeros_like(album))
    assert_allclose(found.sum(axis=(1, 2, 3)), said[[0, 1], [0, 2]], rtol=0.02, atol=2e-3)


def test_smoothgrad_without_noise_is_the_gradient_and_with_noise_a_mean():
    model, album = plain(), pictures(3)
    plain_gradient = visualize.saliency(model, "predictions", album, 1)
    found = visualize.smoothgrad(model, "predictions", album, 1, samples=3, noise=0.0)
    assert_allclose(found, plain_gradient, rtol=1e-5, atol=1e-8)
    one_by_one, together = (
        visualize.smoothgrad(model, "predictions", album, 1, samples=3, noise=0.3, batch_size=n) for n in (1, 3)
    )
    assert_allclose(one_by_one, together, rtol=1e-4, atol=1e-7)
    assert np.abs(together - plain_gradient).max() > 0.05 * np.abs(plain_gradient).max()


def test_smoothgrad_looks_at_noisy_copies_within_the_range_of_pictures(monkeypatch):
    monkeypatch.setattr(attribution, "gradient", lambda model, layer, pictures, cotangent: pictures)
    album = pictures(2) * np.float32([[[[1]]], [[[0.5]]]])  # the noise of each picture is a share of its own range
    found = visualize.smoothgrad(plain(), "predictions", album, 1, samples=2, noise=0.6, seed=7)
    for number, picture in enumerate(album):
        drawn = np.random.default_rng([7, number]).standard_normal((2, 12, 12, 3), np.float32)
        expected = np.clip(picture + np.float32(0.6) * np.ptp(picture) * drawn, 0, 1).mean(axis=0)
        assert_allclose(found[number], expected, rtol=1e-5)
    assert np.isfinite(visualize.smoothgrad(plain(), "predictions", album, 1, samples=1, noise=10)).all()


def test_colours_to_begin_with_or_to_cover_with_may_be_of_8_bits():
    picture, colour = pictures(1, (4, 4))[0], np.uint8([51, 0, 255])
    for method, name, options in (("integrated_gradients", "baseline", {"steps": 1}), ("occlusion", "colour", {})):
        counts, shares = (
            getattr(visualize, method)(linear(), "logits", picture, 0, **options, **{name: value})
            for value in (colour, [0.2, 0, 1])
        )
        assert_allclose(counts, shares, rtol=1e-5, atol=1e-6)
    grey = visualize.occlusion(plain(), "predictions", pictures(1)[0], 0, colour=0.5)  # which becomes zero
    assert_array_equal(visualize.occlusion(plain(), "predictions", pictures(1)[0], 0), grey)


def test_grad_cam_by_its_formula():
    """The classifier averages conv2, so α_c is w_c over the number of places."""
    model, album = plain(), pictures(2)
    features = outputs_of(model, "conv2", album)
    weights = model.top[1].w.data[:, 2] / features[0, ..., 0].size
    expected = np.maximum(features @ weights, 0)
    found = visualize.grad_cam(model, "predictions", album, "torus")
    assert found.shape == (2, 12, 12)
    assert_allclose(found, enlarged(expected, (12, 12)), rtol=1e-4, atol=1e-6)
    assert_allclose(found, visualize.grad_cam(model, "predictions", album, 2, at="conv2"))


def test_grad_cam_looks_at_the_last_named_convolution_before_the_layer():
    model, album = plain(), pictures(2)
    model.body.insert(2, nn.Conv2d(4, 4, 1, activation="relu", seed=8))
    for layer in ("conv2", "conv2.linear"):
        found = visualize.grad_cam(model, layer, album, 1)
        assert found.max() > 0
        assert_array_equal(found, visualize.grad_cam(model, layer, album, 1, at="conv1"))


def test_enlarging_keeps_planes_and_means():
    plane = np.arange(4.0)[:, None] + 2 * np.arange(3.0)
    wide = enlarged(plane[None], (8, 6))[0]
    assert_allclose(wide[1:-1, 1:-1], (np.arange(8) / 2 - 0.25)[1:-1, None] + 2 * (np.arange(6) / 2 - 0.25)[1:-1])
    assert_allclose(wide.mean(), plane.mean())
    assert_array_equal(enlarged(plane[None], (4, 3))[0], plane)


def test_occlusion_of_a_linear_network_is_what_the_pieces_hold():
    """Covering a piece with black takes away w · x of its pixels; each pixel gets the mean of its pieces."""
    album = pictures(2, (4, 4))
    parts = (album * LINEAR[:, 0].reshape(4, 4, 3)).sum(axis=3)
    found = visualize.occlusion(linear(), "logits", album, 0, size=2, stride=2, colour=0.0)
    expected = parts.reshape(2, 2, 2, 2, 2).sum(axis=(2, 4)).repeat(2, axis=1).repeat(2, axis=2)
    assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    single = visualize.occlusion(linear(), "logits", album[0], 0, size=1, colour=0.0)
    assert_allclose(single, parts[0], rtol=1e-4, atol=1e-5)


METHODS = [getattr(visualize, name) for name in (
    "saliency", "deconvnet", "guided_backprop", "integrated_gradients", "smoothgrad", "grad_cam", "occlusion",
)]  # fmt: skip


@pytest.mark.parametrize("method", METHODS)
def test_one_picture_or_many_and_the_model_is_left_as_it_was(method):
    model, album = plain().train(), pictures(3)
    before = [(p.requires_grad, p.data.flags.writeable, p.data.copy()) for p in model.parameters()]
    many = method(model, "predictions", album, [0, 1, 2], batch_size=2)
    assert many.shape[:3] == (3, 12, 12) and np.isfinite(many).all() and np.abs(many).max() > 0
    single = method(model, "predictions", album[1], 1)
    assert single.shape == many.shape[1:]
    if method is not visualize.smoothgrad:  # whose noise goes by the picture's number
        assert_allclose(single, many[1], rtol=1e-3, atol=1e-6)
    for layer in ("conv9", "conv2.x"):
        with pytest.raises(InputError, match="toy has conv1, pool1"):
            method(model, layer, album, 0)
    for unit, message in ((9, "expected 0 … 2, or one of sphere"), ([0, 1], "names 2 units for 3 pictures")):
        with pytest.raises(InputError, match=message):
            method(model, "predictions", album, unit)
    with pytest.raises(InputError, match=r"expected \(row, column\) below \(6, 6\)"):
        method(model, "conv2", album, 0, position=(6, 0))
    with pytest.raises(InputError, match='expected "max", "all" or'):
        method(model, "conv2", album, 0, position="middle")
    assert all(module.training for module in model.modules())
    for parameter, (wanted, writeable, data) in zip(model.parameters(), before, strict=True):
        assert (parameter.requires_grad, parameter.data.flags.writeable) == (wanted, writeable)
        assert parameter.grad is None
        assert_array_equal(parameter.data, data)


@pytest.mark.parametrize(
    ("method", "options", "message"),
    [
        ("integrated_gradients", {"steps": 0}, "steps is 0"),
        ("smoothgrad", {"samples": 1.5}, "samples is 1.5"),
        ("smoothgrad", {"noise": -1}, "noise is -1"),
        ("smoothgrad", {"noise": 10.1}, "noise is 10.1; expected a share of at least 0"),
        ("smoothgrad", {"noise": "much"}, "noise is 'much'"),
        ("occlusion", {"size": 13}, r"size is 13; expected pixels, at most \(12, 12\)"),
        ("occlusion", {"stride": 0}, "stride is 0"),
        ("occlusion", {"size": (6, 4), "stride": 5}, "stride is 5; expected an integer from 1 to 4"),  # gaps
        ("grad_cam", {"at": "predictions"}, "expected a layer with places"),
        ("grad_cam", {"layer": "conv1"}, "no convolution comes before conv1"),
        ("grad_cam", {"layer": "conv1", "at": "conv2"}, "expected a layer that comes before conv1"),
    ],
)
def test_nonsense_is_refused(method, options, message):
    arguments = {"layer": "predictions", "images": pictures(1), "unit": 0, **options}
    with pytest.raises(InputError, match=message):
        getattr(visualize, method)(plain(), **arguments)


def test_where_a_unit_is_looked_at():
    outputs = np.arange(24.0).reshape(2, 2, 2, 3) * [1, -1, 1]
    places = {
        "max": [(0, 1, 1, 0), (1, 0, 0, 1)],
        (0, 1): [(0, 0, 1, 0), (1, 0, 1, 1)],
    }
    for position, ones in places.items():
        found = aim(outputs, np.array([0, 1]), position)
        assert [tuple(map(int, place)) for place in np.argwhere(found)] == ones and found.sum() == 2
    assert aim(outputs, np.array([0, 1]), "all").sum(axis=(1, 2)).tolist() == [[4, 0, 0], [0, 4, 0]]
    assert aim(outputs[:, 0, 0], np.array([2, 1]), "max").tolist() == [[0, 0, 1], [0, 1, 0]]
    for position in ((2, 0), (0, 2), (-1, 0), (0, -1)):
        with pytest.raises(InputError) as said:
            aim(outputs, np.array([0, 1]), position)
        assert str(said.value) == f"position is {position}; expected (row, column) below (2, 2)"
    for position in ([[0, 0], [2, 0]], [[0, 2], [0, 0]], [[0, -1], [1, 1]]):  # one of two pictures
        with pytest.raises(InputError, match=r"; expected \(row, column\) below \(2, 2\)$"):
            aim(outputs, np.array([0, 1]), position)
    for position in ((0.5, 0), "most", (1, 2, 3), [[0], [1, 2]], [[[0, 0]]]):
        with pytest.raises(InputError, match=r'; expected "max", "all" or \(row, column\)$'):
            aim(outputs, np.array([0, 1]), position)


def test_units_by_number_and_by_name():
    model = plain()
    assert unit_numbers(model, "predictions", "cube", 3).tolist() == [1]
    assert unit_numbers(model, "predictions", 2, 3, 4).tolist() == [2, 2, 2, 2]
    assert unit_numbers(model, "predictions", ["torus", 0], 3, 2).tolist() == [2, 0]
    for unit in (3, -1, 1.5):
        with pytest.raises(InputError, match=r"; predictions has 3: expected 0 … 2, or one of sphere, cube, torus$"):
            unit_numbers(model, "predictions", unit, 3)
    with pytest.raises(InputError, match=r"^unit is 4; conv1 has 4: expected 0 … 3$"):
        unit_numbers(model, "conv1", 4, 4)
    for width in (2, 4):  # a layer that has not as many units as there are classes
        with pytest.raises(InputError, match=rf"^unit is 'cube'; conv1 has {width}: expected 0 … {width - 1}$"):
            unit_numbers(model, "conv1", "cube", width)
    for units in ([], [0, 1]):
        with pytest.raises(InputError, match=rf"^unit names {len(units)} units for 3 pictures; expected one, or one"):
            unit_numbers(model, "conv1", units, 4, 3)

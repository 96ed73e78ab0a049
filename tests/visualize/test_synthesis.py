"""Pictures that are made: the ops behind them, and that they do what is said of them."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from small_networks import card, pictures, plain

from minicnn import InputError, Tensor, gradcheck, nn, visualize
from minicnn.models.fields import fields_of
from minicnn.models.network import Network
from minicnn.visualize import synthesis
from minicnn.visualize.canvas import COLOURS, Canvas, hartley, sampled, window
from minicnn.visualize.synthesis import favourite_pieces
from minicnn.visualize.units import outputs_of

SMALL = {"steps": 25, "progress": False}


def test_hartley_is_its_definition_and_its_own_inverse():
    x = np.random.default_rng(0).standard_normal((1, 3, 4, 2))
    h, w = np.arange(3), np.arange(4)
    angle = 2 * np.pi * (h[:, None, None, None] * h[None, None, :, None] / 3 + w[:, None, None] * w / 4)
    expected = np.einsum("hwuv,nhwc->nuvc", (np.cos(angle) + np.sin(angle)).reshape(3, 4, 3, 4), x) / np.sqrt(12)
    found = hartley(x).data
    assert_allclose(found, expected, atol=1e-12)
    assert_allclose(hartley(found).data, x, atol=1e-12)
    assert gradcheck(hartley, [x]).ok


def test_sampling_is_its_definition():
    random = np.random.default_rng(0)
    x, rows, columns = (random.standard_normal(shape) for shape in ((2, 4, 3, 2), (5, 4), (2, 3)))
    assert_allclose(sampled(x, rows, columns).data, np.einsum("ih,jw,nhwc->nijc", rows, columns, x), atol=1e-12)
    assert gradcheck(lambda x: sampled(x, rows, columns), [x]).ok
    with pytest.raises(InputError, match=r"columns \(2, 3\); not those of x \(1, 4, 4, 1\)"):
        sampled(np.ones((1, 4, 4, 1)), rows, columns)
    for wrong in (np.ones((2, 5, 3, 2)), np.ones((2, 4, 3))):  # in its rows alone, in its axes alone
        with pytest.raises(InputError, match=r"^sampled: rows have shape \(5, 4\)"):
            sampled(wrong, rows, columns)


def test_a_window_shows_the_middle_and_moves():
    assert_array_equal(window(6, 4, 1.0, 0.0), np.eye(6)[1:5])
    assert_array_equal(window(6, 4, 1.0, 1.0), np.eye(6)[2:6])
    assert_array_equal(window(6, 4, 1.0, 3.0), np.eye(6)[[4, 5, 5, 5]])  # beyond the edge, the last pixel
    assert_allclose(window(5, 2, 2.0, 0.5) @ np.arange(5), [1.5, 3.5])
    assert_allclose(window(9, 5, 0.7, 0.3).sum(axis=1), 1)


def test_colours_are_independent_and_a_canvas_is_a_picture():
    assert_allclose(COLOURS @ COLOURS.T, np.eye(3), atol=1e-6)
    picture = Canvas(2, (40, 36), seed=3).picture().data
    assert picture.shape == (2, 40, 36, 3) and 0 < picture.min() < picture.max() < 1
    assert_array_equal(picture[0], picture[1])
    assert np.abs(np.diff(picture, axis=2)).mean() < 0.8 * picture.std()  # neighbours are alike; of noise, 1.13 times


@pytest.mark.parametrize("layer", ["conv2", "predictions"])
def test_maximize_finds_more_than_any_picture_has(layer):
    model = plain()
    found = visualize.maximize(model, layer, [0, 2], **SMALL)
    assert found.images.shape == (2, 12, 12, 3) and found.history.shape == (25, 2)
    assert_array_equal(found.units, [0, 2])
    asked = "conv2.linear" if layer == "conv2" else layer
    said, random = (outputs_of(model, asked, x).reshape(len(x), -1, 5 if layer == "conv2" else 3).mean(axis=1)
                    for x in (found.images, pictures(200)))  # fmt: skip
    assert said[0, 0] > random[:, 0].max() and said[1, 2] > random[:, 2].max()


def test_maximize_in_one_place_leaves_the_rest():
    """Without jitter, what the middle unit does not see stays as the noise was."""
    model = plain()
    still = {"jitter": 0.0, "scales": (1.0, 1.0), "position": "middle", "size": (12, 12), "progress": False}
    short, long = (visualize.maximize(model, "conv1", 1, steps=n, **still) for n in (1, 12))
    assert long.history[-1] > long.history[0]
    assert_allclose(short.history[0], long.history[0], rtol=1e-6)
    value = outputs_of(model, "conv1.linear", long.images)[0, 6, 6, 1]
    assert value > short.history[0, 0]


def test_the_favourite_piece_of_a_linear_unit_is_its_filter():
    model = plain()
    found = favourite_pieces(model, "conv1", [1, 3], contrast=0.05)
    assert found.shape == (2, 3, 3, 3)
    w = np.moveaxis(model.body[0].w.data[..., [1, 3]], -1, 0)
    expected = 0.5 + 0.05 * w * np.sqrt(27 / np.square(w).sum(axis=(1, 2, 3), keepdims=True))
    assert_allclose(found, expected, rtol=1e-4)
    assert_allclose(favourite_pieces(model, "conv1", [1, 3], contrast=0.05, steps=1), expected, rtol=1e-4)
    noise = favourite_pieces(model, "conv1", [1, 3], contrast=0.05, steps=0)
    assert np.abs(noise - expected).max() > 0.05


def test_a_favourite_piece_is_liked_better_than_others_of_its_contrast():
    model = plain()
    (piece,) = favourite_pieces(model, "conv2", 0, contrast=0.1)
    top, bottom, left, right = fields_of(model, "conv2", (24, 24)).box(6, 6)
    others = 0.5 + 0.1 * np.random.default_rng(0).standard_normal((200, *piece.shape), np.float32)
    canvas = np.full((201, 24, 24, 3), 0.5, np.float32)
    canvas[:, top:bottom, left:right] = np.concatenate([piece[None], others])
    said = outputs_of(model, "conv2.linear", canvas)[:, 6, 6, 0]
    assert said[0] > said[1:].max()


def test_a_piece_is_a_whole_field_even_of_a_network_for_small_pictures():
    """A face encoder takes its own size only, and any other network a picture that has room for the field."""
    layer = nn.Conv2d(3, 2, 5, padding="same", seed=0, name="conv")
    w = np.moveaxis(layer.w.data, -1, 0)
    expected = 0.5 + 0.05 * w * np.sqrt(75 / np.square(w).sum(axis=(1, 2, 3), keepdims=True))
    for facts in (card((4, 4)), replace(card((8, 9)), embedding=2)):
        assert_allclose(favourite_pieces(Network(facts, [layer]).eval(), "conv", [0, 1], contrast=0.05), expected, 1e-4)


def test_a_favourite_piece_is_sought_in_thirty_steps():
    model = plain()
    found = favourite_pieces(model, "conv2", 0)
    assert_array_equal(found, favourite_pieces(model, "conv2", 0, steps=30, contrast=0.22))
    assert not np.array_equal(found, favourite_pieces(model, "conv2", 0, steps=29))


def test_variation_makes_what_units_like_smoother_and_each_as_if_alone():
    def liked(units, variation):
        return visualize.maximize(plain(), "conv1", units, steps=20, variation=variation, progress=False).images

    rough, smooth = liked([0, 2], 0.0), liked([0, 2], 200.0)
    assert np.square(np.diff(smooth, axis=1)).mean() < 0.5 * np.square(np.diff(rough, axis=1)).mean()
    assert_allclose(smooth, np.concatenate([liked(0, 200.0), liked(2, 200.0)]), atol=1e-4)


def test_views_are_scaled_and_moved_at_random_and_the_last_one_is_straight(monkeypatch):
    views = []
    monkeypatch.setattr(synthesis, "window", lambda *given: views.append(given) or window(*given))
    how = {"size": (12, 10), "jitter": 1.5, "scales": (0.8, 1.3), "seed": 4}
    found = visualize.maximize(plain(), "conv1", 0, steps=1, progress=False, **how)
    random = np.random.default_rng(4)
    scale, down, across = random.uniform(0.8, 1.3), random.uniform(-1.5, 1.5), random.uniform(-1.5, 1.5)
    assert views == [(18, 12, scale, down), (16, 10, scale, across), (18, 12, 1.0, 0.0), (16, 10, 1.0, 0.0)]
    seen = sampled(Canvas(1, (18, 16), seed=4).picture().data, *(window(*view) for view in views[:2])).data
    said = outputs_of(plain(), "conv1.linear", seen)[..., 0].mean()
    assert found.images.shape == (1, 12, 10, 3) and found.history[0, 0] == pytest.approx(said, rel=1e-4)


def test_the_cost_of_an_inversion_is_its_formula():
    model, picture = plain(), pictures(1)[0]
    found = visualize.invert(model, "conv2", picture, steps=1, variation=3.0, seed=2, progress=False)
    x = Canvas(1, (12, 12), seed=2).picture().data
    target, other = (outputs_of(model, "conv2", each) for each in (picture[None], x))
    roughness = (np.square(np.diff(x, axis=1)).sum() + np.square(np.diff(x, axis=2)).sum()) / x.size
    expected = np.square(other - target).sum() / np.square(target).sum() + 3 * roughness
    assert found.history.shape == (1,) and found.history[0] == pytest.approx(expected, rel=1e-4)


def test_a_seed_reproduces():
    first, same, other = (visualize.maximize(plain(), "conv1", 0, seed=s, steps=4, progress=False) for s in (1, 1, 2))
    assert_array_equal(first.images, same.images)
    assert not np.array_equal(first.images, other.images)


def test_invert_comes_closer_and_the_first_layer_knows_more():
    model, picture = plain(), pictures(1)[0] * 0.2 + np.linspace(0, 0.8, 12, dtype=np.float32)[:, None, None]
    found = visualize.invert(model, "conv1", picture, steps=80, variation=0.0, progress=False)
    target = outputs_of(model, "conv1", picture[None])
    left = np.square(outputs_of(model, "conv1", found.images[None]) - target).sum() / np.square(target).sum()
    assert found.images.shape == picture.shape
    assert left < 0.05 < found.history[0] and found.history[-1] < 0.1 * found.history[0]


def test_variation_makes_it_smoother():
    model, picture = plain(), pictures(1)[0]
    rough, smooth = (
        visualize.invert(model, "conv1", picture, steps=20, variation=v, progress=False).images for v in (0.0, 20.0)
    )
    assert np.square(np.diff(smooth, axis=0)).mean() < 0.5 * np.square(np.diff(rough, axis=0)).mean()


def test_the_model_is_left_as_it_was():
    model = plain().train()
    visualize.maximize(model, "predictions", "cube", steps=1, progress=False)
    visualize.invert(model, "conv2", pictures(1)[0], steps=1, progress=False)
    assert all(module.training for module in model.modules())
    assert all(p.requires_grad and p.data.flags.writeable and p.grad is None for p in model.parameters())


@pytest.mark.parametrize(
    ("method", "options", "message"),
    [
        ("maximize", {"unit": 7}, "unit is 7; conv2 has 5"),
        ("maximize", {"layer": "conv3"}, "toy has conv1"),
        ("maximize", {"steps": 0}, "steps is 0"),
        ("maximize", {"learning_rate": -1}, "learning_rate is -1"),
        ("maximize", {"size": 1}, "size is 1"),
        ("maximize", {"position": "max"}, "position is 'max'"),
        ("invert", {"steps": True}, "steps is True"),
        ("invert", {"layer": "conv3"}, "toy has conv1"),
        ("invert", {"image": np.zeros((2, 2))}, "invert: image has shape"),
    ],
)
def test_nonsense_is_refused(method, options, message):
    arguments = {"layer": "conv2", **({"unit": 0} if method == "maximize" else {"image": pictures(1)[0]}), **options}
    with pytest.raises(InputError, match=message):
        getattr(visualize, method)(plain(), **arguments)


def test_a_cost_that_is_no_number_ends_with_advice():
    with pytest.raises(InputError, match=r"^invert conv2: the cost became (nan|inf); try a learning_rate below 0\.05$"):
        visualize.invert(plain(), "conv2", pictures(1)[0], variation=np.inf, learning_rate=0.05, progress=False)


def test_gradients_reach_the_numbers():
    canvas = Canvas(1, (4, 5))
    canvas.numbers.data = canvas.numbers.data.astype(np.float64)
    canvas.shares = canvas.shares.astype(np.float64)

    def picture(numbers):
        canvas.numbers = numbers
        return canvas.picture()

    assert gradcheck(picture, [Tensor(canvas.numbers.data).data]).ok


@pytest.mark.parametrize("size", [1, 5000, (8,), (8, 8, 3), (8, 2.5), "large"])
def test_a_size_that_is_none_is_refused(size):
    with pytest.raises(InputError, match=r"maximize: size is .*; expected pixels from 2 to 4096, or"):
        visualize.maximize(plain(), "conv1", 0, size=size, steps=1, progress=False)


@pytest.mark.parametrize(("progress", "disable"), [(None, None), (True, False), (False, True)])
def test_the_bar_counts_the_steps(monkeypatch, progress, disable):
    told = []
    monkeypatch.setattr(synthesis, "tqdm", lambda steps, **options: told.append((steps, options)) or steps)
    visualize.maximize(plain(), "conv1", 0, steps=2, progress=progress)
    visualize.invert(plain(), "conv1", pictures(1)[0], steps=1, progress=progress)
    shown = {"unit": "step", "disable": disable}
    assert told == [(range(2), {"desc": "maximize conv1", **shown}), (range(1), {"desc": "invert conv1", **shown})]

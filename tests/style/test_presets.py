"""Every preset's cost, from the table of its system and plain NumPy alone; and what else a preset settles."""

import dataclasses

import numpy as np
import pytest

from minicnn import Tensor, images, models, style, use_backend
from minicnn.cli import main, style_presets
from minicnn.errors import InputError
from minicnn.models.card import PREPROCESSING, ModelCard, preprocessing
from minicnn.models.imagenet import build as build_vgg
from minicnn.models.vgg import VGG
from minicnn.style.objective import Objective
from minicnn.style.request import choose_recipe, differences, fit_layers, start_from, style_pictures
from minicnn.style.starts import STARTS

WIDTHS, DEPTHS = (3, 4, 5, 6, 6), (2, 2, 4, 4, 4)  # VGG-19, but narrow
CONV1 = [f"block{i}_conv1" for i in range(1, 6)]
VGG_MEAN = np.array([103.939, 116.779, 123.68])  # blue, green, red


def network(card_preprocessing="vgg", pooling="max"):
    card = ModelCard(
        name="narrow", input_size=(32, 32), preprocessing=card_preprocessing,
        style_layers=tuple(CONV1[:3]), content_layer="block4_conv2",
    )  # fmt: skip
    return VGG(card, WIDTHS, DEPTHS, pooling=pooling, seed=0)


def pictures():
    generator = np.random.default_rng(0)
    return [generator.random(shape, dtype=np.float32) for shape in ((32, 34, 3), (33, 47, 3), (32, 34, 3))]


# --- what each system computes, written down once more ---------------------------------------------------------------


def bgr(scale):
    return lambda rgb: rgb[..., ::-1] * scale - VGG_MEAN


def imagenet(rgb):
    """torchvision's; the narrow network has its first filters in BGR order, as Keras's files have."""
    return ((rgb - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225])[..., ::-1]


def torch_mean_255(rgb):
    return (rgb * 255 - [123.675, 116.28, 103.53])[..., ::-1]


def squared(power):
    """Σ(ΔG)² / (N^power · M²), for pictures of different sizes."""

    def cost(s, g):
        gram_s, gram_g = (np.einsum("hwc,hwd->cd", f, f) / (f.shape[0] * f.shape[1]) for f in (s, g))
        return np.sum((gram_s - gram_g) ** 2) / s.shape[-1] ** power

    return cost


def keras_style(s, g):
    """Of pictures of one size: Σ(ΔG)² / (4 · 3² · (rows · columns)²). The picture here has 32 × 34."""
    return squared(0)(s, g) * (g.shape[0] * g.shape[1]) ** 2 / (4 * 9 * (32 * 34) ** 2)


def wasserstein(s, g):
    (mean_s, a), (mean_g, b) = (
        (f.mean(axis=(0, 1)), np.cov(f.reshape(-1, f.shape[-1]).T, bias=True) + 1e-4 * np.eye(f.shape[-1]))
        for f in (s, g)
    )
    root = np.sqrt(np.linalg.eigvals(a @ b).real.clip(0)).sum()
    return np.mean((mean_s - mean_g) ** 2) + (np.trace(a) + np.trace(b) - 2 * root) / s.shape[-1]


def slopes(x):
    dy, dx = x[1:] - x[:-1], x[:, 1:] - x[:, :-1]
    return dx, dy, dx[:-1] ** 2 + dy[:, :-1] ** 2


def johnson_variation(x):
    return 1e-3 * 0.5 * slopes(x * 256)[2].sum()


def athalye_variation(x):
    dx, dy, _ = slopes(x * 255)
    return 100 * (np.mean(dx**2) + np.mean(dy**2))


def gordic_variation(x):
    dx, dy, _ = slopes(x * 255)
    return np.abs(dx).sum() + np.abs(dy).sum()


def keras_variation(x):
    return 1e-6 * np.sum(slopes(x * 255)[2] ** 1.25)


def crowson_variation(x):
    wide = np.pad(x, ((1, 1), (1, 1), (0, 0)), "edge")
    here, right, below = wide[1:-1, 1:-1], wide[1:-1, 2:], wide[2:, 1:-1]
    straight = np.mean((right - here) ** 2) + np.mean((below - here) ** 2)
    slanted = np.mean((wide[1:, 1:] - wide[:-1, :-1]) ** 2) + np.mean((wide[1:, :-1] - wide[:-1, 1:]) ** 2)
    return 2 * 2 * (straight / 3 + slanted / 12)


def half_sum(c, g):
    return 0.5 * np.sum((c - g) ** 2)


def quarter_mean(c, g):
    return np.mean((c - g) ** 2) / 4


def mean(c, g):
    return np.mean((c - g) ** 2)


def total(c, g):
    return np.sum((c - g) ** 2)


def gatys(s, g):
    return squared(2)(s, g) / 4


FIFTH = dict.fromkeys(CONV1, 0.2)
PRE_RELU = [f"block{name}.linear" for name in ("1_conv1", "1_conv2", "2_conv1", "2_conv2", "3_conv1")]
LEON = {name: 1e3 / n**2 for name, n in zip(CONV1, (64, 128, 256, 512, 512), strict=True)}
FALLING = {name: w / 341 for name, w in zip(CONV1, (256, 64, 16, 4, 1), strict=True)}

# preset: pooling, pictures, α, content cost, at, β, style cost, layers and weights, total variation
SYSTEMS = {
    "course": ("avg", bgr(255), 10, quarter_mean, "block4_conv2", 40, gatys, FIFTH, None),
    "course-tf2": ("max", lambda x: x[..., ::-1], 10, quarter_mean, "block5_conv4", 40, gatys, FIFTH, None),
    "gatys": ("avg", bgr(255), 1, half_sum, "block4_conv2", 1e3, gatys, FIFTH, None),
    "johnson": ("max", bgr(256), 5, mean, "block4_conv2", 100, squared(4), dict.fromkeys(CONV1, 1), johnson_variation),
    "athalye": ("max", bgr(255), 5, mean, "block4_conv2", 500, squared(4), FIFTH, athalye_variation),
    "gatys-pytorch": ("max", bgr(255), 1, mean, "block4_conv2", 1, squared(2), LEON, None),
    "gordic": ("max", torch_mean_255, 1e5, mean, "block4_conv2", 3e4, squared(2), FIFTH, gordic_variation),
    "pytorch": ("max", imagenet, 1, mean, "block2_conv2.linear", 1e6, squared(4), dict.fromkeys(PRE_RELU, 1), None),
    "keras": ("max", bgr(255), 2.5e-8, total, "block5_conv2", 1e-6, keras_style, FIFTH, keras_variation),
    "crowson": ("max", imagenet, 0.015, mean, "block4_conv2", 1, wasserstein, FALLING, crowson_variation),
}


def test_all_ten_systems_are_presets():
    assert list(style.presets()) == list(SYSTEMS)


@pytest.mark.parametrize("name", SYSTEMS)
def test_the_golden_cost_of_every_preset(name):
    pooling, enter, alpha, content_cost, at, beta, style_cost, layers, variation = SYSTEMS[name]
    photograph, painting, generated = pictures()
    with use_backend("numpy"):
        # The reference sees pictures that are prepared by hand; ours prepares them as the preset says.
        plain = network("none", pooling)

        def seen(picture):
            x = enter(picture.astype(np.float64)).astype(np.float32)
            return {k: v.data[0].astype(np.float64) for k, v in plain.features(x[None], [at, *layers]).items()}

        c, s, g = map(seen, (photograph, painting, generated))
        expected = {
            "content": alpha * content_cost(c[at], g[at]),
            "style": beta * sum(w * style_cost(s[layer], g[layer]) for layer, w in layers.items()),
        }
        if variation:
            expected["total_variation"] = variation(generated.astype(np.float64))
        recipe = style.presets()[name]
        model = network().adapt(recipe)
        cost, parts = Objective(model, recipe, photograph, [(painting, 1.0)])(Tensor(generated[None]))
    assert {part: parts[part] for part in expected} == pytest.approx(expected, rel=3e-4)
    assert cost.item() == pytest.approx(sum(expected.values()), rel=3e-4)


# --- what else a preset settles --------------------------------------------------------------------------------------

# preset: start, optimizer, its rate in pixels of the picture's own range, that range, steps, clamped
RUNS = {
    "course": ("blend", "adam", 2.0, 255, 200, "end"),
    "course-tf2": ("jitter", "adam", 0.01, 1, 2501, "step"),
    "gatys": ("noise", "lbfgs", None, 255, 500, "end"),
    "johnson": ("mean-colour", "lbfgs", None, 256, 1000, "end"),
    "athalye": ("faint-noise", "adam", 10.0, 255, 1000, "end"),
    "gatys-pytorch": ("content", "lbfgs", None, 255, 500, "end"),
    "gordic": ("content", "lbfgs", None, 255, 1000, "end"),
    "pytorch": ("content", "lbfgs", None, 1, 300, "step"),
    "keras": ("content", "gd", 100.0 / 255, 255, 4000, "end"),
    "crowson": ("content", "adam", 0.02, 1, 1000, "step"),
}


@pytest.mark.parametrize("name", RUNS)
def test_how_every_preset_is_run(name):
    recipe = style.presets()[name]
    start, optimizer, rate, scale, steps, clamp = RUNS[name]
    assert (recipe.start, recipe.optimizer, recipe.steps, recipe.clamp) == (start, optimizer, steps, clamp)
    assert preprocessing(recipe.preprocessing).scale == scale
    # L-BFGS finds its own steps, except for the first trial.
    assert recipe.learning_rate == pytest.approx(0.1 if rate is None else rate / scale)


DEFAULTS = {
    "content_form": "course", "style_form": "gatys", "alpha": 10, "beta": 40, "total_variation": 0,
    "variation_form": "mean-absolute", "pooling": None, "stride": None, "preprocessing": None, "start": "content",
    "optimizer": "adam", "learning_rate": 0.02, "steps": 200, "clamp": "step", "levels": 1, "coarsest": 128,
    "schedule": "constant", "scales": (1,), "smallest_scale": 32, "parametrization": "pixels",
}  # fmt: skip
BY_EYE = {
    "content_form": "mean", "style_form": "wasserstein-ridge", "alpha": 0.05, "beta": 1, "total_variation": 0.3,
    "variation_form": "mean-squared", "pooling": "avg", "learning_rate": 0.03, "schedule": "cosine",
    "scales": (1,) * 6, "smallest_scale": 96, "parametrization": "pyramid",
}  # fmt: skip
FIRE = dict.fromkeys(("conv1", "fire2", "fire4", "fire6", "fire8"), 0.2)
CARDS = {
    "tiny_vgg": (
        {"block3_conv2": 0.5, "block4_conv2": 0.5},
        dict(zip(CONV1, (1, 0.4, 0.3, 0.3, 0.2), strict=True)),
        {**BY_EYE, "steps": 100},
    ),
    "squeezenet": ({"fire4": 0.5, "fire6": 0.5}, FIRE, {**BY_EYE, "steps": 80, "stride": 1}),
    "vgg19": ({"block4_conv2": 1}, FIFTH, {"pooling": "avg"}),
}


@pytest.mark.parametrize("name", CARDS)
def test_what_the_recipe_on_a_card_settles(name):
    model = build_vgg(name, drawn=False) if name == "vgg19" else getattr(models, name)(weights=None)
    content, layers, changes = CARDS[name]
    recipe = dataclasses.asdict(model.card.recipe)
    assert name in recipe.pop("summary") or name == "vgg19"
    assert recipe == {"content_layers": content, "style_layers": layers, **DEFAULTS, **changes}
    assert model.card.style_layers == tuple(layers)
    assert model.card.content_layer == {"squeezenet": "fire4"}.get(name, "block4_conv2")


def test_starts_are_what_their_systems_begin_with():
    content = np.random.default_rng(0).random((40, 50, 3), dtype=np.float32)
    model = network()  # whose colour of zero is VGG's mean
    colour = VGG_MEAN[::-1] / 255
    found = {name: start_from(name, content, model, np.random.default_rng(1)) for name in STARTS}
    assert all(p.shape == content.shape and p.dtype == np.float32 for p in found.values())
    assert all(p.min() >= 0 and p.max() <= 1 for p in found.values())
    np.testing.assert_array_equal(found["content"], content)
    assert found["noise"].mean() == pytest.approx(0.5, abs=0.02) and found["noise"].std() == pytest.approx(
        12**-0.5, 0.05
    )
    # The course: .6 · U(−20, 20) + .4 · C, of pictures without their mean, up to 255.
    noise = ((found["blend"] - colour) * 255 - 0.4 * (content - colour) * 255) / 0.6
    assert 19 < noise.max() <= 20.001 and -20.001 <= noise.min() < -19
    inside = (content > 0.25) & (content < 0.75)
    noise = (found["jitter"] - content)[inside]
    assert 0.24 < noise.max() <= 0.2501 and -0.2501 <= noise.min() < -0.24
    for name, deviation in {"mean-colour": 0.001 / 256, "faint-noise": 0.256 / 255}.items():
        assert np.std(found[name] - colour) == pytest.approx(deviation, rel=0.05)


@pytest.mark.parametrize("name", SYSTEMS)
def test_adapting_sets_pooling_and_preprocessing_and_keeps_the_order_of_the_channels(name):
    recipe = style.presets()[name]
    for own in ("vgg", "cifar10"):
        model = network(own).adapt(recipe)
        assert model.pooling == recipe.pooling
        assert model.preprocessing.order == PREPROCESSING[own].order
        assert model.preprocessing.ordered(preprocessing(recipe.preprocessing).order) == preprocessing(
            recipe.preprocessing
        )


def test_a_network_as_given_is_left_and_what_differs_is_said():
    model, recipe = network("cifar10"), style.presets()["course"]
    notes = differences(recipe, model)
    assert model.pooling == "max" and model.preprocessing == PREPROCESSING["cifar10"]
    assert "pools by avg, narrow as given by max" in notes[0]
    assert "RGB×255 − (123.7, 116.8, 103.9), that of narrow as given (RGB − (0.4914" in notes[1]
    # Adapted, it only says that the weights have learned from other pictures. VGG's own differ in their order alone.
    (advice,) = differences(recipe, model.adapt(recipe))
    assert "narrow has learned with (RGB − (0.4914, 0.4822, 0.4465)) / (0.247, 0.2435, 0.2616)" in advice
    assert "without a preset" in advice
    assert differences(recipe, network("vgg", "avg")) == []


@pytest.mark.parametrize(
    ("layers", "shown"),
    [
        (["block1_conv1"], "block1_conv1"),
        (["block1_conv1", "block2_conv1", "block3_conv1"], "block1…3_conv1"),
        (["block1_conv1", "block3_conv1"], "block1_conv1 block3_conv1"),
        (["block1_conv1.linear"], "block1_conv1.linear"),
        (["block1_conv1.linear", "block1_conv2.linear"], "conv1_1 1_2.linear"),
        (["block1_conv1.linear", "block1_conv2"], "block1_conv1.linear block1_conv2"),
    ],
)
def test_layers_of_a_preset_are_shown_as_briefly_as_can_be(layers, shown):
    assert style_presets._layers(layers) == shown


def test_a_table_has_a_head_where_a_column_has_one():
    things = {"short": 5, "a longer name": 50}
    assert list(style_presets._table(things, {"": str, "half": lambda thing: f"{thing / 2:g}"})) == [
        "                     half",
        "  short          5   2.5",
        "  a longer name  50  25",
    ]
    assert list(style_presets._table(things, {"": str})) == ["  short          5", "  a longer name  50"]


@pytest.mark.parametrize(("own", "asked", "found"), [(5, None, 5), (5, 3, 3), (None, 3, 3)])
def test_a_preset_without_a_stride_takes_that_of_the_card(monkeypatch, own, asked, found):
    preset = dataclasses.replace(choose_recipe(network(), "course"), stride=asked)
    monkeypatch.setattr("minicnn.style.request.preset_named", lambda name: preset)
    model = network()
    model.card = dataclasses.replace(model.card, recipe=dataclasses.replace(preset, summary="own", stride=own))
    assert choose_recipe(model, "any") == dataclasses.replace(preset, stride=found)


def test_roles_stand_in_for_absent_layers_with_one_note():
    model = models.tiny_vgg(weights=None)
    recipe, notes = fit_layers(choose_recipe(model, "course-tf2"), model)
    assert notes == ["tiny_vgg has no block5_conv4: content is seen at block4_conv2"]
    assert recipe.style_layers == FIFTH
    own = dataclasses.replace(recipe, content_layers={"block1_conv1": 3.0}, style_layers={"block2_conv1.linear": 2.0})
    assert fit_layers(own, model) == (own, [])
    small = VGG(dataclasses.replace(network().card, content_layer="block1_conv1"), (3, 4, 5), (1, 1, 1), seed=0)
    recipe, notes = fit_layers(choose_recipe(small, "crowson"), small)
    assert notes == [
        "narrow has no block4_conv2, block4_conv1, block5_conv1: content is seen at block1_conv1, "
        "style is seen at block1_conv1, block2_conv1, block3_conv1"
    ]
    assert recipe.style_layers == pytest.approx(dict.fromkeys(CONV1[:3], 1 / 3))
    squeezenet = models.squeezenet()
    recipe, _ = fit_layers(choose_recipe(squeezenet, "crowson"), squeezenet)  # as many layers: each keeps its weight
    assert list(recipe.style_layers.values()) == list(FALLING.values())


# --- several styles --------------------------------------------------------------------------------------------------


def test_styles_are_blended_by_their_moments():
    photograph, painting, other = pictures()
    model, recipe = network(), style.presets()["crowson"]
    with use_backend("numpy"):
        first, second, both, weighted = (
            Objective(model, recipe, photograph, styles).parts[0].target["block2_conv1"]
            for styles in (
                [(painting, 1.0)],
                [(other, 0.3)],
                [(painting, 1.0), (other, 1.0)],
                [(painting, 3.0), (other, 1.0)],
            )
        )
    for a, b, half, quarter in zip(first, second, both, weighted, strict=True):
        np.testing.assert_allclose(half.data, (a.data + b.data) / 2, rtol=1e-5)
        np.testing.assert_allclose(quarter.data, 0.75 * a.data + 0.25 * b.data, rtol=1e-5)


def test_style_pictures_come_in_every_form(tmp_path):
    content, painting, other = pictures()
    images.save(tmp_path / "a.png", painting)
    (one,) = style_pictures(painting, content)
    assert one[0].shape == painting.shape and one[1] == 1
    found = style_pictures([tmp_path / "a.png", (other, 3)], content, size=20)
    assert [(picture.shape[:2], weight) for picture, weight in found] == [((14, 20), 1), ((19, 20), 3)]
    (scaled,) = style_pictures(painting, content, size=20, style_scale=0.5)
    assert max(scaled[0].shape) == 17  # half of the content's 34


@pytest.mark.parametrize(
    ("styles", "options", "message"),
    [
        ([], {}, "style has no picture"),
        ([(np.zeros((4, 4, 3), np.float32), 0.0)], {}, "style has no picture with a weight above 0"),
        ([(np.zeros((4, 4, 3), np.float32), "much")], {}, r"neither a picture nor \(picture, weight"),
        (["here.png", "there.png"], {}, "transfer: style 1 .*does not exist"),
        (np.zeros((4, 4, 3), np.float32), {"style_scale": 0}, "style_scale is 0; expected"),
        (np.zeros((4, 4, 3), np.float32), {"style_scale": float("nan")}, "style_scale is nan"),
    ],
)
def test_bad_styles_get_one_line(styles, options, message):
    with pytest.raises(InputError, match=message) as caught:
        style_pictures(styles, pictures()[0], **options)
    assert "\n" not in str(caught.value)


# --- the command -----------------------------------------------------------------------------------------------------


def test_list_presets_explains_all_of_them_in_a_hundred_columns(capsys):
    with pytest.raises(SystemExit) as left:
        main(["style", "--list-presets"])
    assert left.value.code == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 100
    for name, recipe in style.presets().items():
        rows = [line.split() for line in lines if line.split()[:1] == [name]]
        assert len(rows) == 4
        assert recipe.summary in " ".join(rows[0])
        assert {recipe.start, recipe.optimizer, recipe.pooling, str(recipe.steps)} <= set(rows[3])

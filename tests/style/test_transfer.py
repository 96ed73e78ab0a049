"""The loop: it goes down, it can be watched, reproduced and interrupted, and it leaves the model as it was."""

import dataclasses
import itertools
from types import SimpleNamespace

import numpy as np
import pytest
from shown_bars import Bar
from toy_network import RECIPE, toy

from minicnn import Tensor, images, models, style
from minicnn.errors import InputError
from minicnn.style import job, manifests, objective
from minicnn.style.job import Job
from minicnn.style.objective import Objective


@pytest.fixture
def model():
    return toy()


@pytest.fixture
def pictures():
    generator = np.random.default_rng(0)
    return generator.random((2, 18, 20, 3), dtype=np.float32)


def test_the_cost_falls_and_the_result_is_the_best_iterate(model, pictures):
    result = style.transfer(*pictures, model=model, steps=12)
    totals = [h["total"] for h in result.history]
    assert len(totals) == 13
    assert min(totals) < 0.8 * totals[0]
    assert result.image.shape == pictures[0].shape
    assert result.image.dtype == np.float32
    cost, _ = Objective(model, RECIPE, pictures[0], [(pictures[1], 1.0)])(Tensor(result.image[None]))
    assert cost.item() == pytest.approx(min(totals), rel=1e-6)


def test_the_parts_of_the_cost_add_up(model, pictures):
    for costs in style.transfer(*pictures, model=model, steps=2).history:
        assert costs["total"] == pytest.approx(costs["content"] + costs["style"] + costs["total_variation"], rel=1e-5)
        layers = [v for k, v in costs.items() if k.startswith("style ")]
        assert costs["style"] == pytest.approx(sum(layers), rel=1e-5)


def test_a_seed_reproduces_the_picture_bit_for_bit(model, pictures):
    first, second, other = (
        style.transfer(*pictures, model=model, init="noise", steps=3, seed=seed).image for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, other)


def test_a_manifest_tells_how_the_run_went(model, pictures, monkeypatch):
    times = iter([5.0, 7.26])
    monkeypatch.setattr(job, "time", SimpleNamespace(monotonic=lambda: next(times)))
    result = style.transfer(*pictures, model=model, steps=2, seed=3, alpha=2)
    content, painting = (manifests.of_picture(None, picture) for picture in pictures)
    assert result.manifest == {
        "versions": manifests.versions(),
        "content": content,
        "styles": [painting | {"weight": 1.0}],
        "model": manifests.of_model(model),
        "preset": None,
        "recipe": dataclasses.asdict(dataclasses.replace(RECIPE, steps=2, alpha=2)),
        "init": "content",
        "seed": 3,
        "size": None,
        "style_scale": None,
        "keep_colours": None,
        "tile": None,
        "sizes": [[18, 20]],
        "seconds": 2.3,
        "evaluations": 3,
        "notes": [],
        "interrupted": False,
        "history": result.history,
    }


def test_on_step_sees_every_step_in_a_read_only_view(model, pictures):
    seen = []

    def watch(step, image, costs):
        assert not image.flags.writeable
        assert image.min() >= 0
        assert image.max() <= 1
        seen.append((step, image.copy(), costs["total"]))

    result = style.transfer(*pictures, model=model, steps=4, on_step=watch)
    assert [s for s, _, _ in seen] == [1, 2, 3, 4]
    assert [t for _, _, t in seen] == [h["total"] for h in result.history[:4]]
    assert not np.array_equal(seen[0][1], seen[3][1])


class ToldBar(Bar):
    def set_postfix(self, **values):
        self.shown.append(values)


@pytest.mark.parametrize(("progress", "disable"), [(None, None), (True, False), (False, True)])
def test_the_bar_shows_the_cost_and_its_parts_at_every_step(model, pictures, monkeypatch, progress, disable):
    monkeypatch.setattr(job, "tqdm", ToldBar)
    history = style.transfer(*pictures, model=model, steps=3, progress=progress).history
    assert ToldBar.last.options == {"total": 3, "initial": 0, "unit": "step", "desc": "style", "disable": disable}
    parts = {"J": ("total", 4), "content": ("content", 3), "style": ("style", 3)}
    expected = [{name: f"{costs[part]:.{n}g}" for name, (part, n) in parts.items()} for costs in history[:3]]
    assert ToldBar.last.shown == expected and ToldBar.last.updates == 3


def test_control_c_keeps_the_best_picture_so_far(model, pictures):
    def interrupt(step, image, costs):
        if step == 3:
            raise KeyboardInterrupt

    result = style.transfer(*pictures, model=model, steps=50, on_step=interrupt)
    assert result.manifest["interrupted"]
    assert len(result.history) == 3
    assert np.isfinite(result.image).all()


def test_the_model_is_frozen_during_the_run_and_restored_after_an_error(model, pictures):
    def fail(step, image, costs):
        assert not any(p.requires_grad or p.data.flags.writeable for p in model.parameters())
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        style.transfer(*pictures, model=model, on_step=fail)
    assert all(p.requires_grad and p.data.flags.writeable and p.grad is None for p in model.parameters())


@pytest.mark.parametrize("init", ["content", "noise", "blend"])
def test_every_start_is_a_picture(model, pictures, init):
    starts = []

    def watch(step, image, costs):
        starts.append(image.copy())

    style.transfer(*pictures, model=model, steps=1, init=init, seed=7, learning_rate=1e-9, on_step=watch)
    near = np.abs(starts[0] - pictures[0]).max() < 1e-4
    assert near == (init == "content")


def test_a_picture_can_be_the_start(model, pictures):
    start = np.full_like(pictures[0], 0.25)
    seen = []

    def watch(step, image, costs):
        seen.append(image.copy())

    style.transfer(*pictures, model=model, steps=1, init=start, learning_rate=1e-9, on_step=watch)
    np.testing.assert_allclose(seen[0], start, atol=1e-6)


def test_pictures_of_other_sizes_and_paths_are_taken(model, pictures, tmp_path):
    images.save(tmp_path / "content.png", pictures[0])
    result = style.transfer(tmp_path / "content.png", pictures[1][:9, :14], model=model, size=24, steps=1)
    assert result.image.shape == (22, 24, 3)


@pytest.mark.parametrize("preset", ["course", "gatys"])
def test_presets_fit_a_network_that_lacks_their_layers_and_say_so(model, pictures, preset):
    result = style.transfer(*pictures, model=model, preset=preset, steps=2, optimizer="adam", learning_rate=0.01)
    assert result.history[-1]["total"] < result.history[0]["total"]
    notes = " ".join(result.manifest["notes"])
    assert "content is seen at block2_conv1" in notes
    assert "pools by avg" in notes


def test_plain_gradient_descent_lowers_the_cost_at_every_step():
    """The course's experiment: a random 100×100 picture, J falls at every logged step. Rate 0.5."""
    model = models.tiny_vgg(pooling="avg")
    generator = np.random.default_rng(0)
    content, painting, noise = generator.random((3, 100, 100, 3), dtype=np.float32)
    result = style.transfer(
        content, painting, model=model, preset="course", init=noise, optimizer="gd", learning_rate=0.5, steps=20
    )
    totals = [h["total"] for h in result.history]
    assert all(later < earlier for earlier, later in itertools.pairwise(totals))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"preset": "monet"}, "preset is 'monet'; expected one of course, course-tf2, gatys"),
        ({"optimizer": "newton"}, "optimizer is 'newton'"),
        ({"steps": 0}, "steps is 0"),
        ({"init": "grey"}, "init is 'grey'"),
        ({"init": np.zeros((2, 2, 3), np.float32)}, "init has shape"),
        ({"size": -3}, "size"),
        ({"alpha": -1.0}, "alpha is -1.0"),
        ({"colour": 1}, "'colour' is unknown"),
        ({"style_layers": {"block9_conv1": 1.0}}, "layer 'block9_conv1' is unknown; toy has block1_conv1"),
        ({"content_layers": {}}, "content_layers is {}"),
        (
            {"style_layers": ["block1_conv1"]},
            r"style_layers is \['block1_conv1'\]; expected {layer: weight of at least 0}",
        ),
        ({"style_layers": {"block1_conv1": -1.0}}, "style_layers is .* expected {layer: weight of at least 0}"),
        (
            {"content_layers": {"block1_conv1": 1.0, "block2_conv1": "1"}},
            "content_layers is .* expected {layer: weight",
        ),
        ({"scales": 1.0}, "scales is 1.0; expected weights above 0, of the picture, its half"),
        ({"scales": ()}, r"scales is \(\); expected weights above 0"),
        ({"scales": (1.0, 0.0)}, "scales is .* expected weights above 0"),
        ({"scales": (1.0, "1")}, "scales is .* expected weights above 0"),
        ({"beta": "1"}, "beta is '1'; expected a number of at least 0"),
        ({"beta": True}, "beta is True; expected a number of at least 0"),
        ({"beta": float("inf")}, "beta is inf; expected a number of at least 0"),
        ({"init": 3}, "init is 3; expected one of content, noise"),
        ({"style_scale": 0}, "style_scale is 0; expected a number above 0"),
        ({"style_scale": "2"}, "style_scale is '2'; expected a number above 0"),
        ({"levels": -1}, "levels is -1"),
        ({"learning_rate": float("nan")}, "learning_rate"),
    ],
)
def test_bad_options_get_one_line(model, pictures, options, message):
    content, painting = pictures
    with pytest.raises(InputError, match=message) as caught:
        style.transfer(content, painting, model=model, **options)
    assert "\n" not in str(caught.value)


def test_styles_without_weight_and_networks_of_faces_are_refused(model, pictures):
    content, painting = pictures
    for given in ([], [(painting, 0)]):
        with pytest.raises(InputError, match=r"^transfer: style has no picture with a weight above 0; expected one"):
            style.transfer(content, given, model=model)
    for given in ([(painting, -1)], [(painting, "1")], [(painting, 1, 2)]):
        with pytest.raises(InputError, match=r"^transfer: style has an entry that is neither a picture nor \("):
            style.transfer(content, given, model=model)
    with pytest.raises(InputError, match=r"^transfer: tiny_facenet knows faces and no style"):
        style.transfer(content, painting, model=models.tiny_facenet(None))


def test_a_network_without_a_recipe_wants_a_preset(model, pictures):
    model.card = dataclasses.replace(model.card, recipe=None)
    with pytest.raises(InputError, match=r"^transfer: toy has no recipe of its own; expected a preset$"):
        style.transfer(*pictures, model=model, steps=1)
    style.transfer(*pictures, model=model, steps=1, preset="course")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (np.zeros((8, 8, 3), int), "divide by 255"),
        (np.full((8, 8, 3), np.nan, np.float32), "NaN"),
        (np.full((8, 8, 3), 200.0, np.float32), "0..255"),
        (np.zeros((8, 8), np.float32), "shape"),
        (np.zeros((0, 8, 3), np.float32), "shape"),
        ("missing.png", "does not exist"),
    ],
)
def test_bad_pictures_get_one_line(model, pictures, content, message):
    with pytest.raises(InputError, match=message) as caught:
        style.transfer(content, pictures[1], model=model)
    assert str(caught.value).startswith("transfer: content")
    assert "\n" not in str(caught.value)


def test_layers_without_weight_are_not_looked_at_unless_all_are():
    assert objective._heard({"a": 0.0, "b": 2.0, "c": 0.0}) == {"b": 2.0}
    assert objective._heard({"a": 0.0, "b": 0.0}) == {"a": 0.0, "b": 0.0}


def test_jobs_are_told_apart_even_if_equal():
    assert Job(*[None] * 8) != Job(*[None] * 8)


def test_a_cost_that_is_not_finite_stops_the_run_with_advice(model, pictures):
    with pytest.raises(InputError, match="learning_rate"):
        style.transfer(*pictures, model=model, beta=1e300)

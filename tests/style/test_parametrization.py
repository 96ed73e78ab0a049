"""The pyramid that Adam moves, the cost over halves of a picture, and a rate that falls."""

import dataclasses
import itertools
import os
import signal

import numpy as np
import pytest
from toy_network import RECIPE, toy

from minicnn import Tensor, gradcheck, images, optim, style
from minicnn.cli import main
from minicnn.errors import InputError
from minicnn.style.counts import products, run_bytes
from minicnn.style.job import prepare
from minicnn.style.objective import Objective
from minicnn.style.parametrization import PyramidAdam, enlarge, gather, sizes_of
from minicnn.style.regions import Regions
from minicnn.style.scales import Scales, halves
from minicnn.style.tiles import TiledObjective

SHAPES = [((3, 4), (6, 8)), ((3, 4), (5, 7)), ((1, 2), (1, 4)), ((2, 1), (3, 2)), ((1, 1), (1, 1))]
PYRAMID = {"parametrization": "pyramid", "scales": (0.5, 1.0, 1.0), "schedule": "cosine"}


@pytest.fixture
def pictures():
    coarse = np.random.default_rng(0).random((2, 9, 10, 3), dtype=np.float32)
    return np.stack([images.resize(picture, 67, 70) for picture in coarse])


# --- enlarging, and its adjoint --------------------------------------------------------------------------------


@pytest.mark.parametrize(("small", "large"), SHAPES)
def test_gather_is_the_adjoint_of_enlarge(small, large):
    random = np.random.default_rng(0)
    x, y = random.standard_normal((2, *small, 3)), random.standard_normal((2, *large, 3))
    assert np.vdot(enlarge(x, large).data, y) == pytest.approx(np.vdot(x, gather(y)), rel=1e-12)
    report = gradcheck(lambda x: enlarge(x, large), [x])
    assert report.ok


def test_enlarging_is_bilinear():
    ramp = np.arange(5.0)[:, None] * np.ones((1, 4)) + 10 * np.arange(4.0)
    large = enlarge(ramp[None, :, :, None], (10, 7)).data[0, :, :, 0]
    rows = np.clip((np.arange(10) - 0.5) / 2, 0, 4)
    columns = np.clip((np.arange(8) - 0.5) / 2, 0, 3)[:7]
    np.testing.assert_allclose(large, rows[:, None] + 10 * columns, atol=1e-12)
    np.testing.assert_array_equal(enlarge(np.ones((1, 3, 3, 3)), (5, 6)).data, 1)


def test_enlarge_refuses_another_size():
    with pytest.raises(InputError, match=r"enlarge: size is \(7, 8\), x has shape \(1, 3, 4, 3\); expected twice"):
        enlarge(np.zeros((1, 3, 4, 3)), (7, 8))


# --- the optimizer ---------------------------------------------------------------------------------------------


def test_the_picture_moves_by_what_adam_does_to_its_levels():
    """With levels p_k as parameters of their own, and the picture formed from them."""
    random = np.random.default_rng(0)
    start, target = random.random((2, 1, 40, 37, 3))
    sizes = [(40, 37), (20, 19), (10, 10)]
    assert sizes_of((40, 37)) == sizes
    assert sizes_of((16, 99)) == [(16, 99)] and sizes_of((33, 17)) == [(33, 17), (17, 9)]
    levels = [Tensor(np.zeros((1, *size, 3)), requires_grad=True) for size in sizes]
    theirs = [optim.Adam([level], 0.01 / 3**0.5) for level in levels]
    picture = Tensor(start.copy(), requires_grad=True)
    ours = PyramidAdam([picture], 0.01)
    weights = random.random((1, 40, 37, 3))

    def cost(image):
        return ((image - target).square() * weights).sum()

    for _ in range(5):
        formed = start + levels[0] + enlarge(levels[1] + enlarge(levels[2], sizes[1]), sizes[0])
        cost(formed).backward()
        np.testing.assert_allclose(picture.data, formed.data, atol=1e-12)
        cost(picture).backward()
        for optimizer in (ours, *theirs):
            optimizer.step()
            optimizer.zero_grad()


def test_bounds_hold_and_a_small_picture_is_its_only_level():
    picture, plain = (Tensor(np.full((1, 9, 9, 3), 0.5), requires_grad=True) for _ in range(2))
    ours, adam = PyramidAdam([picture], 0.4, bounds=(0, 1)), optim.Adam([plain], 0.4, bounds=(0, 1))
    for _ in range(3):
        picture.grad = plain.grad = np.ones((1, 9, 9, 3))
        ours.step()
        adam.step()
    np.testing.assert_allclose(picture.data, plain.data)
    assert picture.data.min() == 0


def test_a_picture_of_twice_the_size_keeps_the_levels_that_there_were():
    random = np.random.default_rng(0)
    old = Tensor(random.random((1, 20, 33, 3)), requires_grad=True)
    optimizer = PyramidAdam([old], 0.01)
    old.grad = random.standard_normal(old.shape)
    optimizer.step()
    new = Tensor(np.zeros((1, 39, 66, 3)), requires_grad=True)
    twin = optimizer.resized([new], lambda array: np.ones(new.shape))
    assert twin.steps == 1 and [array.shape[1:3] for array in twin.mean] == [(39, 66), (20, 33), (10, 17)]
    assert all(a is b for a, b in zip(twin.mean[1:], optimizer.mean, strict=True))
    assert twin.mean[0].max() == pytest.approx(old.size / new.size)
    with pytest.raises(InputError, match=r"resized: the picture has shape .*; expected .* with doubled sides"):
        optimizer.resized([Tensor(np.zeros((1, 50, 66, 3)), requires_grad=True)], lambda array: array)


# --- the cost over halves --------------------------------------------------------------------------------------


def scales(kind, weights, content, painting, dtype=np.float64, regions=None, **options):
    model = toy()
    recipe = dataclasses.replace(model.card.recipe, total_variation=0.7, scales=weights)
    pictures = [each.astype(dtype) for each in (content, painting)]

    def make(content, styles, halvings):
        there = regions and regions.scaled(content.shape[:2], styles)
        return kind(model, recipe, content, styles, there, **options)

    return Scales(recipe, make, pictures[0], [(pictures[1], 1.0)])


def costs_of(objective, image):
    leaf = Tensor(image[None].copy(), requires_grad=True)
    cost, told = objective(leaf)
    cost.backward()
    return cost.item(), leaf.grad, told


def test_halves_end_where_there_is_little_to_see():
    recipe = dataclasses.replace(RECIPE, scales=(1, 1, 1, 1))
    assert halves(recipe, (130, 300)) == [(130, 300), (65, 150), (32, 75)]
    assert halves(dataclasses.replace(recipe, scales=(1, 1)), (130, 300)) == [(130, 300), (65, 150)]
    assert halves(dataclasses.replace(recipe, smallest_scale=65), (130, 300)) == [(130, 300), (65, 150)]
    assert halves(dataclasses.replace(recipe, smallest_scale=66), (130, 300)) == [(130, 300)]
    assert halves(recipe, (20, 20)) == [(20, 20)]


@pytest.mark.parametrize(("sides", "count"), [((140, 67), 2), ((67, 140), 2), ((140, 130), 3), ((40, 140), 1)])
def test_there_are_as_many_scales_as_the_smallest_of_all_pictures_has(sides, count):
    made = []
    content, painting = (np.zeros((side, side, 3), np.float32) for side in sides)
    recipe = dataclasses.replace(RECIPE, scales=(1.0, 3.0, 4.0, 5.0))

    def make(content, styles, halvings):
        made.append((len(content), len(styles[0][0]), styles[0][1], halvings))

    found = Scales(recipe, make, content, [(painting, 0.5)])
    assert made == [(sides[0] >> i, sides[1] >> i, 0.5, i) for i in range(count)]
    assert [weight for _, weight in found.parts] == [w / sum((1, 3, 4)[:count]) for w in (1, 3, 4)[:count]]


def test_the_cost_is_the_weighted_mean_over_halves():
    content, painting, image = np.random.default_rng(0).random((3, 67, 70, 3))
    found = costs_of(scales(Objective, (1.0, 3.0, 9.0), content, painting), image)
    half = [each[:66].reshape(33, 2, 35, 2, 3).mean(axis=(1, 3)) for each in (content, painting, image)]
    whole, small = (costs_of(scales(Objective, (1.0,), *two[:2]), two[2]) for two in ((content, painting, image), half))
    assert found[0] == pytest.approx((whole[0] + 3 * small[0]) / 4, rel=1e-12)
    assert found[2].keys() == whole[2].keys()
    assert found[2]["style"] == pytest.approx((whole[2]["style"] + 3 * small[2]["style"]) / 4, rel=1e-12)
    spread = np.zeros_like(image)
    spread[:66] = small[1][0].repeat(2, axis=0).repeat(2, axis=1) / 4
    np.testing.assert_allclose(found[1][0], (whole[1][0] + 3 * spread) / 4, atol=1e-12 * np.abs(found[1]).max())


def test_one_scale_costs_what_there_was_before():
    content, painting, image = np.random.default_rng(0).random((3, 67, 70, 3), dtype=np.float32)
    model = toy()
    plain = costs_of(
        Objective(model, dataclasses.replace(model.card.recipe, total_variation=0.7), content, [(painting, 1.0)]), image
    )
    ours = costs_of(scales(Objective, (5.0,), content, painting, np.float32), image)
    assert ours[0] == plain[0] and ours[2] == plain[2]
    np.testing.assert_array_equal(ours[1], plain[1])


@pytest.mark.parametrize("masked", [False, True])
def test_tiles_give_the_gradient_of_all_scales(masked):
    content, painting, image = np.random.default_rng(0).random((3, 150, 140, 3))
    left = np.zeros((150, 140), np.float32)
    left[:, :70] = 1
    regions = Regions([left], [None]) if masked else None
    whole, tiled = (
        costs_of(scales(kind, (0.5, 1.0), content, painting, regions=regions, **options), image)
        for kind, options in ((Objective, {}), (TiledObjective, {"side": 64}))
    )
    assert tiled[0] == pytest.approx(whole[0], rel=1e-10)
    np.testing.assert_allclose(tiled[1], whole[1], atol=1e-10 * np.abs(whole[1]).max())


# --- runs ------------------------------------------------------------------------------------------------------


def test_a_run_paints_and_is_made_again_from_its_checkpoint_bit_for_bit(pictures, tmp_path):
    how = {"model": toy(), "levels": 2, "steps": 11, **PYRAMID}
    whole = style.transfer(*pictures, **how)
    assert whole.manifest["recipe"]["parametrization"] == "pyramid"
    assert whole.history[-1]["total"] < whole.history[-6]["total"]
    for stop in (4, 8):

        def interrupt(step, image, costs, stop=stop):
            if step == stop:
                os.kill(os.getpid(), signal.SIGINT)

        file = tmp_path / "run"
        assert style.transfer(*pictures, **how, on_step=interrupt, checkpoint=file).manifest["interrupted"]
        again = style.transfer(*pictures, **how, checkpoint=file, resume=True)
        np.testing.assert_array_equal(again.image, whole.image)
        assert again.history == whole.history


def test_the_rate_falls_to_nothing(pictures):
    seen = []
    job = prepare(*pictures, model=toy(), levels=2, steps=8, schedule="cosine", learning_rate=0.1)
    previous = job.start
    result = job.run(lambda step, image, costs: seen.append(image.copy()))
    moves = [np.abs(b - a).max() for a, b in itertools.pairwise(seen[4:])]
    assert len(seen) == 8 and previous.shape == result.image.shape
    assert moves[-1] < 0.35 * moves[0]


@pytest.mark.parametrize("optimizer", ["lbfgs", "gd"])
def test_other_optimizers_move_pixels_and_say_so(pictures, optimizer):
    how = {"model": toy(), "steps": 2, "optimizer": optimizer}
    ours = style.transfer(*pictures, **how, parametrization="pyramid")
    np.testing.assert_array_equal(ours.image, style.transfer(*pictures, **how).image)
    assert f"{optimizer} moves pixels; a pyramid of them is for adam" in ours.manifest["notes"]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"scales": ()}, r"transfer: scales is \(\); expected weights above 0, of the picture, its half, …"),
        ({"scales": (1, 0)}, r"transfer: scales is \(1, 0\); expected weights above 0"),
        ({"scales": 2}, "transfer: scales is 2; expected weights above 0"),
        ({"parametrization": "waves"}, "transfer: parametrization is 'waves'; expected one of pixels, pyramid"),
        ({"coarsest": 0}, "transfer: coarsest is 0; expected an integer of at least 1"),
        ({"smallest_scale": 0.5}, "transfer: smallest_scale is 0.5; expected an integer of at least 1"),
        ({"schedule": "steep"}, "transfer: schedule is 'steep'; expected one of constant, cosine"),
    ],
)
def test_bad_values_are_one_line(pictures, wrong, message):
    with pytest.raises(InputError, match=message):
        style.transfer(*pictures, model=toy(), **wrong)


def test_scales_and_levels_are_counted():
    model, size = toy(), (128, 96)
    plain = model.card.recipe
    wide, pyramid = dataclasses.replace(plain, scales=(1, 1)), dataclasses.replace(plain, parametrization="pyramid")
    assert products(model, wide, size) == pytest.approx(1.25 * products(model, plain, size), rel=1e-3)
    assert run_bytes(model, plain, size) < run_bytes(model, wide, size) < 1.3 * run_bytes(model, plain, size)
    assert run_bytes(model, pyramid, size) == run_bytes(model, plain, size) + 5 * 4 * 3 * 128 * 96


def test_the_command_takes_them(tmp_path, pictures):
    for name, picture in zip(("content", "painting"), pictures, strict=True):
        images.save(tmp_path / f"{name}.png", picture)
    files = [str(tmp_path / name) for name in ("content.png", "painting.png", "out.png")]
    options = ["--size", "70", "--steps", "1", "--parametrization", "pyramid", "--scales", "1", "0.5"]
    assert main(["style", *files[:2], "-o", files[2], *options]) == 0
    manifest = style.manifests.read(tmp_path / "out.json")
    assert manifest["recipe"]["scales"] == [1.0, 0.5] and manifest["recipe"]["parametrization"] == "pyramid"
    again = style.transfer(**style.from_manifest(tmp_path / "out.json"))
    np.testing.assert_array_equal(np.rint(images.load(files[2]) * 255), np.rint(again.image * 255))

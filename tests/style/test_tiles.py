"""Tiles: the cost and gradient of a whole picture, from parts of it."""

import dataclasses
import itertools

import numpy as np
import pytest

from minicnn import Tensor, models, style
from minicnn.errors import InputError
from minicnn.models.fields import fields_of
from minicnn.style import run
from minicnn.style.objective import Objective
from minicnn.style.regions import Regions
from minicnn.style.tiles import TiledObjective, tiles_of
from minicnn.style.tiles import _same as same_spans

NETWORKS = {"tiny_vgg": models.tiny_vgg(), "squeezenet": models.squeezenet(None), "vgg19": models.vgg19(None)}
SIZES = {"tiny_vgg": (150, 117), "squeezenet": (131, 101), "vgg19": (196, 130)}


SHALLOW = {"block1_conv1": 1.0, "block2_conv1": 0.5}


def both(name, size, dtype, regions=None, **changes):
    """Return [(cost, gradient, told)] of the whole picture, and of its tiles."""
    model, random = NETWORKS[name], np.random.default_rng(0)
    recipe = dataclasses.replace(model.card.recipe or style.presets()["gatys"], **changes)
    content, painting, image = random.random((3, *size, 3)).astype(dtype)
    found = []
    for kind, options in ((Objective, {}), (TiledObjective, {"side": 64})):
        leaf = Tensor(image[None].copy(), requires_grad=True)
        cost, told = kind(model, recipe, content, [(painting, 1.0)], regions, **options)(leaf)
        cost.backward()
        found.append((cost.item(), leaf.grad, told))
    return found


def assert_equal(found, tolerance):
    (whole, slope, told), (tiled, its_slope, its_told) = found
    assert abs(whole - tiled) <= tolerance * abs(whole)
    assert np.abs(slope - its_slope).max() <= tolerance * np.abs(slope).max()
    assert told.keys() == its_told.keys()
    # A distance of distributions is a small difference of large traces.
    assert all(abs(told[key] - its_told[key]) <= 10 * tolerance * max(abs(told[key]), 0.1 * whole) for key in told)


@pytest.mark.parametrize("name", ["tiny_vgg", "squeezenet"])
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-10), (np.float32, 3e-5)])
def test_tiles_give_the_gradient_of_the_whole(name, dtype, tolerance):
    assert_equal(both(name, SIZES[name], dtype), tolerance)


@pytest.mark.parametrize(
    "changes",
    [
        {"style_form": "wasserstein", "style_layers": SHALLOW},
        {"content_form": "relative"},
        {"total_variation": 0.0},
        {"alpha": 0.0},
    ],
)
def test_tiles_know_every_form(changes):
    assert_equal(both("tiny_vgg", (117, 150), np.float64, **changes), 1e-9)


def test_tiles_know_regions():
    height, width = size = (117, 150)
    soft = np.linspace(0, 1, width, dtype=np.float32)[None] * np.ones((height, 1), np.float32)
    assert_equal(both("tiny_vgg", size, np.float64, Regions([soft], [1 - soft])), 1e-9)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_position_is_in_one_tile_that_holds_what_it_sees(name):
    model, size = NETWORKS[name], SIZES[name]
    recipe = model.card.recipe or style.presets()["gatys"]
    tiles = tiles_of(model, [*recipe.style_layers], size, 64)
    assert len(tiles) >= 2
    for layer in recipe.style_layers:
        fields = fields_of(model, layer, size)
        counted = np.zeros((len(fields.rows), len(fields.columns)), int)
        for tile in tiles:
            rows, columns = tile.parts[layer][1]
            counted[rows, columns] += 1
            for row, column in itertools.product(range(rows.start, rows.stop), range(columns.start, columns.stop)):
                top, bottom, left, right = fields.box(row, column)
                assert tile.crop[0].start <= top <= bottom <= tile.crop[0].stop
                assert tile.crop[1].start <= left <= right <= tile.crop[1].stop
        assert (counted == 1).all()


@pytest.mark.parametrize(("width", "count"), [(208, 3), (224, 4), (96, 2), (95, 1), (3, 1)])
def test_tiles_are_of_equal_size(width, count):
    """The largest one takes the most memory."""
    layers = ["block1_conv1", "block2_conv1"]  # of one pixel and of two
    tiles = tiles_of(NETWORKS["tiny_vgg"], layers, (32, width), 64)
    columns = [tile.parts["block1_conv1"][1][1] for tile in tiles]
    widths = [each.stop - each.start for each in columns]
    assert len(widths) == count and sum(widths) == width
    assert max(widths) - min(widths) <= 2


def test_a_tiled_run_ends_where_the_whole_one_does(tmp_path):
    content, painting = np.random.default_rng(0).random((2, 96, 128, 3), np.float32)
    whole = style.transfer(content, painting, steps=4)
    tiled = style.transfer(content, painting, steps=4, tile=64)
    assert tiled.manifest["tile"] == 64 and whole.manifest["tile"] is None
    assert np.abs(whole.image - tiled.image).max() <= 0.01  # Adam magnifies what differs by rounding


def test_features_of_a_tile_are_found_among_those_of_the_picture_or_it_is_told():
    spans = np.array([[0, 3], [1, 4], [1, 4], [2, 5]])
    assert same_spans(spans, spans[2:]) == slice(2, 4)
    assert same_spans(spans, spans[:0]) == slice(0, 0)
    for others in (spans[2:] + 1, spans[[0, 2, 3]], spans[[3, 3]]):
        with pytest.raises(InputError, match="other features in a tile than in the whole picture; expected no tile"):
            same_spans(spans, others)


@pytest.mark.parametrize(("tile", "found"), [(32, "32"), (True, "True"), ("64", "'64'")])
def test_a_tile_that_is_no_size_is_refused(tile, found):
    content = np.zeros((64, 64, 3), np.float32)
    with pytest.raises(InputError) as caught:
        style.transfer(content, content, tile=tile)
    assert str(caught.value) == f"transfer: tile is {found}; expected an integer of at least 64"


@pytest.mark.parametrize(
    ("tile", "size", "side"),
    [(None, (90, 90), None), (40, (40, 40), None), (40, (41, 20), 40), (40, (20, 41), 40), (40, (41, 41), 40)],
)
def test_pictures_longer_than_a_tile_are_cut(tile, size, side, monkeypatch):
    monkeypatch.setattr(run, "Objective", lambda *_: None)
    monkeypatch.setattr(run, "TiledObjective", lambda *_, side: side)
    one = run.Run.__new__(run.Run)
    one.model = one.recipe = one.regions = one.targets = None
    one.tile = tile
    assert one._objective_of(np.zeros((*size, 3)), []) == side

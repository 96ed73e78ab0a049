"""Figures: what is in them, that none is shown, and the command that writes them."""

from dataclasses import replace
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.figure import Figure
from numpy.testing import assert_allclose, assert_array_equal
from small_networks import card, pictures, plain

from minicnn import InputError, hdf5, images, models, nn, visualize
from minicnn.cli import main, see
from minicnn.models.blocks import GlobalAverage
from minicnn.models.network import Network
from minicnn.visualize import plots, telling
from minicnn.visualize.findings import COLUMNS, strongest
from minicnn.visualize.plane import principal_places
from minicnn.visualize.telling import RULES, _choose, _look, _wishes, chapters, telling_units
from minicnn.visualize.units import outputs_of


def panels(figure):
    assert isinstance(figure, Figure)
    assert plt.get_fignums() == []  # nothing was given to pyplot, which would show it
    return [axes.images[0].get_array() for axes in figure.axes]


def words(figure):
    return [text.get_text() for text in figure.texts] + [axes.get_title() for axes in figure.axes]


def test_colours_of_signs():
    maps = np.array([[-2.0, 0.0], [1.0, np.nan]])[None, :, :, None].repeat(3, axis=3)
    found = plots.signed(maps, quantile=1.0)[0, :, :, 0]
    assert_allclose(found, [[0, 0.5], [0.75, np.nan]])
    assert_allclose(plots.magnitude(np.nan_to_num(maps), quantile=1.0)[0], [[1, 0], [0.5, 0]])


def test_mosaic():
    tiles = np.arange(3.0)[:, None, None, None] / 4 * np.ones((1, 1, 2, 3))
    sheet = plots.mosaic(tiles, 2, gap=1, zoom=2)
    assert sheet.shape == (5, 9, 3)
    assert_array_equal(sheet[0, :, 0], [0, 0, 0, 0, 1, 0.25, 0.25, 0.25, 0.25])
    assert (sheet[2] == 1).all() and (sheet[3:, :4] == 0.5).all() and (sheet[3:, 4:] == 1).all()


def test_a_map_over_a_picture_leaves_it_where_it_is_zero():
    picture, map = pictures(1)[0], np.zeros((12, 12))
    map[3:6, 3:6] = 1
    found = plots.over(picture, map)
    grey = picture.mean(axis=2, keepdims=True)
    assert_allclose(found[:3], np.repeat(grey[:3], 3, axis=2), rtol=1e-6)
    assert np.abs(found[4, 4] - grey[4, 4]).max() > 0.1


def test_story():
    model, album = plain(), pictures(10)
    figure = visualize.story(model, ["conv1", "predictions"], album, count=2, steps=2, progress=False)
    found = panels(figure)
    assert len(found) == 4 * 5  # rows; patches, three rules, wish
    said = words(figure)
    assert any(name in text for name in ("sphere", "cube", "torus") for text in said)
    assert {"nine best patches", "deconvnet", "guided backprop", "gradient"} <= set(said)
    assert len(panels(visualize.story(model, "conv2", album, [1], steps=0, progress=False))) == 4


def test_projections_of_the_story_are_those_of_the_methods_cut_to_the_patch():
    model, album = plain(), pictures(6)
    (chapter,) = chapters(model, "conv2", album, [2, 4], steps=0, k=3, progress=False)
    methods = dict(zip(RULES, (visualize.deconvnet, visualize.guided_backprop, visualize.saliency), strict=True))
    for rule, method in methods.items():
        for i, unit in enumerate((2, 4)):
            for j, number in enumerate(chapter.patches.numbers[i]):
                whole = method(model, "conv2", album[number], unit)
                assert_array_equal(chapter.projections[rule][i, j], chapter.patches.cut(i, j, whole))
                top, bottom, left, right = chapter.patches.boxes[i, j]
                whole[top:bottom, left:right] = 0
                assert not whole.any()  # nothing outside the field
    first = replace(chapter.patches, positions=np.zeros((2, 3, 2), np.int64))
    whole = visualize.saliency(model, "conv2", album[first.numbers[1, 2]], 4, position=(0, 0))
    assert_array_equal(telling.project(model, first)["gradient"][1, 2], first.cut(1, 2, whole))


def test_units_that_tell_are_alike_inside_and_different_from_each_other():
    looks = np.random.default_rng(0).standard_normal((5, 3, 40))
    looks[1], looks[3], looks[4] = looks[1, :1], looks[1, :1], looks[4, :1]  # 1 and 3 show the same, 0 and 2 anything
    looks /= np.linalg.norm(looks, axis=2, keepdims=True)
    speaks = np.ones(5, bool)
    chosen = _choose(looks, speaks, 2).tolist()
    assert 4 in chosen and (1 in chosen) != (3 in chosen)
    speaks[4] = False
    assert 4 not in _choose(looks, speaks, 2)
    assert _choose(looks, speaks, 99).tolist() == [0, 1, 2, 3, 4]


def test_looks_do_not_depend_on_brightness_contrast_or_size():
    crop = pictures(1, (16, 16))[0]
    look = _look(crop)
    assert np.linalg.norm(look) == pytest.approx(1, rel=1e-5)
    larger = 0.2 + 0.5 * crop.repeat(2, axis=0).repeat(2, axis=1)
    assert_allclose(_look(larger), look, atol=1e-5)
    assert not _look(np.full((4, 4, 3), np.nan, np.float32)).any()
    patches = visualize.top_patches(plain(), "conv2", pictures(9), k=3)
    assert len(telling_units(patches, 2)) == 2


@pytest.mark.parametrize("method", COLUMNS)
def test_evidence(method):
    model, album = plain(), pictures(2)
    figure = visualize.evidence(model, method, album)
    assert len(panels(figure)) == 2 * (1 + len(COLUMNS[method]))
    units, values = strongest(model, "predictions", album)
    said = outputs_of(model, "predictions", album)
    assert_array_equal(units, said.argmax(axis=1))
    assert_allclose(values, said.max(axis=1))
    assert any(model.card.classes[units[0]] in text for text in words(figure))


def test_grids():
    model = plain()
    filters = visualize.filter_grid(model, "conv1")
    assert len(panels(filters)) == 1 and "4 filters of 3×3 on 3 channels" in words(filters)[0]
    panels(visualize.filter_grid(model, "conv2"))
    assert len(panels(visualize.feature_grid(model, "conv2", pictures(1)[0]))) in (1, 2)
    assert len(panels(visualize.patch_grid(visualize.top_patches(model, "conv2", pictures(9))))) == 5
    for call, message in (
        (lambda: visualize.filter_grid(model, "pool1"), "has no filters; expected one of conv1, conv2"),
        (lambda: visualize.filter_grid(model, "conv7"), "toy has conv1"),
        (lambda: visualize.feature_grid(model, "predictions", pictures(1)[0]), "expected a layer with places"),
        (lambda: visualize.evidence(model, "lrp", pictures(1)), "expected one of deconv, guided"),
    ):
        with pytest.raises(InputError, match=message):
            call()


def test_pictures_in_the_plane():
    """Two heaps far from each other along one axis, a little spread along another, nothing along the third."""
    turned = np.linalg.qr(np.ones((3, 3)) + np.eye(3))[0]
    encodings = np.array([[0, 0, 5], [1, 1, 5], [10, 0, 5], [11, 1, 5]]) @ turned
    places, share = principal_places(encodings)
    assert share == pytest.approx(1) and places.min() == 0 and places.max() == 1
    apart = np.abs(places[[0, 1]][:, 0] - places[[2, 3]][:, 0])
    assert (apart > 0.8).all()
    ends = np.concatenate([np.diag([4.0, 3, 2]), -np.diag([4.0, 3, 2])])
    assert principal_places(ends)[1] == pytest.approx((16 + 9) / (16 + 9 + 4))  # of the first two alone
    for same in (np.ones((3, 4)), np.zeros((3, 4))):
        places, share = principal_places(same)
        assert_array_equal(places, np.zeros((3, 2)))
        assert share == 0
    figure = visualize.embedding_map(plain(), pictures(4))
    assert isinstance(figure, Figure) and 1 <= len(figure.axes[0].images) <= 4
    with pytest.raises(InputError, match="holds 2 pictures"):
        visualize.embedding_map(plain(), pictures(2))


# The command


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "album").mkdir()
    for i, picture in enumerate(pictures(3, (40, 44))):
        images.save(tmp_path / "album" / f"{i}.png", picture)
    return tmp_path


ONE = "album/0.png"
ACTIONS = {
    "story": "story tiny_vgg block1_conv1 --images album --count 1 --steps 1",
    "patches": "patches tiny_vgg block1_conv2 --images album --units 3,5 --resume found.npz",
    "deconv": f"deconv tiny_vgg {ONE} --layer block1_conv2 --unit 4",
    "guided": f"guided tiny_vgg {ONE} album/1.png",
    "gradcam": f"gradcam tiny_vgg {ONE} --unit cat --at block2_conv2",
    "occlusion": f"occlusion tiny_vgg {ONE} --size 16 --stride 16",
    "invert": f"invert tiny_vgg {ONE} block1_conv1 --steps 2",
    "maximize": "maximize tiny_vgg block1_conv1 --units 0,1 --steps 2",
    "style": f"style tiny_vgg {ONE} --size 24 --steps 1",
    "map": "map tiny_vgg --images album",
    "filters": "filters tiny_vgg",
    "features": f"filters tiny_vgg block1_conv1 --image {ONE}",
}


@pytest.mark.parametrize("action", ACTIONS)
def test_see(action, folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    assert main(["see", *ACTIONS[action].split(), "-o", "out.png"]) == 0, capsys.readouterr().err
    assert "out.png: tiny_vgg" in capsys.readouterr().out
    assert images.load("out.png").std() > 0.02


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("patches tiny_vgg block9 --images album -o o.png", "layer 'block9' is unknown; tiny_vgg has block1_conv1"),
        ("patches tiny_vgg block1_conv1 --units 99 --images album -o o.png", "unit is 99; block1_conv1 has 32"),
        ("patches tiny_vgg block1_conv1 -o o.png", "tiny_vgg needs --images"),
        ("patches tiny_vgg block1_conv1 --images nowhere -o o.png", "does not exist"),
        ("patches tiny_vgg block1_conv1 --images album -o o.gif", "suffix '.gif'"),
        ("patches tiny_vgg block1_conv1 --images album --most 0 -o o.png", "most is 0"),
        ("guided nothing album/0.png -o o.png", "neither a file nor in the catalogue"),
        ("gradcam tiny_vgg album/0.png --unit wolf -o o.png", "or one of airplane, automobile"),
        ("story tiny_vgg block1 --images album -o o.png", "layer 'block1' is unknown"),
    ],
)
def test_see_refuses_nonsense_in_one_line_and_exits_2(line, message, folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    assert main(["see", *line.split()]) == 2
    error = capsys.readouterr().err
    assert message in error and error.startswith("minicnn: ") and error.count("\n") == 1
    assert not (folder / "o.png").exists()


def test_see_takes_any_file_of_weights_and_the_face_encoder_needs_no_pictures(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    hdf5.save(models.tiny_facenet(None, seed=5), "mine.h5")
    line = "patches mine.h5 block1_conv1 --most 2 --units 0 -o out.png"
    assert main(["see", *line.split()]) == 0, capsys.readouterr().err
    assert images.load("out.png").std() > 0.02


def test_a_story_is_told_of_what_comes_right_before_each_pool():
    def chosen(*layers):
        return see._a_layer_a_block(SimpleNamespace(layers=layers))

    a, b = nn.Conv2d(3, 4, 3, name="a"), nn.Conv2d(4, 4, 3, name="b")
    pool, flat, dense = nn.MaxPool2d(2, name="pool"), nn.Flatten(name="flat"), nn.Linear(4, 2, name="dense")
    assert chosen(a, b, pool, b, pool, flat, dense) == ["b", "b"]  # of two pools in turn the first counts
    assert chosen(a, pool, b) == ["a", "b"]
    assert chosen(a, pool, b, flat) == ["a", "b"]


def test_units_that_are_silent_in_some_pictures_are_told_of_last():
    crops = pictures(2)
    patches = SimpleNamespace(
        numbers=np.zeros((2, 2), int),
        values=np.array([[1.0, 0.0], [1.0, 1.0]]),
        each=lambda: [(0, 0, crops[0]), (0, 1, crops[0]), (1, 0, crops[0]), (1, 1, crops[1])],
    )
    assert telling_units(patches, 1).tolist() == [1]  # the other one's patches are more alike


@pytest.mark.parametrize(
    ("whole", "size", "sought"),
    [
        (False, (16, 16), "pieces"),
        (False, (16, 17), "pictures"),
        (False, (17, 3), "pictures"),
        (True, (9, 9), "pictures"),
    ],
)
def test_a_field_of_sixteen_pixels_is_a_piece(monkeypatch, whole, size, sought):
    patches = SimpleNamespace(layer="conv", units=[0], fields=SimpleNamespace(whole=whole, size=size))
    monkeypatch.setattr(telling, "favourite_pieces", lambda *_: "pieces")
    monkeypatch.setattr(telling, "maximize", lambda *_, **__: SimpleNamespace(images="pictures"))
    assert _wishes(None, patches, 1, 0, False) == sought


@pytest.mark.parametrize(
    ("layer", "kernel", "shape"),
    [("conv", 3, (3, 3)), ("conv", (1, 16), (1, 16)), ("conv", (1, 17), (18, 20)), ("average", 1, (18, 20))],
)
def test_a_unit_that_sees_little_would_like_a_piece(layer, kernel, shape):
    model = Network(card((18, 20)), [nn.Conv2d(3, 2, kernel, seed=0, name="conv"), GlobalAverage(name="average")], [])
    patches = visualize.top_patches(model, layer, pictures(1, (18, 20)), k=1)
    assert _wishes(model, patches, 1, 0, False).shape == (2, *shape, 3)

"""Receptive fields against perturbed pixels; the best patches against sorting everything; going on after a stop."""

import os
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from shown_bars import Bar
from small_networks import card, pictures, plain, tangled

from minicnn import InputError, images, models, nn
from minicnn.errors import LoadError, MissingFileError
from minicnn.models import nn4
from minicnn.models.blocks import Branches, Chain, Residual
from minicnn.models.card import ModelCard
from minicnn.models.fields import _joined
from minicnn.models.network import Network
from minicnn.visualize import fields_of, top_patches
from minicnn.visualize import patches as patches_module
from minicnn.visualize.pictures import DrawnFaces, Pictures, as_pictures
from minicnn.visualize.units import outputs_of


def seen(model, layer, row, column, size):
    """By brute force: which pixels change an output, tried on every row and column of three pictures."""
    picture = pictures(1, size, seed=1)
    found = []
    for axis, length in enumerate(size):
        variants = np.repeat(picture, length, axis=0)
        for i in range(length):
            index = (i, i) if axis == 0 else (i, slice(None), i)
            variants[index] = 1 - variants[index]
        changed = outputs_of(model, layer, np.concatenate([picture, variants]))
        changed = (changed[1:, row, column] != changed[0, row, column]).any(axis=-1)
        found += [int(np.argmax(changed)), length - int(np.argmax(changed[::-1]))]
    return tuple(found)


@pytest.mark.parametrize(
    ("build", "layers", "size"),
    [
        (plain, ["conv1", "pool1.x", "conv2.linear"], (12, 13)),
        (tangled, ["conv1", "right", "chain", "branches", "sum", "pool"], (13, 12)),
    ],
)
def test_fields_are_what_perturbed_pixels_say(build, layers, size):
    model = build()
    for layer in (name.removesuffix(".x") for name in layers):
        for parameter in model.parameters():  # positive, so that nothing that is seen is cancelled or cut off
            parameter.data = np.abs(parameter.data) + np.float32(0.01)
        fields = fields_of(model, layer, size)
        height, width = outputs_of(model, layer, pictures(1, size)).shape[1:3]
        assert (len(fields.rows), len(fields.columns)) == (height, width)
        for row, column in [(0, 0), (height // 2, width // 2), (height - 1, width - 1), (0, width - 1)]:
            found = seen(model, layer, row, column, size)
            box = fields.box(row, column)
            if layer in ("right", "chain", "pool1"):  # dilated filters skip pixels, and of a maximum one pixel counts
                assert box[0] <= found[0] and found[1] <= box[1] and box[2] <= found[2] and found[3] <= box[3]
            else:
                assert box == found, (layer, row, column)


def test_fields_of_vgg_19_are_those_that_are_published():
    model = models.vgg19()
    published = {"block1_conv1": 3, "block2_conv1": 10, "block3_conv1": 24, "block4_conv1": 68, "block5_conv1": 156}
    for layer, side in published.items():
        assert fields_of(model, layer, (512, 512)).size == (side, side)


def test_a_picture_may_be_too_small_for_the_layers_above():
    model = models.squeezenet(None)
    assert fields_of(model, "conv1", (8, 8)).size == (3, 3)
    assert fields_of(model, "fire2/squeeze1x1", (8, 8)).size == (7, 7)  # deep inside a block
    with pytest.raises(InputError):
        fields_of(model, model.layers[-1].name, (8, 8))


TOO_LARGE = nn.MaxPool2d(9, name="large")


@pytest.mark.parametrize(
    "around", [lambda inner: inner, Chain, Branches, Residual, lambda inner: Chain(Branches(inner))]
)
def test_a_layer_inside_any_block_is_found_before_the_layers_above(around):
    inner = nn.Conv2d(3, 3, 3, padding="same", name="inner")
    card = ModelCard(name="small", input_size=(8, 8), preprocessing="none")
    for above in ([TOO_LARGE], [nn.ReLU(), TOO_LARGE]):
        model = Network(card, [around(inner), *above], [])
        assert fields_of(model, "inner", (8, 8)).size == (3, 3)
        with pytest.raises(InputError, match="large"):
            fields_of(model, "large", (8, 8))


def test_behind_a_linear_layer_everything_is_seen():
    fields = fields_of(plain(), "predictions", (12, 10))
    assert fields.whole and fields.box(0, 0) == (0, 12, 0, 10)


def test_a_block_behind_a_linear_layer_sees_everything():
    linear = [nn.Linear(4, 4, name="change"), nn.ReLU(name="relu")]
    layers = [nn.Conv2d(3, 1, 2, name="conv"), nn.Flatten(name="flat"), Residual(Chain(*linear), name="sum")]
    fields = fields_of(Network(card((3, 3)), layers), "sum", (3, 3))
    assert fields.whole and fields.box(0, 0) == (0, 3, 0, 3)
    part = [np.array([[0, 1]]), np.array([[1, 2]])]
    assert _joined([part, None]) is None and _joined([None, part]) is None and _joined([part]) is part


def test_fields_reach_through_inception_blocks():
    """nn4.small2's table: 3×3 of 96 pixels are left, and pools with zeros around them keep the picture in place."""
    fields = fields_of(nn4.build(initial="zeros"), "inception_5b", (96, 96))
    assert len(fields.rows) == 3 and fields.box(1, 1) == (0, 96, 0, 96)


def test_a_layer_of_which_nothing_is_known_is_refused():
    class Strange(nn.Module):
        name = "strange"

        def forward(self, x):
            return x

    model = plain()
    model.body.insert(0, Strange())
    with pytest.raises(InputError, match="'strange' is a Strange"):
        fields_of(model, "conv1", (12, 12))


# The best


@pytest.mark.parametrize("batch_size", [1, 4, 64])
def test_the_best_are_those_that_sorting_everything_finds(batch_size):
    model, album = plain(), pictures(11)
    album[7] = album[2]  # a draw: the earlier picture comes first
    found = top_patches(model, "conv2", album, k=4, batch_size=batch_size)
    outputs = outputs_of(model, "conv2", album)
    best = outputs.max(axis=(1, 2))
    expected = np.argsort(-best, axis=0, kind="stable")[:4].T
    assert_array_equal(found.numbers, expected)
    np.testing.assert_allclose(found.values, np.take_along_axis(best.T, expected, axis=1), rtol=1e-6)
    for unit in range(5):
        for patch in range(4):
            row, column = found.positions[unit, patch]
            assert outputs[found.numbers[unit, patch], row, column, unit] == pytest.approx(found.values[unit, patch])


def test_units_come_in_the_order_asked_for():
    model, album = plain(), pictures(6)
    every = top_patches(model, "conv2", album, k=2)
    for units in ([4, 3, 2, 1, 0], [2, 2], [1]):
        found = top_patches(model, "conv2", album, units, k=2)
        assert_array_equal(found.numbers, every.numbers[units])
        assert_array_equal(found.values, every.values[units])


def test_pictures_of_several_sizes_are_refused_whatever_the_batches_are():
    for batch_size in (1, 2):
        with pytest.raises(InputError, match=r"shape \(10, 12, 3\).* \(12, 12, 3\); expected one size"):
            top_patches(plain(), "conv1", [*pictures(2), *pictures(1, (10, 12))], batch_size=batch_size)


def test_a_crop_holds_its_field_and_nan_beyond_the_edge():
    album = pictures(6)
    found = top_patches(plain(), "conv2", album, [3, 1], k=3)
    assert found.crops.shape == (2, 3, 8, 8, 3)  # conv2 sees 3 + (2 − 1) + (3 − 1) · 2 = 8 pixels
    assert_array_equal(found.units, [3, 1])
    for unit, patch in np.ndindex(2, 3):
        row, column = found.positions[unit, patch] * 2 - 3  # of the field's first pixel, inside the picture or not
        crop, number = found.crops[unit, patch], found.numbers[unit, patch]
        padded = np.pad(album[number], ((3, 3), (3, 3), (0, 0)), constant_values=np.nan)
        assert_array_equal(crop, padded[row + 3 : row + 11, column + 3 : column + 11])
        assert_array_equal(found.cut(unit, patch, album[number]), crop)


def test_a_crop_alone_excites_its_unit_as_much():
    """What lies outside the field does not matter: other pixels there leave the value as it is."""
    model, album = plain(), pictures(5)
    found = top_patches(model, "conv2", album, k=1)
    for unit in range(5):
        top, bottom, left, right = found.boxes[unit, 0]
        other = pictures(1, seed=9)
        other[0, top:bottom, left:right] = album[found.numbers[unit, 0], top:bottom, left:right]
        row, column = found.positions[unit, 0]
        assert outputs_of(model, "conv2", other)[0, row, column, unit] == pytest.approx(found.values[unit, 0], rel=1e-5)


@pytest.mark.parametrize(
    ("box", "place"),
    [
        ((2, 7, 3, 8), (0, 5, 0, 5)),  # inside
        ((0, 4, 0, 2), (1, 5, 3, 5)),  # at the edges above and on the left
        ((6, 9, 7, 9), (0, 3, 0, 2)),  # at those below and on the right
    ],
)
def test_where_a_field_that_was_cut_stands_in_its_crop(box, place):
    assert patches_module._place(box, (9, 9), (5, 5)) == place


def test_a_field_larger_than_its_picture_stands_in_the_middle_of_its_crop():
    assert patches_module._place((0, 3, 0, 4), (3, 4), (5, 9)) == (1, 4, 2, 6)


def test_fewer_pictures_than_patches_and_several_layers_at_once():
    found = top_patches(plain(), ["conv1", "predictions"], pictures(2), k=3)
    assert list(found) == ["conv1", "predictions"]
    for patches in found.values():
        assert (patches.numbers[:, 2] == -1).all() and np.isneginf(patches.values[:, 2]).all()
        assert np.isnan(patches.crops[:, 2]).all() and np.isfinite(patches.crops[:, :2]).any(axis=(2, 3, 4)).all()
    assert found["predictions"].crops.shape[2:] == (12, 12, 3)


def test_the_best_few_of_some_units_are_what_a_smaller_search_finds():
    model, faces = plain(), pictures(12, (12, 13), seed=2)
    few = top_patches(model, "conv2", faces, k=8).of([2, 0], 3)
    smaller = top_patches(model, "conv2", faces, [2, 0], k=3)
    for name in ("units", "values", "numbers", "positions", "boxes", "places", "crops"):
        assert_array_equal(getattr(few, name), getattr(smaller, name), err_msg=name)


def test_it_goes_on_where_it_broke_off(tmp_path):
    class Breaks(list):
        last = 5

        def __getitem__(self, number):
            if number > self.last:
                raise KeyboardInterrupt
            return super().__getitem__(number)

    model, album = plain(), pictures(12)
    items, state = Breaks(album), tmp_path / "search.npz"
    with pytest.raises(KeyboardInterrupt):
        top_patches(model, "conv2", items, k=3, batch_size=2, resume=state)
    assert np.load(state)["done"] == 6
    Breaks.last = 99
    read = []

    class Watched(Breaks):
        def __getitem__(self, number):
            read.append(number)
            return super().__getitem__(number)

    resumed = top_patches(model, "conv2", Watched(album), k=3, batch_size=2, resume=state)
    whole = top_patches(model, "conv2", album, k=3)
    assert 6 in read and read.index(6) == 1  # the first picture is looked at for its size
    for name in ("values", "numbers", "positions", "crops"):
        assert_array_equal(getattr(resumed, name), getattr(whole, name))
    assert [path.name for path in tmp_path.iterdir()] == ["search.npz"]


def test_the_state_is_kept_every_twenty_seconds_while_the_search_runs(tmp_path, monkeypatch):
    state, now, found = tmp_path / "search.npz", [0.0], []
    monkeypatch.setattr(patches_module, "time", SimpleNamespace(monotonic=lambda: now[0]))

    class Slow(list):
        """Pictures that take ten seconds each to read."""

        def __getitem__(self, number):
            now[0] += 10
            found.append(int(np.load(state)["done"]) if state.exists() else 0)  # the first one looks at its size
            return super().__getitem__(number)

    top_patches(plain(), "conv1", Slow(pictures(9)), k=1, batch_size=1, resume=state)
    assert found[1:10] == [0, 0, 0, 3, 3, 3, 6, 6, 6] and np.load(state)["done"] == 9


class CountingBar(Bar):
    def update(self, count):
        self.updates += count


@pytest.mark.parametrize(("progress", "disable"), [(None, None), (True, False), (False, True)])
def test_the_bar_counts_the_pictures_and_begins_where_the_search_does(tmp_path, monkeypatch, progress, disable):
    monkeypatch.setattr(patches_module, "tqdm", CountingBar)
    options = {"k": 1, "batch_size": 2, "resume": tmp_path / "search.npz", "progress": progress}
    for done in (0, 3):
        top_patches(plain(), "conv1", pictures(3), **options)
        shown = {"total": 3, "initial": done, "unit": " pictures", "desc": "patches", "disable": disable}
        assert CountingBar.last.options == shown and CountingBar.last.updates == 3 - done


@pytest.mark.skipif(os.name == "nt", reason="Windows lets few users make links")
def test_a_link_to_nothing_is_no_state_and_stays(tmp_path):
    state = tmp_path / "search.npz"
    state.symlink_to(tmp_path / "gone.npz")
    with pytest.raises(LoadError, match="holds no search"):
        top_patches(plain(), "conv1", pictures(1), k=1, resume=state)
    assert state.is_symlink()


def test_a_state_of_another_search_is_refused(tmp_path):
    model, album, state = plain(), pictures(3), tmp_path / "search.npz"
    top_patches(model, "conv2", album, k=2, resume=state)
    for change, what in (({"k": 3}, "k"), ({"units": [0]}, "units"), ({"images": pictures(3, seed=4)}, "pictures")):
        options = {"images": album, "units": None, "k": 2, **change}
        with pytest.raises(LoadError, match=f"of a search with other {what}"):
            top_patches(model, "conv2", resume=state, **options)
    other, renamed = plain(), plain()
    other.layers[0].w.data[0, 0, 0, 0] += 1
    renamed.layers[0].name = "conv0"
    for changed in (other, renamed):
        with pytest.raises(LoadError, match="of a search with other weights"):
            top_patches(changed, "conv2", album, k=2, resume=state)
    with pytest.raises(MissingFileError, match="in a folder that does not exist"):
        top_patches(model, "conv2", album, k=2, resume=tmp_path / "nowhere" / "search.npz")
    state.write_bytes(b"PK\x03\x04")
    with pytest.raises(LoadError, match="holds no search"):
        top_patches(model, "conv2", album, k=2, resume=state)


def test_a_state_that_is_damaged_or_cannot_be_kept_is_told(tmp_path, monkeypatch):
    model, album, state = plain(), pictures(3), tmp_path / "search.npz"
    top_patches(model, "conv2", album, k=2, resume=state)
    arrays = dict(np.load(state))
    for name, other in (("0.values", arrays["0.values"][:1]), ("0.places", arrays["0.places"].astype(np.float32))):
        np.savez(state, **arrays | {name: other})
        with pytest.raises(LoadError, match=r"^top_patches: resume '.*search\.npz' is damaged; delete it$"):
            top_patches(model, "conv2", album, k=2, resume=state)
    np.savez(state, **{name: array for name, array in arrays.items() if name != "0.numbers"})
    with pytest.raises(LoadError, match="is damaged; delete it"):
        top_patches(model, "conv2", album, k=2, resume=state)
    state.unlink()

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(InputError, match=r"^top_patches: resume '.*' cannot be written \(.*No space left on device\)$"):
        top_patches(model, "conv2", album, k=2, resume=state)
    assert list(tmp_path.iterdir()) == []


# Pictures


def test_folders_are_read_with_all_in_them_and_brought_to_size(tmp_path):
    folder = tmp_path / ".album"  # what it lies in may be hidden
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / ".hidden").mkdir()
    (folder / "album.png").mkdir()
    for place, seed in (("b.png", 1), ("deep/er/a.jpg", 2), (".hidden/c.png", 3)):
        images.save(folder / place, pictures(1, (20, 30), seed)[0])
    (folder / "deep/er/a.jpg").rename(folder / "deep/er/a.JPG")
    (folder / "notes.txt").write_text("words")
    found = as_pictures(folder, (10, 10))
    assert [found.name(i) for i in range(len(found))] == ["b.png", "a.JPG"]
    assert found[0].shape == (10, 10, 3)
    found = top_patches(plain(), "conv1", folder, k=2, batch_size=1)
    assert found.pictures[0].shape == (12, 12, 3)  # the size on the card


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((2, 4, 4)), "images has shape (2, 4, 4)"),
        (np.zeros((0, 4, 4, 3)), "not empty"),
        ([], "images is a list"),
        (7, "images is a int"),
        (np.zeros((1, 4, 4, 3), np.int64), "dtype int64"),
        (np.full((1, 12, 12, 3), np.nan), "NaN"),
        ([np.zeros((12, 12, 3)), np.zeros((9, 12, 3))], "expected one size"),
    ],
)
def test_what_is_no_picture_is_refused(images, message):
    with pytest.raises(InputError) as caught:
        top_patches(plain(), "conv1", images)
    assert message in str(caught.value)


def test_folders_that_are_not_there_or_empty(tmp_path):
    with pytest.raises(MissingFileError, match="does not exist"):
        top_patches(plain(), "conv1", tmp_path / "nowhere")
    with pytest.raises(InputError, match="holds no pictures"):
        top_patches(plain(), "conv1", tmp_path)


def test_no_layer_is_refused():
    with pytest.raises(InputError, match="top_patches: layer is empty"):
        top_patches(plain(), [], pictures(1))


def test_names_that_do_not_exist_are_answered_with_those_that_do():
    model = plain()
    with pytest.raises(
        InputError, match=r"layer 'conv9' is unknown; toy has conv1, pool1, conv2, average, predictions"
    ):
        top_patches(model, "conv9", pictures(1))
    with pytest.raises(InputError, match="layer 'conv9' is unknown; toy has conv1"):
        fields_of(model, "conv9", (12, 12))
    for unit, problem in ((5, "unit is 5; conv2 has 5: expected 0 … 4"), (-1, "unit is -1"), ("x", "unit is 'x'")):
        with pytest.raises(InputError, match=problem):
            top_patches(model, "conv2", pictures(1), [unit])
    with pytest.raises(InputError, match="expected 0 … 2, or one of sphere, cube, torus"):
        top_patches(model, "predictions", pictures(1), ["ball"])
    assert top_patches(model, "predictions", pictures(1), "torus").units.tolist() == [2]
    with pytest.raises(InputError, match="k is 0"):
        top_patches(model, "conv1", pictures(1), k=0)


def test_drawn_faces_are_pictures():
    faces = Pictures(DrawnFaces(4, 32))
    assert len(faces) == 4 and faces[3].shape == (32, 32, 3) and 0 <= faces[3].min() < faces[3].max() <= 1
    assert faces.fingerprint() != Pictures(DrawnFaces(4, 32, seed=1)).fingerprint()

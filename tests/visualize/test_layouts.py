"""Where things stand in a figure and how large they are, and the colours and pictures that go into it."""

import dataclasses
import inspect
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from small_networks import card, pictures, plain

from minicnn import InputError, Tensor, images, nn, visualize
from minicnn.errors import MissingFileError
from minicnn.models.network import Network
from minicnn.visualize import findings, plane, plots, telling
from minicnn.visualize.canvas import Canvas
from minicnn.visualize.pictures import DrawnFaces, Pictures, as_pictures, middle

WIDE, TALL = np.zeros((2, 4, 3)), np.zeros((480, 240, 3))


def inches(figure):
    """(left, bottom, width, height) of each picture, in inches."""
    width, height = figure.get_size_inches()
    places = [axes.get_position() for axes in figure.axes]
    return [[p.x0 * width, p.y0 * height, p.width * width, p.height * height] for p in places]


def texts(figure):
    """(text, x and y in inches, alignment) of each text beside the pictures."""
    size = figure.get_size_inches()
    return [(t.get_text(), *(t.get_position() * size).round(3).tolist(), t.get_ha(), t.get_va()) for t in figure.texts]


def sheets(figure):
    return [axes.images[0].get_array() for axes in figure.axes]


def test_rows_and_columns_with_their_texts():
    figure = plots.figure_of([[WIDE, TALL], [WIDE]], titles=["one"], labels=["x", "yyy\nz"], title="T")
    gap = 0.09 * 1.6**0.5
    label = 0.09 * 3 + 0.1  # of the longest line
    bottom = 0.02 + gap
    assert_allclose(
        inches(figure),
        [
            [label, bottom + 1.6 + gap, 3.2, 1.6],
            [label + 3.2 + gap, bottom + 1.6 + gap, 0.8, 1.6],
            [label, bottom, 3.2, 1.6],
        ],
        atol=1e-9,
    )
    width, height = label + 4.0 + 2.5 * gap, bottom + 3.2 + gap + 0.3 + 0.42
    assert_allclose(figure.get_size_inches(), (width, height))
    assert texts(figure) == [
        ("T", round(width / 2, 3), round(height - 0.2, 3), "center", "center"),
        ("x", 0.3, 2.648, "right", "center"),
        ("yyy\nz", 0.3, 0.934, "right", "center"),
    ]
    assert [axes.get_title() for axes in figure.axes] == ["one", "", ""]
    assert not any(axes.axison for axes in figure.axes) and figure.get_dpi() == 150
    assert [axes.images[0].get_interpolation() for axes in figure.axes] == ["nearest", "antialiased", "nearest"]
    assert [axes.images[0].get_clim() for axes in figure.axes] == [(0, 1)] * 3


def test_a_column_is_as_wide_as_its_widest_picture():
    figure = plots.figure_of([[TALL, TALL], [WIDE, TALL], [TALL]])
    assert figure.get_size_inches()[0] == pytest.approx(0.1 + 3.2 + 0.8 + 2.5 * 0.09 * 1.6**0.5)


def test_one_title_makes_room_for_all():
    without, one, both = (plots.figure_of([[WIDE, TALL]], titles=t).get_size_inches()[1] for t in ((), ["", "b"], "ab"))
    assert one == both == pytest.approx(without + 0.26)


def test_without_texts_there_is_no_room_for_them_and_a_long_title_widens_a_figure():
    figure = plots.figure_of([[WIDE]], inches=2.25)
    assert_allclose(inches(figure), [[0.1, 0.155, 4.5, 2.25]])
    assert not figure.texts
    assert_allclose(figure.get_size_inches(), (0.1 + 4.5 + 1.5 * 0.135, 0.04 + 2.25 + 0.135 + 0.02))
    figure = plots.figure_of([[WIDE]], title="t" * 100)
    assert figure.get_size_inches()[0] == pytest.approx(11.5)
    left = (11.5 - 0.1 - 3.2 - 1.5 * 0.09 * 1.6**0.5) / 2 + 0.1  # the pictures stand in the middle
    assert_allclose(inches(figure)[0][0], left)


def test_cells_with_their_names():
    figure = plots.named_cells([WIDE] * 3, ["p", "q", "r"], 2, "T")
    assert_allclose(figure.get_size_inches(), (6.16, 3.92))
    assert_allclose(
        inches(figure), [[0.12, 1.81, 2.9, 1.45], [3.14, 1.81, 2.9, 1.45], [0.12, 0.12, 2.9, 1.45]], atol=1e-9
    )
    assert texts(figure) == [("T", 3.08, 3.72, "center", "center")]
    assert [axes.get_title() for axes in figure.axes] == ["p", "q", "r"]
    assert not any(axes.axison for axes in figure.axes)
    alone = plots.named_cells([WIDE], ["p"], 6, "t" * 60)
    assert_allclose(alone.get_size_inches(), (6.3, 2.23))


def test_nine_pictures_make_a_square():
    assert plots.nine(np.ones((2, 4, 4, 3))).shape == (124, 124, 3)
    assert plots.nine(np.ones((12, 200, 100, 3))).shape == (620, 320, 3)
    assert plots.nine(np.ones((9, 12, 12, 3)), side=60).shape == (74, 74, 3)
    few = plots.nine(np.zeros((2, 60, 60, 3)))
    assert (few[:60, :60] == 0).all() and (few[:60, 63:123] == 0).all() and (few[:60, 126:] == np.float32(0.9)).all()


def test_colours_of_maps_cut_off_the_few_largest():
    row = np.concatenate([np.full(199, 0.5), [100.0]])[None, :, None] * np.ones((1, 1, 3))
    assert plots.signed(row)[0, 0, 0] < 0.76 and plots.signed(-row)[0, 0, 0] > 0.24
    assert plots.signed(np.zeros((1, 1, 3))).tolist() == [[[0.5, 0.5, 0.5]]]
    hundred = np.concatenate([np.full(99, 0.5), [100.0]])[None, :, None] * np.ones((1, 1, 3))
    assert 0.3 < plots.magnitude(hundred)[0, 0] < 0.5 and plots.magnitude(hundred)[0, -1] == 1
    assert plots.magnitude(np.zeros((2, 2, 3))).max() == 0
    map = np.array([[[1.0, -4.0, 2.0], [0.0, 2.0, 0.0]]])
    assert_array_equal(plots.magnitude(map, quantile=1.0), [[1, 0.5]])
    assert_array_equal(plots.magnitude(np.stack([map, 3 * map]), quantile=1.0), [[[1, 0.5]]] * 2)  # each by itself


def test_a_map_over_grey():
    found = plots.over(np.full((1, 3, 3), 0.5), np.array([[0.0, 0.02, 1.0]]))
    expected = [[0.5] * 3, [0.47767, 0.47118, 0.490133], [0.48368, 0.112664, 0.10844]]
    assert_allclose(found[0], expected, atol=2e-5)
    share = 0.55 * np.sqrt(0.03) + 0.25
    (bit,) = plots.over(np.full((1, 2, 3), 0.5), np.array([[0.06, 2.0]]))  # a little is seen already
    assert_allclose(bit[0], (1 - share) * 0.5 + share * plots.heat(np.array(0.03), "turbo"), rtol=1e-5)
    more = plots.over(np.full((1, 1, 3), 0.5), np.array([[1.0]]), opacity=0.0)
    assert_allclose(more[0, 0], 0.75 * 0.5 + 0.25 * plots.heat(np.ones((1, 1)), "turbo")[0, 0], atol=1e-6)
    assert plots.over(np.ones((1, 1, 3)), np.zeros((1, 1))).tolist() == [[[1, 1, 1]]]
    assert_allclose(plots.heat(np.zeros((1, 1)))[0, 0], [0.001462, 0.000466, 0.013866], atol=1e-6)


def test_tiles_touch_where_no_gap_is_asked_for_and_have_one_otherwise():
    tiles = np.zeros((3, 1, 1, 3))
    assert plots.mosaic(tiles, 3).shape == (1, 5, 3) and plots.mosaic(tiles, 3, gap=0).shape == (1, 3, 3)
    assert plots.mosaic(tiles, 2, background=0.25)[2, 2].tolist() == [0.25] * 3
    assert plots.mosaic(np.full((1, 1, 1, 3), np.nan), 1)[0, 0].tolist() == [np.float32(0.9)] * 3


def test_filters_of_a_first_and_of_a_deeper_layer():
    model = plain()
    figure = visualize.filter_grid(model, "conv1")
    assert texts(figure)[0][0] == "conv1: 4 filters of 3×3 on 3 channels"
    (sheet,) = sheets(figure)
    assert sheet.shape == (60, 8 * 70 - 10, 3)
    w = model.layers[0].w.data
    first = 0.5 + w[..., 0] / (2 * np.abs(w[..., 0]).max())
    assert_allclose(sheet[:60:20, :60:20], first, atol=1e-6)
    assert_allclose(inches(figure)[0][3], 2)  # at least
    deeper = visualize.filter_grid(model, "conv2")
    assert texts(deeper)[0][0] == "conv2: 5 of 5 filters, their 4 strongest channels each"
    assert sheets(deeper)[0].shape == (5 * 45 - 6, 4 * 45 - 6, 3)
    assert_allclose(inches(deeper)[0][2], 7)
    fewer = visualize.filter_grid(model, "conv2", columns=2, most=3)
    assert texts(fewer)[0][0] == "conv2: 3 of 5 filters, their 2 strongest channels each"
    assert sheets(fewer)[0].shape == (3 * 45 - 6, 2 * 45 - 6, 3)
    many = sheets(visualize.filter_grid(model, "conv2", columns=1))[0]
    assert many.shape[1] == 39
    w = next(layer for layer in model.layers if layer.name == "conv2").w.data[..., 0]
    strongest = w[..., np.argmax(np.square(w).sum(axis=(0, 1)))]  # of the first filter, in its own contrast
    assert_allclose(many[:39:13, :39:13], plots.heat(strongest / np.abs(strongest).max() / 2 + 0.5, "RdBu_r"))


@pytest.mark.parametrize(
    ("preprocessing", "turned"), [("vgg", True), ("squeezenet", True), ("vgg-rgb", False), ("half", False)]
)
def test_filters_that_take_blue_first_are_shown_in_their_own_colours(preprocessing, turned):
    model = Network(
        dataclasses.replace(card(), preprocessing=preprocessing), [nn.Conv2d(3, 1, 1, seed=0, name="first")]
    )
    w = model.body[0].w.data[0, 0, :, 0]
    (sheet,) = sheets(visualize.filter_grid(model, "first"))
    colours = 0.5 + w / (2 * np.abs(w).max())
    assert_allclose(sheet[0, 0], colours[::-1] if turned else colours, atol=1e-6)


def test_at_most_sixteen_deeper_filters_and_sixty_four_first_ones_are_shown():
    body = [nn.Conv2d(3, 70, 3, seed=0, name="first"), nn.Conv2d(70, 20, 1, seed=1, name="second")]
    model = Network(card(), body, [nn.Flatten(name="flat")])
    assert sheets(visualize.filter_grid(model, "first"))[0].shape == (8 * 70 - 10, 8 * 70 - 10, 3)
    assert sheets(visualize.filter_grid(model, "first", columns=16))[0].shape == (4 * 70 - 10, 16 * 70 - 10, 3)
    figure = visualize.filter_grid(model, "second")
    assert texts(figure)[0][0] == "second: 16 of 20 filters, their 16 strongest channels each"
    assert sheets(figure)[0].shape == (16 * 46 - 6, 16 * 46 - 6, 3)


def test_what_channels_say_of_a_picture(monkeypatch):
    model, picture = plain(), pictures(1)[0]
    figure = visualize.feature_grid(model, "conv2", picture)
    assert texts(figure)[0][0] == "conv2: the 5 strongest of 5 channels, 6×6 each"
    side, sheet = sheets(figure)
    assert side.shape == (96, 96, 3) and sheet.shape == (96, 12 * 98 - 2, 3)
    said = findings.outputs_of(model, "conv2", picture[None])[0]
    order = np.argsort(-np.abs(said).mean(axis=(0, 1)))
    for place, channel in enumerate(order):
        map = said[..., channel]
        expected = plots.heat((map - map.min()) / max(np.ptp(map), 1e-12), "magma")
        assert_allclose(sheet[::16, place * 98 : place * 98 + 96 : 16], expected, atol=1e-5)
    (only,) = sheets(visualize.feature_grid(model, "conv2", picture, columns=1, most=2))
    assert only.shape == (2 * 98 - 2, 96, 3)
    for height, shapes in ((29, [(29, 29, 3), (29, 80, 3)]), (30, [(30, 80, 3)])):  # the picture stands beside low ones
        monkeypatch.setattr(plots, "mosaic", lambda *_, rows=height, **__: np.zeros((rows, 80, 3)))
        assert [shown.shape for shown in sheets(visualize.feature_grid(model, "conv2", picture))] == shapes


def test_a_unit_is_named_by_its_class_in_the_last_layer_only():
    model = plain()
    assert plots.unit_name(model, "predictions", 1) == "cube" and plots.unit_name(model, "conv1", 1) == "unit 1"
    patches = visualize.top_patches(model, "conv1", pictures(2), k=1)
    assert plots.title_of(patches) == "conv1: a unit sees 3×3 pixels"
    assert plots.seen(visualize.top_patches(model, "predictions", pictures(2), k=1)) == "the whole picture"
    for whole, size, text in (
        (False, (6, 5), "the whole picture"),
        (True, (2, 2), "the whole picture"),
        (False, (6, 6), "6×6 pixels"),
    ):
        fields = SimpleNamespace(whole=whole, size=size)
        assert plots.seen(SimpleNamespace(fields=fields, pictures=[np.zeros((6, 5, 3))])) == text


def test_pictures_are_shown_large_beside_what_methods_find():
    model, album = plain(), pictures(2)
    figure = findings.evidence(model, "deconv", album)
    assert [sheet.shape for sheet in sheets(figure)] == [(192, 192, 3)] * 4
    assert texts(figure)[0][0] == "toy, predictions"
    units, values = findings.strongest(model, "conv2", album)
    said = findings.outputs_of(model, "conv2", album)
    assert_array_equal(values, said.max(axis=(1, 2, 3)))  # of all places and units
    assert_array_equal(units, said.max(axis=(1, 2)).argmax(axis=1))
    units, values = findings.strongest(model, "predictions", album)
    names = [model.card.classes[u] for u in units]
    assert [t[0] for t in texts(figure)[1:]] == [f"{n}\n{v:.3g}" for n, v in zip(names, values, strict=True)]
    assert_allclose(inches(figure)[0][3], 1.8)
    whole = findings.wishes(model, "conv1", steps=1, progress=False)
    assert texts(whole)[0][0] == "toy, conv1: what units would like best" and len(whole.axes) == 4
    assert len(findings.wishes(model, "conv1", count=2, columns=1, steps=1, progress=False).axes) == 2
    left = findings.inversions(model, album[0], ["conv1", "conv2"], steps=1, progress=False)
    assert [axes.get_title() for axes in left.axes] == ["picture", "conv1", "conv2"]
    assert texts(left)[0][0] == "toy" and sheets(left)[0].shape == (192, 192, 3)
    wide = findings.inversions(model, album[0][:6], ["conv1"], steps=1, progress=False)
    assert sheets(wide)[0].shape == (198, 396, 3)  # at most 200 pixels along the shorter side
    model = Network(card((6, 12)), [nn.Conv2d(3, 2, 3, seed=0, name="conv")], [])
    for size, side in ((None, 12), (8, 8)):  # as long as the longer side on the card
        left = findings.inversions(model, np.zeros((40, 40, 3)), ["conv"], size=size, steps=1, progress=False)
        assert sheets(left)[0].shape == (200 // side * side,) * 2 + (3,)


def test_a_face_encoder_inverts_a_picture_of_the_size_that_it_takes():
    encoder = Network(
        dataclasses.replace(card((6, 12)), embedding=2), [nn.Conv2d(3, 2, 3, seed=0, name="conv")], []
    ).eval()
    for picture in (np.zeros((40, 20, 3)), np.zeros((6, 12, 3))):
        figure = findings.inversions(encoder, picture, ["conv"], steps=1, progress=False)
        assert [sheet.shape for sheet in sheets(figure)] == [(33 * 6, 33 * 12, 3)] * 2


@pytest.mark.parametrize(
    ("shape", "shown"),
    [((67, 90), (134, 180)), ((100, 101), (200, 202)), ((101, 300), (101, 300)), ((201, 7), (5628, 196))],
)
def test_pixels_of_a_small_picture_are_repeated(shape, shown):
    picture = np.random.default_rng(0).random((*shape, 3))
    large = findings._shown(picture)
    assert large.shape == (*shown, 3)
    assert_array_equal(large[:: shown[0] // shape[0], :: shown[1] // shape[1]], picture)


def test_the_maps_beside_a_picture_are_in_colours():
    picture, map = pictures(2)
    map -= 0.5
    _, _, size = findings.COLUMNS["saliency"][0]
    assert_array_equal(size(picture, map), plots.magnitude(map)[..., None] * np.ones(3))
    _, _, both = findings.COLUMNS["occlusion"][0]
    assert_array_equal(both(picture, map[..., 0]), plots.over(picture, np.maximum(map[..., 0], 0)))


def test_the_plane_of_pictures(monkeypatch):
    figure = visualize.embedding_map(plain(), pictures(4))
    (axes,) = figure.axes
    assert not any(spine.get_visible() for spine in axes.spines.values())
    assert_allclose(figure.get_size_inches(), (9, 9))
    assert_allclose(inches(figure)[0], [0.18, 0.18, 8.64, 8.37])
    assert_allclose(axes.get_xlim() + axes.get_ylim(), (-0.055, 1.055) * 2)
    assert [*axes.get_xticks(), *axes.get_yticks()] == []
    assert axes.get_title().startswith("toy, predictions: 4 of 4 pictures in the plane of ")
    for shown in axes.images:
        left, right, bottom, top = shown.get_extent()
        assert_allclose((right - left, top - bottom), 0.055)
        assert -0.0276 < left < 0.9726 and -0.0276 < bottom < 0.9726
    crowded = visualize.embedding_map(plain(), np.repeat(pictures(3), 2, axis=0), layer="average", side=0.2)
    (axes,) = crowded.axes
    assert len(axes.images) + len(axes.lines) == 6 and len(axes.lines) >= 3
    assert axes.get_title().startswith(f"toy, average: {len(axes.images)} of 6 pictures")
    (axes,) = visualize.embedding_map(plain(), pictures(3)).axes
    assert "3 of 3 pictures" in axes.get_title()
    with monkeypatch.context() as patch:
        places = np.array([[0, 0], [0.25, 0.25], [0.25, 0], [0.75, 0.5], [1, 0.75]])
        patch.setattr(plane, "principal_places", lambda encodings: (places, 0.5))
        (axes,) = visualize.embedding_map(plain(), pictures(5), side=0.25).axes
        assert [tuple(shown.get_extent()) for shown in axes.images] == [
            (-0.125, 0.125, -0.125, 0.125),
            (0.625, 0.875, 0.375, 0.625),
        ]
        for shown, number in zip(axes.images, (0, 3), strict=True):
            assert_array_equal(shown.get_array(), pictures(5)[number])
        assert [line.get_xydata().tolist() for line in axes.lines] == places[[1, 2, 4], None].tolist()
        assert axes.get_title() == "toy, predictions: 2 of 5 pictures in the plane of 50% of the variance"
        assert axes.get_xlim() == axes.get_ylim() == (-0.25, 1.25)
    with pytest.raises(InputError, match=r"^embedding_map: images holds 2 pictures; expected three or more$"):
        visualize.embedding_map(plain(), pictures(2))


def test_how_a_story_chooses_and_looks():
    crop = np.zeros((4, 4, 3), np.float32)
    crop[:2] = 1
    look = telling._look(crop).reshape(16, 16, 3)
    assert_allclose(look[:8], 1 / np.sqrt(768), rtol=1e-6)
    assert_allclose(look[8:], -1 / np.sqrt(768), rtol=1e-6)
    crop[3] = np.nan
    assert not telling._look(crop).reshape(16, 16, 3)[12:].any()
    model, album = plain(), pictures(6)
    (chapter,) = telling.chapters(model, "conv1", album, steps=1, progress=False)
    assert len(chapter.patches.units) == telling.UNITS == 3 and chapter.patches.numbers.shape[1] == 9
    assert chapter.wishes.shape[0] == 3 and np.isfinite(chapter.wishes).all()
    figure = telling.story_figure(model, [chapter])
    assert texts(figure)[0][0] == "What toy has learned" and len(figure.axes) == 15
    assert texts(figure)[1][0] == f"conv1\nunit {chapter.patches.units[0]}\n3×3 pixels"
    assert [axes.get_title() for axes in figure.axes[:5]] == [
        "nine best patches",
        "deconvnet",
        "guided backprop",
        "gradient",
        "would like best",
    ]


# Pictures


def test_a_picture_has_a_name_and_those_of_two_sizes_are_named(tmp_path):
    images.save(tmp_path / "a.png", np.zeros((5, 4, 3), np.float32))
    found = as_pictures([tmp_path / "a.png", np.zeros((3, 3, 3), np.float32)])
    assert [found.name(i) for i in range(2)] == ["a.png", "picture 1"]
    with pytest.raises(InputError) as said:
        found.stacked([0, 1])
    assert str(said.value) == "images: picture 1 has shape (3, 3, 3), a.png (5, 4, 3); expected one size"
    with pytest.raises(InputError) as said:
        list(found.batches(1))
    assert str(said.value) == "images: picture 1 has shape (3, 3, 3), a.png (5, 4, 3); expected one size"
    assert as_pictures(tmp_path / "a.png")[0].shape == (5, 4, 3) and len(as_pictures(tmp_path / "a.png")) == 1
    assert as_pictures(pictures(1)[0])[0].shape == (12, 12, 3) and as_pictures(found) is found
    assert len(as_pictures(Tensor(pictures(2)))) == 2


def test_batches_begin_where_they_are_told():
    album = pictures(5)
    found = [(first, batch) for first, batch in as_pictures(album).batches(2, 1)]
    assert [(first, len(batch)) for first, batch in found] == [(1, 2), (3, 2)]
    assert_array_equal(np.concatenate([batch for _, batch in found]), album[1:])
    assert [len(batch) for _, batch in as_pictures(album).batches(3)] == [3, 2]


@pytest.mark.parametrize(
    ("shape", "size", "top", "left", "rows", "columns"),
    [
        ((8, 6), (2, 2), 1, 0, 6, 6),
        ((6, 9), (4, 4), 0, 1, 6, 6),
        ((10, 10), (2, 4), 2, 0, 5, 10),
        ((1, 9), (5, 1), 0, 4, 1, 1),
    ],
)
def test_the_middle_of_a_picture_has_the_shape_asked_for(shape, size, top, left, rows, columns):
    picture = pictures(1, shape)[0]
    expected = images.resize(picture[top : top + rows, left : left + columns], *size)
    assert_array_equal(middle(picture, size), expected)


def test_pictures_are_told_from_others():
    album = pictures(130)
    assert Pictures(album).fingerprint() == Pictures(album.copy()).fingerprint()
    other = album.copy()
    other[128] += 0.1  # every second one is looked at
    assert Pictures(album).fingerprint() != Pictures(other).fingerprint() != Pictures(other[:129]).fingerprint()
    few = pictures(3)
    for number in range(3):
        changed = few.copy()
        changed[number] += 0.1
        assert Pictures(few).fingerprint() != Pictures(changed).fingerprint()
    assert Pictures(["a"]).fingerprint() != Pictures(["b"]).fingerprint() != Pictures(["b"], (2, 2)).fingerprint()
    assert Pictures([few[0]]).fingerprint() != Pictures([few[1]]).fingerprint()
    assert repr(DrawnFaces(4, 32)) == "DrawnFaces(4, 32, each=2, seed=0)"


def test_faces_are_drawn_so_many_of_each_person():
    faces = DrawnFaces(4, 32, each=2, seed=5)
    asked = []
    faces._population.picture = lambda *which: asked.append(which) or faces
    faces.image = None
    for number in range(4):
        assert faces[number] is None
    assert asked == [(0, 0), (0, 1), (1, 0), (1, 1)] and len(faces) == 4


def test_a_folder_that_is_not_there_says_what_was_expected(tmp_path):
    with pytest.raises(MissingFileError) as said:
        as_pictures(tmp_path / "none")
    assert str(said.value) == (
        f"images {str(tmp_path / 'none')!r} does not exist; expected a folder of pictures, or one picture"
    )


def test_a_canvas_draws_low_frequencies_strongly():
    canvas = Canvas(2, (4, 6), seed=3, contrast=0.5)
    drawn = np.random.default_rng(3).standard_normal((1, 4, 6, 3), np.float32)
    assert_allclose(canvas.numbers.data, 0.5 * np.repeat(drawn, 2, axis=0))
    assert canvas.numbers.requires_grad
    down, across = np.fft.fftfreq(4)[:, None], np.fft.fftfreq(6)
    share = 1 / np.maximum(np.hypot(down, across), 1 / 6)
    assert_allclose(canvas.shares[0, :, :, 0], share / np.sqrt(np.mean(share**2)), rtol=1e-6)
    assert_allclose(
        Canvas(1, (4, 6)).numbers.data, 0.3 * np.random.default_rng(0).standard_normal((1, 4, 6, 3), np.float32)
    )
    canvas.numbers.data = np.zeros_like(canvas.numbers.data)
    assert (canvas.picture().data == 0.5).all()
    canvas.numbers.data[:, 0, 0, 0] = np.sqrt(24) / canvas.shares[0, 0, 0, 0]  # one light over all of it
    assert_allclose(canvas.picture().data, 1 / (1 + np.exp(-4 * 0.46 / np.sqrt(3))), rtol=1e-5)


# What is left out

METHOD = {"position": "max", "batch_size": 32}
DEFAULTS = {
    visualize.saliency: METHOD,
    visualize.deconvnet: METHOD,
    visualize.guided_backprop: METHOD,
    visualize.grad_cam: METHOD,
    visualize.occlusion: METHOD,
    visualize.integrated_gradients: {**METHOD, "steps": 32, "baseline": 0.0},
    visualize.smoothgrad: {**METHOD, "samples": 25, "noise": 0.15, "seed": 0},
    visualize.maximize: {
        "steps": 200,
        "learning_rate": 0.1,
        "position": "all",
        "jitter": 2.0,
        "scales": (0.9, 1.1),
        "variation": 0.0,
        "seed": 0,
    },
    visualize.invert: {"steps": 200, "learning_rate": 0.05, "variation": 0.5, "seed": 0},
    visualize.synthesis.favourite_pieces: {"steps": 30, "contrast": 0.22},
    visualize.story: {"count": 3, "steps": 128, "seed": 0},
    telling.chapters: {"count": 3, "steps": 128, "seed": 0},
    visualize.top_patches: {"k": 9, "batch_size": 64},
    visualize.embedding_map: {"side": 0.055},
    visualize.filter_grid: {"most": 64},
    visualize.feature_grid: {"columns": 12, "most": 48},
    visualize.patch_grid: {"columns": 6},
    findings.wishes: {"count": 12, "columns": 6},
    plots.signed: {"quantile": 0.995},
    plots.magnitude: {"quantile": 0.99},
    plots.over: {"opacity": 0.55},
}


@pytest.mark.parametrize(("function", "defaults"), DEFAULTS.items(), ids=[f.__name__ for f in DEFAULTS])
def test_what_an_argument_is_that_is_left_out(function, defaults):
    parameters = inspect.signature(function).parameters.items()
    found = {name: p.default for name, p in parameters if p.default is not p.empty and p.default is not None}
    assert found == defaults


def test_pieces_that_cover_a_picture():
    from minicnn.visualize import regions

    assert regions._starts(10, 4, 3) == [0, 3, 6] and regions._starts(10, 4, 4) == [0, 4, 6]
    assert regions._starts(4, 4, 1) == [0]
    assert regions._piece(None, 12, 20) == (3, 3) and regions._piece(None, 3, 3) == (1, 1)
    assert regions._piece(12, 12, 20) == (12, 12) and regions._piece((1, 20), 12, 20) == (1, 20)
    for size in (0, 13, (12, 21), (13, 20), (0, 1), (1, 0), (1, 2, 3)):
        with pytest.raises(InputError) as said:
            regions._piece(size, 12, 20)
        assert str(said.value) == (f"occlusion: size is {size!r}; expected pixels, at most (12, 20) as the pictures")


def test_the_last_convolution_before_a_layer():
    from minicnn.visualize import regions

    model = plain()
    assert regions._last_convolution(model, "predictions") == "conv2"
    assert regions._last_convolution(model, "conv2") == regions._last_convolution(model, "conv2.linear") == "conv1"
    convolutions = [nn.Conv2d(3, 3, 1, seed=0, name=name) for name in ("named", None)]
    nameless = Network(card(), convolutions, [nn.Flatten(name="flat")])
    assert regions._last_convolution(nameless, "flat") == "named"
    with pytest.raises(InputError, match=r"^grad_cam: no convolution comes before conv1; expected a layer behind one$"):
        regions._last_convolution(model, "conv1")


def test_what_a_search_makes_small():
    from minicnn.visualize import synthesis

    x = Tensor(np.arange(12.0).reshape(1, 2, 2, 3) ** 2)
    down, right = x.data[:, 1:] - x.data[:, :-1], x.data[:, :, 1:] - x.data[:, :, :-1]
    assert synthesis._variation(x).item() == pytest.approx(((down**2).sum() + (right**2).sum()) / 12)
    outputs = np.zeros((2, 4, 5, 3))
    middle_of = synthesis._aim(outputs, np.array([1, 2]), "middle")
    assert [tuple(map(int, place)) for place in np.argwhere(middle_of)] == [(0, 2, 2, 1), (1, 2, 2, 2)]
    assert_allclose(synthesis._aim(outputs, np.array([1, 2]), "all")[0, ..., 1], 1 / 20)
    lengths = synthesis._of_length(np.ones((2, 1, 2, 2)) * [[[[1.0]]], [[[3.0]]]], 5.0)
    assert_allclose(np.sqrt((lengths**2).sum(axis=(1, 2, 3))), 5)
    model = plain()
    assert synthesis._size(None, model) == (12, 12) and synthesis._size(2, model) == (2, 2)
    assert synthesis._size((4096, 3), model) == (4096, 3)
    for size in (1, 4097, (2, 4097), (2, 2, 2)):
        with pytest.raises(InputError, match=r"; expected pixels from 2 to 4096, or \(height, width\)$"):
            synthesis._size(size, model)
    for rate in (0, -1, np.inf, "1"):
        with pytest.raises(InputError, match=r"^invert: learning_rate is .*; expected a positive number$"):
            visualize.invert(model, "conv1", pictures(1)[0], learning_rate=rate)


@pytest.mark.parametrize("kind", [telling.Chapter, visualize.Patches, visualize.Synthesis])
def test_what_was_found_does_not_change(kind):
    with pytest.raises(dataclasses.FrozenInstanceError):
        object.__new__(kind).name = "another"

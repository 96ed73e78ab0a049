"""What the figures of faces show: bars, colours, lines and words, not how they look."""

import math

import numpy as np
import pytest
from matplotlib import colormaps
from matplotlib.colors import to_hex
from PIL import ImageFont

from minicnn.faces import contact_sheets, figures
from minicnn.faces.contact_sheets import contact_sheet
from minicnn.faces.evaluation import area_under_roc, roc
from minicnn.faces.nearness import Nearness
from minicnn.faces.protocols import Identified

FACE = np.full((9, 8, 3), 0.5, np.float32)


def texts(axes):
    return [text.get_text() for text in axes.texts]


def bare(axes):
    """Only a picture: no axes around it."""
    return len(axes.images) == 1 and not axes.axison


def framed(axes):
    return [side for side in ("left", "right", "top", "bottom") if axes.spines[side].get_visible()]


def gridded(axes):
    """Along which axes there are lines, which stand behind everything else."""
    found = [name for name in ("x", "y") if getattr(axes, f"{name}axis").get_gridlines()[0].get_visible()]
    return found if axes.get_axisbelow() is True else [*found, "in front"]


def test_matches_are_bars_and_those_within_the_threshold_stand_out():
    people = [("Ann", 0.1), ("Bob", 0.3), ("Cy", 0.5)]
    left, right = figures.matches(FACE, "who?", people, 0.3, faces=[FACE, None, FACE]).axes[:2]
    assert bare(left) and left.get_title() == "who?" and left.images[0].get_interpolation() == "bicubic"
    bars = right.patches[:3]
    assert [bar.get_width() for bar in bars] == [0.1, 0.3, 0.5]
    assert [to_hex(bar.get_facecolor()) for bar in bars] == [figures.SAME, figures.SAME, figures.PALE]
    assert [label.get_text() for label in right.get_yticklabels()] == ["Ann", "Bob", "Cy"]
    assert texts(right) == ["0.100", "0.300", "0.500", "threshold 0.3"]
    assert [text.get_position()[1] for text in right.texts[:3]] == [0, 1, 2]
    assert all(text.get_position()[0] > far for text, (_, far) in zip(right.texts, people, strict=False))
    assert right.lines[0].get_xdata()[0] == 0.3 and right.get_xlabel() == "distance"
    low, high = right.get_xlim()
    below, above = right.get_ylim()
    assert low == 0 and high == pytest.approx(0.5 * 1.18) and below > 2 and above < 0  # the nearest is on top
    assert len(right.child_axes) == 2 and all(map(bare, right.child_axes)) and framed(right) == ["left", "bottom"]
    first, third = (inset.get_axes_locator()(inset, None) for inset in right.child_axes)
    assert first.y0 > third.y1 and first.x0 == third.x0 > right.get_position().x1  # beside their bars
    assert right.texts[-1].get_ha() == "center" and gridded(right) == ["x"]


def test_matches_without_a_threshold_or_a_distance():
    _, right = figures.matches(FACE, "who?", [("Ann", 0.0)], None).axes
    assert right.get_xlim() == (0, 1) and not right.lines and texts(right) == ["0.000"] and not right.child_axes
    assert to_hex(right.patches[0].get_facecolor()) == figures.PALE
    below, above = right.get_ylim()
    assert below - above == pytest.approx(3.3)  # as high as three bars, so that one is not thick
    _, right = figures.matches(FACE, "who?", [("Ann", 0.2)], 0.4).axes
    assert right.get_xlim()[1] == pytest.approx(0.4 * 1.18)  # the threshold is seen, too
    _, right = figures.matches(FACE, "who?", [("Ann", 0.5)], 0.1).axes
    assert right.texts[-1].get_text() == "threshold 0.1" and right.texts[-1].get_ha() == "left"  # not beyond the edge
    right.set_xlim(10, 20)
    for place, alignment in ((11.9, "left"), (12, "center")):
        figures._line(right, place, "threshold")
        assert right.texts[-1].get_ha() == alignment


@pytest.mark.parametrize(("count", "rows", "columns"), [(1, 1, 1), (3, 1, 3), (4, 2, 3), (5, 2, 4), (8, 2, 4)])
def test_scenes_stand_in_rows_each_under_its_title(count, rows, columns):
    figure = figures.scenes([FACE] * count, [f"scene {i}" for i in range(count)])
    grid = figure.axes[0].get_gridspec()
    assert (grid.nrows, grid.ncols) == (rows, columns) and not any(axes.axison for axes in figure.axes)
    assert [axes.get_title() for axes in figure.axes] == [f"scene {i}" for i in range(count)] + [""] * (
        rows * columns - count
    )


@pytest.mark.parametrize(("same", "colour"), [(True, figures.SAME), (False, figures.DIFFERENT), (None, figures.INK)])
def test_two_faces_stand_under_their_verdict(same, colour):
    figure = figures.two_faces(np.zeros((200, 8, 3)), FACE, ("Ann", "B" * 40), "the verdict", same)
    assert figure.get_suptitle() == "the verdict" and figure._suptitle.get_color() == colour
    one, other = figure.axes
    assert one.get_title() == "Ann" and other.get_title() == "B" * 29 + "…" and bare(one) and bare(other)
    assert one.images[0].get_interpolation() == "none"


def test_why_has_a_face_and_two_maps_for_each():
    random = np.random.default_rng(0)
    gradients, occlusions = random.standard_normal((2, 3, 25, 25))
    gradients[2] = 0
    found = Nearness(np.array([0.1, 0.1, 0.9]), gradients, occlusions)
    faces = random.random((3, 9, 8, 3))
    figure = figures.why(faces, ["Ann", "Ben", "Cy"], found, "the verdict")
    assert figure.get_suptitle() == "the verdict"
    panels = np.array(figure.axes[:9]).reshape(3, 3)
    told = ["Ann\n0.100 from the other", "Ben\n0.100 from the other", "Cy\n0.900 from the first: a stranger"]
    assert [axes.get_title() for axes in panels[0]] == told
    assert [axes.get_ylabel() for axes in panels[1:, 0]] == ["by gradients", "by covering pieces"]
    strongest = np.abs(occlusions).max()
    for column in range(3):
        (grey, above), (_, below) = (panels[row, column].images for row in (1, 2))
        assert below.get_clim() == (-strongest, strongest) and not panels[1, column].get_xticks().size
        limit = np.abs(above.get_array()).max() or 1.0
        assert above.get_clim() == (-limit, limit)
        np.testing.assert_allclose(grey.get_array(), np.stack([faces[column].mean(axis=2)] * 3, axis=2) * 0.45 + 0.5)
    assert above.get_clim() == (-1, 1)
    bar = figure.axes[-1]
    labels = [label.get_text() for label in bar.get_xticklabels()]
    assert labels == ["keeps them apart", "no matter", "brings them together"]


def pairs():
    distances = np.array([0.1, 0.2, 0.3, 0.6, 0.5, 0.7, 0.8, 0.9, 1.0, 0.25])
    return distances, np.arange(10) < 4


def test_pairs_show_distances_of_both_kinds_and_their_roc():
    d, same = pairs()
    histograms, curve = figures.pairs(d, same, threshold=0.3, label="at FAR").axes
    legend = [text.get_text() for text in histograms.get_legend().get_texts()]
    assert legend == ["one person: 4 pairs", "two people: 6 pairs"]
    heights = np.array([bar.get_height() for bar in histograms.patches]).reshape(2, 40)
    np.testing.assert_allclose(heights.sum(axis=1), 100)
    np.testing.assert_allclose(heights[0], 25 * np.histogram(d[same], np.linspace(0, 1, 41))[0])
    assert [to_hex(histograms.patches[i].get_facecolor()) for i in (0, 40)] == [figures.SAME, figures.DIFFERENT]
    assert (histograms.get_xlabel(), histograms.get_ylabel()) == ("distance", "% of pairs of this kind")
    assert framed(histograms) == ["left", "bottom"] and gridded(histograms) == ["y"] and gridded(curve) == ["x", "y"]
    assert histograms.get_xlim() == (0, 1) and histograms.get_ylim()[1] > 1.2 * heights.max()
    assert figures.pairs(d / 4, same).axes[0].get_xlim() == (0, 0.25)
    assert figures.pairs(d * 0, same).axes[0].get_xlim() == (0, 1)
    assert texts(histograms) == ["at FAR 0.3"] and not histograms.get_title()
    expected = roc(d, same)
    line, chance, point = curve.lines
    low = 0.1  # the power of ten below the least FAR, one of six
    np.testing.assert_allclose(line.get_xydata(), np.stack([np.maximum(expected.far, low), expected.val], axis=1))
    np.testing.assert_allclose(chance.get_xdata(), chance.get_ydata())
    assert chance.get_xdata()[[0, -1]].tolist() == pytest.approx([low, 1]) and curve.get_xlim() == (low, 1)
    assert point.get_xydata().tolist() == [[pytest.approx(1 / 6), 0.75]]
    title = f"ROC, area under it {area_under_roc(d, same):.3f}; VAL 75.0% at FAR 0.17"
    assert curve.get_title() == title and curve.get_xscale() == "log" and framed(curve) == ["left", "bottom"]
    labels = "FAR: two people accepted as one", "VAL: one person accepted"
    assert (curve.get_xlabel(), curve.get_ylabel(), curve.get_ylim()) == (*labels, (0, 1.02))
    assert texts(curve) == ["by chance"]
    assert [line.get_color() for line in curve.lines] == [figures.SAME, figures.PALE, figures.DIFFERENT]


def test_pairs_without_a_threshold_and_with_rates_of_galleries():
    d, same = pairs()
    rates = Identified(np.array([0.5, 0.7, 0.8, 0.9, 1.0, 1.0]), np.array([0, 0.5, 1]), np.array([0.2, 0.4, 0.6]), 6, 3)
    histograms, curve, found = figures.pairs(d, same, identified=rates).axes
    assert histograms.get_title() == "distances of 10 pairs" and not histograms.texts and len(curve.lines) == 2
    assert curve.get_title() == f"ROC, area under it {area_under_roc(d, same):.3f}"
    assert found.lines[0].get_xydata().tolist() == [[1e-3, 0.2], [0.5, 0.4], [1, 0.6]]
    assert found.get_xlabel() == (
        "FPIR: strangers taken for somebody\n(all 6 enrolled, no strangers: rank 1 50.0%, rank 5 100.0%)"
    )
    assert (found.get_ylabel(), found.get_xlim(), found.get_ylim()) == ("people recognized (DIR)", (1e-3, 1), (0, 1.02))
    assert found.lines[0].get_color() == figures.DIFFERENT and framed(found) == ["left", "bottom"]
    assert gridded(found) == ["x", "y"]
    assert found.get_title() == "a gallery of 3, one picture each, and strangers" and found.get_xscale() == "log"
    for count, told in ((4, "rank 1 50.0%)"), (5, "rank 1 50.0%, rank 5 100.0%)")):
        few = figures.pairs(d, same, identified=rates._replace(cmc=rates.cmc[:count])).axes[2]
        assert few.get_xlabel().endswith(told)


@pytest.mark.parametrize("people", [3, 10, 20, 21])
def test_people_are_blocks_of_a_matrix_and_colours_of_a_plane(people):
    labels = np.repeat(np.arange(people), 2)
    encodings = np.random.default_rng(0).standard_normal((2 * people, 4)).astype(np.float32)
    distances = np.square(encodings[:, None] - encodings).sum(axis=-1)
    names = [f"P{i}" for i in range(people)]
    matrix, plane, bar = figures.people(encodings, labels, names, distances).axes
    assert bar.get_ylabel() == "distance" and plane.get_aspect() == 1 and framed(plane) == ["left", "bottom"]
    np.testing.assert_array_equal(matrix.images[0].get_array(), distances)
    assert matrix.images[0].get_clim()[0] == 0 and matrix.get_title() == f"distances of {2 * people} pictures"
    borders = [i - 0.5 for i in range(2, 2 * people, 2)]  # between people, across and down
    assert [line.get_ydata()[0] for line in matrix.lines[::2]] == borders
    assert [line.get_xdata()[0] for line in matrix.lines[1::2]] == borders
    shown = names if people <= 20 else []  # more cannot be told apart
    assert [label.get_text() for label in matrix.get_yticklabels()] == shown
    assert matrix.get_yticks().tolist() == [2 * i + 0.5 for i in range(len(shown))] and not matrix.get_xticks().size
    places, share = figures.principal_plane(encodings)
    dots = [group.get_offsets() for group in plane.collections]
    np.testing.assert_allclose(np.concatenate(dots), places)
    legend = plane.get_legend()
    assert ([text.get_text() for text in legend.get_texts()] if legend else []) == shown
    inks = {to_hex(group.get_facecolor()[0]) for group in plane.collections}
    palette = colormaps["tab10" if people <= 10 else "tab20"].colors
    assert inks == ({to_hex(palette[i]) for i in range(people)} if shown else {figures.SAME})
    assert plane.get_title() == f"encodings in the plane ({share:.0%} of their variance)"
    assert (plane.get_xlabel(), plane.get_ylabel()) == ("first principal component", "second")


def test_the_principal_plane_keeps_distances_in_it():
    random = np.random.default_rng(0)
    axes = np.linalg.qr(random.standard_normal((5, 3)))[0].T
    spread = random.standard_normal((40, 3)) * [5, 3, 0.1]
    places, share = figures.principal_plane(spread @ axes + 7)
    centred = spread - spread.mean(axis=0)
    np.testing.assert_allclose(places @ places.T, centred[:, :2] @ centred[:, :2].T, atol=0.5)
    variances = np.linalg.svd(centred, compute_uv=False) ** 2
    assert share == pytest.approx(variances[:2].sum() / variances.sum()) and share < 1
    for same in (np.ones((1, 4)), np.ones((3, 4))):
        places, share = figures.principal_plane(same)
        assert places.shape == (len(same), 2) and not places.any() and share == 0
    places, share = figures.principal_plane(np.arange(3.0)[:, None])
    np.testing.assert_allclose(np.abs(places), [[1, 0], [0, 0], [1, 0]], atol=1e-12)
    assert share == pytest.approx(1)


def test_a_caption_is_cut_to_the_width_of_its_face():
    faces = 2 * [np.zeros((8, 40, 3), np.float32)]
    sheets = [contact_sheet(faces, [caption, "b"], "t") for caption in ("a caption that is far too long", "b")]
    long, short = (np.abs(sheet[66:] - sheet[0, 0]).max(axis=(0, 2)) > 0.1 for sheet in sheets)
    (inked,) = np.nonzero(long)
    assert inked.min() >= 14 and inked[inked < 60].max() < 14 + 40  # the face is at 14 and is 40 wide
    assert np.count_nonzero(inked < 60) > 25
    np.testing.assert_array_equal(long[60:], short[60:])


def test_a_caption_just_as_wide_as_its_face_is_whole(monkeypatch):
    cut = []
    monkeypatch.setattr(contact_sheets, "elided_inside", lambda line, width: cut.append(line) or line[:width])
    side = ImageFont.load_default(14).getlength("a name")
    for width in (math.ceil(side), math.ceil(side) - 1):
        contact_sheet([np.zeros((8, width, 3), np.float32)], ["a name"], "t")
        assert cut == ["a name"][: width < side]


def test_a_sheet_is_wide_enough_for_its_title():
    title = "a title that is longer than a row"
    sheet = contact_sheet([np.zeros((20, 40, 3), np.float32)], ["a"], title)
    assert sheet.shape[1] == math.ceil(ImageFont.load_default(24).getlength(title)) + 2 * 14


def test_a_sheet_has_room_for_the_caption_of_most_lines():
    sheet = contact_sheet(2 * [np.zeros((20, 40, 3), np.float32)], ["a", "a\nb\nc"], "t")
    assert len(sheet) == 58 + 20 + 9 + 3 * 17 + 14
    titled = (np.abs(sheet - sheet[0, 0]) > 0.3).any(axis=2)
    rows, columns = np.nonzero(titled[:58])
    assert rows.min() >= 16 and columns.min() >= 14  # its title, above the faces


@pytest.mark.parametrize(
    ("count", "given", "columns", "rows"), [(1, {}, 1, 1), (8, {}, 8, 1), (9, {}, 5, 2), (5, {"columns": 3}, 3, 2)]
)
def test_a_sheet_has_as_many_columns_as_its_rows_need(count, given, columns, rows):
    sheet = contact_sheet(count * [np.zeros((20, 40, 3), np.float32)], count * ["a\nb"], "t", **given)
    assert sheet.shape == (58 + rows * (20 + 9 + 2 * 17 + 14), columns * (40 + 14) + 14, 3)
    dark = (sheet == 0).all(axis=2)
    assert dark[58:78, 14:54].all() and not dark[58:78, :14].any()
    assert dark[58 : 58 + 20].sum() == min(count, columns) * 20 * 40

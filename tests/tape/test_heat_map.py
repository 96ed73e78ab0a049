"""The heat map of a Tensor that a notebook shows."""

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from minicnn import Tensor


def picture_of(text):
    """Return the RGB array of the picture in a text of HTML."""
    (source,) = re.findall(r'src="data:image/png;base64,([^"]+)"', text)
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(source))))


def test_a_matrix_is_a_picture_red_above_zero_and_blue_below():
    picture = picture_of(Tensor([[1.0, 0.0], [-1.0, np.nan]])._repr_html_())
    (up, zero), (down, unknown) = picture.tolist()
    assert up == [178, 24, 43] and zero == [255, 255, 255] and down == [33, 102, 172] and len(set(unknown)) == 1


def test_the_line_above_it_tells_shape_dtype_range_and_gradient():
    text = Tensor(np.float32([[1, 2], [3, 6]]), requires_grad=True, name="<w>")._repr_html_()
    assert (
        "Tensor &#x27;&lt;w&gt;&#x27; (2, 2) float32, requires a gradient, 1 … 6, mean 3" in text and "<w>" not in text
    )


@pytest.mark.parametrize(
    ("shape", "size"),
    [
        ((5,), (1, 5)),
        ((3, 4), (3, 4)),
        ((2, 3, 4), (3, 9)),  # two tiles, and a gap
        ((1, 6, 5, 2), (6, 11)),  # space, a tile for each channel
        ((4, 100, 200, 64), (28, 8 * 28 + 7)),  # cells are means, and 8 tiles suffice
    ],
)
def test_many_axes_are_tiles_and_large_ones_means(shape, size):
    text = Tensor(np.ones(shape, np.float32))._repr_html_()
    assert picture_of(text).shape == (*size, 3)
    assert ("the first 8 of 256 tiles" in text) == (shape[0] == 4)
    assert len(text) < 10_000


@pytest.mark.parametrize(
    ("values", "about", "width", "height"),
    [
        ([[1.0, 2], [3, 6]], "Tensor (2, 2) float64, 1 … 6, mean 3", 2 * 14, 2 * 14),  # no cell is larger
        ([1.0, np.nan], "Tensor (2,) float64, 1 … 1, mean 1, 1 not finite", 2 * 14, 14),
        (np.zeros((2, 3, 28)), "Tensor (2, 3, 28) float64, 0 … 0, mean 0", 57 * 7, 3 * 7),  # 420 // 57
        (np.zeros((8, 2, 28)), "Tensor (8, 2, 28) float64, 0 … 0, mean 0", 231 * 2, 2 * 2),  # nor smaller
    ],
)
def test_the_whole_picture_with_its_line(values, about, width, height):
    found = Tensor(np.array(values))._repr_html_()
    style = f"width:{width}px;height:{height}px;image-rendering:pixelated;border:1px solid #ccc"
    begin = f'<div style="font-family:monospace">{about}</div><img alt="{about}" style="{style}" '
    assert found.startswith(f'{begin}src="data:image/png;base64,') and found.endswith('">')
    assert picture_of(found).shape[1] * height == picture_of(found).shape[0] * width


@pytest.mark.parametrize(("data", "text"), [(2.5, "2.5"), (np.zeros((0, 3)), "empty"), (True, "1")])
def test_a_number_and_nothing_need_no_picture(data, text):
    shown = Tensor(data)._repr_html_()
    assert text in shown and "<img" not in shown


def test_numbers_that_are_not_finite_are_counted():
    assert "4 not finite" in Tensor(np.full((2, 2), np.inf))._repr_html_()
    assert "2 not finite" in Tensor([np.nan, 1.0, -np.inf])._repr_html_()


def test_nothing_is_loaded_before_a_notebook_asks(fresh_python):
    fresh_python("import minicnn, sys; assert not {'PIL', 'minicnn.tape'} & set(sys.modules)")

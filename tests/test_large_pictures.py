"""Large pictures are reduced before they become floats, and what unpacks to too much is refused: at the borders."""

import math

import numpy as np
import pytest
from PIL import Image

from minicnn import images
from minicnn.errors import InputError


def grey(path, values):
    """Write rows of grey from 0 to 255."""
    Image.fromarray(np.uint8(values)).convert("RGB").save(path)
    return path


@pytest.fixture
def reduced(monkeypatch):
    monkeypatch.setattr(images, "LARGE", 1000)


def test_a_thin_picture_keeps_its_rows(reduced, tmp_path):
    path = grey(tmp_path / "thin.png", np.repeat([0] * 5 + [255] * 5, 1000).reshape(10, 1000))
    found = images.load(path, size=(10, 10))[:, 5, 0]
    assert found[:4].max() < 0.1 and found[6:].min() > 0.9


def test_a_picture_is_reduced_to_twice_its_longer_side(reduced, tmp_path):
    path = grey(tmp_path / "stripes.png", np.tile(np.repeat([0, 255], 4), (400, 50)))
    found = images.load(path, size=(10, 100))[5, 4:96, 0]
    assert found[::2].max() < 0.2 and found[1::2].min() > 0.8


def test_pictures_are_reduced_beyond_a_size_only(monkeypatch, tmp_path):
    steps = []
    monkeypatch.setattr(images, "_colours", lambda picture, orientation, step, label: steps.append(step) or found)
    found, path = np.zeros((30, 40, 3), np.float32), grey(tmp_path / "a.png", np.zeros((30, 40)))
    for large, size in ((1200, 5), (1199, 5), (1199, None), (1199, 15), (1199, 8)):
        monkeypatch.setattr(images, "LARGE", large)
        images.load(path, size=size)
    assert steps == [1, 3, 1, 1, 1]  # 30 // 10, 30 // 30, 30 // 16


def test_a_blank_picture_may_unpack_to_very_much_and_no_more(monkeypatch, tmp_path):
    path = grey(tmp_path / "blank.png", np.zeros((40, 50)))
    unpacked, stored = 40 * 50 * 3, path.stat().st_size
    for most, harmless, refused in (
        (0, unpacked, False),
        (0, unpacked - 1, True),
        (math.ceil(unpacked / stored), 0, False),
        (math.ceil(unpacked / stored) - 1, 0, True),
    ):
        monkeypatch.setattr(images, "MOST_UNPACKED", most)
        monkeypatch.setattr(images, "HARMLESS", harmless)
        if not refused:
            assert images.load(path).shape == (40, 50, 3)
            continue
        with pytest.raises(InputError) as said:
            images.load(path)
        why = f"{stored / 1e3:.1f} kB unpack to 6.0 kB; expected at most {most} times its size"
        assert str(said.value) == f"load: path {str(path)!r} is too large: {why}"


@pytest.mark.parametrize(
    ("pixels", "needed", "free", "why"),
    [
        ((1000, 300_000), 0, None, None),
        ((1000, 300_001), 0, None, "1000 × 300001 pixels; expected at most 300,000,000"),
        ((1, 1), 10 * images.LARGE, 0, None),  # so little is never in doubt
        ((1, 1), 10 * images.LARGE + 1, 10 * images.LARGE + 1, None),
        ((1, 1), 10 * images.LARGE + 1, None, None),
        ((1, 1), 10 * images.LARGE + 1, 10 * images.LARGE, "it needs 335.5 MB of memory, and 335.5 MB are free"),
    ],
)
def test_pixels_that_are_too_many(monkeypatch, pixels, needed, free, why):
    monkeypatch.setattr(images, "available_memory", lambda: free)
    if why is None:
        assert images.check_pixels(*pixels, needed, "a.png") is None
        return
    with pytest.raises(InputError) as said:
        images.check_pixels(*pixels, needed, "a.png")
    assert str(said.value) == f"a.png is too large: {why}"


@pytest.mark.parametrize(("size", "shape"), [(16_384, (1, 16_384, 3)), ((1, 1), (1, 1, 3)), (1, (1, 1, 3))])
def test_sides_at_their_borders(tmp_path, size, shape):
    assert images.load(grey(tmp_path / "a.png", np.zeros((1, 3 * 16_384 // 2))), size=size).shape == shape
    with pytest.raises(InputError, match=r"^load: size is 16385; expected whole pixels from 1 to 16384: the long side"):
        images.load(tmp_path / "a.png", size=16_385)

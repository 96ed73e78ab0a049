"""Drawn volumes: shapes as promised, alike in the middle slice and different across slices."""

import numpy as np
import pytest

from minicnn import InputError
from minicnn.datasets import volumes


def test_scans_and_films_have_the_course_s_shape_and_repeat_from_a_seed():
    for make, kinds in ((volumes.lungs, 2), (volumes.films, 4)):
        boxes, labels = make(8, seed=5)
        assert boxes.shape == (8, 14, 14, 14, 1) and boxes.dtype == np.float32
        assert labels.tolist() == [i % kinds for i in range(8)]
        assert np.array_equal(boxes, make(8, seed=5)[0])
        assert not np.array_equal(boxes[0], boxes[kinds])


def test_a_vessel_goes_on_where_a_nodule_ends():
    scans, labels = volumes.lungs(60, seed=0)
    bright = scans[..., 0] > (volumes.AIR + volumes.TISSUE) / 2
    core = bright[:, :, 5:9, 5:9].mean(axis=(2, 3))  # (N, depth)
    far = core[:, [1, 2, 11, 12]].mean(axis=1)
    assert far[labels == 0].mean() > far[labels == 1].mean() + 0.15
    middle = core[:, 6:8].mean(axis=1)
    assert abs(middle[labels == 0].mean() - middle[labels == 1].mean()) < 0.1


def test_a_ball_moves_where_the_label_says_and_the_middle_frame_does_not_tell():
    films, labels = volumes.films(80, seed=0)
    weight = np.clip(films[..., 0], 0.3, 1) - 0.3
    grid = np.arange(14)
    rows = (weight.sum(axis=3) * grid).sum(axis=2) / weight.sum(axis=(2, 3))
    columns = (weight.sum(axis=2) * grid).sum(axis=2) / weight.sum(axis=(2, 3))
    for label, (down, right) in enumerate(((0, -1), (0, 1), (-1, 0), (1, 0))):
        mine = labels == label
        moved = np.stack([rows[mine, 10] - rows[mine, 3], columns[mine, 10] - columns[mine, 3]], axis=1)
        assert np.all(moved @ np.array([down, right]) > 1) and np.all(np.abs(moved @ np.array([right, down])) < 1)
        assert np.abs(rows[mine, 6:8].mean() - 6.5) < 0.8 and np.abs(columns[mine, 6:8].mean() - 6.5) < 0.8


@pytest.mark.parametrize("make", [volumes.lungs, volumes.films])
@pytest.mark.parametrize("count", [0, 2.5, True])
def test_bad_numbers_are_refused(make, count):
    with pytest.raises(InputError, match=f"{make.__name__}: count is {count}; expected an integer of at least 1"):
        make(count)

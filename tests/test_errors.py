"""Counts are checked in one place, with one wording."""

from fractions import Fraction

import numpy as np
import pytest

from minicnn.errors import InputError, check_count, is_count


@pytest.mark.parametrize("value", [1, 7, np.int64(7), np.uint8(1)])
def test_integers_of_python_and_numpy_are_counts(value):
    found = check_count("record: most", value)
    assert type(found) is int and found == value


@pytest.mark.parametrize("value", [0, -1, True, np.True_, 1.0, np.float64(2), Fraction(2), "1", None, np.ones(1, int)])
def test_what_is_no_count_is_named_in_one_line(value):
    with pytest.raises(InputError) as caught:
        check_count("record: most", value)
    assert str(caught.value) == f"record: most is {value!r}; expected an integer of at least 1"


def test_bounds_are_within():
    assert [value for value in range(-1, 9) if is_count(value, 0, 4)] == [0, 1, 2, 3, 4]
    assert check_count("seed", 0, 0) == 0
    with pytest.raises(InputError, match=r"^size is 5; expected an integer from 0 to 4$"):
        check_count("size", 5, 0, 4)

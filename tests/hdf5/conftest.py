"""What the tests of files share."""

import os

import pytest
from numpy.testing import assert_array_equal
from samples import network

from minicnn import hdf5
from minicnn.errors import LoadError
from minicnn.hdf5.matches import arrays_of


@pytest.fixture
def path(tmp_path):
    return tmp_path / "weights.h5"


@pytest.fixture
def saved(path):
    """A sound file in minicnn's own layout, to be spoiled."""
    hdf5.save(network(), path)
    return path


@pytest.fixture
def refused():
    """Call it with a file and what the line must say: the file is refused, and the model is as it was."""

    def check(path, *parts, model=None, error=LoadError, **options):
        model = model or network(seed=1)
        before = {name: (array, array.copy()) for name, array in arrays_of(model).items()}
        with pytest.raises(error) as caught:
            hdf5.load(model, path, **options)
        message = str(caught.value)
        assert "\n" not in message and len(message) < 1500
        for part in (repr(os.fspath(path)), *parts):
            assert part in message
        for name, array in arrays_of(model).items():
            assert array is before[name][0], "the array was replaced"
            assert_array_equal(array, before[name][1])
        return message

    return check

"""VGG-19 loads in no more memory than it must, and arrays are read in blocks."""

import sys

import h5py
import numpy as np
import pytest
from h5py import h5d, h5p, h5s, h5t

from minicnn import models
from minicnn.hdf5 import loader

LOADED = """
import os, sys
from pathlib import Path
from minicnn import hdf5, models
from minicnn.hdf5 import isolation

top = len(sys.argv) > 1
size = os.path.getsize(sys.argv[0])

def kilobytes(key):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(key))

isolation._idle.append(isolation.Reader())  # its start is not counted
before = kilobytes("VmRSS")
for attempt in "new", "loaded":
    if attempt == "new":
        model = models.vgg19(sys.argv[0], include_top=top)
    else:
        hdf5.load(model, sys.argv[0])
    print((kilobytes("VmHWM") - before) * 1024 / size)
"""


def write_zeros(path, model):
    """As Keras 2 writes it, but for the numbers: the system knows these zeros without writing them to the disk."""
    created = h5p.create(h5p.DATASET_CREATE)
    created.set_alloc_time(h5d.ALLOC_TIME_EARLY)
    created.set_fill_time(h5d.FILL_TIME_NEVER)
    with h5py.File(path, "w") as file:
        layers = {}
        for name, parameter in model.named_parameters():
            layer, _, role = name.rpartition(".")
            weight = f"{layer}/{'kernel' if role == 'w' else 'bias'}:0"
            layers.setdefault(layer, []).append(weight)
            group = file.require_group(f"{layer}/{layer}")
            shape = h5s.create_simple(parameter.shape)
            h5d.create(group.id, weight.rpartition("/")[2].encode(), h5t.IEEE_F32LE, shape, created)
        file.attrs["layer_names"] = np.array(list(layers), "S")
        for layer, weights in layers.items():
            file[layer].attrs["weight_names"] = np.array(weights, "S")


@pytest.mark.skipif(sys.platform != "linux", reason="this system does not say what a process takes")
@pytest.mark.parametrize(
    ("shape", "axes", "stored", "blocks"),
    [
        ((2, 3, 4), (0, 1, 2), np.float32, [(7,), (7,), (7,), (3,)]),
        ((2, 3, 4), (0, 1, 2), np.float16, [(7,), (7,), (7,), (3,)]),
        ((5, 3, 1), (1, 0, 2), np.float32, [(1, 5, 1)] * 3),
        ((2, 5, 1), (1, 0, 2), np.float32, [(3, 2, 1), (2, 2, 1)]),
        ((2, 4, 3), (1, 0, 2), np.float32, [(1, 2, 3)] * 4),
        ((2, 4, 8), (1, 0, 2), np.float16, [(1, 2, 8)] * 4),  # one row at least
        ((0, 3), (0, 1), np.float32, []),
        ((), (), np.float16, [(1,)]),
    ],
)
def test_arrays_are_read_in_blocks(monkeypatch, shape, axes, stored, blocks):
    class Counting:
        """A stream of 0, 1, 2, …"""

        def __init__(self):
            self.sent = 0

        def fill(self, numbers):
            numbers[...] = np.arange(self.sent, self.sent + numbers.size).reshape(numbers.shape)
            self.sent += numbers.size

    monkeypatch.setattr(loader, "BLOCK", 7)
    array, stream, found = np.empty(shape, np.float32), Counting(), []
    view = array.transpose(axes)
    for block, numbers in loader._blocks(view, stream, np.dtype(stored)):
        found.append(block.shape)
        assert numbers.dtype == stored and numbers.shape == block.shape
        assert (numbers is block) == (stored == np.float32 and view.flags.c_contiguous)
        block[...] = numbers
    assert found == blocks
    np.testing.assert_array_equal(view, np.arange(array.size).reshape(view.shape))


@pytest.mark.parametrize("top", [False, pytest.param(True, marks=pytest.mark.thorough)])
def test_vgg19(tmp_path, fresh_python, top):
    """The memory of the process in sizes of the file: first for a new model, then for one with weights."""
    path = tmp_path / "vgg19.h5"
    write_zeros(path, models.imagenet.build("vgg19", include_top=top, drawn=False))
    assert path.stat().st_size > (143_667_240 if top else 20_024_384) * 4
    new, loaded = map(float, fresh_python(LOADED, path, *["top"] * top).splitlines())
    for memory, most in ((new, 1.3), (loaded, 2.1)):
        assert memory < most + (0 if top else 0.1)  # beside 80 MB, what Python itself takes can be seen

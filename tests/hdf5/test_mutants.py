"""Damage to files of every layout: each mutant loads with the right shapes or is refused, and in little memory.

MINICNN_MUTANTS=4000 makes so many of each layout instead of some dozens.
"""

import os
import random
from contextlib import suppress
from pathlib import Path

import h5py
import numpy as np
import pytest
from samples import network, write_keras_3, write_legacy

from minicnn import hdf5
from minicnn.errors import LoadError
from minicnn.hdf5 import isolation
from minicnn.hdf5.entries import Damaged
from minicnn.hdf5.matches import arrays_of

MUTANTS = int(os.environ.get("MINICNN_MUTANTS", "36"))
MEGABYTES = 200


def write_whole_model(file):
    write_legacy(file.create_group("model_weights"), network())
    file.attrs["model_config"] = '{"class_name": "Functional"}'


def write_theanos(file):
    """Names of Keras 1, kernels of Theano."""
    write_legacy(file, network(), name="{layer}_{variable}")
    for kernel in ("conv1/conv1_kernel", "conv2/conv2_kernel"):
        turned = file[kernel][()][::-1, ::-1].transpose(3, 2, 0, 1)
        del file[kernel]
        file[kernel] = turned


LAYOUTS = {
    "minicnn": lambda path: hdf5.save(network(), path),
    "minicnn, float16": lambda path: hdf5.save(network(), path, dtype="float16"),
    "Keras 1": lambda path: write(path, write_theanos),
    "Keras 2": lambda path: write(path, lambda file: write_legacy(file, network())),
    "a whole model": lambda path: write(path, write_whole_model),
    "Keras 3": lambda path: write(path, lambda file: write_keras_3(file, network())),
    "Keras 3 without names": lambda path: write(path, lambda file: write_keras_3(file, network(), named=False)),
    "Keras 2.13": lambda path: write(
        path, lambda file: write_keras_3(file, network(), root="_layer_checkpoint_dependencies")
    ),
    "HDF5's newest format": lambda path: write(path, lambda file: write_legacy(file, network(), text=str), "latest"),
}


def write(path, fill, version="earliest"):
    with h5py.File(path, "w", libver=version) as file:
        fill(file)


def mutants(content, random):
    """Files with some bytes changed, most of them few; and files cut off."""
    for i in range(MUTANTS):
        mutant = bytearray(content)
        if i % 10 == 9:
            yield bytes(mutant[: random.randrange(len(mutant))])
            continue
        for _ in range(random.choice([1, 1, 2, 4, 16])):
            place = random.randrange(len(mutant))
            mutant[place] = random.choice([0, 255, random.randrange(256), mutant[place] ^ 1 << random.randrange(8)])
        yield bytes(mutant)


@pytest.fixture
def one_process(monkeypatch):
    """A process that reads on after damage, which saves its start; the one after a crash is another, though."""

    def put_back(reader, unharmed):
        if reader.ready:
            with suppress(Damaged):
                reader.close()
                isolation._idle.append(reader)
                return
        reader.end()

    monkeypatch.setattr(isolation, "_put_back", put_back)


def peak(reader):
    """Megabytes that a process has taken at most, where the system tells."""
    status = Path(f"/proc/{reader.process.pid}/status")
    lines = status.read_text(encoding="ascii").splitlines() if status.exists() else []
    return max((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), default=0)


def outcome(model, path):
    """The LoadError, or None. How long a process may compute for a file, it limits itself: see test_isolation.py."""
    try:
        hdf5.load(model, path)
        problem = None
    except LoadError as refusal:
        problem = refusal
    return problem


@pytest.mark.usefixtures("one_process")
@pytest.mark.parametrize("layout", LAYOUTS)
def test_mutants(tmp_path, layout):
    LAYOUTS[layout](tmp_path / "sound.h5")
    hdf5.load(network(seed=1), tmp_path / "sound.h5")
    source = random.Random(layout)
    path, refused, loaded = tmp_path / "mutant.h5", 0, 0
    for content in mutants((tmp_path / "sound.h5").read_bytes(), source):
        path.unlink(missing_ok=True)
        path.write_bytes(content)
        model = network(seed=1)
        before = arrays_of(model)
        problem = outcome(model, path)
        after = arrays_of(model)
        if problem is None:
            loaded += 1
            for name, array in after.items():
                assert array.shape == before[name].shape and array.dtype == before[name].dtype
                assert array is not before[name] and np.isfinite(array).all()
        else:
            refused += 1
            assert str(problem).isprintable() and repr(str(path)) in str(problem)
            assert all(after[name] is array for name, array in before.items())
    assert loaded and refused and loaded + refused == MUTANTS
    assert all(peak(reader) < MEGABYTES for reader in isolation._idle)

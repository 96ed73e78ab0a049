"""Weights go to a file and come back."""

import dataclasses
import os

import h5py
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from samples import network, same

from minicnn import hdf5, nn
from minicnn.errors import InputError, MissingFileError
from minicnn.faces import PairHead
from minicnn.hdf5.matches import arrays_of


def test_what_is_saved_is_loaded(path):
    model, other = network(), network(seed=1)
    requires_grad = [p.requires_grad for p in other.parameters()]
    hdf5.save(model, path, attributes={"licence": "MIT", "accuracy": 0.75})
    report = hdf5.load(other, path)
    same(other, model)
    assert report.complete and report.layout == "minicnn" and report.loaded == tuple(arrays_of(model))
    assert [p.requires_grad for p in other.parameters()] == requires_grad
    with h5py.File(path) as file:
        assert sorted(file) == sorted(arrays_of(model))
        assert file.attrs["format"] == "minicnn" and file.attrs["model"] == "small"
        assert file.attrs["licence"] == "MIT" and file.attrs["accuracy"] == 0.75
        assert file.attrs["dtype"] == "float32" and len(file.attrs["sha256"]) == 64


def test_float16_is_stored_compressed_and_loaded_as_float32(path):
    model, other = network(), network(seed=1)
    hdf5.save(model, path, dtype="float16")
    hdf5.load(other, path)
    for name, array in arrays_of(other).items():
        assert array.dtype == np.float32
        assert_array_equal(array, arrays_of(model)[name].astype(np.float16).astype(np.float32))
    with h5py.File(path) as file:
        assert file["conv1.w"].dtype == np.float16 and file["conv1.w"].compression == "gzip"
        assert file["conv1.w"].compression_opts == 9 and file["conv1.w"].shuffle


def test_a_single_number_is_stored_too(path):
    """HDF5 does not compress it."""
    head, other = PairHead("l1", 3), PairHead("l1", 3)
    head.b.data = np.float32(0.5)
    hdf5.save(head, path, dtype="float16")
    hdf5.load(other, path)
    assert other.b.data == 0.5 and other.b.shape == ()


def test_the_same_weights_make_the_same_file(tmp_path):
    for name in "ab":
        hdf5.save(network(), tmp_path / name, dtype="float16")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_model_in_float64_stays_so(saved):
    model = network(seed=1)
    for parameter in model.parameters():
        parameter.data = parameter.data.astype(np.float64)
    hdf5.load(model, saved)
    assert all(p.dtype == np.float64 for p in model.parameters())


def test_loading_replaces_arrays_and_never_writes_into_one(saved):
    model = network(seed=1)
    before = model.parameters()[0].data
    copy = before.copy()
    with nn.frozen(model):
        hdf5.load(model, saved)
    assert_array_equal(before, copy)
    assert all(p.data.flags.writeable and p.requires_grad for p in model.parameters())
    same(model, network())


def test_inspect_lists_every_dataset(saved):
    rows = hdf5.inspect(saved)
    assert ("conv1.w", (3, 3, 3, 4), "float32") in rows
    assert {row.name for row in rows} == arrays_of(network()).keys()


def test_a_wrong_checksum_is_refused(saved, refused):
    with h5py.File(saved, "r+") as file:
        file["conv2.b"][0] += 1
    refused(saved, "SHA-256")
    with h5py.File(saved, "r+") as file:
        del file.attrs["sha256"]
    refused(saved, "SHA-256")


def test_the_checksum_is_of_all_arrays(saved):
    smaller = nn.Sequential(*network(seed=1).layers[:3])
    report = hdf5.load(smaller, saved, ignore=["predictions"])
    assert report.complete and report.ignored == ("predictions/b", "predictions/w")
    assert "not verified" in report.notes[0]


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"dtype": "int8"}, "int8"),
        ({"layout": "onnx"}, "onnx"),
        ({"layout": "keras3"}, "expected NAME.weights.h5"),
        ({"attributes": {"sha256": "0"}}, "sha256"),
        ({"attributes": {"licence": object()}}, "licence"),
        ({"attributes": {"licence": None}}, "licence"),
    ],
)
def test_save_refuses(saved, options, part):
    before = saved.read_bytes()
    with pytest.raises(InputError, match=part):
        hdf5.save(network(seed=1), saved, **options)
    assert saved.read_bytes() == before and os.listdir(saved.parent) == [saved.name]


@pytest.mark.parametrize(("value", "part"), [(np.nan, "NaN"), (1e6, "float16 cannot hold")])
def test_save_refuses_what_load_would(path, value, part):
    model = network()
    model.parameters()[0].data[0, 0, 0, 0] = value
    with pytest.raises(InputError, match=f"conv1.w .*{part}"):
        hdf5.save(model, path, dtype="float16")
    assert os.listdir(path.parent) == []


def test_save_into_no_folder(tmp_path):
    with pytest.raises(MissingFileError, match="folder"):
        hdf5.save(network(), tmp_path / "none" / "weights.h5")
    with pytest.raises(InputError, match="cannot be written"):
        hdf5.save(network(), tmp_path)


@pytest.mark.parametrize("failing", ["os.replace", "h5py.Group.create_dataset"])
def test_a_failed_save_leaves_the_old_file_and_nothing_else(saved, monkeypatch, failing):
    def fail(*_, **__):
        raise OSError("no space left on device")

    before = saved.read_bytes()
    monkeypatch.setattr(failing, fail)
    with pytest.raises(InputError, match="no space left on device"):
        hdf5.save(network(seed=1), saved)
    assert saved.read_bytes() == before and os.listdir(saved.parent) == [saved.name]


def test_a_killed_save_leaves_the_old_file(saved, fresh_python):
    fresh_python(
        """
import os, sys
from minicnn import hdf5, nn
os.replace = lambda *_: os._exit(0)  # the process ends when all is written but nothing is renamed
hdf5.save(nn.Linear(500, 500, seed=0), sys.argv[0])
raise SystemExit("was not killed")
""",
        saved,
    )
    model = network(seed=1)
    hdf5.load(model, saved)
    same(model, network())


def test_a_report_stays_what_it_said(saved):
    report = hdf5.load(network(), saved)
    with pytest.raises(dataclasses.FrozenInstanceError):
        report.loaded = ()


def test_no_lock_is_asked_for(path, monkeypatch):
    """Not every file system has locks."""
    asked, real = [], h5py.File
    monkeypatch.setattr(h5py, "File", lambda *given, **options: asked.append(options) or real(*given, **options))
    hdf5.save(network(), path)
    assert [options["locking"] for options in asked] == [False]

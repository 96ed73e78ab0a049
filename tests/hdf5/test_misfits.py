"""What does not fit is named, and the model stays as it was."""

import h5py
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from samples import network, same, write_keras_3, write_legacy

from minicnn import hdf5, nn
from minicnn.hdf5.matches import arrays_of


def test_strict_names_what_differs(path, refused):
    with h5py.File(path, "w") as file:
        write_legacy(file, network(width=6), extra={"fc1": {"kernel": np.ones((2, 2), np.float32)}})
    message = refused(path, "conv1.w ((3, 3, 3, 6) in the file, (3, 3, 3, 4) in the model)", "fc1/kernel", "small")
    assert "missing" not in message
    with h5py.File(path, "r+") as file:
        file.attrs["layer_names"] = [n for n in file.attrs["layer_names"] if n not in (b"predictions", b"fc1")]
    refused(path, "missing in the file: predictions.w, predictions.b")


def test_a_bias_too_many_is_extra(path, refused):
    with h5py.File(path, "w") as file:
        write_legacy(file, network())
        file["conv1/conv1/bias:0"] = np.zeros(4, np.float32)
        file["conv1"].attrs["weight_names"] = ["conv1/kernel:0", "conv1/bias:0"]
    refused(path, "not in the model: conv1/bias")


@pytest.mark.parametrize("named", [True, False])
def test_variables_without_names_are_not_guessed_when_their_number_differs(path, refused, named):
    """Batch norm without a scale stores beta, mean, variance: taken in order they would be gamma, beta, mean."""
    with h5py.File(path, "w") as file:
        write_keras_3(file, network(), named=named)
        del file["layers/batch_normalization/vars/3"]
    refused(path, "missing in the file: norm.gamma, norm.beta, norm.mean, norm.variance")
    report = hdf5.load(network(seed=1), path, strict=False)
    assert not [name for name in report.loaded if name.startswith("norm")]


@pytest.mark.parametrize(("listed", "loaded"), [("ab", ("fc.w", "fc.b")), ("a", ()), ("b", ()), ("", ())])
def test_variables_without_names_are_in_order_only_where_all_are_listed(path, listed, loaded):
    """A group without a list has its arrays in the order of their names."""
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = ["a", "b"]
        for group, array in (("a", np.ones((2, 3), np.float32)), ("b", np.ones(3, np.float32))):
            file[f"{group}/fc/of_{group}"] = array
            if group in listed:
                file[group].attrs["weight_names"] = [f"fc/of_{group}"]
    report = hdf5.load(nn.Sequential(nn.Linear(2, 3, name="fc")), path, strict=False)
    assert report.loaded == loaded and report.unexpected == (() if loaded else ("a/of_a", "b/of_b"))


def test_at_most_ten_names_are_listed(path, refused):
    model = nn.Sequential(*(nn.Linear(1, 1, bias=False, name=f"layer{i}") for i in range(13)))
    hdf5.save(nn.Sequential(nn.Linear(1, 1, bias=False, name="other")), path)
    message = refused(path, "layer9.w and 3 more", "not in the model: other/w", model=model)
    assert "layer10" not in message


def test_names_that_would_break_the_line(path, refused):
    with h5py.File(path, "w") as file:
        write_legacy(file, network(), extra={"two\nlines": {"kernel": np.ones(1)}, "x" * 900: {"kernel": np.ones(1)}})
    refused(path, "two lines/kernel", "xxx…")


def test_ignored_layers_may_be_there(path):
    with h5py.File(path, "w") as file:
        write_legacy(file, network(), extra={"fc1": {"kernel": np.full((2, 2), np.nan)}})
    report = hdf5.load(network(seed=1), path, ignore=["fc1", "fc2"])
    assert report.complete and report.ignored == ("fc1/kernel",)


def test_not_strict_loads_what_fits_and_tells_the_rest(path):
    with h5py.File(path, "w") as file:
        write_legacy(file, network(width=6), extra={"fc1": {"kernel": np.ones((2, 2), np.float32)}})
        file.attrs["layer_names"] = [n for n in file.attrs["layer_names"] if n != b"norm"]
    model = network(seed=1)
    report = hdf5.load(model, path, strict=False)
    assert report.loaded == ("conv2.b", "predictions.w", "predictions.b") and not report.complete
    assert report.missing == ("norm.gamma", "norm.beta", "norm.mean", "norm.variance")
    assert report.unexpected == ("fc1/kernel",)
    assert [line.split(" ")[0] for line in report.mismatched] == ["conv1.w", "conv2.w"]
    told = " ".join(str(report).split())  # lines break where the path's length has them break
    for part in ("3 of 9 arrays", "missing: norm.gamma", "unexpected: fc1/kernel", "mismatched: conv1.w"):
        assert part in told
    expected = arrays_of(network(seed=1)) | {name: arrays_of(network(width=6))[name] for name in report.loaded}
    for name, array in arrays_of(model).items():
        assert_array_equal(array, expected[name])


def test_compare_reports_and_changes_nothing(path):
    with h5py.File(path, "w") as file:
        write_legacy(file, network())
    model = network(seed=1)
    assert hdf5.compare(model, path).complete
    same(model, network(seed=1))
    assert not hdf5.compare(network(width=6), path).complete

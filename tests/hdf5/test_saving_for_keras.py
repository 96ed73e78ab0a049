"""What is saved for Keras has the layout that Keras looks for; tests/parity lets Keras itself load it."""

import h5py
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from samples import KERAS, by_layer, network, same

from minicnn import hdf5, models, nn
from minicnn.errors import InputError
from minicnn.hdf5 import writer


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize(("layout", "name"), [("keras", "a.h5"), ("keras3", "a.weights.h5")])
def test_what_is_saved_is_loaded(tmp_path, layout, name, dtype):
    model = network()
    for parameter in model.parameters():
        parameter.data = parameter.data.astype(dtype).astype(np.float32)
    for key, array in list(model.named_state()):
        model.set_state(key, array.astype(dtype).astype(np.float32))
    hdf5.save(model, tmp_path / name, layout=layout, dtype=dtype, attributes={"licence": "MIT"})
    other = network(seed=1)
    report = hdf5.load(other, tmp_path / name)
    assert report.complete and not report.notes and report.layout.startswith("Keras")
    same(other, model)
    assert hdf5.summary(tmp_path / name).attributes["licence"] == "MIT"


def test_legacy_files_name_layers_and_weights_in_order(path):
    hdf5.save(network(), path, layout="keras")
    with h5py.File(path) as file:
        assert [name.decode() for name in file.attrs["layer_names"]] == list(KERAS)
        assert file.attrs["backend"] == b"tensorflow" and file.attrs["keras_version"][:1] == b"2"
        for layer, variables in by_layer(network()).items():
            assert list(file[layer].attrs["weight_names"]) == [f"{layer}/{v}:0".encode() for v in variables]
            for variable, array in variables.items():
                assert_array_equal(file[f"{layer}/{layer}/{variable}:0"], array)


def test_keras_3_counts_layers_of_a_class(tmp_path):
    path = tmp_path / "a.weights.h5"
    hdf5.save(network(), path, layout="keras3")
    with h5py.File(path) as file:
        assert sorted(file["layers"]) == ["batch_normalization", "conv2d", "conv2d_1", "dense"]
        assert file["layers/conv2d_1/vars"].attrs["name"] == "conv2"
        for i, array in enumerate(by_layer(network())["norm"].values()):
            assert_array_equal(file[f"layers/batch_normalization/vars/{i}"], array)


def test_slopes_are_shared_over_the_pixels_in_front_of_them(path):
    layers = [nn.Conv2d(3, 4, 1, name="a"), nn.PReLU(4, name="b"), nn.Linear(4, 5, name="c"), nn.PReLU(5, name="d")]
    hdf5.save(nn.Sequential(*layers), path, layout="keras")
    with h5py.File(path) as file:
        assert file["b/b/alpha:0"].shape == (1, 1, 4) and file["d/d/alpha:0"].shape == (5,)
    hdf5.save(nn.Sequential(nn.PReLU(3, name="a")), path, layout="keras")
    with h5py.File(path) as file:
        assert file["a/a/alpha:0"].shape == (1, 1, 3)  # of a picture


@pytest.mark.parametrize(("count", "sizes"), [(2, None), (3, [1, 1, 1]), (5, [2, 2, 1]), (6, [2, 2, 1, 1])])
def test_no_piece_of_a_list_of_names_is_too_long(monkeypatch, count, sizes):
    monkeypatch.setattr(writer, "LONGEST_ATTRIBUTE", 10)
    names = ["abcd"] * count
    found = writer._cut("layer_names", names)
    assert [*found] == ([f"layer_names{i}" for i in range(len(sizes))] if sizes else ["layer_names"])
    assert [len(piece) for piece in found.values()] == (sizes or [count])
    assert np.concatenate([*found.values()]).tolist() == [b"abcd"] * count


def test_long_lists_of_names_are_cut(path):
    """HDF5 has room for 64 KB beside a group."""
    layers = [nn.Linear(1, 1, bias=False, seed=i, name=f"layer{i:0900}") for i in range(75)]
    hdf5.save(nn.Sequential(*layers), path, layout="keras")
    with h5py.File(path) as file:
        assert "layer_names" not in file.attrs and len(file.attrs["layer_names0"]) < 75
    other = nn.Sequential(*(nn.Linear(1, 1, bias=False, name=layer.name) for layer in layers))
    assert hdf5.load(other, path).complete
    same(other, nn.Sequential(*layers))


def test_what_keras_has_no_layer_for_is_refused(path):
    class Odd(nn.Module):
        name = "odd"

        def __init__(self):
            self.w = nn.Linear(2, 2).w

    with pytest.raises(InputError, match="odd is a Odd; expected a layer that Keras has"):
        hdf5.save(nn.Sequential(Odd()), path, layout="keras")
    with pytest.raises(InputError, match=r'squeezenet branches.* expected layout "keras"'):
        hdf5.save(models.squeezenet(), path.with_name("a.weights.h5"), layout="keras3")
    with pytest.raises(InputError, match=r"expected NAME\.h5"):
        hdf5.save(network(), path.with_name("a.weights.h5"), layout="keras")
    assert not list(path.parent.iterdir())

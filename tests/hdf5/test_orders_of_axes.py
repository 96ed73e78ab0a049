"""Files keep some arrays in another order than ours, which shows in what a network then computes."""

import h5py
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from samples import network, same, write_legacy

from minicnn import hdf5, models, nn
from minicnn.backend import use_backend
from minicnn.errors import LoadError
from minicnn.hdf5 import axes, matches
from minicnn.hdf5.matches import arrays_of


def write_theano(path, model, *, turned=True, rows=None):
    """As Keras 1 did: (out, in, height, width), names that tell nothing. rows: of matrices, by layer."""
    with h5py.File(path, "w") as file:
        layers = [layer for layer in model.layers if list(layer.named_parameters())]
        file.attrs["layer_names"] = np.array([layer.name for layer in layers], "S")
        for i, layer in enumerate(layers):
            w = layer.w.data
            if w.ndim == 4:
                w = w.transpose(3, 2, 0, 1)[:, :, ::-1, ::-1] if turned else w.transpose(3, 2, 0, 1)
            elif layer.name in (rows or {}):
                w = w[rows[layer.name]]
            group = file.create_group(layer.name)
            group.attrs["weight_names"] = np.array([f"uniform{i}", f"{layer.name}_b"], "S")
            group[f"uniform{i}"], group[f"{layer.name}_b"] = w, layer.b.data


def classifier(seed, side=4):
    """A convolution, pictures of side × side × 3, flattened, and a matrix."""
    random = np.random.default_rng(seed)
    return nn.Sequential(
        nn.Conv2d(2, 3, 3, seed=random, name="conv"),
        nn.Conv2d(3, 3, 1, seed=random, name="conv1x1"),
        nn.Flatten(),
        nn.Linear(side * side * 3, 5, seed=random, name="fc"),
        nn.Linear(5, 2, seed=random, name="predictions"),
    )


def test_theanos_kernels_are_transposed_and_turned(tmp_path):
    model = classifier(1, side=1)
    write_theano(tmp_path / "weights.h5", classifier(0, side=1))
    report = hdf5.load(model, tmp_path / "weights.h5")
    same(model, classifier(0, side=1))
    assert report.notes == (
        "kernels brought from Theano's order, (out, in, height, width) and turned by 180°, into ours",
    )
    assert all(p.data.flags.c_contiguous for p in model.parameters())


def test_files_of_theanos_shape_may_say_in_their_name_that_they_are_not_turned(tmp_path):
    path, model = tmp_path / "vgg_th_dim_ordering_tf_kernels.h5", classifier(1, side=1)
    write_theano(path, classifier(0, side=1), turned=False)
    assert "turned" not in hdf5.load(model, path).notes[0]
    same(model, classifier(0, side=1))


@pytest.mark.parametrize(("name", "backend"), [("vgg_tf_dim_ordering_th_kernels.h5", None), ("any.h5", "theano")])
def test_kernels_of_our_shape_that_theano_turned(tmp_path, name, backend):
    """Keras 2 on Theano, and files of Keras 1 that say so in their name."""
    source, model = network(), network(seed=1)
    with h5py.File(tmp_path / name, "w") as file:
        write_legacy(file, source)
        if backend:
            file.attrs["backend"] = backend
    report = hdf5.load(model, tmp_path / name)
    assert report.notes == ("kernels turned by 180°, as Theano has them, and turned back",)
    for layer in ("conv1", "conv2"):
        assert_array_equal(model.find(layer).w.data, source.find(layer).w.data[::-1, ::-1])
    assert_array_equal(model.find("predictions").w.data, source.find("predictions").w.data)


@pytest.mark.parametrize("turn", [False, True])
@pytest.mark.parametrize("shape", [(2, 5, 6), (2, 3, 5, 6), (2, 3, 4, 5, 6)])
def test_theanos_order_of_kernels_of_one_to_three_axes(shape, turn):
    kernel = np.arange(np.prod(shape)).reshape(shape)
    order = axes.channels_first(shape, turn)
    rows = np.moveaxis(kernel, (-1, -2), (0, 1))
    expected = np.flip(rows, tuple(range(2, rows.ndim))) if turn else rows
    assert order.shape == expected.shape
    assert_array_equal(order.view(kernel), expected)


def test_rows_behind_a_flattened_picture_are_reordered(tmp_path):
    """Theano flattened (C, H, W), we flatten (H, W, C): what is computed from a picture is the same."""
    path, source, model = tmp_path / "weights.h5", classifier(0), classifier(1)
    rows = np.arange(4 * 4 * 3).reshape(4, 4, 3).transpose(2, 0, 1).ravel()
    write_theano(path, source, rows={"fc": rows})
    report = hdf5.load(model, path)
    assert "rows of fc.w brought from Theano's order" in report.notes[1] and len(report.notes) == 2
    same(model, source)
    x = np.random.default_rng(2).random((2, 6, 6, 2), np.float32)
    with use_backend("numpy"):
        assert_allclose(model(x).data, source(x).data)


def test_rows_in_an_order_that_cannot_be_known_are_refused(tmp_path, refused):
    """Six pixels are 2 × 3, or 3 × 2, or 1 × 6."""
    path = tmp_path / "weights.h5"
    make = lambda seed: nn.Sequential(  # noqa: E731
        nn.Conv2d(2, 3, 3, seed=seed, name="conv"), nn.Flatten(), nn.Linear(18, 5, seed=seed, name="fc")
    )
    write_theano(path, make(0))
    refused(path, "fc.w (rows in an order that is not known)", "height and width are unknown", model=make(1))
    model = make(1)
    report = hdf5.load(model, path, strict=False)
    assert "fc.w" not in report.loaded and "conv.w" in report.loaded
    assert_array_equal(model.find("fc").w.data, make(1).find("fc").w.data)


@pytest.mark.parametrize("rows", [48, 18])  # 4 × 4 pixels of 3 channels, and 6 that may lie in any way
def test_rows_that_a_file_lacks_are_not_spoken_of(tmp_path, rows):
    def make(seed, *layers):
        return nn.Sequential(nn.Conv2d(2, 3, 3, seed=seed, name="conv"), *layers)

    path, model = tmp_path / "weights.h5", make(1, nn.Flatten(), nn.Linear(rows, 5, seed=1, name="fc"))
    write_theano(path, make(0))
    report = hdf5.load(model, path, strict=False)
    assert report.notes == (
        "kernels brought from Theano's order, (out, in, height, width) and turned by 180°, into ours",
    )
    assert {*report.loaded} == {"conv.w", "conv.b"}
    same(make(0), nn.Sequential(model.find("conv")))


def test_one_kernel_of_a_wrong_shape_does_not_make_a_file_theanos(tmp_path, refused):
    with h5py.File(tmp_path / "weights.h5", "w") as file:
        write_legacy(file, network())
        del file["conv2/conv2/kernel:0"]
        file["conv2/conv2/kernel:0"] = np.zeros((5, 4, 3, 3), np.float32)
    message = refused(tmp_path / "weights.h5", "conv2.w ((5, 4, 3, 3) in the file")
    assert "Theano" not in message


def test_which_matrices_lie_behind_a_flattened_picture():
    def linear(rows, name):
        return nn.Linear(rows, 4, name=name)

    conv, again = nn.Conv2d(3, 4, 3, name="conv"), nn.Conv2d(4, 5, 1, name="again")
    for layers, found in (
        ([conv, nn.Flatten(), linear(36, "a"), linear(8, "b")], {"a.w": 4}),
        ([conv, nn.Flatten(), linear(4, "a")], {}),  # of one pixel
        ([conv, linear(36, "a")], {}),
        ([nn.Flatten(), linear(12, "a")], {}),
        ([conv, nn.Flatten(), again, linear(45, "a")], {}),
        ([conv, again, nn.Flatten(), linear(45, "a")], {"a.w": 5}),
    ):
        assert matches._behind_flatten(nn.Sequential(*layers)) == found


def test_three_real_files_hold_one_network(shared_data):
    """By Keras 1 in TensorFlow's order and in Theano's, and by Keras 2."""
    folder, found = shared_data / "weights", []
    for name in ("weights_tf_dim_ordering_tf_kernels", "rcmalli", "weights_th_dim_ordering_th_kernels"):
        model = models.squeezenet(folder / f"squeezenet_{name}_notop.h5")
        assert model.load_report.complete and len(model.load_report.loaded) == 50
        assert bool(model.load_report.notes) == ("th_kernels" in name)
        found.append(arrays_of(model))
    assert sum(array.size for array in found[0].values()) == 722_496
    for other in found[1:]:
        for name, array in other.items():
            assert_array_equal(array, found[0][name])


def locally_connected(seed):
    random = np.random.default_rng(seed)
    layer = nn.LocallyConnected2d(2, 3, (3, 2), input_size=(6, 5), stride=(1, 2), seed=random, name="L4")
    layer.b.data = random.random(layer.b.shape, np.float32)
    return nn.Sequential(layer)


def test_locally_connected_filters_have_one_row_a_position(tmp_path):
    """Keras: (output rows · output columns, kernel rows · kernel columns · C_in, C_out)."""
    source, model = locally_connected(0), locally_connected(1)
    hdf5.save(source, tmp_path / "weights.h5", layout="keras")
    with h5py.File(tmp_path / "weights.h5") as file:
        kernel = file["L4/L4/kernel:0"][()]
        assert file["L4/L4/bias:0"].shape == (4, 2, 3)
    assert kernel.shape == (4 * 2, 3 * 2 * 2, 3)
    hdf5.load(model, tmp_path / "weights.h5")
    same(model, source)
    # What Keras computes: each position's patch, its rows one after the other, times the position's matrix.
    x = np.random.default_rng(2).random((1, 6, 5, 2), np.float32)
    with use_backend("numpy"):
        y = model(x).data
    for i, (row, column) in enumerate(np.ndindex(4, 2)):
        patch = x[0, row : row + 3, 2 * column : 2 * column + 2].ravel()
        expected = patch @ kernel[i] + source[0].b.data[row, column]
        assert_allclose(y[0, row, column], expected, rtol=1e-5)


@pytest.mark.parametrize("shape", [(4,), (1, 4), (1, 1, 4)])
def test_slopes_have_the_axes_that_they_are_shared_over(tmp_path, shape):
    model, slopes = nn.Sequential(nn.PReLU(4, name="prelu")), np.arange(4, dtype=np.float32)
    with h5py.File(tmp_path / "weights.h5", "w") as file:
        file.attrs["layer_names"] = ["prelu"]
        file["prelu/prelu/alpha:0"] = slopes.reshape(shape)
    hdf5.load(model, tmp_path / "weights.h5")
    assert_array_equal(model[0].slope.data, slopes)


def test_slopes_of_every_pixel_are_refused(tmp_path):
    with h5py.File(tmp_path / "weights.h5", "w") as file:
        file.attrs["layer_names"] = ["prelu"]
        file["prelu/prelu/alpha:0"] = np.zeros((2, 2, 4), np.float32)
    with pytest.raises(LoadError, match=r"\(2, 2, 4\) in the file, \(4,\) in the model"):
        hdf5.load(nn.Sequential(nn.PReLU(4, name="prelu")), tmp_path / "weights.h5")

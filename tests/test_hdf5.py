"""Weights go to a file and come back; files by Keras load; whatever is wrong with a file is said in one line."""

import hashlib
import os
import shutil

import h5py
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from minicnn import hdf5, nn
from minicnn.errors import InputError, LoadError, MissingFileError
from minicnn.hdf5.matching import arrays_of


def network(seed=0, width=4):
    """A convolution without bias, batch norm with statistics other than 0 and 1, a convolution, and a linear layer."""
    random = np.random.default_rng(seed)
    norm = nn.BatchNorm(width, name="norm")
    norm.gamma.data = random.random(width, np.float32)
    norm.mean, norm.variance = random.random(width, np.float32), random.random(width, np.float32)
    return nn.Sequential(
        nn.Conv2d(3, width, 3, bias=False, seed=random, name="conv1"),
        norm,
        nn.Conv2d(width, 5, 3, seed=random, name="conv2"),
        nn.Linear(5, 2, seed=random, name="predictions"),
        name="small",
    )


# Our names -> Keras's, in the order of Keras's variables.
KERAS = {
    "conv1": {"w": "kernel"},
    "norm": {"gamma": "gamma", "beta": "beta", "mean": "moving_mean", "variance": "moving_variance"},
    "conv2": {"w": "kernel", "b": "bias"},
    "predictions": {"w": "kernel", "b": "bias"},
}
CLASSES = {"conv1": "conv2d", "norm": "batch_normalization", "conv2": "conv2d_1", "predictions": "dense"}


def by_layer(model):
    """{layer: {Keras's name of a variable: array}}"""
    arrays = arrays_of(model)
    return {layer: {theirs: arrays[f"{layer}.{ours}"] for ours, theirs in v.items()} for layer, v in KERAS.items()}


def write_legacy(group, model, *, name="{layer}/{variable}:0", text=np.bytes_, rename=str, extra=()):
    layers = {"input_1": {}, **by_layer(model), **dict(extra)}
    group.attrs["layer_names"] = [text(rename(layer)) for layer in layers]
    for layer, variables in layers.items():
        names = [name.format(layer=rename(layer), variable=variable) for variable in variables]
        here = group.create_group(rename(layer))
        here.attrs["weight_names"] = [text(n) for n in names]
        for n, array in zip(names, variables.values(), strict=True):
            here[n] = array


def write_keras_3(file, model, *, named=True, root="layers", extra=()):
    for layer, variables in {**by_layer(model), **dict(extra)}.items():
        here = file.create_group(f"{root}/{CLASSES.get(layer, layer)}/vars")
        if named:
            here.attrs["name"] = layer
        for i, array in enumerate(variables.values()):
            here[str(i)] = array


def same(model, other):
    mine, theirs = arrays_of(model), arrays_of(other)
    assert mine.keys() == theirs.keys()
    for name, array in mine.items():
        assert_array_equal(array, theirs[name], err_msg=name)
        assert array.dtype == theirs[name].dtype


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


# --- minicnn's own layout ------------------------------------------------------------------------------------------


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


# --- writing -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"dtype": "int8"}, "int8"),
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


# --- files by Keras ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [np.bytes_, str])
@pytest.mark.parametrize("name", ["{layer}/{variable}:0", "{layer}/{variable}", "{layer}_7/{variable}:0"])
@pytest.mark.parametrize("root", ["/", "model_weights"])
def test_keras_legacy(path, name, text, root):
    with h5py.File(path, "w") as file:
        write_legacy(file.require_group(root), network(), name=name, text=text)
        file.require_group(root).create_group("top_level_model_weights").attrs["weight_names"] = []
        if root != "/":
            file.attrs["model_config"] = '{"class_name": "Lambda", "marshalled": "…"}'
            file["optimizer_weights/iteration"] = np.int64(3)  # not a weight, so not our concern
    model = network(seed=1)
    report = hdf5.load(model, path)
    same(model, network())
    assert report.layout == "Keras .h5" and report.complete and "loaded from Keras .h5" in str(report)


def test_keras_1_calls_variables_anything_and_nests_layers(path):
    """Only the order tells kernel and bias apart, and layers such as fire2/squeeze share a group."""

    def fire(seed):
        random = np.random.default_rng(seed)
        squeeze = nn.Conv2d(3, 2, 1, seed=random, name="fire2/squeeze")
        return nn.Sequential(squeeze, nn.Conv2d(2, 2, 1, seed=random, name="fire2/expand"))

    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = np.array(["input_1", "fire2/squeeze", "fire2/relu", "fire2/expand"], "S")
        file.create_group("input_1")  # without weight_names
        file.create_group("fire2/relu").attrs["weight_names"] = []
        for i, layer in enumerate(fire(0).layers, start=1):
            group = file.create_group(layer.name)
            group.attrs["weight_names"] = np.array([f"uniform{i}", f"{layer.name}_b"], "S")
            group[f"uniform{i}"], group[f"{layer.name}_b"] = layer.w.data, layer.b.data
    model = fire(1)
    assert hdf5.load(model, path).complete
    same(model, fire(0))
    hdf5.save(model, path)  # names with slashes survive our own layout, too
    model = fire(1)
    hdf5.load(model, path)
    same(model, fire(0))


def test_attributes_that_keras_cut_in_pieces(path):
    with h5py.File(path, "w") as file:
        write_legacy(file, network())
        names = file.attrs["layer_names"]
        del file.attrs["layer_names"]
        file.attrs["layer_names0"], file.attrs["layer_names1"] = names[:2], names[2:]
    model = network(seed=1)
    assert hdf5.load(model, path).complete
    same(model, network())


def test_a_model_inside_a_model(path):
    """Its arrays lie in one group, under the names of their own layers."""
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = ["rescaling", "backbone"]
        file.create_group("rescaling").attrs["weight_names"] = []
        group = file.create_group("backbone")
        variables = {f"{layer}/{n}:0": a for layer, v in by_layer(network()).items() for n, a in v.items()}
        group.attrs["weight_names"] = list(variables)
        for name, array in variables.items():
            group[name] = array
    model = network(seed=1)
    assert hdf5.load(model, path).complete
    same(model, network())


@pytest.mark.parametrize("root", ["layers", "_layer_checkpoint_dependencies", "layers/functional/layers"])
@pytest.mark.parametrize("named", [True, False])
def test_keras_3(path, named, root):
    with h5py.File(path, "w") as file:
        write_keras_3(file, network(), named=named, root=root)
        file[f"{root}/dropout/seed_generator/vars/0"] = np.zeros(2, np.uint32)
        file["optimizer/vars/0"] = np.int64(3)
    model = network(seed=1)
    report = hdf5.load(model, path)
    same(model, network())
    assert report.complete and bool(report.notes) != named
    if not named:
        assert "matched by class, order and shape" in str(report) and "batch_normalization = norm" in str(report)


def test_keras_3_counts_past_nine(path):
    layers = [nn.Linear(1, 1, bias=False, seed=i, name=f"layer{i}") for i in range(12)]
    with h5py.File(path, "w") as file:
        for i, layer in enumerate(layers):
            file[f"layers/dense{f'_{i}' * bool(i)}/vars/0"] = layer.w.data
    model = nn.Sequential(*(nn.Linear(1, 1, bias=False, name=f"layer{i}") for i in range(12)))
    hdf5.load(model, path)
    same(model, nn.Sequential(*layers))


def test_bfloat16(path):
    exact = np.array([[1.0, -2.5], [0.15625, 3e38]], np.float32)
    exact = (exact.view(np.uint32) & 0xFFFF0000).view(np.float32)
    layer = nn.Linear(2, 2, bias=False, name="dense")
    with h5py.File(path, "w") as file:
        stored = (exact.view(np.uint32) >> 16).astype(np.uint16).view("V2")
        file.create_dataset("layers/dense/vars/0", data=stored).attrs["dtype"] = "bfloat16"
        file["layers/dense/vars"].attrs["name"] = "dense"
    model = nn.Sequential(layer)
    hdf5.load(model, path)
    assert_array_equal(layer.w.data, exact)


@pytest.mark.parametrize("layer", ["{}", "{}_renamed"])
def test_layers_in_attributes_are_known_by_their_names(path, layer):
    class Two(nn.Module):
        def __init__(self, seed):
            self.first = nn.Linear(2, 3, seed=seed, name=layer.format("stem"))
            self.rest = nn.Sequential(nn.Linear(3, 2, seed=seed + 1, name="head"))

    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [layer.format("stem"), "head"]
        for module in (Two(0).first, Two(0).rest[0]):
            file[f"{module.name}/{module.name}/kernel"] = module.w.data
            file[f"{module.name}/{module.name}/bias"] = module.b.data
    model = Two(5)
    assert hdf5.load(model, path).complete
    same(model, Two(0))
    hdf5.save(model, path)
    hdf5.load(Two(7), path)


def test_real_files_by_keras_1_and_2(shared_data):
    """SqueezeNet's convolutions from three real files; Theano's kernels have another order of axes."""
    layers, channels = [nn.Conv2d(3, 64, 3, name="conv1")], 64
    for fire, (squeeze, expand) in enumerate([(16, 64), (32, 128), (48, 192), (64, 256)], start=1):
        for name in (f"fire{2 * fire}", f"fire{2 * fire + 1}"):
            layers += [
                nn.Conv2d(channels, squeeze, 1, name=f"{name}/squeeze1x1"),
                nn.Conv2d(squeeze, expand, 1, name=f"{name}/expand1x1"),
                nn.Conv2d(squeeze, expand, 3, name=f"{name}/expand3x3"),
            ]
            channels = 2 * expand
    model = nn.Sequential(*layers)
    folder = shared_data / "weights"
    hdf5.load(model, folder / "squeezenet_weights_tf_dim_ordering_tf_kernels_notop.h5")
    first = {name: array.copy() for name, array in arrays_of(model).items()}
    assert sum(array.size for array in first.values()) == 722_496
    hdf5.load(model, folder / "squeezenet_rcmalli_notop.h5")
    for name, array in arrays_of(model).items():
        assert_array_equal(array, first[name])
    report = hdf5.load(model, folder / "squeezenet_weights_th_dim_ordering_th_kernels_notop.h5")
    assert "Theano" in report.notes[0]
    for name, array in arrays_of(model).items():
        assert_array_equal(array, first[name])


# --- what does not fit ---------------------------------------------------------------------------------------------


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
    for part in ("3 of", "9 arrays", "missing: norm.gamma", "unexpected: fc1/kernel", "mismatched: conv1.w"):
        assert part in str(report)
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


# --- files that are damaged, or hostile ----------------------------------------------------------------------------


def test_what_is_no_file_of_weights(tmp_path, refused):
    refused(tmp_path / "none.h5", "does not exist", error=MissingFileError)
    refused(tmp_path, "is a folder")
    for name, content, part in [
        ("empty.h5", b"", "is empty"),
        ("page.html", b"<html>", "not HDF5"),
        ("model.keras", b"PK\x03\x04", "zip"),
    ]:
        (tmp_path / name).write_bytes(content)
        refused(tmp_path / name, part)
    with pytest.raises(InputError, match="int"):
        hdf5.load(network(), 3)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_does_not_keep_us_waiting(path, refused):
    os.mkfifo(path)
    refused(path, "not a regular file")


@pytest.mark.parametrize("kept", [8, 100, 0.5, 0.99])
def test_truncated(saved, refused, kept):
    content = saved.read_bytes()
    saved.write_bytes(content[: kept if isinstance(kept, int) else int(kept * len(content))])
    refused(saved, "HDF5")


def test_hdf5_of_something_else(path, refused):
    with h5py.File(path, "w") as file:
        file["measurements"] = np.zeros(3)
    refused(path, "layout is unknown")
    assert hdf5.inspect(path) == [("measurements", (3,), "float64")]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300])
@pytest.mark.parametrize("name", ["conv2.b", "norm.variance"])
def test_not_finite(path, refused, name, value):
    model = network()
    arrays = {n: a.astype(np.float64) for n, a in arrays_of(model).items()}
    arrays[name][1] = value
    for parameter_name, parameter in model.named_parameters():
        parameter.data = arrays[parameter_name]
    model.find("norm").variance = arrays["norm.variance"]
    with h5py.File(path, "w") as file:
        write_legacy(file, model)
    refused(path, name, "NaN or infinity")
    refused(path, name, strict=False)


COMPOUND = np.dtype([("real", "f4"), ("imaginary", "f4")])


@pytest.mark.parametrize(
    "dtype", ["i4", "u1", "?", "c8", "S4", "V2", COMPOUND, h5py.string_dtype(), h5py.ref_dtype, h5py.vlen_dtype("f4")]
)
def test_only_floats_are_read(saved, refused, dtype):
    with h5py.File(saved, "r+") as file:
        del file["conv2.b"]
        file.create_dataset("conv2.b", (5,), dtype)
    refused(saved, "conv2.b", "dtype")
    refused(saved, "conv2.b", strict=False)


def test_a_dataset_without_data(saved, refused):
    with h5py.File(saved, "r+") as file:
        del file["conv2.b"]
        file["conv2.b"] = h5py.Empty("f4")
    refused(saved, "conv2.b", "no data")


def test_links_are_refused(saved, refused, tmp_path):
    shutil.copy(saved, tmp_path / "other.h5")
    for name, link in {
        "cycle": h5py.SoftLink("/cycle"),
        "dangling": h5py.SoftLink("/nowhere"),
        "conv2.b": h5py.SoftLink("/conv1.w"),
        "conv2.w": h5py.ExternalLink(str(tmp_path / "other.h5"), "conv2.w"),
    }.items():
        path = tmp_path / "linked.h5"
        shutil.copy(saved, path)
        with h5py.File(path, "r+") as file:
            file.pop(name, None)
            file[name] = link
        refused(path, name, "link")
        refused(path, name, "link", strict=False)
        with pytest.raises(LoadError, match="link"):
            hdf5.inspect(path)


@pytest.mark.parametrize("root", ["model_weights", "layers"])
def test_a_linked_root_is_refused(path, tmp_path, refused, root):
    with h5py.File(tmp_path / "other.h5", "w") as file:
        write_legacy(file.create_group("model_weights"), network())
    with h5py.File(path, "w") as file:
        file[root] = h5py.ExternalLink(str(tmp_path / "other.h5"), "model_weights")
    refused(path, root, "link to another file")


def test_a_group_that_holds_itself(path, refused):
    with h5py.File(path, "w") as file:
        write_legacy(file, network())
        file["conv1/again"] = file["conv1"]
    refused(path, "conv1/again")


def test_a_name_that_is_no_text(saved, refused):
    with h5py.File(saved, "r+") as file:
        file[b"conv\xff.w"] = np.zeros(3, np.float32)
    refused(saved, "UTF-8")


def test_data_kept_in_other_files(saved, refused, tmp_path):
    for made in ("external", "virtual"):
        path = tmp_path / "elsewhere.h5"
        shutil.copy(saved, path)
        with h5py.File(path, "r+") as file:
            del file["conv2.b"]
            if made == "external":
                (tmp_path / "raw").write_bytes(bytes(20))
                file.create_dataset("conv2.b", (5,), "f4", external=[(str(tmp_path / "raw"), 0, 20)])
            else:
                layout = h5py.VirtualLayout((5,), "f4")
                layout[:] = h5py.VirtualSource(str(saved), "conv2.b", (5,))
                file.create_virtual_dataset("conv2.b", layout)
        refused(path, "conv2.b", "in other files")


def test_a_dataset_larger_than_its_file_is_never_read(saved, refused):
    """A billion elements in a small file: the shape is compared before anything is allocated."""
    with h5py.File(saved, "r+") as file:
        del file["conv2.b"]
        file.create_dataset("conv2.b", (10**9,), "f4", chunks=(1000,), compression="gzip")
    assert saved.stat().st_size < 20_000
    refused(saved, "conv2.b ((1000000000,) in the file, (5,) in the model)")
    report = hdf5.load(network(seed=1), saved, strict=False)
    assert [line.split(" ")[0] for line in report.mismatched] == ["conv2.b"]


def test_a_dataset_of_the_right_shape_that_was_never_written(saved, refused):
    with h5py.File(saved, "r+") as file:
        del file["conv2.w"]
        file.create_dataset("conv2.w", (3, 3, 4, 5), "f4")
    refused(saved, "conv2.w", "claims 180 elements")


def test_a_chunk_larger_than_its_dataset(saved, refused):
    with h5py.File(saved, "r+") as file:
        values = file["conv2.b"][()]
        del file["conv2.b"]
        options = {"maxshape": (None,), "chunks": (10**8,), "compression": "gzip"}
        file.create_dataset("conv2.b", (5,), "f4", **options).id.write_direct_chunk((0,), values.tobytes())
    refused(saved, "conv2.b", "chunks of (100000000,)")


def test_a_list_of_names_that_lies(path, refused):
    with h5py.File(path, "w") as file:
        write_legacy(file, network())
        file["conv2"].attrs["weight_names"] = ["conv2/kernel:0", "../conv1/kernel:0"]
    refused(path, "listed, but not there")
    with h5py.File(path, "r+") as file:
        file.attrs["layer_names"] = ["conv1", "nowhere"]
    refused(path, "'nowhere' is listed, but not there")


def test_an_attribute_of_many_megabytes(path, refused):
    with h5py.File(path, "w", libver="latest") as file:
        file.attrs.create("layer_names", np.zeros(20, "S1000000"))
    refused(path, "layer_names", "20,000,000 bytes")


def test_importing_hdf5_does_not_load_h5py(fresh_python):
    fresh_python("import minicnn.hdf5, minicnn.zoo, minicnn.models; assert 'h5py' not in sys.modules")


def test_summary_tells_what_a_file_holds(saved, tmp_path):
    found = hdf5.summary(saved)
    assert (found.layout, found.size) == ("minicnn", saved.stat().st_size)
    assert found.parameters == sum(array.size for array in arrays_of(network()).values())
    assert found.sha256 == hashlib.sha256(saved.read_bytes()).hexdigest()
    assert ("conv1/w", (3, 3, 3, 4), "float32") in found.rows and found.attributes["model"] == "small"
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["measurements"] = np.zeros(3)
    assert hdf5.summary(tmp_path / "other.h5").layout == "unknown"

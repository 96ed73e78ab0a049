"""Files that are no files of weights, and those that somebody made to do harm, are refused in one line."""

import base64
import hashlib
import json
import marshal
import os
import pickle
import shutil
import sys
import zlib

import h5py
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from samples import network, same, write_legacy

from minicnn import hdf5
from minicnn.errors import InputError, LoadError, MissingFileError
from minicnn.hdf5 import reader
from minicnn.hdf5.matches import arrays_of


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


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (b"\xff", r"b'\xff' is not text in UTF-8"),
        (b"n" * 2001, f"'{'n' * 40}…' has 2,001 letters; expected 2,000 at most"),
    ],
)
def test_names_that_nobody_gives(saved, refused, name, message):
    with h5py.File(saved, "r+") as file:
        file[name] = np.zeros(3)
    refused(saved, message)


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


def test_large_attributes_that_nobody_needs(path):
    with h5py.File(path, "w", libver="latest") as file:
        write_legacy(file, network())
        file.attrs.create("description", np.zeros(20, "S1000000"))
        file.attrs["model_config"] = "x" * 50_000_000
    assert hdf5.load(network(seed=1), path).complete


def test_text_of_many_megabytes(path, refused):
    """Its length stands elsewhere in the file, so that only reading it shows it."""
    with h5py.File(path, "w", libver="latest") as file:
        write_legacy(file, network())
        file.attrs["layer_names"] = ["conv1" * 12_000_000]
    refused(path)


def test_a_million_names(path, refused):
    with h5py.File(path, "w", libver="latest") as file:
        file.attrs.create("layer_names", np.zeros(1_000_000, "S1"))
    refused(path, "layer_names", "1,000,000 bytes")


@pytest.mark.parametrize("layout", ["own", "legacy", "Keras 3"])
def test_a_billion_elements_in_a_kilobyte(path, refused, layout):
    place = {"own": "conv2.b", "legacy": "conv2/conv2/bias:0", "Keras 3": "layers/conv2d_1/vars/1"}[layout]
    with h5py.File(path, "w") as file:
        if layout == "own":
            file.attrs["format"] = "minicnn"
        elif layout == "legacy":
            file.attrs["layer_names"] = ["conv2"]
        file.create_dataset(place, (10**9,), "f4")
        file[place].parent.attrs["name"] = "conv2"
    assert path.stat().st_size < 10_000
    found = "conv2/1" if layout == "Keras 3" else "conv2.b ((1000000000,) in the file, (5,) in the model)"
    refused(path, found, "missing in the file: conv1.w")
    hdf5.load(network(seed=1), path, strict=False)
    assert hdf5.summary(path).parameters == 10**9


def test_a_chunk_that_decompresses_to_very_much(saved, refused):
    """300 MB in 300 KB, for a hundred floats; how much it is shows only when it is done."""
    with h5py.File(saved, "r+") as file:
        shape = file["conv2.w"].shape
        del file["conv2.w"]
        made = file.create_dataset("conv2.w", shape, "f4", chunks=shape, compression="gzip")
        made.id.write_direct_chunk((0,) * 4, zlib.compress(bytes(300 * 2**20), 1))
    if sys.platform == "linux":  # elsewhere the memory of a process has no limit
        refused(saved, "damaged")


def test_some_chunks_are_missing(saved, refused):
    with h5py.File(saved, "r+") as file:
        values = file["conv2.w"][()]
        del file["conv2.w"]
        made = file.create_dataset("conv2.w", values.shape, "f4", chunks=(1, *values.shape[1:]))
        made[:2] = values[:2]
    refused(saved, "conv2.w' claims 180 elements, and the file holds 120 of them")


def test_a_filter_that_nobody_has(saved, refused):
    with h5py.File(saved, "r+") as file:
        values = file["conv2.b"][()]
        del file["conv2.b"]
        space = h5py.h5s.create_simple(values.shape)
        made = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        made.set_chunk(values.shape)
        made.set_filter(32_999, h5py.h5z.FLAG_OPTIONAL)
        dataset = h5py.h5d.create(file.id, b"conv2.b", h5py.h5t.IEEE_F32LE, space, made)
        dataset.write_direct_chunk((0,), values.tobytes())
    refused(saved, "filter")


def test_a_checksum_of_hdf5_itself_is_checked(saved, refused):
    with h5py.File(saved, "r+") as file:
        values = file["conv2.b"][()]
        del file["conv2.b"]
        file.create_dataset("conv2.b", data=values, chunks=values.shape, fletcher32=True)
    content = saved.read_bytes()
    place = content.index(values.tobytes())
    saved.write_bytes(content[:place] + b"\1" + content[place + 1 :])
    refused(saved, "damaged")


@pytest.mark.parametrize("at", ["/", "model_weights"])
def test_code_in_a_configuration_is_never_run(path, tmp_path, at):
    """As Keras's Lambda layers have it, and as pickle has it."""

    def lesson():
        open("was_run", "w").close()

    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "was_run"),)

    code = base64.b64encode(marshal.dumps(lesson.__code__)).decode()
    layer = {"class_name": "Lambda", "config": {"name": "lambda", "function": [code, None, None]}}
    with h5py.File(path, "w") as file:
        write_legacy(file.require_group(at), network())
        file.attrs["model_config"] = json.dumps({"class_name": "Sequential", "config": {"layers": [layer]}})
        file.attrs["training_config"] = np.void(pickle.dumps(Trap()))
        file.attrs["format"] = np.void(pickle.dumps(Trap()))
        file[at].attrs["keras_version"] = "__import__('os').mkdir('was_run')"
    model = network(seed=1)
    assert hdf5.load(model, path).complete
    same(model, network())
    assert "model_config" not in hdf5.summary(path).attributes
    assert sorted(tmp_path.iterdir()) == [path]


def test_groups_in_groups_in_groups(path, refused):
    with h5py.File(path, "w") as file:
        write_legacy(file, network())
        here = file
        for _ in range(1200):
            here = here.create_group("a")
    refused(path, "'a/a/a/a", "2,001 letters")


def test_more_objects_than_any_network_has(path, monkeypatch):
    monkeypatch.setattr(reader, "MOST_OBJECTS", 30)
    with h5py.File(path, "w") as file:
        for i in range(31):
            file.create_group(f"layer{i}")
        with pytest.raises(reader.Refused, match="more than 30 groups and datasets"):
            reader.listing(file)


@pytest.mark.parametrize("name", ["\x1b[2J\x07", "\r\nweights are fine", "\u202egnp", "a\tb"])
def test_names_that_would_play_with_the_screen(path, refused, name):
    with h5py.File(path, "w") as file:
        write_legacy(file, network(), text=str, extra={name: {"kernel": np.ones(1, np.float32)}})
    assert refused(path, "not in the model").isprintable()
    report = hdf5.load(network(seed=1), path, strict=False)
    assert all(line.isprintable() for line in str(report).splitlines())


NO_NAMES = [3, 2.5, [1, 2], b"\xff\xfe", np.void(b"ab"), h5py.Empty("f4"), [[b"a"], [b"b"]]]


@pytest.mark.parametrize("value", NO_NAMES)
def test_names_of_layers_that_are_none(path, refused, value):
    with h5py.File(path, "w") as file:
        write_legacy(file, network())
        file.attrs["layer_names"] = value
    refused(path)


@pytest.mark.parametrize("value", NO_NAMES)
def test_names_of_weights_that_are_none(path, value):
    """Then their own names tell, if these are Keras's; whatever was loaded came from where it belongs."""
    with h5py.File(path, "w") as file:
        write_legacy(file, network(), name="{layer}_{variable}" if value is NO_NAMES[0] else "{layer}/{variable}:0")
        file["conv2"].attrs["weight_names"] = value
    model = network(seed=1)
    try:
        hdf5.load(model, path)
        same(model, network())
    except LoadError as problem:
        assert str(problem).isprintable()
        assert_array_equal(model.find("conv2").w.data, network(seed=1).find("conv2").w.data)


@pytest.mark.parametrize("value", [3, b"\xff", np.zeros(3), ["a", "b"], h5py.Empty("f4")])
@pytest.mark.parametrize("key", ["format", "sha256"])
def test_marks_of_ours_that_are_none(saved, key, value):
    with h5py.File(saved, "r+") as file:
        file.attrs[key] = value
    with pytest.raises(LoadError):
        hdf5.load(network(seed=1), saved)


def test_an_array_of_two_layers(path, refused):
    """Two that are listed, and one that is meant."""
    with h5py.File(path, "w") as file:
        write_legacy(file, network())
        names = list(file["conv2"].attrs["weight_names"])
        file["conv2/twice/kernel:0"] = np.zeros((3, 3, 4, 5), np.float32)
        file["conv2"].attrs["weight_names"] = [*names, b"twice/kernel:0"]
    refused(path, "not in the model: conv2/kernel")


def test_whatever_lies_beside_the_weights_need_not_be_readable(path):
    """An optimizer's state, say, of a type that we do not read."""
    with h5py.File(path, "w") as file:
        write_legacy(file, network())
        file.create_dataset("optimizer_weights/odd", (3,), COMPOUND)
        file["optimizer_weights/text"] = "text"
        file["optimizer_weights/type"] = np.dtype("f4")
    model = network(seed=1)
    assert hdf5.load(model, path).complete
    same(model, network())


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
        file["counts"] = np.zeros(4, np.int64)
        file.create_group("model_weights").attrs.update({"backend": "jax", "licence": "theirs"})
        file.attrs["licence"] = "ours"
    found = hdf5.summary(tmp_path / "other.h5")
    assert found.layout == "unknown" and found.parameters == 3 and len(found.rows) == 2
    assert found.attributes == {"backend": "jax", "licence": "ours"}
    assert len(found.notes) == 1 and found.notes[0].startswith("the layout is unknown; expected weights saved by")

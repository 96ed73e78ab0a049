"""Pickled .npy files: what facenet's hold is read, and nothing in such a file is ever run."""

import io
import os
import pickle
import struct
from dataclasses import replace

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from minicnn import hdf5, models, zoo
from minicnn.errors import InputError, LoadError
from minicnn.zoo import assembly, catalogue, pickled_arrays
from minicnn.zoo.catalogue import Weights
from minicnn.zoo.checksums import digest

NUMBERS = np.random.default_rng(0).standard_normal((3, 3, 2, 4)).astype(np.float32)
LAYERS = {
    "conv1": {"weights": NUMBERS, "biases": np.arange(4, dtype=np.float32)},
    "PReLU1": {"alpha": np.asfortranarray(NUMBERS[0, :, :, 0])},
}


def header():
    text = b"{'descr': '|O', 'fortran_order': False, 'shape': (), }".ljust(117) + b"\n"
    return np.lib.format.magic(1, 0) + struct.pack("<H", len(text)) + text


def npy(pickled):
    """A .npy file around the bytes of a pickle."""
    return header() + pickled


def saved(what):
    """As NumPy saves it today."""
    memory = io.BytesIO()
    np.save(memory, np.array(what, dtype=object), allow_pickle=True)
    return memory.getvalue()


def python_2(what):
    """As Python 2 pickled it, opcode by opcode, for facenet's files are from there: text and bytes are one."""
    if isinstance(what, dict):
        return b"}(" + b"".join(python_2(key) + python_2(value) for key, value in what.items()) + b"u"
    if isinstance(what, str | bytes):
        raw = what if isinstance(what, bytes) else what.encode("latin-1")
        return b"U" + bytes([len(raw)]) + raw if len(raw) < 256 else b"T" + struct.pack("<i", len(raw)) + raw
    if isinstance(what, int):
        return b"J" + struct.pack("<i", what)
    made = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
    kind = b"O8" if what.dtype == object else what.dtype.str[1:].encode()
    order = b"|" if what.dtype == object else b"<"
    dtype = b"cnumpy\ndtype\n" + python_2(kind) + b"K\x00K\x01\x87R(K\x03" + python_2(order) + b"NNNJ\xff\xff\xff\xff"
    flags = b"K\x3f" if what.dtype == object else b"K\x00"
    dtype += b"J\xff\xff\xff\xff" + flags + b"tb"
    shape = b"(" + b"".join(map(python_2, what.shape)) + b"t"
    inside = b"](" + python_2(what.item()) + b"e" if what.dtype == object else python_2(what.tobytes("A"))
    columns_first = b"\x89" if what.flags.c_contiguous else b"\x88"
    return made + b"(K\x01" + shape + dtype + columns_first + inside + b"tb"


def by_python_2(what):
    return npy(b"\x80\x02" + python_2(np.array(what, dtype=object)) + b".")


def same(found, expected):
    assert found.keys() == expected.keys()
    for layer, arrays in expected.items():
        assert found[layer].keys() == arrays.keys()
        for name, array in arrays.items():
            assert_array_equal(found[layer][name], array)


# What is read


@pytest.mark.parametrize("protocol", [None, 0, 1, 2, 3, 4, 5])
def test_arrays_in_dictionaries_are_read(protocol):
    content = saved(LAYERS)
    if protocol is not None and protocol < 5:
        content = npy(pickle.dumps(np.array(LAYERS, dtype=object), protocol=protocol))
    same(pickled_arrays.read(content, "a.npy"), LAYERS)


def test_what_python_2_wrote_is_read():
    content = by_python_2(LAYERS)
    same(np.load(io.BytesIO(content), allow_pickle=True, encoding="latin1").item(), LAYERS)  # it is such a file
    same(pickled_arrays.read(content, "a.npy"), LAYERS)


# What is refused


class Runs:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", [0, 2, 4])
@pytest.mark.parametrize("depth", ["the object", "a layer", "an array"])
def test_a_crafted_pickle_is_refused_and_runs_nothing(tmp_path, protocol, depth):
    trap = tmp_path / "sprung"
    evil = Runs(os.mkdir, str(trap))
    what = {"the object": evil, "a layer": {"conv1": evil}, "an array": {"conv1": {"weights": evil}}}[depth]
    content = npy(pickle.dumps(what, protocol=protocol))
    with pytest.raises(LoadError, match=r"^a\.npy names '(posix|nt)\.mkdir'; expected arrays, dictionaries"):
        pickled_arrays.read(content, "a.npy")
    assert not trap.exists()
    np.load(io.BytesIO(content), allow_pickle=True)  # it is a trap
    assert trap.exists()


def crafted(opcodes):
    return npy(b"\x80\x02" + opcodes + b".")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no npy file",
        header(),
        by_python_2(LAYERS)[:-40],
        crafted(b"cnumpy.core.multiarray\n_reconstruct\ncos\nmkdir\nK\x00\x85U\x01b\x87R"),
        crafted(b"cnumpy\nload\nU\x05a.npy\x85R"),
        crafted(b"cnumpy\nndarray\n(K\x01tR"),
        crafted(b"(cos\nmkdir\nU\x01xo"),
        crafted(b"(U\x01xios\nmkdir\n"),
        crafted(b"\x82\x01"),
        crafted(b"U\x01xQ"),
        crafted(b"cbuiltins\neval\n"),
        crafted(b"}q\x00U\x01ah\x00s"),
        crafted(b"}K\x01K\x02s"),
        crafted(b"K\x01"),
        crafted(b"}U\x01aU\x01bs"),
        crafted(b"t"),
        crafted(b"R"),
        crafted(b"h\x07"),
        saved({"a": {"b": np.array(["text"])}}),
        saved({"a": {"b": np.array([1, 2])}}),
        saved({"a": {"b": [1.0]}}),
        saved({"a": {"b": 1.5}}),
        by_python_2({"a": np.arange(4.0)}).replace(b"J\x04\x00\x00\x00t", b"J\x05\x00\x00\x00t"),
        by_python_2({"a": np.arange(4.0)}).replace(b"U\x02f8", b"U\x02V8"),
    ],
)
def test_everything_else_gets_one_line(content):
    with pytest.raises(LoadError, match=r"^a\.npy ") as caught:
        pickled_arrays.read(content, "a.npy")
    assert "\n" not in str(caught.value)


def test_of_a_long_error_the_beginning_is_told():
    with pytest.raises(LoadError) as caught, pickled_arrays.told_of("a.npy", "expected arrays"):
        raise ValueError("x\n" * 150)
    assert str(caught.value) == f"a.npy is damaged ({'x ' * 100}); expected arrays"


@pytest.mark.parametrize(
    ("opcodes", "message"),
    [
        (b"}U\x01aa", "is damaged (what is appended to is not a list); expected arrays"),
        (b"}K\x01K\x02s", "is damaged (a dictionary's keys are strings); expected arrays"),
        (b"(K\x01K\x02d", "is damaged (a dictionary's keys are strings); expected arrays"),
    ],
)
def test_what_is_wrong_with_a_container_is_told(opcodes, message):
    with pytest.raises(LoadError) as caught:
        pickled_arrays.read(crafted(opcodes), "a.npy")
    assert message in str(caught.value)


@pytest.mark.parametrize(("opcodes", "name"), [(b"}2", "DUP"), (b"}K\x010", "POP"), (b"}Q", "BINPERSID")])
def test_an_opcode_that_arrays_need_not_is_refused(opcodes, name):
    with pytest.raises(LoadError) as caught:
        pickled_arrays._interpreted(io.BytesIO(opcodes + b"."), "a.npy")
    place = len(opcodes) - 1
    told = f"a.npy has the opcode {name} at byte {place}; {pickled_arrays.EXPECTED}, and nothing to be run"
    assert str(caught.value) == told


NAMED = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
KIND = b"cnumpy\ndtype\nU\x02f8K\x00K\x01\x87R"
OBJECT = b"cnumpy\ndtype\nU\x02O8K\x00K\x01\x87R"


def state(shape, dtype, numbers):
    """The opcodes of an array with this state."""
    return NAMED + b"(K\x01" + shape + dtype + b"\x89" + numbers + b"tb"


@pytest.mark.parametrize(
    ("opcodes", "message"),
    [
        (
            state(b")", KIND, b"U\x08" + bytes(8)) + b"(K\x01)" + KIND + b"\x89U\x08" + bytes(8) + b"tb",
            "described twice",
        ),
        (state(b")", b"U\x02f8", b"U\x08" + bytes(8)), "an array without a dtype"),
        (state(b")", NAMED, b"U\x08" + bytes(8)), "an array without a dtype"),
        (state(b"K\x01", KIND, b"U\x08" + bytes(8)), "an array's shape is not a tuple of lengths"),
        (state(b"J\xff\xff\xff\xff\x85", KIND, b"U\x00"), "an array's shape is not a tuple of lengths"),
        (state(b"\x88\x85", KIND, b"U\x08" + bytes(8)), "an array's shape is not a tuple of lengths"),
        (state(b")", KIND + b"(K\x03U\x01>tb", b"U\x08" + bytes(8)), "numbers with the highest byte first"),
        (state(b"K\x01\x85", OBJECT, b"]}a"), "an array of objects"),
        (state(b")", OBJECT, b"}"), "an array of objects"),
        (state(b")", OBJECT, b"](}}e"), "an array of objects"),
        (b"}Nb", "a state for something other than an array"),
        (
            state(b")", KIND.replace(b"U\x02f8", b"U\x1e" + b"x" * 30), b"U\x08" + bytes(8)),
            f"(an array of {'x' * 20!r}, which are not floats)",
        ),
        (b"c" + b"a" * 90 + b"\nb\n", f"names {'a' * 80!r}; expected"),
        (b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\ndtype\nK\x00\x85U\x01b\x87R", "a call of what makes no array"),
        (b"cnumpy\ndtype\ncnumpy\nndarray\n\x85R", "a call of what makes no array"),
        (b"cnumpy\ndtype\nK\x01\x85R", "a call of what makes no array"),
        (b"cnumpy\nndarray\n)R", "a call of what makes no array"),
        (b"cjoblib.numpy_pickle\nNumpyArrayWrapper\nK\x01\x85R", "a call of what makes no array"),
        (b"c_codecs\nencode\nU\x01aU\x05utf-8\x86R", "a call of what makes no array"),
        (b"c_codecs\nencode\nK\x01U\x06latin1\x86R", "a call of what makes no array"),
    ],
)
def test_what_is_wrong_with_an_array_is_told(opcodes, message):
    with pytest.raises(LoadError) as caught:
        pickled_arrays.read(crafted(opcodes), "a.npy")
    assert message in str(caught.value)


@pytest.mark.parametrize("encoding", ["latin1", "latin-1"])
def test_numbers_may_be_bytes_that_python_3_spelt_as_letters(encoding):
    number = np.float64([-0.3]).tobytes().decode("latin-1").encode()
    spelt = b"c_codecs\nencode\nX" + len(number).to_bytes(4, "little") + number
    spelt += b"U" + bytes([len(encoding)]) + encoding.encode() + b"\x86R"
    found = pickled_arrays.read(crafted(b"}U\x01a}U\x01b" + state(b"K\x01\x85", KIND, spelt) + b"ss"), "a.npy")
    assert found["a"]["b"].tolist() == [-0.3]


def test_an_array_without_a_dictionary_is_refused():
    with pytest.raises(LoadError, match=r"^a\.npy holds a ndarray; expected a dictionary of arrays$"):
        pickled_arrays.read(crafted(state(b")", KIND, b"U\x08" + bytes(8))), "a.npy")


def test_of_npy_two_versions_are_read():
    text, pickled = header()[10:], b"\x80\x02" + python_2(np.array(LAYERS, dtype=object)) + b"."
    same(
        pickled_arrays.read(np.lib.format.magic(2, 0) + struct.pack("<I", len(text)) + text + pickled, "a.npy"), LAYERS
    )
    with pytest.raises(LoadError, match=r"^a\.npy is of \.npy's version \(3, 0\); expected 1\.0 or 2\.0$"):
        pickled_arrays.read(np.lib.format.magic(3, 0) + struct.pack("<I", len(text)) + text + pickled, "a.npy")


def test_a_file_that_is_too_large_is_refused(monkeypatch):
    content = by_python_2(LAYERS)
    monkeypatch.setattr(pickled_arrays, "LARGEST", len(content))
    same(pickled_arrays.read(content, "a.npy"), LAYERS)
    monkeypatch.setattr(pickled_arrays, "LARGEST", len(content) - 1)
    with pytest.raises(LoadError, match=rf"a\.npy has {len(content):,} bytes; expected at most {len(content) - 1:,}"):
        pickled_arrays.read(content, "a.npy")


def test_an_array_that_is_no_object_is_refused():
    memory = io.BytesIO()
    np.save(memory, NUMBERS)
    with pytest.raises(LoadError, match=r"holds float32 \(3, 3, 2, 4\); expected one object"):
        pickled_arrays.read(memory.getvalue(), "a.npy")
    with pytest.raises(LoadError, match=r"holds object \(2,\); expected one object"):
        pickled_arrays.read(saved([{}, {}]), "a.npy")
    same(pickled_arrays.read(by_python_2({"a": {"b": np.zeros((0, 2))}}), "a.npy"), {"a": {"b": np.zeros((0, 2))}})


WHOLE = by_python_2({"conv1": {"biases": np.arange(3, dtype=np.float32)}})


@settings(max_examples=60)
@given(place=st.integers(len(header()), len(WHOLE) - 1), byte=st.integers(0, 255))
def test_whatever_byte_is_changed_the_answer_is_a_dictionary_or_one_line(place, byte):
    try:
        found = pickled_arrays.read(WHOLE[:place] + bytes([byte]) + WHOLE[place + 1 :], "a.npy")
    except LoadError as problem:
        assert "\n" not in str(problem)
    else:
        assert isinstance(found, dict)


# From three files to one


@pytest.fixture
def parts(tmp_path, monkeypatch):
    """Three files as facenet publishes them, of random weights, in the folder of weights; and the model they are of."""
    model = models.mtcnn(None, seed=3)
    monkeypatch.setenv("MINICNN_WEIGHTS", str(tmp_path))
    monkeypatch.setattr(zoo.locations, "cache", lambda: tmp_path / "cache")
    theirs = {"w": "weights", "b": "biases", "slope": "alpha"}
    nets = {"pnet": {}, "rnet": {}, "onet": {}}
    for name, parameter in model.named_parameters():
        layer, _, role = name.partition("/")[2].rpartition(".")
        nets[name.partition("/")[0]].setdefault(layer, {})[theirs[role]] = parameter.data
    known = {}
    for number, (net, layers) in enumerate(nets.items(), start=1):
        path = tmp_path / f"det{number}.npy"
        path.write_bytes(by_python_2(layers))
        known[net] = (f"https://example.org/align/det{number}.npy", digest(path))
    row = Weights("mtcnn", "mtcnn.h5", "https://example.org/align/", "MIT", "mtcnn", parts=known)
    monkeypatch.setattr(catalogue, "_rows", lambda: (row,))
    return tmp_path, model


@pytest.mark.parametrize("numbers", [b"1234567", b"123456789", "1234567", io.BytesIO(b"1234567"), [1.0, 2.0], 8, None])
def test_an_array_has_the_bytes_of_its_shape(numbers):
    with pytest.raises(ValueError, match=r"^an array whose bytes do not fit its shape$"):
        pickled_arrays._array("f4", (2,), False, numbers)
    assert pickled_arrays._array("f4", (2,), False, bytes(8)).tolist() == [0, 0]


def test_three_files_become_one_that_loads(parts):
    folder, model = parts
    path = zoo.fetch("mtcnn")
    assert path == folder / "mtcnn.h5" and zoo.path("mtcnn") == path
    loaded = dict(models.mtcnn("mtcnn").named_parameters())
    for name, parameter in model.named_parameters():
        assert_array_equal(loaded[name].data, parameter.data, err_msg=name)
    assert hdf5.summary(path).attributes["licence"] == "MIT"
    assert sorted(p.name for p in folder.glob(".fetch-*.part")) == []
    assert zoo.fetch("mtcnn") == path  # here already


def test_a_part_that_is_another_file_is_refused(parts):
    folder, _ = parts
    (folder / "det2.npy").write_bytes(by_python_2(LAYERS))
    with pytest.raises(LoadError, match=r"'mtcnn' are refused: .*det2\.npy has SHA-256 .*; expected "):
        zoo.fetch("mtcnn")
    assert not (folder / "mtcnn.h5").exists()


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ({"conv1": np.float32([1])}, "det1.npy holds no arrays below 'conv1'; expected those of a layer"),
        ({"a/b": LAYERS["conv1"]}, "det1.npy holds no arrays below 'a/b'"),
        ({"conv1": {"w/b": np.float32([1])}}, "det1.npy has no array of finite numbers in conv1, 'w/b'"),
        (
            {"conv1": {"weights": np.float32([1, np.inf])}},
            "det1.npy has no array of finite numbers in conv1, 'weights'",
        ),
        ({"conv1": {"weights": {}}}, "det1.npy has no array of finite numbers in conv1, 'weights'"),
    ],
)
def test_a_part_holds_finite_arrays_of_layers(parts, layers, message):
    folder, _ = parts
    (folder / "det1.npy").write_bytes(by_python_2(layers))
    known = {"pnet": ("https://example.org/align/det1.npy", digest(folder / "det1.npy"))}
    row = Weights("mtcnn", "mtcnn.h5", "https://example.org/align/", "MIT", "mtcnn", parts=known)
    with pytest.raises(LoadError) as caught:
        assembly.assemble(row, folder / "mtcnn.h5", progress=False, say=print)
    assert str(caught.value).startswith(message) and not (folder / "mtcnn.h5").exists()


def test_a_folder_that_cannot_be_written_to_is_told(parts):
    folder, _ = parts
    row = Weights("mtcnn", "mtcnn.h5", "https://example.org/align/", "MIT", "mtcnn")
    with pytest.raises(InputError, match=r"^fetch: .*nowhere cannot be written to \("):
        assembly.assemble(row, folder / "nowhere" / "mtcnn.h5", progress=False, say=print)


def test_numbers_are_written_in_single_precision(tmp_path):
    row = Weights("mtcnn", "mtcnn.h5", "https://example.org/align/", "MIT", "mtcnn")
    assembly._write({"pnet/conv1/weights": np.array([0.1, 2.0])}, row, tmp_path / "mtcnn.h5")
    with h5py.File(tmp_path / "mtcnn.h5") as file:
        found = file["pnet/conv1/weights"]
        assert found.dtype == np.float32 and file.attrs["licence"] == "MIT"
        assert_array_equal(found, np.float32([0.1, 2.0]))


@pytest.mark.parametrize(("brought", "also"), [({}, ""), ({"mtcnn": "mtcnn/pnet.lz4"}, "; or {}")])
def test_where_a_part_cannot_be_had_it_says_what_to_do(parts, monkeypatch, brought, also):
    from minicnn.errors import MissingFileError
    from minicnn.zoo import downloads

    folder, _ = parts
    (folder / "det3.npy").unlink()

    def unreachable(link, part, *, title, progress, say, **_):
        assert (link, title, progress) == ("https://example.org/align/det3.npy", "mtcnn, det3.npy", True)
        assert part == folder / ".fetch-mtcnn-det3.npy.part" and callable(say)
        raise downloads.Interrupted("example.org cannot be reached")

    monkeypatch.setattr(downloads, "download", unreachable)
    row = replace(zoo.find("mtcnn"), packages=brought)
    monkeypatch.setattr(catalogue, "_rows", lambda: (row,))
    monkeypatch.setattr(zoo.packages, "find", lambda row: None)
    with pytest.raises(MissingFileError) as said:
        zoo.fetch("mtcnn")
    links = ", ".join(f"https://example.org/align/det{number}.npy" for number in (1, 2, 3))
    assert str(said.value) == (
        f"weights 'mtcnn' cannot be fetched: example.org cannot be reached; by hand: get {links} on any machine, put "
        f"them into {folder}, and fetch again{also.format(zoo.packages.INSTALL)}"
    )


def test_a_key_without_a_value_is_refused():
    stack = [{}]
    pickled_arrays._put(stack, "SETITEMS", ["conv1", 1])
    assert stack == [{"conv1": 1}]
    with pytest.raises(ValueError, match="shorter"):
        pickled_arrays._put(stack, "SETITEMS", ["conv1", 1, "conv2"])

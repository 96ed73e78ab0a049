"""Where files are read: in a process of its own what strangers wrote, here what this user did; and files that others
have open, or that lie where there are no locks.
"""

import errno
import os
import subprocess
import sys

import h5py
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from samples import network

from minicnn import faces, hdf5, models, nn
from minicnn.errors import LoadError
from minicnn.hdf5 import isolation, seals

# A process that says how many it has started to read files in.
COUNTED = """
import os, pathlib, subprocess, sys
started = []

class Counted(subprocess.Popen):
    def __init__(self, command, *arguments, **options):
        started.extend(part for part in command if str(part).endswith("reader.py"))
        super().__init__(command, *arguments, **options)

subprocess.Popen = Counted
from minicnn import faces, hdf5, models, zoo

encoder, gallery = models.tiny_facenet(), pathlib.Path(sys.argv[0])
assert faces.Gallery.load(gallery, encoder).people == {"Ada": 1}
"""


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A user with a cache of their own, in which nothing is yet."""
    for name in ("XDG_CACHE_HOME", "HOME", "LOCALAPPDATA"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def gallery(home, tmp_path):
    """A gallery that this user wrote."""
    people = faces.Gallery(models.tiny_facenet(), threshold=0.5)
    people.enroll("Ada", np.zeros((1, *people.encoder.card.input_size, 3), np.float32))
    people.save(tmp_path / "people.h5")
    return tmp_path / "people.h5"


# Whose


def test_what_this_user_wrote_and_what_is_shipped_need_no_process(gallery, home, fresh_python):
    (key,) = home.rglob("*.key")
    program = """
hdf5.inspect(zoo.path("tiny_vgg"))
faces.Gallery.load(gallery.rename(gallery.with_name("moved.h5")), encoder)
print(len(started))
os.chmod(sys.argv[1], 0o644) if os.name == "posix" else os.remove(sys.argv[1])
faces.Gallery.load(gallery.with_name("moved.h5"), encoder)
print(len(started))  # of a key that others may read nothing is believed
"""
    assert fresh_python(COUNTED + program, gallery, key).split() == ["0", "1"]


def test_a_seal_that_does_not_hold_is_none(gallery, fresh_python):
    """Here a bit of it has changed, as good as a bit of the file, and as the key of another user."""
    content = bytearray(gallery.read_bytes())
    content[20] ^= 1
    gallery.write_bytes(content)
    assert fresh_python(COUNTED + "print(len(started))", gallery) == "1\n"


def test_a_sealed_gallery_that_was_changed_is_noticed(gallery):
    with h5py.File(gallery, "r+") as file:
        file.attrs["note"] = "of somebody else"
    with pytest.raises(LoadError, match="its checksum is another"):
        faces.Gallery.load(gallery, models.tiny_facenet())


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
def test_a_key_is_made_once_and_is_for_this_user_only(home, tmp_path, monkeypatch):
    file = tmp_path / "a.h5"
    file.write_bytes(bytes(seals.USER_BLOCK) + b"content")
    seals.seal(file)
    sealed = file.read_bytes()
    assert seals.is_sealed(sealed) and len(sealed) == seals.USER_BLOCK + 7
    (key,) = home.rglob("*.key")
    content = key.read_bytes()
    assert len(content) == 32 and key.stat().st_mode & 0o777 == 0o600
    for changed in (b"x" + sealed[1:], sealed[:-1] + b"x", sealed[:20] + b"x" + sealed[21:], sealed[:12]):
        assert not seals.is_sealed(changed)
    seals.seal(file)
    assert key.read_bytes() == content and file.read_bytes() == sealed
    for mode, length, valid in ((0o640, 32, False), (0o604, 32, False), (0o400, 32, True), (0o600, 31, False)):
        key.chmod(0o600)
        key.write_bytes(content[:length])
        key.chmod(mode)
        assert seals.is_sealed(sealed) == valid
    key.unlink()  # its folder stays
    assert not seals.is_sealed(sealed) and not key.exists()
    seals.seal(file)
    assert len(key.read_bytes()) == 32 and file.read_bytes() != sealed and seals.is_sealed(file.read_bytes())


def test_what_cannot_be_sealed_stays_as_it_is(home, tmp_path, monkeypatch):
    file, content = tmp_path / "a.h5", bytes(seals.USER_BLOCK) + b"content"
    file.write_bytes(content)
    with monkeypatch.context() as patch:
        patch.setattr(seals, "LARGEST", len(content) - 1)
        patch.setattr(seals, "interpreter", lambda: "python")
        seals.seal(file)
        assert file.read_bytes() == content and not home.exists()  # nor was a key made
    home.write_text("no folder")
    seals.seal(file)
    assert file.read_bytes() == content
    home.unlink()
    seals.seal(file)
    assert file.read_bytes() != content
    (key,) = home.rglob("*.key")
    key.write_bytes(bytes(31))
    file.write_bytes(content)
    seals.seal(file)
    assert file.read_bytes() == content


def test_large_files_are_hashed_where_no_process_can_be_started(theirs, monkeypatch):
    size = theirs.stat().st_size
    for largest, interpreter, hashed in (
        (size, "python", True),
        (size - 1, "python", False),
        (size - 1, None, True),
    ):
        monkeypatch.setattr(seals, "LARGEST", largest)
        monkeypatch.setattr(seals, "interpreter", lambda found=interpreter: found)
        assert seals.worth_hashing(theirs) == hashed


# Applications


APPLICATION = """
import os, pathlib, sys
application = pathlib.Path("application.py").absolute()
application.write_text("import pathlib, time; pathlib.Path('opened').touch(); time.sleep(200)", encoding="utf-8")
{how}
from minicnn import hdf5, models
from minicnn.errors import InputError

try:
    print(len(hdf5.inspect(sys.argv[0])))
except InputError as problem:
    print(problem)
models.tiny_vgg()
hdf5.trust(sys.argv[1:])
print(len(hdf5.inspect(sys.argv[0])))
assert not pathlib.Path("opened").exists()
"""
EMBEDDED = "sys.executable = str(application)"  # which no system starts, or which would wait for ever
FROZEN = "sys.frozen, sys.executable, sys.exec_prefix = True, str(application), os.getcwd()"


@pytest.fixture
def theirs(tmp_path):
    hdf5.save(network(), tmp_path / "theirs.h5")
    return tmp_path / "theirs.h5"


def test_an_application_with_an_interpreter_beside_it_reads_in_that(fresh_python, theirs):
    assert fresh_python(APPLICATION.format(how=EMBEDDED), theirs) == "9\n9\n"


def test_a_frozen_application_is_not_started_again_and_reads_what_it_trusts(fresh_python, theirs):
    said = fresh_python(APPLICATION.format(how=FROZEN), theirs, hdf5.summary(theirs).sha256).splitlines()
    assert len(said) == 2 and "is an application" in said[0] and "hdf5.trust" in said[0] and said[1] == "9"


def test_whatever_waits_in_the_place_of_an_interpreter_is_not_waited_for(tmp_path, theirs, monkeypatch):
    """It bears the name of one."""
    if os.name == "nt":
        pytest.skip("Windows starts no scripts")
    waiting = tmp_path / "python-of-an-application"
    waiting.write_text("#!/bin/sh\nexec sleep 200\n", encoding="utf-8")
    waiting.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(waiting))
    monkeypatch.setattr(isolation, "START", 1)
    monkeypatch.setattr(isolation, "_idle", [])
    with pytest.raises(LoadError, match="no process can be started to read it in"):
        hdf5.inspect(theirs)


# Locks


@pytest.fixture
def writer():
    """Call it with a file: another process has it open for writing from then on."""
    started = []

    def write(path, **options):
        program = "import h5py, sys; file = h5py.File(sys.argv[1], 'a', **eval(sys.argv[2])); print(1, flush=True)"
        command = [sys.executable, "-c", f"{program}; sys.stdin.read()", str(path), repr(options)]
        started.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE))
        assert started[-1].stdout.readline() == b"1\n"
        return started[-1]

    yield write
    for process in started:
        process.communicate()


def test_a_file_that_is_being_written_is_not_damaged(theirs, writer):
    process = writer(theirs)
    with pytest.raises(LoadError) as caught:
        hdf5.load(network(seed=1), theirs)
    said = str(caught.value)
    assert "another program has it open for writing" in said and repr(str(theirs)) in said
    assert "damaged" not in said and "\n" not in said
    process.communicate()
    assert hdf5.load(network(seed=1), theirs).complete


def test_a_file_that_its_writer_marked(tmp_path, writer):
    writer(tmp_path / "marked.h5", libver="latest")
    with pytest.raises(LoadError, match="another program has it open for writing"):
        hdf5.inspect(tmp_path / "marked.h5")


# A file system without locks: h5py says so in whatever process opens a file, unless it is told to do without.
WITHOUT_LOCKS = """
import h5py

class File(h5py.File):
    def __init__(self, name, mode="r", locking=None, **options):
        if locking is not False and not hasattr(name, "read"):
            raise OSError("[Errno {errno}] Unable to synchronously open file (unable to lock file, errno = {errno})")
        super().__init__(name, mode, locking=locking, **options)

h5py.File = File
"""


def test_a_file_system_without_locks(fresh_python, tmp_path):
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(WITHOUT_LOCKS.format(errno=errno.EOPNOTSUPP), encoding="utf-8")
    program = """
import os, sys
sys.path.insert(0, sys.argv[0])
import sitecustomize, importlib
importlib.reload(sitecustomize)
from minicnn import hdf5, nn
hdf5.save(nn.Linear(3, 2), "there.h5")
print(hdf5.load(nn.Linear(3, 2, seed=1), "there.h5").complete)
"""
    assert fresh_python(program, folder) == "True\n"


# Types


@pytest.mark.parametrize("place", ["", "model_weights/"])
def test_bfloat16_in_a_legacy_file_of_keras(path, place):
    """Keras 3 writes the type into .weights.h5 and leaves it out here."""
    exact = np.array([[1.0, -2.5], [0.15625, 3e38]], np.float32)
    exact = (exact.view(np.uint32) & 0xFFFF0000).view(np.float32)
    with h5py.File(path, "w") as file:
        top = file.require_group(place or "/")
        top.attrs["layer_names"] = ["dense"]
        top.attrs["keras_version"] = "3.5.0"
        top.require_group("dense").attrs["weight_names"] = ["dense/kernel"]
        stored = (exact.view(np.uint32) >> 16).astype(np.uint16).view("V2")
        top.create_dataset("dense/dense/kernel", data=stored)
    model = nn.Sequential(nn.Linear(2, 2, bias=False, name="dense"))
    assert hdf5.load(model, path).complete
    assert_array_equal(model[0].w.data, exact)
    assert [row.dtype for row in hdf5.inspect(path)] == ["bfloat16"]


def test_two_bytes_of_anything_are_no_bfloat16(path, refused):
    with h5py.File(path, "w") as file:
        file.attrs["format"] = "minicnn"
        file["w"] = np.zeros((2, 2), "V2")
    refused(path, "V2", model=nn.Linear(2, 2, bias=False))

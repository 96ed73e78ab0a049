"""Processes that enrol at once, and one that is killed while it saves: real ones, for nothing else shows it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from small_encoder import encoder, picture

import minicnn
from minicnn.faces import Gallery

HERE = Path(__file__).parent
OPENING = """
import os, sys
import h5py
from minicnn.faces import Gallery, gallery_file
from small_encoder import encoder, picture

path, me = sys.argv[1:]
"""

# Enrols one person after the other, saves each, and only then says so.
ENROLS = """
print("ready", flush=True)
sys.stdin.readline()
gallery = Gallery(encoder(), threshold=0.25)
for i in range(6):
    gallery.enroll(f"{me} {i}", picture(100 * ord(me) + i))
    gallery.save(path)
    print(f"{me} {i}", flush=True)
"""

# Enrols Eve, and is killed while it saves, at the place that it is told.
DIES = """
def die(*_, **__):
    os.kill(os.getpid(), 9)

def half(file, name, data):
    create(file, name, data=data)
    file.flush()
    die()

if me == "while it writes":
    create, h5py.File.create_dataset = h5py.File.create_dataset, half
elif me == "before it renames":
    os.replace = die
else:
    replace, os.replace = os.replace, lambda *paths: die(replace(*paths))
gallery = Gallery.load(path, encoder())
gallery.enroll("Eve", picture(9))
gallery.save(path)
"""


@pytest.fixture
def start():
    """Call it with a program and its arguments; what still runs at the end is ended."""
    processes = []

    def begin(program, *arguments):
        paths = [str(Path(minicnn.__file__).parents[1]), str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONIOENCODING": "utf-8"}
        command = [sys.executable, "-c", OPENING + program, *map(str, arguments)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        processes.append(subprocess.Popen(command, env=environment, encoding="utf-8", **pipes))
        return processes[-1]

    yield begin
    for process in processes:
        process.kill()
        process.communicate()


def test_processes_that_enrol_at_once_lose_nothing(start, tmp_path):
    path = tmp_path / "people.h5"
    both = [start(ENROLS, path, name) for name in "AB"]
    for process in both:
        assert process.stdout.readline() == "ready\n"
    for process in both:
        process.stdin.write("go\n")
        process.stdin.flush()
    said = [process.communicate(timeout=120) for process in both]
    assert [error for _, error in said] == ["", ""]
    people = Gallery.load(path, encoder()).people
    assert people == {f"{name} {i}": 1 for name in "AB" for i in range(6)} and len(people) == 12


def test_what_a_killed_process_had_saved_is_there(start, tmp_path):
    """Killed at a place that nobody has chosen: when it has said that four are saved."""
    path = tmp_path / "people.h5"
    process = start(ENROLS, path, "A")
    process.stdin.write("go\n")
    process.stdin.flush()
    said = [process.stdout.readline().strip() for _ in range(5)][1:]
    process.kill()
    process.wait()
    assert said == ["A 0", "A 1", "A 2", "A 3"]
    gallery = Gallery.load(path, encoder())
    assert gallery.list()[:4] == said
    assert gallery.verify("A 0", picture(100 * ord("A")))


def test_a_kill_in_the_middle_leaves_the_old_file_or_the_new(start, tmp_path):
    places = {"while it writes": {"Ann": 1}, "before it renames": {"Ann": 1}, "after": {"Ann": 1, "Eve": 1}}
    paths = {place: tmp_path / f"{number}.h5" for number, place in enumerate(places)}
    gallery = Gallery(encoder(), threshold=0.25)
    gallery.enroll("Ann", picture(0))
    for path in paths.values():
        gallery.save(path)
    killed = {place: start(DIES, path, place) for place, path in paths.items()}
    for place, process in killed.items():
        _, error = process.communicate(timeout=120)
        assert process.returncode in (-9, 9) and error == "", (place, error)
        left = paths[place].with_name(f".{paths[place].name}.part")
        assert left.exists() == (place != "after")
        assert Gallery.load(paths[place], encoder()).people == places[place]
        # Whoever comes next is not held up, and leaves nothing lying about.
        gallery = Gallery.load(paths[place], encoder())
        gallery.enroll("Bob", picture(1))
        gallery.save(paths[place])
        assert Gallery.load(paths[place], encoder()).people == {**places[place], "Bob": 1}
        assert not left.exists()


def test_ctrl_c_while_saving_changes_nothing(tmp_path, monkeypatch):
    gallery = Gallery(encoder(), threshold=0.25)
    gallery.enroll("Ann", picture(0))
    gallery.save(tmp_path / "people.h5")
    gallery.enroll("Bob", picture(1))

    def interrupt(*_):
        raise KeyboardInterrupt

    for place in ("replace", "fsync"):
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(os, place, interrupt)
            gallery.save(tmp_path / "people.h5")
        assert not (tmp_path / ".people.h5.part").exists()
        assert Gallery.load(tmp_path / "people.h5", encoder()).list() == ["Ann"]
    gallery.save(tmp_path / "people.h5")  # the lock was let go
    assert Gallery.load(tmp_path / "people.h5", encoder()).list() == ["Ann", "Bob"]

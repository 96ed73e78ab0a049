"""No input is ever written over, and no file of somebody else's unasked; what cannot be written is said first."""

import json
import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from minicnn import hdf5, images, models
from minicnn.cli import main
from minicnn.style import estimate

STYLE = ("style", "a.png", "b.png", "--size", "32", "--steps", "1", "--levels", "1")
LONG = "n" * 300


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """Pictures, people, a gallery of them, weights and a program."""
    root = tmp_path_factory.mktemp("template")
    random = np.random.default_rng(0)
    for folder in (root, root / "people" / "Ada", root / "people" / "Bo"):
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("a.png", "b.png"):
            images.save(folder / name, images.resize(random.random((6, 6, 3)), 64, 64))
    strip_marks(root)
    hdf5.save(models.tiny_facenet(), root / "net.h5")
    (root / "two.py").write_text("import minicnn\nminicnn.Tensor([1.0]) * 2\n")
    assert main(["face", "enroll", str(root / "g.h5"), str(root / "people"), "--drawn"]) == 0
    return root


@pytest.fixture(autouse=True)
def here(template, tmp_path, monkeypatch):
    shutil.copytree(template, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(estimate, "_seconds_of_a_step", lambda *_: (0.1, (32, 32)))
    return tmp_path


def strip_marks(folder):
    """Make all pictures somebody else's."""
    from PIL import Image

    for path in folder.rglob("*.png"):
        with Image.open(path) as picture:
            picture.load()
        picture.save(path, exif=b"")


def contents():
    return {path: path.read_bytes() for path in Path().rglob("*") if path.is_file() and path.suffix != ".lock"}


def refused(capsys, *words):
    """What a command says that it refuses, before it changes anything."""
    before = contents()
    capsys.readouterr()
    assert main([str(word) for word in words]) == 2
    out, err = capsys.readouterr()
    lines = [line for line in err.splitlines() if not line.startswith("note: ")]
    assert out == "" and len(lines) == 1 and len(lines[0]) < 500, err
    assert contents() == before
    return lines[0]


INPUTS = [
    ((*STYLE, "-o", "OUT"), "a.png"),
    ((*STYLE, "-o", "OUT"), "b.png"),
    ((*STYLE, "-o", "c.png", "--plot", "OUT", "--force"), "a.png"),
    ((*STYLE, "-o", "c.png", "--preview", "OUT", "--force"), "b.png"),
    (("face", "verify", "a.png", "b.png", "--drawn", "--picture", "OUT", "--force"), "b.png"),
    (("face", "verify", "g.h5", "Ada", "b.png", "--drawn", "--picture", "OUT", "--force"), "b.png"),
    (("face", "identify", "g.h5", "a.png", "b.png", "--drawn", "--picture", "OUT", "--force"), "b.png"),
    (("face", "detect", "a.png", "-o", "OUT"), "a.png"),
    (("face", "calibrate", "people", "--picture", "OUT", "--force"), "people/Ada/a.png"),
    (("face", "evaluate", "people", "--picture", "OUT", "--force"), "people/Bo/b.png"),
    (("face", "identify", "g.h5", "a.png", "--faces", "people", "--picture", "OUT", "--force"), "people/Bo/b.png"),
    (("see", "gradcam", "tiny_facenet", "a.png", "b.png", "-o", "OUT"), "b.png"),
    (("see", "invert", "tiny_facenet", "a.png", "-o", "OUT"), "a.png"),
    (("see", "patches", "tiny_facenet", "conv1", "--images", "people", "-o", "OUT"), "people/Ada/a.png"),
    (("see", "map", "tiny_facenet", "--images", "people", "-o", "OUT"), "people/Ada/a.png"),
    (("see", "filters", "tiny_facenet", "--image", "a.png", "-o", "OUT"), "a.png"),
    (("weights", "convert", "net.h5", "-o", "OUT"), "net.h5"),
    (("step", "--page", "OUT", "--force", "two.py"), "two.py"),
    (("bench", "--markdown", "two.py", "--out", "OUT"), "two.py"),
    (("train", "tiny_vgg", "--data", "a.png", "-o", "OUT"), "a.png"),
    (("face", "train", "--init", "net.h5", "-o", "OUT"), "net.h5"),
]


@pytest.mark.parametrize(("words", "path"), INPUTS, ids=[" ".join(words[:2]) + f" {path}" for words, path in INPUTS])
def test_no_input_is_written_over_by_any_spelling(here, capsys, words, path):
    folder, name = os.path.split(path)
    spellings = [path, f"./{path}", str(here / path), os.path.join(folder, "..", os.path.basename(folder), name)]
    if sys.platform != "win32":
        suffix = Path(path).suffix
        os.symlink(here / path, f"symbolic{suffix}")
        os.link(path, f"hard{suffix}")
        spellings += [f"symbolic{suffix}", f"hard{suffix}"] if not folder else []
    for spelling in spellings:
        if os.path.exists(spelling):
            said = refused(capsys, *(spelling if word == "OUT" else word for word in words))
            assert "expected another file" in said


def test_side_files_replace_what_minicnn_has_made_and_nothing_else(here, capsys):
    Path("c.json").write_text('{"name": "mine"}')
    Path("d.checkpoint").write_bytes(b"mine")
    assert "'c.json' is there already, and minicnn has not made it" in refused(capsys, *STYLE, "-o", "c.png")
    assert "'d.checkpoint' is there already" in refused(capsys, *STYLE, "-o", "d.png")
    for option in ("plot", "preview", "gif"):
        shutil.copy("a.png", "mine.gif" if option == "gif" else "mine.png")
        mine = "mine.gif" if option == "gif" else "mine.png"
        assert "--force replaces it" in refused(capsys, *STYLE, "-o", "e.png", f"--{option}", mine)
    Path("frames").mkdir()
    shutil.copy("a.png", "frames/00010.png")
    assert "00010.png' is there already" in refused(capsys, *STYLE, "-o", "e.png", "--frames", "frames")
    Path("index.html").write_text("mine")
    assert "--force" in refused(capsys, "step", "--page", "index.html", "two.py")
    assert "--force" in refused(capsys, "demo", "--out", ".")
    assert "--force" in refused(capsys, "face", "verify", "a.png", "a.png", "--drawn", "--picture", "mine.png")

    sides = ["--plot", "plot.png", "--preview", "now.webp", "--gif", "film.gif"]
    for _ in range(2):  # the second time over what the first has made
        assert main([*STYLE, "-o", "f.png", *sides]) == 0
        assert main(["step", "--page", "page.html", "two.py"]) == 0
        assert main(["face", "verify", "a.png", "a.png", "--drawn", "--picture", "v.jpg"]) == 0
    assert main([*STYLE, "-o", "c.png", "--force"]) == 0
    assert json.loads(Path("c.json").read_text(encoding="utf-8"))["versions"]


def test_what_out_names_is_replaced_as_always(capsys):
    shutil.copy("a.png", "mine.png")
    assert main([*STYLE, "-o", "mine.png"]) == 0
    assert images.load("mine.png").shape[0] == 32


def test_a_manifest_that_is_read_is_not_replaced_by_its_copy(capsys):
    assert main([*STYLE, "-o", "c.png"]) == 0
    assert "'c.json' is the manifest to read" in refused(capsys, "style", "--from", "c.json", "-o", "c.png")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((*STYLE, "-o", "no/c.png"), "folder that does not exist"),
        ((*STYLE, "-o", f"{LONG}.png"), "File name too long"),
        ((*STYLE, "-o", f"{LONG[:248]}.png"), "File name too long"),  # its checkpoint's is
        ((*STYLE, "-o", "d.png"), "'d.json' cannot be written: it is a folder"),
        ((*STYLE, "-o", "c.png", "--gif", "no/film.gif"), "folder that does not exist"),
        ((*STYLE, "-o", "c.png", "--gif", "d.json"), "it is a folder"),
        (("step", "--page", "no/page.html", "two.py"), "folder that does not exist"),
        (("step", "--page", "d.json", "two.py"), "it is a folder"),
        (("weights", "convert", "net.h5", "-o", "d.json"), "it is a folder"),
        (("weights", "convert", "net.h5", "-o", "pipe"), "it is not a regular file"),
        (("face", "enroll", "no/g.h5", "people"), "folder that does not exist"),
        (("face", "enroll", f"{LONG}.h5", "people"), "File name too long"),
        (("see", "diagram", "gram", "-o", f"{LONG}.png"), "File name too long"),
        (("bench", "--only", "micro", "--out", f"{LONG}.json"), "File name too long"),
        (("style", LONG, "b.png", "-o", "c.png"), "File name too long"),
        (("style", "--from", LONG, "-o", "c.png"), "File name too long"),
        (("face", "evaluate", "--drawn", LONG), "File name too long"),
        (("face", "enroll", "new.h5", LONG), "comes without pictures"),
        (("learn", "check", "gram_matrix", LONG), "File name too long"),
        (("step", LONG), "File name too long"),
        (("see", "map", "tiny_facenet", "--images", LONG, "-o", "c.png"), "File name too long"),
        (("weights", "inspect", LONG), LONG[:50]),
        (("train", "tiny_vgg", "--data", LONG), "File name too long"),
        (("face", "train", "--resume", "-o", "t.h5"), "no checkpoint"),
    ],
)
def test_what_cannot_be_read_or_written_is_said_before_the_work(capsys, monkeypatch, words, told):
    Path("d.json").mkdir()
    if "pipe" in words:
        if not hasattr(os, "mkfifo"):
            pytest.skip("no pipes here")
        os.mkfifo("pipe")
    assert told in refused(capsys, *words)


def test_a_folder_that_may_not_be_searched_is_said(capsys, monkeypatch):
    """As root nothing is closed, so the system's answer is given in its place."""
    real_stat, real_access = os.stat, os.access

    def stat(path, *rest, **options):
        if isinstance(path, str | os.PathLike) and "closed" in os.fspath(path):
            raise PermissionError(13, "Permission denied", os.fspath(path))
        return real_stat(path, *rest, **options)

    def access(path, mode, **options):
        return False if os.fspath(path).endswith("locked") and mode & os.W_OK else real_access(path, mode, **options)

    monkeypatch.setattr(os, "stat", stat)
    monkeypatch.setattr(os, "access", access)
    Path("locked").mkdir()
    for words in (
        (*STYLE[:1], "closed/a.png", "b.png", "-o", "c.png"),
        (*STYLE, "-o", "closed/c.png"),
        ("style", "--from", "closed/c.json", "-o", "c.png"),
        ("face", "evaluate", "--drawn", "closed/people"),
        ("face", "list", "closed/g.h5"),
        ("learn", "check", "gram_matrix", "closed/x.py"),
        ("step", "closed/x.py"),
        ("see", "map", "tiny_facenet", "--images", "closed/p", "-o", "c.png"),
        ("weights", "inspect", "closed/w.h5"),
    ):
        assert "closed" in refused(capsys, *words)
    for words in ((*STYLE, "-o", "locked/c.png"), (*STYLE, "-o", "c.png", "--gif", "locked/c.gif")):
        assert "no file can be made in its folder" in refused(capsys, *words)
    assert "no file can be made" in refused(capsys, "step", "--page", "locked/p.html", "two.py")
    monkeypatch.setenv("MINICNN_WEIGHTS", "closed")
    assert main(["weights", "list"]) == 0


def test_two_outputs_are_two_files(capsys):
    said = refused(capsys, *STYLE, "-o", "c.png", "--plot", "./c.png")
    assert "--plot './c.png' is the file of --out, too" in said
    assert "the file of --plot, too" in refused(capsys, *STYLE, "-o", "c.png", "--plot", "d.png", "--preview", "d.png")


def test_what_is_no_picture_may_lie_in_a_folder_that_is_read(capsys):
    for _ in range(2):
        assert main(["face", "enroll", "people/g.h5", "people", "--drawn"]) == 0
    words = ["see", "patches", "tiny_facenet", "block1_conv1", "--images", "people"]
    for _ in range(2):
        assert main([*words, "-o", "people/found.png", "--resume", "people/found.npz"]) == 0
        os.remove("people/found.png")  # which would be one of the pictures to look at


def test_a_gallery_is_not_made_over_a_picture(capsys):
    assert "the pictures to read" in refused(capsys, "face", "enroll", "a.png", "Ada", "a.png")

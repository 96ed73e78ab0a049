"""Whatever the arguments, paths and files: an exit status that means something, a line each, and no traceback."""

import io
import os
import random
import shutil

import numpy as np
import pytest

from minicnn import hdf5, images, models
from minicnn.bench import runner
from minicnn.cli import main, parser
from minicnn.style import estimate

STATUSES = {0, 1, 2, 3, 130}  # 70 would be an error of minicnn's own, which this looks for
EXAMPLES = 7  # of every command
NUMBERS = ("0", "1", "-1", "2", "1e400", "nan", "-inf", "0.5", "99999999999999999999", "x", "")
WORDS = (
    "conv1",
    "lbfgs",
    "noise",
    "Ada",
    "largest",
    "none",
    "-5,10,30,40",
    "1,2",
    ",",
    "📷",
    "\udce9",
    "a\tb",
    "é" * 60,
)
# What takes long with any arguments, or leaves the folder.
SLOW = {("demo",), ("doctor",), ("weights", "fetch"), ("tutorial", "html"), ("tutorial", "notebook"), ("face", "train")}
ALWAYS = {
    ("style",): ["--size", "32", "--steps", "1"],
    ("gradcheck",): ["relu", "--backend", "numpy"],
    ("bench",): ["--only", "nothing"],
    ("learn", "check"): ["--seconds", "0"],
    ("see", "maximize"): ["--steps", "1", "--size", "16"],
    ("see", "invert"): ["--steps", "1", "--size", "16"],
    ("see", "style"): ["--steps", "1", "--size", "32"],
    ("see", "story"): ["--steps", "0", "--most", "4"],
    ("see", "patches"): ["--most", "4"],
    ("see", "map"): ["--most", "4"],
}


def leaves(found, words=()):
    below = [action for action in found._actions if isinstance(action.choices, dict)]
    if not below:
        yield words, found
    for action in below:
        for name, child in action.choices.items():
            yield from leaves(child, (*words, name))


COMMANDS = [(words, found) for words, found in leaves(parser()) if words not in SLOW]


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """Files of every kind that commands read: good, damaged, empty, of another kind, and folders."""
    root = tmp_path_factory.mktemp("template")
    for person in ("Ada", "Bo"):
        (root / "people" / person).mkdir(parents=True)
        for number in range(2):
            picture = np.random.default_rng(ord(person[0]) + number).random((40, 40, 3))
            images.save(root / "people" / person / f"{number}.png", picture)
    for name in ("a.png", "b.jpg", "c.webp"):
        images.save(root / name, np.random.default_rng(len(name)).random((48, 40, 3)))
    good = (root / "a.png").read_bytes()
    (root / "cut.png").write_bytes(good[: len(good) // 2])
    (root / "noise.png").write_bytes(good[:60] + np.random.default_rng(0).bytes(500))
    (root / "empty.png").touch()
    (root / "folder.png").mkdir()
    hdf5.save(models.tiny_vgg(), root / "w.h5")
    (root / "cut.h5").write_bytes((root / "w.h5").read_bytes()[:5000])
    (root / "two.py").write_text("import minicnn\nminicnn.Tensor([1.0]) * 2\n")
    for name, text in (
        ("list.json", "[]"),
        ("deep.json", "[" * 9000),
        ("words.txt", "10 300\nAda 1 2\n"),
        ("x.py", "("),
    ):
        (root / name).write_text(text)
    (root / "wide.txt").write_text("words", encoding="utf-16")
    if hasattr(os, "mkfifo"):
        os.mkfifo(root / "pipe")
    assert main(["face", "enroll", str(root / "g.h5"), str(root / "people"), "--drawn"]) == 0
    return root


PICTURES = ("a.png", "b.jpg", "c.webp", "people/Ada/0.png", "people/Bo/1.png", "cut.png", "empty.png", "nowhere.png")
NETWORKS = ("tiny_vgg", "tiny_facenet", "w.h5", "cut.h5", "g.h5")
FITTING = {  # by the metavar: what makes sense at least now and then
    **dict.fromkeys(("IMAGE", "CONTENT", "STYLE", "INPUT"), PICTURES),
    **dict.fromkeys(("NAME|FILE", "FILE|NAME"), NETWORKS),
    **dict.fromkeys(("OUT", "PICTURE"), ("new.png", "new.jpg", "new.h5", "a.png", "no/x.png", "folder.png")),
    **dict.fromkeys(("DIR", "SOURCE", "DIR|TAR"), ("people", ".", "g.h5", "nowhere")),
    **dict.fromkeys(("LAYER", "L"), ("block1_conv1", "block2_conv1", "conv1", "embedding")),
    **dict.fromkeys(("U", "U,U,…"), ("0", "1,2", "999", "cat")),
    "FRAMES|FILM": ("people/Ada", "people", "a.png", "words.txt", "w.h5", "nowhere"),
    "X,Y,W,H": ("1,1,20,20", "-5,1,30,30", "0,0,0,0", "1,2"),
    "GALLERY": ("g.h5", "g.h5", "new.h5", "a.png"),
    "SCRIPT.py": ("two.py", "x.py", "words.txt"),
    "JSON": ("list.json", "deep.json"),
}


def drawn(chance, found, paths):
    """Arguments for a command: mostly of the kinds that it takes, now and then anything."""
    words = []
    options = [
        action for action in found._actions if action.option_strings and action.dest not in ("help", "traceback")
    ]
    for action in [action for action in found._actions if not action.option_strings] + options:
        wanted = action.required and chance.random() < 0.95
        if action.option_strings and not wanted and chance.random() > 1.5 / len(options):
            continue
        fitting = FITTING.get(action.metavar, NUMBERS[:4] if action.type in (int, float) else paths)
        count = action.nargs if isinstance(action.nargs, int) else chance.choice((1, 1, 2, 3)) if action.nargs else 1
        anything = (*NUMBERS, *WORDS, *paths)
        values = [
            chance.choice(anything if chance.random() < 0.1 else tuple(action.choices or fitting)) for _ in range(count)
        ]
        words += [*([chance.choice(action.option_strings)] if action.option_strings else []), *values]
    return words


def copied(template, folder):
    """The template without its pipe, which nothing copies."""
    shutil.copytree(template, folder, ignore=shutil.ignore_patterns("pipe"))
    if hasattr(os, "mkfifo"):
        os.mkfifo(folder / "pipe")


@pytest.mark.parametrize(("words", "found"), COMMANDS, ids=["-".join(words) for words, _ in COMMANDS])
def test_any_arguments_end_with_a_status_and_a_line(words, found, template, tmp_path, monkeypatch, capsys):
    chance = random.Random("-".join(words))
    monkeypatch.setenv("MINICNN_LEARN", str(tmp_path / "learn"))
    monkeypatch.setenv("MINICNN_WEIGHTS", str(tmp_path))
    monkeypatch.setattr(estimate, "_seconds_of_a_step", lambda *_: (0.1, (32, 32)))
    monkeypatch.setattr(runner, "_fill", lambda *_: None)
    shared = sorted(str(path.relative_to(template)) for path in template.rglob("*"))
    paths = [*shared, "new.png", "new.gif", "new.h5", "no/where.png", ".", "..", "n" * 300, os.fsdecode(b"\xe9.png")]
    copied(template, tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    for _ in range(EXAMPLES):
        monkeypatch.setattr("sys.stdin", io.StringIO("next\n\nback\nwhy\nx\n"))
        line = [*words, *ALWAYS.get(words, ()), *drawn(chance, found, paths)]
        try:
            status = main(line)
        except SystemExit as stopped:
            status = stopped.code
        error = capsys.readouterr().err
        assert status in STATUSES, (line, error)
        told = [text for text in error.splitlines() if text.startswith("minicnn: ")]
        assert "Traceback" not in error or words == ("step",), (line, error)
        assert (len(told) >= 1) == (status in (2, 3, 130)) or words[0] == "bench", (line, error)
        assert all(text.isprintable() and len(text) < 700 for text in told), (line, told)

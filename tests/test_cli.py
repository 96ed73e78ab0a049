"""The commands as a user meets them: what they write, and one line where the input is wrong."""

import subprocess
import sys

import numpy as np
import pytest

import minicnn
from minicnn import hdf5, images, models
from minicnn.cli import main
from minicnn.style import demonstration


@pytest.fixture
def pictures(tmp_path):
    generator = np.random.default_rng(0)
    for name in ("photo.jpg", "painting.png"):
        images.save(tmp_path / name, generator.random((40, 48, 3)))
    return tmp_path


def test_style_writes_a_picture_and_says_what_it_did(pictures, capsys):
    out = pictures / "out.png"
    files = [str(pictures / "photo.jpg"), str(pictures / "painting.png")]
    assert main(["style", *files, "-o", str(out), "--size", "32", "--steps", "3"]) == 0
    assert images.load(out).shape == (27, 32, 3)
    said = capsys.readouterr().out
    assert "tiny_vgg, 3 steps" in said


@pytest.mark.parametrize("preset", ["course", "gatys"])
def test_style_takes_a_preset(pictures, preset, capsys):
    files = [str(pictures / "photo.jpg"), str(pictures / "painting.png")]
    options = ["--size", "32", "--steps", "1", "--preset", preset, "--optimizer", "gd", "--learning-rate", "1e-6"]
    assert main(["style", *files, "-o", str(pictures / "out.jpg"), *options]) == 0
    assert "preprocessing" in capsys.readouterr().out


def test_style_takes_a_file_of_weights(pictures, capsys):
    hdf5.save(models.tiny_vgg(None, seed=5), pictures / "mine.h5")
    files = [str(pictures / "photo.jpg"), str(pictures / "painting.png")]
    options = ["--size", "32", "--steps", "1", "--weights", str(pictures / "mine.h5")]
    assert main(["style", *files, "-o", str(pictures / "out.png"), *options]) == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"content": "missing.jpg"}, "missing.jpg' does not exist"),
        ({"content": "."}, "is a directory"),
        ({"content": "notes.txt"}, "not recognised as a picture"),
        ({"content": "empty.png"}, "is empty"),
        ({"-o": "out.gif"}, "suffix '.gif'"),
        ({"-o": "no/folder/out.png"}, "folder that does not exist"),
        ({"--preset": "monet"}, "preset is 'monet'"),
        ({"--weights": "missing.h5"}, "neither a file nor in the catalogue"),
        ({"--weights": "notes.txt"}, "notes.txt"),
        ({"--size": "0"}, "size"),
        ({"--steps": "0"}, "steps is 0"),
        ({"--optimizer": "newton"}, "optimizer is 'newton'"),
        ({"--init": "grey"}, "init is 'grey'"),
        ({"--device": "tpu"}, "device is 'tpu'"),
        ({"--alpha": "-1"}, "alpha is -1"),
    ],
)
def test_style_refuses_nonsense_in_one_line_and_exits_2(pictures, monkeypatch, capsys, change, message):
    monkeypatch.chdir(pictures)
    (pictures / "notes.txt").write_text("words")
    (pictures / "empty.png").write_bytes(b"")
    before = {"content": "photo.jpg", "-o": "out.png", "--size": "32", "--steps": "1", **change}
    content = before.pop("content")
    options = [part for pair in before.items() for part in pair]
    assert main(["style", content, "painting.png", *options]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.startswith("minicnn: ")
    assert error.count("\n") == 1
    assert not (pictures / "out.png").exists()


def test_demo_writes_its_pictures_and_its_page(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(demonstration, "SIZE", 48)
    monkeypatch.setattr(demonstration, "STEPS", 6)
    out = tmp_path / "pictures"
    assert main(["demo", "--out", str(out)]) == 0
    names = {path.name for path in out.iterdir()}
    expected = {"content.png", "costs.png", "index.html"}
    for style in ("starry_night", "stained_glass", "woodcut_wave"):
        expected |= {f"style-{style}.png", f"result-{style}.png", f"iterates-{style}.png"}
    assert names == expected
    page = (out / "index.html").read_text(encoding="utf-8")
    assert all(f'src="{name}"' in page for name in expected - {"index.html"})
    assert "$" not in page
    assert "http" not in page
    assert str(out / "index.html") in capsys.readouterr().out


def test_demo_refuses_a_file_as_its_folder(tmp_path, capsys):
    (tmp_path / "file").write_text("here")
    assert main(["demo", "--out", str(tmp_path / "file")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_version_and_help():
    for options, expected in ((["--version"], f"minicnn {minicnn.__version__}"), (["--help"], "style")):
        run = subprocess.run([sys.executable, "-m", "minicnn", *options], capture_output=True, text=True, check=True)
        assert expected in run.stdout


def test_a_command_line_without_a_command_exits_2():
    run = subprocess.run([sys.executable, "-m", "minicnn"], capture_output=True, text=True, check=False)
    assert run.returncode == 2
    assert "Traceback" not in run.stderr

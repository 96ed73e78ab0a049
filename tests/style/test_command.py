"""minicnn style, feature by feature, as a user types it: each test would fail without the feature it names."""

import json
import os
import signal

import numpy as np
import pytest
from PIL import Image

from minicnn import images, machine
from minicnn.cli import main
from minicnn.style import estimate as estimates
from minicnn.style import evolution

FEW = ["--size", "32", "--steps", "4", "--levels", "1"]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Three pictures in a folder that is the current one; seconds are estimated elsewhere."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(estimates, "_seconds_of_a_step", lambda *_: (0.1, (32, 32)))
    for name, coarse in zip(
        ("photo", "painting", "window"), np.random.default_rng(0).random((3, 9, 9, 3)), strict=True
    ):
        images.save(f"{name}.png", images.resize(coarse, 48, 48))


def paint(*options, out="out.png", status=0):
    """minicnn style photo.png painting.png -o OUT, and what lies there then: (picture, manifest)."""
    assert main(["style", "photo.png", "painting.png", *options, "-o", out]) == status
    return looked_at(out)


def looked_at(out):
    with open(out.replace(".png", ".json"), encoding="utf-8") as file:
        return images.load(out), json.load(file)


def interrupt(monkeypatch, at):
    """Ctrl-C after a step, by way of an observer. The observer stays as it is for other runs."""
    watch = evolution.Preview.__call__

    def preview(self, step, image, costs):
        watch(self, step, image, costs)
        if step == at:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(evolution.Preview, "__call__", preview)


def test_what_there_is_to_look_at_is_written(capsys):
    looks = ["--preview", "now.png", "--gif", "film.gif", "--frames", "frames", "--plot", "costs.png"]
    picture, manifest = paint("--size", "32", "--steps", "12", "--levels", "2", *looks)
    assert manifest["sizes"] == [[16, 16], [32, 32]]
    assert images.load("now.png").shape in {(16, 16, 3), (32, 32, 3)}  # the next is due after two seconds
    with Image.open("film.gif") as film:
        assert film.n_frames > 5
        film.seek(film.n_frames - 1)
        last = np.asarray(film.convert("RGB")) / 255
    assert np.abs(last - picture).mean() < 0.1
    assert [path.name for path in sorted(os.scandir("frames"), key=lambda path: path.name)] == ["00010.png"]
    height, width, _ = images.load("costs.png").shape
    assert width > height > 200
    assert "out.png: tiny_vgg, 12 steps" in capsys.readouterr().out


def test_styles_are_mixed_scaled_and_stripped_of_their_colours():
    plain, _ = paint(*FEW)
    assert main(["style", "photo.png", "painting.png", "window.png", "-o", "mixed.png", *FEW]) == 0
    ours = ["--style-weights", "1", "0"]
    assert main(["style", "photo.png", "painting.png", "window.png", "-o", "one.png", *FEW, *ours]) == 0
    mixed, alike = looked_at("mixed.png")
    one, weighed = looked_at("one.png")
    ours = ["--style-weights", "0", "1"]
    assert main(["style", "photo.png", "window.png", "painting.png", "-o", "other.png", *FEW, *ours]) == 0
    np.testing.assert_array_equal(one, plain)
    np.testing.assert_array_equal(looked_at("other.png")[0], plain)
    assert not np.array_equal(mixed, plain)
    assert [style["weight"] for style in alike["styles"]] == [1, 1]
    assert [style["weight"] for style in weighed["styles"]] == [1, 0]
    for options in (["--style-scale", "2"], *(["--keep-colours", way] for way in ("luminance", "histogram", "affine"))):
        assert not np.array_equal(paint(*FEW, *options, out="other.png")[0], plain), options


def test_control_c_and_resume_give_the_picture_of_one_run(monkeypatch, capsys):
    how = [*FEW, "--levels", "2", "--optimizer", "lbfgs", "--preview", "now.png"]
    whole, _ = paint(*how, out="whole.png")
    with monkeypatch.context() as patch:
        interrupt(patch, at=3)
        _, manifest = paint(*how, status=130)
    assert manifest["interrupted"]
    assert "the same command with --resume continues from here" in capsys.readouterr().out
    assert os.path.exists("out.checkpoint")
    picture, manifest = paint(*how, "--resume")
    assert not manifest["interrupted"]
    np.testing.assert_array_equal(picture, whole)
    assert not os.path.exists("out.checkpoint")


def test_a_manifest_paints_again_after_its_files_have_moved_and_with_what_is_asked_besides(tmp_path, capsys):
    picture, _ = paint(*FEW, "--seed", "3", "--init", "jitter")
    assert main(["style", "--from", "out.json", "-o", "again.png"]) == 0
    np.testing.assert_array_equal(looked_at("again.png")[0], picture)
    (tmp_path / "kept").mkdir()
    for name in ("photo.png", "painting.png", "out.json"):
        os.replace(name, tmp_path / "kept" / name)
    assert main(["style", "--from", "kept/out.json", "-o", "moved.png", "--size", "24"]) == 0
    assert looked_at("moved.png")[0].shape == (24, 24, 3)
    for options in (["photo.png"], ["--weights", "tiny_vgg"]):
        capsys.readouterr()
        assert main(["style", *options, "--from", "kept/out.json", "-o", "no.png"]) == 2
        assert "style: --from states its own pictures and weights; expected neither with it" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["photo.png", "painting.png"], "the following arguments are required: -o/--out"),
        (
            ["photo.png", "-o", "out.png"],
            "style: STYLE is missing; expected CONTENT and STYLE, two pictures",
        ),
        (["-o", "out.png"], "style: STYLE is missing"),
        (
            ["photo.png", "painting.png", "-o", "out.png", "--map", "photo.png"],
            "--map and --map-colours belong together",
        ),
        (["photo.png", "painting.png", "-o", "out.png", "--map-colours", "red"], "expected both or neither"),
        (
            ["photo.png", "painting.png", "window.png", "-o", "out.png", "--style-weights", "2", "-1"],
            "style: --style-weights are [2.0, -1.0]; expected shares of at least 0, and one above it",
        ),
    ],
)
def test_what_is_missing_is_named(arguments, message, capsys):
    try:
        status = main(["style", *arguments])
    except SystemExit as ending:
        status = ending.code
    assert status == 2 and message in capsys.readouterr().err.splitlines()[-1]


def test_what_does_not_fit_is_refused_with_the_estimate_unless_told_to_begin_anyway(monkeypatch, capsys):
    monkeypatch.setattr(machine, "available_memory", lambda: -machine.resident_memory() + 1)
    assert main(["style", "photo.png", "painting.png", "-o", "out.png", *FEW]) == 2
    said = capsys.readouterr().err.splitlines()
    assert "32 px, 4 steps: about" in said[-2]
    assert said[-1].startswith("minicnn: transfer: size 32 takes about")
    assert not os.path.exists("out.png")
    paint(*FEW, "--anyway")


def test_a_preset_for_other_weights_is_warned_of_before_the_run(monkeypatch, capsys):
    assert main(["style", "photo.png", "painting.png", "-o", "out.png", *FEW, "--preset", "athalye"]) == 0
    captured = capsys.readouterr()
    first, second, last = captured.out.splitlines()
    assert first == "note: tiny_vgg has no block5_conv2: content is seen at block4_conv2"
    assert "weights that learned with RGB×255 − (123.7, 116.8, 103.9); tiny_vgg has learned with (RGB −" in second
    assert "without a preset, its own recipe is taken" in second
    assert last.startswith("out.png: tiny_vgg, 4 steps")

"""minicnn style for many: every picture of a folder, every value of a sweep, and both to their end after any stop."""

import functools
import itertools
import json
import os
import signal
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from picture_files import GREY, P3
from PIL import Image
from toy_network import toy

from minicnn import images
from minicnn.cli import main, style_series
from minicnn.cli import style as command
from minicnn.errors import InputError
from minicnn.style import estimate as estimates
from minicnn.style import evolution, job, objective

FEW = ["--size", "32", "--steps", "3", "--levels", "1"]


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """Two photographs in a folder, and a painting; seconds are estimated elsewhere."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(estimates, "_seconds_of_a_step", lambda *_: (0.1, (32, 32)))
    Path("in").mkdir()
    for name, coarse in zip(
        ("in/a.png", "in/b.jpg", "painting.png"), np.random.default_rng(0).random((3, 9, 9, 3)), strict=True
    ):
        images.save(name, images.resize(coarse, 48, 36))
    return tmp_path


def folder(*options, out="out", status=0):
    assert main(["style", "in", "painting.png", "-o", out, *FEW, *options]) == status
    return pixels(out)


def sweep(*words, out="out", status=0):
    """Values first, then options."""
    assert main(["style", "in/a.png", "painting.png", "-o", out, *FEW, "--sweep", *words]) == status
    return pixels(out)


def pixels(out):
    """{name: bytes} of the pictures that are there."""
    return {path.name: path.read_bytes() for path in sorted(Path(out).glob("*.png"))}


def said(capsys):
    out, err = capsys.readouterr()
    return out, [line for line in err.splitlines() if line.startswith("minicnn: ")]


def test_every_picture_of_a_folder_is_painted_and_a_bad_one_is_named(capsys):
    good = Path("in/a.png").read_bytes()
    Path("in/bad.png").write_bytes(good[: len(good) // 2])
    Path("in/notes.txt").write_text("?")
    Path("in/.hidden.png").write_bytes(good)
    Path("in/a.webp").write_bytes(good)  # of one stem with another
    found = folder(status=2)
    out, errors = said(capsys)
    assert [*found] == ["a.png.png", "a.webp.png", "b.png"]
    assert len(errors) == 1 and "in/bad.png' cannot be decoded" in errors[0]
    assert [line.split(":")[0] for line in out.splitlines()] == ["out/a.png.png", "out/a.webp.png", "out/b.png"]
    assert main(["style", "in/b.jpg", "painting.png", "-o", "one.png", *FEW]) == 0
    assert Path("one.png").read_bytes() == found["b.png"]
    manifest = json.loads(Path("out/b.json").read_text(encoding="utf-8"))
    assert manifest["content"]["path"] == str(Path("in/b.jpg")) and manifest["styles"][0]["path"] == "painting.png"


def test_what_a_folder_holds_besides_is_counted(capsys):
    for name in ("in/1.heic", "in/2.heic"):
        Path(name).write_text("?")
    folder()
    assert "note: in: skipped unsupported files: 2 .heic" in capsys.readouterr().err.splitlines()


def test_styles_are_shared_by_pictures_unless_they_differ_from_picture_to_picture():
    content, painting = np.random.default_rng(0).random((2, 64, 64, 3), np.float32)
    model, memory = toy(), {}

    def shared(content=content, **options):
        return job.prepare(content, [painting], model=model, memory=memory, **options).targets

    assert shared() == {} and shared() is shared() and shared(style_scale=0.5) is not shared()
    assert shared(scales=(1.0, 1.0), smallest_scale=16) is shared() is shared(content[:48])
    scaled = shared(style_scale=0.5)  # to the long side of the content
    assert shared(content[:48], style_scale=0.5) is scaled is not shared(content[:48, :48], style_scale=0.5)
    for options in ({"keep_colours": "affine"}, {"masks": [np.ones((64, 64))]}):
        assert shared(**options) is None


def test_the_styles_of_a_series_are_prepared_once(monkeypatch):
    looked, read = [], []
    blended, pictures = objective.Objective._blended, job.style_pictures
    monkeypatch.setattr(objective.Objective, "_blended", lambda self, s: looked.append(1) or blended(self, s))
    monkeypatch.setattr(job, "style_pictures", lambda *a, **o: read.append(1) or pictures(*a, **o))
    folder("--size", "48", "--levels", "2")
    assert len(read) == 1 and len(looked) == 2  # at each size
    sweep("beta=1,2,4", out="swept")
    assert len(read) == 2 and len(looked) == 3
    sweep("style_scale=1,2", out="scaled")
    assert len(read) == 4 and len(looked) == 5
    folder("--keep-colours", "affine", out="kept")  # to which each content has its own style
    assert len(read) == 5 and len(looked) == 7
    folder("--size", "256", "--levels", "1", "--scales", "1", "1", out="halved")
    assert len(read) == 6 and len(looked) == 9  # the picture and its half


def test_a_sweep_has_a_picture_for_each_combination_and_a_sheet(monkeypatch, capsys):
    drawn = []
    from minicnn.faces import contact_sheets

    draw = contact_sheets.contact_sheet
    monkeypatch.setattr(contact_sheets, "contact_sheet", lambda *a, **o: drawn.append((a, o)) or draw(*a, **o))
    found = sweep("beta=1e2,1e4", "style-scale=1,1.5,2")
    names = [f"beta={beta},style_scale={scale}" for beta in ("1e2", "1e4") for scale in ("1", "1.5", "2")]
    assert {*found} == {*(f"{name}.png" for name in names), "sheet.png"} and len({*found.values()}) == 7
    assert capsys.readouterr().out.endswith("sheet.png: a contact sheet of 6 pictures\n")
    ((pictures, captions, title), how) = drawn[0]
    assert captions == [name.replace(",", ", ") for name in names] and how == {"columns": 3}
    assert title == "a in the style of painting"
    with Image.open("out/sheet.png") as sheet:
        assert sheet.width > 3 * pictures[0].shape[1] and sheet.height > 2 * pictures[0].shape[0] > 0
    for one, name in zip(pictures, names, strict=True):
        assert one.shape == (320, 240, 3)
        np.testing.assert_allclose(one, images.resize(images.load(f"out/{name}.png"), 320, 240), atol=1e-6)
    main(["style", "in/a.png", "painting.png", "-o", "one.png", *FEW, "--beta", "1e4", "--style-scale", "2"])
    assert Path("one.png").read_bytes() == found["beta=1e4,style_scale=2.png"]


class Killed(BaseException):
    """As by the system: no command catches it, and nothing is tidied up."""


def kill(patch, place, name, count, after):
    """Kill the process in a call of place.name, the count-th from 0, before it has done its work or after."""
    real, calls = getattr(place, name), itertools.count()

    def killing(*arguments, **options):
        number = next(calls)
        if number == count and not after:
            raise Killed
        done = real(*arguments, **options)
        if number == count:
            raise Killed
        return done

    patch.setattr(place, name, killing)


def raised(problem, _):
    raise problem


SWEPT = functools.partial(sweep, "beta=1,100")
FOLDER_STOPS = [
    (evolution.Preview, "__call__", 4, False),  # in the second picture, whose checkpoint is of its first step
    (job.Checkpoint, "remove", 0, True),  # between the last step and the picture
    (images, "save", 1, True),  # between the picture and its manifest
    (command, "_say", 0, True),  # between two pictures
]
SWEEP_STOPS = [(evolution.Preview, "__call__", 1, False), (images, "save", 2, False)]  # in the first; before the sheet


@pytest.mark.parametrize(("make", "stops"), [(folder, FOLDER_STOPS), (SWEPT, SWEEP_STOPS)], ids=["folder", "sweep"])
def test_a_series_killed_anywhere_goes_on_to_the_same_bits(make, stops, monkeypatch, capsys):
    monkeypatch.setattr("minicnn.style.checkpoints.EVERY", 0.0)  # seconds: after every step
    monkeypatch.setattr("minicnn.cli.outcome._told", raised)
    monkeypatch.setattr(evolution.Preview, "__call__", lambda *_: None)
    watched = ("--preview", "now.png")
    whole = make(out="whole")
    for number, (place, name, count, after) in enumerate(stops):
        out = f"out{number}"
        with monkeypatch.context() as patch, pytest.raises(Killed):
            kill(patch, place, name, count, after)
            make(*watched, out=out)
        assert pixels(out) != whole or name == "save"
        assert make(*watched, "--resume", out=out) == whole, (name, count, after)
        assert not [*Path(out).glob("*.checkpoint")]
    capsys.readouterr()
    assert make("--resume", out=out) == whole  # nothing is left to do
    assert "3 steps" not in capsys.readouterr().out


def test_control_c_ends_a_series_and_resume_goes_on(monkeypatch, capsys):
    whole = folder(out="whole")

    def press(self, step, *_):
        if step == 2:
            os.kill(os.getpid(), signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(evolution.Preview, "__call__", press)
        assert [*folder("--preview", "now.png", status=130)] == ["a.png"]
    assert "the same command with --resume continues from here" in capsys.readouterr().out
    assert folder("--resume") == whole


def test_a_series_of_other_settings_is_not_resumed(capsys):
    before = folder()
    assert folder("--resume", "--beta", "7", status=2) == before
    errors = said(capsys)[1]
    assert len(errors) == 2
    assert errors[0].endswith("is of another run, recipe: beta 1.0 where 7.0 is asked for; start without resume"), (
        errors
    )
    assert folder("--beta", "7") != before


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["in/a.png", "--sweep", "size=32,48,24"], ((48, 36), 3)),
        (["in/a.png", "--sweep", "style_scale=1,2,0.75"], ((32, 24), 3)),
        (["in"], ((32, 32), 2)),
    ],
)
def test_the_memory_of_a_series_is_that_of_its_largest_picture(words, expected, monkeypatch):
    asked = []
    monkeypatch.setattr(command, "affordable", lambda _, largest, more: asked.append((largest, more)))
    monkeypatch.setattr(command, "paint", lambda *given, **options: False)
    monkeypatch.setattr(style_series, "_draw", lambda *given: None)
    assert main(["style", words[0], "painting.png", "-o", "out", *FEW, *words[1:]]) == 0
    ((largest, more),) = asked
    assert (largest.content.shape[:2], more) == (expected[0], f", for each of {expected[1]} pictures")
    if "style_scale" in words[-1]:
        assert largest.settings["style_scale"] == 2


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["in", "painting.png", "-o", "x.png"], "--out 'x.png' is for several pictures; expected a folder"),
        (["in", "painting.png", "-o", "in"], "--out 'in' is in the folder to read"),
        (["in", "painting.png", "-o", "in/new"], "--out 'in/new' is in the folder to read"),
        (["in", "painting.png", "-o", "out", "--gif", "a.gif"], "--gif is for one picture"),
        (["in", "painting.png", "-o", "out", "--masks", "a.png"], "--masks is for one picture"),
        (["none", "painting.png", "-o", "out"], "CONTENT 'none' holds no pictures"),
        (["in", "painting.png", "-o", "out", "--sweep", "beta=1"], "CONTENT 'in' is a folder; expected one picture"),
        (["in/a.png", "painting.png", "-o", "out", "--sweep", "beta"], "--sweep 'beta' cannot be read; expected NAME="),
        (["in/a.png", "painting.png", "-o", "out", "--sweep", "gamma=1"], "--sweep 'gamma=1' cannot be read"),
        (["in/a.png", "painting.png", "-o", "out", "--sweep", "steps=1.5"], "--sweep 'steps=1.5' cannot be read"),
        (["in/a.png", "painting.png", "-o", "out", "--sweep", "beta=1, 2"], "--sweep 'beta=1, 2' cannot be read"),
        (["in/a.png", "painting.png", "-o", "out", "--sweep", "init=../x"], "--sweep 'init=../x' cannot be read"),
        (["in/a.png", "painting.png", "-o", "out", "--sweep", "beta=1,1"], "--sweep 'beta=1,1' has something twice"),
        (["in/a.png", "painting.png", "-o", "out", "--sweep", "beta=1", "beta=2"], "has something twice"),
        (["in/a.png", "painting.png", "-o", "out", "--sweep", f"seed={','.join(map(str, range(101)))}"], "makes 101"),
        (
            ["in/a.png", "painting.png", "-o", "out", "--sweep", "beta=1,-1"],
            "transfer: beta is -1.0; expected a number",
        ),
        (
            ["in", "painting.png", "-o", "out", "--beta", "nan"],
            "transfer: beta is nan; expected a number of at least 0",
        ),
        (["in", "nowhere.png", "-o", "out"], "'nowhere.png' does not exist"),
        (["in/a.png", "painting.png", "-o", "a.jpg", "--depth", "16"], "cannot have a depth of 16 bits"),
        (["in/a.png", "painting.png", "-o", "a.png", "--depth", "9"], "cannot have a depth of 9 bits"),
    ],
)
def test_what_a_series_cannot_do_is_one_line_before_the_work(words, line, capsys, monkeypatch):
    Path("none").mkdir()
    monkeypatch.setattr(job.Job, "run", lambda *_, **__: pytest.fail("the work has begun"))
    assert main(["style", *words, *FEW]) == 2
    errors = said(capsys)[1]
    assert len(errors) == 1 and line in errors[0]
    assert not [*Path().glob("out/*")]


def test_a_sweep_makes_a_hundred_pictures_at_most():
    found = style_series._of_sweep([f"seed={','.join(map(str, range(50)))}", "steps=1,2"], Path("out"))
    assert len(found) == 100 and found[-1] == (
        Path("out/seed=49,steps=2.png"),
        {"seed": 49, "steps": 2},
        "seed=49, steps=2",
    )


def test_files_in_the_folder_that_are_not_ours_stay(capsys):
    Path("out").mkdir()
    Path("out/b.png").write_bytes(b"mine")
    folder(status=2)
    assert "'out/b.png' is there already, and minicnn has not made it; --force replaces it" in said(capsys)[1][0]
    assert len(folder("--force")) == 2


def test_a_folder_of_one_picture_and_a_sweep_of_one_value_are_series(monkeypatch):
    monkeypatch.setattr(command, "_asked", lambda arguments: {})
    made = []
    monkeypatch.setattr(style_series, "run", lambda arguments, works, *parts: made.extend(works))
    os.remove("in/b.jpg")
    folder()
    sweep("steps=3")
    assert made == [
        (Path("out/a.png"), {"content": str(Path("in/a.png"))}, ""),
        (Path("out/steps=3.png"), {"steps": 3}, "steps=3"),
    ]


def test_one_picture_may_go_into_a_folder_too():
    assert main(["style", "in/a.png", "painting.png", "-o", "made", *FEW]) == 0
    assert sorted(os.listdir("made")) == ["a.json", "a.png"]


# What is written with a picture


def photograph(**options):
    exif = Image.Exif()
    exif[0x0110], exif[0x0112] = "Model 7", 6
    exif.get_ifd(0x8825)[1] = "N"
    values = np.random.default_rng(1).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    Image.fromarray(values).save("photo.png", exif=exif, **options)


def test_a_painted_picture_has_the_depth_and_the_metadata_that_are_asked_for():
    photograph(icc_profile=P3)
    same = ["style", "photo.png", "painting.png", *FEW]
    shown = {}
    for name, more in {
        "plain.png": [],
        "deep.png": ["--depth", "16"],
        "kept.png": ["--profile", "keep", "--depth", "16"],
        "bare.png": ["--no-metadata"],
    }.items():
        assert main([*same, "-o", name, *more]) == 0
        with Image.open(name) as made:
            shown[name] = made.info.get("icc_profile"), dict(made.getexif())
        assert images.load(name).shape == (32, 24, 3)  # upright
    mark = {0x0131: "made by minicnn"}
    assert shown["plain.png"] == shown["deep.png"] == (None, {**mark, 0x0110: "Model 7"})
    assert shown["kept.png"] == (P3, {**mark, 0x0110: "Model 7"})
    assert shown["bare.png"] == (None, mark)
    plain, deep, kept = (images.load(f"{name}.png") for name in ("plain", "deep", "kept"))
    assert 0 < np.abs(plain - deep).max() < 0.51 / 255
    np.testing.assert_allclose(kept, deep, atol=2e-3)
    assert len(np.unique(deep)) > 256


def test_a_profile_for_grey_is_only_left_out():
    Image.new("L", (4, 4), 99).save("grey.png", icc_profile=GREY)
    assert command._kept(SimpleNamespace(profile="srgb", no_metadata=False), "grey.png") == images.Metadata()
    with pytest.raises(InputError) as refused:
        command._kept(SimpleNamespace(profile="keep", no_metadata=False), "grey.png")
    assert str(refused.value) == (
        "style: --profile keep: CONTENT 'grey.png' has a colour profile that cannot be used (it is of GRAY; "
        "expected curves and a matrix for RGB); save it again, in sRGB or without a profile"
    )


def test_a_broken_profile_is_one_line_before_the_work(capsys, monkeypatch):
    monkeypatch.setattr(job.Job, "run", lambda *_, **__: pytest.fail("the work has begun"))
    photograph(icc_profile=P3[:150])
    assert main(["style", "photo.png", "painting.png", "-o", "a.png", *FEW]) == 2
    assert "'photo.png' has a colour profile that cannot be used" in said(capsys)[1][0]
    with pytest.raises(InputError, match=r"^transfer: style 'photo\.png' has a colour profile that cannot be used"):
        job.prepare("painting.png", "photo.png")

"""Names in any script and files in any encoding: one spelling everywhere, and a line that says what to do."""

import json
import os
import shutil
import unicodedata
import warnings
from pathlib import Path

import numpy as np
import pytest
from matplotlib import font_manager, get_data_path
from matplotlib.figure import Figure

from minicnn import drawings, images
from minicnn.cli import main
from minicnn.datasets import image_folders
from minicnn.errors import InputError
from minicnn.faces import figures
from minicnn.style import estimate
from minicnn.visualize import plots

JOINED = ("محمد‌رضا", "ශ්‍රී", "👩‍🔬 Ada")
STYLE = ("--size", "32", "--steps", "1", "--levels", "1")


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MINICNN_LEARN", str(tmp_path / "learn"))
    monkeypatch.setattr(estimate, "_seconds_of_a_step", lambda *_: (0.1, (32, 32)))
    random = np.random.default_rng(0)
    for name in ("a.png", "b.png"):
        images.save(name, images.resize(random.random((6, 6, 3)), 64, 64))
    return tmp_path


@pytest.mark.parametrize("name", JOINED)
def test_people_may_be_called_in_any_script(capsys, name):
    assert main(["face", "enroll", "g.h5", f"  {name} ", "a.png", "--drawn"]) == 0
    assert name in capsys.readouterr().out
    assert main(["face", "list", "g.h5", "--picture", "p.png"]) == 0
    assert main(["face", "verify", "g.h5", name, "a.png", "--drawn"]) == 0
    assert name in capsys.readouterr().out
    assert main(["face", "identify", "g.h5", "a.png", "--drawn"]) == 0
    assert f"a.png: {name}" in capsys.readouterr().out
    for wrong in ("\u200d", "a\x1b[31m", "a\u202eb", " ", "a\nb"):
        assert main(["face", "enroll", "g.h5", wrong, "a.png"]) == 2


@pytest.mark.parametrize("folders", [("Zoë", unicodedata.normalize("NFD", "Zoë")), ("Ann", "Ann ")])
def test_two_folders_of_one_name_are_refused_wherever_folders_are_read(capsys, folders):
    for folder in folders:
        try:
            Path("people", folder).mkdir(parents=True)
        except OSError:
            pytest.skip("this file system takes these for one name itself")
        shutil.copy("a.png", Path("people", folder, "1.png"))
    if len(list(Path("people").iterdir())) < 2:
        pytest.skip("this file system takes these for one name itself")
    with pytest.raises(InputError, match="two folders in 'people' have the name"):
        image_folders.read("people")
    for words in (["enroll", "g.h5", "people"], ["calibrate", "people"], ["evaluate", "people"]):
        assert main(["face", *words, "--drawn"]) == 2
        assert "two folders" in capsys.readouterr().err
    assert not Path("g.h5").exists()


def test_a_folder_and_a_gallery_spell_a_name_alike(capsys):
    decomposed = unicodedata.normalize("NFD", "Zoë")
    Path("people", decomposed).mkdir(parents=True)
    shutil.copy("a.png", Path("people", decomposed, "1.png"))
    read = image_folders.read("people")
    assert read.people == ("Zoë",) and read.of(decomposed) == read.of(" Zoë ")
    assert main(["face", "enroll", "g.h5", "people", "--drawn"]) == 0
    assert main(["face", "verify", "g.h5", decomposed, "a.png", "--drawn"]) == 0
    with_face = ["--drawn", "--picture", "p.png", "--faces", "people"]
    assert main(["face", "identify", "g.h5", "a.png", *with_face]) == 0
    plain = images.load("p.png")
    assert main(["face", "identify", "g.h5", "a.png", "--drawn", "--picture", "q.png"]) == 0
    assert not np.array_equal(plain, images.load("q.png"))


def test_figures_show_or_spell_letters_that_the_font_lacks():
    names = ("张伟", "𐎠𐎡", "$x$", "Zoë", "Ann")
    face = np.full((8, 8, 3), 0.5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = figures.matches(face, names[0], [(name, 0.1 * i) for i, name in enumerate(names)], None)
        figures.save(figure, "f.png")
        plots.save(plots.figure_of([[face]], titles=[names[1]], labels=[names[0]], title="α‌β"), "g.png")
    words = {text.get_text() for text in figure.findobj(lambda artist: hasattr(artist, "get_text"))}
    assert "Zoë" in words and r"\$x\$" in words
    # Old Persian is in no font that this machine is likely to have: then it is spelt by its numbers.
    assert "𐎠𐎡" in words or r"\U000103a0\U000103a1" in words


@pytest.fixture
def own_fonts(monkeypatch):
    """The fonts of matplotlib itself, which are the same everywhere. Only STIX has ᶁ, and only DejaVu Serif has ˯."""
    own = [font for font in font_manager.fontManager.ttflist if font.fname.startswith(get_data_path())]
    monkeypatch.setattr(font_manager.fontManager, "ttflist", own)


def test_each_letter_is_drawn_in_one_font_that_has_it(own_fonts):
    assert drawings._fonts_for("Zoë") == drawings._fonts_for("𐎠") == {}
    found = drawings._fonts_for("Zoë ᶁ˯𐎠")
    assert {*found} == {"STIXGeneral", "DejaVu Serif"}
    assert len(drawings._fonts_for("⤀")) == 1  # though both have it
    assert drawings._fonts_for("\ue000") == {}  # no letter, though a font of symbols has it
    assert drawings.font_file("ᶁ") == found["STIXGeneral"] and drawings.font_file("Zoë") == drawings._usual()
    assert drawings.literal("a\n$\x1b") == "a\n\\$�"  # two lines
    assert drawings.literal("Zoë ᶁ˯𐎠") == r"Zoë ᶁ˯\U000103a0"


def test_a_file_that_is_no_font_has_no_letters(here):
    Path("broken.ttf").write_bytes(b"no font")
    assert drawings._letters("broken.ttf") == drawings._letters("nowhere.ttf") == frozenset()
    assert {ord("A"), ord("ë")} <= drawings._letters(drawings._usual())


def test_a_figure_is_drawn_again_with_the_fonts_of_its_letters(own_fonts):
    def saved(name, **font):
        figure = Figure(dpi=40)
        text = figure.text(0.1, 0.5, "ᶁ and Zoë", fontsize=40, **font)
        drawings.save(figure, name)
        return text.get_fontfamily(), images.load(name)

    (_, *fallen_back), drawn = saved("a.png")
    assert fallen_back == ["STIXGeneral"]
    usual, expected = saved("b.png", fontfamily=["DejaVu Sans", "STIXGeneral"])
    assert usual[:2] == ["DejaVu Sans", "STIXGeneral"]
    np.testing.assert_array_equal(drawn, expected)


def test_a_file_whose_name_is_not_text_gets_its_manifest(capsys):
    name = os.fsdecode(b"caf\xe9.png")
    try:
        shutil.copy("a.png", name)
    except (OSError, UnicodeEncodeError):
        pytest.skip("this file system has no names that are not UTF-8")
    out = os.fsdecode(b"out\xe9.png")
    assert main(["style", name, "b.png", "-o", out, "--plot", "costs.png", *STYLE]) == 0
    manifest = json.loads(Path(out).with_suffix(".json").read_text(encoding="utf-8"))
    assert manifest["content"]["path"] == name
    assert main(["style", "--from", str(Path(out).with_suffix(".json")), "-o", "again.png"]) == 0
    assert np.array_equal(images.load(out), images.load("again.png"))


def test_a_manifest_finds_its_pictures_beside_it_although_others_bear_their_names(capsys):
    Path("new").mkdir()
    assert main(["style", "a.png", "b.png", "-o", "new/out.png", *STYLE]) == 0
    shutil.copy("a.png", "new/a.png")
    shutil.copy("b.png", "a.png")  # another picture of that name
    assert main(["style", "--from", "new/out.json", "-o", "again.png"]) == 0
    assert np.array_equal(images.load("new/out.png"), images.load("again.png"))
    os.remove("new/a.png")
    assert main(["style", "--from", "new/out.json", "-o", "again.png"]) == 2
    assert "is not the picture that it was then" in capsys.readouterr().err


def test_files_of_other_encodings_are_read_or_told_what_to_do(capsys):
    assert main(["style", "a.png", "b.png", "-o", "out.png", *STYLE]) == 0
    text = Path("out.json").read_text(encoding="utf-8")
    Path("bom.json").write_text(text, encoding="utf-8-sig")
    assert main(["style", "--from", "bom.json", "-o", "again.png"]) == 0
    assert main(["learn", "start", "gram_matrix", "--to", "mine.py"]) == 0
    Path("wide.py").write_text(Path("mine.py").read_text(encoding="utf-8"), encoding="utf-16")
    Path("wide.json").write_text(text, encoding="utf-16")
    Path("latin.json").write_bytes('{"é": 1}'.encode("latin-1"))
    capsys.readouterr()
    for words in (
        ["style", "--from", "wide.json", "-o", "again.png"],
        ["style", "--from", "latin.json", "-o", "again.png"],
        ["learn", "check", "gram_matrix", "wide.py"],
        ["face", "evaluate", "--drawn", "--lfw", ".", "--pairs", "wide.py"],
    ):
        assert main(words) == 2
        lines = capsys.readouterr().err.splitlines()
        assert len(lines) == 1 and "save it as UTF-8" in lines[0], words

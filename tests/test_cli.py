"""The commands as a user meets them: what they write, and one line where the input is wrong."""

import json
import re
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

import minicnn
from minicnn import hdf5, images, models, zoo
from minicnn.cli import main
from minicnn.demonstration import faces, styles
from minicnn.models import imagenet
from minicnn.style import StyleResult


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
    assert "tiny_vgg has learned with" in capsys.readouterr().out


def test_style_takes_a_file_of_weights(pictures, capsys):
    hdf5.save(models.tiny_vgg(None, seed=5), pictures / "mine.h5")
    files = [str(pictures / "photo.jpg"), str(pictures / "painting.png")]
    options = ["--size", "32", "--steps", "1", "--weights", str(pictures / "mine.h5")]
    assert main(["style", *files, "-o", str(pictures / "out.png"), *options]) == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"content": "missing.jpg"}, "missing.jpg' does not exist"),
        ({"content": "."}, "is for several pictures; expected a folder"),
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
        ({"--size": "4"}, "content is 4×3 pixels, too small for tiny_vgg; expected sides of at least 16"),
        ({"--style-scale": "0.01"}, "style is 1×1 pixels, too small for tiny_vgg; expected sides of at least 16"),
        ({"--seed": "-1"}, "seed is -1; expected an integer of at least 0"),
        ({"--plot": "./out.png"}, "--plot './out.png' is the file of --out, too"),
        ({"--gif": "film.png"}, "expected .gif"),
        ({"--style-weights": "-1"}, "--style-weights are [-1.0]"),
        ({"--style-weights": "0"}, "--style-weights are [0.0]"),
        ({"--style-weights": "nan"}, "--style-weights are [nan]"),
        ({"--style-weights": "1 2"}, "--style-weights are 2; expected one for each STYLE, 1"),
        ({"--preview": "painting.png"}, "--preview 'painting.png' is one of the pictures to read"),
    ],
)
def test_style_refuses_nonsense_in_one_line_and_exits_2(pictures, monkeypatch, capsys, change, message):
    monkeypatch.chdir(pictures)
    (pictures / "notes.txt").write_text("words")
    (pictures / "empty.png").write_bytes(b"")
    before = {"content": "photo.jpg", "-o": "out.png", "--size": "32", "--steps": "1", **change}
    content = before.pop("content")
    options = [part for name, value in before.items() for part in (name, *value.split())]
    assert main(["style", content, "painting.png", *options]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.startswith("minicnn: ")
    assert error.count("\n") == 1
    assert not (pictures / "out.png").exists()


def test_demo_writes_its_pictures_and_its_page(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(styles, "SIZE", 48)
    monkeypatch.setattr(styles, "STEPS", 6)
    monkeypatch.setattr(faces, "SIZE", 64)
    figures, save = {}, styles.save_figure
    others, found, calibration = [], [], faces._calibration

    def calibrated(net, people):
        others.append(people)
        found.append(calibration(net, people))
        return found[-1]

    monkeypatch.setattr(faces, "_calibration", calibrated)
    for module in (styles, faces):
        monkeypatch.setattr(
            module, "save_figure", lambda figure, path: save(figures.setdefault(path.name, figure), path)
        )
    out = tmp_path / "pictures"
    assert main(["demo", "--out", str(out)]) == 0
    names = {path.name for path in out.iterdir()}
    expected = {"content.png", "costs.png", "index.html"}
    for style in ("starry_night", "stained_glass", "woodcut_wave"):
        expected |= {f"style-{style}.png", f"result-{style}.png", f"iterates-{style}.png"}
    expected |= {"face-distances.png", *(f"face-enrolled-{i + 1}.png" for i in range(10))}
    expected |= {f"face-visitor-{i + 1}.png" for i in range(len(faces.VISITORS))}
    assert names == expected
    known = len(faces.NAMES) + faces.STRANGERS
    assert others == [faces.Population(size=64).held_out(known + faces.OTHERS)[known:]]  # nobody at the door
    panels = figures["costs.png"].axes
    assert [(axes.get_ylabel(), axes.get_legend() is not None) for axes in panels] == [
        ("cost", False),
        ("", False),
        ("", True),
    ]
    heat = figures["face-distances.png"].axes[0]
    framed = {(round(frame.get_x() + 0.48), round(frame.get_y() + 0.46)) for frame in heat.patches}
    far = {text.get_position(): float(text.get_text()) for text in heat.texts}
    assert 0 < len(framed) < len(far)
    assert max(far[place] for place in framed) < min(far[place] for place in far.keys() - framed)
    for row, face in enumerate(heat.child_axes):  # the visitors stand at the left of their rows
        place, middle = face.get_window_extent(), heat.transData.transform((0, row))[1]
        assert abs((place.y0 + place.y1) / 2 - middle) < 2 and 0 <= place.x0 < place.x1 < heat.bbox.x0
        assert not face.axison and face.images[0].get_array().shape == (64, 64, 3)
    assert len(heat.child_axes) == len(faces.VISITORS)
    assert [label.get_text() for label in heat.get_xticklabels()] == list(faces.NAMES)
    page = (out / "index.html").read_text(encoding="utf-8")
    assert all(f'src="{name}"' in page for name in expected - {"index.html"})
    assert "$" not in page
    assert "http" not in page
    assert "(wrong)" not in page
    assert [page.count(f">{name}:") for name in ("Dana", "Harper", "Jules")] == [1, 1, 1]
    assert page.count("Not recognized") == faces.STRANGERS
    limits = {
        f"{found[0].threshold:.2f}": 2,
        f"{found[0].for_gallery(10):.2f}": 5,
    }  # of those with a claim, and without
    assert {limit: len(re.findall(rf"[\d.]+ (?:≤|&gt;) {limit}<", page)) for limit in limits} == limits
    assert str(out / "index.html") in capsys.readouterr().out


@pytest.mark.parametrize("before", [True, False])
def test_the_demo_says_that_it_compiles_where_nothing_is_compiled(before, tmp_path, monkeypatch):
    import minicnn.demonstration as whole

    monkeypatch.setattr(whole, "compiled_before", lambda: before)
    for part in (styles, faces):
        monkeypatch.setattr(part, "demonstrate", lambda folder, say: {})
    monkeypatch.setattr(whole.Template, "substitute", lambda *arguments, **options: "")
    said = []
    whole.demonstrate(tmp_path / "new" / "folder", say=said.append)
    assert any("compiling the kernels, once" in line for line in said) != before


def test_an_interrupted_demo_begins_no_other_painting(tmp_path, monkeypatch, capsys):
    begun = []

    def interrupted(content, style, **options):
        begun.append(style)
        return StyleResult(content, [], {"interrupted": True})

    monkeypatch.setattr(styles, "SIZE", 48)
    monkeypatch.setattr(styles, "transfer", interrupted)
    monkeypatch.setattr(styles, "_write_strip", lambda *arguments: None)
    assert main(["demo", "--out", str(tmp_path)]) == 130
    assert f"starry night: {styles.STEPS} steps\n" in capsys.readouterr().out
    assert len(begun) == 1 and not (tmp_path / "index.html").exists()


def test_demo_refuses_a_file_as_its_folder(tmp_path, capsys):
    (tmp_path / "file").write_text("here")
    file = str(tmp_path / "file")
    assert main(["demo", "--out", file]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"minicnn: demo: out {file!r} cannot be made a folder (") and error.count("\n") == 1


# weights


@pytest.fixture(scope="module")
def shipped():
    return dict(models.tiny_vgg().named_parameters())


def printed(capsys):
    """What was printed, once every line is known to be at most eighty columns, but for links and paths."""
    said = capsys.readouterr().out
    assert [line for line in said.splitlines() if len(line) > 80 and "/" not in line] == []
    return said


def test_weights_lists_what_there_is(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("MINICNN_WEIGHTS", str(tmp_path))
    (tmp_path / zoo.find("vgg19").file).write_bytes(bytes(250_000))
    assert main(["weights", "list"]) == 0
    lines = printed(capsys).splitlines()
    table = {line.split()[0]: line for line in lines if line and not line.startswith(" ")}
    assert all(row.name in table and row.licence in table[row.name] for row in zoo.catalog())
    assert table["tiny_vgg"].endswith("shipped") and table["vgg16"].endswith("no")
    assert table["vgg19"].endswith("yes") and " 0.2 MB " in table["vgg19"]
    assert " layout " in table["vgg19"] and " file " in table["squeezenet"]
    assert f"  {tmp_path}" in lines


def test_weights_lists_everything_about_one(capsys):
    assert main(["weights", "list", "vgg19_top", "openface"]) == 0
    said = printed(capsys)
    for name in ("vgg19_top", "openface"):
        row = zoo.find(name)
        for fact in (row.call, row.link, row.licence, row.accuracy, row.preprocessing, row.md5 or "none is published"):
            assert fact in said
    assert said.count("by the publisher; not reproduced here") == said.count("at hand") == 2
    assert main(["weights", "list", "--json"]) == 0
    assert [row["name"] for row in json.loads(capsys.readouterr().out)] == [row.name for row in zoo.catalog()]


def test_weights_inspects_what_is_shipped(capsys):
    assert main(["weights", "inspect", "tiny_vgg"]) == 0
    said = printed(capsys)
    row = zoo.find("tiny_vgg")
    for fact in ("fits          tiny_vgg", "minicnn", "tiny_vgg, licence MIT", row.sha256, "3×3×3×32", "float16"):
        assert fact in said
    assert said.splitlines()[-1] == "20 arrays, 2,244,330 parameters"
    assert main(["weights", "inspect", "tiny_vgg", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["network"], found["catalogue"], found["sha256"]) == ("tiny_vgg", "tiny_vgg", row.sha256)
    assert {"name": "block1_conv1/w", "shape": [3, 3, 3, 32], "dtype": "float16"} in found["rows"]


def test_weights_inspects_a_file_that_fits_nothing(capsys, tmp_path):
    path = tmp_path / "other.h5"
    with h5py.File(path, "w") as file:
        file["a\x1b[31m layer/" + "long_" * 30 + "name"] = np.zeros((2, 3), np.float32)
        file.attrs["said"] = "in\x07deed"
    assert main(["weights", "inspect", str(path)]) == 0
    said = printed(capsys)
    assert "no network of minicnn" in said
    assert "\x1b" not in said and "\x07" not in said  # nothing out of a file reaches the terminal's controls
    array, total = said.splitlines()[-2:]
    assert "…" in array and array.split()[-4].endswith("long_name")
    assert array.split()[-3:] == ["2×3", "float32", "6"] and total == "1 arrays, 6 parameters"


def test_weights_tells_a_network_with_its_top(capsys, tmp_path):
    path = tmp_path / "vgg.h5"
    with h5py.File(path, "w") as file:  # shapes are told without the numbers, which nobody wrote
        for name, parameter in imagenet.build("vgg16", include_top=True, drawn=False).named_parameters():
            layer, role = name.split(".")
            file.create_dataset(
                f"{layer}/{layer}/{ {'w': 'kernel', 'b': 'bias'}[role] }:0", parameter.shape, np.float32
            )
        layers = list(dict.fromkeys(name.split("/")[0] for name in file))
        file.attrs["layer_names"] = [layer.encode() for layer in layers]
    assert path.stat().st_size < 100_000
    assert main(["weights", "inspect", str(path)]) == 0
    said = printed(capsys)
    assert "fits          vgg16(include_top=True)" in said and "138,357,544 parameters" in said


@pytest.mark.parametrize(
    ("layout", "name", "first"),
    [
        ("minicnn", "out.h5", "block1_conv1.w"),
        ("keras", "out.h5", "block1_conv1/block1_conv1/kernel:0"),
        ("keras3", "out.weights.h5", "layers/conv2d/vars/0"),
    ],
)
def test_weights_converts(shipped, capsys, tmp_path, layout, name, first):
    out = tmp_path / name
    assert main(["weights", "convert", "tiny_vgg", "-o", str(out), "--layout", layout]) == 0
    said = printed(capsys)
    assert f"{out}: tiny_vgg" in said and "float32, 2,244,330 parameters, 9.0 MB" in said
    with h5py.File(out) as file:
        assert file[first].shape == (3, 3, 3, 32)
        assert file.attrs["licence"] == "MIT" and file.attrs["test_accuracy"] > 0.88
    for parameter, converted in models.tiny_vgg(out).named_parameters():
        assert np.array_equal(converted.data, shipped[parameter].data)


def test_weights_converts_and_tells_it_to_programs(capsys, tmp_path):
    out = tmp_path / "half.h5"
    assert main(["weights", "convert", "tiny_vgg", "-o", str(out), "--dtype", "float16", "--json"]) == 0
    done = json.loads(capsys.readouterr().out)
    assert (done["network"], done["dtype"], done["size"]) == ("tiny_vgg", "float16", out.stat().st_size)
    assert main(["weights", "convert", "tiny_vgg", "-o", str(out), "--layout", "keras3"]) == 2
    assert ".weights.h5" in capsys.readouterr().err


def test_what_was_changed_while_weights_are_converted_is_told(capsys, tmp_path):
    theirs, out = tmp_path / "theirs.h5", tmp_path / "out.h5"
    assert main(["weights", "convert", "tiny_vgg", "-o", str(theirs), "--layout", "keras"]) == 0
    assert "note: " not in printed(capsys)
    with h5py.File(theirs, "r+") as file:
        file.attrs["backend"] = "theano"
    note = "kernels turned by 180°, as Theano has them, and turned back"
    assert main(["weights", "convert", str(theirs), "-o", str(out)]) == 0
    first, second = printed(capsys).splitlines()
    assert first == f"note: {note}" and second.startswith(f"{out}: tiny_vgg, ")
    assert main(["weights", "convert", str(theirs), "-o", str(out), "--json"]) == 0
    assert json.loads(printed(capsys))["notes"] == [note]


def test_enough_is_enough():
    """A reader that goes away, as `head` does, is no error to tell of."""
    command = [sys.executable, "-m", "minicnn", "weights", "list", "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait() == 0


@pytest.mark.parametrize("action", [["inspect"], ["convert", "-o", "out.h5"]])
def test_weights_refuses_what_is_no_weights(action, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MINICNN_WEIGHTS", str(tmp_path))
    Path("notes.h5").write_text("words")
    for weights, message in (("notes.h5", "notes.h5' is not HDF5"), ("vgg16", "minicnn weights fetch vgg16")):
        assert main(["weights", *action, weights]) == 2
        error = capsys.readouterr().err
        assert message in error and error.startswith("minicnn: ") and error.count("\n") == 1
    assert not Path("out.h5").exists()


def test_version_and_help():
    for options, expected in ((["--version"], f"minicnn {minicnn.__version__}"), (["--help"], "style")):
        run = subprocess.run([sys.executable, "-m", "minicnn", *options], capture_output=True, text=True, check=True)
        assert expected in run.stdout


# Without what a command needs


@pytest.mark.parametrize(
    ("command", "missing"),
    [
        *(([group], "ACTION") for group in ("face", "weights", "learn", "tutorial", "see")),
        (["--traceback"], "COMMAND"),
        (["step"], "SCRIPT.py"),
        (["learn", "use"], "FOLDER"),
        (["style"], "-o/--out"),
        (["train", "tiny_vgg"], "--data"),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(value),
)
def test_a_command_says_what_it_lacks(command, missing, capsys):
    with pytest.raises(SystemExit) as caught:
        main(command)
    assert caught.value.code == 2
    assert capsys.readouterr().err.endswith(f"the following arguments are required: {missing}\n")


def test_a_long_error_is_cut_to_one_line(capsys):
    with pytest.raises(SystemExit) as ended:
        minicnn.cli.parser().error("a\n" + "b" * 400)
    assert ended.value.code == 2
    assert capsys.readouterr().err == f"minicnn: command (see --help): a {'b' * 397}…\n"
    with pytest.raises(SystemExit):
        minicnn.cli.parser().error("b" * 400)
    assert capsys.readouterr().err == f"minicnn: command (see --help): {'b' * 400}\n"


def test_without_a_command_there_is_help(capsys):
    assert main([]) == 0
    assert capsys.readouterr().out.startswith("Usage: minicnn [-h]")

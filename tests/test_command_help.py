"""The help of every command: headings, wording, width, and examples that run."""

import io
import os
import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest

from minicnn import hdf5, images, models, zoo
from minicnn.cli import main, parser
from minicnn.style import estimate

HEADINGS = {"Arguments", "Options", "Commands", "Actions"}
HEADINGS |= {"Input and output", "Loss", "Regions", "Optimization", "Display", "Resources", "Recovery"}
HEADINGS |= {"Face selection", "Threshold"}
NO_VALUE_OR_ACTION = re.compile(r"(the|an?|of|what|how(?! to)|whether|where|who|which)\b", re.IGNORECASE)
TRANSLATED = re.compile(r"\b(alike|beside|lest|so many|made small|is no|are no|are none)\b")


def commands(found, words=()):
    """(words, parser) of every command and group of commands."""
    yield words, found
    for action in found._actions:
        if isinstance(action.choices, dict):
            for name, child in action.choices.items():
                yield from commands(child, (*words, name))


COMMANDS = list(commands(parser()))
LEAVES = [(words, found) for words, found in COMMANDS if found.get_default("run")]
EVERY = pytest.mark.parametrize(
    ("words", "found"), COMMANDS, ids=["-".join(words) or "minicnn" for words, _ in COMMANDS]
)


@EVERY
def test_help_is_headed_and_worded_as_in_other_tools(words, found):
    titles = {group.title for group in found._action_groups if group._group_actions}
    assert titles <= HEADINGS
    for action in found._actions:
        for row in getattr(action, "_choices_actions", [action]):  # of each command in a group
            assert row.help, f"{row.option_strings or row.dest} has no help"
            assert not NO_VALUE_OR_ACTION.match(row.help), row.help
            assert not TRANSLATED.search(row.help), row.help
            assert not row.help.endswith("."), row.help
    assert not TRANSLATED.search(f"{found.description} {found.epilog}")


@EVERY
def test_help_fits_a_terminal_and_ends_with_two_examples(words, found, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    lines = found.format_help().splitlines()
    assert lines[0].startswith(" ".join(["Usage: minicnn", *words]))
    assert max(map(len, lines)) <= 80
    if not words:
        assert len(lines) <= 24
        return
    assert lines[-3:] == ["Examples:", *(f"  {line}" for line in found.examples)]
    assert len(set(found.examples)) == 2
    below = {line for other, leaf in LEAVES if other[: len(words)] == words for line in leaf.examples}
    assert below >= set(found.examples)  # a group shows examples of its commands, which run below


# --- the examples ----------------------------------------------------------------------------------------------------

ELSEWHERE = {  # what runs long, with the tests that run it
    ("demo",): "test_cli.py",
    ("doctor",): "test_doctor.py",
    ("learn", "use"): "learn/test_own_engine.py",
    ("bench",): "benchmarks/test_bench.py",
    ("train",): "test_training.py",
    ("face", "train"): "faces/test_face_training.py",
    ("face", "follow"): "faces/test_following.py",
    ("tutorial", "html"): "lessons/test_notebooks_and_pages.py",
    ("tutorial", "notebook"): "lessons/test_notebooks_and_pages.py",
    ("weights", "fetch"): "test_zoo.py",
}
SMALL = {  # what makes the others quick: of an option that is given twice, the last counts
    ("style",): "--size 32 --steps 1 --levels 1",
    ("gradcheck",): "--seeds 1 --backend numpy",
    ("see", "story"): "--steps 0 --most 4",
    ("see", "patches"): "--most 4",
    ("see", "map"): "--most 8",
    ("see", "invert"): "--steps 1 --size 16",
    ("see", "maximize"): "--steps 1 --size 32",
    ("see", "style"): "--steps 1 --size 32",
}
SLOW = {("face", "why"), ("see",), ("gradcheck",)}  # whose second examples are left to .ci/run
NEED_A_DETECTOR = {("face", "detect"), ("face", "blur"), ("face", "follow")}
DRAWN = {"enroll", "verify", "identify", "calibrate", "evaluate", "cluster", "follow", "why", "blur"}
DRAWN |= {"encode", "search"}


def examples():
    """(command, line) of every example."""
    for words, found in LEAVES:
        for number, line in enumerate(found.examples):
            slow = number == 1 and (words in SLOW or words[:1] in SLOW)
            yield pytest.param(words, line, id=line, marks=[pytest.mark.thorough] if slow else [])


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """The files that the examples name."""
    root = tmp_path_factory.mktemp("examples")
    random = np.random.default_rng(0)
    for name in ("photo.jpg", "painting.png", "window.png", "party.jpg", "visitor.jpg", "ada1.jpg", "ada2.jpg"):
        images.save(root / name, images.resize(random.random((6, 6, 3)), 64, 64))
    images.save(root / "bo1.jpg", random.random((64, 64, 3)))
    for person in ("Ada", "Bo", "Cy", "Di"):
        (root / "people" / person).mkdir(parents=True)
        picture = images.resize(random.random((6, 6, 3)), 64, 64)
        for number in (1, 2):
            images.save(root / "people" / person / f"{person}_{number:04}.jpg", picture * (1 - number / 20))
    shutil.copytree(root / "people", root / "lfw")
    pairs = ["2\t1", "Ada\t1\t2", "Ada\t1\tBo\t1", "Cy\t1\t2", "Cy\t1\tDi\t1"]
    (root / "lfw" / "pairs.txt").write_text("\n".join(pairs) + "\n", encoding="utf-8")
    (root / "album").mkdir()
    for name in ("photo.jpg", "party.jpg", "visitor.jpg"):
        shutil.copy(root / name, root / "album" / name)
    (root / "pictures.txt").write_text("photo.jpg\nbo1.jpg\n", encoding="utf-8")
    assert main(["face", "encode", str(root / "album"), "-o", str(root / "collection"), "--drawn"]) == 0
    hdf5.save(models.tiny_vgg(), root / "net.h5")
    for name in ("script.py", "changed.py"):
        (root / name).write_text("import minicnn\nminicnn.Tensor([1.0]) * 2\n", encoding="utf-8")
    (root / "submissions").mkdir()
    (root / "submissions" / "ada.py").write_text("def gram_matrix(A):\n    return A @ A.T\n", encoding="utf-8")
    hidden = 'CASES = {"gram_matrix": [Case("ones", lambda: [Tensor(np.ones((2, 2)), requires_grad=True)])]}\n'
    imports = "import numpy as np\nfrom minicnn import Tensor\nfrom minicnn.learn.exercise import Case\n"
    (root / "cases.py").write_text(imports + hidden, encoding="utf-8")
    assert main(["face", "enroll", str(root / "gallery.h5"), str(root / "people"), "--drawn", "--any-quality"]) == 0
    return root


@pytest.fixture
def here(template, tmp_path, monkeypatch):
    shutil.copytree(template, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MINICNN_LEARN", str(tmp_path / "learn"))
    monkeypatch.setattr("sys.stdin", io.StringIO("quit\n"))
    monkeypatch.setattr(estimate, "_seconds_of_a_step", lambda *_: (0.1, (32, 32)))


@pytest.mark.parametrize(("command", "line"), list(examples()))
def test_an_example_runs(command, line, here, monkeypatch, capsys):
    given = shlex.split(line)
    while "=" in given[0]:
        monkeypatch.setenv(*given.pop(0).split("=", 1))
    assert given.pop(0) == "minicnn" and tuple(given[: len(command)]) == command
    given += SMALL.get(command, "").split()
    if command[0] == "face" and command[1] in DRAWN:
        given += ["--drawn"]
    chosen = parser().parse_args(given)
    assert callable(chosen.run)
    if command in ELSEWHERE:
        assert Path(__file__).with_name(ELSEWHERE[command].partition("/")[0]).exists()
        return
    if (command in NEED_A_DETECTOR or getattr(chosen, "face", None)) and zoo.here(zoo.find("mtcnn")) is None:
        pytest.skip("needs a face detector, which pip install '.[faces]' adds")
    if command == ("learn", "check"):
        assert main(["learn", "start", "gram_matrix", "--to", chosen.file or "gram_matrix.py"]) == 0
    status = main(given)
    seen = capsys.readouterr()
    assert status in (0, 1, 3), seen.err
    if out := getattr(chosen, "out", None):
        assert os.path.exists(out)

"""The manual: its blocks run, its commands are ones that minicnn takes, and what it shows is what is printed.

A block of Python runs in a namespace of its own, and a block of text right below it is what it prints. In a console
block, `$` begins a command that runs; the lines below are what it says. A line that ends in … matches by its beginning,
and a line … matches any number of lines.
"""

import contextlib
import io
import re
import shlex
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import minicnn
from minicnn import backend, images
from minicnn.cli import main, parser
from minicnn.files import material
from minicnn.lessons import manual

ROOT = Path(__file__).resolve().parents[2]
PAGES = manual.sources()
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:)([^)#\s]+)(?:#([^)\s]+))?\)")
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
DRAWS = pytest.mark.thorough  # faces, which takes seconds; the README's gallery runs by default
WITH_PYTHON = [pytest.param(page, id=page.stem, marks=DRAWS if page.stem == "faces" else ()) for page in PAGES]
TINY = ["--size", "32", "--steps", "1", "--levels", "1"]
OF_THE_SHELL = ("pip", "export", "cd", "git", "python", "jupyter", "bash", "pytest")


def blocks(page):
    return [(found[1], found[2]) for found in BLOCK.finditer(page.read_text(encoding="utf-8"))]


def commands(text):
    """Return the commands of a shell block as words, without comments and what follows && or >."""
    found = []
    for line in text.replace("\\\n", " ").splitlines():
        words = shlex.split(line.split(" && ")[0].split(" > ")[0], comments=True)
        found += [words] if words else []
    return found


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """A folder with the pictures that the manual names, the readable backend, and progress of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MINICNN_LEARN", str(tmp_path / "learn"))
    picture = np.random.default_rng(0).random((40, 48, 3), np.float32)
    half = np.zeros((40, 48))
    half[:, :24] = 1
    for name in ("photo.jpg", "painting.png", "window.png"):
        images.save(name, picture)
    images.save("sky.png", half)
    images.save("small.png", half[:20])
    images.save("regions.png", np.stack([half, 0 * half, 1 - half], axis=-1))
    Path("photographs").mkdir()
    images.save("photographs/one.png", picture)
    Path("notes.txt").write_text("no picture", encoding="utf-8")
    Path("other.json").write_text("{}", encoding="utf-8")
    with backend.use_backend("numpy"):
        yield tmp_path


def matches(said, shown):
    """Return True if the lines said are those shown, in which … stands for what is left out."""
    lines = (re.escape(line).replace("…", "[^\n]*") + "\n" for line in shown.splitlines())
    pattern = "".join("(?:[^\n]*\n)*" if line == "[^\n]*\n" else line for line in lines)
    return re.fullmatch(pattern, said.rstrip("\n") + "\n") is not None


def run(words):
    """Run a command in this process. Return what it says on both streams."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said), contextlib.suppress(SystemExit):
        main(words)
    return said.getvalue()


def test_the_contents_name_every_page_once():
    assert len(PAGES) > 10 and {path.name for path in PAGES} == {
        path.name for path in manual.sources()[0].parent.glob("*.md")
    }


@each_page
def test_a_page_is_short_and_has_one_title(page):
    lines = page.read_text(encoding="utf-8").splitlines()
    long = page.stem == "gradient_checks"  # a table of all planted bugs
    assert (len(lines) <= 120 or long) and lines[0].startswith("# ")
    text = re.sub(BLOCK, "", "\n".join(lines))
    assert len(re.findall(r"^# ", text, re.MULTILINE)) == 1 and "```" not in text


@each_page
def test_its_links_lead_somewhere(page):
    for path, anchor in LINK.findall(page.read_text(encoding="utf-8")):
        target = ROOT / "tutorials" / "manual" / path  # where the sources lie, also when an installed copy is tested
        assert target.exists(), path
        if anchor:
            headings = re.findall(r"^#+ +(.+)$", target.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.fixture(scope="module")
def of_minicnn():
    return parser()


@each_page
def test_its_commands_are_ones_that_minicnn_takes(page, of_minicnn, capsys):
    for language, text in blocks(page):
        assert language in ("bash", "console", "python", "text"), language
        for words in commands(text) if language == "bash" else []:
            assert words[0] in ("minicnn", *OF_THE_SHELL), words
            if words[0] == "minicnn":
                try:
                    of_minicnn.parse_args(words[1:])
                except SystemExit as stopped:
                    assert not stopped.code, f"{shlex.join(words)}: {capsys.readouterr().err}"


@pytest.mark.parametrize("page", WITH_PYTHON)
def test_its_python_runs_and_prints_what_is_shown(page, desk):
    found = [*blocks(page), ("", "")]
    for (language, code), (below, shown) in pairwise(found):
        if language == "python":
            said = io.StringIO()
            (desk / "block.py").write_text(code, encoding="utf-8")
            with contextlib.redirect_stdout(said), backend.use_backend("numpy"):
                exec(compile(code, str(desk / "block.py"), "exec"), {"__name__": "__main__"})
            assert below != "text" or matches(said.getvalue(), shown), (
                f"{page.name} shows another output:\n{said.getvalue()}"
            )


@each_page
def test_its_console_says_what_is_shown(page, desk):
    for language, text in blocks(page):
        for command in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:] if language == "console" else []:
            first, _, shown = command.partition("\n")
            words = shlex.split(first)
            assert words[0] == "minicnn"
            said = run(words[1:])
            assert matches(said, shown), f"{page.name}: {first} says\n{said}"


def parts_of_messages():
    """Return every part of a message in the tables of the page on messages."""
    cells = re.findall(
        r"^\| `([^`]+)` \|", manual.sources()[0].with_name("messages.md").read_text("utf-8"), re.MULTILINE
    )
    return [part.strip("; ") for cell in cells for part in cell.split("…") if len(part.strip("; (")) > 3]


def test_every_message_with_a_remedy_is_in_the_program():
    places = Path(minicnn.__file__).parent, material("tutorials") / "site", material("tutorials") / "player"
    sources = (path.read_text(encoding="utf-8") for place in places for path in place.rglob("*.py"))
    said = re.sub(r'"\s*f?"', "", "\n".join(sources))  # texts that go on in the next line
    parts = parts_of_messages()
    assert len(parts) > 50
    assert [part for part in parts if part not in said] == []


def test_what_is_left_out_matches_and_nothing_else():
    assert matches("a\nb\nc\n", "a\n…\nc") and matches("a 12 s\nb\n", "a … s\nb") and matches("a\n", "a\n…")
    assert not matches("a\nb\n", "a") and not matches("a\nb\n", "a\nc") and not matches("a\nx\nd\n", "a\n…\nc")


@pytest.mark.thorough
@pytest.mark.timeout(1200)
@each_page
def test_its_style_and_see_commands_run_at_tiny_sizes(page, desk):
    """Those that need no more than what is shipped, drawn and on the desk."""
    if page.stem == "style":
        pytest.skip("takes minutes; tests/style runs these commands, and the page is parsed")
    for words in (words for language, text in blocks(page) if language == "bash" for words in commands(text)):
        given = [word for word in words if re.search(r"\.(jpg|png|json|h5|tar|py)$", word)]
        known = [
            word for word in given if Path(word).exists() or words[words.index(word) - 1] in ("-o", "--plot", "--gif")
        ]
        if (
            words[1:2] in (["style"], ["see"])
            and given == known
            and "squeezenet" not in words
            and not {"cuda", "--list-presets"} & {*words}
        ):
            tiny = TINY if words[1] == "style" and "--from" not in words else []
            with backend.use_backend("numba"):  # some look at hundreds of faces
                assert main([*words[1:], *tiny]) in (0, 1), shlex.join(words)

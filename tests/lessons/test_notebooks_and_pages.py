"""Notebooks and the site: cells and tags arrive, answers are folded, and a browser finds nothing wrong."""

import base64
import contextlib
import html.parser
import io
import json
import os
import re
import signal
import sys
import threading
import time

import pytest

pytest.importorskip("jupytext", reason="needs jupytext, of the extra teach")

from minicnn import files, lessons
from minicnn.cli import main
from minicnn.lessons import manual, notebooks, pages, tasks, teaching

LESSON = """# %% [markdown]
# # Lesson 1: dots
#
# How *many* dots are there? <b>& so on</b>

# %%
import matplotlib.pyplot as plt
dots = [1, 2]

# %% [markdown]
# ## Count
# Before you look: how many?

# %% tags=["predict"]
import time
print("counting", flush=True)
time.sleep(0.4)
print(len(dots), "dots & < more")

# %% [markdown] tags=["answer"]
# Two.

# %% tags=["answer"]
plt.plot(dots)
plt.savefig("two_dots.png")
plt.show()

# %% [markdown]
# **You write** it.

# %% tags=["hole"] minutes=1
def double(x):
    "Return twice x."
    return 2 * x

# %% tags=["check"]
assert double(2) == 4, "double gives another number"
print("double is right")

# %% [markdown]
# ## Next
#
# | a | b |
# |---|---|
# | 1 | 2 |

# %%
dots

# %%
from IPython.display import Markdown
Markdown("| so | many |\\n|---|---|\\n| one | *three* |")

# %% [markdown]
# Next: `02_broken.py`. Or again: `01_dots.py`, and `dots.py`.
"""


@pytest.fixture
def school(tmp_path, monkeypatch):
    """A package with two lessons of its own: one runs, one does not."""
    folder = tmp_path / "minicnn" / "shipped" / "tutorials"
    folder.mkdir(parents=True)
    (folder / "01_dots.py").write_text(LESSON, encoding="utf-8")
    broken = '# %% [markdown]\n# # Lesson 2: broken\n#\n# Alas.\n\n# %%\nx = 1\nassert x == 2, "not two"\n'
    (folder / "02_broken.py").write_text(broken, encoding="utf-8")
    monkeypatch.setattr(files, "PACKAGE", tmp_path / "minicnn")
    monkeypatch.setattr(pages, "LECTURES", (lessons.Row("Dots", ("dots",), "two_dots", "demo", ("count",)),))
    monkeypatch.setattr(pages, "ENGINE", ())
    way = lessons.Way("For dots", "You like dots.", (lessons.Stage("dots", "count", 5), lessons.Stage("", "rest", 4)))
    monkeypatch.setattr(pages, "PATHS", (way,))
    return tmp_path


def test_a_notebook_has_the_cells_and_hides_the_answers(school, capsys):
    assert main(["tutorial", "notebook", "dots", "--to", str(school / "made")]) == 0
    path = school / "made" / "01_dots.ipynb"
    assert str(path) in capsys.readouterr().out
    notebook = json.loads(path.read_text(encoding="utf-8"))
    assert notebook["nbformat"] == 4 and notebook["metadata"]["kernelspec"]["name"] == "python3"
    cells = notebook["cells"]
    assert [c["cell_type"][0] for c in cells] == list("mcmccmccmcmcmccm")
    assert [c["metadata"].get("jupyter") for c in cells[2:8]] == [
        *(None, None, {"outputs_hidden": True}),
        *[{"source_hidden": True, "outputs_hidden": True}] * 2,
        None,
    ]
    before, after = ("".join(cells[at]["source"]) for at in (3, 7))
    assert before.startswith('my_prediction = ""  # what do you expect?')  # it stays in the reader's own notebook
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(after, {"my_prediction": "three"})
        exec(after, {"my_prediction": ""})
    assert printed.getvalue() == "You predicted: three\n"
    hole, solution, check = ("".join(cell["source"]) for cell in cells[9:12])
    assert "double is yet to be written" in hole and "return 2 * x" not in hole and check.startswith("assert double")
    assert solution.startswith("<details><summary>A solution") and "    return 2 * x\n```" in solution
    assert not any(c.get("outputs") for c in cells)
    before = path.read_bytes()
    assert main(["tutorial", "notebook", "dots", "--to", str(school / "made")]) == 2  # it may hold somebody's work
    assert "is there already" in capsys.readouterr().err and path.read_bytes() == before


def test_a_folder_that_cannot_be_made(school, capsys):
    (school / "file").write_text("", encoding="utf-8")
    for action in ("notebook", "html"):
        assert main(["tutorial", action, "dots", "--to", str(school / "file")]) == 2
        assert "cannot be made a folder" in capsys.readouterr().err


def test_a_notebook_that_cannot_be_written(school, capsys, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(notebooks, "replace_file", full)
    assert main(["tutorial", "notebook", "dots", "--to", str(school / "made")]) == 2
    assert "01_dots.ipynb cannot be written (No space left on device)" in capsys.readouterr().err


class Reader(html.parser.HTMLParser):
    """What stands in a page, and how deep in folds."""

    def __init__(self, text):
        super().__init__()
        self.depth, self.seen, self.links, self.pictures, self.ids = 0, [], [], [], set()
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        facts = dict(attributes)
        self.depth += tag == "details"
        self.links += [facts["href"]] if "href" in facts else []
        self.pictures += [(facts, self.depth)] if tag == "img" else []
        self.ids |= {facts["id"]} if "id" in facts else set()

    def handle_endtag(self, tag):
        self.depth -= tag == "details"

    def handle_data(self, data):
        self.seen.append((data, self.depth))

    def depth_of(self, text):
        (depth,) = {depth for data, depth in self.seen if text in data}
        return depth


def broken_links(folder):
    """(page, link) of links that lead nowhere, or away."""
    pages = {path.resolve(): Reader(path.read_text(encoding="utf-8")) for path in folder.rglob("*.html")}
    found = []
    for path, page in pages.items():
        for link in page.links:
            to, _, anchor = link.partition("#")
            target = pages.get((path.parent / to).resolve() if to else path)
            if not link.startswith("data:") and (target is None or (anchor and anchor not in target.ids)):
                found.append((path.name, link))
    return found


def test_the_manual_is_made_without_lessons_and_names_what_is_missing(tmp_path, capsys, monkeypatch):
    pytest.importorskip("nbconvert", reason="needs nbconvert, of the extra teach")
    pytest.importorskip("nbclient", reason="needs nbclient, of the extra teach")
    pytest.importorskip("ipykernel", reason="needs ipykernel, of the extra teach")
    monkeypatch.setattr(pages.importlib.util, "find_spec", lambda name: None)  # no pdoc
    site = tmp_path / "site"
    assert main(["tutorial", "html", "manual", "--to", str(site)]) == 0
    told = capsys.readouterr()
    assert told.err == "minicnn: tutorial html: no API reference without pdoc: pip install pdoc\n"
    assert told.out.endswith(f"open {site / 'manual.html'}\n")
    files = [page.file for group in (manual.pages(), tasks.pages(), teaching.pages()) for page in group]
    assert {path.name for path in site.iterdir()} == {"index.html", *files} and len(files) > 60
    assert broken_links(site) == []
    engine = Reader((site / "manual_engine.html").read_text(encoding="utf-8"))
    solved = (lessons.folder() / "engine" / "solved.py").read_text(encoding="utf-8")
    assert "".join(solved.split()) in "".join("".join(text for text, _ in engine.seen).split())
    page = Reader((site / "manual_style.html").read_text(encoding="utf-8"))
    assert {"manual.html", "index.html", "manual_pictures.html"} <= {*page.links} and "api/index.html" not in page.links
    assert any("Recipes" in text for text, _ in page.seen) and "recipes" in {name.lower() for name in page.ids}


def test_a_kernel_that_does_not_start_is_told_in_a_line(school, capsys, monkeypatch):
    nbclient = pytest.importorskip("nbclient", reason="needs nbclient, of the extra teach")
    pytest.importorskip("ipykernel", reason="needs ipykernel, of the extra teach")

    async def execute(client, **_):
        raise RuntimeError("Kernel didn't respond")

    monkeypatch.setattr(nbclient.NotebookClient, "async_execute", execute)
    assert main(["tutorial", "html", "--to", str(school / "site")]) == 1
    told = capsys.readouterr().err.splitlines()
    assert [line for line in told if "dots" in line] == [
        "minicnn: tutorial: 01_dots has no kernel to run in: Kernel didn't respond"
    ]


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("CellExecutionError", "ValueError: not two"),
        ("CellTimeoutError", "still running after 600 s"),
        ("DeadKernelError", "its process ended"),
    ],
)
def test_the_cell_that_fails_is_told_in_a_line(school, capsys, monkeypatch, kind, said):
    nbclient = pytest.importorskip("nbclient", reason="needs nbclient, of the extra teach")
    errors = pytest.importorskip("nbclient.exceptions", reason="needs nbclient, of the extra teach")
    arguments = ("a trace", "ValueError", "not\ntwo") if kind == "CellExecutionError" else ("",)

    async def execute(client, **_):
        client.on_cell_start(cell=None, cell_index=1)
        raise getattr(errors, kind)(*arguments)

    monkeypatch.setattr(nbclient.NotebookClient, "async_execute", execute)
    assert main(["tutorial", "notebook", "broken", "--run", "--to", str(school / "made")]) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert line == f"minicnn: tutorial: 02_broken failed in cell 2, which begins 'x = 1': {said}"
    assert not list((school / "made").iterdir())


@pytest.mark.thorough  # starts a kernel
@pytest.mark.timeout(300)
@pytest.mark.skipif(sys.platform == "win32", reason="a signal to oneself is something else there")
def test_ctrl_c_ends_the_site_and_not_one_lesson(school, capsys):
    pytest.importorskip("ipykernel", reason="needs ipykernel, of the extra teach")
    begun = school / "begun"
    for path in (school / "minicnn" / "shipped" / "tutorials").glob("*.py"):
        cell = f"import pathlib, time\npathlib.Path({str(begun)!r}).touch()\ntime.sleep(200)\n"
        path.write_text(
            f"# %% [markdown]\n# # Lesson {path.stem[1]}: long\n#\n# Very.\n\n# %%\n{cell}", encoding="utf-8"
        )

    def press():
        while not begun.exists():
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=press, daemon=True).start()
    assert main(["tutorial", "html", "--to", str(school / "site")]) == 130
    told = capsys.readouterr().err
    assert "interrupted" in told and "failed" not in told


@pytest.mark.thorough  # starts kernels
@pytest.mark.timeout(300)
def test_a_site_is_made_and_what_fails_is_named(school, capsys):
    pytest.importorskip("ipykernel", reason="needs ipykernel, of the extra teach")
    from PIL import Image

    assert main(["tutorial", "html", "--to", str(school / "site")]) == 1
    told = capsys.readouterr()
    assert "02_broken failed in cell 2, which begins 'x = 1': AssertionError: not two" in told.err
    assert "1 of 2 lessons" in told.out
    site = school / "site"
    assert {path.name for path in site.iterdir()} - {"api"} == {"index.html", "01_dots.html"}
    text = (site / "01_dots.html").read_text(encoding="utf-8")
    page = Reader(text)
    assert page.depth == 0
    assert page.depth_of("counting\n2 dots & < more\n") == 1 and page.depth_of("Two.") == 1  # one fold for neighbours
    assert page.depth_of("Before you look") == 0 and page.depth_of("[1, 2]") == 0
    assert page.depth_of("is yet to be written") == 0 and page.depth_of("double is right\n") == 0
    assert page.depth_of("another number") == 1 and text.index("A solution. Write yours") < text.index(">The check<")
    assert ("three", 0) in page.seen and page.depth_of("Markdown") == 1  # a table, and what made it
    ((picture, depth),) = page.pictures
    assert depth == 1 and picture["alt"] == "two dots"
    image = Image.open(io.BytesIO(base64.b64decode(picture["src"].partition(",")[2])))
    assert image.width > 1.5 * int(picture["width"])  # dots enough for a projector
    assert not re.search(r"""(src|href)=["'](https?:)?//""", text)
    index = (site / "index.html").read_text(encoding="utf-8")
    assert "How <em>many</em> dots" in index and "02_broken.html" not in index and "minicnn demo" in index
    assert broken_links(site) == [] and "01_dots.html#two_dots" in Reader(index).links
    assert page.links.count("01_dots.html") == 1 and "02_broken.html" not in page.links  # the page that there is
    assert not list(school.glob("**/two_dots.png"))  # what lessons write goes with them


@pytest.mark.thorough  # starts a kernel
@pytest.mark.timeout(300)
def test_a_prediction_stays_in_the_browser_beside_the_answer(school, browser, capsys):
    pytest.importorskip("ipykernel", reason="needs ipykernel, of the extra teach")
    assert main(["tutorial", "html", "dots", "--to", str(school / "site")]) == 0, capsys.readouterr().err
    page, field = school / "site" / "01_dots.html", "document.querySelector('.prediction textarea')"
    browser.open(page)
    assert browser.run("document.querySelectorAll('.prediction:not([hidden])').length") == 1  # one fold, one prediction
    assert browser.text(".prediction span") == "Your prediction" and not browser.run(f"{field}.readOnly")
    browser.run(f"{field}.value = 'three'; {field}.dispatchEvent(new Event('input'))")
    browser.open(page)  # another time
    assert browser.run(f"{field}.value") == "three"
    browser.click("#answers")
    browser.run("new Promise(requestAnimationFrame)")
    assert browser.run(f"{field}.readOnly") and browser.text(".prediction span") == "You predicted"
    assert browser.run("document.querySelectorAll('.solution[open]').length") == 0  # answers are not solutions
    browser.open(school / "site" / "index.html")
    assert "For dots: 9 minutes" in browser.text("main")
    assert browser.complaints() == []


@pytest.mark.thorough
@pytest.mark.timeout(1800)
def test_the_whole_site_without_a_network_in_a_browser(tmp_path, browser, capsys):
    """On a desktop, a phone and in the dark: nothing is complained of, asked for or wider than the window."""
    pytest.importorskip("ipykernel", reason="needs ipykernel, of the extra teach")
    site = tmp_path / "site"
    assert main(["tutorial", "html", "--to", str(site)]) == 0, capsys.readouterr().err
    assert broken_links(site) == []
    pages = sorted(site.rglob("*.html"))
    others = len(manual.pages()) + len(tasks.pages()) + len(teaching.pages())
    assert len([*site.glob("*.html")]) == len(lessons.lessons()) + 1 + others
    assert max(page.stat().st_size for page in pages) < 3_000_000
    index = Reader((site / "index.html").read_text(encoding="utf-8"))
    assert len(index.pictures) == len(lessons.lessons())  # one on every card
    for page in pages:
        for width, dark in ((1280, False), (390, False), (1280, True)):
            browser.open(page, width, 900, dark=dark)
            assert browser.complaints() == [], page.name
            assert browser.run("document.documentElement.scrollWidth") <= width, page.name
            shown = "[...document.querySelectorAll('img[src]')]"  # the one that zooms has no picture yet
            decoded = "(i.loading = 'eager', i.decode().then(() => 0, () => 1))"  # some wait until they are seen
            broken = f"Promise.all({shown}.map(i => {decoded})).then(found => found.filter(Boolean).length)"
            assert browser.run(broken) == 0, page.name
        light = browser.run("getComputedStyle(document.body).backgroundColor")
        assert light == "rgb(22, 23, 27)"  # it is dark now
    with_answers = [page for page in pages if "<button" in page.read_text(encoding="utf-8")]
    assert with_answers
    browser.open(with_answers[0])
    closed = "document.querySelectorAll('main > details:not(.contents):not([open])').length"
    assert browser.run(closed) > 0
    browser.click("#answers")
    assert browser.run(closed) == 0 and browser.text("#answers") == "Hide the answers"

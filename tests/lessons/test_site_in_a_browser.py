"""The site in a browser: figures zoom, Back goes back, a sheet becomes a handout, and axe-core is content."""

import base64
import io
from types import SimpleNamespace

import pytest

pytest.importorskip("jupytext", reason="needs jupytext, of the extra teach")
pytest.importorskip("nbconvert", reason="needs nbconvert, of the extra teach")
pytest.importorskip("nbclient", reason="needs nbclient, of the extra teach")
pytest.importorskip("ipykernel", reason="needs ipykernel, of the extra teach")
pytest.importorskip("latex2mathml", reason="needs latex2mathml, of the extra teach")

from PIL import Image

from minicnn.cli import main
from minicnn.lessons import pages

LESSON = """# %% [markdown]
# # Lesson 1: dots
#
# How many dots? $$n = \\frac{1}{2} + \\sum_k x_k$$

# %%
dots = [1, 2]

fig, ax = plt.subplots()
ax.plot(dots)
fig.savefig("two_dots.png")
plt.show()

# %% [markdown]
# Before you look: how many?

# %% tags=["predict"]
print(len(dots))

# %% [markdown] tags=["answer"]
# Two.
"""
ZOOMED = "document.querySelector('dialog').open"


@pytest.fixture
def lesson(tmp_path):
    """The page of a lesson, made without running it: one cell shows a figure, one prints."""
    import jupytext
    from nbformat.v4 import new_output

    shelved = SimpleNamespace(name="01_dots", number=1, topic="dots", title="Dots", source=LESSON, about="Dots.")
    notebook = jupytext.reads(LESSON, fmt="py:percent")
    pages._typeset(shelved, notebook)
    Image.new("RGB", (2000, 500), (0, 90, 180)).save(file := io.BytesIO(), "PNG")
    data = {"image/png": base64.b64encode(file.getvalue()).decode(), "text/plain": "<Figure>"}
    size = {"image/png": {"width": 1000, "height": 250}}
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    code[0].outputs = [new_output("display_data", data=data, metadata=size)]
    code[1].outputs = [new_output("stream", name="stdout", text="2\n")]
    exporter = pages._exporter()
    exporter.environment.globals["site"] = {"exercises": [], "manual": [], "teaching": [], "reference": False}
    path = tmp_path / "01_dots.html"
    path.write_text(pages._page(exporter, shelved, notebook, [shelved]), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site without lessons and without the reference."""
    folder = tmp_path_factory.mktemp("site")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pages.importlib.util, "find_spec", lambda name: None)  # no pdoc
        assert main(["tutorial", "html", "manual", "--to", str(folder)]) == 0
    return folder


def test_a_figure_becomes_large_and_back_makes_it_small(browser, lesson):
    browser.open(lesson, 390, 800)
    assert browser.run("document.querySelector('figure').scrollWidth > innerWidth")  # legible on a phone
    browser.click(".zoom img")
    assert browser.run(ZOOMED)
    browser.run("new Promise((done) => { addEventListener('popstate', () => done(0)); history.back(); })")
    assert not browser.run(ZOOMED) and browser.run("location.pathname").endswith("01_dots.html")
    browser.click(".zoom img")
    browser.run("new Promise((done) => { addEventListener('popstate', () => done(0)); large.close(); })")
    assert not browser.run(ZOOMED) and browser.run("history.state?.zoomed === undefined")
    assert browser.complaints() == []


def test_folds_stay_open_when_the_reader_comes_back(browser, lesson):
    browser.open(lesson)
    fold = "document.querySelector('main > details').open"
    assert not browser.run(fold) and not browser.run("document.querySelector('.code details').open")
    browser.click("main > details > summary")
    assert browser.run("new Promise((done) => setTimeout(() => done(history.state.open.length)))") == 1
    other = lesson.with_name("other.html")
    other.write_text("<title>elsewhere</title>", encoding="utf-8")
    browser.call("Page.navigate", url=other.as_uri())
    while browser.run("document.title") != "elsewhere":
        pass
    browser.run("history.back()")
    while browser.run("document.title") == "elsewhere" or browser.run("document.readyState") != "complete":
        pass
    assert browser.run(fold)


def test_formulas_have_a_size_and_nothing_is_wider_than_a_phone(browser, lesson):
    browser.open(lesson, 390, 800)
    wide, high = browser.run(
        "(({width, height}) => [width, height])(document.querySelector('math').getBoundingClientRect())"
    )
    assert wide > 60 and high > 25  # a fraction is higher than a line
    assert browser.run("document.documentElement.scrollWidth") <= 390


def test_on_paper_folds_are_open_and_all_is_light(browser, lesson):
    browser.open(lesson, 1280, 900, dark=True)
    browser.call("Emulation.setEmulatedMedia", media="print", features=[])
    try:
        assert browser.run("getComputedStyle(document.querySelector('nav.top')).display") == "none"
        assert browser.run("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        assert browser.run(
            "document.querySelector('main > details section').checkVisibility({contentVisibilityAuto: true})"
        )
    finally:
        browser.call("Emulation.setEmulatedMedia", media="", features=[])


def test_a_sheet_for_the_teacher_becomes_a_handout(browser, site):
    browser.open(site / "teaching_06_triplets.html")
    assert "Listen for" in browser.text("main") and "Misconceptions" in browser.text("main")
    browser.click("#handout")
    seen = browser.text("main")
    assert "The maximum stands outside the sum. What goes wrong?" in seen and "misery" not in seen
    assert "Misconceptions" not in seen and "Goals" not in seen and "Why:" not in seen
    browser.click("#handout")
    assert "misery" in browser.text("main") and browser.complaints() == []


@pytest.mark.parametrize("width, dark", [(1280, False), (390, True)])
def test_axe_finds_nothing_serious_in_a_lesson(browser, axe, lesson, width, dark):
    browser.open(lesson, width, 900, dark=dark)
    browser.run("document.querySelectorAll('details').forEach((fold) => { fold.open = true; })")
    assert axe() == []


@pytest.mark.thorough
@pytest.mark.timeout(900)
def test_axe_finds_nothing_serious_on_the_other_pages(browser, axe, site):
    for page in sorted(site.glob("*.html")):
        for width, dark in ((1280, False), (390, True)):
            browser.open(page, width, 900, dark=dark)
            assert axe() == [], page.name
            assert browser.run("document.documentElement.scrollWidth") <= width, page.name

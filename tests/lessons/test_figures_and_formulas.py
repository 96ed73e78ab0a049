"""Figures have texts for those who cannot see them, formulas are typeset, and drawing code is told from the rest."""

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from minicnn import lessons
from minicnn.errors import InputError
from minicnn.lessons import figures, formulas

SAVED = re.compile(r"""(?:savefig|show)\((?:[^#]*?)["']([\w-]+)\.png["']""")
each_lesson = pytest.mark.parametrize("lesson", lessons.lessons(), ids=lambda lesson: lesson.name)


@each_lesson
def test_what_is_seen_in_every_figure_is_said(lesson):
    cells = re.split(r"^# %%", lesson.source, flags=re.MULTILINE)
    saved = [name for cell in cells for name in SAVED.findall(cell)]
    told = figures.descriptions(lesson.name)
    assert saved and {*saved} == {*told}, "tutorials/figures.toml and the lesson name different figures"
    for name, text in told.items():
        assert 60 < len(text) < 500 and text.endswith("."), name


@each_lesson
def test_formulas_of_lessons_are_typeset(lesson):
    pytest.importorskip("latex2mathml", reason="needs latex2mathml, of the extra teach")
    _, *cells = re.split(r"^# %%", lesson.source, flags=re.MULTILINE)
    texts = [re.sub(r"^# ?", "", cell, flags=re.MULTILINE) for cell in cells if cell.startswith(" [markdown]")]
    found = "".join(map(formulas.typeset, texts))
    assert found.count("<math") == sum(len(re.findall(r"\$\$?[^$]+\$\$?", text)) for text in texts)
    prose = re.sub(r"```.*?```|`[^`]*`|^ {4}[^\n]*$", "", found, flags=re.DOTALL | re.MULTILINE)
    assert not re.search(r"\$|\\[a-z]", prose)


@pytest.mark.parametrize("latex", [r"\sqroot{2}", r"\begin{aligned} a &= b \end{aligned}", r"x \foo"])
def test_a_formula_that_cannot_be_typeset_is_refused(latex):
    pytest.importorskip("latex2mathml", reason="needs latex2mathml, of the extra teach")
    with pytest.raises(InputError, match="cannot be typeset"):
        formulas.mathml(latex)


@each_lesson
def test_formulas_of_lessons_can_be_read_in_a_terminal(lesson):
    _, *cells = re.split(r"^# %%", lesson.source, flags=re.MULTILINE)
    for cell in cells:
        for found in formulas.FORMULA.finditer(re.sub(r"^# ?", "", cell, flags=re.MULTILINE)):
            if not found["code"] and cell.startswith(" [markdown]"):
                assert not re.search(r"[\\${}&]", formulas.plain(found["latex"])), found["latex"]


@pytest.mark.parametrize(
    "latex, text",
    [
        (r"y = \frac{x}{1 + |x|} \qquad \hat y = x^{-z}", "y = x / (1 + |x|)    ŷ = x^(−z)"),
        (r"\frac{\partial L}{\partial w_{k, c}} = \sum_k x_0^2", "∂L / (∂w[k, c]) = Σ_k x₀²"),
        (r"\begin{align*} a &= b & 1 \\ c &= \sqrt{\sigma^2} & 2 \end{align*}", "a = b    1\nc = √(σ²)    2"),
        (r"\begin{bmatrix} a & 0 \\ b & \text{no d} \end{bmatrix}", "[a 0 ; b no d]"),
    ],
)
def test_a_formula_as_plain_text(latex, text):
    assert formulas.plain(latex) == text
    assert formulas.readable(f"So $${latex}$$") == "So     " + text.replace("\n", "\n    ")
    assert formulas.readable(f"So ${latex}$, `$x$`.") == f"So {text}, `$x$`."


def test_formulas_stand_in_the_text_and_code_is_left_alone():
    pytest.importorskip("latex2mathml", reason="needs latex2mathml, of the extra teach")
    text = "Take $x^2$ and `$HOME`.\n\n    $ minicnn demo\n\n$$\\begin{align*} a &= b \\end{align*}$$\n"
    made = formulas.typeset(text)
    assert made.count("<math") == 2 and "`$HOME`" in made and "    $ minicnn demo\n" in made
    assert 'class="formula"' in made and "text-align: right" in made and "$$" not in made


def test_drawing_code_is_told_from_the_rest():
    parts = "# a sum\nx = sum(y, axis=0)", "# the picture\nfig, ax = plt.subplots()\nax.plot(x)\nplt.show()", "assert x"
    assert figures.parts("\n\n".join(parts)) == parts
    assert figures.parts("print(1)\n") == ("print(1)\n", "", "")


@pytest.mark.parametrize("side, kind", [(600, "webp"), (2, "png")])
def test_large_pictures_become_smaller_and_stay_alike(side, kind):
    smooth = np.linspace(0, 255, 3 * side * side).reshape(side, side, 3)
    noisy = np.clip(smooth + np.random.default_rng(0).normal(0, 9, smooth.shape), 0, 255).astype(np.uint8)
    Image.fromarray(noisy).save(file := io.BytesIO(), "PNG")
    uri = figures.smaller(base64.b64encode(file.getvalue()).decode())
    head, _, data = uri.partition(";base64,")
    assert head in (f"data:image/{kind}", "data:image/webp") and len(base64.b64decode(data)) <= len(file.getvalue())
    seen = np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB"), float)
    assert np.abs(seen - noisy).mean() < 6


def test_a_card_takes_the_figure_that_is_wanted_or_the_first():
    def figure(name, colour):
        Image.new("RGB", (1200, 300), colour).save(file := io.BytesIO(), "PNG")
        data = base64.b64encode(file.getvalue()).decode()
        return f'<figure id="{name}"><img alt="a > b" src="data:image/png;base64,{data}"/></figure>'

    page = figure("one", (255, 0, 0)) + figure("two", (0, 0, 255))
    for wanted, colour in (("two", 2), ("", 0), ("three", 0)):
        picture = Image.open(io.BytesIO(base64.b64decode(figures.card(page, wanted).partition(",")[2])))
        assert picture.size == (960, 240) and np.argmax(np.asarray(picture.convert("RGB"))[9, 9]) == colour
    assert figures.card("<p>no figure</p>", "one") == ""

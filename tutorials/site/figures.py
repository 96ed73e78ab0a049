"""The figures of the site: descriptions in words, smaller files, and pictures for the cards of the index."""

from __future__ import annotations

import ast
import base64
import io
import os
import re
import tomllib

from minicnn.files import material

FIGURE = re.compile(r'<figure id="([\w-]+)"><img (?:[\w-]+="[^"]*" )*?src="data:image/\w+;base64,([^"]+)"')
PLOT = re.compile(r"\b(plt|fig|figure)\.|\bax\b")
CARD = 480, 240  # pixels


def descriptions(lesson: str) -> dict[str, str]:
    """Return {figure: description} of a lesson, from tutorials/figures.toml."""
    path = material("tutorials") / "figures.toml"
    if not os.path.isfile(path):
        return {}
    found: dict[str, str] = tomllib.loads(path.read_text(encoding="utf-8")).get(lesson, {})
    return {name: " ".join(text.split()) for name, text in found.items()}


def smaller(png: str) -> str:
    """Return a data URI of a picture. png: base64. A large one becomes WebP."""
    from PIL import Image

    data = base64.b64decode(png)
    picture = Image.open(io.BytesIO(data))
    picture.load()
    choices = [("png", data)]
    for options in ({"lossless": True}, {"quality": 90}) if len(data) > 100_000 else ({"lossless": True},):
        picture.save(file := io.BytesIO(), "WEBP", **options)
        choices.append(("webp", file.getvalue()))
    kind, data = min(choices, key=lambda choice: len(choice[1]))
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def card(page: str, wanted: str) -> str:
    """Return a small picture of a figure in a page, as a data URI; of its first figure if `wanted` is not there.

    Return an empty text if the page has no figure.
    """
    from PIL import Image

    found = dict(reversed(FIGURE.findall(page)))
    if not found:
        return ""
    picture = Image.open(io.BytesIO(base64.b64decode(found.get(wanted, [*found.values()][-1])))).convert("RGB")
    picture.thumbnail((2 * CARD[0], 2 * CARD[1]))
    picture.save(file := io.BytesIO(), "WEBP", quality=75)
    return f"data:image/webp;base64,{base64.b64encode(file.getvalue()).decode()}"


def parts(code: str) -> tuple[str, str, str]:
    """Return a cell's code in three parts: before a figure is drawn, the drawing, and after it.

    The drawing begins with the first statement that mentions a figure and ends with the last. It is empty in a cell
    that shows none.
    """
    if "plt.show()" not in code:
        return code, "", ""
    lines, end = code.splitlines(keepends=True), 0
    starts, ends = [], []
    for node in ast.parse(code).body:
        if PLOT.search(ast.get_source_segment(code, node) or ""):
            starts.append(end)  # with the comments and decorators above it
            ends.append(node.end_lineno or end)
        end = node.end_lineno or end
    first, last = starts[0], ends[-1]
    return "".join(lines[:first]).strip(), "".join(lines[first:last]).strip(), "".join(lines[last:]).strip()

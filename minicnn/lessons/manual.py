"""The manual: pages of Markdown in tutorials/manual/, written into the site of the lessons."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from minicnn.files import material
from minicnn.lessons.notebooks import put

PAGE = re.compile(r"\]\((\w+\.md)\)")
LINK = re.compile(r'<a href="(?![a-z]+:|#)([^"]*)"[^>]*>(.*?)</a>', re.DOTALL)
ANCHOR = re.compile(r' id="[^"]*"|href="#[^"]*"')  # nbconvert keeps capitals in them, and GitHub does not


def sources() -> list[Path]:
    """Return the manual's pages: the contents, README.md, then the pages in the order in which it links to them."""
    contents = material("tutorials") / "manual" / "README.md"
    if not os.path.isfile(contents):
        return []
    names = dict.fromkeys(PAGE.findall(contents.read_text(encoding="utf-8")))
    return [contents, *(contents.with_name(name) for name in names)]


def file_name(source: Path) -> str:
    """Return the name of a page's file in the site."""
    return "manual.html" if source.stem == "README" else f"manual_{source.stem}.html"


def title(source: Path) -> str:
    """Return the heading of a page."""
    return source.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")


def write(environment: Any, to: Path, lessons: set[str]) -> None:
    """Write the pages into a folder. environment: for the templates. lessons: names of the lessons with pages."""
    pages = sources()
    targets = {page.name: file_name(page) for page in pages}
    targets |= {f"../{name}.py": f"{name}.html" for name in lessons} | {"../README.md": "index.html"}

    def link(found: re.Match[str]) -> str:
        path, _, anchor = found[1].partition("#")
        if path in targets.values():
            return found[0]
        return f'<a href="{targets[path]}{anchor and "#"}{anchor}">{found[2]}</a>' if path in targets else found[2]

    template = environment.get_template("manual.html.j2")
    for at, page in enumerate(pages):
        near = [(file_name(other), title(other)) for other in pages[max(at - 1, 0) : at] + pages[at + 1 : at + 2]]
        text = template.render(
            title=title(page),
            source=page.read_text(encoding="utf-8"),
            name=f"tutorials/manual/{page.name}",
            previous=near[0] if at else None,
            next=near[-1] if at + 1 < len(pages) else None,
        )
        body, main, rest = text.partition("<main")
        rest = ANCHOR.sub(lambda found: found[0].lower(), rest)
        put(to / file_name(page), body + main + LINK.sub(link, rest))

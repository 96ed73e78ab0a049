"""The manual: pages of Markdown in tutorials/manual/, written into the site of the lessons."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from minicnn.files import material
from minicnn.lessons.notebooks import put

WHOLE = re.compile(r"^<!-- whole: (\S+) -->$", re.MULTILINE)  # a file that the site prints
PAGE = re.compile(r"\]\((\w+\.md)\)")
LINK = re.compile(r'<a href="(?![a-z]+:|#)([^"]*)"[^>]*>(.*?)</a>', re.DOTALL)
ANCHOR = re.compile(r' id="[^"]*"|href="#[^"]*"')  # nbconvert keeps capitals in them, and GitHub does not


class Page(NamedTuple):
    """A page of Markdown. file: its name in the site. source: its text. name: path of its source."""

    file: str
    title: str
    source: str
    name: str


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


def pages() -> list[Page]:
    """Return the pages of the manual, the contents first."""
    return [
        Page(file_name(path), title(path), _with_files(path), f"tutorials/manual/{path.name}") for path in sources()
    ]


def _with_files(path: Path) -> str:
    """Return the text of a page, with the files that it prints whole."""

    def printed(found: re.Match[str]) -> str:
        return f"```python\n{(path.parent / found[1]).read_text(encoding='utf-8').strip()}\n```"

    return WHOLE.sub(printed, path.read_text(encoding="utf-8"))


def write(environment: Any, to: Path, groups: Sequence[Sequence[Page]], lessons: Iterable[str]) -> None:
    """Write groups of pages into a folder, each page with links to its neighbours. Links to sources lead to pages.

    environment: for the templates. lessons: names of the lessons with pages.
    """
    targets = {page.name: page.file for pages in groups for page in pages} | {"tutorials/README.md": "index.html"}
    targets |= {f"tutorials/{name}.py": f"{name}.html" for name in lessons}
    template = environment.get_template("manual.html.j2")
    for pages in groups:
        for at, page in enumerate(pages):
            after = pages[at + 1] if at + 1 < len(pages) else None
            text = template.render(page=page, title=page.title, previous=pages[at - 1] if at else None, next=after)
            body, main, rest = text.partition("<main")
            rest = ANCHOR.sub(lambda found: found[0].lower(), rest)
            put(to / page.file, body + main + _linked(rest, posixpath.dirname(page.name), targets))


def _linked(text: str, folder: str, targets: Mapping[str, str]) -> str:
    """Return HTML with links to sources as links to their pages, or as plain text if they have none."""

    def link(found: re.Match[str]) -> str:
        path, _, anchor = found[1].partition("#")
        target = targets.get(posixpath.normpath(posixpath.join(folder, path)))
        if path in targets.values():
            return found[0]
        return f'<a href="{target}{anchor and "#"}{anchor}">{found[2]}</a>' if target else found[2]

    return LINK.sub(link, text)

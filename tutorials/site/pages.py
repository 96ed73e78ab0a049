"""A site: an index, a page per lesson with its outputs, exercises, sheets for the teacher, the manual, the reference.

Every page is one file that needs no other file and no network.
"""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import minicnn
from minicnn.errors import InputError
from minicnn.lessons import ENGINE, LECTURES, PATHS, cells, figures, formulas, manual, tasks, teaching
from minicnn.lessons.notebooks import LessonError, make_folder, notebook_of, put, run
from minicnn.lessons.shelf import Lesson
from minicnn.lessons.shelf import lessons as all_lessons

TEMPLATES = Path(__file__).parent / "templates"
HEADING = re.compile(r'<h2 id="([^"]+)">(.*?)<a class="anchor-link"', re.DOTALL)
NAMED = re.compile(r"<code>(?:(?:tutorials/)?(?P<lesson>\w+)\.py|minicnn learn start\s+(?P<exercise>\w+))</code>")


def build(
    lessons: Sequence[Lesson],
    to: Path,
    *,
    step: Callable[[], None] = lambda: None,
    say: Callable[[str], None] = print,
) -> list[LessonError]:
    """Run the lessons and write their pages, then the manual, the reference, and the index of all existing pages.

    Return the errors of failed lessons. A lesson that fails has no page; the others continue. Without pdoc, there is no
    reference, and a line says so.
    """
    make_folder(to)
    exporter, done, failed = _exporter(), {}, []
    try:
        for lesson in lessons:
            notebook = notebook_of(lesson)
            try:
                _typeset(lesson, notebook)
                run(lesson, notebook, step)
            except LessonError as problem:
                failed.append(problem)
                say(str(problem))
                (to / f"{lesson.name}.html").unlink(missing_ok=True)  # from an earlier, successful run
            else:
                done[lesson] = notebook
    finally:  # also on Ctrl-C; pages link to their neighbours, so all must be known first
        row = [lesson for lesson in all_lessons() if lesson in done or _made(lesson, to)]
        made, pages = {lesson.name for lesson in row}, [tasks.pages(), manual.pages(), teaching.pages()]
        files = [[page.file for page in group] for group in pages]
        site: dict[str, Any] = dict(zip(("exercises", "manual", "teaching"), files, strict=True))
        site["reference"] = _reference(to / "api", made, bool(site["manual"]), say)
        exporter.environment.globals["site"] = site
        for lesson, notebook in done.items():
            put(to / f"{lesson.name}.html", _page(exporter, lesson, notebook, row))
        manual.write(exporter.environment, to, pages, made)
        put(to / "index.html", _index(exporter, to))
    return failed


def _reference(to: Path, made: set[str], manual: bool, say: Callable[[str], None]) -> bool:
    """Write the API reference if pdoc is there; otherwise say that it is not. Return True if the reference exists."""
    if importlib.util.find_spec("pdoc") is None:
        say("tutorial html: no API reference without pdoc: pip install pdoc")
        return os.path.isfile(to / "index.html")
    from minicnn.lessons import reference

    reference.write(to, made, manual=manual)
    return True


def _exporter() -> Any:
    from nbconvert.exporters import HTMLExporter

    exporter = HTMLExporter(extra_template_basedirs=[str(TEMPLATES)], template_name="lesson")
    exporter.exclude_anchor_links = False
    return exporter


def _page(exporter: Any, lesson: Lesson, notebook: Any, row: Sequence[Lesson]) -> str:
    """Return the page of a lesson. row: the lessons that have pages, including this one."""
    at, seen, above = row.index(lesson), figures.descriptions(lesson.name), ""
    for cell in notebook.cells:
        names = cells.SAVED.findall(cell.source)
        shown = [output for output in cell.get("outputs", []) if "image/png" in output.get("data", {})]
        for output, name in zip(shown, [*names, *[""] * len(shown)], strict=False):
            alt = seen.get(name) or name.replace("_", " ") or "a figure"
            output.metadata["figure"] = {"id": name, "alt": alt, "src": figures.smaller(output.data["image/png"])}
        cell.metadata["question"], above = cells.key(above), cell.source
        if "hole" in cell.metadata.get("tags", []):
            cell.metadata["solution"], cell.source = cell.source, cells.with_holes(cell.source)
        cell.metadata["parts"] = figures.parts(cell.source) if shown else (cell.source, "", "")
    notebook.metadata["language_info"] = {"name": "python", "pygments_lexer": "python3"}
    exercises = tasks.names(lesson)
    body = _linked(exporter.from_notebook_node(notebook)[0], {other.name for other in row}, exercises)
    return exporter.environment.get_template("lesson.html.j2").render(
        title=lesson.title,
        lesson=lesson,
        body=body,
        sections=HEADING.findall(body),
        folds="<details><summary><span>" in body,
        exercises=exercises,
        previous=row[at - 1] if at else None,
        next=row[at + 1] if at + 1 < len(row) else None,
    )


def _typeset(lesson: Lesson, notebook: Any) -> None:
    """Replace the formulas of the text by MathML. Raise LessonError for one that cannot be typeset."""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            try:
                cell.source = formulas.typeset(cell.source)
            except InputError as problem:
                raise LessonError(f"tutorial: {lesson.name}: {problem}") from None


def _linked(body: str, pages: set[str], exercises: Sequence[str]) -> str:
    """Return the body with file names of lessons, and commands that start exercises, as links to existing pages."""

    def link(found: re.Match[str]) -> str:
        if found["lesson"] in pages:
            return f'<a href="{found["lesson"]}.html">{found[0]}</a>'
        if found["exercise"] in exercises:
            return f'<a href="{tasks.file_name(found["exercise"])}">{found[0]}</a>'
        return found[0]

    return NAMED.sub(link, body)


def _made(lesson: Lesson, to: Path) -> bool:
    return os.path.isfile(to / f"{lesson.name}.html")


def _index(exporter: Any, to: Path) -> str:
    lessons, cards = all_lessons(), {}
    figure_of = {row.lessons[0]: row.figure for row in reversed((*LECTURES, *ENGINE))}
    for lesson in lessons:
        if _made(lesson, to):
            page = (to / f"{lesson.name}.html").read_text(encoding="utf-8")
            cards[lesson.name] = figures.card(page, figure_of.get(lesson.topic, ""))
    return exporter.environment.get_template("contents.html.j2").render(
        title="Lessons",
        lessons=lessons,
        names={name: lesson for lesson in lessons for name in (lesson.name, lesson.topic)},
        cards=cards,
        lectures=LECTURES,
        engine=ENGINE,
        paths=PATHS,
        version=minicnn.__version__,
    )

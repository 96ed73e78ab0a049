"""The exercises as pages of the site, with the text of each task, and the lessons that lead to them."""

from __future__ import annotations

import os
import re
from pathlib import Path

from minicnn.files import material
from minicnn.learn import catalogue, engine, files
from minicnn.lessons.manual import Page
from minicnn.lessons.reference import described
from minicnn.lessons.shelf import Lesson, lessons

STARTED = re.compile(r"minicnn learn start\s+(\w+)")


def names(lesson: Lesson) -> list[str]:
    """Return the exercises that a lesson leads to: those to which it is the reading, and those that it names."""
    if not _exist():
        return []
    read = [name for name in catalogue.NAMES if Path(catalogue.find(name).read).stem == lesson.name]
    named = STARTED.findall(re.sub(r"\n# *", " ", lesson.source))
    return [name for name in dict.fromkeys([*named, *read]) if name in (*catalogue.NAMES, "engine")]


def pages() -> list[Page]:
    """Return the list of exercises, the steps of the engine, and a page for each exercise; none without exercises."""
    if not _exist():
        return []
    leading: dict[str, list[Lesson]] = {}
    for lesson in lessons():
        for name in names(lesson):
            leading.setdefault(name, []).append(lesson)
    texts = {"engine": _engine(), **{name: _exercise(name) for name in catalogue.NAMES}}
    contents = "# Exercises\n\nEach is a function to write, with a check that says what is wrong and where to look.\n\n"
    for name, text in texts.items():
        about = text.partition("\n")[0].removeprefix(f"# {name}: ")
        contents += f"- [`{name}`]({name}.py): {about}{_lessons(leading.get(name, []), '. To read: ', '')}\n"
    pages = [Page("exercises.html", "Exercises", contents, "tutorials/exercises/README.md")]
    for name, text in texts.items():
        text += _lessons(leading.get(name, []), "\n**To read before**: ", "\n")
        pages.append(Page(file_name(name), name, text, f"tutorials/exercises/{name}.py"))
    return pages


def file_name(name: str) -> str:
    """Return the name of a page's file in the site."""
    return f"exercise_{name}.html"


def _exist() -> bool:
    return os.path.isdir(material("tutorials") / "exercises")


def _exercise(name: str) -> str:
    exercise = catalogue.find(name)
    code = files.task(exercise)
    head = code.index(f"def {name}(")
    signature = code[head:].partition('    """')[0]
    code = "\n\n".join(filter(None, [exercise.imports, exercise.decorator + "\n" * bool(exercise.decorator)]))
    return f"""# {name}: {exercise.title}

*{exercise.lecture}*

{described(exercise.function.__doc__ or "")}

```python
{code.rstrip()}


{signature}{files.HOLE}```

    minicnn learn start {name}       {name}.py: the task, and this hole
    minicnn learn check {name}       is it right?
    minicnn learn hint {name}        three hints, from a question to nearly the code
"""


def _engine() -> str:
    """Return the steps of the engine: each with its prose, and the code with its holes."""
    text = "# engine: an engine from nothing, in twelve steps\n\nBegin with `minicnn learn start engine`.\n"
    for step in map(engine.step, engine.names()):
        heading, _, code = engine.task(step).partition("\n\n\n")
        prose = (step.script.__doc__ or "").strip()
        title = heading.partition("\n")[0].removeprefix("# ")
        text += f"\n## {title}\n\n{prose}\n\n```python\n{code.rstrip()}\n```\n"
    return text


def _lessons(found: list[Lesson], before: str, after: str) -> str:
    links = [f"[lesson {lesson.number}, {lesson.title}](../{lesson.name}.py)" for lesson in found]
    return before + "; ".join(links) + after if links else ""

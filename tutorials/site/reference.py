"""The API reference, made by pdoc: each public name with its types, source, example, and the lessons that use it."""

from __future__ import annotations

import ast
import html
import importlib
import inspect
import json
import os
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import minicnn
from minicnn.files import material
from minicnn.lessons.notebooks import make_folder, put
from minicnn.lessons.shelf import Lesson
from minicnn.lessons.shelf import lessons as all_lessons

TEMPLATES = Path(__file__).parent / "templates"
ROOMS = [name for name in dir(minicnn) if inspect.ismodule(getattr(minicnn, name))]
MODULES = ["minicnn", *(f"minicnn.{room}" for room in ROOMS)]
NUMBER = re.compile(r'<a href="#-?\d*"><span class="linenos">.*?</span></a>')  # links to nowhere, which nobody sees
ARGUMENT = re.compile(r"\n(?=[\w*., ]{1,40}: )")


def examples() -> dict[str, str]:
    """Return {name, such as "minicnn.ops.conv": its example} of tutorials/manual/examples.

    The key of a module, such as "minicnn.ops", has the lines that all of its examples begin with.
    """
    found = {}
    for path in sorted((material("tutorials") / "manual" / "examples").glob("*.py")):
        module = "minicnn" if path.stem == "top_level" else f"minicnn.{path.stem}"
        first, *cells = re.split(r"^# %% (\w+)\n", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
        found[module] = first.partition('"""\n')[2].strip()
        found |= {f"{module}.{name}": code.strip() for name, code in zip(cells[::2], cells[1::2], strict=True)}
    return found


def uses(lessons: list[Lesson]) -> dict[str, list[Lesson]]:
    """Return {name, such as "minicnn.ops.conv": the lessons in whose code it appears}."""
    found: dict[str, list[Lesson]] = {}
    for lesson in lessons:
        code = re.sub(r"^#.*\n", "", lesson.source, flags=re.MULTILINE)
        names = {f"minicnn.{room}.{name}" for room, name in re.findall(r"\b([a-z]\w*)\.(\w+)", code) if room in ROOMS}
        for module, imported in re.findall(r"^from (minicnn[\w.]*) import (.+)$", code, re.MULTILINE):
            names |= {f"{module}.{name.strip()}" for name in imported.split(",")}
        for name in names | {f"minicnn.{name}" for name in re.findall(r"\bminicnn\.(\w+)", code)}:
            found.setdefault(name, []).append(lesson)
    return found


def signatures(module: Any) -> dict[str, str]:
    """Return {function: its signature with types} of a module's stub; empty where it has none."""
    stub = Path(module.__file__).with_suffix(".pyi")
    nodes = ast.parse(stub.read_text(encoding="utf-8")).body if os.path.isfile(stub) else []
    functions = [node for node in nodes if isinstance(node, ast.FunctionDef) and node.returns]
    return {f.name: f"({ast.unparse(f.args)}) -> {ast.unparse(f.returns)}" for f in functions if f.returns}


def described(docstring: str) -> str:
    """Return a docstring as HTML: a paragraph each, arguments on lines of their own, and code."""
    parts = []
    for paragraph in re.split(r"\n\s*\n", html.escape(inspect.cleandoc(docstring))):
        if paragraph.startswith("    "):
            parts.append(f"<pre>{paragraph}</pre>")
        else:
            text = ARGUMENT.sub("<br>", paragraph).replace("\n", " ")
            parts.append("<p>" + re.sub(r"`([^`]+)`", r"<code>\1</code>", text) + "</p>")
    return "".join(parts)


def entries(documented: Mapping[str, Any]) -> str:
    """Return the entries of the search, as JSON for a script element: name, link, summary and text of each."""
    found = []
    for name, module in documented.items():
        members = [m for m in module.flattened_own_members if m.kind != "module"]
        members += [part for m in members if m.kind == "class" for part in m.own_members if part.kind != "class"]
        for member in (module, *(m for m in members if not re.search(r"(^|\.)_(?!_version)", m.qualname))):
            summary, _, text = (" ".join(part.split()) for part in member.docstring.partition("\n\n"))
            link = f"{name.replace('.', '/')}.html" + f"#{member.qualname}" * bool(member.qualname)
            found.append({"name": member.fullname, "href": link, "summary": summary, "text": text})
    return json.dumps(found, ensure_ascii=False).replace("</", "<\\/")


def write(to: Path, made: set[str], *, manual: bool, modules: list[str] = MODULES) -> None:
    """Write the reference into a folder. made: names of the lessons that have pages. manual: link to the manual."""
    from pdoc import doc, render, render_helpers
    from pygments import highlight

    for name in dir(minicnn):  # names that load when they are first used
        setattr(minicnn, name, getattr(minicnn, name))
    colour = {
        name: highlight(code, render_helpers.lexer, render_helpers.formatter) for name, code in examples().items()
    }
    render.configure(docformat="markdown", search=False, template_directory=TEMPLATES / "reference")
    render.env.filters["described"] = described
    render.env.globals |= {"css": (TEMPLATES / "lesson" / "page.css").read_text(encoding="utf-8"), "manual": manual}
    render.env.globals |= {
        "examples": colour,
        "uses": uses(all_lessons()),
        "made": made,
        "version": minicnn.__version__,
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pdoc warns of each annotation that only type checkers import
        rooms = {name: importlib.import_module(name) for name in modules}
        inner = {f"{name}.{part}": getattr(rooms[name], part) for name in modules for part in dir(rooms[name])}
        rooms |= {name: module for name, module in inner.items() if inspect.ismodule(module)}
        documented: Mapping[str, Any] = {name: doc.Module(module) for name, module in rooms.items()}
        for name, module in documented.items():
            page = to / f"{name.replace('.', '/')}.html"
            make_folder(page.parent)
            render.env.globals["signatures"] = signatures(module.obj)
            put(page, NUMBER.sub("", render.html_module(module, documented)))
        render.env.globals["entries"] = entries(documented)
        put(to / "index.html", render.html_index(documented))

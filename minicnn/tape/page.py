"""The page: a tape as one self-contained HTML file, assembled from the files in templates/."""

from __future__ import annotations

import html
import inspect
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from minicnn.errors import InputError
from minicnn.files import check_folder, replace_file
from minicnn.tape import pixels
from minicnn.tape.explanation import explain
from minicnn.tape.formulas import formula_of, source_of
from minicnn.tape.overview import summary
from minicnn.tape.thumbnails import picture_of
from minicnn.text import one_line

if TYPE_CHECKING:
    from minicnn.tape.recorder import Recorder, Step, Value

TEMPLATES = Path(__file__).parent / "templates"
SCRIPTS = ("arrays.js", "heat.js", "graph.js", "pixel.js", "page.js")
MOST = 600  # operations in a page
ROOM = 1_300_000  # bytes of text for all arrays; a page may have 2 MB
EACH = 150, 24_000  # bytes of text for one array, at least and at most
REASONS = 60  # gradients whose largest element is explained
PROBES = 200_000  # elements of a result up to which products are found by running the op's backward


def page_of(tape: Recorder) -> str:
    """Return the whole page as HTML."""
    data = json.dumps(_data(tape), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    parts = {
        "title": html.escape(_title(tape)),
        "style": _template("page.css"),
        "script": "\n".join(_template(name) for name in SCRIPTS),
        "data": data.replace("<", "\\u003c"),  # so that nothing in the data ends its script element
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda mark: parts[mark[1]], _template("page.html"))


def save(tape: Recorder, path: Path) -> None:
    """Write the page atomically."""
    check_folder("save_html: path", path)
    replace_file(path, page_of(tape))


def for_notebook(tape: Recorder) -> str:
    """Return the page inside a frame of its own, which isolates the styles of notebook and page from each other."""
    inside = html.escape(page_of(tape), quote=True)
    return f'<iframe srcdoc="{inside}" title="the tape" style="width:100%;height:760px;border:0"></iframe>'


def _template(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")


def _title(tape: Recorder) -> str:
    own = next((step.lines[-1] for step in tape if step.lines), None)
    named = own and not own.file.startswith("<") and own.name != "cell"
    return f"{own.name}, recorded" if own and named else "A recorded tape"


def _data(tape: Recorder) -> dict[str, Any]:
    """Everything the page shows, as plain data. Steps, values, arrays and sources refer to each other by number."""
    if not tape.steps:
        raise InputError("save_html: the tape is empty; no operation ran while it recorded")
    steps = tape.steps[:MOST]
    shown = {id(step): row for row, step in enumerate(steps)}
    values = list(dict.fromkeys([v for step in steps for v in (*step.inputs, step.output)]))
    number = {id(value): i for i, value in enumerate(values)}
    moments = [(step, back) for step, back in tape.moments if id(step) in shown]
    moment = {(id(step), back): i for i, (step, back) in enumerate(moments)}
    arrays = _Arrays(values, steps)
    sources: dict[str, int] = {}
    reasons = _reasons(tape, values)
    rows = []
    for step in steps:
        source = source_of(step.op)
        rows.append(
            {
                "number": step.number,
                "op": step.name,
                "inputs": [number[id(v)] for v in step.inputs],
                "parameters": step.parameters,
                "output": number[id(step.output)],
                "arguments": _arguments(step),
                "lines": [{"place": str(line), "text": line.text, "file": line.file} for line in step.lines],
                "milliseconds": step.milliseconds,
                "backMilliseconds": step.backward_milliseconds,
                "formula": formula_of(step),
                "source": sources.setdefault(source, len(sources)) if source else None,
                "forward": moment[id(step), False],
                "back": moment.get((id(step), True)),
                "cotangent": arrays.of(step.cotangent),
                "gradients": [arrays.of(_whole(g, v, step)) for g, v in zip(step.gradients, step.inputs, strict=True)],
                "conv": pixels.for_page(step) if step.name == "conv" else None,
            }
        )
    told = summary(tape) + ("" if len(steps) == len(tape) else f" · the first {len(steps)} operations are shown")
    return {
        "summary": told,
        "steps": rows,
        "values": [
            {
                "name": value.name,
                "shape": list(value.array.shape),
                "made": shown[id(value.made_by)] if value.made_by is not None else None,
                "picture": arrays.of(value.array),
                "why": reasons.get(id(value)),
            }
            for value in values
        ],
        "moments": [[shown[id(step)], int(back)] for step, back in moments],
        "pictures": arrays.pictures,
        "sources": list(sources),
    }


class _Arrays:
    """The arrays of a page, each stored once, within a common budget of bytes."""

    def __init__(self, values: list[Value], steps: list[Step]) -> None:
        gradients = [g for step in steps for g in (step.cotangent, *step.gradients) if g is not None]
        self.room = _share([array.nbytes * 4 // 3 for array in (*(value.array for value in values), *gradients)])
        self.pictures: list[dict[str, Any]] = []
        self._known: dict[int, int] = {}
        filters = [(step, 1) for step in steps if step.name == "conv"]
        self._filters = {id(a) for step, i in filters for a in (step.inputs[i].array, step.gradients[i])}

    def of(self, array: np.ndarray | None) -> int | None:
        """Return the number of an array's picture."""
        if array is None:
            return None
        if array.dtype.kind not in "fiub":
            array = np.zeros((0,))
        if id(array) not in self._known:
            self._known[id(array)] = len(self.pictures)
            self.pictures.append(picture_of(array, self.room, filters=id(array) in self._filters))
        return self._known[id(array)]


def _share(wanted: list[int]) -> int:
    """Return the largest share per array that fits the budget. Small arrays leave the rest of theirs to the others."""
    left, least, most = ROOM, *EACH
    for i, size in enumerate(sorted(wanted)):
        share = left // (len(wanted) - i)
        if size >= share:
            return max(least, min(most, share))
        left -= size
    return most


def _whole(part: np.ndarray | None, value: Value, step: Step) -> np.ndarray | None:
    """Return a part of a gradient; the whole one if that is its only part, since the page already holds it."""
    maker = value.made_by
    if part is None or maker is None or maker.cotangent is None:
        return part
    return maker.cotangent if sum(u.gradients[i] is not None for u, i in value.uses) == 1 else part


def _reasons(tape: Recorder, values: list[Value]) -> dict[int, str]:
    """Return the explanation of the largest element of each leaf's gradient, by the number of its value."""
    found: dict[int, str] = {}
    for value in values:
        gradient = None if value.made_by is not None or len(found) >= REASONS else value.gradient
        if gradient is None or not gradient.size or not np.isfinite(gradient).all():
            continue
        used = [step for step, which in value.uses if step.gradients[which] is not None]
        if all(step.cotangent is not None and step.cotangent.size <= PROBES for step in used):
            index = np.unravel_index(int(np.argmax(np.abs(gradient))), gradient.shape)
            found[id(value)] = str(explain(tape, value.name, tuple(int(i) for i in index)))
    return found


def _arguments(step: Step) -> str:
    """Return the arguments other than the inputs, as text, where they differ from the defaults."""
    usual = {name: p.default for name, p in inspect.signature(step.op).parameters.items()}
    given = {name: v for name, v in step.arguments.items() if repr(v) != repr(usual.get(name))}
    return ", ".join(f"{name}={_shown(value)}" for name, value in given.items())


def _shown(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"array {value.shape}"
    return one_line(repr(value), longest=60)

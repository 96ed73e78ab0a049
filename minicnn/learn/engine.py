"""The engine that a learner writes: one file per step in tutorials/engine, which add up to one engine.py."""

from __future__ import annotations

import ast
import functools
import io
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from minicnn.errors import InputError
from minicnn.files import hand_out, material, program, read_text, replace_file
from minicnn.learn.exercise import Case, Exercise, Slip
from minicnn.learn.observing import Seen, Unfit, comparable, told

FILE, MATERIAL = "engine.py", "engine.npz"
SECTION = re.compile(r"^(?=# Step \d+: )", re.MULTILINE)
HEAD = '"""My engine. minicnn learn check engine: is it right? hint engine: a hint. start engine: the next step."""\n'
HOLE = '# Your code, in place of the next line.\n{indent}raise NotImplementedError("{name} is yet to be written")\n'


@dataclass(frozen=True)
class Step(Exercise):
    """A step of the engine, with its number. Its function is the whole solved engine, as a module.

    script: the module of its file, with the prose, MINUTES (an estimate), TRIALS, SLIPS and HINTS. Its show(engine)
    returns a demonstration of the step as text. Its material(), if any, returns the arrays of engine.npz.
    """

    script: Any = None
    number: int = 0

    @property
    def name(self) -> str:
        """The name, such as engine_01."""
        return f"engine_{self.number:02}"

    def show(self, answer: Any) -> Sequence[str]:
        """Return a demonstration of the step."""
        return [self.script.show(Engine(answer))]


class Engine:
    """The names of a learner's engine."""

    def __init__(self, module: Any) -> None:
        self._names = vars(module)

    def __getattr__(self, name: str) -> Any:
        if name not in self._names:
            raise Unfit(f"{FILE} defines no {name}")
        return self._names[name]

    def rule(self, value: Any, d: Any) -> list[Any]:
        """Return the gradients that the rule of a Value gives, in a list: one per parent."""
        if not isinstance(value, self.Value):
            raise Unfit(f"expected a Value, got {told(value)}")
        if not callable(value.rule):
            raise Unfit(f"the Value's rule is {told(value.rule)}; expected a function of the gradient d")
        parts = value.rule(np.asarray(d, dtype=float))
        if not isinstance(parts, tuple | list) or len(parts) != len(value.parents):
            raise Unfit(f"the rule gives {told(parts)}; expected a tuple of {len(value.parents)}, one for every parent")
        return [comparable(part, "a gradient") for part in parts]


@functools.cache
def step(name: str) -> Step:
    """Return the step of this name, from its file in tutorials/engine.

    TRIALS: (title, function of an engine). SLIPS: (name, hint, (text of the solution, replacement), …), where each pair
    is one way to make the slip.
    """
    number = names().index(name) + 1
    script = program(f"engine/{_files()[number - 1]}")
    slips = [Slip(slip, hint, tuple(_engine(number, *way) for way in ways)) for slip, hint, *ways in script.SLIPS]
    return Step(
        function=_engine(number),
        title=_sections()[number].partition("\n")[0].partition(": ")[2],
        lecture="An engine from nothing",
        read=f"tutorials/engine/{_files()[number - 1]}",
        imports="import numpy as np",
        cases=[Case(title, functools.partial(list, [probe]), tolerance=1e-7) for title, probe in script.TRIALS],
        slips=slips,
        hints=script.HINTS,
        observe=observe,
        script=script,
        number=number,
    )


def names() -> tuple[str, ...]:
    """Return the names of all steps."""
    return tuple(f"engine_{name[:2]}" for name in _files())


def task(step: Step) -> str:
    """Return the text that a learner gets: the prose as a comment, and the code with its holes."""
    heading, code = _sections()[step.number].split("\n", 1)
    prose = "".join(f"# {line}".rstrip() + "\n" for line in step.script.__doc__.strip().splitlines())
    return f"{heading}    (an estimate: {step.script.MINUTES} minutes)\n#\n{prose}\n\n{with_holes(code.strip())}"


def solution(step: Step) -> str:
    """Return the section of the solved engine."""
    return _sections()[step.number].rstrip() + "\n"


def start(step: Step, to: str | os.PathLike[str] | None = None) -> Path:
    """Add a step to engine.py, or to the file or in the folder `to`. A new file begins with the solved steps before.

    The last step writes engine.npz next to it: the photograph, the painting and the network. Raise InputError.
    """
    path = Path(to) if to is not None else Path()
    path = path / FILE if os.path.isdir(path) else path
    if not os.path.lexists(path):
        before = "\n\n".join(_sections()[1 : step.number])
        hand_out(f"{HEAD}\nimport numpy as np\n\n{before}{task(step)}", FILE, path, command="learn start")
    else:
        text = read_text("learn start:", path)
        if f"# Step {step.number}:" in text or (step.number > 1 and f"# Step {step.number - 1}:" not in text):
            holds = "holds" if f"# Step {step.number}:" in text else "does not hold what comes before"
            raise InputError(f"learn start: {path} {holds} step {step.number}; to try it: minicnn learn check engine")
        _replace(path, f"{text.rstrip()}\n\n\n{task(step)}".encode())
    if hasattr(step.script, "material") and not os.path.lexists(path.with_name(MATERIAL)):
        np.savez_compressed(file := io.BytesIO(), **step.script.material())
        _replace(path.with_name(MATERIAL), file.getvalue())
    return path


def _replace(path: Path, data: bytes) -> None:
    try:
        replace_file(path, data)
    except OSError as problem:
        raise InputError(f"learn start: {path} cannot be written: {problem.strerror or problem}") from None


@functools.cache
def _files() -> list[str]:
    return sorted(path.name for path in (material("tutorials") / "engine").glob("[0-9]*.py"))


@functools.cache
def _sections() -> list[str]:
    """Return the solved engine, split before every step; the first part is what all steps need."""
    return SECTION.split((material("tutorials") / "engine" / "solved.py").read_text(encoding="utf-8"))


@functools.cache
def _engine(number: int, *edits: str) -> Any:
    """Return the solved engine. edits: pairs of old and new text, replaced in the section of a step."""
    sections, module = list(_sections()), ModuleType("engine")
    for old, new in zip(edits[::2], edits[1::2], strict=True):
        assert old in sections[number], f"step {number}: the solution has no {old!r}"
        sections[number] = sections[number].replace(old, new)
    exec(compile("".join(sections), "solved.py", "exec"), vars(module))
    return module


def observe(engine: Any, arguments: Sequence[Any]) -> Seen:
    """Return the findings of the probe in `arguments` on a learner's engine, a module."""
    engine = Engine(engine)
    found = arguments[0](engine)
    if found is None:
        raise Unfit(f"expected a number or an array, got {told(None)}")
    return {"": comparable(found.data if isinstance(found, engine.Value) else found, "what it gives")}


def with_holes(code: str) -> str:
    """Return the code with a hole for the body of every function that has a docstring."""
    lines = code.splitlines(keepends=True)
    functions = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.FunctionDef)]
    for node in sorted(filter(ast.get_docstring, functions), key=lambda node: -node.lineno):
        first, last = node.body[1].lineno, node.body[-1].end_lineno
        indent = " " * node.body[0].col_offset
        lines[first - 1 : last] = [indent + HOLE.format(indent=indent, name=node.name)]
    return "".join(lines)

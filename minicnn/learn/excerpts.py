"""Excerpts of exercises: the calls of a learner's function and their inputs, without the answers.

The process that runs a learner's code gets such an excerpt in place of the exercise. Code that only the solution, the
known mistakes or the expected values need is not in it.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from minicnn.learn.engine import Step
from minicnn.learn.exercise import Exercise
from minicnn.learn.messages import encode


def plan(exercise: Exercise, *, show: bool = False) -> dict[str, Any]:
    """Return the data for JSON with which a process can call a learner's function.

    show: True for a demonstration of a right engine, in place of the inputs.
    """
    known: dict[str, Any] = {"name": exercise.name, "own": list(exercise.own), "kind": "exercise", "inputs": None}
    if isinstance(exercise, Step):
        return {**known, "kind": "engine", "program": excerpt(_source(exercise), ["show" if show else "TRIALS"])}
    try:
        known["inputs"] = [[encode(value) for value in case.arguments()] for case in exercise.cases]
        parts = ["observe"]
    except TypeError:  # such as a function or an optimizer: these are made there
        parts = ["observe", "cases"]
    return {**known, "program": excerpt(_source(exercise), parts)}


def _source(exercise: Exercise) -> str:
    script = exercise.script.__file__ if isinstance(exercise, Step) else inspect.getsourcefile(exercise.function)
    return Path(str(script)).read_text(encoding="utf-8")


def excerpt(source: str, names: Sequence[str]) -> str:
    """Return the statements of a program that define `names`, and all that these need.

    The keywords of `EXERCISE = Exercise(…)` count as names. A `Case(title, arguments, …)` keeps these two alone.
    """
    tree = _Stripped(names).visit(ast.parse(source))
    for node in [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]:
        while _drop_unused(node):
            pass
    wanted, kept = set(names), []
    while found := [statement for statement in tree.body if statement not in kept and wanted & {*_defined(statement)}]:
        kept += found
        wanted |= {node.id for statement in found for node in ast.walk(statement) if isinstance(node, ast.Name)}
    return ast.unparse(ast.Module([statement for statement in tree.body if statement in kept], []))


class _Stripped(ast.NodeTransformer):
    """Removal of the expected values of cases, the docstrings of functions, and these parts of an Exercise."""

    def __init__(self, parts: Sequence[str]) -> None:
        self.parts = parts

    def visit_Module(self, node: ast.Module) -> ast.AST:
        body: list[ast.stmt] = []
        for statement in node.body:
            call = statement.value if isinstance(statement, ast.Assign) else None
            if isinstance(call, ast.Call) and _called(call) == "Exercise":
                parts = [part for part in call.keywords if part.arg in self.parts]
                body += [ast.Assign([ast.Name(str(part.arg), ast.Store())], part.value) for part in parts]
            else:
                body.append(statement)
        node.body = body
        return ast.fix_missing_locations(self.generic_visit(node))

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        if ast.get_docstring(node) is not None and len(node.body) > 1:
            del node.body[0]
        return self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        if _called(node) == "Case":
            node.args = node.args[:2]
            node.keywords = [part for part in node.keywords if part.arg in ("title", "arguments")]
        return self.generic_visit(node)


def _called(call: ast.Call) -> str:
    return getattr(call.func, "id", getattr(call.func, "attr", ""))


def _drop_unused(function: ast.FunctionDef) -> bool:
    """Drop the assignments to names that are never read. Return True if there was one."""
    read = {*_read(function)}
    unused = [
        statement
        for statement in function.body
        if isinstance(statement, ast.Assign) and not read & {*_defined(statement)} and [*_defined(statement)]
    ]
    function.body = [statement for statement in function.body if statement not in unused] or [ast.Pass()]
    return bool(unused)


def _read(node: ast.AST) -> Iterator[str]:
    """Yield the names that are read, except those that an inner function assigns itself."""
    for part in ast.iter_child_nodes(node):
        if isinstance(part, ast.FunctionDef):
            own = {name for statement in part.body for name in _defined(statement)}
            yield from (name for name in _read(part) if name not in own)
        else:
            yield from [part.id] if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Load) else _read(part)


def _defined(statement: ast.AST) -> Iterator[str]:
    """Yield the names that a statement defines."""
    for node in [statement] if isinstance(statement, ast.FunctionDef | ast.ClassDef) else ast.walk(statement):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.alias):
            yield (node.asname or node.name).partition(".")[0]
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id

"""The changes that tests/mutants.py makes to the package's code: of one node of a syntax tree, and in a file."""

import ast
import itertools
import re
from typing import NamedTuple

PAIRS = [("<=", "<"), (">=", ">"), ("==", "!="), ("is not", "is"), ("not in", "in")]
COMPARED = dict(PAIRS) | {b: a for a, b in PAIRS}
CALCULATED = {"+": "-", "-": "+", "*": "/", "/": "*", "//": "*", "%": "*", "**": "*", "@": "*", "&": "|", "|": "&"}
EXTREMES = [("min", "max"), ("minimum", "maximum"), ("argmin", "argmax"), ("any", "all"), ("floor", "ceil")]
EXTREME = dict(EXTREMES) | {b: a for a, b in EXTREMES}
CONDITIONS = ast.If | ast.IfExp | ast.While | ast.comprehension


class Mutant(NamedTuple):
    """A change: the characters from start to stop of a file of the package become `new`.

    function: the first line of the function around it; OUTSIDE of functions; or COMPILED.
    """

    path: str
    line: int
    kind: str
    start: int
    stop: int
    old: str
    new: str
    function: int


OUTSIDE, COMPILED = 0, -1


def mutants_of(path, source):
    """Return every mutant of a source. Some are no programs, or the same one."""
    rows, found = source.split("\n"), []
    begins = [0, *itertools.accumulate(len(row) + 1 for row in rows)]

    def place(line, column):  # the syntax tree counts the bytes of UTF-8
        return begins[line - 1] + len(rows[line - 1].encode()[:column].decode())

    def visit(node, parents, function):
        if hasattr(node, "lineno"):
            node.start, node.stop = place(node.lineno, node.col_offset), place(node.end_lineno, node.end_col_offset)
        for name, value in ast.iter_fields(node):
            if name in ("annotation", "returns", "type_params"):
                continue
            around = function
            if isinstance(node, ast.FunctionDef | ast.Lambda) and name == "body":
                decorators = getattr(node, "decorator_list", [])
                compiled = function == COMPILED or (decorators and path.startswith("fast/cpu/"))
                around = COMPILED if compiled else min(n.lineno for n in [node, *decorators])
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    visit(child, [node, *parents], around)
        inside_text = any(isinstance(n, ast.JoinedStr) for n in [node, *parents])  # Python 3.11 knows no places there
        if hasattr(node, "lineno") and not inside_text:
            for kind, start, stop, new in changes(node, source, parents[0]):
                if source[start:stop] != new:
                    line = source.count("\n", 0, start) + 1
                    found.append(Mutant(path, line, kind, start, stop, source[start:stop], new, function))

    visit(ast.parse(source), [], OUTSIDE)
    return found


def changed(mutant, source):
    """Return the source with the change made."""
    return source[: mutant.start] + mutant.new + source[mutant.stop :]


def another_program(mutant, source):
    """Return True if the change leaves a program, and another one."""
    try:
        return ast.dump(ast.parse(changed(mutant, source))) != ast.dump(ast.parse(source))
    except SyntaxError:
        return False


def changes(node, source, parent):
    """Yield (kind, start, stop, new) for every change of one node, whose places are known."""
    yield from _of_expressions(node, source, parent)
    yield from _of_statements(node)
    whole, text = (node.start, node.stop), source[node.start : node.stop]
    conditions = [parent.test] if hasattr(parent, "test") else getattr(parent, "ifs", [])
    if isinstance(parent, CONDITIONS) and node in conditions:
        yield "negated condition", *whole, f"(not ({text}))"
    of_range = isinstance(parent, ast.Call) and getattr(parent.func, "id", "") == "range" and node in parent.args
    if isinstance(node, ast.expr) and (of_range or isinstance(parent, ast.Slice)):
        yield "off by one", *whole, f"{text} + 1"
    later = isinstance(parent, ast.FunctionDef) and isinstance(node, ast.stmt) and node in parent.body[1:]
    if later and not any(isinstance(n, ast.Return | ast.Yield) for n in ast.walk(parent)):
        yield "early return", *whole, "return"


def _of_expressions(node, source, parent):
    text, whole = source[node.start : node.stop], (node.start, node.stop)
    of_axis = isinstance(parent, ast.keyword) and parent.arg == "axis"
    match node:
        case ast.Constant(value=bool()):
            yield "true/false", *whole, str(not node.value)
        case ast.Constant(value=int() | float()) if of_axis:
            yield "axis", *whole, "1" if node.value == 0 else "0"
        case ast.Constant(value=int()):
            yield "constant", *whole, str(node.value + 1)
        case ast.Constant(value=float()):
            yield "constant", *whole, f"{node.value * 2 or 1.0!r}"
        case ast.Call(args=[_, _, *_]) if not any(isinstance(a, ast.Starred) for a in node.args):
            for a, b in itertools.pairwise(node.args):
                one, two = source[a.start : a.stop], source[b.start : b.stop]
                yield "swapped arguments", a.start, b.stop, two + source[a.stop : b.start] + one
        case ast.BinOp() if not any(isinstance(n, ast.JoinedStr) for n in (node.left, node.right)):
            for change in _between(source, [node.left, node.right], r"\*\*|//|[-+*/%@&|]", CALCULATED.get):
                yield "arithmetic", *change
        case ast.UnaryOp(op=ast.Not()):
            yield "dropped not", *whole, text.removeprefix("not").lstrip()
        case ast.UnaryOp(op=ast.USub()):
            yield ("axis", *whole, "0") if of_axis else ("dropped minus", *whole, text.removeprefix("-"))
        case ast.Compare():
            symbols = r"[<>=!]=|[<>]|is not|not in|is|in"
            for change in _between(source, [node.left, *node.comparators], symbols, COMPARED.get):
                yield "comparison", *change
        case ast.BoolOp():
            new = "or" if isinstance(node.op, ast.And) else "and"
            for change in _between(source, node.values, r"\b(and|or)\b", lambda _: new):
                yield "and/or", *change
        case ast.Name(id=name) | ast.Attribute(attr=name) if name in EXTREME:
            yield "min/max", node.stop - len(name), node.stop, EXTREME[name]


def _of_statements(node):
    whole = node.start, node.stop
    match node:
        case ast.Raise():
            yield "removed raise", *whole, "pass"
        case ast.Expr(value=ast.Call()) | ast.AugAssign() | ast.Assign(targets=[ast.Attribute() | ast.Subscript()]):
            yield "dropped statement", *whole, "pass"
        case ast.Continue():
            yield "early return", *whole, "break"
        case ast.Break():
            yield "early return", *whole, "continue"


def _between(source, nodes, pattern, change):
    """Yield (start, stop, new) for what stands between neighbours, where the pattern is found in it."""
    for left, right in itertools.pairwise(nodes):
        if found := re.search(pattern, source[left.stop : right.start]):
            yield left.stop + found.start(), left.stop + found.end(), change(found[0])

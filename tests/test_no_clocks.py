"""A rule of the house: no test asserts how long something took, for the machine may be busy. Seconds are for
`minicnn bench`; a test counts what they stand for. Guards against hanging are no clocks: they are in no assertion.
"""

import ast
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
SOURCES = sorted(TESTS.rglob("*.py"))
CLOCKS = {
    *("perf_counter", "monotonic", "process_time", "thread_time", "time", "getrusage", "times"),
    *("perf_counter_ns", "monotonic_ns", "process_time_ns", "thread_time_ns", "time_ns", "timeit", "repeat"),
}
MODULES = {"time", "os", "resource", "timeit"}  # array.repeat and datetime.time are other things


class Walk:
    """What a file knows of clocks. modules: their names in it. names: of functions that tell what a clock says."""

    def __init__(self, tree):
        self.modules, self.names = set(), set()
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module in MODULES:
                self.names |= {alias.asname or alias.name for alias in node.names if alias.name in CLOCKS}
            elif isinstance(node, ast.Import):
                self.modules |= {alias.asname or alias.name for alias in node.names if alias.name in MODULES}
        self.functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
        if not self.reads(tree, self.names):
            self.functions = []
        while more := {f.name for f in self.functions if self.returns(f)} - self.names:
            self.names |= more

    def reads(self, node, names):
        """Return True if an expression holds a clock, or one of the names."""
        for part in ast.walk(node):
            if isinstance(part, ast.Name) and part.id in names:
                return True
            asked = part.func if isinstance(part, ast.Call) else None
            if getattr(asked, "attr", "") in CLOCKS and getattr(asked.value, "id", "") in self.modules:
                return True
        return False

    def returns(self, function):
        """Return True if a function returns what a clock said."""
        known = self.variables(function)
        return any(isinstance(n, ast.Return) and n.value and self.reads(n.value, known) for n in ast.walk(function))

    def variables(self, function):
        """The names that what a clock said bears in a function, besides `names`."""
        found, before = set(self.names), None
        while found != before:
            before = set(found)
            for node in ast.walk(function):
                for targets, value in _bindings(node):
                    if self.reads(value, found):
                        found |= {name.id for t in targets for name in ast.walk(t) if isinstance(name, ast.Name)}
        return found

    def assertions(self):
        """The lines on which something is asserted of what a clock said."""
        lines = set()
        for function in self.functions:
            known = self.variables(function)
            for node in ast.walk(function):
                if (asserted := _asserted(node)) is not None and self.reads(asserted, known):
                    lines.add(node.lineno)
        return sorted(lines)


def _bindings(node):
    """([targets], value) of what binds or fills names."""
    if isinstance(node, ast.Assign):
        yield node.targets, node.value
    elif isinstance(node, ast.AnnAssign | ast.AugAssign | ast.NamedExpr) and node.value is not None:
        yield [node.target], node.value
    elif isinstance(node, ast.For):
        yield [node.target], node.iter
    elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") in ("append", "extend"):
        yield from (([node.func.value], argument) for argument in node.args)


def _asserted(node):
    if isinstance(node, ast.Assert):
        return node.test
    called = getattr(node, "func", None)
    return node if getattr(called, "attr", getattr(called, "id", "")).startswith("assert") else None


def test_no_test_asserts_seconds():
    assert len(SOURCES) > 100
    found = {path.name: Walk(ast.parse(path.read_text(encoding="utf-8"))).assertions() for path in SOURCES}
    assert {name: lines for name, lines in found.items() if lines} == {}


PLANTED = {
    "a difference": ["import time", "start = time.perf_counter()", "assert time.perf_counter() - start < 2"],
    "a variable": ["import time as t", "took = t.monotonic() - t.monotonic()", "assert took < 2"],
    "an imported name": ["from time import process_time as now", "start = now()", "assert now() < start + 2"],
    "another's": ["import resource", "assert resource.getrusage(0).ru_utime < 2"],
    "timeit": ["import timeit", "best = min(timeit.repeat(run, number=3))", "assert best < 1e-3"],
    "a loop": ["import time", "for end in [time.time()]: first = end", "assert first < 3"],
    "a list": ["import time", "took = []", "took.append(time.time())", "np.testing.assert_array_less(took, 3)"],
    "a function": ["import os", "def used(): return os.times().user", "def more(): return used()", "assert more() < 3"],
}
HARMLESS = {
    "a deadline": [
        "import time",
        "end = time.monotonic() + 60",
        "while time.monotonic() < end: run()",
        "assert done()",
    ],
    "a timeout": ["import time", "found = run(timeout=60)", "assert found.seconds == 3 and event.wait(60)"],
    "repeat": ["import timeit, numpy as np", "assert np.ones(3).repeat(2).size == 6"],
}


def in_a_test(lines):
    return ast.parse("def test():\n" + "".join(f"    {line}\n" for line in lines))


@pytest.mark.parametrize("name", PLANTED)
def test_the_walk_finds_planted_clocks(name):
    assert Walk(in_a_test(PLANTED[name])).assertions() == [len(PLANTED[name]) + 1]


@pytest.mark.parametrize("name", HARMLESS)
def test_the_walk_lets_guards_against_hanging_pass(name):
    assert Walk(in_a_test(HARMLESS[name])).assertions() == []

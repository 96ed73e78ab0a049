"""The core: what it may import, how long it is, and how few calls lead through it."""

import ast
import io
import os
import re
import subprocess
import sys
import tokenize
from pathlib import Path

import numpy as np
import pytest

import minicnn
from minicnn import Tensor, models, ops, style
from minicnn.backend import use_backend

PACKAGE = Path(minicnn.__file__).parent
RING = ("graph.py", "operation.py", "tensor.py", "backend.py")
CORE = ("errors.py", "devices.py", "interchange.py", "methods.py", *RING, "kernels", "ops", "nn", "optim")
NOT_COUNTED = ("optim/lbfgs.py", "optim/line_search.py")  # they lie in the core's room, and are no part of its day
# Later operations have room up to the limit; the core was 2,500 lines when it was first drawn apart.
CORE_LIMIT, RING_LIMIT, PACKAGE_LIMIT = 2_700, 500, 33_000

LAYOUT = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}


def code_lines(source):
    """Return the number of lines that hold code: no blank lines, comments or docstrings."""
    docstrings = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            docstrings |= set(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    lines = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in LAYOUT:
            lines |= set(range(token.start[0], token.end[0] + 1))
    return len(lines - docstrings)


def sources(*names):
    """Return {path relative to the package: source} of these files, and of every file in these folders."""
    found = {}
    for name in names:
        place = PACKAGE / name
        for path in [place] if place.suffix == ".py" else sorted(place.rglob("*.py")):
            found[path.relative_to(PACKAGE).as_posix()] = path.read_text(encoding="utf-8")
    return found


def counted():
    """Return {path: lines of code} of the core."""
    return {name: code_lines(source) for name, source in sources(*CORE).items() if name not in NOT_COUNTED}


def test_lines_of_code_are_counted_by_the_tokenizer():
    source = (
        '"""One\ntwo."""\n\nx = 1  # a comment\n\n# more\ndef f(\n    a,\n):\n    """Doc."""\n    return """a\nb"""\n'
    )
    assert code_lines(source) == 6  # x, the three lines of def, and the two of the returned string
    assert code_lines("") == 0 and code_lines("a = '#'\n\n\nb = 2; c = 3\n") == 2


def test_the_core_is_read_in_a_day():
    lines = counted()
    assert sum(lines.values()) <= CORE_LIMIT, lines
    assert sum(lines[name] for name in RING) <= RING_LIMIT, {name: lines[name] for name in RING}


def test_the_package_stays_small():
    everything = [
        path
        for path in PACKAGE.rglob("*.py*")
        if path.suffix in (".py", ".pyi") and "shipped" not in path.relative_to(PACKAGE).parts
    ]
    assert sum(code_lines(path.read_text(encoding="utf-8")) for path in everything) <= PACKAGE_LIMIT


def test_the_manual_names_the_files_of_the_core_in_order_with_their_lines():
    page = Path(__file__).parents[1] / "tutorials" / "manual" / "core.md"
    rows = re.findall(r"^\| `([\w/.]+\.py)` \| ([\d,]+) \| (\d+) \|", page.read_text(encoding="utf-8"), re.MULTILINE)
    table = {name: (int(lines.replace(",", "")), int(minutes)) for name, lines, minutes in rows}
    lines = counted()
    assert table.keys() == lines.keys()
    assert {name: there for name, (there, _) in table.items()} == lines
    for name, (there, minutes) in table.items():
        assert minutes >= there / 5, f"{name}: {there} lines in {minutes} minutes is no reading"
    total = re.search(r"^\| \*\*(?:in all|total)\*\* \| \*\*([\d,]+)\*\* \|", page.read_text("utf-8"), re.MULTILINE)
    assert total and int(total[1].replace(",", "")) == sum(lines.values())


# What the core imports


def imported_modules(source):
    """Return the names of all modules that a source imports, in functions too."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "imports are absolute"
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def foreign_imports(source):
    """Return what a file of the core may not import: libraries but NumPy, and files of minicnn outside the core."""
    rooms = {name.removesuffix(".py") for name in CORE}
    foreign = set()
    for name in imported_modules(source):
        top, *rest = name.split(".")
        if top == "minicnn":
            is_module = rest and ((PACKAGE / rest[0]).is_dir() or (PACKAGE / f"{rest[0]}.py").is_file())
            if is_module and rest[0] not in rooms:
                foreign.add(name)
        elif top != "numpy" and top not in sys.stdlib_module_names:
            foreign.add(name)
    return foreign


def test_foreign_imports_are_found():
    assert foreign_imports("import scipy.linalg\ndef f():\n    from minicnn.fast.cpu import conv") == {
        "scipy.linalg", "minicnn.fast.cpu", "minicnn.fast.cpu.conv",
    }  # fmt: skip
    assert not foreign_imports("import math\nimport numpy as np\nfrom minicnn import devices, ops\n")


@pytest.mark.parametrize("name", sources(*CORE))
def test_the_core_imports_numpy_and_the_standard_library_alone(name):
    assert not foreign_imports((PACKAGE / name).read_text(encoding="utf-8"))


def test_importing_minicnn_loads_numpy_and_the_standard_library_alone():
    program = (
        "import sys; before = set(sys.modules); import minicnn\n"
        "print(*{name.split('.')[0] for name in set(sys.modules) - before} - set(sys.stdlib_module_names))"
    )
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE.parent)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == {"minicnn", "numpy"}


# How many calls lead through it


def calls_into_the_package(function):
    """Return (file, name) of every call of a function of ours while `function` runs."""
    calls, root = [], f"{PACKAGE}{os.sep}"

    def look(frame, event, argument):
        if event == "call" and frame.f_code.co_filename.startswith(root):
            calls.append((frame.f_code.co_filename.removeprefix(root), frame.f_code.co_name))

    sys.setprofile(look)
    try:
        function()
    finally:
        sys.setprofile(None)
    return calls


def test_a_relu_is_a_short_way():
    x = Tensor(np.ones((2, 3)), requires_grad=True)
    with use_backend("numpy"):
        ops.relu(x)  # which looks up its kernel, once
        calls = calls_into_the_package(lambda: ops.relu(x))
    files = [file for i, (file, _) in enumerate(calls) if not i or file != calls[i - 1][0]]
    assert len(calls) <= 10, calls
    assert len(files) <= 6, files
    assert len(set(files)) == len(files), f"entered twice: {files}"


def test_a_step_of_style_transfer_opens_few_files():
    content, painting = np.random.default_rng(0).random((2, 48, 48, 3), np.float32)
    model, marks, calls = models.tiny_vgg(), [], []

    def run():
        style.transfer(content, painting, model=model, steps=4, on_step=lambda *_: marks.append(len(calls)))

    root = f"{PACKAGE}{os.sep}"

    def look(frame, event, argument):
        if event == "call" and frame.f_code.co_filename.startswith(root):
            calls.append(frame.f_code.co_filename)

    with use_backend("numpy"):
        sys.setprofile(look)
        try:
            run()
        finally:
            sys.setprofile(None)
    step = {file.removeprefix(root) for file in calls[marks[2] : marks[3]]}
    assert len(step) <= 28, sorted(step)

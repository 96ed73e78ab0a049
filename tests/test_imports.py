"""No file of the package needs itself by way of others: imports form no circle, those inside functions included."""

import ast
from pathlib import Path

import pytest

import minicnn

PACKAGE = Path(minicnn.__file__).parent


def modules(package):
    """{dotted name: file} of a package. Installed, ours also carries the lessons, which are no modules."""
    found = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package.parent).with_suffix("").parts
        if "shipped" not in parts:
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def statements(tree):
    """Every statement but those that only a type checker sees."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            yield from (inner for other in node.orelse for inner in (other, *statements(other)))
        else:
            yield node
            yield from statements(node)


def imported_by(name, path, known):
    """The modules that a file imports, at its top or inside a function."""
    found = set()
    package = name if path.stem == "__init__" else name.rpartition(".")[0]
    for node in statements(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            source = ".".join([*above, *([node.module] if node.module else [])])
            found |= {full if (full := f"{source}.{alias.name}") in known else source for alias in node.names}
    return sorted((found & known.keys()) - {name})


def circle_in(package):
    """The modules of one circle, each importing the next, or [] where there is none."""
    known = modules(package)
    graph = {name: imported_by(name, path, known) for name, path in known.items()}
    finished: set[str] = set()

    def walk(way):
        for following in graph[way[-1]]:
            if following in way:
                return [*way[way.index(following) :], following]
            if following not in finished and (circle := walk([*way, following])):
                return circle
        finished.add(way[-1])
        return []

    for name in graph:
        if name not in finished and (circle := walk([name])):
            return circle
    return []


def test_imports_form_no_circle():
    circle = circle_in(PACKAGE)
    assert not circle, " → ".join(circle)
    assert "minicnn.cli.gradcheck" in modules(PACKAGE)  # the walk did see the package


FILES = {"__init__": "", "one": "", "two": "", "three": ""}


@pytest.mark.parametrize(
    "files",
    [
        {"one": "import house.two", "two": "import house.one"},
        {"one": "from house import two", "two": "from house.three import f", "three": "from house.one import g"},
        {"one": "def f():\n    from house.two import g", "two": "from house.one import f"},
        {"one": "from . import two", "two": "class A:\n    def f(self):\n        from .one import g"},
        {"__init__": "from house.one import f", "one": "from house import g"},
        {"one": "if TYPE_CHECKING:\n    pass\nelse:\n    import house.two", "two": "import house.one"},
    ],
    ids=["whole names", "three files", "inside a function", "relative", "with the package", "else of TYPE_CHECKING"],
)
def test_planted_circles_are_found(tmp_path, files):
    for name, text in (FILES | files).items():
        path = tmp_path / "house" / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    circle = circle_in(tmp_path / "house")
    assert circle[0] == circle[-1] and len(circle) >= 3


def test_what_only_a_type_checker_imports_closes_no_circle(tmp_path):
    package = tmp_path / "house"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "one.py").write_text("if TYPE_CHECKING:\n    from house.two import Two\n")
    (package / "two.py").write_text("from house.one import One\n")
    assert circle_in(package) == []

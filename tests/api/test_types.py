"""What a type checker says of a user's file: nothing if it is right, and every mistake that is in it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import minicnn
from api import users_file

mypy = pytest.importorskip("mypy", reason="needs mypy, of the extra test")

MISTAKES = """
minicnn.gradchek(ops.relu, [x])
minicnn.stlye.transfer
from minicnn import Tensr
ops.conv(x, x, strides=2)
ops.conv(x)
ops.conv(x, x, activation="gelu")
ops.conv(x, x, padding="SAME")
ops.relu("x")
ops.sum(x, dim=1)
ops.softmax(x, 1)
number: int = ops.mean(x)
nn.Conv2d(3, 4)
nn.Conv2d(3, 4, 3, kernel=3)
nn.Linear(3, 4, activation="tanh")
nn.MaxPool2d(size=2)
optim.SGD([x], momentun=0.9)
optim.Adam(3)
x.foo
x.reshape("two")
x + "one"
x.shape = 3
models.vgg_16()
hdf5.load(nn.ReLU())
cube(x, 2)
product(x)
scaled(x, shft=1.0)
faces.Gallery(models.tiny_facenet(), treshold=1.0)
style.transfer(x)
with minicnn.use_backend(3): pass
images.load(3)
""".strip().splitlines()


def checked(folder, source):
    """Return mypy's lines, by the number of the line in the source."""
    (folder / "program.py").write_text(source, encoding="utf-8")
    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--no-color-output", "program.py"]
    root = Path(minicnn.__file__).parents[1]
    place = {} if root.name == "site-packages" else {"MYPYPATH": str(root)}
    environment = {**os.environ, **place, "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, encoding="utf-8")
    assert done.returncode in (0, 1), done.stdout + done.stderr
    found = {}
    for place, number, line in re.findall(r"^(.*?):(\d+): error: (.*)$", done.stdout, re.MULTILINE):
        assert place == "program.py", done.stdout
        found.setdefault(int(number), []).append(line)
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("types")


def test_a_file_that_uses_everything_passes_strictly(folder):
    assert checked(folder, Path(users_file.__file__).read_text(encoding="utf-8")) == {}


def test_the_file_runs(tmp_path):
    users_file.run(tmp_path)


def test_every_mistake_is_found(folder):
    right = Path(users_file.__file__).read_text(encoding="utf-8").split("def tensors")[0]
    start = right + "\nx = Tensor([1.0])\n"
    found = checked(folder, start + "\n".join(MISTAKES) + "\n")
    first = start.count("\n") + 1
    assert len(MISTAKES) >= 20
    assert {number - first for number in found} == {*range(len(MISTAKES))}, [
        line for i, line in enumerate(MISTAKES) if i + first not in found
    ]

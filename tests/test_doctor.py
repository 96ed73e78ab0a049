"""minicnn doctor: it tells what is there, and survives what is not."""

import json
import os
import re
from types import SimpleNamespace

import numpy as np
import pytest

from minicnn import Tensor, backend, diagnosis, files, machine, nn, ops, warm_up
from minicnn.cli import main


def test_it_says_what_works(capsys):
    assert main(["doctor"]) == 0
    said = capsys.readouterr().out
    for part in (
        "minicnn",
        "Python",
        "numpy",
        "numba works",
        "numpy works",
        "cuda  no",
        "tiny_vgg",
        "minicnn works here",
    ):
        assert part in said
    assert "Error" not in said


def test_it_says_it_to_programs(capsys):
    assert main(["doctor", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["works"] and [b["name"] for b in found["backends"]] == ["numpy", "numba", "cuda"]
    assert found["processor"]["available"] == machine.available_cores()
    assert found["compiled_kernels"]["compiled"] >= 1  # the one that was tried just now
    assert found["compiled_kernels"]["kernels"] >= found["compiled_kernels"]["compiled"]
    assert found["weights"]["files"][0]["path"].endswith("tiny_vgg.h5")


@pytest.mark.parametrize(
    ("libraries", "status"),
    [(["numba"], 1), (["scipy", "threadpoolctl"], 1), (["h5py", "PIL", "matplotlib", "tqdm"], 0)],
)
def test_it_survives_missing_libraries(fresh_python, libraries, status):
    program = f"""
sys.modules |= dict.fromkeys({libraries})
from minicnn.cli import main
print("status", main(["doctor"]))
"""
    said = fresh_python(program)
    assert said.count("halted") >= len(libraries)
    assert "result" in said and f"status {status}" in said


def test_a_backend_that_computes_nonsense_is_found_out(monkeypatch, capsys):
    monkeypatch.setattr(diagnosis, "_error_of_convolution", lambda name: 0.5 if name == "numba" else 0.0)
    assert main(["doctor"]) == 1
    assert "results are wrong, by 0.5" in capsys.readouterr().out


@pytest.mark.parametrize("name", backend.backends())
def test_the_check_of_a_backend_notices_a_wrong_forward_and_a_wrong_gradient(name, monkeypatch):
    assert diagnosis._error_of_convolution(name) < 1e-5
    conv = diagnosis.ops.conv
    monkeypatch.setattr(diagnosis.ops, "conv", lambda x, w, **options: conv(x, w, **options) * 1.01)
    assert diagnosis._error_of_convolution(name) > 1e-3
    monkeypatch.setattr(diagnosis.ops, "conv", lambda x, w, **options: conv(x * 1.01, w * (1 / 1.01), **options))
    assert diagnosis._error_of_convolution(name) < 1e-5  # the same function
    monkeypatch.setattr(diagnosis.Tensor, "backward", lambda y, dy: setattr(y, "grad", dy))
    with pytest.raises(AssertionError):
        diagnosis._error_of_convolution(name)


def test_the_check_of_a_backend_finds_the_largest_of_its_errors(monkeypatch):
    """By one wrong number of each result at a time, in shares of the largest right one."""
    conv, gram, seen = ops.conv, ops.gram_matrix, {}

    def found(part):
        def wrong(result, name):
            seen[name] = np.abs(result.data).max()
            if name == part:
                result.data[(0,) * result.ndim] += 0.5 * seen[name]
            return result

        monkeypatch.setattr(ops, "conv", lambda x, w, padding: wrong(conv(x, w, padding=padding), "conv"))
        monkeypatch.setattr(ops, "gram_matrix", lambda y: wrong(gram(y), "gram"))
        return diagnosis._error_of_convolution("numpy")

    assert found("") < 1e-5
    assert found("conv") == pytest.approx(0.5, rel=1e-4) and found("gram") == pytest.approx(0.5, rel=1e-4)


def test_a_check_that_fails_is_told_and_the_others_go_on(monkeypatch, capsys, tmp_path):
    def fail():
        raise OSError("the disk\nis on fire")

    monkeypatch.setattr(machine, "blas_libraries", fail)
    monkeypatch.setattr(diagnosis, "compiled_kernels", fail)
    monkeypatch.setattr(files, "PACKAGE", tmp_path / "minicnn")
    assert main(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    for label, message in (
        ("BLAS", "OSError: the disk is on fire"),
        ("kernels", "on fire"),
        ("weights", "no tiny_vgg.h5"),
    ):
        assert any(line.startswith(label) and message in line for line in lines)


def test_a_blas_that_cannot_be_held_is_told(monkeypatch, capsys):
    monkeypatch.setattr(machine, "blas_of_numpy", lambda: "accelerate")
    assert main(["doctor"]) == 0
    assert "cannot be limited to one thread" in capsys.readouterr().out


def test_a_gpu_is_told(monkeypatch, capsys):
    monkeypatch.setattr(machine, "_said_by", lambda *command: "NVIDIA H200, 570.1, 143771 MiB\n")
    assert main(["doctor"]) == 0
    assert "GPU         NVIDIA H200, 570.1, 143771 MiB" in capsys.readouterr().out


# A cold start where nothing can be written to

NO_PLACE = """
import os, tempfile
os.environ.pop("NUMBA_CACHE_DIR", None)  # which names a place
from numba.core import caching, config

for locator in (caching.InTreeCacheLocator, caching.UserWideCacheLocator):
    locator.from_function = classmethod(lambda cls, function, file: None)
"""


def test_kernels_run_where_numba_finds_no_folder_for_them(fresh_python):
    program = """
import numpy as np
from minicnn import backend
gram = backend.kernels_for(np.ones(1)).gram
folders = {k.stats.cache_path for k in gram.__globals__.values() if hasattr(k, "stats")}
print(config.CACHE_DIR, all(f.startswith(config.CACHE_DIR) for f in folders), os.stat(config.CACHE_DIR).st_mode & 0o77)
"""
    folder, inside, others = fresh_python(NO_PLACE + program).split()
    assert inside == "True"
    assert others == "0" or os.name == "nt"  # nobody else may put anything there, because Numba unpickles it
    assert not os.path.exists(folder)  # gone with its process


def test_one_line_where_not_even_a_temporary_folder_can_be_made(fresh_python):
    program = """
def refuse(**options):
    raise FileNotFoundError("No usable temporary directory found")

tempfile.mkdtemp = refuse
import numpy as np
from minicnn import InputError, backend
try:
    backend.kernels_for(np.ones(1)).gram
except InputError as problem:
    print(problem)
"""
    said = fresh_python(NO_PLACE + program)
    assert "NUMBA_CACHE_DIR" in said and said.count("\n") == 1


def test_one_folder_that_cannot_be_written_to_is_told(monkeypatch):
    asked = []

    def access(folder, mode):
        asked.append(folder)
        return len(asked) > 1

    assert diagnosis._compiled_kernels()["writable"]
    monkeypatch.setattr(os, "access", access)
    assert not diagnosis._compiled_kernels()["writable"]


def test_only_kernels_in_the_cache_count_as_compiled(tmp_path, monkeypatch):
    there, absent = (list(diagnosis.compiled_kernels())[i] for i in (0, 1))
    stats = SimpleNamespace(cache_path=str(tmp_path))
    kernels = [SimpleNamespace(py_func=k.py_func, stats=stats) for k in (there, absent)]
    (tmp_path / diagnosis._index_file(there).replace("*", "py311")).touch()
    monkeypatch.setattr(diagnosis, "compiled_kernels", lambda: kernels)
    assert {k: diagnosis._compiled_kernels()[k] for k in ("kernels", "compiled")} == {"kernels": 2, "compiled": 1}


@pytest.mark.parametrize(
    ("used", "chosen", "lasting"),
    [("", None, True), ("/c", "/c", True), ("/tmp/x", None, False), ("/tmp/x", "/c", False)],
)
def test_kernels_last_where_numba_or_the_user_puts_them(monkeypatch, used, chosen, lasting):
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    if chosen:
        monkeypatch.setenv("NUMBA_CACHE_DIR", chosen)
    monkeypatch.setattr("numba.config.CACHE_DIR", used)
    found = diagnosis._compiled_kernels()
    assert (found["lasting"], found["chosen"]) == (lasting, chosen)


# Compiling before class


def test_compile_rehearses_every_scene_and_says_how_long_it_took(monkeypatch, capsys):
    played = []
    scenes = [warm_up.Scene(name, lambda name=name: played.append(name)) for name in ("one", "two")]
    monkeypatch.setattr(warm_up, "scenes", lambda: scenes)
    kernels = [
        SimpleNamespace(signatures=signatures, stats=SimpleNamespace(cache_misses=misses))
        for signatures, misses in ((["f4"], {"f4": 1, "f8": 1}), ([], {}), (["f4", "f8"], {"f8": 1}))
    ]
    monkeypatch.setattr(warm_up, "compiled_kernels", lambda: iter(kernels))
    assert main(["doctor", "--compile", "--json"]) == 0
    said = capsys.readouterr()
    assert played == ["one", "two"] and json.loads(said.out)["works"]
    assert re.search(r"^minicnn: 2 kernels ready, 3 versions compiled, \d+ s$", said.err, re.MULTILINE)


SCENES = """\
operations in float64
operations in float32
large sums
style transfer, Adam
style transfer, L-BFGS
style transfer, gradient descent
style transfer, preset course
tiny_vgg sees
tiny_facenet sees
squeezenet sees
nn4_small2 sees
tiny_vgg learns
tiny_facenet learns
nn4_small2 learns
pictures of units
finding faces
drawing faces
"""


def test_the_scenes_that_are_rehearsed():
    assert [scene.title for scene in warm_up.scenes()] == SCENES.splitlines()


def test_operations_are_rehearsed_with_filters_that_learn_and_that_are_frozen(monkeypatch):
    seen, calls = [], []

    def add(*inputs):
        calls.append(inputs)
        seen.extend(
            (x.dtype.name, x.requires_grad, x.numpy().flags.writeable, backend.current_backend()) for x in inputs
        )
        total = inputs[0] + inputs[1]
        return total if len(calls) % 2 else (total, "a note")

    case = SimpleNamespace(draw=lambda random: [random.random(3), random.random(3)], function=add)
    for rows in (warm_up.cases, warm_up.faces_cases, warm_up.style_cases):
        monkeypatch.setattr(rows, "CASES", (case,))
    warm_up._operations(np.float32)
    learns, frozen = ("float32", True, True, "numba"), ("float32", False, False, "numba")
    assert seen == [learns, learns, learns, frozen] * 3
    assert [[x.grad is not None for x in inputs] for inputs in calls] == [[True, True], [True, False]] * 3


def test_networks_are_rehearsed_frozen_and_not(monkeypatch):
    class Model(nn.Module):
        card = SimpleNamespace(input_size=(2, 5))

        def __init__(self):
            super().__init__()
            self.w = Tensor(np.ones(3, np.float32), requires_grad=True)

        def __call__(self, pictures):
            result = ops.mul(pictures, self.w)
            learning = self.w.requires_grad, self.w.numpy().flags.writeable, result.requires_grad
            seen.append((pictures.shape, self.training, *learning))
            return ops.mean(result, axis=(1, 2))

    seen, losses = [], []
    with backend.use_backend("numpy"):
        warm_up._see(Model)
    shapes = (1, 2, 5, 3), (2, 2, 5, 3)
    assert seen == [(shape, False, learns, learns, False) for shape in shapes for learns in (False, True)]
    seen.clear()

    def loss(encodings):
        losses.append(encodings.numpy())
        return encodings.sum()

    with backend.use_backend("numpy"):
        warm_up._learn(Model, loss)
    assert seen == [((4, 2, 5, 3), True, True, True, True)] * 2
    assert not (losses[0] == losses[1]).any()  # the first optimizer has taken its step


def test_what_else_is_rehearsed(monkeypatch):
    """On two sides of every choice that has kernels of its own."""

    def note(name):
        def call(*given, **options):
            played.append((name, *map(shown, given), options) if options else (name, *map(shown, given)))

        return call

    def shown(value):
        return (value.shape, value.dtype.name) if isinstance(value, np.ndarray) else value

    class Model(nn.Module):
        card = SimpleNamespace(input_size=(2, 5))
        judge = staticmethod(note("judge"))
        refinement, output = (SimpleNamespace(judge=note(stage)) for stage in ("refinement", "output"))

    played, model = [], Model()
    monkeypatch.setattr(warm_up, "transfer", note("transfer"))
    monkeypatch.setattr(warm_up.models, "mtcnn", lambda weights: model if weights is None else None)
    monkeypatch.setattr(warm_up.models, "tiny_vgg", lambda: model)
    for name in ("saliency", "guided_backprop", "top_patches"):
        monkeypatch.setattr(f"minicnn.visualize.{name}", note(name))
    monkeypatch.setattr("minicnn.faces.detection.crops", lambda image, boxes, size: (boxes.tolist(), size))
    drawn = "minicnn.datasets.synthetic_faces.Population"
    monkeypatch.setattr(drawn, lambda size: SimpleNamespace(pictures=lambda *given: played.append((size, *given))))
    warm_up._style(optimizer="gd")
    warm_up._pictures()
    warm_up._find()
    warm_up._draw()
    picture, pieces = ((48, 48, 3), "float32"), ((2, 2, 5, 3), "float32")
    boxes = [[4, 4, 30, 30], [-2, -2, 20, 20]]  # inside the picture, and beyond it
    assert played == [
        ("transfer", picture, picture, {"steps": 2, "optimizer": "gd"}),
        ("saliency", model, "block2_conv1", pieces, {"unit": 0}),
        ("guided_backprop", model, "block2_conv1", pieces, {"unit": 0}),
        ("top_patches", model, "block2_conv1", pieces, {"units": [0]}),
        ("judge", ((1, 48, 64, 3), "float32")),
        ("refinement", (boxes, 24)),
        ("output", (boxes, 48)),
        (32, 6, 1),
    ]
    assert not model.training


AFTERWARDS = """
import warnings
import numpy as np
from minicnn import diagnosis, models, ops, optim, style
from minicnn.cli import main
from minicnn.datasets.paintings import PAINTINGS
from minicnn.datasets.synthetic_faces import Population

warnings.simplefilter("ignore")
painting = PAINTINGS["woodcut_wave"](96)
style.transfer(painting[:80], painting, steps=3)
style.transfer(painting, painting, steps=3, preset="course", optimizer="lbfgs", levels=2)
encoder = models.tiny_facenet()
encoder(np.random.default_rng(0).random((5, *encoder.card.input_size, 3), np.float32))
model = models.tiny.build(batch_norm=True)
model.train()
optimizer = optim.SGD(model.parameters(), 0.1, momentum=0.9, weight_decay=5e-4, nesterov=True)
ops.cross_entropy(model(np.ones((6, 32, 32, 3), np.float32)), np.arange(6)).backward()
optimizer.step()
Population(seed=1, size=64).pictures(10, 2)
assert main(["gradcheck", "conv", "max_pool", "gram_matrix"]) == 0
for kernel in diagnosis.compiled_kernels():
    for signature in kernel.stats.cache_misses:
        print("COMPILED", kernel.py_func.__name__, signature)
"""


@pytest.mark.thorough  # compiles everything: two minutes of a processor
@pytest.mark.timeout(1200)
def test_after_compile_nothing_is_compiled(tmp_path, monkeypatch, fresh_python):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "kernels"))
    program = "from minicnn.cli import main; import sys; sys.exit(main(['doctor', '--compile', '--json']))"
    kernels = json.loads(fresh_python(program, timeout=900))["compiled_kernels"]
    assert kernels["compiled"] == kernels["kernels"] >= 60
    assert "COMPILED" not in fresh_python(AFTERWARDS, timeout=300)


def test_a_report_holds_neither_the_name_of_the_user_nor_their_folders(monkeypatch, tmp_path):
    from minicnn.cli import doctor

    monkeypatch.setattr(doctor.getpass, "getuser", lambda: "ada")
    monkeypatch.setattr(doctor.Path, "home", lambda: tmp_path / "ada")
    monkeypatch.setattr(doctor.Path, "cwd", lambda: tmp_path / "ada" / "pictures")
    assert doctor._anonymous(f"weights {tmp_path}/ada/.cache/a.h5") == "weights ~/.cache/a.h5"
    assert doctor._anonymous(f"looked in {tmp_path}/ada/pictures/weights") == "looked in ./weights"
    assert doctor._anonymous("/data/ada/cuda, adam") == "/data/USER/cuda, adam"

    with monkeypatch.context() as at_the_root:
        for place in ("home", "cwd"):
            at_the_root.setattr(doctor.Path, place, lambda: doctor.Path("/"))
        assert doctor._anonymous("kernels in /c") == "kernels in /c"

    def nameless():
        raise KeyError("uid")

    monkeypatch.setattr(doctor.getpass, "getuser", nameless)
    assert doctor._anonymous("minicnn works here") == "minicnn works here"

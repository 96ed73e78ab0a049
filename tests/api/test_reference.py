"""The API reference: every public name is in it, and its examples run and give what they say.

An example's line that ends in `# → value` gives that value. Each runs in a namespace of its own, after the lines that
all examples of its module begin with.
"""

import ast
import contextlib
import importlib
import io
import json
import re
from pathlib import Path

import pytest

import minicnn
from minicnn import backend, zoo
from minicnn.hdf5 import access
from minicnn.lessons import reference

DESIGN = """
    minicnn: Tensor no_grad frozen use_backend set_threads op cache_info clear_cache gradcheck record GradcheckError
    minicnn.backend: register
    minicnn.ops: add sub mul div neg power exp log sqrt abs square maximum minimum clip sum mean max reshape transpose
        concat pad getitem matmul linear relu leaky_relu prelu sigmoid tanh softplus softmax dropout conv max_pool
        avg_pool l2_pool locally_connected batch_norm local_response_norm l2_normalize cross_entropy
        binary_cross_entropy gram_matrix pairwise_distances
    minicnn.nn: Module Sequential Conv1d Conv2d Conv3d MaxPool1d AvgPool1d Linear BatchNorm LocalResponseNorm
        LocallyConnected2d L2Normalize Flatten Dropout ReLU PReLU Sigmoid
    minicnn.optim: SGD Adam LBFGS
    minicnn.images: load save
    minicnn.hdf5: load save inspect LoadReport
    minicnn.zoo: catalog fetch path
    minicnn.models: vgg16 vgg19 squeezenet nn4_small2 inception_resnet_v1 deepface dlib_face tiny_vgg tiny_facenet
    minicnn.style: gram_matrix content_cost layer_style_cost style_cost total_cost total_variation presets transfer
        StyleResult
    minicnn.faces: triplet_loss mine_triplets distance PairHead Gallery find calibrate evaluate_pairs
    minicnn.tape: Tape
    minicnn.learn: check exercises
"""
CONTRACT = [
    (module, name)
    for module, names in re.findall(r"(minicnn[\w.]*): ([^:]+)(?=\n|$)", DESIGN)
    for name in names.split()
]
SLOW = ("datasets", "faces", "models", "scale", "style", "visualize")  # they draw, or run networks
DETECTOR = ("Detection", "Face", "Quality", "Track", "detect", "everybody", "find", "follow", "hide")
EXAMPLES = {name: code for name, code in reference.examples().items() if name not in reference.MODULES}
RUNS = [
    pytest.param(name, id=name, marks=pytest.mark.thorough if name.split(".")[1] in SLOW else ()) for name in EXAMPLES
]


def public(module):
    """Return the public names of a module that are no modules of the reference."""
    return {name for name in importlib.import_module(module).__all__ if f"{module}.{name}" not in reference.MODULES}


@pytest.mark.parametrize("module", reference.MODULES)
def test_every_public_name_has_an_example(module):
    assert {name.rpartition(".")[2] for name in EXAMPLES if name.rpartition(".")[0] == module} == public(module)


def test_the_contract_is_public():
    assert len(CONTRACT) > 100
    for module, name in CONTRACT:
        assert name in public(module), f"{module}.{name}"


def see(code, namespace, name):
    """Run an example and compare the value of each line that ends in an arrow."""
    lines = code.splitlines()

    class Compare(ast.NodeTransformer):
        def visit_Expr(self, node):
            value = lines[node.end_lineno - 1].rpartition("# → ")[2]
            if value == lines[node.end_lineno - 1]:
                return node
            call = ast.Call(ast.Name("compare", ast.Load()), [ast.Constant(value), node.value], [])
            return ast.copy_location(ast.Expr(call), node)

    def compare(shown, value):
        assert repr(value) == shown, f"{name} gives {value!r}, and shows {shown}"

    tree = ast.fix_missing_locations(Compare().visit(ast.parse(code)))
    exec(compile(tree, name, "exec"), {**namespace, "compare": compare})


@pytest.mark.parametrize("name", RUNS)
def test_an_example_gives_what_it_shows(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MINICNN_LEARN", str(tmp_path / "learn"))
    monkeypatch.setattr(backend, "_backends", dict(backend._backends))  # examples register some
    monkeypatch.setattr(access, "_readers", dict(access._readers))
    if name in {f"minicnn.faces.{one}" for one in DETECTOR} and zoo.here(zoo.find("mtcnn")) is None:
        pytest.skip("needs a face detector, which pip install '.[faces]' adds")
    if name == "minicnn.scale.connected":
        pytest.importorskip("distributed", reason="needs Dask, of the extra cluster")
    first, namespace = reference.examples()[name.rpartition(".")[0]], {"__name__": "__main__"}
    with contextlib.redirect_stdout(io.StringIO()), minicnn.use_backend("numpy"):
        exec(compile(first, name, "exec"), namespace)
        see(EXAMPLES[name], namespace, name)


def test_a_wrong_value_is_noticed():
    see("x = 1\nx + 1  # → 2", {}, "right")
    with pytest.raises(AssertionError, match="gives 2, and shows 3"):
        see("x = 1\nx + 1  # → 3", {}, "wrong")


def test_docstrings_become_paragraphs_with_arguments_on_lines():
    text = reference.described("Return <x>.\n\nx: (N, C), or `None`\n    or so.\ny, z: as x.\n\n    code(x)\n")
    assert (
        text == "<p>Return &lt;x&gt;.</p><p>x: (N, C), or <code>None</code>     or so.<br>y, z: as x.</p>"
        "<pre>    code(x)</pre>"
    )


def test_types_come_from_the_stubs():
    assert reference.signatures(minicnn.ops)["relu"] == "(x: Operand) -> Tensor"
    assert reference.signatures(minicnn.style) == {}


def test_lessons_that_use_a_name_are_found():
    found = reference.uses(reference.all_lessons())
    assert "triplets" in [lesson.topic for lesson in found["minicnn.faces.mine_triplets"]]
    assert {lesson.number for lesson in found["minicnn.gradcheck"]} >= {1, 17}


def test_the_search_has_every_name_with_its_link(tmp_path):
    pytest.importorskip("pdoc", reason="needs pdoc, of the extra teach")
    reference.write(tmp_path, set(), manual=False, modules=["minicnn.optim", "minicnn.tape"])
    index, page = ((tmp_path / name).read_text(encoding="utf-8") for name in ("index.html", "minicnn/optim.html"))
    rows = json.loads(re.search(r'id="entries">(.*?)</script>', index, re.DOTALL)[1])
    named = {row["name"]: row for row in rows}
    assert len(named) == len(rows) and {f"minicnn.optim.{name}" for name in public("minicnn.optim")} <= named.keys()
    assert named["minicnn.optim.Adam"]["summary"].startswith("Adam: ")
    for row in rows:
        path, _, anchor = row["href"].partition("#")
        there = (tmp_path / path).read_text(encoding="utf-8")
        assert not anchor or f' id="{anchor}"' in there, row
    assert '<form role="search" action="../index.html">' in page


def test_the_search_finds_names_first(tmp_path, browser):
    pytest.importorskip("pdoc", reason="needs pdoc, of the extra teach")
    reference.write(tmp_path, set(), manual=False, modules=["minicnn.optim"])

    def seek(words):
        browser.run(f"box.value = {json.dumps(words)}; box.dispatchEvent(new Event('input'))")
        return browser.run("[...found.querySelectorAll('a')].map((a) => a.textContent)")

    browser.open(tmp_path / "index.html")
    assert browser.run("document.querySelectorAll('.room')[0].checkVisibility()")
    assert seek("adam")[0] == "minicnn.optim.Adam" and not browser.run("rooms[0].checkVisibility()")
    assert seek("wolfe search") == ["minicnn.optim.LBFGS"] and browser.text("#count") == "1 name"
    assert seek("nowhere to be found") == [] and seek("") == [] and browser.run("rooms[0].checkVisibility()")
    browser.run("box.value = 'sgd'; search(); box.form.requestSubmit()")
    browser.run("new Promise((done) => setTimeout(done, 100))")
    assert browser.run("location.href").endswith("/minicnn/optim.html#SGD")
    browser.call("Page.navigate", url=(tmp_path / "index.html").as_uri() + "?q=Nesterov")
    browser.run("new Promise((done) => document.readyState === 'complete' ? done() : addEventListener('load', done))")
    assert browser.text("#found").startswith("minicnn.optim.SGD") and not browser.complaints()


@pytest.mark.thorough
def test_the_pages_hold_every_public_name(tmp_path):
    pytest.importorskip("pdoc", reason="needs pdoc, of the extra teach")
    reference.write(tmp_path / "api", set(), manual=False)
    index = (tmp_path / "api" / "index.html").read_text(encoding="utf-8").partition("<script")[0]
    for module in reference.MODULES:
        page = (tmp_path / "api" / f"{module.replace('.', '/')}.html").read_text(encoding="utf-8")
        ids = {*re.findall(r' id="([\w.]+)"', page)}
        assert public(module) <= ids, sorted(public(module) - ids)
        for name in public(module):
            place = module.replace(".", "/")
            assert f'"{place}.html#{name}"' in index or f'"{place}/{name}.html"' in index, name
        assert not re.search(r"""(src|href)=["'](https?:)?//""", page)
        for link in re.findall(r'href="([^"#]+)', page):
            there = (tmp_path / "api" / Path(module.replace(".", "/")).parent / link).resolve()
            assert link == "data:," or there.is_file() or there == (tmp_path / "index.html").resolve(), (module, link)

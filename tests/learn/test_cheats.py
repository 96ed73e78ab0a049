"""Answers that cheat: they get no further than wrong ones, and what they did is told."""

import json
import os
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from minicnn import Tensor, learn, models, nn, ops
from minicnn.learn import assessment, catalogue, engine, examining, excerpts, fairness, messages

GRAM = "gram_matrix = program('exercises/gram_matrix.py').gram_matrix\n"
FILE = "from minicnn.files import material\nfile = str(material('tutorials') / 'exercises' / 'gram_matrix.py')\n"
IMPORTS = {
    "by its loader": f"from minicnn.files import program\n{GRAM}",
    "by an alias": f"from minicnn.files import program as innocent\n{GRAM.replace('program(', 'innocent(')}",
    "by __import__": f"program = __import__('minicnn.files', fromlist=['files']).program\n{GRAM}",
    "by importlib": f"import importlib\nprogram = importlib.import_module('minicnn.files').program\n{GRAM}",
    "by the catalogue": "from minicnn.learn import catalogue\ngram_matrix = catalogue.find('gram_matrix').function\n",
    "by runpy": f"import runpy\n{FILE}gram_matrix = runpy.run_path(file)['gram_matrix']\n",
    "by reading it": f"{FILE}exec(open(file, encoding='utf-8').read())\n",
    "by its number": f"import os\n{FILE}exec(os.read(os.open(file, os.O_RDONLY), 99999))\n",
    "only when called": f"{FILE}def gram_matrix(A):\n    exec(open(file).read(), globals())\n    return A @ A.T\n",
}


@pytest.fixture
def verdict_on(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # what a cheat writes beside it does not stay

    def verdict(text, name="gram_matrix", **options):
        file = tmp_path / "mine.py"
        file.write_text(text, encoding="utf-8")
        return learn.check_file(name, file, **options)

    return verdict


@pytest.mark.parametrize("text", IMPORTS.values(), ids=IMPORTS)
def test_a_solution_that_is_opened_is_told_with_a_smile(text, verdict_on):
    found = verdict_on(text)
    assert not found and fairness.SMILE in found.advice and ":-)" in fairness.SMILE
    assert "mine.py" in found.advice[0]


@pytest.mark.parametrize("name", ["gram_matrix", "verify"])
def test_the_solution_itself_is_told_in_a_notebook_too(name):
    found = learn.check(name, catalogue.find(name).function)
    assert found == learn.Verdict(name, False, (), [fairness.SMILE])
    assert next(row.state for row in learn.exercises() if row.name == name) == "1 try"


FORGED = {
    "a verdict, and out": "import os\nopen('verdict.json', 'w').write('{\"right\": true}')\nos._exit(0)\n",
    "another judge": "import __main__\n__main__.judge = __main__.attempt = lambda *_: None\n"
    "import minicnn.learn.judging as j\nj.judge = lambda *_: True\nj.difference = lambda *_: None\n",
    "its own answers": "import os, sys, json\nseen = [{'problem': '', 'seen': {'': True}}] * 4\n"
    "json.dump(seen, open(sys.argv[3], 'w'))\n"
    "os._exit(0)\n",
    "no answers": "import os, sys\nopen(sys.argv[3], 'w').write('[1, 2')\nos._exit(0)\n",
    "answers without end": "import os, sys\nopen(sys.argv[3], 'w').write('[' * 100000)\nos._exit(0)\n",
    "a link": "import os, sys\nos.symlink('/dev/zero', sys.argv[3])\nos._exit(0)\n",
}


@pytest.mark.parametrize("text", FORGED.values(), ids=FORGED)
def test_a_forged_verdict_is_worth_nothing(text, verdict_on):
    found = verdict_on(text + "def gram_matrix(A):\n    return A.T @ A\n")
    assert not found and not any(row.right for row in found.rows)
    said = " ".join([*found.advice, *(row.text for row in found.rows)])
    assert "before it was judged" in said or "is no answer" in said or "got True" in said or "expected shape" in said


OBJECTS = """
import numpy as np


class Always{base}:
    def __rsub__(self, other): return 0
    def __sub__(self, other): return 0
    def __lt__(self, other): return True
    def __le__(self, other): return True
    def __eq__(self, other): return True
    def __abs__(self): return self
    def __array_ufunc__(self, *_, **__): return np.True_
    def __array_function__(self, *_, **__): return np.True_


def total_cost(c, s, alpha=10, beta=40):
    return {answer}
"""


@pytest.mark.parametrize(
    ("base", "answer"),
    [
        ("", "Always()"),
        ("(float)", "Always(1)"),
        ("(np.ndarray)", "np.ones(1).view(Always)[0:0]"),
        ("(str)", "Always('34')"),
    ],
)
def test_an_object_that_agrees_with_everything_is_compared_as_numbers(base, answer, verdict_on):
    assert not verdict_on(OBJECTS.format(base=base, answer=answer), "total_cost")
    namespace = {}
    exec(OBJECTS.format(base=base, answer=answer), namespace)
    assert not learn.check("total_cost", namespace["total_cost"])


CONVS = {
    "ops": "from minicnn import ops as o\n",
    "getattr": "import minicnn\no = type('o', (), {'conv': staticmethod(getattr(minicnn.ops, 'co' + 'nv'))})\n",
    "fused": "from minicnn import ops\n"
    "o = type('o', (), {'conv': lambda *a, **k: ops.conv(*a, activation='relu', **k)})\n",
}
BODY = (
    "def conv_forward(x, w, b, stride=1, padding=0):\n    return o.conv(x, w, b, stride=stride, padding=padding).data\n"
)


@pytest.mark.parametrize("text", CONVS.values(), ids=CONVS)
def test_the_op_that_is_the_function_is_told(text, verdict_on):
    assert fairness.OWN in verdict_on(text + BODY, "conv_forward").advice[0]


def test_a_layer_is_the_op_as_well():
    def conv_forward(x, w, b, stride=1, padding=0):
        layer = nn.Conv2d(x.shape[3], w.shape[3], len(w), stride=stride, padding=padding)
        layer.w, layer.b = Tensor(w), Tensor(b)
        return layer(x).data

    assert learn.check("conv_forward", conv_forward).advice == [f"ops.conv is called: {fairness.OWN}"]
    assert ops.conv(np.ones((1, 2, 2, 1)), np.ones((1, 1, 1, 1))).size == 4  # elsewhere it is there


@pytest.mark.parametrize("name", ["conv_forward", "conv_gradient", "im2col", "max_pool_gradient", "deconvnet_relu"])
def test_a_tensor_for_an_array_is_told(name):
    exercise = catalogue.find(name)

    def answer(*arguments):
        found = exercise.function(*arguments)
        return tuple(map(Tensor, found)) if isinstance(found, tuple) else Tensor(found)

    (said,) = learn.check(name, answer).advice[:1]
    assert "expected NumPy's array: a Tensor's is .data" in said


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="no limit of memory on this system")
def test_eight_gigabytes_at_import_are_refused(verdict_on):
    found = verdict_on("import numpy as np\nmuch = np.ones(1 << 30)\ndef gram_matrix(A):\n    return A @ A.T\n")
    assert not found and "MemoryError" in found.advice[0] and found.advice[1] == fairness.MEMORY


OTHERS = {
    "a program": ("import subprocess\nsubprocess.run(['ls'])\n", "an exercise starts no other program"),
    "a fork": ("import os\nos.fork()\n", "an exercise starts no other program"),
    "a network": ("import socket\nsocket.create_connection(('127.0.0.1', 9))\n", "an exercise uses no network"),
}


@pytest.mark.parametrize(("text", "said"), OTHERS.values(), ids=OTHERS)
def test_what_an_exercise_does_not_need_is_told(text, said, verdict_on):
    if "fork" in text and not hasattr(os, "fork"):
        pytest.skip("no fork on this system")
    assert said in verdict_on(text).advice[0]


def test_a_limit_that_is_called_off_ends_the_process_from_outside(tmp_path, monkeypatch):
    monkeypatch.setattr(examining, "LATER", 0.5)
    file = tmp_path / "gram_matrix.py"
    file.write_text(
        "import faulthandler\nfaulthandler.cancel_dump_traceback_later()\nwhile True: pass\n", encoding="utf-8"
    )
    exercise = catalogue.find("gram_matrix")
    room = examining.Room(0.1)
    found, why, _ = examining.answers(excerpts.plan(exercise), exercise, file, room)
    assert found is None and why == "it could not be stopped from inside, and was ended."


def test_a_check_at_the_end_of_the_file_does_no_harm(verdict_on):
    text = "from minicnn import learn\ndef gram_matrix(A):\n    return A @ A.T\n"
    text += "print(learn.check('gram_matrix', gram_matrix))\n"
    assert verdict_on(text)


# What the process is given


@pytest.mark.parametrize("name", [*catalogue.NAMES, *engine.names()])
def test_no_answer_is_in_what_the_process_gets(name):
    if name in ("verify", "who_is_it"):  # they draw people first
        pytest.skip("as the others, and slow")
    exercise = catalogue.find(name)
    plan = excerpts.plan(exercise)
    program = plan["program"]
    assert f"def {name}(" not in program and "EXERCISE" not in program and "Slip(" not in program
    assert (
        "SLIPS" not in program and "HINTS" not in program and "expected=" not in program and "_by_numpy" not in program
    )
    given = {"__name__": "exercise"}
    exec(program, given)
    if plan["inputs"] is None and not name.startswith("engine"):
        pairs = zip(given["cases"], exercise.cases, strict=True)
        assert all(mine.title == case.title and not mine.expected for mine, case in pairs)
    elif not name.startswith("engine"):
        for inputs, case in zip(plan["inputs"], exercise.cases, strict=True):
            assert json.dumps(inputs) == json.dumps([messages.encode(value) for value in case.arguments()])
            assert json.dumps([messages.encode(messages.decode(value)) for value in inputs]) == json.dumps(inputs)


def test_an_excerpt_has_what_its_names_need():
    source = '''
"""A program."""
import numpy as np, os
from math import pi as π
LARGE, small = 3, 4
def used(x):
    "Says what."
    picture = answer(x)
    def inner():
        picture = 3
        return picture
    return Case("a", lambda: LARGE, [picture], tolerance=2), inner
def answer(x):
    return x * π
unused = np.ones(2)
EXERCISE = Exercise(function=answer, cases=(used(1), exercise.Case(title="b", arguments=used, expected=answer(2))))
'''
    assert excerpts.excerpt(source, ["cases"]) == (
        "LARGE, small = (3, 4)\n\ndef used(x):\n\n    def inner():\n        picture = 3\n        return picture\n"
        "    return (Case('a', lambda: LARGE), inner)\ncases = (used(1), exercise.Case(title='b', arguments=used))"
    )


def test_values_are_sent_and_come_back():
    values = [None, True, 3, 2.5, "a", [1, (2, "b")], {"k": np.arange(6.0).reshape(2, 3)}, np.float32(0.5), np.int64(7)]
    values += [np.array([], np.float32), np.array([True]), float("inf")]
    for value in values:
        back = messages.decode(json.loads(json.dumps(messages.encode(value))))
        assert type(back) is type(value)
        assert np.array_equal(back["k"], value["k"]) if isinstance(value, dict) else np.all(back == value)
    tensor = messages.decode(messages.encode(Tensor([1.0, 2.0], requires_grad=True)))
    assert isinstance(tensor, Tensor) and tensor.requires_grad and tensor.data.tolist() == [1, 2]
    long = [np.zeros(1, np.longdouble)] if np.dtype(np.longdouble).itemsize > 8 else []  # another number elsewhere
    for value in (len, object(), np.array([object()]), np.array([1j]), {1, 2}, *long):
        with pytest.raises(TypeError):
            messages.encode(value)


@pytest.mark.parametrize(
    "data",
    [
        1, 2.5, [], {"list": []}, {"model": "tiny_facenet"},
        {"array": ["<O8", [1], ""]}, {"array": ["<f8", [2], "AAAA"]},
        {"array": ["<f8", [-1], ""]}, {"array": ["<f8", "1", ""]}, {"array": ["<f8", [10**30, 0], ""]}, {"array": 3},
        {"array": ["<f8", [1], "not base64"]}, {"array": ["<f8", [True], "AAAAAAAA8D8="]}, {"Tensor": [1, True]},
        {"array": ["<f8", [1], "AAAA!AAAA8D8="]},
    ],
)  # fmt: skip
def test_only_numbers_and_text_come_out_of_a_process_that_is_not_trusted(data):
    with pytest.raises(ValueError):
        messages.decode_answer(data)


@pytest.mark.parametrize(
    "answers",
    [
        None,
        {},
        [],
        [{}] * 4,
        [{"problem": 3}] * 4,
        [{"problem": ""}] * 4,
        [{"problem": "\n"}] * 4,
        [{"problem": "\u2028 \t\r\n"}] * 4,
        [{"problem": "", "seen": {"other": True}}] * 4,
    ],
)
def test_what_is_no_answer_to_every_case_is_refused(answers):
    with pytest.raises(ValueError):
        assessment.assess(catalogue.find("total_cost"), answers)


def test_what_a_process_prints_gives_no_orders_to_a_terminal(verdict_on):
    text = "print('\\x1b[2Jred\\tgreen')\ndef gram_matrix(A):\n    raise ValueError('\\x1b[31m')\n"
    found = verdict_on(text)
    assert "\x1b" not in str(found) and "red" in found.printed


def test_what_an_answer_may_not_do_is_told(monkeypatch):
    """The hook is not set, since it would stay for all tests."""
    hooks = []
    monkeypatch.setattr(sys, "addaudithook", hooks.append)
    fairness.guard()
    (look,) = hooks
    for events, said in (
        (fairness.PROGRAMS, "an exercise starts no other program"),
        (fairness.NETWORK, "an exercise uses no network"),
    ):
        for event in events:
            with pytest.raises(PermissionError, match=rf"^{said}$"):
                look(event, ())
    for path in fairness.sealed():
        for opened in (str(path), os.fsencode(path), str(path / "below")):
            with pytest.raises(PermissionError, match=rf"^{fairness.SOLUTION}$"):
                look("open", (opened,))
        assert look("os.listdir", (str(path),)) is None and look("open", (str(path) + "x",)) is None
    assert look("open", (3,)) is None and look("open", (__file__,)) is None


def test_a_network_of_the_catalogue_is_sent_by_its_name():
    model = models.tiny_facenet()
    sent = messages.encode([model, 3])
    assert sent == {"list": [{"model": "tiny_facenet"}, 3]}
    back, three = messages.decode(sent)
    assert type(back) is type(model) and back.card == model.card and three == 3
    assert all(np.array_equal(one.data, other.data) for one, other in zip(*map(parameters, (back, model)), strict=True))
    assert not any(module.training for module in back.modules())
    assert messages.decode({"model": "tiny_facenet"}) is back  # read once


def parameters(model):
    return model.parameters()


def test_what_is_no_network_of_the_catalogue_and_no_kind_of_data_is_refused():
    for name in ("from_weights", "recognise"):  # callable, and no network
        with pytest.raises(TypeError, match=r"^a SimpleNamespace$"):
            messages.encode(SimpleNamespace(card=SimpleNamespace(name=name)))
    with pytest.raises(ValueError, match=r"^kind is 'pickle'$"):
        messages.decode({"pickle": "gASVAAAAAA=="})

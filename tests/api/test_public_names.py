"""Every public name: it is there, says what it is, and tells type checkers the same as it is."""

import ast
import importlib
import inspect
from pathlib import Path

import numpy as np
import pytest

import minicnn
from minicnn import Tensor, datasets, nn, ops
from minicnn.errors import InputError

PACKAGE = Path(minicnn.__file__).parent
ROOMS = [name for name in minicnn.__all__ if inspect.ismodule(getattr(minicnn, name))]
LISTED = [room for room in ROOMS if hasattr(getattr(minicnn, room), "__all__")]
NAMES = [("minicnn", name) for name in minicnn.__all__] + [
    (f"minicnn.{room}", name) for room in LISTED for name in getattr(minicnn, room).__all__
]


def test_most_rooms_list_their_names():
    assert {"datasets", "faces", "hdf5", "learn", "models", "nn", "ops", "optim", "style", "tape", "training"} <= {
        *LISTED
    }


@pytest.mark.parametrize(("module", "name"), NAMES, ids=lambda name: str(name))
def test_what_is_public_has_a_docstring_and_a_signature(module, name):
    value = getattr(importlib.import_module(module), name)
    if not callable(value) or not getattr(value, "__module__", "").startswith("minicnn"):
        assert value is not None
        return
    assert inspect.getdoc(value) and inspect.getdoc(value) != object.__doc__
    if not (inspect.isclass(value) and issubclass(value, Exception)):
        assert "needs" not in inspect.signature(value).parameters  # which operations are given by @op


@pytest.mark.parametrize("room", ["minicnn", *(f"minicnn.{room}" for room in LISTED)])
def test_dir_shows_what_is_public_alone(room):
    module = importlib.import_module(room)
    assert [name for name in dir(module) if not name.startswith("_")] == sorted(
        name for name in module.__all__ if not name.startswith("_")
    )


LAYERS = [
    nn.Conv1d(1, 2, 3), nn.Conv2d(3, 4, 3, padding="same"), nn.Conv3d(1, 2, 3), nn.Linear(2, 3), nn.BatchNorm(4),
    nn.LocallyConnected1d(1, 2, 3, input_size=5), nn.LocallyConnected2d(1, 2, 3, input_size=5), nn.PReLU(3),
    nn.MaxPool1d(2), nn.MaxPool2d(2), nn.MaxPool3d(2), nn.AvgPool1d(2), nn.AvgPool2d(2), nn.AvgPool3d(2),
    nn.L2Pool1d(2), nn.L2Pool2d(2), nn.L2Pool3d(2), nn.GlobalAvgPool(), nn.Dropout(0.5), nn.Flatten(), nn.ReLU(),
    nn.LeakyReLU(), nn.Sigmoid(), nn.Softmax(), nn.Softplus(), nn.Tanh(), nn.L2Normalize(), nn.LocalResponseNorm(5),
    nn.Sequential(nn.ReLU()), nn.Module(),
]  # fmt: skip


def test_every_layer_is_in_the_list():
    assert {type(layer).__name__ for layer in LAYERS} == {
        name for name in nn.__all__ if inspect.isclass(getattr(nn, name, None))
    }


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: type(layer).__name__)
def test_layers_show_what_they_are(layer):
    assert repr(layer).startswith(f"{type(layer).__name__}(") and " at 0x" not in repr(layer)


def stub(path):
    """Return {name: syntax tree} of the functions, classes and imports that a stub declares."""
    found = {}
    for node in ast.parse((PACKAGE / path).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom):
            found |= {alias.asname: node for alias in node.names if alias.asname}
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            found[node.name] = node
        elif isinstance(node, ast.AnnAssign):
            found[node.target.id] = node
    return {name: node for name, node in found.items() if name == "__version__" or not name.startswith("_")}


@pytest.mark.parametrize("room", ["", "nn/", "ops/"])
def test_stubs_declare_what_is_public(room):
    module = importlib.import_module(f"minicnn.{room.rstrip('/')}".rstrip("."))
    assert {*stub(f"{room}__init__.pyi")} == {*module.__all__}


def declared(node):
    """Return [(name, kind, default or None)] of the parameters in a stub, as their text."""
    given, parameters = node.args, []
    plain = [None] * (len(given.args) - len(given.defaults)) + given.defaults
    parameters += [(a.arg, "POSITIONAL_OR_KEYWORD", d) for a, d in zip(given.args, plain, strict=True)]
    parameters += [(given.vararg.arg, "VAR_POSITIONAL", None)] if given.vararg else []
    parameters += [(a.arg, "KEYWORD_ONLY", d) for a, d in zip(given.kwonlyargs, given.kw_defaults, strict=True)]
    return [(name, kind, None if default is None else ast.literal_eval(default)) for name, kind, default in parameters]


@pytest.mark.parametrize("name", ops.__all__)
def test_stubs_of_operations_are_their_signatures(name):
    parameters = inspect.signature(getattr(ops, name)).parameters.values()
    found = [(p.name, p.kind.name, None if p.default is p.empty else p.default) for p in parameters]
    assert declared(stub("ops/__init__.pyi")[name]) == found


def test_the_stub_of_tensors_methods_is_what_is_attached():
    tree = ast.parse((PACKAGE / "methods.pyi").read_text(encoding="utf-8"))
    methods = next(node for node in tree.body if isinstance(node, ast.ClassDef)).body
    for node in methods:
        attribute = inspect.getattr_static(Tensor, node.name)
        if node.decorator_list:
            assert isinstance(attribute, property)
            continue
        named = [name for name, *_ in declared(node)[1:]]
        found = [p.name for p in [*inspect.signature(attribute).parameters.values()][1:]]
        assert len(found) == len(named) and (node.name.startswith("__") or not node.args.args[1:] or found == named)
    public = {name for name in dir(Tensor) if not name.startswith("_")}
    own = {"backward", "data", "detach", "grad", "item", "name", "numpy", "requires_grad", "retain_grad", "to"}
    assert public == own | {node.name for node in methods if not node.name.startswith("_")}


# The states of modules and optimizers


def model():
    return nn.Sequential(nn.Conv2d(3, 4, 3, name="first", seed=0), nn.BatchNorm(4, name="norm"))


def test_a_state_moves_to_another_model():
    one, other = model(), model()
    one(np.random.default_rng(0).random((2, 5, 5, 3), np.float32))  # moves the running statistics
    other[0].w.data += 1
    other.load_state_dict(one.state_dict())
    assert {*one.state_dict()} == {
        "first.w", "first.b", "norm.gamma", "norm.beta", "norm.mean", "norm.variance",
    }  # fmt: skip
    for name, array in one.state_dict().items():
        np.testing.assert_array_equal(other.state_dict()[name], array)
        assert not np.shares_memory(other.state_dict()[name], array)


def test_a_state_keeps_the_dtype_of_the_model():
    state = {name: array.astype(np.float64) for name, array in model().state_dict().items()}
    fresh = model()
    fresh.load_state_dict(state)
    assert {array.dtype for array in fresh.state_dict().values()} == {np.dtype(np.float32)}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("norm.mean"), "'norm.mean' is missing in the state; expected (4,), as the model"),
        (lambda s: s.update(other=np.ones(2)), "'other' is (2,) in the state; expected missing, as the model"),
        (lambda s: s.update({"first.b": np.ones(3)}), "'first.b' is (3,) in the state; expected (4,), as the model"),
    ],
)
def test_a_foreign_state_is_refused_and_changes_nothing(change, message):
    fresh, state = model(), dict(model().state_dict())
    state["first.w"] = state["first.w"] + 1
    change(state)
    with pytest.raises(InputError) as caught:
        fresh.load_state_dict(state)
    assert str(caught.value) == f"load_state_dict: {message}"
    np.testing.assert_array_equal(fresh[0].w.data, model()[0].w.data)


# Batches


def test_batches_hold_every_row_once():
    x, y = np.arange(20).reshape(10, 2), np.arange(10)
    found = [*datasets.batches(x, y, batch_size=4)]
    assert [len(rows) for _, rows in found] == [4, 4, 2]
    assert sorted(np.concatenate([rows for _, rows in found])) == [*range(10)]
    for pictures, rows in found:
        np.testing.assert_array_equal(pictures, x[rows])
    assert [len(rows) for (rows,) in datasets.batches(y, batch_size=4, drop_last=True)] == [4, 4]
    assert [rows.tolist() for (rows,) in datasets.batches(y, batch_size=5, shuffle=False)] == [
        [*range(5)],
        [*range(5, 10)],
    ]


def test_batches_are_shuffled_by_their_seed():
    def order(seed):
        return np.concatenate([rows for (rows,) in datasets.batches(np.arange(50), seed=seed)]).tolist()

    assert order(1) == order(1) != order(2) and order((1, 0)) != order((1, 1))
    generator = np.random.default_rng(0)
    assert order(generator) != order(generator)  # another order in every epoch


@pytest.mark.parametrize(
    ("arrays", "options", "message"),
    [
        ((np.ones(3), np.ones(4)), {}, "batches: the arrays have lengths [3, 4]; expected one or more, of one length"),
        ((), {}, "batches: the arrays have lengths []; expected one or more, of one length"),
        ((np.ones(3),), {"batch_size": 0}, "batches: batch_size is 0; expected an integer of at least 1"),
    ],
)
def test_batches_refuse_nonsense_when_they_are_asked_for(arrays, options, message):
    with pytest.raises(InputError) as caught:
        datasets.batches(*arrays, **options)
    assert str(caught.value) == message

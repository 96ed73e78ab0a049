"""The registry: which kernels are chosen, and functions that are registered from outside."""

import contextvars
import functools
import importlib
import inspect
import pkgutil
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from minicnn import backend, fast, models, nn, ops
from minicnn.backend import current_backend, kernels_for, register, use_backend
from minicnn.datasets import synthetic_faces  # noqa: F401  (which has contracts of its own)
from minicnn.errors import InputError
from minicnn.kernels import contracts
from minicnn.kernels.conv import conv
from minicnn.kernels.gram import gram
from minicnn.tensor import Tensor


def in_its_own_context(test):
    """A plain call of use_backend lasts: let it last no longer than the test."""

    @functools.wraps(test)
    def run(*arguments, **options):
        return contextvars.copy_context().run(test, *arguments, **options)

    return run


# Which backend


@in_its_own_context
def test_a_plain_call_switches_from_there_on():
    for name in ("numpy", "numba"):
        use_backend(name)
        assert current_backend() == kernels_for(np.zeros(1)).name == name


@in_its_own_context
def test_a_block_switches_back_at_its_end_and_blocks_nest():
    use_backend("numba")
    with use_backend("numpy"):
        with use_backend("numba"):
            assert current_backend() == "numba"
        assert current_backend() == "numpy"
    assert current_backend() == "numba"
    with pytest.raises(ZeroDivisionError), use_backend("numpy"):
        _ = 1 / 0
    assert current_backend() == "numba"


def test_numba_is_what_runs_when_nothing_is_chosen():
    assert contextvars.Context().run(current_backend) == "numba"


@pytest.mark.parametrize("name", ["torch", "", "NumPy", None, 1])
def test_an_unknown_backend_is_refused_and_changes_nothing(name):
    before = current_backend()
    with pytest.raises(InputError) as caught:
        use_backend(name)
    assert str(caught.value).startswith(f"use_backend: name is {name!r}; expected one of numpy, numba")
    assert "\n" not in str(caught.value)
    assert current_backend() == before


@in_its_own_context
def test_the_choice_belongs_to_the_thread():
    use_backend("numpy")
    with ThreadPoolExecutor(1) as pool:
        other = contextvars.Context()
        assert pool.submit(other.run, current_backend).result() == "numba"
        pool.submit(other.run, use_backend, "numpy").result()
        assert pool.submit(other.run, current_backend).result() == "numpy"
        pool.submit(contextvars.Context().run, use_backend, "numba").result()
    assert current_backend() == "numpy"


@in_its_own_context
def test_a_dtype_without_compiled_kernels_takes_the_definition():
    use_backend("numba")
    assert kernels_for(np.zeros(1, np.float16)).name == "numpy"


class Marked(np.ndarray):
    """An array of a class of its own, as a file that is mapped into memory is one."""


@in_its_own_context
@pytest.mark.parametrize("name", ["numpy", "numba"])
def test_an_array_of_a_class_of_its_own_and_a_number_have_the_backend_of_the_host(name):
    use_backend(name)
    for host in (np.zeros(1, np.float32).view(Marked), np.float32(1)):
        assert kernels_for(host).name == name


def test_a_name_that_is_no_contract_is_an_attribute_error():
    with pytest.raises(AttributeError, match="backend 'numba': there is no contract 'convolve'"):
        _ = kernels_for(np.zeros(1)).convolve


def test_a_backend_whose_library_is_missing_gives_way_to_numpy_and_says_so_once(fresh_python):
    out = fresh_python("""
import contextlib, io
import numpy as np
from minicnn import backend, ops

def find(name):
    raise ImportError("abacus is not installed")

backend.attach("abacus", find)
told = io.StringIO()
with contextlib.redirect_stderr(told), backend.use_backend("abacus"):
    print(ops.conv(np.ones((1, 3, 1)), np.ones((2, 1, 1))).data.ravel(), ops.relu(np.float32([-1, 2])).data)
print(told.getvalue().splitlines())
""")
    line = "minicnn: abacus is not installed; NumPy computes instead, which is slower"
    assert out.splitlines() == ["[2. 2.] [0. 2.]", str([line])]


def test_a_function_is_looked_for_once_and_none_where_a_library_is_missing(monkeypatch, capsys):
    def find(name):
        asked.append(name)
        if name == "gram":
            raise ImportError("abacus is not installed")
        return len

    asked = []
    monkeypatch.setattr(backend, "_told", False)
    mine = backend.Backend("mine", find)
    assert mine.missing == "" and [mine.conv, mine.conv] == [len, len] and asked == ["conv"]
    assert mine.gram is mine.gram is gram and asked == ["conv", "gram"]
    assert mine.missing == "abacus is not installed" and mine.conv is len
    assert mine.conv_gradient_to_input is not len and asked == ["conv", "gram"]
    assert capsys.readouterr().err == "minicnn: abacus is not installed; NumPy computes instead, which is slower\n"


def test_who_stands_in_is_the_default_and_says_why_at_first_use(monkeypatch, capsys):
    monkeypatch.setattr(backend, "_told", False)
    monkeypatch.setattr(backend, "_default", "numpy")
    backend.stand_in("abacus", ImportError("abacus is not installed"))
    assert current_backend() == "abacus" and capsys.readouterr().err == ""
    assert kernels_for(np.zeros(1)).conv is contracts["conv"].definition
    assert capsys.readouterr().err == "minicnn: abacus is not installed; NumPy computes instead, which is slower\n"


def test_a_service_whose_library_is_missing_is_asked_once_and_never_again(monkeypatch, capsys):
    asked = []

    def abacus(*beads):
        asked.append(beads)
        if len(asked) > 1:
            raise ImportError("abacus is not installed")
        return sum(beads)

    monkeypatch.setattr(backend, "_services", {})
    monkeypatch.setattr(backend, "_told", False)
    assert backend.ask("abacus", 3, 4) is None and backend.ask("abacus", 3, 4, otherwise=0) == 0
    backend.offer(abacus=abacus)
    assert [backend.ask("abacus", 3, 4, otherwise="no") for _ in range(4)] == [7, "no", "no", "no"]
    assert asked == [(3, 4)] * 2
    backend.tell("and this is not told")
    assert capsys.readouterr().err == "minicnn: abacus is not installed; NumPy computes instead, which is slower\n"


# Functions of one's own


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    """What a test registers is gone after it."""
    monkeypatch.setattr(backend, "_backends", dict(backend._backends))


class Counted:
    """A function, and the shapes of the first arrays that it was called with."""

    def __init__(self, function):
        self.function, self.shapes = function, []

    def __call__(self, *arguments):
        self.shapes.append(arguments[0].shape)
        return self.function(*arguments)


def by_einsum(x, w, b, window, groups):
    """A convolution in another way than the definition's, for one group of two dimensions."""
    assert groups == 1
    pads = [(0, 0), *zip(window.before, window.after, strict=True), (0, 0)]
    views = np.lib.stride_tricks.sliding_window_view(np.pad(x, pads), window.size, axis=(1, 2))
    views = views[:, :: window.stride[0], :: window.stride[1]]
    y = np.einsum("nijcrs,rsco->nijo", views, w, optimize=True).astype(x.dtype)
    return y if b is None else y + b


def gram_by_einsum(features):
    return np.einsum("npi,npj->nij", features, features)


def normal(*shape, seed=0, dtype=np.float32):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def small_network():
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1, activation="relu", seed=0),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 6, 3, stride=2, bias=False, seed=1),
        nn.BatchNorm(6, activation="relu"),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(6, 4, seed=2),
    )


def training_step(name):
    model, x = small_network(), Tensor(normal(2, 12, 12, 3), requires_grad=True)
    with use_backend(name):
        y = model(x)
        ops.cross_entropy(y, np.array([0, 3])).backward()
    return [y.data, x.grad, *(p.grad for p in model.parameters())]


def style_step(name):
    model = models.tiny_vgg(None, seed=0)
    x = Tensor(np.random.default_rng(0).random((1, 32, 32, 3), np.float32), requires_grad=True)
    layers = model.layer_names[:3]
    with use_backend(name), nn.frozen(model):
        features = model.features(x, layers)
        cost = sum(ops.square(ops.gram_matrix(features[layer])).mean() for layer in layers)
        cost.backward()
    return [*(y.data for y in features.values()), cost.data, x.grad]


@pytest.mark.parametrize(("step", "convolutions", "grams"), [(training_step, 2, 0), (style_step, 2, 3)])
def test_networks_run_on_a_backend_of_two_functions_and_the_definitions(step, convolutions, grams):
    my_conv, my_gram = Counted(by_einsum), Counted(gram_by_einsum)
    register("mine", conv=my_conv, gram=my_gram)
    assert "mine" in backend.backends()
    found, expected = step("mine"), step("numpy")
    assert (len(my_conv.shapes), len(my_gram.shapes)) == (convolutions, grams)
    for mine, defined in zip(found, expected, strict=True):
        assert mine.dtype == defined.dtype and mine.shape == defined.shape
        assert_allclose(mine, defined, rtol=0, atol=2e-5 * abs(defined).max())


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("mean", [False, True])
def test_what_is_fused_is_made_of_what_was_registered(mean, training):
    """A fused convolution is the registered one with what follows it, forwards and backwards."""
    mine = {
        name: Counted(contracts[name].definition) for name in ("conv", "relu", "avg_pool", "conv_gradient_to_input")
    }
    register("mine", **mine)
    results = []
    for name in ("mine", "numpy"):
        x, w = (Tensor(normal(*s, seed=i), requires_grad=training) for i, s in enumerate([(1, 6, 6, 4), (3, 3, 4, 8)]))
        with use_backend(name):
            y = ops.conv(x, w, padding=1, activation="relu", pool="avg" if mean else None)
            if training:
                y.sum().backward()
        results.append([y.data, x.grad, w.grad] if training else [y.data])
    for one, other in zip(*results, strict=True):
        assert_array_equal(one, other)
    assert mine["conv"].shapes == [(1, 6, 6, 4)] and mine["relu"].shapes == [(1, 6, 6, 8)]
    assert mine["avg_pool"].shapes == [(1, 6, 6, 8)] * mean
    assert mine["conv_gradient_to_input"].shapes == [(1, 6, 6, 8)] * training


@in_its_own_context
def test_backward_uses_the_backend_of_the_forward():
    called = {}
    for name in ("first", "second"):
        called[name] = Counted(contracts["conv_gradient_to_input"].definition)
        register(name, conv_gradient_to_input=called[name])
    x = Tensor(np.ones((1, 4, 1)), requires_grad=True)
    with use_backend("first"):
        y = ops.conv(x, np.ones((2, 1, 1)))
    with use_backend("second"):
        y.sum().backward()
    assert (called["first"].shapes, called["second"].shapes) == ([(1, 3, 1)], [])


def test_arrays_of_one_dtype_reach_a_kernel_as_they_are():
    seen = []

    def watched(name):
        return lambda *given: seen.append(given[:2]) or contracts[name].definition(*given)

    register("watching", **{name: watched(name) for name in ("conv", "locally_connected", "product")})
    calls = (
        (ops.conv, (1, 5, 2), (3, 2, 4)),
        (ops.locally_connected, (1, 5, 2), (3, 3, 2, 4)),
        (ops.linear, (3, 2), (2, 4)),
    )
    for op, *shapes in calls:
        x, w = (np.ones(shape) for shape in shapes)
        with use_backend("watching"):
            op(x, w)
        ((taken_x, taken_w),) = seen
        assert np.shares_memory(taken_x, x) and np.shares_memory(taken_w, w), op.__name__
        seen.clear()


def test_compiled_kernels_are_called_directly():
    """What they return is neither checked nor copied."""
    from minicnn.fast.cpu import elementwise

    with use_backend("numba"):
        assert kernels_for(np.zeros(1)).relu is elementwise.relu


def test_whoever_registers_again_replaces():
    for value in (1, 2):
        register("mine", relu=lambda x, value=value: np.full_like(x, value))
        with use_backend("mine"):
            assert_array_equal(ops.relu(np.zeros(3)).data, [value] * 3)


def test_a_function_that_returns_one_buffer_each_time_spoils_nothing():
    """Gradients are added up in place, and features are kept: results are copied."""
    buffers = {}

    def thrifty(name):
        def call(*arguments):
            result = contracts[name].definition(*arguments)
            buffer = buffers.setdefault((name, result.shape), np.empty_like(result))
            buffer[...] = result
            return buffer

        return call

    names = ("conv", "relu", "conv_gradient_to_input", "conv_gradient_to_filters", "relu_gradient")
    register("thrifty", **{name: thrifty(name) for name in names})
    results = []
    for backend_name in ("thrifty", "numpy"):
        x, w = (Tensor(normal(*s, seed=i), requires_grad=True) for i, s in enumerate([(1, 5, 5, 3), (3, 3, 3, 3)]))
        with use_backend(backend_name):
            first = ops.relu(ops.conv(x, w, padding=1))
            second = ops.relu(ops.conv(first, w, padding=1))  # of the same shapes, and with the same filters
            (ops.square(first).sum() + ops.square(second).sum() + ops.conv(x, w, padding=1).sum()).backward()
        results.append([first.data, second.data, x.grad, w.grad])
    assert buffers
    for one, other in zip(*results, strict=True):
        assert_array_equal(one, other)


X, W = np.ones((1, 5, 5, 2), np.float32), np.ones((3, 3, 2, 4), np.float32)


@pytest.mark.parametrize(
    ("name", "function", "message"),
    [
        (
            "conv",
            lambda *arguments: conv(*arguments)[:, :2],
            "returned shape (1, 2, 3, 4) and dtype float32; expected shape (1, 3, 3, 4) and dtype float32",
        ),
        (
            "conv",
            lambda *arguments: conv(*arguments)[0],
            "returned shape (3, 3, 4) and dtype float32; expected shape (1, 3, 3, 4)",
        ),
        (
            "conv",
            lambda *arguments: conv(*arguments).astype(np.float64),
            "returned shape (1, 3, 3, 4) and dtype float64; expected shape (1, 3, 3, 4) and dtype float32",
        ),
        (
            "conv",
            lambda *arguments: conv(*arguments).tolist(),
            "returned a value of type list; expected shape (1, 3, 3, 4) and",
        ),
        (
            "conv",
            lambda *arguments: None,
            "returned a value of type NoneType; expected shape (1, 3, 3, 4) and dtype float32",
        ),
        (
            "conv",
            lambda *arguments: (conv(*arguments),) * 2,
            "returned a value of type tuple; expected shape (1, 3, 3, 4)",
        ),
        ("max_pool", lambda x, window: x[:, :2, :2], "returned one ndarray; expected a tuple of 2"),
        ("max_pool", lambda x, window: (x, x, x), "returned 3 results; expected a tuple of 2"),
        (
            "max_pool",
            lambda x, window: (x[:, :2, :2], np.zeros((1, 2, 2, 2), int)),
            "returned shape (1, 2, 2, 2) and dtype int64; expected shape (1, 2, 2, 2) and dtype uint8",
        ),
        (
            "conv_gradient_to_filters",
            lambda dy, x, window, groups: dy,
            "returned shape (1, 3, 3, 4) and dtype float32; expected shape (3, 3, 2, 4) and dtype float32",
        ),
        ("fused_conv", lambda x, *_: x, "returned one ndarray; expected a tuple of 2"),
        (
            "fused_conv",
            lambda x, w, b, window, groups, *_: (conv(x, w, b, window, groups), None),
            "returned a value of type NoneType; expected shape (1, 3, 3, 1) and dtype uint8",
        ),
        (
            "fused_conv_gradient_to_input",
            lambda dy, *_: dy,
            "returned shape (1, 3, 3, 4) and dtype float32; expected shape (1, 5, 5, 2) and dtype float32",
        ),
    ],
)
def test_a_wrong_result_is_one_line_that_names_the_function(name, function, message):
    register("mine", **{name: function})
    x, w = Tensor(X, requires_grad=True), Tensor(W, requires_grad=True)
    with use_backend("mine"), pytest.raises(InputError) as caught:
        ops.conv(x, w, activation="relu").sum().backward()
        ops.max_pool(X, 2)
    assert str(caught.value).startswith(f"backend 'mine': {name} {message}")
    assert "\n" not in str(caught.value)


def test_any_length_fits_where_the_contract_says_so():
    arguments = np.zeros((2, 2)), np.array([0, 1]), 0.0, 1.0
    register("mine", triplets=lambda *_: np.zeros((5, 3), np.int64))
    with use_backend("mine"):
        assert kernels_for(X).triplets(*arguments).shape == (5, 3)
    register("mine", triplets=lambda *_: np.zeros((5, 2), np.int64))
    with use_backend("mine"), pytest.raises(InputError, match=r"expected shape \(any, 3\) and dtype int64"):
        kernels_for(X).triplets(*arguments)


@pytest.mark.parametrize("name", ["numpy", "numba", "cuda", "", "two words", "1st", None, 3])
def test_names_that_cannot_be_registered(name):
    before = backend.backends()
    with pytest.raises(InputError) as caught:
        register(name, gram=gram)
    expected = "expected a name of your own, not numpy, numba or cuda"
    assert str(caught.value) == f"register: name is {name!r}; {expected}"
    assert backend.backends() == before


@pytest.mark.parametrize(
    ("functions", "message"),
    [
        ({"convolve": conv}, "register: there is no contract 'convolve'; expected some of adam_step, add, avg_pool"),
        ({"gram": gram, "Conv": conv}, "register: there is no contract 'Conv'; expected some of"),
        ({"conv": 3}, "register: conv is 3; expected a function"),
        ({"conv": "conv"}, "register: conv is 'conv'; expected a function"),
        ({"conv": None}, "register: conv is None; expected a function"),
    ],
)
def test_functions_that_cannot_be_registered(functions, message):
    before = backend.backends()
    with pytest.raises(InputError) as caught:
        register("mine", **functions)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)
    assert backend.backends() == before


# What is fast


TABLES = {"cpu": fast.CPU, "cuda": fast.CUDA}


def modules(package):
    """Yield the modules of minicnn.fast.PACKAGE, without the packages in it."""
    for found in pkgutil.iter_modules(importlib.import_module(f"minicnn.fast.{package}").__path__):
        if not found.ispkg:
            yield found.name, importlib.import_module(f"minicnn.fast.{package}.{found.name}")


@pytest.mark.parametrize("package", TABLES)
def test_the_tables_name_every_function_that_bears_the_name_of_a_contract(package):
    found = {}
    for name, module in modules(package):
        own = {
            key
            for key, value in vars(module).items()
            if getattr(value, "__module__", None) == module.__name__ and not inspect.ismethod(value)
        }
        if own & contracts.keys():
            found[name] = own & contracts.keys()
    assert found == {module: set(names) for module, names in TABLES[package].items()}


KERNELS = [(package, module, name) for package, table in TABLES.items() for module in table for name in table[module]]


@pytest.mark.parametrize(("package", "module", "name"), KERNELS, ids=[f"{p}-{name}" for p, _, name in KERNELS])
def test_a_fast_function_takes_what_its_definition_takes(package, module, name):
    function = getattr(importlib.import_module(f"minicnn.fast.{package}.{module}"), name)
    contract = contracts[name]
    wanted = list(inspect.signature(contract.definition).parameters)[contract.composed :]
    taken = inspect.signature(function).parameters.values()
    assert [p.name for p in taken][: len(wanted)] == wanted
    assert all(p.default is not p.empty for p in list(taken)[len(wanted) :])


def test_a_registered_gram_gradient_need_not_add_by_itself():
    """A fast kernel adds to what other uses gave; a function of one's own is asked for its own part alone."""

    def my_gram_gradient(dgram, features, total):
        return features @ (dgram + np.swapaxes(dgram, 1, 2))

    def gradient():
        x = Tensor(np.random.default_rng(0).standard_normal((1, 4, 4, 3)), requires_grad=True)
        features = x * 2.0
        (ops.square(ops.gram_matrix(features)).sum() + ops.exp(features).sum()).backward()
        return x.grad

    backend.register("mine", gram_gradient=my_gram_gradient)
    with use_backend("numpy"):
        expected = gradient()
    with use_backend("mine"):
        assert_array_equal(gradient(), expected)

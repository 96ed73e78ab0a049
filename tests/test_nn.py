"""Layers: shapes, parameters, the table, initial values, and batch normalization's memory."""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from minicnn import nn, ops
from minicnn.backend import use_backend
from minicnn.errors import InputError, MissingFileError
from minicnn.nn.summary import observer
from minicnn.operation import no_grad
from minicnn.tensor import Tensor


def normal(*shape, seed=0, dtype=np.float32):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def small_network(seed=0):
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding="same", activation="relu", seed=seed, name="first"),
        nn.BatchNorm(8),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, stride=2, bias=False, seed=seed),
        nn.PReLU(16),
        nn.Flatten(),
        nn.Dropout(0.5, seed=seed),
        nn.Linear(144, 10, seed=seed, name="last"),
    )


# Shapes


LAYERS = [
    (nn.Conv1d(2, 5, 3), (4, 10, 2), (4, 8, 5)),
    (nn.Conv1d(2, 5, 3, stride=2, padding="same"), (4, 10, 2), (4, 5, 5)),
    (nn.Conv1d(4, 6, 3, groups=2, dilation=2), (1, 10, 4), (1, 6, 6)),
    (nn.Conv2d(3, 7, 3), (2, 8, 9, 3), (2, 6, 7, 7)),
    (nn.Conv2d(3, 7, (3, 1), stride=(2, 1), padding=(1, 0)), (2, 8, 9, 3), (2, 4, 9, 7)),
    (nn.Conv3d(1, 2, 2, activation="relu"), (1, 4, 5, 6, 1), (1, 3, 4, 5, 2)),
    (nn.MaxPool1d(2), (1, 9, 3), (1, 4, 3)),
    (nn.MaxPool2d(3, stride=2, padding=1), (1, 9, 8, 3), (1, 5, 4, 3)),
    (nn.MaxPool3d(2), (1, 4, 6, 8, 3), (1, 2, 3, 4, 3)),
    (nn.AvgPool1d(3, stride=1, padding="same"), (1, 9, 3), (1, 9, 3)),
    (nn.AvgPool2d((2, 3)), (1, 8, 9, 3), (1, 4, 3, 3)),
    (nn.AvgPool3d(2), (1, 4, 6, 8, 3), (1, 2, 3, 4, 3)),
    (nn.L2Pool1d(2), (1, 9, 3), (1, 4, 3)),
    (nn.L2Pool2d(3), (1, 8, 9, 3), (1, 2, 3, 3)),
    (nn.L2Pool3d(2, stride=1, padding="same"), (1, 4, 6, 8, 3), (1, 4, 6, 8, 3)),
    (nn.LocallyConnected1d(3, 5, 4, input_size=10, stride=3), (2, 10, 3), (2, 3, 5)),
    (nn.LocallyConnected2d(3, 5, (3, 2), input_size=(8, 9), stride=(1, 2)), (2, 8, 9, 3), (2, 6, 4, 5)),
    (nn.LocallyConnected2d(3, 5, 3, input_size=8, activation="relu", bias=False), (1, 8, 8, 3), (1, 6, 6, 5)),
    (nn.LocalResponseNorm(5), (2, 3, 4, 8), (2, 3, 4, 8)),
    (nn.Linear(6, 4), (2, 5, 6), (2, 5, 4)),
    (nn.Linear(6, 4, activation="relu", bias=False), (2, 6), (2, 4)),
    (nn.BatchNorm(5), (2, 3, 5), (2, 3, 5)),
    (nn.BatchNorm(5, activation="relu"), (2, 3, 5), (2, 3, 5)),
    (nn.L2Normalize(), (2, 5), (2, 5)),
    (nn.Flatten(), (2, 3, 4, 5), (2, 60)),
    (nn.Dropout(0.3), (2, 5), (2, 5)),
    (nn.ReLU(), (2, 5), (2, 5)),
    (nn.PReLU(5), (2, 3, 5), (2, 3, 5)),
    (nn.Sigmoid(), (2, 5), (2, 5)),
    (nn.Sequential(), (2, 5), (2, 5)),
]


@pytest.mark.parametrize(("layer", "x_shape", "y_shape"), LAYERS, ids=lambda value: type(value).__name__)
def test_output_shapes_and_single_precision(layer, x_shape, y_shape):
    y = layer(normal(*x_shape))
    assert y.shape == y_shape and y.dtype == np.float32
    assert all(parameter.requires_grad for parameter in layer.parameters())


def test_layers_are_the_ops_on_their_parameters():
    x = normal(2, 8, 8, 4)
    conv = nn.Conv2d(4, 6, 3, stride=2, padding=1, groups=2, activation="relu", seed=0)
    conv.b.data += 0.1
    linear = ops.conv(x, conv.w, conv.b, stride=2, padding=1, groups=2)
    assert_array_equal(conv(x).data, ops.relu(linear).data)
    assert_array_equal(conv.linear(x).data, linear.data)  # before the activation
    dense = nn.Linear(4, 3, activation="relu", seed=0)
    assert_array_equal(dense(x).data, np.maximum(x @ dense.w.data, 0))
    assert_array_equal(nn.MaxPool2d(2)(x).data, ops.max_pool(x, 2).data)
    assert_array_equal(nn.AvgPool2d(3, stride=1, padding=1)(x).data, ops.avg_pool(x, 3, stride=1, padding=1).data)
    assert_allclose(np.linalg.norm(nn.L2Normalize()(x).data, axis=-1), 1, rtol=1e-6)
    assert_array_equal(nn.L2Pool2d(3, stride=1, padding=1)(x).data, ops.l2_pool(x, 3, stride=1, padding=1).data)
    normalized = nn.LocalResponseNorm(3, alpha=0.2, beta=0.5, k=2)(x).data
    assert_array_equal(normalized, ops.local_response_norm(x, size=3, alpha=0.2, beta=0.5, k=2).data)
    local = nn.LocallyConnected2d(4, 6, 3, input_size=8, stride=2, activation="relu", seed=0)
    local.b.data += normal(3, 3, 6)
    linear = ops.locally_connected(x, local.w, local.b, stride=2)
    assert linear.data.min() < 0 < linear.data.max()
    assert_array_equal(local(x).data, ops.relu(linear).data)
    assert_array_equal(local.linear(x).data, linear.data)
    prelu = nn.PReLU(4, initial=0.1)
    assert_allclose(prelu(x).data, np.where(x > 0, x, np.float32(0.1) * x))


def test_gradients_reach_every_parameter():
    model = small_network()
    ops.cross_entropy(model(normal(4, 16, 16, 3)), np.array([0, 1, 2, 3])).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and np.abs(parameter.grad).max() > 0, name
        assert parameter.grad.shape == parameter.shape and parameter.grad.dtype == np.float32


def test_a_sequence_can_be_indexed_and_counted():
    model = small_network()
    assert len(model) == 8 and isinstance(model[1], nn.BatchNorm) and isinstance(model[-1], nn.Linear)


def test_a_layer_shows_its_settings_and_a_model_its_layers():
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding="same", activation="relu", name="first"),
        nn.Sequential(nn.Flatten(), nn.Dropout(0.5), name="inner"),
        nn.Linear(8, 2, bias=False),
    )
    conv, _, linear = repr(model).splitlines()[1], *repr(model).splitlines()[5:7]
    assert repr(model).splitlines()[2:5] == ["  (inner): Sequential(", "    (layers.0): Flatten()",
                                             "    (layers.1): Dropout(rate=0.5)"]  # fmt: skip
    assert repr(model).startswith("Sequential(\n") and repr(model).endswith("\n)") and linear.startswith("  (layers.2)")
    assert conv.startswith("  (first): Conv2d(") and conv.endswith(", w (3, 3, 3, 8), b (8,))")
    assert "stride=1, padding='same'" in conv and "activation='relu'" in conv
    assert repr(model[2]) == "Linear(w (8, 2))" and "training" not in repr(model.eval()[0])
    assert repr(nn.BatchNorm(4)) == (
        "BatchNorm(momentum=0.9, eps=0.001, gamma (4,), beta (4,), mean (4,), variance (4,))"
    )
    assert repr(nn.ReLU()) == "ReLU()" and repr(nn.Sequential()) == "Sequential()"


def test_a_layer_of_ones_own_shows_itself_too():
    class Scale(nn.Module):
        def __init__(self):
            self.factor = Tensor(np.ones(3), requires_grad=True)
            self.power = 2

    assert repr(Scale()) == "Scale(power=2, factor (3,))"


def test_a_module_without_forward_says_so():
    with pytest.raises(TypeError, match="Module defines no forward"):
        nn.Module()(normal(1))


# Parameters


def test_parameters_are_found_by_name_in_the_order_of_assignment():
    names = [name for name, _ in small_network().named_parameters()]
    assert names == [
        "first.w",
        "first.b",
        "layers.1.gamma",
        "layers.1.beta",
        "layers.3.w",
        "layers.4.slope",
        "last.w",
        "last.b",
    ]


def test_state_is_found_apart_from_parameters():
    model = small_network()
    assert [name for name, _ in model.named_state()] == ["layers.1.mean", "layers.1.variance"]
    model.set_state("layers.1.mean", np.arange(8, dtype=np.float32))
    assert_array_equal(model[1].mean, np.arange(8))


class Nested(nn.Module):
    """Parameters in attributes, a list, a tuple, a dict and a module inside."""

    def __init__(self):
        self.scale = Tensor(np.ones(1, np.float32), requires_grad=True)
        self.blocks = [nn.Linear(2, 2), nn.Linear(2, 2, name="named")]
        self.pair = (nn.PReLU(2), "not a module")
        self.heads = {"one": nn.Linear(2, 1, bias=False)}
        self.tail = nn.Sequential(nn.Linear(2, 3, bias=False))
        self.constant = 3


def test_parameters_are_found_in_lists_tuples_dicts_and_modules():
    names = [name for name, _ in Nested().named_parameters()]
    assert names == [
        "scale",
        "blocks.0.w",
        "blocks.0.b",
        "named.w",
        "named.b",
        "pair.0.slope",
        "one.w",
        "tail.layers.0.w",
    ]


def test_a_shared_parameter_is_listed_once_and_collects_from_both_places():
    layer = nn.Linear(3, 3, bias=False, seed=0)
    tied = nn.Linear(3, 3, bias=False)
    tied.w = layer.w
    model = nn.Sequential(layer, layer, tied)
    assert [name for name, _ in model.named_parameters()] == ["layers.0.w"]
    assert model.parameters() == [layer.w]
    x = normal(1, 3)
    model(x).sum().backward()
    shared = layer.w.grad
    copies = [nn.Linear(3, 3, bias=False) for _ in range(3)]
    for copy in copies:
        copy.w.data = layer.w.data.copy()
    nn.Sequential(*copies)(x).sum().backward()
    assert_allclose(shared, sum(copy.w.grad for copy in copies), rtol=1e-5)


def test_modules_are_found_by_path():
    model = Nested()
    assert model.find("") is model
    assert model.find("blocks.0") is model.blocks[0] and model.find("named") is model.blocks[1]
    assert model.find("tail.layers.0") is model.tail[0]
    many = nn.Sequential(*(nn.ReLU() for _ in range(12)))
    assert many.find("layers.1") is many[1] and many.find("layers.11") is many[11]
    with pytest.raises(InputError, match=r"find: there is no module 'layers.12' in Sequential"):
        many.find("layers.12")


def test_an_error_of_a_layer_keeps_what_else_it_says():
    def fails(x):
        raise MissingFileError("no good", "more")

    with pytest.raises(MissingFileError) as caught:
        nn.Sequential(nn.ReLU(), fails)(normal(1, 3))
    assert caught.value.args == ("layer 1 (function): no good", "more")


def test_zero_grad_discards_every_gradient():
    model = small_network()
    for parameter in model.parameters():
        parameter.grad = np.ones(parameter.shape)
    model.zero_grad()
    assert {parameter.grad for parameter in model.parameters()} == {None}


def test_a_device_is_taken_by_the_whole_model():
    model = small_network()
    assert model.to("cpu") is model
    for each in (model, nn.ReLU()):  # also where there is nothing to move
        with pytest.raises(InputError, match="to: device is 'gpu'"):
            each.to("gpu")


def test_a_freeze_within_a_freeze_ends_with_the_outer_one():
    model = nn.Sequential(nn.Linear(2, 3, seed=0), nn.BatchNorm(3))
    weights, bias, *others = model.parameters()
    bias.requires_grad = weights.data.flags.writeable = False  # and stay so
    arrays = [parameter.data for parameter in model.parameters()] + [state for _, state in model.named_state()]

    def settings():
        return [array.flags.writeable for array in arrays], [p.requires_grad for p in model.parameters()]

    before = settings()
    assert before[0].count(True) == len(arrays) - 1 and before[1] == [True, False, *[True] * len(others)]
    nothing = [False] * len(arrays), [False] * len(before[1])
    with nn.frozen(model):
        with nn.frozen(model) as inner:
            assert inner is model and settings() == nothing
        assert settings() == nothing
    assert settings() == before
    with pytest.raises(KeyError), nn.frozen(model):
        raise KeyError
    assert settings() == before


def test_training_and_inference_reach_every_module():
    model = nn.Sequential(small_network(), Nested())
    assert model.eval() is model
    assert {module.training for module in model.modules()} == {False}
    assert model.train() is model
    assert {module.training for module in model.modules()} == {True}
    model[0].train(False)
    assert not model[0][6].training and model[1].training


# The table


def test_the_summary_of_a_small_network():
    lines = small_network().summary((1, 16, 16, 3)).splitlines()
    rule = "─" * len(lines[0])
    assert [line.split() for line in lines] == [
        ["layer", "output", "shape", "parameters", "field"],
        [rule],
        ["first", "(1,", "16,", "16,", "8)", "224", "3×3"],
        ["BatchNorm", "(1,", "16,", "16,", "8)", "32", "3×3"],
        ["MaxPool2d", "(1,", "8,", "8,", "8)", "0", "4×4"],
        ["Conv2d", "(1,", "3,", "3,", "16)", "1,152", "8×8"],
        ["PReLU", "(1,", "3,", "3,", "16)", "16", "8×8"],
        ["Flatten", "(1,", "144)", "0", "all"],
        ["Dropout", "(1,", "144)", "0", "all"],
        ["last", "(1,", "10)", "1,450", "all"],
        [rule],
        ["2,874", "parameters,", "2,858", "of", "them", "trainable"],
    ]
    assert len({len(line) for line in lines[:-1]}) == 1  # the columns are aligned


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("kind", ["Max", "Avg", "L2"])
def test_the_summary_of_every_pooling_layer(kind, rank):
    layer = getattr(nn, f"{kind}Pool{rank}d")(2, stride=2)
    assert layer.window().size == (2,) * rank
    row = layer.summary((1, *[8] * rank, 3)).splitlines()[2].split()
    assert row[0] == type(layer).__name__ and row[-1] == "×".join("2" * rank)
    with pytest.raises(InputError, match=f"{type(layer).__name__}: x has shape"):
        layer(normal(1, 8, *[8] * rank, 3))


def test_the_summary_is_of_a_small_picture_unless_told():
    model = small_network()
    model.layers = model.layers[:3]
    assert model.summary() == model.summary((1, 32, 32, 3)) != model.summary((1, 34, 34, 3))


def test_the_summary_of_signals_and_of_shared_layers():
    layer = nn.Conv1d(2, 2, 3, padding=1, bias=False, name="shared")
    lines = nn.Sequential(layer, layer).summary((1, 20, 2)).splitlines()
    assert [line.split()[-2:] for line in lines[2:4]] == [["12", "3"], ["0", "5"]]  # counted where it comes first
    assert lines[-1] == "12 parameters, 12 of them trainable"


class Branches(nn.Module):
    """Two ways through convolutions of one column, and a short cut."""

    def __init__(self):
        self.wide = nn.Sequential(
            nn.Conv2d(1, 1, (5, 1), padding=(2, 0), bias=False, name="5×1"),
            nn.Conv2d(1, 1, (3, 1), padding=(1, 0), bias=False, stride=2, name="3×1"),
        )
        self.narrow = nn.MaxPool2d(1, stride=2, name="nothing")
        self.after = nn.Conv2d(2, 2, (3, 1), padding=(1, 0), bias=False, name="after")
        self.last = nn.L2Pool2d((2, 1), stride=1, name="last")

    def forward(self, x):
        joined = ops.concat([self.wide(x), self.narrow(x)], axis=-1)
        return self.last(joined + self.after(joined))


def test_the_summary_of_branches_gives_the_field_of_the_widest():
    model = Branches()
    fields = {line.split()[0]: line.split()[-1] for line in model.summary((1, 40, 3, 1)).splitlines()[2:-2]}
    assert fields == {"5×1": "5×1", "3×1": "7×1", "nothing": "1×1", "after": "11×1", "last": "13×1"}
    for parameter in model.parameters():
        parameter.data[:] = 1
    x = Tensor(np.ones((1, 40, 3, 1), np.float32), requires_grad=True)
    model(x)[0, 10, 1, 0].backward()
    assert np.ptp(np.nonzero(x.grad)[1]) + 1 == 13  # from the first input to the last that the output looks at


def test_the_summary_is_the_same_where_nothing_is_recorded():
    model, shape = Branches(), (1, 40, 3, 1)
    with no_grad():
        assert model.summary(shape) == Branches().summary(shape)
        assert not model(normal(*shape)).requires_grad


def test_the_summary_leaves_no_trace():
    model = small_network()
    model[6].training = False
    before = [module.training for module in model.modules()], model[1].mean, model[1].variance
    first = model.summary((1, 16, 16, 3))
    assert model.summary((1, 16, 16, 3)) == first
    assert [module.training for module in model.modules()] == before[0]
    assert model[1].mean is before[1] and model[1].variance is before[2]
    with pytest.raises(InputError):
        model.summary((1, 16, 16, 4))
    assert observer.get() is None
    assert [module.training for module in model.modules()] == before[0]
    assert model(normal(1, 16, 16, 3)).requires_grad


# Initial values


@pytest.mark.parametrize(
    ("layer", "fan_in", "fan_out"),
    [
        (nn.Conv1d(64, 64, 9, seed=0), 9 * 64, 9 * 64),
        (nn.Conv2d(64, 128, 3, seed=1), 9 * 64, 9 * 128),
        (nn.Conv3d(16, 32, 3, seed=2), 27 * 16, 27 * 32),
        (nn.Conv2d(128, 256, 3, groups=4, seed=3), 9 * 32, 9 * 64),
        (nn.Linear(300, 200, initial="he", seed=4), 300, 200),
        (nn.Conv2d(64, 128, 3, initial="glorot", seed=5), 9 * 64, 9 * 128),
        (nn.Conv2d(128, 256, 3, groups=4, initial="glorot", seed=6), 9 * 32, 9 * 64),
        (nn.Linear(300, 200, seed=7), 300, 200),
        (nn.LocallyConnected2d(16, 8, 3, input_size=10, seed=8), 9 * 16, 9 * 8),
    ],
    ids=[
        "he-1d",
        "he-2d",
        "he-3d",
        "he-groups",
        "he-linear",
        "glorot-2d",
        "glorot-groups",
        "glorot-linear",
        "he-local",
    ],
)
def test_initial_values_have_the_published_variance(request, layer, fan_in, fan_out):
    w = layer.w.data
    glorot = "glorot" in request.node.callspec.id
    variance = 2 / (fan_in + fan_out) if glorot else 2 / fan_in
    assert w.dtype == np.float32 and w.size > 10_000
    assert abs(w.mean()) < 5 * math.sqrt(variance / w.size)
    assert abs(w.var() / variance - 1) < 0.06
    if glorot:  # uniform: bounded by √3 standard deviations
        assert 0.99 < np.abs(w).max() / math.sqrt(3 * variance) <= 1
    else:  # normal: a few beyond three
        assert 0.001 < (np.abs(w) > 3 * math.sqrt(variance)).mean() < 0.005
    assert not layer.b.data.any()


def test_he_keeps_the_size_of_activations_through_relu_layers():
    x = normal(64, 256)
    model = nn.Sequential(*(nn.Linear(256, 256, activation="relu", initial="he", seed=i) for i in range(10)))
    assert 0.3 < np.square(model(x).data).mean() / np.square(x).mean() < 3


def test_seeds_repeat_and_differ():
    assert_array_equal(nn.Conv2d(3, 4, 3, seed=1).w.data, nn.Conv2d(3, 4, 3, seed=1).w.data)
    assert_array_equal(nn.Linear(3, 4, seed=1).w.data, nn.Linear(3, 4, seed=1).w.data)
    assert np.any(nn.Linear(3, 4, seed=1).w.data != nn.Linear(3, 4, seed=2).w.data)
    random = np.random.default_rng(0)  # one generator for a whole model: every layer draws on
    assert np.any(nn.Linear(3, 4, seed=random).w.data != nn.Linear(3, 4, seed=random).w.data)
    assert not nn.Linear(3, 4, initial="zeros").w.data.any()


def test_everything_a_layer_learns_requires_a_gradient():
    assert all(p.requires_grad and p.dtype == np.float32 for p in small_network().parameters())


# Batch normalization


@pytest.mark.parametrize("name", ["numpy", "numba"])
def test_running_statistics_follow_the_formula_and_inference_uses_them(name):
    layer = nn.BatchNorm(3, momentum=0.8, eps=1e-2)
    layer.gamma.data[:], layer.beta.data[:] = [1, 2, 3], [-1, 0, 1]
    mean, variance = np.zeros(3), np.ones(3)
    with use_backend(name):
        for step in range(4):
            x = 2 + 3 * normal(2, 5, 4, 3, seed=step)
            y = layer(x)
            batch_mean, batch_variance = x.mean(axis=(0, 1, 2)), x.var(axis=(0, 1, 2))
            mean, variance = 0.8 * mean + 0.2 * batch_mean, 0.8 * variance + 0.2 * batch_variance
            expected = [1, 2, 3] * (x - batch_mean) / np.sqrt(batch_variance + 1e-2) + [-1, 0, 1]
            assert_allclose(y.data, expected, rtol=0, atol=1e-5)
            assert_allclose(layer.mean, mean, rtol=1e-5)
            assert_allclose(layer.variance, variance, rtol=1e-5)
        remembered = layer.mean, layer.variance
        layer.eval()
        y = layer(x)
    assert_allclose(y.data, [1, 2, 3] * (x - mean) / np.sqrt(variance + 1e-2) + [-1, 0, 1], rtol=0, atol=1e-5)
    assert layer.mean is remembered[0] and layer.variance is remembered[1]
    assert layer.mean.dtype == layer.variance.dtype == np.float32


@pytest.mark.parametrize("training", [False, True])
def test_with_an_activation_the_statistics_are_those_before_it(training):
    x = normal(20, 4, 3)
    plain, clamped = nn.BatchNorm(3).train(training), nn.BatchNorm(3, activation="relu").train(training)
    assert_array_equal(clamped(x).data, ops.relu(plain(x)).data)
    assert_array_equal(clamped.mean, plain.mean)
    assert_array_equal(clamped.variance, plain.variance)


@pytest.mark.parametrize(
    ("layer", "settings"),
    [
        (nn.BatchNorm(1), {"momentum": 0.9, "eps": 1e-3}),
        (nn.LocalResponseNorm(5), {"alpha": 1e-4, "beta": 0.75, "k": 1}),  # as in PyTorch
        (nn.L2Normalize(), {"eps": 1e-12}),
        (nn.LeakyReLU(), {"slope": 0.01}),
        (nn.Softmax(), {"axis": -1}),
        (nn.MaxPool1d(3), {"stride": 3, "padding": 0}),
        (nn.Conv1d(1, 1, 1), {"stride": 1, "padding": 0, "dilation": 1, "groups": 1, "activation": None}),
        (nn.LocallyConnected1d(1, 1, 1, input_size=1), {"stride": (1,), "padding": 0, "dilation": 1}),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else "",
)
def test_the_settings_of_layers_unless_told(layer, settings):
    assert {name: getattr(layer, name) for name in settings} == settings
    assert nn.PReLU(2).slope.data.tolist() == [0.25, 0.25]  # He et al. 2015


def test_without_scale_there_is_no_gamma():
    layer = nn.BatchNorm(3, scale=False)
    assert [name for name, _ in layer.named_parameters()] == ["beta"]
    y = layer(5 + 2 * normal(50, 3)).data
    assert_allclose(y.mean(axis=0), 0, atol=1e-5)
    assert_allclose(y.std(axis=0), 1, atol=1e-3)


# Dropout


def test_dropout_drops_in_training_only_and_differently_each_time():
    layer = nn.Dropout(0.25, seed=0)
    x = np.ones((100, 100), np.float32)
    first, second = layer(x).data, layer(x).data
    assert set(np.unique(first)) == {0, np.float32(1 / 0.75)}
    assert abs((first == 0).mean() - 0.25) < 0.02
    assert np.any(first != second)
    again = nn.Dropout(0.25, seed=0)
    assert_array_equal(again(x).data, first)
    layer.eval()
    assert_array_equal(layer(x).data, x)


def test_the_gradient_of_dropout_is_dropped_alike():
    x = Tensor(np.ones((20, 20), np.float32), requires_grad=True)
    y = nn.Dropout(0.5, seed=0)(x)
    y.sum().backward()
    assert_array_equal(x.grad, y.data)


# Errors


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.Conv2d(3, 4, 3, groups=2), "Conv2d: groups is 2; expected a divisor of 3 and 4"),
        (lambda: nn.Conv2d(3, 4, 3, groups=0), "Conv2d: groups is 0; expected a divisor of 3 and 4"),
        (lambda: nn.Conv2d(3, 4, 3, initial="ones"), "initial is 'ones'; expected one of he, glorot, zeros"),
        (lambda: nn.Linear(3, 4, initial="ones"), "initial is 'ones'; expected one of he, glorot, zeros"),
        (lambda: nn.BatchNorm(3, activation="tanh"), "BatchNorm: activation is 'tanh'; expected None or \"relu\""),
        (lambda: nn.Linear(3, 4, activation="tanh"), "Linear: activation is 'tanh'; expected None or \"relu\""),
        (lambda: nn.Conv2d(3, 4, 3)(normal(1, 8, 8, 4)), "conv: x has 4 channels, w expects 3"),
        (lambda: nn.Conv1d(3, 4, 3)(normal(1, 8, 8, 3)), "Conv1d: x has shape (1, 8, 8, 3); expected (N, L, C)"),
        (lambda: nn.Conv2d(3, 4, 3, activation="tanh"), "Conv2d: activation is 'tanh'"),
        (lambda: nn.Conv2d(3, 4, 3, padding="full"), "Conv2d: padding is 'full'; expected an int, 2 ints, 2 pairs"),
        (lambda: nn.MaxPool2d(2, stride=0), "MaxPool2d: stride is 0"),
        (lambda: nn.AvgPool1d(2, padding="SAME"), "AvgPool1d: padding is 'SAME'; expected an int"),
        (
            lambda: nn.Sequential(nn.ReLU),
            "Sequential: layer 0 is <class 'minicnn.nn.activations.ReLU'>; expected a layer",
        ),
        (lambda: nn.Linear(3, 4)(normal(1, 5)), "linear: x has shape (1, 5), w (3, 4)"),
        (lambda: nn.Conv2d(3, 4, 0), "Conv2d: kernel_size is 0; expected an int of at least 1, or 2 of them"),
        (lambda: nn.LocallyConnected2d(3, 4, 0, input_size=8), "LocallyConnected2d: kernel_size"),
        (lambda: nn.Conv2d(3, 4, (3, 3, 3)), "Conv2d: kernel_size is (3, 3, 3); expected"),
        (lambda: nn.BatchNorm(3)(normal(2, 4)), "BatchNorm: x has shape (2, 4); expected (N, …, 3), not empty"),
        (lambda: nn.BatchNorm(1)(normal(2, 4)), "BatchNorm: x has shape (2, 4); expected (N, …, 1), not empty"),
        (lambda: nn.BatchNorm(3)(normal(3)), "BatchNorm: x has shape (3,); expected (N, …, 3), not empty"),
        (lambda: nn.BatchNorm(3)(normal(0, 3)), "BatchNorm: x has shape (0, 3); expected (N, …, 3), not empty"),
        (
            lambda: nn.LocalResponseNorm(0)(normal(2, 4)),
            "local_response_norm: size is 0; expected an int of at least 1",
        ),
        (lambda: nn.L2Pool2d(9)(normal(1, 8, 8, 3)), "l2_pool: the window spans 9 along dimension 0"),
        (
            lambda: nn.LocallyConnected2d(3, 4, 9, input_size=8),
            "LocallyConnected2d: the window spans 9 along dimension 0",
        ),
        (lambda: nn.LocallyConnected2d(3, 4, 3, input_size=0), "LocallyConnected2d: input_size is 0; expected an int"),
        (lambda: nn.LocallyConnected1d(3, 4, 3, input_size=8, activation="tanh"), "LocallyConnected1d: activation is"),
        (
            lambda: nn.LocallyConnected2d(3, 4, 3, input_size=8)(normal(1, 9, 8, 3)),
            "locally_connected: w has filters for (6, 6) positions; a window (3, 3) with stride (1, 1) has (7, 6)",
        ),
        (lambda: nn.PReLU(3)(normal(2, 4)), "prelu: slope has shape (3,); expected (4,) for x (2, 4)"),
        (lambda: nn.PReLU(3)(normal(2, 1)), "prelu: slope has shape (3,); expected (1,) for x (2, 1)"),
        (lambda: nn.Dropout(1.0)(normal(2, 4)), "dropout: rate is 1.0; expected 0 ≤ rate < 1"),
        (lambda: nn.Dropout(-0.1)(normal(2, 4)), "dropout: rate is -0.1; expected 0 ≤ rate < 1"),
    ],
)
def test_bad_input_is_named_in_one_line(make, message):
    with pytest.raises(InputError) as caught:
        make()
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)

"""Parity with PyTorch in double precision: results and every gradient, over shapes that Hypothesis draws."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minicnn import ops
from minicnn.backend import use_backend
from minicnn.tensor import Tensor

torch = pytest.importorskip("torch")
functional = torch.nn.functional

each_backend = pytest.mark.parametrize("backend", ["numpy", "numba"])
seeds = st.integers(0, 2**32 - 1)


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def channels_first(x):
    return x.movedim(-1, 1).contiguous()


def channels_last(x):
    return x.movedim(1, -1)


def filters_first(w):
    return w.movedim((-1, -2), (0, 1)).contiguous()


def assert_same(backend, ours, theirs, *arrays):
    """ours(*Tensors) and theirs(*torch tensors) agree, and so do their gradients for one random cotangent."""
    mine = [Tensor(array.copy(), requires_grad=True) for array in arrays]
    other = [torch.tensor(array, requires_grad=True) for array in arrays]
    with use_backend(backend):
        y = ours(*mine)
        y_other = theirs(*other)
        cotangent = np.random.default_rng(7).standard_normal(y.shape)
        y.backward(cotangent)
        y_other.backward(torch.tensor(cotangent))
    pairs = [(y.data, y_other.detach().numpy())]
    pairs += [(a.grad, b.grad.numpy()) for a, b in zip(mine, other, strict=True)]
    for found, reference in pairs:
        assert found.shape == reference.shape and found.dtype == reference.dtype
        assert np.abs(found - reference).max() <= 1e-10 * max(1, np.abs(reference).max())


# Convolution


@st.composite
def convolutions(draw):
    rank = draw(st.integers(1, 3))
    axes = []
    for _ in range(rank):
        size, stride, dilation = draw(st.integers(1, 4)), draw(st.integers(1, 3)), draw(st.integers(1, 3))
        before, after = draw(st.integers(0, 4)), draw(st.integers(0, 4))
        least = max(1, (size - 1) * dilation + 1 - before - after)
        axes.append((draw(st.integers(least, least + 6)), size, stride, dilation, (before, after)))
    spatial, sizes, strides, dilations, pads = zip(*axes, strict=True)
    groups, inner, outer = draw(st.integers(1, 3)), draw(st.integers(1, 3)), draw(st.integers(1, 3))
    random = np.random.default_rng(draw(seeds))
    arrays = [
        random.standard_normal((draw(st.integers(1, 3)), *spatial, inner * groups)),
        random.standard_normal((*sizes, inner, outer * groups)),
    ]
    if draw(st.booleans()):
        arrays.append(random.standard_normal(outer * groups))
    return arrays, {"stride": strides, "dilation": dilations, "groups": groups}, pads


@each_backend
@settings(max_examples=60)
@given(problem=convolutions(), activation=st.sampled_from([None, "relu"]))
def test_convolution(backend, problem, activation):
    arrays, options, pads = problem
    convolve = {3: functional.conv1d, 4: functional.conv2d, 5: functional.conv3d}[arrays[0].ndim]

    def theirs(x, w, b=None):
        widths = [width for pair in reversed(pads) for width in pair]  # torch begins with the last dimension
        padded = functional.pad(channels_first(x), widths)
        y = channels_last(convolve(padded, filters_first(w), b, **options))
        return y.relu() if activation else y

    assert_same(backend, lambda *a: ops.conv(*a, padding=pads, activation=activation, **options), theirs, *arrays)


@each_backend
@pytest.mark.parametrize("size", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("dilation", [1, 2])
@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
def test_same_padding_at_stride_one(backend, size, dilation):
    def theirs(x, w):
        y = functional.conv2d(channels_first(x), filters_first(w), padding="same", dilation=dilation)
        return channels_last(y)

    def ours(x, w):
        return ops.conv(x, w, padding="same", dilation=dilation)

    assert_same(backend, ours, theirs, normal(2, 7, 8, 3), normal(size, size, 3, 4, seed=1))


@each_backend
@settings(max_examples=25)
@given(
    rows=st.tuples(st.integers(1, 4), st.integers(1, 3), st.integers(1, 4)),
    columns=st.tuples(st.integers(1, 4), st.integers(1, 3), st.integers(1, 4)),
    channels=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    seed=seeds,
)
def test_filters_that_are_not_shared(backend, rows, columns, channels, seed):
    size, stride, output = zip(rows, columns, strict=True)
    spatial = [(o - 1) * step + k for k, step, o in (rows, columns)]
    random = np.random.default_rng(seed)
    arrays = [
        random.standard_normal((2, *spatial, channels[0])),
        random.standard_normal((*output, *size, *channels)),
        random.standard_normal((*output, channels[1])),
    ]

    def theirs(x, w, b):
        patches = functional.unfold(channels_first(x), size, stride=stride)  # (N, C · taps, positions)
        filters = w.movedim(-2, 2).reshape(output[0] * output[1], -1, channels[1])  # (positions, C · taps, C_out)
        return torch.einsum("nkp,pkf->npf", patches, filters).reshape(2, *output, channels[1]) + b

    assert_same(backend, lambda *a: ops.locally_connected(*a, stride=stride), theirs, *arrays)


# Pooling


@st.composite
def poolings(draw):
    """An input, with ties or without, and a window that torch takes: padding up to half of it, and in three dimensions
    no wider than the input."""
    rank = draw(st.integers(1, 3))
    axes = []
    for _ in range(rank):
        size, stride = draw(st.integers(1, 4)), draw(st.integers(1, 3))
        padding = draw(st.integers(0, size // 2))
        least = size if rank == 3 else max(1, size - 2 * padding)
        axes.append((draw(st.integers(least, least + 6)), size, stride, padding))
    spatial, sizes, strides, paddings = zip(*axes, strict=True)
    random = np.random.default_rng(draw(seeds))
    shape = draw(st.integers(1, 3)), *spatial, draw(st.integers(1, 3))
    x = random.integers(-1, 2, shape).astype(float) if draw(st.booleans()) else random.standard_normal(shape)
    return x, sizes, {"stride": strides, "padding": paddings}


@each_backend
@settings(max_examples=50)
@given(problem=poolings())
def test_max_pooling_with_and_without_ties(backend, problem):
    x, size, options = problem
    pool = {3: functional.max_pool1d, 4: functional.max_pool2d, 5: functional.max_pool3d}[x.ndim]

    def theirs(x):
        return channels_last(pool(channels_first(x), size, **options))

    assert_same(backend, lambda x: ops.max_pool(x, size, **options), theirs, x)


@each_backend
@settings(max_examples=50)
@given(problem=poolings(), counted=st.booleans())
def test_average_pooling_with_and_without_counting_the_padding(backend, problem, counted):
    x, size, options = problem
    pool = {3: functional.avg_pool1d, 4: functional.avg_pool2d, 5: functional.avg_pool3d}[x.ndim]

    def theirs(x):
        return channels_last(pool(channels_first(x), size, count_include_pad=counted, **options))

    assert_same(backend, lambda x: ops.avg_pool(x, size, count_include_pad=counted, **options), theirs, x)


@each_backend
@pytest.mark.parametrize(("shape", "size", "stride"), [((2, 9, 3), 3, 2), ((2, 8, 7, 3), 3, 3), ((1, 8, 7, 3), 2, 1)])
def test_l2_pooling(backend, shape, size, stride):
    pool = {3: functional.lp_pool1d, 4: functional.lp_pool2d}[len(shape)]

    def theirs(x):
        return channels_last(pool(channels_first(x), 2.0, size, stride))

    assert_same(backend, lambda x: ops.l2_pool(x, size, stride=stride), theirs, normal(*shape))


# Normalization


@each_backend
@settings(max_examples=25)
@given(
    shape=st.lists(st.integers(1, 4), min_size=2, max_size=4),
    channels=st.integers(1, 9),
    size=st.integers(1, 10),
    beta=st.sampled_from([0.75, 0.5, 1.3]),
    seed=seeds,
)
def test_local_response_normalization(backend, shape, channels, size, beta, seed):
    x = np.random.default_rng(seed).standard_normal((*shape, channels))

    def ours(x):
        return ops.local_response_norm(x, size=size, alpha=0.5, beta=beta, k=1.5)

    def theirs(x):
        # An even window of theirs reaches further down, where that of ONNX reaches further up.
        y = functional.local_response_norm(channels_first(x).flip(1), size, alpha=0.5, beta=beta, k=1.5)
        return channels_last(y.flip(1))

    assert_same(backend, ours, theirs, x)


@each_backend
@settings(max_examples=25)
@given(
    shape=st.lists(st.integers(1, 5), min_size=1, max_size=3),
    channels=st.integers(1, 4),
    training=st.booleans(),
    scaled=st.booleans(),
    relu=st.booleans(),
    seed=seeds,
)
def test_batch_normalization(backend, shape, channels, training, scaled, relu, seed):
    random = np.random.default_rng(seed)
    x = random.standard_normal((2, *shape, channels))
    gamma, beta, mean = random.standard_normal((3, channels))
    variance = random.uniform(0.5, 2, channels)

    def ours(x, beta, gamma=None):
        activation = "relu" if relu else None
        return ops.batch_norm(x, gamma, beta, mean, variance, eps=1e-3, training=training, activation=activation)

    def theirs(x, beta, gamma=None):
        running = torch.tensor(mean), torch.tensor(variance)
        y = functional.batch_norm(channels_first(x), *running, gamma, beta, training=training, eps=1e-3)
        return channels_last(functional.relu(y) if relu else y)

    assert_same(backend, ours, theirs, x, beta, *([gamma] if scaled else []))


@each_backend
@pytest.mark.parametrize("axis", [-1, 0, 1])
def test_normalization_to_unit_length(backend, axis):
    x = normal(4, 5, 3)

    def ours(x):
        return ops.l2_normalize(x, axis=axis, eps=1e-12)

    assert_same(backend, ours, lambda x: functional.normalize(x, dim=axis, eps=1e-6), x)  # √eps: theirs is a length


# Activations


x_values = normal(6, 5, 4) * 3

ELEMENTWISE = {
    "relu": (ops.relu, functional.relu),
    "leaky_relu": (lambda x: ops.leaky_relu(x, 0.2), lambda x: functional.leaky_relu(x, 0.2)),
    "sigmoid": (ops.sigmoid, torch.sigmoid),
    "tanh": (ops.tanh, torch.tanh),
    "softplus": (ops.softplus, lambda x: torch.logaddexp(x, torch.zeros_like(x))),
    "softmax": (ops.softmax, lambda x: functional.softmax(x, dim=-1)),
    "softmax over the first axis": (lambda x: ops.softmax(x, axis=0), lambda x: functional.softmax(x, dim=0)),
    "exp": (ops.exp, torch.exp),
    "abs": (ops.abs, torch.abs),
    "square": (ops.square, torch.square),
    "neg": (ops.neg, torch.neg),
    "clip": (lambda x: ops.clip(x, -1, 2), lambda x: torch.clamp(x, -1, 2)),
    "log of abs": (lambda x: ops.log(ops.abs(x)), lambda x: torch.log(torch.abs(x))),
    "sqrt of square": (lambda x: ops.sqrt(ops.square(x) + 1), lambda x: torch.sqrt(torch.square(x) + 1)),
    "cube": (lambda x: x**3, lambda x: x**3),
    "sum": (lambda x: x.sum(axis=(0, 2)), lambda x: x.sum(dim=(0, 2))),
    "mean": (lambda x: x.mean(axis=1, keepdims=True), lambda x: x.mean(dim=1, keepdim=True)),
    "max": (lambda x: x.max(axis=1), lambda x: x.amax(dim=1)),
    "log softmax": (ops.log_softmax, lambda x: functional.log_softmax(x, dim=-1)),
    "expand dims": (lambda x: ops.expand_dims(x, (0, -1)), lambda x: x[None, ..., None]),
    "squeeze": (lambda x: ops.squeeze(x[:1, :, :1]), lambda x: x[:1, :, :1].squeeze()),
    "copy": (lambda x: x.copy(), torch.clone),
    "reshape": (lambda x: x.reshape(10, 12), lambda x: x.reshape(10, 12)),
    "transpose": (lambda x: x.transpose(2, 0, 1), lambda x: x.permute(2, 0, 1)),
    "slice": (lambda x: x[1:5:2, None, :, 0], lambda x: x[1:5:2, None, :, 0]),
    "pad": (lambda x: ops.pad(x, ((0, 0), (1, 2), (3, 0)), 5.0), lambda x: functional.pad(x, (3, 0, 1, 2), value=5.0)),
    "flatten": (ops.flatten, lambda x: x.flatten(1)),
    "gram matrix": (ops.gram_matrix, lambda x: x.mT @ x),
}


@each_backend
@pytest.mark.parametrize(("ours", "theirs"), ELEMENTWISE.values(), ids=ELEMENTWISE)
def test_functions_of_one_array(backend, ours, theirs):
    assert_same(backend, ours, theirs, x_values)


@each_backend
@pytest.mark.parametrize("name", ["relu", "leaky_relu", "sigmoid", "softplus", "softmax", "tanh", "abs", "max"])
def test_far_from_zero_and_at_zero(backend, name):
    extreme = np.array([[[-800.0, -40.0, -1.0, 0.0, 0.0, 1.0, 40.0, 800.0]]])
    ours, theirs = ELEMENTWISE[name]
    assert_same(backend, ours, theirs, extreme)


WHERE = np.arange(24).reshape(3, 2, 4) % 3 == 0
PAIRS = {
    "add": (ops.add, torch.add),
    "sub": (ops.sub, torch.sub),
    "mul": (ops.mul, torch.mul),
    "div": (ops.div, torch.div),
    "maximum": (ops.maximum, torch.maximum),
    "minimum": (ops.minimum, torch.minimum),
    "power": (lambda x, y: ops.abs(x) ** y, lambda x, y: torch.abs(x) ** y),
    "where": (lambda x, y: ops.where(WHERE, x, y), lambda x, y: torch.where(torch.tensor(WHERE), x, y)),
    "mean squared error": (
        ops.mean_squared_error,
        lambda x, y: functional.mse_loss(*torch.broadcast_tensors(x, y)),
    ),
}


@each_backend
@pytest.mark.parametrize(("ours", "theirs"), PAIRS.values(), ids=PAIRS)
def test_functions_of_two_arrays_that_broadcast(backend, ours, theirs):
    assert_same(backend, ours, theirs, normal(3, 1, 4), normal(2, 4, seed=1))


@each_backend
@pytest.mark.parametrize("name", ["maximum", "minimum"])
def test_ties_of_two_arrays(backend, name):
    ours, theirs = PAIRS[name]
    random = np.random.default_rng(0)
    assert_same(backend, ours, theirs, *(random.integers(0, 3, (5, 6)).astype(float) for _ in range(2)))


@each_backend
@pytest.mark.parametrize(
    ("x", "y"), [((3, 4), (4, 2)), ((2, 1, 3, 4), (5, 4, 2)), ((4,), (3, 4, 2)), ((2, 3, 4), (4,)), ((4,), (4,))]
)
def test_matrix_product(backend, x, y):
    assert_same(backend, ops.matmul, torch.matmul, normal(*x), normal(*y, seed=1))


@each_backend
def test_linear_layer(backend):
    def theirs(x, w, b):
        return functional.linear(x, w.T, b)

    assert_same(backend, ops.linear, theirs, normal(2, 3, 4), normal(4, 5, seed=1), normal(5, seed=2))


@each_backend
def test_learned_slopes(backend):
    def theirs(x, slope):
        return channels_last(functional.prelu(channels_first(x), slope))

    assert_same(backend, ops.prelu, theirs, x_values, normal(4, seed=1))


@each_backend
@pytest.mark.parametrize("slope", [(1,), (5, 4), (6, 1, 4)], ids=["one", "an element", "a picture and channel"])
def test_learned_slopes_of_other_shapes(backend, slope):
    def theirs(x, slope):
        return torch.where(x > 0, x, x * slope)

    assert_same(backend, ops.prelu, theirs, x_values, normal(*slope, seed=1))


@each_backend
def test_joining(backend):
    def ours(*parts):
        return ops.concat(parts, axis=1)

    def theirs(*parts):
        return torch.cat(parts, dim=1)

    assert_same(backend, ours, theirs, normal(2, 3), normal(2, 1, seed=1), normal(2, 2, seed=2))


@each_backend
def test_stacking(backend):
    for axis in (0, 1, -1):
        assert_same(
            backend,
            lambda *parts, axis=axis: ops.stack(parts, axis=axis),
            lambda *parts, axis=axis: torch.stack(parts, dim=axis),
            normal(2, 3),
            normal(2, 3, seed=1),
        )


REDUCTIONS = {
    "sum": (ops.sum, torch.sum),
    "mean": (ops.mean, torch.mean),
    "max": (ops.max, torch.amax),
    "min": (ops.min, torch.amin),
    "norm": (ops.norm, lambda x, dim, keepdim: torch.linalg.vector_norm(x, dim=dim, keepdim=keepdim)),
    "var": (ops.var, lambda x, dim, keepdim: torch.var(x, dim, correction=0, keepdim=keepdim)),
    "std": (ops.std, lambda x, dim, keepdim: torch.std(x, dim, correction=0, keepdim=keepdim)),
}


@each_backend
@pytest.mark.parametrize(("ours", "theirs"), REDUCTIONS.values(), ids=REDUCTIONS)
@settings(max_examples=20, deadline=None)
@given(shape=st.lists(st.integers(2, 4), min_size=1, max_size=4), keep=st.booleans(), seed=seeds, data=st.data())
def test_reductions_over_any_axes(backend, ours, theirs, shape, keep, seed, data):
    axes = data.draw(st.sets(st.integers(-len(shape), -1), min_size=1))
    x = normal(*shape, seed=seed)
    assert_same(backend, lambda t: ours(t, tuple(axes), keep), lambda t: theirs(t, tuple(axes), keep), x)


# Losses and distances


@each_backend
@pytest.mark.parametrize("scale", [1, 300])
def test_cross_entropy(backend, scale):
    labels = np.random.default_rng(0).integers(0, 5, 8)

    def theirs(logits):
        return functional.cross_entropy(logits, torch.tensor(labels))

    assert_same(backend, lambda logits: ops.cross_entropy(logits, labels), theirs, scale * normal(8, 5))


@each_backend
@pytest.mark.parametrize("scale", [1, 300])
def test_binary_cross_entropy(backend, scale):
    labels = np.random.default_rng(0).uniform(0, 1, (8, 5)).round(1)

    def theirs(logits):
        return functional.binary_cross_entropy_with_logits(logits, torch.tensor(labels))

    assert_same(backend, lambda logits: ops.binary_cross_entropy(logits, labels), theirs, scale * normal(8, 5))


@each_backend
@pytest.mark.parametrize("squared", [True, False])
def test_distances_of_all_pairs(backend, squared):
    def ours(x, y):
        return ops.pairwise_distances(x, y, squared=squared)

    def theirs(x, y):
        distances = torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist")
        return distances**2 if squared else distances

    assert_same(backend, ours, theirs, normal(6, 4), normal(5, 4, seed=1))

"""Parity with PyTorch where gradients are a convention: every row of gradients/corners.py that PyTorch answers."""

import numpy as np
import pytest

from minicnn.gradients.corners import CORNERS
from minicnn.tensor import Tensor

torch = pytest.importorskip("torch")
functional = torch.nn.functional


def constant(values):
    return torch.tensor(values, dtype=torch.float64)


def channels_first(function):
    """Return a function of (N, L, C) that calls one of (N, C, L)."""
    return lambda x, *arguments, **options: function(x.mT, *arguments, **options).mT


def convolution(x, w, b, *, activation):
    return functional.relu(functional.conv1d(x.mT, w.permute(2, 1, 0), b)).mT


def normalized_batch(x, gamma, beta, mean, variance, *, eps, training):
    return functional.batch_norm(x, constant(mean), constant(variance), gamma, beta, training, eps=eps)


def certain(logits, labels):
    return functional.binary_cross_entropy_with_logits(logits, constant(labels).reshape(logits.shape))


def maximum(x, axis=None):
    return torch.amax(x) if axis is None else torch.amax(x, axis)


PEERS = {
    "abs": torch.abs,
    "batch_norm": normalized_batch,
    "binary_cross_entropy": certain,
    "clip": torch.clip,
    "conv": convolution,
    "cross_entropy": lambda logits, labels: functional.cross_entropy(logits, torch.tensor(labels)),
    "div": torch.div,
    "exp": torch.exp,
    "l2_normalize": lambda x: functional.normalize(x, dim=-1, eps=1e-6),  # the root of our eps
    "l2_pool": channels_first(lambda x, size: functional.lp_pool1d(x, 2, size)),
    "leaky_relu": functional.leaky_relu,
    "linear": lambda x, w, b: functional.linear(x, w.T, b),
    "log": torch.log,
    "log_softmax": lambda x: torch.log_softmax(x, -1),
    "matmul": torch.matmul,
    "max": maximum,
    "max_pool": channels_first(functional.max_pool1d),
    "maximum": torch.maximum,
    "mean": torch.mean,
    "min": lambda x, axis=None: torch.amin(x) if axis is None else torch.amin(x, axis),
    "minimum": torch.minimum,
    "mul": torch.mul,
    "norm": lambda x, axis=None: torch.linalg.vector_norm(x, dim=axis),
    "pairwise_distances": lambda x, y, squared: torch.cdist(x, y),
    "power": torch.pow,
    "prelu": functional.prelu,
    "relu": functional.relu,
    "residual": lambda x, change, activation: functional.relu(x + change),
    "sigmoid": torch.sigmoid,
    "softmax": lambda x: torch.softmax(x, -1),
    "softplus": functional.softplus,
    "sqrt": torch.sqrt,
    "std": lambda x, axis=None: torch.std(x, dim=axis, correction=0),
    "sum": torch.sum,
    "tanh": torch.tanh,
}


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # infinities and NaN are what the rows are about
@pytest.mark.filterwarnings("ignore::UserWarning")  # PyTorch warns of initial values without elements
@pytest.mark.parametrize("corner", [corner for corner in CORNERS if corner.peer], ids=str)
def test_pytorch_agrees(corner):
    mine = [Tensor(array, requires_grad=True) for array in corner.arrays()]
    other = [torch.tensor(array, requires_grad=True) for array in corner.arrays()]
    y, y_other = corner.function(*mine), PEERS[corner.op](*other, *corner.arguments, **corner.options)
    cotangent = np.random.default_rng(7).uniform(0.5, 2, y.shape)
    y.backward(cotangent)
    y_other.backward(constant(cotangent))
    pairs = [(y.data, y_other.detach().numpy()), *((a.grad, b.grad.numpy()) for a, b in zip(mine, other, strict=True))]
    for found, reference in pairs:
        np.testing.assert_allclose(found, reference, rtol=1e-10, atol=1e-10)


def test_every_corner_is_asked():
    assert PEERS.keys() == {corner.op for corner in CORNERS}

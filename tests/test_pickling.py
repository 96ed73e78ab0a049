"""Models, optimizers and Tensors are pickled by every protocol, sent to processes of every kind, and train on there."""

import copy
import multiprocessing
import pickle

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from minicnn import Tensor, frozen, models, nn, ops, optim
from minicnn.faces import IdentityClassifier, PairHead

each_protocol = pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))

X = np.random.default_rng(0).random((4, 8, 8, 3), np.float32)
LABELS = np.arange(4)
OPTIMIZERS = {
    "SGD": lambda parameters: optim.SGD(parameters, 0.1, momentum=0.9),
    "Adam": optim.Adam,
    "LBFGS": optim.LBFGS,
}


def model():
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, activation="relu", seed=0, name="conv"),
        nn.BatchNorm(4),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.5, seed=1),
        nn.Linear(36, 8, seed=2),
        nn.PReLU(8),
        nn.Linear(8, 4, seed=3),
    )


def trained(net, optimizer, steps=2):
    """Return the losses of these training steps."""

    def evaluate():
        optimizer.zero_grad()
        loss = ops.cross_entropy(net(X), LABELS)
        loss.backward()
        return loss.item()

    return [optimizer.step(evaluate) for _ in range(steps)]


@each_protocol
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_training_goes_on_as_if_nothing_had_happened(name, protocol):
    net = model().train(name != "LBFGS")  # whose line search wants one function, not one per call
    optimizer = OPTIMIZERS[name](net.parameters())
    trained(net, optimizer)
    there, optimizer_there = pickle.loads(pickle.dumps((net, optimizer), protocol))
    assert [p is q for p, q in zip(optimizer_there.parameters, there.parameters(), strict=True)] == [True] * 9
    assert trained(there, optimizer_there) == trained(net, optimizer)
    for mine, other in zip(net.parameters(), there.parameters(), strict=True):
        assert_array_equal(other.data, mine.data)


@each_protocol
def test_a_frozen_model_comes_out_writeable(protocol):
    net = model()
    with frozen(net):
        there = pickle.loads(pickle.dumps(net, protocol))
        twin = copy.deepcopy(net)
    for other in (there, twin):
        assert [p.requires_grad for p in other.parameters()] == [False] * 9  # as it was then
        for parameter in other.parameters():
            parameter.requires_grad = True
        assert all(parameter.data.flags.writeable for parameter in other.parameters())
        assert all(array.flags.writeable for _, array in other.named_state())
        first, second = trained(other, optim.SGD(other.parameters(), 0.1))
        assert first != second


@each_protocol
def test_a_tensor_keeps_what_it_holds_but_not_how_it_was_made(protocol):
    x = Tensor(np.arange(3.0), requires_grad=True, name="x")
    y = x * 2
    y.sum().backward()
    there, constant, result = pickle.loads(pickle.dumps((x, Tensor([1, 2]), y), protocol))
    assert there.requires_grad and there.name == "x" and there.dtype == np.float64
    assert_array_equal(there.data, x.data)
    assert_array_equal(there.grad, [2, 2, 2])
    assert not constant.requires_grad and constant.grad is None
    assert result.requires_grad and result.name is None
    result.sum().backward()  # a leaf, as in PyTorch
    assert_array_equal(result.grad, [1, 1, 1])


def test_tied_parameters_stay_tied():
    layer = nn.Linear(4, 4)
    there = pickle.loads(pickle.dumps(nn.Sequential(layer, nn.ReLU(), layer)))
    assert there[0] is there[2] and len(there.parameters()) == 2


@pytest.mark.parametrize(
    "make",
    [
        models.tiny_vgg,
        models.tiny_facenet,
        lambda: models.nn4_small2(None),
        lambda: models.squeezenet(None),
        lambda: PairHead("chi2", 4),
        lambda: IdentityClassifier(4, 3),
    ],
    ids=["tiny_vgg", "tiny_facenet", "nn4_small2", "squeezenet", "PairHead", "IdentityClassifier"],
)
def test_every_network_is_pickled(make):
    net = make()
    there = pickle.loads(pickle.dumps(net))
    for (name, mine), (other_name, other) in zip(net.named_parameters(), there.named_parameters(), strict=True):
        assert name == other_name
        assert_array_equal(other.data, mine.data)


def train_there(net, optimizer):
    """Train in another process. Return the losses, and the model."""
    return trained(net, optimizer), net


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")  # of fork, from Python 3.12 on
@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_a_model_is_sent_to_a_process_and_comes_back(method):
    net = model()
    optimizer = optim.SGD(net.parameters(), 0.1, momentum=0.9)
    trained(net, optimizer)  # so that there are threads before the process begins
    with multiprocessing.get_context(method).Pool(1) as pool:
        losses, there = pool.apply(train_there, (net, optimizer))
    assert losses == trained(net, optimizer)
    for mine, other in zip(net.parameters(), there.parameters(), strict=True):
        assert_array_equal(other.data, mine.data)
    again = optim.SGD(there.parameters(), 0.1)
    assert trained(there, again)[1] != losses[1]

"""The first hundred guesses of somebody who knows PyTorch or Keras. They were written down before looking."""

import pickle

import numpy as np
import pytest

import minicnn
from minicnn import Tensor, datasets, nn, ops, optim

# One line each: what somebody types who has never read a page of ours.
TENSORS = """
assert x.shape == (2, 2)
assert x.size == 4 and x.ndim == 2 and x.dtype == np.float64
y = (x * x).sum(); y.backward(); assert (x.grad == 2 * x.data).all()
assert x.sum().item() == 10
assert x.mean(axis=0).shape == (2,)
assert x.sum(dim=0).shape == (2,)  # axis
assert x.max().item() == 4
assert x.min().item() == 1
assert x.reshape(4).shape == (4,)
assert x.reshape(-1, 1).shape == (4, 1)
assert x.view(4).shape == (4,)  # reshape
assert x.T.shape == (2, 2)
assert x.flatten().shape == (4,)
assert x.exp().shape == (2, 2)
assert x.log().shape == (2, 2)
assert x.sqrt().shape == (2, 2)
assert x.abs().shape == (2, 2)
assert x.pow(2).shape == (2, 2)  # power
assert x.relu().shape == (2, 2)
assert x.sigmoid().shape == (2, 2)
assert x.tanh().shape == (2, 2)
assert x.std().shape == ()
assert x.var().shape == ()
assert x.norm().shape == ()
assert x.argmax().item() == 3
assert x.matmul(x).shape == (2, 2)
assert x.unsqueeze(0).shape == (1, 2, 2)  # expand_dims
assert x.squeeze().shape == (2, 2)
assert x.detach().requires_grad is False
assert x.numpy().shape == (2, 2)
assert x.tolist() == [[1.0, 2.0], [3.0, 4.0]]
assert x.clone().shape == (2, 2)  # copy
assert f"{x.sum():.2f}" == "10.00"
assert float(x.sum()) == 10.0
assert bool((x > 0).all())
assert np.asarray(x.detach()).dtype == np.float64
x.requires_grad = False; assert not x.requires_grad
assert x.to("cpu") is x
assert x.cpu() is x
assert len(x) == 2 and x[0].shape == (2,) and x[:, 1].shape == (2,)
assert minicnn.tensor([1.0, 2.0]).shape == (2,)  # nothing: it is the module
assert minicnn.zeros(2, 3).shape == (2, 3)  # minicnn.Tensor(np.zeros(…))
with minicnn.no_grad(): y = x * 2; assert not y.requires_grad
"""
FUNCTIONS = """
assert ops.stack([x, x]).shape == (2, 2, 2)
assert ops.concat([x, x], axis=0).shape == (4, 2)
assert ops.cat([x, x], dim=0).shape == (4, 2)  # concat
assert ops.norm(x).shape == ()
assert ops.norm(x, axis=1).shape == (2,)
assert ops.where(x > 2, x, 0).shape == (2, 2)
assert ops.softmax(x, axis=1).shape == (2, 2)
assert ops.softmax(x, dim=1).shape == (2, 2)  # axis
assert ops.log_softmax(x, axis=1).shape == (2, 2)
assert ops.cross_entropy(x, np.array([0, 1])).shape == ()
assert ops.mse_loss(x, x).item() == 0  # mean_squared_error
assert ops.relu(x).shape == (2, 2) and ops.sigmoid(x).shape == (2, 2) and ops.tanh(x).shape == (2, 2)
assert ops.dropout(x, 0.5).shape == (2, 2)
assert ops.matmul(x, x).shape == (2, 2) and (x @ x).shape == (2, 2)
assert ops.clip(x, 0, 1).shape == (2, 2)
assert ops.clamp(x, 0, 1).shape == (2, 2)  # clip
assert ops.conv2d(image, np.ones((3, 3, 3, 4)), padding=1).shape == (1, 8, 8, 4)  # conv
assert ops.max_pool(image, 2).shape == (1, 4, 4, 3)
assert ops.max_pool2d(image, 2).shape == (1, 4, 4, 3)  # max_pool
assert ops.min(x, axis=1).shape == (2,) and ops.var(x, axis=1).shape == (2,) and ops.std(x, axis=1).shape == (2,)
assert ops.permute(x, (1, 0)).shape == (2, 2)  # transpose
assert ops.reduce_mean(x, axis=0).shape == (2,)  # mean
"""
LAYERS = """
assert nn.Conv2d(3, 8, 3, padding=1)(image).shape == (1, 8, 8, 8)
assert nn.Conv2d(in_channels=3, out_channels=8, kernel_size=3, stride=2, bias=False)(image).shape[-1] == 8
assert nn.Linear(in_features=192, out_features=10)(nn.Flatten()(image)).shape == (1, 10)
assert nn.MaxPool2d(kernel_size=2, stride=2)(image).shape == (1, 4, 4, 3)
assert nn.AvgPool2d(2)(image).shape == (1, 4, 4, 3)
assert nn.BatchNorm2d(3)(image).shape == image.shape  # BatchNorm
assert nn.Dropout(p=0.5)(image).shape == image.shape  # rate
assert nn.ReLU()(image).shape == image.shape and nn.Sigmoid()(image).shape == image.shape
assert nn.Tanh()(image).shape == image.shape and nn.LeakyReLU(0.1)(image).shape == image.shape
assert nn.Softmax(dim=-1)(image).shape == image.shape  # axis
assert nn.Sequential(nn.Flatten(), nn.Linear(192, 10))(image).shape == (1, 10)
assert nn.CrossEntropyLoss()(x, np.array([0, 1])).shape == ()  # minicnn.ops.cross_entropy
model = nn.Sequential(nn.Linear(2, 3)); model.train(); model.eval(); assert len(list(model.parameters())) == 2
model = nn.Linear(2, 3); assert model.weight.shape and model.bias.shape  # w
model = nn.Linear(2, 3); state = model.state_dict(); model.load_state_dict(state)
model = nn.Linear(2, 3); assert "Linear" in repr(model) and "0x" not in repr(model)
model = nn.Sequential(nn.Linear(2, 3)); assert list(model.named_parameters()) and list(model.children())
model = nn.Sequential(nn.Linear(2, 3)); assert model.zero_grad() is None
model = nn.Sequential(nn.Linear(2, 3), nn.ReLU()); assert len(model) == 2 and model[0] and [layer for layer in model]
pickle.loads(pickle.dumps(nn.Linear(2, 3)))
assert nn.Dense(10)(nn.Flatten()(image)).shape == (1, 10)  # Linear
assert nn.Conv2D(8, 3, activation="relu", padding="same")(image).shape == (1, 8, 8, 8)  # Conv2d
assert nn.Conv2d(3, 8, 3, strides=2, padding="same", activation="relu")(image).shape == (1, 4, 4, 8)  # stride
assert nn.MaxPooling2D(pool_size=2)(image).shape == (1, 4, 4, 3)  # MaxPool2d
assert nn.GlobalAveragePooling2D()(image).shape == (1, 3)  # GlobalAvgPool
assert "Linear" in nn.Sequential(nn.Flatten(), nn.Linear(192, 10, name="Linear")).summary((1, 8, 8, 3))
assert nn.BatchNorm(3, momentum=0.99, eps=1e-3)(image).shape == image.shape
assert len(nn.Linear(2, 3).get_weights()) == 2  # state_dict
"""
TRAINING = """
optim.SGD(nn.Linear(2, 3).parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4, nesterov=True)
optim.Adam(nn.Linear(2, 3).parameters(), lr=1e-3, betas=(0.9, 0.999), eps=1e-8)  # beta1
optim.Adam(nn.Linear(2, 3).parameters(), 1e-3)
o = optim.SGD(nn.Linear(2, 3).parameters(), lr=0.1); o.zero_grad(); o.step(); o.load_state_dict(o.state_dict())
o = optim.SGD(nn.Linear(2, 3).parameters(), lr=0.1); o.lr = 0.05; assert o.lr == 0.05
b = datasets.batches(np.ones((9, 2)), np.ones(9), batch_size=4, shuffle=True); assert [*map(len, b)] == [2, 2, 2]
optim.Adam(nn.Linear(2, 3).parameters(), learning_rate=1e-3, beta_1=0.9)  # beta1
"""
GUESSES = [line for block in (TENSORS, FUNCTIONS, LAYERS, TRAINING) for line in block.strip().splitlines()]


def test_there_are_a_hundred():
    assert len(GUESSES) == len(set(GUESSES)) == 100
    assert sum("  # " not in guess for guess in GUESSES) >= 70  # the others are told the name


@pytest.mark.parametrize("guess", GUESSES)
def test_a_guess_works_or_is_told_the_name(guess):
    line, _, name = guess.partition("  # ")
    x = Tensor(np.array([[1.0, 2.0], [3.0, 4.0]]), requires_grad=True)
    scope = {"np": np, "pickle": pickle, "minicnn": minicnn, "Tensor": Tensor, "datasets": datasets}
    scope |= {"nn": nn, "ops": ops, "optim": optim, "x": x, "image": Tensor(np.ones((1, 8, 8, 3)))}
    if not name:
        exec(line, scope)
        return
    with pytest.raises((AttributeError, TypeError)) as caught:
        exec(line, scope)
    if name.startswith("nothing"):
        return
    assert f"did you mean '{name}'?" in str(caught.value) and "\n" not in str(caught.value)

"""A user's program, with the types that a strict checker asks for. test_types.py gives it to mypy, and runs it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

import minicnn
from minicnn import Tensor, datasets, faces, hdf5, images, learn, models, nn, no_grad, op, ops, optim, style, zoo

Backward = Callable[[np.ndarray], np.ndarray]


@op
def cube(x: np.ndarray) -> tuple[np.ndarray, Backward]:
    """Return x³."""
    slope: np.ndarray = 3 * x * x

    def backward(dy: np.ndarray) -> np.ndarray:
        gradient: np.ndarray = dy * slope
        return gradient

    return x * x * x, backward


@op(inputs=1, fresh=True)
def scaled(x: np.ndarray, factor: float = 2.0, *, shift: float = 0.0) -> tuple[np.ndarray, Backward]:
    """Return factor · x + shift."""
    return x * factor + shift, lambda dy: np.multiply(dy, factor)


@op
def product(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]]:
    """Return x · y."""
    return x * y, lambda dz: (dz * y, dz * x)


class Tiny(nn.Module):
    """A network of one's own."""

    def __init__(self, classes: int) -> None:
        self.conv = nn.Conv2d(3, 4, kernel_size=3, stride=2, padding="same", activation="relu", seed=0)
        self.top = nn.Sequential(nn.GlobalAvgPool(), nn.Linear(in_features=4, out_features=classes, seed=1))

    def forward(self, x: Tensor) -> Tensor:
        return self.top(self.conv(x))


def tensors() -> float:
    """Go through what a Tensor can do."""
    x = Tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True, name="x")
    y = (2 * x + x / 3 - 1) @ x.T + x**2 - np.ones(2)
    y = y.reshape(4).clip(-5, 5).sum() + x.mean(axis=0).max() + abs(-x).norm(axis=1, keepdims=True).std()
    y = y + cube(x).sum() + scaled(x, 3.0, shift=1.0).sum() + product(x, np.ones(2)).sum() + product(x, x)[0, 1]
    y.backward()
    assert x.grad is not None
    shape: tuple[int, ...] = x.shape
    same: bool = bool((x == x).all())
    assert shape == (2, 2) and same and x.detach().numpy().dtype == x.dtype
    return float(y)


def operations() -> Tensor:
    """Go through operations."""
    picture = Tensor(np.random.default_rng(0).random((1, 8, 8, 3)))
    y = ops.conv(
        picture, np.ones((3, 3, 3, 4)), np.zeros(4), stride=(1, 2), padding=((1, 1), (0, 1)), activation="relu"
    )
    y = ops.max_pool(y, 2, stride=1, padding="valid")
    y = ops.concat([y, ops.avg_pool(y, 1)], axis=-1)
    y = ops.where(y > 1, y, 0.0) + ops.stack([y, y]).mean(axis=0)
    return ops.softmax(ops.flatten(y), axis=1).sum() + ops.gram_matrix(y).sum() + ops.log_softmax(ops.flatten(y)).sum()


def training() -> list[float]:
    """Train a network for an epoch."""
    random = np.random.default_rng(0)
    pictures, labels = random.random((12, 8, 8, 3), np.float32), random.integers(0, 2, 12)
    model, costs = Tiny(2), []
    optimizer: optim.Optimizer = optim.Adam(model.parameters(), lr=0.01)
    for x, right in datasets.batches(pictures, labels, batch_size=4, seed=(0, 1)):
        loss = ops.cross_entropy(model(x), right, smoothing=0.1)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        costs.append(loss.item())
    optimizer.lr = 0.001
    other = Tiny(2)
    other.load_state_dict(model.state_dict())
    assert [type(layer) for layer in other.top] == [nn.GlobalAvgPool, nn.Linear]
    optim.SGD(other.parameters(), 0.1, momentum=0.9).load_state_dict(
        optim.SGD(other.parameters(), 0.1, momentum=0.9).state_dict()
    )
    with no_grad(), minicnn.frozen(other), minicnn.use_backend("numpy"):
        assert other.eval()(pictures).shape == (12, 2)
    assert isinstance(model.summary((1, 8, 8, 3)), str)
    return costs


def checking(folder: Path) -> None:
    """Check a gradient, record a tape, and write files."""
    report = minicnn.gradcheck(cube, [np.ones((2, 2))], seed=1)
    assert report.ok
    x = Tensor(np.ones((1, 3, 3, 1)), requires_grad=True)
    with minicnn.record() as tape:
        loss = ops.relu(x).sum()
        loss.backward()
    tape.save_html(folder / "tape.html")
    images.save(folder / "grey.png", np.full((4, 4, 3), 0.5, np.float32))
    picture = images.load(folder / "grey.png", size=4)
    hdf5.save(Tiny(2), folder / "tiny.h5")
    assert hdf5.load(Tiny(2), folder / "tiny.h5", strict=True) and hdf5.inspect(folder / "tiny.h5")
    assert picture.shape == (4, 4, 3) and zoo.catalog() and learn.exercises()
    minicnn.clear_cache()
    minicnn.set_threads(1)
    minicnn.set_threads(2)


def applications() -> None:
    """Style a picture, and know a face."""
    random = np.random.default_rng(0)
    content, painting = random.random((2, 32, 32, 3), np.float32)
    result = style.transfer(content, painting, model=models.tiny_vgg(), steps=1, size=32, on_step=lambda *_: None)
    assert result.image.shape == (32, 32, 3) and style.presets()
    encoder = models.tiny_facenet()
    height, width = encoder.card.input_size
    one, other = random.random((2, height, width, 3), np.float32)
    gallery = faces.Gallery(encoder, threshold=0.5)
    gallery.enroll("Ada", [one, other])
    assert gallery.verify("Ada", one).same and gallery.identify(one).name == "Ada"
    triplets = faces.mine_triplets(random.random((4, 2)), [0, 0, 1, 1], strategy="all", margin=0.2)
    assert triplets.shape[1] == 3
    loss = faces.triplet_loss(np.ones((1, 2)), np.ones((1, 2)), np.zeros((1, 2)), margin=0.2)
    assert loss.item() == 0.0


def run(folder: Path) -> None:
    """Run everything."""
    assert np.isfinite(tensors()) and np.isfinite(operations().item())
    assert all(map(np.isfinite, training()))
    checking(folder)
    applications()

"""What minicnn does with the readable kernels alone: `python readable_sections.py NAME` runs a section, where fast/,
Numba and llvmlite are missing. test_without_fast.py runs them all.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np

import minicnn
from minicnn import Tensor, backend, faces, gradcheck, hdf5, models, nn, ops, optim, style

RANDOM = np.random.default_rng(0)


def core():
    """Train a small network, and run a backend of one's own."""
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1, activation="relu", seed=0),
        nn.BatchNorm(8, activation="relu"),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(32, 3, seed=0),
    )
    pictures, labels = RANDOM.random((6, 4, 4, 3), np.float32), np.arange(6) % 3
    optimizer, costs = optim.Adam(model.parameters(), 0.02), []
    for _ in range(20):
        optimizer.zero_grad()
        cost = ops.cross_entropy(model(pictures), labels)
        cost.backward()
        optimizer.step()
        costs.append(cost.item())
    assert costs[-1] < costs[0] / 2, costs
    used = []

    def my_relu(x):
        used.append(x.shape)
        return np.where(x > 0, x, 0)

    backend.register("mine", relu=my_relu)
    with backend.use_backend("mine"):
        model(pictures)
    assert used
    minicnn.set_threads(2)
    minicnn.clear_cache()
    assert minicnn.cache_info().nbytes == 0


def gradients():
    """Check gradients, of right ops and of a wrong one."""
    x, w = RANDOM.standard_normal((1, 5, 5, 2)), RANDOM.standard_normal((3, 3, 2, 2))
    gradcheck(lambda x, w: ops.conv(x, w, padding=1), [x, w])
    gradcheck(ops.tanh, RANDOM.standard_normal((3, 4)))

    @minicnn.op
    def wrong(x):
        return x * x, lambda dy: dy * x

    try:
        gradcheck(wrong, RANDOM.standard_normal((3, 4)))
    except minicnn.GradcheckError:
        return
    raise AssertionError("a wrong gradient passed")


def tape():
    """Record, ask why, look at a pixel, and write the page."""
    x = Tensor(RANDOM.standard_normal((1, 5, 5, 2)), requires_grad=True, name="x")
    w = Tensor(RANDOM.standard_normal((3, 3, 2, 2)), requires_grad=True, name="w")
    with minicnn.record() as recorded:
        y = ops.conv(x, w, padding=1)
        ops.sum(y * y).backward()
    assert "conv" in str(recorded) and str(recorded.why(w, (0, 0, 0, 0))) and str(recorded.pixel(y, (0, 2, 2, 1)))
    recorded.save_html(Path(tempfile.mkdtemp()) / "tape.html")


def transfer():
    """Paint a picture."""
    content, painting = RANDOM.random((2, 32, 32, 3), np.float32)
    result = style.transfer(content, painting, steps=5, progress=False)
    assert result.image.shape == (32, 32, 3) and result.history[-1]["total"] < result.history[0]["total"]


def people():
    """Encode faces, keep a gallery, take a step with triplets."""
    model = models.tiny_facenet()
    size = model.card.input_size
    pictures = RANDOM.random((4, *size, 3), np.float32)
    encodings = faces.encode(model, pictures)
    assert encodings.shape[0] == 4
    gallery = faces.Gallery(model, threshold=0.5)
    gallery.enroll("Ada", pictures[:1])
    assert gallery.identify(pictures[0]).name == "Ada"
    path = Path(tempfile.mkdtemp()) / "people.h5"
    gallery.save(path)
    assert faces.Gallery.load(path, model).identify(pictures[0]).name == "Ada"
    labels = np.array([0, 0, 1, 1])
    embeddings = model.train()(pictures)
    triplets = faces.mine_triplets(embeddings, labels, strategy="all", margin=0.2)
    faces.batch_triplet_loss(embeddings, triplets).backward()
    optim.SGD(model.parameters(), 0.01, momentum=0.9).step()


def files():
    """Save weights and load them."""
    model, path = models.tiny_vgg(None), Path(tempfile.mkdtemp()) / "weights.h5"
    hdf5.save(model, path)
    other = models.tiny_vgg(None)
    hdf5.load(other, path)
    assert all(np.array_equal(a.data, b.data) for a, b in zip(model.parameters(), other.parameters(), strict=True))
    assert hdf5.inspect(path)


SECTIONS = {section.__name__: section for section in (core, gradients, tape, transfer, people, files)}

if __name__ == "__main__":
    for library in ("numba", "llvmlite"):
        assert sys.modules.get(library) is None, f"{library} is loaded"
    SECTIONS[sys.argv[1]]()
    assert "minicnn.fast" not in sys.modules
    print("done")

"""Attributions against PyTorch with plain hooks, on the shipped network and on a residual one, in double precision."""

import numpy as np
import pytest

from minicnn import models, nn, visualize
from minicnn.models.blocks import Chain, GlobalAverage, Residual
from minicnn.models.card import ModelCard
from minicnn.models.network import Network
from minicnn.visualize.units import outputs_of

torch = pytest.importorskip("torch")
functional = torch.nn.functional

SIZE = 32


class Rectifier(torch.autograd.Function):
    """PyTorch's own way to another rule: the rule is looked up when the backward runs."""

    rule = "gradient"

    @staticmethod
    def forward(context, x):
        context.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(context, g):
        (x,) = context.saved_tensors
        on = (x > 0).to(g.dtype)
        return {"gradient": g * on, "deconvnet": g.clamp(min=0), "guided": g.clamp(min=0) * on}[Rectifier.rule]


def as_torch(array):
    return torch.tensor(np.asarray(array, np.float64))


def convolve(x, layer):
    w = as_torch(layer.w.data).permute(3, 2, 0, 1)
    return functional.conv2d(x, w, as_torch(layer.b.data), padding=layer.w.shape[0] // 2)


def vgg_in_torch(model, x, keep=None):
    """Logits of pictures (N, H, W, 3); keep: a dict that receives every layer's output."""
    rule = model.preprocessing
    x = ((x - as_torch(rule.mean)) / as_torch(rule.deviation)).permute(0, 3, 1, 2)
    for layer in model.body:
        x = Rectifier.apply(convolve(x, layer)) if isinstance(layer, nn.Conv2d) else functional.max_pool2d(x, 2)
        if keep is not None:
            keep[layer.name] = x
    classifier = model.top[-1]
    return x.mean(dim=(2, 3)) @ as_torch(classifier.w.data) + as_torch(classifier.b.data)


def residual():
    card = ModelCard(name="residual", input_size=(SIZE, SIZE), preprocessing="none", classes=("a", "b"))
    body = [
        nn.Conv2d(3, 4, 3, padding=1, activation="relu", seed=1, name="first"),
        Residual(Chain(nn.Conv2d(4, 4, 3, padding=1, seed=2, name="change")), scale=0.5, name="sum"),
    ]
    return Network(card, body, [GlobalAverage(name="average"), nn.Linear(4, 2, seed=3, name="logits")]).eval()


def residual_in_torch(model, x):
    first, block = model.body
    x = Rectifier.apply(convolve(x.permute(0, 3, 1, 2), first))
    x = Rectifier.apply(x + 0.5 * convolve(x, block.change.layers[0]))
    return x.mean(dim=(2, 3)) @ as_torch(model.top[1].w.data) + as_torch(model.top[1].b.data)


@pytest.fixture(scope="module")
def tiny():
    return models.tiny_vgg()


@pytest.fixture(scope="module")
def album():
    random = np.random.default_rng(0)
    coarse = random.random((3, 4, 4, 3), dtype=np.float32).repeat(SIZE // 4, axis=1).repeat(SIZE // 4, axis=2)
    return np.clip(coarse + 0.1 * random.standard_normal(coarse.shape, np.float32), 0, 1)


def theirs(network, album, units, rule="gradient"):
    x = as_torch(album).requires_grad_()
    Rectifier.rule = rule
    try:
        network(x)[torch.arange(len(album)), torch.tensor(units)].sum().backward()
    finally:
        Rectifier.rule = "gradient"
    return x.grad.numpy()


def assert_near(found, reference, within=2e-3):
    """Relative to the largest: we compute in single precision, they in double."""
    assert np.abs(found - reference).max() <= within * np.abs(reference).max()


UNITS = [3, 5, 8]


@pytest.mark.parametrize(
    ("method", "rule"), [("saliency", "gradient"), ("deconvnet", "deconvnet"), ("guided_backprop", "guided")]
)
def test_the_three_rules(tiny, album, method, rule):
    found = getattr(visualize, method)(tiny, "predictions", album, UNITS)
    assert_near(found, theirs(lambda x: vgg_in_torch(tiny, x), album, UNITS, rule))
    model = residual()
    found = getattr(visualize, method)(model, "logits", album, 1)
    assert_near(found, theirs(lambda x: residual_in_torch(model, x), album, [1, 1, 1], rule))


def test_integrated_gradients(tiny, album):
    found = visualize.integrated_gradients(tiny, "predictions", album, UNITS, steps=8)
    shares = (np.arange(8) + 0.5) / 8
    mean = np.mean([theirs(lambda x: vgg_in_torch(tiny, x), share * album, UNITS) for share in shares], axis=0)
    assert_near(found, album * mean)


def test_smoothgrad(tiny, album):
    found = visualize.smoothgrad(tiny, "predictions", album, UNITS, samples=4, noise=0.1, seed=6)
    sources = [np.random.default_rng([6, i]) for i in range(3)]
    spans = np.ptp(album, axis=(1, 2, 3), keepdims=True) * np.float32(0.1)
    total = 0
    for _ in range(4):
        noise = np.stack([source.standard_normal(album.shape[1:], np.float32) for source in sources])
        total = total + theirs(lambda x: vgg_in_torch(tiny, x), np.clip(album + spans * noise, 0, 1), UNITS)
    assert_near(found, total / 4)


def test_grad_cam(tiny, album):
    kept = {}
    logits = vgg_in_torch(tiny, as_torch(album).requires_grad_(), kept)
    channels = kept["block3_conv2"]
    score = logits[torch.arange(3), torch.tensor(UNITS)].sum()
    (gradient,) = torch.autograd.grad(score, channels)
    maps = (gradient.mean(dim=(2, 3), keepdim=True) * channels).sum(dim=1, keepdim=True).clamp(min=0)
    wide = functional.interpolate(maps, size=(SIZE, SIZE), mode="bilinear", align_corners=False)
    found = visualize.grad_cam(tiny, "predictions", album, UNITS, at="block3_conv2")
    assert_near(found, wide[:, 0].detach().numpy())


def test_occlusion(tiny, album):
    found = visualize.occlusion(tiny, "predictions", album[:1], 3, size=12, stride=10, colour=0.5)
    total, count = np.zeros((SIZE, SIZE)), np.zeros((SIZE, SIZE))
    with torch.no_grad():
        before = vgg_in_torch(tiny, as_torch(album[:1]))[0, 3].item()
        for top in (0, 10, 20):
            for left in (0, 10, 20):
                covered = album[:1].copy()
                covered[:, top : top + 12, left : left + 12] = 0.5
                total[top : top + 12, left : left + 12] += before - vgg_in_torch(tiny, as_torch(covered))[0, 3].item()
                count[top : top + 12, left : left + 12] += 1
    assert_near(found[0], total / count)


def test_the_network_in_torch_is_the_network(tiny, album):
    kept = {}
    with torch.no_grad():
        logits = vgg_in_torch(tiny, as_torch(album), kept)
    assert_near(outputs_of(tiny, "predictions", album), logits.numpy())
    assert_near(outputs_of(tiny, "block4_conv2", album), kept["block4_conv2"].permute(0, 2, 3, 1).numpy())

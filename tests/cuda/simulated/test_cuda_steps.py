"""Every op and whole steps on the simulated GPU: nothing is copied to the host on the way, the results are the same.

The arrays see to the first: whatever would copy one in secret raises TypeError.
"""

import re
from pathlib import Path

import numpy as np
import pytest
from both_devices import assert_same, there
from numba import cuda

from minicnn import InputError, Tensor, devices, diagnosis, hdf5, nn, ops, optim, style, use_backend
from minicnn.faces import encode, mine_triplets
from minicnn.faces.losses import active_fraction, batch_triplet_loss, triplet_loss
from minicnn.faces.training import FacePlan, train_encoder
from minicnn.fast.cuda import gpu, simulation
from minicnn.gradients.cases import CASES
from minicnn.models.card import ModelCard, StyleRecipe
from minicnn.models.vgg import VGG

SLOW = ("conv", "locally_connected")  # many numbers for a simulator


@cuda.jit
def copied(x, y):
    y[0, 0] = x[0, 0]


def refused(message, call, *arguments, **options):
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        call(*arguments, **options)
    assert "\n" not in str(caught.value)


# Ops


@pytest.mark.parametrize(
    "case", [pytest.param(c, marks=[pytest.mark.thorough] if c.op in SLOW else []) for c in CASES], ids=str
)
def test_every_op_gives_there_what_it_gives_here(case):
    arrays = case.draw(np.random.default_rng(0))
    here = [Tensor(array.copy(), requires_grad=True) for array in arrays]
    away = [Tensor(there(array), requires_grad=True) for array in arrays]
    y = case.function(*here)
    dy = np.random.default_rng(1).standard_normal(y.shape)
    y.backward(dy)
    found = case.function(*away)
    assert found.device == "cuda"
    found.backward(there(dy))
    assert_same(found.data, np.asarray(y.data), tolerance=1e-9)
    for mine, wanted in zip(away, here, strict=True):
        if wanted.grad is None:
            assert mine.grad is None
        else:
            assert_same(mine.grad, wanted.grad, tolerance=1e-9)


# Tensors and models


def test_a_tensor_goes_there_and_back():
    x = Tensor(np.float32([1, 2, 3]), requires_grad=True, name="x")
    moved = x.to("cuda")
    assert moved.device == "cuda" and moved.requires_grad and moved.name == "x" and moved.to("cuda") is moved
    assert x.device == "cpu" and x.to("cpu") is x
    assert repr(moved) == "Tensor 'x'([1. 2. 3.], float32, on cuda, requires_grad)"
    np.testing.assert_array_equal(moved.numpy(), x.data)
    back = moved.to("cpu")
    assert isinstance(back.data, np.ndarray) and not np.shares_memory(back.data, x.data)
    assert float(moved[1]) == 2 and moved.sum().item() == 6


def test_new_tensors_begin_there():
    with use_backend("cuda"):
        x = Tensor([1.0, 2.0], requires_grad=True)
        y = (x * [3.0, 4.0] + 1).sum()
        y.backward()
        assert x.device == y.device == "cuda"
        assert nn.Linear(2, 3).device == "cuda"
        assert x.to("cpu").device == "cpu"
    assert_same(x.grad, np.float64([3, 4]))
    assert Tensor([1.0]).device == "cpu"


def test_host_arrays_meet_the_gpu_as_constants_but_tensors_of_two_devices_do_not_meet():
    x = Tensor(there(np.ones((2, 3))), requires_grad=True)
    constant = np.arange(6.0).reshape(2, 3)
    assert_same((x * constant).data, constant)
    refused("mul: x lives on 'cuda', y lives on 'cpu'; move one by .to(device)", ops.mul, x, Tensor(constant))
    refused("w lives on 'cpu'", ops.linear, x, Tensor(np.ones((3, 2))))
    refused("lives on 'cpu'", ops.concat, [x, Tensor(constant)])
    model = nn.Sequential(nn.Linear(3, 2))
    refused("linear: x lives on 'cuda', w lives on 'cpu', b lives on 'cpu'", model, x)
    model.to("cuda")
    assert model(constant.astype(np.float32)).device == "cuda"  # an array goes where the model is
    refused("linear: x lives on 'cpu', w lives on 'cuda'", model, Tensor(constant))


def test_what_would_copy_in_secret_raises():
    x = there(np.ones((2, 3), np.float32))
    for copying in (np.asarray, np.array, np.ascontiguousarray, lambda a: np.ones(3, np.float32) + a):
        with pytest.raises(TypeError, match=r"a hidden copy|an array of the host meets"):
            copying(x)
    with pytest.raises(TypeError, match="meets one of the GPU"):
        np.where(x > 0, x, np.zeros((2, 3)))
    with pytest.raises(TypeError, match="meets one of the GPU"):
        x[np.array([0, 1])]
    with pytest.raises(TypeError, match=r"np\.packbits is not known to work"):
        np.packbits(x > 0)
    with pytest.raises(TypeError, match="not contiguous"):
        gpu.launch(copied, 1, 1, x.T, x)


def test_a_model_goes_with_its_running_statistics_and_its_file_does_not_tell(tmp_path):
    model = nn.Sequential(nn.Conv2d(1, 2, 3, seed=0), nn.BatchNorm(2)).to("cuda")
    assert model.device == "cuda" and {devices.device_of(a) for _, a in model.named_state()} == {"cuda"}
    hdf5.save(model, tmp_path / "there.h5")
    here = nn.Sequential(nn.Conv2d(1, 2, 3, seed=1), nn.BatchNorm(2))
    hdf5.load(here, tmp_path / "there.h5")
    np.testing.assert_array_equal(here[0].w.data, model[0].w.numpy())
    hdf5.load(model, tmp_path / "there.h5")
    assert model.device == "cuda"
    assert "Conv2d" in model.summary((1, 4, 4, 1))
    model.to("cpu")
    assert {type(a) for _, a in model.named_state()} == {np.ndarray}
    refused("to: device is 'tpu'; expected one of cpu, cuda", model.to, "tpu")


@pytest.mark.parametrize("kind", [optim.SGD, optim.Adam, optim.LBFGS])
def test_optimizers_move_there_what_they_move_here(kind):
    results = []
    for device in ("cpu", "cuda"):
        x = Tensor(np.linspace(-1, 1, 6).reshape(2, 3)).to(device)
        x.requires_grad = True
        optimizer = kind([x], 0.1, bounds=(-0.9, 0.9))
        state = None

        def evaluate(x=x):
            x.grad = None
            cost = ops.sum(ops.square(ops.square(x) - 0.5)) + ops.sum(x)
            cost.backward()
            return cost.item()

        for step in range(4):
            if step == 2:
                state = {name: devices.to_host(array).copy() for name, array in optimizer.state_dict().items()}
                optimizer.load_state_dict(state)  # as from a file
            optimizer.step(evaluate)
        results.append(x.numpy())
    np.testing.assert_allclose(results[1], results[0], rtol=1e-9)


# Whole steps


def small_network():
    recipe = StyleRecipe(
        "small", {"block2_conv1": 1.0}, {"block1_conv1": 1.0, "block2_conv1": 1.0}, pooling="avg", total_variation=0.1
    )
    card = ModelCard("small", (16, 16), "vgg", recipe)
    return VGG(card, (3, 4), (1, 1), seed=0).eval().adapt(recipe)


def styled(model, **options):
    random = np.random.default_rng(0)
    content, painting = random.random((16, 16, 3), np.float32), random.random((12, 20, 3), np.float32)
    return style.transfer(content, painting, model=model, progress=False, **options)


@pytest.fixture
def unwatched(monkeypatch):
    """Whole steps take long to watch, and their kernels are watched one by one elsewhere."""
    monkeypatch.setattr(simulation.threads, "watching", False)


def test_a_style_step(unwatched):
    seen = []
    here = styled(small_network(), steps=1)
    away = styled(small_network().to("cuda"), steps=1, on_step=lambda step, image, costs: seen.append(image))
    np.testing.assert_allclose(away.image, here.image, atol=1e-5)
    assert away.history[-1]["total"] == pytest.approx(here.history[-1]["total"], rel=1e-5)
    assert isinstance(seen[0], np.ndarray) and not seen[0].flags.writeable
    assert away.manifest["model"] == here.manifest["model"]  # by what its weights are, not by where


@pytest.mark.thorough
@pytest.mark.parametrize(
    "options",
    [{"optimizer": "lbfgs", "steps": 3}, {"optimizer": "gd", "steps": 2}, {"steps": 4, "levels": 2}],
    ids=["lbfgs", "gd", "coarse to fine"],
)
def test_more_ways_to_a_style(options, tmp_path, unwatched):
    here = styled(small_network(), **options)
    away = styled(small_network().to("cuda"), checkpoint=tmp_path / "run.npz", **options)
    np.testing.assert_allclose(away.image, here.image, atol=1e-4)


def small_encoder():
    random = np.random.default_rng(0)
    card = ModelCard("small", (16, 16), "half", embedding=4, metric="squared_l2")
    model = VGG(card, (2, 3), (1, 1), batch_norm=True, seed=random)
    model.top = [nn.Flatten(), nn.Linear(48, 4, seed=random, name="embedding"), nn.L2Normalize()]
    return model


def faces():
    return np.random.default_rng(0).integers(0, 256, (4, 16, 16, 3), np.uint8), np.repeat([0, 1], 2)


def test_a_triplet_step(unwatched):
    """Encode, mine, compare, go back and move the weights: everything stays there but the numbers asked for."""
    results = []
    images, labels = faces()
    for device in ("cpu", "cuda"):
        model = small_encoder().to(device)
        optimizer = optim.SGD(model.parameters(), 0.1, momentum=0.9, nesterov=True)
        encodings = model(images.astype(np.float32) / 255)
        triplets = mine_triplets(encodings, labels, strategy="batch-hard")
        assert devices.device_of(triplets) == encodings.device == device
        loss = batch_triplet_loss(encodings, triplets, reduction="mean")
        loss.backward()
        optimizer.step()
        shown = loss.item(), active_fraction(encodings, triplets)
        results.append((shown, devices.to_host(triplets), {name: p.numpy() for name, p in model.named_parameters()}))
    (shown, triplets, weights), (device_shown, device_triplets, device_weights) = results
    assert device_shown == pytest.approx(shown, rel=1e-5)
    np.testing.assert_array_equal(device_triplets, triplets)
    for name, wanted in weights.items():
        np.testing.assert_allclose(device_weights[name], wanted, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("strategy", ["all", "hard", "semi-hard", "batch-all", "random", "random-active"])
def test_every_strategy_mines_there_what_it_mines_here(strategy):
    random = np.random.default_rng(2)
    embeddings, labels = random.standard_normal((7, 3)), np.array([0, 0, 1, 1, 1, 2, 2])
    found = mine_triplets(there(embeddings), labels, strategy=strategy, margin=1.0, seed=3)
    assert_same(found, mine_triplets(embeddings, labels, strategy=strategy, margin=1.0, seed=3))


@pytest.mark.parametrize("margin", [0.2, "soft"])
def test_losses_of_triplets(margin):
    rows = np.random.default_rng(0).standard_normal((3, 5, 4))
    triplets = np.array([[0, 1, 2], [1, 0, 3], [4, 0, 1], [0, 1, 2]])
    for squared in (True, False):
        for options in ({"reduction": "sum"}, {"reduction": "active"}):
            options |= {"margin": margin, "squared": squared}
            for loss in (triplet_loss, lambda x, *rest, **o: batch_triplet_loss(x, triplets, **o)):
                here, away = ([Tensor(move(r), requires_grad=True) for r in rows] for move in (np.copy, there))
                one, other = loss(*here, **options), loss(*away, **options)
                one.backward()
                other.backward()
                assert_same(other.data, np.asarray(one.data))
                assert_same(away[0].grad, here[0].grad)


@pytest.mark.thorough
@pytest.mark.filterwarnings("ignore:collapse")
@pytest.mark.parametrize("loss", ["triplet", "pair"])
def test_training_from_the_first_step_to_the_last(loss, tmp_path, unwatched):
    plan = FacePlan(people=2, pictures=2, softmax=(1, 0.1), comparing=(1, 0.1), loss=loss)
    models = [small_encoder(), small_encoder().to("cuda")]
    for model in models:
        path: Path = tmp_path / f"{model.device}.npz"
        for resume in (False, True):
            train_encoder(model, *faces(), plan, checkpoint=path, resume=resume, progress=False)
    for (name, here), (_, away) in zip(*(m.named_parameters() for m in models), strict=True):
        np.testing.assert_allclose(away.numpy(), here.numpy(), atol=1e-5, err_msg=name)
    pictures = faces()[0]
    np.testing.assert_allclose(encode(models[1], pictures), encode(models[0], pictures), atol=1e-5)


@pytest.mark.thorough
def test_doctor_tries_it():
    assert diagnosis._error_of_convolution("cuda") < 1e-5

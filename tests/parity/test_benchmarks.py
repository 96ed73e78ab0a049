"""The benchmarks compare like with like: PyTorch's side computes what minicnn's does."""

import numpy as np
import pytest

from minicnn import models
from minicnn.bench import pytorch, pytorch_style, runner
from minicnn.style import presets
from minicnn.style.objective import Objective
from minicnn.tensor import Tensor

torch = pytest.importorskip("torch")


@pytest.mark.parametrize("section", ["layers", "encoders", "training", "triplets", "shapes", "pools"])
def test_both_sides_of_a_row_agree(section):
    report = runner.run([section], quick=True, rounds=1, say=lambda line: None)
    rows = [row for row in report.tables[section].rows if not row.name.startswith(("all ", "copy "))]
    assert rows and all(row.pytorch > 0 and row.ratio > 0 for row in rows)
    assert [row.name for row in rows if row.details["difference"] > 1e-4] == []


def test_the_style_step_goes_down_the_same_cost():
    random = np.random.default_rng(0)
    content, style, image = random.random((3, 48, 48, 3), np.float32)
    model = models.vgg19(pooling="avg")
    ours = Tensor(image[None], requires_grad=True)
    cost, _ = Objective(model, presets()["course"], content, [(style, 1.0)])(ours)
    cost.backward()
    layers = {layer.name: layer for layer in model.body}
    filters = {
        name: (pytorch.filters(torch, layers[name].w.data.copy()), torch.from_numpy(layers[name].b.data.copy()))
        for name in pytorch_style.random_filters(torch)
    }
    pictures = [pytorch.pictures(torch, picture[None].copy()) for picture in (content, style, image)]
    theirs = pictures.pop().requires_grad_()
    reference = pytorch_style.Objective(torch, filters, *pictures)(theirs)
    reference.backward()
    assert cost.item() == pytest.approx(reference.item(), rel=1e-4)
    gradient = pytorch.array(theirs.grad)
    assert np.abs(ours.grad - gradient).max() <= 1e-3 * np.abs(gradient).max()

"""minicnn bench --device cuda: checks notice a wrong kernel, sections fill their tables. No time is looked at."""

import numpy as np
import pytest

from minicnn import InputError, devices
from minicnn.backend import kernels_for
from minicnn.bench import cuda_check, cuda_steps, pytorch, runner
from minicnn.bench.plan import Plan
from minicnn.cli import main
from minicnn.fast.cuda import gpu
from minicnn.models.card import ModelCard
from minicnn.models.vgg import VGG

PLAN = Plan(rounds=1, quick=True, turn=0.0)
CHECKS = dict(cuda_check.checks(PLAN))


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    monkeypatch.setattr(pytorch, "load", lambda threads: None)
    monkeypatch.setattr("minicnn.fast.cuda.simulation.threads.watching", False)


@pytest.mark.parametrize("name", ["tiled conv 2-D in groups", "max pool 2-D", "distances, mining and pull"])
def test_a_check_finds_the_error_of_a_kernel(name):
    row = cuda_check.measure(name, CHECKS[name])
    assert 0 < row.minicnn < 10 and row.unit == "ppm" and 0 < row.details["of_limit"] < 1


@pytest.mark.thorough
@pytest.mark.parametrize("name", list(CHECKS))
def test_every_check_passes(name):
    assert cuda_check.measure(name, CHECKS[name]).minicnn < 10


@pytest.mark.parametrize("wrong", ["off by a little", "an element forgotten"])
def test_a_check_refuses_a_wrong_kernel(wrong, monkeypatch):
    kernels = kernels_for(devices.move(np.zeros(1), "cuda"))
    right = kernels.naive_conv

    def naive_conv(*arguments):
        y = right(*arguments)
        y[0, 0, 0] = y[0, 0, 0] * (1 + 1e-2) + 1e-2 if wrong == "off by a little" else np.nan
        return y

    monkeypatch.setattr(kernels, "naive_conv", naive_conv)
    name = "naive conv 2-D"
    with pytest.raises(InputError, match=rf"bench: the kernel {name} is wrong on this GPU, by .*\(seed \d+\)"):
        cuda_check.measure(name, CHECKS[name])


def test_what_a_kernel_does_not_write_shows(monkeypatch):
    monkeypatch.setattr(gpu, "launch", lambda *arguments: None)
    name = "tiled conv 1-D"
    with pytest.raises(InputError, match="wrong on this GPU, by nan"):
        cuda_check.measure(name, CHECKS[name])


def test_sections_fill_their_tables(tmp_path, capsys):
    out = tmp_path / "bench.json"
    options = ["--quick", "--rounds", "1", "--out", str(out)]
    assert main(["bench", "--device", "cuda", "--only", "pools", *options]) == 0
    said = capsys.readouterr().out
    for name in ("copy", "max pool 2×2", "pixel step", "Gram matrix"):
        assert name in said
    assert out.is_file()
    assert main(["bench", "--device", "cuda", "--only", "faces", *options]) == 2
    assert "only is 'faces'; expected one of check, layers, pools, steps" in capsys.readouterr().err


@pytest.mark.thorough
def test_layers_and_steps_run(monkeypatch):
    report = runner.run(["layers"], quick=True, rounds=1, device="cuda", say=lambda line: None)
    rows = report.tables["layers"].rows
    assert len(rows) == 5 and all(row.minicnn > 0 for row in rows) and rows[1].details["GB/s"] > 0
    assert cuda_steps.mining(PLAN, 24, 5, "TF32").minicnn > 0
    small = VGG(ModelCard("small", (16, 16), "vgg"), (2, 2, 2, 2, 2), (1, 1, 1, 2, 1), pooling="avg")
    assert cuda_steps.style_step(PLAN, 16, "float32", small).minicnn > 0

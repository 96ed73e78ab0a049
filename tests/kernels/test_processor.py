"""The sizes of caches are asked of the system, and decide about time alone."""

from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose

from minicnn import ops
from minicnn.fast.cpu import conv, processor
from minicnn.fast.cpu.winograd import compiled
from minicnn.tensor import Tensor

INDEX = {
    "index0": ("Data", "1", "48K", "0-1"),
    "index1": ("Instruction", "1", "32K", "0-1"),
    "index2": ("Unified", "2", "2048K", "0-1"),
    "index3": ("Unified", "3", "32M", "0-15,32"),
}


@pytest.fixture
def asked(monkeypatch, tmp_path):
    """Write what Linux says of its caches, and ask anew."""

    def ask(level, index=INDEX):
        for folder, facts in index.items():
            (tmp_path / folder).mkdir(exist_ok=True)
            for name, fact in zip(("type", "level", "size", "shared_cpu_list"), facts, strict=True):
                (tmp_path / folder / name).write_text(f"{fact}\n")
        monkeypatch.setattr(processor, "LINUX", tmp_path)
        return processor.cache_bytes.__wrapped__(level)

    return ask


def test_a_thread_may_count_on_its_part_of_the_second_cache(asked):
    assert asked(2) == 1 << 20
    assert asked(3) == 32 << 20


@pytest.mark.parametrize(
    "odd", [{}, {"index2": ("Unified", "2", "much", "0")}, {"index2": ("Unified", "two", "1M", "0")}], ids=str
)
def test_what_the_system_does_not_tell_is_guessed(asked, odd):
    assert asked(2, odd) == processor.DEFAULTS[2]


MAC = {"hw.perflevel0.l2cachesize": "no number\n", "hw.l2cachesize": "4194304\n", "hw.l3cachesize": "8388608\n"}


@pytest.mark.parametrize(
    ("system", "level", "status", "size"),
    [
        ("darwin", 2, 0, 4 << 20),
        ("darwin", 3, 0, 8 << 20),
        ("darwin", 3, 1, processor.DEFAULTS[3]),
        ("win32", 3, 0, processor.DEFAULTS[3]),
    ],
)
def test_a_mac_is_asked_in_its_own_way(monkeypatch, tmp_path, system, level, status, size):
    monkeypatch.setattr(processor, "LINUX", tmp_path / "none")
    monkeypatch.setattr(processor.sys, "platform", system)
    monkeypatch.setattr(
        processor.subprocess, "run", lambda words, **_: SimpleNamespace(returncode=status, stdout=MAC[words[-1]])
    )
    assert processor.cache_bytes.__wrapped__(level) == size


def test_no_cache_is_taken_for_smaller_than_any_is(asked):
    assert asked(2, {"index2": ("Unified", "2", "64K", "0-63")}) == processor.LEAST[2]


def results(monkeypatch, times):
    """Return results and gradients with caches so many times as large."""
    for module, names in ((compiled, ("CACHE", "SHARED")), (conv, ("BLOCK_BYTES",))):
        for name in names:
            monkeypatch.setattr(module, name, int(getattr(module, name) * times))
    random, found = np.random.default_rng(0), []
    for side, inputs, outputs, size in ((40, 32, 64, 3), (20, 256, 256, 3), (30, 16, 48, 5)):
        x = Tensor(random.standard_normal((2, side, side, inputs), np.float32), requires_grad=True)
        w = Tensor(random.standard_normal((size, size, inputs, outputs), np.float32) / inputs, requires_grad=True)
        y = ops.conv(x, w, padding=size // 2, activation="relu")
        y.backward(random.standard_normal(y.shape).astype(np.float32))
        found += [y.data, x.grad, w.grad]
    return found


@pytest.mark.parametrize("times", [0.03, 0.5, 2])
def test_results_do_not_depend_on_the_sizes_of_caches(times):
    with pytest.MonkeyPatch.context() as usual, pytest.MonkeyPatch.context() as other:
        reference = results(usual, 1)
        found = results(other, times)
    for ours, theirs in zip(found, reference, strict=True):
        assert_allclose(ours, theirs, atol=2e-5 * np.abs(theirs).max())

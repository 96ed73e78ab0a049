"""Training: it learns, and a killed run goes on to the same weights, bit for bit."""

import io
import signal
import subprocess
import sys
import tarfile
import time

import numpy as np
import pytest
from PIL import Image

from minicnn import Tensor, hdf5, nn, ops, optim, training
from minicnn.cli import main
from minicnn.datasets import cifar10
from minicnn.errors import InputError
from minicnn.models import tiny
from minicnn.training import Step, TrainingPlan, accuracy, augment, train_classifier


def test_accuracy_counts_every_picture_once_whatever_the_batch():
    class First(nn.Module):
        """Its logits are the first two pixels."""

        def forward(self, x):
            return x.reshape(len(x.data), -1)[:, :2]

    images = np.zeros((7, 1, 2, 1), np.uint8)
    labels = np.array([0, 1, 0, 1, 1, 0, 1])
    images[np.arange(7), 0, labels] = 255
    for batch_size in (1, 3, 7, 250):
        assert accuracy(First(), images, labels, batch_size=batch_size) == 1
        for wrong in range(7):
            answers = labels.copy()
            answers[wrong] = 1 - answers[wrong]
            assert accuracy(First(), images, answers, batch_size=batch_size) == 6 / 7


def test_steps_are_counted_and_checkpoints_written_between_them(tmp_path, monkeypatch):
    model, asked, kept = nn.Linear(2, 1), [], []
    optimizer = optim.SGD(model.parameters(), 1.0)

    def step(number):
        asked.append((number, optimizer.learning_rate, model.training))
        return Step(ops.sum(model(Tensor(np.ones((1, 2), np.float32)))), 0.5**number, "a title", {})

    monkeypatch.setattr(training, "save_checkpoint", lambda *arguments: kept.append(arguments[-1]))
    model.eval()
    training.take_steps(
        model, optimizer, step, 5, TrainingPlan(), checkpoint=tmp_path / "kept", checkpoint_every=2, progress=False
    )
    rates = [1.0, 1.0, 0.5, 0.25, 0.125]  # each step says the rate that it is taken with
    assert asked == [(number, rate, True) for number, rate in enumerate(rates)]
    assert optimizer.steps == 5 and kept == [2, 4, 5] and not model.training


def striped(count, seed=0):
    """Pictures whose class is the direction of their stripes: (images uint8, labels), learnable in a few steps."""
    generator = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    wave = 0.5 + 0.5 * np.sin(np.arange(32))
    images = np.where(labels[:, None, None] == 1, wave[None, :, None], wave[None, None, :])
    images = np.repeat(images[..., None], 3, axis=3) * 0.8 + generator.random((count, 32, 32, 3)) * 0.2
    return (images * 255).astype(np.uint8), labels


@pytest.fixture
def small():
    def build():
        return nn.Sequential(
            nn.Conv2d(3, 6, 3, seed=0, bias=False, name="conv"),
            nn.BatchNorm(6, name="norm"),
            nn.ReLU(),
            nn.AvgPool2d(6),
            nn.Flatten(),
            nn.Linear(150, 2, seed=1, name="predictions"),
        )

    return build


PLAN = TrainingPlan(cycles=((1, 0.05), (1, 0.02)), batch_size=16, seed=3)


def everything(model):
    return {**{n: p.data for n, p in model.named_parameters()}, **dict(model.named_state())}


def test_it_learns(small, tmp_path):
    images, labels = striped(160)
    model = small()
    train_classifier(model, images, labels, PLAN, checkpoint=tmp_path / "c.npz", progress=False)
    assert accuracy(model, *striped(80, seed=9)) > 0.95
    assert not model.training


@pytest.mark.parametrize("interrupted_at", [1, 7, 13])
def test_an_interrupted_run_resumes_to_the_same_bits(small, tmp_path, monkeypatch, interrupted_at):
    images, labels = striped(160)
    whole = small()
    train_classifier(whole, images, labels, PLAN, checkpoint=tmp_path / "whole.npz", progress=False)

    calls = 0
    true_cross_entropy = ops.cross_entropy

    def interrupt(logits, labels, **options):
        nonlocal calls
        calls += 1
        if calls == interrupted_at:
            signal.raise_signal(signal.SIGINT)  # what Ctrl-C sends
        return true_cross_entropy(logits, labels, **options)

    monkeypatch.setattr(ops, "cross_entropy", interrupt)
    with pytest.raises(KeyboardInterrupt):
        train_classifier(small(), images, labels, PLAN, checkpoint=tmp_path / "cut.npz", progress=False)
    monkeypatch.undo()
    resumed = small()
    train_classifier(resumed, images, labels, PLAN, checkpoint=tmp_path / "cut.npz", resume=True, progress=False)
    for name, array in everything(whole).items():
        np.testing.assert_array_equal(array, everything(resumed)[name], err_msg=name)


def write_tar(path, images, labels):
    with tarfile.open(path, "w") as archive:
        for i, (image, label) in enumerate(zip(images, labels, strict=True)):
            content = io.BytesIO()
            Image.fromarray(image).save(content, "PNG")
            entry = tarfile.TarInfo(f"./{cifar10.CLASSES[label]}/{i:04d}.jpg")
            entry.size = content.tell()
            content.seek(0)
            archive.addfile(entry, content)


def test_a_killed_run_of_the_command_resumes_to_the_same_file(tmp_path):
    """SIGKILL, which nothing can catch, at an unknown moment after the first checkpoint."""
    write_tar(tmp_path / "data.tar", *striped(192))
    options = ["train", "tiny_vgg", "--data", str(tmp_path / "data.tar"), "--cycle", "1", "0.1", "--batch-size", "16"]
    options += ["--checkpoint-every", "2"]
    assert main([*options, "-o", str(tmp_path / "whole.h5")]) == 0

    killed = tmp_path / "killed.h5"
    command = [sys.executable, "-m", "minicnn", *options, "-o", str(killed)]
    checkpoint = tmp_path / "killed.checkpoint.npz"
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as run:
        deadline = time.monotonic() + 120
        while not checkpoint.exists() and run.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        run.kill()
    assert checkpoint.exists()
    assert run.returncode in (-signal.SIGKILL, 0, 1)  # Windows' kill gives 1
    assert main([*options, "-o", str(killed), "--resume"]) == 0
    whole, resumed = (tiny.tiny_vgg(tmp_path / name) for name in ("whole.h5", "killed.h5"))
    for (name, one), (_, other) in zip(whole.named_parameters(), resumed.named_parameters(), strict=True):
        np.testing.assert_array_equal(one.data, other.data, err_msg=name)


def test_the_folded_network_computes_the_same(tmp_path):
    generator = np.random.default_rng(0)
    model = tiny.build(batch_norm=True, seed=1)
    for name, array in list(model.named_state()):
        model.set_state(name, generator.uniform(0.5, 1.5, array.shape).astype(np.float32))
    for parameter in model.parameters():
        parameter.data = parameter.data + generator.normal(0, 0.05, parameter.shape).astype(np.float32)
    model.eval()
    x = generator.random((2, 32, 32, 3), dtype=np.float32)
    expected = model(x).data
    np.testing.assert_allclose(tiny.fold(model)(x).data, expected, atol=1e-4 * np.abs(expected).max())


def test_a_checkpoint_of_another_plan_or_network_is_refused(small, tmp_path):
    images, labels = striped(32)
    checkpoint = tmp_path / "c.npz"
    train_classifier(small(), images, labels, PLAN, checkpoint=checkpoint, progress=False)
    other = TrainingPlan(cycles=((3, 0.05),), batch_size=16)
    with pytest.raises(InputError, match="was made with"):
        train_classifier(small(), images, labels, other, checkpoint=checkpoint, resume=True, progress=False)
    linear = nn.Sequential(nn.Flatten(), nn.Linear(32 * 32 * 3, 2, seed=0))
    with pytest.raises(InputError, match="another network"):
        train_classifier(linear, images, labels, PLAN, checkpoint=checkpoint, resume=True, progress=False)
    checkpoint.write_bytes(b"not a checkpoint")
    with pytest.raises(InputError, match="is no checkpoint"):
        train_classifier(small(), images, labels, PLAN, checkpoint=checkpoint, resume=True, progress=False)


def test_the_schedule_rises_and_falls_to_zero_in_every_cycle():
    plan = TrainingPlan(cycles=((10, 0.5), (5, 0.1)), warm_up=0.25)
    assert plan.epochs == 15
    second = [plan.rate(step, 10) for step in range(100, 150)]
    assert max(second) == pytest.approx(0.1, rel=0.05)
    assert second[-1] < 0.01
    rates = [plan.rate(step, 10) for step in range(100)]
    assert max(rates) == pytest.approx(0.5, rel=0.05)
    assert np.argmax(rates) == pytest.approx(25, abs=1)
    assert all(np.diff(rates[:25]) > 0)
    assert all(np.diff(rates[26:]) < 0)
    assert 0 < rates[-1] < 0.01


def test_augmentation_mirrors_and_shifts_but_keeps_the_picture():
    ramp = np.tile(np.arange(32, dtype=np.uint8)[None, None, :, None] * 8, (64, 32, 1, 3))
    moved = augment(ramp, 4, np.random.default_rng(0))
    assert moved.dtype == np.float32
    assert moved.shape == ramp.shape
    rising = np.diff(moved[:, 16, 8:24, 0], axis=1).mean(axis=1)
    assert 10 < np.sum(rising > 0) < 54  # about half are mirrored
    np.testing.assert_allclose(np.abs(rising), 8 / 255, rtol=1e-4)
    assert len(np.unique(np.round(moved[rising > 0, 16, 16, 0] * 255 / 8))) == 9  # shifts from −4 to 4
    np.testing.assert_array_equal(moved, augment(ramp, 4, np.random.default_rng(0)))


def test_reading_a_tar_sorts_and_checks_it(tmp_path):
    images, labels = striped(6)
    write_tar(tmp_path / "data.tar", images, labels)
    read, classes = cifar10.read(tmp_path / "data.tar")
    np.testing.assert_array_equal(classes, np.sort(labels))
    np.testing.assert_array_equal(read, np.concatenate([images[labels == 0], images[labels == 1]]))
    (tmp_path / "empty.tar").write_bytes(b"")
    write_tar(tmp_path / "wide.tar", [np.zeros((8, 9, 3), np.uint8)], [0])
    for name, message in (("none.tar", "no file"), ("empty.tar", "cannot be read"), ("wide.tar", "expected 32×32")):
        with pytest.raises(InputError, match=message):
            cifar10.read(tmp_path / name)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--data", "missing.tar"], "data 'missing.tar' does not exist"),
        (["--data", "pyproject.toml", "--cycle", "0", "0.1"], "cycle is 0 0.1; expected"),
        (["--data", "pyproject.toml", "--cycle", "3", "x"], "cycle is 3 x; expected"),
        (["--data", "pyproject.toml", "--batch-size", "0"], "batch_size is 0"),
        (["--data", "pyproject.toml", "--resume"], "no checkpoint"),
        (["--data", "pyproject.toml", "-o", "no/such/folder/x.h5"], "folder that does not exist"),
    ],
)
def test_bad_options_print_one_line_and_exit_2(options, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").write_text("not a tar")
    assert main(["train", "tiny_vgg", *options]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_the_shipped_network_recognises_cifar10(shared_data):
    """The full figure stands in weights/README.md; a thousand test pictures bound it here."""
    images, labels = cifar10.read(shared_data / "cifar10-test.tar")
    chosen = np.random.default_rng(0).permutation(len(images))[:1000]
    assert accuracy(tiny.tiny_vgg(), images[chosen], labels[chosen]) > 0.87


def test_the_shipped_file_says_what_it_is():
    rows = hdf5.inspect(__import__("minicnn").zoo.path("tiny_vgg"))
    assert sum(np.prod(row.shape, dtype=int) for row in rows) == sum(p.size for p in tiny.build().parameters())

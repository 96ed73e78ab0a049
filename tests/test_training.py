"""Training: it learns, and a killed run goes on to the same weights, bit for bit."""

import dataclasses
import inspect
import io
import signal
import subprocess
import sys
import tarfile
import time
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from shown_bars import Bar

from minicnn import Tensor, hdf5, nn, ops, optim, training
from minicnn.cli import main, train
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
    with np.load(checkpoint) as file:
        arrays = dict(file)
    np.savez(checkpoint, **arrays | {"model.conv.w": arrays["model.conv.w"][:, :, :, :5]})
    with pytest.raises(InputError, match=r"^resume: '.*c\.npz' holds another network$"):
        train_classifier(small(), images, labels, PLAN, checkpoint=checkpoint, resume=True, progress=False)
    np.savez(checkpoint, **arrays | {"step": np.array([object()])})  # which pickle would have to load
    for spoil in (checkpoint.touch, lambda: checkpoint.write_bytes(b"not a checkpoint")):
        spoil()
        with pytest.raises(InputError, match=r"^resume: '.*c\.npz' is not a checkpoint \("):
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
    with tarfile.open(tmp_path / "data.tar") as archive, tarfile.open(tmp_path / "later.tar", "w") as later:
        later.add(tmp_path / "empty.tar", "./unicorn/0000.jpg")
        for member in archive:
            later.addfile(member, archive.extractfile(member))
    np.testing.assert_array_equal(cifar10.read(tmp_path / "later.tar")[0], read)
    write_tar(tmp_path / "wide.tar", [np.zeros((8, 9, 3), np.uint8)], [0])
    with tarfile.open(tmp_path / "other.tar", "w") as archive:
        archive.add(tmp_path / "empty.tar", "./unicorn/0000.jpg")  # of no class
        archive.add(tmp_path, "./cat", recursive=False)
    for name, message in (
        ("none.tar", "no file"),
        ("empty.tar", "cannot be read"),
        ("wide.tar", "is 9×8; expected 32×32"),
        ("other.tar", r"other\.tar' holds no CLASS/NNNN\.jpg with a CIFAR-10 class \(airplane, "),
    ):
        with pytest.raises(InputError, match=message):
            cifar10.read(tmp_path / name)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--data", "missing.tar"], "data 'missing.tar' does not exist"),
        (["--data", "pyproject.toml", "--cycle", "0", "0.1"], "cycle is 0 0.1; expected"),
        (["--data", "pyproject.toml", "--cycle", "3", "x"], "cycle is 3 x; expected"),
        (["--data", "pyproject.toml", "--batch-size", "0"], "batch_size is 0"),
        (["--data", "pyproject.toml", "--checkpoint-every", "0"], "checkpoint_every is 0"),
        (["--data", "pyproject.toml", "--seed", "-1"], "seed is -1"),
        (["--data", "pyproject.toml", "--test", "missing.tar"], "test 'missing.tar' does not exist"),
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


def test_the_command_trains_by_its_options_and_measures_the_file(tmp_path, monkeypatch, capsys):
    plans, rest = [], []
    monkeypatch.setattr(
        training,
        "train_classifier",
        lambda *given, **options: plans.append(given[3]) or rest.append((given[0], options)),
    )
    clock = iter([100.0, 550.0, 600.0, 600.0])
    monkeypatch.setattr(train, "time", SimpleNamespace(monotonic=clock.__next__))
    write_tar(tmp_path / "data.tar", *striped(4))
    out = tmp_path / "net.h5"
    words = ["train", "tiny_vgg", "--data", str(tmp_path / "data.tar"), "-o", str(out)]
    assert main(words) == 0
    told = capsys.readouterr()
    said = told.out.splitlines()
    assert said == ["trained for 7.5 minutes", f"{out}: 2,244,330 parameters, batch norm folded"]
    assert "reading data.tar" in told.err
    attributes = hdf5.summary(out).attributes
    assert "test_accuracy" not in attributes and (attributes["epochs"], attributes["seed"]) == (18, 0)
    assert {row.dtype for row in hdf5.inspect(out)} == {"float16"}
    more = [
        "--cycle",
        "2",
        "0.5",
        "--cycle",
        "1",
        "0.25",
        "--batch-size",
        "7",
        "--seed",
        "3",
        "--checkpoint-every",
        "9",
    ]
    write_tar(tmp_path / "test.tar", *striped(4))
    assert main([*words, *more, "--test", str(tmp_path / "test.tar")]) == 0
    attributes = hdf5.summary(out).attributes
    reached = accuracy(tiny.tiny_vgg(out), *cifar10.read(tmp_path / "test.tar"))
    told = capsys.readouterr()
    assert told.out.splitlines()[-1] == f"test accuracy {reached:.2%}" and "reading test.tar" in told.err
    assert (attributes["test_accuracy"], attributes["epochs"], attributes["seed"]) == (reached, 3, 3)
    assert attributes["licence"] == "MIT" and {row.dtype for row in hdf5.inspect(out)} == {"float16"}
    assert plans == [
        TrainingPlan(),
        TrainingPlan(cycles=((2, 0.5), (1, 0.25)), batch_size=7, seed=3),
    ]
    usual = {"checkpoint": tmp_path / "net.checkpoint.npz", "resume": False, "checkpoint_every": 100}
    assert [options for _, options in rest] == [usual, {**usual, "checkpoint_every": 9}]
    for (model, _), seed in zip(rest, (0, 3), strict=True):
        built = tiny.build(batch_norm=True, seed=seed)
        np.testing.assert_array_equal(model.parameters()[0].data, built.parameters()[0].data)


# Borders, defaults, and what is said


@pytest.mark.parametrize(
    ("length", "warm_up", "parts"),
    [
        (10, 0.2, [1 / 2, 1, 1, 7 / 8, 6 / 8, 5 / 8, 4 / 8, 3 / 8, 2 / 8, 1 / 8]),
        (4, 0.0, [1, 3 / 4, 2 / 4, 1 / 4]),
        (4, 1.0, [1 / 4, 2 / 4, 3 / 4, 1]),
        (1, 0.2, [1]),
    ],
)
def test_the_parts_of_a_rate(length, warm_up, parts):
    assert [training.rising_and_falling(step, length, warm_up) for step in range(length)] == pytest.approx(parts)


def test_after_the_last_cycle_there_is_no_rate():
    plan = TrainingPlan(cycles=((1, 0.5), (2, 0.1)), warm_up=0.5)
    assert [plan.rate(step, 2) for step in range(7)] == pytest.approx([0.5, 0.5, 0.05, 0.1, 0.1, 0.05, 0.0])


def test_the_usual_plan():
    plan = TrainingPlan()
    assert (plan.cycles, plan.batch_size, plan.momentum, plan.weight_decay) == (((18, 0.1),), 128, 0.9, 5e-4)
    assert (plan.smoothing, plan.warm_up, plan.shift, plan.seed) == (0.1, 0.2, 4, 0)
    for function in (train_classifier, training.take_steps):
        parameters = inspect.signature(function).parameters
        assert [parameters[name].default for name in ("resume", "checkpoint_every", "progress")] == [False, 100, True]


class ToldBar(Bar):
    def set_description(self, title, refresh):
        assert refresh is False
        self.shown.append(title)

    def set_postfix(self, values, refresh):
        assert refresh is False
        self.shown.append(values)


def test_the_bar_shows_means_that_move_slowly(tmp_path, monkeypatch):
    monkeypatch.setattr(training, "tqdm", ToldBar)
    parameter = nn.Linear(1, 1, seed=0)
    losses = iter([(1.0, {}), (2.0, {}), (10.0, {"near": 4.0}), (20.0, {"near": 5.0})])

    def step(number):
        loss, shown = next(losses)
        return Step(ops.sum(parameter.w * 0.0) + loss, 0.1, f"step {number}", shown)

    optimizer = optim.SGD(parameter.parameters(), 0.1)
    training.take_steps(parameter, optimizer, step, 4, TrainingPlan(), checkpoint=tmp_path / "c.npz")
    assert ToldBar.last.options == {"total": 4, "initial": 0, "unit": "batch", "disable": False, "mininterval": 1.0}
    assert ToldBar.last.updates == 4
    assert ToldBar.last.shown == [
        "step 0",
        {"loss": "1.000"},
        "step 1",
        {"loss": "1.020"},
        "step 2",
        {"loss": "10.000", "near": "4.000"},
        "step 3",
        {"loss": "10.200", "near": "4.020"},
    ]


def test_a_loss_that_is_no_number_is_told_before_the_step(tmp_path):
    layer = nn.Linear(1, 1, seed=0)
    before = layer.w.data.copy()
    optimizer = optim.SGD(layer.parameters(), 0.1)

    def step(number):
        return Step(ops.sum(layer.w) * (np.inf if number == 1 else 1.0), 0.25 / (number + 1), "")

    with pytest.raises(InputError, match=r"^train: the loss is -?inf at step 1; try a lower rate than 0\.125$"):
        training.take_steps(layer, optimizer, step, 3, TrainingPlan(), checkpoint=tmp_path / "c.npz", progress=False)
    assert optimizer.steps == 1 and layer.w.data == before - np.float32(0.25)
    assert not (tmp_path / "c.npz").exists()


def test_classifiers_are_trained_with_nesterovs_momentum(small, tmp_path, monkeypatch):
    taken = []
    monkeypatch.setattr(training, "take_steps", lambda *arguments, **options: taken.append((arguments, options)))
    plan = TrainingPlan(cycles=((2, 0.1), (1, 0.1)), batch_size=3, momentum=0.75, weight_decay=0.25)
    images, labels = striped(7)
    model = small()
    train_classifier(model, images, labels, plan, checkpoint=tmp_path, resume=True, checkpoint_every=5, progress=False)
    (((trained, optimizer, _, steps, given), options),) = taken
    assert (trained, steps, given) == (model, 6, plan)  # 3 epochs of 2 batches
    assert (optimizer.momentum, optimizer.weight_decay, optimizer.nesterov) == (0.75, 0.25, True)
    assert options == {"checkpoint": tmp_path, "resume": True, "checkpoint_every": 5, "progress": False}


def test_pictures_that_do_not_fill_a_batch_are_refused(small, tmp_path):
    images, labels = striped(15)
    with pytest.raises(InputError, match=r"^train: batch_size is 16; expected at most the 15 pictures given$"):
        train_classifier(small(), images, labels, PLAN, checkpoint=tmp_path / "c.npz", progress=False)
    with pytest.raises(
        InputError, match=r"^resume: no checkpoint '.*c\.npz' \(it does not exist\); start without --res"
    ):
        train_classifier(small(), *striped(16), PLAN, checkpoint=tmp_path / "c.npz", resume=True, progress=False)


def test_every_epoch_takes_the_batches_of_its_own_order(tmp_path, monkeypatch):
    images, _ = striped(7)
    plan = TrainingPlan(cycles=((2, 0.1),), batch_size=3, seed=5, smoothing=0.25, shift=2)
    seen = []

    def look(logits, picked, smoothing):
        seen.append((picked.tolist(), smoothing))
        return ops.sum(logits) * 0.0

    monkeypatch.setattr(ops, "cross_entropy", look)
    moved = []
    monkeypatch.setattr(
        training, "augment", lambda x, shift, random: moved.append((shift, random)) or augment(x, 0, random)
    )
    model = nn.Sequential(nn.Flatten(), nn.Linear(32 * 32 * 3, 2, seed=0))
    train_classifier(model, images, np.arange(7), plan, checkpoint=tmp_path / "c.npz", progress=False)
    orders = [np.random.default_rng([5, epoch]).permutation(7) for epoch in range(2)]
    assert seen == [(order[first : first + 3].tolist(), 0.25) for order in orders for first in (0, 3)]
    assert [shift for shift, _ in moved] == [2] * 4


def test_augmentation_without_a_shift_mirrors_only():
    images = np.random.default_rng(1).random((6, 3, 4, 3))
    mirrored = np.random.default_rng(2).random((6, 1, 1, 1)) < 0.5
    expected = np.where(mirrored, images[:, :, ::-1], images).astype(np.float32)
    np.testing.assert_array_equal(augment(images, 0, np.random.default_rng(2)), expected)
    assert 0 < mirrored.sum() < 6


def test_a_checkpoint_holds_the_plan_and_the_step(small, tmp_path):
    images, labels = striped(32)
    train_classifier(small(), images, labels, PLAN, checkpoint=tmp_path / "c.npz", progress=False)
    with np.load(tmp_path / "c.npz") as file:
        arrays = dict(file)
    assert arrays.pop("step") == 4
    assert arrays.pop("plan").tobytes().startswith(b'{"batch_size": 16, "cycles": [[1, 0.05], [1, 0.02]], "momentum"')
    assert {name.partition(".")[0] for name in arrays} == {"model", "state", "optimizer"}


@pytest.mark.parametrize("kind", [TrainingPlan])
def test_a_plan_does_not_change(kind):
    with pytest.raises(dataclasses.FrozenInstanceError):
        object.__new__(kind).name = "another"

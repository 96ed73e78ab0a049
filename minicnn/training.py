"""Training: steps, schedule, augmentation, checkpoints, and a classifier.

Every random number is a function of seed and step. A resumed run therefore ends with the same weights, bit for bit, as
an uninterrupted one.
"""

from __future__ import annotations

import json
import math
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from minicnn import devices, nn, ops, optim
from minicnn.errors import InputError, MissingFileError, suggest_names
from minicnn.files import interrupts_wait, replacing, unreadable
from minicnn.images import scaled
from minicnn.operation import no_grad
from minicnn.tensor import Tensor

__all__ = [
    "Step",
    "TrainingPlan",
    "accuracy",
    "augment",
    "rising_and_falling",
    "save_checkpoint",
    "take_steps",
    "train_classifier",
]
suggest_names(__name__, __all__)


@dataclass(frozen=True)
class TrainingPlan:
    """The settings that determine the result.

    cycles: (epochs, peak learning rate) of each cycle. The rate rises from zero to its peak and falls back (Smith
    2018); a second, lower cycle continues from there (Loshchilov & Hutter 2017). warm_up: rising fraction of a cycle.
    smoothing: label smoothing, see ops.cross_entropy. shift: largest shift of a picture in pixels.
    """

    cycles: tuple[tuple[int, float], ...] = ((18, 0.1),)
    batch_size: int = 128
    momentum: float = 0.9
    weight_decay: float = 5e-4
    smoothing: float = 0.1
    warm_up: float = 0.2
    shift: int = 4
    seed: int = 0

    @property
    def epochs(self) -> int:
        """The number of epochs of all cycles."""
        return sum(epochs for epochs, _ in self.cycles)

    def rate(self, step: int, batches: int) -> float:
        """Return the learning rate of a step. batches: batches per epoch."""
        for epochs, peak in self.cycles:
            length = epochs * batches
            if step < length:
                return peak * rising_and_falling(step, length, self.warm_up)
            step -= length
        return 0.0


def rising_and_falling(step: int, length: int, warm_up: float) -> float:
    """Return the learning rate of a step, as a fraction of its peak.

    It rises linearly during the fraction `warm_up` of `length` steps, and then falls linearly to zero (Smith 2018).
    """
    up = warm_up * length
    return min((step + 1) / max(up, 1), (length - step) / max(length - up, 1))


class Step(NamedTuple):
    """One step for `take_steps`: the loss, the learning rate, and the values for the progress bar."""

    loss: Tensor
    rate: float
    title: str
    shown: Mapping[str, float] = {}


def train_classifier(
    model: nn.Module,
    images: np.ndarray,
    labels: np.ndarray,
    plan: TrainingPlan,
    *,
    checkpoint: Path,
    resume: bool = False,
    checkpoint_every: int = 100,
    progress: bool = True,
) -> None:
    """Train `model` in place with SGD, Nesterov momentum and softmax cross-entropy.

    images: (N, H, W, 3), uint8 or floats in [0, 1]; labels: (N,) integers. checkpoint: file written every
    `checkpoint_every` steps; resume=True continues from it. Ctrl-C finishes the step, writes the checkpoint and stops.
    """
    optimizer = optim.SGD(model.parameters(), momentum=plan.momentum, weight_decay=plan.weight_decay, nesterov=True)
    batches = len(images) // plan.batch_size  # drop the last, incomplete batch; a shuffle changes its pictures
    if batches == 0:
        raise InputError(f"train: batch_size is {plan.batch_size}; expected at most the {len(images)} pictures given")

    def step(number: int) -> Step:
        epoch, batch = divmod(number, batches)
        order = np.random.default_rng([plan.seed, epoch]).permutation(len(images))
        picked = order[batch * plan.batch_size : (batch + 1) * plan.batch_size]
        x = augment(images[picked], plan.shift, np.random.default_rng([plan.seed, epoch, batch]))
        loss = ops.cross_entropy(model(x), labels[picked], smoothing=plan.smoothing)
        return Step(loss, plan.rate(number, batches), f"epoch {epoch + 1}/{plan.epochs}")

    take_steps(
        model,
        optimizer,
        step,
        plan.epochs * batches,
        plan,
        checkpoint=checkpoint,
        resume=resume,
        checkpoint_every=checkpoint_every,
        progress=progress,
    )


def take_steps(
    model: nn.Module,
    optimizer: optim.Optimizer,
    step: Callable[[int], Step],
    steps: int,
    plan: Any,
    *,
    checkpoint: Path,
    resume: bool = False,
    checkpoint_every: int = 100,
    progress: bool = True,
) -> None:
    """Train `model` by step(0), step(1), … step(steps - 1), and leave it in evaluation mode.

    plan: a dataclass of numbers and strings that, with the number of the step, determines what step() does.
    checkpoint, resume, checkpoint_every: as in `train_classifier`. Ctrl-C finishes the step, writes the checkpoint
    and stops.
    """
    done = _load_checkpoint(checkpoint, model, optimizer, plan) if resume else 0
    model.train()
    bar = tqdm(total=steps, initial=done, unit="batch", disable=not progress, mininterval=1.0)
    smooth: dict[str, float] = {}
    with interrupts_wait() as interrupted, bar:
        for number in range(done, steps):
            optimizer.zero_grad()
            now = step(number)
            now.loss.backward()
            loss = now.loss.item()
            if not math.isfinite(loss):
                raise InputError(f"train: the loss is {loss} at step {number}; try a lower rate than {now.rate:.3g}")
            optimizer.learning_rate = now.rate
            optimizer.step()
            done = number + 1
            shown = {"loss": loss, **now.shown}
            before = smooth if smooth.keys() == shown.keys() else shown  # restart the average in another phase
            smooth = {name: 0.98 * before[name] + 0.02 * value for name, value in shown.items()}
            bar.update()
            bar.set_description(now.title, refresh=False)
            bar.set_postfix({name: f"{value:.3f}" for name, value in smooth.items()}, refresh=False)
            if done % checkpoint_every == 0 or done == steps or interrupted:
                save_checkpoint(checkpoint, model, optimizer, plan, done)
            if interrupted:
                raise KeyboardInterrupt
    model.eval()


def augment(images: np.ndarray, shift: int, random: np.random.Generator) -> np.ndarray:
    """Return the pictures as float32 in [0, 1], half of them mirrored, each shifted by up to `shift` pixels.

    Borders are filled by reflection.
    """
    n, height, width, _ = images.shape
    padded = np.pad(images, [(0, 0), (shift, shift), (shift, shift), (0, 0)], mode="reflect")
    padded = np.where(random.random((n, 1, 1, 1)) < 0.5, padded[:, :, ::-1], padded)
    top, left = random.integers(0, 2 * shift + 1, (2, n))
    rows = top[:, None] + np.arange(height)
    columns = left[:, None] + np.arange(width)
    moved = padded[np.arange(n)[:, None, None], rows[:, :, None], columns[:, None, :]]
    return scaled(moved).astype(np.float32, copy=False)


def accuracy(model: nn.Module, images: np.ndarray, labels: np.ndarray, *, batch_size: int = 250) -> float:
    """Return the fraction of pictures whose largest logit is that of their label."""
    right = 0
    model.eval()
    with no_grad():
        for start in range(0, len(images), batch_size):
            x = scaled(images[start : start + batch_size]).astype(np.float32, copy=False)
            right += int(np.sum(model(x).numpy().argmax(axis=1) == labels[start : start + batch_size]))
    return right / len(images)


# --- checkpoints -----------------------------------------------------------------------------------------------


def save_checkpoint(path: Path, model: nn.Module, optimizer: optim.Optimizer, plan: Any, step: int) -> None:
    """Write everything that the next step depends on, atomically."""
    arrays = {name: devices.to_host(array) for name, array in _state(model, optimizer).items()}
    arrays["plan"] = np.frombuffer(_fingerprint(plan), np.uint8)
    arrays["step"] = np.asarray(step)
    with replacing(path) as beside, open(beside, "wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]


def _load_checkpoint(path: Path, model: nn.Module, optimizer: optim.Optimizer, plan: Any) -> int:
    """Load a checkpoint into model and optimizer. Return the number of completed steps."""
    if why := unreadable(path):
        raise MissingFileError(f"resume: no checkpoint {str(path)!r} (it {why}); start without --resume")
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays: dict[str, Any] = dict(file)
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as problem:
        raise InputError(f"resume: {str(path)!r} is not a checkpoint ({problem})") from None
    found, wanted = arrays.pop("plan", np.zeros(0, np.uint8)).tobytes(), _fingerprint(plan)
    if found != wanted:
        was = found.decode(errors="replace")
        raise InputError(f"resume: {str(path)!r} was made with {was}; expected {wanted.decode()}")
    step = int(arrays.pop("step"))
    mine = _state(model, optimizer)
    if arrays.keys() != mine.keys() or any(arrays[k].shape != mine[k].shape for k in mine):
        raise InputError(f"resume: {str(path)!r} holds another network")
    for name, parameter in model.named_parameters():
        parameter.data = devices.beside(arrays[f"model.{name}"], parameter.data)
    for name, array in list(model.named_state()):
        model.set_state(name, devices.beside(arrays[f"state.{name}"], array))
    optimizer.load_state_dict(
        {k.removeprefix("optimizer."): v for k, v in arrays.items() if k.startswith("optimizer.")}
    )
    return step


def _state(model: nn.Module, optimizer: optim.Optimizer) -> dict[str, np.ndarray]:
    return {
        **{f"model.{name}": p.data for name, p in model.named_parameters()},
        **{f"state.{name}": a for name, a in model.named_state()},
        **{f"optimizer.{name}": a for name, a in optimizer.state_dict().items()},
    }


def _fingerprint(plan: Any) -> bytes:
    return json.dumps(asdict(plan), sort_keys=True).encode()

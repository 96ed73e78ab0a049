"""Training of an encoder of faces: first as a classifier of the training people, then with triplets or pairs.

An untrained network learns little from its hardest triplets, and may collapse. Softmax over the identities first brings
it to a point where they help. Source: Parkhi, Vedaldi & Zisserman 2015, section 4; Hermans et al. 2017.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from minicnn import nn, ops, optim
from minicnn.errors import InputError
from minicnn.faces.collapse import CollapseMonitor
from minicnn.faces.distances import distance
from minicnn.faces.heads import PairHead
from minicnn.faces.losses import active_fraction, batch_triplet_loss
from minicnn.faces.mining import mine_triplets
from minicnn.faces.sampling import PeopleSampler
from minicnn.models.blocks import Block, every
from minicnn.models.network import Network
from minicnn.tensor import Tensor
from minicnn.training import Step, augment, rising_and_falling, take_steps

LOSSES = ("triplet", "pair")


@dataclass(frozen=True)
class FacePlan:
    """All settings that determine the result of training.

    people, pictures: P × K of a batch. softmax, comparing: (epochs, peak learning rate) of the two phases. An epoch has
    as many batches as show every picture once. Within a phase, the rate rises for the fraction `warm_up`, then falls
    to zero. loss: "triplet" or "pair", in the second phase. margin: for triplets, in squared distances of unit vectors.
    head: for pairs, see PairHead. scale, angle: see CosineClassifier. shift: maximum translation of
    pictures, in pixels. brightness: the factor is between 1 − brightness and 1 + brightness. hidden: maximum side of a
    patch that is painted over in every other picture, as a fraction. frozen: layers or blocks that are not trained.
    """

    people: int = 24
    pictures: int = 4
    softmax: tuple[int, float] = (18, 0.1)
    comparing: tuple[int, float] = (8, 0.02)
    loss: str = "triplet"
    margin: float = 0.2
    head: str = "l1"
    scale: float = 16.0
    angle: float = 0.2
    momentum: float = 0.9
    weight_decay: float = 5e-4
    warm_up: float = 0.2
    shift: int = 3
    brightness: float = 0.2
    hidden: float = 0.5
    frozen: tuple[str, ...] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        for name, value in (("people", self.people), ("pictures", self.pictures)):
            if value < 2:
                raise InputError(f"face train: {name} of a batch is {value}; expected 2 or more")
        for name, (epochs, rate) in (("softmax", self.softmax), ("comparing", self.comparing)):
            if epochs < 0 or not 0 < rate < np.inf:
                raise InputError(
                    f"face train: {name} is {epochs} {rate}; expected EPOCHS of 0 or more, a positive RATE"
                )
        if self.loss not in LOSSES:
            raise InputError(f"face train: loss is {self.loss!r}; expected one of {', '.join(LOSSES)}")
        if not 0 <= self.margin < np.inf:
            raise InputError(f"face train: margin is {self.margin}; expected a number of 0 or more")
        if not 0 <= self.hidden <= 1:
            raise InputError(f"face train: hidden is {self.hidden}; expected a number from 0 to 1")


class CosineClassifier(nn.Module):
    """Logits scale · cos(x, wⱼ), one per person, of encodings of unit length.

    The classifier learns angles, which distances between encodings measure, too. `angle` is subtracted from the cosine
    of the right person, as a margin. Source: Wang et al. 2018, "CosFace", equation 4.
    """

    def __init__(self, dimensions: int, people: int, *, scale: float, angle: float, seed: nn.Seed = 0) -> None:
        drawn = np.random.default_rng(seed).normal(0, dimensions**-0.5, (people, dimensions))
        self.w = Tensor(drawn.astype(np.float32), requires_grad=True)
        self.scale, self.angle = scale, angle

    def loss(self, x: Tensor, labels: np.ndarray) -> Tensor:
        """Return the mean cross entropy of encodings (N, D). labels: (N,) integers, the person of each."""
        cosines = ops.linear(x, ops.transpose(ops.l2_normalize(self.w)))
        taken = np.zeros(cosines.shape, np.float32)
        taken[np.arange(len(labels)), labels] = self.angle
        return ops.cross_entropy((cosines - taken) * self.scale, labels)


class Trainee(nn.Module):
    """All modules in training: the encoder, and a classifier and head on top. Frozen layers stay in evaluation mode."""

    def __init__(self, encoder: Network, plan: FacePlan, people: int) -> None:
        dimensions = encoder.card.embedding
        if dimensions is None:
            raise InputError(
                f"face train: {encoder.card.name} is not an encoder of faces; expected one such as tiny_facenet"
            )
        if plan.loss == "pair" and plan.head == "chi2" and isinstance(encoder.layers[-1], nn.L2Normalize):
            raise InputError(
                f"face train: head is 'chi2', but {encoder.card.name} ends with signed unit vectors, of which f + g "
                "may vanish; expected l1 or l2"
            )
        self.encoder = encoder
        self.classifier = CosineClassifier(dimensions, people, scale=plan.scale, angle=plan.angle, seed=plan.seed)
        self.head = PairHead(plan.head, dimensions) if plan.loss == "pair" else None
        self.frozen = plan.frozen

    def train(self, training: bool = True) -> nn.Module:
        super().train(training)
        for layer in named_layers(self.encoder, self.frozen):
            layer.train(False)
        return self


def train_encoder(
    encoder: Network,
    images: np.ndarray,
    labels: np.ndarray,
    plan: FacePlan,
    *,
    checkpoint: Path,
    resume: bool = False,
    checkpoint_every: int = 50,
    progress: bool = True,
) -> PairHead | None:
    """Train `encoder` in place with SGD and Nesterov momentum. Returns the head that was trained with it, or None.

    images: (N, H, W, 3), uint8 or floats in [0, 1], of the size on the encoder's card. labels: (N,), the person on
    each. checkpoint, resume, checkpoint_every: as in `training.train_classifier`. Raises InputError for a single
    person, P or K below 2, an unknown layer to freeze, or pictures of another size.
    """
    size = encoder.card.input_size
    if not (images.dtype == np.uint8 or images.dtype.kind == "f") or images.shape[1:] != (*size, 3):
        raise InputError(
            f"face train: images have shape {images.shape} and dtype {images.dtype}; "
            f"expected (N, {size[0]}, {size[1]}, 3), floats in [0, 1] or uint8, for {encoder.card.name}"
        )
    names, people = np.unique(labels, return_inverse=True)
    if len(names) < 2:
        raise InputError(f"face train: data hold one person alone, {names[0]!s}; expected two or more")
    sampler = PeopleSampler(people, people=min(plan.people, len(names)), pictures=plan.pictures, seed=plan.seed)
    trainee = Trainee(encoder, plan, len(names)).to(encoder.device or "cpu")
    batch_size = min(plan.people * plan.pictures, len(images))
    batches = len(images) // batch_size
    monitor = CollapseMonitor(plan.margin)
    first = plan.softmax[0] * batches
    steps = first + plan.comparing[0] * batches

    def step(number: int) -> Step:
        random = np.random.default_rng([plan.seed, 1, number])
        if number < first:
            epoch, batch = divmod(number, batches)
            order = np.random.default_rng([plan.seed, 0, epoch]).permutation(len(images))
            picked = order[batch * batch_size : (batch + 1) * batch_size]
            loss = trainee.classifier.loss(encoder(_prepare(images[picked], plan, random)), people[picked])
            rate = plan.softmax[1] * rising_and_falling(number, first, plan.warm_up)
            return Step(loss, rate, f"softmax {epoch + 1}/{plan.softmax[0]}")
        number -= first
        picked = sampler.batch(number)
        encodings = encoder(_prepare(images[picked], plan, random))
        rate = plan.comparing[1] * rising_and_falling(number, steps - first, plan.warm_up)
        title = f"{plan.loss}s {number // batches + 1}/{plan.comparing[0]}"
        if trainee.head is not None:
            loss, shown = _pair_loss(trainee.head, encodings, people[picked], random)
        else:
            loss, shown = _triplet_loss(encodings, people[picked], plan.margin, monitor)
        return Step(loss, rate, title, {**shown, "distance": _mean_distance(encodings.data)})

    with frozen_layers(encoder, plan.frozen):
        parameters = trainee.parameters()
        optimizer = optim.SGD(parameters, momentum=plan.momentum, weight_decay=plan.weight_decay, nesterov=True)
        take_steps(
            trainee,
            optimizer,
            step,
            steps,
            # Includes the size of the data, so that a run resumes only with the same.
            _Run(**asdict(plan), shown=len(images), known=len(names)),
            checkpoint=checkpoint,
            resume=resume,
            checkpoint_every=checkpoint_every,
            progress=progress,
        )
    return trainee.head


@dataclass(frozen=True)
class _Run(FacePlan):
    shown: int = 0
    known: int = 0


def _prepare(images: np.ndarray, plan: FacePlan, random: np.random.Generator) -> np.ndarray:
    """Return augmented pictures, float32 in [0, 1]: mirrored, shifted, brightened or darkened, and partly hidden."""
    light = random.uniform(1 - plan.brightness, 1 + plan.brightness, (len(images), 1, 1, 1)).astype(np.float32)
    return _hide(np.minimum(augment(images, plan.shift, random) * light, np.float32(1)), plan.hidden, random)


def _hide(images: np.ndarray, most: float, random: np.random.Generator) -> np.ndarray:
    """Return pictures with a patch painted over in about half of them, so that no single feature suffices.

    most: maximum height and width of a patch, as a fraction of the picture's. Source: DeVries & Taylor 2017, "Improved
    regularization of convolutional neural networks with cutout".
    """
    count = len(images)
    inside = (random.random(count) < 0.5)[:, None, None]
    for axis, length in enumerate(images.shape[1:3]):
        middle, half = random.random(count)[:, None], random.uniform(0, most / 2, count)[:, None]
        within = np.abs((np.arange(length) + 0.5) / length - middle) <= half
        inside = inside & (within[:, :, None] if axis == 0 else within[:, None, :])
    colour = random.random((count, 1, 1, 3), np.float32)
    return np.where(inside[..., None], colour, images)


def _triplet_loss(
    encodings: Tensor, people: np.ndarray, margin: float, monitor: CollapseMonitor
) -> tuple[Tensor, dict[str, float]]:
    triplets = mine_triplets(encodings, people, strategy="batch-hard", margin=margin)
    loss = batch_triplet_loss(encodings, triplets, margin=margin, reduction="mean")
    active = active_fraction(encodings, triplets, margin=margin)
    monitor.update(loss.item(), encodings, active)
    return loss, {"active": active}


def _pair_loss(
    head: PairHead, encodings: Tensor, people: np.ndarray, random: np.random.Generator
) -> tuple[Tensor, dict[str, float]]:
    """Return the loss of every pair of one person, and of as many pairs of two; half of the latter are the nearest."""
    first, second = np.triu_indices(len(people), 1)
    same = people[first] == people[second]
    found = encodings.numpy()
    d = distance(found[first], found[second])
    others = np.flatnonzero(~same)
    count = min(int(same.sum()), len(others))
    nearest = others[np.argsort(d[others], kind="stable")[: count // 2]]
    rest = np.setdiff1d(others, nearest)
    drawn = random.choice(rest, min(count - len(nearest), len(rest)), replace=False)
    chosen = np.concatenate([np.flatnonzero(same), nearest, drawn])
    logits = head(encodings[first[chosen]], encodings[second[chosen]])
    right = float(np.mean((logits.numpy() > 0) == same[chosen]))
    return ops.binary_cross_entropy(logits, same[chosen]), {"right": right}


def _mean_distance(encodings: np.ndarray) -> float:
    """Return the mean squared distance between two encodings of a batch: twice the sample variance."""
    x = encodings - encodings.mean(axis=0)
    return float(2 * np.square(x).sum() / max(len(x) - 1, 1))


# --- frozen layers -----------------------------------------------------------------------------------------------


def named_layers(encoder: Network, names: Iterable[str]) -> list[nn.Module]:
    """Return the layers and blocks of these names. block1 also stands for names such as block1_conv1.

    Raises InputError for an unknown name.
    """
    layers = list(every(encoder.layers))
    found: list[nn.Module] = []
    for name in names:
        mine = [layer for layer in layers if layer.name == name or (layer.name or "").startswith(f"{name}_")]
        if not mine:
            blocks = dict.fromkeys(layer.name.split("_")[0] for layer in layers if layer.name)
            raise InputError(
                f"face train: freeze {name!r} is unknown; {encoder.card.name} has {', '.join(blocks)}, "
                "and layers of their own names"
            )
        found += mine
    return list(
        itertools.chain.from_iterable(layer.modules() if isinstance(layer, Block) else [layer] for layer in found)
    )


@contextmanager
def frozen_layers(encoder: Network, names: Iterable[str]) -> Iterator[None]:
    """Disable the gradients of these layers inside the block, and restore them afterwards. Raises InputError."""
    parameters = [p for layer in named_layers(encoder, names) for p in layer.parameters()]
    before = [(parameter, parameter.requires_grad) for parameter in parameters]
    try:
        for parameter in parameters:
            parameter.requires_grad = False
        yield
    finally:
        for parameter, wanted in reversed(before):  # in case a layer is named twice
            parameter.requires_grad = wanted

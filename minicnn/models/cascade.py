"""MTCNN: three small networks that find faces, each looking closer than the one before. Source: Zhang et al. 2016.

P-Net sees 12×12 pixels. It has no dense layer, so it slides over a whole picture as any convolution does, and gives a
map of windows that may hold a face. R-Net looks at those at 24×24, O-Net at what is left at 48×48, which also says
where eyes, nose and mouth are. How the three work together stands in faces/detection.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import NamedTuple

import numpy as np

from minicnn import nn, ops
from minicnn.kernels.geometry import Padding
from minicnn.models.blocks import Branches
from minicnn.models.card import ModelCard
from minicnn.models.network import Network
from minicnn.models.pretrained import WeightsLike, load_weights
from minicnn.operation import no_grad
from minicnn.tensor import Tensor

CELL, STRIDE = 12, 2  # pixels that P-Net sees, and between two of its windows
BATCH = 128  # windows at once: their first maps, 128 × 46² × 32 numbers, take 35 MB


class Judgement(NamedTuple):
    """What a stage thinks of windows. scores (…,): how likely each holds a face. shifts (…, 4): by what parts of its
    width and height to move left, top, right and bottom. landmarks (…, 5, 2): (x, y) of the left eye, the right eye,
    the tip of the nose and the corners of the mouth, in parts of width and height; None but from O-Net.
    """

    scores: np.ndarray
    shifts: np.ndarray
    landmarks: np.ndarray | None

    @classmethod
    def of(cls, output: np.ndarray) -> Judgement:
        """From a stage's output (…, 6), or (…, 16) of O-Net."""
        landmarks = None
        if output.shape[-1] == 16:
            landmarks = np.stack([output[..., 6:11], output[..., 11:]], axis=-1)
        # Of two logits, the softmax is the sigmoid of their difference.
        return cls(ops.sigmoid(output[..., 1] - output[..., 0]).data, output[..., 2:6], landmarks)


class Stage(Network):
    """One of the three. The last axis of its output: two logits, four shifts and, of O-Net, x₁ … x₅, y₁ … y₅."""

    def forward(self, x: Tensor) -> Tensor:
        y = super().forward(x)
        return y.transpose(0, 2, 1, 3) if y.ndim == 4 else y

    def _enter(self, x: Tensor) -> Tensor:
        """The weights come from a trainer that counts columns before rows, and know pictures lying on their side."""
        return super()._enter(x).transpose(0, 2, 1, 3)

    def judge(self, pictures: np.ndarray) -> Judgement:
        """pictures: (N, H, W, 3) float32, RGB in [0, 1]. One judgement each, of P-Net (N, H', W') of them."""
        with no_grad():
            parts = [self(pictures[i : i + BATCH]).data for i in range(0, len(pictures), BATCH)]
        return Judgement.of(parts[0] if len(parts) == 1 else np.concatenate(parts))


class MTCNN(Stage):
    """P-Net, which slides over pictures of any size; refinement is R-Net, and output is O-Net."""

    def __init__(self, initial: str = "he", seed: nn.Seed = 0) -> None:
        random = np.random.default_rng(seed)
        self.refinement = Stage(_card(24), _refinement(initial, random))
        self.output = Stage(_card(48), _output(initial, random))
        super().__init__(_card(CELL), _proposal(initial, random))

    def children(self) -> Iterator[tuple[str, nn.Module]]:
        return chain(super().children(), self.refinement.children(), self.output.children())


def mtcnn(weights: WeightsLike | None = "mtcnn", *, seed: nn.Seed = 0) -> MTCNN:
    """The three networks, 495,850 parameters. weights: a catalogue name or a file; None draws them from `seed`.

    model(x) is P-Net's map of a picture (N, H, W, 3), RGB in [0, 1]; faces.detect(image) finds faces with all three.
    Raises InputError, MissingFileError, or LoadError for a file that is of another network or damaged.
    """
    if weights is None:
        return MTCNN(seed=seed)
    return load_weights(build(), weights)


def build() -> MTCNN:
    """mtcnn without weights: zeros, where weights are yet to come."""
    return MTCNN(initial="zeros")


def _card(side: int) -> ModelCard:
    return ModelCard(name="mtcnn", input_size=(side, side), preprocessing="centred")


class _Layers:
    """The layers of one stage, called as in its file: pnet/conv1, pnet/PReLU1, …"""

    def __init__(self, stage: str, prelu: str, initial: str, random: np.random.Generator) -> None:
        self.stage, self.prelu, self.initial, self.random = stage, prelu, initial, random

    def conv(self, number: int, channels: int, filters: int, kernel: int) -> list[nn.Module]:
        """A convolution and its PReLU."""
        name = f"{self.stage}/conv{number}"
        layer = nn.Conv2d(channels, filters, kernel, initial=self.initial, seed=self.random, name=name)
        return [layer, self._prelu(number, filters)]

    def dense(self, number: int, features: int, units: int) -> list[nn.Module]:
        """A dense layer and its PReLU; in the file, it is a conv, too."""
        name = f"{self.stage}/conv{number}"
        layer = nn.Linear(features, units, initial=self.initial, seed=self.random, name=name)
        return [nn.Flatten(name=f"{self.stage}/flatten"), layer, self._prelu(number, units)]

    def _prelu(self, number: int, channels: int) -> nn.Module:
        return nn.PReLU(channels, name=f"{self.stage}/{self.prelu}{number}")

    def pool(self, number: int, size: int, *, padding: Padding = 0) -> nn.Module:
        return nn.MaxPool2d(size, stride=2, padding=padding, name=f"{self.stage}/pool{number}")

    def heads(self, number: int, features: int, *widths: int) -> nn.Module:
        """Dense layers side by side, their outputs one after the other."""

        def head(i: int, width: int) -> nn.Module:
            name = f"{self.stage}/conv{number}-{i}"
            return nn.Linear(features, width, initial=self.initial, seed=self.random, name=name)

        return Branches(*(head(i, width) for i, width in enumerate(widths, start=1)))


def _proposal(initial: str, random: np.random.Generator) -> list[nn.Module]:
    net = _Layers("pnet", "PReLU", initial, random)

    def head(name: str, width: int) -> nn.Module:
        return nn.Conv2d(32, width, 1, initial=initial, seed=random, name=f"pnet/{name}")

    return [
        *net.conv(1, 3, 10, 3),
        net.pool(1, 2, padding="same"),
        *net.conv(2, 10, 16, 3),
        *net.conv(3, 16, 32, 3),
        Branches(head("conv4-1", 2), head("conv4-2", 4)),
    ]


def _refinement(initial: str, random: np.random.Generator) -> list[nn.Module]:
    net = _Layers("rnet", "prelu", initial, random)
    return [
        *net.conv(1, 3, 28, 3),
        net.pool(1, 3, padding="same"),
        *net.conv(2, 28, 48, 3),
        net.pool(2, 3),
        *net.conv(3, 48, 64, 2),
        *net.dense(4, 576, 128),
        net.heads(5, 128, 2, 4),
    ]


def _output(initial: str, random: np.random.Generator) -> list[nn.Module]:
    net = _Layers("onet", "prelu", initial, random)
    return [
        *net.conv(1, 3, 32, 3),
        net.pool(1, 3, padding="same"),
        *net.conv(2, 32, 64, 3),
        net.pool(2, 3),
        *net.conv(3, 64, 64, 3),
        net.pool(3, 2, padding="same"),
        *net.conv(4, 64, 128, 2),
        *net.dense(5, 1152, 256),
        net.heads(6, 256, 2, 4, 10),
    ]
